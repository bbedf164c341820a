"""Four modules that one line imports: built side by side over one after the other.

Fresh processes run ``import a, b, c, d``, with ``ZIGIMPORT_PARALLEL`` on and off,
in each optimize mode: with an empty cache, and with one in which the compiler's own
caches are warm. Wall time, so that only an idle machine tells the truth.
"""

import os
import shutil
import tempfile

import measure

MODULE = """const std = @import("std");
pub fn smallest(values: []const f64, allocator: std.mem.Allocator) !f64 {{
    const copy = try allocator.dupe(f64, values);
    std.mem.sort(f64, copy, {{}}, std.sort.asc(f64));
    return copy[0] + {number};
}}
pub fn count(text: []const u8, allocator: std.mem.Allocator) !usize {{
    var words = std.StringHashMap(void).init(allocator);
    var iterator = std.mem.tokenizeScalar(u8, text, ' ');
    while (iterator.next()) |word| try words.put(word, {{}});
    return words.count() + {number};
}}
"""
CODE = "import zigimport\nimport a, b, c, d\n"


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 5)
    parser.add_argument("--zig", help="the compiler (default: as an import finds it)")
    options = parser.parse_args()
    figures = {}
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for number, name in enumerate("abcd"):
            with open(os.path.join(work, name + ".zig"), "w", encoding="utf-8") as file:
                file.write(MODULE.format(number=number))
        for mode in ("Debug", "ReleaseFast"):
            for caches in ("empty", "warm"):
                ratio, walls = compare(options, work, mode, caches)
                figures[f"{mode} {caches}"] = {"ratio": ratio, "seconds": walls}
                rows.append((f"{mode}, {caches} caches", f"{walls['0']:.2f}", f"{walls['1']:.2f}", f"{ratio:.2f}"))
    measure.table("import a, b, c, d", ["", "in a row, s", "side by side, s", "ratio"], rows)
    measure.finish(options, figures)


def compare(options, work, mode, caches):
    """Returns the ratio of the medians, and the medians in seconds."""
    store = os.path.join(work, "store")
    kept = os.path.join(work, "kept")
    environment = measure.clean_environment(ZIGIMPORT_BUILD_DIR=store, ZIGIMPORT_OPTIMIZE=mode)
    if options.zig:
        environment["ZIGIMPORT_ZIG"] = os.path.abspath(options.zig)

    def once(parallel):
        shutil.rmtree(store, ignore_errors=True)
        if caches == "warm":
            os.makedirs(store, mode=0o700)
            if os.path.isdir(kept):
                shutil.copytree(kept, os.path.join(store, "zig-v1"), symlinks=True)
        ran = measure.checked(
            [options.python, "-c", CODE], environment={**environment, "ZIGIMPORT_PARALLEL": parallel}, folder=work
        )
        if not os.path.isdir(kept):
            shutil.copytree(os.path.join(store, "zig-v1"), kept, symlinks=True)
        return ran.wall

    walls = measure.interleaved(options.rounds, {name: lambda _, name=name: once(name) for name in ("0", "1")})
    shutil.rmtree(kept, ignore_errors=True)
    medians = {name: measure.median(values) for name, values in walls.items()}
    return medians["1"] / medians["0"], medians


if __name__ == "__main__":
    main()
