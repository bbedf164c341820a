//! Decides what has to be done for modules to be loadable, and why.
//!
//! Invariants: no I/O, no globals; the answer depends on the request only.
//! Every target of every module is in exactly one action.
const std = @import("std");
const requests = @import("request.zig");
const actions = @import("action.zig");
const libraries = @import("libraries.zig");
const reasons = @import("reasons.zig");
const Allocator = std.mem.Allocator;
const assert = std.debug.assert;
const number = @import("number.zig").parse;

pub const Action = actions.Action;
pub const Binding = requests.Binding;
pub const Build = actions.Build;
pub const Decision = actions.Decision;
pub const Input = requests.Input;
pub const Module = requests.Module;
pub const ModuleKind = requests.ModuleKind;
pub const NativePolicy = requests.NativePolicy;
pub const Package = requests.Package;
pub const PluginFailure = requests.PluginFailure;
pub const Presence = requests.Presence;
pub const Previous = requests.Previous;
pub const Reason = actions.Reason;
pub const ReasonCode = actions.ReasonCode;
pub const Refusal = actions.Refusal;
pub const Request = requests.Request;
pub const Route = actions.Route;
pub const Step = actions.Step;
pub const Toolchain = requests.Toolchain;

/// The minor versions of Zig 0 that are supported, in their releases.
const zig_minor_min = 15;
const zig_minor_max = 17;

/// `@cImport` is gone from here on.
const zig_minor_without_c_import = 17;

/// Returns the actions in the order in which they should be done: what makes a
/// module loadable soonest comes first, refusals and what is skipped last, and
/// within each kind the order of the request holds. Borrows from `request` and from `arena`, whose
/// memory is not freed here, on success or failure.
pub fn plan(arena: Allocator, request: Request) Allocator.Error![]const Action {
    var planner: Planner = .{ .arena = arena, .request = request };
    for (request.modules, 0..) |module, index| try planner.takeModule(module, @intCast(index));
    return std.mem.concat(arena, Action, &.{
        planner.loads.items,
        planner.restores.items,
        planner.fetches.items,
        planner.builds.items,
        planner.refusals.items,
        planner.skips.items,
    });
}

