//! The Zig side of plain modules: our sources, and the description of the
//! user's file that they need, because reflection has neither parameter names
//! nor doc comments.

use std::sync::OnceLock;

use crate::closure::{self, Closure, Module};
use crate::digest::{Digest, FieldHasher};
use crate::guest::source;

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../zig/", $name)))),*]
    };
}

/// Every Zig file of ours that a build may need.
pub const SOURCES: &[(&str, &[u8])] = sources![
    "binding/abi.zig",
    "binding/allocator.zig",
    "binding/builtins.zig",
    "binding/convert.zig",
    "binding/declarations.zig",
    "binding/exception.zig",
    "binding/exports.zig",
    "binding/function.zig",
    "binding/module.zig",
    "binding/panic.zig",
    "binding/python3.def",
    "binding/reflection.zig",
    "binding/root.zig",
    "binding/state.zig",
    "binding/text.zig",
    "binding/zigimport.zig",
    "graph/build.zig",
];

/// Returns the digest of [`SOURCES`].
#[must_use]
pub fn digest() -> Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let mut hasher = FieldHasher::new("binding sources");
        for (name, bytes) in SOURCES {
            hasher.field(name, bytes);
        }
        hasher.finish()
    })
}

/// Writes the Zig file that describes a module to the binding.
#[must_use]
pub fn declarations(module: &Module, closure: &Closure) -> String {
    let source_path = closure::relative_to(&module.source_path, &closure.project_root);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("pub const {name}: [:0]const u8 = {};\n", quote(value)));
    };
    line("module_name", module.leaf());
    line("init_symbol", &module.init_symbol());
    line("source_path", &source_path);
    line("doc", &closure.root_scan.doc);
    text.push_str("pub const list = .{\n");
    for declaration in closure.root_scan.declarations.iter().filter(|declaration| is_exported(declaration)) {
        let kind = match declaration.kind {
            source::DeclarationKind::Function => "function",
            _ => "constant",
        };
        let parameters: Vec<String> = declaration.parameters.iter().map(|parameter| quote(&parameter.name)).collect();
        text.push_str(&format!(
            "    .{{ .name = {}, .kind = .{kind}, .parameters = .{{ {} }}, .doc = {} }},\n",
            quote(&declaration.name),
            parameters.join(", "),
            quote(&declaration.doc),
        ));
    }
    text.push_str("};\n");
    text
}

/// A deprecation such as `pub const old = @compileError("…")` must not be looked
/// at, and a variable has no value to export.
fn is_exported(declaration: &source::Declaration) -> bool {
    declaration.container.is_empty()
        && declaration.kind != source::DeclarationKind::Variable
        && !declaration.type_text.starts_with("@compileError")
}

/// Writes a Zig string literal.
fn quote(value: &str) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    literal.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\n' => literal.push_str("\\n"),
            control if control.is_ascii_control() => literal.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_escaped() {
        assert_eq!(quote("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\nd\\x01é\"");
    }

    #[test]
    fn a_deprecated_name_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        std::fs::write(
            &path,
            "//! Doc.\n/// Adds.\npub fn add(a: i32, b: i32) i32 { return a + b; }\npub const old = @compileError(\"gone\");\npub var state: u8 = 0;\nfn hidden() void {}\n",
        )
        .unwrap();
        let module = Module::from_path(&path).unwrap();
        let text = declarations(&module, &closure::scan(&module).unwrap());
        assert_eq!(
            text,
            "pub const module_name: [:0]const u8 = \"m\";\n\
             pub const init_symbol: [:0]const u8 = \"PyInit_m\";\n\
             pub const source_path: [:0]const u8 = \"m.zig\";\n\
             pub const doc: [:0]const u8 = \"Doc.\";\n\
             pub const list = .{\n    .{ .name = \"add\", .kind = .function, .parameters = .{ \"a\", \"b\" }, .doc = \"Adds.\" },\n};\n"
        );
    }
}
