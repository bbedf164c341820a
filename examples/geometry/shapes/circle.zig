const std = @import("std");

pub fn area(radius: f64) error{NegativeRadius}!f64 {
    if (radius < 0) return error.NegativeRadius;
    return std.math.pi * radius * radius;
}
