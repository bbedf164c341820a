//! Structs without methods, enumerations and tagged unions.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const convert = @import("convert.zig");
const reflection = @import("reflection.zig");
const state = @import("state.zig");
const text = @import("text.zig");
const Context = @import("scope.zig").Context;

const Object = abi.Object;

/// Returns the name of a type in Python: the last part of its own, and for a type without one the
/// name of the function that it belongs to.
pub fn nameOf(comptime T: type) [:0]const u8 {
    comptime {
        const full = @typeName(T);
        @setEvalBranchQuota(reflection.quota);
        var start: usize = 0;
        for (full, 0..) |byte, index| if (byte == '.') {
            start = index + 1;
        };
        const name = full[start..];
        const end = std.mem.indexOf(u8, name, "__struct_") orelse return name ++ "";
        return name[0..end] ++ "_result";
    }
}

/// True if a type is declared somewhere and not where it is used.
pub fn hasName(comptime T: type) bool {
    return comptime std.mem.indexOf(u8, @typeName(T), "__struct_") == null;
}

/// Lists the names of an enumeration or union: `'red', 'green'`; `null` if one needs more than quotes.
pub fn namesOf(comptime T: type) ?[:0]const u8 {
    comptime {
        var list: [:0]const u8 = "";
        for (nameList(T), 0..) |name, index| {
            list = list ++ (if (index == 0) "" else ", ") ++ (text.quoted(name) orelse return null);
        }
        return list;
    }
}

fn nameList(comptime T: type) []const [:0]const u8 {
    return reflection.enumNames(if (@typeInfo(T) == .@"enum") T else std.meta.Tag(T));
}

fn fieldNames(comptime T: type) []const []const u8 {
    comptime {
        var list: []const []const u8 = &.{};
        for (reflection.fields(T)) |field| list = list ++ .{field.name};
        return list;
    }
}

/// Lists the fields of a record: `(x, y)`.
pub fn shapeOf(comptime T: type) [:0]const u8 {
    comptime {
        var list: [:0]const u8 = "(";
        for (reflection.fields(T), 0..) |field, index| list = list ++ (if (index == 0) "" else ", ") ++ field.name;
        return list ++ ")";
    }
}

pub fn fromPython(comptime T: type, object: *Object, context: *const Context) convert.Refusal!T {
    const fields = comptime reflection.fields(T);
    const flags = abi.PyType_GetFlags(object.type);
    var value: T = undefined;
    if (flags & abi.TypeFlags.tuple_subclass != 0) {
        if (abi.PyTuple_Size(object) != fields.len) return error.WrongType;
        inline for (fields, 0..) |field, index| {
            @field(value, field.name) = try convert.fromPython(field.type, try convert.item(object, index), context);
        }
        return value;
    }
    if (flags & abi.TypeFlags.dict_subclass == 0) return error.WrongType;
    // The dict may change while its values are converted.
    const dict = abi.PyDict_Copy(object) orelse return error.Raised;
    try context.scope.holdObject(dict);
    var found: isize = 0;
    inline for (fields) |field| {
        if (abi.PyDict_GetItemString(dict, field.name)) |element| {
            @field(value, field.name) = try convert.fromPython(field.type, element, context);
            found += 1;
        } else if (comptime field.defaultValue()) |default| {
            @field(value, field.name) = default;
        } else {
            return context.raise("TypeError", "missing '%s' for %s", .{ field.name.ptr, (comptime nameOf(T)).ptr });
        }
    }
    if (found == abi.PyDict_Size(dict)) return value;
    var position: isize = 0;
    var key: ?*Object = null;
    search: while (abi.PyDict_Next(dict, &position, &key, null) != 0) {
        const name = convert.borrowString(key.?) catch break;
        for (comptime fieldNames(T)) |known| if (std.mem.eql(u8, known, name)) continue :search;
        break;
    }
    return context.raise("TypeError", "unexpected key %R; %s has %s", .{ key.?, (comptime nameOf(T)).ptr, (comptime shapeOf(T)).ptr });
}

pub fn toPython(comptime T: type, value: T, context: *const Context) ?*Object {
    const class = classOf(T, context.module) orelse return null;
    const tuple = convert.fieldsToPython(T, value, context) orelse return null;
    defer abi.Py_DecRef(tuple);
    // `tuple.__new__`, because the class's own takes the fields one by one.
    const base: *Object = @ptrCast(@alignCast(tuple.type));
    return abi.PyObject_CallMethod(base, "__new__", "OO", class, tuple);
}

/// Returns the named tuple of a record (borrowed), or `null` with an exception set.
pub fn classOf(comptime T: type, module: *Object) ?*Object {
    return state.State.classOf(module, state.slotOf(T), &struct {
        fn create(owner: *Object) ?*Object {
            return createClass(T, owner);
        }
    }.create);
}

