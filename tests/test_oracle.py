"""The compiler as judge: what a compilation read, against what the scan named.

The compiler's own answer is read here a second time, so that a fault in how the
host reads it cannot hide one in how it scans.
"""

import json
import os
import re
import shutil
import struct
import time
from pathlib import Path

import pytest

import conftest
from conftest import ADD, script

#: Tags of the message with what was read; prefixes of paths that are the user's.
TAGS = {"0.15": 5, "0.16": 6, "0.17": 6}
USERS_PREFIXES = (1, 5)


def messages(answer):
    """Yields tag and body of each message of the compiler."""
    while answer:
        tag, length = struct.unpack_from("<II", answer)
        yield tag, answer[8 : 8 + length]
        answer = answer[8 + length :]


class Judge:
    """A project whose compiler keeps its answers."""

    def __init__(self, project, line, zig, folder):
        self.project = project
        self.line = line
        self.answer = folder / "answer"
        keep = f'"{zig}" "$@" > "{self.answer}"; status=$?; cat "{self.answer}"; exit $status'
        judge = script(folder / "zig", f'if test "$1" = build-lib; then {keep}; fi\nexec "{zig}" "$@"')
        project.environment["ZIGIMPORT_ZIG"] = str(judge)

    def scanned(self, name):
        """What the plan names, before anything was built."""
        (module,) = self.project.cli("plan", name, "--format", "json").json["modules"]
        assert not any(target["discovered"] for target in module["targets"])
        # The sources of a library are named relative to where it is installed.
        site = Path(self.project.environment.get("PYTHONPATH", self.project.root))
        return {
            (site if one["role"] == "library" else self.project.root / module["project_root"]) / one["path"]
            for one in module["inputs"]
        }

    def read(self):
        """What the last compilation read of the user's."""
        (body,) = [body for tag, body in messages(self.answer.read_bytes()) if tag == TAGS[self.line]]
        entries = [entry for entry in body.split(b"\0") if entry and entry[0] in USERS_PREFIXES]
        paths = {conftest.normal(self.project.root, entry[1:]) for entry in entries}
        return {path for path in paths if self.project.store not in path.parents}

    def judge(self, name, what, computed=()):
        """Builds a module, and returns what the scan named and the compiler did not read."""
        scanned = self.scanned(name)
        # What no scan named and was written just now could have changed during the build.
        time.sleep(0.2)
        built = self.project.cli("build", name, env={"ZIGIMPORT_VERBOSE": "1"})
        assert built.returncode == 0, built
        read = self.read()
        missed = read - scanned
        assert missed == {self.project.root / path for path in computed}, sorted(missed)
        assert len(read) > 1
        unread = scanned - read
        assert f"of {len(scanned)} scanned files the compiler read " in built.stderr, built
        conftest.CLOSING.append(
            f"oracle, zig {self.line}, {what}: {len(read)} files read, {len(missed) - len(computed)} missed, "
            f"{len(computed)} with a computed name, {len(unread)} scanned but not read"
        )
        entries = [json.loads(path.read_text()) for path in self.project.stored("entries")]
        (entry,) = [entry for entry in entries if entry["source"] == name]
        assert [one["path"] for one in entry["discovered"]] == sorted(computed)
        return built, {os.path.relpath(path, self.project.root) for path in unread}


@pytest.fixture
def judge(make_project, environments, tmp_path, zig):
    return Judge(make_project(zig=zig), zig, environments["zigs"][zig], tmp_path)


# The standard library of each Zig, copied into a project.


USES = {
    "json.zig": """
pub fn run(text: []const u8) !usize {
    var buffer: [4096]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&buffer);
    const value = try part.parseFromSliceLeaky(part.Value, fixed.allocator(), text, .{});
    return value.array.items.len;
}
""",
    "crypto.zig": """
pub fn run(data: []const u8) u8 {
    var digest: [32]u8 = undefined;
    part.hash.sha2.Sha256.hash(data, &digest, .{});
    return digest[0];
}
""",
    "compress.zig": """
pub fn run(data: []const u8) !usize {
    var reader: std.Io.Reader = .fixed(data);
    var window: [part.flate.max_window_len]u8 = undefined;
    var stream: part.flate.Decompress = .init(&reader, .zlib, &window);
    var buffer: [4096]u8 = undefined;
    var output: std.Io.Writer = .fixed(&buffer);
    return stream.reader.streamRemaining(&output);
}
""",
    "base64.zig": """
pub fn run(data: []const u8) usize {
    return part.standard.Encoder.calcSize(data.len);
}
""",
    "zig.zig": """
pub fn run() u32 {
    var tokens: part.Tokenizer = .init("pub const x = 1;");
    var count: u32 = 0;
    while (tokens.next().tag != .eof) count += 1;
    return count;
}
""",
}


