//! A shared cache: entries and objects of other machines or users, in a directory or
//! behind a URL.
//!
//! A module that is not in the store is looked for there before it is built, and
//! what was built is put there where that is asked for. To plan reads entries
//! and looks whether objects are there; what is fetched goes into the store first and
//! takes the store's way from there.
//!
//! | from there | is used if |
//! | --- | --- |
//! | an entry | it is not too large, has its checksum, the key that its fields give, and the source key that was asked for; compiler, headers and discovered inputs fit |
//! | an object | it is not larger than its entry's library can be when compressed, and decompresses to exactly the recorded size and digest |
//! | either, of a directory | it is regular, and not everybody can write to it or to the folders above it |
//!
//! | module | concern |
//! | --- | --- |
//! | [`directory`] | a directory, laid out as a [`Store`] |
//! | [`server`] | what a server has for a source key, and servers that fail |
//! | [`transport`] | what carries blobs: the embedder's side |
//!
//! That a library was made of the sources that its key stands for, only its maker
//! knows: whoever can write there can run code as whoever reads. So a directory
//! that everybody can write to is refused; a group may, and files may belong to
//! anybody. Who can write to a server is the server's to decide.
//!
//! Nothing that fails here makes an import fail: it is said once, and the module
//! is built.

mod directory;
mod server;
pub mod transport;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::archive::{self, Carried};
use crate::config::Layer;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::object::{self, Record};
use crate::registry::Stored;
use crate::report::{Frontend, Level};
use crate::store::{Entry, Store};
use directory::Directory;
use server::Server;
use transport::{Address, Object, Transport};

/// More artifacts of one source are not looked at: each has another compiler or
/// other discovered inputs.
const ENTRIES_MAX: usize = 100;

/// An entry that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Checked.
    pub entry: Entry,
    /// Where a server has its library; a directory has it by name.
    object: Option<Object>,
}

/// A shared cache.
pub struct Remote<'a>(Kind<'a>);

enum Kind<'a> {
    Directory(Directory),
    Server(Server<'a>),
}

impl<'a> Remote<'a> {
    /// Takes the directory or server that the settings name, if they name one and it did
    /// not fail yet.
    ///
    /// # Errors
    /// It is a URL of an unknown scheme.
    pub fn of(layer: &Layer, transport: &'a dyn Transport) -> Result<Option<Self>> {
        let Some(path) = &layer.remote_cache else { return Ok(None) };
        let Some(url) = path.to_str().filter(|text| text.contains("://")) else {
            return Ok(Some(Self(Kind::Directory(Directory::at(path)))));
        };
        Ok(Server::of(address(layer, url), transport)?.map(|server| Self(Kind::Server(server))))
    }

    /// Returns the directory, or the URL without a password.
    #[must_use]
    pub fn shown(&self) -> &Path {
        match &self.0 {
            Kind::Directory(directory) => directory.root(),
            Kind::Server(server) => server.shown(),
        }
    }

    /// Returns the entries of a source key, the newest first. A damaged one is left out.
    /// Reads no object.
    ///
    /// # Errors
    /// The directory is not there, or everybody can write to it; the server fails.
    pub fn entries(&self, source_key: Digest) -> Result<Vec<Shared>> {
        match &self.0 {
            Kind::Directory(directory) => directory.entries(source_key),
            Kind::Server(server) => server.entries(source_key),
        }
    }

    /// Returns whether the object of an entry is there, which may have changed when it is read.
    ///
    /// # Errors
    /// The server fails.
    pub fn has(&self, shared: &Shared) -> Result<bool> {
        match (&self.0, shared.object) {
            (Kind::Server(server), Some(object)) => server.has(object),
            _ => Ok(true),
        }
    }

    /// Takes an artifact into the store: its object, after checking it, and then its entry.
    /// Returns the bytes of the object.
    ///
    /// # Errors
    /// The object is not what the entry says, or the store cannot be written.
    pub fn fetch(&self, store: &Store, shared: &Shared) -> Result<u64> {
        let entry = &shared.entry;
        let (record, packed) = match (&self.0, shared.object) {
            (Kind::Server(server), Some(object)) => server.packed(entry, object)?,
            (Kind::Directory(directory), _) => directory.packed(entry)?,
            (Kind::Server(_), None) => {
                let reason = "the entry is that of a directory".to_owned();
                return Err(Error::Remote { action: "fetch", path: self.shown().to_owned(), reason });
            }
        };
        store.put_object(record.library, &packed)?;
        store.put_entry(entry)?;
        Ok(packed.len() as u64)
    }

