//! The part of CPython's stable ABI that extensions use, declared by hand.
//!
//! Everything is in the limited API of 3.9 but `PyUnicode_AsUTF8AndSize`, which entered in 3.10
//! (every 3.9 has it, but `python3.dll` of 3.9 does not forward it). It is referenced only by modules
//! with a text parameter, so the floor of a library follows from its undefined symbols.
//! `python3.def` lists the same symbols; keep both in step.
//!
//! Functions return `null` or -1 with an exception set, as the C API documents.

const builtin = @import("builtin");

/// The head of every object. Macros of the limited API compile these two fields into extensions,
/// so their places are frozen for builds with the global interpreter lock; free-threaded builds
/// differ and are refused by the init function.
pub const Object = extern struct {
    refcount: isize,
    type: *Type,
};

pub const Type = opaque {};

pub const Function = *const fn (module: *Object, arguments: [*]const *Object, count: isize) callconv(.c) ?*Object;

pub const MethodDefinition = extern struct {
    name: ?[*:0]const u8 = null,
    function: ?Function = null,
    flags: c_int = 0,
    doc: ?[*:0]const u8 = null,
};

/// The calling convention of `Function`. Documented as stable from 3.10, unchanged since 3.7.
pub const METH_FASTCALL: c_int = 0x80;

pub const Slot = extern struct {
    id: c_int = 0,
    value: ?*const anyopaque = null,
};

pub const Py_mod_exec: c_int = 2;

pub const Visit = *const fn (object: *Object, argument: ?*anyopaque) callconv(.c) c_int;

pub const ModuleDefinition = extern struct {
    refcount: isize = 1,
    type: ?*Type = null,
    init: ?*const anyopaque = null,
    index: isize = 0,
    copy: ?*Object = null,
    name: [*:0]const u8,
    doc: ?[*:0]const u8,
    state_size: isize,
    methods: [*]const MethodDefinition,
    slots: [*]const Slot,
    traverse: ?*const fn (module: *Object, visit: Visit, argument: ?*anyopaque) callconv(.c) c_int,
    clear: ?*const fn (module: *Object) callconv(.c) c_int,
    free: ?*const fn (module: ?*anyopaque) callconv(.c) void,
};

/// Bits of `PyType_GetFlags`, compiled into extensions by `PyLong_Check` and its like.
pub const TypeFlags = struct {
    pub const int_subclass: c_ulong = 1 << 24;
    pub const tuple_subclass: c_ulong = 1 << 26;
    pub const bytes_subclass: c_ulong = 1 << 27;
    pub const str_subclass: c_ulong = 1 << 28;
};

pub extern fn Py_IncRef(object: ?*Object) callconv(.c) void;
pub extern fn Py_DecRef(object: ?*Object) callconv(.c) void;
pub extern fn Py_BuildValue(format: [*:0]const u8, ...) callconv(.c) ?*Object;
pub extern fn Py_FatalError(message: [*:0]const u8) callconv(.c) noreturn;
pub extern fn Py_GetVersion() callconv(.c) [*:0]const u8;

pub extern fn PyBool_FromLong(value: c_long) callconv(.c) ?*Object;

pub extern fn PyBytes_FromStringAndSize(data: ?[*]const u8, size: isize) callconv(.c) ?*Object;
pub extern fn PyBytes_AsString(object: *Object) callconv(.c) ?[*:0]u8;
pub extern fn PyBytes_AsStringAndSize(object: *Object, data: *?[*:0]u8, size: *isize) callconv(.c) c_int;

pub extern fn PyDict_New() callconv(.c) ?*Object;
pub extern fn PyDict_SetItemString(dict: *Object, key: [*:0]const u8, value: *Object) callconv(.c) c_int;

pub extern fn PyErr_Clear() callconv(.c) void;
pub extern fn PyErr_ExceptionMatches(class: *Object) callconv(.c) c_int;
pub extern fn PyErr_Format(class: *Object, format: [*:0]const u8, ...) callconv(.c) ?*Object;
pub extern fn PyErr_NewException(name: [*:0]const u8, base: ?*Object, dict: ?*Object) callconv(.c) ?*Object;
pub extern fn PyErr_Occurred() callconv(.c) ?*Object;
pub extern fn PyErr_SetObject(class: *Object, value: *Object) callconv(.c) void;
pub extern fn PyErr_SetString(class: *Object, message: [*:0]const u8) callconv(.c) void;

