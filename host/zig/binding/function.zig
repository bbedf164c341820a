//! Wraps a Zig function into one that the interpreter can call.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const exception = @import("exception.zig");
const record = @import("record.zig");
const reflection = @import("reflection.zig");
const scope_module = @import("scope.zig");
const stub = @import("stub.zig");
const text = @import("text.zig");
const trace = @import("trace.zig");
const types = @import("types.zig");
const Declaration = @import("declarations.zig").Declaration;

const Context = scope_module.Context;
const Object = abi.Object;
const Scope = scope_module.Scope;

/// What Python passes as `self`.
pub const Receiver = union(enum) {
    /// The module: a function.
    module,
    /// An instance, which is the Zig function's first parameter: a method.
    instance: type,
    /// The class: a function in a class.
    class: type,
    /// A new instance that the Zig function's result goes to: `init`.
    constructor: type,
};

/// What a parameter of the Zig function is to Python.
const Role = enum { receiver, allocator, argument, options };

fn roleOf(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver, comptime index: usize) Role {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const parameters = reflection.function(F).parameters;
        const T = parameters[index].?;
        if (index == 0 and receiver == .instance) return .receiver;
        if (T == std.mem.Allocator) return .allocator;
        if (index != parameters.len - 1 or convert.kindOf(T) != .record or !hasDefault(T)) return .argument;
        const is_named = index < declaration.parameters.len and std.mem.eql(u8, declaration.parameters[index], "options");
        return if (is_named or !record.hasName(T)) .options else .argument;
    }
}

fn hasDefault(comptime T: type) bool {
    @setEvalBranchQuota(reflection.quota);
    for (reflection.fields(T)) |field| if (field.default != null) return true;
    return false;
}

fn hasRole(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver, comptime role: Role) bool {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        for (0..reflection.function(F).parameters.len) |index| if (roleOf(F, declaration, receiver, index) == role) return true;
        return false;
    }
}

/// True if the first parameter is a T or a pointer to one.
pub fn isMethod(comptime F: type, comptime T: type) bool {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const parameters = reflection.function(F).parameters;
        if (parameters.len == 0) return false;
        const First = parameters[0] orelse return false;
        return First == T or First == *T or First == *const T;
    }
}

/// Returns why a function cannot be called from Python, or `null` if it can. Looks at the type only.
pub fn obstacle(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) ?[:0]const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const function = reflection.function(F);
        if (function.is_variadic) return "variable argument list";
        if (!function.is_callable) return "calling convention";
        for (function.parameters, 0..) |parameter, index| {
            const place = "parameter " ++ text.decimal(index + 1) ++ ": ";
            const T = parameter orelse return place ++ "type `anytype`";
            if (T == type) return place ++ "type `type`";
            const is_ours = switch (roleOf(F, declaration, receiver, index)) {
                .receiver, .allocator => true,
                .argument, .options => convert.isParameter(T),
            };
            if (!is_ours) return place ++ "type `" ++ @typeName(T) ++ "`";
            if (declaration.nogil and convert.hasCallable(T)) return place ++ "a Callable needs the lock that nogil releases";
        }
        if (clash(F, declaration, receiver)) |name| return "an option and another parameter are both called `" ++ name ++ "`";
        const Result = function.result orelse return "result: type depends on a parameter";
        const is_result = switch (receiver) {
            .constructor => |T| Payload(Result) == T,
            else => convert.isResult(Payload(Result)),
        };
        if (!is_result) return "result: type `" ++ @typeName(Result) ++ "`";
        if (function.is_generic) return "generic: a parameter is comptime";
        return null;
    }
}

/// Returns a name that two parameters have in Python.
fn clash(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) ?[]const u8 {
    @setEvalBranchQuota(reflection.quota);
    comptime {
        if (!hasRole(F, declaration, receiver, .options)) return null;
        const signature = signatureOf(F, declaration, receiver);
        for (signature.parameters[signature.positional..], signature.positional..) |option, count| {
            for (signature.parameters[0..count]) |other| {
                if (std.mem.eql(u8, std.mem.span(option.name), std.mem.span(other.name))) return std.mem.span(option.name);
            }
        }
        return null;
    }
}

