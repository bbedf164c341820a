"""Other ways to run Python than one program from a file: forks, threads,
subinterpreters, pools, pytest's own workers, an interpreter inside another
program, a zip file, and without site-packages or the environment."""

import re
import shutil
import subprocess
import zipapp
from pathlib import Path

import pytest

from conftest import ADD, dedented, finish, script

GCC = shutil.which("cc")


@pytest.fixture
def held(project, default_zig, tmp_path):
    """A compiler that says by `started` that it began to compile and waits for `go`."""
    path = tmp_path / "held" / "zig"
    path.parent.mkdir()
    started, go = tmp_path / "started", tmp_path / "go"
    wait = f"if [ \"$1\" = build-lib ]; then : > '{started}'; while [ ! -e '{go}' ]; do sleep 0.02; done; fi"
    script(path, f"{wait}\nexec '{default_zig}' \"$@\"")
    project.environment["ZIGIMPORT_ZIG"] = str(path)
    project.environment["STARTED"] = str(started)
    project.environment["GO"] = str(go)
    return project


def site_packages(project):
    """The folder with zigimport in the environment of a project's interpreter."""
    return project.run("import os, zigimport; print(os.path.dirname(os.path.dirname(zigimport.__file__)))").stdout.strip()


# Processes.

POOL = """
import multiprocessing, sys
import zigimport


def work(number):
    import m
    return m.add(number, 1)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(3) as pool:
        print(pool.map(work, range(6)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("is_imported_before", [False, True], ids=["cold", "imported"])
def test_a_pool_of_processes(project, wrapped_zig, method, is_imported_before):
    project.write("m.zig", ADD)
    project.write("app.py", POOL.replace("import zigimport\n", "import zigimport, m\n") if is_imported_before else POOL)
    ran = project.execute("app.py", method)
    assert ran.returncode == 0 and ran.stdout == "[1, 2, 3, 4, 5, 6]\n", ran
    assert len(wrapped_zig.compiles) == 1


def test_a_process_pool_executor(project, wrapped_zig):
    project.write("m.zig", ADD)
    code = """
    from concurrent.futures import ProcessPoolExecutor
    import zigimport, m

    if __name__ == "__main__":
        with ProcessPoolExecutor(3) as pool:
            # A function of Zig is pickled by its name.
            print(list(pool.map(m.add, range(4), range(4))))
    """
    project.write("app.py", dedented(code))
    ran = project.execute("app.py")
    assert ran.returncode == 0 and ran.stdout == "[0, 2, 4, 6]\n", ran
    assert len(wrapped_zig.compiles) == 1


def test_a_fork_while_another_thread_builds(held):
    held.write("m.zig", ADD)
    held.write("n.zig", ADD.replace("a + b", "a * b"))
    code = """
    import os, sys, threading, time
    import zigimport
    import importlib

    def build():
        import m
    thread = threading.Thread(target=build)
    thread.start()
    while not os.path.exists(os.environ["STARTED"]):
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        # The thread and its build are the parent's: this process waits for them, as any other one.
        open(os.environ["GO"], "w").close()
        import n
        zigimport.build("m.zig")
        os._exit(0 if n.add(6, 7) == 42 else 1)
    _, status = os.waitpid(pid, 0)
    thread.join()
    import m
    print(os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status, m.add(1, 2))
    """
    ran = held.run(dedented(code))
    assert ran.returncode == 0 and ran.stdout == "0 3\n", ran
    assert sorted(set(ran.builds)) == ["m", "n"] and ran.builds.count("m") == 1, ran


def test_a_forked_process_outlives_the_one_that_built(held):
    """The lock of a build is not the child's, although it has the file open too."""
    held.write("m.zig", ADD)
    code = """
    import os, signal, sys, threading, time
    import zigimport

    def build():
        import m
    threading.Thread(target=build, daemon=True).start()
    while not os.path.exists(os.environ["STARTED"]):
        time.sleep(0.01)
    ours, theirs = os.pipe()
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(theirs)
    open(os.environ["GO"], "w").close()
    zigimport.build("m.zig")
    print("built", flush=True)
    """
    ran = finish(held.start("-c", dedented(code), env={"ZIGIMPORT_LOCK_TIMEOUT": "20"}))
    assert ran.returncode == -9 and ran.stdout == "built\n", ran


