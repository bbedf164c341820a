"""What the store costs: a hit against the bare look-up of its inputs, a hit that
trusts the manifest, publishing and restoring against writing and syncing.

Runs the example `store_bench` of the host, and measures `ZIGIMPORT_RELEASE_MODE=1`
from Python against loading the same library directly.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def release_mode(folder, rounds):
    """Returns the µs of finding a cached module with trusted manifests, and of all that
    an import adds to the bare loader for it, in a warm process."""
    os.environ.update(ZIGIMPORT_BUILD_DIR=str(folder / "python-store"), ZIGIMPORT_RELEASE_MODE="1")
    import zigimport

    path = folder / "m.zig"
    path.write_text("pub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\n")
    sys.path.insert(0, str(folder))
    import m

    finder = zigimport._finder
    found = finder.locate("m", sys.path, True)
    assert finder.cached(found, sys.path, None)[0] == m.__file__
    times = {"locate": [], "cached": []}
    for _ in range(rounds):
        for name, call in (
            ("locate", lambda: finder.locate("m", sys.path, True)),
            ("cached", lambda: finder.cached(found, sys.path, None)),
        ):
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the example store_bench, built with --release")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where to work: a folder on the disk to measure")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    parser.add_argument("--code", type=Path, required=True, help="a file of 50 MB or more with machine code: a Zig compiler")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        command = [options.program, "store", name, str(options.rounds), options.code]
        figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())
        figures["release_mode"] = release_mode(Path(name), options.rounds)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    print("| inputs | hit, µs | bare stats, µs | ratio | with ZIGIMPORT_RELEASE_MODE, µs | manifest, bytes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in figures["hits"]:
        print(
            f"| {row['inputs']} | {row['hit_us']:.1f} | {row['stats_us']:.1f} | {row['ratio']:.2f} "
            f"| {row['release_mode_us']:.1f} | {row['manifest_bytes']} |"
        )
    print("\n| MB | content | publish, ms | restore, ms | write and sync, ms | restore over that | CPU of both, ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in figures["publications"]:
        print(
            f"| {row['megabytes']} | {row['content']} | {row['publish_ms']:.1f} | {row['restore_ms']:.1f} "
            f"| {row['write_and_sync_ms']:.1f} | {row['restore_ratio']:.2f} "
            f"| {row['restore_cpu_ms']:.1f}, {row['write_and_sync_cpu_ms']:.1f} |"
        )
    release = figures["release_mode"]
    print(f"\nZIGIMPORT_RELEASE_MODE=1 in a warm process: locate {release['locate']:.1f} µs, cached {release['cached']:.1f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
