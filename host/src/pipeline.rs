//! Every path that an import or a build can take.
//!
//! [`cached`] is the hit: the manifest alone. [`ensure`] is everything else: plan
//! in the sandbox, then do what the plan says. The planner's decisions are
//! carried out here and never taken again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::audit;
use crate::closure::{self, Module, ModuleKind, Role};
use crate::collect;
use crate::compiler::{self, Job, process};
use crate::config::{Layer, Native};
use crate::digest::{Digest, FieldHasher};
use crate::error::{self, Error, Result};
use crate::executor;
use crate::guest::planning::{Action, Decision, Step};
use crate::interpreter::{Headers, Interpreter};
use crate::key;
use crate::locks::{Lock, Wait};
use crate::manifest::{BuildRecord, Freshness, Library, Manifest, Recorded, StoredPath};
use crate::object::Record;
use crate::package;
use crate::plan::{self, Context, Plan, Prepared, PreparedTarget};
use crate::plugin::Failure;
use crate::refusal;
use crate::remote::{self, Remote};
use crate::render;
use crate::report::{Level, Phase, timed};
use crate::sources::Sources;
use crate::store::{self, Entry, EntryInput, History, Store};
use crate::stub;
use crate::target::Target;
use crate::toolchain::{self, Located, Toolchain};
use crate::watch::Paths;

/// How often a plan is made anew because the world changed while it was carried
/// out: an input was edited, another process built, a version became known.
const PLANS_MAX: usize = 6;

/// How often a hit notes that it was one, for the order in which artifacts are
/// collected: a few system calls a day.
const USE_NOTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A library that may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loadable {
    /// Where it lies.
    pub path: PathBuf,
    /// Its identity.
    pub library: Library,
    /// What it is.
    pub record: BuildRecord,
    /// Whether it was compiled just now.
    pub built: bool,
}

/// Names the manifest of a module under a configuration.
///
/// Everything that selects another artifact without changing a file is in the
/// name; the files are in the manifest.
#[must_use]
pub fn manifest_name(layer: &Layer, interpreter: &Interpreter, module: &Module, target: &Target) -> Digest {
    // One that is not there says the same in every home folder.
    let user = layer.user_configuration.as_deref().filter(|path| path.exists());
    manifest_name_for(layer, interpreter, module, target, user)
}

/// The same for whoever knows whether the user has a configuration.
#[must_use]
pub fn manifest_name_for(
    layer: &Layer,
    interpreter: &Interpreter,
    module: &Module,
    target: &Target,
    user_configuration: Option<&Path>,
) -> Digest {
    let mut hasher = FieldHasher::new("manifest");
    hasher.field("module", module.name.as_bytes());
    hasher.field("source path", module.source_path.as_os_str().as_encoded_bytes());
    hasher.field("optimize", layer.optimize.map_or("", |optimize| optimize.name()).as_bytes());
    hasher.field("debug info", layer.debug_info.map_or(&b""[..], |wanted| if wanted { b"1" } else { b"0" }));
    hasher.field("target", target.label.as_bytes());
    hasher.field("interpreter", interpreter.extension_suffix.as_bytes());
    hasher.field("salt", layer.salt.as_bytes());
    hasher.field("builder", env!("ZIGIMPORT_BUILDER").as_bytes());
    hasher.field("user configuration", user_configuration.map_or(&b""[..], |path| path.as_os_str().as_encoded_bytes()));
    hasher.finish()
}

/// Returns the library of a module if its manifest says that nothing changed.
///
/// Reads file metadata and one manifest: no engine, no process, no lock.
#[must_use]
pub fn cached(
    store: &Store,
    layer: &Layer,
    interpreter: &Interpreter,
    zig: Option<&Located>,
    module: &Module,
) -> Option<Loadable> {
    if layer.force_rebuild {
        return None;
    }
    let name = manifest_name(layer, interpreter, module, Target::native());
    let (mut manifest, stamp) = Manifest::read(&store.manifest_path(name))?;
    let manifest = if layer.release_mode {
        manifest
    } else {
        // On another search path another release of the library may come first.
        if let Some(package) = &manifest.package
            && package::locate(&interpreter.search_path).as_ref() != Some(&package.0)
        {
            return None;
        }
        if !layer.track_deps {
            manifest.inputs.retain(|input| input.path == module.source_path);
            manifest.absent.clear();
        }
        match manifest.check(zig) {
            Freshness::Stale => return None,
            Freshness::Fresh { updated: None } => manifest,
            Freshness::Fresh { updated: Some(updated) } => {
                // Where nothing native may run the store is as it was given. That
                // and a store that cannot be written cost the next import some hashing.
                // One of a single file must not take the place of the whole.
                if !layer.is_closed() && layer.track_deps {
                    let _ = store.put_manifest(name, &updated);
                }
                *updated
            }
        }
    };
    let path = if layer.verify_always {
        store.library_verified(manifest.library.digest, &manifest.library.suffix)?.0
    } else {
        store.library_unchanged(&manifest.library)?
    };
    if !layer.is_closed() && stamp.is_older_than(USE_NOTED_EVERY) {
        store.note_hit(name, manifest.library.digest);
    }
    Some(Loadable { path, library: manifest.library, record: manifest.record, built: false })
}

