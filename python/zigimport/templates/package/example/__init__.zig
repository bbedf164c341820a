//! What example is for.
const text = @import("text.zig");

/// How many words there are in some texts.
pub fn total(texts: []const []const u8) usize {
    var count: usize = 0;
    for (texts) |one| count += text.words(one);
    return count;
}

test total {
    const std = @import("std");
    try std.testing.expectEqual(3, total(&.{ "one two", "", "three" }));
}
