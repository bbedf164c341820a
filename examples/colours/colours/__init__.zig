//! Colours: a package whose second module is `colours.names`.
const std = @import("std");

/// Red, green and blue from 0 to 255.
pub const Colour = struct {
    red: u8,
    green: u8,
    blue: u8 = 0,
};

/// Reads `#ff8000`.
pub fn parse(text: []const u8) !Colour {
    if (text.len != 7 or text[0] != '#') return error.ValueError;
    const number = std.fmt.parseInt(u24, text[1..], 16) catch return error.ValueError;
    return .{ .red = @truncate(number >> 16), .green = @truncate(number >> 8), .blue = @truncate(number) };
}

pub fn format(allocator: std.mem.Allocator, colour: struct { u8, u8, u8 }) ![]const u8 {
    return std.fmt.allocPrint(allocator, "#{x:0>2}{x:0>2}{x:0>2}", .{ colour[0], colour[1], colour[2] });
}

/// A colour between two others.
pub fn mixed(left: Colour, right: Colour, share: f64) Colour {
    return .{
        .red = between(left.red, right.red, share),
        .green = between(left.green, right.green, share),
        .blue = between(left.blue, right.blue, share),
    };
}

fn between(left: u8, right: u8, share: f64) u8 {
    const from: f64 = @floatFromInt(left);
    const to: f64 = @floatFromInt(right);
    return @intFromFloat(from + (to - from) * std.math.clamp(share, 0, 1));
}
