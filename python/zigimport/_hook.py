"""The import hook: two finders on ``sys.meta_path`` and a loader.

What Python itself finds wins over Zig, so the main finder stands last. The one
thing that Python finds and that is ours all the same is a namespace package: a
folder with ``build.zig`` or ``__init__.zig`` in it, or beside a ``.zig`` file of
the same name. For these a second finder stands in front of Python's own, asks
it, and looks closer only if the answer is a namespace package. An ordinary
import pays one function call for that.

Only modules that every interpreter has loaded already are imported here.
"""

import sys

import _imp
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, PathFinder, _path_stat
from zigimport import _native

#: How often a library that is gone is looked for again: somebody clears the cache
#: in between, again and again.
LOADS_MAX = 10

_Module = type(sys)

#: Called after each load of a module from the import path, in watch mode.
on_load = None


class BuildRecord:
    """What a loaded module was built from, as its ``__zigimport__``.

    Attributes: ``source`` (path of the module's own file), ``key`` (artifact
    key, 64 hexadecimal digits), ``zig_version``, ``optimize`` (mode).
    """

    __slots__ = ("_is_new", "_names", "_spec", "key", "optimize", "source", "zig_version")

    def __init__(self, source, key, zig_version, optimize):
        self.source = source
        self.key = key
        self.zig_version = zig_version
        self.optimize = optimize
        # Whether this process has built it, and not found it in the cache.
        self._is_new = False
        # What a reload has to know: see `names_of`, and the module's spec.
        self._names = {}
        self._spec = None

    def __repr__(self):
        return (
            f"BuildRecord(source={self.source!r}, key={self.key!r}, "
            f"zig_version={self.zig_version!r}, optimize={self.optimize!r})"
        )


class ZigFinder(_native.Finder):
    """Finds Zig modules for the import system. Subclass it to choose settings
    for each module, and put an instance last on ``sys.meta_path``."""

    def __new__(cls, *, settings=None, enable_file_importer=True, enable_project_importer=True):
        virtual_env = sys.prefix if sys.prefix != sys.base_prefix else None
        suffix = _imp.extension_suffixes()[0]
        return super().__new__(cls, suffix, virtual_env, enable_file_importer, enable_project_importer)

    def __init__(self, *, settings=None, enable_file_importer=True, enable_project_importer=True):
        self.settings = settings

    def get_settings(self, module_name, source_path):
        """Returns the ``Settings`` of a module, or ``None`` for the defaults."""
        return self.settings

    def find_spec(self, fullname, path=None, target=None):
        """Returns the spec of a Zig module, or ``None``. Builds nothing."""
        is_top_level = path is None
        found = self.locate(fullname, sys.path if is_top_level else path, is_top_level)
        if found is None:
            return None
        return spec_of(ZigLoader(self, found))

    def resolve(self, found):
        """Returns path and ``BuildRecord`` of the library of a found module,
        after building it if that is needed."""
        settings = self.get_settings(found.name, found.source_path)
        optimize = settings.optimize if settings is not None else None
        hit = self.cached(found, sys.path, optimize)
        if hit is None:
            from zigimport import _build

            return _build.ensure(self, found, optimize)
        library, key, zig_version, mode = hit
        return library, BuildRecord(found.source_path, key, zig_version, mode)


class NamespaceFinder:
    """Asks Python's own path finder, and gives a namespace package that is a
    Zig module to ``finder``."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, fullname, path=None, target=None):
        """Returns Python's own answer, unless Zig has a better one."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            if spec.loader is not None:
                return spec
            return self.finder.find_spec(fullname, path, target) or spec
        # Nothing stands between here and our finder that could still answer:
        # ask it at once, and spare Python the same search again.
        finders = sys.meta_path
        if len(finders) > 2 and finders[-3:] == [self, PathFinder, self.finder]:
            return self.finder.find_spec(fullname, path, target)
        return None


def spec_of(loader):
    """Returns a new spec for the module of a ``ZigLoader``."""
    found = loader.found
    spec = ModuleSpec(found.name, loader, origin=found.source_path)
    spec.has_location = True
    if found.package_folder is not None:
        spec.submodule_search_locations = [found.package_folder]
    return spec


