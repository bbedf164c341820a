"""Watch mode: a thread that builds loaded modules when they change, and has the
main thread reload them.

The thread waits for changes and builds without the interpreter's lock. What it
built is put into the module by the main thread between two bytecodes, and never
while that runs an import. Calls in other threads end in the old code.
"""

import atexit
import os
import sys
import threading
import time
from _frozen_importlib import _exec

from zigimport import _build, _hook, _log, _native
from zigimport._errors import ZigImportError
from zigimport._hook import BuildRecord, ZigLoader, spec_of

#: How long the thread waits before it asks the main thread again, in seconds.
RETRY_S = 0.1
#: Times of files are as old as the last tick of the system's clock.
CLOCK_TICK_NS = 20_000_000

_mode = None


def enable_watch_mode():
    """Reloads modules when what they are made of changes.

    Counts for all Zig modules of the process, whenever they are imported. A
    second call changes nothing. What is going on is told by the logger.
    """
    global _mode
    if _mode is None:
        _mode = _WatchMode()
        _hook.on_load = _mode.on_load
        if _loaded():
            _mode.on_load()


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
        #: By module whose last build failed, what its files were then.
        self.failed = {}
        self._polling_told = False

    def watch(self, watcher, request, founds, folders=()):
        """Watches modules, given by name, and ``folders``."""
        self.of = {
            name: tuple(map(set, _native.watched(request, found, name in self.failed, _build.Listener())))
            for name, found in founds.items()
        }
        self.failed = {name: stamps for name, stamps in self.failed.items() if name in self.of}
        files = set().union(*(files for files, _ in self.of.values()))
        reason = watcher.watch(list(files), list(set(folders).union(*(folders for _, folders in self.of.values()))))
        if reason is not None and not self._polling_told:
            self._polling_told = True
            _log.report("warning", f"looking at files in intervals, see ZIGIMPORT_WATCH_INTERVAL: {reason}")

    def changed(self, name, paths):
        """Returns which of ``paths`` a module is made of."""
        files, folders = self.of[name]
        return [path for path in paths if path in files or os.path.dirname(path) in folders]

    def has_failed_so(self, name):
        """Returns whether a module could not be built with the files of now."""
        failed = self.failed.get(name)
        return failed is not None and failed == _stamps(failed)

    def build(self, name, request, found, build):
        """Returns what ``build`` does, and remembers with which files it failed."""
        started_ns = time.time_ns() - CLOCK_TICK_NS
        before = _stamps(self.of[name][0])
        try:
            result = build()
        except ZigImportError:
            # The sources that failed may be other ones than those of the last build.
            files, _ = _native.watched(request, found, True, _build.Listener())
            self.failed[name] = {path: before.get(path) or _stamp(path, started_ns) for path in files}
            raise
        self.failed.pop(name, None)
        return result


def _stamp(path, before_ns=None):
    """Returns what tells whether a file was written to; unlike any other if that
    was not before ``before_ns``."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if before_ns is not None and found.st_ctime_ns >= before_ns:
        return object()
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def _stamps(paths):
    return {path: _stamp(path) for path in paths}


class _WatchMode:
    """The thread, what it knows of each module, and what it has built."""

    def __init__(self):
        self.watcher = _native.Watcher()
        self.files = Files()
        self.thread = None
        self.starting = threading.Lock()
        #: Held while the thread does more than wait; see `_before_fork`.
        self.busy = threading.RLock()
        #: The builds of the modules that were looked at, by name.
        self.known = {}
        #: By name the module, its build, and path and record of the library to load.
        self.ready = {}
        self.is_asked = False

    def on_load(self):
        """A module was loaded: there is something else to watch."""
        with self.starting:
            if self.thread is None:
                thread = threading.Thread(target=self._run, name="zigimport watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # An import in a process that ends, or that has no thread left.
                    _log.report("warning", f"changes are not watched: {error}")
                    return
                self.thread = thread
                return
        self.watcher.wake()

    def end(self):
        """Ends the thread and waits for it."""
        self.watcher.stop()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()

    def _run(self):
        _block_signals()
        changed = []
        while not self.watcher.stopped:
            try:
                with self.busy:
                    self._look(changed)
            except KeyboardInterrupt:
                break
            except Exception as error:
                # The next change is looked at again.
                _log.report("warning", f"watching failed: {type(error).__name__}: {error}")
            if self.ready and not self.is_asked:
                self.is_asked = _native.call_soon(self._apply)
            # The main thread may have to be asked again.
            changed = self.watcher.wait(RETRY_S if self.ready else None)

    def _look(self, changed):
        """Watches what is loaded now, and builds what is not as it is on disk, in this
        order: a change is either seen here or reported later."""
        loaded = _loaded()
        self.known = {name: build for name, build in self.known.items() if name in loaded}
        request = _native.Request(_hook.installed() or _hook.ZigFinder(), sys.path)
        self.files.watch(
            self.watcher, request, {name: record._spec.loader.found for name, (_, record) in loaded.items()}
        )
        told = set()
        for name, (module, record) in loaded.items():
            paths = self.files.changed(name, changed)
            is_new = self.known.get(name) is not record
            if not self.watcher.stopped and (paths or is_new or name in self.files.failed):
                self.known[name] = record
                self._look_at(name, module, record, request, paths or [record.source], told)

    def _look_at(self, name, module, record, request, paths, told):
        """Builds a module if that is needed; ``paths`` are told as what changed."""
        if self.files.has_failed_so(name):
            return
        found, finder = record._spec.loader.found, record._spec.loader.finder
        settings = finder.get_settings(name, record.source)
        optimize = settings.optimize if settings is not None else None
        hit = finder.unchanged(found, sys.path, optimize)
        ready = self.ready.get(name)
        if hit is not None and ready is not None and hit[0] == ready[2][0]:
            return
        if hit is not None and hit[0] == record._spec.origin:
            self.ready.pop(name, None)
            if self.files.failed.pop(name, None) is not None:
                _log.report("info", f"{name} is as it is loaded again")
            return
        for path in paths:
            if path not in told:
                told.add(path)
                _log.report("info", f"Change detected: {path}")
        if hit is not None:
            self.files.failed.pop(name, None)
            resolved = hit[0], BuildRecord(record.source, *hit[1:])
        else:
            try:
                resolved = self.files.build(
                    name, request, found, lambda: _build.ensure(finder, found, optimize, self.watcher)
                )
            except ZigImportError as error:
                self.ready.pop(name, None)
                _log.report("warning", f"{name} stays as it is: {error}")
                # There may be other files to watch than those of the last build.
                self.watcher.wake()
                return
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


def _block_signals():
    """Leaves signals to the main thread, which alone can act on them."""
    import signal

    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _is_importing():
    """Returns whether this thread runs an import, or a reload."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