    /// Puts artifacts of the store there, each object first, unless a whole one is there.
    ///
    /// # Errors
    /// An artifact is lost or damaged, or the directory is not there, cannot be written,
    /// or everybody can write to it, or the server fails. What was put by then stays.
    pub fn put(&self, store: &Store, all: &[&Entry]) -> Result<Carried> {
        match &self.0 {
            Kind::Directory(directory) => directory.put(store, all),
            Kind::Server(server) => server.put(store, all),
        }
    }
}

fn address(layer: &Layer, url: &str) -> Address {
    Address { url: url.to_owned(), user: layer.remote_user.clone(), password: layer.remote_password.clone() }
}

/// Returns the directory or the URL that the settings name, without a password, and how it
/// failed before.
#[must_use]
pub fn described(layer: &Layer) -> Option<String> {
    let path = layer.remote_cache.as_ref()?;
    let shown = match path.to_str().filter(|text| text.contains("://")) {
        Some(url) => server::shown(url),
        None => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
    };
    let failure = failure(layer).map_or_else(String::new, |failure| format!(" ({failure})"));
    Some(format!("{}{failure}", shown.display()))
}

/// Returns how the server that the settings name failed before.
#[must_use]
pub fn failure(layer: &Layer) -> Option<String> {
    let url = layer.remote_cache.as_ref()?.to_str()?;
    server::failure(&address(layer, url))
}

/// Returns what is recorded of an object, if that is what it holds.
fn checked(packed: &[u8], entry: &Entry) -> Result<Record, String> {
    let record = entry.record().ok_or("its entry names no library")?;
    object::check(packed, &record).map_err(|error| error.to_string())?;
    Ok(record)
}

fn newest_first(entries: &mut [Shared]) {
    entries.sort_by(|Shared { entry: left, .. }, Shared { entry: right, .. }| {
        right.created_unix.cmp(&left.created_unix).then_with(|| left.key.cmp(&right.key))
    });
}

/// Says that the shared cache fails, once for a process.
///
/// # Errors
/// It fails because the user interrupted.
pub fn warn(frontend: &dyn Frontend, error: &Error) -> Result<()> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if frontend.interrupted() {
        return Err(Error::Interrupted);
    }
    let level = if WARNED.swap(true, Ordering::Relaxed) { Level::Debug } else { Level::Warning };
    frontend.report(level, format!("{error}; going on without it"));
    Ok(())
}

/// Returns the shared cache for a command that cannot do without.
fn required<'a>(layer: &Layer, transport: &'a dyn Transport) -> Result<Remote<'a>> {
    Remote::of(layer, transport)?.ok_or_else(|| match layer.remote_cache {
        None => Error::Registry {
            message: "there is no shared cache".to_owned(),
            hint: "set ZIGIMPORT_REMOTE_CACHE to its directory or URL".to_owned(),
        },
        Some(_) => Error::Registry {
            message: "the shared cache failed before".to_owned(),
            hint: "try again in a new process".to_owned(),
        },
    })
}

/// Puts artifacts of the store there.
///
/// # Errors
/// As for [`Remote::put`].
pub fn push(layer: &Layer, transport: &dyn Transport, store: &Store, all: &[Stored]) -> Result<Carried> {
    let entries: Vec<&Entry> = all.iter().map(|stored| &stored.entry).collect();
    required(layer, transport)?.put(store, &entries)
}

