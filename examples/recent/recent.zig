//! A class: the last measurements of a sensor.
const std = @import("std");

/// Keeps the last values that were added, the newest at the end.
pub const Recent = struct {
    values: []f64,
    start: usize = 0,
    count: usize = 0,

    pub fn init(allocator: std.mem.Allocator, capacity: usize) !Recent {
        if (capacity == 0) return error.ValueError;
        return .{ .values = try allocator.alloc(f64, capacity) };
    }

    /// Adds a value; the oldest makes room for it.
    pub fn add(self: *Recent, value: f64) void {
        self.values[(self.start + self.count) % self.values.len] = value;
        if (self.count < self.values.len) {
            self.count += 1;
        } else {
            self.start = (self.start + 1) % self.values.len;
        }
    }

    pub fn mean(self: *const Recent) ?f64 {
        if (self.count == 0) return null;
        var sum: f64 = 0;
        for (0..self.count) |index| sum += self.getItem(index);
        return sum / @as(f64, @floatFromInt(self.count));
    }

    pub fn len(self: *const Recent) usize {
        return self.count;
    }

    pub fn getItem(self: *const Recent, index: usize) f64 {
        return self.values[(self.start + index) % self.values.len];
    }

    pub fn contains(self: *const Recent, value: f64) bool {
        for (0..self.count) |index| {
            if (self.getItem(index) == value) return true;
        }
        return false;
    }

    pub fn repr(self: *const Recent, allocator: std.mem.Allocator) ![]const u8 {
        return std.fmt.allocPrint(allocator, "<{d} of {d} values>", .{ self.count, self.values.len });
    }
};
