//! A shared cache in a directory, such as a mounted share, laid out as a [`Store`].

use std::fs::Metadata;
use std::io;
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
    /// The directory is not there, or everybody can write to it.
    pub fn entries(&self, source_key: Digest) -> Result<Vec<Shared>> {
        self.check_root()?;
        let name = source_key.hex();
        let folder = self.root().join(ENTRIES).join(&name[..2]).join(&name);
        let mut entries = Vec::new();
        for found in std::fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX) {
            let entry = self.entry(&found.path())?.filter(|entry| entry.source_key == name);
            entries.extend(entry.map(|entry| Shared { entry, object: None }));
        }
        newest_first(&mut entries);
        Ok(entries)
    }

    /// Returns the whole entry of a folder, if its object is there too.
    fn entry(&self, folder: &Path) -> Result<Option<Entry>> {
        let path = folder.join(META);
        let Ok(content) = stamp::read(&path, ENTRY_BYTES_MAX) else { return Ok(None) };
        let Ok(entry) = Entry::parse(&content.bytes) else { return Ok(None) };
        if self.root().join(store::entry_folder(&entry)) != folder {
            return Ok(None);
        }
        let object = self.object(&entry);
        let Ok(metadata) = object.metadata() else { return Ok(None) };
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
        // What is damaged there is found by whoever takes it, and mended by whoever has it.
        if self.entry(&self.root().join(&folder))?.is_some_and(|found| self.packed(&found).is_ok()) {
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

    /// Publishes a file; the folders above it are for whom the umask lets in.
    fn publish(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let below = path.strip_prefix(self.root()).map_err(io::Error::other)?;
        let (Some(folder), Some(name)) = (below.parent(), below.file_name().and_then(|name| name.to_str())) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let root = Dir::open_ambient_dir(self.root(), cap_std::ambient_authority())?;
        root.create_dir_all(folder)?;
        publish::publish(&root.open_dir(folder)?, name, bytes, mode, Existing::Replace).map(drop)
    }
}

/// Refuses what everybody can write to.
fn trusted(path: &Path, metadata: &Metadata) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.mode() & 0o002 != 0 {
            let reason = format!("everybody can write to it (mode {:o}); run: chmod o-w", metadata.mode() & 0o777);
            return Err(Error::Remote { action: "trust", path: path.to_owned(), reason });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}
