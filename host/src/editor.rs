//! A build file for editors: the language server finds the module `zigimport`
//! only through a `build.zig` above the file, and `zig build test` runs the
//! tests of files that import it.
//!
//! The file starts with [`MARK`], so that its folder is no project module, and
//! refers to a copy of our Zig sources beside it by a relative path.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::binding;
use crate::closure::{self, Module, ModuleKind};
use crate::error::{Error, Result};
use crate::guest::source::Binding;
use crate::publish::{Existing, publish};

/// Begins every build file of ours.
const MARK: &str = "//! Written by `zigimport info --zls`";

/// Where the copy of our Zig sources lies.
const SOURCES: &str = ".zigimport-zls";

const HEAD: &str = " for editors and `zig build test`.
//! Run it again when a module is added. zigimport does not take a folder with this
//! file for a project.

const std = @import(\"std\");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const zigimport = b.addModule(\"zigimport\", .{
        .root_source_file = b.path(\".zigimport-zls/binding/zigimport.zig\"),
        .target = target,
        .optimize = optimize,
    });
    const tests = b.step(\"test\", \"Run the tests of every module\");
";

/// Returns whether `path` is the build file of a project: it is there, and it
/// is not one for editors.
#[must_use]
pub fn is_project_file(path: &Path) -> bool {
    path.is_file() && !is_ours(path)
}

fn is_ours(path: &Path) -> bool {
    use std::io::Read;

    let mut start = [0; MARK.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *MARK.as_bytes()
}

/// Writes the build file of a folder for some modules below it, and the sources
/// that it refers to. Returns the path and the names of the modules in it:
/// projects have their own build, and modules for a binding library need its.
///
/// # Errors
/// A `build.zig` of somebody else is there, a module cannot be scanned, or the
/// folder cannot be written.
pub fn write(folder: &Path, modules: &[Module], header_folders: &[PathBuf]) -> Result<(PathBuf, Vec<String>)> {
    let folder = std::path::absolute(folder).map_err(|error| Error::file("find", folder, &error))?;
    let path = folder.join("build.zig");
    if is_project_file(&path) {
        return Err(Error::Module {
            message: format!("`{}` is a build file of yours", path.display()),
            hint: Some("give its modules an import of `zigimport` there, or choose another folder".to_owned()),
        });
    }
    let mut text = format!("{MARK}{HEAD}");
    let mut names = Vec::new();
    for module in modules.iter().filter(|module| module.kind != ModuleKind::Project) {
        if let Some(part) = module_text(module, &folder, header_folders)? {
            text.push_str(&part);
            names.push(module.name.clone());
        }
    }
    text.push_str("}\n");

    let failed = |error: std::io::Error| Error::file("write", &path, &error);
    let root = Dir::open_ambient_dir(&folder, cap_std::ambient_authority()).map_err(failed)?;
    let put = |folder: &Dir, name: &str, bytes: &[u8]| publish(folder, name, bytes, 0o644, Existing::Replace);
    root.create_dir_all(Path::new(SOURCES).join("binding")).map_err(failed)?;
    let sources = root.open_dir(SOURCES).map_err(failed)?;
    put(&sources, ".gitignore", b"*\n").map_err(failed)?;
    let copies = sources.open_dir("binding").map_err(failed)?;
    for (name, bytes) in binding::SOURCES {
        if let Some(name) = name.strip_prefix("binding/") {
            put(&copies, name, bytes).map_err(failed)?;
        }
    }
    put(&root, "build.zig", text.as_bytes()).map_err(failed)?;
    Ok((path, names))
}

/// Describes a module to the build, or `None` for one that needs a library's own build.
fn module_text(module: &Module, folder: &Path, header_folders: &[PathBuf]) -> Result<Option<String>> {
    let closure = closure::scan(module)?;
    match closure.binding {
        Binding::Plain | Binding::InitFunction => {}
        // Newer compilers have no `@cImport`; the translated header is no file of the user's.
        Binding::PythonH if !closure.translate_c => {}
        Binding::PythonH | Binding::Pyoz | Binding::Pyz3 | Binding::Pydust => return Ok(None),
    }
    let path = |path: &Path| binding::quote(&closure::relative_to(path, folder));
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(arguments);
    };
    line(format_args!(
        "    {{\n        const module = b.addModule({}, .{{\n            .root_source_file = b.path({}),\n            \
         .target = target,\n            .optimize = optimize,\n            .link_libc = true,\n        }});\n        \
         module.addImport(\"zigimport\", zigimport);\n",
        binding::quote(&module.name),
        path(&module.source_path),
    ));
    if closure.c_import {
        let own = module.source_path.parent().unwrap_or(folder);
        line(format_args!("        module.addIncludePath(b.path({}));\n", path(own)));
        for headers in header_folders {
            let headers = binding::quote(&headers.to_string_lossy());
            line(format_args!("        module.addIncludePath(.{{ .cwd_relative = {headers} }});\n"));
        }
    }
    let settings = &closure.module_settings;
    let flags: Vec<String> = settings.c_flags.iter().map(|flag| binding::quote(flag)).collect();
    for source in closure.c_sources(module) {
        line(format_args!(
            "        module.addCSourceFile(.{{ .file = b.path({}), .flags = &.{{ {} }} }});\n",
            path(&source),
            flags.join(", ")
        ));
    }
    for library in &settings.libraries {
        line(format_args!("        module.linkSystemLibrary({}, .{{}});\n", binding::quote(library)));
    }
    line(format_args!(
        "        const unit = b.addTest(.{{ .name = {}, .root_module = module }});\n        \
         tests.dependOn(&b.addRunArtifact(unit).step);\n    }}\n",
        binding::quote(&module.name)
    ));
    Ok(Some(text))
}
