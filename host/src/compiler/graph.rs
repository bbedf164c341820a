//! Several targets in one `zig build` graph of our constant build file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::process::{Finished, Invocation};
use super::{Compiled, Job, build_system, reads};
use crate::error::{Error, Result};
use crate::headers;
use crate::target::{System, Target};

/// Lines that the build runner adds to the compiler's text.
const RUNNER_LINES: [&str; 4] = [
    "failed command:",
    "error: the following command failed",
    "error: the following build command failed",
    "error: configure command exited",
];

pub(super) fn build(job: &Job<'_>, support: &Path, work: &Path) -> Result<Vec<Compiled>> {
    let (digest, text) = job.declarations();
    let declarations = job.context.store.put_declarations(digest, &text)?;
    job.create_cache("global")?;
    let template = template(job, support, work, &declarations)?;
    let local = work.join("local");
    build_system::copy_folder(&template, &local).map_err(|error| Error::cache("write", &local, &error))?;
    let finished = run(job, support, work, &request(job, support, &declarations, &job.targets))?;
    if !finished.status.success() {
        return Err(job.compile_error(&finished, &without_runner_lines(&finished.text), work));
    }
    let read = reads::files(&local, work);
    job.targets
        .iter()
        .map(|target| {
            let path = work.join("out").join(target.label).join(output(job, target));
            let library = std::fs::read(&path).map_err(|error| Error::Compiler {
                zig: job.toolchain.located.path.clone(),
                reason: format!("it left no output for {}: {error}", target.label),
            })?;
            Ok(Compiled { library, read: read.clone() })
        })
        .collect()
}

fn run(job: &Job<'_>, support: &Path, work: &Path, request: &str) -> Result<Finished> {
    let path = work.join("request.json");
    std::fs::write(&path, request).map_err(|error| Error::cache("write", &path, &error))?;
    job.run(&invocation(job, support, work))
}

/// Returns a local cache that has the compiled form of our build file and
/// nothing else. It is made once; every build starts from a copy.
fn template(job: &Job<'_>, support: &Path, work: &Path, declarations: &Path) -> Result<PathBuf> {
    let name = format!("graph-{}", &crate::binding::digest().hex()[..16]);
    let template = job.cache(&name);
    if template.is_dir() {
        return Ok(template);
    }
    build_system::add(job, work, &job.cache("global"))?;
    let finished = run(job, support, work, &request(job, support, declarations, &[]))?;
    if !finished.status.success() {
        return Err(job.compile_error(&finished, &without_runner_lines(&finished.text), work));
    }
    match std::fs::rename(work.join("local"), &template) {
        Err(error) if !template.is_dir() => Err(Error::cache("write", &template, &error)),
        // Somebody else was faster: what we made is in the way of the copy.
        Err(_) => {
            let _ = std::fs::remove_dir_all(work.join("local"));
            Ok(template)
        }
        Ok(()) => Ok(template),
    }
}

pub(super) fn invocation(job: &Job<'_>, support: &Path, work: &Path) -> Invocation {
    let mut request = OsString::from("-Drequest=");
    request.push(work.join("request.json"));
    let mut arguments: Vec<OsString> = vec![
        "build".into(),
        "--build-file".into(),
        support.join("graph/build.zig").into(),
        "--prefix".into(),
        work.join("out").into(),
    ];
    arguments.extend(runner_arguments(job, &work.join("local"), "global"));
    arguments.push(request);
    Invocation {
        program: job.toolchain.located.path.clone(),
        arguments,
        directory: work.to_owned(),
        environment: runner_environment(job, "global"),
        input: Vec::new(),
        has_children: true,
    }
}

/// Options of `zig build` that every route gives, as each line takes them.
pub(super) fn runner_arguments(job: &Job<'_>, local: &Path, global: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--cache-dir".into(), local.into()];
    if job.line() != "0.17" {
        arguments.extend(["--global-cache-dir".into(), job.cache(global).into()]);
    }
    if job.line() != "0.15" {
        arguments.extend(["--error-style".into(), "minimal".into(), "--multiline-errors".into(), "none".into()]);
    }
    arguments.push(format!("-j{}", job.context.layer.workers()).into());
    arguments.extend(["--summary".into(), "none".into(), "--color".into(), "off".into()]);
    arguments
}

/// The environment of `zig build`: Zig 0.17 takes its global cache from there only.
pub(super) fn runner_environment(job: &Job<'_>, global: &str) -> Vec<(String, OsString)> {
    vec![("ZIG_GLOBAL_CACHE_DIR".to_owned(), job.cache(global).into())]
}

/// Cuts what the build runner says about itself, and repeated messages: each
/// target reports the same error.
pub(super) fn without_runner_lines(text: &str) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        let starts_message =
            super::diagnostics::parse(line, Path::new("/")).iter().any(|found| found.severity == "error");
        if RUNNER_LINES.iter().any(|prefix| line.starts_with(prefix)) {
            skipping = true;
            continue;
        }
        if starts_message {
            skipping = false;
            blocks.push(String::new());
        }
        if skipping {
            continue;
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    blocks.retain(|block| seen.insert(block.clone()));
    if blocks.is_empty() { text.to_owned() } else { blocks.concat() }
}

fn output(job: &Job<'_>, target: &Target) -> String {
    format!("{}{}", job.module().leaf(), target.stable_abi_suffix())
}

fn request(job: &Job<'_>, support: &Path, declarations: &Path, targets: &[&Target]) -> String {
    let binding = support.join("binding");
    let targets: Vec<_> = targets
        .iter()
        .map(|target| {
            let definition = binding.join("python3.def");
            json!({
                "label": target.label,
                "triple": target.triple_for(job.line()),
                "cpu": target.cpu,
                "libc": target.links_libc() || job.has_c_sources(),
                "output": output(job, target),
                "python_def": if target.system == System::Windows { definition.to_string_lossy() } else { "".into() },
            })
        })
        .collect();
    let settings = &job.prepared.closure.module_settings;
    let c_sources: Vec<String> =
        job.prepared.closure.c_sources(job.module()).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    json!({
        "name": job.module().leaf(),
        "optimize": job.prepared.optimize.name(),
        "strip": job.prepared.strip,
        "root": binding.join("root.zig").to_string_lossy(),
        "binding": binding.join("zigimport.zig").to_string_lossy(),
        "user": job.module().source_path.to_string_lossy(),
        "declarations": declarations.to_string_lossy(),
        "c_sources": c_sources,
        "c_flags": headers::c_flags(&settings.c_flags, job.module().folder()),
        "include_paths": job.prepared.closure.include_folders(job.module()),
        "libraries": settings.libraries,
        "targets": targets,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_two_targets_is_shown_once() {
        let text = "install\n/m.zig:1:2: error: no\n  code\n  ^\nfailed command: zig build-lib\n/m.zig:1:2: error: no\n  code\n  ^\nerror: the following command failed with 1 error:\nzig x\n";
        assert_eq!(without_runner_lines(text), "/m.zig:1:2: error: no\n  code\n  ^\n");
        assert_eq!(without_runner_lines("something else"), "something else");
    }
}
