//! How the host speaks to whoever embeds it: it reports, it never prints.

use std::path::PathBuf;

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

/// The embedder's side: where reports go, and what only it can know.
pub trait Frontend: Sync {
    /// Takes one line for a person.
    fn report(&self, level: Level, message: String);

    /// Returns whether the user asked to stop. Called while waiting.
    fn interrupted(&self) -> bool;

    /// Returns the folders of the interpreter's C headers.
    fn header_folders(&self) -> Vec<PathBuf>;
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
}
