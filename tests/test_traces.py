"""Builds with debug information: Zig's traces in Python's errors."""

import pytest

MODULE = """const inner = @import("inner.zig");

pub fn half(value: i32) !i32 {
    return inner.half(value);
}

pub fn outer(value: i32) !i32 {
    if (value < 0) return error.ValueError;
    return try half(value);
}

pub fn at(bytes: []const u8, index: usize) u8 {
    return bytes[index];
}
"""
INNER = """pub fn half(value: i32) !i32 {
    if (@mod(value, 2) == 1) return error.Odd;
    return @divExact(value, 2);
}
"""
CATCH = """
import json, traceback, zigimport, m
answers = []
for argument in (-1, 3):
    try:
        m.outer(argument)
    except Exception as error:
        shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        answers.append([type(error).__name__, str(error), getattr(error, "return_trace", None), shown])
print(json.dumps(answers))
"""


def caught(project, **keywords):
    project.write("m.zig", MODULE)
    project.write("inner.zig", INNER)
    return project.run(CATCH, **keywords).json


def places(trace):
    """Returns file and line of each frame of a trace."""
    return [line.split(": 0x")[0].rsplit("/", 1)[1].rsplit(":", 1)[0] for line in trace.splitlines() if ": 0x" in line]


WANTED = {"ZIGIMPORT_DEBUG_INFO": "1"}


def test_an_error_shows_the_way_that_it_came(make_project, zig):
    answers = caught(make_project(zig=zig), env=WANTED)
    (own_name, own_text, own_trace, own_shown), (name, text, trace, shown) = answers
    assert (own_name, own_text, places(own_trace)) == ("ValueError", "ValueError", ["m.zig:8"])
    assert (name, text) == ("ZigError", "Odd")
    assert places(trace)[0] == "inner.zig:2" and places(trace)[-1] == "m.zig:9", trace
    assert "if (@mod(value, 2) == 1) return error.Odd;" in trace
    assert trace in shown and own_trace in own_shown


def test_before_python_had_notes_the_trace_is_an_attribute(make_project):
    (_, _, trace, shown), _ = caught(make_project(python="3.9"), env=WANTED)
    assert places(trace) == ["m.zig:8"] and trace not in shown


def test_without_debug_information_there_is_none(project):
    assert [trace for _, _, trace, _ in caught(project)] == [None, None]


def test_a_release_keeps_lines_and_no_returns(project):
    answers = caught(project, env={**WANTED, "ZIGIMPORT_OPTIMIZE": "ReleaseFast"})
    assert [(name, trace) for name, _, trace, _ in answers] == [("ValueError", None), ("ZigError", None)]


def test_a_panic_shows_where(make_project, zig):
    project = make_project(zig=zig)
    project.write("m.zig", MODULE)
    project.write("inner.zig", INNER)
    ran = project.run("import zigimport, m; m.at(b'abc'.decode(), 7)", env=WANTED)
    assert ran.returncode != 0 and "m.zig:13:" in ran.stderr, ran
    assert "zig panic in module m: index out of bounds: index 7, len 3" in ran.stderr, ran


@pytest.mark.parametrize("where", ["file", "project", "environment over the file", "file over the project"])
def test_the_setting_stands_in_three_places(project, where):
    lines = {
        "file": ("yes", None, None),
        "project": (None, "true", None),
        "environment over the file": ("no", None, "on"),
        "file over the project": ("1", "false", None),
    }
    in_file, in_project, in_environment = lines[where]
    project.write("m.zig", (f"//! zigimport: debug-info = {in_file}\n" if in_file else "") + MODULE)
    project.write("inner.zig", INNER)
    if in_project:
        project.write("pyproject.toml", f"[tool.zigimport]\ndebug-info = {in_project}\n")
    ran = project.run(CATCH, env={"ZIGIMPORT_DEBUG_INFO": in_environment})
    assert ran.json[1][2] is not None, ran
    explained = project.cli("plan", "m.zig", "--explain", env={"ZIGIMPORT_DEBUG_INFO": in_environment})
    assert "Debug, debug info, ABI abi3" in explained.stdout, explained


def test_a_wrong_value_is_named_with_its_line(project):
    project.write("m.zig", "//!\n//! zigimport: debug-info = maybe\n" + MODULE)
    failed = project.fails("m")
    assert "m.zig:2" in failed.message and "`maybe`" in failed.message and "true/false" in failed.message, failed


def test_both_ways_of_building_are_two_artifacts(project):
    assert caught(project)[1][2] is None
    assert caught(project, env=WANTED)[1][2] is not None
    for env in ({}, WANTED):
        again = project.imports("m", "module.half(4)", env=env)
        assert again.value == 2 and again.builds == []


def test_several_targets_keep_it_too(project):
    project.write("m.zig", MODULE)
    project.write("inner.zig", INNER)
    built = project.cli("build", "m.zig", "--target", "native", "--target", "aarch64-linux-gnu", env=WANTED)
    assert built.returncode == 0, built
    again = project.run(CATCH, env=WANTED)
    assert again.builds == [] and places(again.json[1][2])[0] == "inner.zig:2", again
