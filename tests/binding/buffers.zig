//! Buffers of every element type.
const std = @import("std");
const zigimport = @import("zigimport");
const Allocator = std.mem.Allocator;

fn doubled(comptime T: type, allocator: Allocator, values: []const T) ![]T {
    const answer = try allocator.alloc(T, values.len);
    for (answer, values) |*new, value| new.* = if (T == bool) !value else value * 2;
    return answer;
}
fn double(comptime T: type, values: []T) void {
    for (values) |*value| value.* = if (T == bool) !value.* else value.* * 2;
}

pub fn doubled_i8(allocator: Allocator, values: []const i8) ![]i8 {
    return doubled(i8, allocator, values);
}
pub fn double_i8(values: []i8) void {
    double(i8, values);
}
pub fn doubled_u16(allocator: Allocator, values: []const u16) ![]u16 {
    return doubled(u16, allocator, values);
}
pub fn double_u16(values: []u16) void {
    double(u16, values);
}
pub fn doubled_i16(allocator: Allocator, values: []const i16) ![]i16 {
    return doubled(i16, allocator, values);
}
pub fn double_i16(values: []i16) void {
    double(i16, values);
}
pub fn doubled_u32(allocator: Allocator, values: []const u32) ![]u32 {
    return doubled(u32, allocator, values);
}
pub fn double_u32(values: []u32) void {
    double(u32, values);
}
pub fn doubled_i32(allocator: Allocator, values: []const i32) ![]i32 {
    return doubled(i32, allocator, values);
}
pub fn double_i32(values: []i32) void {
    double(i32, values);
}
pub fn doubled_u64(allocator: Allocator, values: []const u64) ![]u64 {
    return doubled(u64, allocator, values);
}
pub fn double_u64(values: []u64) void {
    double(u64, values);
}
pub fn doubled_i64(allocator: Allocator, values: []const i64) ![]i64 {
    return doubled(i64, allocator, values);
}
pub fn double_i64(values: []i64) void {
    double(i64, values);
}
pub fn doubled_usize(allocator: Allocator, values: []const usize) ![]usize {
    return doubled(usize, allocator, values);
}
pub fn double_usize(values: []usize) void {
    double(usize, values);
}
pub fn doubled_isize(allocator: Allocator, values: []const isize) ![]isize {
    return doubled(isize, allocator, values);
}
pub fn double_isize(values: []isize) void {
    double(isize, values);
}
pub fn doubled_f16(allocator: Allocator, values: []const f16) ![]f16 {
    return doubled(f16, allocator, values);
}
pub fn double_f16(values: []f16) void {
    double(f16, values);
}
pub fn doubled_f32(allocator: Allocator, values: []const f32) ![]f32 {
    return doubled(f32, allocator, values);
}
pub fn double_f32(values: []f32) void {
    double(f32, values);
}
pub fn doubled_f64(allocator: Allocator, values: []const f64) ![]f64 {
    return doubled(f64, allocator, values);
}
pub fn double_f64(values: []f64) void {
    double(f64, values);
}
pub fn doubled_bool(allocator: Allocator, values: []const bool) ![]bool {
    return doubled(bool, allocator, values);
}
pub fn double_bool(values: []bool) void {
    double(bool, values);
}

pub fn sum(values: []const f64) f64 {
    var total: f64 = 0;
    for (values) |value| total += value;
    return total;
}
pub fn address(values: []const f64) usize {
    return @intFromPtr(values.ptr);
}
pub fn count_true(values: []const bool) usize {
    return std.mem.count(bool, values, &.{true});
}

const table = [_]f64{ 1, 2, 3 };

