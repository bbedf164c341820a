//! The compiler's text as data. The text itself is passed on unchanged.

use std::path::Path;

use crate::error::Diagnostic;

/// Finds the messages in a compiler's text. Paths are made absolute against
/// `directory`, where the compiler ran.
#[must_use]
pub fn parse(text: &str, directory: &Path) -> Vec<Diagnostic> {
    text.lines().filter_map(|line| parse_line(line, directory)).collect()
}

/// `PATH:LINE:COLUMN: error: MESSAGE`, or `error: MESSAGE` without a place.
fn parse_line(line: &str, directory: &Path) -> Option<Diagnostic> {
    for severity in ["error", "note"] {
        if let Some(message) = line.strip_prefix(severity).and_then(|rest| rest.strip_prefix(": ")) {
            return Some(Diagnostic {
                severity: severity.to_owned(),
                path: String::new(),
                line: 0,
                column: 0,
                message: message.to_owned(),
            });
        }
        let Some((place, message)) = line.split_once(&format!(": {severity}: ")) else {
            continue;
        };
        let mut parts = place.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        let path = directory.join(parts.next()?.trim_start());
        return Some(Diagnostic {
            severity: severity.to_owned(),
            path: crate::closure::normalize(&path).to_string_lossy().into_owned(),
            line,
            column,
            message: message.to_owned(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_messages_are_found() {
        let text = "inner/a.zig:3:12: error: expected type 'u8', found 'bool'\n    return true;\n           ^~~~\nm.zig:1:1: note: called from here\nerror: FileNotFound\n";
        let found = parse(text, Path::new("/p"));
        let short: Vec<_> = found.iter().map(|d| (d.severity.as_str(), d.path.as_str(), d.line, d.column)).collect();
        assert_eq!(short, [("error", "/p/inner/a.zig", 3, 12), ("note", "/p/m.zig", 1, 1), ("error", "", 0, 0)]);
        assert_eq!(found[0].message, "expected type 'u8', found 'bool'");
    }

    #[test]
    fn a_path_may_have_colons_and_spaces() {
        let found = parse("a b:c.zig:7:2: error: oh: no", Path::new("/p"));
        assert_eq!((found[0].path.as_str(), found[0].line, found[0].message.as_str()), ("/p/a b:c.zig", 7, "oh: no"));
    }
}
