//! Stub files: what type checkers and editors know of a module. The binding puts a
//! description into the library; it is read from there without loading anything.

mod python;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::closure::{Module, ModuleKind};
use crate::error::{Error, Result};
use crate::publish::{self, Existing};
use tree::Node;

/// Begins a stub that we wrote, and may replace.
const WRITTEN: &str = "# Written by zigimport";

/// Begins each piece of a description in a library; `description.zig` of the binding
/// writes it. A number, a line feed, the text and a zero byte follow.
const MARK: &str = "# zigimport stub ";

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

/// Returns the text of the stub of a library. A module with another binding than
/// ours has none.
#[must_use]
pub fn text(library: &[u8]) -> Option<String> {
    let mut pieces: BTreeMap<u32, &[u8]> = BTreeMap::new();
    for position in memchr::memmem::find_iter(library, MARK) {
        let rest = &library[position + MARK.len()..];
        let Some((number, text)) = memchr::memchr(0, rest).and_then(|end| piece(&rest[..end])) else { continue };
        // A compiler may leave the beginning of a piece behind as well.
        let known = pieces.entry(number).or_default();
        if text.len() > known.len() {
            *known = text;
        }
    }
    let description = pieces.into_values().collect::<Vec<_>>().concat();
    // A name in it may be no text: it is none that Python can write.
    let description = String::from_utf8_lossy(&description);
    let body = python::text(&Node::parse(&description)?);
    Some(format!("{WRITTEN}; the next build replaces it.\n{body}"))
}

fn piece(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let number = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((number.parse().ok()?, &bytes[end + 1..]))
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
        let [begun, constant, other] = ["x", "x\u{1}\u{2}int\u{3}\u{3}", "y\u{1}\u{2}none\u{3}\u{3}"]
            .map(|text| format!("\u{2}constant\u{1}{text}"));
        let library = format!(
            "\u{7f}ELF\0{MARK}\0{MARK}1\n{begun}\0{MARK}1\n{constant}\0{MARK}3\n\u{3}\0\
             {MARK}0\n\u{2}namespace\u{1}m\u{1}doc\0{MARK}2\n{other}\0"
        );
        let text = text(library.as_bytes()).unwrap();
        assert!(text.contains("\n\"\"\"doc\"\"\"\nfrom typing import Any\n"), "{text}");
        assert!(text.ends_with("    name: str\nx: int\ny: Any\n"), "{text}");
    }

    #[test]
    fn a_library_without_a_description_has_no_stub() {
        let named = |name: &str| format!("{MARK}0\n\u{2}namespace\u{1}m\u{1}\u{2}constant\u{1}{name}\u{3}\u{3}\0");
        assert!(text(named("x").as_bytes()).unwrap().ends_with("\nx: Any\n"));
        // Names with the bytes that mean something.
        for library in ["\u{7f}ELF".to_owned(), named("\u{3}"), named("\u{2}"), format!("{MARK}0\nx: int\n\0")] {
            assert_eq!(text(library.as_bytes()), None, "{library:?}");
        }
        let mut library = named("x").into_bytes();
        let position = library.iter().rposition(|byte| *byte == b'x').unwrap();
        library[position] = 0xff;
        assert!(text(&library).unwrap().ends_with("    name: str\n"));
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
