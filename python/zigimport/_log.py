"""Reports to a person: the logger ``zigimport``, INFO shown without configuration,
DEBUG not.

Loading ``logging`` takes as long as planning and storing an artifact together.
Where nobody has loaded it, nobody has configured it either, and a line goes to
standard error as the logger would write it.
"""

import sys

from zigimport import _native

_handler = None
#: The level that the handler's logger was given here, ``None`` for the user's own.
_level = None
_is_ours = True
_quiet = False


def report(level, message):
    """Takes one line; ``level`` is ``debug``, ``info`` or ``warning``."""
    progress = sys.modules.get("zigimport._progress")
    if progress is None:
        _write(level, message)
    else:
        with progress.paused():
            _write(level, message)


def _write(level, message):
    if "logging" in sys.modules:
        getattr(_logger(), level)(message)
    elif sys.stderr is not None and (level == "warning" or _native.is_verbose() or (level == "info" and not _quiet)):
        # One call, because another thread may have something to say, too.
        sys.stderr.write(f"zigimport: {message}\n")


def be_quiet(quiet):
    """Leaves INFO out by default, or no longer: what a cell of a notebook prints
    is kept, and its front end shows that the cell runs."""
    global _quiet
    _quiet = quiet
    if _handler is not None and _logger().level == _level:
        _set_level()


def _logger():
    """Returns the logger, set up on first use.

    It writes INFO and above to standard error and does not propagate;
    ``ZIGIMPORT_VERBOSE=1`` shows DEBUG too, which says why, and in a notebook
    INFO is not shown without it. A logger that the
    user has given handlers or a level is left alone.
    """
    global _handler
    import logging

    log = logging.getLogger("zigimport")
    if _is_ours and _handler is None and not log.handlers:
        _handler = _stderr_handler()
        log.addHandler(_handler)
        log.propagate = False
        if log.level == logging.NOTSET:
            _set_level()
    return log


def _set_level():
    global _level
    import logging

    _level = logging.DEBUG if _native.is_verbose() else logging.WARNING if _quiet else logging.INFO
    logging.getLogger("zigimport").setLevel(_level)


def _stderr_handler():
    import logging

    class StderrHandler(logging.StreamHandler):
        """Writes to the ``sys.stderr`` of the moment, which notebooks replace."""

        def __init__(self):
            logging.Handler.__init__(self)

        @property
        def stream(self):
            return sys.stderr

    handler = StderrHandler()
    handler.setFormatter(logging.Formatter("zigimport: %(message)s"))
    return handler


def reset_logger():
    """Gives the logger back: no handler, no level, messages propagate."""
    global _handler, _is_ours
    import logging

    _is_ours = False
    log = logging.getLogger("zigimport")
    if _handler is not None:
        log.removeHandler(_handler)
        _handler = None
    log.propagate = True
    log.setLevel(logging.NOTSET)
