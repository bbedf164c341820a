"""The cost of importing a Zig module that has to be built.

The first import of a trivial module in a fresh process alternates with a direct
call of the compiler with the flags that zigimport passes, ``--listen=-``
included, which is the fastest way to call it. Three cases: an empty store and
empty compiler caches (cold), an edited module with warm caches, and a module
that is new beside warm caches.

The ratio is the import statement over the direct call, measured side by side.
The interpreter's own start is not in it; the column "process" has it.
"""

import glob
import json
import os
import re
import shlex
import shutil
import tempfile

import measure

SOURCE = "pub fn add(a: i64, b: i64) i64 {{\n    return a + b + {number};\n}}\n"
#: Two messages of the compiler's protocol: update, exit.
ONE_UPDATE = bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
CHILD = """
import time
from resource import getrusage, RUSAGE_SELF, RUSAGE_CHILDREN
def cpu():
    both = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return [one.ru_utime + one.ru_stime for one in both]
started, before = time.perf_counter(), cpu()
import zigimport, {name}
wall, after = time.perf_counter() - started, cpu()
assert {name}.add(1, 2) == {expected}
print(wall, after[0] - before[0], after[1] - before[1])
"""
#: Timestamps of what an import reports, and of its begin and end.
TIMELINE = """
import time
marks = [("begin", time.time())]
import zigimport
marks.append(("zigimport imported", time.time()))
import logging
class Handler(logging.Handler):
    def emit(self, record):
        marks.append((record.getMessage(), record.created))
log = logging.getLogger("zigimport")
log.addHandler(Handler())
log.setLevel(10)
marks.append(("logging imported", time.time()))
import {name}
marks.append(("end", time.time()))
import json
print(json.dumps(marks))
"""
CASES = {
    "cold": "empty store and caches",
    "edit": "warm caches, edited module",
    "new": "warm caches, new module",
}


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 15)
    parser.add_argument("--cold-rounds", type=int, default=3, help="rounds of the cold case (default: %(default)s)")
    parser.add_argument("--zig", action="append", metavar="PATH", type=os.path.abspath, help="a compiler, repeatable (default: the ziglang package's)")
    parser.add_argument("--optimize", default="Debug", help="optimize mode (default: %(default)s)")
    parser.add_argument("--case", action="append", choices=CASES, help="only this case, repeatable")
    parser.add_argument("--strace", action="store_true", help="take the times inside an import with strace, too")
    options = parser.parse_args()
    figures = with_each_compiler(options, Bench)
    measure.finish(options, figures)


def with_each_compiler(options, bench):
    """Runs ``bench(options, zig, work folder)`` with each compiler of the options, and
    returns the figures of each by its version."""
    figures = {}
    for zig in options.zig or [default_zig(options.python)]:
        work = tempfile.mkdtemp(prefix="zigimport-bench-")
        try:
            version = measure.checked([zig, "version"], environment={}, folder="/").output.decode().strip()
            figures[version] = bench(options, zig, work).run(version)
        finally:
            shutil.rmtree(work)
    return figures


def default_zig(python):
    """Returns the compiler of the interpreter's ``ziglang`` package."""
    code = "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))"
    environment = measure.clean_environment()
    return measure.checked([python, "-c", code], environment=environment, folder="/").output.decode().strip()


