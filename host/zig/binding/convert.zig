//! Values across the border, in both directions. `docs/types.md` has the table of types.
//!
//! A parameter that points to Python's memory borrows it from the argument, which the caller keeps
//! alive for the call, or from something that the call's scope holds.

const std = @import("std");
const abi = @import("abi.zig");
const buffer = @import("buffer.zig");
const builtins = @import("builtins.zig");
const class = @import("class.zig");
const declarations = @import("declarations.zig");
const record = @import("record.zig");
const reflection = @import("reflection.zig");
const text = @import("text.zig");
const Context = @import("scope.zig").Context;

const Object = abi.Object;

/// Why an argument was refused. No exception is set, except for `Raised`.
pub const Refusal = error{ WrongType, WrongValue, OutOfRange, EmbeddedZero, Raised };

/// Wider integers would need another route through the stable ABI.
const integer_bits_max = 128;

/// What a type is to Python.
pub const Kind = enum {
    none,
    void,
    bool,
    int,
    float,
    /// `[]const u8`, `[:0]const u8`.
    text,
    /// `[]u8`: bytes to write as a parameter, text as a result.
    text_mutable,
    /// `*const [5:0]u8`, the type of a string literal.
    literal,
    /// `zigimport.Bytes`.
    bytes,
    /// A slice of numbers.
    numbers,
    /// `zigimport.View`, `zigimport.ViewMut`.
    view,
    /// A slice of anything else.
    list,
    /// `[N]u8`.
    byte_array,
    array,
    tuple,
    /// A struct without methods.
    record,
    /// A struct with methods.
    class,
    /// `*T` or `*const T` of a class.
    class_pointer,
    enumeration,
    variant,
    optional,
    /// `zigimport.Callable`.
    callable,
};

pub fn kindOf(comptime T: type) Kind {
    return comptime switch (@typeInfo(T)) {
        .void => .void,
        .bool => .bool,
        .int => |int| if (int.bits >= 1 and int.bits <= integer_bits_max) .int else .none,
        .float => |float| if (float.bits <= 64) .float else .none,
        // `None` could not tell the levels of nested optionals apart.
        .optional => |optional| if (@typeInfo(optional.child) == .optional) .none else .optional,
        .array => |array| if (array.child == u8) .byte_array else .array,
        .pointer => pointerKind(T),
        .@"enum" => if (reflection.enumNames(T).len > 0) .enumeration else .none,
        .@"union" => |info| if (info.tag_type != null) .variant else .none,
        .@"struct" => structKind(T),
        else => .none,
    };
}

fn pointerKind(comptime T: type) Kind {
    const info = @typeInfo(T).pointer;
    if (info.size == .one) {
        if (reflection.isTextLiteral(T)) return .literal;
        const is_class = @typeInfo(info.child) == .@"struct" and structKind(info.child) == .class;
        return if (is_class and (T == *info.child or T == *const info.child)) .class_pointer else .none;
    }
    if (T == []const u8 or T == [:0]const u8) return .text;
    if (T == []u8 or T == [:0]u8) return .text_mutable;
    // Neither with a sentinel nor with an alignment of its own.
    if (T != []info.child and T != []const info.child) return .none;
    return if (buffer.isNumber(info.child)) .numbers else .list;
}

fn structKind(comptime T: type) Kind {
    @setEvalBranchQuota(reflection.quota);
    if (@hasDecl(T, "zigimport_kind")) {
        const is_view = T.zigimport_kind == .view;
        return if (is_view and !buffer.isView(T)) .none else T.zigimport_kind;
    }
    if (T == std.mem.Allocator) return .none;
    const fields = reflection.fields(T);
    for (fields) |field| if (field.is_comptime or isComptimeOnly(field.type)) return .none;
    if (@typeInfo(T).@"struct".is_tuple) return .tuple;
    // A generic type, such as a list of the standard library, has a meaning of its own.
    if (fields.len == 0 or std.mem.endsWith(u8, @typeName(T), ")")) return .none;
    if (!declarations.isClass(T)) return .record;
    // Python's objects have no larger alignment.
    return if (@alignOf(T) <= 16) .class else .none;
}

