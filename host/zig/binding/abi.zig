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
    /// Its class, which is an object too.
    type: *Object,
};

/// Gets `self`, the arguments, their number without the last ones that are given by name, and a tuple of
/// those names or null.
pub const Function = *const fn (*Object, [*]const *Object, isize, ?*Object) callconv(.c) ?*Object;

pub const MethodDefinition = extern struct {
    name: ?[*:0]const u8 = null,
    function: ?Function = null,
    flags: c_int = 0,
    doc: ?[*:0]const u8 = null,
};

/// The calling convention of `Function`. Documented as stable from 3.10, unchanged since 3.7.
pub const METH_FASTCALL_KEYWORDS: c_int = 0x80 | 0x02;
/// Passes the class as `self`.
pub const METH_CLASS: c_int = 0x10;

pub const GetSetDefinition = extern struct {
    name: ?[*:0]const u8 = null,
    get: ?*const fn (self: *Object, closure: ?*anyopaque) callconv(.c) ?*Object = null,
    set: ?*const fn (self: *Object, value: ?*Object, closure: ?*anyopaque) callconv(.c) c_int = null,
    doc: ?[*:0]const u8 = null,
    closure: ?*anyopaque = null,
};

pub const TypeSpec = extern struct {
    name: [*:0]const u8,
    basic_size: c_int,
    item_size: c_int = 0,
    flags: c_uint,
    slots: [*]const Slot,
};

/// `Py_TPFLAGS_DEFAULT` of every version from 3.9, and permission to subclass.
pub const type_flags_default: c_uint = 1 << 18;
pub const type_flag_base: c_uint = 1 << 10;
/// Has a header for the garbage collector.
pub const type_flag_gc: c_uint = 1 << 14;

/// `Py_buffer`: in the limited API from 3.11, with the same layout since 3.3.
pub const Buffer = extern struct {
    data: ?[*]u8 = null,
    object: ?*Object = null,
    length: isize = 0,
    item_size: isize = 0,
    read_only: c_int = 0,
    dimensions: c_int = 0,
    format: ?[*:0]const u8 = null,
    shape: ?[*]isize = null,
    strides: ?[*]isize = null,
    suboffsets: ?[*]isize = null,
    internal: ?*anyopaque = null,
};

/// What a consumer asks of `PyObject_GetBuffer`.
pub const PyBUF_FORMAT: c_int = 0x04;
pub const PyBUF_ND: c_int = 0x08;
pub const PyBUF_STRIDES: c_int = 0x10 | PyBUF_ND;
pub const PyBUF_F_CONTIGUOUS: c_int = 0x40;

/// What a module or a type has besides its name; the numbers are part of the stable ABI.
pub const Slot = extern struct {
    id: Id = .end,
    value: ?*const anyopaque = null,

    pub const Id = enum(c_int) {
        end = 0,
        bf_getbuffer = 1,
        mod_exec = 2,
        sq_item = 44,
        sq_length = 45,
        tp_base = 48,
        tp_clear = 51,
        tp_dealloc = 52,
        tp_doc = 56,
        tp_init = 60,
        tp_methods = 64,
        tp_new = 65,
        tp_repr = 66,
        tp_traverse = 71,
        tp_getset = 73,
        tp_free = 74,
    };
};

pub const Visit = *const fn (object: *Object, argument: ?*anyopaque) callconv(.c) c_int;

pub const ModuleDefinition = extern struct {
    refcount: isize = 1,
    type: ?*Object = null,
    init: ?*const anyopaque = null,
    index: isize = 0,
    copy: ?*Object = null,
    name: [*:0]const u8,
    doc: ?[*:0]const u8,
    state_size: isize,
    methods: ?[*]const MethodDefinition = null,
    slots: [*]const Slot,
    traverse: ?*const fn (module: *Object, visit: Visit, argument: ?*anyopaque) callconv(.c) c_int,
    clear: ?*const fn (module: *Object) callconv(.c) c_int = null,
    free: ?*const fn (module: ?*anyopaque) callconv(.c) void,
};

/// The bits of `PyType_GetFlags` that a built-in class and the classes derived from it have.
const class_bits = .{ .int = 24, .list = 25, .tuple = 26, .bytes = 27, .str = 28, .dict = 29, .type = 31 };

/// True for an instance of a built-in class; `PyLong_Check` and its like are compiled into extensions
/// as such a test.
pub fn is(object: *const Object, comptime class: @TypeOf(.name)) bool {
    return PyType_GetFlags(object.type) & 1 << @field(class_bits, @tagName(class)) != 0;
}

pub extern fn PyBool_FromLong(value: c_long) ?*Object;

pub extern fn PyBuffer_Release(view: *Buffer) void;
pub extern fn PyBuffer_ToContiguous(memory: [*]u8, view: *const Buffer, length: isize, order: u8) c_int;

