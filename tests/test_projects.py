"""Project modules: a folder with the user's own ``build.zig``."""

import os
import re

import pytest

from conftest import Project, backdate, base_environment, dedented

#: A build that works on every supported Zig and says nothing of zigimport.
BUILD = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    const library = b.addLibrary(.{
        .name = "b",
        .linkage = .dynamic,
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/root.zig"),
            .target = b.standardTargetOptions(.{}),
            .optimize = b.standardOptimizeOption(.{}),
        }),
    });
    library.linker_allow_shlib_undefined = true;
    b.installArtifact(library);
}
"""

#: An extension module without headers; `FACTOR` is what `scale` multiplies with.
ROOT = """
const Object = opaque {};
extern fn PyModule_Create2(definition: *Definition, version: c_int) callconv(.c) ?*Object;
extern fn PyLong_AsLongLong(object: *Object) callconv(.c) c_longlong;
extern fn PyLong_FromLongLong(value: c_longlong) callconv(.c) ?*Object;

const Method = extern struct {
    name: ?[*:0]const u8 = null,
    function: ?*const fn (?*Object, *Object) callconv(.c) ?*Object = null,
    flags: c_int = 0,
    doc: ?[*:0]const u8 = null,
};
const Definition = extern struct {
    references: isize = 1,
    base: [4]?*anyopaque = @splat(null),
    name: [*:0]const u8,
    doc: ?[*:0]const u8 = null,
    size: isize = -1,
    methods: [*]const Method,
    slots: ?*anyopaque = null,
    traverse: ?*anyopaque = null,
    clear: ?*anyopaque = null,
    free: ?*anyopaque = null,
};
const methods = [_]Method{ .{ .name = "scale", .function = scale, .flags = 8 }, .{} };
var definition: Definition = .{ .name = "b", .methods = &methods };

fn scale(_: ?*Object, argument: *Object) callconv(.c) ?*Object {
    return PyLong_FromLongLong(PyLong_AsLongLong(argument) * FACTOR);
}
export fn PyInit_b() callconv(.c) ?*Object {
    return PyModule_Create2(&definition, 3);
}
"""

#: A build that compiles C against the interpreter's headers.
BUILD_WITH_HEADERS = """
const std = @import("std");

pub fn build(b: *std.Build) void {
    const module = b.createModule(.{
        .target = b.standardTargetOptions(.{}),
        .optimize = b.standardOptimizeOption(.{}),
        .link_libc = true,
    });
    INCLUDE
    module.addCSourceFile(.{ .file = b.path("b.c") });
    const library = b.addLibrary(.{ .name = "b", .linkage = .dynamic, .root_module = module });
    library.linker_allow_shlib_undefined = true;
    b.installArtifact(library);
}
"""

C_SOURCE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "b", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_b(void) {
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddIntConstant(module, "minor", PY_MINOR_VERSION);
    return module;
}
"""

#: Reads the variable that names the headers, where the build graph gives it on each Zig.
INCLUDE_OF_VARIABLE = """
    const environment = if (@hasField(@TypeOf(b.graph.*), "environ_map")) &b.graph.environ_map else &b.graph.env_map;
    module.addIncludePath(.{ .cwd_relative = environment.get("ZIGIMPORT_PYTHON_INCLUDE").? });
"""


@pytest.fixture
def project(make_project, project_store):
    return make_project(store=project_store)


#: Lets the source embed a file that lies outside the project.
EMBEDS = """
    library.root_module.addAnonymousImport("factor", .{
        .root_source_file = .{ .cwd_relative = b.pathFromRoot("../outside/factor.txt") },
    });
"""


def write_project(project, *, factor=2, build=BUILD):
    project.write("b/build.zig", build)
    project.write("b/src/root.zig", ROOT.replace("FACTOR", '@import("factor.zig").factor'))
    project.write("b/src/factor.zig", f"pub const factor = {factor};\n")


def test_a_project_is_built_as_its_build_file_says(project):
    write_project(project)
    imported = project.imports("b", "[module.scale(21), hasattr(module, '__path__'), module.__zigimport__.source]")
    assert imported.value == [42, False, str(project.root / "b/build.zig")]
    assert project.imports("b", "module.scale(4)").builds == []


def test_a_project_writes_nothing_into_its_own_folder(project):
    write_project(project)
    project.imports("b")
    assert sorted(path.name for path in (project.root / "b").iterdir()) == ["build.zig", "src"]


def test_a_project_inside_a_package_imports(project):
    project.write("pkg/__init__.py", "")
    write_project(project)
    (project.root / "b").rename(project.root / "pkg/b")
    assert project.imports("pkg.b", "[module.scale(3), module.__name__]").value == [6, "pkg.b"]


