"""The command line: answers, words, exit codes."""

import fcntl
import hashlib
import importlib.metadata
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import termios

import pytest

import foreign
from conftest import ADD, ROOT, WrappedZig, dedented, interrupt, read_terminal, script

PLUS = "pub fn plus(a: i64, b: i64) i64 {\n    return a + b;\n}\n"
MODULE = (
    'const part = @import("parts/part.zig");\nconst text = @embedFile("parts/text.txt");\n\n'
    "/// Adds.\npub fn add(a: i64, b: i64) i64 {\n    return part.plus(a, b) + text.len - text.len;\n}\n"
)
CACHE_COMMANDS = ("info", "list", "verify", "gc", "clear", "export", "import", "pin", "unpin")
COMMANDS = [
    *("plan", "build", "scan", "new", "info", "version"),
    *("site install", "site uninstall", "site info"),
    *(f"cache {name}" for name in CACHE_COMMANDS),
]
MODES = ["Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall"]


def write_module(project, name="m"):
    """A module of three files."""
    project.write(f"{name}.zig", MODULE)
    project.write("parts/part.zig", PLUS)
    project.write("parts/text.txt", "some text")


def write_good_and_broken(project):
    """Three modules; the middle one does not compile."""
    project.write("a.zig", ADD)
    project.write("b.zig", "pub fn f() i64 {\n    return missing;\n}\n")
    project.write("c.zig", ADD)


def planned(project, *arguments, **keywords):
    """Returns ``(action, name, target, reason)`` for each line of a plan."""
    result = project.cli("plan", *arguments, **keywords)
    assert result.returncode == 0, result
    *lines, summary = result.stdout.splitlines()
    assert re.fullmatch(r"(\d+ to \w+(, )?)+", summary), result
    return [re.fullmatch(r"(\w+) +(\S+) +(\S+) +\((.*)\)", line).groups() for line in lines]


def the_reason(project, *arguments, **keywords):
    """Returns action and reason for the only module."""
    ((action, _, _, reason),) = planned(project, *arguments, **keywords)
    return action, reason


def build(project, *arguments, **keywords):
    """Builds, and returns the artifacts of the JSON answer."""
    result = project.cli("build", *arguments, "--format", "json", **keywords)
    assert result.returncode == 0, result
    return result.json["artifacts"]


def tree(*folders):
    """Describes every file below some folders: kind, mode, size, times, content."""
    state = {}
    for folder in folders:
        for path in [folder, *sorted(folder.rglob("*"))]:
            if not os.path.lexists(path):
                state[path] = None
                continue
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            state[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, content)
    return state


