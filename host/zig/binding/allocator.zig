//! `std.mem.Allocator` over the interpreter's own memory functions: the same on every platform, seen
//! by `tracemalloc`, and safe where mapping pages behind the interpreter's back is not (Emscripten).
//!
//! The interpreter's lock must be held, so the allocator must not be used from another thread.

const std = @import("std");
const abi = @import("abi.zig");

const Alignment = std.mem.Alignment;

pub const python_allocator: std.mem.Allocator = .{
    .ptr = undefined, // No state.
    .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free },
};

/// What `PyMem_Malloc` promises: 16 bytes on 64-bit machines, 8 on 32-bit ones.
const natural = Alignment.fromByteUnits(2 * @sizeOf(usize));

fn isNatural(alignment: Alignment) bool {
    return alignment.toByteUnits() <= natural.toByteUnits();
}

fn alloc(_: *anyopaque, length: usize, alignment: Alignment, _: usize) ?[*]u8 {
    if (isNatural(alignment)) return @ptrCast(abi.PyMem_Malloc(length));
    // Larger blocks keep the address that must be freed in the word before the aligned memory.
    const padding = alignment.toByteUnits() + @sizeOf(usize);
    const size = std.math.add(usize, length, padding) catch return null;
    const start = @intFromPtr(abi.PyMem_Malloc(size) orelse return null);
    const aligned = alignment.forward(start + @sizeOf(usize));
    original(aligned).* = start;
    return @ptrFromInt(aligned);
}

fn resize(_: *anyopaque, _: []u8, _: Alignment, _: usize, _: usize) bool {
    return false; // The interpreter has no way to ask for growth in place.
}

fn remap(_: *anyopaque, memory: []u8, alignment: Alignment, length: usize, _: usize) ?[*]u8 {
    if (!isNatural(alignment)) return null;
    return @ptrCast(abi.PyMem_Realloc(memory.ptr, length));
}

fn free(_: *anyopaque, memory: []u8, alignment: Alignment, _: usize) void {
    if (isNatural(alignment)) return abi.PyMem_Free(memory.ptr);
    abi.PyMem_Free(@ptrFromInt(original(@intFromPtr(memory.ptr)).*));
}

fn original(aligned: usize) *usize {
    return @ptrFromInt(aligned - @sizeOf(usize));
}
