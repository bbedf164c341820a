"""Builds a rich module with every Zig and checks it on every CPython.

    python check.py            every compiler, every interpreter
    ZIGS="…/zig …/zig" PYTHONS="…/python" python check.py

Three kinds of check: what the library asks of the linker, what it does in Python (this file again,
run by each interpreter with `--inside`), and what the compiler says about files that cannot work.
"""
import gc, glob, importlib.util, inspect, os, re, struct, subprocess, sys, tempfile, time

sys.dont_write_bytecode = True

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = ["-target", "x86_64-linux-gnu.2.17", "-lc"]
NAME = "geometry"

SOURCE = r'''
//! Plane geometry.
const std = @import("std");

pub fn area(w: f64, h: f64) f64 { return w * h; }
pub fn add(a: i64, b: i64) i64 { return a + b; }
pub fn bump(a: u8) u8 { return a + 1; }
pub fn at(i: usize) u8 { const t: [3]u8 = .{ 1, 2, 3 }; return t[i]; }
pub fn boom(msg: []const u8) void { @panic(msg); }
pub fn unwrap(a: ?u8) u8 { return a.?; }
pub fn u1_(a: u1) u1 { return a; }
pub fn i1_(a: i1) i1 { return a; }
pub fn u7_(a: u7) u7 { return a; }
pub fn i8_(a: i8) i8 { return a; }
pub fn u32_(a: u32) u32 { return a; }
pub fn i33_(a: i33) i33 { return a; }
pub fn u63_(a: u63) u63 { return a; }
pub fn u64_(a: u64) u64 { return a; }
pub fn i64_(a: i64) i64 { return a; }
pub fn usize_(a: usize) usize { return a; }
pub fn isize_(a: isize) isize { return a; }
pub fn u65_(a: u65) u65 { return a; }
pub fn i100_(a: i100) i100 { return a; }
pub fn i128_(a: i128) i128 { return a; }
pub fn u128_(a: u128) u128 { return a; }
pub fn f16_(a: f16) f16 { return a; }
pub fn f32_(a: f32) f32 { return a; }
pub fn invert(a: bool) bool { return !a; }
pub fn echo(s: []const u8) []const u8 { return s; }
pub fn echoz(s: [:0]const u8) [:0]const u8 { std.debug.assert(s.ptr[s.len] == 0); return s; }
pub fn literal() *const [5:0]u8 { return "h\xc3\xa9ll"; }
pub fn bad() []const u8 { return "\xff"; }
pub fn maybe(a: ?i32) ?i32 { return if (a) |x| x * 2 else null; }
pub fn maybeText(s: ?[]const u8) ?[]const u8 { return s; }
pub fn nothing() void {}
pub fn fail(kind: u8) !u8 {
    return switch (kind) {
        0 => 7,
        1 => error.Negative,
        2 => error.OutOfMemory,
        3 => error.ValueError,
        4 => error.KeyError,
        else => error.ZeroDivisionError,
    };
}
pub fn check(ok: bool) error{Nope}!void { if (!ok) return error.Nope; }
pub fn swap(p: struct { i32, []const u8 }) struct { []const u8, i32 } { return .{ p[1], p[0] }; }
pub fn upper(gpa: std.mem.Allocator, s: []const u8) ![]u8 {
    const out = try gpa.alloc(u8, s.len);
    for (out, s) |*o, c| o.* = std.ascii.toUpper(c);
    return out;
}
pub fn aligned(gpa: std.mem.Allocator, n: usize) !usize {
    const a = try gpa.alignedAlloc(u8, .@"64", n);
    @memset(a, 1);
    var total: usize = @intFromPtr(a.ptr) % 64;
    for (a) |x| total += x;
    var l: std.ArrayList(u32) = .empty;
    for (0..n) |i| try l.append(gpa, @intCast(i));
    return total + l.items.len;
}
pub fn generic(x: anytype) void { _ = x; }
pub fn typed(comptime T: type, x: T) T { return x; }
pub fn sum(v: []const f64) f64 { _ = v; return 0; }
pub const Point = struct { x: f32 };
pub fn point() Point { return .{ .x = 1 }; }
pub export fn exported(a: c_int) c_int { return a * 2; }
pub const plus = add;
pub const max = std.math.pow;
pub const pi = 3.5;
pub const answer = 42;
pub const big = 1 << 63;
pub const huge = -(1 << 100);
pub const enormous = 1 << 400;
pub const small: u8 = 7;
pub const flag = true;
pub const name = "geo";
pub const title: []const u8 = "Géo";
pub const none_now: ?u8 = null;
pub const old = @compileError("deprecated");
pub fn keyword(lambda: u8, _: u8, @"for": u8) u8 { return lambda + @"for"; }
pub fn mode() []const u8 { return @tagName(@import("builtin").mode); }
pub fn stripped() bool { return @import("builtin").strip_debug_info; }
'''