/// Returns every path whose change may change a module: what its manifest has,
/// and, for a module that could not be built as it is now, what a scan finds.
#[must_use]
pub fn watched(context: Context<'_>, module: &Module, scanned: bool) -> Paths {
    let mut paths = Paths::default();
    // Both are of this moment; what cannot be read now is in the manifest still.
    paths.files.insert(module.source_path.clone());
    let name = manifest_name(context.layer, context.interpreter, module, Target::native());
    let mut is_of_now = false;
    if let Some((manifest, _)) = Manifest::read(&context.store.manifest_path(name)) {
        is_of_now = manifest.check(None) != Freshness::Stale;
        for input in manifest.inputs {
            let kind = if input.is_folder { &mut paths.folders } else { &mut paths.files };
            kind.insert(input.path);
        }
        paths.files.extend(manifest.absent.into_iter().map(|path| path.0));
    }
    // What was built while a plugin failed has no manifest.
    if (scanned || !is_of_now)
        && let Ok(closure) = plan::scan(context, &Sources::unknown(), module)
    {
        let inputs = closure.inputs.into_iter().chain(closure.settings_file).chain(closure.plugin_files);
        paths.files.extend(inputs.map(|input| input.path));
        paths.files.extend(closure.absent);
        paths.folders.extend(closure.folders.into_iter().map(|folder| folder.path));
    }
    paths
}

/// Returns the compiler that the fast path compares with.
///
/// # Errors
/// `ZIGIMPORT_ZIG` is wrong.
pub fn locate_zig(layer: &Layer, interpreter: &Interpreter) -> Result<Option<Located>> {
    if layer.is_closed() {
        return Ok(None);
    }
    toolchain::locate(layer, &interpreter.search_path)
}

/// Makes a module loadable for the native target, whatever that takes.
///
/// # Errors
/// It cannot be built, or the environment does not allow it.
pub fn ensure(context: Context<'_>, module: &Module) -> Result<Loadable> {
    let mut outcomes = ensure_targets(context, module, &[Target::native()])?;
    outcomes.pop().ok_or_else(|| no_action(module))
}

/// Makes a module's artifacts for `targets`, in the order of `targets`.
///
/// # Errors
/// The first failure.
pub fn ensure_targets(context: Context<'_>, module: &Module, targets: &[&'static Target]) -> Result<Vec<Loadable>> {
    let _in_use = in_use(context, module)?;
    let mut layer = context.layer.clone();
    for _ in 0..PLANS_MAX {
        let context = Context { layer: &layer, ..context };
        let sources = Sources::unknown();
        let plan = plan::plan_shadowed(context, &sources, std::slice::from_ref(module), &[], targets)?;
        let executed = match execute(context, &plan, targets) {
            Err(error @ Error::Remote { .. }) => {
                remote::warn(context.frontend, &error)?;
                // What is built instead mends it, where builds are put there.
                layer.remote_failure = Some(error.to_string());
                continue;
            }
            Err(error @ Error::Executor { .. }) => {
                if !layer.allows_local_builds() {
                    return Err(error);
                }
                executor::warn(context.frontend, &error);
                layer.remote_executor = None;
                continue;
            }
            executed => executed?,
        };
        match executed {
            Some(outcomes) => {
                record(context, &sources, &plan);
                write_stub(context, &plan, &outcomes)?;
                return Ok(outcomes);
            }
            None => continue,
        }
    }
    Err(Error::Unstable { module: module.name.clone(), path: module.source_path.clone() })
}

