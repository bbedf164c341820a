//! Stub files: what type checkers and editors know of a module. The binding puts
//! the text into the library; it is read from there without loading anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::closure::{Module, ModuleKind};
use crate::error::{Error, Result};
use crate::publish::{self, Existing};

/// Begins a stub that we wrote, and may replace.
const WRITTEN: &str = "# Written by zigimport";

/// Begins each piece of a stub in a library; `stub.zig` of the binding writes it.
/// A number, a line feed, the text and a zero byte follow.
const MARK: &str = "# zigimport stub ";

/// Stands before each name in a piece that is not the module's own.
const OUTSIDE: char = '\u{1}';

/// Stand before and after lines of a piece that are indented.
const INDENT: char = '\u{2}';
const DEDENT: char = '\u{3}';

/// Stands before and after a doc string.
const DOC: char = '\u{4}';

/// Where those names come from, but for what is built in and [`ARRAY`].
const IMPORTS: &[(&str, &[&str])] = &[
    ("_typeshed", &["ReadableBuffer", "WriteableBuffer"]),
    ("collections.abc", &["Callable", "Iterator", "Sequence"]),
    ("typing", &["Any", "Literal", "NamedTuple"]),
    ("typing_extensions", &["Self"]),
];

const ARRAY_NAME: &str = "Array";
/// Written `_Array`: no module has the class under a name.
const ARRAY: &str = "
class \u{1}Array:
    def __buffer__(self, flags: \u{1}int, /) -> \u{1}memoryview: ...
    def __len__(self) -> \u{1}int: ...
    def __getitem__(self, index: \u{1}int, /) -> \u{1}Any: ...
    def __iter__(self) -> \u{1}Iterator[\u{1}Any]: ...
";

/// Where stubs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected true, false or a folder")]
pub enum Stubs {
    /// Beside each source, or nowhere.
    Beside(bool),
    /// In a folder, below the folders of packages.
    Folder(PathBuf),
}

impl Stubs {
    /// Returns where the stub of a module goes. A relative folder is below `root`.
    #[must_use]
    pub fn path(&self, module: &Module, root: &Path) -> Option<PathBuf> {
        match self {
            Self::Beside(false) => None,
            Self::Beside(true) => Some(module.source_path.with_extension("pyi")),
            Self::Folder(folder) => {
                let mut path = root.join(folder);
                path.extend(module.name.split('.'));
                let is_package = module.kind == ModuleKind::Package;
                Some(if is_package { path.join("__init__.pyi") } else { path.with_extension("pyi") })
            }
        }
    }
}

/// Returns the text of the stub in a library. A module with another binding than
/// ours has none.
#[must_use]
pub fn text(library: &[u8]) -> Option<String> {
    let mut pieces: BTreeMap<u32, &str> = BTreeMap::new();
    for position in memchr::memmem::find_iter(library, MARK) {
        let rest = &library[position + MARK.len()..];
        let Some((number, text)) = memchr::memchr(0, rest).and_then(|end| piece(&rest[..end])) else { continue };
        // A compiler may leave the beginning of a piece behind as well.
        let known = pieces.entry(number).or_default();
        if text.len() > known.len() {
            *known = text;
        }
    }
    if pieces.is_empty() {
        return None;
    }
    let mut pieces = pieces.into_values();
    let doc = laid_out(pieces.next().unwrap_or_default());
    let body = laid_out(&pieces.collect::<String>());
    let own = names_of(&body);
    let array = if outside(&body).any(|(name, _)| name == ARRAY_NAME) { ARRAY } else { "" };
    let (imports, body) = with_imports(&format!("{array}{body}"), &own);
    Some(format!("{WRITTEN}; the next build replaces it.\n{doc}{imports}{body}"))
}

/// Writes the indentation and the doc strings of pieces.
fn laid_out(pieces: &str) -> String {
    let mut text = String::with_capacity(pieces.len());
    let mut depth = 0;
    let mut in_doc = false;
    for character in pieces.chars() {
        let begins_line = text.is_empty() || text.ends_with('\n');
        if begins_line && !matches!(character, INDENT | DEDENT | '\n') {
            text.push_str(&"    ".repeat(depth));
        }
        match character {
            INDENT => depth += 1,
            DEDENT => depth = depth.saturating_sub(1),
            DOC => {
                text.push_str(if in_doc { "\"\"\"\n" } else { "\"\"\"" });
                in_doc = !in_doc;
            }
            '"' | '\\' if in_doc => text.extend(['\\', character]),
            other => text.push(other),
        }
    }
    text
}

/// Returns the names that a stub defines, in whatever scope.
fn names_of(body: &str) -> BTreeSet<&str> {
    body.lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix("class ").or_else(|| line.strip_prefix("def ")).unwrap_or(line);
            Some(&line[..line.find(['(', ':'])?])
        })
        .collect()
}

/// Returns the names after each [`OUTSIDE`] with the text behind them.
fn outside(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(OUTSIDE).skip(1).map(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
        rest.split_at(end)
    })
}

