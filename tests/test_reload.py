"""``importlib.reload``: new code in the module that everyone holds, and old code for
whoever holds that."""

import json

import pytest

from conftest import ADD, dedented
from test_matrix import C_API, HEADERS

#: For the scripts of these tests: writing sources and reloading.
HELPERS = """
import importlib, json, os, sys, threading
import zigimport

def write(path, text):
    with open(path, "w") as file:
        file.write(text)

def answer(n):
    return "pub fn answer() i32 {\\n    return %d;\\n}\\n" % n

"""


def run(project, code, **keywords):
    """Runs a script, which must succeed."""
    ran = project.run(HELPERS + dedented(code), **keywords)
    assert ran.returncode == 0, ran
    return ran


# What a reload gives.


def test_an_edit_is_seen_wherever_the_module_is_held(project):
    project.write("m.zig", ADD)
    project.write("user.py", "import m\ndef use():\n    return m.add(3, 1)\n")
    code = """
    import m, user, m as other_name
    write("m.zig", open("m.zig").read().replace("a + b", "a - b"))
    assert importlib.reload(m) is m and sys.modules["m"] is m
    assert m.add(3, 1) == other_name.add(3, 1) == user.use() == 2
    """
    assert run(project, code).reasons == ["first build", "m.zig changed"]


def test_an_edit_of_a_part_is_seen(project):
    project.write("m.zig", 'const part = @import("part.zig");\npub const text = @embedFile("text");\npub fn number() u8 {\n    return part.number;\n}\n')
    project.write("part.zig", "pub const number = 1;\n")
    project.write("text", "one")
    code = """
    import m
    write("part.zig", "pub const number = 2;")
    importlib.reload(m)
    assert (m.number(), m.text) == (2, "one")
    write("text", "two")
    importlib.reload(m)
    assert (m.number(), m.text) == (2, "two")
    """
    run(project, code)


def test_without_a_change_nothing_is_built_loaded_or_replaced(project, wrapped_zig):
    project.write("m.zig", "pub const Point = struct {\n    x: i32,\n    pub fn twice(self: Point) i32 {\n        return self.x * 2;\n    }\n};\n" + ADD)
    code = """
    import m
    before = dict(vars(m))
    libraries = [line for line in open("/proc/self/maps")]
    os.utime("m.zig")
    loaded = set(sys.modules)
    assert importlib.reload(m) is m
    after = dict(vars(m))
    changed = {name for name in before if after[name] is not before[name]}
    assert set(after) == set(before) and changed <= {"__spec__", "__loader__", "__zigimport__", "__file__", "__path__"}, changed
    assert m.__file__ == before["__file__"] and m.__spec__.origin == m.__file__
    assert m.__zigimport__.key == before["__zigimport__"].key
    assert set(sys.modules) - loaded == {"zigimport._reload"}
    """
    run(project, code)
    assert len(wrapped_zig.compiles) == 1


def test_the_module_describes_the_new_build(project):
    project.write("m.zig", "//! One.\n" + ADD)
    code = """
    import m
    old = m.__zigimport__, m.__file__, m.__spec__
    write("m.zig", "//! Two.\\n" + answer(1))
    importlib.reload(m)
    assert m.__doc__.strip() == "Two."
    assert m.__zigimport__.key != old[0].key and m.__zigimport__.source == old[0].source
    assert m.__file__ != old[1] and os.path.exists(m.__file__) and os.path.exists(old[1])
    assert m.__spec__ is not old[2] and m.__spec__.origin == m.__file__ and m.__spec__.loader is m.__loader__
    assert m.__spec__.loader.path == m.__file__ and m.__name__ == m.answer.__module__ == "m"
    """
    run(project, code)


def test_dropped_names_go_and_the_users_own_stay(project):
    project.write("m.zig", "pub const gone = 1;\npub const replaced = 2;\npub const kept = 3;\n")
    code = """
    import m
    m.own = "own"
    m.replaced = "mine"
    write("m.zig", "pub const kept = 4;")
    importlib.reload(m)
    assert not hasattr(m, "gone") and m.kept == 4
    assert m.own == "own" and m.replaced == "mine"
    write("m.zig", "pub const gone = 5; pub const replaced = 6;")
    importlib.reload(m)
    assert (m.gone, m.replaced, m.own) == (5, 6, "own") and not hasattr(m, "kept")
    """
    run(project, code)


