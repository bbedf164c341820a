"""Binding libraries: pyz3 in file modules, PyOZ and pydust in project modules,
and the one error that each other combination gets."""

import os
import shutil
import zlib
from pathlib import Path

import pytest

from conftest import DEFAULT_ZIG, dedented

#: The line of Zig that each of the libraries works with.
LINE = "0.15"
NEWER_LINES = ("0.16", "0.17")
PYTHONS_OF_PYZ3 = ("3.11", "3.12", "3.13")
OLDER_PYTHONS = ("3.9", "3.10")

#: A module of pyz3, and of pydust, which it comes from: LIBRARY is the name.
MODULE = """
const py = @import("LIBRARY");

const root = @This();

pub const __doc__ = "Counts and greets.";

pub fn add(args: struct { a: i64, b: i64 = 5 }) i64 {
    return args.a + args.b;
}

pub fn greet(args: struct { name: py.PyString }) !py.PyString {
    return py.PyString.createFmt("Hello, {s}!", .{try args.name.asSlice()});
}

pub fn fail(args: struct { message: py.PyString }) !void {
    return py.ValueError(root).raise(try args.message.asSlice());
}

pub const Counter = py.class(struct {
    pub const __doc__ = "Counts up.";
    const Self = @This();

    count: u64,

    pub fn __init__(self: *Self, args: struct { start: u64 }) void {
        self.count = args.start;
    }

    pub fn up(self: *Self) u64 {
        self.count += 1;
        return self.count;
    }
});

comptime {
    py.rootmodule(root);
}
"""

#: What the module answers, as one JSON document.
CHECK = """
import json, sys, traceback, zigimport
NAME = sys.argv[1]
module = __import__(NAME, fromlist=["add"])

def raised(call, *arguments):
    try:
        call(*arguments)
    except Exception as error:
        return [type(error).__name__, str(error)]

counter = module.Counter(3)
try:
    module.fail("no")
except ValueError:
    frames = [[frame.filename, frame.line] for frame in traceback.extract_tb(sys.exc_info()[2])]
print(json.dumps({
    "sums": [module.add(1), module.add(1, b=2)],
    "greeting": module.greet("Ada"),
    "counts": [counter.up(), counter.up()],
    "docs": [module.__doc__, module.Counter.__doc__],
    "fail": raised(module.fail, "no"),
    "wrong": [raised(module.add)[0], raised(module.add, "x")[0], raised(module.greet, 1)[0]],
    "class": [module.__name__, type(counter).__module__],
    "frames": frames,
}))
"""


def expected(name):
    """What `CHECK` prints, the frames of the error left out."""
    return {
        "sums": [6, 3],
        "greeting": "Hello, Ada!",
        "counts": [4, 5],
        "docs": ["Counts and greets.", "Counts up."],
        "fail": ["ValueError", "no"],
        "wrong": ["TypeError", "TypeError", "TypeError"],
        "class": [name, name],
    }


def check(project, name="m", **keywords):
    """Runs `CHECK`; returns the frames of its error, and the process."""
    ran = project.run(CHECK, name, **keywords)
    assert ran.returncode == 0, ran
    answer = ran.json
    frames = answer.pop("frames")
    assert answer == expected(name), ran
    return frames, ran


@pytest.fixture
def library(environments):
    """Returns the folder that the package of a library is installed in."""
    return lambda name: Path(environments["libraries"][name])


@pytest.fixture
def pyz3(make_project, environments, library):
    """Makes projects with a module `m` of pyz3, and pyz3 on the path."""

    def make(name="project", *, zig=LINE, python=None, **keywords):
        if python is not None and python not in environments["pythons"]:
            pytest.skip(f"CPython {python} is not on this machine")
        project = make_project(name, zig=zig, python=python, **keywords)
        project.environment["PYTHONPATH"] = str(library("pyz3"))
        project.write("m.zig", MODULE.replace("LIBRARY", "pyz3"))
        return project

    return make


