//! Assembles the extension module: definition, attributes, submodules, init function.
//!
//! The init is multi-phase, and what a module object owns is in its state, so a module may be loaded
//! again and by several interpreters that share one lock. An interpreter with a lock of its own is
//! refused, which is what the absence of a slot for it means: a user's global variables would be
//! shared without any lock.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const exception = @import("exception.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const stub = @import("stub.zig");
const Bytes = @import("types.zig").Bytes;
const Context = @import("scope.zig").Context;
const Scope = @import("scope.zig").Scope;
const State = @import("state.zig").State;

const Declaration = declarations.Declaration;
const Object = abi.Object;

/// The attribute that tells what was left out: a dict from name to reason.
const skipped_attribute = "__zigimport_skipped__";

/// Exports the init function of the extension module of a user's file.
pub fn exportModule(comptime user: type, comptime init_symbol: []const u8) void {
    const container = declarations.of(user).?;
    const exports = sort(user, container.list, &.{user});
    // A package may be there for its submodules only.
    const is_package = std.mem.endsWith(u8, declarations.source_path, "__init__.zig");
    if (exports.list.len == 0 and !is_package) {
        @compileError(emptyMessage(declarations.source_path, exports.skipped));
    }
    @export(&Module(user, container.doc, exports).init, .{ .name = init_symbol });
}

fn Module(comptime user: type, comptime doc: [:0]const u8, comptime exports: Exports) type {
    return struct {
        const slots = [_]abi.Slot{ .{ .id = abi.Py_mod_exec, .value = &execute }, .{} };

        const stub_pieces = stub.pieces(user, doc, exports)[0..].*;

        var definition: abi.ModuleDefinition = .{
            .name = declarations.module_name,
            .doc = if (doc.len == 0) null else doc,
            .state_size = @sizeOf(State),
            .methods = &[_]abi.MethodDefinition{.{}},
            .slots = &slots,
            .traverse = &State.traverse,
            .clear = &State.clear,
            .free = &State.free,
        };

        fn init() callconv(.c) ?*Object {
            if (!isSupportedInterpreter() or !builtins.find()) return null;
            return abi.PyModuleDef_Init(&definition);
        }

        fn execute(module: *Object) callconv(.c) c_int {
            // Nobody looks at them here; this keeps them in the library.
            std.mem.doNotOptimizeAway(&stub_pieces);
            const zig_error = exception.newZigError(module) orelse return -1;
            State.of(module).zig_error = zig_error;
            // The user's own declaration of that name wins.
            const is_visible = comptime !exports.has("ZigError");
            if (is_visible and abi.PyObject_SetAttrString(module, "ZigError", zig_error) < 0) return -1;
            return if (Namespace(user, exports, &.{user}).fill(module, module)) 0 else -1;
        }
    };
}

/// Builds without the global interpreter lock have another object layout: nothing would work.
fn isSupportedInterpreter() bool {
    const version = std.mem.span(abi.Py_GetVersion());
    if (std.mem.indexOf(u8, version, "free-threading") == null) return true;
    const message = "zigimport modules need a CPython with the global interpreter lock";
    _ = exception.raise("ImportError", message, .{});
    return false;
}