/// Takes the artifacts whose keys start with one of `prefixes`, or all, into the store.
///
/// # Errors
/// No key starts like that, or it is a server, which cannot say what it has; as for
/// [`Remote::fetch`], and what was taken by then stays.
pub fn pull(layer: &Layer, transport: &dyn Transport, store: &Store, prefixes: Option<&[String]>) -> Result<Carried> {
    let remote = required(layer, transport)?;
    let Kind::Directory(directory) = &remote.0 else {
        return Err(Error::Registry {
            message: format!("`{}` is a server, which cannot be asked what it has", remote.shown().display()),
            hint: "import the modules or run `zigimport build`: each takes from there what it needs; \
                   only a directory can be pulled"
                .to_owned(),
        });
    };
    let mut entries = directory.all()?;
    if let Some(prefixes) = prefixes {
        if let Some(prefix) =
            prefixes.iter().find(|one| !entries.iter().any(|entry| entry.key.starts_with(one.as_str())))
        {
            return Err(Error::Registry {
                message: format!("no artifact in `{}` has a key that starts with `{prefix}`", remote.shown().display()),
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
            carried.bytes += remote.fetch(store, &Shared { entry, object: None })?;
            carried.entries += 1;
        }
    }
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::transport::{Blob, NoTransport};
    use super::*;
    use crate::registry;
    use crate::store::tests::{entry_of, store};
    use crate::store::{self, META};

    fn shared() -> (tempfile::TempDir, Layer, Remote<'static>) {
        let folder = tempfile::tempdir().unwrap();
        let layer = Layer { remote_cache: Some(folder.path().to_owned()), ..Layer::default() };
        let remote = Remote::of(&layer, &NoTransport).unwrap().unwrap();
        (folder, layer, remote)
    }

    fn put(store: &Store, module: &str) -> Entry {
        let content = module.repeat(500);
        let (_, library, _) = store.put_library(content.as_bytes(), ".so").unwrap();
        let entry = entry_of(module, library.digest, content.len() as u64);
        store.put_entry(&entry).unwrap();
        entry
    }

    fn found(remote: &Remote<'_>, entry: &Entry) -> Vec<Entry> {
        remote.entries(key(entry)).unwrap().into_iter().map(|shared| shared.entry).collect()
    }

    fn object(remote: &Remote<'_>, entry: &Entry) -> PathBuf {
        Store::at(remote.shown().to_owned()).object_path(Digest::from_hex(&entry.artifact).unwrap())
    }

    fn key(entry: &Entry) -> Digest {
        Digest::from_hex(&entry.source_key).unwrap()
    }

    #[test]
    fn what_is_pushed_is_found_and_pulled() {
        let (_shared, layer, remote) = shared();
        let (_folder, one) = store();
        let entries = [put(&one, "m"), put(&one, "n")];
        let pushed = push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap();
        assert_eq!((pushed.entries, pushed.present), (2, 0));
        assert_eq!(
            push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap(),
            Carried { entries: 0, present: 2, bytes: 0 }
        );
        assert_eq!(found(&remote, &entries[0]), entries[..1]);
        assert!(remote.entries(Digest::of(b"other")).unwrap().is_empty());
        let (_other, two) = store();
        let prefix = [entries[1].key[..8].to_owned()];
        assert_eq!(pull(&layer, &NoTransport, &two, Some(&prefix)).unwrap().entries, 1);
        assert_eq!(
            pull(&layer, &NoTransport, &two, None).unwrap(),
            Carried { entries: 1, present: 1, bytes: pushed.bytes / 2 }
        );
        for entry in &entries {
            assert!(registry::library(&two, entry).is_ok());
        }
        assert!(pull(&layer, &NoTransport, &two, Some(&["ffffffffffff".to_owned()])).is_err());
        assert!(
            pull(&Layer::default(), &NoTransport, &two, None).unwrap_err().report().contains("ZIGIMPORT_REMOTE_CACHE")
        );
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
            push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap();
            let meta = remote.shown().join(store::entry_folder(&entry)).join(META);
            let object = object(&remote, &entry);
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
            assert_eq!(push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap().entries, 1, "{number}");
            let mended = remote.entries(key(&entry)).unwrap();
            assert_eq!(mended[0].entry, entry);
            remote.fetch(&two, &mended[0]).unwrap();
        }
    }

    #[test]
    fn the_entry_of_another_key_is_none() {
        let (_shared, layer, remote) = shared();
        let (_folder, one) = store();
        let (wanted, other) = (put(&one, "m"), put(&one, "n"));
        push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap();
        let folder = |entry: &Entry| remote.shown().join(store::entry_folder(entry));
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
        push(&layer, &NoTransport, &one, &registry::list(&one)).unwrap();
        let meta = remote.shown().join(store::entry_folder(&entry)).join(META);
        let paths: Vec<PathBuf> = [meta.as_path(), &object(&remote, &entry)]
            .into_iter()
            .flat_map(|path| path.ancestors().take_while(|path| path.starts_with(remote.shown())).map(Path::to_owned))
            .collect();
        assert!(paths.len() >= 8);
        for path in paths {
            let before = path.metadata().unwrap().permissions();
            for (mode, is_refused) in [(0o777, true), (0o775, false)] {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                let found = remote.entries(key(&entry));
                assert_eq!(found.is_err(), is_refused, "{} {mode:o}", path.display());
                assert_eq!(pull(&layer, &NoTransport, &one, None).is_err(), is_refused);
            }
            std::fs::set_permissions(&path, before).unwrap();
        }
    }

    /// A server in memory.
    #[derive(Default)]
    struct Memory {
        blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
        /// What another one writes right before an index is written.
        race: Mutex<Vec<(Digest, Vec<u8>)>>,
        calls: Mutex<u32>,
        fails: bool,
    }

    impl Memory {
        fn name(blob: Blob) -> Digest {
            match blob {
                Blob::Index { name, .. } => name,
                Blob::Object(Object { digest, .. }) => digest,
            }
        }

        fn called(&self) -> Result<(), String> {
            *self.calls.lock().unwrap() += 1;
            if self.fails { Err("it is broken".to_owned()) } else { Ok(()) }
        }

        /// Applies a change to all blobs that are an index, or to all others.
        fn damage(&self, is_index: bool, change: impl Fn(&[u8]) -> Vec<u8>) {
            for bytes in self.blobs.lock().unwrap().values_mut() {
                if bytes.starts_with(b"{") == is_index {
                    *bytes = change(bytes);
                }
            }
        }
    }

    impl Transport for Memory {
        fn get(&self, _address: &Address, blob: Blob) -> Result<Option<Vec<u8>>, String> {
            self.called()?;
            Ok(self.blobs.lock().unwrap().get(&Self::name(blob)).cloned())
        }

        fn has(&self, _address: &Address, blob: Blob) -> Result<bool, String> {
            self.called()?;
            Ok(self.blobs.lock().unwrap().contains_key(&Self::name(blob)))
        }

        fn put(&self, _address: &Address, blob: Blob, content: &[u8], objects: &[Object]) -> Result<(), String> {
            self.called()?;
            let mut blobs = self.blobs.lock().unwrap();
            assert!(objects.iter().all(|object| blobs.contains_key(&object.digest)), "an index before its object");
            blobs.insert(Self::name(blob), content.to_vec());
            let mut race = self.race.lock().unwrap();
            if let Blob::Index { name, .. } = blob
                && let Some(at) = race.iter().position(|(other, _)| *other == name)
            {
                let (_, bytes) = race.remove(at);
                blobs.insert(name, bytes);
            }
            Ok(())
        }
    }

    fn url(name: &str) -> Layer {
        // Servers that failed are remembered, so each test has its own.
        Layer { remote_cache: Some(format!("https://me:word@{name}/cache").into()), ..Layer::default() }
    }

    fn listed(layer: &Layer, memory: &Memory, entry: &Entry) -> Vec<Shared> {
        Remote::of(layer, memory).unwrap().unwrap().entries(key(entry)).unwrap()
    }

    #[test]
    fn what_is_pushed_to_a_server_is_found_and_fetched() {
        let (layer, memory) = (url("whole"), Memory::default());
        let (_folder, one) = store();
        let entries = [put(&one, "m"), put(&one, "n")];
        let pushed = push(&layer, &memory, &one, &registry::list(&one)).unwrap();
        assert_eq!((pushed.entries, pushed.present), (2, 0));
        let again = push(&layer, &memory, &one, &registry::list(&one)).unwrap();
        assert_eq!(again, Carried { entries: 0, present: 2, bytes: 0 });
        let (_other, two) = store();
        let remote = Remote::of(&layer, &memory).unwrap().unwrap();
        for entry in &entries {
            let found = remote.entries(key(entry)).unwrap();
            assert_eq!(found.len(), 1);
            assert!(remote.has(&found[0]).unwrap());
            remote.fetch(&two, &found[0]).unwrap();
            assert!(registry::library(&two, entry).is_ok());
        }
        let error = pull(&layer, &memory, &two, None).unwrap_err().report();
        assert!(error.contains("`https://whole/cache`") && error.contains("zigimport build"), "{error}");
    }

    #[test]
    fn nothing_on_a_server_is_trusted_by_its_name() {
        let forged = |bytes: &[u8], from: &str, to: &str| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(text.contains(from), "{text}");
            text.replace(from, to).into_bytes()
        };
        type Damage<'a> = (bool, &'a dyn Fn(&[u8]) -> Vec<u8>);
        let cases: [Damage<'_>; 8] = [
            (true, &|_| b"{".to_vec()),
            (true, &|_| b"{\"entries\": [{}]}".to_vec()),
            (true, &|bytes| bytes[..bytes.len() / 2].to_vec()),
            (true, &|bytes| forged(bytes, "Debug", "ReleaseFast")),
            (true, &|bytes| forged(bytes, "\"object_bytes\":", "\"object_bytes\":99999999")),
            (false, &|_| b"poison".to_vec()),
            (false, &|_| object::pack(&b"x".repeat(500)).unwrap()),
            (false, &|_| object::pack(&[0; 100_000]).unwrap()),
        ];
        for (number, (is_index, change)) in cases.into_iter().enumerate() {
            let (layer, memory) = (url("damaged"), Memory::default());
            let (_folder, one) = store();
            let entry = put(&one, "m");
            push(&layer, &memory, &one, &registry::list(&one)).unwrap();
            memory.damage(is_index, change);
            let remote = Remote::of(&layer, &memory).unwrap().unwrap();
            let (_other, two) = store();
            let error = match remote.entries(key(&entry)) {
                Ok(found) => remote.fetch(&two, &found[0]).unwrap_err(),
                Err(error) => {
                    assert!(is_index, "{number}: {error}");
                    error
                }
            };
            assert!(matches!(error, Error::Remote { .. }) && !error.report().contains("word"), "{number}: {error}");
            assert!(registry::list(&two).is_empty() && two.sizes().is_empty());
            // Damage is no failure of the server, and whoever has a whole one mends it.
            assert_eq!(push(&layer, &memory, &one, &registry::list(&one)).unwrap().entries, 1, "{number}");
            remote.fetch(&two, &listed(&layer, &memory, &entry)[0]).unwrap();
        }
    }

    #[test]
    fn an_index_of_another_key_is_none() {
        let (layer, memory) = (url("swapped"), Memory::default());
        let (_folder, one) = store();
        let (m, n) = (put(&one, "m"), put(&one, "n"));
        push(&layer, &memory, &one, &registry::list(&one)).unwrap();
        let indexes: Vec<Vec<u8>> =
            memory.blobs.lock().unwrap().values().filter(|bytes| bytes.starts_with(b"{")).cloned().collect();
        let other = |bytes: &[u8]| indexes.iter().find(|one| *one != bytes).unwrap().clone();
        memory.damage(true, other);
        for entry in [m, n] {
            assert!(Remote::of(&layer, &memory).unwrap().unwrap().entries(key(&entry)).is_err());
        }
    }

    #[test]
    fn what_another_one_overwrites_at_the_same_time_is_added_again() {
        let (layer, memory) = (url("raced"), Memory::default());
        let (_folder, one) = store();
        let first = put(&one, "m");
        push(&layer, &memory, &one, &registry::list(&one)).unwrap();
        let (index, theirs) = {
            let blobs = memory.blobs.lock().unwrap();
            blobs.iter().find(|(_, bytes)| bytes.starts_with(b"{")).map(|(name, text)| (*name, text.clone())).unwrap()
        };
        // Another compiler made the second artifact of the same sources.
        let mut second = Entry { zig_identity: Digest::of(b"another").hex(), ..first.clone() };
        second.key = second.key_of_its_fields().unwrap().hex();
        let second = second.sealed();
        memory.blobs.lock().unwrap().remove(&index);
        *memory.race.lock().unwrap() = vec![(index, theirs)];
        Remote::of(&layer, &memory).unwrap().unwrap().put(&one, &[&second]).unwrap();
        let mut keys: Vec<String> =
            listed(&layer, &memory, &first).into_iter().map(|shared| shared.entry.key).collect();
        keys.sort();
        let mut expected = [first.key, second.key];
        expected.sort();
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_server_that_fails_is_asked_once() {
        let (layer, memory) = (url("broken"), Memory { fails: true, ..Memory::default() });
        let (_folder, one) = store();
        let entry = put(&one, "m");
        let remote = Remote::of(&layer, &memory).unwrap().unwrap();
        let error = remote.entries(key(&entry)).unwrap_err().report();
        assert!(error.contains("`https://broken/cache`: it is broken") && !error.contains("word"), "{error}");
        assert!(Remote::of(&layer, &memory).unwrap().is_none());
        assert!(push(&layer, &memory, &one, &registry::list(&one)).is_err());
        assert_eq!(*memory.calls.lock().unwrap(), 1);
    }

    #[test]
    fn a_url_of_an_unknown_scheme_is_refused_without_its_password() {
        for text in ["ftp://me:word@host/cache", "://me:word@host"] {
            let layer = Layer { remote_cache: Some(text.into()), ..Layer::default() };
            let error = Remote::of(&layer, &NoTransport).err().unwrap().report();
            assert!(error.contains("://…") && error.contains("https, s3") && !error.contains("word"), "{error}");
        }
        for text in ["https://me:wo/word@host/a", "https://me:wo?word@host/a", "https://me:wo@word@host/a"] {
            let layer = Layer { remote_cache: Some(text.into()), ..Layer::default() };
            let remote = Remote::of(&layer, &NoTransport).unwrap().unwrap();
            assert_eq!(remote.shown(), Path::new("https://host/a"));
        }
    }
}
