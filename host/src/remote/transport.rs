//! What carries blobs to and from a server: the embedder's side. The host has no
//! network client, and loads none on a hit.

use crate::digest::Digest;

/// A server, and as whom to speak to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// May have a password in it.
    pub url: String,
    /// Where the URL names none.
    pub user: Option<String>,
    /// Where the URL has none.
    pub password: Option<String>,
}

/// A compressed library, as a server keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Of the compressed bytes.
    pub digest: Digest,
    /// Their number.
    pub bytes: u64,
}

/// What a server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blob {
    /// What is known of a source key.
    Index {
        /// Stands for the source key.
        name: Digest,
        /// It is never larger.
        bytes_max: u64,
    },
    /// A library.
    Object(Object),
}

/// Carries blobs. Decides nothing: what it returns is checked by whoever asked. Every
/// call ends within seconds, whatever the server does; an error is a clause for a
/// person, without a password in it.
pub trait Transport: Sync {
    /// Returns a blob that is not larger than it may be.
    ///
    /// # Errors
    /// The server gives no answer, not all of it, or more.
    fn get(&self, address: &Address, blob: Blob) -> Result<Option<Vec<u8>>, String>;

    /// Returns whether a blob is there.
    ///
    /// # Errors
    /// The server gives no answer.
    fn has(&self, address: &Address, blob: Blob) -> Result<bool, String>;

    /// Puts a blob there, in the place of another one of its name. `objects` are those
    /// that an index leads to.
    ///
    /// # Errors
    /// The server gives no answer, or does not take it.
    fn put(&self, address: &Address, blob: Blob, content: &[u8], objects: &[Object]) -> Result<(), String>;
}

/// Carries nothing: for callers without a network.
pub struct NoTransport;

impl NoTransport {
    fn fault() -> String {
        "this program speaks to no server".to_owned()
    }
}

impl Transport for NoTransport {
    fn get(&self, _address: &Address, _blob: Blob) -> Result<Option<Vec<u8>>, String> {
        Err(Self::fault())
    }

    fn has(&self, _address: &Address, _blob: Blob) -> Result<bool, String> {
        Err(Self::fault())
    }

    fn put(&self, _address: &Address, _blob: Blob, _content: &[u8], _objects: &[Object]) -> Result<(), String> {
        Err(Self::fault())
    }
}
