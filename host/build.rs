//! Builds the guests and hands their images and digests to the crate.

use std::path::PathBuf;

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
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
