//! The Zig side of plain modules: our sources, and the description of the
//! user's file that they need, because reflection has neither parameter names
//! nor doc comments.

use std::path::Path;
use std::sync::OnceLock;

use crate::closure::{self, Closure, Module};
use crate::digest::{Digest, FieldHasher};
use crate::error::{Error, Result};
use crate::guest::source;

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../zig/", $name)))),*]
    };
}

/// Begins a line of a comment that is for us.
const DIRECTIVE: &str = "zigimport:";
/// What such a line says to release the interpreter's lock.
const NOGIL: &str = "nogil";

/// Every Zig file of ours that a build may need.
pub const SOURCES: &[(&str, &[u8])] = sources![
    "binding/abi.zig",
    "binding/buffer.zig",
    "binding/class.zig",
    "binding/convert.zig",
    "binding/description.zig",
    "binding/function.zig",
    "binding/kind.zig",
    "binding/module.zig",
    "binding/panic.zig",
    "binding/python3.def",
    "binding/reflection.zig",
    "binding/root.zig",
    "binding/scope.zig",
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
    text.push_str("pub fn types(comptime Container: type) []const Container {\n    return &.{\n");
    for (path, scan) in described_files(module, closure) {
        let file = type_name(path, &module.source_path);
        for container in containers(scan) {
            let (name, doc) = if container.is_empty() {
                (file.clone(), scan.doc.as_str())
            } else {
                (format!("{file}.{container}"), container_doc(scan, container))
            };
            text.push_str(&format!("    .{{ .name = {}, .doc = {}, .list = &.{{\n", quote(&name), quote(doc)));
            let declared = scan.declarations.iter().filter(|declaration| declaration.container == container);
            for declaration in declared.filter(|declaration| is_exported(declaration)) {
                text.push_str(&entry(declaration));
            }
            text.push_str("    } },\n");
        }
    }
    text.push_str("    };\n}\n");
    text
}

/// The files whose declarations Python may come to see: the module's own, those
/// that it imports, and from there what `pub const name = @import("…")` leads to.
fn described_files<'a>(module: &'a Module, closure: &'a Closure) -> Vec<(&'a Path, &'a source::Scan)> {
    let mut files: Vec<(&Path, &source::Scan)> = vec![(&module.source_path, &closure.root_scan)];
    let mut next = 0;
    while let Some(&(path, scan)) = files.get(next) {
        next += 1;
        let is_root = next == 1;
        let leads_on = |dependency: &source::Dependency| {
            is_root
                || scan.declarations.iter().any(|declaration| {
                    declaration.line == dependency.span.line && declaration.type_text.starts_with("@import")
                })
        };
        for dependency in scan.dependencies.iter().filter(|dependency| leads_on(dependency)) {
            let Some(file) = closure::imported_file(dependency, path) else { continue };
            let found = closure.imported_scans.iter().find(|(path, _)| *path == file);
            if let Some((path, scan)) = found.filter(|(path, _)| !files.iter().any(|(known, _)| known == path)) {
                files.push((path, scan));
            }
        }
    }
    files
}

/// Names the type that a file is, as the compiler does: its path below the
/// module's own folder with dots, without the extension.
fn type_name(path: &Path, root: &Path) -> String {
    let relative = closure::relative_to(path, root.parent().unwrap_or(Path::new("/")));
    relative.strip_suffix(".zig").unwrap_or(&relative).replace('/', ".")
}

/// The containers of a file that have something to export, the file first.
fn containers(scan: &source::Scan) -> Vec<&str> {
    let mut containers = vec![""];
    for declaration in scan.declarations.iter().filter(|declaration| is_exported(declaration)) {
        if !containers.contains(&declaration.container.as_str()) {
            containers.push(&declaration.container);
        }
    }
    containers
}

fn container_doc<'a>(scan: &'a source::Scan, container: &str) -> &'a str {
    let (outer, name) = container.rsplit_once('.').unwrap_or(("", container));
    let declared =
        scan.declarations.iter().find(|declaration| declaration.container == outer && declaration.name == name);
    declared.map_or("", |declaration| &declaration.doc)
}

fn entry(declaration: &source::Declaration) -> String {
    let parameters: Vec<String> = declaration.parameters.iter().map(|parameter| quote(&parameter.name)).collect();
    let is_nogil = |line: &str| directive(line) == Some(NOGIL);
    let doc: Vec<&str> = declaration.doc.lines().filter(|line| !is_nogil(line)).collect();
    let nogil = if declaration.doc.lines().any(is_nogil) { ", .nogil = true" } else { "" };
    format!(
        "        .{{ .name = {}, .parameters = &.{{ {} }}, .doc = {}{nogil} }},\n",
        quote(&declaration.name),
        parameters.join(", "),
        quote(doc.join("\n").trim_end()),
    )
}

/// Returns what a line of a doc comment asks of us.
fn directive(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix(DIRECTIVE).map(str::trim)
}

/// Checks the lines of doc comments that are for us.
///
/// # Errors
/// Names the first that asks for something else than there is.
pub fn check_directives(module: &Module, closure: &Closure) -> Result<()> {
    for (path, scan) in described_files(module, closure) {
        for declaration in &scan.declarations {
            let lines = declaration.doc.lines().count();
            let wrong = declaration.doc.lines().enumerate().find_map(|(index, line)| {
                let value = directive(line).filter(|value| *value != NOGIL)?;
                Some((usize::try_from(declaration.line).unwrap_or(usize::MAX).saturating_sub(lines - index), value))
            });
            if let Some((line, value)) = wrong {
                return Err(Error::Module {
                    message: format!(
                        "unknown directive `{value}` in a line `/// {DIRECTIVE}` ({}:{line}): expected `{NOGIL}`",
                        path.display()
                    ),
                    hint: None,
                });
            }
        }
    }
    Ok(())
}

/// A deprecation such as `pub const old = @compileError("…")` must not be looked
/// at, and a variable has no value to export.
fn is_exported(declaration: &source::Declaration) -> bool {
    declaration.kind != source::DeclarationKind::Variable && !declaration.type_text.starts_with("@compileError")
}

/// Writes a Zig string literal.
pub(crate) fn quote(value: &str) -> String {
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
    fn a_build_of_the_package_is_known_by_all_that_a_library_is_made_by() {
        let sources = SOURCES.iter().map(|(_, bytes)| Digest::of(bytes));
        let parts: Vec<u8> = sources
            .chain(crate::guest::components().iter().map(|(_, digest)| *digest))
            .flat_map(|digest| digest.0)
            .collect();
        let expected = format!("{} {}", env!("CARGO_PKG_VERSION"), Digest::of(&parts).hex());
        assert_eq!(env!("ZIGIMPORT_BUILDER"), expected);
    }

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
             pub fn types(comptime Container: type) []const Container {\n    return &.{\n    \
             .{ .name = \"m\", .doc = \"Doc.\", .list = &.{\n        \
             .{ .name = \"add\", .parameters = &.{ \"a\", \"b\" }, .doc = \"Adds.\" },\n    } },\n    };\n}\n"
        );
    }
}
