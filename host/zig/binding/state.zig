//! What one module object owns. Two interpreters, or two loads, never share it.

const std = @import("std");
const abi = @import("abi.zig");
const reflection = @import("reflection.zig");
const Heap = @import("scope.zig").Heap;

const Object = abi.Object;

pub const State = struct {
    /// The Python class of each Zig type that has one, at the type's slot.
    classes: []?*Object,
    /// Has the memory of the list.
    heap: Heap,

    /// Zeroed from the module's creation on: the definition asks for it. Absent when the collector
    /// looks at a module whose creation has not come so far.
    fn of(module: *Object) ?*State {
        return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
    }

    pub fn traverse(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
        const state = of(module) orelse return 0;
        for (state.classes) |class| {
            const stop = visit(class orelse continue, argument);
            if (stop != 0) return stop;
        }
        return 0;
    }

    pub fn clear(module: *Object) callconv(.c) c_int {
        const state = of(module) orelse return 0;
        for (state.classes) |*place| {
            const class = place.*;
            place.* = null;
            abi.Py_DecRef(class);
        }
        return 0;
    }

    pub fn free(module: ?*anyopaque) callconv(.c) void {
        const object: *Object = @ptrCast(@alignCast(module.?));
        _ = clear(object);
        const state = of(object) orelse return;
        state.classes = &.{};
        state.heap.deinit();
    }
};

const unassigned = std.math.maxInt(usize);

/// Types that have a slot. Slots are numbers that are the same in every interpreter; the
/// interpreter's lock guards them.
var slot_count: usize = 0;

/// Makes a class: a new reference, or `null` with an exception set.
pub const Create = *const fn (module: *Object) ?*Object;

/// Returns the class of a type (borrowed), made when it is first asked for, or `null` with an
/// exception set.
pub fn classOf(comptime T: type, module: *Object, create: Create) ?*Object {
    const Slot = struct {
        const Key = T;
        var index: usize = unassigned;
    };
    const known = State.of(module).?.classes;
    if (Slot.index < known.len) if (known[Slot.index]) |class| return class;
    return newClass(&Slot.index, module, create);
}

fn newClass(slot: *usize, module: *Object, create: Create) ?*Object {
    const class = create(module) orelse return null;
    if (slot.* == unassigned) {
        slot.* = slot_count;
        slot_count += 1;
    }
    const state = State.of(module).?;
    const count = state.classes.len;
    if (slot.* >= count) {
        state.classes = state.heap.allocator().realloc(state.classes, slot_count) catch {
            abi.Py_DecRef(class);
            return abi.raise(?*Object, "MemoryError", "OutOfMemory", .{});
        };
        @memset(state.classes[count..], null);
    }
    state.classes[slot.*] = class;
    return class;
}

/// Gives a new class the name of its module, which may be in a package. Ends it on failure.
pub fn withModule(class: *Object, module: *Object) ?*Object {
    const name = abi.PyModule_GetNameObject(module);
    defer abi.Py_DecRef(name);
    if (name != null and abi.PyObject_SetAttrString(class, "__module__", name.?) == 0) return class;
    abi.Py_DecRef(class);
    return null;
}

/// The class of errors that have no counterpart in Python (borrowed), or `null` with an exception set.
pub fn zigError(module: *Object) ?*Object {
    return classOf(error{ZigError}, module, &struct {
        fn create(owner: *Object) ?*Object {
            const name = reflection.module_name ++ ".ZigError";
            const class = abi.PyErr_NewException(name, abi.exception("RuntimeError"), null);
            return withModule(class orelse return null, owner);
        }
    }.create);
}

/// Raises a Zig error in Python: the built-in exception of its name if a message makes one.
pub fn raiseZigError(module: *Object, err: anyerror) void {
    @branchHint(.cold);
    // What a callable raised goes on as it was.
    if (err == error.PythonError and abi.PyErr_Occurred() != null) return;
    abi.PyErr_Clear();
    const text = abi.PyUnicode_FromFormat("%s", @errorName(err).ptr) orelse return;
    defer abi.Py_DecRef(text);
    const name: [*:0]const u8 = if (err == error.OutOfMemory) "MemoryError" else @errorName(err);
    const builtins = abi.PyImport_AddModule("builtins") orelse return;
    const known = abi.PyObject_GetAttrString(builtins, name);
    defer abi.Py_DecRef(known);
    if (known) |class| {
        const is_error = abi.is(class, .type) and abi.PyType_IsSubtype(class, abi.exception("Exception")) != 0;
        if (is_error and raiseWith(class, text, null)) return;
    }
    abi.PyErr_Clear();
    _ = raiseWith(zigError(module) orelse return, text, "name");
}

fn raiseWith(class: *Object, text: *Object, attribute: ?[*:0]const u8) bool {
    const instance = abi.PyObject_CallFunctionObjArgs(class, text, @as(?*Object, null)) orelse return false;
    defer abi.Py_DecRef(instance);
    if (attribute) |name| if (abi.PyObject_SetAttrString(instance, name, text) < 0) return false;
    abi.PyErr_SetObject(class, instance);
    return true;
}
