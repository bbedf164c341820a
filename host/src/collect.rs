//! Keeps the store below its cap.
//!
//! Everything in the store belongs to one item: an artifact (its object,
//! library, entries and manifests), the caches of one compiler, or a small
//! record. Each has a time of last use, and the longest unused go first.
//!
//! - The last use of an artifact is the time of its object: set when it is
//!   built, unpacked or planned, and by hits at most once a day, see
//!   [`Store::note_hit`].
//! - A pinned artifact stays.
//! - The compiler's caches cost seconds to make again and an artifact may cost
//!   minutes, so they go first when they take more than half of the cap. Those
//!   in use stay.
//! - A library is unlinked and never written to, so a process that has it
//!   loaded keeps it.
//!
//! The cap holds after each publication. Walking the store for that would cost
//! more with every artifact in it, so a log adds up what was published since
//! the last walk: eight bytes for each build. The next walk is due when the sum
//! exceeds the cap, when a compiler's caches were made anew, or a day later,
//! because those are not in the sum. What was published just now stays whatever
//! the cap is: somebody is about to load it. A walk that is due brings the store well below the cap, so that the
//! next build does not have to again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::locks::{Lock, Wait};
use crate::manifest::Manifest;
use crate::publish::{Existing, TEMPORARY_PREFIX};
use crate::stamp;
use crate::store::{
    ENTRIES, ENTRY_BYTES_MAX, Entry, HISTORY, LIBRARIES, LOCKS, MANIFESTS, META, OBJECTS, PIN, PLUGINS, SOURCES,
    SUPPORT, Store, TOOLCHAINS, USAGE, USAGE_LOG, ZIG,
};

/// After this the log is not trusted any longer.
const WALK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Unfinished files and unused locks this old belong to no living process.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The longest unused go until no more bytes than this are left.
    pub bytes_max: Option<u64>,
    /// What was not used for this long goes.
    pub unused_max: Option<Duration>,
    /// Whether to say only what would go.
    pub dry_run: bool,
}

/// What kind of thing was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Object, library, entries and manifests of one library.
    Artifact,
    /// The caches of one version of the compiler.
    CompilerCache,
    /// A small file that costs little to make again.
    Record,
}

impl Kind {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::CompilerCache => "compiler-cache",
            Self::Record => "record",
        }
    }
}

/// One thing that can be removed by itself.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Digest, version or file name.
    pub name: String,
    /// Of an artifact, those of the builds that gave it.
    pub keys: Vec<String>,
    /// The modules that it serves.
    pub modules: Vec<String>,
    /// Of all its files.
    pub bytes: u64,
    /// When it was last used.
    pub last_used: SystemTime,
    /// Whether it stays in any case.
    pub pinned: bool,
    /// In the order in which they go: what points before what is pointed at.
    paths: Vec<PathBuf>,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// What went.
    pub removed: Vec<Item>,
    /// What it took.
    pub bytes_freed: u64,
    /// What is left.
    pub bytes_left: u64,
}

/// Collects what the limits say.
///
/// # Errors
/// The store cannot be written.
pub fn collect(store: &Store, limits: Limits, now: SystemTime) -> Result<Collected> {
    if !store.has_buckets() {
        return Ok(Collected::default());
    }
    let _lock = if limits.dry_run { None } else { Some(collector_lock(store)?) };
    let collected = collect_items(store, items(store), limits, now);
    if !limits.dry_run {
        remove_abandoned(store, now);
        write_log(store, collected.bytes_left, now)?;
    }
    Ok(collected)
}

/// Adds a publication of `bytes` to the log, and collects if that is due, but
/// not the artifacts that were `published`.
///
/// # Errors
/// The store cannot be written.
pub fn after_publication(store: &Store, bytes_max: Option<u64>, bytes: u64, published: &[Digest]) -> Result<()> {
    after_publication_at(store, bytes_max, bytes, published, SystemTime::now())
}

