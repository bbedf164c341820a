//! Text for messages and signatures. `std.fmt` is avoided: analysing it costs more compile time than
//! a small module as a whole.

const std = @import("std");

/// Returns the decimal digits of a number that is known at compile time.
pub fn decimal(comptime number: comptime_int) [:0]const u8 {
    comptime {
        if (number < 0) return "-" ++ decimal(-number);
        if (number < 10) return &[_:0]u8{'0' + number};
        return decimal(@divTrunc(number, 10)) ++ decimal(@rem(number, 10));
    }
}

/// Writes text as a Python literal, or returns `null` where that takes more than quotes.
pub fn quoted(comptime value: []const u8) ?[:0]const u8 {
    comptime {
        var has_single = false;
        for (value) |byte| switch (byte) {
            '\'' => has_single = true,
            '"', '\\' => return null,
            else => if (byte < ' ' or byte > '~') return null,
        };
        const mark = if (has_single) "\"" else "'";
        return mark ++ value ++ mark;
    }
}

/// A message of bounded size, built without allocation. What does not fit is cut off.
pub const Message = struct {
    bytes: [bytes_max]u8 = undefined,
    length: usize = 0,

    /// More than any message of a safety check; a longer text of the user's own is cut.
    const bytes_max = 1024;

    pub fn append(message: *Message, text: []const u8) void {
        // One byte stays free for the terminator.
        const count = @min(text.len, bytes_max - 1 - message.length);
        @memcpy(message.bytes[message.length..][0..count], text[0..count]);
        message.length += count;
    }

    pub fn appendNumber(message: *Message, number: usize) void {
        var digits: [20]u8 = undefined;
        var start: usize = digits.len;
        var rest = number;
        while (true) {
            start -= 1;
            digits[start] = '0' + @as(u8, @intCast(rest % 10));
            rest /= 10;
            if (rest == 0) break;
        }
        message.append(digits[start..]);
    }

    pub fn terminated(message: *Message) [*:0]const u8 {
        message.bytes[message.length] = 0;
        return message.bytes[0..message.length :0];
    }
};

/// True for names that Python source can use for a parameter. Only ASCII: a table of what Unicode
/// allows would cost every build.
pub fn isParameterName(comptime name: []const u8) bool {
    comptime {
        // A lone underscore may occur twice in one Zig parameter list.
        if (name.len == 0 or std.mem.eql(u8, name, "_")) return false;
        for (name, 0..) |byte, index| switch (byte) {
            'a'...'z', 'A'...'Z', '_' => {},
            '0'...'9' => if (index == 0) return false,
            else => return false,
        };
        for (keywords) |keyword| if (std.mem.eql(u8, keyword, name)) return false;
        return true;
    }
}

const keywords = [_][]const u8{
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
};

test decimal {
    try std.testing.expectEqualStrings("0", comptime decimal(0));
    try std.testing.expectEqualStrings("-128", comptime decimal(std.math.minInt(i8)));
    try std.testing.expectEqualStrings("18446744073709551615", comptime decimal(std.math.maxInt(u64)));
}

test Message {
    var message: Message = .{};
    message.append("index ");
    message.appendNumber(0);
    message.append(", len ");
    message.appendNumber(std.math.maxInt(u32));
    try std.testing.expectEqualStrings("index 0, len 4294967295", std.mem.span(message.terminated()));

    for (0..2 * Message.bytes_max) |_| message.append("x");
    try std.testing.expectEqual(Message.bytes_max - 1, std.mem.span(message.terminated()).len);
}

test isParameterName {
    try std.testing.expect(comptime isParameterName("width_2"));
    inline for (.{ "", "_", "2w", "lambda", "a b", "größe" }) |name| {
        try std.testing.expect(!comptime isParameterName(name));
    }
}