def names_of(module, name):
    """Returns what a build has just put into a module and the namespaces in it: by
    dotted name the module object and a copy of its dict."""
    names = module.__dict__.copy()
    found = {name: (module, names)}
    for inner, value in names.items():
        if type(value) is _Module and value.__spec__ is None and value.__name__ == f"{name}.{inner}":
            found.update(names_of(value, value.__name__))
    return found


class LibraryLoader(ExtensionFileLoader):
    """Loads a library of the cache."""

    #: Makes the module object of a spec.
    create = staticmethod(_imp.create_dynamic)

    def __init__(self, name, path, record):
        super().__init__(name, path)
        self.record = record

    def create_module(self, spec):
        """Loads the library."""
        # ``__file__`` is the library; the source is in ``__zigimport__``.
        library = spec.origin = self.path
        if ZigFinder.is_audited():
            from zigimport import _build

            _native.note_load(self.name, library, self.record.key, _build.Listener())
        try:
            return self.create(spec)
        except ImportError as error:
            if "failed to map segment" not in str(error):
                raise
        # The mount of the cache forbids execution: load from memory instead.
        from zigimport import _build

        spec.origin = _build.memory_path(library)
        try:
            return self.create(spec)
        finally:
            spec.origin = library

    def exec_module(self, module):
        """Runs the module's init function."""
        _imp.exec_dynamic(module)
        record = self.record
        record._names = names_of(module, self.name)
        record._spec = module.__spec__
        module.__file__ = self.path
        module.__zigimport__ = record
        if record._is_new:
            from zigimport import _build

            _build.tell_skipped(module)


class ZigLoader(LibraryLoader):
    """Builds a module when it is created, and loads its library."""

    #: Path and ``BuildRecord`` of the library, where they are known beforehand.
    resolved = None

    def __init__(self, finder, found):
        super().__init__(found.name, found.source_path, None)
        self.finder = finder
        self.found = found

    def is_package(self, fullname):
        """Returns whether the module has submodules."""
        return self.found.package_folder is not None

    def create_module(self, spec):
        """Builds the module if need be, and loads its library."""
        self.resolve()
        for _ in range(LOADS_MAX):
            try:
                return super().create_module(spec)
            except ImportError:
                if _path_exists(self.path):
                    raise
            # Another process collected it, or cleared the cache, between our look and the load.
            self.resolved = None
            self.resolve()
        return super().create_module(spec)

    def exec_module(self, module):
        """Runs the module's init function, or reloads the module."""
        if self.record is not None:
            super().exec_module(module)
        else:
            # `importlib.reload` has a new loader create no module.
            from zigimport import _reload

            _reload.execute(self, module)
        if on_load is not None:
            on_load()

    def resolve(self):
        """Finds or builds the library."""
        try:
            self.path, self.record = self.resolved or self.finder.resolve(self.found)
        except ImportError as error:
            # How we got here says nothing to whoever reads the message.
            raise error.with_traceback(None)


def _path_exists(path):
    try:
        _path_stat(path)
    except OSError:
        return False
    return True


def installed():
    """Returns the installed ``ZigFinder``, or ``None``."""
    for finder in sys.meta_path:
        if isinstance(finder, ZigFinder):
            return finder
    return None


def install(*, settings=None, enable_file_importer=True, enable_project_importer=True, show_warnings=True):
    """Installs the import hook, in the place of an installed one.

    Args:
        settings: ``Settings`` for every module; environment variables and files
            apply where it is silent.
        enable_file_importer: import ``name.zig`` and ``name/__init__.zig``.
        enable_project_importer: import ``name/build.zig``.
        show_warnings: warn of ``ZIGIMPORT_`` variables that have no effect, when
            something is built.

    Returns:
        The installed ``ZigFinder``.
    """
    uninstall()
    finder = ZigFinder(
        settings=settings,
        enable_file_importer=enable_file_importer,
        enable_project_importer=enable_project_importer,
    )
    finder.show_warnings = show_warnings
    path = sys.meta_path
    position = path.index(PathFinder) if PathFinder in path else len(path)
    path.insert(position, NamespaceFinder(finder))
    path.append(finder)
    return finder


def uninstall():
    """Removes the import hook, and what ``zigimport site install`` put in its
    place. Modules that are loaded stay loaded."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not isinstance(finder, (ZigFinder, NamespaceFinder)) and not getattr(finder, "is_zigimport_site", False)
    ]
