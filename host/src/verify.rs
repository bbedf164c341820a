//! Finds what is wrong in a store, and mends it.
//!
//! An import needs none of this: what it meets damaged it makes again. But it
//! looks only at what it needs, and a disk that loses bits does not say so.
//!
//! What is mended is removed where the next import makes it again, and made of
//! its other copy where there is one: an object and its library have the same
//! content. Nothing that is whole is touched, and nothing of another version.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::digest::{self, Digest};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::object;
use crate::publish::TEMPORARY_PREFIX;
use crate::sources;
use crate::stamp;
use crate::store::{
    self, BUCKETS, ENTRIES, ENTRY_BYTES_MAX, Entry, HISTORY, History, LIBRARIES, LIBRARY_BYTES_MAX, MANIFESTS, META,
    OBJECTS, PIN, PLUGINS, SOURCES, STRINGS, SUPPORT, Store, TOOLCHAINS, ZIG,
};

/// An unfinished file may still be somebody's for this long.
const UNFINISHED_AFTER: Duration = Duration::from_secs(60 * 60);

/// What was done about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is still there: nobody asked to mend it.
    Found,
    /// The file was removed; the next import makes it again if it needs it.
    Removed,
    /// The file was made again of its other copy.
    Rebuilt,
    /// Others can no longer write there.
    Closed,
    /// It could not be mended.
    Failed,
    /// It is of another version, and left alone: nothing is wrong.
    Noted,
}

impl Outcome {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Removed => "removed",
            Self::Rebuilt => "rebuilt",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Noted => "noted",
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it, as a clause.
    pub message: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// In the order in which it was found.
    pub problems: Vec<Problem>,
    /// How many files were read.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Verified {
    /// Returns whether something is wrong, mended or not.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.problems.iter().any(|problem| problem.outcome != Outcome::Noted)
    }

    /// Returns whether something is wrong still.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem.outcome, Outcome::Found | Outcome::Failed))
    }
}

/// Reads every file that zigimport wrote and checks it, and mends what is wrong
/// if `repair`.
///
/// # Errors
/// The store cannot be read.
pub fn verify(store: &Store, repair: bool) -> Result<Verified> {
    let mut check = Check { store, repair, done: Verified::default() };
    if !store.root().is_dir() {
        return Ok(check.done);
    }
    check.versions()?;
    for bucket in BUCKETS {
        check.folder(&store.root().join(bucket), folders_above_files(bucket));
    }
    // An object may be made of its library and the other way round, so both
    // come before what points at them.
    check.each(OBJECTS, Check::object);
    check.each(LIBRARIES, Check::library);
    check.each(ENTRIES, Check::entry);
    check.each(MANIFESTS, Check::manifest);
    check.each(SOURCES, |check, path, bytes| check.decoded(path, sources::is_table(bytes)));
    check.each(HISTORY, |check, path, bytes| check.decoded(path, History::decode(bytes).is_some()));
    check.each(TOOLCHAINS, |check, path, bytes| check.decoded(path, digest::unseal(bytes).is_some()));
    check.each(PLUGINS, |check, path, bytes| check.decoded(path, store::image_at(path, bytes).is_some()));
    check.each(SUPPORT, |check, path, bytes| {
        let name = Digest::of(bytes).hex();
        check.decoded(path, path.file_stem().is_some_and(|stem| *stem == *name));
    });
    Ok(check.done)
}

struct Check<'a> {
    store: &'a Store,
    repair: bool,
    done: Verified,
}

