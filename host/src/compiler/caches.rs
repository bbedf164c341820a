//! Whether the compiler's own caches can be trusted, which it does blindly: what
//! is in them goes into libraries unchecked.
//!
//! - Nobody else may have written there. We make the folders private, so that no
//!   path leads others to what the compiler makes in them, whatever its umask.
//!   Where somebody opened them, each file and folder is looked at, and they are
//!   closed again.
//! - The compiler does not sync them. What a power cut left torn fails each build
//!   from then on, with an error that names no source, such as `failed to parse
//!   archive: BadMagic`. So the caches have the name of the boot in which they
//!   were new or a build succeeded last: after another one, such an error removes
//!   them, and the build is done again with new ones.

use std::path::Path;

use crate::error::{Error, Result};
use crate::publish::Existing;
use crate::stamp;
use crate::store::{self, Store, ZIG};

/// The file with the name of the boot.
const BOOT: &str = "boot";
/// Names of boots are not longer.
const BOOT_BYTES_MAX: u64 = 64;

/// Prepares the caches of a version of the compiler for a build.
///
/// # Errors
/// Somebody else could have written to them, or the store cannot be written.
pub fn prepare(store: &Store, version: &str) -> Result<()> {
    let folder = store.root().join(ZIG).join(version);
    if folder.is_dir() {
        return check_private(store, &folder);
    }
    note_works(store, version)
}

/// Notes that the caches are whole in this boot. A store that cannot be written
/// costs at most new caches later.
///
/// # Errors
/// The store cannot be written.
pub fn note_works(store: &Store, version: &str) -> Result<()> {
    let Some(boot) = boot().filter(|boot| !is_of(store, version, boot)) else { return Ok(()) };
    store.publish(&format!("{ZIG}/{version}"), BOOT, boot.as_bytes(), 0o644, Existing::Replace).map(drop)
}

/// Returns whether an error may come from caches that a power cut left torn.
#[must_use]
pub fn may_be_torn(store: &Store, version: &str, error: &Error) -> bool {
    let names_no_source = match error {
        Error::Compiler { .. } => true,
        Error::Compile { diagnostics, .. } => diagnostics.iter().all(|diagnostic| diagnostic.line == 0),
        _ => false,
    };
    names_no_source && boot().is_some_and(|boot| !is_of(store, version, &boot))
}

fn is_of(store: &Store, version: &str, boot: &str) -> bool {
    let path = store.root().join(ZIG).join(version).join(BOOT);
    stamp::read(&path, BOOT_BYTES_MAX).is_ok_and(|content| content.bytes == boot.as_bytes())
}

/// Returns the name of this boot of the machine, where it has one.
fn boot() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let content = stamp::read(Path::new("/proc/sys/kernel/random/boot_id"), BOOT_BYTES_MAX).ok()?;
    String::from_utf8(content.bytes).ok().filter(|boot| !boot.is_empty())
}

/// Refuses caches to which others have a way and in which they could have written
/// something; without such a thing, closes the way.
#[cfg(unix)]
fn check_private(store: &Store, folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    const PASSED_BY_OTHERS: u32 = 0o011;
    let mode = |folder: &Path| folder.metadata().map(|metadata| metadata.permissions().mode());
    let bucket = store.root().join(ZIG);
    if [store.root(), &bucket, folder].iter().any(|folder| mode(folder).is_ok_and(|mode| mode & PASSED_BY_OTHERS == 0))
    {
        return Ok(());
    }
    check_below(folder)?;
    // Where that fails, the next build looks at everything again.
    let _ = std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700));
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_store: &Store, _folder: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_below(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of a link itself, whose permissions mean nothing.
        let Ok(metadata) = entry.metadata() else { continue };
        if let Some(reason) = store::distrust(&metadata).filter(|_| !metadata.is_symlink()) {
            let reason = format!("{reason}, or: zigimport cache verify --repair");
            return Err(Error::Cache { action: "trust the compiler's cache", path: entry.path(), reason });
        }
        if metadata.is_dir() {
            check_below(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::error::Diagnostic;
    use crate::store::tests::store;

    const VERSION: &str = "0.16.0";

    fn compile_error(line: u32) -> Error {
        let diagnostic =
            Diagnostic { severity: "error".into(), path: String::new(), line, column: line, message: "no".into() };
        let (module, text) = ("m".into(), String::new());
        Error::Compile { module, source_path: "/m.zig".into(), text, diagnostics: vec![diagnostic], hint: None }
    }

    #[test]
    fn others_have_no_way_into_the_caches_or_find_nothing_to_write_to() {
        let (_folder, store) = store();
        let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        prepare(&store, VERSION).unwrap();
        let global = store.zig_cache(VERSION, "global").unwrap();
        let object = global.join("c.o");
        std::fs::write(&object, "object").unwrap();
        set(&object, 0o666);
        std::os::unix::fs::symlink("c.o", global.join("link")).unwrap();
        prepare(&store, VERSION).unwrap();

        let folders =
            [global.as_path(), global.parent().unwrap(), global.parent().unwrap().parent().unwrap(), store.root()];
        for folder in folders {
            set(folder, 0o755);
        }
        let refused = prepare(&store, VERSION).unwrap_err().to_string();
        assert!(refused.contains("c.o") && refused.contains("others can write"), "{refused}");
        set(&object, 0o644);
        prepare(&store, VERSION).unwrap();
        let version = global.parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(version & 0o777, 0o700);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_an_error_that_names_no_source_after_another_boot_may_come_from_torn_caches() {
        let (_folder, store) = store();
        prepare(&store, VERSION).unwrap();
        assert!(!may_be_torn(&store, VERSION, &compile_error(0)));
        for damage in ["another boot", ""] {
            let path = store.root().join(ZIG).join(VERSION).join(BOOT);
            std::fs::write(path, damage).unwrap();
            assert!(may_be_torn(&store, VERSION, &compile_error(0)));
            assert!(!may_be_torn(&store, VERSION, &compile_error(7)));
            assert!(!may_be_torn(&store, VERSION, &Error::Interrupted));
            note_works(&store, VERSION).unwrap();
            assert!(!may_be_torn(&store, VERSION, &compile_error(0)));
        }
    }
}
