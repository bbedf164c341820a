"""Which level the store compresses with: ratio and speed on real artifacts.

Builds a small module, one with slices and structs, and one that uses much of the
standard library, in Debug and ReleaseFast, with each given Zig, and runs the
example `store_bench` of the host on the libraries. With the program `zstd`, it
also compresses each library with a dictionary that is trained on the others.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = {
    "small": "pub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\n",
    "slices": """const std = @import("std");
pub const Point = struct { x: f64, y: f64 };
pub fn middle(points: []const f64) f64 {
    var sum: f64 = 0;
    for (points) |one| sum += one;
    return sum / @as(f64, @floatFromInt(points.len));
}
pub fn move(point: Point, by: f64) Point {
    return .{ .x = point.x + by, .y = point.y + by };
}
pub fn upper(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    return std.ascii.allocUpperString(allocator, text);
}
""",
    "large": """const std = @import("std");
pub fn digest(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    var out: [32]u8 = undefined;
    std.crypto.hash.sha2.Sha256.hash(text, &out, .{});
    return std.fmt.allocPrint(allocator, "{x}", .{out});
}
pub fn count(allocator: std.mem.Allocator, text: []const u8) !usize {
    const parsed = try std.json.parseFromSlice(std.json.Value, allocator, text, .{});
    defer parsed.deinit();
    return switch (parsed.value) {
        .array => |array| array.items.len,
        .object => |object| object.count(),
        else => 1,
    };
}
pub fn sorted(allocator: std.mem.Allocator, values: []const f64) ![]f64 {
    const copy = try allocator.dupe(f64, values);
    std.mem.sort(f64, copy, {}, std.sort.asc(f64));
    return copy;
}
""",
}
MODES = ("Debug", "ReleaseFast")


def artifacts(folder, zigs):
    """Builds every module in every mode with every compiler; returns labels by path."""
    import zigimport

    labels = {}
    for zig in zigs:
        os.environ["ZIGIMPORT_ZIG"] = zig
        for name, source in MODULES.items():
            path = folder / f"{name}.zig"
            path.write_text(source)
            for mode in MODES:
                result = zigimport.build(path, optimize=mode)
                labels[result.library] = (name, mode, result.zig_version)
    return labels


def with_dictionary(folder, labels):
    """Returns the ratio of each library at level 3 with a dictionary of the others in its mode,
    because one that knows the library itself says nothing."""
    ratios = {}
    for path, (name, mode, zig) in labels.items():
        others = [other for other, label in labels.items() if label[1] == mode and label[0] != name]
        dictionary = folder / "dictionary"
        train = ["zstd", "-q", "-f", "--train", "-B65536", "--maxdict=112640", *others, "-o", dictionary]
        if subprocess.run(train, stderr=subprocess.DEVNULL).returncode != 0:
            continue
        packed = subprocess.run(["zstd", "-q", "-c", "-3", "-D", dictionary, path], stdout=subprocess.PIPE, check=True)
        ratios[name, mode, zig] = os.path.getsize(path) / len(packed.stdout)
    return ratios


def main():
    """Builds, measures and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zig", action="append", required=True, help="a compiler, repeatable")
    parser.add_argument("--program", required=True, help="the example store_bench, built with --release")
    parser.add_argument("--levels", default="-1,1,3,6,9,12,19", help="zstd levels")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ZIGIMPORT_BUILD_DIR"] = str(folder / "store")
        labels = artifacts(folder, options.zig)
        command = [options.program, "compression", options.levels, *labels]
        rows = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())
        for row in rows:
            row["module"], row["mode"], row["zig"] = labels[row.pop("file")]
        ratios = with_dictionary(folder, labels) if shutil.which("zstd") else {}
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    print("| module | mode | Zig | KB | level | ratio | MB/s in | MB/s out |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['module']} | {row['mode']} | {row['zig']} | {row['bytes'] / 1000:.0f} | {row['level']} "
            f"| {row['bytes'] / row['packed']:.2f} | {row['in_mb_per_s']:.0f} | {row['out_mb_per_s']:.0f} |"
        )
    # Per level over all artifacts: what decides.
    print("\n| mode | level | ratio | MB/s in | MB/s out |\n| --- | --- | --- | --- | --- |")
    for mode, level in sorted({(row["mode"], row["level"]) for row in rows}):
        of = [row for row in rows if (row["mode"], row["level"]) == (mode, level)]
        size = sum(row["bytes"] for row in of)
        speed = [size / sum(row["bytes"] / row[name] for row in of) for name in ("in_mb_per_s", "out_mb_per_s")]
        print(f"| {mode} | {level} | {size / sum(row['packed'] for row in of):.2f} | {speed[0]:.0f} | {speed[1]:.0f} |")
    print("\n| module | mode | Zig | ratio at level 3 with a dictionary of the others |\n| --- | --- | --- | --- |")
    for (module, mode, zig), ratio in ratios.items():
        print(f"| {module} | {mode} | {zig} | {ratio:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
