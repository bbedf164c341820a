"""``zigimport plugin new``, ``build`` and ``check``, in each language whose tools are here."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT
from plugins import FILE, answering, component_with, core
from test_docs import EVALUATE
from zigimport import _native

plugins = pytest.importorskip("zigimport_plugins", reason="the package zigimport-plugins is not on this machine")

EXAMPLES = ROOT / "examples" / "plugins"
SOURCE = b'// track: a.txt\nconst b = 1;\n    // track: b/*.txt\n'
FOUND = [("file", "a.txt", 1, 11), ("glob", "b/*.txt", 3, 15)]


def succeeds(ran):
    """The standard output of a command that has to end well."""
    assert ran.returncode == 0, ran
    return ran.stdout


def tools_for(language, environments, project):
    """Lets a project find the tools of a language, or skips the test."""
    if language == "python":
        program = os.path.join(os.path.dirname(project.python), "componentize-py")
        if not os.path.exists(program):
            pytest.skip("componentize-py is not on this machine")
    elif language == "javascript":
        if environments.get("jco") is None:
            pytest.skip("jco is not on this machine")
        folders = [environments["jco"], os.path.dirname(shutil.which("node"))]
        project.environment["PATH"] = os.pathsep.join([*folders, project.environment["PATH"]])
    elif language == "rust":
        cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
        folder = rustc and subprocess.run(
            [rustc, "--print", "target-libdir", "--target", "wasm32-unknown-unknown"], stdout=subprocess.PIPE
        )
        if not cargo or not os.path.isdir(folder.stdout.decode().strip()):
            pytest.skip("the target wasm32-unknown-unknown of Rust is not on this machine")
        project.environment["PATH"] = os.pathsep.join([os.path.dirname(cargo), project.environment["PATH"]])
        # Its own folders are those of the user, not of the project.
        for name, default in (("RUSTUP_HOME", "~/.rustup"), ("CARGO_HOME", "~/.cargo")):
            project.environment[name] = os.environ.get(name, os.path.expanduser(default))


def rules_of(ran):
    """The verdict on each rule."""
    return {one["rule"]: one["verdict"] for one in ran.json["rules"]}


def detail_of(ran, rule):
    return next(one["detail"] for one in ran.json["rules"] if one["rule"] == rule)


ALL_OK = dict.fromkeys(
    ("manifest", "world", "imports", "compiles", "cases", "robust", "honest", "deterministic"), "ok"
)


def check(project, *arguments):
    return project.cli("plugin", "check", *arguments, "--format", "json")


def is_good(project, folder, name):
    """Whether the plugin in a folder is built, keeps every rule and tracks."""
    built = project.cli("plugin", "build", folder, "--format", "json")
    succeeds(built)
    component = (project.root / folder / f"{name}.wasm").read_bytes()
    checked = check(project, f"{folder}/{name}.wasm")
    assert checked.returncode == 0 and rules_of(checked) == ALL_OK, checked
    assert checked.json["digest"] == built.json["digest"]
    assert f'digest = "{built.json["digest"]}"' in (project.root / folder / f"{name}.toml").read_text()
    return component


@pytest.mark.parametrize("language", ["zig", "rust", "python", "javascript"])
def test_a_new_plugin_is_built_and_keeps_every_rule(make_project, environments, language):
    project = make_project()
    tools_for(language, environments, project)
    made = project.cli("plugin", "new", "comment-files", "--language", language)
    assert "made  comment-files/comment-files.toml\n" in succeeds(made)
    component = is_good(project, "comment-files", "comment-files")
    assert plugins.inspect(component)["imports"] == []
    assert plugins.Plugin(component).track("m.zig", SOURCE) == FOUND


def test_the_template_builds_on_each_zig(make_project, zig):
    project = make_project(zig=zig)
    succeeds(project.cli("plugin", "new", "p"))
    is_good(project, "p", "p")
    command = [project.environment["ZIGIMPORT_ZIG"], "test", "plugin.zig"]
    tested = subprocess.run(command, cwd=project.root / "p", stderr=subprocess.PIPE, env=project.environment)
    assert b"All 2 tests passed" in tested.stderr, tested.stderr.decode()


def test_the_same_source_makes_the_same_component_anywhere(make_project):
    digests = set()
    for name in ("first", "second"):
        project = make_project(name)
        succeeds(project.cli("plugin", "new", "p"))
        digests.add(project.cli("plugin", "build", "p", "--format", "json").json["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["", "Plugin", "a_b", "a b", "../a", "-a", "a-", "ü"])
def test_a_wrong_name_is_refused(project, name):
    ran = project.cli("plugin", "new", "--", name)
    assert ran.returncode == 2 and "cannot be named" in ran.stderr, ran
    assert list(project.root.iterdir()) == []


def test_nothing_is_overwritten(project):
    project.write("p/plugin.zig", "mine")
    ran = project.cli("plugin", "new", "p")
    assert ran.returncode == 1 and "already is" in ran.stderr
    assert (project.root / "p/plugin.zig").read_text() == "mine"


# What cannot be built.


@pytest.fixture
def made(project):
    """A project with the folder `p` of a plugin in Zig."""
    succeeds(project.cli("plugin", "new", "p"))
    return project


def build_fails(project, *arguments, **env):
    ran = project.cli("plugin", "build", *arguments, env=env)
    assert ran.returncode in (1, 2, 3) and "Traceback" not in ran.stderr, ran
    return ran.stderr


def test_a_compile_error_is_shown_and_leaves_the_component(made):
    succeeds(made.cli("plugin", "build", "p"))
    before = (made.root / "p/p.wasm").read_bytes(), (made.root / "p/p.toml").read_text()
    made.write("p/plugin.zig", "pub fn broken() u8 { return missing; }\ncomptime { _ = &broken; }\n")
    assert "plugin.zig:1:" in build_fails(made, "p")
    assert before == ((made.root / "p/p.wasm").read_bytes(), (made.root / "p/p.toml").read_text())


def test_without_a_source_or_a_manifest_it_says_so(made):
    os.remove(made.root / "p/plugin.zig")
    assert "expected one of plugin.zig (zig)" in build_fails(made, "p")
    os.remove(made.root / "p/p.toml")
    assert "expected one manifest NAME.toml, found none" in build_fails(made, "p")
    assert "No such file" in build_fails(made, "missing", "--output", "x.wasm")


def test_a_missing_tool_is_named_with_what_to_do(project):
    succeeds(project.cli("plugin", "new", "p", "--language", "javascript"))
    error = build_fails(project, "p")
    assert "`jco` was not found" in error and "npm install" in error


def test_where_no_process_may_start_nothing_is_built(made):
    assert "ZIGIMPORT_NATIVE=never forbids" in build_fails(made, "p", ZIGIMPORT_NATIVE="never")
    assert "Zig" in build_fails(made, "p", ZIGIMPORT_ZIG=str(made.root / "missing"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "p"', "name = p", "line 1"),
        ('name = "p"', "", "missing field `name`"),
        ("@0.1.0", "@9.0.0", "line 3: the world `zigimport:plugin@9.0.0` is not known"),
        ('["*.zig"]', "[]", "`patterns` is empty"),
        ("view = []", "views = []", "unknown field `views`"),
    ],
)
def test_a_wrong_manifest_is_named(made, old, new, message):
    path = made.root / "p/p.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    error = build_fails(made, "p")
    assert "p/p.toml" in error and message in error, error


def test_a_core_module_becomes_a_component(project):
    project.write("core.wasm", answering((FILE, b"a", 1, 1)))
    assert "expected --output" in build_fails(project, "core.wasm")
    succeeds(project.cli("plugin", "build", "core.wasm", "--output", "p.wasm"))
    component = (project.root / "p.wasm").read_bytes()
    assert plugins.Plugin(component).track("m.zig", b"") == [("file", "a", 1, 1)]
    project.write("other.wasm", b"garbage")
    assert "other.wasm: no WebAssembly component" in build_fails(project, "other.wasm", "--output", "q.wasm")
    assert not (project.root / "q.wasm").exists()


# What breaks a rule.

MANIFEST = 'name = "p"\nversion = "1"\nworld = "zigimport:plugin@0.1.0"\npatterns = ["*.zig"]\nview = {}\ndigest = "sha256:{}"\n'


def broken(project, component, rule, *arguments, view=()):
    """What `check` says of a component that breaks one rule and, as far as it can be tried, no other."""
    project.write("p.wasm", component)
    project.write("p.toml", MANIFEST.format(json.dumps(list(view)), hashlib.sha256(component).hexdigest()))
    ran = check(project, "p.wasm", *arguments)
    assert ran.returncode == 1, ran
    verdicts = rules_of(ran)
    assert [name for name, verdict in verdicts.items() if verdict == "failed"] == [rule], ran
    text = project.cli("plugin", "check", "p.wasm", *arguments)
    assert text.returncode == 1 and f"failed   {rule} " in text.stdout
    return detail_of(ran, rule)


def test_what_is_no_component_breaks_the_world(project):
    assert "core WebAssembly module" in broken(project, answering(), "world")


def test_sockets_break_the_imports(project):
    detail = broken(project, component_with('(import "wasi:sockets/network@0.2.0" (instance))'), "imports")
    assert "wasi:sockets/network@0.2.0" in detail


def test_an_unknown_import_cannot_be_linked(project):
    imports = '(import "wasi:cli/nothing@0.2.0" (instance (export "run" (func))))'
    assert "wasi:cli/nothing" in broken(project, component_with(imports), "compiles")


@pytest.mark.parametrize("body", ["unreachable", "(loop $again (br $again)) unreachable"])
def test_a_trap_or_an_endless_loop_breaks_robust(project, body):
    # On sources with a 0 in them only, which none of a user's has.
    body = f"""(local $at i32)
    (block $fine
      (loop $next
        (br_if $fine (i32.ge_u (local.get $at) (local.get $source_size)))
        (if (i32.eqz (i32.load8_u (i32.add (local.get $source) (local.get $at)))) (then {body}))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 1024)"""
    detail = broken(project, plugins.componentize(core(body)), "robust")
    assert detail.startswith("a zero byte: "), detail


def test_a_lie_breaks_honest(project):
    module = answering((FILE, b"../../../../../../etc/passwd", 1, 1))
    assert "leads out of the project" in broken(project, plugins.componentize(module), "honest")


def test_another_answer_breaks_the_cases(project):
    project.write("cases/one.zig", "source")
    project.write("cases/one.zig.expected", "file b 1:1\n")
    component = plugins.componentize(answering((FILE, b"a", 1, 1)))
    detail = broken(project, component, "cases")
    assert "cases/one.zig: it answers 'file a 1:1', expected 'file b 1:1'" == detail
    project.write("cases/one.zig.expected", "")
    assert "it answers '1 lines', expected '0 lines'" in broken(project, component, "cases")


def test_what_changes_by_itself_breaks_deterministic(project, environments):
    # A file that is another one at each look, seen through a view that a careless user grants.
    if not os.path.exists("/proc/sys/kernel/random/uuid"):
        pytest.skip("/proc is not on this machine")
    probe = (ROOT / "tests/plugin_probe.c").read_text()
    assert "act(word, first ? first" in probe
    project.write("probe.c", probe.replace("act(word, first ? first", 'act("read", 1 ? "proc/sys/kernel/random/uuid"'))
    zig = environments["zigs"]["0.16"]
    command = [zig, "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", "probe.c", "-o", "core.wasm"]
    subprocess.run(command, cwd=project.root, check=True)
    component = plugins.componentize((project.root / "core.wasm").read_bytes())
    project.write("input.zig", "")
    broken(project, component, "deterministic", "input.zig", "--project", "/", view=["proc"])


def test_a_manifest_of_another_component_is_seen(project):
    component = plugins.componentize(answering())
    project.write("p.wasm", component)
    assert "there is no `p.toml`" in detail_of(check(project, "p.wasm"), "manifest")
    project.write("p.toml", MANIFEST.format("[]", "0" * 64))
    checked = check(project, "p.wasm")
    assert checked.returncode == 1 and {**ALL_OK, "manifest": "failed"} == rules_of(checked)
    assert "its digest is 'sha256:0000" in detail_of(checked, "manifest")


def test_what_a_plugin_finds_in_files_is_shown(project):
    project.write("p.wasm", plugins.componentize(answering((FILE, b"a b", 2, 3))))
    project.write("m.zig", "text")
    checked = check(project, "p.wasm", "m.zig")
    assert checked.json["found"] == {"m.zig": ["file a b 2:3"]}
    shown = project.cli("plugin", "check", "p.wasm", "m.zig").stdout
    assert shown.endswith("m.zig\n  file a b 2:3\n")
    missing = project.cli("plugin", "check", "missing.wasm")
    assert missing.returncode == 1 and "there is no component `missing.wasm`\nhint: " in missing.stderr


def test_without_the_engine_it_says_what_to_install(made):
    hide = "import sys; sys.modules['zigimport_plugins'] = None\nfrom zigimport.__main__ import main\nsys.exit(main())"
    ran = made.run(hide, "plugin", "build", "p")
    assert ran.returncode == 3 and "pip install zigimport-plugins" in ran.stderr, ran


# The examples.


@pytest.mark.parametrize(("example", "language"), [("comment-files", "zig"), ("table", "python")])
def test_an_example_keeps_every_rule(make_project, environments, example, language):
    project = make_project()
    tools_for(language, environments, project)
    shutil.copytree(EXAMPLES / example / "plugin", project.root / "plugin")
    is_good(project, "plugin", example)


def with_example(project, environments, example, language):
    """Lays an example's project out, with its plugin built and pinned."""
    tools_for(language, environments, project)
    shutil.copytree(EXAMPLES / example / "project", project.root, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / example / "plugin", project.root / "plugin")
    succeeds(project.cli("plugin", "build", "plugin"))
    succeeds(project.cli("plugin", "add", "plugin"))


def action_of(project, path):
    (action,) = project.cli("plan", path, "--format", "json").json["actions"]
    return action["action"], action["reason"]["text"]


def test_an_import_follows_the_files_that_a_comment_names(make_project, environments, zig):
    project = make_project(zig=zig)
    with_example(project, environments, "comment-files", "zig")
    inputs = project.cli("plan", "poems.zig", "--explain").stdout
    assert "tracked assets/road.txt" in inputs and "plugin    comment-files 0.1.0" in inputs
    assert project.imports("poems", "module.all()").value == "a rose is a rose\ntwo roads diverged\n"
    assert action_of(project, "poems.zig") == ("load", "unchanged")
    project.write("assets/road.txt", "no road\n")
    assert project.imports("poems", "module.all()").value == "a rose is a rose\nno road\n"
    project.write("assets/third.txt", "")
    assert action_of(project, "poems.zig") == ("build", "assets/third.txt added")


def test_the_readme_of_the_examples_does_what_it_says(project, environments):
    tools_for("zig", environments, project)
    shutil.copytree(EXAMPLES / "comment-files/project", project.root, dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / "comment-files/plugin", project.root / "plugin")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", (EXAMPLES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    outputs = []
    for line in commands.splitlines():
        if line.startswith("echo"):
            subprocess.run(["/bin/sh", "-c", line], cwd=project.root, check=True)
            continue
        program, *arguments = shlex.split(line, comments=True)
        arguments = ["-m", "zigimport", *arguments] if program == "zigimport" else arguments
        outputs.append(succeeds(project.execute(*arguments)))
    assert "tracked assets/road.txt" in outputs[3] and "plugin    comment-files 0.1.0" in outputs[3]
    assert "two roads diverged" in outputs[4] and "(assets/road.txt changed)" in outputs[5], outputs


def test_an_import_follows_the_tables_that_a_build_turns_into_zig(make_project, project_store, environments, zig):
    project = make_project(zig=zig, store=project_store)
    with_example(project, environments, "table", "python")
    names = "sorted((name, value) for name, value in vars(module).items() if type(value) is int)"
    first = project.imports("prices", names).value
    assert ["apple", 120] in first and len(first) > 2
    assert action_of(project, "prices") == ("load", "unchanged")
    # Outside of the folder that is a project module's own.
    with (project.root / "shared/rates.table").open("a") as table:
        table.write("added = 7\n")
    assert action_of(project, "prices") == ("build", "shared/rates.table changed")
    assert project.imports("prices", names).value == sorted([*first, ["added", 7]])


@pytest.mark.parametrize("name", ["plugin.zig", "component.zig"])
def test_the_example_in_zig_is_the_template(name):
    template = ROOT / "python/zigimport/templates/plugin/zig" / name
    assert (EXAMPLES / "comment-files/plugin" / name).read_text() == template.read_text()


def test_the_wit_of_the_examples_is_that_of_the_engine():
    assert (EXAMPLES / "table/plugin/wit/plugin.wit").read_text() == plugins.WIT


# The guide.

GUIDE = (ROOT / "docs" / "plugins.md").read_text()


def block(language, after):
    """The first block of a language in the guide behind a text."""
    found = re.search(rf"{re.escape(after)}.*?^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return found.group(1)


def test_the_commands_of_the_guide_work(project):
    project.write("poems.zig", SOURCE)
    shown = ""
    for line in block("sh", "## A plugin in four commands").splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "zigimport"
        shown = succeeds(project.cli(*arguments))
    assert shown.endswith("poems.zig\n  file a.txt 1:11\n  glob b/*.txt 3:15\n")
    project.write("evaluate.py", EVALUATE)
    lines = [line for line in block("python", "is for tests of your own").splitlines() if line]
    assert sum("# " in line for line in lines) == 2
    succeeds(project.execute("evaluate.py", "zigimport_plugins", json.dumps(lines)))


@pytest.mark.parametrize(
    ("language", "output"),
    [
        ("Zig", "plugin.wasm"),
        ("Rust", "target/wasm32-unknown-unknown/release/p.wasm"),
        ("Python", "NAME.wasm"),
        ("JavaScript", "NAME.wasm"),
    ],
)
def test_the_recipes_of_the_guide_make_what_build_makes(project, environments, language, output):
    tools_for(language.lower(), environments, project)
    folders = [os.path.dirname(project.environment["ZIGIMPORT_ZIG"]), os.path.dirname(project.python)]
    path = os.pathsep.join([*folders, project.environment["PATH"], "/usr/bin", "/bin"])
    succeeds(project.cli("plugin", "new", "p", "--language", language.lower()))
    ran = subprocess.run(
        ["sh", "-ec", block("sh", f"**{language}**")], cwd=project.root / "p", env={**project.environment, "PATH": path}
    )
    assert ran.returncode == 0
    succeeds(project.cli("plugin", "build", f"p/{output}", "--output", "made.wasm"))
    assert plugins.Plugin((project.root / "made.wasm").read_bytes()).track("m.zig", SOURCE) == FOUND


def test_the_guide_has_the_manifest_and_the_limits_of_the_engine():
    name, _, view = _native.plugin_manifest(block("toml", "## The manifest").replace("…", "0" * 64))
    assert (name, view) == ("comment-files", [])
    assert block("wit", "## The world").strip() in plugins.WIT
    engine = (ROOT / "host/plugins/src/sandbox.rs").read_text() + (ROOT / "host/plugins/src/answer.rs").read_text()
    for name, constant, shown in (
        ("FUEL_BASE: u64", "5_000_000_000", "5 000 000 000 instructions"),
        ("FUEL_PER_BYTE: u64", "10_000", "10 000 for each byte"),
        ("MEMORY_BYTES_MAX: usize", "512 << 20", "512 MiB"),
        ("ANSWER_BYTES_MAX: usize", "64 << 20", "64 MiB"),
        ("RESOURCES_MAX: usize", "1_024", "1 024 open files"),
        ("INPUTS_MAX: usize", "65_536", "65 536 inputs"),
        ("TEXT_BYTES_MAX: usize", "4_096", "4 096 bytes"),
    ):
        assert f"const {name} = {constant};" in engine and shown in GUIDE, name
    from zigimport import _plugin_author

    rules = re.findall(r"^\| `(\w+)` \|", block_of_rules(), re.MULTILINE)
    assert rules == list(_plugin_author.RULES)


def block_of_rules():
    """The table of the rules of `check`."""
    return GUIDE[GUIDE.index("## Checking") : GUIDE.index("## Languages")]
