//! Numbers in memory: buffers that Python passes, and arrays that it gets back.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");
const allocator = @import("allocator.zig");
const scope_module = @import("scope.zig");
const state = @import("state.zig");

const Block = allocator.Heap.Block;
const Context = scope_module.Context;
const Object = abi.Object;

/// More dimensions than NumPy's users have in practice.
const dimensions_max = 8;

/// The types whose slices are buffers, with their format characters.
const elements = .{
    .{ bool, "?" }, .{ i8, "b" },  .{ u8, "B" },  .{ i16, "h" }, .{ u16, "H" }, .{ i32, "i" },
    .{ u32, "I" },  .{ i64, "q" }, .{ u64, "Q" }, .{ f16, "e" }, .{ f32, "f" }, .{ f64, "d" },
};

/// True if slices of the type are buffers.
pub fn isNumber(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .bool => true,
        .int => |int| int.bits == 8 or int.bits == 16 or int.bits == 32 or int.bits == 64,
        .float => |float| float.bits <= 64,
        else => false,
    };
}

/// True for views of numbers with a supported count of dimensions.
pub fn isView(comptime V: type) bool {
    return isNumber(V.Element) and V.dimensions >= 1 and V.dimensions <= dimensions_max;
}

/// Returns the format character of an element type.
fn formatOf(comptime T: type) [:0]const u8 {
    comptime {
        const kind = std.meta.activeTag(@typeInfo(T));
        for (elements) |entry| {
            const E = entry[0];
            if (std.meta.activeTag(@typeInfo(E)) != kind or @bitSizeOf(E) != @bitSizeOf(T)) continue;
            if (kind == .int and @typeInfo(E).int.signedness != @typeInfo(T).int.signedness) continue;
            return entry[1];
        }
        unreachable; // `isNumber` admits no other type.
    }
}

/// Characters by what they mean; their sizes depend on the platform and are given beside.
fn matches(format: ?[*:0]const u8, wanted: u8) bool {
    const text = std.mem.span(format orelse "B");
    const is_little = builtin.target.cpu.arch.endian() == .little;
    const rest = if (text.len == 0) text else switch (text[0]) {
        '@', '=' => text[1..],
        '<' => if (is_little) text[1..] else return false,
        '>', '!' => if (is_little) return false else text[1..],
        else => text,
    };
    if (rest.len != 1) return false;
    const same: []const u8 = switch (wanted) {
        'b', 'h', 'i', 'q' => "bhilqn",
        'B' => "Bc",
        'H', 'I', 'Q' => "BHILQN",
        else => return rest[0] == wanted,
    };
    return std.mem.indexOfScalar(u8, same, rest[0]) != null;
}

/// Gets a buffer whose elements are T. Sizes of the elements are checked, the shape is not.
fn acquire(comptime T: type, object: *Object, mutable: bool, context: *const Context) error{Raised}!*const abi.Buffer {
    return acquireElements(object, comptime formatOf(T), @typeName(T), @sizeOf(T), @alignOf(T), mutable, context);
}

fn acquireElements(
    object: *Object,
    format: [:0]const u8,
    name: [*:0]const u8,
    size: usize,
    alignment: usize,
    mutable: bool,
    context: *const Context,
) error{Raised}!*const abi.Buffer {
    const view = try context.scope.holdBuffer(object);
    // Some exporters say that elements of an empty buffer have no size.
    if ((view.item_size != size and view.length > 0) or !matches(view.format, format[0])) {
        return context.raise("TypeError", "expected a buffer of %s (format '%s', %zd bytes), got format '%s', %zd bytes", .{
            name, format.ptr, size, view.format orelse "B", view.item_size,
        });
    }
    if (mutable and view.read_only != 0) {
        return context.raise("BufferError", "expected a writable buffer of %s, got a read-only one", .{name});
    }
    if (size > 1 and @intFromPtr(view.data) % alignment != 0 and view.length > 0) {
        return context.raise("TypeError", "expected a buffer of %s aligned to %zd bytes", .{ name, alignment });
    }
    if (format[0] == '?' and view.length > 0 and !areBools(view)) {
        return context.raise("TypeError", "expected a buffer of bool, got bytes other than 0 and 1", .{});
    }
    return view;
}

