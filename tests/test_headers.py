"""Headers are inputs: of `@cInclude` and of C sources, at every depth, with the
places where one was looked for and is not."""

import platform

import pytest

C_MODULE = """
extern fn value() c_int;
pub fn get() c_int {
    return value();
}
"""


#: The name of a header that no text has.
PUT_TOGETHER = "#define TEXT(name) #name\n#define NAME(name) TEXT(name.h)\n#include NAME(v)\n"

IN_ZIG = """//! zigimport: optimize = ReleaseSmall
comptime {
    asm (
        \\\\.section .rodata
        \\\\.global blob
        \\\\blob: .incbin "data.bin"
        \\\\.previous
    );
}
extern const blob: u8;
pub fn get() u8 {
    return blob;
}
"""


def with_c(*settings):
    """A module with a C source; each setting is a line of its own."""
    lines = ("c-sources = src/a.c", *settings)
    return "".join(f"//! zigimport: {line}\n" for line in lines) + C_MODULE


def inputs_of(project, name="m.zig"):
    """Path and role of each input that the plan names."""
    (module,) = project.cli("plan", name, "--format", "json").json["modules"]
    return {one["path"]: one["role"] for one in module["inputs"]}


def is_current(project, name="m.zig"):
    """Whether an import would build nothing."""
    planned = project.cli("plan", name, "--check")
    assert planned.returncode in (0, 1), planned
    return planned.returncode == 0


HEADERS = {
    "src/a.c": '#include <stdio.h>\n#include "own.h"\n#include <lib/angled.h>\nint value(void) { return OWN + ANGLED; }\n',
    "src/own.h": '#  include /* here */ "deep/nested.h"\n#define OWN NESTED\n',
    "src/deep/nested.h": '#if defined NEVER\n#include "untaken.h"\n#endif\n#define NESTED 1\n',
    "src/deep/untaken.h": "",
    "include/lib/angled.h": '#include "near.h"\n#inc\\\nlude <lib/far.h>\n#define ANGLED NEAR + FAR\n',
    "include/lib/near.h": "#define NEAR 10\n",
    "vendor/lib/far.h": "#pragma once\n#define FAR 100\n",
}


@pytest.fixture
def c_project(make_project, zig):
    project = make_project(zig=zig)
    project.write("m.zig", with_c("include-paths = include ./vendor"))
    for path, content in HEADERS.items():
        project.write(path, content)
    return project


def test_the_headers_of_a_c_source_are_inputs_at_every_depth(c_project):
    expected = {path: "header" for path in HEADERS}
    expected.update({"m.zig": "root", "src/a.c": "c-source"})
    assert inputs_of(c_project) == expected
    assert c_project.imports("m", "module.get()").value == 111
    for path, content in HEADERS.items():
        assert is_current(c_project)
        c_project.write(path, content + "/* edited */\n")
        assert not is_current(c_project), path
        c_project.write(path, content)
    c_project.write("include/lib/near.h", "#define NEAR 20\n")
    assert c_project.imports("m", "module.get()").value == 121


#: Where a file that appears is taken instead of the one that was found.
IN_FRONT = {
    "src/lib/angled.h": None,  # `<…>` does not look beside the including file.
    "vendor/lib/angled.h": None,  # Behind the one that is found.
    "include/lib/far.h": "#define FAR 200\n",
    "include/stdio.h": "#error mine\n",
}


@pytest.mark.parametrize("path", IN_FRONT)
def test_a_header_that_appears_is_seen_where_it_is_taken(make_project, path):
    project = make_project()
    project.write("m.zig", with_c("include-paths = include vendor"))
    for name, content in HEADERS.items():
        project.write(name, content)
    assert project.imports("m", "module.get()").value == 111
    project.write(path, IN_FRONT[path] or "#define FAR 7\n")
    if IN_FRONT[path] is None:
        assert is_current(project)
        assert project.imports("m", "module.get()").stderr == ""
    elif "#error" in IN_FRONT[path]:
        assert "mine" in project.fails("m").message
    else:
        assert project.imports("m", "module.get()").value == 211
    (project.root / path).unlink()
    again = project.imports("m", "module.get()")
    assert (again.value, again.builds) == (111, [])


