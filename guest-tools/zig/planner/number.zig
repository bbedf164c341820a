//! Numbers in versions.

/// Accepts digits only: neither signs nor separators, and no build metadata.
pub fn parse(digits: []const u8) ?u32 {
    if (digits.len == 0 or digits.len > 9) return null;
    var value: u32 = 0;
    for (digits) |digit| {
        if (digit < '0' or digit > '9') return null;
        value = value * 10 + (digit - '0');
    }
    return value;
}
