//! Turns the public declarations of a Zig file into a Python extension module.
//!
//! This module depends on nothing but `std`, so a root module and a user's file may both import it.
//! It speaks to CPython through the stable ABI alone: no Python header is read, and one library
//! serves every CPython from 3.9 (3.10 where a function takes text, see `abi.zig`).
//!
//! Invariant: nothing here runs before the interpreter calls the init function.
//! Invariant: only declarations that the caller lists are looked at; the rest is never analysed.

const module = @import("module.zig");

/// Exports the init function of an extension module made of a user's file.
/// `declarations` describes the file: see `declarations.zig`.
pub const exportModule = module.exportModule;

/// Returns the panic handler of a root module: `pub const panic = zigimport.Panic("geometry");`
pub const Panic = @import("panic.zig").Panic;

/// The description of a user's file, as plain data.
pub const Declaration = @import("declarations.zig").Declaration;

test {
    _ = @import("abi.zig");
    _ = @import("allocator.zig");
    _ = @import("convert.zig");
    _ = @import("exports.zig");
    _ = @import("function.zig");
    _ = @import("panic.zig");
    _ = @import("reflection.zig");
    _ = @import("text.zig");
}
