//! Structs with methods: Python classes and their instances.
//!
//! An instance is the head of a Python object, a `Body` that is the same for every class, and the
//! value. It never moves, so the value may point into itself. The type keeps the module alive.

const std = @import("std");
const abi = @import("abi.zig");
const function = @import("function.zig");
const kind = @import("kind.zig");
const reflection = @import("reflection.zig");
const Heap = @import("scope.zig").Heap;
const Refusal = @import("scope.zig").Refusal;

const Declaration = reflection.Declaration;
const Object = abi.Object;
const Shape = function.Shape;

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
fn fits(comptime special: Special, comptime shape: Shape) bool {
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
        .len, .hash => kind.of(shape.Result) == .int,
        .next => @typeInfo(shape.Result) == .optional,
        .iterator => kind.of(shape.Result) == .class and @hasDecl(shape.Result, "next"),
        .str, .repr => kind.of(shape.Result) == .text or kind.of(shape.Result) == .text_mutable,
        else => true,
    };
}

/// Returns the shape of a function of a class.
fn method(comptime T: type, comptime declaration: Declaration) Shape {
    const F = @TypeOf(@field(T, declaration.name));
    const info = reflection.function(F);
    const makes_one = reflection.Payload(info.result orelse void) == T;
    const receiver: function.Receiver = if (makes_one and std.mem.eql(u8, declaration.name, "init"))
        .{ .constructor = T }
    else if (isMethod(info, T)) .{ .instance = T } else .class;
    var shape: Shape = .of(F, declaration, receiver);
    if (!@hasField(Special, declaration.name)) return shape;
    const special = @field(Special, declaration.name);
    const reason = "a deinit takes self and at most an allocator, and returns nothing";
    if (special == .deinit) shape.obstacle = if (hasDeinit(T)) null else reason;
    if (shape.obstacle != null or !fits(special, shape)) return shape;
    shape.special = special;
    if (special != .init) shape.name = pythonName(special);
    return shape;
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

/// Returns the class of a type (borrowed), or `null` with an exception set.
pub fn of(comptime T: type, module: *Object) ?*Object {
    return classOf(T, module, &Class(T).create);
}

/// A list with the Python class of each Zig type that has one, at the type's number. Absent until there
/// is one.
pub const Classes = ?*Object;

/// Zeroed from the module's creation on: the definition asks for it. Absent when the collector looks at a
/// module whose creation has not come so far.
fn classesOf(module: *Object) ?*Classes {
    return @ptrCast(@alignCast(abi.PyModule_GetState(module)));
}

pub fn traverseClasses(module: *Object, visit: abi.Visit, argument: ?*anyopaque) callconv(.c) c_int {
    const classes = classesOf(module) orelse return 0;
    return visit(classes.* orelse return 0, argument);
}

/// The collector needs no other help: classes let their module go.
pub fn freeClasses(module: ?*anyopaque) callconv(.c) void {
    const classes = classesOf(@ptrCast(@alignCast(module.?))) orelse return;
    abi.Py_DecRef(classes.*);
}

/// Types that have a number, from 1. The numbers are the same in every interpreter; the interpreter's
/// lock guards them.
var type_count: isize = 0;

/// Makes a class: a new reference, or `null` with an exception set.
pub const Create = *const fn (module: *Object) ?*Object;

/// Returns the class of a type (borrowed), made when it is first asked for, or `null` with an
/// exception set.
pub fn classOf(comptime T: type, module: *Object, create: Create) ?*Object {
    const Type = struct {
        const Key = T;
        var number: isize = 0;
    };
    if (classesOf(module).?.*) |classes| if (Type.number < abi.PyList_Size(classes)) {
        const class = abi.PyList_GetItem(classes, Type.number);
        if (class != abi.none) return class;
    };
    return newClass(&Type.number, module, create);
}

fn newClass(number: *isize, module: *Object, create: Create) ?*Object {
    if (number.* == 0) {
        type_count += 1;
        number.* = type_count;
    }
    const class = create(module) orelse return null;
    const place = classesOf(module).?;
    if (place.* == null) place.* = abi.PyList_New(0);
    const classes = place.* orelse return abi.drop(class);
    while (abi.PyList_Size(classes) <= number.*) {
        if (abi.PyList_Append(classes, abi.none) < 0) return abi.drop(class);
    }
    // Another thread may have come first while Python made the class.
    const known = abi.PyList_GetItem(classes, number.*);
    if (known == abi.none) return if (abi.PyList_SetItem(classes, number.*, class) < 0) null else class;
    abi.Py_DecRef(class);
    return known;
}

pub fn Class(comptime T: type) type {
    const name = kind.nameOf(T);
    const fields = reflection.fields(T);
    const has_init = @hasDecl(T, "init");

    return struct {
        const container = reflection.containerOf(T).?;

        pub const methods: []const Shape = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const Shape = &.{};
            for (container.list) |declaration| {
                if (reflection.isFunction(T, declaration)) list = list ++ .{method(T, declaration)};
            }
            break :blk list;
        };

        pub fn has(comptime special: Special) bool {
            return comptime for (methods) |shape| {
                if (shape.special == special) break true;
            } else false;
        }

        /// What makes an instance, or `void` if Python cannot.
        pub const Constructor = blk: {
            @setEvalBranchQuota(reflection.quota);
            for (methods) |shape| if (shape.special == .init) break :blk function.Wrapper(T.init, shape);
            for (fields) |field| if (has_init or !isTaken(field) and field.default == null and !field.is_undefined) {
                break :blk void;
            };
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
        pub fn isIndexed(comptime shape: Shape) bool {
            if (shape.special != .getItem and shape.special != .setItem or !has(.len)) return false;
            const len = reflection.function(@TypeOf(T.len)).parameters;
            return len.len == 1 and len[0].? != *T and kind.of(shape.parameters[0].type) == .int;
        }

        /// Returns the index that a key stands for, which may count from the end; `null` with an
        /// exception set if the value has no such item.
        pub fn indexOf(comptime Index: type, self: *Object, key: *Object) ?Index {
            const given = abi.PyNumber_AsSsize_t(key, abi.exception("IndexError"));
            if (given == -1 and abi.PyErr_Occurred() != null) return null;
            const value = valueOf(T, self);
            const takes_value = comptime reflection.function(@TypeOf(T.len)).parameters[0].? == T;
            const answer = T.len(if (takes_value) value.* else value);
            const len = if (@typeInfo(@TypeOf(answer)) == .error_union) answer catch 0 else answer;
            const count = std.math.cast(isize, len) orelse std.math.maxInt(isize);
            const index = if (given < 0) given + count else given;
            if (index < 0 or index >= count) return abi.raise(?Index, "IndexError", "%s index out of range", .{name.ptr});
            const values = .{ name.ptr, @typeName(Index) };
            return std.math.cast(Index, index) orelse abi.raise(?Index, "OverflowError", "%s index out of range for %s", values);
        }

        /// True if Python may read a field. One that the constructor leaves `undefined` may be no value of
        /// its type, unless that is a number.
        pub fn isVisible(comptime field: reflection.Field) bool {
            const element = kind.of(kind.Element(field.type));
            const is_value = has_init or !field.is_undefined or isTaken(field) or element == .int or element == .float;
            return is_value and kind.isReadable(field.type);
        }

        /// True if Python may write a field: nobody else looks after it.
        pub fn isWritable(comptime field: reflection.Field) bool {
            return !has_init and kind.isSettable(field.type);
        }

        fn create(module: *Object) ?*Object {
            const class = abi.PyType_FromModuleAndSpec(module, &spec, null) orelse return null;
            // What is set, and not only there, the interpreter calls for `len()` and its like, and a
            // function of the class is bound to this one.
            for (method_table[0 .. method_table.len - 1]) |definition| {
                const name_of = definition.name.?;
                if (!abi.put(class, name_of, abi.PyObject_GetAttrString(class, name_of))) return abi.drop(class);
            }
            return if (abi.put(class, "__module__", abi.PyModule_GetNameObject(module))) class else abi.drop(class);
        }

        const spec: abi.TypeSpec = .{
            .name = reflection.module_name ++ "." ++ name,
            .basic_size = sizeOf(T),
            .flags = abi.type_flags_default | abi.type_flag_base | abi.type_flag_gc,
            .slots = &slots,
        };

        const doc = if (Constructor == void) container.doc else Constructor.shape.documentation(container.doc);

        const slots = [_]abi.Slot{
            .{ .id = .tp_dealloc, .value = &dealloc },
            .{ .id = .tp_traverse, .value = &traverse },
            .{ .id = .tp_clear, .value = &clear },
            .{ .id = .tp_init, .value = &init },
            .{ .id = .tp_doc, .value = doc.ptr },
            .{ .id = .tp_methods, .value = method_table.ptr },
            .{ .id = .tp_getset, .value = attribute_table.ptr },
            .{},
        };

        /// Also the functions that Python reaches by other means than their names.
        const method_table: []const abi.MethodDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.MethodDefinition = &.{internal("__getstate__", &refuseState)};
            for (methods) |shape| if (shape.receiver != .constructor and shape.obstacle == null and shape.special != .deinit) {
                list = list ++ .{function.Wrapper(@field(T, shape.declaration.name), shape).definition};
            };
            if (!has(.repr) and !has_init and Constructor != void) list = list ++ .{internal("__repr__", &reprOfFields)};
            if (has(.next) and !has(.iterator)) list = list ++ .{internal("__iter__", &enter)};
            if (hasDeinit(T)) list = list ++ .{ internal("__enter__", &enter), internal("__exit__", &exit) };
            break :blk list ++ .{abi.MethodDefinition{}};
        };

        fn internal(name_of: [:0]const u8, f: abi.Function) abi.MethodDefinition {
            return .{ .name = name_of, .function = f, .flags = abi.METH_FASTCALL_KEYWORDS };
        }

        const attribute_table: []const abi.GetSetDefinition = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.GetSetDefinition = &.{};
            for (fields) |field| if (isVisible(field)) {
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

                fn write(value: *T, given: field.type, allocator: std.mem.Allocator) error{OutOfMemory}!void {
                    @field(value, field.name) = if (field.type == []const u8) try allocator.dupe(u8, given) else given;
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

        /// `__init__` is no method: `inspect` of CPython 3.13 does not know such.
        fn init(self: *Object, arguments: *Object, keywords: ?*Object) callconv(.c) c_int {
            if (Constructor == void) {
                return abi.raise(c_int, "TypeError", "cannot create '%s' instances from Python", .{name.ptr});
            }
            const constructor = abi.PyCFunction_NewEx(&Constructor.definition, self, null) orelse return -1;
            defer abi.Py_DecRef(constructor);
            abi.Py_DecRef(abi.PyObject_Call(constructor, arguments, keywords) orelse return -1);
            return 0;
        }

        /// Makes an instance ready for a value, perhaps after another one, while nobody else uses it. `null`
        /// with an exception set if somebody does.
        pub fn begin(self: *Object) ?Borrow {
            const body = Body.of(self);
            if (body.isInUse()) return raiseInUse(?Borrow, name);
            body.is_busy = true;
            close(self);
            body.status = .new;
            return .{ .object = self, .is_exclusive = true };
        }

        /// Ends the value, once.
        fn close(self: *Object) void {
            const body = Body.of(self);
            if (body.status == .live) {
                body.status = .closed;
                if (comptime hasDeinit(T)) {
                    const value = valueOf(T, self);
                    const parameters = comptime reflection.function(@TypeOf(T.deinit)).parameters;
                    const first = if (parameters[0].? == T) value.* else value;
                    if (parameters.len == 1) T.deinit(first) else T.deinit(first, body.heap.allocator());
                }
            }
            body.heap.deinit();
            body.release();
        }

        fn dealloc(self: *Object) callconv(.c) void {
            abi.PyObject_GC_UnTrack(self);
            close(self);
            free(self);
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
            return if (isUsable(T, self, false)) abi.newReference(self) else null;
        }

        fn exit(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            if (!isUsable(T, self, true)) return null;
            if (Body.of(self).keepers > 0) return raiseInUse(?*Object, name);
            close(self);
            return abi.newReference(abi.none);
        }

        /// The oldest protocols of `pickle` would leave the value out without a word.
        fn refuseState(_: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            return abi.raise(?*Object, "TypeError", "cannot pickle '%s' object", .{name.ptr});
        }

        fn reprOfFields(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            var text = abi.PyUnicode_FromFormat("%s(", name.ptr) orelse return null;
            for (attribute_table[0 .. attribute_table.len - 1], 0..) |attribute, index| {
                const before = text;
                defer abi.Py_DecRef(before);
                const value = attribute.get.?(self, null) orelse return null;
                defer abi.Py_DecRef(value);
                const comma: [*:0]const u8 = if (index == 0) "" else ", ";
                text = abi.PyUnicode_FromFormat("%U%s%s=%R", before, comma, attribute.name.?, value) orelse return null;
            }
            defer abi.Py_DecRef(text);
            return abi.PyUnicode_FromFormat("%U)", text);
        }
    };
}

/// True for fields that the constructor takes. An array that is `undefined` at first is for the class
/// itself to fill.
pub fn isTaken(comptime field: reflection.Field) bool {
    return kind.isSettable(field.type) and !(field.is_undefined and @typeInfo(field.type) == .array);
}

/// Zeroed memory is an instance whose constructor has not run.
pub const Body = struct {
    module: ?*Object,
    /// A tuple of the instances that this one's value may point into.
    owners: ?*Object,
    heap: Heap,
    /// How many others need the value as it is: instances that it owns, calls that only read it.
    readers: usize,
    /// How many others need the value to stay: what an iterator gave.
    keepers: usize,
    /// Whether a call changes the value, or makes it.
    is_busy: bool,
    /// Whether the owners count this instance as a reader.
    locks_owners: bool,
    status: enum(u8) { new = 0, live, closed },

    pub fn of(object: *Object) *Body {
        return content(Body, object);
    }

    /// True if a call or another instance needs the value.
    pub fn isInUse(body: *const Body) bool {
        return body.is_busy or body.readers + body.keepers > 0;
    }

    /// Lets the owners go. A tuple is what keeps the interpreter's stack flat where owners have owners.
    pub fn release(body: *Body) void {
        const owners = body.owners orelse return;
        body.owners = null;
        for (0..@intCast(abi.PyTuple_Size(owners))) |index| {
            const owner = abi.PyTuple_GetItem(owners, @intCast(index)).?;
            if (owner == abi.none) continue;
            if (body.locks_owners) Body.of(owner).readers -= 1 else Body.of(owner).keepers -= 1;
        }
        abi.Py_DecRef(owners);
    }

    fn refuse(body: *const Body, name: [*:0]const u8) bool {
        @branchHint(.cold);
        return switch (body.status) {
            .new => abi.raise(bool, "RuntimeError", "%s.__init__() was not called", .{name}),
            .closed => abi.raise(bool, "ValueError", "the %s is closed", .{name}),
            .live => raiseInUse(bool, name),
        };
    }
};

pub fn raiseInUse(comptime Answer: type, name: [*:0]const u8) Answer {
    const format = "the %s is in use, by a running call or by an object such as an iterator";
    return abi.raise(Answer, "RuntimeError", format, .{name});
}

/// Returns where a value ends that lies behind something else in an object.
pub fn endOf(comptime T: type, comptime start_min: usize) usize {
    return std.mem.alignForward(usize, start_min, @alignOf(T)) + @sizeOf(T);
}

/// Returns what an object has right behind its head.
pub fn content(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime endOf(T, @sizeOf(Object)) - @sizeOf(T));
}

/// Returns the size of an object with a value.
pub fn sizeOf(comptime T: type) usize {
    return endOf(T, endOf(Body, @sizeOf(Object)));
}

pub fn valueOf(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime sizeOf(T) - @sizeOf(T));
}

