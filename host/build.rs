//! Builds the guests and hands their images and digests to the crate.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    let zig = find_zig();
    if let Err(error) = zigimport_guest_tools::build_guests(&zig, &guest_tools, &out_dir, &variable("TARGET")) {
        panic!("{error}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script is told by the environment, and asks Python")]
/// The compiler of the guests: named by `ZIGIMPORT_GUEST_ZIG`, else from the
/// `ziglang` package of the Python that builds us, else `zig` on the PATH.
fn find_zig() -> PathBuf {
    if let Some(zig) = std::env::var_os("ZIGIMPORT_GUEST_ZIG") {
        return zig.into();
    }
    let script = "import os, ziglang; print(os.path.dirname(ziglang.__file__))";
    let pythons = ["PYO3_PYTHON", "PYTHON_SYS_EXECUTABLE"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .chain([PathBuf::from("python3"), PathBuf::from("python")]);
    for python in pythons {
        let Ok(output) = Command::new(&python).args(["-c", script]).output() else {
            continue;
        };
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !folder.is_empty() {
            return Path::new(&folder).join(format!("zig{}", std::env::consts::EXE_SUFFIX));
        }
    }
    PathBuf::from("zig")
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
