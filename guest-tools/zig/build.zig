//! Builds and tests the guests for work on them. The host's build calls the
//! compiler itself, because `zig build` costs many times as much.
//!
//!     zig build test     native unit tests of both guests
//!     zig build          the guests and the native scanner, for measuring
const std = @import("std");

const guests = [_]struct { name: []const u8, root: []const u8, tests: []const u8 }{
    .{ .name = "scanner", .root = "scanner/guest.zig", .tests = "scanner/scan_test.zig" },
    .{ .name = "planner", .root = "planner/guest.zig", .tests = "planner/plan_test.zig" },
};

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const wasm = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding });
    const test_step = b.step("test", "Run the native unit tests");

    for (guests) |guest| {
        const canonical = b.createModule(.{
            .root_source_file = b.path("canonical.zig"),
            .target = wasm,
            .optimize = .ReleaseFast,
            .strip = true,
        });
        const component = b.addExecutable(.{
            .name = guest.name,
            .root_module = b.createModule(.{
                .root_source_file = b.path(guest.root),
                .target = wasm,
                .optimize = .ReleaseFast,
                .strip = true,
                .imports = &.{.{ .name = "canonical", .module = canonical }},
            }),
        });
        component.entry = .disabled;
        component.rdynamic = true;
        b.installArtifact(component);

        const tests = b.addTest(.{
            .name = guest.name,
            .root_module = b.createModule(.{
                .root_source_file = b.path(guest.tests),
                .target = target,
                .optimize = optimize,
            }),
        });
        test_step.dependOn(&b.addRunArtifact(tests).step);
    }

    const scan_native = b.addExecutable(.{
        .name = "scan_native",
        .root_module = b.createModule(.{
            .root_source_file = b.path("scanner/scan_native.zig"),
            .target = target,
            .optimize = .ReleaseFast,
            .link_libc = true,
        }),
    });
    b.installArtifact(scan_native);
}
