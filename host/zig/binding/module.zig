//! Assembles the extension module: definition, attributes, submodules, init function.
//!
//! The init is multi-phase, and what a module object owns is in its state, so a module may be loaded
//! again and by several interpreters that share one lock. An interpreter with a lock of its own is
//! refused, which is what the absence of a slot for it means: a user's global variables would be
//! shared without any lock.

const std = @import("std");
const abi = @import("abi.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const description = @import("description.zig");
const failure = @import("failure.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const Scope = @import("scope.zig").Scope;

const Declaration = reflection.Declaration;
const Object = abi.Object;

/// The attribute that tells what was left out: a dict from name to reason.
const skipped_attribute = "__zigimport_skipped__";

/// Exports the init function of the extension module of a user's file.
pub fn exportModule(comptime user: type, comptime init_symbol: []const u8) void {
    @setEvalBranchQuota(reflection.quota);
    const exports: Exports = .of(&.{user});
    // A package may be there for its submodules only.
    const is_package = std.mem.endsWith(u8, reflection.source_path, "__init__.zig");
    if (exports.list.len == 0 and !is_package) {
        var list: [:0]const u8 = "";
        for (exports.skipped) |one| list = kind.append(list, "; ", "`" ++ one.name ++ "`: " ++ one.reason);
        if (list.len == 0) list = "it has no `pub fn` and no `pub const` with a value for Python";
        @compileError("zigimport: nothing to export from " ++ reflection.source_path ++ ": " ++ list);
    }
    @export(&Module(user).init, .{ .name = init_symbol });
}

fn Module(comptime user: type) type {
    const doc = reflection.containerOf(user).?.doc;
    return struct {
        const slots = [_]abi.Slot{ .{ .id = .mod_exec, .value = &execute }, .{} };

        const described = description.pieces(user)[0..].*;

        var definition: abi.ModuleDefinition = .{
            .name = reflection.module_name,
            .doc = if (doc.len == 0) null else doc,
            .state_size = @sizeOf(class.Classes),
            .slots = &slots,
            .traverse = &class.traverseClasses,
            .free = &class.freeClasses,
        };

        fn init() callconv(.c) ?*Object {
            // Builds without the global interpreter lock have another object layout: nothing would work.
            if (std.mem.indexOf(u8, std.mem.span(abi.Py_GetVersion()), "free-threading") != null) {
                const message = "zigimport modules need a CPython with the global interpreter lock";
                return abi.raise(?*Object, "ImportError", message, .{});
            }
            if (!abi.findObjects()) return null;
            return abi.PyModuleDef_Init(&definition);
        }

        fn execute(module: *Object) callconv(.c) c_int {
            // Nobody looks at them here; this keeps them in the library.
            std.mem.doNotOptimizeAway(&described);
            const zig_error = failure.zigError(module) orelse return -1;
            // The user's own declaration of that name comes later, and wins.
            if (abi.PyObject_SetAttrString(module, "ZigError", zig_error) < 0) return -1;
            return if (fill(&.{user}, module, module)) 0 else -1;
        }
    };
}

/// Puts what the last of a path of namespaces has into a module object. `module` is bound to functions
/// and owns classes. False with an exception set on failure.
fn fill(comptime path: []const type, holder: *Object, module: *Object) bool {
    @setEvalBranchQuota(reflection.quota);
    const exports = comptime Exports.of(path);
    const module_name = abi.PyModule_GetNameObject(holder) orelse return false;
    defer abi.Py_DecRef(module_name);
    const skipped = abi.PyDict_New();
    if (!abi.put(holder, skipped_attribute, skipped)) return false;
    for (exports.skipped) |one| if (!note(skipped.?, one.name, one.reason)) return false;
    var scope: Scope = .{ .module = module };
    inline for (exports.list) |one| {
        const name = one.declaration.name;
        const value = @field(path[path.len - 1], name);
        const object = switch (one.what) {
            .function => function.new(value, one.declaration, module, module_name),
            .constant => constant(kind.Constant(value), value, &scope),
            .enumeration => convert.newSequence([:0]const u8, comptime reflection.names(value), false, &scope),
            .class => newClass(class.of(value, module), ""),
            .record => newClass(convert.recordClass(value, module), one.declaration.doc),
            .namespace => newSubmodule(module_name, name, comptime reflection.containerOf(value).?.doc, module),
        };
        // One that is not fit for Python keeps none of the others out.
        if (object == null and abi.PyErr_ExceptionMatches(abi.exception("ValueError")) != 0) {
            abi.PyErr_Clear();
            if (!note(skipped.?, name, "a text or name in it is not UTF-8, or its value has no name")) return false;
        } else {
            if (!abi.put(holder, name, object)) return false;
            // Top-level types have the module's name from the beginning.
            const is_type = one.what == .class or one.what == .record;
            if (is_type and path.len > 1) {
                if (abi.PyObject_SetAttrString(object.?, "__module__", module_name) < 0) return false;
            }
            if (one.what == .namespace and !fill(path ++ .{value}, object.?, module)) return false;
        }
    }
    return true;
}

fn note(skipped: *Object, name: [*:0]const u8, reason: []const u8) bool {
    const object = convert.newText(reason) orelse return false;
    defer abi.Py_DecRef(object);
    return abi.PyDict_SetItemString(skipped, name, object) == 0;
}

/// Returns a new reference to a class. `null` with an exception set if there is none.
fn newClass(class_object: ?*Object, doc: []const u8) ?*Object {
    const object = class_object orelse return null;
    if (doc.len > 0 and !abi.put(object, "__doc__", convert.newText(doc))) return null;
    return abi.newReference(object);
}

/// Makes a Python object of a constant. Text that is no UTF-8 is data: `bytes`.
fn constant(comptime T: type, comptime value: T, scope: *Scope) ?*Object {
    const object = convert.toPython(T, value, scope);
    switch (comptime kind.of(T)) {
        .text, .text_mutable, .literal => {},
        else => return object,
    }
    if (object != null or abi.PyErr_ExceptionMatches(abi.exception("UnicodeDecodeError")) == 0) return object;
    abi.PyErr_Clear();
    return abi.PyBytes_FromStringAndSize(value.ptr, value.len);
}

/// Returns a new module, in `sys.modules` if the one that it belongs to is. A reload makes another one
/// of the same name, which must leave what is imported alone until all of it is there.
fn newSubmodule(parent: *Object, name: [*:0]const u8, doc: [:0]const u8, top: *Object) ?*Object {
    const full = abi.PyUnicode_FromFormat("%U.%s", parent, name) orelse return null;
    defer abi.Py_DecRef(full);
    const top_name = abi.PyModule_GetNameObject(top) orelse return null;
    defer abi.Py_DecRef(top_name);
    const imported = abi.PyImport_GetModule(top_name);
    defer abi.Py_DecRef(imported);
    const module = abi.PyModule_NewObject(full) orelse return null;
    const complete = (doc.len == 0 or abi.put(module, "__doc__", convert.newText(doc))) and
        (imported != top or abi.PyDict_SetItem(abi.PyImport_GetModuleDict(), full, module) == 0);
    return if (complete) module else abi.drop(module);
}

/// What Python gets of a namespace, and what it cannot have.
pub const Exports = struct {
    list: []const Export = &.{},
    skipped: []const Skipped = &.{},

    const What = enum { function, constant, class, record, enumeration, namespace };
    const Export = struct { declaration: Declaration, what: What };
    const Skipped = struct { name: [:0]const u8, reason: [:0]const u8 };

    /// Returns those of the last of a path of namespaces.
    pub fn of(comptime path: []const type) Exports {
        const user = path[path.len - 1];
        return sort(user, reflection.containerOf(user).?.list, path);
    }

    fn skip(comptime exports: *Exports, comptime name: [:0]const u8, comptime reason: [:0]const u8) ?What {
        exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
        return null;
    }

    fn sortType(
        comptime exports: *Exports,
        comptime T: type,
        comptime name: [:0]const u8,
        comptime path: []const type,
    ) ?What {
        const is_struct = @typeInfo(T) == .@"struct";
        if (is_struct and reflection.isNamespace(T)) {
            for (path) |around| if (around == T) return null;
            return if (Exports.of(path ++ .{T}).list.len > 0) .namespace else null;
        }
        switch (kind.of(T)) {
            .enumeration => return .enumeration,
            .record => return if (kind.isResult(T) or kind.isParameter(T)) .record else null,
            .class => {
                for (class.Class(T).methods) |shape| {
                    _ = exports.skip(name ++ "." ++ shape.declaration.name, shape.obstacle orelse continue);
                }
                return .class;
            },
            else => {
                const limit = "alignment above 16 bytes, more than 64 KiB, or a field that exists at compile time only";
                return if (is_struct and reflection.isClass(T)) exports.skip(name, "class: " ++ limit) else null;
            },
        }
    }
};

/// Sorts the declarations of a namespace. Only types are looked at, no function is analysed.
/// `path` has the namespaces around it: one that leads back to them is left out.
pub fn sort(comptime user: type, comptime list: []const Declaration, comptime path: []const type) Exports {
    @setEvalBranchQuota(reflection.quota);
    var exports: Exports = .{};
    for (list) |declaration| {
        const value = @field(user, declaration.name);
        const what: ?Exports.What = switch (@typeInfo(@TypeOf(value))) {
            .type => exports.sortType(value, declaration.name, path),
            .@"fn" => if (function.Shape.of(@TypeOf(value), declaration, .module).obstacle) |reason|
                exports.skip(declaration.name, reason)
            else
                .function,
            else => if (kind.Constant(value) != void)
                .constant
            else
                exports.skip(declaration.name, "constant: type `" ++ @typeName(@TypeOf(value)) ++ "`"),
        };
        if (what) |one| exports.list = exports.list ++ .{Exports.Export{ .declaration = declaration, .what = one }};
    }
    return exports;
}

test sort {
    const user = struct {
        pub fn add(a: i32, b: i32) i32 {
            return a + b;
        }
        pub fn generic(value: anytype) void {
            _ = value;
        }
        pub const alias = add;
        pub const answer = 42;
        pub const huge = 1 << 200;
        pub const Point = struct { x: f32 };
        pub const Color = enum { red };
        pub const origin: Point = .{ .x = 0 };
        pub const never = @compileError("not in the list, so not analysed");
    };
    const exports = comptime sort(user, &.{
        .{ .name = "add" },
        .{ .name = "generic" },
        .{ .name = "alias" },
        .{ .name = "answer" },
        .{ .name = "huge" },
        .{ .name = "Point" },
        .{ .name = "Color" },
        .{ .name = "origin" },
    }, &.{user});
    const expected = .{ .function, .function, .constant, .record, .enumeration, .constant };
    try std.testing.expectEqual(expected.len, exports.list.len);
    inline for (exports.list, expected) |one, what| try std.testing.expectEqual(what, one.what);
    try std.testing.expectEqual(2, exports.skipped.len);
    try std.testing.expectEqualStrings("parameter 1: type `anytype`", exports.skipped[0].reason);
}