CLASSES = """
pub const Counter = struct {
    count: i64 = 0,
    pub fn init() Counter {
        return .{};
    }
    pub fn step(self: *Counter) i64 {
        self.count += STEP;
        return self.count;
    }
};
pub const Point = struct { x: i64 };
pub fn point() Point {
    return .{ .x = STEP };
}
pub fn fail() !void {
    return error.Broken;
}
pub fn callBack(function: @import("zigimport").Callable) !void {
    return function.call(void, .{});
}
"""


def test_old_functions_instances_and_exceptions_go_on_in_the_old_code(project):
    project.write("m.zig", CLASSES.replace("STEP", "1"))
    code = """
    import gc
    import m
    from m import fail, point
    old = m.Counter()
    old.step()
    OldError, OldCounter = m.ZigError, m.Counter
    write("m.zig", open("m.zig").read().replace("+= 1", "+= 10"))
    importlib.reload(m)
    gc.collect()
    assert (old.step(), m.Counter().step()) == (2, 10)
    assert isinstance(old, OldCounter) and not isinstance(old, m.Counter)
    for function, error in ((fail, OldError), (m.fail, m.ZigError)):
        try:
            function()
        except error as raised:
            assert raised.name == "Broken" and type(raised) is error
    assert OldError is not m.ZigError
    assert point() == m.point()
    del old, OldCounter, OldError, fail, point
    gc.collect()
    assert m.Counter().step() == 10
    """
    run(project, code)


def test_what_was_pickled_before_is_loaded_into_the_new_class(project):
    project.write("m.zig", CLASSES.replace("STEP", "1"))
    code = """
    import pickle
    import m
    old = m.point()
    bytes_before = pickle.dumps(old)
    try:
        m.fail()
    except m.ZigError as error:
        old_error = error
    error_before = pickle.dumps(old_error)
    write("m.zig", open("m.zig").read().replace("+= 1", "+= 10"))
    importlib.reload(m)
    loaded = pickle.loads(bytes_before)
    assert type(loaded) is m.Point and loaded == old
    assert type(pickle.loads(error_before)) is m.ZigError
    assert type(pickle.loads(pickle.dumps(m.point()))) is m.Point
    # As with every class that a reload replaced.
    for one in (old, old_error):
        try:
            pickle.dumps(one)
        except pickle.PicklingError as error:
            assert "not the same object" in str(error)
        else:
            raise AssertionError(one)
    """
    run(project, code)


def test_earlier_content_gives_the_earlier_code_without_a_compile(project, wrapped_zig):
    project.write("m.zig", ADD)
    code = """
    import m
    text = open("m.zig").read()
    first = m.__file__
    write("m.zig", text.replace("a + b", "a - b"))
    importlib.reload(m)
    second = m.__file__
    for _ in range(3):
        write("m.zig", text)
        importlib.reload(m)
        assert (m.__file__, m.add(3, 1)) == (first, 4)
        write("m.zig", text.replace("a + b", "a - b"))
        importlib.reload(m)
        assert (m.__file__, m.add(3, 1)) == (second, 2)
    """
    run(project, code)
    assert len(wrapped_zig.compiles) == 2


def test_a_variable_starts_anew_in_a_new_build_and_goes_on_in_an_earlier_one(project):
    project.write("m.zig", "var calls: u32 = 0;\npub fn call() u32 {\n    calls += 1;\n    return calls;\n}\n")
    code = """
    import m
    text = open("m.zig").read()
    assert [m.call(), m.call()] == [1, 2]
    write("m.zig", text + "pub const other = 1;")
    importlib.reload(m)
    assert m.call() == 1
    write("m.zig", text)
    importlib.reload(m)
    assert m.call() == 3
    """
    run(project, code)


@pytest.mark.parametrize("line", ["0.15", "0.17"])
def test_a_reload_works_with_every_compiler(make_project, line):
    project = make_project(zig=line)
    project.write("m.zig", ADD)
    code = """
    import m
    write("m.zig", answer(7))
    assert importlib.reload(m).answer() == 7 and not hasattr(m, "add")
    """
    run(project, code)


def test_a_reload_works_with_the_oldest_python(make_project, python):
    project = make_project(python=python)
    project.write("m.zig", CLASSES.replace("STEP", "1"))
    code = """
    import m
    old = m.Counter()
    write("m.zig", open("m.zig").read().replace("+= 1", "+= 10"))
    assert importlib.reload(m).Counter().step() == 10 and old.step() == 1
    """
    run(project, code)


# What fails.


