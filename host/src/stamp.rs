//! File identity without content: what lets a hash be skipped, and when it may not.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, FieldHasher};

/// Timestamps younger than this when the content was read are not trusted: the
/// next write may get the same one. The coarse clock of Linux ticks every 4 to
/// 10 ms; the margin also covers a loaded machine.
const RACY_WINDOW: Duration = Duration::from_millis(100);
/// The same where the file system keeps whole seconds only.
const RACY_WINDOW_COARSE: Duration = Duration::from_millis(2_100);

/// What the file system says about a file, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content, in ns since 1970.
    pub modified_ns: i128,
    /// Last change of the inode, in ns since 1970; a program cannot set it back.
    pub changed_ns: i128,
    /// Inode number, 0 where there is none.
    pub inode: u64,
}

impl Stamp {
    /// Takes the stamp of a file that has been looked up.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
            Self {
                size: metadata.size(),
                modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
                changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
                inode: metadata.ino(),
            }
        }
        #[cfg(not(unix))]
        {
            let since = |time: io::Result<SystemTime>| time.map_or(0, nanoseconds_since_1970);
            Self {
                size: metadata.len(),
                modified_ns: since(metadata.modified()),
                changed_ns: since(metadata.created()),
                inode: 0,
            }
        }
    }

    /// Looks a path up, following links.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// Returns whether the file may have been changed at `time` or later, up to
    /// now. The inode's own time counts, which nobody can set; a modification
    /// time in the future says nothing.
    #[must_use]
    pub fn changed_since(&self, time: SystemTime) -> bool {
        let changed = if cfg!(unix) { self.changed_ns } else { self.modified_ns };
        changed + RACY_WINDOW.as_nanos() as i128 > nanoseconds_since_1970(time)
            && changed <= nanoseconds_since_1970(SystemTime::now())
    }

    /// Returns whether the content was changed longer than `age` ago.
    #[must_use]
    pub fn is_older_than(&self, age: Duration) -> bool {
        self.modified_ns + (age.as_nanos() as i128) < nanoseconds_since_1970(SystemTime::now())
    }

    /// Returns whether a tool that trusts size, modification time and inode
    /// would take two files for the same.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        (self.size, self.modified_ns, self.inode) == (other.size, other.modified_ns, other.inode)
    }

    /// Returns whether a later write is sure to give another stamp, when the
    /// content was read at `read_at`.
    #[must_use]
    pub fn is_trusted(&self, read_at: SystemTime) -> bool {
        let newest = self.modified_ns.max(self.changed_ns);
        let coarse = newest % 1_000_000_000 == 0;
        let window = if coarse { RACY_WINDOW_COARSE } else { RACY_WINDOW };
        newest + window.as_nanos() as i128 <= nanoseconds_since_1970(read_at)
    }
}

fn nanoseconds_since_1970(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

/// A file's content with the stamp that it had before it was read.
pub struct Content {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// Taken before the first byte was read.
    pub stamp: Stamp,
    /// Whether the stamp may stand for the content later.
    pub trusted: bool,
    /// What the stamp was taken from.
    pub metadata: Metadata,
}

/// Reads a regular file of at most `bytes_max` bytes.
///
/// # Errors
/// The system's; `InvalidInput` for a pipe, device or directory, and
/// `FileTooLarge` beyond the limit. Never blocks on a pipe.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Content> {
    let mut options = OpenOptions::new();
    options.read(true);
    let (mut file, metadata) = opened(options, path)?;
    let read_at = SystemTime::now();
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0) + 1);
    Read::by_ref(&mut file).take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {} MiB", bytes_max >> 20)));
    }
    let stamp = Stamp::of(&metadata);
    Ok(Content { bytes, stamp, trusted: stamp.is_trusted(read_at), metadata })
}

/// Opens a regular file to be read.
///
/// # Errors
/// As for [`read`].
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    open_with(options, path)
}

/// Opens a regular file in another way.
///
/// # Errors
/// As for [`read`].
pub fn open_with(options: OpenOptions, path: &Path) -> io::Result<File> {
    opened(options, path).map(|(file, _)| file)
}

fn opened(mut options: OpenOptions, path: &Path) -> io::Result<(File, Metadata)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe would wait for whoever is at its other end.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

/// Names in a project folder that are outputs, caches or history, never inputs.
pub(crate) const IGNORED: &[&str] = &[".zig-cache", "zig-cache", "zig-out", "__pycache__", ".git"];

/// Returns whether an entry of a project folder is never an input.
#[must_use]
pub fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name)
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, and what it says.
    Link(PathBuf),
    /// A pipe, socket or device.
    Other,
}

/// The names in a folder, sorted.
pub type Listing = Vec<(OsString, Entry)>;

/// Lists a folder by name, outputs and caches left out.
///
/// # Errors
/// The system's.
pub fn listing(path: &Path) -> io::Result<Listing> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if is_ignored(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let kind = entry.file_type()?;
        let what = if kind.is_file() {
            Entry::File
        } else if kind.is_dir() {
            Entry::Folder
        } else if kind.is_symlink() {
            // It may have been removed meanwhile; then the folder's stamp is another one.
            Entry::Link(std::fs::read_link(entry.path()).unwrap_or_default())
        } else {
            Entry::Other
        };
        found.push((entry.file_name(), what));
    }
    found.sort();
    Ok(found)
}

/// Hashes a listing: where a file becomes a folder, other inputs may be in it.
#[must_use]
pub fn digest_of_listing(listing: &[(OsString, Entry)]) -> Digest {
    let mut hasher = FieldHasher::new("directory");
    for (name, entry) in listing {
        hasher.field("name", name.as_encoded_bytes());
        match entry {
            Entry::File => hasher.field("file", b""),
            Entry::Folder => hasher.field("folder", b""),
            Entry::Link(target) => hasher.field("link", target.as_os_str().as_encoded_bytes()),
            Entry::Other => hasher.field("other", b""),
        }
    }
    hasher.finish()
}

/// Lists a folder and hashes that.
///
/// # Errors
/// The system's.
pub fn listing_digest(path: &Path) -> io::Result<Digest> {
    listing(path).map(|listing| digest_of_listing(&listing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_as_new_as_the_clock_is_not_trusted() {
        let now = SystemTime::now();
        let at = |age: Duration| Stamp {
            size: 1,
            modified_ns: nanoseconds_since_1970(now - age) | 1,
            changed_ns: 0,
            inode: 1,
        };
        assert!(!at(Duration::ZERO).is_trusted(now));
        assert!(!at(Duration::from_millis(20)).is_trusted(now));
        assert!(at(Duration::from_millis(200)).is_trusted(now));
    }

    #[test]
    fn whole_seconds_need_a_longer_wait() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let stamp = Stamp { size: 1, modified_ns: 999_000_000_000, changed_ns: 0, inode: 1 };
        assert!(!stamp.is_trusted(now));
        assert!(stamp.is_trusted(now + Duration::from_secs(2)));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_and_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.zig");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert_eq!(read(&pipe, 10).err().unwrap().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read(&path, 10).err().unwrap().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&path, 11).unwrap().bytes.len(), 11);
    }
}
