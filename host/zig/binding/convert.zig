//! Values across the border, in both directions.
//!
//! A parameter that points to Python's memory borrows it from the argument, which the caller keeps
//! alive for the call, or from something that the call's scope holds.

const std = @import("std");
const abi = @import("abi.zig");
const buffer = @import("buffer.zig");
const builtins = @import("builtins.zig");
const exception = @import("exception.zig");
const instance = @import("instance.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const Context = @import("scope.zig").Context;
const Refusal = @import("scope.zig").Refusal;
const Scope = @import("scope.zig").Scope;
const state = @import("state.zig");

const Child = std.meta.Child;
const Object = abi.Object;

/// The same as `fromPython`, with the usual objects converted on the spot: a call and an error union in
/// memory cost as much as the conversion itself.
pub inline fn fromArgument(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    switch (comptime kind.of(T)) {
        .int => if (Word(T) == i64 and object.type == builtins.int_type) {
            const value = abi.PyLong_AsLongLong(object);
            if (value == -1 and abi.PyErr_Occurred() != null) return outOfRange();
            return if (T == i64) value else std.math.cast(T, value) orelse error.OutOfRange;
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

/// Converts an argument. `kind.isParameter(T)` must hold.
pub fn fromPython(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    switch (comptime kind.of(T)) {
        .bool => {
            if (object == builtins.true_object) return true;
            if (object == builtins.false_object) return false;
            return error.WrongType;
        },
        .int => return std.math.cast(T, try integerOf(Word(T), object)) orelse error.OutOfRange,
        .float => {
            const value = try float64(object);
            const result: T = @floatCast(value);
            if (T != f64 and std.math.isInf(result) and !std.math.isInf(value)) return error.OutOfRange;
            return result;
        },
        .text => {
            const bytes = if (abi.is(object, .str)) try borrowString(object) else try borrowBytes(object, context);
            return if (T == []const u8) bytes else zeroTerminated(bytes, context);
        },
        .bytes => return .{ .data = try borrowBytes(object, context) },
        .byte_array => {
            // Copied at once: the scope of the call is not needed.
            var scope: Scope = .{};
            defer scope.close();
            var inner = context.*;
            inner.scope = &scope;
            const bytes = try borrowBytes(object, &inner);
            const count = @typeInfo(T).array.len;
            if (bytes.len == count) return bytes[0..count].*;
            return context.raise("TypeError", "expected %zd bytes, got %zd", .{ @as(usize, count), bytes.len });
        },
        .numbers, .text_mutable => {
            const is_mutable = comptime !reflection.isConst(T);
            if (!is_mutable and isSequence(object)) return sequence(Child(T), object, context);
            return buffer.slice(Child(T), object, is_mutable, context);
        },
        .view => return buffer.strided(T, object, context),
        .list => return sequence(Child(T), object, context),
        .array => {
            const tuple = try heldTuple(object, context);
            var array: T = undefined;
            if (abi.PyTuple_Size(tuple) != array.len) return error.WrongType;
            try elements(Child(T), tuple, &array, context);
            return array;
        },
        .tuple => return if (abi.is(object, .tuple)) fromTuple(T, object, context) else error.WrongType,
        .record => {
            if (abi.is(object, .tuple)) return fromTuple(T, object, context);
            return if (abi.is(object, .dict)) fromDict(T, object, context) else error.WrongType;
        },
        .class => {
            if (!instance.is(T, object, context.module)) return error.WrongType;
            if (!instance.isUsable(T, object, false)) return error.Raised;
            return instance.valueOf(T, object).*;
        },
        .enumeration => {
            const name = try borrowString(object);
            inline for (comptime reflection.names(T)) |known| {
                if (std.mem.eql(u8, known, name)) return @field(T, known);
            }
            return error.WrongValue;
        },
        .variant => return variant(T, object, context),
        .optional => return if (object == builtins.none) null else try fromPython(Child(T), object, context),
        .callable => {
            if (abi.PyCallable_Check(object) == 0) return error.WrongType;
            return .{ .object = object, .module = context.module, .scope = context.scope };
        },
        else => unreachable, // `isParameter` admits no other type.
    }
}

fn isSequence(object: *Object) bool {
    return abi.is(object, .list) or abi.is(object, .tuple);
}

/// Returns a tuple (borrowed) that cannot change while its elements are in use.
fn heldTuple(object: *Object, context: *const Context) Refusal!*Object {
    if (abi.is(object, .tuple)) return object;
    if (!abi.is(object, .list)) return error.WrongType;
    const tuple = abi.PyList_AsTuple(object) orelse return error.Raised;
    try context.scope.holdObject(tuple);
    return tuple;
}

fn sequence(comptime E: type, object: *Object, context: *const Context) Refusal![]E {
    const tuple = try heldTuple(object, context);
    const slice = try context.scope.alloc(E, @intCast(abi.PyTuple_Size(tuple)));
    try elements(E, tuple, slice, context);
    return slice;
}

fn elements(comptime E: type, tuple: *Object, slice: []E, context: *const Context) Refusal!void {
    for (slice, 0..) |*element, index| element.* = try fromPython(E, try item(tuple, index), context);
}

fn item(tuple: *Object, index: usize) error{Raised}!*Object {
    return abi.PyTuple_GetItem(tuple, @intCast(index)) orelse error.Raised;
}

/// Converts a tuple of as many. Only a real one: it cannot change while its elements are converted or
/// in use.
fn fromTuple(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    const list = comptime reflection.fields(T);
    if (abi.PyTuple_Size(object) != list.len) return error.WrongType;
    var value: T = undefined;
    inline for (list, 0..) |field, index| {
        @field(value, field.name) = try fromPython(field.type, try item(object, index), context);
    }
    return value;
}

/// Converts a dict by the names of the fields.
fn fromDict(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    const name: [*:0]const u8 = comptime kind.nameOf(T);
    // It may change while its values are converted.
    const dict = abi.PyDict_Copy(object) orelse return error.Raised;
    try context.scope.holdObject(dict);
    var value: T = undefined;
    var found: isize = 0;
    inline for (comptime reflection.fields(T)) |field| {
        if (abi.PyDict_GetItemString(dict, field.name)) |element| {
            @field(value, field.name) = try fromPython(field.type, element, context);
            found += 1;
        } else if (comptime field.defaultValue()) |default| {
            @field(value, field.name) = default;
        } else {
            return context.raise("TypeError", "missing '%s' for %s", .{ field.name.ptr, name });
        }
    }
    if (found == abi.PyDict_Size(dict)) return value;
    const shape: [*:0]const u8 = comptime kind.shapeOf(T);
    const key = unknownKey(dict, comptime reflection.names(T));
    return context.raise("TypeError", "unexpected key %R; %s has %s", .{ key, name, shape });
}

fn unknownKey(dict: *Object, names: []const [:0]const u8) ?*Object {
    var position: isize = 0;
    var key: ?*Object = null;
    search: while (abi.PyDict_Next(dict, &position, &key, null) != 0) {
        const text = borrowString(key.?) catch break;
        for (names) |name| if (std.mem.eql(u8, name, text)) continue :search;
        break;
    }
    return key;
}

fn variant(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    if (!abi.is(object, .tuple) or abi.PyTuple_Size(object) != 2) return error.WrongType;
    const name = try borrowString(try item(object, 0));
    const payload = try item(object, 1);
    inline for (comptime reflection.fields(T)) |field| if (std.mem.eql(u8, field.name, name)) {
        if (field.type != void) return @unionInit(T, field.name, try fromPython(field.type, payload, context));
        return if (payload == builtins.none) @unionInit(T, field.name, {}) else error.WrongType;
    };
    return error.WrongValue;
}

/// Returns the type through which integers of a type go: the first that has all of its values.
fn Word(comptime T: type) type {
    return WordFor(std.math.minInt(T), std.math.maxInt(T)).?;
}

pub fn WordFor(comptime low: comptime_int, comptime high: comptime_int) ?type {
    return inline for (.{ i64, u64, i128, u128 }) |W| {
        if (low >= std.math.minInt(W) and high <= std.math.maxInt(W)) break W;
    } else null;
}

/// Converts an `int`, or anything that says which one it stands for. Only other objects are asked,
/// because 3.9 would also take a `float` and cut it.
fn integerOf(comptime W: type, object: *Object) Refusal!W {
    if (object.type == builtins.int_type or abi.is(object, .int)) return integerOfInt(W, object);
    if (abi.PyIndex_Check(object) == 0) return error.WrongType;
    const int = abi.PyNumber_Index(object) orelse return error.Raised;
    defer abi.Py_DecRef(int);
    return integerOfInt(W, int);
}

fn integerOfInt(comptime W: type, int: *Object) Refusal!W {
    const Half = switch (W) {
        i64, u64 => {
            const value = if (W == i64) abi.PyLong_AsLongLong(int) else abi.PyLong_AsUnsignedLongLong(int);
            if (~value == 0 and abi.PyErr_Occurred() != null) return outOfRange();
            return value;
        },
        i128 => i64,
        u128 => u64,
        else => comptime unreachable,
    };
    const shifted = abi.PyNumber_Rshift(int, builtins.word_bits) orelse return error.Raised;
    defer abi.Py_DecRef(shifted);
    const high = try integerOfInt(Half, shifted);
    return @as(W, high) << 64 | abi.PyLong_AsUnsignedLongLongMask(int);
}

/// Replaces the interpreter's overflow error, the only one that converting an `int` can raise.
fn outOfRange() Refusal {
    @branchHint(.cold);
    abi.PyErr_Clear();
    return error.OutOfRange;
}

inline fn float64(object: *Object) Refusal!f64 {
    const value = abi.PyFloat_AsDouble(object);
    if (value == -1.0 and abi.PyErr_Occurred() != null) return floatRefusal();
    return value;
}

/// Says why there is no float, when an exception is set.
fn floatRefusal() Refusal {
    @branchHint(.cold);
    if (abi.PyErr_ExceptionMatches(abi.exception("OverflowError")) != 0) return outOfRange();
    if (abi.PyErr_ExceptionMatches(abi.exception("TypeError")) == 0) return error.Raised;
    abi.PyErr_Clear();
    return error.WrongType;
}

/// The text of a `str`; a zero byte follows it.
pub fn borrowString(object: *Object) Refusal![:0]const u8 {
    if (!abi.is(object, .str)) return error.WrongType;
    var size: isize = 0;
    const data = abi.PyUnicode_AsUTF8AndSize(object, &size) orelse return error.Raised;
    return data[0..@intCast(size) :0];
}

fn borrowBytes(object: *Object, context: *const Context) Refusal![]const u8 {
    if (!abi.is(object, .bytes)) return buffer.slice(u8, object, false, context);
    var size: isize = 0;
    var data: ?[*:0]u8 = null;
    if (abi.PyBytes_AsStringAndSize(object, &data, &size) < 0) return error.Raised;
    return data.?[0..@intCast(size)];
}

fn zeroTerminated(bytes: []const u8, context: *const Context) Refusal![:0]const u8 {
    if (std.mem.indexOfScalar(u8, bytes, 0) != null) return error.EmbeddedZero;
    const copy = try context.scope.alloc(u8, bytes.len + 1);
    @memcpy(copy[0..bytes.len], bytes);
    copy[bytes.len] = 0;
    return copy[0..bytes.len :0];
}

/// Converts a result to a new reference, or `null` with an exception set. `kind.isResult(T)` must hold.
pub fn toPython(comptime T: type, value: T, context: *const Context) ?*Object {
    return switch (comptime kind.of(T)) {
        .void => builtins.newReference(builtins.none),
        .bool => abi.PyBool_FromLong(@intFromBool(value)),
        .int => newInteger(Word(T), value),
        .float => abi.PyFloat_FromDouble(value),
        .text, .text_mutable, .literal => newText(value),
        .bytes => newBytes(value.data),
        .byte_array => newBytes(&value),
        .numbers => buffer.arrayOfSlice(Child(T), value, context),
        .view => buffer.arrayOfView(T, value, context),
        .list => newSequence(Child(T), value, abi.PyList_New, abi.PyList_SetItem, context),
        .array => newSequence(Child(T), &value, abi.PyTuple_New, abi.PyTuple_SetItem, context),
        .tuple => newTuple(comptime reflection.fields(T), value, context),
        .record => newRecord(T, value, context),
        .class => instance.new(T, value, context.module),
        .enumeration => newName(T, value),
        .variant => switch (value) {
            inline else => |payload, tag| abi.Py_BuildValue(
                "(sN)",
                @tagName(tag).ptr,
                toPython(@TypeOf(payload), payload, context),
            ),
        },
        .optional => if (value) |some|
            toPython(Child(T), some, context)
        else
            builtins.newReference(builtins.none),
        else => unreachable, // `isResult` admits no other type.
    };
}

fn newInteger(comptime W: type, value: W) ?*Object {
    switch (W) {
        i64 => return abi.PyLong_FromLongLong(value),
        u64 => return abi.PyLong_FromUnsignedLongLong(value),
        else => {},
    }
    const high = newInteger(if (W == i128) i64 else u64, @intCast(value >> 64)) orelse return null;
    defer abi.Py_DecRef(high);
    const shifted = abi.PyNumber_Lshift(high, builtins.word_bits) orelse return null;
    defer abi.Py_DecRef(shifted);
    const low = abi.PyLong_FromUnsignedLongLong(@truncate(@as(u128, @bitCast(value)))) orelse return null;
    defer abi.Py_DecRef(low);
    return abi.PyNumber_Or(shifted, low);
}

pub fn newText(bytes: []const u8) ?*Object {
    return abi.PyUnicode_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

pub fn newBytes(bytes: []const u8) ?*Object {
    return abi.PyBytes_FromStringAndSize(bytes.ptr, @intCast(bytes.len));
}

/// Makes a list or tuple. From the end: the heap finds what was allocated last first.
fn newSequence(
    comptime E: type,
    values: []const E,
    comptime new: fn (isize) callconv(.c) ?*Object,
    comptime set: fn (*Object, isize, *Object) callconv(.c) c_int,
    context: *const Context,
) ?*Object {
    const made = new(@intCast(values.len)) orelse return null;
    var index = values.len;
    while (index > 0) {
        index -= 1;
        const element = toPython(E, values[index], context) orelse {
            abi.Py_DecRef(made);
            return null;
        };
        _ = set(made, @intCast(index), element); // Cannot fail: it is new.
    }
    return made;
}

/// Returns a tuple of fields of a structure or tuple.
pub fn newTuple(comptime list: []const reflection.Field, value: anytype, context: *const Context) ?*Object {
    const tuple = abi.PyTuple_New(list.len) orelse return null;
    inline for (list, 0..) |field, index| {
        const element = toPython(field.type, @field(value, field.name), context) orelse {
            abi.Py_DecRef(tuple);
            return null;
        };
        _ = abi.PyTuple_SetItem(tuple, index, element); // Cannot fail: the tuple is new.
    }
    return tuple;
}

/// Returns a tuple of texts.
pub fn newNames(names: []const [:0]const u8, context: *const Context) ?*Object {
    return newSequence([:0]const u8, names, abi.PyTuple_New, abi.PyTuple_SetItem, context);
}

fn newName(comptime T: type, value: T) ?*Object {
    inline for (comptime reflection.names(T)) |name| if (value == @field(T, name)) return newText(name);
    // Only in an enumeration that is not exhaustive.
    const Tag = @typeInfo(T).@"enum".tag_type;
    const number = newInteger(Word(Tag), @as(*const Tag, @ptrCast(&value)).*) orelse return null;
    defer abi.Py_DecRef(number);
    const format = "the value %S of %s has no name";
    return exception.raise("ValueError", format, .{ number, @as([*:0]const u8, @typeName(T)) });
}

fn newRecord(comptime T: type, value: T, context: *const Context) ?*Object {
    const class = recordClass(T, context.module) orelse return null;
    const tuple = newTuple(comptime reflection.fields(T), value, context) orelse return null;
    defer abi.Py_DecRef(tuple);
    // `tuple.__new__`, because the class's own takes the fields one by one.
    const base: *Object = @ptrCast(@alignCast(tuple.type));
    return abi.PyObject_CallMethod(base, "__new__", "OO", class, tuple);
}

/// Returns the named tuple of a record (borrowed), or `null` with an exception set.
pub fn recordClass(comptime T: type, module: *Object) ?*Object {
    return state.classOf(T, module, &struct {
        fn create(owner: *Object) ?*Object {
            var scope: Scope = .{};
            defer scope.close();
            const context: Context = .{ .module = owner, .scope = &scope };
            const last = comptime lastDefaults(T);
            var value: T = undefined;
            inline for (last) |field| @field(value, field.name) = comptime field.defaultValue().?;
            const defaults = newTuple(last, value, &context) orelse return null;
            defer abi.Py_DecRef(defaults);
            const names = newNames(comptime reflection.names(T), &context) orelse return null;
            defer abi.Py_DecRef(names);
            return newClass(comptime kind.nameOf(T), names, defaults, owner);
        }
    }.create);
}

/// Returns the last fields, as far as they have defaults that Python can have.
fn lastDefaults(comptime T: type) []const reflection.Field {
    const fields = reflection.fields(T);
    if (!kind.isResult(T)) return &.{};
    var first = fields.len;
    while (first > 0 and fields[first - 1].default != null) first -= 1;
    return fields[first..];
}

fn newClass(name: [*:0]const u8, names: *Object, defaults: *Object, module: *Object) ?*Object {
    const collections = abi.PyImport_ImportModule("collections") orelse return null;
    defer abi.Py_DecRef(collections);
    const factory = abi.PyObject_GetAttrString(collections, "namedtuple") orelse return null;
    defer abi.Py_DecRef(factory);
    const arguments = abi.Py_BuildValue("(sO)", name, names) orelse return null;
    defer abi.Py_DecRef(arguments);
    const owner = abi.PyModule_GetNameObject(module) orelse return null;
    const format = "{sNsOsO}";
    const rename = builtins.true_object;
    const keywords = abi.Py_BuildValue(format, "module", owner, "defaults", defaults, "rename", rename);
    defer abi.Py_DecRef(keywords);
    return abi.PyObject_Call(factory, arguments, keywords orelse return null);
}

test WordFor {
    try std.testing.expect(comptime Word(u1) == i64 and Word(i64) == i64 and Word(usize) == u64);
    try std.testing.expect(comptime Word(i65) == i128 and Word(u128) == u128);
    try std.testing.expect(comptime WordFor(0, 1 << 200) == null and WordFor(-1, 1 << 127) == null);
}
