//! Native tests of the scanner, one rule each, then hostile input.
const std = @import("std");
const scanning = @import("scan.zig");
const Tokens = @import("tokens.zig").Tokens;
const testing = std.testing;
const expect = testing.expect;
const expectEqual = testing.expectEqual;
const expectEqualStrings = testing.expectEqualStrings;

/// A scan together with the memory that it borrows from.
const Case = struct {
    arena: std.heap.ArenaAllocator,
    result: scanning.Scan,

    fn init(source: []const u8) !Case {
        return initIn(.zig, source);
    }

    fn initIn(language: scanning.Language, source: []const u8) !Case {
        var arena: std.heap.ArenaAllocator = .init(testing.allocator);
        errdefer arena.deinit();
        const result = try scanning.scan(arena.allocator(), try terminated(arena.allocator(), source), language);
        return .{ .arena = arena, .result = result };
    }

    fn deinit(case: *Case) void {
        case.arena.deinit();
    }
};

fn terminated(allocator: std.mem.Allocator, source: []const u8) ![:0]u8 {
    const copy = try allocator.allocSentinel(u8, source.len, 0);
    @memcpy(copy, source);
    return copy;
}

const Operand = struct { scanning.DependencyKind, []const u8, bool };

fn expectOperands(source: []const u8, expected: []const Operand) !void {
    return expectOperandsIn(.zig, source, expected);
}

fn expectOperandsIn(language: scanning.Language, source: []const u8, expected: []const Operand) !void {
    var case: Case = try .initIn(language, source);
    defer case.deinit();
    errdefer std.debug.print("source: {s}\n", .{source});
    try expectEqual(expected.len, case.result.dependencies.len);
    for (expected, case.result.dependencies) |operand, dependency| {
        try expectEqual(operand[0], dependency.kind);
        try expectEqualStrings(operand[1], dependency.operand);
        try expectEqual(operand[2], dependency.literal);
    }
}

const Expected = struct {
    name: []const u8,
    type_text: []const u8,
    parameters: []const [2][]const u8 = &.{},
    container: []const u8 = "",
    kind: scanning.DeclarationKind = .function,
    doc: []const u8 = "",
};

fn expectDeclarations(source: []const u8, expected: []const Expected) !void {
    var case: Case = try .init(source);
    defer case.deinit();
    errdefer std.debug.print("source: {s}\n", .{source});
    try expectEqual(expected.len, case.result.declarations.len);
    for (expected, case.result.declarations) |wanted, found| {
        try expectEqualStrings(wanted.name, found.name);
        try expectEqualStrings(wanted.type_text, found.type_text);
        try expectEqualStrings(wanted.container, found.container);
        try expectEqual(wanted.kind, found.kind);
        try expectEqualStrings(wanted.doc, found.doc);
        try expectEqual(wanted.parameters.len, found.parameters.len);
        for (wanted.parameters, found.parameters) |pair, parameter| {
            try expectEqualStrings(pair[0], parameter.name);
            try expectEqualStrings(pair[1], parameter.type_text);
        }
    }
}

fn expectBinding(binding: scanning.Binding, source: []const u8) !void {
    var case: Case = try .init(source);
    defer case.deinit();
    errdefer std.debug.print("source: {s}\n", .{source});
    try expectEqual(binding, case.result.binding);
}

test "every kind of dependency" {
    try expectOperands(
        \\const a = @import("a.zig");
        \\const b = @embedFile("b.bin");
        \\const c = @cImport({
        \\    @cDefine("D", "1");
        \\    @cUndef("U");
        \\    @cInclude("Python.h");
        \\});
    , &.{
        .{ .zig_import, "a.zig", true },
        .{ .embed_file, "b.bin", true },
        .{ .c_define, "D", true },
        .{ .c_undef, "U", true },
        .{ .c_include, "Python.h", true },
    });
}

test "builtins that are no dependency" {
    try expectOperands("const a = @imports(\"a\"); _ = @cast(\"b\"); _ = @import; _ = @import[0]; _ = @embedFiles(\"c\");", &.{});
}

test "escapes in operands" {
    try expectOperands("_ = @import(\"\\x61\\u{62}\\\\c.zig\");", &.{.{ .zig_import, "ab\\c.zig", true }});
    try expectOperands("_ = @import(\"\\u{1f600}\\n\");", &.{.{ .zig_import, "\u{1f600}\n", true }});
    try expectOperands("_ = @import(\"\");", &.{.{ .zig_import, "", true }});
    try expectOperands("_ = @import(\"\\xff\");", &.{.{ .zig_import, "\xff", true }});
    inline for (.{ "\\q", "\\x6", "\\xg0", "\\u{110000}", "\\u{d800}", "\\u{}", "\\u" }) |escape| {
        const literal = "\"" ++ escape ++ "\"";
        try expectOperands("_ = @import(" ++ literal ++ ");", &.{.{ .zig_import, literal, false }});
    }
}

