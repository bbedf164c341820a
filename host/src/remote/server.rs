//! A shared cache behind a URL. Servers cannot be asked what they have, so each source
//! key has an index: the entries of its artifacts, and where their objects are.
//!
//! | blob | named by | content |
//! | --- | --- | --- |
//! | index | digest of the source key and the format of entries | JSON, the newest entry first |
//! | object | digest of its own bytes | the library, zstd-compressed |
//!
//! An index is rewritten as a whole, and two that do so at once can lose what the other
//! added: so whoever wrote one looks a moment later whether it is still there, and adds it
//! again. What is lost all the same is a miss.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::transport::{Address, Blob, Object, Transport};
use super::{ENTRIES_MAX, Shared, checked, newest_first};
use crate::archive::{self, Carried};
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::object::{self, Record};
use crate::store::{ENTRIES, ENTRY_BYTES_MAX, Entry, Store};

/// Every scheme of a URL that `zigimport-remotes` understands.
pub const SCHEMES: [&str; 7] = ["http", "https", "s3", "redis", "rediss", "grpc", "grpcs"];
/// An index is never larger: the oldest entries go.
const INDEX_BYTES_MAX: u64 = ENTRY_BYTES_MAX;
/// How long others may take between reading an index and writing it.
const SETTLE: Duration = Duration::from_millis(200);
/// How often what others overwrote is added again.
const SETTLE_TRIES_MAX: u32 = 10;

/// Servers that failed, and how. They are left alone for the rest of the process, so that
/// one that gives no answer costs its timeout once.
static FAILED: Mutex<BTreeMap<Address, String>> = Mutex::new(BTreeMap::new());

/// Returns a URL without user and password.
pub fn shown(url: &str) -> PathBuf {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    // A password may have any character in it, so whatever comes before the last `@` may be one.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    PathBuf::from(format!("{scheme}://{rest}"))
}

/// Returns how a server failed before.
pub fn failure(address: &Address) -> Option<String> {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).get(address).cloned()
}

/// An index as it is written.
#[derive(Serialize)]
struct Index<'a> {
    entries: Vec<Listed<&'a Entry>>,
}

/// An index as it is read: each entry is judged for itself.
#[derive(Deserialize)]
struct AnyIndex {
    entries: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Listed<T> {
    entry: T,
    /// Hexadecimal, of the compressed library.
    object: String,
    object_bytes: u64,
}

/// A server that did not fail yet.
pub struct Server<'a> {
    address: Address,
    shown: PathBuf,
    transport: &'a dyn Transport,
}

impl<'a> Server<'a> {
    /// Takes a server, unless it failed before in this process.
    ///
    /// # Errors
    /// The scheme is unknown.
    pub fn of(address: Address, transport: &'a dyn Transport) -> Result<Option<Self>> {
        let (scheme, _) = address.url.split_once("://").unwrap_or_default();
        if !SCHEMES.contains(&scheme) {
            return Err(Error::Setting {
                name: "ZIGIMPORT_REMOTE_CACHE".to_owned(),
                // The rest may have a password in it.
                value: format!("{scheme}://…"),
                place: String::new(),
                expected: format!("a directory, or a URL that starts with one of {}", SCHEMES.join(", ")),
            });
        }
        let shown = shown(&address.url);
        let server = Self { address, shown, transport };
        Ok((!server.has_failed()).then_some(server))
    }

