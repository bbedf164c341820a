//! The native step: command lines for the three routes, the one process, and
//! what it answers.
//!
//! | route | command | when |
//! | --- | --- | --- |
//! | compiler | `zig build-lib` | one target of a file or package module |
//! | graph | `zig build` of our constant build file | several targets at once |
//! | project | `zig build` of the user's build file | a project module |
//! | remote | the first one on an executor | `ZIGIMPORT_REMOTE_EXECUTOR`, see `remote` |
//!
//! The planner chooses the route. `zig build-lib` leaves out the build runner,
//! which costs 2 to 20 times as much on an empty cache, and a first one the
//! compiler's own runtime where it can, see `runtime`.
//!
//! Zig trusts its caches blindly, so ours are kept so that trust is justified:
//!
//! - The local cache takes a file of the same path, size, time and inode for
//!   the same file, whatever is in it. Each build gets a new one, and it is
//!   removed after.
//! - The global cache has what is made of the compiler's own files and of the
//!   binding, which lies inside for that. A user's
//!   `build.zig` is a program and could write to it, so projects get caches of
//!   their own.
//! - Only their owner can write to them, and what a power cut left of them is
//!   thrown away, see `caches`.

mod build_system;
mod caches;
pub mod diagnostics;
mod direct;
mod graph;
mod packages;
pub mod process;
mod project;
pub mod protocol;
pub mod reads;
pub mod remote;
mod runtime;
pub mod steps;

use std::path::{Path, PathBuf};

use crate::binding;
use crate::closure::{self, Module, ModuleKind};
use crate::config::Native;
use crate::digest::Digest;
use crate::error::{Diagnostic, Error, Result};
use crate::guest::planning::{Action, Build, Decision, Route};
use crate::package;
use crate::plan::{Context, Prepared};
use crate::report::Level;
use crate::target::Target;
use crate::toolchain::{self, Toolchain};

use process::Invocation;

/// What is shown of a crashing compiler's text: it repeats itself on a full disk.
const CRASH_TEXT_CHARACTERS_MAX: usize = 4_000;

/// A build that the planner asked for.
pub struct Job<'a> {
    /// Settings, store, listener.
    pub context: Context<'a>,
    /// The module.
    pub prepared: &'a Prepared,
    /// The compiler.
    pub toolchain: &'a Toolchain,
    /// The targets to build, one unless the route is the graph.
    pub targets: Vec<&'static Target>,
    /// Route and steps.
    pub build: &'a Build,
}

/// What a build made for one target.
pub struct Compiled {
    /// The library.
    pub library: Vec<u8>,
    /// Every file that the compilation read, without the compiler's own; of an
    /// executor those that it could read.
    pub read: Vec<PathBuf>,
}

/// Builds, and returns one result for each target in order.
///
/// `None` means to plan again: the compiler is not the version it was taken for,
/// which is remembered now, or packages were fetched.
///
/// # Errors
/// The compiler's text, or why it could not run.
pub fn build(job: &Job<'_>) -> Result<Option<Vec<Compiled>>> {
    if let Some(address) = remote::executor(job.context, job.prepared) {
        return Ok(remote::build(job, address)?.map(|compiled| vec![compiled]));
    }
    remote::report_obstacle(job.context, job.prepared);
    let (store, version) = (job.context.store, job.version());
    let built = match run_route(job) {
        Err(error) if caches::may_be_torn(store, version, &error) && store.remove_zig(version) => {
            let message = format!(
                "Zig's cache may be damaged since the machine was restarted; building {} with a new one",
                job.module().name
            );
            job.context.frontend.report(Level::Info, message);
            run_route(job)
        }
        outcome => outcome,
    }?;
    // Whatever this costs is paid by the build that fails next.
    let _ = caches::note_works(store, version);
    Ok(built)
}

fn run_route(job: &Job<'_>) -> Result<Option<Vec<Compiled>>> {
    let _in_use = job.context.store.use_zig(job.version())?;
    caches::prepare(job.context.store, job.version())?;
    let support = job.context.store.put_binding(job.version(), binding::digest(), binding::SOURCES)?;
    let work = Work::create(job)?;
    match job.build.route {
        Route::Compiler => Ok(direct::build(job, &support, &work.0)?.map(|compiled| vec![compiled])),
        Route::Graph => graph::build(job, &support, &work.0).map(Some),
        Route::Project => Ok(project::build(job, &work.0)?.map(|compiled| vec![compiled])),
    }
}

