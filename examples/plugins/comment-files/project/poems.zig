//! Poems, from every file that the build finds under `assets`.
//!
//! No scanner knows what a computed `@embedFile` reads; the comment says it to the plugin.
// track: assets/*.txt
const names = .{ "rose", "road" };

/// All poems, in the order of their names in the source.
pub fn all(allocator: @import("std").mem.Allocator) ![]const u8 {
    var text: @import("std").ArrayList(u8) = .empty;
    inline for (names) |name| try text.appendSlice(allocator, @embedFile("assets/" ++ name ++ ".txt"));
    return text.toOwnedSlice(allocator);
}
