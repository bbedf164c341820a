//! Servers of shared caches: the network clients, which are the package `zigimport-remotes`.

use pyo3::exceptions::{PyException, PyImportError, PyModuleNotFoundError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use zigimport_host::remote::transport::{Address, Blob, Object, Transport};

const PACKAGE: &str = "zigimport_remotes";

/// Servers by address, for the life of the process.
static SERVERS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Speaks to servers.
pub struct Client;

impl Client {
    fn ask<T>(address: &Address, ask: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, String> {
        Python::attach(|py| server(py, address).and_then(|server| ask(py, &server)).map_err(|error| reason(py, error)))
    }
}

fn server<'py>(py: Python<'py>, address: &Address) -> PyResult<Bound<'py, PyAny>> {
    let servers = SERVERS.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let Address { url, user, password } = address;
    let key = (url, user, password).into_pyobject(py)?;
    match servers.get_item(&key)? {
        Some(server) => Ok(server),
        None => {
            let made = py.import(PACKAGE)?.getattr("Remote")?.call1(&key)?;
            servers.set_item(key, &made)?;
            Ok(made)
        }
    }
}

/// Says why there was no answer.
fn reason(py: Python<'_>, error: PyErr) -> String {
    // One that has come since would be raised where the error's text is made.
    if !error.is_instance_of::<PyException>(py) || py.check_signals().is_err() {
        // An interrupt, which is for whoever waits for this.
        // SAFETY: the interpreter is attached.
        unsafe { pyo3::ffi::PyErr_SetInterrupt() };
        return "interrupted".to_owned();
    }
    let value = error.value(py);
    let named = |name: &str| value.getattr(name).ok();
    if error.is_instance_of::<PyModuleNotFoundError>(py)
        && named("name").is_some_and(|name| name.eq(PACKAGE).unwrap_or(false))
    {
        return "URLs need the package `zigimport-remotes`, which is not installed; run: pip install zigimport-remotes"
            .to_owned();
    }
    if error.is_instance_of::<PyImportError>(py) {
        return format!("the package `zigimport-remotes` cannot be loaded: {value}");
    }
    value.to_string()
}

/// A blob as the package names it: kind, digest, size.
fn named(blob: Blob) -> (&'static str, String, u64) {
    match blob {
        Blob::Index { name, bytes_max } => ("index", name.hex(), bytes_max),
        Blob::Object(Object { digest, bytes }) => ("object", digest.hex(), bytes),
    }
}

impl Transport for Client {
    fn get(&self, address: &Address, blob: Blob) -> Result<Option<Vec<u8>>, String> {
        Self::ask(address, |_, server| {
            let found = server.call_method1("get", named(blob))?;
            let found: Option<Bound<'_, PyBytes>> = found.extract()?;
            Ok(found.map(|bytes| bytes.as_bytes().to_vec()))
        })
    }

    fn has(&self, address: &Address, blob: Blob) -> Result<bool, String> {
        Self::ask(address, |_, server| server.call_method1("has", named(blob))?.extract())
    }

    fn put(&self, address: &Address, blob: Blob, content: &[u8], objects: &[Object]) -> Result<(), String> {
        Self::ask(address, |py, server| {
            let (kind, digest, _) = named(blob);
            let objects: Vec<(String, u64)> =
                objects.iter().map(|object| (object.digest.hex(), object.bytes)).collect();
            server.call_method1("put", (kind, digest, PyBytes::new(py, content), objects)).map(drop)
        })
    }
}
