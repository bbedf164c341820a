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
const exports_module = @import("exports.zig");
const function = @import("function.zig");
const record = @import("record.zig");
const reflection = @import("reflection.zig");
const scope_module = @import("scope.zig");
const state = @import("state.zig");
const stub = @import("stub.zig");

const Exports = exports_module.Exports;
const Object = abi.Object;

/// The attribute that tells what was left out: a dict from name to reason.
const skipped_attribute = "__zigimport_skipped__";

/// Exports the init function of the extension module of a user's file.
pub fn exportModule(comptime user: type, comptime init_symbol: []const u8) void {
    const container = declarations.of(user).?;
    const exports = comptime exports_module.sort(user, container.list, &.{user});
    // A package may be there for its submodules only.
    const is_package = comptime std.mem.endsWith(u8, declarations.source_path, "__init__.zig");
    if (comptime exports.isEmpty() and !is_package) {
        @compileError(exports_module.emptyMessage(declarations.source_path, exports.skipped));
    }
    @export(&Module(user, container, exports).init, .{ .name = init_symbol });
}

fn Module(comptime user: type, comptime container: declarations.Container, comptime exports: Exports) type {
    return struct {
        const slots = [_]abi.Slot{
            .{ .id = abi.Py_mod_exec, .value = &execute },
            .{},
        };

        const methods = [_]abi.MethodDefinition{.{}};

        const stub_pieces = stub.pieces(user, container, exports, &.{user})[0..].*;

        var definition: abi.ModuleDefinition = .{
            .name = declarations.module_name,
            .doc = if (container.doc.len == 0) null else container.doc,
            .state_size = @sizeOf(state.State),
            .methods = &methods,
            .slots = &slots,
            .traverse = &state.traverse,
            .clear = &state.clear,
            .free = &state.free,
        };

        fn init() callconv(.c) ?*Object {
            if (!isSupportedInterpreter() or !builtins.find()) return null;
            return abi.PyModuleDef_Init(&definition);
        }

        fn execute(module: *Object) callconv(.c) c_int {
            if (!addZigError(module, comptime !exports.has("ZigError"))) return -1;
            // Nobody looks at them here; this keeps them in the library.
            std.mem.doNotOptimizeAway(&stub_pieces);
            return if (Namespace(user, exports, &.{user}).fill(module, module)) 0 else -1;
        }
    };
}

/// What a namespace of the user's puts into a module object.
fn Namespace(comptime user: type, comptime exports: Exports, comptime path: []const type) type {
    return struct {
        const definitions = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: [exports.functions.len]abi.MethodDefinition = undefined;
            for (&list, exports.functions) |*definition, declaration| {
                definition.* = function.methodDefinition(@field(user, declaration.name), declaration, .module);
            }
            break :blk list;
        };

        /// `module` is bound to functions and owns classes. False with an exception set on failure.
        fn fill(holder: *Object, module: *Object) bool {
            const module_name = abi.PyModule_GetNameObject(holder) orelse return false;
            defer abi.Py_DecRef(module_name);
            for (&definitions) |*definition| {
                if (!addAttribute(holder, definition.name.?, abi.PyCFunction_NewEx(definition, module, module_name))) return false;
            }
            if (!addSkipped(holder, exports.skipped)) return false;
            @setEvalBranchQuota(reflection.quota);
            var scope: scope_module.Scope = .{};
            defer scope.close();
            const context: scope_module.Context = .{ .module = module, .scope = &scope };
            inline for (exports.types) |declaration| {
                const T = @field(user, declaration.name);
                const object = switch (comptime convert.kindOf(T)) {
                    .class => class.classOf(T, module),
                    else => record.classOf(T, module),
                } orelse return false;
                if (abi.PyObject_SetAttrString(holder, declaration.name, object) < 0) return false;
                // Top-level types have the module's name from the beginning.
                if (path.len > 1 and abi.PyObject_SetAttrString(object, "__module__", module_name) < 0) return false;
                const has_doc = comptime convert.kindOf(T) == .record and declaration.doc.len > 0;
                if (has_doc and !addAttribute(object, "__doc__", convert.textToPython(declaration.doc))) return false;
            }
            inline for (exports.enumerations) |declaration| {
                if (!addAttribute(holder, declaration.name, record.enumConstant(@field(user, declaration.name)))) return false;
            }
            inline for (exports.constants) |declaration| {
                const value = @field(user, declaration.name);
                const T = exports_module.Constant(@TypeOf(value), user, declaration.name);
                if (!addAttribute(holder, declaration.name, constant(T, value, &context))) return false;
            }
            if (exports.namespaces.len == 0) return true;
            const imported = isImported(module);
            inline for (exports.namespaces) |declaration| {
                const T = @field(user, declaration.name);
                const inner = comptime exports_module.sort(T, declarations.of(T).?.list, path ++ .{T});
                const submodule = newSubmodule(module_name, declaration.name, comptime declarations.of(T).?.doc, imported) orelse return false;
                // The holder keeps it.
                if (!addAttribute(holder, declaration.name, submodule)) return false;
                if (!Namespace(T, inner, path ++ .{T}).fill(submodule, module)) return false;
            }
            return true;
        }
    };
}

