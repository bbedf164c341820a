//! Builds one extension module for several targets in one graph.
//!
//! Invariants:
//! - This file is constant for a release: everything that varies between two
//!   builds comes from the request file, so the compiled form of this file is
//!   made once per cache and never once per module.
//! - Each target emits one file, `<prefix>/<label>/<output>`, and nothing else
//!   is installed. A target that fails to compile does not stop the others: the
//!   files that are present afterwards are the targets that succeeded.
//! - No path is guessed: every path in a request is absolute.
//!
//! The same source serves Zig 0.15, 0.16 and 0.17.

const std = @import("std");

/// Bounds the request: 64 targets with paths of the longest length Linux allows
/// stay below it.
const request_bytes_max = 1 << 20;

/// Bounds the graph; more targets than a package index has platforms is a bug of
/// the caller.
const targets_max = 64;

/// What to build. Mirrors the caller's serialization field by field; an unknown
/// or a missing field is an error, so that the two cannot drift apart silently.
const Request = struct {
    /// Name of the compiled unit: the soname of an ELF library is `lib<name>.so`.
    name: []const u8,
    optimize: Optimize,
    strip: bool,
    /// Root source file: exports the module's init function.
    root: []const u8,
    /// Root source file of `@import("zigimport")`.
    binding: []const u8,
    /// Root source file of `@import("user")`.
    user: []const u8,
    /// Root source file of `@import("declarations")`.
    declarations: []const u8,
    /// C files to compile along with `user`, and flags for them.
    c_sources: []const []const u8,
    c_flags: []const []const u8,
    /// Where they and `@cInclude` look for headers.
    include_paths: []const []const u8,
    /// System libraries, without `lib`.
    libraries: []const []const u8,
    targets: []const Target,
};

const Target = struct {
    /// Name of the directory below the prefix; unique in a request.
    label: []const u8,
    /// Target triple with its version, such as `aarch64-linux-gnu.2.17`.
    triple: []const u8,
    /// CPU model and features, such as `baseline` or `baseline-extended_const`.
    cpu: []const u8,
    libc: bool,
    /// File name of the built library.
    output: []const u8,
    /// Module definition of the Python library to import from, for Windows
    /// targets only; empty elsewhere.
    python_def: []const u8,
};

/// Spelled as Zig 0.15 and 0.16 spell it; 0.17 has new names.
const Optimize = enum {
    Debug,
    ReleaseSafe,
    ReleaseFast,
    ReleaseSmall,

    fn mode(optimize: Optimize) std.builtin.OptimizeMode {
        return switch (optimize) {
            .Debug => .Debug,
            .ReleaseSafe => .ReleaseSafe,
            .ReleaseFast => .ReleaseFast,
            .ReleaseSmall => .ReleaseSmall,
        };
    }
};

pub fn build(b: *std.Build) void {
    const path = b.option([]const u8, "request", "Absolute path of the request file") orelse
        fail("the option `-Drequest` is missing", .{});
    if (!std.fs.path.isAbsolute(path)) fail("the request path `{s}` is not absolute", .{path});
    // Zig 0.17 keeps the configured graph and would answer a changed request with
    // the graph of the old one. Declaring the file as a dependency is not enough: a
    // change of the same size with a restored timestamp would go unseen.
    if (@hasDecl(std.Build.Graph, "poisonCache")) b.graph.poisonCache();

    const request = parse(b.allocator, read(b, path));
    check(request);

    const modules: Modules = .create(b, request);
    for (request.targets) |target| {
        const library = addExtension(b, request, modules, target);
        const install = b.addInstallFile(
            library.getEmittedBin(),
            b.pathJoin(&.{ target.label, target.output }),
        );
        b.getInstallStep().dependOn(&install.step);
    }
}

/// The modules that are the same for every target. They name no target of their
/// own and so take that of the root module which imports them.
const Modules = struct {
    zigimport: *std.Build.Module,
    user: *std.Build.Module,
    declarations: *std.Build.Module,

    fn create(b: *std.Build, request: Request) Modules {
        const modules: Modules = .{
            .zigimport = b.createModule(.{ .root_source_file = absolute(request.binding) }),
            .user = b.createModule(.{ .root_source_file = absolute(request.user) }),
            .declarations = b.createModule(.{ .root_source_file = absolute(request.declarations) }),
        };
        modules.user.addImport("zigimport", modules.zigimport);
        for (request.c_sources) |path| {
            modules.user.addCSourceFile(.{ .file = absolute(path), .flags = request.c_flags });
        }
        for (request.include_paths) |path| modules.user.addIncludePath(absolute(path));
        for (request.libraries) |name| modules.user.linkSystemLibrary(name, .{});
        return modules;
    }
};

