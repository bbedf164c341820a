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

pub const Library = struct {
    /// The lines of Zig that it goes with, for people.
    zig_lines: []const u8,
    /// What has to hold for a file module to use it; null where none may.
    files: ?Files = null,
};

const Files = struct {
    /// The minor version of Zig 0 that it goes with.
    zig_minor: u32,
    /// The minor version of the oldest Python 3 that it goes with.
    python_minor_min: u32,
    /// The newest minor version of the library 0 that this is known of.
    minor_max: u32,
};

const pyz3: Library = .{
    .zig_lines = "0.15",
    .files = .{ .zig_minor = 15, .python_minor_min = 11, .minor_max = 11 },
};

const pyoz: Library = .{ .zig_lines = "0.15 or 0.16" };

const pydust: Library = .{ .zig_lines = "0.15" };

/// The oldest Python, for people.
pub const python_min = "3.11";

comptime {
    assert(std.mem.eql(u8, python_min, std.fmt.comptimePrint("3.{d}", .{pyz3.files.?.python_minor_min})));
}

/// Returns the library that a module is written for, if it is. A project's own
/// build file decides what it uses.
pub fn find(module: Module) ?Library {
    if (module.kind == .project) return null;
    return switch (module.binding) {
        .pyoz => pyoz,
        .pyz3 => pyz3,
        .pydust => pydust,
        .plain, .python_h, .init_function => null,
    };
}

/// Returns why a library that a file module may use is not there: it is not
/// installed, and cannot be for a Python that is too old.
pub fn missing(module: Module) ?Refusal {
    const library = find(module) orelse return null;
    const files = library.files orelse return null;
    if (module.package != null) return null;
    return if (isOldPython(files, module.abi)) .binding_python else .binding_missing;
}

/// Returns whether C headers of the library are translated for the build.
pub fn isTranslated(module: Module) bool {
    const library = find(module) orelse return false;
    return library.files != null;
}

/// Returns why the library, which is installed if it has to be, keeps `module`
/// from being built with the minor version `zig_minor` of Zig 0. That is null
/// where the version is not known yet.
pub fn refusal(module: Module, zig_minor: ?u32) ?Refusal {
    const library = find(module) orelse return null;
    const files = library.files orelse return .binding_needs_project;
    if (!isKnown(files, module.package.?)) return null;
    if (isOldPython(files, module.abi)) return .binding_python;
    const minor = zig_minor orelse return null;
    return if (minor == files.zig_minor) null else .binding_zig;
}

/// Returns whether the release is one that the table is about.
fn isKnown(files: Files, package: requests.Package) bool {
    var parts = std.mem.splitScalar(u8, package.version orelse return false, '.');
    const major = number(parts.first()) orelse return false;
    const minor = number(parts.next() orelse return false) orelse return false;
    return major == 0 and minor <= files.minor_max;
}

fn isOldPython(files: Files, abi: []const u8) bool {
    const digits = pythonMinor(abi) orelse return false;
    return number(digits).? < files.python_minor_min;
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
