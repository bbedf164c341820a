"""``zigimport new``: what it makes imports at once, and its own tests pass."""

import os

import pytest

from conftest import ADD, run_zig

MADE = {
    "module": ["fast.zig", "test_fast.py"],
    "package": ["fast/__init__.zig", "fast/text.zig", "test_fast.py"],
    "project": ["fast/build.zig", "fast/src/numbers.zig", "fast/src/root.zig", "test_fast.py"],
}
EXPRESSION = {
    "module": "[module.add(1, 2), module.greet('Ada'), module.__doc__]",
    "package": "[module.total(['one', 'two three']), __import__('fast.text').text.words('a b'), module.__doc__]",
    "project": "[module.add(1, 2), module.add.__doc__, module.__doc__]",
}
VALUE = {
    "module": [3, "Hello, Ada!", "What fast is for."],
    "package": [3, 2, "What fast is for."],
    "project": [3, "The sum of two numbers.", "What fast is for."],
}
#: What Zig's own tests run on, and how many there are.
ZIG_TESTS = {"module": ("fast.zig", 2), "package": ("fast/__init__.zig", 2), "project": ("fast/src/numbers.zig", 1)}


def files_of(project):
    found = (path for path in project.root.rglob("*") if path.is_file())
    return sorted(path.relative_to(project.root).as_posix() for path in found)


@pytest.fixture
def made(make_project, project_store, zig, kind):
    """A project folder in which a module of a kind has just been made."""
    project = make_project(zig=zig, store=project_store if kind == "project" else None)
    ran = project.cli("new", "fast", "--kind", kind)
    assert ran.returncode == 0 and ran.stderr == "", ran
    return project


@pytest.mark.parametrize("kind", MADE)
def test_what_is_made_imports_and_its_tests_pass(made, kind, zig):
    assert files_of(made) == MADE[kind]
    assert made.imports("fast", EXPRESSION[kind]).value == VALUE[kind]
    tested = made.execute("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0 and f"{2 if kind != 'project' else 1} passed" in tested.stdout, tested
    assert files_of(made) == MADE[kind]


@pytest.mark.parametrize("kind", ["package"])
def test_all_of_a_package_is_built_ahead(made):
    assert made.cli("build").returncode == 0 and made.cli("plan", "--check").returncode == 0
    never = {"ZIGIMPORT_NATIVE": "never"}
    tested = made.execute("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", env=never)
    assert tested.returncode == 0 and "2 passed" in tested.stdout, tested
    # As a path that stands for one module it is the package.
    named = made.run("import zigimport; print(zigimport.build('fast').module, zigimport.signature('fast')['module'])")
    assert named.stdout == "fast fast\n", named


@pytest.mark.parametrize("kind", MADE)
def test_the_tests_in_zig_pass_and_its_files_are_formatted(made, kind, zig):
    path, count = ZIG_TESTS[kind]
    tested = run_zig(made, zig, "test", path)
    assert tested.returncode == 0 and f"All {count} tests passed" in tested.stderr, tested
    formatted = run_zig(made, zig, "fmt", "--check", ".")
    assert formatted.returncode == 0, formatted


@pytest.mark.parametrize("kind", ["project"])
def test_the_build_file_of_a_project_runs_the_tests(made, zig):
    tested = run_zig(made, zig, "build", "test", "--summary", "all", folder="fast")
    assert tested.returncode == 0 and "1 pass" in tested.stderr, tested


@pytest.mark.parametrize("kind", MADE)
def test_the_answer_names_the_files(project, kind):
    text = project.cli("new", "fast", "--kind", kind)
    *made, last = text.stdout.splitlines()
    assert sorted(line.split()[1] for line in made) == MADE[kind], text
    assert last == "test with: python -m pytest test_fast.py"
    answer = project.cli("new", "fast", "--kind", kind, "--directory", "sub/deep", "--format", "json")
    assert answer.json["kind"] == kind and answer.json["name"] == "fast"
    assert sorted(answer.json["paths"]) == [f"sub/deep/{path}" for path in MADE[kind]]
    assert all((project.root / path).is_file() for path in answer.json["paths"])


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("there", ["fast.zig", "fast/notes.txt", "test_fast.py"])
def test_nothing_is_overwritten_and_then_nothing_is_made(project, kind, there):
    project.write(there, "mine")
    ran = project.cli("new", "fast", "--kind", kind)
    assert ran.returncode == 1 and ran.stdout == "", ran
    assert ran.stderr.count(f"`{there.split('/')[0]}") == 1 and "hint: choose another name" in ran.stderr
    assert files_of(project) == [there] and (project.root / there).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_in_the_way_too(project):
    (project.root / "fast.zig").symlink_to("nowhere.zig")
    assert project.cli("new", "fast").returncode == 1 and not (project.root / "nowhere.zig").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two-words", "'two-words': expected a Python identifier"),
        ("1st", "'1st': expected a Python identifier"),
        ("class", "'class': expected a Python identifier"),
        ("", "'': expected a Python identifier"),
        ("../fast", "'../fast': expected a Python identifier"),
        ("a.b", "'a.b': expected a Python identifier"),
        ("json", "'json': the standard library has one"),
        ("sys", "'sys': the standard library has one"),
        ("_zoneinfo", "'_zoneinfo': the standard library has one"),
        ("zigimport", "'zigimport': Python would import '"),
        ("build", "'build': `build.zig` has a meaning of its own"),
    ],
)
def test_a_name_that_could_not_be_imported_is_refused(make_project, python, name, message):
    project = make_project(python=python, warm=False)
    for kind in ("module", "package"):
        ran = project.cli("new", name, "--kind", kind)
        assert ran.returncode == 2 and ran.stderr.startswith("error: a module cannot be named "), ran
        assert message in ran.stderr and len(ran.stderr.splitlines()) == 1 and files_of(project) == []


def test_a_name_may_have_any_letters_where_the_init_function_may(project):
    assert project.cli("new", "größe").returncode == 0
    assert project.imports("größe", "module.add(1, 2)").value == 3
    refused = project.cli("new", "länge", "--kind", "project")
    assert refused.returncode == 2 and "expected ASCII" in refused.stderr


def test_a_module_beside_others_is_no_obstacle(project):
    project.write("other.zig", ADD)
    assert project.cli("new", "fast").returncode == 0
    assert project.imports("fast", "module.add(1, 2)").value == 3


def test_a_folder_that_cannot_be_made_is_one_error(project):
    project.write("file", "")
    ran = project.cli("new", "fast", "--directory", os.path.join("file", "sub"))
    assert ran.returncode == 3 and len(ran.stderr.splitlines()) == 1, ran


def test_wrong_usage_ends_with_2(project):
    for arguments in ([], ["fast", "--kind", "library"]):
        assert project.cli("new", *arguments).returncode == 2


def test_a_name_like_that_of_a_test(project):
    ran = project.cli("new", "test_fast")
    assert ran.returncode == 0 and ran.stdout.endswith("test with: python -m pytest test_test_fast.py\n"), ran