/// Returns the module of an instance of the class, or of one derived from it (borrowed).
pub fn moduleOf(comptime T: type, object: *Object) ?*Object {
    const body = Body.of(object);
    if (body.module) |module| return module;
    const ours: *const anyopaque = @ptrCast(&Class(T).dealloc);
    var base = object.type;
    while (abi.PyType_GetSlot(base, .tp_dealloc) != ours) {
        base = @ptrCast(@alignCast(abi.PyType_GetSlot(base, .tp_base) orelse break));
    }
    body.module = abi.PyType_GetModule(base);
    return body.module;
}

/// Creates an instance without a value.
pub fn allocate(comptime T: type, module: *Object) ?*Object {
    const object = abi.PyType_GenericAlloc(of(T, module) orelse return null, 0) orelse return null;
    Body.of(object).module = module;
    return object;
}

/// Gives an instance its value.
pub fn start(comptime T: type, object: *Object, value: T) void {
    valueOf(T, object).* = value;
    Body.of(object).status = .live;
}

pub fn new(comptime T: type, value: T, module: *Object) ?*Object {
    const object = allocate(T, module) orelse return null;
    start(T, object, value);
    return object;
}

/// Ends the memory of an object whose content is gone.
pub fn free(object: *Object) void {
    const class = object.type;
    const slot = abi.PyType_GetSlot(class, .tp_free);
    const end: *const fn (*Object) callconv(.c) void = @ptrCast(@alignCast(slot));
    end(object);
    abi.Py_DecRef(class);
}

