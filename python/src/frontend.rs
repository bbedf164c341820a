//! The host's view of Python: where reports go, and whether the user interrupted.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use zigimport_host::error::{Error, ErrorKind};
use zigimport_host::executor::Executor;
use zigimport_host::plugin::engine::Engine;
use zigimport_host::remote::transport::Transport;
use zigimport_host::report::{Frontend, Level, Phase, Step};
use zigimport_host::timings::Recorder;

use crate::remotes::Client;

/// Set once when every operation of this process has to end.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Reports to a Python object with `report(level, message)` and `header_folders()`.
pub struct PythonFrontend {
    object: Py<PyAny>,
    /// Set when this operation alone has to end.
    stop: Option<Arc<AtomicBool>>,
    /// Where it is taken down what takes how long, and for which module.
    pub recorder: Option<(Arc<Recorder>, usize)>,
    /// The exception that a signal handler raised while the host worked.
    interrupt: Mutex<Option<PyErr>>,
}

impl PythonFrontend {
    /// Takes the object that listens.
    pub fn new(object: Py<PyAny>, stop: Option<Arc<AtomicBool>>) -> Self {
        Self { object, stop, recorder: None, interrupt: Mutex::new(None) }
    }

    /// Takes an exception of the listener. One that fails must not make an import
    /// wrong; an interrupt that reached the user's process there must not get lost.
    pub fn note(&self, py: Python<'_>, error: PyErr) {
        if error.is_instance_of::<PyException>(py) {
            error.write_unraisable(py, None);
        } else {
            self.keep(error);
        }
    }

    fn keep(&self, raised: PyErr) {
        if let Ok(mut interrupt) = self.interrupt.lock() {
            *interrupt = Some(raised);
        }
    }

    /// Makes the Python exception for a host error: whatever a signal handler
    /// raised, else what `zigimport._errors` makes of the error's parts.
    pub fn exception(&self, py: Python<'_>, error: &Error) -> PyErr {
        self.raised().unwrap_or_else(|| exception(py, error))
    }

    /// Takes what a signal handler raised while the host worked.
    pub fn raised(&self) -> Option<PyErr> {
        self.interrupt.lock().ok().and_then(|mut interrupt| interrupt.take())
    }
}

/// Makes the Python exception for a host error.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let kind = match error.kind() {
        ErrorKind::Import => "import",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Compile => "compile",
        ErrorKind::Scan => "scan",
        ErrorKind::LockTimeout => "lock-timeout",
        ErrorKind::Cache => "cache",
        ErrorKind::Interrupted => return PyKeyboardInterrupt::new_err(()),
    };
    let diagnostics: Vec<(String, String, u32, u32, String)> = match error {
        Error::Compile { diagnostics, .. } => diagnostics
            .iter()
            .map(|one| (one.severity.clone(), one.path.clone(), one.line, one.column, one.message.clone()))
            .collect(),
        _ => Vec::new(),
    };
    let make = || -> PyResult<Bound<'_, PyAny>> {
        let arguments = (kind, error.to_string(), error.hint(), error.exit_code(), diagnostics);
        py.import("zigimport._errors")?.getattr("make")?.call1(arguments)
    };
    match make() {
        Ok(value) => PyErr::from_value(value),
        Err(failure) => failure,
    }
}

/// Makes an exception for something that is wrong with a call from Python.
pub fn bad_call(message: String) -> PyErr {
    PyRuntimeError::new_err(message)
}

/// Makes an `OSError` of a failure around a path.
pub fn os_error(error: std::io::Error) -> PyErr {
    PyOSError::new_err(error)
}

impl Frontend for PythonFrontend {
    fn report(&self, level: Level, message: String) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
        };
        Python::attach(|py| {
            if let Err(error) = self.object.call_method1(py, "report", (level, message)) {
                self.note(py, error);
            }
        });
    }

    fn interrupted(&self) -> bool {
        let stopped = self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
        if stopped || INTERRUPTED.load(Ordering::Relaxed) {
            return true;
        }
        if self.interrupt.lock().is_ok_and(|interrupt| interrupt.is_some()) {
            return true;
        }
        Python::attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(raised) => {
                self.keep(raised);
                true
            }
        })
    }

    fn plugin_engine(&self) -> &dyn Engine {
        self
    }

    fn transport(&self) -> &dyn Transport {
        &Client
    }

    fn executor(&self) -> &dyn Executor {
        self
    }

    fn wants_steps(&self) -> bool {
        Python::attach(|py| {
            let wanted = self.object.call_method0(py, "wants_steps").and_then(|wanted| wanted.extract(py));
            wanted.unwrap_or_else(|error: PyErr| {
                self.note(py, error);
                false
            })
        })
    }

    fn step(&self, module: &str, step: &Step) {
        Python::attach(|py| {
            if let Err(error) = self.object.call_method1(py, "step", (module, &step.name, step.done, step.total)) {
                self.note(py, error);
            }
        });
    }

    fn spent(&self, phase: Phase, started: Instant, ended: Instant) {
        if let Some((recorder, module)) = &self.recorder {
            recorder.add(*module, phase, started, ended);
        }
    }

    fn header_folders(&self) -> Vec<PathBuf> {
        Python::attach(|py| {
            let folders = self.object.call_method0(py, "header_folders").and_then(|folders| folders.extract(py));
            folders.unwrap_or_else(|error: PyErr| {
                self.note(py, error);
                Vec::new()
            })
        })
    }
}
