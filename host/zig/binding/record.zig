//! Structs without methods: named tuples.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const convert = @import("convert.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const state = @import("state.zig");
const Context = @import("scope.zig").Context;
const Refusal = @import("scope.zig").Refusal;
const Scope = @import("scope.zig").Scope;

const Object = abi.Object;

/// Converts a dict by the names of the fields.
pub fn fromDict(comptime T: type, object: *Object, context: *const Context) Refusal!T {
    const name: [*:0]const u8 = comptime kind.nameOf(T);
    // It may change while its values are converted.
    const dict = abi.PyDict_Copy(object) orelse return error.Raised;
    try context.scope.holdObject(dict);
    var value: T = undefined;
    var found: isize = 0;
    inline for (comptime reflection.fields(T)) |field| {
        if (abi.PyDict_GetItemString(dict, field.name)) |element| {
            @field(value, field.name) = try convert.fromPython(field.type, element, context);
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
        const text = convert.borrowString(key.?) catch break;
        for (names) |name| if (std.mem.eql(u8, name, text)) continue :search;
        break;
    }
    return key;
}

pub fn new(comptime T: type, value: T, context: *const Context) ?*Object {
    const class = classOf(T, context.module) orelse return null;
    const tuple = convert.newTuple(comptime reflection.fields(T), value, context) orelse return null;
    defer abi.Py_DecRef(tuple);
    // `tuple.__new__`, because the class's own takes the fields one by one.
    const base: *Object = @ptrCast(@alignCast(tuple.type));
    return abi.PyObject_CallMethod(base, "__new__", "OO", class, tuple);
}

/// Returns the named tuple of a record (borrowed), or `null` with an exception set.
pub fn classOf(comptime T: type, module: *Object) ?*Object {
    return state.classOf(T, module, &struct {
        fn create(owner: *Object) ?*Object {
            var scope: Scope = .{};
            defer scope.close();
            const context: Context = .{ .module = owner, .scope = &scope };
            const last = comptime lastDefaults(T);
            var value: T = undefined;
            inline for (last) |field| @field(value, field.name) = comptime field.defaultValue().?;
            const defaults = convert.newTuple(last, value, &context) orelse return null;
            defer abi.Py_DecRef(defaults);
            const names = convert.newNames(comptime reflection.names(T), &context) orelse return null;
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