fn createClass(comptime T: type, module: *Object) ?*Object {
    const fields = comptime reflection.fields(T);
    const first_default = comptime blk: {
        var first = fields.len;
        if (!convert.isResult(T)) break :blk first;
        while (first > 0 and fields[first - 1].default != null) first -= 1;
        break :blk first;
    };
    var scope: @import("scope.zig").Scope = .{};
    const context: Context = .{ .module = module, .scope = &scope };
    const field_names = abi.PyTuple_New(fields.len) orelse return null;
    defer abi.Py_DecRef(field_names);
    inline for (fields, 0..) |field, index| {
        _ = abi.PyTuple_SetItem(field_names, index, convert.textToPython(field.name) orelse return null);
    }
    const defaults = abi.PyTuple_New(fields.len - first_default) orelse return null;
    defer abi.Py_DecRef(defaults);
    inline for (fields[first_default..], 0..) |field, index| {
        const default = convert.toPython(field.type, comptime field.defaultValue().?, &context) orelse return null;
        _ = abi.PyTuple_SetItem(defaults, index, default);
    }
    const module_name = abi.PyModule_GetNameObject(module) orelse return null;
    defer abi.Py_DecRef(module_name);
    const collections = abi.PyImport_ImportModule("collections") orelse return null;
    defer abi.Py_DecRef(collections);
    const factory = abi.PyObject_GetAttrString(collections, "namedtuple") orelse return null;
    defer abi.Py_DecRef(factory);
    const arguments = abi.Py_BuildValue("(sO)", (comptime nameOf(T)).ptr, field_names) orelse return null;
    defer abi.Py_DecRef(arguments);
    const keywords = abi.Py_BuildValue("{s:O,s:O,s:O}", "module", module_name, "defaults", defaults, "rename", builtins.true_object) orelse return null;
    defer abi.Py_DecRef(keywords);
    return abi.PyObject_Call(factory, arguments, keywords);
}

pub fn enumFromPython(comptime T: type, object: *Object) convert.Refusal!T {
    const name = try convert.borrowString(object);
    inline for (comptime reflection.enumNames(T)) |known| {
        if (std.mem.eql(u8, known, name)) return @field(T, known);
    }
    return error.WrongValue;
}

pub fn enumToPython(comptime T: type, value: T) ?*Object {
    inline for (comptime reflection.enumNames(T)) |name| {
        if (value == @field(T, name)) return convert.textToPython(name);
    }
    // Only in an enumeration that is not exhaustive.
    const raw: *const @typeInfo(T).@"enum".tag_type = @ptrCast(&value);
    const number = convert.integer(raw.*) orelse return null;
    defer abi.Py_DecRef(number);
    return abi.PyErr_Format(abi.exception("ValueError"), "the value %S of %s has no name", number, @typeName(T));
}

/// Returns a tuple of an enumeration's names.
pub fn enumConstant(comptime T: type) ?*Object {
    const names = comptime reflection.enumNames(T);
    const tuple = abi.PyTuple_New(names.len) orelse return null;
    inline for (names, 0..) |name, index| if (!convert.setItem(tuple, index, convert.textToPython(name))) return null;
    return tuple;
}

pub fn variantFromPython(comptime T: type, object: *Object, context: *const Context) convert.Refusal!T {
    if (!abi.hasTypeFlag(object, abi.TypeFlags.tuple_subclass)) return error.WrongType;
    if (abi.PyTuple_Size(object) != 2) return error.WrongType;
    const name = try convert.borrowString(try convert.item(object, 0));
    const payload = try convert.item(object, 1);
    inline for (comptime reflection.fields(T)) |field| {
        if (std.mem.eql(u8, field.name, name)) {
            if (field.type != void) return @unionInit(T, field.name, try convert.fromPython(field.type, payload, context));
            if (payload != builtins.none) return error.WrongType;
            return @unionInit(T, field.name, {});
        }
    }
    return error.WrongValue;
}

pub fn variantToPython(comptime T: type, value: T, context: *const Context) ?*Object {
    switch (value) {
        inline else => |payload, tag| {
            const tuple = abi.PyTuple_New(2) orelse return null;
            if (!convert.setItem(tuple, 0, convert.textToPython(@tagName(tag)))) return null;
            if (!convert.setItem(tuple, 1, convert.toPython(@TypeOf(payload), payload, context))) return null;
            return tuple;
        },
    }
}

test nameOf {
    const Point = struct { x: f64 };
    try std.testing.expectEqualStrings("Point", comptime nameOf(Point));
}

test namesOf {
    try std.testing.expectEqualStrings("'red', 'green'", comptime namesOf(enum { red, green }).?);
    try std.testing.expectEqualStrings("'a', 'b'", comptime namesOf(union(enum) { a, b: u8 }).?);
}