def test_any_changed_file_of_a_project_is_seen_and_earlier_content_comes_back(project):
    write_project(project, factor=11)
    assert project.imports("b", "module.scale(1)").value == 11
    write_project(project, factor=12)
    changed = project.imports("b", "module.scale(1)")
    assert (changed.value, changed.reasons) == (12, ["src/factor.zig changed"])
    write_project(project, factor=11)
    back = project.imports("b", "module.scale(1)")
    assert (back.value, back.builds) == (11, [])


def test_a_same_size_edit_of_a_project_with_the_old_timestamp_is_seen(project):
    write_project(project, factor=21)
    assert project.imports("b", "module.scale(1)").value == 21
    path = project.root / "b/src/factor.zig"
    modified = os.stat(path).st_mtime_ns
    write_project(project, factor=22)
    backdate(path, modified)
    assert project.imports("b", "module.scale(1)").value == 22


def test_a_new_and_a_removed_file_of_a_project_are_seen(project):
    write_project(project, factor=13)
    project.imports("b")
    project.write("b/extra.txt", "new")
    assert project.imports("b").reasons == ["extra.txt added"]
    (project.root / "b/extra.txt").unlink()
    assert project.imports("b").builds == []


def test_caches_in_a_project_do_not_matter(project):
    write_project(project)
    project.imports("b")
    for name in (".zig-cache", "zig-out"):
        project.write(f"b/{name}/file", "something")
    assert project.imports("b").builds == []


def test_a_project_gets_the_optimize_mode_that_is_asked_for(project):
    source = ROOT.replace("FACTOR", '@intFromEnum(@import("builtin").mode)')
    project.write("b/build.zig", BUILD)
    project.write("b/src/root.zig", source)
    modes = [
        project.imports("b", "module.scale(1)", env={"ZIGIMPORT_OPTIMIZE": mode}).value
        for mode in ("Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall")
    ]
    assert len(set(modes)) == 4


def test_a_build_file_without_options_works(project):
    build = BUILD.replace("b.standardTargetOptions(.{})", "b.graph.host").replace(
        "b.standardOptimizeOption(.{})", ".ReleaseSmall"
    )
    write_project(project, build=build)
    assert project.imports("b", "module.scale(21)").value == 42


@pytest.mark.parametrize("include", ["", INCLUDE_OF_VARIABLE], ids=["search prefix", "variable"])
def test_a_project_finds_the_headers_of_the_interpreter(project, include):
    project.write("b/build.zig", BUILD_WITH_HEADERS.replace("INCLUDE", include))
    project.write("b/b.c", C_SOURCE)
    assert project.imports("b", "module.minor == sys.version_info[1]").value is True


def test_a_project_that_includes_a_file_outside_its_folder_sees_its_edits(project):
    project.write("shared/value.h", "#define VALUE 1\n")
    project.write("b/build.zig", BUILD_WITH_HEADERS.replace("INCLUDE", ""))
    source = C_SOURCE.replace("<Python.h>", '<Python.h>\n#include "../shared/value.h"')
    project.write("b/b.c", source.replace("PY_MINOR_VERSION", "VALUE"))
    assert project.imports("b", "module.minor").value == 1
    project.write("shared/value.h", "#define VALUE 2\n")
    assert project.imports("b", "module.minor").value == 2
    project.write("shared/value.h", "#define VALUE 1\n")
    back = project.imports("b", "module.minor")
    assert (back.value, back.builds) == (1, [])


def test_the_second_plan_has_what_the_first_build_learnt(project, wrapped_zig):
    project.write("outside/factor.txt", "3")
    reads = BUILD.replace("    b.installArtifact(library);\n", EMBEDS + "    b.installArtifact(library);\n")
    project.write("b/build.zig", reads)
    project.write("b/src/root.zig", ROOT.replace("FACTOR", '(@embedFile("factor")[0] - 48)'))

    def planned():
        (module,) = project.cli("plan", "b", "--format", "json").json["modules"]
        names = [one["path"] for one in module["inputs"]]
        return names, [one["path"] for target in module["targets"] for one in target["discovered"]]

    assert planned() == (["build.zig", "src/root.zig"], [])
    # What the build file leads to is not known without running it, and a plan runs nothing.
    assert wrapped_zig.calls == []
    outside = str(project.root / "outside/factor.txt")
    built = project.imports("b", "module.scale(1)")
    assert built.value == 3 and f"the compiler read {outside}, an input from now on" in built.stderr, built
    assert planned() == (["build.zig", "src/root.zig"], [outside])
    assert project.cli("plan", "b", "--check").returncode == 0
    project.write("outside/factor.txt", "4")
    assert project.cli("plan", "b", "--check").returncode == 1
    changed = project.imports("b", "module.scale(1)")
    assert changed.value == 4 and "from now on" not in changed.stderr, changed


