"""Finds out whether an import could be of a Zig module, without the package.

``zigimport site install`` puts a line into site-packages that runs this file
when the interpreter starts. It must cost next to nothing: it imports nothing
that Python has not loaded by then, and the package only when a Zig module is
there to be imported. Its finders stand where those of the hook stand, for the
reasons that ``_hook`` has; the hook replaces them.
"""

import os
import sys

from _frozen_importlib_external import PathFinder

_UNKNOWN = object()


class SiteFinder:
    """Stands for the import hook until a Zig module is wanted."""

    #: By this the hook knows what to replace.
    is_zigimport_site = True

    def __init__(self, is_last):
        self.is_last = is_last

    def find_spec(self, fullname, path=None, target=None):
        """Returns the spec of a Zig module, or ``None``."""
        if self.is_last:
            return None if self._is_found_behind(fullname, path, target) else _ask_hook(fullname, path, target)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is not None:
            return spec
        # What Python takes for a namespace package may be a Zig module.
        return _ask_hook(fullname, path, target) or spec

    def _is_found_behind(self, fullname, path, target):
        """Returns whether a finder that came later finds it: what Python finds wins."""
        finders = sys.meta_path
        if finders[-1] is self or self not in finders or not _is_candidate(fullname, path):
            return False
        behind = finders[finders.index(self) + 1 :]
        return any(finder.find_spec(fullname, path, target) is not None for finder in behind)


def _ask_hook(fullname, path, target):
    if not _is_candidate(fullname, path):
        return None
    try:
        from zigimport import _hook
    except ModuleNotFoundError as error:
        if error.name == "zigimport":
            # It was uninstalled while this process ran.
            return None
        raise
    finder = _hook.installed()
    return finder and finder.find_spec(fullname, path, target)


def _is_candidate(fullname, path):
    """Returns whether a file is there that makes the name a Zig module."""
    leaf = fullname.rpartition(".")[2]
    folders = sys.path if path is None else path
    if path is None and "ZIGIMPORT_INCLUDE_PATHS" in os.environ:
        folders = [*folders, *os.environ["ZIGIMPORT_INCLUDE_PATHS"].split(os.pathsep)]
    file_name = leaf + ".zig"
    for folder in folders:
        if not isinstance(folder, str):
            continue
        # Python's own finder has just looked for the name, so its list of what
        # is in the folder is new; it spares us three looks into each.
        finder = sys.path_importer_cache.get(folder or os.getcwd(), _UNKNOWN)
        names = getattr(finder, "_path_cache", None)
        if finder is None or (names is not None and leaf not in names and file_name not in names):
            continue
        named = os.path.join(folder, leaf)
        if leaf != "build" and os.path.isfile(named + ".zig"):
            return True
        if os.path.isfile(os.path.join(named, "build.zig")) or os.path.isfile(os.path.join(named, "__init__.zig")):
            return True
    return False


def start():
    """Puts the finders into place, unless they are or ``ZIGIMPORT_ENABLED`` is off."""
    finders = sys.meta_path
    is_off = os.environ.get("ZIGIMPORT_ENABLED", "").lower() in ("0", "false", "no", "off")
    if is_off or any(getattr(finder, "is_zigimport_site", False) for finder in finders):
        return
    position = finders.index(PathFinder) if PathFinder in finders else len(finders)
    finders.insert(position, SiteFinder(False))
    finders.append(SiteFinder(True))
