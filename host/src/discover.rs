//! Finds the modules that a path on the command line stands for.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::closure::{self, Module, ModuleKind};
use crate::editor;
use crate::error::{Error, Result};
use crate::guest::Scanner;
use crate::guest::source::{Binding, DeclarationKind, Language, Parameter};
use crate::parallel;
use crate::plugin::description;
use crate::sources::Sources;
use crate::stamp;

/// Folders that a person would not look into for modules.
const SKIPPED: &[&str] = &["zig-pkg", "node_modules", "target"];

/// A folder with one of these beside a plugin's manifest has what the plugin is made
/// of, or the cases that it is checked with.
const PLUGIN_MARKS: [&str; 2] = ["plugin.zig", "cases"];

/// A folder with one of these is a cache or a virtual environment.
const FOREIGN_MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];

fn is_skipped(name: &str) -> bool {
    name.starts_with('.') || SKIPPED.contains(&name) || stamp::is_ignored(name)
}

/// Finds the modules below a path: the path itself, or every importable one in a
/// folder. Files are looked up in `sources`.
///
/// # Errors
/// The path is neither.
pub fn modules_at(sources: &Sources, path: &Path) -> Result<Vec<Module>> {
    if !path.is_dir() || editor::is_project_file(&path.join("build.zig")) {
        return Ok(vec![Module::from_path(path)?]);
    }
    let modules = modules_below(sources, path)?;
    if modules.is_empty() {
        return Err(Error::Module {
            message: format!("no Zig module in `{}`", path.display()),
            hint: Some("name a .zig file, or a folder that has some".to_owned()),
        });
    }
    Ok(modules)
}

/// Returns the folders below a path, and the path, in which a new file may be, or
/// belong to, a module; none for a path that is one module.
#[must_use]
pub fn folders_at(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut pending: Vec<PathBuf> =
        std::path::absolute(path).into_iter().map(|path| closure::normalize(&path)).collect();
    pending.retain(|path| path.is_dir());
    while let Some(folder) = pending.pop() {
        if folder.join("build.zig").is_file() {
            continue;
        }
        // A folder that cannot be read has no modules.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let inner = entry.path();
            if is_folder && !is_skipped(&entry.file_name().to_string_lossy()) && !is_foreign(&inner) {
                pending.push(inner);
            }
        }
        folders.push(folder);
    }
    folders
}

fn is_foreign(folder: &Path) -> bool {
    FOREIGN_MARKS.iter().any(|mark| folder.join(mark).is_file()) || is_plugin(folder)
}

/// Returns whether a plugin is made in a folder.
fn is_plugin(folder: &Path) -> bool {
    PLUGIN_MARKS.iter().any(|mark| folder.join(mark).exists())
        && std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
            let path = entry.path();
            path.extension().is_some_and(|end| end == "toml") && description::is_manifest(&path)
        })
}

/// Takes the `.zig` files of a folder that are no parts of another one: a file
/// that another one imports is named to be taken by itself, unless it is a
/// submodule of a package in Zig that Python could import.
fn modules_below(sources: &Sources, folder: &Path) -> Result<Vec<Module>> {
    let folder = std::path::absolute(folder).map_err(|error| Error::cache("find", folder, &error))?;
    let mut candidates = candidates_below(closure::normalize(&folder))?;
    candidates.sort_by(|left, right| left.source_path.cmp(&right.source_path));
    let imports = Imports::of(sources, &candidates);
    let reached: Vec<Vec<usize>> = candidates
        .iter()
        .enumerate()
        .map(|(index, module)| match module.kind {
            ModuleKind::Project => Vec::new(),
            ModuleKind::File | ModuleKind::Package => imports.reached_from(index),
        })
        .collect();
    let depth = |index: usize| candidates[index].source_path.components().count();
    let mut is_part = vec![false; candidates.len()];
    for (whole, files) in reached.iter().enumerate() {
        for part in files.iter().copied().filter(|file| *file < candidates.len() && *file != whole) {
            // Of files that import each other, the outermost is the module.
            let is_cycle = reached[part].binary_search(&whole).is_ok();
            is_part[part] |= !is_cycle || depth(whole) < depth(part);
        }
    }
    let packages: HashSet<PathBuf> = candidates
        .iter()
        .filter(|module| module.kind == ModuleKind::Package)
        .map(|module| module.folder().to_owned())
        .collect();
    let mut scanner = None;
    let mut is_part = is_part.into_iter();
    candidates.retain(|module| {
        let is_part = is_part.next().unwrap_or(false);
        !is_part || (packages.contains(module.folder()) && has_function(sources, &mut scanner, &module.source_path))
    });
    Ok(candidates)
}

