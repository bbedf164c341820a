"""``zigimport site``: Zig modules without ``import zigimport``, for a whole interpreter."""

import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ADD, Project, dedented

#: Says whether the package and the finders are there, and what a module answers.
STATE = """
import sys
finders = [type(finder).__name__ for finder in sys.meta_path]
print("zigimport" in sys.modules, finders.count("SiteFinder"))
"""


def virtual(project, folder):
    """Makes a virtual environment for a project with a copy of the package, and nothing else."""
    subprocess.run([project.python, "-m", "venv", "--without-pip", folder], check=True)
    ours = Project(project.root, str(folder / "bin" / "python"), project.environment)
    shutil.copytree(package_of(project), packages(ours) / "zigimport")
    return ours


def package_of(project):
    """The folder of the package that a project's interpreter has."""
    return project.run("import zigimport, os; print(os.path.dirname(zigimport.__file__))").stdout.strip()


def packages(project):
    """The folder for packages of a project's interpreter."""
    return Path(project.run("import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())


def site(project, *arguments, **keywords):
    return project.cli("site", *arguments, **keywords)


def test_with_it_an_import_needs_nothing_first(make_project, python, tmp_path):
    project = virtual(make_project(python=python), tmp_path / "environment")
    project.write("m.zig", ADD)
    code = "import m; print(m.add(1, 2))"
    assert "No module named 'm'" in project.run(code).stderr
    installed = site(project, "install")
    path = packages(project) / "zigimport.pth"
    assert installed.returncode == 0 and installed.stdout == f"{path}  installed\n", installed
    assert project.run(code).stdout == "3\n"
    assert project.run(code).stderr == ""
    removed = site(project, "uninstall")
    assert removed.stdout == f"{path}  removed\n" and not path.exists()
    assert "No module named 'm'" in project.run(code).stderr


@pytest.fixture
def site_project(project, tmp_path):
    """A virtual environment of the main Python in which it is active."""
    ours = virtual(project, tmp_path / "environment")
    assert site(ours, "install").returncode == 0
    return ours


def test_it_is_installed_once_and_renewed_when_the_package_moves(site_project):
    path = packages(site_project) / "zigimport.pth"
    before = path.stat()
    again = site(site_project, "install", "--format", "json")
    assert again.json == {"path": str(path), "changed": False} and path.stat().st_ino == before.st_ino
    assert site(site_project, "info").stdout.startswith(f"installed      {path} (interpreter)\n")
    path.write_text(path.read_text().replace("_site.py", "_old.py"))
    assert site(site_project, "info", "--format", "json").json[0]["state"] == "outdated"
    assert site(site_project, "install", "--format", "json").json["changed"] is True
    assert site(site_project, "info", "--format", "json").json[0]["state"] == "installed"
    assert sorted(one.name for one in path.parent.glob("zigimport.pth*")) == ["zigimport.pth"]
    assert site(site_project, "uninstall", "--format", "json").json == {"path": str(path), "changed": True}
    assert site(site_project, "uninstall", "--format", "json").json == {"path": str(path), "changed": False}
    assert site(site_project, "info").stdout.startswith(f"not installed  {path} (interpreter)\n")


def test_a_file_of_somebody_else_is_left_alone(site_project):
    path = packages(site_project) / "zigimport.pth"
    path.write_text("/somewhere\n")
    for action in ("install", "uninstall"):
        refused = site(site_project, action)
        assert refused.returncode == 1 and "was not written by zigimport" in refused.stderr, refused
        assert "hint: " in refused.stderr and path.read_text() == "/somewhere\n"
    assert site(site_project, "info", "--format", "json").json[0]["state"] == "foreign"


def test_the_users_folder_is_refused_where_it_is_not_used(site_project):
    refused = site(site_project, "install", "--user")
    assert refused.returncode == 3 and "leave out --user" in refused.stderr, refused


def test_the_users_folder_works(project):
    installed = package_of(project)
    project.python = project.run("import os, sys; print(os.path.realpath(sys.executable))").stdout.strip()
    user = Path(project.run("import site; print(site.getusersitepackages())").stdout.strip())
    assert user.is_relative_to(project.environment["HOME"])
    shutil.copytree(installed, user / "zigimport")
    project.write("m.zig", ADD)
    assert site(project, "install", "--user").stdout == f"{user / 'zigimport.pth'}  installed\n"
    ran = project.run(STATE + "import m\nprint(m.add(1, 2))")
    assert ran.stdout == "False 2\n3\n", ran
    # Isolated, Python does not look into that folder; nor without `site`.
    for option in ("-I", "-s", "-S"):
        assert project.execute(option, "-c", STATE).stdout == "False 0\n"
    assert project.execute("-E", "-c", STATE).stdout == "False 2\n"
    assert site(project, "uninstall", "--user").returncode == 0


def test_an_interpreter_without_the_package_is_silent(site_project):
    shutil.rmtree(packages(site_project) / "zigimport")
    for options in ((), ("-I",), ("-X", "dev", "-W", "error")):
        ran = site_project.execute(*options, "-c", STATE)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "False 0\n", ""), ran


def test_a_broken_package_is_silent_at_the_start(site_project):
    (packages(site_project) / "zigimport" / "_site.py").write_text("this is no Python")
    ran = site_project.run(STATE)
    assert (ran.stdout, ran.stderr) == ("False 0\n", ""), ran


def test_a_package_that_goes_while_a_process_runs_is_a_missing_module(site_project):
    site_project.write("m.zig", ADD)
    code = """
    import shutil, sys
    shutil.rmtree(sys.argv[1])
    try:
        import m
    except ModuleNotFoundError as error:
        print(error)
    """
    ran = site_project.run(dedented(code), packages(site_project) / "zigimport")
    assert ran.stdout == "No module named 'm'\n", ran


def test_a_process_that_imports_no_zig_does_not_load_the_package(site_project):
    site_project.write("plain.py", "")
    site_project.write("pkg/__init__.py", "")
    site_project.write("pkg/part.py", "")
    site_project.write("space/part.py", "")
    code = """
    import sys
    before = set(sys.modules)
    import plain, pkg.part, space.part, space
    try:
        import missing
    except ModuleNotFoundError:
        pass
    print("zigimport" in sys.modules, sorted(set(sys.modules) - before), space.__path__._path)
    """
    loaded = ["pkg", "pkg.part", "plain", "space", "space.part"]
    assert site_project.run(dedented(code)).stdout == f"False {loaded} ['{site_project.root}/space']\n"


def test_it_loads_nothing_of_its_own_when_python_starts(site_project):
    code = "import sys; print(sorted(sys.modules))"
    with_it = site_project.run(code).stdout
    assert site(site_project, "uninstall").returncode == 0
    assert site_project.run(code).stdout == with_it


@pytest.mark.parametrize(
    ("files", "statement"),
    [
        ({"m.zig": ADD}, "import m; print(m.add(1, 2))"),
        ({"pack/__init__.zig": ADD, "pack/part.zig": ADD}, "import pack.part; print(pack.add(1, 2))"),
        ({"pkg/__init__.py": "", "pkg/m.zig": ADD}, "from pkg import m; print(m.add(1, 2))"),
        ({"space/m.zig": ADD}, "import space.m; print(space.m.add(1, 2))"),
        ({"m.zig": ADD, "m/data.txt": ""}, "import m; print(m.add(1, 2))"),
        ({"other/m.zig": ADD}, "import m; print(m.add(1, 2))"),
    ],
)
def test_every_kind_of_module_is_found(site_project, files, statement):
    for path, content in files.items():
        site_project.write(path, content)
    ran = site_project.run(statement, env={"ZIGIMPORT_INCLUDE_PATHS": site_project.root / "other"})
    assert ran.stdout == "3\n", ran


def test_a_project_is_found_and_a_build_file_is_no_module(site_project):
    site_project.write("b/build.zig", "")
    site_project.write("build.zig", "")
    code = """
    import importlib.util, sys
    print(importlib.util.find_spec("build"), "zigimport" in sys.modules)
    print(importlib.util.find_spec("b").origin)
    """
    assert site_project.run(dedented(code)).stdout == f"None False\n{site_project.root}/b/build.zig\n"


def test_what_python_finds_wins_also_by_a_finder_that_came_later(site_project):
    for name in ("json", "plain", "late"):
        site_project.write(f"{name}.zig", ADD)
    site_project.write("plain.py", "")
    code = """
    import sys, types
    from importlib.machinery import ModuleSpec

    class Late:
        def find_spec(self, name, path=None, target=None):
            return ModuleSpec(name, self) if name == "late" else None
        def create_module(self, spec):
            return types.ModuleType(spec.name)
        def exec_module(self, module):
            module.by = "Late"

    sys.meta_path.append(Late())
    import json, late, plain
    print(json.__file__.endswith(".py"), plain.__file__.endswith(".py"), late.by, "zigimport" in sys.modules)
    """
    assert site_project.run(dedented(code)).stdout == "True True Late False\n"


def test_a_module_that_appears_after_a_failed_import_is_found(site_project):
    code = f"""
    import importlib
    try:
        import late
    except ModuleNotFoundError:
        open("late.zig", "w").write({ADD!r})
    importlib.invalidate_caches()
    import late
    print(late.add(1, 2))
    """
    assert site_project.run(dedented(code)).stdout == "3\n"


def test_entries_of_the_path_that_are_no_folders_are_passed_over(site_project):
    site_project.write("m.zig", ADD)
    archive = site_project.write("modules.zip", "")
    code = f"""
    import os, sys
    sys.path[:0] = [{str(archive)!r}, "missing", os.fsencode("bytes"), None]
    import m
    print(m.add(1, 2))
    """
    assert site_project.run(dedented(code)).stdout == "3\n"


def test_the_hook_takes_its_place_and_leaves_nothing(site_project):
    site_project.write("m.zig", ADD)
    code = """
    import sys
    names = lambda: [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path]
    print(names())
    START
    print(names())
    import zigimport
    zigimport.uninstall()
    print(names())
    """
    python = ["BuiltinImporter", "FrozenImporter"]
    expected = [
        [*python, "SiteFinder", "PathFinder", "SiteFinder"],
        [*python, "NamespaceFinder", "PathFinder", "ZigFinder"],
        [*python, "PathFinder"],
    ]
    for start in ("import m", "import zigimport", "import zigimport; zigimport.install()"):
        ran = site_project.run(dedented(code).replace("START", start))
        assert ran.stdout.splitlines() == [str(one) for one in expected], ran


@pytest.mark.parametrize("off", ["0", "false", "No", "OFF"])
def test_it_can_be_turned_off(site_project, off):
    site_project.write("m.zig", ADD)
    ran = site_project.run(STATE + "import m", env={"ZIGIMPORT_ENABLED": off})
    assert ran.stdout == "False 0\n" and "No module named 'm'" in ran.stderr, ran


def test_a_wrong_setting_is_said_when_a_zig_module_is_imported(site_project):
    site_project.write("m.zig", ADD)
    ran = site_project.run("import json\nprint(1)\nimport m", env={"ZIGIMPORT_ENABLED": "maybe"})
    assert ran.stdout == "1\n" and "invalid value `maybe` for ZIGIMPORT_ENABLED" in ran.stderr, ran


def test_python_options_that_isolate_keep_the_folders_of_the_interpreter(site_project):
    site_project.write("m.zig", ADD)
    code = f"{STATE}import sys\nsys.path.insert(0, {str(site_project.root)!r})\nimport m\nprint(m.add(1, 2))"
    for option in ("-I", "-E", "-s"):
        ran = site_project.execute(option, "-c", code)
        assert ran.stdout == "False 2\n3\n", (option, ran)
    ran = site_project.execute("-S", "-c", code)
    assert ran.stdout == "False 0\n" and "No module named 'm'" in ran.stderr, ran


def test_many_threads_import_their_first_zig_module(site_project):
    for index in range(4):
        site_project.write(f"m{index}.zig", ADD)
    code = """
    import sys, threading
    barrier = threading.Barrier(8)
    answers = []
    def run(index):
        barrier.wait()
        answers.append(__import__(f"m{index % 4}").add(index, 1))
    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(sorted(answers), len([one for one in sys.meta_path if "Finder" in type(one).__name__]))
    """
    ran = site_project.run(dedented(code))
    assert ran.stdout == "[1, 2, 3, 4, 5, 6, 7, 8] 2\n", ran


def test_a_script_and_a_module_run_as_programs(site_project):
    site_project.write("m.zig", ADD)
    site_project.write("main.py", "import m\nprint(m.add(1, 2))\n")
    assert site_project.execute("main.py").stdout == "3\n"
    assert site_project.execute("-m", "main").stdout == "3\n"


def test_the_path_of_the_package_may_have_any_characters(project, tmp_path):
    project.environment["LC_ALL"] = "C.UTF-8"
    ours = virtual(project, tmp_path / "größe ' \" \\ 環境")
    assert site(ours, "install").returncode == 0
    assert (packages(ours) / "zigimport.pth").read_bytes().isascii()
    assert ours.run(STATE).stdout == "False 2\n"
