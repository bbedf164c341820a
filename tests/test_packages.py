"""Packages of project modules: by path they are inputs like the project itself,
by hash they are taken from the package cache and fetched only when asked for."""

import functools
import http.server
import os
import subprocess
import tarfile
import threading
import zlib

import pytest

from conftest import Project, base_environment
from test_projects import BUILD, ROOT

PACKAGE_BUILD = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    const module = b.addModule("NAME", .{ .root_source_file = b.path("NAME.zig") });
    IMPORTS
    _ = module;
}
"""


def zon(name, *dependencies):
    """A `build.zig.zon`; the upper half of a fingerprint is the name's checksum."""
    return (
        f'.{{ .name = .{name}, .version = "0.1.0", .fingerprint = 0x{zlib.crc32(name.encode()):08x}00000001,\n'
        '.paths = .{""}, .dependencies = .{\n' + "".join(f".{one},\n" for one in dependencies) + "} }\n"
    )


def imports(*names):
    lines = (f'module.addImport("{name}", b.dependency("{name}", .{{}}).module("{name}"));' for name in names)
    return "\n    ".join(lines)


def write_package(project, folder, name, source, *dependencies, uses=()):
    build = PACKAGE_BUILD.replace("NAME", name).replace("IMPORTS", imports(*uses))
    project.write(f"{folder}/build.zig", build.replace("    _ = module;\n", "" if uses else "    _ = module;\n"))
    project.write(f"{folder}/build.zig.zon", zon(name, *dependencies))
    project.write(f"{folder}/{name}.zig", source)


def write_project(project, *dependencies, factor='@import("dep").factor', uses="dep"):
    """The project `b`, which multiplies with a number of its package."""
    install = "    b.installArtifact(library);\n"
    module = f"    const module = library.root_module;\n    {imports(uses)}\n" if uses else ""
    project.write("b/build.zig", BUILD.replace(install, module + install))
    project.write("b/build.zig.zon", zon("b", *dependencies))
    project.write("b/src/root.zig", ROOT.replace("FACTOR", factor))


@pytest.fixture
def project(make_project, project_store):
    return make_project(store=project_store)


def inputs_of(project):
    (module,) = project.cli("plan", "b", "--format", "json").json["modules"]
    return {one["path"] for one in module["inputs"]}


def discovered_of(project):
    """What the build learnt, as the plan has it."""
    (module,) = project.cli("plan", "b", "--format", "json").json["modules"]
    return [one["path"] for target in module["targets"] for one in target["discovered"]]


# By path.


def test_packages_by_path_are_inputs_and_so_are_theirs(project):
    write_project(project, 'dep = .{ .path = "../libraries/dep" }')
    write_package(
        project, "libraries/dep", "dep", 'pub const factor = @import("inner").factor;\n', 'inner = .{ .path = "../inner" }', uses=("inner",)
    )
    write_package(project, "libraries/inner", "inner", 'pub const factor = @import("number.zig").number;\n')
    project.write("libraries/inner/number.zig", "pub const number = 2;\n")
    project.write("libraries/unrelated/file.zig", "")
    project.write("libraries/dep/.zig-cache/file", "")
    expected = {"../libraries/dep/build.zig", "../libraries/dep/build.zig.zon", "../libraries/dep/dep.zig"}
    expected |= {f"../libraries/inner/{name}" for name in ("build.zig", "build.zig.zon", "inner.zig", "number.zig")}
    assert inputs_of(project) == expected | {"build.zig", "build.zig.zon", "src/root.zig"}
    built = project.imports("b", "module.scale(21)")
    # The plan had all of it: nothing was left to learn.
    assert built.value == 42 and "from now on" not in built.stderr and discovered_of(project) == [], built
    project.write("libraries/inner/number.zig", "pub const number = 3;\n")
    changed = project.imports("b", "module.scale(21)")
    assert (changed.value, changed.reasons) == (63, ["../libraries/inner/number.zig changed"])
    project.write("libraries/inner/new.txt", "")
    assert project.imports("b").reasons == ["../libraries/inner/new.txt added"]
    project.write("libraries/unrelated/file.zig", "// edited")
    assert project.imports("b").builds == []


def test_a_package_by_path_that_is_not_there_yet(project):
    write_project(project, 'dep = .{ .path = "../dep" }')
    failed = project.fails("b")
    assert failed.error == "ZigCompileError" and "dep" in failed.message, failed
    write_package(project, "dep", "dep", "pub const factor = 5;\n")
    assert project.imports("b", "module.scale(2)").value == 10


def test_packages_that_name_each_other_end(project):
    write_project(project, 'dep = .{ .path = "../dep" }', 'self = .{ .path = "." }', factor="7", uses="")
    write_package(project, "dep", "dep", "", 'back = .{ .path = "../b" }')
    assert "../dep/dep.zig" in inputs_of(project)


# By hash.


