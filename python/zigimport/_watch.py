"""Watch mode: a thread that builds loaded modules when they change, and has the
main thread reload them.

The thread waits for changes and builds without the interpreter's lock. What it
built is put into the module by the main thread between two bytecodes, and never
while that runs an import. Calls in other threads end in the old code.
"""

import atexit
import logging  # noqa: F401  Its handlers of a fork have to be registered before ours.
import os
import signal
import sys
import threading
from _frozen_importlib import _exec

from zigimport import _build, _hook, _log, _native
from zigimport._errors import ZigImportError
from zigimport._hook import BuildRecord, ZigLoader, spec_of

#: How long the thread waits before it asks the main thread again, in seconds.
RETRY_S = 0.1
FAULTS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_mode = None


def enable_watch_mode():
    """Reloads modules when what they are made of changes.

    Counts for all Zig modules of the process, whenever they are imported. A
    second call changes nothing. What is going on is told by the logger.
    """
    global _mode
    if _mode is None:
        _mode = _WatchMode()
        _hook.on_load = _mode.look_again


def disable_watch_mode():
    """Ends watch mode. A build that is running is ended, what was reloaded stays."""
    global _mode
    mode, _mode = _mode, None
    if mode is not None:
        _hook.on_load = None
        mode.end()


#: The mode whose thread waits until a fork is done.
_held = None


def _before_fork():
    """Lets the thread finish what it does: a lock of the host that it held would be
    held for ever in the new process."""
    global _held
    mode = _mode
    if mode is not None:
        mode.busy.acquire()
        _held = mode


def _after_fork():
    global _held
    mode, _held = _held, None
    if mode is not None:
        mode.busy.release()


def _after_fork_in_child():
    """A new process has no watching thread, and its modules stay as they are."""
    global _mode, _held
    _mode = _held = _hook.on_load = None


atexit.register(disable_watch_mode)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )


def _loaded():
    """Returns the loaded Zig modules with the records of their builds, by name."""
    loaded = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, type(sys)):
            # Past the attributes of a lazy module, which would load it.
            record = object.__getattribute__(module, "__dict__").get("__zigimport__")
            spec = record._spec if isinstance(record, BuildRecord) else None
            # What was loaded by its key from the cache stays as it is.
            if spec is not None and spec.name == name and isinstance(spec.loader, ZigLoader):
                loaded[name] = (module, record)
    return loaded


class Files:
    """What modules are made of, and which of them could not be built as they are."""

    def __init__(self):
        #: By module, the files and the folders that count.
        self.of = {}
        #: By module whose last build failed, the digests of its files then.
        self.failed = {}
        self._polling_told = False

    def watch(self, watcher, modules, files=(), folders=()):
        """Watches modules, by name the request and what was found, and more paths."""
        self.of = {name: self._paths(*module, name in self.failed) for name, module in modules.items()}
        self.failed = {name: digests for name, digests in self.failed.items() if name in self.of}
        reason = watcher.watch(
            list(set(files).union(*(files for files, _ in self.of.values()))),
            list(set(folders).union(*(folders for _, folders in self.of.values()))),
        )
        if reason is not None and not self._polling_told:
            self._polling_told = True
            _log.report("warning", f"looking at files in intervals, see ZIGIMPORT_WATCH_INTERVAL: {reason}")

    def _paths(self, request, found, scanned):
        return tuple(map(set, _native.watched(request, found, scanned, _build.Listener())))

    def changed(self, name, paths):
        """Returns which of ``paths`` a module is made of; of one that could not be
        built, the files that are not as they were then."""
        files, folders = self.of[name]
        before = self.failed.get(name)
        if before is None:
            return [path for path in paths if path in files or os.path.dirname(path) in folders]
        now = _digests(files.union(before))
        return [path for path, digest in now.items() if digest != before.get(path)]

    def build(self, name, request, found, build):
        """Returns what ``build`` does, and remembers with which files it failed."""
        # The sources to be built may be other ones than those of the last build.
        files, _ = self._paths(request, found, True)
        before = _digests(files)
        try:
            result = build()
        except ZigImportError:
            self.failed[name] = before
            raise
        self.failed.pop(name, None)
        return result


def _digests(paths):
    paths = sorted(paths)
    return dict(zip(paths, _native.digests(paths)))


