//! One target straight through `zig build-lib`, here or on an executor.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::process::Invocation;
use super::{Compiled, Job, graph, protocol, runtime};
use crate::digest::FieldHasher;
use crate::error::{Error, Result};
use crate::guest::source::Binding;
use crate::headers;
use crate::package;
use crate::report::Level;
use crate::target::{System, Target};

/// Makes the compiler answer in messages.
pub(super) const LISTEN: &str = "--listen=-";

/// The module that has Python's C API on every Zig.
const PYTHON_MODULE: &str = "Python.h";

/// Header that is translated for it.
const PYTHON_HEADER: &str = "#define PY_SSIZE_T_CLEAN\n#include <Python.h>\n";

pub(super) fn build(job: &Job<'_>, support: &Path, work: &Path) -> Result<Option<Compiled>> {
    let target = target_of(job);
    let (digest, text) = job.declarations();
    if is_plain(job) || job.prepared.package.is_some() {
        job.context.store.put_declarations(digest, &text)?;
    }
    job.create_cache("global")?;
    for translation in translations(job) {
        translate(job, &translation, work)?;
    }
    if target.system == System::Windows {
        import_library(job, support, target)?;
    }
    let whole = compile(job, &Places::here(job, support, work));
    if runtime::may_be_left_out(job) {
        let mut lean = whole.clone();
        lean.arguments.push(runtime::LEFT_OUT.into());
        let Some(compiled) = run(job, &lean, work)? else { return Ok(None) };
        let Some(function) = runtime::missed_by(&compiled.library) else { return Ok(Some(compiled)) };
        let message = format!("{}: again with the compiler's runtime, for {function}", job.module().name);
        job.context.frontend.report(Level::Debug, message);
    }
    let compiled = run(job, &whole, work)?;
    if compiled.is_some() {
        runtime::note_made(job);
    }
    Ok(compiled)
}

/// Runs one compile. `None` means to plan again.
fn run(job: &Job<'_>, invocation: &Invocation, work: &Path) -> Result<Option<Compiled>> {
    let target = target_of(job);
    let finished = job.run(invocation)?;
    let answer = protocol::parse(&finished.answer, job.line(), &invocation.directory);
    if let Some(answer) = answer.as_ref().filter(|answer| !answer.version.is_empty() && answer.version != job.version())
    {
        return another_version(job, &answer.version).map(|()| None);
    }
    let output = answer.as_ref().filter(|_| finished.status.success()).and_then(|answer| answer.output_digest.as_ref());
    let Some((answer, output)) = answer.as_ref().zip(output) else {
        return Err(match finished.was_killed() {
            true => job.compile_error(&finished, &finished.text, &invocation.directory),
            false => explain(job, invocation, work)?,
        });
    };
    let folder = work.join("local/o").join(output);
    let library = read_output(&folder, target, job.module().leaf()).map_err(|reason| job.compiler_error(reason))?;
    Ok(Some(Compiled { library, read: answer.read.clone() }))
}

/// Remembers the version that a compiler has now: the program is a switch
/// between several, and another one is behind it than the last time.
fn another_version(job: &Job<'_>, version: &str) -> Result<()> {
    let store = job.context.store;
    let identity = job.toolchain.identity;
    if store.zig_version(identity).as_deref() == Some(job.version()) {
        return store.put_zig_version(identity, version);
    }
    Err(Error::Compiler {
        zig: job.toolchain.located.path.clone(),
        reason: format!("it is Zig {version}, and its package says {}", job.version()),
    })
}

/// The commands of this route, for people to read.
pub(super) fn invocations(job: &Job<'_>, support: &Path, work: &Path) -> Vec<Invocation> {
    let mut invocations = Vec::new();
    invocations.extend(translations(job).iter().map(|translation| translation.invocation(job, work)));
    if target_of(job).system == System::Windows {
        invocations.push(import_library_invocation(job, support, target_of(job)));
    }
    let mut compile = compile(job, &Places::here(job, support, work));
    // A person cannot speak the protocol; without it the command does the same.
    compile.arguments.retain(|argument| argument != LISTEN);
    invocations.push(compile);
    invocations
}

/// Where a compile finds its files, and keeps what it makes.
pub(super) struct Places<'a> {
    /// The folder of our own Zig files.
    pub(super) binding: PathBuf,
    /// The description of the module.
    pub(super) declarations: PathBuf,
    /// The import library of `python3.dll`.
    pub(super) import_library: PathBuf,
    pub(super) local_cache: PathBuf,
    pub(super) global_cache: PathBuf,
    /// Names one of the user's files.
    pub(super) user: Box<dyn Fn(&Path) -> PathBuf + 'a>,
}

