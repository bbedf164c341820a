//! Finds the modules that a path on the command line stands for.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use crate::closure::{self, Module, ModuleKind};
use crate::editor;
use crate::error::{Error, Result};
use crate::guest::Scanner;
use crate::guest::source::{Binding, DeclarationKind, Language, Parameter};
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
/// folder. Files are looked up in `sources`, and folders below that cannot be listed
/// are noted there.
///
/// # Errors
/// The path is neither.
pub fn modules_at(sources: &Sources, path: &Path) -> Result<Vec<Module>> {
    if !path.is_dir() || editor::is_project_file(&path.join("build.zig")) {
        return Ok(vec![Module::from_path(path)?]);
    }
    let modules = modules_below(sources, path)?;
    if modules.is_empty() {
        if let Some((_, error)) = sources.take_unlisted().pop() {
            return Err(error);
        }
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
    let mut candidates = candidates_below(sources, closure::normalize(&folder))?;
    let packages: HashSet<PathBuf> = candidates
        .iter()
        .filter(|module| module.kind == ModuleKind::Package)
        .map(|module| module.folder().to_owned())
        .collect();
    let mut scanner = None;
    let mut is_part = Imports::of(sources, &candidates).parts(&candidates).into_iter();
    candidates.retain(|module| {
        let is_part = is_part.next().unwrap_or(false);
        !is_part || (packages.contains(module.folder()) && has_function(sources, &mut scanner, &module.source_path))
    });
    candidates.sort_by(|left, right| left.source_path.cmp(&right.source_path));
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
        let mut indices: HashMap<OsString, usize> =
            paths.iter().enumerate().map(|(index, path)| (path.as_os_str().to_owned(), index)).collect();
        let mut known: Vec<Vec<usize>> = Vec::with_capacity(paths.len());
        while known.len() < paths.len() {
            let one = |scanner: &mut Option<Scanner>, path: &PathBuf| {
                // A file that cannot be read or scanned imports nothing; its own module will say why.
                closure::imports(sources, scanner, path).unwrap_or_default()
            };
            for imports in sources.workers().map(paths[known.len()..].iter().collect(), one) {
                let mut index_of = |path: PathBuf| {
                    *indices.entry(path.into_os_string()).or_insert_with_key(|path| {
                        paths.push(path.into());
                        paths.len() - 1
                    })
                };
                known.push(imports.into_iter().map(&mut index_of).collect());
            }
        }
        Self(known)
    }

    /// Returns which candidates are parts of another one: each that one imports, at
    /// whatever depth. Of files that import each other, the outermost are modules.
    fn parts(&self, candidates: &[Module]) -> Vec<bool> {
        let is_whole = |file: usize| candidates.get(file).is_some_and(|module| module.kind != ModuleKind::Project);
        let depth = |file: usize| candidates[file].source_path.components().count();
        let cycles = self.cycles();
        let mut cycle_of = vec![0; self.0.len()];
        for (index, cycle) in cycles.iter().enumerate() {
            for file in cycle {
                cycle_of[*file] = index;
            }
        }
        let mut is_reached = vec![false; cycles.len()];
        let mut is_part = vec![false; candidates.len()];
        for (index, cycle) in cycles.iter().enumerate().rev() {
            let outermost = cycle.iter().copied().filter(|file| is_whole(*file)).map(depth).min();
            for file in cycle.iter().copied().filter(|file| *file < candidates.len()) {
                is_part[file] = is_reached[index] || outermost.is_some_and(|outermost| outermost < depth(file));
            }
            if outermost.is_some() || is_reached[index] {
                // What a project's build file imports is not taken for a part.
                let leading = cycle.iter().filter(|file| **file >= candidates.len() || is_whole(**file));
                for import in leading.flat_map(|file| &self.0[*file]).filter(|import| cycle_of[**import] != index) {
                    is_reached[cycle_of[*import]] = true;
                }
            }
        }
        is_part
    }

    /// Returns the files in groups that import each other, each group behind all
    /// that it imports (Tarjan's algorithm).
    fn cycles(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let mut cycles = Vec::new();
        let mut order = vec![UNSEEN; self.0.len()];
        let mut lowest = vec![0; self.0.len()];
        let mut is_open = vec![false; self.0.len()];
        let mut open = Vec::new();
        let mut count = 0;
        for start in 0..self.0.len() {
            // A file and how many of its imports were looked at.
            let mut path = if order[start] == UNSEEN { vec![(start, 0)] } else { Vec::new() };
            while let Some((file, looked_at)) = path.last_mut() {
                let file = *file;
                if *looked_at == 0 {
                    (order[file], lowest[file]) = (count, count);
                    count += 1;
                    open.push(file);
                    is_open[file] = true;
                }
                if let Some(import) = self.0[file].get(*looked_at).copied() {
                    *looked_at += 1;
                    if order[import] == UNSEEN {
                        path.push((import, 0));
                    } else if is_open[import] {
                        lowest[file] = lowest[file].min(order[import]);
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    lowest[*parent] = lowest[*parent].min(lowest[file]);
                }
                if lowest[file] == order[file] {
                    let first = open.iter().rposition(|other| *other == file).unwrap_or(0);
                    let cycle = open.split_off(first);
                    for member in &cycle {
                        is_open[*member] = false;
                    }
                    cycles.push(cycle);
                }
            }
        }
        cycles
    }
}

/// Returns every file and project of a folder that may be a module.
fn candidates_below(sources: &Sources, folder: PathBuf) -> Result<Vec<Module>> {
    let mut candidates = Vec::new();
    let mut level = vec![Listing { folders: vec![folder], ..Listing::default() }];
    let mut is_outermost = true;
    while !level.is_empty() {
        let folders: Vec<PathBuf> = level.iter_mut().flat_map(|listing| listing.folders.drain(..)).collect();
        level = sources
            .workers()
            .map(folders, |(): &mut (), folder| Listing::of(folder, is_outermost))
            .into_iter()
            .collect::<Result<_>>()?;
        sources.note_unlisted(level.iter_mut().filter_map(|listing| listing.unlisted.take()));
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
    /// The folder itself, if it cannot be listed, and why.
    unlisted: Option<(PathBuf, Error)>,
}

impl Listing {
    /// Lists a folder. The outermost one was asked for, whatever it is.
    fn of(folder: PathBuf, is_outermost: bool) -> Result<Self> {
        let named = |entry: DirEntry| (entry.file_name(), entry);
        let entries: std::io::Result<Vec<_>> =
            std::fs::read_dir(&folder).and_then(|entries| entries.map(|entry| entry.map(named)).collect());
        // In a folder that cannot be listed, any name may be.
        let has = |wanted: &str| entries.as_ref().map_or(true, |all| all.iter().any(|(name, _)| *name == *wanted));
        if !is_outermost {
            if FOREIGN_MARKS.into_iter().chain(PLUGIN_MARKS).any(&has) && is_foreign(&folder) {
                return Ok(Self::default());
            }
            if has("build.zig") && editor::is_project_file(&folder.join("build.zig")) {
                return Ok(Self { modules: vec![Module::from_path(&folder)?], ..Self::default() });
            }
        }
        let has_init = ["__init__.py", "__init__.zig"].into_iter().any(&has);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let error = Error::Scan { path: folder.clone(), reason: error.to_string() };
                if is_outermost {
                    return Err(error);
                }
                return Ok(Self { unlisted: Some((folder, error)), ..Self::default() });
            }
        };
        let mut listing = Self::default();
        let mut package = None;
        for (name, entry) in entries {
            let name = name.to_string_lossy();
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
            let package =
                package.get_or_insert_with(|| if has_init { closure::package_of(&folder) } else { Vec::new() });
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

    /// What is a part, said in another way: each candidate is compared with each
    /// other one that reaches it.
    fn parts_by_pairs(imports: &Imports, candidates: &[Module]) -> Vec<bool> {
        let reached = |from: usize| {
            let (mut seen, mut pending) = (vec![false; imports.0.len()], vec![from]);
            while let Some(file) = pending.pop() {
                let new: Vec<usize> = imports.0[file].iter().copied().filter(|import| !seen[*import]).collect();
                new.iter().for_each(|import| seen[*import] = true);
                pending.extend(new);
            }
            seen
        };
        let depth = |file: usize| candidates[file].source_path.components().count();
        let all: Vec<_> = (0..candidates.len()).map(reached).collect();
        let of = |part: usize| {
            let mut others = (0..candidates.len()).filter(|whole| *whole != part);
            others.any(|whole| all[whole][part] && (!all[part][whole] || depth(whole) < depth(part)))
        };
        (0..candidates.len()).map(of).collect()
    }

    #[test]
    fn parts_are_those_that_pairs_of_files_give() {
        let mut state = 7_u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % below
        };
        for _ in 0..2_000 {
            let files = 2 + random(7);
            let candidates: Vec<Module> = (0..2 + random(files - 1))
                .map(|number| Module {
                    name: number.to_string(),
                    source_path: PathBuf::from("/a/b/c/d").ancestors().nth(random(4)).unwrap().join("m.zig"),
                    kind: ModuleKind::File,
                })
                .collect();
            let edges = random(2 * files);
            let mut imports = vec![Vec::new(); files];
            for _ in 0..edges {
                let import = random(files);
                imports[random(files)].push(import);
            }
            let imports = Imports(imports);
            assert_eq!(imports.parts(&candidates), parts_by_pairs(&imports, &candidates), "{:?}", imports.0);
        }
    }

    #[test]
    fn a_long_cycle_is_one_group() {
        let imports = Imports((0..100_000).map(|file| vec![(file + 1) % 100_000]).collect());
        assert_eq!(imports.cycles().iter().map(Vec::len).collect::<Vec<_>>(), [100_000]);
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
