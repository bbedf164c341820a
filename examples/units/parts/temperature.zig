//! Temperatures in degrees Celsius.

pub const absolute_zero: f64 = -273.15;

/// From degrees Fahrenheit.
pub fn from_fahrenheit(degrees: f64) !f64 {
    return checked((degrees - 32) / 1.8);
}

pub fn from_kelvin(kelvin: f64) !f64 {
    return checked(kelvin + absolute_zero);
}

fn checked(celsius: f64) !f64 {
    return if (celsius < absolute_zero) error.ValueError else celsius;
}
