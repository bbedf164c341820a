//! The finder: which file a module name stands for, and the fast path to its
//! library.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyString;
use zigimport_host::closure::{Module, ModuleKind, normalize};
use zigimport_host::config;
use zigimport_host::editor;

use crate::frontend::exception;
use crate::request::Request;

/// A module that was found on the path: its name, its own file and its kind.
#[pyclass(module = "zigimport._native", frozen)]
pub struct Found {
    pub(crate) module: Module,
}

#[pymethods]
impl Found {
    /// Dotted name.
    #[getter]
    fn name(&self) -> &str {
        &self.module.name
    }

    /// Path of the module's own file.
    #[getter]
    fn source_path(&self) -> &OsStr {
        self.module.source_path.as_os_str()
    }

    /// `file`, `package` or `project`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.module.kind.name()
    }

    /// The folder to search for submodules, for a package.
    #[getter]
    fn package_folder(&self) -> Option<&OsStr> {
        match self.module.kind {
            ModuleKind::Package => self.module.source_path.parent().map(Path::as_os_str),
            ModuleKind::File | ModuleKind::Project => None,
        }
    }
}

/// Finds modules and their libraries for one interpreter.
#[pyclass(module = "zigimport._native", subclass, frozen)]
pub struct Finder {
    pub(crate) extension_suffix: String,
    pub(crate) virtual_env: Option<PathBuf>,
    find_files: bool,
    find_projects: bool,
}

/// Path of a library, its key, compiler version and optimize mode.
type Hit = (OsString, String, String, String);

#[pymethods]
impl Finder {
    #[new]
    #[pyo3(signature = (extension_suffix, virtual_env, find_files = true, find_projects = true))]
    fn new(extension_suffix: String, virtual_env: Option<PathBuf>, find_files: bool, find_projects: bool) -> Self {
        Self { extension_suffix, virtual_env, find_files, find_projects }
    }

    /// Returns the module `name` on `path`, or `None`. Looks at names only.
    ///
    /// `path` is `sys.path` or a package's `__path__`; entries that are no
    /// strings or no folders are passed over, as Python does.
    fn locate(&self, name: &str, path: &Bound<'_, PyAny>, is_top_level: bool) -> PyResult<Option<Found>> {
        let leaf = name.rsplit('.').next().unwrap_or(name);
        if leaf.is_empty() || leaf.contains(['/', '\\', '\0']) {
            return Ok(None);
        }
        for entry in path.try_iter()? {
            let entry = entry?;
            let Ok(text) = entry.cast::<PyString>() else {
                continue;
            };
            let Ok(folder) = text.extract::<PathBuf>() else {
                continue;
            };
            if let Some(found) = self.locate_in(&folder, name, leaf) {
                return Ok(Some(found));
            }
        }
        if is_top_level {
            for folder in config::include_paths() {
                if let Some(found) = self.locate_in(&folder, name, leaf) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Returns the library of a module if nothing changed since it was built:
    /// its path, key, compiler version and optimize mode. Paths are `str`, because
    /// a `pathlib` path would load a module that a hit does without.
    ///
    /// Reads file metadata and one manifest; `None` is a miss. With
    /// `must_look` the inputs are looked at whatever the settings say.
    #[pyo3(signature = (found, search_path, optimize, must_look = false))]
    fn cached(
        &self,
        py: Python<'_>,
        found: &Found,
        search_path: &Bound<'_, PyAny>,
        optimize: Option<&str>,
        must_look: bool,
    ) -> PyResult<Option<Hit>> {
        let mut request = Request::new(py, self, search_path, optimize, false, None, None, false, None)?;
        if must_look {
            request.layer.force_rebuild = false;
            request.layer.release_mode = false;
            request.layer.track_deps = true;
        }
        let hit = py.detach(|| request.cached(&found.module)).map_err(|error| exception(py, &error))?;
        Ok(hit.map(|loadable| {
            let record = loadable.record;
            (loadable.path.into_os_string(), record.key, record.zig_version, record.optimize)
        }))
    }

    /// Returns whether there is an audit log.
    #[staticmethod]
    fn is_audited() -> bool {
        config::audit_log().is_some()
    }

    #[getter]
    fn extension_suffix(&self) -> &str {
        &self.extension_suffix
    }
}

impl Finder {
    fn locate_in(&self, folder: &Path, name: &str, leaf: &str) -> Option<Found> {
        let folder = if folder.as_os_str().is_empty() {
            std::env::current_dir().ok()?
        } else if folder.is_absolute() {
            folder.to_owned()
        } else {
            std::path::absolute(folder).ok()?
        };
        let folder = normalize(&folder);
        let named = folder.join(leaf);
        let mut candidates: Vec<(PathBuf, ModuleKind)> = Vec::with_capacity(3);
        if self.find_files {
            candidates.push((folder.join(format!("{leaf}.zig")), ModuleKind::File));
        }
        if self.find_projects {
            candidates.push((named.join("build.zig"), ModuleKind::Project));
        }
        if self.find_files {
            candidates.push((named.join("__init__.zig"), ModuleKind::Package));
        }
        let (source_path, kind) = candidates.into_iter().find(|(path, kind)| match kind {
            ModuleKind::Project => editor::is_project_file(path),
            ModuleKind::File | ModuleKind::Package => path.is_file(),
        })?;
        // `build.zig` beside other files is a build, and not the module `build`.
        if kind == ModuleKind::File && leaf == "build" {
            return None;
        }
        Some(Found { module: Module { name: name.to_owned(), source_path, kind } })
    }
}
