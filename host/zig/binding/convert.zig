//! Values across the border, in both directions.
//!
//! A parameter that points to Python's memory borrows it from the argument, which the caller keeps
//! alive for the call, or from something that the call's scope holds.

const std = @import("std");
const abi = @import("abi.zig");
const buffer = @import("buffer.zig");
const class = @import("class.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const Refusal = @import("scope.zig").Refusal;
const Scope = @import("scope.zig").Scope;
const View = @import("zigimport.zig").View;

const Child = std.meta.Child;
const Object = abi.Object;

/// The same as `fromPython`, with the usual objects converted on the spot: a call and an error union in
/// memory cost as much as the conversion itself.
pub inline fn fromArgument(comptime T: type, object: *Object, scope: *Scope) Refusal!T {
    switch (comptime kind.of(T)) {
        .int => if (Word(T) == i64 and object.type == abi.int_type) {
            const value = abi.PyLong_AsLongLong(object);
            if (value == -1 and abi.PyErr_Occurred() != null) return outOfRange();
            return if (T == i64) value else std.math.cast(T, value) orelse error.OutOfRange;
        },
        .float => if (T == f64) return float64(object),
        .text => if (T == []const u8 and object.type == abi.str_type) return borrowUnicode(object),
        else => {},
    }
    return fromPython(T, object, scope);
}

/// Converts an argument. `kind.isParameter(T)` must hold.
pub fn fromPython(comptime T: type, object: *Object, scope: *Scope) Refusal!T {
    switch (comptime kind.of(T)) {
        .bool => {
            return if (object.type == abi.true_object.type) object == abi.true_object else error.WrongType;
        },
        .int => return std.math.cast(T, try integerOf(Word(T), object)) orelse error.OutOfRange,
        .float => {
            const value = try float64(object);
            const result: T = @floatCast(value);
            if (T != f64 and std.math.isInf(result) and !std.math.isInf(value)) return error.OutOfRange;
            return result;
        },
        .text => {
            const bytes = if (abi.is(object, .str)) try borrowUnicode(object) else try borrowBytes(object, scope);
            return if (T == []const u8) bytes else zeroTerminated(bytes, scope);
        },
        .bytes => return .{ .data = try borrowBytes(object, scope) },
        .byte_array => {
            const count = @typeInfo(T).array.len;
            const bytes = try borrowBytes(object, scope);
            if (bytes.len == count) return bytes[0..count].*;
            return scope.raise("TypeError", "expected %zd bytes, got %zd", .{ @as(usize, count), bytes.len });
        },
        .numbers, .text_mutable => {
            const is_mutable = comptime !reflection.isConst(T);
            const is_sequence = abi.is(object, .list) or abi.is(object, .tuple);
            if (!is_mutable and is_sequence) return sequence(Child(T), object, scope);
            return buffer.slice(Child(T), object, is_mutable, scope);
        },
        .view => return buffer.strided(T, object, scope),
        .list => return sequence(Child(T), object, scope),
        .array => {
            const tuple = try heldTuple(object, scope);
            var array: T = undefined;
            if (abi.PyTuple_Size(tuple) != array.len) return error.WrongType;
            for (&array, 0..) |*to, index| to.* = try element(Child(T), tuple, index, scope);
            return array;
        },
        .tuple => return if (abi.is(object, .tuple)) fromTuple(T, object, scope) else error.WrongType,
        .record => {
            if (abi.is(object, .tuple)) return fromTuple(T, object, scope);
            return if (abi.is(object, .dict)) fromDict(T, object, scope) else error.WrongType;
        },
        .class => {
            if (!class.is(T, object, scope.module)) return error.WrongType;
            return if (class.isUsable(T, object, false)) class.valueOf(T, object).* else error.Raised;
        },
        .enumeration => {
            const name = try borrowString(object);
            inline for (comptime reflection.names(T)) |known| {
                if (std.mem.eql(u8, known, name)) return @field(T, known);
            }
            return error.WrongValue;
        },
        .variant => return variant(T, object, scope),
        .optional => return if (object == abi.none) null else try fromPython(Child(T), object, scope),
        .callable => {
            if (abi.PyCallable_Check(object) == 0) return error.WrongType;
            return .{ .object = object, .scope = scope };
        },
        else => unreachable, // `isParameter` admits no other type.
    }
}

/// Returns a tuple (borrowed) that cannot change while its elements are in use.
fn heldTuple(object: *Object, scope: *Scope) Refusal!*Object {
    if (abi.is(object, .tuple)) return object;
    if (!abi.is(object, .list)) return error.WrongType;
    const tuple = abi.PyList_AsTuple(object) orelse return error.Raised;
    try scope.holdObject(tuple);
    return tuple;
}

fn sequence(comptime E: type, object: *Object, scope: *Scope) Refusal![]E {
    const tuple = try heldTuple(object, scope);
    const slice = try scope.alloc(E, @intCast(abi.PyTuple_Size(tuple)));
    for (slice, 0..) |*to, index| to.* = try element(E, tuple, index, scope);
    return slice;
}

fn element(comptime E: type, tuple: *Object, index: usize, scope: *Scope) Refusal!E {
    const object = abi.PyTuple_GetItem(tuple, @intCast(index)) orelse return error.Raised;
    return part(E, object, scope, "item '%zd", index);
}

/// Converts a part of an argument, and says which one it is if it is refused.
fn part(comptime E: type, object: *Object, scope: *Scope, comptime format: [:0]const u8, which: anytype) Refusal!E {
    return fromPython(E, object, scope) catch |refusal| {
        var place: [256:0]u8 = undefined;
        _ = abi.PyOS_snprintf(&place, place.len, "%s', " ++ format, scope.argument, which);
        scope.argument = &place;
        _ = scope.refuse(E, refusal, object);
        return error.Raised;
    };
}

/// Converts a tuple of as many. Only a real one: it cannot change while its elements are converted or
/// in use.
fn fromTuple(comptime T: type, object: *Object, scope: *Scope) Refusal!T {
    const list = comptime reflection.fields(T);
    if (abi.PyTuple_Size(object) != list.len) return error.WrongType;
    var value: T = undefined;
    inline for (list, 0..) |field, index| @field(value, field.name) = try element(field.type, object, index, scope);
    return value;
}

/// Converts a dict by the names of the fields.
fn fromDict(comptime T: type, object: *Object, scope: *Scope) Refusal!T {
    const name: [*:0]const u8 = comptime kind.nameOf(T);
    // It may change while its values are converted.
    const dict = abi.PyDict_Copy(object) orelse return error.Raised;
    try scope.holdObject(dict);
    var value: T = undefined;
    var found: isize = 0;
    inline for (comptime reflection.fields(T)) |field| {
        if (abi.PyDict_GetItemString(dict, field.name)) |item| {
            @field(value, field.name) = try part(field.type, item, scope, "field '%s", field.name.ptr);
            found += 1;
        } else {
            @field(value, field.name) = (comptime field.defaultValue()) orelse
                return scope.raise("TypeError", "missing '%s' for %s", .{ field.name.ptr, name });
        }
    }
    if (found == abi.PyDict_Size(dict)) return value;
    // What is left without the known ones.
    for (comptime reflection.names(T)) |known| if (abi.PyDict_DelItemString(dict, known) < 0) abi.PyErr_Clear();
    const keys = abi.PyDict_Keys(dict) orelse return error.Raised;
    try scope.holdObject(keys);
    const shape: [*:0]const u8 = comptime kind.shapeOf(T);
    return scope.raise("TypeError", "unexpected keys %R; %s has %s", .{ keys, name, shape });
}

fn variant(comptime T: type, object: *Object, scope: *Scope) Refusal!T {
    if (!abi.is(object, .tuple) or abi.PyTuple_Size(object) != 2) return error.WrongType;
    const name = try borrowString(abi.PyTuple_GetItem(object, 0) orelse return error.Raised);
    inline for (comptime reflection.fields(T)) |field| if (std.mem.eql(u8, field.name, name)) {
        if (field.type != void) return @unionInit(T, field.name, try element(field.type, object, 1, scope));
        return if (abi.PyTuple_GetItem(object, 1) == abi.none) @unionInit(T, field.name, {}) else error.WrongType;
    };
    return error.WrongValue;
}

/// Returns the type through which integers of a type go.
fn Word(comptime T: type) type {
    return kind.WordFor(std.math.minInt(T), std.math.maxInt(T)).?;
}

/// Converts an `int`, or anything that says which one it stands for. Only other objects are asked,
/// because 3.9 would also take a `float` and cut it.
fn integerOf(comptime W: type, object: *Object) Refusal!W {
    if (object.type == abi.int_type or abi.is(object, .int)) return integerOfInt(W, object);
    if (abi.PyIndex_Check(object) == 0) return error.WrongType;
    const int = abi.PyNumber_Index(object) orelse return error.Raised;
    defer abi.Py_DecRef(int);
    return integerOfInt(W, int);
}

fn integerOfInt(comptime W: type, int: *Object) Refusal!W {
    if (W == i64 or W == u64) {
        const value = if (W == i64) abi.PyLong_AsLongLong(int) else abi.PyLong_AsUnsignedLongLong(int);
        if (~value == 0 and abi.PyErr_Occurred() != null) return outOfRange();
        return value;
    }
    // The method of `int`: a derived class may have another one.
    const shifted = abi.PyObject_CallMethod(abi.int_type, "__rshift__", "Oi", int, @as(c_int, 64)) orelse
        return error.Raised;
    defer abi.Py_DecRef(shifted);
    const high = try integerOfInt(if (W == i128) i64 else u64, shifted);
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

fn borrowString(object: *Object) Refusal![:0]const u8 {
    return if (abi.is(object, .str)) borrowUnicode(object) else error.WrongType;
}

/// The text of a `str`; a zero byte follows it.
inline fn borrowUnicode(object: *Object) Refusal![:0]const u8 {
    var size: isize = 0;
    const data = abi.PyUnicode_AsUTF8AndSize(object, &size) orelse return error.Raised;
    return data[0..@intCast(size) :0];
}

fn borrowBytes(object: *Object, scope: *Scope) Refusal![]const u8 {
    if (!abi.is(object, .bytes)) return buffer.slice(u8, object, false, scope);
    var size: isize = 0;
    var data: ?[*:0]u8 = null;
    if (abi.PyBytes_AsStringAndSize(object, &data, &size) < 0) return error.Raised;
    return data.?[0..@intCast(size)];
}

fn zeroTerminated(bytes: []const u8, scope: *Scope) Refusal![:0]const u8 {
    const has_zero = std.mem.indexOfScalar(u8, bytes, 0) != null;
    if (has_zero) return scope.raise("ValueError", "embedded null character", .{});
    const copy = try scope.alloc(u8, bytes.len + 1);
    @memcpy(copy[0..bytes.len], bytes);
    copy[bytes.len] = 0;
    return copy[0..bytes.len :0];
}

/// Converts a result to a new reference, or `null` with an exception set. `kind.isResult(T)` must hold.
pub fn toPython(comptime T: type, value: T, scope: *Scope) ?*Object {
    return switch (comptime kind.of(T)) {
        .void => abi.newReference(abi.none),
        .bool => abi.PyBool_FromLong(@intFromBool(value)),
        .int => newInteger(Word(T), value),
        .float => abi.PyFloat_FromDouble(value),
        .text, .text_mutable, .literal => newText(value),
        .bytes => abi.PyBytes_FromStringAndSize(value.data.ptr, @intCast(value.data.len)),
        .byte_array => abi.PyBytes_FromStringAndSize(&value, value.len),
        .numbers => buffer.arrayOf(View(Child(T), 1), .init(value, .{value.len}), scope),
        .view => buffer.arrayOf(T, value, scope),
        .list => newSequence(Child(T), value, true, scope),
        .array => newSequence(Child(T), &value, false, scope),
        .tuple => newTuple(comptime reflection.fields(T), value, scope),
        .record => newRecord(T, value, scope),
        .class => class.new(T, value, scope.module),
        .enumeration => newName(T, value),
        .variant => switch (value) {
            inline else => |payload, tag| blk: {
                const object = toPython(@TypeOf(payload), payload, scope);
                break :blk abi.Py_BuildValue("(sN)", @tagName(tag).ptr, object);
            },
        },
        .optional => if (value) |some| toPython(Child(T), some, scope) else abi.newReference(abi.none),
        else => unreachable, // `isResult` admits no other type.
    };
}

fn newInteger(comptime W: type, value: W) ?*Object {
    if (W == i64) return abi.PyLong_FromLongLong(value);
    if (W == u64) return abi.PyLong_FromUnsignedLongLong(value);
    const size = @abs(value);
    const sign: [*:0]const u8 = if (value < 0) "-" else "";
    const low: c_ulonglong = @truncate(size);
    var digits: [34:0]u8 = undefined;
    _ = abi.PyOS_snprintf(&digits, digits.len, "%s%llx%016llx", sign, @as(c_ulonglong, @intCast(size >> 64)), low);
    return abi.PyLong_FromString(&digits, null, 16);
}

pub fn newText(bytes: []const u8) ?*Object {
    return abi.PyUnicode_DecodeUTF8(bytes.ptr, @intCast(bytes.len), null);
}

/// Makes a list or tuple. From the end: the heap finds what was allocated last first.
pub fn newSequence(comptime E: type, values: []const E, comptime is_list: bool, scope: *Scope) ?*Object {
    const set = if (is_list) abi.PyList_SetItem else abi.PyTuple_SetItem;
    const size: isize = @intCast(values.len);
    const made = (if (is_list) abi.PyList_New(size) else abi.PyTuple_New(size)) orelse return null;
    var index = values.len;
    while (index > 0) {
        index -= 1;
        const object = toPython(E, values[index], scope) orelse return abi.drop(made);
        _ = set(made, @intCast(index), object); // Cannot fail: it is new.
    }
    return made;
}

/// Returns a tuple of fields of a structure or tuple. Numbers that only the compiler knows are there as
/// an `i64` or `f64`.
pub fn newTuple(comptime list: []const reflection.Field, value: anytype, scope: *Scope) ?*Object {
    const tuple = abi.PyTuple_New(list.len) orelse return null;
    inline for (list, 0..) |field, index| {
        const object = toPython(field.type, @field(value, field.name), scope) orelse return abi.drop(tuple);
        _ = abi.PyTuple_SetItem(tuple, index, object); // Cannot fail: the tuple is new.
    }
    return tuple;
}

fn newName(comptime T: type, value: T) ?*Object {
    inline for (comptime reflection.names(T)) |name| if (value == @field(T, name)) return newText(name);
    // Only in an enumeration that is not exhaustive.
    const Tag = @typeInfo(T).@"enum".tag_type;
    const number = newInteger(Word(Tag), @as(*const Tag, @ptrCast(&value)).*) orelse return null;
    defer abi.Py_DecRef(number);
    const values = .{ number, @as([*:0]const u8, @typeName(T)) };
    return abi.raise(?*Object, "ValueError", "the value %S of %s has no name", values);
}

fn newRecord(comptime T: type, value: T, scope: *Scope) ?*Object {
    const record_class = recordClass(T, scope.module) orelse return null;
    const tuple = newTuple(comptime reflection.fields(T), value, scope) orelse return null;
    defer abi.Py_DecRef(tuple);
    // `tuple.__new__`, because the class's own takes the fields one by one.
    return abi.PyObject_CallMethod(tuple.type, "__new__", "OO", record_class, tuple);
}

/// Returns the named tuple of a record (borrowed), or `null` with an exception set.
pub fn recordClass(comptime T: type, module: *Object) ?*Object {
    return class.classOf(T, module, &struct {
        fn create(owner: *Object) ?*Object {
            var scope: Scope = .{ .module = owner };
            const last = comptime lastDefaults(T);
            var value: T = undefined;
            inline for (last) |field| @field(value, field.name) = comptime field.defaultValue().?;
            const names = newSequence([:0]const u8, comptime reflection.names(T), false, &scope);
            return newClass(comptime kind.nameOf(T), names, newTuple(last, value, &scope), owner);
        }
    }.create);
}

/// Returns the last fields, as far as they have defaults that Python can have.
pub fn lastDefaults(comptime T: type) []const reflection.Field {
    const fields = reflection.fields(T);
    if (!kind.isResult(T)) return &.{};
    var first = fields.len;
    while (first > 0 and fields[first - 1].default != null) first -= 1;
    return fields[first..];
}

/// Makes a named tuple. Takes over the names and defaults, which may be missing with an exception set.
fn newClass(name: [*:0]const u8, names: ?*Object, defaults: ?*Object, module: *Object) ?*Object {
    const owner = abi.PyModule_GetNameObject(module);
    const keywords = .{ "module", owner, "defaults", defaults, "rename", abi.true_object };
    const arguments = @call(.auto, abi.Py_BuildValue, .{ "(sN){sNsNsO}", name, names } ++ keywords) orelse return null;
    defer abi.Py_DecRef(arguments);
    const collections = abi.PyImport_ImportModule("collections") orelse return null;
    defer abi.Py_DecRef(collections);
    const factory = abi.PyObject_GetAttrString(collections, "namedtuple") orelse return null;
    defer abi.Py_DecRef(factory);
    const positional = abi.PyTuple_GetItem(arguments, 0) orelse return null;
    return abi.PyObject_Call(factory, positional, abi.PyTuple_GetItem(arguments, 1));
}
