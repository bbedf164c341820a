//! Plugins: components that find inputs which the built-in scanner does not know.
//!
//! A plugin is a component with a small manifest, [`Description`]. A project's
//! `pyproject.toml` or the user's configuration pins it by digest, see [`pins`].
//! Each file of a module's closure that a plugin claims is given to it, and what
//! it answers is an input from then on, see [`follow`]. [`Engine`] runs it: that
//! is the embedder's, and not part of the host.
//!
//! # Invariants
//!
//! - A plugin only adds: files, absent candidates, and folders whose listing
//!   decided which files there are. Nothing that the scanner found goes.
//! - Each path is inside the project root, by name and after following links.
//! - What a plugin may read beyond the bytes that it is given are folders that
//!   its manifest asks for and its pin grants; all that is in them are inputs.
//! - The component that runs has the digest of its pin.
//! - Where a plugin fails, nothing that is stored is used, and nothing is stored.
//! - Manifests, pins and components are inputs of the fast path, so that a hit
//!   sees that one changed and needs no engine for it.

pub mod description;
pub mod edit;
pub mod engine;
pub mod files;
pub mod follow;
pub mod pins;

use std::path::PathBuf;

pub use description::{Description, Pinned, View};
pub use engine::Engine;
pub use pins::{OnFailure, Origin, Pin};

use crate::digest::Digest;
use crate::error::Error;

/// A component larger than this is none.
pub const COMPONENT_BYTES_MAX: u64 = 256 << 20;

/// A plugin that was asked about files of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Name.
    pub name: String,
    /// Version, as its manifest has it.
    pub version: String,
    /// Of its component.
    pub digest: Digest,
    /// Folders that it could read, relative to the project root.
    pub view: Vec<String>,
    /// Where it is pinned.
    pub origin: Origin,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// What it was asked about, relative to the project root, sorted.
    pub files: Vec<String>,
}

impl Participant {
    /// Returns what a person calls it.
    #[must_use]
    pub fn describe(&self) -> String {
        let view = if self.view.is_empty() { String::new() } else { format!(", reads {}", self.view.join(" ")) };
        format!("{} {} {}{view}", self.name, self.version, &self.digest.hex()[..16])
    }
}

/// A file that a plugin names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tracked {
    /// The file that it was asked about.
    pub from: PathBuf,
    /// What it names, absolute; it need not exist.
    pub to: PathBuf,
    /// The plugin.
    pub plugin: String,
    /// Line in the file, from 1.
    pub line: u32,
}

/// Why a plugin could not say what a module depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Name of the plugin.
    pub plugin: String,
    /// Its version, where its manifest could be read.
    pub version: Option<String>,
    /// The file that it was asked about, or the one of its own that is wrong.
    pub path: PathBuf,
    /// Line in that file, from 1; 0 where there is none.
    pub line: u32,
    /// What it did, and what is expected.
    pub reason: String,
    /// What to do.
    pub hint: String,
    /// Whether the environment is to blame, and not the project.
    pub is_environment: bool,
    /// What is to happen now.
    pub on_failure: OnFailure,
}

impl Failure {
    /// Returns the message in one sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { plugin, version, path, line, reason, .. } = self;
        let version = version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
        let line = if *line == 0 { String::new() } else { format!(":{line}") };
        format!("plugin `{plugin}`{version} failed on `{}{line}`: {reason}", path.display())
    }

    /// Returns the error that ends an import.
    #[must_use]
    pub fn error(&self) -> Error {
        Error::Plugin { message: self.message(), hint: self.hint.clone(), is_environment: self.is_environment }
    }

    /// Returns whether the module is not to be built.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.on_failure == OnFailure::Stop
    }
}
