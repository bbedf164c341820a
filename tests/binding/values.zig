//! Every kind of value.
const std = @import("std");
const zigimport = @import("zigimport");
const Allocator = std.mem.Allocator;
const hidden = @import("sub/part.zig");

pub const part = @import("sub/part.zig");
pub const Stamp = part.Stamp;

/// Lengths in metres.
pub const units = struct {
    pub const inch = 0.0254;
    pub const label = "metres";

    /// From inches.
    pub fn inches(count: f64) f64 {
        return count * inch;
    }

    pub const wide = struct {
        pub const mile: f64 = 1609.344;

        pub fn miles(count: f64) f64 {
            return count * mile;
        }
    };
};

/// The difference of two numbers.
///
/// Nothing more.
pub fn subtract(minuend: i64, subtrahend: i64) i64 {
    return minuend - subtrahend;
}
pub fn nothing() void {}
pub fn nine(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) [9]u16 {
    return .{ a, b, c, d, e, f, g, h, i };
}
pub fn fail(name: []const u8) !void {
    if (std.mem.eql(u8, name, "IndexError")) return error.IndexError;
    if (std.mem.eql(u8, name, "OutOfMemory")) return error.OutOfMemory;
    return error.Other;
}

pub const Level = enum { low, middle, high };

/// Has an option of every kind.
pub fn every_option(allocator: Allocator, base: i64, settings: struct {
    count: i64 = -3,
    ratio: f64 = 0.5,
    loud: bool = false,
    limit: ?u32 = null,
    level: Level = .middle,
    text: []const u8 = "a b",
}) ![]const u8 {
    return std.fmt.allocPrint(allocator, "{d} {d} {d} {} {?d} {s} {s}", .{
        base,
        settings.count,
        settings.ratio,
        settings.loud,
        settings.limit,
        @tagName(settings.level),
        settings.text,
    });
}
pub fn scaled(value: f64, settings: struct { factor: f64, offset: f64 = 0.0 }) f64 {
    return value * settings.factor + settings.offset;
}
pub fn only_options(settings: struct { first: u8 = 1, second: u8 = 2 }) u8 {
    return settings.first * 10 + settings.second;
}

pub const Style = struct {
    size: u8 = 10,
    bold: bool = false,
};

pub fn styled(more: u8, style: Style) u16 {
    return @as(u16, more) + style.size;
}
pub fn size_with(factor: u8, options: Style) u16 {
    return @as(u16, factor) * options.size;
}

pub fn echo(text: []const u8) []const u8 {
    return text;
}
pub fn terminated(text: [:0]const u8) usize {
    return std.mem.len(text.ptr);
}
pub fn no_text() []const u8 {
    return "\xff\xfe";
}
pub fn reversed(allocator: Allocator, data: zigimport.Bytes) !zigimport.Bytes {
    const copy = try allocator.dupe(u8, data.data);
    std.mem.reverse(u8, copy);
    return .{ .data = copy };
}
pub fn shout(text: []u8) void {
    for (text) |*letter| letter.* = std.ascii.toUpper(letter.*);
}
pub fn shouted(text: []u8) []u8 {
    shout(text);
    return text;
}
pub fn flip(word: [4]u8) [4]u8 {
    return .{ word[3], word[2], word[1], word[0] };
}
pub fn twice(numbers: [3]f64) [3]f64 {
    return .{ numbers[0] * 2, numbers[1] * 2, numbers[2] * 2 };
}
pub fn transposed(matrix: [2][2]i32) [2][2]i32 {
    return .{ .{ matrix[0][0], matrix[1][0] }, .{ matrix[0][1], matrix[1][1] } };
}
pub fn words(names: [2][]const u8) [2][]const u8 {
    return .{ names[1], names[0] };
}

pub fn lengths(allocator: Allocator, texts: []const []const u8) ![]const ?u32 {
    const found = try allocator.alloc(?u32, texts.len);
    for (found, texts) |*length, text| length.* = if (text.len == 0) null else @intCast(text.len);
    return found;
}
pub fn sorted(allocator: Allocator, texts: []const []const u8) ![]const []const u8 {
    const copy = try allocator.dupe([]const u8, texts);
    std.mem.sort([]const u8, copy, {}, struct {
        fn before(_: void, left: []const u8, right: []const u8) bool {
            return std.mem.lessThan(u8, left, right);
        }
    }.before);
    return copy;
}
pub fn sum_of_some(numbers: []const ?f64) f64 {
    var sum: f64 = 0;
    for (numbers) |number| sum += number orelse 0;
    return sum;
}
pub fn sums(allocator: Allocator, rows: []const []const f64) ![]const ?f64 {
    const found = try allocator.alloc(?f64, rows.len);
    for (found, rows) |*sum, row| {
        sum.* = 0;
        for (row) |number| sum.*.? += number;
    }
    return found;
}
pub fn levels(allocator: Allocator, count: usize) ![]const Level {
    const found = try allocator.alloc(Level, count);
    for (found, 0..) |*level, index| level.* = @enumFromInt(index % 3);
    return found;
}

/// A place in the plane.
pub const Point = struct {
    x: f64,
    y: f64 = 2.0,
};
pub const Segment = struct {
    start: Point,
    end: Point,
    name: ?[]const u8,
};

