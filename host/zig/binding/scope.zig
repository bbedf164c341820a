//! What lives as long as one call: memory, buffers, and objects that arguments borrow from.

const abi = @import("abi.zig");
const Heap = @import("heap.zig").Heap;

const Object = abi.Object;

/// Why an argument was refused. No exception is set, except for `Raised`.
pub const Refusal = Raised || error{ WrongType, WrongValue, OutOfRange, EmbeddedZero };
const Raised = error{Raised};

pub const Scope = struct {
    /// The module object whose classes are meant.
    module: *Object,
    /// For messages.
    function: [*:0]const u8 = "",
    argument: [*:0]const u8 = "",
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
    pub fn holdObject(scope: *Scope, object: *Object) Raised!void {
        errdefer abi.Py_DecRef(object);
        (try scope.newHeld()).object = object;
    }

    /// Gets a buffer; it stays exported until the call ends.
    pub fn holdBuffer(scope: *Scope, object: *Object) Raised!*const abi.Buffer {
        const held = try scope.newHeld();
        if (abi.PyObject_GetBuffer(object, &held.view, abi.PyBUF_STRIDES | abi.PyBUF_FORMAT) == 0) return &held.view;
        held.view.object = null;
        return error.Raised;
    }

    /// Returns uninitialised memory for temporary values.
    pub fn alloc(scope: *Scope, comptime T: type, count: usize) Raised![]T {
        return scope.heap.allocator().alloc(T, count) catch
            abi.raise(Raised, "MemoryError", "OutOfMemory", .{});
    }

    fn newHeld(scope: *Scope) Raised!*Held {
        const held = &(try scope.alloc(Held, 1))[0];
        held.* = .{ .next = scope.held };
        scope.held = held;
        return held;
    }

    /// Raises an error about the argument: "f() argument 'x': expected … , got …".
    pub fn raise(scope: *Scope, comptime class: []const u8, comptime format: [:0]const u8, values: anytype) Raised {
        const place = .{ scope.function, scope.argument };
        return abi.raise(Raised, class, "%s() argument '%s': " ++ format, place ++ values);
    }
};
