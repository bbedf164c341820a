//! Remote executors: what speaks to them is the package `zigimport-remotes`.

use pyo3::exceptions::{PyException, PyImportError, PyModuleNotFoundError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zigimport_host::executor::{Address, Done, Executor, Fault, Missing, Task};
use zigimport_host::report::Frontend;

use crate::frontend::PythonFrontend;

const PACKAGE: &str = "zigimport_remotes";
const NEEDED: &str = "the package `zigimport-remotes`, which is not installed";

/// How long the package works before the user may interrupt.
const SECONDS_BETWEEN_LOOKS: f64 = 0.05;

impl Executor for PythonFrontend {
    fn missing(&self) -> Option<Missing> {
        let is_there = Python::attach(|py| {
            let found = py.import("importlib.util")?.call_method1("find_spec", (PACKAGE,))?;
            Ok::<bool, PyErr>(!found.is_none())
        });
        // Whatever else is wrong with it is said where it is used.
        matches!(is_there, Ok(false)).then(|| Missing {
            reason: format!("that needs {NEEDED}"),
            hint: "pip install zigimport-remotes".to_owned(),
        })
    }

    fn execute(&self, address: &Address, task: &Task, told: &dyn Fn(&str) -> bool) -> Result<Done, Fault> {
        let fault = |error: PyErr| Python::attach(|py| self.executor_fault(py, error));
        let execution = Python::attach(|py| start(py, address, task)).map_err(fault)?;
        let mut shown = String::new();
        loop {
            let (stage, done) = Python::attach(|py| {
                let execution = execution.bind(py);
                let answer = execution.call_method1("advance", (SECONDS_BETWEEN_LOOKS,))?;
                let stage: String = execution.getattr("stage")?.extract()?;
                let done = if answer.is_none() { None } else { Some(done(&answer)?) };
                Ok((stage, done))
            })
            .map_err(fault)?;
            if let Some(done) = done {
                return Ok(done);
            }
            // What the stage is, is told when it is another one; whether to go on, is asked always.
            let goes_on = if stage == shown { !self.interrupted() } else { told(&stage) };
            if !goes_on {
                // Whether that reaches the server changes nothing here.
                let _ = Python::attach(|py| execution.bind(py).call_method0("cancel").map(drop));
                return Err(Fault::Interrupted);
            }
            shown = stage;
        }
    }
}

impl PythonFrontend {
    /// Makes a fault of what the package raised.
    fn executor_fault(&self, py: Python<'_>, error: PyErr) -> Fault {
        if !error.is_instance_of::<PyException>(py) {
            self.note(py, error);
            return Fault::Interrupted;
        }
        let value = error.value(py);
        let is_missing = error.is_instance_of::<PyModuleNotFoundError>(py)
            && value.getattr("name").is_ok_and(|name| name.eq(PACKAGE).unwrap_or(false));
        if is_missing {
            return Fault::Failed(format!("that needs {NEEDED}; run: pip install zigimport-remotes"));
        }
        if error.is_instance_of::<PyImportError>(py) {
            return Fault::Failed(format!("the package `zigimport-remotes` cannot be loaded: {value}"));
        }
        Fault::Failed(value.to_string())
    }
}

fn start(py: Python<'_>, address: &Address, task: &Task) -> PyResult<Py<PyAny>> {
    let files: Vec<(&str, Bound<'_, PyBytes>)> =
        task.files.iter().map(|(path, bytes)| (path.as_str(), PyBytes::new(py, bytes))).collect();
    let arguments = (
        address.url(),
        address.instance(),
        address.credentials(),
        address.properties().to_vec(),
        &task.command,
        task.environment.clone(),
        &task.directory,
        files,
        &task.outputs,
        task.is_fresh,
        task.time_max.as_secs_f64(),
    );
    Ok(py.import(PACKAGE)?.getattr("Execution")?.call1(arguments)?.unbind())
}

fn done(answer: &Bound<'_, PyAny>) -> PyResult<Done> {
    Ok(Done {
        exit_code: answer.get_item("exit_code")?.extract()?,
        text: answer.get_item("text")?.extract()?,
        files: answer.get_item("files")?.extract()?,
        is_cached: answer.get_item("cached")?.extract()?,
        action: answer.get_item("action")?.extract()?,
    })
}
