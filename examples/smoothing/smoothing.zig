//! Filters for series of measurements.
const std = @import("std");
const zigimport = @import("zigimport");

/// The mean of each value and its neighbours, `window` values in all.
pub fn moving_average(
    allocator: std.mem.Allocator,
    values: []const f64,
    options: struct { window: usize = 3 },
) ![]f64 {
    if (options.window == 0 or options.window > values.len) return error.ValueError;
    const means = try allocator.alloc(f64, values.len - options.window + 1);
    var sum: f64 = 0;
    for (values[0..options.window]) |value| sum += value;
    const count: f64 = @floatFromInt(options.window);
    means[0] = sum / count;
    for (means[1..], values[options.window..], values[0 .. means.len - 1]) |*mean, entering, leaving| {
        sum += entering - leaving;
        mean.* = sum / count;
    }
    return means;
}

/// Moves every value into the range from `low` to `high`; changes the array itself.
pub fn clip(values: []f64, low: f64, high: f64) void {
    for (values) |*value| value.* = std.math.clamp(value.*, low, high);
}

/// The mean of each row, whatever the memory layout of the matrix.
pub fn row_means(allocator: std.mem.Allocator, matrix: zigimport.View(f64, 2)) ![]f64 {
    if (matrix.shape[1] == 0) return error.ValueError;
    const means = try allocator.alloc(f64, matrix.shape[0]);
    for (means, 0..) |*mean, i| {
        var sum: f64 = 0;
        for (0..matrix.shape[1]) |j| sum += matrix.at(.{ i, j });
        mean.* = sum / @as(f64, @floatFromInt(matrix.shape[1]));
    }
    return means;
}
