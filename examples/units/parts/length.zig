//! Lengths in metres.

pub const inch: f64 = 0.0254;
pub const mile: f64 = 1609.344;
pub const Unit = enum { metre, inch, mile };

/// A number of units in metres, or in another unit.
pub fn convert(number: f64, unit: Unit, options: struct { to: Unit = .metre }) f64 {
    return number * metres(unit) / metres(options.to);
}

fn metres(one: Unit) f64 {
    return switch (one) {
        .metre => 1,
        .inch => inch,
        .mile => mile,
    };
}
