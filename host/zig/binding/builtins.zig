//! Objects that the interpreter creates statically, found once through functions because the stable
//! ABI of older versions has them only as data symbols.
//!
//! These are the only variables of the binding beside the numbers of `state.zig`. They are the same in
//! every interpreter of a process, so a second init (another interpreter, a module loaded again) stores
//! what is already there.

const abi = @import("abi.zig");

pub var none: *abi.Object = undefined;
pub var true_object: *abi.Object = undefined;
pub var false_object: *abi.Object = undefined;
/// `int` itself: a comparison with it spares the usual integer argument a call.
pub var int_type: *abi.Type = undefined;
/// `str` itself.
pub var str_type: *abi.Type = undefined;
/// The `int` 64, by which wide integers are shifted.
pub var word_bits: *abi.Object = undefined;
/// `NotImplemented`, for classes that compare.
pub var not_implemented: *abi.Object = undefined;

/// Finds the objects. False with an exception set on failure.
pub fn find() bool {
    // The references are kept: they guard objects that live as long as the process.
    none = abi.Py_BuildValue("") orelse return false;
    true_object = abi.PyBool_FromLong(1) orelse return false;
    false_object = abi.PyBool_FromLong(0) orelse return false;
    word_bits = abi.PyLong_FromLongLong(64) orelse return false;
    int_type = word_bits.type;
    const empty = abi.PyUnicode_FromStringAndSize(null, 0) orelse return false;
    str_type = empty.type;
    // What every object answers when it is compared with something of another kind.
    not_implemented = abi.PyObject_CallMethod(none, "__eq__", "O", word_bits) orelse return false;
    return true;
}

/// Returns a new reference to an object.
pub fn newReference(object: *abi.Object) *abi.Object {
    abi.Py_IncRef(object);
    return object;
}
