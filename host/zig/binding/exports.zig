//! Sorts the declarations of a container: what Python gets, what it cannot get, and why.

const std = @import("std");
const class = @import("class.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");

const Declaration = declarations.Declaration;

pub const Exports = struct {
    list: []const Export = &.{},
    skipped: []const Skipped = &.{},

    /// Something that Python gets.
    pub const Export = struct {
        declaration: Declaration,
        what: enum { function, constant, class, record, enumeration, namespace },
    };

    /// Something that it cannot have.
    pub const Skipped = struct {
        name: [:0]const u8,
        reason: [:0]const u8,
    };

    pub fn has(comptime exports: Exports, comptime name: []const u8) bool {
        @setEvalBranchQuota(reflection.quota);
        for (exports.list) |one| if (std.mem.eql(u8, one.declaration.name, name)) return true;
        return false;
    }

    fn skip(comptime exports: *Exports, comptime name: [:0]const u8, comptime reason: [:0]const u8) void {
        exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
    }
};

/// Sorts the declarations of a namespace. Only types are looked at, no function is analysed.
/// `path` has the namespaces around it: one that leads back to them is left out.
pub fn sort(comptime user: type, comptime list: []const Declaration, comptime path: []const type) Exports {
    @setEvalBranchQuota(reflection.quota);
    var exports: Exports = .{};
    for (list) |declaration| {
        const name = declaration.name;
        const T = @TypeOf(@field(user, name));
        const what = if (@typeInfo(T) == .@"fn") blk: {
            const reason = function.Shape(T, declaration, .module).obstacle() orelse break :blk .function;
            exports.skip(name, reason);
            continue;
        } else if (T == type)
            sortType(&exports, @field(user, name), declaration, path) orelse continue
        else if (Constant(user, name) != void)
            .constant
        else {
            exports.skip(name, "constant: type `" ++ @typeName(T) ++ "`");
            continue;
        };
        exports.list = exports.list ++ .{Exports.Export{ .declaration = declaration, .what = what }};
    }
    return exports;
}

fn sortType(
    comptime exports: *Exports,
    comptime T: type,
    comptime declaration: Declaration,
    comptime path: []const type,
) ?@FieldType(Exports.Export, "what") {
    if (@typeInfo(T) == .@"struct" and declarations.isNamespace(T)) {
        for (path) |around| if (around == T) return null;
        const inner = sort(T, declarations.of(T).?.list, path ++ .{T});
        return if (inner.list.len > 0) .namespace else null;
    }
    switch (kind.of(T)) {
        .enumeration => return .enumeration,
        .record => return if (kind.isResult(T) or kind.isParameter(T)) .record else null,
        .class => {
            for (declarations.of(T).?.list) |member| {
                if (!declarations.isFunction(T, member)) continue;
                const reason = class.obstacle(T, member) orelse continue;
                exports.skip(declaration.name ++ "." ++ member.name, reason);
            }
            return .class;
        },
        else => {
            if (@typeInfo(T) == .@"struct" and declarations.isClass(T)) {
                const reason = "class: alignment above 16 bytes, or a field that exists at compile time only";
                exports.skip(declaration.name, reason);
            }
            return null;
        },
    }
}

/// Returns the type as which a constant goes to Python, or `void` if it does not.
pub fn Constant(comptime user: type, comptime name: []const u8) type {
    const value = @field(user, name);
    const T = @TypeOf(value);
    return switch (@typeInfo(T)) {
        .comptime_float => f64,
        .comptime_int => convert.WordFor(value, value) orelse void,
        // An instance that points to something might free what is not its own.
        else => if (kind.isReadable(T)) T else void,
    };
}

/// Returns the message for a file with nothing that Python could use.
pub fn emptyMessage(comptime source_path: []const u8, comptime skipped: []const Exports.Skipped) []const u8 {
    @setEvalBranchQuota(reflection.quota);
    var list: []const u8 = "";
    for (skipped) |one| {
        list = list ++ (if (list.len == 0) "" else "; ") ++ "`" ++ one.name ++ "`: " ++ one.reason;
    }
    if (list.len == 0) list = "it has no `pub fn` and no `pub const` with a value for Python";
    return "zigimport: nothing to export from " ++ source_path ++ ": " ++ list;
}

test sort {
    const user = struct {
        pub fn add(a: i32, b: i32) i32 {
            return a + b;
        }
        pub fn generic(value: anytype) void {
            _ = value;
        }
        pub const alias = add;
        pub const answer = 42;
        pub const huge = 1 << 200;
        pub const Point = struct { x: f32 };
        pub const Color = enum { red };
        pub const origin: Point = .{ .x = 0 };
        pub const never = @compileError("not in the list, so not analysed");
    };
    const exports = comptime sort(user, &.{
        .{ .name = "add" },
        .{ .name = "generic" },
        .{ .name = "alias" },
        .{ .name = "answer" },
        .{ .name = "huge" },
        .{ .name = "Point" },
        .{ .name = "Color" },
        .{ .name = "origin" },
    }, &.{user});
    const expected = .{ .function, .function, .constant, .record, .enumeration, .constant };
    try std.testing.expectEqual(expected.len, exports.list.len);
    inline for (exports.list, expected) |one, what| try std.testing.expectEqual(what, one.what);
    try std.testing.expectEqual(2, exports.skipped.len);
    try std.testing.expectEqualStrings("parameter 1: type `anytype`", exports.skipped[0].reason);
    try std.testing.expect(comptime exports.has("add") and !exports.has("huge"));
}

test emptyMessage {
    try std.testing.expectEqualStrings(
        "zigimport: nothing to export from a.zig: `f`: result: type `type`",
        comptime emptyMessage("a.zig", &.{.{ .name = "f", .reason = "result: type `type`" }}),
    );
}
