//! Builds the zigimport guests: Zig source to core wasm to component to
//! precompiled images.
//!
//! Runs in the build of the host and nowhere else, so that no compiler of wasm
//! is ever part of what an import loads. Each guest is embedded three times: as
//! the component (its digest is its identity), as a native image, and as a
//! Pulley image for hosts that forbid executable memory.

pub mod engine;

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmtime::Engine;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The guests, by the name of their WIT world.
pub const GUESTS: [&str; 2] = ["scanner", "planner"];

/// Why a guest could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The compiler could not be started.
    #[error("failed to start `{zig}`: install the Python package `ziglang` or set ZIGIMPORT_GUEST_ZIG")]
    Start {
        /// The program that was tried.
        zig: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The compiler rejected the guest.
    #[error("failed to compile the guest `{guest}`:\n{text}")]
    Compile {
        /// Name of the guest.
        guest: String,
        /// The compiler's own text.
        text: String,
    },
    /// The core module does not implement its world.
    #[error("failed to make a component of the guest `{guest}`: {text}")]
    Componentize {
        /// Name of the guest.
        guest: String,
        /// What is missing.
        text: String,
    },
    /// The component could not be compiled for a target.
    #[error("failed to precompile the guest `{guest}` for `{target}`: {text}")]
    Precompile {
        /// Name of the guest.
        guest: String,
        /// The target triple.
        target: String,
        /// What the engine said.
        text: String,
    },
    /// A file could not be read or written.
    #[error("failed to write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The compiler of the guests: named by `ZIGIMPORT_GUEST_ZIG`, else from the
/// `ziglang` package of the Python that builds us, else `zig` on the PATH.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a build script is told by the environment, and asks Python")]
pub fn find_zig() -> PathBuf {
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

/// Builds every guest into `out_dir` as `NAME.wasm`, `NAME.native.cwasm` and
/// `NAME.pulley.cwasm`.
///
/// `guest_tools` is this crate's folder, `target` the triple that the native
/// images are for (not this machine's own processor: the result is shipped).
///
/// # Errors
/// Says which guest failed in which step, with the tool's own text.
pub fn build_guests(zig: &Path, guest_tools: &Path, out_dir: &Path, target: &str) -> Result<(), Error> {
    for guest in GUESTS {
        let core = compile(zig, guest_tools, out_dir, guest)?;
        let component = componentize(&core, &guest_tools.join("wit"), guest)?;
        write(&out_dir.join(format!("{guest}.wasm")), &component)?;
        for (kind, image_target) in [("native", target), ("pulley", engine::PULLEY_TARGET)] {
            let image = precompile(&component, guest, image_target)?;
            write(&out_dir.join(format!("{guest}.{kind}.cwasm")), &image)?;
        }
    }
    Ok(())
}

/// Compiles one Zig guest to a core module with nothing imported.
fn compile(zig: &Path, guest_tools: &Path, out_dir: &Path, guest: &str) -> Result<Vec<u8>, Error> {
    let core = out_dir.join(format!("{guest}.core.wasm"));
    let root = format!("-Mroot={guest}/guest.zig");
    let options = ["-fno-entry", "-rdynamic", "-target", "wasm32-freestanding", "-O", "ReleaseFast", "-fstrip"];
    let modules = ["--dep", "canonical", &root, "-Mcanonical=canonical.zig"];
    run(zig, guest_tools, out_dir, guest, &[&["build-exe"], &options[..], &modules].concat(), &core)?;
    std::fs::read(&core).map_err(|source| Error::Io { path: core, source })
}

/// Compiles the scanner to a native object that counts for libFuzzer what it runs
/// through. Returns its path.
///
/// # Errors
/// As for [`build_guests`].
pub fn compile_for_fuzzing(zig: &Path, guest_tools: &Path, out_dir: &Path) -> Result<PathBuf, Error> {
    let object = out_dir.join("scan_fuzz.o");
    let options = [
        "build-obj",
        "-ffuzz",
        "-fllvm",
        "-fPIC",
        "-fno-stack-check",
        "-O",
        "ReleaseSafe",
        "-Mroot=scanner/scan_fuzz.zig",
    ];
    run(zig, guest_tools, out_dir, "scan_fuzz", &options, &object)?;
    Ok(object)
}

fn run(
    zig: &Path,
    guest_tools: &Path,
    out_dir: &Path,
    guest: &str,
    arguments: &[&str],
    output: &Path,
) -> Result<(), Error> {
    // The sources are named relative to their folder, so that the bytes do not
    // depend on where the checkout lies.
    #[expect(clippy::disallowed_methods, reason = "the build of the guests runs their compiler")]
    let finished = Command::new(zig)
        .current_dir(guest_tools.join("zig"))
        .args(arguments)
        .arg(format!("-femit-bin={}", output.display()))
        .arg("--cache-dir")
        .arg(out_dir.join("zig-local"))
        .arg("--global-cache-dir")
        .arg(out_dir.join("zig-global"))
        .output()
        .map_err(|source| Error::Start { zig: zig.to_owned(), source })?;
    if finished.status.success() {
        return Ok(());
    }
    Err(Error::Compile { guest: guest.to_owned(), text: String::from_utf8_lossy(&finished.stderr).into_owned() })
}

/// Wraps a core module as a component of the world with the guest's name.
fn componentize(core: &[u8], wit: &Path, guest: &str) -> Result<Vec<u8>, Error> {
    let failed =
        |error: &dyn std::fmt::Display| Error::Componentize { guest: guest.to_owned(), text: format!("{error:#}") };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some(guest)).map_err(|error| failed(&error))?;
    let mut module = core.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|error| failed(&error))?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true);
    encoder.module(&module).map_err(|error| failed(&error))?;
    encoder.encode().map_err(|error| failed(&error))
}

/// Compiles a component ahead of time for `target`.
fn precompile(component: &[u8], guest: &str, target: &str) -> Result<Vec<u8>, Error> {
    let failed = |error: wasmtime::Error| Error::Precompile {
        guest: guest.to_owned(),
        target: target.to_owned(),
        text: format!("{error:#}"),
    };
    let config = engine::config(Some(target)).map_err(failed)?;
    Engine::new(&config).map_err(failed)?.precompile_component(component).map_err(failed)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::Io { path: path.to_owned(), source })
}