/// Any other byte than 0 and 1 would be illegal behaviour in Zig.
fn areBools(view: *const abi.Buffer) bool {
    const shape = view.shape.?[0..@intCast(view.dimensions)];
    if (view.strides) |strides| return areStridedBools(view.data.?, shape, strides);
    for (view.data.?[0..@intCast(view.length)]) |byte| if (byte > 1) return false;
    return true;
}

fn areStridedBools(data: [*]const u8, shape: []const isize, strides: [*]const isize) bool {
    if (shape.len == 0) return data[0] <= 1;
    for (0..@intCast(shape[0])) |index| {
        const offset: usize = @bitCast(strides[0] *% @as(isize, @intCast(index)));
        if (!areStridedBools(data + offset, shape[1..], strides + 1)) return false;
    }
    return true;
}

/// Returns a slice of numbers over a one-dimensional contiguous buffer.
pub fn slice(comptime T: type, object: *Object, mutable: bool, context: *const Context) error{Raised}![]T {
    const view = try acquire(T, object, mutable, context);
    const count = try contiguousCount(view, @typeName(T), context);
    if (count == 0) return &.{};
    return @as([*]T, @ptrCast(@alignCast(view.data.?)))[0..count];
}

fn contiguousCount(view: *const abi.Buffer, name: [*:0]const u8, context: *const Context) error{Raised}!usize {
    const dimensions: usize = @intCast(view.dimensions);
    if (dimensions != 1) {
        return context.raise("TypeError", "expected a one-dimensional buffer of %s, got %zd dimensions", .{ name, dimensions });
    }
    const count: usize = @intCast(if (view.shape) |shape| shape[0] else @divTrunc(view.length, view.item_size));
    const stride = if (view.strides) |strides| strides[0] else view.item_size;
    if (count > 1 and stride != view.item_size) {
        return context.raise("TypeError", "expected a contiguous buffer of %s, got one with a stride of %zd bytes", .{ name, stride });
    }
    return count;
}

/// Returns a view of any strides, such as `View(f64, 2)`.
pub fn strided(comptime V: type, object: *Object, context: *const Context) error{Raised}!V {
    const buffer = try acquire(V.Element, object, V.is_mutable, context);
    if (buffer.dimensions != V.dimensions) {
        return context.raise("TypeError", "expected a buffer of %s with %zd dimensions, got %zd", .{
            @as([*:0]const u8, @typeName(V.Element)), @as(usize, V.dimensions), @as(isize, buffer.dimensions),
        });
    }
    // An empty buffer may have no address.
    var view: V = .{ .data = buffer.data orelse @ptrFromInt(16), .shape = undefined, .strides = undefined };
    var contiguous = buffer.item_size;
    var dimension: usize = V.dimensions;
    while (dimension > 0) {
        dimension -= 1;
        view.shape[dimension] = @intCast(buffer.shape.?[dimension]);
        // Some exporters leave them out where they are this.
        view.strides[dimension] = if (buffer.strides) |strides| strides[dimension] else contiguous;
        contiguous *= buffer.shape.?[dimension];
    }
    return view;
}