/// Returns the definition of a function without an obstacle.
pub fn methodDefinition(
    comptime function: anytype,
    comptime declaration: Declaration,
    comptime receiver: Receiver,
) abi.MethodDefinition {
    return .{
        .name = declaration.name,
        .function = &Wrapper(function, declaration, receiver).call,
        .flags = abi.METH_FASTCALL_KEYWORDS | if (receiver == .class) abi.METH_CLASS else 0,
        .doc = comptime documentation(@TypeOf(function), declaration, receiver),
    };
}

pub fn Wrapper(comptime function: anytype, comptime declaration: Declaration, comptime receiver: Receiver) type {
    const F = @TypeOf(function);
    const info = reflection.function(F);
    const Result = info.result.?;
    const Made = classOf(Payload(Result));
    const takes_allocator = hasRole(F, declaration, receiver, .allocator);
    const is_exclusive = receiver == .instance and info.parameters[0].? == *receiver.instance;
    const borrow_count = countOfInstances(F);

    return struct {
        pub const signature = signatureOf(F, declaration, receiver);

        pub fn call(self: *Object, objects: [*]const *Object, count: isize, names: ?*Object) callconv(.c) ?*Object {
            const all = signature.parameters.len;
            if (names == null and count == all and signature.positional == all) return invoke(self, @ptrCast(objects));
            var slots: [all]?*Object = @splat(null);
            if (!exception.bind(&signature, @ptrCast(objects), @intCast(count), names, &slots)) return null;
            return invoke(self, &slots);
        }

        /// Calls with one object for each parameter of the signature; null stands for a default.
        pub fn invoke(self: *Object, objects: [*]const ?*Object) ?*Object {
            @setEvalBranchQuota(reflection.quota);
            const module = switch (receiver) {
                .module => self,
                .class => |T| class.moduleOfType(T, @ptrCast(@alignCast(self))) orelse return null,
                .instance, .constructor => |T| class.moduleOf(T, self) orelse return null,
            };
            var scope: Scope = .{ .heap = .{ .is_shared = declaration.nogil } };
            defer if (comptime usesScope(F, declaration, receiver)) scope.close();
            var context: Context = .{ .module = module, .scope = &scope, .function = signature.name };

            // Memory of a returned instance belongs to it, so it has to be there before the call.
            var made: ?*Object = null;
            defer if (Made != void) abi.Py_DecRef(made);
            if (Made != void and takes_allocator and receiver != .constructor and !is_exclusive) {
                made = class.allocate(Made, module) orelse return null;
                if (declaration.nogil) class.heapOf(made.?).is_shared = true;
            }

            var arguments: std.meta.ArgsTuple(F) = undefined;
            comptime var position = 0;
            inline for (info.parameters, 0..) |parameter, index| switch (comptime roleOf(F, declaration, receiver, index)) {
                .receiver => {},
                .allocator => {
                    const heap = switch (receiver) {
                        .constructor => class.heapOf(self),
                        else => if (is_exclusive) class.heapOf(self) else if (Made != void) class.heapOf(made.?) else &scope.heap,
                    };
                    arguments[index] = heap.allocator();
                },
                .argument => {
                    context.argument = signature.parameters[position].name;
                    if (convert.InstanceOf(parameter.?) == void) {
                        arguments[index] = convert.fromArgument(parameter.?, objects[position].?, &context) catch |refusal|
                            return exception.raiseArgument(&signature, position, refusal, objects[position].?);
                    }
                    position += 1;
                },
                .options => inline for (comptime reflection.fields(parameter.?)) |field| {
                    if (objects[position]) |object| {
                        context.argument = signature.parameters[position].name;
                        @field(arguments[index], field.name) = convert.fromPython(field.type, object, &context) catch |refusal|
                            return exception.raiseArgument(&signature, position, refusal, object);
                    } else if (comptime field.defaultValue()) |default| {
                        @field(arguments[index], field.name) = default;
                    }
                    position += 1;
                },
            };

            // Instances come last: what follows runs no Python code that could end one of them.
            var borrows: [borrow_count]class.Borrow = @splat(.{});
            defer for (borrows) |borrow| borrow.end();
            comptime var place = 0;
            comptime var next_borrow = 0;
            inline for (info.parameters, 0..) |parameter, index| switch (comptime roleOf(F, declaration, receiver, index)) {
                .receiver, .argument => |role| {
                    const Instance = if (role == .receiver) receiver.instance else convert.InstanceOf(parameter.?);
                    const object = if (role == .receiver) self else objects[place].?;
                    if (Instance != void) {
                        const Inner = if (@typeInfo(parameter.?) == .optional) @typeInfo(parameter.?).optional.child else parameter.?;
                        if (Inner != parameter.? and object == builtins.none) {
                            arguments[index] = null;
                        } else {
                            if (role != .receiver and !class.isInstance(Instance, object, module))
                                return exception.raiseArgument(&signature, place, error.WrongType, object);
                            if (!borrows[next_borrow].begin(Instance, object, Inner == *Instance)) return null;
                            const value = class.valueOf(Instance, object);
                            arguments[index] = if (Inner == Instance) value.* else value;
                        }
                        next_borrow += 1;
                    }
                    if (role != .receiver) place += 1;
                },
                .allocator, .options => {},
            };

            if (receiver == .instance) if (comptime class.isIndexed(receiver.instance, declaration.name)) {
                if (!class.isInside(receiver.instance, self, arguments[1])) return null;
            };

            const thread = if (declaration.nogil) abi.PyEval_SaveThread();
            const result = @call(.auto, function, arguments);
            if (declaration.nogil) abi.PyEval_RestoreThread(thread);
            // An exception in a callable that the function got over.
            if (comptime takesCallable(F)) if (@typeInfo(Result) != .error_union or !std.meta.isError(result)) abi.PyErr_Clear();

            if (@typeInfo(Result) != .error_union) return finish(self, result, &made, &borrows, &context);
            const payload = result catch |err| {
                exception.raiseZigError(module, err);
                if (trace.has_returns) trace.attach(@errorReturnTrace());
                return null;
            };
            return finish(self, payload, &made, &borrows, &context);
        }

        fn finish(
            self: *Object,
            payload: Payload(Result),
            made: *?*Object,
            borrows: []const class.Borrow,
            context: *const Context,
        ) ?*Object {
            if (receiver == .constructor) {
                const T = receiver.constructor;
                class.start(T, self, payload);
                if (comptime convert.hasPointers(T)) if (!class.adopt(self, borrows, true)) return null;
                return builtins.none; // Not a new reference: the caller only asks whether it is null.
            }
            if (Made == void) return convert.toPython(Payload(Result), payload, context);
            const value: Made = if (Payload(Result) == Made) payload else payload orelse return builtins.newNone();
            const instance = made.* orelse class.allocate(Made, context.module) orelse return null;
            made.* = null;
            class.start(Made, instance, value);
            // What an iterator gives must not keep it from going on.
            const locks = !comptime std.mem.eql(u8, declaration.name, "next");
            if (comptime convert.hasPointers(Made)) if (!class.adopt(instance, borrows, locks)) {
                abi.Py_DecRef(instance);
                return null;
            };
            return instance;
        }
    };
}

