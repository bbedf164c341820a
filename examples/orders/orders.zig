//! Reads orders from JSON with Zig's standard library.
const std = @import("std");

/// One line of an order. What the document leaves out has a default.
pub const Item = struct {
    name: []const u8,
    price: f64,
    count: u32 = 1,
    note: ?[]const u8 = null,
};

pub const Order = struct {
    customer: []const u8,
    items: []const Item,
};

/// The orders in a document; other members of its objects are left out.
pub fn parse(allocator: std.mem.Allocator, document: []const u8) ![]const Order {
    const parsed = std.json.parseFromSlice([]const Order, allocator, document, .{
        .ignore_unknown_fields = true,
    }) catch |err| return switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.MissingField => error.MissingField,
        else => error.ValueError,
    };
    return parsed.value;
}

/// What all items cost.
pub fn total(items: []const Item) f64 {
    var sum: f64 = 0;
    for (items) |item| sum += item.price * @as(f64, @floatFromInt(item.count));
    return sum;
}
