//! Zig functions as the interpreter calls them.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const exception = @import("exception.zig");
const instance = @import("instance.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const text = @import("text.zig");
const trace = @import("trace.zig");
const types = @import("types.zig");
const Context = @import("scope.zig").Context;
const Declaration = @import("declarations.zig").Declaration;
const Scope = @import("scope.zig").Scope;
const Signature = @import("signature.zig").Signature;

const Object = abi.Object;

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
    /// The same, but Python passes the fields of the function's first parameter.
    fields: type,
};

/// What a parameter of the Zig function is to Python.
const Role = enum { receiver, allocator, argument, options };

/// A parameter that Python sees.
const Parameter = struct {
    name: [:0]const u8,
    type: type,
    /// The Zig function's parameter that it goes to, or to a field of.
    index: usize,
    field: ?reflection.Field = null,

    /// Returns its default as Python shows it.
    fn default(comptime parameter: Parameter) ?[:0]const u8 {
        const field = parameter.field orelse return null;
        return kind.shown(field.type, field.defaultValue() orelse return null);
    }
};

/// Everything that follows from a function's type and from where it is declared.
pub fn Shape(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) type {
    const info = reflection.function(F);

    return struct {
        pub const Result = PayloadOf(info.result.?);

        pub const name = switch (receiver) {
            .constructor, .fields => |T| kind.nameOf(T),
            else => declaration.name,
        };

        fn roleOf(comptime index: usize) Role {
            const T = info.parameters[index].?;
            if (T == std.mem.Allocator) return .allocator;
            if (index == 0 and receiver == .instance) return .receiver;
            if (index == 0 and receiver == .fields) return .options;
            if (index != info.parameters.len - 1 or !hasDefault(T)) return .argument;
            const is_named = std.mem.eql(u8, nameAt(index), "options");
            return if (is_named or !kind.hasName(T)) .options else .argument;
        }

        fn hasRole(comptime role: Role) bool {
            for (0..info.parameters.len) |index| if (roleOf(index) == role) return true;
            return false;
        }

        fn nameAt(comptime index: usize) [:0]const u8 {
            return if (index < declaration.parameters.len) declaration.parameters[index] else "";
        }

        /// What Python sees, in order.
        pub const parameters: []const Parameter = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const Parameter = &.{};
            for (info.parameters, 0..) |T, index| switch (roleOf(index)) {
                .receiver, .allocator => {},
                .argument => {
                    const own = pythonName(nameAt(index), list.len);
                    list = list ++ .{Parameter{ .name = own, .type = T.?, .index = index }};
                },
                .options => for (reflection.fields(T.?)) |field| {
                    if (receiver == .fields and !kind.isSettable(field.type)) continue;
                    const own = pythonName(field.name, list.len);
                    const one: Parameter = .{ .name = own, .type = field.type, .index = index, .field = field };
                    list = list ++ .{one};
                },
            };
            break :blk list;
        };

        /// How many of them may be given by position.
        pub const positional = blk: {
            var count: usize = 0;
            for (parameters) |parameter| count += @intFromBool(receiver == .fields or parameter.field == null);
            break :blk count;
        };

        pub const signature: Signature = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: [parameters.len]Signature.Parameter = undefined;
            for (&list, parameters) |*one, parameter| {
                one.* = .{
                    .name = parameter.name,
                    .is_required = parameter.default() == null,
                    .expected = kind.expected(parameter.type),
                    .range = kind.range(parameter.type),
                };
            }
            const final = list;
            break :blk .{ .name = name, .parameters = &final, .positional = positional };
        };

        /// An instance that a call uses: it goes to a parameter of the Zig function.
        const Use = struct {
            index: usize,
            /// Which of the arguments it is; `self` if there is none.
            position: ?usize = null,
        };

        const uses: []const Use = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const Use = if (receiver == .instance) &.{.{ .index = 0 }} else &.{};
            for (parameters, 0..) |parameter, position| {
                if (parameter.field != null or kind.InstanceOf(parameter.type) == void) continue;
                list = list ++ .{Use{ .index = parameter.index, .position = position }};
            }
            break :blk list;
        };

        const takes_callable = blk: {
            @setEvalBranchQuota(reflection.quota);
            for (info.parameters) |T| if (kind.hasCallable(T.?)) break :blk true;
            break :blk false;
        };

        const uses_scope = blk: {
            @setEvalBranchQuota(reflection.quota);
            for (parameters) |parameter| {
                if (parameter.field != null or kind.needsScope(parameter.type)) break :blk true;
            }
            break :blk hasRole(.allocator);
        };

        /// Returns why Python cannot call it, or `null` if it can. Looks at the type only.
        pub fn obstacle() ?[:0]const u8 {
            @setEvalBranchQuota(reflection.quota);
            if (info.is_variadic) return "variable argument list";
            if (!info.is_callable) return "calling convention";
            for (info.parameters, 1..) |parameter, number| {
                const place = "parameter " ++ text.decimal(number) ++ ": ";
                const T = parameter orelse return place ++ "type `anytype`";
                if (T == type) return place ++ "type `type`";
                const is_ours = switch (roleOf(number - 1)) {
                    .receiver, .allocator => true,
                    .argument, .options => kind.isParameter(T),
                };
                if (!is_ours) return place ++ "type `" ++ @typeName(T) ++ "`";
                if (declaration.nogil and kind.hasCallable(T)) {
                    return place ++ "a Callable needs the lock that nogil releases";
                }
            }
            if (clash()) |both| return "an option and another parameter are both called `" ++ both ++ "`";
            const Whole = info.result orelse return "result: type depends on a parameter";
            const is_result = switch (receiver) {
                .constructor => |T| Result == T,
                else => kind.isResult(Result),
            };
            if (!is_result) return "result: type `" ++ @typeName(Whole) ++ "`";
            if (info.is_generic) return "generic: a parameter is comptime";
            return null;
        }

        /// Returns a name that two parameters have in Python.
        fn clash() ?[:0]const u8 {
            for (parameters[positional..], positional..) |option, count| {
                for (parameters[0..count]) |other| {
                    if (std.mem.eql(u8, option.name, other.name)) return option.name;
                }
            }
            return null;
        }

        /// Returns the doc string in the form from which `inspect.signature` reads the parameters.
        pub fn documentation(comptime doc: [:0]const u8) [:0]const u8 {
            const self = switch (receiver) {
                .module, .constructor, .fields => "",
                .instance => "$self",
                .class => "$type",
            };
            return name ++ "(" ++ listed(self, false) ++ ")\n--\n\n" ++ doc;
        }

        /// Lists the parameters: `a, *, b=1`, with types `a: int, *, b: int = 1`.
        pub fn listed(comptime self: [:0]const u8, comptime typed: bool) [:0]const u8 {
            @setEvalBranchQuota(reflection.quota);
            var list: text.List = .{ .text = self };
            for (parameters, 0..) |parameter, index| {
                if (index == positional) list.add("*");
                var item = parameter.name;
                if (typed) item = item ++ ": " ++ kind.annotation(parameter.type, .parameter);
                if (parameter.default()) |shown| item = item ++ (if (typed) " = " else "=") ++ shown;
                list.add(item);
            }
            return list.text;
        }
    };
}

