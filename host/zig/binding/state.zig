//! What one module object owns. Two interpreters, or two loads, never share it.

const std = @import("std");
const abi = @import("abi.zig");
const panic = @import("panic.zig");
const reflection = @import("reflection.zig");

const Object = abi.Object;

/// A list with the Python class of each Zig type that has one, at the type's number. Absent until there
/// is one.
pub const Classes = ?*Object;

/// Zeroed from the module's creation on: the definition asks for it. Absent when the collector looks at a
/// module whose creation has not come so far.
fn classesOf(module: *Object) ?*Classes {
    return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
}

pub fn traverse(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
    const classes = classesOf(module) orelse return 0;
    return visit(classes.* orelse return 0, argument);
}

/// The collector needs no other help: classes let their module go.
pub fn free(module: ?*anyopaque) callconv(.c) void {
    const classes = classesOf(@ptrCast(@alignCast(module.?))) orelse return;
    abi.Py_DecRef(classes.*);
}

/// Types that have a number, from 1. The numbers are the same in every interpreter; the interpreter's
/// lock guards them.
var type_count: isize = 0;

/// Makes a class: a new reference, or `null` with an exception set.
pub const Create = *const fn (module: *Object) ?*Object;

/// Returns the class of a type (borrowed), made when it is first asked for, or `null` with an
/// exception set.
pub fn classOf(comptime T: type, module: *Object, create: Create) ?*Object {
    const Type = struct {
        const Key = T;
        var number: isize = 0;
    };
    if (classesOf(module).?.*) |classes| if (Type.number < abi.PyList_Size(classes)) {
        const class = abi.PyList_GetItem(classes, Type.number);
        if (class != abi.none) return class;
    };
    return newClass(&Type.number, module, create);
}

fn newClass(number: *isize, module: *Object, create: Create) ?*Object {
    if (number.* == 0) {
        type_count += 1;
        number.* = type_count;
    }
    const class = create(module) orelse return null;
    const place = classesOf(module).?;
    if (place.* == null) place.* = abi.PyList_New(0);
    const classes = place.* orelse return abi.drop(class);
    while (abi.PyList_Size(classes) <= number.*) {
        if (abi.PyList_Append(classes, abi.none) < 0) return abi.drop(class);
    }
    // Another thread may have come first while Python made the class.
    const known = abi.PyList_GetItem(classes, number.*);
    if (known == abi.none) return if (abi.PyList_SetItem(classes, number.*, class) < 0) null else class;
    abi.Py_DecRef(class);
    return known;
}

/// The class of errors that have no counterpart in Python (borrowed), or `null` with an exception set.
pub fn zigError(module: *Object) ?*Object {
    return classOf(error{ZigError}, module, &struct {
        fn create(owner: *Object) ?*Object {
            const name = reflection.module_name ++ ".ZigError";
            const class = abi.PyErr_NewException(name, abi.exception("RuntimeError"), null) orelse return null;
            return if (abi.put(class, "__module__", abi.PyModule_GetNameObject(owner))) class else abi.drop(class);
        }
    }.create);
}

/// Raises a Zig error in Python: the built-in exception of its name if a message makes one. `returns` is
/// where it came through.
pub fn raiseZigError(module: *Object, err: anyerror, returns: ?*std.builtin.StackTrace) void {
    @branchHint(.cold);
    // What a callable raised goes on as it was.
    if (err == error.PythonError and abi.PyErr_Occurred() != null) return;
    abi.PyErr_Clear();
    const text = abi.PyUnicode_FromFormat("%s", @errorName(err).ptr) orelse return;
    defer abi.Py_DecRef(text);
    const name: [*:0]const u8 = if (err == error.OutOfMemory) "MemoryError" else @errorName(err);
    const builtins = abi.PyImport_AddModule("builtins") orelse return;
    const known = abi.PyObject_GetAttrString(builtins, name);
    defer abi.Py_DecRef(known);
    if (known) |class| {
        const is_error = abi.is(class, .type) and abi.PyType_IsSubtype(class, abi.exception("Exception")) != 0;
        if (is_error and raiseWith(class, text, null, returns)) return;
    }
    abi.PyErr_Clear();
    _ = raiseWith(zigError(module) orelse return, text, "name", returns);
}

fn raiseWith(class: *Object, text: *Object, attribute: ?[*:0]const u8, returns: ?*std.builtin.StackTrace) bool {
    const exception = abi.PyObject_CallMethod(class, "__call__", "O", text) orelse return false;
    defer abi.Py_DecRef(exception);
    if (attribute) |name| if (abi.PyObject_SetAttrString(exception, name, text) < 0) return false;
    if (panic.has_returns) panic.attach(exception, returns);
    abi.PyErr_SetObject(class, exception);
    return true;
}
