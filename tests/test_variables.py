"""Variables that change what is looked at, for whom is built, and what is written down."""

import json
import os
import stat

import pytest

from conftest import ADD, PYTHONS, finish, script


# ZIGIMPORT_TRACK_DEPS


@pytest.fixture
def tree(project):
    project.write("m.zig", 'const part = @import("part.zig");\npub fn value() u32 {\n    return part.value;\n}\n')
    project.write("part.zig", "pub const value = 1;\n")
    assert project.imports("m", "module.value()").value == 1
    return project


def test_without_tracking_only_the_module_s_own_file_is_looked_at(tree):
    tree.write("part.zig", "pub const value = 2;\n")
    untracked = {"ZIGIMPORT_TRACK_DEPS": "0"}
    stale = tree.imports("m", "module.value()", env=untracked)
    assert stale.value == 1 and stale.builds == []
    # The file itself is: and what is built then is made of everything as it is now.
    tree.write("m.zig", (tree.root / "m.zig").read_text() + "// edited\n")
    edited = tree.imports("m", "module.value()", env=untracked)
    assert edited.value == 2 and edited.builds == ["m"]


def test_what_was_loaded_untracked_is_no_hit_for_others(tree):
    tree.write("part.zig", "pub const value = 2;\n")
    assert tree.imports("m", "module.value()", env={"ZIGIMPORT_TRACK_DEPS": "no"}).value == 1
    # The stamp of the file itself is renewed in the manifest by some imports: not by this one.
    os.utime(tree.root / "m.zig")
    assert tree.imports("m", "module.value()", env={"ZIGIMPORT_TRACK_DEPS": "no"}).value == 1
    tracked = tree.imports("m", "module.value()")
    assert tracked.value == 2 and tracked.reasons == ["part.zig changed"]


def test_what_is_built_untracked_is_a_hit_for_others(tree):
    tree.write("m.zig", (tree.root / "m.zig").read_text() + "// edited\n")
    assert tree.imports("m", "module.value()", env={"ZIGIMPORT_TRACK_DEPS": "0"}).builds == ["m"]
    assert tree.imports("m", "module.value()").builds == []


def test_a_file_that_comes_up_matters_only_when_tracked(project):
    project.write("m.zig", 'const std = @import("std");\nconst c = @cImport(@cInclude("a.h"));\npub fn value() i32 {\n    return c.VALUE;\n}\n')
    project.write("m.zig", "//! zigimport: include-paths = one two\n" + (project.root / "m.zig").read_text())
    project.write("two/a.h", "#define VALUE 1\n")
    (project.root / "one").mkdir()
    assert project.imports("m", "module.value()").value == 1
    project.write("one/a.h", "#define VALUE 2\n")
    assert project.imports("m", "module.value()", env={"ZIGIMPORT_TRACK_DEPS": "0"}).value == 1
    assert project.imports("m", "module.value()").value == 2


# ZIGIMPORT_PYTHON

#: Speaks to Python through its own headers, so its library is for one version.
SPECIFIC = """
const c = @cImport({
    @cDefine("PY_SSIZE_T_CLEAN", "1");
    @cInclude("Python.h");
});
var module = c.PyModuleDef{ .m_base = .{}, .m_name = "specific", .m_size = 0 };
pub export fn PyInit_specific() ?*c.PyObject {
    const made = c.PyModule_Create2(&module, c.PYTHON_API_VERSION);
    _ = c.PyModule_AddIntConstant(made, "version", c.PY_VERSION_HEX >> 16);
    return made;
}
"""


def other_python(environments):
    """Version and path of an interpreter that is not the main one."""
    for version in PYTHONS:
        if version in environments["pythons"] and version != environments["main"]:
            return version, environments["pythons"][version]
    pytest.skip("there is one CPython only")


def test_build_takes_abi_and_headers_of_the_interpreter_that_is_named(make_project, environments):
    version, other = other_python(environments)
    project = make_project(zig="0.15")
    project.write("specific.zig", SPECIFIC)
    ran = project.cli("build", "specific.zig", "--format", "json", env={"ZIGIMPORT_PYTHON": other})
    assert ran.returncode == 0, ran
    (artifact,) = ran.json["artifacts"]
    assert f"cpython-{version.replace('.', '')}-" in artifact["abi"] and artifact["abi"] in artifact["file_name"]
    imported = project.imports("specific", "module.version", python=other)
    major, minor = map(int, version.split("."))
    assert imported.value == major << 8 | minor and imported.builds == []
    # For this one it is another artifact.
    own = project.imports("specific", "module.version")
    assert own.builds == ["specific"] and own.value != imported.value


def test_from_python_too(make_project, environments):
    version, other = other_python(environments)
    project = make_project(zig="0.15")
    project.write("specific.zig", SPECIFIC)
    code = "import zigimport; print(zigimport.build('specific.zig').abi)"
    assert f"cpython-{version.replace('.', '')}-" in project.run(code, env={"ZIGIMPORT_PYTHON": other}).stdout


def test_naming_this_interpreter_changes_nothing(project):
    project.write("m.zig", ADD)
    for path in (project.python, os.path.join(os.path.dirname(project.python), ".", os.path.basename(project.python))):
        assert project.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_PYTHON": path}).value == 3
        assert project.cli("plan", env={"ZIGIMPORT_PYTHON": path}).returncode == 0


