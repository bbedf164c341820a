//! A plugin for tests: it does what comment lines of the source tell it.
//!
//!     // file: PATH        names a file
//!     // glob: PATTERN     names every file that matches
//!     // problem: TEXT     reports a problem
//!     // trap              traps
//!     // loop              never returns
//!     // flood             answers more than any plugin may
const std = @import("std");

/// Makes another component of the same code.
export const edition: u32 = 1;

const Found = extern struct { kind: u32, pointer: [*]const u8, length: usize, line: u32, column: u32 };
const Answer = extern struct {
    is_problem: u32 = 0,
    pointer: ?*const anyopaque,
    length: usize,
    line: u32 = 0,
    column: u32 = 0,
};

var memory: [8 << 20]u8 = undefined;
var heap: std.heap.FixedBufferAllocator = .init(&memory);

export fn cabi_realloc(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) ?[*]u8 {
    const made = heap.allocator().alignedAlloc(u8, .@"16", size) catch @trap();
    std.debug.assert(alignment <= 16);
    if (old) |bytes| @memcpy(made[0..@min(size, old_size)], bytes[0..@min(size, old_size)]);
    return made.ptr;
}

export fn track(path: [*]const u8, path_length: usize, source: [*]const u8, source_length: usize) *const Answer {
    std.debug.assert(path_length > 0 and path[0] != '/');
    const answer = heap.allocator().create(Answer) catch @trap();
    var found: std.ArrayList(Found) = .empty;
    var lines = std.mem.splitScalar(u8, source[0..source_length], '\n');
    var number: u32 = 0;
    while (lines.next()) |line| {
        number += 1;
        const words = std.mem.cutPrefix(u8, line, "// ") orelse continue;
        if (std.mem.eql(u8, words, "trap")) @trap();
        if (std.mem.eql(u8, words, "loop")) while (true) std.mem.doNotOptimizeAway(number);
        if (std.mem.eql(u8, words, "flood")) {
            for (0..100_000) |_| add(&found, 0, "a", number);
        }
        if (std.mem.cutPrefix(u8, words, "file: ")) |operand| add(&found, 0, operand, number);
        if (std.mem.cutPrefix(u8, words, "glob: ")) |operand| add(&found, 1, operand, number);
        if (std.mem.cutPrefix(u8, words, "problem: ")) |message| {
            answer.* = .{ .is_problem = 1, .pointer = message.ptr, .length = message.len, .line = number, .column = 1 };
            return answer;
        }
    }
    answer.* = .{ .pointer = @ptrCast(found.items.ptr), .length = found.items.len };
    return answer;
}

fn add(found: *std.ArrayList(Found), kind: u32, operand: []const u8, line: u32) void {
    found.append(heap.allocator(), .{
        .kind = kind,
        .pointer = operand.ptr,
        .length = operand.len,
        .line = line,
        .column = 1,
    }) catch @trap();
}
