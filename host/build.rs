//! Builds the guests and hands their images and digests to the crate, and what this build of the
//! package is known by: two of one version may bring different Zig files or guests.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

#[expect(clippy::disallowed_macros, reason = "a build script speaks to cargo by printing")]
fn main() {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let guest_tools = manifest_dir.join("../guest-tools");
    for watched in ["zig", "wit"] {
        println!("cargo::rerun-if-changed={}", guest_tools.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ZIGIMPORT_GUEST_ZIG");
    let out_dir = PathBuf::from(variable("OUT_DIR"));
    let zig = zigimport_guest_tools::find_zig();
    if let Err(error) = zigimport_guest_tools::build_guests(&zig, &guest_tools, &out_dir, &variable("TARGET")) {
        panic!("{error}");
    }
    let sources = manifest_dir.join("zig");
    println!("cargo::rerun-if-changed={}", sources.display());
    let mut paths = [files(&sources.join("binding")), files(&sources.join("graph"))].concat();
    paths.extend(zigimport_guest_tools::GUESTS.map(|guest| out_dir.join(format!("{guest}.wasm"))));
    let mut hasher = Sha256::new();
    for path in paths {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        hasher.update(Sha256::digest(bytes));
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=ZIGIMPORT_BUILDER={} {digest}", variable("CARGO_PKG_VERSION"));
}

/// Returns the files in a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be read on").path()).collect();
    paths.sort();
    paths
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