/// Keeps others from clearing the store while a module is made.
fn in_use(context: Context<'_>, module: &Module) -> Result<Option<Lock>> {
    if context.layer.is_closed() {
        return Ok(None);
    }
    context.store.in_use(&Wait {
        module: &module.name,
        timeout: Duration::from_secs(context.layer.lock_timeout_seconds),
        held: &|holder| {
            let process = error::process_name(holder);
            context.frontend.report(Level::Info, format!("waiting for {process} that clears the cache"));
        },
        interrupted: &|| context.frontend.interrupted(),
    })
}

/// Keeps what was read for later plans, which are slower without it.
fn record(context: Context<'_>, sources: &Sources, plan: &Plan) {
    if context.layer.is_closed() {
        return;
    }
    let program = plan.toolchain.as_ref().and_then(|toolchain| toolchain.program.as_ref());
    let program =
        program.filter(|program| program.trusted && context.store.program(&program.path).as_ref() != Some(program));
    let recorded = sources.record(context.store);
    let recorded = recorded.and_then(|()| program.map_or(Ok(()), |program| context.store.put_program(program)));
    if let Err(error) = recorded {
        context.frontend.report(Level::Debug, error.report());
    }
}

/// Writes the module's stub where that is asked for: an argument asks for it
/// always, a project's setting wherever more than a hit was needed. That does not
/// make an import fail.
fn write_stub(context: Context<'_>, plan: &Plan, outcomes: &[Loadable]) -> Result<()> {
    let (Some(prepared), Some(first)) = (plan.modules.first(), outcomes.first()) else { return Ok(()) };
    let module = &prepared.module;
    if let Some(stubs) = &context.layer.stubs {
        let path = stubs.path(module, Path::new(""));
        return path.map_or(Ok(()), |path| stub::write(&first.path, &path));
    }
    let wanted = prepared.closure.project_settings.stubs.as_ref();
    let path = wanted.and_then(|stubs| stubs.path(module, &prepared.closure.project_root));
    let path = path.filter(|_| first.built || context.layer.native != Native::Never);
    let written = path.map_or(Ok(()), |path| stub::write(&first.path, &path));
    if let Err(error) = written {
        context.frontend.report(Level::Warning, error.report());
    }
    Ok(())
}

fn no_action(module: &Module) -> Error {
    Error::Component { component: "planner".to_owned(), reason: format!("no action for `{}`", module.name) }
}

/// Carries out a plan for one module. `None` means that the world changed
/// meanwhile and a new plan is needed.
fn execute(context: Context<'_>, plan: &Plan, targets: &[&'static Target]) -> Result<Option<Vec<Loadable>>> {
    let prepared = plan
        .modules
        .first()
        .ok_or_else(|| Error::Component { component: "planner".to_owned(), reason: "an empty plan".to_owned() })?;
    let mut done: Vec<(String, Loadable)> = Vec::new();
    for action in &plan.actions {
        let wanted: Vec<&PreparedTarget> = prepared
            .targets
            .iter()
            .filter(|target| action.targets.iter().any(|label| label == target.target.label))
            .collect();
        context.frontend.report(
            Level::Debug,
            format!("{}: {} ({})", prepared.module.name, render::decision(&action.decision), render::reason(action)),
        );
        match &action.decision {
            Decision::Load => {
                for target in wanted {
                    done.push((target.target.label.to_owned(), load(context, plan, prepared, target)?));
                }
            }
            Decision::Restore => {
                for target in wanted {
                    let Some(loadable) = restore(context, plan, prepared, target)? else {
                        return Ok(None);
                    };
                    done.push((target.target.label.to_owned(), loadable));
                }
            }
            Decision::Fetch => {
                for target in wanted {
                    fetch(context, prepared, target)?;
                }
                // From here on it is in the store as if it had been built here.
                return Ok(None);
            }
            Decision::Build(_) => {
                let Some(built) = build(context, plan, prepared, action)? else {
                    return Ok(None);
                };
                done.extend(built);
            }
            Decision::Skip => return Err(no_action(&prepared.module)),
            Decision::Refuse(refusal) => {
                return Err(refusal::error(context, plan, prepared, *refusal, &action.reason));
            }
        }
    }
    targets
        .iter()
        .map(|target| {
            let found = done.iter().find(|(label, _)| label == target.label);
            found.map(|(_, loadable)| loadable.clone()).ok_or_else(|| no_action(&prepared.module))
        })
        .collect::<Result<Vec<_>>>()
        .map(Some)
}

