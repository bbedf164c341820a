"""Arguments and results of every kind but buffers and classes, on every Zig and every Python."""

import pytest

from conftest import checks_of, dedented

CHECKS = checks_of("values_checks.py")
MODES = ("ReleaseSafe", "ReleaseFast", "ReleaseSmall")


def test_on_every_zig_and_python(binding_project, environments, zig, python):
    ran = binding_project(zig).execute("values_checks.py", *CHECKS, python=environments["pythons"][python])
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("mode", MODES)
def test_in_every_optimize_mode(binding_project, zig, mode):
    ran = binding_project(zig).execute("values_checks.py", *CHECKS, env={"ZIGIMPORT_OPTIMIZE": mode})
    assert ran.returncode == 0, ran


def test_a_callable_may_answer_with_text(make_project, zig):
    project = make_project(zig=zig)
    source = """
        const zigimport = @import("zigimport");

        pub fn ask(f: zigimport.Callable, name: []const u8) ![]const u8 {
            return f.call([]const u8, .{name});
        }
    """
    project.write("m.zig", source)
    values = "module.ask(lambda name: ' '.join([name, name]), 'é'), module.ask(str.upper, name='a')"
    assert project.imports("m", f"[{values}]").value == ["é é", "A"]


@pytest.mark.parametrize("result", ["Kept", "?Kept", "?*const Kept"])
def test_a_callable_cannot_return_an_instance_that_has_pointers(project, result):
    source = """
        const zigimport = @import("zigimport");

        pub const Kept = struct {
            items: []const u8,

            pub fn first(self: *const Kept) u8 {
                return self.items[0];
            }
        };
        pub fn ask(f: zigimport.Callable) !u8 {
            _ = try f.call(RESULT, .{});
            return 0;
        }
    """
    project.write("m.zig", source.replace("RESULT", result))
    assert "a Callable cannot return" in project.fails("m").message


def test_a_default_that_is_undefined_is_none(make_project, zig):
    project = make_project(zig=zig)
    source = """
        pub const Options = struct { window: u32 = undefined, scale: f64 = 2.0, name: []const u8 = undefined };
        pub const Pair = struct { a: u8 = 1, b: ?u8 = undefined };
        pub const Sensor = struct {
            scratch: [4]u8 = undefined,
            level: u8 = undefined,
            items: []u8 = undefined,

            pub fn fill(self: *Sensor) u8 {
                @memset(&self.scratch, self.level);
                return self.scratch[3];
            }
        };
        pub fn smooth(x: f64, options: Options) f64 {
            return x * options.scale + @as(f64, @floatFromInt(options.window + options.name.len));
        }
        pub fn sum(pair: Pair) u32 {
            return @as(u32, pair.a) + pair.b.?;
        }
    """
    project.write("m.zig", source)
    code = """
        import inspect, zigimport, m
        print(*(inspect.signature(one) for one in (m.smooth, m.Pair, m.Sensor)))
        print(m.smooth(1.0, window=2, name="ab"), m.sum({"b": 4}), m.Pair(1, None).b, m.Sensor(level=7).fill())
        calls = [(m.smooth, (1.0,), {"window": 2}), (m.sum, ({"a": 1},), {}), (m.Pair, (1,), {}), (m.Sensor, (), {})]
        calls += [(m.sum, ({"b": 1, "c": 2, 3: 4},), {}), (m.sum, ({3: 4, "a": 1, "b": 2},), {})]
        for function, arguments, keywords in calls:
            try:
                print(function(*arguments, **keywords))
            except TypeError as error:
                print(error)
    """
    ran = project.run(dedented(code))
    assert ran.stdout.splitlines() == [
        "(x, *, window, scale=2.0, name) (a, b) (level)",
        "6.0 5 None 7",
        "smooth() missing required argument 'name'",
        "sum() argument 'pair': missing 'b' for Pair",
        "Pair.__new__() missing 1 required positional argument: 'b'",
        "Sensor() missing required argument 'level'",
        "sum() argument 'pair': unexpected keys ['c', 3]; Pair has (a, b)",
        "sum() argument 'pair': unexpected keys [3]; Pair has (a, b)",
    ], ran


def test_another_name_of_a_function_has_its_parameters_and_comment(project):
    project.write("lib.zig", "/// An area.\npub fn area(width: f64, height: f64) f64 {\n    return width * height;\n}\n")
    source = """
        const lib = @import("lib.zig");
        fn own(value: u8) u8 {
            return value;
        }
        pub const area = lib.area;
        pub const same = own;
        pub const inner = struct {
            pub const again = lib.area;
        };
    """
    project.write("m.zig", source)
    code = """
        import inspect, zigimport, m
        print(*(inspect.signature(one) for one in (m.area, m.same, m.inner.again)))
        print(m.area(height=2, width=3), m.same(value=4), m.inner.again.__doc__)
    """
    ran = project.run(dedented(code))
    assert ran.stdout.splitlines() == ["(width, height) (value) (width, height)", "6.0 4 An area."], ran