fn isComptimeOnly(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .type, .comptime_int, .comptime_float, .@"fn", .null, .undefined, .enum_literal => true,
        else => false,
    };
}

/// Deeper types are refused, so that a struct with a slice of itself ends the search.
const depth_max = 6;

const array_bytes_max = 1 << 16;

const Direction = enum { parameter, result };

/// True if a value of the type can be a parameter.
pub fn isParameter(comptime T: type) bool {
    return comptime T != void and isSupported(T, .parameter, 0);
}

/// True if a value of the type can be a result, or a constant if it is not `void`.
pub fn isResult(comptime T: type) bool {
    return comptime isSupported(T, .result, 0);
}

fn isSupported(comptime T: type, comptime direction: Direction, comptime depth: comptime_int) bool {
    if (depth > depth_max) return false;
    return switch (kindOf(T)) {
        .none => false,
        .void, .bool, .int, .float, .text, .bytes, .byte_array, .enumeration, .numbers, .view => true,
        .text_mutable => direction == .result or T == []u8,
        .literal => direction == .result,
        .callable => direction == .parameter,
        .class_pointer => direction == .parameter and depth == 0,
        // A copy in another value would have no owner to keep what it points to.
        .class => depth == 0 or !hasPointers(T),
        .optional => isElement(@typeInfo(T).optional.child, direction, if (depth == 0) 0 else depth + 1),
        .list => isElement(@typeInfo(T).pointer.child, direction, depth + 1),
        // It lies on the stack, more than once.
        .array => @sizeOf(T) <= array_bytes_max and isElement(@typeInfo(T).array.child, direction, depth + 1),
        .variant => areSupported(T, direction, depth + 1, true),
        .tuple, .record => areSupported(T, direction, depth + 1, false),
    };
}

fn isElement(comptime T: type, comptime direction: Direction, comptime depth: comptime_int) bool {
    return T != void and isSupported(T, direction, depth);
}

fn areSupported(comptime T: type, comptime direction: Direction, comptime depth: comptime_int, comptime allow_void: bool) bool {
    @setEvalBranchQuota(reflection.quota);
    for (reflection.fields(T)) |field| {
        if (field.type == void and !allow_void) return false;
        if (!isSupported(field.type, direction, depth)) return false;
    }
    return true;
}

/// True if a value may point to memory that is not part of it, or has to be ended: a copy of it
/// needs somebody to look after what it shares.
pub fn hasPointers(comptime T: type) bool {
    @setEvalBranchQuota(reflection.quota);
    comptime return switch (@typeInfo(T)) {
        .pointer, .@"fn", .@"opaque" => true,
        .optional => |optional| hasPointers(optional.child),
        .array => |array| array.len > 0 and hasPointers(array.child),
        .error_union => |error_union| hasPointers(error_union.payload),
        .@"struct", .@"union" => {
            if (@hasDecl(T, "deinit")) return true;
            for (reflection.fields(T)) |field| if (hasPointers(field.type)) return true;
            return false;
        },
        else => false,
    };
}

/// True if a value has something to call in it.
pub fn hasCallable(comptime T: type) bool {
    @setEvalBranchQuota(reflection.quota);
    comptime return switch (kindOf(T)) {
        .callable => true,
        .optional => hasCallable(@typeInfo(T).optional.child),
        .list => hasCallable(@typeInfo(T).pointer.child),
        .array => hasCallable(@typeInfo(T).array.child),
        .tuple, .record, .variant => {
            for (reflection.fields(T)) |field| if (hasCallable(field.type)) return true;
            return false;
        },
        else => false,
    };
}

/// Returns the class that an argument is an instance of, or `void`.
pub fn InstanceOf(comptime T: type) type {
    return switch (kindOf(T)) {
        .class => T,
        .class_pointer => @typeInfo(T).pointer.child,
        .optional => InstanceOf(@typeInfo(T).optional.child),
        else => void,
    };
}

