"""Plans, from Python and on the command line.

What is loaded for that is little more than the host: of a large tree that is
built, a plan takes less time than the parser of the command line and the modules
that other commands need would take to load.
"""

import os
import sys

from zigimport import _build, _native
from zigimport._hook import ZigFinder, installed

FORMATS = ("text", "json", "dot", "html")


def finder():
    """Returns the installed finder, or a new one with the defaults."""
    return installed() or ZigFinder()


def modules_at(paths, sources=None):
    """Returns the modules that paths stand for, each once."""
    modules = {}
    for path in paths:
        for found in _native.modules_at(os.fspath(path), sources):
            modules.setdefault(found.source_path, found)
    return list(modules.values())


def make_plan(paths, targets, optimize, explain, form, diff):
    """Returns the plan in a form as the bytes of UTF-8, whether anything would be
    built, the exit codes of what is refused, and whether of some module nothing
    can be said."""
    from zigimport import _resolve

    the_finder = finder()
    request = _native.Request(the_finder, sys.path, optimize)
    sources = _native.Sources(request)
    modules = modules_at(paths, sources)
    shadows = _resolve.shadows(the_finder, modules)
    return _native.make_plan(
        request, sources, modules, shadows, list(targets), os.getcwd(), explain, form, diff, _build.Listener()
    )


class Options:
    """The options of the command, as the parser of the command line would return them."""

    def __init__(self):
        self.run = run
        self.paths = []
        self.target = []
        self.optimize = None
        self.explain = False
        self.check = False
        self.format = FORMATS[0]
        self.diff = None


def options_of(arguments):
    """Returns the options of a plan, or ``None`` where that is for the parser of the
    command line to say: for every mistake, every other command, and what is written
    in another way than usual."""
    if arguments[:1] != ["plan"]:
        return None
    options = Options()
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in ("--explain", "--check"):
            setattr(options, argument[2:], True)
        elif argument in ("--format", "--target", "--diff"):
            value = next(rest, "")
            if not value or value[0] == "-" or (argument == "--format" and value not in FORMATS):
                return None
            if argument == "--target":
                options.target.append(value)
            else:
                setattr(options, argument[2:], value)
        elif argument and argument[0] != "-":
            options.paths.append(argument)
        else:
            return None
    options.paths = options.paths or ["."]
    return options


def run(options):
    """Runs the command and returns its exit code."""
    if options.diff and options.format not in ("text", "json"):
        raise ValueError(f"--diff with --format {options.format}: a difference is text or json")
    answer, would_build, refusals, has_errors = make_plan(
        options.paths, options.target, options.optimize, options.explain, options.format, options.diff
    )
    _write(answer, is_utf8=options.format in ("dot", "html"))
    if not options.check:
        return int(has_errors)
    return max(refusals, default=int(would_build or has_errors))


def _write(answer, is_utf8):
    """Writes to standard output; what says of itself that it is UTF-8 is that, whatever
    the terminal is."""
    buffer = getattr(sys.stdout, "buffer", None)
    if not is_utf8:
        is_utf8 = os.linesep == "\n" and (sys.stdout.encoding or "").lower() == "utf-8"
    if buffer is None or not is_utf8:
        print(answer.decode())
        return
    sys.stdout.flush()
    buffer.write(answer + b"\n")
