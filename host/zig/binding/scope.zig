//! What lives as long as one call, or as the instance that it returned: memory, buffers, and objects that
//! arguments borrow from.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");
const kind = @import("kind.zig");

const Alignment = std.mem.Alignment;
const Object = abi.Object;
const Text = [*:0]const u8;

/// Why an argument was refused. No exception is set, except for `Raised`.
pub const Refusal = Raised || error{ WrongType, WrongValue, OutOfRange };
const Raised = error{Raised};

pub const Scope = struct {
    /// The module object whose classes are meant.
    module: *Object,
    /// For messages.
    function: Text = "",
    argument: Text = "",
    /// What arguments and results point to; some have nothing of the kind.
    heap: ?*Heap = null,

    /// Takes over a reference.
    pub fn holdObject(scope: *Scope, object: *Object) Raised!void {
        errdefer abi.Py_DecRef(object);
        (try scope.newHeld()).object = object;
    }

    /// Gets a buffer; it stays exported as long as the heap lives: until the call ends, or the instance
    /// that it returned goes away.
    pub fn holdBuffer(scope: *Scope, object: *Object) Raised!*abi.Buffer {
        const held = try scope.newHeld();
        if (abi.PyObject_GetBuffer(object, &held.view, abi.PyBUF_STRIDES | abi.PyBUF_FORMAT) == 0) return &held.view;
        held.view.object = null;
        return error.Raised;
    }

    /// Returns uninitialised memory for temporary values.
    pub fn alloc(scope: *Scope, comptime T: type, count: usize) Raised![]T {
        return scope.heap.?.allocator().alloc(T, count) catch
            abi.raise(Raised, "MemoryError", "OutOfMemory", .{});
    }

    fn newHeld(scope: *Scope) Raised!*Held {
        const held = &(try scope.alloc(Held, 1))[0];
        held.* = .{ .next = scope.heap.?.held };
        scope.heap.?.held = held;
        return held;
    }

    /// Raises an error about the argument: "f() argument 'x': expected … , got …".
    pub fn raise(scope: *Scope, comptime class: []const u8, comptime format: [:0]const u8, values: anytype) Raised {
        const place = .{ scope.function, scope.argument };
        return abi.raise(Raised, class, "%s() argument '%s': " ++ format, place ++ values);
    }

    /// Raises the error of an argument that was refused, and returns `null`.
    pub fn refuse(scope: *Scope, comptime T: type, refusal: Refusal, object: *Object) ?*Object {
        scope.explain(refusal, object, comptime kind.expected(T), comptime kind.range(T)) catch return null;
    }

    fn explain(scope: *Scope, refusal: Refusal, object: *Object, expected: Text, range: Text) Raised {
        @branchHint(.cold);
        if (refusal == error.Raised) return error.Raised;
        const class = abi.PyObject_GetAttrString(object.type, "__name__") orelse return error.Raised;
        defer abi.Py_DecRef(class);
        return switch (refusal) {
            error.Raised => error.Raised,
            error.OutOfRange => scope.raise("OverflowError", "out of range for %s", .{range}),
            error.WrongValue => scope.raise("ValueError", "expected %s, got %R", .{ expected, object }),
            error.WrongType => scope.raise("TypeError", "expected %s, got %S", .{ expected, class }),
        };
    }
};

const Held = struct {
    next: ?*Held,
    view: abi.Buffer = .{},
    object: ?*Object = null,
};

