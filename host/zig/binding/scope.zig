//! What lives as long as one call: memory, buffers, and objects that arguments borrow from.

const abi = @import("abi.zig");
const exception = @import("exception.zig");
const Heap = @import("heap.zig").Heap;

const Object = abi.Object;

pub const Scope = struct {
    /// Temporary memory, and what the user's function allocates.
    heap: Heap = .{},
    held: ?*Held = null,

    const Held = struct {
        next: ?*Held,
        view: abi.Buffer = .{},
        object: ?*Object = null,
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

    /// Takes over a reference.
    pub fn holdObject(scope: *Scope, object: *Object) error{Raised}!void {
        errdefer abi.Py_DecRef(object);
        (try scope.newHeld()).object = object;
    }

    /// Gets a buffer; it stays exported until the call ends.
    pub fn holdBuffer(scope: *Scope, object: *Object) error{Raised}!*const abi.Buffer {
        const held = try scope.newHeld();
        const flags = abi.BufferFlags.strides | abi.BufferFlags.format;
        if (abi.PyObject_GetBuffer(object, &held.view, flags) == 0) return &held.view;
        held.view.object = null;
        return error.Raised;
    }

    /// Returns uninitialised memory for temporary values.
    pub fn alloc(scope: *Scope, comptime T: type, count: usize) error{Raised}![]T {
        return scope.heap.allocator().alloc(T, count) catch exception.raiseOutOfMemory();
    }

    fn newHeld(scope: *Scope) error{Raised}!*Held {
        const held = &(try scope.alloc(Held, 1))[0];
        held.* = .{ .next = scope.held };
        scope.held = held;
        return held;
    }
};

/// Why an argument was refused. No exception is set, except for `Raised`.
pub const Refusal = error{ WrongType, WrongValue, OutOfRange, EmbeddedZero, Raised };

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
        const start = .{ context.function, context.argument };
        _ = exception.raise(class, "%s() argument '%s': " ++ format, start ++ values);
        return error.Raised;
    }
};