/// An object that has memory: what a slice of numbers is in Python. Always contiguous.
const Array = extern struct {
    head: Object,
    /// Null for an empty array.
    block: ?*Block,
    is_shared: bool,
    data: [*]u8,
    length: isize,
    item_size: isize,
    dimensions: c_int,
    format: [*:0]const u8,
    shape: [dimensions_max]isize,
    strides: [dimensions_max]isize,

    fn of(object: *Object) *Array {
        return @ptrCast(@alignCast(object));
    }

    const slots = [_]abi.Slot{
        .{ .id = abi.TypeSlot.bf_getbuffer, .value = &getBuffer },
        .{ .id = abi.TypeSlot.sq_length, .value = &length_ },
        .{ .id = abi.TypeSlot.sq_item, .value = &item },
        .{ .id = abi.TypeSlot.tp_repr, .value = &repr },
        .{ .id = abi.TypeSlot.tp_dealloc, .value = &dealloc },
        .{ .id = abi.TypeSlot.tp_doc, .value = "Numbers that a Zig function returned, with the buffer protocol." },
        .{},
    };

    const spec: abi.TypeSpec = .{
        .name = "zigimport.Array",
        .basic_size = @sizeOf(Array),
        .flags = abi.type_flags_default,
        .slots = &slots,
    };

    fn create(module: *Object) ?*Object {
        return abi.PyType_FromModuleAndSpec(module, &spec, null);
    }

    fn dealloc(object: *Object) callconv(.c) void {
        const array = of(object);
        const class = object.type;
        if (array.block) |block| allocator.release(block, array.is_shared);
        const free: *const fn (*anyopaque) callconv(.c) void = @ptrCast(@alignCast(abi.PyType_GetSlot(class, abi.TypeSlot.tp_free).?));
        free(object);
        abi.Py_DecRef(@ptrCast(@alignCast(class)));
    }

    fn getBuffer(object: *Object, view: *abi.Buffer, flags: c_int) callconv(.c) c_int {
        const array = of(object);
        if (flags & abi.BufferFlags.fortran_contiguous != 0 and array.dimensions > 1) {
            view.object = null;
            abi.PyErr_SetString(abi.exception("BufferError"), "the array is not Fortran contiguous");
            return -1;
        }
        abi.Py_IncRef(object);
        view.* = .{
            .data = array.data,
            .object = object,
            .length = array.length,
            .item_size = array.item_size,
            .dimensions = array.dimensions,
            .format = if (flags & abi.BufferFlags.format != 0) array.format else null,
            .shape = if (flags & abi.BufferFlags.shape != 0) &array.shape else null,
            .strides = if (flags & abi.BufferFlags.strides == abi.BufferFlags.strides) &array.strides else null,
        };
        return 0;
    }

    fn length_(object: *Object) callconv(.c) isize {
        return of(object).shape[0];
    }

    fn item(object: *Object, index: isize) callconv(.c) ?*Object {
        const array = of(object);
        if (index < 0 or index >= array.shape[0]) {
            abi.PyErr_SetString(abi.exception("IndexError"), "array index out of range");
            return null;
        }
        const data = array.data + @as(usize, @intCast(index * array.strides[0]));
        if (array.dimensions == 1) return element(array.format[0], data);
        // A row is an array of its own.
        const dimensions: usize = @intCast(array.dimensions - 1);
        const bytes: usize = @intCast(array.strides[0]);
        const row = newArray(object.type, array.format, array.item_size, array.shape[1..][0..dimensions]) orelse return null;
        if (bytes > 0) @memcpy(of(row).data[0..bytes], data);
        return row;
    }

    fn repr(object: *Object) callconv(.c) ?*Object {
        const array = of(object);
        const memory = abi.PyMemoryView_FromObject(object) orelse return null;
        defer abi.Py_DecRef(memory);
        const list = abi.PyObject_CallMethod(memory, "tolist", null) orelse return null;
        defer abi.Py_DecRef(list);
        return abi.PyUnicode_FromFormat("Array('%s', %R)", array.format, list);
    }
};

fn element(format: u8, data: [*]const u8) ?*Object {
    inline for (elements) |entry| {
        if (entry[1][0] == format) {
            const value = @as(*align(1) const entry[0], @ptrCast(data)).*;
            return switch (@typeInfo(entry[0])) {
                .bool => abi.PyBool_FromLong(@intFromBool(value)),
                .float => abi.PyFloat_FromDouble(value),
                else => |info| if (info.int.signedness == .signed)
                    abi.PyLong_FromLongLong(value)
                else
                    abi.PyLong_FromUnsignedLongLong(value),
            };
        }
    }
    unreachable; // Arrays are made with these formats only.
}

/// Creates an array with memory of its own.
fn newArray(class: *abi.Type, format: [*:0]const u8, item_size: isize, shape: []const isize) ?*Object {
    const object = abi.PyType_GenericAlloc(class, 0) orelse return null;
    const array = Array.of(object);
    array.format = format;
    array.item_size = item_size;
    setShape(array, shape);
    array.data = @ptrFromInt(16);
    if (array.length == 0) return object;
    var heap: allocator.Heap = .{};
    const memory = heap.allocator().alloc(u64, @intCast(@divTrunc(array.length + 7, 8))) catch {
        abi.Py_DecRef(object);
        abi.PyErr_SetString(abi.exception("MemoryError"), "OutOfMemory");
        return null;
    };
    array.data = @ptrCast(memory.ptr);
    array.block = heap.take(@intFromPtr(memory.ptr));
    return object;
}

