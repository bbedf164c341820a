//! Values across the border, in both directions.
//!
//! | Zig | from Python | to Python |
//! | --- | --- | --- |
//! | integers of 1 to 128 bits | `int`, or anything with `__index__`; range-checked | `int` |
//! | `f16`, `f32`, `f64` | anything that `float()` takes but text; no overflow to infinity | `float` |
//! | `bool` | `True` or `False` only: a forgotten comparison should not pass | `bool` |
//! | `[]const u8` | `str` (as UTF-8) or `bytes`, without a copy | `str`, checked to be UTF-8 |
//! | `[:0]const u8` | the same, without a zero byte inside | `str` |
//! | `[]u8`, `[:0]u8`, literals | | `str` |
//! | `?T` | `None` or a T | the same |
//! | tuples | a `tuple` of the same length | `tuple` |
//! | `void` | | `None` |
//!
//! Text parameters point into the argument, which the caller keeps alive for the call only.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const reflection = @import("reflection.zig");
const text = @import("text.zig");

const Object = abi.Object;

/// Why an argument was refused. No exception is set, except for `Raised`.
pub const Refusal = error{ WrongType, OutOfRange, EmbeddedZero, Raised };

/// Wider integers would need another route through the stable ABI.
const integer_bits_max = 128;

/// True if a value of the type can be a parameter.
pub fn isParameter(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .pointer => T == []const u8 or T == [:0]const u8,
        .optional => |optional| !isOptional(optional.child) and isParameter(optional.child),
        .@"struct" => isTupleOf(T, isParameter),
        else => isScalar(T),
    };
}

/// True if a value of the type can be a result, or a constant if it is not `void`.
pub fn isResult(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .void => true,
        .pointer => isText(T),
        .optional => |optional| !isOptional(optional.child) and isResult(optional.child),
        .@"struct" => isTupleOf(T, isResult),
        else => isScalar(T),
    };
}

fn isScalar(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .bool => true,
        .int => |int| int.bits >= 1 and int.bits <= integer_bits_max,
        .float => |float| float.bits <= 64,
        else => false,
    };
}

fn isText(comptime T: type) bool {
    return T == []const u8 or T == [:0]const u8 or T == []u8 or T == [:0]u8 or
        reflection.isTextLiteral(T);
}

/// `None` could not tell the levels of nested optionals apart.
fn isOptional(comptime T: type) bool {
    return @typeInfo(T) == .optional;
}

fn isTupleOf(comptime T: type, comptime isElement: fn (comptime type) bool) bool {
    if (!@typeInfo(T).@"struct".is_tuple or reflection.hasComptimeField(T)) return false;
    for (reflection.fieldTypes(T)) |Element| if (!isElement(Element)) return false;
    return true;
}

/// Names what Python must pass, for messages.
pub fn expected(comptime T: type) [:0]const u8 {
    return switch (@typeInfo(T)) {
        .bool => "bool",
        .int => "int",
        .float => "float",
        .pointer => "str or bytes",
        .optional => |optional| expected(optional.child) ++ " or None",
        .@"struct" => "tuple " ++ listed(T, expected),
        else => unreachable, // `isParameter` admits no other type.
    };
}

/// Names the Zig type and its limits, for messages.
pub fn range(comptime T: type) [:0]const u8 {
    return switch (@typeInfo(T)) {
        .int => @typeName(T) ++ " (" ++ text.decimal(std.math.minInt(T)) ++ " to " ++
            text.decimal(std.math.maxInt(T)) ++ ")",
        .optional => |optional| range(optional.child),
        .@"struct" => listed(T, range),
        else => @typeName(T),
    };
}

fn listed(comptime T: type, comptime describe: fn (comptime type) [:0]const u8) [:0]const u8 {
    comptime {
        var list: [:0]const u8 = "(";
        for (reflection.fieldTypes(T), 0..) |Element, index| {
            list = list ++ (if (index == 0) "" else ", ") ++ describe(Element);
        }
        return list ++ ")";
    }
}