impl Check<'_> {
    fn problem(&mut self, path: &Path, message: impl Into<String>, mend: impl FnOnce() -> Option<Outcome>) {
        let outcome = if self.repair { mend().unwrap_or(Outcome::Failed) } else { Outcome::Found };
        self.done.problems.push(Problem { path: path.to_owned(), message: message.into(), outcome });
    }

    /// A problem that is mended by removing the file.
    fn superfluous(&mut self, path: &Path, message: impl Into<String>) {
        self.problem(path, message, || removed(path));
    }

    /// Notes the buckets of other versions.
    fn versions(&mut self) -> Result<()> {
        let root = self.store.root();
        let entries = std::fs::read_dir(root).map_err(|error| Error::cache("read", root, &error))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let Some((kind, version)) = name.rsplit_once("-v") else { continue };
            let Ok(version) = version.parse::<u32>() else { continue };
            let ours = BUCKETS.iter().filter_map(|bucket| bucket.rsplit_once("-v")).find(|(ours, _)| *ours == kind);
            let Some(ours) = ours.and_then(|(_, version)| version.parse::<u32>().ok()).filter(|ours| *ours != version)
            else {
                continue;
            };
            let age = if version > ours { "newer" } else { "older" };
            self.done.problems.push(Problem {
                path: root.join(name),
                message: format!("it was written by a {age} version of zigimport, and is left alone"),
                outcome: Outcome::Noted,
            });
        }
        Ok(())
    }

    /// Checks who can write to a folder and to all that is in it, and that folders
    /// are where we make some: `depth` of them above a file, `None` for the
    /// compiler's caches. There links may be too; we keep none.
    fn folder(&mut self, folder: &Path, depth: Option<usize>) {
        let Ok(metadata) = folder.symlink_metadata() else { return };
        if metadata.is_symlink() {
            return self.superfluous(folder, "it is a link, and may lead out of the cache");
        }
        if !self.owner(folder, &metadata) {
            return;
        }
        let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && depth == Some(0) {
                self.superfluous(&path, "it is a folder in the place of a file");
            } else if metadata.is_dir() {
                self.folder(&path, depth.map(|depth| depth - 1));
            } else if metadata.is_file() {
                let is_ours = self.owner(&path, &metadata);
                let is_unfinished = entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX)
                    && metadata.modified().is_ok_and(|time| SystemTime::now() > time + UNFINISHED_AFTER);
                if is_ours && is_unfinished {
                    self.superfluous(&path, "it was never finished");
                }
            } else if depth.is_some() {
                self.superfluous(&path, "it is no regular file");
            }
        }
    }

    /// Returns whether nobody else can write to a file or folder, or no longer.
    fn owner(&mut self, path: &Path, metadata: &Metadata) -> bool {
        let Some(reason) = store::distrust(metadata) else { return true };
        // What others may have written is not to be trusted with other
        // permissions either, unless its name says what its content must be.
        let is_named_by_content = [OBJECTS, LIBRARIES].iter().any(|one| path.starts_with(self.store.root().join(one)));
        let keep = metadata.is_dir() || is_named_by_content;
        self.problem(path, reason, || if keep { closed(path, metadata) } else { removed(path) });
        self.done.problems.last().is_some_and(|problem| problem.outcome == Outcome::Closed)
    }

    /// Reads each file of a bucket.
    fn each(&mut self, bucket: &str, mut look: impl FnMut(&mut Self, &Path, &[u8])) {
        let mut paths = Vec::new();
        files(&self.store.root().join(bucket), &mut paths);
        paths.sort();
        for path in paths {
            let is_unfinished =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY_PREFIX));
            if is_unfinished {
                continue;
            }
            match stamp::read(&path, LIBRARY_BYTES_MAX) {
                Ok(content) => {
                    self.done.files += 1;
                    self.done.bytes += content.bytes.len() as u64;
                    look(self, &path, &content.bytes);
                }
                // Another process may have removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.problem(&path, format!("it cannot be read: {error}"), || removed(&path)),
            }
        }
    }

    fn object(&mut self, path: &Path, bytes: &[u8]) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(Digest::from_hex);
        let Some(digest) = name.filter(|digest| self.store.object_path(*digest) == path) else {
            return self.superfluous(path, "its name is no digest");
        };
        if store::is_object(bytes, digest) {
            return;
        }
        let store = self.store;
        self.problem(path, "its content is not what its name says", || {
            // Packed in a way that is not ours, it still has the content.
            let own = || decompressed(bytes).ok().filter(|content| Digest::of(content) == digest);
            let content = library_of(store, digest).or_else(own);
            let packed = content.and_then(|content| object::pack(&content).ok());
            let rebuilt = packed.is_some_and(|packed| store.put_object(digest, &packed).is_ok());
            if rebuilt { Some(Outcome::Rebuilt) } else { removed(path) }
        });
    }

    fn library(&mut self, path: &Path, bytes: &[u8]) {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (name, suffix) = file.split_at(file.find('.').unwrap_or(file.len()));
        let Some(digest) = Digest::from_hex(name).filter(|digest| self.store.library_path(*digest, suffix) == path)
        else {
            return self.superfluous(path, "its name is no digest");
        };
        if Digest::of(bytes) == digest {
            return;
        }
        let store = self.store;
        self.problem(path, "its content is not what its name says", || {
            let object = stamp::read(&store.object_path(digest), LIBRARY_BYTES_MAX);
            let object = object.and_then(|object| decompressed(&object.bytes)).ok();
            let content = object.filter(|content| Digest::of(content) == digest);
            let rebuilt = content.is_some_and(|content| store.put_materialised(&content, digest, suffix).is_ok());
            if rebuilt { Some(Outcome::Rebuilt) } else { removed(path) }
        });
    }

    fn entry(&mut self, path: &Path, bytes: &[u8]) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(META) => {}
            Some(PIN) => return,
            _ => return self.superfluous(path, "no entry has such a file"),
        }
        if bytes.len() as u64 > ENTRY_BYTES_MAX {
            return self.superfluous(path, "it is too large for an entry");
        }
        let entry = match Entry::parse(bytes) {
            Ok(entry) => entry,
            Err(reason) => return self.superfluous(path, reason),
        };
        if self.store.root().join(store::entry_folder(&entry)).join(META) != path {
            return self.superfluous(path, "it is the entry of another key");
        }
        // What a new text would have said: no other byte may differ either.
        if serde_json::to_vec_pretty(&entry).is_ok_and(|text| text != bytes) {
            let store = self.store;
            return self.problem(path, "its text was changed", || {
                removed(path)?;
                store.put_entry(&entry).is_ok().then_some(Outcome::Rebuilt)
            });
        }
        let digest = Digest::from_hex(&entry.artifact).unwrap_or(Digest([0; 32]));
        match self.store.library_path(digest, &entry.suffix).metadata().ok().map(|metadata| metadata.len()) {
            None if !self.store.has_object(digest) => self.superfluous(path, "its library and object are lost"),
            Some(size) if size != entry.artifact_bytes => self.superfluous(path, "its library has another size"),
            None if self.object_bytes(digest).is_some_and(|size| size != entry.artifact_bytes) => {
                self.superfluous(path, "the library in its object has another size");
            }
            _ => {}
        }
    }

    fn object_bytes(&self, digest: Digest) -> Option<u64> {
        object::library_bytes(&stamp::read(&self.store.object_path(digest), LIBRARY_BYTES_MAX).ok()?.bytes)
    }

    fn manifest(&mut self, path: &Path, bytes: &[u8]) {
        self.decoded(path, Manifest::decode(bytes).is_some());
    }

    fn decoded(&mut self, path: &Path, is_whole: bool) {
        if !is_whole {
            self.superfluous(path, "its checksum differs");
        }
    }
}

