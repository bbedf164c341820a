//! What the cells of the notebook share.

/// The mean of some numbers; of none it is 0.
pub fn mean(values: []const f64) f64 {
    if (values.len == 0) return 0;
    var sum: f64 = 0;
    for (values) |value| sum += value;
    return sum / @as(f64, @floatFromInt(values.len));
}
