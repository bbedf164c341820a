//! What the host must know of the Python that will load the artifacts.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::compiler::process::{self, Caller, Invocation};
use crate::config::{Layer, Native};
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::report::Frontend;

/// The tag of libraries that use the stable ABI: one serves every CPython.
pub const STABLE_ABI: &str = "abi3";

/// Facts that cost the interpreter nothing to say.
#[derive(Debug, Clone, Default)]
pub struct Interpreter {
    /// Suffix of a version-specific extension, as `.cpython-311-x86_64-linux-gnu.so`.
    pub extension_suffix: String,
    /// The virtual environment, if it runs in one.
    pub virtual_env: Option<PathBuf>,
    /// `sys.path`, where the packages of compilers and libraries may lie.
    pub search_path: Vec<PathBuf>,
}

impl Interpreter {
    /// Returns the tag of libraries for this version of Python alone.
    #[must_use]
    pub fn specific_abi(&self) -> &str {
        let tag = self.extension_suffix.trim_start_matches('.');
        tag.rsplit_once('.').map_or(tag, |(tag, _)| tag)
    }
}

/// Of an interpreter's answer in a message.
const TEXT_CHARACTERS_MAX: usize = 500;

/// Makes an interpreter describe itself, as [`Asked`] has it.
const DESCRIBE: &str = r#"
import json, platform, sys, sysconfig
import _imp
paths = [sysconfig.get_path("include"), sysconfig.get_path("platinclude")]
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": sys.version_info[:2],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "extension_suffix": _imp.extension_suffixes()[0],
    "virtual_env": sys.prefix if sys.prefix != sys.base_prefix else None,
    "search_path": [path for path in sys.path if path],
    "header_folders": list(dict.fromkeys(path for path in paths if path)),
}))
"#;

/// What an interpreter that is not this one says of itself.
#[derive(Debug, Deserialize)]
pub struct Asked {
    implementation: String,
    version: (u32, u32),
    free_threaded: bool,
    /// As in [`Interpreter`].
    pub extension_suffix: String,
    /// As in [`Interpreter`].
    pub virtual_env: Option<PathBuf>,
    /// As in [`Interpreter`].
    pub search_path: Vec<PathBuf>,
    /// The folders of its C headers.
    pub header_folders: Vec<PathBuf>,
}

impl Asked {
    /// Asks the interpreter `python`, which starts a process.
    ///
    /// # Errors
    /// No process may be started, it does not answer, or it is none that we build for.
    pub fn of(python: &Path, layer: &Layer, frontend: &dyn Frontend) -> Result<Self> {
        let wrong = |expected: String| Error::Setting {
            name: "ZIGIMPORT_PYTHON".to_owned(),
            value: python.to_string_lossy().into_owned(),
            place: String::new(),
            expected,
        };
        if layer.native == Native::Never {
            let expected = "this interpreter, because ZIGIMPORT_NATIVE=never lets us ask no other one";
            return Err(wrong(expected.to_owned()));
        }
        let invocation = Invocation {
            program: python.to_owned(),
            arguments: ["-c", DESCRIBE].map(Into::into).to_vec(),
            directory: "/".into(),
            environment: Vec::new(),
            input: Vec::new(),
            has_children: false,
        };
        let audit_log = layer.audit_log.as_deref();
        let caller = Caller { frontend, audit_log, module: "", key: None, identity: None, line: None };
        let finished = match process::run(&invocation, caller) {
            Ok(finished) => finished,
            Err(Error::Compiler { reason, .. }) => return Err(wrong(format!("a Python that runs ({reason})"))),
            Err(error) => return Err(error),
        };
        let Ok(asked) = serde_json::from_slice::<Self>(&finished.answer) else {
            let text = finished.text.trim().lines().last().unwrap_or_default();
            let text: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
            return Err(wrong(format!("a Python that describes itself ({}: {text})", finished.status)));
        };
        let Self { implementation, version: (major, minor), free_threaded, .. } = &asked;
        let kind = if *free_threaded { "free-threaded " } else { "" };
        if implementation != "CPython" || *free_threaded || (*major, *minor) < (3, 9) {
            return Err(wrong(format!("CPython 3.9 or newer (it is {kind}{implementation} {major}.{minor})")));
        }
        Ok(asked)
    }
}

/// Returns whether two paths of interpreters stand for the same one: the same
/// program, in the same virtual environment if it is in one.
#[must_use]
pub fn is_same(left: &Path, right: &Path) -> bool {
    let identity = |path: &Path| {
        let environment = path.parent().and_then(Path::parent).filter(|root| root.join("pyvenv.cfg").is_file());
        (path.canonicalize().ok(), environment.and_then(|root| root.canonicalize().ok()))
    };
    let (left, right) = (identity(left), identity(right));
    left.0.is_some() && left == right
}

/// Returns the version of a package that is installed in a folder of the search
/// path, and the folder of its metadata.
#[must_use]
pub fn installed(site: &Path, package: &str) -> Option<(String, PathBuf)> {
    std::fs::read_dir(site).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let version = name.to_str()?.strip_prefix(package)?.strip_prefix('-')?.strip_suffix(".dist-info")?;
        Some((version.to_owned(), entry.path()))
    })
}

/// The interpreter's C headers, looked up only for modules that use them.
#[derive(Debug, Clone)]
pub struct Headers {
    /// The folders to search, the one with `Python.h` first.
    pub folders: Vec<PathBuf>,
    /// Of the two headers that differ between builds of one version.
    pub identity: Digest,
}

impl Headers {
    /// The headers that tell versions and builds of Python apart.
    pub const IDENTIFYING: [&str; 2] = ["patchlevel.h", "pyconfig.h"];

    /// Identifies the headers in `folders`, or `None` if `Python.h` is in none.
    #[must_use]
    pub fn find(folders: Vec<PathBuf>) -> Option<Self> {
        let present = folders.iter().any(|folder| folder.join("Python.h").is_file());
        if !present {
            return None;
        }
        let mut hasher = FieldHasher::new("python headers");
        for path in Self::identifying_in(&folders) {
            hasher.field(
                &path.file_name().unwrap_or_default().to_string_lossy(),
                &std::fs::read(&path).unwrap_or_default(),
            );
        }
        Some(Self { identity: hasher.finish(), folders })
    }

    /// Returns the identifying headers that exist.
    #[must_use]
    pub fn identifying(&self) -> Vec<PathBuf> {
        Self::identifying_in(&self.folders)
    }

    fn identifying_in(folders: &[PathBuf]) -> Vec<PathBuf> {
        folders
            .iter()
            .flat_map(|folder| Self::IDENTIFYING.map(|name| folder.join(name)))
            .filter(|path| path.is_file())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_tag_is_the_suffix_without_dots() {
        let interpreter =
            Interpreter { extension_suffix: ".cpython-311-x86_64-linux-gnu.so".into(), ..Interpreter::default() };
        assert_eq!(interpreter.specific_abi(), "cpython-311-x86_64-linux-gnu");
    }

    #[test]
    fn headers_are_told_apart_by_their_version() {
        let folder = tempfile::tempdir().unwrap();
        let folders = vec![folder.path().to_owned()];
        assert!(Headers::find(folders.clone()).is_none());
        std::fs::write(folder.path().join("Python.h"), "").unwrap();
        std::fs::write(folder.path().join("patchlevel.h"), "3.11").unwrap();
        let old = Headers::find(folders.clone()).unwrap().identity;
        std::fs::write(folder.path().join("patchlevel.h"), "3.12").unwrap();
        assert_ne!(Headers::find(folders).unwrap().identity, old);
    }
}
