//! What happens when a safety check of the user's code fails, or when it calls `@panic`.
//!
//! A panic cannot become an exception: Zig has no unwinding, and the code's invariants are already
//! broken. The process ends with the message and Python's own traceback.

const std = @import("std");
const abi = @import("abi.zig");
const trace = @import("trace.zig");

/// More than any message of a safety check; a longer text of the user's own is cut.
const message_bytes_max = 1024;

/// Returns the handler of one module. The functions are those that the supported compilers call.
/// A thread that does not hold the interpreter's lock may panic too.
pub fn Panic(comptime module_name: [:0]const u8) type {
    return struct {
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
            call("sentinel mismatch", null);
        }

        pub fn sliceCastLenRemainder(_: usize) noreturn {
            call("slice length does not divide exactly into destination elements", null);
        }

        pub const reachedUnreachable = fails("reached unreachable code");
        pub const unwrapNull = fails("attempt to use null value");
        pub const castToNull = fails("cast causes pointer to be null");
        pub const incorrectAlignment = fails("incorrect alignment");
        pub const invalidErrorCode = fails("invalid error code");
        pub const integerOutOfBounds = fails("integer does not fit in destination type");
        pub const integerOverflow = fails("integer overflow");
        pub const shlOverflow = fails("left shift overflowed bits");
        pub const shrOverflow = fails("right shift overflowed bits");
        pub const divideByZero = fails("division by zero");
        pub const exactDivisionRemainder = fails("exact division produced remainder");
        pub const integerPartOutOfBounds = fails("integer part of floating point value out of bounds");
        pub const corruptSwitch = fails("switch on corrupt value");
        pub const shiftRhsTooBig = fails("shift amount is greater than the type size");
        pub const invalidEnumValue = fails("invalid enum value");
        pub const forLenMismatch = fails("for loop over objects with non-equal lengths");
        pub const copyLenMismatch = fails("source and destination have non-equal lengths");
        pub const memcpyAlias = fails("@memcpy arguments alias");
        pub const noreturnReturned = fails("'noreturn' function returned");
        pub const loadUninstantiableType = fails("attempt to load uninstantiable type");

        fn fails(comptime message: []const u8) fn () noreturn {
            return struct {
                fn fail() noreturn {
                    call(message, null);
                }
            }.fail;
        }

        fn end(comptime format: []const u8, values: anytype) noreturn {
            @branchHint(.cold);
            trace.dumpPanic();
            var message: [message_bytes_max]u8 = undefined;
            const full = "zig panic in module %s: " ++ format;
            const start = .{ &message, message.len, full, module_name.ptr };
            _ = @call(.auto, abi.PyOS_snprintf, start ++ values);
            abi.Py_FatalError(@ptrCast(&message));
        }
    };
}

test "every function that the compiler's own handler has is here" {
    const ours = Panic("test");
    inline for (comptime std.meta.declarations(std.debug.no_panic)) |declaration| {
        const name = if (@TypeOf(declaration) == [:0]const u8) declaration else declaration.name;
        try std.testing.expect(@hasDecl(ours, name));
    }
}
