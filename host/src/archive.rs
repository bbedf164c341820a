//! Carries entries to another store: a folder, or one `.tar.zst` archive.
//!
//! | member | content |
//! | --- | --- |
//! | `entries-v1/KEY.json` | the entry, as its `meta.json` |
//! | `objects-v1/DIGEST.zst` | the object of an entry before it |
//!
//! The same entries give the same bytes. An archive may come from anywhere, so
//! it is read twice: the first reading checks every member and writes nothing,
//! the second one publishes, and checks each object again. Names are compared
//! with the two forms above and never used as paths; links and other kinds of
//! members are refused; nothing is decompressed beyond the size that its entry
//! records, and no entry is larger than a store would take.
//!
//! What cannot be checked is that a library was made of the sources that its
//! key stands for: import from where you would install packages from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::object;
use crate::publish::{self, Existing};
use crate::registry::{self, Stored};
use crate::stamp;
use crate::store::{self, ENTRY_BYTES_MAX, Entry, LIBRARY_BYTES_MAX, Store};

const ENTRIES: &str = "entries-v1/";
const OBJECTS: &str = "objects-v1/";
/// Suffix of a destination that is one file.
const ARCHIVE_SUFFIX: &str = ".tar.zst";
/// Other archives, which a destination might be taken for.
const OTHER_SUFFIXES: [&str; 8] = [".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip", ".zst", ".7z"];
/// The members are compressed already; this is for the entries.
const ARCHIVE_LEVEL: i32 = 3;
/// No archive has more entries; together with their size this bounds what is held.
const ENTRIES_MAX: usize = 100_000;
/// All entries of an archive together.
const ENTRIES_BYTES_MAX: u64 = 256 << 20;
/// What may follow the members: tar ends with blocks of zeros.
const PADDING_BYTES_MAX: u64 = 1 << 20;

/// What was exported or imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Entries that were written.
    pub entries: u64,
    /// Entries that were there already.
    pub present: u64,
    /// Bytes of the objects that were written.
    pub bytes: u64,
}

/// Writes entries with their objects to a folder, or to an archive if its name
/// ends in `.tar.zst`.
///
/// # Errors
/// An object is lost or damaged, or the destination cannot be written. An
/// archive is there whole or not at all.
pub fn export(store: &Store, all: &[Stored], destination: &Path) -> Result<Carried> {
    let name = destination.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if name.ends_with(ARCHIVE_SUFFIX) {
        return export_archive(store, all, destination);
    }
    if OTHER_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) || destination.is_file() {
        return Err(Error::Registry {
            message: format!(
                "cannot export to `{}`: expected a folder, or a name that ends in .tar.zst",
                destination.display()
            ),
            hint: "zigimport cache export --all mods.tar.zst".to_owned(),
        });
    }
    let failed = |error: &io::Error| Error::file("write", destination, error);
    let mut carried = Carried::default();
    each_member(store, all, &mut carried, |name, bytes| {
        let (folder, leaf) = name.split_once('/').unwrap_or(("", name));
        let path = destination.join(folder);
        std::fs::create_dir_all(&path).map_err(|error| failed(&error))?;
        let folder = Dir::open_ambient_dir(&path, cap_std::ambient_authority()).map_err(|error| failed(&error))?;
        publish::publish(&folder, leaf, bytes, 0o644, Existing::Replace).map(drop).map_err(|error| failed(&error))
    })?;
    Ok(carried)
}