test "operands that are no literal" {
    try expectOperands("_ = @import( a.b ++ \"c\" );", &.{.{ .zig_import, "a.b ++ \"c\"", false }});
    try expectOperands("_ = @import(\"a\" ++ \"b\");", &.{.{ .zig_import, "\"a\" ++ \"b\"", false }});
    try expectOperands("_ = @import((\"a\"));", &.{.{ .zig_import, "(\"a\")", false }});
    try expectOperands("_ = @import(f(1, .{ 2, 3 })[4], 5);", &.{.{ .zig_import, "f(1, .{ 2, 3 })[4]", false }});
    try expectOperands("_ = @import();", &.{.{ .zig_import, "", false }});
    try expectOperands("_ = @import(\n    \\\\a.zig\n);", &.{.{ .zig_import, "\\\\a.zig", false }});
    try expectOperands("_ = @import('a');", &.{.{ .zig_import, "'a'", false }});
}

test "operands behind which something follows" {
    try expectOperands("_ = @import(\"a.zig\",);", &.{.{ .zig_import, "a.zig", true }});
    try expectOperands("_ = @import(\"a.zon\", T);", &.{.{ .zig_import, "a.zon", true }});
    try expectOperands("@cDefine(\"A\", f(\"b\"));", &.{.{ .c_define, "A", true }});
}

test "nested dependencies, in the order of their builtins" {
    try expectOperands("_ = @import(@embedFile(\"a\") ++ @import(\"b\"));", &.{
        .{ .zig_import, "@embedFile(\"a\") ++ @import(\"b\")", false },
        .{ .embed_file, "a", true },
        .{ .zig_import, "b", true },
    });
}

test "dependencies in comments, strings and identifiers do not count" {
    try expectOperands(
        \\// @import("comment")
        \\/// @import("doc")
        \\//! @import("file doc")
        \\const a = "@import(\"string\")";
        \\const b =
        \\    \\@import("multi-line")
        \\;
        \\const c = '@';
        \\const @"@import" = f;
        \\const d = @"@import"("identifier");
        \\const e = '"'; const f = @import("real");
        \\const g = '\''; const h = "\\"; const i = @embedFile("too");
    , &.{ .{ .zig_import, "real", true }, .{ .embed_file, "too", true } });
}

test "comments between the tokens of a dependency" {
    try expectOperands(
        \\_ = @import // )
        \\    ( // "x"
        \\    "a.zig" // ,
        \\    /// doc
        \\);
    , &.{.{ .zig_import, "a.zig", true }});
}

test "unfinished dependencies" {
    try expectOperands("_ = @import", &.{});
    try expectOperands("_ = @import(", &.{.{ .zig_import, "", false }});
    try expectOperands("_ = @import(\"a\"", &.{.{ .zig_import, "\"a\"", false }});
    try expectOperands("_ = @import(\"a\"; const b = @import(\"b\");", &.{
        .{ .zig_import, "\"a\"", false },
        .{ .zig_import, "b", true },
    });
    try expectOperands("_ = @import(\"a\n);", &.{.{ .zig_import, "\"a", false }});
}

/// Version-independent, because `**` is gone from newer versions.
const newlines: [1000]u8 = @splat('\n');

fn expectSpan(source: []const u8, text: []const u8, line: u32, column: u32) !void {
    var case: Case = try .init(source);
    defer case.deinit();
    const span = case.result.dependencies[0].span;
    try expectEqualStrings(text, source[span.start..span.end]);
    try expectEqual(line, span.line);
    try expectEqual(column, span.column);
}

test "spans" {
    try expectSpan("@import(\"a\")", "@import(\"a\"", 1, 1);
    try expectSpan("a\r\n\r\n  @import( b . c )\r\n", "@import( b . c", 3, 3);
    try expectSpan("\xEF\xBB\xBF_ = @import(\"a\");", "@import(\"a\"", 1, 8);
    try expectSpan("\"ä\" @embedFile(\"a\")", "@embedFile(\"a\"", 1, 6);
    try expectSpan("//\n" ++ newlines ++ "  @import()", "@import(", 1002, 3);
}

test "CRLF" {
    try expectOperands("const a = @import(\r\n\"a\"\r\n,\r\n);\r\n// c\r\n", &.{.{ .zig_import, "a", true }});
    try expectDeclarations("/// a\r\n/// b\r\npub fn f(\r\n    a: u8,\r\n) u8 {\r\n}\r\n", &.{
        .{ .name = "f", .type_text = "u8", .doc = "a\nb", .parameters = &.{.{ "a", "u8" }} },
    });
}

test "the first invalid token, and scanning goes on behind it" {
    {
        var case: Case = try .init("const a = 1;\n  `x\nconst b = @import(\"b\"); # c");
        defer case.deinit();
        try expectEqual(scanning.Span{ .start = 15, .end = 17, .line = 2, .column = 3 }, case.result.invalid.?);
        try expectEqual(1, case.result.dependencies.len);
    }
    {
        var case: Case = try .init("\x00\n@import(\"a\") \x00 @import(\"hidden\")\n@import(\"b\")");
        defer case.deinit();
        try expectEqual(0, case.result.invalid.?.start);
        try expectEqual(2, case.result.dependencies.len);
    }
    {
        var case: Case = try .init("const a = 1;");
        defer case.deinit();
        try expectEqual(null, case.result.invalid);
    }
}

