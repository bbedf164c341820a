"""The build file for editors: ``zigimport info --zls``."""

import os

from conftest import DEFAULT_ZIG, run_zig

MODULE = """const std = @import("std");
const zigimport = @import("zigimport");

pub fn total(values: zigimport.View(f64, 1)) f64 {
    var sum: f64 = 0;
    for (0..values.shape[0]) |index| sum += values.at(.{index});
    return sum;
}

test total {
    const data = [_]f64{ 1, 2, EXPECTED - 3 };
    try std.testing.expectEqual(6, total(.init(&data, .{3})));
}
"""
MIXED = """//! zigimport: c-sources = c/twice.c
extern fn helper(value: c_int) c_int;
pub fn twice(value: c_int) c_int {
    return helper(value);
}
test twice {
    try @import("std").testing.expect(twice(2) == 4);
}
"""
PACKAGE = """const part = @import("part.zig");
pub fn one() u8 {
    return part.one;
}
test one {
    try @import("std").testing.expect(one() == 1);
}
"""


def written(project, expected=6):
    project.write("m.zig", MODULE.replace("EXPECTED", str(expected)))
    project.write("c/twice.c", "int helper(int value) { return 2 * value; }\n")
    project.write("mixed.zig", MIXED)
    project.write("pkg/__init__.zig", PACKAGE)
    project.write("pkg/part.zig", "pub const one = 1;\n")
    project.write("own/build.zig", "// The user's.\n")
    return project.cli("info", "--zls", "--format", "json")


def test_the_tests_of_each_module_run(make_project, zig):
    project = make_project(zig=zig)
    answer = written(project)
    assert answer.json == {"path": str(project.root / "build.zig"), "modules": ["m", "mixed", "pkg"]}, answer
    passed = run_zig(project, zig, "build", "test", "--summary", "all")
    assert passed.returncode == 0 and "3/3 tests passed" in passed.stderr, passed.stderr


def test_a_test_that_fails_fails_the_build(project):
    written(project, expected=7)
    failed = run_zig(project, DEFAULT_ZIG, "build", "test")
    assert failed.returncode != 0 and "expected 6, found 7" in failed.stderr, failed.stderr


def test_one_file_is_tested_without_a_build(project):
    written(project)
    alone = run_zig(project, DEFAULT_ZIG, "test", "pkg/__init__.zig")
    assert alone.returncode == 0, alone.stderr
    sources = "-Mzigimport=.zigimport-zls/binding/zigimport.zig"
    importing = run_zig(project, DEFAULT_ZIG, "test", "--dep", "zigimport", "-Mroot=m.zig", sources)
    assert importing.returncode == 0, importing.stderr


def test_the_folder_does_not_become_a_project(project):
    written(project)
    assert project.imports("m", "module.total(memoryview(b'').cast('d'))").value == 0
    again = project.cli("info", "--zls")
    assert again.returncode == 0 and "m, mixed, pkg" in again.stdout, again
    planned = project.cli("plan", "--format", "json").json
    assert sorted(module["name"] for module in planned["modules"]) == ["m", "mixed", "own", "pkg"]
    parent = {"PYTHONPATH": str(project.root.parent)}
    namespace = project.run(f"import zigimport, {project.root.name} as found; print(found.__file__)", env=parent)
    assert namespace.stdout.strip() == "None", namespace


def test_the_key_does_not_depend_on_it(project):
    project.write("pkg/__init__.zig", "//! Nothing of its own.\n")
    project.write("pkg/m.zig", "pub fn one() u8 {\n    return 1;\n}\n")
    assert project.imports("pkg.m", "module.one()").value == 1
    assert project.cli("info", "--zls", "pkg").returncode == 0
    again = project.imports("pkg.m", "module.one()")
    assert again.value == 1 and again.builds == []


def test_a_build_file_of_the_user_is_kept(project):
    project.write("m.zig", "pub const x = 1;\n")
    path = project.write("build.zig", "// mine\n")
    refused = project.cli("info", "--zls")
    assert refused.returncode == 1 and "build.zig" in refused.stderr and "yours" in refused.stderr, refused
    assert (project.root / "build.zig").read_text() == "// mine\n"
    assert not os.path.exists(project.root / ".zigimport-zls"), path


def test_a_python_h_module_finds_the_headers(make_project):
    project = make_project(zig="0.15")
    project.write(
        "m.zig",
        'const c = @cImport(@cInclude("Python.h"));\n'
        "export fn PyInit_m() ?*c.PyObject {\n    return null;\n}\n"
        "test { try @import(\"std\").testing.expect(@sizeOf(c.Py_ssize_t) == @sizeOf(usize)); }\n",
    )
    assert project.cli("info", "--zls").returncode == 0
    passed = run_zig(project, "0.15", "build", "test")
    assert passed.returncode == 0, passed.stderr
