"""Builds ahead: when a module has to be built, those that the same code imports
next are built beside it.

What the code imports next is read off its compiled form, behind the import that
it is at. A build ahead only fills the cache: the import itself looks at it again,
so a file that changed meanwhile is built as it is then, and what fails ahead is
told by nobody but the import that comes to it.
"""

import atexit
import os
import sys
import threading
from collections import deque
from importlib.util import find_spec, resolve_name

from zigimport import _native
from zigimport._hook import ZigLoader
from zigimport._progress import live

_lock = threading.Lock()
#: Modules that nobody builds yet, as pairs of source path and what builds it.
_waiting = deque()
#: By source path, an event for the end of a build that is under way.
_running = {}
_threads = set()
#: How many threads may build ahead: so many beside the one that imports, and one more
#: for each importing thread that only waits for them.
_workers = 0
_idle = 0


def wait_for(found):
    """Waits for the build ahead of a module; whether there was one."""
    global _idle
    with _lock:
        for item in _waiting:
            if item[0] == found.source_path:
                # Nobody has begun; whoever asks builds it at once.
                _waiting.remove(item)
                return False
        done = _running.get(found.source_path)
        if done is None:
            return False
        _idle += 1
        _fill()
    try:
        # Only this thread can act on a signal, and waiting for ever would not see it.
        while not done.wait(0.1):
            pass
    finally:
        with _lock:
            _idle -= 1
    return True


def start(finder, found, listener):
    """Starts to build what the importing code imports after ``found``."""
    global _workers
    workers = _native.Request(finder, sys.path).workers_ahead
    frame = _importing_frame()
    if workers == 0 or frame is None:
        return
    for name in _names_to_come(frame):
        if name == found.name:
            continue
        try:
            build = _build_of(name)
        except Exception:
            # Whatever is wrong with it, its import will say so.
            continue
        with _lock:
            known = (found.source_path, *_running, *(one[0] for one in _waiting))
            if build is not None and build[0] not in known:
                _waiting.append((*build, listener))
    with _lock:
        _workers = workers
        _fill()


def _fill():
    """Starts threads for what is waiting. The lock is held."""
    for _ in range(min(_workers + _idle - len(_threads), len(_waiting))):
        thread = threading.Thread(target=_work, name="zigimport-ahead", daemon=True)
        _threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            # A subinterpreter or an interpreter that ends allows none.
            _threads.discard(thread)
            return


def _build_of(name):
    """Returns source path, request and found module of what has to be built to
    import a name, or ``None``."""
    parent = name.rpartition(".")[0]
    if name in sys.modules or (parent and parent not in sys.modules):
        return None
    spec = find_spec(name)
    loader = spec.loader if spec is not None else None
    if not isinstance(loader, ZigLoader):
        return None
    settings = loader.finder.get_settings(name, loader.found.source_path)
    optimize = settings.optimize if settings is not None else None
    if loader.finder.cached(loader.found, sys.path, optimize) is not None:
        return None
    return loader.found.source_path, _native.Request(loader.finder, sys.path, optimize), loader.found


def _work():
    while True:
        with _lock:
            if not _waiting or len(_threads) > _workers + _idle:
                _threads.discard(threading.current_thread())
                return
            path, request, found, listener = _waiting.popleft()
            done = _running[path] = threading.Event()
        try:
            with live(found.name):
                _native.ensure(request, found, listener)
        except BaseException:  # noqa: S110  The import that needs it says why.
            pass
        finally:
            with _lock:
                del _running[path]
            done.set()


def _importing_frame():
    """Returns the frame of the code that imports, or ``None``."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if not frame.f_code.co_filename.startswith("<frozen importlib") and name.partition(".")[0] not in (
            "importlib",
            "zigimport",
        ):
            return frame
        frame = frame.f_back
    return None


def _names_to_come(frame):
    """Yields the absolute names that a frame imports from where it is on."""
    import dis

    package = frame.f_globals.get("__package__") or ""
    level, items = 0, None
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.opname == "IMPORT_NAME" and instruction.offset >= frame.f_lasti:
            try:
                absolute = resolve_name("." * level + instruction.argval, package)
            except ImportError:
                continue
            yield absolute
            for item in items or ():
                yield f"{absolute}.{item}"
        # Its operands are constants: how relative it is, and the names of a `from`.
        if instruction.opname.startswith("LOAD_"):
            level, items = items, instruction.argval


def _stop():
    """Ends what is under way with the process."""
    with _lock:
        _waiting.clear()
        threads = list(_threads)
    if threads:
        _native.interrupt(True)
        for thread in threads:
            thread.join()
        _native.interrupt(False)


def _forget():
    """Leaves the builds to the process that began them."""
    global _lock, _idle
    _lock = threading.Lock()
    _idle = 0
    _waiting.clear()
    _running.clear()
    _threads.clear()


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
