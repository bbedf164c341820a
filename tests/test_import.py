"""What can be imported, from where, and under which name."""

import json
import os
import zipfile

import pytest

from conftest import ADD, dedented

HELLO = 'pub fn hello() []const u8 {\n    return "hello";\n}\n'

#: Prints the names of modules that the code loads and that Python had not.
LOADED_MODULES = """
import sys
before = set(sys.modules)
import zigimport, m
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def write_multi_file_module(project):
    project.write(
        "geometry.zig",
        """
        //! Plane geometry.
        const shapes = @import("shapes/circle.zig");
        const names = @embedFile("shapes/data/names.txt");

        /// Area of a circle.
        pub fn area(radius: f64) f64 {
            return shapes.area(radius);
        }
        pub fn first() []const u8 {
            return names[0..6];
        }
        """,
    )
    project.write(
        "shapes/circle.zig",
        """
        const numbers = @import("inner/numbers.zig");
        pub fn area(radius: f64) f64 {
            return numbers.pi * radius * radius;
        }
        """,
    )
    project.write("shapes/inner/numbers.zig", "pub const pi = 3.0;\n")
    project.write("shapes/data/names.txt", "circle square")


# Kinds of modules.


@pytest.mark.parametrize("text", ["", "//! Only a folder of modules.\n", "const part = @import(\"part.zig\");\n"])
def test_a_package_may_have_nothing_of_its_own(make_project, zig, text):
    project = make_project(zig=zig)
    project.write("pack/__init__.zig", text)
    project.write("pack/part.zig", ADD)
    assert project.imports("pack.part", "module.add(1, 2)").value == 3
    assert project.imports("pack", "sorted(name for name in vars(module) if name[0] != '_')").value == ["ZigError"]


def test_a_module_of_several_files_and_an_embedded_one_imports(project):
    write_multi_file_module(project)
    imported = project.imports("geometry", "[module.area(2), module.first(), module.__doc__, module.area.__doc__]")
    assert imported.value == [12.0, "circle", "Plane geometry.", "Area of a circle."]


def test_a_cached_import_runs_no_compiler_and_says_nothing(project, wrapped_zig):
    write_multi_file_module(project)
    project.imports("geometry")
    calls = wrapped_zig.calls
    assert len(wrapped_zig.compiles) == 1
    again = project.imports("geometry", "module.area(2)")
    assert (again.value, again.stderr, wrapped_zig.calls) == (12.0, "", calls)


@pytest.mark.parametrize("statement", ["from . import fast", "from .fast import add", "import pkg.fast"])
def test_a_package_imports_its_zig_module(project, statement):
    project.write("pkg/__init__.py", f"{statement}\n")
    project.write("pkg/fast.zig", ADD)
    imported = project.run("import zigimport, pkg; print(pkg.fast.add(1, 2), pkg.fast.__name__, pkg.fast.__package__)")
    assert imported.stdout == "3 pkg.fast pkg\n", imported


def test_a_namespace_package_has_zig_modules(project):
    project.write("space/fast.zig", ADD)
    assert project.imports("space.fast", "module.add(1, 2)").value == 3


def test_a_namespace_package_in_several_folders_has_zig_modules_in_each(project):
    project.write("one/space/left.zig", ADD)
    project.write("two/space/right.zig", HELLO)
    project.write("two/space/python.py", "value = 5\n")
    code = """
    import sys; sys.path[:0] = ["one", "two"]
    import zigimport, space.left, space.right, space.python
    print(space.left.add(1, 2), space.right.hello(), space.python.value, len(space.__path__))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "3 hello 5 2\n", ran