/// True if converting an argument may need the call's scope.
pub fn needsScope(comptime T: type) bool {
    @setEvalBranchQuota(reflection.quota);
    return comptime switch (kindOf(T)) {
        .bool, .int, .float, .enumeration, .class, .class_pointer, .byte_array => false,
        .optional => needsScope(@typeInfo(T).optional.child),
        .tuple => {
            for (reflection.fields(T)) |field| if (needsScope(field.type)) return true;
            return false;
        },
        else => true,
    };
}

/// Names what Python must pass, for messages.
pub fn expected(comptime T: type) [:0]const u8 {
    return comptime switch (kindOf(T)) {
        .bool => "bool",
        .int => "int",
        .float => "float",
        .text => "str or bytes-like object",
        .text_mutable => "writable bytes-like object",
        .bytes => "bytes-like object",
        .byte_array => "bytes-like object of " ++ text.decimal(@typeInfo(T).array.len) ++ " bytes",
        .numbers => blk: {
            const child = @typeName(@typeInfo(T).pointer.child);
            break :blk if (reflection.isConst(T)) "buffer, list or tuple of " ++ child else "writable buffer of " ++ child;
        },
        .view => "buffer of " ++ @typeName(T.Element),
        .list => "list or tuple of " ++ expected(@typeInfo(T).pointer.child),
        .array => "list or tuple of " ++ text.decimal(@typeInfo(T).array.len) ++ " " ++ expected(@typeInfo(T).array.child),
        .tuple => "tuple " ++ listed(T, expected),
        .record => "tuple or dict " ++ record.shapeOf(T),
        .class => record.nameOf(T),
        .class_pointer => record.nameOf(@typeInfo(T).pointer.child),
        .enumeration => if (record.namesOf(T)) |names| "one of " ++ names else "name of a " ++ record.nameOf(T),
        .variant => "tuple (name, value)" ++ if (record.namesOf(T)) |names| " with one of the names " ++ names else "",
        .optional => expected(@typeInfo(T).optional.child) ++ " or None",
        .callable => "callable",
        else => unreachable, // `isParameter` admits no other type.
    };
}

/// Names the Zig type and its limits, for messages.
pub fn range(comptime T: type) [:0]const u8 {
    return comptime switch (kindOf(T)) {
        .int => @typeName(T) ++ " (" ++ text.decimal(std.math.minInt(T)) ++ " to " ++
            text.decimal(std.math.maxInt(T)) ++ ")",
        .optional => range(@typeInfo(T).optional.child),
        .tuple => listed(T, range),
        .numbers, .list => range(@typeInfo(T).pointer.child),
        .array => range(@typeInfo(T).array.child),
        else => @typeName(T),
    };
}

fn listed(comptime T: type, comptime describe: fn (comptime type) [:0]const u8) [:0]const u8 {
    comptime {
        var list: [:0]const u8 = "(";
        for (reflection.fields(T), 0..) |field, index| {
            list = list ++ (if (index == 0) "" else ", ") ++ describe(field.type);
        }
        return list ++ ")";
    }
}

/// The same as `fromPython`, with the usual objects converted on the spot: a call and an error union in
/// memory cost as much as the conversion itself.
pub inline fn fromArgument(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    switch (comptime kindOf(T)) {
        .int => if (comptime std.math.minInt(T) >= std.math.minInt(i64) and std.math.maxInt(T) <= std.math.maxInt(i64)) {
            if (object.type == builtins.int_type) {
                const value = abi.PyLong_AsLongLong(object);
                if (value == -1 and abi.PyErr_Occurred() != null) return outOfRange();
                return if (T == i64) value else std.math.cast(T, value) orelse error.OutOfRange;
            }
        },
        .float => if (T == f64) return float64(object),
        .text => if (T == []const u8 and object.type == builtins.str_type) {
            var size: isize = 0;
            const data = abi.PyUnicode_AsUTF8AndSize(object, &size) orelse return error.Raised;
            return data[0..@intCast(size)];
        },
        else => {},
    }
    return fromPython(T, object, context);
}

