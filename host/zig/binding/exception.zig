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
    /// How many of them may be given by position; the rest is keyword-only.
    positional: usize,

    pub const Parameter = struct {
        name: [*:0]const u8,
        /// As Python shows it; `null` if it is required.
        default: ?[*:0]const u8 = null,
        /// What Python must pass: "int or None".
        expected: [*:0]const u8,
        /// The same for a stub file.
        annotation: [:0]const u8 = "",
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

/// Raises a Zig error in Python.
pub fn raiseZigError(module: *Object, err: anyerror) void {
    @branchHint(.cold);
    const name: [:0]const u8 = @errorName(err);
    // What a callable raised goes on as it was.
    if (err == error.PythonError and abi.PyErr_Occurred() != null) return;
    abi.PyErr_Clear();
    if (err == error.OutOfMemory) return abi.PyErr_SetString(abi.exception("MemoryError"), name.ptr);
    inline for (same_named) |class_name| {
        if (std.mem.eql(u8, class_name, name)) return abi.PyErr_SetString(abi.exception(class_name), name.ptr);
    }
    const class = State.of(module).zig_error orelse abi.exception("RuntimeError");
    const text = abi.PyUnicode_FromStringAndSize(name.ptr, @intCast(name.len)) orelse return;
    defer abi.Py_DecRef(text);
    const instance = abi.PyObject_CallFunctionObjArgs(class, text, end) orelse return;
    defer abi.Py_DecRef(instance);
    if (abi.PyObject_SetAttrString(instance, "name", text) < 0) return;
    abi.PyErr_SetObject(class, instance);
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

/// Sorts the arguments of a call into one slot for each parameter. False with an exception set if
/// they do not fit. `objects` has the keywords' values after the positional ones.
pub fn bind(
    signature: *const Signature,
    objects: [*]const *Object,
    count: usize,
    names: ?*Object,
    slots: []?*Object,
) bool {
    if (!bindPositional(signature, count)) return false;
    for (slots[0..count], objects) |*slot, object| slot.* = object;
    if (names) |tuple| for (0..@intCast(abi.PyTuple_Size(tuple))) |index| {
        const name = abi.PyTuple_GetItem(tuple, @intCast(index)) orelse return false;
        const value = objects[count + index];
        // Mostly they are the parameters that are left, in order.
        const guess = count + index;
        if (guess < slots.len and slots[guess] == null and
            abi.PyUnicode_CompareWithASCIIString(name, signature.parameters[guess].name) == 0)
        {
            slots[guess] = value;
        } else if (!bindKeyword(signature, name, value, slots)) return false;
    };
    return isBound(signature, slots);
}

/// The same for the arguments of a constructor.
pub fn bindTuple(signature: *const Signature, arguments: *Object, keywords: ?*Object, slots: []?*Object) bool {
    const count: usize = @intCast(abi.PyTuple_Size(arguments));
    if (!bindPositional(signature, count)) return false;
    for (slots[0..count], 0..) |*slot, index| slot.* = abi.PyTuple_GetItem(arguments, @intCast(index));
    if (keywords) |dict| {
        var position: isize = 0;
        var name: ?*Object = null;
        var value: ?*Object = null;
        while (abi.PyDict_Next(dict, &position, &name, &value) != 0) {
            if (!bindKeyword(signature, name.?, value.?, slots)) return false;
        }
    }
    return isBound(signature, slots);
}

fn bindPositional(signature: *const Signature, given: usize) bool {
    const count = signature.positional;
    if (given <= count) return true;
    const arguments: [*:0]const u8 = if (count == 1) "argument" else "arguments";
    const verb: [*:0]const u8 = if (given == 1) "was" else "were";
    const format = "%s() takes %zd positional %s but %zd %s given";
    _ = abi.PyErr_Format(abi.exception("TypeError"), format, signature.name, count, arguments, given, verb);
    return false;
}

fn bindKeyword(signature: *const Signature, name: *Object, value: *Object, slots: []?*Object) bool {
    for (signature.parameters, slots) |parameter, *slot| {
        if (abi.PyUnicode_CompareWithASCIIString(name, parameter.name) != 0) continue;
        if (slot.* == null) {
            slot.* = value;
            return true;
        }
        const format = "%s() got multiple values for argument '%s'";
        _ = abi.PyErr_Format(abi.exception("TypeError"), format, signature.name, parameter.name);
        return false;
    }
    const format = "%s() got an unexpected keyword argument '%S'";
    _ = abi.PyErr_Format(abi.exception("TypeError"), format, signature.name, name);
    return false;
}

fn isBound(signature: *const Signature, slots: []const ?*Object) bool {
    for (signature.parameters, slots, 0..) |parameter, slot, index| {
        if (slot != null or parameter.default != null) continue;
        if (index < signature.positional) {
            const format = "%s() missing required argument '%s' (pos %zd)";
            _ = abi.PyErr_Format(abi.exception("TypeError"), format, signature.name, parameter.name, index + 1);
        } else {
            const format = "%s() missing required keyword-only argument '%s'";
            _ = abi.PyErr_Format(abi.exception("TypeError"), format, signature.name, parameter.name);
        }
        return false;
    }
    return true;
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
        error.WrongValue => return abi.PyErr_Format(
            abi.exception("ValueError"),
            "%s() argument '%s': expected %s, got %R",
            signature.name,
            parameter.name,
            parameter.expected,
            argument,
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
