//! Atomic publication: a file is there whole or not at all, whatever happens to
//! the process, and an unfinished one leaves no name behind where the system
//! can make nameless files.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, OpenOptions};

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Keep it: the first writer wins.
    Keep,
    /// Put the new file in its place; whoever has the old one open keeps it.
    Replace,
}

/// Publishes `bytes` as `name` in `folder` with permission bits `mode`.
///
/// Returns whether the new file is the one that has the name now.
///
/// # Errors
/// The system's; the folder is as before then.
pub fn publish(folder: &Dir, name: &str, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    if let Some(answer) = publish_nameless(folder, name, bytes, mode, existing) {
        return answer;
    }
    publish_renamed(folder, name, bytes, mode, existing)
}

/// Writes a file without a name and links it. `None` where the file system or a
/// filter does not allow that.
#[cfg(target_os = "linux")]
fn publish_nameless(folder: &Dir, name: &str, bytes: &[u8], mode: u32, existing: Existing) -> Option<io::Result<bool>> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use rustix::io::Errno;

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::openat(folder, ".", flags, Mode::from_raw_mode(mode)).ok()?;
    let mut file = std::fs::File::from(descriptor);
    if let Err(error) = file.write_all(bytes) {
        return Some(Err(error));
    }
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |target: &str| rustix::fs::linkat(CWD, nameless.as_str(), folder, target, AtFlags::SYMLINK_FOLLOW);
    match link(name) {
        Ok(()) => Some(Ok(true)),
        Err(Errno::EXIST) if existing == Existing::Keep => Some(Ok(false)),
        Err(Errno::EXIST) => {
            let temporary = temporary_name();
            if link(&temporary).is_err() {
                return None;
            }
            Some(rename_over(folder, &temporary, name).map(|()| true))
        }
        Err(_) => None,
    }
}

fn publish_renamed(folder: &Dir, name: &str, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<bool> {
    if existing == Existing::Keep && folder.exists(name) {
        return Ok(false);
    }
    let temporary = temporary_name();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    let written = folder.open_with(&temporary, &options).and_then(|mut file| file.write_all(bytes));
    if let Err(error) = written {
        let _ = folder.remove_file(&temporary);
        return Err(error);
    }
    rename_over(folder, &temporary, name).map(|()| true)
}

fn rename_over(folder: &Dir, temporary: &str, name: &str) -> io::Result<()> {
    folder.rename(temporary, folder, name).inspect_err(|_| {
        let _ = folder.remove_file(temporary);
    })
}

/// Names that start like this are unfinished and may be removed when old.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

fn temporary_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY_PREFIX}{}-{count}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Publish = fn(&Dir, &str, &[u8], u32, Existing) -> io::Result<bool>;

    fn check(publish: Publish) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        assert!(publish(&dir, "a", b"one", 0o444, Existing::Keep).unwrap());
        assert!(!publish(&dir, "a", b"two", 0o444, Existing::Keep).unwrap());
        assert_eq!(dir.read("a").unwrap(), b"one");
        let mut open = dir.open("a").unwrap();
        assert!(publish(&dir, "a", b"two", 0o444, Existing::Replace).unwrap());
        assert_eq!(dir.read("a").unwrap(), b"two");
        let mut old = String::new();
        io::Read::read_to_string(&mut open, &mut old).unwrap();
        assert_eq!(old, "one");
        assert_eq!(dir.entries().unwrap().count(), 1);
    }

    #[test]
    fn first_writer_wins_or_is_replaced_whole() {
        check(publish);
        check(publish_renamed);
    }
}
