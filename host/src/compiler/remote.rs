//! The compiler on a remote executor: the same command as on this machine, with
//! relative paths in a folder that has the files of the closure and ours.
//!
//! The compiler is the worker's. It is found as `zig` in the first of these folders:
//!
//! | folder | |
//! | --- | --- |
//! | `/zig/VERSION`, as `/zig/0.16.0` | for workers that have several |
//! | `/zig` | |
//! | `/usr/local/bin`, `/usr/bin`, `/bin` | |
//!
//! It is not sent along: its twenty thousand files would have to be unpacked for each
//! compile where a worker keeps none. So its version is part of the command, lest the
//! server answers with what another one made, and checked in the answer: the compiler
//! writes it into the file `builtin.zig` that each module gets. A compile that fails
//! does that too.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::direct::{self, Places};
use super::process::Invocation;
use super::{Compiled, Job};
use crate::audit;
use crate::binding;
use crate::closure::{self, ModuleKind};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::executor::{self, Address, Done, Fault, Task};
use crate::guest::source::Binding;
use crate::plan::{Context, Prepared};
use crate::report::{Level, Step};
use crate::stamp;
use crate::target::System;

/// The folder with all files. A worker may make the folder around it the root of the
/// file system, and a compiler that runs there takes its own files for the module's.
const TOP: &str = "project";
/// The folder of what is not the user's, in the project root.
const OWN: &str = ".zigimport";
/// The import library of `python3.dll` in there.
const IMPORT_LIBRARY: &str = "python3.lib";
/// Where the compiler writes the modules `builtin`, below its global cache.
const BUILTIN_FOLDER: &str = "b";
/// Stands before the version in such a file.
const VERSION_START: &str = "pub const zig_version_string = \"";
/// What is sent at most; more is compiled where it lies.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Returns why a module is not for an executor.
#[must_use]
pub fn obstacle(prepared: &Prepared) -> Option<&'static str> {
    let Prepared { module, closure, .. } = prepared;
    let has_text_paths = closure.inputs.iter().all(|input| input.path.to_str().is_some());
    let bytes = closure.inputs.iter().map(|input| input.stamp.size).fold(0, u64::saturating_add);
    if module.kind == ModuleKind::Project {
        return Some("a build.zig runs where it lies");
    }
    if !matches!(closure.binding, Binding::Plain | Binding::InitFunction) || closure.translate_c {
        return Some("it is compiled with the C headers of this machine's Python");
    }
    if !prepared.strip {
        return Some("debug information names the files of the machine that compiles");
    }
    if !closure.module_settings.libraries.is_empty() {
        return Some("it is linked with libraries of this machine");
    }
    if closure.is_computed {
        return Some("it names a file by an expression in `@import` or `@embedFile`, which only the compiler knows");
    }
    if !has_text_paths {
        return Some("a file's path is not Unicode");
    }
    (bytes > INPUT_BYTES_MAX).then_some("its files are too large to be sent")
}

/// Returns the executor that compiles a module.
#[must_use]
pub fn executor<'a>(context: Context<'a>, prepared: &Prepared) -> Option<&'a Address> {
    context.layer.remote_executor.as_ref().filter(|_| obstacle(prepared).is_none())
}

/// Builds for one target. `None` means to plan again: an input changed.
///
/// # Errors
/// The compiler's text, or why the executor gave none.
pub(super) fn build(job: &Job<'_>, address: &Address) -> Result<Option<Compiled>> {
    let frontend = job.context.frontend;
    let target = direct::target_of(job);
    let place = Layout::of(job);
    let Some(mut files) = place.files(job)? else { return Ok(None) };
    let places = place.places();
    if target.system == System::Windows {
        let output = path_text(&places.import_library);
        let mut task = task(job, &place, direct::dlltool_arguments(target, &places));
        task.files.clone_from(&files);
        task.outputs = vec![output.clone()];
        let mut done = run(job, address, &task)?;
        let library = done.files.iter().position(|(path, _)| *path == output);
        let Some(library) = library.filter(|_| done.exit_code == 0) else {
            return Err(address.error(&job.module().name, format!("`zig dlltool` failed there: {}", failure(&done))));
        };
        files.push((place.own(IMPORT_LIBRARY), done.files.swap_remove(library).1));
    }
    let name = direct::output_name(target, job.module().leaf());
    let output = format!("{OWN}/out/{name}");
    let builtin = path_text(&places.global_cache.join(BUILTIN_FOLDER));
    let mut task = task(job, &place, invocation(job, &places, &output).arguments);
    task.files = files;
    task.outputs = vec![output.clone(), builtin.clone()];
    let mut done = run(job, address, &task)?;
    let mut checked = check_version(job, address, &done, &builtin);
    if checked.is_err() && done.is_cached {
        // The workers may have got another compiler since.
        task.is_fresh = true;
        done = run(job, address, &task)?;
        checked = check_version(job, address, &done, &builtin);
    }
    checked?;
    let text = String::from_utf8_lossy(&done.text).into_owned();
    if done.exit_code != 0 {
        return Err(compile_error(job, address, &done, &text));
    }
    let Some(index) = done.files.iter().position(|(path, _)| *path == output) else {
        return Err(
            address.error(&job.module().name, format!("it answers that the compile ended well, without `{name}`"))
        );
    };
    let library = done.files.swap_remove(index).1;
    if !target.is_library(&library) {
        return Err(address
            .error(&job.module().name, format!("what it answers as `{name}` is no library for {}", target.label)));
    }
    frontend.report(
        Level::Debug,
        format!(
            "{}: compiled on {address}{}, action {}",
            job.module().name,
            if done.is_cached { ", which had it already" } else { "" },
            done.action
        ),
    );
    // It could read what it was sent, and nothing else of this machine.
    let read = job.prepared.closure.inputs.iter().map(|input| input.path.clone()).collect();
    Ok(Some(Compiled { library, read }))
}

