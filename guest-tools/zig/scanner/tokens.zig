//! The tokens of a source, exactly as the standard library's tokenizer gives
//! them, with shortcuts for what most files mostly consist of: blanks, comments
//! and identifiers. A metered guest pays for each turn of a loop.
const std = @import("std");
const Token = std.zig.Token;
const Tokenizer = std.zig.Tokenizer;
const assert = std.debug.assert;

pub const Tokens = struct {
    tokenizer: Tokenizer,

    pub fn init(source: [:0]const u8) Tokens {
        return .{ .tokenizer = .init(source) };
    }

    /// Returns the next token, at the end of the source forever `eof`.
    pub inline fn next(tokens: *Tokens) Token {
        const source = tokens.tokenizer.buffer;
        while (true) {
            const start = skipBlanks(source, tokens.tokenizer.index);
            tokens.tokenizer.index = start;
            if (isIdentifierByte(source[start]) and !std.ascii.isDigit(source[start])) {
                const end = identifierEnd(source, start);
                tokens.tokenizer.index = end;
                return .{ .tag = wordTag(source, start, end), .loc = .{ .start = start, .end = end } };
            }
            if (single_tags[source[start]]) |tag| {
                tokens.tokenizer.index = start + 1;
                return .{ .tag = tag, .loc = .{ .start = start, .end = start + 1 } };
            }
            if (source[start] == '.' and isIdentifierByte(source[start + 1])) {
                tokens.tokenizer.index = start + 1;
                return .{ .tag = .period, .loc = .{ .start = start, .end = start + 1 } };
            }
            if (source[start] == '=' and source[start + 1] == ' ') {
                tokens.tokenizer.index = start + 1;
                return .{ .tag = .equal, .loc = .{ .start = start, .end = start + 1 } };
            }
            if (source[start] == '"') {
                const end = stringEnd(source, start + 1) orelse break;
                tokens.tokenizer.index = end;
                return .{ .tag = .string_literal, .loc = .{ .start = start, .end = end } };
            }
            if (source[start] != '/' or source[start + 1] != '/') break;
            const end = commentEnd(source, start + 2) orelse break;
            tokens.tokenizer.index = end;
            const tag = docTag(source[start..end]) orelse continue;
            return .{ .tag = tag, .loc = .{ .start = start, .end = end } };
        }
        // One call, inlined, so that the position can stay in a register.
        return @call(.always_inline, Tokenizer.next, .{&tokens.tokenizer});
    }
};

const Word = u64;
const word_bytes = @sizeOf(Word);

fn repeat(byte: u8) Word {
    return @as(Word, byte) * 0x0101010101010101;
}

fn load(source: []const u8, index: usize) Word {
    return std.mem.readInt(Word, source[index..][0..word_bytes], .little);
}

inline fn skipBlanks(source: [:0]const u8, from: usize) usize {
    var index = from;
    while (true) switch (source[index]) {
        ' ' => {
            index += 1;
            while (source.len - index >= word_bytes and load(source, index) == comptime repeat(' ')) index += word_bytes;
        },
        '\n', '\t', '\r' => index += 1,
        else => return index,
    };
}

/// Returns where a comment ends that is well-formed and ends with a line break,
/// before that. Any other one is left to the tokenizer.
noinline fn commentEnd(source: [:0]const u8, from: usize) ?usize {
    var index = from;
    while (source.len - index >= word_bytes) : (index += word_bytes) {
        const word = load(source, index);
        const high = comptime repeat(0x80);
        const deleted = word ^ comptime repeat(0x7f);
        // The lowest bit set in either is exact; those above it need not be.
        const below_space = (word -% comptime repeat(0x20)) & ~word & high;
        const is_deleted = (deleted -% comptime repeat(0x01)) & ~deleted & high;
        const controls = below_space | is_deleted;
        if (controls != 0) {
            index += @ctz(controls) / 8;
            break;
        }
    }
    while (source[index] >= 0x20 and source[index] != 0x7f) index += 1;
    assert(index <= source.len);
    const breaks = source[index] == '\n' or (source[index] == '\r' and source[index + 1] == '\n');
    return if (breaks) index else null;
}