class Bench:
    """One compiler: its stores, its modules and its direct command."""

    def __init__(self, options, zig, work):
        self.options = options
        self.zig = zig
        self.work = work
        self.modules = self.folder("modules")
        self.number = 0

    def folder(self, name):
        """Returns a folder of this run, created if need be."""
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o700)
        return path

    def environment(self, store):
        """Returns the environment of an import with a store."""
        return measure.clean_environment(
            ZIGIMPORT_ZIG=self.zig, ZIGIMPORT_OPTIMIZE=self.options.optimize, ZIGIMPORT_BUILD_DIR=store
        )

    def run(self, version):
        """Measures the cases, prints them, and returns the figures."""
        reference = self.folder("reference")
        self.write("reference")
        self.imported("reference", reference)
        figures, rows = {}, []
        for case in self.options.case or CASES:
            rounds = self.options.cold_rounds if case == "cold" else self.options.rounds
            pair = getattr(self, case)(reference)
            runs = measure.interleaved(rounds, {"import": pair[0], "direct": pair[1]})
            figures[case] = one = summary(runs["import"], runs["direct"])
            rows.append(
                [
                    CASES[case],
                    *(f"{one[key] * 1e3:.0f}" for key in ("direct_wall", "import_wall", "process_wall")),
                    f"{one['wall_ratio']:.2f}",
                    *(f"{one[key] * 1e3:.0f}" for key in ("direct_cpu", "import_cpu")),
                    f"{one['own_cpu'] * 1e3:.1f}",
                    f"{one['cpu_ratio']:.2f}",
                ]
            )
        head = ["medians, ms", "direct", "import", "process", "ratio", "CPU: direct", "import", "without zig", "ratio"]
        measure.table(f"Zig {version}, {self.options.optimize}", head, rows)
        figures["timeline"] = self.timeline(reference)
        return figures

    # The three cases: each a function for the import and one for the direct call.

    def cold(self, reference):
        """Empty store and caches on both sides."""

        def ours(index):
            store = self.folder(f"cold-store-{index}")
            name = self.write("cold")
            try:
                return self.imported(name, store)
            finally:
                shutil.rmtree(store)

        def direct(index):
            caches = self.folder(f"cold-direct-{index}")
            try:
                return self.direct(self.command("cold", reference, caches))
            finally:
                shutil.rmtree(caches)

        return ours, direct

    def edit(self, reference):
        """One module whose body changes before each call."""
        caches = self.folder("edit-direct")
        return (
            lambda _: self.imported(self.write("edited"), reference),
            lambda _: self.direct(self.command(self.write("edited_directly"), reference, caches)),
        )

    def new(self, reference):
        """A module with a new name before each call."""
        caches = self.folder("new-direct")
        return (
            lambda index: self.imported(self.write(f"new_{index}"), reference),
            lambda index: self.direct(self.command(self.write(f"new_directly_{index}"), reference, caches)),
        )

    def write(self, name):
        """Writes a module with a body that no module had before, and returns its name."""
        self.number += 1
        with open(os.path.join(self.modules, f"{name}.zig"), "w", encoding="utf-8") as file:
            file.write(SOURCE.format(number=self.number))
        return name

    def command(self, name, reference, caches):
        """Returns the command that zigimport would run, with other caches."""
        planner = [self.options.python, "-m", "zigimport", "plan", "--explain", "--format", "json"]
        path = os.path.join(self.modules, "reference.zig")
        if not hasattr(self, "template"):
            # Planned with a store of its own, or the answer would be to load.
            # Its support files are those of the reference store.
            empty = os.path.join(self.work, "empty")
            planned = measure.checked([*planner, path], environment=self.environment(empty), folder=self.modules)
            (action,) = json.loads(planned.output)["actions"]
            # The plan shows a command for people, without the protocol.
            self.template = [*shlex.split(action["commands"][-1].replace(empty, reference)), "--listen=-"]
            self.template_version = re.search(r"zig-v\d+/([^/]+)/global", " ".join(self.template))[1]
        command = []
        for word in self.template:
            word = word.replace("/reference.zig", f"/{name}.zig")
            if word.startswith("-Mdeclarations="):
                word = f"-Mdeclarations={self.declarations(word.split('=', 1)[1], name, caches)}"
            command.append(name if word == "reference" else word)
        for option, folder in (("--cache-dir", "local"), ("--global-cache-dir", "global")):
            command[command.index(option) + 1] = os.path.join(caches, folder)
        return command

    def declarations(self, reference, name, caches):
        """Writes the description of a module, made from the reference module's."""
        path = os.path.join(caches, f"{name}-declarations.zig")
        if not os.path.exists(path):
            with open(reference, encoding="utf-8") as source, open(path, "w", encoding="utf-8") as file:
                file.write(source.read().replace('"reference"', f'"{name}"').replace("PyInit_reference", f"PyInit_{name}"))
        return path

    def direct(self, command):
        """Calls the compiler once."""
        ended = measure.checked(command, environment={}, folder=self.modules, input_bytes=ONE_UPDATE)
        name = command[command.index("--name") + 1]
        local = command[command.index("--cache-dir") + 1]
        # The compiler ends well whether it compiled or not.
        if not glob.glob(os.path.join(local, "o", "*", f"lib{name}.so")):
            raise RuntimeError(f"the direct call made no library: {shlex.join(command)}")
        return ended

    def imported(self, name, store):
        """Imports a module in a fresh process; returns the process, and the
        import's wall time, own CPU time and CPU time of the compiler."""
        code = CHILD.format(name=name, expected=3 + self.number)
        ended = measure.checked(
            [self.options.python, "-c", code], environment=self.environment(store), folder=self.modules
        )
        return ended, *map(float, ended.output.split())

    def timeline(self, reference):
        """Says where the time of a warm miss goes, from what the import reports
        and, with --strace, from the processes and files that it makes."""
        steps = {}
        for index in range(max(self.options.rounds, 3)):
            name = self.write("timeline")
            code = TIMELINE.format(name=name)
            command = [self.options.python, "-c", code]
            trace = os.path.join(self.work, "trace.txt")
            if self.options.strace:
                calls = "trace=execve,exit_group,linkat,rename,renameat,renameat2"
                command = ["/usr/bin/env", "strace", "--seccomp-bpf", "-f", "-ttt", "-e", calls, "-o", trace, *command]
            ended = measure.checked(command, environment=self.environment(reference), folder=self.modules)
            marks = json.loads(ended.output)
            if self.options.strace:
                marks += traced(trace)
            marks.sort(key=lambda mark: mark[1])
            if index == 0:
                continue
            for (_, before), (label, after) in zip(marks, marks[1:]):
                steps.setdefault(re.sub(r"[0-9]+\.[0-9]+ s|[0-9a-f]{64}", "…", label), []).append(after - before)
        rows = [[f"until: {label[:70]}", f"{measure.median(times) * 1e3:.2f}"] for label, times in steps.items()]
        measure.table("Where a warm miss spends its wall time", ["step", "ms"], rows)
        return {label: measure.median(times) for label, times in steps.items()}


