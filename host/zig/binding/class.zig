//! Structs with methods: Python classes.

const std = @import("std");
const abi = @import("abi.zig");
const function = @import("function.zig");
const instance = @import("instance.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const state = @import("state.zig");

const Body = instance.Body;
const Declaration = reflection.Declaration;
const Object = abi.Object;

/// Functions that Python reaches by other means than their names.
pub const Special = enum { init, deinit, repr, str, hash, len, next, iterator, contains, eql, getItem, setItem };

pub fn pythonName(comptime special: Special) [:0]const u8 {
    return switch (special) {
        .iterator => "__iter__",
        .eql => "__eq__",
        .getItem => "__getitem__",
        .setItem => "__setitem__",
        else => "__" ++ @tagName(special) ++ "__",
    };
}

/// True if a method has the parameters and the result that are expected of it.
fn fits(comptime special: Special, comptime shape: function.Shape) bool {
    const count = switch (special) {
        .init => return shape.receiver == .constructor,
        .deinit => return true,
        .contains, .eql, .getItem => 1,
        .setItem => 2,
        else => 0,
    };
    if (shape.receiver != .instance or shape.positional != count or shape.parameters.len != count) return false;
    return switch (special) {
        .eql => shape.Result == bool and kind.InstanceOf(shape.parameters[0].type) == shape.receiver.instance,
        .contains => shape.Result == bool,
        .len => kind.of(shape.Result) == .int,
        else => true,
    };
}

/// A function of a class.
pub const Method = struct {
    shape: function.Shape,
    special: ?Special = null,

    fn of(comptime T: type, comptime declaration: Declaration) Method {
        const F = @TypeOf(@field(T, declaration.name));
        const info = reflection.function(F);
        const makes_one = reflection.Payload(info.result orelse void) == T;
        const receiver: function.Receiver = if (makes_one and std.mem.eql(u8, declaration.name, "init"))
            .{ .constructor = T }
        else if (isMethod(info, T)) .{ .instance = T } else .{ .class = T };
        var method: Method = .{ .shape = .of(F, declaration, receiver) };
        if (!@hasField(Special, declaration.name)) return method;
        const special = @field(Special, declaration.name);
        if (fits(special, method.shape)) method.special = special;
        const reason = "a deinit takes self and at most an allocator, and returns nothing";
        if (special == .deinit) method.shape.obstacle = if (hasDeinit(T)) null else reason;
        if (method.shape.obstacle != null) method.special = null;
        return method;
    }

    fn Wrapper(comptime method: Method, comptime T: type) type {
        return function.Wrapper(@field(T, method.shape.declaration.name), method.shape);
    }
};

/// True if the first parameter is a T or a pointer to one.
fn isMethod(comptime info: reflection.Function, comptime T: type) bool {
    const First = if (info.parameters.len > 0) info.parameters[0] orelse return false else return false;
    return First == T or First == *T or First == *const T;
}

pub fn hasDeinit(comptime T: type) bool {
    if (!@hasDecl(T, "deinit") or @typeInfo(@TypeOf(T.deinit)) != .@"fn") return false;
    const info = reflection.function(@TypeOf(T.deinit));
    const takes_allocator = info.parameters.len == 2 and info.parameters[1] == std.mem.Allocator;
    return isMethod(info, T) and info.result == void and (info.parameters.len == 1 or takes_allocator);
}

/// Returns the class of a type (borrowed), or `null` with an exception set.
pub fn of(comptime T: type, module: *Object) ?*Object {
    return state.classOf(T, module, &Class(T).create);
}

/// Returns the module of a class or of one derived from it (borrowed).
pub fn moduleOf(comptime T: type, class: *Object) ?*Object {
    var base = class;
    const ours: *const anyopaque = @ptrCast(&Class(T).dealloc);
    while (abi.PyType_GetSlot(base, .tp_dealloc) != ours) {
        base = @ptrCast(@alignCast(abi.PyType_GetSlot(base, .tp_base) orelse break));
    }
    return abi.PyType_GetModule(base);
}

pub fn Class(comptime T: type) type {
    const name = kind.nameOf(T);
    const fields = reflection.fields(T);
    const has_init = @hasDecl(T, "init");
    // A subclass may keep such an instance in its owner's dict: the collector must see the way back.
    const may_have_owners = kind.hasPointers(T);

    return struct {
        const container = reflection.containerOf(T).?;

        pub const methods: []const Method = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const Method = &.{};
            for (container.list) |declaration| {
                if (reflection.isFunction(T, declaration)) list = list ++ .{Method.of(T, declaration)};
            }
            break :blk list;
        };

        fn find(comptime special: Special) ?Method {
            for (methods) |method| if (method.special == special) return method;
            return null;
        }

        pub fn has(comptime special: Special) bool {
            return comptime find(special) != null;
        }

        /// What makes an instance, or `void` if Python cannot.
        pub const Constructor = blk: {
            @setEvalBranchQuota(reflection.quota);
            if (find(.init)) |method| break :blk method.Wrapper(T);
            for (fields) |field| {
                const may_be_left_out = field.default != null or field.is_undefined;
                if (has_init or !isTaken(field) and !may_be_left_out) break :blk void;
            }
            break :blk function.Wrapper(fromFields, .of(@TypeOf(fromFields), .{ .name = name }, .{ .fields = T }));
        };

        /// Makes a value of the fields that Python may set. Text is copied, and stays until the instance
        /// goes away: other fields may point to it by then.
        fn fromFields(given: T, allocator: std.mem.Allocator) error{OutOfMemory}!T {
            @setEvalBranchQuota(reflection.quota);
            var value = given;
            inline for (fields) |field| if (comptime !isTaken(field)) {
                @field(value, field.name) = comptime field.defaultValue() orelse undefined;
            } else if (field.type == []const u8) {
                @field(value, field.name) = try allocator.dupe(u8, @field(value, field.name));
            };
            return value;
        }

        /// True for `getItem` and `setItem` whose key is an index of 0 to `len`, a number of the value alone.
        pub fn isIndexed(comptime method: []const u8) bool {
            const is_item = std.mem.eql(u8, method, "getItem") or std.mem.eql(u8, method, "setItem");
            if (!is_item or !has(@field(Special, method)) or !has(.len)) return false;
            const len = reflection.function(@TypeOf(T.len));
            const parameters = reflection.function(@TypeOf(@field(T, method))).parameters;
            return len.parameters.len == 1 and parameters.len >= 2 and @typeInfo(parameters[1].?) == .int;
        }

        /// False with an exception set if an index is not, or by now no longer, one of the value.
        pub fn isInside(self: *Object, index: anytype) bool {
            const value = instance.valueOf(T, self);
            const takes_value = comptime reflection.function(@TypeOf(T.len)).parameters[0].? == T;
            const count = T.len(if (takes_value) value.* else value);
            const all = if (@typeInfo(@TypeOf(count)) == .error_union) count catch 0 else count;
            return index >= 0 and index < all or raiseIndexError(bool);
        }

        fn raiseIndexError(comptime Answer: type) Answer {
            return abi.raise(Answer, "IndexError", "%s index out of range", .{name.ptr});
        }

        /// True if Python may write a field: nobody else looks after it.
        pub fn isWritable(comptime field: reflection.Field) bool {
            return !has_init and kind.isSettable(field.type);
        }

        fn create(module: *Object) ?*Object {
            const class = abi.PyType_FromModuleAndSpec(module, &spec, null) orelse return null;
            return state.withModule(class, module);
        }

        const spec: abi.TypeSpec = .{
            .name = reflection.module_name ++ "." ++ name,
            .basic_size = instance.sizeOf(T),
            .flags = abi.type_flags_default | abi.type_flag_base | if (may_have_owners) abi.type_flag_gc else 0,
            .slots = slots.ptr,
        };

        const slots: []const abi.Slot = blk: {
            @setEvalBranchQuota(reflection.quota);
            const doc = if (Constructor == void) container.doc else Constructor.shape.documentation(container.doc);
            var list: []const abi.Slot = &.{
                .{ .id = .tp_dealloc, .value = &dealloc },
                .{ .id = .tp_init, .value = &init },
                .{ .id = .tp_doc, .value = doc.ptr },
                .{ .id = .tp_methods, .value = method_table.ptr },
                .{ .id = .tp_getset, .value = attribute_table.ptr },
            };
            if (!has(.repr) and !has_init and Constructor != void) list = list ++ slot(.tp_repr, &reprOfFields);
            if (may_have_owners) list = list ++ [_]abi.Slot{
                .{ .id = .tp_traverse, .value = &traverse },
                .{ .id = .tp_clear, .value = &clear },
            };
            // Makes it iterable without an iterator of its own.
            if (isIndexed("getItem")) list = list ++ slot(.sq_item, &sequenceItem);
            if (has(.next) and !has(.iterator)) list = list ++ slot(.tp_iter, &abi.PyObject_SelfIter);
            for (methods) |method| {
                list = list ++ switch (method.special orelse continue) {
                    .init, .deinit => continue,
                    .repr => slot(.tp_repr, &Unary(.repr).call),
                    .str => slot(.tp_str, &Unary(.str).call),
                    .hash => slot(.tp_hash, &hash),
                    .len => slot(.mp_length, &length),
                    .next => slot(.tp_iternext, &Unary(.next).call),
                    .iterator => slot(.tp_iter, &Unary(.iterator).call),
                    .contains => slot(.sq_contains, &contains),
                    .eql => slot(.tp_richcompare, &compare),
                    .getItem => slot(.mp_subscript, &getItem),
                    .setItem => slot(.mp_ass_subscript, &setItem),
                };
            }
            break :blk list ++ .{abi.Slot{}};
        };

        fn slot(id: abi.Slot.Id, value: *const anyopaque) [1]abi.Slot {
            return .{.{ .id = id, .value = value }};
        }

        const method_table: []const abi.MethodDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.MethodDefinition = &.{};
            for (methods) |method| if (method.special == null and method.shape.obstacle == null) {
                list = list ++ .{method.Wrapper(T).definition};
            };
            list = list ++ [_]abi.MethodDefinition{
                .{ .name = "__getstate__", .function = &refuseState, .flags = abi.METH_FASTCALL_KEYWORDS },
            };
            if (hasDeinit(T)) list = list ++ [_]abi.MethodDefinition{
                .{ .name = "__enter__", .function = &enter, .flags = abi.METH_FASTCALL_KEYWORDS },
                .{ .name = "__exit__", .function = &exit, .flags = abi.METH_FASTCALL_KEYWORDS },
            };
            break :blk list ++ .{abi.MethodDefinition{}};
        };

        const attribute_table: []const abi.GetSetDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.GetSetDefinition = &.{};
            for (fields) |field| if (kind.isReadable(field.type)) {
                list = list ++ .{Attribute(field).definition};
            };
            break :blk list ++ .{abi.GetSetDefinition{}};
        };

        /// Reads and writes a field, as methods do.
        fn Attribute(comptime field: reflection.Field) type {
            return struct {
                const set = if (isWritable(field)) &assign else null;
                const definition: abi.GetSetDefinition = .{ .name = field.name, .get = &get, .set = set };

                fn read(value: *const T) field.type {
                    return @field(value, field.name);
                }

                fn get(self: *Object, _: ?*anyopaque) callconv(.c) ?*Object {
                    return Accessor(read, "").invoke(self, &.{});
                }

                fn write(value: *T, new: field.type, allocator: std.mem.Allocator) error{OutOfMemory}!void {
                    @field(value, field.name) = if (field.type == []const u8) try allocator.dupe(u8, new) else new;
                }

                fn assign(self: *Object, value: ?*Object, _: ?*anyopaque) callconv(.c) c_int {
                    if (value == null) {
                        return abi.raise(c_int, "AttributeError", "'%s' cannot be deleted", .{field.name.ptr});
                    }
                    abi.Py_DecRef(Accessor(write, field.name).invoke(self, &.{value}) orelse return -1);
                    return 0;
                }
            };
        }

        fn Accessor(comptime access: anytype, comptime parameter: [:0]const u8) type {
            const declaration: Declaration = .{ .name = name, .parameters = &.{ "", parameter } };
            return function.Wrapper(access, .of(@TypeOf(access), declaration, .{ .instance = T }));
        }

        fn init(self: *Object, arguments: *Object, keywords: ?*Object) callconv(.c) c_int {
            if (Constructor == void) {
                return abi.raise(c_int, "TypeError", "cannot create '%s' instances from Python", .{name.ptr});
            }
            const body = Body.of(self);
            if (body.isInUse()) return instance.raiseInUse(c_int, name);
            const signature = &Constructor.signature;
            var objects: [signature.parameters.len]?*Object = @splat(null);
            if (!signature.bindTuple(arguments, keywords, &objects)) return -1;
            close(self);
            body.status = .new;
            body.heap.is_shared = reflection.has_nogil;
            body.is_busy = true;
            defer body.is_busy = false;
            abi.Py_DecRef(Constructor.invoke(self, &objects) orelse return -1);
            return 0;
        }

        /// Ends the value, once.
        fn close(self: *Object) void {
            const body = Body.of(self);
            if (body.status == .live) {
                body.status = .closed;
                if (comptime hasDeinit(T)) {
                    const value = instance.valueOf(T, self);
                    const parameters = comptime reflection.function(@TypeOf(T.deinit)).parameters;
                    const first = if (parameters[0].? == T) value.* else value;
                    if (parameters.len == 1) T.deinit(first) else T.deinit(first, body.heap.allocator());
                }
            }
            body.heap.deinit();
            body.release();
        }

        fn dealloc(self: *Object) callconv(.c) void {
            if (may_have_owners) abi.PyObject_GC_UnTrack(self);
            close(self);
            instance.free(self);
        }

        fn traverse(self: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
            const stop = visit(self.type, argument);
            return if (stop == 0) visit(Body.of(self).owners orelse return 0, argument) else stop;
        }

        /// Ends the value before what it points to. An owner of others stays: they are garbage too,
        /// and let it go when their turn comes.
        fn clear(self: *Object) callconv(.c) c_int {
            if (!Body.of(self).isInUse()) close(self);
            return 0;
        }

        fn enter(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            return if (instance.isUsable(T, self, false)) abi.newReference(self) else null;
        }

        fn exit(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            if (!instance.isUsable(T, self, true)) return null;
            if (Body.of(self).keepers > 0) return instance.raiseInUse(?*Object, name);
            close(self);
            return abi.newReference(abi.none);
        }

        /// The oldest protocols of `pickle` would leave the value out without a word.
        fn refuseState(_: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            return abi.raise(?*Object, "TypeError", "cannot pickle '%s' object", .{name.ptr});
        }

        fn reprOfFields(self: *Object) callconv(.c) ?*Object {
            var text = abi.PyUnicode_FromFormat("%s(", name.ptr) orelse return null;
            for (attribute_table[0 .. attribute_table.len - 1], 0..) |attribute, index| {
                const before = text;
                defer abi.Py_DecRef(before);
                const value = attribute.get.?(self, null) orelse return null;
                defer abi.Py_DecRef(value);
                const format = if (index == 0) "%U%s=%R" else "%U, %s=%R";
                text = abi.PyUnicode_FromFormat(format, before, attribute.name.?, value) orelse return null;
            }
            defer abi.Py_DecRef(text);
            return abi.PyUnicode_FromFormat("%U)", text);
        }

        fn call(comptime special: Special, self: *Object, arguments: []const ?*Object) ?*Object {
            return find(special).?.Wrapper(T).invoke(self, arguments.ptr);
        }

        fn Unary(comptime special: Special) type {
            return struct {
                fn call(self: *Object) callconv(.c) ?*Object {
                    const result = Class(T).call(special, self, &.{});
                    // No result without an exception: the end.
                    return if (special == .next and result == abi.none) abi.drop(result) else result;
                }
            };
        }

        fn compare(self: *Object, other: *Object, operation: c_int) callconv(.c) ?*Object {
            const equal = 2;
            const not_equal = 3;
            const module = instance.moduleOf(T, self) orelse return null;
            if ((operation != equal and operation != not_equal) or !instance.is(T, other, module)) {
                return abi.newReference(abi.not_implemented);
            }
            const result = call(.eql, self, &.{other}) orelse return null;
            defer abi.Py_DecRef(result);
            return abi.PyBool_FromLong(@intFromBool((result == abi.true_object) == (operation == equal)));
        }

        fn hash(self: *Object) callconv(.c) isize {
            const result = call(.hash, self, &.{}) orelse return -1;
            defer abi.Py_DecRef(result);
            return abi.PyObject_Hash(result);
        }

        fn length(self: *Object) callconv(.c) isize {
            const result = call(.len, self, &.{}) orelse return -1;
            defer abi.Py_DecRef(result);
            const count = abi.PyLong_AsSsize_t(result);
            if (count >= 0 or abi.PyErr_Occurred() != null) return count;
            return abi.raise(isize, "ValueError", "the len() of a %s is negative", .{name.ptr});
        }

        fn contains(self: *Object, key: *Object) callconv(.c) c_int {
            const result = call(.contains, self, &.{key}) orelse return -1;
            defer abi.Py_DecRef(result);
            return abi.PyObject_IsTrue(result);
        }

        /// Returns a new reference to the key that a method gets.
        fn keyOf(comptime special: Special, self: *Object, key: *Object) ?*Object {
            if (comptime !isIndexed(@tagName(special))) return abi.newReference(key);
            const index = abi.PyNumber_AsSsize_t(key, abi.exception("IndexError"));
            if (index == -1 and abi.PyErr_Occurred() != null) return null;
            const count = length(self);
            if (count < 0) return null;
            const from_start = if (index < 0) index + count else index;
            if (from_start >= 0 and from_start < count) return abi.PyLong_FromLongLong(from_start);
            return raiseIndexError(?*Object);
        }

        fn getItem(self: *Object, key: *Object) callconv(.c) ?*Object {
            const own = keyOf(.getItem, self, key) orelse return null;
            defer abi.Py_DecRef(own);
            return call(.getItem, self, &.{own});
        }

        fn sequenceItem(self: *Object, index: isize) callconv(.c) ?*Object {
            const key = abi.PyLong_FromLongLong(index) orelse return null;
            defer abi.Py_DecRef(key);
            return getItem(self, key);
        }

        fn setItem(self: *Object, key: *Object, value: ?*Object) callconv(.c) c_int {
            const object = value orelse
                return abi.raise(c_int, "TypeError", "'%s' does not support item deletion", .{name.ptr});
            const own = keyOf(.setItem, self, key) orelse return -1;
            defer abi.Py_DecRef(own);
            abi.Py_DecRef(call(.setItem, self, &.{ own, object }) orelse return -1);
            return 0;
        }
    };
}

/// True for fields that the constructor takes. An array that is `undefined` at first is for the class
/// itself to fill.
pub fn isTaken(comptime field: reflection.Field) bool {
    return kind.isSettable(field.type) and !(field.is_undefined and @typeInfo(field.type) == .array);
}