/// Takes a library that is there, and writes the manifest for the next import.
fn load(context: Context<'_>, plan: &Plan, prepared: &Prepared, target: &PreparedTarget) -> Result<Loadable> {
    let (Some((path, library)), Some(entry)) = (&target.library, &target.entry) else {
        return Err(no_action(&prepared.module));
    };
    note_history(context, prepared, target, entry);
    note_use(context, library.digest);
    let discovered = discovered_now(prepared, entry);
    Ok(finish(context, plan, prepared, target, entry, discovered, path.clone(), library.clone(), false))
}

/// Takes an artifact from the shared cache into the store.
fn fetch(context: Context<'_>, prepared: &Prepared, target: &PreparedTarget) -> Result<()> {
    let remote = Remote::of(context.layer, context.frontend.transport())?;
    let (Some(remote), Some(shared)) = (remote, &target.shared) else {
        return Err(no_action(&prepared.module));
    };
    let bytes = remote.fetch(context.store, shared)?;
    let digest = Digest::from_hex(&shared.entry.artifact).ok_or_else(|| no_action(&prepared.module))?;
    keep_below_cap(context, bytes, &[digest]);
    context.frontend.report(Level::Info, format!("fetched {} from {}", prepared.module.name, remote.shown().display()));
    Ok(())
}

/// Puts what was built into the shared cache where that is asked for.
fn upload(context: Context<'_>, entry: &Entry) {
    if !context.layer.cache_upload {
        return;
    }
    let put = Remote::of(context.layer, context.frontend.transport())
        .and_then(|remote| remote.map(|remote| remote.put(context.store, &[entry])).transpose());
    if let Err(error) = put {
        // The module is built: an interrupt is noticed by whoever waits next.
        let _ = remote::warn(context.frontend, &error);
    }
}

