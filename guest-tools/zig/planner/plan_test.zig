//! Native tests of the planner, one rule each, then what holds for every plan.
const std = @import("std");
const planning = @import("plan.zig");
const testing = std.testing;
const expect = testing.expect;
const expectEqual = testing.expectEqual;
const expectEqualStrings = testing.expectEqualStrings;

const input_a: planning.Input = .{ .path = "a.zig", .digest = "a1" };
const input_b: planning.Input = .{ .path = "b.zig", .digest = "b1" };
const input_c: planning.Input = .{ .path = "c.zig", .digest = "c1" };

/// What `module_default` would leave behind.
const previous_default: planning.Previous = .{
    .zig_version = "0.16.0",
    .optimize = "ReleaseSafe",
    .abi = "abi3",
    .inputs = &.{ input_a, input_b },
};

const nothing: planning.Presence = .{
    .target = "t",
    .key = "k",
    .library = false,
    .object = false,
    .remote = false,
    .previous = null,
};

const module_default: planning.Module = .{
    .name = "m",
    .kind = .file,
    .path = "m.zig",
    .binding = .plain,
    .c_import = false,
    .translate_c = false,
    .optimize = "ReleaseSafe",
    .abi = "abi3",
    .inputs = &.{ input_a, input_b },
    .targets = &.{nothing},
};

const request_default: planning.Request = .{
    .modules = &.{module_default},
    .toolchain = .{ .path = "zig", .version = "0.16.0" },
    .native = .auto,
    .force_rebuild = false,
};

/// A changed copy of `base`. A list has to be a pointer to an array: any other
/// literal would be converted in here and not outlive the call.
fn with(base: anytype, changes: anytype) @TypeOf(base) {
    var changed = base;
    inline for (comptime std.meta.fieldNames(@TypeOf(changes))) |name| @field(changed, name) = @field(changes, name);
    return changed;
}

fn expectPlan(request: planning.Request, expected: []const planning.Action) !void {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    const found = try planning.plan(arena.allocator(), request);
    try expectEqual(expected.len, found.len);
    for (expected, found) |wanted, action| try expectAction(wanted, action);
}

fn expectAction(wanted: planning.Action, found: planning.Action) !void {
    try expectEqual(wanted.module, found.module);
    try expectEqual(wanted.targets.len, found.targets.len);
    for (wanted.targets, found.targets) |target, other| try expectEqualStrings(target, other);
    try expectEqual(std.meta.activeTag(wanted.decision), std.meta.activeTag(found.decision));
    switch (wanted.decision) {
        .build => |build| {
            try expectEqual(build.route, found.decision.build.route);
            try testing.expectEqualSlices(planning.Step, build.steps, found.decision.build.steps);
        },
        .refuse => |refusal| try expectEqual(refusal, found.decision.refuse),
        .load, .restore, .fetch, .skip => {},
    }
    try expectReason(wanted.reason, found.reason);
}

fn expectReason(wanted: planning.Reason, found: planning.Reason) !void {
    try expectEqual(wanted.code, found.code);
    try expectEqualStrings(wanted.subject, found.subject);
    try expectEqualStrings(wanted.old, found.old);
    try expectEqualStrings(wanted.new, found.new);
    try expectEqual(wanted.more, found.more);
}

/// Plans one module with one target and compares the only action.
fn expectSingle(request: planning.Request, decision: planning.Decision, reason: planning.Reason) !void {
    try expectPlan(request, &.{.{ .module = 0, .targets = &.{"t"}, .decision = decision, .reason = reason }});
}

fn expectRefusal(request: planning.Request, refusal: planning.Refusal, new: []const u8) !void {
    try expectBindingRefusal(request, refusal, "", new);
}

/// A refusal that says what goes together beside what is at hand.
fn expectBindingRefusal(request: planning.Request, refusal: planning.Refusal, old: []const u8, new: []const u8) !void {
    try expectSingle(request, .{ .refuse = refusal }, .{ .code = .refused, .subject = "m.zig", .old = old, .new = new });
}