pub extern fn PyFloat_AsDouble(object: *Object) callconv(.c) f64;
pub extern fn PyFloat_FromDouble(value: f64) callconv(.c) ?*Object;

pub extern fn PyIndex_Check(object: *Object) callconv(.c) c_int;

pub extern fn PyLong_AsLongLong(object: *Object) callconv(.c) c_longlong;
pub extern fn PyLong_AsUnsignedLongLong(object: *Object) callconv(.c) c_ulonglong;
pub extern fn PyLong_AsUnsignedLongLongMask(object: *Object) callconv(.c) c_ulonglong;
pub extern fn PyLong_FromLongLong(value: c_longlong) callconv(.c) ?*Object;
pub extern fn PyLong_FromUnsignedLongLong(value: c_ulonglong) callconv(.c) ?*Object;

pub extern fn PyMem_Malloc(size: usize) callconv(.c) ?*anyopaque;
pub extern fn PyMem_Realloc(memory: ?*anyopaque, size: usize) callconv(.c) ?*anyopaque;
pub extern fn PyMem_Free(memory: ?*anyopaque) callconv(.c) void;

pub extern fn PyModuleDef_Init(definition: *ModuleDefinition) callconv(.c) ?*Object;
pub extern fn PyModule_GetNameObject(module: *Object) callconv(.c) ?*Object;
pub extern fn PyModule_GetState(module: *Object) callconv(.c) ?*anyopaque;

pub extern fn PyNumber_Index(object: *Object) callconv(.c) ?*Object;
pub extern fn PyNumber_Lshift(left: *Object, right: *Object) callconv(.c) ?*Object;
pub extern fn PyNumber_Or(left: *Object, right: *Object) callconv(.c) ?*Object;
pub extern fn PyNumber_Rshift(left: *Object, right: *Object) callconv(.c) ?*Object;

pub extern fn PyObject_CallFunctionObjArgs(callable: *Object, ...) callconv(.c) ?*Object;
pub extern fn PyObject_GetAttrString(object: *Object, name: [*:0]const u8) callconv(.c) ?*Object;
pub extern fn PyObject_SetAttrString(object: *Object, name: [*:0]const u8, value: *Object) callconv(.c) c_int;

pub extern fn PyTuple_GetItem(tuple: *Object, index: isize) callconv(.c) ?*Object;
pub extern fn PyTuple_New(size: isize) callconv(.c) ?*Object;
/// Steals the reference to `value`, also on failure.
pub extern fn PyTuple_SetItem(tuple: *Object, index: isize, value: *Object) callconv(.c) c_int;
pub extern fn PyTuple_Size(tuple: *Object) callconv(.c) isize;

pub extern fn PyType_GetFlags(class: *Type) callconv(.c) c_ulong;

pub extern fn PyUnicode_AsUTF8AndSize(object: *Object, size: *isize) callconv(.c) ?[*:0]const u8;
pub extern fn PyUnicode_AsUTF8String(object: *Object) callconv(.c) ?*Object;
pub extern fn PyUnicode_FromFormat(format: [*:0]const u8, ...) callconv(.c) ?*Object;
pub extern fn PyUnicode_FromStringAndSize(data: ?[*]const u8, size: isize) callconv(.c) ?*Object;

/// Returns a built-in exception class (borrowed). These are the only data symbols in use.
pub fn exception(comptime name: []const u8) *Object {
    return exceptionPointer(name).*;
}

/// Returns the address of the variable that holds a built-in exception class.
pub fn exceptionPointer(comptime name: []const u8) *const *Object {
    return @extern(*const *Object, .{
        .name = "PyExc_" ++ name,
        // Windows reaches data of another library only through its import table.
        .is_dll_import = builtin.os.tag == .windows,
    });
}

pub fn hasTypeFlag(object: *const Object, flag: c_ulong) bool {
    return PyType_GetFlags(object.type) & flag != 0;
}

test "structures have the layout of the C declarations" {
    const std = @import("std");
    const word = @sizeOf(usize);
    try std.testing.expectEqual(2 * word, @sizeOf(Object));
    try std.testing.expectEqual(4 * word, @sizeOf(MethodDefinition));
    try std.testing.expectEqual(2 * word, @sizeOf(Slot));
    try std.testing.expectEqual(13 * word, @sizeOf(ModuleDefinition));
}