/// Calls a Python object; see `types.Callable`.
pub fn callPython(callable: types.Callable, comptime Result: type, arguments: anytype) error{PythonError}!Result {
    if (comptime Result != void and (!convert.isParameter(Result) or convert.kindOf(Result) == .class_pointer)) {
        @compileError("zigimport: a Callable cannot return `" ++ @typeName(Result) ++ "`");
    }
    const scope: *Scope = @ptrCast(@alignCast(callable.scope));
    const context: Context = .{
        .module = @ptrCast(@alignCast(callable.module)),
        .scope = scope,
        .function = "callable",
        .argument = "result",
    };
    // What an earlier call raised and the caller got over.
    abi.PyErr_Clear();
    const fields = comptime reflection.fields(@TypeOf(arguments));
    const tuple = abi.PyTuple_New(fields.len) orelse return error.PythonError;
    defer abi.Py_DecRef(tuple);
    inline for (fields, 0..) |field, index| {
        const Argument = switch (@typeInfo(field.type)) {
            .comptime_int => i64,
            .comptime_float => f64,
            .null => ?bool,
            else => field.type,
        };
        if (comptime !convert.isResult(Argument) or (convert.InstanceOf(Argument) != void and convert.hasPointers(Argument))) {
            @compileError("zigimport: a Callable cannot be given `" ++ @typeName(field.type) ++ "`");
        }
        const object = convert.toPython(Argument, arguments[index], &context) orelse return error.PythonError;
        _ = abi.PyTuple_SetItem(tuple, index, object); // Cannot fail: the tuple is new.
    }
    const result = abi.PyObject_Call(@ptrCast(@alignCast(callable.object)), tuple, null) orelse return error.PythonError;
    // The converted value may point into it.
    scope.holdObject(result) catch return error.PythonError;
    if (Result == void) return;
    return convert.fromPython(Result, result, &context) catch |refusal| {
        _ = exception.raiseArgument(&callable_signature(Result), 0, refusal, result);
        return error.PythonError;
    };
}

