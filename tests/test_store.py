"""The store survives crashes, crowds, damage and full disks."""

import contextlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import time

import pytest

from conftest import ADD, Imported, finish, make_writable

#: The parts of a store that may be lost or damaged, each by its bucket.
BUCKETS = ("libraries", "objects", "entries", "manifests", "sources", "history", "support")


@pytest.fixture
def cached(project):
    """A project whose module ``m`` is in the store."""
    project.write("m.zig", ADD)
    assert project.imports("m", "module.add(1, 2)").value == 3
    return project


def assert_imports(project):
    """The module works now and is cached for the next process."""
    first = project.imports("m", "module.add(1, 2)")
    assert first.value == 3
    again = project.imports("m", "module.add(1, 2)")
    assert (again.value, again.stderr) == (3, "")
    return first


def replace(path, content):
    """Puts other content in the place of a read-only file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


# What is not ours.


def test_what_others_leave_among_entries_is_passed_over(cached):
    for folder in [path for path in cached.store.glob("entries-v*/**/*") if path.is_dir()]:
        for name in (".DS_Store", ".nfs000000000001"):
            (folder / name).write_bytes(b"")
    shutil.rmtree(cached.store / cached.the_stored("manifests").relative_to(cached.store).parts[0])
    assert cached.cli("plan", "--check", "m.zig").returncode == 0
    assert assert_imports(cached).builds == []


@pytest.mark.parametrize("bucket", ["libraries", "entries", "objects", "manifests"])
def test_a_folder_in_the_place_of_a_file_is_mended(cached, bucket):
    path = cached.the_stored(bucket)
    path.unlink()
    path.mkdir()
    (path / "inner").write_bytes(b"x")
    assert cached.cli("cache", "verify").returncode == 1
    mended = cached.cli("cache", "verify", "--repair")
    assert mended.returncode == 0 and "a folder in the place of a file" in mended.stdout, mended
    assert not path.exists()
    assert assert_imports(cached).builds == []


def only_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def forget(project, *buckets):
    """Removes buckets, each by its name without the version."""
    for bucket in buckets:
        for folder in project.store.glob(f"{bucket}-v*"):
            make_writable(folder)
            shutil.rmtree(folder)


def test_a_pipe_in_the_place_of_an_object_blocks_nobody(cached, tmp_path):
    path = cached.the_stored("objects")
    only_a_pipe(path)
    forget(cached, "manifests")
    assert assert_imports(cached).builds == []
    assert cached.cli("build", "m.zig").returncode == 0
    assert cached.cli("cache", "export", "--all", tmp_path / "all.tar.zst").returncode == 0
    forget(cached, "libraries")
    assert assert_imports(cached).builds == ["m"]
    only_a_pipe(path)
    assert cached.cli("cache", "verify", "--repair").returncode == 0
    assert_imports(cached)


def test_a_pipe_in_the_place_of_a_lock_is_one_clear_error(cached):
    locks = cached.stored("locks")
    forget(cached, "entries", "manifests", "libraries", "objects")
    for path in locks:
        only_a_pipe(path)
    failed = cached.fails("m")
    assert failed.error == "CacheError" and "failed to open the lock" in failed.message, failed.message
    assert cached.cli("cache", "verify", "--repair").returncode == 0
    assert_imports(cached)


CLEARING = """
import os, zigimport
count = 0
while count < 3 or not os.path.exists("enough"):
    zigimport.clear_cache()
    count += 1
