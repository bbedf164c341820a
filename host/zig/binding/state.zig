//! What one module object owns. Two interpreters, or two loads, never share it.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");

const Object = abi.Object;

pub const State = struct {
    /// The class of errors that have no counterpart in Python.
    zig_error: ?*Object,
    /// A list with the Python class of each Zig type that has one, at the type's slot.
    classes: ?*Object,

    pub fn of(module: *Object) *State {
        // Present from the module's creation, zeroed: the definition asks for it.
        return find(module).?;
    }

    /// Absent when the collector looks at a module whose creation has not come so far.
    fn find(module: *Object) ?*State {
        return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
    }

    pub fn traverse(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
        const state = find(module) orelse return 0;
        for ([_]?*Object{ state.zig_error, state.classes }) |owned| {
            const stop = visit(owned orelse continue, argument);
            if (stop != 0) return stop;
        }
        return 0;
    }

    pub fn clear(module: *Object) callconv(.c) c_int {
        const state = find(module) orelse return 0;
        const owned = state.*;
        state.* = .{ .zig_error = null, .classes = null };
        abi.Py_DecRef(owned.zig_error);
        abi.Py_DecRef(owned.classes);
        return 0;
    }

    pub fn free(module: ?*anyopaque) callconv(.c) void {
        _ = clear(@ptrCast(@alignCast(module.?)));
    }
};

const unassigned = std.math.maxInt(isize);

/// Types that have a slot. Slots are numbers that are the same in every interpreter; the
/// interpreter's lock guards them.
var slot_count: isize = 0;

/// Returns the class of a type (borrowed), made by `create` when it is first asked for, or `null`
/// with an exception set.
pub fn classOf(
    comptime T: type,
    module: *Object,
    create: *const fn (module: *Object) ?*Object,
) ?*Object {
    const Slot = struct {
        const Key = T;
        var index: isize = unassigned;
    };
    return classAt(&Slot.index, module, create);
}

fn classAt(slot: *isize, module: *Object, create: *const fn (module: *Object) ?*Object) ?*Object {
    const state = State.of(module);
    if (slot.* == unassigned) {
        slot.* = slot_count;
        slot_count += 1;
    }
    if (state.classes == null) state.classes = abi.PyList_New(0) orelse return null;
    while (abi.PyList_Size(state.classes.?) <= slot.*) {
        if (abi.PyList_Append(state.classes.?, builtins.none) < 0) return null;
    }
    const known = abi.PyList_GetItem(state.classes.?, slot.*);
    if (known != builtins.none) return known;
    const class = create(module) orelse return null;
    // What creating it needed may have come before; the list keeps the only reference.
    return if (abi.PyList_SetItem(state.classes.?, slot.*, class) < 0) null else class;
}
