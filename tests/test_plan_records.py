"""Plans that use what builds recorded: faster, and the same bytes in every case."""

import os
import re
import shutil
import stat
import time

import pytest

import foreign
from conftest import ADD, backdate, finish

PART = 'const deep = @import("deep.zig");\npub fn plus(a: i64, b: i64) i64 {\n    return a + b + deep.nothing;\n}\n'
DEEP = "pub const nothing: i64 = 0;\n"
OTHER = "pub const nothing: i64 = 5;\n"
MODULE = (
    'const part = @import("parts/part.zig");\nconst text = @embedFile("parts/text.txt");\n\n'
    "pub fn add(a: i64, b: i64) i64 {\n    return part.plus(a, b) + text.len - text.len;\n}\n"
)
WITH_C = (
    "//! zigimport: c-sources = fast.c\n//! zigimport: include-paths = first second\n"
    "extern fn twice(c_int) c_int;\npub fn doubled(x: i32) i32 {\n    return twice(x);\n}\n"
)
#: Every file that a source of the tree leads to.
SOURCES = ("m.zig", "n.zig", "parts/part.zig", "parts/deep.zig", "parts/text.txt", "c.zig", "fast.c", "second/fast.h")


@pytest.fixture
def tree(project):
    """A tree whose modules are built, and recorded in a state that can be trusted."""
    project.write("m.zig", MODULE)
    project.write("n.zig", MODULE.replace("fn add", "fn sum"))
    project.write("parts/part.zig", PART)
    project.write("parts/deep.zig", DEEP)
    project.write("parts/text.txt", "some text")
    project.write("c.zig", WITH_C)
    project.write("fast.c", '#include <fast.h>\nint twice(int x) {\n    return FACTOR * x;\n}\n')
    project.write("second/fast.h", "#define FACTOR 2\n")
    build(project)
    # What is as new as the clock is recorded, but not trusted: so once more when it is older.
    newest = max((project.root / path).stat().st_ctime_ns for path in SOURCES)
    while time.time_ns() < newest + 200_000_000:
        time.sleep(0.01)
    assert build(project).builds == []
    return project


def build(project):
    """Builds everything, and records it."""
    built = project.cli("build", ".")
    assert built.returncode == 0, built
    return built


def plan(project, *arguments, form="json"):
    """Returns a plan, which is the same to the byte where nothing was recorded."""
    with_records = project.cli("plan", "--format", form, *arguments)
    (records,) = project.store.glob("sources-v*")
    aside = records.with_name("aside")
    records.rename(aside)
    without = project.cli("plan", "--format", form, *arguments)
    aside.rename(records)
    assert (with_records.returncode, with_records.stderr) == (without.returncode, without.stderr)
    assert with_records.stdout == without.stdout
    return with_records


def actions(planned):
    """Returns the action for each module, and the reason in words."""
    assert planned.returncode == 0, planned
    return {one["module"]: (one["action"], one["reason"]["text"]) for one in planned.json["actions"]}


