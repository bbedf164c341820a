//! Compiles the scanner natively, instrumented as libFuzzer reads it.

fn main() {
    #[cfg(feature = "libfuzzer")]
    instrumented_scanner();
}

#[cfg(feature = "libfuzzer")]
#[expect(clippy::disallowed_macros, reason = "a build script speaks to cargo by printing")]
#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn instrumented_scanner() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let guest_tools = std::path::PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../../guest-tools");
    let out_dir = std::path::PathBuf::from(variable("OUT_DIR"));
    println!("cargo::rerun-if-changed={}", guest_tools.join("zig").display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ZIGIMPORT_GUEST_ZIG");
    let zig = zigimport_guest_tools::find_zig();
    match zigimport_guest_tools::compile_for_fuzzing(&zig, &guest_tools, &out_dir) {
        Ok(object) => println!("cargo::rustc-link-arg-bins={}", object.display()),
        Err(error) => panic!("{error}"),
    }
}