pub extern fn PyBytes_AsStringAndSize(object: *Object, data: *?[*:0]u8, size: *isize) c_int;
pub extern fn PyBytes_FromStringAndSize(data: ?[*]const u8, size: isize) ?*Object;

pub extern fn PyCFunction_NewEx(definition: *const MethodDefinition, self: *Object, module_name: ?*Object) ?*Object;

pub extern fn PyCallable_Check(object: *Object) c_int;

pub extern fn PyDict_Copy(dict: *Object) ?*Object;
pub extern fn PyDict_DelItemString(dict: *Object, key: [*:0]const u8) c_int;
/// Borrowed; `null` without an exception if it is absent.
pub extern fn PyDict_GetItemString(dict: *Object, key: [*:0]const u8) ?*Object;
pub extern fn PyDict_Keys(dict: *Object) ?*Object;
pub extern fn PyDict_New() ?*Object;
pub extern fn PyDict_SetItem(dict: *Object, key: *Object, value: *Object) c_int;
pub extern fn PyDict_SetItemString(dict: *Object, key: [*:0]const u8, value: *Object) c_int;
pub extern fn PyDict_Size(dict: *Object) isize;

pub extern fn PyErr_Clear() void;
pub extern fn PyErr_ExceptionMatches(class: *Object) c_int;
pub extern fn PyErr_Format(class: *Object, format: [*:0]const u8, ...) ?*Object;
pub extern fn PyErr_NewException(name: [*:0]const u8, base: ?*Object, dict: ?*Object) ?*Object;
pub extern fn PyErr_Occurred() ?*Object;
pub extern fn PyErr_SetObject(class: *Object, value: *Object) void;

pub extern fn PyEval_RestoreThread(thread: *anyopaque) void;
pub extern fn PyEval_SaveThread() *anyopaque;

pub extern fn PyFloat_AsDouble(object: *Object) f64;
pub extern fn PyFloat_FromDouble(value: f64) ?*Object;

/// Borrowed. Also for a caller without `__import__`.
pub extern fn PyImport_AddModule(name: [*:0]const u8) ?*Object;
pub extern fn PyImport_GetModule(name: *Object) ?*Object;
/// Borrowed.
pub extern fn PyImport_GetModuleDict() *Object;
pub extern fn PyImport_ImportModule(name: [*:0]const u8) ?*Object;

pub extern fn PyIndex_Check(object: *Object) c_int;

pub extern fn PyList_AsTuple(list: *Object) ?*Object;
pub extern fn PyList_Append(list: *Object, value: *Object) c_int;
pub extern fn PyList_GetItem(list: *Object, index: isize) ?*Object;
pub extern fn PyList_New(size: isize) ?*Object;
/// Steals the reference to `value`, also on failure.
pub extern fn PyList_SetItem(list: *Object, index: isize, value: *Object) c_int;
pub extern fn PyList_Size(list: *Object) isize;

pub extern fn PyLong_AsLongLong(object: *Object) c_longlong;
pub extern fn PyLong_AsUnsignedLongLong(object: *Object) c_ulonglong;
pub extern fn PyLong_AsUnsignedLongLongMask(object: *Object) c_ulonglong;
pub extern fn PyLong_FromLongLong(value: c_longlong) ?*Object;
pub extern fn PyLong_FromString(text: [*:0]const u8, end: ?*[*:0]const u8, base: c_int) ?*Object;
pub extern fn PyLong_FromUnsignedLongLong(value: c_ulonglong) ?*Object;

pub extern fn PyMemoryView_FromObject(object: *Object) ?*Object;

pub extern fn PyModuleDef_Init(definition: *ModuleDefinition) ?*Object;

pub extern fn PyModule_GetNameObject(module: *Object) ?*Object;
pub extern fn PyModule_GetState(module: *Object) ?*anyopaque;
pub extern fn PyModule_NewObject(name: *Object) ?*Object;

pub extern fn PyNumber_AsSsize_t(object: *Object, overflow: ?*Object) isize;
pub extern fn PyNumber_Index(object: *Object) ?*Object;

pub extern fn PyOS_snprintf(text: [*]u8, size: usize, format: [*:0]const u8, ...) c_int;

pub extern fn PyObject_Call(callable: *Object, arguments: *Object, keywords: ?*Object) ?*Object;
pub extern fn PyObject_CallMethod(object: *Object, name: [*:0]const u8, format: ?[*:0]const u8, ...) ?*Object;
pub extern fn PyObject_CheckBuffer(object: *Object) c_int;
pub extern fn PyObject_GC_UnTrack(object: *Object) void;
pub extern fn PyObject_GetAttrString(object: *Object, name: [*:0]const u8) ?*Object;
pub extern fn PyObject_GetBuffer(object: *Object, view: *Buffer, flags: c_int) c_int;
pub extern fn PyObject_SetAttrString(object: *Object, name: [*:0]const u8, value: *Object) c_int;

