//! What happens when the user's code fails: an error is an exception, a failed safety check or `@panic`
//! the end. Zig's own traces, where a panic was and where an error came through, are for builds with
//! debug information; without it nothing of them is compiled.
//!
//! A panic cannot become an exception: Zig has no unwinding, and the code's invariants are already
//! broken. The process ends with the message and Python's own traceback.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");
const classOf = @import("class.zig").classOf;
const reflection = @import("reflection.zig");

const Object = abi.Object;

/// More than any message of a safety check; a longer text of the user's own is cut.
const message_bytes_max = 1024;

/// Returns the handler of one module. A thread that does not hold the interpreter's lock may panic too.
pub fn Panic(comptime module_name: [:0]const u8) type {
    return std.debug.FullPanic(struct {
        fn end(message: []const u8, _: ?usize) noreturn {
            @branchHint(.cold);
            dumpPanic();
            // What is longer is cut off anyway.
            const length: c_int = @intCast(@min(message.len, message_bytes_max));
            var text: [message_bytes_max]u8 = undefined;
            _ = abi.PyOS_snprintf(&text, text.len, "zig panic in module %s: %.*s", module_name.ptr, length, message.ptr);
            abi.Py_FatalError(@ptrCast(&text));
        }
    }.end);
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
    if (has_returns) attach(exception, returns);
    abi.PyErr_SetObject(class, exception);
    return true;
}

/// Whether the standard library can name source lines of this build.
const has_lines = !builtin.strip_debug_info and
    (builtin.os.tag == .linux or builtin.os.tag == .macos or builtin.os.tag == .windows);

/// Zig 0.15, whose standard library does the same under other names.
const is_old = !@hasDecl(std.debug, "writeErrorReturnTrace");

/// Whether the compiler notes the places that an error is returned from.
pub const has_returns = has_lines and builtin.have_error_return_tracing;

/// Gives an exception the attribute `return_trace`, and shows it below the message where Python has
/// notes (3.11). A trace that cannot be had leaves it as it is.
pub fn attach(exception: *Object, returns: ?*std.builtin.StackTrace) void {
    var buffer: [8192]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    write(returns orelse return, &writer);
    const lines = std.mem.trimEnd(u8, writer.buffered(), "\n");
    if (lines.len == 0) return;
    // Raised by what follows: the error itself matters more.
    defer abi.PyErr_Clear();
    // Source lines need not be UTF-8.
    const text = abi.PyUnicode_DecodeUTF8(lines.ptr, @intCast(lines.len), "replace") orelse return;
    defer abi.Py_DecRef(text);
    if (abi.PyObject_SetAttrString(exception, "return_trace", text) < 0) return;
    const note = abi.PyUnicode_FromFormat("Zig error return trace:\n%U", text) orelse return;
    defer abi.Py_DecRef(note);
    abi.Py_DecRef(abi.PyObject_CallMethod(exception, "add_note", "O", note));
}

fn write(returns: *std.builtin.StackTrace, writer: *std.Io.Writer) void {
    if (is_old) {
        const info = std.debug.getSelfDebugInfo() catch return;
        std.debug.writeStackTrace(returns.*, writer, info, .no_color) catch {};
    } else {
        std.debug.writeErrorReturnTrace(returns, .{ .writer = writer, .mode = .no_color }) catch {};
    }
}

/// Prints to standard error where a panic was.
pub fn dumpPanic() void {
    const Once = struct {
        var begun: std.atomic.Value(bool) = .init(false);
    };
    // What looks for the lines may panic too.
    if (!has_lines or Once.begun.swap(true, .monotonic)) return;
    if (is_old) std.debug.dumpCurrentStackTrace(null) else std.debug.dumpCurrentStackTrace(.{});
}