/// Converts an argument. `isParameter(T)` must hold.
pub fn fromPython(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    switch (comptime kindOf(T)) {
        .bool => {
            if (object == builtins.true_object) return true;
            if (object == builtins.false_object) return false;
            return error.WrongType;
        },
        .int => {
            const int = @typeInfo(T).int;
            if (int.bits > 64) return wideInteger(T, object);
            if (int.signedness == .unsigned and int.bits == 64) return @intCast(try unsigned64(object));
            const value = try signed64(object);
            if (int.signedness == .signed and int.bits == 64) return @intCast(value);
            return std.math.cast(T, value) orelse error.OutOfRange;
        },
        .float => {
            const value = try float64(object);
            const result: T = @floatCast(value);
            if (T != f64 and std.math.isInf(result) and !std.math.isInf(value)) return error.OutOfRange;
            return result;
        },
        .text => {
            const bytes = try borrowText(object, context);
            if (T == []const u8) return bytes;
            return zeroTerminated(bytes, context);
        },
        .text_mutable => {
            if (abi.PyObject_CheckBuffer(object) == 0) return error.WrongType;
            return buffer.slice(u8, object, true, context);
        },
        .bytes => return .{ .data = try borrowBytes(object, context) },
        .byte_array => {
            // Copied at once: the scope of the call is not needed.
            var scope: @TypeOf(context.scope.*) = .{};
            defer scope.close();
            var inner = context.*;
            inner.scope = &scope;
            const bytes = try borrowBytes(object, &inner);
            const count = @typeInfo(T).array.len;
            if (bytes.len != count) return context.raise("TypeError", "expected %zd bytes, got %zd", .{ @as(usize, count), bytes.len });
            return bytes[0..count].*;
        },
        .numbers => {
            const info = @typeInfo(T).pointer;
            if (comptime reflection.isConst(T)) if (isSequence(object)) return sequence(info.child, object, context);
            if (abi.PyObject_CheckBuffer(object) == 0) return error.WrongType;
            return buffer.slice(info.child, object, comptime !reflection.isConst(T), context);
        },
        .view => {
            if (abi.PyObject_CheckBuffer(object) == 0) return error.WrongType;
            return buffer.strided(T, object, context);
        },
        .list => return sequence(@typeInfo(T).pointer.child, object, context),
        .array => {
            const tuple = try heldTuple(object, context);
            const info = @typeInfo(T).array;
            if (abi.PyTuple_Size(tuple) != info.len) return error.WrongType;
            var array: T = undefined;
            for (&array, 0..) |*element, index| element.* = try fromPython(info.child, try item(tuple, index), context);
            return array;
        },
        .tuple => {
            // Only a real tuple: it cannot change while its elements are converted or in use.
            const fields = comptime reflection.fields(T);
            if (!abi.hasTypeFlag(object, abi.TypeFlags.tuple_subclass)) return error.WrongType;
            if (abi.PyTuple_Size(object) != fields.len) return error.WrongType;
            var tuple: T = undefined;
            inline for (fields, 0..) |field, index| {
                tuple[index] = try fromPython(field.type, try item(object, index), context);
            }
            return tuple;
        },
        .record => return record.fromPython(T, object, context),
        .class => return class.copyOf(T, object, context),
        .enumeration => return record.enumFromPython(T, object),
        .variant => return record.variantFromPython(T, object, context),
        .optional => {
            if (object == builtins.none) return null;
            return try fromPython(@typeInfo(T).optional.child, object, context);
        },
        .callable => {
            if (abi.PyCallable_Check(object) == 0) return error.WrongType;
            return .{ .object = object, .module = context.module, .scope = context.scope };
        },
        else => unreachable, // `isParameter` admits no other type.
    }
}

fn isSequence(object: *Object) bool {
    return abi.PyType_GetFlags(object.type) & (abi.TypeFlags.list_subclass | abi.TypeFlags.tuple_subclass) != 0;
}

/// Returns a tuple (borrowed) that cannot change while its elements are in use.
fn heldTuple(object: *Object, context: *const Context) Refusal!*Object {
    const flags = abi.PyType_GetFlags(object.type);
    if (flags & abi.TypeFlags.tuple_subclass != 0) return object;
    if (flags & abi.TypeFlags.list_subclass == 0) return error.WrongType;
    const tuple = abi.PyList_AsTuple(object) orelse return error.Raised;
    try context.scope.holdObject(tuple);
    return tuple;
}

