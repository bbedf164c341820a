//! The sandbox: the engine, its limits, and the embedded components.
//!
//! The only module that knows wasmtime. Components get no import at all, so
//! they reach no file, clock, environment or network; memory and the number of
//! executed instructions are bounded. Fuel is the deadline: unlike a timer it
//! ends the same input at the same point on every machine.

mod planner;
mod scanner;

use std::sync::OnceLock;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};

use crate::digest::Digest;
use crate::error::{Error, Result};

pub use planner::{Planner, planning};
pub use scanner::{Scanner, source};

#[path = "../../../guest-tools/src/engine.rs"]
mod engine;

/// What a component's memory may grow to, above what its input takes.
const MEMORY_BYTES_MAX: usize = 256 << 20;
/// Bytes that lifting one answer may allocate in the host.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// One embedded component in its three forms.
struct Images {
    name: &'static str,
    component: &'static [u8],
    native: &'static [u8],
    pulley: &'static [u8],
}

macro_rules! images {
    ($name:literal) => {
        Images {
            name: $name,
            component: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
            native: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".native.cwasm")),
            pulley: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".pulley.cwasm")),
        }
    };
}

static SCANNER: Images = images!("scanner");
static PLANNER: Images = images!("planner");

/// Name and digest of each embedded component.
#[must_use]
pub fn components() -> &'static [(&'static str, Digest)] {
    static DIGESTS: OnceLock<[(&str, Digest); 2]> = OnceLock::new();
    DIGESTS.get_or_init(|| [&SCANNER, &PLANNER].map(|images| (images.name, Digest::of(images.component))))
}

/// Returns the digest of the scanner, on which everything depends that it says.
#[must_use]
pub fn scanner_digest() -> Digest {
    components()[0].1
}

/// How components are executed on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// Precompiled machine code.
    Native,
    /// Precompiled bytecode in an interpreter, where executable memory is forbidden.
    Pulley,
}

/// What a store of ours carries: its limits and nothing else.
struct State {
    limits: StoreLimits,
}

impl scanner::SourceHost for State {}
impl planner::PlanningHost for State {}

/// An engine that is able to run the embedded components here.
pub struct Sandbox {
    engine: Engine,
    execution: Execution,
}

impl Sandbox {
    /// Starts an engine for machine code, or for Pulley where machine code or its
    /// memory cannot be mapped. The answer is kept for the process.
    ///
    /// # Errors
    /// Says why neither works.
    pub fn get() -> Result<&'static Self> {
        static SANDBOX: OnceLock<Result<Sandbox, String>> = OnceLock::new();
        SANDBOX
            .get_or_init(Self::start)
            .as_ref()
            .map_err(|reason| Error::Component { component: "engine".to_owned(), reason: reason.clone() })
    }

    fn start() -> Result<Self, String> {
        let native = Self::with(None, Execution::Native);
        match native.and_then(|sandbox| planner::instantiate(&sandbox).map(|_| sandbox)) {
            Ok(sandbox) => Ok(sandbox),
            Err(native) => {
                let pulley = Self::with(Some(engine::PULLEY_TARGET), Execution::Pulley);
                pulley
                    .and_then(|sandbox| planner::instantiate(&sandbox).map(|_| sandbox))
                    .map_err(|pulley| format!("native: {native:#}; Pulley: {pulley:#}"))
            }
        }
    }

    fn with(target: Option<&str>, execution: Execution) -> wasmtime::Result<Self> {
        Ok(Self { engine: Engine::new(&engine::config(target)?)?, execution })
    }

    /// Returns how components are executed.
    #[must_use]
    pub fn execution(&self) -> Execution {
        self.execution
    }

    fn load(&self, images: &Images) -> wasmtime::Result<Component> {
        let image = match self.execution {
            Execution::Native => images.native,
            Execution::Pulley => images.pulley,
        };
        // SAFETY: the image is a constant of this library, made by the build
        // from the component beside it; it never comes from disk or network.
        unsafe { Component::deserialize(&self.engine, image) }
    }

    fn linker(&self) -> Linker<State> {
        Linker::new(&self.engine)
    }

    fn store(&self, input_bytes: usize) -> Store<State> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(input_bytes.saturating_mul(2).saturating_add(MEMORY_BYTES_MAX))
            .instances(4)
            .tables(4)
            .memories(1)
            .trap_on_grow_failure(true)
            .build();
        let mut store = Store::new(&self.engine, State { limits });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(ANSWER_BYTES_MAX);
        store
    }
}

/// Makes an error of a trap or another failure of a component.
fn failed(component: &str, error: &wasmtime::Error) -> Error {
    Error::Component { component: component.to_owned(), reason: format!("{error:#}") }
}
