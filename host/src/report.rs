//! How the host speaks to whoever embeds it: it reports, it never prints.

use std::path::PathBuf;
use std::time::Instant;

use crate::executor::{Executor, NoExecutor};
use crate::plugin::engine::{Engine, NoEngine};
use crate::remote::transport::{NoTransport, Transport};

/// How much a person wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Why something was decided.
    Debug,
    /// What takes time.
    Info,
    /// What should be mended.
    Warning,
}

/// A part of the work on a module that can take time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Finds out what the module is made of, and what the store has of it.
    Scan,
    /// Decides.
    Plan,
    /// Waits for another build of the same.
    Lock,
    /// Runs the compiler, or the build system, takes the output, and clears up.
    Zig,
    /// Compares the inputs with what was scanned before.
    Check,
    /// Writes into the store, or unpacks out of it.
    Store,
}

impl Phase {
    /// Every phase, in the order in which a build has them.
    pub const ALL: [Self; 6] = [Self::Scan, Self::Plan, Self::Lock, Self::Zig, Self::Check, Self::Store];

    /// Returns the phase's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Plan => "plan",
            Self::Lock => "lock",
            Self::Zig => "zig",
            Self::Check => "check",
            Self::Store => "store",
        }
    }
}

/// What the compiler says that it is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Its own words; empty where it says nothing any more.
    pub name: String,
    /// How much is done, in units of the step.
    pub done: u32,
    /// Of how much; 0 where nobody knows.
    pub total: u32,
}

/// The embedder's side: where reports go, and what only it can know.
pub trait Frontend: Sync {
    /// Takes one line for a person.
    fn report(&self, level: Level, message: String);

    /// Returns whether the user asked to stop. Called while waiting.
    fn interrupted(&self) -> bool;

    /// Returns the folders of the interpreter's C headers.
    fn header_folders(&self) -> Vec<PathBuf>;

    /// Returns what runs plugins.
    fn plugin_engine(&self) -> &dyn Engine;

    /// Returns what speaks to the servers of shared caches.
    fn transport(&self) -> &dyn Transport;

    /// Returns what speaks to remote executors.
    fn executor(&self) -> &dyn Executor {
        &NoExecutor
    }

    /// Returns whether [`Self::step`] has somebody to show it to.
    fn wants_steps(&self) -> bool {
        false
    }

    /// Takes what the compiler is doing for a module at the moment.
    fn step(&self, _module: &str, _step: &Step) {}

    /// Takes when a phase of the work ran.
    fn spent(&self, _phase: Phase, _started: Instant, _ended: Instant) {}
}

/// Does a phase of the work on a module, and says how long it took.
pub fn timed<T>(frontend: &dyn Frontend, phase: Phase, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    frontend.spent(phase, started, Instant::now());
    done
}

/// A frontend that hears nothing: for tests and for callers without a person.
pub struct Silent;

impl Frontend for Silent {
    fn report(&self, _level: Level, _message: String) {}

    fn interrupted(&self) -> bool {
        false
    }

    fn header_folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn plugin_engine(&self) -> &dyn Engine {
        &NoEngine
    }

    fn transport(&self) -> &dyn Transport {
        &NoTransport
    }
}
