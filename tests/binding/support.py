"""What the checks of the binding share. They run on every supported Python."""

import re
import sys
import traceback


def run(module, checks, names):
    """Runs the checks of those names, all of them whatever fails, and ends the process with 1 if any does."""
    failed = []
    for name in names:
        # Seen as the last line where a check ends the interpreter.
        print(name, flush=True)
        try:
            checks[name](module)
        except BaseException:
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


class Index:
    """Not an int, but usable as one; an exception as its value is raised."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def raises(kind, message, function, *arguments, **keywords):
    """Calls a function that must raise exactly ``kind``, or one of several; returns the exception."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    try:
        answer = function(*arguments, **keywords)
    except BaseException as error:
        assert type(error) in kinds, (type(error), error)
        assert message is None or message in str(error), str(error)
        return error
    raise AssertionError(f"{function!r}{arguments!r} gave {answer!r} and not {kind!r}")


def resident_kib():
    """The memory that this process has in use."""
    with open("/proc/self/status") as stream:
        return int(re.search(r"VmRSS:\s+(\d+)", stream.read()).group(1))


def growth_kib(function, warm_up, rounds):
    """By how much the memory grows over some rounds of calls."""
    for _ in range(warm_up):
        function()
    before = resident_kib()
    for _ in range(rounds):
        function()
    return resident_kib() - before
