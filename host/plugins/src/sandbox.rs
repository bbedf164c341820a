//! The engine, its limits, and one call of a plugin.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::OnceLock;

use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Module, ResourceLimiter, Store, Trap};
use wasmtime_wasi::p2::bindings::sync::filesystem::types::DirectoryEntry;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

use crate::{Failure, Kind, answer, wasi, world};

#[path = "../../../guest-tools/src/engine.rs"]
mod engine;

mod bindings {
    wasmtime::component::bindgen!({ path: "../../guest-tools/wit/plugin.wit", world: "plugin" });
}

use bindings::zigimport::plugin::tracking::{self, Input};

/// Instructions that every call may use. An interpreter in a component needs some
/// 100 million to begin.
const FUEL_BASE: u64 = 5_000_000_000;
/// Instructions that a call may use for each byte of source: enough for a program
/// in an interpreted language that looks at each byte.
const FUEL_PER_BYTE: u64 = 10_000;
/// What all memories of an instance may grow to together.
const MEMORY_BYTES_MAX: usize = 512 << 20;
/// Elements of all tables together.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Components of Python have 50 core instances and as many tables.
const INSTANCES_MAX: usize = 256;
/// Bytes that lifting one answer, or the arguments of one WASI call, may allocate in the host.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Open files, streams and the like at a time.
const RESOURCES_MAX: usize = 1_024;

/// A module with one function, to see whether machine code can be mapped here.
const PROBE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";

/// Returns the engine: of machine code, or of bytecode where executable memory
/// is forbidden. The answer is kept for the process.
fn engine() -> Result<&'static Engine, Failure> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE.get_or_init(start).as_ref().map_err(|reason| Failure::new(Kind::Component, reason.clone()))
}

fn start() -> Result<Engine, String> {
    let with = |target| -> wasmtime::Result<Engine> {
        let engine = Engine::new(&engine::config(target)?)?;
        Module::new(&engine, PROBE)?;
        Ok(engine)
    };
    with(None).or_else(|native| {
        with(Some(engine::PULLEY_TARGET))
            .map_err(|pulley| format!("failed to start an engine: native: {native:#}; Pulley: {pulley:#}"))
    })
}

/// Returns what an image depends on: version, target, processor and configuration.
///
/// # Errors
/// Says why no engine works here.
pub fn name() -> Result<String, Failure> {
    let engine = engine()?;
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let execution = if engine.is_pulley() { "pulley" } else { "native" };
    Ok(format!("wasmtime-48.0.8-{execution}-{:016x}", hasher.finish()))
}

/// Compiles a component for this engine.
///
/// # Errors
/// Says what is wrong with the component.
pub fn precompile(component: &[u8]) -> Result<Vec<u8>, Failure> {
    engine()?.precompile_component(component).map_err(|error| unusable(&error))
}

fn unusable(error: &wasmtime::Error) -> Failure {
    Failure::new(Kind::Component, format!("{error:#}"))
}

/// What a store carries.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: Limits,
    /// What is left of the listings of folders, by the number of their stream.
    pub listings: HashMap<u32, Vec<DirectoryEntry>>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl tracking::Host for State {}

/// What is left of the memory and the tables of an instance, all of them together.
struct Limits {
    memory_bytes: usize,
    table_elements: usize,
    exceeded: Option<String>,
}

