//! Stub files: what type checkers and editors know of a module. The binding puts
//! the text into the library; it is read from there without loading anything.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::closure::{Module, ModuleKind};
use crate::error::{Error, Result};
use crate::publish::{self, Existing};

/// What surrounds the text; `stub.zig` of the binding writes the same.
const BEGIN: &str = "# zigimport stub\n";
const END: &str = "# end of zigimport stub\n";

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
    // The marks are constants of their own too.
    memchr::memmem::find_iter(library, BEGIN).find_map(|position| {
        let rest = &library[position + BEGIN.len()..];
        let text = &rest[..memchr::memmem::find(rest, END.as_bytes())?];
        let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'))?;
        Some(format!("# Written by zigimport; the next build replaces it.\n{text}"))
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
    fn the_text_is_between_the_marks() {
        let library = format!("\u{7f}ELF\0{BEGIN}\0{END}\0{BEGIN}x: int\n{END}\0rest");
        assert!(text(library.as_bytes()).unwrap().ends_with("\nx: int\n"));
        assert_eq!(text(b"\x7fELF"), None);
        assert_eq!(text(BEGIN.as_bytes()), None);
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