const build_default: planning.Decision = .{ .build = .{
    .route = .compiler,
    .steps = &.{ .compile, .compress, .publish },
} };

/// A request for a module, with the memory for it.
const Single = struct {
    modules: [1]planning.Module,
    targets: [1]planning.Presence,

    fn request(single: *Single, module: planning.Module, presence: planning.Presence, base: planning.Request) planning.Request {
        single.targets = .{presence};
        single.modules = .{with(module, .{ .targets = &single.targets })};
        return with(base, .{ .modules = &single.modules });
    }
};

test "the cheapest way to the artifact" {
    var single: Single = undefined;
    const all = with(nothing, .{ .library = true, .object = true, .remote = true });
    const packed_only = with(all, .{ .library = false });
    const remote_only = with(packed_only, .{ .object = false });
    // No Zig, no permission: neither is needed.
    const base = with(request_default, .{ .toolchain = null, .native = planning.NativePolicy.never });
    try expectSingle(single.request(module_default, all, base), .load, .{ .code = .unchanged });
    try expectSingle(single.request(module_default, packed_only, base), .restore, .{ .code = .object_present });
    try expectSingle(single.request(module_default, remote_only, base), .fetch, .{ .code = .remote_present });
    try expectRefusal(single.request(module_default, nothing, base), .native_forbidden, "");
}

test "what an import does not come to is skipped, whatever else holds" {
    const shadowed: planning.Action = .{
        .module = 0,
        .targets = &.{ "t", "u" },
        .decision = .skip,
        .reason = .{ .code = .shadowed, .subject = "m.py" },
    };
    const both: []const planning.Presence = &.{ with(nothing, .{ .library = true }), with(nothing, .{ .target = "u" }) };
    const module = with(module_default, .{ .shadowed_by = "m.py", .targets = both });
    for ([_]bool{ false, true }) |force_rebuild| for ([_]planning.NativePolicy{ .auto, .never }) |native| {
        try expectPlan(
            with(request_default, .{ .modules = &.{module}, .force_rebuild = force_rebuild, .native = native }),
            &.{shadowed},
        );
    };
}

test "a forced rebuild uses nothing that is there" {
    var single: Single = undefined;
    const all = with(nothing, .{ .library = true, .object = true, .remote = true, .previous = previous_default });
    const request = single.request(module_default, all, with(request_default, .{ .force_rebuild = true }));
    try expectSingle(request, build_default, .{ .code = .forced });
}

test "after a plugin failed nothing that is there is used, and nothing is kept" {
    var single: Single = undefined;
    const all = with(nothing, .{ .library = true, .object = true, .remote = true, .previous = previous_default });
    const reason: planning.Reason = .{ .code = .plugin_failed, .subject = "p" };
    const once: planning.Decision = .{ .build = .{ .route = .compiler, .steps = &.{.compile} } };
    const goes_on = with(module_default, .{ .plugin_failure = planning.PluginFailure{ .plugin = "p", .stop = false } });
    for ([_]bool{ false, true }) |force_rebuild| {
        const base = with(request_default, .{ .force_rebuild = force_rebuild });
        try expectSingle(single.request(goes_on, all, base), once, reason);
    }
    const never = with(request_default, .{ .native = planning.NativePolicy.never });
    try expectRefusal(single.request(goes_on, all, never), .native_forbidden, "");
    const stops = with(module_default, .{ .plugin_failure = planning.PluginFailure{ .plugin = "p", .stop = true } });
    try expectRefusal(single.request(stops, all, request_default), .plugin_failed, "");
    try expectRefusal(single.request(stops, all, never), .plugin_failed, "");
    const shadowed = with(stops, .{ .shadowed_by = "m.py" });
    try expectSingle(single.request(shadowed, all, never), .skip, .{ .code = .shadowed, .subject = "m.py" });
}

