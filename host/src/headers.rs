//! The C side of a closure: what C sources and `@cInclude` lead to.
//!
//! Nothing is preprocessed. Each `#include` is looked up in the order in which
//! the compiler looks, in branches that are not taken too; every place in front
//! of the one that is found is recorded as absent, because a file that appears
//! there would be taken instead. What is found in no folder of the user's is
//! the system's, which the compiler's identity covers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::closure::{self, Closure, Module, Role};
use crate::error::{Error, Result};
use crate::guest::source::{Dependency, DependencyKind, Language};
use crate::sources::Sources;

/// Flags of the C compiler that carry a folder of the search path.
const FOLDER_FLAGS: [&str; 4] = ["-iquote", "-isystem", "-idirafter", "-I"];
/// Flags that carry a file which is included first.
const FILE_FLAGS: [&str; 2] = ["-include", "-imacros"];

/// Adds the C sources of a module, and every header that they and `@cInclude`
/// lead to.
///
/// # Errors
/// A file cannot be read or scanned.
pub(crate) fn follow(
    sources: &Sources,
    module: &Module,
    closure: &mut Closure,
    absent: &mut Vec<PathBuf>,
) -> Result<()> {
    let flags = split(&c_flags(&closure.module_settings.c_flags, module.folder()));
    let mut walk = Walk::new(&closure.include_folders(module), &flags);
    for path in closure.c_sources(module) {
        walk.add(path, Role::CSource);
    }
    for (_, file) in flags.iter().filter(|(flag, _)| FILE_FLAGS.contains(&flag.as_str())) {
        walk.look_up(DependencyKind::QuotedInclude, Path::new(file), module.folder());
    }
    let zig = std::iter::once(&closure.root_scan).chain(closure.imported_scans.iter().map(|(_, scan)| scan));
    for dependency in zig.flat_map(|scan| &scan.dependencies) {
        if dependency.literal && dependency.kind == DependencyKind::CInclude {
            let operand = closure::os_path(&dependency.operand);
            walk.look_up(DependencyKind::AngledInclude, &operand, module.folder());
        }
    }
    let mut scanner = None;
    while let Some((path, role)) = walk.pending.pop() {
        let language = (role != Role::Embedded).then_some(Language::C);
        let known = sources.file(&mut scanner, &path, closure::INPUT_BYTES_MAX, language).map_err(|error| {
            if role == Role::CSource { named_by_setting(error, &path, module, closure) } else { error }
        })?;
        let input = closure::input_of(&known, &path, role, &closure.project_root);
        if language.is_some() {
            let scan = known.scan();
            closure::note(&scan, &input, closure);
            let folder = path.parent().unwrap_or(Path::new("/"));
            let named = scan.dependencies.iter().filter(|dependency| dependency.literal);
            for Dependency { kind, operand, .. } in named {
                walk.look_up(*kind, &closure::os_path(operand), folder);
            }
        }
        closure.inputs.push(input);
    }
    absent.extend(walk.absent);
    Ok(())
}

/// Says of a C source that cannot be read which setting names it.
fn named_by_setting(error: Error, path: &Path, module: &Module, closure: &Closure) -> Error {
    let is_named = |name: &str| closure::normalize(&module.folder().join(name)) == path;
    let setting = closure
        .root_scan
        .settings
        .iter()
        .find(|setting| setting.name == "c-sources" && setting.value.split_ascii_whitespace().any(is_named));
    match (error, setting) {
        (Error::Scan { path, reason }, Some(setting)) => {
            let place = format!("{}:{}", module.source_path.display(), setting.line);
            Error::Scan {
                path,
                reason: format!("{reason}; `//! zigimport: c-sources` names it ({place}), relative to that file"),
            }
        }
        (error, _) => error,
    }
}

/// Returns flags for the C compiler with relative paths made absolute: they are
/// relative to the module's own file, wherever the compiler runs.
#[must_use]
pub fn c_flags(flags: &[String], folder: &Path) -> Vec<String> {
    let absolute = |path: &str| closure::normalize(&folder.join(path)).to_string_lossy().into_owned();
    let mut made = Vec::with_capacity(flags.len());
    for (flag, value) in split(flags) {
        let is_folder = FOLDER_FLAGS.contains(&flag.as_str());
        made.push(flag);
        if is_folder || folder.join(&value).is_file() && !value.is_empty() {
            made.push(absolute(&value));
        } else if !value.is_empty() {
            made.push(value);
        }
    }
    made
}

