//! What reloading needs of CPython that Python code cannot do: a module object made
//! while `sys.modules` has another one of its name.

use pyo3::prelude::*;

/// Makes a new module object of `spec`, and leaves `sys.modules[spec.name]` as `held`.
///
/// A library whose init function makes the module itself (single-phase) gets it into
/// `sys.modules`; CPython remembers what such a library had in it, and when it is asked
/// again puts that into whatever module is there. So the name is taken out, the module
/// made, and `held` put back, with no Python code between that could let another thread
/// see what is in between; if the init function lets one run, that thread finds no such
/// module and waits for the import system's lock on it.
///
/// # Errors
///
/// What `_imp.create_dynamic` raises; `held` is in `sys.modules` then, too.
#[pyfunction]
pub fn create_beside<'py>(spec: &Bound<'py, PyAny>, held: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = spec.py();
    let modules = py.import("sys")?.getattr("modules")?;
    let create = py.import("_imp")?.getattr("create_dynamic")?;
    let name = spec.getattr("name")?;
    if modules.contains(&name)? {
        modules.del_item(&name)?;
    }
    let made = create.call1((spec,));
    modules.set_item(name, held)?;
    made
}