fn addExtension(
    b: *std.Build,
    request: Request,
    modules: Modules,
    target: Target,
) *std.Build.Step.Compile {
    const query = std.Build.parseTargetQuery(.{
        .arch_os_abi = target.triple,
        .cpu_features = target.cpu,
    }) catch fail("the target `{s}` is not known to this Zig", .{target.triple});
    const resolved = b.resolveTargetQuery(query);
    const wasm = resolved.result.cpu.arch.isWasm();

    const root = b.createModule(.{
        .root_source_file = absolute(request.root),
        .target = resolved,
        .optimize = request.optimize.mode(),
        .strip = request.strip,
        // `false` would refuse a module that asks for libc itself.
        .link_libc = if (target.libc) true else null,
        // A WebAssembly side module is relocated by its loader; everywhere else
        // a dynamic library is position independent already.
        .pic = if (wasm) true else null,
    });
    root.addImport("zigimport", modules.zigimport);
    root.addImport("user", modules.user);
    root.addImport("declarations", modules.declarations);

    const library = b.addLibrary(.{
        .name = request.name,
        .linkage = .dynamic,
        .root_module = root,
    });
    // Messages name the step: the label says which target failed.
    library.step.name = b.fmt("compile {s} for {s}", .{ request.name, target.label });
    // Without C, nothing calls this runtime.
    if (request.c_sources.len == 0) library.bundle_ubsan_rt = false;
    if (wasm) library.import_symbols = true;
    if (resolved.result.os.tag == .windows) {
        // Windows binds each symbol to a library when linking, so that a symbol
        // which Python lacks has to be an error: its linker would only warn.
        root.addObjectFile(addImportLibrary(b, resolved.result.cpu.arch, target));
    } else {
        // The interpreter that loads the library provides Python's symbols.
        library.linker_allow_shlib_undefined = true;
    }
    if (resolved.result.os.tag == .macos) {
        // Without a name the linker records the output path of this machine.
        library.install_name = b.fmt("@rpath/{s}", .{target.output});
    }
    return library;
}

/// Makes the import library of Python's DLL from its module definition.
fn addImportLibrary(
    b: *std.Build,
    arch: std.Target.Cpu.Arch,
    target: Target,
) std.Build.LazyPath {
    const machine = switch (arch) {
        .x86 => "i386",
        .x86_64 => "i386:x86-64",
        .aarch64 => "arm64",
        else => fail("the target `{s}` has no import library format", .{target.triple}),
    };
    checkAbsolute(target.python_def);
    const run = b.addSystemCommand(&.{ b.graph.zig_exe, "dlltool", "-m", machine, "-d" });
    run.setName(b.fmt("import library for {s}", .{target.label}));
    run.addFileArg(absolute(target.python_def));
    run.addArg("-l");
    return run.addOutputFileArg("python3.lib");
}

fn absolute(path: []const u8) std.Build.LazyPath {
    return .{ .cwd_relative = path };
}

fn read(b: *std.Build, path: []const u8) []const u8 {
    const result = if (@hasField(std.Build.Graph, "io"))
        std.Io.Dir.cwd().readFileAlloc(b.graph.io, path, b.allocator, .limited(request_bytes_max))
    else
        std.fs.cwd().readFileAlloc(b.allocator, path, request_bytes_max);
    return result catch |err| fail("failed to read the request `{s}`: {s}", .{ path, @errorName(err) });
}

fn parse(arena: std.mem.Allocator, source: []const u8) Request {
    return std.json.parseFromSliceLeaky(Request, arena, source, .{}) catch |err|
        fail("failed to parse the request: {s}", .{@errorName(err)});
}

/// Refuses a request that would write outside the prefix or install two targets
/// over each other.
fn check(request: Request) void {
    if (request.targets.len > targets_max) fail("the request names more than {d} targets", .{targets_max});
    checkFileName(request.name);
    for ([_][]const u8{ request.root, request.binding, request.user, request.declarations }) |path|
        checkAbsolute(path);
    for (request.c_sources) |path| checkAbsolute(path);
    for (request.include_paths) |path| checkAbsolute(path);
    for (request.targets, 0..) |target, index| {
        checkFileName(target.label);
        checkFileName(target.output);
        for (request.targets[0..index]) |earlier| {
            if (std.mem.eql(u8, earlier.label, target.label))
                fail("the request names the label `{s}` twice", .{target.label});
        }
    }
}

fn checkAbsolute(path: []const u8) void {
    if (!std.fs.path.isAbsolute(path)) fail("the path `{s}` is not absolute", .{path});
}

fn checkFileName(name: []const u8) void {
    const special = name.len == 0 or std.mem.eql(u8, name, ".") or std.mem.eql(u8, name, "..");
    if (special or std.mem.indexOfAny(u8, name, "/\\") != null)
        fail("`{s}` is not a file name", .{name});
}

/// Ends the configuration with a plain message: a returned error would print a
/// stack trace of this file instead.
fn fail(comptime format: []const u8, arguments: anytype) noreturn {
    std.process.fatal(format, arguments);
}
