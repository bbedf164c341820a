"""The engine of plugins: what it takes, what it refuses, and what a component can reach."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import DEFAULT_ZIG, HANG_SECONDS, ROOT
from plugins import ANSWER, FILE, GLOB, answering, complaining, component_with, core, data, listing, wasm
from test_sandbox import FORBID

plugins = pytest.importorskip("zigimport_plugins", reason="the package zigimport-plugins is not on this machine")


def plugin(module, **keywords):
    """A plugin of a core module."""
    return plugins.Plugin(plugins.componentize(module), **keywords)


def failure(module, path="a.zig", source=b"", **keywords):
    """How a call of a core module fails."""
    with pytest.raises(plugins.PluginError) as caught:
        plugin(module, **keywords).track(path, source)
    return caught.value


def refused(make, *arguments):
    """The message with which bytes are refused."""
    with pytest.raises(plugins.PluginError) as caught:
        make(*arguments)
    assert caught.value.kind == "component"
    return str(caught.value)


# Answers.


def test_inputs_are_returned_as_the_component_names_them():
    module = answering((FILE, b"a.txt", 1, 2), (GLOB, "ü/**/*.csv".encode(), 30, 4))
    assert plugin(module).track("m.zig", b"source") == [("file", "a.txt", 1, 2), ("glob", "ü/**/*.csv", 30, 4)]
    assert plugin(answering()).track("m.zig", b"source") == []


def test_a_component_gets_the_path_and_the_bytes():
    # Reports its arguments: a problem whose message is the path, and whose line is the sum of the bytes.
    body = f"""
    (local $sum i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $source_size)))
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $source))))
      (local.set $source (i32.add (local.get $source) (i32.const 1)))
      (local.set $source_size (i32.sub (local.get $source_size) (i32.const 1)))
      (br $next)))
    (i32.store8 (i32.const {ANSWER}) (i32.const 1))
    (i32.store offset=4 (i32.const {ANSWER}) (local.get $path))
    (i32.store offset=8 (i32.const {ANSWER}) (local.get $path_size))
    (i32.store offset=12 (i32.const {ANSWER}) (local.get $sum))
    (i32.const {ANSWER})"""
    source = bytes(range(256)) * 4000
    error = failure(core(body), "folder/ü.zig", source)
    assert (error.kind, str(error), error.line) == ("problem", "folder/ü.zig", sum(source))


def test_a_problem_has_the_words_of_the_plugin_and_a_place():
    error = failure(complaining("no table `ü`".encode(), 3, 14))
    assert (error.kind, str(error), error.line, error.column) == ("problem", "no table `ü`", 3, 14)
    assert len(str(failure(complaining(b"a" * 100_000, 1, 1)))) < 5_000


@pytest.mark.parametrize(
    ("path", "operand"),
    [("a.zig", "b"), ("a/b.zig", "../c"), ("a/b.zig", ".././a/../c d"), ("a/b/c.zig", "../../**/*.txt"), ("a.zig", "…")],
)
def test_an_input_may_be_anywhere_in_the_project(path, operand):
    module = answering((GLOB, operand.encode(), 1, 1))
    assert plugin(module).track(path, b"") == [("glob", operand, 1, 1)]


@pytest.mark.parametrize(
    ("path", "operand", "wrong"),
    [
        ("a.zig", "", "is empty"),
        ("a.zig", "/etc/passwd", "is absolute"),
        ("a.zig", "C:/Windows", "is absolute"),
        ("a.zig", "a\\b", "has a backslash"),
        ("a.zig", "a\nb", "has a control character"),
        ("a.zig", "a\0b", "has a control character"),
        ("a.zig", "../b", "leads out of the project"),
        ("a.zig", "b/../../b", "leads out of the project"),
        ("a/b.zig", "../../a/b", "leads out of the project"),
        ("./a.zig", "../b", "leads out of the project"),
        ("a/b.zig", "c/../../../*", "leads out of the project"),
    ],
)
@pytest.mark.parametrize("kind", [FILE, GLOB])
def test_a_lie_about_a_path_is_refused(path, operand, wrong, kind):
    error = failure(answering((kind, b"fine", 1, 1), (kind, operand.encode(), 2, 3)), path)
    assert error.kind == "answer" and wrong in str(error), error
    assert (error.line, error.column) == (2, 3)


@pytest.mark.parametrize("place", [(0, 1), (1, 0)])
def test_lines_and_columns_begin_at_1(place):
    error = failure(answering((FILE, b"a", *place)))
    assert error.kind == "answer" and f"{place[0]}:{place[1]}" in str(error)


@pytest.mark.parametrize(
    "module",
    [
        lambda: answering((FILE, b"\xff\xfe", 1, 1)),
        lambda: answering((2, b"a", 1, 1)),
        lambda: listing(0xFFFFFFF0, 3),
        lambda: listing(ANSWER + 1, 3),
        lambda: listing(ANSWER, 0xFFFFFFFF),
        lambda: core("(i32.const -4)"),
        lambda: core(f"(i32.const {ANSWER})", data(ANSWER, b"\7")),
    ],
    ids=["no UTF-8", "no such case", "outside", "unaligned", "endless", "nowhere", "no result"],
)
def test_a_malformed_answer_is_refused(module):
    error = failure(module())
    assert error.kind == "answer" and (error.line, error.column) == (None, None), error


# Limits.


def test_a_trap_ends_the_call_and_nothing_else():
    # Traps unless the source is empty.
    module = core(f"(if (local.get $source_size) (then unreachable)) (i32.const {ANSWER})")
    tried = plugin(module)
    for _ in range(3):
        with pytest.raises(plugins.PluginError, match="unreachable") as caught:
            tried.track("a.zig", b"a")
        assert caught.value.kind == "trap"
        assert tried.track("a.zig", b"") == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("(i32.load (i32.const -4))", "trap"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "trap"),
        ("(call $deep)", "trap"),
        ("(loop $again (br $again)) unreachable", "limit"),
        ("(loop $again (br_if $again (memory.grow (i32.const 16)))) unreachable", "limit"),
        ("(loop $again (br_if $again (table.grow $table (ref.null func) (i32.const 65536)))) unreachable", "limit"),
    ],
    ids=["outside", "division", "recursion", "loop", "memory", "table"],
)
def test_what_a_component_may_use_is_bounded(body, kind):
    declarations = "(table $table 1 funcref) (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))"
    error = failure(core(body, declarations))
    assert error.kind == kind, error


def test_a_limit_says_what_it_is():
    assert "instructions" in str(failure(core("(loop $again (br $again)) unreachable")))
    assert "more than 512 MiB of memory" in str(failure(core("unreachable", pages=16_384)))


def test_all_memories_together_have_one_limit():
    memories = "".join(f"(memory $m{number} 4000)" for number in range(3))
    assert failure(core("unreachable", memories)).kind == "limit"


@pytest.mark.parametrize("count", [65_537, 3_000_000])
def test_the_answer_is_bounded(count):
    # Every entry is the same text.
    body = f"""
    (local $at i32) (local $end i32)
    (drop (memory.grow (i32.const 1000)))
    (local.set $at (i32.const 300000))
    (local.set $end (i32.add (local.get $at) (i32.mul (i32.const {count}) (i32.const 20))))
    (loop $next
      (i32.store offset=4 (local.get $at) (i32.const 16))
      (i32.store offset=8 (local.get $at) (i32.const 4))
      (i32.store offset=12 (local.get $at) (i32.const 1))
      (i32.store offset=16 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 20)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (i32.store offset=4 (i32.const {ANSWER}) (i32.const 300000))
    (i32.store offset=8 (i32.const {ANSWER}) (i32.const {count}))
    (i32.const {ANSWER})"""
    assert failure(core(body, data(16, b"name"))).kind == "limit"
    assert failure(answering((FILE, b"a" * 4_097, 1, 1))).kind == "limit"


def test_each_call_has_an_instance_of_its_own():
    counting = core(
        f"""(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const {ANSWER}) (i32.const 1))
        (i32.store offset=12 (i32.const {ANSWER}) (global.get $calls))
        (i32.const {ANSWER})""",
        "(global $calls (mut i32) (i32.const 0))",
    )
    tried = plugin(counting)
    lines = []

    def call():
        for _ in range(50):
            try:
                tried.track("a.zig", b"")
            except plugins.PluginError as error:
                lines.append(error.line)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines == [1] * 200


# What is refused.


def test_a_component_says_what_it_is():
    found = plugins.inspect(plugins.componentize(answering()))
    assert found == {"world": "zigimport:plugin@0.1.0", "imports": [], "forbidden": [], "exports": ["track"]}
    assert plugins.WORLD == found["world"] and "world plugin" in plugins.WIT


@pytest.mark.parametrize("make", [plugins.inspect, plugins.Plugin])
def test_what_is_no_component_of_the_world_is_refused(make):
    assert "core WebAssembly module" in refused(make, answering())
    assert "no WebAssembly component" in refused(make, b"")
    assert "no WebAssembly component" in refused(make, b"\0asm\x0d\0\x01\0garbage")
    assert "expected the export `track`, found nothing" in refused(make, wasm("(component)"))
    other = """(component
      (core module $m (func (export "track") (result i32) (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "{}") (result u32) (canon lift (core func $i "track"))))"""
    assert "found `scan`" in refused(make, wasm(other.format("scan")))
    assert "its `track` is func() -> u32, expected func(path: string" in refused(make, wasm(other.format("track")))


@pytest.mark.parametrize(
    "import_",
    [
        '(import "wasi:sockets/instance-network@0.2.0" (instance))',
        '(import "wasi:http/types@0.2.3" (instance))',
        '(import "wasi:cli/environment@0.3.0" (instance))',
        '(import "wasi:clocks/wall-clock" (instance))',
        '(import "host:machine/files@1.0.0" (instance))',
        '(import "secret" (func (result string)))',
    ],
)
def test_a_forbidden_import_is_named_and_refused(import_):
    component = component_with(import_)
    name = import_.split('"')[1]
    assert plugins.inspect(component)["forbidden"] == [name]
    assert name in refused(plugins.Plugin, component)
    # Not even by an image.
    assert name in refused(plugins.Plugin, component, plugins.precompile(component))


def test_an_import_that_wasi_does_not_have_is_refused():
    component = component_with('(import "wasi:cli/nothing@0.2.0" (instance (export "run" (func))))')
    assert plugins.inspect(component)["forbidden"] == []
    assert "wasi:cli/nothing" in refused(plugins.Plugin, component)


def test_a_core_module_without_the_exports_is_refused():
    assert "track" in refused(plugins.componentize, wasm("(module (memory (export \"memory\") 1))"))
    assert "no core module" in refused(plugins.componentize, b"garbage")
    importing = wasm('(module (import "env" "open" (func)) (func (export "track")))')
    assert "no core module" in refused(plugins.componentize, importing)


# Images.


def test_an_image_answers_as_its_component():
    component = plugins.componentize(answering((FILE, b"a", 1, 1)))
    image = plugins.precompile(component)
    assert plugins.precompile(component) == image
    assert plugins.Plugin(component, image).track("a.zig", b"") == [("file", "a", 1, 1)]


def test_what_is_no_image_is_refused():
    component = plugins.componentize(answering())
    image = plugins.precompile(component)
    for broken in (b"", b"garbage", component, image[:100]):
        refused(plugins.Plugin, component, broken)


#: Makes an image and says which engine it is for.
PRECOMPILE = """
import sys, zigimport_plugins as plugins
component = open(sys.argv[1], "rb").read()
answer = plugins.Plugin(component).track("a.zig", b"")
open(sys.argv[2], "wb").write(plugins.precompile(component))
print(plugins.ENGINE, answer)
"""


def test_where_executable_memory_is_forbidden_plugins_are_interpreted(tmp_path):
    component = plugins.componentize(answering((GLOB, b"*.txt", 1, 1)))
    (tmp_path / "p.wasm").write_bytes(component)
    arguments = [sys.executable, "-c", FORBID + PRECOMPILE, tmp_path / "p.wasm", tmp_path / "image"]
    ran = subprocess.run([str(one) for one in arguments], stdout=subprocess.PIPE, timeout=HANG_SECONDS)
    if ran.returncode == 77:
        pytest.skip("this kernel cannot forbid executable memory (Linux 6.3)")
    assert ran.returncode == 0
    engine, _, answer = ran.stdout.decode().strip().partition(" ")
    assert "-pulley-" in engine and "-native-" in plugins.ENGINE
    assert answer == "[('glob', '*.txt', 1, 1)]"
    # An image of one engine is none of another.
    refused(plugins.Plugin, component, (tmp_path / "image").read_bytes())


def test_the_name_of_the_engine_is_the_same_in_each_process():
    ran = subprocess.run(
        [sys.executable, "-c", "import zigimport_plugins; print(zigimport_plugins.ENGINE)"], stdout=subprocess.PIPE
    )
    assert ran.stdout.decode().strip() == plugins.ENGINE


# WASI, by a component with a C library that does what its source says.


@pytest.fixture(scope="session")
def probe(environments, tmp_path_factory):
    """The component of `plugin_probe.c`, and its image."""
    output = tmp_path_factory.mktemp("probe") / "probe.wasm"
    command = [environments["zigs"][DEFAULT_ZIG], "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os"]
    source = Path(__file__).with_name("plugin_probe.c")
    subprocess.run([*command, str(source), "-o", str(output)], check=True, timeout=HANG_SECONDS)
    component = plugins.componentize(output.read_bytes())
    return component, plugins.precompile(component)


@pytest.fixture
def seen(probe):
    """Lets the component do something, with a view; returns what it says of that."""

    def act(words, **view):
        shown = [(name, str(folder)) for name, folder in view.items()]
        with pytest.raises(plugins.PluginError) as caught:
            plugins.Plugin(*probe, shown).track("a.zig", words.encode())
        assert caught.value.kind == "problem", caught.value
        return str(caught.value)

    return act


def test_a_component_may_import_what_a_c_library_does(probe):
    found = plugins.inspect(probe[0])
    assert found["forbidden"] == []
    packages = {name.split("/")[0] for name in found["imports"]}
    assert packages == {"wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("environment", ""),
        ("input", "0"),
        ("print", "ok"),
        ("clock", "0 0 0 0"),
        # An hour, which takes no time: fuel is the only deadline.
        ("sleep", "ok"),
    ],
)
def test_nothing_of_the_machine_shows(seen, words, answer, monkeypatch, capfd):
    monkeypatch.setenv("SECRET", "visible")
    assert seen(words) == answer
    assert capfd.readouterr() == ("", "")


def test_random_numbers_are_the_same_each_time(seen):
    numbers = seen("random")
    assert numbers == seen("random") and len(set(numbers.split())) == 8


def test_an_exit_is_a_trap(probe):
    with pytest.raises(plugins.PluginError, match="ended itself") as caught:
        plugins.Plugin(*probe).track("a.zig", b"exit")
    assert caught.value.kind == "trap"


#: What the C library says of a file that is not there, or not to be had.
DENIED = {"No such file or directory", "Operation not permitted", "Bad file descriptor", "Read-only file system"}


@pytest.mark.parametrize("path", ["/etc/passwd", "etc/passwd", "../etc/passwd", "plugin_probe.c", "/", "."])
def test_no_file_shows_without_a_view(seen, path):
    assert seen(f"read {path}") in DENIED
    assert seen(f"list {path}") in DENIED
    assert seen(f"stat {path}") in DENIED


@pytest.fixture
def view(tmp_path):
    """A granted folder, beside one that is not."""
    for folder in ("granted/below", "other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "granted/a.txt").write_text("content")
    (tmp_path / "granted/below/b.txt").write_text("deep")
    (tmp_path / "other/secret.txt").write_text("secret")
    return tmp_path / "granted"


def test_a_view_can_be_read(seen, view):
    assert seen("read assets/a.txt", assets=view) == "content"
    assert seen("read assets/below/../below/b.txt", assets=view) == "deep"
    assert seen("list assets", assets=view) == "a.txt below"
    assert seen("read two/secret.txt", assets=view, two=view.parent / "other") == "secret"


@pytest.mark.parametrize(
    "change",
    [
        "write assets/new",
        "write assets/a.txt",
        "append assets/a.txt",
        "truncate assets/a.txt",
        "remove assets/a.txt",
        "mkdir assets/new",
        "rename assets/a.txt assets/new",
        "symlink a.txt assets/new",
        "link assets/a.txt assets/new",
        "touch assets/a.txt",
    ],
)
def test_a_view_cannot_be_changed(seen, view, change):
    os.utime(view / "a.txt", (5, 5))
    assert seen(change, assets=view) in DENIED
    assert sorted(path.name for path in view.iterdir()) == ["a.txt", "below"]
    assert (view / "a.txt").read_text() == "content" and (view / "a.txt").stat().st_mtime == 5


def test_only_the_view_shows(seen, view):
    for path in ("assets/../other/secret.txt", "other/secret.txt", view / "a.txt", view.parent / "other/secret.txt"):
        assert seen(f"read {path}", assets=view) in DENIED


def test_a_link_out_of_the_view_leads_nowhere(seen, view):
    (view / "file").symlink_to("../other/secret.txt")
    (view / "absolute").symlink_to(view.parent / "other/secret.txt")
    (view / "folder").symlink_to("../other")
    (view / "inside").symlink_to("below/b.txt")
    assert seen("read assets/inside", assets=view) == "deep"
    for path in ("file", "absolute", "folder/secret.txt"):
        assert seen(f"read assets/{path}", assets=view) in DENIED
        assert seen(f"stat assets/{path}", assets=view) in DENIED
    assert seen("list assets/folder", assets=view) in DENIED


def test_what_is_no_content_does_not_show(seen, view):
    for number in (3, 1, 2, 9, 0):
        (view / f"{number}.txt").write_text("")
    assert seen("list assets", assets=view) == "0.txt 1.txt 2.txt 3.txt 9.txt a.txt below"
    # Size, links, and three times.
    assert seen("stat assets/a.txt", assets=view) == "7 1 0 0 0"
    os.link(view / "a.txt", view / "again")
    assert seen("stat assets/a.txt", assets=view) == "7 1 0 0 0"


def test_a_pipe_in_the_view_does_not_hold_the_call(seen, view):
    os.mkfifo(view / "pipe")
    assert seen("read assets/pipe", assets=view) in DENIED


def test_a_missing_folder_of_a_view_is_named(probe, tmp_path):
    tried = plugins.Plugin(*probe, [("assets", str(tmp_path / "missing"))])
    with pytest.raises(plugins.PluginError, match="missing") as caught:
        tried.track("a.zig", b"clock")
    assert caught.value.kind == "component"


def test_open_files_are_bounded(seen, view):
    assert 0 < int(seen("hoard assets/a.txt", assets=view)) < 1_024


def test_the_wit_that_authors_get_is_that_of_the_repository():
    assert plugins.WIT == (ROOT / "guest-tools" / "wit" / "plugin.wit").read_text()