fn export_archive(store: &Store, all: &[Stored], destination: &Path) -> Result<Carried> {
    let failed = |error: &io::Error| Error::file("write", destination, error);
    let unfinished = Unfinished(destination.with_extension(format!("{}.unfinished", std::process::id())));
    let file = File::create(&unfinished.0).map_err(|error| failed(&error))?;
    let mut encoder = zstd::stream::Encoder::new(file, ARCHIVE_LEVEL).map_err(|error| failed(&error))?;
    encoder.include_checksum(true).map_err(|error| failed(&error))?;
    let mut archive = tar::Builder::new(encoder);
    let mut carried = Carried::default();
    each_member(store, all, &mut carried, |name, bytes| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).map_err(|error| failed(&error))
    })?;
    let written = archive.into_inner().and_then(zstd::stream::Encoder::finish);
    written
        .and_then(|mut file| file.flush())
        .and_then(|()| std::fs::rename(&unfinished.0, destination))
        .map_err(|error| failed(&error))?;
    Ok(carried)
}

/// A file that is removed unless it got another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Gives all members in order: the entries, then the objects, each once.
fn each_member(
    store: &Store,
    all: &[Stored],
    carried: &mut Carried,
    mut write: impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let entries: BTreeMap<&str, &Entry> = all.iter().map(|one| (one.entry.key.as_str(), &one.entry)).collect();
    let mut objects: BTreeMap<&str, &Entry> = BTreeMap::new();
    for (key, entry) in entries {
        let text = serde_json::to_vec_pretty(entry).expect("an entry has only encodable fields");
        write(&format!("{ENTRIES}{key}.json"), &text)?;
        carried.entries += 1;
        objects.insert(&entry.artifact, entry);
    }
    for (artifact, entry) in objects {
        let object = object(store, entry)?;
        write(&format!("{OBJECTS}{artifact}.zst"), &object)?;
        carried.bytes += object.len() as u64;
    }
    Ok(())
}

/// Returns the checked object of an entry, made of the library if it is lost.
pub(crate) fn object(store: &Store, entry: &Entry) -> Result<Vec<u8>> {
    let digest = Digest::from_hex(&entry.artifact).unwrap_or(Digest([0; 32]));
    let path = store.object_path(digest);
    if let Ok(content) = stamp::read(&path, LIBRARY_BYTES_MAX)
        && is_object(&content.bytes, entry)
    {
        return Ok(content.bytes);
    }
    let (library, _) = registry::library(store, entry)?;
    let bytes = stamp::read(&library, LIBRARY_BYTES_MAX).map_err(|error| Error::cache("read", &library, &error))?.bytes;
    object::pack(&bytes).map_err(|error| Error::cache("compress", &library, &error))
}

fn is_object(bytes: &[u8], entry: &Entry) -> bool {
    entry.record().is_some_and(|record| object::check(bytes, &record).is_ok())
}

/// Takes all entries of an exported folder or archive into the store. What is
/// there already stays as it is.
///
/// # Errors
/// Something in it is not what it should be, which leaves the store as it was,
/// or the store cannot be written.
pub fn import(store: &Store, source: &Path) -> Result<Carried> {
    if is_cache(source) {
        let shown = source.display();
        return Err(Error::Registry {
            message: format!("`{shown}` is a cache, not an export"),
            hint: format!(
                "ZIGIMPORT_BUILD_DIR={shown} zigimport cache export --all FILE, and import that; or take what it has: \
                 ZIGIMPORT_REMOTE_CACHE={shown} zigimport cache pull --all"
            ),
        });
    }
    let mut checked = Members::default();
    read_members(source, &mut |name, size, reader| checked.take(name, size, reader).map(drop))
        .and_then(|()| checked.complete())
        .map_err(|reason| Error::Archive { path: source.to_owned(), reason })?;
    let mut carried = Carried::default();
    let wanted: Vec<&Entry> = checked.entries.values().filter(|entry| !is_present(store, entry)).collect();
    carried.present = (checked.entries.len() - wanted.len()) as u64;
    // Objects before entries, so that no entry is ever without its object.
    let mut again = Members::default();
    let mut failure = None;
    let read = read_members(source, &mut |name, size, reader| {
        let Some((digest, bytes)) = again.take(name, size, reader)? else { return Ok(()) };
        if failure.is_none() && wanted.iter().any(|entry| entry.artifact == digest.hex()) {
            match store.put_object(digest, &bytes) {
                Ok(()) => carried.bytes += bytes.len() as u64,
                Err(error) => failure = Some(error),
            }
        }
        Ok(())
    });
    if let Some(error) = failure {
        return Err(error);
    }
    read.and_then(|()| again.complete())
        .and_then(|()| if again.entries == checked.entries { Ok(()) } else { Err("it changed meanwhile".to_owned()) })
        .map_err(|reason| Error::Archive { path: source.to_owned(), reason })?;
    for entry in wanted {
        store.put_entry(entry)?;
        carried.entries += 1;
    }
    Ok(carried)
}

