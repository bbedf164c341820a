"""The store survives a process that ends, or a system call that fails, at any point of a
publication. The points are enumerated: a first run under strace lists the system calls from the
end of the compiler to the end of the import, and each run after it ends or fails at one of them."""

import random
import re
import resource
import shutil
import signal
import subprocess

import pytest

from conftest import ADD, IMPORT, finish

#: What a publication changes the store with, or could.
CHANGING = "openat,openat2,open,creat,write,pwrite64,writev,mkdir,mkdirat,link,linkat,rename,renameat,renameat2"
CHANGING += ",fdatasync,fsync,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,utimensat,ftruncate,flock,close,symlink,symlinkat"
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")


@pytest.fixture(scope="module")
def strace(tmp_path_factory):
    """The path of strace; skips where it is missing or may not trace."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("the program strace is not on this machine")
    probe = tmp_path_factory.mktemp("strace") / "probe"
    command = [program, "-o", probe, "-e", "inject=getppid:retval=1:when=1", "true"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("strace may not trace here")
    return program


@pytest.fixture
def neighbours(project):
    """A project with two modules in the store that nothing may harm."""
    project.write("kept.zig", ADD.replace("a + b", "a - b"))
    project.write("other.zig", ADD.replace("a + b", "a * b"))
    for name in ("kept", "other"):
        project.imports(name)
    return project


def traced_import(project, strace, options):
    """Imports ``m`` with only the process itself, and not the compiler, under strace."""
    process = project.start_under([strace, "-qq", *options], "-c", IMPORT, "m", "module.add(1, 2)")
    return finish(process)


def points_of_a_publication(project, strace, log):
    """The system calls of a publication, each by its name and its number in the process."""
    traced_import(project, strace, ["-o", log, "-e", f"trace={CHANGING}"])
    lines = log.read_text(errors="replace").splitlines()
    calls = [(match.group(1), match.group(2)) for match in map(CALL.match, lines) if match]
    numbers = {}
    numbered = []
    for name, arguments in calls:
        numbers[name] = numbers.get(name, 0) + 1
        numbered.append((name, numbers[name], arguments))
    # Before it, nothing but the compiler's own folders is written.
    first = next(index for index, (_, _, text) in enumerate(numbered) if "objects-v" in text)
    last = max(index for index, (_, _, text) in enumerate(numbered) if str(project.store) in text or "log" in text)
    return [(name, number) for name, number, _ in numbered[first : last + 1]]


def forget(project, number):
    """Lets the next import of ``m`` compile and publish."""
    project.write("m.zig", ADD + f"pub const number: u32 = {number};\n")


#: Imports all three modules in one process.
ALL = """
import zigimport, m, kept, other
print(m.add(1, 2), kept.add(1, 2), other.add(1, 2))
"""


def assert_nothing_is_lost(project):
    """``m`` is right, and so are the neighbours, without a compile; then all of it is cached."""
    first = project.run(ALL)
    assert first.stdout == "3 -1 2\n" and set(first.builds) <= {"m"}, first
    again = project.run(ALL)
    assert (again.stdout, again.stderr) == ("3 -1 2\n", ""), again


def run_at_every_point(project, strace, tmp_path, what, points):
    """Runs one import for each point with ``what`` injected there; returns how many ended early."""
    ended = 0
    for number, (name, count) in enumerate(points, 1):
        forget(project, number)
        injection = f"inject={name}:{what}:when={count}"
        options = ["-o", tmp_path / "log", "-e", f"trace={name}", "-e", injection]
        result = traced_import(project, strace, options)
        if result.returncode != 0:
            ended += 1
        else:
            answer = result.json
            # It worked all the same, or it says what is wrong.
            assert answer.get("value") == 3 or answer["error"] in ("CacheError", "ImportError", "OSError"), answer
        assert_nothing_is_lost(project)
    return ended


def test_a_process_may_be_killed_at_every_system_call_of_a_publication(neighbours, strace, tmp_path, capsys):
    forget(neighbours, 0)
    points = points_of_a_publication(neighbours, strace, tmp_path / "log")
    assert len(points) >= 20
    ended = run_at_every_point(neighbours, strace, tmp_path, "signal=KILL", points)
    with capsys.disabled():
        print(f" [killed at {ended} of {len(points)} system calls, 0 failures]", end="")
    # The number of calls may differ by a few between runs, but most are hit.
    assert ended >= len(points) * 3 // 4
    verified = neighbours.cli("cache", "verify")
    assert verified.returncode == 0, verified


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS"])
def test_every_writing_system_call_of_a_publication_may_fail(neighbours, strace, tmp_path, capsys, error):
    forget(neighbours, 0)
    points = points_of_a_publication(neighbours, strace, tmp_path / "log")
    fallible = [point for point in points if point[0] not in ("close", "flock", "chmod", "utimensat")]
    run_at_every_point(neighbours, strace, tmp_path, f"error={error}", fallible)
    with capsys.disabled():
        print(f" [{error} at {len(fallible)} system calls, 0 failures]", end="")
    assert neighbours.cli("cache", "verify").returncode == 0


# A power cut.


def syncs_and_names(log, store):
    """What was synced and what got a name, in order: `sync` or `name` with its bucket."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(?:\d+ +)?(fdatasync|fsync|linkat|renameat2?)\((.*)$", line)
        buckets = re.findall(r"(\w+)-v\d", match[2].replace(str(store), "")) if match else []
        one = ("sync" if "sync" in match[1] else "name", buckets[-1]) if buckets else None
        # What replaces a file gets two names, one after the other.
        if one and " = -1 " not in line and found[-1:] != [one]:
            found.append(one)
    return found


