//! What a plugin may answer: paths and patterns that stay in the project.

use crate::{Failure, Kind};

/// Inputs that one file may have by one plugin.
pub const INPUTS_MAX: usize = 65_536;
/// Bytes of one path, pattern or message.
const TEXT_BYTES_MAX: usize = 4_096;

/// Checks a path or pattern that is relative to the folder of `path`, itself
/// relative to the project root.
///
/// # Errors
/// Names the operand and what is wrong with it.
pub fn check(path: &str, kind: &str, operand: &str, line: u32, column: u32) -> Result<(), Failure> {
    let wrong = if operand.is_empty() {
        "is empty"
    } else if operand.len() > TEXT_BYTES_MAX {
        return Err(too_long(kind, operand.len()));
    } else if operand.contains('\\') {
        "has a backslash, expected `/` between names"
    } else if operand.chars().any(char::is_control) {
        "has a control character"
    } else if operand.starts_with('/') || operand.as_bytes().get(1) == Some(&b':') {
        "is absolute, expected a path relative to the folder of the file"
    } else if leaves(path, operand) {
        "leads out of the project"
    } else if line == 0 || column == 0 {
        return Err(Failure::new(
            Kind::Answer,
            format!("the {kind} {operand:?} stands at {line}:{column}, expected lines and columns from 1"),
        ));
    } else {
        return Ok(());
    };
    Err(Failure {
        kind: Kind::Answer,
        message: format!("the {kind} {operand:?} {wrong}"),
        // The plugin may have taken it from there.
        place: Some((line, column)),
    })
}

/// Shortens the text of a problem that the plugin reports.
pub fn message(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

fn too_long(kind: &str, length: usize) -> Failure {
    Failure::new(Kind::Limit, format!("a {kind} has {length} bytes, at most {TEXT_BYTES_MAX} are allowed"))
}

/// Whether a relative path leads above the project root at any point.
fn leaves(path: &str, operand: &str) -> bool {
    let mut depth = path.split('/').filter(|part| !matches!(*part, "" | ".")).count() - 1;
    for part in operand.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}