fn after_publication_at(
    store: &Store,
    bytes_max: Option<u64>,
    bytes: u64,
    published: &[Digest],
    now: SystemTime,
) -> Result<()> {
    let Some(bytes_max) = bytes_max else { return Ok(()) };
    if let Some((walked, total)) = read_log(store)
        && total.saturating_add(bytes) <= bytes_max
        && now.duration_since(walked).is_ok_and(|age| age < WALK_EVERY)
    {
        let path = store.root().join(USAGE).join(USAGE_LOG);
        // One write of eight bytes at the end: appends of several processes do not mix.
        let appended = File::options().append(true).open(&path).and_then(|mut log| log.write_all(&bytes.to_le_bytes()));
        return appended.map_err(|error| Error::cache("write", path, &error));
    }
    let Ok(_lock) = collector_lock(store) else { return Ok(()) };
    let mut all = items(store);
    for item in &mut all {
        item.pinned |= published.iter().any(|digest| item.kind == Kind::Artifact && digest.hex() == item.name);
    }
    let total: u64 = all.iter().map(|item| item.bytes).sum();
    let left = if total > bytes_max {
        let limits = Limits { bytes_max: Some(bytes_max / 10 * 9), ..Limits::default() };
        collect_items(store, all, limits, now).bytes_left
    } else {
        total
    };
    remove_abandoned(store, now);
    write_log(store, left, now)
}

/// One collector at a time; where there are no locks, any number.
fn collector_lock(store: &Store) -> Result<Option<Lock>> {
    store.lock(Digest::of(b"collect"), &Wait::silent("the cache", Duration::ZERO)).map(Some)
}

fn read_log(store: &Store) -> Option<(SystemTime, u64)> {
    let bytes = stamp::read(&store.root().join(USAGE).join(USAGE_LOG), ENTRY_BYTES_MAX).ok()?.bytes;
    let mut numbers = bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    let walked = UNIX_EPOCH.checked_add(Duration::from_secs(numbers.next()?))?;
    Some((walked, numbers.try_fold(0u64, u64::checked_add)?))
}

fn write_log(store: &Store, bytes: u64, now: SystemTime) -> Result<()> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let log = [seconds.to_le_bytes(), bytes.to_le_bytes()].concat();
    store.publish(USAGE, USAGE_LOG, &log, 0o644, Existing::Replace).map(drop)
}

fn collect_items(store: &Store, mut items: Vec<Item>, limits: Limits, now: SystemTime) -> Collected {
    items.sort_by(|left, right| (left.last_used, &left.name).cmp(&(right.last_used, &right.name)));
    let mut left: u64 = items.iter().map(|item| item.bytes).sum();
    let mut of_compilers: u64 =
        items.iter().filter(|item| item.kind == Kind::CompilerCache).map(|item| item.bytes).sum();
    let mut done = Collected::default();
    let mut take = |items: &mut Vec<Item>, left: &mut u64, wanted: &mut dyn FnMut(&Item, u64) -> bool| {
        items.retain(|item| {
            if item.pinned || !wanted(item, *left) || !(limits.dry_run || remove(store, item)) {
                return true;
            }
            *left -= item.bytes;
            done.removed.push(item.clone());
            done.bytes_freed += item.bytes;
            false
        });
    };
    if let Some(unused_max) = limits.unused_max {
        let is_unused = |item: &Item| now.duration_since(item.last_used).is_ok_and(|age| age > unused_max);
        take(&mut items, &mut left, &mut |item, _| is_unused(item));
    }
    if let Some(bytes_max) = limits.bytes_max {
        take(&mut items, &mut left, &mut |item, left| {
            let goes = item.kind == Kind::CompilerCache && left > bytes_max && of_compilers > bytes_max / 2;
            of_compilers -= if goes { item.bytes } else { 0 };
            goes
        });
        take(&mut items, &mut left, &mut |_, left| left > bytes_max);
    }
    done.bytes_left = left;
    done
}

