"""The logger ``zigimport``: INFO is shown without configuration, DEBUG is not."""

import logging
import sys

from zigimport import _native

_handler = None
_is_ours = True


class _StderrHandler(logging.StreamHandler):
    """Writes to the ``sys.stderr`` of the moment, which notebooks replace."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stderr


def logger():
    """Returns the logger, set up on first use.

    It writes INFO and above to standard error and does not propagate;
    ``ZIGIMPORT_VERBOSE=1`` shows DEBUG too, which says why. Loggers that the
    user has given handlers or a level are left alone.
    """
    global _handler
    log = logging.getLogger("zigimport")
    if _is_ours and _handler is None and not log.handlers:
        _handler = _StderrHandler()
        _handler.setFormatter(logging.Formatter("zigimport: %(message)s"))
        log.addHandler(_handler)
        log.propagate = False
        if log.level == logging.NOTSET:
            log.setLevel(logging.DEBUG if _native.is_verbose() else logging.INFO)
    return log


def reset_logger():
    """Gives the logger back: no handler, no level, messages propagate."""
    global _handler, _is_ours
    _is_ours = False
    log = logging.getLogger("zigimport")
    if _handler is not None:
        log.removeHandler(_handler)
        _handler = None
    log.propagate = True
    log.setLevel(logging.NOTSET)
