"""The live line on a terminal: what is being built, what the compiler is doing by
its own words, and for how long.

It shows after half a second, and goes when the builds are done or another line
is written.
"""

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress

DELAY_SECONDS = 0.5
PERIOD_SECONDS = 0.1

_lock = threading.RLock()
#: When each build began, by the name of its module.
_begun = {}
#: What the compiler is doing, by the name of the module.
_steps = {}
_ended = threading.Event()
_thread = None
_width_shown = 0


class live:
    """Shows the name of a module while the block runs; several may."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        global _thread
        if not is_terminal():
            return
        with _lock:
            _begun.setdefault(self.name, time.monotonic())
            _ended.clear()
            if _thread is None:
                _thread = threading.Thread(target=_draw_until_done, name="zigimport-progress", daemon=True)
                try:
                    _thread.start()
                except RuntimeError:
                    # A subinterpreter or an interpreter that ends allows none.
                    _thread = None

    def __exit__(self, error, *_):
        with _lock:
            _steps.pop(self.name, None)
            begun = _begun.pop(self.name, None)
            if error is not None and issubclass(error, KeyboardInterrupt):
                # A traceback follows; who interrupted waits for no other build either.
                _begun.clear()
            if begun is not None and not _begun:
                _erase()
                _ended.set()


@contextmanager
def paused():
    """Keeps the live line away while another one is written."""
    with _lock:
        _erase()
        yield


def _erase():
    global _width_shown
    if _width_shown:
        # What the terminal itself put behind it, such as `^C`, goes too, where it can be told so.
        sys.stderr.write("\r" + (" " * _width_shown + "\r" if os.name == "nt" else "\x1b[K"))
        sys.stderr.flush()
        _width_shown = 0


def show_step(name, step, done, total):
    """Takes what the compiler is doing for a module, and how far it is; ``""`` where it is silent."""
    count = f" {done:,}/{total:,}" if total else f" {done:,}" if done else ""
    with _lock:
        if name in _begun and step:
            _steps[name] = step + count
        else:
            _steps.pop(name, None)


def is_terminal():
    """Returns whether there is a terminal to show a line on."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        # There is none, or it is closed.
        return False


def _draw_until_done():
    global _thread
    while True:
        _ended.wait(PERIOD_SECONDS)
        with _lock:
            if not _begun:
                _thread = None
                return
            with suppress(AttributeError, OSError, ValueError):
                # Whatever became of the terminal, the build goes on.
                _draw()


def _draw():
    global _width_shown
    waiting = time.monotonic() - min(_begun.values())
    if waiting < DELAY_SECONDS:
        return
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        columns = 80
    elapsed = f"  {waiting:.1f} s"
    start = "zigimport: building "
    text = start + _builds(columns - len(start) - len(elapsed) - 1) + elapsed
    sys.stderr.write("\r" + text.ljust(_width_shown))
    sys.stderr.flush()
    _width_shown = len(text)


def _builds(room):
    """Says what is built within some columns: with the steps where these fit."""
    names = list(_begun)
    if len(names) == 1:
        full = "  ".join(text for text in (names[0], _steps.get(names[0])) if text)
    else:
        full = ", ".join(f"{name} ({_steps[name]})" if name in _steps else name for name in names)
    for text in (full, ", ".join(names)):
        if len(text) <= room:
            return text
    return (names[0] if len(names) == 1 else f"{len(names)} modules")[: max(0, room)]


def _forget():
    """Leaves the line to the process that drew it."""
    global _lock, _ended, _thread, _width_shown
    _lock, _ended, _thread, _width_shown = threading.RLock(), threading.Event(), None, 0
    _begun.clear()
    _steps.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
