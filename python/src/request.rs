//! Everything that one operation of the host needs, taken from Python.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use zigimport_host::closure::Module;
use zigimport_host::config::{Layer, Optimize};
use zigimport_host::error::{Error, Result as HostResult};
use zigimport_host::interpreter::{self, Interpreter};
use zigimport_host::pipeline::{self, Loadable};
use zigimport_host::store::{self, Store};
use zigimport_host::stub::Stubs;

use crate::finder::Finder;
use crate::frontend::exception;

/// Environment, explicit arguments, interpreter and store of one operation.
#[pyclass(module = "zigimport._native", frozen)]
pub struct Request {
    pub(crate) layer: Layer,
    pub(crate) interpreter: Interpreter,
    pub(crate) store: Store,
    pub(crate) place: store::Place,
}

#[pymethods]
impl Request {
    /// Reads the environment; arguments that are given win over it.
    #[new]
    #[pyo3(signature = (finder, search_path, optimize = None, force = false, workers = None, stubs = None, fetch = false, python = None))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword arguments in Python")]
    pub fn new(
        py: Python<'_>,
        finder: &Finder,
        search_path: &Bound<'_, PyAny>,
        optimize: Option<&str>,
        force: bool,
        workers: Option<usize>,
        stubs: Option<PathBuf>,
        fetch: bool,
        python: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for entry in search_path.try_iter()? {
            if let Ok(folder) = entry?.extract() {
                folders.push(folder);
            }
        }
        let layer = Layer::from_environment().map_err(|error| exception(py, &error))?;
        if let Some(wanted) = layer.python.as_ref().filter(|wanted| python.as_ref() != Some(wanted)) {
            check_python(py, wanted)?;
        }
        let make = || -> HostResult<Self> {
            let mut layer = layer;
            if let Some(optimize) = optimize {
                layer.optimize = Some(Optimize::parse(optimize, "optimize", "")?);
            }
            layer.force_rebuild |= force;
            layer.fetch = fetch;
            layer.max_workers = workers.unwrap_or(layer.max_workers);
            // An empty path stands for the place beside each source.
            layer.stubs = stubs.map(|folder| match folder.as_os_str().is_empty() {
                true => Stubs::Beside(true),
                false => Stubs::Folder(folder),
            });
            let interpreter = Interpreter {
                extension_suffix: finder.extension_suffix.clone(),
                virtual_env: finder.virtual_env.clone(),
                search_path: folders,
            };
            let (root, place) = store::locate(&layer, &interpreter);
            Ok(Self { store: Store::open(root)?, layer, interpreter, place })
        };
        make().map_err(|error| exception(py, &error))
    }

    /// How many modules may be built beside one that an import waits for.
    #[getter]
    fn workers_ahead(&self) -> usize {
        let layer = &self.layer;
        if layer.parallel && !layer.is_closed() { layer.workers() - 1 } else { 0 }
    }
}

/// Fails if `ZIGIMPORT_PYTHON` is not this interpreter.
fn check_python(py: Python<'_>, wanted: &Path) -> PyResult<()> {
    let this: Option<PathBuf> = py.import("sys")?.getattr("executable")?.extract()?;
    let this = this.unwrap_or_default();
    if interpreter::is_same(wanted, &this) {
        return Ok(());
    }
    let error = Error::Setting {
        name: "ZIGIMPORT_PYTHON".to_owned(),
        value: wanted.to_string_lossy().into_owned(),
        place: String::new(),
        expected: format!("this interpreter, `{}`; only `zigimport build` builds for another one", this.display()),
    };
    Err(exception(py, &error))
}

impl Request {
    /// Returns the library of a module if its manifest says that nothing changed.
    pub fn cached(&self, module: &Module) -> HostResult<Option<Loadable>> {
        let zig = pipeline::locate_zig(&self.layer, &self.interpreter)?;
        Ok(pipeline::cached(&self.store, &self.layer, &self.interpreter, zig.as_ref(), module))
    }
}
