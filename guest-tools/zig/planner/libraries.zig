//! Which versions of a binding library, of Zig and of Python go together.
//!
//! The tables have what was tried. A release of a library that is newer than
//! its table is not refused: the compiler says whether it works.
const std = @import("std");
const requests = @import("request.zig");
const Refusal = @import("action.zig").Refusal;
const number = @import("number.zig").parse;
const Module = requests.Module;
const assert = std.debug.assert;

/// A library that file modules may use.
pub const Library = struct {
    /// The minor version of Zig 0 that it goes with, and its line for people.
    zig_minor: u32,
    zig_line: []const u8,
    /// The minor version of the oldest Python 3 that it goes with, and for people.
    python_minor_min: u32,
    python_min: []const u8,
    /// The newest minor version of the library 0 that this is known of.
    minor_max: u32,
};

const pyz3: Library = .{
    .zig_minor = 15,
    .zig_line = "0.15",
    .python_minor_min = 11,
    .python_min = "3.11",
    .minor_max = 11,
};

/// Returns the library that a file module uses, if it may. A project's own
/// build file decides what it uses.
pub fn find(module: Module) ?Library {
    return if (module.kind != .project and module.binding == .pyz3) pyz3 else null;
}

/// Returns why the library is not there: it is not installed, and cannot be for a
/// Python that is too old.
pub fn missing(module: Module) ?Refusal {
    const library = find(module) orelse return null;
    if (module.package != null) return null;
    return if (isOldPython(library, module.abi)) .binding_python else .binding_missing;
}

/// Returns whether C headers of a library are translated for the build.
pub fn isTranslated(module: Module) bool {
    return find(module) != null;
}

/// Returns why its library, which is installed, keeps `module` from being built with the minor version `zig_minor` of Zig 0. That is null
/// where the version is not known yet.
pub fn refusal(module: Module, zig_minor: ?u32) ?Refusal {
    const needs_project = module.binding == .pyoz or module.binding == .pydust;
    if (module.kind != .project and needs_project) return .binding_needs_project;
    const library = find(module) orelse return null;
    if (!isKnown(library, module.package.?)) return null;
    if (isOldPython(library, module.abi)) return .binding_python;
    const minor = zig_minor orelse return null;
    return if (minor == library.zig_minor) null else .binding_zig;
}

/// Returns whether the release is one that the table is about.
fn isKnown(library: Library, package: requests.Package) bool {
    var parts = std.mem.splitScalar(u8, package.version orelse return false, '.');
    const major = number(parts.first()) orelse return false;
    const minor = number(parts.next() orelse return false) orelse return false;
    return major == 0 and minor <= library.minor_max;
}

fn isOldPython(library: Library, abi: []const u8) bool {
    const digits = pythonMinor(abi) orelse return false;
    return number(digits).? < library.python_minor_min;
}

/// Returns the digits of the minor version of Python in an ABI tag such as
/// `cpython-311-x86_64-linux-gnu` or `cp311-win_amd64`; null in any other.
pub fn pythonMinor(abi: []const u8) ?[]const u8 {
    for ([_][]const u8{ "cpython-3", "cp3" }) |prefix| {
        if (!std.mem.startsWith(u8, abi, prefix)) continue;
        const rest = abi[prefix.len..];
        const digits = rest[0 .. std.mem.indexOfNone(u8, rest, "0123456789") orelse rest.len];
        return if (number(digits) == null) null else digits;
    }
    return null;
}
