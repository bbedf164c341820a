//! Atomic publication: a file is there whole or not at all, whatever happens to
//! the process, and an unfinished one leaves no name behind where the system
//! can make nameless files.
//!
//! What is published is not synced, unless its writer does that: every file of
//! the store is checked against a digest when it is used, so that one which a
//! power cut left torn is a miss. [`crate::store`] has the one exception.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use cap_std::fs::{Dir, OpenOptions};

use crate::object::Put;

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
    publish_with(folder, name, mode, existing, &mut |file| file.write_all(bytes))
}

/// Writes the content of an empty file.
pub type Write<'a> = dyn FnMut(&mut File) -> io::Result<()> + 'a;

/// The same for content that is made while it is written. `write` is called
/// again, with a new file, where the first one cannot be given a name.
///
/// # Errors
/// As for [`publish`], and those of `write`.
pub fn publish_with(
    folder: &Dir,
    name: &str,
    mode: u32,
    existing: Existing,
    write: &mut Write<'_>,
) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    if let Some(answer) = publish_nameless(folder, name, mode, existing, write) {
        return answer;
    }
    publish_renamed(folder, name, mode, existing, write)
}

/// Writes a file without a name and links it. `None` where the file system or a
/// filter does not allow that.
#[cfg(target_os = "linux")]
fn publish_nameless(
    folder: &Dir,
    name: &str,
    mode: u32,
    existing: Existing,
    write: &mut Write<'_>,
) -> Option<io::Result<bool>> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use rustix::io::Errno;

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::openat(folder, ".", flags, Mode::from_raw_mode(mode)).ok()?;
    let mut file = File::from(descriptor);
    if let Err(error) = write(&mut file) {
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

fn publish_renamed(folder: &Dir, name: &str, mode: u32, existing: Existing, write: &mut Write<'_>) -> io::Result<bool> {
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
    let written = folder.open_with(&temporary, &options).and_then(|file| write(&mut file.into_std()));
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

/// Waits until a file's content is on its medium, where that can be had.
pub(crate) fn synced(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        outcome => outcome,
    }
}

/// A smaller file is on its medium as soon when that is asked for once.
const SYNC_BYTES_MIN: u64 = 4 << 20;

/// Fills a file piece by piece, and has what is there written to its medium meanwhile:
/// of one with so many bytes there is little left to wait for at the end.
pub(crate) fn syncing_meanwhile<T>(file: &File, bytes: u64, fill: impl FnOnce(&Put<'_>) -> T) -> T {
    let (written, to_sync) = mpsc::sync_channel(1);
    std::thread::scope(move |scope| {
        let sync = move || to_sync.into_iter().for_each(|()| drop(file.sync_data()));
        if bytes >= SYNC_BYTES_MIN {
            // Without the thread, the end is waited for a little longer.
            let _ = std::thread::Builder::new().spawn_scoped(scope, sync);
        }
        fill(&move |at, piece| {
            write_all_at(file, piece, at)?;
            let _ = written.try_send(());
            Ok(())
        })
    })
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => (bytes, at) = (&bytes[count..], at + count as u64),
        }
    }
    Ok(())
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

    type PublishWith = fn(&Dir, &str, u32, Existing, &mut Write<'_>) -> io::Result<bool>;

    fn check(publish_with: PublishWith) {
        let publish = |dir: &Dir, name: &str, bytes: &[u8], mode, existing| {
            publish_with(dir, name, mode, existing, &mut |file| file.write_all(bytes))
        };
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
        let failing = publish_with(&dir, "b", 0o444, Existing::Keep, &mut |file| {
            file.write_all(b"half").and_then(|()| Err(io::Error::other("no more")))
        });
        assert_eq!(failing.unwrap_err().to_string(), "no more");
        assert_eq!(dir.entries().unwrap().count(), 1);
    }

    #[test]
    fn first_writer_wins_or_is_replaced_whole() {
        check(publish_with);
        check(publish_renamed);
    }
}
