//! What a plugin answers with, and how it is handed over: the canonical ABI of
//! the world `zigimport:plugin/plugin@0.1.0`. Nothing in it has to be edited.
//!
//! Each call has an instance of its own, so nothing is freed.
const std = @import("std");
const builtin = @import("builtin");

/// The inputs found so far, or the problem that ends the call.
pub const Found = struct {
    pub const Error = error{ OutOfMemory, Problem };

    allocator: std.mem.Allocator,
    source: []const u8,
    list: std.ArrayList(Entry) = .empty,
    trouble: ?Trouble = null,
    /// A place and its byte offset, from which the next one is counted.
    last: struct { offset: usize = 0, place: Place = .{ .line = 1, .column = 1 } } = .{},

    /// Adds a file, relative to the folder of the source, with `/`. `offset` is
    /// the byte of the source that asks for it.
    pub fn file(found: *Found, path: []const u8, offset: usize) Error!void {
        try found.add(.file, path, offset);
    }

    /// Adds every file that matches `pattern`: `*` and `?` within a name, `[…]`,
    /// `**` across folders.
    pub fn glob(found: *Found, pattern: []const u8, offset: usize) Error!void {
        try found.add(.glob, pattern, offset);
    }

    /// Ends the call: the source cannot be understood.
    pub fn problem(found: *Found, message: []const u8, offset: usize) Error {
        found.trouble = .{ .message = .of(message), .place = found.at(offset) };
        return error.Problem;
    }

    fn add(found: *Found, kind: Kind, operand: []const u8, offset: usize) Error!void {
        if (!std.unicode.utf8ValidateSlice(operand)) return found.problem("expected UTF-8", offset);
        try found.list.append(found.allocator, .{ .kind = kind, .operand = .of(operand), .place = found.at(offset) });
    }

    fn at(found: *Found, offset: usize) Place {
        if (offset < found.last.offset) found.last = .{};
        for (found.source[found.last.offset..offset]) |byte| {
            const place = &found.last.place;
            place.* = if (byte == '\n')
                .{ .line = place.line + 1, .column = 1 }
            else
                .{ .line = place.line, .column = place.column + 1 };
        }
        found.last.offset = offset;
        return found.last.place;
    }
};

pub const Function = fn (*Found, []const u8, []const u8) Found.Error!void;

const Kind = enum(u8) { file, glob };
const Place = extern struct { line: u32, column: u32 };
const String = extern struct {
    pointer: [*]const u8,
    length: usize,

    /// An empty slice may have any pointer, and a host looks at it all the same.
    fn of(text: []const u8) String {
        return .{ .pointer = if (text.len == 0) "" else text.ptr, .length = text.len };
    }

    fn slice(string: String) []const u8 {
        return string.pointer[0..string.length];
    }
};
const Entry = extern struct { kind: Kind, operand: String, place: Place };
const Trouble = extern struct { message: String, place: Place };
const Answer = extern struct {
    is_problem: bool,
    payload: extern union { entries: extern struct { pointer: [*]const Entry, length: usize }, trouble: Trouble },
};

/// Exports `function` as the function of the world, in a build for WebAssembly.
pub fn exportPlugin(comptime function: Function) void {
    if (builtin.cpu.arch != .wasm32) return;
    std.debug.assert(@sizeOf(Entry) == 20 and @offsetOf(Entry, "place") == 12);
    std.debug.assert(@sizeOf(Answer) == 20 and @offsetOf(Answer, "payload") == 4);
    const exports = struct {
        fn track(path: [*]const u8, path_length: usize, source: [*]const u8, source_length: usize) callconv(.c) *Answer {
            const allocator = std.heap.wasm_allocator;
            const answer = allocator.create(Answer) catch @trap();
            answer.* = run(function, allocator, path[0..path_length], source[0..source_length]);
            return answer;
        }

        fn reallocate(old: ?[*]u8, old_length: usize, alignment: usize, length: usize) callconv(.c) [*]u8 {
            if (length == 0) return @ptrFromInt(alignment);
            const new = std.heap.wasm_allocator.rawAlloc(length, .fromByteUnits(alignment), 0) orelse @trap();
            if (old) |bytes| @memcpy(new[0..@min(old_length, length)], bytes[0..@min(old_length, length)]);
            return new;
        }
    };
    @export(&exports.track, .{ .name = "track" });
    @export(&exports.reallocate, .{ .name = "cabi_realloc" });
}

fn run(comptime function: Function, allocator: std.mem.Allocator, path: []const u8, source: []const u8) Answer {
    var found: Found = .{ .allocator = allocator, .source = source };
    function(&found, path, source) catch |failure| switch (failure) {
        error.OutOfMemory => @trap(),
        error.Problem => return .{ .is_problem = true, .payload = .{ .trouble = found.trouble.? } },
    };
    const entries = found.list.items;
    const pointer: [*]const Entry = if (entries.len == 0) @ptrFromInt(@alignOf(Entry)) else entries.ptr;
    return .{
        .is_problem = false,
        .payload = .{ .entries = .{ .pointer = pointer, .length = entries.len } },
    };
}

/// For tests: fails unless `function` gives the lines of `expected`, each
/// `KIND OPERAND LINE:COLUMN`, or `problem LINE:COLUMN MESSAGE`.
pub fn expect(comptime function: Function, source: []const u8, expected: []const u8) !void {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const allocator = arena.allocator();
    const answer = run(function, allocator, "source.zig", source);
    var text: std.ArrayList(u8) = .empty;
    if (answer.is_problem) {
        const trouble = answer.payload.trouble;
        const place = trouble.place;
        const parts = .{ place.line, place.column, trouble.message.slice() };
        try text.appendSlice(allocator, try std.fmt.allocPrint(allocator, "problem {}:{} {s}\n", parts));
    } else for (answer.payload.entries.pointer[0..answer.payload.entries.length]) |one| {
        const parts = .{ @tagName(one.kind), one.operand.slice(), one.place.line, one.place.column };
        try text.appendSlice(allocator, try std.fmt.allocPrint(allocator, "{s} {s} {}:{}\n", parts));
    }
    try std.testing.expectEqualStrings(expected, text.items);
}
