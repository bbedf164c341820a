//! The host's operations as Python functions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zigimport_host::archive;
use zigimport_host::audit;
use zigimport_host::closure::{self, Module};
use zigimport_host::collect::{self, Limits};
use zigimport_host::config::{self, ProjectSettings};
use zigimport_host::difference;
use zigimport_host::discover;
use zigimport_host::document;
use zigimport_host::dot;
use zigimport_host::editor;
use zigimport_host::error::Result as HostResult;
use zigimport_host::graph;
use zigimport_host::guest::{self, Execution, Sandbox};
use zigimport_host::interpreter::{self, Asked, STABLE_ABI};
use zigimport_host::locks::Wait;
use zigimport_host::page;
use zigimport_host::pipeline::{self, Loadable};
use zigimport_host::plan::{self, Context};
use zigimport_host::plugin::{self, engine::Fault};
use zigimport_host::registry;
use zigimport_host::remote;
use zigimport_host::render;
use zigimport_host::report::{Frontend, Level};
use zigimport_host::sources::Sources as HostSources;
use zigimport_host::store::{Entry, Place};
use zigimport_host::target::{TARGETS, Target};
use zigimport_host::timings::{self, Outcome, Recorder};
use zigimport_host::toolchain;
use zigimport_host::verify;

use crate::finder::Found;
use crate::frontend::{PythonFrontend, bad_call, exception, os_error};
use crate::remotes::Client;
use crate::request::Request;
use crate::watch::Watcher;

/// Adds what every process asks for.
pub fn register_for_hits(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(is_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(is_watching, module)?)
}

/// Adds the functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Sources>()?;
    module.add_function(wrap_pyfunction!(ensure, module)?)?;
    module.add_class::<Timings>()?;
    module.add_function(wrap_pyfunction!(note_load, module)?)?;
    module.add_function(wrap_pyfunction!(is_same_python, module)?)?;
    module.add_function(wrap_pyfunction!(probe_python, module)?)?;
    module.add_function(wrap_pyfunction!(modules_at, module)?)?;
    module.add_function(wrap_pyfunction!(put_string, module)?)?;
    module.add_function(wrap_pyfunction!(build, module)?)?;
    module.add_function(wrap_pyfunction!(make_plan, module)?)?;
    module.add_function(wrap_pyfunction!(scan, module)?)?;
    module.add_function(wrap_pyfunction!(info, module)?)?;
    module.add_function(wrap_pyfunction!(cache_info, module)?)?;
    module.add_function(wrap_pyfunction!(cache_clear, module)?)?;
    module.add_function(wrap_pyfunction!(cache_list, module)?)?;
    module.add_function(wrap_pyfunction!(cache_find, module)?)?;
    module.add_function(wrap_pyfunction!(cache_load, module)?)?;
    module.add_function(wrap_pyfunction!(cache_load_by_name, module)?)?;
    module.add_function(wrap_pyfunction!(cache_library, module)?)?;
    module.add_function(wrap_pyfunction!(cache_pin, module)?)?;
    module.add_function(wrap_pyfunction!(cache_export, module)?)?;
    module.add_function(wrap_pyfunction!(cache_import, module)?)?;
    module.add_function(wrap_pyfunction!(cache_push, module)?)?;
    module.add_function(wrap_pyfunction!(cache_pull, module)?)?;
    module.add_function(wrap_pyfunction!(cache_verify, module)?)?;
    module.add_function(wrap_pyfunction!(cache_collect, module)?)?;
    module.add_function(wrap_pyfunction!(byte_count, module)?)?;
    module.add_function(wrap_pyfunction!(signature, module)?)?;
    module.add_function(wrap_pyfunction!(targets, module)?)?;
    module.add_function(wrap_pyfunction!(file_suffix, module)?)?;
    module.add_function(wrap_pyfunction!(warnings, module)?)?;
    module.add_function(wrap_pyfunction!(is_verbose, module)?)?;
    module.add_function(wrap_pyfunction!(interrupt, module)?)?;
    module.add_function(wrap_pyfunction!(write_editor_files, module)?)?;
    module.add_function(wrap_pyfunction!(compiler, module)?)?;
    module.add_function(wrap_pyfunction!(release_inherited_locks, module)?)?;
    module.add_function(wrap_pyfunction!(memory_file, module)?)
}

