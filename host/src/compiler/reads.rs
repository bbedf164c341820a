//! What a `zig build` read: the manifests that the compiler keeps in its cache.

use std::path::{Path, PathBuf};

use crate::closure;

/// A manifest is never larger; the build runner's own has some 10,000 files.
const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// Returns the files that compilations in a local cache read, the compiler's
/// own left out. Those of C sources are compilations of their own.
///
/// `directory` is the working directory of the build.
#[must_use]
pub fn files(local_cache: &Path, directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(local_cache.join("h")).into_iter().flatten().flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else {
            continue;
        };
        if bytes.len() > MANIFEST_BYTES_MAX {
            continue;
        }
        let is_text = entry.path().extension().is_some_and(|extension| extension == "txt");
        files.extend(parse(&bytes, is_text, directory));
    }
    files.sort();
    files.dedup();
    files
}

/// Returns the files that a manifest of the compiler names, its own left out.
#[must_use]
pub fn parse(bytes: &[u8], is_text: bool, directory: &Path) -> Vec<PathBuf> {
    if is_text { parse_text(bytes, directory) } else { parse_binary(bytes, directory) }
}

/// Prefixes of paths; one less than in the one-shot answer.
fn resolve(prefix: u32, path: &[u8], directory: &Path) -> Option<PathBuf> {
    /// Relative to the working directory.
    const WORKING_DIRECTORY: u32 = 0;
    /// Relative to the build root, since Zig 0.17; the same folder here.
    const BUILD_ROOT: u32 = 4;
    if !matches!(prefix, WORKING_DIRECTORY | BUILD_ROOT) {
        return None;
    }
    Some(closure::normalize(&directory.join(closure::os_path(path))))
}

/// Zig 0.15 and 0.16: a line `0`, then `size inode mtime digest prefix path`.
fn parse_text(bytes: &[u8], directory: &Path) -> Vec<PathBuf> {
    let entry = |line: &[u8]| {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let prefix = std::str::from_utf8(fields.nth(4)?).ok()?.parse().ok()?;
        resolve(prefix, fields.next()?, directory)
    };
    bytes.split(|byte| *byte == b'\n').skip(1).filter_map(entry).collect()
}

/// Zig 0.17: records of a fixed head and a path with a null byte, unaligned.
fn parse_binary(bytes: &[u8], directory: &Path) -> Vec<PathBuf> {
    /// Size, inode, modification time, digest.
    const FLAGS_OFFSET: usize = 8 + 8 + 8 + 16;
    const PREFIX_SHIFT: u32 = 2;
    let mut files = Vec::new();
    let mut offset = 0;
    while let Some(flags) = bytes.get(offset + FLAGS_OFFSET) {
        let start = offset + FLAGS_OFFSET + 1;
        let Some(length) = bytes[start..].iter().position(|byte| *byte == 0) else {
            break;
        };
        files.extend(resolve(u32::from(*flags) >> PREFIX_SHIFT, &bytes[start..start + length], directory));
        offset = start + length + 1;
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_what_was_read() {
        let text =
            b"0\n12 34 56 0123456789abcdef0123456789abcdef 0 /p/a b.zig\n1 1 1 00 1 std/std.zig\n1 1 1 00 0 \xff\n";
        let read = parse_text(text, Path::new("/w"));
        assert_eq!(read, [PathBuf::from("/p/a b.zig"), Path::new("/w").join(closure::os_path(b"\xff"))]);

        let mut binary = Vec::new();
        for (prefix, path) in [(0u8, "/p/a.zig"), (1, "std/std.zig"), (4, "src/b.zig")] {
            binary.extend([0; 40]);
            binary.push(prefix << 2);
            binary.extend(path.as_bytes());
            binary.push(0);
        }
        assert_eq!(parse_binary(&binary, Path::new("/w")), [PathBuf::from("/p/a.zig"), PathBuf::from("/w/src/b.zig")]);
        assert!(parse_binary(b"garbage", Path::new("/w")).is_empty());
    }
}