fn hasDefault(comptime T: type) bool {
    if (kind.of(T) != .record) return false;
    for (reflection.fields(T)) |field| if (field.default != null) return true;
    return false;
}

/// Returns the name of a parameter as Python can write it. `position` counts what Python sees.
fn pythonName(comptime name: [:0]const u8, comptime position: usize) [:0]const u8 {
    return if (text.isParameterName(name)) name else "arg" ++ text.decimal(position);
}

fn PayloadOf(comptime Result: type) type {
    return switch (@typeInfo(Result)) {
        .error_union => |error_union| error_union.payload,
        else => Result,
    };
}

pub fn Wrapper(comptime function: anytype, comptime declaration: Declaration, comptime receiver: Receiver) type {
    const F = @TypeOf(function);
    const info = reflection.function(F);
    const wrapped = Shape(F, declaration, receiver);
    const Unwrapped = kind.Unwrapped(wrapped.Result);
    // The class that the result is an instance of, or `void`.
    const Made = if (kind.of(Unwrapped) == .class) Unwrapped else void;
    const has_errors = @typeInfo(info.result.?) == .error_union;
    // Whether the memory that an instance gets is its own.
    const owns = switch (receiver) {
        .constructor, .fields => true,
        .instance => |T| info.parameters[0].? == *T,
        .module, .class => false,
    };

    return struct {
        pub const shape = wrapped;

        pub const definition: abi.MethodDefinition = .{
            .name = declaration.name,
            .function = &call,
            .flags = abi.METH_FASTCALL_KEYWORDS | if (receiver == .class) abi.METH_CLASS else 0,
            .doc = shape.documentation(declaration.doc),
        };

        pub fn call(
            self: *Object,
            objects: [*]const *Object,
            count: isize,
            names: ?*Object,
        ) callconv(.c) ?*Object {
            const all = shape.parameters.len;
            if (names == null and count == all and shape.positional == all) return invoke(self, @ptrCast(objects));
            var slots: [all]?*Object = @splat(null);
            if (!shape.signature.bind(objects, @intCast(count), names, &slots)) return null;
            return invoke(self, &slots);
        }

        /// Calls with one object for each parameter; null stands for a default.
        pub fn invoke(self: *Object, objects: [*]const ?*Object) ?*Object {
            @setEvalBranchQuota(reflection.quota);
            const module = switch (receiver) {
                .module => self,
                .class => |T| class.moduleOf(T, @ptrCast(@alignCast(self))) orelse return null,
                .instance, .constructor, .fields => |T| instance.moduleOf(T, self) orelse return null,
            };
            var scope: Scope = .{ .heap = .{ .is_shared = declaration.nogil } };
            defer if (shape.uses_scope) scope.close();
            var context: Context = .{ .module = module, .scope = &scope, .function = shape.name };

            // Memory of a returned instance belongs to it, so it has to be there before the call.
            const makes_first = Made != void and !owns and comptime shape.hasRole(.allocator);
            var made: ?*Object = null;
            defer if (makes_first) abi.Py_DecRef(made);
            if (makes_first) {
                made = instance.allocate(Made, module) orelse return null;
                if (declaration.nogil) instance.Body.of(made.?).heap.is_shared = true;
            }
            const owner = if (owns) self else if (makes_first) made.? else {};
            const heap = if (@TypeOf(owner) == void) &scope.heap else &instance.Body.of(owner).heap;

            var arguments: std.meta.ArgsTuple(F) = undefined;
            inline for (0..info.parameters.len) |index| {
                if (comptime shape.roleOf(index) == .allocator) arguments[index] = heap.allocator();
            }
            inline for (shape.parameters, 0..) |parameter, position| {
                context.argument = parameter.name;
                if (parameter.field) |field| {
                    const place = &@field(arguments[parameter.index], field.name);
                    if (objects[position]) |object| {
                        place.* = convert.fromArgument(field.type, object, &context) catch |refusal|
                            return shape.signature.refuse(position, refusal, object);
                    } else if (comptime field.defaultValue()) |default| {
                        place.* = default;
                    }
                } else if (comptime kind.InstanceOf(parameter.type) == void) {
                    const object = objects[position].?;
                    arguments[parameter.index] = convert.fromArgument(parameter.type, object, &context) catch |refusal|
                        return shape.signature.refuse(position, refusal, object);
                }
            }

            // Instances come last: what follows runs no Python code that could end one of them.
            var borrows: [shape.uses.len]instance.Borrow = @splat(.{});
            defer for (borrows) |borrow| borrow.end();
            inline for (shape.uses, &borrows) |use, *borrow| {
                const T = info.parameters[use.index].?;
                const Inner = kind.Unwrapped(T);
                const Instance = kind.InstanceOf(T);
                const object = if (use.position) |position| objects[position].? else self;
                if (Inner != T and object == builtins.none) {
                    arguments[use.index] = null;
                } else {
                    if (use.position) |position| if (!instance.is(Instance, object, module)) {
                        return shape.signature.refuse(position, error.WrongType, object);
                    };
                    if (!borrow.begin(Instance, object, Inner == *Instance)) return null;
                    const value = instance.valueOf(Instance, object);
                    arguments[use.index] = if (Inner == Instance) value.* else value;
                }
            }
            if (receiver == .instance and comptime class.Class(receiver.instance).isIndexed(declaration.name)) {
                if (!class.Class(receiver.instance).isInside(self, arguments[1])) return null;
            }

            const thread = if (declaration.nogil) abi.PyEval_SaveThread();
            const result = @call(.auto, function, arguments);
            if (declaration.nogil) abi.PyEval_RestoreThread(thread);
            // An exception in a callable that the function got over.
            if (shape.takes_callable) if (!has_errors or !std.meta.isError(result)) abi.PyErr_Clear();
            const payload = if (!has_errors) result else result catch |err| {
                exception.raiseZigError(module, err);
                if (trace.has_returns) trace.attach(@errorReturnTrace());
                return null;
            };
            return finish(self, payload, &made, &borrows, &context);
        }

        fn finish(
            self: *Object,
            payload: shape.Result,
            made: *?*Object,
            borrows: []const instance.Borrow,
            context: *const Context,
        ) ?*Object {
            const is_constructor = receiver == .constructor or receiver == .fields;
            if (Made == void) return convert.toPython(shape.Result, payload, context);
            const value: Made = if (shape.Result == Made)
                payload
            else
                payload orelse return builtins.newReference(builtins.none);
            const object = if (is_constructor)
                builtins.newReference(self)
            else
                made.* orelse instance.allocate(Made, context.module) orelse return null;
            made.* = null;
            instance.start(Made, object, value);
            // What an iterator gives must not keep it from going on.
            const locks = comptime is_constructor or !std.mem.eql(u8, declaration.name, "next");
            if (comptime kind.hasPointers(Made)) if (!instance.adopt(object, borrows, locks)) {
                abi.Py_DecRef(object);
                return null;
            };
            return object;
        }
    };
}