impl Limits {
    fn take(left: &mut usize, current: usize, desired: usize) -> bool {
        let Some(rest) = left.checked_sub(desired - current) else { return false };
        *left = rest;
        true
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        // A trap rather than a refusal, with which each language would do something else.
        if Self::take(&mut self.memory_bytes, current, desired) {
            return Ok(true);
        }
        self.exceeded = Some(format!("more than {} MiB of memory", MEMORY_BYTES_MAX >> 20));
        wasmtime::bail!("memory limit");
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if Self::take(&mut self.table_elements, current, desired) {
            return Ok(true);
        }
        self.exceeded = Some(format!("tables of more than {TABLE_ELEMENTS_MAX} elements"));
        wasmtime::bail!("table limit");
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}

/// A compiled and linked component of the world `plugin`.
pub struct Plugin {
    prepared: bindings::PluginPre<State>,
    /// Name shown and folder of each part of the view.
    view: Vec<(String, PathBuf)>,
}

impl Plugin {
    /// Loads the image, or compiles the component in memory if there is none. The
    /// image must be one that [`precompile`] made: what else it holds would run.
    ///
    /// # Errors
    /// Says what is wrong with the component, or that the image is another engine's.
    pub fn new(component: &[u8], image: Option<&[u8]>, view: Vec<(String, PathBuf)>) -> Result<Self, Failure> {
        let engine = engine()?;
        let component = match image {
            // SAFETY: the caller keeps images under the digest of what `precompile` returned.
            Some(image) => unsafe { Component::deserialize(engine, image) },
            None => {
                world::inspect(component)?;
                Component::new(engine, component)
            }
        }
        .map_err(|error| unusable(&error))?;
        let ty = component.component_type();
        let forbidden: Vec<&str> =
            ty.imports(engine).map(|(name, _)| name).filter(|name| world::is_forbidden(name)).collect();
        if !forbidden.is_empty() {
            return Err(Failure::new(
                Kind::Component,
                format!("imports `{}`, which no plugin gets", forbidden.join("`, `")),
            ));
        }
        let prepare = || -> wasmtime::Result<bindings::PluginPre<State>> {
            let mut linker: Linker<State> = Linker::new(engine);
            wasi::add_to_linker(&mut linker)?;
            tracking::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
            bindings::PluginPre::new(linker.instantiate_pre(&component)?)
        };
        Ok(Self { prepared: prepare().map_err(|error| unusable(&error))?, view })
    }

    /// Asks a new instance for the inputs of a source.
    ///
    /// # Errors
    /// Says how the call failed, or what is wrong with the answer.
    pub fn track(&self, path: &str, source: &[u8]) -> Result<Vec<(&'static str, String, u32, u32)>, Failure> {
        let wasi = wasi::context(&self.view)?;
        let limits = Limits { memory_bytes: MEMORY_BYTES_MAX, table_elements: TABLE_ELEMENTS_MAX, exceeded: None };
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let mut store = Store::new(engine()?, State { wasi, table, limits, listings: HashMap::new() });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(ANSWER_BYTES_MAX);
        let fuel = FUEL_BASE.saturating_add((source.len() as u64).saturating_mul(FUEL_PER_BYTE));
        let mut call = || {
            store.set_fuel(fuel)?;
            self.prepared.instantiate(&mut store)?.call_track(&mut store, path, source)
        };
        match call() {
            Ok(Ok(found)) => checked(path, found),
            Ok(Err(problem)) => Err(Failure {
                kind: Kind::Problem,
                message: answer::message(problem.message),
                place: Some((problem.line, problem.column)),
            }),
            Err(error) => Err(failed(&error, store.data_mut().limits.exceeded.take(), fuel)),
        }
    }
}

fn checked(path: &str, found: Vec<tracking::Found>) -> Result<Vec<(&'static str, String, u32, u32)>, Failure> {
    if found.len() > answer::INPUTS_MAX {
        return Err(Failure::new(
            Kind::Limit,
            format!("names {} inputs, at most {} are allowed", found.len(), answer::INPUTS_MAX),
        ));
    }
    found
        .into_iter()
        .map(|one| {
            let (kind, operand) = match one.input {
                Input::File(operand) => ("file", operand),
                Input::Glob(operand) => ("glob", operand),
            };
            answer::check(path, kind, &operand, one.line, one.column)?;
            Ok((kind, operand, one.line, one.column))
        })
        .collect()
}

/// Sorts what ended a call.
fn failed(error: &wasmtime::Error, exceeded: Option<String>, fuel: u64) -> Failure {
    if let Some(exceeded) = exceeded {
        return Failure::new(Kind::Limit, format!("wants {exceeded}"));
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Failure::new(Kind::Trap, format!("ended itself with exit code {}", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Failure::new(Kind::Limit, format!("ran for more than {fuel} instructions")),
        Some(trap) => Failure::new(Kind::Trap, format!("{trap}{}", functions(error))),
        None => {
            let text = format!("{:#}", error);
            // The type of this error is private to the engine.
            if text.contains("fuel allocated for hostcalls") {
                return Failure::new(Kind::Limit, format!("answers with more than {} MiB", ANSWER_BYTES_MAX >> 20));
            }
            Failure::new(Kind::Answer, text)
        }
    }
}

/// The innermost functions of a trap, where the component has names.
fn functions(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    let names: Vec<&str> = backtrace.frames().iter().filter_map(wasmtime::FrameInfo::func_name).take(3).collect();
    if names.is_empty() { String::new() } else { format!(" in `{}`", names.join("`, called by `")) }
}