/// Returns the imports that the names from outside need, and the text without its
/// marks: a name that the module has as well is written with where it comes from.
fn with_imports(body: &str, own: &BTreeSet<&str>) -> (String, String) {
    let mut plain: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut qualified: BTreeSet<&str> = BTreeSet::new();
    let mut text = body.split(OUTSIDE).next().unwrap_or_default().to_owned();
    for (name, rest) in outside(body) {
        let origin = IMPORTS.iter().find(|(_, names)| names.contains(&name)).map(|(module, _)| *module);
        match (own.contains(name), origin) {
            _ if name == ARRAY_NAME => text.push('_'),
            (true, origin) => {
                let module = origin.unwrap_or("builtins");
                qualified.insert(module);
                text.push_str(&format!("{}.", alias(module)));
            }
            (false, Some(module)) => {
                plain.entry(module).or_default().insert(name);
            }
            (false, None) => {}
        }
        text.push_str(name);
        text.push_str(rest);
    }
    let mut imports: String =
        qualified.iter().map(|module| format!("import {module} as {}\n", alias(module))).collect();
    for (module, names) in plain {
        let names: Vec<&str> = names.into_iter().collect();
        imports.push_str(&format!("from {module} import {}\n", names.join(", ")));
    }
    (imports, text)
}

/// A name for a module that no Zig declaration is likely to have.
fn alias(module: &str) -> String {
    format!("_{}", module.trim_start_matches('_').replace('.', "_"))
}

fn piece(bytes: &[u8]) -> Option<(u32, &str)> {
    let (number, text) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    Some((number.parse().ok()?, text))
}

/// Writes the stub of a library, unless it is there already. Does nothing if the
/// library has none.
///
/// # Errors
/// The library cannot be read or the stub not be written.
pub fn write(library: &Path, path: &Path) -> Result<()> {
    let bytes = std::fs::read(library).map_err(|error| Error::file("read", library, &error))?;
    let Some(text) = text(&bytes) else { return Ok(()) };
    let failed = |error: std::io::Error| Error::file("write the stub", path, &error);
    match std::fs::read(path) {
        Ok(old) if old == text.as_bytes() => return Ok(()),
        Ok(old) if !old.is_empty() && !old.starts_with(WRITTEN.as_bytes()) => {
            return Err(failed(std::io::Error::other(format!(
                "it does not begin with `{WRITTEN}`, so somebody else wrote it: remove or rename it"
            ))));
        }
        _ => {}
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(std::io::ErrorKind::InvalidInput.into()));
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let folder = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
    publish::publish(&folder, &name.to_string_lossy(), text.as_bytes(), 0o644, Existing::Replace).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_made_of_the_pieces_in_their_order() {
        let library = format!(
            "\u{7f}ELF\0{MARK}\0{MARK}1\nx: \u{1}in\0{MARK}1\nx: \u{1}int\n\0{MARK}0\n\u{4}doc\u{4}\0{MARK}2\ny: \u{1}Any\n\0"
        );
        let text = text(library.as_bytes()).unwrap();
        assert!(text.ends_with("\n\"\"\"doc\"\"\"\nfrom typing import Any\nx: int\ny: Any\n"), "{text}");
        assert_eq!(super::text(b"\x7fELF"), None);
    }

    #[test]
    fn blocks_are_indented_and_doc_strings_escaped() {
        let text =
            laid_out("\nclass A:\n\u{2}\u{4}a \"b\"\n\nc\\\u{4}x: int\n\nclass B:\n\u{2}y: int\n\u{3}\u{3}z: int\n");
        let expected = [
            "",
            "class A:",
            "    \"\"\"a \\\"b\\\"",
            "",
            "    c\\\\\"\"\"",
            "    x: int",
            "",
            "    class B:",
            "        y: int",
            "z: int",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn a_name_of_the_module_is_told_from_one_from_outside() {
        let pieces = "class int:\n    def Any(self) -> int: ...\ndef f(x: \u{1}int, y: \u{1}str) -> \u{1}Any: ...\ndef g(Any: \u{1}Array) -> None: ...\n";
        let text = text(format!("{MARK}0\n\0{MARK}1\n{pieces}\0").as_bytes()).unwrap();
        assert!(text.contains("import builtins as _builtins\nimport typing as _typing\n"), "{text}");
        assert!(text.contains("def f(x: _builtins.int, y: str) -> _typing.Any: ...\n"), "{text}");
        assert!(text.contains("    def Any(self) -> int: ...\n"), "{text}");
        assert!(text.contains("def g(Any: _Array) -> None"), "{text}");
        assert!(text.contains("class _Array:"), "{text}");
    }

    #[test]
    fn a_stub_lies_beside_the_source_or_below_the_folders_of_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("pkg/m.zig");
        std::fs::create_dir(folder.path().join("pkg")).unwrap();
        std::fs::write(folder.path().join("pkg/__init__.py"), "").unwrap();
        std::fs::write(&source, "").unwrap();
        let module = Module::from_path(&source).unwrap();
        let root = Path::new("/root");
        assert_eq!(Stubs::Beside(false).path(&module, root), None);
        assert_eq!(Stubs::Beside(true).path(&module, root).unwrap(), module.source_path.with_extension("pyi"));
        let below = Stubs::Folder("types".into()).path(&module, root);
        assert_eq!(below.unwrap(), Path::new("/root/types/pkg/m.pyi"));
    }
}
