//! Numbers in memory: buffers that Python passes, and arrays that it gets back.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");
const convert = @import("convert.zig");
const class = @import("class.zig");
const Heap = @import("scope.zig").Heap;
const Refusal = @import("scope.zig").Refusal;
const Scope = @import("scope.zig").Scope;

const Object = abi.Object;

/// More dimensions than NumPy's users have in practice.
const dimensions_max = 8;

/// Of an array whose elements are shown, in bytes.
const shown_max = 8000;

/// The types whose slices are buffers, with their format characters.
const elements = .{
    .{ bool, "?" }, .{ i8, "b" },  .{ u8, "B" },  .{ i16, "h" }, .{ u16, "H" }, .{ i32, "i" },
    .{ u32, "I" },  .{ i64, "q" }, .{ u64, "Q" }, .{ f16, "e" }, .{ f32, "f" }, .{ f64, "d" },
};

/// Returns the format character of an element type, or `null` if slices of it are no buffers.
pub fn formatOf(comptime T: type) ?[:0]const u8 {
    const tag = std.meta.activeTag(@typeInfo(T));
    inline for (elements) |entry| {
        const E = entry[0];
        // Compared like this, because some types have two names, such as `c_int`.
        const is_same = tag == std.meta.activeTag(@typeInfo(E)) and @bitSizeOf(T) == @bitSizeOf(E) and
            (tag != .int or @typeInfo(T).int.signedness == @typeInfo(E).int.signedness);
        if (is_same) return entry[1];
    }
    return null;
}

/// True for views of numbers with a supported count of dimensions.
pub fn isView(comptime V: type) bool {
    return formatOf(V.Element) != null and V.dimensions >= 1 and V.dimensions <= dimensions_max;
}

/// What is known of the elements of a buffer.
const Element = struct {
    name: [*:0]const u8,
    format: [:0]const u8,
    size: usize,
    alignment: usize,

    fn of(comptime T: type) *const Element {
        const format = comptime formatOf(T).?;
        return &.{ .name = @typeName(T), .format = format, .size = @sizeOf(T), .alignment = @alignOf(T) };
    }

    /// True if a format means the same. The sizes of characters depend on the platform and are given
    /// beside.
    fn matches(element: *const Element, format: ?[*:0]const u8) bool {
        const text = std.mem.span(format orelse "B");
        const native = if (builtin.target.cpu.arch.endian() == .little) "@=<" else "@=>!";
        const has_order = text.len == 2 and std.mem.indexOfScalar(u8, native, text[0]) != null;
        const rest = if (has_order) text[1..] else text;
        const same: []const u8 = switch (element.format[0]) {
            'b', 'h', 'i', 'q' => "bhilqn",
            'B', 'H', 'I', 'Q' => "cBHILQN",
            else => element.format,
        };
        return rest.len == 1 and std.mem.indexOfScalar(u8, same, rest[0]) != null;
    }
};

/// Gets a buffer with a count of dimensions, and checks its elements.
fn acquire(element: *const Element, object: *Object, is_mutable: bool, count: usize, scope: *Scope) Refusal!*abi.Buffer {
    if (abi.PyObject_CheckBuffer(object) == 0) return error.WrongType;
    const view = try scope.holdBuffer(object);
    const has_elements = view.length > 0;
    const dimensions: usize = @intCast(view.dimensions);
    // Some exporters say that elements of an empty buffer have no size.
    if ((view.item_size != element.size and has_elements) or !element.matches(view.format)) {
        const format = "expected a buffer of %s (format '%s', %zd bytes), got format '%s', %zd bytes";
        const got = view.format orelse "B";
        const values = .{ element.name, element.format.ptr, element.size, got, view.item_size };
        return scope.raise("TypeError", format, values);
    }
    if (is_mutable and view.read_only != 0) {
        return scope.raise("BufferError", "expected a writable buffer of %s, got a read-only one", .{element.name});
    }
    if (element.size > 1 and @intFromPtr(view.data) % element.alignment != 0 and has_elements) {
        const values = .{ element.name, element.alignment };
        return scope.raise("TypeError", "expected a buffer of %s aligned to %zd bytes", values);
    }
    if (dimensions != count) {
        const format = "expected a %zd-dimensional buffer of %s, got %zd dimensions";
        return scope.raise("TypeError", format, .{ count, element.name, dimensions });
    }
    const shape = view.shape.?[0..dimensions];
    if (view.strides == null) {
        // Some exporters leave them out where they are contiguous.
        const strides = try scope.alloc(isize, dimensions);
        _ = setContiguous(strides, shape, view.item_size);
        view.strides = strides.ptr;
    }
    if (element.format[0] == '?' and has_elements and !areBools(view.data.?, shape, view.strides.?)) {
        return scope.raise("TypeError", "expected a buffer of bool, got bytes other than 0 and 1", .{});
    }
    return view;
}