@pytest.fixture
def traced(project, tmp_path):
    """Runs the command line under strace; returns the result and its `Trace`."""

    def run(*arguments, env=None):
        environment = {**project.environment, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        command = [project.python, "-m", "zigimport", *arguments]
        try:
            return foreign.Trace.of(tmp_path / "trace.log", command, cwd=project.root, env=environment)
        except foreign.Unavailable as unavailable:
            pytest.skip(f"strace: {unavailable}")

    return run


# plan: what, and why.


def test_names_that_the_encoding_does_not_have_are_escaped(project):
    project.write("größe.zig", ADD)
    for command in ("plan", "build"):
        ran = project.cli(command, "größe.zig", env={"PYTHONIOENCODING": "ascii"})
        assert ran.returncode == 0 and "gr\\xf6\\xdfe" in ran.stdout, ran


@pytest.mark.parametrize("form", ["text", "json", "dot", "html"])
def test_a_plan_goes_where_standard_output_was_led_to(project, form):
    project.write("größe.zig", ADD)
    code = f"""
    import contextlib, io
    from zigimport.__main__ import main
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(["plan", "--format", "{form}"])
    print(code, "größe" in out.getvalue())
    """
    assert project.run(dedented(code)).stdout == "0 True\n"


def test_a_folder_that_is_no_cache_is_left_alone(project, tmp_path):
    (tmp_path / "src").mkdir(mode=0o700)
    (tmp_path / "src/a.zig").write_text(ADD)
    for command in ("clear", "gc"):
        ran = project.cli("cache", command, env={"ZIGIMPORT_BUILD_DIR": tmp_path / "src"})
        assert ran.returncode == 0, ran
    assert os.listdir(tmp_path / "src") == ["a.zig"]


def test_a_plan_says_what_which_module_which_target_and_why(project):
    write_module(project)
    result = project.cli("plan", "m.zig")
    assert result.stdout == "build    m  x86_64-linux-gnu  (first build)\n1 to build\n"
    assert result.stderr == ""


def test_after_a_build_a_module_is_unchanged(project):
    write_module(project)
    build(project, "m.zig")
    assert the_reason(project, "m.zig") == ("load", "unchanged")


@pytest.mark.parametrize("path, content", [("parts/part.zig", PLUS + "\n"), ("parts/text.txt", "more text")])
def test_a_plan_names_the_nested_file_that_changed(project, path, content):
    write_module(project)
    build(project, "m.zig")
    project.write(path, content)
    assert the_reason(project, "m.zig") == ("build", f"{path} changed")


def test_a_plan_counts_what_else_changed(project):
    write_module(project)
    build(project, "m.zig")
    project.write("m.zig", MODULE + "\n")
    project.write("parts/part.zig", PLUS + "\n")
    assert the_reason(project, "m.zig") == ("build", "m.zig and 1 other input changed")
    project.write("parts/text.txt", "more text")
    assert the_reason(project, "m.zig") == ("build", "m.zig and 2 other inputs changed")


def test_a_plan_names_a_file_that_was_added_or_removed(project):
    write_module(project)
    build(project, "m.zig")
    project.write("parts/part.zig", PLUS + 'const more = @import("more.zig");\n')
    project.write("parts/more.zig", "")
    # What changed is named first: it is why there is a new file.
    assert the_reason(project, "m.zig") == ("build", "parts/part.zig and 1 other input changed")
    build(project, "m.zig")
    (project.root / "parts/more.zig").unlink()
    assert the_reason(project, "m.zig") == ("build", "parts/more.zig removed")


def test_a_plan_names_both_compilers_when_another_one_is_used(project, environments):
    write_module(project)
    build(project, "m.zig", env={"ZIGIMPORT_ZIG": environments["zigs"]["0.15"]})
    assert the_reason(project, "m.zig") == ("build", "compiler changed from 0.15.2 to 0.16.0")
    build(project, "m.zig")
    assert the_reason(project, "m.zig", env={"ZIGIMPORT_ZIG": environments["zigs"]["0.15"]}) == ("load", "unchanged")


def test_a_plan_names_both_optimize_modes(project):
    write_module(project)
    build(project, "m.zig")
    changed = ("build", "optimize mode changed from Debug to ReleaseFast")
    assert the_reason(project, "m.zig", "--optimize", "ReleaseFast") == changed
    assert the_reason(project, "m.zig", env={"ZIGIMPORT_OPTIMIZE": "ReleaseFast"}) == changed


def test_a_reason_compares_with_what_was_loaded_last(project):
    project.write("m.zig", 'const a = @import("a.zig");\nconst b = @import("b.zig");\npub const sum = a.x + b.x;\n')
    for name, number in [("a", 1), ("b", 1), ("a", 2), ("a", 1)]:
        project.write(f"{name}.zig", f"pub const x = {number};\n")
        if (project.root / "b.zig").exists():
            project.imports("m")
    project.write("b.zig", "pub const x = 5;\n")
    assert project.imports("m").reasons == ["b.zig changed"]


def test_going_back_to_earlier_content_builds_nothing(project):
    write_module(project)
    (first,) = build(project, "m.zig")
    project.write("parts/part.zig", PLUS.replace("a + b", "a - b"))
    (second,) = build(project, "m.zig")
    project.write("parts/part.zig", PLUS)
    assert the_reason(project, "m.zig") == ("load", "unchanged")
    (again,) = build(project, "m.zig")
    assert again["built"] is False and second["built"] is True
    assert again["digest"] == first["digest"] != second["digest"]


def test_an_unpacked_library_that_is_gone_is_restored(project):
    write_module(project)
    build(project, "m.zig")
    project.the_stored("libraries").unlink()
    assert the_reason(project, "m.zig") == ("restore", "built before, unpacked from the cache")
    (artifact,) = build(project, "m.zig")
    assert artifact["built"] is False
    assert the_reason(project, "m.zig") == ("load", "unchanged")


def test_an_artifact_that_is_gone_is_built_again_for_that_reason(project):
    write_module(project)
    build(project, "m.zig")
    project.the_stored("libraries").unlink()
    project.the_stored("objects").unlink()
    assert the_reason(project, "m.zig") == ("build", "not in the cache for these inputs and settings")


def test_a_forced_rebuild_is_planned_as_one(project):
    write_module(project)
    build(project, "m.zig")
    assert the_reason(project, "m.zig", env={"ZIGIMPORT_FORCE_REBUILD": "1"}) == ("build", "rebuild is forced")


def test_a_refusal_says_what_is_wrong_and_what_to_do(project):
    project.write("library.zig", 'const py = @import("pyz3");\n')
    result = project.cli("plan", "library.zig")
    assert result.returncode == 0
    first, *report, summary = result.stdout.splitlines()
    assert first == "refuse   library  x86_64-linux-gnu  (its binding library is not installed)"
    assert "library.zig" in report[0] and report[1].strip().startswith("hint: ")
    assert summary == "1 to refuse"


def test_the_json_of_a_plan_has_every_field(project):
    write_module(project)
    plan = project.cli("plan", "m.zig", "--format", "json", "--explain").json
    assert (plan["version"], plan["native"], plan["cache"]) == (2, "auto", str(project.store))
    assert sorted(plan["toolchain"]) == ["identity", "origin", "path", "version"]
    assert (plan["toolchain"]["version"], plan["toolchain"]["origin"]) == ("0.16.0", "ZIGIMPORT_ZIG")
    (module,) = plan["modules"]
    (target,) = module.pop("targets")
    inputs = module.pop("inputs")
    assert len(module.pop("dependencies")) == 2
    assert module == {
        "name": "m",
        "source": "m.zig",
        "kind": "file",
        "project_root": ".",
        "shadowed_by": None,
        "binding": "plain",
        "library": None,
        "flags": ["strip"],
        "optimize": "Debug",
        "abi": "abi3",
        "remarks": [],
        "plugins": [],
        "plugin_failure": None,
    }
    assert {(one["path"], one["role"], one["digest"]) for one in inputs} == {
        (name, role, hashlib.sha256((project.root / name).read_bytes()).hexdigest())
        for name, role in [("m.zig", "root"), ("parts/part.zig", "source"), ("parts/text.txt", "embedded")]
    }
    assert target["target"] == "x86_64-linux-gnu" and target["artifact"] is None
    assert re.fullmatch("[0-9a-f]{64}", target["source_key"]) and re.fullmatch("[0-9a-f]{64}", target["action_key"])
    (action,) = plan["actions"]
    (command,) = action.pop("commands")
    assert command.startswith(project.environment["ZIGIMPORT_ZIG"] + " build-lib ")
    assert action == {
        "module": "m",
        "source": "m.zig",
        "targets": ["x86_64-linux-gnu"],
        "action": "build",
        "reason": {"code": "first-build", "subject": "", "old": "", "new": "", "more": 0, "text": "first build"},
        "route": "compiler",
        "steps": ["compile", "compress", "publish"],
    }


def test_the_json_of_a_reason_has_its_parts(project):
    write_module(project)
    build(project, "m.zig")
    project.write("parts/part.zig", PLUS + "\n")
    (action,) = project.cli("plan", "m.zig", "--format", "json").json["actions"]
    assert action["reason"] == {
        "code": "input-changed",
        "subject": "parts/part.zig",
        "old": hashlib.sha256(PLUS.encode()).hexdigest(),
        "new": hashlib.sha256((PLUS + "\n").encode()).hexdigest(),
        "more": 0,
        "text": "parts/part.zig changed",
    }


def explained(project, *arguments):
    """Returns the lines that ``--explain`` adds, by their first word."""
    lines = {}
    for line in project.cli("plan", *arguments, "--explain").stdout.splitlines():
        if line.startswith("  ") and len(line.split(None, 1)) == 2:
            name, value = line.split(None, 1)
            lines.setdefault(name, []).append(value)
    return lines


def test_explain_shows_inputs_with_digests_the_key_and_the_steps(project):
    write_module(project)
    lines = explained(project, "m.zig")
    digest = hashlib.sha256((project.root / "m.zig").read_bytes()).hexdigest()
    assert f"{digest[:16]} root m.zig" in lines["input"]
    assert [line.split(None, 1)[1] for line in lines["input"]] == [
        "root m.zig",
        "source parts/part.zig",
        "embedded parts/text.txt",
    ]
    (target,) = project.cli("plan", "m.zig", "--format", "json").json["modules"][0]["targets"]
    assert lines["key"] == [f"{target['action_key']} (x86_64-linux-gnu)"]
    assert lines["source"] == [str(project.root / "m.zig")]
    assert lines["steps"] == ["compile, compress, publish"]


def test_explain_names_what_is_no_literal_and_what_is_no_token(project):
    project.write("m.zig", ADD + 'const name = "x";\nconst t = @embedFile(name);\nconst bad = \'\n;\n')
    remarks = explained(project, "m.zig")["remark"]
    assert any(remark.startswith("m.zig:5: ") for remark in remarks), remarks
    assert any(remark.startswith("m.zig:6: ") for remark in remarks), remarks


def test_explain_names_what_is_not_there(project):
    project.write("m.zig", ADD + 'const gone = @import("parts/gone.zig");\n')
    assert explained(project, "m.zig")["absent"] == ["parts/gone.zig (named in m.zig:4)"]


def test_the_command_that_explain_shows_builds_when_run_by_hand(project):
    write_module(project)
    build(project, "m.zig")
    (command,) = explained(project, "m.zig", "--optimize", "ReleaseSafe")["command"]
    before = set(project.root.parent.rglob("*libm.so"))
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=project.root, stdin=subprocess.DEVNULL, capture_output=True, env={}
    )
    assert ran.returncode == 0, ran
    (library,) = set(project.root.parent.rglob("*libm.so")) - before
    assert b"PyInit_m" in library.read_bytes()


