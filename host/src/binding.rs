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
    "binding/failure.zig",
    "binding/function.zig",
    "binding/kind.zig",
    "binding/module.zig",
    "binding/python3.def",
    "binding/reflection.zig",
    "binding/root.zig",
    "binding/scope.zig",
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
                text.push_str(&entry(declaration, meant(declaration, path, module, closure)));
            }
            text.push_str("    } },\n");
        }
    }
    text.push_str("    };\n}\n");
    text
}

/// The files whose declarations Python may come to see: the module's own, those
/// that it imports, and from there what `pub const name = @import("…")` leads to,
/// also with names behind it.
fn described_files<'a>(module: &'a Module, closure: &'a Closure) -> Vec<(&'a Path, &'a source::Scan)> {
    let mut files: Vec<(&Path, &source::Scan)> = vec![(&module.source_path, &closure.root_scan)];
    let mut next = 0;
    while let Some(&(path, scan)) = files.get(next) {
        next += 1;
        let is_root = next == 1;
        let leads_on = |dependency: &source::Dependency| {
            is_root
                || scan.declarations.iter().any(|declaration| {
                    import_path(&declaration.type_text)
                        .is_some_and(|(operand, _)| operand.as_bytes() == dependency.operand)
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

/// How often a name may stand for another one.
const ALIAS_STEPS_MAX: usize = 16;

/// Returns the function that a declaration is or stands for, as `pub const f =
/// @import("a.zig").f` does for one of another file. The scanner has followed the
/// names of one file already.
fn meant<'a>(
    declaration: &'a source::Declaration,
    path: &Path,
    module: &Module,
    closure: &'a Closure,
) -> Option<&'a source::Declaration> {
    let mut declaration = declaration;
    let mut file = path.to_path_buf();
    // Those behind the declaration, the last one first.
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..ALIAS_STEPS_MAX {
        let is_function = declaration.kind == source::DeclarationKind::Function || !declaration.parameters.is_empty();
        if names.is_empty() && is_function {
            return Some(declaration);
        }
        let container = match import_path(&declaration.type_text) {
            Some((operand, behind)) => {
                file = closure::normalize(&file.parent()?.join(operand));
                names.extend(behind.into_iter().rev());
                String::new()
            }
            None if declaration.container.is_empty() => declaration.name.clone(),
            None => format!("{}.{}", declaration.container, declaration.name),
        };
        let scan = if file == module.source_path {
            &closure.root_scan
        } else {
            closure.imported_scans.iter().find(|(known, _)| *known == file).map(|(_, scan)| &**scan)?
        };
        let name = names.pop()?;
        declaration = scan.declarations.iter().find(|known| known.container == container && known.name == name)?;
    }
    None
}

/// Splits a path of names that begins with an import into the import's operand
/// and the names behind it.
fn import_path(text: &str) -> Option<(&str, Vec<&str>)> {
    let (operand, behind) = text.strip_prefix("@import(\"")?.split_once("\")")?;
    Some((operand, behind.split('.').skip(1).map(str::trim).collect()))
}

/// Describes a declaration. What a function `meant` by it has, and it has not, is
/// its own.
fn entry(declaration: &source::Declaration, meant: Option<&source::Declaration>) -> String {
    let parameters = &meant.unwrap_or(declaration).parameters;
    let parameters: Vec<String> = parameters.iter().map(|parameter| quote(&parameter.name)).collect();
    let text = if declaration.doc.is_empty() { meant.map_or("", |meant| &meant.doc) } else { &declaration.doc };
    let is_nogil = |line: &str| directive(line) == Some(NOGIL);
    let doc: Vec<&str> = text.lines().filter(|line| !is_nogil(line)).collect();
    let nogil = if text.lines().any(is_nogil) { ", .nogil = true" } else { "" };
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
    fn another_name_of_a_function_has_its_parameters_and_text() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "m.zig",
            "const lib = @import(\"lib.zig\");\nconst inner = lib.inner;\nfn own(x: u8) u8 { return x; }\n\
             pub const area = lib.area;\n/// Of its own.\npub const wide = lib.area;\npub const deep = inner.Box.volume;\n\
             pub const self = own;\npub const value = lib.value;\npub const again = @import(\"lib.zig\").back;\n\
             pub const loop = @import(\"lib.zig\").loop;\npub fn root(r: u8) u8 { return r; }\n",
        );
        write(
            "lib.zig",
            "/// An area.\npub fn area(w: u8, h: u8) u8 { return w * h; }\npub const value = 3;\n\
             pub const inner = @import(\"inner.zig\");\nconst m = @import(\"m.zig\");\npub const back = m.root;\n\
             pub const loop = m.loop;\n",
        );
        write("inner.zig", "pub const Box = struct { pub fn volume(a: u8) u8 { return a; } };\n");
        let module = Module::from_path(&folder.path().join("m.zig")).unwrap();
        let text = declarations(&module, &closure::scan(&module).unwrap());
        for line in [
            r#"{ .name = "area", .parameters = &.{ "w", "h" }, .doc = "An area." }"#,
            r#"{ .name = "wide", .parameters = &.{ "w", "h" }, .doc = "Of its own." }"#,
            r#"{ .name = "deep", .parameters = &.{ "a" }, .doc = "" }"#,
            r#"{ .name = "self", .parameters = &.{ "x" }, .doc = "" }"#,
            r#"{ .name = "value", .parameters = &.{  }, .doc = "" }"#,
            r#"{ .name = "again", .parameters = &.{ "r" }, .doc = "" }"#,
            r#"{ .name = "loop", .parameters = &.{  }, .doc = "" }"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
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