/// The command, for people to read.
pub(super) fn command(job: &Job<'_>) -> Invocation {
    let place = Layout::of(job);
    let output = format!("{OWN}/out/{}", direct::output_name(direct::target_of(job), job.module().leaf()));
    invocation(job, &place.places(), &output)
}

/// The compile without the protocol, which needs standard input: what is read is known,
/// and what is wrong is in the text.
fn invocation(job: &Job<'_>, places: &Places<'_>, output: &str) -> Invocation {
    let mut invocation = direct::compile(job, places);
    invocation.program = "zig".into();
    invocation.input.clear();
    invocation.arguments.retain(|argument| argument != direct::LISTEN);
    invocation.arguments.extend(["--color".into(), "off".into(), format!("-femit-bin={output}").into()]);
    invocation
}

fn task(job: &Job<'_>, place: &Layout, arguments: Vec<OsString>) -> Task {
    let version = job.version();
    let arguments = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
    Task {
        command: std::iter::once("zig".to_owned()).chain(arguments).collect(),
        environment: environment(version, &place.places()),
        directory: place.directory.clone(),
        files: Vec::new(),
        outputs: Vec::new(),
        is_fresh: job.context.layer.force_rebuild,
        time_max: Duration::from_secs(job.context.layer.lock_timeout_seconds),
    }
}