test "refusals, each before those that it would hide" {
    var single: Single = undefined;
    var module = with(module_default, .{ .c_import = true });
    var base = with(request_default, .{ .toolchain = null, .native = planning.NativePolicy.never });
    try expectRefusal(single.request(module, nothing, base), .native_forbidden, "");
    base.native = .sandbox_required;
    try expectRefusal(single.request(module, nothing, base), .zig_missing, "");
    base.toolchain = .{ .path = "zig", .version = "0.14.1" };
    try expectRefusal(single.request(module, nothing, base), .zig_unsupported, "0.14.1");
    base.toolchain = .{ .path = "zig", .version = "0.17.0" };
    module.binding = .pyoz;
    try expectRefusal(single.request(module, nothing, base), .binding_needs_project, "");
    module.binding = .python_h;
    try expectRefusal(single.request(module, nothing, base), .c_import_removed, "0.17.0");
    module.c_import = false;
    try expectRefusal(single.request(module, nothing, base), .sandbox_unavailable, "");
    base.native = .unconfined;
    try expectSingle(single.request(module, nothing, base), build_default, .{ .code = .first_build });
}

test "what a remote executor compiles needs no permission for this machine" {
    var single: Single = undefined;
    const module = with(module_default, .{ .remote_build = true });
    for ([_]planning.NativePolicy{ .auto, .never, .sandbox_required, .unconfined }) |native| {
        const base = with(request_default, .{ .native = native });
        try expectSingle(single.request(module, nothing, base), build_default, .{ .code = .first_build });
    }
    const never = with(withZig(null), .{ .native = planning.NativePolicy.never });
    try expectRefusal(single.request(module, nothing, never), .native_forbidden, "");
    const missing = with(never, .{ .toolchain = null });
    try expectRefusal(single.request(module, nothing, missing), .zig_missing, "");
    const targets = [_]planning.Presence{ nothing, with(nothing, .{ .target = "u" }) };
    const both = with(module, .{ .targets = &targets });
    try expectPlan(with(request_default, .{ .modules = &.{both} }), &.{
        .{ .module = 0, .targets = &.{"t"}, .decision = build_default, .reason = .{ .code = .first_build } },
        .{ .module = 0, .targets = &.{"u"}, .decision = build_default, .reason = .{ .code = .first_build } },
    });
}

test "versions of Zig" {
    var single: Single = undefined;
    inline for (.{ "0.15.0", "0.15.2", "0.16.0", "0.17.0", "0.17.12" }) |version| {
        const base = with(request_default, .{ .toolchain = planning.Toolchain{ .path = "zig", .version = version } });
        try expectSingle(single.request(module_default, nothing, base), build_default, .{ .code = .first_build });
    }
    inline for (.{
        "",       "0",       "0.16",       "0.16.",    "0.16.x",              "0.16.0.1",        "0.14.0",   "0.18.0",
        "1.16.0", "+0.16.0", "0.16.0-dev", "0.16.0+a", "0.16.0-dev.1+abcdef", "0.99999999999.0", "00.1 6.0", "0.+16.0",
    }) |version| {
        const base = with(request_default, .{ .toolchain = planning.Toolchain{ .path = "zig", .version = version } });
        try expectRefusal(single.request(module_default, nothing, base), .zig_unsupported, version);
    }
}

fn withZig(version: ?[]const u8) planning.Request {
    return with(request_default, .{ .toolchain = @as(?planning.Toolchain, .{ .path = "zig", .version = version }) });
}

const build_translated: planning.Decision = .{ .build = .{
    .route = .compiler,
    .steps = &.{ .translate_c, .compile, .compress, .publish },
} };

test "pyz3 in a file module goes with one line of Zig" {
    var single: Single = undefined;
    const module = with(module_default, .{
        .binding = planning.Binding.pyz3,
        .package = @as(?planning.Package, .{ .version = "0.11.0" }),
        .abi = "cpython-311-x86_64-linux-gnu",
    });
    try expectSingle(single.request(module, nothing, withZig("0.15.2")), build_translated, .{ .code = .first_build });
    inline for (.{ "0.16.0", "0.17.0" }) |version| {
        try expectBindingRefusal(single.request(module, nothing, withZig(version)), .binding_zig, "0.15", version);
    }
    // What is built already needs no compiler that goes with it.
    const library = with(nothing, .{ .library = true });
    try expectSingle(single.request(module, library, withZig("0.17.0")), .load, .{ .code = .unchanged });
    // With the version known it is decided anew.
    try expectSingle(single.request(module, nothing, withZig(null)), .{ .build = .{
        .route = .compiler,
        .steps = &.{ .probe_version, .translate_c, .compile, .compress, .publish },
    } }, .{ .code = .first_build });
    // The compiler says whether what nobody tried works.
    inline for (.{ null, "0.12.0", "1.0.0", "dev", "" }) |version| {
        const other = with(module, .{ .package = @as(?planning.Package, .{ .version = version }) });
        try expectSingle(single.request(other, nothing, withZig("0.17.0")), build_translated, .{ .code = .first_build });
    }
}