/// What a namespace of the user's puts into a module object.
fn Namespace(comptime user: type, comptime exports: Exports, comptime path: []const type) type {
    return struct {
        const functions: []const abi.MethodDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.MethodDefinition = &.{};
            for (exports.list) |one| if (one.what == .function) {
                const wrapper = function.Wrapper(@field(user, one.declaration.name), one.declaration, .module);
                list = list ++ .{wrapper.definition};
            };
            break :blk list;
        };

        /// `module` is bound to functions and owns classes. False with an exception set on failure.
        fn fill(holder: *Object, module: *Object) bool {
            @setEvalBranchQuota(reflection.quota);
            const module_name = abi.PyModule_GetNameObject(holder) orelse return false;
            defer abi.Py_DecRef(module_name);
            for (functions) |*definition| {
                const made = abi.PyCFunction_NewEx(definition, module, module_name);
                if (!addAttribute(holder, definition.name.?, made)) return false;
            }
            const skipped = newSkipped(exports.skipped) orelse return false;
            if (!addAttribute(holder, skipped_attribute, skipped)) return false;
            var scope: Scope = .{};
            defer scope.close();
            const context: Context = .{ .module = module, .scope = &scope };
            inline for (exports.list) |one| {
                const name = one.declaration.name;
                const value = @field(user, name);
                const object = switch (one.what) {
                    .function => continue,
                    .constant => constant(Constant(user, name), value, &context),
                    .enumeration => convert.newNames(comptime reflection.names(value), &context),
                    .class, .record => typeOf(one, value, module),
                    .namespace => newSubmodule(module_name, name, comptime declarations.of(value).?.doc, module),
                };
                // One that is not fit for Python keeps none of the others out.
                if (object == null and abi.PyErr_ExceptionMatches(abi.exception("ValueError")) != 0) {
                    abi.PyErr_Clear();
                    const reason = convert.newText("a text or name in it is not UTF-8, or its value has no name");
                    if (!addItem(skipped, name, reason)) return false;
                } else {
                    if (!addAttribute(holder, name, object)) return false;
                    // Top-level types have the module's name from the beginning.
                    const is_type = one.what == .class or one.what == .record;
                    if (is_type and path.len > 1) {
                        if (abi.PyObject_SetAttrString(object.?, "__module__", module_name) < 0) return false;
                    }
                    if (one.what == .namespace) {
                        const list = comptime declarations.of(value).?.list;
                        const inner = comptime sort(value, list, path ++ .{value});
                        if (!Namespace(value, inner, path ++ .{value}).fill(object.?, module)) return false;
                    }
                }
            }
            return true;
        }
    };
}

/// Returns a new reference to the class of a type, or `null` with an exception set.
fn typeOf(comptime one: Exports.Export, comptime T: type, module: *Object) ?*Object {
    if (one.what == .class) {
        return builtins.newReference(@ptrCast(@alignCast(class.of(T, module) orelse return null)));
    }
    const object = convert.recordClass(T, module) orelse return null;
    const doc = one.declaration.doc;
    if (doc.len > 0 and !addAttribute(object, "__doc__", convert.newText(doc))) return null;
    return builtins.newReference(object);
}

/// Makes a Python object of a constant. Text that is no UTF-8 is data: `bytes`.
fn constant(comptime T: type, comptime value: T, context: *const Context) ?*Object {
    const object = convert.toPython(T, value, context);
    switch (comptime kind.of(T)) {
        .text, .text_mutable, .literal => {},
        else => return object,
    }
    if (object != null or abi.PyErr_ExceptionMatches(abi.exception("UnicodeDecodeError")) == 0) return object;
    abi.PyErr_Clear();
    return convert.newBytes(value);
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
    const complete = (doc.len == 0 or addAttribute(module, "__doc__", convert.newText(doc))) and
        (imported != top or abi.PyDict_SetItem(abi.PyImport_GetModuleDict(), full, module) == 0);
    if (complete) return module;
    abi.Py_DecRef(module);
    return null;
}

/// Sets an attribute to a new reference, which the holder takes over. False with an exception set on
/// failure.
fn addAttribute(holder: *Object, name: [*:0]const u8, value: ?*Object) bool {
    const object = value orelse return false;
    defer abi.Py_DecRef(object);
    return abi.PyObject_SetAttrString(holder, name, object) == 0;
}

/// The same for an item of a dict.
fn addItem(dict: *Object, key: [*:0]const u8, value: ?*Object) bool {
    const object = value orelse return false;
    defer abi.Py_DecRef(object);
    return abi.PyDict_SetItemString(dict, key, object) == 0;
}

fn newSkipped(skipped: []const Exports.Skipped) ?*Object {
    const dict = abi.PyDict_New() orelse return null;
    for (skipped) |one| {
        if (addItem(dict, one.name, convert.newText(one.reason))) continue;
        abi.Py_DecRef(dict);
        return null;
    }
    return dict;
}