def files_read(project, tmp_path, *arguments):
    """Returns the files of the project that a plan opens."""
    environment = {**project.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [project.python, "-m", "zigimport", "plan", *arguments]
    log = tmp_path / "trace.log"
    try:
        ended, trace = foreign.Trace.of(log, command, cwd=project.root, env=environment)
    except foreign.Unavailable as unavailable:
        pytest.skip(f"strace: {unavailable}")
    assert ended.returncode == 0 and trace.writes == [], ended
    opened = re.findall(r'openat\(\w+, "([^"]+)", ([A-Z_|]+)', log.read_text())
    return {os.path.relpath(path, project.root) for path, flags in opened if "O_DIRECTORY" not in flags and is_in(path, project)}


def is_in(path, project):
    """Whether a path is one of a project's files."""
    return path.startswith(f"{project.root}/")


LOADED = {"m": ("load", "unchanged"), "n": ("load", "unchanged"), "c": ("load", "unchanged")}


# What a plan does with records.


def test_a_plan_of_what_is_built_reads_no_source(tree, tmp_path):
    assert actions(plan(tree)) == LOADED
    assert files_read(tree, tmp_path) == set()
    # What no build read is read: the tracing sees it.
    tree.write("new.zig", ADD)
    assert files_read(tree, tmp_path) == {"new.zig"}


def test_without_records_a_plan_reads_every_source(tree, tmp_path):
    shutil.rmtree(next(tree.store.glob("sources-v*")))
    assert files_read(tree, tmp_path) == set(SOURCES)
    assert actions(tree.cli("plan", "--format", "json")) == LOADED
    # Planning recorded nothing; building does, although there is nothing to build.
    assert not list(tree.store.glob("sources-v*"))
    assert build(tree).builds == []
    assert files_read(tree, tmp_path) == set()


def test_an_edit_has_only_that_file_read(tree, tmp_path):
    tree.write("parts/deep.zig", OTHER)
    assert files_read(tree, tmp_path) == {"parts/deep.zig"}
    assert actions(plan(tree)) == {
        "c": ("load", "unchanged"),
        "m": ("build", "parts/deep.zig changed"),
        "n": ("build", "parts/deep.zig changed"),
    }


def test_many_builds_at_once_record_everything(project, tmp_path):
    names = [f"m{number}" for number in range(12)]
    for name in names:
        project.write(f"{name}.zig", ADD)
    assert project.cli("build", ".", "-j", "4").returncode == 0
    (records,) = project.store.glob("sources-v*")
    (table,) = records.iterdir()
    content = table.read_bytes()
    assert [name for name in names if f"{name}.zig".encode() not in content] == []


@pytest.mark.parametrize("form", ["text", "dot", "html"])
def test_every_form_is_the_same_after_a_change_and_before(tree, form):
    assert plan(tree, "--explain", form=form).returncode == 0
    tree.write("parts/deep.zig", OTHER)
    tree.write("fast.c", "int twice(int x) {\n    return 2 * x;\n}\n")
    assert plan(tree, "--explain", form=form).returncode == 0


def test_another_mode_uses_the_same_records(tree, tmp_path):
    assert files_read(tree, tmp_path, "--optimize", "ReleaseFast") == set()
    planned = actions(plan(tree, "--optimize", "ReleaseFast"))
    assert {action for action, _ in planned.values()} == {"build"}


def test_whoever_forces_a_rebuild_believes_no_record(tree, tmp_path):
    tree.environment["ZIGIMPORT_FORCE_REBUILD"] = "1"
    assert files_read(tree, tmp_path) == set(SOURCES)


def test_a_machine_without_a_compiler_uses_records_too(tree, tmp_path):
    tree.environment["ZIGIMPORT_NATIVE"] = "never"
    assert actions(plan(tree)) == LOADED
    assert files_read(tree, tmp_path) == set()


def test_one_thread_and_many_give_the_same_bytes(tree):
    arguments = ["-m", "zigimport", "plan", "--format", "json"]
    one = {min(os.sched_getaffinity(0))}
    alone = finish(tree.start(*arguments, preexec_fn=lambda: os.sched_setaffinity(0, one)))
    assert alone.returncode == 0, alone
    assert alone.stdout == tree.execute(*arguments).stdout


def test_a_copy_elsewhere_gives_the_same_bytes(tree, make_project):
    copy = make_project("copied", store=tree.store)
    for path in SOURCES:
        copy.write(path, (tree.root / path).read_bytes())
    both = [one.cli("plan", "--format", "json") for one in (tree, copy)]
    assert both[0].returncode == 0 and both[0].stdout == both[1].stdout


def is_read(project, tmp_path, path):
    """Whether a plan opens a file."""
    log = tmp_path / "trace.log"
    command = [project.python, "-m", "zigimport", "plan", "--format", "json"]
    try:
        ended, trace = foreign.Trace.of(log, command, cwd=project.root, env=project.environment)
    except foreign.Unavailable as unavailable:
        pytest.skip(f"strace: {unavailable}")
    assert ended.returncode == 0, ended
    return f'"{path}"' in "".join(line for line in log.read_text().splitlines() if "openat(" in line)


def test_a_compiler_that_a_build_recorded_is_read_again_only_after_a_change(project, wrapped_zig, tmp_path):
    """One outside of the package `ziglang`: a program that its digest identifies."""
    project.write("m.zig", ADD)
    # Its stamp is to be trusted when it is read first.
    while time.time_ns() < wrapped_zig.path.stat().st_ctime_ns + 200_000_000:
        time.sleep(0.01)
    assert is_read(project, tmp_path, wrapped_zig.path)
    build(project)
    assert not is_read(project, tmp_path, wrapped_zig.path)
    assert actions(plan(project)) == {"m": ("load", "unchanged")}
    project.environment["ZIGIMPORT_FORCE_REBUILD"] = "1"
    assert is_read(project, tmp_path, wrapped_zig.path)
    del project.environment["ZIGIMPORT_FORCE_REBUILD"]

    content = wrapped_zig.path.read_text()
    same_times(wrapped_zig.path, lambda path: path.write_text(content.replace("exec", "eval")))
    assert is_read(project, tmp_path, wrapped_zig.path)
    assert actions(plan(project))["m"][0] == "build"
    wrapped_zig.path.write_text(content)
    assert is_read(project, tmp_path, wrapped_zig.path)
    assert actions(plan(project)) == {"m": ("load", "unchanged")}
    assert project.cli("cache", "verify").returncode == 0


@pytest.mark.parametrize("damage", ["flipped", "empty", "writable by others", "moved"])
def test_a_damaged_record_of_a_compiler_is_not_used(project, wrapped_zig, tmp_path, damage):
    project.write("m.zig", ADD)
    while time.time_ns() < wrapped_zig.path.stat().st_ctime_ns + 200_000_000:
        time.sleep(0.01)
    build(project)
    (record,) = [path for path in project.stored("toolchains") if os.fsencode(wrapped_zig.path) in path.read_bytes()]
    content = record.read_bytes()
    if damage == "writable by others":
        record.chmod(0o666)
    elif damage == "moved":
        moved = wrapped_zig.path.with_name("moved")
        wrapped_zig.path.rename(moved)
        moved.rename(wrapped_zig.path)
    else:
        record.chmod(0o644)
        record.write_bytes(b"" if damage == "empty" else bytes([content[0] ^ 1]) + content[1:])
    assert is_read(project, tmp_path, wrapped_zig.path)
    assert actions(plan(project)) == {"m": ("load", "unchanged")}


# What a record never hides.


def same_times(path, change):
    """Changes a file, and puts its time of modification back."""
    before = path.stat()
    change(path)
    backdate(path, before.st_mtime_ns)
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns


def edit_in_place(root):
    same_times(root / "parts/deep.zig", lambda path: path.write_text(OTHER))


def rename_over(root):
    def change(path):
        (root / "other").write_text(OTHER)
        (root / "other").rename(path)

    same_times(root / "parts/deep.zig", change)


def exchange(root):
    """Two files of the same size get each other's names and times."""
    first, second, third = root / "m.zig", root / "n.zig", root / "third"
    times = [path.stat().st_mtime_ns for path in (first, second)]
    first.rename(third)
    second.rename(first)
    third.rename(second)
    for path, time_ns in zip((first, second), times):
        backdate(path, time_ns)


def link_to_other_content(root):
    (root / "elsewhere").write_text(OTHER)
    backdate(root / "elsewhere", (root / "parts/deep.zig").stat().st_mtime_ns)
    (root / "parts/deep.zig").unlink()
    (root / "parts/deep.zig").symlink_to(root / "elsewhere")


def link_to_the_same_content(root):
    (root / "parts/deep.zig").rename(root / "elsewhere")
    (root / "parts/deep.zig").symlink_to("../elsewhere")


def link_the_folder(root):
    shutil.copytree(root / "parts", root / "others")
    (root / "others/deep.zig").write_text(OTHER)
    (root / "parts").rename(root / "was parts")
    (root / "parts").symlink_to("others")


def replace_by_a_folder(root):
    (root / "parts/text.txt").unlink()
    (root / "parts/text.txt").mkdir()


def replace_by_a_pipe(root):
    (root / "parts/text.txt").unlink()
    os.mkfifo(root / "parts/text.txt")


def header_in_front(root):
    (root / "first").mkdir()
    (root / "first/fast.h").write_text("#define FACTOR 3\n")


def nearer_settings(root):
    (root / "pyproject.toml").write_text('[tool.zigimport]\noptimize = "ReleaseSafe"\n')


def own_settings(root):
    text = (root / "c.zig").read_text()
    (root / "c.zig").write_text("//! zigimport: optimize = ReleaseSafe\n" + text)


def touch(root):
    backdate(root / "m.zig", time.time_ns())


def remove(root):
    (root / "parts/deep.zig").unlink()


def edit_and_back(root):
    text = (root / "parts/deep.zig").read_text()
    (root / "parts/deep.zig").write_text(OTHER)
    (root / "parts/deep.zig").write_text(text)


#: Each with the modules that have to be built after it, or ``None`` where it is an error.
CHANGES = [
    (edit_in_place, "mn"),
    (rename_over, "mn"),
    (exchange, "mn"),
    (link_to_other_content, "mn"),
    (link_to_the_same_content, ""),
    (link_the_folder, "mn"),
    (replace_by_a_folder, "mn"),
    (replace_by_a_pipe, None),
    (header_in_front, "c"),
    (nearer_settings, "cmn"),
    (own_settings, "c"),
    (touch, ""),
    (remove, "mn"),
    (edit_and_back, ""),
]


@pytest.mark.parametrize("change, built", CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_a_record_hides_no_change(tree, change, built):
    change(tree.root)
    planned = plan(tree, "m.zig", "n.zig", "c.zig")
    if built is None:
        assert planned.returncode == 1 and [error["module"] for error in planned.json["errors"]] == ["m", "n"]
        assert all("not a regular file" in error["message"] for error in planned.json["errors"])
        return
    assert {name for name, (action, _) in actions(planned).items() if action == "build"} == set(built)


def test_a_missing_import_that_appears_is_seen(project):
    project.write("m.zig", 'comptime {\n    if (false) _ = @import("late.zig");\n}\n' + ADD)
    assert project.cli("build", ".").returncode in (0, 1)
    project.write("late.zig", "")
    project.write("other.zig", ADD)
    build_one = project.cli("build", "other.zig")
    assert build_one.returncode == 0, build_one
    (module,) = [one for one in plan(project).json["modules"] if one["name"] == "m"]
    assert [one["path"] for one in module["inputs"]] == ["late.zig", "m.zig"]


@pytest.mark.parametrize("lost", [["libraries"], ["libraries", "objects"], ["entries"], ["manifests"], ["history"]])
def test_a_record_hides_no_loss_in_the_store(tree, lost):
    for bucket in lost:
        for path in tree.stored(bucket):
            path.unlink()
    expected = {"libraries": "restore", "objects": "build", "entries": "build", "manifests": "load", "history": "load"}
    assert {action for action, _ in actions(plan(tree)).values()} == {expected[lost[-1]]}


def test_a_damaged_library_is_seen_whatever_its_time_is(tree):
    for path in tree.stored("libraries"):
        content = path.read_bytes()

        def change(path):
            path.chmod(0o644)
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
            path.chmod(0o444)

        same_times(path, change)
    assert {action for action, _ in actions(plan(tree)).values()} == {"restore"}


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "flipped", "longer", "a folder", "writable by others"])
def test_damaged_records_are_not_used(tree, tmp_path, damage):
    for path in tree.stored("sources"):
        content = path.read_bytes()
        if damage == "a folder":
            path.unlink()
            path.mkdir()
        elif damage == "writable by others":
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o022)
        else:
            middle = len(content) // 2
            path.write_bytes(
                {
                    "empty": b"",
                    "half": content[:middle],
                    "noise": b"\0\xff" * 64,
                    "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                    "longer": content + b"\0",
                }[damage]
            )
    assert actions(plan(tree)) == LOADED
    assert files_read(tree, tmp_path) == set(SOURCES)


def test_a_file_as_new_as_the_clock_is_read_again(project, tmp_path):
    project.write("m.zig", ADD)
    build(project)
    for number in range(5):
        # As soon as one plan is done the next edit follows, of the same size.
        project.write("m.zig", ADD.replace("a + b", f"a + {number}"))
        planned = actions(plan(project))
        assert planned["m"] == ("build", "m.zig changed"), number
