//! Sorts the declarations of a user's file: what Python gets, what it cannot get, and why.

const std = @import("std");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const function = @import("function.zig");
const reflection = @import("reflection.zig");

const Declaration = declarations.Declaration;

/// A function that Python cannot call.
pub const Skipped = struct {
    name: [:0]const u8,
    reason: [:0]const u8,
};

pub const Exports = struct {
    functions: []const Declaration = &.{},
    constants: []const Declaration = &.{},
    skipped: []const Skipped = &.{},

    pub fn has(comptime exports: Exports, comptime name: []const u8) bool {
        comptime {
            const declared = exports.functions ++ exports.constants;
            @setEvalBranchQuota(1_000 + 100 * declared.len);
            for (declared) |declaration| {
                if (std.mem.eql(u8, declaration.name, name)) return true;
            }
            return false;
        }
    }
};

/// Sorts a list of declarations. Only types are looked at, no function is analysed.
pub fn sort(comptime user: type, comptime list: []const Declaration) Exports {
    comptime {
        @setEvalBranchQuota(10_000 + 10_000 * list.len);
        var exports: Exports = .{};
        for (list) |declaration| {
            const T = @TypeOf(@field(user, declaration.name));
            if (@typeInfo(T) == .@"fn") {
                if (function.obstacle(T)) |reason| {
                    exports.skipped = exports.skipped ++ .{Skipped{ .name = declaration.name, .reason = reason }};
                } else {
                    exports.functions = exports.functions ++ .{declaration};
                }
            } else if (Constant(T, user, declaration.name) != void) {
                exports.constants = exports.constants ++ .{declaration};
            }
        }
        return exports;
    }
}

/// Returns the type as which a constant goes to Python, or `void` if it does not.
pub fn Constant(comptime T: type, comptime user: type, comptime name: []const u8) type {
    return switch (@typeInfo(T)) {
        .comptime_float => f64,
        .comptime_int => IntegerFor(@field(user, name)),
        .int, .float, .bool, .pointer => if (convert.isResult(T)) T else void,
        else => void,
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
        @setEvalBranchQuota(1_000 + 10 * skipped.len);
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
        pub const never = @compileError("not in the list, so not analysed");
    };
    const exports = comptime sort(user, &.{
        .{ .name = "add" },
        .{ .name = "generic" },
        .{ .name = "alias", .kind = .constant },
        .{ .name = "answer", .kind = .constant },
        .{ .name = "huge", .kind = .constant },
        .{ .name = "Point", .kind = .constant },
    });
    try std.testing.expectEqual(2, exports.functions.len);
    try std.testing.expectEqualStrings("alias", exports.functions[1].name);
    try std.testing.expectEqual(1, exports.constants.len);
    try std.testing.expectEqualStrings("answer", exports.constants[0].name);
    try std.testing.expectEqual(1, exports.skipped.len);
    try std.testing.expectEqualStrings("parameter 1: type `anytype`", exports.skipped[0].reason);
    try std.testing.expect(comptime exports.has("add") and !exports.has("Point"));
}

test emptyMessage {
    try std.testing.expectEqualStrings(
        "zigimport: nothing to export from a.zig: `f`: result: type `type`",
        comptime emptyMessage("a.zig", &.{.{ .name = "f", .reason = "result: type `type`" }}),
    );
}
