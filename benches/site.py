"""The cost of ``zigimport site install`` for a process that imports no Zig.

Two virtual environments of one interpreter differ in nothing but the file that
makes the hook work without an import. Fresh processes of both alternate: one
that does nothing, one that imports a thousand ``.py`` files, and one that fails
to import a thousand. The extra CPU time is the difference within a round.
"""

import os
import shutil
import subprocess
import tempfile

import measure

COUNT = 1000
LOOPS = {
    "an import of a .py file": "    __import__(f'ordinary_{i:04}')\n",
    "an import that fails": "    try: __import__(f'absent_{i:04}')\n    except ImportError: pass\n",
}


def main():
    """Runs the bench."""
    options = measure.parser(__doc__, 100).parse_args()
    with tempfile.TemporaryDirectory() as work:
        figures = Bench(options, os.path.realpath(work)).run()
    measure.finish(options, figures)


class Bench:
    """Two environments, and the processes in them."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.environment = measure.clean_environment(ZIGIMPORT_BUILD_DIR=os.path.join(work, "store"))
        self.pythons = {}
        package = subprocess.run(
            [options.python, "-c", "import os, zigimport; print(os.path.dirname(zigimport.__file__))"],
            check=True, capture_output=True, text=True, env=self.environment,
        ).stdout.strip()
        for name in ("without", "with"):
            folder = os.path.join(work, name)
            subprocess.run([options.python, "-m", "venv", "--without-pip", folder], check=True)
            python = self.pythons[name] = os.path.join(folder, "bin", "python")
            (packages,) = measure.checked(
                [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                environment=self.environment, folder=work,
            ).output.decode().splitlines()
            shutil.copytree(package, os.path.join(packages, "zigimport"))
            command = [python, "-m", "zigimport", "site", "install" if name == "with" else "uninstall"]
            measure.checked(command, environment=self.environment, folder=work)

    def run(self):
        """Measures everything, prints it, and returns the figures."""
        return {"start": self.start(), "imports": self.imports()}

    def child(self, name, code):
        """Runs code in an environment, and returns how that went."""
        return measure.checked([self.pythons[name], "-c", code], environment=self.environment, folder=self.work)

    def start(self):
        """What the start of an interpreter pays."""
        variants = {name: lambda _, name=name: self.child(name, "pass").cpu * 1e3 for name in self.pythons}
        runs = measure.interleaved(self.options.rounds, variants)
        extra = measure.differences(runs["with"], runs["without"])
        figures = {name: {"min": min(runs[name]), "median": measure.median(runs[name])} for name in runs}
        figures["extra"] = {"median": measure.median(extra), "middle_half": measure.middle_half(extra)}
        figures["extra"]["min"] = figures["with"]["min"] - figures["without"]["min"]
        rows = [[name, f"{figures[name]['min']:.2f}", f"{figures[name]['median']:.2f}"] for name in (*runs, "extra")]
        measure.table("The start of an interpreter", ["CPU ms", "min", "median"], rows)
        return figures

    def imports(self):
        """What ordinary imports pay."""
        for index in range(COUNT):
            with open(os.path.join(self.work, f"ordinary_{index:04}.py"), "w", encoding="utf-8") as file:
                file.write(f"value = {index}\n")
        rows, figures = [], {}
        for title, loop in LOOPS.items():
            code = (
                f"import sys, time\nsys.path.insert(0, {self.work!r})\nstart = time.process_time_ns()\n"
                f"for i in range({COUNT}):\n{loop}print(time.process_time_ns() - start)"
            )
            variants = {
                name: lambda _, name=name, code=code: int(self.child(name, code).output) / COUNT / 1e3
                for name in self.pythons
            }
            runs = measure.interleaved(max(self.options.rounds // 4, 5), variants)
            without, with_it = measure.median(runs["without"]), measure.median(runs["with"])
            ratios = [one / other for one, other in zip(runs["with"], runs["without"])]
            figures[title] = {"without_us": without, "with_us": with_it, "ratio": measure.median(ratios)}
            rows.append([title, f"{without:.1f}", f"{with_it:.1f}", f"{measure.median(ratios):.3f}"])
        measure.table(f"Ordinary imports, {COUNT} in a process", ["CPU µs", "without", "with", "ratio"], rows)
        return figures


if __name__ == "__main__":
    main()
