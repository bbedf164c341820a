"""Fixtures: a project folder, a store and real processes.

Every check of an import starts a new process of an interpreter in which little
but the wheel is installed; `environments.py` made these interpreters. A process
gets the environment that is stated here and nothing of the test run's own.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BINDING = Path(__file__).resolve().parent / "binding"
DESCRIPTION = ROOT / "target" / "test-environments" / "environments.json"
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
ZIGS = ("0.15", "0.16", "0.17")
#: The line that tests use which are not about the compiler's version.
DEFAULT_ZIG = "0.16"
#: A process that takes this long hangs; no test depends on how long one takes.
HANG_SECONDS = 600

# What runs the tests in the background may ignore signals, and what is ignored stays so in
# every process below: an interrupt would end nothing.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

#: The smallest module: enough to see that an import worked.
ADD = "pub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\n"

#: Imports a module, and describes the result or the exception as JSON.
IMPORT = """
import importlib, json, sys
import zigimport
name, expression = sys.argv[1:]
try:
    module = importlib.import_module(name)
except BaseException as error:
    answer = {
        "error": type(error).__name__,
        "message": str(error),
        "classes": [one.__name__ for one in type(error).__mro__],
        "name": getattr(error, "name", None),
        "path": getattr(error, "path", None),
        "hint": getattr(error, "hint", None),
        "exit_code": getattr(error, "exit_code", None),
        "diagnostics": [
            [one.severity, one.path, one.line, one.column, one.message]
            for one in getattr(error, "diagnostics", [])
        ],
    }
else:
    answer = {"value": eval(expression, {"module": module, "sys": sys, "zigimport": zigimport})}
