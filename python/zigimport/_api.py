"""Building and planning from Python, without an import statement."""

import json
import os
import sys
from functools import lru_cache
from typing import NamedTuple

from zigimport import _build, _native
from zigimport._plan import finder, make_plan, modules_at
from zigimport._progress import live


class BuildResult(NamedTuple):
    """One artifact of a module.

    Attributes: ``module`` (dotted name), ``source`` (path of its own file),
    ``target`` (label), ``library`` (path in the cache, read-only), ``digest``
    (SHA-256 of the library, hexadecimal), ``key`` (artifact key, hexadecimal),
    ``zig_version``, ``optimize`` (mode), ``abi`` (tag), ``built`` (whether the
    compiler ran just now), ``file_name`` (under which Python finds it).
    """

    module: str
    source: str
    target: str
    library: str
    digest: str
    key: str
    zig_version: str
    optimize: str
    abi: str
    built: bool
    file_name: str


def the_module_at(path):
    """Returns the only module that a path stands for: of a package its own."""
    found = modules_at([path])
    if os.path.isdir(path):
        own = [one for one in found if one.package_folder and os.path.samefile(one.package_folder, path)]
        found = own or found
    if len(found) != 1:
        names = ", ".join(module.name for module in found)
        raise ValueError(f"{os.fspath(path)!r} has several modules ({names}): name one")
    return found[0]


def build(path, *, targets=(), optimize=None, force=False, workers=None, stubs=None, fetch=False):
    """Builds the module at ``path`` and returns its artifacts.

    Args:
        path: a ``.zig`` file, or the folder of a package or project module.
        targets: labels such as ``aarch64-linux-gnu``; this machine's if empty.
        optimize: ``Debug``, ``ReleaseSafe``, ``ReleaseFast`` or
            ``ReleaseSmall``; else as an import would choose it.
        force: build although the artifact is there.
        workers: jobs of the build system, the cores by default.
        stubs: folder for the module's stub file, ``""`` for beside the source.
        fetch: download the packages that a project's ``build.zig.zon`` names.

    Returns:
        A ``BuildResult``, or a list of them in the order of ``targets`` if
        there are several.

    Raises:
        ZigImportError: or one of its subclasses.
        ValueError: for an unknown target, or a path with several modules.
    """
    results = build_found(the_module_at(path), targets, optimize, force, workers, stubs, fetch)
    return results if len(targets) > 1 else results[0]


def build_found(found, targets, optimize, force, workers, stubs=None, fetch=False, timings=None):
    """Builds a found module; returns one ``BuildResult`` for each target. ``timings``
    is what takes down what takes how long, and the module's place there."""
    the_finder, path, listener, python = _interpreter()
    _build.warn_once(the_finder)
    request = _native.Request(the_finder, path, optimize, force, workers, stubs, fetch, python)
    with live(found.name):
        artifacts = _native.build(request, found, list(targets), listener, timings)
    return [result_of(the_finder, found.name, found.source_path, artifact) for artifact in artifacts]


def _interpreter():
    """Returns what builds are for: a finder, the search path, a listener, and the
    path of the interpreter if ``ZIGIMPORT_PYTHON`` names another one than this."""
    wanted = os.environ.get("ZIGIMPORT_PYTHON")
    if not wanted or _native.is_same_python(wanted, sys.executable or ""):
        return finder(), sys.path, _build.Listener(), None
    suffix, virtual_env, path, folders = _probe(wanted)
    return _native.Finder(suffix, virtual_env), path, _build.Listener(folders), wanted


@lru_cache(maxsize=None)
def _probe(python):
    return _native.probe_python(python, _build.Listener())


def result_of(the_finder, module, source, artifact):
    """Returns the ``BuildResult`` of an artifact as the host describes it."""
    library, key, zig_version, optimize, target, abi, built, digest = artifact
    return BuildResult(
        module=module,
        source=source,
        target=target,
        library=library,
        digest=digest,
        key=key,
        zig_version=zig_version,
        optimize=optimize,
        abi=abi,
        built=built,
        file_name=place_of(the_finder, module, source, target, abi)[1],
    )


def place_of(the_finder, module, source, target, abi):
    """Returns where Python finds a library without zigimport: the names of the folders
    below an entry of ``sys.path``, and that of the file."""
    *packages, leaf = module.split(".")
    if os.path.basename(source) == "__init__.zig":
        # Python would look for no submodules of any other file.
        packages, leaf = [*packages, leaf], "__init__"
    return packages, leaf + _native.file_suffix(target, abi, the_finder.extension_suffix)


def plan(*paths, targets=(), optimize=None, explain=False, diff=None):
    """Returns what imports of the modules at ``paths`` would do, as the document
    of ``zigimport plan --format json``. Writes nothing and starts no process.

    Args:
        paths: ``.zig`` files, and folders for all modules below them; the
            current folder if there are none.
        targets: labels such as ``aarch64-linux-gnu``; this machine's if empty.
        optimize: as for ``build``.
        explain: with the exact commands of each build.
        diff: path of an earlier plan; the answer is what differs from that.

    Raises:
        ZigImportError: or one of its subclasses.
        ValueError: for an unknown target.
    """
    answer, *_ = make_plan(paths or ["."], targets, optimize, explain, "json", diff)
    return json.loads(answer)


def signature(path, *, target=None, optimize=None):
    """Returns the key of the module at ``path`` and all that is in it, as a dict.

    ``source_key`` covers the inputs and settings, ``action_key`` the compiler
    too (``None`` where none is looked for), and ``key`` what the compiler read beyond the inputs: it is ``None``
    until the module was built. Writes nothing and starts no process.

    Raises:
        ZigImportError: or one of its subclasses.
        ValueError: for an unknown target, or a path with several modules.
    """
    request = _native.Request(finder(), sys.path, optimize)
    targets = [] if target is None else [target]
    return json.loads(_native.signature(request, the_module_at(path), targets, _build.Listener()))


def clear_cache():
    """Removes everything that zigimport stored, and returns the bytes freed.

    Only zigimport's own folders are removed. Loaded modules keep working.
    """
    return _native.cache_clear(_native.Request(finder(), sys.path))


def configuration():
    """Returns the effective configuration as a dict of text, for inspection."""
    return dict(_native.info(_native.Request(finder(), sys.path), os.getcwd(), _build.Listener()))
