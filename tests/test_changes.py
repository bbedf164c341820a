"""Every change is seen by the next import, and nothing is compiled twice."""

import os
import shutil

import pytest

from conftest import ADD, backdate, dedented, finish

#: Tools of the module under test: one number from each kind of file.
ROOT = """
const part = @import("parts/part.zig");
const text = @embedFile("data/text.txt");
pub fn own() u32 {
    return 1;
}
pub fn nested() u32 {
    return part.number();
}
pub fn embedded() []const u8 {
    return text;
}
"""
FILES = {
    "m.zig": ROOT,
    "parts/part.zig": 'const deep = @import("deep/deep.zig");\npub fn number() u32 {\n    return deep.number + 0;\n}\n',
    "parts/deep/deep.zig": "pub const number = 1;\n",
    "data/text.txt": "text 1",
}
ALL = "[module.own(), module.nested(), module.embedded()]"
#: The same-size edits of each file, and what the module answers after each.
EDITS = {
    "m.zig": (("return 1", "return 2"), [2, 1, "text 1"]),
    "parts/part.zig": (("+ 0", "+ 5"), [1, 6, "text 1"]),
    "parts/deep/deep.zig": (("= 1", "= 7"), [1, 7, "text 1"]),
    "data/text.txt": (("1", "9"), [1, 1, "text 9"]),
}
every_file = pytest.mark.parametrize("path", EDITS)


@pytest.fixture
def tree(project):
    """A project whose module is imported already."""
    for path, content in FILES.items():
        project.write(path, content)
    assert project.imports("m", ALL).value == [1, 1, "text 1"]
    return project


def edited(path):
    """The new content of a file, of the same size."""
    old, new = EDITS[path][0]
    content = FILES[path].replace(old, new)
    assert content != FILES[path] and len(content) == len(FILES[path])
    return content


@every_file
def test_an_edit_at_any_depth_is_seen_and_named(tree, path):
    tree.write(path, edited(path))
    imported = tree.imports("m", ALL)
    assert (imported.value, imported.reasons) == (EDITS[path][1], [f"{path} changed"])


@every_file
def test_an_edit_of_the_same_size_with_the_old_timestamp_is_seen(tree, path):
    before = os.stat(tree.root / path)
    tree.write(path, edited(path))
    backdate(tree.root / path, before.st_mtime_ns)
    assert os.stat(tree.root / path).st_mtime_ns == before.st_mtime_ns
    assert tree.imports("m", ALL).value == EDITS[path][1]


@every_file
def test_a_file_that_replaces_another_by_renaming_is_seen(tree, path):
    modified = os.stat(tree.root / path).st_mtime_ns
    new = tree.write("new file", edited(path))
    backdate(new, modified)
    os.replace(new, tree.root / path)
    assert tree.imports("m", ALL).value == EDITS[path][1]


@every_file
def test_returning_to_earlier_content_loads_the_earlier_artifact(tree, path):
    first = tree.imports("m", "module.__file__").value
    tree.write(path, edited(path))
    assert tree.imports("m", "module.__file__").value != first
    tree.write(path, FILES[path])
    back = tree.imports("m", f"[module.__file__, *{ALL}]")
    assert (back.value, back.builds) == ([first, 1, 1, "text 1"], [])
    assert tree.imports("m", ALL).stderr == ""


@every_file
def test_a_file_that_is_only_touched_is_not_compiled_again(tree, wrapped_zig, path):
    tree.imports("m")  # With the wrapped compiler, which is another one.
    calls = wrapped_zig.calls
    for modified in (1, 2_000_000_000_000_000_000):
        backdate(tree.root / path, modified)
        assert tree.imports("m", ALL).value == [1, 1, "text 1"]
    assert wrapped_zig.calls == calls


def test_a_quick_series_of_edits_is_seen_every_time(tree):
    for number in (3, 4, 5, 6, 7, 8):
        tree.write("parts/deep/deep.zig", f"pub const number = {number};\n")
        assert tree.imports("m", "module.nested()").value == number


def test_an_edit_of_a_file_that_was_dropped_compiles_nothing(tree):
    tree.write("m.zig", ADD)
    tree.imports("m")
    tree.write("data/text.txt", "other")
    assert tree.imports("m").builds == []


def test_comments_and_strings_are_no_dependencies(project):
    project.write(
        "m.zig",
        '// @import("unused.zig")\nconst text = "@embedFile(\\"unused.txt\\")";\n/// @import("unused.zig")\n' + ADD,
    )
    project.write("unused.zig", "one")
    project.imports("m")
    project.write("unused.zig", "two")
    project.write("unused.txt", "two")
    assert project.imports("m").builds == []