def test_a_package_of_zig_has_submodules_in_zig_and_python(project):
    project.write("pack/__init__.zig", ADD)
    project.write("pack/inner.zig", HELLO)
    project.write("pack/deep/__init__.zig", HELLO)
    project.write("pack/deep/leaf.zig", ADD)
    project.write("pack/helper.py", "from . import add\nvalue = add(2, 3)\n")
    code = """
    import zigimport, pack.inner, pack.deep.leaf, pack.helper
    print(pack.add(1, 2), pack.inner.hello(), pack.deep.hello(), pack.deep.leaf.add(3, 4), pack.helper.value)
    print(pack.__path__ == [__import__("os").path.abspath("pack")], pack.__package__, pack.deep.leaf.__package__)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "3 hello hello 7 5\nTrue pack pack.deep\n", ran


def test_a_zig_file_wins_over_a_folder_of_the_same_name_beside_it(project):
    project.write("geo.zig", 'const part = @import("geo/part.zig");\npub fn five() u8 {\n    return part.five;\n}\n')
    project.write("geo/part.zig", "pub const five = 5;\n")
    assert project.imports("geo", "module.five()").value == 5


def test_what_stands_earlier_on_the_path_wins(project):
    project.write("early/m.zig", "pub fn place() u8 {\n    return 1;\n}\n")
    project.write("late/m.zig", "pub fn place() u8 {\n    return 2;\n}\n")
    code = "import sys; sys.path[:0] = ['early', 'late']; import zigimport, m; print(m.place())"
    assert project.run(code).stdout == "1\n"


def test_a_build_file_beside_other_files_is_not_a_module(project):
    project.write("build.zig", ADD)
    assert project.fails("build").error == "ModuleNotFoundError"


# What Python finds wins.


@pytest.mark.parametrize("name", ["colorsys", "this", "json", "sys", "xml"])
def test_the_standard_library_is_never_shadowed(project, name):
    project.write(f"{name}.zig", ADD)
    project.write(f"{name}/__init__.zig", ADD)
    ran = project.run(f"import zigimport, {name}; print(hasattr({name}, 'add'))")
    assert ran.stdout.splitlines()[-1] == "False" and ran.builds == [], ran


def test_a_file_on_the_path_is_no_submodule_of_an_unrelated_package(project):
    project.write("reader.zig", ADD)
    failed = project.fails("xml.reader")
    assert (failed.error, failed.name) == ("ModuleNotFoundError", "xml.reader")


@pytest.mark.parametrize("installed", ["m.py", "m/__init__.py"])
def test_an_installed_python_module_wins_over_zig(project, installed):
    project.write(f"site/{installed}", "origin = 'python'\n")
    project.write("m.zig", ADD)
    ran = project.run("import sys; sys.path.append('site'); import zigimport, m; print(m.origin)")
    assert (ran.stdout, ran.builds) == ("python\n", [])


def test_a_prebuilt_extension_wins_and_needs_no_compiler(project):
    project.write("m.zig", ADD)
    built = project.cli("build", "m.zig", "--output-dir", "site")
    assert built.returncode == 0, built
    project.write("m.zig", "broken")
    ran = project.run(
        "import sys; sys.path.append('site'); import zigimport, m; print(m.add(1, 2), m.__file__)",
        env={"ZIGIMPORT_ZIG": None, "PATH": "/nowhere", "ZIGIMPORT_BUILD_DIR": project.root / "empty"},
    )
    assert ran.stdout.startswith("3 ") and "site" in ran.stdout, ran


def test_a_missing_module_is_reported_as_python_does(project):
    failed = project.fails("nowhere")
    assert (failed.error, failed.name) == ("ModuleNotFoundError", "nowhere")
    assert failed.message == "No module named 'nowhere'"


def test_an_ordinary_import_is_untouched(project):
    project.write("plain.py", "value = 1\n")
    code = "print(type(plain.__loader__), plain.__spec__.origin, sorted(vars(plain)))"
    with_hook = project.run(f"import zigimport, plain; {code}")
    without = project.run(f"import plain; {code}")
    assert with_hook.stdout == without.stdout != ""


# Paths.


@pytest.mark.parametrize(
    "folder",
    ["with space", "größe", "日本語", "it's", 'a "quoted" one', "back\\slash", "a,b=c;d&e$f", "-leading", "100%"],
)
def test_a_path_may_have_any_characters(make_project, folder):
    project = make_project(folder, store=None)
    write_multi_file_module(project)
    assert project.imports("geometry", "[module.area(2), module.first()]").value == [12.0, "circle"]


@pytest.mark.parametrize("folder", ["with space", "größe", 'a "quoted" one'])
def test_the_cache_may_lie_at_a_path_with_any_characters(make_project, tmp_path, folder):
    project = make_project(store=tmp_path / folder / "cache")
    project.write("m.zig", ADD)
    assert project.imports("m", "module.add(1, 2)").value == 3
    assert project.imports("m", "module.add(1, 2)").builds == []


def test_the_cache_may_be_named_relative_to_the_working_directory(project):
    project.write("m.zig", ADD)
    environment = {"ZIGIMPORT_BUILD_DIR": "cache"}
    assert project.imports("m", "module.__file__.startswith('/')", env=environment).value is True
    assert (project.root / "cache").is_dir()


@pytest.mark.parametrize("name", ["größe", "数学", "_private", "Ünï_9"])
def test_a_module_name_may_have_any_letters(project, name):
    project.write(f"{name}.zig", ADD)
    assert project.imports(name, "[module.add(1, 2), module.__name__]").value == [3, name]


def test_entries_of_the_path_that_are_no_folders_are_passed_over(project):
    project.write("found/m.zig", ADD)
    project.write("plain file", "no folder")
    with zipfile.ZipFile(project.root / "archive.zip", "w") as archive:
        archive.writestr("zipped.py", "value = 7\n")
    code = """
    import sys, pathlib
    sys.path[:0] = ["plain file", "archive.zip", "missing", None, 5, b"bytes", pathlib.Path("found"), "found"]
    import zigimport, m, zipped
    print(m.add(1, 2), zipped.value)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "3 7\n", ran


