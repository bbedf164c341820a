//! Files as an operation sees them: each is read, hashed and scanned once, or
//! not at all where a build recorded what is in it.
//!
//! A build writes a table for each folder of its sources: metadata, digest and
//! scan of every file that it read. Like a manifest, a table only lets work be
//! skipped: a file is looked up in any case, metadata stand for its content by
//! the rules of [`Stamp::is_trusted`], and where they differ its digest decides.
//! Only a plan and what leads to one use tables. A build reads every file, so
//! nothing that is published rests on one.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::closure::{self, Input, Project};
use crate::digest::{self, Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::guest::source::{Language, Scan};
use crate::guest::{self, Scanner};
use crate::locks::Wait;
use crate::parallel::Workers;
use crate::plugin::pins::{self, Pins};
use crate::stamp::{self, Stamp};
use crate::store::{self, Checked, Store};

/// A table is never larger than this; a larger file is not ours.
const TABLE_BYTES_MAX: u64 = 256 << 20;

/// A table is changed in milliseconds; who waits longer leaves it as it is.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of a file's content.
#[derive(Debug, Clone)]
pub struct Known {
    /// Taken before the content was read.
    pub stamp: Stamp,
    /// Whether the stamp may stand for the content later.
    pub trusted: bool,
    /// Of the content.
    pub digest: Digest,
    /// What a scanner said, if one was asked.
    pub scan: Option<(Language, Arc<Scan>)>,
}

/// What is at a path.
#[derive(Debug)]
pub enum Found<T> {
    /// Nothing that can be looked up.
    Absent,
    /// A folder.
    Folder,
    /// A file.
    File(T),
}

impl<T> Found<T> {
    /// Returns the same with something else for a file.
    pub fn map<R>(self, of: impl FnOnce(T) -> R) -> Found<R> {
        match self {
            Self::Absent => Found::Absent,
            Self::Folder => Found::Folder,
            Self::File(file) => Found::File(of(file)),
        }
    }
}

/// One file of a table.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    #[serde(with = "serde_bytes")]
    name: Vec<u8>,
    stamp: Stamp,
    trusted: bool,
    digest: Digest,
    /// The language as a number, and the encoded scan.
    scan: Option<(u8, ByteBuf)>,
}

/// The same in the bytes of its table.
#[derive(Deserialize)]
struct RowRef<'a> {
    name: &'a [u8],
    stamp: Stamp,
    trusted: bool,
    digest: Digest,
    scan: Option<(u8, &'a [u8])>,
}

#[derive(Deserialize)]
struct TableRef<'a> {
    scanner: Digest,
    #[serde(borrow)]
    rows: Vec<RowRef<'a>>,
}

/// What builds read of the files in one folder.
#[derive(Serialize, Deserialize)]
struct Table {
    /// The component that scanned them: another one may say something else.
    scanner: Digest,
    /// Sorted by name.
    rows: Vec<Row>,
}

impl Table {
    fn bytes(store: &Store, folder: &Path) -> Option<Vec<u8>> {
        let content = stamp::read(&store.sources_path(table_name(folder)), TABLE_BYTES_MAX).ok()?;
        store::distrust(&content.metadata).is_none().then_some(content.bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(digest::unseal(bytes)?).ok()
    }

    /// Returns what a plan needs of the bytes of a table; nothing of one that another
    /// scanner made.
    fn known(bytes: &[u8]) -> Option<Recorded> {
        let table: TableRef<'_> = postcard::from_bytes(digest::unseal(bytes)?).ok()?;
        if table.scanner != guest::scanner_digest() {
            return None;
        }
        let known = |row: RowRef<'_>| {
            let scan = row.scan.and_then(|(language, bytes)| {
                let language =
                    [Language::Zig, Language::Zon, Language::C].into_iter().find(|one| *one as u8 == language);
                Some((language?, Arc::new(postcard::from_bytes(bytes).ok()?)))
            });
            let RowRef { name, stamp, trusted, digest, .. } = row;
            (name.to_owned(), Arc::new(Known { stamp, trusted, digest, scan }))
        };
        Some(table.rows.into_iter().map(known).collect())
    }

    fn encode(&self) -> Vec<u8> {
        digest::seal(postcard::to_stdvec(self).expect("a table has only encodable fields"))
    }
}

/// Returns whether the bytes of a file are a whole table.
#[must_use]
pub fn is_table(bytes: &[u8]) -> bool {
    Table::decode(bytes).is_some()
}

fn table_name(folder: &Path) -> Digest {
    let mut hasher = FieldHasher::new("sources");
    hasher.field("folder", folder.as_os_str().as_encoded_bytes());
    hasher.finish()
}

/// What is recorded of the files in a folder, sorted by name.
type Recorded = Vec<(Vec<u8>, Arc<Known>)>;

