//! Areas and distances: a module of several files.
const std = @import("std");
const circle = @import("shapes/circle.zig");
const polygon = @import("shapes/polygon.zig");

/// Lines of `name factor`, one length unit each; part of the compiled module.
const units = @embedFile("data/units.txt");

/// Ratio of a circle's circumference to its diameter.
pub const pi: f64 = std.math.pi;

/// Area of a circle of the given radius.
pub fn circle_area(radius: f64) !f64 {
    return circle.area(radius);
}

/// Area of a regular polygon with `sides` sides of the given length.
pub fn polygon_area(sides: u32, length: f64) !f64 {
    return polygon.area(sides, length);
}

/// Metres in one of the units that the data file lists.
pub fn metres_in(unit: []const u8) !f64 {
    var lines = std.mem.tokenizeScalar(u8, units, '\n');
    while (lines.next()) |line| {
        var fields = std.mem.tokenizeScalar(u8, line, ' ');
        const name = fields.next() orelse continue;
        if (std.mem.eql(u8, name, unit)) return std.fmt.parseFloat(f64, fields.next() orelse "");
    }
    return error.UnknownUnit;
}

/// A sentence about a circle.
pub fn describe(allocator: std.mem.Allocator, name: []const u8, radius: f64) ![]const u8 {
    return std.fmt.allocPrint(allocator, "{s}: radius {d:.1}, area {d:.2}", .{ name, radius, try circle.area(radius) });
}