pub fn moved(point: Point, dx: f64) Point {
    return .{ .x = point.x + dx, .y = point.y };
}
pub fn centre(points: []const Point) ?Point {
    if (points.len == 0) return null;
    var sum: Point = .{ .x = 0, .y = 0 };
    for (points) |point| {
        sum.x += point.x;
        sum.y += point.y;
    }
    const count: f64 = @floatFromInt(points.len);
    return .{ .x = sum.x / count, .y = sum.y / count };
}
pub fn grid(allocator: Allocator, count: usize) ![]const Point {
    const points = try allocator.alloc(Point, count);
    for (points, 0..) |*point, index| point.* = .{ .x = @floatFromInt(index), .y = -1 };
    return points;
}
pub fn turned(segment: Segment) Segment {
    return .{ .start = segment.end, .end = segment.start, .name = segment.name };
}
pub fn statistics(allocator: Allocator, numbers: []const f64) !struct {
    count: usize,
    mean: ?f64,
    squares: []const f64,
    label: []const u8,
} {
    const squares = try allocator.alloc(f64, numbers.len);
    var sum: f64 = 0;
    for (squares, numbers) |*square, number| {
        square.* = number * number;
        sum += number;
    }
    const count: f64 = @floatFromInt(numbers.len);
    return .{
        .count = numbers.len,
        .mean = if (numbers.len == 0) null else sum / count,
        .squares = squares,
        .label = try std.fmt.allocPrint(allocator, "{d} numbers", .{numbers.len}),
    };
}

pub fn raised(level: Level) ?Level {
    return switch (level) {
        .low => .middle,
        .middle => .high,
        .high => null,
    };
}

pub const Shape = union(enum) {
    circle: f64,
    rectangle: struct { width: f64, height: f64 },
    label: []const u8,
    nothing,
};

pub fn same_shape(shape: Shape) Shape {
    return shape;
}
pub fn areas(allocator: Allocator, shapes: []const Shape) ![]const ?f64 {
    const found = try allocator.alloc(?f64, shapes.len);
    for (found, shapes) |*area, shape| area.* = switch (shape) {
        .circle => |radius| 3 * radius * radius,
        .rectangle => |rectangle| rectangle.width * rectangle.height,
        .label, .nothing => null,
    };
    return found;
}

pub fn u1_(number: u1) u1 {
    return number;
}
pub fn i1_(number: i1) i1 {
    return number;
}
pub fn u128_(number: u128) u128 {
    return number;
}
pub fn i128_(number: i128) i128 {
    return number;
}
pub fn pair(pair_: struct { i128, ?[]const u8 }) struct { ?[]const u8, i128 } {
    return .{ pair_[1], pair_[0] };
}

pub fn joined(left: []const u8, allocator: Allocator, right: []const u8) ![]const u8 {
    return std.mem.concat(allocator, u8, &.{ left, right });
}
pub fn repeated(text: []const u8, count: usize, allocator: Allocator) ![]const u8 {
    const answer = try allocator.alloc(u8, text.len * count);
    for (0..count) |index| @memcpy(answer[index * text.len ..][0..text.len], text);
    return answer;
}

pub fn apply(f: zigimport.Callable, x: f64) !f64 {
    return f.call(f64, .{x});
}
pub fn ask(f: zigimport.Callable) !i64 {
    return f.call(i64, .{});
}
pub fn ask_bool(f: zigimport.Callable) !bool {
    return f.call(bool, .{});
}
pub fn ask_maybe(f: zigimport.Callable) !?i64 {
    return f.call(?i64, .{});
}
pub fn tell(f: zigimport.Callable, name: []const u8, count: u8) !void {
    return f.call(void, .{ name, count, true });
}
pub fn attempt(f: zigimport.Callable) i64 {
    return f.call(i64, .{}) catch -1;
}
pub fn each(f: zigimport.Callable, count: u32) !u64 {
    var sum: u64 = 0;
    for (0..count) |index| sum += try f.call(u64, .{index});
    return sum;
}

/// Says that it runs in `flags[1]`, then waits for `flags[0]`.
/// zigimport: nogil
pub fn wait(flags: []u8, turns: u32) bool {
    @atomicStore(u8, &flags[1], 1, .seq_cst);
    for (0..turns) |_| {
        if (@atomicLoad(u8, &flags[0], .seq_cst) != 0) return true;
        std.atomic.spinLoopHint();
    }
    return false;
}
/// zigimport: nogil
pub fn alone(allocator: Allocator, text: []const u8, count: usize) ![]const u8 {
    if (count == 0) return error.ValueError;
    return repeated(text, count, allocator);
}
/// zigimport: nogil
pub fn alone_with_callable(f: zigimport.Callable) !void {
    return f.call(void, .{});
}

pub fn generic(value: anytype) void {
    _ = value;
}
pub fn typed(comptime T: type, value: T) T {
    return value;
}
pub fn pointer(number: *u8) void {
    number.* += 1;
}
pub fn many(numbers: [*]const u8) u8 {
    return numbers[0];
}
pub fn opaque_result() *anyopaque {
    return undefined;
}
pub fn too_wide(number: u129) u129 {
    return number;
}