/// The files of one operation.
#[derive(Default)]
pub struct Sources {
    /// Where the tables are that may be used.
    records: Option<Store>,
    // By path: its bytes are hashed faster than its components.
    tables: Mutex<HashMap<OsString, Arc<OnceLock<Recorded>>>>,
    files: Mutex<HashMap<OsString, Arc<Known>>>,
    projects: Mutex<HashMap<PathBuf, Project>>,
    user: Mutex<Option<UserConfiguration>>,
    checked: Checked,
    unlisted: Mutex<Vec<(PathBuf, Error)>>,
    workers: Workers,
}

/// The user's configuration and its plugins, or `None` where there is none.
type UserConfiguration = Option<Arc<(Input, Pins)>>;

impl Sources {
    /// Reads every file.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Reads only files of which builds recorded nothing, or something else.
    #[must_use]
    pub fn recorded(store: &Store) -> Self {
        Self { records: store.has_sources().then(|| store.clone()), ..Self::default() }
    }

    /// Returns whether what earlier builds recorded may be used.
    #[must_use]
    pub fn uses_records(&self) -> bool {
        self.records.is_some()
    }

    /// Looks up a file of at most `bytes_max` bytes, and scans it if a language
    /// is given, with `scanner`, which is made when first used.
    ///
    /// # Errors
    /// It is there and cannot be read or scanned, or is no regular file.
    pub fn look_up(
        &self,
        scanner: &mut Option<Scanner>,
        path: &Path,
        bytes_max: u64,
        language: Option<Language>,
    ) -> Result<Found<Arc<Known>>> {
        if let Some(known) = self.seen(path)
            && known.answers(language)
        {
            return Ok(Found::File(known));
        }
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(Found::Absent) };
        if metadata.is_dir() {
            return Ok(Found::Folder);
        }
        let recorded = self.recorded_of(path);
        let unchanged = recorded.as_ref().filter(|known| {
            known.trusted
                && known.stamp == Stamp::of(&metadata)
                && metadata.len() <= bytes_max
                && known.answers(language)
        });
        let known = match unchanged {
            Some(known) => Arc::clone(known),
            None => Arc::new(read(scanner, path, bytes_max, language, recorded.as_deref())?),
        };
        lock(&self.files).insert(path.as_os_str().to_owned(), Arc::clone(&known));
        Ok(Found::File(known))
    }

    /// The same for a file that has to be there.
    ///
    /// # Errors
    /// As [`Self::look_up`], or it is not there.
    pub fn file(
        &self,
        scanner: &mut Option<Scanner>,
        path: &Path,
        bytes_max: u64,
        language: Option<Language>,
    ) -> Result<Arc<Known>> {
        match self.look_up(scanner, path, bytes_max, language)? {
            Found::File(known) => Ok(known),
            // Reading says what is wrong in the system's words.
            Found::Absent | Found::Folder => read(scanner, path, bytes_max, language, None).map(Arc::new),
        }
    }

    /// Returns what a folder decides, found out with `of` once.
    ///
    /// # Errors
    /// Those of `of`.
    pub fn project(&self, folder: &Path, of: impl FnOnce() -> Result<Project>) -> Result<Project> {
        if let Some(project) = lock(&self.projects).get(folder) {
            return Ok(project.clone());
        }
        let project = of()?;
        lock(&self.projects).insert(folder.to_owned(), project.clone());
        Ok(project)
    }

    /// Returns the user's configuration, read once.
    ///
    /// # Errors
    /// It cannot be read, or names the line that is wrong.
    pub fn user_configuration(&self, path: &Path) -> Result<UserConfiguration> {
        // Under the lock, so that all modules see the same one.
        let mut user = lock(&self.user);
        if let Some(known) = &*user {
            return Ok(known.clone());
        }
        let read = pins::of_user(path, path.parent().unwrap_or(path))?.map(Arc::new);
        Ok(user.insert(read).clone())
    }

    /// Returns which folders of the store were looked at.
    #[must_use]
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Notes folders that cannot be listed, with why, while modules are looked for.
    pub fn note_unlisted(&self, folders: impl IntoIterator<Item = (PathBuf, Error)>) {
        lock(&self.unlisted).extend(folders);
    }

    /// Takes what was noted, in the order of the paths.
    #[must_use]
    pub fn take_unlisted(&self) -> Vec<(PathBuf, Error)> {
        let mut folders = std::mem::take(&mut *lock(&self.unlisted));
        folders.sort_by(|left, right| left.0.cmp(&right.0));
        folders.dedup_by(|left, right| left.0 == right.0);
        folders
    }

    /// Returns the threads of the operation.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    fn seen(&self, path: &Path) -> Option<Arc<Known>> {
        lock(&self.files).get(path.as_os_str()).cloned()
    }

    /// Returns what builds recorded of a file.
    fn recorded_of(&self, path: &Path) -> Option<Arc<Known>> {
        let store = self.records.as_ref()?;
        let folder = path.parent()?;
        let there = lock(&self.tables).get(folder.as_os_str()).cloned();
        let table =
            there.unwrap_or_else(|| lock(&self.tables).entry(folder.as_os_str().to_owned()).or_default().clone());
        let rows = table
            .get_or_init(|| Table::bytes(store, folder).and_then(|bytes| Table::known(&bytes)).unwrap_or_default());
        let name = path.file_name()?.as_encoded_bytes();
        let found = rows.binary_search_by(|(other, _)| other.as_slice().cmp(name)).ok()?;
        Some(Arc::clone(&rows[found].1))
    }

    /// Records for later plans what was read. The tables of a folder are changed
    /// by one process at a time where the file system has locks; elsewhere a row
    /// may get lost, and its file is read again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn record(&self, store: &Store) -> Result<()> {
        let files = lock(&self.files);
        let mut folders: HashMap<&Path, Vec<(&OsStr, &Arc<Known>)>> = HashMap::new();
        for (path, known) in files.iter().map(|(path, known)| (Path::new(path), known)) {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                folders.entry(folder).or_default().push((name, known));
            }
        }
        let _lock = store.lock(Digest::of(b"sources"), &Wait::silent("the cache", LOCK_TIMEOUT))?;
        for (folder, files) in folders {
            let old = rows_of(store, folder);
            let new: BTreeMap<Vec<u8>, Row> = files
                .into_iter()
                .map(|(name, known)| Row::of(folder, name, known))
                .filter(|row| row_of(&old, &name_of(&row.name)).is_none_or(|old| !old.says_as_much_as(row)))
                .map(|row| (row.name.clone(), row))
                .collect();
            if new.is_empty() {
                continue;
            }
            let mut rows: Vec<Row> = old.into_iter().filter(|row| !new.contains_key(&row.name)).collect();
            rows.retain(|row| folder.join(name_of(&row.name)).exists());
            rows.extend(new.into_values());
            rows.sort_by(|left, right| left.name.cmp(&right.name));
            let table = Table { scanner: guest::scanner_digest(), rows };
            store.put_sources(table_name(folder), &table.encode())?;
        }
        Ok(())
    }
}

