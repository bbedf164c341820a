//! The registry: what is stored, by key and by name, for people and programs.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::interpreter::STABLE_ABI;
use crate::manifest::{BuildRecord, Library};
use crate::pipeline::Loadable;
use crate::plan::Context;
use crate::publish::Existing;
use crate::stamp;
use crate::store::{self, ENTRIES, ENTRY_BYTES_MAX, Entry, META, PIN, Store};
use crate::target::Target;

/// As with git: shorter ones are typing errors.
const PREFIX_DIGITS_MIN: usize = 4;

/// A registry entry and what the store has of it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it is.
    pub entry: Entry,
    /// Whether it is kept whatever the limits say.
    pub pinned: bool,
    /// When it was last built, unpacked or, to a day, loaded.
    pub last_used: SystemTime,
    /// Bytes of object and library.
    pub bytes: u64,
}

impl Stored {
    fn of(store: &Store, folder: &Path, entry: Entry) -> Self {
        let metadata = |path: PathBuf| path.metadata().ok();
        let artifact = Digest::from_hex(&entry.artifact);
        let object = artifact.and_then(|digest| metadata(store.object_path(digest)));
        let library = artifact.and_then(|digest| metadata(store.library_path(digest, &entry.suffix)));
        let modified = |found: &Metadata| found.modified().unwrap_or(UNIX_EPOCH);
        let files: Vec<Metadata> = object.into_iter().chain(library).collect();
        Self {
            pinned: folder.join(PIN).is_file(),
            last_used: files.iter().map(modified).max().unwrap_or(UNIX_EPOCH),
            bytes: files.iter().map(Metadata::len).sum(),
            entry,
        }
    }

    /// Returns the entry for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut value = serde_json::to_value(&self.entry).unwrap_or_default();
        value["pinned"] = json!(self.pinned);
        value["last_used_utc"] = json!(store::utc_of(self.last_used));
        value["stored_bytes"] = json!(self.bytes);
        value
    }
}

/// Returns all entries, by module and then the newest first. Damaged ones are left out.
#[must_use]
pub fn list(store: &Store) -> Vec<Stored> {
    let mut all: Vec<Stored> = entry_folders(store)
        .into_iter()
        .filter_map(|folder| {
            let entry = Entry::parse(&stamp::read(&folder.join(META), ENTRY_BYTES_MAX).ok()?.bytes).ok()?;
            (store.root().join(store::entry_folder(&entry)) == folder).then(|| Stored::of(store, &folder, entry))
        })
        .collect();
    all.sort_by(|left, right| {
        (&left.entry.module, right.entry.created_unix, &left.entry.key).cmp(&(
            &right.entry.module,
            left.entry.created_unix,
            &right.entry.key,
        ))
    });
    all
}

/// Returns all entries as one JSON document.
#[must_use]
pub fn list_json(store: &Store) -> String {
    Value::Array(list(store).iter().map(Stored::json).collect()).to_string()
}

/// Returns the folder of every entry, whatever is in it.
pub(crate) fn entry_folders(store: &Store) -> Vec<PathBuf> {
    let mut folders = vec![store.root().join(ENTRIES)];
    for _ in 0..3 {
        folders = folders.iter().flat_map(|folder| subfolders(folder)).collect();
    }
    folders.sort();
    folders
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Returns the entry whose key starts with `prefix`.
///
/// # Errors
/// There is none, or several.
pub fn find(store: &Store, prefix: &str) -> Result<Stored> {
    let hint = || "`zigimport cache list` has the keys".to_owned();
    let wrong = |message: String| Err(Error::Registry { message, hint: hint() });
    let is_prefix = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    if !is_prefix(prefix) || !(PREFIX_DIGITS_MIN..=64).contains(&prefix.len()) {
        return wrong(format!(
            "`{prefix}` is no key: expected {PREFIX_DIGITS_MIN} to 64 digits from 0 to 9 and a to f"
        ));
    }
    let mut found: Vec<Stored> = list(store).into_iter().filter(|one| one.entry.key.starts_with(prefix)).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => wrong(format!("no artifact in `{}` has a key that starts with `{prefix}`", store.root().display())),
        count => wrong(format!("`{prefix}` is the start of {count} keys: {}", describe(&found))),
    }
}