print(count)
"""


def test_clearing_beside_imports_fails_neither(project):
    names = [f"m{number}" for number in range(3)]
    for name in names:
        project.write(f"{name}.zig", ADD)
    clearing = [project.start("-c", CLEARING) for _ in range(2)]
    for name, importing in [(name, project.start_import(name, "module.add(1, 2)")) for name in names]:
        assert Imported(finish(importing)).value == 3, name
    project.write("enough", "")
    for process in clearing:
        cleared = finish(process)
        assert cleared.returncode == 0 and int(cleared.stdout) >= 3, cleared
    assert project.imports("m0", "module.add(1, 2)").value == 3


def test_a_relative_place_with_parents_makes_artifacts_for_everywhere(project, tmp_path):
    place = {"ZIGIMPORT_BUILD_DIR": "../beside"}
    project.write("m.zig", ADD)
    built = project.cli("build", "m.zig", env=place)
    assert built.returncode == 0 and "an input from now on" not in built.stderr, built
    (meta,) = (project.root.parent / "beside").glob("entries-v*/*/*/*/meta.json")
    assert json.loads(meta.read_text())["discovered"] == []
    archive = tmp_path / "all.tar.zst"
    assert project.cli("cache", "export", "--all", archive, env=place).returncode == 0
    elsewhere = {"ZIGIMPORT_BUILD_DIR": tmp_path / "elsewhere", "ZIGIMPORT_NATIVE": "never"}
    assert project.cli("cache", "import", archive, env=elsewhere).returncode == 0
    assert project.imports("m", "module.add(1, 2)", env=elsewhere).value == 3
    shutil.rmtree(project.root.parent / "beside", ignore_errors=True)


# What is stored.


def test_an_artifact_is_stored_compressed_and_ready_to_load(cached):
    library, packed = cached.the_stored("libraries"), cached.the_stored("objects")
    assert library.read_bytes()[:4] == b"\x7fELF" and packed.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    assert stat.S_IMODE(library.stat().st_mode) == stat.S_IMODE(packed.stat().st_mode) == 0o444
    assert packed.stat().st_size < library.stat().st_size
    digest = library.name.split(".")[0]
    assert packed.name == f"{digest}.zst"
    checked = subprocess.run(["sha256sum", library], stdout=subprocess.PIPE, check=True)
    assert checked.stdout.decode().split()[0] == digest


def test_nothing_unfinished_stays_behind(cached):
    names = [path.name for path in cached.store.rglob("*") if "zig-v" not in str(path)]
    assert [name for name in names if name.startswith(".tmp-")] == []
    assert list(cached.store.glob("zig-v*/*/work/*")) == []


def test_two_projects_with_a_module_of_one_name_do_not_share(make_project):
    one = make_project("one")
    two = make_project("two", store=one.store)
    for project, number in ((one, 1), (two, 2)):
        project.write("utils.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    for _ in range(2):
        for project, number in ((one, 1), (two, 2)):
            assert project.imports("utils", "module.number()").value == number


def test_two_projects_with_the_same_source_share(make_project):
    one = make_project("one")
    two = make_project("two", store=one.store)
    for project in (one, two):
        project.write("utils.zig", ADD)
    assert one.imports("utils").builds == ["utils"]
    shared = two.imports("utils", "[module.add(1, 2), module.__zigimport__.source]")
    assert (shared.value, shared.builds) == ([3, str(two.root / "utils.zig")], [])


# Loss and damage.


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_lost_bucket_is_made_again(cached, bucket):
    (folder,) = cached.store.glob(f"{bucket}-v*")
    shutil.rmtree(folder)
    assert_imports(cached)


@pytest.mark.parametrize("bucket", ["libraries", "manifests", "sources", "history", "toolchains", "locks", "support", "zig"])
def test_a_lost_bucket_that_the_others_make_up_for_costs_no_compile(cached, bucket):
    for folder in cached.store.glob(f"{bucket}-v*"):
        shutil.rmtree(folder)
    assert assert_imports(cached).builds == []


@pytest.mark.parametrize("bucket", ["objects", "libraries"])
def test_one_of_library_and_object_suffices(cached, bucket):
    for lost in (bucket, "manifests"):
        shutil.rmtree(next(cached.store.glob(f"{lost}-v*")))
    assert assert_imports(cached).builds == []


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "flipped", "longer"])
@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_damaged_file_is_never_used(cached, bucket, damage):
    for path in cached.stored(bucket):
        content = path.read_bytes()
        middle = len(content) // 2
        replace(
            path,
            {
                "empty": b"",
                "half": content[:middle],
                "noise": b"\0\xff" * 64,
                "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else b"x",
                "longer": content + b"\0",
            }[damage],
        )
    # Without its manifest, an import has to look at everything else.
    if bucket not in ("manifests", "libraries"):
        shutil.rmtree(next(cached.store.glob("manifests-v*")))
    assert_imports(cached)


def test_damaged_sources_of_the_binding_are_written_again(cached):
    sources = list(cached.store.glob("zig-v*/*/global/zigimport-*/binding/*.zig"))
    assert sources
    for path in sources:
        replace(path, bytes(reversed(path.read_bytes())))
    cached.write("m.zig", "pub fn other() i64 {\n    return 5;\n}\n")
    assert cached.imports("m", "module.other()").value == 5


@pytest.mark.parametrize("bucket", ["objects", "libraries"])
def test_damage_is_mended_in_both_places(cached, bucket):
    for path in cached.stored("libraries") + cached.stored("objects"):
        replace(path, b"damage")
    assert_imports(cached)
    digest = cached.the_stored("libraries").name.split(".")[0]
    shutil.rmtree(next(cached.store.glob(f"{bucket}-v*")))
    assert_imports(cached)
    assert cached.the_stored("libraries").name.split(".")[0] == digest


def poisoned_library(project):
    """Returns the bytes of a library whose `add` gives something else."""
    project.write("poison/m.zig", ADD.replace("a + b", "a - b"))
    environment = {"ZIGIMPORT_BUILD_DIR": project.root / "other"}
    built = project.cli("build", "poison/m.zig", "--format", "json", env=environment)
    path = built.json["artifacts"][0]["library"]
    with open(path, "rb") as stream:
        return stream.read()


def test_a_foreign_library_in_the_place_of_ours_is_not_loaded(cached):
    library = cached.the_stored("libraries")
    poison = poisoned_library(cached)
    replace(library, poison)
    assert_imports(cached)
    assert cached.the_stored("libraries").read_bytes() != poison


def test_a_tampered_library_of_the_same_size_and_time_is_not_loaded(cached):
    library = cached.the_stored("libraries")
    before = library.stat()
    poison = poisoned_library(cached).ljust(before.st_size, b"\0")[: before.st_size]
    library.chmod(0o644)
    with open(library, "r+b") as stream:
        stream.write(poison)
    library.chmod(0o444)
    os.utime(library, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = library.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert_imports(cached)


def test_a_foreign_object_in_the_place_of_ours_is_refused(cached):
    poison = cached.root / "poison.so"
    poison.write_bytes(poisoned_library(cached))
    zstd = shutil.which("zstd")
    if zstd is None:
        pytest.skip("the program zstd is not on this machine")
    packed = subprocess.run([zstd, "-q", "-c", poison], stdout=subprocess.PIPE, check=True).stdout
    replace(cached.the_stored("objects"), packed)
    for bucket in ("manifests", "libraries"):
        shutil.rmtree(next(cached.store.glob(f"{bucket}-v*")))
    first = assert_imports(cached)
    assert first.builds == ["m"]
    assert "failed to restore" in first.stderr


def test_an_object_of_another_module_in_the_place_of_ours_is_refused(cached):
    cached.write("n.zig", ADD.replace("a + b", "a - b"))
    cached.imports("n")
    digest = cached.imports("m", "module.__file__").value.rsplit("/", 1)[1].split(".")[0]
    ours = [path for path in cached.stored("objects") if path.name.startswith(digest)]
    (other,) = (path for path in cached.stored("objects") if path not in ours)
    replace(ours[0], other.read_bytes())
    for bucket in ("manifests", "libraries"):
        shutil.rmtree(next(cached.store.glob(f"{bucket}-v*")))
    assert_imports(cached)


def test_an_entry_that_points_at_another_artifact_gives_no_other_module(cached):
    cached.write("n.zig", ADD.replace("a + b", "a - b"))
    cached.imports("n")
    by_module = {cached_module(path): path for path in cached.stored("entries")}
    text = by_module["m"].read_text()
    forged = text.replace(artifact_of(by_module["m"]), "../../../../etc/passwd")
    replace(by_module["m"], forged.encode())
    shutil.rmtree(next(cached.store.glob("manifests-v*")))
    assert_imports(cached)


def cached_module(path):
    return json.loads(path.read_text())["module"]


def artifact_of(path):
    return json.loads(path.read_text())["artifact"]


def test_a_folder_in_the_place_of_a_manifest_costs_no_compile(cached):
    path = cached.the_stored("manifests")
    path.unlink()
    path.mkdir()
    for _ in range(2):
        imported = cached.imports("m", "module.add(1, 2)")
        assert (imported.value, imported.builds) == (3, [])


def test_a_library_that_is_loaded_is_never_overwritten(cached):
    code = """
