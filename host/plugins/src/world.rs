//! The WIT side: what a component imports and exports, and how one is made of a
//! core module.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::{Function, Resolve, Type, TypeDefKind, WorldId, WorldItem, WorldKey};

use crate::{Failure, Kind};

/// The WIT package, for authors.
pub const WIT: &str = include_str!("../../../guest-tools/wit/plugin.wit");
/// The world as a manifest names it.
pub const NAME: &str = "zigimport:plugin@0.1.0";
/// The interface that only carries the types of the world.
const TYPES: &str = "zigimport:plugin/tracking@0.1.0";
/// What a component may import: the runtimes of other languages do. See `wasi`.
const ALLOWED: [&str; 5] = ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/"];

/// What a component says about itself.
pub struct Found {
    /// The world that it implements.
    pub world: &'static str,
    /// Names of the interfaces and functions that it imports.
    pub imports: Vec<String>,
    /// Those of them that no plugin gets.
    pub forbidden: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
}

/// Reads the type of a component.
///
/// # Errors
/// Says what the bytes are if they are no component of the world.
pub fn inspect(component: &[u8]) -> Result<Found, Failure> {
    let refused = |text: String| Failure::new(Kind::Component, text);
    if component.starts_with(b"\0asm\x01\0\0\0") {
        return Err(refused(
            "a core WebAssembly module, expected a component: make one of it with `zigimport plugin build`".to_owned(),
        ));
    }
    let (resolve, world) = match wit_component::decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => return Err(refused("a WIT package, expected a component".to_owned())),
        Err(error) => return Err(refused(format!("no WebAssembly component: {error:#}"))),
    };
    let names = |items: &mut dyn Iterator<Item = &WorldKey>| -> Vec<String> {
        items.map(|key| resolve.name_world_key(key)).filter(|name| name != TYPES).collect()
    };
    // Types that a world uses come as imports and exports of their own.
    let is_code = |(_, item): &(&WorldKey, &WorldItem)| !matches!(item, WorldItem::Type { .. });
    let imports = names(&mut resolve.worlds[world].imports.iter().filter(is_code).map(|(key, _)| key));
    let exports = names(&mut resolve.worlds[world].exports.iter().filter(is_code).map(|(key, _)| key));

    let (own_resolve, own_world) = own()?;
    let expected = exported(&own_resolve, own_world, "track").unwrap_or_default();
    let Some(actual) = exported(&resolve, world, "track") else {
        let list = if exports.is_empty() { "nothing".to_owned() } else { format!("`{}`", exports.join("`, `")) };
        return Err(refused(format!("no component of the world {NAME}: expected the export `track`, found {list}")));
    };
    if actual != expected {
        return Err(refused(format!("no component of the world {NAME}: its `track` is {actual}, expected {expected}")));
    }
    let forbidden = imports.iter().filter(|name| is_forbidden(name)).cloned().collect();
    Ok(Found { world: NAME, imports, forbidden, exports })
}

/// Whether no plugin gets the import of this name.
pub fn is_forbidden(import: &str) -> bool {
    import != TYPES && !(ALLOWED.iter().any(|start| import.starts_with(start)) && import.contains("@0.2."))
}

/// Wraps a core module as a component of the world `plugin`. It may import the
/// first preview of WASI, which is what compilers and their C library speak.
///
/// # Errors
/// Says what the module lacks.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, Failure> {
    let (resolve, world) = own()?;
    let encode = || -> Result<Vec<u8>, String> {
        let text = |error: &dyn std::fmt::Display| format!("{error:#}");
        let mut module = core.to_vec();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .map_err(|error| text(&error))?;
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| {
                encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
            })
            .and_then(|encoder| encoder.encode())
            .map_err(|error| text(&error))
    };
    encode().map_err(|text| Failure::new(Kind::Component, format!("no core module of the world {NAME}: {text}")))
}

/// Our own package, and the world `plugin` in it.
fn own() -> Result<(Resolve, WorldId), Failure> {
    let mut resolve = Resolve::default();
    let world =
        resolve.push_str("plugin.wit", WIT).and_then(|package| resolve.select_world(&[package], Some("plugin")));
    match world {
        Ok(world) => Ok((resolve, world)),
        Err(error) => Err(Failure::new(Kind::Component, format!("the WIT package of this library: {error:#}"))),
    }
}

/// The type of an export, if it is a function.
fn exported(resolve: &Resolve, world: WorldId, name: &str) -> Option<String> {
    match resolve.worlds[world].exports.get(&WorldKey::Name(name.to_owned())) {
        Some(WorldItem::Function(function)) => Some(shape_of_function(resolve, function)),
        _ => None,
    }
}

/// A function type with every name resolved, for comparison and for a person.
fn shape_of_function(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> =
        function.params.iter().map(|one| format!("{}: {}", one.name, shape(resolve, &one.ty))).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", shape(resolve, ty))).unwrap_or_default();
    format!("func({}){result}", parameters.join(", "))
}

fn shape(resolve: &Resolve, ty: &Type) -> String {
    let optional = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| shape(resolve, ty));
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    match &resolve.types[*id].kind {
        TypeDefKind::Type(ty) => shape(resolve, ty),
        TypeDefKind::List(ty) => format!("list<{}>", shape(resolve, ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", shape(resolve, ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::Record(record) => {
            let fields: Vec<String> =
                record.fields.iter().map(|one| format!("{}: {}", one.name, shape(resolve, &one.ty))).collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases: Vec<String> =
                variant.cases.iter().map(|one| format!("{}({})", one.name, optional(&one.ty))).collect();
            format!("variant {{ {} }}", cases.join(", "))
        }
        // Not in our world, so that what is in it makes no difference.
        other => other.as_str().to_owned(),
    }
}
