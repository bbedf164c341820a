//! What happens when a safety check of the user's code fails, or when it calls `@panic`, and Zig's
//! own traces: where a panic was, and where an error came through. Those are for builds with debug
//! information; without it nothing of them is compiled.
//!
//! A panic cannot become an exception: Zig has no unwinding, and the code's invariants are already
//! broken. The process ends with the message and Python's own traceback.

const builtin = @import("builtin");
const std = @import("std");
const abi = @import("abi.zig");

const Object = abi.Object;

/// More than any message of a safety check; a longer text of the user's own is cut.
const message_bytes_max = 1024;

/// Returns the handler of one module. The functions are those that the supported compilers call.
/// A thread that does not hold the interpreter's lock may panic too.
pub fn Panic(comptime module_name: [:0]const u8) type {
    return struct {
        /// The standard library's. Those with values in their messages would bring its formatting.
        const Standard = std.debug.FullPanic(call);

        pub fn call(message: []const u8, _: ?usize) noreturn {
            // What is longer is cut off anyway.
            const length: c_int = @intCast(@min(message.len, message_bytes_max));
            end("%.*s", .{ length, message.ptr });
        }

        pub fn outOfBounds(index: usize, count: usize) noreturn {
            end("index out of bounds: index %zu, len %zu", .{ index, count });
        }

        pub fn startGreaterThanEnd(first: usize, last: usize) noreturn {
            end("start index %zu is larger than end index %zu", .{ first, last });
        }

        pub fn unwrapError(err: anyerror) noreturn {
            end("attempt to unwrap error: %s", .{@errorName(err).ptr});
        }

        pub fn unexpectedErrorCode(err: anyerror) noreturn {
            end("unexpected error code: %s", .{@errorName(err).ptr});
        }

        pub fn inactiveUnionField(active: anytype, accessed: @TypeOf(active)) noreturn {
            end("access of an inactive union field: %s", .{@tagName(accessed).ptr});
        }

        pub fn sentinelMismatch(expected: anytype, _: @TypeOf(expected)) noreturn {
            end("sentinel mismatch", .{});
        }

        pub fn sliceCastLenRemainder(_: usize) noreturn {
            end("slice length does not divide exactly into destination elements", .{});
        }

        pub const reachedUnreachable = Standard.reachedUnreachable;
        pub const unwrapNull = Standard.unwrapNull;
        pub const castToNull = Standard.castToNull;
        pub const incorrectAlignment = Standard.incorrectAlignment;
        pub const invalidErrorCode = Standard.invalidErrorCode;
        pub const integerOutOfBounds = Standard.integerOutOfBounds;
        pub const integerOverflow = Standard.integerOverflow;
        pub const shlOverflow = Standard.shlOverflow;
        pub const shrOverflow = Standard.shrOverflow;
        pub const divideByZero = Standard.divideByZero;
        pub const exactDivisionRemainder = Standard.exactDivisionRemainder;
        pub const integerPartOutOfBounds = Standard.integerPartOutOfBounds;
        pub const corruptSwitch = Standard.corruptSwitch;
        pub const shiftRhsTooBig = Standard.shiftRhsTooBig;
        pub const invalidEnumValue = Standard.invalidEnumValue;
        pub const forLenMismatch = Standard.forLenMismatch;
        pub const copyLenMismatch = Standard.copyLenMismatch;
        pub const memcpyAlias = Standard.memcpyAlias;
        pub const noreturnReturned = Standard.noreturnReturned;
        pub const loadUninstantiableType = Standard.loadUninstantiableType;

        fn end(comptime format: []const u8, values: anytype) noreturn {
            @branchHint(.cold);
            dumpPanic();
            var message: [message_bytes_max]u8 = undefined;
            const full = "zig panic in module %s: " ++ format;
            const start = .{ &message, message.len, full, module_name.ptr };
            _ = @call(.auto, abi.PyOS_snprintf, start ++ values);
            abi.Py_FatalError(@ptrCast(&message));
        }
    };
}

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

test "every function that the compiler's own handler has is here" {
    const ours = Panic("test");
    inline for (comptime std.meta.declarations(std.debug.no_panic)) |declaration| {
        const name = if (@TypeOf(declaration) == [:0]const u8) declaration else declaration.name;
        try std.testing.expect(@hasDecl(ours, name));
    }
}
