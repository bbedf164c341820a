//! The engine for scanner plugins: WebAssembly components of the WIT world
//! `plugin`, written by anyone, that name inputs of a source file.
//!
//! A library of its own, because it carries a compiler and WASI, neither of which
//! an import should load.
//!
//! | module | concern |
//! | --- | --- |
//! | [`world`] | what a component imports and exports; makes one of a core module |
//! | [`sandbox`] | the engine, its limits, one call |
//! | [`wasi`] | the part of WASI that runtimes of other languages need, made inert |
//! | [`answer`] | whether an answer is one that a plugin may give |
//!
//! Invariants: a plugin sees the bytes that it is given and the folders of its
//! view, never another file, the environment, a clock, entropy or the network;
//! the same bytes end the same way on every machine; each call has an instance
//! of its own.

mod answer;
mod sandbox;
mod wasi;
mod world;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

create_exception!(
    zigimport_plugins,
    PluginError,
    PyException,
    "What is wrong with a plugin, or with what it was given."
);

/// Why a component was refused or a call failed.
#[derive(Debug)]
struct Failure {
    kind: Kind,
    message: String,
    /// Line and column in the source, of a problem that the plugin reports or a path
    /// that it may not name.
    place: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The bytes are no component of the world, or no image of this engine.
    Component,
    /// The component stopped by itself: a panic, an invalid access, an exit.
    Trap,
    /// It wanted more instructions, memory or answer than it may have.
    Limit,
    /// It answered what no plugin may answer.
    Answer,
    /// It says that the source is wrong.
    Problem,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None }
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::Component => "component",
            Kind::Trap => "trap",
            Kind::Limit => "limit",
            Kind::Answer => "answer",
            Kind::Problem => "problem",
        };
        let error = PluginError::new_err(failure.message);
        let described = Python::attach(|py| {
            let value = error.value(py);
            value.setattr("kind", kind)?;
            value.setattr("line", failure.place.map(|place| place.0))?;
            value.setattr("column", failure.place.map(|place| place.1))
        });
        described.err().unwrap_or(error)
    }
}

/// Returns what a component imports and exports. Compiles nothing.
#[pyfunction]
fn inspect<'py>(py: Python<'py>, component: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let found = py.detach(|| world::inspect(component))?;
    let answer = PyDict::new(py);
    answer.set_item("world", found.world)?;
    answer.set_item("imports", found.imports)?;
    answer.set_item("forbidden", found.forbidden)?;
    answer.set_item("exports", found.exports)?;
    Ok(answer)
}

/// Makes a component of the world `plugin` of a core module with its exports.
#[pyfunction]
fn componentize<'py>(py: Python<'py>, core: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &py.detach(|| world::componentize(core))?))
}

/// Compiles a component to an image, which only an engine of the same name loads.
#[pyfunction]
fn precompile<'py>(py: Python<'py>, component: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &py.detach(|| sandbox::precompile(component))?))
}

/// A plugin that is ready to be asked.
#[pyclass(frozen, module = "zigimport_plugins")]
struct Plugin {
    plugin: sandbox::Plugin,
}

#[pymethods]
impl Plugin {
    #[new]
    #[pyo3(signature = (component, image=None, view=Vec::new()))]
    fn new(
        py: Python<'_>,
        component: &[u8],
        image: Option<&[u8]>,
        view: Vec<(String, std::path::PathBuf)>,
    ) -> PyResult<Self> {
        Ok(Self { plugin: py.detach(|| sandbox::Plugin::new(component, image, view))? })
    }

    /// Returns kind, operand, line and column of each input that the plugin finds in a source.
    fn track(&self, py: Python<'_>, path: &str, source: &[u8]) -> PyResult<Vec<(&'static str, String, u32, u32)>> {
        Ok(py.detach(|| self.plugin.track(path, source))?)
    }
}

/// `zigimport_plugins`.
#[pymodule(gil_used = true)]
fn zigimport_plugins(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ENGINE", sandbox::name()?)?;
    module.add("WORLD", world::NAME)?;
    module.add("WIT", world::WIT)?;
    module.add("PluginError", module.py().get_type::<PluginError>())?;
    module.add_class::<Plugin>()?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(componentize, module)?)?;
    module.add_function(wrap_pyfunction!(precompile, module)?)
}