fn setShape(array: *Array, shape: []const isize) void {
    array.dimensions = @intCast(shape.len);
    array.length = array.item_size;
    var dimension = shape.len;
    while (dimension > 0) {
        dimension -= 1;
        array.shape[dimension] = shape[dimension];
        array.strides[dimension] = array.length;
        array.length *= shape[dimension];
    }
}

/// Returns a new array of a slice: over the same memory if the call allocated it, else a copy.
pub fn arrayOfSlice(comptime T: type, values: []const T, context: *const Context) ?*Object {
    const data: [*]const u8 = @ptrCast(values.ptr);
    return arrayOf(comptime formatOf(T), @sizeOf(T), data, &.{@intCast(values.len)}, &.{@sizeOf(T)}, context);
}

/// Returns a new array of a view; one that is not contiguous is copied.
pub fn arrayOfView(comptime V: type, view: V, context: *const Context) ?*Object {
    var shape: [V.dimensions]isize = undefined;
    for (&shape, view.shape) |*count, source| count.* = @intCast(source);
    return arrayOf(comptime formatOf(V.Element), @sizeOf(V.Element), view.data, &shape, &view.strides, context);
}

fn arrayOf(
    format: [:0]const u8,
    item_size: isize,
    data: [*]const u8,
    shape: []const isize,
    strides: []const isize,
    context: *const Context,
) ?*Object {
    const class = state.State.classOf(context.module, state.slotOf(Array), &Array.create) orelse return null;
    const type_object: *abi.Type = @ptrCast(@alignCast(class));
    var expected: Array = undefined;
    expected.item_size = item_size;
    setShape(&expected, shape);
    const is_contiguous = std.mem.eql(isize, strides, expected.strides[0..shape.len]);
    if (expected.length > 0 and is_contiguous) {
        if (context.scope.heap.take(@intFromPtr(data))) |block| {
            const object = abi.PyType_GenericAlloc(type_object, 0) orelse {
                allocator.release(block, context.scope.heap.is_shared);
                return null;
            };
            const array = Array.of(object);
            expected.head = array.head;
            expected.block = block;
            expected.is_shared = context.scope.heap.is_shared;
            expected.data = @constCast(data);
            expected.format = format;
            array.* = expected;
            return object;
        }
    }
    const object = newArray(type_object, format, item_size, shape) orelse return null;
    if (expected.length == 0) return object;
    const size: usize = @intCast(expected.length);
    const array = Array.of(object);
    if (is_contiguous) {
        @memcpy(array.data[0..size], data);
    } else {
        copy(array.data, data, array.strides[0..shape.len], shape, strides, @intCast(item_size));
    }
    return object;
}

fn copy(to: [*]u8, from: [*]const u8, to_strides: []const isize, shape: []const isize, from_strides: []const isize, item_size: usize) void {
    if (shape.len == 0) {
        @memcpy(to[0..item_size], from);
        return;
    }
    for (0..@intCast(shape[0])) |index| {
        const to_offset: usize = @intCast(to_strides[0] * @as(isize, @intCast(index)));
        const from_offset: usize = @bitCast(from_strides[0] *% @as(isize, @intCast(index)));
        copy(to + to_offset, from + from_offset, to_strides[1..], shape[1..], from_strides[1..], item_size);
    }
}

test matches {
    try std.testing.expect(matches("d", 'd') and matches("=d", 'd') and matches(null, 'B') and matches("l", 'q'));
    try std.testing.expect(!matches("f", 'd') and !matches("dd", 'd') and !matches("", 'd') and !matches("Q", 'q'));
    try std.testing.expect(matches("<i", 'i') != matches(">i", 'i'));
}

test formatOf {
    try std.testing.expectEqualStrings("Q", comptime formatOf(u64));
    try std.testing.expectEqualStrings("i", comptime formatOf(c_int));
}
