//! What the planner decides, as values.

pub const Route = enum(u8) { compiler, graph, project };

pub const Step = enum(u8) { probe_version, translate_c, compile, compress, publish };

pub const Build = struct { route: Route, steps: []const Step };

pub const Refusal = enum(u8) {
    native_forbidden,
    zig_missing,
    zig_unsupported,
    c_import_removed,
    binding_needs_project,
    binding_missing,
    binding_zig,
    binding_python,
    headers_missing,
    sandbox_unavailable,
    plugin_failed,
};

pub const Decision = union(enum) { load, restore, fetch, build: Build, refuse: Refusal, skip };

pub const ReasonCode = enum(u8) {
    unchanged,
    first_build,
    input_changed,
    input_added,
    input_removed,
    compiler_changed,
    optimize_changed,
    abi_changed,
    artifact_missing,
    forced,
    object_present,
    remote_present,
    refused,
    shadowed,
    plugin_failed,
};

pub const Reason = struct {
    code: ReasonCode,
    subject: []const u8 = "",
    old: []const u8 = "",
    new: []const u8 = "",
    /// Further inputs that changed.
    more: u32 = 0,
};

pub const Action = struct {
    /// Index into the modules of the request.
    module: u32,
    targets: []const []const u8,
    decision: Decision,
    reason: Reason,
};