@pytest.fixture
def copied_pyz3(library, tmp_path):
    """Makes folders with pyz3 in them that a test may change."""

    def make(name, version="0.11.0"):
        folder = tmp_path / name
        shutil.copytree(library("pyz3") / "pyz3", folder / "pyz3")
        if version is not None:
            shutil.copytree(library("pyz3") / "pyz3-0.11.0.dist-info", folder / f"pyz3-{version}.dist-info")
        return folder

    return make


@pytest.mark.parametrize("python", PYTHONS_OF_PYZ3)
def test_functions_classes_errors_and_docs_of_pyz3_work(pyz3, python):
    project = pyz3(python=python)
    _, first = check(project)
    assert "building m: first build" in first.stderr
    _, second = check(project)
    assert second.builds == []


@pytest.mark.parametrize("mode", ["Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall"])
def test_an_error_of_pyz3_arrives_in_every_mode_and_names_its_line_in_debug(pyz3, mode):
    project = pyz3()
    frames, _ = check(project, env={"ZIGIMPORT_OPTIMIZE": mode})
    line = [str(project.root / "m.zig"), "return py.ValueError(root).raise(try args.message.asSlice());"]
    assert (line in frames) == (mode == "Debug"), frames


def test_a_pyz3_module_in_a_package_knows_its_whole_name(pyz3):
    project = pyz3()
    project.write("pkg/__init__.py", "")
    (project.root / "m.zig").rename(project.root / "pkg/m.zig")
    check(project, "pkg.m")


def test_a_package_module_may_use_pyz3(pyz3):
    project = pyz3()
    project.write("pkg/__init__.zig", MODULE.replace("LIBRARY", "pyz3"))
    check(project, "pkg")


def test_a_pyz3_module_of_several_files_sees_their_edits(pyz3):
    project = pyz3()
    source = MODULE.replace("LIBRARY", "pyz3").replace("args.a + args.b", '@import("sum.zig").sum(args.a, args.b)')
    project.write("m.zig", source)
    project.write("sum.zig", "pub fn sum(a: i64, b: i64) i64 {\n    return a + b;\n}\n")
    check(project)
    project.write("sum.zig", "pub fn sum(a: i64, b: i64) i64 {\n    return a * b;\n}\n")
    changed = project.imports("m", "module.add(3, b=4)")
    assert (changed.value, changed.reasons) == (12, ["sum.zig changed"])


def test_a_pyz3_module_is_reloaded(pyz3):
    code = """
    import gc, importlib, zigimport, m
    old, text = m.Counter(3), open("m.zig").read()
    for change, sum in ((text.replace("args.a + args.b", "args.a - args.b"), -4), (text, 6)) * 3:
        open("m.zig", "w").write(change)
        assert importlib.reload(m).add(1) == sum
        gc.collect()
        assert m.Counter(1).up() == 2 and m.greet("Ada") == "Hello, Ada!"
        try:
            m.fail("no")
        except ValueError as error:
            assert str(error) == "no"
    assert old.up() == 4
    """
    ran = pyz3().run(dedented(code))
    assert ran.returncode == 0, ran


def test_a_compile_error_in_a_pyz3_module_names_the_users_line(pyz3):
    project = pyz3()
    project.write("m.zig", MODULE.replace("LIBRARY", "pyz3").replace("args.a + args.b", "args.c"))
    failed = project.fails("m")
    assert failed.error == "ZigCompileError" and failed.hint is None
    assert [one[1:3] for one in failed.diagnostics][0] == [str(project.root / "m.zig"), 9], failed


@pytest.mark.parametrize("line", NEWER_LINES)
def test_with_another_zig_one_error_says_which_versions_go_together(pyz3, line):
    failed = pyz3(zig=line, warm=False).fails("m")
    assert failed.error == "ZigImportError" and failed.exit_code == 1
    assert f"m.zig` uses pyz3 0.11.0, which works with Zig 0.15; the Zig at hand is {line}." in failed.message
    assert 'pip install "ziglang==0.15.*"' in failed.hint


