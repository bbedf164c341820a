//! What the host must know of the Python that will load the artifacts.

use std::path::{Path, PathBuf};

use crate::digest::{Digest, FieldHasher};

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