def traced(path):
    """Reads the moments of interest from an strace log."""
    marks, compiler, linked = [], None, 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r"(\d+)\s+([\d.]+) (.*)", line)
            if not match:
                continue
            pid, moment, event = match[1], float(match[2]), match[3]
            if event.startswith("execve(") and "build-lib" in event:
                compiler = pid
                marks.append(("compiler started", moment))
            elif pid == compiler and event.startswith("exit_group"):
                marks.append(("compiler exits", moment))
            elif pid == compiler and event.startswith("+++"):
                marks.append(("compiler is gone", moment))
            elif pid != compiler and event.startswith(("linkat", "rename")):
                linked += 1
                marks.append((f"file {linked} is published", moment))
    return marks


def summary(imports, directs):
    """Returns the figures of one case."""
    walls = [wall for _, wall, _, _ in imports]
    own = [own for _, _, own, _ in imports]
    cpu = [own + compiler for _, _, own, compiler in imports]
    direct_walls = [one.wall for one in directs]
    direct_cpu = [one.cpu for one in directs]
    ratios = [ours / theirs for ours, theirs in zip(walls, direct_walls)]
    return {
        "rounds": len(imports),
        "direct_wall": measure.median(direct_walls),
        "import_wall": measure.median(walls),
        "process_wall": measure.median([process.wall for process, *_ in imports]),
        "wall_ratio": measure.median(walls) / measure.median(direct_walls),
        "wall_ratio_of_pairs": measure.median(ratios),
        "wall_ratio_of_minima": min(walls) / min(direct_walls),
        "direct_cpu": measure.median(direct_cpu),
        "import_cpu": measure.median(cpu),
        "own_cpu": measure.median(own),
        "cpu_ratio": measure.median(cpu) / measure.median(direct_cpu),
        "cpu_ratio_of_minima": min(cpu) / min(direct_cpu),
    }


if __name__ == "__main__":
    main()
