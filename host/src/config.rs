//! Settings: every environment variable and every key of `pyproject.toml` and
//! of the user's configuration is declared and read here, and nowhere else.
//!
//! One precedence: explicit argument, environment, `//! zigimport:` line of the
//! module's file, `[tool.zigimport]` of the nearest `pyproject.toml`, default.
//! The first two make up the [`Layer`] that a cache hit needs; the others are
//! inputs of the module and are read on a miss only.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::executor::{self, Address};
use crate::headers;
use crate::plugin::pins::Pins;
use crate::stub::Stubs;

/// Zig's optimize modes, by the names that all supported lines accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Optimize {
    /// Safety checks, self-hosted code generation, fastest to build.
    Debug,
    /// Optimised with safety checks.
    ReleaseSafe,
    /// Optimised without safety checks.
    ReleaseFast,
    /// Optimised for size without safety checks.
    ReleaseSmall,
}

impl Optimize {
    const ALL: [Self; 4] = [Self::Debug, Self::ReleaseSafe, Self::ReleaseFast, Self::ReleaseSmall];

    /// Returns Zig's name of the mode.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "Debug",
            Self::ReleaseSafe => "ReleaseSafe",
            Self::ReleaseFast => "ReleaseFast",
            Self::ReleaseSmall => "ReleaseSmall",
        }
    }

    /// Parses a mode; `name` and `place` say where the value stands.
    ///
    /// # Errors
    /// Names the setting, the value and the modes.
    pub fn parse(value: &str, name: &str, place: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == value).ok_or_else(|| Error::Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            place: place.to_owned(),
            expected: "Debug, ReleaseSafe, ReleaseFast or ReleaseSmall".to_owned(),
        })
    }
}

/// Whether native processes may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Native {
    /// Build, confined where the platform can.
    #[default]
    Auto,
    /// Start no process: plan, scan and load what is cached.
    Never,
    /// Build only if the compiler can be confined.
    SandboxRequired,
    /// Build without confinement.
    Unconfined,
}

impl Native {
    /// Parses the value of `ZIGIMPORT_NATIVE`.
    ///
    /// # Errors
    /// Names the values.
    pub fn parse(value: &str) -> Result<Self> {
        match value {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            "sandbox-required" => Ok(Self::SandboxRequired),
            "unconfined" => Ok(Self::Unconfined),
            _ => Err(invalid("ZIGIMPORT_NATIVE", value, "auto, never, sandbox-required or unconfined")),
        }
    }

    /// Returns the setting's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Never => "never",
            Self::SandboxRequired => "sandbox-required",
            Self::Unconfined => "unconfined",
        }
    }
}

/// The variables that are read, each with what it sets.
const VARIABLES: &[&str] = &[
    "ZIGIMPORT_AUDIT_LOG",
    "ZIGIMPORT_BUILD_DIR",
    "ZIGIMPORT_CACHE_SIZE",
    "ZIGIMPORT_CACHE_UPLOAD",
    "ZIGIMPORT_DEBUG_INFO",
    "ZIGIMPORT_ENABLED",
    "ZIGIMPORT_FORCE_REBUILD",
    "ZIGIMPORT_INCLUDE_PATHS",
    "ZIGIMPORT_LOCK_TIMEOUT",
    "ZIGIMPORT_MAX_WORKERS",
    "ZIGIMPORT_NATIVE",
    "ZIGIMPORT_OPTIMIZE",
    "ZIGIMPORT_PARALLEL",
    "ZIGIMPORT_PYTHON",
    "ZIGIMPORT_RELEASE_MODE",
    "ZIGIMPORT_REMOTE_CACHE",
    "ZIGIMPORT_REMOTE_EXECUTOR",
    "ZIGIMPORT_REMOTE_PASSWORD",
    "ZIGIMPORT_REMOTE_USER",
    "ZIGIMPORT_SALT",
    "ZIGIMPORT_TRACK_DEPS",
    "ZIGIMPORT_VERBOSE",
    "ZIGIMPORT_VERIFY",
    "ZIGIMPORT_WATCH",
    "ZIGIMPORT_WATCH_INTERVAL",
    "ZIGIMPORT_ZIG",
];

/// Variables that the build of zigimport itself reads.
const VARIABLES_OF_THE_BUILD: &[&str] = &["ZIGIMPORT_GUEST_ZIG"];

/// What a store may take unless the user says otherwise.
const CACHE_BYTES_MAX: u64 = 5 << 30;