impl Places<'static> {
    fn here(job: &Job<'_>, support: &Path, work: &Path) -> Self {
        Self {
            binding: support.join("binding"),
            declarations: job.context.store.declarations_path(job.declarations().0),
            import_library: import_library_path(job, target_of(job)),
            local_cache: work.join("local"),
            global_cache: job.cache("global"),
            user: Box::new(Path::to_path_buf),
        }
    }
}

pub(super) fn target_of(job: &Job<'_>) -> &'static Target {
    job.targets.first().copied().unwrap_or_else(Target::native)
}

pub(super) fn is_plain(job: &Job<'_>) -> bool {
    job.prepared.closure.binding == Binding::Plain
}

pub(super) fn compile(job: &Job<'_>, places: &Places<'_>) -> Invocation {
    let target = target_of(job);
    let mut arguments: Vec<OsString> = vec!["build-lib".into(), "-dynamic".into()];
    if target.system == System::Windows {
        arguments.push(places.import_library.clone().into());
        arguments.push("-fno-emit-implib".into());
    }
    if !job.has_c_sources() {
        // Nothing calls this runtime; it doubles the time of an edit.
        arguments.push("-fno-ubsan-rt".into());
    }
    if job.prepared.strip {
        arguments.push("-fstrip".into());
    }
    if target.system == System::Emscripten {
        arguments.extend(["-fPIC".into(), "--import-symbols".into()]);
    }
    arguments.extend(["-O".into(), job.prepared.optimize.name().into()]);
    arguments.extend(["-target".into(), target.triple_for(job.line()).into()]);
    arguments.extend(["-mcpu".into(), target.cpu.into()]);
    modules(job, places, &mut arguments);
    if target.links_libc() || job.has_c_sources() {
        arguments.push("-lc".into());
    }
    // On Windows the linker would only warn, and the library would be broken.
    if target.system != System::Windows {
        arguments.push("-fallow-shlib-undefined".into());
    }
    if target.system == System::MacOs {
        let name = format!("@rpath/{}{}", job.module().leaf(), target.stable_abi_suffix());
        arguments.extend(["-install_name".into(), name.into()]);
    }
    arguments.extend(["--name".into(), job.module().leaf().into()]);
    arguments.extend(["--cache-dir".into(), places.local_cache.clone().into()]);
    arguments.extend(["--global-cache-dir".into(), places.global_cache.clone().into()]);
    arguments.push(LISTEN.into());
    Invocation { input: protocol::ONE_UPDATE.to_vec(), ..invocation(job, arguments) }
}

/// The module graph: the user's file under our root, or as the root itself
/// where it, or a library that it uses, makes the init function.
fn modules(job: &Job<'_>, places: &Places<'_>, arguments: &mut Vec<OsString>) {
    let Places { binding, declarations, .. } = places;
    let user = &(places.user)(&job.module().source_path);
    if is_plain(job) {
        arguments.extend(["zigimport", "user", "declarations"].into_iter().flat_map(dependency));
        arguments.push(module("root", &binding.join("root.zig")));
        arguments.push(module("zigimport", &binding.join("zigimport.zig")));
        arguments.extend(dependency("zigimport"));
        arguments.extend(c_arguments(job, places));
        arguments.extend(include_folders(job, places));
        arguments.push(module("user", user));
        arguments.push(module("declarations", declarations));
        return;
    }
    let translations = translations(job);
    let package = job.prepared.package.as_ref();
    if job.prepared.closure.translate_c {
        arguments.extend(dependency(PYTHON_MODULE));
    }
    if package.is_some() {
        arguments.extend([package::PYZ3, "pyconf"].into_iter().flat_map(dependency));
    }
    arguments.extend(c_arguments(job, places));
    arguments.extend(include_folders(job, places));
    arguments.push(module("root", user));
    if let Some(package) = package {
        let headers = package.headers().into_iter().map(|(name, _)| name);
        arguments.extend(headers.chain(["pyconf"]).flat_map(dependency));
        arguments.push(module(package::PYZ3, &package.sources.join("pyz3.zig")));
        arguments.extend(dependency("ffi"));
        arguments.push(module("pyconf", declarations));
    }
    for translation in &translations {
        arguments.push(module(translation.name, &translation.output));
    }
}

fn dependency(name: &str) -> [OsString; 2] {
    ["--dep".into(), name.into()]
}

/// What is compiled and linked along with the user's file, for the next module.
fn c_arguments(job: &Job<'_>, places: &Places<'_>) -> Vec<OsString> {
    let settings = &job.prepared.closure.module_settings;
    let mut arguments: Vec<OsString> = Vec::new();
    if job.has_c_sources() {
        arguments.extend(["-lc".into(), "-cflags".into()]);
        // The paths among them are absolute.
        let place = |flag: String| match Path::new(&flag).is_absolute() {
            true => (places.user)(Path::new(&flag)).into_os_string(),
            false => flag.into(),
        };
        arguments.extend(headers::c_flags(&settings.c_flags, job.module().folder()).into_iter().map(place));
        arguments.push("--".into());
        let sources = job.prepared.closure.c_sources(job.module());
        arguments.extend(sources.iter().map(|path| (places.user)(path).into_os_string()));
    }
    if !settings.libraries.is_empty() {
        arguments.extend(library_folders(target_of(job)).map(|folder| format!("-L{folder}").into()));
        arguments.extend(settings.libraries.iter().map(|library| format!("-l{library}").into()));
    }
    arguments
}

/// Where this machine has libraries: for a target that is named the compiler looks nowhere.
fn library_folders(target: &Target) -> impl Iterator<Item = String> {
    let is_here = target.system == System::Linux && *target == *Target::native();
    let several = ["/usr/local/lib", "/usr/lib", "/lib"].map(|folder| format!("{folder}/{}", target.label));
    let one = ["/usr/local/lib", "/usr/lib64", "/lib64", "/usr/lib", "/lib"].map(str::to_owned);
    several.into_iter().chain(one).filter(move |folder| is_here && Path::new(folder).is_dir())
}

/// Where the user's files look for headers, Python's last. The flag is for the
/// next module only.
fn include_folders(job: &Job<'_>, places: &Places<'_>) -> Vec<OsString> {
    let closure = &job.prepared.closure;
    let headers = job.prepared.headers.iter().filter(|_| closure.c_import).flat_map(|headers| headers.folders.clone());
    let folders = closure.include_folders(job.module()).into_iter().chain(headers);
    let folders = folders.map(|folder| (places.user)(&folder));
    folders.flat_map(|folder| ["-I".into(), folder.into()]).collect()
}

fn module(name: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(format!("-M{name}="));
    argument.push(path);
    argument
}

fn caches(job: &Job<'_>, work: &Path) -> [OsString; 4] {
    ["--cache-dir".into(), work.join("local").into(), "--global-cache-dir".into(), job.cache("global").into()]
}

fn invocation(job: &Job<'_>, arguments: Vec<OsString>) -> Invocation {
    Invocation {
        program: job.toolchain.located.path.clone(),
        arguments,
        directory: job.prepared.closure.project_root.clone(),
        // Where a subcommand builds a tool of its own, it asks the environment.
        environment: graph::runner_environment(job, "global"),
        input: Vec::new(),
        has_children: false,
    }
}

/// Runs the compile again for the compiler's own text: the one-shot answer has
/// the errors in a form that differs between versions.
fn explain(job: &Job<'_>, listening: &Invocation, work: &Path) -> Result<Error> {
    let mut plain = listening.clone();
    plain.input.clear();
    plain.arguments.retain(|argument| argument != LISTEN);
    plain.arguments.extend(["--color".into(), "off".into()]);
    let mut emit = OsString::from("-femit-bin=");
    emit.push(work.join("output"));
    plain.arguments.push(emit);
    let finished = job.run(&plain)?;
    if !finished.status.success() {
        return Ok(job.compile_error(&finished, &finished.text, &plain.directory));
    }
    if !work.join("output").is_file() {
        return Ok(job.compiler_error("it ends well and makes no library".to_owned()));
    }
    // The same command worked now: the source is not what it was.
    Ok(Error::Unstable { module: job.module().name.clone(), path: job.module().source_path.clone() })
}

/// Returns how the compiler names its output.
pub(super) fn output_name(target: &Target, name: &str) -> String {
    match target.system {
        System::Linux => format!("lib{name}.so"),
        System::MacOs => format!("lib{name}.dylib"),
        System::Windows => format!("{name}.dll"),
        System::Emscripten => format!("{name}.wasm"),
    }
}

/// Reads the one library in an output folder.
fn read_output(folder: &Path, target: &Target, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(output_name(target, name));
    std::fs::read(&path).map_err(|error| format!("it left no output at `{}`: {error}", path.display()))
}

// The import library of python3.dll.

fn import_library_path(job: &Job<'_>, target: &Target) -> PathBuf {
    job.cache("python3").join(format!("{}-{}.lib", target.label, &crate::binding::digest().hex()[..16]))
}

fn import_library_invocation(job: &Job<'_>, support: &Path, target: &Target) -> Invocation {
    let places = Places::here(job, support, Path::new(""));
    invocation(job, dlltool_arguments(target, &places))
}

pub(super) fn dlltool_arguments(target: &Target, places: &Places<'_>) -> Vec<OsString> {
    let definition = places.binding.join("python3.def");
    let machine = ["dlltool".into(), "-m".into(), target.dlltool_machine.into()];
    let files = ["-d".into(), definition.into(), "-l".into(), places.import_library.clone().into()];
    machine.into_iter().chain(files).collect()
}

fn import_library(job: &Job<'_>, support: &Path, target: &Target) -> Result<()> {
    job.create_cache("python3")?;
    if import_library_path(job, target).is_file() {
        return Ok(());
    }
    let invocation = import_library_invocation(job, support, target);
    let finished = job.run(&invocation)?;
    if finished.status.success() {
        return Ok(());
    }
    Err(Error::Compiler { zig: invocation.program, reason: finished.text })
}

// Translated C headers.

/// A C header that becomes a Zig module, once for its content, Python's headers,
/// the target and the compiler.
struct Translation {
    /// Name of the module.
    name: &'static str,
    header: PathBuf,
    /// What is written to the header before, where it is ours.
    text: Option<&'static str>,
    /// Arguments that define macros.
    defines: &'static [&'static str],
    output: PathBuf,
}

