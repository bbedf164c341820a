//! What one module object owns. Two interpreters, or two loads, never share it.

const abi = @import("abi.zig");

const Object = abi.Object;

pub const State = struct {
    /// The class of errors that have no counterpart in Python.
    zig_error: ?*Object,
    /// The Python class of each Zig type that has one; see `slotOf`.
    classes: ?[*]?*Object,
    class_count: usize,

    pub fn of(module: *Object) *State {
        // Present from the module's creation, zeroed: the definition asks for it.
        return @ptrCast(@alignCast(abi.PyModule_GetState(module).?));
    }

    /// Returns the class of a type (borrowed), made by `create` when it is first asked for, or
    /// `null` with an exception set.
    pub fn classOf(
        module: *Object,
        slot: *usize,
        create: *const fn (module: *Object) ?*Object,
    ) ?*Object {
        const state = of(module);
        if (slot.* < state.class_count) if (state.classes.?[slot.*]) |class| return class;
        const class = create(module) orelse return null;
        if (slot.* >= state.class_count and !state.grow(slot)) {
            abi.Py_DecRef(class);
            return null;
        }
        state.classes.?[slot.*] = class;
        return class;
    }

    fn grow(state: *State, slot: *usize) bool {
        if (slot.* == unassigned) {
            slot.* = slot_count;
            slot_count += 1;
        }
        const memory = abi.PyMem_Realloc(@ptrCast(state.classes), slot_count * @sizeOf(?*Object)) orelse {
            abi.PyErr_SetString(abi.exception("MemoryError"), "OutOfMemory");
            return false;
        };
        const classes: [*]?*Object = @ptrCast(@alignCast(memory));
        @memset(classes[state.class_count..slot_count], null);
        state.classes = classes;
        state.class_count = slot_count;
        return true;
    }
};

const unassigned = @import("std").math.maxInt(usize);

/// Types that have a slot. Slots are numbers that are the same in every interpreter; the
/// interpreter's lock guards them.
var slot_count: usize = 0;

/// Returns the variable that has the slot of a type.
pub fn slotOf(comptime T: type) *usize {
    return &struct {
        const Key = T;
        var slot: usize = unassigned;
    }.slot;
}

/// Absent when the collector looks at a module whose creation has not come so far.
fn find(module: *Object) ?*State {
    return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
}

pub fn traverse(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
    const state = find(module) orelse return 0;
    if (state.zig_error) |class| {
        const stop = visit(class, argument);
        if (stop != 0) return stop;
    }
    for (0..state.class_count) |slot| {
        const stop = visit(state.classes.?[slot] orelse continue, argument);
        if (stop != 0) return stop;
    }
    return 0;
}

pub fn clear(module: *Object) callconv(.c) c_int {
    const state = find(module) orelse return 0;
    const zig_error = state.zig_error;
    state.zig_error = null;
    abi.Py_DecRef(zig_error);
    for (0..state.class_count) |slot| {
        const class = state.classes.?[slot];
        state.classes.?[slot] = null;
        abi.Py_DecRef(class);
    }
    return 0;
}

pub fn free(module: ?*anyopaque) callconv(.c) void {
    const object: *Object = @ptrCast(@alignCast(module.?));
    _ = clear(object);
    const state = find(object) orelse return;
    abi.PyMem_Free(@ptrCast(state.classes));
    state.class_count = 0;
    state.classes = null;
}