class Server:
    """Serves packages from a folder, and counts what is asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.requests = requests = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments):
                requests.append(self.path)

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = Server(folder)
    yield server
    server.close()


def publish(server, project, environments, name, source, *dependencies, uses=()):
    """Serves a package; returns its entry for a `build.zig.zon`."""
    folder = server.folder.parent / "published" / name
    write_package(Project(folder.parent, None, {}), name, name, source, *dependencies, uses=uses)
    archive = server.folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, name)
    # Zig's own word for the hash; the oldest supported one needs no build system for it.
    caches = ["--global-cache-dir", str(server.folder.parent / "fetch-cache")]
    command = [environments["zigs"]["0.15"], "fetch", *caches, str(archive)]
    digest = subprocess.run(command, check=True, capture_output=True, text=True, cwd=server.folder).stdout.strip()
    return f'{name} = .{{ .url = "{server.url}/{name}.tar.gz", .hash = "{digest}" LAZY }}', digest


def with_fetched(project, server, environments):
    inner, _ = publish(server, project, environments, "inner", "pub const factor = 6;\n")
    dep, digest = publish(
        server, project, environments, "dep", 'pub const factor = @import("inner").factor;\n', inner.replace(" LAZY", ""), uses=("inner",)
    )
    write_project(project, dep.replace(" LAZY", ""))
    return digest


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_packages_by_hash_are_fetched_only_when_asked(make_project, project_store, server, environments, line):
    project = make_project(zig=line, store=project_store)
    digest = with_fetched(project, server, environments)
    failed = project.fails("b")
    zon_path = project.root / "b/build.zig.zon"
    assert failed.error == "ZigImportError" and failed.exit_code == 1
    assert failed.message.startswith(f"`{zon_path}`, line 3: the package `{digest}` is not in the package cache"), failed
    assert f"zigimport build --fetch {project.root / 'b'}" in failed.hint
    assert project.cli("build", "b").returncode == 1
    assert server.requests == []
    fetched = project.cli("build", "--fetch", "b")
    assert fetched.returncode == 0 and "fetching the packages of b" in fetched.stderr, fetched
    assert sorted(server.requests) == ["/dep.tar.gz", "/inner.tar.gz"] or len(server.requests) >= 2
    server.requests.clear()
    assert project.imports("b", "module.scale(7)").value == 42
    assert project.imports("b").builds == []
    project.write("b/src/root.zig", ROOT.replace("FACTOR", '(@import("dep").factor + 1)'))
    assert project.imports("b", "module.scale(6)").value == 42
    again = project.cli("build", "--fetch", "b")
    assert again.returncode == 0 and "fetching" not in again.stderr, again
    assert server.requests == []


def test_a_lazy_package_is_missed_only_by_a_build_that_asks_for_it(project, server, environments):
    dep, _ = publish(server, project, environments, "dep", "pub const factor = 8;\n")
    write_project(project, dep.replace(" LAZY", ", .lazy = true"), factor="9", uses="")
    assert project.imports("b", "module.scale(1)").value == 9
    build = (project.root / "b/build.zig").read_text()
    asks = '    if (b.lazyDependency("dep", .{})) |dep| library.root_module.addImport("dep", dep.module("dep"));\n'
    install = "    b.installArtifact(library);\n"
    project.write("b/build.zig", build.replace(install, asks + install))
    project.write("b/src/root.zig", ROOT.replace("FACTOR", '@import("dep").factor'))
    failed = project.fails("b")
    assert failed.error == "ZigCompileError" and "zigimport build --fetch" in failed.hint, failed
    assert server.requests == []
    assert project.cli("build", "--fetch", "b").returncode == 0
    assert project.imports("b", "module.scale(1)").value == 8


def test_a_package_with_another_content_than_its_hash_is_refused(project, server, environments):
    dep, _ = publish(server, project, environments, "dep", "pub const factor = 8;\n")
    publish(server, project, environments, "dep", "pub const factor = 666;\n")
    write_project(project, dep.replace(" LAZY", ""))
    failed = project.cli("build", "--fetch", "b")
    assert failed.returncode == 1 and "hash mismatch" in failed.stderr, failed
    assert project.fails("b").error == "ZigImportError"


def test_a_server_that_is_gone_is_one_clear_error(project, server, environments):
    dep, _ = publish(server, project, environments, "dep", "pub const factor = 8;\n")
    write_project(project, dep.replace(" LAZY", ""))
    server.close()
    failed = project.cli("build", "--fetch", "b")
    assert failed.returncode == 1 and "dep.tar.gz" in failed.stderr and "build.zig.zon:3" in failed.stderr, failed


def test_planning_fetches_nothing_and_starts_nothing(project, server, environments):
    with_fetched(project, server, environments)
    environment = {"ZIGIMPORT_NATIVE": "never"}
    assert project.cli("plan", "b", env=environment).returncode == 0
    assert server.requests == []


def test_the_newest_zig_takes_packages_from_the_cache_too(environments, tmp_path, project_store, server):
    zig = environments["zigs"]["0.17"]
    project = Project(
        tmp_path / "project",
        environments["pythons"][environments["main"]],
        base_environment(tmp_path, zig, project_store),
    )
    project.root.mkdir()
    with_fetched(project, server, environments)
    assert "not in the package cache" in project.fails("b").message
    assert project.cli("build", "--fetch", "b").returncode == 0
    assert project.imports("b", "module.scale(7)").value == 42
    # Nothing is written beside the sources.
    assert sorted(os.listdir(project.root / "b")) == ["build.zig", "build.zig.zon", "src"]
