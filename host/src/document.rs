//! A plan for programs: as JSON, which `docs/plan.schema.json` describes.
//!
//! Of a large tree that is megabytes of text, so it is written as such, by module
//! and on every processor, and not made a tree of values first.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::closure::{self, Module, Remark};
use crate::compiler;
use crate::digest::Digest;
use crate::error::Error;
use crate::graph::{self, Named};
use crate::guest;
use crate::guest::planning::{Action, Decision};
use crate::parallel::Workers;
use crate::plan::{self, Context, Plan, Prepared, PreparedTarget};
use crate::plugin::{Failure, Participant};
use crate::refusal;
use crate::render;
use crate::toolchain::Toolchain;

/// Version of the JSON form; raised when a field changes its meaning or goes.
pub const PLAN_JSON_VERSION: u32 = 2;

/// Writes a plan as JSON. Paths in `folder` are relative to it. The commands,
/// whose paths are absolute, are in it only if they are asked for.
#[must_use]
pub fn plan_json(context: Context<'_>, plan: &Plan, folder: &Path, explain: bool) -> String {
    let workers = Workers::default();
    let names = Names(folder);
    let of_action = |(): &mut (), action| pretty(&ActionForm::of(context, plan, action, &names, explain), 2);
    let of_module = |(): &mut (), prepared| pretty(&ModuleForm::of(prepared, &names), 2);
    let component = |(name, digest): &(&'static str, Digest)| pretty(&ComponentForm { digest: Hex(*digest), name }, 2);
    let error = |(module, error): &(Module, Error)| {
        let source = names.of(&module.source_path);
        pretty(&ErrorForm { message: error.report(), module: &module.name, source }, 2)
    };
    let mut members = vec![
        ("actions", list(workers.map(plan.actions.iter().collect(), of_action))),
        ("cache", pretty(&names.of(context.store.root()), 1)),
        ("components", list(guest::components().iter().map(component).collect())),
    ];
    if !plan.failures.is_empty() {
        members.push(("errors", list(plan.failures.iter().map(error).collect())));
    }
    members.push(("force_rebuild", pretty(&context.layer.force_rebuild, 1)));
    members.push(("modules", list(workers.map(plan.modules.iter().collect(), of_module))));
    members.push(("native", pretty(context.layer.native.name(), 1)));
    if context.layer.release_mode {
        members.push(("release_mode", pretty(&true, 1)));
    }
    let toolchain = plan.toolchain.as_ref().map(|toolchain| ToolchainForm::of(toolchain, &names));
    members.push(("toolchain", pretty(&toolchain, 1)));
    members.push(("version", pretty(&PLAN_JSON_VERSION, 1)));

    let mut text = String::with_capacity(members.iter().map(|(_, value)| value.len() + 32).sum());
    for (index, (name, value)) in members.into_iter().enumerate() {
        text.push_str(if index == 0 { "{\n  \"" } else { ",\n  \"" });
        text.push_str(name);
        text.push_str("\": ");
        text.push_str(&value);
    }
    text.push_str("\n}");
    text
}

/// Writes a value as it stands in a document that many others are around of.
fn pretty<T: Serialize + ?Sized>(value: &T, depth: usize) -> String {
    let mut formatter = PrettyFormatter::new();
    for _ in 0..depth {
        formatter.begin_array(&mut io::sink()).expect("a sink takes everything");
    }
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).expect("a plan has only encodable fields");
    String::from_utf8(bytes).expect("JSON is text")
}

/// Joins the elements of a list that is a member of the document.
fn list(elements: Vec<String>) -> String {
    if elements.is_empty() {
        return "[]".to_owned();
    }
    format!("[\n    {}\n  ]", elements.join(",\n    "))
}

/// Names paths: relative to the folder in which the plan was made, with `/`, so
/// that the same tree elsewhere gives the same document; absolute where they
/// lie outside.
struct Names<'a>(&'a Path);

impl Names<'_> {
    fn of(&self, path: &Path) -> String {
        if path == self.0 {
            return ".".to_owned();
        }
        if path.starts_with(self.0) {
            return closure::relative_to(path, self.0);
        }
        path.to_string_lossy().into_owned()
    }
}