/// What the environment and explicit arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// `ZIGIMPORT_ENABLED`: whether the import hook does anything.
    pub enabled: bool,
    /// `ZIGIMPORT_OPTIMIZE`.
    pub optimize: Option<Optimize>,
    /// `ZIGIMPORT_DEBUG_INFO`: keep it, for debuggers and Zig's traces.
    pub debug_info: Option<bool>,
    /// `ZIGIMPORT_VERBOSE`: say why on each import.
    pub verbose: bool,
    /// `ZIGIMPORT_FORCE_REBUILD`: build although the artifact is there.
    pub force_rebuild: bool,
    /// `ZIGIMPORT_RELEASE_MODE`: trust the manifest, skip the input checks.
    pub release_mode: bool,
    /// `ZIGIMPORT_TRACK_DEPS`: look at all inputs, not only at the module's own file.
    pub track_deps: bool,
    /// `ZIGIMPORT_AUDIT_LOG`: where processes, publications and loads are written down.
    pub audit_log: Option<PathBuf>,
    /// `ZIGIMPORT_PYTHON`: the interpreter to build for.
    pub python: Option<PathBuf>,
    /// `ZIGIMPORT_VERIFY`: hash each library before it is loaded.
    pub verify_always: bool,
    /// `ZIGIMPORT_CACHE_SIZE`: bytes that the store may take; `None` for any.
    pub cache_bytes_max: Option<u64>,
    /// `ZIGIMPORT_REMOTE_CACHE`: a directory or a URL with artifacts that several share.
    pub remote_cache: Option<PathBuf>,
    /// Why nothing is taken from there any more: what it gave is damaged. No setting.
    pub remote_failure: Option<String>,
    /// `ZIGIMPORT_REMOTE_USER`: who that is to the server.
    pub remote_user: Option<String>,
    /// `ZIGIMPORT_REMOTE_PASSWORD`: of that user.
    pub remote_password: Option<String>,
    /// `ZIGIMPORT_CACHE_UPLOAD`: put there what was built.
    pub cache_upload: bool,
    /// `ZIGIMPORT_REMOTE_EXECUTOR`: where the compiler runs.
    pub remote_executor: Option<Address>,
    /// `ZIGIMPORT_BUILD_DIR`: where the store lies.
    pub build_dir: Option<PathBuf>,
    /// `ZIGIMPORT_ZIG`: the compiler.
    pub zig: Option<PathBuf>,
    /// `ZIGIMPORT_INCLUDE_PATHS`: searched after `sys.path`.
    pub include_paths: Vec<PathBuf>,
    /// `ZIGIMPORT_MAX_WORKERS`: from 1 to 32, the cores by default.
    pub max_workers: usize,
    /// `ZIGIMPORT_PARALLEL`: build ahead what the importing code imports next.
    pub parallel: bool,
    /// `ZIGIMPORT_NATIVE`.
    pub native: Native,
    /// `ZIGIMPORT_SALT`: part of every key, to force a cache of one's own.
    pub salt: String,
    /// `ZIGIMPORT_LOCK_TIMEOUT`: seconds to wait for another process's build.
    pub lock_timeout_seconds: u64,
    /// `ZIGIMPORT_WATCH`: reload modules when they change.
    pub watch: bool,
    /// `ZIGIMPORT_WATCH_INTERVAL`: between two looks at files where the system
    /// does not report changes.
    pub watch_interval: Duration,
    /// Where stubs are wanted, also for what is cached; only as an argument.
    pub stubs: Option<Stubs>,
    /// Whether packages that a project names may be downloaded; only as an argument.
    pub fetch: bool,
    /// `PATH`, the last place where Zig is looked for.
    pub path: Option<OsString>,
    /// Where the user's own configuration lies, whether it exists or not.
    pub user_configuration: Option<PathBuf>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            enabled: true,
            optimize: None,
            debug_info: None,
            verbose: false,
            force_rebuild: false,
            release_mode: false,
            track_deps: true,
            audit_log: None,
            python: None,
            verify_always: false,
            cache_bytes_max: Some(CACHE_BYTES_MAX),
            remote_cache: None,
            remote_failure: None,
            remote_user: None,
            remote_password: None,
            cache_upload: false,
            remote_executor: None,
            build_dir: None,
            zig: None,
            include_paths: Vec::new(),
            max_workers: 0,
            parallel: true,
            native: Native::Auto,
            salt: String::new(),
            lock_timeout_seconds: 600,
            watch: false,
            watch_interval: Duration::from_secs(1),
            stubs: None,
            fetch: false,
            path: None,
            user_configuration: None,
        }
    }
}