import os, subprocess, sys, zigimport, m
before = os.stat(m.__file__)
text = open("m.zig").read()
for body in ("a - b", "a * b", "a + b"):
    open("m.zig", "w").write(text.replace("a + b", body))
    subprocess.run([sys.executable, "-c", "import zigimport, m"], check=True)
after = os.stat(m.__file__)
print(m.add(2, 3), (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns))
"""
    ran = cached.run(code)
    assert ran.stdout == "5 True\n", ran


def test_what_another_version_stored_is_left_alone(cached):
    for bucket in ("objects", "entries", "manifests"):
        folder = cached.store / f"{bucket}-v999"
        folder.mkdir()
        (folder / "file").write_text("of another version")
    assert_imports(cached)
    assert cached.cli("cache", "clear").returncode == 0
    assert all((cached.store / f"{bucket}-v999" / "file").exists() for bucket in ("objects", "entries", "manifests"))


def test_clearing_removes_what_is_ours_and_nothing_else(cached):
    mine = cached.store / "notes.txt"
    mine.write_text("mine")
    (cached.store / "my folder").mkdir()
    assert cached.cli("cache", "clear").returncode == 0
    left = sorted(path.name for path in cached.store.iterdir())
    assert left == ["CACHEDIR.TAG", "my folder", "notes.txt"]
    assert cached.imports("m").builds == ["m"]


def test_clearing_follows_no_link_out_of_the_store(cached, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    (folder,) = cached.store.glob("objects-v*")
    shutil.rmtree(folder)
    folder.symlink_to(outside)
    cached.cli("cache", "clear")
    assert (outside / "precious").read_text() == "mine"


# Places that cannot be written.


@pytest.fixture
def mounted(tmp_path):
    """Returns a function that mounts a small file system; skips without the right to."""
    folders = []

    def mount(megabytes):
        folder = tmp_path / f"mount-{len(folders)}"
        folder.mkdir()
        options = f"size={megabytes}m,mode=700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], stderr=subprocess.PIPE)
        if done.returncode != 0:
            pytest.skip(f"no right to mount: {done.stderr.decode().strip()}")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


def test_a_store_that_cannot_be_written_serves_what_it_has(cached, mounted):
    place = mounted(200)
    store = place / "store"
    shutil.copytree(cached.store, store, ignore=shutil.ignore_patterns("zig-v*"))
    store.chmod(0o700)
    cached.environment["ZIGIMPORT_BUILD_DIR"] = str(store)
    # The copies have stamps of their own, which this import writes down.
    cached.imports("m")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    hit = cached.imports("m", "module.add(1, 2)")
    assert (hit.value, hit.stderr) == (3, "")
    os.utime(cached.root / "m.zig")
    touched = cached.imports("m", "module.add(1, 2)")
    assert (touched.value, touched.stderr) == (3, "")
    cached.write("m.zig", ADD.replace("a + b", "a - b"))
    failed = cached.fails("m")
    assert (failed.error, failed.exit_code) == ("CacheError", 3) and "Read-only file system" in failed.message


def test_a_store_without_its_manifest_that_cannot_be_written_still_serves(cached, mounted):
    place = mounted(200)
    store = place / "store"
    shutil.copytree(cached.store, store, ignore=shutil.ignore_patterns("zig-v*", "manifests-v*"))
    store.chmod(0o700)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    hit = cached.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_BUILD_DIR": store})
    assert (hit.value, hit.builds) == (3, [])


@pytest.mark.parametrize("megabytes", [1, 4, 16])
def test_a_full_disk_is_one_clear_error_and_nothing_wrong_is_stored(project, mounted, megabytes):
    place = mounted(megabytes)
    project.write("m.zig", ADD)
    environment = {"ZIGIMPORT_BUILD_DIR": place / "store"}
    failed = project.fails("m", env=environment)
    assert "ZigImportError" in failed.classes, failed
    assert "o space left" in failed.message or "NoSpaceLeft" in failed.message or "disk" in failed.message, failed
    assert len(failed.message) < 20_000
    subprocess.run(["mount", "-o", "remount,size=400m", place], check=True)
    assert project.imports("m", "module.add(1, 2)", env=environment).value == 3
    assert project.imports("m", "module.add(1, 2)", env=environment).builds == []


def test_a_disk_that_is_full_only_for_the_manifest_does_no_harm(cached, mounted):
    place = mounted(60)
    store = place / "store"
    shutil.copytree(cached.store, store, ignore=shutil.ignore_patterns("manifests-v*"))
    store.chmod(0o700)
    with open(place / "filling", "wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(b"\0" * 4096)
    imported = cached.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_BUILD_DIR": store})
    assert (imported.value, imported.builds) == (3, [])


def test_a_store_on_a_mount_that_forbids_execution_builds_and_loads(project, mounted):
    place = mounted(200)
    project.environment["ZIGIMPORT_BUILD_DIR"] = str(place / "store")
    subprocess.run(["mount", "-o", "remount,noexec", place], check=True)
    project.write("m.zig", ADD)
    built = project.imports("m", "[module.add(1, 2), module.__file__.startswith('/'), 'libraries' in module.__file__]")
    assert built.value == [3, True, True]
    assert project.imports("m", "module.add(1, 2)").stderr == ""


# Many processes.


def test_many_processes_that_import_one_cold_module_compile_it_once(project, wrapped_zig):
    project.write("m.zig", ADD)
    processes = [project.start_import("m", "[module.add(1, 2), module.__file__]") for _ in range(12)]
    results = [finish(process) for process in processes]
    answers = [result.json.get("value") for result in results]
    assert answers == [[3, str(project.the_stored("libraries"))]] * 12, results
    assert len(wrapped_zig.compiles) == 1
    assert sorted(len(result.builds) for result in results) == [0] * 11 + [1]


def test_a_hundred_processes_and_sixteen_threads_compile_ten_cold_modules_once_each(project, wrapped_zig):
    names = [f"m{number}" for number in range(10)]
    for number, name in enumerate(names):
        project.write(f"{name}.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    code = f"""