def test_a_failed_reload_says_why_and_leaves_the_module_as_it_was(project):
    project.write("m.zig", ADD)
    code = """
    import m
    before = dict(vars(m))
    text = open("m.zig").read()
    write("m.zig", text.replace("a + b", "a + nothing"))
    for _ in range(2):
        try:
            importlib.reload(m)
        except zigimport.ZigCompileError as error:
            (diagnostic,) = error.diagnostics
            assert diagnostic.line == 2 and "nothing" in str(error)
            assert (error.name, error.path) == ("m", os.path.abspath("m.zig"))
        else:
            raise AssertionError
        assert vars(m) == before and sys.modules["m"] is m and m.add(1, 2) == 3
    write("m.zig", text.replace("a + b", "a * b"))
    importlib.reload(m)
    assert m.add(3, 4) == 12
    """
    run(project, code)


def test_a_source_that_is_gone_leaves_the_code(project):
    project.write("m.zig", ADD)
    code = """
    import m
    text = open("m.zig").read()
    os.remove("m.zig")
    try:
        importlib.reload(m)
    except ModuleNotFoundError as error:
        assert "'m'" in str(error)
    assert m.add(1, 2) == 3
    write("m.zig", text.replace("a + b", "a * b"))
    assert importlib.reload(m).add(3, 4) == 12
    """
    run(project, code)


def test_a_reload_without_a_compiler_gives_what_is_cached(project):
    project.write("m.zig", ADD.replace("+", "-"))
    project.imports("m")
    project.write("m.zig", ADD)
    project.imports("m")
    code = """
    import m
    text = open("m.zig").read()
    write("m.zig", text.replace("+", "-"))
    assert importlib.reload(m).add(3, 1) == 2
    write("m.zig", answer(1))
    try:
        importlib.reload(m)
    except zigimport.ZigNotFoundError:
        assert m.add(3, 1) == 2
    else:
        raise AssertionError
    """
    run(project, code, env={"ZIGIMPORT_NATIVE": "never"})


# Packages and namespaces.


def test_a_package_and_its_submodules_are_reloaded_each_by_itself(project):
    project.write("pkg/__init__.zig", "pub const version = 1;\npub fn old() void {}\n")
    project.write("pkg/part.zig", ADD)
    code = """
    import pkg, pkg.part
    part = pkg.part
    write("pkg/__init__.zig", "pub const version = 2;")
    write("pkg/part.zig", answer(5))
    assert importlib.reload(pkg).version == 2 and not hasattr(pkg, "old")
    assert pkg.part is part is sys.modules["pkg.part"] and part.add(1, 2) == 3
    assert importlib.reload(part) is pkg.part and pkg.part.answer() == 5 and not hasattr(part, "add")
    assert pkg.__path__ == [os.path.abspath("pkg")] and part.__spec__.parent == "pkg"
    write("pkg/later.zig", answer(6))
    from pkg import later
    assert later.answer() == 6 and pkg.later is later
    """
    run(project, code)


NESTED = """
pub const outer = struct {
    pub const first = 1;
    pub const inner = struct {
        pub const value = 1;
    };
};
pub const part = @import("part.zig");
"""


def test_namespaces_keep_their_objects_and_get_the_new_code(project):
    project.write("m.zig", NESTED)
    project.write("part.zig", "pub const Point = struct { x: i32 };\npub fn number() u8 {\n    return 1;\n}\n")
    code = """
    import pickle
    import m, m.part, m.outer.inner
    part, outer, inner = m.part, m.outer, m.outer.inner
    old_number, point = part.number, pickle.dumps(part.Point(1))
    outer.own = "own"
    write("m.zig", open("m.zig").read().replace("value = 1", "value = 2").replace("first", "second"))
    write("part.zig", open("part.zig").read().replace("return 1", "return 2"))
    importlib.reload(m)
    assert m.part is part is sys.modules["m.part"] and (part.number(), old_number()) == (2, 1)
    assert m.outer is outer and outer.inner is inner is sys.modules["m.outer.inner"] and inner.value == 2
    assert outer.second == 1 and outer.own == "own" and not hasattr(outer, "first")
    assert type(pickle.loads(point)) is part.Point
    write("m.zig", "pub const added = struct { pub const x = 1; };")
    importlib.reload(m)
    assert sys.modules["m.added"] is m.added and m.added.x == 1
    assert not {"part", "outer"} & set(vars(m)) and not {"m.part", "m.outer", "m.outer.inner"} & set(sys.modules)
    assert part.number() == 2
    """
    run(project, code)


