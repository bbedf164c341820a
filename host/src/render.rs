//! A plan for people, and the same for programs.

use std::path::Path;

use serde_json::{Value, json};

use crate::closure::{self, ModuleKind, Role};
use crate::compiler;
use crate::digest::Digest;
use crate::graph;
use crate::guest::planning::{Action, Decision, Reason, ReasonCode, Refusal, Route, Step};
use crate::guest::source::{DeclarationKind, DependencyKind, Language, Scan, Span};
use crate::plan::{self, Context, Plan, Prepared};
use crate::refusal;
use crate::remote;
use crate::template;

/// Returns the word for what is done.
#[must_use]
pub fn decision(decision: &Decision) -> &'static str {
    match decision {
        Decision::Load => "load",
        Decision::Restore => "restore",
        Decision::Fetch => "fetch",
        Decision::Build(_) => "build",
        Decision::Refuse(_) => "refuse",
        Decision::Skip => "skip",
    }
}

/// Returns why, in one plain sentence.
#[must_use]
pub fn reason(action: &Action) -> String {
    let Reason { code, subject, old, new, more } = &action.reason;
    let others = match more {
        0 => String::new(),
        1 => " and 1 other input".to_owned(),
        count => format!(" and {count} other inputs"),
    };
    match code {
        ReasonCode::Unchanged => "unchanged".to_owned(),
        ReasonCode::FirstBuild => "first build".to_owned(),
        ReasonCode::InputChanged => format!("{subject}{others} changed"),
        ReasonCode::InputAdded => format!("{subject}{others} added"),
        ReasonCode::InputRemoved => format!("{subject}{others} removed"),
        ReasonCode::CompilerChanged => format!("compiler changed from {old} to {new}"),
        ReasonCode::OptimizeChanged => format!("optimize mode changed from {old} to {new}"),
        ReasonCode::AbiChanged => format!("Python ABI changed from {old} to {new}"),
        ReasonCode::ArtifactMissing => "not in the cache for these inputs and settings".to_owned(),
        ReasonCode::Forced => "rebuild is forced".to_owned(),
        ReasonCode::ObjectPresent => "built before, unpacked from the cache".to_owned(),
        ReasonCode::RemotePresent => "built before, fetched from the shared cache".to_owned(),
        ReasonCode::Refused => match &action.decision {
            Decision::Refuse(refusal) => refusal_reason(*refusal).to_owned(),
            _ => "refused".to_owned(),
        },
        ReasonCode::PluginFailed => format!("plugin {subject} failed: not taken from the cache, and not kept"),
        ReasonCode::Shadowed => format!("an import takes {subject}"),
    }
}

pub(crate) fn reason_name(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Unchanged => "unchanged",
        ReasonCode::FirstBuild => "first-build",
        ReasonCode::InputChanged => "input-changed",
        ReasonCode::InputAdded => "input-added",
        ReasonCode::InputRemoved => "input-removed",
        ReasonCode::CompilerChanged => "compiler-changed",
        ReasonCode::OptimizeChanged => "optimize-changed",
        ReasonCode::AbiChanged => "abi-changed",
        ReasonCode::ArtifactMissing => "artifact-missing",
        ReasonCode::Forced => "forced",
        ReasonCode::ObjectPresent => "object-present",
        ReasonCode::RemotePresent => "remote-present",
        ReasonCode::Refused => "refused",
        ReasonCode::Shadowed => "shadowed",
        ReasonCode::PluginFailed => "plugin-failed",
    }
}

fn refusal_reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NativeForbidden => "not in the cache, and building is forbidden here",
        Refusal::ZigMissing => "there is no Zig compiler",
        Refusal::ZigUnsupported => "this version of Zig is not supported",
        Refusal::CImportRemoved => "this version of Zig has no @cImport",
        Refusal::BindingNeedsProject => "its binding library is for project modules",
        Refusal::BindingMissing => "its binding library is not installed",
        Refusal::BindingZig => "its binding library goes with another version of Zig",
        Refusal::BindingPython => "its binding library goes with a newer Python",
        Refusal::HeadersMissing => "the C headers of Python are missing",
        Refusal::SandboxUnavailable => "the compiler cannot be confined here",
        Refusal::PluginFailed => "a plugin failed",
    }
}

pub(crate) fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NativeForbidden => "native-forbidden",
        Refusal::ZigMissing => "zig-missing",
        Refusal::ZigUnsupported => "zig-unsupported",
        Refusal::CImportRemoved => "c-import-removed",
        Refusal::BindingNeedsProject => "binding-needs-project",
        Refusal::BindingMissing => "binding-missing",
        Refusal::BindingZig => "binding-zig",
        Refusal::BindingPython => "binding-python",
        Refusal::HeadersMissing => "headers-missing",
        Refusal::SandboxUnavailable => "sandbox-unavailable",
        Refusal::PluginFailed => "plugin-failed",
    }
}

