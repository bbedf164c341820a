//! The network clients of zigimport: what speaks to the servers by which
//! machines share artifacts, and to those that compile.
//!
//! A library of its own, because it carries TLS and several protocols, none of
//! which an import should load.
//!
//! | module | concern |
//! | --- | --- |
//! | [`address`] | what a URL says |
//! | [`http`] | WebDAV, and servers that only know `PUT` and `GET` |
//! | [`buckets`] | S3 and Redis |
//! | [`cache`] | a cache of the Remote Execution API |
//! | [`instance`] | what this cache and the executor have in common |
//! | [`grpc`] | a connection to a gRPC server |
//! | [`execute`] | runs a command on a server of the Remote Execution API |
//! | [`limits`] | how long a server may take, and how much it may send |
//! | [`runtime`] | drives a call on the caller's thread, and not beyond a fork |
//!
//! Invariants: nothing here decides what is trusted; every call ends, whatever the
//! server does; a password is in no message; what a server sends is never held beyond
//! what it may be.

mod address;
mod buckets;
mod cache;
mod execute;
mod grpc;
mod http;
mod instance;
mod limits;
mod runtime;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use address::Address;
use runtime::{PerProcess, Runtime};

create_exception!(zigimport_remotes, RemoteError, PyException, "Why a server gave no answer.");

/// How often a call looks whether the user interrupted.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

/// Every scheme that is understood.
const SCHEMES: [&str; 7] = ["http", "https", "s3", "redis", "rediss", "grpc", "grpcs"];

/// Why a server gave no answer, as a clause for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    message: String,
    /// Whether it may be otherwise at once.
    again: bool,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), again: false }
    }

    fn again(self) -> Self {
        Self { again: true, ..self }
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        RemoteError::new_err(failure.message)
    }
}

/// Says what is wrong, with what it comes from.
fn described(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// A compressed library.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    /// Hexadecimal SHA-256 of its bytes as they are sent.
    digest: String,
    /// Their number.
    bytes: u64,
}

/// What a server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// What is known of a source key, and how large that may be.
    Index { source_key: String, bytes_max: u64 },
    /// A compressed library.
    Object(Object),
}

impl Name {
    fn of(kind: &str, digest: &str, bytes: u64) -> PyResult<Self> {
        if digest.len() != 64 || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(PyValueError::new_err(format!("digest={digest:?}: expected 64 hexadecimal digits")));
        }
        match kind {
            "index" => Ok(Self::Index { source_key: digest.to_owned(), bytes_max: bytes }),
            "object" => Ok(Self::Object(Object { digest: digest.to_owned(), bytes })),
            _ => Err(PyValueError::new_err(format!("kind={kind:?}: expected index or object"))),
        }
    }

    /// Returns where it lies on servers that have paths.
    fn path(&self) -> String {
        match self {
            Self::Index { source_key, .. } => format!("indexes-v1/{}/{source_key}.json", &source_key[..2]),
            Self::Object(Object { digest, .. }) => format!("objects-v1/{}/{digest}.zst", &digest[..2]),
        }
    }

    /// Returns the most that it may be, in bytes.
    fn bytes_max(&self) -> u64 {
        match self {
            Self::Index { bytes_max, .. } => *bytes_max,
            Self::Object(Object { bytes, .. }) => *bytes,
        }
    }
}

/// A server, by its protocol.
enum Transport {
    Http(http::Server),
    Bucket(buckets::Bucket),
    Cache(cache::Cache),
}

impl Transport {
    fn new(address: &Address) -> Result<Self, Failure> {
        Ok(match address.url.scheme() {
            "http" | "https" => Self::Http(http::Server::new(address.clone())?),
            "s3" => Self::Bucket(buckets::Bucket::s3(address)?),
            "redis" | "rediss" => Self::Bucket(buckets::Bucket::redis(address)?),
            "grpc" | "grpcs" => Self::Cache(cache::Cache::new(address)?),
            other => {
                let known = SCHEMES.join(", ");
                return Err(Failure::new(format!("the scheme `{other}` is unknown; expected one of {known}")));
            }
        })
    }

