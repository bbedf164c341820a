//! The user's own build: `zig build` in a project module's folder.
//!
//! What a `build.zig` gets from us, documented for its author:
//!
//! - `-Dtarget` and `-Doptimize`, if it declares them;
//! - `--search-prefix` with the C headers of the interpreter in `include`;
//! - the variables `ZIGIMPORT_MODULE`, `ZIGIMPORT_PYTHON_INCLUDE` and
//!   `ZIGIMPORT_PYTHON_ABI`.
//!
//! What we expect: an installed dynamic library with the module's name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::process::Invocation;
use super::{Compiled, Job, build_system, graph, packages, reads};
use crate::closure::{self, Input};
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::guest::source::BuildFeatures;
use crate::stamp::Stamp;
use crate::target::Target;

pub(super) fn build(job: &Job<'_>, work: &Path) -> Result<Option<Compiled>> {
    let names = CacheNames::of(job);
    fill(job, &names, work)?;
    forget_lookalikes(job, &names)?;
    job.create_cache(&names.local)?;
    link_headers(job)?;
    let invocation = invocation(job, work);
    if packages::provide(job, &names.folder, &invocation)? {
        return Ok(None);
    }
    let finished = job.run(&invocation)?;
    if !finished.status.success() {
        let text = graph::without_runner_lines(&finished.text);
        let mut error = job.compile_error(&finished, &text, &invocation.directory);
        if let Error::Compile { hint: hint @ None, .. } = &mut error {
            *hint = packages::hint(job, &names.folder);
        }
        return Err(error);
    }
    let library = find_library(job, &work.join("out"))?;
    Ok(Some(Compiled { library, read: reads::files(&job.cache(&names.local), &invocation.directory) }))
}

/// What a project's local cache has seen: path, stamp and digest.
type Seen = Vec<(String, Stamp, Digest)>;

/// Removes a project's local cache if it has seen a file that the compiler
/// would take for one of now although the content differs. The cache is kept
/// otherwise, because it has the compiled form of the user's build file.
fn forget_lookalikes(job: &Job<'_>, names: &CacheNames) -> Result<()> {
    let local = job.cache(&names.local);
    let folder = local.parent().unwrap_or(&local).to_owned();
    let path = folder.join("seen");
    let mut seen: Seen =
        std::fs::read(&path).ok().and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
    let inputs = &job.prepared.closure.inputs;
    let is_lookalike = |input: &Input| {
        seen.iter().any(|(path, stamp, digest)| {
            *path == input.relative && stamp.looks_like(&input.stamp) && *digest != input.digest
        })
    };
    if inputs.iter().any(is_lookalike) || (local.is_dir() && !path.is_file()) {
        std::fs::remove_dir_all(&local).map_err(|error| Error::cache("clear", &local, &error))?;
        seen.clear();
    }
    for input in inputs {
        let entry = (input.relative.clone(), input.stamp, input.digest);
        if !seen.contains(&entry) {
            seen.push(entry);
        }
    }
    let bytes = postcard::to_stdvec(&seen).expect("it has only encodable fields");
    let unfinished = folder.join(format!("seen.{}", std::process::id()));
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .map_err(|error| Error::cache("write", &path, &error))
}

/// A project's caches are its own: its `build.zig` can write to them, and Zig
/// trusts what it finds there.
struct CacheNames {
    folder: String,
    local: String,
    global: String,
}

impl CacheNames {
    fn of(job: &Job<'_>) -> Self {
        let mut hasher = FieldHasher::new("project");
        hasher.field("path", job.module().source_path.as_os_str().as_encoded_bytes());
        let name = hasher.finish().hex();
        let folder = format!("projects/{}", &name[..16]);
        Self { local: format!("{folder}/local"), global: format!("{folder}/global"), folder }
    }
}

pub(super) fn invocation(job: &Job<'_>, work: &Path) -> Invocation {
    let names = CacheNames::of(job);
    let target = job.targets.first().copied().unwrap_or_else(Target::native);
    let features = job.prepared.closure.root_scan.features;
    let mut arguments: Vec<OsString> = vec!["build".into(), "--prefix".into(), work.join("out").into()];
    arguments.extend(graph::runner_arguments(job, &job.cache(&names.local), &names.global));
    if job.line() == "0.17" {
        // The configured graph would be kept although a variable or a file that
        // build.zig reads has changed.
        arguments.push("--cache-poison".into());
    }
    if job.prepared.headers.is_some() {
        arguments.extend(["--search-prefix".into(), headers_folder(job).into()]);
    }
    if features.contains(BuildFeatures::STANDARD_TARGET_OPTIONS) {
        arguments.push(format!("-Dtarget={}", target.triple_for(job.line())).into());
    }
    if features.contains(BuildFeatures::STANDARD_OPTIMIZE_OPTION) {
        arguments.push(format!("-Doptimize={}", job.prepared.optimize.name()).into());
    }
    let mut environment = graph::runner_environment(job, &names.global);
    environment.extend(packages::environment(job, &names.folder));
    environment.push(("ZIGIMPORT_MODULE".to_owned(), job.module().leaf().into()));
    environment.push(("ZIGIMPORT_PYTHON_ABI".to_owned(), job.prepared.abi.clone().into()));
    if let Some(folder) = job.prepared.headers.as_ref().and_then(|headers| headers.folders.first()) {
        environment.push(("ZIGIMPORT_PYTHON_INCLUDE".to_owned(), folder.into()));
    }
    Invocation {
        program: job.toolchain.located.path.clone(),
        arguments,
        directory: folder(job),
        environment,
        input: Vec::new(),
        has_children: true,
    }
}

