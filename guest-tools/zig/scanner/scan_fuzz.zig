//! The scanner for a fuzzer: compiled natively, with safety checks.
const std = @import("std");
const scanning = @import("scan.zig");

/// A trap is all that a fuzzer needs: what prints would only be instrumented too.
pub const panic = std.debug.FullPanic(trap);

fn trap(_: []const u8, _: ?usize) noreturn {
    @trap();
}

const languages = [_]scanning.Language{ .zig, .zon, .c };

/// Scans a source, which ends with a zero that `length` does not count. Returns how
/// many dependencies (low half) and declarations it has, or the largest number where
/// memory runs out.
export fn scan_fuzz(source: [*:0]const u8, length: usize, language: u8) u64 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    const scan = scanning.scan(arena.allocator(), source[0..length :0], languages[language]) catch {
        return std.math.maxInt(u64);
    };
    return @as(u64, scan.declarations.len) << 32 | scan.dependencies.len;
}
