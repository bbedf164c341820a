"""Which file an import of a name takes, where there are several candidates."""

import os
import sys
from importlib.machinery import BuiltinImporter, FileFinder, FrozenImporter, PathFinder, all_suffixes


def shadows(finder, modules):
    """Returns for each found module what an import takes in its place, for a
    person, or ``None`` where it takes the module.

    Python's own finders are asked, and nothing is imported: what Python finds,
    other than a namespace package, wins over Zig. That is looked for on
    ``sys.path`` and where the module lies, as if that were on it.
    """
    parents = {}
    listings = _Listings()
    return [_shadow(finder, found, parents, listings) for found in modules]


class _Listings:
    """What lies in folders, each listed once: of a thousand modules, Python's
    own finders are asked only about those that they may find there."""

    def __init__(self):
        self._known = {}
        #: The modules that all folders of `sys.path` may have, once all are listed.
        self._on_path = None
        self._suffixes = tuple(all_suffixes())
        # Elsewhere Python may find a file whose name has other letter case.
        self._is_exact = os.name == "posix" and "PYTHONCASEOK" not in os.environ

    def _listed(self, path):
        """Returns the names in a folder, and the modules that they may stand
        for, or ``None`` where something else than Python's finder of files
        looks, or has not looked yet."""
        if path not in self._known:
            key = path or os.getcwd()
            if not self._is_exact or key not in sys.path_importer_cache:
                return None
            self._known[path] = self._list(key, sys.path_importer_cache[key])
        return self._known[path]

    def _list(self, path, finder):
        if finder is None:
            return frozenset(), frozenset()
        try:
            names = frozenset(os.listdir(path)) if type(finder) is FileFinder else None
        except OSError:
            names = None
        if names is None:
            return None
        files = [name for name in names if name.endswith(self._suffixes)]
        with_suffix = [(name, suffix) for suffix in self._suffixes for name in files if name.endswith(suffix)]
        return names, names.union(name[: -len(suffix)] for name, suffix in with_suffix)

    def may_have_module(self, path, leaf):
        """Returns whether Python may find a module ``leaf`` in a folder."""
        listed = self._listed(path)
        return listed is None or leaf in listed[1]

    def may_have_module_on_path(self, leaf):
        """Returns whether Python may find it on ``sys.path``."""
        if self._on_path is None:
            listed = [self._listed(one) if isinstance(one, str) else None for one in sys.path]
            if None in listed:
                return True
            self._on_path = frozenset().union(*(modules for _, modules in listed))
        return leaf in self._on_path

    def may_have(self, path, name):
        """Returns whether something of a name may be in a folder."""
        listed = self._listed(path)
        return listed is None or name in listed[0]


def _shadow(finder, found, parents, listings):
    parent, _, leaf = found.name.rpartition(".")
    own = found.source_path
    folder = os.path.dirname(own if found.kind == "file" else os.path.dirname(own))
    if parent:
        # A package that is another one than it seems has other submodules.
        name = parent
        place = folder
        while name:
            name, _, _ = name.rpartition(".")
            place = os.path.dirname(place)
        key = (parent, folder)
        if key not in parents:
            parents[key] = _other_package(parent, folder, place, listings)
        if parents[key] is not None:
            return parents[key]
    spec = _python_finds(found.name, folder, not parent, listings)
    if spec is not None:
        return _described(spec)
    if found.kind == "file" and not listings.may_have(folder, leaf):
        # Of all that the name may stand for in its folder, only the file is there.
        return None
    first = finder.locate(found.name, [folder], False)
    if first is not None and first.source_path != own:
        return f"{_named(first.source_path)}, which comes first"
    return None


def _python_finds(name, folder, is_top_level, listings):
    """Returns the spec of what Python itself finds, unless it is a namespace package."""
    if is_top_level:
        for importer in (BuiltinImporter, FrozenImporter):
            spec = importer.find_spec(name)
            if spec is not None:
                return spec
    leaf = name.rpartition(".")[2]
    if listings.may_have_module(folder, leaf):
        spec = PathFinder.find_spec(name, [folder])
        if spec is not None and spec.loader is not None:
            return spec
    if is_top_level and listings.may_have_module_on_path(leaf):
        spec = PathFinder.find_spec(name, sys.path)
        if spec is not None and spec.loader is not None:
            return spec
    return None


def _other_package(package, folder, place, listings):
    """Returns what an import of ``package`` takes if that is not in ``folder``."""
    top = package.partition(".")[0]
    spec = _python_finds(top, place, True, listings)
    if spec is None:
        return None
    top_folder = os.path.join(place, top)
    locations = spec.submodule_search_locations or []
    if any(os.path.realpath(one) == os.path.realpath(top_folder) for one in locations):
        return None
    return _described(spec)


def _described(spec):
    origin = spec.origin
    if not spec.has_location or origin is None:
        return f"Python's own module {spec.name}"
    return f"{_named(origin)}, which Python finds itself"


def _named(path):
    """Names a path as the plan does: relative in the current folder."""
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :].replace(os.sep, "/") if path.startswith(here) else path
