//! A shared cache: a directory with entries and objects of other machines or
//! users, laid out as those of a [`Store`].
//!
//! A module that is not in the store is looked for there before it is built, and
//! what was built is put there where that is asked for. To plan reads entries
//! and looks at metadata; what is fetched goes into the store first and takes the
//! store's way from there.
//!
//! | from there | is used if |
//! | --- | --- |
//! | an entry | it is regular and not too large, has its checksum, the key that its fields give, and the source key that was asked for; compiler, headers and discovered inputs fit |
//! | an object | it is not larger than its entry's library can be when compressed, and decompresses to exactly the recorded size and digest |
//! | either | not everybody can write to it or to the folders above it |
//!
//! That a library was made of the sources that its key stands for, only its maker
//! knows: whoever can write there can run code as whoever reads. So a directory
//! that everybody can write to is refused; a group may, and files may belong to
//! anybody.
//!
//! Nothing that fails here makes an import fail: it is said once, and the module
//! is built.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;

use crate::archive::{self, Carried};
use crate::config::Layer;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::object::{self, Record};
use crate::publish::{self, Existing};
use crate::registry::{self, Stored};
use crate::report::{Frontend, Level};
use crate::stamp;
use crate::store::{self, ENTRIES, ENTRY_BYTES_MAX, Entry, META, Store};

/// More artifacts of one source are not looked at: each has another compiler or
/// other discovered inputs.
const ENTRIES_MAX: usize = 100;

/// A shared cache that exists.
pub struct Remote {
    /// Only for the paths in it: it is no store of this user's.
    paths: Store,
}

