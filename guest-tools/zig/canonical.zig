//! The component model's canonical ABI for wasm32, without generated code.
//!
//! On wasm32 the layout of an `extern struct` is the layout that the canonical
//! ABI gives the record with the same fields, so lifting and lowering are
//! pointer casts. Each guest asserts the sizes and offsets it relies on.
//!
//! Memory is a bump allocator that only grows. The post-return function of an
//! export calls `freeAll`; nothing is freed before. A call that traps leaves
//! the instance unusable, so nothing has to be cleaned up on that path.
const std = @import("std");
const builtin = @import("builtin");
const assert = std.debug.assert;

const page_bytes = 64 * 1024;

/// Memory grows by at least this much where the host allows it, so that a
/// large source does not cost one `memory.grow` per page.
const growth_pages_max = 256;

/// A lifted or lowered `list<T>`.
pub fn List(comptime T: type) type {
    return extern struct {
        const Self = @This();

        pointer: [*]const T,
        length: usize,

        /// Borrows `items`. An empty slice may have an undefined pointer, which
        /// a host rejects even at length 0, so that one is replaced.
        pub fn of(items: []const T) Self {
            if (items.len == 0) return .{ .pointer = dangling(T), .length = 0 };
            return .{ .pointer = items.ptr, .length = items.len };
        }

        pub fn slice(list: Self) []const T {
            return lift(T, list.pointer, list.length);
        }
    };
}

/// A lifted or lowered `string`. Guests lower valid UTF-8 only.
pub const String = List(u8);

/// A lifted or lowered `option<T>`.
pub fn Option(comptime T: type) type {
    return extern struct {
        const Self = @This();

        is_some: bool,
        value: T,

        pub const none: Self = .{ .is_some = false, .value = undefined };

        pub fn some(value: T) Self {
            return .{ .is_some = true, .value = value };
        }
    };
}

/// A lowered `result<T, E>`.
pub fn Result(comptime T: type, comptime E: type) type {
    return extern struct {
        const Self = @This();

        tag: enum(u8) { ok, err },
        payload: extern union { ok: T, err: E },

        pub fn ok(value: T) Self {
            return .{ .tag = .ok, .payload = .{ .ok = value } };
        }

        pub fn err(value: E) Self {
            return .{ .tag = .err, .payload = .{ .err = value } };
        }
    };
}

/// Returns the elements of a lifted list. The pointer of an empty list means
/// nothing and is not used; one in an absent option is null.
pub fn lift(comptime T: type, pointer: ?[*]const T, length: usize) []const T {
    return if (length == 0) &.{} else pointer.?[0..length];
}

/// Returns a lifted `list<u8>` with the 0 that `reallocate` put behind it.
pub fn liftTerminated(pointer: ?[*]const u8, length: usize) [:0]const u8 {
    return if (length == 0) "" else pointer.?[0..length :0];
}

/// Asserts that `T` has the size and the offset of its last field that the
/// canonical ABI prescribes.
pub fn assertLayout(comptime T: type, size: usize, comptime last_field: []const u8, offset: usize) void {
    assert(@sizeOf(T) == size);
    assert(@offsetOf(T, last_field) == offset);
}

/// Returns the allocator of a call. What it allocates lives until `freeAll`.
pub const allocator: std.mem.Allocator = .{
    .ptr = undefined,
    .vtable = &.{ .alloc = allocate, .resize = resize, .remap = remap, .free = free },
};

/// Returns uninitialised memory for a record that a call returns by pointer.
pub fn create(comptime T: type) *T {
    return allocator.create(T) catch @trap();
}

/// Ends a call: everything allocated since the last call to it is freed.
pub fn freeAll() void {
    heap.end = heapBase();
}

/// Exports the allocation function that the canonical ABI asks for.
pub fn exportRealloc() void {
    @export(&reallocate, .{ .name = "cabi_realloc" });
}

/// First free byte, and the first byte behind the memory. 0 before first use.
var heap: struct { end: usize = 0, limit: usize = 0 } = .{};

extern var __heap_base: u8;

fn heapBase() usize {
    return @intFromPtr(&__heap_base);
}

fn dangling(comptime T: type) [*]const T {
    return @ptrFromInt(@alignOf(T));
}

/// Over-allocates by one byte and writes 0 there, so that a list of bytes is a
/// sentinel-terminated slice without a copy.
fn reallocate(old: ?[*]u8, old_length: usize, alignment: usize, length: usize) callconv(.c) [*]u8 {
    assert(std.math.isPowerOfTwo(alignment));
    if (length == 0) return @ptrFromInt(alignment);
    const allocated = std.math.add(usize, length, 1) catch @trap();
    const new = allocate(undefined, allocated, .fromByteUnits(alignment), 0) orelse @trap();
    if (old) |bytes| {
        const kept = @min(old_length, length);
        @memcpy(new[0..kept], bytes[0..kept]);
    }
    new[length] = 0;
    return new;
}

fn allocate(_: *anyopaque, length: usize, alignment: std.mem.Alignment, _: usize) ?[*]u8 {
    if (heap.end == 0) heap = .{ .end = heapBase(), .limit = @wasmMemorySize(0) * page_bytes };
    const mask = alignment.toByteUnits() - 1;
    const start = (std.math.add(usize, heap.end, mask) catch return null) & ~mask;
    const end = std.math.add(usize, start, length) catch return null;
    if (end > heap.limit and !grow(end - heap.limit)) return null;
    assert(end <= heap.limit);
    heap.end = end;
    return @ptrFromInt(start);
}

/// Doubles the memory up to a bound, and falls back to exactly what is needed
/// where the host's limit does not allow that.
fn grow(bytes: usize) bool {
    const needed = bytes / page_bytes + @intFromBool(bytes % page_bytes != 0);
    const wanted = @max(needed, @min(heap.limit / page_bytes, growth_pages_max));
    if (@wasmMemoryGrow(0, wanted) < 0 and @wasmMemoryGrow(0, needed) < 0) return false;
    // The multiplication overflows only at the full 4 GiB, whose last page is
    // given up for that.
    heap.limit = std.math.mul(usize, @wasmMemorySize(0), page_bytes) catch std.math.maxInt(usize);
    return true;
}

/// The newest allocation can grow and shrink in place, any other only shrink.
fn resize(_: *anyopaque, memory: []u8, _: std.mem.Alignment, length: usize, _: usize) bool {
    const start = @intFromPtr(memory.ptr);
    if (start + memory.len != heap.end) return length <= memory.len;
    const end = std.math.add(usize, start, length) catch return false;
    if (end > heap.limit and !grow(end - heap.limit)) return false;
    heap.end = end;
    return true;
}

fn remap(context: *anyopaque, memory: []u8, alignment: std.mem.Alignment, length: usize, address: usize) ?[*]u8 {
    return if (resize(context, memory, alignment, length, address)) memory.ptr else null;
}

fn free(_: *anyopaque, memory: []u8, _: std.mem.Alignment, _: usize) void {
    if (@intFromPtr(memory.ptr) + memory.len == heap.end) heap.end = @intFromPtr(memory.ptr);
}

comptime {
    assert(builtin.cpu.arch == .wasm32);
    assertLayout(String, 8, "length", 4);
    assertLayout(Option(u32), 8, "value", 4);
    assertLayout(Option(String), 12, "value", 4);
    assertLayout(Result(String, u64), 16, "payload", 8);
}