/// Converts an argument. `isParameter(T)` must hold.
pub fn fromPython(comptime T: type, object: *Object) Refusal!T {
    switch (@typeInfo(T)) {
        .bool => {
            if (object == builtins.true_object) return true;
            if (object == builtins.false_object) return false;
            return error.WrongType;
        },
        .int => |int| {
            if (int.bits > 64) return wideInteger(T, object);
            if (int.signedness == .unsigned and int.bits == 64) return unsigned64(object);
            const value = try signed64(object);
            if (int.signedness == .signed and int.bits == 64) return value;
            return std.math.cast(T, value) orelse error.OutOfRange;
        },
        .float => {
            const value = try float64(object);
            const result: T = @floatCast(value);
            if (T != f64 and std.math.isInf(result) and !std.math.isInf(value)) return error.OutOfRange;
            return result;
        },
        .pointer => {
            const bytes = try borrowText(object);
            if (T == []const u8) return bytes;
            if (std.mem.indexOfScalar(u8, bytes, 0) != null) return error.EmbeddedZero;
            return bytes;
        },
        .optional => |optional| {
            if (object == builtins.none) return null;
            return try fromPython(optional.child, object);
        },
        .@"struct" => return tupleFromPython(T, object),
        else => unreachable, // `isParameter` admits no other type.
    }
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

fn float64(object: *Object) Refusal!f64 {
    const value = abi.PyFloat_AsDouble(object);
    if (value == -1.0 and abi.PyErr_Occurred() != null) {
        if (abi.PyErr_ExceptionMatches(abi.exception("TypeError")) != 0) {
            abi.PyErr_Clear();
            return error.WrongType;
        }
        if (abi.PyErr_ExceptionMatches(abi.exception("OverflowError")) != 0) return outOfRange();
        return error.Raised;
    }
    return value;
}

/// Both sources end with a zero byte.
fn borrowText(object: *Object) Refusal![:0]const u8 {
    var size: isize = 0;
    const flags = abi.PyType_GetFlags(object.type);
    if (flags & abi.TypeFlags.str_subclass != 0) {
        const data = abi.PyUnicode_AsUTF8AndSize(object, &size) orelse return error.Raised;
        return data[0..@intCast(size) :0];
    }
    if (flags & abi.TypeFlags.bytes_subclass != 0) {
        var data: ?[*:0]u8 = null;
        if (abi.PyBytes_AsStringAndSize(object, &data, &size) < 0) return error.Raised;
        return data.?[0..@intCast(size) :0];
    }
    return error.WrongType;
}

/// Only a real tuple: it cannot change while its elements are converted or in use.
fn tupleFromPython(comptime T: type, object: *Object) Refusal!T {
    const types = comptime reflection.fieldTypes(T);
    if (!abi.hasTypeFlag(object, abi.TypeFlags.tuple_subclass)) return error.WrongType;
    if (abi.PyTuple_Size(object) != types.len) return error.WrongType;
    var tuple: T = undefined;
    inline for (types, 0..) |Element, index| {
        const element = abi.PyTuple_GetItem(object, index) orelse return error.Raised;
        tuple[index] = try fromPython(Element, element);
    }
    return tuple;
}

/// Converts a result to a new reference, or `null` with an exception set. `isResult(T)` must hold.
pub fn toPython(comptime T: type, value: T) ?*Object {
    switch (@typeInfo(T)) {
        .void => return builtins.newNone(),
        .bool => return abi.PyBool_FromLong(@intFromBool(value)),
        .int => |int| {
            if (int.bits > 64) return wideToPython(T, value);
            if (int.signedness == .signed) return abi.PyLong_FromLongLong(value);
            return abi.PyLong_FromUnsignedLongLong(value);
        },
        .float => return abi.PyFloat_FromDouble(value),
        .pointer => return textToPython(value),
        .optional => |optional| {
            return if (value) |some| toPython(optional.child, some) else builtins.newNone();
        },
        .@"struct" => return tupleToPython(T, value),
        else => unreachable, // `isResult` admits no other type.
    }
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

/// Makes a Python object of a constant. Text that is no UTF-8 is data: `bytes`.
pub fn constantToPython(comptime T: type, value: T) ?*Object {
    const object = toPython(T, value);
    if (@typeInfo(T) != .pointer or object != null) return object;
    if (abi.PyErr_ExceptionMatches(abi.exception("UnicodeDecodeError")) == 0) return null;
    abi.PyErr_Clear();
    const bytes: []const u8 = value;
    return abi.PyBytes_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

fn textToPython(bytes: []const u8) ?*Object {
    return abi.PyUnicode_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

fn tupleToPython(comptime T: type, value: T) ?*Object {
    const types = comptime reflection.fieldTypes(T);
    const tuple = abi.PyTuple_New(types.len) orelse return null;
    inline for (types, 0..) |Element, index| {
        const element = toPython(Element, value[index]) orelse {
            abi.Py_DecRef(tuple);
            return null;
        };
        _ = abi.PyTuple_SetItem(tuple, index, element); // Cannot fail: the tuple is new.
    }
    return tuple;
}

test isParameter {
    inline for (.{ u1, i64, usize, u128, c_int, f16, f64, bool, []const u8, [:0]const u8, ?u8, struct { u8, ?bool } }) |T| {
        try std.testing.expect(comptime isParameter(T));
    }
    inline for (.{ u0, i129, f80, []u8, []const u16, *u8, ??u8, void, struct { a: u8 }, struct { u8, *u8 }, anyerror!u8, type }) |T| {
        try std.testing.expect(!comptime isParameter(T));
    }
}

test isResult {
    inline for (.{ void, u1, f32, bool, []u8, [:0]u8, *const [3:0]u8, ?[]const u8, struct { u8, []u8 } }) |T| {
        try std.testing.expect(comptime isResult(T));
    }
    inline for (.{ noreturn, f128, [3]u8, []const u16, ??u8, struct { a: u8 }, type }) |T| {
        try std.testing.expect(!comptime isResult(T));
    }
}

test expected {
    try std.testing.expectEqualStrings("float or None", comptime expected(?f32));
    try std.testing.expectEqualStrings("tuple (int, str or bytes)", comptime expected(struct { u8, []const u8 }));
}

test range {
    try std.testing.expectEqualStrings("i8 (-128 to 127)", comptime range(i8));
    try std.testing.expectEqualStrings("u8 (0 to 255)", comptime range(?u8));
}
