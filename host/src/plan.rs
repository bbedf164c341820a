//! Plans: gathers what is known, and asks the planner component what to do.
//!
//! Nothing is written and nothing native runs here.

use std::path::{Path, PathBuf};

use crate::binding;
use crate::closure::{self, Closure, Module, ModuleKind};
use crate::compiler;
use crate::config::{Layer, Native, Optimize};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::guest::{self, Planner, planning, source};
use crate::interpreter::{Headers, Interpreter, STABLE_ABI};
use crate::key::{self, KeyInput, KeyInputs, KeyPlugin};
use crate::manifest::{Library, Manifest};
use crate::package::Package;
use crate::pipeline;
use crate::plugin;
use crate::remote::{self, Remote, Shared};
use crate::report::{Frontend, Phase, timed};
use crate::sources::Sources;
use crate::store::{Discovered, Entry, History, Store};
use crate::target::Target;
use crate::toolchain::{self, Toolchain};

/// What every operation needs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Environment and explicit arguments.
    pub layer: &'a Layer,
    /// The Python to build for.
    pub interpreter: &'a Interpreter,
    /// Where artifacts are.
    pub store: &'a Store,
    /// Who listens.
    pub frontend: &'a dyn Frontend,
    /// Whether nothing may be written, not even to the store.
    pub is_dry: bool,
}

/// What is known of a module for one target.
#[derive(Debug, Clone)]
pub struct PreparedTarget {
    /// The target.
    pub target: &'static Target,
    /// Key without the compiler.
    pub source_key: Digest,
    /// Key with the compiler; the same as `source_key` where there is none.
    pub action_key: Digest,
    /// The stored entry that serves, if there is one.
    pub entry: Option<Entry>,
    /// Its library, verified, if it is unpacked.
    pub library: Option<(PathBuf, Library)>,
    /// Whether its compressed object is there.
    pub object: bool,
    /// The entry of the shared cache that serves, where the store has nothing.
    pub shared: Option<Shared>,
    /// Why the shared cache could not be asked, where the store has nothing.
    pub shared_failure: Option<String>,
    /// Whether building needs Python headers that are not to be had: none are
    /// installed, or they are another platform's.
    pub headers_missing: bool,
}

impl PreparedTarget {
    /// Returns the entry of the artifact, in the store or the shared cache.
    #[must_use]
    pub fn known(&self) -> Option<&Entry> {
        self.shared.as_ref().map(|shared| &shared.entry).or(self.entry.as_ref())
    }
}

/// A module with all that decides about it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What an import takes in its place, for a person.
    pub shadowed_by: Option<String>,
    /// What is wanted.
    pub module: Module,
    /// What it is made of.
    pub closure: Closure,
    /// Resolved optimize mode.
    pub optimize: Optimize,
    /// ABI tag of its artifact.
    pub abi: String,
    /// The binding library's package, for a module that is written for it.
    pub package: Option<Package>,
    /// Whether debug information is left out.
    pub strip: bool,
    /// The interpreter's headers, for modules that use them.
    pub headers: Option<Headers>,
    /// What the source key covers, the target's part for the first target.
    pub key_inputs: KeyInputs,
    /// One for each wanted target.
    pub targets: Vec<PreparedTarget>,
}

/// A plan: the modules and what to do, in order.
pub struct Plan {
    /// The modules in request order.
    pub modules: Vec<Prepared>,
    /// The compiler, if one was found.
    pub toolchain: Option<Toolchain>,
    /// The planner's answer.
    pub actions: Vec<planning::Action>,
    /// What nothing can be said about, and why.
    pub failures: Vec<(Module, Error)>,
}

/// Plans what has to be done for `modules` on each of `targets`.
///
/// # Errors
/// A source cannot be scanned or a setting is wrong. That something cannot be
/// built is no error here: it is an action of the plan.
pub fn plan(context: Context<'_>, modules: &[Module], targets: &[&'static Target]) -> Result<Plan> {
    plan_shadowed(context, &Sources::unknown(), modules, &[], targets)
}

