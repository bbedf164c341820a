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

pub const Heap = struct {
    first: ?*Block = null,
    /// Whether the interpreter's lock is not held and other threads may allocate too.
    is_shared: bool = false,
    lock: std.atomic.Value(bool) = .init(false),

    /// What precedes the memory that the user's code gets. A multiple of `natural`.
    pub const Block = struct {
        previous: ?*Block,
        next: ?*Block,
        /// What must be freed.
        start: *anyopaque,
        size: usize,

        fn memory(block: *Block) usize {
            return @intFromPtr(block) + @sizeOf(Block);
        }
    };

    /// Valid as long as the heap stays where it is.
    pub fn allocator(heap: *Heap) std.mem.Allocator {
        return .{ .ptr = heap, .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free } };
    }

    /// Frees every block.
    pub fn deinit(heap: *Heap) void {
        while (heap.first) |block| {
            heap.first = block.next;
            release(block, heap.is_shared);
        }
    }

    /// Takes the block that has an address out of the heap: the caller frees it with `release`.
    pub fn take(heap: *Heap, address: usize) ?*Block {
        var next = heap.first;
        while (next) |block| : (next = block.next) {
            if (address < block.memory() or address - block.memory() >= block.size) continue;
            heap.unlink(block);
            return block;
        }
        return null;
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
};

pub fn release(block: *Heap.Block, is_shared: bool) void {
    if (isSystem(is_shared)) system.free(block.start) else abi.PyMem_Free(block.start);
}

/// There is no interpreter in unit tests.
inline fn isSystem(is_shared: bool) bool {
    return builtin.is_test or is_shared;
}

/// What `PyMem_Malloc` and `malloc` promise: 16 bytes on 64-bit machines, 8 on 32-bit ones.
const natural = Alignment.fromByteUnits(2 * @sizeOf(usize));

fn isNatural(alignment: Alignment) bool {
    return alignment.toByteUnits() <= natural.toByteUnits();
}

fn alloc(context: *anyopaque, length: usize, alignment: Alignment, _: usize) ?[*]u8 {
    const heap: *Heap = @ptrCast(@alignCast(context));
    const padding = @sizeOf(Heap.Block) + if (isNatural(alignment)) 0 else alignment.toByteUnits();
    const size = std.math.add(usize, length, padding) catch return null;
    const start = (if (isSystem(heap.is_shared)) system.malloc(size) else abi.PyMem_Malloc(size)) orelse return null;
    const address = alignment.forward(@intFromPtr(start) + @sizeOf(Heap.Block));
    const block: *Heap.Block = @ptrFromInt(address - @sizeOf(Heap.Block));
    block.start = start;
    block.size = length;
    heap.enter();
    defer heap.leave();
    heap.link(block);
    return @ptrFromInt(address);
}

fn resize(_: *anyopaque, _: []u8, _: Alignment, _: usize, _: usize) bool {
    return false; // Neither source of memory can grow a block in place.
}

fn remap(context: *anyopaque, memory: []u8, alignment: Alignment, length: usize, _: usize) ?[*]u8 {
    const heap: *Heap = @ptrCast(@alignCast(context));
    if (!isNatural(alignment)) return null;
    const size = std.math.add(usize, length, @sizeOf(Heap.Block)) catch return null;
    const block: *Heap.Block = @ptrFromInt(@intFromPtr(memory.ptr) - @sizeOf(Heap.Block));
    heap.enter();
    defer heap.leave();
    heap.unlink(block);
    const start = if (isSystem(heap.is_shared)) system.realloc(block.start, size) else abi.PyMem_Realloc(block.start, size);
    const moved: *Heap.Block = @ptrCast(@alignCast(start orelse {
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
    const block: *Heap.Block = @ptrFromInt(@intFromPtr(memory.ptr) - @sizeOf(Heap.Block));
    {
        heap.enter();
        defer heap.leave();
        heap.unlink(block);
    }
    release(block, heap.is_shared);
}

/// The system's memory functions, which need no lock.
const system = if (builtin.os.tag == .windows) struct {
    extern "kernel32" fn GetProcessHeap() callconv(.winapi) *anyopaque;
    extern "kernel32" fn HeapAlloc(heap: *anyopaque, flags: u32, size: usize) callconv(.winapi) ?*anyopaque;
    extern "kernel32" fn HeapReAlloc(heap: *anyopaque, flags: u32, memory: *anyopaque, size: usize) callconv(.winapi) ?*anyopaque;
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
    try std.testing.expectEqual(0, @sizeOf(Heap.Block) % natural.toByteUnits());
    var heap: Heap = .{ .is_shared = true };
    defer heap.deinit();
    const allocator = heap.allocator();
    const first = try allocator.alloc(u8, 100);
    const aligned = try allocator.alignedAlloc(u8, .fromByteUnits(256), 10);
    try std.testing.expectEqual(0, @intFromPtr(aligned.ptr) % 256);
    var list: std.ArrayListUnmanaged(u64) = .empty;
    for (0..1000) |number| try list.append(allocator, number);
    for (list.items, 0..) |item, number| try std.testing.expectEqual(number, item);
    try std.testing.expect(heap.take(@intFromPtr(&list.items[999])) != null);
    try std.testing.expect(heap.take(@intFromPtr(list.items.ptr)) == null);
    release(@ptrFromInt(@intFromPtr(list.items.ptr) - @sizeOf(Heap.Block)), true);
    allocator.free(first);
}
