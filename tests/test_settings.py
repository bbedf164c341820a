"""The settings in a module's own file: C sources, flags and libraries."""

import glob

import pytest

from conftest import ADD

#: A function of each library that returns its version.
VERSIONS = {"z": "zlibVersion", "sqlite3": "sqlite3_libversion", "expat": "XML_ExpatVersion", "bz2": "BZ2_bzlibVersion"}
MODULE = """
//! zigimport: c-sources = helper.c
extern fn helper(value: c_int) c_int;
pub fn twice(value: c_int) c_int {
    return helper(value);
}
"""
HELPER = '#include "factor.h"\nint helper(int value) { return value * FACTOR; }\n'


@pytest.fixture
def mixed(project):
    project.write("m.zig", MODULE.lstrip())
    project.write("helper.c", HELPER)
    project.write("factor.h", "#define FACTOR 2\n")
    return project


def test_a_c_source_is_compiled_along(make_project, zig):
    project = make_project(zig=zig)
    project.write("m.zig", MODULE.lstrip())
    project.write("helper.c", HELPER)
    project.write("factor.h", "#define FACTOR 2\n")
    assert project.imports("m", "module.twice(21)").value == 42
    assert project.imports("m", "module.twice(4)").builds == []


@pytest.mark.parametrize("path", ["helper.c", "factor.h"])
def test_a_change_in_c_is_seen(mixed, path):
    assert mixed.imports("m", "module.twice(21)").value == 42
    content = (mixed.root / path).read_text()
    mixed.write(path, content.replace("2", "3").replace("* FACTOR", "* FACTOR + 21"))
    changed = mixed.imports("m", "module.twice(21)")
    assert changed.value == 63 and set(changed.reasons) == {f"{path} changed"}
    mixed.write(path, content)
    back = mixed.imports("m", "module.twice(21)")
    assert back.value == 42 and back.builds == []


def test_flags_are_given_to_the_c_compiler_and_change_the_artifact(mixed):
    mixed.write("factor.h", "")
    keys = set()
    for factor in (2, 3):
        mixed.write("m.zig", MODULE.lstrip().replace("helper.c", f"helper.c\n//! zigimport: c-flags = -DFACTOR={factor}"))
        imported = mixed.imports("m", "[module.twice(10), module.__zigimport__.key]")
        assert imported.value[0] == 10 * factor
        keys.add(imported.value[1])
    assert len(keys) == 2


def test_an_error_in_c_is_shown_with_its_file_and_line(mixed):
    mixed.write("helper.c", HELPER + "int broken( {\n")
    failed = mixed.fails("m")
    assert failed.error == "ZigCompileError" and "helper.c:3" in failed.message, failed


def test_a_library_of_the_system_is_linked(project):
    project.write(
        "m.zig",
        "//! zigimport: libraries = m\nextern fn tgamma(value: f64) f64;\npub fn gamma(value: f64) f64 {\n    return tgamma(value);\n}\n",
    )
    assert project.imports("m", "module.gamma(5.0)").value == 24.0


def test_an_installed_library_is_found(make_project, zig):
    places = ("/usr/lib*/lib{}.so", "/usr/lib/*/lib{}.so")
    installed = [name for name in VERSIONS if any(glob.glob(place.format(name)) for place in places)]
    if not installed:
        pytest.skip("no development package of a library with a version is on this machine")
    name, function = installed[0], VERSIONS[installed[0]]
    project = make_project(zig=zig)
    project.write(
        "m.zig",
        f"//! zigimport: libraries = {name}\nextern fn {function}() [*:0]const u8;\n"
        f'pub fn version() []const u8 {{\n    return @import("std").mem.span({function}());\n}}\n',
    )
    assert project.imports("m", "module.version()").value.count(".") >= 1


def test_a_library_that_is_not_there(project):
    project.write("m.zig", "//! zigimport: libraries = missing_one\npub fn one() u8 {\n    return 1;\n}\n")
    failed = project.fails("m")
    assert "missing_one" in failed.message and "development package" in failed.hint, failed



def test_several_targets_have_the_c_source_too(mixed):
    ran = mixed.cli("build", "m.zig", "--target", "native", "--target", "aarch64-linux-gnu", "--format", "json")
    assert ran.returncode == 0 and len(ran.json["artifacts"]) == 2, ran
    assert mixed.imports("m", "module.twice(21)").value == 42


def test_a_c_source_that_is_not_there_is_named(mixed):
    (mixed.root / "helper.c").unlink()
    failed = mixed.fails("m")
    assert failed.error == "ScanError" and str(mixed.root / "helper.c") in failed.message, failed
    line = (mixed.root / "m.zig").read_text().splitlines().index("//! zigimport: c-sources = helper.c") + 1
    assert f"`//! zigimport: c-sources` names it ({mixed.root / 'm.zig'}:{line})" in failed.message, failed


def test_an_unknown_setting_is_named_with_its_line_and_the_known_ones(project):
    project.write("m.zig", "//! zigimport: c_sources = helper.c\npub const x = 1;\n")
    failed = project.fails("m")
    assert failed.message.startswith("unknown setting `c_sources`") and failed.exit_code == 1, failed
    assert "m.zig:1" in failed.message and "c-sources" in failed.message, failed


@pytest.mark.parametrize("word", ["nogill", "", "release-gil = true"])
def test_an_unknown_directive_in_a_comment_is_named_with_its_line(project, word):
    text = f"//! Text.\n\n/// Adds.\n/// zigimport: {word}\n/// Two numbers.\n{ADD}"
    path = project.write("m.zig", text)
    failed = project.fails("m")
    assert (failed.error, failed.exit_code) == ("ZigImportError", 1), failed
    assert f"`{word}`" in failed.message and f"{path}:4" in failed.message and "`nogil`" in failed.message, failed
    # Within a sentence it is a word as any other.
    project.write("m.zig", text.replace(f"zigimport: {word}", f"As for zigimport: {word}"))
    assert project.imports("m", "module.add(1, 2)").value == 3
    project.write("part.zig", text)
    project.write("m.zig", 'pub const part = @import("part.zig");\n')
    assert f"{project.root / 'part.zig'}:4" in project.fails("m").message