/// Returns the commands that a build action would run, for people to read.
#[must_use]
pub fn commands(context: Context<'_>, prepared: &Prepared, toolchain: &Toolchain, action: &Action) -> Vec<String> {
    let Decision::Build(build) = &action.decision else {
        return Vec::new();
    };
    let targets = prepared
        .targets
        .iter()
        .map(|target| target.target)
        .filter(|target| action.targets.iter().any(|label| label == target.label))
        .collect();
    let job = Job { context, prepared, toolchain, targets, build };
    let support = context.store.binding_path(job.version(), binding::digest());
    if remote::executor(context, prepared).is_some() {
        return vec![remote::command(&job).display()];
    }
    let invocations = match build.route {
        Route::Compiler => direct::invocations(&job, &support, Path::new("WORK")),
        Route::Graph => vec![graph::invocation(&job, &support, Path::new("WORK"))],
        Route::Project => vec![project::invocation(&job, Path::new("WORK"))],
    };
    invocations.iter().map(Invocation::display).collect()
}

impl Job<'_> {
    /// The compiler's line, as `0.16`. The planner let only supported ones pass.
    fn line(&self) -> &'static str {
        let version = self.toolchain.version.as_deref().unwrap_or_default();
        toolchain::supported_line(version).unwrap_or(toolchain::SUPPORTED_LINES[2])
    }

    fn has_c_sources(&self) -> bool {
        !self.prepared.closure.module_settings.c_sources.is_empty()
    }

    fn version(&self) -> &str {
        self.toolchain.version.as_deref().unwrap_or("unknown")
    }

    fn module(&self) -> &Module {
        &self.prepared.module
    }

    /// Path of one of the compiler's caches, whether it is there or not.
    fn cache(&self, name: &str) -> PathBuf {
        self.context.store.zig_cache_path(self.version(), name)
    }

    fn create_cache(&self, name: &str) -> Result<PathBuf> {
        self.context.store.zig_cache(self.version(), name)
    }

    fn run(&self, invocation: &Invocation) -> Result<process::Finished> {
        assert!(self.context.layer.native != Native::Never, "what builds here has the planner's leave");
        let caller = process::Caller {
            frontend: self.context.frontend,
            audit_log: self.context.layer.audit_log.as_deref(),
            module: &self.module().name,
            key: self.prepared.targets.first().map(|target| target.action_key),
            identity: Some(self.toolchain.identity),
            line: Some(self.line()),
        };
        process::run(invocation, caller)
    }

    /// The file that describes the module to the binding: its digest and text.
    fn declarations(&self) -> (Digest, String) {
        let text = match self.prepared.package {
            Some(_) => package::configuration(self.module()),
            None => binding::declarations(self.module(), &self.prepared.closure),
        };
        (Digest::of(text.as_bytes()), text)
    }

    /// Makes the error of a compiler that does not work.
    fn compiler_error(&self, reason: String) -> Error {
        Error::Compiler { zig: self.toolchain.located.path.clone(), reason }
    }

    /// Makes the error of a failed compile. What the binding says in a compile
    /// error is about the module, and not about our own file.
    fn compile_error(&self, finished: &process::Finished, text: &str, directory: &Path) -> Error {
        let diagnostics = diagnostics::parse(text, directory);
        if diagnostics.is_empty() {
            if text.contains("NoSpaceLeft") {
                let path = self.cache("global");
                return Error::Cache {
                    action: "build in the cache",
                    path,
                    reason: "no space left on the device".into(),
                };
            }
            // It crashed, or could not work at all: its status says which.
            let text: String = text.trim().chars().take(CRASH_TEXT_CHARACTERS_MAX).collect();
            let memory = if finished.was_killed() { " (a system that runs out of memory kills programs)" } else { "" };
            let reason = format!("it ended with {}{memory} and without a diagnostic\n{text}", finished.status);
            return self.compiler_error(reason.trim_end().to_owned());
        }
        self.compile_error_of(diagnostics, text, self.context.store.root())
    }

    /// The same of what the compiler said. Our own files lie in the folder `own`.
    fn compile_error_of(&self, diagnostics: Vec<Diagnostic>, text: &str, own: &Path) -> Error {
        let ours = diagnostics.iter().find_map(|diagnostic| diagnostic.message.strip_prefix("zigimport: "));
        if let Some(message) = ours {
            let source = &self.module().source_path;
            let relative = closure::relative_to(source, &self.prepared.closure.project_root);
            let message = message.replacen(&format!(" from {relative}:"), ":", 1);
            let is_empty = message.starts_with("nothing to export");
            return Error::Module {
                message: format!("`{}`: {message}", source.display()),
                hint: is_empty.then(|| "mark functions with supported parameter and result types `pub`".to_owned()),
            };
        }
        Error::Compile {
            module: self.module().name.clone(),
            source_path: self.module().source_path.clone(),
            text: without_own_references(text, own),
            diagnostics,
            hint: self.library_hint().or_else(|| hint_of(text)),
        }
    }

    /// Which versions of the binding library go together, where the compiler is
    /// none of the line that all of them were seen to work with.
    fn library_hint(&self) -> Option<String> {
        let versions = match (self.module().kind, &self.prepared.package) {
            _ if self.line() == package::KNOWN_LINE => None,
            (ModuleKind::Project, _) => package::known_versions_of_project(&self.module().source_path),
            (_, Some(_)) => package::known_versions(package::PYZ3),
            (_, None) => None,
        };
        versions.map(|versions| format!("{versions}; the Zig at hand is {}", self.version()))
    }
}

