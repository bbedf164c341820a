//! Plugins: the engine, which is the package `zigimport-plugins`, and the commands.

use std::path::PathBuf;

use pyo3::exceptions::{PyException, PyImportError, PyModuleNotFoundError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use zigimport_host::plugin::edit::{self, Addition};
use zigimport_host::plugin::engine::{Engine, Fault, Found, Inspection, Loaded, Operand, Program};
use zigimport_host::plugin::follow::EXPECTED_ANSWER;
use zigimport_host::plugin::{Description, OnFailure, Origin, Pinned};

use crate::frontend::PythonFrontend;
use crate::operations::work;
use crate::request::Request;

const PACKAGE: &str = "zigimport_plugins";

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(plugin_add, module)?)?;
    module.add_function(wrap_pyfunction!(plugin_manifest, module)?)?;
    module.add_function(wrap_pyfunction!(plugin_list, module)?)?;
    module.add_function(wrap_pyfunction!(plugin_remove, module)?)
}

impl PythonFrontend {
    fn engine<T>(&self, ask: impl FnOnce(Python<'_>, &Bound<'_, PyModule>) -> Result<T, Refused>) -> Result<T, Fault> {
        Python::attach(|py| {
            let asked = py.import(PACKAGE).map_err(Refused::from).and_then(|module| ask(py, &module));
            asked.map_err(|refused| match refused {
                Refused::Fault(fault) => fault,
                Refused::Raised(error) => self.fault(py, error),
            })
        })
    }

    /// Makes a fault of what the engine raised.
    fn fault(&self, py: Python<'_>, error: PyErr) -> Fault {
        if !error.is_instance_of::<PyException>(py) {
            let text = error.to_string();
            self.note(py, error);
            return Fault::Engine(text);
        }
        let value = error.value(py);
        let named = |name: &str| value.getattr(name).ok();
        if error.is_instance_of::<PyModuleNotFoundError>(py)
            && named("name").is_some_and(|name| name.eq(PACKAGE).unwrap_or(false))
        {
            return Fault::Engine("plugins need the package `zigimport-plugins`, which is not installed".to_owned());
        }
        if error.is_instance_of::<PyImportError>(py) {
            return Fault::Engine(format!("the package `zigimport-plugins` cannot be loaded: {value}"));
        }
        let kind = named("kind").and_then(|kind| kind.extract::<String>().ok());
        let line = named("line").and_then(|line| line.extract().ok()).unwrap_or(0);
        match kind.as_deref() {
            None => Fault::Engine(format!("the package `zigimport-plugins` failed: {error}")),
            Some("problem") => Fault::Plugin(format!("it says: {value}"), line),
            Some("answer") => Fault::Plugin(format!("it answered {value}; {EXPECTED_ANSWER}"), line),
            Some(_) => Fault::Plugin(value.to_string(), line),
        }
    }
}

/// Why the engine gave no answer.
enum Refused {
    Raised(PyErr),
    Fault(Fault),
}

impl From<PyErr> for Refused {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// Loaded plugins by digest and view, for the life of the process.
static LOADED: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

impl Engine for PythonFrontend {
    fn name(&self) -> Result<String, Fault> {
        self.engine(|_, module| Ok(module.getattr("ENGINE")?.extract()?))
    }

    fn inspect(&self, component: &[u8]) -> Result<Inspection, Fault> {
        self.engine(|py, module| {
            let answer = module.call_method1("inspect", (PyBytes::new(py, component),))?;
            Ok(Inspection {
                world: answer.get_item("world")?.extract()?,
                forbidden: answer.get_item("forbidden")?.extract()?,
            })
        })
    }

    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Fault> {
        self.engine(|py, module| Ok(module.call_method1("precompile", (PyBytes::new(py, component),))?.extract()?))
    }

    fn track(&self, program: &Program<'_>, path: &str, source: &[u8]) -> Result<Vec<Found>, Fault> {
        self.engine(|py, module| {
            let loaded = LOADED.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
            let views: Vec<(String, PathBuf)> = program.view.to_vec();
            let views = views.into_iter().map(|(name, folder)| (name, folder.into_os_string())).collect::<Vec<_>>();
            let key = (program.digest.hex(), PyTuple::new(py, views.iter().map(|(name, folder)| (name, folder)))?);
            let plugin = match loaded.get_item(&key)? {
                Some(plugin) => plugin,
                None => {
                    let Loaded { component, image } = py.detach(|| (program.load)()).map_err(Refused::Fault)?;
                    let image = image.map(|image| PyBytes::new(py, &image));
                    let made = module.getattr("Plugin")?.call1((PyBytes::new(py, &component), image, views))?;
                    loaded.set_item(key, &made)?;
                    made
                }
            };
            let answer = plugin.call_method1("track", (path, PyBytes::new(py, source)))?;
            let answer: Vec<(String, String, u32, u32)> = answer.extract()?;
            let found = answer.into_iter().map(|(kind, operand, line, _)| {
                let kind = match &*kind {
                    "file" => Operand::File,
                    "glob" => Operand::Glob,
                    other => {
                        let reason = format!("it answered an input of the unknown kind `{other}`");
                        return Err(Refused::Fault(Fault::Plugin(reason, 0)));
                    }
                };
                Ok(Found { kind, operand, line })
            });
            found.collect()
        })
    }
}

fn origin(is_user: bool) -> Origin {
    if is_user { Origin::User } else { Origin::Project }
}

/// Pins a plugin; returns what it is as JSON.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each option of the command")]
fn plugin_add(
    py: Python<'_>,
    request: &Request,
    folder: PathBuf,
    path: PathBuf,
    is_user: bool,
    views: Vec<String>,
    on_failure: Option<String>,
    frontend: Py<PyAny>,
) -> PyResult<String> {
    let on_failure = on_failure
        .map(|text| {
            let known = OnFailure::ALL.into_iter().find(|one| one.name() == text);
            known.ok_or_else(|| PyValueError::new_err(format!("on_failure={text:?}: expected stop or no-cache")))
        })
        .transpose()?;
    let addition = Addition { path, origin: origin(is_user), views, on_failure };
    work(py, request, frontend, |context| edit::add(context, &folder, &addition)).map(|made| made.to_string())
}

/// Returns the name, the digest and the view of a plugin's manifest.
#[pyfunction]
fn plugin_manifest(text: &str) -> PyResult<(String, String, Vec<String>)> {
    let Description { name, digest, view, .. } =
        Description::parse(text).map_err(|(reason, line)| PyValueError::new_err(format!("line {line}: {reason}")))?;
    Ok((name.0, Pinned::text(digest.0), view.into_iter().map(|view| view.0).collect()))
}

/// Returns the plugins of a folder's project and of the user as JSON.
#[pyfunction]
fn plugin_list(py: Python<'_>, request: &Request, folder: PathBuf, frontend: Py<PyAny>) -> PyResult<String> {
    let all = work(py, request, frontend, |context| edit::list(context, &folder))?;
    Ok(format!("[{}]", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")))
}

/// Removes a plugin from the project's or the user's configuration; returns the path of that.
#[pyfunction]
fn plugin_remove(
    py: Python<'_>,
    request: &Request,
    folder: PathBuf,
    name: String,
    is_user: bool,
    frontend: Py<PyAny>,
) -> PyResult<PathBuf> {
    work(py, request, frontend, |context| edit::remove(context, &folder, &name, origin(is_user)))
}
