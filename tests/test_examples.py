"""Every example runs on every Zig and prints what the file beside it says."""

import shutil

import pytest

from conftest import ROOT, needs

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/demo.py"))


def run(make_project, name, zig):
    """Runs an example in a copy of its folder."""
    project = make_project(zig=zig)
    folder = ROOT / "examples" / name
    shutil.copytree(folder, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    ran = project.execute("demo.py", env={"PYTHONIOENCODING": "utf-8"})
    assert ran.returncode == 0, ran
    return ran, (folder / "expected.txt").read_text(encoding="utf-8")


def test_there_are_examples():
    assert len(EXAMPLES) >= 11


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "geometry"])
def test_an_example_prints_what_is_expected(make_project, zig, name):
    ran, expected = run(make_project, name, zig)
    assert ran.stdout == expected, ran


def test_the_bundled_example_ends_with_what_is_expected(make_project, zig):
    ran, expected = run(make_project, "geometry", zig)
    assert ran.stdout.endswith(expected) and f"Zig {zig}" in ran.stdout, ran


def test_the_numeric_example_needs_no_numpy(make_project, environments):
    needs(environments, environments["main"], "numpy")
    project = make_project()
    folder = ROOT / "examples" / "smoothing"
    shutil.copytree(folder, project.root, dirs_exist_ok=True)
    project.write("numpy.py", "raise ImportError('not here')\n")
    ran = project.execute("demo.py")
    assert ran.returncode == 0 and ran.stdout == (folder / "expected.txt").read_text(), ran
