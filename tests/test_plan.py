"""Plans: their JSON form, what differs between two, and which file an import takes."""

import functools
import json
import os
import shutil
import subprocess

import pytest
from jsonschema import Draft202012Validator

from conftest import ADD, ROOT, finish, make_writable

PART = "pub fn plus(a: i64, b: i64) i64 {\n    return a + b;\n}\n"
MODULE = (
    'const part = @import("parts/part.zig");\nconst text = @embedFile("parts/text.txt");\n\n'
    "pub fn add(a: i64, b: i64) i64 {\n    return part.plus(a, b) + text.len - text.len;\n}\n"
)
EMPTY_BUILD = 'const std = @import("std");\npub fn build(b: *std.Build) void {\n    _ = b;\n}\n'


@functools.lru_cache(maxsize=None)
def schema(name):
    """A validator for a schema in `docs`, which is itself valid and lets nothing through that it does not name."""
    document = json.loads((ROOT / "docs" / name).read_text())
    Draft202012Validator.check_schema(document)

    def check(part):
        if isinstance(part, dict):
            if part.get("type") == "object":
                assert part["additionalProperties"] is False, part
            part = list(part.values())
        for one in part if isinstance(part, list) else []:
            check(one)

    check(document)
    return Draft202012Validator(document)


def plan(project, *arguments, exit_code=0, **keywords):
    """Returns a plan as JSON that is as the schema says."""
    planned = project.cli("plan", "--format", "json", *arguments, **keywords)
    assert planned.returncode == exit_code, planned
    schema("plan.schema.json").validate(planned.json)
    return planned.json


def difference(project, old, *arguments):
    """Returns what differs from an earlier plan, as the schema says."""
    project.write("old.json", json.dumps(old))
    answer = project.cli("plan", "--diff", "old.json", "--format", "json", *arguments)
    assert answer.returncode == 0, answer
    schema("plan-diff.schema.json").validate(answer.json)
    return answer.json


def write_tree(project):
    """A module of three files, a package, a project and a file that a name leads to nowhere."""
    project.write("m.zig", MODULE)
    project.write("parts/part.zig", PART)
    project.write("parts/text.txt", "some text")
    project.write("pk/__init__.zig", ADD)
    project.write("pk/inner.zig", 'const gone = @import("gone.zig");\n' + ADD)
    project.write("proj/build.zig", EMPTY_BUILD)
    project.write("proj/src/root.zig", ADD)


def actions(planned):
    """Returns the action for each module."""
    return {one["module"]: one["action"] for one in planned["actions"]}


def shadows(project, *arguments):
    """Returns for each module what an import takes in its place."""
    planned = plan(project, *arguments)
    for module in planned["modules"]:
        assert (actions(planned)[module["name"]] == "skip") == (module["shadowed_by"] is not None)
    return {module["name"]: module["shadowed_by"] for module in planned["modules"]}


# The schema.


def test_plans_of_every_kind_are_as_the_schema_says(project):
    write_tree(project)
    assert set(actions(plan(project)).values()) == {"build"}
    assert actions(plan(project, "m.zig", "--explain"))["m"] == "build"
    both = plan(project, "m.zig", "--target", "aarch64-linux-gnu", "--target", "x86_64-windows")
    assert both["actions"][0]["route"] == "graph"
    assert set(actions(plan(project, env={"ZIGIMPORT_NATIVE": "never"})).values()) == {"refuse"}
    assert plan(project, "m.zig", env={"ZIGIMPORT_ZIG": None})["toolchain"] is None
    project.write("library.zig", 'const py = @import("pyz3");\n')
    project.write("odd.zig", 'const name = "x";\nconst t = @embedFile(name);\nconst bad = \'\n;\n')
    project.write("m.py", "")
    assert len(plan(project, "odd.zig")["modules"][0]["remarks"]) == 2
    assert actions(plan(project))["library"] == "refuse"
    assert actions(plan(project))["m"] == "skip"


def test_plans_after_a_build_are_as_the_schema_says(project):
    write_tree(project)
    assert project.cli("build", "m.zig").returncode == 0
    assert actions(plan(project, "m.zig")) == {"m": "load"}
    forced = plan(project, "m.zig", "--explain", env={"ZIGIMPORT_FORCE_REBUILD": "1"})
    assert forced["actions"][0]["reason"]["code"] == "forced" and forced["actions"][0]["commands"]
    project.write("parts/part.zig", PART + "\n")
    assert plan(project, "m.zig")["actions"][0]["reason"]["code"] == "input-changed"
    project.write("parts/part.zig", PART)
    project.the_stored("libraries").unlink()
    assert actions(plan(project, "m.zig")) == {"m": "restore"}


