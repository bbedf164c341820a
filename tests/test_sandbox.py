"""The sandbox: components that reach nothing, are bounded, and also run where
executable memory is forbidden."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from conftest import ADD

#: Forbids memory that is or becomes executable, then runs the command line.
#: `PR_SET_MDWE` with `PR_MDWE_REFUSE_EXEC_GAIN`; 77 if the kernel has no such thing.
FORBID = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
import mmap
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    sys.exit("executable memory is not forbidden")
except PermissionError:
    pass
"""
COMMAND = FORBID + "import runpy; runpy.run_module('zigimport', run_name='__main__', alter_sys=True)"


def forbidden(project, code, *arguments, **keywords):
    """Runs code in a process that forbade itself executable memory."""
    result = project.run(code, *arguments, **keywords)
    if result.returncode == 77:
        pytest.skip("this kernel cannot forbid executable memory (Linux 6.3)")
    return result


def write_tree(project, count=2000):
    """A module of ``count`` files in folders of 50, each found by its own import."""
    paths = [f"part{number // 50:02}/file{number:04}.zig" for number in range(count - 1)]
    for number, path in enumerate(paths):
        project.write(path, f'pub const number = {number}; // @import("comment{number}.zig")\n')
    imports = [f'const f{number} = @import("{path}");' for number, path in enumerate(paths)]
    project.write("tree.zig", "\n".join([*imports, ADD]))


def write_chain(project, count=2000):
    """A module of ``count`` files, each found only by reading the one before."""
    project.write("chain.zig", 'const next = @import("links/0.zig");\n' + ADD)
    for number in range(count - 1):
        project.write(f"links/{number}.zig", f'pub const next = @import("{number + 1}.zig");\n')
    project.write(f"links/{count - 1}.zig", "")


def inputs_of(project, *arguments):
    """Returns the inputs of the only module of a plan, absolute."""
    planned = project.cli("plan", *arguments, "--format", "json")
    assert planned.returncode == 0, planned
    (module,) = planned.json["modules"]
    return [os.path.normpath(os.path.join(project.root, module["project_root"], one["path"])) for one in module["inputs"]]


# Executable memory forbidden.


def test_where_executable_memory_is_forbidden_components_are_interpreted(project):
    info = forbidden(project, COMMAND, "info", "--format", "json")
    assert info.returncode == 0, info
    normal = project.cli("info", "--format", "json").json
    assert normal["sandbox"] == "precompiled machine code"
    assert info.json["sandbox"].startswith("Pulley bytecode")
    # The same components, so that the same keys come out of both.
    assert [info.json[name] for name in ("scanner", "planner")] == [normal[name] for name in ("scanner", "planner")]


@pytest.mark.parametrize(
    "arguments",
    [
        "plan . --explain",
        "plan . --format json",
        "plan m.zig --format json --target aarch64-linux-gnu --target x86_64-windows",
        "scan m.zig tricky.zig --format json",
    ],
)
def test_interpreted_components_give_the_same_answers(project, arguments):
    project.write("m.zig", 'const p = @import("parts/part.zig");\n/// Adds.\n' + ADD)
    project.write("parts/part.zig", 'pub const text = @embedFile("../missing.txt");\n')
    project.write("tricky.zig", 'const s = "@import(\\"no\\")";\nconst t = \\\\@import("no")\n;\nconst b = \'\n;\n')
    project.write("empty.zig", "")
    interpreted = forbidden(project, COMMAND, *arguments.split())
    normal = project.cli(*arguments.split())
    assert normal.returncode == 0 and normal.stdout
    assert (interpreted.returncode, interpreted.stdout) == (normal.returncode, normal.stdout)


def test_where_executable_memory_is_forbidden_modules_build_and_load(project):
    project.write("m.zig", ADD)
    code = FORBID + "import zigimport, m; print(m.add(40, 2))"
    first = forbidden(project, code)
    assert first.stdout == "42\n" and first.builds == ["m"], first
    again = forbidden(project, code)
    assert again.stdout == "42\n" and again.builds == [], again


# Size.


