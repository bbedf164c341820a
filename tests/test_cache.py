"""The registry and the commands of `zigimport cache`: listing, importing, carrying a cache to
another machine, verifying, collecting."""

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import ADD, DEFAULT_ZIG
from test_store import assert_imports, replace

DAY_SECONDS = 86_400
#: The buckets whose files `cache verify` reads.
VERIFIED = ("objects", "libraries", "entries", "manifests", "sources", "history", "support")


@pytest.fixture
def cached(project):
    """A project whose modules ``m`` and ``package.n`` are in the store."""
    project.write("m.zig", ADD)
    project.write("package/__init__.py", "")
    project.write("package/n.zig", ADD.replace("a + b", "a * b"))
    assert project.imports("m", "module.add(2, 3)").value == 5
    assert project.imports("package.n", "module.add(2, 3)").value == 6
    return project


def listed(project):
    """The entries of the registry, by module."""
    return {one["module"]: one for one in project.cli("cache", "list", "--format", "json").json}


def api(project, expression, **keywords):
    """Evaluates an expression over ``zigimport`` in a new process."""
    code = f"import json, sys, zigimport\nprint(json.dumps({expression}))"
    ran = project.run(code, **keywords)
    assert ran.returncode == 0, ran
    return ran.json


def raised(project, expression, **keywords):
    """The name and the text of the exception that an expression raises."""
    code = f"""
import zigimport
try:
    {expression}
except Exception as error:
    print(type(error).__name__, error, sep="\\n")
"""
    ran = project.run(code, **keywords)
    assert ran.returncode == 0, ran
    name, _, message = ran.stdout.partition("\n")
    return name, message


def set_age(project, module, days):
    """Lets the artifact of a module have been used so many days ago."""
    artifact = listed(project)[module]["artifact"]
    for path in project.stored("objects") + project.stored("libraries"):
        if path.name.startswith(artifact):
            used = path.stat().st_mtime - days * DAY_SECONDS
            os.utime(path, (used, used))


# The registry.


def test_every_artifact_is_listed_with_what_it_was_made_of(cached):
    entries = listed(cached)
    assert sorted(entries) == ["m", "package.n"]
    one = entries["m"]
    assert (one["source"], one["optimize"], one["pinned"]) == ("m.zig", "Debug", False)
    assert [item["path"] for item in one["inputs"]] == ["m.zig"]
    assert one["zig_version"].startswith(DEFAULT_ZIG)
    assert one["key"] == cached.imports("m", "module.__zigimport__.key").value
    assert api(cached, "zigimport.list_cached()") == cached.cli("cache", "list", "--format", "json").json
    lines = cached.cli("cache", "list").stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith("KEY") and lines[1].startswith(one["key"][:12])


def test_an_empty_cache_lists_nothing(project):
    assert project.cli("cache", "list").stdout == "no artifacts\n"
    assert project.cli("cache", "list", "--format", "json").json == []


def test_an_artifact_is_imported_by_its_key_without_its_source(cached):
    key = listed(cached)["m"]["key"]
    (cached.root / "m.zig").unlink()
    for prefix in (key, key[:8]):
        expression = f"[(m := zigimport.import_cached({prefix!r})).add(1, 2), m.__zigimport__.key, sys.modules['m'] is m]"
        assert api(cached, expression) == [3, key, True]
    again = f"zigimport.import_cached({key!r}) is zigimport.import_cached({key!r})"
    assert api(cached, again) is True


def test_two_artifacts_of_a_module_are_had_side_by_side(cached):
    old = listed(cached)["m"]["key"]
    cached.write("m.zig", ADD.replace("a + b", "a - b"))
    expression = f"[__import__('m').add(5, 2), zigimport.import_cached({old!r}).add(5, 2), sys.modules['m'].add(5, 2)]"
    assert api(cached, expression) == [3, 7, 3]


