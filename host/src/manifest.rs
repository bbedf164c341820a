//! The fast path: one small file per module and configuration that says what to
//! look at, and which library to load if nothing changed.
//!
//! A hit is decided here and nowhere else: file metadata and this file, no
//! engine, no process, no lock. Content is hashed only where the metadata
//! differs or cannot be trusted.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::closure::Closure;
use crate::digest::{self, Digest};
use crate::stamp::{self, Stamp};
use crate::store;
use crate::toolchain::Located;

/// A manifest is never larger than this; a larger file is not ours.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// An input that has to be hashed again may be this large.
const INPUT_BYTES_MAX: u64 = 1 << 30;

/// Writes paths as the bytes that they are: not every file name is UTF-8.
mod path_bytes {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};
    use serde_bytes::ByteBuf;

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(path.as_os_str().as_encoded_bytes())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        ByteBuf::deserialize(deserializer).map(|bytes| from_bytes(bytes.into_vec()))
    }

    #[cfg(unix)]
    fn from_bytes(bytes: Vec<u8>) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        OsString::from_vec(bytes).into()
    }

    #[cfg(not(unix))]
    fn from_bytes(bytes: Vec<u8>) -> PathBuf {
        OsString::from(String::from_utf8_lossy(&bytes).into_owned()).into()
    }
}

/// A path in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPath(#[serde(with = "path_bytes")] pub PathBuf);

/// A recorded file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Absolute.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Whether the digest is of a folder's listing.
    pub is_folder: bool,
    /// What the metadata were when the digest was taken.
    pub stamp: Stamp,
    /// Whether equal metadata mean equal content.
    pub trusted: bool,
    /// Of the content or the listing.
    pub digest: Digest,
}

/// What a loaded module says about itself as `__zigimport__`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// Dotted name.
    pub module: String,
    /// The module's own file, absolute.
    #[serde(with = "path_bytes")]
    pub source_path: PathBuf,
    /// Artifact key, hexadecimal.
    pub key: String,
    /// Version of the compiler that built it.
    pub zig_version: String,
    /// Optimize mode.
    pub optimize: String,
    /// Target label.
    pub target: String,
    /// ABI tag.
    pub abi: String,
}

/// The library that a manifest leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Of its bytes.
    pub digest: Digest,
    /// Of its file name.
    pub suffix: String,
    /// Taken when it was published and verified.
    pub stamp: Stamp,
}

/// Everything that decides a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What must be unchanged.
    pub inputs: Vec<Recorded>,
    /// What must still not be there.
    pub absent: Vec<StoredPath>,
    /// The compiler's program and its stamp.
    pub zig: Option<(StoredPath, Stamp)>,
    /// The sources of the binding library, where there is one.
    pub package: Option<StoredPath>,
    /// What to load.
    pub library: Library,
    /// What it is.
    pub record: BuildRecord,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing changed. `updated` has new stamps that are worth writing back.
    Fresh {
        /// The same manifest with the stamps of now.
        updated: Option<Box<Manifest>>,
    },
    /// Something changed; the planner will say what.
    Stale,
}

impl Manifest {
    /// Returns the recorded form of a closure.
    #[must_use]
    pub fn inputs_of(closure: &Closure) -> Vec<Recorded> {
        let files =
            closure.inputs.iter().chain(&closure.settings_file).chain(&closure.plugin_files).map(|input| Recorded {
                path: input.path.clone(),
                is_folder: false,
                stamp: input.stamp,
                trusted: input.trusted,
                digest: input.digest,
            });
        let folders = closure.folders.iter().map(|folder| Recorded {
            path: folder.path.clone(),
            is_folder: true,
            stamp: folder.stamp,
            trusted: folder.trusted,
            digest: folder.digest,
        });
        files.chain(folders).collect()
    }

    /// Checks every recorded input. `zig` is the compiler of now, or `None`
    /// where there is none or it does not matter.
    #[must_use]
    pub fn check(&self, zig: Option<&Located>) -> Freshness {
        if let Some(now) = zig {
            match &self.zig {
                Some((path, stamp)) if path.0 == now.path && *stamp == now.stamp => {}
                _ => return Freshness::Stale,
            }
        }
        let mut updates: Vec<(usize, Recorded)> = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            match Stamp::at(&input.path) {
                Ok(stamp) if stamp == input.stamp && input.trusted => {}
                Ok(_) => match input.taken_again() {
                    Some(now) if now.digest == input.digest => updates.push((index, now)),
                    _ => return Freshness::Stale,
                },
                Err(_) => return Freshness::Stale,
            }
        }
        if self.absent.iter().any(|path| path.0.symlink_metadata().is_ok()) {
            return Freshness::Stale;
        }
        // Rewriting pays only once the stamps can be trusted.
        if !updates.iter().any(|(_, input)| input.trusted) {
            return Freshness::Fresh { updated: None };
        }
        let mut updated = self.clone();
        for (index, input) in updates {
            updated.inputs[index] = input;
        }
        Freshness::Fresh { updated: Some(Box::new(updated)) }
    }

    /// Returns the bytes of the file, a checksum at the end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        digest::seal(postcard::to_stdvec(self).expect("a manifest has only encodable fields"))
    }

    /// Reads the bytes of a file; anything but a whole manifest is `None`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(digest::unseal(bytes)?).ok()
    }

    /// Reads a manifest and its stamp; one that is absent, damaged or somebody
    /// else's is `None`, a miss.
    #[must_use]
    pub fn read(path: &Path) -> Option<(Self, Stamp)> {
        let content = stamp::read(path, MANIFEST_BYTES_MAX).ok()?;
        if store::distrust(&content.metadata).is_some() {
            return None;
        }
        Some((Self::decode(&content.bytes)?, content.stamp))
    }
}