/// The tags of bytes that are a token whatever stands behind them.
const single_tags: [256]?Token.Tag = table: {
    var table: [256]?Token.Tag = @splat(null);
    for ([_]Token.Tag{
        .l_paren, .r_paren, .l_bracket, .r_bracket, .l_brace, .r_brace, .comma, .semicolon, .colon, .question_mark, .tilde,
    }) |tag| table[tag.lexeme().?[0]] = tag;
    break :table table;
};

/// Returns where a plain string literal ends: one of printable ASCII without
/// an escape. Any other one is left to the tokenizer.
inline fn stringEnd(source: [:0]const u8, from: usize) ?usize {
    var index = from;
    while (plain_string_bytes[source[index]]) index += 1;
    return if (source[index] == '"') index + 1 else null;
}

const plain_string_bytes: [256]bool = table: {
    var table: [256]bool = @splat(false);
    for (0x20..0x7f) |byte| table[byte] = byte != '"' and byte != '\\';
    break :table table;
};

/// Returns the tag of a doc comment, null for a plain comment.
fn docTag(comment: []const u8) ?Token.Tag {
    if (comment.len < 3) return null;
    return switch (comment[2]) {
        '!' => .container_doc_comment,
        '/' => if (comment.len > 3 and comment[3] == '/') null else .doc_comment,
        else => null,
    };
}

const identifier_bytes: [256]bool = table: {
    var table: [256]bool = @splat(false);
    for (0..256) |byte| table[byte] = std.ascii.isAlphanumeric(byte) or byte == '_';
    break :table table;
};

inline fn isIdentifierByte(byte: u8) bool {
    return identifier_bytes[byte];
}

inline fn identifierEnd(source: [:0]const u8, start: usize) usize {
    var end = start + 1;
    // The 0 behind the source is no identifier byte.
    while (isIdentifierByte(source[end])) end += 1;
    return end;
}

/// A keyword by its length and its first bytes, the others 0.
const Keyword = struct { length: u32 = 0, word: Word = 0, tag: Token.Tag = .identifier };

const keyword_slots = 128;

/// Every keyword has a slot of its own, found by its length and three of its bytes.
const keyword_table: [keyword_slots]Keyword = table: {
    @setEvalBranchQuota(10_000);
    var table: [keyword_slots]Keyword = @splat(.{});
    for (Token.keywords.keys(), Token.keywords.values()) |keyword, tag| {
        const slot = &table[keywordSlot(keyword[0], keyword[keyword.len / 2], keyword[keyword.len - 1], keyword.len)];
        // Two keywords in one slot: the factors below have to be chosen anew.
        assert(slot.length == 0);
        slot.* = .{ .length = keyword.len, .tag = tag };
        for (keyword[0..@min(keyword.len, word_bytes)], 0..) |byte, index| slot.word |= @as(Word, byte) << (8 * index);
    }
    break :table table;
};

inline fn keywordSlot(first: u8, middle: u8, last: u8, length: usize) usize {
    return (@as(u32, first) * 22 + @as(u32, middle) * 18 + @as(u32, last) * 33 + @as(u32, @truncate(length)) *% 16) % keyword_slots;
}

/// Returns the tag of an identifier or keyword with one comparison.
inline fn wordTag(source: [:0]const u8, start: usize, end: usize) Token.Tag {
    const length = end - start;
    const keyword = &keyword_table[keywordSlot(source[start], source[start + length / 2], source[end - 1], length)];
    if (keyword.length != length) return .identifier;
    if (length <= word_bytes and source.len - start >= word_bytes) {
        const mask = @as(Word, std.math.maxInt(Word)) >> @intCast(8 * (word_bytes - length));
        return if (load(source, start) & mask == keyword.word) keyword.tag else .identifier;
    }
    return Token.getKeyword(source[start..end]) orelse .identifier;
}
