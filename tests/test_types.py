"""Arguments and results of every kind but buffers and classes, on every Zig and every Python."""

import pytest

from conftest import checks_of

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
