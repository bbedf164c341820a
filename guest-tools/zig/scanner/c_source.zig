//! Finds the headers that a C source names, without preprocessing it: what is
//! in a branch that is not taken counts too.
const std = @import("std");
const assembler = @import("assembler.zig");
const source_types = @import("source.zig");
const text = @import("text.zig");
const Allocator = std.mem.Allocator;
const Dependency = source_types.Dependency;
const DependencyKind = source_types.DependencyKind;

/// Returns every `#include`, `#import`, `#embed` and `__has_include` of a source,
/// what assembly in it includes, and macros that may stand for the name of a file.
pub fn scan(arena: Allocator, source: [:0]const u8, locator: *text.Locator) Allocator.Error![]const Dependency {
    var scanner: Scanner = .{ .arena = arena, .source = source, .locator = locator };
    // A byte order mark is no token.
    if (std.mem.startsWith(u8, source, "\xef\xbb\xbf")) scanner.index = 3;
    while (!scanner.atEnd()) try scanner.next();
    return scanner.dependencies.items;
}

/// Directives that name a file, and what they look for.
const directives: std.StaticStringMap(DependencyKind) = .initComptime(.{
    .{ "include", .quoted_include },
    .{ "import", .quoted_include },
    .{ "include_next", .next_include },
    .{ "embed", .c_embed },
    .{ "define", .c_define },
});

/// The same for the operators of a condition.
const operators: std.StaticStringMap(DependencyKind) = .initComptime(.{
    .{ "__has_include", .quoted_include },
    .{ "__has_include_next", .next_include },
    .{ "__has_embed", .c_embed },
});

/// No directive or operator is longer.
const word_bytes_max = "__has_include_next".len;