/// The memory of one call or of one object: what the user's code does not free is freed with it,
/// and a block can be handed over to an object that outlives the call.
///
/// Any thread may allocate, also one that does not hold the interpreter's lock. So the blocks are the C
/// library's, and not of the interpreter's own memory functions.
pub const Heap = struct {
    blocks: std.DoublyLinkedList = .{},
    lock: std.atomic.Value(bool) = .init(false),
    /// Buffers and objects that something in it may point to.
    held: ?*Held = null,

    /// What precedes the memory that the user's code gets. A multiple of `natural`.
    const Block = struct {
        node: std.DoublyLinkedList.Node = .{},
        /// What must be freed.
        start: *anyopaque,
        size: usize,

        fn before(address: usize) *Block {
            return @ptrFromInt(address - @sizeOf(Block));
        }

        fn memory(block: *Block) usize {
            return @intFromPtr(block) + @sizeOf(Block);
        }
    };

    /// Valid as long as the heap stays where it is.
    pub fn allocator(heap: *Heap) std.mem.Allocator {
        return .{
            .ptr = heap,
            // The C library cannot grow a block in place and only there.
            .vtable = &.{ .alloc = alloc, .resize = std.mem.Allocator.noResize, .remap = remap, .free = free },
        };
    }

    /// Lets go of what is held, and frees every block. The interpreter's lock must be held if anything is.
    pub fn deinit(heap: *Heap) void {
        while (if (builtin.is_test) null else heap.held) |held| {
            heap.held = held.next;
            if (held.view.object != null) abi.PyBuffer_Release(&held.view);
            abi.Py_DecRef(held.object);
        }
        while (heap.blocks.popFirst()) |node| c.free(@as(*Block, @fieldParentPtr("node", node)).start);
    }

    /// Moves the block that has an address to an empty heap. False if there is none.
    pub fn give(heap: *Heap, address: usize, receiver: *Heap) bool {
        var next = heap.blocks.first;
        while (next) |node| : (next = node.next) {
            const block: *Block = @fieldParentPtr("node", node);
            if (address < block.memory() or address - block.memory() >= block.size) continue;
            heap.blocks.remove(node);
            receiver.blocks.prepend(node);
            return true;
        }
        return false;
    }

    /// What `malloc` promises: 16 bytes on 64-bit machines, 8 on 32-bit ones.
    const natural = Alignment.fromByteUnits(2 * @sizeOf(usize));

    fn alloc(context: *anyopaque, length: usize, alignment: Alignment, _: usize) ?[*]u8 {
        const heap: *Heap = @ptrCast(@alignCast(context));
        const extra = if (alignment.compare(.lte, natural)) 0 else alignment.toByteUnits();
        const size = std.math.add(usize, length, @sizeOf(Block) + extra) catch return null;
        const start = c.malloc(size) orelse return null;
        const block: *Block = .before(alignment.forward(@intFromPtr(start) + @sizeOf(Block)));
        block.* = .{ .start = start, .size = length };
        heap.enter();
        defer heap.leave();
        heap.blocks.prepend(&block.node);
        return @ptrFromInt(block.memory());
    }

    fn remap(context: *anyopaque, memory: []u8, alignment: Alignment, length: usize, _: usize) ?[*]u8 {
        const heap: *Heap = @ptrCast(@alignCast(context));
        if (alignment.compare(.gt, natural)) return null;
        const size = std.math.add(usize, length, @sizeOf(Block)) catch return null;
        const block: *Block = .before(@intFromPtr(memory.ptr));
        heap.enter();
        defer heap.leave();
        heap.blocks.remove(&block.node);
        const start = c.realloc(block.start, size);
        const moved: *Block = if (start) |new| @ptrCast(@alignCast(new)) else block;
        if (start) |new| moved.* = .{ .start = new, .size = length };
        heap.blocks.prepend(&moved.node);
        return if (start == null) null else @ptrFromInt(moved.memory());
    }

    fn free(context: *anyopaque, memory: []u8, _: Alignment, _: usize) void {
        const heap: *Heap = @ptrCast(@alignCast(context));
        const block: *Block = .before(@intFromPtr(memory.ptr));
        heap.enter();
        heap.blocks.remove(&block.node);
        heap.leave();
        c.free(block.start);
    }

    fn enter(heap: *Heap) void {
        while (heap.lock.swap(true, .acquire)) std.atomic.spinLoopHint();
    }

    fn leave(heap: *Heap) void {
        heap.lock.store(false, .release);
    }
};

/// The memory functions of the C library. On Windows it has to be named.
const c = struct {
    const library = if (builtin.os.tag == .windows) "api-ms-win-crt-heap-l1-1-0" else null;
    const malloc = @extern(*const fn (usize) callconv(.c) ?*anyopaque, .{ .name = "malloc", .library_name = library });
    const realloc = @extern(*const fn (*anyopaque, usize) callconv(.c) ?*anyopaque, .{ .name = "realloc", .library_name = library });
    const free = @extern(*const fn (*anyopaque) callconv(.c) void, .{ .name = "free", .library_name = library });
};

test Heap {
    try std.testing.expectEqual(0, @sizeOf(Heap.Block) % Heap.natural.toByteUnits());
    var heap: Heap = .{};
    defer heap.deinit();
    const allocator = heap.allocator();
    const first = try allocator.alloc(u8, 100);
    const aligned = try allocator.alignedAlloc(u8, .fromByteUnits(256), 10);
    try std.testing.expectEqual(0, @intFromPtr(aligned.ptr) % 256);
    var list: std.ArrayListUnmanaged(u64) = .empty;
    for (0..1000) |number| try list.append(allocator, number);
    for (list.items, 0..) |item, number| try std.testing.expectEqual(number, item);
    var other: Heap = .{};
    defer other.deinit();
    try std.testing.expect(heap.give(@intFromPtr(&list.items[999]), &other));
    try std.testing.expect(!heap.give(@intFromPtr(list.items.ptr), &other));
    try std.testing.expect(other.blocks.first != null);
    allocator.free(first);
}