/// Calls a Python object; see `types.Callable`.
pub fn callPython(
    callable: types.Callable,
    comptime Result: type,
    arguments: anytype,
) error{PythonError}!Result {
    const is_value = comptime kind.isParameter(Result) and kind.of(Result) != .class_pointer;
    if (Result != void and !is_value) {
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
        if (comptime !kind.isReadable(Argument)) {
            @compileError("zigimport: a Callable cannot be given `" ++ @typeName(field.type) ++ "`");
        }
        const object = convert.toPython(Argument, arguments[index], &context) orelse return error.PythonError;
        _ = abi.PyTuple_SetItem(tuple, index, object); // Cannot fail: the tuple is new.
    }
    const function: *Object = @ptrCast(@alignCast(callable.object));
    const result = abi.PyObject_Call(function, tuple, null) orelse return error.PythonError;
    // The converted value may point into it.
    scope.holdObject(result) catch return error.PythonError;
    if (Result == void) return;
    return convert.fromPython(Result, result, &context) catch |refusal| {
        const expected = comptime kind.expected(Result);
        const range = comptime kind.range(Result);
        const signature: Signature = .{
            .name = context.function,
            .parameters = &.{.{ .name = context.argument, .expected = expected, .range = range }},
            .positional = 1,
        };
        _ = signature.refuse(0, refusal, result);
        return error.PythonError;
    };
}