/// Makes a Python object of a constant. Text that is no UTF-8 is data: `bytes`.
fn constant(comptime T: type, comptime value: T, context: *const scope_module.Context) ?*Object {
    const object = convert.toPython(T, value, context);
    switch (comptime convert.kindOf(T)) {
        .text, .text_mutable, .literal => {},
        else => return object,
    }
    if (object != null or abi.PyErr_ExceptionMatches(abi.exception("UnicodeDecodeError")) == 0) return object;
    abi.PyErr_Clear();
    return convert.toPython(@import("types.zig").Bytes, .{ .data = value }, context);
}

/// Whether `sys.modules` has this very object under its name. A reload makes another one, which must
/// leave what is imported alone until all of it is there.
fn isImported(module: *Object) bool {
    const name = abi.PyModule_GetNameObject(module) orelse return false;
    defer abi.Py_DecRef(name);
    const found = abi.PyImport_GetModule(name);
    defer abi.Py_DecRef(found);
    return found == module;
}

/// Returns a new module, in `sys.modules` if the one that it belongs to is.
fn newSubmodule(parent: *Object, name: [*:0]const u8, doc: [:0]const u8, imported: bool) ?*Object {
    const full = abi.PyUnicode_FromFormat("%U.%s", parent, name) orelse return null;
    defer abi.Py_DecRef(full);
    const module = abi.PyModule_NewObject(full) orelse return null;
    const complete = (doc.len == 0 or addAttribute(module, "__doc__", convert.textToPython(doc))) and
        (!imported or abi.PyDict_SetItem(abi.PyImport_GetModuleDict(), full, module) == 0);
    if (complete) return module;
    abi.Py_DecRef(module);
    return null;
}

/// Sets an attribute to a new reference, which it takes over. False with an exception set on failure.
fn addAttribute(module: *Object, name: [*:0]const u8, value: ?*Object) bool {
    const object = value orelse return false;
    defer abi.Py_DecRef(object);
    return abi.PyObject_SetAttrString(module, name, object) == 0;
}

fn addZigError(module: *Object, visible: bool) bool {
    const zig_error = exception.newZigError(module) orelse return false;
    state.State.of(module).zig_error = zig_error;
    // The user's own declaration of that name wins.
    return !visible or abi.PyObject_SetAttrString(module, "ZigError", zig_error) == 0;
}

fn addSkipped(module: *Object, skipped: []const exports_module.Skipped) bool {
    const dict = abi.PyDict_New() orelse return false;
    defer abi.Py_DecRef(dict);
    for (skipped) |entry| {
        const reason = convert.textToPython(entry.reason) orelse return false;
        defer abi.Py_DecRef(reason);
        if (abi.PyDict_SetItemString(dict, entry.name, reason) < 0) return false;
    }
    return abi.PyObject_SetAttrString(module, skipped_attribute, dict) == 0;
}

/// Builds without the global interpreter lock have another object layout: nothing would work.
fn isSupportedInterpreter() bool {
    const version = std.mem.span(abi.Py_GetVersion());
    if (std.mem.indexOf(u8, version, "free-threading") == null) return true;
    abi.PyErr_SetString(
        abi.exception("ImportError"),
        "zigimport modules need a CPython with the global interpreter lock",
    );
    return false;
}