fn callable_signature(comptime Result: type) exception.Signature {
    return comptime .{
        .name = "callable",
        .positional = 1,
        .parameters = &.{.{ .name = "result", .expected = convert.expected(Result), .range = convert.range(Result) }},
    };
}

pub fn Payload(comptime Result: type) type {
    return switch (@typeInfo(Result)) {
        .error_union => |error_union| error_union.payload,
        else => Result,
    };
}

/// Returns the class that a result is an instance of, or `void`.
fn classOf(comptime T: type) type {
    const Inner = if (@typeInfo(T) == .optional) @typeInfo(T).optional.child else T;
    return if (convert.kindOf(Inner) == .class) Inner else void;
}

fn takesCallable(comptime F: type) bool {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        for (reflection.function(F).parameters) |T| if (convert.hasCallable(T.?)) return true;
        return false;
    }
}

fn countOfInstances(comptime F: type) usize {
    @setEvalBranchQuota(reflection.quota);
    comptime {
        var count: usize = 0;
        for (reflection.function(F).parameters) |T| count += @intFromBool(convert.InstanceOf(T.?) != void);
        return count;
    }
}

fn usesScope(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) bool {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        for (reflection.function(F).parameters, 0..) |T, index| switch (roleOf(F, declaration, receiver, index)) {
            .receiver => {},
            .allocator => return true,
            .argument, .options => if (convert.needsScope(T.?)) return true,
        };
        return false;
    }
}

pub fn signatureOf(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) exception.Signature {
    comptime {
        const parameters = reflection.function(F).parameters;
        @setEvalBranchQuota(reflection.quota);
        var list: []const exception.Signature.Parameter = &.{};
        var positional: usize = 0;
        for (parameters, 0..) |T, index| switch (roleOf(F, declaration, receiver, index)) {
            .receiver, .allocator => {},
            .argument => {
                list = list ++ .{exception.Signature.Parameter{
                    .name = parameterName(declaration, index, positional),
                    .expected = convert.expected(T.?),
                    .annotation = stub.annotation(T.?, .parameter),
                    .range = convert.range(T.?),
                }};
                positional += 1;
            },
            .options => for (reflection.fields(T.?)) |field| {
                list = list ++ .{parameterOfField(field, list.len, defaultOf(field))};
            },
        };
        const name = if (receiver == .constructor) record.nameOf(receiver.constructor) else declaration.name;
        return .{ .name = name, .parameters = list, .positional = positional };
    }
}

/// Returns the parameter that sets a field. `position` counts what Python sees.
pub fn parameterOfField(
    comptime field: reflection.Field,
    comptime position: usize,
    comptime default: ?[:0]const u8,
) exception.Signature.Parameter {
    comptime return .{
        .name = if (text.isParameterName(field.name)) field.name else "arg" ++ text.decimal(position),
        .expected = convert.expected(field.type),
        .annotation = stub.annotation(field.type, .parameter),
        .range = convert.range(field.type),
        .default = if (default) |shown| shown.ptr else null,
    };
}

