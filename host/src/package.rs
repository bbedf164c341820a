//! Python packages that carry the Zig sources of a binding library.
//!
//! A package is found as the interpreter finds it, by files alone: nothing is
//! run. Its sources are inputs of every module that is written for it. Which
//! versions go together is the planner's to know.

use std::path::{Path, PathBuf};

use crate::closure::{self, Input, Module, Role};
use crate::error::{Error, Result};
use crate::interpreter;
use crate::sources::Sources;

/// Name of the package, and of the module that it gives to Zig.
pub const PYZ3: &str = "pyz3";

/// A source of a library that is larger than this is none.
const SOURCE_BYTES_MAX: u64 = 16 << 20;
/// Endings of what the compiler can read of a library.
const SOURCE_ENDINGS: [&str; 2] = ["zig", "h"];

/// The package of pyz3.
#[derive(Debug, Clone)]
pub struct Package {
    /// Version that its metadata name; a checkout has none.
    pub version: Option<String>,
    /// Folder of its Zig sources, absolute.
    pub sources: PathBuf,
    /// Its sources, named relative to the folder that the package lies in, sorted.
    pub inputs: Vec<Input>,
}

/// Looks for the sources on the interpreter's path; costs a few file look-ups.
#[must_use]
pub fn locate(search_path: &[PathBuf]) -> Option<PathBuf> {
    let found = search_path
        .iter()
        .map(|folder| folder.join(PYZ3).join("src"))
        .find(|sources| sources.join("pyz3.zig").is_file())?;
    std::path::absolute(found).ok().map(|sources| closure::normalize(&sources))
}

impl Package {
    /// Finds the package and reads its sources.
    ///
    /// # Errors
    /// A source cannot be read.
    pub fn find(sources: &Sources, search_path: &[PathBuf]) -> Result<Option<Self>> {
        locate(search_path).map(|folder| Self::at(sources, folder)).transpose()
    }

    fn at(files: &Sources, sources: PathBuf) -> Result<Self> {
        let site = sources.ancestors().nth(2).unwrap_or(&sources).to_owned();
        let mut inputs = Vec::new();
        let mut pending = vec![sources.clone()];
        while let Some(folder) = pending.pop() {
            let unreadable = |error: std::io::Error| Error::Scan { path: folder.clone(), reason: error.to_string() };
            for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let path = entry.path();
                // Links to folders are not followed: no installer makes them, and they may go round.
                if entry.file_type().map_err(unreadable)?.is_dir() {
                    pending.push(path);
                } else if is_source(&path) {
                    let known = files.file(&mut None, &path, SOURCE_BYTES_MAX, None)?;
                    inputs.push(closure::input_of(&known, &path, Role::Library, &site));
                }
            }
        }
        inputs.sort_by(|left, right| left.relative.cmp(&right.relative));
        let version = interpreter::installed(&site, PYZ3).map(|(version, _)| version);
        Ok(Self { version, sources, inputs })
    }

    /// Returns the headers that its modules `ffi` and `numpy_ffi` are translated
    /// from. Old releases have only the first.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, PathBuf)> {
        let named = |name: &'static str| (name, self.sources.join(name).with_extension("h"));
        [named("ffi"), named("numpy_ffi")].into_iter().filter(|(_, path)| path.is_file()).collect()
    }

    /// Returns what a person calls it.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{PYZ3} {}", self.version.as_deref().unwrap_or("of unknown version"))
    }
}

/// The binding libraries by the names that sources give them, each with the
/// versions that were seen to go together.
const KNOWN_VERSIONS: [(&str, &str); 3] = [
    ("PyOZ", "PyOZ 0.11 and 0.12 work with Zig 0.15, PyOZ 0.13 with Zig 0.16"),
    ("pydust", "pydust 0.26 works with Zig 0.15"),
    (PYZ3, "pyz3 0.11 works with Zig 0.15"),
];

/// The line of Zig that a release of each of them works with.
pub const KNOWN_LINE: &str = "0.15";

/// Returns which versions of a binding library and of Zig go together.
#[must_use]
pub fn known_versions(library: &str) -> Option<&'static str> {
    KNOWN_VERSIONS.into_iter().find(|(name, _)| *name == library).map(|(_, versions)| versions)
}

/// Returns which versions of the binding library go together that a project's
/// build files name, if they name one.
#[must_use]
pub fn known_versions_of_project(build_file: &Path) -> Option<&'static str> {
    let texts = ["zig", "zig.zon"].map(|ending| std::fs::read_to_string(build_file.with_extension(ending)));
    let is_named = |name: &str| texts.iter().flatten().any(|text| text.contains(name));
    KNOWN_VERSIONS.into_iter().find(|(name, _)| is_named(name)).map(|(_, versions)| versions)
}

fn is_source(path: &Path) -> bool {
    let is_file = || std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    path.extension().is_some_and(|ending| SOURCE_ENDINGS.iter().any(|known| ending == *known)) && is_file()
}

/// Writes the library's module `pyconf`, which its own build file makes: the
/// module's name, and the Python that the headers are of.
#[must_use]
pub fn configuration(module: &Module) -> String {
    format!(
        "pub const module_name: [:0]const u8 = \"{}\";\n\
         pub const limited_api = true;\n\
         pub const hexversion: []const u8 =\n    \
         @import(\"std\").fmt.comptimePrint(\"0x{{x:0>8}}\", .{{@import(\"ffi\").PY_VERSION_HEX}});\n",
        module.name.escape_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_package_on_the_path_is_taken_with_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let [empty, first, second] = ["empty", "first", "second"].map(|name| folder.path().join(name));
        for site in [&first, &second] {
            std::fs::create_dir_all(site.join("pyz3/src/types")).unwrap();
            std::fs::write(site.join("pyz3/src/pyz3.zig"), "").unwrap();
            std::fs::write(site.join("pyz3/src/ffi.h"), "").unwrap();
            std::fs::write(site.join("pyz3/src/types/bool.zig"), "").unwrap();
            std::fs::write(site.join("pyz3/src/notes.txt"), "").unwrap();
        }
        std::fs::create_dir(first.join("pyz3-0.11.0.dist-info")).unwrap();
        let found =
            Package::find(&Sources::unknown(), &[empty.clone(), first.clone(), second.clone()]).unwrap().unwrap();
        assert_eq!((found.version.as_deref(), &found.sources), (Some("0.11.0"), &first.join("pyz3/src")));
        let names: Vec<_> = found.inputs.iter().map(|input| input.relative.as_str()).collect();
        assert_eq!(names, ["pyz3/src/ffi.h", "pyz3/src/pyz3.zig", "pyz3/src/types/bool.zig"]);
        assert_eq!(found.headers(), [("ffi", first.join("pyz3/src/ffi.h"))]);
        assert_eq!(
            Package::find(&Sources::unknown(), &[second]).unwrap().unwrap().describe(),
            "pyz3 of unknown version"
        );
        assert!(Package::find(&Sources::unknown(), &[empty]).unwrap().is_none());
    }

    #[test]
    fn any_name_can_stand_in_the_configuration() {
        let module =
            Module { name: "we\"ird\\.größe".into(), source_path: "x.zig".into(), kind: closure::ModuleKind::File };
        let text = configuration(&module);
        assert!(
            text.starts_with("pub const module_name: [:0]const u8 = \"we\\\"ird\\\\.gr\\u{f6}\\u{df}e\";\n"),
            "{text}"
        );
        assert!(text.contains("comptimePrint(\"0x{x:0>8}\", .{@import(\"ffi\").PY_VERSION_HEX})"), "{text}");
    }
}
