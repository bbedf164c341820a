"""Plugins: what they name is an input, whatever they do, and nothing they do makes an import wrong."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import ADD, DEFAULT_ZIG, ROOT
from test_plan import schema

pytest.importorskip("zigimport_plugins", reason="the package zigimport-plugins is not on this machine")

WORLD = "zigimport:plugin@0.1.0"
#: Runs the command line where the package with the engine is not installed.
WITHOUT_ENGINE = """
import sys
sys.modules["zigimport_plugins"] = None
from zigimport.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="session")
def components(environments, tmp_path_factory):
    """Makes editions of the component whose answers are in the sources."""
    import zigimport_plugins

    folder = tmp_path_factory.mktemp("components")
    made = {}

    def component(edition=1):
        if edition not in made:
            source = (ROOT / "tests" / "plugin" / "directives.zig").read_text()
            path = folder / f"directives-{edition}.zig"
            path.write_text(source.replace("edition: u32 = 1", f"edition: u32 = {edition}"))
            core = path.with_suffix(".wasm")
            options = ["-target", "wasm32-freestanding", "-O", "ReleaseSmall", "-fstrip", "-fno-entry", "-rdynamic"]
            caches = ["--cache-dir", folder / "cache", "--global-cache-dir", folder / "cache"]
            subprocess.run(
                [environments["zigs"][DEFAULT_ZIG], "build-exe", path, *options, *caches, f"-femit-bin={core}"],
                check=True,
                cwd=folder,
            )
            made[edition] = bytes(zigimport_plugins.componentize(core.read_bytes()))
        return made[edition]

    return component


class Plugged:
    """A project with a plugin beside it."""

    def __init__(self, project, components):
        self.project = project
        self.components = components
        project.write("pyproject.toml", "[project]\nname = 'p'\n")
        self.put()

    def put(self, edition=1, **changes):
        """Writes component and manifest, as an author would deliver them."""
        component = self.components(edition)
        self.project.write("plugins/directives.wasm", component)
        manifest = {
            "name": "directives",
            "version": f"{edition}.0",
            "world": WORLD,
            "patterns": ["*.zig", "*.list"],
            "digest": "sha256:" + hashlib.sha256(component).hexdigest(),
            "view": [],
            **changes,
        }
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in manifest.items())
        self.project.write("plugins/directives.toml", text)

    def add(self, *options):
        added = self.project.cli("plugin", "add", "plugins/directives.toml", *options)
        assert added.returncode == 0, added
        return added

    def module(self, *directives, name="m"):
        lines = "".join(f"// {directive}\n" for directive in directives)
        self.project.write(f"{name}.zig", lines + ADD)

    def imports(self, name="m", **keywords):
        imported = self.project.imports(name, "module.add(1, 2)", **keywords)
        assert imported.value == 3
        return imported

    def plan(self, *arguments):
        planned = self.project.cli("plan", "--format", "json", *arguments)
        assert planned.returncode == 0, planned
        schema("plan.schema.json").validate(planned.json)
        return planned.json

    def fails(self, *words, name="m"):
        """The import ends with one error that names the plugin, its version and these words."""
        failed = self.project.fails(name)
        assert failed.error == "ScanError" and "plugin `directives` " in failed.message, failed
        for word in words:
            assert word in failed.message, (word, failed.message)
        assert failed.hint and "Traceback" not in failed.stderr
        return failed


@pytest.fixture
def plugged(project, components):
    return Plugged(project, components)


# What it names is an input.


def test_what_a_plugin_names_is_an_input(plugged):
    project = plugged.project
    plugged.module("file: table.txt", "glob: schemas/*.sql", "file: later.txt")
    for path in ("table.txt", "schemas/a.sql", "schemas/b.sql", "schemas/notes.txt", "other.txt"):
        project.write(path, path)
    plugged.add()
    (module,) = plugged.plan("m.zig")["modules"]
    inputs = {one["path"]: one["role"] for one in module["inputs"]}
    tracked = dict.fromkeys(("table.txt", "schemas/a.sql", "schemas/b.sql"), "tracked")
    assert inputs == {"m.zig": "root", **tracked}
    named = [(one["how"], one["to"], one["line"], one["found"]) for one in module["dependencies"]]
    assert sorted(named) == [
        ("plugin directives", "later.txt", 3, False),
        ("plugin directives", "schemas/a.sql", 2, True),
        ("plugin directives", "schemas/b.sql", 2, True),
        ("plugin directives", "table.txt", 1, True),
    ]
    (plugin,) = module["plugins"]
    assert plugin == {
        "name": "directives",
        "version": "1.0",
        "digest": hashlib.sha256(plugged.components()).hexdigest(),
        "view": [],
        "pinned_by": "project",
        "on_failure": "stop",
        "files": ["m.zig"],
    }
    assert module["plugin_failure"] is None
    assert plugged.imports().builds == ["m"]
    assert plugged.imports().builds == []