@pytest.mark.parametrize("name", USES)
def test_a_part_of_the_standard_library_that_is_used_has_no_gap(judge, environments, name):
    library = Path(environments["zigs"][judge.line]).parent / "lib" / "std"
    for path in library.rglob("*.zig"):
        # Its parts know the whole by a path; here they take the compiler's own.
        source = re.sub(rb'@import\("(\.\./)*std\.zig"\)', b'@import("std")', path.read_bytes())
        judge.project.write(f"copied/{path.relative_to(library).as_posix()}", source)
    imports = f'const std = @import("std");\nconst part = @import("copied/{name}");\ncomptime {{\n    _ = std;\n}}\n'
    judge.project.write("m.zig", imports + USES[name])
    judge.judge("m.zig", f"std/{name}")


def test_every_file_of_the_standard_library_has_no_gap(judge, environments):
    library = Path(environments["zigs"][judge.line]).parent / "lib" / "std"
    copied = judge.project.root / "copied"
    shutil.copytree(library, copied)
    files = sorted(path.relative_to(judge.project.root).as_posix() for path in copied.rglob("*.zig"))
    imports = "".join(f'const _{index} = @import("{path}");\n' for index, path in enumerate(files))
    judge.project.write("m.zig", imports + ADD)
    assert len(files) > 500
    judge.judge("m.zig", f"all {len(files)} files of std")


def test_a_binding_library_has_no_gap(make_project, environments, tmp_path):
    if environments["main"] not in ("3.11", "3.12", "3.13"):
        pytest.skip(f"pyz3 does not run on CPython {environments['main']}")
    judge = Judge(make_project(zig="0.15"), "0.15", environments["zigs"]["0.15"], tmp_path)
    judge.project.environment["PYTHONPATH"] = environments["libraries"]["pyz3"]
    judge.project.write("inner/part.zig", "pub const number: i64 = 4;\n")
    judge.project.write(
        "m.zig",
        'const py = @import("pyz3");\nconst root = @This();\n'
        "pub fn add(args: struct { a: i64 }) i64 {\n    return args.a + @import(\"inner/part.zig\").number;\n}\n"
        "comptime {\n    py.rootmodule(root);\n}\n",
    )
    judge.judge("m.zig", "pyz3")


# What is made to mislead a scanner.


MISLEADING = r"""
const std = @import("std");
// @import("comment.zig")
const text = "@import(\"string.zig\")";
const lines =
    \\@import("multiline.zig");
    \\@embedFile("multiline.txt")
;
const @"@import" = 1;
const escaped = @import("\x65sc\u{61}ped.zig");
const spaced = @import ( // between
    "with space.zig" ,
) ;
const first = @import("inner/a.zig");
const second = @import("./inner/../inner/a.zig");
const third = @import("inner/./deep/../a.zig");
const linked = @import("link.zig");
const through = @import("linked_folder/b.zig");
const upper = @import("Case.zig");
const lower = @import("case.zig");
const marked = @import("bom.zig");
const returns = @import("crlf.zig");
const unicode = @import("größe \u{4e16}%41.zig");
const never = if (false) @import("never.zig") else struct {};
const config: struct { number: u8 } = @import("config.zon");
const bytes = @embedFile("bytes.bin");

pub fn all() u64 {
    const local = switch (@import("builtin").os.tag) {
        .windows => @import("windows.zig"),
        else => @import("other.zig"),
    };
    const parts = .{ escaped, spaced, first, second, third, linked, through, upper, lower, marked, returns, unicode, local };
    var sum: u64 = config.number + bytes.len + text.len + lines.len + @"@import";
    inline for (parts) |part| sum += part.number;
    return sum + struct {
        const nested = @import("nested.zig");
    }.nested.number;
}
fn unused() []const u8 {
    return @embedFile("unused.txt");
}
comptime {
    _ = never;
    _ = std;
}
"""

