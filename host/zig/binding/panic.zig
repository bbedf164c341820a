//! What happens when a safety check of the user's code fails, or when it calls `@panic`.
//!
//! A panic cannot become an exception: Zig has no unwinding, and the code's invariants are already
//! broken. The process ends with the message and Python's own traceback.

const abi = @import("abi.zig");
const text = @import("text.zig");
const trace = @import("trace.zig");

/// Returns the handler of one module. The functions are those that the supported compilers call.
/// A thread that does not hold the interpreter's lock may panic too.
pub fn Panic(comptime module_name: []const u8) type {
    return struct {
        pub fn call(message: []const u8, _: ?usize) noreturn {
            @branchHint(.cold);
            var report = start();
            report.append(message);
            abi.Py_FatalError(report.terminated());
        }

        fn start() text.Message {
            trace.dumpPanic();
            var report: text.Message = .{};
            report.append("zig panic in module " ++ module_name ++ ": ");
            return report;
        }

        fn fail(message: []const u8) noreturn {
            @branchHint(.cold);
            call(message, null);
        }

        fn failWithNumbers(first: []const u8, a: usize, second: []const u8, b: usize) noreturn {
            @branchHint(.cold);
            var report = start();
            report.append(first);
            report.appendNumber(a);
            report.append(second);
            report.appendNumber(b);
            abi.Py_FatalError(report.terminated());
        }

        fn failWithName(message: []const u8, name: []const u8) noreturn {
            @branchHint(.cold);
            var report = start();
            report.append(message);
            report.append(name);
            abi.Py_FatalError(report.terminated());
        }

        pub fn outOfBounds(index: usize, length: usize) noreturn {
            failWithNumbers("index out of bounds: index ", index, ", len ", length);
        }
        pub fn startGreaterThanEnd(first: usize, end: usize) noreturn {
            failWithNumbers("start index ", first, " is larger than end index ", end);
        }
        pub fn unwrapError(err: anyerror) noreturn {
            failWithName("attempt to unwrap error: ", @errorName(err));
        }
        pub fn unexpectedErrorCode(err: anyerror) noreturn {
            failWithName("unexpected error code: ", @errorName(err));
        }
        pub fn inactiveUnionField(active: anytype, accessed: @TypeOf(active)) noreturn {
            failWithName("access of an inactive union field: ", @tagName(accessed));
        }
        pub fn sentinelMismatch(expected: anytype, _: @TypeOf(expected)) noreturn {
            fail("sentinel mismatch");
        }
        pub fn sliceCastLenRemainder(_: usize) noreturn {
            fail("slice length does not divide exactly into destination elements");
        }
        pub fn reachedUnreachable() noreturn {
            fail("reached unreachable code");
        }
        pub fn unwrapNull() noreturn {
            fail("attempt to use null value");
        }
        pub fn castToNull() noreturn {
            fail("cast causes pointer to be null");
        }
        pub fn incorrectAlignment() noreturn {
            fail("incorrect alignment");
        }
        pub fn invalidErrorCode() noreturn {
            fail("invalid error code");
        }
        pub fn integerOutOfBounds() noreturn {
            fail("integer does not fit in destination type");
        }
        pub fn integerOverflow() noreturn {
            fail("integer overflow");
        }
        pub fn shlOverflow() noreturn {
            fail("left shift overflowed bits");
        }
        pub fn shrOverflow() noreturn {
            fail("right shift overflowed bits");
        }
        pub fn divideByZero() noreturn {
            fail("division by zero");
        }
        pub fn exactDivisionRemainder() noreturn {
            fail("exact division produced remainder");
        }
        pub fn integerPartOutOfBounds() noreturn {
            fail("integer part of floating point value out of bounds");
        }
        pub fn corruptSwitch() noreturn {
            fail("switch on corrupt value");
        }
        pub fn shiftRhsTooBig() noreturn {
            fail("shift amount is greater than the type size");
        }
        pub fn invalidEnumValue() noreturn {
            fail("invalid enum value");
        }
        pub fn forLenMismatch() noreturn {
            fail("for loop over objects with non-equal lengths");
        }
        pub fn copyLenMismatch() noreturn {
            fail("source and destination have non-equal lengths");
        }
        pub fn memcpyAlias() noreturn {
            fail("@memcpy arguments alias");
        }
        pub fn noreturnReturned() noreturn {
            fail("'noreturn' function returned");
        }
        pub fn loadUninstantiableType() noreturn {
            fail("attempt to load uninstantiable type");
        }
    };
}

test "every function that the compiler's own handler has is here" {
    const std = @import("std");
    const ours = Panic("test");
    inline for (comptime @import("reflection.zig").declarationNames(std.debug.no_panic)) |name| {
        try std.testing.expect(@hasDecl(ours, name));
    }
}
