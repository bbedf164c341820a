//! Wraps a Zig function into one that the interpreter can call.

const std = @import("std");
const abi = @import("abi.zig");
const convert = @import("convert.zig");
const exception = @import("exception.zig");
const python_allocator = @import("allocator.zig").python_allocator;
const reflection = @import("reflection.zig");
const text = @import("text.zig");
const Declaration = @import("declarations.zig").Declaration;

const Object = abi.Object;

/// Returns why a function cannot be called from Python, or `null` if it can. Looks at the type only.
pub fn obstacle(comptime F: type) ?[:0]const u8 {
    comptime {
        const function = reflection.function(F);
        if (function.is_variadic) return "variable argument list";
        if (!function.is_callable) return "calling convention";
        for (function.parameters, 0..) |parameter, index| {
            const place = "parameter " ++ text.decimal(index + 1) ++ ": ";
            const T = parameter orelse return place ++ "type `anytype`";
            if (index == 0 and T == std.mem.Allocator) continue;
            if (T == type) return place ++ "type `type`";
            if (!convert.isParameter(T)) return place ++ "type `" ++ @typeName(T) ++ "`";
        }
        const Result = function.result orelse return "result: type depends on a parameter";
        if (!convert.isResult(Payload(Result))) return "result: type `" ++ @typeName(Result) ++ "`";
        if (function.is_generic) return "generic: a parameter is comptime";
        return null;
    }
}

/// Returns the entry of the method table for a function without an obstacle.
pub fn methodDefinition(comptime function: anytype, comptime declaration: Declaration) abi.MethodDefinition {
    return .{
        .name = declaration.name,
        .function = &Wrapper(function, declaration).call,
        .flags = abi.METH_FASTCALL,
        .doc = comptime documentation(@TypeOf(function), declaration),
    };
}

fn Wrapper(comptime function: anytype, comptime declaration: Declaration) type {
    const F = @TypeOf(function);
    const info = reflection.function(F);
    const first = firstArgument(F);
    const Result = info.result.?;

    return struct {
        const signature: exception.Signature = .{
            .name = declaration.name,
            .parameters = &signatureParameters(F, declaration),
        };

        fn call(module: *Object, objects: [*]const *Object, count: isize) callconv(.c) ?*Object {
            if (count != info.parameters.len - first) return exception.raiseCount(&signature, count);

            var arena: if (first == 1) std.heap.ArenaAllocator else void = undefined;
            if (first == 1) arena = .init(python_allocator);
            defer if (first == 1) arena.deinit();

            var arguments: std.meta.ArgsTuple(F) = undefined;
            if (first == 1) arguments[0] = arena.allocator();
            inline for (info.parameters[first..], 0..) |T, index| {
                arguments[first + index] = convert.fromPython(T.?, objects[index]) catch |refusal|
                    return exception.raiseArgument(&signature, index, refusal, objects[index]);
            }

            const result = @call(.auto, function, arguments);
            // The arena lives until here, so a result may point into it.
            if (@typeInfo(Result) != .error_union) return convert.toPython(Result, result);
            const payload = result catch |err| return exception.raiseZigError(module, err);
            return convert.toPython(Payload(Result), payload);
        }
    };
}

fn Payload(comptime Result: type) type {
    return switch (@typeInfo(Result)) {
        .error_union => |error_union| error_union.payload,
        else => Result,
    };
}

/// Returns 1 if Python does not see the first parameter because it is an allocator.
fn firstArgument(comptime F: type) usize {
    const parameters = reflection.function(F).parameters;
    return if (parameters.len > 0 and parameters[0].? == std.mem.Allocator) 1 else 0;
}

fn signatureParameters(
    comptime F: type,
    comptime declaration: Declaration,
) [reflection.function(F).parameters.len - firstArgument(F)]exception.Signature.Parameter {
    comptime {
        const first = firstArgument(F);
        const types = reflection.function(F).parameters[first..];
        @setEvalBranchQuota(1_000 + branches_per_parameter * types.len);
        var parameters: [types.len]exception.Signature.Parameter = undefined;
        for (&parameters, types, 0..) |*parameter, T, index| parameter.* = .{
            .name = parameterName(declaration, first + index, index),
            .expected = convert.expected(T.?),
            .range = convert.range(T.?),
        };
        return parameters;
    }
}

/// For a name of some hundred bytes that is compared with every keyword.
const branches_per_parameter = 5_000;

/// Returns the name of a parameter as Python can write it. `visible_index` counts without allocator.
fn parameterName(
    comptime declaration: Declaration,
    comptime index: usize,
    comptime visible_index: usize,
) [:0]const u8 {
    comptime {
        if (index < declaration.parameters.len and text.isParameterName(declaration.parameters[index]))
            return declaration.parameters[index];
        return "arg" ++ text.decimal(visible_index);
    }
}

/// Returns the doc string in the form from which `inspect.signature` reads the parameters.
fn documentation(comptime F: type, comptime declaration: Declaration) [:0]const u8 {
    comptime {
        const first = firstArgument(F);
        const count = reflection.function(F).parameters.len - first;
        @setEvalBranchQuota(1_000 + branches_per_parameter * count);
        var list: [:0]const u8 = "";
        for (0..count) |index| list = list ++ parameterName(declaration, first + index, index) ++ ", ";
        // Arguments have no keywords yet.
        const end = if (count == 0) "" else "/";
        return declaration.name ++ "(" ++ list ++ end ++ ")\n--\n\n" ++ declaration.doc;
    }
}

test obstacle {
    const expectEqualStrings = std.testing.expectEqualStrings;
    try std.testing.expect(comptime obstacle(fn (std.mem.Allocator, u8, []const u8) error{A}!?f64) == null);
    try expectEqualStrings("parameter 2: type `anytype`", comptime obstacle(fn (u8, anytype) void).?);
    try expectEqualStrings("parameter 1: type `*u8`", comptime obstacle(fn (*u8) void).?);
    try expectEqualStrings("parameter 1: type `type`", comptime obstacle(fn (comptime type) void).?);
    try expectEqualStrings("generic: a parameter is comptime", comptime obstacle(fn (comptime u8) void).?);
    try expectEqualStrings("result: type `type`", comptime obstacle(fn () type).?);
    try expectEqualStrings("variable argument list", comptime obstacle(fn (u8, ...) callconv(.c) void).?);
}

test documentation {
    const F = fn (std.mem.Allocator, f64, f64) f64;
    const named: Declaration = .{ .name = "area", .parameters = &.{ "a", "w", "lambda" }, .doc = "Text." };
    try std.testing.expectEqualStrings("area(w, arg1, /)\n--\n\nText.", comptime documentation(F, named));
    try std.testing.expectEqualStrings("now()\n--\n\n", comptime documentation(fn () void, .{ .name = "now" }));
}
