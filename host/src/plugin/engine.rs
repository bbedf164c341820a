//! What runs a plugin: the embedder's side. The host has no compiler for
//! components, and loads none on a hit.

use std::path::PathBuf;

use crate::digest::Digest;

/// The kind of input that a plugin answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// One file, which need not exist.
    File,
    /// Every file that matches.
    Glob,
}

impl Operand {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Glob => "glob",
        }
    }
}

/// One answer of a plugin about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What kind of input it is.
    pub kind: Operand,
    /// The path or pattern, as the plugin has it.
    pub operand: String,
    /// Line in the file, from 1; 0 where the plugin names none.
    pub line: u32,
}

/// What a component says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The world that it is made for.
    pub world: String,
    /// Imports that no plugin may have.
    pub forbidden: Vec<String>,
}

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// What runs plugins is not installed, or does not load.
    Engine(String),
    /// The plugin failed: it trapped, exceeded a limit, answered what it may not,
    /// or found something wrong in the file. With the line there, from 1, or 0.
    Plugin(String, u32),
}

/// A component as it was read.
pub struct Loaded {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Its compiled form, where there is one.
    pub image: Option<Vec<u8>>,
}

/// A component that can be run.
pub struct Program<'a> {
    /// Of the component.
    pub digest: Digest,
    /// Folders that it may read: the name that it sees, and where it is.
    pub view: &'a [(String, PathBuf)],
    /// Reads it when it is needed.
    pub load: &'a (dyn Fn() -> Result<Loaded, Fault> + Sync),
}

/// Runs components in a sandbox.
pub trait Engine: Sync {
    /// Returns version and configuration: an image serves no other engine.
    ///
    /// # Errors
    /// There is no engine.
    fn name(&self) -> Result<String, Fault>;

    /// Looks at a component without running it.
    ///
    /// # Errors
    /// It is no component, or one of another world.
    fn inspect(&self, component: &[u8]) -> Result<Inspection, Fault>;

    /// Compiles a component.
    ///
    /// # Errors
    /// It cannot be compiled.
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Asks a plugin about one file. `path` is relative to the project root.
    ///
    /// # Errors
    /// The plugin failed.
    fn track(&self, program: &Program<'_>, path: &str, source: &[u8]) -> Result<Vec<Found>, Fault>;
}

/// Runs nothing: for callers without plugins.
pub struct NoEngine;

impl NoEngine {
    fn fault() -> Fault {
        Fault::Engine("this program runs no plugins".to_owned())
    }
}

impl Engine for NoEngine {
    fn name(&self) -> Result<String, Fault> {
        Err(Self::fault())
    }

    fn inspect(&self, _component: &[u8]) -> Result<Inspection, Fault> {
        Err(Self::fault())
    }

    fn compile(&self, _component: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(Self::fault())
    }

    fn track(&self, _program: &Program<'_>, _path: &str, _source: &[u8]) -> Result<Vec<Found>, Fault> {
        Err(Self::fault())
    }
}