pub(crate) fn route_name(route: Route) -> &'static str {
    match route {
        Route::Compiler => "compiler",
        Route::Graph => "graph",
        Route::Project => "project",
    }
}

pub(crate) fn step_name(step: Step) -> &'static str {
    match step {
        Step::ProbeVersion => "probe-version",
        Step::TranslateC => "translate-c",
        Step::Compile => "compile",
        Step::Compress => "compress",
        Step::Publish => "publish",
    }
}

pub(crate) fn prepared_of<'a>(plan: &'a Plan, action: &Action) -> &'a Prepared {
    &plan.modules[usize::try_from(action.module).expect("the planner answers with indices of the request")]
}

fn zig_line(plan: &Plan) -> String {
    match &plan.toolchain {
        None => "zig: none".to_owned(),
        Some(toolchain) => format!(
            "zig: {} at {} (from {})",
            toolchain.version.as_deref().unwrap_or("version not probed"),
            toolchain.located.path.display(),
            toolchain.located.origin.describe(),
        ),
    }
}

/// Writes a plan as text, one block a module.
#[must_use]
pub fn plan_text(context: Context<'_>, plan: &Plan, explain: bool) -> String {
    let mut lines = Vec::new();
    let name_width = column(plan.actions.iter().map(|action| prepared_of(plan, action).module.name.chars().count()));
    let targets_width = column(plan.actions.iter().map(|action| action.targets.join(" ").len()));
    for action in &plan.actions {
        let prepared = prepared_of(plan, action);
        lines.push(format!(
            "{:<8} {:<name_width$}  {:<targets_width$}  ({})",
            decision(&action.decision),
            prepared.module.name,
            action.targets.join(" "),
            reason(action),
        ));
        if let Decision::Refuse(refusal) = action.decision {
            let report = refusal::error(context, plan, prepared, refusal, &action.reason).report();
            lines.extend(report.lines().map(|line| format!("         {line}")));
        }
        if let (Decision::Build(_), Some(failure)) = (&action.decision, &prepared.closure.plugin_failure) {
            lines.extend(failure.error().report().lines().map(|line| format!("         {line}")));
        }
        if explain {
            explain_action(context, plan, action, prepared, &mut lines);
            lines.push(String::new());
        }
    }
    for (module, error) in &plan.failures {
        lines.push(format!("{:<8} {:<name_width$}  {}", "error", module.name, error.report()));
    }
    if context.layer.release_mode {
        lines.push("ZIGIMPORT_RELEASE_MODE is set: imports load what was built last, whatever was edited".to_owned());
    }
    if explain {
        lines.push(zig_line(plan));
        lines.push(format!("cache: {}", context.store.root().display()));
        if let Some(shared) = remote::described(context.layer) {
            lines.push(format!("shared cache: {shared}"));
        }
        if let Some(executor) = &context.layer.remote_executor {
            lines.push(format!("executor: {executor}"));
        }
    }
    lines.push(summary(plan));
    joined(&lines)
}

/// Joins lines for a terminal. A name of a file may have any character in it: none
/// that moves the cursor or begins a line gets there.
#[must_use]
pub fn joined(lines: &[String]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        for character in line.chars() {
            if template::is_unseen(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
    }
    text
}

/// Longer cells than this do not push the others aside.
const COLUMN_MAX: usize = 40;

/// Returns the width of a column for cells of these widths.
fn column(widths: impl Iterator<Item = usize>) -> usize {
    widths.filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0)
}

