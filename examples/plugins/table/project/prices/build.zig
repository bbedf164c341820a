//! Makes Zig of `prices.table` and of the tables that it includes, and a Python module of that.
const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});

    var text: std.ArrayList(u8) = .empty;
    append(b, &text, "prices.table");
    const table = b.addWriteFiles().add("table.zig", text.items);

    const module = b.createModule(.{
        .root_source_file = b.path("src/root.zig"),
        .target = target,
        .optimize = optimize,
    });
    module.addAnonymousImport("table", .{ .root_source_file = table });
    const library = b.addLibrary(.{ .name = "prices", .linkage = .dynamic, .root_module = module });
    // Python itself has the functions of its C API.
    library.linker_allow_shlib_undefined = true;
    b.installArtifact(library);
}

/// Adds a declaration for each line of a table.
fn append(b: *std.Build, text: *std.ArrayList(u8), path: []const u8) void {
    var lines = std.mem.tokenizeScalar(u8, read(b, path), '\n');
    while (lines.next()) |line| {
        const entry = std.mem.trim(u8, line[0 .. std.mem.indexOfScalar(u8, line, '#') orelse line.len], " \t\r");
        if (entry.len == 0) continue;
        if (std.mem.startsWith(u8, entry, "include ")) {
            const included = std.mem.trim(u8, entry["include ".len..], " \t");
            append(b, text, b.pathJoin(&.{ std.fs.path.dirname(path) orelse ".", included }));
        } else {
            text.appendSlice(b.allocator, b.fmt("pub const {s};\n", .{entry})) catch @panic("out of memory");
        }
    }
}

/// Reads a file that is named relative to the folder of this one.
fn read(b: *std.Build, name: []const u8) []const u8 {
    const path = if (@hasField(std.Build, "root"))
        b.root.joinString(b.allocator, name) catch @panic("out of memory")
    else
        b.pathFromRoot(name);
    const bytes_max = 1 << 20;
    const bytes = if (@hasDecl(std.fs, "cwd"))
        std.fs.cwd().readFileAlloc(b.allocator, path, bytes_max)
    else
        std.Io.Dir.cwd().readFileAlloc(b.graph.io, path, b.allocator, .limited(bytes_max));
    return bytes catch |failure| std.debug.panic("failed to read `{s}`: {t}", .{ path, failure });
}