/// Writes the strides of a contiguous array, and returns its size. All are in bytes.
pub fn setContiguous(strides: []isize, shape: anytype, item_size: isize) isize {
    var size = item_size;
    var dimension = shape.len;
    while (dimension > 0) {
        dimension -= 1;
        strides[dimension] = size;
        size *= @intCast(shape[dimension]);
    }
    return size;
}

/// Any other byte than 0 and 1 would be illegal behaviour in Zig.
fn areBools(data: [*]const u8, shape: []const isize, strides: [*]const isize) bool {
    if (shape.len == 0) return data[0] <= 1;
    for (0..@intCast(shape[0])) |index| {
        if (!areBools(data + offset(strides[0], index), shape[1..], strides + 1)) return false;
    }
    return true;
}

pub fn offset(stride: isize, index: usize) usize {
    return @bitCast(stride *% @as(isize, @intCast(index)));
}

/// Returns a slice of numbers over a one-dimensional contiguous buffer.
pub fn slice(comptime T: type, object: *Object, is_mutable: bool, scope: *Scope) Refusal![]T {
    const element = comptime Element.of(T);
    const view = try acquire(element, object, is_mutable, 1, scope);
    const count = view.shape.?[0];
    const stride = view.strides.?[0];
    if (count > 1 and stride != view.item_size) {
        const format = "expected a contiguous buffer of %s, got one with a stride of %zd bytes";
        return scope.raise("TypeError", format, .{ element.name, stride });
    }
    return if (count == 0) &.{} else @as([*]T, @ptrCast(@alignCast(view.data.?)))[0..@intCast(count)];
}

/// Returns a view of any strides, such as `View(f64, 2)`.
pub fn strided(comptime V: type, object: *Object, scope: *Scope) Refusal!V {
    const buffer = try acquire(comptime .of(V.Element), object, V.is_mutable, V.dimensions, scope);
    const strides = buffer.strides.?[0..V.dimensions].*;
    // An empty buffer may have no address.
    var view: V = .{ .data = buffer.data orelse @ptrFromInt(16), .shape = undefined, .strides = strides };
    for (&view.shape, buffer.shape.?) |*count, given| count.* = @intCast(given);
    return view;
}

