//! The body of a module's stub file (`.pyi`), made of the same types as the module itself.
//!
//! It is written into the library in pieces: joining them here would cost more than the rest of a
//! build. Whoever wants the stub finds them there without loading it, lays them out, and adds what they
//! need of `typing`. In a piece, these bytes have a meaning:
//!
//! | byte | |
//! | --- | --- |
//! | 1 | before each name that is not the module's own, so that it can be told from one of the same spelling: `pub const int = struct { … }` |
//! | 2, 3 | around lines that are indented |
//! | 4 | before and after a doc string |

const std = @import("std");
const class = @import("class.zig");
const convert = @import("convert.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const module = @import("module.zig");
const reflection = @import("reflection.zig");
const text = @import("text.zig");

const Declaration = reflection.Declaration;
const Exports = module.Exports;

/// Begins each piece; its number and a line feed follow, and a zero byte ends it.
const mark = "# zigimport stub ";

const error_class = "\nclass ZigError(\x01RuntimeError):\n\x02name: \x01str\n\x03";

pub fn pieces(comptime user: type) []const [*:0]const u8 {
    @setEvalBranchQuota(reflection.quota);
    const zig_error = error_class;
    const list = [_][:0]const u8{ docText(reflection.containerOf(user).?.doc), zig_error } ++ namespacePieces(&.{user});
    var marked: [list.len][*:0]const u8 = undefined;
    for (&marked, list, 0..) |*piece, content, index| {
        piece.* = mark ++ text.decimal(index) ++ "\n" ++ content;
    }
    const final = marked;
    return &final;
}

fn namespacePieces(comptime path: []const type) []const [:0]const u8 {
    @setEvalBranchQuota(reflection.quota);
    var list: []const [:0]const u8 = &.{};
    for (Exports.of(path).list) |one| {
        const name = one.declaration.name;
        // A name that Python cannot write has no place in a stub.
        if (!text.isParameterName(name)) continue;
        const value = @field(path[path.len - 1], name);
        const decorator = if (path.len > 1) "@\x01staticmethod\n" else "";
        list = list ++ .{switch (one.what) {
            .function => functionText(.of(@TypeOf(value), one.declaration, .module), name, decorator),
            .constant => name ++ ": " ++ kind.annotation(kind.Constant(value), .result) ++ "\n",
            .enumeration => name ++ ": " ++ namesText(value) ++ "\n",
            .record => recordText(value, one.declaration),
            .class => classText(value, one.declaration),
            .namespace => "\nclass " ++ name ++ ":\n\x02",
        }};
        if (one.what == .namespace) list = list ++ namespacePieces(path ++ .{value}) ++ .{"\x03"};
    }
    return list;
}

fn namesText(comptime E: type) [:0]const u8 {
    var list: [:0]const u8 = "";
    for (reflection.names(E)) |name| list = text.append(list, ", ", kind.literalText(name));
    return "\x01tuple[" ++ list ++ "]";
}

fn recordText(comptime T: type, comptime declaration: Declaration) [:0]const u8 {
    var body = docText(declaration.doc);
    const first_default = reflection.fields(T).len - convert.lastDefaults(T).len;
    for (reflection.fields(T), 0..) |field, index| {
        if (!isFieldName(field.name)) return "\nclass " ++ declaration.name ++ "(" ++
            kind.tupleText(reflection.types(T), .result) ++ "):\n\x02" ++ docText(declaration.doc) ++ "...\n\x03";
        const default = if (index >= first_default) " = ..." else "";
        body = body ++ field.name ++ ": " ++ kind.annotation(field.type, .result) ++ default ++ "\n";
    }
    return "\nclass " ++ declaration.name ++ "(\x01NamedTuple):\n\x02" ++ body ++ "\x03";
}

/// False for names that a named tuple replaces, or has itself.
fn isFieldName(comptime name: [:0]const u8) bool {
    const is_own = std.mem.eql(u8, name, "count") or std.mem.eql(u8, name, "index");
    return text.isParameterName(name) and name[0] != '_' and !is_own;
}

fn classText(comptime T: type, comptime declaration: Declaration) [:0]const u8 {
    const Class = class.Class(T);
    var body = docText(declaration.doc);
    for (reflection.fields(T)) |field| if (kind.isReadable(field.type) and text.isParameterName(field.name)) {
        const annotation = kind.annotation(field.type, .result);
        body = body ++ if (Class.isWritable(field))
            field.name ++ ": " ++ annotation ++ "\n"
        else
            "@\x01property\ndef " ++ field.name ++ "(self) -> " ++ annotation ++ ": ...\n";
    };
    if (Class.Constructor != void) {
        body = body ++ "def __init__(" ++ Class.Constructor.shape.listed("self", true) ++ ") -> None: ...\n";
    }
    for (Class.methods) |method| if (method.obstacle == null) {
        body = body ++ methodText(method, Class.has(.iterator));
    };
    if (class.hasDeinit(T)) body = body ++
        "def __enter__(self) -> \x01Self: ...\n" ++
        "def __exit__(self, *arguments: \x01object) -> None: ...\n";
    return "\nclass " ++ declaration.name ++ ":\n\x02" ++ body ++ "\x03";
}

fn methodText(comptime method: function.Shape, comptime has_iterator: bool) [:0]const u8 {
    const special = method.special orelse {
        const decorator = if (method.receiver == .module) "@\x01staticmethod\n" else "";
        const own = method.declaration.name;
        return if (text.isParameterName(own)) functionText(method, own, decorator) else "";
    };
    const name = class.pythonName(special);
    switch (special) {
        .init, .deinit => return "",
        .eql, .contains => return "def " ++ name ++ "(self, value: \x01object, /) -> \x01bool: ...\n",
        .next => {
            const result = kind.annotation(kind.Unwrapped(method.Result), .result);
            const iterator = if (has_iterator) "" else "def __iter__(self) -> \x01Self: ...\n";
            return iterator ++ "def __next__(self) -> " ++ result ++ ": ...\n";
        },
        else => return functionText(method, name, ""),
    }
}

fn functionText(comptime shape: function.Shape, comptime name: [:0]const u8, comptime decorator: [:0]const u8) [:0]const u8 {
    const Result = shape.Result;
    const self = if (shape.receiver == .instance) "self" else "";
    // The arguments of special functions have no names.
    const end = if (shape.receiver == .instance and name[0] == '_' and shape.parameters.len > 0) ", /" else "";
    const doc = docText(shape.declaration.doc);
    const body = if (doc.len == 0) " ...\n" else "\n\x02" ++ doc ++ "\x03";
    const head = decorator ++ "def " ++ name ++ "(" ++ shape.listed(self, true) ++ end ++ ") -> ";
    if (kind.of(Result) != .record or kind.hasName(Result)) {
        return head ++ kind.annotation(Result, .result) ++ ":" ++ body;
    }
    // The named tuple of a result without a name of its own.
    const record = kind.nameOf(Result);
    return recordText(Result, .{ .name = record }) ++ head ++ record ++ ":" ++ body;
}

fn docText(comptime doc: [:0]const u8) [:0]const u8 {
    return if (doc.len == 0) "" else "\x04" ++ doc ++ "\x04";
}

test functionText {
    const functions = struct {
        fn half(_: f64, _: struct { exact: bool = true }) ?f64 {
            return null;
        }
        fn split(_: f64) struct { whole: i64, rest: f64 } {
            return .{ .whole = 0, .rest = 0 };
        }
    };
    const half: Declaration = .{ .name = "half", .parameters = &.{ "x", "options" }, .doc = "Halves." };
    try std.testing.expectEqualStrings(
        "def half(x: \x01float, *, exact: \x01bool = True) -> \x01float | None:\n\x02\x04Halves.\x04\x03",
        comptime functionText(.of(@TypeOf(functions.half), half, .module), "half", ""),
    );
    const split: Declaration = .{ .name = "split", .parameters = &.{"x"} };
    try std.testing.expectEqualStrings(
        "\nclass split_result(\x01NamedTuple):\n\x02whole: \x01int\nrest: \x01float\n\x03" ++
            "@\x01staticmethod\ndef split(x: \x01float) -> split_result: ...\n",
        comptime functionText(.of(@TypeOf(functions.split), split, .module), "split", "@\x01staticmethod\n"),
    );
}
