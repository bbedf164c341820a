"""Runs the Python tests in two sessions at once: ``PYTHON python_tests.py [ARGUMENT…]``.

Most of the time of a test is that of one process, and two processors are common.
The first session is seen as it goes, the second in one piece behind it. Arguments
are for pytest. Fails when either does.
"""

import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
#: The first letters of the modules of the first session: about half of the time.
FIRST = "abcdefghijklmno"


def main():
    """Runs both sessions and returns the exit code."""
    files = sorted(path.name for path in TESTS.glob("test_*.py"))
    halves = [[], []]
    for name in files:
        halves[name[len("test_")] not in FIRST].append(str(TESTS / name))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]]
    with tempfile.TemporaryFile() as later:
        second = subprocess.Popen([*command, *halves[1]], stdout=later, stderr=subprocess.STDOUT)
        first = subprocess.call([*command, *halves[0]])
        second.wait()
        later.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(later.read())
    return first or second.returncode


if __name__ == "__main__":
    sys.exit(main())