def test_an_artifact_is_imported_by_the_name_of_its_module_if_that_is_unambiguous(cached):
    assert api(cached, "zigimport.import_cached_by_name('package.n').add(2, 3)") == 6
    cached.write("package/n.zig", ADD)
    cached.imports("package.n")
    keys = [one["key"] for one in cached.cli("cache", "list", "--format", "json").json if one["module"] == "package.n"]
    name, message = raised(cached, "zigimport.import_cached_by_name('package.n')")
    assert name == "CacheError" and "2 artifacts" in message and all(key[:12] in message for key in keys)
    name, message = raised(cached, "zigimport.import_cached_by_name('other')")
    assert name == "CacheError" and "no artifact of `other`" in message


def test_a_result_describes_a_cached_artifact(cached):
    entry = listed(cached)["m"]
    result = api(cached, f"zigimport.import_cached_result({entry['key'][:10]!r})._asdict()")
    assert (result["module"], result["source"], result["built"]) == ("m", "m.zig", False)
    assert (result["key"], result["digest"]) == (entry["key"], entry["artifact"])
    assert os.path.exists(result["library"])


@pytest.mark.parametrize("call", ["import_cached({})", "import_cached_result({})", "pin({})", "export_cached({}, dest_dir='.')"])
def test_a_key_that_is_none_or_several_gets_one_error(cached, call):
    for key, words in (("abc", "is no key"), ("../../x", "is no key"), ("0000000000", "no artifact in")):
        name, message = raised(cached, f"zigimport.{call.format(repr(key))}")
        assert name == "CacheError" and words in message and "zigimport cache list" in message, message


def test_an_artifact_for_another_platform_is_not_loaded(cached):
    cached.cli("build", "m.zig", "--target", "aarch64-linux-gnu")
    (key,) = (one["key"] for one in cached.cli("cache", "list", "--format", "json").json if "aarch64" in one["target"])
    name, message = raised(cached, f"zigimport.import_cached({key!r})")
    assert name == "CacheError" and "it is for aarch64-linux-gnu" in message
    assert api(cached, "zigimport.import_cached_by_name('m').add(1, 2)") == 3
    path = api(cached, f"zigimport.export_cached({key!r}, dest_dir='out')")
    # The machine in its ELF header.
    assert (cached.root / path).read_bytes()[18:20] == b"\xb7\x00"


def test_an_exported_library_is_imported_without_zigimport(cached, tmp_path):
    key = listed(cached)["package.n"]["key"]
    path = api(cached, f"zigimport.export_cached({key!r}, dest_dir={str(tmp_path / 'out')!r})")
    assert os.path.relpath(path, tmp_path / "out").startswith("package" + os.sep)
    ran = cached.run("import package.n; print(package.n.add(2, 3))", cwd=tmp_path / "out")
    assert ran.stdout == "6\n", ran


def test_an_exported_package_can_have_submodules(project):
    project.write("two/__init__.zig", ADD)
    project.imports("two")
    path = api(project, f"zigimport.export_cached({listed(project)['two']['key']!r}, dest_dir='out')")
    assert path == "out/two/__init__.abi3.so"


def test_the_signature_shows_the_key_and_all_that_is_in_it(cached):
    before = api(cached, "zigimport.signature('m.zig')")
    assert before["key"] == listed(cached)["m"]["key"]
    assert [one["path"] for one in before["inputs"]] == ["m.zig"]
    assert sorted(before) == [
        "abi", "action_key", "binding", "components", "cpu", "discovered", "environment", "flags", "format", "headers",
        "init_symbol", "inputs", "key", "module", "optimize", "plugins", "salt", "source_key", "target", "zig",
    ]  # fmt: skip
    changes = {
        "optimize": ({"ZIGIMPORT_OPTIMIZE": "ReleaseFast"}, "zigimport.signature('m.zig')"),
        "salt": ({"ZIGIMPORT_SALT": "x"}, "zigimport.signature('m.zig')"),
        "target": ({}, "zigimport.signature('m.zig', target='aarch64-linux-gnu')"),
    }
    for field, (env, expression) in changes.items():
        after = api(cached, expression, env=env)
        different = {name for name in before if before[name] != after[name]}
        assert {field, "source_key", "action_key", "key"} <= different <= {field, "source_key", "action_key", "key", "cpu", "discovered"}
        assert after["key"] is None
    never = api(cached, "zigimport.signature('m.zig')", env={"ZIGIMPORT_NATIVE": "never"})
    assert (never["source_key"], never["action_key"]) == (before["source_key"], None)


