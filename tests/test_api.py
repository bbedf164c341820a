"""The Python API: settings, building, signatures, the logger, and what the stub file says."""

import ast
import json

import pytest

from conftest import ADD, ROOT, dedented

MODE = 'pub fn mode() []const u8 {\n    return @tagName(@import("builtin").mode);\n}\n'


# The names.


def test_every_public_name_is_there_and_in_the_stub_file(project):
    stub = ast.parse((ROOT / "python/zigimport/__init__.pyi").read_text(encoding="utf-8"))
    declared = set()
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            declared.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            declared.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            declared |= {alias.asname for alias in node.names if alias.asname}
    code = """
    import json, zigimport
    for name in zigimport.__all__:
        getattr(zigimport, name)
    print(json.dumps([zigimport.__all__, sorted(set(zigimport.__all__) - set(dir(zigimport)))]))
    """
    public, missing = project.run(dedented(code)).json
    assert missing == [] and public == sorted(public)
    assert set(public) <= declared, set(public) - declared
    ran = project.run("import sys, zigimport; print([hasattr(zigimport, name) for name in sys.argv[1:]])", *declared)
    assert ran.stdout == f"{[True] * len(declared)}\n", ran


def test_the_signatures_in_the_stub_file_are_those_of_the_package(project):
    stub = ast.parse((ROOT / "python/zigimport/__init__.pyi").read_text(encoding="utf-8"))
    declared = {
        node.name: [[one.arg for one in node.args.args], [one.arg for one in node.args.kwonlyargs], bool(node.args.vararg)]
        for node in stub.body
        if isinstance(node, ast.FunctionDef)
    }
    code = """
    import inspect, json, sys, zigimport
    kinds = inspect.Parameter
    answer = {}
    for name in sys.argv[1:]:
        parameters = inspect.signature(getattr(zigimport, name)).parameters.values()
        answer[name] = [
            [one.name for one in parameters if one.kind is kinds.POSITIONAL_OR_KEYWORD],
            [one.name for one in parameters if one.kind is kinds.KEYWORD_ONLY],
            any(one.kind is kinds.VAR_POSITIONAL for one in parameters),
        ]
    print(json.dumps(answer))
    """
    assert project.run(dedented(code), *declared).json == declared


def test_an_unknown_name_is_an_attribute_error(project):
    ran = project.run("import zigimport; zigimport.frobnicate")
    assert ran.stderr.splitlines()[-1] == "AttributeError: module 'zigimport' has no attribute 'frobnicate'"


# Settings.


def test_settings_are_values(project):
    code = """
    from zigimport import Settings
    print(Settings() == Settings(optimize=None), Settings(optimize="Debug") == Settings(), Settings() == 1)
    print(len({Settings(optimize="Debug"), Settings(optimize="Debug")}), repr(Settings(optimize="Debug")))
    """
    assert project.run(dedented(code)).stdout == "True False False\n1 Settings(optimize='Debug')\n"