@pytest.mark.parametrize("python", OLDER_PYTHONS)
@pytest.mark.parametrize("installed", [True, False])
def test_with_an_older_python_one_error_says_which_versions_go_together(pyz3, python, installed):
    project = pyz3(python=python, warm=False)
    if not installed:
        del project.environment["PYTHONPATH"]
    failed = project.fails("m")
    assert f"which works with Python 3.11 and newer; this is Python {python}" in failed.message, failed


@pytest.mark.parametrize("line", [LINE, *NEWER_LINES])
@pytest.mark.parametrize("native", ["auto", "never"])
def test_without_pyz3_one_error_names_the_remedy(pyz3, line, native):
    project = pyz3(zig=line, warm=False)
    del project.environment["PYTHONPATH"]
    failed = project.fails("m", env={"ZIGIMPORT_NATIVE": native})
    assert failed.error == "ZigImportError" and failed.exit_code == 1
    assert "m.zig` imports pyz3, and no package pyz3 is on the import path" in failed.message
    assert 'pip install pyz3 "ziglang==0.15.*"' in failed.hint


def test_what_was_built_is_loaded_where_nothing_may_be_built(pyz3):
    project = pyz3()
    check(project)
    check(project, env={"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None})


def test_a_plan_says_what_a_pyz3_module_needs(pyz3):
    project = pyz3(warm=False)
    plan = project.cli("plan", "m.zig", "--format", "json").json
    (module,), (action,) = plan["modules"], plan["actions"]
    assert (module["binding"], action["action"]) == ("pyz3", "build")
    assert action["steps"] == ["translate-c", "compile", "compress", "publish"]
    roles = {one["path"]: one["role"] for one in module["inputs"]}
    assert roles["m.zig"] == "root" and roles["pyz3/src/types/obj.zig"] == roles["pyz3/src/ffi.h"] == "library"
    assert not any("library" in path.split("/") for path in roles)
    assert not project.store.exists()


def test_an_edit_in_the_library_is_seen_and_earlier_content_comes_back(pyz3, copied_pyz3):
    project = pyz3()
    folder = copied_pyz3("editable")
    project.environment["PYTHONPATH"] = str(folder)
    check(project)
    source = folder / "pyz3/src/types/bool.zig"
    before = source.read_text()
    source.write_text(before + "// Edited.\n")
    _, edited = check(project)
    assert edited.reasons == ["pyz3/src/types/bool.zig changed"]
    source.write_text(before)
    _, back = check(project)
    assert back.builds == []


def test_another_version_of_the_library_has_another_key(pyz3, copied_pyz3):
    project = pyz3()
    keys = []
    for version in ("0.11.0", "0.10.2"):
        project.environment["PYTHONPATH"] = str(copied_pyz3(version, version))
        keys.append(project.imports("m", "module.__zigimport__.key").value)
    assert keys[0] != keys[1]


def test_the_library_that_comes_first_on_the_path_counts(pyz3, copied_pyz3):
    project = pyz3()
    first, second = copied_pyz3("first"), copied_pyz3("second")
    with (second / "pyz3/src/types/bool.zig").open("a") as source:
        source.write("// Another one.\n")
    key = "module.__zigimport__.key"
    paths = [str(first), str(second), os.pathsep.join([str(second), str(first)]), str(first)]
    imported = [project.imports("m", key, env={"PYTHONPATH": path}) for path in paths]
    assert [len(one.builds) for one in imported] == [1, 1, 0, 0]
    one, two, also_two, again = [one.value for one in imported]
    assert (one, two) == (again, also_two) and one != two
    gone = project.fails("m", env={"PYTHONPATH": None})
    assert "no package pyz3" in gone.message


def test_where_the_library_lies_does_not_matter(pyz3, copied_pyz3):
    project = pyz3()
    check(project)
    moved = check(project, env={"PYTHONPATH": str(copied_pyz3("elsewhere"))})[1]
    assert moved.builds == []


def test_a_library_of_unknown_version_is_tried_and_the_error_says_what_is_known(pyz3, copied_pyz3):
    project = pyz3(zig=DEFAULT_ZIG)
    project.environment["PYTHONPATH"] = str(copied_pyz3("checkout", None))
    failed = project.fails("m")
    assert failed.error == "ZigCompileError"
    assert failed.hint.startswith("pyz3 0.11 works with Zig 0.15; the Zig at hand is 0.16."), failed
    project = pyz3(zig=LINE)
    project.environment["PYTHONPATH"] = str(copied_pyz3("same", None))
    check(project)


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("PyOZ", "PyOZ 0.11 and 0.12 work with Zig 0.15, PyOZ 0.13 with Zig 0.16"),
        ("pydust", "pydust 0.26 works with Zig 0.15"),
    ],
)
def test_a_library_for_projects_is_refused_in_a_file_with_the_versions_that_go_together(make_project, zig, name, versions):
    project = make_project(zig=zig, warm=False)
    project.write("m.zig", MODULE.replace("LIBRARY", name))
    failed = project.fails("m")
    assert failed.error == "ZigImportError" and failed.exit_code == 1
    assert f"m.zig` imports {name}, which only a project module can use; {versions}; the Zig at hand is {zig}." in failed.message
    assert "make it a project module: a folder `m` with a build.zig" in failed.hint