test "functions" {
    try expectDeclarations(
        \\pub fn a() void {}
        \\pub inline fn b(x: u32) u32 { return x; }
        \\pub noinline fn c(x: u32,) !void {}
        \\pub export fn d(_: u32, comptime T: type, noalias p: *T, any: anytype) callconv(.c) ?*const T {}
        \\pub extern "c" fn e([*:0]const u8, ...) c_int;
        \\pub extern fn f(a.B, a.C(u8)) align(4) linksection(".x") callconv(.{ .x = .{} }) void;
        \\fn private() void {}
        \\pub fn @"g h"(@"i\x6a": u8) void {}
    , &.{
        .{ .name = "a", .type_text = "void" },
        .{ .name = "b", .type_text = "u32", .parameters = &.{.{ "x", "u32" }} },
        .{ .name = "c", .type_text = "!void", .parameters = &.{.{ "x", "u32" }} },
        .{ .name = "d", .type_text = "?*const T", .parameters = &.{
            .{ "", "u32" }, .{ "T", "comptime type" }, .{ "p", "noalias *T" }, .{ "any", "anytype" },
        } },
        .{ .name = "e", .type_text = "c_int", .parameters = &.{ .{ "", "[*:0]const u8" }, .{ "", "..." } } },
        .{ .name = "f", .type_text = "void", .parameters = &.{ .{ "", "a.B" }, .{ "", "a.C(u8)" } } },
        .{ .name = "g h", .type_text = "void", .parameters = &.{.{ "ij", "u8" }} },
    });
}

test "types of parameters" {
    try expectDeclarations(
        \\pub fn f(
        \\    /// doc, (ignored)
        \\    a: fn (x: u8, y: [2]u8) void,
        \\    // b: u8,
        \\    c: struct { d: u8, e: u8 } align(4),
        \\    g: *align(8) const [4]u8,
        \\    h: @TypeOf(i, j)
        \\) void {}
    , &.{.{ .name = "f", .type_text = "void", .parameters = &.{
        .{ "a", "fn (x: u8, y: [2]u8) void" },
        .{ "c", "struct { d: u8, e: u8 } align(4)" },
        .{ "g", "*align(8) const [4]u8" },
        .{ "h", "@TypeOf(i, j)" },
    } }});
}

test "return types with braces" {
    inline for (.{
        "error{ A, B }!void",
        "error {A}!error{B}!u8",
        "struct { x: u32 }",
        "extern struct { x: u32 }",
        "union(enum) { a, b: struct { c: u8 } }",
        "enum(u8) { a }",
        "?*opaque {}",
        "blk: { break :blk u8; }",
        "switch (T) { u8 => u16, else => u32 }",
        "if (a) error{B}!u8 else struct { c: u8 }",
        "fn (a: struct { b: u8 }) error{C}!void",
        "@TypeOf(.{ 1, 2 })",
        "[*:0]const u8",
        "[f(.{})]u8",
        "anyerror!std.ArrayList(struct { a: u8 })",
    }) |type_text| {
        try expectDeclarations("pub fn f() " ++ type_text ++ " {\n pub fn g() void {} }\npub fn h() void {}", &.{
            .{ .name = "f", .type_text = type_text },
            .{ .name = "h", .type_text = "void" },
        });
    }
}

test "values" {
    try expectDeclarations(
        \\pub const a = 42;
        \\pub const b: u32 = 42;
        \\pub var c: [2]u8 align(16) = undefined;
        \\pub const d: *align(4) addrspace(.generic) const u8 align(8) = &e;
        \\pub const g = @import("g.zig").g;
        \\pub const h = error{ A, B };
        \\pub const i = @compileError("no");
        \\pub threadlocal var j: ?*u8 = null;
        \\pub extern var k: c_int;
        \\pub extern "c" threadlocal var l: c_int linksection(".x");
        \\pub const m: fn (a: u8) struct { b: u8 } = n;
        \\pub const o = p;
        \\pub const @"q r" = "s";
        \\pub const t: []align(2) u8 = u;
        \\const private = 1;
    , &.{
        .{ .name = "a", .type_text = "42", .kind = .constant },
        .{ .name = "b", .type_text = "u32", .kind = .constant },
        .{ .name = "c", .type_text = "[2]u8", .kind = .variable },
        .{ .name = "d", .type_text = "*align(4) addrspace(.generic) const u8", .kind = .constant },
        .{ .name = "g", .type_text = "@import(\"g.zig\").g", .kind = .constant },
        .{ .name = "h", .type_text = "error", .kind = .constant },
        .{ .name = "i", .type_text = "@compileError", .kind = .constant },
        .{ .name = "j", .type_text = "?*u8", .kind = .variable },
        .{ .name = "k", .type_text = "c_int", .kind = .variable },
        .{ .name = "l", .type_text = "c_int", .kind = .variable },
        .{ .name = "m", .type_text = "fn (a: u8) struct { b: u8 }", .kind = .constant },
        .{ .name = "o", .type_text = "p", .kind = .constant },
        .{ .name = "q r", .type_text = "\"s\"", .kind = .constant },
        .{ .name = "t", .type_text = "[]align(2) u8", .kind = .constant },
    });
}