def test_a_library_is_on_its_medium_before_it_has_a_name_and_a_manifest(neighbours, strace, tmp_path):
    log = tmp_path / "log"
    options = ["-y", "-o", log, "-e", "trace=fdatasync,fsync,linkat,renameat,renameat2"]
    forget(neighbours, 0)
    wanted = [("sync", "libraries"), ("name", "libraries"), ("name", "manifests")]
    # Once built, and once unpacked.
    for _ in range(2):
        assert traced_import(neighbours, strace, options).json == {"value": 3}
        found = syncs_and_names(log, neighbours.store)
        assert [one for one in found if one in wanted] == wanted, found
        assert [bucket for kind, bucket in found if kind == "sync"] == ["libraries"], found
        shutil.rmtree(next(neighbours.store.glob("libraries-v*")))


#: What may be left of a file whose name is on the medium and whose content was not synced.
TORN = {
    "whole": lambda content: content,
    "lost": lambda content: None,
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
}


def tear(path, kind):
    content = TORN[kind](path.read_bytes())
    if kind != "whole":
        path.unlink()
    if kind not in ("whole", "lost"):
        path.write_bytes(content)


def test_a_power_cut_costs_at_most_a_compile_of_what_was_built_last(neighbours, capsys):
    """Every file of the last publication but the library, which was synced, is what a file
    system may leave of it; what was there before stays."""
    generator = random.Random(13)

    def contents():
        buckets = ("objects", "libraries", "entries", "manifests", "history", "support")
        return {(path, path.read_bytes()) for bucket in buckets for path in neighbours.stored(bucket)}

    before = contents()
    rounds = [[kind] for kind in TORN if kind != "whole"] + [list(TORN)] * 6
    for number, kinds in enumerate(rounds):
        forget(neighbours, number)
        neighbours.imports("m")
        new = sorted(path for path, _ in contents() - before)
        assert len(new) >= 5
        for path in new:
            is_library = "libraries-v" in str(path)
            tear(path, generator.choice(["whole", "lost"] if is_library else kinds))
        if number % 2:
            assert neighbours.cli("cache", "verify", "--repair").returncode == 0
        assert_nothing_is_lost(neighbours)
        assert neighbours.cli("cache", "verify", "--repair").returncode == 0
        before = contents()
    with capsys.disabled():
        print(f" [{len(rounds)} power cuts, 0 failures]", end="")


def zig_cache(project):
    (folder,) = project.store.glob("zig-v*/*")
    return folder