pub fn item(tuple: *Object, index: usize) error{Raised}!*Object {
    return abi.PyTuple_GetItem(tuple, @intCast(index)) orelse error.Raised;
}

fn sequence(comptime E: type, object: *Object, context: *const Context) Refusal![]E {
    const tuple = try heldTuple(object, context);
    const elements = try context.scope.alloc(E, @intCast(abi.PyTuple_Size(tuple)));
    for (elements, 0..) |*element, index| element.* = try fromPython(E, try item(tuple, index), context);
    return elements;
}

fn signed64(object: *Object) Refusal!i64 {
    if (object.type != builtins.int_type and !abi.hasTypeFlag(object, abi.TypeFlags.int_subclass)) {
        const index = try asIndex(object);
        defer abi.Py_DecRef(index);
        return signed64OfInt(index);
    }
    return signed64OfInt(object);
}

fn signed64OfInt(int: *Object) Refusal!i64 {
    const value = abi.PyLong_AsLongLong(int);
    if (value == -1 and abi.PyErr_Occurred() != null) return outOfRange();
    return value;
}

fn unsigned64(object: *Object) Refusal!u64 {
    if (object.type != builtins.int_type and !abi.hasTypeFlag(object, abi.TypeFlags.int_subclass)) {
        const index = try asIndex(object);
        defer abi.Py_DecRef(index);
        return unsigned64OfInt(index);
    }
    return unsigned64OfInt(object);
}

fn unsigned64OfInt(int: *Object) Refusal!u64 {
    const value = abi.PyLong_AsUnsignedLongLong(int);
    if (value == std.math.maxInt(u64) and abi.PyErr_Occurred() != null) return outOfRange();
    return value;
}

/// Replaces the interpreter's overflow error, the only one that converting an `int` can raise.
fn outOfRange() Refusal {
    @branchHint(.cold);
    abi.PyErr_Clear();
    return error.OutOfRange;
}

/// Returns a new reference to an `int`. Called only with other objects, because 3.9 would also take
/// a `float` and cut it.
fn asIndex(object: *Object) Refusal!*Object {
    if (abi.PyIndex_Check(object) == 0) return error.WrongType;
    return abi.PyNumber_Index(object) orelse error.Raised;
}

fn wideInteger(comptime T: type, object: *Object) Refusal!T {
    const signed = @typeInfo(T).int.signedness == .signed;
    const Wide = if (signed) i128 else u128;

    const int = if (abi.hasTypeFlag(object, abi.TypeFlags.int_subclass)) object else try asIndex(object);
    defer if (int != object) abi.Py_DecRef(int);

    const high_object = try shiftedRight(int);
    defer abi.Py_DecRef(high_object);
    const high = if (signed) try signed64OfInt(high_object) else try unsigned64OfInt(high_object);
    const low = abi.PyLong_AsUnsignedLongLongMask(int);
    return std.math.cast(T, @as(Wide, high) << 64 | low) orelse error.OutOfRange;
}

fn shiftedRight(int: *Object) Refusal!*Object {
    const shift = abi.PyLong_FromLongLong(64) orelse return error.Raised;
    defer abi.Py_DecRef(shift);
    return abi.PyNumber_Rshift(int, shift) orelse error.Raised;
}

inline fn float64(object: *Object) Refusal!f64 {
    const value = abi.PyFloat_AsDouble(object);
    if (value == -1.0 and abi.PyErr_Occurred() != null) return floatRefusal();
    return value;
}

/// Says why there is no float, when an exception is set.
fn floatRefusal() Refusal {
    @branchHint(.cold);
    if (abi.PyErr_ExceptionMatches(abi.exception("TypeError")) != 0) {
        abi.PyErr_Clear();
        return error.WrongType;
    }
    if (abi.PyErr_ExceptionMatches(abi.exception("OverflowError")) != 0) return outOfRange();
    return error.Raised;
}

