//! The store: where artifacts live, who may write there, and how they get out.
//!
//! | bucket | name | content |
//! | --- | --- | --- |
//! | `objects` | digest of the library | the library, zstd-compressed |
//! | `libraries` | digest of the library | the library itself, read-only, for the loader |
//! | `entries` | source key / artifact key | `meta.json`: what it is and what it was made from; `pin` keeps it |
//! | `manifests` | module and configuration | the fast path, see [`crate::manifest`] |
//! | `sources` | folder | what builds read of the files in it, see [`crate::sources`] |
//! | `history` | module and target | what the last build was made from, for reasons |
//! | `toolchains` | digest of a compiler / its path | its version / its digest and metadata |
//! | `locks` | action key | one OS lock each, released by the kernel |
//! | `support` | digest | descriptions of modules to the binding |
//! | `strings` | digest | sources that are no files, such as the cells of a notebook |
//! | `plugins` | digest of a component / engine | its compiled form, with a digest that binds it to both |
//! | `usage` | | how large the store is, see [`crate::collect`] |
//! | `zig` | version | the compiler's caches |
//!
//! A library is named by its digest and never overwritten, so a loaded one
//! never changes under a process. Order of publication: object, library, entry,
//! manifest. Every write goes through a capability for the root, so no name can
//! lead out of it. A failing store is a miss or one clear error, never a wrong
//! import.
//!
//! # What is synced
//!
//! A library, before it has its name, and nothing else. A hit trusts it by its
//! metadata, which a file system may have on its medium before the content: so
//! the content has to be there before a manifest vouches for it. Everything else
//! is compared with a digest each time it is used. Of that, a power cut can leave
//! a file that is lost, empty or cut off: a miss, and the next import makes it
//! again, as `zigimport cache verify --repair` does for all at once. To sync them
//! too would make each build wait for the medium several times, and protect only
//! the work of the last seconds. What was there before is not touched, since no
//! file is ever written in its place. The compiler syncs nothing of its caches:
//! see `compiler::caches`.
//!
//! # What is trusted
//!
//! Whoever can write here can run code as the user. What keeps others out, and
//! what it costs a hit:
//!
//! | check | when | cost of it for a hit |
//! | --- | --- | --- |
//! | the root belongs to the user or root, and nobody else can write to it | always | one `stat` |
//! | the same for the manifest | always | none: it is open already |
//! | the library has the size, times and inode of its publication | always | none: it is looked up anyway |
//! | the same for the folders of a bucket | at each write and each miss | none |
//! | a library has the digest that names it, an object that of its record or such a content | on a miss; with `ZIGIMPORT_VERIFY=always` on a hit too | none; one hash |
//! | an entry has its own checksum, and the key that its fields give | on a miss | none |
//!
//! A library's change time cannot be set back by any program, and changes with
//! its content (but for what is written through a mapping of a file in memory), owner, permissions and number of links: an unchanged one says
//! that none of these is another than when the digest was checked. What it
//! cannot see is a medium that loses bits; `zigimport cache verify` and
//! `ZIGIMPORT_VERIFY=always` do. Folders below the root are made for the user
//! alone, so only the user can have opened them to others.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use crate::closure;
use crate::config::Layer;
use crate::digest::{self, Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::key;
use crate::locks::Wait;
use crate::manifest::{Library, Manifest, Recorded};
use crate::memory;
use crate::object::{self, Failure, Record};
use crate::publish::{self, Existing};
use crate::stamp::{self, Stamp};

pub(crate) const OBJECTS: &str = "objects-v1";
pub(crate) const LIBRARIES: &str = "libraries-v1";
pub(crate) const ENTRIES: &str = "entries-v3";
pub(crate) const MANIFESTS: &str = "manifests-v2";
pub(crate) const SOURCES: &str = "sources-v1";
pub(crate) const HISTORY: &str = "history-v2";
pub(crate) const TOOLCHAINS: &str = "toolchains-v2";
pub(crate) const LOCKS: &str = "locks-v1";
pub(crate) const SUPPORT: &str = "support-v1";
pub(crate) const STRINGS: &str = "strings-v1";
pub(crate) const PLUGINS: &str = "plugins-v1";
pub(crate) const USAGE: &str = "usage-v1";
pub(crate) const ZIG: &str = "zig-v1";

/// The file of [`USAGE`]; without it, the next build walks the store.
pub(crate) const USAGE_LOG: &str = "log";

/// Every bucket, in the order in which they are reported.
pub(crate) const BUCKETS: [&str; 13] = [
    OBJECTS, LIBRARIES, ENTRIES, MANIFESTS, SOURCES, HISTORY, TOOLCHAINS, LOCKS, SUPPORT, STRINGS, PLUGINS, USAGE, ZIG,
];

/// The file of an entry's folder that describes it.
pub(crate) const META: &str = "meta.json";
/// The file of an entry's folder that keeps it from being collected.
pub(crate) const PIN: &str = "pin";

/// No artifact is larger; bounds what a damaged entry makes us allocate.
pub(crate) const LIBRARY_BYTES_MAX: u64 = 1 << 30;
/// A registry entry is never larger.
pub(crate) const ENTRY_BYTES_MAX: u64 = 16 << 20;
/// The version of a compiler is never longer.
const ZIG_VERSION_BYTES_MAX: u64 = 256;
/// The compiled form of a plugin is never larger.
const IMAGE_BYTES_MAX: u64 = 1 << 30;
/// How often a bucket is removed again because something was put into it meanwhile.
const CLEAR_TRIES_MAX: u32 = 100;

/// Why the store is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `ZIGIMPORT_BUILD_DIR`.
    Setting,
    /// The virtual environment.
    VirtualEnv,
    /// `~/.zigimport`.
    Home,
    /// The platform's cache directory.
    Platform,
    /// A private temporary directory, because nothing else could be written.
    Temporary,
}

