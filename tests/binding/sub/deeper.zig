//! Deeper still.

/// How deep it is.
pub fn depth() u8 {
    return 2;
}