/// Plans modules of which some are shadowed, see [`plan_each`].
///
/// # Errors
/// As for [`plan`].
pub fn plan_shadowed(
    context: Context<'_>,
    sources: &Sources,
    modules: &[Module],
    shadows: &[Option<String>],
    targets: &[&'static Target],
) -> Result<Plan> {
    let mut plan = plan_each(context, sources, modules, shadows, targets)?;
    if plan.failures.is_empty() { Ok(plan) } else { Err(plan.failures.swap_remove(0).1) }
}

/// Plans those of the modules of which something can be said. Of modules some may
/// be shadowed: for each module, if the list has
/// it, what an import takes in its place. Files are looked up in `sources`.
///
/// # Errors
/// There is no module of which anything can be said: the first of their errors.
pub fn plan_each(
    context: Context<'_>,
    sources: &Sources,
    modules: &[Module],
    shadows: &[Option<String>],
    targets: &[&'static Target],
) -> Result<Plan> {
    let toolchain = toolchain(context, sources.uses_records())?;
    let one = |(): &mut (), (index, module)| -> Result<_> {
        let mut prepared =
            timed(context.frontend, Phase::Scan, || prepare(context, sources, module, targets, toolchain.as_ref()))?;
        prepared.shadowed_by = shadows.get(index).cloned().flatten();
        let asked = planner_module(context, sources, &prepared);
        Ok((prepared, asked))
    };
    let each = sources.workers().map(modules.iter().enumerate().collect(), one);
    let (mut planned, mut asked) = (Vec::with_capacity(each.len()), Vec::with_capacity(each.len()));
    let mut failures = Vec::new();
    for (module, outcome) in modules.iter().zip(each) {
        match outcome {
            Ok((prepared, question)) => {
                planned.push(prepared);
                asked.push(question);
            }
            Err(error @ Error::Interrupted) => return Err(error),
            Err(error) => failures.push((module.clone(), error)),
        }
    }
    failures.extend(sources.take_unlisted().into_iter().map(|(folder, error)| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (Module { name, source_path: folder, kind: ModuleKind::File }, error)
    }));
    if planned.is_empty() && !failures.is_empty() {
        return Err(failures.swap_remove(0).1);
    }
    let modules = planned;
    let request = planning::Request {
        modules: asked,
        toolchain: toolchain.as_ref().map(|toolchain| planning::Toolchain {
            path: toolchain.located.path.to_string_lossy().into_owned(),
            version: toolchain.version.clone(),
        }),
        native: match context.layer.native {
            Native::Auto => planning::NativePolicy::Auto,
            Native::Never => planning::NativePolicy::Never,
            Native::SandboxRequired => planning::NativePolicy::SandboxRequired,
            Native::Unconfined => planning::NativePolicy::Unconfined,
        },
        force_rebuild: context.layer.force_rebuild,
    };
    let actions = timed(context.frontend, Phase::Plan, || Planner::plan(&request))?;
    Ok(Plan { modules, toolchain, actions, failures })
}

/// Finds and identifies the compiler. Where building is forbidden it is not
/// looked for: then the newest entry of any compiler serves. With `uses_records` a
/// program is not read that a build recorded.
///
/// # Errors
/// `ZIGIMPORT_ZIG` is wrong, or the program cannot be read.
pub fn toolchain(context: Context<'_>, uses_records: bool) -> Result<Option<Toolchain>> {
    if context.layer.is_closed() {
        return Ok(None);
    }
    toolchain::locate(context.layer, &context.interpreter.search_path)?
        .map(|located| {
            let recorded = |path: &Path| if uses_records { context.store.program(path) } else { None };
            Toolchain::identify(located, |identity| context.store.zig_version(identity), recorded)
        })
        .transpose()
}

/// How often a module is scanned anew because a file changed while plugins
/// were asked about it.
const SCANS_MAX: usize = 6;

/// Scans a module's closure, with what plugins know of it.
///
/// # Errors
/// A source cannot be scanned or a setting is wrong. A plugin that fails is
/// noted in the closure.
pub fn scan(context: Context<'_>, sources: &Sources, module: &Module) -> Result<Closure> {
    let scan = |sources: &Sources| -> Result<Option<Closure>> {
        let mut closure = closure::scan_with(sources, module)?;
        Ok(plugin::follow::follow(context, sources, &mut closure)?.then_some(closure))
    };
    if let Some(closure) = scan(sources)? {
        return Ok(closure);
    }
    for _ in 1..SCANS_MAX {
        // What was known of a file that has changed meanwhile says nothing any more.
        if let Some(closure) = scan(&Sources::unknown())? {
            return Ok(closure);
        }
    }
    Err(Error::Unstable { module: module.name.clone(), path: module.source_path.clone() })
}

/// Gathers what is known of one module.
///
/// # Errors
/// A source cannot be scanned or a setting is wrong.
pub fn prepare(
    context: Context<'_>,
    sources: &Sources,
    module: &Module,
    targets: &[&'static Target],
    toolchain: Option<&Toolchain>,
) -> Result<Prepared> {
    module.check_name()?;
    let mut closure = scan(context, sources, module)?;
    let is_pyz3 = module.kind != ModuleKind::Project && closure.binding == source::Binding::Pyz3;
    let package = if is_pyz3 { Package::find(sources, &context.interpreter.search_path)? } else { None };
    closure.add_inputs(package.iter().flat_map(|package| package.inputs.iter().cloned()));
    let optimize = optimize(context.layer, &closure);
    // In Debug, pyz3 looks up the lines of an error; where it finds none it loses the error.
    let strip = !(debug_info(context.layer, &closure) || is_pyz3 && optimize == Optimize::Debug);
    let needs_headers = is_pyz3 || module.kind != ModuleKind::Project && closure.binding == source::Binding::PythonH;
    let uses_headers = needs_headers || module.kind == ModuleKind::Project;
    let headers = if uses_headers { Headers::find(context.frontend.header_folders()) } else { None };
    let is_plain = module.kind != ModuleKind::Project && closure.binding == source::Binding::Plain;
    if is_plain {
        binding::check_directives(module, &closure)?;
    }
    let abi = if is_plain { STABLE_ABI } else { context.interpreter.specific_abi() }.to_owned();
    let inputs = closure
        .inputs
        .iter()
        .map(|input| KeyInput { role: input.role.name(), path: input.relative.clone(), digest: input.digest })
        .collect();
    let binding = package.as_ref().map_or_else(|| binding_name(closure.binding).to_owned(), Package::describe);
    let mut key_inputs = KeyInputs {
        module: if is_pyz3 { &module.name } else { module.leaf() }.to_owned(),
        init_symbol: module.init_symbol(),
        inputs,
        triple: String::new(),
        cpu: String::new(),
        optimize: optimize.name().to_owned(),
        flags: flags(strip, &closure),
        abi: abi.clone(),
        binding: (binding, binding::digest()),
        environment: Vec::new(),
        components: guest::components().to_vec(),
        plugins: closure
            .participants
            .iter()
            .map(|one| KeyPlugin {
                name: one.name.clone(),
                version: one.version.clone(),
                digest: one.digest,
                view: one.view.clone(),
            })
            .collect(),
        salt: context.layer.salt.clone(),
    };
    let targets = targets
        .iter()
        .map(|target| {
            target.triple.clone_into(&mut key_inputs.triple);
            target.cpu.clone_into(&mut key_inputs.cpu);
            let wanted = Wanted {
                context,
                sources,
                closure: &closure,
                source_key: key_inputs.source_key(),
                toolchain,
                headers: headers.as_ref(),
            };
            prepare_target(&wanted, module, target, needs_headers)
        })
        .collect::<Result<_>>()?;
    let module = module.clone();
    Ok(Prepared { shadowed_by: None, module, closure, optimize, abi, package, strip, headers, key_inputs, targets })
}

/// What the store has for a target.
struct Stored {
    entry: Option<Entry>,
    library: Option<(PathBuf, Library)>,
    object: bool,
}

/// What an entry has to agree with, to serve.
struct Wanted<'a> {
    context: Context<'a>,
    sources: &'a Sources,
    closure: &'a Closure,
    source_key: Digest,
    toolchain: Option<&'a Toolchain>,
    headers: Option<&'a Headers>,
}

impl Wanted<'_> {
    /// Looks into the store. `published` is a library that needs no look at its bytes.
    fn stored(&self, published: Option<(PathBuf, Library)>) -> Result<Stored> {
        let store = self.context.store;
        let mut entries = store.entries(self.source_key, self.sources.checked())?;
        entries.retain(|entry| self.is_served_by(entry));
        // The newest whose artifact is there; without one, the newest tells what is lost.
        let found = entries.iter().enumerate().find_map(|(index, entry)| {
            let digest = Digest::from_hex(&entry.artifact)?;
            let object = store.has_object(digest);
            (object || store.has_library(digest, &entry.suffix)).then_some((index, digest, object))
        });
        let Some((index, digest, object)) = found else {
            return Ok(Stored { entry: entries.into_iter().next(), library: None, object: false });
        };
        let entry = entries.swap_remove(index);
        let published = published.filter(|(_, library)| library.digest == digest && library.suffix == entry.suffix);
        let library = published.or_else(|| store.library_verified(digest, &entry.suffix));
        Ok(Stored { entry: Some(entry), library, object })
    }

    /// Looks into the shared cache. One that fails has nothing, and why is returned.
    fn shared(&self) -> Result<(Option<Shared>, Option<String>)> {
        let layer = self.context.layer;
        if layer.remote_failure.is_some() {
            return Ok((None, layer.remote_failure.clone()));
        }
        let Some(remote) = Remote::of(layer, self.context.frontend.transport())? else {
            return Ok((None, remote::failure(layer)));
        };
        let looked = remote.entries(self.source_key).and_then(|entries| {
            for shared in entries {
                if self.is_served_by(&shared.entry) && remote.has(&shared)? {
                    return Ok((Some(shared), None));
                }
            }
            Ok((None, None))
        });
        looked.or_else(|error| {
            remote::warn(self.context.frontend, &error)?;
            Ok((None, Some(error.to_string())))
        })
    }

    /// Returns whether the compiler, the headers and the discovered inputs at hand would
    /// give an entry too.
    fn is_served_by(&self, entry: &Entry) -> bool {
        // What a plugin would have named may be another than when it was stored.
        if self.closure.plugin_failure.is_some() {
            return false;
        }
        let identity = self.toolchain.map(|toolchain| toolchain.identity.hex());
        let version = self.toolchain.and_then(|toolchain| toolchain.version.as_ref());
        let headers = self.headers.map(|headers| headers.identity.hex());
        let root = &self.closure.project_root;
        identity.is_none_or(|identity| identity == entry.zig_identity)
            && version.is_none_or(|version| *version == entry.zig_version)
            && headers.is_none_or(|headers| entry.headers.as_ref() == Some(&headers))
            && entry.discovered.iter().all(|input| has_digest(self.sources, input, root))
    }
}