# Carrying a cache elsewhere.


@pytest.fixture
def elsewhere(cached, make_project):
    """The same sources with an empty store, where no compiler is and none may run."""
    other = make_project("elsewhere", store=cached.store.parent / "store-elsewhere")
    for path in ("m.zig", "package/__init__.py", "package/n.zig"):
        other.write(path, (cached.root / path).read_bytes())
    other.environment.update(ZIGIMPORT_NATIVE="never", ZIGIMPORT_ZIG=None)
    assert other.fails("m").error == "ZigNotFoundError"
    return other


@pytest.mark.parametrize("destination", ["mods.tar.zst", "mods"])
def test_a_cache_is_carried_to_a_machine_without_zig(cached, elsewhere, tmp_path, destination):
    destination = tmp_path / destination
    exported = cached.cli("cache", "export", "--all", destination, "--format", "json")
    assert exported.json["artifacts"] == 2
    imported = elsewhere.cli("cache", "import", destination, "--format", "json")
    assert (imported.json["artifacts"], imported.json["present"]) == (2, 0)
    assert elsewhere.imports("m", "module.add(2, 3)").value == 5
    assert elsewhere.imports("package.n", "module.add(2, 3)").value == 6
    assert elsewhere.imports("m", "module.add(2, 3)").stderr == ""
    again = elsewhere.cli("cache", "import", destination)
    assert again.stdout == "0 artifacts imported (0 B), 2 already there\n"
    assert listed(elsewhere).keys() == listed(cached).keys()
    assert elsewhere.cli("cache", "verify").returncode == 0


def test_one_artifact_is_exported_by_the_start_of_its_key(cached, elsewhere, tmp_path):
    key = listed(cached)["m"]["key"]
    archive = tmp_path / "one.tar.zst"
    assert cached.cli("cache", "export", key[:8], archive).stdout.startswith(f"{archive}: 1 artifact, ")
    elsewhere.cli("cache", "import", archive)
    assert elsewhere.imports("m", "module.add(2, 3)").value == 5
    assert elsewhere.fails("package.n").error == "ZigNotFoundError"


