"""Type stubs: where they are written, that they say what `inspect` says, and that type
checkers take them."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ADD, needs

MODULE = """
//! A module with something of everything.
const std = @import("std");
const zigimport = @import("zigimport");

pub const limit = 10;
pub const title = "stubs";
pub const Level = enum { low, high };

pub const Point = struct {
    x: f64,
    y: f64 = 2.0,
};

/// Counts on.
pub const Counter = struct {
    count: u64 = 0,
    step: u64 = 1,

    /// Returns the new count.
    pub fn next_value(self: *Counter, times: u64) u64 {
        self.count += self.step * times;
        return self.count;
    }
    pub fn zero() Counter {
        return .{};
    }
    pub fn len(self: Counter) usize {
        return @intCast(self.count);
    }
};

pub const Countdown = struct {
    left: u32,

    pub fn init(start: u32, settings: struct { skip: u32 = 0 }) Countdown {
        return .{ .left = start - settings.skip };
    }
    pub fn deinit(self: *Countdown) void {
        self.left = 0;
    }
    pub fn next(self: *Countdown) ?u32 {
        if (self.left == 0) return null;
        self.left -= 1;
        return self.left + 1;
    }
};

/// Adds.
pub fn add(a: i64, b: i64) i64 {
    return a + b;
}
pub fn smooth(values: []const f64, options: struct {
    window: u32 = 3,
    scale: f64 = 1.5,
    loud: bool = false,
    limit: ?i64 = null,
    level: Level = .low,
    label: []const u8 = "it's",
    required: u8,
}) f64 {
    _ = options;
    return values[0];
}
pub fn upper(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    return std.ascii.allocUpperString(allocator, text);
}
pub fn raw(data: zigimport.Bytes) zigimport.Bytes {
    return data;
}
pub fn maybe(number: ?i32) ?i32 {
    return number;
}
pub fn doubled(allocator: std.mem.Allocator, values: []const f64) ![]f64 {
    const answer = try allocator.alloc(f64, values.len);
    for (answer, values) |*new, value| new.* = value * 2;
    return answer;
}
pub fn double(values: []f64) void {
    for (values) |*value| value.* *= 2;
}
pub fn trace(matrix: zigimport.View(f64, 2)) f64 {
    return matrix.at(.{ 0, 0 });
}
pub fn names(allocator: std.mem.Allocator, points: []const Point) ![]const []const u8 {
    const answer = try allocator.alloc([]const u8, points.len);
    @memset(answer, "point");
    return answer;
}
pub fn moved(point: Point, level: Level) struct { point: Point, level: Level } {
    return .{ .point = point, .level = level };
}
pub fn key(word: [4]u8, place: [2]f64) struct { [4]u8, [2]f64 } {
    return .{ word, place };
}
pub fn apply(f: zigimport.Callable, x: f64) !f64 {
    return f.call(f64, .{x});
}
pub fn count_in(counter: *const Counter) u64 {
    return counter.count;
}
"""

USER = """
from __future__ import annotations

from array import array

import zigimport
import m

number: int = m.add(1, b=2) + m.limit
text: str = m.upper("a") + m.upper(b"a") + m.title
smooth: float = m.smooth([1.0, 2], window=5, level="high", limit=None, required=1)
smooth = m.smooth(array("d", [1.0]), required=2) + m.smooth((1.0,), required=3)
raw: bytes = m.raw(bytearray(b"a")) + m.raw(memoryview(b"a"))
maybe: int | None = m.maybe(None)
doubled = m.doubled([1.0])
first: float = doubled[0]
size: int = len(doubled) + len(memoryview(doubled))
floats: list[float] = list(doubled)
m.double(array("d", floats))
trace: float = m.trace(memoryview(array("d", [1.0])).cast("B").cast("d", (1, 1)))
point = m.Point(1.0, y=3.0)
x: float = point.x + point[1]
names: list[str] = m.names([point, (1.0, 2.0), m.Point(3.0)])
moved = m.moved(point, "low")
y: float = moved.point.y
word, place = m.key(b"abcd", (1.0, 2.0))
both: tuple[bytes, tuple[float, float]] = word, place
applied: float = m.apply(abs, -1.0) + m.apply(lambda value: 2.0, 3.0)
counter = m.Counter(step=5)
count: int = counter.next_value(times=2) + counter.count + len(counter) + m.count_in(m.Counter.zero())
counter.step = 7
with m.Countdown(5, skip=2) as countdown:
    left: list[int] = [number for number in countdown]