pub extern fn PyTuple_GetItem(tuple: *Object, index: isize) ?*Object;
pub extern fn PyTuple_New(size: isize) ?*Object;
/// Steals the reference to `value`, also on failure.
pub extern fn PyTuple_SetItem(tuple: *Object, index: isize, value: *Object) c_int;
pub extern fn PyTuple_Size(tuple: *Object) isize;

/// In the limited API from 3.10.
pub extern fn PyType_FromModuleAndSpec(module: *Object, spec: *const TypeSpec, bases: ?*Object) ?*Object;
pub extern fn PyType_GenericAlloc(class: *Object, count: isize) ?*Object;
pub extern fn PyType_GetFlags(class: *Object) c_ulong;
/// Borrowed. In the limited API from 3.10.
pub extern fn PyType_GetModule(class: *Object) ?*Object;
pub extern fn PyType_GetSlot(class: *Object, slot: Slot.Id) ?*anyopaque;
pub extern fn PyType_IsSubtype(class: *Object, base: *Object) c_int;

pub extern fn PyUnicode_AsUTF8AndSize(object: *Object, size: *isize) ?[*:0]const u8;
pub extern fn PyUnicode_CompareWithASCIIString(object: *Object, text: [*:0]const u8) c_int;
pub extern fn PyUnicode_DecodeUTF8(data: [*]const u8, size: isize, errors: ?[*:0]const u8) ?*Object;
pub extern fn PyUnicode_FromFormat(format: [*:0]const u8, ...) ?*Object;

pub extern fn Py_BuildValue(format: [*:0]const u8, ...) ?*Object;
pub extern fn Py_DecRef(object: ?*Object) void;
pub extern fn Py_FatalError(message: [*:0]const u8) noreturn;
pub extern fn Py_GetVersion() [*:0]const u8;
pub extern fn Py_IncRef(object: ?*Object) void;

/// Objects that the interpreter creates statically, found once through functions because the stable
/// ABI of older versions has them only as data symbols.
///
/// These are the only variables of the binding beside the numbers of types in `class.zig`. They are the same in
/// every interpreter of a process, so a second init (another interpreter, a module loaded again) stores
/// what is already there.
pub var none: *Object = undefined;
pub var true_object: *Object = undefined;
/// `int` itself: a comparison with it spares the usual integer argument a call.
pub var int_type: *Object = undefined;
pub var str_type: *Object = undefined;
/// `NotImplemented`, for classes that compare.
pub var not_implemented: *Object = undefined;

/// Finds these objects. False with an exception set on failure.
pub fn findObjects() bool {
    // The references are kept: they guard objects that live as long as the process.
    none = Py_BuildValue("") orelse return false;
    true_object = PyBool_FromLong(1) orelse return false;
    const number = PyLong_FromLongLong(0) orelse return false;
    int_type = number.type;
    str_type = (PyUnicode_FromFormat("") orelse return false).type;
    // What every object answers when it is compared with something of another kind.
    not_implemented = PyObject_CallMethod(none, "__eq__", "O", number) orelse return false;
    return true;
}

/// Returns a new reference to an object.
pub fn newReference(object: *Object) *Object {
    Py_IncRef(object);
    return object;
}

/// Gives a reference back, and returns `null`: something that it was for has failed.
pub fn drop(object: ?*Object) ?*Object {
    Py_DecRef(object);
    return null;
}

/// Sets an attribute to a new reference, which its holder takes over. False with an exception set on
/// failure, also that which the value is missing for.
pub fn put(holder: *Object, name: [*:0]const u8, value: ?*Object) bool {
    const object = value orelse return false;
    defer Py_DecRef(object);
    return PyObject_SetAttrString(holder, name, object) == 0;
}

/// Raises an exception of a built-in class, and returns what tells a caller so: `null`, false, -1 or
/// `error.Raised`. Takes values that are known at run time, so that the code exists once per library
/// and not once per function.
pub fn raise(comptime Answer: type, comptime class: []const u8, comptime format: [:0]const u8, values: anytype) Answer {
    @branchHint(.cold);
    _ = @call(.auto, PyErr_Format, .{ exception(class), format.ptr } ++ values);
    return switch (@typeInfo(Answer)) {
        .optional => null,
        .bool => false,
        .int => -1,
        else => error.Raised,
    };
}

/// Returns a built-in exception class (borrowed). These are the only data symbols in use.
pub fn exception(comptime name: []const u8) *Object {
    return @extern(*const *Object, .{
        .name = "PyExc_" ++ name,
        // Windows reaches data of another library only through its import table.
        .is_dll_import = builtin.os.tag == .windows,
    }).*;
}

test "structures have the layout of the C declarations" {
    const std = @import("std");
    const word = @sizeOf(usize);
    try std.testing.expectEqual(2 * word, @sizeOf(Object));
    try std.testing.expectEqual(4 * word, @sizeOf(MethodDefinition));
    try std.testing.expectEqual(2 * word, @sizeOf(Slot));
    try std.testing.expectEqual(13 * word, @sizeOf(ModuleDefinition));
}
