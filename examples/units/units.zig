//! Conversions, one submodule for each quantity.
const std = @import("std");

pub const length = @import("parts/length.zig");
pub const temperature = @import("parts/temperature.zig");

/// Conversions of angles.
pub const angle = struct {
    pub const full_turn: f64 = 2 * std.math.pi;

    pub fn from_degrees(degrees: f64) f64 {
        return degrees / 360 * full_turn;
    }
};

/// The names of the submodules.
pub fn quantities() [3][]const u8 {
    return .{ "angle", "length", "temperature" };
}
