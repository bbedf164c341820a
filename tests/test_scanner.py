"""The scanner over real code: the standard library of each Zig, against the same
scanner compiled natively by that Zig and against the files that are there."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from conftest import ROOT, ZIGS, Project, base_environment

NATIVE = ROOT / "guest-tools" / "zig" / "scanner" / "scan_native.zig"


class Library:
    """The standard library of a line of Zig, and what the component says of it."""

    def __init__(self, zig, project):
        self.zig = Path(zig)
        self.project = project
        self.folder = self.zig.parent / "lib" / "std"
        self.files = sorted(path for path in self.folder.rglob("*.zig"))
        self.text = self.scan()
        self.scans = json.loads(self.text)

    def scan(self):
        result = self.project.cli("scan", "--format", "json", *self.files)
        assert result.returncode == 0, result.stderr
        return result.stdout

    @property
    def dependencies(self):
        return [(Path(scan["path"]), one) for scan in self.scans for one in scan["dependencies"]]


@pytest.fixture(scope="module", params=ZIGS, ids=lambda line: f"zig{line}")
def library(request, environments, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"std-{request.param}")
    zig = environments["zigs"][request.param]
    environment = base_environment(folder, zig, folder / "store")
    return Library(zig, Project(folder, environments["pythons"][environments["main"]], environment))


@pytest.fixture(scope="module")
def native(library, tmp_path_factory):
    """Numbers of the same scanner, compiled to a program by the Zig whose library it reads."""
    folder = tmp_path_factory.mktemp("native")
    caches = ["--cache-dir", folder / "local", "--global-cache-dir", folder / "global"]
    program = folder / "scan_native"
    command = [library.zig, "build-exe", "-lc", "-O", "ReleaseSafe", f"-femit-bin={program}", *caches, NATIVE]
    subprocess.run([str(part) for part in command], check=True, cwd=folder)
    files = folder / "files.txt"
    files.write_text("".join(f"{path}\n" for path in library.files))
    words = subprocess.run([program, "1", f"@{files}"], check=True, capture_output=True, text=True).stdout.split()
    return {words[index]: int(words[index + 1]) for index in range(0, 8, 2)}


def test_every_file_is_scanned_without_an_invalid_token(library):
    assert [scan["path"] for scan in library.scans] == [str(path) for path in library.files]
    assert len(library.files) > 500
    assert [scan["path"] for scan in library.scans if scan["invalid"]] == []


def test_the_component_and_the_native_scanner_count_the_same(library, native):
    assert native == {
        "files": len(library.files),
        "bytes": sum(scan["bytes"] for scan in library.scans),
        "dependencies": len(library.dependencies),
        "declarations": sum(len(scan["declarations"]) for scan in library.scans),
    }
    assert native["dependencies"] > 1000


def test_two_runs_answer_the_same(library):
    assert library.scan() == library.text


def test_every_import_of_a_file_leads_to_one(library):
    # No exception: `@import` is syntactic, so that also what is never compiled must exist.
    imports = [
        (path, one["operand"])
        for path, one in library.dependencies
        if one["kind"] == "@import" and one["operand"].endswith(".zig")
    ]
    assert len(imports) > 900
    assert [(path, operand) for path, operand in imports if not (path.parent / operand).is_file()] == []


def test_every_import_is_a_literal(library):
    # The compiler demands it; an operand that is none would be a misread one.
    assert [one for _, one in library.dependencies if one["kind"] == "@import" and not one["literal"]] == []


def test_other_imports_are_the_modules_that_every_program_has(library):
    names = Counter(
        one["operand"]
        for _, one in library.dependencies
        if one["kind"] == "@import" and not one["operand"].endswith((".zig", ".zon"))
    )
    assert names["std"] > 100 and names["builtin"] > 50
    assert set(names) <= {"std", "builtin", "root", "@build", "@dependencies"}


def test_spans_are_the_text_that_they_name(library):
    sources = {}
    for path, one in library.dependencies:
        source = sources.setdefault(path, path.read_bytes())
        start, end = one["span"]["start"], one["span"]["end"]
        # A call has its name, everything else what it is.
        text = one["operand"] if one["kind"] == "read by a build file" else one["kind"]
        assert source[start:end].startswith(text.encode()), (path, one)
        assert source.count(b"\n", 0, start) + 1 == one["span"]["line"]
        assert start - source.rfind(b"\n", 0, start) == one["span"]["column"]


def test_declarations_are_where_they_are_said_to_be(library):
    for scan in library.scans:
        lines = Path(scan["path"]).read_bytes().split(b"\n")
        for declaration in scan["declarations"]:
            assert declaration["name"].encode() in lines[declaration["line"] - 1], (scan["path"], declaration)


def test_a_closure_has_every_file_that_an_import_leads_to(library):
    planned = library.project.cli("plan", library.folder / "std.zig", "--format", "json").json
    (module,) = planned["modules"]
    root = library.project.root / module["project_root"]
    found = {(root / one["path"]).resolve() for one in module["inputs"]}
    reached, waiting = set(), [library.folder / "std.zig"]
    known = {Path(scan["path"]): scan for scan in library.scans}
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for one in known[path]["dependencies"] if path in known else []:
            target = (path.parent / one["operand"]).resolve()
            if one["kind"] in ("@import", "@embedFile") and target.is_file():
                waiting.append(target)
    assert found == reached
