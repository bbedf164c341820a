"""``ZIGIMPORT_REMOTE_EXECUTOR``: the compiler runs on a server of the Remote Execution API.

The server is `reapi_server.py`, which really executes. What it does is seen in its log, and
that nothing ran here in ``ZIGIMPORT_NATIVE=never`` and the audit log.
"""

import base64
import json
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import ADD, DEFAULT_ZIG, ROOT, finish, interrupt

SERVER = Path(__file__).resolve().parent / "reapi_server.py"
PARTS = 'const part = @import("parts/part.zig");\npub fn add(a: i64, b: i64) i64 {\n    return part.plus(a, b);\n}\n'
PLUS = "pub fn plus(a: i64, b: i64) i64 {\n    return a + b;\n}\n"
NEVER = {"ZIGIMPORT_NATIVE": "never"}


class Server:
    """A process of `reapi_server.py`."""

    def __init__(self, python, zig, control, *options):
        control.mkdir()
        self.control = control
        self.log_path = control / "log"
        self.log_path.touch()
        command = [python, str(SERVER), "--zig", str(Path(zig).parent), "--control", str(control), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def url(self, before="", after=""):
        return f"grpc://{before}127.0.0.1:{self.port}{after}"

    def fault(self, word):
        """Lets it do something wrong."""
        (self.control / "fault").write_text(word)

    def mend(self):
        (self.control / "fault").unlink()

    def log(self):
        return self.log_path.read_text().splitlines()

    def runs(self):
        """The compiles that it ran."""
        return [line for line in self.log() if line.startswith("run zig build-lib")]

    def wait_for(self, process, word):
        """Waits until the log has a line, as long as a process runs that leads to it."""
        while word not in self.log():
            assert process.poll() is None, process.communicate()
            select.select([], [], [], 0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start_server(environments, tmp_path, warm_caches):
    """Starts servers: ``start_server(*options, zig=LINE)``."""
    if environments.get("reapi") is None or "the network clients" in environments["missing"]:
        pytest.skip("the server or the client of remote execution is not on this machine")
    servers = []

    def start(*options, zig=DEFAULT_ZIG, warm=True):
        control = tmp_path / f"server-{len(servers)}"
        if warm:
            (cache,) = warm_caches(zig).glob("*/global")
            options = (*options, "--cache", str(cache))
        servers.append(Server(environments["reapi"], environments["zigs"][zig], control, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server):
    """A server with the compiler of ``project``."""
    return start_server()


@pytest.fixture
def remote(make_project, server):
    """A project that is compiled there and may start no process."""
    project = make_project("remote", warm=False)
    project.environment.update(ZIGIMPORT_REMOTE_EXECUTOR=server.url(), **NEVER)
    project.write("m.zig", PARTS)
    project.write("parts/part.zig", PLUS)
    return project


@pytest.fixture
def either(project, server):
    """A project that is compiled there if that works, else here."""
    project.environment.update(ZIGIMPORT_REMOTE_EXECUTOR=server.url())
    project.write("m.zig", ADD)
    return project


def compiled_here(result, *words):
    """The module works, after one warning with these words."""
    assert result.value == 3 and result.builds[-1] == "m"
    warnings = [line for line in result.stderr.splitlines() if "compiling on this machine" in line]
    assert len(warnings) == 1, result.stderr
    assert all(word in result.stderr for word in words), result.stderr
    return True


def test_the_compiler_runs_there_and_nothing_here(remote, server, tmp_path):
    log = tmp_path / "audit.log"
    result = remote.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_AUDIT_LOG": log})
    assert result.value == 3 and "built m remotely in" in result.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["execute", "publish", "load"]
    assert events[0]["arguments"][:2] == ["zig", "build-lib"] and not events[0]["cached"]
    assert len(server.runs()) == 1
    # What is cached here needs nobody.
    server.kill()
    again = remote.imports("m", "[module.add(1, 2), module.__zigimport__.zig_version]")
    assert again.value == [3, "0.16.0"] and again.stderr == ""


def test_each_line_of_zig(make_project, start_server, zig):
    server = start_server(zig=zig, warm=False)
    project = make_project(zig=zig, warm=False)
    project.environment.update(ZIGIMPORT_REMOTE_EXECUTOR=server.url(), **NEVER)
    project.write("m.zig", PARTS)
    project.write("parts/part.zig", PLUS)
    assert project.imports("m", "module.add(1, 2)").value == 3
    project.write("parts/part.zig", "pub fn plus(a: i64, b: i64) i64 {\n    return a + b + c;\n}\n")
    failed = project.fails("m")
    assert [one[:4] for one in failed.diagnostics] == [["error", str(project.root / "parts/part.zig"), 2, 20]]


@pytest.mark.parametrize("zig", ["0.15", "0.16"])
def test_a_module_that_translates_a_header(make_project, start_server, zig):
    server = start_server(zig=zig)
    project = make_project(zig=zig, warm=False)
    project.environment.update(ZIGIMPORT_REMOTE_EXECUTOR=server.url(), **NEVER)
    project.write("three.h", "#define THREE 3\n")
    project.write("m.zig", 'const c = @cImport(@cInclude("three.h"));\npub fn three() i64 {\n    return c.THREE;\n}\n')
    assert project.imports("m", "module.three()").value == 3
    assert len(server.runs()) == 1


def test_what_was_executed_for_others_is_not_executed_again(remote, server, make_project):
    remote.imports("m")
    other = make_project("elsewhere/below", warm=False)
    other.environment.update(ZIGIMPORT_REMOTE_EXECUTOR=server.url(), **NEVER)
    other.write("m.zig", PARTS)
    other.write("parts/part.zig", PLUS)
    result = other.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_VERBOSE": "1"})
    assert result.value == 3 and "which had it already" in result.stderr
    assert server.log()[-1] == "cached" and len(server.runs()) == 1
    forced = other.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_FORCE_REBUILD": "1"})
    assert forced.value == 3 and len(server.runs()) == 2 and "execute fresh" in server.log()


@pytest.mark.parametrize(
    "files",
    [
        {"m.zig": "pub fn n(a: i64) i64 {\n    return a + c;\n}\n"},
        {"m.zig": PARTS, "parts/part.zig": "pub fn plus(a: i64, b: i64) bool {\n    return a + b;\n}\n"},
        {"m.zig": "pub fn f(\n"},
        {"m.zig": 'const data = @embedFile("data.txt");\npub fn f() u8 {\n    return data[9];\n}\n', "data.txt": "short"},
        {"m.zig": "const x = 1;\n"},
    ],
    ids=["name", "type in a part", "syntax", "comptime", "nothing to export"],
)
def test_errors_are_those_of_a_local_compile(make_project, server, files):
    failures = []
    for name, environment in [("one", {}), ("two", {"ZIGIMPORT_REMOTE_EXECUTOR": server.url(), **NEVER})]:
        project = make_project(name)
        for path, text in files.items():
            project.write(path, text)
        failed = project.fails("m", env=environment)
        text = [failed.error, failed.message, failed.hint, failed.exit_code, failed.diagnostics]
        failures.append(json.dumps(text).replace(str(project.root), "ROOT"))
    assert failures[0] == failures[1]
    assert len(server.runs()) == 1


def test_everything_that_a_module_is_made_of_is_sent(remote, server):
    """Embedded files, one too large for a batch; C sources with headers in a folder beside the
    project, flags and a macro; a package with its submodule."""
    root = "pkg/inner"
    remote.write(f"{root}/pyproject.toml", "")
    remote.write(f"{root}/big.bin", b"\x07" * (2 << 20))
    remote.write("pkg/shared/three.h", "#define THREE 3\n")
    remote.write(f"{root}/c/fast.c", '#include "three.h"\nint three(void) { return THREE + EXTRA; }\n')
    remote.write(
        f"{root}/whole.zig",
        "//! zigimport: c-sources = c/fast.c\n//! zigimport: c-flags = -DEXTRA=4 -I../shared\n"
        'const data = @embedFile("big.bin");\nextern fn three() c_int;\n'
        "pub fn sum() i64 {\n    return three() + @as(i64, data[1 << 20]) + @as(i64, data.len);\n}\n",
    )
    path = {"ZIGIMPORT_INCLUDE_PATHS": remote.root / root}
    assert remote.imports("whole", "module.sum()", env=path).value == 7 + 7 + (2 << 20)
    assert "took a stream" in server.log()
    remote.write("package/__init__.zig", 'pub const part = @import("part.zig");\npub fn one() i64 {\n    return 1;\n}\n')
    remote.write("package/part.zig", "pub fn two() i64 {\n    return 2;\n}\n")
    assert remote.imports("package", "[module.one(), module.part.two()]").value == [1, 2]


def test_a_module_with_its_own_init_function(remote, server):
    remote.write(
        "own.zig",
        "extern fn PyLong_FromLong(value: c_long) ?*anyopaque;\n"
        "extern fn PyModule_Create2(definition: *Definition, version: c_int) ?*anyopaque;\n"
        "extern fn PyModule_AddObject(module: ?*anyopaque, name: [*:0]const u8, value: ?*anyopaque) c_int;\n"
        "const Definition = extern struct {\n"
        "    base: extern struct { refcount: isize = 1, type: ?*anyopaque = null, init: ?*anyopaque = null,"
        " index: isize = 0, copy: ?*anyopaque = null } = .{},\n"
        '    name: [*:0]const u8 = "own",\n    doc: ?*anyopaque = null,\n    size: isize = -1,\n'
        "    rest: [5]?*anyopaque = @splat(null),\n};\nvar definition: Definition = .{};\n"
        "export fn PyInit_own() ?*anyopaque {\n"
        "    const module = PyModule_Create2(&definition, 1013) orelse return null;\n"
        '    if (PyModule_AddObject(module, "seven", PyLong_FromLong(7)) < 0) return null;\n    return module;\n}\n',
    )
    assert remote.imports("own", "module.seven").value == 7
    assert len(server.runs()) == 1


def test_targets(remote, server):
    targets = ["aarch64-linux-gnu", "aarch64-macos", "x86_64-windows", "s390x-linux-gnu"]
    arguments = [part for target in targets for part in ("--target", target)]
    built = remote.cli("build", "m.zig", *arguments, "--output-dir", "out")
    assert built.returncode == 0, built
    assert len(server.runs()) == len(targets)
    starts = sorted(path.read_bytes()[:2] for path in (remote.root / "out").rglob("m*") if path.is_file())
    assert starts == [b"MZ", b"\x7fE", b"\x7fE", b"\xcf\xfa"]


def test_a_plan_knows_what_may_be_built_there(remote):
    remote.write("project/build.zig", "pub fn build(b: *@import(\"std\").Build) void {\n    _ = b;\n}\n")
    planned = remote.cli("plan", "--explain", "m.zig")
    assert planned.returncode == 0 and "-Muser=m.zig" in planned.stdout
    assert f"\nexecutor: {remote.environment['ZIGIMPORT_REMOTE_EXECUTOR']}\n" in planned.stdout
    failed = remote.fails("project")
    assert failed.error == "ZigNotFoundError" and "a build.zig runs where it lies" in failed.message
    for native in ("never", "sandbox-required"):
        failed = remote.fails("m", env={"ZIGIMPORT_DEBUG_INFO": "1", "ZIGIMPORT_NATIVE": native})
        assert "debug information names the files" in failed.message and native in failed.message
        assert "push it to a shared cache" in failed.hint and "pip install" not in failed.hint
    assert "executor" in remote.cli("info").stdout
    sandboxed = remote.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_NATIVE": "sandbox-required"})
    assert sandboxed.value == 3


def test_a_zig_whose_version_has_to_be_asked(remote, tmp_path):
    program = tmp_path / "switch"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    failed = remote.fails("m", env={"ZIGIMPORT_ZIG": program})
    assert "forbids asking" in failed.message and "unset ZIGIMPORT_ZIG" in failed.hint


def test_what_is_built_here_says_why(either, server):
    result = either.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_DEBUG_INFO": "1", "ZIGIMPORT_VERBOSE": "1"})
    assert result.value == 3 and server.log() == []
    assert result.stderr.count("compiled on this machine and not on grpc://127.0.0.1") == 1


def test_an_executor_that_is_not_there(either, server):
    server.kill()
    either.write("n.zig", ADD)
    url = server.url("me:secret@", "/main")
    code = "import zigimport, m, n; print(m.add(1, 2) + n.add(1, 2))"
    result = either.run(code, env={"ZIGIMPORT_REMOTE_EXECUTOR": url})
    assert result.returncode == 0 and result.stdout == "6\n" and set(result.builds) == {"m", "n"}
    shown = f"grpc://…@127.0.0.1:{server.port}/main"
    assert result.stderr.count(shown) == 1 and "compiling on this machine" in result.stderr
    # Whichever asked first: both are built at once.
    assert any(f"failed to compile `{name}` on the executor {shown}" in result.stderr for name in "mn"), result
    assert "secret" not in result.stderr + either.cli("info", env={"ZIGIMPORT_REMOTE_EXECUTOR": url}).stdout
    either.write("m.zig", ADD + "// Edited.\n")
    for native in ("never", "sandbox-required"):
        failed = either.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": url, "ZIGIMPORT_NATIVE": native})
        assert failed.error == "ZigNotFoundError" and shown in failed.message and failed.exit_code == 3
        assert "secret" not in failed.message + failed.stderr and "ZIGIMPORT_REMOTE_EXECUTOR" in failed.hint


def test_an_executor_that_never_answers(either):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"grpc://127.0.0.1:{hole.getsockname()[1]}"
        result = either.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_REMOTE_EXECUTOR": url})
    assert compiled_here(result, "did not say what it is capable of within")


def test_an_executor_that_ends_in_the_middle(either, server):
    server.fault("die")
    assert compiled_here(either.imports("m", "module.add(1, 2)"), "the server failed to execute")


def test_an_executor_that_takes_too_long(either, start_server):
    server = start_server("--token", "Bearer token")
    server.fault("hang")
    environment = {"ZIGIMPORT_REMOTE_EXECUTOR": server.url("token@"), "ZIGIMPORT_LOCK_TIMEOUT": "2"}
    result = either.imports("m", "module.add(1, 2)", env=environment)
    assert compiled_here(result, "it did not finish within 2 s (ZIGIMPORT_LOCK_TIMEOUT)")
    assert "cancelled" in server.log()


def test_what_names_no_source_is_the_worker_s_fault(either, server):
    server.fault("broken")
    assert compiled_here(either.imports("m", "module.add(1, 2)"), "it is broken")
    either.write("m.zig", ADD + "// Edited.\n")
    failed = either.fails("m", env=NEVER)
    assert failed.error == "ZigNotFoundError" and "grpc://127.0.0.1" in failed.message


@pytest.mark.parametrize(("fault", "words"), [("corrupt", "of digest"), ("garbage", "is no library for")])
def test_a_library_that_is_none_is_not_loaded(either, server, fault, words):
    server.fault(fault)
    assert compiled_here(either.imports("m", "module.add(1, 2)"), words)
    either.write("m.zig", ADD + "// Edited.\n")
    failed = either.fails("m", env=NEVER)
    assert failed.error == "ZigNotFoundError" and words in failed.message
    server.mend()
    assert either.imports("m", "module.add(1, 2)", env=NEVER).value == 3


def test_what_the_server_lost_is_made_or_sent_again(remote, server, make_project):
    remote.imports("m")
    other = make_project("other", warm=False)
    other.environment.update(remote.environment, ZIGIMPORT_BUILD_DIR=str(other.store))
    other.write("m.zig", PARTS)
    other.write("parts/part.zig", PLUS)
    server.fault("forget")
    assert other.imports("m", "module.add(1, 2)").value == 3
    assert len(server.runs()) == 2
    server.fault("refuse")
    other.write("parts/part.zig", PLUS.replace("a + b", "b + a"))
    assert other.imports("m", "module.add(1, 2)").value == 3
    assert len(server.runs()) == 3


def test_a_worker_with_another_version(remote, start_server):
    other = start_server(zig="0.15")
    failed = remote.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": other.url()})
    assert failed.error == "ZigNotFoundError" and failed.exit_code == 3
    assert "have Zig 0.15.2" in failed.message and "Zig 0.16.0" in failed.message
    # It is said even where the compiler may run here: the workers are to be mended.
    failed = remote.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": other.url(), "ZIGIMPORT_NATIVE": "auto"})
    assert "have Zig 0.15.2" in failed.message


def test_a_worker_without_a_compiler(remote, environments, start_server, tmp_path):
    server = start_server()
    server.kill()
    empty = tmp_path / "empty"
    empty.mkdir()
    without = Server(environments["reapi"], empty / "zig", tmp_path / "server-without")
    try:
        failed = remote.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": without.url()})
    finally:
        without.kill()
    assert "exit code 127" in failed.message and "zig: not found" in failed.message


def test_two_processes_compile_once(remote, server):
    server.fault("wait")
    first = remote.start_import("m", "module.add(1, 2)")
    server.wait_for(first, "execute")
    second = remote.start_import("m", "module.add(1, 2)")
    server.mend()
    for process in (first, second):
        assert json.loads(finish(process).stdout)["value"] == 3
    assert len(server.runs()) == 1


def test_an_edit_while_it_compiles_is_seen(remote, server):
    server.fault("wait")
    process = remote.start_import("m", "module.add(1, 2)")
    server.wait_for(process, "execute")
    remote.write("parts/part.zig", PLUS.replace("a + b", "a - b"))
    server.mend()
    result = finish(process)
    assert json.loads(result.stdout)["value"] == -1 and "changed during the build" in result.stderr
    assert len(server.runs()) == 2


def test_an_interrupt_cancels(remote, server):
    server.fault("hang")
    process = remote.start("-c", "import zigimport, m")
    server.wait_for(process, "execute")
    interrupt(process)
    result = finish(process)
    assert result.returncode == -signal.SIGINT and "KeyboardInterrupt" in result.stderr
    while "cancelled" not in server.log():
        assert server.process.poll() is None
        select.select([], [], [], 0.02)
    server.mend()
    assert remote.imports("m", "module.add(1, 2)").value == 3


@pytest.mark.parametrize("credentials", ["me:word", "token"])
def test_credentials(remote, start_server, credentials):
    basic = "Basic " + base64.b64encode(credentials.encode()).decode()
    header = basic if ":" in credentials else "Bearer " + credentials
    server = start_server("--token", header)
    failed = remote.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": server.url()})
    assert "who are you?" in failed.message
    url = server.url(credentials + "@", "/?OSFamily=linux")
    result = remote.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_REMOTE_EXECUTOR": url, "ZIGIMPORT_VERBOSE": "1"})
    assert result.value == 3 and "…@127.0.0.1" in result.stderr and credentials not in result.stderr


def test_a_file_that_only_the_compiler_knows_is_compiled_here(either, server):
    either.write("data.txt", "abc")
    reason = "it names a file by an expression"
    either.write("m.zig", 'const data = @embedFile("da" ++ "ta.txt");\npub fn add(a: i64, b: i64) i64 {\n    return a + b + data.len - 3;\n}\n')
    failed = either.fails("m", env=NEVER)
    assert failed.error == "ZigNotFoundError" and reason in failed.message
    assert reason in either.cli("plan", env=NEVER).stdout
    result = either.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_VERBOSE": "1"})
    assert result.value == 3 and reason in result.stderr and server.log() == []
    either.write("n.zig", ADD)
    assert "built n remotely" in either.imports("n").stderr


@pytest.mark.parametrize("value", ["http://me:word@host:1", "grpc://host", "host:1"])
def test_what_is_no_address(project, value):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_REMOTE_EXECUTOR": value})
    assert "expected grpc://HOST:PORT" in failed.message and "word" not in failed.message


def test_without_the_package(make_project, environments):
    if "3.9" not in environments["pythons"] or environments["main"] == "3.9":
        pytest.skip("there is no second Python on this machine")
    project = make_project(python="3.9")
    project.write("m.zig", ADD)
    result = project.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_REMOTE_EXECUTOR": "grpc://127.0.0.1:1"})
    assert compiled_here(result, "zigimport-remotes")
    project.write("m.zig", ADD + "// Edited.\n")
    for native in ("never", "sandbox-required"):
        environment = {"ZIGIMPORT_REMOTE_EXECUTOR": "grpc://127.0.0.1:1", "ZIGIMPORT_NATIVE": native}
        planned = project.cli("plan", "--check", env=environment)
        assert planned.returncode != 0 and "refuse" in planned.stdout and "zigimport-remotes" in planned.stdout
        failed = project.fails("m", env=environment)
        assert failed.error == "ZigNotFoundError" and failed.hint == "pip install zigimport-remotes"
        assert "pip install zigimport-remotes" in project.cli("info", env=environment).stdout


def test_the_commands_of_the_guide(remote, server):
    guide = (ROOT / "docs" / "sandbox.md").read_text()
    block = re.search(r"## Compile on another machine\n.*?```sh\n(.*?)```", guide, re.DOTALL)[1]
    block = block.replace("build.example.com:8980", f"127.0.0.1:{server.port}")
    block = block.replace("zigimport build", f"'{remote.python}' -m zigimport build")
    environment = {**remote.environment, "ZIGIMPORT_REMOTE_EXECUTOR": "", "ZIGIMPORT_NATIVE": ""}
    ran = subprocess.run(["/bin/sh", "-ec", block], cwd=remote.root, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0 and "built m remotely" in ran.stderr, ran.stderr
