//! Structs with methods: Python classes.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const declarations = @import("declarations.zig");
const exception = @import("exception.zig");
const function = @import("function.zig");
const instance = @import("instance.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const state = @import("state.zig");

const Body = instance.Body;
const Declaration = declarations.Declaration;
const Object = abi.Object;
const TypeSlot = abi.TypeSlot;

/// Functions that Python reaches by other means than their names.
pub const Special = enum {
    init,
    deinit,
    repr,
    str,
    hash,
    len,
    next,
    iterator,
    contains,
    eql,
    getItem,
    setItem,

    /// Returns how many parameters it has after `self`.
    fn count(special: Special) usize {
        return switch (special) {
            .contains, .eql, .getItem => 1,
            .setItem => 2,
            else => 0,
        };
    }

    pub fn pythonName(comptime special: Special) [:0]const u8 {
        return switch (special) {
            .iterator => "__iter__",
            .eql => "__eq__",
            .getItem => "__getitem__",
            .setItem => "__setitem__",
            else => "__" ++ @tagName(special) ++ "__",
        };
    }
};

/// A function of a class that Python can call.
pub const Method = struct {
    declaration: Declaration,
    receiver: function.Receiver,
    special: ?Special,

    pub fn Wrapper(comptime method: Method, comptime T: type) type {
        return function.Wrapper(@field(T, method.declaration.name), method.declaration, method.receiver);
    }
};

fn ShapeOf(comptime T: type, comptime declaration: Declaration) type {
    return function.Shape(@TypeOf(@field(T, declaration.name)), declaration, receiverOf(T, declaration));
}

fn receiverOf(comptime T: type, comptime declaration: Declaration) function.Receiver {
    const info = reflection.function(@TypeOf(@field(T, declaration.name)));
    if (std.mem.eql(u8, declaration.name, "init")) {
        const Result = info.result orelse void;
        const is_error = @typeInfo(Result) == .error_union;
        const Payload = if (is_error) @typeInfo(Result).error_union.payload else Result;
        if (Payload == T) return .{ .constructor = T };
    }
    return if (isMethod(info, T)) .{ .instance = T } else .{ .class = T };
}

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

/// Returns why a function of a class is left out, or `null`.
pub fn obstacle(comptime T: type, comptime declaration: Declaration) ?[:0]const u8 {
    if (!std.mem.eql(u8, declaration.name, "deinit")) return ShapeOf(T, declaration).obstacle();
    return if (hasDeinit(T)) null else "a deinit takes self and at most an allocator, and returns nothing";
}

fn specialOf(comptime T: type, comptime declaration: Declaration) ?Special {
    if (!@hasField(Special, declaration.name)) return null;
    const special = @field(Special, declaration.name);
    if (special == .deinit) return special;
    const receiver = receiverOf(T, declaration);
    if (special == .init) return if (receiver == .constructor) special else null;
    const shape = ShapeOf(T, declaration);
    const is_alike = shape.positional == special.count() and shape.parameters.len == shape.positional;
    return if (receiver == .instance and is_alike) special else null;
}

/// Returns the class of a type (borrowed), or `null` with an exception set.
pub fn of(comptime T: type, module: *Object) ?*abi.Type {
    return @ptrCast(@alignCast(state.classOf(T, module, &Class(T).create)));
}

/// Returns the module of a class or of one derived from it (borrowed).
pub fn moduleOf(comptime T: type, class: *abi.Type) ?*Object {
    var base = class;
    const ours: *const anyopaque = @ptrCast(&Class(T).dealloc);
    while (abi.PyType_GetSlot(base, TypeSlot.tp_dealloc) != ours) {
        base = @ptrCast(@alignCast(abi.PyType_GetSlot(base, TypeSlot.tp_base) orelse break));
    }
    return abi.PyType_GetModule(base);
}

pub fn Class(comptime T: type) type {
    const name = kind.nameOf(T);
    const fields = reflection.fields(T);
    const has_init = @hasDecl(T, "init");

    return struct {
        const container = declarations.of(T).?;

        pub const methods: []const Method = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const Method = &.{};
            for (container.list) |declaration| {
                if (!declarations.isFunction(T, declaration) or obstacle(T, declaration) != null) continue;
                list = list ++ .{Method{
                    .declaration = declaration,
                    .receiver = receiverOf(T, declaration),
                    .special = specialOf(T, declaration),
                }};
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

        /// The shape of what makes an instance, or `void` if Python cannot.
        pub const Constructor = blk: {
            @setEvalBranchQuota(reflection.quota);
            if (find(.init)) |method| break :blk method.Wrapper(T);
            if (has_init) break :blk void;
            for (fields) |field| {
                if (!kind.isSettable(field.type) and field.default == null) break :blk void;
            }
            break :blk function.Wrapper(fromFields, .{ .name = name }, .{ .fields = T });
        };

        /// Makes a value of the fields that Python may set. Text is copied, and stays until the instance
        /// goes away: other fields may point to it by then.
        fn fromFields(given: T, allocator: std.mem.Allocator) error{OutOfMemory}!T {
            @setEvalBranchQuota(reflection.quota);
            var value = given;
            inline for (fields) |field| {
                const place = &@field(value, field.name);
                if (comptime kind.isSettable(field.type)) {
                    if (field.type == []const u8) place.* = try allocator.dupe(u8, place.*);
                } else {
                    place.* = comptime field.defaultValue().?;
                }
            }
            return value;
        }

        /// True if a function without the interpreter's lock may allocate in an instance's heap.
        pub const is_shared = for (methods) |method| {
            if (method.declaration.nogil) break true;
        } else false;

        /// True for `getItem` and `setItem` whose key is an index of 0 to `len`.
        pub fn isIndexed(comptime method: []const u8) bool {
            const is_get = std.mem.eql(u8, method, "getItem") and has(.getItem);
            const is_set = std.mem.eql(u8, method, "setItem") and has(.setItem);
            if (!is_get and !is_set or !has(.len)) return false;
            const parameters = reflection.function(@TypeOf(@field(T, method))).parameters;
            return parameters.len >= 2 and @typeInfo(parameters[1].?) == .int and has_count;
        }

        /// True if `len` is a number of the value alone.
        const has_count = blk: {
            const len = reflection.function(@TypeOf(T.len));
            const Count = switch (@typeInfo(len.result.?)) {
                .error_union => |error_union| error_union.payload,
                else => len.result.?,
            };
            break :blk len.parameters.len == 1 and @typeInfo(Count) == .int;
        };

        /// False with an exception set if an index is not, or by now no longer, one of the value.
        pub fn isInside(self: *Object, index: anytype) bool {
            const value = instance.valueOf(T, self);
            const takes_value = comptime reflection.function(@TypeOf(T.len)).parameters[0].? == T;
            const count = T.len(if (takes_value) value.* else value);
            const all = if (@typeInfo(@TypeOf(count)) == .error_union) count catch 0 else count;
            if (index >= 0 and index < all) return true;
            raiseIndexError();
            return false;
        }

        fn raiseIndexError() void {
            _ = exception.raise("IndexError", "%s index out of range", .{name.ptr});
        }

        /// True if Python may write a field: nobody else looks after it.
        pub fn isWritable(comptime field: reflection.Field) bool {
            return !has_init and kind.isSettable(field.type);
        }

        fn create(module: *Object) ?*Object {
            const class = abi.PyType_FromModuleAndSpec(module, &spec, null) orelse return null;
            return exception.withModule(class, module);
        }

        const spec: abi.TypeSpec = .{
            .name = declarations.module_name ++ "." ++ name,
            .basic_size = instance.sizeOf(T),
            .flags = abi.type_flags_default | abi.type_flag_base,
            .slots = slots.ptr,
        };

        const slots: []const abi.Slot = blk: {
            @setEvalBranchQuota(reflection.quota);
            const documentation: [:0]const u8 = if (Constructor == void)
                container.doc
            else
                Constructor.shape.documentation(container.doc);
            var list: []const abi.Slot = &.{
                .{ .id = TypeSlot.tp_dealloc, .value = &dealloc },
                .{ .id = TypeSlot.tp_init, .value = &init },
                .{ .id = TypeSlot.tp_doc, .value = documentation.ptr },
                .{ .id = TypeSlot.tp_methods, .value = method_table.ptr },
                .{ .id = TypeSlot.tp_getset, .value = attribute_table.ptr },
            };
            if (!has(.repr) and !has_init and Constructor != void) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.tp_repr, .value = &reprOfFields }};
            }
            // Makes it iterable without an iterator of its own.
            if (isIndexed("getItem")) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.sq_item, .value = &sequenceItem }};
            }
            if (has(.next) and !has(.iterator)) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.tp_iter, .value = &abi.PyObject_SelfIter }};
            }
            for (methods) |method| list = list ++ .{switch (method.special orelse continue) {
                .init, .deinit => continue,
                .repr => abi.Slot{ .id = TypeSlot.tp_repr, .value = &Unary(.repr).call },
                .str => abi.Slot{ .id = TypeSlot.tp_str, .value = &Unary(.str).call },
                .hash => abi.Slot{ .id = TypeSlot.tp_hash, .value = &hash },
                .len => abi.Slot{ .id = TypeSlot.mp_length, .value = &length },
                .next => abi.Slot{ .id = TypeSlot.tp_iternext, .value = &next },
                .iterator => abi.Slot{ .id = TypeSlot.tp_iter, .value = &Unary(.iterator).call },
                .contains => abi.Slot{ .id = TypeSlot.sq_contains, .value = &contains },
                .eql => abi.Slot{ .id = TypeSlot.tp_richcompare, .value = &compare },
                .getItem => abi.Slot{ .id = TypeSlot.mp_subscript, .value = &getItem },
                .setItem => abi.Slot{ .id = TypeSlot.mp_ass_subscript, .value = &setItem },
            }};
            break :blk list ++ .{abi.Slot{}};
        };

        const method_table: []const abi.MethodDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.MethodDefinition = &.{};
            for (methods) |method| {
                if (method.special == null) list = list ++ .{method.Wrapper(T).definition};
            }
            const flags = abi.METH_FASTCALL_KEYWORDS;
            if (hasDeinit(T)) list = list ++ .{
                abi.MethodDefinition{ .name = "__enter__", .function = &enter, .flags = flags },
                abi.MethodDefinition{ .name = "__exit__", .function = &exit, .flags = flags },
            };
            break :blk list ++ .{abi.MethodDefinition{}};
        };

        const attribute_table: []const abi.GetSetDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.GetSetDefinition = &.{};
            for (fields) |field| if (kind.isReadable(field.type)) {
                const set = if (isWritable(field)) &Attribute(field).set else null;
                const get = &Attribute(field).get;
                list = list ++ .{abi.GetSetDefinition{ .name = field.name, .get = get, .set = set }};
            };
            break :blk list ++ .{abi.GetSetDefinition{}};
        };

        /// Reads and writes a field, as methods do.
        fn Attribute(comptime field: reflection.Field) type {
            return struct {
                fn read(value: *const T) field.type {
                    return @field(value, field.name);
                }

                fn get(self: *Object, _: ?*anyopaque) callconv(.c) ?*Object {
                    return function.Wrapper(read, .{ .name = name }, .{ .instance = T }).invoke(self, &.{});
                }

                fn write(value: *T, new: field.type, allocator: std.mem.Allocator) error{OutOfMemory}!void {
                    @field(value, field.name) = if (field.type == []const u8) try allocator.dupe(u8, new) else new;
                }

                fn set(self: *Object, value: ?*Object, _: ?*anyopaque) callconv(.c) c_int {
                    if (value == null) {
                        _ = exception.raise("AttributeError", "'%s' cannot be deleted", .{field.name.ptr});
                        return -1;
                    }
                    const declaration: Declaration = .{ .name = name, .parameters = &.{ "", field.name } };
                    const wrapper = function.Wrapper(write, declaration, .{ .instance = T });
                    abi.Py_DecRef(wrapper.invoke(self, &.{value}) orelse return -1);
                    return 0;
                }
            };
        }

        fn init(self: *Object, arguments: *Object, keywords: ?*Object) callconv(.c) c_int {
            if (Constructor == void) {
                _ = exception.raise("TypeError", "cannot create '%s' instances from Python", .{name.ptr});
                return -1;
            }
            const body = Body.of(self);
            if (body.is_busy or body.readers + body.keepers > 0) {
                instance.raiseInUse(name);
                return -1;
            }
            const signature = &Constructor.shape.signature;
            var objects: [signature.parameters.len]?*Object = @splat(null);
            if (!signature.bindTuple(arguments, keywords, &objects)) return -1;
            close(self);
            body.status = .new;
            body.heap.is_shared = is_shared;
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
            close(self);
            instance.free(self);
        }

        fn enter(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            return if (instance.isUsable(T, self, false)) builtins.newReference(self) else null;
        }

        fn exit(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            if (!instance.isUsable(T, self, true)) return null;
            if (Body.of(self).keepers > 0) {
                instance.raiseInUse(name);
                return null;
            }
            close(self);
            return builtins.newReference(builtins.none);
        }

        fn reprOfFields(self: *Object) callconv(.c) ?*Object {
            @setEvalBranchQuota(reflection.quota);
            var text = abi.PyUnicode_FromFormat("%s(", name.ptr) orelse return null;
            comptime var separator: [:0]const u8 = "";
            inline for (fields) |field| if (comptime kind.isReadable(field.type)) {
                const before = text;
                defer abi.Py_DecRef(before);
                const value = Attribute(field).get(self, null) orelse return null;
                defer abi.Py_DecRef(value);
                const values = .{ before, separator.ptr, field.name.ptr, value };
                text = @call(.auto, abi.PyUnicode_FromFormat, .{"%U%s%s=%R"} ++ values) orelse return null;
                separator = ", ";
            };
            defer abi.Py_DecRef(text);
            return abi.PyUnicode_FromFormat("%U)", text);
        }

        fn call(comptime special: Special, self: *Object, arguments: []const ?*Object) ?*Object {
            return find(special).?.Wrapper(T).invoke(self, arguments.ptr);
        }

        fn Unary(comptime special: Special) type {
            return struct {
                fn call(self: *Object) callconv(.c) ?*Object {
                    return Class(T).call(special, self, &.{});
                }
            };
        }

        fn compare(self: *Object, other: *Object, operation: c_int) callconv(.c) ?*Object {
            const equal = 2;
            const not_equal = 3;
            const class = of(T, instance.moduleOf(T, self) orelse return null) orelse return null;
            const is_same = abi.PyType_IsSubtype(other.type, class) != 0;
            if ((operation != equal and operation != not_equal) or !is_same) {
                return builtins.newReference(builtins.not_implemented);
            }
            const result = call(.eql, self, &.{other}) orelse return null;
            defer abi.Py_DecRef(result);
            return abi.PyBool_FromLong(@intFromBool((result == builtins.true_object) == (operation == equal)));
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
            _ = exception.raise("ValueError", "the len() of a %s is negative", .{name.ptr});
            return -1;
        }

        fn contains(self: *Object, key: *Object) callconv(.c) c_int {
            const result = call(.contains, self, &.{key}) orelse return -1;
            defer abi.Py_DecRef(result);
            return abi.PyObject_IsTrue(result);
        }

        /// Returns a new reference to the key that a method gets.
        fn keyOf(comptime special: Special, self: *Object, key: *Object) ?*Object {
            if (comptime !isIndexed(@tagName(special))) return builtins.newReference(key);
            const index = abi.PyNumber_AsSsize_t(key, abi.exception("IndexError"));
            if (index == -1 and abi.PyErr_Occurred() != null) return null;
            const count = length(self);
            if (count < 0) return null;
            const from_start = if (index < 0) index + count else index;
            if (from_start >= 0 and from_start < count) return abi.PyLong_FromLongLong(from_start);
            raiseIndexError();
            return null;
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
            const object = value orelse {
                _ = exception.raise("TypeError", "'%s' does not support item deletion", .{name.ptr});
                return -1;
            };
            const own = keyOf(.setItem, self, key) orelse return -1;
            defer abi.Py_DecRef(own);
            abi.Py_DecRef(call(.setItem, self, &.{ own, object }) orelse return -1);
            return 0;
        }

        fn next(self: *Object) callconv(.c) ?*Object {
            const result = call(.next, self, &.{}) orelse return null;
            if (result != builtins.none) return result;
            abi.Py_DecRef(result);
            return null; // Without an exception: the end.
        }
    };
}