/// Nothing in here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rows_of(store: &Store, folder: &Path) -> Vec<Row> {
    let table = Table::bytes(store, folder).and_then(|bytes| Table::decode(&bytes));
    table.filter(|table| table.scanner == guest::scanner_digest()).map(|table| table.rows).unwrap_or_default()
}

fn row_of<'a>(rows: &'a [Row], name: &OsStr) -> Option<&'a Row> {
    let found = rows.binary_search_by(|row| row.name.as_slice().cmp(name.as_encoded_bytes()));
    found.ok().map(|index| &rows[index])
}

#[cfg(unix)]
fn name_of(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(not(unix))]
fn name_of(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Reads a file, and scans it unless it is what was recorded.
fn read(
    scanner: &mut Option<Scanner>,
    path: &Path,
    bytes_max: u64,
    language: Option<Language>,
    recorded: Option<&Known>,
) -> Result<Known> {
    let content = stamp::read(path, bytes_max)
        .map_err(|error| Error::Scan { path: path.to_owned(), reason: error.to_string() })?;
    let digest = Digest::of(&content.bytes);
    let recorded =
        recorded.filter(|known| known.digest == digest && known.answers(language)).and_then(|known| known.scan.clone());
    let scan = match (language, recorded) {
        (None, recorded) => recorded,
        (Some(_), Some(recorded)) => Some(recorded),
        (Some(language), None) => {
            Some((language, Arc::new(closure::scan_bytes(scanner, path, &content.bytes, language)?)))
        }
    };
    Ok(Known { stamp: content.stamp, trusted: content.trusted, digest, scan })
}

impl Known {
    fn answers(&self, language: Option<Language>) -> bool {
        language.is_none_or(|wanted| self.scan.as_ref().is_some_and(|(scanned, _)| *scanned == wanted))
    }

    /// Returns what the scanner said to the language that was asked for.
    #[must_use]
    pub fn scan(&self) -> Arc<Scan> {
        self.scan
            .as_ref()
            .map(|(_, scan)| Arc::clone(scan))
            .expect("a file that was asked for in a language has a scan")
    }
}

impl Row {
    /// Writes down what is known. What was read too soon after a change to be
    /// trusted is looked at again.
    fn of(folder: &Path, name: &OsStr, known: &Known) -> Self {
        let again = || {
            let content = stamp::read(&folder.join(name), u64::MAX - 1).ok()?;
            (Digest::of(&content.bytes) == known.digest).then_some((content.stamp, content.trusted))
        };
        let now = if known.trusted { None } else { again() };
        let (stamp, trusted) = now.unwrap_or((known.stamp, known.trusted));
        Self {
            name: name.as_encoded_bytes().to_owned(),
            stamp,
            trusted,
            digest: known.digest,
            scan: known.scan.as_ref().map(|(language, scan)| {
                let scan = postcard::to_stdvec(&**scan).expect("a scan has only encodable fields");
                (*language as u8, ByteBuf::from(scan))
            }),
        }
    }

    fn says_as_much_as(&self, other: &Self) -> bool {
        (self.stamp, self.trusted, self.digest) == (other.stamp, other.trusted, other.digest)
            && (other.scan.is_none() || self.scan == other.scan)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::guest::source::BuildFeatures;
    use crate::store::tests::store;

    /// A table without a row.
    pub(crate) fn table() -> Vec<u8> {
        Table { scanner: guest::scanner_digest(), rows: Vec::new() }.encode()
    }

    fn scanned(sources: &Sources, path: &Path) -> Arc<Known> {
        sources.file(&mut None, path, 1000, Some(Language::Zig)).unwrap()
    }

    /// Waits until a stamp of now may be trusted.
    fn settle(path: &Path) {
        while !Stamp::at(path).unwrap().is_trusted(SystemTime::now()) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_was_recorded_is_known_again_and_a_change_is_read() {
        let (_cache, store) = store();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.zig");
        std::fs::write(&path, "const t = b.standardTargetOptions(.{}); // @import(\"x.zig\")").unwrap();
        settle(&path);
        let read = Sources::unknown();
        let first = scanned(&read, &path);
        assert!(first.scan().features.contains(BuildFeatures::STANDARD_TARGET_OPTIONS));
        assert!(!first.scan().features.contains(BuildFeatures::STANDARD_OPTIMIZE_OPTION));
        read.record(&store).unwrap();

        let sources = Sources::recorded(&store);
        let known = sources.recorded_of(&path).unwrap();
        assert_eq!(known.scan(), first.scan());
        // As a file of C nothing is known of it, and without a language its digest.
        assert!(known.answers(Some(Language::Zig)) && !known.answers(Some(Language::C)) && known.answers(None));
        assert_eq!(known.digest, first.digest);
        assert_eq!(scanned(&sources, &path).digest, first.digest);

        std::fs::write(&path, "const t = b.standardOptimizeOption(.{});").unwrap();
        let changed = scanned(&Sources::recorded(&store), &path);
        assert_ne!(changed.digest, first.digest);
        assert!(!changed.scan().features.contains(BuildFeatures::STANDARD_TARGET_OPTIONS));
        // Within one operation it is what it was.
        assert_eq!(scanned(&sources, &path).digest, first.digest);
    }

    #[test]
    fn what_another_scanner_said_is_not_used() {
        let (_cache, store) = store();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        std::fs::write(&path, "").unwrap();
        settle(&path);
        let read = Sources::unknown();
        scanned(&read, &path);
        read.record(&store).unwrap();
        let rows = rows_of(&store, folder.path());
        assert_eq!(rows.len(), 1);
        let other = Table { scanner: Digest::of(b"another"), rows };
        store.put_sources(table_name(folder.path()), &other.encode()).unwrap();
        assert!(rows_of(&store, folder.path()).is_empty());
    }

    #[test]
    fn rows_of_other_files_stay_and_those_of_lost_files_go() {
        let (_cache, store) = store();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = || {
            let rows = rows_of(&store, folder.path());
            rows.iter().map(|row| String::from_utf8_lossy(&row.name).into_owned()).collect::<Vec<_>>()
        };
        for name in ["b.zig", "a.zig", "c.zig"] {
            std::fs::write(at(name), "").unwrap();
            let read = Sources::unknown();
            scanned(&read, &at(name));
            read.record(&store).unwrap();
        }
        assert_eq!(names(), ["a.zig", "b.zig", "c.zig"]);
        std::fs::remove_file(at("b.zig")).unwrap();
        std::fs::write(at("c.zig"), "const x = 1;").unwrap();
        let read = Sources::unknown();
        scanned(&read, &at("c.zig"));
        read.record(&store).unwrap();
        assert_eq!(names(), ["a.zig", "c.zig"]);
    }

    #[test]
    fn a_folder_and_nothing_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let look_up = |path: &Path| Sources::unknown().look_up(&mut None, path, 1000, None).unwrap();
        assert!(matches!(look_up(folder.path()), Found::Folder));
        assert!(matches!(look_up(&folder.path().join("gone")), Found::Absent));
        let failed = Sources::unknown().file(&mut None, &folder.path().join("gone"), 1000, None).unwrap_err();
        assert!(failed.report().contains("No such file"), "{}", failed.report());
    }
}