@pytest.mark.parametrize("command", [["-c", "import zigimport, m"], ["-m", "zigimport", "plan"]], ids=["import", "plan"])
def test_only_build_is_for_another_interpreter(project, environments, command):
    _, other = other_python(environments)
    project.write("m.zig", ADD)
    ran = project.execute(*command, env={"ZIGIMPORT_PYTHON": other})
    assert ran.returncode in (1, 3) and f"invalid value `{other}` for ZIGIMPORT_PYTHON" in ran.stderr, ran
    assert f"expected this interpreter, `{project.python}`; only `zigimport build`" in ran.stderr, ran
    assert ran.builds == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, "a Python that runs (No such file or directory"),
        ("echo no; echo because >&2; exit 3", "a Python that describes itself (exit status: 3: because)"),
        ("echo '{}'", "a Python that describes itself"),
        (
            """echo '{"implementation": "PyPy", "version": [3, 11], "free_threaded": false, "extension_suffix": ".so",
            "virtual_env": null, "search_path": [], "header_folders": []}'""",
            "CPython 3.9 or newer (it is PyPy 3.11)",
        ),
    ],
    ids=["missing", "failing", "silent", "pypy"],
)
def test_what_is_no_python_is_named(project, tmp_path, body, expected):
    project.write("m.zig", ADD)
    path = tmp_path / "other"
    if body is not None:
        script(path, body)
    ran = project.cli("build", "m.zig", env={"ZIGIMPORT_PYTHON": path})
    assert ran.returncode == 3 and f"invalid value `{path}` for ZIGIMPORT_PYTHON: expected {expected}" in ran.stderr, ran


def test_where_nothing_may_run_no_interpreter_is_asked(project, environments):
    _, other = other_python(environments)
    project.write("m.zig", ADD)
    ran = project.cli("build", "m.zig", env={"ZIGIMPORT_PYTHON": other, "ZIGIMPORT_NATIVE": "never"})
    assert ran.returncode == 3 and "ZIGIMPORT_NATIVE=never lets us ask no other one" in ran.stderr, ran


# ZIGIMPORT_AUDIT_LOG


def events(path):
    """The lines of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_started_published_and_loaded_is_written_down(project, default_zig, tmp_path):
    log = tmp_path / "audit.log"
    environment = {"ZIGIMPORT_AUDIT_LOG": log}
    project.write("m.zig", ADD)
    imported = project.imports("m", "[module.__file__, module.__zigimport__.key]", env=environment)
    library, key = imported.value
    start, publish, load = events(log)
    assert [one["event"] for one in (start, publish, load)] == ["start", "publish", "load"]
    assert start["path"] == str(default_zig) and start["arguments"][0] == "build-lib" and start["module"] == "m"
    assert len(start["digest"]) == len(start["key"]) == 64 and start["process"] != start["by_process"]
    assert (publish["path"], publish["key"], publish["module"]) == (library, key, "m")
    assert publish["digest"] == os.path.basename(library).split(".")[0] and publish["target"] in str(publish)
    assert (load["path"], load["key"], load["digest"]) == (library, key, publish["digest"])
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    # A hit is one line more; a restored library says where it came from.
    project.imports("m", env=environment)
    assert [one["event"] for one in events(log)[3:]] == ["load"]
    project.the_stored("libraries").unlink()
    project.imports("m", env=environment)
    assert [one["event"] for one in events(log)[4:]] == ["unpack", "load"]


def test_many_processes_write_whole_lines(project, tmp_path):
    log = tmp_path / "audit.log"
    project.write("m.zig", ADD)
    project.imports("m")
    processes = [project.start_import("m", env={"ZIGIMPORT_AUDIT_LOG": log}) for _ in range(12)]
    assert all(finish(process).returncode == 0 for process in processes)
    assert [one["event"] for one in events(log)] == ["load"] * 12
    assert len({one["by_process"] for one in events(log)}) == 12


def test_a_log_that_cannot_be_written_is_one_warning(project, tmp_path):
    log = tmp_path / "no" / "audit.log"
    project.write("m.zig", ADD)
    project.write("n.zig", ADD)
    ran = project.run("import zigimport, m, n; print(m.add(1, 2))", env={"ZIGIMPORT_AUDIT_LOG": log})
    assert ran.returncode == 0 and ran.stdout == "3\n", ran
    assert ran.stderr.count("failed to write ZIGIMPORT_AUDIT_LOG") == 1 and str(log) in ran.stderr, ran


def test_a_failed_build_is_written_down_as_a_start_alone(project, tmp_path):
    log = tmp_path / "audit.log"
    project.write("m.zig", "pub const x = nothing;\n")
    project.fails("m", env={"ZIGIMPORT_AUDIT_LOG": log})
    assert {one["event"] for one in events(log)} == {"start"}


def test_without_a_log_a_hit_loads_nothing_more(project):
    project.write("m.zig", ADD)
    project.imports("m")
    ran = project.run("import sys, zigimport, m; print('zigimport._build' in sys.modules)")
    assert ran.stdout == "False\n", ran