fn obstacleOf(comptime F: type, comptime declaration: Declaration) ?[:0]const u8 {
    return Shape(F, declaration, .module).obstacle();
}

test "what keeps a function out" {
    const expectEqualStrings = std.testing.expectEqualStrings;
    const named: Declaration = .{ .name = "f" };
    const Fine = fn (u8, std.mem.Allocator, []const u8) error{A}!?f64;
    try std.testing.expect(comptime obstacleOf(Fine, named) == null);
    inline for (.{
        .{ fn (u8, anytype) void, "parameter 2: type `anytype`" },
        .{ fn (*u8) void, "parameter 1: type `*u8`" },
        .{ fn (comptime type) void, "parameter 1: type `type`" },
        .{ fn (comptime u8) void, "generic: a parameter is comptime" },
        .{ fn () type, "result: type `type`" },
        .{ fn (u8, ...) callconv(.c) void, "variable argument list" },
    }) |case| try expectEqualStrings(case[1], comptime obstacleOf(case[0], named).?);
    const nogil: Declaration = .{ .name = "f", .nogil = true };
    try std.testing.expect(comptime obstacleOf(fn (types.Callable) void, nogil) != null);
    const twice: Declaration = .{ .name = "f", .parameters = &.{"a"} };
    try expectEqualStrings(
        "an option and another parameter are both called `a`",
        comptime obstacleOf(fn (u8, struct { a: u8 = 1 }) void, twice).?,
    );
}

test "signatures" {
    const expectEqualStrings = std.testing.expectEqualStrings;
    const Options = struct { window: u32 = 3, scale: f64 = 2, must: bool, name: ?[]const u8 = "it's" };
    const named: Declaration = .{ .name = "area", .parameters = &.{ "a", "w", "lambda", "options" } };
    const area = Shape(fn (std.mem.Allocator, f64, f64, Options) f64, named, .module);
    try expectEqualStrings(
        "area(w, arg1, *, window=3, scale=2.0, must, name=\"it's\")\n--\n\nText.",
        comptime area.documentation("Text."),
    );
    try std.testing.expect(!area.signature.parameters[2].is_required);
    try std.testing.expect(area.signature.parameters[4].is_required);
    const now = Shape(fn () void, .{ .name = "now" }, .module);
    try expectEqualStrings("now()\n--\n\n", comptime now.documentation(""));
    const Point = struct { x: u8, y: ?u8 = null };
    const point = Shape(fn (Point) Point, .{ .name = "" }, .{ .fields = Point });
    try expectEqualStrings("self, x: \x01int, y: \x01int | None = None", comptime point.listed("self", true));
    try std.testing.expectEqual(2, point.positional);
}