def test_folders_named_by_the_setting_come_after_the_path(project):
    project.write("first/a.zig", "pub fn place() u8 {\n    return 1;\n}\n")
    project.write("second/a.zig", "pub fn place() u8 {\n    return 2;\n}\n")
    project.write("second/b.zig", "pub fn place() u8 {\n    return 2;\n}\n")
    environment = {"ZIGIMPORT_INCLUDE_PATHS": os.pathsep.join(["", "first", str(project.root / "second")])}
    assert project.imports("a", "module.place()", env=environment).value == 1
    assert project.imports("b", "module.place()", env=environment).value == 2
    project.write("a.zig", "pub fn place() u8 {\n    return 3;\n}\n")
    assert project.imports("a", "module.place()", env=environment).value == 3


def test_a_linked_source_and_a_linked_folder_import(project):
    project.write("real/m.zig", 'pub const part = @import("part.zig");\n' + ADD)
    project.write("real/part.zig", "pub const one = 1;\n")
    (project.root / "linked").symlink_to("real")
    project.write("real/alone.zig", ADD)
    (project.root / "alone.zig").symlink_to("real/alone.zig")
    assert project.imports("linked.m", "module.add(1, 2)").value == 3
    assert project.imports("alone", "module.add(1, 2)").value == 3


# Ways to run Python.


def test_a_package_runs_with_the_module_option(project):
    project.write("pkg/__init__.py", "")
    project.write("pkg/fast.zig", ADD)
    project.write("pkg/script.py", "import zigimport\nfrom .fast import add\nprint(__name__, add(1, 2))\n")
    ran = project.execute("-m", "pkg.script")
    assert ran.stdout == "__main__ 3\n", ran


def test_a_script_imports_what_lies_beside_it_from_any_working_directory(project, tmp_path):
    project.write("m.zig", ADD)
    script = project.write("script.py", "import zigimport, m\nprint(m.add(1, 2))\n")
    assert project.execute(script, cwd=tmp_path).stdout == "3\n"
    assert project.execute(os.path.relpath(script, tmp_path), cwd=tmp_path).stdout == "3\n"