/// Takes each flag apart from its path; the path of any other flag is empty.
fn split(flags: &[String]) -> Vec<(String, String)> {
    let mut parts = Vec::with_capacity(flags.len());
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        let mut carrying = FOLDER_FLAGS.iter().chain(&FILE_FLAGS);
        if let Some(known) = carrying.find(|known| *known == flag) {
            parts.push(((*known).to_owned(), rest.next().cloned().unwrap_or_default()));
            continue;
        }
        match FOLDER_FLAGS.iter().find_map(|known| Some((*known, flag.strip_prefix(known)?))) {
            Some((known, path)) => parts.push((known.to_owned(), path.to_owned())),
            None => parts.push((flag.clone(), String::new())),
        }
    }
    parts
}

/// The search path, and what was found and missed along it.
struct Walk {
    /// Searched for `"…"` alone, before the others.
    quoted: Vec<PathBuf>,
    /// Searched for both forms.
    angled: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
    pending: Vec<(PathBuf, Role)>,
    absent: BTreeSet<PathBuf>,
}

impl Walk {
    fn new(folders: &[PathBuf], flags: &[(String, String)]) -> Self {
        let of = |wanted: &'static str| {
            flags.iter().filter(move |(flag, _)| flag == wanted).map(|(_, path)| PathBuf::from(path))
        };
        let angled = folders.iter().cloned().chain(of("-I")).chain(of("-isystem")).chain(of("-idirafter"));
        Self {
            quoted: of("-iquote").collect(),
            angled: angled.collect(),
            seen: BTreeSet::new(),
            pending: Vec::new(),
            absent: BTreeSet::new(),
        }
    }

    fn add(&mut self, path: PathBuf, role: Role) {
        if self.seen.insert(path.clone()) {
            self.pending.push((path, role));
        }
    }

    /// Looks for what a file in `folder` names.
    fn look_up(&mut self, kind: DependencyKind, operand: &Path, folder: &Path) {
        let role = if kind == DependencyKind::CEmbed { Role::Embedded } else { Role::Header };
        let own = (kind != DependencyKind::AngledInclude).then(|| folder.to_owned());
        let quoted = own.iter().chain(self.quoted.iter().filter(|_| own.is_some()));
        for path in quoted.chain(&self.angled).map(|folder| folder.join(operand)).collect::<Vec<_>>() {
            if !path.is_file() {
                self.absent.insert(path);
                continue;
            }
            self.add(plain(path), role);
            // Which of them is the next one depends on where the first was found.
            if kind != DependencyKind::NextInclude {
                return;
            }
        }
    }
}

/// Resolves `..` by name where that leads to the same file; behind a link to a
/// folder it may not.
fn plain(path: PathBuf) -> PathBuf {
    let normal = closure::normalize(&path);
    let is_same = || std::fs::canonicalize(&path).ok() == std::fs::canonicalize(&normal).ok();
    if normal == path || is_same() { normal } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn paths_in_flags_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("first.h"), "").unwrap();
        let flags = words("-DX=1 -Iinclude -isystem ../lib -iquote/q -include first.h -include stdio.h -O2");
        let expected = format!(
            "-DX=1 -I {0}/include -isystem {1}/lib -iquote /q -include {0}/first.h -include stdio.h -O2",
            root.display(),
            root.parent().unwrap().display()
        );
        assert_eq!(c_flags(&flags, root), words(&expected));
    }

    #[test]
    fn every_place_in_front_of_a_header_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["src/own.h", "one/both.h", "two/both.h", "two/last.h"] {
            std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            std::fs::write(at(path), "").unwrap();
        }
        let folders = [at("one"), at("two")];
        let looked_up = |kind, operand: &str| {
            let mut walk = Walk::new(&folders, &[("-iquote".to_owned(), at("quote").to_string_lossy().into_owned())]);
            walk.look_up(kind, Path::new(operand), &at("src"));
            let found: Vec<_> = walk.pending.into_iter().map(|(path, _)| path).collect();
            (found, walk.absent.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(looked_up(DependencyKind::QuotedInclude, "own.h"), (vec![at("src/own.h")], vec![]));
        assert_eq!(
            looked_up(DependencyKind::QuotedInclude, "last.h"),
            (vec![at("two/last.h")], vec![at("one/last.h"), at("quote/last.h"), at("src/last.h")])
        );
        assert_eq!(looked_up(DependencyKind::AngledInclude, "../one/both.h").0, [at("one/both.h")]);
        assert_eq!(
            looked_up(DependencyKind::NextInclude, "both.h"),
            (vec![at("one/both.h"), at("two/both.h")], vec![at("quote/both.h"), at("src/both.h")])
        );
        assert_eq!(
            looked_up(DependencyKind::AngledInclude, "stdio.h"),
            (vec![], vec![at("one/stdio.h"), at("two/stdio.h")])
        );
    }
}
