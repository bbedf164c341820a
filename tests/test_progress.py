"""The live line on a terminal."""

import os
import pty
import re
import threading

import pytest

from conftest import ADD, dedented, read_terminal, script

#: What tells a terminal to erase the rest of the line.
ERASE_REST = "\x1b[K"


def on_terminal(project, code, env=(), typed_after=None):
    """Runs code with a terminal as its standard error; returns what came there.
    Something is typed after so many seconds."""
    ours, theirs = pty.openpty()
    child = os.fork()
    if child == 0:
        os.dup2(theirs, 2)
        os.chdir(project.root)
        os.execve(project.python, [str(project.python), "-c", code], {**project.environment, **dict(env)})
    os.close(theirs)
    if typed_after is not None:
        threading.Timer(typed_after, os.write, (ours, b"typed")).start()
    text = read_terminal(ours)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text.decode()


def screen(text):
    """Returns the lines that are left when everything was written."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            # What stands behind the place of an erasure goes.
            *erasing, last = part.split(ERASE_REST)
            shown = "".join(erasing) if erasing else shown
            written = "".join(erasing) + last
            shown = written + shown[len(written) :]
        lines.append(shown.rstrip())
    return lines


@pytest.fixture
def slow(project, default_zig, tmp_path):
    """A compiler that takes a second and a half, and a module."""
    project.write("m.zig", ADD)
    path = script(tmp_path / "zig", f"""[ "$1" = build-lib ] && sleep 1.5\nexec '{default_zig}' "$@" """)
    project.environment = {**project.environment, "ZIGIMPORT_ZIG": str(path), "TERM": "xterm"}
    return project


def test_a_long_build_shows_a_line_that_goes(slow):
    text = on_terminal(slow, "import zigimport, m")
    drawn = re.findall(r"\rzigimport: building m  (\d+\.\d) s", text)
    assert len(drawn) >= 3 and float(drawn[0]) >= 0.5 and drawn == sorted(drawn, key=float), text
    first, last, end = screen(text)
    assert first == "zigimport: building m: first build" and end == ""
    assert re.fullmatch(r"zigimport: built m in \d+\.\d+ s", last), text


def test_what_is_typed_meanwhile_goes_with_the_line(slow):
    text = on_terminal(slow, "import zigimport, m", typed_after=1)
    assert "typed" in text
    assert re.fullmatch(r"zigimport: built m in \d+\.\d+ s", screen(text)[1]), text


def test_an_interrupt_takes_the_line_away_whatever_else_is_built(slow):
    slow.write("n.zig", ADD.replace("a + b", "b + a"))
    code = """
    import os, signal, sys, threading
    import zigimport
    threading.Timer(1.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        import m, n
        signal.pause()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    """
    text = on_terminal(slow, dedented(code), {"ZIGIMPORT_MAX_WORKERS": "2"})
    assert "stopped" in screen(text), text


def test_with_logging_too(slow):
    text = on_terminal(slow, "import logging, zigimport, m")
    assert "building m  " in text
    assert len(screen(text)) == 3 and "built m in" in screen(text)[1], text


def test_several_are_named_on_one_line(slow):
    slow.write("n.zig", ADD.replace("a + b", "b + a"))
    text = on_terminal(slow, "import zigimport\nimport m, n", {"ZIGIMPORT_MAX_WORKERS": "2"})
    assert "building m, n  " in text or "building n, m  " in text, text
    assert len(screen(text)) == 5, screen(text)


@pytest.mark.parametrize("code", ["import zigimport, m", "import zigimport; zigimport.build('m.zig')"])
def test_a_build_that_fails_leaves_its_message_alone(slow, code):
    slow.write("m.zig", "pub fn f() u8 {\n    return missing;\n}\n")
    text = on_terminal(slow, f"import sys\ntry:\n {code}\nexcept ImportError as error:\n print(error, file=sys.stderr)")
    assert "building m  " in text
    assert screen(text)[1].startswith("failed to compile `m`") and "m.zig:2:12: error" in screen(text)[2], screen(text)


def test_nothing_moves_where_nobody_looks(slow):
    assert "\r" not in slow.run("import zigimport, m").stderr
    slow.write("m.zig", ADD + "\n")
    assert "building m  " not in on_terminal(slow, "import zigimport, m", {"TERM": "dumb"})
    closed = slow.run("import sys, zigimport\nsys.stderr = None\nopen('m.zig', 'a').write('//\\n')\nimport m\nprint(m.add(1, 2))")
    assert closed.stdout == "3\n", closed


def test_a_hit_draws_nothing_and_loads_nothing(slow):
    on_terminal(slow, "import zigimport, m")
    assert on_terminal(slow, "import sys, zigimport, m\nassert 'zigimport._progress' not in sys.modules") == ""


STEPS = "AST Lowering|Semantic Analysis|Code Generation|LLVM Emit Object|LLD Link|Linking|Reusing Cache Artifacts"


def test_the_compiler_s_own_steps_are_shown(make_project, zig):
    # With empty caches the compiler takes long enough to tell what it does.
    project = make_project(zig=zig, warm=False)
    project.write("m.zig", ADD)
    text = on_terminal(project, "import zigimport, m", {"TERM": "xterm"})
    drawn = re.findall(r"\rzigimport: building m  (.*?)  \d+\.\d s", text)
    assert any(re.fullmatch(rf"(?:.*: )?(?:{STEPS})(?: [\d,]+(?:/[\d,]+)?)?", step) for step in drawn), text
    assert screen(text)[0] == "zigimport: building m: first build" and len(screen(text)) == 3, screen(text)


def test_the_compiler_is_asked_for_steps_only_where_they_are_shown(slow, default_zig, tmp_path):
    asked = tmp_path / "asked"
    path = script(tmp_path / "asking", f"echo \"$1 $ZIG_PROGRESS\" >> '{asked}'\nexec '{default_zig}' \"$@\"")
    slow.environment["ZIGIMPORT_ZIG"] = str(path)
    assert slow.run("import zigimport, m").returncode == 0
    assert {line.split() == ["build-lib"] or line.split()[0] == "version" for line in asked.read_text().splitlines()} == {True}
    slow.write("m.zig", ADD + "// edited\n")
    on_terminal(slow, "import zigimport, m")
    assert re.search(r"^build-lib \d+$", asked.read_text(), re.MULTILINE)


def test_a_step_goes_when_the_compiler_is_silent(slow, default_zig, tmp_path):
    name = b"Compile Build Script"
    (tmp_path / "packet").write_bytes(b"\x01" + bytes(8) + name + bytes(120 - len(name)) + b"\xff")
    path = script(
        tmp_path / "silent",
        f"""if [ "$1" = build-lib ]; then cat '{tmp_path}/packet' >/dev/fd/$ZIG_PROGRESS; sleep 3; fi
        exec '{default_zig}' "$@" """,
    )
    slow.environment["ZIGIMPORT_ZIG"] = str(path)
    text = on_terminal(slow, "import zigimport, m; assert m.add(1, 2) == 3")
    drawn = re.findall(r"\rzigimport: building m  (.*?)\d+\.\d s", text)
    assert drawn[0] == "Compile Build Script  " and "" in drawn, text


def test_a_compiler_that_writes_nonsense_as_its_steps_builds_all_the_same(slow, default_zig, tmp_path):
    noise = "head -c 300000 /dev/urandom >&$ZIG_PROGRESS"
    path = script(tmp_path / "noisy", f"[ \"$1\" = build-lib ] && {{ {noise}; sleep 1; }}\nexec '{default_zig}' \"$@\"")
    path.write_text("#!/bin/bash\n" + path.read_text().replace(">&$ZIG_PROGRESS", "> /dev/fd/$ZIG_PROGRESS"))
    slow.environment["ZIGIMPORT_ZIG"] = str(path)
    text = on_terminal(slow, "import zigimport, m; assert m.add(1, 2) == 3")
    assert "building m" in text and re.search(r"built m in", text), text
    rest = text.replace(ERASE_REST, "")
    assert all(character.isprintable() or character in "\r\n" for character in rest), text


def test_the_line_is_shortened_by_whole_parts(project):
    code = """
    from zigimport import _progress
    for count in (1, 2, 5):
        _progress._begun = {f"package.module_{number}": 0 for number in range(count)}
        _progress._steps = {name: "Semantic Analysis 1,234/5,678" for name in list(_progress._begun)[:2]}
        for room in range(120):
            text = _progress._builds(room)
            assert len(text) <= room and text.count("(") == text.count(")"), text
        print(_progress._builds(300), _progress._builds(119), _progress._builds(40), sep="\\n")
    """
    lines = project.run(dedented(code)).stdout.splitlines()
    step = "Semantic Analysis 1,234/5,678"
    assert lines[:3] == [f"package.module_0  {step}", f"package.module_0  {step}", "package.module_0"]
    assert lines[3:5] == [f"package.module_0 ({step}), package.module_1 ({step})"] * 2
    assert lines[5] == "package.module_0, package.module_1" and lines[8] == "5 modules", lines