const Planner = struct {
    arena: Allocator,
    request: Request,
    loads: std.ArrayList(Action) = .empty,
    restores: std.ArrayList(Action) = .empty,
    fetches: std.ArrayList(Action) = .empty,
    builds: std.ArrayList(Action) = .empty,
    refusals: std.ArrayList(Action) = .empty,
    skips: std.ArrayList(Action) = .empty,

    fn takeModule(planner: *Planner, module: Module, index: u32) Allocator.Error!void {
        if (module.shadowed_by) |subject| return planner.skip(module, index, subject);
        if (module.plugin_failure) |failure| {
            if (failure.stop) return planner.refuse(module, index, module.targets, .plugin_failed);
        }
        // What a plugin did not name may have changed since anything was stored.
        const force_rebuild = planner.request.force_rebuild or module.plugin_failure != null;
        var missing: std.ArrayList(Presence) = .empty;
        for (module.targets) |presence| {
            switch (shortcut(presence, force_rebuild)) {
                .load => try planner.add(&planner.loads, index, presence, .load, .unchanged),
                .restore => try planner.add(&planner.restores, index, presence, .restore, .object_present),
                .fetch => try planner.add(&planner.fetches, index, presence, .fetch, .remote_present),
                .none => try missing.append(planner.arena, presence),
            }
        }
        if (missing.items.len == 0) return;
        if (refusal(module, planner.request.toolchain, planner.request.native)) |refused| {
            return planner.refuse(module, index, missing.items, refused);
        }
        var buildable: std.ArrayList(Presence) = .empty;
        for (missing.items) |presence| {
            if (presence.headers_missing) {
                try planner.refuse(module, index, &.{presence}, .headers_missing);
            } else {
                try buildable.append(planner.arena, presence);
            }
        }
        if (buildable.items.len == 0) return;
        // The user's build file knows one target per run, the graph only makes
        // modules that our binding exports, and an executor gets one compile each.
        const is_graph = module.kind != .project and module.binding == .plain and !module.remote_build;
        if (is_graph) return planner.build(module, index, buildable.items);
        for (buildable.items) |*presence| try planner.build(module, index, presence[0..1]);
    }

    fn skip(planner: *Planner, module: Module, index: u32, subject: []const u8) Allocator.Error!void {
        if (module.targets.len == 0) return;
        try planner.skips.append(planner.arena, .{
            .module = index,
            .targets = try planner.targets(module.targets),
            .decision = .skip,
            .reason = .{ .code = .shadowed, .subject = subject },
        });
    }

    fn add(
        planner: *Planner,
        list: *std.ArrayList(Action),
        index: u32,
        presence: Presence,
        decision: Decision,
        code: ReasonCode,
    ) Allocator.Error!void {
        try list.append(planner.arena, .{
            .module = index,
            .targets = try planner.targets(&.{presence}),
            .decision = decision,
            .reason = .{ .code = code },
        });
    }

    fn refuse(
        planner: *Planner,
        module: Module,
        index: u32,
        missing: []const Presence,
        refused: Refusal,
    ) Allocator.Error!void {
        // The version says something where another one would have done.
        const new = switch (refused) {
            .zig_unsupported, .c_import_removed, .binding_zig => planner.zigVersion().?,
            .binding_python => try std.mem.concat(planner.arena, u8, &.{ "3.", libraries.pythonMinor(module.abi).? }),
            else => "",
        };
        const old = switch (refused) {
            .binding_missing, .binding_zig => libraries.find(module).?.zig_line,
            .binding_python => libraries.find(module).?.python_min,
            else => "",
        };
        for (missing) |presence| try planner.refusals.append(planner.arena, .{
            .module = index,
            .targets = try planner.targets(&.{presence}),
            .decision = .{ .refuse = refused },
            .reason = .{ .code = .refused, .subject = module.path, .old = old, .new = new },
        });
    }

    /// Adds one build for all the targets in `missing`.
    fn build(planner: *Planner, module: Module, index: u32, missing: []const Presence) Allocator.Error!void {
        assert(missing.len > 0);
        assert(planner.request.toolchain != null);
        const version = planner.zigVersion();
        var steps: std.ArrayList(Step) = .empty;
        if (version == null) try steps.append(planner.arena, .probe_version);
        if (module.translate_c or libraries.isTranslated(module)) try steps.append(planner.arena, .translate_c);
        try steps.append(planner.arena, .compile);
        if (module.plugin_failure == null) try steps.appendSlice(planner.arena, &.{ .compress, .publish });
        const route: Route = if (module.kind == .project) .project else if (missing.len == 1) .compiler else .graph;
        const force_rebuild = planner.request.force_rebuild;
        try planner.builds.append(planner.arena, .{
            .module = index,
            .targets = try planner.targets(missing),
            .decision = .{ .build = .{ .route = route, .steps = steps.items } },
            .reason = try reasons.forBuild(planner.arena, module, missing[0], version, force_rebuild),
        });
    }

    fn targets(planner: *Planner, presences: []const Presence) Allocator.Error![]const []const u8 {
        const names = try planner.arena.alloc([]const u8, presences.len);
        for (names, presences) |*name, presence| name.* = presence.target;
        return names;
    }

    fn zigVersion(planner: *const Planner) ?[]const u8 {
        const toolchain = planner.request.toolchain orelse return null;
        return toolchain.version;
    }
};

/// The cheapest way to the artifact without building it.
fn shortcut(presence: Presence, force_rebuild: bool) enum { load, restore, fetch, none } {
    if (force_rebuild) return .none;
    if (presence.library) return .load;
    if (presence.object) return .restore;
    if (presence.remote) return .fetch;
    return .none;
}

/// Returns why `module` cannot be built, if so. The first of several reasons
/// that apply is the one that the user has to solve first.
fn refusal(module: Module, toolchain: ?Toolchain, native: NativePolicy) ?Refusal {
    // Without the library's sources not even a look into the cache is possible.
    if (libraries.missing(module)) |refused| return refused;
    if (native == .never and !module.remote_build) return .native_forbidden;
    const zig = toolchain orelse return .zig_missing;
    // To ask a compiler for its version is to run it here.
    if (native == .never and zig.version == null) return .native_forbidden;
    const minor: ?u32 = if (zig.version) |version| supportedMinor(version) orelse return .zig_unsupported else null;
    if (libraries.refusal(module, minor)) |refused| return refused;
    // A project's own build file may do this.
    const removed = minor != null and minor.? >= zig_minor_without_c_import;
    if (module.kind != .project and module.c_import and removed) return .c_import_removed;
    // Whether confinement works is not in the request: the host sends this policy
    // only where it does not, and a request that says so fails closed.
    if (native == .sandbox_required and !module.remote_build) return .sandbox_unavailable;
    return null;
}

/// Returns the minor version of a supported release such as `0.15.2`, null for
/// any other and for development builds.
fn supportedMinor(version: []const u8) ?u32 {
    var parts = std.mem.splitScalar(u8, version, '.');
    const major = number(parts.next() orelse return null) orelse return null;
    const minor = number(parts.next() orelse return null) orelse return null;
    _ = number(parts.next() orelse return null) orelse return null;
    if (parts.next() != null) return null;
    if (major != 0 or minor < zig_minor_min or minor > zig_minor_max) return null;
    return minor;
}