const Scanner = struct {
    arena: Allocator,
    source: [:0]const u8,
    locator: *text.Locator,
    index: usize = 0,
    /// Whether nothing but blanks and comments is before the index on its line.
    at_line_start: bool = true,
    dependencies: std.ArrayList(Dependency) = .empty,

    fn atEnd(scanner: *Scanner) bool {
        scanner.skipSplices();
        return scanner.index >= scanner.source.len;
    }

    /// Skips each backslash that joins a line to the next; compilers allow
    /// blanks between the two.
    fn skipSplices(scanner: *Scanner) void {
        while (scanner.source[scanner.index] == '\\') {
            var end = scanner.index + 1;
            while (isBlank(scanner.source[end]) or scanner.source[end] == '\r') end += 1;
            if (scanner.source[end] != '\n') return;
            scanner.index = end + 1;
        }
    }

    /// Returns the byte at the index, 0 at the end.
    fn peek(scanner: *Scanner) u8 {
        scanner.skipSplices();
        return scanner.source[scanner.index];
    }

    fn take(scanner: *Scanner) u8 {
        const byte = scanner.peek();
        scanner.index = @min(scanner.index + 1, scanner.source.len);
        return byte;
    }

    fn takeIf(scanner: *Scanner, byte: u8) bool {
        if (scanner.atEnd() or scanner.peek() != byte) return false;
        _ = scanner.take();
        return true;
    }

    /// Takes one token, or a whole directive that names a file.
    fn next(scanner: *Scanner) Allocator.Error!void {
        if (scanner.skipBlank()) return;
        const start = scanner.index;
        const byte = scanner.take();
        const starts_line = scanner.at_line_start;
        scanner.at_line_start = byte == '\n';
        switch (byte) {
            '"' => try scanner.string(),
            '\'' => scanner.skipQuoted(byte),
            '.' => try scanner.assembly(start),
            '#' => if (starts_line) try scanner.directive(start),
            '%' => if (starts_line and scanner.takeIf(':')) try scanner.directive(start),
            else => if (isWord(byte)) {
                scanner.index = start;
                try scanner.operator();
            },
        }
    }

    /// Takes a blank or a comment, if there is one.
    fn skipBlank(scanner: *Scanner) bool {
        if (scanner.atEnd()) return false;
        const start = scanner.index;
        const byte = scanner.take();
        if (isBlank(byte) or byte == '\r') return true;
        if (byte == '/' and scanner.takeIf('*')) {
            while (!scanner.atEnd()) {
                if (scanner.take() == '*' and scanner.takeIf('/')) return true;
            }
            return true;
        }
        if (byte == '/' and scanner.takeIf('/')) {
            while (!scanner.atEnd() and scanner.peek() != '\n') _ = scanner.take();
            return true;
        }
        scanner.index = start;
        return false;
    }

    fn skipBlanks(scanner: *Scanner) void {
        while (scanner.skipBlank()) {}
    }

    /// Takes the rest of a string, which may be assembly.
    fn string(scanner: *Scanner) Allocator.Error!void {
        const open = scanner.index;
        scanner.skipQuoted('"');
        try assembler.inString(scanner.arena, scanner.source, open, scanner.index, scanner.locator, &scanner.dependencies);
    }

    /// Takes what follows the point of `.incbin` or `.include` in assembly.
    fn assembly(scanner: *Scanner, start: usize) Allocator.Error!void {
        if (scanner.atEnd() or !isWord(scanner.peek())) return;
        var buffer: [word_bytes_max]u8 = undefined;
        const kind = assembler.directives.get(scanner.word(&buffer)) orelse return;
        scanner.skipBlanks();
        // A field of C may have the name.
        if (scanner.peek() == '"') try scanner.operand(kind, start, '\n');
    }

    /// Takes the rest of a string or character. It ends with the line at the
    /// latest: an apostrophe may stand alone where a condition is false.
    fn skipQuoted(scanner: *Scanner, quote: u8) void {
        while (!scanner.atEnd() and scanner.peek() != '\n') {
            const byte = scanner.take();
            if (byte == quote) return;
            if (byte == '\\' and !scanner.atEnd() and scanner.peek() != '\n') _ = scanner.take();
        }
    }

    /// Takes `R"delimiter( … )delimiter"` behind its `R`.
    fn raw(scanner: *Scanner) Allocator.Error!void {
        const open = scanner.index + 1;
        // The standard allows 16 bytes; anything else is no raw string.
        const delimiter_bytes_max = 16;
        const prefix = scanner.source[open..@min(open + delimiter_bytes_max + 1, scanner.source.len)];
        const delimiter = prefix[0 .. std.mem.indexOfScalar(u8, prefix, '(') orelse return];
        if (std.mem.indexOfAny(u8, delimiter, " \n\"\\)") != null) return;
        var index = open + delimiter.len + 1;
        while (std.mem.indexOfScalarPos(u8, scanner.source, index, ')')) |close| {
            index = close + 1;
            const rest = scanner.source[index..];
            if (!std.mem.startsWith(u8, rest, delimiter)) continue;
            if (rest.len == delimiter.len or rest[delimiter.len] != '"') continue;
            try assembler.inText(scanner.arena, scanner.source, open, close, scanner.locator, &scanner.dependencies);
            scanner.index = index + delimiter.len + 1;
            return;
        }
    }

    /// Takes a word into `buffer`, and returns it; a longer one is empty.
    fn word(scanner: *Scanner, buffer: *[word_bytes_max]u8) []const u8 {
        var length: usize = 0;
        while (!scanner.atEnd() and isWord(scanner.peek())) {
            const byte = scanner.take();
            if (length < buffer.len) buffer[length] = byte;
            length += 1;
        }
        return if (length <= buffer.len) buffer[0..length] else "";
    }

    fn directive(scanner: *Scanner, start: usize) Allocator.Error!void {
        scanner.skipBlanks();
        var buffer: [word_bytes_max]u8 = undefined;
        const kind = directives.get(scanner.word(&buffer)) orelse return;
        if (kind == .c_define) return scanner.definition(start);
        scanner.skipBlanks();
        try scanner.operand(kind, start, '\n');
    }

    /// Takes a macro up to its value, and notes a value that may be the name of a
    /// file. The value is read again: it may have operators, or be assembly.
    fn definition(scanner: *Scanner, start: usize) Allocator.Error!void {
        scanner.skipBlanks();
        var buffer: [word_bytes_max]u8 = undefined;
        _ = scanner.word(&buffer);
        if (scanner.takeIf('(')) {
            while (!scanner.atEnd() and scanner.peek() != ')' and scanner.peek() != '\n') _ = scanner.take();
            return;
        }
        scanner.skipBlanks();
        const value = scanner.index;
        if (scanner.peek() != '"' and scanner.peek() != '<') return;
        const count = scanner.dependencies.items.len;
        try scanner.operand(.c_define, start, '\n');
        const named = scanner.dependencies.items[count];
        if (!named.literal or named.operand.len == 0) scanner.dependencies.items.len = count;
        scanner.index = value;
    }

    /// Takes a word that may be an operator, or the prefix of a raw string.
    fn operator(scanner: *Scanner) Allocator.Error!void {
        const start = scanner.index;
        var buffer: [word_bytes_max]u8 = undefined;
        const name = scanner.word(&buffer);
        if (scanner.source[scanner.index] == '"' and std.mem.endsWith(u8, name, "R")) {
            const raw_prefixes: std.StaticStringMap(void) = comptime .initComptime(.{ .{"R"}, .{"LR"}, .{"uR"}, .{"UR"}, .{"u8R"} });
            if (raw_prefixes.has(name)) try scanner.raw();
            return;
        }
        // A digit separator is no character.
        const separated = std.ascii.isDigit(scanner.source[start]) and isWord(scanner.source[@min(scanner.index + 1, scanner.source.len)]);
        if (separated) _ = scanner.takeIf('\'');
        const kind = operators.get(name) orelse return;
        scanner.skipBlanks();
        if (!scanner.takeIf('(')) return;
        scanner.skipBlanks();
        try scanner.operand(kind, start, ')');
    }

    /// Takes the name of a file; where it is computed, all up to `end`.
    fn operand(scanner: *Scanner, kind: DependencyKind, start: usize, end: u8) Allocator.Error!void {
        const open = scanner.peek();
        const close: u8 = switch (open) {
            '"' => '"',
            '<' => '>',
            else => end,
        };
        const literal = close == '"' or close == '>';
        if (literal) _ = scanner.take();
        var name: std.ArrayList(u8) = .empty;
        var nesting: usize = 0;
        while (!scanner.atEnd() and scanner.peek() != '\n') {
            if (scanner.peek() == close and nesting == 0) break;
            const byte = scanner.take();
            if (close == ')' and byte == '(') nesting += 1;
            if (close == ')' and byte == ')') nesting -= 1;
            try name.append(scanner.arena, byte);
        }
        const closed = literal and !scanner.atEnd() and scanner.peek() == close;
        if (closed) _ = scanner.take();
        const position = scanner.locator.locate(start);
        try scanner.dependencies.append(scanner.arena, .{
            .kind = if (kind == .quoted_include and open == '<') .angled_include else kind,
            .operand = if (literal) name.items else std.mem.trim(u8, name.items, " \t\r"),
            .literal = closed,
            .span = .{
                .start = @intCast(start),
                .end = @intCast(scanner.index),
                .line = position.line,
                .column = position.column,
            },
        });
    }
};

fn isBlank(byte: u8) bool {
    return byte == ' ' or byte == '\t' or byte == '\x0b' or byte == '\x0c';
}

fn isWord(byte: u8) bool {
    return std.ascii.isAlphanumeric(byte) or byte == '_' or byte == '$' or byte >= 0x80;
}