BOTH_TEXTS = """
pub fn text() []const u8 {
    return @embedFile("a.txt") ++ "|" ++ @embedFile("b.txt");
}
"""


def test_moving_bytes_between_two_files_is_a_change(project):
    project.write("m.zig", BOTH_TEXTS)
    for left, right in (("xy", "z"), ("x", "yz"), ("", "xyz"), ("xyz", "")):
        project.write("a.txt", left)
        project.write("b.txt", right)
        assert project.imports("m", "module.text()").value == f"{left}|{right}"


def test_exchanging_two_files_is_a_change(project):
    project.write("m.zig", BOTH_TEXTS)
    project.write("a.txt", "a")
    project.write("b.txt", "b")
    assert project.imports("m", "module.text()").value == "a|b"
    (project.root / "a.txt").rename(project.root / "c.txt")
    (project.root / "b.txt").rename(project.root / "a.txt")
    (project.root / "c.txt").rename(project.root / "b.txt")
    assert project.imports("m", "module.text()").value == "b|a"


def test_a_linked_source_that_points_elsewhere_is_seen(project):
    project.write("one.txt", ADD)
    project.write("two.txt", ADD.replace("a + b", "a - b"))
    (project.root / "m.zig").symlink_to("one.txt")
    assert project.imports("m", "module.add(3, 1)").value == 4
    (project.root / "m.zig").unlink()
    (project.root / "m.zig").symlink_to("two.txt")
    assert project.imports("m", "module.add(3, 1)").value == 2
    project.write("two.txt", ADD.replace("a + b", "a * b"))
    assert project.imports("m", "module.add(3, 1)").value == 3


def test_a_linked_folder_that_points_elsewhere_is_seen(project):
    for name, number in (("one", 1), ("two", 2)):
        project.write(f"{name}/part.zig", f"pub const number = {number};\n")
    project.write("m.zig", 'pub fn number() u8 {\n    return @import("link/part.zig").number;\n}\n')
    (project.root / "link").symlink_to("one")
    assert project.imports("m", "module.number()").value == 1
    (project.root / "link").unlink()
    (project.root / "link").symlink_to("two")
    assert project.imports("m", "module.number()").value == 2


def test_a_copied_tree_with_its_timestamps_uses_the_same_artifact(tree, make_project):
    copied = make_project("copy", store=tree.store)
    shutil.copytree(tree.root, copied.root, dirs_exist_ok=True)
    imported = copied.imports("m", ALL)
    assert (imported.value, imported.builds) == ([1, 1, "text 1"], [])
    copied.write("parts/deep/deep.zig", edited("parts/deep/deep.zig"))
    assert copied.imports("m", ALL).value == [1, 7, "text 1"]
    assert tree.imports("m", ALL).value == [1, 1, "text 1"]


def test_two_projects_with_the_same_root_file_and_other_parts_do_not_share(make_project):
    root = 'pub fn number() u32 {\n    return @import("part.zig").number;\n}\n'
    one = make_project("one")
    two = make_project("two", store=one.store)
    for project, number in ((one, 1), (two, 2)):
        project.write("m.zig", root)
        project.write("part.zig", f"pub const number = {number};\n")
        assert project.imports("m", "module.number()").value == number


def test_a_moved_tree_keeps_its_artifact(tree, tmp_path):
    moved = tree.root.rename(tmp_path / "moved")
    tree.root = moved
    imported = tree.imports("m", f"[module.__zigimport__.source, *{ALL}]")
    assert (imported.value, imported.builds) == ([str(moved / "m.zig"), 1, 1, "text 1"], [])


# Settings.


MODE = 'pub fn mode() []const u8 {\n    return @tagName(@import("builtin").mode);\n}\n'