fn explain_action(context: Context<'_>, plan: &Plan, action: &Action, prepared: &Prepared, lines: &mut Vec<String>) {
    let closure = &prepared.closure;
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<9} {value}"));
    line("source", prepared.module.source_path.display().to_string());
    line("root", closure.project_root.display().to_string());
    let kind = prepared.module.kind.name();
    line(
        "kind",
        match prepared.module.kind {
            // What its library has for Python is known to its build alone.
            ModuleKind::Project => kind.to_owned(),
            _ => format!("{kind}, {} binding", plan::binding_name(closure.binding)),
        },
    );
    let debug_info = if prepared.strip { "" } else { ", debug info" };
    line("settings", format!("{}{debug_info}, ABI {}", prepared.optimize.name(), prepared.abi));
    for target in
        prepared.targets.iter().filter(|target| action.targets.iter().any(|label| label == target.target.label))
    {
        line("key", format!("{} ({})", target.action_key, target.target.label));
    }
    if let Some(package) = &prepared.package {
        line(
            "library",
            format!("{}, {} files in {}", package.describe(), package.inputs.len(), package.sources.display()),
        );
    }
    for plugin in &closure.participants {
        line("plugin", format!("{}, asked about {}", plugin.describe(), plugin.files.join(", ")));
    }
    for input in closure.inputs.iter().filter(|input| input.role != Role::Library) {
        line("input", format!("{} {} {}", &input.digest.hex()[..16], input.role.name(), input.relative));
    }
    if let Some(entry) = prepared.targets.iter().find_map(|target| target.entry.as_ref()) {
        for input in &entry.discovered {
            if input.role == crate::store::ABSENT {
                line("absent", format!("{} (would be in front of what the compiler read)", input.path));
                continue;
            }
            line("input", format!("{} discovered {}", &input.digest[..16.min(input.digest.len())], input.path));
        }
    }
    for named in graph::named(prepared).iter().filter(|named| !named.is_name && !named.to.exists()) {
        let relative = |path: &Path| closure::relative_to(path, &closure.project_root);
        line("absent", format!("{} (named in {}:{})", relative(&named.to), relative(&named.from), named.line));
    }
    for remark in &closure.remarks {
        line("remark", format!("{}:{}: {}", remark.path, remark.line, remark.text));
    }
    if let (Decision::Build(build), Some(toolchain)) = (&action.decision, &plan.toolchain) {
        line("route", route_name(build.route).to_owned());
        line("steps", build.steps.iter().map(|step| step_name(*step)).collect::<Vec<_>>().join(", "));
        for command in compiler::commands(context, prepared, toolchain, action) {
            line("command", command);
        }
    }
}

/// Counts the actions, in one line.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let counted = ["load", "restore", "fetch", "build", "refuse", "skip"]
        .map(|name| (name, plan.actions.iter().filter(|action| decision(&action.decision) == name).count()));
    let parts: Vec<String> =
        counted.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} to {name}")).collect();
    let failed = (!plan.failures.is_empty()).then(|| match plan.failures.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    });
    let parts: Vec<String> = parts.into_iter().chain(failed).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

/// Writes the scan of one source as JSON.
#[must_use]
pub fn scan_json(path: &Path, bytes: &[u8], scan: &Scan) -> String {
    let span = |span: &Span| json!({ "start": span.start, "end": span.end, "line": span.line, "column": span.column });
    let dependencies: Vec<Value> = scan
        .dependencies
        .iter()
        .map(|dependency| {
            let kind = match dependency.kind {
                DependencyKind::ZigImport => "@import",
                DependencyKind::EmbedFile => "@embedFile",
                DependencyKind::CInclude => "@cInclude",
                DependencyKind::CDefine if closure::language(path) == Language::C => "#define",
                DependencyKind::CDefine => "@cDefine",
                DependencyKind::CUndef => "@cUndef",
                DependencyKind::QuotedInclude => "#include \"\"",
                DependencyKind::AngledInclude => "#include <>",
                DependencyKind::NextInclude => "#include_next",
                DependencyKind::CEmbed => "#embed",
                DependencyKind::AssemblerEmbed => ".incbin",
                DependencyKind::AssemblerInclude => ".include",
                DependencyKind::ConfigureRead => "read by a build file",
                DependencyKind::PackagePath => "package path",
                DependencyKind::PackageHash => "package hash",
                DependencyKind::LazyPackageHash => "lazy package hash",
            };
            json!({
                "kind": kind,
                "operand": String::from_utf8_lossy(&dependency.operand),
                "literal": dependency.literal,
                "span": span(&dependency.span),
            })
        })
        .collect();
    let declarations: Vec<Value> = scan
        .declarations
        .iter()
        .map(|declaration| {
            let kind = match declaration.kind {
                DeclarationKind::Function => "function",
                DeclarationKind::Constant => "constant",
                DeclarationKind::Variable => "variable",
            };
            json!({
                "name": declaration.name,
                "container": declaration.container,
                "kind": kind,
                "parameters": declaration.parameters.iter().map(|parameter| json!({
                    "name": parameter.name, "type": parameter.type_text,
                })).collect::<Vec<_>>(),
                "type": declaration.type_text,
                "doc": declaration.doc,
                "line": declaration.line,
            })
        })
        .collect();
    json!({
        "path": path.to_string_lossy(),
        "digest": Digest::of(bytes).hex(),
        "bytes": bytes.len(),
        "binding": plan::binding_name(scan.binding),
        "doc": scan.doc,
        "settings": scan.settings.iter().map(|setting| json!({
            "name": setting.name, "value": setting.value, "line": setting.line,
        })).collect::<Vec<_>>(),
        "dependencies": dependencies,
        "declarations": declarations,
        "invalid": scan.invalid.as_ref().map(span),
    })
    .to_string()
}
