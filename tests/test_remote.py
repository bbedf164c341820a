"""A shared cache: a directory that is looked at before a build, and that builds may fill."""

import json
import os
import stat
import time

import pytest

from conftest import ADD, finish
from test_cache import listed
from test_store import replace


@pytest.fixture
def shared(tmp_path):
    """The directory."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def builder(make_project, shared):
    """A project whose builds are put there."""
    project = make_project("builder")
    project.write("m.zig", ADD)
    project.environment.update(ZIGIMPORT_REMOTE_CACHE=str(shared), ZIGIMPORT_CACHE_UPLOAD="1")
    return project


@pytest.fixture
def uploaded(builder):
    """The same after a build of ``m``."""
    assert builder.imports("m", "module.add(1, 2)").builds == ["m"]
    return builder


@pytest.fixture
def reader(make_project, shared):
    """The same sources elsewhere, with a store of its own."""
    project = make_project("reader")
    project.write("m.zig", ADD)
    project.environment.update(ZIGIMPORT_REMOTE_CACHE=str(shared))
    return project


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def the_object(shared):
    (path,) = shared.glob("objects-v*/*/*.zst")
    return path


def the_entry(shared):
    (path,) = shared.glob("entries-v*/*/*/*/meta.json")
    return path


def test_what_one_builds_another_fetches(uploaded, reader, shared):
    before = files(shared)
    planned = reader.cli("plan", "--format", "json").json
    (action,) = planned["actions"]
    assert (action["action"], action["reason"]["code"]) == ("fetch", "remote-present"), action
    assert "fetch" in reader.cli("plan").stdout
    assert f"\nshared cache: {shared}\n" in reader.cli("plan", "--explain").stdout
    assert reader.cli("plan", "--check").returncode == 0
    assert reader.stored("objects") == [] and files(shared) == before
    first = reader.imports("m", "module.add(1, 2)")
    assert (first.value, first.builds) == (3, []) and f"fetched m from {shared}" in first.stderr
    again = reader.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_REMOTE_CACHE": None})
    assert (again.value, again.stderr) == (3, "")
    assert listed(reader)["m"]["key"] == listed(uploaded)["m"]["key"]
    assert files(shared) == before and reader.cli("cache", "verify").returncode == 0


def test_where_nothing_may_be_built_it_is_fetched_all_the_same(uploaded, reader):
    never = {"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None}
    assert reader.imports("m", "module.add(1, 2)", env=never).value == 3
    reader.write("m.zig", ADD.replace("+", "-"))
    assert reader.fails("m", env=never).error == "ZigNotFoundError"


def test_other_content_another_mode_and_another_salt_are_built(uploaded, reader):
    assert reader.imports("m", env={"ZIGIMPORT_OPTIMIZE": "ReleaseSmall"}).builds == ["m"]
    assert reader.imports("m", env={"ZIGIMPORT_SALT": "x"}).builds == ["m"]
    reader.write("m.zig", ADD.replace("+", "-"))
    assert reader.imports("m", "module.add(1, 2)").value == -1


def test_only_who_asks_for_it_uploads(reader, shared):
    assert reader.imports("m").builds == ["m"]
    assert files(shared) == {}
    wrong = reader.fails("m", env={"ZIGIMPORT_CACHE_UPLOAD": "perhaps"})
    assert "ZIGIMPORT_CACHE_UPLOAD" in wrong.message


def test_an_input_that_only_the_compiler_names_decides_too(make_project, shared):
    source = 'const name = "da" ++ "ta.txt";\npub fn size() usize {\n    return @embedFile(name).len;\n}\n'
    sizes = []
    for number, (text, builds) in enumerate((("four", ["m"]), ("four", []), ("seven!!", ["m"]))):
        project = make_project(f"p{number}")
        project.environment.update(ZIGIMPORT_REMOTE_CACHE=str(shared), ZIGIMPORT_CACHE_UPLOAD="1")
        project.write("m.zig", source)
        project.write("data.txt", text)
        # What is as new as the build could have changed during it, and would be built again.
        time.sleep(0.2)
        imported = project.imports("m", "module.size()")
        sizes.append(imported.value)
        assert imported.builds == builds, number
    assert sizes == [4, 4, 7]


# What fails there.


def assert_builds_with_one_warning(project, words):
    """The import is right, and says once what is wrong."""
    project.write("n.zig", ADD.replace("+", "*"))
    code = "import zigimport, m, n\nprint(m.add(1, 2), n.add(1, 2))"
    ran = project.run(code)
    assert ran.stdout == "3 2\n", ran
    assert ran.stderr.count("going on without it") == 1 and words in ran.stderr, ran
    assert sorted(ran.builds) == ["m", "n"]
    assert project.run(code).stderr == ""


def test_a_directory_that_is_not_there_is_one_warning(reader, shared):
    shared.rmdir()
    assert_builds_with_one_warning(reader, f"failed to use the shared cache `{shared}`")
    assert not shared.exists()
    # What is cached does not look there at all.
    assert reader.imports("m").stderr == ""


def test_a_directory_that_everybody_can_write_to_is_not_used(uploaded, reader, shared):
    shared.chmod(0o777)
    assert_builds_with_one_warning(reader, "everybody can write to it (mode 777); run: chmod o-w")


@pytest.mark.skipif(os.name == "nt", reason="there are no permission bits")
def test_what_is_new_is_for_the_group_of_the_directory(builder, shared):
    if os.geteuid() == 0:
        os.chown(shared, -1, 12345)
    shared.chmod(0o2770)
    assert builder.run("import os; os.umask(0o077)\nimport zigimport, m").builds == ["m"]
    modes = {path: path.stat().st_mode for path in shared.rglob("*")}
    assert {stat.S_IMODE(mode) for mode in modes.values() if stat.S_ISDIR(mode)} == {0o2770}
    assert stat.S_IMODE(modes[the_object(shared)]) == 0o440
    assert stat.S_IMODE(modes[the_entry(shared)]) == 0o660
    assert {path.stat().st_gid for path in modes} == {shared.stat().st_gid}
    # Where the group has no part in the directory, it has none in what is there; nor has everybody.
    shared.chmod(0o700)
    builder.write("n.zig", ADD.replace("+", "*"))
    known = set(modes)
    assert builder.run("import os; os.umask(0)\nimport zigimport, n").builds == ["n"]
    assert not any(path.stat().st_mode & 0o072 for path in shared.rglob("*") if path not in known)


@pytest.mark.parametrize("which", ["entry", "its folder", "object"])
def test_what_may_not_be_read_is_one_warning_and_no_miss(uploaded, reader, shared, which):
    command = ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    if os.geteuid() != 0 or finish(reader.start_under(command, "-c", "")).returncode != 0:
        pytest.skip("permissions do not bind root, or this is another user")
    path = {"entry": the_entry(shared), "its folder": the_entry(shared).parent.parent, "object": the_object(shared)}[which]
    mode = path.stat().st_mode
    path.chmod(0)
    reader.environment["ZIGIMPORT_NATIVE"] = "never"
    failed = finish(reader.start_under(command, "-m", "zigimport", "build", "m.zig"))
    reader.environment["ZIGIMPORT_NATIVE"] = "auto"
    built = finish(reader.start_under(command, "-m", "zigimport", "build", "m.zig"))
    path.chmod(mode)
    assert failed.stderr.count("Permission denied") == 2 and "nor in the shared cache" not in failed.stderr, failed
    assert built.returncode == 0 and built.stderr.count("Permission denied") == 1, built
    assert built.stderr.count("going on without it") == 1 and str(path.parent) in built.stderr, built


def test_a_damaged_object_is_mended_by_the_next_upload(uploaded, reader, shared, make_project):
    replace(the_object(shared), b"\0\xff" * 64)
    built = reader.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_CACHE_UPLOAD": "1"})
    assert (built.value, built.builds) == (3, ["m"]) and built.stderr.count("going on without it") == 1
    third = make_project("third")
    third.write("m.zig", ADD)
    environment = {"ZIGIMPORT_REMOTE_CACHE": shared, "ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None}
    fetched = third.imports("m", "module.add(1, 2)", env=environment)
    assert fetched.value == 3 and "going on without it" not in fetched.stderr


def test_where_nothing_may_be_built_the_error_says_what_is_wrong_with_the_shared_cache(uploaded, reader, shared):
    never = {"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None}
    replace(the_object(shared), b"\0\xff" * 64)
    failed = reader.fails("m", env=never)
    assert f"failed to fetch the shared cache `{the_object(shared)}`" in failed.message
    shared.chmod(0o777)
    failed = reader.fails("m", env=never)
    assert "everybody can write to it" in failed.message and "nor in the shared cache" not in failed.message
    shared.chmod(0o755)
    reader.write("m.zig", ADD.replace("+", "-"))
    assert ", nor in the shared cache," in reader.fails("m", env=never).message


def test_a_directory_that_cannot_be_written_is_one_warning_for_who_uploads(builder, shared):
    (shared / "objects-v1").write_text("in the way")
    built = builder.imports("m", "module.add(1, 2)")
    assert built.value == 3 and built.stderr.count("going on without it") == 1, built


@pytest.mark.parametrize("kind", ["noise", "cut", "empty", "other"])
def test_an_object_that_is_not_what_its_entry_says_is_never_used(uploaded, reader, shared, kind):
    path = the_object(shared)
    content = path.read_bytes()
    other = None
    if kind == "other":
        uploaded.write("poison.zig", ADD.replace("a + b", "a - b"))
        uploaded.imports("poison", env={"ZIGIMPORT_REMOTE_CACHE": None})
        artifact = listed(uploaded)["poison"]["artifact"]
        (other,) = (one for one in uploaded.stored("objects") if one.name.startswith(artifact))
    replace(
        path,
        {
            "noise": b"\0\xff" * 64,
            "cut": content[: len(content) // 2],
            "empty": b"",
            "other": other and other.read_bytes(),
        }[kind],
    )
    assert_builds_with_one_warning(reader, f"failed to fetch the shared cache `{path}`")
    assert reader.cli("cache", "verify").returncode == 0


@pytest.mark.parametrize("kind", ["noise", "cut", "forged", "pipe"])
def test_an_entry_that_is_none_is_a_miss_and_is_mended_by_the_next_upload(uploaded, reader, shared, kind):
    path = the_entry(shared)
    text = path.read_text()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        forged = text.replace(json.loads(text)["artifact"], "0" * 64)
        path.write_text({"noise": "{]", "cut": text[:-20], "forged": forged}[kind])
    built = reader.imports("m", "module.add(1, 2)", env={"ZIGIMPORT_CACHE_UPLOAD": "1"})
    assert (built.value, built.builds) == (3, ["m"])
    assert json.loads(path.read_text())["key"] == json.loads(text)["key"]


def test_a_library_that_the_store_lost_is_fetched_again(uploaded, reader):
    reader.imports("m")
    for bucket in ("objects", "libraries"):
        for path in reader.stored(bucket):
            path.unlink()
    again = reader.imports("m", "module.add(1, 2)")
    assert (again.value, again.builds) == (3, [])


def test_many_processes_fetch_and_upload_at_once(make_project, shared):
    projects = []
    for number in range(4):
        project = make_project(f"p{number}")
        project.environment.update(ZIGIMPORT_REMOTE_CACHE=str(shared), ZIGIMPORT_CACHE_UPLOAD="1")
        project.write("m.zig", ADD)
        projects.append(project)
    running = [project.start_import("m", "module.add(1, 2)") for project in projects]
    results = [finish(process) for process in running]
    assert [result.json for result in results] == [{"value": 3}] * 4, results
    assert not any("going on without it" in result.stderr for result in results), results
    for project in projects:
        assert project.cli("cache", "verify").returncode == 0
    assert [path for path in files(shared) if ".tmp-" in path] == []


# push and pull.


def test_artifacts_are_pushed_and_pulled(make_project, shared):
    one, two = make_project("one"), make_project("two")
    for project in (one, two):
        project.environment["ZIGIMPORT_REMOTE_CACHE"] = str(shared)
    for name, operator in (("m", "+"), ("n", "*")):
        one.write(f"{name}.zig", ADD.replace("+", operator))
        two.write(f"{name}.zig", ADD.replace("+", operator))
        one.imports(name)
    keys = {module: entry["key"] for module, entry in listed(one).items()}
    assert one.cli("cache", "push", keys["m"][:8]).stdout.startswith("1 artifact pushed (")
    pushed = one.cli("cache", "push", "--all", "--format", "json").json
    assert (pushed["artifacts"], pushed["present"]) == (1, 1)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in shared.rglob("*")}
    assert modes == {0o755, 0o644, 0o444}
    assert two.cli("cache", "pull", keys["n"][:8], "--format", "json").json["artifacts"] == 1
    assert sorted(listed(two)) == ["n"]
    assert two.cli("cache", "pull", "--all").stdout.endswith(", 1 already there\n")
    alone = {"ZIGIMPORT_REMOTE_CACHE": None, "ZIGIMPORT_NATIVE": "never"}
    assert two.imports("m", "module.add(2, 3)", env=alone).value == 5
    assert two.imports("n", "module.add(2, 3)", env=alone).value == 6


def test_a_cache_is_pulled_and_not_imported(uploaded, reader, shared):
    for folder in (shared, uploaded.store):
        refused = reader.cli("cache", "import", folder)
        assert refused.returncode == 1 and f"`{folder}` is a cache, not an export" in refused.stderr, refused
        assert "zigimport cache export" in refused.stderr


def test_push_and_pull_say_what_they_miss(reader, shared):
    for verb in ("push", "pull"):
        unset = reader.cli("cache", verb, "--all", env={"ZIGIMPORT_REMOTE_CACHE": None})
        assert unset.returncode == 1 and "ZIGIMPORT_REMOTE_CACHE" in unset.stderr, unset
        assert reader.cli("cache", verb).returncode == 2
        wrong = reader.cli("cache", verb, "00000000")
        assert wrong.returncode == 1 and "00000000" in wrong.stderr, wrong
    shared.rmdir()
    gone = reader.cli("cache", "pull", "--all")
    assert gone.returncode == 3 and str(shared) in gone.stderr, gone
