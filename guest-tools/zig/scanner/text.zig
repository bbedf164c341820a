//! Text of a source file as values: positions, escapes, UTF-8, doc comments.
const std = @import("std");
const Allocator = std.mem.Allocator;
const assert = std.debug.assert;

/// A line and a column, both from 1, the column in bytes.
pub const Position = struct { line: u32, column: u32 };

/// Turns offsets into positions. Counts only up to the offsets that are asked
/// for, which have to come in ascending order.
pub const Locator = struct {
    source: []const u8,
    offset: usize = 0,
    line: u32 = 1,
    line_start: usize = 0,

    pub fn locate(locator: *Locator, offset: usize) Position {
        assert(offset >= locator.offset);
        assert(offset <= locator.source.len);
        const passed = locator.source[locator.offset..offset];
        const newlines = countNewlines(passed);
        if (newlines > 0) {
            var newline = offset;
            while (locator.source[newline - 1] != '\n') newline -= 1;
            locator.line_start = newline;
            locator.line += newlines;
        }
        locator.offset = offset;
        return .{ .line = locator.line, .column = @intCast(offset - locator.line_start + 1) };
    }
};

/// Eight bytes at a time without vector instructions, which not every wasm
/// engine compiles to fast code.
fn countNewlines(bytes: []const u8) u32 {
    const low: u64 = 0x7f7f7f7f7f7f7f7f;
    const newline: u64 = 0x0a0a0a0a0a0a0a0a;
    var count: u32 = 0;
    var index: usize = 0;
    while (bytes.len - index >= 8) : (index += 8) {
        const word = std.mem.readInt(u64, bytes[index..][0..8], .little) ^ newline;
        // The high bit of a byte is clear exactly where the byte was a newline.
        const others = ((word & low) + low) | word | low;
        count += @popCount(~others);
    }
    for (bytes[index..]) |byte| count += @intFromBool(byte == '\n');
    return count;
}

/// Returns the value of a string literal token or of the quoted part of an
/// `@"…"` identifier, or null if an escape is invalid. Borrows `token` where
/// there is no escape.
pub fn unescape(arena: Allocator, token: []const u8) Allocator.Error!?[]const u8 {
    if (token.len < 2 or token[0] != '"' or token[token.len - 1] != '"') return null;
    const body = token[1 .. token.len - 1];
    const first = std.mem.indexOfScalar(u8, body, '\\') orelse return body;
    // No escape is shorter than the bytes that it stands for.
    const value = try arena.alloc(u8, body.len);
    @memcpy(value[0..first], body[0..first]);
    var length = first;
    var index = first;
    while (index < body.len) {
        if (body[index] != '\\') {
            value[length] = body[index];
            length += 1;
            index += 1;
            continue;
        }
        const unicode = index + 1 < body.len and body[index + 1] == 'u';
        const code_point = switch (std.zig.string_literal.parseEscapeSequence(body, &index)) {
            .success => |code_point| code_point,
            .failure => return null,
        };
        if (unicode) {
            length += std.unicode.utf8Encode(code_point, value[length..]) catch return null;
        } else {
            value[length] = @intCast(code_point);
            length += 1;
        }
    }
    return value[0..length];
}

/// Returns the name that an identifier token stands for, as UTF-8.
pub fn identifierName(arena: Allocator, token: []const u8) Allocator.Error![]const u8 {
    if (token.len == 0 or token[0] != '@') return utf8(arena, token);
    return utf8(arena, try unescape(arena, token[1..]) orelse token);
}

/// Returns `bytes` with each byte that is not part of a valid sequence replaced
/// by U+FFFD. Borrows `bytes` where nothing is to replace.
pub fn utf8(arena: Allocator, bytes: []const u8) Allocator.Error![]const u8 {
    if (std.unicode.utf8ValidateSlice(bytes)) return bytes;
    var value: std.ArrayList(u8) = .empty;
    var index: usize = 0;
    while (index < bytes.len) {
        const length = sequenceLength(bytes[index..]);
        if (length == 0) {
            try value.appendSlice(arena, "\u{fffd}");
            index += 1;
        } else {
            try value.appendSlice(arena, bytes[index..][0..length]);
            index += length;
        }
    }
    return value.items;
}

fn sequenceLength(bytes: []const u8) usize {
    const length = std.unicode.utf8ByteSequenceLength(bytes[0]) catch return 0;
    if (length > bytes.len or !std.unicode.utf8ValidateSlice(bytes[0..length])) return 0;
    return length;
}

/// Returns the text of a doc comment line without its marker of three bytes
/// and without one space behind that.
pub fn docLine(line: []const u8) []const u8 {
    assert(line.len >= 3);
    const content = std.mem.trim(u8, line[3..], "\r");
    return if (content.len > 0 and content[0] == ' ') content[1..] else content;
}

/// Joins the `///` lines in `comments`, which may have plain comments and
/// indentation between them, by newlines.
pub fn docComment(arena: Allocator, comments: []const u8) Allocator.Error![]const u8 {
    var value: std.ArrayList(u8) = .empty;
    var lines = std.mem.splitScalar(u8, comments, '\n');
    var count: usize = 0;
    while (lines.next()) |indented| {
        const line = indented[std.mem.indexOfNone(u8, indented, " \t") orelse continue ..];
        const is_doc = std.mem.startsWith(u8, line, "///") and !std.mem.startsWith(u8, line, "////");
        if (!is_doc) continue;
        // One line is the common case and needs no copy.
        if (line.len == comments.len) return utf8(arena, docLine(line));
        if (count > 0) try value.append(arena, '\n');
        count += 1;
        try value.appendSlice(arena, docLine(line));
    }
    return utf8(arena, value.items);
}