impl Layer {
    /// Reads this process's environment.
    ///
    /// # Errors
    /// Names the first variable with a value that it cannot have.
    pub fn from_environment() -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this module is the gate to the environment")]
        let variables = std::env::vars_os();
        let folders = directories::ProjectDirs::from("", "", "zigimport");
        let user_configuration = folders.map(|folders| folders.config_dir().join("config.toml"));
        Ok(Self { user_configuration, ..Self::from_variables(variables)? })
    }

    /// Reads a list of variables; an empty value counts as not set.
    ///
    /// # Errors
    /// Names the first variable with a value that it cannot have.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut layer = Self::default();
        for (name, value) in variables {
            if name == "PATH" {
                layer.path = Some(value);
                continue;
            }
            let Some(name) = name.to_str().filter(|name| name.starts_with("ZIGIMPORT_")) else {
                continue;
            };
            if !value.is_empty() {
                layer.set(name, &value)?;
            }
        }
        Ok(layer)
    }

    fn set(&mut self, name: &str, value: &OsStr) -> Result<()> {
        let text = value.to_string_lossy();
        match name {
            "ZIGIMPORT_ENABLED" => self.enabled = boolean(name, &text, "")?,
            "ZIGIMPORT_OPTIMIZE" => self.optimize = Some(Optimize::parse(&text, name, "")?),
            "ZIGIMPORT_DEBUG_INFO" => self.debug_info = Some(boolean(name, &text, "")?),
            "ZIGIMPORT_VERBOSE" => self.verbose = boolean(name, &text, "")?,
            "ZIGIMPORT_FORCE_REBUILD" => self.force_rebuild = boolean(name, &text, "")?,
            "ZIGIMPORT_RELEASE_MODE" => self.release_mode = boolean(name, &text, "")?,
            "ZIGIMPORT_TRACK_DEPS" => self.track_deps = boolean(name, &text, "")?,
            "ZIGIMPORT_AUDIT_LOG" => self.audit_log = Some(value.into()),
            "ZIGIMPORT_PYTHON" => self.python = Some(value.into()),
            "ZIGIMPORT_VERIFY" => {
                self.verify_always = match &*text {
                    "auto" => false,
                    "always" => true,
                    _ => return Err(invalid(name, &text, "auto or always")),
                };
            }
            "ZIGIMPORT_CACHE_SIZE" => {
                let bytes = byte_count(&text)
                    .ok_or_else(|| invalid(name, &text, "a size such as 500M, 5G or 1000000, or 0 for no limit"))?;
                self.cache_bytes_max = (bytes > 0).then_some(bytes);
            }
            "ZIGIMPORT_REMOTE_CACHE" => self.remote_cache = Some(value.into()),
            "ZIGIMPORT_REMOTE_PASSWORD" => self.remote_password = Some(text.into_owned()),
            "ZIGIMPORT_REMOTE_USER" => self.remote_user = Some(text.into_owned()),
            "ZIGIMPORT_CACHE_UPLOAD" => self.cache_upload = boolean(name, &text, "")?,
            "ZIGIMPORT_REMOTE_EXECUTOR" => {
                let address = Address::parse(&text).map_err(|shown| invalid(name, &shown, executor::EXPECTED))?;
                self.remote_executor = Some(address);
            }
            "ZIGIMPORT_BUILD_DIR" => self.build_dir = Some(value.into()),
            "ZIGIMPORT_ZIG" => self.zig = Some(value.into()),
            "ZIGIMPORT_INCLUDE_PATHS" => self.include_paths = split_paths(value),
            "ZIGIMPORT_MAX_WORKERS" => {
                self.max_workers = text
                    .parse()
                    .ok()
                    .filter(|count| (1..=32).contains(count))
                    .ok_or_else(|| invalid(name, &text, "a whole number from 1 to 32"))?;
            }
            "ZIGIMPORT_PARALLEL" => self.parallel = boolean(name, &text, "")?,
            "ZIGIMPORT_NATIVE" => self.native = Native::parse(&text)?,
            "ZIGIMPORT_SALT" => self.salt = text.into_owned(),
            "ZIGIMPORT_LOCK_TIMEOUT" => {
                self.lock_timeout_seconds =
                    text.parse().map_err(|_| invalid(name, &text, "a whole number of seconds"))?;
            }
            "ZIGIMPORT_WATCH" => self.watch = boolean(name, &text, "")?,
            "ZIGIMPORT_WATCH_INTERVAL" => {
                let seconds = text.parse().ok().filter(|seconds| (0.5..=10.0).contains(seconds));
                self.watch_interval = seconds
                    .map(Duration::from_secs_f64)
                    .ok_or_else(|| invalid(name, &text, "seconds, from 0.5 to 10"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns whether nothing is built, so that the store stays as it was given: no
    /// process may run on this machine, and there is no other one.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.native == Native::Never && self.remote_executor.is_none()
    }

    /// Returns whether the compiler may run on this machine.
    #[must_use]
    pub fn allows_local_builds(&self) -> bool {
        matches!(self.native, Native::Auto | Native::Unconfined)
    }

    /// Returns the workers to use: the setting, else the cores.
    #[must_use]
    pub fn workers(&self) -> usize {
        match self.max_workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(32),
            count => count,
        }
    }
}

/// Returns one boolean variable, whatever the others are.
///
/// # Errors
/// It has a value that is no boolean.
pub fn flag(name: &str, default: bool) -> Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "this module is the gate to the environment")]
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map_or(Ok(default), |value| boolean(name, &value.to_string_lossy(), ""))
}

