//! What differs between two plans in their JSON form: an earlier one from a
//! file and the one of now.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::document::PLAN_JSON_VERSION;
use crate::error::{Error, Result};
use crate::render;
use crate::stamp;

/// Version of the JSON form.
pub const DIFFERENCE_JSON_VERSION: u32 = 1;

/// A plan larger than this is none.
const PLAN_BYTES_MAX: u64 = 1 << 30;

/// Fields of a plan that decide about every module.
const PLAN_FIELDS: &[&str] = &["cache", "native", "force_rebuild"];
const TOOLCHAIN_FIELDS: &[&str] = &["path", "origin", "version", "identity"];
const MODULE_FIELDS: &[&str] =
    &["kind", "project_root", "shadowed_by", "binding", "library", "optimize", "abi", "flags"];
const TARGET_FIELDS: &[&str] = &["source_key", "action_key", "artifact"];

/// Reads a plan that was written as JSON.
///
/// # Errors
/// Names the file that is no plan, or one of another version.
pub fn read(path: &Path) -> Result<Value> {
    let content = stamp::read(path, PLAN_BYTES_MAX)
        .map_err(|error| wrong(path, &format!("cannot be read: {error}"), MAKE_PLAN))?;
    parse(&content.bytes, path)
}

/// Reads the text of such a plan.
///
/// # Errors
/// As for [`read`].
pub fn parse(text: &[u8], path: &Path) -> Result<Value> {
    let plan: Value =
        serde_json::from_slice(text).map_err(|error| wrong(path, &format!("is no JSON: {error}"), MAKE_PLAN))?;
    if !["modules", "actions"].iter().all(|name| plan[name].is_array()) {
        return Err(wrong(path, "is no plan: it has no modules and actions", MAKE_PLAN));
    }
    if plan["version"] != PLAN_JSON_VERSION {
        let found = &plan["version"];
        let what = format!("is a plan of version {found}, and this zigimport compares version {PLAN_JSON_VERSION}");
        return Err(wrong(path, &what, "write both with the same zigimport"));
    }
    Ok(plan)
}

const MAKE_PLAN: &str = "write one with `zigimport plan --format json`";

fn wrong(path: &Path, what: &str, hint: &str) -> Error {
    Error::Module { message: format!("`{}` {what}", path.display()), hint: Some(hint.to_owned()) }
}

/// Takes a plan as it is now, in its JSON form.
///
/// # Panics
/// It is no JSON: our own bug.
#[must_use]
pub fn parsed(plan: &str) -> Value {
    serde_json::from_str(plan).expect("a plan in its JSON form is JSON")
}

/// Compares two plans; the answer is described by `docs/plan-diff.schema.json`.
#[must_use]
pub fn between(old: &Value, new: &Value) -> Value {
    let mut plan = fields(old, new, PLAN_FIELDS);
    for field in fields(&old["toolchain"], &new["toolchain"], TOOLCHAIN_FIELDS) {
        plan.push(renamed(field, "toolchain"));
    }
    for (name, old, new) in paired(&old["components"], &new["components"], "name", "digest") {
        plan.push(json!({ "field": format!("component {name}"), "old": old, "new": new }));
    }
    let mut modules = Vec::new();
    let (old_modules, new_modules) = (modules_of(old), modules_of(new));
    let names = old_modules.keys().chain(new_modules.keys()).collect::<std::collections::BTreeSet<_>>();
    for name in names {
        let change = match (old_modules.get(name), new_modules.get(name)) {
            (Some(_), None) => Some(json!({ "change": "removed" })),
            (None, Some(_)) => Some(json!({ "change": "added" })),
            (Some(before), Some(after)) => module(before, after),
            (None, None) => None,
        };
        if let Some(Value::Object(mut change)) = change {
            change.insert("name".to_owned(), name.0.clone().into());
            change.insert("source".to_owned(), name.1.clone().into());
            modules.push(Value::Object(change));
        }
    }
    json!({ "version": DIFFERENCE_JSON_VERSION, "plan": plan, "modules": modules })
}

/// A module with the actions for it.
struct Planned<'a> {
    module: &'a Value,
    actions: Vec<&'a Value>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the modules of a plan by name and source.
fn modules_of(plan: &Value) -> BTreeMap<(String, String), Planned<'_>> {
    let mut modules: BTreeMap<_, _> = list(&plan["modules"])
        .iter()
        .map(|module| {
            let name = (text(module, "name").to_owned(), text(module, "source").to_owned());
            (name, Planned { module, actions: Vec::new() })
        })
        .collect();
    for action in list(&plan["actions"]) {
        let name = (text(action, "module").to_owned(), text(action, "source").to_owned());
        if let Some(planned) = modules.get_mut(&name) {
            planned.actions.push(action);
        }
    }
    modules
}

