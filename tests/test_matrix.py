"""One wheel: every kind of file module, on every Zig and every CPython."""

import pytest

from conftest import Project, base_environment

FILES = {
    "shapes.zig": """
        const circle = @import("parts/circle.zig");
        const names = @embedFile("parts/names.txt");
        pub fn area(radius: f64) f64 {
            return circle.area(radius);
        }
        pub fn name(index: usize) ![]const u8 {
            if (index >= names.len) return error.NoSuchName;
            return names[index..];
        }
        pub fn half(number: i64) error{Odd}!i64 {
            if (@mod(number, 2) != 0) return error.Odd;
            return @divExact(number, 2);
        }
        pub fn greet(who: []const u8) []const u8 {
            return who;
        }
        pub const version = 3;
        """,
    "parts/circle.zig": """
        const numbers = @import("../numbers.zig");
        pub fn area(radius: f64) f64 {
            return numbers.three * radius;
        }
        """,
    "numbers.zig": "pub const three = 3.0;\n",
    "parts/names.txt": "one two",
}

SHAPES = """
import zigimport, shapes
assert shapes.area(2) == 6.0
assert shapes.name(4) == "two" and shapes.greet("größe") == "größe" and shapes.version == 3
assert shapes.half(-8) == -4
for call, name in ((lambda: shapes.name(100), "NoSuchName"), (lambda: shapes.half(3), "Odd")):
    try:
        call()
    except shapes.ZigError as error:
        assert error.name == name
    else:
        raise SystemExit("no error")
try:
    shapes.half(2**70)
except OverflowError as error:
    assert "half() argument 'number'" in str(error)
else:
    raise SystemExit("no error")
print(shapes.__zigimport__.zig_version, shapes.__file__)
"""

#: A module against the C API: its methods and the interpreter that it was built for.
C_API = """
HEADER
fn add(_: ?*c.PyObject, arguments: ?*c.PyObject) callconv(.c) ?*c.PyObject {
    var left: c_long = 0;
    var right: c_long = 0;
    if (c.PyArg_ParseTuple(arguments, "ll", &left, &right) == 0) return null;
    return c.PyLong_FromLong(left + right);
}
var methods = [_]c.PyMethodDef{
    .{ .ml_name = "add", .ml_meth = add, .ml_flags = c.METH_VARARGS, .ml_doc = "Adds." },
    .{ .ml_name = null, .ml_meth = null, .ml_flags = 0, .ml_doc = null },
};
var definition: c.PyModuleDef = .{ .m_name = "handmade", .m_size = -1, .m_methods = &methods };

pub export fn PyInit_handmade() callconv(.c) ?*c.PyObject {
    const module = c.PyModule_Create2(&definition, c.PYTHON_API_VERSION) orelse return null;
    if (c.PyModule_AddIntConstant(module, "minor", c.PY_MINOR_VERSION) != 0) return null;
    return module;
}
"""
HEADERS = {
    "cImport": 'const c = @cImport({\n    @cDefine("PY_SSIZE_T_CLEAN", {});\n    @cInclude("Python.h");\n});',
    "module": 'const c = @import("Python.h");',
}
HANDMADE = """
import sys, zigimport, handmade
assert handmade.add(2, 3) == 5 and handmade.add.__doc__ == "Adds."
assert handmade.minor == sys.version_info[1], handmade.minor
try:
    handmade.add("text")
except TypeError:
    print(handmade.__zigimport__.zig_version, handmade.__file__)
"""

#: Init function and declarations by hand, without any header.
NO_HEADERS = """
const Object = opaque {};
const Definition = extern struct {
    references: isize = 1,
    base: [4]?*anyopaque = @splat(null),
    name: [*:0]const u8,
    doc: ?[*:0]const u8 = null,
    size: isize = -1,
    rest: [5]?*anyopaque = @splat(null),
};
extern fn PyModule_Create2(definition: *Definition, version: c_int) callconv(.c) ?*Object;
extern fn PyModule_AddIntConstant(module: ?*Object, name: [*:0]const u8, value: c_long) callconv(.c) c_int;
var definition: Definition = .{ .name = "bare" };
export fn PyInit_bare() callconv(.c) ?*Object {
    const module = PyModule_Create2(&definition, 3);
    _ = PyModule_AddIntConstant(module, "answer", 42);
    return module;
}
"""