/// Returns whether a folder is laid out as a store: entries are in folders, and not in files.
fn is_cache(source: &Path) -> bool {
    let entries = source.join(store::ENTRIES);
    std::fs::read_dir(entries).into_iter().flatten().flatten().any(|entry| entry.path().is_dir())
}

/// Returns whether the store has a whole artifact of an entry's key, made by whomever: a
/// compiler may make other bytes of the same key.
pub(crate) fn is_present(store: &Store, entry: &Entry) -> bool {
    let path = store.root().join(store::entry_folder(entry)).join(store::META);
    let own = stamp::read(&path, ENTRY_BYTES_MAX).ok().and_then(|content| Entry::parse(&content.bytes).ok());
    let Some((own, record)) = own.and_then(|own| own.record().map(|record| (own, record))) else { return false };
    let object = || stamp::read(&store.object_path(record.library), object::packed_bytes_max(record.bytes));
    store.library_verified(record.library, &own.suffix).is_some()
        || object().is_ok_and(|object| is_object(&object.bytes, &own))
}

/// The members so far.
#[derive(Default)]
struct Members {
    entries: BTreeMap<String, Entry>,
    entries_bytes: u64,
    /// For each artifact that an entry names, whether its object came.
    objects: BTreeMap<String, bool>,
}

impl Members {
    /// Checks one member; returns digest and bytes of an object.
    fn take(&mut self, name: &str, size: u64, reader: &mut dyn Read) -> Result<Option<(Digest, Vec<u8>)>, String> {
        let wrong = |reason: &str| format!("`{}`: {reason}", name.escape_debug());
        if let Some(key) = name.strip_prefix(ENTRIES).and_then(|file| file.strip_suffix(".json")) {
            self.entries_bytes = self.entries_bytes.saturating_add(size);
            if size > ENTRY_BYTES_MAX || self.entries_bytes > ENTRIES_BYTES_MAX || self.entries.len() >= ENTRIES_MAX {
                return Err(wrong("it has more entries than a cache can have"));
            }
            if self.objects.values().any(|there| *there) {
                return Err(wrong("entries come before objects"));
            }
            let text = read_all(reader, size).map_err(|reason| wrong(&reason))?;
            let entry = Entry::parse(&text).map_err(|reason| wrong(&reason))?;
            if entry.key != key {
                return Err(wrong("it is the entry of another key"));
            }
            self.objects.insert(entry.artifact.clone(), false);
            return match self.entries.insert(key.to_owned(), entry) {
                None => Ok(None),
                Some(_) => Err(wrong("it is there twice")),
            };
        }
        let object = name.strip_prefix(OBJECTS).and_then(|file| file.strip_suffix(".zst"));
        let Some((artifact, digest)) = object.and_then(|text| Some((text, Digest::from_hex(text)?))) else {
            return Err(wrong("expected `entries-v1/KEY.json` or `objects-v1/DIGEST.zst`"));
        };
        match self.objects.get_mut(artifact) {
            None => return Err(wrong("no entry before it names this object")),
            Some(true) => return Err(wrong("it is there twice")),
            Some(there) => *there = true,
        }
        let mut sizes = self.entries.values().filter(|entry| entry.artifact == artifact);
        let Some(entry) = sizes.next() else { return Err(wrong("no entry names this object")) };
        if sizes.any(|other| other.artifact_bytes != entry.artifact_bytes) {
            return Err(wrong("its entries disagree about its size"));
        }
        let bound = zstd::zstd_safe::compress_bound(usize::try_from(entry.artifact_bytes).unwrap_or(0)) as u64;
        if size > bound {
            return Err(wrong(&format!(
                "it has {size} bytes, and its entry records a library of {}",
                entry.artifact_bytes
            )));
        }
        let bytes = read_all(reader, size).map_err(|reason| wrong(&reason))?;
        if !is_object(&bytes, entry) {
            return Err(wrong("its content is not what its name and its entry say"));
        }
        Ok(Some((digest, bytes)))
    }