/// True if an object is an instance of the class of a type, or of one derived from it.
pub fn is(comptime T: type, object: *Object, module: *Object) bool {
    return abi.PyType_IsSubtype(object.type, of(T, module) orelse return false) != 0;
}

/// True if the value of an instance may be used now, else an exception is set.
pub fn isUsable(comptime T: type, object: *Object, is_exclusive: bool) bool {
    const body = Body.of(object);
    if (body.status == .live and !body.is_busy and !(is_exclusive and body.readers > 0)) return true;
    return body.refuse(comptime kind.nameOf(T));
}

/// An instance that a call uses.
pub const Borrow = struct {
    object: ?*Object = null,
    is_exclusive: bool = false,

    /// Returns what a parameter for an instance gets. Without a module the object is known to be one.
    pub inline fn begin(borrow: *Borrow, comptime T: type, object: *Object, module: ?*Object) Refusal!T {
        const Inner = kind.Unwrapped(T);
        const Instance = kind.InstanceOf(T);
        if (Inner != T and object == abi.none) return null;
        if (module) |owner| if (!is(Instance, object, owner)) return error.WrongType;
        const is_exclusive = Inner == *Instance;
        if (!isUsable(Instance, object, is_exclusive)) return error.Raised;
        if (is_exclusive) Body.of(object).is_busy = true else Body.of(object).readers += 1;
        borrow.* = .{ .object = object, .is_exclusive = is_exclusive };
        const value = valueOf(Instance, object);
        return if (Inner == Instance) value.* else value;
    }

    pub fn end(borrow: Borrow) void {
        const body = Body.of(borrow.object orelse return);
        if (borrow.is_exclusive) body.is_busy = false else body.readers -= 1;
    }
};

/// Makes an instance keep others alive, and unchanged if it `locks` them. False with an exception set
/// on failure.
pub fn adopt(object: *Object, borrows: []const Borrow, locks: bool) bool {
    const owners = abi.PyTuple_New(@intCast(borrows.len)) orelse return false;
    for (borrows, 0..) |borrow, index| {
        const owner = borrow.object orelse abi.none;
        _ = abi.PyTuple_SetItem(owners, @intCast(index), abi.newReference(owner)); // Cannot fail: the tuple is new.
        if (borrow.object == null) continue;
        if (locks) Body.of(owner).readers += 1 else Body.of(owner).keepers += 1;
    }
    Body.of(object).owners = owners;
    Body.of(object).locks_owners = locks;
    return true;
}
