//! The C side of a closure: what C sources and `@cInclude` lead to.
//!
//! Nothing is preprocessed. Each `#include` is looked up in the order in which
//! the compiler looks, in branches that are not taken too; every place in front
//! of the one that is found is recorded as absent, because a file that appears
//! there would be taken instead. What is found in no folder of the user's is
//! the system's, which the compiler's identity covers.
//!
//! A name that a macro stands for is looked for everywhere, and so is every
//! macro's value that may be one. What assembly includes is told by no compiler,
//! so it is looked up in the same way.

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
/// Other spellings of these.
const LONG_FLAGS: [(&str, &str); 4] = [
    ("--include-directory", "-I"),
    ("--include-directory-after", "-idirafter"),
    ("--include", "-include"),
    ("--imacros", "-imacros"),
];
/// Flags that lead to files in ways that are not followed.
const REFUSED_FLAGS: [&str; 11] = [
    "--config",
    "-Wp,",
    "-Xpreprocessor",
    "-c-isystem",
    "-cxx-isystem",
    "-include-pch",
    "-iprefix",
    "-isystem-after",
    "-ivfsoverlay",
    "-iwithprefix",
    "-I-",
];

/// Returns a flag for the C compiler whose files would not be inputs, with what
/// to write in its place.
#[must_use]
pub fn refused(flags: &[String]) -> Option<(&str, &'static str)> {
    let named = |flag: &str| REFUSED_FLAGS.iter().any(|refused| flag.starts_with(refused));
    flags.iter().enumerate().find_map(|(index, flag)| {
        if flag.starts_with('@') {
            return Some((flag.as_str(), "the flags themselves: a change in the file that has them would not be seen"));
        }
        let handed_on = index > 0 && flags[index - 1] == "-Xclang" && parts(flag).is_some();
        (named(flag) || handed_on).then_some((
            flag.as_str(),
            "folders of headers in a line `include-paths = …`, or as `-I`, `-iquote`, `-isystem` or `-idirafter`, and a \
             file to include first as `-include`: a change in what this flag leads to would not be seen",
        ))
    })
}

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
    let mut walk = Walk::new(&closure.include_folders(module), &flags, &closure.project_root);
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
        walk.note(dependency, module.folder());
    }
    walk.values.extend(flags.iter().filter_map(|(flag, _)| defined_name(flag)));
    let mut scanner = None;
    while let Some((path, role)) = walk.next() {
        let language = (role != Role::Embedded).then_some(Language::C);
        let known = sources.file(&mut scanner, &path, closure::INPUT_BYTES_MAX, language).map_err(|error| {
            if role == Role::CSource { named_by_setting(error, &path, module, closure) } else { error }
        })?;
        let input = closure::input_of(&known, &path, role, &closure.project_root);
        if language.is_some() {
            let scan = known.scan();
            closure::note(&scan, &input, closure);
            let folder = path.parent().unwrap_or(Path::new("/"));
            for dependency in &scan.dependencies {
                match dependency.kind {
                    DependencyKind::CDefine => {
                        walk.values.insert(closure::os_path(&dependency.operand));
                    }
                    kind if dependency.literal && !is_assembly(kind) => {
                        walk.look_up(kind, &closure::os_path(&dependency.operand), folder);
                    }
                    _ => walk.note(dependency, folder),
                }
            }
        }
        closure.inputs.push(input);
    }
    absent.extend(walk.absent);
    closure.header_folders = walk.quoted.into_iter().chain(walk.angled).collect();
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

/// Takes each flag apart from its path, and gives it its short spelling; the
/// path of any other flag is empty.
fn split(flags: &[String]) -> Vec<(String, String)> {
    let mut split = Vec::with_capacity(flags.len());
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        split.push(match parts(flag) {
            Some((known, Some(path))) => (known.to_owned(), path.to_owned()),
            Some((known, None)) => (known.to_owned(), rest.next().cloned().unwrap_or_default()),
            None => (flag.clone(), String::new()),
        });
    }
    split
}

/// Returns the short spelling of a flag with a path, and its path where that is
/// not the next word.
fn parts(flag: &str) -> Option<(&'static str, Option<&str>)> {
    for (long, short) in LONG_FLAGS {
        match flag.strip_prefix(long) {
            Some("") => return Some((short, None)),
            Some(rest) if rest.starts_with('=') => return Some((short, Some(&rest[1..]))),
            _ => {}
        }
    }
    let (known, path) =
        FOLDER_FLAGS.iter().chain(&FILE_FLAGS).find_map(|known| Some((*known, flag.strip_prefix(known)?)))?;
    Some((known, (!path.is_empty()).then_some(path)))
}