test "constants that are other names" {
    const x: []const [2][]const u8 = &.{.{ "x", "u8" }};
    try expectDeclarations(
        \\const a = @import("a.zig");
        \\const b = a.b;
        \\/// Doc.
        \\fn hidden(x: u8) u8 { return x; }
        \\inline fn both(x: u8) u8 { const a = b.x; return a; }
        \\pub const c = a.c;
        \\pub const d = b . d;
        \\pub const e = hidden;
        \\/// Own.
        \\pub const f = e;
        \\pub const g = both;
        \\pub const h: a = hidden;
        \\pub const i = i.i;
        \\pub const j = a.j(1).k;
        \\pub const k = a.k + 1;
        \\pub const l = @import(a).b;
        \\pub const m = unknown.m;
        \\pub const S = struct {
        \\    const a = 1;
        \\    pub const n = b.n;
        \\};
        \\const T = []const a;
        \\pub const o = T;
        \\pub const p = a
    , &.{
        .{ .name = "c", .type_text = "@import(\"a.zig\").c", .kind = .constant },
        .{ .name = "d", .type_text = "@import(\"a.zig\").b. d", .kind = .constant },
        .{ .name = "e", .type_text = "hidden", .kind = .constant, .parameters = x, .doc = "Doc." },
        .{ .name = "f", .type_text = "hidden", .kind = .constant, .parameters = x, .doc = "Own." },
        .{ .name = "g", .type_text = "both", .kind = .constant, .parameters = x },
        .{ .name = "h", .type_text = "a", .kind = .constant },
        .{ .name = "i", .type_text = "i.i.i.i.i.i.i.i.i.i.i.i.i.i.i.i.i.i", .kind = .constant },
        .{ .name = "j", .type_text = "a", .kind = .constant },
        .{ .name = "k", .type_text = "a", .kind = .constant },
        .{ .name = "l", .type_text = "@import", .kind = .constant },
        .{ .name = "m", .type_text = "unknown.m", .kind = .constant },
        .{ .name = "S", .type_text = "struct", .kind = .constant },
        .{ .name = "n", .type_text = "@import(\"a.zig\").b.n", .kind = .constant, .container = "S" },
        .{ .name = "o", .type_text = "T", .kind = .constant },
        .{ .name = "p", .type_text = "a", .kind = .constant },
    });
}

test "containers" {
    try expectDeclarations(
        \\pub const A = struct {
        \\    field: struct { pub fn anonymous() void {} } = .{},
        \\    pub const B = packed struct(u8) {
        \\        pub fn f(self: B) void { const X = struct { pub fn inBody() void {} }; }
        \\    };
        \\    pub const C = union(enum) { a, pub const D: type = opaque { pub var e: u8 = 1; }; };
        \\    const Private = struct { pub fn hidden() void {} };
        \\    test "x" { const Y = struct { pub fn inTest() void {} }; }
        \\    pub fn g() void {}
        \\};
        \\pub const H = extern struct { pub const i = 1; };
        \\pub const J = enum { pub const k = 1; };
        \\pub const L = if (M) struct { pub fn inExpression() void {} } else u8;
        \\pub const N = f(struct { pub fn inArgument() void {} });
        \\comptime { const O = struct { pub fn inComptime() void {} }; }
    , &.{
        .{ .name = "A", .type_text = "struct", .kind = .constant },
        .{ .name = "B", .type_text = "packed", .kind = .constant, .container = "A" },
        .{ .name = "f", .type_text = "void", .container = "A.B", .parameters = &.{.{ "self", "B" }} },
        .{ .name = "C", .type_text = "union", .kind = .constant, .container = "A" },
        .{ .name = "D", .type_text = "type", .kind = .constant, .container = "A.C" },
        .{ .name = "e", .type_text = "u8", .kind = .variable, .container = "A.C.D" },
        .{ .name = "g", .type_text = "void", .container = "A" },
        .{ .name = "H", .type_text = "extern", .kind = .constant },
        .{ .name = "i", .type_text = "1", .kind = .constant, .container = "H" },
        .{ .name = "J", .type_text = "enum", .kind = .constant },
        .{ .name = "k", .type_text = "1", .kind = .constant, .container = "J" },
        .{ .name = "L", .type_text = "if", .kind = .constant },
        .{ .name = "N", .type_text = "f", .kind = .constant },
    });
}

test "a container with too long a path is not looked into" {
    const letters: [255]u8 = @splat('a');
    const long = &letters;
    try expectDeclarations("pub const " ++ letters ++ " = struct { pub const b = 1; };pub const c = 2;", &.{
        .{ .name = long, .type_text = "struct", .kind = .constant },
        .{ .name = "c", .type_text = "2", .kind = .constant },
    });
}