def test_a_folder_of_the_search_path_may_appear_later(project):
    project.write("m.zig", with_c("include-paths = generated include"))
    project.write("src/a.c", '#if __has_include("option.h")\n#include "option.h"\n#endif\n#include <number.h>\nint value(void) { return NUMBER; }\n')
    project.write("include/number.h", "#ifndef NUMBER\n#define NUMBER 1\n#endif\n")
    assert project.imports("m", "module.get()").value == 1
    project.write("generated/number.h", "#ifndef NUMBER\n#define NUMBER 2\n#endif\n")
    assert project.imports("m", "module.get()").value == 2
    project.write("generated/option.h", "#define NUMBER 3\n")
    assert project.imports("m", "module.get()").value == 3
    project.write("src/option.h", "#define NUMBER 4\n")
    assert project.imports("m", "module.get()").value == 4


def test_paths_in_the_flags_are_relative_to_the_file_and_are_searched(project):
    project.write("pyproject.toml", "")  # The compiler runs in this folder.
    project.write("pkg/__init__.py", "")
    project.write("pkg/m.zig", with_c("c-flags = -I include -isystemlast -iquote quote -include first.h"))
    project.write("pkg/src/a.c", '#include <a.h>\n#include "b.h"\n#include <c.h>\nint value(void) { return A + B + C + FIRST; }\n')
    for path, name, number in (("include/a", "A", 1), ("quote/b", "B", 20), ("last/c", "C", 300), ("first", "FIRST", 4000)):
        project.write(f"pkg/{path}.h", f"#define {name} {number}\n")
    found = inputs_of(project, "pkg/m.zig")
    assert {path for path, role in found.items() if role == "header"} == {
        "pkg/include/a.h", "pkg/quote/b.h", "pkg/last/c.h", "pkg/first.h"
    }  # fmt: skip
    assert project.imports("pkg.m", "module.get()").value == 4321
    project.write("pkg/include/c.h", "#define C 500\n")
    assert project.imports("pkg.m", "module.get()").value == 4521


def test_the_next_header_of_a_name_is_an_input(project):
    project.write("m.zig", with_c("include-paths = one two"))
    project.write("src/a.c", "#include <v.h>\nint value(void) { return V; }\n")
    project.write("one/v.h", "#include_next <v.h>\n#define V (W + 1)\n")
    project.write("two/v.h", "#define W 1\n")
    assert project.imports("m", "module.get()").value == 2
    project.write("two/v.h", "#define W 5\n")
    assert project.imports("m", "module.get()").value == 6


def test_a_file_that_c_embeds_is_an_input(project):
    project.write("m.zig", with_c("c-flags = -std=c23"))
    project.write("src/a.c", 'static const char data[] = {\n#embed "data.bin"\n};\nint value(void) { return data[0]; }\n')
    project.write("src/data.bin", "a")
    assert inputs_of(project)["src/data.bin"] == "embedded"
    assert project.imports("m", "module.get()").value == ord("a")
    project.write("src/data.bin", "b")
    assert project.imports("m", "module.get()").value == ord("b")


def test_a_source_of_cpp_has_headers_too(project):
    project.write("m.zig", with_c().replace("a.c", "a.cpp"))
    project.write("src/a.cpp", 'const char *text = R"x(\n#include "no.h"\n)x";\n#include "v.hpp"\nextern "C" int value() { return V + 1\'000; }\n')
    project.write("src/v.hpp", "constexpr int V = 1;\n")
    project.write("src/no.h", "")
    assert sorted(inputs_of(project)) == ["m.zig", "src/a.cpp", "src/v.hpp"]
    assert project.imports("m", "module.get()").value == 1001


