"""Several targets at once: one graph, each artifact right for its machine.

The graph of a line of Zig is built once for all tests here, because the first
`zig build` of a store is what costs.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import foreign
from conftest import ADD, BINDING, ROOT, ZIGS, Project, add_build_system, base_environment, make_writable

#: Every target, by what its artifact is.
ELF = {
    # label: machine, bits, byte order, newest glibc that it may ask for
    "x86_64-linux-gnu": ("X86_64", 64, "LSB", (2, 17)),
    "aarch64-linux-gnu": ("AARCH64", 64, "LSB", (2, 17)),
    "armv7-linux-gnueabihf": ("ARM", 32, "LSB", (2, 17)),
    "i686-linux-gnu": ("I386", 32, "LSB", (2, 17)),
    "s390x-linux-gnu": ("S390", 64, "MSB", (2, 17)),
    "riscv64-linux-gnu": ("RISCV", 64, "LSB", (2, 27)),
    "ppc64le-linux-gnu": ("PPC64", 64, "LSB", (2, 19)),
    "x86_64-linux-musl": ("X86_64", 64, "LSB", None),
    "aarch64-linux-musl": ("AARCH64", 64, "LSB", None),
}
MACHO = {"x86_64-macos": "X86_64", "aarch64-macos": "ARM64"}
PE = {"x86_64-windows": "AMD64", "aarch64-windows": "ARM64"}
WASM = ["wasm32-emscripten"]
ALL = [*ELF, *MACHO, *PE, *WASM]
#: What the lines build that are not the default: one of each kind of trouble.
FEW = ["aarch64-linux-gnu", "aarch64-macos", "x86_64-windows", "wasm32-emscripten"]
TARGETS = {"0.15": FEW, "0.16": ALL, "0.17": FEW}
#: Debian's name of the architectures whose Python runs the artifact.
DEBIAN = {
    "aarch64-linux-gnu": "arm64",
    "armv7-linux-gnueabihf": "armhf",
    "i686-linux-gnu": "i386",
    "ppc64le-linux-gnu": "ppc64el",
    "s390x-linux-gnu": "s390x",
}
LIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libc.so"}

SOLID = """
//! Solids and their names.
const std = @import("std");
const sphere = @import("shapes/sphere.zig");

/// Adds two numbers.
pub fn add(a: i64, b: i64) i64 {
    return a + b;
}

pub fn volume(radius: f64) f64 {
    return sphere.volume(radius);
}

pub fn greet(allocator: std.mem.Allocator, name: []const u8) ![]const u8 {
    if (name.len == 0) return error.NoName;
    return std.fmt.allocPrint(allocator, "{s}{s}", .{ sphere.greeting, name });
}

pub fn pair(a: u128, flag: bool) struct { u128, ?bool } {
    return .{ a + 1, if (flag) null else false };
}
"""
SPHERE = """
pub const greeting = @embedFile("greeting.txt");

pub fn volume(radius: f64) f64 {
    return 4.0 / 3.0 * 3.0 * radius * radius * radius;
}
"""

#: Calls every function; runs on any CPython, with nothing of ours on the path.
USE = """
import sys
sys.path.insert(0, sys.argv[1])
import solid
assert solid.add(2, 3) == 5 and solid.add(-(2**63), 2**63 - 1) == -1
assert solid.volume(2.0) == 32.0
assert solid.greet("Zo\\u00eb") == "Hello, Zo\\u00eb"
assert solid.pair(2**127, True) == (2**127 + 1, None)
for function, argument, expected in [
    (solid.add, (2**63, 0), "OverflowError"),
    (solid.add, ("1", 0), "TypeError"),
    (solid.greet, ("",), "ZigError"),
]:
    try:
        function(*argument)
    except Exception as error:
        assert type(error).__name__ == expected, error
    else:
        raise AssertionError(expected)
