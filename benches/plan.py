"""What planning a large tree costs: 1,000 modules of 10 files each.

    python benches/plan.py
    python benches/plan.py --built --keep /tmp/built

Compares, in fresh processes in alternating order: `zigimport plan` of the whole
folder as text, as JSON and as a page; `git status` of the same tree; a walk that
looks at each file's metadata; and one that also reads each file and takes its
SHA-256. The zigimport cache is empty, or with `--built` has every module, which
takes that many builds, once with ``--keep``. The file system's own cache is warm
throughout.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

WALK = """
import os
for folder, _, names in os.walk("."):
    for name in names:
        os.stat(os.path.join(folder, name))
"""
HASH = """
import hashlib, os
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.join(folder, name)
        os.stat(path)
        with open(path, "rb") as file:
            hashlib.sha256(file.read()).digest()
"""
FILLER = "// A line of a comment, so that a file has a usual size.\n" * 40


def write_tree(root, modules, parts):
    """Writes modules with parts on two levels."""
    for number in range(modules):
        folder = root / f"group{number // 50}"
        inner = folder / f"parts{number}"
        inner.mkdir(parents=True)
        outer, deep = range((parts + 1) // 2), range((parts + 1) // 2, parts)
        imports = "".join(f'const p{part} = @import("parts{number}/p{part}.zig");\n' for part in outer)
        value = " + ".join(["x", *(f"p{part}.value" for part in outer)])
        text = f"{imports}pub fn f(x: i64) i64 {{\n    return {value};\n}}\n"
        (folder / f"m{number}.zig").write_text(text + FILLER)
        for part in outer:
            below = [one for one in deep if one % len(outer) == part]
            imports = "".join(f'const p{one} = @import("p{one}.zig");\n' for one in below)
            value = " + ".join([str(number), *(f"p{one}.value" for one in below)])
            (inner / f"p{part}.zig").write_text(f"{imports}pub const value: i64 = {value};\n{FILLER}")
        for part in deep:
            (inner / f"p{part}.zig").write_text(f"pub const value: i64 = {part};\n{FILLER}")


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 10)
    parser.add_argument("--modules", type=int, default=1_000, help="modules of the tree (default: %(default)s)")
    parser.add_argument("--parts", type=int, default=9, help="files of each beside its own (default: %(default)s)")
    parser.add_argument("--built", action="store_true", help="build every module first")
    parser.add_argument("--keep", metavar="FOLDER", type=os.path.abspath, help="keep tree and cache, or take them up again")
    options = parser.parse_args()
    if options.keep:
        measure.finish(options, run(options, Path(options.keep)))
        return
    work = tempfile.mkdtemp(prefix="zigimport-plan-")
    try:
        measure.finish(options, run(options, Path(work)))
    finally:
        shutil.rmtree(work)


def run(options, work):
    """Measures every variant, prints the ratios, and returns the figures."""
    tree = work / "tree"
    if not tree.exists():
        write_tree(tree, options.modules, options.parts)
    zig = {name: os.environ[name] for name in ("ZIGIMPORT_ZIG",) if name in os.environ}
    store = work / ("store" if options.built else "empty")
    environment = measure.clean_environment(ZIGIMPORT_BUILD_DIR=str(store), **zig)
    command = [options.python, "-m", "zigimport"]
    if options.built:
        subprocess.run([*command, "build", "."], cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
    commands = {
        "bare interpreter": [options.python, "-c", "pass"],
        "metadata of each file": [options.python, "-c", WALK],
        "SHA-256 of each file": [options.python, "-c", HASH],
        **{f"plan --format {form}": [*command, "plan", "--format", form] for form in ("text", "json", "html")},
    }
    git = shutil.which("git")
    if git:
        # Its folder lies elsewhere, so that the walks do not see it.
        git_command = [git, f"--git-dir={work / 'git'}", f"--work-tree={tree}"]
        for arguments in (["init", "--quiet"], ["add", "."]):
            subprocess.run([*git_command, *arguments], cwd=tree, check=True, stdout=subprocess.DEVNULL)
        commands["git status"] = [*git_command, "status", "--short"]

    def variant(arguments):
        return lambda _: measure.checked(arguments, environment=environment, folder=str(tree))

    runs = measure.interleaved(options.rounds, {name: variant(arguments) for name, arguments in commands.items()})
    figures = {
        name: {
            "wall": measure.median([one.wall for one in ended]),
            "wall_min": min(one.wall for one in ended),
            "cpu": measure.median([one.cpu for one in ended]),
        }
        for name, ended in runs.items()
    }
    metadata, content = figures["metadata of each file"], figures["SHA-256 of each file"]
    rows = [
        (
            name,
            *(f"{figure[key] * 1000:.0f}" for key in ("wall", "wall_min", "cpu")),
            f"{figure['wall_min'] / metadata['wall_min']:.2f}",
            f"{figure['wall_min'] / content['wall_min']:.2f}",
        )
        for name, figure in figures.items()
    ]
    state = "every module built" if options.built else "empty cache"
    files = options.modules * (options.parts + 1)
    head = ("ms of a process", "wall", "least", "CPU", "least / metadata", "least / SHA-256")
    measure.table(f"{options.modules} modules, {files} files, {state}", head, rows)
    return {"modules": options.modules, "files": files, "built": options.built, "variants": figures}


if __name__ == "__main__":
    main()