def test_the_schema_lets_nothing_else_through(project):
    project.write("m.zig", ADD)
    planned = plan(project)
    assert schema("plan.schema.json").is_valid(planned)
    planned["modules"][0]["extra"] = 1
    assert not schema("plan.schema.json").is_valid(planned)


def test_the_dependencies_say_which_line_names_what(project):
    write_tree(project)
    project.write("m.zig", MODULE + 'const gone = @import("gone.zig");\nconst other = @import("other");\n')
    (module,) = plan(project, "m.zig")["modules"]
    assert [(one["how"], one["to"], one["line"], one["found"]) for one in module["dependencies"]] == [
        ("@import", "parts/part.zig", 1, True),
        ("@embedFile", "parts/text.txt", 2, True),
        ("@import", "gone.zig", 7, False),
        ("@import", "other", 8, None),
    ]


def test_what_cannot_be_read_hides_no_other_module(project):
    project.write("g/ga.zig", ADD)
    os.mkfifo(project.root / "g/gb.zig")
    (project.root / "g/gc.zig").symlink_to("/dev/zero")
    with open(project.root / "g/gd.zig", "wb") as large:
        large.truncate((128 << 20) + 1)
    text = project.cli("plan", "g")
    assert text.returncode == 1, text
    lines = text.stdout.splitlines()
    assert lines[0].split()[:2] == ["build", "ga"] and lines[-1] == "1 to build, 3 errors"
    errors = {line.split()[1]: line for line in lines if line.startswith("error ")}
    assert list(errors) == ["gb", "gc", "gd"]
    assert "not a regular file" in errors["gb"] and str(project.root / "g/gb.zig") in errors["gb"]
    assert "larger than 128 MiB" in errors["gd"]
    planned = plan(project, "g", exit_code=1)
    assert [module["name"] for module in planned["modules"]] == ["ga"]
    assert [(error["module"], error["source"]) for error in planned["errors"]] == [
        ("gb", "g/gb.zig"), ("gc", "g/gc.zig"), ("gd", "g/gd.zig")
    ]  # fmt: skip
    assert project.cli("plan", "g", "--check").returncode == 1
    assert project.cli("build", "g/ga.zig").returncode == 0
    assert project.cli("plan", "--check", "g").returncode == 1
    alone = project.cli("plan", "g/gb.zig")
    assert alone.returncode == 1 and "failed to scan" in alone.stderr


def test_a_plan_says_that_release_mode_looks_at_nothing(project):
    project.write("m.zig", ADD)
    project.imports("m")
    project.write("m.zig", ADD + "// edited\n")
    trusting = {"ZIGIMPORT_RELEASE_MODE": "1"}
    assert "ZIGIMPORT_RELEASE_MODE is set: imports load what was built last" in project.cli("plan", env=trusting).stdout
    assert plan(project, env=trusting)["release_mode"] is True
    assert project.imports("m", env=trusting).builds == []
    assert "release_mode" not in plan(project)


def test_a_name_that_turns_text_around_is_shown_as_it_is(project):
    project.write("m.zig", 'const t = @embedFile("a\u202egnp.txt");\n' + ADD)
    project.write("a\u202egnp.txt", "")
    text = project.cli("plan", "--explain", env={"PYTHONUTF8": "1"}).stdout
    assert "a\\u{202e}gnp.txt" in text and "\u202e" not in text
    for form in ("dot", "html"):
        drawn = project.cli("plan", "--format", form).stdout
        assert "a\ufffdgnp.txt" in drawn and "\u202e" not in drawn


def test_a_name_with_control_characters_does_not_reach_the_terminal(project):
    project.write("m.zig", ADD + 'const text = @embedFile("a\\x1b[31m\\nload     b");\n')
    project.write("a\x1b[31m\nload     b", "")
    ran = project.cli("plan", "--explain", "m.zig")
    assert ran.returncode == 0 and "\x1b" not in ran.stdout, ran
    assert " a\\u{1b}[31m\\nload     b\n" in ran.stdout, ran
    old = plan(project, "m.zig")
    project.write("a\x1b[31m\nload     b", "other")
    assert difference(project, old)["modules"][0]["inputs"][0]["path"] == "a\x1b[31m\nload     b"
    assert "\x1b" not in project.cli("plan", "--diff", "old.json", "m.zig").stdout