/// A digest in hexadecimal digits.
struct Hex(Digest);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.0.digits();
        serializer.serialize_str(std::str::from_utf8(&digits).expect("digits are text"))
    }
}

// The fields are in the order of the alphabet: programs find them by name, and people, too.

#[derive(Serialize)]
struct ComponentForm<'a> {
    digest: Hex,
    name: &'a str,
}

#[derive(Serialize)]
struct ErrorForm<'a> {
    message: String,
    module: &'a str,
    source: String,
}

#[derive(Serialize)]
struct ToolchainForm<'a> {
    identity: Hex,
    origin: &'static str,
    path: String,
    version: Option<&'a str>,
}

impl<'a> ToolchainForm<'a> {
    fn of(toolchain: &'a Toolchain, names: &Names<'_>) -> Self {
        Self {
            identity: Hex(toolchain.identity),
            origin: toolchain.located.origin.describe(),
            path: names.of(&toolchain.located.path),
            version: toolchain.version.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct ModuleForm<'a> {
    abi: &'a str,
    binding: &'static str,
    dependencies: Vec<DependencyForm>,
    flags: &'a [String],
    inputs: Vec<InputForm<'a>>,
    kind: &'static str,
    library: Option<String>,
    name: &'a str,
    optimize: &'static str,
    plugin_failure: Option<PluginFailureForm<'a>>,
    plugins: Vec<PluginForm<'a>>,
    project_root: String,
    remarks: Vec<RemarkForm<'a>>,
    shadowed_by: Option<&'a str>,
    source: String,
    targets: Vec<TargetForm<'a>>,
}

impl<'a> ModuleForm<'a> {
    fn of(prepared: &'a Prepared, names: &Names<'_>) -> Self {
        let closure = &prepared.closure;
        let root = &closure.project_root;
        // The scan looked the inputs up; the rest is absent, a folder, or a project's.
        let inputs: HashSet<&OsStr> = closure.inputs.iter().map(|input| input.path.as_os_str()).collect();
        let is_there = |path: &Path| inputs.contains(path.as_os_str()) || path.exists();
        let input = |input: &'a closure::Input| InputForm {
            digest: Hex(input.digest),
            path: &input.relative,
            role: input.role.name(),
        };
        let named = graph::named(prepared);
        Self {
            abi: &prepared.abi,
            binding: plan::binding_name(closure.binding),
            dependencies: named.into_iter().map(|named| DependencyForm::of(named, root, is_there)).collect(),
            flags: &prepared.key_inputs.flags,
            inputs: closure.inputs.iter().map(input).collect(),
            kind: prepared.module.kind.name(),
            library: prepared.package.as_ref().map(crate::package::Package::describe),
            name: &prepared.module.name,
            optimize: prepared.optimize.name(),
            plugin_failure: closure.plugin_failure.as_ref().map(|failure| PluginFailureForm::of(failure, root)),
            plugins: closure.participants.iter().map(PluginForm::of).collect(),
            project_root: names.of(root),
            remarks: closure.remarks.iter().map(RemarkForm::of).collect(),
            shadowed_by: prepared.shadowed_by.as_deref(),
            source: names.of(&prepared.module.source_path),
            targets: prepared.targets.iter().map(TargetForm::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct DependencyForm {
    found: Option<bool>,
    from: String,
    how: Cow<'static, str>,
    line: u32,
    to: String,
}

impl DependencyForm {
    fn of(named: Named, root: &Path, is_there: impl Fn(&Path) -> bool) -> Self {
        let Named { from, to, is_name, how, line } = named;
        Self {
            found: (!is_name).then(|| is_there(&to)),
            from: closure::relative_to(&from, root),
            how,
            line,
            to: if is_name { to.to_string_lossy().into_owned() } else { closure::relative_to(&to, root) },
        }
    }
}

#[derive(Serialize)]
struct InputForm<'a> {
    digest: Hex,
    path: &'a str,
    role: &'static str,
}

#[derive(Serialize)]
struct PluginFailureForm<'a> {
    line: Option<u32>,
    message: String,
    on_failure: &'static str,
    path: String,
    plugin: &'a str,
    version: Option<&'a str>,
}

impl<'a> PluginFailureForm<'a> {
    fn of(failure: &'a Failure, root: &Path) -> Self {
        Self {
            line: (failure.line > 0).then_some(failure.line),
            message: failure.message(),
            on_failure: failure.on_failure.name(),
            path: closure::relative_to(&failure.path, root),
            plugin: &failure.plugin,
            version: failure.version.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct PluginForm<'a> {
    digest: Hex,
    files: &'a [String],
    name: &'a str,
    on_failure: &'static str,
    pinned_by: &'static str,
    version: &'a str,
    view: &'a [String],
}

impl<'a> PluginForm<'a> {
    fn of(plugin: &'a Participant) -> Self {
        Self {
            digest: Hex(plugin.digest),
            files: &plugin.files,
            name: &plugin.name,
            on_failure: plugin.on_failure.name(),
            pinned_by: plugin.origin.name(),
            version: &plugin.version,
            view: &plugin.view,
        }
    }
}

#[derive(Serialize)]
struct RemarkForm<'a> {
    line: u32,
    path: &'a str,
    text: &'a str,
}

impl<'a> RemarkForm<'a> {
    fn of(remark: &'a Remark) -> Self {
        Self { line: remark.line, path: &remark.path, text: &remark.text }
    }
}

#[derive(Serialize)]
struct TargetForm<'a> {
    action_key: Hex,
    artifact: Option<&'a str>,
    discovered: Vec<DiscoveredForm<'a>>,
    source_key: Hex,
    target: &'static str,
}

impl<'a> TargetForm<'a> {
    fn of(target: &'a PreparedTarget) -> Self {
        let known = target.known();
        let discovered = known.iter().flat_map(|entry| &entry.discovered);
        Self {
            action_key: Hex(target.action_key),
            artifact: known.map(|entry| entry.artifact.as_str()),
            discovered: discovered
                .map(|input| DiscoveredForm { digest: &input.digest, path: &input.path, role: &input.role })
                .collect(),
            source_key: Hex(target.source_key),
            target: target.target.label,
        }
    }
}

#[derive(Serialize)]
struct DiscoveredForm<'a> {
    digest: &'a str,
    path: &'a str,
    role: &'a str,
}

#[derive(Serialize)]
struct ActionForm<'a> {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commands: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    module: &'a str,
    reason: ReasonForm<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'static str>,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<&'static str>>,
    targets: &'a [String],
}

impl<'a> ActionForm<'a> {
    fn of(context: Context<'_>, plan: &'a Plan, action: &'a Action, names: &Names<'_>, explain: bool) -> Self {
        let prepared = render::prepared_of(plan, action);
        let mut form = Self {
            action: render::decision(&action.decision),
            commands: None,
            message: None,
            module: &prepared.module.name,
            reason: ReasonForm {
                code: render::reason_name(action.reason.code),
                more: action.reason.more,
                new: &action.reason.new,
                old: &action.reason.old,
                subject: &action.reason.subject,
                text: render::reason(action),
            },
            refusal: None,
            route: None,
            source: names.of(&prepared.module.source_path),
            steps: None,
            targets: &action.targets,
        };
        match &action.decision {
            Decision::Build(build) => {
                form.route = Some(render::route_name(build.route));
                form.steps = Some(build.steps.iter().map(|step| render::step_name(*step)).collect());
                let toolchain = plan.toolchain.as_ref().filter(|_| explain);
                form.commands = toolchain.map(|toolchain| compiler::commands(context, prepared, toolchain, action));
            }
            Decision::Refuse(refusal) => {
                form.refusal = Some(render::refusal_name(*refusal));
                form.message = Some(refusal::error(context, plan, prepared, *refusal, &action.reason).report());
            }
            Decision::Load | Decision::Restore | Decision::Fetch | Decision::Skip => {}
        }
        form
    }
}

#[derive(Serialize)]
struct ReasonForm<'a> {
    code: &'static str,
    more: u32,
    new: &'a str,
    old: &'a str,
    subject: &'a str,
    text: String,
}