import importlib, sys, threading, zigimport
names = {names}
first = int(sys.argv[1])
order = names[first:] + names[:first]
wrong = []
def one():
    for name in order:
        value = importlib.import_module(name).number()
        if value != int(name[1:]):
            wrong.append(name)
threads = [threading.Thread(target=one) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(wrong))
"""
    processes = [project.start("-c", code, number % 10, 16 if number == 0 else 1) for number in range(100)]
    results = [finish(process) for process in processes]
    assert all((result.returncode, result.stdout) == (0, "0\n") for result in results), results
    assert len(wrapped_zig.compiles) == 10
    assert sorted(name for result in results for name in result.builds) == names


def test_threads_that_build_one_module_directly_compile_it_once(project, wrapped_zig):
    project.write("m.zig", ADD)
    code = """
import threading, zigimport
results = []
threads = [threading.Thread(target=lambda: results.append(zigimport.build("m.zig"))) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len({result.digest for result in results}), len(results), sum(result.built for result in results))
"""
    ran = project.run(code)
    assert ran.stdout == "1 16 1\n", ran
    assert len(wrapped_zig.compiles) == 1


def test_many_processes_that_import_different_modules_all_succeed(project):
    for number in range(6):
        project.write(f"m{number}.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    processes = [project.start_import(f"m{number}", "module.number()") for number in range(6)]
    assert [finish(process).json["value"] for process in processes] == list(range(6))


def test_processes_with_an_empty_store_and_compiler_cache_all_succeed(make_project):
    project = make_project(warm=False)
    project.write("m.zig", ADD)
    project.write("n.zig", ADD)
    processes = [project.start_import(name, "module.add(1, 2)") for name in ("m", "n", "m", "n")]
    assert [finish(process).json["value"] for process in processes] == [3, 3, 3, 3]


def test_one_process_that_fails_lets_the_next_one_build(project):
    project.write("m.zig", "pub fn f() u8 {\n    return missing;\n}\n")
    processes = [project.start_import("m") for _ in range(4)]
    assert [finish(process).json["error"] for process in processes] == ["ZigCompileError"] * 4
    project.write("m.zig", ADD)
    assert_imports(project)


def test_processes_while_a_source_is_edited_never_see_anything_but_one_of_its_versions(project):
    project.write("m.zig", "pub fn number() u32 {\n    return 0;\n}\n")
    project.imports("m")
    processes = []
    for number in range(1, 9):
        project.write("new", f"pub fn number() u32 {{\n    return {number};\n}}\n")
        os.replace(project.root / "new", project.root / "m.zig")
        processes.append((number, project.start_import("m", "module.number()")))
    for number, process in processes:
        answer = finish(process).json
        assert number <= answer["value"] <= 8, (number, answer)
    assert project.imports("m", "module.number()").value == 8


def test_builds_side_by_side_do_not_wait_for_each_other(project):
    """The way into the store is shared: nobody clears it."""
    names = [f"m{number}" for number in range(12)]
    for name in names:
        project.write(f"{name}.zig", ADD)
    running = [project.start_import(name) for name in names for _ in range(2)]
    texts = [finish(process).stderr for process in running]
    assert not any("clears the cache" in text for text in texts), texts


def test_two_hundred_killed_imports_leave_nothing_to_repair(project, capsys):
    generator = random.Random(20)
    modules = {f"m{number}": number for number in range(40)}
    for name, number in modules.items():
        project.write(f"{name}.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    ended = 0
    # Twenty at a time, on half as many modules, each killed between its start and its end.
    for first in range(0, 40, 4):
        names = [f"m{number % 40}" for number in range(first, first + 10)] * 2
        started = time.monotonic()
        running = [project.start_import(name, start_new_session=True) for name in names]
        generator.shuffle(running)
        # About as long as all of them take.
        took = 2 * (time.monotonic() - started) + 0.3
        for process, moment in zip(running, sorted(generator.uniform(0, took) for _ in running)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0, started + moment - time.monotonic()))
            ended += process.poll() is not None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in running:
            process.communicate()
    code = f"""
