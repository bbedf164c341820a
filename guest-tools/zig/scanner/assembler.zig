//! Finds the files that assembly in a string names. The assembler reads them
//! without telling the compiler.
const std = @import("std");
const source_types = @import("source.zig");
const text = @import("text.zig");
const Allocator = std.mem.Allocator;
const Dependency = source_types.Dependency;
const DependencyKind = source_types.DependencyKind;

/// Directives that name a file, without their point.
pub const directives: std.StaticStringMap(DependencyKind) = .initComptime(.{
    .{ "incbin", .assembler_embed },
    .{ "include", .assembler_include },
});

/// What all of them start with.
const prefix = ".inc";

const Dependencies = std.ArrayList(Dependency);

/// Adds what a text names that stands in the source as it is.
pub fn inText(arena: Allocator, source: []const u8, start: usize, end: usize, locator: *text.Locator, found: *Dependencies) Allocator.Error!void {
    try search(arena, source[0..end], start, "\"", locator, found);
}

/// The same for a string in which each quote has a backslash.
pub fn inString(arena: Allocator, source: []const u8, start: usize, end: usize, locator: *text.Locator, found: *Dependencies) Allocator.Error!void {
    try search(arena, source[0..end], start, "\\\"", locator, found);
}

fn search(arena: Allocator, source: []const u8, start: usize, quote: []const u8, locator: *text.Locator, found: *Dependencies) Allocator.Error!void {
    var index = start;
    while (std.mem.indexOfPos(u8, source, index, prefix)) |point| {
        index = point + prefix.len;
        var word_end = index;
        while (word_end < source.len and std.ascii.isAlphanumeric(source[word_end])) word_end += 1;
        const kind = directives.get(source[point + 1 .. word_end]) orelse continue;
        var open = word_end;
        while (true) {
            const rest = source[open..];
            if (std.mem.startsWith(u8, rest, " ") or std.mem.startsWith(u8, rest, "\t")) {
                open += 1;
            } else if (std.mem.startsWith(u8, rest, "\\t")) {
                open += 2;
            } else break;
        }
        if (!std.mem.startsWith(u8, source[open..], quote)) continue;
        const name = open + quote.len;
        // Without its end, the rest of the name is put together from other strings.
        const close = std.mem.indexOfPos(u8, source, name, quote);
        index = if (close) |at| at + quote.len else source.len;
        const position = locator.locate(point);
        try found.append(arena, .{
            .kind = kind,
            .operand = source[name .. close orelse source.len],
            .literal = close != null and close.? > name,
            .span = .{
                .start = @intCast(point),
                .end = @intCast(index),
                .line = position.line,
                .column = position.column,
            },
        });
    }
}
