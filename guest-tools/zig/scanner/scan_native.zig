//! Scans files natively, to compare a guest's throughput with.
//!
//!     scan_native ROUNDS FILE...
//!     scan_native ROUNDS @LIST      (one path per line)
//!
//! Prints the bytes of one round, the dependencies found, and MB/s. Uses the C
//! library because the file interface differs between Zig versions.
const std = @import("std");
const scanning = @import("scan.zig");

const File = opaque {};
const TimeSpec = extern struct { seconds: c_long, nanoseconds: c_long };
const clock_monotonic = 1;

extern "c" fn fopen(path: [*:0]const u8, mode: [*:0]const u8) ?*File;
extern "c" fn fread(buffer: [*]u8, size: usize, count: usize, file: *File) usize;
extern "c" fn ferror(file: *File) c_int;
extern "c" fn fclose(file: *File) c_int;
extern "c" fn printf(format: [*:0]const u8, ...) c_int;
extern "c" fn perror(message: [*:0]const u8) void;
extern "c" fn clock_gettime(clock: c_int, time: *TimeSpec) c_int;

const allocator = std.heap.c_allocator;

pub export fn main(argument_count: c_int, arguments: [*]const [*:0]const u8) c_int {
    run(arguments[1..@intCast(@max(argument_count, 1))]) catch |err| {
        _ = printf("failed: %s\n", @as([*:0]const u8, @errorName(err).ptr));
        return 1;
    };
    return 0;
}

fn run(arguments: []const [*:0]const u8) !void {
    if (arguments.len < 2) return error.ExpectedRoundsAndFiles;
    const rounds = try std.fmt.parseInt(u32, std.mem.span(arguments[0]), 10);
    var sources: std.ArrayList([:0]const u8) = .empty;
    for (arguments[1..]) |argument| {
        if (argument[0] != '@') {
            try sources.append(allocator, try read(argument));
            continue;
        }
        var paths = std.mem.tokenizeScalar(u8, try read(argument + 1), '\n');
        while (paths.next()) |path| {
            const copy = try allocator.allocSentinel(u8, path.len, 0);
            @memcpy(copy, path);
            try sources.append(allocator, try read(copy));
        }
    }
    try measure(sources.items, rounds);
}

fn measure(sources: []const [:0]const u8, rounds: u32) !void {
    var arena: std.heap.ArenaAllocator = .init(allocator);
    var bytes: usize = 0;
    for (sources) |source| bytes += source.len;
    var dependencies: usize = 0;
    var declarations: usize = 0;
    var fastest: u64 = std.math.maxInt(u64);
    for (0..rounds) |_| {
        dependencies = 0;
        declarations = 0;
        const start = now();
        for (sources) |source| {
            const scan = try scanning.scan(arena.allocator(), source, .zig);
            dependencies += scan.dependencies.len;
            declarations += scan.declarations.len;
            _ = arena.reset(.retain_capacity);
        }
        fastest = @min(fastest, now() - start);
    }
    const rate = @as(f64, @floatFromInt(bytes)) * 1e3 / @as(f64, @floatFromInt(@max(fastest, 1)));
    _ = printf(
        "files %zu bytes %zu dependencies %zu declarations %zu MB/s %.1f\n",
        sources.len,
        bytes,
        dependencies,
        declarations,
        rate,
    );
}

fn read(path: [*:0]const u8) ![:0]u8 {
    const file = fopen(path, "rb") orelse {
        perror(path);
        return error.CannotOpen;
    };
    defer _ = fclose(file);
    var content: std.ArrayList(u8) = .empty;
    while (true) {
        const space = try content.addManyAsSlice(allocator, 64 * 1024);
        const length = fread(space.ptr, 1, space.len, file);
        content.shrinkRetainingCapacity(content.items.len - space.len + length);
        if (length < space.len) break;
    }
    if (ferror(file) != 0) return error.CannotRead;
    return content.toOwnedSliceSentinel(allocator, 0);
}

fn now() u64 {
    var time: TimeSpec = undefined;
    if (clock_gettime(clock_monotonic, &time) != 0) unreachable;
    return @as(u64, @intCast(time.seconds)) * 1_000_000_000 + @as(u64, @intCast(time.nanoseconds));
}