/// From memory that is not the allocator's.
pub fn constants() []const f64 {
    return &table;
}
/// The result is a part of the argument.
pub fn rest(values: []const f64) []const f64 {
    return values[1..];
}
pub fn rest_in_place(values: []f64) []f64 {
    values[0] = -1;
    return values[1..];
}
pub fn range(allocator: Allocator, count: usize) ![]f64 {
    const values = try allocator.alloc(f64, count);
    for (values, 0..) |*value, index| value.* = @floatFromInt(index);
    return values;
}
/// The result is a part of what was allocated.
pub fn middle(allocator: Allocator, count: usize) ![]const f64 {
    const values = try range(allocator, count);
    return values[1 .. count - 1];
}
pub fn maybe(allocator: Allocator, count: usize) !?[]const f64 {
    if (count == 0) return null;
    return try range(allocator, count);
}
/// The same memory twice.
pub fn both(allocator: Allocator, count: usize) !struct { left: []const f64, right: []const f64 } {
    const values = try range(allocator, count);
    return .{ .left = values, .right = values[1..] };
}
pub fn rows(allocator: Allocator, count: usize) ![]const []const f64 {
    const made = try allocator.alloc([]const f64, count);
    for (made, 0..) |*row, length| row.* = try range(allocator, length);
    return made;
}
pub fn failing(allocator: Allocator, count: usize) ![]f64 {
    _ = try range(allocator, count);
    return error.Late;
}
pub fn reals(allocator: Allocator) ![]const f16 {
    return allocator.dupe(f16, &.{ 0.5, -2 });
}

pub fn at(values: zigimport.View(f64, 2), i: usize, j: usize) f64 {
    return values.at(.{ i, j });
}
pub fn shape(values: zigimport.View(f64, 2)) [2]usize {
    return values.shape;
}
pub fn strides(values: zigimport.View(f64, 2)) [2]isize {
    return values.strides;
}
pub fn flat(allocator: Allocator, values: zigimport.View(f64, 2)) ![]f64 {
    const answer = try allocator.alloc(f64, values.shape[0] * values.shape[1]);
    for (0..values.shape[0]) |i| {
        const one_row = values.row(i);
        for (0..values.shape[1]) |j| answer[i * values.shape[1] + j] = one_row.at(.{j});
    }
    return answer;
}
pub fn line(allocator: Allocator, values: zigimport.View(i32, 1)) ![]i32 {
    const copy = try allocator.alloc(i32, values.shape[0]);
    for (copy, 0..) |*value, index| value.* = values.at(.{index});
    return copy;
}
pub fn bytes_sum(values: zigimport.View(u8, 2)) u64 {
    var total: u64 = 0;
    for (0..values.shape[0]) |i| {
        for (0..values.shape[1]) |j| total += values.at(.{ i, j });
    }
    return total;
}
pub fn cube(values: zigimport.View(i64, 3)) i64 {
    var total: i64 = 0;
    for (0..values.shape[0]) |i| {
        for (0..values.shape[1]) |j| {
            for (0..values.shape[2]) |k| total = total * 2 + values.row(i).row(j).at(.{k});
        }
    }
    return total;
}
/// Writes row number times ten plus column number everywhere.
pub fn number(target: zigimport.ViewMut(f64, 2)) void {
    for (0..target.shape[0]) |i| {
        for (0..target.shape[1]) |j| target.set(.{ i, j }, @floatFromInt(i * 10 + j));
    }
}
pub fn add_to_all(values: zigimport.ViewMut(u8, 1), amount: u8) void {
    for (0..values.shape[0]) |index| values.set(.{index}, values.at(.{index}) + amount);
}
pub fn matrix(allocator: Allocator, height: usize, width: usize) !zigimport.View(f64, 2) {
    return .init(try range(allocator, height * width), .{ height, width });
}
pub fn pixels(allocator: Allocator, height: usize, width: usize) !zigimport.View(u8, 3) {
    const values = try allocator.alloc(u8, height * width * 3);
    for (values, 0..) |*value, index| value.* = @truncate(index);
    return .init(values, .{ height, width, 3 });
}

pub fn hold(values: []f64, f: zigimport.Callable) !void {
    _ = values;
    return f.call(void, .{});
}
pub fn hold_text(text: []const u8, f: zigimport.Callable) !usize {
    try f.call(void, .{});
    return text.len;
}
pub fn hold_view(values: zigimport.View(u8, 1), f: zigimport.Callable) !void {
    _ = values;
    return f.call(void, .{});
}
pub fn two(values: []f64, text: []const u8, count: u8) usize {
    return values.len + text.len + count;
}