fn prepare_target(
    wanted: &Wanted<'_>,
    module: &Module,
    target: &'static Target,
    needs_headers: bool,
) -> Result<PreparedTarget> {
    let &Wanted { sources, source_key, toolchain, headers, .. } = wanted;
    // A build takes nothing for granted that it is about to publish or load.
    let published = if sources.uses_records() { published_library(wanted, module, target) } else { None };
    let Stored { entry, library, object } = wanted.stored(published)?;
    let (shared, shared_failure) = if library.is_some() || object { (None, None) } else { wanted.shared()? };
    Ok(PreparedTarget {
        target,
        source_key,
        action_key: toolchain.map_or(source_key, |toolchain| {
            let version = toolchain.version.as_deref().unwrap_or_default();
            key::action_key(source_key, toolchain.identity, version, headers.map(|headers| headers.identity))
        }),
        entry,
        library,
        object,
        shared,
        shared_failure,
        headers_missing: needs_headers && (headers.is_none() || target != Target::native()),
    })
}

/// Returns the library that the manifest of a module leads to, if its metadata
/// are those of its publication: a hit would load it without a look at its bytes.
fn published_library(wanted: &Wanted<'_>, module: &Module, target: &Target) -> Option<(PathBuf, Library)> {
    let context = wanted.context;
    if target != Target::native() || context.layer.verify_always {
        return None;
    }
    let user = wanted.closure.user_configuration.as_deref();
    let name = pipeline::manifest_name_for(context.layer, context.interpreter, module, target, user);
    let (manifest, _) = Manifest::read(&context.store.manifest_path(name))?;
    let path = context.store.library_unchanged(&manifest.library)?;
    Some((path, manifest.library))
}

