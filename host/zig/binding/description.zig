//! What a module exports and of which types, as plain text in its library: whoever wants a stub file
//! (`.pyi`) makes it of that, without loading anything.
//!
//! The text is a tree. A node is what it is about and more words, then its children: the byte 2 opens
//! it, 1 lies before each further word, 3 closes it. It is written in pieces: joining them here would
//! cost more than the rest of a build.

const class = @import("class.zig");
const convert = @import("convert.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const text = @import("text.zig");

const Exports = @import("module.zig").Exports;

/// Begins each piece; its number and a line feed follow, and a zero byte ends it.
const mark = "# zigimport stub ";

pub fn pieces(comptime user: type) []const [*:0]const u8 {
    @setEvalBranchQuota(reflection.quota);
    var list: []const [*:0]const u8 = &.{};
    const doc = reflection.containerOf(user).?.doc;
    for (namespace(opened("namespace", .{ .name = reflection.module_name, .doc = doc }), &.{user})) |content| {
        list = list ++ .{mark ++ text.decimal(list.len) ++ "\n" ++ content};
    }
    return list;
}

fn opened(comptime what: []const u8, comptime declaration: reflection.Declaration) []const u8 {
    return "\x02" ++ what ++ "\x01" ++ declaration.name ++ "\x01" ++ declaration.doc;
}

fn namespace(comptime head: []const u8, comptime path: []const type) []const []const u8 {
    var list: []const []const u8 = &.{head};
    for (Exports.of(path).list) |one| {
        const value = @field(path[path.len - 1], one.declaration.name);
        const start = opened(@tagName(one.what), one.declaration);
        list = list ++ @as([]const []const u8, switch (one.what) {
            .namespace => namespace(start, path ++ .{value}),
            .function => &.{ofFunction("function", .of(@TypeOf(value), one.declaration, .module))},
            .class => &.{start ++ ofClass(value)},
            .record, .enumeration => &.{start ++ ofType(value) ++ "\x03"},
            .constant => &.{start ++ ofType(kind.Constant(value)) ++ "\x03"},
        });
    }
    return list ++ .{"\x03"};
}

fn ofClass(comptime T: type) []const u8 {
    const Class = class.Class(T);
    var list: []const u8 = "\x01" ++ @typeName(T);
    for (reflection.fields(T)) |field| if (kind.isReadable(field.type)) {
        const what = if (Class.isWritable(field)) "field" else "property";
        list = list ++ "\x02" ++ what ++ "\x01" ++ field.name ++ ofType(field.type) ++ "\x03";
    };
    if (Class.Constructor != void) list = list ++ ofFunction("constructor", Class.Constructor.shape);
    for (Class.methods) |method| if (method.shape.obstacle == null) {
        const plain = if (method.shape.receiver == .instance) "method" else "static";
        list = list ++ ofFunction(if (method.special) |special| class.pythonName(special) else plain, method.shape);
    };
    return list ++ "\x03";
}

/// The result, then the parameters.
fn ofFunction(comptime what: []const u8, comptime shape: function.Shape) []const u8 {
    const words = opened(what, shape.declaration) ++ "\x01" ++ text.decimal(shape.positional);
    var list: []const u8 = words ++ ofType(shape.Result);
    for (shape.parameters) |parameter| {
        const default = parameter.default() orelse "";
        list = list ++ "\x02parameter\x01" ++ parameter.name ++ "\x01" ++ default ++ ofType(parameter.type) ++ "\x03";
    }
    return list ++ "\x03";
}

/// Its kind, what else there is to know of such a type, and the types that it is made of.
fn ofType(comptime T: type) []const u8 {
    const words: []const [:0]const u8 = switch (kind.of(T)) {
        .numbers => &.{ if (reflection.isConst(T)) "" else "mutable", @tagName(kind.of(@typeInfo(T).pointer.child)) },
        .view => &.{if (T.is_mutable) "mutable" else ""},
        .array => &.{text.decimal(@typeInfo(T).array.len)},
        .class, .class_pointer => &.{@typeName(kind.InstanceOf(T))},
        // How many of the fields have a default, from the last one on.
        .record => .{ @typeName(T), kind.nameOf(T), text.decimal(convert.lastDefaults(T).len) } ++ reflection.names(T),
        .enumeration, .variant => reflection.names(T),
        else => &.{},
    };
    var list: []const u8 = "\x02" ++ @tagName(kind.of(T));
    for (words) |word| list = list ++ "\x01" ++ word;
    for (kind.parts(T)) |Part| list = list ++ ofType(Part);
    return list ++ "\x03";
}

test ofFunction {
    const Pair = struct { x: f64, y: []const i8 = &.{} };
    const functions = struct {
        fn swap(_: ?Pair, _: struct { deep: bool = true }) [2]enum { a, b } {
            return .{ .a, .b };
        }
    };
    const declaration: reflection.Declaration = .{ .name = "swap", .parameters = &.{"pair"}, .doc = "Swaps." };
    const name = @typeName(Pair) ++ "\x01" ++ comptime kind.nameOf(Pair);
    try @import("std").testing.expectEqualStrings(
        "\x02function\x01swap\x01Swaps.\x011\x02array\x012\x02enumeration\x01a\x01b\x03\x03" ++
            "\x02parameter\x01pair\x01\x02optional" ++
            "\x02record\x01" ++ name ++ "\x011\x01x\x01y\x02float\x03\x02numbers\x01\x01int\x03\x03\x03\x03" ++
            "\x02parameter\x01deep\x01True\x02bool\x03\x03\x03",
        comptime ofFunction("function", .of(@TypeOf(functions.swap), declaration, .module)),
    );
}