def test_a_compile_error_in_a_project_names_the_users_file(project):
    write_project(project)
    project.write("b/src/factor.zig", "pub const factor: u8 = 2\n")
    failed = project.fails("b")
    assert failed.error == "ZigCompileError"
    assert "src/factor.zig:1:" in failed.message and "expected ';'" in failed.message
    assert [str(project.root / "b/src/factor.zig"), 1] in [one[1:3] for one in failed.diagnostics]
    write_project(project)
    assert project.imports("b", "module.scale(1)").value == 2


def test_an_error_in_the_build_file_names_it(project):
    write_project(project, build="pub fn build(b: anytype) void {\n    b.noSuchThing();\n}\n")
    failed = project.fails("b")
    assert "build.zig:2:" in failed.message, failed


def test_a_build_that_installs_another_name_says_what_it_installed(project):
    write_project(project, build=BUILD.replace('"b"', '"other"'))
    failed = project.fails("b")
    assert failed.error == "ZigImportError" and failed.exit_code == 1
    assert "libother.so" in failed.message and '.name = "b"' in failed.hint, failed


def test_a_build_that_installs_no_library_says_so(project):
    write_project(project, build='pub fn build(_: *@import("std").Build) void {}\n')
    failed = project.fails("b")
    assert "installed nothing" in failed.message, failed


def test_projects_of_one_name_in_two_places_do_not_share(make_project, project_store):
    for name, factor in (("one", 3), ("two", 7)):
        project = make_project(name, store=project_store)
        write_project(project, factor=factor)
        assert project.imports("b", "module.scale(1)").value == factor


def test_a_project_builds_with_every_zig(environments, tmp_path, project_store, zig):
    project = Project(
        tmp_path,
        environments["pythons"][environments["main"]],
        base_environment(tmp_path, environments["zigs"][zig], project_store),
    )
    write_project(project)
    project.write("main.py", "import zigimport, b\nprint(b.scale(21), b.__zigimport__.zig_version)\n")
    ran = project.execute("main.py")
    assert ran.stdout.startswith(f"42 {zig}."), ran
    project.write("b/src/factor.zig", "pub const factor = 3;\n")
    ran = project.execute("main.py")
    assert ran.stdout.startswith(f"63 {zig}."), ran


def test_ordinary_modules_and_projects_live_side_by_side(project):
    write_project(project)
    project.write("b/helper.zig", "pub fn one() u8 {\n    return 1;\n}\n")
    code = """
    import zigimport, b
    try:
        import b.helper
    except ModuleNotFoundError as error:
        print(b.scale(1), error)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "2 No module named 'b.helper'; 'b' is not a package\n", ran


def test_a_library_without_an_init_function_is_refused_with_what_to_write(project):
    """What a file module exports by itself, a project does not."""
    write_project(project)
    project.write("b/src/root.zig", "pub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\n")
    kind = re.search(r"^  kind +(.*)$", project.cli("plan", "b", "--explain").stdout, re.MULTILINE)
    assert kind[1] == "project"
    for arguments in ([], ["--target", "x86_64-windows"]):
        ran = project.cli("build", "b", *arguments)
        assert ran.returncode == 1 and ran.stderr.count("error: ") == 1, ran
        assert str(project.root / "b/build.zig") in ran.stderr and "has no function `PyInit_b`" in ran.stderr, ran
        assert "hint: " in ran.stderr and "`export fn PyInit_b()`" in ran.stderr, ran
    assert project.fails("b").error == "ZigImportError"
    write_project(project)
    assert project.imports("b", "module.scale(21)").value == 42


def test_what_a_build_file_may_read_unseen_is_named_and_a_link_makes_it_an_input(project):
    reading = BUILD.replace("pub fn build(b: *std.Build) void {", '''pub fn build(b: *std.Build) void {
    _ = b.run(&.{ "cat", "../version" });''')
    project.write("p/build.zig", reading)
    project.write("p/src/root.zig", "")
    project.write("version", "1")
    explained = project.cli("plan", "p", "--explain").stdout
    assert "build.zig:5: `run` may read files outside of the project's folder" in explained, explained

    def inputs():
        (module,) = project.cli("plan", "p", "--format", "json").json["modules"]
        return {one["path"]: one["digest"] for one in module["inputs"]}

    assert not any(path.endswith("version") for path in inputs())
    (project.root / "p/read-version").symlink_to("../version")
    before = inputs()
    project.write("version", "2")
    assert inputs()["read-version"] != before["read-version"]
