//! Finds the modules that a path on the command line stands for.

use std::collections::BTreeSet;
use std::path::Path;

use crate::closure::{self, Module, ModuleKind};
use crate::error::{Error, Result};
use crate::stamp;

/// Finds the modules below a path: the path itself, or every importable one in a folder.
///
/// # Errors
/// The path is neither.
pub fn modules_at(path: &Path) -> Result<Vec<Module>> {
    if !path.is_dir() || path.join("build.zig").is_file() {
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

/// Takes the `.zig` files of a folder that no other of them imports: those are
/// parts of a module and not modules.
fn modules_below(folder: &Path) -> Result<Vec<Module>> {
    let mut candidates = Vec::new();
    collect(folder, &mut candidates)?;
    let mut imported = BTreeSet::new();
    for module in candidates.iter().filter(|module| module.kind != ModuleKind::Project) {
        let closure = closure::scan(module)?;
        imported.extend(
            closure.inputs.into_iter().filter(|input| input.role == closure::Role::Source).map(|input| input.path),
        );
    }
    candidates.retain(|module| !imported.contains(&module.source_path));
    candidates.sort_by(|left, right| left.source_path.cmp(&right.source_path));
    Ok(candidates)
}

fn collect(folder: &Path, found: &mut Vec<Module>) -> Result<()> {
    let failed = |error: std::io::Error| Error::Scan { path: folder.to_owned(), reason: error.to_string() };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if stamp::is_ignored(&name) || entry.file_type().is_ok_and(|kind| kind.is_symlink() && path.is_dir()) {
            continue;
        }
        if path.is_dir() {
            if path.join("build.zig").is_file() {
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