DECLARATIONS = r'''
pub const module_name: [:0]const u8 = "geometry";
pub const init_symbol: []const u8 = "PyInit_geometry";
pub const source_path: []const u8 = "geometry.zig";
pub const doc: [:0]const u8 = "Plane geometry.";
pub const list = .{
    .{ .name = "area", .kind = .function, .parameters = .{"w", "h"}, .doc = "Doc of area.", .line = 4 },
    .{ .name = "add", .kind = .function, .parameters = .{"a", "b"}, .doc = "", .line = 5 },
    .{ .name = "bump", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 6 },
    .{ .name = "at", .kind = .function, .parameters = .{"i"}, .doc = "", .line = 7 },
    .{ .name = "boom", .kind = .function, .parameters = .{"msg"}, .doc = "", .line = 8 },
    .{ .name = "unwrap", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 9 },
    .{ .name = "u1_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 10 },
    .{ .name = "i1_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 11 },
    .{ .name = "u7_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 12 },
    .{ .name = "i8_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 13 },
    .{ .name = "u32_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 14 },
    .{ .name = "i33_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 15 },
    .{ .name = "u63_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 16 },
    .{ .name = "u64_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 17 },
    .{ .name = "i64_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 18 },
    .{ .name = "usize_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 19 },
    .{ .name = "isize_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 20 },
    .{ .name = "u65_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 21 },
    .{ .name = "i100_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 22 },
    .{ .name = "i128_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 23 },
    .{ .name = "u128_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 24 },
    .{ .name = "f16_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 25 },
    .{ .name = "f32_", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 26 },
    .{ .name = "invert", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 27 },
    .{ .name = "echo", .kind = .function, .parameters = .{"s"}, .doc = "", .line = 28 },
    .{ .name = "echoz", .kind = .function, .parameters = .{"s"}, .doc = "", .line = 29 },
    .{ .name = "literal", .kind = .function, .parameters = .{}, .doc = "", .line = 30 },
    .{ .name = "bad", .kind = .function, .parameters = .{}, .doc = "", .line = 31 },
    .{ .name = "maybe", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 32 },
    .{ .name = "maybeText", .kind = .function, .parameters = .{"s"}, .doc = "", .line = 33 },
    .{ .name = "nothing", .kind = .function, .parameters = .{}, .doc = "", .line = 34 },
    .{ .name = "fail", .kind = .function, .parameters = .{"kind"}, .doc = "", .line = 35 },
    .{ .name = "check", .kind = .function, .parameters = .{"ok"}, .doc = "", .line = 45 },
    .{ .name = "swap", .kind = .function, .parameters = .{"p"}, .doc = "", .line = 46 },
    .{ .name = "upper", .kind = .function, .parameters = .{"gpa", "s"}, .doc = "", .line = 47 },
    .{ .name = "aligned", .kind = .function, .parameters = .{"gpa", "n"}, .doc = "", .line = 52 },
    .{ .name = "generic", .kind = .function, .parameters = .{"x"}, .doc = "", .line = 61 },
    .{ .name = "typed", .kind = .function, .parameters = .{"T", "x"}, .doc = "", .line = 62 },
    .{ .name = "sum", .kind = .function, .parameters = .{"v"}, .doc = "", .line = 63 },
    .{ .name = "Point", .kind = .constant, .line = 64 },
    .{ .name = "point", .kind = .function, .parameters = .{}, .doc = "", .line = 65 },
    .{ .name = "exported", .kind = .function, .parameters = .{"a"}, .doc = "", .line = 66 },
    .{ .name = "plus", .kind = .constant, .line = 67 },
    .{ .name = "max", .kind = .constant, .line = 68 },
    .{ .name = "pi", .kind = .constant, .line = 69 },
    .{ .name = "answer", .kind = .constant, .line = 70 },
    .{ .name = "big", .kind = .constant, .line = 71 },
    .{ .name = "huge", .kind = .constant, .line = 72 },
    .{ .name = "enormous", .kind = .constant, .line = 73 },
    .{ .name = "small", .kind = .constant, .line = 74 },
    .{ .name = "flag", .kind = .constant, .line = 75 },
    .{ .name = "name", .kind = .constant, .line = 76 },
    .{ .name = "title", .kind = .constant, .line = 77 },
    .{ .name = "none_now", .kind = .constant, .line = 78 },
    .{ .name = "keyword", .kind = .function, .parameters = .{"lambda", "_", "for"}, .doc = "", .line = 80 },
    .{ .name = "mode", .kind = .function, .parameters = .{}, .doc = "", .line = 81 },
    .{ .name = "stripped", .kind = .function, .parameters = .{}, .doc = "", .line = 82 },
};
'''


