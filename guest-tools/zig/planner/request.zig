//! What the planner is told, as values.

pub const ModuleKind = enum(u8) { file, package, project };

pub const Binding = enum(u8) { plain, python_h, init_function, pyoz, pyz3, pydust };

pub const NativePolicy = enum(u8) { auto, never, sandbox_required, unconfined };

pub const Input = struct { path: []const u8, digest: []const u8 };

pub const Toolchain = struct { path: []const u8, version: ?[]const u8 };

pub const Previous = struct {
    zig_version: []const u8,
    optimize: []const u8,
    abi: []const u8,
    inputs: []const Input,
};

pub const Presence = struct {
    target: []const u8,
    key: []const u8,
    library: bool,
    object: bool,
    remote: bool,
    headers_missing: bool = false,
    previous: ?Previous,
};

pub const PluginFailure = struct { plugin: []const u8, stop: bool };

pub const Package = struct { version: ?[]const u8 };

pub const Module = struct {
    name: []const u8,
    kind: ModuleKind,
    path: []const u8,
    binding: Binding,
    package: ?Package = null,
    c_import: bool,
    translate_c: bool,
    optimize: []const u8,
    abi: []const u8,
    inputs: []const Input,
    shadowed_by: ?[]const u8 = null,
    plugin_failure: ?PluginFailure = null,
    remote_build: bool = false,
    targets: []const Presence,
};

pub const Request = struct {
    modules: []const Module,
    toolchain: ?Toolchain,
    native: NativePolicy,
    force_rebuild: bool,
};
