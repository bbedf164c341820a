//! Plane geometry.
const std = @import("std");

/// Doc of area.
pub fn area(w: f64, h: f64) f64 {
    return w * h;
}
pub fn add(a: i64, b: i64) i64 {
    return a + b;
}
pub fn bump(a: u8) u8 {
    return a + 1;
}
pub fn at(i: usize) u8 {
    const t: [3]u8 = .{ 1, 2, 3 };
    return t[i];
}
pub fn boom(msg: []const u8) void {
    @panic(msg);
}
pub fn unwrap(a: ?u8) u8 {
    return a.?;
}
pub fn u1_(a: u1) u1 {
    return a;
}
pub fn i1_(a: i1) i1 {
    return a;
}
pub fn u7_(a: u7) u7 {
    return a;
}
pub fn i8_(a: i8) i8 {
    return a;
}
pub fn u32_(a: u32) u32 {
    return a;
}
pub fn i33_(a: i33) i33 {
    return a;
}
pub fn u63_(a: u63) u63 {
    return a;
}
pub fn u64_(a: u64) u64 {
    return a;
}
pub fn i64_(a: i64) i64 {
    return a;
}
pub fn usize_(a: usize) usize {
    return a;
}
pub fn isize_(a: isize) isize {
    return a;
}
pub fn u65_(a: u65) u65 {
    return a;
}
pub fn i100_(a: i100) i100 {
    return a;
}
pub fn i128_(a: i128) i128 {
    return a;
}
pub fn u128_(a: u128) u128 {
    return a;
}
pub fn f16_(a: f16) f16 {
    return a;
}
pub fn f32_(a: f32) f32 {
    return a;
}
pub fn invert(a: bool) bool {
    return !a;
}
pub fn echo(s: []const u8) []const u8 {
    return s;
}
pub fn echoz(s: [:0]const u8) [:0]const u8 {
    std.debug.assert(s.ptr[s.len] == 0);
    return s;
}
pub fn literal() *const [5:0]u8 {
    return "h\xc3\xa9ll";
}
pub fn bad() []const u8 {
    return "\xff";
}
pub fn maybe(a: ?i32) ?i32 {
    return if (a) |x| x * 2 else null;
}
pub fn maybeText(s: ?[]const u8) ?[]const u8 {
    return s;
}
pub fn nothing() void {}
pub fn fail(kind: u8) !u8 {
    return switch (kind) {
        0 => 7,
        1 => error.Negative,
        2 => error.OutOfMemory,
        3 => error.ValueError,
        4 => error.KeyError,
        else => error.ZeroDivisionError,
    };
}
pub fn check(ok: bool) error{Nope}!void {
    if (!ok) return error.Nope;
}
pub fn swap(p: struct { i32, []const u8 }) struct { []const u8, i32 } {
    return .{ p[1], p[0] };
}
pub fn upper(gpa: std.mem.Allocator, s: []const u8) ![]u8 {
    const out = try gpa.alloc(u8, s.len);
    for (out, s) |*o, c| o.* = std.ascii.toUpper(c);
    return out;
}
pub fn aligned(gpa: std.mem.Allocator, n: usize) !usize {
    const a = try gpa.alignedAlloc(u8, .@"64", n);
    @memset(a, 1);
    var total: usize = @intFromPtr(a.ptr) % 64;
    for (a) |x| total += x;
    var l: std.ArrayList(u32) = .empty;
    for (0..n) |i| try l.append(gpa, @intCast(i));
    return total + l.items.len;
}
pub fn generic(x: anytype) void {
    _ = x;
}
pub fn typed(comptime T: type, x: T) T {
    return x;
}
pub fn sum(v: []const f64) f64 {
    _ = v;
    return 0;
}
pub const Point = struct { x: f32 };
pub fn point() Point {
    return .{ .x = 1 };
}
pub export fn exported(a: c_int) c_int {
    return a * 2;
}
pub const plus = add;
pub const max = std.math.pow;
pub const pi = 3.5;
pub const answer = 42;
pub const big = 1 << 63;
pub const huge = -(1 << 100);
pub const enormous = 1 << 400;
pub const small: u8 = 7;
pub const flag = true;
pub const name = "geo";
pub const title: []const u8 = "Géo";
pub const none_now: ?u8 = null;
pub const old = @compileError("deprecated");
pub var state: u8 = 0;
pub fn keyword(lambda: u8, _: u8, @"for": u8) u8 {
    return lambda + @"for";
}
pub fn mode() []const u8 {
    return @tagName(@import("builtin").mode);
}
pub fn stripped() bool {
    return @import("builtin").strip_debug_info;
}