impl Place {
    /// Returns how a person would say it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Setting => "ZIGIMPORT_BUILD_DIR",
            Self::VirtualEnv => "virtual environment",
            Self::Home => "~/.zigimport",
            Self::Platform => "platform cache directory",
            Self::Temporary => "private temporary directory",
        }
    }
}

/// Decides where the store lies, without creating anything.
#[must_use]
pub fn locate(layer: &Layer, interpreter: &Interpreter) -> (PathBuf, Place) {
    if let Some(path) = &layer.build_dir {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        return (without_parents(path), Place::Setting);
    }
    if let Some(environment) = &interpreter.virtual_env {
        let path = environment.join(".zigimport");
        if path.is_dir() || can_write(environment) {
            return (path, Place::VirtualEnv);
        }
    }
    if let Some(dirs) = directories::BaseDirs::new() {
        let home = dirs.home_dir().join(".zigimport");
        if home.is_dir() {
            return (home, Place::Home);
        }
        let path = dirs.cache_dir().join("zigimport");
        let existing = path.ancestors().find(|folder| folder.is_dir());
        if path.is_dir() || existing.is_some_and(can_write) {
            return (path, Place::Platform);
        }
    }
    (std::env::temp_dir().join(format!("zigimport-{}", user_id())), Place::Temporary)
}

/// Resolves `..` as the system does, behind links too; the compiler, which resolves
/// it by name, would call its files in the store otherwise.
fn without_parents(path: PathBuf) -> PathBuf {
    let parts: Vec<Component<'_>> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else { return path };
    let above: PathBuf = parts[..=last].iter().collect();
    let resolved = std::fs::canonicalize(&above).unwrap_or_else(|_| closure::normalize(&above));
    resolved.join(parts[last + 1..].iter().collect::<PathBuf>())
}

#[cfg(unix)]
fn can_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn can_write(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|metadata| !metadata.permissions().readonly())
}

#[cfg(unix)]
fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user_id() -> u32 {
    0
}

/// An input as a registry entry names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryInput {
    /// What it is to the module.
    pub role: String,
    /// Relative to the project root; absolute if it lies outside.
    pub path: String,
    /// Hexadecimal SHA-256.
    pub digest: String,
}

/// A file that the compiler read and the scan did not name; or, with the role
/// [`ABSENT`], a place where one that appears may be taken instead.
pub type Discovered = EntryInput;

/// The role of what was not there.
pub const ABSENT: &str = "absent";

/// `meta.json`: one stored artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Artifact key, hexadecimal.
    pub key: String,
    /// Source key, hexadecimal: where it is looked for.
    pub source_key: String,
    /// Dotted name.
    pub module: String,
    /// The module's own file, relative to the project root.
    pub source: String,
    /// Digest of the library, hexadecimal.
    pub artifact: String,
    /// Size of the library in bytes.
    pub artifact_bytes: u64,
    /// Digest of the object that its builder made of it, hexadecimal.
    pub object: String,
    /// Suffix of the library's file name.
    pub suffix: String,
    /// ABI tag.
    pub abi: String,
    /// Target label.
    pub target: String,
    /// Optimize mode.
    pub optimize: String,
    /// Version of the compiler.
    pub zig_version: String,
    /// Identity of the compiler, hexadecimal.
    pub zig_identity: String,
    /// Identity of the Python headers, hexadecimal, where they are used.
    pub headers: Option<String>,
    /// The scanned closure.
    pub inputs: Vec<EntryInput>,
    /// What the compiler read beyond it.
    pub discovered: Vec<Discovered>,
    /// Seconds since 1970 at publication.
    pub created_unix: u64,
    /// The same for people, as `2026-11-21T05:00:00Z`.
    pub created_utc: String,
    /// Version of zigimport that built it.
    pub builder: String,
    /// Of all the above, hexadecimal: a damaged entry is none.
    pub checksum: String,
}

impl Entry {
    /// Returns the entry with its checksum.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.checksum.clear();
        self.checksum = self.checksum_without();
        self
    }

    /// Returns the checksum of an entry whose own is left empty.
    fn checksum_without(&self) -> String {
        Digest::of(&serde_json::to_vec(self).expect("an entry has only encodable fields")).hex()
    }

    /// Reads the text of a `meta.json`.
    ///
    /// # Errors
    /// What is wrong with it, as a clause.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mut entry: Self = serde_json::from_slice(text).map_err(|error| format!("it is no entry ({error})"))?;
        let checksum = std::mem::take(&mut entry.checksum);
        if checksum != entry.checksum_without() {
            return Err("its checksum differs".to_owned());
        }
        entry.checksum = checksum;
        if entry.key_of_its_fields().is_none_or(|key| key.hex() != entry.key) {
            return Err("its key is not that of its fields".to_owned());
        }
        let is_suffix = entry.suffix.starts_with('.')
            && entry.suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if entry.record().is_none() || !is_suffix || !(1..=LIBRARY_BYTES_MAX).contains(&entry.artifact_bytes) {
            return Err("it names no library".to_owned());
        }
        // The name becomes that of a file, and all of them are shown to people.
        let is_part = |part: &str| !part.is_empty() && !part.contains(['/', '\\', ':']);
        let Self { module, target, abi, optimize, zig_version, builder, created_utc, .. } = &entry;
        let shown = [module, target, abi, optimize, zig_version, builder, created_utc];
        if !module.split('.').all(is_part) || shown.into_iter().any(|text| text.contains(char::is_control)) {
            return Err("it names no module".to_owned());
        }
        Ok(entry)
    }

    /// Returns what it records of its object; [`Entry::parse`] checks that it is there.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        Some(Record {
            library: Digest::from_hex(&self.artifact)?,
            bytes: self.artifact_bytes,
            object: Digest::from_hex(&self.object)?,
        })
    }

    /// Returns the artifact key that the fields give.
    #[must_use]
    pub fn key_of_its_fields(&self) -> Option<Digest> {
        let headers = match &self.headers {
            Some(headers) => Some(Digest::from_hex(headers)?),
            None => None,
        };
        let identity = Digest::from_hex(&self.zig_identity)?;
        let action = key::action_key(Digest::from_hex(&self.source_key)?, identity, &self.zig_version, headers);
        let discovered: Option<Vec<_>> =
            self.discovered.iter().map(|input| Some((input.path.as_str(), Digest::from_hex(&input.digest)?))).collect();
        Some(key::artifact_key(action, discovered?.into_iter()))
    }
}

