//! Raises exceptions: Zig's errors, and arguments that a function cannot take.
//!
//! Everything here works on values known at run time, so that the code exists once per library and
//! not once per function.

const std = @import("std");
const abi = @import("abi.zig");
const convert = @import("convert.zig");
const State = @import("state.zig").State;

const Object = abi.Object;

/// What messages say about a function.
pub const Signature = struct {
    name: [*:0]const u8,
    parameters: []const Parameter,

    pub const Parameter = struct {
        name: [*:0]const u8,
        /// What Python must pass: "int or None".
        expected: [*:0]const u8,
        /// The limits of the Zig type: "u8 (0 to 255)".
        range: [*:0]const u8,
    };
};

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

/// Raises a Zig error in Python and returns `null`.
pub fn raiseZigError(module: *Object, err: anyerror) ?*Object {
    @branchHint(.cold);
    const name: [:0]const u8 = @errorName(err);
    if (err == error.OutOfMemory) {
        abi.PyErr_SetString(abi.exception("MemoryError"), name.ptr);
        return null;
    }
    inline for (same_named) |class_name| {
        if (std.mem.eql(u8, class_name, name)) {
            abi.PyErr_SetString(abi.exception(class_name), name.ptr);
            return null;
        }
    }
    const class = State.of(module).zig_error orelse abi.exception("RuntimeError");
    const text = abi.PyUnicode_FromStringAndSize(name.ptr, @intCast(name.len)) orelse return null;
    defer abi.Py_DecRef(text);
    const instance = abi.PyObject_CallFunctionObjArgs(class, text, end) orelse return null;
    defer abi.Py_DecRef(instance);
    if (abi.PyObject_SetAttrString(instance, "name", text) < 0) return null;
    abi.PyErr_SetObject(class, instance);
    return null;
}

/// Ends a variable list of objects.
const end: ?*Object = null;

/// Creates the class `ZigError` of a module: a new reference, or `null` with an exception set.
pub fn newZigError(module: *Object) ?*Object {
    const module_name = abi.PyModule_GetNameObject(module) orelse return null;
    defer abi.Py_DecRef(module_name);
    const name = abi.PyUnicode_FromFormat("%U.ZigError", module_name) orelse return null;
    defer abi.Py_DecRef(name);
    const bytes = abi.PyUnicode_AsUTF8String(name) orelse return null;
    defer abi.Py_DecRef(bytes);
    const qualified = abi.PyBytes_AsString(bytes) orelse return null;
    return abi.PyErr_NewException(qualified, abi.exception("RuntimeError"), null);
}

/// Raises the error of a call with too many or too few arguments, and returns `null`.
pub fn raiseCount(signature: *const Signature, given: isize) ?*Object {
    @branchHint(.cold);
    const count: isize = @intCast(signature.parameters.len);
    const arguments: [*:0]const u8 = if (count == 1) "argument" else "arguments";
    const verb: [*:0]const u8 = if (given == 1) "was" else "were";
    return abi.PyErr_Format(
        abi.exception("TypeError"),
        "%s() takes %zd positional %s but %zd %s given",
        signature.name,
        count,
        arguments,
        given,
        verb,
    );
}

/// Raises the error of an argument that was refused, and returns `null`.
pub fn raiseArgument(
    signature: *const Signature,
    index: usize,
    refusal: convert.Refusal,
    argument: *Object,
) ?*Object {
    @branchHint(.cold);
    const parameter = &signature.parameters[index];
    switch (refusal) {
        error.Raised => return null,
        error.OutOfRange => return abi.PyErr_Format(
            abi.exception("OverflowError"),
            "%s() argument '%s': out of range for %s",
            signature.name,
            parameter.name,
            parameter.range,
        ),
        error.EmbeddedZero => return abi.PyErr_Format(
            abi.exception("ValueError"),
            "%s() argument '%s': embedded null character",
            signature.name,
            parameter.name,
        ),
        error.WrongType => {
            const type_object: *Object = @ptrCast(@alignCast(argument.type));
            const type_name = abi.PyObject_GetAttrString(type_object, "__name__") orelse return null;
            defer abi.Py_DecRef(type_name);
            return abi.PyErr_Format(
                abi.exception("TypeError"),
                "%s() argument '%s': expected %s, got %S",
                signature.name,
                parameter.name,
                parameter.expected,
                type_name,
            );
        },
    }
}
