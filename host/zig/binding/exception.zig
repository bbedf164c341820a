//! Raises exceptions. Everything here works on values known at run time, so that the code exists once
//! per library and not once per function.

const std = @import("std");
const abi = @import("abi.zig");
const declarations = @import("declarations.zig");
const State = @import("state.zig").State;

const Object = abi.Object;

/// Raises an exception of a built-in class, and returns `null`.
pub fn raise(comptime class: []const u8, comptime format: [:0]const u8, values: anytype) ?*Object {
    @branchHint(.cold);
    return @call(.auto, abi.PyErr_Format, .{ abi.exception(class), format.ptr } ++ values);
}

pub fn raiseOutOfMemory() error{Raised} {
    _ = raise("MemoryError", "OutOfMemory", .{});
    return error.Raised;
}

/// A Zig error with the name of one of these raises that class. Classes that cannot be made from
/// one message (`UnicodeDecodeError`) or that end the process (`SystemExit`) are left out.
const same_named = [_][]const u8{
    "ArithmeticError", "AssertionError",         "AttributeError",       "BlockingIOError",
    "BrokenPipeError", "BufferError",            "ChildProcessError",    "ConnectionAbortedError",
    "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "EOFError",
    "FileExistsError", "FileNotFoundError",      "FloatingPointError",   "ImportError",
    "IndexError",      "InterruptedError",       "IsADirectoryError",    "KeyError",
    "LookupError",     "MemoryError",            "NotADirectoryError",   "NotImplementedError",
    "OSError",         "OverflowError",          "PermissionError",      "ProcessLookupError",
    "RecursionError",  "ReferenceError",         "RuntimeError",         "StopIteration",
    "TimeoutError",    "TypeError",              "ValueError",           "ZeroDivisionError",
};

/// Raises a Zig error in Python.
pub fn raiseZigError(module: *Object, err: anyerror) void {
    @branchHint(.cold);
    const name: [:0]const u8 = @errorName(err);
    // What a callable raised goes on as it was.
    if (err == error.PythonError and abi.PyErr_Occurred() != null) return;
    abi.PyErr_Clear();
    if (err == error.OutOfMemory) return abi.PyErr_SetString(abi.exception("MemoryError"), name.ptr);
    inline for (same_named) |class| {
        if (std.mem.eql(u8, class, name)) return abi.PyErr_SetString(abi.exception(class), name.ptr);
    }
    const class = State.of(module).zig_error orelse abi.exception("RuntimeError");
    const text = abi.PyUnicode_FromStringAndSize(name.ptr, @intCast(name.len)) orelse return;
    defer abi.Py_DecRef(text);
    const end: ?*Object = null;
    const instance = abi.PyObject_CallFunctionObjArgs(class, text, end) orelse return;
    defer abi.Py_DecRef(instance);
    if (abi.PyObject_SetAttrString(instance, "name", text) < 0) return;
    abi.PyErr_SetObject(class, instance);
}

/// Creates the class `ZigError` of a module: a new reference, or `null` with an exception set.
pub fn newZigError(module: *Object) ?*Object {
    const name = declarations.module_name ++ ".ZigError";
    const class = abi.PyErr_NewException(name, abi.exception("RuntimeError"), null) orelse return null;
    return withModule(class, module);
}

/// Gives a new class the name of its module, which may be in a package. Ends it on failure.
pub fn withModule(class: *Object, module: *Object) ?*Object {
    const name = abi.PyModule_GetNameObject(module);
    defer abi.Py_DecRef(name);
    if (name != null and abi.PyObject_SetAttrString(class, "__module__", name.?) == 0) return class;
    abi.Py_DecRef(class);
    return null;
}