/// The whole environment. The caches are in the arguments too, which `@cImport` of Zig
/// 0.16 does not look at.
fn environment(version: &str, places: &Places<'_>) -> Vec<(String, String)> {
    let variables = [
        ("PATH", format!("/zig/{version}:/zig:/usr/local/bin:/usr/bin:/bin")),
        ("ZIG_GLOBAL_CACHE_DIR", path_text(&places.global_cache)),
        ("ZIG_LOCAL_CACHE_DIR", path_text(&places.local_cache)),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn run(job: &Job<'_>, address: &Address, task: &Task) -> Result<Done> {
    let frontend = job.context.frontend;
    let module = &job.module().name;
    if let Some(error) = executor::pause(address, module) {
        return Err(error);
    }
    let told = |stage: &str| {
        if frontend.wants_steps() {
            frontend.step(module, &Step { name: format!("remote: {stage}"), ..Step::default() });
        }
        !frontend.interrupted()
    };
    let done = frontend.executor().execute(address, task, &told).map_err(|fault| match fault {
        Fault::Failed(reason) => executor::failed(address, module, reason),
        Fault::Interrupted => Error::Interrupted,
    })?;
    audit::append(job.context.layer.audit_log.as_deref(), frontend, || {
        json!({
            "event": "execute",
            "module": module,
            "executor": address.to_string(),
            "action": done.action,
            "key": job.prepared.targets.first().map(|target| target.action_key.hex()),
            "arguments": task.command,
            "cached": done.is_cached,
            "exit_code": done.exit_code,
        })
    });
    Ok(done)
}

/// Checks that the worker's compiler is the one that the key names.
fn check_version(job: &Job<'_>, address: &Address, done: &Done, builtin: &str) -> Result<()> {
    let versions = done.files.iter().filter(|(path, _)| path.starts_with(builtin)).filter_map(|(_, bytes)| {
        let text = std::str::from_utf8(bytes).ok()?;
        Some(text.split_once(VERSION_START)?.1.split_once('"')?.0)
    });
    let mut versions: Vec<&str> = versions.collect();
    versions.sort_unstable();
    versions.dedup();
    let wanted = job.version();
    match *versions {
        [version] if version == wanted => Ok(()),
        [] => Err(address.error(
            &job.module().name,
            format!("the compile failed before the compiler said its version: {}", failure(done)),
        )),
        _ => Err(Error::NotFound {
            message: format!(
                "the workers of {address} have Zig {}, and `{}` is to be built with Zig {wanted}",
                versions.join(" and "),
                job.module().name
            ),
            hint: format!(
                "put Zig {wanted} into /zig/{wanted} of the workers, or take the same here: pip install \"ziglang=={}\"",
                versions[0]
            ),
        }),
    }
}

/// Says why a command did not do what it is for.
fn failure(done: &Done) -> String {
    let text = String::from_utf8_lossy(&done.text);
    let text: String = text.trim().chars().take(super::CRASH_TEXT_CHARACTERS_MAX).collect();
    format!("exit code {}\n{text}", done.exit_code).trim_end().to_owned()
}

/// Makes the error of a failed compile, as a compile on this machine gives it.
fn compile_error(job: &Job<'_>, address: &Address, done: &Done, text: &str) -> Error {
    let root = &job.prepared.closure.project_root;
    let found = super::diagnostics::parse(text, root);
    // A path that is computed is known to the compiler only.
    let is_missing = |message: &str| message.contains("FileNotFound") || message.contains("file not found");
    // What names no place may be the worker's fault.
    let has_place = found.iter().any(|diagnostic| !diagnostic.path.is_empty());
    if !has_place || found.iter().any(|diagnostic| is_missing(&diagnostic.message)) {
        return address.error(&job.module().name, format!("the compile failed there: {}", failure(done)));
    }
    job.compile_error_of(found, text, Path::new(OWN))
}

/// Files by their paths there.
type Files = Vec<(String, Vec<u8>)>;

/// Where files lie on the executor: the project root and what is around it, as far
/// as inputs reach, with our own folder in the root.
struct Layout {
    /// The project root here.
    root: PathBuf,
    /// The folder here that is [`TOP`] there.
    base: PathBuf,
    /// The project root there.
    directory: String,
}

impl Layout {
    fn of(job: &Job<'_>) -> Self {
        let closure = &job.prepared.closure;
        let root = closure.project_root.clone();
        let folders = closure.include_folders(job.module());
        let paths = closure.inputs.iter().map(|input| &input.path).chain(&folders);
        let above = |path: &PathBuf| {
            let relative = closure::relative_to(path, &root);
            Path::new(&relative).components().take_while(|part| *part == Component::ParentDir).count()
        };
        let depth = paths.map(above).max().unwrap_or(0);
        let base = root.ancestors().nth(depth).unwrap_or(Path::new("/")).to_owned();
        let directory = place(&root, &base);
        Self { root, base, directory }
    }

    /// Returns the path of a file of ours from the folder of all files.
    fn own(&self, name: &str) -> String {
        format!("{}/{OWN}/{name}", self.directory)
    }

    fn places(&self) -> Places<'_> {
        let own = Path::new(OWN);
        Places {
            binding: own.join("binding"),
            declarations: own.join("declarations.zig"),
            import_library: own.join(IMPORT_LIBRARY),
            local_cache: own.join("cache/local"),
            global_cache: own.join("cache/global"),
            user: Box::new(|path| match closure::relative_to(path, &self.root) {
                relative if relative.is_empty() => ".".into(),
                relative => relative.into(),
            }),
        }
    }

    /// Reads what is sent. `None` if an input is not what was scanned.
    fn files(&self, job: &Job<'_>) -> Result<Option<Files>> {
        let mut files = Files::new();
        for input in &job.prepared.closure.inputs {
            let Ok(content) = stamp::read(&input.path, INPUT_BYTES_MAX) else { return Ok(None) };
            if Digest::of(&content.bytes) != input.digest {
                return Ok(None);
            }
            files.push((place(&input.path, &self.base), content.bytes));
        }
        // One file may be several things to a module.
        files.sort_by(|left, right| left.0.cmp(&right.0));
        files.dedup_by(|left, right| left.0 == right.0);
        if direct::is_plain(job) {
            let own = binding::SOURCES.iter().filter(|(name, _)| name.starts_with("binding/"));
            files.extend(own.map(|(name, bytes)| (self.own(name), bytes.to_vec())));
            files.push((self.own("declarations.zig"), job.declarations().1.into_bytes()));
        }
        Ok(Some(files))
    }
}

/// Names a file there that lies below `base` here.
fn place(path: &Path, base: &Path) -> String {
    match closure::relative_to(path, base) {
        relative if relative.is_empty() => TOP.to_owned(),
        relative => format!("{TOP}/{relative}"),
    }
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Says, to whoever wants to know, why a module is compiled here although there is an executor.
pub fn report_obstacle(context: Context<'_>, prepared: &Prepared) {
    if let (Some(address), Some(obstacle)) = (&context.layer.remote_executor, obstacle(prepared)) {
        let name = &prepared.module.name;
        context
            .frontend
            .report(Level::Debug, format!("{name}: compiled on this machine and not on {address}: {obstacle}"));
    }
}
