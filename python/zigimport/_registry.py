"""What is cached, by key and by name: listing, importing, exporting, collecting.

Keys may be abbreviated to a unique start of at least four digits.
"""

import json
import os
import re
import shutil
import sys

from zigimport import _api, _build, _hook, _native
from zigimport._errors import CacheError


def request():
    """Returns a request with the settings of now."""
    return _native.Request(_api.finder(), sys.path)


def list_cached():
    """Returns one dict for each artifact in the cache, by module and then the newest first.

    Each has the fields of the artifact's ``meta.json`` (``key``, ``module``,
    ``source``, ``artifact``, ``abi``, ``target``, ``optimize``, ``zig_version``,
    ``inputs``, ``created_utc`` and others), and ``pinned``, ``last_used_utc`` and
    ``stored_bytes``.
    """
    return json.loads(_native.cache_list(request()))


def keys_of(names):
    """Returns the keys of the artifacts that a person names: by a key or its start, by a
    module's name, or by the path of a module, all that were built of it."""
    artifacts, keys = None, []
    for name in names:
        is_path = name.endswith(".zig") or os.path.isdir(name)
        if not is_path and re.fullmatch("[0-9a-f]{4,64}", name):
            keys.append(name)
            continue
        if artifacts is None:
            artifacts = list_cached()
        if is_path:
            modules = {found.name: found.source_path.replace(os.sep, "/") for found in _api.modules_at([name])}
            # An entry names its source relative to the project that it was built in.
            chosen = [one for one in artifacts if f"/{modules.get(one['module'], '')}".endswith(f"/{one['source']}")]
        else:
            chosen = [one for one in artifacts if one["module"] == name]
        if not chosen:
            raise CacheError(
                f"the cache has no artifact of `{name}`",
                hint="`zigimport cache list` shows what there is, `zigimport build` makes more",
                exit_code=1,
            )
        keys += [one["key"] for one in chosen]
    return list(dict.fromkeys(keys))


def import_cached_result(key):
    """Returns the ``BuildResult`` of a cached artifact, unpacked and checked; its
    ``source`` is relative to the project that it was built in.

    Raises:
        CacheError: no key or several start like this, the artifact is for another
            platform or Python, or it is damaged.
    """
    finder = _api.finder()
    name, source, artifact = _native.cache_load(request(), key, _build.Listener())
    return _api.result_of(finder, name, source, artifact)


def import_cached(key):
    """Imports a cached artifact by its key, whatever its sources are now.

    The module goes to ``sys.modules`` unless its name is taken there, so that two
    artifacts of a module can be had side by side.

    Raises:
        CacheError: as ``import_cached_result``.
    """
    return _load(import_cached_result(key))


def import_cached_by_name(name):
    """Imports the cached artifact of a module by its dotted name.

    Raises:
        CacheError: the cache has none that this Python can load, or several; the
            message names them.
    """
    finder = _api.finder()
    artifact = _native.cache_load_by_name(request(), name, _build.Listener())
    return _load(_api.result_of(finder, *artifact))


def _load(result):
    from importlib.util import module_from_spec, spec_from_loader

    loaded = sys.modules.get(result.module)
    record = getattr(loaded, "__zigimport__", None)
    if getattr(record, "key", None) == result.key:
        return loaded
    loader = _hook.LibraryLoader(
        result.module,
        result.library,
        _hook.BuildRecord(result.source, result.key, result.zig_version, result.optimize),
    )
    spec = spec_from_loader(result.module, loader, origin=result.library)
    spec.has_location = True
    module = module_from_spec(spec)
    if loaded is None:
        sys.modules[result.module] = module
    try:
        loader.exec_module(module)
    except BaseException:
        if loaded is None:
            sys.modules.pop(result.module, None)
        raise
    return module


def export_cached(key, *, dest_dir):
    """Copies a cached artifact to ``dest_dir`` under the name that Python expects,
    below the folders of its packages, where it can be imported without zigimport.
    Returns the path. ``zigimport cache export`` writes what another cache can take.

    Raises:
        CacheError: as ``import_cached_result``, but for any platform.
    """
    library, *described = _native.cache_library(request(), key)
    packages, file_name = _api.place_of(_api.finder(), *described)
    path = os.path.join(dest_dir, *packages, file_name)
    copy_library(library, path)
    return path


def copy_library(library, path):
    """Copies a library, with the folders above it. One that is loaded must not be
    written to: a new file takes its name."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    unfinished = f"{path}.{os.getpid()}"
    try:
        shutil.copyfile(library, unfinished)
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise


def pin(key):
    """Keeps an artifact in the cache whatever the limits say. Returns its whole key."""
    return _native.cache_pin(request(), key, True)[0]


def unpin(key):
    """Lets an artifact be collected again. Returns its whole key."""
    return _native.cache_pin(request(), key, False)[0]


def gc_cache(*, max_size=None, older_than=None, dry_run=False):
    """Removes what was not used for the longest time. What is loaded keeps working.

    Args:
        max_size: bytes, or text such as ``"500M"``, to get below; without any
            limit ``ZIGIMPORT_CACHE_SIZE`` holds.
        older_than: days as a number, a ``timedelta``, or text such as ``"30d"``:
            what was not used for so long goes too.
        dry_run: say only what would go.

    Returns:
        A dict with ``bytes_freed``, ``bytes_left``, ``dry_run`` and ``removed``, a
        list of dicts with ``kind``, ``name``, ``keys``, ``modules``, ``bytes`` and ``last_used_utc``.

    Raises:
        ValueError: a limit is no size or no age.
        CacheError: the cache cannot be written.
    """
    freed, left, removed = _native.cache_collect(request(), size_of(max_size), seconds_of(older_than), dry_run)
    names = ("kind", "name", "keys", "modules", "bytes", "last_used_utc")
    return {
        "bytes_freed": freed,
        "bytes_left": left,
        "dry_run": bool(dry_run),
        "removed": [dict(zip(names, one)) for one in removed],
    }


def size_of(value):
    """Returns a size in bytes, or ``None``."""
    if value is None:
        return None
    size = value if isinstance(value, int) else _native.byte_count(str(value))
    if size is None or size < 0:
        raise ValueError(f"{value!r}: expected a size such as 500M, 5G or 1000000")
    return size


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def seconds_of(value):
    """Returns an age in seconds, or ``None``."""
    if value is None:
        return None
    if hasattr(value, "total_seconds"):
        seconds = value.total_seconds()
    else:
        text = str(value).strip()
        unit = _SECONDS.get(text[-1:], None)
        number = text[:-1] if unit else text
        try:
            seconds = float(number) * (unit or _SECONDS["d"])
        except ValueError:
            seconds = -1
    if not 0 <= seconds < 2**40:
        raise ValueError(f"{value!r}: expected an age such as 30d, 12h or 90 (days)")
    return int(seconds)


def verify_cache(*, repair=False):
    """Reads and checks every file of the cache. Returns whether anything is wrong
    still, and a dict with ``files``, ``bytes`` and ``problems``."""
    is_left, is_damaged, files, size, problems = _native.cache_verify(request(), repair)
    described = [dict(zip(("path", "message", "outcome"), one)) for one in problems]
    return is_left, {"damaged": is_damaged, "files": files, "bytes": size, "problems": described}