def test_python_gets_the_same_document(project):
    write_tree(project)
    project.write("old.json", json.dumps(plan(project)))
    code = "import json, zigimport; print(json.dumps([zigimport.plan(), zigimport.plan('m.zig', explain=True), "
    code += "zigimport.plan('.', diff='old.json')]))"
    everything, explained, nothing = project.run(code).json
    assert everything == plan(project)
    assert explained == plan(project, "m.zig", "--explain")
    assert nothing == {"version": 1, "plan": [], "modules": []}


# The same tree, the same plan.


def test_the_same_tree_elsewhere_gives_the_same_bytes(project, make_project):
    write_tree(project)
    copy = make_project("deeper/copied here", store=project.store)
    # In the other order, so that a folder lists its files in another one.
    files = sorted((path for path in project.root.rglob("*") if path.is_file()), reverse=True)
    for path in files:
        copy.write(path.relative_to(project.root), path.read_bytes())
    both = [one.cli("plan", "--format", "json") for one in (project, copy)]
    assert both[0].returncode == 0, both[0]
    assert both[0].stdout == both[1].stdout
    assert str(project.root) not in both[0].stdout
    assert project.cli("build", "m.zig").returncode == 0
    assert plan(copy, "m.zig") == plan(project, "m.zig")
    assert actions(plan(copy, "m.zig")) == {"m": "load"}


def test_one_thread_and_many_give_the_same_bytes(project):
    write_tree(project)
    for number in range(40):
        project.write(f"m{number}.zig", MODULE)
    one = {min(os.sched_getaffinity(0))}
    arguments = ["-m", "zigimport", "plan", "--format", "json"]
    alone = finish(project.start(*arguments, preexec_fn=lambda: os.sched_setaffinity(0, one)))
    assert alone.returncode == 0, alone
    assert alone.stdout == project.execute(*arguments).stdout


def test_the_order_of_the_paths_does_not_change_a_key(project):
    write_tree(project)
    keys = [
        {module["name"]: module["targets"] for module in plan(project, *paths)["modules"]}
        for paths in (["m.zig", "pk", "proj"], ["proj", "pk", "m.zig"])
    ]
    assert keys[0] == keys[1] and len(keys[0]) == 4


# What differs between two plans.


def test_equal_plans_do_not_differ(project):
    write_tree(project)
    old = plan(project)
    assert difference(project, old) == {"version": 1, "plan": [], "modules": []}
    assert project.cli("plan", "--diff", "old.json").stdout == "no differences\n"


def test_a_difference_names_inputs_keys_and_modules(project):
    write_tree(project)
    old = plan(project)
    project.write("parts/part.zig", 'const more = @import("more.zig");\n' + PART)
    project.write("parts/more.zig", "")
    project.write("m.zig", MODULE.replace('@embedFile("parts/text.txt")', '""'))
    project.write("added.zig", ADD)
    shutil.rmtree(project.root / "proj")
    new = difference(project, old)
    assert new["plan"] == []
    changes = {module["name"]: module for module in new["modules"]}
    assert {name: module["change"] for name, module in changes.items()} == {
        "m": "changed",
        "added": "added",
        "proj": "removed",
    }
    assert [(one["path"], one["change"]) for one in changes["m"]["inputs"]] == [
        ("m.zig", "changed"),
        ("parts/more.zig", "added"),
        ("parts/part.zig", "changed"),
        ("parts/text.txt", "removed"),
    ]
    (target,) = changes["m"]["targets"]
    assert [field["field"] for field in target["fields"]] == ["source_key", "action_key"]
    text = project.cli("plan", "--diff", "old.json").stdout
    for line in ("added    added  (added.zig)", "changed  m  (m.zig)", "removed  proj  (proj/build.zig)"):
        assert line in text.splitlines()
    assert "         input parts/text.txt removed" in text.splitlines()