fn folder(job: &Job<'_>) -> PathBuf {
    job.module().source_path.parent().unwrap_or(Path::new("/")).to_owned()
}

/// A folder whose `include` is the interpreter's: what `--search-prefix` wants.
fn headers_folder(job: &Job<'_>) -> PathBuf {
    let identity = job.prepared.headers.as_ref().map_or_else(String::new, |headers| headers.identity.hex());
    job.cache("headers").join(identity.get(..16).unwrap_or_default())
}

fn link_headers(job: &Job<'_>) -> Result<()> {
    let Some(include) = job.prepared.headers.as_ref().and_then(|headers| headers.folders.first()) else {
        return Ok(());
    };
    let folder = headers_folder(job);
    let link = folder.join("include");
    if std::fs::read_link(&link).is_ok_and(|target| target == *include) {
        return Ok(());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    job.create_cache(&format!("headers/{name}"))?;
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(include, &link);
    #[cfg(windows)]
    let linked = std::os::windows::fs::symlink_dir(include, &link);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::cache("link", &link, &error)),
        _ => Ok(()),
    }
}

/// Fills a project's global cache from one that we made ourselves.
fn fill(job: &Job<'_>, names: &CacheNames, work: &Path) -> Result<()> {
    let global = job.cache(&names.global);
    if global.is_dir() {
        return Ok(());
    }
    let seed = build_system::prepared(job, work)?;
    // Copied beside and renamed, so that a killed process leaves no half cache.
    let parent = global.parent().unwrap_or(&global).to_owned();
    job.create_cache(&names.folder)?;
    let unfinished = parent.join(format!("global.{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&unfinished);
    build_system::copy_folder(&seed, &unfinished).map_err(|error| Error::cache("write", &unfinished, &error))?;
    match std::fs::rename(&unfinished, &global) {
        Err(error) if !global.is_dir() => Err(Error::cache("write", &global, &error)),
        _ => Ok(()),
    }
}

/// Finds the dynamic library with the module's name among what was installed.
fn find_library(job: &Job<'_>, prefix: &Path) -> Result<Vec<u8>> {
    let leaf = job.module().leaf();
    let suffixes = [".so", ".abi3.so", ".dylib", ".dll", ".pyd", job.context.interpreter.extension_suffix.as_str()];
    let mut installed = Vec::new();
    list(prefix, &mut installed);
    let is_ours = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_prefix("lib").unwrap_or(&name);
        [stem, &name].iter().any(|name| name.strip_prefix(leaf).is_some_and(|suffix| suffixes.contains(&suffix)))
    };
    if let Some(path) = installed.iter().find(|path| is_ours(path)) {
        let library = std::fs::read(path).map_err(|error| Error::cache("read", path, &error))?;
        check_init_function(job, &closure::relative_to(path, prefix), &library)?;
        return Ok(library);
    }
    let names: Vec<String> = installed.iter().map(|path| closure::relative_to(path, prefix)).collect();
    let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Err(Error::Module {
        message: format!(
            "`{}` installed no dynamic library named `{leaf}`; it installed {found}",
            job.module().source_path.display()
        ),
        hint: Some(format!(
            "in build.zig: b.installArtifact(b.addLibrary(.{{ .name = \"{leaf}\", .linkage = .dynamic, … }}))"
        )),
    })
}

/// Refuses a library that Python could not load as the module.
fn check_init_function(job: &Job<'_>, installed: &str, library: &[u8]) -> Result<()> {
    let symbol = job.module().init_symbol();
    if may_export(library, &symbol) {
        return Ok(());
    }
    let leaf = job.module().leaf();
    Err(Error::Module {
        message: format!(
            "`{}` installed `{installed}`, which has no function `{symbol}`: Python loads a module by that",
            job.module().source_path.display()
        ),
        hint: Some(format!(
            "a project says itself what Python sees: write `export fn {symbol}()`, as `zigimport new NAME --kind project` \
             does, or use a binding library; of a file `{leaf}.zig` zigimport exports every `pub fn`"
        )),
    })
}

/// Returns whether a library may export a function. ELF and PE name it in full; in
/// Mach-O it may be spread over the branches of a trie.
fn may_export(library: &[u8], symbol: &str) -> bool {
    let is_elf_or_pe = library.starts_with(b"\x7fELF") || library.starts_with(b"MZ");
    let name = format!("{symbol}\0");
    !is_elf_or_pe || memchr::memmem::find(library, name.as_bytes()).is_some()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            list(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
}
