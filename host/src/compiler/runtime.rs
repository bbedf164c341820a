//! Zig's runtime, `compiler_rt`: what code calls that the processor has no instruction
//! for. The compiler makes it anew for each new cache and mode, which is three quarters
//! of a first build, and most small modules call nothing of it.
//!
//! So a first compile leaves it out, and its library is taken if everything that it
//! calls is there: in the interpreter, or in a library that it names. Mathematical
//! functions that the runtime has too must come from it, because those of the system
//! may give other results. Else, and once the runtime is made, it is linked.

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Sym};

use super::Job;
use super::direct::{is_plain, target_of};
use crate::digest::FieldHasher;
use crate::publish::Existing;
use crate::stamp;
use crate::store::ZIG;
use crate::target::System;

/// What makes the compiler leave it out.
pub(super) const LEFT_OUT: &str = "-fno-compiler-rt";

/// Of the sources, for a first try: to compile a large module in vain costs more than
/// the runtime.
const SOURCE_BYTES_MAX: u64 = 64 << 10;

/// The library with the system's mathematical functions.
const MATHEMATICS: &[u8] = b"libm.so.";

/// Returns whether to try a compile without the runtime: it is not made yet, and we can
/// tell whether it is missed.
pub(super) fn may_be_left_out(job: &Job<'_>) -> bool {
    let closure = &job.prepared.closure;
    let bytes: u64 = closure.inputs.iter().map(|input| input.stamp.size).sum();
    let has_parts = job.has_c_sources() || !closure.module_settings.libraries.is_empty();
    is_plain(job) && is_readable(job) && !has_parts && bytes <= SOURCE_BYTES_MAX && !is_made(job)
}

/// Returns whether libraries of the target are what [`missed_by`] reads: their symbols
/// say by which library they are found.
fn is_readable(job: &Job<'_>) -> bool {
    let target = target_of(job);
    target.system == System::Linux && matches!(target.label, "x86_64-linux-gnu" | "aarch64-linux-gnu")
}

/// Notes that the runtime is made. Where that fails, it is left out again.
pub(super) fn note_made(job: &Job<'_>) {
    if is_readable(job) && !is_made(job) {
        let folder = format!("{ZIG}/{}", job.version());
        let _ = job.context.store.publish(&folder, &name(job), b"", 0o644, Existing::Replace);
    }
}

fn is_made(job: &Job<'_>) -> bool {
    stamp::read(&job.context.store.root().join(ZIG).join(job.version()).join(name(job)), 0).is_ok()
}

/// Names what says that it is made: for all that the compiler makes one of its own for.
fn name(job: &Job<'_>) -> String {
    let mut hasher = FieldHasher::new("runtime-v1");
    let target = target_of(job);
    hasher.field("target", target.triple_for(job.line()).as_bytes());
    hasher.field("cpu", target.cpu.as_bytes());
    hasher.field("optimize", job.prepared.optimize.name().as_bytes());
    hasher.field("strip", &[u8::from(job.prepared.strip)]);
    format!("runtime-{}", &hasher.finish().hex()[..16])
}

/// Returns a function that a library calls and nobody but the runtime has, or has alike.
/// What cannot be read misses it.
pub(super) fn missed_by(library: &[u8]) -> Option<String> {
    find_missed(library).unwrap_or_else(|error| Some(format!("({error})")))
}

fn find_missed(library: &[u8]) -> object::read::Result<Option<String>> {
    let header = FileHeader64::<Endianness>::parse(library)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, library)?;
    let symbols = sections.symbols(endian, library, elf::SHT_DYNSYM)?;
    let versions = sections.versions(endian, library)?.unwrap_or_default();
    // The first is none.
    for (index, symbol) in symbols.enumerate().skip(1) {
        if !symbol.is_undefined(endian) || symbol.st_bind() == elf::STB_WEAK {
            continue;
        }
        let name = symbol.name(endian, symbols.strings())?;
        // The interpreter's have no versions.
        if name.starts_with(b"Py") || name.starts_with(b"_Py") {
            continue;
        }
        let version = versions.version(versions.version_index(endian, index))?;
        if version.and_then(|version| version.file()).is_none_or(|file| file.starts_with(MATHEMATICS)) {
            return Ok(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(None)
}