    /// Returns the URL without user and password.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    fn has_failed(&self) -> bool {
        failure(&self.address).is_some()
    }

    fn error(&self, action: &'static str, reason: String) -> Error {
        Error::Remote { action, path: self.shown.clone(), reason }
    }

    /// Asks the server; one that fails is asked no more.
    fn ask<T>(
        &self,
        action: &'static str,
        ask: impl FnOnce(&dyn Transport, &Address) -> Result<T, String>,
    ) -> Result<T> {
        ask(self.transport, &self.address).map_err(|reason| {
            let error = self.error(action, reason);
            FAILED.lock().unwrap_or_else(PoisonError::into_inner).insert(self.address.clone(), error.to_string());
            error
        })
    }

    /// Returns the entries of a source key, the newest first.
    ///
    /// # Errors
    /// The server fails, or there is nothing but damage.
    pub fn entries(&self, source_key: Digest) -> Result<Vec<Shared>> {
        match self.index(source_key)? {
            (entries, Some(damage)) if entries.is_empty() => Err(self.error("read", damage)),
            (entries, _) => Ok(entries),
        }
    }

    /// Returns what an index has that is whole, and what is wrong with the rest.
    fn index(&self, source_key: Digest) -> Result<(Vec<Shared>, Option<String>)> {
        let blob = index_of(source_key);
        let Some(text) = self.ask("read", |transport, address| transport.get(address, blob))? else {
            return Ok((Vec::new(), None));
        };
        let index: AnyIndex = match serde_json::from_slice(&text) {
            Ok(index) => index,
            Err(error) => return Ok((Vec::new(), Some(format!("an index is damaged ({error})")))),
        };
        let mut damage = None;
        let mut entries = Vec::new();
        for listed in index.entries.into_iter().take(ENTRIES_MAX) {
            match shared(listed, source_key) {
                Ok(shared) => entries.push(shared),
                Err(reason) => damage = Some(format!("an entry is damaged: {reason}")),
            }
        }
        newest_first(&mut entries);
        Ok((entries, damage))
    }

    /// Returns whether the object of an entry is there.
    ///
    /// # Errors
    /// The server fails.
    pub fn has(&self, object: Object) -> Result<bool> {
        self.ask("read", |transport, address| transport.has(address, Blob::Object(object)))
    }

    /// Returns the object of an entry, after checking it, and what is recorded of it.
    ///
    /// # Errors
    /// The server fails, or the object is not what the entry says.
    pub fn packed(&self, entry: &Entry, object: Object) -> Result<(Record, Vec<u8>)> {
        let packed = self.ask("fetch", |transport, address| transport.get(address, Blob::Object(object)))?;
        let packed = packed.ok_or_else(|| self.error("fetch", format!("`{}` is not there", object.digest.hex())))?;
        let record = checked(&packed, entry)
            .map_err(|reason| self.error("fetch", format!("`{}`: {reason}", object.digest.hex())))?;
        Ok((record, packed))
    }

    /// Puts artifacts of the store there, each object before the index that leads to it.
    ///
    /// # Errors
    /// As for [`super::Remote::put`].
    pub fn put(&self, store: &Store, all: &[&Entry]) -> Result<Carried> {
        let mut carried = Carried::default();
        let mut written = Vec::new();
        for entry in all {
            let source_key = source_key(entry)?;
            let (listed, _) = self.index(source_key)?;
            let there = listed.iter().find(|one| one.entry.key == entry.key);
            match there.and_then(|one| Some(self.packed(&one.entry, one.object?))) {
                Some(Ok(_)) => {
                    carried.present += 1;
                    continue;
                }
                Some(Err(error)) if self.has_failed() => return Err(error),
                // What is damaged there is found by whoever takes it, and mended by whoever has it.
                Some(Err(_)) | None => {}
            }
            let packed = archive::object(store, entry)?;
            let object = Object { digest: Digest::of(&packed), bytes: packed.len() as u64 };
            self.ask("write", |transport, address| transport.put(address, Blob::Object(object), &packed, &[]))?;
            let own = Shared { entry: (*entry).clone(), object: Some(object) };
            // Read again: others may have written it while the object was on its way.
            let (listed, _) = self.index(source_key)?;
            self.write_index(source_key, &own, listed)?;
            written.push(own);
            carried.entries += 1;
            carried.bytes += packed.len() as u64;
        }
        self.settle(written)?;
        Ok(carried)
    }

    /// Adds again what others overwrote.
    fn settle(&self, mut written: Vec<Shared>) -> Result<()> {
        for _ in 0..SETTLE_TRIES_MAX {
            if written.is_empty() {
                break;
            }
            // Not in step with others who wait for the same.
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            std::thread::sleep(SETTLE + SETTLE.mul_f64(f64::from(now.subsec_nanos() % 1_000) / 1_000.0));
            let mut lost = Vec::new();
            for own in written {
                let source_key = source_key(&own.entry)?;
                let (listed, _) = self.index(source_key)?;
                // Another artifact of the key, from whoever built the same at once, is as good.
                if !listed.iter().any(|one| one.entry.key == own.entry.key) {
                    self.write_index(source_key, &own, listed)?;
                    lost.push(own);
                }
            }
            written = lost;
        }
        Ok(())
    }

    /// Writes the index of a source key with one more entry, or another one of its key.
    fn write_index(&self, source_key: Digest, own: &Shared, mut listed: Vec<Shared>) -> Result<()> {
        listed.retain(|one| one.entry.key != own.entry.key);
        listed.insert(0, own.clone());
        listed.truncate(ENTRIES_MAX);
        loop {
            let objects: Vec<Object> = listed.iter().filter_map(|one| one.object).collect();
            let entries = listed.iter().zip(&objects).map(|(one, object)| Listed {
                entry: &one.entry,
                object: object.digest.hex(),
                object_bytes: object.bytes,
            });
            let text = serde_json::to_vec(&Index { entries: entries.collect() });
            let text = text.expect("an entry has only encodable fields");
            if text.len() as u64 <= INDEX_BYTES_MAX {
                let blob = index_of(source_key);
                return self.ask("write", |transport, address| transport.put(address, blob, &text, &objects));
            }
            if listed.len() == 1 {
                return Err(self.error("write", format!("the entry of `{}` is too large for it", own.entry.module)));
            }
            listed.pop();
        }
    }
}

/// Takes an entry of an index if it is whole, of the source key, and its object not larger
/// than it can be.
fn shared(listed: Value, source_key: Digest) -> Result<Shared, String> {
    let Listed { entry, object, object_bytes }: Listed<Value> =
        serde_json::from_value(listed).map_err(|error| error.to_string())?;
    let entry = Entry::parse(&serde_json::to_vec(&entry).map_err(|error| error.to_string())?)?;
    if entry.source_key != source_key.hex() {
        return Err("it is of another source key".to_owned());
    }
    let digest = Digest::from_hex(&object).ok_or("it names no object")?;
    if object_bytes > object::packed_bytes_max(entry.artifact_bytes) {
        return Err("its object is larger than it can be".to_owned());
    }
    Ok(Shared { entry, object: Some(Object { digest, bytes: object_bytes }) })
}

/// Returns the index of a source key. Other formats of entries have others.
fn index_of(source_key: Digest) -> Blob {
    let mut hasher = FieldHasher::new("zigimport index v1");
    hasher.field("entries", ENTRIES.as_bytes());
    hasher.field("source key", &source_key.0);
    Blob::Index { name: hasher.finish(), bytes_max: INDEX_BYTES_MAX }
}

fn source_key(entry: &Entry) -> Result<Digest> {
    Digest::from_hex(&entry.source_key).ok_or_else(|| Error::Registry {
        message: format!("the entry of `{}` has no source key", entry.module),
        hint: "zigimport cache verify --repair".to_owned(),
    })
}