/// Returns the default of a field as Python shows it.
pub fn defaultOf(comptime field: reflection.Field) ?[:0]const u8 {
    comptime return if (field.defaultValue()) |value| defaultText(field.type, value) else null;
}

/// Writes a default as Python shows it.
fn defaultText(comptime T: type, comptime value: T) [:0]const u8 {
    comptime return switch (convert.kindOf(T)) {
        .bool => if (value) "True" else "False",
        .int => text.decimal(value),
        .float => blk: {
            @setEvalBranchQuota(reflection.quota);
            const digits = std.fmt.comptimePrint("{d}", .{value});
            if (std.mem.indexOfAny(u8, digits, "nif") != null) break :blk "...";
            break :blk digits ++ if (std.mem.indexOfScalar(u8, digits, '.') == null) ".0" else "";
        },
        .enumeration => text.quoted(@tagName(value)) orelse "...",
        .optional => if (value) |some| defaultText(@typeInfo(T).optional.child, some) else "None",
        .text => text.quoted(value) orelse "...",
        else => "...",
    };
}

/// Returns the name of a parameter as Python can write it. `position` counts what Python sees.
fn parameterName(comptime declaration: Declaration, comptime index: usize, comptime position: usize) [:0]const u8 {
    comptime {
        if (index < declaration.parameters.len and text.isParameterName(declaration.parameters[index]))
            return declaration.parameters[index];
        return "arg" ++ text.decimal(position);
    }
}

/// Returns the doc string in the form from which `inspect.signature` reads the parameters.
pub fn documentation(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) [:0]const u8 {
    const self = switch (receiver) {
        .module, .constructor => "",
        .instance => "$self",
        .class => "$type",
    };
    return comptime signatureText(signatureOf(F, declaration, receiver), self) ++ "\n--\n\n" ++ declaration.doc;
}

/// Writes a signature: `f(a, *, b=1)`.
pub fn signatureText(comptime signature: exception.Signature, comptime self: []const u8) [:0]const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        var list: [:0]const u8 = self ++ "";
        for (signature.parameters, 0..) |parameter, index| {
            if (list.len > 0) list = list ++ ", ";
            if (index == signature.positional) list = list ++ "*, ";
            list = list ++ std.mem.span(parameter.name);
            if (parameter.default) |default| list = list ++ "=" ++ std.mem.span(default);
        }
        return std.mem.span(signature.name) ++ "(" ++ list ++ ")";
    }
}

test obstacle {
    const expectEqualStrings = std.testing.expectEqualStrings;
    const named: Declaration = .{ .name = "f" };
    try std.testing.expect(comptime obstacle(fn (u8, std.mem.Allocator, []const u8) error{A}!?f64, named, .module) == null);
    try expectEqualStrings("parameter 2: type `anytype`", comptime obstacle(fn (u8, anytype) void, named, .module).?);
    try expectEqualStrings("parameter 1: type `*u8`", comptime obstacle(fn (*u8) void, named, .module).?);
    try expectEqualStrings("parameter 1: type `type`", comptime obstacle(fn (comptime type) void, named, .module).?);
    try expectEqualStrings("generic: a parameter is comptime", comptime obstacle(fn (comptime u8) void, named, .module).?);
    try expectEqualStrings("result: type `type`", comptime obstacle(fn () type, named, .module).?);
    try expectEqualStrings("variable argument list", comptime obstacle(fn (u8, ...) callconv(.c) void, named, .module).?);
    try std.testing.expect(comptime obstacle(fn (types.Callable) void, .{ .name = "f", .nogil = true }, .module) != null);
}

test documentation {
    const F = fn (std.mem.Allocator, f64, f64, struct { window: u32 = 3, scale: f64 = 2, must: bool, name: ?[]const u8 = "it's" }) f64;
    const named: Declaration = .{ .name = "area", .parameters = &.{ "a", "w", "lambda" }, .doc = "Text." };
    try std.testing.expectEqualStrings(
        "area(w, arg1, *, window=3, scale=2.0, must, name=\"it's\")\n--\n\nText.",
        comptime documentation(F, named, .module),
    );
    try std.testing.expectEqualStrings("now()\n--\n\n", comptime documentation(fn () void, .{ .name = "now" }, .module));
}
