//! Zig's own traces, for builds with debug information: where an error came through, and where a
//! panic was. Without it nothing of this is compiled.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");

const Object = abi.Object;

/// Whether the standard library can name source lines of this build.
const has_lines = !builtin.strip_debug_info and switch (builtin.os.tag) {
    .linux, .macos, .windows => true,
    else => false,
};

/// Zig 0.15, whose standard library does the same under other names.
const is_old = !@hasDecl(std.debug, "writeErrorReturnTrace");

/// Whether the compiler notes the places that an error is returned from.
pub const has_returns = has_lines and builtin.have_error_return_tracing;

/// Gives the exception that was just raised the attribute `return_trace`, and shows it below the
/// message where Python has notes (3.11). A trace that cannot be had leaves it as it is.
pub fn attach(returns: ?*std.builtin.StackTrace) void {
    @branchHint(.cold);
    var buffer: [8192]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    write(returns orelse return, &writer);
    const lines = std.mem.trimEnd(u8, writer.buffered(), "\n");
    if (lines.len == 0) return;

    var class, var value, var traceback = [3]?*Object{ null, null, null };
    abi.PyErr_Fetch(&class, &value, &traceback);
    abi.PyErr_NormalizeException(&class, &value, &traceback);
    // Raised by what follows: the error itself matters more.
    defer {
        abi.PyErr_Clear();
        abi.PyErr_Restore(class, value, traceback);
    }
    const instance = value orelse return;
    // Source lines need not be UTF-8.
    const text = abi.PyUnicode_DecodeUTF8(lines.ptr, @intCast(lines.len), "replace") orelse return;
    defer abi.Py_DecRef(text);
    if (abi.PyObject_SetAttrString(instance, "return_trace", text) < 0) return;
    const note = abi.PyUnicode_FromFormat("Zig error return trace:\n%U", text) orelse return;
    defer abi.Py_DecRef(note);
    abi.Py_DecRef(abi.PyObject_CallMethod(instance, "add_note", "O", note));
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