test "pyz3 goes with Python 3.11 and newer" {
    var single: Single = undefined;
    const module = with(module_default, .{
        .binding = planning.Binding.pyz3,
        .package = @as(?planning.Package, .{ .version = "0.3.0" }),
    });
    inline for (.{
        .{ "cpython-39-x86_64-linux-gnu", "3.9" },
        .{ "cpython-310-darwin", "3.10" },
        .{ "cp310-win_amd64", "3.10" },
    }) |case| {
        const old = with(module, .{ .abi = case[0] });
        const request = single.request(old, nothing, withZig("0.16.0"));
        try expectBindingRefusal(request, .binding_python, "3.11", case[1]);
        const missing = with(old, .{ .package = @as(?planning.Package, null) });
        try expectBindingRefusal(single.request(missing, nothing, withZig("0.15.2")), .binding_python, "3.11", case[1]);
    }
    inline for (.{ "cpython-311-darwin", "cpython-313t-darwin", "cp314-win_amd64", "cpython-3x", "pypy311-pp73" }) |abi| {
        const new = with(module, .{ .abi = abi });
        try expectSingle(single.request(new, nothing, withZig("0.15.2")), build_translated, .{ .code = .first_build });
    }
}

test "a binding library that is missing comes first" {
    var single: Single = undefined;
    const module = with(module_default, .{ .binding = planning.Binding.pyz3, .c_import = true });
    const base = with(request_default, .{ .toolchain = null, .native = planning.NativePolicy.never });
    try expectBindingRefusal(single.request(module, nothing, base), .binding_missing, "0.15", "");
}

test "PyOZ and pydust need a project module" {
    var single: Single = undefined;
    for ([_]planning.Binding{ .pyoz, .pydust }) |binding| {
        const module = with(module_default, .{ .binding = binding });
        try expectRefusal(single.request(module, nothing, withZig(null)), .binding_needs_project, "");
    }
}

test "a project's build file decides for itself" {
    var single: Single = undefined;
    const module = with(module_default, .{
        .kind = planning.ModuleKind.project,
        .c_import = true,
        .binding = planning.Binding.pyz3,
    });
    const base = with(request_default, .{ .toolchain = planning.Toolchain{ .path = "zig", .version = "0.17.0" } });
    const decision: planning.Decision = .{ .build = .{
        .route = .project,
        .steps = &.{ .compile, .compress, .publish },
    } };
    try expectSingle(single.request(module, nothing, base), decision, .{ .code = .first_build });
}

test "steps" {
    var single: Single = undefined;
    const unknown = with(request_default, .{ .toolchain = planning.Toolchain{ .path = "zig", .version = null } });
    // Without a version nothing is refused that depends on it, and the version
    // cannot be the reason.
    const module = with(module_default, .{ .translate_c = true, .c_import = true });
    const before = with(nothing, .{ .previous = previous_default });
    try expectSingle(single.request(module, before, unknown), .{ .build = .{
        .route = .compiler,
        .steps = &.{ .probe_version, .translate_c, .compile, .compress, .publish },
    } }, .{ .code = .artifact_missing });
    const package = with(module, .{ .kind = planning.ModuleKind.package, .c_import = false });
    try expectSingle(single.request(package, before, request_default), .{ .build = .{
        .route = .compiler,
        .steps = &.{ .translate_c, .compile, .compress, .publish },
    } }, .{ .code = .artifact_missing });
}