def test_a_difference_names_toolchain_settings_targets_and_actions(project, environments):
    write_tree(project)
    old = plan(project, "m.zig")
    project.environment["ZIGIMPORT_ZIG"] = environments["zigs"]["0.15"]
    changed = difference(project, old, "m.zig", "--optimize", "ReleaseFast", "--target", "x86_64-windows")
    fields = {field["field"]: (field["old"], field["new"]) for field in changed["plan"]}
    assert fields["toolchain version"] == ("0.16.0", "0.15.2") and "toolchain identity" in fields
    (module,) = changed["modules"]
    assert {"field": "optimize", "old": "Debug", "new": "ReleaseFast"} in module["fields"]
    assert {(target["target"], target["change"]) for target in module["targets"]} == {
        ("x86_64-linux-gnu", "removed"),
        ("x86_64-windows", "added"),
    }
    old = plan(project, "m.zig")
    assert project.cli("build", "m.zig").returncode == 0
    (module,) = difference(project, old, "m.zig")["modules"]
    fields = {field["field"]: (field["old"], field["new"]) for field in module["targets"][0]["fields"]}
    assert fields["action"] == ("build", "load") and "action_key" not in fields


@pytest.mark.parametrize(
    "content, what",
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[1]", "is no plan"),
        ('{"version": 1, "modules": [], "actions": []}', "version 1"),
    ],
)
def test_a_file_that_is_no_plan_is_one_error(project, content, what):
    project.write("m.zig", ADD)
    if content is not None:
        project.write("old.json", content)
    failed = project.cli("plan", "--diff", "old.json")
    assert (failed.returncode, failed.stdout) == (1, ""), failed
    assert "old.json" in failed.stderr and what in failed.stderr and "hint: " in failed.stderr


@pytest.mark.parametrize("form", ["dot", "html"])
def test_a_difference_has_no_picture(project, form):
    project.write("m.zig", ADD)
    assert project.cli("plan", "--diff", "old.json", "--format", form).returncode == 2


def test_check_with_a_difference_is_about_the_plan_of_now(project):
    project.write("m.zig", ADD)
    project.write("old.json", json.dumps(plan(project)))
    assert project.cli("plan", "--diff", "old.json", "--check").returncode == 1
    assert project.cli("build", "m.zig").returncode == 0
    assert project.cli("plan", "--diff", "old.json", "--check").returncode == 0


# What cannot be read.


