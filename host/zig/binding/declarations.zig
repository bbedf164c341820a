//! What is known about the text of the user's files. Reflection has neither parameter names nor doc
//! comments, so whoever reads the text writes them down as the module `declarations`:
//!
//! ```
//! pub const module_name: [:0]const u8 = "geometry";
//! pub const init_symbol: [:0]const u8 = "PyInit_geometry";
//! pub const source_path: [:0]const u8 = "geometry.zig";
//! pub fn types(comptime Container: type) []const Container {
//!     return &.{
//!         .{ .name = "geometry", .doc = "Plane geometry.", .list = &.{
//!             .{ .name = "area", .parameters = &.{ "w", "h" }, .doc = "…", .nogil = true },
//!             .{ .name = "Point" },
//!         } },
//!         .{ .name = "geometry.Point", .doc = "", .list = &.{ … } },
//!     };
//! }
//! ```
//!
//! `types` has every container with public declarations, named as `@typeName` does; the module's own
//! file comes first. What is not described is never looked at.

const std = @import("std");
const root = @import("root");
const reflection = @import("reflection.zig");

/// Without a root of ours, as under `zig test`, nothing is described.
const description = if (@hasDecl(root, "zigimport_declarations")) root.zigimport_declarations else struct {
    pub const module_name: [:0]const u8 = "";
    pub const source_path: [:0]const u8 = "";
    pub fn types(comptime _: type) []const Container {
        return &.{};
    }
};

pub const module_name = description.module_name;
pub const source_path = description.source_path;
const types: []const Container = description.types(Container);

/// One public declaration.
pub const Declaration = struct {
    name: [:0]const u8,
    /// Every parameter of a function in order, `self` and allocators included.
    parameters: []const [:0]const u8 = &.{},
    doc: [:0]const u8 = "",
    /// Whether the interpreter's lock is released while it runs.
    nogil: bool = false,
};

pub const Container = struct {
    name: [:0]const u8,
    doc: [:0]const u8,
    list: []const Declaration,
};

/// Returns what is known about a struct type, or `null`.
pub fn of(comptime T: type) ?Container {
    // A constant of a type is computed once.
    return struct {
        const container = find(T);
    }.container;
}

fn find(comptime T: type) ?Container {
    @setEvalBranchQuota(reflection.quota);
    for (types) |container| {
        if (!std.mem.eql(u8, container.name, @typeName(T))) continue;
        var list: []const Declaration = &.{};
        for (container.list) |declaration| {
            // Two files may have types of one name: only what this one has is meant.
            if (@hasDecl(T, declaration.name)) list = list ++ .{declaration};
        }
        return .{ .name = container.name, .doc = container.doc, .list = list };
    }
    return null;
}

pub fn isFunction(comptime T: type, comptime declaration: Declaration) bool {
    return @typeInfo(@TypeOf(@field(T, declaration.name))) == .@"fn";
}

/// True for a struct with fields and methods: a class.
pub fn isClass(comptime T: type) bool {
    comptime {
        if (reflection.names(T).len == 0) return false;
        const container = of(T) orelse return false;
        for (container.list) |declaration| if (isFunction(T, declaration)) return true;
        return false;
    }
}

/// True for a struct that only groups declarations: a submodule.
pub fn isNamespace(comptime T: type) bool {
    return comptime reflection.names(T).len == 0 and of(T) != null;
}

/// Returns the name under which Python finds a type in the module, such as `part.Point`, or `null`.
pub fn publicName(comptime T: type) ?[:0]const u8 {
    return if (@hasDecl(root, "zigimport_user")) search(root.zigimport_user, T, "", &.{}) else null;
}

fn search(comptime N: type, comptime T: type, comptime prefix: [:0]const u8, comptime path: []const type) ?[:0]const u8 {
    const container = of(N) orelse return null;
    for (path) |around| if (around == N) return null;
    for (container.list) |declaration| {
        if (@TypeOf(@field(N, declaration.name)) != type) continue;
        const Declared = @field(N, declaration.name);
        if (Declared == T) return prefix ++ declaration.name;
        if (@typeInfo(Declared) != .@"struct" or !isNamespace(Declared)) continue;
        if (search(Declared, T, prefix ++ declaration.name ++ ".", path ++ .{N})) |name| return name;
    }
    return null;
}