def test_the_same_relative_name_in_two_working_directories_is_two_modules(make_project):
    one, two = make_project("one"), make_project("two")
    two.environment["ZIGIMPORT_BUILD_DIR"] = one.environment["ZIGIMPORT_BUILD_DIR"]
    for project, number in ((one, 1), (two, 2)):
        project.write("sub/m.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    code = "import sys; sys.path[:] = ['sub', *sys.path[1:]]; import zigimport, m; print(m.number())"
    for _ in range(2):
        assert (one.run(code).stdout, two.run(code).stdout) == ("1\n", "2\n")


def test_a_changed_working_directory_does_not_matter_once_python_has_started(project):
    project.write("m.zig", ADD)
    code = """
    import sys, os
    sys.path[0] = os.getcwd()
    os.chdir("/")
    import zigimport, m
    print(m.add(1, 2), os.getcwd())
    """
    assert project.run(dedented(code)).stdout == "3 /\n"


def test_many_threads_import_one_module_once(project):
    project.write("m.zig", ADD)
    code = """
    import threading, zigimport
    barrier, answers = threading.Barrier(8), []
    def work():
        barrier.wait()
        import m
        answers.append((m.add(1, 2), id(m)))
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(len(answers), len(set(answers)), answers[0][0])
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "8 1 3\n" and ran.builds == ["m"], ran


def test_many_threads_import_different_modules(project):
    for number in range(6):
        project.write(f"m{number}.zig", f"pub fn number() u8 {{\n    return {number};\n}}\n")
    code = """
    import importlib, threading, zigimport
    barrier, answers = threading.Barrier(6), []
    def work(number):
        barrier.wait()
        answers.append(importlib.import_module(f"m{number}").number())
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(sorted(answers))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "[0, 1, 2, 3, 4, 5]\n", ran
    assert sorted(ran.builds) == [f"m{number}" for number in range(6)]


def test_other_threads_run_while_a_module_is_built(project, wrapped_zig):
    project.write("m.zig", ADD)
    # The compiler waits for a file that only the other thread makes.
    wrapped_zig.first(f"while ! test -e '{project.root}/go'; do sleep 0.01; done")
    code = """
    import threading, zigimport
    thread = threading.Thread(target=lambda: __import__("m"))
    thread.start()
    open("go", "w").close()
    thread.join()
    import m
    print(m.add(1, 2))
    """
    assert project.run(dedented(code)).stdout == "3\n"


def test_a_forked_child_imports_modules_of_many_files(project):
    for name in ("one", "two"):
        parts = "".join(f'_ = @import("{name}/part{number}.zig");\n' for number in range(40))
        project.write(f"{name}.zig", f"comptime {{\n{parts}}}\n{ADD}")
        for number in range(40):
            project.write(f"{name}/part{number}.zig", f"pub const {name} = {number};\n")
    code = """
    import os, signal, zigimport, one
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # A child that hangs is killed.
        import two
        os._exit(two.add(20, 22))
    print(os.waitpid(child, 0)[1] >> 8)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "42\n", ran


# The hook.


def test_finding_a_spec_builds_nothing(project, wrapped_zig):
    project.write("m.zig", ADD)
    project.write("pack/__init__.zig", ADD)
    code = """
    import importlib.util, zigimport
    for name in ("m", "pack"):
        spec = importlib.util.find_spec(name)
        print(spec.name, spec.origin, spec.submodule_search_locations)
    """
    ran = project.run(dedented(code), env={"ZIGIMPORT_BUILD_DIR": project.root / "none"})
    root = project.root
    assert ran.stdout == f"m {root}/m.zig None\npack {root}/pack/__init__.zig ['{root}/pack']\n", ran
    assert wrapped_zig.calls == [] and not (root / "none").exists()


@pytest.mark.parametrize("off", ["0", "false", "NO", "Off"])
def test_the_hook_can_be_turned_off(project, off):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_ENABLED": off})
    assert failed.error == "ModuleNotFoundError"


def test_the_hook_is_replaced_and_not_stacked(project):
    project.write("m.zig", ADD)
    code = """
    import sys
    before = list(sys.meta_path)
    import zigimport
    size = len(sys.meta_path)
    zigimport.install(); finder = zigimport.install()
    print(len(sys.meta_path) == size, zigimport._finder is finder, zigimport.installed() is finder)
    zigimport.uninstall(); zigimport.uninstall()
    print(sys.meta_path == before, zigimport._finder)
    try:
        import m
    except ModuleNotFoundError as error:
        print(error)
    zigimport.install()
    import m
    zigimport.uninstall()
    print(m.add(1, 2))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "True True True\nTrue None\nNo module named 'm'\n3\n", ran


def test_either_importer_works_alone(project):
    project.write("m.zig", ADD)
    project.write("pack/__init__.zig", ADD)
    project.write("b/build.zig", "")
    code = """
    import importlib.util, zigimport
    for files, projects in ((True, False), (False, True), (False, False)):
        zigimport.install(enable_file_importer=files, enable_project_importer=projects)
        specs = [importlib.util.find_spec(name) for name in ("m", "pack", "b")]
        print([bool(spec and spec.loader) for spec in specs])
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "[True, True, False]\n[False, False, True]\n[False, False, False]\n", ran


def test_settings_choose_the_optimize_mode(project):
    project.write("m.zig", 'pub fn mode() []const u8 {\n    return @tagName(@import("builtin").mode);\n}\n')
    code = "import zigimport; zigimport.install(settings=zigimport.Settings(optimize='{}')); import m; print(m.mode())"
    for mode in ("ReleaseFast", "ReleaseSafe", "ReleaseSmall", "Debug"):
        assert project.run(code.format(mode)).stdout == mode + "\n"
    wrong = project.run("import zigimport; zigimport.Settings(optimize='fast')")
    assert "ValueError: optimize='fast': expected one of Debug," in wrong.stderr


def test_a_subclass_chooses_settings_for_each_module(project):
    for name in ("slow", "fast"):
        project.write(f"{name}.zig", 'pub fn mode() []const u8 {\n    return @tagName(@import("builtin").mode);\n}\n')
    code = """
    import os, sys, zigimport
    class Finder(zigimport.ZigFinder):
        def get_settings(self, module_name, source_path):
            assert os.path.basename(source_path) == module_name + ".zig" and os.path.isabs(source_path)
            return zigimport.Settings(optimize="ReleaseSmall") if module_name == "fast" else None
    zigimport.uninstall()
    sys.meta_path.append(Finder())
    import fast, slow
    print(fast.mode(), slow.mode(), fast.__zigimport__.optimize, slow.__zigimport__.optimize)
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "ReleaseSmall Debug ReleaseSmall Debug\n", ran


def test_a_module_says_what_it_is_and_where_it_came_from(project):
    source = project.write("m.zig", ADD)
    code = """
    import json, zigimport, m
    record = m.__zigimport__
    print(json.dumps({
        "file": m.__file__, "repr": repr(m), "origin": m.__spec__.origin, "has_location": m.__spec__.has_location,
        "cached": m.__spec__.cached, "package": m.__package__, "loader": m.__loader__ is m.__spec__.loader,
        "path": hasattr(m, "__path__"), "name": m.__name__, "function": m.add.__module__,
        "record": [record.source, record.zig_version, record.optimize, record.key], "text": repr(record),
    }))
    """
    for state in ("built", "cached"):
        answer = project.run(dedented(code)).json
        library = answer["file"]
        assert library == str(project.the_stored("libraries")), state
        assert answer["origin"] == library and answer["repr"] == f"<module 'm' from {library!r}>"
        assert answer["has_location"] and answer["loader"] and not answer["path"] and answer["cached"] is None
        assert (answer["name"], answer["package"], answer["function"]) == ("m", "", "m")
        assert answer["record"][:3] == [str(source), "0.16.0", "Debug"]
        assert len(answer["record"][3]) == 64 and answer["record"][3] in answer["text"]


def test_a_cached_import_loads_no_heavy_module(project):
    project.write("m.zig", ADD)
    project.imports("m")
    loaded = project.run(LOADED_MODULES).stdout.split()
    assert loaded == ["m", "zigimport", "zigimport._hook", "zigimport._native"]


def test_one_file_under_two_names_is_built_once(project):
    project.write("pkg/fast.zig", ADD)
    code = """
    import sys
    sys.path.append("pkg")
    import zigimport, fast, pkg.fast
    print(fast.add(1, 2), pkg.fast.add(3, 4))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "3 7\n" and len(ran.builds) == 1, ran


def test_a_module_that_appears_after_a_failed_import_is_found(project):
    code = f"""
    import zigimport
    try:
        import late
    except ModuleNotFoundError:
        open("late.zig", "w").write({ADD!r})
    import late
    print(late.add(1, 2))
    """
    assert project.run(dedented(code)).stdout == "3\n"


def test_importing_every_name_takes_functions_and_constants_only(project):
    project.write("m.zig", ADD + "pub const answer = 42;\nconst hidden = 1;\n")
    ran = project.run("import zigimport; from m import *; print(add(1, 2), answer, 'hidden' in globals())")
    assert ran.stdout == "3 42 False\n", ran


def test_the_configuration_can_be_inspected(project):
    ran = project.run("import json, zigimport; print(json.dumps(zigimport._config))")
    configuration = ran.json
    assert str(project.store) in json.dumps(configuration) and "0.16.0" in json.dumps(configuration), configuration