impl Recorded {
    /// Records a file as it is now, or `None` where it cannot be read.
    #[must_use]
    pub fn file(path: &Path) -> Option<Self> {
        let content = stamp::read(path, INPUT_BYTES_MAX).ok()?;
        Some(Self {
            path: path.to_owned(),
            is_folder: false,
            stamp: content.stamp,
            trusted: content.trusted,
            digest: Digest::of(&content.bytes),
        })
    }

    /// Takes stamp and digest again.
    #[must_use]
    pub fn taken_again(&self) -> Option<Self> {
        if !self.is_folder {
            return Self::file(&self.path);
        }
        let stamp = Stamp::at(&self.path).ok()?;
        let read_at = SystemTime::now();
        let digest = stamp::listing_digest(&self.path).ok()?;
        Some(Self { stamp, digest, trusted: stamp.is_trusted(read_at), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn manifest(inputs: Vec<Recorded>, absent: Vec<PathBuf>) -> Manifest {
        Manifest {
            inputs,
            absent: absent.into_iter().map(StoredPath).collect(),
            zig: None,
            package: None,
            library: Library {
                digest: Digest::of(b"library"),
                suffix: ".so".into(),
                stamp: Stamp { size: 1, modified_ns: 2, changed_ns: 3, inode: 4 },
            },
            record: BuildRecord {
                module: "m".into(),
                source_path: "/m.zig".into(),
                key: String::new(),
                zig_version: "0.16.0".into(),
                optimize: "Debug".into(),
                target: "x86_64-linux-gnu".into(),
                abi: "abi3".into(),
            },
        }
    }

    #[test]
    fn encoding_round_trips_and_any_flipped_bit_is_a_miss() {
        let whole = manifest(Vec::new(), vec!["/a".into()]);
        let bytes = whole.encode();
        assert_eq!(Manifest::decode(&bytes), Some(whole));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::decode(&flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..length]), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_kept() {
        use std::os::unix::ffi::OsStringExt;
        let path = PathBuf::from(std::ffi::OsString::from_vec(b"/\xff.zig".to_vec()));
        let whole = manifest(Vec::new(), vec![path]);
        assert_eq!(Manifest::decode(&whole.encode()), Some(whole));
    }

    #[test]
    fn a_same_size_edit_with_a_restored_timestamp_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        std::fs::write(&path, "one").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(150));
        let checked = manifest(vec![Recorded::file(&path).unwrap()], Vec::new());
        assert!(checked.inputs[0].trusted);
        assert_eq!(checked.check(None), Freshness::Fresh { updated: None });
        std::fs::write(&path, "two").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(checked.check(None), Freshness::Stale);
    }

    #[test]
    fn an_edit_at_once_after_the_check_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        for round in 0..50 {
            std::fs::write(&path, format!("{round:04}")).unwrap();
            let checked = manifest(vec![Recorded::file(&path).unwrap()], Vec::new());
            std::fs::write(&path, format!("{:04}", round + 1)).unwrap();
            assert_eq!(checked.check(None), Freshness::Stale, "round {round}");
        }
    }

    #[test]
    fn a_touched_file_stays_fresh_and_gets_its_new_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        std::fs::write(&path, "one").unwrap();
        let old = manifest(vec![Recorded::file(&path).unwrap()], Vec::new());
        std::thread::sleep(Duration::from_millis(150));
        let Freshness::Fresh { updated: Some(updated) } = old.check(None) else { panic!("not fresh") };
        assert!(updated.inputs[0].trusted);
        assert_eq!(updated.check(None), Freshness::Fresh { updated: None });
    }

    #[test]
    fn what_appears_in_a_folder_or_where_nothing_was_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let listed = Recorded {
            path: folder.path().to_owned(),
            is_folder: true,
            stamp: Stamp { size: 0, modified_ns: 0, changed_ns: 0, inode: 0 },
            trusted: false,
            digest: stamp::listing_digest(folder.path()).unwrap(),
        };
        let pyproject = folder.path().join(".pyproject.toml");
        let checked = manifest(vec![listed], vec![pyproject.clone()]);
        assert_ne!(checked.check(None), Freshness::Stale);
        std::fs::create_dir(folder.path().join("zig-out")).unwrap();
        assert_ne!(checked.check(None), Freshness::Stale);
        std::fs::write(&pyproject, "").unwrap();
        assert_eq!(checked.check(None), Freshness::Stale);
        std::fs::remove_file(&pyproject).unwrap();
        std::fs::write(folder.path().join("new.zig"), "").unwrap();
        assert_eq!(checked.check(None), Freshness::Stale);
    }
}