def test_check_is_0_when_nothing_is_to_be_built(project):
    write_module(project)
    assert project.cli("plan", "--check", "m.zig").returncode == 1
    build(project, "m.zig")
    assert project.cli("plan", "--check", "m.zig").returncode == 0
    project.the_stored("libraries").unlink()
    assert project.cli("plan", "--check", "m.zig").returncode == 0
    project.write("parts/part.zig", PLUS + "\n")
    assert project.cli("plan", "--check", "m.zig").returncode == 1


def test_check_is_1_when_the_source_is_refused_and_3_when_the_environment_is(project):
    project.write("empty.zig", "fn hidden() void {}\n")
    assert project.cli("plan", "--check", "empty.zig").returncode == 1
    project.write("m.zig", ADD)
    assert project.cli("plan", "--check", "m.zig", env={"ZIGIMPORT_NATIVE": "never"}).returncode == 3
    assert project.cli("plan", "--check", "m.zig", env={"ZIGIMPORT_ZIG": None}).returncode == 3


def test_check_prints_the_plan_all_the_same(project):
    project.write("m.zig", ADD)
    assert project.cli("plan", "--check", "m.zig").stdout == project.cli("plan", "m.zig").stdout


# plan: which modules.


def test_a_folder_is_all_its_modules_without_their_parts(project):
    write_module(project)
    project.write("pkg/__init__.py", "")
    project.write("pkg/fast.zig", 'const helper = @import("helper.zig");\n' + ADD)
    project.write("pkg/helper.zig", PLUS)
    project.write("zpkg/__init__.zig", ADD)
    project.write("zpkg/inner.zig", ADD)
    project.write("proj/build.zig", 'const std = @import("std");\npub fn build(b: *std.Build) void { _ = b; }\n')
    project.write("proj/src/root.zig", ADD)
    project.write("no-module.zig", ADD)
    names = [name for _, name, _, _ in planned(project, ".")]
    assert sorted(names) == ["m", "pkg.fast", "proj", "zpkg", "zpkg.inner"]
    assert sorted(names) == sorted(name for _, name, _, _ in planned(project))


def test_a_folder_in_which_a_plugin_is_made_has_no_modules(project):
    project.write("m.zig", ADD)
    made = project.cli("plugin", "new", "track-notes")
    assert made.returncode == 0, made
    assert [name for _, name, _, _ in planned(project)] == ["m"]
    assert project.cli("build").returncode == 0