fn module(old: &Planned<'_>, new: &Planned<'_>) -> Option<Value> {
    let mut fields = fields(old.module, new.module, MODULE_FIELDS);
    for (name, old, new) in paired(&old.module["plugins"], &new.module["plugins"], "name", "digest") {
        fields.push(json!({ "field": format!("plugin {name}"), "old": old, "new": new }));
    }
    let inputs: Vec<Value> = paired(&old.module["inputs"], &new.module["inputs"], "path", "digest")
        .into_iter()
        .map(|(path, old, new)| json!({ "path": path, "change": word(&old, &new), "old": old, "new": new }))
        .collect();
    let targets = targets(old, new);
    let is_same = fields.is_empty() && inputs.is_empty() && targets.is_empty();
    (!is_same).then(|| json!({ "change": "changed", "fields": fields, "inputs": inputs, "targets": targets }))
}

fn targets(old: &Planned<'_>, new: &Planned<'_>) -> Vec<Value> {
    let by_label = |planned: &Planned<'_>| -> BTreeMap<String, Value> {
        let described = list(&planned.module["targets"]).iter().map(|target| {
            let label = text(target, "target").to_owned();
            let mut fields: Map<String, Value> =
                TARGET_FIELDS.iter().map(|name| ((*name).to_owned(), target[*name].clone())).collect();
            let action =
                planned.actions.iter().find(|action| list(&action["targets"]).iter().any(|one| *one == *label));
            let action = action.map_or(Value::Null, |action| action["action"].clone());
            fields.insert("action".to_owned(), action);
            (label, Value::Object(fields))
        });
        described.collect()
    };
    let (old, new) = (by_label(old), by_label(new));
    let labels: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let names: Vec<&str> = TARGET_FIELDS.iter().copied().chain(["action"]).collect();
    labels
        .into_iter()
        .filter_map(|label| {
            let (before, after) = (old.get(label), new.get(label));
            let word = word(&json!(before.map(|_| "")), &json!(after.map(|_| "")));
            let fields = match (before, after) {
                (Some(before), Some(after)) => fields(before, after, &names),
                _ => Vec::new(),
            };
            let is_same = before.is_some() && after.is_some() && fields.is_empty();
            (!is_same).then(|| json!({ "target": label, "change": word, "fields": fields }))
        })
        .collect()
}

fn word(old: &Value, new: &Value) -> &'static str {
    match (old.is_null(), new.is_null()) {
        (true, _) => "added",
        (false, true) => "removed",
        (false, false) => "changed",
    }
}

/// Compares named fields of two objects.
fn fields(old: &Value, new: &Value, names: &[&str]) -> Vec<Value> {
    names
        .iter()
        .filter(|name| old[**name] != new[**name])
        .map(|name| json!({ "field": name, "old": old[*name], "new": new[*name] }))
        .collect()
}

fn renamed(mut field: Value, prefix: &str) -> Value {
    field["field"] = format!("{prefix} {}", text(&field, "field")).into();
    field
}

/// Compares two lists of objects by `name`; returns those whose `value` differs,
/// with null for what is in one list only.
fn paired(old: &Value, new: &Value, name: &str, value: &str) -> Vec<(String, Value, Value)> {
    let mut both: BTreeMap<&str, (Value, Value)> = BTreeMap::new();
    for one in list(old) {
        both.entry(text(one, name)).or_default().0 = one[value].clone();
    }
    for one in list(new) {
        both.entry(text(one, name)).or_default().1 = one[value].clone();
    }
    both.into_iter()
        .filter(|(_, (old, new))| old != new)
        .map(|(name, (old, new))| (name.to_owned(), old, new))
        .collect()
}

/// Writes a comparison for people.
#[must_use]
pub fn words(difference: &Value) -> String {
    let mut lines: Vec<String> = list(&difference["plan"]).iter().map(|field| field_line("", field)).collect();
    for module in list(&difference["modules"]) {
        lines.push(format!("{:<8} {}  ({})", text(module, "change"), text(module, "name"), text(module, "source")));
        lines.extend(list(&module["fields"]).iter().map(|field| field_line("         ", field)));
        for input in list(&module["inputs"]) {
            lines.push(format!("         input {} {}", text(input, "path"), text(input, "change")));
        }
        for target in list(&module["targets"]) {
            let label = text(target, "target");
            if list(&target["fields"]).is_empty() {
                lines.push(format!("         target {label} {}", text(target, "change")));
            }
            let prefix = format!("         {label} ");
            lines.extend(list(&target["fields"]).iter().map(|field| field_line(&prefix, field)));
        }
    }
    if lines.is_empty() { "no differences".to_owned() } else { render::joined(&lines) }
}

fn field_line(prefix: &str, field: &Value) -> String {
    format!("{prefix}{}: {} -> {}", text(field, "field"), short(&field["old"]), short(&field["new"]))
}

/// Writes a value in one word or few; of a digest its start says enough.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            text[..16].to_owned()
        }
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