@pytest.mark.parametrize(("part", "kind"), [("o", "empty"), ("o", "cut"), ("h", "cut")])
def test_a_zig_cache_that_a_power_cut_left_torn_is_made_again(neighbours, part, kind):
    forget(neighbours, 0)
    neighbours.imports("m")
    for path in zig_cache(neighbours).glob(f"global/{part}/**/*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(TORN[kind](path.read_bytes()))
    forget(neighbours, 1)
    # In the same boot nothing can be torn: somebody damaged it, which is an error.
    assert neighbours.fails("m").error in ("ZigCompileError", "ZigNotFoundError")
    (zig_cache(neighbours) / "boot").write_text("another boot")
    mended = neighbours.imports("m", "module.add(1, 2)")
    assert mended.value == 3 and "may be damaged since the machine was restarted" in mended.stderr, mended
    assert_nothing_is_lost(neighbours)


def test_an_error_of_the_users_own_costs_no_zig_cache_after_a_restart(neighbours):
    kept = zig_cache(neighbours)
    neighbours.write("m.zig", "pub fn f() u8 {\n    return missing;\n}\n")
    (kept / "boot").write_text("another boot")
    (kept / "global" / "witness").write_text("")
    failed = neighbours.fails("m")
    assert failed.error == "ZigCompileError" and "missing" in failed.message
    assert (kept / "global" / "witness").exists()


def test_a_limit_on_the_size_of_files_gives_short_writes_and_no_wrong_import(neighbours, capsys):
    """The kernel writes up to the limit, says how much, and fails the next write."""
    sizes = [1, 100, 1_000, 4_096, 20_000, 100_000, 400_000, 1_000_000, 2_000_000]
    failed = 0
    for number, size in enumerate(sizes):
        forget(neighbours, number)
        result = finish(
            neighbours.start(
                "-c",
                IMPORT,
                "m",
                "module.add(1, 2)",
                preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
            )
        )
        failed += "error" in result.json
        assert "error" in result.json or result.json["value"] == 3
        assert_nothing_is_lost(neighbours)
    with capsys.disabled():
        print(f" [{len(sizes)} limits, {failed} refused imports, 0 failures]", end="")
    assert failed and neighbours.cli("cache", "verify").returncode == 0


def test_a_file_system_without_locks_costs_at_most_a_second_compile(neighbours, strace, tmp_path, wrapped_zig):
    """The documented fallback: publication is atomic, so both results are right."""
    forget(neighbours, 0)
    options = ["-o", tmp_path / "log", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
    command = [strace, "-qq", *options]
    running = [neighbours.start_under(command, "-c", IMPORT, "m", "module.add(1, 2)") for _ in range(2)]
    for result in map(finish, running):
        assert result.json == {"value": 3}, result
    assert 1 <= len(wrapped_zig.compiles) <= 2
    assert neighbours.imports("m", "module.add(1, 2)").stderr == ""
    assert neighbours.cli("cache", "verify").returncode == 0


def test_an_interrupted_repair_is_finished_by_the_next(neighbours, strace, tmp_path):
    for bucket in ("objects", "libraries"):
        path = neighbours.stored(bucket)[0 if bucket == "objects" else -1]
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-1])
    command = [strace, "-qq", "-o", tmp_path / "log", "-e", "trace=linkat", "-e", "inject=linkat:signal=KILL:when=1"]
    killed = finish(neighbours.start_under(command, "-m", "zigimport", "cache", "verify", "--repair"))
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed
    assert neighbours.cli("cache", "verify", "--repair").returncode == 0
    for name, value in (("kept", -1), ("other", 2)):
        assert neighbours.imports(name, "module.add(1, 2)").value == value


def test_an_interrupted_import_of_an_archive_is_finished_by_the_next(neighbours, make_project, strace, tmp_path):
    archive = tmp_path / "mods.tar.zst"
    neighbours.cli("cache", "export", "--all", archive)
    other = make_project("other-machine", warm=False)
    other.store.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, 6):
        options = ["-o", tmp_path / "log", "-e", "trace=linkat", "-e", f"inject=linkat:signal=KILL:when={number}"]
        finish(other.start_under([strace, "-qq", *options], "-m", "zigimport", "cache", "import", archive))
        # Objects without an entry at most, and no entry without its object.
        assert other.cli("cache", "verify").returncode == 0
    assert other.cli("cache", "import", archive).returncode == 0
    assert len(other.cli("cache", "list", "--format", "json").json) == 2