/// Decompresses an object of unknown size, within the limit of all libraries.
fn decompressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::new();
    object::decoder(bytes)?.take(LIBRARY_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LIBRARY_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(content)
}

/// Returns the whole library of a digest, whatever its suffix.
fn library_of(store: &Store, digest: Digest) -> Option<Vec<u8>> {
    let folder = store.library_path(digest, "").parent()?.to_owned();
    let name = digest.hex();
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        entry.file_name().to_str()?.strip_prefix(&name)?;
        let bytes = stamp::read(&entry.path(), LIBRARY_BYTES_MAX).ok()?.bytes;
        (Digest::of(&bytes) == digest).then_some(bytes)
    })
}

/// Returns how many folders of a bucket each of its files lies in.
fn folders_above_files(bucket: &str) -> Option<usize> {
    match bucket {
        ZIG => None,
        ENTRIES => Some(3),
        OBJECTS | LIBRARIES | MANIFESTS | STRINGS | PLUGINS => Some(1),
        _ => Some(0),
    }
}

fn files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), paths),
            Ok(kind) if kind.is_file() => paths.push(entry.path()),
            _ => {}
        }
    }
}

/// Removes a file or folder, never what a link leads to.
fn removed(path: &Path) -> Option<Outcome> {
    let is_folder = path.symlink_metadata().ok()?.is_dir();
    let done = if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    done.ok().map(|()| Outcome::Removed)
}

