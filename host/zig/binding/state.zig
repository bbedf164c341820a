//! What one module object owns. Two interpreters, or two loads, never share it.

const abi = @import("abi.zig");

const Object = abi.Object;

pub const State = struct {
    /// The class of errors that have no counterpart in Python.
    zig_error: ?*Object,

    pub fn of(module: *Object) *State {
        // Present from the module's creation, zeroed: the definition asks for it.
        return @ptrCast(@alignCast(abi.PyModule_GetState(module).?));
    }
};

/// Absent when the collector looks at a module whose creation has not come so far.
fn find(module: *Object) ?*State {
    return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
}

pub fn traverse(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
    const state = find(module) orelse return 0;
    const zig_error = state.zig_error orelse return 0;
    return visit(zig_error, argument);
}

pub fn clear(module: *Object) callconv(.c) c_int {
    const state = find(module) orelse return 0;
    const zig_error = state.zig_error;
    state.zig_error = null;
    abi.Py_DecRef(zig_error);
    return 0;
}

pub fn free(module: ?*anyopaque) callconv(.c) void {
    _ = clear(@ptrCast(@alignCast(module.?)));
}