test "routes of several targets" {
    const targets = [_]planning.Presence{
        with(nothing, .{ .target = "a", .library = true }),
        with(nothing, .{ .target = "b", .previous = previous_default }),
        with(nothing, .{ .target = "c", .remote = true }),
        with(nothing, .{ .target = "d" }),
    };
    const module = with(module_default, .{ .targets = &targets });
    const steps = build_default.build.steps;
    try expectPlan(with(request_default, .{ .modules = &.{module} }), &.{
        .{ .module = 0, .targets = &.{"a"}, .decision = .load, .reason = .{ .code = .unchanged } },
        .{ .module = 0, .targets = &.{"c"}, .decision = .fetch, .reason = .{ .code = .remote_present } },
        .{
            .module = 0,
            .targets = &.{ "b", "d" },
            .decision = .{ .build = .{ .route = .graph, .steps = steps } },
            .reason = .{ .code = .artifact_missing },
        },
    });
    const project = with(module, .{ .kind = planning.ModuleKind.project });
    try expectPlan(with(request_default, .{ .modules = &.{project} }), &.{
        .{ .module = 0, .targets = &.{"a"}, .decision = .load, .reason = .{ .code = .unchanged } },
        .{ .module = 0, .targets = &.{"c"}, .decision = .fetch, .reason = .{ .code = .remote_present } },
        .{
            .module = 0,
            .targets = &.{"b"},
            .decision = .{ .build = .{ .route = .project, .steps = steps } },
            .reason = .{ .code = .artifact_missing },
        },
        .{
            .module = 0,
            .targets = &.{"d"},
            .decision = .{ .build = .{ .route = .project, .steps = steps } },
            .reason = .{ .code = .first_build },
        },
    });
}

test "missing headers refuse the targets that need them" {
    const native = with(nothing, .{ .target = "native" });
    const foreign = with(nothing, .{ .target = "foreign", .headers_missing = true });
    const present = with(foreign, .{ .target = "present", .library = true });
    const targets = [_]planning.Presence{ native, foreign, present };
    const module = with(module_default, .{ .binding = planning.Binding.python_h, .targets = &targets });
    const modules = [_]planning.Module{module};
    try expectPlan(with(request_default, .{ .modules = &modules }), &.{
        .{ .module = 0, .targets = &.{"present"}, .decision = .load, .reason = .{ .code = .unchanged } },
        .{ .module = 0, .targets = &.{"native"}, .decision = build_default, .reason = .{ .code = .first_build } },
        .{
            .module = 0,
            .targets = &.{"foreign"},
            .decision = .{ .refuse = .headers_missing },
            .reason = .{ .code = .refused, .subject = "m.zig" },
        },
    });
}

test "a module with its own init function is built for one target at a time" {
    const targets = [_]planning.Presence{ with(nothing, .{ .target = "a" }), with(nothing, .{ .target = "b" }) };
    const module = with(module_default, .{ .binding = planning.Binding.init_function, .targets = &targets });
    const modules = [_]planning.Module{module};
    try expectPlan(with(request_default, .{ .modules = &modules }), &.{
        .{ .module = 0, .targets = &.{"a"}, .decision = build_default, .reason = .{ .code = .first_build } },
        .{ .module = 0, .targets = &.{"b"}, .decision = build_default, .reason = .{ .code = .first_build } },
    });
}

test "the order of the answer" {
    const library = [_]planning.Presence{with(nothing, .{ .library = true })};
    const object = [_]planning.Presence{with(nothing, .{ .object = true })};
    const remote = [_]planning.Presence{with(nothing, .{ .remote = true })};
    const refused = with(module_default, .{ .binding = planning.Binding.pyoz });
    const modules = [_]planning.Module{
        refused,
        module_default,
        with(module_default, .{ .targets = &remote }),
        with(module_default, .{ .targets = &object }),
        with(module_default, .{ .targets = &library }),
        refused,
        module_default,
        with(module_default, .{ .targets = &remote }),
        with(module_default, .{ .targets = &object }),
        with(module_default, .{ .targets = &library }),
        with(module_default, .{ .targets = &[_]planning.Presence{} }),
    };
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    const found = try planning.plan(arena.allocator(), with(request_default, .{ .modules = &modules }));
    const expected = [_]u32{ 4, 9, 3, 8, 2, 7, 1, 6, 0, 5 };
    try expectEqual(expected.len, found.len);
    for (expected, found) |module, action| try expectEqual(module, action.module);
}