def test_xdist_workers_import_one_module(project, wrapped_zig):
    project.write("m.zig", ADD)
    project.write("n.zig", ADD.replace("a + b", "a * b"))
    project.write("conftest.py", "import zigimport\n")
    tests = "import m, n\nimport pytest\n\n@pytest.mark.parametrize('number', range(12))\ndef test_one(number, worker_id):\n"
    tests += "    print(worker_id)\n    assert m.add(number, 1) == number + 1 and n.add(number, 2) == number * 2\n"
    project.write("test_m.py", tests)
    ran = project.execute("-m", "pytest", "-q", "-n", "4", "-p", "no:cacheprovider", "-rP")
    assert ran.returncode == 0 and "12 passed" in ran.stdout, ran
    assert len(set(re.findall(r"^gw\d$", ran.stdout, re.MULTILINE))) > 1, ran
    assert len(wrapped_zig.compiles) == 2


# Interpreters.

#: Runs code in a subinterpreter, whatever the module for it is called.
SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def run(code):
    interpreter = interpreters.create()
    failure = None
    try:
        failure = interpreters.run_string(interpreter, code)
    except interpreters.RunFailedError as error:
        failure = error
    finally:
        interpreters.destroy(interpreter)
    if failure is not None:
        print("refused:", getattr(failure, "formatted", failure), flush=True)
"""


def test_a_module_in_a_subinterpreter_works_or_is_refused(make_project, python):
    project = make_project(python=python)
    project.write("m.zig", ADD + "pub const Point = struct { x: f64 };\npub fn at(x: f64) Point {\n    return .{ .x = x };\n}\n")
    ran = project.cli("build", "m.zig", "--output-dir", "out")
    assert ran.returncode == 0, ran
    inner = "import sys; sys.path.insert(0, 'out'); import m; assert m.add(1, 2) == 3 and m.at(2.0).x == 2.0; print('works', flush=True)"
    code = SUBINTERPRETER + f"inner = {inner!r}\nrun(inner)\nrun(inner)\nexec(inner)\nrun(inner)\nexec(inner)\n"
    ran = project.run(code)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0 and len(lines) == 5, ran
    assert all(line == "works" or re.match(r"refused: .*\bImportError\b.*subinterpreter", line) for line in lines), ran
    # The interpreter itself is never refused.
    assert lines[2] == lines[4] == "works", ran


def test_the_hook_in_a_subinterpreter_is_refused_clearly_where_it_cannot_be(make_project, python):
    project = make_project(python=python)
    project.write("m.zig", ADD)
    inner = "import sys; sys.path.insert(0, ''); import zigimport, m; assert m.add(1, 2) == 3; print('works', flush=True)"
    code = SUBINTERPRETER + f"inner = {inner!r}\nexec(inner)\nrun(inner)\nexec(inner)\n"
    ran = project.run(code)
    first, second, third = ran.stdout.splitlines()
    assert ran.returncode == 0 and first == third == "works", ran
    assert second == "works" or re.match(r"refused: .*\bImportError\b.*subinterpreter", second), ran


EMBEDDING = r"""
#include <Python.h>

