"""The compiler's runtime: left out of a first build that calls nothing of it."""

import json

import pytest

from conftest import ADD, ZIGS

LEFT_OUT = "-fno-compiler-rt"

#: Calls what only the runtime has, by what it is about.
CALLS = {
    "wide integers": ("pub fn f(a: i128, b: i128) i128 {\n    return @divTrunc(a, b);\n}\n", "module.f(-(7 << 80), 1 << 80)", -7),
    "small floats": (
        "pub fn f(a: []const f16) f64 {\n    return a[0];\n}\n",
        "module.f(__import__('numpy').array([1.5], 'e'))",
        1.5,
    ),
    "a large frame": (
        "pub fn f(a: u8) u64 {\n    var large: [100_000]u8 = @splat(a);\n    var sum: u64 = 0;\n"
        "    for (&large) |*one| sum += one.*;\n    return sum;\n}\n",
        "module.f(2)",
        200_000,
    ),
}


@pytest.fixture(params=ZIGS)
def cold(request, make_project, tmp_path):
    """A project whose store does not have the compiler's caches."""
    project = make_project(zig=request.param, warm=False)
    project.environment["ZIGIMPORT_AUDIT_LOG"] = str(tmp_path / "audit.log")
    project.line = request.param

    def compiles():
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
        return [LEFT_OUT in one["arguments"] for one in lines if one["event"] == "start"]

    project.compiles = compiles
    return project


def test_a_module_that_calls_nothing_of_it_is_built_without(cold):
    cold.write("m.zig", ADD)
    cold.write(
        "n.zig",
        'pub fn ones(allocator: @import("std").mem.Allocator, count: usize) ![]f64 {\n'
        "    const values = try allocator.alloc(f64, count);\n    @memset(values, 1);\n    return values;\n}\n",
    )
    assert cold.imports("m", "module.add(1, 2)").value == 3
    assert cold.imports("n", "module.ones(3)[2]").value == 1
    assert cold.compiles() == [True, True]


def test_what_calls_it_gets_it_and_from_then_on_everybody(cold):
    source, expression, value = CALLS["wide integers"]
    cold.write("m.zig", source)
    assert cold.imports("m", expression).value == value
    cold.write("n.zig", ADD)
    assert cold.imports("n", "module.add(1, 2)").value == 3
    assert cold.compiles() == [True, False, False]
    # Another mode has another one.
    assert cold.imports("n", "module.add(1, 2)", env={"ZIGIMPORT_OPTIMIZE": "ReleaseFast"}).value == 3
    assert cold.compiles() == [True, False, False, True]


@pytest.mark.parametrize("about", CALLS)
@pytest.mark.parametrize("mode", ["Debug", "ReleaseSafe"])
def test_what_calls_it_works(cold, about, mode):
    source, expression, value = CALLS[about]
    cold.write("m.zig", source)
    assert cold.imports("m", expression, env={"ZIGIMPORT_OPTIMIZE": mode}).value == value


def test_mathematical_functions_are_those_that_the_compiler_chooses(cold):
    """With and without the first try, results are the same to the last bit."""
    cold.write("m.zig", "pub fn f(a: f64) [3]f64 {\n    return .{ @sin(a), @exp(a), @mod(a, 0.7) };\n}\n")
    first = cold.imports("m", "[module.f(0.1 * one) for one in range(200)]").value
    assert cold.compiles() == [True, False]
    again = cold.imports(
        "m", "[module.f(0.1 * one) for one in range(200)]", env={"ZIGIMPORT_FORCE_REBUILD": "1"}
    ).value
    assert first == again and cold.compiles() == [True, False, False]


def test_a_compile_error_is_told_once(cold):
    cold.write("m.zig", "pub fn f() u8 {\n    return missing;\n}\n")
    failed = cold.fails("m")
    assert (failed.error, failed.message.count("use of undeclared identifier")) == ("ZigCompileError", 1), failed
    assert all(cold.compiles())


def test_c_sources_are_not_tried(cold):
    cold.write("m.zig", "//! zigimport: c-sources = m.c\nextern fn twice(a: c_int) c_int;\npub fn f(a: c_int) c_int {\n    return twice(a);\n}\n")
    cold.write("m.c", "int twice(int a) { return a + a; }\n")
    assert cold.imports("m", "module.f(4)").value == 8
    assert cold.compiles() == [False]