/// Returns what has to be translated for a module.
fn translations(job: &Job<'_>) -> Vec<Translation> {
    let folder = translated_folder(job);
    let mut translations = Vec::new();
    if job.prepared.closure.translate_c {
        translations.push(Translation {
            name: PYTHON_MODULE,
            header: folder.join("python.h"),
            text: Some(PYTHON_HEADER),
            defines: &[],
            output: folder.join("python.zig"),
        });
    }
    for (name, header) in job.prepared.package.iter().flat_map(package::Package::headers) {
        let output = folder.join(format!("{name}-{}.zig", library_digest(job)));
        // What the library's own build file defines by default: the stable ABI of this Python.
        let defines: &[&str] = if name == "ffi" { &["-DPy_LIMITED_API=PY_VERSION_HEX"] } else { &[] };
        translations.push(Translation { name, header, text: None, defines, output });
    }
    translations
}

/// Where translations for these headers, target and compiler lie.
fn translated_folder(job: &Job<'_>) -> PathBuf {
    let headers = job.prepared.headers.as_ref().map_or_else(String::new, |headers| headers.identity.hex());
    let triple = target_of(job).triple_for(job.line());
    job.cache("translated").join(format!("{}-{triple}", headers.get(..16).unwrap_or_default()))
}

/// Names the content of the binding library: a header may include others of it.
fn library_digest(job: &Job<'_>) -> String {
    let mut hasher = FieldHasher::new("library");
    for input in job.prepared.package.iter().flat_map(|package| &package.inputs) {
        hasher.field(&input.relative, &input.digest.0);
    }
    hasher.finish().hex()[..16].to_owned()
}