@pytest.mark.parametrize("write, name", [(write_tree, "tree"), (write_chain, "chain")])
def test_a_module_of_2000_files_is_planned(project, write, name):
    write(project)
    inputs = inputs_of(project, f"{name}.zig")
    assert len(inputs) == len(set(inputs)) == (2000 if name == "tree" else 2001)
    assert not any("comment" in os.path.basename(path) for path in inputs)
    assert [line.split()[1] for line in project.cli("plan", ".").stdout.splitlines()[:-1]] == [name]


def test_the_standard_library_of_zig_is_planned(project, default_zig):
    library = Path(default_zig).parent / "lib" / "std"
    inputs = inputs_of(project, library / "std.zig")
    files = {str(path) for path in library.rglob("*.zig")}
    assert len(files & set(inputs)) > 0.9 * len(files)
    assert all(os.path.isfile(path) for path in inputs)


def test_the_folder_of_the_standard_library_is_planned(project, default_zig):
    library = Path(default_zig).parent / "lib" / "std"
    planned = project.cli("plan", library, "--format", "json")
    assert planned.returncode == 0, planned
    assert "std" in [module["name"] for module in planned.json["modules"]]


def test_a_source_that_is_too_large_is_refused(project):
    with open(project.write("large.zig", ""), "wb") as large:
        large.truncate(129 << 20)
    for command in ("scan", "plan", "build"):
        refused = project.cli(command, "large.zig")
        assert (refused.returncode, refused.stdout) == (1, ""), refused
        assert "failed to scan" in refused.stderr and "large.zig" in refused.stderr
        assert str(128 << 20) in refused.stderr or "128 MiB" in refused.stderr, refused.stderr
    failed = project.fails("large")
    assert failed.error == "ScanError" and "large.zig" in failed.message


def test_a_part_that_is_too_large_is_named(project):
    project.write("m.zig", 'const part = @import("part.zig");\n' + ADD)
    with open(project.write("part.zig", ""), "wb") as large:
        large.truncate(129 << 20)
    refused = project.cli("plan", "m.zig")
    assert refused.returncode == 1 and "part.zig" in refused.stderr, refused


def test_a_source_of_the_largest_size_is_scanned(project):
    line = b'pub const c = @import("a.zig"); // padding padding padding padding\n'
    project.write("big.zig", line + b"// comment comment comment comment comment comment comment comme\n" * (500 << 10))
    (scan,) = project.cli("scan", "big.zig", "--format", "json").json
    assert [one["operand"] for one in scan["dependencies"]] == ["a.zig"]


# Strange sources.


def scan_of(project, content, **keywords):
    project.write("s.zig", content)
    result = project.cli("scan", "s.zig", "--format", "json", **keywords)
    assert result.returncode == 0, result
    (scan,) = result.json
    return scan


def operands(scan):
    return [one["operand"] for one in scan["dependencies"]]


@pytest.mark.parametrize(
    "opening, closing",
    [("(", ")"), ("{", "}"), ("[", "]"), ("struct {", "}"), ("pub const c = struct {", "};"), ("fn f() void {", "}")],
)
def test_deep_nesting_is_scanned_to_its_end(project, opening, closing):
    deep = 200_000
    text = 'const a = @import("a.zig");\n' + opening * deep + '@import("b.zig")' + closing * deep
    assert operands(scan_of(project, text + '\nconst c = @import("c.zig");\n')) == ["a.zig", "b.zig", "c.zig"]


def test_deep_nesting_of_builtins_is_scanned(project):
    text = "@import(" * 100_000 + '"a.zig"' + ")" * 100_000
    scan = scan_of(project, text)
    assert "a.zig" in operands(scan)


def test_a_nul_byte_is_an_invalid_token_and_hides_nothing(project):
    scan = scan_of(project, b'const a = @import("a.zig");\n\0\nconst b = @import("b.zig");\n')
    assert operands(scan) == ["a.zig", "b.zig"]
    assert (scan["invalid"]["line"], scan["invalid"]["column"]) == (2, 1)


