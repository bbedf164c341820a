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

const Exports = @import("module.zig").Exports;

/// Begins each piece; its number and a line feed follow, and a zero byte ends it.
const mark = "# zigimport stub ";

pub fn pieces(comptime user: type) []const [*:0]const u8 {
    @setEvalBranchQuota(reflection.quota);
    const head = "\x02namespace\x01" ++ reflection.module_name ++ "\x01" ++ reflection.containerOf(user).?.doc;
    var list: []const [*:0]const u8 = &.{};
    for (.{head} ++ exported(&.{user}) ++ .{"\x03"}) |one| {
        list = list ++ .{mark ++ kind.decimal(list.len) ++ "\n" ++ one};
    }
    return list;
}

/// Describes what the last of a path of namespaces has.
fn exported(comptime path: []const type) []const []const u8 {
    var list: []const []const u8 = &.{};
    for (Exports.of(path).list) |one| {
        const value = @field(path[path.len - 1], one.declaration.name);
        const words = [_][]const u8{ @tagName(one.what), one.declaration.name, one.declaration.doc };
        list = list ++ @as([]const []const u8, switch (one.what) {
            .namespace => .{"\x02" ++ kind.joined(&words, "\x01")} ++ exported(path ++ .{value}) ++ .{"\x03"},
            .function => &.{node(&words, signature(.of(@TypeOf(value), one.declaration, .module)))},
            .class => &.{node(&words, typeNode(value) ++ members(value))},
            .record, .enumeration => &.{node(&words, typeNode(value))},
            .constant => &.{node(&words, typeNode(kind.Constant(value)))},
        });
    }
    return list;
}

fn node(comptime words: []const []const u8, comptime children: []const u8) []const u8 {
    return "\x02" ++ kind.joined(words, "\x01") ++ children ++ "\x03";
}

fn members(comptime T: type) []const u8 {
    const Class = class.Class(T);
    var list: []const u8 = "";
    for (reflection.fields(T)) |field| if (Class.isVisible(field)) {
        const what = if (Class.isWritable(field)) "field" else "property";
        list = list ++ node(&.{ what, field.name }, typeNode(field.type));
    };
    if (Class.Constructor != void) list = list ++ node(&.{"constructor"}, signature(Class.Constructor.shape));
    for (Class.methods) |method| if (method.obstacle == null) {
        const plain = if (method.receiver == .instance) "method" else "static";
        const what = if (method.special) |special| class.pythonName(special) else plain;
        const declaration = method.declaration;
        list = list ++ node(&.{ what, declaration.name, declaration.doc }, signature(method));
    };
    return list;
}

/// Describes the result, then the parameters.
fn signature(comptime shape: function.Shape) []const u8 {
    var list = typeNode(shape.Result);
    for (shape.parameters, 0..) |parameter, index| {
        const what = if (index < shape.positional) "parameter" else "keyword";
        list = list ++ node(&.{ what, parameter.name, parameter.default() orelse "" }, typeNode(parameter.type));
    }
    return list;
}

/// Describes its kind, what else there is to know of such a type, and the types that it is made of.
fn typeNode(comptime T: type) []const u8 {
    const words: []const []const u8 = switch (kind.of(T)) {
        .numbers => &.{ if (reflection.isConst(T)) "" else "mutable", @tagName(kind.of(@typeInfo(T).pointer.child)) },
        .view => &.{if (T.is_mutable) "mutable" else ""},
        .array => &.{kind.decimal(@typeInfo(T).array.len)},
        .class, .class_pointer => &.{@typeName(kind.InstanceOf(T))},
        // How many of the fields have a default, from the last one on.
        .record => .{ @typeName(T), kind.nameOf(T), kind.decimal(convert.lastDefaults(T).len) } ++ reflection.names(T),
        .enumeration, .variant => reflection.names(T),
        else => &.{},
    };
    var list: []const u8 = "";
    for (kind.parts(T)) |Part| list = list ++ typeNode(Part);
    return node(.{@tagName(kind.of(T))} ++ words, list);
}

test signature {
    const Pair = struct { x: f64, y: []const i8 = &.{} };
    const functions = struct {
        fn swap(_: ?Pair, _: struct { deep: bool = true }) [2]enum { a, b } {
            return .{ .a, .b };
        }
    };
    const declaration: reflection.Declaration = .{ .name = "swap", .parameters = &.{"pair"} };
    const name = @typeName(Pair) ++ "\x01" ++ comptime kind.nameOf(Pair);
    try @import("std").testing.expectEqualStrings(
        "\x02array\x012\x02enumeration\x01a\x01b\x03\x03" ++
            "\x02parameter\x01pair\x01\x02optional" ++
            "\x02record\x01" ++ name ++ "\x011\x01x\x01y\x02float\x03\x02numbers\x01\x01int\x03\x03\x03\x03" ++
            "\x02keyword\x01deep\x01True\x02bool\x03\x03",
        comptime signature(.of(@TypeOf(functions.swap), declaration, .module)),
    );
}