def declarations(name, entries, source_path=None):
    return (
        f'pub const module_name: [:0]const u8 = "{name}";\n'
        f'pub const init_symbol: []const u8 = "PyInit_{name}";\n'
        f'pub const source_path: []const u8 = "{source_path or name + ".zig"}";\n'
        'pub const doc: [:0]const u8 = "";\n'
        f"pub const list = .{{ {entries} }};\n"
    )


def command(zig, folder, cache, name=NAME, mode="Debug", target=TARGET):
    """The exact command line of the host."""
    return [
        zig, "build-lib", "-dynamic", "-fallow-shlib-undefined", "-fno-ubsan-rt", "-fstrip", *target, "-O", mode,
        "--dep", "zigimport", "--dep", "user", "--dep", "declarations", f"-Mroot={HERE}/root.zig",
        f"-Mzigimport={HERE}/zigimport.zig",
        "--dep", "zigimport", f"-Muser={folder}/{name}.zig",
        f"-Mdeclarations={folder}/declarations.zig",
        "--name", name, "--cache-dir", f"{cache}/local", "--global-cache-dir", f"{cache}/global",
    ]  # fmt: skip


def compile_library(*arguments, **options):
    """One update over the compiler's protocol; returns (library or None, error text, seconds)."""
    started = time.perf_counter()
    line = command(*arguments, **options)
    run = subprocess.run([*line, "--listen=-"], input=struct.pack("<IIII", 1, 0, 0, 0), capture_output=True)
    seconds = time.perf_counter() - started
    answer, at, library, errors = run.stdout, 0, None, b""
    while at < len(answer):
        tag, size = struct.unpack_from("<II", answer, at)
        payload = answer[at + 8 : at + 8 + size]
        at += 8 + size
        if tag == 1:
            errors += payload
        if tag == 2:
            folder = os.path.join(line[line.index("--cache-dir") + 1], "o", payload[1:].hex())
            found = [f for f in glob.glob(folder + "/*") if f.endswith((".so", ".dll", ".dylib", ".wasm"))]
            library = found[0] if found else None
    return library, errors.replace(b"\0", b"\n").decode("utf-8", "replace") + run.stderr.decode(), seconds


def write(folder, source, description, name=NAME):
    os.makedirs(folder, exist_ok=True)
    for file, text in ((f"{name}.zig", source), ("declarations.zig", description)):
        with open(os.path.join(folder, file), "w", encoding="utf-8") as stream:
            stream.write(text)
    return folder


# ---- inside an interpreter --------------------------------------------------------------------