/// A library as Python sees it: path, key, compiler version, optimize mode,
/// target, ABI tag, whether it was built now, and its digest.
type Artifact = (OsString, String, String, String, String, String, bool, String);

fn artifact(loadable: Loadable) -> Artifact {
    let record = loadable.record;
    (
        loadable.path.into_os_string(),
        record.key,
        record.zig_version,
        record.optimize,
        record.target,
        record.abi,
        loadable.built,
        loadable.library.digest.hex(),
    )
}

/// Runs host work without the GIL, and makes an exception of its error.
pub fn work<T: Send>(
    py: Python<'_>,
    request: &Request,
    frontend: Py<PyAny>,
    operation: impl Send + FnOnce(Context<'_>) -> HostResult<T>,
) -> PyResult<T> {
    work_with(py, request, PythonFrontend::new(frontend, None), operation)
}

/// The same, and writes nothing, not even to the store.
fn work_dry<T: Send>(
    py: Python<'_>,
    request: &Request,
    frontend: Py<PyAny>,
    operation: impl Send + FnOnce(Context<'_>) -> HostResult<T>,
) -> PyResult<T> {
    work(py, request, frontend, |context| operation(Context { is_dry: true, ..context }))
}

/// The same for a frontend that does more than to report.
fn work_with<T: Send>(
    py: Python<'_>,
    request: &Request,
    frontend: PythonFrontend,
    operation: impl Send + FnOnce(Context<'_>) -> HostResult<T>,
) -> PyResult<T> {
    let outcome = py.detach(|| {
        if request.place == Place::Temporary {
            let folder = request.store.root().display();
            let message = format!("nothing else can be written, so the cache is in {folder}; set ZIGIMPORT_BUILD_DIR");
            frontend.report(Level::Warning, message);
        }
        operation(Context {
            layer: &request.layer,
            interpreter: &request.interpreter,
            store: &request.store,
            frontend: &frontend,
            is_dry: false,
        })
    });
    let value = outcome.map_err(|error| frontend.exception(py, &error))?;
    // An interrupt that came when the work was all but done counts, too.
    frontend.raised().map_or(Ok(value), Err)
}

fn targets_named(names: &[String]) -> PyResult<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(vec![Target::native()]);
    }
    let mut targets: Vec<&'static Target> = Vec::new();
    for name in names {
        let target = Target::find(name).ok_or_else(|| {
            let known: Vec<&str> = TARGETS.iter().map(|target| target.label).collect();
            PyValueError::new_err(format!("unknown target `{name}`; known: native, {}", known.join(", ")))
        })?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// Makes a found module loadable, whatever that takes.
#[pyfunction]
#[pyo3(signature = (request, found, frontend, watcher = None))]
fn ensure(
    py: Python<'_>,
    request: &Request,
    found: &Found,
    frontend: Py<PyAny>,
    watcher: Option<&Watcher>,
) -> PyResult<Artifact> {
    let frontend = PythonFrontend::new(frontend, watcher.map(Watcher::stop_flag));
    work_with(py, request, frontend, |context| pipeline::ensure(context, &found.module)).map(artifact)
}

/// What is known of files, for the calls that belong to one plan: each file is
/// looked at once, and read only if no build recorded it.
#[pyclass(module = "zigimport._native", frozen)]
struct Sources(HostSources);

#[pymethods]
impl Sources {
    #[new]
    fn new(request: &Request) -> Self {
        let layer = &request.layer;
        // Whoever forces a rebuild does not believe what was recorded.
        Self(if layer.force_rebuild { HostSources::unknown() } else { HostSources::recorded(&request.store) })
    }
}

/// Returns the modules that a path stands for.
#[pyfunction]
#[pyo3(signature = (path, sources = None))]
fn modules_at(py: Python<'_>, path: PathBuf, sources: Option<&Sources>) -> PyResult<Vec<Found>> {
    let unknown = HostSources::unknown();
    let is_planned = sources.is_some();
    let sources = sources.map_or(&unknown, |sources| &sources.0);
    let modules = py.detach(|| {
        let modules = discover::modules_at(sources, &path)?;
        // A plan names them beside its modules; who wants the modules only has to know.
        let unlisted = if is_planned { None } else { sources.take_unlisted().into_iter().next() };
        unlisted.map_or(Ok(modules), |(_, error)| Err(error))
    });
    let modules = modules.map_err(|error| exception(py, &error))?;
    Ok(modules.into_iter().map(|module| Found { module }).collect())
}

/// Writes the build file for editors: its path, and the names of the modules in it.
#[pyfunction]
fn write_editor_files(
    py: Python<'_>,
    folder: PathBuf,
    modules: Vec<PyRef<'_, Found>>,
    header_folders: Vec<PathBuf>,
) -> PyResult<(PathBuf, Vec<String>)> {
    let modules: Vec<Module> = modules.iter().map(|found| found.module.clone()).collect();
    py.detach(|| editor::write(&folder, &modules, &header_folders)).map_err(|error| exception(py, &error))
}

/// Keeps a source that is no file, and returns the path of the file that it is now.
#[pyfunction]
fn put_string(py: Python<'_>, request: &Request, name: &str, folder: PathBuf, text: &str) -> PyResult<OsString> {
    let path = py.detach(|| request.store.put_string(name, &folder, text)).map_err(|error| exception(py, &error))?;
    Ok(path.into_os_string())
}

/// Makes a module's artifacts for some targets, and takes down with `timings` what
/// takes how long, for the module at that place.
#[pyfunction]
#[pyo3(signature = (request, found, target_names, frontend, timings = None))]
fn build(
    py: Python<'_>,
    request: &Request,
    found: &Found,
    target_names: Vec<String>,
    frontend: Py<PyAny>,
    timings: Option<(PyRef<'_, Timings>, usize)>,
) -> PyResult<Vec<Artifact>> {
    let targets = targets_named(&target_names)?;
    let mut frontend = PythonFrontend::new(frontend, None);
    frontend.recorder = timings.map(|(timings, module)| (Arc::clone(&timings.recorder), module));
    let loadables =
        work_with(py, request, frontend, |context| pipeline::ensure_targets(context, &found.module, &targets))?;
    Ok(loadables.into_iter().map(artifact).collect())
}

/// Takes down what takes how long while modules are built.
#[pyclass(module = "zigimport._native", frozen)]
pub struct Timings {
    recorder: Arc<Recorder>,
}

#[pymethods]
impl Timings {
    /// Starts the clock.
    #[new]
    fn new() -> Self {
        Self { recorder: Arc::new(Recorder::start()) }
    }

    /// Returns the page: `outcomes` are the modules, in the order of their places,
    /// each with what became of it.
    fn page(&self, outcomes: Vec<(String, String)>, cpu_seconds: Option<f64>, cores: usize) -> String {
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(module, result)| Outcome { module, result }).collect();
        let (spans, elapsed) = self.recorder.so_far();
        let cpu = cpu_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        timings::page(&outcomes, &spans, elapsed, cpu, cores)
    }
}

/// Writes into the audit log, if there is one, that a library is about to be loaded.
#[pyfunction]
fn note_load(py: Python<'_>, module: &str, path: PathBuf, key: &str, frontend: Py<PyAny>) {
    let Some(log) = config::audit_log() else { return };
    let frontend = PythonFrontend::new(frontend, None);
    py.detach(|| audit::append_load(&log, &frontend, module, &path, key));
}

/// Returns whether two paths of interpreters stand for the same one.
#[pyfunction]
fn is_same_python(left: PathBuf, right: PathBuf) -> bool {
    interpreter::is_same(&left, &right)
}

/// What an interpreter says of itself: suffix of its extensions, its virtual
/// environment, `sys.path`, and the folders of its C headers.
type Description = (String, Option<OsString>, Vec<OsString>, Vec<OsString>);

/// Asks the interpreter at `path`, to build for it.
#[pyfunction]
fn probe_python(py: Python<'_>, path: PathBuf, frontend: Py<PyAny>) -> PyResult<Description> {
    let frontend = PythonFrontend::new(frontend, None);
    let asked = py.detach(|| Asked::of(&path, &config::Layer::from_environment()?, &frontend));
    let asked = asked.map_err(|error| frontend.exception(py, &error))?;
    let texts = |paths: Vec<PathBuf>| paths.into_iter().map(PathBuf::into_os_string).collect();
    let virtual_env = asked.virtual_env.map(PathBuf::into_os_string);
    Ok((asked.extension_suffix, virtual_env, texts(asked.search_path), texts(asked.header_folders)))
}

/// The answer, whether anything would be built, the exit code of each refusal, and
/// whether of some module nothing can be said.
type Planned = (Py<PyBytes>, bool, Vec<u8>, bool);

/// Plans modules: the answer in the form `text`, `json`, `dot` or `html`, whether
/// anything would be built, and the exit code of each refusal.
///
/// `shadows` has for each module what an import takes in its place, or `None`;
/// paths in `folder` are relative to it in JSON. With `old`, the path of an
/// earlier plan, the answer is what differs from that.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each option of the command")]
fn make_plan(
    py: Python<'_>,
    request: &Request,
    sources: &Sources,
    found: Vec<PyRef<'_, Found>>,
    shadows: Vec<Option<String>>,
    target_names: Vec<String>,
    folder: PathBuf,
    explain: bool,
    form: &str,
    old: Option<PathBuf>,
    frontend: Py<PyAny>,
) -> PyResult<Planned> {
    let targets = targets_named(&target_names)?;
    let modules: Vec<Module> = found.iter().map(|found| found.module.clone()).collect();
    let (answer, would_build, refusals, has_errors) = work_dry(py, request, frontend, move |context| {
        // A file that is no plan is said before the work, not after it.
        let old = old.map(|path| difference::read(&path)).transpose()?;
        let plan = plan::plan_each(context, &sources.0, &modules, &shadows, &targets)?;
        let json = || document::plan_json(context, &plan, &folder, explain);
        let difference = |old| difference::between(old, &difference::parsed(&json()));
        let answer = match (form, &old) {
            ("json", Some(old)) => format!("{:#}", difference(old)),
            (_, Some(old)) => difference::words(&difference(old)),
            ("json", None) => json(),
            ("dot", None) => dot::write(&graph::of(context, &plan)),
            ("html", None) => page::write(&graph::of(context, &plan), &render::summary(&plan)),
            _ => render::plan_text(context, &plan, explain),
        };
        let refusals: Vec<u8> =
            zigimport_host::refusal::errors(context, &plan).iter().map(|error| error.exit_code()).collect();
        Ok((answer, pipeline::would_build(&plan), refusals, !plan.failures.is_empty()))
    })?;
    Ok((PyBytes::new(py, answer.as_bytes()).unbind(), would_build, refusals, has_errors))
}

/// Returns the key of a module and all that is in it, as JSON.
#[pyfunction]
fn signature(
    py: Python<'_>,
    request: &Request,
    found: &Found,
    target_names: Vec<String>,
    frontend: Py<PyAny>,
) -> PyResult<String> {
    let targets = targets_named(&target_names)?;
    work_dry(py, request, frontend, |context| {
        let plan = plan::plan(context, std::slice::from_ref(&found.module), &targets)?;
        let failure = plan.modules.first().and_then(|prepared| prepared.closure.plugin_failure.as_ref());
        if let Some(failure) = failure.filter(|failure| failure.stops()) {
            return Err(failure.error());
        }
        Ok(plan.modules.first().map(|prepared| zigimport_host::signature::json(&plan, prepared)).unwrap_or_default())
    })
}

/// Scans one source and returns the component's answer as JSON.
#[pyfunction]
fn scan(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    let scanned = py.detach(|| {
        let bytes = zigimport_host::stamp::read(&path, closure::SOURCE_BYTES_MAX)
            .map_err(|error| zigimport_host::error::Error::Scan { path: path.clone(), reason: error.to_string() })?
            .bytes;
        closure::scan_bytes(&mut None, &path, &bytes, closure::language(&path))
            .map(|scan| render::scan_json(&path, &bytes, &scan))
    });
    scanned.map_err(|error| exception(py, &error))
}

/// Returns the path of the Zig that a build would use. Starts no process.
#[pyfunction]
fn compiler(py: Python<'_>, request: &Request, frontend: Py<PyAny>) -> PyResult<Option<OsString>> {
    work(py, request, frontend, |context| {
        let located = toolchain::locate(context.layer, &context.interpreter.search_path)?;
        Ok(located.map(|located| located.path.into_os_string()))
    })
}

/// Returns what a bug report needs, as pairs of name and value.
#[pyfunction]
fn info(
    py: Python<'_>,
    request: &Request,
    folder: PathBuf,
    frontend: Py<PyAny>,
) -> PyResult<Vec<(&'static str, String)>> {
    let place = request.place;
    work(py, request, frontend, move |context| {
        let layer = context.layer;
        let mut lines = vec![("zigimport", env!("CARGO_PKG_VERSION").to_owned())];
        lines.push(("enabled", layer.enabled.to_string()));
        lines.push(("native", layer.native.name().to_owned()));
        let project = ProjectSettings::nearest(&folder)?;
        let from_project = project.as_ref().and_then(|(path, settings)| Some((path, settings.optimize?)));
        lines.push((
            "optimize",
            match (layer.optimize, from_project) {
                (Some(optimize), _) => format!("{} (environment)", optimize.name()),
                (None, Some((path, optimize))) => format!("{} ({})", optimize.name(), path.display()),
                (None, None) => "Debug (default)".to_owned(),
            },
        ));
        lines.push(("target", Target::native().triple.to_owned()));
        lines.push(("cache", format!("{} ({})", context.store.root().display(), place.describe())));
        // Another value than those that it may have is one of the lines, and not the end of them.
        let missing = context.frontend.executor().missing();
        let missing = missing.map_or_else(String::new, |missing| format!(" ({}; {})", missing.reason, missing.hint));
        let is_url = layer.remote_cache.as_ref().is_some_and(|path| path.to_string_lossy().contains("://"));
        let shared = match remote::Remote::of(layer, &Client) {
            Ok(Some(shared)) if is_url => format!("{}{missing}", shared.shown().display()),
            Ok(shared) => shared.map_or_else(|| "none".to_owned(), |shared| shared.shown().display().to_string()),
            Err(error) => error.to_string(),
        };
        lines.push(("shared-cache", shared));
        let executor = layer.remote_executor.as_ref();
        let executor = executor.map_or_else(|| "none".to_owned(), |executor| format!("{executor}{missing}"));
        lines.push(("executor", executor));
        let located = if layer.is_closed() { None } else { plan::toolchain(context, true)? };
        lines.push((
            "zig",
            match located {
                None if layer.is_closed() => "not looked for (ZIGIMPORT_NATIVE=never)".to_owned(),
                None => "none found: pip install ziglang, or set ZIGIMPORT_ZIG".to_owned(),
                Some(toolchain) => format!(
                    "{} at {} (from {})",
                    toolchain.version.as_deref().unwrap_or("version not probed"),
                    toolchain.located.path.display(),
                    toolchain.located.origin.describe(),
                ),
            },
        ));
        let execution = match Sandbox::get()?.execution() {
            Execution::Native => "precompiled machine code",
            Execution::Pulley => "Pulley bytecode (executable memory is forbidden here)",
        };
        lines.push(("sandbox", execution.to_owned()));
        for (name, digest) in guest::components() {
            lines.push((name, digest.hex()));
        }
        let plugins = plugin::pins::at(&folder, layer.user_configuration.as_deref())?;
        let named: Vec<String> = plugins.iter().map(plugin::edit::describe_in_a_line).collect();
        lines.push(("plugins", if named.is_empty() { "none".to_owned() } else { named.join("; ") }));
        lines.push((
            "plugin-engine",
            match context.frontend.plugin_engine().name() {
                Ok(name) => name,
                Err(Fault::Engine(reason) | Fault::Plugin(reason, _)) => reason,
            },
        ));
        lines.push(("workers", layer.workers().to_string()));
        Ok(lines)
    })
}

/// What `cache info` knows of a bucket: name, files, bytes.
type Bucket = (String, u64, u64);

/// Returns place, reason for the place, number of entries, and the buckets.
#[pyfunction]
fn cache_info(py: Python<'_>, request: &Request) -> PyResult<(OsString, &'static str, u64, Vec<Bucket>)> {
    let (entries, sizes) = py.detach(|| (request.store.entry_count(), request.store.sizes()));
    let sizes = sizes.into_iter().map(|size| (size.name, size.files, size.bytes)).collect();
    Ok((request.store.root().as_os_str().to_owned(), request.place.describe(), entries, sizes))
}

/// Removes everything that zigimport stored; returns the bytes freed.
#[pyfunction]
fn cache_clear(py: Python<'_>, request: &Request) -> PyResult<u64> {
    let timeout = Duration::from_secs(request.layer.lock_timeout_seconds);
    let interrupted = || Python::attach(|py| py.check_signals().is_err());
    let clear = || request.store.clear(&Wait { interrupted: &interrupted, ..Wait::silent("the cache", timeout) });
    py.detach(clear).map_err(|error| exception(py, &error))
}

/// Returns every registry entry as a JSON document.
#[pyfunction]
fn cache_list(py: Python<'_>, request: &Request) -> String {
    py.detach(|| registry::list_json(&request.store))
}

/// Returns the entry whose key starts with `prefix` as a JSON document.
#[pyfunction]
fn cache_find(py: Python<'_>, request: &Request, prefix: &str) -> PyResult<String> {
    let found = py.detach(|| registry::find(&request.store, prefix));
    found.map(|stored| stored.json().to_string()).map_err(|error| exception(py, &error))
}

/// Makes the artifact whose key starts with `prefix` loadable; returns its
/// module, its source and itself.
#[pyfunction]
fn cache_load(
    py: Python<'_>,
    request: &Request,
    prefix: &str,
    frontend: Py<PyAny>,
) -> PyResult<(String, OsString, Artifact)> {
    let loadable = work(py, request, frontend, |context| {
        registry::find(context.store, prefix).and_then(|stored| registry::loadable(context, &stored))
    })?;
    Ok(named_artifact(loadable))
}

/// The same for the one artifact of a module that this Python can load.
#[pyfunction]
fn cache_load_by_name(
    py: Python<'_>,
    request: &Request,
    module: &str,
    frontend: Py<PyAny>,
) -> PyResult<(String, OsString, Artifact)> {
    let loadable = work(py, request, frontend, |context| {
        registry::find_by_name(context, module).and_then(|stored| registry::loadable(context, &stored))
    })?;
    Ok(named_artifact(loadable))
}

fn named_artifact(loadable: Loadable) -> (String, OsString, Artifact) {
    let record = &loadable.record;
    (record.module.clone(), record.source_path.clone().into_os_string(), artifact(loadable))
}

/// Returns path, module, target and ABI of the library whose key starts with
/// `prefix`, unpacked and checked, for whatever platform it is.
#[pyfunction]
fn cache_library(
    py: Python<'_>,
    request: &Request,
    prefix: &str,
) -> PyResult<(OsString, String, String, String, String)> {
    let found = py.detach(|| {
        let stored = registry::find(&request.store, prefix)?;
        let (path, _) = registry::library(&request.store, &stored.entry)?;
        let Entry { module, source, target, abi, .. } = stored.entry;
        Ok((path.into_os_string(), module, source, target, abi))
    });
    found.map_err(|error| exception(py, &error))
}

/// Pins or unpins the artifact whose key starts with `prefix`; returns its key
/// and module.
#[pyfunction]
fn cache_pin(py: Python<'_>, request: &Request, prefix: &str, pinned: bool) -> PyResult<(String, String)> {
    let done = py.detach(|| {
        let stored = registry::find(&request.store, prefix)?;
        registry::set_pin(&request.store, &stored, pinned)?;
        Ok((stored.entry.key, stored.entry.module))
    });
    done.map_err(|error| exception(py, &error))
}

/// Exports the artifacts whose keys start with `prefixes`, or all; returns how
/// many, and the bytes of their objects.
#[pyfunction]
fn cache_export(
    py: Python<'_>,
    request: &Request,
    prefixes: Option<Vec<String>>,
    destination: PathBuf,
) -> PyResult<(u64, u64)> {
    let exported = py.detach(|| archive::export(&request.store, &selected(request, prefixes)?, &destination));
    exported.map(|carried| (carried.entries, carried.bytes)).map_err(|error| exception(py, &error))
}

/// Returns the artifacts whose keys start with `prefixes`, or all.
fn selected(request: &Request, prefixes: Option<Vec<String>>) -> HostResult<Vec<registry::Stored>> {
    match prefixes {
        None => Ok(registry::list(&request.store)),
        Some(prefixes) => prefixes.iter().map(|prefix| registry::find(&request.store, prefix)).collect(),
    }
}

/// Puts artifacts into the shared cache; answers as [`cache_import`].
#[pyfunction]
fn cache_push(py: Python<'_>, request: &Request, prefixes: Option<Vec<String>>) -> PyResult<(u64, u64, u64)> {
    let pushed = py.detach(|| remote::push(&request.layer, &Client, &request.store, &selected(request, prefixes)?));
    if pushed.is_err() {
        py.check_signals()?;
    }
    pushed.map(|carried| (carried.entries, carried.present, carried.bytes)).map_err(|error| exception(py, &error))
}

/// Takes artifacts from the shared cache; answers as [`cache_import`].
#[pyfunction]
fn cache_pull(py: Python<'_>, request: &Request, prefixes: Option<Vec<String>>) -> PyResult<(u64, u64, u64)> {
    let pulled = py.detach(|| {
        let carried = remote::pull(&request.layer, &Client, &request.store, prefixes.as_deref())?;
        collect::after_publication(&request.store, request.layer.cache_bytes_max, carried.bytes, &[])?;
        Ok(carried)
    });
    pulled.map(|carried| (carried.entries, carried.present, carried.bytes)).map_err(|error| exception(py, &error))
}

/// Imports an exported folder or archive; returns how many artifacts are new,
/// how many were there, and the bytes of the new objects.
#[pyfunction]
fn cache_import(py: Python<'_>, request: &Request, source: PathBuf) -> PyResult<(u64, u64, u64)> {
    let imported = py.detach(|| {
        let carried = archive::import(&request.store, &source)?;
        collect::after_publication(&request.store, request.layer.cache_bytes_max, carried.bytes, &[])?;
        Ok(carried)
    });
    imported.map(|carried| (carried.entries, carried.present, carried.bytes)).map_err(|error| exception(py, &error))
}

/// A problem of a store: path, what is wrong, and what was done.
type Problem = (OsString, String, &'static str);

/// Verifies every file; returns whether anything is wrong still, whether it
/// was, the files and bytes read, and the problems.
#[pyfunction]
fn cache_verify(py: Python<'_>, request: &Request, repair: bool) -> PyResult<(bool, bool, u64, u64, Vec<Problem>)> {
    let verified = py.detach(|| verify::verify(&request.store, repair)).map_err(|error| exception(py, &error))?;
    let (is_left, is_damaged) = (verified.is_left(), verified.is_damaged());
    let problems = verified
        .problems
        .into_iter()
        .map(|problem| (problem.path.into_os_string(), problem.message, problem.outcome.name()))
        .collect();
    Ok((is_left, is_damaged, verified.files, verified.bytes, problems))
}

/// Something that was collected: kind, name, keys, modules, bytes, and last use.
type Collected = (&'static str, String, Vec<String>, Vec<String>, u64, String);

/// Removes the longest unused until at most `bytes_max` are left, and what was
/// not used for `unused_seconds`; returns bytes freed and left, and what went.
/// Without any limit, that of the settings holds.
#[pyfunction]
fn cache_collect(
    py: Python<'_>,
    request: &Request,
    bytes_max: Option<u64>,
    unused_seconds: Option<u64>,
    dry_run: bool,
) -> PyResult<(u64, u64, Vec<Collected>)> {
    let limits = Limits {
        bytes_max: bytes_max.or(request.layer.cache_bytes_max.filter(|_| unused_seconds.is_none())),
        unused_max: unused_seconds.map(Duration::from_secs),
        dry_run,
    };
    let done = py.detach(|| collect::collect(&request.store, limits, SystemTime::now()));
    let done = done.map_err(|error| exception(py, &error))?;
    let removed = done.removed.into_iter().map(|item| {
        (
            item.kind.name(),
            item.name,
            item.keys,
            item.modules,
            item.bytes,
            zigimport_host::store::utc_of(item.last_used),
        )
    });
    Ok((done.bytes_freed, done.bytes_left, removed.collect()))
}

/// Reads a size such as `500M`; `None` if it is none.
#[pyfunction]
fn byte_count(text: &str) -> Option<u64> {
    config::byte_count(text)
}

/// Returns the label of every target.
#[pyfunction]
fn targets() -> Vec<&'static str> {
    TARGETS.iter().map(|target| target.label).collect()
}

/// Returns the suffix under which Python finds a library for a target.
#[pyfunction]
fn file_suffix(label: &str, abi: &str, native_suffix: &str) -> PyResult<String> {
    let target = Target::find(label).ok_or_else(|| PyValueError::new_err(format!("unknown target `{label}`")))?;
    Ok(if abi == STABLE_ABI { target.stable_abi_suffix().to_owned() } else { target.specific_suffix(native_suffix) })
}

/// Returns warnings about `ZIGIMPORT_` variables without effect.
#[pyfunction]
fn warnings() -> Vec<String> {
    config::warnings()
}

/// Returns whether `ZIGIMPORT_ENABLED` allows the hook.
#[pyfunction]
fn is_enabled(py: Python<'_>) -> PyResult<bool> {
    config::flag("ZIGIMPORT_ENABLED", true).map_err(|error| exception(py, &error))
}

/// Returns whether `ZIGIMPORT_VERBOSE` asks for reasons.
#[pyfunction]
fn is_verbose(py: Python<'_>) -> PyResult<bool> {
    config::flag("ZIGIMPORT_VERBOSE", false).map_err(|error| exception(py, &error))
}

/// Returns whether `ZIGIMPORT_WATCH` asks for watch mode.
#[pyfunction]
fn is_watching(py: Python<'_>) -> PyResult<bool> {
    config::flag("ZIGIMPORT_WATCH", false).map_err(|error| exception(py, &error))
}

/// Makes every operation of this process end as if the user had interrupted it,
/// also in threads that no signal reaches, or no longer.
#[pyfunction]
#[pyo3(signature = (wanted = true))]
fn interrupt(wanted: bool) {
    crate::frontend::INTERRUPTED.store(wanted, std::sync::atomic::Ordering::Relaxed);
}

/// Lets go of the build locks of the process that this one was forked from.
#[pyfunction]
fn release_inherited_locks() {
    #[cfg(unix)]
    zigimport_host::locks::inherited::release();
}

/// Returns a path for `dlopen` of a library on a mount that forbids execution:
/// a sealed file in memory with the same bytes, after checking their digest.
///
/// The path stays valid, and unique, for the life of the process.
#[pyfunction]
fn memory_file(py: Python<'_>, path: PathBuf, digest: &str) -> PyResult<String> {
    let bytes = py.detach(|| std::fs::read(&path)).map_err(os_error)?;
    if zigimport_host::digest::Digest::of(&bytes).hex() != digest {
        return Err(bad_call(format!("`{}` is not what its manifest records", path.display())));
    }
    zigimport_host::memory::seal(&bytes).map_err(os_error)
}
