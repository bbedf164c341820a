//! The planner component: what is known in, what has to be done out.

use wasmtime::Store;
use wasmtime::component::HasSelf;

use super::{PLANNER, Sandbox, State, failed, scanner};
use crate::error::Result;

#[expect(missing_docs, reason = "generated from the WIT package, which is documented")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-tools/wit",
        world: "planner",
        with: { "zigimport:plugin/source": super::scanner::package::source },
    });
}

pub use bindings::zigimport::plugin::planning;
pub(super) use bindings::zigimport::plugin::planning::Host as PlanningHost;

/// Instructions that one plan may use.
const FUEL: u64 = 20_000_000_000;

/// Makes an instance, which also shows whether a sandbox works on this host.
pub(super) fn instantiate(sandbox: &Sandbox) -> wasmtime::Result<(Store<State>, bindings::Planner)> {
    let component = sandbox.load(&PLANNER)?;
    let mut linker = sandbox.linker();
    bindings::Planner::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    let mut store = sandbox.store(0);
    store.set_fuel(FUEL)?;
    let instance = bindings::Planner::instantiate(&mut store, &component, &linker)?;
    Ok((store, instance))
}

/// The embedded planner.
pub struct Planner;

impl Planner {
    /// Decides what to do for the modules of a request, in order.
    ///
    /// # Errors
    /// A trap, an exhausted limit or a malformed answer is a component error.
    pub fn plan(request: &planning::Request) -> Result<Vec<planning::Action>> {
        let sandbox = Sandbox::get()?;
        let run = || -> wasmtime::Result<Vec<planning::Action>> {
            let (mut store, instance) = instantiate(sandbox)?;
            instance.call_plan(&mut store, request)
        };
        run().map_err(|error| failed(PLANNER.name, &error))
    }
}