int main(int argc, char **argv) {
    for (int turn = 0; turn < 2; turn++) {
        Py_Initialize();
        if (PyRun_SimpleString(argv[1]) != 0) return 1;
        if (Py_FinalizeEx() != 0) return 2;
    }
    return 0;
}
"""


def test_an_interpreter_inside_another_program(make_project, python, tmp_path):
    project = make_project(python=python)
    variables = "import sysconfig; print(*map(sysconfig.get_config_var, ['LIBDIR', 'LIBPL', 'LDLIBRARY', 'LIBRARY', 'INCLUDEPY', 'VERSION']), sep='\\n')"
    lib, static, library, archive, include, version = project.run(variables).stdout.splitlines()
    found = [folder for folder in (lib, static) if (Path(folder) / library).exists() or (Path(folder) / archive).exists()]
    if not GCC or not found or not (Path(include) / "Python.h").is_file():
        pytest.skip("no C compiler, or CPython has no library or headers here")
    source = tmp_path / "main.c"
    source.write_text(EMBEDDING)
    program = tmp_path / "program"
    libraries = ["-L", found[0], f"-lpython{version}", f"-Wl,-rpath,{found[0]}", "-Wl,--export-dynamic", "-ldl", "-lm", "-lutil", "-lpthread"]
    compiled = subprocess.run([GCC, source, "-I", include, "-o", program, *libraries], capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    project.write("m.zig", ADD)
    path = [str(project.root), site_packages(project)]
    code = f"import sys; sys.path[:0] = {path!r}; import zigimport, m; print(m.add(1, 2), flush=True)"
    home = project.run("import sys; print(sys.base_prefix)").stdout.strip()
    process = project.start(code, python=program, env={"PYTHONHOME": home})
    ran = finish(process)
    assert ran.returncode == 0 and ran.stdout == "3\n3\n", ran
    assert ran.builds == ["m"]


# Ways to start.


def test_without_site_packages(project):
    project.write("m.zig", ADD)
    environment = {"PYTHONPATH": site_packages(project)}
    ran = project.execute("-S", "-c", "import zigimport, m; print(m.add(1, 2))", env=environment)
    assert ran.returncode == 0 and ran.stdout == "3\n", ran


@pytest.mark.parametrize("option", ["-I", "-E", "-P"])
def test_isolated(project, option):
    if option == "-P" and project.run("import sys; print(sys.version_info >= (3, 11))").stdout != "True\n":
        pytest.skip("-P is of Python 3.11")
    project.write("m.zig", ADD)
    code = f"import sys; sys.path.insert(0, {str(project.root)!r}); import zigimport, m; print(m.add(1, 2))"
    ran = project.execute(option, "-c", code)
    # Python's own variables are ignored; ours are not Python's.
    assert ran.returncode == 0 and ran.stdout == "3\n" and project.stored("libraries"), ran
    if option != "-E":
        without = project.execute(option, "-c", "import zigimport, m")
        assert without.returncode == 1 and "No module named 'm'" in without.stderr, without


@pytest.mark.parametrize("options", [[], ["-O"], ["-OO"], ["-B"], ["-X", "dev", "-W", "error"]], ids=" ".join)
def test_with_options_of_python(project, options):
    project.write("m.zig", ADD)
    ran = project.execute(*options, "-c", "import zigimport, m; print(m.add(1, 2))")
    assert ran.returncode == 0 and ran.stdout == "3\n" and "Warning" not in ran.stderr, ran


def test_a_zipapp_with_zig_beside_it(project):
    app = project.root / "app"
    project.write("app/__main__.py", "import zigimport, helper\nprint(helper.three())\n")
    project.write("app/helper.py", "import m\n\ndef three():\n    return m.add(1, 2)\n")
    zipapp.create_archive(app, project.root / "app.pyz")
    project.write("zig/m.zig", ADD)
    ran = project.execute("app.pyz", env={"ZIGIMPORT_INCLUDE_PATHS": project.root / "zig"})
    assert ran.returncode == 0 and ran.stdout == "3\n", ran
    assert project.execute("app.pyz", env={"ZIGIMPORT_INCLUDE_PATHS": project.root / "zig"}).builds == []


def test_zig_inside_a_zip_file_is_no_module(project):
    project.write("app/__main__.py", "import zigimport, inside\n")
    project.write("app/inside.zig", ADD)
    zipapp.create_archive(project.root / "app", project.root / "app.pyz")
    ran = project.execute("app.pyz")
    assert ran.returncode == 1 and "ModuleNotFoundError: No module named 'inside'" in ran.stderr, ran


def test_zigimport_inside_a_zip_file_is_refused_with_a_way_out(project, tmp_path):
    archive = tmp_path / "all.pyz"
    folder = tmp_path / "all"
    shutil.copytree(Path(site_packages(project)) / "zigimport", folder / "zigimport")
    (folder / "__main__.py").write_text("import zigimport\n")
    zipapp.create_archive(folder, archive)
    ran = project.execute("-S", str(archive))
    expected = f"ImportError: failed to import zigimport from the zip file {str(archive)!r}: "
    assert ran.returncode == 1 and expected in ran.stderr and "install zigimport beside it" in ran.stderr, ran