/// Returns the name of a file that `-DNAME="…"` gives a macro.
fn defined_name(flag: &str) -> Option<PathBuf> {
    let (_, value) = flag.strip_prefix("-D")?.split_once('=')?;
    let quoted = |open: char, close: char| value.strip_prefix(open)?.strip_suffix(close);
    quoted('"', '"').or_else(|| quoted('<', '>')).filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// Returns whether assembly names the file.
fn is_assembly(kind: DependencyKind) -> bool {
    matches!(kind, DependencyKind::AssemblerEmbed | DependencyKind::AssemblerInclude)
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
    /// Where the compiler runs.
    root: PathBuf,
    /// What macros stand for, and the folders of the files that name a file by one.
    values: BTreeSet<PathBuf>,
    computed: BTreeSet<(PathBuf, Role)>,
    /// Those that were looked for.
    tried: BTreeSet<(PathBuf, PathBuf, Role)>,
}

impl Walk {
    fn new(folders: &[PathBuf], flags: &[(String, String)], root: &Path) -> Self {
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
            root: root.to_owned(),
            values: BTreeSet::new(),
            computed: BTreeSet::new(),
            tried: BTreeSet::new(),
        }
    }

    /// Returns the next file. Macros are looked at once no other file is left:
    /// until then more of them may be found.
    fn next(&mut self) -> Option<(PathBuf, Role)> {
        if self.pending.is_empty() {
            for (folder, role) in self.computed.clone() {
                for value in self.values.clone() {
                    if self.tried.insert((folder.clone(), value.clone(), role)) {
                        self.look_everywhere(&value, Some(&folder), role);
                    }
                }
            }
        }
        self.pending.pop()
    }

    /// Takes what assembly in a file of `folder` names, or what a macro stands for.
    fn note(&mut self, dependency: &Dependency, folder: &Path) {
        let role = match dependency.kind {
            DependencyKind::CEmbed | DependencyKind::AssemblerEmbed => Role::Embedded,
            DependencyKind::QuotedInclude
            | DependencyKind::AngledInclude
            | DependencyKind::NextInclude
            | DependencyKind::AssemblerInclude => Role::Header,
            _ => return,
        };
        if dependency.literal {
            if is_assembly(dependency.kind) {
                self.look_everywhere(&closure::os_path(&dependency.operand), None, role);
            }
        } else {
            self.computed.insert((folder.to_owned(), role));
        }
    }

    /// Takes every file that a name may lead to: which of them it is depends on
    /// what is not known here.
    fn look_everywhere(&mut self, operand: &Path, own: Option<&Path>, role: Role) {
        let folders = [own, Some(&self.root)].into_iter().flatten();
        let places = folders.chain(self.quoted.iter().chain(&self.angled).map(PathBuf::as_path));
        for path in places.map(|folder| folder.join(operand)).collect::<Vec<_>>() {
            if path.is_file() {
                self.add(plain(path), role);
            } else if !path.exists() {
                self.absent.insert(path);
            }
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
    fn each_spelling_of_a_flag_carries_its_path() {
        let flags = words(
            "--include-directory=a --include-directory b -isystemc --include-directory-after=d --include e.h \
             -includef.h --imacros=g.h -Ih -DX",
        );
        let expected = [
            ("-I", "a"),
            ("-I", "b"),
            ("-isystem", "c"),
            ("-idirafter", "d"),
            ("-include", "e.h"),
            ("-include", "f.h"),
            ("-imacros", "g.h"),
            ("-I", "h"),
            ("-DX", ""),
        ];
        assert_eq!(split(&flags), expected.map(|(flag, path)| (flag.to_owned(), path.to_owned())));
        assert_eq!(refused(&flags), None);
        for flag in ["@a", "--config=a", "-Xclang -I", "-Wp,-Ia", "-isystem-after"] {
            assert!(refused(&words(flag)).is_some(), "{flag}");
        }
        assert_eq!(refused(&words("-Xclang -fno-builtin -include a.h")), None);
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
            let mut walk =
                Walk::new(&folders, &[("-iquote".to_owned(), at("quote").to_string_lossy().into_owned())], &at(""));
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