def test_an_archive_is_an_ordinary_one_and_the_same_each_time(cached, tmp_path):
    if shutil.which("zstd") is None:
        pytest.skip("the program zstd is not on this machine")
    for name in ("a.tar.zst", "b.tar.zst"):
        cached.cli("cache", "export", "--all", tmp_path / name)
    assert (tmp_path / "a.tar.zst").read_bytes() == (tmp_path / "b.tar.zst").read_bytes()
    plain = subprocess.run(["zstd", "-dc", tmp_path / "a.tar.zst"], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        names = archive.getnames()
    assert len(names) == 4 and names == sorted(names)
    assert [name.split("/")[0] for name in names] == ["entries-v1"] * 2 + ["objects-v1"] * 2


def contents(folder):
    """Every file below a folder, with its bytes."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["traversal", "absolute", "symlink", "hardlink", "tampered", "foreign", "renamed"])
def test_a_hostile_archive_is_refused_with_one_error_and_changes_nothing(cached, elsewhere, tmp_path, kind):
    if shutil.which("zstd") is None:
        pytest.skip("the program zstd is not on this machine")
    folder = tmp_path / "mods"
    cached.cli("cache", "export", "--all", folder)
    members = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}
    objects = [name for name in members if name.startswith("objects")]
    if kind == "tampered":
        members[objects[0]] = members[objects[0]][:-9] + bytes([members[objects[0]][-9] ^ 1]) + members[objects[0]][-8:]
    if kind == "renamed":
        members[objects[0]], members[objects[1]] = members[objects[1]], members[objects[0]]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name, content=b"", **fields):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))

        for name, content in members.items():
            add(name, content)
        {
            "traversal": lambda: add("../../evil", b"x"),
            "absolute": lambda: add(str(tmp_path / "evil"), b"x"),
            "symlink": lambda: add("objects-v1/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "hardlink": lambda: add("objects-v1/link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
            "foreign": lambda: add("README", b"hello"),
        }.get(kind, lambda: None)()
    packed = tmp_path / "mods.tar.zst"
    packed.write_bytes(
        subprocess.run(["zstd", "-q", "-c"], input=raw.getvalue(), stdout=subprocess.PIPE, check=True).stdout
    )
    before = contents(elsewhere.store.parent)
    refused = elsewhere.cli("cache", "import", packed)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("error:") == 1 and str(packed) in refused.stderr and "nothing was changed" in refused.stderr
    assert contents(elsewhere.store.parent) == before
    assert elsewhere.fails("m").error == "ZigNotFoundError"


def test_what_is_no_archive_is_refused(cached, tmp_path):
    (tmp_path / "text.tar.zst").write_text("no archive")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("text.tar.zst", "missing.tar.zst", "empty", "pipe"):
        refused = cached.cli("cache", "import", tmp_path / name)
        assert refused.returncode == 1 and str(tmp_path / name) in refused.stderr, refused
    refused = cached.cli("cache", "export", "--all", tmp_path / "mods.zip")
    assert refused.returncode == 1 and ".tar.zst" in refused.stderr
    for arguments in (["mods"], ["--all", "0123", "mods"]):
        assert cached.cli("cache", "export", *arguments).returncode == 2
    assert cached.cli("cache", "export", "--all", tmp_path / "nowhere" / "mods.tar.zst").returncode == 3


def test_a_damaged_object_is_exported_from_its_library_and_a_lost_one_is_refused(cached, tmp_path):
    for path in cached.stored("objects"):
        replace(path, b"damage")
    assert cached.cli("cache", "export", "--all", tmp_path / "mods.tar.zst").returncode == 0
    for path in cached.stored("libraries"):
        path.unlink()
    refused = cached.cli("cache", "export", "--all", tmp_path / "more.tar.zst")
    assert refused.returncode == 3 and "failed to restore" in refused.stderr
    assert sorted(path.name for path in tmp_path.glob("m*")) == ["mods.tar.zst"]


# Verifying.


def test_a_whole_cache_is_verified_without_a_problem(cached):
    verified = cached.cli("cache", "verify")
    assert verified.returncode == 0 and verified.stdout.endswith(": no problems\n"), verified
    answer = cached.cli("cache", "verify", "--format", "json").json
    assert answer["problems"] == [] and answer["files"] >= 2 * 4


def damage(path, kind):
    """Damages a file without changing its permissions."""
    content = path.read_bytes()
    middle = len(content) // 2
    replace(
        path,
        {
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "truncated": content[:middle],
            "empty": b"",
            "noise": b"\0\xff" * 64,
        }[kind],
    )


@pytest.mark.parametrize("kind", ["flipped", "truncated", "empty", "noise"])
@pytest.mark.parametrize("bucket", VERIFIED)
def test_damage_is_found_and_mended_and_nothing_else_is_lost(cached, bucket, kind):
    path = cached.stored(bucket)[0]
    damage(path, kind)
    kept = {one: one.read_bytes() for name in VERIFIED for one in cached.stored(name) if one != path}
    found = cached.cli("cache", "verify")
    assert found.returncode == 1 and str(path) in found.stdout and "--repair" in found.stderr, found
    repaired = cached.cli("cache", "verify", "--repair", "--format", "json")
    assert repaired.returncode == 0, repaired
    (problem,) = repaired.json["problems"]
    assert problem["path"] == str(path)
    assert problem["outcome"] == ("rebuilt" if bucket in ("objects", "libraries") else "removed")
    assert {one: one.read_bytes() for one in kept} == kept
    assert cached.cli("cache", "verify").returncode == 0
    assert_imports(cached)
    assert cached.imports("package.n", "module.add(2, 3)").value == 6


def test_an_entry_without_object_and_library_is_removed(cached):
    artifact = listed(cached)["m"]["artifact"]
    for path in cached.stored("objects") + cached.stored("libraries"):
        if path.name.startswith(artifact):
            path.unlink()
    found = cached.cli("cache", "verify")
    assert found.returncode == 1 and "its library and object are lost" in found.stdout
    assert cached.cli("cache", "verify", "--repair").returncode == 0
    assert sorted(listed(cached)) == ["package.n"]
    assert assert_imports(cached).builds == ["m"]


def test_a_store_of_a_newer_version_is_noted_and_left_alone(cached):
    newer = cached.store / "objects-v999"
    newer.mkdir()
    (newer / "file").write_text("theirs")
    verified = cached.cli("cache", "verify", "--repair")
    assert verified.returncode == 0 and f"{newer}: it was written by a newer version" in verified.stdout
    assert (newer / "file").read_text() == "theirs"


def test_verify_always_is_a_setting_of_every_import(cached):
    always = {"ZIGIMPORT_VERIFY": "always"}
    assert cached.imports("m", "module.add(1, 2)", env=always).stderr == ""
    library = cached.imports("m", "module.__file__").value
    damage(Path(library), "flipped")
    assert cached.imports("m", "module.add(1, 2)", env=always).value == 3
    assert cached.cli("cache", "verify").returncode == 0
    wrong = cached.fails("m", env={"ZIGIMPORT_VERIFY": "sometimes"})
    assert "ZIGIMPORT_VERIFY" in wrong.message and "auto or always" in wrong.message


# Who can write.


@pytest.mark.parametrize("bucket", ["entries", "objects", "libraries"])
def test_a_folder_that_others_can_write_is_refused_on_a_miss_and_closed_by_repair(cached, bucket):
    (folder,) = cached.store.glob(f"{bucket}-v*")
    folder.chmod(0o777)
    cached.write("m.zig", ADD.replace("a + b", "a - b"))
    failed = cached.fails("m")
    assert failed.error == "CacheError" and str(folder) in failed.message and "others can write" in failed.message
    assert cached.cli("cache", "verify").returncode == 1
    assert cached.cli("cache", "verify", "--repair").returncode == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert cached.imports("m", "module.add(5, 3)").value == 2


def test_an_entry_that_somebody_else_could_have_written_is_refused(cached):
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of somebody else")
    cached.write("m.zig", ADD + "\n")
    cached.imports("m")
    (path,) = (path for path in cached.stored("entries") if json.loads(path.read_text())["key"] == cached.imports(
        "m", "module.__zigimport__.key").value)
    os.chown(path, 12345, 12345)
    shutil.rmtree(next(cached.store.glob("manifests-v*")))
    failed = cached.fails("m")
    assert failed.error == "CacheError" and "belongs to user 12345" in failed.message
    repaired = cached.cli("cache", "verify", "--repair")
    assert repaired.returncode == 0 and not path.exists()
    assert_imports(cached)


def test_a_manifest_that_somebody_else_could_have_written_is_not_used(cached):
    for path in cached.stored("manifests"):
        path.chmod(0o666)
    assert assert_imports(cached).builds == []
    assert all(stat.S_IMODE(path.stat().st_mode) in (0o644, 0o666) for path in cached.stored("manifests"))


def test_zigs_own_cache_is_refused_where_others_could_have_written_to_it(cached):
    (version,) = cached.store.glob("zig-v*/*")
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (version.parent, version)] == [0o700, 0o700]
    (library,) = version.glob("global/o/*/libcompiler_rt.a")
    library.chmod(0o666)
    cached.write("m.zig", ADD.replace("a + b", "a - b"))
    # Nobody else gets there.
    assert cached.imports("m", "module.add(5, 3)").value == 2
    for folder in (cached.store, version.parent, version):
        folder.chmod(0o755)
    cached.write("m.zig", ADD.replace("a + b", "a * b"))
    failed = cached.fails("m")
    assert failed.error == "CacheError" and str(library) in failed.message and "others can write" in failed.message
    assert cached.cli("cache", "verify", "--repair").returncode == 0 and not library.exists()
    (version / "boot").unlink()
    assert cached.imports("m", "module.add(5, 3)").value == 15
    assert stat.S_IMODE(version.stat().st_mode) == 0o700


def test_a_library_that_is_changed_through_another_name_is_not_loaded(cached, tmp_path):
    library = cached.imports("m", "module.__file__").value
    before = os.stat(library)
    os.link(library, tmp_path / "other-name")
    os.chmod(tmp_path / "other-name", 0o644)
    content = open(library, "rb").read()
    with open(tmp_path / "other-name", "r+b") as stream:
        stream.write(content[: len(content) // 2] + b"\x90" * 64)
    os.utime(tmp_path / "other-name", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_imports(cached)
    assert open(library, "rb").read() == content


def test_a_library_that_became_a_link_is_not_loaded(cached, tmp_path):
    library = cached.imports("m", "module.__file__").value
    poison = tmp_path / "poison.so"
    shutil.copy(cached.imports("package.n", "module.__file__").value, poison)
    os.unlink(library)
    os.symlink(poison, library)
    before = poison.read_bytes()
    assert_imports(cached)
    assert not os.path.islink(library) and poison.read_bytes() == before


# Size.


def test_the_longest_unused_are_collected_first_and_pins_stay(cached):
    entries = listed(cached)
    set_age(cached, "m", 40)
    set_age(cached, "package.n", 10)
    dry = cached.cli("cache", "gc", "--older-than", "30d", "--dry-run", "--format", "json").json
    assert [one["modules"] for one in dry["removed"] if one["kind"] == "artifact"] == [["m"]]
    assert sorted(listed(cached)) == ["m", "package.n"]
    pinned = cached.cli("cache", "pin", entries["m"]["key"][:8])
    assert pinned.stdout == f"pinned  {entries['m']['key'][:12]}  m\n"
    assert listed(cached)["m"]["pinned"] is True
    cached.cli("cache", "gc", "--older-than", "5d")
    assert sorted(listed(cached)) == ["m"]
    assert cached.cli("cache", "gc", "--max-size", "0").returncode == 0
    assert sorted(listed(cached)) == ["m"] and api(cached, "zigimport.import_cached_by_name('m').add(1, 2)") == 3
    assert api(cached, f"zigimport.unpin({entries['m']['key'][:8]!r})") == entries["m"]["key"]
    set_age(cached, "m", 40)
    done = api(cached, "zigimport.gc_cache(older_than=30)")
    assert [one["modules"] for one in done["removed"] if one["kind"] == "artifact"] == [["m"]]
    assert listed(cached) == {} and cached.stored("libraries") == cached.stored("objects") == []
    assert assert_imports(cached).builds == ["m"]


def test_what_would_go_is_named_by_the_keys_of_the_list(cached):
    entries = listed(cached)
    answer = cached.cli("cache", "gc", "--max-size", "0", "--dry-run", "--format", "json").json
    artifacts = {one["modules"][0]: one["keys"] for one in answer["removed"] if one["kind"] == "artifact"}
    assert artifacts == {name: [one["key"]] for name, one in entries.items()}
    header, *lines, records, total = cached.cli("cache", "gc", "--max-size", "0", "--dry-run").stdout.splitlines()
    assert header.split() == ["KIND", "KEY", "MODULE", "SIZE", "LAST", "USED"]
    rows = [line.split()[:3] for line in lines if line.startswith("artifact")]
    assert sorted(rows) == sorted(["artifact", one["key"][:12], name] for name, one in entries.items())
    place = header.index("SIZE")
    assert all(line[place - 2 : place] == "  " and line[place] != " " for line in lines), lines
    count = sum(one["kind"] == "record" for one in answer["removed"])
    assert records.startswith(f"{count} small records  ") and "would be freed" in total
    # What it shows is what the other commands take.
    assert cached.cli("cache", "pin", rows[0][1]).returncode == 0


def test_artifacts_are_named_by_modules_and_paths_too(cached, tmp_path):
    entries = listed(cached)

    def exported(*names):
        archive = tmp_path / "-".join(names).replace("/", "_")
        ran = cached.cli("cache", "export", *names, archive, "--format", "json")
        assert ran.returncode == 0, ran
        return ran.json["artifacts"]

    assert exported("m") == exported("m.zig") == exported("package") == exported("./package/n.zig", "package.n") == 1
    assert exported("m.zig", "package.n") == exported(".") == exported("m", entries["package.n"]["key"][:8]) == 2
    assert cached.cli("cache", "pin", "package.n").stdout == f"pinned  {entries['package.n']['key'][:12]}  package.n\n"
    assert [name for name, one in listed(cached).items() if one["pinned"]] == ["package.n"]
    # Another file of the name is another module.
    cached.write("package/m.zig", ADD)
    for name in ("nowhere", "package/m.zig", "gone.zig"):
        ran = cached.cli("cache", "export", name, tmp_path / "nothing")
        assert ran.returncode == 1 and name in ran.stderr and not (tmp_path / "nothing").exists(), ran


def test_an_empty_cache_is_not_exported(project, tmp_path):
    for name in ("mods.tar.zst", "folder"):
        ran = project.cli("cache", "export", "--all", tmp_path / name)
        assert ran.returncode == 1 and "nothing to export" in ran.stderr and not (tmp_path / name).exists(), ran


def test_a_key_that_is_wrong_pins_nothing(cached):
    key = listed(cached)["m"]["key"]
    assert cached.cli("cache", "pin", key, "00000000").returncode == 1
    assert listed(cached)["m"]["pinned"] is False


def test_a_build_keeps_the_cache_below_its_cap(project):
    project.write("m.zig", ADD)
    project.imports("m")
    sizes = {one["name"]: one["bytes"] for one in project.cli("cache", "info", "--format", "json").json["buckets"]}
    # More than half of it is the compiler's: when it is full, that goes and the artifacts stay.
    cap = sizes["zig"] + 3 * (sizes["libraries"] + sizes["objects"])
    project.environment["ZIGIMPORT_CACHE_SIZE"] = str(cap)
    for number in range(6):
        project.write("m.zig", ADD + f"pub const number: u32 = {number};\n")
        assert project.imports("m", "module.number").value == number
        total = sum(one["bytes"] for one in project.cli("cache", "info", "--format", "json").json["buckets"])
        assert total <= cap, number
    assert len(listed_all(project)) >= 2


def listed_all(project):
    return project.cli("cache", "list", "--format", "json").json


def test_a_cap_that_nothing_fits_keeps_every_import_right(cached):
    cached.environment["ZIGIMPORT_CACHE_SIZE"] = "1K"
    for operator, value in (("-", -1), ("*", 6), ("+", 5)):
        cached.write("m.zig", ADD.replace("+", operator))
        assert cached.imports("m", "module.add(2, 3)").value == value


def test_no_cap_removes_nothing(cached):
    cached.environment["ZIGIMPORT_CACHE_SIZE"] = "0"
    cached.write("m.zig", ADD + "\n")
    cached.imports("m")
    assert len(listed_all(cached)) == 3
    assert cached.cli("cache", "gc", "--format", "json").json["removed"] == []


@pytest.mark.parametrize("value", ["500 apples", "-1", "B", "1.5", "99999999T"])
def test_a_wrong_size_names_itself(project, value):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_CACHE_SIZE": value})
    assert f"`{value}` for ZIGIMPORT_CACHE_SIZE" in failed.message and "500M" in failed.message
    wrong = project.cli("cache", "gc", f"--max-size={value}")
    assert wrong.returncode == 2 and value in wrong.stderr


@pytest.mark.parametrize("value", ["x", "-1d", "30 days", "nan", "1e99d"])
def test_a_wrong_age_names_itself(project, value):
    wrong = project.cli("cache", "gc", f"--older-than={value}")
    assert wrong.returncode == 2 and value in wrong.stderr


def test_a_hit_is_noted_once_a_day_and_no_check_suffers(cached):
    entry = listed(cached)["m"]
    (packed,) = (path for path in cached.stored("objects") if path.name.startswith(entry["artifact"]))
    set_age(cached, "m", 3)
    library_time = os.stat(cached.imports("m", "module.__file__").value).st_mtime_ns
    aged = packed.stat().st_mtime_ns
    for path in cached.stored("manifests"):
        used = path.stat().st_mtime - 3 * DAY_SECONDS
        os.utime(path, (used, used))
    hit = cached.imports("m", "module.__file__")
    assert hit.stderr == "" and os.stat(hit.value).st_mtime_ns == library_time
    noted = packed.stat().st_mtime_ns
    assert noted > aged
    assert cached.imports("m").stderr == ""
    assert packed.stat().st_mtime_ns == noted


def test_what_a_process_has_loaded_outlives_its_collection(cached):
    code = """
import subprocess, sys, zigimport, m
done = zigimport.gc_cache(max_size=0)
print(m.add(1, 2), any("m" in one["modules"] for one in done["removed"]))
sys.path.insert(0, ".")
print(subprocess.run([sys.executable, "-c", "import zigimport, m; print(m.add(2, 3))"], capture_output=True, text=True).stdout)
"""
    ran = cached.run(code)
    assert ran.stdout.split() == ["3", "True", "5"], ran


def test_code_that_a_process_has_mapped_outlives_every_way_to_remove_or_mend_it(cached):
    """The pages that were not used yet come from the file when they are."""
    body = "\n".join(f"    if (x == {number}) return {number} *% (x +% {number});" for number in range(3000))
    cached.write("large.zig", f"pub fn f(x: u64) u64 {{\n{body}\n    return 1;\n}}\n")
    code = """
import os, subprocess, sys, zigimport, large
before = os.stat(large.__file__)
def cli(*arguments):
    subprocess.run([sys.executable, "-m", "zigimport", "cache", *arguments], stdout=subprocess.DEVNULL)
if sys.argv[1] == "verify":
    os.unlink(large.__file__)
    open(large.__file__, "wb").write(b"damage")
    cli("verify", "--repair")
    # The same content is there again, in another file.
    assert os.stat(large.__file__).st_size == before.st_size
    assert os.stat(large.__file__).st_ino != before.st_ino
else:
    cli(*sys.argv[1:])
    assert not os.path.exists(large.__file__)
print([large.f(number) == number * 2 * number for number in range(3000)].count(True))
"""
    for arguments in (["verify"], ["gc", "--max-size", "0"], ["clear"]):
        ran = cached.run(code, *arguments)
        assert ran.stdout == "3000\n", ran


def test_a_library_that_is_collected_between_the_look_and_the_load_is_made_again(cached):
    code = """
import os, zigimport
class Finder(zigimport.ZigFinder):
    def resolve(self, found):
        library, record = super().resolve(found)
        if not removed:
            removed.append(library)
            os.unlink(library)
        return library, record
removed = []
zigimport.uninstall()
import sys
sys.meta_path.append(Finder())
import m
print(m.add(1, 2), len(removed), os.path.exists(m.__file__))
"""
    ran = cached.run(code)
    assert ran.stdout == "3 1 True\n", ran
