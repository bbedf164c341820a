"""Watch mode in a process, and the command ``zigimport watch``."""

import os
import re
import select
import shlex
import signal
import sys
import threading

import pytest

from conftest import ADD, HANG_SECONDS, ROOT, dedented, interrupt

#: For the scripts of these tests. `until` waits as a program does that goes on: the
#: main thread runs Python code meanwhile.
HELPERS = """
import importlib, logging, os, sys, threading
import zigimport

class Told(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines, self.changed = [], threading.Condition()
    def emit(self, record):
        with self.changed:
            self.lines.append(record.getMessage())
            self.changed.notify_all()

told = Told()
logging.getLogger("zigimport").addHandler(told)
logging.getLogger("zigimport").setLevel(logging.INFO)

def until(text):
    while not any(text in line for line in told.lines):
        with told.changed:
            told.changed.wait(0.01)
    lines, told.lines = told.lines, []
    return lines

def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    # At once: what is written in two steps may be built in two.
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)

"""


def run(project, code, **keywords):
    """Runs a script, which must succeed and leave nothing unsaid."""
    ran = project.run(HELPERS + dedented(code), **keywords)
    assert ran.returncode == 0, ran
    return ran


#: A module, its further files, and an edit: the file, its new text, and the new answer.
MODULES = {
    "own file": ({"m.zig": "pub const answer = 1;\n"}, "m.zig", "pub const answer = 2;\n"),
    "imported file": (
        {"m.zig": 'pub const answer = @import("in/part.zig").answer;\n', "in/part.zig": "pub const answer = 1;\n"},
        "in/part.zig",
        "pub const answer = 2;\n",
    ),
    "embedded file": (
        {"m.zig": 'pub const answer = @embedFile("text").len;\n', "text": "1"},
        "text",
        "22",
    ),
    "header": (
        {
            "m.zig": 'const c = @cImport(@cInclude("own.h"));\npub const answer = c.ANSWER;\n',
            "own.h": '#include "in/deep.h"\n',
            "in/deep.h": "#define ANSWER 1\n",
        },
        "in/deep.h",
        "#define ANSWER 2\n",
    ),
    "settings that appear": (
        {"m.zig": 'pub const answer = if (@import("builtin").mode == .Debug) 1 else 2;\n'},
        "pyproject.toml",
        '[tool.zigimport]\noptimize = "ReleaseSafe"\n',
    ),
    "package": ({"m/__init__.zig": "pub const answer = 1;\n"}, "m/__init__.zig", "pub const answer = 2;\n"),
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_change_of_any_input_is_told_built_and_reloaded(project, kind):
    files, edited, text = MODULES[kind]
    for path, content in files.items():
        project.write(path, content)
    code = f"""
    zigimport.enable_watch_mode()
    import m
    held = m
    assert m.answer == 1
    before = os.path.exists({edited!r}) and open({edited!r}).read()
    # This edit may come before the thread has looked at the module.
    write({edited!r}, {text!r})
    lines = until("Reloaded: m")
    assert held.answer == 2 and held is sys.modules["m"], lines
    assert any(line.startswith("building m: ") for line in lines), lines
    if before:
        write({edited!r}, before)
    else:
        os.remove({edited!r})
    assert until("Reloaded: m") == ["Change detected: " + os.path.abspath({edited!r}), "Reloaded: m"]
    assert held.answer == 1
    """
    run(project, code)


def test_what_changed_without_a_difference_is_not_reloaded(project):
    project.write("m.zig", "pub const answer = 1;\n")
    code = """
    zigimport.enable_watch_mode()
    import m
    write("m.zig", "pub const answer = 2;")
    until("Reloaded: m")
    write("pyproject.toml", "")
    until("Change detected: " + os.path.abspath("pyproject.toml"))
    write("m.zig", "pub const answer = 3;")
    lines = until("Reloaded: m")
    assert m.answer == 3 and not any(line.startswith("Reloaded") for line in lines[:-1]), lines
    """
    run(project, code)


def test_inputs_are_watched_whatever_mode_the_settings_choose(project):
    project.write("m.zig", 'pub const answer = @import("part.zig").answer;\n')
    project.write("part.zig", "pub const answer = 1;\n")
    code = """
    zigimport.install(settings=zigimport.Settings(optimize="ReleaseSafe"))
    zigimport.enable_watch_mode()
    import m
    for answer in range(2, 4):
        write("part.zig", f"pub const answer = {answer};")
        lines = until("Reloaded: m")
        assert m.answer == answer and m.__zigimport__.optimize == "ReleaseSafe", lines
    """
    run(project, code)


def test_the_build_file_of_a_project_and_its_files_are_watched(project):
    project.write(
        "b/build.zig",
        """
        const std = @import("std");
        pub fn build(b: *std.Build) void {
            const library = b.addLibrary(.{
                .name = "b",
                .linkage = .dynamic,
                .root_module = b.createModule(.{ .root_source_file = b.path("src/b.zig"), .target = b.graph.host }),
            });
            library.linker_allow_shlib_undefined = true;
            b.installArtifact(library);
        }
        """,
    )
    source = """
        const Object = opaque {};
        const Definition = extern struct { references: isize = 1, base: [4]?*anyopaque = @splat(null), name: [*:0]const u8, doc: ?[*:0]const u8 = null, size: isize = -1, rest: [5]?*anyopaque = @splat(null) };
        extern fn PyModule_Create2(definition: *Definition, version: c_int) callconv(.c) ?*Object;
        extern fn PyModule_AddIntConstant(module: ?*Object, name: [*:0]const u8, value: c_long) callconv(.c) c_int;
        var definition: Definition = .{ .name = "b" };
        export fn PyInit_b() callconv(.c) ?*Object {
            const module = PyModule_Create2(&definition, 3);
            _ = PyModule_AddIntConstant(module, "answer", 1);
            return module;
        }
        """
    project.write("b/src/b.zig", source)
    code = """
    zigimport.enable_watch_mode()
    import b
    text = open("b/src/b.zig").read()
    write("b/src/b.zig", text.replace('"answer", 1', '"answer", 2'))
    until("Reloaded: b")
    assert b.answer == 2
    told.lines.clear()
    build = open("b/build.zig").read()
    write("b/build.zig", build.replace(".target", ".strip = true, .target"))
    assert until("Reloaded: b")[0] == "Change detected: " + os.path.abspath("b/build.zig")
    """
    run(project, code)


def test_editors_that_replace_the_file_are_understood(project):
    project.write("m.zig", "pub const answer = 0;\n")
    code = """
    zigimport.enable_watch_mode()
    import m
    for answer in range(1, 5):
        write("m.zig.new", f"pub const answer = {answer};")
        os.rename("m.zig", "m.zig~")
        os.rename("m.zig.new", "m.zig")
        until("Reloaded: m")
        assert m.answer == answer
    """
    run(project, code)


def test_a_module_that_was_loaded_before_and_changed_since_is_reloaded(project):
    project.write("m.zig", "pub const answer = 1;\n")
    code = """
    import m
    write("m.zig", "pub const answer = 2;")
    zigimport.enable_watch_mode()
    zigimport.enable_watch_mode()
    until("Reloaded: m")
    assert m.answer == 2
    """
    run(project, code)


def test_a_broken_edit_is_shown_once_and_the_next_good_one_is_loaded(project, wrapped_zig):
    project.write("m.zig", 'pub const part = @import("part.zig");\npub const answer = 1;\n')
    project.write("part.zig", "pub const x = 1;\n")
    project.write("other.zig", "pub const answer = 1;\n")
    code = """
    zigimport.enable_watch_mode()
    import m, other
    good = open("m.zig").read()
    write("m.zig", good + 'pub const more = @import("more.zig").nothing;')
    lines = until("stays as it is")
    error = next(line for line in lines if "stays as it is" in line)
    assert "more.zig" in error and "m.zig:3:" in error and m.answer == 1, error
    # What another module has does not matter, nor that files are touched.
    write("other.zig", "pub const answer = 2;")
    lines = until("Reloaded: other")
    assert not any(line.startswith("m ") for line in lines), lines
    # A file that the last good build did not know is what was missing.
    write("more.zig", "pub const nothing = 5;")
    until("Reloaded: m")
    assert m.more == 5 and m.answer == 1
    write("part.zig", "pub const x = nowhere;")
    until("stays as it is")
    write("part.zig", "pub const x = 1;\\n")
    until("m is as it is loaded again")
    """
    run(project, code)
    # The compiler is asked a second time what is wrong, in words.
    assert len([call for call in wrapped_zig.compiles if "--listen=-" in call]) == 6


def test_nothing_is_reloaded_while_the_main_thread_imports(project):
    project.write("m.zig", "pub const answer = 1;\n")
    slow = """
    import m
    from __main__ import told, write
    write("m.zig", "pub const answer = 2;")
    def lines(text):
        return [line for line in told.lines if text in line]
    while not lines("built m"):
        pass
    # The thread has asked for a reload, and will ask again.
    import zigimport._watch
    mode, asked = zigimport._watch._mode, 0
    while asked < 3:
        if mode.ready and mode.is_asked is False:
            asked += 1
            while mode.is_asked is False:
                pass
    assert m.answer == 1 and not lines("Reloaded")
    """
    project.write("slow.py", dedented(slow).strip())
    code = """
    import m
    until("built m")
    zigimport.enable_watch_mode()
    import slow
    until("Reloaded: m")
    assert m.answer == 2
    """
    run(project, code)


def test_calls_in_other_threads_end_in_the_old_code(project):
    source = """
    pub fn around(function: @import("zigimport").Callable) !i32 {
        _ = try function.call(void, .{});
        return 1;
    }
    """
    project.write("m.zig", dedented(source))
    code = """
    zigimport.enable_watch_mode()
    import m
    inside, go_on, answers = threading.Event(), threading.Event(), []
    def wait():
        inside.set()
        go_on.wait()
    thread = threading.Thread(target=lambda: answers.append(m.around(wait)))
    thread.start()
    inside.wait()
    write("m.zig", open("m.zig").read().replace("return 1", "return 2"))
    until("Reloaded: m")
    assert m.around(lambda: None) == 2 and not answers
    go_on.set()
    thread.join()
    assert answers == [1]
    """
    run(project, code)


def test_the_main_thread_goes_on_while_the_thread_builds(project, wrapped_zig):
    project.write("m.zig", "pub const answer = 1;\n")
    gate = project.root / "gate"
    wrapped_zig.first(f"if test $1 = build-lib -a -e edited; then while ! test -e '{gate}'; do sleep 0.01; done; fi".replace("edited", str(project.root / "edited")))
    code = """
    zigimport.enable_watch_mode()
    import m
    write("edited", "")
    write("m.zig", "pub const answer = 2;")
    until("building m")
    assert sum(m.answer for _ in range(100_000)) == 100_000
    write("gate", "")
    until("Reloaded: m")
    assert m.answer == 2
    """
    run(project, code)


def test_disabling_ends_the_thread_and_what_it_builds(project, wrapped_zig):
    project.write("m.zig", "pub const answer = 1;\n")
    never = f"if test $1 = build-lib -a -e '{project.root}/edited'; then exec sleep 1000; fi"
    wrapped_zig.first(never)
    code = """
    zigimport.disable_watch_mode()
    zigimport.enable_watch_mode()
    import m
    before = threading.active_count()
    write("edited", "")
    write("m.zig", "pub const answer = 2;")
    until("building m")
    zigimport.disable_watch_mode()
    assert threading.active_count() == before - 1 and m.answer == 1
    os.remove("edited")
    write("m.zig", "pub const answer = 3;")
    zigimport.enable_watch_mode()
    until("Reloaded: m")
    assert m.answer == 3
    """
    run(project, code)


@pytest.mark.skipif(sys.platform != "linux", reason="the signals that a thread blocks are in /proc")
def test_signals_are_left_to_the_main_thread_and_faults_are_not(project):
    project.write("m.zig", "pub const answer = 1;\n")
    code = """
    import m, signal
    zigimport.enable_watch_mode()
    write("m.zig", "pub const answer = 2;")
    until("Reloaded: m")
    (thread,) = [one for one in threading.enumerate() if one.name == "zigimport watch"]
    status = open(f"/proc/self/task/{thread.native_id}/status").read()
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    def is_blocked(number):
        return blocked >> number - 1 & 1
    assert is_blocked(signal.SIGINT) and is_blocked(signal.SIGTERM) and is_blocked(signal.SIGCHLD)
    assert not any(map(is_blocked, (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)))
    """
    run(project, code)


def test_a_process_ends_at_once_and_in_silence_while_its_thread_builds(project, wrapped_zig):
    project.write("m.zig", "pub const answer = 1;\n")
    wrapped_zig.first(f"if test $1 = build-lib -a -e '{project.root}/edited'; then exec sleep 1000; fi")
    code = """
    zigimport.enable_watch_mode()
    import m
    write("edited", "")
    write("m.zig", "pub const answer = 2;")
    until("building m")
    logging.getLogger("zigimport").handlers.clear()
    """
    assert "Traceback" not in run(project, code).stderr


def test_a_process_ends_with_watch_mode_on(project):
    project.write("m.zig", "pub const answer = 1;\n")
    ran = run(project, "zigimport.enable_watch_mode()\nimport m\n")
    assert "Traceback" not in ran.stderr and "Fatal" not in ran.stderr, ran


def test_a_forked_process_does_not_watch_and_may_begin_to(project):
    project.write("m.zig", "pub const answer = 1;\n")
    project.write("n.zig", "pub const answer = 1;\n")
    code = """
    zigimport.enable_watch_mode()
    import m
    for number in range(2, 12):
        # While the thread builds, too.
        write("m.zig", f"pub const answer = {number};")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                told.changed = threading.Condition()
                assert threading.active_count() == 1
                if number == 11:
                    zigimport.enable_watch_mode()
                import n
                if number == 11:
                    told.lines = []
                    write("n.zig", "pub const answer = 2;")
                    until("Reloaded: n")
                    assert n.answer == 2
                zigimport.disable_watch_mode()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0, number
        while m.answer != number:
            until("Reloaded: m")
    """
    run(project, code)


# Settings.


def test_the_variable_enables_it_and_off_it_costs_nothing(project):
    project.write("m.zig", "pub const answer = 1;\n")
    project.imports("m")
    loaded = "sorted(set(sys.modules) & {'threading', 'zigimport._watch', 'zigimport._reload', 'atexit'})"
    code = f"import sys, zigimport, m\nprint({loaded})"
    assert project.run(code).stdout == project.run(code, env={"ZIGIMPORT_WATCH": "0"}).stdout == "[]\n"
    reloads = 'import m\nwrite("m.zig", "pub const answer = 2;")\nuntil("Reloaded: m")\nassert m.answer == 2\n'
    run(project, reloads, env={"ZIGIMPORT_WATCH": "yes", "ZIGIMPORT_WATCH_INTERVAL": "0.5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("ZIGIMPORT_WATCH", "maybe"), ("ZIGIMPORT_WATCH_INTERVAL", "0.4"), ("ZIGIMPORT_WATCH_INTERVAL", "often")],
)
def test_a_wrong_value_names_itself(project, name, value):
    ran = project.run("import zigimport\nzigimport.enable_watch_mode()", env={name: value})
    assert ran.returncode == 1 and name in ran.stderr and value in ran.stderr and "expected" in ran.stderr, ran


# The command.


class Output:
    """Reads a process's streams, and waits for a line."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.changed = threading.Condition()
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=self.read, args=[stream], daemon=True).start()

    def read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.decode().rstrip())
                self.changed.notify_all()

    def until(self, text):
        """Returns the lines up to the first with a text in it, and forgets them."""
        with self.changed:
            found = self.changed.wait_for(lambda: [line for line in self.lines if text in line], HANG_SECONDS)
            assert found, self.lines
            end = self.lines.index(found[0]) + 1
            lines, self.lines = self.lines[:end], self.lines[end:]
        return lines

    def end(self):
        """Presses Ctrl-C."""
        interrupt(self.process)
        assert self.process.wait(HANG_SECONDS) == 130, self.lines


def test_the_command_builds_now_and_at_each_change(project):
    project.write("m.zig", ADD)
    project.write("broken.zig", "pub const x = nothing;\n")
    output = Output(project.start("-m", "zigimport", "watch"))
    output.until("broken.zig:1:15: error: use of undeclared identifier")
    project.write("broken.zig", "pub const x = 1;\n")
    lines = output.until("built broken")
    assert f"zigimport: Change detected: {project.root / 'broken.zig'}" in lines, lines
    project.write("m.zig", ADD.replace("+", "-"))
    lines = output.until("built m")
    assert "zigimport: building m: m.zig changed" in lines, lines
    project.write("inner/late.zig", ADD)
    output.until("built late")
    output.end()
    assert project.imports("m", "module.add(3, 1)").builds == []


def test_the_command_runs_a_program_again_after_each_good_build(project):
    project.write("m.zig", "pub const answer = 1;\n")
    # Its child ignores what asks it to end.
    app = """
    import os, signal, subprocess, sys, zigimport, m
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    child.stdout.readline()
    print("started", m.answer, os.getpid(), child.pid, flush=True)
    signal.pause()
    """
    project.write("app.py", dedented(app))
    output = Output(project.start("-m", "zigimport", "watch", "m.zig", "--run", f"{project.python} app.py"))
    pids = []

    def answer():
        _, number, *processes = output.until("started")[-1].split()
        pids.extend(map(int, processes))
        return int(number)

    try:
        assert answer() == 1
        project.write("m.zig", "pub const answer = nothing;\n")
        output.until("error: use of undeclared identifier")
        assert all(is_alive(pid) for pid in pids)
        project.write("m.zig", "pub const answer = 3;\n")
        assert answer() == 3
        assert all(has_ended(pid) for pid in pids[:2]) and all(is_alive(pid) for pid in pids[2:])
        output.end()
        assert all(has_ended(pid) for pid in pids)
    finally:
        for pid in filter(is_alive, pids):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid):
    """Returns whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def has_ended(pid):
    """Returns whether a process has ended, or does now that it is killed."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return select.select([process], [], [], HANG_SECONDS)[0] == [process]
    finally:
        os.close(process)


def test_a_program_that_ends_is_told_and_started_again(project):
    project.write("m.zig", "pub const answer = 1;\n")
    output = Output(project.start("-m", "zigimport", "watch", "m.zig", "--run", "echo started; exit 7"))
    output.until("started")
    assert "ended with 7: echo started; exit 7" in output.until("waiting for a change")[-1]
    project.write("m.zig", "pub const answer = 2;\n")
    output.until("started")
    output.end()


def test_an_edit_without_new_code_runs_nothing_again_and_says_so(project):
    text = "pub const answer = 1;\n"
    project.write("m.zig", text)
    output = Output(project.start("-m", "zigimport", "watch", "m.zig", "--run", "echo started; exit 7"))
    output.until("waiting for a change")
    project.write("m.zig", text + "pub const broken = nothing;\n")
    output.until("undeclared identifier")
    project.write("m.zig", text)
    output.until("the code is what it was before, and runs")
    project.write("m.zig", "pub const answer = 2;\n")
    output.until("started")
    output.end()


def test_ending_the_command_ends_its_program(project):
    project.write("m.zig", "pub const answer = 1;\n")
    process = project.start("-m", "zigimport", "watch", "m.zig", "--run", "echo pid $$; exec sleep 1000")
    output = Output(process)
    (pid,) = find_pids(output)
    process.send_signal(signal.SIGTERM)
    assert process.wait(HANG_SECONDS) == 128 + signal.SIGTERM
    assert has_ended(pid)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGABRT], ids=lambda number: number.name)
def test_a_command_that_is_killed_leaves_no_program_behind(project, signal_number):
    project.write("m.zig", "pub const answer = 1;\n")
    # The shell itself has a child, and that ignores what asks it to end.
    command = "trap '' TERM HUP; sleep 1000 & echo pid $! $$; wait"
    process = project.start("-m", "zigimport", "watch", "m.zig", "--run", command)
    output = Output(process)
    pids = find_pids(output)
    assert len(pids) == 2 and all(is_alive(pid) for pid in pids)
    process.send_signal(signal_number)
    assert process.wait(HANG_SECONDS) == -signal_number
    assert all(has_ended(pid) for pid in pids)


def find_pids(output):
    """Returns what the program said of itself, after what was said of it."""
    while True:
        line = output.until("pid ")[-1]
        if line.startswith("pid "):
            return [int(pid) for pid in line.split()[1:]]


def test_the_command_does_what_the_readme_says(project):
    (line,) = re.findall(r"^zigimport watch --run .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    project.write("geometry.zig", "pub const answer = 1;\n")
    project.write("app.py", "import zigimport, geometry\nprint('the answer is', geometry.answer)\n")
    path = f"{os.path.dirname(project.python)}:{project.environment['PATH']}"
    output = Output(project.start("-m", *shlex.split(line, comments=True), env={"PATH": path}))
    output.until("the answer is 1")
    project.write("geometry.zig", "pub const answer = 2;\n")
    output.until("the answer is 2")
    output.end()


@pytest.mark.parametrize("path", ["nope", "n.zig", "run.py"])
def test_a_path_that_is_no_module_ends_it(project, path):
    project.write("m.zig", ADD)
    project.write("run.py", "import m\n")
    ran = project.cli("watch", "m.zig", path)
    assert ran.returncode == 1 and str(project.root / path) in ran.stderr and ran.builds == [], ran


def test_a_module_may_go_and_come_and_a_folder_may_be_empty(project):
    folder = project.root / "modules"
    folder.mkdir()
    output = Output(project.start("-m", "zigimport", "watch", "modules"))
    assert any("no Zig module in" in line for line in output.until("watching 0 modules, Ctrl-C ends"))
    project.write("modules/m.zig", ADD)
    project.write("modules/n.zig", ADD)
    output.until("watching 2 modules, Ctrl-C ends")
    (folder / "n.zig").unlink()
    assert f"zigimport: n is gone: {folder / 'n.zig'}" in output.until("watching 1 module, Ctrl-C ends")
    output.end()


def test_where_all_is_built_it_says_that_it_watches(project):
    project.write("m.zig", ADD)
    project.imports("m")
    output = Output(project.start("-m", "zigimport", "watch"))
    assert output.until("watching") == ["zigimport: watching 1 module, Ctrl-C ends"]
    output.end()
