//! The Adler-32 checksum, computed by a C source that is compiled along.
//! zigimport: c-sources = adler32.c
//! zigimport: c-flags = -O2 -std=c99
const zigimport = @import("zigimport");

extern fn adler32(start: u32, data: [*]const u8, length: usize) u32;

/// Returns the checksum of anything bytes-like; give the last one to go on with it.
pub fn adler(data: zigimport.Bytes, options: struct { start: u32 = 1 }) u32 {
    return adler32(options.start, data.data.ptr, data.data.len);
}
