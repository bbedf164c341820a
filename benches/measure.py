"""What the benches share: processes measured one by one, and their figures.

The sum of user and system time of a process is exact to a few microseconds on
Linux (only its split into the two is sampled), so small differences show in
the median of many interleaved runs even on a busy machine.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import namedtuple

#: One process: wall time and the CPU time of it and of all it waited for, in
#: seconds, its standard output, and its exit status.
Run = namedtuple("Run", "wall cpu output status")


def run(arguments, *, environment, folder, input_bytes=b"", quiet=True):
    """Runs a process to its end. ``input_bytes`` must fit into a pipe.

    The bench itself moves to ``folder``, because a process starts where its
    parent is; all paths are absolute.
    """
    os.chdir(folder)
    read_input, write_input = os.pipe()
    os.write(write_input, input_bytes)
    os.close(write_input)
    with tempfile.TemporaryFile() as output, open(os.devnull, "wb") as sink:
        actions = [
            (os.POSIX_SPAWN_DUP2, read_input, 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
        ]
        if quiet:
            actions.append((os.POSIX_SPAWN_DUP2, sink.fileno(), 2))
        started = time.perf_counter()
        pid = os.posix_spawn(arguments[0], arguments, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
        os.close(read_input)
        output.seek(0)
        text = output.read()
    return Run(wall, usage.ru_utime + usage.ru_stime, text, os.waitstatus_to_exitcode(status))


def checked(arguments, **options):
    """Runs a process that must succeed."""
    ended = run(arguments, **options)
    if ended.status != 0:
        again = run(arguments, **{**options, "quiet": False})
        raise SystemExit(f"exit status {ended.status} (again: {again.status}) of {' '.join(arguments)[:2000]}")
    return ended


def interleaved(rounds, variants):
    """Calls every function of the dictionary ``variants`` once per round, in
    alternating order, and returns the list of answers of each. The first round
    only warms caches."""
    answers = {name: [] for name in variants}
    names = list(variants)
    for index in range(rounds + 1):
        names.reverse()
        for name in names:
            answer = variants[name](index)
            if index > 0:
                answers[name].append(answer)
    return answers


def median(values):
    """Returns the median."""
    return statistics.median(values)


def middle_half(values):
    """Returns the quartiles as a pair."""
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]


def differences(values, floors):
    """Returns the difference of each round."""
    return [value - floor for value, floor in zip(values, floors)]


def table(title, head, rows):
    """Prints a table with the first column to the left and the others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        first, *rest = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        print("  " + "  ".join([first, *rest]).rstrip())


def clean_environment(**additions):
    """Returns the environment for measured processes: this one without what
    steers Python or zigimport."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZIGIMPORT_", "PYTHON"))}
    return {**kept, **additions}


def parser(text, rounds):
    """Returns a parser with the options that every bench has."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help="interleaved rounds (default: %(default)s)")
    made.add_argument("--json", metavar="PATH", type=os.path.abspath, help="also write the figures to this file")
    made.add_argument("--python", default=sys.executable, help="an interpreter that has zigimport (default: this one)")
    return made


def finish(options, figures):
    """Adds the circumstances, and writes the JSON file if one is wanted."""
    load = os.getloadavg()
    figures["machine"] = {"processors": os.cpu_count(), "load": list(load), "python": sys.version.split()[0]}
    print(f"\nload average {load[0]:.2f} {load[1]:.2f} {load[2]:.2f} on {os.cpu_count()} processors")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
