//! Finds what a comment names: `// track: assets/*.txt`.
const std = @import("std");
const component = @import("component.zig");

const directive = "// track:";

/// Adds every input that the source asks for. `path` is relative to the project
/// root. What `found` returns as an error ends the call: `try` is enough.
pub fn track(found: *component.Found, path: []const u8, source: []const u8) component.Found.Error!void {
    _ = path;
    var lines = std.mem.splitScalar(u8, source, '\n');
    var start: usize = 0;
    while (lines.next()) |line| : (start = lines.index orelse source.len) {
        const offset = start + (std.mem.indexOfNone(u8, line, " \t") orelse continue);
        const text = std.mem.trim(u8, line, " \t\r");
        if (!std.mem.startsWith(u8, text, directive)) continue;
        const operand = std.mem.trim(u8, text[directive.len..], " \t");
        if (operand.len == 0) return found.problem("expected a path or a pattern after `// track:`", offset);
        const place = std.mem.indexOf(u8, source[offset..], operand).? + offset;
        if (std.mem.indexOfAny(u8, operand, "*?[") != null) {
            try found.glob(operand, place);
        } else {
            try found.file(operand, place);
        }
    }
}

comptime {
    component.exportPlugin(track);
}

test "a path and a pattern" {
    try component.expect(track, "// track: a.txt\n  // track: b/*.txt\n",
        \\file a.txt 1:11
        \\glob b/*.txt 2:13
        \\
    );
}

test "without an operand" {
    try component.expect(track, "\n // track:\n",
        \\problem 2:2 expected a path or a pattern after `// track:`
        \\
    );
}
