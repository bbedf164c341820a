//! Text for messages and signatures, known when a module is compiled. `std.fmt` is avoided: analysing
//! it costs more compile time than a small module as a whole.

const std = @import("std");

/// Adds an item to a list, with a separator between them.
pub fn append(comptime list: [:0]const u8, comptime separator: []const u8, comptime item: []const u8) [:0]const u8 {
    return list ++ (if (list.len == 0) "" else separator) ++ item;
}

/// Returns a list of texts with a separator between them.
pub fn joined(comptime items: []const []const u8, comptime separator: []const u8) [:0]const u8 {
    var list: [:0]const u8 = "";
    for (items) |item| list = append(list, separator, item);
    return list;
}

/// Returns the decimal digits of a number.
pub fn decimal(comptime number: comptime_int) [:0]const u8 {
    if (number < 0) return "-" ++ decimal(-number);
    if (number < 10) return &[_:0]u8{'0' + number};
    return decimal(@divTrunc(number, 10)) ++ decimal(@rem(number, 10));
}

/// Writes text as a Python literal, or returns `null` where that takes more than quotes.
pub fn quoted(comptime value: []const u8) ?[:0]const u8 {
    var has_single = false;
    for (value) |byte| switch (byte) {
        '\'' => has_single = true,
        '"', '\\' => return null,
        else => if (byte < ' ' or byte > '~') return null,
    };
    const mark = if (has_single) "\"" else "'";
    return mark ++ value ++ mark;
}

/// True for names that Python source can use for a parameter. Only ASCII: a table of what Unicode
/// allows would cost every build.
pub fn isParameterName(comptime name: []const u8) bool {
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

const keywords = [_][]const u8{
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
};

test joined {
    try std.testing.expectEqualStrings("", comptime joined(&.{}, ", "));
    try std.testing.expectEqualStrings("a, b, c", comptime joined(&.{ "a", "b", "c" }, ", "));
}

test decimal {
    try std.testing.expectEqualStrings("0", comptime decimal(0));
    try std.testing.expectEqualStrings("-128", comptime decimal(std.math.minInt(i8)));
    try std.testing.expectEqualStrings("18446744073709551615", comptime decimal(std.math.maxInt(u64)));
}

test quoted {
    try std.testing.expectEqualStrings("'a b'", comptime quoted("a b").?);
    try std.testing.expectEqualStrings("\"it's\"", comptime quoted("it's").?);
    inline for (.{ "say \"so\"", "a\\b", "a\nb", "é" }) |value| {
        try std.testing.expect(comptime quoted(value) == null);
    }
}

test isParameterName {
    try std.testing.expect(comptime isParameterName("width_2"));
    inline for (.{ "", "_", "2w", "lambda", "a b", "größe" }) |name| {
        try std.testing.expect(!comptime isParameterName(name));
    }
}
