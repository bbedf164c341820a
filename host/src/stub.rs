//! Stub files: what type checkers and editors know of a module. The binding puts
//! the text into the library; it is read from there without loading anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::closure::{Module, ModuleKind};
use crate::error::{Error, Result};
use crate::publish::{self, Existing};

/// Begins each piece of a stub in a library; `stub.zig` of the binding writes it.
/// A number, a line feed, the text and a zero byte follow.
const MARK: &str = "# zigimport stub ";

/// What the pieces use, with the text that they need for it.
const IMPORTS: &[(&str, &[&str])] = &[
    ("_typeshed", &["ReadableBuffer", "WriteableBuffer"]),
    ("collections.abc", &["Callable", "Sequence"]),
    ("typing", &["Any", "Literal", "NamedTuple"]),
    ("typing_extensions", &["Self"]),
];

const ARRAY: &str = "
class Array(Sequence[Any]):
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...
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
    let doc = pieces.next().unwrap_or_default();
    let mut body = String::new();
    pieces.for_each(|piece| body.push_str(piece));
    if is_used("Array", &body) {
        body.insert_str(0, ARRAY);
    }
    let mut text = format!("# Written by zigimport; the next build replaces it.\n{doc}");
    for (module, names) in IMPORTS {
        let used: Vec<&str> = names.iter().copied().filter(|name| is_used(name, &body)).collect();
        if !used.is_empty() {
            text.push_str(&format!("from {module} import {}\n", used.join(", ")));
        }
    }
    Some(text + &body)
}

fn piece(bytes: &[u8]) -> Option<(u32, &str)> {
    let (number, text) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    Some((number.parse().ok()?, text))
}

/// Returns whether a name stands in a text as a word of its own.
fn is_used(name: &str, text: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(name).any(|(position, _)| {
        !text[..position].ends_with(is_word) && !text[position + name.len()..].starts_with(is_word)
    })
}

/// Writes the stub of a library, unless it is there already. Does nothing if the
/// library has none.
///
/// # Errors
/// The library cannot be read or the stub not be written.
pub fn write(library: &Path, path: &Path) -> Result<()> {
    let bytes = std::fs::read(library).map_err(|error| Error::file("read", library, &error))?;
    let Some(text) = text(&bytes) else { return Ok(()) };
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::file("write the stub", path, &error);
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
        let library =
            format!("\u{7f}ELF\0{MARK}\0{MARK}1\nx: in\0{MARK}1\nx: int\n\0{MARK}0\n\"doc\"\n\0{MARK}2\ny: Any\n\0");
        let text = text(library.as_bytes()).unwrap();
        assert!(text.ends_with("\n\"doc\"\nfrom typing import Any\nx: int\ny: Any\n"), "{text}");
        assert_eq!(super::text(b"\x7fELF"), None);
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