/// Unpacks an object. `None` if it was damaged: it is gone now, plan again.
fn restore(
    context: Context<'_>,
    plan: &Plan,
    prepared: &Prepared,
    target: &PreparedTarget,
) -> Result<Option<Loadable>> {
    let artifact = target.entry.as_ref().and_then(|entry| Some((entry, entry.record()?)));
    let Some((entry, record)) = artifact else {
        return Err(no_action(&prepared.module));
    };
    let digest = record.library;
    let record = if context.layer.verify_always { record.of_any_object() } else { record };
    let unpacked = timed(context.frontend, Phase::Store, || context.store.restore(&record, &entry.suffix));
    match unpacked {
        Ok((path, library)) => {
            note_library(context, "unpack", entry, &path);
            note_history(context, prepared, target, entry);
            note_use(context, digest);
            keep_below_cap(context, library.stamp.size, &[digest]);
            let discovered = discovered_now(prepared, entry);
            Ok(Some(finish(context, plan, prepared, target, entry, discovered, path, library, false)))
        }
        Err(error) if !context.store.has_object(digest) => {
            context.frontend.report(Level::Warning, error.report());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Remembers what is loaded now, so that the next reason tells what changed since.
fn note_history(context: Context<'_>, prepared: &Prepared, target: &PreparedTarget, entry: &Entry) {
    if context.layer.is_closed() {
        return;
    }
    let source = &prepared.module.source_path;
    // A store that cannot be written costs a less precise reason.
    let _ = context.store.put_history(source, target.target.label, &history(prepared, entry));
}

/// Writes into the audit log that a library came to be.
fn note_library(context: Context<'_>, event: &str, entry: &Entry, path: &Path) {
    audit::append(context.layer.audit_log.as_deref(), context.frontend, || {
        json!({
            "event": event,
            "module": entry.module,
            "path": path.to_string_lossy(),
            "digest": entry.artifact,
            "key": entry.key,
            "target": entry.target,
        })
    });
}

fn note_use(context: Context<'_>, digest: Digest) {
    if !context.layer.is_closed() {
        context.store.note_use(digest);
    }
}

fn keep_below_cap(context: Context<'_>, bytes: u64, published: &[Digest]) {
    if context.layer.is_closed() {
        return;
    }
    if let Err(error) = collect::after_publication(context.store, context.layer.cache_bytes_max, bytes, published) {
        // The module is there; the next build tries again.
        context.frontend.report(Level::Debug, error.report());
    }
}

fn discovered_now(prepared: &Prepared, entry: &Entry) -> Vec<Recorded> {
    let root = &prepared.closure.project_root;
    let there = entry.discovered.iter().filter(|input| input.role != store::ABSENT);
    there.filter_map(|input| Recorded::file(&root.join(&input.path))).collect()
}

/// Returns the paths that must not be there, for what only the compiler knew.
fn absent_of(prepared: &Prepared, entry: &Entry) -> impl Iterator<Item = PathBuf> {
    let root = &prepared.closure.project_root;
    entry.discovered.iter().filter(|input| input.role == store::ABSENT).map(|input| root.join(&input.path))
}

/// Returns where a header that only the compiler knew may have been looked for
/// before it was found: a file that appears there may be taken instead.
fn places_in_front(prepared: &Prepared, discovered: &[Recorded]) -> BTreeSet<PathBuf> {
    let closure = &prepared.closure;
    let sources = closure.inputs.iter().filter(|input| matches!(input.role, Role::CSource | Role::Header));
    let own = sources.filter_map(|input| input.path.parent()).chain(
        // Of a header that such a header includes.
        discovered.iter().filter_map(|input| input.path.parent()),
    );
    if closure.header_folders.is_empty() && !closure.c_import && closure.module_settings.c_sources.is_empty() {
        return BTreeSet::new();
    }
    let folders: BTreeSet<&Path> = closure.header_folders.iter().map(PathBuf::as_path).chain(own).collect();
    let names: BTreeSet<&Path> = discovered
        .iter()
        .flat_map(|input| folders.iter().filter_map(|folder| input.path.strip_prefix(folder).ok()))
        .collect();
    let places = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    places.filter(|place| place.symlink_metadata().is_err()).collect()
}

/// Builds what an action asks for, under the lock of its key.
fn build(
    context: Context<'_>,
    plan: &Plan,
    prepared: &Prepared,
    action: &Action,
) -> Result<Option<Vec<(String, Loadable)>>> {
    let Decision::Build(build) = &action.decision else {
        return Err(no_action(&prepared.module));
    };
    let Some(toolchain) = &plan.toolchain else {
        return Err(no_action(&prepared.module));
    };
    let wanted: Vec<&PreparedTarget> = prepared
        .targets
        .iter()
        .filter(|target| action.targets.iter().any(|label| label == target.target.label))
        .collect();
    let Some(first) = wanted.first() else {
        return Err(no_action(&prepared.module));
    };
    if build.steps.contains(&Step::ProbeVersion) {
        let caller = process::Caller {
            frontend: context.frontend,
            audit_log: context.layer.audit_log.as_deref(),
            module: &prepared.module.name,
            key: None,
            identity: Some(toolchain.identity),
            line: None,
        };
        let version = process::version(&toolchain.located.path, caller)?;
        context.store.put_zig_version(toolchain.identity, &version)?;
        // With the version known, the planner may decide otherwise.
        return Ok(None);
    }
    let module = &prepared.module;
    let asked = Instant::now();
    let wait = Wait {
        module: &module.name,
        timeout: Duration::from_secs(context.layer.lock_timeout_seconds),
        held: &|holder| {
            let process = error::process_name(holder);
            context.frontend.report(Level::Info, format!("waiting for {process} that builds {}", module.name));
        },
        interrupted: &|| context.frontend.interrupted(),
    };
    let locked = context.store.lock(first.action_key, &wait);
    context.frontend.spent(Phase::Lock, asked, Instant::now());
    let _lock = locked?;
    // Another process may have built it meanwhile; then the planner has to be
    // asked again, unless what is there does not matter. An input that changed
    // meanwhile is found after the compile.
    if !context.layer.force_rebuild
        && wanted.iter().any(|target| !plan::is_current(context, prepared, target, plan.toolchain.as_ref()))
    {
        return Ok(None);
    }
    let labels = action.targets.join(", ");
    let suffix = if labels == Target::native().label { String::new() } else { format!(" for {labels}") };
    context.frontend.report(Level::Info, format!("building {}{suffix}: {}", module.name, render::reason(action)));
    if let Some(failure) = &prepared.closure.plugin_failure {
        warn_once(context, failure, module);
    }
    let remotely = if compiler::remote::executor(context, prepared).is_some() { " remotely" } else { "" };
    let started = Instant::now();
    let started_at = SystemTime::now();
    let job = Job { context, prepared, toolchain, targets: targets_of(&wanted), build };
    let Some(compiled) = timed(context.frontend, Phase::Zig, || compiler::build(&job))? else { return Ok(None) };
    let compiled_at = Instant::now();
    let discovered: Vec<Vec<Recorded>> =
        compiled.iter().map(|compiled| discovered(context, prepared, &compiled.read)).collect();
    let read: BTreeSet<&Path> = compiled.iter().flat_map(|compiled| &compiled.read).map(PathBuf::as_path).collect();
    report_discovered(context, prepared, first, &discovered, &read);
    // What the scan did not name has no digest from before the compile: its
    // stamp has to be older than that.
    let young = discovered.iter().flatten().find(|input| input.stamp.changed_since(started_at));
    let changed = changed_input(prepared).or_else(|| young.map(|input| input.path.clone()));
    context.frontend.spent(Phase::Check, compiled_at, Instant::now());
    if let Some(path) = changed {
        context.frontend.report(Level::Info, format!("{} changed during the build; building again", path.display()));
        return Ok(None);
    }
    let checked_at = Instant::now();
    let mut done = Vec::new();
    let mut bytes = 0;
    let is_published = build.steps.contains(&Step::Publish);
    for ((target, compiled), discovered) in wanted.iter().zip(compiled).zip(discovered) {
        let suffix = target.target.library_suffix();
        let (path, library, record) = if is_published {
            context.store.put_library(&compiled.library, suffix)?
        } else {
            // For the loader; nothing leads to it, and there is no object.
            let record = Record { object: Digest::ABSENT, ..Record::of(&compiled.library, &[]) };
            let (path, library) = context.store.put_materialised(&compiled.library, record.library, suffix)?;
            (path, library, record)
        };
        let entry = entry(prepared, target, toolchain, &discovered, &library.suffix, &record);
        if is_published {
            context.store.put_entry(&entry)?;
            context.store.put_history(&module.source_path, target.target.label, &history(prepared, &entry))?;
        }
        bytes += context.store.bytes_of(&entry, library.digest);
        note_library(context, "publish", &entry, &path);
        upload(context, &entry);
        let loadable = finish(context, plan, prepared, target, &entry, discovered, path, library, true);
        done.push((target.target.label.to_owned(), loadable));
    }
    let published: Vec<Digest> = done.iter().map(|(_, loadable)| loadable.library.digest).collect();
    keep_below_cap(context, bytes, &published);
    context.frontend.spent(Phase::Store, checked_at, Instant::now());
    context.frontend.report(
        Level::Info,
        format!("built {}{suffix}{remotely} in {:.2} s", module.name, started.elapsed().as_secs_f64()),
    );
    Ok(Some(done))
}

/// Warns that a plugin failed, once for a process and a state of things: an import
/// and the build ahead of it are the same to a person.
fn warn_once(context: Context<'_>, failure: &Failure, module: &Module) {
    static WARNED: Mutex<BTreeSet<Digest>> = Mutex::new(BTreeSet::new());
    let message =
        format!("{}\n`{}` is built without it, and not cached\nhint: {}", failure.message(), module.name, failure.hint);
    let digest = Digest::of(message.as_bytes());
    if WARNED.try_lock().is_ok_and(|mut warned| !warned.insert(digest)) {
        return;
    }
    context.frontend.report(Level::Warning, message);
}

fn targets_of(wanted: &[&PreparedTarget]) -> Vec<&'static Target> {
    wanted.iter().map(|target| target.target).collect()
}

/// Hashes the closure again, and returns an input that is not, or may not have
/// been all the while, what was scanned: changed and changed back counts.
fn changed_input(prepared: &Prepared) -> Option<PathBuf> {
    let is_same = |input: &&closure::Input| {
        Recorded::file(&input.path).is_some_and(|now| now.digest == input.digest && now.stamp == input.stamp)
    };
    prepared.closure.inputs.iter().find(|input| !is_same(input)).map(|input| input.path.clone())
}

/// Keeps what the compiler read and the scan did not name, so that no gap of the
/// scanner can make a stale hit.
fn discovered(context: Context<'_>, prepared: &Prepared, read: &[PathBuf]) -> Vec<Recorded> {
    let scanned: BTreeSet<&Path> = prepared.closure.inputs.iter().map(|input| input.path.as_path()).collect();
    let known = |path: &Path| {
        scanned.contains(path)
            || context.store.is_own(path)
            || prepared.headers.iter().flat_map(|headers| &headers.folders).any(|folder| path.starts_with(folder))
    };
    read.iter().filter(|path| !known(path)).filter_map(|path| Recorded::file(path)).collect()
}

/// Says which files are inputs from now on that no source names, each once. In a
/// file module that is an operand which is computed, or a bug of the scanner.
fn report_discovered(
    context: Context<'_>,
    prepared: &Prepared,
    target: &PreparedTarget,
    discovered: &[Vec<Recorded>],
    read: &BTreeSet<&Path>,
) {
    let Prepared { module, closure, .. } = prepared;
    let root = &closure.project_root;
    let unread: Vec<&str> = closure
        .inputs
        .iter()
        .filter(|input| !read.contains(input.path.as_path()))
        .map(|input| input.relative.as_str())
        .collect();
    let unread = if unread.is_empty() { "all".to_owned() } else { format!("all but {}", unread.join(", ")) };
    let count = closure.inputs.len();
    context
        .frontend
        .report(Level::Debug, format!("{}: of {count} scanned files the compiler read {unread}", module.name));
    let history = context.store.history(&module.source_path, target.target.label);
    let reported: Vec<String> =
        history.into_iter().flat_map(|history| history.discovered).map(|(path, _)| path).collect();
    let new: BTreeSet<String> = discovered
        .iter()
        .flatten()
        .map(|input| discovered_name(&input.path, root))
        .filter(|name| !reported.contains(name))
        .collect();
    if new.is_empty() {
        return;
    }
    let new = new.into_iter().collect::<Vec<_>>().join(", ");
    let computed: Vec<String> =
        closure.remarks.iter().map(|remark| format!("{}:{}: {}", remark.path, remark.line, remark.text)).collect();
    let (level, why) = match module.kind {
        ModuleKind::Project => (Level::Info, "its build.zig led to it".to_owned()),
        _ if computed.is_empty() => (Level::Warning, "no source names it; please report that".to_owned()),
        _ => (Level::Info, computed.join("; ")),
    };
    let message = format!("{}: the compiler read {new}, an input from now on ({why})", module.name);
    context.frontend.report(level, message);
}

/// Names a discovered input: relative to the project root, absolute outside.
fn discovered_name(path: &Path, root: &Path) -> String {
    if path.starts_with(root) { closure::relative_to(path, root) } else { path.to_string_lossy().into_owned() }
}

fn entry(
    prepared: &Prepared,
    target: &PreparedTarget,
    toolchain: &Toolchain,
    discovered: &[Recorded],
    suffix: &str,
    record: &Record,
) -> Entry {
    let root = &prepared.closure.project_root;
    let there = discovered.iter().map(|input| ("discovered", discovered_name(&input.path, root), input.digest));
    let absent = places_in_front(prepared, discovered);
    let absent = absent.iter().map(|path| (store::ABSENT, discovered_name(path, root), Digest::ABSENT));
    let learnt: Vec<(&str, String, Digest)> = there.chain(absent).collect();
    let key = key::artifact_key(target.action_key, learnt.iter().map(|(_, name, digest)| (name.as_str(), *digest)));
    let (created_unix, created_utc) = store::now();
    Entry {
        key: key.hex(),
        source_key: target.source_key.hex(),
        module: prepared.module.name.clone(),
        source: closure::relative_to(&prepared.module.source_path, root),
        artifact: record.library.hex(),
        artifact_bytes: record.bytes,
        object: record.object.hex(),
        suffix: suffix.to_owned(),
        abi: prepared.abi.clone(),
        target: target.target.label.to_owned(),
        optimize: prepared.optimize.name().to_owned(),
        zig_version: toolchain.version.clone().unwrap_or_default(),
        zig_identity: toolchain.identity.hex(),
        headers: prepared.headers.as_ref().map(|headers| headers.identity.hex()),
        inputs: prepared
            .key_inputs
            .inputs
            .iter()
            .map(|input| EntryInput {
                role: input.role.to_owned(),
                path: input.path.clone(),
                digest: input.digest.hex(),
            })
            .collect(),
        discovered: learnt
            .into_iter()
            .map(|(role, path, digest)| EntryInput { role: role.to_owned(), path, digest: digest.hex() })
            .collect(),
        created_unix,
        created_utc,
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        checksum: String::new(),
    }
    .sealed()
}

fn history(prepared: &Prepared, entry: &Entry) -> History {
    History {
        zig_version: entry.zig_version.clone(),
        optimize: entry.optimize.clone(),
        abi: entry.abi.clone(),
        inputs: prepared.key_inputs.inputs.iter().map(|input| (input.path.clone(), input.digest)).collect(),
        discovered: entry
            .discovered
            .iter()
            .filter_map(|input| Some((input.path.clone(), Digest::from_hex(&input.digest)?)))
            .collect(),
    }
}

/// Writes the manifest of the native target, and makes the answer.
#[expect(clippy::too_many_arguments, reason = "each is one fact of the finished artifact")]
fn finish(
    context: Context<'_>,
    plan: &Plan,
    prepared: &Prepared,
    target: &PreparedTarget,
    entry: &Entry,
    discovered: Vec<Recorded>,
    path: PathBuf,
    library: Library,
    built: bool,
) -> Loadable {
    let record = BuildRecord {
        module: prepared.module.name.clone(),
        source_path: prepared.module.source_path.clone(),
        key: entry.key.clone(),
        zig_version: entry.zig_version.clone(),
        optimize: entry.optimize.clone(),
        target: entry.target.clone(),
        abi: entry.abi.clone(),
    };
    if target.target == Target::native() && prepared.closure.plugin_failure.is_none() {
        let mut inputs = Manifest::inputs_of(&prepared.closure);
        // The closure was stamped before the build; by now its stamps are old
        // enough to be trusted, and the digests are known to hold.
        for input in inputs.iter_mut().filter(|input| !input.trusted) {
            if let Some(now) = input.taken_again().filter(|now| now.digest == input.digest) {
                *input = now;
            }
        }
        inputs.extend(discovered);
        inputs.extend(prepared.headers.iter().flat_map(Headers::identifying).filter_map(|path| Recorded::file(&path)));
        let manifest = Manifest {
            inputs,
            absent: prepared.closure.absent.iter().cloned().chain(absent_of(prepared, entry)).map(StoredPath).collect(),
            zig: plan
                .toolchain
                .as_ref()
                .map(|toolchain| (StoredPath(toolchain.located.path.clone()), toolchain.located.stamp)),
            package: prepared.package.as_ref().map(|package| StoredPath(package.sources.clone())),
            library: library.clone(),
            record: record.clone(),
        };
        let name = manifest_name(context.layer, context.interpreter, &prepared.module, target.target);
        if let Err(error) = context.store.put_manifest(name, &manifest) {
            // The import is right without it; the next one plans again.
            context.frontend.report(Level::Debug, error.report());
        }
    }
    Loadable { path, library, record, built }
}

/// Returns whether a plan would run the compiler, or cannot.
#[must_use]
pub fn would_build(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action.decision, Decision::Build(_) | Decision::Refuse(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closure::ModuleKind;
    use crate::stamp::Stamp;
    use crate::store::tests::store;

    #[test]
    fn a_medium_that_loses_bits_is_noticed_only_where_every_load_is_verified() {
        let (_folder, store) = store();
        let (path, library, _) = store.put_library(b"library", ".so").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"librarz").unwrap();
        let module = Module { name: "m".into(), source_path: "/m.zig".into(), kind: ModuleKind::File };
        let interpreter = Interpreter::default();
        let manifest = Manifest {
            inputs: Vec::new(),
            absent: Vec::new(),
            zig: None,
            package: None,
            // The metadata are as they were, and the content is not.
            library: Library { stamp: Stamp::at(&path).unwrap(), ..library },
            record: BuildRecord {
                module: "m".into(),
                source_path: "/m.zig".into(),
                key: String::new(),
                zig_version: String::new(),
                optimize: String::new(),
                target: String::new(),
                abi: String::new(),
            },
        };
        let layer = Layer::default();
        store.put_manifest(manifest_name(&layer, &interpreter, &module, Target::native()), &manifest).unwrap();
        assert!(cached(&store, &layer, &interpreter, None, &module).is_some());
        let always = Layer { verify_always: true, ..Layer::default() };
        assert!(cached(&store, &always, &interpreter, None, &module).is_none());
        std::fs::write(&path, b"library").unwrap();
        assert!(cached(&store, &always, &interpreter, None, &module).is_some());
    }
}