test "doc comments of declarations" {
    try expectDeclarations(
        \\/// one line
        \\pub const a = 1;
        \\///  two
        \\/// // lines
        \\//// not this
        \\// nor this
        \\///
        \\///end
        \\pub fn b() void {}
        \\/// of the private one
        \\const c = 1;
        \\pub const d = struct {
        \\    /// indented
        \\    ///   more
        \\    pub const e = 1;
        \\    /// of the field
        \\    f: u8,
        \\    pub const g = 1;
        \\    /// dangling
        \\};
        \\pub const h = 1;
    , &.{
        .{ .name = "a", .type_text = "1", .kind = .constant, .doc = "one line" },
        .{ .name = "b", .type_text = "void", .doc = " two\n// lines\n\nend" },
        .{ .name = "d", .type_text = "struct", .kind = .constant },
        .{ .name = "e", .type_text = "1", .kind = .constant, .container = "d", .doc = "indented\n  more" },
        .{ .name = "g", .type_text = "1", .kind = .constant, .container = "d" },
        .{ .name = "h", .type_text = "1", .kind = .constant },
    });
}

test "unfinished declarations do not hide the next" {
    try expectDeclarations(
        \\pub const a =
        \\pub fn
        \\pub fn b
        \\pub const c: u8
        \\pub struct {}
        \\pub fn d() void
        \\pub fn e() void {}
        \\pub extern fn f(a: u8;
        \\) void;
        \\pub const g = 1;
    , &.{
        .{ .name = "e", .type_text = "void" },
        .{ .name = "g", .type_text = "1", .kind = .constant },
    });
}

test "lines of declarations" {
    var case: Case = try .init("\n\npub fn\n  f() void {}\npub const a = @import(\"a\"); pub var b = 1;");
    defer case.deinit();
    try expectEqual(4, case.result.declarations[0].line);
    try expectEqual(5, case.result.declarations[1].line);
    try expectEqual(5, case.result.declarations[2].line);
}

test "strings are valid UTF-8" {
    try expectDeclarations("/// a\xff\xc3b\npub const @\"\\xe4\xbf\" = @\"\xc3\xa4\xf0\x9f\";", &.{.{
        .name = "\u{fffd}\u{fffd}",
        .type_text = "@\"ä\u{fffd}\u{fffd}\"",
        .kind = .constant,
        .doc = "a\u{fffd}\u{fffd}b",
    }});
}

test "doc and settings of the file" {
    var case: Case = try .init(
        \\//! Adds numbers.
        \\//! zigimport: optimize = fast = er
        \\// plain
        \\//!
        \\//!  zigimport:single
        \\//! zigimport: empty =
        \\//!More.
        \\const a = 1;
        \\//! zigimport: late = 1
    );
    defer case.deinit();
    try expectEqualStrings("Adds numbers.\n\nMore.", case.result.doc);
    const expected = [_]scanning.Setting{
        .{ .name = "optimize", .value = "fast = er", .line = 2 },
        .{ .name = "single", .value = "", .line = 5 },
        .{ .name = "empty", .value = "", .line = 6 },
    };
    try expectEqual(expected.len, case.result.settings.len);
    for (expected, case.result.settings) |wanted, found| {
        try expectEqualStrings(wanted.name, found.name);
        try expectEqualStrings(wanted.value, found.value);
        try expectEqual(wanted.line, found.line);
    }
}

test "bindings" {
    try expectBinding(.plain, "pub fn f() void {}");
    try expectBinding(.plain, "");
    try expectBinding(.pyoz, "const p = @import(\"PyOZ\");");
    try expectBinding(.pyz3, "const p = @import(\"pyz3\");");
    try expectBinding(.pydust, "const c = @cInclude(\"Python.h\"); const p = @import(\"pydust\");");
    try expectBinding(.python_h, "@cInclude(\"Python.h\"); export fn PyInit_a() void {}");
    try expectBinding(.python_h, "const c = @import(\"Python.h\");");
    try expectBinding(.plain, "const c = @embedFile(\"Python.h\"); @cDefine(\"PyOZ\", \"\"); @cInclude(\"pydust\");");
    try expectBinding(.init_function, "pub export fn PyInit_a() void {}");
    try expectBinding(.init_function, "export fn @\"PyInitU_a\"() void {}");
    try expectBinding(.plain, "fn PyInit_a() void {} const b = \"PyInit_b\";");
    try expectBinding(.init_function, "comptime { @export(&f, .{ .name = \"PyInit_\" ++ name }); }");
    try expectBinding(.plain, "comptime { @export(&f, .{ .name = \"f\" }); } const g = \"PyInit_\";");
}

test "build features" {
    var case: Case = try .init("_ = b.standardTargetOptions(.{}); _ = b.standardOptimizeOption; // standardOptimizeOption(");
    defer case.deinit();
    try expect(case.result.features.standard_target_options);
    try expect(!case.result.features.standard_optimize_option);
    var both: Case = try .init("standardTargetOptions() standardOptimizeOption(");
    defer both.deinit();
    try expectEqual(3, @as(u8, @bitCast(both.result.features)));
}