/// What the last build of a module was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Version of the compiler.
    pub zig_version: String,
    /// Optimize mode.
    pub optimize: String,
    /// ABI tag.
    pub abi: String,
    /// Path and digest of each scanned input, relative to the project root.
    pub inputs: Vec<(String, Digest)>,
    /// The same for what the compiler read beyond them.
    pub discovered: Vec<(String, Digest)>,
}

impl History {
    /// Reads the bytes of a file; anything but a whole history is `None`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(digest::unseal(bytes)?).ok()
    }
}

/// Size of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSize {
    /// Name without its version.
    pub name: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The folders of a store that nobody else can write to, as one operation found.
#[derive(Default)]
pub struct Checked(Mutex<HashSet<String>>);

impl Checked {
    fn has(&self, folder: &str) -> bool {
        self.0.lock().is_ok_and(|folders| folders.contains(folder))
    }

    fn add(&self, folder: String) {
        if let Ok(mut folders) = self.0.lock() {
            folders.insert(folder);
        }
    }
}

/// A store at a place. Opening it creates nothing.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Takes the store at `root`, which need not exist yet.
    ///
    /// # Errors
    /// Refuses a directory that others can write or that belongs to another user.
    pub fn open(root: PathBuf) -> Result<Self> {
        check_owner(&root)?;
        Ok(Self { root })
    }

    /// Takes a directory that is no store of this user's, for the paths in it.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a path in the store.
    fn place(&self, names: &[&str]) -> PathBuf {
        let bytes = names.iter().map(|name| name.len() + 1).sum::<usize>();
        let mut path = PathBuf::with_capacity(self.root.as_os_str().len() + bytes);
        path.push(&self.root);
        path.extend(names);
        path
    }

    /// Returns whether a file is one that the store wrote itself, and no input.
    #[must_use]
    pub fn is_own(&self, path: &Path) -> bool {
        [SUPPORT, ZIG].iter().any(|bucket| path.starts_with(self.root.join(bucket)))
    }

    /// Opens a folder of a bucket for writing, creating what is missing.
    pub(crate) fn folder(&self, path: &str) -> Result<Dir> {
        let failed = |error: io::Error| Error::cache("write to the cache", self.root.join(path), &error);
        if !self.root.is_dir() {
            create_private(&self.root).map_err(|error| Error::cache("create the cache", &self.root, &error))?;
            check_owner(&self.root)?;
        }
        let root = Dir::open_ambient_dir(&self.root, cap_std::ambient_authority()).map_err(failed)?;
        if !root.exists("CACHEDIR.TAG") {
            let tag = b"Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of zigimport.\n";
            publish::publish(&root, "CACHEDIR.TAG", tag, 0o644, Existing::Keep).map_err(failed)?;
        }
        match root.open_dir(path) {
            Ok(folder) => {
                self.check_folders(path)?;
                Ok(folder)
            }
            Err(_) => {
                create_folders(&root, path).map_err(failed)?;
                self.check_folders(path)?;
                root.open_dir(path).map_err(failed)
            }
        }
    }

    pub(crate) fn publish(
        &self,
        folder: &str,
        name: &str,
        bytes: &[u8],
        mode: u32,
        existing: Existing,
    ) -> Result<bool> {
        self.publish_with(folder, name, mode, existing, &mut |file| file.write_all(bytes))
    }

    fn publish_with(
        &self,
        folder: &str,
        name: &str,
        mode: u32,
        existing: Existing,
        write: &mut publish::Write<'_>,
    ) -> Result<bool> {
        let mut publish = || -> Result<io::Result<bool>> {
            Ok(publish::publish_with(&self.folder(folder)?, name, mode, existing, write))
        };
        let outcome = match publish()? {
            // Collecting may remove an empty folder that we have just opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => publish()?,
            outcome => outcome,
        };
        outcome.map_err(|error| Error::cache("write", self.root.join(folder).join(name), &error))
    }

    // Manifests.

    /// Returns where the manifest of a module and configuration lies.
    #[must_use]
    pub fn manifest_path(&self, name: Digest) -> PathBuf {
        let name = name.hex();
        self.place(&[MANIFESTS, &name[..2], &name])
    }

    /// Publishes a manifest in the place of the old one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_manifest(&self, name: Digest, manifest: &Manifest) -> Result<()> {
        let name = name.hex();
        let folder = format!("{MANIFESTS}/{}", &name[..2]);
        self.publish(&folder, &name, &manifest.encode(), 0o644, Existing::Replace).map(drop)
    }

    // Sources.

    /// Returns whether builds recorded anything of what they read.
    #[must_use]
    pub fn has_sources(&self) -> bool {
        self.root.join(SOURCES).is_dir()
    }

    /// Returns where the table of a folder lies.
    #[must_use]
    pub fn sources_path(&self, name: Digest) -> PathBuf {
        self.place(&[SOURCES, &name.hex()])
    }

    /// Publishes the table of a folder in the place of the old one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_sources(&self, name: Digest, table: &[u8]) -> Result<()> {
        self.publish(SOURCES, &name.hex(), table, 0o644, Existing::Replace).map(drop)
    }

    // Libraries and objects.

    /// Returns where a library lies, whether it is there or not.
    #[must_use]
    pub fn library_path(&self, digest: Digest, suffix: &str) -> PathBuf {
        let name = digest.hex() + suffix;
        self.place(&[LIBRARIES, &name[..2], &name])
    }

    /// Returns the path of a library whose metadata are those of its publication.
    #[must_use]
    pub fn library_unchanged(&self, library: &Library) -> Option<PathBuf> {
        let path = self.library_path(library.digest, &library.suffix);
        Stamp::at(&path).is_ok_and(|stamp| stamp == library.stamp).then_some(path)
    }

    /// Returns a library after hashing it, or `None` if it is absent or damaged.
    #[must_use]
    pub fn library_verified(&self, digest: Digest, suffix: &str) -> Option<(PathBuf, Library)> {
        let path = self.library_path(digest, suffix);
        let content = stamp::read(&path, LIBRARY_BYTES_MAX).ok()?;
        (Digest::of(&content.bytes) == digest)
            .then(|| (path, Library { digest, suffix: suffix.to_owned(), stamp: content.stamp }))
    }

    /// Stores a library: compressed, and ready for the loader.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_library(&self, bytes: &[u8], suffix: &str) -> Result<(PathBuf, Library, Record)> {
        let compressed =
            object::pack(bytes).map_err(|error| Error::cache("compress", self.root.join(OBJECTS), &error))?;
        let record = Record::of(bytes, &compressed);
        let digest = record.library;
        let name = digest.hex();
        let folder = format!("{OBJECTS}/{}", &name[..2]);
        let object = self.object_path(digest);
        // To keep what is no object of this library would be to compile each time.
        let is_whole = |packed: &[u8]| Digest::of(packed) == record.object || object::check(packed, &record).is_ok();
        let is_other = object.symlink_metadata().is_ok_and(|metadata| {
            !metadata.is_file()
                || !stamp::read(&object, object::packed_bytes_max(record.bytes))
                    .is_ok_and(|found| is_whole(&found.bytes))
        });
        let existing = if is_other { Existing::Replace } else { Existing::Keep };
        if !self.publish(&folder, &format!("{name}.zst"), &compressed, 0o444, existing)? {
            self.note_use(digest);
        }
        let (path, library) = self.put_materialised(bytes, digest, suffix)?;
        Ok((path, library, record))
    }

    /// Stores an object whose content was checked, in the place of a damaged one.
    pub(crate) fn put_object(&self, digest: Digest, compressed: &[u8]) -> Result<()> {
        let name = digest.hex();
        self.publish(&format!("{OBJECTS}/{}", &name[..2]), &format!("{name}.zst"), compressed, 0o444, Existing::Replace)
            .map(drop)
    }

    pub(crate) fn put_materialised(&self, bytes: &[u8], digest: Digest, suffix: &str) -> Result<(PathBuf, Library)> {
        self.publish_library(digest, suffix, &mut |file| file.write_all(bytes))
    }

    /// Publishes what `write` makes as a library, unless the right one is there.
    fn publish_library(
        &self,
        digest: Digest,
        suffix: &str,
        write: &mut publish::Write<'_>,
    ) -> Result<(PathBuf, Library)> {
        let name = digest.hex();
        let folder = format!("{LIBRARIES}/{}", &name[..2]);
        let file = format!("{name}{suffix}");
        let mut write_and_sync = |file: &mut File| write(file).and_then(|()| publish::synced(file));
        if !self.publish_with(&folder, &file, 0o444, Existing::Keep, &mut write_and_sync)? {
            if let Some(found) = self.library_verified(digest, suffix) {
                return Ok(found);
            }
            self.publish_with(&folder, &file, 0o444, Existing::Replace, &mut write_and_sync)?;
        }
        let path = self.library_path(digest, suffix);
        let stamp = Stamp::at(&path).map_err(|error| Error::cache("read", &path, &error))?;
        Ok((path, Library { digest, suffix: suffix.to_owned(), stamp }))
    }

    /// Returns about how much an artifact takes: library, object, and its entry
    /// twice, because manifest and history name the same inputs.
    #[must_use]
    pub fn bytes_of(&self, entry: &Entry, digest: Digest) -> u64 {
        let object = self.object_path(digest).metadata().map_or(0, |metadata| metadata.len());
        let entry_bytes = serde_json::to_vec_pretty(entry).map_or(0, |text| text.len() as u64);
        entry.artifact_bytes + object + 2 * entry_bytes
    }

    /// Returns whether the compressed object of a library is there.
    #[must_use]
    pub fn has_object(&self, digest: Digest) -> bool {
        self.object_path(digest).is_file()
    }

    /// Returns whether a file is where a library would be, whole or not.
    #[must_use]
    pub fn has_library(&self, digest: Digest, suffix: &str) -> bool {
        self.library_path(digest, suffix).is_file()
    }

    /// Notes that an artifact was used now: the time of its object says so, which
    /// is no part of any check. A store that cannot be written keeps the old time.
    pub fn note_use(&self, digest: Digest) {
        let now = SystemTime::now();
        let _ = stamp::open(&self.object_path(digest)).and_then(|file| file.set_modified(now));
    }

    /// Notes a hit, on the manifest too: its time says whether another hit has to.
    pub fn note_hit(&self, name: Digest, artifact: Digest) {
        let now = SystemTime::now();
        let _ = stamp::open(&self.manifest_path(name)).and_then(|file| file.set_modified(now));
        self.note_use(artifact);
    }

    pub(crate) fn object_path(&self, digest: Digest) -> PathBuf {
        let name = digest.hex() + ".zst";
        self.place(&[OBJECTS, &name[..2], &name])
    }

    /// Unpacks an object into a library, and checks that it is what is recorded of
    /// it before the library gets its name.
    ///
    /// Where the store cannot be written, the library is put into memory.
    ///
    /// # Errors
    /// The object is absent, damaged or not of the recorded size, or there is no
    /// place for the library. An object that is none of its name's library is removed,
    /// so that the next build can put a good one in its place.
    pub fn restore(&self, record: &Record, suffix: &str) -> Result<(PathBuf, Library)> {
        let (digest, bytes) = (record.library, record.bytes);
        let path = self.object_path(digest);
        let read = stamp::read(&path, LIBRARY_BYTES_MAX).map_err(|error| Error::cache("restore", &path, &error))?;
        let object = read.bytes;
        let mut damage = None;
        let restored = self.publish_library(digest, suffix, &mut |library| {
            let written = publish::syncing_meanwhile(library, bytes, |put| object::unpack(&object, record, put));
            match written {
                Err(Failure::Object(error)) => Err(damage.insert(error).kind().into()),
                outcome => outcome.map_err(Failure::into_error),
            }
        });
        restored.or_else(|unwritable| {
            let library = Mutex::new(Vec::new());
            let unpacked = match damage {
                Some(error) => Err(Failure::Object(error)),
                None => object::unpack(&object, record, &|at, piece| {
                    let mut library = library.lock().unwrap_or_else(PoisonError::into_inner);
                    let (start, end) = (at as usize, at as usize + piece.len());
                    if library.len() < end {
                        library.resize(end, 0);
                    }
                    library[start..end].copy_from_slice(piece);
                    Ok(())
                }),
            };
            if let Err(failure) = unpacked {
                // Another process may have put a good one there meanwhile.
                if !is_object(&object, digest) && Stamp::at(&path).is_ok_and(|stamp| stamp == read.stamp) {
                    let _ = std::fs::remove_file(&path);
                }
                return Err(Error::cache("restore", path, &failure.into_error()));
            }
            let path = PathBuf::from(
                memory::seal(&library.into_inner().unwrap_or_else(PoisonError::into_inner)).map_err(|_| unwritable)?,
            );
            let stamp = Stamp::at(&path).map_err(|error| Error::cache("read", &path, &error))?;
            Ok((path, Library { digest, suffix: suffix.to_owned(), stamp }))
        })
    }

    // Entries.

    /// Publishes a registry entry.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_entry(&self, entry: &Entry) -> Result<()> {
        let text = serde_json::to_vec_pretty(entry).expect("an entry has only encodable fields");
        self.publish(&entry_folder(entry), META, &text, 0o644, Existing::Replace).map(drop)
    }

    /// Returns the entries of a source key, newest first. A damaged one is left out.
    /// The folders that they share with others are looked at once for `checked`.
    ///
    /// # Errors
    /// Somebody else could have written them.
    pub fn entries(&self, source_key: Digest, checked: &Checked) -> Result<Vec<Entry>> {
        let name = source_key.hex();
        let shared = format!("{ENTRIES}/{}", &name[..2]);
        if !checked.has(&shared) {
            self.check_folders(&shared)?;
            checked.add(shared.clone());
        }
        let folder = self.place(&[&shared, &name]);
        check_owner(&folder)?;
        let mut entries = Vec::new();
        for found in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // What file managers and file systems leave here is not ours.
            if found.file_name().to_str().and_then(Digest::from_hex).is_none() {
                continue;
            }
            let mut path = found.path();
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if !metadata.is_dir() {
                continue;
            }
            if let Some(reason) = distrust(&metadata) {
                return Err(Error::Cache { action: "trust the cache", path, reason });
            }
            path.push(META);
            let Ok(content) = stamp::read(&path, ENTRY_BYTES_MAX) else { continue };
            if let Some(reason) = distrust(&content.metadata) {
                return Err(Error::Cache { action: "trust the cache", path, reason });
            }
            if let Some(entry) = Entry::parse(&content.bytes).ok().filter(|entry| entry.source_key == name) {
                entries.push(entry);
            }
        }
        entries
            .sort_by(|left, right| right.created_unix.cmp(&left.created_unix).then_with(|| left.key.cmp(&right.key)));
        Ok(entries)
    }

    /// Refuses a folder of a bucket, or one above it, that others can write.
    fn check_folders(&self, folder: &str) -> Result<()> {
        let below = Path::new(folder).ancestors().filter(|path| !path.as_os_str().is_empty());
        below.into_iter().try_for_each(|path| check_owner(&self.root.join(path)))
    }

    /// Returns a folder of the registry that this user may not read.
    #[must_use]
    pub fn unreadable(&self) -> Option<PathBuf> {
        let entries = self.root.join(ENTRIES);
        let denied = |path: &PathBuf| {
            std::fs::read_dir(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        let buckets = std::fs::read_dir(&entries).into_iter().flatten().flatten().map(|entry| entry.path());
        [self.root.clone(), entries].into_iter().chain(buckets).find(denied)
    }

    // History.

    fn history_name(source_path: &Path, target: &str) -> String {
        let mut hasher = FieldHasher::new("history");
        hasher.field("source path", source_path.as_os_str().as_encoded_bytes());
        hasher.field("target", target.as_bytes());
        hasher.finish().hex()
    }

    /// Returns what the last build of a module was made from.
    #[must_use]
    pub fn history(&self, source_path: &Path, target: &str) -> Option<History> {
        let path = self.root.join(HISTORY).join(Self::history_name(source_path, target));
        History::decode(&stamp::read(&path, ENTRY_BYTES_MAX).ok()?.bytes)
    }

    /// Remembers what a build was made from.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_history(&self, source_path: &Path, target: &str, history: &History) -> Result<()> {
        let bytes = postcard::to_stdvec(history).expect("a history has only encodable fields");
        let name = Self::history_name(source_path, target);
        self.publish(HISTORY, &name, &digest::seal(bytes), 0o644, Existing::Replace).map(drop)
    }

    // Toolchains.

    /// Returns the version of a compiler that was asked before.
    #[must_use]
    pub fn zig_version(&self, identity: Digest) -> Option<String> {
        let path = self.root.join(TOOLCHAINS).join(identity.hex());
        let content = stamp::read(&path, ZIG_VERSION_BYTES_MAX).ok()?;
        let text = std::str::from_utf8(digest::unseal(&content.bytes)?).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Remembers the version of a compiler.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_zig_version(&self, identity: Digest, version: &str) -> Result<()> {
        self.publish(TOOLCHAINS, &identity.hex(), &digest::seal(version.as_bytes().to_vec()), 0o644, Existing::Replace)
            .map(drop)
    }

    fn program_name(path: &Path) -> String {
        let mut hasher = FieldHasher::new("program");
        hasher.field("path", path.as_os_str().as_encoded_bytes());
        hasher.finish().hex()
    }

    /// Returns what was recorded of a compiler that lies at a path.
    #[must_use]
    pub fn program(&self, path: &Path) -> Option<Recorded> {
        let content = stamp::read(&self.place(&[TOOLCHAINS, &Self::program_name(path)]), ENTRY_BYTES_MAX).ok()?;
        if distrust(&content.metadata).is_some() {
            return None;
        }
        postcard::from_bytes(digest::unseal(&content.bytes)?).ok().filter(|recorded: &Recorded| recorded.path == path)
    }

    /// Records a compiler, whose program takes long to read.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_program(&self, program: &Recorded) -> Result<()> {
        let bytes = postcard::to_stdvec(program).expect("a record has only encodable fields");
        let name = Self::program_name(&program.path);
        self.publish(TOOLCHAINS, &name, &digest::seal(bytes), 0o644, Existing::Replace).map(drop)
    }

    /// Returns where a folder of the compiler's own caches lies.
    #[must_use]
    pub fn zig_cache_path(&self, version: &str, name: &str) -> PathBuf {
        self.root.join(ZIG).join(version).join(name)
    }

    /// Returns a folder of the compiler's own caches, created if need be.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn zig_cache(&self, version: &str, name: &str) -> Result<PathBuf> {
        self.folder(&format!("{ZIG}/{version}/{name}"))?;
        Ok(self.zig_cache_path(version, name))
    }

    /// Returns where the description of a module to the binding lies.
    #[must_use]
    pub fn declarations_path(&self, digest: Digest) -> PathBuf {
        self.root.join(SUPPORT).join(format!("{}.zig", digest.hex()))
    }

    /// Writes the description of a module to the binding.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_declarations(&self, digest: Digest, text: &str) -> Result<PathBuf> {
        self.put_source(SUPPORT, &format!("{}.zig", digest.hex()), text.as_bytes())?;
        Ok(self.declarations_path(digest))
    }

    /// Returns where our own Zig sources lie for a version of the compiler. What
    /// the compiler makes of a file in its global cache it keeps there, so that
    /// it reads our sources once and not for each module.
    #[must_use]
    pub fn binding_path(&self, version: &str, digest: Digest) -> PathBuf {
        self.zig_cache_path(version, &binding_folder(digest))
    }

    /// Writes our own Zig sources, names with `/`, and returns their folder.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_binding(&self, version: &str, digest: Digest, files: &[(&str, &[u8])]) -> Result<PathBuf> {
        let root = format!("{ZIG}/{version}/{}", binding_folder(digest));
        for (name, bytes) in files {
            let (folder, leaf) = match name.rsplit_once('/') {
                Some((parent, leaf)) => (format!("{root}/{parent}"), leaf),
                None => (root.clone(), *name),
            };
            self.put_source(&folder, leaf, bytes)?;
        }
        Ok(self.binding_path(version, digest))
    }

    /// Keeps a source that is no file, and returns where: a folder of its own for
    /// each text, module name and folder that its imports are relative to.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_string(&self, name: &str, folder: &Path, text: &str) -> Result<PathBuf> {
        let mut hasher = FieldHasher::new("string");
        hasher.field("module", name.as_bytes());
        hasher.field("folder", folder.as_os_str().as_encoded_bytes());
        hasher.field("text", text.as_bytes());
        let (folder, leaf) = (format!("{STRINGS}/{}", hasher.finish().hex()), format!("{name}.zig"));
        self.put_source(&folder, &leaf, text.as_bytes())?;
        Ok(self.root.join(folder).join(leaf))
    }

    // Plugins.

    fn plugin_image_folder(component: Digest) -> String {
        format!("{PLUGINS}/{}", component.hex())
    }

    /// Returns the compiled form of a component for an engine, as it was stored
    /// here. It is machine code: a file that somebody else could have written, or
    /// that is not wholly what was written, is none.
    #[must_use]
    pub fn plugin_image(&self, component: Digest, engine: &str) -> Option<Vec<u8>> {
        let path = self.root.join(Self::plugin_image_folder(component)).join(Digest::of(engine.as_bytes()).hex());
        let content = stamp::read(&path, IMAGE_BYTES_MAX).ok()?;
        if distrust(&content.metadata).is_some() {
            return None;
        }
        image_at(&path, &content.bytes).map(<[u8]>::to_vec)
    }

    /// Stores the compiled form of a component for an engine.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_plugin_image(&self, component: Digest, engine: &str, image: &[u8]) -> Result<()> {
        let engine = Digest::of(engine.as_bytes());
        let bytes = [&image_digest(component, engine, image).0, image].concat();
        self.publish(&Self::plugin_image_folder(component), &engine.hex(), &bytes, 0o444, Existing::Replace).map(drop)
    }

    /// Writes a file for the compiler to read, unless it is there: a folder that
    /// was half removed, or a changed file, is mended.
    fn put_source(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(folder).join(name);
        if stamp::read(&path, bytes.len() as u64).is_ok_and(|content| content.bytes == *bytes) {
            return Ok(());
        }
        self.publish(folder, name, bytes, 0o444, Existing::Replace).map(drop)
    }

    // The whole.

    /// Returns the number of registry entries.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        let mut count = 0;
        each_file(&self.root.join(ENTRIES), &mut |path, _| {
            count += u64::from(path.file_name().is_some_and(|name| name == META));
        });
        count
    }

    /// Returns the size of each bucket that exists.
    #[must_use]
    pub fn sizes(&self) -> Vec<BucketSize> {
        BUCKETS
            .iter()
            .filter(|bucket| self.root.join(bucket).is_dir())
            .map(|bucket| {
                let name = bucket.rsplit_once('-').map_or(*bucket, |(name, _)| name).to_owned();
                let mut size = BucketSize { name, files: 0, bytes: 0 };
                each_file(&self.root.join(bucket), &mut |_, bytes| {
                    size.files += 1;
                    size.bytes += bytes;
                });
                size
            })
            .collect()
    }

    /// Returns whether anything was ever stored: a folder without is not ours to write to.
    pub(crate) fn has_buckets(&self) -> bool {
        BUCKETS.iter().any(|bucket| self.root.join(bucket).is_dir())
    }

    /// Removes every bucket and nothing else; returns the bytes that were freed.
    /// Waits for the builds that are running, and lets no other one begin.
    ///
    /// # Errors
    /// A bucket cannot be removed, the time is over, or the user interrupted.
    pub fn clear(&self, wait: &Wait<'_>) -> Result<u64> {
        if !self.has_buckets() {
            return Ok(0);
        }
        let bytes = self.sizes().iter().map(|size| size.bytes).sum();
        let _alone = self.alone(wait)?;
        let failed = |path: &str, error: io::Error| Error::cache("clear", self.root.join(path), &error);
        let root =
            Dir::open_ambient_dir(&self.root, cap_std::ambient_authority()).map_err(|error| failed("", error))?;
        // The locks go last: who waits for one begins in an empty store.
        for bucket in BUCKETS.into_iter().filter(|bucket| *bucket != LOCKS).chain([LOCKS]) {
            let mut tries = CLEAR_TRIES_MAX;
            loop {
                match root.remove_dir_all(bucket) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !root.exists(bucket) => break,
                    // What needs no build still notes that it was used.
                    Err(_) if tries > 0 => tries -= 1,
                    Err(error) => return Err(failed(bucket, error)),
                }
            }
        }
        Ok(bytes)
    }
}