/// What is behind the head of an object that has memory: what a slice of numbers is in Python. Always
/// contiguous.
const Array = struct {
    /// Has one block, or none if the array is empty.
    heap: Heap,
    shape: [dimensions_max]isize,
    strides: [dimensions_max]isize,
    view: abi.Buffer,
    read: Read,

    fn of(object: *Object) *Array {
        return class.content(Array, object);
    }

    /// Creates an array of what a buffer has: over the same memory if it is contiguous and a block of
    /// `owner`, else a copy.
    fn new(array_class: *Object, given: *const abi.Buffer, read: Read, owner: ?*Heap) ?*Object {
        const object = abi.PyType_GenericAlloc(array_class, 0) orelse return null;
        const array = of(object);
        array.read = read;
        const shape = given.shape.?[0..@intCast(given.dimensions)];
        const strides = given.strides.?[0..shape.len];
        @memcpy(array.shape[0..shape.len], shape);
        array.view = given.*;
        array.view.object = object;
        array.view.shape = &array.shape;
        array.view.strides = &array.strides;
        array.view.length = setContiguous(&array.strides, shape, given.item_size);
        array.view.data = @ptrFromInt(16);
        if (array.view.length == 0) return object;
        const is_contiguous = std.mem.eql(isize, strides, array.strides[0..shape.len]);
        if (is_contiguous and owner != null and owner.?.give(@intFromPtr(given.data), &array.heap)) {
            array.view.data = given.data;
            return object;
        }
        const words: usize = @intCast(@divTrunc(array.view.length + 7, 8));
        const memory = array.heap.allocator().alloc(u64, words) catch {
            abi.Py_DecRef(object);
            return abi.raise(?*Object, "MemoryError", "OutOfMemory", .{});
        };
        array.view.data = @ptrCast(memory.ptr);
        var source = given.*;
        source.length = array.view.length;
        const is_copied = abi.PyBuffer_ToContiguous(array.view.data.?, &source, source.length, 'C') == 0;
        return if (is_copied) object else abi.drop(object);
    }

    const spec: abi.TypeSpec = .{
        .name = "zigimport.Array",
        .basic_size = class.endOf(Array, @sizeOf(Object)),
        .flags = abi.type_flags_default,
        .slots = &.{
            .{ .id = .bf_getbuffer, .value = &getBuffer },
            .{ .id = .sq_length, .value = &count },
            .{ .id = .sq_item, .value = &item },
            .{ .id = .tp_repr, .value = &repr },
            .{ .id = .tp_dealloc, .value = &dealloc },
            .{ .id = .tp_new, .value = &refuse },
            .{ .id = .tp_doc, .value = "Numbers that a Zig function returned, with the buffer protocol." },
            .{},
        },
    };

    fn create(module: *Object) ?*Object {
        return abi.PyType_FromModuleAndSpec(module, &spec, null);
    }

    fn refuse(_: *Object, _: *Object, _: ?*Object) callconv(.c) ?*Object {
        return abi.raise(?*Object, "TypeError", "cannot create 'zigimport.Array' instances from Python", .{});
    }

    fn dealloc(object: *Object) callconv(.c) void {
        of(object).heap.deinit();
        class.free(object);
    }

    fn getBuffer(object: *Object, view: *abi.Buffer, flags: c_int) callconv(.c) c_int {
        view.* = of(object).view;
        if (flags & abi.PyBUF_F_CONTIGUOUS != 0 and view.dimensions > 1) {
            view.object = null;
            return abi.raise(c_int, "BufferError", "the array is not Fortran contiguous", .{});
        }
        abi.Py_IncRef(object);
        if (flags & abi.PyBUF_FORMAT == 0) view.format = null;
        if (flags & abi.PyBUF_ND == 0) view.shape = null;
        if (flags & abi.PyBUF_STRIDES != abi.PyBUF_STRIDES) view.strides = null;
        return 0;
    }

    fn count(object: *Object) callconv(.c) isize {
        return of(object).shape[0];
    }

    fn item(object: *Object, index: isize) callconv(.c) ?*Object {
        var row = of(object).view;
        if (index < 0 or index >= row.shape.?[0]) {
            return abi.raise(?*Object, "IndexError", "array index out of range", .{});
        }
        row.data.? += offset(row.strides.?[0], @intCast(index));
        if (row.dimensions == 1) return of(object).read(row.data.?);
        // A row is an array of its own.
        row.dimensions -= 1;
        row.shape.? += 1;
        row.strides.? += 1;
        return new(object.type, &row, of(object).read, null);
    }

    /// Makes an object of one element. For the types that a module has: others may need the
    /// compiler's runtime, which takes seconds to make.
    const Read = *const fn (data: [*]const u8) ?*Object;

    fn reader(comptime T: type) Read {
        return &struct {
            fn read(data: [*]const u8) ?*Object {
                const value = @as(*align(1) const T, @ptrCast(data)).*;
                return convert.toPython(T, value, undefined); // A number needs no scope.
            }
        }.read;
    }

    fn repr(object: *Object) callconv(.c) ?*Object {
        const view = &of(object).view;
        if (view.length > shown_max) {
            return abi.PyUnicode_FromFormat("Array('%s', <%zd bytes>)", view.format, view.length);
        }
        const memory = abi.PyMemoryView_FromObject(object) orelse return null;
        defer abi.Py_DecRef(memory);
        const list = abi.PyObject_CallMethod(memory, "tolist", null) orelse return null;
        defer abi.Py_DecRef(list);
        return abi.PyUnicode_FromFormat("Array('%s', %R)", view.format, list);
    }
};

/// Returns a new array of a view: over the same memory if that is contiguous and the call allocated it,
/// else a copy.
pub fn arrayOf(comptime V: type, view: V, scope: *Scope) ?*Object {
    const array_class = class.classOf(Array, scope.module, &Array.create) orelse return null;
    var shape: [V.dimensions]isize = undefined;
    for (&shape, view.shape) |*count, source| count.* = @intCast(source);
    var strides = view.strides;
    return Array.new(array_class, &.{
        .data = @constCast(view.data),
        .item_size = @sizeOf(V.Element),
        .dimensions = V.dimensions,
        .format = comptime formatOf(V.Element).?,
        .shape = &shape,
        .strides = &strides,
    }, Array.reader(V.Element), scope.heap);
}

test "formats that mean the same" {
    const expect = std.testing.expect;
    try expect(Element.of(f64).matches("d") and Element.of(f64).matches("=d"));
    try expect(Element.of(u8).matches(null) and Element.of(i64).matches("l"));
    try expect(!Element.of(f64).matches("f") and !Element.of(f64).matches("dd"));
    try expect(!Element.of(f64).matches("") and !Element.of(i64).matches("Q"));
    try expect(Element.of(i32).matches("<i") != Element.of(i32).matches(">i"));
}

test formatOf {
    try std.testing.expectEqualStrings("Q", comptime formatOf(u64).?);
    try std.testing.expectEqualStrings("i", comptime formatOf(c_int).?);
    try std.testing.expect(comptime formatOf(u7) == null and formatOf(f80) == null);
    try std.testing.expect(comptime formatOf([]u8) == null);
}

test areBools {
    const bytes = [_]u8{ 0, 1, 2, 1 };
    try std.testing.expect(areBools(&bytes, &.{ 2, 2 }, &.{ 2, 1 }) == false);
    try std.testing.expect(areBools(&bytes, &.{2}, &.{1}) and areBools(bytes[3..], &.{2}, &.{-2}));
    try std.testing.expect(areBools(&bytes, &.{ 0, 2 }, &.{ 2, 1 }));
}
