"""What goes wrong is one clear error, and nothing is lost by it."""

import os
import re
import signal
import stat
import time

import pytest

from conftest import ADD, dedented, finish, interrupt, script

GOOD = ADD
BROKEN = """const std = @import("std");

pub fn add(a: i64, b: i64) i64 {
    return a + c;
}
"""


# The user's code.


def test_a_compile_error_shows_the_compilers_text_with_the_users_line(project):
    source = project.write("m.zig", BROKEN)
    failed = project.fails("m")
    assert failed.classes[:3] == ["ZigCompileError", "ZigImportError", "ImportError"]
    assert (failed.name, failed.path, failed.exit_code) == ("m", str(source), 1)
    lines = failed.message.splitlines()
    assert lines[0] == f"failed to compile `m` ({source})"
    assert lines[1] == "m.zig:4:16: error: use of undeclared identifier 'c'"
    assert lines[2].strip() == "return a + c;" and set(lines[3].strip()) <= {"^", "~"}
    assert "root.zig" not in failed.message and "declarations.zig" not in failed.message
    assert failed.diagnostics[0] == ["error", str(source), 4, 16, "use of undeclared identifier 'c'"]


def test_an_error_has_the_name_that_everybody_catches(project):
    project.write("m.zig", BROKEN)
    ran = project.run("import zigimport, m")
    assert "\nzigimport.ZigCompileError: failed to compile `m`" in ran.stderr, ran
    code = """
    import pickle, zigimport
    for name in ("ZigImportError", "ZigNotFoundError", "ZigCompileError", "ScanError", "LockTimeoutError", "CacheError"):
        error = getattr(zigimport, name)
        assert pickle.loads(pickle.dumps(error)) is error and repr(error) == f"<class 'zigimport.{name}'>", error
    """
    assert project.run(dedented(code)).returncode == 0


def test_a_compile_error_in_an_imported_file_names_that_file(project):
    project.write("m.zig", 'pub const part = @import("parts/part.zig");\npub fn go() u8 {\n    return part.go();\n}\n')
    part = project.write("parts/part.zig", 'pub fn go() u8 {\n    return "text";\n}\n')
    failed = project.fails("m")
    assert "parts/part.zig:2:12: error: expected type 'u8'" in failed.message
    assert failed.diagnostics[0][1:3] == [str(part), 2]
    assert {one[0] for one in failed.diagnostics} == {"error", "note"}


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("pub fn f() u8 {\n    return 1\n}\n", 2, "expected ';' after statement"),
        ("pub fn f() u8 {\n    return missing;\n}\n", 2, "undeclared identifier 'missing'"),
        ('pub fn f() u8 {\n    return "text";\n}\n', 2, "expected type 'u8'"),
        ("pub fn f() u8 {\n    const x = 1;\n    return 2;\n}\n", 2, "unused local constant"),
        ("pub fn f(a: i64) i64 {\n    return 2;\n}\n", 1, "unused function parameter"),
        ('const gone = @import("gone.zig");\npub fn f() u8 {\n    return gone.x;\n}\n', 1, "gone.zig"),
        ('pub fn f() []const u8 {\n    return @embedFile("gone.txt");\n}\n', 2, "gone.txt"),
        ('const part = @import("../part.zig");\npub fn f() u8 {\n    return part.x;\n}\n', 1, "outside"),
        ("pub fn f() u8 {\n    return '\n}\n", 2, ""),
        ("pub fn f() u8 {\n\treturn 1;\n} @@ £\n", 3, ""),
        ("}\npub fn f() u8 {\n    return 1;\n}\n", 1, "expected"),
        ("fn g() void {\npub fn f() u8 {\n    return 1;\n}\n", 2, "expected"),
    ],
)
def test_each_mistake_is_reported_in_the_users_file(project, zig, environments, source, line, text):
    project.environment["ZIGIMPORT_ZIG"] = environments["zigs"][zig]
    project.write("part.zig", "pub const x = 1;\n")
    path = project.write("sub/m.zig", source)
    failed = project.fails("m", env={"PYTHONPATH": project.root / "sub"})
    assert failed.error == "ZigCompileError", failed
    assert [str(path), line] in [one[1:3] for one in failed.diagnostics], failed
    assert text in failed.message