try:
    m.apply(abs, 1.0)
except m.ZigError as error:
    name: str = error.name


class Sub(m.Counter):
    pass


later: int = Sub().next_value(1)
"""

#: What a type checker must refuse after the lines above.
WRONG = [
    'm.add("1", 2)',
    "m.add(1)",
    "m.add(1, c=2)",
    "m.smooth([1.0], 5)",
    "m.smooth([1.0])",
    'm.smooth([1.0], level="middle", required=1)',
    "wrong: str = m.add(1, 2)",
    'm.moved(3, "low")',
    "m.Counter(start=1)",
    "counter.next_value()",
    "m.Countdown(5, 2)",
    "m.apply(3, 1.0)",
    "m.missing",
]

#: Every name here is one that a stub writes for something else as well.
NAMES_OF_PYTHON = """
pub const int = struct {
    x: i32,
    Any: i32 = 3,
    pub fn get(self: int) i32 {
        return self.x;
    }
};
pub const Array = struct {
    v: f64,
    pub fn property(self: Array) [2]f64 {
        return .{ self.v, 1 };
    }
};
pub const float = 3;
pub fn list(n: i64) []const i64 {
    return if (n == 0) &.{} else &.{1};
}
pub fn str(s: []const u8) []const u8 {
    return s;
}
pub fn Sequence(a: []const i32) struct { i64, bool } {
    return .{ a[0], true };
}
"""
USER_OF_NAMES = """
import zigimport
import m

number: int = m.int(3).get() + m.float
pair: "tuple[float, float]" = m.Array(1.5).property()
length: int = len(m.list(1))
text: str = m.str("a")
first: "tuple[int, bool]" = m.Sequence([number])
"""

#: What a named tuple, a class or a signature of Python cannot have as Zig has it.
ODD_NAMES = """
pub const Span = struct {
    from: u32 = 0,
    to: u32,
};
pub const Found = struct {
    count: u32,
    index: u32 = 0,
};
pub const Late = struct {
    first: u32 = 1,
    second: u32,
    third: u32 = 3,
};
pub const Odd = struct {
    class: u32 = 0,
    size: u32 = 1,
    required: u32,
    last: u32 = 4,

    pub fn sum(self: Odd) u32 {
        return self.class + self.size + self.required + self.last;
    }
    pub fn pair(a: u32) struct { one: u32, two: u32 } {
        return .{ .one = a, .two = a };
    }
    pub fn @"with"(self: Odd) u32 {
        return self.size;
    }
};
pub const inner = struct {
    pub fn halves(a: u32) struct { low: u32, high: u32 } {
        return .{ .low = a, .high = a };
    }
};
pub fn find(options: struct { from: u32 = 2, in: bool = false }) Found {
    return .{ .count = options.from, .index = if (options.in) 1 else 0 };
}
pub fn span(a: u32) Span {
    return .{ .to = a };
}
pub fn late() Late {
    return .{ .second = 2 };
}
"""
USER_OF_ODD_NAMES = """
import zigimport
import m

found: "tuple[int, int]" = m.find(from_=5, in_=True)
span: "tuple[int, int]" = m.span(3)
third: int = m.late().third
total: int = m.Odd(1, 2, required=3, last=4).sum() + m.Odd(required=3).sum()
two: int = m.Odd.pair(2).two + m.inner.halves(3).high
"""

#: The signatures of functions, and of a class's methods without `self`, as JSON.
SIGNATURES = """
import inspect, json
import zigimport, m
def described(function):
    parameters = inspect.signature(function).parameters.values()
    return [
        [one.name, one.kind.name == "KEYWORD_ONLY", one.default is not one.empty, repr(one.default)]
        for one in parameters
    ]