NUMBER = "pub const number: u64 = 1;\n"


def write_misleading(project):
    project.write("m.zig", MISLEADING.lstrip())
    for name in ("escaped", "with space", "Case", "case", "windows", "other", "nested", "never", "größe \u4e16%41"):
        project.write(f"{name}.zig", NUMBER)
    # A cycle, and a way up and down again.
    project.write("inner/a.zig", 'pub const b = @import("../other/b.zig");\n' + NUMBER)
    project.write("other/b.zig", 'pub const a = @import("../inner/a.zig");\npub const m = @import("../m.zig");\n' + NUMBER)
    (project.root / "inner/deep").mkdir()
    project.write("target.txt", NUMBER)
    (project.root / "link.zig").symlink_to("target.txt")
    (project.root / "linked_folder").symlink_to("other")
    project.write("bom.zig", b"\xef\xbb\xbf" + NUMBER.encode())
    project.write("crlf.zig", b'// "\r\nconst b = @import(\r\n"bom.zig");\r\n' + NUMBER.encode())
    project.write("config.zon", ".{ .number = 2 }\n")
    project.write("bytes.bin", b"\x00\xff\xfe\r\n\x00")
    project.write("unused.txt", "not read")


def test_misleading_sources_have_no_gap(judge):
    write_misleading(judge.project)
    _, unread = judge.judge("m.zig", "misleading sources")
    # What is embedded counts where it is analysed; an import counts always.
    assert unread == {"unused.txt"}


def test_a_file_whose_name_is_no_text_is_an_input(judge):
    project = judge.project
    project.write("m.zig", 'pub fn text() []const u8 {\n    return @embedFile("\\xff.txt");\n}\n')
    path = project.root / os.fsdecode(b"\xff.txt")
    path.write_text("one")
    built = project.cli("build", "m.zig", env={"ZIGIMPORT_VERBOSE": "1"})
    assert "of 2 scanned files the compiler read all\n" in built.stderr and "from now on" not in built.stderr, built
    assert project.imports("m", "module.text()").value == "one"
    path.write_text("two")
    assert project.imports("m", "module.text()").value == "two"


def test_a_thousand_files_have_no_gap(judge):
    for index in range(1000):
        import_of_next = f'pub const next = @import("part_{index + 1}.zig");\n' if index % 10 != 9 else ""
        judge.project.write(f"parts/part_{index}.zig", import_of_next + NUMBER)
    imports = "".join(f'const _{index} = @import("parts/part_{index}.zig");\n' for index in range(0, 1000, 10))
    judge.project.write("m.zig", imports + ADD)
    _, unread = judge.judge("m.zig", "a thousand files")
    assert unread == set()


