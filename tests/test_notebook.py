"""Modules from text: ``compile_string``, the magic ``%%zig`` in IPython's shell, and notebooks
that a Jupyter kernel runs."""

import json
import shutil

import pytest

from conftest import ADD, ROOT, dedented, needs

#: Runs the cells of a notebook in a kernel, and describes what each printed, showed or raised.
NOTEBOOK = """
import json, sys
import nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, kernel_name="python3", allow_errors=True, startup_timeout=600).execute()
print(json.dumps([[
    {"output_type": output.output_type, **{
        key: output[key] for key in ("name", "text", "data", "ename", "evalue", "traceback") if key in output
    }} for output in cell.outputs
] for cell in notebook.cells]))
"""

#: Runs cells in IPython's shell without a terminal or a kernel.
SHELL = r"""
import contextlib, io, json, re, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
answers = []
for source in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        result = shell.run_cell(source)
    error = result.error_before_exec or result.error_in_exec
    printed = re.sub(r"^Out\[.*\n", "", out.getvalue(), flags=re.MULTILINE)
    answers.append([result.result if error is None else type(error).__name__, printed + err.getvalue()])
print(json.dumps(answers))
"""

MODE = '@tagName(@import("builtin").mode)'


@pytest.fixture
def notebooks(environments):
    """Skips a test where notebooks cannot be run."""
    for package in ("ipykernel", "nbclient"):
        needs(environments, environments["main"], package)


def run_cells(project, *cells):
    """Runs cells in a kernel; returns the list of outputs of each."""
    ran = project.run(NOTEBOOK, json.dumps([dedented(cell).strip("\n") for cell in cells]))
    assert ran.returncode == 0, ran
    return ran.json


def shown(outputs):
    """What the only output of a cell shows."""
    (output,) = outputs
    assert output["output_type"] == "execute_result", output
    return output["data"]["text/plain"]


def run_shell(project, *cells):
    """Runs cells in the shell; returns result and output of each."""
    ran = project.run(SHELL, json.dumps([dedented(cell).strip("\n") for cell in cells]))
    assert ran.returncode == 0, ran
    return ran.json


def files_of(project):
    return sorted(str(path.relative_to(project.root)) for path in project.root.rglob("*"))


# zigimport.compile_string.


def test_a_text_is_a_module_and_leaves_no_file_behind(make_project, zig):
    project = make_project(zig=zig)
    code = f"""
    import sys, zigimport
    module = zigimport.compile_string({ADD!r})
    again = zigimport.compile_string({ADD!r})
    print(module.add(1, 2), module is again, module.__name__, module.__name__ in sys.modules)
    print(module.__zigimport__.optimize, module.__file__.endswith(".so"))
    """
    first = project.run(dedented(code))
    assert first.stdout == "3 True zig_string False\nDebug True\n" and first.builds == ["zig_string"], first
    second = project.run(dedented(code))
    assert second.stdout == first.stdout and second.stderr == "", second
    assert files_of(project) == []


def test_a_cached_text_starts_no_process(project, wrapped_zig):
    project.run(f"import zigimport; zigimport.compile_string({ADD!r})")
    calls = list(wrapped_zig.calls)
    assert project.run(f"import zigimport; print(zigimport.compile_string({ADD!r}).add(2, 3))").stdout == "5\n"
    assert wrapped_zig.calls == calls != []


def test_other_texts_and_other_folders_are_other_modules(project):
    for folder, factor in (("a", 2), ("b", 3)):
        project.write(f"{folder}/part.zig", f"pub const factor = {factor};\n")
    code = """
    import zigimport
    text = 'pub fn f(x: i64) i64 {\\n    return x * @import("part.zig").factor;\\n}\\n'
    modules = [zigimport.compile_string(text, folder=folder) for folder in ("a", "b")]
    modules.append(zigimport.compile_string(text + "pub const more = 1;\\n", folder="a"))
    print([module.f(10) for module in modules], modules[2].more)
    """
    assert project.run(dedented(code)).stdout == "[20, 30, 20] 1\n"


def test_a_text_imports_what_lies_below_its_folder_and_sees_it_change(make_project, zig):
    project = make_project(zig=zig)
    project.write("shapes/circle.zig", 'const base = @import("../base.zig");\npub const area = base.factor * 3;\n')
    project.write("base.zig", 'pub const factor: i64 = 2;\npub const words = @embedFile("words.txt");\n')
    project.write("words.txt", "some words")
    code = """
    import zigimport
    module = zigimport.compile_string('''
    const circle = @import("shapes/circle.zig");
    const base = @import("base.zig");
    pub fn area() i64 {
        return circle.area;
    }
    pub fn words() []const u8 {
        return base.words;
    }
    ''')
    print(module.area(), module.words())
    """
    assert project.run(dedented(code)).stdout == "6 some words\n"
    project.write("words.txt", "other words")
    changed = project.run(dedented(code))
    assert changed.stdout == "6 other words\n" and changed.reasons == ["words.txt changed"], changed
    project.write("base.zig", 'pub const factor: i64 = @import("new.zig").factor;\npub const words = "";\n')
    project.write("new.zig", "pub const factor = 5;\n")
    assert project.run(dedented(code)).stdout == "15 \n"