    /// Returns a blob.
    ///
    /// # Errors
    /// The server gives no answer, not all of it, or more than it may be.
    async fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Http(server) => server.get(name).await,
            Self::Bucket(bucket) => bucket.get(name).await,
            Self::Cache(cache) => cache.get(name).await,
        }
    }

    /// Returns whether a blob is there.
    ///
    /// # Errors
    /// The server gives no answer.
    async fn has(&self, name: &Name) -> Result<bool, Failure> {
        match self {
            Self::Http(server) => server.has(name).await,
            Self::Bucket(bucket) => bucket.has(name).await,
            Self::Cache(cache) => cache.has(name).await,
        }
    }

    /// Puts a blob there, in the place of another one of its name. `objects` are those
    /// that an index leads to.
    ///
    /// # Errors
    /// The server gives no answer, or does not take it.
    async fn put(&self, name: &Name, content: &Bytes, objects: &[Object]) -> Result<(), Failure> {
        limits::carried(content.len() as u64, async {
            match self {
                Self::Http(server) => server.put(name, content.clone()).await,
                Self::Bucket(bucket) => bucket.put(name, content.clone()).await,
                Self::Cache(cache) => cache.put(name, content, objects).await,
            }
        })
        .await
    }
}

/// Calls once more where that may help.
async fn twice<T>(call: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    match call().await {
        Err(failure) if failure.again => call().await,
        answer => answer,
    }
}

/// What a process has of a server.
struct Connection {
    runtime: Runtime,
    transport: Transport,
}

/// A server that keeps indexes and objects.
#[pyclass(frozen, module = "zigimport_remotes")]
struct Remote {
    address: Address,
    connection: PerProcess<Connection>,
}

impl Remote {
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl AsyncFn(&Transport) -> Result<T, Failure> + Sync,
    ) -> PyResult<T> {
        let connection = self.connection.get(|| {
            let runtime = Runtime::new()?;
            let transport = runtime.run(async { Transport::new(&self.address) })?;
            Ok(Connection { runtime, transport })
        })?;
        py.detach(|| {
            connection.runtime.run(async {
                let answer = std::pin::pin!(twice(async || call(&connection.transport).await));
                match select(answer, std::pin::pin!(interrupted())).await {
                    Either::Left((answer, _)) => Ok(answer?),
                    Either::Right((interrupt, _)) => Err(interrupt),
                }
            })
        })
    }
}

/// Waits until the user interrupts.
async fn interrupted() -> PyErr {
    loop {
        tokio::time::sleep(INTERRUPT_POLL).await;
        if let Err(interrupt) = Python::attach(|py| py.check_signals()) {
            return interrupt;
        }
    }
}

#[pymethods]
impl Remote {
    #[new]
    #[pyo3(signature = (url, user=None, password=None))]
    fn new(url: &str, user: Option<String>, password: Option<String>) -> PyResult<Self> {
        let address = Address::parse(url, user, password)?;
        Ok(Self { address, connection: PerProcess::new() })
    }

    /// Returns a blob, or nothing. `size` is that of an object, and the most of an index.
    fn get<'py>(&self, py: Python<'py>, kind: &str, digest: &str, size: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let name = Name::of(kind, digest, size)?;
        let found = self.call(py, async |transport| transport.get(&name).await)?;
        Ok(found.map(|bytes| PyBytes::new(py, &bytes)))
    }

    /// Returns whether a blob is there.
    fn has(&self, py: Python<'_>, kind: &str, digest: &str, size: u64) -> PyResult<bool> {
        let name = Name::of(kind, digest, size)?;
        self.call(py, async |transport| transport.has(&name).await)
    }

    /// Puts a blob there. An index comes with digest and size of each object that it leads to.
    #[pyo3(signature = (kind, digest, content, objects=Vec::new()))]
    fn put(
        &self,
        py: Python<'_>,
        kind: &str,
        digest: &str,
        content: &[u8],
        objects: Vec<(String, u64)>,
    ) -> PyResult<()> {
        let name = Name::of(kind, digest, content.len() as u64)?;
        let content = Bytes::copy_from_slice(content);
        let objects: Vec<Object> = objects.into_iter().map(|(digest, bytes)| Object { digest, bytes }).collect();
        self.call(py, async |transport| transport.put(&name, &content, &objects).await)
    }
}

/// `zigimport_remotes`.
#[pymodule(gil_used = true)]
fn zigimport_remotes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // One that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SCHEMES", SCHEMES)?;
    module.add("RemoteError", module.py().get_type::<RemoteError>())?;
    module.add_class::<execute::Execution>()?;
    module.add_class::<Remote>()
}