impl Remote {
    /// Takes the directory that the settings name, if they name one.
    ///
    /// # Errors
    /// It is a URL.
    pub fn of(layer: &Layer) -> Result<Option<Self>> {
        let Some(path) = &layer.remote_cache else { return Ok(None) };
        if let Some((scheme, _)) = path.to_string_lossy().split_once("://") {
            return Err(Error::Setting {
                name: "ZIGIMPORT_REMOTE_CACHE".to_owned(),
                // The rest may have a password in it.
                value: format!("{scheme}://…"),
                place: String::new(),
                expected: "a directory, such as a mounted share; URLs are not supported".to_owned(),
            });
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Ok(Some(Self { paths: Store::at(path) }))
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.paths.root()
    }

    /// Returns the entries of a source key whose objects are there, the newest first. A
    /// damaged one is left out. Reads no object.
    ///
    /// # Errors
    /// The directory is not there, or everybody can write to it.
    pub fn entries(&self, source_key: Digest) -> Result<Vec<Entry>> {
        self.check_root()?;
        let name = source_key.hex();
        let folder = self.root().join(ENTRIES).join(&name[..2]).join(&name);
        let mut entries = Vec::new();
        for found in std::fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX) {
            entries.extend(self.entry(&found.path())?.filter(|entry| entry.source_key == name));
        }
        entries
            .sort_by(|left, right| right.created_unix.cmp(&left.created_unix).then_with(|| left.key.cmp(&right.key)));
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

    /// Takes an artifact into the store: its object, after checking it, and then its entry.
    /// Returns the bytes of the object.
    ///
    /// # Errors
    /// The object is not what the entry says, or the store cannot be written.
    pub fn fetch(&self, store: &Store, entry: &Entry) -> Result<u64> {
        let (record, packed) = self.packed(entry)?;
        store.put_object(record.library, &packed)?;
        store.put_entry(entry)?;
        Ok(packed.len() as u64)
    }

    /// Returns the object of an entry, after checking it, and what is recorded of it.
    fn packed(&self, entry: &Entry) -> Result<(Record, Vec<u8>)> {
        let path = self.object(entry);
        let failed = |error: &io::Error| Error::remote("fetch", &path, error);
        let record = entry.record().ok_or_else(|| failed(&io::ErrorKind::InvalidData.into()))?;
        let packed =
            stamp::read(&path, object::packed_bytes_max(entry.artifact_bytes)).map_err(|error| failed(&error))?.bytes;
        object::check(&packed, &record).map_err(|error| failed(&error))?;
        Ok((record, packed))
    }

    /// Puts an artifact of the store there, object first, unless a whole one is there.
    /// Returns the bytes of the object if it was written.
    ///
    /// # Errors
    /// The artifact is lost or damaged, or the directory is not there, cannot be written,
    /// or everybody can write to it.
    pub fn put(&self, store: &Store, entry: &Entry) -> Result<Option<u64>> {
        self.check_root()?;
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

/// Says that the shared cache fails, once for a process.
pub fn warn(frontend: &dyn Frontend, error: &Error) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let level = if WARNED.swap(true, Ordering::Relaxed) { Level::Debug } else { Level::Warning };
    frontend.report(level, format!("{error}; going on without it"));
}

/// Returns the shared cache for a command that cannot do without.
fn required(layer: &Layer) -> Result<Remote> {
    Remote::of(layer)?.ok_or_else(|| Error::Registry {
        message: "there is no shared cache".to_owned(),
        hint: "set ZIGIMPORT_REMOTE_CACHE to its directory".to_owned(),
    })
}

/// Puts artifacts of the store there.
///
/// # Errors
/// As for [`Remote::put`]; what was put by then stays.
pub fn push(layer: &Layer, store: &Store, all: &[Stored]) -> Result<Carried> {
    let remote = required(layer)?;
    let mut carried = Carried::default();
    for stored in all {
        match remote.put(store, &stored.entry)? {
            Some(bytes) => {
                carried.entries += 1;
                carried.bytes += bytes;
            }
            None => carried.present += 1,
        }
    }
    Ok(carried)
}

/// Takes the artifacts whose keys start with one of `prefixes`, or all, into the store.
///
/// # Errors
/// No key starts like that; as for [`Remote::fetch`], and what was taken by then stays.
pub fn pull(layer: &Layer, store: &Store, prefixes: Option<&[String]>) -> Result<Carried> {
    let remote = required(layer)?;
    remote.check_root()?;
    let mut entries = Vec::new();
    for folder in registry::entry_folders(&remote.paths) {
        entries.extend(remote.entry(&folder)?);
    }
    if let Some(prefixes) = prefixes {
        if let Some(prefix) =
            prefixes.iter().find(|one| !entries.iter().any(|entry| entry.key.starts_with(one.as_str())))
        {
            return Err(Error::Registry {
                message: format!("no artifact in `{}` has a key that starts with `{prefix}`", remote.root().display()),
                hint: "`zigimport cache pull --all` takes all of them".to_owned(),
            });
        }
        entries.retain(|entry| prefixes.iter().any(|one| entry.key.starts_with(one.as_str())));
    }
    let mut carried = Carried::default();
    for entry in entries {
        if archive::is_present(store, &entry) {
            carried.present += 1;
        } else {
            carried.bytes += remote.fetch(store, &entry)?;
            carried.entries += 1;
        }
    }
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{entry_of, store};

    fn shared() -> (tempfile::TempDir, Layer, Remote) {
        let folder = tempfile::tempdir().unwrap();
        let layer = Layer { remote_cache: Some(folder.path().to_owned()), ..Layer::default() };
        let remote = Remote::of(&layer).unwrap().unwrap();
        (folder, layer, remote)
    }

    fn put(store: &Store, module: &str) -> Entry {
        let content = module.repeat(500);
        let (_, library, _) = store.put_library(content.as_bytes(), ".so").unwrap();
        let entry = entry_of(module, library.digest, content.len() as u64);
        store.put_entry(&entry).unwrap();
        entry
    }

    fn key(entry: &Entry) -> Digest {
        Digest::from_hex(&entry.source_key).unwrap()
    }

    #[test]
    fn what_is_pushed_is_found_and_pulled() {
        let (_shared, layer, remote) = shared();
        let (_folder, one) = store();
        let entries = [put(&one, "m"), put(&one, "n")];
        let pushed = push(&layer, &one, &registry::list(&one)).unwrap();
        assert_eq!((pushed.entries, pushed.present), (2, 0));
        assert_eq!(push(&layer, &one, &registry::list(&one)).unwrap(), Carried { entries: 0, present: 2, bytes: 0 });
        assert_eq!(remote.entries(key(&entries[0])).unwrap(), entries[..1]);
        assert!(remote.entries(Digest::of(b"other")).unwrap().is_empty());
        let (_other, two) = store();
        let prefix = [entries[1].key[..8].to_owned()];
        assert_eq!(pull(&layer, &two, Some(&prefix)).unwrap().entries, 1);
        assert_eq!(pull(&layer, &two, None).unwrap(), Carried { entries: 1, present: 1, bytes: pushed.bytes / 2 });
        for entry in &entries {
            assert!(registry::library(&two, entry).is_ok());
        }
        assert!(pull(&layer, &two, Some(&["ffffffffffff".to_owned()])).is_err());
        assert!(pull(&Layer::default(), &two, None).unwrap_err().report().contains("ZIGIMPORT_REMOTE_CACHE"));
    }

    #[test]
    fn nothing_there_is_trusted_by_its_name() {
        type Damage = fn(&Path, &Path);
        let cases: [(bool, Damage); 8] = [
            // Entries: none is found.
            (true, |entry, _| std::fs::write(entry, "{}").unwrap()),
            (true, |entry, _| std::fs::write(entry, b"").unwrap()),
            (true, |entry, _| {
                let text = std::fs::read_to_string(entry).unwrap();
                std::fs::write(entry, text.replace("Debug", "ReleaseFast")).unwrap();
            }),
            (true, |_, object| std::fs::remove_file(object).unwrap()),
            // Larger than anything that the entry can stand for.
            (true, |_, object| std::fs::write(object, vec![0; 1 << 20]).unwrap()),
            // Objects: found by their metadata, and refused when they are read.
            (false, |_, object| std::fs::write(object, b"poison").unwrap()),
            (false, |_, object| std::fs::write(object, object::pack(&b"x".repeat(500)).unwrap()).unwrap()),
            (false, |_, object| std::fs::write(object, object::pack(&[0; 100_000]).unwrap()).unwrap()),
        ];
        for (number, (is_of_entry, damage)) in cases.into_iter().enumerate() {
            let (_shared, layer, remote) = shared();
            let (_folder, one) = store();
            let entry = put(&one, "m");
            push(&layer, &one, &registry::list(&one)).unwrap();
            let meta = remote.root().join(store::entry_folder(&entry)).join(META);
            let object = remote.object(&entry);
            let writable = |path: &Path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::remove_file(path).unwrap();
                std::fs::write(path, bytes).unwrap();
            };
            writable(&meta);
            writable(&object);
            damage(&meta, &object);
            let found = remote.entries(key(&entry)).unwrap();
            assert_eq!(found.is_empty(), is_of_entry, "{number}");
            let (_other, two) = store();
            for entry in &found {
                let error = remote.fetch(&two, entry).unwrap_err();
                assert!(matches!(error, Error::Remote { .. }), "{number}: {error}");
            }
            assert!(registry::list(&two).is_empty() && two.sizes().is_empty());
            // Whoever has a whole one mends it.
            assert_eq!(push(&layer, &one, &registry::list(&one)).unwrap().entries, 1, "{number}");
            assert_eq!(remote.entries(key(&entry)).unwrap(), std::slice::from_ref(&entry));
            remote.fetch(&two, &entry).unwrap();
        }
    }

    #[test]
    fn the_entry_of_another_key_is_none() {
        let (_shared, layer, remote) = shared();
        let (_folder, one) = store();
        let (wanted, other) = (put(&one, "m"), put(&one, "n"));
        push(&layer, &one, &registry::list(&one)).unwrap();
        let folder = |entry: &Entry| remote.root().join(store::entry_folder(entry));
        std::fs::remove_dir_all(folder(&wanted)).unwrap();
        std::fs::rename(folder(&other), folder(&wanted)).unwrap();
        assert!(remote.entries(key(&wanted)).unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn what_everybody_can_write_to_is_refused_and_what_a_group_can_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let (_shared, layer, remote) = shared();
        let (_folder, one) = store();
        let entry = put(&one, "m");
        push(&layer, &one, &registry::list(&one)).unwrap();
        let meta = remote.root().join(store::entry_folder(&entry)).join(META);
        let paths: Vec<PathBuf> = [meta.as_path(), &remote.object(&entry)]
            .into_iter()
            .flat_map(|path| path.ancestors().take_while(|path| path.starts_with(remote.root())).map(Path::to_owned))
            .collect();
        assert!(paths.len() >= 8);
        for path in paths {
            let before = path.metadata().unwrap().permissions();
            for (mode, is_refused) in [(0o777, true), (0o775, false)] {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                let found = remote.entries(key(&entry));
                assert_eq!(found.is_err(), is_refused, "{} {mode:o}", path.display());
                assert_eq!(pull(&layer, &one, None).is_err(), is_refused);
            }
            std::fs::set_permissions(&path, before).unwrap();
        }
    }

    #[test]
    fn a_url_is_refused_without_its_password() {
        let layer = Layer { remote_cache: Some("https://me:word@host/cache".into()), ..Layer::default() };
        let error = Remote::of(&layer).err().unwrap().report();
        assert!(error.contains("https://") && error.contains("a directory") && !error.contains("word"), "{error}");
    }
}
