"""From saving an edit to running the new code, in watch mode.

A process watches a module of which a function is called without end. An edit is
saved, and the time until a call gives the new answer is compared with that of the
compiler alone: a fresh process with the flags that zigimport passes,
``--listen=-`` included, on a module that has just been edited too. Both have warm
caches, and alternate.

How a change is noticed counts, with the pause that tells its end, and so do the
build, the reload and the call.
"""

import os
import subprocess

import measure
import miss

#: Edits the module for each line that it reads, and prints how long that took.
CHILD = """
import sys, time
import zigimport, {name}
zigimport.enable_watch_mode()
# The edit must not come before the module is watched: the first is not measured.
for line in sys.stdin:
    expected, text = line.rstrip().split(" ", 1)
    started = time.perf_counter()
    with open({path!r}, "w") as file:
        file.write(text.replace("|", chr(10)))
    while {name}.add(1, 2) != int(expected):
        time.sleep(0.0002)
    print(time.perf_counter() - started, flush=True)
"""


class Bench(miss.Bench):
    """One compiler, with a process that watches a module."""

    def run(self, version):
        """Measures, prints, and returns the figures."""
        store = self.folder("reference")
        self.write("reference")
        self.imported("reference", store)
        caches = self.folder("direct")
        self.write("watched")
        code = CHILD.format(name="watched", path=os.path.join(self.modules, "watched.zig"))
        watching = subprocess.Popen(
            [self.options.python, "-c", code],
            cwd=self.modules,
            env=self.environment(store),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

        def saved(_):
            self.number += 1
            text = miss.SOURCE.format(number=self.number).replace("\n", "|")
            print(3 + self.number, text, file=watching.stdin, flush=True)
            return float(watching.stdout.readline())

        def direct(_):
            return self.direct(self.command(self.write("edited_directly"), store, caches)).wall

        try:
            times = measure.interleaved(self.options.rounds, {"watch": saved, "direct": direct})
        finally:
            watching.stdin.close()
            watching.wait()
        ratios = [ours / theirs for ours, theirs in zip(times["watch"], times["direct"])]
        row = [f"{measure.median(times[name]) * 1e3:.0f}" for name in ("direct", "watch")]
        low, high = measure.middle_half(ratios)
        ratio = f"{measure.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        head = ["wall time, ms, medians", "compiler", "save to new code", "ratio (middle half)"]
        measure.table(f"Zig {version}, {self.options.optimize}", head, [["an edit", *row, ratio]])
        return {**times, "ratio": measure.median(ratios)}


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 30)
    parser.add_argument("--zig", action="append", metavar="PATH", type=os.path.abspath, help="a compiler, repeatable (default: the ziglang package's)")
    parser.add_argument("--optimize", default="Debug", help="optimize mode (default: %(default)s)")
    options = parser.parse_args()
    figures = miss.with_each_compiler(options, Bench)
    measure.finish(options, figures)


if __name__ == "__main__":
    main()