import importlib, json, zigimport
print(json.dumps({{name: importlib.import_module(name).number() for name in {sorted(modules)}}}))
"""
    assert project.run(code).json == modules
    again = project.run(code)
    assert again.json == modules and again.stderr == ""
    assert project.cli("cache", "verify", "--format", "json").json["problems"] == []
    with capsys.disabled():
        print(f"\nimports killed at random moments: {200 - ended} of 200; 40 modules right, 0 problems")


#: Moves the clock of a process by as many seconds as CLOCK_OFFSET says.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    const char *offset = getenv("CLOCK_OFFSET");
    if (clock == CLOCK_REALTIME && offset) time->tv_sec += atol(offset);
    return result;
}
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """A library that turns the clock of the process that preloads it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is on this machine")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl"], check=True)
    return folder / "clock.so"


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_costs_at_most_work(project, clock, years):
    project.write("m.zig", ADD)
    jumped = {"LD_PRELOAD": str(clock), "CLOCK_OFFSET": str(years * 365 * 86_400)}
    year = "__import__('datetime').datetime.now().year"
    here, there = (project.imports("m", f"[module.add(1, 2), {year}]", env=env).value for env in ({}, jumped))
    assert here[0] == there[0] == 3 and there[1] - here[1] in (years - 1, years, years + 1)
    # An edit is seen on both sides of the jump, and what was built before is found again.
    for env, text, value in (
        (jumped, ADD.replace("a + b", "a - b"), -1),
        ({}, ADD.replace("a + b", "a * b"), 2),
        (jumped, ADD, 3),
        ({}, ADD.replace("a + b", "a - b"), -1),
    ):
        project.write("m.zig", text)
        assert project.imports("m", "module.add(1, 2)", env=env).value == value
    # The host's own clock was turned too.
    listed = project.cli("cache", "list", "--format", "json").json
    assert len({entry["created_utc"][:4] for entry in listed}) == 2, listed
    for env in (jumped, {}):
        assert project.cli("cache", "verify", "--format", "json", env=env).json["problems"] == []
        assert project.cli("cache", "gc", env=env).returncode == 0
        assert project.imports("m", "module.add(1, 2)", env=env).value == -1


