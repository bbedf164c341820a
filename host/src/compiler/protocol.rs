//! The compiler's one-shot answer: two requests in, messages out.
//!
//! `--listen=-` makes `zig build-lib` use its whole cache and say what it read.
//! The process answers one update and ends; a resident one gives stale code.

use std::path::{Path, PathBuf};

/// The requests `update` and `exit`: each a tag and the length of its body.
pub const ONE_UPDATE: [u8; 16] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Tag of the message with the compiler's version.
const ZIG_VERSION: u32 = 0;
/// Tag of the message with the digest of the output.
const EMIT_DIGEST: u32 = 2;

/// What an update answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The compiler's own version.
    pub version: String,
    /// Name of the output's folder in the local cache, if there is an output.
    pub output_digest: Option<String>,
    /// Whether the compiler found it in its own cache.
    pub cached: bool,
    /// Files that the compilation read, without the compiler's own.
    pub read: Vec<PathBuf>,
}

/// Reads the messages of one update. `line` is the compiler's line, as `0.16`;
/// `directory` its working directory.
///
/// Returns `None` where the bytes are no sequence of messages.
#[must_use]
pub fn parse(messages: &[u8], line: &str, directory: &Path) -> Option<Answer> {
    // Zig 0.16 inserted a message before this one.
    let file_system_inputs = if line == "0.15" { 5 } else { 6 };
    let mut answer = Answer::default();
    let mut rest = messages;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(8)?;
        let tag = u32::from_le_bytes(header[..4].try_into().ok()?);
        let length = u32::from_le_bytes(header[4..].try_into().ok()?);
        let (body, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        if tag == ZIG_VERSION {
            answer.version = String::from_utf8_lossy(body).into_owned();
        } else if tag == EMIT_DIGEST {
            let (flags, digest) = body.split_first()?;
            answer.cached = flags & 1 != 0;
            answer.output_digest = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        } else if tag == file_system_inputs {
            answer.read = body.split(|byte| *byte == 0).filter_map(|entry| input_path(entry, directory)).collect();
        }
    }
    answer.read.sort();
    answer.read.dedup();
    Some(answer)
}

/// Resolves one entry: a byte that says relative to what, and the path. The
/// compiler's own library and its caches are covered by its identity.
fn input_path(entry: &[u8], directory: &Path) -> Option<PathBuf> {
    /// Relative to the working directory.
    const WORKING_DIRECTORY: u8 = 1;
    /// Relative to the build root, since Zig 0.17; the same folder here.
    const BUILD_ROOT: u8 = 5;
    let (prefix, path) = entry.split_first()?;
    if !matches!(*prefix, WORKING_DIRECTORY | BUILD_ROOT) || path.is_empty() {
        return None;
    }
    Some(crate::closure::normalize(&directory.join(crate::closure::os_path(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn an_answer_has_the_output_and_what_was_read() {
        let inputs = b"\x01m.zig\0\x02std/std.zig\0\x01/p/m.zig\0\x05in/a.zig\0\x04b/builtin.zig";
        let mut bytes = message(0, b"0.16.0");
        bytes.extend(message(6, inputs));
        bytes.extend(message(2, &[[1].as_slice(), &[0xab; 16]].concat()));
        let answer = parse(&bytes, "0.16", Path::new("/p")).unwrap();
        assert_eq!(answer.output_digest.as_deref(), Some("ab".repeat(16).as_str()));
        assert!(answer.cached);
        assert_eq!(answer.version, "0.16.0");
        assert_eq!(answer.read, [PathBuf::from("/p/in/a.zig"), PathBuf::from("/p/m.zig")]);
        // On 0.15 the same tag means something else.
        assert!(parse(&bytes, "0.15", Path::new("/p")).unwrap().read.is_empty());
    }

    #[test]
    fn a_truncated_answer_is_none() {
        let bytes = message(2, &[0; 17]);
        for length in 1..bytes.len() {
            assert_eq!(parse(&bytes[..length], "0.17", Path::new("/")), None, "{length}");
        }
        assert_eq!(parse(&[], "0.17", Path::new("/")), Some(Answer::default()));
    }
}