/// What to do about an error whose text alone does not say it.
fn hint_of(text: &str) -> Option<String> {
    let hints = [
        (
            "import of file outside module path",
            "Zig lets a module import files in its own folder and below only: move the file there, or make the module a \
             project with a build.zig",
        ),
        (
            "unable to find dynamic system library",
            "install what the system calls its development package, as zlib1g-dev; a library elsewhere is for a project \
             with a build.zig",
        ),
    ];
    hints.into_iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| hint.to_owned())
}

/// Cuts the places in our own files that the compiler lists as referring to the
/// user's: what remains leads to the user's files and to the standard library.
fn without_own_references(text: &str, own: &Path) -> String {
    const REFERENCED_BY: &str = "referenced by:";
    let own = own.to_string_lossy();
    let is_own = |line: &str| line.starts_with("    ") && line.contains(&*own) && line.contains(": ");
    let kept: Vec<&str> = text.trim_end().lines().filter(|line| !is_own(line)).collect();
    let mut lines: Vec<&str> = Vec::with_capacity(kept.len());
    for (index, line) in kept.iter().enumerate() {
        let next = kept.get(index + 1).copied().unwrap_or_default();
        if *line == REFERENCED_BY && !next.starts_with("    ") {
            continue;
        }
        let hides_only_own =
            line.trim_start().ends_with("to see all references") && lines.last() == Some(&REFERENCED_BY);
        if hides_only_own {
            lines.pop();
            continue;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Creates a folder for one build that nobody else uses, and removes it after.
struct Work(PathBuf);

impl Work {
    fn create(job: &Job<'_>) -> Result<Self> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = format!("work/{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = job.create_cache(&name)?;
        // A killed process with our number may have left its own.
        let _ = std::fs::remove_dir_all(&path);
        job.create_cache(&name).map(Self)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_from_our_own_files_are_cut() {
        let own = "    call: /s/zig-v1/0.16.0/global/zigimport-ab/binding/function.zig:70:28\n";
        let hidden = "    5 reference(s) hidden; use '-freference-trace=9' to see all references\n";
        let error = "m.zig:1:2: error: no\n";
        let cut = |text: &str| without_own_references(text, Path::new("/s"));
        assert_eq!(cut(&format!("{error}referenced by:\n{own}{own}{hidden}")), error.trim_end());
        assert_eq!(cut(&format!("{error}referenced by:\n{own}")), error.trim_end());
        let users = "    main: m.zig:9:1\n";
        assert_eq!(
            cut(&format!("{error}referenced by:\n{users}{own}{hidden}")),
            format!("{error}referenced by:\n{users}{hidden}").trim_end()
        );
    }
}
