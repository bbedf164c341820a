"""``ZIGIMPORT_NATIVE=never``: what a locked-down machine can still do."""

import os
import shlex
import shutil
import time

import pytest

import foreign
from conftest import ADD, IMPORT, make_writable, script

MODULE = 'const part = @import("parts/part.zig");\npub fn add(a: i64, b: i64) i64 {\n    return part.plus(a, b);\n}\n'
PLUS = "pub fn plus(a: i64, b: i64) i64 {\n    return a + b;\n}\n"
MINUS = PLUS.replace("a + b", "a - b")
TWICE = "pub fn twice(a: i64) i64 {\n    return 2 * a;\n}\n"
#: Nothing is at hand: no compiler, no program, no home.
NEVER = {"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None, "PATH": "", "HOME": None}


@pytest.fixture
def cached(project):
    """A project with two modules that another process built."""
    project.write("m.zig", MODULE)
    project.write("parts/part.zig", PLUS)
    project.write("n.zig", TWICE)
    for name in ("m", "n"):
        assert project.imports(name).builds == [name]
    return project


def works(project, **keywords):
    """Both modules load and work, each in a new process, and together."""
    keywords = {"env": NEVER, **keywords}
    first = project.imports("m", "[module.add(40, 2), module.__zigimport__.zig_version]", **keywords)
    assert first.value == [42, "0.16.0"]
    both = project.imports("m", "[module.add(1, 2), __import__('n').twice(4)]", **keywords)
    assert both.value == [3, 8]
    assert first.stderr == both.stderr == ""
    return True


def without_zig_caches(_, names):
    return [name for name in names if name.startswith("zig-v")]


@pytest.fixture
def elsewhere(tmp_path):
    """Copies a folder, without the compiler's caches, to another place."""

    def copy(folder, name):
        return shutil.copytree(folder, tmp_path / name, ignore=without_zig_caches)

    yield copy
    make_writable(tmp_path)


@pytest.fixture
def mounted(cached, tmp_path):
    """Returns an interpreter that sees other mounts than this process does."""

    def python(*commands):
        if os.geteuid() != 0:
            pytest.skip("mounts: not root")
        # The working folder is the one behind the mount until it is entered anew.
        enter = f"cd {shlex.quote(str(cached.root))}"
        inner = " && ".join([*commands, enter, f'exec {shlex.quote(cached.python)} "$@"'])
        path = script(tmp_path / "mounted", f'exec /usr/bin/unshare --mount /bin/sh -c {shlex.quote(inner)} sh "$@"')
        if cached.execute("-c", "", python=path).returncode != 0:
            pytest.skip("mounts: this container allows none")
        return path

    return python


def read_only(folder):
    folder = shlex.quote(str(folder))
    return f"/usr/bin/mount --bind {folder} {folder} && /usr/bin/mount -o remount,bind,ro {folder}"


# What is cached loads.


def test_what_another_process_built_loads(cached):
    assert works(cached)


def test_every_python_loads_it(make_project, cached, python):
    other = make_project(python=python, store=cached.store)
    assert works(other)


def test_it_loads_without_its_manifest(cached):
    shutil.rmtree(next(cached.store.glob("manifests-v*")))
    assert works(cached)


def test_it_loads_when_only_the_compressed_object_is_there(cached):
    make_writable(cached.store)
    shutil.rmtree(next(cached.store.glob("libraries-v*")))
    assert works(cached)


def test_a_compiler_setting_that_leads_nowhere_does_not_matter(cached):
    assert works(cached, env={**NEVER, "ZIGIMPORT_ZIG": "/nowhere/zig"})


def test_what_another_compiler_built_serves_and_says_so(make_project):
    project = make_project(zig="0.15")
    project.write("m.zig", ADD)
    project.imports("m")
    loaded = project.imports("m", "[module.add(1, 2), module.__zigimport__.zig_version]", env=NEVER)
    assert loaded.value == [3, "0.15.2"]


def test_a_cache_that_was_copied_to_another_path_works(cached, elsewhere):
    store = elsewhere(cached.store, "carried")
    shutil.rmtree(cached.store)
    assert works(cached, env={**NEVER, "ZIGIMPORT_BUILD_DIR": store})


def test_sources_and_cache_that_were_copied_to_other_paths_work(cached, make_project, elsewhere):
    store = elsewhere(cached.store, "carried")
    root = elsewhere(cached.root, "unpacked")
    shutil.rmtree(cached.store)
    shutil.rmtree(cached.root)
    cached.root = root
    assert works(cached, env={**NEVER, "ZIGIMPORT_BUILD_DIR": store})


def test_a_read_only_project_and_a_read_only_cache_work(cached, mounted):
    python = mounted(read_only(cached.root), read_only(cached.store))
    refused = cached.run("open('x', 'w')", python=python)
    assert "Read-only file system" in refused.stderr
    assert works(cached, python=python)


def test_a_read_only_cache_works_without_its_manifest(cached, mounted):
    shutil.rmtree(next(cached.store.glob("manifests-v*")))
    assert works(cached, python=mounted(read_only(cached.root), read_only(cached.store)))


def test_a_cache_on_a_mount_without_execution_loads_from_memory(cached, mounted, elsewhere, tmp_path):
    place, carried = tmp_path / "noexec", elsewhere(cached.store, "carried")
    place.mkdir()
    quoted = shlex.quote(str(place))
    python = mounted(
        f"/usr/bin/mount -t tmpfs -o noexec,mode=700 tmpfs {quoted}",
        f"/bin/cp -a {shlex.quote(str(carried))} {quoted}/store",
        read_only(place / "store"),
    )
    env = {**NEVER, "ZIGIMPORT_BUILD_DIR": place / "store"}
    code = """
import glob, sys, zigimport, m, n
library, = glob.glob(sys.argv[1] + "/store/libraries-v*/*/*.so")[:1]
try:
    import _ctypes
    _ctypes.dlopen(library, 0)
except OSError as error:
    print("failed to map segment" in str(error))
print(m.add(40, 2), n.twice(4))
print(all(module.__file__.startswith(sys.argv[1]) for module in (m, n)))
print(len({line.split()[-2] for line in open("/proc/self/maps") if "memfd:zigimport" in line}) >= 1)
"""
    ran = cached.run(code, place, env=env, python=python)
    assert ran.stdout.splitlines() == ["True", "42 8", "True", "True"], ran
    assert ran.stderr == ""
    assert works(cached, env=env, python=python)


# What is not cached is refused, in one clear way.


def assert_refused(project, name, **keywords):
    failed = project.fails(name, **{"env": NEVER, **keywords})
    assert failed.error == "ZigNotFoundError" and "ImportError" in failed.classes
    # What is missing, where it was looked for, why it is not built, and the remedy.
    source = str(project.root / f"{name}.zig")
    for word in (
        f"`{name}`",
        source,
        str(project.store),
        "x86_64-linux-gnu",
        "Debug",
        "abi3",
        "ZIGIMPORT_NATIVE=never",
    ):
        assert word in failed.message, (word, failed.message)
    assert "ZIGIMPORT_BUILD_DIR" in failed.hint and "unset ZIGIMPORT_NATIVE" in failed.hint
    assert (failed.name, failed.path, failed.exit_code) == (name, source, 3)
    assert failed.stderr == ""


def test_a_cold_module_is_refused(project):
    project.write("m.zig", ADD)
    assert_refused(project, "m")
    assert not list(project.store.glob("entries-v*"))


def test_the_compiler_at_hand_is_not_used(project, wrapped_zig):
    project.write("m.zig", ADD)
    assert_refused(project, "m", env={"ZIGIMPORT_NATIVE": "never"})
    assert wrapped_zig.calls == []


@pytest.mark.parametrize("path, content", [("parts/part.zig", MINUS), ("m.zig", MODULE + "\n")])
def test_an_edited_source_is_not_served_from_old_content(cached, path, content):
    original = (cached.root / path).read_text()
    status = (cached.root / path).stat()
    cached.write(path, content)
    os.utime(cached.root / path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert_refused(cached, "m")
    cached.write(path, original)
    assert works(cached)


def test_other_settings_are_not_served_either(cached):
    failed = cached.fails("m", env={**NEVER, "ZIGIMPORT_OPTIMIZE": "ReleaseFast"})
    assert failed.error == "ZigNotFoundError" and "ReleaseFast" in failed.message


def test_a_damaged_library_is_not_loaded(cached):
    for library in cached.stored("libraries"):
        library.chmod(0o600)
        library.write_bytes(b"\x7fELF" + library.read_bytes()[4:][::-1])
    assert works(cached)


def test_a_forced_rebuild_is_refused(cached):
    assert cached.fails("m", env={**NEVER, "ZIGIMPORT_FORCE_REBUILD": "1"}).error == "ZigNotFoundError"


def test_the_command_line_refuses_with_3_and_builds_the_rest(cached):
    cached.write("cold.zig", ADD)
    built = cached.cli("build", ".", "--format", "json", env=NEVER)
    assert built.returncode == 3
    assert sorted(one["module"] for one in built.json["artifacts"]) == ["m", "n"]
    (error,) = built.json["errors"]
    assert "ZIGIMPORT_NATIVE=never" in error


# Planning, scanning, looking.


def test_a_plan_tells_what_loads_and_what_is_refused(cached):
    cached.write("cold.zig", ADD)
    plan = cached.cli("plan", ".", "--format", "json", env=NEVER)
    assert plan.returncode == 0
    assert plan.json["native"] == "never" and plan.json["toolchain"] is None
    actions = {action["module"]: action for action in plan.json["actions"]}
    assert {name: action["action"] for name, action in actions.items()} == {"m": "load", "n": "load", "cold": "refuse"}
    assert actions["cold"]["refusal"] == "native-forbidden"
    assert cached.cli("plan", ".", "--check", env=NEVER).returncode == 3
    assert cached.cli("plan", "m.zig", "n.zig", "--check", env=NEVER).returncode == 0


def test_scan_info_and_cache_info_answer_as_ever(cached):
    scan = cached.cli("scan", "m.zig", env=NEVER)
    assert scan.stdout == cached.cli("scan", "m.zig").stdout != ""
    info = cached.cli("info", "--format", "json", env=NEVER).json
    assert info["native"] == "never" and "not looked for" in info["zig"]
    assert cached.cli("cache", "info", "--format", "json", env=NEVER).json["entries"] == 2


# Without a trace.


@pytest.fixture
def traced(tmp_path):
    """Runs Python under strace; returns how it finished and its `Trace`."""

    def run(project, *arguments, env):
        environment = {**project.environment, "PYTHONDONTWRITEBYTECODE": "1", **env}
        environment = {name: str(value) for name, value in environment.items() if value is not None}
        command = [project.python, *arguments]
        try:
            return foreign.Trace.of(tmp_path / "trace.log", command, cwd=project.root, env=environment)
        except foreign.Unavailable as unavailable:
            pytest.skip(f"strace: {unavailable}")

    return run


def test_nothing_is_started_and_nothing_written_whether_it_loads_or_not(cached, traced):
    cached.write("cold.zig", ADD)
    # Its stamp is new, so that there would be a fresher manifest to write.
    later = time.time() - 10
    os.utime(cached.root / "m.zig", (later, later))
    time.sleep(0.2)
    for name, outcome in [("m", '"value": null'), ("cold", '"error": "ZigNotFoundError"')]:
        finished, trace = traced(cached, "-c", IMPORT, name, "None", env=NEVER)
        assert outcome in finished.stdout, finished
        assert (trace.programs, trace.children, trace.writes) == ([], [], [])
    for command in (["plan", "."], ["scan", "m.zig"], ["info"], ["cache", "info"]):
        finished, trace = traced(cached, "-m", "zigimport", *command, env=NEVER)
        assert finished.returncode == 0, finished
        assert (trace.programs, trace.children, trace.writes) == ([], [], [])
