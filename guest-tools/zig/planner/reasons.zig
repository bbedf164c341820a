//! Why a module is built again: the first difference from what its last
//! artifact was made from.
const std = @import("std");
const requests = @import("request.zig");
const Allocator = std.mem.Allocator;
const Input = requests.Input;
const Reason = @import("action.zig").Reason;

/// Returns the reason for building `module` where `presence` says what the
/// store knows. `zig_version` is null where it is not known yet.
pub fn forBuild(
    arena: Allocator,
    module: requests.Module,
    presence: requests.Presence,
    zig_version: ?[]const u8,
    force_rebuild: bool,
) Allocator.Error!Reason {
    if (module.plugin_failure) |failure| return .{ .code = .plugin_failed, .subject = failure.plugin };
    if (force_rebuild) return .{ .code = .forced };
    const previous = presence.previous orelse return .{ .code = .first_build };
    if (zig_version) |version| {
        if (!equal(previous.zig_version, version)) {
            return .{ .code = .compiler_changed, .old = previous.zig_version, .new = version };
        }
    }
    if (!equal(previous.optimize, module.optimize)) {
        return .{ .code = .optimize_changed, .old = previous.optimize, .new = module.optimize };
    }
    if (!equal(previous.abi, module.abi)) {
        return .{ .code = .abi_changed, .old = previous.abi, .new = module.abi };
    }
    const differences = compare(try sorted(arena, previous.inputs), try sorted(arena, module.inputs));
    return differences.first() orelse .{ .code = .artifact_missing };
}

/// How two lists of inputs differ: the first of each kind in the order of
/// paths, and the number of all.
const Differences = struct {
    changed: ?Reason = null,
    added: ?Reason = null,
    removed: ?Reason = null,
    count: u32 = 0,

    fn note(differences: *Differences, reason: Reason) void {
        const kind = switch (reason.code) {
            .input_changed => &differences.changed,
            .input_added => &differences.added,
            .input_removed => &differences.removed,
            else => unreachable,
        };
        if (kind.* == null) kind.* = reason;
        differences.count += 1;
    }

    fn first(differences: Differences) ?Reason {
        var reason = differences.changed orelse differences.added orelse differences.removed orelse return null;
        reason.more = differences.count - 1;
        return reason;
    }
};

/// Walks two lists that are sorted by path.
fn compare(old: []const Input, new: []const Input) Differences {
    var differences: Differences = .{};
    var old_index: usize = 0;
    var new_index: usize = 0;
    while (old_index < old.len or new_index < new.len) {
        const order: std.math.Order = if (old_index == old.len)
            .gt
        else if (new_index == new.len)
            .lt
        else
            std.mem.order(u8, old[old_index].path, new[new_index].path);
        switch (order) {
            .lt => differences.note(.{
                .code = .input_removed,
                .subject = old[old_index].path,
                .old = old[old_index].digest,
            }),
            .gt => differences.note(.{
                .code = .input_added,
                .subject = new[new_index].path,
                .new = new[new_index].digest,
            }),
            .eq => if (!equal(old[old_index].digest, new[new_index].digest)) differences.note(.{
                .code = .input_changed,
                .subject = new[new_index].path,
                .old = old[old_index].digest,
                .new = new[new_index].digest,
            }),
        }
        old_index += @intFromBool(order != .gt);
        new_index += @intFromBool(order != .lt);
    }
    return differences;
}

/// Returns `inputs` by path. The host's lists mostly are sorted already.
fn sorted(arena: Allocator, inputs: []const Input) Allocator.Error![]const Input {
    if (std.sort.isSorted(Input, inputs, {}, isBefore)) return inputs;
    const copy = try arena.dupe(Input, inputs);
    std.sort.heap(Input, copy, {}, isBefore);
    return copy;
}

/// The digest decides between equal paths, so that no order of the request
/// shows in the answer.
fn isBefore(_: void, left: Input, right: Input) bool {
    return switch (std.mem.order(u8, left.path, right.path)) {
        .lt => true,
        .gt => false,
        .eq => std.mem.lessThan(u8, left.digest, right.digest),
    };
}

fn equal(left: []const u8, right: []const u8) bool {
    return std.mem.eql(u8, left, right);
}