def test_a_large_embedded_file_is_an_input(make_project, environments, tmp_path):
    judge = Judge(make_project(), conftest.DEFAULT_ZIG, environments["zigs"][conftest.DEFAULT_ZIG], tmp_path)
    project = judge.project
    project.write("m.zig", 'const data = @embedFile("data.bin");\npub fn last() u8 {\n    return data[data.len - 1];\n}\n')
    with open(project.root / "data.bin", "wb") as file:
        file.truncate(100 << 20)
    judge.judge("m.zig", "100 MiB embedded")
    assert project.imports("m", "module.last()").value == 0
    with open(project.root / "data.bin", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x07")
    assert project.imports("m", "module.last()").value == 7


def test_sources_of_c_have_no_gap(judge):
    project = judge.project
    project.write("m.zig", "//! zigimport: c-sources = native/a.c\nextern fn a() c_int;\npub fn b() c_int {\n    return a();\n}\n")
    project.write("native/a.c", '#include <stdio.h>\n#include "one.h"\n#if 0\n#include "never.h"\n#endif\nint a(void) { return ONE; }\n')
    project.write("native/one.h", '#include "../other/two.h"\n#define ONE TWO\n')
    project.write("native/never.h", "")
    project.write("other/two.h", "#define TWO 2\n")
    _, unread = judge.judge("m.zig", "C sources")
    assert unread == {"native/never.h"}
    assert project.imports("m", "module.b()").value == 2


# What no scan can know.


COMPUTED = """
const name = "data" ++ ".txt";
pub fn text() []const u8 {
    return @embedFile(name);
}
"""


def test_an_operand_that_is_computed_is_reported_once_and_its_file_is_an_input(judge):
    project = judge.project
    project.write("m.zig", COMPUTED + 'const other = @import("other.zig");\n')
    project.write("other.zig", NUMBER)
    project.write("data.txt", "one")
    built, _ = judge.judge("m.zig", "computed operand", computed=["data.txt"])
    lines = [line for line in built.stderr.splitlines() if "data.txt" in line]
    assert lines == [
        "zigimport: m: the compiler read data.txt, an input from now on (m.zig:4: operand `name` is no string literal)"
    ], built
    assert project.imports("m", "module.text()").builds == []
    project.write("data.txt", "two")
    changed = project.imports("m", "module.text()")
    assert changed.value == "two" and set(changed.reasons) == {"data.txt changed"}
    assert "an input from now on" not in changed.stderr
    project.write("data.txt", "one")
    assert project.imports("m", "module.text()").builds == []


def test_a_gap_cannot_make_a_stale_module_twice(judge):
    # A link in the middle of a path is followed by the compiler, and may be by the scan.
    project = judge.project
    project.write("m.zig", 'const other = @import("other.zig");\npub fn text() []const u8 {\n    return @embedFile("a" ++ ".txt") ++ @embedFile("b" ++ ".txt");\n}\n')
    project.write("other.zig", NUMBER)
    project.write("a.txt", "a1")
    project.write("b.txt", "b1")
    judge.judge("m.zig", "two computed operands", computed=["a.txt", "b.txt"])
    project.write("a.txt", "a2")
    assert project.imports("m", "module.text()").value == "a2b1"
    project.write("b.txt", "b2")
    assert project.imports("m", "module.text()").value == "a2b2"
    (project.root / "a.txt").unlink()
    assert project.fails("m").error == "ZigCompileError"


# The other routes of the compiler.


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_several_targets_have_no_gap(make_project, line):
    project = make_project(zig=line)
    project.write("m.zig", "//! zigimport: c-sources = a.c\n" + MODULE_OF_C)
    project.write("a.c", '#include HEADER\nint a(void) { return ONE; }\n#undef HEADER\n'.replace("HEADER", '"in/one.h"', 1))
    project.write("in/one.h", "#define ONE 1\n")
    project.write("part.zig", NUMBER)
    project.write("text.txt", "text")
    built = project.cli(
        "build", "m.zig", "--target", "native", "--target", "aarch64-linux-gnu", env={"ZIGIMPORT_VERBOSE": "1"}
    )
    assert built.returncode == 0, built
    assert "m: of 5 scanned files the compiler read all\n" in built.stderr, built
    entries = [json.loads(path.read_text()) for path in project.stored("entries")]
    assert [entry["discovered"] for entry in entries] == [[], []]


MODULE_OF_C = """
extern fn a() c_int;
pub fn b() c_int {
    return a() + @as(c_int, @import("part.zig").number) + @as(c_int, @embedFile("text.txt").len);
}
"""


def test_several_targets_learn_what_no_scan_can_know(make_project, zig):
    project = make_project(zig=zig)
    project.write("m.zig", "//! zigimport: c-sources = a.c\n" + MODULE_OF_C.replace('"text.txt"', '"text" ++ ".txt"'))
    project.write("a.c", "#define NAME(text) #text\n#include NAME(in/one.h)\nint a(void) { return ONE; }\n")
    project.write("in/one.h", "#define ONE 1\n")
    project.write("part.zig", NUMBER)
    project.write("text.txt", "text")
    targets = ("--target", "native", "--target", "aarch64-linux-gnu")
    built = project.cli("build", "m.zig", *targets)
    assert built.returncode == 0, built
    assert "the compiler read in/one.h, text.txt, an input from now on" in built.stderr, built
    entries = [json.loads(path.read_text()) for path in project.stored("entries")]
    found = [[one["path"] for one in entry["discovered"] if one["role"] == "discovered"] for entry in entries]
    assert found == [["in/one.h", "text.txt"]] * 2
    assert project.cli("plan", "m.zig", *targets, "--check").returncode == 0
    for path, content in (("in/one.h", "#define ONE 2\n"), ("text.txt", "other")):
        project.write(path, content)
        assert project.cli("plan", "m.zig", *targets, "--check").returncode == 1
        assert project.cli("build", "m.zig", *targets).returncode == 0