def test_a_function_of_a_type_that_is_not_known_does_not_keep_the_others_out(project):
    functions = {
        "pointer": "pub fn pointer(a: *u8) void {\n    a.* = 1;\n}\n",
        "generic": "pub fn generic(a: anytype) void {\n    a.missing();\n}\n",
        "nested": "pub fn nested(a: ??u8) void {\n    _ = a;\n}\n",
        "untagged": "pub const U = union { a: u8, b: u16 };\npub fn untagged(a: U) void {\n    _ = a;\n}\n",
    }
    project.write("m.zig", "".join(functions.values()) + "pub fn good() u8 {\n    return 5;\n}\n")
    imported = project.imports("m", "[module.good(), sorted(module.__zigimport_skipped__)]")
    assert imported.value == [5, sorted(functions)]
    told = "m leaves out `pointer` (parameter 1: type `*u8`), `generic` (parameter 1: type `anytype`), "
    assert told in imported.stderr, imported
    assert project.imports("m", "module.good()").stderr == ""
    for name in ("one", "two", "three"):
        functions[name] = f"pub fn {name}(a: anytype) void {{\n    _ = a;\n}}\n"
    project.write("m.zig", "".join(functions.values()) + "pub fn good() u8 {\n    return 5;\n}\n")
    assert ") and 2 more, see m.__zigimport_skipped__\n" in project.imports("m", "module.good()").stderr


def test_what_does_not_fit_on_a_stack_or_into_text_does_not_keep_the_others_out(make_project, zig):
    project = make_project(zig=zig)
    declarations = {
        "taken": "pub fn taken(x: [1048576]u8) u8 {\n    return x[0];\n}\n",
        "given": "pub fn given() [16000000]u8 {\n    return @splat(1);\n}\n",
        "Large": "pub const Large = struct {\n    a: [16000000]u8 = @splat(0),\n"
        "    pub fn f(self: *const Large) u8 {\n        return self.a[5];\n    }\n};\n",
        "record": "pub const R = struct { a: [9000]f64 };\npub fn record(r: R) f64 {\n    return r.a[0];\n}\n",
        "ended": "pub fn ended(x: [3:0]u8) u8 {\n    return x[0];\n}\n",
        "changed": "pub fn changed(a: []?f64) void {\n    a[0] = null;\n}\n",
        "changed_inside": "pub fn changed_inside(a: []const []u7) void {\n    a[0][0] = 1;\n}\n",
        "enumerated": "pub const Wide = enum(u200) { a, _ };\npub fn enumerated(a: Wide) void {\n    _ = a;\n}\n",
        "names": 'pub const names = [_][]const u8{ "a", "\\xff" };\n',
        "maybe": 'pub const maybe: ?[]const u8 = "\\xff";\n',
        "Names": 'pub const Names = enum { @"\\xff", b };\n',
    }
    # Neither is a number of the value alone: keys are what they are.
    classes = """
        pub const Optional = struct {
            n: i64 = 0,
            pub fn len(self: Optional) ?usize { _ = self; return null; }
            pub fn getItem(self: Optional, i: i64) i64 { return self.n + i; }
        };
        pub const Allocating = struct {
            n: i64 = 1,
            pub fn len(self: Allocating, allocator: @import("std").mem.Allocator) usize { _ = self; _ = allocator; return 3; }
            pub fn getItem(self: Allocating, i: i64) i64 { return self.n + i; }
        };
    """
    project.write("m.zig", "".join(declarations.values()) + dedented(classes) + "pub fn good() u8 {\n    return 5;\n}\n")
    expression = "[module.good(), module.Optional()[-1], module.Allocating()[-1], sorted(module.__zigimport_skipped__)]"
    assert project.imports("m", expression).value == [5, -1, 0, sorted(declarations)]


@pytest.mark.parametrize("name", ["part", "std", "values", "module", "list"])
def test_a_submodule_may_have_any_name(project, name):
    project.write(f"parts/{name}.zig", "//! Doc.\npub fn f(a: u8) u8 {\n    return a;\n}\n")
    project.write("m.zig", f'pub const {name} = @import("parts/{name}.zig");\n')
    expression = f"[module.{name}.f(a=3), module.{name}.__doc__, module.{name}.__name__]"
    assert project.imports("m", expression).value == [3, "Doc.", f"m.{name}"]


def test_an_edit_of_a_submodule_is_seen(project):
    project.write("m.zig", 'pub const part = @import("part.zig");\n')
    project.write("part.zig", "pub fn f() u8 {\n    return 1;\n}\n")
    assert project.imports("m", "module.part.f()").value == 1
    project.write("part.zig", "/// New.\npub fn f(twice: u8) u8 {\n    return twice * 2;\n}\n")
    assert project.imports("m", "[module.part.f(twice=3), module.part.f.__doc__]").value == [6, "New."]
