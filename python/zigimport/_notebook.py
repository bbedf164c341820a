"""IPython and Jupyter: the cell magic ``%%zig``, and ``%autoreload`` for Zig."""

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
        names = getattr(module, "__all__", None)
        if names is None:
            names = [name for name in vars(module) if not name.startswith("_")]
        self.shell.push({name: getattr(module, name) for name in names})
        if options.name:
            self.shell.push({options.name: module})


class Autoreload:
    """Lets IPython's ``%autoreload`` see changes in Zig modules.

    It looks at the time of the last change of ``module.__file__`` and knows
    Python files only. For a Zig module it gets a number that grows when
    anything that the module is made of has changed.
    """

    def __init__(self, shell):
        self.shell = shell
        self.reloader = None
        self.original = None
        self.versions = {}

    def attach(self, *_):
        """Attaches to the extension, if it is loaded."""
        magics = self.shell.magics_manager.registry.get("AutoreloadMagics")
        reloader = getattr(magics, "_reloader", None)
        if reloader is None or reloader is self.reloader or not hasattr(reloader, "filename_and_mtime"):
            return
        self.reloader, self.original = reloader, reloader.filename_and_mtime
        reloader.filename_and_mtime = self.filename_and_mtime

    def detach(self):
        """Leaves the extension as it was."""
        if self.reloader is not None:
            del self.reloader.filename_and_mtime
            self.reloader = None

    def filename_and_mtime(self, module):
        """Returns what stands for the file and its time."""
        record = getattr(module, "__zigimport__", None)
        loader = getattr(module, "__loader__", None)
        finder = getattr(loader, "finder", None)
        if record is None or not hasattr(finder, "cached"):
            return self.original(module)
        version, state = self.versions.get(module.__name__, (0, record.key))
        now = _state(finder, loader.found, record)
        if now != state and now != record.key:
            version += 1
        self.versions[module.__name__] = version, now
        return record.source, version


def _state(finder, found, record):
    """Returns what changes whenever the module's inputs or settings do: the key
    of what is cached for them, else of what would be built."""
    settings = finder.get_settings(found.name, found.source_path)
    optimize = settings.optimize if settings is not None else None
    try:
        hit = finder.cached(found, sys.path, optimize)
        if hit is not None:
            return hit[1]
        request = _native.Request(finder, sys.path, optimize)
        plan = json.loads(_native.make_plan(request, [found], [], False, True, _build.Listener())[0])
        return plan["modules"][0]["targets"][0]["action_key"]
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