/// Removes an item; `false` if it is in use or cannot be removed.
fn remove(store: &Store, item: &Item) -> bool {
    if item.kind == Kind::CompilerCache {
        return store.remove_zig(&item.name);
    }
    item.paths.iter().all(|path| match std::fs::remove_file(path) {
        Ok(()) => {
            remove_empty_folders(store, path);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Removes the folders above a file that it leaves empty, up to the bucket.
fn remove_empty_folders(store: &Store, path: &Path) {
    for folder in path.ancestors().skip(1) {
        let is_below_bucket = folder.strip_prefix(store.root()).is_ok_and(|rest| rest.components().count() > 1);
        if !is_below_bucket || std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

struct Found {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

fn files(folder: &Path, found: &mut Vec<Found>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of a link itself: nothing outside is counted or removed.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            files(&entry.path(), found);
        } else {
            let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
            found.push(Found { path: entry.path(), bytes: metadata.len(), modified });
        }
    }
}

fn bucket(store: &Store, name: &str) -> Vec<Found> {
    let mut found = Vec::new();
    files(&store.root().join(name), &mut found);
    found
}

/// Returns everything in the store by what can be removed by itself.
#[must_use]
pub fn items(store: &Store) -> Vec<Item> {
    let mut artifacts: BTreeMap<String, Item> = BTreeMap::new();
    let mut others = Vec::new();
    let record = |found: Found| Item {
        kind: Kind::Record,
        name: found.path.strip_prefix(store.root()).unwrap_or(&found.path).display().to_string(),
        keys: Vec::new(),
        modules: Vec::new(),
        bytes: found.bytes,
        last_used: found.modified,
        pinned: false,
        paths: vec![found.path],
    };
    for name in [MANIFESTS, ENTRIES, LIBRARIES, OBJECTS] {
        for found in bucket(store, name) {
            let file = found.path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let (digest, entry) = match name {
                MANIFESTS => (Manifest::read(&found.path).map(|(manifest, _)| manifest.library.digest), None),
                ENTRIES => {
                    let meta = found.path.with_file_name(META);
                    let entry = stamp::read(&meta, ENTRY_BYTES_MAX).ok();
                    let entry = entry.and_then(|content| Entry::parse(&content.bytes).ok());
                    (entry.as_ref().and_then(|entry| Digest::from_hex(&entry.artifact)), entry)
                }
                _ => (Digest::from_hex(file.split('.').next().unwrap_or_default()), None),
            };
            let pins = name == ENTRIES && file == PIN;
            let Some(digest) = digest else {
                others.push(Item { pinned: pins, ..record(found) });
                continue;
            };
            let item = artifacts.entry(digest.hex()).or_insert_with(|| Item {
                kind: Kind::Artifact,
                name: digest.hex(),
                keys: Vec::new(),
                modules: Vec::new(),
                bytes: 0,
                last_used: UNIX_EPOCH,
                pinned: false,
                paths: Vec::new(),
            });
            item.bytes += found.bytes;
            item.pinned |= pins;
            if let Some(Entry { key, module, .. }) = entry {
                for (names, name) in [(&mut item.keys, key), (&mut item.modules, module)] {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            if name == OBJECTS || name == LIBRARIES {
                item.last_used = item.last_used.max(found.modified);
            }
            item.paths.push(found.path);
        }
    }
    for name in [SOURCES, HISTORY, TOOLCHAINS, SUPPORT, PLUGINS] {
        others.extend(bucket(store, name).into_iter().map(record));
    }
    for version in std::fs::read_dir(store.root().join(ZIG)).into_iter().flatten().flatten() {
        let (path, name) = (version.path(), version.file_name().to_string_lossy().into_owned());
        let mut found = Vec::new();
        files(&path, &mut found);
        let used = store.zig_lock_path(&name).metadata().and_then(|metadata| metadata.modified());
        others.push(Item {
            kind: Kind::CompilerCache,
            keys: Vec::new(),
            modules: Vec::new(),
            bytes: found.iter().map(|one| one.bytes).sum(),
            last_used: used.unwrap_or_else(|_| found.iter().map(|one| one.modified).max().unwrap_or(UNIX_EPOCH)),
            pinned: false,
            paths: vec![path],
            name,
        });
    }
    artifacts.into_values().chain(others).collect()
}

/// Removes what processes left behind that were killed long ago. All of it is
/// harmless; it only takes space.
fn remove_abandoned(store: &Store, now: SystemTime) {
    let is_old = |found: &Found| now.duration_since(found.modified).is_ok_and(|age| age > ABANDONED_AFTER);
    for name in [OBJECTS, LIBRARIES, ENTRIES, MANIFESTS, SOURCES, HISTORY, TOOLCHAINS, SUPPORT, PLUGINS, USAGE] {
        for found in bucket(store, name).iter().filter(|found| is_old(found)) {
            let is_temporary =
                found.path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(TEMPORARY_PREFIX));
            if is_temporary {
                let _ = std::fs::remove_file(&found.path);
            }
        }
    }
    for found in bucket(store, LOCKS).iter().filter(|found| is_old(found)) {
        // Removed while held: who waits for it sees that its name is gone.
        let mut options = File::options();
        options.write(true);
        let held = stamp::open_with(options, &found.path).ok().filter(|lock| lock.try_lock().is_ok());
        if held.is_some() {
            let _ = std::fs::remove_file(&found.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use crate::store::tests::{entry_of, store};

    /// A store, and a clock that the test turns.
    fn put(store: &Store, number: u32, bytes: usize, at: SystemTime) -> Digest {
        let mut content = number.to_le_bytes().to_vec();
        // No repetition, so that the object is as large as the library.
        while content.len() < bytes {
            content.extend(Digest::of(&content).0);
        }
        let (_, library, _) = store.put_library(&content, ".so").unwrap();
        store.put_entry(&entry_of(&format!("m{number}"), library.digest, content.len() as u64)).unwrap();
        used(store, library.digest, at);
        library.digest
    }

    fn used(store: &Store, digest: Digest, at: SystemTime) {
        for path in [store.object_path(digest), store.library_path(digest, ".so")] {
            File::open(path).unwrap().set_modified(at).unwrap();
        }
    }

    fn bytes_on_disk(store: &Store) -> u64 {
        store.sizes().iter().map(|size| size.bytes).sum()
    }

    fn day(number: u32) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::from(number) * 86_400)
    }

    #[test]
    fn the_longest_unused_go_first_and_pins_stay() {
        let (_folder, store) = store();
        let digests: Vec<Digest> = (1..=5).map(|number| put(&store, number, 1000, day(number))).collect();
        let of = |number: usize| {
            registry::list(&store).into_iter().find(|one| one.entry.artifact == digests[number].hex()).unwrap()
        };
        registry::set_pin(&store, &of(0), true).unwrap();
        used(&store, digests[1], day(9));
        let all =
            collect(&store, Limits { bytes_max: Some(bytes_on_disk(&store)), ..Limits::default() }, day(10)).unwrap();
        assert!(all.removed.is_empty(), "{all:?}");
        let limits = Limits { bytes_max: Some(bytes_on_disk(&store) - 1500), dry_run: true, ..Limits::default() };
        let dry = collect(&store, limits, day(10)).unwrap();
        assert!(store.has_object(digests[2]));
        let wet = collect(&store, Limits { dry_run: false, ..limits }, day(10)).unwrap();
        let names = |collected: &Collected| collected.removed.iter().map(|item| item.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&dry), names(&wet));
        assert_eq!(names(&wet), [digests[2].hex()]);
        assert_eq!(wet.removed[0].modules, ["m3"]);
        let there: Vec<bool> = digests.iter().map(|digest| store.has_object(*digest)).collect();
        assert_eq!(there, [true, true, false, true, true]);
        assert_eq!(registry::list(&store).len(), 4);

        let aged = Limits { unused_max: Some(Duration::from_secs(3 * 86_400)), ..Limits::default() };
        collect(&store, aged, day(10)).unwrap();
        let there: Vec<bool> = digests.iter().map(|digest| store.has_object(*digest)).collect();
        assert_eq!(there, [true, true, false, false, false]);
        registry::set_pin(&store, &of(0), false).unwrap();
        collect(&store, Limits { bytes_max: Some(0), ..Limits::default() }, day(10)).unwrap();
        assert!(registry::list(&store).is_empty() && !store.root().join(OBJECTS).join(&digests[0].hex()[..2]).exists());
    }

    #[test]
    fn a_compilers_caches_go_first_when_they_take_half_and_stay_while_in_use() {
        let (_folder, store) = store();
        let kept = put(&store, 1, 1000, day(1));
        let cache = store.zig_cache("0.16.0", "global").unwrap();
        std::fs::write(cache.join("large"), [0; 10_000]).unwrap();
        let limits = Limits { bytes_max: Some(10_000), ..Limits::default() };
        let compiling = store.use_zig("0.16.0").unwrap();
        let collected = collect(&store, Limits { bytes_max: Some(12_000), ..limits }, SystemTime::now()).unwrap();
        assert!(cache.exists() && collected.removed.iter().all(|item| item.kind != Kind::CompilerCache));
        drop(compiling);
        let kept = if store.has_object(kept) { kept } else { put(&store, 1, 1000, day(1)) };
        let collected = collect(&store, limits, SystemTime::now()).unwrap();
        assert_eq!(collected.removed.iter().map(|item| item.kind).collect::<Vec<_>>(), [Kind::CompilerCache]);
        assert!(!cache.exists() && store.has_object(kept));
    }

    #[test]
    fn ten_thousand_imports_stay_under_the_cap_and_what_is_used_stays() {
        const CAP: u64 = 1 << 20;
        let (_folder, store) = store();
        let pinned = put(&store, 0, 3000, UNIX_EPOCH);
        registry::set_pin(&store, &registry::list(&store)[0], true).unwrap();
        let favourite = put(&store, 1, 3000, UNIX_EPOCH);
        let mut largest = 0;
        for number in 2..10_000_u32 {
            let now = UNIX_EPOCH + Duration::from_secs(u64::from(number) * 60);
            let bytes = 200 + (number as usize * 7919) % 1000;
            put(&store, number, bytes, now);
            used(&store, favourite, now);
            after_publication_at(&store, Some(CAP), 2 * bytes as u64 + 1500, &[], now).unwrap();
            if number % 500 == 0 {
                largest = largest.max(bytes_on_disk(&store));
            }
        }
        assert!(largest <= CAP, "{largest}");
        assert!(largest > CAP / 2, "it collects too much: {largest}");
        assert!(store.has_object(pinned) && store.has_object(favourite));
        assert!(!store.has_object(put_digest(2)));
        // The log is as short as the time between two walks.
        assert!(store.root().join(USAGE).join(USAGE_LOG).metadata().unwrap().len() < 16 << 10);
    }

    fn put_digest(number: u32) -> Digest {
        let (_folder, store) = store();
        put(&store, number, 200 + (number as usize * 7919) % 1000, UNIX_EPOCH)
    }

    #[test]
    fn a_log_that_is_lost_or_damaged_is_made_again() {
        let (_folder, store) = store();
        for damage in [None, Some(&b""[..]), Some(b"12345"), Some(&[0xff; 64])] {
            put(&store, 1, 500, day(1));
            let log = store.root().join(USAGE).join(USAGE_LOG);
            match damage {
                None => drop(std::fs::remove_file(&log)),
                Some(bytes) => std::fs::write(&log, bytes).unwrap(),
            }
            after_publication_at(&store, Some(1 << 20), 1000, &[], SystemTime::now()).unwrap();
            assert_eq!(read_log(&store).unwrap().1, items(&store).iter().map(|item| item.bytes).sum::<u64>());
        }
    }

    #[test]
    fn what_killed_processes_left_goes_after_a_day() {
        let (_folder, store) = store();
        put(&store, 1, 500, SystemTime::now());
        let litter = store.root().join(OBJECTS).join(".tmp-1-1");
        std::fs::write(&litter, "half").unwrap();
        drop(store.lock(Digest::of(b"k"), &Wait::silent("m", Duration::ZERO)).unwrap());
        let lock = store.root().join(LOCKS).join(Digest::of(b"k").hex());
        collect(&store, Limits::default(), SystemTime::now()).unwrap();
        assert!(litter.exists() && lock.exists());
        collect(&store, Limits::default(), SystemTime::now() + 2 * ABANDONED_AFTER).unwrap();
        assert!(!litter.exists() && !lock.exists());
    }
}
