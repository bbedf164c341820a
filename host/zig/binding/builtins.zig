//! Objects that the interpreter creates statically, found once through functions because the stable
//! ABI of older versions has them only as data symbols.
//!
//! These are the only variables of the binding. They are the same in every interpreter of a process,
//! so a second init (another interpreter, a module loaded again) stores what is already there.

const abi = @import("abi.zig");

pub var none: *abi.Object = undefined;
pub var true_object: *abi.Object = undefined;
pub var false_object: *abi.Object = undefined;
/// `int` itself: a comparison with it spares the usual integer argument a call.
pub var int_type: *abi.Type = undefined;
/// `str` itself.
pub var str_type: *abi.Type = undefined;

/// `NotImplemented`, for classes that compare.
pub var not_implemented: *abi.Object = undefined;

pub fn findNotImplemented() bool {
    const module = abi.PyImport_ImportModule("builtins") orelse return false;
    defer abi.Py_DecRef(module);
    not_implemented = abi.PyObject_GetAttrString(module, "NotImplemented") orelse return false;
    return true;
}

/// Finds the objects. False with an exception set on failure.
pub fn find() bool {
    // The references are kept: they guard objects that live as long as the process.
    none = abi.Py_BuildValue("") orelse return false;
    true_object = abi.PyBool_FromLong(1) orelse return false;
    false_object = abi.PyBool_FromLong(0) orelse return false;
    const zero = abi.PyLong_FromLongLong(0) orelse return false;
    defer abi.Py_DecRef(zero);
    int_type = zero.type;
    const empty = abi.PyUnicode_FromStringAndSize(null, 0) orelse return false;
    defer abi.Py_DecRef(empty);
    str_type = empty.type;
    return true;
}

/// Returns a new reference to None.
pub fn newNone() *abi.Object {
    abi.Py_IncRef(none);
    return none;
}