impl Translation {
    fn invocation(&self, job: &Job<'_>, work: &Path) -> Invocation {
        let target = target_of(job);
        let mut arguments: Vec<OsString> = vec!["translate-c".into(), self.header.clone().into()];
        arguments.extend(["-target".into(), target.triple_for(job.line()).into(), "-lc".into()]);
        arguments.extend(self.defines.iter().map(OsString::from));
        for folder in job.prepared.headers.iter().flat_map(|headers| &headers.folders) {
            arguments.extend(["-I".into(), folder.into()]);
        }
        arguments.extend(caches(job, work));
        invocation(job, arguments)
    }
}

/// Makes a translation, unless it is there.
fn translate(job: &Job<'_>, translation: &Translation, work: &Path) -> Result<()> {
    let Translation { header, output, .. } = translation;
    if output.is_file() {
        return Ok(());
    }
    let name = translated_folder(job).file_name().unwrap_or_default().to_string_lossy().into_owned();
    job.create_cache(&format!("translated/{name}"))?;
    if job.line() != "0.15" {
        job.context.frontend.report(
            Level::Info,
            format!("translating Python.h with Zig {}: about a minute of CPU time, once for this cache", job.version()),
        );
    }
    let failed = |path: &Path, error: std::io::Error| Error::cache("write", path, &error);
    if let Some(text) = translation.text {
        std::fs::write(header, text).map_err(|error| failed(header, error))?;
    }
    let invocation = translation.invocation(job, work);
    let finished = job.run(&invocation)?;
    if !finished.status.success() || finished.answer.is_empty() {
        return Err(job.compile_error(&finished, &finished.text, &invocation.directory));
    }
    let unfinished = output.with_extension(format!("zig.{}", std::process::id()));
    std::fs::write(&unfinished, &finished.answer).map_err(|error| failed(&unfinished, error))?;
    std::fs::rename(&unfinished, output).map_err(|error| failed(output, error))
}
