//! The scanner component: one source in, what it depends on and declares out.

use std::sync::OnceLock;

use wasmtime::Store;
use wasmtime::component::HasSelf;

use super::{Images, SCANNER, Sandbox, State, failed};
use crate::error::Result;

#[expect(missing_docs, reason = "generated from the WIT package, which is documented")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-tools/wit",
        world: "scanner",
        additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
    });
}

pub(super) use bindings::zigimport::plugin as package;
pub use bindings::zigimport::plugin::source;
pub(super) use bindings::zigimport::plugin::source::Host as SourceHost;

/// Instructions that every scan may use.
const FUEL_BASE: u64 = 50_000_000;
/// Instructions that a scan may use for each byte; measured: 15 to 40.
const FUEL_PER_BYTE: u64 = 1_000;

/// Every flag of a `build.zig`.
const FEATURES: [source::BuildFeatures; 2] =
    [source::BuildFeatures::STANDARD_TARGET_OPTIONS, source::BuildFeatures::STANDARD_OPTIMIZE_OPTION];

/// An instance of the scanner. Not shared between threads; cheap to make.
pub struct Scanner {
    store: Store<State>,
    instance: bindings::Scanner,
    /// Bytes that this instance's memory limit was made for.
    input_bytes_max: usize,
}

/// Loads and links the component once for the process, in which there is one sandbox.
fn prepared(sandbox: &Sandbox, images: &Images) -> wasmtime::Result<&'static bindings::ScannerPre<State>> {
    static PREPARED: OnceLock<bindings::ScannerPre<State>> = OnceLock::new();
    if let Some(there) = PREPARED.get() {
        return Ok(there);
    }
    let mut linker = sandbox.linker();
    bindings::Scanner::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    let made = bindings::ScannerPre::new(linker.instantiate_pre(&sandbox.load(images)?)?)?;
    Ok(PREPARED.get_or_init(|| made))
}

/// Sources up to this size share an instance.
const INPUT_BYTES_USUAL: usize = 16 << 20;

// The derives of the other types do not reach flags.
impl serde::Serialize for source::BuildFeatures {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        FEATURES.map(|feature| self.contains(feature)).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for source::BuildFeatures {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let is_there = <[bool; FEATURES.len()]>::deserialize(deserializer)?;
        let features = FEATURES.into_iter().zip(is_there).filter(|(_, is_there)| *is_there);
        Ok(features.fold(Self::empty(), |all, (feature, _)| all | feature))
    }
}

impl Scanner {
    /// Instantiates the embedded scanner.
    ///
    /// # Errors
    /// Fails only where the engine itself cannot run.
    pub fn new() -> Result<Self> {
        Self::with_limit(INPUT_BYTES_USUAL)
    }

    fn with_limit(input_bytes_max: usize) -> Result<Self> {
        let images: &Images = &SCANNER;
        let sandbox = Sandbox::get()?;
        let make = || -> wasmtime::Result<Self> {
            let mut store = sandbox.store(input_bytes_max);
            store.set_fuel(FUEL_BASE)?;
            let instance = prepared(sandbox, images)?.instantiate(&mut store)?;
            Ok(Self { store, instance, input_bytes_max })
        };
        make().map_err(|error| failed(images.name, &error))
    }

    /// Scans one source in a language.
    ///
    /// # Errors
    /// A trap, an exhausted limit or a malformed answer is a component error;
    /// the instance is replaced then, so that the next scan is not affected.
    pub fn scan(
        &mut self,
        source: &[u8],
        language: source::Language,
    ) -> Result<Result<source::Scan, source::ScanError>> {
        if source.len() > self.input_bytes_max {
            *self = Self::with_limit(source.len())?;
        }
        let fuel = FUEL_BASE.saturating_add((source.len() as u64).saturating_mul(FUEL_PER_BYTE));
        let answer =
            self.store.set_fuel(fuel).and_then(|()| self.instance.call_scan_source(&mut self.store, source, language));
        answer.map_err(|error| {
            let error = failed(SCANNER.name, &error);
            if let Ok(fresh) = Self::new() {
                *self = fresh;
            }
            error
        })
    }
}
