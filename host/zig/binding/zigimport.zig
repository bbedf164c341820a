//! Turns the public declarations of a Zig file into a Python extension module.
//!
//! This module depends on nothing but `std`, so a root module and a user's file may both import it.
//! It speaks to CPython through the stable ABI alone: no Python header is read, and one library
//! serves every CPython from 3.9 (on Windows from the version that its symbols allow, see `abi.zig`).
//!
//! Invariant: nothing here runs before the interpreter calls the init function.
//! Invariant: only declarations that are described are looked at; the rest is never analysed.

const types = @import("types.zig");

pub const Bytes = types.Bytes;
pub const View = types.View;
pub const ViewMut = types.ViewMut;
pub const Callable = types.Callable;

/// Exports the init function of an extension module made of a user's file. The root module's
/// `zigimport_declarations` describes the file: see `declarations.zig`.
pub const exportModule = @import("module.zig").exportModule;

/// Returns the panic handler of a root module: `pub const panic = zigimport.Panic("geometry");`
pub const Panic = @import("panic.zig").Panic;

test {
    _ = @import("abi.zig");
    _ = @import("buffer.zig");
    _ = @import("convert.zig");
    _ = @import("function.zig");
    _ = @import("heap.zig");
    _ = @import("kind.zig");
    _ = @import("module.zig");
    _ = @import("panic.zig");
    _ = @import("reflection.zig");
    _ = @import("stub.zig");
    _ = @import("text.zig");
    _ = @import("types.zig");
}