def test_bytes_that_are_no_text_hide_nothing(project):
    scan = scan_of(project, b'const a = @import("\xff\xfe.zig"); // \xff\nconst b = @import("b.zig");\n\xff')
    assert operands(scan)[-1] == "b.zig" and len(operands(scan)) == 2


def test_windows_line_ends_and_a_byte_order_mark_are_read(project):
    source = '//! Doc.\r\n//! zigimport: optimize = ReleaseSafe\r\nconst a = @import("a.zig");\r\n/// Adds.\r\n'
    source += ADD.replace("\n", "\r\n")
    scan = scan_of(project, b"\xef\xbb\xbf" + source.encode())
    assert (operands(scan), scan["doc"], scan["invalid"]) == (["a.zig"], "Doc.", None)
    assert scan["settings"] == [{"name": "optimize", "value": "ReleaseSafe", "line": 2}]
    (declaration,) = scan["declarations"]
    assert (declaration["name"], declaration["doc"], declaration["line"]) == ("add", "Adds.", 5)


def test_a_module_with_windows_line_ends_and_a_byte_order_mark_imports(project):
    source = '//! Doc.\r\nconst part = @import("a.zig");\r\n/// Adds.\r\n' + ADD.replace("\n", "\r\n")
    project.write("m.zig", b"\xef\xbb\xbf" + source.encode())
    project.write("a.zig", "")
    imported = project.imports("m", "[module.add(1, 2), module.__doc__, module.add.__doc__]")
    assert imported.value == [3, "Doc.", "Adds."]


def test_an_empty_source_is_scanned(project):
    scan = scan_of(project, b"")
    assert (scan["dependencies"], scan["declarations"], scan["invalid"]) == ([], [], None)


def test_comments_and_strings_hide_and_escapes_show(project):
    scan = scan_of(
        project,
        '// @import("comment.zig")\n/// @import("doc.zig")\nconst a = "@import(\\"string.zig\\")";\n'
        'const b =\n    \\\\@import("multiline.zig")\n;\nconst c = \'"\'; const d = @import("d\\u{2e}zig");\n'
        'const @"@import" = @import ( "e.zig" );\nconst f = @embedFile("f" ++ ".txt");\n',
    )
    assert operands(scan) == ["d.zig", "e.zig", '"f" ++ ".txt"']
    assert [one["literal"] for one in scan["dependencies"]] == [True, True, False]


def test_a_scan_is_the_same_in_every_process(project, default_zig):
    files = sorted((Path(default_zig).parent / "lib" / "std" / "zig").glob("*.zig"))
    first, second = (project.cli("scan", *files, *files, "--format", "json") for _ in range(2))
    assert first.stdout == second.stdout
    scans = first.json
    assert scans[: len(files)] == scans[len(files) :]


# The components themselves.


def sections(module, position=8):
    """Yields number, content and end of each section of a wasm module or component."""
    while position < len(module):
        number, position = module[position], position + 1
        size, shift = 0, 0
        while True:
            byte, position = module[position], position + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        position += size
        yield number, module[position - size : position], position


def embedded(project):
    """Returns the embedded components by their digest, cut out of the library."""
    path = project.run("from zigimport import _native; print(_native.__file__)").stdout.strip()
    library = Path(path).read_bytes()
    found = {}
    for match in re.finditer(re.escape(b"\0asm\r\0\1\0"), library):
        rest = library[match.start() : match.start() + (4 << 20)]
        try:
            for _, _, end in sections(rest):
                found[hashlib.sha256(rest[:end]).hexdigest()] = rest[:end]
        except IndexError:
            pass
    return found


@pytest.mark.parametrize("name", ["scanner", "planner"])
def test_an_embedded_component_can_call_nothing(project, name):
    digest = project.cli("info", "--format", "json").json[name]
    component = embedded(project)[digest]
    core_modules = [content for number, content, _ in sections(component) if number == 1]
    assert core_modules
    for core in core_modules:
        assert core[:8] == b"\0asm\1\0\0\0"
        # 2 is the import section: without one, there is nothing to call.
        assert 2 not in [number for number, _, _ in sections(core)]
    # No world but our own is named anywhere.
    assert b"wasi" not in component and b"zigimport:plugin/" in component
