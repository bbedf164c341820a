//! Turns the public declarations of a Zig file into a Python extension module.
//!
//! This module depends on nothing but `std`, so a root module and a user's file may both import it.
//! It speaks to CPython through the stable ABI alone: no Python header is read, and one library
//! serves every CPython from 3.9 (on Windows from the version that its symbols allow, see `abi.zig`).
//!
//! Invariant: nothing here runs before the interpreter calls the init function.
//! Invariant: only declarations that are described are looked at; the rest is never analysed.

const std = @import("std");
const buffer = @import("buffer.zig");

/// Exports the init function of an extension module made of a user's file. The root module's
/// `zigimport_declarations` describes the file: see `reflection.zig`.
pub const exportModule = @import("module.zig").exportModule;

/// Returns the panic handler of a root module: `pub const panic = zigimport.Panic("geometry");`
pub const Panic = @import("failure.zig").Panic;

// Types that a user's file may name in its parameters and results.

/// Bytes that are no text: a bytes-like object as a parameter, `bytes` as a result.
pub const Bytes = struct {
    data: []const u8,

    pub const zigimport_kind = .bytes;
};

/// A buffer of `dimensions` dimensions with any strides, to read.
pub fn View(comptime T: type, comptime dimensions: usize) type {
    return Strided(T, dimensions, false);
}

/// A buffer of `dimensions` dimensions with any strides, to read and write.
pub fn ViewMut(comptime T: type, comptime dimensions: usize) type {
    return Strided(T, dimensions, true);
}

fn Strided(comptime T: type, comptime n: usize, comptime mutable: bool) type {
    return struct {
        data: Data,
        /// Elements in each dimension.
        shape: [n]usize,
        /// Distance between neighbours in each dimension, in bytes; may be negative.
        strides: [n]isize,

        pub const zigimport_kind = .view;
        pub const Element = T;
        pub const dimensions = n;
        pub const is_mutable = mutable;

        const Self = @This();
        const Data = if (mutable) [*]u8 else [*]const u8;
        const Pointer = if (mutable) *align(1) T else *align(1) const T;

        /// Lays `shape` over a slice of as many elements, the last dimension contiguous.
        pub fn init(slice: if (mutable) []T else []const T, shape: [n]usize) Self {
            var strides: [n]isize = undefined;
            const size = buffer.setContiguous(&strides, &shape, @sizeOf(T));
            std.debug.assert(size == slice.len * @sizeOf(T));
            return .{ .data = @ptrCast(slice.ptr), .shape = shape, .strides = strides };
        }

        pub fn at(view: Self, index: [n]usize) T {
            return view.pointer(index).*;
        }

        /// Only for `ViewMut`.
        pub fn set(view: Self, index: [n]usize, value: T) void {
            view.pointer(index).* = value;
        }

        /// Returns the part at an index of the first dimension.
        pub fn row(view: Self, index: usize) Strided(T, n - 1, mutable) {
            std.debug.assert(index < view.shape[0]);
            return .{
                .data = view.data + buffer.offset(view.strides[0], index),
                .shape = view.shape[1..].*,
                .strides = view.strides[1..].*,
            };
        }

        fn pointer(view: Self, index: [n]usize) Pointer {
            var data = view.data;
            for (index, view.shape, view.strides) |position, count, stride| {
                std.debug.assert(position < count);
                data += buffer.offset(stride, position);
            }
            return @ptrCast(data);
        }
    };
}

/// Something to call in Python.
pub const Callable = struct {
    object: *anyopaque,
    scope: *anyopaque,

    pub const zigimport_kind = .callable;

    /// Calls it with a tuple of arguments. What a result points to lives as long as the callable: until
    /// the function that got it returns. An exception stays set and is `error.PythonError`.
    pub fn call(callable: Callable, comptime Result: type, arguments: anytype) error{PythonError}!Result {
        return @import("function.zig").callPython(callable, Result, arguments);
    }
};

test {
    _ = @import("abi.zig");
    _ = @import("buffer.zig");
    _ = @import("convert.zig");
    _ = @import("description.zig");
    _ = @import("function.zig");
    _ = @import("kind.zig");
    _ = @import("module.zig");
    _ = @import("failure.zig");
    _ = @import("reflection.zig");
    _ = @import("scope.zig");
}

test View {
    const numbers = [_]f64{ 1, 2, 3, 4, 5, 6 };
    const view: View(f64, 2) = .init(&numbers, .{ 2, 3 });
    try std.testing.expectEqual(6, view.at(.{ 1, 2 }));
    try std.testing.expectEqual(4, view.row(1).at(.{0}));
    const reversed: View(f64, 1) = .{ .data = @ptrCast(&numbers[5]), .shape = .{6}, .strides = .{-8} };
    try std.testing.expectEqual(5, reversed.at(.{1}));
}

test ViewMut {
    var numbers = [_]u16{ 1, 2, 3, 4 };
    const view: ViewMut(u16, 2) = .init(&numbers, .{ 2, 2 });
    view.set(.{ 1, 0 }, 9);
    try std.testing.expectEqual(9, numbers[2]);
}