/// Returns whether a file has a function that Python could call, by what a scan
/// tells: a file without one is no module, and building it would fail.
fn has_function(sources: &Sources, scanner: &mut Option<Scanner>, path: &Path) -> bool {
    let Ok(known) = sources.file(scanner, path, closure::SOURCE_BYTES_MAX, Some(Language::Zig)) else { return false };
    let scan = known.scan();
    let is_concrete = |Parameter { type_text, .. }: &Parameter| {
        !type_text.starts_with("comptime ") && !matches!(type_text.as_str(), "type" | "anytype")
    };
    scan.binding != Binding::Plain
        || scan.declarations.iter().any(|one| {
            one.kind == DeclarationKind::Function && one.type_text != "type" && one.parameters.iter().all(is_concrete)
        })
}

/// Which file imports which, as indices: the candidates first, then what else
/// they lead to.
struct Imports(Vec<Vec<usize>>);

impl Imports {
    /// Scans the candidates and what they lead to, level by level.
    fn of(sources: &Sources, candidates: &[Module]) -> Self {
        let mut paths: Vec<PathBuf> = candidates.iter().map(|module| module.source_path.clone()).collect();
        let mut indices: HashMap<PathBuf, usize> =
            paths.iter().enumerate().map(|(index, path)| (path.clone(), index)).collect();
        let mut known: Vec<Vec<usize>> = Vec::with_capacity(paths.len());
        while known.len() < paths.len() {
            let one = |scanner: &mut Option<Scanner>, path: &PathBuf| {
                // A file that cannot be read or scanned imports nothing; its own module will say why.
                closure::imports(sources, scanner, path).unwrap_or_default()
            };
            for imports in parallel::map(paths[known.len()..].iter().collect(), one) {
                let mut index_of = |path: PathBuf| {
                    *indices.entry(path).or_insert_with_key(|path| {
                        paths.push(path.clone());
                        paths.len() - 1
                    })
                };
                known.push(imports.into_iter().map(&mut index_of).collect());
            }
        }
        Self(known)
    }

    /// Returns every file that a file reaches, sorted, without itself unless in a cycle.
    fn reached_from(&self, index: usize) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut seen = HashSet::new();
        let mut pending = vec![index];
        while let Some(index) = pending.pop() {
            for import in self.0[index].iter().copied().filter(|import| seen.insert(*import)) {
                reached.push(import);
                pending.push(import);
            }
        }
        reached.sort_unstable();
        reached
    }
}

/// Returns every file and project of a folder that may be a module.
fn candidates_below(folder: PathBuf) -> Result<Vec<Module>> {
    let mut candidates = Vec::new();
    let mut level = vec![Listing { modules: Vec::new(), folders: vec![folder] }];
    let mut is_outermost = true;
    while !level.is_empty() {
        let folders: Vec<PathBuf> = level.iter_mut().flat_map(|listing| listing.folders.drain(..)).collect();
        level = parallel::map(folders, |(): &mut (), folder| Listing::of(folder, is_outermost))
            .into_iter()
            .collect::<Result<_>>()?;
        candidates.extend(level.iter_mut().flat_map(|listing| listing.modules.drain(..)));
        level.retain(|listing| !listing.folders.is_empty());
        is_outermost = false;
    }
    Ok(candidates)
}

/// What lies in one folder.
#[derive(Default)]
struct Listing {
    modules: Vec<Module>,
    folders: Vec<PathBuf>,
}

