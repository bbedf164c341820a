//! Numerics with functions that Python brings.
const std = @import("std");
const zigimport = @import("zigimport");

/// The integral of `f` from `low` to `high`, by Simpson's rule in `steps` steps.
pub fn integral(f: zigimport.Callable, low: f64, high: f64, options: struct { steps: u32 = 100 }) !f64 {
    if (options.steps == 0) return error.ValueError;
    const width = (high - low) / @as(f64, @floatFromInt(options.steps));
    var sum: f64 = 0;
    for (0..options.steps) |step| {
        const left = low + width * @as(f64, @floatFromInt(step));
        const middle = try f.call(f64, .{left + width / 2});
        sum += try f.call(f64, .{left}) + 4 * middle + try f.call(f64, .{left + width});
    }
    return sum * width / 6;
}

/// Where `f` is zero between `low` and `high`, by halving.
pub fn root(f: zigimport.Callable, low: f64, high: f64, options: struct { tolerance: f64 = 1e-12 }) !f64 {
    var left = low;
    var right = high;
    const left_is_negative = try f.call(f64, .{left}) < 0;
    if ((try f.call(f64, .{right}) < 0) == left_is_negative) return error.NoChangeOfSign;
    while (right - left > options.tolerance) {
        const middle = left + (right - left) / 2;
        if (middle <= left or middle >= right) break;
        if ((try f.call(f64, .{middle}) < 0) == left_is_negative) left = middle else right = middle;
    }
    return left + (right - left) / 2;
}