fn expectBuildReason(previous: planning.Previous, inputs: []const planning.Input, reason: planning.Reason) !void {
    var single: Single = undefined;
    const module = with(module_default, .{ .inputs = inputs });
    const presence = with(nothing, .{ .previous = previous });
    try expectSingle(single.request(module, presence, request_default), build_default, reason);
}

test "reasons for a build, each before those that it would hide" {
    const changed = [_]planning.Input{ input_a, with(input_b, .{ .digest = "b2" }) };
    var previous = with(previous_default, .{ .zig_version = "0.15.2", .optimize = "Debug", .abi = "cp311" });
    try expectBuildReason(previous, &changed, .{ .code = .compiler_changed, .old = "0.15.2", .new = "0.16.0" });
    previous.zig_version = "0.16.0";
    try expectBuildReason(previous, &changed, .{ .code = .optimize_changed, .old = "Debug", .new = "ReleaseSafe" });
    previous.optimize = "ReleaseSafe";
    try expectBuildReason(previous, &changed, .{ .code = .abi_changed, .old = "cp311", .new = "abi3" });
    previous.abi = "abi3";
    try expectBuildReason(previous, &changed, .{ .code = .input_changed, .subject = "b.zig", .old = "b1", .new = "b2" });
    try expectBuildReason(previous, previous.inputs, .{ .code = .artifact_missing });
}

test "inputs are compared by path" {
    const a2 = with(input_a, .{ .digest = "a2" });
    const c2 = with(input_c, .{ .digest = "c2" });
    const d: planning.Input = .{ .path = "d.zig", .digest = "d1" };
    const all = with(previous_default, .{ .inputs = &[_]planning.Input{ input_c, input_a, input_b } });
    // The order of neither list matters.
    try expectBuildReason(all, &.{ input_b, input_c, input_a }, .{ .code = .artifact_missing });
    try expectBuildReason(all, &.{ c2, input_b, a2 }, .{
        .code = .input_changed,
        .subject = "a.zig",
        .old = "a1",
        .new = "a2",
        .more = 1,
    });
    // A change goes before an addition and a removal at an earlier path.
    try expectBuildReason(all, &.{ d, c2 }, .{
        .code = .input_changed,
        .subject = "c.zig",
        .old = "c1",
        .new = "c2",
        .more = 3,
    });
    try expectBuildReason(previous_default, &.{ input_b, input_c, d }, .{
        .code = .input_added,
        .subject = "c.zig",
        .new = "c1",
        .more = 2,
    });
    try expectBuildReason(all, &.{input_b}, .{
        .code = .input_removed,
        .subject = "a.zig",
        .old = "a1",
        .more = 1,
    });
    try expectBuildReason(all, &.{}, .{ .code = .input_removed, .subject = "a.zig", .old = "a1", .more = 2 });
    // A file that moved is one addition and one removal.
    try expectBuildReason(previous_default, &.{ input_a, with(input_b, .{ .path = "z.zig" }) }, .{
        .code = .input_added,
        .subject = "z.zig",
        .new = "b1",
        .more = 1,
    });
    // The same path twice is two inputs.
    try expectBuildReason(previous_default, &.{ input_b, input_a, a2 }, .{
        .code = .input_added,
        .subject = "a.zig",
        .new = "a2",
    });
}

