//! Words what cannot be built: what is missing, and the remedy.

use crate::compiler;
use crate::error::Error;
use crate::guest::planning::{Decision, Reason, Refusal};
use crate::package::{self, PYZ3, Package};
use crate::plan::{self, Context, Plan, Prepared};
use crate::plugin::Failure;
use crate::toolchain::{self, Origin};

/// Returns the one error that the user sees for a refusal of the planner.
#[must_use]
pub fn error(context: Context<'_>, plan: &Plan, prepared: &Prepared, refusal: Refusal, reason: &Reason) -> Error {
    let module = &prepared.module;
    let name = &module.name;
    let source = module.source_path.display();
    let version = plan.toolchain.as_ref().and_then(|toolchain| toolchain.version.clone()).unwrap_or_default();
    let zig = plan.toolchain.as_ref().map_or_else(String::new, |toolchain| {
        format!("`{}` (from {})", toolchain.located.path.display(), toolchain.located.origin.describe())
    });
    let lines = toolchain::SUPPORTED_LINES;
    let install = format!("pip install \"ziglang=={}.*\"", lines[lines.len() - 1]);
    let supported = format!("Zig {}, {} and {}", lines[0], lines[1], lines[2]);
    let foreign: Vec<&str> =
        prepared.targets.iter().filter(|target| target.headers_missing).map(|target| target.target.label).collect();
    let foreign = foreign.join(", ");
    let library = prepared.package.as_ref().map_or_else(|| PYZ3.to_owned(), Package::describe);
    let Reason { old: wanted, new: found, .. } = reason;
    let failure = prepared.targets.iter().find_map(|target| target.shared_failure.as_ref());
    let module_error = |message: String, hint: &str| Error::Module { message, hint: Some(hint.to_owned()) };
    match refusal {
        Refusal::PluginFailed => match &prepared.closure.plugin_failure {
            Some(failure) => failure.error(),
            None => module_error(format!("a plugin failed on `{source}`"), "zigimport plugin list"),
        },
        Refusal::NativeForbidden if prepared.closure.plugin_failure.is_some() => {
            let failure = prepared.closure.plugin_failure.as_ref().map(Failure::message).unwrap_or_default();
            Error::NotFound {
                message: format!(
                    "{failure}; so what is cached of `{name}` may be stale, and ZIGIMPORT_NATIVE=never forbids building it"
                ),
                hint: "mend the plugin, or import where a compiler may run".to_owned(),
            }
        }
        Refusal::NativeForbidden | Refusal::SandboxUnavailable
            if let Some(executor) = &context.layer.remote_executor =>
        {
            let native = context.layer.native.name();
            let (message, hint) = if let Some(obstacle) = compiler::remote::obstacle(prepared) {
                let message = format!(
                    "`{name}` ({source}) has to be built, {executor} does not build it, since {obstacle}, and ZIGIMPORT_NATIVE={native} forbids building it here"
                );
                let hint = "build it where the compiler may run, and push it to a shared cache (ZIGIMPORT_REMOTE_CACHE); or unset ZIGIMPORT_NATIVE";
                (message, hint.to_owned())
            } else if let Some(missing) = context.frontend.executor().missing() {
                let message = format!(
                    "`{name}` ({source}) has to be built, and {executor} cannot be asked to: {}; ZIGIMPORT_NATIVE={native} forbids building it here",
                    missing.reason
                );
                (message, missing.hint)
            } else {
                let message = format!(
                    "`{name}` ({source}) has to be built with the version of Zig that is here, and ZIGIMPORT_NATIVE={native} forbids asking {zig} for it"
                );
                let is_set =
                    plan.toolchain.as_ref().is_some_and(|toolchain| toolchain.located.origin == Origin::Setting);
                let unset = if is_set { "unset ZIGIMPORT_ZIG, and " } else { "" };
                (message, format!("{unset}`pip install ziglang`, whose version is known; or unset ZIGIMPORT_NATIVE"))
            };
            Error::NotFound { message, hint }
        }
        Refusal::NativeForbidden => match context.store.unreadable() {
            Some(path) => Error::Cache { action: "read", path, reason: "permission denied".to_owned() },
            None => Error::NotFound {
                message: format!(
                    "`{name}` ({source}) is not in the cache `{}`{} for target {}, {}, ABI {}{}, and ZIGIMPORT_NATIVE=never forbids building it",
                    context.store.root().display(),
                    match failure {
                        None if context.layer.remote_cache.is_some() => ", nor in the shared cache,",
                        _ => "",
                    },
                    prepared.targets.first().map_or("", |target| target.target.label),
                    prepared.optimize.name(),
                    prepared.abi,
                    failure.map_or_else(String::new, |failure| format!(" ({failure})")),
                ),
                hint: "build it where a compiler may run, with the same sources and settings, and bring that cache \
                   here (ZIGIMPORT_BUILD_DIR), or push it to a shared cache; or unset ZIGIMPORT_NATIVE"
                    .to_owned(),
            },
        },
        Refusal::ZigMissing => Error::NotFound {
            message: format!("no Zig compiler to build `{name}` ({source}) with"),
            hint: format!("{install}, or set ZIGIMPORT_ZIG to a zig program"),
        },
        Refusal::ZigUnsupported => Error::NotFound {
            message: format!("Zig {version} at {zig} cannot build `{name}`: zigimport works with {supported}"),
            hint: format!("{install}, or set ZIGIMPORT_ZIG to one of these"),
        },
        Refusal::CImportRemoved => module_error(
            format!("`{source}` calls @cImport, which Zig {version} at {zig} no longer has"),
            "for Python.h, write `const c = @import(\"Python.h\");` instead (it works on every supported Zig); for other headers use Zig 0.15 or 0.16",
        ),
        Refusal::BindingNeedsProject => {
            let binding = plan::binding_name(prepared.closure.binding);
            let versions = package::known_versions(binding).unwrap_or_default();
            let at_hand = if version.is_empty() { String::new() } else { format!("; the Zig at hand is {version}") };
            module_error(
                format!("`{source}` imports {binding}, which only a project module can use; {versions}{at_hand}"),
                &format!(
                    "make it a project module: a folder `{}` with a build.zig, and a build.zig.zon that has {binding} \
                     as a package; or use plain `pub fn`",
                    module.leaf(),
                ),
            )
        }
        Refusal::BindingMissing => module_error(
            format!("`{source}` imports {library}, and no package {PYZ3} is on the import path"),
            &format!("pip install {PYZ3} \"ziglang=={wanted}.*\": it works with Zig {wanted}"),
        ),
        Refusal::BindingZig => module_error(
            format!("`{source}` uses {library}, which works with Zig {wanted}; the Zig at hand is {found}, {zig}"),
            &format!("pip install \"ziglang=={wanted}.*\", or set ZIGIMPORT_ZIG to a zig {wanted} program"),
        ),
        Refusal::BindingPython => module_error(
            format!("`{source}` uses {library}, which works with Python {wanted} and newer; this is Python {found}"),
            &format!("use Python {wanted} or newer, or plain `pub fn`"),
        ),
        Refusal::HeadersMissing if prepared.headers.is_none() => module_error(
            format!("`{source}` needs the C headers of this Python, and they are not installed"),
            "install them (Debian: python3-dev), or use plain `pub fn`",
        ),
        Refusal::HeadersMissing => module_error(
            format!("`{source}` needs the C headers of a Python for {foreign}, and there are only this machine's"),
            "build it there, or use plain `pub fn`, which needs no headers",
        ),
        Refusal::SandboxUnavailable => Error::NotFound {
            message: format!(
                "`{name}` has to be built, and ZIGIMPORT_NATIVE=sandbox-required cannot be met: this version of zigimport does not confine the compiler"
            ),
            hint: "set ZIGIMPORT_NATIVE=auto, or never with a cache that has it".to_owned(),
        },
    }
}

/// Returns the errors that carrying out a plan would give.
#[must_use]
pub fn errors(context: Context<'_>, plan: &Plan) -> Vec<Error> {
    plan.actions
        .iter()
        .filter_map(|action| match action.decision {
            Decision::Refuse(refusal) => {
                let prepared = plan.modules.get(usize::try_from(action.module).ok()?)?;
                Some(error(context, plan, prepared, refusal, &action.reason))
            }
            _ => None,
        })
        .collect()
}