def test_settings_win_over_the_environment_the_file_and_the_project(project):
    project.write("pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseSmall"\n')
    project.write("m.zig", "//! zigimport: optimize = ReleaseSafe\n" + MODE)
    explicit = "import zigimport; zigimport.install(settings=zigimport.Settings(optimize='ReleaseFast')); import m; print(m.mode())"
    silent = "import zigimport; zigimport.install(settings=zigimport.Settings()); import m; print(m.mode())"
    env = {"ZIGIMPORT_OPTIMIZE": "Debug"}
    assert project.run(explicit, env=env).stdout == "ReleaseFast\n"
    assert project.run(silent, env=env).stdout == "Debug\n"
    assert project.run(silent).stdout == "ReleaseSafe\n"
    project.write("m.zig", MODE)
    assert project.run(silent).stdout == "ReleaseSmall\n"


def test_a_changed_setting_builds_and_each_is_cached_afterwards(project):
    project.write("m.zig", MODE)
    code = "import zigimport; zigimport.install(settings=zigimport.Settings(optimize={!r})); import m; print(m.mode())"
    for expected in (["m"], []):
        for mode in ("Debug", "ReleaseSmall"):
            ran = project.run(code.format(mode))
            assert ran.stdout == f"{mode}\n" and ran.builds == expected, ran


def test_get_settings_is_asked_with_name_and_source_for_every_kind(project):
    project.write("pkg/__init__.py", "")
    project.write("pkg/fast.zig", ADD)
    project.write("pack/__init__.zig", ADD)
    project.write("pack/part.zig", ADD)
    code = """
    import os, sys, zigimport
    asked = []
    class Finder(zigimport.ZigFinder):
        def get_settings(self, module_name, source_path):
            asked.append((module_name, os.path.relpath(source_path)))
            return super().get_settings(module_name, source_path)
    zigimport.uninstall()
    # In front of Python's own finder it has packages too.
    sys.meta_path.insert(0, Finder(settings=zigimport.Settings(optimize="ReleaseSmall")))
    import pkg.fast, pack.part
    print(asked)
    print(pkg.fast.__zigimport__.optimize, pack.__zigimport__.optimize, pack.part.__zigimport__.optimize)
    """
    ran = project.run(dedented(code))
    names = [("pkg.fast", "pkg/fast.zig"), ("pack", "pack/__init__.zig"), ("pack.part", "pack/part.zig")]
    assert ran.stdout == f"{names}\nReleaseSmall ReleaseSmall ReleaseSmall\n", ran


def test_an_error_in_get_settings_is_the_users_own(project):
    project.write("m.zig", ADD)
    code = """
    import sys, zigimport
    class Finder(zigimport.ZigFinder):
        def get_settings(self, module_name, source_path):
            raise RuntimeError("mine")
    zigimport.uninstall()
    sys.meta_path.append(Finder())
    import m
    """
    assert project.run(dedented(code)).stderr.splitlines()[-1] == "RuntimeError: mine"


def test_one_file_under_several_names_is_built_once_and_imported_thrice(project):
    project.write("pkg/__init__.py", "from . import fast as first\nfrom .fast import add\nimport pkg.fast\n")
    project.write("pkg/fast.zig", ADD)
    ran = project.run("import zigimport, pkg; print(pkg.first is pkg.fast, pkg.add(1, 2))")
    assert ran.stdout == "True 3\n" and ran.builds == ["pkg.fast"], ran


def test_after_uninstall_loaded_modules_work_and_others_are_not_found(project):
    for name in ("a", "b"):
        project.write(f"{name}.zig", ADD)
    code = """
    import zigimport, a
    zigimport.uninstall()
    print(a.add(1, 2), zigimport._finder)
    try:
        import b
    except ModuleNotFoundError as error:
        print(error)
    zigimport.install()
    import b
    print(b.add(1, 2))
    """
    assert project.run(dedented(code)).stdout == "3 None\nNo module named 'b'\n3\n"


# build, plan, signature.


def test_build_returns_what_an_import_would_load(project):
    source = project.write("m.zig", ADD)
    code = """
    import json, zigimport
    result = zigimport.build("m.zig")
    again = zigimport.build("m.zig")
    import m
    print(json.dumps([result._asdict(), again.built, m.__file__ == result.library, m.__zigimport__.key == result.key]))
    """
    result, again, same_file, same_key = project.run(dedented(code)).json
    assert again is False and same_file and same_key
    assert (result["module"], result["source"], result["built"]) == ("m", str(source), True)
    assert (result["optimize"], result["abi"], result["zig_version"]) == ("Debug", "abi3", "0.16.0")
    assert result["file_name"] == "m.abi3.so"


@pytest.mark.parametrize("function", ["build", "signature"])
def test_a_path_is_one_module(project, function):
    for name in ("a", "b"):
        project.write(f"several/{name}.zig", ADD)
    for path, message in [
        ("several", "ValueError: 'several' has several modules (a, b): name one"),
        ("missing.zig", "missing.zig` does not exist"),
        ("several/a", "there is `"),
    ]:
        ran = project.run(f"import zigimport; zigimport.{function}({path!r})")
        assert ran.returncode == 1 and message in ran.stderr.splitlines()[-1], ran


def signature(project, *arguments, env=None, **keywords):
    given = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
    code = f"import json, zigimport; print(json.dumps(zigimport.signature('m.zig', {given})))"
    ran = project.run(code, env=env)
    assert ran.returncode == 0, ran
    return ran.json


def test_a_signature_has_the_key_and_all_that_is_in_it(project):
    project.write("m.zig", 'const part = @import("part.zig");\npub const text = @embedFile("t.txt");\n' + ADD)
    project.write("part.zig", "")
    project.write("t.txt", "text")
    before = signature(project)
    assert before["key"] is None and before["discovered"] == [] and not project.stored("entries")
    assert [(one["role"], one["path"]) for one in before["inputs"]] == [
        ("root", "m.zig"),
        ("source", "part.zig"),
        ("embedded", "t.txt"),
    ]
    assert (before["module"], before["init_symbol"], before["optimize"]) == ("m", "PyInit_m", "Debug")
    assert before["zig"]["version"] in (None, "0.16.0") and len(before["zig"]["identity"]) == 64
    assert set(before["components"]) >= {"scanner", "planner"} and before["environment"] == {}
    assert before["salt"] == "" and before["headers"] is None and before["binding"]["name"] == "plain"
    key = project.imports("m", "module.__zigimport__.key").value
    after = signature(project)
    assert after["key"] == key and len({key, after["action_key"], after["source_key"]}) == 3
    (entry,) = project.stored("entries")
    recorded = json.loads(entry.read_text())
    assert recorded["inputs"] == [
        {"role": one["role"], "path": one["path"], "digest": one["digest"]} for one in after["inputs"]
    ]


def test_each_part_of_a_signature_changes_its_keys(project, environments):
    project.write("m.zig", ADD)
    signatures = [
        signature(project),
        signature(project, optimize="ReleaseFast"),
        signature(project, target="aarch64-linux-gnu"),
        signature(project, env={"ZIGIMPORT_SALT": "mine"}),
        signature(project, env={"ZIGIMPORT_ZIG": environments["zigs"]["0.17"]}),
    ]
    assert len({one["action_key"] for one in signatures}) == len(signatures)
    # The source key alone does not know the compiler.
    assert signatures[4]["source_key"] == signatures[0]["source_key"]
    assert len({one["source_key"] for one in signatures}) == len(signatures) - 1
    assert signatures[2]["target"].startswith("aarch64-linux-gnu") and signatures[3]["salt"] == "mine"
    assert signature(project) == signatures[0]


def test_a_signature_of_an_unknown_target_names_the_known_ones(project):
    project.write("m.zig", ADD)
    ran = project.run("import zigimport; zigimport.signature('m.zig', target='pdp11')")
    assert "ValueError: unknown target `pdp11`; known: native, " in ran.stderr


def test_a_signature_needs_no_compiler_and_writes_nothing(project, tmp_path):
    project.write("m.zig", ADD)
    env = {"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None, "ZIGIMPORT_BUILD_DIR": tmp_path / "none"}
    answer = signature(project, env=env)
    assert answer["zig"] is None and answer["key"] is None and answer["action_key"] is None
    assert not (tmp_path / "none").exists()


def test_clear_cache_returns_the_bytes_and_leaves_loaded_modules(project):
    project.write("m.zig", ADD)
    code = "import zigimport, m; print(zigimport.clear_cache() > 1000, zigimport.clear_cache(), m.add(1, 2))"
    assert project.run(code).stdout == "True 0 3\n"


# The logger.


def test_a_build_says_two_lines_and_a_cached_import_none(project):
    project.write("m.zig", ADD)
    first = project.run("import zigimport, m")
    lines = first.stderr.splitlines()
    assert lines[0] == "zigimport: building m: first build" and len(lines) == 2, first
    assert lines[1].startswith("zigimport: built m in ") and lines[1].endswith(" s")
    assert project.run("import zigimport, m").stderr == ""


@pytest.mark.parametrize("before", ["", "import logging\n"])
def test_debug_is_shown_only_when_asked_for(project, before):
    project.write("m.zig", 'pub const text = @embedFile("t" ++ ".txt");\n')
    project.write("t.txt", "text")
    quiet = project.run(before + "import zigimport, m")
    assert "of 1 scanned files" not in quiet.stderr and "building m" in quiet.stderr, quiet
    project.cli("cache", "clear")
    verbose = project.run(before + "import zigimport, m", env={"ZIGIMPORT_VERBOSE": "1"})
    assert "zigimport: m: of 1 scanned files the compiler read" in verbose.stderr, verbose


def test_a_configured_logger_gets_records_and_nothing_else_is_written(project):
    project.write("m.zig", ADD)
    code = """
    import logging, sys
    class Handler(logging.Handler):
        def emit(self, record):
            print(record.name, record.levelname, record.getMessage().split(":")[0])
    log = logging.getLogger("zigimport")
    log.addHandler(Handler())
    log.setLevel(logging.INFO)
    import zigimport, m
    """
    ran = project.run(dedented(code))
    assert ran.stdout.startswith("zigimport INFO building m\nzigimport INFO built m in ") and ran.stderr == "", ran


def test_a_level_of_the_users_own_is_kept(project):
    project.write("m.zig", ADD)
    code = "import logging; logging.getLogger('zigimport').setLevel(logging.ERROR); import zigimport, m"
    assert project.run(code).stderr == ""


def test_after_reset_logger_it_is_an_ordinary_logger(project):
    for name in ("a", "b", "c"):
        project.write(f"{name}.zig", ADD)
    code = """
    import logging, sys, zigimport
    import a
    zigimport.reset_logger()
    log = logging.getLogger("zigimport")
    print(log.handlers, log.propagate, log.level == logging.NOTSET)
    import b
    logging.basicConfig(level=logging.INFO, format="root: %(message)s")
    import c
    """
    ran = project.run(dedented(code), env={"ZIGIMPORT_PARALLEL": "0"})
    assert ran.stdout == "[] True True\n"
    assert "zigimport: building a" in ran.stderr and "building b" not in ran.stderr, ran
    assert "root: building c: first build" in ran.stderr


def test_an_import_loads_no_logging_for_what_it_says(project):
    project.write("m.zig", ADD)
    ran = project.run("import sys, zigimport, m; print('logging' in sys.modules)")
    assert ran.stdout == "False\n" and ran.builds == ["m"], ran


def test_a_rejected_module_is_an_import_error_with_the_compilers_text(project):
    project.write("m.zig", "pub fn f() u8 {\n    return missing;\n}\n")
    code = """
    import zigimport
    try:
        import m
    except ImportError as error:
        print(type(error).__name__, "m.zig:2:12: error: use of undeclared identifier 'missing'" in str(error))
    """
    assert project.run(dedented(code)).stdout == "ZigCompileError True\n"


def test_a_library_without_the_right_init_function_is_one_clear_error(project):
    project.write("m.zig", "export fn PyInit_other() ?*anyopaque {\n    return null;\n}\n")
    failed = project.fails("m")
    assert "ImportError" in failed.classes and "PyInit_m" in failed.message, failed


# zigimport info.


def test_info_is_one_screen_and_hides_what_could_be_secret(project):
    env = {"ZIGIMPORT_SALT": "geheim", "ZIGIMPORT_INCLUDE_PATHS": "a b", "ZIGIMPORT_REMOTE_CACHE": "https://me:word@host"}
    info = project.cli("info", "--format", "json", env=env).json
    assert info["variables"] == (
        f"ZIGIMPORT_BUILD_DIR={project.store} ZIGIMPORT_INCLUDE_PATHS='a b' ZIGIMPORT_REMOTE_CACHE='(not shown)'"
        f" ZIGIMPORT_SALT='(not shown)' ZIGIMPORT_ZIG={project.environment['ZIGIMPORT_ZIG']}"
    ).replace("'(not shown)'", "(not shown)")
    assert info["python"].startswith("CPython 3.") and info["platform"].startswith("Linux ")
    assert info["site"] == "not installed"
    text = project.cli("info", env=env).stdout
    assert "geheim" not in text and "word" not in text and len(text.splitlines()) == len(info) <= 24


def test_info_says_what_is_wrong_where_there_is_no_compiler_or_it_is_not_wanted(project):
    none = project.cli("info", "--format", "json", env={"ZIGIMPORT_ZIG": None}).json
    assert none["zig"].startswith("none found: pip install")
    never = project.cli("info", "--format", "json", env={"ZIGIMPORT_NATIVE": "never"}).json
    assert never["zig"] == "not looked for (ZIGIMPORT_NATIVE=never)" and never["native"] == "never"
