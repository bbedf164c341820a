//! The audit log: one JSON line for each process that is started, each compile on a
//! remote executor, each library
//! that is published or unpacked, and each that is loaded.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::report::{Frontend, Level};
use crate::store;

/// Whether this process has said that the log cannot be written.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Appends an event, if there is a log. One that cannot be written is said once,
/// and makes nothing fail.
pub fn append(log: Option<&Path>, frontend: &dyn Frontend, event: impl FnOnce() -> Value) {
    let Some(log) = log else { return };
    let mut event = event();
    if let Value::Object(fields) = &mut event {
        fields.insert("time_utc".to_owned(), store::now().1.into());
        fields.insert("by_process".to_owned(), std::process::id().into());
    }
    if let Err(error) = write(log, &event)
        && !WARNED.swap(true, Ordering::Relaxed)
    {
        let message =
            format!("failed to write ZIGIMPORT_AUDIT_LOG `{}`: {error}; what is done is not logged", log.display());
        frontend.report(Level::Warning, message);
    }
}

/// Appends that a library of the store is about to be loaded.
pub fn append_load(log: &Path, frontend: &dyn Frontend, module: &str, library: &Path, key: &str) {
    append(Some(log), frontend, || {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        json!({
            "event": "load",
            "module": module,
            "path": library.to_string_lossy(),
            // A library is named by its digest.
            "digest": name.split('.').next(),
            "key": key,
        })
    });
}

/// Writes one line in one call, so that the lines of several processes stay whole.
fn write(log: &Path, event: &Value) -> io::Result<()> {
    let mut options = File::options();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // It names the user's files.
        options.mode(0o600);
    }
    options.open(log)?.write_all(format!("{event}\n").as_bytes())
}