CHANGES = {
    "a tracked file is edited": ("table.txt", "other", "table.txt changed"),
    "a tracked file is removed": ("table.txt", None, "table.txt removed"),
    "a match is edited": ("schemas/a.sql", "other", "schemas/a.sql changed"),
    "a match is removed": ("schemas/a.sql", None, "schemas/a.sql removed"),
    "another file matches": ("schemas/c.sql", "", "schemas/c.sql added"),
    "another file matches below": ("deep/new/er/d.sql", "", "deep/new/er/d.sql added"),
    "what was absent is there": ("later.txt", "", "later.txt added"),
    "the folder of a glob is there": ("none/yet/e.sql", "", "none/yet/e.sql added"),
    "a name behind a wildcard is there": ("deep/one/meta.txt", "", "deep/one/meta.txt added"),
}


@pytest.mark.parametrize(("path", "content", "reason"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_it_named_is_seen_by_the_next_process(plugged, path, content, reason):
    project = plugged.project
    globs = ["glob: schemas/*.sql", "glob: deep/**/*.sql", "glob: none/yet/*.sql", "glob: deep/*/meta.txt"]
    plugged.module("file: table.txt", "file: later.txt", *globs)
    for name in ("table.txt", "schemas/a.sql", "schemas/b.sql", "deep/one/x.txt"):
        project.write(name, name)
    plugged.add()
    plugged.imports()
    target = project.root / path
    before = target.read_bytes() if target.exists() else None
    if content is None:
        target.unlink()
    else:
        project.write(path, content)
    assert plugged.imports().reasons == [reason]
    assert plugged.imports().builds == []
    if before is None:
        target.unlink()
    else:
        target.write_bytes(before)
    assert plugged.imports().builds == [], "earlier content costs no compile"


def test_a_file_that_becomes_a_folder_is_looked_into(plugged):
    plugged.module("glob: deep/**/*.sql")
    plugged.project.write("deep/later", "")
    plugged.add()
    plugged.imports()
    (plugged.project.root / "deep/later").unlink()
    plugged.project.write("deep/later/a.sql", "")
    assert plugged.imports().reasons == ["deep/later/a.sql added"]


def test_what_does_not_match_is_no_input(plugged):
    plugged.module("glob: schemas/*.sql")
    plugged.project.write("schemas/a.sql", "")
    plugged.add()
    plugged.imports()
    plugged.project.write("schemas/notes.txt", "")
    plugged.project.write("schemas/old/b.sql", "")
    assert plugged.imports().builds == []


def test_files_that_it_names_are_given_to_it_in_turn(plugged):
    plugged.module("file: lists/one.list")
    plugged.project.write("lists/one.list", "// file: two.list\n// file: ../m.zig\n")
    plugged.project.write("lists/two.list", "// glob: *.txt\n")
    plugged.project.write("lists/a.txt", "1")
    plugged.add()
    (module,) = plugged.plan("m.zig")["modules"]
    assert [one["path"] for one in module["inputs"]] == ["lists/a.txt", "lists/one.list", "lists/two.list", "m.zig"]
    assert module["plugins"][0]["files"] == ["lists/one.list", "lists/two.list", "m.zig"]
    plugged.imports()
    plugged.project.write("lists/a.txt", "2")
    assert plugged.imports().reasons == ["lists/a.txt changed"]


def test_it_is_asked_about_every_file_of_the_closure_that_it_claims(plugged):
    project = plugged.project
    project.write("m.zig", 'const part = @import("inner/part.zig");\npub fn add(a: i64, b: i64) i64 {\n    return part.add(a, b);\n}\n')
    project.write("inner/part.zig", "// file: ../beside.txt\n" + ADD)
    project.write("beside.txt", "")
    plugged.put(patterns=["inner/*.zig"])
    plugged.add()
    (module,) = plugged.plan("m.zig")["modules"]
    assert module["plugins"][0]["files"] == ["inner/part.zig"]
    assert [one["path"] for one in module["inputs"]] == ["beside.txt", "inner/part.zig", "m.zig"]


def test_a_project_module_may_depend_on_files_outside_its_folder(plugged):
    plugged.project.write("built/build.zig", "pub fn build(_: *@import(\"std\").Build) void {}\n")
    plugged.project.write("built/assets.list", "// file: ../shared/logo.svg\n")
    plugged.project.write("shared/logo.svg", "")
    plugged.add()
    (module,) = plugged.plan("built")["modules"]
    paths = ["built/assets.list", "built/build.zig", "shared/logo.svg"]
    assert [one["path"] for one in module["inputs"]] == paths
    assert module["plugins"][0]["files"] == paths[:2]


def test_a_module_whose_files_it_does_not_claim_has_nothing_of_it(plugged):
    plugged.put(patterns=["*.list"])
    plugged.add()
    plugged.module("file: table.txt")
    (module,) = plugged.plan("m.zig")["modules"]
    assert module["plugins"] == [] and [one["path"] for one in module["inputs"]] == ["m.zig"]


def test_every_file_of_a_view_and_its_listing_are_inputs(plugged):
    plugged.put(view=["schemas"])
    plugged.module("file: table.txt")
    for path in ("schemas/a.sql", "schemas/old/b.txt", "table.txt"):
        plugged.project.write(path, path)
    plugged.add("--view", "schemas")
    (module,) = plugged.plan("m.zig")["modules"]
    assert [one["path"] for one in module["inputs"]] == ["m.zig", "schemas/a.sql", "schemas/old/b.txt", "table.txt"]
    assert module["plugins"][0]["view"] == ["schemas"]
    plugged.imports()
    plugged.project.write("schemas/old/b.txt", "other")
    assert plugged.imports().reasons == ["schemas/old/b.txt changed"]
    plugged.project.write("schemas/old/new.txt", "")
    assert plugged.imports().reasons == ["schemas/old/new.txt added"]
    plugged.project.write("schemas/old/__pycache__/x.pyc", "")
    plugged.fails("schemas/old/__pycache__", "whose changes are not followed")


def test_many_modules_are_asked_about_at_once(plugged):
    for number in range(24):
        plugged.module(f"file: table{number}.txt", name=f"m{number}")
        plugged.project.write(f"table{number}.txt", "")
    plugged.module("problem: not this one", name="wrong")
    plugged.add()
    plan = plugged.plan(".")
    inputs = {module["name"]: {one["path"] for one in module["inputs"]} for module in plan["modules"]}
    assert all(inputs[f"m{number}"] == {f"m{number}.zig", f"table{number}.txt"} for number in range(24))
    assert [one["module"] for one in plan["actions"] if one["action"] == "refuse"] == ["wrong"]


WATCHED = """
import json, sys
from zigimport import _api, _build, _native
request = _native.Request(_api.finder(), sys.path)
files, folders = _native.watched(request, _api.the_module_at("m.zig"), False, _build.Listener())
print(json.dumps([files, folders]))
"""


@pytest.mark.parametrize("directive", ["file: later.txt", "problem: wrong"])
def test_watch_mode_follows_what_it_names(plugged, directive):
    plugged.module("file: lists/one.list")
    plugged.project.write("lists/one.list", "// glob: *.sql\n")
    plugged.project.write("lists/last.list", "")
    plugged.add("--on-failure", "no-cache")
    plugged.imports()
    # After the last build that was kept.
    plugged.module("file: lists/one.list", "file: lists/last.list")
    plugged.project.write("lists/last.list", f"// {directive}\n")
    plugged.imports()
    root = plugged.project.root
    files, folders = plugged.project.run(WATCHED).json
    names = ("m.zig", "lists/one.list", "lists/last.list", "pyproject.toml", "plugins/directives.toml", "plugins/directives.wasm")
    assert {str(root / name) for name in names} <= set(files) and str(root / "lists") in folders, files


# A hit and a plan stay what they are.


def test_a_hit_loads_no_engine(plugged):
    plugged.module("file: table.txt")
    plugged.project.write("table.txt", "")
    plugged.add()
    plugged.imports()
    loaded = plugged.project.imports("m", "[one for one in sys.modules if one.startswith('zigimport_plugins')]")
    assert loaded.value == [] and loaded.builds == []


def images(project):
    return project.stored("plugins")


def test_a_plan_compiles_in_memory_and_an_import_keeps_the_image(plugged):
    project = plugged.project
    plugged.module("file: table.txt")
    plugged.add()
    (image,) = images(project)
    shutil.rmtree(image.parent.parent)
    before = sorted(project.store.rglob("*"))
    assert plugged.plan("m.zig")["modules"][0]["plugins"]
    signed = project.run("import json, zigimport; print(json.dumps(zigimport.signature('m.zig')['plugins']))")
    assert [one["name"] for one in signed.json] == ["directives"]
    assert sorted(project.store.rglob("*")) == before
    plugged.imports()
    assert images(project) == [image]


def test_an_image_that_is_not_what_was_stored_is_not_used(plugged):
    plugged.module("file: table.txt")
    plugged.add()
    (image,) = images(plugged.project)
    content = image.read_bytes()
    damaged = content[:-1] + bytes([content[-1] ^ 1])
    image.chmod(0o600)
    image.write_bytes(damaged)
    verified = plugged.project.cli("cache", "verify")
    assert verified.returncode == 1 and str(image) in verified.stdout, verified
    plugged.imports()
    assert image.read_bytes() == content
    image.chmod(0o666)
    plugged.module("file: other.txt")
    plugged.imports()
    assert image.stat().st_mode & 0o022 == 0, "what others could write was replaced"


def test_the_same_tree_gives_the_same_plan(make_project, components):
    plans = []
    for name in ("one", "two"):
        project = make_project(name)
        plugged = Plugged(project, components)
        plugged.module("glob: **/*.sql", "file: later.txt")
        for path in ("z.sql", "a.sql", "sub/b.sql"):
            project.write(path, path)
        plugged.add()
        planned = project.cli("plan", "--format", "json", "m.zig", env={"ZIGIMPORT_BUILD_DIR": project.root / "store"})
        plans.append(planned.stdout)
    assert plans[0] == plans[1] and '"plugin directives"' in plans[0]


# Its digest is in the key.


def test_an_upgrade_gives_another_key_and_is_taken_only_when_it_is_pinned(plugged):
    plugged.module("file: table.txt")
    plugged.add()
    first = plugged.imports()
    key = "module.__zigimport__.key"
    before = plugged.project.imports("m", key).value
    plugged.put(2)
    plugged.fails("its manifest is of the component sha256:", "pins sha256:", "zigimport plugin add")
    assert "pinned in" in plugged.add().stdout
    after = plugged.project.imports("m", key)
    assert after.builds == ["m"] and after.value != before and first.builds == ["m"]
    plugged.put(1)
    plugged.add()
    back = plugged.project.imports("m", key)
    assert back.value == before and back.builds == []


def test_a_replaced_component_is_refused(plugged):
    plugged.module("file: table.txt")
    plugged.add()
    plugged.imports()
    plugged.project.write("plugins/directives.wasm", plugged.components(2))
    failed = plugged.fails("plugins/directives.wasm", "its component is sha256:", "pins sha256:")
    assert "zigimport plugin add" in failed.hint
    plugged.project.write("plugins/directives.wasm", plugged.components(1))
    assert plugged.imports().builds == []


def test_name_version_digest_and_view_are_in_the_signature_and_each_changes_the_key(plugged):
    plugged.module()
    plugged.project.write("schemas/a.sql", "")
    code = "import json, zigimport; print(json.dumps(zigimport.signature('m.zig')))"
    plugged.add()
    signatures = [plugged.project.run(code).json]
    digest = hashlib.sha256(plugged.components()).hexdigest()
    assert signatures[0]["plugins"] == [{"name": "directives", "version": "1.0", "digest": digest, "view": []}]
    for edition, changes, options in ((1, {"version": "9"}, []), (2, {}, []), (1, {"view": ["none"]}, ["--view", "none"])):
        plugged.put(edition, **changes)
        plugged.add(*options)
        signatures.append(plugged.project.run(code).json)
    plugged.project.cli("plugin", "remove", "directives")
    signatures.append(plugged.project.run(code).json)
    assert len({one["source_key"] for one in signatures}) == len(signatures)
    assert signatures[3]["plugins"][0]["view"] == ["none"] and signatures[4]["plugins"] == []


def test_a_comparison_of_plans_names_it(plugged):
    plugged.module()
    plugged.add()
    plugged.project.write("old.json", json.dumps(plugged.plan("m.zig")))
    plugged.put(2)
    plugged.add()
    compared = plugged.project.cli("plan", "--diff", "old.json", "m.zig").stdout
    old, new = (hashlib.sha256(plugged.components(edition)).hexdigest() for edition in (1, 2))
    assert f"plugin directives: {old[:16]} -> {new[:16]}" in compared, compared


def test_plan_and_info_name_it(plugged):
    plugged.module("file: table.txt")
    plugged.project.write("table.txt", "")
    plugged.add()
    digest = hashlib.sha256(plugged.components()).hexdigest()
    explained = plugged.project.cli("plan", "--explain", "m.zig").stdout
    assert re.search(rf"^  plugin +directives 1\.0 {digest[:16]}, asked about m\.zig$", explained, re.MULTILINE), explained
    assert re.search(r"^  input +[0-9a-f]{16} tracked table\.txt$", explained, re.MULTILINE), explained
    for form in ("html", "dot"):
        page = plugged.project.cli("plan", "--format", form, "m.zig").stdout
        assert "plugin directives" in page and "tracked file" in page
    info = plugged.project.cli("info", "--format", "json").json
    assert info["plugins"].startswith(f"directives 1.0 sha256:{digest} (") and info["plugin-engine"]
    assert f"sha256:{digest}" in plugged.project.cli("info").stdout
    plugged.project.cli("plugin", "remove", "directives")
    assert plugged.project.cli("info", "--format", "json").json["plugins"] == "none"


# What it says is checked.


@pytest.mark.parametrize("kind", ["file", "glob"])
@pytest.mark.parametrize("operand", ["../../etc/passwd", "/etc/passwd", "sub/../../x", "C:/x", "a" * 5000])
def test_a_path_that_is_no_path_of_the_project_is_refused(plugged, kind, operand):
    plugged.module("file: fine.txt", f"{kind}: {operand}")
    plugged.add()
    failed = plugged.fails("1.0", "m.zig")
    if len(operand) < 100:
        assert operand in failed.message and "expected a path in the project" in failed.message, failed


@pytest.mark.parametrize("directive", ["file: out.txt", "glob: *.txt", "file: away/secret.txt", "glob: away/*", "file: nowhere.txt"])
def test_a_link_out_of_the_project_is_refused(plugged, directive):
    outside = plugged.project.root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (plugged.project.root / "away").symlink_to(outside)
    (plugged.project.root / "out.txt").symlink_to(outside / "secret.txt")
    (plugged.project.root / "nowhere.txt").symlink_to(outside / "none")
    plugged.module("file: fine.txt", directive)
    plugged.add()
    plugged.fails("1.0", "m.zig:2", f"`{directive.split()[1]}`", "out of the project", "expected a path in the project")


def test_a_folder_and_a_broken_pattern_are_refused(plugged):
    (plugged.project.root / "folder").mkdir()
    plugged.add()
    for directive, word in (("file: folder", "is a folder"), ("glob: a[b", "no pattern"), ("glob: x/../*", "`..` behind")):
        plugged.module(directive)
        plugged.fails("m.zig:1", word)


# Where it fails.

FAILURES = {"trap": "m.zig", "loop": "m.zig", "flood": "m.zig", "problem: no such table": "m.zig:1", "file: /x": "/x"}
failures = pytest.mark.parametrize(("directive", "word"), FAILURES.items(), ids=[one.split(":")[0] for one in FAILURES])


@failures
def test_a_plugin_that_fails_stops_the_import(plugged, directive, word):
    plugged.module("file: table.txt")
    plugged.module(name="other")
    plugged.put(patterns=["m.zig"])
    plugged.add()
    plugged.imports()
    plugged.module(directive)
    failed = plugged.fails(word, "directives` 1.0 failed on")
    assert failed.exit_code == 1 and "on-failure" in failed.hint
    built = plugged.project.cli("build", "m.zig")
    assert built.returncode == 1 and built.stderr.count("directives` 1.0 failed") == 1, built
    # What it is not for goes on; the plan says both.
    plugged.imports("other")
    plan = plugged.plan(".")
    actions = {one["module"]: one for one in plan["actions"]}
    assert actions["m"]["refusal"] == "plugin-failed" and "directives` 1.0 failed" in actions["m"]["message"]
    assert actions["other"]["action"] == "load"
    failure = {one["name"]: one["plugin_failure"] for one in plan["modules"]}
    assert failure["other"] is None and failure["m"]["path"] == "m.zig" and failure["m"]["on_failure"] == "stop"
    assert plugged.project.cli("plan", "--check", "m.zig").returncode == 1
    signed = plugged.project.run("import zigimport; zigimport.signature('m.zig')")
    assert "ScanError" in signed.stderr
    plugged.module("file: table.txt")
    assert plugged.imports().builds == []


@failures
def test_a_plugin_that_fails_lets_the_import_go_on_without_the_cache(plugged, directive, word):
    plugged.module("file: table.txt")
    plugged.add("--on-failure", "no-cache")
    plugged.imports()
    kept = {bucket: plugged.project.stored(bucket) for bucket in ("entries", "manifests", "objects", "history")}
    plugged.module(directive)
    for _ in range(2):
        imported = plugged.imports()
        assert imported.builds == ["m"]
        warnings = re.findall("^zigimport: .*directives` 1.0 failed on .*$", imported.stderr, re.MULTILINE)
        assert len(warnings) == 1 and word in warnings[0], imported
        assert "not cached" in imported.stderr
    assert {bucket: plugged.project.stored(bucket) for bucket in kept} == kept
    (action,) = plugged.plan("m.zig")["actions"]
    assert action["action"] == "build" and action["steps"] == ["compile"]
    assert action["reason"]["code"] == "plugin-failed" and action["reason"]["subject"] == "directives"
    text = plugged.project.cli("plan", "m.zig").stdout
    assert "not kept" in text and "directives` 1.0 failed on" in text
    assert plugged.project.cli("plan", "--check", "m.zig").returncode == 1
    plugged.module("file: table.txt")
    assert plugged.imports().builds == []


def test_a_problem_is_told_in_the_words_of_the_plugin(plugged):
    plugged.module("file: a", "problem: no such table: users")
    plugged.add()
    plugged.fails("m.zig:2", "it says: no such table: users")


def test_what_it_says_moves_no_cursor(plugged):
    plugged.module("problem: \x1b[2Jzigimport: all is well\r")
    plugged.add()
    failed = plugged.fails("m.zig:1", "it says: \\u{1b}[2Jzigimport")
    assert "\x1b" not in failed.message and "\r" not in failed.message


def test_a_text_in_a_project_with_plugins_is_compiled(plugged):
    plugged.put(patterns=["*.list"])
    plugged.add()
    code = f"import zigimport; print(zigimport.compile_string({ADD!r}, name='cell').add(1, 2))"
    ran = plugged.project.run(code)
    assert ran.stdout == "3\n", ran


def test_a_failure_is_warned_of_once_where_the_module_is_built_ahead(plugged):
    plugged.add("--on-failure", "no-cache")
    plugged.module(name="a")
    plugged.module("trap", name="b")
    plugged.project.write("both.py", "import zigimport\nimport a\nimport b\nprint(a.add(1, 2) + b.add(3, 4))\n")
    ran = plugged.project.execute("both.py")
    assert ran.stdout == "10\n" and ran.stderr.count("directives` 1.0 failed") == 1, ran


def test_where_nothing_native_may_run_a_failure_is_an_error_of_its_own(plugged):
    plugged.module("trap")
    plugged.add("--on-failure", "no-cache")
    plugged.imports()
    never = plugged.project.fails("m", env={"ZIGIMPORT_NATIVE": "never"})
    assert never.error == "ZigNotFoundError" and "directives` 1.0 failed" in never.message, never
    assert "ZIGIMPORT_NATIVE=never" in never.message


def test_a_plugin_runs_where_nothing_native_may_run(plugged):
    plugged.module("file: table.txt")
    plugged.add()
    plugged.imports()
    shutil.rmtree(next(plugged.project.store.glob("manifests-v*")))
    assert plugged.imports(env={"ZIGIMPORT_NATIVE": "never"}).builds == []


def test_without_the_engine_there_is_one_error_that_says_what_to_install(plugged):
    plugged.module("file: table.txt")
    plugged.module(name="n")
    plugged.put(patterns=["m.zig"])
    plugged.add()
    plugged.imports()
    import_it = "import sys; sys.modules['zigimport_plugins'] = None; import zigimport, {0}; print({0}.add(1, 2))"
    assert plugged.project.run(import_it.format("m")).stdout == "3\n", "a hit does without"
    assert plugged.project.run(import_it.format("n")).stdout == "3\n", "it is not for this one"
    plugged.module("file: other.txt")
    failed = plugged.project.run(import_it.format("m"))
    assert "ScanError" in failed.stderr and "which is not installed" in failed.stderr, failed
    assert "hint: pip install zigimport-plugins" in failed.stderr
    for command in (["build", "m.zig"], ["plugin", "add", "plugins/directives.toml"]):
        ran = plugged.project.run(WITHOUT_ENGINE, *command)
        assert ran.returncode == 3 and ran.stderr.count("zigimport-plugins`, which is not installed") == 1, ran
    plugged.add("--on-failure", "no-cache")
    goes_on = plugged.project.run(import_it.format("m"))
    assert goes_on.stdout == "3\n" and "pip install zigimport-plugins" in goes_on.stderr, goes_on


# The configuration.

CONFIGURATION = """# What this is.
[project]
name = "p"      # a name

[tool.zigimport]   # ours
optimize = "Debug"

[tool.other]
list = [
  1,   # one
]
"""


def test_adding_and_removing_keeps_every_other_byte(plugged):
    path = plugged.project.write("pyproject.toml", CONFIGURATION)
    path.chmod(0o640)
    plugged.add()
    added = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    table = [line for line in added.splitlines() if line not in CONFIGURATION.splitlines()]
    digest = hashlib.sha256(plugged.components()).hexdigest()
    assert table == [
        "[tool.zigimport.plugins.directives]",
        'manifest = "plugins/directives.toml"',
        f'digest = "sha256:{digest}"',
    ]
    assert "was pinned already" in plugged.add().stdout and path.read_text() == added
    plugged.put(2)
    plugged.add()
    other = hashlib.sha256(plugged.components(2)).hexdigest()
    assert path.read_text() == added.replace(digest, other)
    plugged.add("--on-failure", "no-cache")
    assert path.read_text() == added.replace(digest, other).replace(f'{other}"', f'{other}"\non-failure = "no-cache"')
    removed = plugged.project.cli("plugin", "remove", "directives")
    assert removed.returncode == 0 and path.read_text() == CONFIGURATION, removed


def test_lines_that_end_as_on_windows_stay_so(plugged):
    path = plugged.project.write("pyproject.toml", CONFIGURATION.replace("\n", "\r\n"))
    plugged.add()
    plugged.project.cli("plugin", "remove", "directives")
    assert path.read_bytes() == CONFIGURATION.replace("\n", "\r\n").encode()


def test_the_component_can_be_named_and_a_project_is_found_from_below(plugged):
    (plugged.project.root / "sub").mkdir()
    added = plugged.project.cli("plugin", "add", "../plugins/directives.wasm", "--format", "json", cwd=plugged.project.root / "sub")
    assert added.returncode == 0, added
    assert added.json["changed"] is True and added.json["pinned_in"] == str(plugged.project.root / "pyproject.toml")
    assert 'manifest = "plugins/directives.toml"' in (plugged.project.root / "pyproject.toml").read_text()


def test_list_shows_what_is_pinned_and_what_is_wrong_with_it(plugged):
    assert plugged.project.cli("plugin", "list").stdout == "no plugins\n"
    plugged.add("--on-failure", "no-cache")
    (one,) = plugged.project.cli("plugin", "list", "--format", "json").json
    assert one == {
        "name": "directives",
        "version": "1.0",
        "manifest": str(plugged.project.root / "plugins/directives.toml"),
        "patterns": ["*.zig", "*.list"],
        "digest": "sha256:" + hashlib.sha256(plugged.components()).hexdigest(),
        "view": [],
        "on_failure": "no-cache",
        "pinned_by": "project",
        "pinned_in": str(plugged.project.root / "pyproject.toml"),
        "problem": None,
    }
    assert plugged.project.cli("plugin", "list").stdout.startswith("directives 1.0  *.zig *.list  on failure: no-cache\n")
    plugged.project.write("plugins/directives.wasm", b"other")
    assert "problem: " in plugged.project.cli("plugin", "list").stdout
    os.unlink(plugged.project.root / "plugins/directives.toml")
    (gone,) = plugged.project.cli("plugin", "list", "--format", "json").json
    assert "cannot be read" in gone["problem"] and gone["version"] is None


def test_a_plugin_of_the_user_is_for_every_project(plugged):
    plugged.module("file: table.txt")
    plugged.imports()
    user = plugged.project.root.parent / "home" / ".config" / "zigimport" / "config.toml"
    plugged.add("--user")
    assert f'manifest = "{plugged.project.root}/plugins/directives.toml"' in user.read_text()
    assert "plugins" not in (plugged.project.root / "pyproject.toml").read_text()
    (module,) = plugged.plan("m.zig")["modules"]
    assert module["plugins"][0]["pinned_by"] == "user"
    assert plugged.imports().builds == ["m"], "the configuration is an input"
    assert plugged.imports().builds == []
    plugged.project.write("table.txt", "")
    assert plugged.imports().reasons == ["table.txt added"]
    # The project's own wins.
    plugged.add("--on-failure", "no-cache")
    (one,) = plugged.project.cli("plugin", "list", "--format", "json").json
    assert (one["pinned_by"], one["on_failure"]) == ("project", "no-cache")
    for option in ([], ["--user"]):
        assert plugged.project.cli("plugin", "remove", "directives", *option).returncode == 0
    assert user.read_text() == "" and plugged.project.cli("plugin", "list").stdout == "no plugins\n"
    assert plugged.plan("m.zig")["modules"][0]["plugins"] == []


def test_another_home_has_another_configuration(plugged, tmp_path):
    plugged.module("file: table.txt")
    plugged.imports()
    env = {"HOME": tmp_path / "other home"}
    added = plugged.project.cli("plugin", "add", "--user", "plugins/directives.toml", env=env)
    assert added.returncode == 0, added
    assert plugged.imports().builds == []
    assert plugged.imports(env=env).builds == ["m"]
    assert plugged.imports().builds == []


def refused(plugged, *arguments, code=1):
    ran = plugged.project.cli("plugin", *arguments)
    assert ran.returncode == code and ran.stderr.startswith("error: ") and "hint: " in ran.stderr, ran
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_what_is_no_plugin_is_not_added(plugged):
    before = (plugged.project.root / "pyproject.toml").read_text()
    add = ("add", "plugins/directives.toml")
    assert "none.toml` cannot be read" in refused(plugged, "add", "plugins/none.wasm")
    for changes, words in (
        ({"digest": "sha256:" + "0" * 64}, ["directives.wasm", "its manifest", "0" * 64]),
        ({"world": "zigimport:plugin@7.0.0"}, ["line 3", "zigimport:plugin@7.0.0", WORLD]),
        ({"patterns": []}, ["line 4", "patterns"]),
        ({"name": "Bad Name"}, ["line 1", "a-z"]),
        ({"view": ["../up"]}, ["line 6", "../up"]),
        ({"view": ["schemas"]}, ["`schemas`", "--view schemas"]),
        ({"author": "x"}, ["line 7", "author"]),
    ):
        plugged.put(**changes)
        message = refused(plugged, *add)
        assert all(word in message for word in words), message
    plugged.put()
    assert "does not ask to read the folder `other`" in refused(plugged, *add, "--view", "other")
    plugged.project.write("plugins/text.wasm", "no component")
    text = (plugged.project.root / "plugins/directives.toml").read_text().replace('"directives"', '"text"')
    digest = hashlib.sha256(b"no component").hexdigest()
    plugged.project.write("plugins/text.toml", re.sub("[0-9a-f]{64}", digest, text))
    assert "text.wasm" in refused(plugged, "add", "plugins/text.toml")
    assert (plugged.project.root / "pyproject.toml").read_text() == before
    assert images(plugged.project) == []


def test_a_name_is_taken_once_and_an_unknown_one_is_not_removed(plugged):
    plugged.add()
    plugged.project.write("elsewhere/directives.wasm", plugged.components())
    shutil.copy(plugged.project.root / "plugins/directives.toml", plugged.project.root / "elsewhere")
    message = refused(plugged, "add", "elsewhere/directives.toml")
    assert "`directives` is taken" in message and "zigimport plugin remove directives" in message
    assert "directives" in refused(plugged, "remove", "other")
    assert "no plugin `directives`" in refused(plugged, "remove", "--user", "directives")


def test_a_manifest_that_asks_for_more_later_gets_nothing(plugged):
    plugged.module("file: table.txt")
    plugged.add()
    plugged.imports()
    plugged.put(view=["schemas"])
    plugged.fails("asks to read the folder `schemas`", "does not grant")
    plugged.add("--view", "schemas")
    plugged.imports()
    assert "was pinned already" in plugged.add().stdout, "what was granted stays granted"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.zigimport.plugins.p]\nmanifest = 'p.toml'\n", ["line 1", "digest"]),
        ("[tool.zigimport.plugins.p]\nmanifest = 'p.toml'\ndigest = 'md5:1'\n", ["line 3", "md5:1", "sha256:"]),
        ("[tool.zigimport.plugins.p]\ndigest = 1\n", ["line 2"]),
        ("[tool.zigimport.plugins]\nP = 1\n", ["line 2", "`P`", "a-z"]),
        ("[tool.zigimport.plugins.p]\non-failure = 'ignore'\n", ["line 2", "ignore", "no-cache"]),
    ],
)
def test_a_wrong_configuration_is_named_with_its_line(plugged, text, words):
    plugged.module()
    plugged.project.write("pyproject.toml", text)
    failed = plugged.project.fails("m")
    assert "pyproject.toml" in failed.message and all(word in failed.message for word in words), failed
    home = plugged.project.root.parent / "home" / ".config" / "zigimport"
    home.mkdir(parents=True)
    plugged.project.write("pyproject.toml", "")
    (home / "config.toml").write_text(text.replace("tool.zigimport.", ""))
    failed = plugged.project.fails("m")
    assert str(home / "config.toml") in failed.message and all(word in failed.message for word in words), failed


def test_the_configuration_in_the_readme_is_one(plugged):
    blocks = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (text,) = (block for block in blocks if "tool.zigimport.plugins" in block)
    plugged.project.write("pyproject.toml", text.replace("…", "0" * 64))
    (one,) = plugged.project.cli("plugin", "list", "--format", "json").json
    assert (one["name"], one["view"], one["on_failure"]) == ("comment-files", ["schemas"], "no-cache")
    assert one["manifest"] == str(plugged.project.root / "plugins/comment-files.toml")


def test_a_plugin_that_is_gone_is_named(plugged):
    plugged.module()
    plugged.add()
    shutil.rmtree(plugged.project.root / "plugins")
    failed = plugged.project.fails("m")
    assert "plugin `directives` failed on" in failed.message and "directives.toml" in failed.message, failed
    assert "cannot be read" in failed.message and failed.error == "ScanError"
