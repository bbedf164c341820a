"""``zigimport watch``: builds modules when they change, and runs a command again."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from zigimport import _api, _log, _native
from zigimport._errors import ZigImportError
from zigimport._watch import Files

#: How often a command is looked at, and interrupts are, in seconds.
LOOK_S = 0.2
#: How long a command may take to end when it is asked to, in seconds.
GRACE_S = 5


def watch(paths, command, in_parallel):
    """Builds the modules at ``paths`` now and whenever they change, until it is
    interrupted, and runs the shell's ``command``, if there is one, after each build
    that is good. ``in_parallel`` is what ``build`` does its builds with."""
    for path in paths:
        # A folder may get its modules later; anything else is a module, or a slip.
        if not os.path.isdir(path):
            _api.modules_at([path])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    runner = Runner(command)
    files = Files()
    watcher = _native.Watcher()
    request = _native.Request(_api.finder(), sys.path)
    modules, libraries, running, changed, problem = {}, {}, None, [], None
    known, told_count = {}, None
    try:
        while True:
            places = [os.path.abspath(path) for path in paths]
            folders = [folder for path in places for folder in _native.folders_at(path)]
            files.watch(watcher, {source: (request, found) for source, found in modules.items()}, places, folders)
            before = modules
            modules, problem = _modules_at(paths, problem)
            if modules.keys() != before.keys():
                # Each is watched before it is looked at, or a change between would be lost.
                continue
            for source, found in known.items():
                if source not in modules:
                    _log.report("info", f"{found.name} is gone: {source}")
            known = modules
            libraries = {source: library for source, library in libraries.items() if source in modules}
            stale, told = {}, {}
            failed_before = bool(files.failed)
            for source, found in modules.items():
                is_new = source not in libraries and source not in files.failed
                paths_changed = files.changed(source, changed)
                if not is_new and not paths_changed:
                    continue
                hit = _api.finder().cached(found, sys.path, None, must_look=True)
                if hit is not None:
                    files.failed.pop(source, None)
                    libraries[source] = hit[0]
                else:
                    stale[source] = found
                    told.update(dict.fromkeys(paths_changed))
            for path in told:
                _log.report("info", f"Change detected: {path}")
            outcomes = in_parallel(list(stale.values()), None, lambda found: _built(files, request, found))
            for source, outcome in zip(stale, outcomes):
                if isinstance(outcome, ZigImportError):
                    print(f"error: {outcome}", file=sys.stderr, flush=True)
                else:
                    libraries[source] = outcome
            if problem is None and not files.failed and libraries != running:
                running = dict(libraries)
                runner.restart()
            elif problem is None and not files.failed and (stale or failed_before):
                _log.report("info", "the code is what it was before" + (", and runs" if command else ""))
            if len(modules) != told_count:
                told_count = len(modules)
                count = "1 module" if told_count == 1 else f"{told_count} modules"
                _log.report("info", f"watching {count}, Ctrl-C ends")
            changed = []
            if not any(source in files.failed for source in stale):
                while not changed:
                    changed = watcher.wait(LOOK_S)
                    runner.look()
            # What has just failed may have files that nobody watches so far: look again.
    finally:
        runner.end()


def _modules_at(paths, told):
    """Returns the modules by their own files, and why there are none, which is told
    unless it is what was ``told`` before."""
    try:
        return {found.source_path: found for found in _api.modules_at(paths)}, None
    except ZigImportError as error:
        if str(error) != told:
            print(f"error: {error}", file=sys.stderr, flush=True)
        return {}, str(error)


def _built(files, request, found):
    """Returns the path of the library of a module, after building it."""
    build = lambda: _api.build_found(found, (), None, False, None)
    return files.build(found.source_path, request, found, build)[0].library


class Runner:
    """A command with all the processes that it starts."""

    def __init__(self, command):
        self.command = command
        self.process = None
        self.guard = None
        self.is_over = True

    def restart(self):
        """Ends the command if it runs, and starts it."""
        self.end()
        if self.command is not None:
            _log.report("info", f"running: {self.command}")
            with _put_off_signals():
                self.process, self.guard = _start(self.command)
                self.is_over = False

    def look(self):
        """Tells once that the command has ended by itself."""
        if self.process is None or self.is_over:
            return
        status = self._status()
        if status is not None:
            self.is_over = True
            _log.report("info", f"ended with {status}: {self.command}; waiting for a change")

    def _status(self):
        if not hasattr(os, "waitid"):
            return self.process.poll()
        # It is left a zombie: so nobody else gets its number, which names its group.
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def end(self):
        """Ends the command and everything that it started."""
        process, self.process = self.process, None
        if process is None:
            return
        if not hasattr(os, "killpg"):
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
            process.wait()
            return
        if process.returncode is not None:
            return
        _kill(process.pid, signal.SIGTERM)
        try:
            if hasattr(os, "waitid"):
                _wait_for_end(process.pid)
            else:
                process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also what did not want to end, or was started by what has ended.
            _kill(process.pid, signal.SIGKILL)
            # Before the number of the group is free for others.
            self.guard.kill()
            self.guard.communicate()
            process.wait()


@contextmanager
def _put_off_signals():
    """Lets signals that end us take effect after the block only: a program that has
    started while nobody knows it could not be ended."""
    came = []
    before = {number: signal.signal(number, lambda *one: came.append(one)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in came:
            if callable(before[number]):
                before[number](number, frame)


#: What ends a group of processes when we are killed, which nothing of ours would
#: see: then its standard input comes to an end.
_GUARD = "read -r _; kill -s KILL -- -$1"
#: What runs a command as soon as its guard is there, and not at all if we are killed
#: before.
_GATE = """
import os, sys
with open(int(sys.argv[1]), "rb") as gate:
    is_open = gate.read()
if is_open:
    os.execv("/bin/sh", ["/bin/sh", "-c", sys.argv[2]])
"""


def _start(command):
    """Starts a shell's command in a session of its own. Returns its process, and its
    guard's, which only POSIX has."""
    if not hasattr(os, "killpg"):
        return subprocess.Popen(command, shell=True), None
    gate, opens_gate = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GATE, str(gate), command], pass_fds=[gate], start_new_session=True
        )
        # In a session of its own, so that what is sent to our group does not reach it.
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        os.write(opens_gate, b"\n")
    finally:
        os.close(gate)
        os.close(opens_gate)
    return process, guard


def _kill(group, number):
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # All have ended; macOS says it so of zombies.


def _wait_for_end(pid):
    """Waits until a child has ended, for a while, and leaves it a zombie."""
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return
        time.sleep(0.01)
