//! The memory of one call or of one object: what the user's code does not free is freed with it, and
//! a block can be handed over to an object that outlives the call.
//!
//! Blocks come from the interpreter's own memory functions: the same on every platform, seen by
//! `tracemalloc`, and safe where mapping pages behind the interpreter's back is not (Emscripten).
//! Those need the interpreter's lock, so a heap for code without it takes the system's.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");

const Alignment = std.mem.Alignment;

pub const Heap = extern struct {
    first: ?*Block = null,
    /// Whether the interpreter's lock is not held and other threads may allocate too.
    is_shared: bool = false,
    lock: std.atomic.Value(bool) = .init(false),

    /// What precedes the memory that the user's code gets. A multiple of `natural`.
    const Block = extern struct {
        previous: ?*Block,
        next: ?*Block,
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
            // Neither source of memory can grow a block in place.
            .vtable = &.{ .alloc = alloc, .resize = std.mem.Allocator.noResize, .remap = remap, .free = free },
        };
    }

    /// Frees every block.
    pub fn deinit(heap: *Heap) void {
        while (heap.first) |block| {
            heap.first = block.next;
            heap.release(block.start);
        }
    }

    /// Moves the block that has an address to an empty heap. False if there is none.
    pub fn give(heap: *Heap, address: usize, receiver: *Heap) bool {
        var next = heap.first;
        while (next) |block| : (next = block.next) {
            if (address < block.memory() or address - block.memory() >= block.size) continue;
            heap.unlink(block);
            receiver.* = .{ .is_shared = heap.is_shared };
            receiver.link(block);
            return true;
        }
        return false;
    }

    /// What `PyMem_Malloc` and `malloc` promise: 16 bytes on 64-bit machines, 8 on 32-bit ones.
    const natural = Alignment.fromByteUnits(2 * @sizeOf(usize));

    fn alloc(context: *anyopaque, length: usize, alignment: Alignment, _: usize) ?[*]u8 {
        const heap: *Heap = @ptrCast(@alignCast(context));
        const extra = if (alignment.compare(.lte, natural)) 0 else alignment.toByteUnits();
        const size = std.math.add(usize, length, @sizeOf(Block) + extra) catch return null;
        const start = if (heap.isSystem()) system.malloc(size) else abi.PyMem_Malloc(size);
        const address = alignment.forward(@intFromPtr(start orelse return null) + @sizeOf(Block));
        const block: *Block = .before(address);
        block.start = start.?;
        block.size = length;
        heap.enter();
        defer heap.leave();
        heap.link(block);
        return @ptrFromInt(address);
    }

    fn remap(context: *anyopaque, memory: []u8, alignment: Alignment, length: usize, _: usize) ?[*]u8 {
        const heap: *Heap = @ptrCast(@alignCast(context));
        if (alignment.compare(.gt, natural)) return null;
        const size = std.math.add(usize, length, @sizeOf(Block)) catch return null;
        const block: *Block = .before(@intFromPtr(memory.ptr));
        heap.enter();
        defer heap.leave();
        heap.unlink(block);
        const start = block.start;
        const longer = if (heap.isSystem()) system.realloc(start, size) else abi.PyMem_Realloc(start, size);
        const moved: *Block = @ptrCast(@alignCast(longer orelse {
            heap.link(block);
            return null;
        }));
        moved.start = moved;
        moved.size = length;
        heap.link(moved);
        return @ptrFromInt(moved.memory());
    }

    fn free(context: *anyopaque, memory: []u8, _: Alignment, _: usize) void {
        const heap: *Heap = @ptrCast(@alignCast(context));
        const block: *Block = .before(@intFromPtr(memory.ptr));
        {
            heap.enter();
            defer heap.leave();
            heap.unlink(block);
        }
        heap.release(block.start);
    }

    fn link(heap: *Heap, block: *Block) void {
        block.previous = null;
        block.next = heap.first;
        if (heap.first) |first| first.previous = block;
        heap.first = block;
    }

    fn unlink(heap: *Heap, block: *Block) void {
        if (block.previous) |previous| previous.next = block.next else heap.first = block.next;
        if (block.next) |next| next.previous = block.previous;
    }

    fn enter(heap: *Heap) void {
        if (!heap.is_shared) return;
        while (heap.lock.swap(true, .acquire)) std.atomic.spinLoopHint();
    }

    fn leave(heap: *Heap) void {
        if (heap.is_shared) heap.lock.store(false, .release);
    }

    /// There is no interpreter in unit tests.
    inline fn isSystem(heap: *const Heap) bool {
        return builtin.is_test or heap.is_shared;
    }

    fn release(heap: *const Heap, start: *anyopaque) void {
        if (heap.isSystem()) system.free(start) else abi.PyMem_Free(start);
    }
};

/// The system's memory functions, which need no lock.
const system = if (builtin.os.tag == .windows) struct {
    extern "kernel32" fn GetProcessHeap() callconv(.winapi) *anyopaque;
    extern "kernel32" fn HeapAlloc(heap: *anyopaque, flags: u32, size: usize) callconv(.winapi) ?*anyopaque;
    extern "kernel32" fn HeapReAlloc(
        heap: *anyopaque,
        flags: u32,
        memory: *anyopaque,
        size: usize,
    ) callconv(.winapi) ?*anyopaque;
    extern "kernel32" fn HeapFree(heap: *anyopaque, flags: u32, memory: *anyopaque) callconv(.winapi) i32;

    fn malloc(size: usize) ?*anyopaque {
        return HeapAlloc(GetProcessHeap(), 0, size);
    }
    fn realloc(memory: *anyopaque, size: usize) ?*anyopaque {
        return HeapReAlloc(GetProcessHeap(), 0, memory, size);
    }
    fn free(memory: *anyopaque) void {
        _ = HeapFree(GetProcessHeap(), 0, memory);
    }
} else struct {
    extern fn malloc(size: usize) ?*anyopaque;
    extern fn realloc(memory: *anyopaque, size: usize) ?*anyopaque;
    extern fn free(memory: *anyopaque) void;
};

test Heap {
    try std.testing.expectEqual(0, @sizeOf(Heap.Block) % Heap.natural.toByteUnits());
    var heap: Heap = .{ .is_shared = true };
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
    try std.testing.expect(other.is_shared and other.first != null);
    allocator.free(first);
}
