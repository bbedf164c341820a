//! The native half of the Python package: the finder that `sys.meta_path` asks,
//! and the host's operations for the Python half.
//!
//! It speaks builtin types and exception arguments only; policy, messages and
//! exception classes are Python's. The GIL is released around host work.

mod executor;
mod finder;
mod frontend;
mod operations;
mod plugins;
mod reload;
mod remotes;
mod request;
mod watch;

use mimalloc::MiMalloc;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A plan of a large tree is half a million small allocations on every processor, a
/// sixth of its time with the system's allocator; a hit makes too few to tell.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `zigimport._native`: what a hit needs. The rest is made when it is first asked
/// for, because each name costs a hit two or three microseconds.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<finder::Finder>()?;
    operations::register_for_hits(module)?;
    module.add_function(wrap_pyfunction!(attribute, module)?)
}

/// Returns what the module does not have yet (PEP 562).
#[pyfunction(name = "__getattr__", pass_module)]
fn attribute<'py>(module: &Bound<'py, PyModule>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static REST: PyOnceLock<()> = PyOnceLock::new();
    if !name.starts_with("__") {
        REST.get_or_try_init(module.py(), || {
            module.add_class::<finder::Found>()?;
            module.add_class::<request::Request>()?;
            plugins::register(module)?;
            watch::register(module)?;
            module.add_function(wrap_pyfunction!(reload::create_beside, module)?)?;
            operations::register(module)
        })?;
    }
    let missing = || PyAttributeError::new_err(format!("module 'zigimport._native' has no attribute '{name}'"));
    module.dict().get_item(name)?.ok_or_else(missing)
}
