//! Every construct that the scanner looks at.
//! zigimport: optimize = ReleaseFast
//! zigimport: c-sources = a.c b.c
const std = @import("std");
const part = @import("inner\x2fpart.zig");
const computed = @embedFile("a" ++ @embedFile("b.txt"));
const c = @cImport({
    @cDefine("WIDE", "1");
    @cUndef("NARROW");
    @cInclude("Python.h");
});
const lines =
    \\@import("no.zig")
;
const character = '"'; // @import("no.zig")

/// Adds.
pub fn add(a: i64, b: []const struct { x: u8 }, options: struct { window: u32 = 3 }) !?u64 {
    return if (a > 0) @import("nested.zig").value else error.No;
}

pub const Inner = struct {
    pub const @"größe \u{4e16}": u32 = 1;
    pub var count: usize = 0;
    pub fn method(self: *Inner) void {
        _ = self;
    }
};

pub fn build(b: *std.Build) void {
    _ = b.standardTargetOptions(.{});
    _ = b.standardOptimizeOption(.{});
}

export fn PyInit_all() ?*anyopaque {
    return null;
}
