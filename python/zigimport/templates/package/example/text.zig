//! Functions for one text: the submodule `example.text`.
const std = @import("std");

/// How many words a text has.
pub fn words(text: []const u8) usize {
    var found = std.mem.tokenizeAny(u8, text, &std.ascii.whitespace);
    var count: usize = 0;
    while (found.next()) |_| count += 1;
    return count;
}

test words {
    try std.testing.expectEqual(2, words(" one\ttwo\n"));
    try std.testing.expectEqual(0, words(""));
}