/// Takes the right to write from others, and a foreign file or folder away.
#[cfg(unix)]
fn closed(path: &Path, metadata: &Metadata) -> Option<Outcome> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = metadata.permissions();
    permissions.set_mode(permissions.mode() & !0o022);
    // Not by path: it might be a link by now.
    let file = File::open(path).ok()?;
    file.set_permissions(permissions)
        .ok()
        .filter(|()| file.metadata().is_ok_and(|now| store::distrust(&now).is_none()))?;
    Some(Outcome::Closed)
}

#[cfg(not(unix))]
fn closed(_path: &Path, _metadata: &Metadata) -> Option<Outcome> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Library;
    use crate::registry;
    use crate::store::Checked;
    use crate::store::tests::{entry_of, store};

    fn filled() -> (tempfile::TempDir, Store, Library) {
        let (folder, store) = store();
        let content = b"library".repeat(100);
        let (_, library, _) = store.put_library(&content, ".so").unwrap();
        store.put_entry(&entry_of("m", library.digest, content.len() as u64)).unwrap();
        store.put_zig_version(Digest::of(b"zig"), "0.16.0").unwrap();
        store.put_declarations(Digest::of(b"text"), "text").unwrap();
        let history = History {
            zig_version: "0.16.0".into(),
            optimize: "Debug".into(),
            abi: "abi3".into(),
            inputs: Vec::new(),
            discovered: Vec::new(),
        };
        store.put_history(Path::new("/m.zig"), "x", &history).unwrap();
        store.put_sources(Digest::of(b"folder"), &sources::tests::table()).unwrap();
        (folder, store, library)
    }

    fn write(path: &Path, bytes: &[u8]) {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn any_flipped_bit_in_any_file_is_found_and_mended() {
        let (_folder, store, library) = filled();
        assert!(verify(&store, false).unwrap().problems.is_empty());
        let mut paths = Vec::new();
        for bucket in [OBJECTS, LIBRARIES, ENTRIES, SOURCES, HISTORY, TOOLCHAINS, SUPPORT] {
            files(&store.root().join(bucket), &mut paths);
        }
        assert_eq!(paths.len(), 7);
        for path in paths {
            let whole = std::fs::read(&path).unwrap();
            // Every bit of a byte here and there.
            for bit in (0..whole.len() * 8).step_by(if whole.len() > 200 { 37 } else { 1 }) {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                // A frame header has bits without a meaning.
                if store::is_object(&flipped, library.digest) {
                    continue;
                }
                write(&path, &flipped);
                let found = verify(&store, false).unwrap();
                assert!(found.is_damaged() && found.problems.iter().all(|one| one.path == path), "{bit} {found:?}");
                verify(&store, true).unwrap();
                let after = verify(&store, false).unwrap();
                assert!(after.problems.is_empty(), "{bit}: {after:?}");
                if !path.exists() {
                    std::fs::write(&path, &whole).unwrap();
                }
                assert_eq!(std::fs::read(&path).unwrap(), whole, "{}", path.display());
            }
        }
        assert_eq!(registry::list(&store).len(), 1);
    }

    #[test]
    fn a_lost_library_and_object_take_their_entry_with_them_and_nothing_else() {
        let (_folder, store, library) = filled();
        let (_, other, _) = store.put_library(b"other", ".so").unwrap();
        store.put_entry(&entry_of("n", other.digest, 5)).unwrap();
        std::fs::remove_file(store.object_path(library.digest)).unwrap();
        assert!(!verify(&store, true).unwrap().is_damaged(), "the library is enough");
        std::fs::remove_file(store.library_path(library.digest, ".so")).unwrap();
        let repaired = verify(&store, true).unwrap();
        assert_eq!(repaired.problems.len(), 1, "{repaired:?}");
        assert!(repaired.problems[0].message.contains("lost") && !repaired.is_left());
        let left: Vec<String> = registry::list(&store).into_iter().map(|one| one.entry.module).collect();
        assert_eq!(left, ["n"]);
    }

    #[test]
    fn what_restoring_would_refuse_is_found_and_mended_even_without_a_library() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"abcd"].concat();
        let content = b"library".repeat(100);
        let whole = object::pack(&content).unwrap();
        let halves =
            |at: usize| [object::pack(&content[..at]).unwrap(), object::pack(&content[at..]).unwrap()].concat();
        for other in [[&whole[..], &skippable].concat(), [&skippable[..], &whole].concat(), halves(300)] {
            let (_folder, store, library) = filled();
            std::fs::remove_file(store.library_path(library.digest, ".so")).unwrap();
            write(&store.object_path(library.digest), &other);
            assert!(verify(&store, false).unwrap().is_damaged());
            assert_eq!(verify(&store, true).unwrap().problems[0].outcome, Outcome::Rebuilt);
            let entry = registry::list(&store).remove(0).entry;
            assert_eq!(std::fs::read(registry::library(&store, &entry).unwrap().0).unwrap(), content);
        }
        // An entry that lies about the size, of an object that another entry is right about.
        let (_folder, store, library) = filled();
        std::fs::remove_file(store.library_path(library.digest, ".so")).unwrap();
        store.put_entry(&entry_of("n", library.digest, 7)).unwrap();
        let found = verify(&store, true).unwrap();
        assert!(found.problems.len() == 1 && found.problems[0].message.contains("another size"), "{found:?}");
        let left: Vec<String> = registry::list(&store).into_iter().map(|one| one.entry.module).collect();
        assert_eq!(left, ["m"]);
    }

    #[test]
    fn an_entry_in_the_folder_of_another_key_is_none() {
        let (_folder, store, library) = filled();
        let entry = entry_of("m", library.digest, 700);
        let stolen = entry_of("n", library.digest, 700);
        let folder = store.root().join(store::entry_folder(&stolen));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(META), serde_json::to_vec_pretty(&entry).unwrap()).unwrap();
        assert!(store.entries(Digest::from_hex(&stolen.source_key).unwrap(), &Checked::default()).unwrap().is_empty());
        let found = verify(&store, true).unwrap();
        assert!(found.problems.len() == 1 && found.problems[0].message.contains("another key"), "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_found_and_closed() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, store, _) = filled();
        let entry = registry::entry_folders(&store).remove(0);
        for (path, outcome) in [(store.root().join(OBJECTS), Outcome::Closed), (entry.join(META), Outcome::Removed)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
            let found = verify(&store, false).unwrap();
            assert!(found.problems.len() == 1 && found.problems[0].message.contains("others can write"), "{found:?}");
            assert_eq!(verify(&store, true).unwrap().problems[0].outcome, outcome);
            assert!(!verify(&store, false).unwrap().is_damaged());
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_removed_and_what_they_lead_to_stays() {
        let (folder, store, library) = filled();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "mine").unwrap();
        std::os::unix::fs::symlink(&outside, store.root().join(LIBRARIES).join("zz")).unwrap();
        let object = store.object_path(library.digest);
        std::fs::rename(&object, outside.join("object")).unwrap();
        std::os::unix::fs::symlink(outside.join("object"), &object).unwrap();
        let repaired = verify(&store, true).unwrap();
        assert_eq!(repaired.problems.len(), 2, "{repaired:?}");
        assert!(outside.join("precious").exists() && outside.join("object").exists());
        assert!(!verify(&store, false).unwrap().is_damaged());
    }

    #[test]
    fn other_versions_are_noted_and_left_alone() {
        let (_folder, store, _) = filled();
        for name in ["objects-v999", "entries-v1", "mine-v3"] {
            std::fs::create_dir(store.root().join(name)).unwrap();
        }
        let found = verify(&store, true).unwrap();
        let ages: Vec<bool> = found.problems.iter().map(|one| one.message.contains("newer")).collect();
        assert_eq!((ages, found.is_damaged()), (vec![false, true], false));
        assert!(store.root().join("objects-v999").exists());
    }
}
