//! Any value that the planner may be asked about.

use arbitrary::{Result, Unstructured};
use zigimport_host::guest::Planner;
use zigimport_host::guest::planning::{
    Input, Module, ModuleKind, NativePolicy, Package, PluginFailure, Presence, Previous, Request, Toolchain,
};
use zigimport_host::guest::source::Binding;

/// Makes a request of bytes. Few make sense.
///
/// # Errors
/// There are not enough bytes.
pub fn request(bytes: &mut Unstructured<'_>) -> Result<Request> {
    Ok(Request {
        modules: list(bytes, module)?,
        toolchain: option(bytes, |bytes| Ok(Toolchain { path: text(bytes)?, version: option(bytes, text)? }))?,
        native: *bytes.choose(&[
            NativePolicy::Auto,
            NativePolicy::Never,
            NativePolicy::SandboxRequired,
            NativePolicy::Unconfined,
        ])?,
        force_rebuild: bytes.arbitrary()?,
    })
}

/// Plans a request: every value of the interface goes in, and each target of each
/// module comes out once.
pub fn planned(request: &Request) {
    let actions = Planner::plan(request).expect("the planner answers");
    for action in &actions {
        let module = &request.modules[action.module as usize];
        for target in &action.targets {
            assert!(module.targets.iter().any(|presence| presence.target == *target));
        }
    }
    for (index, module) in request.modules.iter().enumerate() {
        let planned =
            actions.iter().filter(|action| action.module as usize == index).map(|action| action.targets.len());
        assert_eq!(planned.sum::<usize>(), module.targets.len());
    }
}

fn list<T>(bytes: &mut Unstructured<'_>, one: impl Fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    (0..bytes.int_in_range(0..=4)?).map(|_| one(bytes)).collect()
}

fn option<T>(bytes: &mut Unstructured<'_>, one: impl Fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Option<T>> {
    if bytes.arbitrary()? { one(bytes).map(Some) } else { Ok(None) }
}

fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    // The same text in two places means something to the planner.
    Ok(match bytes.int_in_range(0..=4)? {
        0 => String::new(),
        1 => "0.16.0".to_owned(),
        2 => "m.zig".to_owned(),
        3 => "Debug".to_owned(),
        _ => bytes.arbitrary()?,
    })
}

fn input(bytes: &mut Unstructured<'_>) -> Result<Input> {
    Ok(Input { path: text(bytes)?, digest: text(bytes)? })
}

fn presence(bytes: &mut Unstructured<'_>) -> Result<Presence> {
    let previous = |bytes: &mut Unstructured<'_>| {
        Ok(Previous {
            zig_version: text(bytes)?,
            optimize: text(bytes)?,
            abi: text(bytes)?,
            inputs: list(bytes, input)?,
        })
    };
    Ok(Presence {
        target: text(bytes)?,
        key: text(bytes)?,
        library: bytes.arbitrary()?,
        object: bytes.arbitrary()?,
        remote: bytes.arbitrary()?,
        headers_missing: bytes.arbitrary()?,
        previous: option(bytes, previous)?,
    })
}

fn module(bytes: &mut Unstructured<'_>) -> Result<Module> {
    Ok(Module {
        name: text(bytes)?,
        kind: *bytes.choose(&[ModuleKind::File, ModuleKind::Package, ModuleKind::Project])?,
        path: text(bytes)?,
        binding: *bytes.choose(&[
            Binding::Plain,
            Binding::PythonH,
            Binding::InitFunction,
            Binding::Pyoz,
            Binding::Pyz3,
            Binding::Pydust,
        ])?,
        package: option(bytes, |bytes| Ok(Package { version: option(bytes, text)? }))?,
        c_import: bytes.arbitrary()?,
        translate_c: bytes.arbitrary()?,
        shadowed_by: option(bytes, text)?,
        remote_build: bytes.arbitrary()?,
        plugin_failure: option(bytes, |bytes| Ok(PluginFailure { plugin: text(bytes)?, stop: bytes.arbitrary()? }))?,
        optimize: text(bytes)?,
        abi: text(bytes)?,
        inputs: list(bytes, input)?,
        targets: list(bytes, presence)?,
    })
}