/// Returns whether the store still has for a target what the plan says it has.
#[must_use]
pub fn is_current(
    context: Context<'_>,
    prepared: &Prepared,
    target: &PreparedTarget,
    toolchain: Option<&Toolchain>,
) -> bool {
    let wanted = Wanted {
        context,
        sources: &Sources::unknown(),
        closure: &prepared.closure,
        source_key: target.source_key,
        toolchain,
        headers: prepared.headers.as_ref(),
    };
    wanted
        .stored(None)
        .is_ok_and(|now| now.entry == target.entry && now.library == target.library && now.object == target.object)
}

/// Returns whether a discovered input still has its digest.
fn has_digest(sources: &Sources, input: &Discovered, root: &Path) -> bool {
    discovered_digest(sources, &root.join(&input.path)).is_some_and(|now| now.hex() == input.digest)
}

fn discovered_digest(sources: &Sources, path: &Path) -> Option<Digest> {
    if path.symlink_metadata().is_err() {
        return Some(Digest::ABSENT);
    }
    sources.file(&mut None, path, closure::INPUT_BYTES_MAX, None).ok().map(|known| known.digest)
}

/// The settings that change the artifact and are no field of the key of their own.
fn flags(strip: bool, closure: &Closure) -> Vec<String> {
    let settings = &closure.module_settings;
    let flags = settings.c_flags.iter().map(|flag| format!("c-flag {flag}"));
    let folders = settings.include_paths.iter().map(|folder| format!("include path {folder}"));
    let libraries = settings.libraries.iter().map(|library| format!("library {library}"));
    strip.then(|| "strip".to_owned()).into_iter().chain(flags).chain(folders).chain(libraries).collect()
}

