//! The zigimport host: finds out what a Zig module is made of, decides what has
//! to be done for Python to load it, does it, and keeps the result.
//!
//! # Map
//!
//! What an import passes through, in order:
//!
//! | module | concern |
//! | --- | --- |
//! | [`config`] | settings: the environment, `pyproject.toml`, the module's own file |
//! | [`interpreter`] | what must be known of the Python that loads the result |
//! | [`pipeline`] | every path that an import or a build can take |
//! | [`manifest`] | the fast path: decides a hit |
//! | [`closure`] | the files that a module is known to be made of |
//! | [`sources`] | those files as they are read: each once, or not at all |
//! | [`headers`] | those of them that C sources and `@cInclude` name |
//! | [`guest`] | the sandbox with the scanner and the planner component |
//! | [`plugin`] | inputs that only plugins know |
//! | [`package`] | binding libraries that are Python packages |
//! | [`toolchain`] | where Zig is, and its version without running it |
//! | [`target`] | what a module can be built for |
//! | [`key`] | SHA-256 over everything that can change the artifact |
//! | [`signature`] | the key and all that is in it, as JSON |
//! | [`plan`] | gathers what is known, asks the planner |
//! | [`binding`] | our Zig sources, and the description of the user's file |
//! | [`compiler`] | the only native step: command lines, the process, its answer |
//! | [`executor`] | where that runs instead of on this machine |
//! | [`store`] | objects, libraries, entries |
//! | [`locks`] | one build for a key at a time, and nobody clears what is in use |
//! | [`object`] | how a library is compressed and comes out again |
//! | [`stub`] | stub files for type checkers |
//! | [`editor`] | a build file for the language server |
//! | [`document`] | a plan as JSON |
//! | [`graph`] | a plan as modules, files and what they need |
//! | [`layout`], [`page`], [`dot`] | its picture: places, the HTML page, Graphviz |
//! | [`timings`] | what took how long in a build, as a page |
//! | [`difference`] | what differs between two plans |
//!
//! What is done with a store beside imports:
//!
//! | module | concern |
//! | --- | --- |
//! | [`registry`] | entries by key and name, pins |
//! | [`collect`] | the cap, and who goes first |
//! | [`verify`] | finds and mends damage |
//! | [`archive`] | carries entries to another store |
//! | [`remote`] | a directory or a server with artifacts that several share |
//!
//! Beside them: [`discover`] (paths on the command line to modules),
//! [`watch`] (changes as they happen), [`refusal`] and [`render`] (words), [`report`] (the embedder's side),
//! [`audit`] (the log of what ran and was loaded), [`template`] (what HTML pages share),
//! [`parallel`] (many items at once), [`memory`] (libraries where mounts forbid execution),
//! [`error`], [`digest`], [`stamp`] (file identity), [`publish`] (atomic files).
//!
//! # Invariants
//!
//! - A cache hit never builds an engine, never starts a process, takes no
//!   exclusive lock, and reads only file metadata and one manifest
//!   ([`pipeline::cached`]); content is hashed only where metadata differ.
//! - Only [`guest`] mentions wasmtime, only `compiler::process` starts a
//!   process, only [`config`] reads the environment, nothing prints.
//! - [`plan`] writes nothing and runs nothing native; components have no
//!   import, so no file, clock, environment or network. What a plugin has is
//!   the embedder's to bound, and stated in [`plugin`].
//! - A plugin can only add inputs; while one fails, nothing is stored and
//!   nothing that is stored is used.
//! - Nothing here speaks to a network: what does is the embedder's, and decides
//!   nothing about trust ([`remote::transport`]).
//! - What the planner decides is carried out by [`pipeline`] and decided
//!   nowhere else.
//! - Nothing is loaded whose bytes, or the object that they come out of, do not
//!   have the digest that its manifest or entry records.
//! - The key covers everything that can change the artifact; a new field does
//!   not compile until it is hashed. Inputs are hashed again after a compile,
//!   and nothing is published if one changed.
//! - A library file is named by its digest and never overwritten.
//! - A failed build leaves the last good artifact, a killed process leaves
//!   nothing to repair.

pub mod archive;
pub mod audit;
pub mod binding;
pub mod closure;
pub mod collect;
pub mod compiler;
pub mod config;
pub mod difference;
pub mod digest;
pub mod discover;
pub mod document;
pub mod dot;
pub mod editor;
pub mod error;
pub mod executor;
pub mod graph;
pub mod guest;
pub mod headers;
pub mod interpreter;
pub mod key;
pub mod layout;
pub mod locks;
pub mod manifest;
pub mod memory;
pub mod object;
pub mod package;
pub mod page;
pub mod parallel;
pub mod pipeline;
pub mod plan;
pub mod plugin;
pub mod publish;
pub mod refusal;
pub mod registry;
pub mod remote;
pub mod render;
pub mod report;
pub mod signature;
pub mod sources;
pub mod stamp;
pub mod store;
pub mod stub;
pub mod target;
pub mod template;
pub mod timings;
pub mod toolchain;
pub mod verify;
pub mod watch;
