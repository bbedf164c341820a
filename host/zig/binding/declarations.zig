//! What is known about the text of the user's files. Reflection has neither parameter names nor doc
//! comments, so whoever reads the text writes them down as plain data, the module `declarations`:
//!
//! ```
//! pub const module_name: [:0]const u8 = "geometry";
//! pub const init_symbol: [:0]const u8 = "PyInit_geometry";
//! pub const source_path: [:0]const u8 = "geometry.zig";
//! pub const types = .{
//!     .{ .name = "geometry", .doc = "Plane geometry.", .list = .{
//!         .{ .name = "area", .parameters = .{ "w", "h" }, .doc = "…", .nogil = true },
//!         .{ .name = "Point" },
//!     } },
//!     .{ .name = "geometry.Point", .doc = "", .list = .{ … } },
//! };
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
    pub const types = .{};
};

pub const module_name = description.module_name;
pub const source_path = description.source_path;

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
    doc: [:0]const u8,
    list: []const Declaration,

    pub fn find(comptime container: Container, comptime name: []const u8) ?Declaration {
        comptime {
            @setEvalBranchQuota(reflection.quota);
            for (container.list) |declaration| if (std.mem.eql(u8, declaration.name, name)) return declaration;
            return null;
        }
    }
};

/// Returns what is known about a struct type, or `null`.
pub fn of(comptime T: type) ?Container {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const name = @typeName(T);
        for (description.types) |entry| {
            if (entry.name.len == name.len and std.mem.eql(u8, entry.name, name)) return containerOf(T, entry);
        }
        return null;
    }
}

fn containerOf(comptime T: type, comptime entry: anytype) Container {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        var list: [entry.list.len]Declaration = undefined;
        var count: usize = 0;
        for (entry.list) |source| {
            // Two files may have types of one name: only what this one has is meant.
            if (!@hasDecl(T, source.name)) continue;
            var declaration: Declaration = .{ .name = source.name };
            if (@hasField(@TypeOf(source), "doc")) declaration.doc = source.doc;
            if (@hasField(@TypeOf(source), "nogil")) declaration.nogil = source.nogil;
            if (@hasField(@TypeOf(source), "parameters")) {
                var parameters: [source.parameters.len][:0]const u8 = undefined;
                for (&parameters, 0..) |*parameter, index| parameter.* = source.parameters[index];
                const final = parameters;
                declaration.parameters = &final;
            }
            list[count] = declaration;
            count += 1;
        }
        const final = list[0..count].*;
        return .{ .doc = entry.doc, .list = &final };
    }
}

/// True for a struct with fields and methods: a class.
pub fn isClass(comptime T: type) bool {
    comptime {
        if (reflection.fields(T).len == 0) return false;
        const container = of(T) orelse return false;
        return hasFunction(T, container);
    }
}

/// True for a struct that only groups declarations: a submodule.
pub fn isNamespace(comptime T: type) bool {
    return comptime reflection.fields(T).len == 0 and of(T) != null;
}

/// Returns the name under which Python finds a type in the module, such as `part.Point`, or `null`.
pub fn publicName(comptime T: type) ?[:0]const u8 {
    comptime return if (@hasDecl(root, "zigimport_user")) search(root.zigimport_user, T, "", &.{}) else null;
}

fn search(comptime N: type, comptime T: type, comptime prefix: [:0]const u8, comptime path: []const type) ?[:0]const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
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
}

fn hasFunction(comptime T: type, comptime container: Container) bool {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        for (container.list) |declaration| {
            if (@typeInfo(@TypeOf(@field(T, declaration.name))) == .@"fn") return true;
        }
        return false;
    }
}
