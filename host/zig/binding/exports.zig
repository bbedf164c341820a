//! Sorts the declarations of a container: what Python gets, what it cannot get, and why.

const std = @import("std");
const class = @import("class.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const function = @import("function.zig");
const reflection = @import("reflection.zig");

const Declaration = declarations.Declaration;

/// Something that Python cannot have.
pub const Skipped = struct {
    name: [:0]const u8,
    reason: [:0]const u8,
};

pub const Exports = struct {
    functions: []const Declaration = &.{},
    constants: []const Declaration = &.{},
    /// Classes and records.
    types: []const Declaration = &.{},
    enumerations: []const Declaration = &.{},
    namespaces: []const Declaration = &.{},
    skipped: []const Skipped = &.{},

    pub fn isEmpty(comptime exports: Exports) bool {
        return exports.functions.len + exports.constants.len + exports.types.len +
            exports.enumerations.len + exports.namespaces.len == 0;
    }

    pub fn has(comptime exports: Exports, comptime name: []const u8) bool {
        comptime {
            const lists = .{ exports.functions, exports.constants, exports.types, exports.enumerations, exports.namespaces };
            for (lists) |list| {
                @setEvalBranchQuota(reflection.quota);
                for (list) |declaration| if (std.mem.eql(u8, declaration.name, name)) return true;
            }
            return false;
        }
    }
};

/// Sorts the declarations of a namespace. Only types are looked at, no function is analysed.
/// `path` has the namespaces around it: one that leads back to them is left out.
pub fn sort(comptime user: type, comptime list: []const Declaration, comptime path: []const type) Exports {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        var exports: Exports = .{};
        for (list) |declaration| {
            const name = declaration.name;
            const T = @TypeOf(@field(user, name));
            if (@typeInfo(T) == .@"fn") {
                if (function.obstacle(T, declaration, .module)) |reason| {
                    exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
                } else {
                    exports.functions = exports.functions ++ .{declaration};
                }
            } else if (T == type) {
                sortType(&exports, @field(user, name), declaration, path);
            } else if (Constant(T, user, name) != void) {
                exports.constants = exports.constants ++ .{declaration};
            } else {
                const reason = "constant: type `" ++ @typeName(T) ++ "`";
                exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
            }
        }
        return exports;
    }
}

fn sortType(
    comptime exports: *Exports,
    comptime T: type,
    comptime declaration: Declaration,
    comptime path: []const type,
) void {
    switch (@typeInfo(T)) {
        .@"enum" => if (convert.kindOf(T) == .enumeration) {
            exports.enumerations = exports.enumerations ++ .{declaration};
        },
        .@"struct" => if (declarations.isNamespace(T)) {
            for (path) |around| if (around == T) return;
            const inner = sort(T, declarations.of(T).?.list, path ++ .{T});
            if (!inner.isEmpty()) exports.namespaces = exports.namespaces ++ .{declaration};
        } else switch (convert.kindOf(T)) {
            .class => {
                exports.types = exports.types ++ .{declaration};
                for (declarations.of(T).?.list) |member| {
                    if (@typeInfo(@TypeOf(@field(T, member.name))) != .@"fn") continue;
                    const reason = class.obstacle(T, member) orelse continue;
                    const name = declaration.name ++ "." ++ member.name;
                    exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
                }
            },
            .none => if (declarations.isClass(T)) {
                const reason = "class: alignment above 16 bytes, or a field that exists at compile time only";
                exports.skipped = exports.skipped ++ .{Skipped{ .name = declaration.name, .reason = reason }};
            },
            .record => if (convert.isResult(T) or convert.isParameter(T)) {
                exports.types = exports.types ++ .{declaration};
            },
            else => {},
        },
        else => {},
    }
}

/// Returns the type as which a constant goes to Python, or `void` if it does not.
pub fn Constant(comptime T: type, comptime user: type, comptime name: []const u8) type {
    return switch (@typeInfo(T)) {
        .comptime_float => f64,
        .comptime_int => IntegerFor(@field(user, name)),
        // An instance that points to something might free what is not its own.
        else => if (T != void and convert.isResult(T) and (convert.InstanceOf(T) == void or !convert.hasPointers(T))) T else void,
    };
}

fn IntegerFor(comptime value: comptime_int) type {
    return inline for (.{ i64, u64, i128, u128 }) |T| {
        if (value >= std.math.minInt(T) and value <= std.math.maxInt(T)) break T;
    } else void;
}

/// Returns the message for a file with nothing that Python could use.
pub fn emptyMessage(comptime source_path: []const u8, comptime skipped: []const Skipped) []const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        var list: []const u8 = "";
        for (skipped) |entry| {
            list = list ++ (if (list.len == 0) "" else "; ") ++ "`" ++ entry.name ++ "`: " ++ entry.reason;
        }
        if (list.len == 0) list = "it has no `pub fn` and no `pub const` with a value for Python";
        return "zigimport: nothing to export from " ++ source_path ++ ": " ++ list;
    }
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
    try std.testing.expectEqual(2, exports.functions.len);
    try std.testing.expectEqualStrings("alias", exports.functions[1].name);
    try std.testing.expectEqual(2, exports.constants.len);
    try std.testing.expectEqualStrings("Point", exports.types[0].name);
    try std.testing.expectEqualStrings("Color", exports.enumerations[0].name);
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