def test_a_compile_error_in_a_package_or_a_function_that_only_python_calls_is_found(project):
    project.write("pkg/__init__.py", "")
    project.write("pkg/m.zig", "pub fn never_called_by_zig(a: i32) i32 {\n    return a.field;\n}\n")
    failed = project.fails("pkg.m")
    assert failed.error == "ZigCompileError" and "pkg/m.zig:2:" in failed.message, failed


def test_an_except_clause_for_import_errors_catches_everything(project):
    project.write("m.zig", BROKEN)
    code = """
    import zigimport
    try:
        import m
    except ImportError as error:
        print(type(error).__name__, error.name)
    import sys
    print("m" in sys.modules)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "ZigCompileError m\nFalse\n", ran


def test_the_next_good_edit_imports(project):
    project.write("m.zig", BROKEN)
    project.fails("m")
    project.write("m.zig", GOOD)
    assert project.imports("m", "module.add(1, 2)").value == 3
    project.write("m.zig", BROKEN)
    project.fails("m")
    project.write("m.zig", GOOD)
    again = project.imports("m", "module.add(1, 2)")
    assert (again.value, again.builds) == (3, [])


def test_the_next_good_edit_imports_in_the_same_process(project):
    project.write("m.zig", BROKEN)
    code = f"""
    import zigimport
    for text in ({BROKEN!r}, {GOOD!r}):
        open("m.zig", "w").write(text)
        try:
            import m
        except zigimport.ZigCompileError as error:
            print(error.diagnostics[0].line)
    print(m.add(1, 2))
    """
    assert project.run(dedented(code)).stdout == "4\n3\n"


def test_a_failed_build_keeps_the_last_good_artifact(project):
    project.write("m.zig", GOOD)
    library = project.imports("m", "module.__file__").value
    files = {bucket: project.stored(bucket) for bucket in ("libraries", "objects", "entries", "manifests")}
    project.write("m.zig", BROKEN)
    project.fails("m")
    assert {bucket: project.stored(bucket) for bucket in files} == files
    assert os.path.exists(library)


def test_an_error_is_reported_again_as_long_as_it_is_there(project):
    project.write("m.zig", BROKEN)
    assert project.fails("m").message == project.fails("m").message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", "nothing to export"),
        ("const x = 1;\nfn hidden() void {}\n", "nothing to export"),
        ("pub fn generic(x: anytype) void {\n    _ = x;\n}\n", "`generic`: parameter 1: type `anytype`"),
        ("pub fn sizes(comptime T: type) usize {\n    return @sizeOf(T);\n}\n", "`sizes`: parameter 1: type `type`"),
    ],
    ids=["empty", "private", "generic", "types"],
)
def test_a_file_without_anything_for_python_says_so(project, source, text):
    path = project.write("m.zig", source)
    failed = project.fails("m")
    assert (failed.error, failed.exit_code) == ("ZigImportError", 1)
    assert text in failed.message and str(path) in failed.message and "`pub" in failed.hint, failed
    assert failed.message.count("m.zig") == 1, failed


@pytest.mark.parametrize("name", ["my-mod", "1st", "with space", "a+b"])
def test_a_name_that_is_no_identifier_is_refused_with_a_better_one(project, name):
    path = project.write(f"{name}.zig", ADD)
    failed = project.fails(name)
    assert (failed.error, failed.exit_code) == ("ZigImportError", 1)
    assert f"`{path}` cannot be imported: `{name}` is no Python identifier" in failed.message
    suggestion = re.search(r"for example to `(.*)`", failed.hint).group(1)
    assert suggestion.isidentifier(), suggestion


@pytest.mark.parametrize("name", ["class", "import", "None"])
def test_a_keyword_as_a_name_works_or_is_refused_clearly(project, name):
    project.write(f"{name}.zig", ADD)
    ran = project.run("import importlib, sys, zigimport; print(importlib.import_module(sys.argv[1]).add(1, 2))", name)
    assert ran.stdout == "3\n" or f"`{name}` is no Python identifier" in ran.stderr, ran


# Files that are no sources.


def test_a_source_that_is_not_utf8_is_a_compile_error(project):
    path = project.write("m.zig", b"pub fn add() u8 {\n    return \xff\xfe;\n}\n")
    failed = project.fails("m")
    assert failed.error == "ZigCompileError"
    assert failed.diagnostics[0][1:3] == [str(path), 2], failed


def test_bytes_that_are_not_utf8_in_a_string_and_a_comment_are_harmless_or_refused(project):
    project.write("m.zig", b'// caf\xe9\npub fn text() []const u8 {\n    return "ok";\n}\n')
    ran = project.run("import zigimport, m; print(m.text())")
    assert ran.stdout == "ok\n" or "ZigCompileError" in ran.stderr, ran


def test_a_source_with_windows_line_ends_and_a_byte_order_mark_imports(project):
    project.write("m.zig", b"\xef\xbb\xbf" + ADD.replace("\n", "\r\n").encode())
    assert project.imports("m", "module.add(1, 2)").value == 3


def test_a_folder_with_the_name_of_a_source_is_no_module(project):
    (project.root / "m.zig").mkdir()
    assert project.fails("m").error == "ModuleNotFoundError"


def test_a_pipe_with_the_name_of_a_source_does_not_hang(project):
    os.mkfifo(project.root / "m.zig")
    assert project.fails("m").error == "ModuleNotFoundError"


def test_a_pipe_that_a_source_imports_does_not_hang(project):
    project.write("m.zig", 'const part = @import("part.zig");\npub fn go() u8 {\n    return part.x;\n}\n')
    os.mkfifo(project.root / "part.zig")
    failed = project.fails("m")
    assert "part.zig" in failed.message and is_of_our_family(failed), failed


def test_a_broken_link_is_no_module(project):
    (project.root / "m.zig").symlink_to("nowhere.zig")
    assert project.fails("m").error == "ModuleNotFoundError"


def test_a_link_that_leads_to_itself_is_no_module(project):
    (project.root / "m.zig").symlink_to("m.zig")
    assert project.fails("m").error == "ModuleNotFoundError"


def test_a_source_that_may_not_be_read_names_it(project, unprivileged):
    path = project.write("m.zig", ADD)
    path.chmod(0)
    failed = project.fails("m")
    assert (failed.error, failed.path) == ("ScanError", str(path))
    assert "Permission denied" in failed.message


def test_sources_that_import_each_other_work(project):
    project.write("m.zig", 'const other = @import("other.zig");\npub const one = 1;\npub const two = other.two;\n')
    project.write("other.zig", 'const m = @import("m.zig");\npub const two = m.one + 1;\n')
    assert project.imports("m", "module.two").value == 2


# The compiler.


def no_compiler():
    return {"ZIGIMPORT_ZIG": None, "PATH": "/nowhere"}


def test_without_a_compiler_the_error_names_the_remedy(project):
    source = project.write("m.zig", ADD)
    failed = project.fails("m", env=no_compiler())
    assert (failed.error, failed.exit_code) == ("ZigNotFoundError", 3)
    assert failed.message.startswith(f"no Zig compiler to build `m` ({source}) with")
    assert "pip install" in failed.hint and "ziglang" in failed.hint and "ZIGIMPORT_ZIG" in failed.hint


def test_a_cached_module_needs_no_compiler(project):
    project.write("m.zig", ADD)
    project.imports("m")
    imported = project.imports("m", "module.add(1, 2)", env=no_compiler())
    assert (imported.value, imported.stderr) == (3, "")


def test_a_compiler_that_is_not_there_is_named(project):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": "/nowhere/zig"})
    assert failed.error == "ZigNotFoundError" and "/nowhere/zig" in failed.message and failed.exit_code == 3


def test_an_import_above_the_modules_folder_is_explained(project):
    project.write("shared.zig", "pub const x = 1;\n")
    project.write("pkg/__init__.py", "")
    project.write("pkg/m.zig", 'const shared = @import("../shared.zig");\npub const y = shared.x;\n')
    failed = project.fails("pkg.m")
    assert failed.error == "ZigCompileError" and "its own folder and below" in failed.hint, failed


@pytest.mark.parametrize("version", ["0.14.1", "0.18.0", "0.16.0-dev.123+abc", "1.0.0"])
def test_a_compiler_of_another_version_is_refused_with_the_supported_ones(project, tmp_path, version):
    project.write("m.zig", ADD)
    zig = script(tmp_path / "zig", f"echo {version}")
    for _ in range(2):  # Also when the version is known already.
        failed = project.fails("m", env={"ZIGIMPORT_ZIG": zig})
        assert (failed.error, failed.exit_code) == ("ZigNotFoundError", 3)
        for part in (version, str(zig), "0.15", "0.16", "0.17"):
            assert part in failed.message, failed
        assert "pip install" in failed.hint


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("echo garbage", "garbage"),
        ("echo; exit 0", "answered"),
        ("echo broken >&2; exit 1", "broken"),
        ("kill -9 $$", "signal"),
        ("exec /nowhere/program", ""),
        ("head -c 3000000 /dev/zero", ""),
        ("exec yes", "`zig version` answered `y"),
    ],
    ids=["garbage", "nothing", "exit 1", "killed", "not executable", "long", "endless"],
)
def test_a_program_that_is_no_compiler_is_one_clear_error(project, tmp_path, body, text):
    project.write("m.zig", ADD)
    zig = script(tmp_path / "zig", body)
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": zig})
    assert (failed.error, failed.exit_code) == ("ZigNotFoundError", 3)
    assert str(zig) in failed.message and text in failed.message
    assert len(failed.message) < 5_000


def test_a_compiler_without_permission_to_run_is_named(project, tmp_path):
    project.write("m.zig", ADD)
    zig = script(tmp_path / "zig", "echo 0.16.0")
    zig.chmod(0o644)
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": zig})
    assert failed.error == "ZigNotFoundError" and str(zig) in failed.message
    assert "ermission denied" in failed.message


@pytest.mark.parametrize(
    "body",
    ["exit 0", "echo text; exit 0", "exit 1", "kill -11 $$", "head -c 100000 /dev/urandom; exit 0", "cat > /dev/null"],
    ids=["silent", "text", "failing", "crashing", "noise", "reading"],
)
def test_a_compiler_that_makes_nothing_of_sense_is_one_clear_error(project, tmp_path, body):
    project.write("m.zig", ADD)
    zig = script(tmp_path / "zig", f"if test \"$1\" = version; then echo 0.16.0; exit; fi\n{body}")
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": zig})
    assert is_of_our_family(failed), failed
    assert str(zig) in failed.message, failed
    assert project.stored("entries") == [] and project.stored("libraries") == []


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_a_compiler_that_is_killed_is_no_source_that_changes(project, tmp_path, default_zig, name):
    project.write("m.zig", ADD)
    # Without its part of the protocol, which comes first, the compile goes well.
    body = f"case \"$*\" in *--listen*-Muser=*|*-Muser=*--listen*) kill -{name} $$;; esac\nexec '{default_zig}' \"$@\""
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": script(tmp_path / "zig", body)})
    assert failed.exit_code == 3 and f"SIG{name}" in failed.message and "runs out of memory" in failed.message, failed


# The cache.


@pytest.fixture
def unprivileged():
    """Skips where permissions do not bind."""
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")


def test_a_cache_that_others_can_write_is_refused(project):
    project.write("m.zig", ADD)
    project.store.chmod(0o777)
    failed = project.fails("m")
    assert (failed.error, failed.exit_code) == ("CacheError", 3)
    assert str(project.store) in failed.message and "others can write" in failed.message
    assert "chmod go-w" in failed.message


def test_a_new_cache_is_private_whatever_the_umask_says(project):
    project.write("m.zig", ADD)
    new = project.root / "new" / "cache"
    project.imports("m", "__import__('os').umask(0)", env={"ZIGIMPORT_BUILD_DIR": new})
    code = "import os; os.umask(0); import zigimport, m"
    other = project.root / "other" / "cache"
    assert project.run(code, env={"ZIGIMPORT_BUILD_DIR": other}).returncode == 0
    for folder in (new, other):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0
        assert project.imports("m", env={"ZIGIMPORT_BUILD_DIR": folder}).builds == []


def test_a_cache_that_is_a_file_is_refused(project):
    project.write("m.zig", ADD)
    path = project.write("file", "mine")
    failed = project.fails("m", env={"ZIGIMPORT_BUILD_DIR": path})
    assert failed.error == "CacheError" and "not a directory" in failed.message
    assert path.read_text() == "mine"


def test_a_cache_below_a_file_cannot_be_made(project):
    project.write("m.zig", ADD)
    project.write("file", "mine")
    failed = project.fails("m", env={"ZIGIMPORT_BUILD_DIR": project.root / "file" / "cache"})
    assert failed.error == "CacheError" and "ZIGIMPORT_BUILD_DIR" in failed.hint


def test_a_cache_that_cannot_be_written_is_one_clear_error(project, unprivileged):
    project.write("m.zig", ADD)
    project.store.chmod(0o500)
    failed = project.fails("m")
    assert (failed.error, failed.exit_code) == ("CacheError", 3) and str(project.store) in failed.message


def test_a_cache_on_a_read_only_mount_is_one_clear_error(project):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_BUILD_DIR": "/proc/cache"})
    assert (failed.error, failed.exit_code) == ("CacheError", 3) and "/proc/cache" in failed.message


# Settings.


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ZIGIMPORT_OPTIMIZE", "fast", "Debug, ReleaseSafe, ReleaseFast or ReleaseSmall"),
        ("ZIGIMPORT_OPTIMIZE", "debug", "Debug, ReleaseSafe, ReleaseFast or ReleaseSmall"),
        ("ZIGIMPORT_VERBOSE", "maybe", "1/0, true/false, yes/no or on/off"),
        ("ZIGIMPORT_FORCE_REBUILD", "2", "1/0, true/false, yes/no or on/off"),
        ("ZIGIMPORT_RELEASE_MODE", "ja", "1/0, true/false, yes/no or on/off"),
        ("ZIGIMPORT_MAX_WORKERS", "0", "from 1 to 32"),
        ("ZIGIMPORT_MAX_WORKERS", "many", "from 1 to 32"),
        ("ZIGIMPORT_NATIVE", "sometimes", "auto, never, sandbox-required or unconfined"),
    ],
)
def test_a_wrong_value_of_a_variable_names_it(project, name, value, expected):
    project.write("m.zig", ADD)
    ran = project.run("import zigimport, m", env={name: value})
    assert ran.returncode == 1
    assert f"ZigImportError: invalid value `{value}` for {name}: expected " in ran.stderr, ran
    assert expected in ran.stderr


def test_a_hook_that_is_turned_off_does_not_mind_wrong_values(project):
    ran = project.run("import zigimport; print('ok')", env={"ZIGIMPORT_ENABLED": "0", "ZIGIMPORT_OPTIMIZE": "fast"})
    assert ran.stdout == "ok\n", ran


def test_a_wrong_value_of_the_switch_names_it(project):
    ran = project.run("import zigimport", env={"ZIGIMPORT_ENABLED": "perhaps"})
    assert "ZIGIMPORT_ENABLED" in ran.stderr and "`perhaps`" in ran.stderr, ran


def test_an_empty_variable_is_not_set(project):
    project.write("m.zig", ADD)
    environment = dict.fromkeys(("ZIGIMPORT_OPTIMIZE", "ZIGIMPORT_VERBOSE", "ZIGIMPORT_NATIVE"), "")
    assert project.imports("m", "module.add(1, 2)", env=environment).value == 3


def test_an_unknown_variable_is_named_once_with_its_neighbour(project):
    project.write("m.zig", ADD)
    project.write("n.zig", ADD)
    ran = project.run("import zigimport, m, n", env={"ZIGIMPORT_OPTIMISE": "Debug"})
    assert ran.stderr.count("unknown variable ZIGIMPORT_OPTIMISE; did you mean ZIGIMPORT_OPTIMIZE?") == 1, ran
    quiet = "import zigimport; zigimport.install(show_warnings=False); import k"
    project.write("k.zig", ADD)
    assert "OPTIMISE" not in project.run(quiet, env={"ZIGIMPORT_OPTIMISE": "Debug"}).stderr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[tool.zigimport]\noptimise = 'Debug'\n", ["line 2", "optimise"]),
        ("[tool.zigimport]\noptimize = 'Fast'\n", ["`Fast`", "ReleaseSmall"]),
        ("[tool.zigimport]\noptimize = 3\n", ["line 2"]),
        ("[tool.zigimport\n", ["line 1"]),
        ("tool = 5\n", ["line 1"]),
    ],
)
def test_a_wrong_project_file_is_named_with_its_line(project, text, parts):
    project.write("m.zig", ADD)
    path = project.write("pyproject.toml", text)
    failed = project.fails("m")
    assert failed.error == "ZigImportError"
    for part in [str(path), *parts]:
        assert part in failed.message, failed
    project.write("pyproject.toml", "")
    project.imports("m")


@pytest.mark.parametrize(
    ("line", "parts"),
    [("optimize = Fast", ["`Fast`", "ReleaseSmall"]), ("optimise = Debug", ["optimise"]), ("nonsense", ["nonsense"])],
)
def test_a_wrong_setting_in_a_source_is_named_with_its_line(project, line, parts):
    path = project.write("m.zig", f"//! Text.\n//! zigimport: {line}\n{ADD}")
    failed = project.fails("m")
    assert is_of_our_family(failed)
    for part in [f"{path}:2", *parts]:
        assert part in failed.message, failed


def test_a_wrong_project_file_breaks_no_ordinary_import(project):
    project.write("pyproject.toml", "[tool.zigimport\n")
    assert project.run("import zigimport, colorsys; print('ok')").stdout == "ok\n"


# What else must not happen.


def test_the_working_directory_never_changes(project, wrapped_zig):
    project.write("m.zig", ADD)
    project.write("broken.zig", BROKEN)
    code = """
    import os, threading, zigimport
    seen, done = set(), threading.Event()
    def watch():
        while not done.is_set():
            seen.add(os.getcwd())
    thread = threading.Thread(target=watch)
    thread.start()
    import m
    try:
        import broken
    except ImportError:
        pass
    done.set()
    thread.join()
    print(seen == {os.getcwd()})
    """
    assert project.run(dedented(code)).stdout == "True\n"
    assert wrapped_zig.compiles


def test_a_compile_inherits_nothing_of_the_environment(project, tmp_path, default_zig):
    project.write("m.zig", ADD)
    zig = script(tmp_path / "zig", f"env >> '{tmp_path}/environment'\nexec '{default_zig}' \"$@\"")
    project.imports("m", env={"ZIGIMPORT_ZIG": zig, "SECRET": "value", "ZIG_LOCAL_CACHE_DIR": "/nowhere"})
    names = {line.split("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert "SECRET" not in names and "ZIG_LOCAL_CACHE_DIR" not in names, names


def test_nothing_is_written_beside_the_source(project):
    project.write("m.zig", ADD)
    project.write("broken.zig", BROKEN)
    project.imports("m")
    project.fails("broken")
    assert sorted(path.name for path in project.root.iterdir()) == ["broken.zig", "m.zig"]
    assert list((project.root.parent / "home").iterdir()) == []


def test_a_read_only_project_builds(project):
    project.write("pkg/m.zig", ADD)
    for folder in (project.root / "pkg", project.root):
        folder.chmod(0o500)
    try:
        assert project.imports("pkg.m", "module.add(1, 2)").value == 3
    finally:
        for folder in (project.root, project.root / "pkg"):
            folder.chmod(0o700)


WAITING_ZIG = """
if test "$1" != version; then echo $$ > '{pid}'; exec sleep 600; fi
echo 0.16.0
"""


def waiting_zig(folder):
    """Returns a compiler that never ends, and the file with its process number."""
    pid = folder / "pid"
    return script(folder / "zig", WAITING_ZIG.format(pid=pid)), pid


def wait_for(path, process):
    """Waits until a file has content, as long as the process lives."""
    while not path.exists() or not path.read_text().strip():
        assert process.poll() is None, finish(process)
    return int(path.read_text())


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_interrupt_ends_the_import_and_the_compiler(project, tmp_path):
    project.write("m.zig", ADD)
    zig, pid_file = waiting_zig(tmp_path)
    code = """
    import zigimport
    try:
        import m
    except KeyboardInterrupt:
        print("interrupted")
    """
    process = project.start("-c", dedented(code), env={"ZIGIMPORT_ZIG": zig})
    pid = wait_for(pid_file, process)
    interrupt(process)
    assert finish(process).stdout == "interrupted\n"
    assert not is_running(pid)
    assert project.imports("m", "module.add(1, 2)").value == 3


def test_an_interrupt_during_the_last_report_is_not_lost(project):
    project.write("m.zig", ADD)
    code = """
    import logging, signal
    import zigimport
    class Handler(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("built m"):
                signal.raise_signal(signal.SIGINT)
    logging.getLogger("zigimport").addHandler(Handler())
    logging.getLogger("zigimport").setLevel(logging.INFO)
    try:
        import m
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert project.run(dedented(code)).stdout == "interrupted\n"
    # What was built is there all the same.
    assert project.imports("m").builds == []


def test_an_interrupt_during_a_report_is_not_lost(project, tmp_path):
    project.write("m.zig", ADD)
    zig, _ = waiting_zig(tmp_path)
    # The user's handler of the log takes the interrupt, as a slow terminal would.
    code = """
    import logging, os, signal, zigimport
    class Handler(logging.Handler):
        def emit(self, record):
            os.kill(os.getpid(), signal.SIGINT)
    logging.getLogger("zigimport").addHandler(Handler())
    logging.getLogger("zigimport").setLevel(logging.INFO)
    signal.alarm(60)  # An interrupt that was lost ends as a killed process.
    try:
        import m
    except KeyboardInterrupt:
        print("interrupted")
    """
    ran = project.run(dedented(code), env={"ZIGIMPORT_ZIG": zig})
    assert ran.stdout == "interrupted\n", ran


def test_an_interrupt_reaches_who_waits_for_another_process(project, tmp_path):
    project.write("m.zig", ADD)
    zig, pid_file = waiting_zig(tmp_path)
    builder = project.start_import("m", env={"ZIGIMPORT_ZIG": zig})
    pid = wait_for(pid_file, builder)
    waiter = project.start_import("m", env={"ZIGIMPORT_ZIG": zig, "PYTHONUNBUFFERED": "1"})
    assert b"waiting for process " in waiter.stderr.readline()
    interrupt(waiter)
    assert finish(waiter).json["error"] == "KeyboardInterrupt"
    interrupt(builder)
    assert finish(builder).json["error"] == "KeyboardInterrupt"
    assert not is_running(pid)


def test_who_waits_too_long_is_told_which_lock(project, tmp_path):
    project.write("m.zig", ADD)
    zig, pid_file = waiting_zig(tmp_path)
    builder = project.start_import("m", env={"ZIGIMPORT_ZIG": zig})
    wait_for(pid_file, builder)
    failed = project.fails("m", env={"ZIGIMPORT_ZIG": zig, "ZIGIMPORT_LOCK_TIMEOUT": "0"})
    assert (failed.error, failed.exit_code) == ("LockTimeoutError", 3)
    assert str(project.store) in failed.message
    interrupt(builder)
    finish(builder)


def ends(pid):
    """Waits for a process to end; one that hangs is killed and counts as hanging."""
    for _ in range(1000):
        if not is_running(pid):
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return False


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["process", "group"])
def test_the_compiler_ends_with_a_killed_process(project, tmp_path, kill):
    project.write("m.zig", ADD)
    zig, pid_file = waiting_zig(tmp_path)
    process = project.start_import("m", env={"ZIGIMPORT_ZIG": zig}, start_new_session=True)
    pid = wait_for(pid_file, process)
    kill(process.pid, signal.SIGKILL)
    process.wait()
    assert ends(pid)


def test_standard_output_belongs_to_the_user(project):
    project.write("m.zig", ADD)
    project.write("broken.zig", BROKEN)
    code = "import zigimport, m\ntry:\n    import broken\nexcept ImportError:\n    pass"
    ran = project.run(code, env={"ZIGIMPORT_VERBOSE": "1"})
    assert ran.stdout == "" and "zigimport: built m" in ran.stderr


@pytest.mark.parametrize("state", ["cold", "cached"])
def test_an_import_works_under_a_limit_on_address_space(project, state):
    project.write("m.zig", ADD)
    if state == "cached":
        project.imports("m")
    code = """
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    import zigimport, m
    print(m.add(1, 2))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "3\n", ran


def test_a_plan_needs_little_address_space(project):
    project.write("m.zig", ADD)
    code = """
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    from zigimport.__main__ import main
    main(["plan", "m.zig"])
    """
    ran = project.run(dedented(code))
    assert "1 to build" in ran.stdout, ran


def is_of_our_family(failed):
    return "ImportError" in failed.classes and "ZigImportError" in failed.classes
