//! Words in a text.
const std = @import("std");

const separators = " \t\r\n.,;:!?\"()";

/// A word and how often it occurs.
pub const Count = struct {
    word: []const u8,
    count: u32,
};

/// The words of a text, in lower case.
pub fn split(allocator: std.mem.Allocator, text: []const u8) ![]const []const u8 {
    var found: std.ArrayList([]const u8) = .empty;
    var words = std.mem.tokenizeAny(u8, text, separators);
    while (words.next()) |word| try found.append(allocator, try std.ascii.allocLowerString(allocator, word));
    return found.items;
}

/// The most frequent words, at most `limit` of them.
pub fn frequent(
    allocator: std.mem.Allocator,
    text: []const u8,
    options: struct { limit: usize = 3, shortest: usize = 1 },
) ![]const Count {
    var places: std.StringHashMapUnmanaged(usize) = .empty;
    var counts: std.ArrayList(Count) = .empty;
    for (try split(allocator, text)) |word| {
        if (word.len < options.shortest) continue;
        const place = try places.getOrPut(allocator, word);
        if (!place.found_existing) {
            place.value_ptr.* = counts.items.len;
            try counts.append(allocator, .{ .word = word, .count = 0 });
        }
        counts.items[place.value_ptr.*].count += 1;
    }
    std.mem.sort(Count, counts.items, {}, comesFirst);
    return counts.items[0..@min(options.limit, counts.items.len)];
}

fn comesFirst(_: void, left: Count, right: Count) bool {
    if (left.count != right.count) return left.count > right.count;
    return std.mem.lessThan(u8, left.word, right.word);
}

/// A text for use in addresses: `"Of Mice & Men"` becomes `of-mice-men`.
pub fn slug(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    var letters: std.ArrayList(u8) = .empty;
    for (text) |letter| {
        if (std.ascii.isAlphanumeric(letter)) {
            try letters.append(allocator, std.ascii.toLower(letter));
        } else if (letters.items.len > 0 and letters.items[letters.items.len - 1] != '-') {
            try letters.append(allocator, '-');
        }
    }
    return std.mem.trim(u8, letters.items, "-");
}
