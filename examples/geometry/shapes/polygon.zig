const std = @import("std");

pub fn area(sides: u32, length: f64) error{TooFewSides}!f64 {
    if (sides < 3) return error.TooFewSides;
    const count: f64 = @floatFromInt(sides);
    return count * length * length / (4 * @tan(std.math.pi / count));
}
