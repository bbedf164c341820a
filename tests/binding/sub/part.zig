//! A part of the whole.
const std = @import("std");

pub const deeper = @import("deeper.zig");

pub const answer = 42;
pub const title = "part";
pub const Colour = enum { red, green };

/// Twice a number.
pub fn double(number: i64) i64 {
    return number * 2;
}
pub fn fail() !void {
    return error.InPart;
}
pub fn greet(allocator: std.mem.Allocator, name: []const u8) ![]const u8 {
    return std.fmt.allocPrint(allocator, "Hello, {s}!", .{name});
}

pub const Stamp = struct {
    day: u8,
    month: u8,
};

pub fn birthday() Stamp {
    return .{ .day = 24, .month = 12 };
}
