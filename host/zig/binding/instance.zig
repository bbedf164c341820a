//! The instances of classes: Python objects with a Zig value inside.
//!
//! An instance is the head of a Python object, a `Body` that is the same for every class, and the
//! value. It never moves, so the value may point into itself. The type keeps the module alive.

const std = @import("std");
const abi = @import("abi.zig");
const class = @import("class.zig");
const exception = @import("exception.zig");
const kind = @import("kind.zig");
const Heap = @import("heap.zig").Heap;

const Object = abi.Object;

/// Zeroed memory is an instance whose constructor has not run.
pub const Body = struct {
    module: ?*Object,
    /// A tuple of the instances that this one's value may point into.
    owners: ?*Object,
    heap: Heap,
    /// How many others need the value as it is: instances that it owns, calls that only read it.
    readers: usize,
    /// How many others need the value to stay: what an iterator gave.
    keepers: usize,
    /// Whether a call changes the value, or makes it.
    is_busy: bool,
    /// Whether the owners count this instance as a reader.
    locks_owners: bool,
    status: enum(u8) { new = 0, live, closed },

    const offset = std.mem.alignForward(usize, @sizeOf(Object), @alignOf(Body));

    pub fn of(object: *Object) *Body {
        return @ptrFromInt(@intFromPtr(object) + offset);
    }

    /// Lets the owners go. A tuple is what keeps the interpreter's stack flat where owners have owners.
    pub fn release(body: *Body) void {
        const owners = body.owners orelse return;
        body.owners = null;
        for (0..@intCast(abi.PyTuple_Size(owners))) |index| {
            const owner = Body.of(abi.PyTuple_GetItem(owners, @intCast(index)).?);
            if (body.locks_owners) owner.readers -= 1 else owner.keepers -= 1;
        }
        abi.Py_DecRef(owners);
    }

    fn refuse(body: *const Body, name: [*:0]const u8) bool {
        @branchHint(.cold);
        switch (body.status) {
            .new => _ = exception.raise("RuntimeError", "%s.__init__() was not called", .{name}),
            .closed => _ = exception.raise("ValueError", "the %s is closed", .{name}),
            .live => raiseInUse(name),
        }
        return false;
    }
};

pub fn raiseInUse(name: [*:0]const u8) void {
    const format = "the %s is in use, by a running call or by an object such as an iterator";
    _ = exception.raise("RuntimeError", format, .{name});
}

fn valueOffset(comptime T: type) usize {
    return std.mem.alignForward(usize, Body.offset + @sizeOf(Body), @alignOf(T));
}

pub fn sizeOf(comptime T: type) usize {
    return valueOffset(T) + @sizeOf(T);
}

pub fn valueOf(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime valueOffset(T));
}

/// Returns the module of an instance (borrowed).
pub fn moduleOf(comptime T: type, object: *Object) ?*Object {
    const body = Body.of(object);
    if (body.module == null) body.module = class.moduleOf(T, object.type);
    return body.module;
}

/// Creates an instance without a value.
pub fn allocate(comptime T: type, module: *Object) ?*Object {
    const type_object = class.of(T, module) orelse return null;
    const object = abi.PyType_GenericAlloc(type_object, 0) orelse return null;
    Body.of(object).module = module;
    Body.of(object).heap.is_shared = comptime class.Class(T).is_shared;
    return object;
}

/// Gives an instance its value.
pub fn start(comptime T: type, object: *Object, value: T) void {
    valueOf(T, object).* = value;
    Body.of(object).status = .live;
}

pub fn new(comptime T: type, value: T, module: *Object) ?*Object {
    const object = allocate(T, module) orelse return null;
    start(T, object, value);
    return object;
}

/// Ends the memory of an object whose content is gone.
pub fn free(object: *Object) void {
    const type_object = object.type;
    const slot = abi.PyType_GetSlot(type_object, abi.TypeSlot.tp_free).?;
    const end: *const fn (*anyopaque) callconv(.c) void = @ptrCast(@alignCast(slot));
    end(object);
    abi.Py_DecRef(@ptrCast(@alignCast(type_object)));
}

/// True if an object is an instance of the class of a type, or of one derived from it.
pub fn is(comptime T: type, object: *Object, module: *Object) bool {
    const type_object = class.of(T, module) orelse return false;
    return abi.PyType_IsSubtype(object.type, type_object) != 0;
}

/// True if the value of an instance may be used now, else an exception is set.
pub fn isUsable(comptime T: type, object: *Object, is_exclusive: bool) bool {
    const body = Body.of(object);
    if (body.status == .live and !body.is_busy and !(is_exclusive and body.readers > 0)) return true;
    return body.refuse(comptime kind.nameOf(T));
}

/// An instance that a call uses.
pub const Borrow = struct {
    object: ?*Object = null,
    is_exclusive: bool = false,

    /// False with an exception set if the instance cannot be used now.
    pub fn begin(borrow: *Borrow, comptime T: type, object: *Object, is_exclusive: bool) bool {
        if (!isUsable(T, object, is_exclusive)) return false;
        if (is_exclusive) Body.of(object).is_busy = true else Body.of(object).readers += 1;
        borrow.* = .{ .object = object, .is_exclusive = is_exclusive };
        return true;
    }

    pub fn end(borrow: Borrow) void {
        const body = Body.of(borrow.object orelse return);
        if (borrow.is_exclusive) body.is_busy = false else body.readers -= 1;
    }
};

/// Makes an instance keep others alive, and unchanged if it `locks` them. False with an exception set
/// on failure.
pub fn adopt(object: *Object, borrows: []const Borrow, locks: bool) bool {
    var count: isize = 0;
    for (borrows) |borrow| count += @intFromBool(borrow.object != null);
    if (count == 0) return true;
    const owners = abi.PyTuple_New(count) orelse return false;
    var position: isize = 0;
    for (borrows) |borrow| {
        const owner = borrow.object orelse continue;
        abi.Py_IncRef(owner);
        _ = abi.PyTuple_SetItem(owners, position, owner); // Cannot fail: the tuple is new.
        position += 1;
        if (locks) Body.of(owner).readers += 1 else Body.of(owner).keepers += 1;
    }
    Body.of(object).owners = owners;
    Body.of(object).locks_owners = locks;
    return true;
}