def test_a_reload_that_fails_in_the_init_function_leaves_the_namespaces_alone(project):
    project.write("m.zig", NESTED)
    project.write("part.zig", "pub const number = 1;\n")
    code = """
    import m, m.part
    before = dict(vars(m)), dict(vars(m.part))
    write("part.zig", "pub const number = 2;")
    write("m.zig", open("m.zig").read() + 'pub const added = 1;')
    # A build is loaded, and then Python refuses to run its init function.
    import _imp
    def refuse(module, original=_imp.exec_dynamic):
        original(module)
        raise MemoryError("no memory")
    _imp.exec_dynamic = refuse
    try:
        importlib.reload(m)
    except MemoryError:
        assert (dict(vars(m)), dict(vars(m.part))) == before and sys.modules["m.part"] is m.part
    else:
        raise AssertionError
    """
    run(project, code)


# Modules that were written for the C API.

BARE = """
const Object = opaque {};
const Method = extern struct { name: ?[*:0]const u8 = null, call: ?*const fn (*Object, *Object) callconv(.c) ?*Object = null, flags: c_int = 0, doc: ?[*:0]const u8 = null };
const Slot = extern struct { id: c_int = 0, value: ?*const anyopaque = null };
const Definition = extern struct { refcount: isize = 1, type: ?*anyopaque = null, init: ?*anyopaque = null, index: isize = 0, copy: ?*Object = null, name: [*:0]const u8, doc: ?[*:0]const u8 = null, size: isize, methods: [*]const Method, slots: ?[*]const Slot = null, traverse: ?*anyopaque = null, clear: ?*anyopaque = null, free: ?*anyopaque = null };
extern fn PyModuleDef_Init(*Definition) callconv(.c) ?*Object;
extern fn PyModule_Create2(*Definition, c_int) callconv(.c) ?*Object;
extern fn PyLong_FromLong(c_long) callconv(.c) ?*Object;
extern fn Py_IncRef(?*Object) callconv(.c) void;
extern fn PyObject_SetAttrString(*Object, [*:0]const u8, *Object) callconv(.c) c_int;
var calls: c_long = 0;
fn number(_: *Object, _: *Object) callconv(.c) ?*Object {
    calls += 1;
    return PyLong_FromLong(NUMBER);
}
fn count(_: *Object, _: *Object) callconv(.c) ?*Object {
    return PyLong_FromLong(calls);
}
const methods = [_]Method{ .{ .name = "number", .call = &number, .flags = 4 }, .{ .name = "NAME", .call = &count, .flags = 4 }, .{} };
"""
INITS = {
    "multi-phase": """
const slots = [_]Slot{.{}};
var definition: Definition = .{ .name = "m", .size = 0, .methods = &methods, .slots = &slots };
export fn PyInit_m() callconv(.c) ?*Object {
    return PyModuleDef_Init(&definition);
}
""",
    "single-phase with global state": """
var definition: Definition = .{ .name = "m", .size = -1, .methods = &methods };
export fn PyInit_m() callconv(.c) ?*Object {
    return PyModule_Create2(&definition, 1013);
}
""",
    "single-phase": """
var definition: Definition = .{ .name = "m", .size = 0, .methods = &methods };
export fn PyInit_m() callconv(.c) ?*Object {
    return PyModule_Create2(&definition, 1013);
}
""",
}
#: Keeps the one module object that it makes.
HOARDING = """
var definition: Definition = .{ .name = "m", .size = 0, .methods = &methods };
var made: ?*Object = null;
export fn PyInit_m() callconv(.c) ?*Object {
    if (made == null) made = PyModule_Create2(&definition, 1013);
    Py_IncRef(made);
    return made;
}
"""


def bare(init, number, name="count"):
    """A module written for the C API without its headers."""
    return BARE.replace("NUMBER", str(number)).replace("NAME", name) + init


@pytest.mark.parametrize("init", INITS.values(), ids=INITS)
def test_a_handwritten_module_is_reloaded(make_project, python, init):
    project = make_project(python=python)
    sources = [bare(init, 1, "first"), bare(init, 2, "second")]
    code = """
    import m
    sources = json.loads(sys.argv[1])
    old = m.number
    for _ in range(4):
        write("m.zig", sources[1])
        assert importlib.reload(m) is m is sys.modules["m"]
        assert (m.number(), old()) == (2, 1) and hasattr(m, "second") and not hasattr(m, "first")
        write("m.zig", sources[0])
        assert importlib.reload(m) is m is sys.modules["m"]
        assert (m.number(), old()) == (1, 1) and hasattr(m, "first") and not hasattr(m, "second")
        assert m.__spec__.origin == m.__file__ and m.__name__ == "m"
    assert m.first() == 12
    """
    project.write("m.zig", sources[0])
    ran = project.run(HELPERS + dedented(code), json.dumps(sources))
    assert ran.returncode == 0, ran
    assert len(ran.builds) == 2


