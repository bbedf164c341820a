//! What example is for.
const std = @import("std");

/// The sum of two numbers.
pub fn add(a: i64, b: i64) !i64 {
    return std.math.add(i64, a, b) catch error.OverflowError;
}

/// A greeting for one person.
pub fn greet(allocator: std.mem.Allocator, name: []const u8) ![]const u8 {
    if (name.len == 0) return error.ValueError;
    return std.fmt.allocPrint(allocator, "Hello, {s}!", .{name});
}

test add {
    try std.testing.expectEqual(3, try add(1, 2));
    try std.testing.expectError(error.OverflowError, add(std.math.maxInt(i64), 1));
}

test greet {
    const greeting = try greet(std.testing.allocator, "Ada");
    defer std.testing.allocator.free(greeting);
    try std.testing.expectEqualStrings("Hello, Ada!", greeting);
}