assert solid.__doc__ == "Solids and their names."
print("works on", sys.implementation.name, sys.byteorder)
"""


def artifact_name(label):
    return "solid.pyd" if label in PE else "solid.abi3.so"


def select(targets):
    return [argument for label in targets for argument in ("--target", label)]


class Graph:
    """One build of a module for several targets, and the plans around it."""

    def __init__(self, project, targets):
        self.project = project
        self.targets = targets
        self.arguments = ["solid.zig", "--optimize", "ReleaseFast", *select(targets)]
        project.write("solid.zig", SOLID)
        project.write("shapes/sphere.zig", SPHERE)
        project.write("shapes/greeting.txt", "Hello, ")
        self.before = self.plan()
        self.output = project.root / "out"
        self.result = project.cli("build", *self.arguments, "--output-dir", self.output, "--format", "json")
        assert self.result.returncode == 0, self.result
        self.artifacts = {artifact["target"]: artifact for artifact in self.result.json["artifacts"]}
        self.after = self.plan()

    def plan(self):
        planned = self.project.cli("plan", *self.arguments, "--explain", "--format", "json")
        assert planned.returncode == 0, planned
        return planned.json

    def file(self, label):
        return self.output / label / artifact_name(label)


@pytest.fixture(scope="module")
def graph_of(environments, tmp_path_factory):
    """Returns the `Graph` of a line of Zig, built once."""
    graphs = {}

    def of(line):
        if line not in graphs:
            folder = tmp_path_factory.mktemp(f"graph-{line}")
            for name in ("home", "project"):
                (folder / name).mkdir()
            (folder / "store").mkdir(mode=0o700)
            if line == "0.17":
                add_build_system(environments, line, folder / "store")
            environment = base_environment(folder / "home", environments["zigs"][line], folder / "store")
            python = environments["pythons"][environments["main"]]
            graphs[line] = Graph(Project(folder / "project", python, environment), TARGETS[line])
        return graphs[line]

    yield of
    for graph in graphs.values():
        # A store of Zig 0.17 with a graph in it has most of a gigabyte.
        make_writable(graph.project.store)
        shutil.rmtree(graph.project.store)


@pytest.fixture
def graph(graph_of, zig):
    return graph_of(zig)


@pytest.fixture(scope="session")
def lief():
    """The library that reads ELF, PE and Mach-O, from the package index."""
    folder = (
        ROOT / "target" / "test-environments" / "tools" / f"lief-py{sys.version_info.major}.{sys.version_info.minor}"
    )
    if not (folder / "lief").is_dir():
        installed = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "lief"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if installed.returncode != 0:
            pytest.skip(f"lief cannot be installed: {installed.stdout.strip()[-200:]}")
    sys.path.insert(0, str(folder))
    import lief

    return lief


def of_every_line(labels):
    """Each pair of a line of Zig and a target that its graph has."""
    pairs = [(line, label) for line in ZIGS for label in labels if label in TARGETS[line]]
    return pytest.mark.parametrize("line, label", pairs, ids=[f"zig{line}-{label}" for line, label in pairs])


def test_all_targets_are_one_action_with_one_command(graph):
    (action,) = graph.before["actions"]
    assert (action["action"], action["route"]) == ("build", "graph")
    assert sorted(action["targets"]) == sorted(graph.targets)
    (command,) = action["commands"]
    assert " build --build-file " in command
    assert graph.result.builds == ["solid"]


def test_each_artifact_has_a_key_of_its_own(graph):
    assert list(graph.artifacts) == graph.targets
    assert all(artifact["built"] and artifact["abi"] == "abi3" for artifact in graph.artifacts.values())
    for field in ("key", "digest", "library"):
        assert len({artifact[field] for artifact in graph.artifacts.values()}) == len(graph.targets), field


def test_after_the_build_every_target_is_loaded(graph):
    done = {target: action["action"] for action in graph.after["actions"] for target in action["targets"]}
    assert done == dict.fromkeys(graph.targets, "load")
    assert graph.project.cli("plan", "--check", *graph.arguments).returncode == 0


def test_the_text_of_a_plan_names_the_targets(graph):
    text = graph.project.cli("plan", *graph.arguments, env={"ZIGIMPORT_SALT": "other"}).stdout
    (line,) = [line for line in text.splitlines() if line.startswith("build")]
    assert all(label in line for label in graph.targets)
    assert "1 to build" in text


@of_every_line(ELF)
def test_an_elf_library_fits_its_machine(graph_of, lief, line, label):
    machine, bits, order, glibc = ELF[label]
    library = lief.parse(str(graph_of(line).file(label)))
    assert library.header.machine_type.name == machine
    assert library.header.identity_class.name == f"ELF{bits}"
    assert library.header.identity_data.name == order
    assert [symbol.name for symbol in library.exported_symbols] == ["PyInit_solid"]
    assert set(library.libraries) <= LIBC
    undefined = {symbol.name for symbol in library.dynamic_symbols if symbol.shndx == 0 and symbol.name}
    assert {"PyModuleDef_Init", "PyLong_FromLongLong"} <= undefined
    needed = [version.name for one in library.symbols_version_requirement for version in one.get_auxiliary_symbols()]
    for name in needed:
        release = tuple(int(part) for part in name.replace("GLIBC_", "").split("."))
        assert glibc is not None and release <= (*glibc, 99), f"needs {name}"


@of_every_line(ELF)
def test_an_elf_library_has_no_text_relocation_and_no_executable_stack(graph_of, lief, line, label):
    library = lief.parse(str(graph_of(line).file(label)))
    assert not library.has(lief.ELF.DynamicEntry.TAG.TEXTREL)
    (stack,) = [segment for segment in library.segments if segment.type == lief.ELF.Segment.TYPE.GNU_STACK]
    assert not stack.has(lief.ELF.Segment.FLAGS.X)


@of_every_line(MACHO)
def test_a_macho_library_names_itself_without_the_builders_path(graph_of, lief, line, label):
    file = graph_of(line).file(label)
    library = lief.parse(str(file))
    assert library.header.cpu_type.name == MACHO[label]
    assert library[lief.MachO.LoadCommand.TYPE.ID_DYLIB].name == "@rpath/solid.abi3.so"
    linked = {one.name for one in library.libraries} - {"@rpath/solid.abi3.so"}
    assert linked == {"/usr/lib/libSystem.B.dylib"}
    assert "_PyInit_solid" in [symbol.name for symbol in library.exported_symbols]
    # Apple's processors run nothing unsigned.
    assert library.has_code_signature or label != "aarch64-macos"
    assert str(graph_of(line).project.root.parent).encode() not in file.read_bytes()


@of_every_line(PE)
def test_a_pe_library_imports_the_stable_abi_and_what_every_windows_has(graph_of, lief, line, label):
    library = lief.parse(str(graph_of(line).file(label)))
    assert library.header.machine.name == PE[label]
    imported = {one.name.lower() for one in library.imports}
    assert "python3.dll" in imported
    # The memory functions are those of the C library that CPython needs itself.
    assert imported <= {"python3.dll", "kernel32.dll", "ntdll.dll", "api-ms-win-crt-heap-l1-1-0.dll"}
    assert "PyInit_solid" in [entry.name for entry in library.get_export().entries]


@of_every_line(WASM)
def test_a_wasm_library_is_a_side_module(graph_of, line, label):
    sections = wasm_sections(graph_of(line).file(label).read_bytes())
    # The loader takes sizes of memory and table from this one, and it comes first.
    assert sections[0][0] == 0 and sections[0][1].startswith(b"\x08dylink.0")
    exports = next(content for number, content in sections if number == 7)
    imports = next(content for number, content in sections if number == 2)
    assert b"PyInit_solid" in exports
    assert b"PyModuleDef_Init" in imports and b"__memory_base" in imports


def wasm_sections(module):
    """Returns the number and the content of each section."""
    assert module[:8] == b"\0asm\1\0\0\0"
    sections, position = [], 8
    while position < len(module):
        number, position = module[position], position + 1
        size, shift = 0, 0
        while True:
            byte, position = module[position], position + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        sections.append((number, module[position : position + size]))
        position += size
    return sections


@of_every_line(DEBIAN)
def test_a_foreign_python_runs_the_functions(graph_of, line, label):
    try:
        command = foreign.python(DEBIAN[label])
    except foreign.Unavailable as unavailable:
        pytest.skip(f"no Python of {label}: {unavailable}")
    folder = graph_of(line).file(label).parent
    used = subprocess.run([*command, "-c", USE, str(folder)], capture_output=True, text=True, env={})
    assert used.returncode == 0, used.stderr
    assert used.stdout.startswith("works on cpython " + ("big" if "s390x" in label else "little"))


def test_this_python_runs_an_artifact_of_the_graph_without_us(graph_of):
    graph = graph_of("0.16")
    used = graph.project.execute("-I", "-S", "-c", USE, graph.output / "x86_64-linux-gnu")
    assert used.returncode == 0, used


def test_an_import_takes_what_the_graph_built(graph_of):
    graph = graph_of("0.16")
    imported = graph.project.imports(
        "solid", "[module.add(1, 2), module.__zigimport__.key]", env={"ZIGIMPORT_OPTIMIZE": "ReleaseFast"}
    )
    assert imported.value == [3, graph.artifacts["x86_64-linux-gnu"]["key"]]
    assert imported.builds == []


@pytest.mark.parametrize("label", ["x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-windows", "wasm32-emscripten"])
def test_the_direct_route_and_the_graph_give_the_same_bytes(graph_of, make_project, label):
    graph = graph_of("0.16")
    # Same paths, another store: what is compared was compiled twice.
    other = make_project("other")
    environment = {"ZIGIMPORT_BUILD_DIR": other.store}
    one = ["solid.zig", "--optimize", "ReleaseFast", "--target", label]
    (action,) = graph.project.cli("plan", *one, "--format", "json", env=environment).json["actions"]
    assert action["route"] == "compiler"
    built = graph.project.cli("build", *one, "--format", "json", env=environment)
    assert built.builds == ["solid"], built
    (artifact,) = built.json["artifacts"]
    assert artifact["key"] == graph.artifacts[label]["key"]
    assert Path(artifact["library"]).read_bytes() == graph.file(label).read_bytes()


def test_only_targets_that_are_missing_are_built(graph_of, make_project):
    project = make_project()
    project.write("m.zig", "pub fn one() i64 {\n    return 1;\n}\n")
    assert project.cli("build", "m.zig").returncode == 0
    both = ["m.zig", *select(["native", "aarch64-linux-gnu"])]
    planned = project.cli("plan", *both, "--format", "json").json["actions"]
    assert [(one["action"], one["targets"], one.get("route")) for one in planned] == [
        ("load", ["x86_64-linux-gnu"], None),
        ("build", ["aarch64-linux-gnu"], "compiler"),
    ]
    built = project.cli("build", *both, "--format", "json")
    assert [(one["target"], one["built"]) for one in built.json["artifacts"]] == [
        ("x86_64-linux-gnu", False),
        ("aarch64-linux-gnu", True),
    ]


def test_a_target_named_twice_is_built_once(graph_of):
    graph = graph_of("0.16")
    twice = ["solid.zig", "--optimize", "ReleaseFast", *select(["native", "x86_64-linux-gnu", "x86_64-linux-gnu.2.17"])]
    built = graph.project.cli("build", *twice, "--format", "json")
    assert [one["target"] for one in built.json["artifacts"]] == ["x86_64-linux-gnu"]


def test_an_edit_of_a_nested_file_is_seen_by_the_graph(graph_of, zig):
    graph = graph_of(zig)
    targets = ["aarch64-linux-gnu", "x86_64-windows"]
    arguments = ["edited.zig", *select(targets), "--format", "json"]
    project = graph.project
    project.write("edited.zig", 'pub fn text() []const u8 {\n    return @import("edited/part.zig").text;\n}\n')

    def build(text):
        project.write("edited/part.zig", f'pub const text = "{text}";\n')
        built = project.cli("build", *arguments)
        assert built.returncode == 0, built
        return built

    # The same size each time: neither a size nor a timestamp may decide.
    first, second, again = build("one"), build("two"), build("one")
    assert second.reasons == ["edited/part.zig changed"]
    assert again.builds == []
    digests = [[artifact["digest"] for artifact in one.json["artifacts"]] for one in (first, second, again)]
    assert digests[0] == digests[2]
    assert not set(digests[0]) & set(digests[1])


def test_a_compile_error_of_several_targets_is_shown_once(graph_of, zig):
    project = graph_of(zig).project
    project.write("wrong.zig", "pub fn f() i64 {\n    return missing;\n}\n")
    built = project.cli("build", "wrong.zig", *select(["aarch64-linux-gnu", "x86_64-windows"]))
    assert built.returncode == 1
    assert built.stdout == ""
    assert built.stderr.count("wrong.zig:2:12: error: use of undeclared identifier 'missing'") == 1, built
    assert "graph/build.zig" not in built.stderr


def test_one_broken_target_does_not_spoil_the_error(graph_of):
    project = graph_of("0.16").project
    project.write(
        "partly.zig",
        'const builtin = @import("builtin");\n'
        "pub fn f() i64 {\n"
        '    if (builtin.os.tag == .windows) @compileError("not here");\n'
        "    return 1;\n}\n",
    )
    built = project.cli("build", "partly.zig", *select(["aarch64-linux-gnu", "x86_64-windows"]))
    assert built.returncode == 1
    assert built.stderr.count("partly.zig:3:37: error: not here") == 1, built


def test_everything_that_the_binding_can_do_is_built_for_every_target(graph_of, zig):
    project = graph_of(zig).project
    shutil.copytree(BINDING, project.root / "binding", dirs_exist_ok=True)
    paths = [f"binding/{name}.zig" for name in ("values", "buffers", "classes")]
    targets = [argument for label in TARGETS[zig] for argument in ("--target", label)]
    ran = project.cli("build", *paths, *targets, "--format", "json")
    assert ran.returncode == 0 and len(ran.json["artifacts"]) == len(paths) * len(TARGETS[zig]), ran


def test_an_unknown_target_is_a_usage_error_that_lists_the_known(project):
    project.write("m.zig", "pub fn one() i64 {\n    return 1;\n}\n")
    for command in ("plan", "build"):
        refused = project.cli(command, "m.zig", "--target", "pdp11-unix")
        assert refused.returncode == 2 and refused.stdout == "", refused
        assert "pdp11-unix" in refused.stderr and all(label in refused.stderr for label in ALL)


def test_the_help_lists_every_target(project):
    text = "".join(project.cli("build", "--help").stdout.split())
    assert all(label in text for label in ALL)


def test_json_and_files_agree(graph):
    for label, artifact in graph.artifacts.items():
        assert Path(artifact["library"]) == graph.file(label)
        assert graph.file(label).stat().st_size > 1000
    assert json.loads(graph.result.stdout)["errors"] == []


def test_projects_and_several_targets_share_the_build_system(make_project):
    project = make_project(zig="0.17")
    (seed,) = project.store.glob("zig-v*/*/seed")
    assert (seed / "complete").is_file()
    project.write("m.zig", ADD)
    ran = project.cli("build", "--target", "x86_64-linux-musl", "--target", "aarch64-linux-gnu", "m.zig")
    assert ran.returncode == 0 and "preparing" not in ran.stderr, ran
