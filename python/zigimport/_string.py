"""Modules from text: ``zigimport.compile_string``, and the cells of notebooks."""

import json
import os
import posixpath
import sys
import tempfile
import threading
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec

from zigimport import _api, _build, _names, _native
from zigimport._errors import CacheError, ZigImportError
from zigimport._hook import BuildRecord, ZigLoader

#: The name of a module that has not been given one.
UNNAMED = "zig_string"

#: The modules that were made from text, by the path of their library.
_loaded = {}

#: Takes the place of a store that cannot be written, for the life of the process.
_temporary = None


class _Built:
    """A finder for one module, whose library is known."""

    def __init__(self, library, record):
        self.answer = library, record

    def resolve(self, found):
        return self.answer


def compile_string(source, *, name=None, optimize=None, folder=None):
    """Compiles Zig source text and returns the module.

    The same text is compiled once for a cache, and is the same module within a
    process. The text is kept in the cache, with links to the files that it
    imports.

    Args:
        source: the text of a file module.
        name: the module's name, under which ``import`` then finds it; without
            one it is called ``zig_string`` and is not in ``sys.modules``.
        optimize: ``Debug``, ``ReleaseSafe``, ``ReleaseFast`` or
            ``ReleaseSmall``; else as an import would choose it.
        folder: what ``@import`` and ``@embedFile`` are relative to, and where
            the nearest ``pyproject.toml`` is looked for; the working directory
            by default.

    Raises:
        ZigImportError: or one of its subclasses.
        ValueError: the name cannot be that of a module, or is that of another
            one.
    """
    return compile_text(source, name, optimize, folder, _build.Listener())


def compile_text(source, name, optimize, folder, listener, unnamed=UNNAMED):
    """Does what ``compile_string`` does, and reports to ``listener``."""
    if not isinstance(source, str):
        raise TypeError(f"source must be str, not {type(source).__name__}")
    if name is not None:
        _names.check(name)
        other = sys.modules.get(name)
        if other is not None and other not in _loaded.values():
            raise ValueError(f"a module cannot be named {name!r}: one of that name is loaded already, {other!r}")
    finder = _api.finder()
    folder = os.path.abspath(os.fspath(folder) if folder is not None else os.getcwd())
    if not os.path.isdir(folder):
        raise ValueError(f"folder={folder!r}: expected a folder that exists")
    path = _kept(finder, name or unnamed, folder, source)
    (found,) = _native.modules_at(path)
    if optimize is None:
        settings = finder.get_settings(found.name, path)
        optimize = settings.optimize if settings is not None else None
    _link_settings(folder, os.path.dirname(path))
    try:
        library, record = _resolved(finder, found, folder, optimize, listener)
    except ZigImportError as error:
        error.name, error.path = found.name, path
        raise error.with_traceback(None)
    module = _loaded.get(library)
    if module is None:
        loader = ZigLoader(_Built(library, record), found)
        spec = ModuleSpec(found.name, loader, origin=path)
        spec.has_location = True
        module = module_from_spec(spec)
        loader.exec_module(module)
        _loaded[library] = module
    if name is not None:
        sys.modules[name] = module
    return module


def _resolved(finder, found, folder, optimize, listener):
    hit = finder.cached(found, sys.path, optimize)
    if hit is None:
        _build.warn_once(finder)
        _link_imports(found.source_path, folder)
        hit = _native.ensure(_native.Request(finder, sys.path, optimize), found, listener)[:4]
    library, key, zig_version, mode = hit
    return library, BuildRecord(found.source_path, key, zig_version, mode)


def _kept(finder, name, folder, source):
    """Returns the path of the file that has the text."""
    global _temporary
    request = _native.Request(finder, sys.path)
    try:
        return _native.put_string(request, name, folder, source)
    except CacheError:
        # What is cached can be loaded all the same.
        _temporary = _temporary or tempfile.TemporaryDirectory(prefix="zigimport-")
    own = tempfile.mkdtemp(dir=_temporary.name)
    path = os.path.join(own, name + ".zig")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(source)
    return path


def _link_settings(folder, own):
    """Makes the settings of ``folder`` those of the text, and no others."""
    path = os.path.join(own, "pyproject.toml")
    around = folder
    while True:
        candidate = os.path.join(around, "pyproject.toml")
        if os.path.isfile(candidate):
            _link(candidate, path)
            return
        if os.path.dirname(around) == around:
            break
        around = os.path.dirname(around)
    if os.path.islink(path) or not os.path.exists(path):
        _replace(path, lambda unfinished: open(unfinished, "x").close())


def _link_imports(path, folder):
    """Lets the compiler find beside the text what lies in ``folder``: a file may
    only import what lies in its own folder and below."""
    own, seen = os.path.dirname(path), {os.path.basename(path)}
    pending = [(path, "")]
    while pending:
        path, below = pending.pop()
        try:
            scan = json.loads(_native.scan(path))
        except ZigImportError:
            # Whatever is wrong with it, the build will say so with its place.
            continue
        for name in _operands(scan, below):
            if name in seen or name.startswith("../") or posixpath.isabs(name):
                continue
            seen.add(name)
            there = os.path.join(folder, name)
            if not os.path.exists(there):
                continue
            first = name.partition("/")[0]
            _link(os.path.join(folder, first), os.path.join(own, first))
            if name.endswith(".zig"):
                pending.append((there, posixpath.dirname(name)))


def _operands(scan, below):
    """Returns the paths that a scan names, relative to the folder of the text."""
    for dependency in scan["dependencies"]:
        if dependency["literal"] and dependency["kind"] in ("@import", "@embedFile"):
            yield posixpath.normpath(posixpath.join(below, dependency["operand"]))
        elif dependency["literal"] and dependency["kind"] == "@cInclude":
            yield posixpath.normpath(dependency["operand"])
    for setting in scan["settings"]:
        if setting["name"] == "c-sources":
            yield from (posixpath.normpath(name) for name in setting["value"].split())


def _link(target, path):
    try:
        if os.readlink(path) == target:
            return
    except OSError:
        pass
    _replace(path, lambda unfinished: os.symlink(target, unfinished))


def _replace(path, make):
    """Puts a new file in the place of an old one at once. Where that cannot be
    done, or no links be made, the text stands alone."""
    unfinished = f"{path}.{os.getpid()}.{threading.get_ident()}"
    try:
        make(unfinished)
        os.replace(unfinished, path)
    except OSError:
        pass