# Project modules.

#: The build file of a project whose library is a local package.
BUILD = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    const environment = if (@hasField(@TypeOf(b.graph.*), "environ_map")) &b.graph.environ_map else &b.graph.env_map;
    const library = b.dependency("LIBRARY", .{
        .module = environment.get("ZIGIMPORT_MODULE").?,
        .include = environment.get("ZIGIMPORT_PYTHON_INCLUDE").?,
    });
    const extension = b.addLibrary(.{
        .name = "b",
        .linkage = .dynamic,
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/root.zig"),
            .target = b.standardTargetOptions(.{}),
            .optimize = b.standardOptimizeOption(.{}),
            .link_libc = true,
            .imports = &.{.{ .name = "LIBRARY", .module = library.module("LIBRARY") }},
        }),
    });
    extension.linker_allow_shlib_undefined = true;
    b.installArtifact(extension);
}
"""

#: The build file of a local package with the sources of pydust.
PYDUST_BUILD = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    const name = b.option([]const u8, "module", "Name of the Python module").?;
    const include = b.option([]const u8, "include", "Folder with Python.h").?;
    const configuration = b.addOptions();
    configuration.addOption([:0]const u8, "module_name", b.graph.arena.dupeZ(u8, name) catch unreachable);
    configuration.addOption(bool, "limited_api", true);
    configuration.addOption([]const u8, "hexversion", "0x030b0000");
    const headers = b.addTranslateC(.{
        .root_source_file = b.path("src/ffi.h"),
        .target = b.standardTargetOptions(.{}),
        .optimize = .Debug,
    });
    headers.addIncludePath(.{ .cwd_relative = include });
    headers.defineCMacro("Py_LIMITED_API", "0x030b0000");
    const module = b.addModule("pydust", .{ .root_source_file = b.path("src/pydust.zig") });
    module.addOptions("pyconf", configuration);
    module.addImport("ffi", headers.createModule());
}
"""