pub const Exports = struct {
    list: []const Export = &.{},
    skipped: []const Skipped = &.{},

    /// Something that Python gets.
    pub const Export = struct {
        declaration: Declaration,
        what: enum { function, constant, class, record, enumeration, namespace },
    };

    /// Something that it cannot have.
    pub const Skipped = struct {
        name: [:0]const u8,
        reason: [:0]const u8,
    };

    pub fn has(comptime exports: Exports, comptime name: []const u8) bool {
        @setEvalBranchQuota(reflection.quota);
        for (exports.list) |one| if (std.mem.eql(u8, one.declaration.name, name)) return true;
        return false;
    }

    fn skip(comptime exports: *Exports, comptime name: [:0]const u8, comptime reason: [:0]const u8) void {
        exports.skipped = exports.skipped ++ .{Skipped{ .name = name, .reason = reason }};
    }
};

/// Sorts the declarations of a namespace. Only types are looked at, no function is analysed.
/// `path` has the namespaces around it: one that leads back to them is left out.
pub fn sort(comptime user: type, comptime list: []const Declaration, comptime path: []const type) Exports {
    @setEvalBranchQuota(reflection.quota);
    var exports: Exports = .{};
    for (list) |declaration| {
        const name = declaration.name;
        const T = @TypeOf(@field(user, name));
        const what = if (@typeInfo(T) == .@"fn") blk: {
            const reason = function.Shape(T, declaration, .module).obstacle() orelse break :blk .function;
            exports.skip(name, reason);
            continue;
        } else if (T == type)
            sortType(&exports, @field(user, name), declaration, path) orelse continue
        else if (Constant(user, name) != void)
            .constant
        else {
            exports.skip(name, "constant: type `" ++ @typeName(T) ++ "`");
            continue;
        };
        exports.list = exports.list ++ .{Exports.Export{ .declaration = declaration, .what = what }};
    }
    return exports;
}

fn sortType(
    comptime exports: *Exports,
    comptime T: type,
    comptime declaration: Declaration,
    comptime path: []const type,
) ?@FieldType(Exports.Export, "what") {
    if (@typeInfo(T) == .@"struct" and declarations.isNamespace(T)) {
        for (path) |around| if (around == T) return null;
        const inner = sort(T, declarations.of(T).?.list, path ++ .{T});
        return if (inner.list.len > 0) .namespace else null;
    }
    switch (kind.of(T)) {
        .enumeration => return .enumeration,
        .record => return if (kind.isResult(T) or kind.isParameter(T)) .record else null,
        .class => {
            for (declarations.of(T).?.list) |member| {
                if (!declarations.isFunction(T, member)) continue;
                const reason = class.obstacle(T, member) orelse continue;
                exports.skip(declaration.name ++ "." ++ member.name, reason);
            }
            return .class;
        },
        else => {
            if (@typeInfo(T) == .@"struct" and declarations.isClass(T)) {
                const reason = "class: alignment above 16 bytes, more than 64 KiB, or a field that exists at compile time only";
                exports.skip(declaration.name, reason);
            }
            return null;
        },
    }
}

/// Returns the type as which a constant goes to Python, or `void` if it does not.
pub fn Constant(comptime user: type, comptime name: []const u8) type {
    const value = @field(user, name);
    const T = @TypeOf(value);
    return switch (@typeInfo(T)) {
        .comptime_float => f64,
        .comptime_int => convert.WordFor(value, value) orelse void,
        // An instance that points to something might free what is not its own.
        else => if (kind.isReadable(T)) T else void,
    };
}

/// Returns the message for a file with nothing that Python could use.
pub fn emptyMessage(comptime source_path: []const u8, comptime skipped: []const Exports.Skipped) []const u8 {
    @setEvalBranchQuota(reflection.quota);
    var list: []const u8 = "";
    for (skipped) |one| {
        list = list ++ (if (list.len == 0) "" else "; ") ++ "`" ++ one.name ++ "`: " ++ one.reason;
    }
    if (list.len == 0) list = "it has no `pub fn` and no `pub const` with a value for Python";
    return "zigimport: nothing to export from " ++ source_path ++ ": " ++ list;
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
    try std.testing.expect(comptime exports.has("add") and !exports.has("huge"));
}

test emptyMessage {
    try std.testing.expectEqualStrings(
        "zigimport: nothing to export from a.zig: `f`: result: type `type`",
        comptime emptyMessage("a.zig", &.{.{ .name = "f", .reason = "result: type `type`" }}),
    );
}