@pytest.fixture(scope="session")
def matrix(environments, tmp_path_factory):
    """Returns one project for each line of Zig. All interpreters share its
    store: what one of them built, and a translation of the headers that costs
    a minute of CPU time, the others must be able to use."""
    made = {}

    def project(line):
        if line not in made:
            root = tmp_path_factory.mktemp(f"matrix-{line}")
            environment = base_environment(root, environments["zigs"][line], root / "store")
            made[line] = Project(root, environments["pythons"][environments["main"]], environment)
            for path, content in FILES.items():
                made[line].write(path, content)
            made[line].write("bare.zig", NO_HEADERS)
            for kind, header in HEADERS.items():
                made[line].write(f"{kind}/handmade.zig", C_API.replace("HEADER", header))
        return made[line]

    return project


def test_a_plain_module_of_several_files_imports(matrix, environments, zig, python):
    ran = matrix(zig).run(SHAPES, python=environments["pythons"][python])
    assert ran.stdout.startswith(f"{zig}."), ran


def test_one_artifact_of_a_plain_module_serves_every_python(make_project, environments, zig):
    project = make_project(zig=zig)
    for path, content in FILES.items():
        project.write(path, content)
    results = [project.run(SHAPES, python=path) for path in environments["pythons"].values()]
    assert [result.builds for result in results] == [["shapes"]] + [[]] * (len(results) - 1), results
    assert len({result.stdout for result in results}) == 1, results


def test_an_init_function_without_headers_imports(matrix, environments, zig, python):
    ran = matrix(zig).run("import zigimport, bare; print(bare.answer)", python=environments["pythons"][python])
    assert ran.stdout == "42\n", ran


def test_a_module_against_the_c_api_imports_through_the_header_module(matrix, environments, zig, python):
    project = matrix(zig)
    where = {"python": environments["pythons"][python], "cwd": project.root / "module"}
    ran = project.run(HANDMADE, **where)
    assert ran.stdout.startswith(f"{zig}."), ran
    # Only on the newer lines is the translation worth a word, and only the first.
    assert ran.stderr.count("translating Python.h") == (zig != "0.15"), ran
    again = project.run(HANDMADE, env={"ZIGIMPORT_OPTIMIZE": "ReleaseSmall"}, **where)
    assert again.builds == ["handmade"] and "translating" not in again.stderr, again


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_a_module_against_the_c_api_imports_through_the_builtin(matrix, environments, python, line):
    project = matrix(line)
    ran = project.run(HANDMADE, python=environments["pythons"][python], cwd=project.root / "cImport")
    assert ran.stdout.startswith(f"{line}."), ran


def test_the_removed_builtin_is_one_clear_error(matrix):
    project = matrix("0.17")
    failed = project.fails("handmade", cwd=project.root / "cImport")
    assert failed.error == "ZigImportError" and "@cImport" in failed.message
    assert '@import("Python.h")' in failed.hint


@pytest.mark.parametrize("line", ["0.15"])
def test_a_module_against_the_c_api_is_built_for_each_python_and_cached_for_each(make_project, environments, line):
    project = make_project(zig=line)
    project.write("handmade.zig", C_API.replace("HEADER", HEADERS["module"]))
    pythons = list(environments["pythons"].values())
    files = []
    for builds in (["handmade"], []):
        for python in pythons:
            ran = project.run(HANDMADE, python=python)
            assert ran.stdout.startswith(f"{line}.") and ran.builds == builds, ran
            files.append(ran.stdout)
    assert len(set(files)) == len(pythons)


def test_every_zig_has_an_artifact_of_its_own_in_one_store(make_project, environments):
    project = make_project()
    for path, content in FILES.items():
        project.write(path, content)
    for builds in (["shapes"], []):
        for line, zig in environments["zigs"].items():
            ran = project.run(SHAPES, env={"ZIGIMPORT_ZIG": zig})
            assert ran.stdout.startswith(f"{line}.") and ran.builds == builds, ran


def test_a_second_import_says_nothing(matrix, environments, zig, python):
    project = matrix(zig)
    interpreter = environments["pythons"][python]
    project.run(SHAPES, python=interpreter)
    again = project.run(SHAPES, python=interpreter)
    assert again.stdout.startswith(f"{zig}.") and again.stderr == "", again
