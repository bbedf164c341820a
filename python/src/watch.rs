//! What watch mode needs: changes of files, what a loaded module is made of, and
//! calls on the main thread.

use std::ffi::{OsString, c_int, c_void};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use zigimport_host::config::Layer;
use zigimport_host::discover;
use zigimport_host::manifest::Recorded;
use zigimport_host::pipeline;
use zigimport_host::watch::{self, Paths};

use crate::finder::Found;
use crate::frontend::exception;
use crate::operations::work;
use crate::request::Request;

/// Adds the class and the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Watcher>()?;
    module.add_function(wrap_pyfunction!(watched, module)?)?;
    module.add_function(wrap_pyfunction!(digests, module)?)?;
    module.add_function(wrap_pyfunction!(folders_at, module)?)?;
    module.add_function(wrap_pyfunction!(call_soon, module)?)
}

/// Waits for changes of the files of modules.
#[pyclass(module = "zigimport._native", frozen)]
pub struct Watcher {
    inner: watch::Watcher,
    stop: Arc<AtomicBool>,
}

#[pymethods]
impl Watcher {
    /// Reads the environment.
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let layer = Layer::from_environment().map_err(|error| exception(py, &error))?;
        Ok(Self { inner: watch::Watcher::new(layer.watch_interval), stop: Arc::default() })
    }

    /// Watches these paths, and no others any more. Returns why files are looked
    /// at in intervals only, if they are.
    fn watch(&self, py: Python<'_>, files: Vec<PathBuf>, folders: Vec<PathBuf>) -> Option<String> {
        let paths = Paths { files: files.into_iter().collect(), folders: folders.into_iter().collect() };
        py.detach(|| self.inner.watch(paths))
    }

    /// Returns the paths that may have changed; an empty list after `timeout`
    /// seconds, or when `wake` or `stop` was called.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> Vec<OsString> {
        let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let changed = py.detach(|| self.inner.wait(timeout));
        strings(changed)
    }

    /// Lets `wait` return.
    fn wake(&self) {
        self.inner.wake();
    }

    /// Ends a build that was given this watcher, and lets `wait` return.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.inner.wake();
    }

    /// Whether `stop` was called.
    #[getter]
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Watcher {
    /// Returns what `stop` sets.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }
}

/// Returns the files and the folders whose changes may change a module; `scanned`
/// asks for those of its sources as they are now, which may not have been built.
#[pyfunction]
fn watched(
    py: Python<'_>,
    request: &Request,
    found: &Found,
    scanned: bool,
    frontend: Py<PyAny>,
) -> PyResult<(Vec<OsString>, Vec<OsString>)> {
    let paths = work(py, request, frontend, |context| Ok(pipeline::watched(context, &found.module, scanned)))?;
    Ok((strings(paths.files), strings(paths.folders)))
}

/// Returns the digest of the content of each file, `None` for what cannot be read.
#[pyfunction]
fn digests(py: Python<'_>, paths: Vec<PathBuf>) -> Vec<Option<String>> {
    py.detach(|| paths.iter().map(|path| Recorded::file(path).map(|file| file.digest.hex())).collect())
}

/// Returns the folders at a path in which new modules may appear.
#[pyfunction]
fn folders_at(py: Python<'_>, path: PathBuf) -> Vec<OsString> {
    strings(py.detach(|| discover::folders_at(&path)))
}

fn strings(paths: impl IntoIterator<Item = PathBuf>) -> Vec<OsString> {
    paths.into_iter().map(PathBuf::into_os_string).collect()
}

/// Has the main thread call something without arguments between two bytecodes.
/// False if too many calls wait already.
#[pyfunction]
fn call_soon(callable: Py<PyAny>) -> bool {
    let argument = callable.into_ptr();
    // SAFETY: the function takes over the reference, and may be called with it on
    // the main thread whenever that holds the interpreter's lock.
    let added = unsafe { pyo3::ffi::Py_AddPendingCall(Some(called_soon), argument.cast::<c_void>()) } == 0;
    if !added {
        // SAFETY: the reference was not taken over.
        Python::attach(|py| drop(unsafe { Bound::<PyAny>::from_owned_ptr(py, argument) }));
    }
    added
}

extern "C" fn called_soon(argument: *mut c_void) -> c_int {
    Python::attach(|py| {
        // SAFETY: `call_soon` passed an owned reference.
        let callable = unsafe { Bound::<PyAny>::from_owned_ptr(py, argument.cast()) };
        match callable.call0() {
            Ok(_) => 0,
            Err(error) if error.is_instance_of::<PyException>(py) => {
                error.write_unraisable(py, Some(&callable));
                0
            }
            // An interrupt is for whatever the main thread was doing.
            Err(error) => {
                error.restore(py);
                -1
            }
        }
    })
}
