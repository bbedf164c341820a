//! The compiled form of Zig's own build system. Making it takes from seconds to
//! minutes, so it is made once for each Zig in a store, by a build of ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::process::Invocation;
use super::{Job, graph};
use crate::error::{Error, Result};
use crate::report::Level;
use crate::target::Target;

/// A build file that compiles what every project needs, and nothing else.
const SEED_BUILD_FILE: &str = r#"const std = @import("std");

pub fn build(b: *std.Build) void {
    const library = b.addLibrary(.{
        .name = "seed",
        .linkage = .dynamic,
        .root_module = b.createModule(.{
            .root_source_file = b.path("seed.zig"),
            .target = b.standardTargetOptions(.{}),
            .optimize = .Debug,
            .link_libc = true,
            .strip = true,
        }),
    });
    b.installArtifact(library);
}
"#;

/// Returns a global cache of the compiler that has the build system in it.
pub(super) fn prepared(job: &Job<'_>, work: &Path) -> Result<PathBuf> {
    let seed = job.cache("seed");
    let mark = seed.join("complete");
    if !mark.is_file() {
        job.context.frontend.report(
            Level::Info,
            format!("preparing the build system of Zig {}: up to two minutes, once for this cache", job.version()),
        );
        job.create_cache("seed/global")?;
        let work = work.join("seed");
        std::fs::create_dir(&work).map_err(|error| Error::cache("write", &work, &error))?;
        let target = format!("-Dtarget={}", Target::native().triple_for(job.line()));
        let mut arguments: Vec<OsString> = vec!["build".into(), "--prefix".into(), work.join("out").into()];
        arguments.extend(graph::runner_arguments(job, &work.join("local"), "seed/global"));
        arguments.push(target.into());
        for (name, text) in [("build.zig", SEED_BUILD_FILE), ("seed.zig", "export fn seed() void {}\n")] {
            let path = work.join(name);
            std::fs::write(&path, text).map_err(|error| Error::cache("write", &path, &error))?;
        }
        let invocation = Invocation {
            program: job.toolchain.located.path.clone(),
            arguments,
            directory: work.clone(),
            environment: graph::runner_environment(job, "seed/global"),
            input: Vec::new(),
            has_children: true,
        };
        let finished = job.run(&invocation)?;
        if !finished.status.success() {
            return Err(Error::Compiler { zig: invocation.program, reason: finished.text });
        }
        std::fs::write(&mark, "").map_err(|error| Error::cache("write", &mark, &error))?;
    }
    Ok(seed.join("global"))
}

/// Adds the build system to the global cache of our own builds. Only from Zig 0.17 on
/// it is a program of its own: before, each `build.zig` is compiled into it.
pub(super) fn add(job: &Job<'_>, work: &Path, global: &Path) -> Result<()> {
    if job.line() != "0.17" {
        return Ok(());
    }
    let seed = prepared(job, work)?;
    merge(&seed, global, &work.join("unfinished")).map_err(|error| Error::cache("write", global, &error))
}

/// Adds the entries of one cache of the compiler to another. Each appears in one piece,
/// because other processes use the cache meanwhile.
fn merge(from: &Path, to: &Path, unfinished: &Path) -> std::io::Result<()> {
    for kind in std::fs::read_dir(from)? {
        let kind = kind?;
        if !kind.file_type()?.is_dir() || kind.file_name() == "tmp" {
            continue;
        }
        let folder = to.join(kind.file_name());
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(kind.path())? {
            let entry = entry?;
            let target = folder.join(entry.file_name());
            if target.exists() {
                continue;
            }
            if entry.file_type()?.is_dir() {
                copy_folder(&entry.path(), unfinished)?;
            } else {
                std::fs::copy(entry.path(), unfinished)?;
            }
            if let Err(error) = std::fs::rename(unfinished, &target) {
                if !target.exists() {
                    return Err(error);
                }
                let _ = std::fs::remove_dir_all(unfinished);
            }
        }
    }
    Ok(())
}

/// Copies a folder that is not there yet, with all that is in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
