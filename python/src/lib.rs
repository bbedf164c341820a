//! The native half of the Python package: the finder that `sys.meta_path` asks,
//! and the host's operations for the Python half.
//!
//! It speaks builtin types and exception arguments only; policy, messages and
//! exception classes are Python's. The GIL is released around host work.

mod finder;
mod frontend;
mod operations;
mod request;
mod watch;

use pyo3::prelude::*;

/// `zigimport._native`.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<finder::Finder>()?;
    module.add_class::<finder::Found>()?;
    module.add_class::<request::Request>()?;
    watch::register(module)?;
    operations::register(module)
}
