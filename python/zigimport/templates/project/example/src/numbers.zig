//! What the module does; it knows nothing of Python.
const std = @import("std");

/// The sum of two numbers.
pub fn add(a: i64, b: i64) error{Overflow}!i64 {
    return std.math.add(i64, a, b);
}

test add {
    try std.testing.expectEqual(3, try add(1, 2));
    try std.testing.expectError(error.Overflow, add(std.math.maxInt(i64), 1));
}
