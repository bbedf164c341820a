"""IPython and Jupyter: the cell magic ``%%zig``, and ``%autoreload`` for Zig."""

import importlib
import json
import sys

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from zigimport import _build, _log, _native, _string
from zigimport._errors import ZigImportError
from zigimport._settings import OPTIMIZE_MODES

#: What a cell without a name is called in messages.
CELL = "cell"


@magics_class
class ZigMagics(Magics):
    """The magic."""

    @magic_arguments()
    @argument("--optimize", choices=OPTIMIZE_MODES, help="optimize mode, else as an import would choose it")
    @argument("--name", help="name of the module, which the notebook then has and can import")
    @cell_magic
    def zig(self, line, cell):
        """Compile the cell as a Zig module and take its public names."""
        options = parse_argstring(self.zig, line)
        # Line 1 of the cell is the magic's: the compiler counts as the reader does.
        source = "\n" + cell
        try:
            module = _string.compile_text(source, options.name, options.optimize, None, _build.Listener(), CELL)
        except ValueError as error:
            raise UsageError(str(error)) from None
        except ZigImportError as error:
            # How we got here says nothing to whoever reads the message.
            lines = str(error).replace(f" ({error.path})", "").splitlines()
            error._render_traceback_ = lambda: lines
            raise
        # Not only progress: a function of an earlier cell may still have the name.
        _build.tell_skipped(module, "warning")
        names = getattr(module, "__all__", None)
        if names is None:
            names = [name for name in vars(module) if not name.startswith("_")]
        self.shell.push({name: getattr(module, name) for name in names})
        if options.name:
            self.shell.push({options.name: module})


# A name that is misspelt must not be taken for another.
ZigMagics.zig.parser.allow_abbrev = False


class Autoreload:
    """Lets IPython's ``%autoreload`` see changes in Zig modules.

    It looks at the time of the last change of ``module.__file__``, reads that,
    and knows Python files only. For a Zig module it gets a number that grows
    when anything that the module is made of has changed, and the module is left
    to ``importlib.reload``.
    """

    def __init__(self, shell):
        self.shell = shell
        self.replaced = []
        self.versions = {}

    def attach(self, *_):
        """Attaches to the extension, if it is loaded."""
        magics = self.shell.magics_manager.registry.get("AutoreloadMagics")
        reloader = getattr(magics, "_reloader", None)
        # Newer releases of IPython ask this one first whether it can patch the module.
        patcher = getattr(reloader, "deduper_reloader", None)
        for owner, name, make in (
            (reloader, "filename_and_mtime", self._file_and_version),
            (patcher, "maybe_reload_module", self._reloaded),
        ):
            original = getattr(owner, name, None)
            if original is not None and name not in vars(owner):
                setattr(owner, name, make(original))
                self.replaced.append((owner, name))

    def detach(self):
        """Leaves the extension as it was."""
        for owner, name in self.replaced:
            delattr(owner, name)
        self.replaced = []

    def _file_and_version(self, original):
        def filename_and_mtime(module):
            if not _is_reloadable(module):
                return original(module)
            record = module.__zigimport__
            version, state = self.versions.get(module.__name__, (0, record.key))
            now = _state(module.__loader__)
            if now not in (state, record.key):
                version += 1
            self.versions[module.__name__] = version, now
            return record.source, version

        return filename_and_mtime

    def _reloaded(self, original):
        def maybe_reload_module(module):
            if not _is_reloadable(module):
                return original(module)
            importlib.reload(module)
            return True

        return maybe_reload_module


def _is_reloadable(module):
    """Returns whether a module is one of Zig that was imported from a file."""
    loader = getattr(module, "__loader__", None)
    return getattr(module, "__zigimport__", None) is not None and hasattr(getattr(loader, "finder", None), "cached")


def _state(loader):
    """Returns what changes whenever the module's inputs or settings do: the key
    of what is cached for them, else of what would be built."""
    finder, found = loader.finder, loader.found
    settings = finder.get_settings(found.name, found.source_path)
    optimize = settings.optimize if settings is not None else None
    try:
        hit = finder.cached(found, sys.path, optimize)
        if hit is not None:
            return hit[1]
        request = _native.Request(finder, sys.path, optimize)
        signature = json.loads(_native.signature(request, found, [], _build.Listener()))
        return signature["action_key"] or signature["source_key"]
    except ZigImportError as error:
        return str(error)


_loaded = {}


def load(shell):
    """Adds the magic to a shell, and attaches to ``%autoreload``."""
    if id(shell) in _loaded:
        return
    _log.be_quiet(True)
    shell.register_magics(ZigMagics)
    autoreload = _loaded[id(shell)] = Autoreload(shell)
    shell.events.register("pre_run_cell", autoreload.attach)
    autoreload.attach()


def unload(shell):
    """Takes back what ``load`` did."""
    autoreload = _loaded.pop(id(shell), None)
    if autoreload is None:
        return
    shell.events.unregister("pre_run_cell", autoreload.attach)
    autoreload.detach()
    _log.be_quiet(False)
    shell.magics_manager.magics["cell"].pop("zig", None)
    shell.magics_manager.registry.pop("ZigMagics", None)