    fn complete(&self) -> Result<(), String> {
        if self.entries.is_empty() {
            return Err("it has no entries; expected what `zigimport cache export` writes".to_owned());
        }
        match self.objects.iter().find(|(_, there)| !**there) {
            Some((artifact, _)) => Err(format!("`{OBJECTS}{artifact}.zst` is missing")),
            None => Ok(()),
        }
    }
}

fn read_all(reader: &mut dyn Read, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(size + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 != size {
        return Err(format!("it has {} bytes instead of {size}", bytes.len()));
    }
    Ok(bytes)
}

type Visit<'a> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<(), String> + 'a;

fn read_members(source: &Path, visit: &mut Visit<'_>) -> Result<(), String> {
    if source.is_dir() { read_folder(source, visit) } else { read_archive(source, visit) }
}

fn read_folder(source: &Path, visit: &mut Visit<'_>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let root = Dir::open_ambient_dir(source, cap_std::ambient_authority()).map_err(text)?;
    for bucket in [ENTRIES, OBJECTS] {
        let Ok(folder) = root.open_dir(bucket) else { continue };
        let mut names: Vec<String> = Vec::new();
        for entry in folder.entries().map_err(text)? {
            let entry = entry.map_err(text)?;
            let name = format!("{bucket}{}", entry.file_name().to_string_lossy());
            if !entry.file_type().map_err(text)?.is_file() {
                return Err(format!("`{}`: it is no regular file", name.escape_debug()));
            }
            names.push(name);
        }
        names.sort();
        for name in names {
            let mut file = root.open(&name).map_err(|error| format!("`{name}`: {error}"))?;
            let size = file.metadata().map_err(text)?.len();
            visit(&name, size, &mut file)?;
        }
    }
    Ok(())
}

fn read_archive(source: &Path, visit: &mut Visit<'_>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let metadata = source.metadata().map_err(text)?;
    if !metadata.is_file() {
        return Err("it is neither a folder nor a regular file".to_owned());
    }
    let decoder = object::decoder(stamp::open(source).map_err(text)?).map_err(text)?;
    let mut archive = tar::Archive::new(decoder);
    for member in archive.entries().map_err(text)?.raw(true) {
        let mut member = member.map_err(|error| format!("it is no whole archive: {error}"))?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        if !member.header().entry_type().is_file() {
            let kind = member.header().entry_type();
            return Err(format!("`{}`: expected a file, and it is a {kind:?}", name.escape_debug()));
        }
        let size = member.size();
        visit(&name, size, &mut member)?;
    }
    // To its end, so that its checksum is compared.
    let mut decoder = archive.into_inner();
    let mut rest = Vec::new();
    Read::by_ref(&mut decoder).take(PADDING_BYTES_MAX + 1).read_to_end(&mut rest).map_err(text)?;
    if rest.len() as u64 > PADDING_BYTES_MAX || rest.iter().any(|byte| *byte != 0) {
        return Err("something follows its last member".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{entry_of, store};

    fn filled(modules: &[&str]) -> (tempfile::TempDir, Store) {
        let (folder, store) = store();
        for module in modules {
            let content = module.repeat(500);
            let (_, library, _) = store.put_library(content.as_bytes(), ".so").unwrap();
            store.put_entry(&entry_of(module, library.digest, content.len() as u64)).unwrap();
        }
        (folder, store)
    }

    fn bytes_of(store: &Store) -> u64 {
        store.sizes().iter().map(|size| size.bytes).sum()
    }

    /// Exports, and returns the members for a test to change.
    fn members(store: &Store) -> Vec<(String, Vec<u8>)> {
        let mut members = Vec::new();
        each_member(store, &registry::list(store), &mut Carried::default(), |name, bytes| {
            members.push((name.to_owned(), bytes.to_vec()));
            Ok(())
        })
        .unwrap();
        members
    }

    fn packed(members: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 3).unwrap());
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, &bytes[..]).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn refused(archive: &[u8]) -> String {
        let (folder, store) = store();
        let path = folder.path().join("mods.tar.zst");
        std::fs::write(&path, archive).unwrap();
        let error = import(&store, &path).unwrap_err();
        assert!(matches!(error, Error::Archive { .. }), "{error}");
        assert_eq!(bytes_of(&store), 0);
        error.to_string()
    }

    #[test]
    fn what_is_exported_can_be_imported_as_a_folder_and_as_an_archive() {
        let (folder, one) = filled(&["m", "n"]);
        for destination in ["mods.tar.zst", "mods"] {
            let destination = folder.path().join(destination);
            let all = registry::list(&one);
            let exported = export(&one, &all, &destination).unwrap();
            assert_eq!(exported.entries, 2);
            let (_other, two) = store();
            assert_eq!(import(&two, &destination).unwrap(), exported);
            let again = import(&two, &destination).unwrap();
            assert_eq!(again, Carried { entries: 0, present: 2, bytes: 0 });
            let entries = |store: &Store| registry::list(store).into_iter().map(|one| one.entry).collect::<Vec<_>>();
            assert_eq!(entries(&one), entries(&two));
            let found = &registry::list(&two)[0];
            assert!(registry::library(&two, &found.entry).is_ok());
        }
        let before = std::fs::read(folder.path().join("mods.tar.zst")).unwrap();
        export(&one, &registry::list(&one), &folder.path().join("mods.tar.zst")).unwrap();
        assert_eq!(std::fs::read(folder.path().join("mods.tar.zst")).unwrap(), before);
        assert!(export(&one, &[], &folder.path().join("mods.zip")).is_err());
    }

    #[test]
    fn what_is_whole_stays_and_what_is_damaged_is_mended() {
        let (_folder, theirs) = filled(&["m"]);
        let out = tempfile::tempdir().unwrap();
        export(&theirs, &registry::list(&theirs), &out.path().join("m.tar.zst")).unwrap();
        let imported = |store: &Store| import(store, &out.path().join("m.tar.zst")).unwrap();
        // The same key, and another library: a compiler may do that.
        let (_folder, ours) = store();
        let (path, _, record) = ours.put_library(b"another", ".so").unwrap();
        let own = entry_of("m", record.library, record.bytes);
        ours.put_entry(&own).unwrap();
        assert_eq!(imported(&ours), Carried { entries: 0, present: 1, bytes: 0 });
        assert_eq!(registry::list(&ours)[0].entry, own);
        // Of which nothing is whole any more.
        std::fs::remove_file(path).unwrap();
        let object = ours.object_path(record.library);
        std::fs::remove_file(&object).unwrap();
        std::fs::write(&object, "poison").unwrap();
        assert_eq!(imported(&ours).entries, 1);
        assert!(registry::library(&ours, &registry::list(&ours)[0].entry).is_ok());
    }

    #[test]
    fn every_truncation_and_flipped_bit_is_refused() {
        let (_folder, one) = filled(&["m"]);
        let (folder, _) = store();
        let path = folder.path().join("mods.tar.zst");
        export(&one, &registry::list(&one), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            refused(&whole[..length]);
        }
        for bit in (0..whole.len() * 8).step_by(13) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (_folder, other) = store();
            std::fs::write(&path, &flipped).unwrap();
            match import(&other, &path) {
                Err(Error::Archive { .. }) => assert_eq!(bytes_of(&other), 0, "bit {bit}"),
                // A bit of a frame header that says nothing about the content.
                Ok(_) => assert_eq!(members(&other), members(&one), "bit {bit}"),
                Err(error) => panic!("bit {bit}: {error}"),
            }
        }
    }

    #[test]
    fn hostile_members_are_refused() {
        let (_folder, one) = filled(&["m", "n"]);
        let good = members(&one);
        type Change = fn(&mut Vec<(String, Vec<u8>)>);
        let changes: [(&str, Change); 12] = [
            ("expected `entries-v1", |all| all.push(("../evil".into(), b"x".to_vec()))),
            ("expected `entries-v1", |all| all.push(("/etc/evil".into(), b"x".to_vec()))),
            ("expected `entries-v1", |all| all[2].0 = format!("{OBJECTS}../../{}.zst", "a".repeat(64))),
            ("it is no entry", |all| all.push(("entries-v1/../../x.json".into(), b"{}".to_vec()))),
            ("checksum differs", |all| {
                let text = String::from_utf8(all[0].1.clone()).unwrap();
                all[0].1 = text.replace("Debug", "ReleaseFast").into_bytes();
            }),
            ("another key", |all| all[0].0 = all[1].0.clone()),
            ("is missing", |all| drop(all.pop())),
            ("is missing", |all| drop(all.remove(2))),
            ("there twice", |all| all.push(all[3].clone())),
            ("no entry before it", |all| drop(all.remove(0))),
            ("not what its name", |all| all[2].1 = all[3].1.clone()),
            ("has no entries", |all| all.clear()),
        ];
        for (words, change) in changes {
            let mut all = good.clone();
            change(&mut all);
            if words.starts_with("it is no entry") {
                all.rotate_right(1);
            }
            let message = refused(&packed(&all));
            assert!(message.contains(words), "{words}: {message}");
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_held() {
        let (_folder, one) = filled(&["m"]);
        let mut all = members(&one);
        // Half a gigabyte of zeros behind an entry of 500 bytes.
        let mut bomb = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        io::copy(&mut io::repeat(0).take(1 << 29), &mut bomb).unwrap();
        all[1].1 = bomb.finish().unwrap();
        let message = refused(&packed(&all));
        assert!(message.contains("its entry records a library of 500"), "{message}");
        let mut all = members(&one);
        all[1].1 = object::pack(&[0; 100_000]).unwrap();
        assert!(refused(&packed(&all)).contains("not what its name"));
    }

    #[test]
    fn links_are_refused() {
        let mut archive = tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 3).unwrap());
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory, tar::EntryType::Fifo] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_path("entries-v1/x.json").unwrap();
            header.set_link_name("/etc/passwd").unwrap();
            header.set_cksum();
            archive.append(&header, io::empty()).unwrap();
        }
        let message = refused(&archive.into_inner().unwrap().finish().unwrap());
        assert!(message.contains("expected a file, and it is a Symlink"), "{message}");
        #[cfg(unix)]
        {
            let (folder, one) = filled(&["m"]);
            let mods = folder.path().join("mods");
            export(&one, &registry::list(&one), &mods).unwrap();
            let object = mods.join(OBJECTS).read_dir().unwrap().next().unwrap().unwrap().path();
            std::fs::rename(&object, folder.path().join("outside")).unwrap();
            std::os::unix::fs::symlink(folder.path().join("outside"), &object).unwrap();
            let (_other, two) = store();
            assert!(import(&two, &mods).unwrap_err().to_string().contains("no regular file"));
        }
    }
}