def test_a_handwritten_module_that_keeps_its_object_is_refused_where_that_comes_back(project):
    sources = [bare(HOARDING, 1), bare(HOARDING, 2)]
    code = """
    import m
    sources = json.loads(sys.argv[1])
    write("m.zig", sources[1])
    assert importlib.reload(m).number() == 2
    write("m.zig", sources[0])
    try:
        importlib.reload(m)
    except zigimport.ZigImportError as error:
        assert "module object that is loaded" in str(error) and "start a new process" in error.hint
        assert os.path.abspath("m.zig") in str(error)
    else:
        raise AssertionError
    assert m.number() == 2 and sys.modules["m"] is m
    """
    project.write("m.zig", sources[0])
    ran = project.run(HELPERS + dedented(code), json.dumps(sources))
    assert ran.returncode == 0, ran


# Threads, numbers, platforms.


def test_a_thousand_reloads_with_calls_in_other_threads(project):
    source = CLASSES + "pub const part = struct {\n    pub fn same() i64 {\n        return STEP;\n    }\n};\n"
    sources = [source.replace("STEP", str(step)) for step in (1, 2, 3)]
    code = """
    import gc
    sources = json.loads(sys.argv[1])
    import m
    stop, wrong, calls = threading.Event(), [], [0, 0, 0]
    sys.setswitchinterval(1e-5)

    def call(index):
        import m
        while not stop.is_set():
            try:
                counter = m.Counter()
                if counter.step() not in (1, 2, 3) or m.part.same() not in (1, 2, 3) or m.point().x not in (1, 2, 3):
                    wrong.append("a value")
                try:
                    m.fail()
                except Exception as error:
                    if error.name != "Broken":
                        wrong.append(error)
                from m import part
            except BaseException as error:
                wrong.append(error)
            calls[index] += 1

    threads = [threading.Thread(target=call, args=[index]) for index in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1000):
        write("m.zig", sources[number % 3])
        importlib.reload(m)
        assert m.Counter().step() == m.part.same() == number % 3 + 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and min(calls) > 0, (wrong[:3], calls)
    gc.collect()
    libraries = {line.split()[-1] for line in open("/proc/self/maps") if "/lib-v" in line or "/libraries-v" in line}
    assert len(libraries) <= 3, libraries
    """
    project.write("m.zig", sources[0])
    ran = project.run(HELPERS + dedented(code), json.dumps(sources))
    assert ran.returncode == 0, ran
    assert len(ran.builds) == 3


def test_reloads_in_several_threads_and_imports_at_the_same_time(project):
    sources = [bare(INITS["single-phase with global state"], number) for number in (1, 2)]
    code = """
    sources = json.loads(sys.argv[1])
    import m
    wrong, stop = [], threading.Event()
    sys.setswitchinterval(1e-5)

    def reload():
        try:
            for _ in range(100):
                if importlib.reload(m) is not m:
                    wrong.append("another module")
        except BaseException as error:
            wrong.append(error)

    def imported():
        while not stop.is_set():
            import m as now
            if now is not m or now.number() not in (1, 2):
                wrong.append("another module")

    threads = [threading.Thread(target=reload) for _ in range(2)]
    reader = threading.Thread(target=imported)
    for thread in [*threads, reader]:
        thread.start()
    for number in range(100):
        unfinished = "m.zig.new"
        write(unfinished, sources[number % 2])
        os.replace(unfinished, "m.zig")
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    assert not wrong, wrong[:3]
    """
    project.write("m.zig", sources[1])
    project.imports("m")
    project.write("m.zig", sources[0])
    ran = project.run(HELPERS + dedented(code), json.dumps(sources))
    assert ran.returncode == 0, ran


def test_a_module_with_python_headers_is_reloaded(make_project):
    project = make_project(zig="0.15")
    project.write("handmade.zig", C_API.replace("HEADER", HEADERS["cImport"]))
    code = """
    import handmade
    text = open("handmade.zig").read()
    write("handmade.zig", text.replace("left + right", "left - right"))
    old = handmade.add
    assert importlib.reload(handmade).add(3, 1) == 2 and old(3, 1) == 4
    write("handmade.zig", text)
    assert importlib.reload(handmade).add(3, 1) == 4 and handmade.minor == sys.version_info[1]
    """
    run(project, code)
