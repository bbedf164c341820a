"""What an import does when the fast path is not enough."""

import os
import sys

from zigimport import _log, _native
from zigimport._hook import BuildRecord

#: How many of the names that a module leaves out are told.
SKIPPED_MAX = 5


class Listener:
    """Takes the host's reports, and knows where the C headers are: those of this
    interpreter, or ``folders``."""

    def __init__(self, folders=None):
        self.folders = folders

    def report(self, level, message):
        """Takes one line; ``level`` is ``debug``, ``info`` or ``warning``."""
        _log.report(level, message)

    def wants_steps(self):
        """Returns whether there is a line to show the compiler's steps in."""
        from zigimport import _progress

        return _progress.is_terminal()

    def step(self, module, name, done, total):
        """Takes what the compiler is doing for a module."""
        from zigimport import _progress

        _progress.show_step(module, name, done, total)

    def header_folders(self):
        """Returns the folders to search for ``Python.h``, without duplicates."""
        if self.folders is not None:
            return self.folders
        import sysconfig

        paths = [sysconfig.get_path("include"), sysconfig.get_path("platinclude")]
        return list(dict.fromkeys(path for path in paths if path))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.release_inherited_locks)

_warned = False


def warn_once(finder):
    """Warns of environment variables without effect, once for a process."""
    global _warned
    if _warned or not getattr(finder, "show_warnings", True):
        return
    _warned = True
    for warning in _native.warnings():
        _log.report("warning", warning)


def ensure(finder, found, optimize, watcher=None):
    """Returns path and ``BuildRecord`` of the library of a found module, for an
    import, or for a ``watcher``: then the build ends early when that is stopped.

    Raises:
        ZigImportError: or one of its subclasses, with the module's name and path.
    """
    from zigimport import _ahead, _progress
    from zigimport._errors import ZigImportError

    warn_once(finder)
    if watcher is None and _ahead.wait_for(found):
        hit = finder.cached(found, sys.path, optimize)
        if hit is not None:
            return _new(found, *hit)
    try:
        if watcher is None:
            _ahead.start(finder, found, Listener())
        request = _native.Request(finder, sys.path, optimize)
        with _progress.live(found.name):
            library, key, zig_version, mode, *_ = _native.ensure(request, found, Listener(), watcher)
    except ZigImportError as error:
        error.name = found.name
        error.path = found.source_path
        raise
    return _new(found, library, key, zig_version, mode)


def _new(found, library, key, zig_version, mode):
    record = BuildRecord(found.source_path, key, zig_version, mode)
    record._is_new = True
    return library, record


def tell_skipped(module, level="info"):
    """Reports the public functions of a module that Python cannot call: who misses
    one would look for a mistake of theirs."""
    skipped = getattr(module, "__zigimport_skipped__", None)
    if not skipped:
        return
    told = ", ".join(f"`{name}` ({reason})" for name, reason in list(skipped.items())[:SKIPPED_MAX])
    more = len(skipped) - SKIPPED_MAX
    told += f" and {more} more, see {module.__name__}.__zigimport_skipped__" if more > 0 else ""
    _log.report(level, f"{module.__name__} leaves out {told}")


_memory_paths = {}


def memory_path(library):
    """Returns a path from which a library can be loaded although its mount
    forbids execution. The library is named by its digest, which is checked."""
    if library not in _memory_paths:
        digest = os.path.basename(library).split(".", 1)[0]
        _memory_paths[library] = _native.memory_file(library, digest)
    return _memory_paths[library]