def test_the_optimize_mode_of_the_project_is_an_input(project):
    project.write("m.zig", MODE)
    project.write("pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseSafe"\n')
    assert project.imports("m", "module.mode()").value == "ReleaseSafe"
    project.write("pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseFast"\n')
    changed = project.imports("m", "module.mode()")
    assert changed.value == "ReleaseFast"
    assert changed.reasons == ["optimize mode changed from ReleaseSafe to ReleaseFast"]
    project.write("pyproject.toml", "[project]\nname = 'unrelated'\n")
    assert project.imports("m", "module.mode()").value == "Debug"


def test_a_setting_that_has_no_effect_on_the_module_compiles_nothing(project):
    project.write("m.zig", MODE)
    project.write("pyproject.toml", "[project]\nname = 'one'\n")
    project.imports("m")
    project.write("pyproject.toml", "[project]\nname = 'two'\n")
    assert project.imports("m").builds == []


@pytest.mark.parametrize("path", ["pyproject.toml", "pkg/pyproject.toml", "pkg/sub/pyproject.toml"])
def test_a_project_file_that_appears_nearer_is_seen(project, path):
    project.write("pkg/__init__.py", "")
    project.write("pkg/sub/m.zig", MODE)
    assert project.imports("pkg.sub.m", "module.mode()").value == "Debug"
    project.write(path, '[tool.zigimport]\noptimize = "ReleaseSmall"\n')
    assert project.imports("pkg.sub.m", "module.mode()").value == "ReleaseSmall"
    (project.root / path).unlink()
    assert project.imports("pkg.sub.m", "module.mode()").value == "Debug"


def test_a_file_sets_its_own_optimize_mode(project):
    project.write("m.zig", "//! Some text.\n//! zigimport: optimize = ReleaseFast\n" + MODE)
    assert project.imports("m", "[module.mode(), module.__doc__]").value[0] == "ReleaseFast"
    project.write("m.zig", "//! Some text.\n//! zigimport: optimize = ReleaseSmall\n" + MODE)
    assert project.imports("m", "module.mode()").value == "ReleaseSmall"


def test_the_setting_line_is_not_part_of_the_documentation(project):
    project.write("m.zig", "//! Some text.\n//! zigimport: optimize = Debug\n" + MODE)
    assert project.imports("m", "module.__doc__").value == "Some text."


def test_the_nearer_setting_wins(project):
    project.write("m.zig", MODE)
    modes = {"python": "Debug", "environment": "ReleaseSafe", "file": "ReleaseFast", "project": "ReleaseSmall"}
    environment = {"ZIGIMPORT_OPTIMIZE": modes["environment"]}
    project.write("pyproject.toml", f'[tool.zigimport]\noptimize = "{modes["project"]}"\n')
    assert project.imports("m", "module.mode()").value == modes["project"]
    project.write("m.zig", f"//! zigimport: optimize = {modes['file']}\n{MODE}")
    assert project.imports("m", "module.mode()").value == modes["file"]
    assert project.imports("m", "module.mode()", env=environment).value == modes["environment"]
    code = f"""
    import zigimport
    zigimport.install(settings=zigimport.Settings(optimize="{modes['python']}"))
    import m
    print(m.mode())
    """
    assert project.run(dedented(code), env=environment).stdout == modes["python"] + "\n"
    assert project.imports("m", "module.mode()").value == modes["file"]


def test_changing_the_mode_back_compiles_nothing(project):
    project.write("m.zig", MODE)
    for mode in ("Debug", "ReleaseSafe"):
        assert project.imports("m", env={"ZIGIMPORT_OPTIMIZE": mode}).builds == ["m"]
    for mode in ("Debug", "ReleaseSafe"):
        again = project.imports("m", "module.mode()", env={"ZIGIMPORT_OPTIMIZE": mode})
        assert (again.value, again.builds) == (mode, [])


def test_the_salt_is_part_of_the_key(project):
    project.write("m.zig", ADD)
    for salt in ("", "one", "two"):
        assert project.imports("m", env={"ZIGIMPORT_SALT": salt}).builds == ["m"], salt
    for salt in ("", "one", "two"):
        assert project.imports("m", env={"ZIGIMPORT_SALT": salt}).builds == [], salt


def test_forcing_builds_again(project):
    project.write("m.zig", ADD)
    project.imports("m")
    forced = project.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_FORCE_REBUILD": "yes"})
    assert (forced.value, forced.reasons) == (3, ["rebuild is forced"])


def test_release_mode_trusts_the_manifest(tree):
    tree.write("m.zig", edited("m.zig"))
    trusting = tree.imports("m", ALL, env={"ZIGIMPORT_RELEASE_MODE": "1"})
    assert (trusting.value, trusting.builds) == ([1, 1, "text 1"], [])
    assert tree.imports("m", ALL).value == EDITS["m.zig"][1]


# The compiler.


def test_another_version_of_the_compiler_builds_again_and_says_so(project, environments):
    project.write("m.zig", 'pub fn version() []const u8 {\n    return @import("builtin").zig_version_string;\n}\n')
    assert project.imports("m", "module.version()").value == "0.16.0"
    project.environment["ZIGIMPORT_ZIG"] = environments["zigs"]["0.15"]
    other = project.imports("m", "[module.version(), module.__zigimport__.zig_version]")
    assert other.value == ["0.15.2", "0.15.2"]
    assert other.reasons == ["compiler changed from 0.16.0 to 0.15.2"]
    project.environment["ZIGIMPORT_ZIG"] = environments["zigs"]["0.16"]
    back = project.imports("m", "module.version()")
    assert (back.value, back.builds) == ("0.16.0", [])


def test_a_compiler_at_another_path_is_the_same_compiler(project, default_zig, tmp_path):
    project.write("m.zig", ADD)
    project.imports("m")
    package = tmp_path / "moved"
    package.mkdir()
    (package / "ziglang").symlink_to(os.path.dirname(default_zig))
    project.environment["ZIGIMPORT_ZIG"] = str(package / "ziglang" / "zig")
    assert project.imports("m").builds == []


# What only the compiler knows.


HEADER_MODULE = """
const c = @cImport(@cInclude("local.h"));
pub fn value() c_int {
    return c.VALUE;
}
"""


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_an_edited_header_is_seen_at_any_depth(make_project, line):
    project = make_project(zig=line)
    project.write("m.zig", HEADER_MODULE)
    project.write("local.h", '#include "inner/nested.h"\n')
    project.write("inner/nested.h", '#include "deepest.h"\n')
    project.write("inner/deepest.h", "#define VALUE 1\n")
    assert project.imports("m", "module.value()").value == 1
    assert project.imports("m", "module.value()").builds == []
    project.write("inner/deepest.h", "#define VALUE 2\n")
    assert project.imports("m", "module.value()").value == 2
    project.write("local.h", "#define VALUE 3\n")
    assert project.imports("m", "module.value()").value == 3
    project.write("local.h", '#include "inner/nested.h"\n')
    project.write("inner/deepest.h", "#define VALUE 1\n")
    back = project.imports("m", "module.value()")
    assert (back.value, back.builds) == (1, [])


def test_a_header_that_appears_in_front_of_another_is_seen(project):
    project.write("m.zig", HEADER_MODULE.replace("local.h", "inner/first.h"))
    project.write("inner/first.h", '#if __has_include("extra.h")\n#include "extra.h"\n#else\n#define VALUE 1\n#endif\n')
    assert project.imports("m", "module.value()").value == 1
    project.write("inner/extra.h", "#define VALUE 2\n")
    assert project.imports("m", "module.value()").value == 2


def test_a_missing_import_that_appears_is_seen(project):
    project.write("m.zig", 'const part = @import("part.zig");\npub fn number() u8 {\n    return part.number;\n}\n')
    assert project.fails("m").error == "ZigCompileError"
    project.write("part.zig", "pub const number = 4;\n")
    assert project.imports("m", "module.number()").value == 4


# While the compiler runs.


def test_an_edit_during_the_compile_never_gives_the_old_module_for_the_new_source(project, wrapped_zig):
    source = project.write("m.zig", ADD)
    # The first compile edits the source when it has finished.
    edit = f"""
if test "$1" = build-lib -a ! -e '{project.root}/edited'; then
    touch '{project.root}/edited'
    sed -i 's/a + b/a - b/' '{source}'
fi"""
    wrapped_zig.then(edit)
    imported = project.imports("m", "module.add(3, 1)")
    assert imported.value == 2 and imported.builds == ["m", "m"], imported
    assert "m.zig changed during the build; building again" in imported.stderr
    project.write("m.zig", ADD)
    assert project.imports("m", "module.add(3, 1)").value == 4


def test_a_source_that_never_stops_changing_is_one_clear_error(project, wrapped_zig):
    source = project.write("m.zig", ADD)
    wrapped_zig.then(f"echo '// more' >> '{source}'")
    failed = project.fails("m")
    assert failed.error == "ZigImportError" and "kept changing" in failed.message
    assert project.stored("entries") == []


def test_two_processes_with_different_content_each_get_their_own(project, wrapped_zig):
    project.write("m.zig", ADD)
    gate = project.root / "gate"
    wrapped_zig.first(f"if test $1 = build-lib; then while ! test -e '{gate}'; do sleep 0.01; done; fi")
    first = project.start_import("m", "module.add(3, 1)")
    while not wrapped_zig.compiles:
        assert first.poll() is None
    project.write("m.zig", ADD.replace("a + b", "a - b"))
    second = project.start_import("m", "module.add(3, 1)")
    gate.touch()
    answers = [finish(process).json["value"] for process in (first, second)]
    assert answers == [2, 2]


def test_a_module_that_is_loaded_stays_as_it_was(project):
    project.write("m.zig", ADD)
    code = """
    import subprocess, sys, zigimport, m
    text = open("m.zig").read()
    open("m.zig", "w").write(text.replace("a + b", "a - b"))
    other = subprocess.run([sys.executable, "-c", "import zigimport, m; print(m.add(3, 1))"], stdout=subprocess.PIPE)
    print(m.add(3, 1), other.stdout.decode().strip())
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "4 2\n", ran