def test_a_text_has_c_sources_and_headers_from_its_folder(project):
    project.write("helper.c", "int helper(int value) { return value * 2; }\n")
    code = """
    import zigimport
    print(zigimport.compile_string('''//! zigimport: c-sources = helper.c
    extern fn helper(value: c_int) c_int;
    pub fn twice(value: c_int) c_int {
        return helper(value);
    }
    ''').twice(21))
    """
    assert project.run(dedented(code)).stdout == "42\n"


def test_a_named_text_can_be_imported_and_replaced(project):
    code = """
    import zigimport
    module = zigimport.compile_string("pub const value = 1;", name="fast")
    import fast
    print(fast is module, fast.__name__, fast.value)
    zigimport.compile_string("pub const value = 2;", name="fast")
    import fast as new
    print(new.value, fast.value)
    """
    assert project.run(dedented(code)).stdout == "True fast 1\n2 1\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'', name='a-b'", "ValueError: a module cannot be named 'a-b': expected a Python identifier"),
        ("'', name='class'", "ValueError: a module cannot be named 'class': expected a Python identifier"),
        ("'', name='pkg.fast'", "ValueError: a module cannot be named 'pkg.fast': expected"),
        ("'', name='zipapp'", "ValueError: a module cannot be named 'zipapp': the standard library has one"),
        ("'', name='zigimport'", "ValueError: a module cannot be named 'zigimport': one of that name is loaded already"),
        ("'', folder='missing'", "ValueError: folder='"),
        ("'', optimize='fast'", "invalid value `fast` for optimize: expected Debug, ReleaseSafe"),
        ("b''", "TypeError: source must be str, not bytes"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make_project, python, arguments, message):
    project = make_project(python=python, warm=False)
    ran = project.run(f"import zigimport; zigimport.compile_string({arguments})")
    assert ran.returncode == 1 and message in ran.stderr.splitlines()[-1], ran


def test_an_error_in_a_text_has_the_texts_own_lines(make_project, zig):
    project = make_project(zig=zig)
    code = """
    import zigimport
    try:
        zigimport.compile_string("pub fn f() i64 {\\n    return missing;\\n}\\n", name="fast")
    except zigimport.ZigCompileError as error:
        (diagnostic,) = error.diagnostics
        print(error.name, error.path.endswith("fast.zig"), diagnostic.line, diagnostic.column, diagnostic.message)
        print("fast.zig:2:12: error:" in str(error), "^" in str(error))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "fast True 2 12 use of undeclared identifier 'missing'\nTrue True\n", ran


def test_the_settings_for_a_text_are_those_of_an_import(project):
    project.write("sub/pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseSmall"\n')
    project.write("sub/deep/x.txt", "")
    code = f"""
    import sys, zigimport
    text = 'pub fn mode() []const u8 {{ return {MODE}; }}'
    print(zigimport.compile_string(text).mode(), zigimport.compile_string(text, folder="sub/deep").mode())
    print(zigimport.compile_string("//! zigimport: optimize = ReleaseFast\\n" + text).mode())
    print(zigimport.compile_string(text, optimize="ReleaseSafe").mode())
    zigimport.install(settings=zigimport.Settings(optimize="ReleaseFast"))
    print(zigimport.compile_string(text).mode(), zigimport.compile_string(text, optimize="Debug").mode())
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "Debug ReleaseSmall\nReleaseFast\nReleaseSafe\nReleaseFast Debug\n", ran
    project.write("pyproject.toml", '[tool.zigimport]\noptimize = "ReleaseFast"\n')
    ran = project.run(dedented(code))
    assert ran.stdout.startswith("ReleaseFast ReleaseSmall\n"), ran


def test_a_cached_text_is_loaded_where_nothing_can_be_built_or_written(project):
    project.write("part.zig", "pub const factor = 7;\n")
    code = """
    import zigimport
    text = 'pub fn f(x: i64) i64 { return x * @import("part.zig").factor; }'
    print(zigimport.compile_string(textMORE).f(6))
    """
    assert project.run(dedented(code).replace("MORE", "")).stdout == "42\n"
    env = {"ZIGIMPORT_NATIVE": "never"}
    assert project.run(dedented(code).replace("MORE", ""), env=env).stdout == "42\n"
    ran = project.run(dedented(code).replace("MORE", ", name='other'"), env=env)
    assert ran.returncode == 1 and "ZIGIMPORT_NATIVE=never" in ran.stderr, ran
    # Neither the text nor anything else can be kept: a file stands where its folder would.
    shutil.rmtree(project.store / "strings-v1")
    (project.store / "strings-v1").write_text("")
    ran = project.run(dedented(code).replace("MORE", ""), env={**env, "TMPDIR": project.root})
    assert ran.stdout == "42\n" and files_of(project) == ["part.zig"], ran


