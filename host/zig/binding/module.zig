//! Assembles the extension module: definition, method table, attributes, init function.
//!
//! The init is multi-phase, and what a module object owns is in its state, so a module may be loaded
//! again and by several interpreters that share one lock. An interpreter with a lock of its own is
//! refused, which is what the absence of a slot for it means: a user's global variables would be
//! shared without any lock.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const exception = @import("exception.zig");
const exports_module = @import("exports.zig");
const function = @import("function.zig");
const state = @import("state.zig");

const Object = abi.Object;
const Skipped = exports_module.Skipped;

/// The attribute that tells which functions were left out: a dict from name to reason.
const skipped_attribute = "__zigimport_skipped__";

/// Exports the init function of the module that `description` describes (see `declarations.zig`).
pub fn exportModule(comptime user: type, comptime description: type) void {
    const exports = comptime exports_module.sort(user, declarations.listOf(description));
    if (exports.functions.len + exports.constants.len == 0) {
        @compileError(exports_module.emptyMessage(description.source_path, exports.skipped));
    }
    @export(&Module(user, description, exports).init, .{ .name = description.init_symbol });
}

fn Module(comptime user: type, comptime description: type, comptime exports: exports_module.Exports) type {
    return struct {
        const methods = methodTable(user, exports.functions);

        const slots = [_]abi.Slot{
            .{ .id = abi.Py_mod_exec, .value = &execute },
            .{},
        };

        var definition: abi.ModuleDefinition = .{
            .name = description.module_name,
            .doc = if (description.doc.len == 0) null else description.doc,
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
            if (!addSkipped(module, exports.skipped)) return -1;
            @setEvalBranchQuota(1_000 + 1_000 * exports.constants.len);
            inline for (exports.constants) |declaration| {
                const value = @field(user, declaration.name);
                const T = exports_module.Constant(@TypeOf(value), user, declaration.name);
                if (!addAttribute(module, declaration.name, convert.constantToPython(T, value))) return -1;
            }
            return 0;
        }
    };
}

fn methodTable(
    comptime user: type,
    comptime functions: []const declarations.Declaration,
) [functions.len + 1]abi.MethodDefinition {
    comptime {
        @setEvalBranchQuota(10_000 + 100_000 * functions.len);
        var table: [functions.len + 1]abi.MethodDefinition = undefined;
        for (functions, 0..) |declaration, index| {
            table[index] = function.methodDefinition(@field(user, declaration.name), declaration);
        }
        table[functions.len] = .{};
        return table;
    }
}

/// Sets an attribute to a new reference, which it takes over. False with an exception set on failure.
fn addAttribute(module: *Object, name: [*:0]const u8, value: ?*Object) bool {
    const object = value orelse return false;
    defer abi.Py_DecRef(object);
    return abi.PyObject_SetAttrString(module, name, object) == 0;
}

fn addZigError(module: *Object, visible: bool) bool {
    const class = exception.newZigError(module) orelse return false;
    state.State.of(module).zig_error = class;
    // The user's own declaration of that name wins.
    return !visible or abi.PyObject_SetAttrString(module, "ZigError", class) == 0;
}

fn addSkipped(module: *Object, skipped: []const Skipped) bool {
    const dict = abi.PyDict_New() orelse return false;
    defer abi.Py_DecRef(dict);
    for (skipped) |entry| {
        const reason = convert.toPython([:0]const u8, entry.reason) orelse return false;
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