fn randomRequest(arena: std.mem.Allocator, random: std.Random) !planning.Request {
    const words = [_][]const u8{ "", "a", "b", "0.15.2", "0.16.0", "0.17.0", "0.18.0" };
    const modules = try arena.alloc(planning.Module, random.uintAtMost(usize, 4));
    for (modules) |*module| {
        const inputs = try arena.alloc(planning.Input, random.uintAtMost(usize, 4));
        for (inputs) |*input| input.* = .{ .path = words[random.uintLessThan(usize, 4)], .digest = words[random.uintLessThan(usize, 3)] };
        const targets = try arena.alloc(planning.Presence, random.uintAtMost(usize, 4));
        for (targets, 0..) |*presence, index| presence.* = .{
            .target = words[index],
            .key = "",
            .library = random.boolean(),
            .object = random.boolean(),
            .remote = random.boolean(),
            .previous = if (random.boolean()) null else with(previous_default, .{ .inputs = inputs }),
        };
        module.* = .{
            .name = "m",
            .kind = random.enumValue(planning.ModuleKind),
            .path = "p",
            .binding = random.enumValue(planning.Binding),
            .package = if (random.boolean()) null else .{ .version = if (random.boolean()) null else "0.11.0" },
            .c_import = random.boolean(),
            .translate_c = random.boolean(),
            .optimize = previous_default.optimize,
            .abi = previous_default.abi,
            .inputs = if (random.boolean()) inputs else &.{ input_b, input_a },
            .plugin_failure = if (random.boolean()) null else .{ .plugin = "p", .stop = random.boolean() },
            .remote_build = random.boolean(),
            .targets = targets,
        };
    }
    const version = if (random.boolean()) null else words[random.uintLessThan(usize, words.len)];
    return .{
        .modules = modules,
        .toolchain = if (random.uintLessThan(u32, 4) == 0) null else .{ .path = "zig", .version = version },
        .native = random.enumValue(planning.NativePolicy),
        .force_rebuild = random.uintLessThan(u32, 4) == 0,
    };
}

fn rank(decision: planning.Decision) usize {
    return switch (decision) {
        .load => 0,
        .restore => 1,
        .fetch => 2,
        .build => 3,
        .refuse => 4,
        .skip => 5,
    };
}

test "fuzz: every target is in exactly one action, in order" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var prng: std.Random.DefaultPrng = .init(0x5eed);
    for (0..4000) |round| {
        errdefer std.debug.print("round {d}\n", .{round});
        defer _ = arena.reset(.retain_capacity);
        const request = try randomRequest(arena.allocator(), prng.random());
        const found = try planning.plan(arena.allocator(), request);
        var kind: usize = 0;
        for (found) |action| {
            try expect(rank(action.decision) >= kind);
            kind = rank(action.decision);
            try expect(action.targets.len == 1 or action.decision.build.route == .graph);
        }
        for (request.modules, 0..) |module, index| {
            for (module.targets) |presence| {
                var count: usize = 0;
                for (found) |action| {
                    if (action.module != index) continue;
                    for (action.targets) |target| count += @intFromBool(std.mem.eql(u8, target, presence.target));
                }
                try expectEqual(1, count);
            }
        }
        // The same request gives the same answer.
        const again = try planning.plan(arena.allocator(), request);
        try expectEqual(found.len, again.len);
        for (found, again) |action, other| try expectAction(action, other);
    }
}

fn planWith(allocator: std.mem.Allocator, request: planning.Request) !void {
    var arena: std.heap.ArenaAllocator = .init(allocator);
    defer arena.deinit();
    _ = try planning.plan(arena.allocator(), request);
}

test "every allocation may fail" {
    const targets = [_]planning.Presence{ nothing, with(nothing, .{ .target = "u", .previous = previous_default }) };
    const library = [_]planning.Presence{with(nothing, .{ .library = true })};
    const unsorted = [_]planning.Input{ input_c, input_b, input_a };
    const modules = [_]planning.Module{
        with(module_default, .{ .targets = &targets, .inputs = &unsorted }),
        with(module_default, .{ .targets = targets[1..], .inputs = &unsorted }),
        with(module_default, .{ .targets = &targets, .binding = planning.Binding.pyoz }),
        with(module_default, .{ .targets = &library }),
    };
    const request = with(request_default, .{ .modules = &modules });
    try testing.checkAllAllocationFailures(testing.allocator, planWith, .{request});
}
