"""Throughput of the scanner component against the same scanner compiled natively.

Every file of a Zig standard library goes through the component (machine code,
and bytecode as where executable memory is forbidden) and through the native
program of ``guest-tools/zig/scanner/scan_native.zig``, compiled by each Zig.
They alternate; each thread scans every file, and its fastest round counts.

The native program scans and stops there. The component also hands every
answer to the host, which is part of what a scan costs.

Build the host's side first, with the compiler that the guests are built with:

    cargo build --release -p zigimport-host --example scan_bench
"""

import argparse
import ctypes
import os
import re
import shutil
import sys
import tempfile
import threading

import measure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: ``PR_SET_MDWE``: no memory of this process becomes executable any more.
PR_SET_MDWE = 65


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 5)
    absolute = os.path.abspath
    parser.add_argument(
        "--zig", action="append", metavar="PATH", type=absolute, help="a compiler for the native program, repeatable"
    )
    parser.add_argument("--std", metavar="FOLDER", type=absolute, help="sources to scan (default: the first compiler's standard library)")
    parser.add_argument("--scans", type=int, default=10, help="scans of everything in each round (default: %(default)s)")
    parser.add_argument("--threads", type=int, action="append", help="numbers of threads (default: 1 and 2)")
    parser.add_argument("--program", type=absolute, default=os.path.join(ROOT, "target/release/examples/scan_bench"))
    parser.add_argument("--without-executable-memory", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.without_executable_memory:
        forbid_executable_memory()
        os.execv(options.without_executable_memory[0], options.without_executable_memory)
    work = tempfile.mkdtemp(prefix="zigimport-scanner-")
    try:
        measure.finish(options, run(options, work))
    finally:
        shutil.rmtree(work)


def forbid_executable_memory():
    """Makes this process one in which no memory can become executable."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        raise SystemExit(f"this kernel cannot forbid executable memory: {os.strerror(ctypes.get_errno())}")


def run(options, work):
    """Measures every variant, prints the ratios, and returns the figures."""
    zigs = options.zig or [default_zig()]
    sources = options.std or os.path.join(os.path.dirname(zigs[0]), "lib", "std")
    paths = os.path.join(work, "files.txt")
    write_list(sources, paths)
    natives = {}
    for zig in zigs:
        version = measure.checked([zig, "version"], environment={}, folder="/").output.decode().strip()
        natives[f"native, Zig {version}"] = compile_native(zig, work)

    figures = {}
    for threads in options.threads or [1, 2]:
        component = [options.program, str(options.scans), str(threads), paths]
        forbidden = [sys.executable, os.path.abspath(__file__), "--without-executable-memory"]
        few = [options.program, "2", str(threads), paths]
        variants = {
            "component, machine code": lambda _, command=component: rate(answer(command)),
            "component, bytecode": lambda _, command=[*forbidden, *few]: rate(answer(command), "Pulley"),
        }
        for name, program in natives.items():
            command = [program, str(options.scans), f"@{paths}"]
            variants[name] = lambda _, command=command: side_by_side(command, threads)
        rates = {name: max(values) for name, values in measure.interleaved(options.rounds, variants).items()}
        floor = max(value for name, value in rates.items() if name in natives)
        rows = [[name, f"{value:.0f}", f"{value / floor:.0%}"] for name, value in rates.items()]
        measure.table(f"{threads} thread{'s' * (threads > 1)}", ["", "MB/s of a thread", "of the fastest native"], rows)
        figures[threads] = {name: {"mb_per_second": value, "ratio": value / floor} for name, value in rates.items()}
    print(f"\n{sum(1 for _ in open(paths, encoding='utf-8'))} files of {sources}")
    return figures


def default_zig():
    """Returns the compiler of this interpreter's ``ziglang`` package."""
    import ziglang

    return os.path.join(os.path.dirname(ziglang.__file__), "zig")


def write_list(folder, path):
    """Writes the paths of the Zig files in a folder, one on a line."""
    found = []
    for parent, _, names in os.walk(folder):
        found += [os.path.join(parent, name) for name in names if name.endswith(".zig")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in sorted(found))


def compile_native(zig, work):
    """Compiles the native program for any processor of this kind, as the guests are."""
    machine = os.uname().machine
    output = tempfile.mkdtemp(dir=work)
    arguments = ["build-exe", "-O", "ReleaseFast", "-fstrip", "-mcpu", "baseline", "-lc"]
    arguments += ["-target", f"{machine}-linux-gnu.2.28", "--name", "scan_native", "-Mroot=scanner/scan_native.zig"]
    arguments += [f"-femit-bin={output}/scan_native"]
    arguments += ["--cache-dir", f"{output}/local", "--global-cache-dir", f"{output}/global"]
    folder = os.path.join(ROOT, "guest-tools", "zig")
    measure.checked([zig, *arguments], environment={}, folder=folder)
    return os.path.join(output, "scan_native")


def answer(command):
    """Runs one program, and returns its line."""
    return measure.checked(command, environment=measure.clean_environment(), folder="/").output.decode()


def rate(line, execution=""):
    """Returns the MB/s in a line, after a look at how they came about."""
    if execution not in line:
        raise SystemExit(f"expected {execution}: {line}")
    return float(re.search(r"MB/s ([\d.]+)", line)[1])


def side_by_side(command, count):
    """Runs a program ``count`` times at once, and returns the mean of their MB/s."""
    rates = []
    threads = [threading.Thread(target=lambda: rates.append(rate(answer(command)))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates) / len(rates)


if __name__ == "__main__":
    main()
