//! Zig functions as the interpreter calls them.

const std = @import("std");
const abi = @import("abi.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const kind = @import("kind.zig");
const failure = @import("failure.zig");
const reflection = @import("reflection.zig");
const zigimport = @import("zigimport.zig");
const Declaration = reflection.Declaration;
const Heap = @import("scope.zig").Heap;
const Scope = @import("scope.zig").Scope;

const Object = abi.Object;

/// What Python passes as `self`.
pub const Receiver = union(enum) {
    /// The module: a function.
    module,
    /// The class: a function in a class.
    class,
    /// An instance, which is the Zig function's first parameter: a method.
    instance: type,
    /// A new instance that the Zig function's result goes to: `init`.
    constructor: type,
    /// The same, but Python passes the fields of the function's first parameter.
    fields: type,
};

/// A parameter that Python sees.
const Parameter = struct {
    name: [:0]const u8,
    type: type,
    /// The Zig function's parameter that it goes to, or to a field of.
    index: usize,
    field: ?reflection.Field = null,

    /// Returns its default as Python shows it.
    pub fn default(comptime parameter: Parameter) ?[:0]const u8 {
        const field = parameter.field orelse return null;
        return kind.shown(field.type, field.defaultValue() orelse return null);
    }
};

/// Everything that follows from a function's type and from where it is declared.
pub const Shape = struct {
    name: [:0]const u8,
    declaration: Declaration,
    receiver: Receiver,
    info: reflection.Function,
    /// What it returns if that is no error.
    Result: type = void,
    /// What Python sees, in order.
    parameters: []const Parameter = &.{},
    /// How many of them may be given by position.
    positional: usize = 0,
    /// The instances that a call uses.
    uses: []const Use = &.{},
    takes_callable: bool = false,
    /// Why Python cannot call it.
    obstacle: ?[:0]const u8 = null,
    /// What it is to Python beside a function.
    special: ?class.Special = null,

    /// An instance that a call uses: it goes to a parameter of the Zig function.
    const Use = struct {
        index: usize,
        /// Which of the arguments it is; `self` if there is none.
        position: ?usize = null,
    };

    pub fn of(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) Shape {
        // A constant of a type is computed once.
        return struct {
            const shape = find(F, declaration, receiver);
        }.shape;
    }

    fn find(comptime F: type, comptime declaration: Declaration, comptime receiver: Receiver) Shape {
        @setEvalBranchQuota(reflection.quota);
        const name = switch (receiver) {
            .constructor, .fields => |T| kind.nameOf(T),
            else => declaration.name,
        };
        const info = reflection.function(F);
        var shape: Shape = .{ .name = name, .declaration = declaration, .receiver = receiver, .info = info };
        shape.obstacle = shape.sort();
        return shape;
    }

    /// Sorts the parameters of the Zig function. Returns why Python cannot call it, or `null` if it can.
    /// Looks at the type only.
    fn sort(comptime shape: *Shape) ?[:0]const u8 {
        if (shape.info.is_variadic) return "variable argument list";
        if (!shape.info.is_callable) return "calling convention";
        for (shape.info.parameters, 0..) |parameter, index| {
            const place = "parameter " ++ kind.decimal(index + 1) ++ ": ";
            const T = parameter orelse return place ++ "type `anytype`";
            const name = if (index < shape.declaration.parameters.len) shape.declaration.parameters[index] else "";
            if (T == std.mem.Allocator) {} else if (index == 0 and shape.receiver == .instance) {
                shape.uses = &.{.{ .index = 0 }};
            } else if (!kind.isParameter(T)) {
                return place ++ "type `" ++ @typeName(T) ++ "`";
            } else if (shape.isOptions(T, name, index)) {
                for (reflection.fields(T)) |field| {
                    if (shape.receiver == .fields and !class.isTaken(field)) continue;
                    shape.add(.{ .name = field.name, .type = field.type, .index = index, .field = field });
                }
            } else {
                const use: Use = .{ .index = index, .position = shape.parameters.len };
                if (kind.InstanceOf(T) != void) shape.uses = shape.uses ++ .{use};
                shape.add(.{ .name = name, .type = T, .index = index });
            }
            if (!kind.hasCallable(T)) continue;
            if (shape.declaration.nogil) return place ++ "a Callable needs the lock that nogil releases";
            shape.takes_callable = true;
        }
        for (shape.parameters, 0..) |one, count| {
            for (shape.parameters[0..count]) |other| if (std.mem.eql(u8, one.name, other.name)) {
                return "two parameters are called `" ++ one.name ++ "` in Python";
            };
        }
        const Whole = shape.info.result orelse return "result: type depends on a parameter";
        shape.Result = reflection.Payload(Whole);
        const is_result = switch (shape.receiver) {
            .constructor => |T| shape.Result == T,
            else => kind.isResult(shape.Result),
        };
        if (!is_result) return "result: type `" ++ @typeName(Whole) ++ "`";
        return if (shape.info.is_generic) "generic: a parameter is comptime" else null;
    }

    /// True for a parameter whose fields are what Python passes.
    fn isOptions(comptime shape: Shape, comptime T: type, comptime name: []const u8, comptime index: usize) bool {
        if (shape.receiver == .fields) return true;
        if (index != shape.info.parameters.len - 1 or kind.of(T) != .record) return false;
        if (!std.mem.eql(u8, name, "options") and kind.hasName(T)) return false;
        for (reflection.fields(T)) |field| if (field.default != null or field.is_undefined) return true;
        return false;
    }

    fn add(comptime shape: *Shape, comptime given: Parameter) void {
        var parameter = given;
        // A name that Python cannot write is given by position; one that is a keyword, as `from_`.
        if (!kind.isParameterName(given.name)) {
            const is_keyword = kind.isParameterName(given.name ++ "_");
            parameter.name = if (is_keyword) given.name ++ "_" else "arg" ++ kind.decimal(shape.parameters.len);
        }
        // A field without a default behind one that has it is keyword-only, and so is what follows.
        var by_position = given.field == null or shape.receiver == .fields and shape.positional == shape.parameters.len;
        if (shape.receiver == .fields and given.default() == null) {
            for (shape.parameters) |before| if (before.default() != null) {
                by_position = false;
            };
        }
        shape.parameters = shape.parameters ++ .{parameter};
        if (by_position) shape.positional += 1;
    }

    fn signature(comptime shape: Shape) Signature {
        @setEvalBranchQuota(reflection.quota);
        var list: []const Signature.Argument = &.{};
        for (shape.parameters) |parameter| list = list ++ .{Signature.Argument{
            .name = parameter.name,
            .is_required = parameter.default() == null,
        }};
        return .{ .name = shape.name, .parameters = list, .positional = shape.positional };
    }

    /// Returns the doc string in the form from which `inspect.signature` reads the parameters.
    pub fn documentation(comptime shape: Shape, comptime doc: [:0]const u8) [:0]const u8 {
        @setEvalBranchQuota(reflection.quota);
        var list: [:0]const u8 = if (shape.receiver == .instance) "$self" else "";
        for (shape.parameters, 0..) |parameter, index| {
            if (index == shape.positional) list = kind.append(list, ", ", "*");
            const default = if (parameter.default()) |shown| "=" ++ shown else "";
            list = kind.append(list, ", ", parameter.name ++ default);
        }
        return shape.name ++ "(" ++ list ++ ")\n--\n\n" ++ doc;
    }
};

/// The parameters of a function as Python knows them, and how the arguments of a call are sorted into
/// them. The messages are like those that Python has for its own functions.
const Signature = struct {
    name: [*:0]const u8,
    parameters: []const Argument,
    /// How many of them may be given by position; the rest is keyword-only.
    positional: usize,

    const Argument = struct {
        name: [*:0]const u8,
        is_required: bool,
    };

    /// Sorts the arguments of a call into one slot for each parameter. False with an exception set if
    /// they do not fit. The values of the keywords `names` lie behind the positional ones.
    pub fn bind(signature: *const Signature, positional: []const *Object, names: ?*Object, slots: []?*Object) bool {
        const count = signature.positional;
        if (positional.len > count) {
            const plural: [*:0]const u8 = if (count == 1) "" else "s";
            const format = "%s() takes %zd positional argument%s (%zd given)";
            return abi.raise(bool, "TypeError", format, .{ signature.name, count, plural, positional.len });
        }
        for (slots[0..positional.len], positional) |*slot, object| slot.* = object;
        if (names) |tuple| for (0..@intCast(abi.PyTuple_Size(tuple))) |index| {
            const name = abi.PyTuple_GetItem(tuple, @intCast(index)) orelse return false;
            const slot = for (signature.parameters, slots) |parameter, *slot| {
                if (abi.PyUnicode_CompareWithASCIIString(name, parameter.name) == 0) break slot;
            } else return abi.raise(bool, "TypeError", "%s() got an unexpected keyword argument '%S'", .{ signature.name, name });
            if (slot.* != null) return abi.raise(bool, "TypeError", "%s() got multiple values for argument '%S'", .{ signature.name, name });
            slot.* = positional.ptr[positional.len + index];
        };
        for (signature.parameters, slots) |parameter, slot| if (slot == null and parameter.is_required) {
            const values = .{ signature.name, parameter.name };
            return abi.raise(bool, "TypeError", "%s() missing required argument '%s'", values);
        };
        return true;
    }
};

/// Returns a function of a module as a new object.
pub fn new(comptime f: anytype, comptime declaration: Declaration, module: *Object, module_name: *Object) ?*Object {
    const shape: Shape = comptime .of(@TypeOf(f), declaration, .module);
    return abi.PyCFunction_NewEx(&Wrapper(f, shape).definition, module, module_name);
}

pub fn Wrapper(comptime function: anytype, comptime wrapped: Shape) type {
    const declaration = wrapped.declaration;
    const receiver = wrapped.receiver;
    const parameters = wrapped.info.parameters;
    const has_errors = @typeInfo(wrapped.info.result.?) == .error_union;
    const is_constructor = receiver == .constructor or receiver == .fields;
    // The class that the result is an instance of, or `void`.
    const Made = if (kind.of(kind.Unwrapped(wrapped.Result)) == .class) kind.Unwrapped(wrapped.Result) else void;
    const is_indexed = receiver == .instance and class.Class(receiver.instance).isIndexed(wrapped);
    // Whether an instance may point to what the arguments have. Fields that Python gives are copied.
    const shares = kind.hasPointers(Made) and receiver != .fields;
    // Whether the memory that an instance gets is its own.
    const owns = is_constructor or receiver == .instance and parameters[0].? == *receiver.instance;

    return struct {
        pub const shape = wrapped;
        pub const signature = wrapped.signature();

        pub const definition: abi.MethodDefinition = .{
            .name = shape.name,
            .function = &call,
            .flags = abi.METH_FASTCALL_KEYWORDS | if (receiver == .class) abi.METH_CLASS else 0,
            .doc = shape.documentation(declaration.doc),
        };

        pub fn call(self: *Object, objects: [*]const *Object, count: isize, names: ?*Object) callconv(.c) ?*Object {
            const all = shape.parameters.len;
            if (names == null and count == all and shape.positional == all) return finish(invoke(self, @ptrCast(objects)));
            var slots: [all]?*Object = @splat(null);
            if (!signature.bind(objects[0..@intCast(count)], names, &slots)) return null;
            return finish(invoke(self, &slots));
        }

        /// What has no next is at its end.
        inline fn finish(result: ?*Object) ?*Object {
            if (shape.special != .next or result != abi.none) return result;
            abi.PyErr_SetObject(abi.exception("StopIteration"), abi.none);
            return abi.drop(result);
        }

        /// Calls with one object for each parameter; null stands for a default.
        pub fn invoke(self: *Object, objects: [*]const ?*Object) ?*Object {
            @setEvalBranchQuota(reflection.quota);
            const module = switch (receiver) {
                .module => self,
                .class => abi.PyType_GetModule(self) orelse return null,
                .instance, .constructor, .fields => |T| class.moduleOf(T, self) orelse return null,
            };
            const own: class.Borrow = if (is_constructor) class.Class(Made).begin(self) orelse return null else .{};
            defer own.end();
            // Memory of a returned instance belongs to it, so it has to be there before the call.
            var made: ?*Object = if (is_constructor) abi.newReference(self) else null;
            if (Made != void and !is_constructor) made = class.allocate(Made, module) orelse return null;
            defer if (Made != void) abi.Py_DecRef(made);
            // What a returned instance may point to stays with it.
            var temporary: Heap = .{};
            defer temporary.deinit();
            const heap = if (shares) &class.Body.of(made.?).heap else &temporary;
            var scope: Scope = .{ .module = module, .function = shape.name, .heap = heap };

            var arguments: std.meta.ArgsTuple(@TypeOf(function)) = undefined;
            inline for (parameters, 0..) |T, index| if (T.? == std.mem.Allocator) {
                arguments[index] = (if (owns) &class.Body.of(self).heap else heap).allocator();
            };
            inline for (shape.parameters, 0..) |parameter, position| {
                scope.argument = parameter.name;
                const place = if (parameter.field) |field|
                    &@field(arguments[parameter.index], field.name)
                else
                    &arguments[parameter.index];
                const default = comptime if (parameter.field) |field| field.defaultValue() else null;
                if (comptime parameter.field == null and (position == 0 and is_indexed or kind.InstanceOf(parameter.type) != void)) {
                    // Follows below.
                } else if (default == null or objects[position] != null) {
                    const object = objects[position].?;
                    place.* = convert.fromArgument(parameter.type, object, &scope) catch |refusal|
                        return scope.refuse(parameter.type, refusal, object);
                } else place.* = default.?;
            }

            // Instances come last: once they are borrowed, Python code that an index or a result runs
            // cannot end one of them.
            var borrows: [shape.uses.len]class.Borrow = @splat(.{});
            defer for (borrows) |borrow| borrow.end();
            inline for (shape.uses, &borrows) |use, *borrow| {
                const T = parameters[use.index].?;
                const object = if (use.position) |position| objects[position].? else self;
                if (use.position) |position| scope.argument = shape.parameters[position].name;
                const checked = if (use.position == null) null else module;
                arguments[use.index] = borrow.begin(T, object, checked) catch |refusal| {
                    const is_other = shape.special == .eql and refusal == error.WrongType;
                    return if (is_other) abi.newReference(abi.not_implemented) else scope.refuse(T, refusal, object);
                };
            }
            if (is_indexed) {
                const index = class.Class(receiver.instance).indexOf(parameters[1].?, self, objects[0].?);
                arguments[1] = index orelse return null;
            }

            const thread = if (declaration.nogil) abi.PyEval_SaveThread();
            const result = @call(.auto, function, arguments);
            if (declaration.nogil) abi.PyEval_RestoreThread(thread);
            // An exception in a callable that the function got over.
            if (shape.takes_callable) if (!has_errors or !std.meta.isError(result)) abi.PyErr_Clear();
            const payload = if (!has_errors) result else result catch |err| {
                failure.raiseZigError(module, err, if (failure.has_returns) @errorReturnTrace() else null);
                return null;
            };
            if (Made == void) return convert.toPython(shape.Result, payload, &scope);

            const object = made.?;
            const value: ?Made = payload;
            class.start(Made, object, value orelse return abi.newReference(abi.none));
            // What an iterator gives must not keep it from going on.
            const locks = comptime is_constructor or !std.mem.eql(u8, declaration.name, "next");
            if (shares) inline for (shape.parameters, 0..) |parameter, position| if (comptime kind.hasPointers(parameter.type)) {
                if (objects[position]) |argument| scope.holdObject(abi.newReference(argument)) catch return null;
            };
            if (shares and shape.uses.len > 0 and !class.adopt(object, &borrows, locks)) return null;
            return abi.newReference(if (is_constructor) abi.none else object);
        }
    };
}

/// Calls a Python object; see `zigimport.Callable`.
pub fn callPython(callable: zigimport.Callable, comptime Result: type, arguments: anytype) error{PythonError}!Result {
    // An instance may be gone, or closed, before the caller is done with it.
    const is_value = comptime kind.isParameter(Result) and !kind.isShared(Result);
    if (Result != void and !is_value) {
        @compileError("zigimport: a Callable cannot return `" ++ @typeName(Result) ++ "`");
    }
    const scope: *Scope = @ptrCast(@alignCast(callable.scope));
    scope.function = "callable";
    scope.argument = "result";
    // What an earlier call raised and the caller got over.
    abi.PyErr_Clear();
    const fields = comptime blk: {
        var list = reflection.fields(@TypeOf(arguments))[0..].*;
        for (&list) |*field| field.type = switch (@typeInfo(field.type)) {
            .comptime_int => i64,
            .comptime_float => f64,
            .null => ?bool,
            else => if (kind.isReadable(field.type)) field.type else {
                @compileError("zigimport: a Callable cannot be given `" ++ @typeName(field.type) ++ "`");
            },
        };
        break :blk list;
    };
    // What the function allocated stays its own: a scope without memory has none to hand over.
    var lent: Scope = .{ .module = scope.module };
    const tuple = convert.newTuple(&fields, arguments, &lent) orelse return error.PythonError;
    defer abi.Py_DecRef(tuple);
    const function: *Object = @ptrCast(@alignCast(callable.object));
    const result = abi.PyObject_Call(function, tuple, null) orelse return error.PythonError;
    // The converted value may point into it.
    const is_held = comptime kind.hasPointers(Result);
    if (is_held) scope.holdObject(result) catch return error.PythonError;
    defer if (!is_held) abi.Py_DecRef(result);
    if (Result == void) return;
    return convert.fromPython(Result, result, scope) catch |refusal| {
        _ = scope.refuse(Result, refusal, result);
        return error.PythonError;
    };
}

test "what keeps a function out" {
    const expectEqualStrings = std.testing.expectEqualStrings;
    const obstacleOf = struct {
        fn of(comptime F: type, comptime declaration: Declaration) ?[:0]const u8 {
            return Shape.of(F, declaration, .module).obstacle;
        }
    }.of;
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
    try std.testing.expect(comptime obstacleOf(fn (zigimport.Callable) void, nogil) != null);
    const twice: Declaration = .{ .name = "f", .parameters = &.{"a"} };
    try expectEqualStrings(
        "two parameters are called `a` in Python",
        comptime obstacleOf(fn (u8, struct { a: u8 = 1 }) void, twice).?,
    );
}

test "signatures" {
    const expectEqualStrings = std.testing.expectEqualStrings;
    const Options = struct { window: u32 = 3, scale: f64 = 2, must: bool, from: ?[]const u8 = "it's" };
    const named: Declaration = .{ .name = "area", .parameters = &.{ "a", "w", "lambda", "options" } };
    const area: Shape = comptime .of(fn (std.mem.Allocator, f64, f64, Options) f64, named, .module);
    try expectEqualStrings(
        "area(w, lambda_, *, window=3, scale=2.0, must, from_=\"it's\")\n--\n\nText.",
        comptime area.documentation("Text."),
    );
    try std.testing.expect(!comptime area.signature().parameters[2].is_required);
    try std.testing.expect(comptime area.signature().parameters[4].is_required);
    const now: Shape = comptime .of(fn () void, .{ .name = "now" }, .module);
    try expectEqualStrings("now()\n--\n\n", comptime now.documentation(""));
    const Point = struct { x: u8, y: ?u8 = null };
    const point: Shape = comptime .of(fn (Point) Point, .{ .name = "" }, .{ .fields = Point });
    try expectEqualStrings("Point(x, y=None)\n--\n\n", comptime point.documentation(""));
    try std.testing.expectEqual(2, point.positional);
}