/// Returns `ZIGIMPORT_AUDIT_LOG`, whatever the other variables are.
#[must_use]
pub fn audit_log() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this module is the gate to the environment")]
    let value = std::env::var_os("ZIGIMPORT_AUDIT_LOG").filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// Returns `ZIGIMPORT_INCLUDE_PATHS`, whatever the other variables are.
#[must_use]
pub fn include_paths() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this module is the gate to the environment")]
    let value = std::env::var_os("ZIGIMPORT_INCLUDE_PATHS").unwrap_or_default();
    split_paths(&value)
}

/// Reads a number of bytes: `1000000`, `500M`, `1.5G`, `2 GiB`. Units are powers of 1024.
#[must_use]
pub fn byte_count(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|digit: char| !digit.is_ascii_digit() && digit != '.').unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_uppercase();
    let shift = match unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit) {
        "" if unit.len() > 1 => return None,
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let bytes = number.parse::<f64>().ok()? * f64::from(shift).exp2();
    // A fraction of a byte is none.
    (shift > 0 && bytes < 2f64.powi(63)).then_some(bytes as u64)
}

fn split_paths(value: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(value).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// Returns one warning for each `ZIGIMPORT_` variable that has no effect.
#[must_use]
pub fn warnings() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this module is the gate to the environment")]
    warnings_of(std::env::vars_os().collect())
}

fn warnings_of(variables: Vec<(OsString, OsString)>) -> Vec<String> {
    let set = variables.iter().filter(|(_, value)| !value.is_empty());
    let mut warnings: Vec<String> = set.filter_map(|(name, _)| warning(name.to_str()?)).collect();
    // A wrong value is an error, and said elsewhere.
    let layer = Layer::from_variables(variables).unwrap_or_default();
    if layer.cache_upload && layer.remote_cache.is_none() {
        warnings.push("ZIGIMPORT_CACHE_UPLOAD has no effect without ZIGIMPORT_REMOTE_CACHE".to_owned());
    }
    warnings.sort();
    warnings
}

fn warning(name: &str) -> Option<String> {
    if !name.starts_with("ZIGIMPORT_") || VARIABLES.contains(&name) || VARIABLES_OF_THE_BUILD.contains(&name) {
        return None;
    }
    let nearest = VARIABLES
        .iter()
        .map(|known| (edit_distance(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 4)
        .map(|(_, known)| format!("; did you mean {known}?"));
    Some(format!("unknown variable {name}{}", nearest.unwrap_or_default()))
}

/// Counts the single-character edits between two names.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

fn boolean(name: &str, value: &str, place: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Error::Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            place: place.to_owned(),
            expected: "1/0, true/false, yes/no or on/off".to_owned(),
        }),
    }
}

fn invalid(name: &str, value: &str, expected: &str) -> Error {
    Error::Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        place: String::new(),
        expected: expected.to_owned(),
    }
}

/// `[tool.zigimport]` of a `pyproject.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table of settings")]
pub struct ProjectSettings {
    /// Optimize mode of imports and builds.
    pub optimize: Option<Optimize>,
    /// Whether debug information is kept.
    pub debug_info: Option<bool>,
    /// Where builds write stubs.
    pub stubs: Option<Stubs>,
    /// Plugins by name.
    #[serde(default)]
    pub plugins: Pins,
}