/// Returns whether an object is one that unpacks to a library of a digest.
pub(crate) fn is_object(packed: &[u8], library: Digest) -> bool {
    let bytes = object::library_bytes(packed).filter(|bytes| *bytes <= LIBRARY_BYTES_MAX);
    let record = bytes.map(|bytes| Record { library, bytes, object: Digest::ABSENT });
    record.is_some_and(|record| object::check(packed, &record).is_ok())
}

/// Returns the folder of an entry. Its keys are digests, which [`Entry::parse`] checks.
pub(crate) fn entry_folder(entry: &Entry) -> String {
    format!("{ENTRIES}/{}/{}/{}", &entry.source_key[..2], entry.source_key, entry.key)
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path, u64)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            each_file(&entry.path(), visit);
        } else {
            visit(&entry.path(), metadata.len());
        }
    }
}

/// Creates the folders of a path, whatever the umask, for their owner alone.
fn create_folders(root: &Dir, path: &str) -> io::Result<()> {
    let mut builder = cap_std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use cap_std::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    root.create_dir_with(path, &builder)
}

/// Creates a directory that only its owner can write.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Refuses a folder that somebody else could have filled.
fn check_owner(folder: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::metadata(folder) else {
        return Ok(());
    };
    let reason = if metadata.is_dir() { distrust(&metadata) } else { Some("it is not a directory".to_owned()) };
    reason.map_or(Ok(()), |reason| Err(Error::Cache { action: "trust the cache", path: folder.to_owned(), reason }))
}