print(json.dumps(answer))
"""


class Result:
    """How a process ended, and what it wrote."""

    def __init__(self, returncode, stdout, stderr):
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self):
        return f"<exit code {self.returncode}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}>"

    @property
    def builds(self):
        """The modules that were built, in order, each as often as it was."""
        return re.findall(r"^zigimport: building (\S+?)(?: for [^:]+)?:", self.stderr, re.MULTILINE)

    @property
    def reasons(self):
        """Why each of them was built."""
        return re.findall(r"^zigimport: building [^:]+: (.*)$", self.stderr, re.MULTILINE)

    @property
    def json(self):
        """The JSON document on standard output."""
        return json.loads(self.stdout)


class Imported(Result):
    """An import that succeeded: ``value`` is what the expression gave."""

    def __init__(self, result):
        super().__init__(result.returncode, result.stdout, result.stderr)
        assert result.returncode == 0, result
        answer = result.json
        assert "value" in answer, f"{answer['error']}: {answer['message']}\n{result.stderr}"
        self.value = answer["value"]


class Failed(Result):
    """An import that raised: what the exception says of itself."""

    def __init__(self, result):
        super().__init__(result.returncode, result.stdout, result.stderr)
        assert result.returncode == 0, result
        answer = result.json
        assert "error" in answer, f"the import succeeded: {result}"
        self.error = answer["error"]
        self.message = answer["message"]
        self.classes = answer["classes"]
        self.name = answer["name"]
        self.path = answer["path"]
        self.hint = answer["hint"]
        self.exit_code = answer["exit_code"]
        self.diagnostics = answer["diagnostics"]


class Project:
    """A folder with sources, and processes that import them.

    ``root`` is the folder, ``python`` the interpreter, ``environment`` all
    that a process gets to know. A variable that is set to ``None`` in the
    ``env`` of a call is left out there.
    """

    def __init__(self, root, python, environment):
        self.root = root
        self.python = python
        self.environment = environment
        self.processes = []

    @property
    def store(self):
        """The folder of the cache."""
        return Path(self.environment["ZIGIMPORT_BUILD_DIR"])

    def write(self, path, content):
        """Writes a file, text or bytes, with the folders above it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        target.write_bytes(content)
        return target

    def start(self, *arguments, python=None, **keywords):
        """Starts a Python process; whoever calls this waits for it."""
        return self.start_under([], *arguments, python=python, **keywords)

    def start_under(self, command, *arguments, env=None, cwd=None, python=None, **keywords):
        """Starts a Python process as the argument of another program."""
        environment = {**self.environment, **(env or {})}
        process = subprocess.Popen(
            [str(part) for part in (*command, python or self.python, *arguments)],
            cwd=cwd or self.root,
            env={name: str(value) for name, value in environment.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **keywords,
        )
        self.processes.append(process)
        return process

    def execute(self, *arguments, **keywords):
        """Runs a Python process with these arguments to its end."""
        return finish(self.start(*arguments, **keywords))

    def run(self, code, *arguments, **keywords):
        """Runs Python code."""
        return self.execute("-c", code, *arguments, **keywords)

    def cli(self, *arguments, **keywords):
        """Runs the command line program."""
        return self.execute("-m", "zigimport", *arguments, **keywords)

    def imports(self, name, expression="None", **keywords):
        """Imports a module in a new process and evaluates an expression over
        ``module``; fails unless both succeed."""
        return Imported(self.run(IMPORT, name, expression, **keywords))

    def fails(self, name, **keywords):
        """Imports a module in a new process; fails unless that raises."""
        return Failed(self.run(IMPORT, name, "None", **keywords))

    def start_import(self, name, expression="None", **keywords):
        """Starts an import without waiting for it."""
        return self.start("-c", IMPORT, name, expression, **keywords)

    def stored(self, bucket):
        """The files in a bucket of the store, such as ``objects``."""
        return sorted(path for path in self.store.glob(f"{bucket}-v*/**/*") if path.is_file())

    def the_stored(self, bucket):
        """The only file in a bucket."""
        (path,) = self.stored(bucket)
        return path


def finish(process):
    """Waits for a process that `Project.start` started."""
    try:
        stdout, stderr = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"hangs: {process.args}")
    return Result(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


class WrappedZig:
    """A program in front of a compiler that writes down how it is called."""

    def __init__(self, folder, zig):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "zig"
        self.log = folder / "zig.log"
        self.zig = zig
        self.first("")

    def first(self, commands):
        """Lets it run shell commands before the compiler."""
        script(self.path, f"echo \"$@\" >> '{self.log}'\n{commands}\nexec '{self.zig}' \"$@\"")

    def then(self, commands):
        """Lets it run shell commands after the compiler."""
        body = f"echo \"$@\" >> '{self.log}'\n'{self.zig}' \"$@\"\nstatus=$?\n{commands}\nexit $status"
        script(self.path, body)

    @property
    def calls(self):
        """One line of arguments for each call."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def compiles(self):
        """The calls that compile a module."""
        return [call for call in self.calls if call.split()[0] in ("build-lib", "build")]


def run_zig(project, line, *arguments, folder="."):
    """Runs the compiler as a user would, with the cache that the tests of our own Zig files have:
    each line compiles its build system into it once, which takes Zig 0.17 minutes."""
    caches = ROOT / "target/zig-tests" / line / "global"
    environment = {
        **project.environment,
        "ZIG_GLOBAL_CACHE_DIR": str(caches),
        "ZIG_LOCAL_CACHE_DIR": str(project.root.parent / "zig-cache"),
    }
    command = [environment["ZIGIMPORT_ZIG"], *arguments]
    return subprocess.run(command, cwd=project.root / folder, env=environment, capture_output=True, text=True)


def dedented(code):
    """Removes the indentation of a block of Python code."""
    return textwrap.dedent(code)


def script(path, body):
    """Writes a program for ``/bin/sh``."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def backdate(path, modified_ns):
    """Sets the time of the last change of a file's content."""
    os.utime(path, ns=(modified_ns, modified_ns))


@pytest.fixture(scope="session")
def environments():
    """What `environments.py` made: ``pythons``, ``zigs``, ``main``, ``missing``."""
    if not DESCRIPTION.is_file():
        pytest.exit("run `python3 tests/environments.py --wheel WHEEL` first", returncode=3)
    return json.loads(DESCRIPTION.read_text())


@pytest.fixture(params=ZIGS, ids=lambda line: f"zig{line}")
def zig(request):
    """Each supported line of Zig."""
    return request.param


@pytest.fixture(params=PYTHONS, ids=lambda version: f"py{version}")
def python(request, environments):
    """Each supported version of CPython."""
    if request.param not in environments["pythons"]:
        pytest.skip(f"CPython {request.param} is not on this machine")
    return request.param


@pytest.fixture(scope="session")
def warm_caches(environments, tmp_path_factory):
    """Returns the compiler's caches after one small build, by line of Zig.

    They are copied into the store of each test, so that a test does not pay
    for the compiler's own runtime again: the module calls it.
    """
    made = {}

    def caches(line):
        if line not in made:
            root = tmp_path_factory.mktemp(f"warm-{line}")
            project = Project(root, environments["pythons"][environments["main"]], {})
            project.environment = base_environment(root, environments["zigs"][line], root / "store")
            project.write("warm.zig", "pub fn half(a: i128) i128 {\n    return @divTrunc(a, 2);\n}\n")
            project.imports("warm")
            (made[line],) = project.store.glob("zig-v*")
        return made[line]

    return caches


@pytest.fixture(scope="session")
def project_store(environments, tmp_path_factory):
    """One store for every project module, with the build system of each Zig."""
    store = tmp_path_factory.mktemp("projects") / "store"
    store.mkdir(mode=0o700)
    for line in environments["build_systems"]:
        add_build_system(environments, line, store)
    return store


def add_build_system(environments, line, store):
    """Gives a store the compiled form of Zig's build system, which is made once for all tests."""
    made = Path(environments["build_systems"][line])
    folder = store / made.parent.parent.name / made.parent.name / made.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, folder, copy_function=link_or_copy)


