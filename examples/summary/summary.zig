//! Describes a series of numbers.
const std = @import("std");

/// What `describe` finds.
pub const Summary = struct {
    count: usize,
    mean: f64,
    deviation: f64,
    smallest: f64,
    median: f64,
    largest: f64,
    quartiles: [3]f64,
};

pub fn describe(allocator: std.mem.Allocator, values: []const f64) !Summary {
    if (values.len == 0) return error.ValueError;
    const sorted = try allocator.dupe(f64, values);
    std.mem.sort(f64, sorted, {}, std.sort.asc(f64));
    const count: f64 = @floatFromInt(values.len);
    var sum: f64 = 0;
    for (sorted) |value| sum += value;
    const mean = sum / count;
    var squares: f64 = 0;
    for (sorted) |value| squares += (value - mean) * (value - mean);
    return .{
        .count = values.len,
        .mean = mean,
        .deviation = @sqrt(squares / count),
        .smallest = sorted[0],
        .median = quantile(sorted, 0.5),
        .largest = sorted[sorted.len - 1],
        .quartiles = .{ quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75) },
    };
}

/// The straight line through points: a result without a name of its own.
pub fn line(x: []const f64, y: []const f64) !struct { slope: f64, intercept: f64 } {
    if (x.len != y.len or x.len < 2) return error.ValueError;
    const count: f64 = @floatFromInt(x.len);
    var sum_x: f64 = 0;
    var sum_y: f64 = 0;
    var sum_xx: f64 = 0;
    var sum_xy: f64 = 0;
    for (x, y) |one_x, one_y| {
        sum_x += one_x;
        sum_y += one_y;
        sum_xx += one_x * one_x;
        sum_xy += one_x * one_y;
    }
    const denominator = count * sum_xx - sum_x * sum_x;
    if (denominator == 0) return error.ZeroDivisionError;
    const slope = (count * sum_xy - sum_x * sum_y) / denominator;
    return .{ .slope = slope, .intercept = (sum_y - slope * sum_x) / count };
}

fn quantile(sorted: []const f64, share: f64) f64 {
    const place = share * @as(f64, @floatFromInt(sorted.len - 1));
    const below: usize = @intFromFloat(@floor(place));
    const above = @min(below + 1, sorted.len - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - @floor(place));
}