/// The text of a `str`, or the bytes of anything bytes-like.
fn borrowText(object: *Object, context: *const Context) Refusal![]const u8 {
    if (!abi.hasTypeFlag(object, abi.TypeFlags.str_subclass)) return borrowBytes(object, context);
    return borrowString(object);
}

/// The text of a `str`; a zero byte follows it.
pub fn borrowString(object: *Object) Refusal![:0]const u8 {
    if (!abi.hasTypeFlag(object, abi.TypeFlags.str_subclass)) return error.WrongType;
    var size: isize = 0;
    const data = abi.PyUnicode_AsUTF8AndSize(object, &size) orelse return error.Raised;
    return data[0..@intCast(size) :0];
}

fn borrowBytes(object: *Object, context: *const Context) Refusal![]const u8 {
    if (abi.hasTypeFlag(object, abi.TypeFlags.bytes_subclass)) {
        var size: isize = 0;
        var data: ?[*:0]u8 = null;
        if (abi.PyBytes_AsStringAndSize(object, &data, &size) < 0) return error.Raised;
        return data.?[0..@intCast(size)];
    }
    if (abi.PyObject_CheckBuffer(object) == 0) return error.WrongType;
    return buffer.slice(u8, object, false, context);
}

fn zeroTerminated(bytes: []const u8, context: *const Context) Refusal![:0]const u8 {
    if (std.mem.indexOfScalar(u8, bytes, 0) != null) return error.EmbeddedZero;
    const copy = try context.scope.alloc(u8, bytes.len + 1);
    @memcpy(copy[0..bytes.len], bytes);
    copy[bytes.len] = 0;
    return copy[0..bytes.len :0];
}

/// Converts a result to a new reference, or `null` with an exception set. `isResult(T)` must hold.
pub fn toPython(comptime T: type, value: T, context: *const Context) ?*Object {
    switch (comptime kindOf(T)) {
        .void => return builtins.newNone(),
        .bool => return abi.PyBool_FromLong(@intFromBool(value)),
        .int => return integer(value),
        .float => return abi.PyFloat_FromDouble(value),
        .text, .text_mutable, .literal => return textToPython(value),
        .bytes => return bytesToPython(value.data),
        .byte_array => return bytesToPython(&value),
        .numbers => return buffer.arrayOfSlice(@typeInfo(T).pointer.child, value, context),
        .view => return buffer.arrayOfView(T, value, context),
        .list => return listToPython(@typeInfo(T).pointer.child, value, context),
        .array => {
            const tuple = abi.PyTuple_New(value.len) orelse return null;
            for (value, 0..) |element, index| {
                if (!setItem(tuple, index, toPython(@TypeOf(element), element, context))) return null;
            }
            return tuple;
        },
        .tuple => return fieldsToPython(T, value, context),
        .record => return record.toPython(T, value, context),
        .class => return class.newInstance(T, value, context),
        .enumeration => return record.enumToPython(T, value),
        .variant => return record.variantToPython(T, value, context),
        .optional => {
            return if (value) |some| toPython(@typeInfo(T).optional.child, some, context) else builtins.newNone();
        },
        else => unreachable, // `isResult` admits no other type.
    }
}

/// Makes an `int` of an integer of up to 128 bits.
pub fn integer(value: anytype) ?*Object {
    const T = @TypeOf(value);
    const int = @typeInfo(T).int;
    if (int.bits > 64) return wideToPython(T, value);
    if (int.signedness == .signed) return abi.PyLong_FromLongLong(value);
    return abi.PyLong_FromUnsignedLongLong(value);
}

fn wideToPython(comptime T: type, value: T) ?*Object {
    const high_value = value >> 64;
    const high = if (@typeInfo(T).int.signedness == .signed)
        abi.PyLong_FromLongLong(@intCast(high_value))
    else
        abi.PyLong_FromUnsignedLongLong(@intCast(high_value));
    defer abi.Py_DecRef(high);
    const shift = abi.PyLong_FromLongLong(64) orelse return null;
    defer abi.Py_DecRef(shift);
    const shifted = abi.PyNumber_Lshift(high orelse return null, shift) orelse return null;
    defer abi.Py_DecRef(shifted);
    const low_value = value & std.math.maxInt(u64);
    const low = abi.PyLong_FromUnsignedLongLong(@intCast(low_value)) orelse return null;
    defer abi.Py_DecRef(low);
    return abi.PyNumber_Or(shifted, low);
}