def link_or_copy(source, target):
    """Makes a second name for a file that nobody writes to, or a copy on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_terminal(ours):
    """Reads our end of a terminal until the other one is closed, and closes it."""
    text = b""
    while select.select([ours], [], [], HANG_SECONDS)[0]:
        try:
            part = os.read(ours, 4096)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        text += part
    os.close(ours)
    return text


def base_environment(home, zig, store):
    """All variables that a process gets."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "ZIGIMPORT_ZIG": str(zig),
        "ZIGIMPORT_BUILD_DIR": str(store),
    }


@pytest.fixture
def make_project(environments, warm_caches, tmp_path):
    """Makes projects: ``make_project(name, zig=LINE, python=VERSION, store=PATH, warm=True)``.

    A store that is not there yet gets the compiler's own caches, unless
    ``warm`` is false, and is removed after the test.
    """
    stores = []
    projects = []

    def make(name="project", *, zig=DEFAULT_ZIG, python=None, store=None, warm=True):
        root = tmp_path / name
        home = tmp_path / "home"
        for folder in (root, home):
            folder.mkdir(parents=True, exist_ok=True)
        store = store or tmp_path / f"store-{len(stores)}"
        if not store.exists():
            stores.append(store)
            if warm:
                store.mkdir(mode=0o700, parents=True)
                caches = warm_caches(zig)
                shutil.copytree(caches, store / caches.name)
                if zig == "0.17":
                    add_build_system(environments, zig, store)
        interpreter = environments["pythons"][python or environments["main"]]
        projects.append(Project(root, interpreter, base_environment(home, environments["zigs"][zig], store)))
        return projects[-1]

    yield make
    for process in (process for project in projects for process in project.processes):
        if process.poll() is None:  # Of a test that failed.
            process.kill()
            process.communicate()
    for store in stores:
        make_writable(store)
        shutil.rmtree(store, ignore_errors=True)


def make_writable(folder):
    """Lets everything below a folder be removed."""
    for path, folders, _ in os.walk(folder):
        for one in (path, *(os.path.join(path, name) for name in folders)):
            os.chmod(one, 0o700)


def checks_of(name):
    """The names of the checks in a file of `tests/binding`."""
    return re.findall(r"^def (check_\w+)", (BINDING / name).read_text(), re.MULTILINE)


@pytest.fixture(scope="session")
def binding_project(environments, warm_caches, tmp_path_factory):
    """Returns a project with the files of `tests/binding` for a line of Zig; its store is
    shared, because every check is about the same artifacts."""
    made = {}

    def project(line):
        if line not in made:
            root = tmp_path_factory.mktemp(f"binding-{line}") / "project"
            shutil.copytree(BINDING, root, ignore=shutil.ignore_patterns("__pycache__"))
            store = root.parent / "store"
            store.mkdir(mode=0o700)
            caches = warm_caches(line)
            shutil.copytree(caches, store / caches.name)
            environment = base_environment(root.parent, environments["zigs"][line], store)
            made[line] = Project(root, environments["pythons"][environments["main"]], environment)
        return made[line]

    return project


def needs(environments, python, package):
    """Skips a test for which a package is missing that not every platform has."""
    if f"{package} for CPython {python}" in environments["missing"]:
        pytest.skip(f"{package} cannot be installed for CPython {python}")


@pytest.fixture
def project(make_project):
    """A project with a new store, the default Zig and the main interpreter."""
    return make_project()


@pytest.fixture
def store(project):
    """The store of ``project``."""
    return project.store


@pytest.fixture
def default_zig(environments):
    """Path of the compiler that ``project`` uses."""
    return environments["zigs"][DEFAULT_ZIG]


@pytest.fixture
def wrapped_zig(project, default_zig, tmp_path):
    """Puts a `WrappedZig` in front of the compiler of ``project``."""
    wrapped = WrappedZig(tmp_path / "wrapped", default_zig)
    project.environment["ZIGIMPORT_ZIG"] = str(wrapped.path)
    return wrapped


def interrupt(process):
    """Sends what Ctrl-C sends."""
    process.send_signal(signal.SIGINT)


def normal(folder, path):
    """A path of bytes in a folder, without `.` and `..`."""
    return Path(os.path.normpath(folder / os.fsdecode(path)))


#: What tests measured, for the closing lines.
CLOSING = []


def pytest_terminal_summary(terminalreporter):
    """Prints what was measured, and names what this machine lacks."""
    for line in CLOSING:
        terminalreporter.write_line(line)
    if not DESCRIPTION.is_file():
        return
    for missing in json.loads(DESCRIPTION.read_text())["missing"]:
        terminalreporter.write_line(f"not tested: {missing} is not on this machine")