/// The user's own configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    /// Plugins by name.
    #[serde(default)]
    pub plugins: Pins,
}

impl UserSettings {
    /// Reads the text of the user's `config.toml`.
    ///
    /// # Errors
    /// Names the file, the line and what is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| invalid_file(&error, text, path, "the only key is: plugins"))
    }
}

/// What the `//! zigimport: name = value` lines of a module's own file say. Lists
/// are separated by spaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleSettings {
    /// Optimize mode.
    pub optimize: Option<Optimize>,
    /// Whether debug information is kept.
    pub debug_info: Option<bool>,
    /// C sources to compile along, relative to the file.
    pub c_sources: Vec<String>,
    /// Where they and `@cInclude` look for headers, relative to the file.
    pub include_paths: Vec<String>,
    /// Flags for the C sources.
    pub c_flags: Vec<String>,
    /// System libraries to link, without `lib`.
    pub libraries: Vec<String>,
}

impl ModuleSettings {
    /// Reads lines given as name, value and line number. Later lines add to lists.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str, u32)>, path: &Path) -> Result<Self> {
        let mut settings = Self::default();
        for (name, value, line) in lines {
            let place = format!(" ({}:{line})", path.display());
            let words = || value.split_ascii_whitespace().map(str::to_owned);
            match name {
                "optimize" => {
                    settings.optimize = Some(Optimize::parse(value, "//! zigimport: optimize", &place)?);
                }
                "debug-info" => {
                    settings.debug_info = Some(boolean("//! zigimport: debug-info", value, &place)?);
                }
                "c-sources" => settings.c_sources.extend(words()),
                "c-flags" => {
                    let flags: Vec<String> = words().collect();
                    if let Some((flag, expected)) = headers::refused(&flags) {
                        return Err(Error::Setting {
                            name: "//! zigimport: c-flags".to_owned(),
                            value: flag.to_owned(),
                            place,
                            expected: expected.to_owned(),
                        });
                    }
                    settings.c_flags.extend(flags);
                }
                "include-paths" => settings.include_paths.extend(words()),
                "libraries" => settings.libraries.extend(words()),
                _ => {
                    return Err(Error::Module {
                        message: format!(
                            "unknown setting `{name}` in a line `//! zigimport:`{place}: expected `optimize`, \
                             `debug-info`, `c-sources`, `c-flags`, `include-paths` or `libraries`, then ` = ` and a value"
                        ),
                        hint: None,
                    });
                }
            }
        }
        Ok(settings)
    }
}

fn invalid_file(error: &toml::de::Error, text: &str, path: &Path, hint: &str) -> Error {
    let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
    Error::Module {
        message: format!("invalid settings in `{}`, line {line}: {}", path.display(), error.message()),
        hint: Some(hint.to_owned()),
    }
}

#[derive(Deserialize)]
struct PyProject {
    tool: Option<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    zigimport: Option<ProjectSettings>,
}