functions = {name: described(value) for name, value in vars(m).items() if inspect.isbuiltin(value)}
functions["Counter.next_value"] = described(m.Counter().next_value)
functions["Counter.zero"] = described(m.Counter.zero)
print(json.dumps(functions))
"""


@pytest.fixture(scope="module")
def stubbed(binding_project, tmp_path_factory):
    """A project with the module, its stub beside it, and a configuration of the type checkers."""
    shared = binding_project("0.16")
    project = type(shared)(tmp_path_factory.mktemp("stubs"), shared.python, shared.environment)
    write_with_stub(project, MODULE)
    return project


def write_with_stub(project, source):
    """Writes a module, its stub, and a configuration of the type checkers."""
    project.write("m.zig", source.lstrip())
    project.write("pyrightconfig.json", json.dumps({"typeCheckingMode": "standard"}))
    ran = project.cli("build", "--stubs", "m.zig")
    assert ran.returncode == 0, ran


def parameters_in(function):
    """What a function of a stub takes: name, keyword-only, has a default, the default's `repr`."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    static = any(getattr(decorator, "id", None) == "staticmethod" for decorator in function.decorator_list)
    found = [(one, False, default) for one, default in zip(positional, defaults)]
    found += [(one, True, default) for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return static, [
        [one.arg, keyword_only, default is not None, None if default is None else default_in(default)]
        for one, keyword_only, default in found
    ]


def default_in(node):
    """The `repr` of a default, or ``...``."""
    value = ast.literal_eval(node)
    return "..." if value is Ellipsis else repr(value)


def functions_in(stub):
    """The functions and methods of a stub by name."""
    found = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = parameters_in(node)[1]
        elif isinstance(node, ast.ClassDef):
            for method in (one for one in node.body if isinstance(one, ast.FunctionDef)):
                static, parameters = parameters_in(method)
                found[f"{node.name}.{method.name}"] = parameters if static else parameters[1:]
    return found


def check(project, checker, code):
    """Lets a type checker read a program that uses the module."""
    project.write("user.py", code)
    options = ["--strict"] if checker == "mypy" else ["--pythonpath", project.python]
    command = [Path(project.python).parent / checker, *options, "user.py"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(project.root)}
    ran = subprocess.run(command, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return ran.returncode, ran.stdout.decode()


def test_a_stub_is_written_beside_the_source(project):
    source = project.write("m.zig", ADD)
    assert project.cli("build", "m.zig").returncode == 0
    stub = source.with_suffix(".pyi")
    assert not stub.exists()
    for _ in range(2):
        ran = project.cli("build", "--stubs", "m.zig")
        assert ran.returncode == 0, ran
        assert functions_in(stub.read_text()) == {"add": [["a", False, False, None], ["b", False, False, None]]}
        stub.unlink()
    assert not ran.builds and project.imports("m", "module.add(1, 2)").value == 3


def test_a_stub_is_written_into_a_folder(project):
    project.write("package/__init__.py", "")
    project.write("package/m.zig", ADD)
    project.write("n.zig", ADD)
    ran = project.cli("build", "--stubs=types", "package/m.zig", "n.zig")
    assert ran.returncode == 0, ran
    stubs = sorted(path.relative_to(project.root).as_posix() for path in project.root.rglob("*.pyi"))
    assert stubs == ["types/n.pyi", "types/package/m.pyi"]


@pytest.mark.parametrize(("setting", "stub"), [("true", "m.pyi"), ('"types"', "types/m.pyi"), ("false", None)])
def test_the_settings_ask_for_stubs(project, setting, stub):
    project.write("pyproject.toml", f"[tool.zigimport]\nstubs = {setting}\n")
    project.write("m.zig", ADD)
    ran = project.cli("build", "m.zig")
    assert ran.returncode == 0, ran
    stubs = [path.relative_to(project.root).as_posix() for path in project.root.rglob("*.pyi")]
    assert stubs == ([stub] if stub else [])


def test_the_settings_ask_for_the_stub_of_a_cached_module_too(project):
    source = project.write("m.zig", ADD)
    project.imports("m")
    project.write("pyproject.toml", "[tool.zigimport]\nstubs = true\n")
    project.imports("m", env={"ZIGIMPORT_NATIVE": "never"})
    assert not source.with_suffix(".pyi").exists()
    source.touch()
    project.imports("m")
    assert list(functions_in(source.with_suffix(".pyi").read_text())) == ["add"]


def test_the_stub_that_the_settings_ask_for_follows_the_source_back(project):
    project.write("pyproject.toml", "[tool.zigimport]\nstubs = true\n")
    for name in ("first", "second", "first"):
        source = project.write("m.zig", ADD.replace("add", name))
        project.imports("m")
        assert list(functions_in(source.with_suffix(".pyi").read_text())) == [name]


def test_a_stub_that_somebody_wrote_stays(project):
    project.write("m.zig", ADD)
    stub = project.write("m.pyi", "def add(a: int, b: int) -> int: ...  # mine\n")
    ran = project.cli("build", "--stubs", "m.zig")
    assert ran.returncode != 0 and str(stub) in ran.stderr and "somebody else wrote it" in ran.stderr, ran
    project.write("pyproject.toml", "[tool.zigimport]\nstubs = true\n")
    imported = project.imports("m", "module.add(1, 2)")
    assert imported.value == 3 and "somebody else wrote it" in imported.stderr
    assert "mine" in stub.read_text()


def test_a_stub_follows_the_source(project):
    source = project.write("m.zig", ADD)
    project.cli("build", "--stubs", "m.zig")
    project.write("m.zig", "pub fn minus(left: i64, right: i64) i64 {\n    return left - right;\n}\n")
    project.cli("build", "--stubs", "m.zig")
    assert list(functions_in(source.with_suffix(".pyi").read_text())) == ["minus"]


def test_a_stub_has_the_names_and_defaults_of_every_function(stubbed):
    ran = stubbed.run(SIGNATURES)
    assert ran.returncode == 0, ran
    found = functions_in((stubbed.root / "m.pyi").read_text())
    for name, parameters in ran.json.items():
        stated = found[name]
        assert [one[:3] for one in stated] == [one[:3] for one in parameters], name
        for (_, _, has_default, default), (_, _, _, wanted) in zip(stated, parameters):
            assert not has_default or default in ("...", wanted), (name, default, wanted)
    assert {"add", "smooth", "upper", "Counter.next_value"} <= set(ran.json)


def test_a_stub_is_the_same_on_every_zig(make_project, stubbed, zig):
    project = make_project(zig=zig)
    project.write("m.zig", MODULE.lstrip())
    ran = project.cli("build", "--stubs", "m.zig")
    assert ran.returncode == 0, ran
    assert (project.root / "m.pyi").read_text() == (stubbed.root / "m.pyi").read_text()


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_a_type_checker_takes_the_stub(stubbed, environments, checker):
    needs(environments, environments["main"], checker)
    code, text = check(stubbed, checker, USER)
    assert code == 0, text
    code, text = check(stubbed, checker, "\n".join([USER, *WRONG, ""]))
    first = USER.count("\n") + 2
    refused = {int(number) for number in re.findall(r"user\.py:(\d+)\S* (?:- )?error", text)}
    assert code == 1 and refused == set(range(first, first + len(WRONG))), text


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_names_of_the_module_are_told_from_those_of_python(project, environments, checker):
    needs(environments, environments["main"], checker)
    write_with_stub(project, NAMES_OF_PYTHON)
    code, text = check(project, checker, USER_OF_NAMES)
    assert code == 0, text
    assert project.run(USER_OF_NAMES).returncode == 0
    code, text = check(project, checker, USER_OF_NAMES + 'm.int("a")\nm.str(1.5)\nm.Sequence("a")\n')
    assert code == 1 and len(re.findall(r"user\.py:\d+\S* (?:- )?error", text)) == 3, text


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_names_that_python_cannot_have_spoil_no_stub(project, environments, checker):
    needs(environments, environments["main"], checker)
    write_with_stub(project, ODD_NAMES)
    code, text = check(project, checker, USER_OF_ODD_NAMES)
    assert code == 0, text
    ran = project.run(USER_OF_ODD_NAMES + "import inspect\nprint(inspect.signature(m.Odd))")
    assert ran.stdout == "(class_=0, size=1, *, required, last=4)\n", ran


def test_the_lines_that_type_checkers_see_run(stubbed):
    ran = stubbed.run(USER)
    assert ran.returncode == 0, ran
