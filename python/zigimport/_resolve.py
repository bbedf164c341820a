"""Which file an import of a name takes, where there are several candidates."""

import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder


def shadows(finder, modules):
    """Returns for each found module what an import takes in its place, for a
    person, or ``None`` where it takes the module.

    Python's own finders are asked, and nothing is imported: what Python finds,
    other than a namespace package, wins over Zig. That is looked for on
    ``sys.path`` and where the module lies, as if that were on it.
    """
    parents = {}
    return [_shadow(finder, found, parents) for found in modules]


def _shadow(finder, found, parents):
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
            parents[key] = _other_package(parent, folder, place)
        if parents[key] is not None:
            return parents[key]
    spec = _python_finds(found.name, folder, not parent)
    if spec is not None:
        return _described(spec)
    first = finder.locate(found.name, [folder], False)
    if first is not None and first.source_path != own:
        return f"{_named(first.source_path)}, which comes first"
    return None


def _python_finds(name, folder, is_top_level):
    """Returns the spec of what Python itself finds, unless it is a namespace package."""
    if is_top_level:
        for importer in (BuiltinImporter, FrozenImporter):
            spec = importer.find_spec(name)
            if spec is not None:
                return spec
    for path in ([folder], sys.path if is_top_level else []):
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            return spec
    return None


def _other_package(package, folder, place):
    """Returns what an import of ``package`` takes if that is not in ``folder``."""
    top = package.partition(".")[0]
    spec = _python_finds(top, place, True)
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