#: The same for the sources of PyOZ.
PYOZ_BUILD = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    _ = b.option([]const u8, "module", "Name of the Python module");
    const include = b.option([]const u8, "include", "Folder with Python.h").?;
    const options = b.addOptions();
    options.addOption(bool, "abi3", false);
    const version = b.createModule(.{ .root_source_file = b.path("src/version.zig") });
    const module = b.addModule("PyOZ", .{
        .root_source_file = b.path("src/lib/root.zig"),
        .imports = &.{.{ .name = "version", .module = version }},
    });
    module.addOptions("build_options", options);
    module.addIncludePath(.{ .cwd_relative = include });
}
"""

PYOZ_MODULE = """
const pyoz = @import("PyOZ");

fn add(a: i64, b: i64) i64 {
    return a + b;
}

fn greet(name: []const u8) ![]const u8 {
    return if (name.len == 0) error.NoName else "Hello!";
}

pub const Module = pyoz.module(.{
    .name = "b",
    .doc = "Adds and greets.",
    .funcs = &.{
        pyoz.func("add", add, "Adds two numbers"),
        pyoz.func("greet", greet, "A greeting"),
    },
    .classes = &.{},
});

pub export fn PyInit_b() ?*pyoz.PyObject {
    return Module.init();
}
"""


def manifest(name, dependencies=""):
    """A `build.zig.zon`; the upper half of a fingerprint is the name's checksum."""
    return f""".{{
    .name = .{name},
    .version = "0.1.0",
    .fingerprint = 0x{zlib.crc32(name.encode()):08x}00000001,
    .dependencies = .{{ {dependencies} }},
    .paths = .{{ "build.zig", "build.zig.zon", "src" }},
}}
"""


def write_project(project, name, source, sources, package_build):
    """Writes a project module `b` and, beside it, the library as a local package:
    pydust knows its own files by the folder `pydust/src`."""
    project.write("b/build.zig", BUILD.replace("LIBRARY", name))
    project.write("b/build.zig.zon", manifest("b", f'.{name} = .{{ .path = "../{name}" }}'))
    project.write("b/src/root.zig", source)
    project.write(f"{name}/build.zig", package_build)
    project.write(f"{name}/build.zig.zon", manifest(name))
    shutil.copytree(sources, project.root / name / "src")


def test_a_project_uses_pydust_as_a_local_package(make_project, project_store, library):
    project = make_project(zig=LINE, store=project_store)
    source = MODULE.replace("LIBRARY", "pydust")
    write_project(project, "pydust", source, library("pydust") / "pydust/src", PYDUST_BUILD)
    check(project, "b")
    _, again = check(project, "b")
    assert again.builds == []
    with (project.root / "pydust/src/errors.zig").open("a") as errors:
        errors.write("// Edited.\n")
    _, edited = check(project, "b")
    assert edited.builds, "an edit in a local package is seen"


def test_a_project_with_pydust_and_another_zig_learns_which_versions_go_together(make_project, project_store, library):
    project = make_project(zig="0.16", store=project_store)
    source = MODULE.replace("LIBRARY", "pydust")
    write_project(project, "pydust", source, library("pydust") / "pydust/src", PYDUST_BUILD)
    failed = project.fails("b")
    assert failed.error == "ZigCompileError"
    assert failed.hint.startswith("pydust 0.26 works with Zig 0.15; the Zig at hand is 0.16."), failed


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_a_project_uses_pyoz_as_a_local_package(make_project, project_store, line):
    sources = os.environ.get("PYOZ_SOURCES")
    if sources is None:
        pytest.skip("PyOZ: no package registry has its Zig sources; PYOZ_SOURCES may name a checkout of 0.11")
    project = make_project(zig=line, store=project_store)
    write_project(project, "PyOZ", PYOZ_MODULE, Path(sources) / "src", PYOZ_BUILD)
    code = """
    import zigimport, b
    print(b.add(1, 2), b.greet("Ada"), b.__doc__)
    try:
        b.greet("")
    except Exception as error:
        print(type(error).__name__, error)
    """
    ran = project.run(dedented(code))
    assert ran.stdout.splitlines()[0] == "3 Hello! Adds and greets.", ran
    assert "NoName" in ran.stdout.splitlines()[1], ran