def test_a_killed_builder_lets_the_waiting_process_build(project, tmp_path, default_zig):
    project.write("m.zig", ADD)
    gate = tmp_path / "started"
    zig = tmp_path / "zig"
    # The first compile never ends; later ones are real.
    zig.write_text(
        "#!/bin/sh\n"
        f"if test $1 = build-lib -a ! -e '{gate}'; then touch '{gate}'; exec sleep 600; fi\n"
        f"exec '{default_zig}' \"$@\"\n"
    )
    zig.chmod(0o755)
    environment = {"ZIGIMPORT_ZIG": zig, "PYTHONUNBUFFERED": "1"}
    builder = project.start_import("m", env=environment, start_new_session=True)
    while not gate.exists():
        assert builder.poll() is None
    waiter = project.start_import("m", "module.add(1, 2)", env=environment)
    # The process that it names is the one that holds the lock.
    assert f"waiting for process {builder.pid} that builds m".encode() in waiter.stderr.readline()
    os.killpg(builder.pid, signal.SIGKILL)
    builder.communicate()
    assert finish(waiter).json == {"value": 3}


# Where the store lies.


def test_the_cache_of_a_virtual_environment_lies_in_it(project, tmp_path):
    folder = tmp_path / "environment"
    subprocess.run([project.python, "-m", "venv", "--without-pip", "--system-site-packages", folder], check=True)
    site = subprocess.run(
        [project.python, "-c", "import zigimport, os; print(os.path.dirname(os.path.dirname(zigimport.__file__)))"],
        stdout=subprocess.PIPE,
        check=True,
    )
    project.write("m.zig", ADD)
    imported = project.imports(
        "m",
        "module.__file__",
        python=folder / "bin" / "python",
        env={"ZIGIMPORT_BUILD_DIR": None, "PYTHONPATH": site.stdout.decode().strip()},
    )
    assert imported.value.startswith(str(folder / ".zigimport") + os.sep)


