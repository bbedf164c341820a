//! The module as Python sees it, in the stable C API of Python 3.9 and newer.
const numbers = @import("numbers.zig");

const Object = opaque {};
extern fn PyModuleDef_Init(definition: *Definition) callconv(.c) ?*Object;
extern fn PyArg_ParseTuple(arguments: *Object, format: [*:0]const u8, ...) callconv(.c) c_int;
extern fn PyLong_FromLongLong(value: c_longlong) callconv(.c) ?*Object;
extern fn PyErr_SetString(class: *Object, message: [*:0]const u8) callconv(.c) void;
extern var PyExc_OverflowError: *Object;

/// `PyMethodDef`
const Method = extern struct {
    name: ?[*:0]const u8 = null,
    function: ?*const fn (?*Object, *Object) callconv(.c) ?*Object = null,
    flags: c_int = 0,
    doc: ?[*:0]const u8 = null,
};
const METH_VARARGS = 1;

/// `PyModuleDef`
const Definition = extern struct {
    references: isize = 1,
    base: [4]?*anyopaque = @splat(null),
    name: [*:0]const u8,
    doc: ?[*:0]const u8 = null,
    size: isize = 0,
    methods: [*]const Method,
    slots: ?*const anyopaque = null,
    traverse: ?*const anyopaque = null,
    clear: ?*const anyopaque = null,
    free: ?*const anyopaque = null,
};

const methods = [_]Method{
    .{ .name = "add", .function = add, .flags = METH_VARARGS, .doc = "The sum of two numbers." },
    .{},
};

var definition: Definition = .{ .name = "example", .doc = "What example is for.", .methods = &methods };

fn add(_: ?*Object, arguments: *Object) callconv(.c) ?*Object {
    var a: c_longlong = 0;
    var b: c_longlong = 0;
    if (PyArg_ParseTuple(arguments, "LL:add", &a, &b) == 0) return null;
    const sum = numbers.add(a, b) catch {
        PyErr_SetString(PyExc_OverflowError, "the sum is too large");
        return null;
    };
    return PyLong_FromLongLong(sum);
}

export fn PyInit_example() callconv(.c) ?*Object {
    return PyModuleDef_Init(&definition);
}
