//! Colours by name.
const std = @import("std");

const Named = struct { name: []const u8, colour: []const u8 };
const table = [_]Named{
    .{ .name = "orange", .colour = "#ff8000" },
    .{ .name = "navy", .colour = "#000080" },
    .{ .name = "teal", .colour = "#008080" },
};

/// The code of a colour, whatever the case of its name.
pub fn code_of(name: []const u8) ![]const u8 {
    for (table) |entry| {
        if (std.ascii.eqlIgnoreCase(entry.name, name)) return entry.colour;
    }
    return error.KeyError;
}

/// The names that begin with a text, all of them without one.
pub fn starting_with(allocator: std.mem.Allocator, start: []const u8) ![]const []const u8 {
    var found: std.ArrayList([]const u8) = .empty;
    for (table) |entry| {
        if (std.mem.startsWith(u8, entry.name, start)) try found.append(allocator, entry.name);
    }
    return found.items;
}
