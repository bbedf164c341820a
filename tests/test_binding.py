"""Plain `pub fn` as Python functions: one module of every supported type, on
every Zig and every Python, through the import hook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PYTHONS, ZIGS, Project, base_environment

FOLDER = Path(__file__).parent / "binding"
CHECKS = re.findall(r"^def (check_\w+)", (FOLDER / "checks.py").read_text(), re.MULTILINE)
MODES = ("Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall")


@pytest.fixture(scope="session")
def geometry(environments, tmp_path_factory):
    """Returns a project with `geometry.zig` for a line of Zig; its store is
    shared, because every check is about the same artifact."""
    made = {}

    def project(line):
        if line not in made:
            root = tmp_path_factory.mktemp(f"geometry-{line}")
            environment = base_environment(root, environments["zigs"][line], root / "store")
            made[line] = Project(root, environments["pythons"][environments["main"]], environment)
            for name in ("geometry.zig", "checks.py", "support.py"):
                shutil.copy(FOLDER / name, root)
        return made[line]

    return project


def test_on_every_zig_and_python(geometry, environments, zig, python):
    ran = geometry(zig).execute("checks.py", *CHECKS, python=environments["pythons"][python])
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("mode", MODES[1:])
def test_in_every_optimize_mode(geometry, zig, mode):
    ran = geometry(zig).execute("checks.py", *CHECKS, env={"ZIGIMPORT_OPTIMIZE": mode})
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("mode", ["Debug", "ReleaseSafe"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("g.bump(255)", "integer overflow"),
        ("g.at(5)", "index out of bounds: index 5, len 3"),
        ("g.unwrap(None)", "attempt to use null value"),
        ("g.boom('so sad')", "so sad"),
        ("g.boom('x' * 5000)", "x" * 900),
        ("t = threading.Thread(target=g.bump, args=(255,)); t.start(); t.join()", "integer overflow"),
    ],
)
def test_a_panic_names_the_module_and_the_reason(geometry, zig, mode, call, message):
    no_core_file = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
    code = f"{no_core_file}; import threading, zigimport, geometry as g; {call}"
    ran = geometry(zig).run(code, env={"ZIGIMPORT_OPTIMIZE": mode})
    assert ran.returncode == -6, ran
    assert f"zig panic in module geometry: {message}" in ran.stderr, ran


def support_folder(project):
    """Our Zig sources, as the wheel brought them into the store."""
    (definitions,) = project.store.glob("zig-v*/*/global/zigimport-*/binding/python3.def")
    return definitions.parent


@pytest.mark.parametrize("mode", MODES)
def test_a_library_asks_for_nothing_but_the_stable_abi_and_libc(geometry, zig, mode):
    project = geometry(zig)
    library = project.imports("geometry", "module.__file__", env={"ZIGIMPORT_OPTIMIZE": mode}).value
    listed = subprocess.run(["nm", "-D", library], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    undefined = {line.split()[-1].split("@")[0] for line in listed if " U " in line}
    known = set(re.findall(r"^    (\w+)", (support_folder(project) / "python3.def").read_text(), re.MULTILINE))
    asked = {name for name in undefined if name.startswith(("Py", "_Py"))}
    assert asked and asked <= known, asked - known
    exported = {line.split()[-1] for line in listed if re.search(r" [TDBR] ", line)}
    assert "PyInit_geometry" in exported and exported <= {"PyInit_geometry", "exported"}, exported


def test_the_definitions_for_windows_name_what_the_binding_uses(geometry):
    project = geometry("0.16")
    project.imports("geometry")
    folder = support_folder(project)
    functions = set(re.findall(r"pub extern fn (\w+)", (folder / "abi.zig").read_text()))
    classes = set()
    for path in folder.glob("*.zig"):
        classes |= set(re.findall(r'(?:exception|raise)\((?:[^"(),]+, )?"(\w+)"', path.read_text()))
    lines = re.findall(r"^    (.+)$", (folder / "python3.def").read_text(), re.MULTILINE)
    assert {line for line in lines if not line.endswith(" DATA")} == functions
    assert {line.split()[0][len("PyExc_") :] for line in lines if line.endswith(" DATA")} == classes


def test_the_binding_can_be_read_in_one_sitting(geometry):
    """It stays below 2,500 lines of code: neither blank, nor comments, nor unit tests."""
    project = geometry("0.16")
    project.imports("geometry")
    code = 0
    for path in support_folder(project).glob("*.zig"):
        without_tests = re.sub(r"^test\b.*?^}$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        lines = (line.strip() for line in without_tests.splitlines())
        code += sum(1 for line in lines if line and not line.startswith("//"))
    assert 2000 < code < 2500


def test_hundreds_of_declarations_and_long_names_work(make_project, zig):
    project = make_project(zig=zig)
    source = []
    for number in range(200):
        names = [f"a_rather_long_parameter_name_{index}" for index in range(30 if number % 20 == 0 else 3)]
        source.append("/// " + "text " * 200 + "end")
        source.append(f"pub fn function_{number}({', '.join(name + ': u128' for name in names)}) u64 {{")
        source.extend(f"    _ = {name};" for name in names)
        source.append(f"    return {number};\n}}")
    source.extend(f"pub const constant_{number} = {number};" for number in range(600))
    project.write("large.zig", "\n".join(source) + "\n")
    values = "module.function_199(1, 2, 3), module.function_0(*range(30)), module.constant_599"
    assert project.imports("large", f"[{values}, len(module.function_0.__doc__)]").value == [199, 0, 599, 1003]


@pytest.mark.parametrize("text", ['a "quoted" word', "back\\slash \\n", "größe 🦎", "{braces} and %s", "*/ //"])
def test_documentation_may_have_any_text(project, text):
    project.write("m.zig", f"//! {text}\n\n/// {text}\n///\n/// More.\npub fn f() void {{}}\n")
    assert project.imports("m", "[module.__doc__, module.f.__doc__]").value == [text, f"{text}\n\nMore."]


@pytest.mark.parametrize("name", ["fn", "while", "with space", "größe", 'quo"te', "x.y"])
def test_a_quoted_name_is_exported_under_that_name(project, name):
    quoted = name.replace('"', '\\"')
    project.write("m.zig", f'pub fn @"{quoted}"() u8 {{\n    return 5;\n}}\npub const @"{quoted}_value" = 6;\n')
    imported = project.imports("m", f"[getattr(module, {name!r})(), getattr(module, {name + '_value'!r})]")
    assert imported.value == [5, 6]


def test_names_of_the_binding_and_of_python_are_no_trouble(project):
    names = ["zigimport", "user", "declarations", "root", "std", "builtin", "main", "panic", "list", "doc", "exports"]
    project.write("m.zig", "".join(f"pub fn {name}() u8 {{\n    return 1;\n}}\n" for name in names))
    assert project.imports("m", f"sum(getattr(module, name)() for name in {names})").value == len(names)


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("FileNotFoundError", "FileNotFoundError"),
        ("SyntaxError", "SyntaxError"),
        ("OutOfMemory", "MemoryError"),
        # It takes more than a message.
        ("UnicodeDecodeError", "ZigError"),
        # They would end the process.
        ("SystemExit", "ZigError"),
        ("KeyboardInterrupt", "ZigError"),
        # They are built in, but no exceptions.
        ("len", "ZigError"),
        ("int", "ZigError"),
        ("__doc__", "ZigError"),
    ],
)
def test_an_error_raises_the_built_in_exception_of_its_name(project, name, raised):
    project.write("m.zig", f"pub fn fail() !void {{\n    return error.{name};\n}}\n")
    # Also where the caller has no names of its own.
    code = """
import m
for names in ({}, {"__builtins__": {}}):
    try:
        eval("fail()", dict(names, fail=m.fail))
    except BaseException as error:
        print(type(error).__name__, error, getattr(error, "name", None), error.__context__)
"""
    ran = project.run(f"import zigimport{code}")
    attribute = name if raised == "ZigError" else None
    assert ran.stdout.splitlines() == [f"{raised} {name} {attribute} None"] * 2, ran


def test_a_module_may_use_the_c_library(project, zig, environments):
    project.environment["ZIGIMPORT_ZIG"] = environments["zigs"][zig]
    declaration = 'extern "c" fn abs(value: c_int) c_int;\n'
    project.write("m.zig", declaration + "pub fn size(value: c_int) c_int {\n    return abs(value);\n}\n")
    assert project.imports("m", "module.size(-5)").value == 5


def test_the_lists_of_versions_agree(environments):
    assert set(environments["zigs"]) == set(ZIGS) and set(environments["pythons"]) <= set(PYTHONS)
