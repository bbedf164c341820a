//! Packages that a project's `build.zig.zon` names by the hash of their content.
//!
//! A build takes them from where the compiler keeps them and fetches none: that
//! is `zigimport build --fetch`, and nothing else. Where they are kept:
//!
//! | Zig | folder |
//! | --- | --- |
//! | 0.15 | `p` in the project's global cache |
//! | 0.16 | `zig-pkg` beside the `build.zig`; the compiler lets nobody choose |
//! | 0.17 | `packages` beside the project's caches |

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::process::Invocation;
use super::{Job, graph};
use crate::closure::{self, PinnedPackage};
use crate::error::{Error, Result};
use crate::guest::source::{DependencyKind, Language};
use crate::report::Level;
use crate::stamp;

/// Makes the compiler fetch what the build file names, and end.
const FETCH: &str = "--fetch=all";
/// The variable with the folder of packages, since Zig 0.17.
const FOLDER_VARIABLE: &str = "ZIG_LOCAL_PKG_DIR";
/// Nothing listens there, so that whoever goes through it fetches nothing.
const NO_PROXY: &str = "http://127.0.0.1:9";
/// The variables that the compiler's fetching obeys.
const PROXY_VARIABLES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];

/// Returns what the environment of a project's build says of packages.
pub(super) fn environment(job: &Job<'_>, project_cache: &str) -> Vec<(String, OsString)> {
    let mut variables = Vec::new();
    if job.line() == "0.17" {
        variables.push((FOLDER_VARIABLE.to_owned(), folder(job, project_cache).into()));
    }
    if job.module().folder().join("build.zig.zon").is_file() {
        variables.extend(PROXY_VARIABLES.map(|name| (name.to_owned(), NO_PROXY.into())));
    }
    variables
}

/// Makes sure that every package is there that the build cannot do without.
/// Returns whether some were fetched, so that the project is to be looked at anew.
///
/// # Errors
/// Names the first that is missing and how to fetch it, or what fetching said.
pub(super) fn provide(job: &Job<'_>, project_cache: &str, build: &Invocation) -> Result<bool> {
    let folder = folder(job, project_cache);
    let missing = missing(job, &folder)?;
    if job.context.layer.fetch && !missing.is_empty() {
        fetch(job, build)?;
        return Ok(true);
    }
    let needed: Vec<&PinnedPackage> = missing.iter().filter(|package| !package.lazy).collect();
    let Some(first) = needed.first() else { return Ok(false) };
    let more = match needed.len() - 1 {
        0 => String::new(),
        count => format!(", and {count} more"),
    };
    Err(Error::Module {
        message: format!(
            "`{}`, line {}: the package `{}` is not in the package cache{more}",
            first.named_by.display(),
            first.line,
            first.hash
        ),
        hint: Some(fetch_hint(job)),
    })
}

/// Returns what to do about packages that a build asked for and that are missing.
pub(super) fn hint(job: &Job<'_>, project_cache: &str) -> Option<String> {
    let missing = missing(job, &folder(job, project_cache)).unwrap_or_default();
    (!missing.is_empty()).then(|| fetch_hint(job))
}

fn fetch_hint(job: &Job<'_>) -> String {
    format!("`zigimport build --fetch {}` downloads what it names; nothing else does", job.module().folder().display())
}

fn folder(job: &Job<'_>, project_cache: &str) -> PathBuf {
    match job.line() {
        "0.15" => job.cache(project_cache).join("global/p"),
        "0.16" => job.module().folder().join("zig-pkg"),
        _ => job.cache(project_cache).join("packages"),
    }
}

/// Lists the packages that are not there, of the project and of those that are.
fn missing(job: &Job<'_>, folder: &Path) -> Result<Vec<PinnedPackage>> {
    let mut missing = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = job.prepared.closure.packages.clone();
    let mut scanner = None;
    while let Some(package) = pending.pop() {
        if !seen.insert(package.hash.clone()) {
            continue;
        }
        let own = folder.join(&package.hash);
        if !own.is_dir() {
            missing.push(package);
            continue;
        }
        let mut files = vec![own.join("build.zig.zon")];
        while let Some(named_by) = files.pop() {
            // A package without this file names none.
            let Ok(content) = stamp::read(&named_by, closure::SOURCE_BYTES_MAX) else { continue };
            let scan = closure::scan_bytes(&mut scanner, &named_by, &content.bytes, Language::Zon)?;
            for dependency in scan.dependencies {
                let operand = closure::os_path(&dependency.operand);
                if dependency.kind == DependencyKind::PackagePath {
                    let inner = named_by.parent().unwrap_or(&own).join(&operand).join("build.zig.zon");
                    let inner = closure::normalize(&inner);
                    if seen.insert(inner.to_string_lossy().into_owned()) {
                        files.push(inner);
                    }
                    continue;
                }
                pending.push(PinnedPackage {
                    hash: operand.to_string_lossy().into_owned(),
                    // One that is needed only with a lazy one is as lazy.
                    lazy: package.lazy || dependency.kind == DependencyKind::LazyPackageHash,
                    named_by: named_by.clone(),
                    line: dependency.span.line,
                });
            }
        }
    }
    missing.sort_by(|left, right| (&left.named_by, left.line).cmp(&(&right.named_by, right.line)));
    Ok(missing)
}

fn fetch(job: &Job<'_>, build: &Invocation) -> Result<()> {
    job.context.frontend.report(Level::Info, format!("fetching the packages of {}", job.module().name));
    let mut invocation = build.clone();
    invocation.arguments.push(FETCH.into());
    invocation.environment.retain(|(name, _)| !PROXY_VARIABLES.contains(&name.as_str()));
    let finished = job.run(&invocation)?;
    if finished.status.success() {
        return Ok(());
    }
    Err(job.compile_error(&finished, &graph::without_runner_lines(&finished.text), &invocation.directory))
}