test "a source that is too large is not read" {
    // Only the length is looked at, so the memory need not exist.
    var byte: [1:0]u8 = .{0};
    var source: [:0]const u8 = &byte;
    source.len = scanning.source_bytes_max + 1;
    try testing.expectError(error.SourceTooLarge, scanning.scan(testing.failing_allocator, source, .zig));
}

/// Has a bit of everything, to be cut and mutated.
const sample =
    "\xEF\xBB\xBF//! Doc.\n//! zigimport: optimize = ReleaseFast\r\n" ++
    \\const a = @import("\x61.zig");
    \\/// Docs of b.
    \\pub const b = extern struct {
    \\    x: u8 align(4) = 1,
    \\    /// Nested.
    \\    pub fn c(self: *@This(), comptime T: type, _: anytype) error{ A, B }!struct { T } {
    \\        const y = '\''; const z = @embedFile(a ++ @import("b") ++ .{ 1, 2 });
    \\        return .{ y, z,
    \\            \\multi "line" @import("no")
    \\        };
    \\    }
    \\    pub const @"d\u{e4}" = union(enum(u8)) { pub var e: *align(4) u8 align(8) = undefined; };
    \\};
    \\comptime { @export(&b.c, .{ .name = "PyInit_sample" }); _ = @cImport(@cInclude("Python.h")); }
    \\pub extern "c" fn printf([*:0]const u8, ...) callconv(.c) c_int; // end
    \\test "t" { _ = b.standardTargetOptions(.{}) ** 2; }
    ;

/// The shortcuts for blanks and comments must not show.
fn expectSameTokens(source: [:0]const u8) !void {
    var tokenizer: std.zig.Tokenizer = .init(source);
    var tokens: Tokens = .init(source);
    while (true) {
        const token = tokenizer.next();
        try expectEqual(token, tokens.next());
        if (token.tag == .eof) break;
    }
}

test "tokens are those of the standard library" {
    const comments = [_][]const u8{ "//", "// a", "///", "/// a", "////", "//// a", "//!", "//! a", "/", "/ /", "//\x7f", "// long enough for words\xff" };
    const ends = [_][]const u8{ "", "\n", "\r", "\r\n", "\t\n", "\x00", "\x00\n", "\x7f\n", "\n          \r\n a", " \x01 a\n", "a\r b\n" };
    var buffer: [64:0]u8 = undefined;
    for (comments) |comment| for (ends) |end| for (0..10) |padding| {
        @memset(buffer[0..padding], ' ');
        @memcpy(buffer[padding..][0..comment.len], comment);
        @memcpy(buffer[padding + comment.len ..][0..end.len], end);
        const length = padding + comment.len + end.len;
        buffer[length] = 0;
        try expectSameTokens(buffer[0..length :0]);
    };
}

test "keywords are those of the standard library" {
    var buffer: [32:0]u8 = undefined;
    for (std.zig.Token.keywords.keys()) |keyword| for ([_][]const u8{ "", "_", "0", ".", "\xff" }) |suffix| {
        for (0..keyword.len + 1) |length| {
            @memcpy(buffer[0..length], keyword[0..length]);
            @memcpy(buffer[length..][0..suffix.len], suffix);
            buffer[length + suffix.len] = 0;
            try expectSameTokens(buffer[0 .. length + suffix.len :0]);
        }
    };
    const letters: [40]u8 = @splat('c');
    try expectSameTokens(letters ++ " 0a A_ __");
}

fn expectDependencies(source: []const u8, result: scanning.Scan) !void {
    var start: usize = 0;
    for (result.dependencies) |dependency| {
        try expect(dependency.span.start >= start);
        try expect(dependency.span.end > dependency.span.start);
        try expect(dependency.span.end <= source.len);
        start = dependency.span.start + 1;
        const before = source[0..dependency.span.start];
        try expectEqual(1 + std.mem.count(u8, before, "\n"), dependency.span.line);
        const line_start = if (std.mem.lastIndexOfScalar(u8, before, '\n')) |newline| newline + 1 else 0;
        try expectEqual(dependency.span.start - line_start + 1, dependency.span.column);
    }
}

/// Scans and checks what holds for every source.
fn expectInvariants(arena: std.mem.Allocator, source: [:0]const u8) !void {
    try expectSameTokens(source);
    for ([_]scanning.Language{ .zon, .c }) |language| {
        try expectDependencies(source, try scanning.scan(arena, source, language));
    }
    const result = try scanning.scan(arena, source, .zig);
    try expectDependencies(source, result);
    for (result.declarations) |declaration| {
        inline for (.{ "name", "container", "type_text", "doc" }) |field| {
            try expect(std.unicode.utf8ValidateSlice(@field(declaration, field)));
        }
        for (declaration.parameters) |parameter| {
            try expect(std.unicode.utf8ValidateSlice(parameter.name));
            try expect(std.unicode.utf8ValidateSlice(parameter.type_text));
        }
    }
    for (result.settings) |setting| {
        try expect(std.unicode.utf8ValidateSlice(setting.name));
        try expect(std.unicode.utf8ValidateSlice(setting.value));
    }
    try expect(std.unicode.utf8ValidateSlice(result.doc));
    if (result.invalid) |invalid| try expect(invalid.end <= source.len);
}