pub fn textToPython(bytes: []const u8) ?*Object {
    return abi.PyUnicode_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

fn bytesToPython(bytes: []const u8) ?*Object {
    return abi.PyBytes_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

fn listToPython(comptime E: type, values: []const E, context: *const Context) ?*Object {
    const list = abi.PyList_New(@intCast(values.len)) orelse return null;
    // From the end: the heap finds what was allocated last first.
    var index = values.len;
    while (index > 0) {
        index -= 1;
        const element = toPython(E, values[index], context) orelse {
            abi.Py_DecRef(list);
            return null;
        };
        _ = abi.PyList_SetItem(list, @intCast(index), element); // Cannot fail: the list is new.
    }
    return list;
}

/// Returns a tuple of the fields.
pub fn fieldsToPython(comptime T: type, value: T, context: *const Context) ?*Object {
    const fields = comptime reflection.fields(T);
    const tuple = abi.PyTuple_New(fields.len) orelse return null;
    inline for (fields, 0..) |field, index| {
        if (!setItem(tuple, index, toPython(field.type, @field(value, field.name), context))) return null;
    }
    return tuple;
}

/// Puts a new reference into a new tuple. False, and the tuple is gone, if there is none.
pub fn setItem(tuple: *Object, index: usize, element: ?*Object) bool {
    const object = element orelse {
        abi.Py_DecRef(tuple);
        return false;
    };
    _ = abi.PyTuple_SetItem(tuple, @intCast(index), object); // Cannot fail: the tuple is new.
    return true;
}

test kindOf {
    const expectEqual = std.testing.expectEqual;
    try expectEqual(.int, comptime kindOf(u1));
    try expectEqual(.none, comptime kindOf(i129));
    try expectEqual(.text, comptime kindOf([:0]const u8));
    try expectEqual(.numbers, comptime kindOf([]const u16));
    try expectEqual(.list, comptime kindOf([]const []const u8));
    try expectEqual(.record, comptime kindOf(struct { a: u8 }));
    try expectEqual(.tuple, comptime kindOf(struct { u8, f32 }));
    try expectEqual(.none, comptime kindOf(??u8));
    try expectEqual(.none, comptime kindOf(*u8));
    try expectEqual(.none, comptime kindOf(std.mem.Allocator));
}

test isParameter {
    const Chain = struct { next: []const @This() };
    inline for (.{ i64, c_int, f16, [:0]const u8, []u8, []f64, ?u8, struct { u8, ?bool }, [3]u8, enum { a }, union(enum) { a, b: u8 } }) |T| {
        try std.testing.expect(comptime isParameter(T));
    }
    inline for (.{ u0, f80, [:0]u8, []const *u8, void, struct { u8, *u8 }, anyerror!u8, type, Chain, union { a: u8 } }) |T| {
        try std.testing.expect(!comptime isParameter(T));
    }
}

test isResult {
    inline for (.{ void, f32, [:0]u8, *const [3:0]u8, ?[]const u8, struct { u8, []u8 }, []const []const u8, [2]f32 }) |T| {
        try std.testing.expect(comptime isResult(T));
    }
    inline for (.{ noreturn, f128, ??u8, struct { a: *u8 }, type }) |T| {
        try std.testing.expect(!comptime isResult(T));
    }
}

test expected {
    try std.testing.expectEqualStrings("float or None", comptime expected(?f32));
    try std.testing.expectEqualStrings("tuple (int, bool)", comptime expected(struct { u8, bool }));
    try std.testing.expectEqualStrings("list or tuple of 3 float", comptime expected([3]f64));
}

test range {
    try std.testing.expectEqualStrings("i8 (-128 to 127)", comptime range(i8));
    try std.testing.expectEqualStrings("u8 (0 to 255)", comptime range(?u8));
}