def outside_environment(project, **variables):
    """Imports with the interpreter below the virtual environment."""
    base = subprocess.run(
        [project.python, "-c", "import sys, zigimport; print(sys._base_executable); print(zigimport.__path__[0])"],
        stdout=subprocess.PIPE,
        check=True,
    )
    interpreter, package = base.stdout.decode().splitlines()
    environment = {"ZIGIMPORT_BUILD_DIR": None, "PYTHONPATH": os.path.dirname(package), **variables}
    return project.imports("m", "module.__file__", python=interpreter, env=environment)


def test_the_cache_lies_in_the_platforms_folder_without_a_virtual_environment(project, tmp_path):
    project.write("m.zig", ADD)
    path = outside_environment(project).value
    assert path.startswith(str(tmp_path / "home" / ".cache" / "zigimport") + os.sep)
    (tmp_path / "home" / ".zigimport").mkdir(mode=0o700)
    path = outside_environment(project).value
    assert path.startswith(str(tmp_path / "home" / ".zigimport") + os.sep)


def test_a_home_that_cannot_be_written_gives_a_private_temporary_cache_with_a_warning(project, mounted, tmp_path):
    project.write("m.zig", ADD)
    home = mounted(1)
    subprocess.run(["mount", "-o", "remount,ro", home], check=True)
    (tmp_path / "tmp").mkdir()
    imported = outside_environment(project, HOME=home, TMPDIR=tmp_path / "tmp")
    assert imported.value.startswith(str(tmp_path / "tmp") + os.sep)
    assert str(tmp_path / "tmp") in imported.stderr and "ZIGIMPORT_BUILD_DIR" in imported.stderr, imported


def test_a_cache_of_somebody_else_is_refused(project):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    project.write("m.zig", ADD)
    project.store.chmod(0o700)
    os.chown(project.store, 12345, 12345)
    failed = project.fails("m")
    os.chown(project.store, 0, 0)
    assert failed.error == "CacheError" and "belongs to user 12345" in failed.message
