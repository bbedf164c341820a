//! What one module object owns. Two interpreters, or two loads, never share it.

const std = @import("std");
const abi = @import("abi.zig");
const exception = @import("exception.zig");
const Heap = @import("heap.zig").Heap;

const Object = abi.Object;

pub const State = struct {
    /// The class of errors that have no counterpart in Python.
    zig_error: ?*Object,
    /// The Python class of each Zig type that has one, at the type's slot.
    classes: []?*Object,
    /// Has the memory of the list.
    heap: Heap,

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
        for ([_][]const ?*Object{ &.{state.zig_error}, state.classes }) |list| for (list) |class| {
            const stop = visit(class orelse continue, argument);
            if (stop != 0) return stop;
        };
        return 0;
    }

    pub fn clear(module: *Object) callconv(.c) c_int {
        const state = find(module) orelse return 0;
        for ([_][]?*Object{ (&state.zig_error)[0..1], state.classes }) |list| for (list) |*place| {
            const class = place.*;
            place.* = null;
            abi.Py_DecRef(class);
        };
        return 0;
    }

    pub fn free(module: ?*anyopaque) callconv(.c) void {
        const object: *Object = @ptrCast(@alignCast(module.?));
        _ = clear(object);
        const state = find(object) orelse return;
        state.classes = &.{};
        state.heap.deinit();
    }
};

const unassigned = std.math.maxInt(usize);

/// Types that have a slot. Slots are numbers that are the same in every interpreter; the
/// interpreter's lock guards them.
var slot_count: usize = 0;

/// Returns the class of a type (borrowed), made by `create` when it is first asked for, or `null`
/// with an exception set.
pub fn classOf(
    comptime T: type,
    module: *Object,
    create: *const fn (module: *Object) ?*Object,
) ?*Object {
    const Slot = struct {
        const Key = T;
        var index: usize = unassigned;
    };
    const known = State.of(module).classes;
    if (Slot.index < known.len) if (known[Slot.index]) |class| return class;
    return newClass(&Slot.index, module, create);
}

fn newClass(slot: *usize, module: *Object, create: *const fn (module: *Object) ?*Object) ?*Object {
    const class = create(module) orelse return null;
    if (slot.* == unassigned) {
        slot.* = slot_count;
        slot_count += 1;
    }
    const state = State.of(module);
    const count = state.classes.len;
    if (slot.* >= count) {
        state.classes = state.heap.allocator().realloc(state.classes, slot_count) catch {
            abi.Py_DecRef(class);
            return exception.raise("MemoryError", "OutOfMemory", .{});
        };
        @memset(state.classes[count..], null);
    }
    state.classes[slot.*] = class;
    return class;
}