impl Listing {
    /// Lists a folder. The outermost one was asked for, whatever it is.
    fn of(folder: PathBuf, is_outermost: bool) -> Result<Self> {
        let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        // In a folder that cannot be listed, any name may be.
        let has = |wanted: &str| entries.as_ref().map_or(true, |all| all.iter().any(|one| *one.file_name() == *wanted));
        if !is_outermost {
            if FOREIGN_MARKS.into_iter().chain(PLUGIN_MARKS).any(&has) && is_foreign(&folder) {
                return Ok(Self::default());
            }
            if has("build.zig") && editor::is_project_file(&folder.join("build.zig")) {
                return Ok(Self { modules: vec![Module::from_path(&folder)?], folders: Vec::new() });
            }
        }
        let mut listing = Self::default();
        let mut package = None;
        for entry in entries.map_err(|error| Error::Scan { path: folder.clone(), reason: error.to_string() })? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_skipped(&name) {
                continue;
            }
            let kind = entry.file_type().ok();
            if kind.is_some_and(|kind| kind.is_dir()) {
                listing.folders.push(entry.path());
                continue;
            }
            if !name.ends_with(".zig") || name == "build.zig" {
                continue;
            }
            let path = entry.path();
            // A link to a folder is not followed, and one that leads nowhere is no file.
            if kind.is_none_or(|kind| kind.is_symlink()) && !std::fs::metadata(&path).is_ok_and(|at| !at.is_dir()) {
                continue;
            }
            let kind = if name == "__init__.zig" { ModuleKind::Package } else { ModuleKind::File };
            let package = package.get_or_insert_with(|| closure::package_of(&folder));
            let above =
                if kind == ModuleKind::File { &package[..] } else { &package[..package.len().saturating_sub(1)] };
            // A file that could not be imported under its name is a part of something else.
            listing.modules.extend(Module::named(path, kind, above));
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_below(folder: &Path) -> Vec<String> {
        modules_at(&Sources::unknown(), folder).unwrap().into_iter().map(|module| module.name).collect()
    }

    #[test]
    fn a_submodule_is_a_module_although_another_file_imports_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir_all(folder.path().join("pk/sub")).unwrap();
        std::fs::create_dir_all(folder.path().join("pk/inner")).unwrap();
        write(
            "pk/__init__.zig",
            "const a = @import(\"a.zig\"); const b = @import(\"b.zig\"); const c = @import(\"c.zig\");\n\
             const d = @import(\"inner/d.zig\"); const s = @import(\"sub/__init__.zig\");",
        );
        write("pk/a.zig", "pub fn f(x: u8) u8 { return x; }");
        write(
            "pk/b.zig",
            "pub fn f(comptime T: type, x: T) T { return x; }\npub fn List(x: u8) type { return [x]u8; }",
        );
        write("pk/c.zig", "const Point = struct { x: u8 };");
        write("pk/inner/d.zig", "pub fn f(x: u8) u8 { return x; }");
        write("pk/sub/__init__.zig", "pub fn f(x: u8) u8 { return x; }");
        // The package is Python's: a file that only Zig imports is a part.
        std::fs::create_dir(folder.path().join("py")).unwrap();
        write("py/__init__.py", "");
        write("py/fast.zig", "const helper = @import(\"helper.zig\");");
        write("py/helper.zig", "pub fn f(x: u8) u8 { return x; }");
        assert_eq!(names_below(folder.path()), ["pk", "pk.a", "pk.sub", "py.fast"]);
    }

    #[test]
    fn where_a_plugin_is_made_there_are_no_modules() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir_all(folder.path().join("notes/cases")).unwrap();
        std::fs::create_dir_all(folder.path().join("data/cases")).unwrap();
        write("m.zig", "");
        write("notes/notes.toml", "name = \"notes\"\nworld = \"zigimport:plugin@0.1.0\"\ndigest = \"\"");
        write("notes/plugin.zig", "");
        write("notes/cases/a.zig", "");
        write("data/data.toml", "world = \"another\"");
        write("data/cases/b.zig", "");
        assert_eq!(names_below(folder.path()), ["b", "m"]);
        assert_eq!(names_below(&folder.path().join("notes/cases")), ["a"]);
        let inner = folders_at(folder.path());
        assert!(inner.contains(&folder.path().join("data/cases")));
        assert!(!inner.iter().any(|one| one.starts_with(folder.path().join("notes"))), "{inner:?}");
    }

    #[test]
    fn parts_are_no_modules_and_a_cycle_keeps_its_members() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        write("m.zig", "const a = @import(\"inner/a.zig\");");
        write("inner/a.zig", "const b = @import(\"b.zig\");");
        write("inner/b.zig", "");
        write("inner/back.zig", "const w = @import(\"../whole.zig\");");
        write("whole.zig", "const b = @import(\"inner/back.zig\");");
        write("x.zig", "const y = @import(\"y.zig\");");
        write("y.zig", "const x = @import(\"x.zig\");");
        let names: Vec<String> =
            modules_at(&Sources::unknown(), folder.path()).unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["m", "whole", "x", "y"]);
    }
}