/// Returns why somebody else could have written a file or folder.
#[must_use]
pub fn distrust(metadata: &Metadata) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let owner = metadata.uid();
        if owner != 0 && owner != user_id() {
            return Some(format!("it belongs to user {owner}, not to you ({})", user_id()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Some(format!("others can write to it (mode {:o}); run: chmod go-w", metadata.mode() & 0o777));
        }
    }
    #[cfg(not(unix))]
    let _ = metadata;
    None
}

/// Returns a time for people and one for sorting.
#[must_use]
pub fn now() -> (u64, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (seconds, utc(seconds))
}

/// Returns a time for people.
#[must_use]
pub fn utc_of(time: SystemTime) -> String {
    utc(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Writes seconds since 1970 as `2026-11-21T05:00:00Z` (the civil calendar from
/// days, as in Howard Hinnant's `civil_from_days`).
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns the image in a file, if the file is whole and has its own name.
pub(crate) fn image_at<'a>(path: &Path, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let named = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(Digest::from_hex);
    let (component, engine) = (named(path.parent()?)?, named(path)?);
    let (digest, image) = bytes.split_at_checked(32)?;
    (image_digest(component, engine, image).0 == *digest).then_some(image)
}

fn image_digest(component: Digest, engine: Digest, image: &[u8]) -> Digest {
    let mut hasher = FieldHasher::new("plugin image");
    hasher.field("component", &component.0);
    hasher.field("engine", &engine.0);
    hasher.field("image", image);
    hasher.finish()
}

fn binding_folder(digest: Digest) -> String {
    format!("global/zigimport-{}", &digest.hex()[..16])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// An entry as a build would write it.
    pub(crate) fn entry_of(module: &str, artifact: Digest, artifact_bytes: u64) -> Entry {
        let (created_unix, created_utc) = now();
        let mut entry = Entry {
            key: String::new(),
            source_key: Digest::of(module.as_bytes()).hex(),
            module: module.to_owned(),
            source: format!("{module}.zig"),
            artifact: artifact.hex(),
            artifact_bytes,
            object: Digest::of(b"packed elsewhere").hex(),
            suffix: ".so".to_owned(),
            abi: "abi3".to_owned(),
            target: "x86_64-linux-gnu".to_owned(),
            optimize: "Debug".to_owned(),
            zig_version: "0.16.0".to_owned(),
            zig_identity: Digest::of(b"zig").hex(),
            headers: None,
            inputs: Vec::new(),
            discovered: Vec::new(),
            created_unix,
            created_utc,
            builder: "0".to_owned(),
            checksum: String::new(),
        };
        entry.key = entry.key_of_its_fields().unwrap().hex();
        entry.sealed()
    }

    pub(crate) fn store() -> (tempfile::TempDir, Store) {
        // In memory where there is such a place: tests write thousands of files.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        (folder, store)
    }

    #[test]
    fn a_library_comes_back_from_its_object() {
        let (_folder, store) = store();
        let bytes = b"library".repeat(1000);
        let (path, library, record) = store.put_library(&bytes, ".so").unwrap();
        assert_eq!(store.library_unchanged(&library), Some(path.clone()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(store.library_verified(library.digest, ".so"), None);
        let (restored, _) = store.restore(&record, ".so").unwrap();
        assert_eq!(std::fs::read(restored).unwrap(), bytes);
        assert!(std::fs::metadata(path).unwrap().permissions().readonly());
    }

    #[test]
    fn a_damaged_library_is_replaced_and_a_damaged_object_refused() {
        let (_folder, store) = store();
        let bytes = b"library".repeat(1000);
        let (path, library, record) = store.put_library(&bytes, ".so").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"poison").unwrap();
        assert_eq!(store.library_unchanged(&library), None);
        assert_eq!(store.library_verified(library.digest, ".so"), None);
        store.restore(&record, ".so").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);

        // Whoever records another size is wrong, and not the object.
        std::fs::remove_file(&path).unwrap();
        for object in [record.object, Digest::ABSENT] {
            assert!(store.restore(&Record { bytes: 10, object, ..record }, ".so").is_err());
            assert!(store.has_object(library.digest));
        }
        // Larger than a library of that size can be.
        store.put_object(library.digest, &[0; 1 << 20]).unwrap();
        assert!(store.restore(&record, ".so").is_err());
        assert!(!store.has_object(library.digest));
    }

    #[test]
    fn a_damaged_object_is_replaced_by_a_new_build() {
        let (_folder, store) = store();
        let (path, _, record) = store.put_library(b"library", ".so").unwrap();
        let object = store.object_path(record.library);
        for damaged in [b"".to_vec(), b"poison".to_vec(), object::pack(b"another").unwrap()] {
            std::fs::remove_file(&object).unwrap();
            std::fs::write(&object, damaged).unwrap();
            store.put_library(b"library", ".so").unwrap();
            let _ = std::fs::remove_file(&path);
            store.restore(&record, ".so").unwrap();
        }
    }

    #[test]
    fn the_name_of_a_module_leads_nowhere_and_is_plain_text() {
        let (_folder, store) = store();
        let (_, _, record) = store.put_library(b"library", ".so").unwrap();
        let parsed = |entry: Entry| Entry::parse(&serde_json::to_vec(&entry.sealed()).unwrap());
        for name in ["m", "package.m", "gr\u{f6}\u{df}e", "my-folder.m"] {
            parsed(entry_of(name, record.library, record.bytes)).unwrap();
        }
        for name in ["", ".", "..", "a..b", "/tmp/m", "../m", "a\\b", "C:m", "a\0b", "a\u{1b}[1m", "a\nb"] {
            parsed(entry_of(name, record.library, record.bytes)).unwrap_err();
        }
        let entry = entry_of("m", record.library, record.bytes);
        parsed(Entry { target: "x\n0123 forged".to_owned(), ..entry.clone() }).unwrap_err();
        parsed(Entry { artifact_bytes: 0, ..entry }).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn a_store_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = Store::open(folder.path().to_owned()).unwrap_err().report();
        assert!(error.contains("others can write"), "{error}");
    }

    #[test]
    fn clearing_keeps_what_is_not_ours() {
        let (_folder, store) = store();
        store.put_library(b"x", ".so").unwrap();
        std::fs::write(store.root().join("notes.txt"), "mine").unwrap();
        assert!(store.clear(&Wait::silent("the cache", Duration::ZERO)).unwrap() > 0);
        assert!(store.sizes().is_empty());
        assert!(store.root().join("notes.txt").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_and_does_not_block() {
        let (_folder, store) = store();
        let pipe = |path: &Path| {
            let _ = std::fs::remove_file(path);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        };
        let (path, library, record) = store.put_library(b"library", ".so").unwrap();
        pipe(&store.object_path(library.digest));
        store.note_use(library.digest);
        assert!(store.restore(&record, ".so").is_err());
        store.put_library(b"library", ".so").unwrap();
        assert!(store.has_object(library.digest));
        pipe(&path);
        store.put_library(b"library", ".so").unwrap();
        assert!(store.library_verified(library.digest, ".so").is_some());
        let key = Digest::of(b"key");
        drop(store.lock(key, &Wait::silent("m", Duration::ZERO)).unwrap());
        pipe(&store.root().join(LOCKS).join(key.hex()));
        let refused = store.lock(key, &Wait::silent("m", Duration::ZERO)).unwrap_err().report();
        assert!(refused.contains("failed to open the lock"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn parents_in_the_place_of_a_store_are_those_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        for (path, expected) in
            [("link/../c/d", "a/c/d"), ("link/../../c", "c"), ("none/../c", "c"), ("link/c", "link/c")]
        {
            assert_eq!(without_parents(root.join(path)), root.join(expected), "{path}");
        }
    }

    #[test]
    fn what_is_not_ours_among_entries_is_passed_over() {
        let (_folder, store) = store();
        let entry = entry_of("m", Digest::of(b"m"), 1);
        store.put_entry(&entry).unwrap();
        let folder = store.root().join(entry_folder(&entry));
        std::fs::write(folder.with_file_name(".DS_Store"), "").unwrap();
        std::fs::write(folder.with_file_name(Digest::of(b"x").hex()), "").unwrap();
        assert_eq!(store.entries(Digest::of(b"m"), &Checked::default()).unwrap(), [entry]);
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(1_795_238_400), "2026-11-21T05:20:00Z");
    }
}
