from collections.abc import Sequence
from datetime import timedelta
from os import PathLike
from types import ModuleType
from typing import Any

from zigimport._api import BuildResult as BuildResult
from zigimport._errors import (
    CacheError as CacheError,
    Diagnostic as Diagnostic,
    LockTimeoutError as LockTimeoutError,
    ScanError as ScanError,
    ZigCompileError as ZigCompileError,
    ZigImportError as ZigImportError,
    ZigNotFoundError as ZigNotFoundError,
)
from zigimport._hook import ZigFinder as ZigFinder
from zigimport._settings import Settings as Settings

__version__: str
_finder: ZigFinder | None
_config: dict[str, str]

def install(
    *,
    settings: Settings | None = None,
    enable_file_importer: bool = True,
    enable_project_importer: bool = True,
    show_warnings: bool = True,
) -> ZigFinder: ...
def installed() -> ZigFinder | None: ...
def uninstall() -> None: ...
def build(
    path: str | PathLike[str],
    *,
    targets: Sequence[str] = (),
    optimize: str | None = None,
    force: bool = False,
    workers: int | None = None,
    stubs: str | PathLike[str] | None = None,
    fetch: bool = False,
) -> BuildResult | list[BuildResult]: ...
def plan(
    *paths: str | PathLike[str],
    targets: Sequence[str] = (),
    optimize: str | None = None,
    explain: bool = False,
    diff: str | PathLike[str] | None = None,
) -> dict[str, Any]: ...
def signature(
    path: str | PathLike[str], *, target: str | None = None, optimize: str | None = None
) -> dict[str, Any]: ...
def compile_string(
    source: str,
    *,
    name: str | None = None,
    optimize: str | None = None,
    folder: str | PathLike[str] | None = None,
) -> ModuleType: ...
def clear_cache() -> int: ...
def list_cached() -> list[dict[str, Any]]: ...
def import_cached(key: str) -> ModuleType: ...
def import_cached_result(key: str) -> BuildResult: ...
def import_cached_by_name(name: str) -> ModuleType: ...
def export_cached(key: str, *, dest_dir: str | PathLike[str]) -> str: ...
def pin(key: str) -> str: ...
def unpin(key: str) -> str: ...
def gc_cache(
    *,
    max_size: int | str | None = None,
    older_than: float | str | timedelta | None = None,
    dry_run: bool = False,
) -> dict[str, Any]: ...
def enable_watch_mode() -> None: ...
def disable_watch_mode() -> None: ...
def reset_logger() -> None: ...
def load_ipython_extension(ipython: Any) -> None: ...
def unload_ipython_extension(ipython: Any) -> None: ...