test "the sample means what it says" {
    var case: Case = try .init(sample);
    defer case.deinit();
    try expectEqual(null, case.result.invalid);
    try expectEqual(4, case.result.dependencies.len);
    try expectEqual(5, case.result.declarations.len);
    try expectEqual(.python_h, case.result.binding);
    try expectEqualStrings("b.dä", case.result.declarations[3].container);
}

test "input cut at every byte" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    for (0..sample.len + 1) |length| {
        try expectInvariants(arena.allocator(), try terminated(arena.allocator(), sample[0..length]));
        _ = arena.reset(.retain_capacity);
    }
}

test "fuzz: random bytes, random tokens and mutations" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var prng: std.Random.DefaultPrng = .init(0x5eed);
    const random = prng.random();
    const words = [_][]const u8{
        "pub ",   "const ",   "var ",      "fn ",   "export ",   "extern ",     "struct ",  "enum ",     "error",         "a",
        "@\"b\"", "(",        ")",         "{",     "}",         "[",           "]",        ",",         ";",             ":",
        "=",      "*",        "\"PyInit_", "\"",    "@import",   "@embedFile(", "@export",  "@cDefine(", "\\\\",          "'",
        "\n",     "/// d",    "//! e",     "align", "callconv",  "// f",        "        ", "\r\n",      "\t",            "\x7f",
        "/",      "switch ",  "\x00",      "\xff",  "\\u{d800}", "\r",          "#",        "include",   "<",             ">",
        "R\"(",   ")\"",      "\\\n",      "/*",    "*/",        ".path",       ".hash",    ".{",        "__has_include", ".incbin ",
        "\\\"",   "#define ",
    };
    var buffer: [512]u8 = undefined;
    for (0..4000) |round| {
        var length: usize = 0;
        switch (round % 3) {
            0 => {
                length = random.uintLessThan(usize, 256);
                random.bytes(buffer[0..length]);
            },
            1 => while (length < 400) {
                const word = words[random.uintLessThan(usize, words.len)];
                @memcpy(buffer[length..][0..word.len], word);
                length += word.len;
            },
            else => {
                const offset = random.uintLessThan(usize, sample.len);
                length = @min(buffer.len, sample.len - offset);
                @memcpy(buffer[0..length], sample[offset..][0..length]);
                for (0..1 + random.uintLessThan(usize, 8)) |_| buffer[random.uintLessThan(usize, length)] = random.int(u8);
            },
        }
        errdefer std.debug.print("round {d}: {x}\n", .{ round, buffer[0..length] });
        try expectInvariants(arena.allocator(), try terminated(arena.allocator(), buffer[0..length]));
        _ = arena.reset(.retain_capacity);
    }
}

test "deep nesting stays linear" {
    const depth = 100_000;
    inline for (.{ "(", "{", "[", "@import(", "pub const a = struct {", "pub fn f(a: struct {", "error{", "@export(" }) |opener| {
        var arena: std.heap.ArenaAllocator = .init(testing.allocator);
        defer arena.deinit();
        const source = try arena.allocator().allocSentinel(u8, opener.len * depth, 0);
        for (0..depth) |index| @memcpy(source[index * opener.len ..][0..opener.len], opener);
        const result = try scanning.scan(arena.allocator(), source, .zig);
        var operands: usize = 0;
        for (result.dependencies) |dependency| operands += dependency.operand.len;
        try expect(operands <= 8 * source.len);
        try expect(arena.queryCapacity() < 128 * source.len);
    }
}

fn scanWith(allocator: std.mem.Allocator, source: [:0]const u8) !void {
    var arena: std.heap.ArenaAllocator = .init(allocator);
    defer arena.deinit();
    for (std.enums.values(scanning.Language)) |language| {
        _ = try scanning.scan(arena.allocator(), source, language);
    }
}

test "every allocation may fail" {
    const source: [:0]const u8 = sample;
    try testing.checkAllAllocationFailures(testing.allocator, scanWith, .{source});
}

