"""Runs the native tests of every Zig file that we ship, on each supported Zig.

The guests are built and tested with their own ``zig build test``, the binding
with ``zig test``. Prints one closing line for each compiler and ends with 1 if
any of them fails.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "target/test-environments/environments.json"


def run(arguments, folder):
    """Runs a command and returns whether it succeeded, and its text."""
    finished = subprocess.run(
        [str(argument) for argument in arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return finished.returncode == 0, finished.stdout


def main():
    failed = False
    for line, zig in json.loads(ENVIRONMENTS.read_text())["zigs"].items():
        cache = ROOT / "target/zig-tests" / line
        # Zig 0.17 does not run again, nor count, what passed before.
        shutil.rmtree(cache / "local", ignore_errors=True)
        caches = ["--cache-dir", cache / "local", "--global-cache-dir", cache / "global"]
        environment_caches = ["--cache-dir", cache / "local"]
        guests = ROOT / "guest-tools/zig"
        binding = ROOT / "host/zig/binding"
        build = [zig, "build", "test", "--summary", "all", *(environment_caches if line == "0.17" else caches)]
        if line == "0.17":
            # This line takes its global cache from the environment only.
            build = ["env", f"ZIG_GLOBAL_CACHE_DIR={cache / 'global'}", *build]
        passed = 0
        for name, command, folder in [
            ("guests", build, guests),
            ("binding", [zig, "test", "-lc", "zigimport.zig", *caches], binding),
            ("plugin template", [zig, "test", "plugin.zig", *caches], ROOT / "python/zigimport/templates/plugin/zig"),
        ]:
            succeeded, text = run(command, folder)
            counts = [int(count) for count in re.findall(r"(?:All )?(\d+)(?:/\d+)? tests? passed", text)]
            if not succeeded or not counts:
                failed = True
                print(f"zig {line}: {name} failed:\n{text}")
            passed += max(counts, default=0)
        # No test runs it, libFuzzer does.
        fuzzed = [zig, "build-obj", "-fno-emit-bin", "scanner/scan_fuzz.zig", *caches]
        succeeded, text = run(fuzzed, guests)
        if not succeeded:
            failed = True
            print(f"zig {line}: the scanner for a fuzzer failed:\n{text}")
        for folder in [guests, ROOT / "host/zig", ROOT / "python/zigimport/templates", ROOT / "examples/plugins"]:
            succeeded, text = run([zig, "fmt", "--check", folder], ROOT)
            if not succeeded:
                failed = True
                print(f"zig {line}: not formatted:\n{text}")
        print(f"zig {line}: {passed} tests passed", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
