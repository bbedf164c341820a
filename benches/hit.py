"""The cost of importing a cached Zig module.

Four kinds of fresh process alternate: a bare interpreter, one that loads the
cached library directly with ``ExtensionFileLoader``, one that imports a copy of
the library from ``sys.path`` by its ordinary name, and one that runs
``import zigimport`` and imports the module. All get the same interpreter and
options, and the extra CPU time is the difference within a round.

Then: the cost of each further module in a process, the phases of a hit, the
modules that it loads, what ordinary imports pay for the hook, and with
``--strace`` the system calls.
"""

import collections
import json
import os
import re
import shutil
import tempfile

import measure

SOURCE = "pub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\n"

#: Loads a library in the cheapest way that Python has. ``%(names)s`` and
#: ``%(paths)s`` are lists.
DIRECT = """
import _imp
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader
for name, path in zip(%(names)s, %(paths)s):
    loader = ExtensionFileLoader(name, path)
    module = loader.create_module(ModuleSpec(name, loader, origin=path))
    loader.exec_module(module)
"""
PLAIN = "import sys\nsys.path.insert(0, %(copies)r)\nfor name in %(names)s: __import__(name)\n"
CACHED = "import zigimport\nfor name in %(names)s: __import__(name)\n"

#: The steps of a hit one after the other, each with the process's CPU clock.
PHASES = """
import sys
from time import process_time_ns as now
from _frozen_importlib_external import PathFinder
marks = [now(), now()]
import _imp
create = _imp.create_dynamic
native = [0, 0]
def timed(spec):
    start = now()
    module = create(spec)
    native[0] += now() - start
    return module
_imp.create_dynamic = timed
execute = _imp.exec_dynamic
def timed_exec(module):
    start = now()
    answer = execute(module)
    native[1] += now() - start
    return answer
_imp.exec_dynamic = timed_exec
marks.append(now())
import zigimport
marks.append(now())
_imp.create_dynamic, _imp.exec_dynamic = create, execute
zigimport.install()
marks.append(now())
name = "NAME"
PathFinder.find_spec(name)
marks.append(now())
PathFinder.find_spec(name)
marks.append(now())
finder = sys.meta_path[-1]
found = finder.locate(name, sys.path, True)
marks.append(now())
finder.find_spec(name)
marks.append(now())
hit = finder.cached(found, sys.path, None)
marks.append(now())
finder.cached(found, sys.path, None)
marks.append(now())
from _frozen_importlib import ModuleSpec
loader = zigimport._hook.ZigLoader(finder, found)
marks.append(now())
spec = ModuleSpec(name, loader, origin=hit[0])
module = _imp.create_dynamic(spec)
marks.append(now())
_imp.exec_dynamic(module)
marks.append(now())
clock = marks[1] - marks[0]
steps = [b - a - clock for a, b in zip(marks[1:], marks[2:])]
print(steps[1] - native[0] - native[1], native[0], native[1], *steps[2:])
"""
#: What only the bench does.
HARNESS = "(harness)"
PHASE_NAMES = [
    "import zigimport: its Python files",
    "import zigimport: dlopen of _native",
    "import zigimport: init of _native",
    "install()",
    "Python's own search, first (lists folders)",
    "Python's own search, again (asked twice for a Zig module)",
    "locate(): which .zig file",
    "find_spec() as a whole, second time",
    "cached(): manifest and stamps, first",
    "cached(), second",
    HARNESS,
    "dlopen of the module and PyInit",
    "exec of the module",
]

#: A hit must not load any of these.
FORBIDDEN = {"json", "hashlib", "pathlib", "threading", "subprocess", "logging", "importlib.util", "typing", "re"}


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 200)
    parser.add_argument("--modules", type=int, default=101, help="largest number of modules (default: %(default)s)")
    parser.add_argument("--work", help="folder for modules and store, kept for the next run (default: a temporary one)")
    parser.add_argument("--strace", action="store_true", help="list the system calls of a hit")
    options = parser.parse_args()
    work = options.work or tempfile.mkdtemp(prefix="zigimport-hit-")
    try:
        measure.finish(options, Bench(options, os.path.abspath(work)).run())
    finally:
        if not options.work:
            shutil.rmtree(work)