@pytest.fixture
def bound(project):
    """Runs the command line where permissions bind, also for root."""
    command = []
    if os.geteuid() == 0:
        command = ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
        try:
            subprocess.run([*command, "/bin/true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"permissions do not bind root: {error}")
    yield lambda *arguments: finish(project.start_under(command, "-m", "zigimport", *arguments))
    make_writable(project.root)


def test_a_folder_that_cannot_be_listed_hides_nothing_else(project, bound):
    project.write("a.zig", ADD)
    project.write("inner/b.zig", ADD)
    for name in ("locked", "inner/unreadable", "inner/blind"):
        project.write(f"{name}/c.zig", ADD)
        (project.root / name).chmod(0o000)
    # Names can be looked up in it, and not be listed.
    (project.root / "inner/blind").chmod(0o100)
    answer = bound("plan", "--format", "json")
    schema("plan.schema.json").validate(answer.json)
    assert answer.returncode == 1 and answer.stderr == ""
    assert actions(answer.json) == {"a": "build", "b": "build"}
    unlisted = ["inner/blind", "inner/unreadable", "locked"]
    assert [error["source"] for error in answer.json["errors"]] == unlisted
    for error in answer.json["errors"]:
        assert error["message"] == f"failed to scan `{project.root / error['source']}`: Permission denied (os error 13)"
    text = bound("plan", ".", "inner")
    assert text.returncode == 1 and text.stdout.splitlines()[-1] == "2 to build, 3 errors"
    assert bound("plan", "--check").returncode == 1
    # Where there is nothing else, and for a build, it is an error of its own.
    (project.root / "locked").chmod(0o700)
    (project.root / "locked/c.zig").unlink()
    (project.root / "locked/deep").mkdir(mode=0o000)
    for arguments in (["plan", "locked"], ["plan", "locked/deep"], ["build"]):
        failed = bound(*arguments)
        assert failed.returncode == 1 and failed.stdout == "" and "Permission denied" in failed.stderr, failed
    for name in ("locked/deep", *unlisted):
        (project.root / name).chmod(0o700)
    assert "errors" not in bound("plan", "--format", "json").json


# Which file an import takes.


def test_a_python_file_beside_the_source_wins(project):
    project.write("m.zig", ADD)
    project.write("m.py", "")
    assert shadows(project) == {"m": "m.py, which Python finds itself"}
    line, summary = project.cli("plan").stdout.splitlines()
    assert line.startswith("skip ") and line.endswith("(an import takes m.py, which Python finds itself)")
    assert summary == "1 to skip"
    assert project.imports("m", "module.__file__").value.endswith("m.py")
    assert project.cli("plan", "--check").returncode == 0


@pytest.mark.parametrize("suffix", ["own", "abi3"])
def test_a_prebuilt_extension_beside_the_source_wins(project, suffix):
    project.write("m.zig", ADD)
    assert project.cli("build", "m.zig", "--output-dir", ".").returncode == 0
    name = "m.abi3.so"
    if suffix == "own":
        name = "m" + project.run("import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))").stdout.strip()
        (project.root / "m.abi3.so").rename(project.root / name)
    assert shadows(project) == {"m": f"{name}, which Python finds itself"}
    assert project.imports("m", "module.__file__").value == str(project.root / name)
    # It is built all the same, or nobody could make it anew.
    project.write("m.zig", ADD + "\n")
    built = project.cli("build", ".", "--output-dir", ".")
    assert built.returncode == 0 and built.builds == ["m"], built


def test_of_a_file_a_project_and_a_package_the_first_is_taken(project):
    project.write("m.zig", ADD)
    project.write("m/build.zig", EMPTY_BUILD)
    project.write("m/__init__.zig", ADD)
    assert shadows(project, "m.zig") == {"m": None}
    assert shadows(project, "m") == {"m": "m.zig, which comes first"}
    assert shadows(project, "m/__init__.zig") == {"m": "m.zig, which comes first"}
    assert project.imports("m", "module.__zigimport__.source").value == str(project.root / "m.zig")
    (project.root / "m.zig").unlink()
    assert shadows(project, "m/build.zig") == {"m": None}
    assert shadows(project, "m/__init__.zig") == {"m": "m/build.zig, which comes first"}


def test_a_module_named_as_one_of_pythons_own_is_not_imported(project):
    project.write("json.zig", ADD)
    project.write("sys.zig", ADD)
    found = shadows(project)
    assert found["json"].endswith("json/__init__.py, which Python finds itself")
    assert found["sys"] == "Python's own module sys"
    assert project.imports("json", "hasattr(module, 'loads')").value


def test_a_namespace_package_of_the_name_does_not_win(project):
    project.write("m.zig", ADD)
    project.write("m/data.txt", "")
    assert shadows(project, "m.zig") == {"m": None}
    assert project.imports("m", "module.add(1, 2)").value == 3


def test_a_package_of_python_wins_over_one_of_zig_and_keeps_its_submodules(project):
    project.write("pk/__init__.py", "")
    project.write("pk/__init__.zig", ADD)
    project.write("pk/fast.zig", ADD)
    assert shadows(project, "pk", "pk/fast.zig") == {"pk": "pk/__init__.py, which Python finds itself", "pk.fast": None}
    assert project.imports("pk.fast", "module.add(1, 2)").value == 3


def test_an_installed_package_with_sources_imports_what_was_built(project, make_project):
    source = make_project("source", store=project.store)
    source.write("fast.zig", ADD)
    installed = project.root / "site"
    assert source.cli("build", "fast.zig", "--output-dir", installed / "pk").returncode == 0
    project.write("site/pk/__init__.py", "")
    project.write("site/pk/fast.zig", ADD)
    assert shadows(project, "site") == {"pk.fast": "site/pk/fast.abi3.so, which Python finds itself"}
    env = {"PYTHONPATH": installed}
    assert project.imports("pk.fast", "module.__file__", env=env).value == str(installed / "pk/fast.abi3.so")


def test_a_package_that_is_another_one_has_other_submodules(project):
    project.write("json/__init__.zig", ADD)
    project.write("json/fast.zig", ADD)
    found = shadows(project, "json", "json/fast.zig")
    assert all(one.endswith("json/__init__.py, which Python finds itself") for one in found.values()) and len(found) == 2


def test_an_editable_install_takes_what_lies_in_its_folder(project):
    """A line in a `.pth` file is how build backends install a folder editable."""
    project.write("src/pk/__init__.py", "")
    project.write("src/pk/fast.zig", ADD)
    project.write("site/pk.pth", f"{project.root / 'src'}\n")
    code = f"import site, json; site.addsitedir({str(project.root / 'site')!r})\nimport zigimport, pk.fast\n"
    code += "print(json.dumps([pk.fast.add(1, 2), [one['shadowed_by'] for one in zigimport.plan('src')['modules']]]))"
    assert project.run(code).json == [3, [None]]
    project.write("src/pk/fast.py", "add = max\n")
    assert project.run(code).json == [2, ["src/pk/fast.py, which Python finds itself"]]