/// Resolves the optimize mode: argument or environment, the module's own
/// setting, the project's, the default.
fn optimize(layer: &Layer, closure: &Closure) -> Optimize {
    let settings = [layer.optimize, closure.module_settings.optimize, closure.project_settings.optimize];
    settings.into_iter().flatten().next().unwrap_or(Optimize::Debug)
}

/// Resolves whether debug information is kept, with the same precedence.
fn debug_info(layer: &Layer, closure: &Closure) -> bool {
    let settings = [layer.debug_info, closure.module_settings.debug_info, closure.project_settings.debug_info];
    settings.into_iter().flatten().next().unwrap_or(false)
}

/// Returns the word for how a module speaks to Python.
#[must_use]
pub fn binding_name(binding: source::Binding) -> &'static str {
    match binding {
        source::Binding::Plain => "plain",
        source::Binding::PythonH => "python-h",
        source::Binding::InitFunction => "init-function",
        source::Binding::Pyoz => "PyOZ",
        source::Binding::Pyz3 => "pyz3",
        source::Binding::Pydust => "pydust",
    }
}

/// Writes a module as the planner reads it. What changed since the last build
/// is asked for only where there is nothing to load or restore.
fn planner_module(context: Context<'_>, sources: &Sources, prepared: &Prepared) -> planning::Module {
    let closure = &prepared.closure;
    let is_there = |target: &PreparedTarget| target.library.is_some() || target.object;
    let is_compared = context.layer.force_rebuild || !prepared.targets.iter().all(is_there);
    let histories: Vec<Option<History>> = prepared
        .targets
        .iter()
        .map(|target| is_compared.then(|| history(context, prepared, target)).flatten())
        .collect();
    let mut inputs = Vec::new();
    if is_compared {
        let input = |path: &str, digest: Digest| planning::Input { path: path.to_owned(), digest: digest.hex() };
        inputs.extend(closure.inputs.iter().map(|one| input(&one.relative, one.digest)));
        // What only the compiler named the last time counts as an input as it is now.
        let discovered = histories.first().into_iter().flatten().flat_map(|history| &history.discovered);
        inputs.extend(discovered.filter_map(|(path, then)| {
            let now = discovered_digest(sources, &closure.project_root.join(path));
            // A file that is gone is none; one that was not there may still not be.
            now.filter(|now| *now != Digest::ABSENT || now == then).map(|now| input(path, now))
        }));
    }
    let targets = prepared.targets.iter().zip(histories).map(|(target, history)| presence(target, history)).collect();
    planning::Module {
        name: prepared.module.name.clone(),
        kind: match prepared.module.kind {
            ModuleKind::File => planning::ModuleKind::File,
            ModuleKind::Package => planning::ModuleKind::Package,
            ModuleKind::Project => planning::ModuleKind::Project,
        },
        path: closure::relative_to(&prepared.module.source_path, &closure.project_root),
        binding: closure.binding,
        package: prepared.package.as_ref().map(|package| planning::Package { version: package.version.clone() }),
        c_import: closure.c_import,
        translate_c: closure.translate_c,
        optimize: prepared.optimize.name().to_owned(),
        abi: prepared.abi.clone(),
        inputs,
        shadowed_by: prepared.shadowed_by.clone(),
        // Where the compiler may run here, what cannot ask is a warning when it builds.
        remote_build: compiler::remote::executor(context, prepared).is_some()
            && (context.layer.allows_local_builds() || context.frontend.executor().missing().is_none()),
        plugin_failure: closure
            .plugin_failure
            .as_ref()
            .map(|failure| planning::PluginFailure { plugin: failure.plugin.clone(), stop: failure.stops() }),
        targets,
    }
}

/// Returns what the last artifact of a module for a target was made from.
#[must_use]
pub fn history(context: Context<'_>, prepared: &Prepared, target: &PreparedTarget) -> Option<History> {
    context.store.history(&prepared.module.source_path, target.target.label)
}

fn presence(target: &PreparedTarget, history: Option<History>) -> planning::Presence {
    planning::Presence {
        target: target.target.label.to_owned(),
        key: target.action_key.hex(),
        library: target.library.is_some(),
        object: target.object,
        remote: target.shared.is_some(),
        headers_missing: target.headers_missing,
        previous: history.map(|history| planning::Previous {
            zig_version: history.zig_version,
            optimize: history.optimize,
            abi: history.abi,
            inputs: history
                .inputs
                .into_iter()
                .chain(history.discovered)
                .map(|(path, digest)| planning::Input { path, digest: digest.hex() })
                .collect(),
        }),
    }
}
