//! World `planner`: lifts a request from the canonical ABI and lowers the
//! actions to it.
const std = @import("std");
const canonical = @import("canonical");
const planning = @import("plan.zig");

/// Safety checks are off in a guest's build and the sandbox contains the rest,
/// so no panic needs a message.
pub const panic = std.debug.no_panic;

const List = canonical.List;
const Option = canonical.Option;
const String = canonical.String;

const Input = extern struct {
    path: String,
    digest: String,

    fn lift(input: Input) planning.Input {
        return .{ .path = input.path.slice(), .digest = input.digest.slice() };
    }
};

const Previous = extern struct {
    zig_version: String,
    optimize: String,
    abi: String,
    inputs: List(Input),

    fn lift(previous: Previous) planning.Previous {
        return .{
            .zig_version = previous.zig_version.slice(),
            .optimize = previous.optimize.slice(),
            .abi = previous.abi.slice(),
            .inputs = liftAll(planning.Input, previous.inputs.slice()),
        };
    }
};

const Presence = extern struct {
    target: String,
    key: String,
    library: bool,
    object: bool,
    remote: bool,
    headers_missing: bool,
    previous: Option(Previous),

    fn lift(presence: Presence) planning.Presence {
        return .{
            .target = presence.target.slice(),
            .key = presence.key.slice(),
            .library = presence.library,
            .object = presence.object,
            .remote = presence.remote,
            .headers_missing = presence.headers_missing,
            .previous = if (presence.previous.is_some) presence.previous.value.lift() else null,
        };
    }
};

const Package = extern struct {
    version: Option(String),

    fn lift(package: Package) planning.Package {
        return .{ .version = if (package.version.is_some) package.version.value.slice() else null };
    }
};

const PluginFailure = extern struct {
    plugin: String,
    stop: bool,

    fn lift(failure: PluginFailure) planning.PluginFailure {
        return .{ .plugin = failure.plugin.slice(), .stop = failure.stop };
    }
};

const Module = extern struct {
    name: String,
    kind: planning.ModuleKind,
    path: String,
    binding: planning.Binding,
    package: Option(Package),
    c_import: bool,
    translate_c: bool,
    optimize: String,
    abi: String,
    inputs: List(Input),
    shadowed_by: Option(String),
    plugin_failure: Option(PluginFailure),
    remote_build: bool,
    targets: List(Presence),

    fn lift(module: Module) planning.Module {
        return .{
            .name = module.name.slice(),
            .kind = module.kind,
            .path = module.path.slice(),
            .binding = module.binding,
            .package = if (module.package.is_some) module.package.value.lift() else null,
            .c_import = module.c_import,
            .translate_c = module.translate_c,
            .optimize = module.optimize.slice(),
            .abi = module.abi.slice(),
            .inputs = liftAll(planning.Input, module.inputs.slice()),
            .shadowed_by = if (module.shadowed_by.is_some) module.shadowed_by.value.slice() else null,
            .plugin_failure = if (module.plugin_failure.is_some) module.plugin_failure.value.lift() else null,
            .remote_build = module.remote_build,
            .targets = liftAll(planning.Presence, module.targets.slice()),
        };
    }
};

const Build = extern struct { route: planning.Route, steps: List(planning.Step) };

const Decision = extern struct {
    tag: enum(u8) { load, restore, fetch, build, refuse, skip },
    payload: extern union { none: u8, build: Build, refusal: planning.Refusal } = .{ .none = 0 },

    fn lower(decision: planning.Decision) Decision {
        return switch (decision) {
            .load => .{ .tag = .load },
            .restore => .{ .tag = .restore },
            .fetch => .{ .tag = .fetch },
            .build => |build| .{ .tag = .build, .payload = .{
                .build = .{ .route = build.route, .steps = .of(build.steps) },
            } },
            .skip => .{ .tag = .skip },
            .refuse => |refusal| .{ .tag = .refuse, .payload = .{ .refusal = refusal } },
        };
    }
};

const Reason = extern struct {
    code: planning.ReasonCode,
    subject: String,
    old: String,
    new: String,
    more: u32,

    fn lower(reason: planning.Reason) Reason {
        return .{
            .code = reason.code,
            .subject = .of(reason.subject),
            .old = .of(reason.old),
            .new = .of(reason.new),
            .more = reason.more,
        };
    }
};

const Action = extern struct {
    module: u32,
    targets: List(String),
    decision: Decision,
    reason: Reason,

    fn lower(action: planning.Action) Action {
        const targets = allocate(String, action.targets.len);
        for (targets, action.targets) |*lowered, target| lowered.* = .of(target);
        return .{
            .module = action.module,
            .targets = .of(targets),
            .decision = .lower(action.decision),
            .reason = .lower(action.reason),
        };
    }
};

/// Memory that runs out is the host's limit: a trap.
fn allocate(comptime T: type, count: usize) []T {
    return canonical.allocator.alloc(T, count) catch @trap();
}

fn liftAll(comptime T: type, elements: anytype) []const T {
    const lifted = allocate(T, elements.len);
    for (lifted, elements) |*value, element| value.* = element.lift();
    return lifted;
}

/// The request has ten flat values, few enough to come as parameters.
fn plan(
    modules: ?[*]const Module,
    modules_length: usize,
    toolchain_is_some: u32,
    toolchain_path: ?[*]const u8,
    toolchain_path_length: usize,
    version_is_some: u32,
    version: ?[*]const u8,
    version_length: usize,
    native: u32,
    force_rebuild: u32,
) callconv(.c) *const List(Action) {
    const toolchain: planning.Toolchain = .{
        .path = if (toolchain_is_some != 0) canonical.lift(u8, toolchain_path, toolchain_path_length) else "",
        .version = if (version_is_some != 0) canonical.lift(u8, version, version_length) else null,
    };
    const actions = planning.plan(canonical.allocator, .{
        .modules = liftAll(planning.Module, canonical.lift(Module, modules, modules_length)),
        .toolchain = if (toolchain_is_some != 0) toolchain else null,
        .native = std.enums.values(planning.NativePolicy)[native],
        .force_rebuild = force_rebuild != 0,
    }) catch @trap();
    const lowered = allocate(Action, actions.len);
    for (lowered, actions) |*element, action| element.* = .lower(action);
    const answer = canonical.create(List(Action));
    answer.* = .of(lowered);
    return answer;
}

fn postPlan(_: *const List(Action)) callconv(.c) void {
    canonical.freeAll();
}

comptime {
    canonical.exportRealloc();
    @export(&plan, .{ .name = "plan" });
    @export(&postPlan, .{ .name = "cabi_post_plan" });

    canonical.assertLayout(Input, 16, "digest", 8);
    canonical.assertLayout(Previous, 32, "inputs", 24);
    canonical.assertLayout(Presence, 56, "previous", 20);
    canonical.assertLayout(Package, 12, "version", 0);
    canonical.assertLayout(PluginFailure, 12, "stop", 8);
    canonical.assertLayout(Module, 108, "targets", 100);
    canonical.assertLayout(Build, 12, "steps", 4);
    canonical.assertLayout(Decision, 16, "payload", 4);
    canonical.assertLayout(Reason, 32, "more", 28);
    canonical.assertLayout(Action, 60, "reason", 28);
}