fn describe(all: &[Stored]) -> String {
    let one = |Stored { entry, .. }: &Stored| {
        format!("{} ({} {}, {})", &entry.key[..12], entry.module, entry.optimize, entry.target)
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Returns the one entry of a module that this interpreter can load.
///
/// # Errors
/// There is none, or several.
pub fn find_by_name(context: Context<'_>, module: &str) -> Result<Stored> {
    let of_module: Vec<Stored> = list(context.store).into_iter().filter(|one| one.entry.module == module).collect();
    let mut usable: Vec<Stored> =
        of_module.iter().filter(|one| unusable(context, &one.entry).is_none()).cloned().collect();
    let root = context.store.root().display();
    match usable.len() {
        1 => Ok(usable.remove(0)),
        0 => Err(Error::Registry {
            message: match of_module.len() {
                0 => format!("no artifact of `{module}` is in `{root}`"),
                _ => format!("no artifact of `{module}` is for this Python: {}", describe(&of_module)),
            },
            hint: "build it: zigimport build, or import it".to_owned(),
        }),
        count => Err(Error::Registry {
            message: format!("`{module}` has {count} artifacts: {}", describe(&usable)),
            hint: "name one by its key".to_owned(),
        }),
    }
}

/// Returns why this interpreter cannot load an artifact.
fn unusable(context: Context<'_>, entry: &Entry) -> Option<String> {
    let native = Target::native().label;
    if entry.target != native {
        return Some(format!("it is for {}, and this is {native}", entry.target));
    }
    let abi = context.interpreter.specific_abi();
    (entry.abi != STABLE_ABI && entry.abi != abi)
        .then(|| format!("it is for the ABI {}, and this Python has {abi}", entry.abi))
}

/// Makes an artifact loadable without looking at any source.
///
/// # Errors
/// It is for another platform or Python, or its object is lost or damaged.
pub fn loadable(context: Context<'_>, stored: &Stored) -> Result<Loadable> {
    let entry = &stored.entry;
    if let Some(reason) = unusable(context, entry) {
        return Err(Error::Registry {
            message: format!("the artifact {} of `{}` cannot be loaded: {reason}", &entry.key[..12], entry.module),
            hint: "`zigimport cache list` shows what each artifact is for".to_owned(),
        });
    }
    let (path, library) = library(context.store, entry)?;
    context.store.note_use(library.digest);
    Ok(Loadable {
        path,
        library,
        record: BuildRecord {
            module: entry.module.clone(),
            source_path: entry.source.clone().into(),
            key: entry.key.clone(),
            zig_version: entry.zig_version.clone(),
            optimize: entry.optimize.clone(),
            target: entry.target.clone(),
            abi: entry.abi.clone(),
        },
        built: false,
    })
}

/// Returns the verified library of an entry, unpacked if need be.
///
/// # Errors
/// Both library and object are lost or damaged.
pub fn library(store: &Store, entry: &Entry) -> Result<(PathBuf, Library)> {
    let record = entry.record().ok_or_else(|| Error::Registry {
        message: format!("the entry {} names no library", entry.key),
        hint: "zigimport cache verify --repair".to_owned(),
    })?;
    match store.library_verified(record.library, &entry.suffix) {
        Some(found) => Ok(found),
        None => store.restore(&record.of_any_object(), &entry.suffix),
    }
}

/// Keeps an artifact whatever the limits say, or no longer.
///
/// # Errors
/// The store cannot be written.
pub fn set_pin(store: &Store, stored: &Stored, pinned: bool) -> Result<()> {
    let folder = store::entry_folder(&stored.entry);
    if pinned {
        return store.publish(&folder, PIN, b"", 0o644, Existing::Keep).map(drop);
    }
    let path = store.root().join(folder).join(PIN);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::cache("remove", path, &error)),
        _ => Ok(()),
    }
}