def test_a_header_with_a_computed_name_is_named_with_its_line_and_learnt_by_the_build(project):
    project.write("m.zig", with_c())
    project.write("src/a.c", PUT_TOGETHER.replace("include NAME(v)", "include HEADER").replace("#inc", "#define HEADER NAME(v)\n#inc") + "int value(void) { return V; }\n")
    project.write("src/v.h", "#define V 1\n")
    assert "src/v.h" not in inputs_of(project)
    built = project.imports("m", "module.get()")
    assert "src/v.h, an input from now on (src/a.c:4: operand `HEADER` is no string literal)" in built.stderr, built
    project.write("src/v.h", "#define V 2\n")
    assert project.imports("m", "module.get()").value == 2
    assert is_current(project)


def test_a_header_that_appears_in_front_of_one_that_the_build_learnt_is_seen(project):
    project.write("m.zig", with_c("include-paths = one two"))
    project.write("src/a.c", PUT_TOGETHER + "int value(void) { return V; }\n")
    project.write("two/v.h", "#define V 1\n")
    assert project.imports("m", "module.get()").value == 1
    assert is_current(project)
    assert project.imports("m", "module.get()").builds == []
    for path, number in (("one/v.h", 2), ("src/v.h", 3)):
        project.write(path, f"#define V {number}\n")
        assert f"{path} changed" in project.cli("plan", "m.zig").stdout
        assert project.imports("m", "module.get()").value == number
        assert is_current(project)
    (project.root / "src/v.h").unlink()
    again = project.imports("m", "module.get()")
    assert (again.value, again.builds) == (2, [])
    explained = project.cli("plan", "m.zig", "--explain").stdout
    assert "discovered one/v.h" in explained and "src/v.h (would be in front" in explained
    module = project.cli("plan", "m.zig", "--format", "json").json["modules"][0]
    (target,) = module["targets"]
    assert {(one["path"], one["role"]) for one in target["discovered"]} == {("one/v.h", "discovered"), ("src/v.h", "absent")}
    assert "src/v.h" not in project.cli("plan", "m.zig", "--format", "dot").stdout


#: Each names the file by a macro that stands for its name.
BY_MACROS = {
    "define": ('#define H "opt.h"\n', ""),
    "angled": ("#define H <opt.h>\n", ""),
    "flag": ("", '-DH="opt.h"'),
    "macro of a macro": ('#define G "opt.h"\n#define H G\n', ""),
    "in a header": ('#include "names.h"\n', ""),
}


@pytest.mark.parametrize("how", BY_MACROS)
def test_a_header_that_a_macro_names_is_looked_up_in_every_place(project, how):
    defined, flag = BY_MACROS[how]
    project.write("m.zig", with_c("include-paths = one two", *([f"c-flags = {flag}"] if flag else [])))
    project.write("src/names.h", '#define H "opt.h"\n')
    source = defined + "#if __has_include(H)\n#include H\n#else\n#define OPT 0\n#endif\nint value(void) { return OPT; }\n"
    project.write("src/a.c", source)
    assert project.imports("m", "module.get()").value == 0
    assert is_current(project)
    places = ["two/opt.h", "one/opt.h"] + ([] if how == "angled" else ["src/opt.h"])
    for number, path in enumerate(places, 1):
        project.write(path, f"#define OPT {number}\n")
        assert inputs_of(project)[path] == "header"
        assert project.imports("m", "module.get()").value == number
    explained = project.cli("plan", "m.zig", "--explain").stdout
    assert "operand `H` is no string literal" in explained


def test_a_value_of_a_macro_that_is_a_folder_costs_nothing(project):
    project.write("m.zig", with_c())
    project.write("src/a.c", '#define NAME "data"\n#define H "v.h"\n#include H\nint value(void) { return V; }\n')
    project.write("src/v.h", "#define V 1\n")
    project.write("src/data/x", "")
    assert project.imports("m", "module.get()").value == 1
    verbose = project.imports("m", "module.get()", env={"ZIGIMPORT_VERBOSE": "1"})
    assert "load" not in verbose.stderr, verbose  # Found without a plan.