def test_clearing_the_cache_removes_texts_and_not_what_they_link_to(project):
    project.write("shapes/part.zig", "pub const factor = 7;\n")
    project.run("import zigimport; zigimport.compile_string('pub const x = @import(\"shapes/part.zig\").factor;')")
    assert list(project.store.glob("strings-v1/*/shapes"))
    buckets = {one["name"]: one for one in project.cli("cache", "info", "--format", "json").json["buckets"]}
    assert buckets["strings"]["files"] == 3
    assert project.cli("cache", "clear").returncode == 0
    assert not list(project.store.glob("strings-v1")) and (project.root / "shapes/part.zig").is_file()


# %%zig in IPython's shell.


def test_a_cell_gives_its_public_names(project, notebooks):
    answers = run_shell(
        project,
        "%load_ext zigimport",
        "%%zig\npub fn add(a: i64, b: i64) i64 {\n    return a + b;\n}\npub const answer = 42;\nconst hidden = 1;",
        "[add(1, 2), answer, 'hidden' in globals(), 'cell' in globals()]",
        "%%zig --name fast --optimize ReleaseFast\npub fn mode() []const u8 {\n    return " + MODE + ";\n}",
        "import fast\n[mode(), fast.mode(), fast.__name__, fast.__zigimport__.optimize]",
    )
    assert answers == [
        [None, ""],
        [None, ""],
        [[3, 42, False, False], ""],
        [None, ""],
        [["ReleaseFast", "ReleaseFast", "fast", "ReleaseFast"], ""],
    ]
    assert files_of(project) == []


def test_a_cell_says_which_names_it_leaves_out(project, notebooks):
    cell = "%%zig\npub fn h(a: i64) i64 {\n    return a;\n}"
    without = "%%zig\npub fn h(a: anytype) i64 {\n    _ = a;\n    return 1;\n}\npub const answer = 42;"
    answers = run_shell(project, "%load_ext zigimport", cell, without, without)
    for _, text in answers[2:]:
        assert "leaves out `h` (parameter 1: type `anytype`)" in text and len(text.splitlines()) == 1, text


def test_running_a_cell_again_compiles_nothing(project, notebooks, wrapped_zig):
    cell = "%%zig\npub fn f() i64 {\n    return 1;\n}"
    run_shell(project, "%load_ext zigimport", cell, cell)
    assert len(wrapped_zig.compiles) == 1
    assert run_shell(project, "%load_ext zigimport", cell, "f()")[2] == [1, ""]
    assert len(wrapped_zig.compiles) == 1


def test_a_failing_cell_shows_what_the_compiler_says_and_nothing_else(make_project, zig, notebooks):
    project = make_project(zig=zig)
    answers = run_shell(
        project,
        "%load_ext zigimport",
        "%%zig\npub fn f() i64 {\n    return 1;\n}",
        "%%zig\npub fn f() i64 {\n    return missing;\n}",
        "f()",
    )
    name, text = answers[2]
    assert name == "ZigCompileError" and "Traceback" not in text and "zigimport" not in text, text
    lines = text.split("\n")
    at = lines.index("cell.zig:3:12: error: use of undeclared identifier 'missing'")
    assert lines[at + 1] == "    return missing;" and lines[at + 2].startswith("           ^~"), text
    assert answers[3] == [1, ""]


def test_a_cell_has_settings_and_text_for_the_module_at_its_top(project, notebooks):
    answers = run_shell(
        project,
        "%load_ext zigimport",
        "%%zig --name fast\n//! What it is for.\n//! zigimport: optimize = ReleaseSmall\n" + "pub const mode = " + MODE + ";",
        "[mode, fast.__doc__]",
    )
    assert answers[2] == [["ReleaseSmall", "What it is for."], ""]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--optimize fast", "invalid choice: 'fast'"),
        ("--name a-b", "a module cannot be named 'a-b'"),
        ("--name json", "a module cannot be named 'json': the standard library has one"),
        ("surplus", "unrecognized arguments: surplus"),
        ("--nam fast", "unrecognized arguments: --nam fast"),
    ],
)
def test_wrong_usage_of_the_magic_is_one_line(project, notebooks, line, message):
    _, (name, text) = run_shell(project, "%load_ext zigimport", f"%%zig {line}\npub const x = 1;")
    assert name == "UsageError" and message in text and "Traceback" not in text, text