test "directives of C name files" {
    const cases = [_]struct { []const u8, []const Operand }{
        .{ "#include \"a.h\"\n  # /* c */ include <b/c.h> // d", &.{ .{ .quoted_include, "a.h", true }, .{ .angled_include, "b/c.h", true } } },
        .{ "#import \"a.h\"\n%:include <b.h>", &.{ .{ .quoted_include, "a.h", true }, .{ .angled_include, "b.h", true } } },
        .{ "#inc\\\nlude \\ \r\n\"a\\\n.h\"", &.{.{ .quoted_include, "a.h", true }} },
        .{ "#include_next <a.h>\n#embed \"b.bin\"", &.{ .{ .next_include, "a.h", true }, .{ .c_embed, "b.bin", true } } },
        .{ "\xef\xbb\xbf#include \"\xff.h\"\r\n", &.{.{ .quoted_include, "\xff.h", true }} },
        .{ "#if __has_include(\"a.h\") && __has_include ( <b.h> )", &.{ .{ .quoted_include, "a.h", true }, .{ .angled_include, "b.h", true } } },
        .{ "#include HEADER(x) \n", &.{.{ .quoted_include, "HEADER(x)", false }} },
        .{ "#include \"open\n#include <a.h>", &.{ .{ .quoted_include, "open", false }, .{ .angled_include, "a.h", true } } },
        .{ "#if 0\ndon't\n#endif\n#include \"a.h\"", &.{.{ .quoted_include, "a.h", true }} },
        .{ "int a = 1'000'000; /* ' */ char b = '\"'; //\n#include \"a.h\"", &.{.{ .quoted_include, "a.h", true }} },
        .{ "u8R\"x(\n#include \"no.h\"\n)\" )x\"\n#include \"a.h\"", &.{.{ .quoted_include, "a.h", true }} },
        .{ "/* #include \"no.h\"\n*/ // \\\n#include \"no.h\"\n\"\\\"\\\n#include <no.h>\"\n#include \"a\\b.h\"", &.{.{ .quoted_include, "a\\b.h", true }} },
        .{ "a #include \"no.h\"\n#define f(x) #x\n#define __has_include(x) 0\n#ifdef __has_include\n#includes \"no.h\"", &.{} },
        .{ "#define H \"h.h\"\n# define A <a.h> // b\n#define N 1 < 2\n#define E \"\"\n#define F(x) \"f.h\"", &.{ .{ .c_define, "h.h", true }, .{ .c_define, "a.h", true } } },
        .{ "#if __has_include(H) || __has_include( F((x)) )\n#define G(x) __has_include(x)", &.{ .{ .quoted_include, "H", false }, .{ .quoted_include, "F((x))", false }, .{ .quoted_include, "x", false } } },
        .{ "#if defined(__has_include) && __has_include(<a.h>)", &.{.{ .angled_include, "a.h", true }} },
        .{ "asm(\".incbin \\\"a.bin\\\"\\n.include\\t\\\"b.s\\\"\"); s.include = \".incbin none\";", &.{ .{ .assembler_embed, "a.bin", true }, .{ .assembler_include, "b.s", true } } },
        .{ "asm(\".incbin \\\"\" FILE \"\\\"\");\n#define A \".incbin \\\"a\\\"\"", &.{ .{ .assembler_embed, "\"", false }, .{ .c_define, ".incbin \\", true }, .{ .assembler_embed, "a", true } } },
        .{ "asm(R\"x(.incbin \"a.bin\")x\");\n.incbin \"b.bin\", 1\n.include \"c.s\" # \"", &.{ .{ .assembler_embed, "a.bin", true }, .{ .assembler_embed, "b.bin", true }, .{ .assembler_include, "c.s", true } } },
        .{ "#", &.{} },
        .{ "#include", &.{.{ .quoted_include, "", false }} },
    };
    for (cases) |case| try expectOperandsIn(.c, case[0], case[1]);
}

test "assembly in a string of Zig names files" {
    try expectOperandsIn(.zig,
        \\comptime {
        \\    asm (".incbin \"a.bin\"");
        \\    asm (
        \\        \\\\ .include "b.s"
        \\        \\\\ .including "no"
        \\    );
        \\}
    , &.{ .{ .assembler_embed, "a.bin", true }, .{ .assembler_include, "b.s", true } });
}

test "calls by which a build file reads" {
    try expectOperandsIn(.zig,
        \\const a = std.Io.Dir.cwd().readFileAlloc(io, "x", b.allocator, .unlimited);
        \\const c = b.run(&.{"cat"}) ++ b.runAllowFail(&.{}, &code, .Inherit);
        \\const d = step.run(cwd, b.run.x);
    , &.{
        .{ .configure_read, "cwd", true },
        .{ .configure_read, "readFileAlloc", true },
        .{ .configure_read, "run", true },
        .{ .configure_read, "runAllowFail", true },
    });
}

test "a build.zig.zon names packages" {
    try expectOperandsIn(.zon,
        \\.{
        \\    .name = .hash,
        \\    .path = "no",
        \\    .dependencies = .{
        \\        .one = .{ .url = "https://x", .hash = "one-1" },
        \\        // .no = .{ .path = "no" },
        \\        .@"two-three" = .{ .@"path" = "..\x2fthree" },
        \\        .four = .{ .lazy = true, .url = "u", .hash = "four-1" },
        \\        .five = .{ .url = "u", .hash = "five-1", .lazy = false },
        \\        .six = .{ .other = .{ .path = "no" } },
        \\    },
        \\    .paths = .{ "path", .{ .path = "no" } },
        \\}
    , &.{
        .{ .package_hash, "one-1", true },
        .{ .package_path, "../three", true },
        .{ .lazy_package_hash, "four-1", true },
        .{ .package_hash, "five-1", true },
    });
}