impl ProjectSettings {
    /// Reads the nearest `pyproject.toml` of a folder or one around it.
    ///
    /// # Errors
    /// What [`ProjectSettings::parse`] says, or the file cannot be read.
    pub fn nearest(folder: &Path) -> Result<Option<(PathBuf, Self)>> {
        let Some(path) = folder.ancestors().map(|folder| folder.join("pyproject.toml")).find(|path| path.is_file())
        else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, &error))?;
        let settings = Self::parse(&text, &path)?;
        Ok(Some((path, settings)))
    }

    /// Reads the text of a `pyproject.toml`.
    ///
    /// # Errors
    /// Names the file, the line and what is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let keys = "the keys of [tool.zigimport] are: optimize, debug-info, stubs, plugins";
        let project: PyProject = toml::from_str(text).map_err(|error| invalid_file(&error, text, path, keys))?;
        Ok(project.tool.and_then(|tool| tool.zigimport).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1000000", 1_000_000),
            ("500M", 500 << 20),
            ("2G", 2 << 30),
            ("1.5 GiB", 3 << 29),
            ("10kb", 10 << 10),
            ("1T", 1 << 40),
        ] {
            assert_eq!(byte_count(text), Some(bytes), "{text}");
        }
        for text in ["", "M", "B", "-1", "1.5", "1e6", "5 apples", "1..5M", "99999999T", "1MM", "\u{664}"] {
            assert_eq!(byte_count(text), None, "{text}");
        }
    }

    fn layer(pairs: &[(&str, &str)]) -> Result<Layer> {
        Layer::from_variables(pairs.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn booleans_take_every_common_spelling_and_nothing_else() {
        for (text, value) in [("1", true), ("TRUE", true), ("Yes", true), ("on", true), ("off", false), ("0", false)] {
            assert_eq!(layer(&[("ZIGIMPORT_VERBOSE", text)]).unwrap().verbose, value);
        }
        let error = layer(&[("ZIGIMPORT_VERBOSE", "maybe")]).unwrap_err().to_string();
        assert!(error.contains("ZIGIMPORT_VERBOSE") && error.contains("`maybe`"), "{error}");
    }

    #[test]
    fn an_empty_value_is_not_set() {
        assert_eq!(layer(&[("ZIGIMPORT_OPTIMIZE", ""), ("ZIGIMPORT_MAX_WORKERS", "")]).unwrap(), Layer::default());
    }

    #[test]
    fn numbers_and_modes_are_checked() {
        assert!(layer(&[("ZIGIMPORT_MAX_WORKERS", "0")]).is_err());
        assert!(layer(&[("ZIGIMPORT_MAX_WORKERS", "33")]).is_err());
        assert_eq!(layer(&[("ZIGIMPORT_MAX_WORKERS", "4")]).unwrap().workers(), 4);
        assert!(layer(&[("ZIGIMPORT_OPTIMIZE", "fast")]).is_err());
        for wrong in ["0.4", "10.1", "NaN", "often"] {
            let error = layer(&[("ZIGIMPORT_WATCH_INTERVAL", wrong)]).unwrap_err().to_string();
            assert!(error.contains("ZIGIMPORT_WATCH_INTERVAL") && error.contains(wrong), "{error}");
        }
        let interval = layer(&[("ZIGIMPORT_WATCH_INTERVAL", "0.5")]).unwrap().watch_interval;
        assert_eq!(interval, Duration::from_millis(500));
        assert!(layer(&[("ZIGIMPORT_NATIVE", "sometimes")]).is_err());
    }

    #[test]
    fn an_unknown_variable_names_its_neighbour() {
        let warning = warning("ZIGIMPORT_OPTIMISE").unwrap();
        assert!(warning.ends_with("did you mean ZIGIMPORT_OPTIMIZE?"), "{warning}");
        assert_eq!(super::warning("ZIGIMPORT_ZIG"), None);
    }

    #[test]
    fn an_executor_is_named_by_an_address() {
        let layer = |value: &str| Layer::from_variables([("ZIGIMPORT_REMOTE_EXECUTOR".into(), value.into())]);
        assert!(layer("grpc://host:1").unwrap().remote_executor.is_some());
        let error = layer("http://me:word@host:1").unwrap_err().to_string();
        assert!(error.contains("expected grpc://HOST:PORT") && !error.contains("word"), "{error}");
    }

    #[test]
    fn an_upload_without_a_shared_cache_is_told() {
        let set = |names: &[&str]| names.iter().map(|name| (OsString::from(name), OsString::from("1"))).collect();
        let warnings = warnings_of(set(&["ZIGIMPORT_CACHE_UPLOAD"]));
        assert_eq!(warnings, ["ZIGIMPORT_CACHE_UPLOAD has no effect without ZIGIMPORT_REMOTE_CACHE"]);
        assert!(warnings_of(set(&["ZIGIMPORT_CACHE_UPLOAD", "ZIGIMPORT_REMOTE_CACHE"])).is_empty());
    }

    #[test]
    fn pyproject_errors_name_the_line() {
        let text = "[project]\nname = 'x'\n[tool.zigimport]\noptimise = 'Debug'\n";
        let error = ProjectSettings::parse(text, Path::new("pyproject.toml")).unwrap_err().to_string();
        assert!(error.contains("line 4") && error.contains("optimise"), "{error}");
        let error = ProjectSettings::parse("[tool.zigimport]\noptimize = 'Fast'\n", Path::new("p")).unwrap_err();
        let (message, exit_code) = (error.to_string(), error.exit_code());
        assert!(message.contains("line 2") && message.contains("Fast") && message.contains("ReleaseFast"), "{message}");
        assert_eq!(exit_code, 1);
        assert_eq!(ProjectSettings::parse("", Path::new("p")).unwrap().optimize, None);
    }
}
