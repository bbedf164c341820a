//! A shared cache in a directory, such as a mounted share, laid out as a [`Store`].
//!
//! What is made in it is for its group as the directory itself is, whatever the umask: else
//! only its first writer could use what is new.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::{ENTRIES_MAX, Shared, checked, newest_first};
use crate::archive::{self, Carried};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::object::{self, Record};
use crate::publish::{self, Existing};
use crate::registry;
use crate::stamp;
use crate::store::{self, ENTRIES, ENTRY_BYTES_MAX, Entry, META, Store};

/// A directory, which need not exist.
pub struct Directory {
    /// Only for the paths in it: it is no store of this user's.
    paths: Store,
}

impl Directory {
    /// Takes a directory. Relative paths are those of the working directory.
    pub fn at(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { paths: Store::at(path) }
    }

    /// Returns its path.
    pub fn root(&self) -> &Path {
        self.paths.root()
    }

    /// Returns the entries of a source key whose objects are there, the newest first. A
    /// damaged one is left out. Reads no object.
    ///
    /// # Errors
    /// The directory is not there, everybody can write to it, or this user may not read
    /// what it has.
    pub fn entries(&self, source_key: Digest) -> Result<Vec<Shared>> {
        self.check_root()?;
        let name = source_key.hex();
        let folder = self.root().join(ENTRIES).join(&name[..2]).join(&name);
        let found = std::fs::read_dir(&folder);
        if let Err(error) = &found {
            denied(&folder, error)?;
        }
        let mut entries = Vec::new();
        let mut unread = None;
        for found in found.into_iter().flatten().flatten().take(ENTRIES_MAX) {
            match self.entry(&found.path()) {
                Err(error) if is_denied(&error) => unread = Some(error),
                entry => {
                    let entry = entry?.filter(|entry| entry.source_key == name);
                    entries.extend(entry.map(|entry| Shared { entry, object: None }));
                }
            }
        }
        if let Some(error) = unread.filter(|_| entries.is_empty()) {
            return Err(error);
        }
        newest_first(&mut entries);
        Ok(entries)
    }

    /// Returns the whole entry of a folder, if its object is there too.
    fn entry(&self, folder: &Path) -> Result<Option<Entry>> {
        let path = folder.join(META);
        let content = match stamp::read(&path, ENTRY_BYTES_MAX) {
            Ok(content) => content,
            Err(error) => return denied(&path, &error).map(|()| None),
        };
        let Ok(entry) = Entry::parse(&content.bytes) else { return Ok(None) };
        if self.root().join(store::entry_folder(&entry)) != folder {
            return Ok(None);
        }
        let object = self.object(&entry);
        let metadata = match object.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return denied(&object, &error).map(|()| None),
        };
        for (path, metadata) in [(&path, &content.metadata), (&object, &metadata)] {
            trusted(path, metadata)?;
            self.check_above(path)?;
        }
        Ok((metadata.is_file() && metadata.len() <= object::packed_bytes_max(entry.artifact_bytes)).then_some(entry))
    }

    fn object(&self, entry: &Entry) -> PathBuf {
        self.paths.object_path(Digest::from_hex(&entry.artifact).unwrap_or(Digest([0; 32])))
    }

    fn check_root(&self) -> Result<()> {
        let metadata = self.root().metadata().and_then(|metadata| match metadata.is_dir() {
            true => Ok(metadata),
            false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        });
        let metadata = metadata.map_err(|error| Error::remote("use", self.root(), &error))?;
        trusted(self.root(), &metadata)
    }

    /// Refuses a folder between the directory and a file in it to which everybody can write.
    fn check_above(&self, path: &Path) -> Result<()> {
        path.ancestors()
            .skip(1)
            .take_while(|folder| *folder != self.root())
            .try_for_each(|folder| folder.metadata().map_or(Ok(()), |metadata| trusted(folder, &metadata)))
    }

    /// Returns every whole entry whose object is there.
    ///
    /// # Errors
    /// As for [`Self::entries`].
    pub fn all(&self) -> Result<Vec<Entry>> {
        self.check_root()?;
        let mut entries = Vec::new();
        for folder in registry::entry_folders(&self.paths) {
            entries.extend(self.entry(&folder)?);
        }
        Ok(entries)
    }

    /// Returns the object of an entry, after checking it, and what is recorded of it.
    ///
    /// # Errors
    /// It cannot be read, or is not what the entry says.
    pub fn packed(&self, entry: &Entry) -> Result<(Record, Vec<u8>)> {
        let path = self.object(entry);
        let failed = |error: &io::Error| Error::remote("fetch", &path, error);
        let packed =
            stamp::read(&path, object::packed_bytes_max(entry.artifact_bytes)).map_err(|error| failed(&error))?.bytes;
        let record = checked(&packed, entry).map_err(|reason| failed(&io::Error::other(reason)))?;
        Ok((record, packed))
    }

    /// Puts artifacts of the store there, each object before its entry.
    ///
    /// # Errors
    /// As for [`super::Remote::put`].
    pub fn put(&self, store: &Store, all: &[&Entry]) -> Result<Carried> {
        self.check_root()?;
        let mut carried = Carried::default();
        for entry in all {
            match self.put_one(store, entry)? {
                Some(bytes) => {
                    carried.entries += 1;
                    carried.bytes += bytes;
                }
                None => carried.present += 1,
            }
        }
        Ok(carried)
    }

    /// Returns the bytes of the object if it was written: no whole one was there.
    fn put_one(&self, store: &Store, entry: &Entry) -> Result<Option<u64>> {
        let folder = store::entry_folder(entry);
        // What is damaged there, or cannot be read, is found by whoever takes it, and mended
        // by whoever has it.
        let found = match self.entry(&self.root().join(&folder)) {
            Err(error) if is_denied(&error) => None,
            found => found?,
        };
        if found.is_some_and(|found| self.packed(&found).is_ok()) {
            return Ok(None);
        }
        let packed = archive::object(store, entry)?;
        let text = serde_json::to_vec_pretty(entry).expect("an entry has only encodable fields");
        for (path, bytes, mode) in
            [(self.object(entry), &packed, 0o444), (self.root().join(folder).join(META), &text, 0o644)]
        {
            self.publish(&path, bytes, mode).map_err(|error| Error::remote("write", &path, &error))?;
        }
        Ok(Some(packed.len() as u64))
    }

    /// Publishes a file, and makes the folders above it.
    fn publish(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let below = path.strip_prefix(self.root()).map_err(io::Error::other)?;
        let (Some(folder), Some(name)) = (below.parent(), below.file_name().and_then(|name| name.to_str())) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let group = Group::of(&self.root().metadata()?);
        let mut above = Dir::open_ambient_dir(self.root(), cap_std::ambient_authority())?;
        for part in folder {
            match above.create_dir(part) {
                Ok(()) => group.enters(&above, Path::new(part))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            above = above.open_dir(part)?;
        }
        let mut write = |file: &mut File| file.write_all(bytes).and_then(|()| group.reads(file, mode));
        publish::publish_with(&above, name, mode, Existing::Replace, &mut write).map(drop)
    }
}

