"""The examples in the documentation: each block of Zig is compiled, and each line of the
block of Python below it must give what its comment says. The guides are carried out."""

import json
import platform
import re
import subprocess
import sys

import pytest

from conftest import HANG_SECONDS, ROOT, script

#: Evaluates the lines of a Python block; a line is a statement, or an expression with an
#: optional comment, which is its `repr`, or the exception that it raises; a line that is a
#: comment alone is a signature.
EVALUATE = '''
import array, importlib, inspect, json, re, sys
import zigimport
name, lines = sys.argv[1], json.loads(sys.argv[2])
names = {"array": array.array, "zigimport": zigimport}
module = importlib.import_module(name)
names.update((key, value) for key, value in vars(module).items() if not key.startswith("__"))


def outcome(expression):
    """Returns all that a comment may say of an expression."""
    shown = re.fullmatch(r"help\\((.*)\\)", expression)
    if shown:
        function = eval(shown.group(1), names)
        return [f"{function.__name__}{inspect.signature(function)}  {function.__doc__}"]
    try:
        value = eval(expression, names)
    except Exception as error:
        class_ = type(error)
        known = [class_.__name__, f"{class_.__module__}.{class_.__name__}"]
        return [*known, *(f"{one}: {error}" for one in known)]
    return [repr(value)]


wrong = []
for line in lines:
    expression, _, comment = (part.strip() for part in line.partition("# "))
    signature = re.fullmatch(r"(\\w+)(\\(.*\\))", comment)
    if not expression and signature:
        found = str(inspect.signature(names[signature[1]]))
        if found != signature[2]:
            wrong.append([line, found])
        continue
    try:
        compile(expression, line, "eval")
    except SyntaxError:
        exec(expression, names)
        continue
    found = outcome(expression)
    if comment and comment not in found:
        wrong.append([line, found])
assert not wrong, wrong
'''


def examples_of(document):
    """The blocks of Zig in a document, each with the lines of the block of Python below it."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    found = []
    for (language, source), (next_language, code) in zip(blocks, [*blocks[1:], ("", "")]):
        if language == "zig":
            found.append((source, code.splitlines() if next_language == "python" else []))
    return found


EXAMPLES = [
    pytest.param(source, lines, id=f"{document}-{number}")
    for document in ("README.md", "docs/types.md")
    for number, (source, lines) in enumerate(examples_of(document), 1)
]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4 and sum(len(example.values[1]) for example in EXAMPLES) >= 10


@pytest.mark.parametrize(("source", "lines"), EXAMPLES)
def test_an_example_does_what_it_says(make_project, zig, source, lines):
    project = make_project(zig=zig)
    named = re.match(r"// (\w+)\.zig\n", source)
    name = named.group(1) if named else "m"
    project.write(f"{name}.zig", source)
    project.write("evaluate.py", EVALUATE)
    ran = project.execute("evaluate.py", name, json.dumps([line for line in lines if line.strip()]))
    assert ran.returncode == 0, ran
    assert project.imports(name, "dict(module.__zigimport_skipped__)").value == {}


# Guides: files, and sessions at a shell, in the order in which they stand.

GUIDES = ("developer.md", "plan.md", "sandbox.md")


def blocks_of(document):
    """The blocks of a document, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


def commands_of(session):
    """The commands of a session, each with what has to come of it."""
    command, output = None, []
    for line in [*session.splitlines(), "$ "]:
        if line.startswith("$ "):
            if command is not None:
                yield command, output
            command, output = line[2:], []
        else:
            output.append(line)


def pattern_of(lines):
    """A pattern for an output in which `…` is any text, and alone on its line any lines."""
    parts = [r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines]
    return "".join(parts)


def shell(project, folder):
    """Returns what runs a command as the reader's shell does: the folder and the variables of one
    hold for the next."""
    programs = project.root.parent / "programs"
    programs.mkdir()
    script(programs / "python", f"exec '{project.python}' \"$@\"")
    script(programs / "zigimport", f"exec '{project.python}' -m zigimport \"$@\"")
    environment = {**project.environment, "PATH": f"{programs}:{project.environment['PATH']}", "PYTHONUNBUFFERED": "1"}
    state = project.root.parent / "state"

    def run(command):
        restore = f". '{state}'; " if state.exists() else ""
        keep = f"; code=$?; {{ export -p; echo \"cd '$PWD'\"; }} > '{state}'; exit $code"
        ran = subprocess.run(
            ["/bin/sh", "-c", f"{restore}{command}\n{keep.lstrip('; ')}"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANG_SECONDS,
        )
        return ran.stdout.decode()

    return run


@pytest.mark.parametrize("document", GUIDES)
def test_a_guide_does_what_it_says(project, document):
    if platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("the outputs are those of x86_64 Linux")
    run = shell(project, project.root)
    commands = 0
    for language, text in blocks_of(f"docs/{document}"):
        named = re.match(r"(?://|#) (\w+\.(?:zig|py))\n", text)
        if language in ("zig", "python") and named:
            project.write(named[1], text)
        elif language == "console":
            for command, expected in commands_of(text):
                output = run(command)
                assert re.fullmatch(pattern_of(expected), output), f"{document}: $ {command}\n{output}"
                commands += 1
    assert commands >= 5
