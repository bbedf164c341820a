"""Import Zig modules as if they were Python: ``import zigimport, my_module``.

Importing this package installs the import hook (``ZIGIMPORT_ENABLED=0`` turns
that off). ``my_module.zig`` anywhere on the import path is compiled when it is
first imported, and again when anything that it is made of has changed.

Everything beyond the hook is loaded when it is first used, because a cached
import should cost little more than loading a prebuilt extension.
"""

try:
    from zigimport._hook import ZigFinder, install, installed, uninstall
    from zigimport._native import __version__, is_enabled, is_watching
except ImportError as error:
    if type(__spec__.loader).__name__ != "zipimporter":
        raise
    raise ImportError(
        f"failed to import zigimport from the zip file {__spec__.loader.archive!r}: Python loads no native library out "
        "of one; install zigimport beside it"
    ) from error

__all__ = [
    "BuildResult",
    "CacheError",
    "Diagnostic",
    "LockTimeoutError",
    "ScanError",
    "Settings",
    "ZigCompileError",
    "ZigFinder",
    "ZigImportError",
    "ZigNotFoundError",
    "__version__",
    "build",
    "clear_cache",
    "compile_string",
    "disable_watch_mode",
    "enable_watch_mode",
    "export_cached",
    "gc_cache",
    "import_cached",
    "import_cached_by_name",
    "import_cached_result",
    "install",
    "list_cached",
    "pin",
    "plan",
    "reset_logger",
    "signature",
    "uninstall",
    "unpin",
]

#: Where each lazily loaded name comes from.
_LAZY = {
    "BuildResult": "zigimport._api",
    "CacheError": "zigimport._errors",
    "Diagnostic": "zigimport._errors",
    "LockTimeoutError": "zigimport._errors",
    "ScanError": "zigimport._errors",
    "Settings": "zigimport._settings",
    "ZigCompileError": "zigimport._errors",
    "ZigImportError": "zigimport._errors",
    "ZigNotFoundError": "zigimport._errors",
    "build": "zigimport._api",
    "clear_cache": "zigimport._api",
    "compile_string": "zigimport._string",
    "disable_watch_mode": "zigimport._watch",
    "enable_watch_mode": "zigimport._watch",
    "export_cached": "zigimport._registry",
    "gc_cache": "zigimport._registry",
    "import_cached": "zigimport._registry",
    "import_cached_by_name": "zigimport._registry",
    "import_cached_result": "zigimport._registry",
    "list_cached": "zigimport._registry",
    "pin": "zigimport._registry",
    "plan": "zigimport._api",
    "reset_logger": "zigimport._log",
    "signature": "zigimport._api",
    "unpin": "zigimport._registry",
}


def __getattr__(name):
    if name == "_finder":
        return installed()
    if name == "_config":
        from zigimport._api import configuration

        return configuration()
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'zigimport' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(_LAZY))


def load_ipython_extension(ipython):
    """Installs the hook and the magic ``%%zig``: ``%load_ext zigimport``."""
    from zigimport import _notebook

    if installed() is None:
        install()
    _notebook.load(ipython)


def unload_ipython_extension(ipython):
    """Removes both: ``%unload_ext zigimport``."""
    from zigimport import _notebook

    _notebook.unload(ipython)
    uninstall()


if is_enabled():
    install()
    if is_watching():
        from zigimport._watch import enable_watch_mode

        enable_watch_mode()
