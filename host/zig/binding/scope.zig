//! What lives as long as one call: memory, buffers, and objects that arguments borrow from.

const abi = @import("abi.zig");
const Heap = @import("allocator.zig").Heap;

const Object = abi.Object;

pub const Scope = struct {
    /// Temporary memory, and what the user's function allocates.
    heap: Heap = .{},
    held: ?*Held = null,

    const Held = struct {
        next: ?*Held,
        view: abi.Buffer,
        object: ?*Object,
    };

    /// Releases everything. The interpreter's lock must be held.
    pub fn close(scope: *Scope) void {
        while (scope.held) |held| {
            scope.held = held.next;
            if (held.view.object != null) abi.PyBuffer_Release(&held.view);
            abi.Py_DecRef(held.object);
        }
        scope.heap.deinit();
    }

    /// Takes over a reference, which may be null.
    pub fn holdObject(scope: *Scope, object: ?*Object) error{Raised}!void {
        const held = scope.newHeld() catch |err| {
            abi.Py_DecRef(object);
            return err;
        };
        held.object = object;
    }

    /// Gets a buffer; it stays exported until the call ends.
    pub fn holdBuffer(scope: *Scope, object: *Object) error{Raised}!*const abi.Buffer {
        const held = try scope.newHeld();
        const flags = abi.BufferFlags.strides | abi.BufferFlags.format;
        if (abi.PyObject_GetBuffer(object, &held.view, flags) < 0) {
            held.view.object = null;
            return error.Raised;
        }
        return &held.view;
    }

    /// Returns uninitialised memory for temporary values.
    pub fn alloc(scope: *Scope, comptime T: type, count: usize) error{Raised}![]T {
        return scope.heap.allocator().alloc(T, count) catch {
            abi.PyErr_SetString(abi.exception("MemoryError"), "OutOfMemory");
            return error.Raised;
        };
    }

    fn newHeld(scope: *Scope) error{Raised}!*Held {
        const held = &(try scope.alloc(Held, 1))[0];
        held.* = .{ .next = scope.held, .view = .{}, .object = null };
        scope.held = held;
        return held;
    }
};

/// What a conversion needs beside the value.
pub const Context = struct {
    /// The module object whose classes are meant.
    module: *Object,
    scope: *Scope,
    /// For messages.
    function: [*:0]const u8 = "",
    argument: [*:0]const u8 = "",

    /// Raises an error about the argument: "f() argument 'x': expected … , got …".
    pub fn raise(
        context: *const Context,
        comptime class: []const u8,
        comptime format: []const u8,
        values: anytype,
    ) error{Raised} {
        @branchHint(.cold);
        const full = "%s() argument '%s': " ++ format;
        _ = @call(.auto, abi.PyErr_Format, .{ abi.exception(class), full, context.function, context.argument } ++ values);
        return error.Raised;
    }
};
