//! Finds the modules that a path on the command line stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::closure::{self, Module, ModuleKind};
use crate::editor;
use crate::error::{Error, Result};
use crate::guest::Scanner;
use crate::parallel;
use crate::stamp;

/// Folders that a person would not look into for modules.
const SKIPPED: &[&str] = &["zig-pkg", "node_modules", "target"];

/// A folder with one of these is a cache or a virtual environment.
const FOREIGN_MARKS: &[&str] = &["CACHEDIR.TAG", "pyvenv.cfg"];

fn is_skipped(name: &str) -> bool {
    name.starts_with('.') || SKIPPED.contains(&name) || stamp::is_ignored(name)
}

/// Finds the modules below a path: the path itself, or every importable one in a folder.
///
/// # Errors
/// The path is neither.
pub fn modules_at(path: &Path) -> Result<Vec<Module>> {
    if !path.is_dir() || editor::is_project_file(&path.join("build.zig")) {
        return Ok(vec![Module::from_path(path)?]);
    }
    let modules = modules_below(path)?;
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
    FOREIGN_MARKS.iter().any(|mark| folder.join(mark).is_file())
}

/// Takes the `.zig` files of a folder that are no parts of another one: a file
/// that another one imports is named to be taken by itself.
fn modules_below(folder: &Path) -> Result<Vec<Module>> {
    let mut candidates = Vec::new();
    collect(folder, &mut candidates)?;
    candidates.sort_by(|left, right| left.source_path.cmp(&right.source_path));
    let is_file = |module: &&Module| module.kind != ModuleKind::Project;
    let mut imports = Imports::of(candidates.iter().filter(is_file).map(|module| module.source_path.clone()).collect());
    let reached: Vec<BTreeSet<PathBuf>> = candidates
        .iter()
        .map(|module| match module.kind {
            ModuleKind::Project => BTreeSet::new(),
            ModuleKind::File | ModuleKind::Package => imports.reached_from(&module.source_path),
        })
        .collect();
    let indices: BTreeMap<&Path, usize> =
        candidates.iter().enumerate().map(|(index, module)| (module.source_path.as_path(), index)).collect();
    let depth = |index: usize| candidates[index].source_path.components().count();
    let mut is_part = vec![false; candidates.len()];
    for (whole, files) in reached.iter().enumerate() {
        for part in files.iter().filter_map(|path| indices.get(path.as_path()).copied()) {
            // Of files that import each other, the outermost is the module.
            let is_cycle = reached[part].contains(&candidates[whole].source_path);
            is_part[part] |= whole != part && (!is_cycle || depth(whole) < depth(part));
        }
    }
    let mut is_part = is_part.into_iter();
    candidates.retain(|_| !is_part.next().unwrap_or(false));
    Ok(candidates)
}

/// Which file imports which, each scanned once.
struct Imports {
    scanner: Option<Scanner>,
    known: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Imports {
    /// Scans files, in parallel where that pays.
    fn of(paths: Vec<PathBuf>) -> Self {
        let one = |scanner: &mut Option<Scanner>, path: PathBuf| {
            let imports = imports_of(scanner, &path);
            (path, imports)
        };
        let known = parallel::map(paths, one);
        Self { scanner: None, known: known.into_iter().collect() }
    }

    /// Returns every file that `path` reaches, without itself unless in a cycle.
    fn reached_from(&mut self, path: &Path) -> BTreeSet<PathBuf> {
        let mut reached = BTreeSet::new();
        let mut pending = vec![path.to_owned()];
        while let Some(path) = pending.pop() {
            if !self.known.contains_key(&path) {
                let imports = imports_of(&mut self.scanner, &path);
                self.known.insert(path.clone(), imports);
            }
            for import in &self.known[&path] {
                if reached.insert(import.clone()) {
                    pending.push(import.clone());
                }
            }
        }
        reached
    }
}

/// A file that cannot be read or scanned imports nothing; its own module will say why.
fn imports_of(scanner: &mut Option<Scanner>, path: &Path) -> Vec<PathBuf> {
    closure::imports(scanner, path).unwrap_or_default()
}

fn collect(folder: &Path, found: &mut Vec<Module>) -> Result<()> {
    let failed = |error: std::io::Error| Error::Scan { path: folder.to_owned(), reason: error.to_string() };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_skipped(&name) || entry.file_type().is_ok_and(|kind| kind.is_symlink() && path.is_dir()) {
            continue;
        }
        if path.is_dir() {
            if is_foreign(&path) {
                continue;
            }
            if editor::is_project_file(&path.join("build.zig")) {
                found.push(Module::from_path(&path)?);
            } else {
                collect(&path, found)?;
            }
        } else if name.ends_with(".zig") && name != "build.zig" {
            // A file that could not be imported under its name is a part of something else.
            found.extend(Module::from_path(&path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let names: Vec<String> = modules_at(folder.path()).unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["m", "whole", "x", "y"]);
    }
}