#: What each flag makes of the search path.
SPELLINGS = ["--include-directory={}", "--include-directory {}", "-isystem{}", "--include-directory-after={}"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_flag_with_a_folder_is_a_place(project, spelling):
    project.write("m.zig", with_c("c-flags = " + " ".join(spelling.format(folder) for folder in ("one", "two"))))
    project.write("src/a.c", '#include "v.h"\nint value(void) { return V; }\n')
    project.write("two/v.h", "#define V 1\n")
    assert inputs_of(project)["two/v.h"] == "header"
    assert project.imports("m", "module.get()").value == 1
    project.write("one/v.h", "#define V 2\n")
    assert project.imports("m", "module.get()").value == 2


@pytest.mark.parametrize("spelling", ["-include{}", "--include={}", "--imacros {}"])
def test_each_flag_with_a_file_names_an_input(project, spelling):
    project.write("pyproject.toml", "")
    project.write("pkg/__init__.py", "")
    project.write("pkg/m.zig", with_c("c-flags = " + spelling.format("first.h")))
    project.write("pkg/src/a.c", "int value(void) { return V; }\n")
    project.write("pkg/first.h", "#define V 1\n")
    assert inputs_of(project, "pkg/m.zig")["pkg/first.h"] == "header"
    assert project.imports("pkg.m", "module.get()").value == 1
    project.write("pkg/first.h", "#define V 2\n")
    assert project.imports("pkg.m", "module.get()").value == 2


@pytest.mark.parametrize("flag", ["@flags.txt", "--config=x.cfg", "-Wp,-Ix", "-isystem-after x", "-Xclang -Ix"])
def test_flags_that_lead_to_files_unseen_are_refused(project, flag):
    project.write("m.zig", "\n\n" + with_c("c-flags = -O1 " + flag))
    project.write("flags.txt", "-DOPT=1")
    project.write("src/a.c", "int value(void) { return OPT; }\n")
    failed = project.fails("m")
    named = flag.removeprefix("-Xclang ").split()[0]
    assert f"invalid value `{named}` for //! zigimport: c-flags ({project.root}/m.zig:4)" in failed.message, failed.message
    assert "would not be seen" in failed.message


BLOB = """
#define BYTES(path) __asm__(".section .rodata\\n.global blob\\nblob:\\n.incbin \\"" path "\\"\\n.previous\\n")
"""
BLOB_END = "extern const unsigned char blob[];\nint value(void) { return blob[0]; }\n"


@pytest.mark.parametrize("how", ["literal", "macro", "include path"])
def test_what_assembly_in_c_includes_is_an_input(project, how):
    project.write("m.zig", with_c("include-paths = include"))
    path = "include/data.bin" if how == "include path" else "data.bin"
    if how == "macro":
        source = BLOB.replace("(path)", "(ignored)").replace("path", "FILE") + '#define FILE "data.bin"\nBYTES();\n'
    else:
        text = '__asm__(".section .rodata\\n.global blob\\nblob:\\n.incbin \\"NAME\\"\\n.previous\\n");\n'
        source = text.replace("NAME", "data.bin" if how == "include path" else str(project.root / "data.bin"))
    project.write("src/a.c", source + BLOB_END)
    project.write(path, "a")
    assert inputs_of(project)[path] == "embedded"
    assert project.imports("m", "module.get()").value == ord("a")
    project.write(path, "b")
    assert project.imports("m", "module.get()").value == ord("b")
    if how == "include path":
        project.write("data.bin", "c")  # Where the compiler runs comes first.
        assert project.imports("m", "module.get()").value == ord("c")


def test_what_assembly_puts_together_is_a_remark(project):
    project.write("m.zig", with_c())
    project.write("src/a.c", BLOB + 'BYTES("src" "/data.bin");\n' + BLOB_END)
    project.write("src/data.bin", "a")
    explained = project.cli("plan", "m.zig", "--explain").stdout
    assert "src/a.c:2" in explained and "is no string literal" in explained, explained


@pytest.mark.parametrize("ending", ["s", "S"])
def test_what_an_assembler_source_includes_is_an_input(project, ending):
    project.write("m.zig", with_c().replace("src/a.c", f"src/a.{ending}"))
    project.write(f"src/a.{ending}", '.data # don\'t\n.include "more.s"\n.section .note.GNU-stack,"",@progbits\n')
    project.write("more.s", ".global value\nvalue:\n.incbin \"code.bin\"\n")
    # mov eax, N; ret
    project.write("code.bin", b"\xb8\x01\x00\x00\x00\xc3")
    project.write(f"src/a.{ending}", '.text\n.include "more.s"\n')
    assert inputs_of(project) == {"m.zig": "root", f"src/a.{ending}": "c-source", "more.s": "header", "code.bin": "embedded"}
    if platform.machine() != "x86_64":
        pytest.skip("the code is for x86_64")
    assert project.imports("m", "module.get()").value == 1
    project.write("code.bin", b"\xb8\x02\x00\x00\x00\xc3")
    assert project.imports("m", "module.get()").value == 2
    project.write("more.s", ".global value\nvalue:\nmov $3, %eax\nret\n")
    assert project.imports("m", "module.get()").value == 3


def test_what_assembly_in_zig_includes_is_an_input(project, zig):
    project.write("m.zig", IN_ZIG)
    project.write("data.bin", "a")
    assert inputs_of(project) == {"m.zig": "root", "data.bin": "embedded"}
    assert project.imports("m", "module.get()").value == ord("a")
    project.write("data.bin", "b")
    assert project.imports("m", "module.get()").value == ord("b")
    assert ".incbin" in project.cli("plan", "m.zig", "--format", "dot").stdout


def test_a_cycle_of_headers_ends(project):
    project.write("m.zig", with_c())
    project.write("src/a.c", '#include "x.h"\nint value(void) { return 1; }\n')
    project.write("src/x.h", '#pragma once\n#include "../src/./y.h"\n')
    project.write("src/y.h", '#pragma once\n#include "x.h"\n#include "y.h"\n')
    assert sorted(inputs_of(project)) == ["m.zig", "src/a.c", "src/x.h", "src/y.h"]
    assert project.imports("m", "module.get()").value == 1


C_INCLUDE = """
const c = @cImport({
    @cDefine("WIDE", "1");
    @cInclude("stdlib.h");
    @cInclude("inner/first.h");
});
pub fn get() c_int {
    return c.VALUE;
}
"""


@pytest.mark.parametrize("line", ["0.15", "0.16"])
def test_what_c_include_names_is_looked_up_as_the_compiler_does(make_project, line):
    project = make_project(zig=line)
    project.write("m.zig", "//! zigimport: include-paths = vendor\n" + C_INCLUDE)
    project.write("vendor/inner/first.h", '#include "second.h"\n#define VALUE SECOND\n')
    project.write("vendor/second.h", "#define SECOND 1\n")
    roles = inputs_of(project)
    assert roles == {"m.zig": "root", "vendor/inner/first.h": "header", "vendor/second.h": "header"}
    assert project.imports("m", "module.get()").value == 1
    # Beside the including file is in front of the search path.
    project.write("vendor/inner/second.h", "#define SECOND 2\n")
    assert project.imports("m", "module.get()").value == 2
    # The module's own folder is in front of the folders that it names.
    project.write("inner/first.h", "#define VALUE 3\n")
    assert project.imports("m", "module.get()").value == 3
    # So do several targets in one graph.
    targets = ("--target", "native", "--target", "aarch64-linux-gnu")
    built = project.cli("build", "m.zig", *targets)
    assert built.returncode == 0, built
    assert is_current(project)
    project.write("inner/first.h", "#define VALUE 4\n")
    planned = project.cli("plan", "m.zig", *targets, "--check")
    assert planned.returncode == 1 and "inner/first.h changed" in planned.stdout, planned
