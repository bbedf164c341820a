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
                return .{ .tag = wordTag(source[start..end]), .loc = .{ .start = start, .end = end } };
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

/// For each first byte the lengths of the keywords with it, as a bit set. Most
/// identifiers are told from keywords without looking one up.
const keyword_lengths: [256]u32 = table: {
    @setEvalBranchQuota(10_000);
    var table: [256]u32 = @splat(0);
    for (Token.keywords.keys()) |keyword| table[keyword[0]] |= 1 << keyword.len;
    break :table table;
};

inline fn wordTag(word: []const u8) Token.Tag {
    if (word.len >= @bitSizeOf(u32)) return .identifier;
    const like_keyword = keyword_lengths[word[0]] >> @intCast(word.len) & 1 != 0;
    if (!like_keyword) return .identifier;
    return Token.getKeyword(word) orelse .identifier;
}
