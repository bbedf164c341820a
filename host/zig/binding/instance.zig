//! The instances of classes: Python objects with a Zig value inside.
//!
//! An instance is the head of a Python object, a `Body` that is the same for every class, and the
//! value. It never moves, so the value may point into itself. The type keeps the module alive.

const std = @import("std");
const abi = @import("abi.zig");
const class = @import("class.zig");
const kind = @import("kind.zig");
const Heap = @import("scope.zig").Heap;
const Refusal = @import("scope.zig").Refusal;

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

    pub fn of(object: *Object) *Body {
        return content(Body, object);
    }

    /// True if a call or another instance needs the value.
    pub fn isInUse(body: *const Body) bool {
        return body.is_busy or body.readers + body.keepers > 0;
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
        return switch (body.status) {
            .new => abi.raise(bool, "RuntimeError", "%s.__init__() was not called", .{name}),
            .closed => abi.raise(bool, "ValueError", "the %s is closed", .{name}),
            .live => raiseInUse(bool, name),
        };
    }
};

pub fn raiseInUse(comptime Answer: type, name: [*:0]const u8) Answer {
    const format = "the %s is in use, by a running call or by an object such as an iterator";
    return abi.raise(Answer, "RuntimeError", format, .{name});
}

/// Returns where a value ends that lies behind something else in an object.
pub fn endOf(comptime T: type, comptime start_min: usize) usize {
    return std.mem.alignForward(usize, start_min, @alignOf(T)) + @sizeOf(T);
}

/// Returns what an object has right behind its head.
pub fn content(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime endOf(T, @sizeOf(Object)) - @sizeOf(T));
}

/// Returns the size of an object with a value.
pub fn sizeOf(comptime T: type) usize {
    return endOf(T, endOf(Body, @sizeOf(Object)));
}

pub fn valueOf(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime sizeOf(T) - @sizeOf(T));
}

/// Returns the module of an instance (borrowed).
pub fn moduleOf(comptime T: type, object: *Object) ?*Object {
    const body = Body.of(object);
    if (body.module == null) body.module = class.moduleOf(T, object);
    return body.module;
}

/// Creates an instance without a value.
pub fn allocate(comptime T: type, module: *Object) ?*Object {
    const object = abi.PyType_GenericAlloc(class.of(T, module) orelse return null, 0) orelse return null;
    Body.of(object).module = module;
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
    const class_object = object.type;
    const slot = abi.PyType_GetSlot(class_object, .tp_free);
    const end: *const fn (*Object) callconv(.c) void = @ptrCast(@alignCast(slot));
    end(object);
    abi.Py_DecRef(class_object);
}

/// True if an object is an instance of the class of a type, or of one derived from it.
pub fn is(comptime T: type, object: *Object, module: *Object) bool {
    return abi.PyType_IsSubtype(object.type, class.of(T, module) orelse return false) != 0;
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

    /// Returns what a parameter for an instance gets. Without a module the object is known to be one.
    pub inline fn begin(borrow: *Borrow, comptime T: type, object: *Object, module: ?*Object) Refusal!T {
        const Inner = kind.Unwrapped(T);
        const Instance = kind.InstanceOf(T);
        if (Inner != T and object == abi.none) return null;
        if (module) |owner| if (!is(Instance, object, owner)) return error.WrongType;
        const is_exclusive = Inner == *Instance;
        if (!isUsable(Instance, object, is_exclusive)) return error.Raised;
        if (is_exclusive) Body.of(object).is_busy = true else Body.of(object).readers += 1;
        borrow.* = .{ .object = object, .is_exclusive = is_exclusive };
        const value = valueOf(Instance, object);
        return if (Inner == Instance) value.* else value;
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
    for (borrows) |borrow| {
        const owner = borrow.object orelse continue;
        count -= 1;
        _ = abi.PyTuple_SetItem(owners, count, abi.newReference(owner)); // Cannot fail: the tuple is new.
        if (locks) Body.of(owner).readers += 1 else Body.of(owner).keepers += 1;
    }
    Body.of(object).owners = owners;
    Body.of(object).locks_owners = locks;
    return true;
}