def test_the_examples_are_built_as_one_tree(make_project, project_store):
    project = make_project(store=project_store)
    shutil.copytree(
        ROOT / "examples", project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    ran = project.cli("build")
    assert ran.returncode == 0 and "failed" not in ran.stderr, ran
    assert project.cli("plan", "--check").returncode == 0


def test_a_module_is_one_although_its_part_imports_it_back(project):
    project.write("m.zig", 'const part = @import("parts/part.zig");\n' + ADD)
    project.write("parts/part.zig", 'const module = @import("../m.zig");\n' + PLUS)
    assert "m" in [name for _, name, _, _ in planned(project, ".")]


def test_several_paths_are_planned_in_one_answer_each_once(project):
    write_module(project)
    project.write("other/n.zig", ADD)
    names = [name for _, name, _, _ in planned(project, "m.zig", "other", "other/n.zig")]
    assert names == ["m", "n"]


def test_a_folder_with_the_cache_in_it_has_no_more_modules_for_that(project):
    project.write("m.zig", ADD)
    env = {"ZIGIMPORT_BUILD_DIR": project.root / "cache"}
    build(project, "m.zig", env=env)
    assert [name for _, name, _, _ in planned(project, ".", env=env)] == ["m"]


def test_a_virtual_environment_in_a_folder_is_not_searched(project):
    project.write("m.zig", ADD)
    project.write("env/pyvenv.cfg", "home = /usr/bin\n")
    project.write("env/lib/python3.11/site-packages/installed.zig", ADD)
    assert [name for _, name, _, _ in planned(project, ".")] == ["m"]


def test_a_path_without_a_module_is_an_error(project):
    (project.root / "empty").mkdir()
    for path in ("empty", "missing.zig", "missing"):
        for command in ("plan", "build"):
            failed = project.cli(command, path)
            assert (failed.returncode, failed.stdout) == (1, ""), failed
            assert failed.stderr.startswith("error: ") and path in failed.stderr, failed


# plan: without a trace.


def test_a_plan_on_a_cold_cache_writes_nothing_and_starts_nothing(project, make_project, traced, tmp_path):
    write_module(project)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    store = tmp_path / "cold" / "store"
    store.parent.mkdir()
    watched = [project.root, tmp_path / "home", store.parent, scratch]
    before = tree(*watched)
    env = {"ZIGIMPORT_BUILD_DIR": str(store), "TMPDIR": str(scratch)}
    for arguments in (
        ["."],
        ["m.zig", "--explain"],
        [".", "--format", "json"],
        ["m.zig", "--target", "x86_64-windows"],
    ):
        result, trace = traced("plan", *arguments, env=env)
        assert result.returncode == 0 and "build" in result.stdout, result
        assert (trace.programs, trace.children, trace.writes) == ([], [], [])
    assert tree(*watched) == before


def test_a_plan_of_what_is_cached_writes_nothing_and_starts_nothing(project, traced, tmp_path):
    write_module(project)
    build(project, "m.zig")
    before = tree(project.root, tmp_path / "home", project.store)
    for arguments in (["m.zig"], ["m.zig", "--check"], ["m.zig", "--optimize", "ReleaseFast", "--explain"]):
        result, trace = traced("plan", *arguments)
        assert result.returncode == 0, result
        assert (trace.programs, trace.children, trace.writes) == ([], [], [])
    assert tree(project.root, tmp_path / "home", project.store) == before


def test_the_trace_sees_a_build(project, traced):
    # Else the two tests above would prove nothing.
    write_module(project)
    result, trace = traced("build", "m.zig")
    assert result.returncode == 0, result
    assert any("build-lib" in program for program in trace.programs) and trace.children and trace.writes


def test_a_plan_does_not_ask_an_unknown_compiler_for_its_version(project, wrapped_zig):
    write_module(project)
    text = project.cli("plan", "m.zig", "--explain").stdout
    assert "zig: version not probed at" in text and "probe-version, compile" in text
    assert wrapped_zig.calls == []
    build(project, "m.zig")
    assert wrapped_zig.calls[0] == "version"
    assert "zig: 0.16.0 at" in project.cli("plan", "m.zig", "--explain").stdout


# build.


def test_a_build_says_what_it_made_and_where(project):
    write_module(project)
    result = project.cli("build", "m.zig")
    assert result.returncode == 0
    library = project.the_stored("libraries")
    assert result.stdout == f"built   m  x86_64-linux-gnu  {library}\n"
    assert result.builds == ["m"]
    again = project.cli("build", "m.zig")
    assert again.stdout == f"cached  m  x86_64-linux-gnu  {library}\n"
    assert again.stderr == "1 unchanged\n"


def on_terminal(project, *arguments, columns=80):
    """Runs the command line with a terminal of some columns as its standard output; returns the
    exit code, what came there, and what came on standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with tempfile.TemporaryFile() as errors:
        command = [project.python, "-m", "zigimport", *arguments]
        environment = {**project.environment, "TERM": "xterm"}
        process = subprocess.Popen(
            command, cwd=project.root, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=errors
        )
        os.close(theirs)
        text = read_terminal(ours)
        code = process.wait()
        errors.seek(0)
        return code, text.decode().replace("\r\n", "\n"), errors.read().decode()


def test_on_a_terminal_a_build_is_told_in_short_lines_and_summed_up(project):
    write_good_and_broken(project)
    project.write("a_longer_name.zig", ADD.replace("a + b", "a * b"))
    assert project.cli("build", "a.zig").returncode == 0
    code, text, errors = on_terminal(project, "build", ".")
    assert code == 1
    rows = r"cached  a\nbuilt   a_longer_name  \(\d+\.\d s\)\n(built   c  +\(\d+\.\d s\)|cached  c)\n"
    assert re.fullmatch(rows, text), text
    assert errors.splitlines()[-1] in ("2 built, 1 unchanged, 1 failed", "1 built, 2 unchanged, 1 failed"), errors
    # Where the artifacts go was asked for, and is told.
    _, text, _ = on_terminal(project, "build", "a.zig", "--output-dir", "out")
    assert text == "cached  a  x86_64-linux-gnu  out/a.abi3.so\n"


def test_a_build_in_json_has_no_closing_line(project):
    project.write("m.zig", ADD)
    project.cli("build", "m.zig")
    assert project.cli("build", "m.zig", "--format", "json").stderr == ""


@pytest.mark.parametrize("columns", [24, 60, 80, 200])
def test_a_list_of_the_cache_fits_the_terminal(project, columns):
    project.write("a_module_with_a_name.zig", ADD)
    build(project, "a_module_with_a_name.zig", "--target", "native", "--target", "aarch64-linux-gnu")
    code, text, _ = on_terminal(project, "cache", "list", columns=columns)
    header, *lines = text.splitlines()
    assert code == 0 and len(lines) == 2 and max(map(len, (header, *lines))) <= columns, text
    assert header.startswith("KEY           MODULE") or columns < 36, text
    assert ("TARGET" in header, "LAST USED" in header) == (columns >= 60, columns >= 200), text


def test_options_stand_anywhere_between_paths(project):
    project.write("m.zig", ADD)
    project.write("n.zig", ADD)
    ran = project.cli("build", "m.zig", "--output-dir", "out", "n.zig", "-j", "1")
    assert ran.returncode == 0 and sorted(os.listdir(project.root / "out")) == ["m.abi3.so", "n.abi3.so"], ran
    assert [name for _, name, _, _ in planned(project, "m.zig", "--optimize", "Debug", "n.zig")] == ["m", "n"]
    assert project.cli("scan", "m.zig", "--format", "json", "n.zig").returncode == 0
    wrong = project.cli("build", "m.zig", "--output-dir", "out", "n.zig", "--jobz", "1")
    assert wrong.returncode == 2 and "--jobz" in wrong.stderr, wrong


def test_alone_the_program_shows_its_help(project):
    ran = project.cli()
    assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr == project.cli("--help").stdout != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bild"], "unknown command 'bild': did you mean 'build'?"),
        (["cache", "lst"], "unknown command 'lst': did you mean 'list'?"),
        (["xyzzy"], "unknown command 'xyzzy': expected one of plan, build"),
        (["plan", "--explai"], "--explai"),
        (["build", ""], "an empty path: expected a .zig file or a folder"),
    ],
)
def test_a_slip_is_told_in_one_line(project, arguments, message):
    ran = project.cli(*arguments)
    assert ran.returncode == 2 and message in ran.stderr.splitlines()[-1] and ran.stdout == "", ran


def test_the_help_shows_which_options_take_a_value_only_behind_an_equals_sign(project):
    text = project.cli("build", "--help").stdout
    assert "[--stubs[=DIR]]" in text and "  --stubs[=DIR]" in text and "--timings[=FILE]" in text, text


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_no_traceback(project, closed):
    project.write("m.zig", ADD)
    for command in ("plan", "plan --format html", "build"):
        shell = f"'{project.python}' -m zigimport {command} {closed}"
        ran = subprocess.run(["/bin/sh", "-c", shell], cwd=project.root, env=project.environment, capture_output=True)
        assert ran.returncode == 0 and b"Traceback" not in ran.stderr, ran


def test_an_interrupt_while_the_program_is_loaded_is_quiet(project):
    """It comes where the command line is imported."""
    project.write("argparse.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ran = project.cli("build", env={"PYTHONPATH": project.root})
    assert ran.returncode == 130 and ran.stderr == "", ran


#: What the parser of the command line is not loaded for, and what it is.
USUAL = [
    [],
    ["."],
    ["m.zig", "parts", "--explain", "--check"],
    ["--format", "json", "m.zig"],
    ["m.zig", "--format", "html"],
    ["--target", "aarch64-linux-gnu", "--target", "native", "--diff", "old.json"],
]
UNUSUAL = [
    ["--format=json"],
    ["--optimize", "ReleaseFast"],
    ["--", "-m.zig"],
    ["-h"],
    ["--format", "yaml"],
    ["--format"],
    ["--target", "--check"],
    ["--expl"],
    [""],
]
PARSED = """
import sys
from zigimport import _plan
quick = _plan.options_of(["plan", *sys.argv[1:]])
assert "argparse" not in sys.modules
if quick is None:
    sys.exit("unusual")
from zigimport import _cli
assert vars(quick) == vars(_cli.parse(["plan", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("arguments", USUAL, ids=" ".join)
def test_usual_options_of_a_plan_are_what_the_parser_says(project, arguments):
    ran = project.run(PARSED, *arguments)
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("arguments", UNUSUAL, ids=" ".join)
def test_the_parser_has_the_word_on_other_options_of_a_plan(project, arguments):
    ran = project.run(PARSED, *arguments)
    assert ran.stderr == "unusual\n", ran
    project.write("m.zig", ADD)
    project.write("-m.zig", ADD)
    ran = project.cli("plan", *arguments)
    assert ran.returncode in (0, 1, 2) and "Traceback" not in ran.stderr, ran


def test_a_plan_of_what_is_built_loads_no_module_that_it_does_without(project):
    project.write("m.zig", ADD)
    assert project.cli("build", "m.zig").returncode == 0
    ran = project.execute("-X", "importtime", "-m", "zigimport", "plan", "--format", "json")
    assert ran.returncode == 0, ran
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "zigimport._plan" in loaded
    assert loaded.isdisjoint({"argparse", "json", "logging", "re", "shutil", "subprocess", "threading", "typing"}), loaded


def test_scan_of_a_folder_says_what_to_name(project):
    project.write("pk/m.zig", ADD)
    ran = project.cli("scan", "pk")
    assert ran.returncode == 1 and ran.stderr == "error: 'pk' is a folder: expected files\nhint: zigimport scan pk/*.zig\n"


def test_the_json_of_a_build_has_every_field(project):
    write_module(project)
    result = project.cli("build", "m.zig", "--format", "json")
    (artifact,) = result.json["artifacts"]
    assert result.json["errors"] == []
    library = project.the_stored("libraries")
    key = artifact.pop("key")
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert artifact == {
        "module": "m",
        "source": str(project.root / "m.zig"),
        "target": "x86_64-linux-gnu",
        "library": str(library),
        "digest": hashlib.sha256(library.read_bytes()).hexdigest(),
        "zig_version": "0.16.0",
        "optimize": "Debug",
        "abi": "abi3",
        "built": True,
        "file_name": "m.abi3.so",
    }


def test_an_import_takes_what_build_made(project):
    write_module(project)
    (artifact,) = build(project, "m.zig")
    imported = project.imports("m", "[module.add(1, 2), module.__zigimport__.key]")
    assert imported.value == [3, artifact["key"]]
    assert imported.builds == []


def test_an_output_folder_can_be_imported_from_without_us(project):
    project.write("pkg/__init__.py", "")
    project.write("pkg/inner/__init__.py", "")
    project.write("pkg/inner/fast.zig", ADD)
    project.write("m.zig", ADD)
    build(project, ".", "--output-dir", "dist folder")
    files = sorted(path.relative_to(project.root).as_posix() for path in (project.root / "dist folder").rglob("*.so"))
    assert files == ["dist folder/m.abi3.so", "dist folder/pkg/inner/fast.abi3.so"]
    code = (
        "import sys; sys.path.insert(0, 'dist folder'); import m, pkg.inner.fast as f; print(m.add(1, 2), f.add(3, 4))"
    )
    assert project.execute("-I", "-S", "-c", code).stdout == "3 7\n"


def test_a_package_in_an_output_folder_has_its_submodules(project):
    project.write("two/__init__.zig", ADD)
    project.write("two/b.zig", ADD)
    project.write("two/deep/__init__.zig", 'const c = @import("c.zig");\n' + ADD)
    project.write("two/deep/c.zig", ADD)
    built = build(project, ".", "--output-dir", "out")
    assert [one["library"] for one in built] == [
        "out/two/__init__.abi3.so", "out/two/b.abi3.so", "out/two/deep/__init__.abi3.so", "out/two/deep/c.abi3.so",
    ]
    code = (
        "import sys; sys.path.insert(0, 'out'); import two.b, two.deep.c as c\n"
        "print(two.add(1, 2), two.b.add(3, 4), two.deep.add(5, 6), c.add(7, 8), c.__name__)"
    )
    assert project.execute("-I", "-S", "-c", code).stdout == "3 7 11 15 two.deep.c\n"


def test_an_output_folder_has_one_folder_for_each_of_several_targets(project):
    project.write("m.zig", ADD)
    artifacts = build(project, "m.zig", "--target", "native", "--target", "x86_64-windows", "--output-dir", "dist")
    assert [one["library"] for one in artifacts] == [
        "dist/x86_64-linux-gnu/m.abi3.so",
        "dist/x86_64-windows/m.pyd",
    ]
    assert all((project.root / one["library"]).is_file() for one in artifacts)


def test_the_output_folder_takes_a_new_file_and_leaves_the_loaded_one_alone(project):
    project.write("m.zig", ADD)
    build(project, "m.zig", "--output-dir", "dist")
    with open(project.root / "dist/m.abi3.so", "rb") as loaded:
        content = loaded.read()
        project.write("m.zig", ADD + "pub fn two() i64 {\n    return 2;\n}\n")
        build(project, "m.zig", "--output-dir", "dist")
        loaded.seek(0)
        assert loaded.read() == content != (project.root / "dist/m.abi3.so").read_bytes()
    assert sorted(path.name for path in (project.root / "dist").iterdir()) == ["m.abi3.so"]


def test_two_modules_of_one_name_are_not_written_over_each_other(project):
    project.write("one/m.zig", ADD)
    project.write("two/m.zig", ADD)
    ran = project.cli("build", ".", "--output-dir", "dist")
    assert ran.returncode == 2 and "one/m.zig" in ran.stderr and "two/m.zig" in ran.stderr, ran
    assert not (project.root / "dist").exists()


@pytest.mark.parametrize("folder", ["/proc/nothing", "m.zig"])
def test_an_output_folder_that_cannot_be_made_is_one_error(project, folder):
    project.write("m.zig", ADD)
    ran = project.cli("build", "m.zig", "--output-dir", folder)
    assert ran.returncode == 3 and folder in ran.stderr and "Traceback" not in ran.stderr, ran


def test_force_builds_again(project):
    project.write("m.zig", ADD)
    build(project, "m.zig")
    forced = project.cli("build", "m.zig", "--force")
    assert (forced.builds, forced.reasons) == (["m"], ["rebuild is forced"])


@pytest.mark.parametrize("mode", MODES)
def test_build_takes_each_optimize_mode(project, mode):
    project.write("m.zig", ADD)
    (artifact,) = build(project, "m.zig", "--optimize", mode)
    assert artifact["optimize"] == mode
    assert the_reason(project, "m.zig", "--optimize", mode) == ("load", "unchanged")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_broken_module_does_not_stop_the_good_ones(project, jobs):
    write_good_and_broken(project)
    result = project.cli("build", "-j", jobs, "--format", "json")
    assert result.returncode == 1
    assert sorted(one["module"] for one in result.json["artifacts"]) == ["a", "c"]
    (error,) = result.json["errors"]
    assert "b.zig:2:12: error: use of undeclared identifier 'missing'" in error
    assert result.stderr.count("use of undeclared identifier") == 1
    assert [(action, name) for action, name, _, _ in planned(project)] == [("load", "a"), ("load", "c"), ("build", "b")]


def test_several_modules_are_built_with_two_jobs(project):
    names = [f"m{number}" for number in range(6)]
    for number, name in enumerate(names):
        project.write(f"{name}.zig", f"pub fn number() i64 {{\n    return {number};\n}}\n")
    result = project.cli("build", "-j", "2")
    assert sorted(result.builds) == names and result.returncode == 0, result
    # Answers come in the order of the modules, whichever was done first.
    assert [line.split()[1] for line in result.stdout.splitlines()] == names


# scan.


def test_scan_shows_dependencies_and_declarations(project):
    write_module(project)
    assert project.cli("scan", "m.zig").stdout == (
        "m.zig  plain binding\n"
        "      1  @import parts/part.zig\n"
        "      2  @embedFile parts/text.txt\n"
        "      5  pub function add(a: i64, b: i64) i64\n"
    )


def test_the_json_of_a_scan_has_every_field(project):
    source = (
        '//! A module.\n//! zigimport: optimize = ReleaseFast\nconst p = @import("a\\x2ezig");\n'
        "const t = @embedFile(name);\n/// Doc.\npub const C = struct {\n    pub fn f(x: u8, _: f64) void {}\n};\n"
    )
    project.write("m.zig", source)
    (scan,) = project.cli("scan", "m.zig", "--format", "json").json
    assert scan == {
        "path": "m.zig",
        "digest": hashlib.sha256(source.encode()).hexdigest(),
        "bytes": len(source),
        "binding": "plain",
        "doc": "A module.",
        "settings": [{"name": "optimize", "value": "ReleaseFast", "line": 2}],
        "dependencies": [
            {
                "kind": "@import",
                "operand": "a.zig",
                "literal": True,
                "span": spanning(source, '@import("a\\x2ezig"', 3, 11),
            },
            {
                "kind": "@embedFile",
                "operand": "name",
                "literal": False,
                "span": spanning(source, "@embedFile(name", 4, 11),
            },
        ],
        "declarations": [
            {
                "name": "C",
                "container": "",
                "kind": "constant",
                "parameters": [],
                "type": "struct",
                "doc": "Doc.",
                "line": 6,
            },
            {
                "name": "f",
                "container": "C",
                "kind": "function",
                "parameters": [{"name": "x", "type": "u8"}, {"name": "", "type": "f64"}],
                "type": "void",
                "doc": "",
                "line": 7,
            },
        ],
        "invalid": None,
    }


def spanning(source, text, line, column):
    """Describes where a text stands."""
    start = source.index(text)
    return {"start": start, "end": start + len(text), "line": line, "column": column}


def test_scan_takes_several_files_and_ends_with_1_at_one_that_is_not_there(project):
    write_module(project)
    scans = project.cli("scan", "m.zig", "parts/part.zig", "--format", "json").json
    assert [scan["path"] for scan in scans] == ["m.zig", "parts/part.zig"]
    failed = project.cli("scan", "m.zig", "missing.zig", "--format", "json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "failed to scan `missing.zig`" in failed.stderr


def test_scan_names_the_place_of_an_invalid_token(project):
    project.write("m.zig", "const a = 1;\nconst b = 'x\n;\n")
    assert "      2  invalid token at column 11\n" in project.cli("scan", "m.zig").stdout


# info, version, cache.


def test_info_shows_the_settings_of_the_project(project):
    project.write("pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseSmall"\n')
    assert project.cli("info", "--format", "json").json["optimize"].startswith("ReleaseSmall (")
    answer = project.cli("info", "--format", "json", env={"ZIGIMPORT_OPTIMIZE": "ReleaseFast"}).json
    assert answer["optimize"].startswith("ReleaseFast (")


def test_info_has_what_a_bug_report_needs(project):
    info = project.cli("info", "--format", "json").json
    assert info["zig"] == f"0.16.0 at {project.environment['ZIGIMPORT_ZIG']} (from ZIGIMPORT_ZIG)"
    assert info["cache"] == f"{project.store} (ZIGIMPORT_BUILD_DIR)"
    assert info["sandbox"] == "precompiled machine code"
    assert project.python in info["python"]
    assert re.fullmatch("[0-9a-f]{64}", info["scanner"]) and re.fullmatch("[0-9a-f]{64}", info["planner"])
    text = project.cli("info").stdout
    assert [line.split()[0] for line in text.splitlines()] == list(info)


def test_the_version_is_the_packages(project):
    (package,) = (
        found
        for found in importlib.metadata.distributions(path=[site_packages(project)])
        if found.metadata["Name"] == "zigimport"
    )
    versions = project.cli("version", "--format", "json").json
    assert versions["zigimport"] == package.version
    assert project.cli("version").stdout == f"zigimport {package.version}  python {versions['python']}\n"
    assert project.cli("--version").stdout == f"zigimport {package.version}\n"


def site_packages(project):
    return project.run("import sysconfig; print(sysconfig.get_path('platlib'))").stdout.strip()


@pytest.mark.parametrize("format_", ["text", "json"])
def test_info_says_what_is_wrong_among_the_rest(project, format_):
    ran = project.cli("info", "--format", format_, env={"ZIGIMPORT_OPTIMIZE": "fast", "ZIGIMPORT_VERBOSE": "0"})
    lines = ran.json if format_ == "json" else dict(line.split(None, 1) for line in ran.stdout.splitlines())
    assert ran.returncode == 3 and "`fast` for ZIGIMPORT_OPTIMIZE" in lines["problem"], ran
    assert "ZIGIMPORT_OPTIMIZE=fast" in lines["variables"] and lines["python"].startswith("CPython "), ran


def test_cache_info_counts_what_is_there(project):
    assert project.cli("cache", "info", "--format", "json").json["entries"] == 0
    write_module(project)
    build(project, "m.zig")
    info = project.cli("cache", "info", "--format", "json").json
    assert (info["path"], info["chosen_by"], info["entries"]) == (str(project.store), "ZIGIMPORT_BUILD_DIR", 1)
    buckets = {bucket["name"]: bucket for bucket in info["buckets"]}
    library = project.the_stored("libraries")
    assert buckets["libraries"] == {"name": "libraries", "files": 1, "bytes": library.stat().st_size}
    text = project.cli("cache", "info").stdout.splitlines()
    assert text[:2] == [f"{project.store} (ZIGIMPORT_BUILD_DIR)", "1 artifact"]
    assert text[-1].split()[:2] == ["total", str(sum(bucket["files"] for bucket in info["buckets"]))]


def test_cache_clear_removes_ours_and_nothing_else(project):
    write_module(project)
    build(project, "m.zig")
    foreign_file = project.store / "mine.txt"
    foreign_file.write_text("keep")
    cleared = project.cli("cache", "clear", "--format", "json")
    assert cleared.returncode == 0 and cleared.json["bytes_freed"] > 1000
    assert [path for path in project.store.rglob("*") if path.is_file() and path.name != "CACHEDIR.TAG"] == [
        foreign_file
    ]
    assert the_reason(project, "m.zig") == ("build", "first build")
    assert project.cli("cache", "clear").stdout == "0 B freed\n"


def test_looking_at_a_cache_that_is_not_there_makes_none(project, tmp_path):
    env = {"ZIGIMPORT_BUILD_DIR": tmp_path / "none"}
    for arguments in (["info"], ["cache", "info"], ["cache", "clear"], ["version"]):
        assert project.cli(*arguments, env=env).returncode == 0
    assert not (tmp_path / "none").exists()


# All commands.


@pytest.mark.parametrize("command", ["", *COMMANDS, "cache", "site"])
def test_every_command_has_help(project, command):
    result = project.cli(*command.split(), "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith(f"usage: {' '.join(['zigimport', *command.split()])} ")


def test_the_installed_program_and_the_module_are_the_same(project):
    write_module(project)
    installed = os.path.join(os.path.dirname(project.python), "zigimport")
    for arguments in (["--help"], ["version"], ["plan", "m.zig", "--explain"], ["scan", "m.zig"], ["plan", "missing"]):
        ran = subprocess.run(
            [installed, *arguments], cwd=project.root, env=project.environment, capture_output=True, text=True
        )
        module = project.cli(*arguments)
        assert (ran.returncode, ran.stdout, ran.stderr) == (module.returncode, module.stdout, module.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "frobnicate",
        "cache",
        "scan",
        "plan --format yaml",
        "plan --frobnicate",
        "plan --optimize Fast",
        "build -j 0",
        "build -j 33",
        "build -j two",
        "build --target pdp11-unix m.zig",
    ],
)
def test_wrong_usage_ends_with_2(project, arguments):
    project.write("m.zig", ADD)
    result = project.cli(*shlex.split(arguments))
    assert result.returncode == 2, result
    assert result.stdout == "" and result.stderr != ""


def test_a_wrong_environment_ends_with_3(project, tmp_path):
    project.write("m.zig", ADD)
    (tmp_path / "file").write_text("")
    for env, word in [
        ({"ZIGIMPORT_ZIG": "/nowhere/zig"}, "/nowhere/zig"),
        ({"ZIGIMPORT_ZIG": None}, "ziglang"),
        ({"ZIGIMPORT_BUILD_DIR": tmp_path / "file" / "store"}, str(tmp_path / "file")),
        ({"ZIGIMPORT_OPTIMIZE": "fast"}, "ZIGIMPORT_OPTIMIZE"),
        ({"ZIGIMPORT_MAX_WORKERS": "many"}, "ZIGIMPORT_MAX_WORKERS"),
        ({"ZIGIMPORT_NATIVE": "sometimes"}, "ZIGIMPORT_NATIVE"),
        ({"ZIGIMPORT_VERBOSE": "maybe"}, "ZIGIMPORT_VERBOSE"),
    ]:
        failed = project.cli("build", "m.zig", env=env)
        assert (failed.returncode, failed.stdout) == (3, ""), (env, failed)
        assert word in failed.stderr and "Traceback" not in failed.stderr, (env, failed)


def test_nothing_but_the_answer_is_on_standard_output(project):
    write_good_and_broken(project)
    project.environment["ZIGIMPORT_VERBOSE"] = "1"
    for arguments in (["plan"], ["build"], ["build", "--force"], ["scan", "a.zig"], ["info"], ["cache", "info"]):
        result = project.cli(*arguments, "--format", "json")
        assert result.json, arguments


@pytest.mark.parametrize("count", [1, 20_000], ids=["short", "long"])
def test_a_reader_that_stopped_reading_is_no_error(project, count):
    project.write("m.zig", "".join(f"pub const c{number}: u32 = {number};\n" for number in range(count)))
    reader, writer = os.pipe()
    os.close(reader)
    command = [project.python, "-m", "zigimport", "scan", "m.zig", "--format", "json"]
    ran = subprocess.run(command, cwd=project.root, env=project.environment, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ran.stderr.decode(), ran.returncode) == ("", 0)


@pytest.mark.parametrize("command", ["plan m.zig", "build m.zig", "info"])
def test_an_unknown_variable_is_named_with_its_neighbour(project, command):
    project.write("m.zig", ADD)
    result = project.cli(*command.split(), env={"ZIGIMPORT_OPTIMISE": "Debug", "ZIGIMPORT_QQQQQQQQQQQQ": "1"})
    assert result.returncode == 0
    assert result.stderr.count("unknown variable ZIGIMPORT_OPTIMISE; did you mean ZIGIMPORT_OPTIMIZE?") == 1
    assert result.stderr.count("unknown variable ZIGIMPORT_QQQQQQQQQQQQ") == 1
    assert result.stderr.count("did you mean") == 1


# Ctrl-C.


class StuckZig:
    """A compiler that says that it was started, and never ends by itself."""

    def __init__(self, folder):
        folder.mkdir()
        for name in ("started", "never"):
            os.mkfifo(folder / name)
        self.folder = folder
        self.path = script(
            folder / "zig",
            f'if [ "$1" = version ]; then echo 0.16.0; exit; fi\n'
            f"echo $$ > '{folder}/started'\nread line < '{folder}/never'",
        )

    def wait(self):
        """Waits until a compiler is started; returns its process number."""
        with open(self.folder / "started") as started:
            return int(started.readline())


def is_running(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("arguments", [["a.zig"], ["-j", "1"], ["-j", "2"]], ids=["one", "j1", "j2"])
def test_an_interrupt_ends_the_compiler_with_us(project, tmp_path, arguments):
    project.write("a.zig", ADD)
    project.write("c.zig", ADD)
    stuck = StuckZig(tmp_path / "stuck")
    # Which thread the kernel hands the signal to is luck.
    for _ in range(8):
        process = project.start(
            "-m", "zigimport", "build", *arguments, env={"ZIGIMPORT_ZIG": stuck.path}, start_new_session=True
        )
        compiler = stuck.wait()
        interrupt(process)
        try:
            _, stderr = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            pytest.fail("goes on after the interrupt")
        assert process.returncode == 130
        assert stderr.decode().splitlines()[-1] == "interrupted" and "Traceback" not in stderr.decode()
        assert not is_running(compiler)
    # Nothing is left that a later build would stumble over.
    assert build(project, "a.zig")[0]["built"]


def test_the_wrapped_compiler_is_called_once_for_a_build(project, default_zig, tmp_path):
    wrapped = WrappedZig(tmp_path / "wrapped", default_zig)
    project.write("m.zig", ADD)
    build(project, "m.zig", env={"ZIGIMPORT_ZIG": wrapped.path})
    build(project, "m.zig", env={"ZIGIMPORT_ZIG": wrapped.path})
    assert [call.split()[0] for call in wrapped.calls] == ["version", "build-lib"]
