//! The key of a module and all that is in it, for people and other tools.

use serde_json::{Value, json};

use crate::key::{FORMAT, KeyInputs, KeyPlugin};
use crate::plan::{Plan, Prepared};

/// Writes the signature of a planned module for its first target as JSON.
///
/// The action key is `null` where no compiler is looked for. The key is `null` until the module was built from these inputs: what a
/// compiler reads beyond the scanned ones is known only then.
#[must_use]
pub fn json(plan: &Plan, prepared: &Prepared) -> String {
    // Taken apart without `..`, so that a new field does not compile until it is shown.
    let KeyInputs {
        module,
        init_symbol,
        inputs,
        triple,
        cpu,
        optimize,
        flags,
        abi,
        binding,
        environment,
        components,
        plugins,
        salt,
    } = &prepared.key_inputs;
    let target = prepared.targets.first();
    let entry = target.and_then(|target| target.entry.as_ref());
    let discovered: Vec<Value> = entry
        .iter()
        .flat_map(|entry| &entry.discovered)
        .map(|input| json!({ "role": input.role, "path": input.path, "digest": input.digest }))
        .collect();
    json!({
        "key": entry.map(|entry| &entry.key),
        "action_key": plan.toolchain.as_ref().and(target).map(|target| target.action_key.hex()),
        "source_key": target.map(|target| target.source_key.hex()),
        "format": FORMAT,
        "module": module,
        "init_symbol": init_symbol,
        "inputs": inputs.iter().map(|input| json!({
            "role": input.role, "path": input.path, "digest": input.digest.hex(),
        })).collect::<Vec<_>>(),
        "discovered": discovered,
        "target": triple,
        "cpu": cpu,
        "optimize": optimize,
        "flags": flags,
        "abi": abi,
        "headers": prepared.headers.as_ref().map(|headers| headers.identity.hex()),
        "binding": { "name": binding.0, "digest": binding.1.hex() },
        "environment": environment.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "components": components.iter().map(|(name, digest)| (*name, digest.hex()))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "plugins": plugins.iter().map(|KeyPlugin { name, version, digest, view }| json!({
            "name": name, "version": version, "digest": digest.hex(), "view": view,
        })).collect::<Vec<_>>(),
        "salt": salt,
        "zig": plan.toolchain.as_ref().map(|toolchain| json!({
            "version": toolchain.version, "identity": toolchain.identity.hex(),
        })),
    })
    .to_string()
}