class Bench:
    """The modules, the store and the interpreter of one run."""

    def __init__(self, options, work):
        self.options = options
        self.folder = os.path.join(work, "modules")
        self.copies = os.path.join(work, "copies")
        self.ordinary = os.path.join(work, "ordinary")
        for path in (self.folder, self.copies, self.ordinary):
            os.makedirs(path, exist_ok=True)
        self.environment = measure.clean_environment(ZIGIMPORT_BUILD_DIR=os.path.join(work, "store"))
        self.names = [f"cached_{index:03}" for index in range(max(options.modules, 1))]
        self.paths = {}

    def run(self):
        """Measures everything, prints it, and returns the figures."""
        self.prepare()
        figures = {}
        for part in (self.process, self.further, self.phases, self.import_time, self.loaded, self.hook):
            figures[part.__name__] = part()
        if self.options.strace:
            figures["system_calls"] = self.system_calls()
        return figures

    def child(self, code, **environment):
        """Runs code in a fresh interpreter, and returns how that went."""
        arguments = [self.options.python, "-c", code]
        return measure.checked(arguments, environment={**self.environment, **environment}, folder=self.folder)

    def prepare(self):
        """Writes and builds the modules, and copies their libraries."""
        for name in self.names:
            path = os.path.join(self.folder, f"{name}.zig")
            if not os.path.exists(path):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(SOURCE)
        code = f"import zigimport, json\nprint(json.dumps({{n: __import__(n).__file__ for n in {self.names!r}}}))"
        self.child(code)
        # A second time: now every stamp is old enough to be trusted.
        self.child("import time; time.sleep(0.3)")
        self.child(code)
        self.paths = json.loads(self.child(code).output)
        for name in self.names:
            shutil.copy(self.paths[name], os.path.join(self.copies, f"{name}.so"))

    def code(self, template, count):
        """Returns the code that loads the first ``count`` modules."""
        names = self.names[:count]
        paths = [self.paths[name] for name in names]
        return template % {"names": names, "paths": paths, "copies": self.copies}

    def process(self):
        """CPU time of a process with one module."""
        codes = {
            "bare interpreter": "pass",
            "library, loaded directly": self.code(DIRECT, 1),
            "library, imported from sys.path": self.code(PLAIN, 1),
            "zigimport only": "import zigimport",
            "zigimport and a cached module": self.code(CACHED, 1),
        }
        variants = {name: lambda _, code=code: self.child(code) for name, code in codes.items()}
        runs = measure.interleaved(self.options.rounds, variants)
        floor = [one.cpu for one in runs["library, loaded directly"]]
        rows, figures = [], {}
        for name, answers in runs.items():
            cpu = [one.cpu for one in answers]
            extra = measure.differences(cpu, floor)
            figures[name] = {
                "cpu_ms_min": min(cpu) * 1e3,
                "cpu_ms_median": measure.median(cpu) * 1e3,
                "extra_ms_median": measure.median(extra) * 1e3,
                "extra_ms_of_minima": (min(cpu) - min(floor)) * 1e3,
                "extra_ms_quartiles": [value * 1e3 for value in measure.middle_half(extra)],
            }
            low, high = figures[name]["extra_ms_quartiles"]
            rows.append(
                [name, *(f"{figures[name][key]:.2f}" for key in list(figures[name])[:4]), f"{low:.2f} to {high:.2f}"]
            )
        head = ["CPU ms of a process", "min", "median", "extra, median", "extra, of minima", "quartiles"]
        measure.table(f"One module, {self.options.rounds} rounds; extra is over the direct load", head, rows)
        return figures

    def further(self):
        """CPU time of each further module in a process."""
        counts = sorted({1, min(11, len(self.names)), len(self.names)})
        templates = {"direct": DIRECT, "sys.path": PLAIN, "zigimport": CACHED}
        variants = {
            (name, count): lambda _, code=self.code(template, count): self.child(code)
            for name, template in templates.items()
            for count in counts
        }
        runs = measure.interleaved(max(self.options.rounds // 4, 5), variants)
        rows, figures = [], {}
        for count in counts[1:]:
            each = {}
            for name in templates:
                more = [one.cpu for one in runs[name, count]]
                one = [one.cpu for one in runs[name, 1]]
                each[name] = measure.median(measure.differences(more, one)) / (count - 1) * 1e6
            each["extra"] = each["zigimport"] - each["direct"]
            figures[count] = each
            rows.append([f"1 to {count} modules", *(f"{value:.0f}" for value in each.values())])
        head = ["CPU µs of a further module", "direct", "sys.path", "zigimport", "zigimport over direct"]
        measure.table("Further modules", head, rows)
        return figures

    def phases(self):
        """CPU time of each step of a hit."""
        code = PHASES.replace("NAME", self.names[0])
        rounds = self.options.rounds
        lines = [self.child(code, ZIGIMPORT_ENABLED="0").output.split() for _ in range(rounds)]
        columns = [[int(value) / 1e3 for value in column] for column in zip(*lines)]
        figures = {}
        for name, column in zip(PHASE_NAMES, columns):
            if name == HARNESS:
                continue
            figures[name] = {"min": min(column), "median": measure.median(column)}
        rows = [[name, f"{one['min']:.0f}", f"{one['median']:.0f}"] for name, one in figures.items()]
        measure.table(f"Phases, {rounds} processes", ["CPU µs", "min", "median"], rows)
        return figures

    def import_time(self):
        """Python's own account, ``-X importtime``: the smallest of many runs."""
        least = {}
        code = f"import zigimport, {self.names[0]}"
        for _ in range(20):
            report = os.path.join(self.folder, "importtime.txt")
            shell = ["/bin/sh", "-c", '"$0" -X importtime -c "$1" 2>"$2"', self.options.python, code, report]
            measure.checked(shell, environment=self.environment, folder=self.folder)
            with open(report, encoding="utf-8") as file:
                for own, total, name in re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)", file.read()):
                    if name.startswith(("zigimport", "cached_")):
                        values = (int(own), int(total))
                        least[name] = tuple(map(min, values, least.get(name, values)))
        rows = [[name, own, total] for name, (own, total) in least.items()]
        measure.table("-X importtime, smallest of 20", ["wall µs", "self", "with what it imports"], rows)
        return {name: {"self": own, "total": total} for name, (own, total) in least.items()}

    def loaded(self):
        """The modules that a hit loads beyond a bare interpreter's."""
        code = "import sys\nprint(*sys.modules, sep='\\n')"
        bare = set(self.child(code).output.decode().split())
        hit = set(self.child(f"import zigimport, {self.names[0]}\n{code}").output.decode().split())
        beyond = sorted(hit - bare)
        forbidden = sorted((hit - bare) & FORBIDDEN)
        print(f"\nModules of a hit beyond the bare interpreter: {', '.join(beyond)}")
        print(f"Heavy ones among them: {', '.join(forbidden) or 'none'}")
        return {"beyond": beyond, "forbidden": forbidden}

    def hook(self):
        """What a thousand ordinary imports, and as many vain ones, pay."""
        count = 1000
        for index in range(count):
            path = os.path.join(self.ordinary, f"ordinary_{index:04}.py")
            if not os.path.exists(path):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"value = {index}\n")
        start = "import sys, time\nsys.path.insert(0, %r)\n" % self.ordinary
        loops = {
            "an import of a .py file": "    __import__(f'ordinary_{i:04}')\n",
            "an import that fails": "    try: __import__(f'absent_{i:04}')\n    except ImportError: pass\n",
        }
        rows, figures = [], {}
        for name, loop in loops.items():
            code = f"start = time.process_time_ns()\nfor i in range({count}):\n{loop}print(time.process_time_ns() - start)"
            variants = {
                "without": lambda _, code=code: int(self.child(start + code).output) / count / 1e3,
                "with": lambda _, code=code: int(self.child(start + "import zigimport\n" + code).output) / count / 1e3,
            }
            runs = measure.interleaved(max(self.options.rounds // 10, 5), variants)
            without, with_hook = measure.median(runs["without"]), measure.median(runs["with"])
            extra = measure.median(measure.differences(runs["with"], runs["without"]))
            figures[name] = {"without_us": without, "with_us": with_hook, "extra_us": extra, "ratio": with_hook / without}
            rows.append([name, f"{without:.1f}", f"{with_hook:.1f}", f"{extra:.1f}", f"{with_hook / without:.3f}"])
        head = ["CPU µs", "without the hook", "with it", "extra", "ratio"]
        measure.table(f"Ordinary imports, {count} in a process", head, rows)
        return figures

    def system_calls(self):
        """Counts the system calls of the import statement, by phase."""
        trace = os.path.join(self.folder, "trace.txt")
        code = (
            "import os\nmark = lambda name: os.access('/mark-' + name, 0)\n"
            f"mark('start')\nimport zigimport\nmark('imported')\nimport {self.names[0]}\nmark('end')\n"
            f"import {self.names[-1]}\nmark('further')\n"
        )
        command = ["/usr/bin/env", "strace", "-f", "-o", trace, self.options.python, "-c", code]
        measure.checked(command, environment=self.environment, folder=self.folder)
        phases = {"imported": "import zigimport", "end": "the first module", "further": "a further module"}
        figures, calls = {}, []
        with open(trace, encoding="utf-8", errors="replace") as file:
            for line in file:
                marked = re.search(r'"/mark-(\w+)"', line)
                if marked:
                    if marked[1] in phases:
                        figures[phases[marked[1]]] = calls
                    calls = []
                    continue
                call = re.match(r"(?:\d+\s+)?(\w+\(.*)", line)
                if call:
                    calls.append(call[1])
        for phase, lines in figures.items():
            counts = collections.Counter(line.split("(")[0] for line in lines)
            print(f"\nSystem calls of {phase}: {len(lines)}")
            print("  " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
            for line in lines:
                print(f"    {line[:150]}")
        return figures


if __name__ == "__main__":
    main()