def load(path, name=NAME):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raises(kind, message, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except BaseException as error:
        assert type(error) is kind or kind in type(error).__mro__[:1], (type(error), error)
        assert message is None or message in str(error), str(error)
        return error
    raise AssertionError(f"{function} did not raise {kind}")


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def check_integers(g):
    for name, low, high in (
        ("u1_", 0, 1), ("i1_", -1, 0), ("u7_", 0, 127), ("i8_", -128, 127), ("u32_", 0, 2**32 - 1),
        ("i33_", -(2**32), 2**32 - 1), ("u63_", 0, 2**63 - 1), ("u64_", 0, 2**64 - 1),
        ("i64_", -(2**63), 2**63 - 1), ("usize_", 0, 2**64 - 1), ("isize_", -(2**63), 2**63 - 1),
        ("u65_", 0, 2**65 - 1), ("i100_", -(2**99), 2**99 - 1),
        ("i128_", -(2**127), 2**127 - 1), ("u128_", 0, 2**128 - 1),
    ):  # fmt: skip
        f = getattr(g, name)
        for value in {low, high, 0, low // 3, high // 3, high // 7, high - 1 if high else 0, low // 2**40}:
            assert f(value) == value and type(f(value)) is int, (name, value, f(value))
            assert f(Index(value)) == value
        for value in (low - 1, high + 1, 2**200, -(2**200), high + 2**64, low - 2**64):
            raises(OverflowError, f"{name}() argument 'a': out of range for", f, value)
        for value in (1.0, "1", None, b"1", [], 1j):
            raises(TypeError, f"argument 'a': expected int, got {type(value).__name__}", f, value)
        raises(LookupError, "mine", f, Index(LookupError("mine")))
    raises(OverflowError, "u7_() argument 'a': out of range for u7 (0 to 127)", g.u7_, 128)
    assert g.add(True, 2) == 3 and g.plus(2, 3) == 5 and g.exported(21) == 42


def check_floats(g):
    assert g.area(2, 3.5) == 7.0 and g.area(1e308, 10) == float("inf")
    raises(TypeError, "area() argument 'w': expected float, got str", g.area, "1", 2)
    raises(TypeError, "area() argument 'h': expected float, got NoneType", g.area, 1, None)
    raises(OverflowError, "out of range for f64", g.area, 10**400, 1)
    assert g.f32_(1.5) == 1.5 and g.f16_(0.25) == 0.25 and g.f32_(float("inf")) == float("inf")
    assert g.f32_(0.1) != 0.1 and abs(g.f32_(0.1) - 0.1) < 1e-8 and g.f32_(-1.0) == -1.0
    raises(OverflowError, "out of range for f32", g.f32_, 1e39)
    raises(OverflowError, "out of range for f16", g.f16_, 70000.0)


def check_bool_and_text(g):
    assert g.invert(True) is False and g.invert(False) is True
    for value in (0, 1, None, "x"):
        raises(TypeError, f"expected bool, got {type(value).__name__}", g.invert, value)
    for value in ("", "a", "größe 🦎", "a\0b", "x" * 100_000):
        assert g.echo(value) == value and g.echo(value.encode()) == value
    assert g.echoz("héllo") == "héllo" == g.echoz("héllo".encode()) and g.echoz("") == ""
    raises(ValueError, "echoz() argument 's': embedded null character", g.echoz, "a\0b")
    raises(TypeError, "expected str or bytes, got int", g.echo, 1)
    raises(UnicodeEncodeError, None, g.echo, "\ud800")
    raises(UnicodeDecodeError, None, g.bad)
    assert g.literal() == "héll"


def check_compounds(g):
    assert g.maybe(None) is None and g.maybe(4) == 8 and g.nothing() is None
    raises(TypeError, "expected int or None, got str", g.maybe, "x")
    assert g.maybeText(None) is None and g.maybeText("é") == "é"
    assert g.swap((1, "a")) == ("a", 1)
    for value in ([1, "a"], (1,), (1, "a", 2), ("a", 1), None):
        raises(TypeError, "expected tuple (int, str or bytes), got", g.swap, value)
    raises(OverflowError, "out of range for (i32", g.swap, (2**31, "a"))
    assert g.upper("grid") == "GRID" and g.aligned(1000) == 2000


def check_errors(g):
    assert g.fail(0) == 7 and g.check(True) is None
    error = raises(g.ZigError, "Negative", g.fail, 1)
    assert error.name == "Negative" and str(error) == "Negative" and error.args == ("Negative",)
    assert isinstance(error, RuntimeError) and repr(g.ZigError) == "<class 'geometry.ZigError'>"
    assert raises(g.ZigError, None, g.check, False).name == "Nope"
    for kind, class_ in ((2, MemoryError), (3, ValueError), (4, KeyError), (5, ZeroDivisionError)):
        raises(class_, None, g.fail, kind)


def check_module(g):
    raises(TypeError, "area() takes 2 positional arguments but 3 were given", g.area, 1, 2, 3)
    raises(TypeError, "area() takes 2 positional arguments but 1 was given", g.area, 1)
    raises(TypeError, "nothing() takes 0 positional arguments but 1 was given", g.nothing, 1)
    raises(TypeError, "u1_() takes 1 positional argument but 0 were given", g.u1_)
    raises(TypeError, "takes no keyword arguments", g.area, w=1, h=2)
    assert g.__doc__ == "Plane geometry." and g.area.__doc__ == "Doc of area." and g.area.__module__ == NAME
    assert str(inspect.signature(g.area)) == "(w, h, /)" and str(inspect.signature(g.nothing)) == "()"
    assert str(inspect.signature(g.upper)) == "(s, /)" and str(inspect.signature(g.plus)) == "(arg0, arg1, /)"
    assert str(inspect.signature(g.keyword)) == "(arg0, arg1, arg2, /)" and g.keyword(1, 2, 3) == 4
    assert g.__zigimport_skipped__ == {
        "generic": "parameter 1: type `anytype`",
        "typed": "parameter 1: type `type`",
        "sum": "parameter 1: type `[]const f64`",
        "point": "result: type `geometry.Point`",
        "max": "parameter 1: type `type`",
    }
    assert (g.pi, g.answer, g.big, g.huge, g.small) == (3.5, 42, 2**63, -(2**100), 7)
    assert g.flag is True and g.name == "geo" and g.title == "Géo"
    for name in ("enormous", "old", "Point", "none_now", "std", "generic"):
        assert not hasattr(g, name), name
    assert g.stripped() is True


def resident_kib():
    with open("/proc/self/status") as stream:
        return int(re.search(r"VmRSS:\s+(\d+)", stream.read()).group(1))


def check_references(g):
    """References and memory stay level over many calls, with results, refusals and errors."""
    text, number, pair, index = "größe" * 50, 2**70, (7_000_000, "ab" * 40), Index(5_000_000)
    objects = (text, number, pair, pair[1], index, None, True, g, g.ZigError)

    def round_of_calls():
        g.echo(text), g.i100_(number), g.swap(pair), g.maybe(None), g.invert(True), g.u64_(index)
        g.upper(text), g.aligned(300), g.area(1, 2), g.u65_(index)
        for function, argument in ((g.fail, 1), (g.fail, 3), (g.u7_, number), (g.u7_, text), (g.i128_, 2**200), (g.swap, (1, 2)), (g.area, 1), (g.bad, 1), (g.echoz, "a\0")):
            try:
                function(argument)
            except Exception:
                pass
        try:
            g.bad()
        except UnicodeDecodeError:
            pass

    for _ in range(300):
        round_of_calls()
    gc.collect()
    before, resident = [sys.getrefcount(o) for o in objects], resident_kib()
    for _ in range(3000):
        round_of_calls()
    gc.collect()
    after = [sys.getrefcount(o) for o in objects]
    # None and True are shared with everything else and move a little; a leak per call would be 3000.
    assert all(abs(a - b) < 500 for a, b in zip(before, after)), (before, after)
    assert before[:5] == after[:5], (before, after)
    assert resident_kib() - resident < 1024, (resident, resident_kib())


def check_reload(path):
    """Module objects come and go; each has its own class and the collector takes both."""
    import weakref

    classes = []
    for _ in range(50):
        module = load(path)
        classes.append(weakref.ref(module.ZigError))
        raises(module.ZigError, None, module.fail, 1)
    del module
    gc.collect()
    assert sum(c() is not None for c in classes) <= 1, "modules are not collected"


def check_interpreters(path):
    """A module also works in further interpreters that share the lock (the module for it is private)."""
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        return
    for _ in range(3):
        interpreter = interpreters.create(isolated=False)
        code = f"import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {HERE!r}); import check; g = check.load({path!r}); assert g.add(1, 2) == 3\ntry: g.fail(1)\nexcept g.ZigError: pass"
        interpreters.run_string(interpreter, code)
        interpreters.destroy(interpreter)


def inside(path):
    g = load(path)
    for check in (check_integers, check_floats, check_bool_and_text, check_compounds, check_errors, check_module, check_references):
        check(g)
    check_reload(path)
    check_interpreters(path)


# ---- outside ----------------------------------------------------------------------------------


def check_symbols(path):
    """Everything undefined is either in `python3.def` or of libc."""
    with open(os.path.join(HERE, "python3.def")) as stream:
        known = {line.split()[0] for line in stream if line.startswith("    ")}
    output = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=True).stdout
    undefined = {line.split()[-1].split("@")[0] for line in output.splitlines() if " U " in line}
    python = {name for name in undefined if name.startswith(("Py", "_Py"))}
    assert python <= known, python - known
    exported = {line.split()[-1] for line in output.splitlines() if re.search(r" [TDBR] ", line)}
    assert f"PyInit_{NAME}" in exported and len(exported) <= 2, exported
    return sorted(undefined - python)


def check_definition_file():
    with open(os.path.join(HERE, "abi.zig")) as stream:
        functions = set(re.findall(r"pub extern fn (\w+)", stream.read()))
    classes = set()
    for file in glob.glob(HERE + "/*.zig"):
        with open(file) as stream:
            text = stream.read()
        classes |= set(re.findall(r'exception\("(\w+)"\)', text))
        table = re.search(r"const same_named = .*?\{(.*?)\};", text, re.S)
        if table:
            classes |= set(re.findall(r'"(\w+)"', table.group(1)))
    with open(os.path.join(HERE, "python3.def")) as stream:
        lines = [line.strip() for line in stream if line.startswith("    ")]
    assert {line for line in lines if not line.endswith(" DATA")} == functions
    assert {line.split()[0][6:] for line in lines if line.endswith(" DATA")} == classes


def check_panics(python, path):
    prefix = f"import sys; sys.path.insert(0, {HERE!r}); import check; g = check.load({path!r}); "
    for call, message in (
        ("g.bump(255)", "integer overflow"),
        ("g.at(5)", "index out of bounds: index 5, len 3"),
        ("g.unwrap(None)", "attempt to use null value"),
        ("g.boom('so sad')", "so sad"),
        ("g.boom('x' * 5000)", "x" * 900),
        ("import threading; t = threading.Thread(target=g.bump, args=(255,)); t.start(); t.join()", "integer overflow"),
    ):
        run = subprocess.run([python, "-c", prefix + call], capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        assert run.returncode == -6, (call, run)
        assert f"zig panic in module {NAME}: {message}" in run.stderr, run.stderr


def check_diagnostics(zig, folder, cache):
    """A user's mistake is reported in the user's file; a file with nothing to export says why."""
    entry = '.{ .name = "f", .kind = .function, .line = 1 }'
    for source, text in (
        ("pub fn f() u8 { return undefined_name; }\n", "undefined_name"),
        ("pub fn f() u8 { return \"text\"; }\n", "expected type 'u8'"),
        ("pub fn f() u8 { return 1 }\n", "expected ';'"),
    ):
        write(folder, source, declarations("wrong", entry), "wrong")
        library, errors, _ = compile_library(zig, folder, cache, name="wrong")
        assert library is None and text in errors and f"{folder}/wrong.zig" in errors, (library, text, errors)
        assert "convert.zig" not in errors.split(text)[0], errors
    for source, entries, reason in (
        ("pub fn f(x: anytype) void { _ = x; }\n", entry, "`f`: parameter 1: type `anytype`"),
        ("const x = 1;\n", "", "it has no `pub fn`"),
    ):
        write(folder, source, declarations("wrong", entries), "wrong")
        library, errors, _ = compile_library(zig, folder, cache, name="wrong")
        start = "zigimport: nothing to export from wrong.zig: "
        assert library is None and start + reason in errors, (library, start + reason, errors)


def check_large(zig, folder, cache):
    """Hundreds of declarations, long names and documents; the description with named types."""
    source, entries, count = "", "", 200
    for i in range(count):
        names = [f"a_rather_long_parameter_name_{j}" for j in range(30 if i % 20 == 0 else 3)]
        source += f"pub fn function_{i}({', '.join(n + ': u128' for n in names)}) u64 {{ {' '.join(f'_ = {n};' for n in names)} return {i}; }}\n"
        listed = ", ".join(f'"{n}"' for n in names)
        entries += f'.{{ .name = "function_{i}", .kind = .function, .parameters = &.{{ {listed} }}, .doc = "{"text " * 200}", .line = {i} }},\n'
    for i in range(3 * count):
        source += f"pub const constant_{i} = {i};\n"
        entries += f'.{{ .name = "constant_{i}", .kind = .constant, .line = 1 }},\n'
    description = declarations("large", "").replace("pub const list = .{  };", "") + (
        "pub const Kind = enum { function, constant };\n"
        "pub const Declaration = struct { name: [:0]const u8, kind: Kind, parameters: []const [:0]const u8 = &.{},"
        ' doc: [:0]const u8 = "", line: u32 };\n'
        f"pub const list: []const Declaration = &.{{ {entries} }};\n"
    )
    write(folder, source, description, "large")
    library, errors, seconds = compile_library(zig, folder, cache, name="large")
    assert library, errors
    large = load(library, "large")
    assert large.function_199(1, 2, 3) == 199 and large.constant_599 == 599
    assert len(inspect.signature(large.function_0).parameters) == 30
    print(f"    {count} functions and {3 * count} constants: {seconds:.2f} s, {os.path.getsize(library)} bytes")


def default_paths(variable, pattern):
    return os.environ[variable].split() if variable in os.environ else sorted(glob.glob(pattern))


def main():
    zigs = default_paths("ZIGS", "/tmp/zigs/*/lib/ziglang/zig")
    pythons = default_paths("PYTHONS", "/root/.pyenv/versions/3.*/bin/python")
    # Named by version: 3.6 to 3.8 are below the floor.
    pythons = [python for python in pythons if not re.search(r"/3\.[678]\.", python)]
    modes = os.environ.get("MODES", "Debug ReleaseSafe ReleaseFast ReleaseSmall").split()
    assert zigs and pythons
    check_definition_file()
    with tempfile.TemporaryDirectory() as root:
        folder = write(f"{root}/project with space", SOURCE, DECLARATIONS)
        for zig in zigs:
            version = subprocess.run([zig, "version"], capture_output=True, text=True).stdout.strip()
            cache = f"{root}/{version}"
            for mode in modes:
                library, errors, seconds = compile_library(zig, folder, cache, mode=mode)
                assert library, errors
                others = check_symbols(library)
                print(f"zig {version} {mode}: {seconds:.2f} s, {os.path.getsize(library)} bytes, libc: {' '.join(others)}", flush=True)
                for python in pythons:
                    run = subprocess.run([python, __file__, "--inside", library], capture_output=True, text=True)
                    assert run.returncode == 0, (python, run.returncode, run.stdout, run.stderr)
                    if mode in ("Debug", "ReleaseSafe"):
                        check_panics(python, library)
            check_diagnostics(zig, f"{root}/wrong", cache)
            check_large(zig, f"{root}/large", cache)
    print("all checks passed")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2])
    else:
        main()