class _WatchMode:
    """The thread, what it knows of each module, and what it has built."""

    def __init__(self):
        self.watcher = _native.Watcher()
        self.files = Files()
        #: Held while the thread does more than wait; see `_before_fork`.
        self.busy = threading.RLock()
        #: Whether there is something else to watch.
        self.must_look = True
        #: By name of a module that was looked at, the builds that need no look.
        self.known = {}
        #: By name the module, its build, and path and record of the library to load.
        self.ready = {}
        self.is_asked = False
        self.thread = threading.Thread(target=self._run, name="zigimport watch", daemon=True)
        self.thread.start()

    def look_again(self):
        """Lets the thread look at what is loaded now."""
        self.must_look = True
        self.watcher.wake()

    def end(self):
        """Ends the thread and waits for it."""
        self.watcher.stop()
        if self.thread is not threading.current_thread():
            self.thread.join()

    def _run(self):
        _block_signals()
        changed = []
        while not self.watcher.stopped:
            if changed or self.must_look:
                self.must_look = False
                try:
                    with self.busy:
                        self._look(changed)
                except KeyboardInterrupt:
                    break
                except Exception as error:
                    # The next change is looked at again.
                    _log.report("warning", f"watching failed: {type(error).__name__}: {error}")
            if self.ready and not self.is_asked:
                # It may be called before this returns.
                self.is_asked = True
                if not _native.call_soon(self._apply):
                    self.is_asked = False
            # The main thread may have to be asked again.
            changed = self.watcher.wait(RETRY_S if self.ready else None)

    def _look(self, changed):
        """Watches what is loaded now, and builds what is not as it is on disk, in this
        order: a change is either seen here or reported later."""
        loaded = _loaded()
        self.known = {name: builds for name, builds in self.known.items() if name in loaded}
        modules = {}
        for name, (_, record) in loaded.items():
            finder, found = record._spec.loader.finder, record._spec.loader.found
            modules[name] = (_native.Request(finder, sys.path, _optimize(finder, record)), found)
        self.files.watch(self.watcher, modules)
        told = set()
        for name, (module, record) in loaded.items():
            paths = self.files.changed(name, changed)
            if self.watcher.stopped or not paths and record in self.known.get(name, ()):
                continue
            self.known[name] = (record,)
            try:
                self._look_at(name, module, record, modules[name][0], [path for path in paths if path not in told])
            except ZigImportError as error:
                self.ready.pop(name, None)
                _log.report("warning", f"{name} stays as it is: {error}")
                # There may be other files to watch than those of the last build.
                self.look_again()
            told.update(paths)

    def _look_at(self, name, module, record, request, paths):
        """Builds a module if that is needed; ``paths`` are told as what changed."""
        finder, found = record._spec.loader.finder, record._spec.loader.found
        optimize = _optimize(finder, record)
        hit = finder.cached(found, sys.path, optimize, must_look=True)
        if hit is not None:
            failed = self.files.failed.pop(name, None)
            ready = self.ready.get(name)
            if ready is not None and hit[0] == ready[2][0]:
                return
            if hit[0] == record._spec.origin:
                self.ready.pop(name, None)
                if failed is not None:
                    _log.report("info", f"{name} is as it is loaded again")
                return
        for path in paths:
            _log.report("info", f"Change detected: {path}")
        if hit is not None:
            resolved = hit[0], BuildRecord(record.source, *hit[1:])
        else:
            resolved = self.files.build(
                name, request, found, lambda: _build.ensure(finder, found, optimize, self.watcher)
            )
        if resolved[0] == record._spec.origin:
            # What changed makes no difference.
            self.ready.pop(name, None)
            return
        self.known[name] = (record, resolved[1])
        self.ready[name] = (module, record, resolved)

    def _apply(self):
        """Reloads what is ready, on the main thread."""
        self.is_asked = False
        if self.watcher.stopped or _is_importing():
            return
        for name in list(self.ready):
            module, record, resolved = self.ready.pop(name, (None, None, None))
            if sys.modules.get(name) is not module or module.__dict__.get("__zigimport__") is not record:
                continue  # It is gone, or was reloaded meanwhile.
            loader = ZigLoader(record._spec.loader.finder, record._spec.loader.found)
            loader.resolved = resolved
            try:
                _exec(spec_of(loader), module)
            except Exception as error:
                _log.report("warning", f"{name} stays as it is: {type(error).__name__}: {error}")
            except BaseException:
                self.ready.setdefault(name, (module, record, resolved))
                raise
            else:
                _log.report("info", f"Reloaded: {name}")


def _optimize(finder, record):
    settings = finder.get_settings(record._spec.name, record.source)
    return settings.optimize if settings is not None else None


def _block_signals():
    """Leaves signals to the main thread, which alone can act on them. Those of a
    fault are for the thread that has it: the sandbox handles some of them."""
    if hasattr(signal, "pthread_sigmask"):
        faults = {getattr(signal, name) for name in FAULTS if hasattr(signal, name)}
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - faults)


def _is_importing():
    """Returns whether this thread runs an import, or a reload."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