def test_the_extension_keeps_settings_and_goes_without_a_trace(project, notebooks):
    code = "pub fn mode() []const u8 {\n    return " + MODE + ";\n}\n"
    project.write("m.zig", code)
    answers = run_shell(
        project,
        "import zigimport; finder = zigimport.install(settings=zigimport.Settings(optimize='ReleaseSmall'))",
        "%load_ext zigimport",
        "import m\n[m.mode(), zigimport._finder is finder]",
        "%unload_ext zigimport",
        "%%zig\npub const x = 1;",
        "[zigimport._finder, len(get_ipython().events.callbacks['pre_run_cell'])]",
        "%load_ext zigimport.import_hook",
        "%%zig\npub const x = 5;",
        "x",
    )
    assert answers[2] == [["ReleaseSmall", True], ""]
    assert "Cell magic `%%zig` not found" in answers[4][1]
    assert answers[5] == [[None, 0], ""]
    assert answers[7:] == [[None, ""], [5, ""]]


def test_progress_is_shown_in_a_shell_without_the_extension_or_when_asked_for(project, notebooks):
    for name in ("a", "b", "c"):
        project.write(f"{name}.zig", ADD)
    answers = run_shell(
        project,
        "import zigimport, a",
        "%load_ext zigimport",
        "import b",
        "%env ZIGIMPORT_VERBOSE=1",
        "%reload_ext zigimport",
        "import c",
    )
    assert "building a: first build" in answers[0][1]
    assert answers[2] == [None, ""]
    assert "building c: first build" in answers[5][1]


# A kernel.


def test_a_notebook_has_names_errors_and_no_litter(project, notebooks):
    project.write("part.zig", "pub const factor = 7;\n")
    project.write("m.zig", ADD)
    outputs = run_cells(
        project,
        "%load_ext zigimport",
        '%%zig\nconst part = @import("part.zig");\npub fn times(x: i64) i64 {\n    return x * part.factor;\n}',
        "times(6)",
        "%%zig\npub fn times(x: i64) i64 {\n    return x * part;\n}",
        "import m\nm.add(1, 2)",
    )
    assert outputs[:2] == [[], []]
    assert (shown(outputs[2]), shown(outputs[4])) == ("42", "3")
    (error,) = outputs[3]
    assert (error["output_type"], error["ename"]) == ("error", "ZigCompileError")
    assert error["traceback"][:2] == [
        "failed to compile `cell`",
        "cell.zig:3:16: error: use of undeclared identifier 'part'",
    ]
    assert files_of(project) == ["m.zig", "part.zig"]


@pytest.mark.parametrize("order", ["zigimport autoreload", "autoreload zigimport"])
def test_autoreload_takes_up_every_edit(project, notebooks, order):
    project.write("m.zig", 'pub const value = @import("part.zig").value;\n')
    project.write("part.zig", "pub const value = 1;\n")
    project.write("p.py", "value = 1\n")
    project.write("still.zig", "pub const value = 1;\n")
    outputs = run_cells(
        project,
        *(f"%load_ext {name}" for name in order.split()),
        "%autoreload 2",
        "import m, p, still\nbefore = id(still.__dict__.setdefault('mark', object()))\nm.value",
        "open('part.zig', 'w').write('pub const value = 2;\\n');",
        "[m.value, id(still.mark) == before]",
        "open('part.zig', 'w').write('pub const value = missing;\\n');",
        "m.value",
        "m.value",
        "open('part.zig', 'w').write('pub const value = 1;\\n');",
        "m.value",
    )
    assert (shown(outputs[3]), shown(outputs[5])) == ("1", "[2, True]")
    # The broken edit is reported once, and the last good module stays.
    report = "".join(output["text"] for output in outputs[7] if output["output_type"] == "stream")
    assert "use of undeclared identifier 'missing'" in report
    assert outputs[7][-1]["data"]["text/plain"] == "2" and shown(outputs[8]) == "2"
    assert shown(outputs[10]) == "1"


# The example.


def test_the_example_notebook_shows_what_it_has_been_saved_with(make_project, zig, notebooks):
    project = make_project(zig=zig)
    shutil.copytree(ROOT / "examples/notebook", project.root, dirs_exist_ok=True)
    saved = json.loads((project.root / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in saved["cells"] if cell["cell_type"] == "code"]
    expected = [cell["outputs"] for cell in saved["cells"] if cell["cell_type"] == "code"]
    outputs = run_cells(project, *cells)
    assert len(cells) >= 5 and sum(map(len, expected)) >= 4
    assert [[text_of(output) for output in one] for one in outputs] == [
        [text_of(output) for output in one] for one in expected
    ]


def text_of(output):
    """What an output shows, whether as it was saved, in lines, or as it was run."""
    text = output["text"] if "text" in output else output["data"]["text/plain"]
    return "".join(text)