/// The permission that makes a file or folder one that nobody takes anything from.
#[cfg(unix)]
const EVERYBODY_WRITES: u32 = 0o002;

/// The group of the directory, and what it may do there.
#[cfg(unix)]
struct Group {
    id: u32,
    bits: u32,
}

#[cfg(unix)]
impl Group {
    fn of(root: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { id: root.gid(), bits: root.mode() & 0o070 }
    }

    /// Lets it do in a new folder what it may do in the directory.
    fn enters(&self, above: &Dir, name: &Path) -> io::Result<()> {
        use cap_std::fs::{MetadataExt, Permissions, PermissionsExt};
        use rustix::fs::{AtFlags, Gid};
        if above.metadata(name)?.gid() != self.id {
            // Whoever is not in the group has its own; the folder is usable to its maker.
            let _ = rustix::fs::chownat(above, name, None, Some(Gid::from_raw(self.id)), AtFlags::SYMLINK_NOFOLLOW);
        }
        let mode = above.metadata(name)?.mode();
        let wanted = mode & !EVERYBODY_WRITES & !0o070 | self.bits;
        if wanted == mode {
            return Ok(());
        }
        above.set_permissions(name, Permissions::from_mode(wanted & 0o7777))
    }

    /// Lets it do with a new file what it may do in the directory and the owner with the file.
    fn reads(&self, file: &File, mode: u32) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let metadata = file.metadata()?;
        if metadata.gid() != self.id {
            let _ = std::os::unix::fs::fchown(file, None, Some(self.id));
        }
        let wanted = metadata.mode() & !EVERYBODY_WRITES & !0o070 | self.bits & (mode >> 3) & 0o060;
        file.set_permissions(std::fs::Permissions::from_mode(wanted & 0o7777))
    }
}

/// Elsewhere what is new has the permissions of the folder that it is in.
#[cfg(not(unix))]
struct Group;

#[cfg(not(unix))]
impl Group {
    fn of(_root: &Metadata) -> Self {
        Self
    }

    fn enters(&self, _above: &Dir, _name: &Path) -> io::Result<()> {
        Ok(())
    }

    fn reads(&self, _file: &File, _mode: u32) -> io::Result<()> {
        Ok(())
    }
}

/// The action of an error about what this user may not read.
const READ: &str = "read";

/// Tells what may not be read from what is not there.
fn denied(path: &Path, error: &io::Error) -> Result<()> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Err(Error::remote(READ, path, error)),
        _ => Ok(()),
    }
}

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Remote { action: READ, .. })
}

/// Refuses what everybody can write to.
fn trusted(path: &Path, metadata: &Metadata) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.mode() & EVERYBODY_WRITES != 0 {
            let reason = format!("everybody can write to it (mode {:o}); run: chmod o-w", metadata.mode() & 0o777);
            return Err(Error::Remote { action: "trust", path: path.to_owned(), reason });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}
