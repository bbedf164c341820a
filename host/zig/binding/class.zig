//! Structs with methods: Python classes whose instances have a Zig value inside.
//!
//! An instance is the head of a Python object, a `Body` that is the same for every class, and the
//! value. It never moves, so the value may point into itself. The type keeps the module alive.

const std = @import("std");
const abi = @import("abi.zig");
const builtins = @import("builtins.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const exception = @import("exception.zig");
const function = @import("function.zig");
const record = @import("record.zig");
const reflection = @import("reflection.zig");
const scope_module = @import("scope.zig");
const state = @import("state.zig");
const Heap = @import("allocator.zig").Heap;

const Context = scope_module.Context;
const Object = abi.Object;
const TypeSlot = abi.TypeSlot;

/// Zeroed memory is an instance whose constructor has not run.
const Body = struct {
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
};

const body_offset = std.mem.alignForward(usize, @sizeOf(Object), @alignOf(Body));

fn bodyOf(object: *Object) *Body {
    return @ptrFromInt(@intFromPtr(object) + body_offset);
}

pub fn heapOf(object: *Object) *Heap {
    return &bodyOf(object).heap;
}

fn valueOffset(comptime T: type) usize {
    return std.mem.alignForward(usize, body_offset + @sizeOf(Body), @alignOf(T));
}

pub fn valueOf(comptime T: type, object: *Object) *T {
    return @ptrFromInt(@intFromPtr(object) + comptime valueOffset(T));
}

/// Returns the module of a class or of one derived from it (borrowed).
pub fn moduleOfType(comptime T: type, class: *abi.Type) ?*Object {
    var base = class;
    const ours: *const anyopaque = @ptrCast(&Class(T).dealloc);
    while (abi.PyType_GetSlot(base, TypeSlot.tp_dealloc) != ours) {
        base = @ptrCast(@alignCast(abi.PyType_GetSlot(base, TypeSlot.tp_base) orelse break));
    }
    return abi.PyType_GetModule(base);
}

pub fn moduleOf(comptime T: type, object: *Object) ?*Object {
    const body = bodyOf(object);
    if (body.module == null) body.module = moduleOfType(T, object.type);
    return body.module;
}

/// Returns the class of a type (borrowed), or `null` with an exception set.
pub fn classOf(comptime T: type, module: *Object) ?*Object {
    return state.State.classOf(module, state.slotOf(T), &Class(T).create);
}

/// Creates an instance without a value.
pub fn allocate(comptime T: type, module: *Object) ?*Object {
    const class = classOf(T, module) orelse return null;
    const object = abi.PyType_GenericAlloc(@ptrCast(@alignCast(class)), 0) orelse return null;
    bodyOf(object).module = module;
    bodyOf(object).heap.is_shared = comptime isShared(T);
    return object;
}

/// True if a function without the interpreter's lock may allocate in an instance's heap.
fn isShared(comptime T: type) bool {
    comptime {
        for (methodsOf(T)) |declaration| if (declaration.nogil) return true;
        return false;
    }
}

/// Gives an instance its value.
pub fn start(comptime T: type, object: *Object, value: T) void {
    valueOf(T, object).* = value;
    bodyOf(object).status = .live;
}

pub fn newInstance(comptime T: type, value: T, context: *const Context) ?*Object {
    const object = allocate(T, context.module) orelse return null;
    start(T, object, value);
    return object;
}

/// An instance that a call uses.
pub const Borrow = struct {
    object: ?*Object = null,
    is_exclusive: bool = false,

    /// False with an exception set if the instance cannot be used now.
    pub fn begin(borrow: *Borrow, comptime T: type, object: *Object, is_exclusive: bool) bool {
        if (!isUsable(T, object, is_exclusive)) return false;
        if (is_exclusive) bodyOf(object).is_busy = true else bodyOf(object).readers += 1;
        borrow.* = .{ .object = object, .is_exclusive = is_exclusive };
        return true;
    }

    pub fn end(borrow: Borrow) void {
        const body = bodyOf(borrow.object orelse return);
        if (borrow.is_exclusive) body.is_busy = false else body.readers -= 1;
    }
};

/// Makes an instance keep others alive, and unchanged if it `locks` them. False with an exception set
/// on failure.
pub fn adopt(object: *Object, borrows: []const Borrow, locks: bool) bool {
    var count: isize = 0;
    for (borrows) |borrow| count += @intFromBool(borrow.object != null);
    if (count == 0) return true;
    const owners = abi.PyTuple_New(count) orelse return false;
    var position: isize = 0;
    for (borrows) |borrow| {
        const owner = borrow.object orelse continue;
        abi.Py_IncRef(owner);
        _ = abi.PyTuple_SetItem(owners, position, owner); // Cannot fail: the tuple is new.
        position += 1;
        if (locks) bodyOf(owner).readers += 1 else bodyOf(owner).keepers += 1;
    }
    bodyOf(object).owners = owners;
    bodyOf(object).locks_owners = locks;
    return true;
}

/// Lets the owners go. A tuple is what keeps the interpreter's stack flat where owners have owners.
fn release(body: *Body) void {
    const owners = body.owners orelse return;
    body.owners = null;
    for (0..@intCast(abi.PyTuple_Size(owners))) |index| {
        const owner = bodyOf(abi.PyTuple_GetItem(owners, @intCast(index)).?);
        if (body.locks_owners) owner.readers -= 1 else owner.keepers -= 1;
    }
    abi.Py_DecRef(owners);
}

pub fn isInstance(comptime T: type, object: *Object, module: *Object) bool {
    const class = classOf(T, module) orelse return false;
    return abi.PyType_IsSubtype(object.type, @ptrCast(@alignCast(class))) != 0;
}

/// Returns a copy of an argument's value, which must be one that can be copied.
pub fn copyOf(comptime T: type, object: *Object, context: *const Context) convert.Refusal!T {
    if (!isInstance(T, object, context.module)) return error.WrongType;
    if (!isUsable(T, object, false)) return error.Raised;
    return valueOf(T, object).*;
}

/// True if the value of an instance may be used now, else an exception is set.
pub fn isUsable(comptime T: type, object: *Object, is_exclusive: bool) bool {
    const body = bodyOf(object);
    if (body.status == .live and !body.is_busy and !(is_exclusive and body.readers > 0)) return true;
    return refuse(body, comptime record.nameOf(T));
}

fn refuse(body: *const Body, name: [*:0]const u8) bool {
    @branchHint(.cold);
    switch (body.status) {
        .new => _ = abi.PyErr_Format(abi.exception("RuntimeError"), "%s.__init__() was not called", name),
        .closed => _ = abi.PyErr_Format(abi.exception("ValueError"), "the %s is closed", name),
        .live => return inUse(name),
    }
    return false;
}

fn inUse(name: [*:0]const u8) bool {
    const format = "the %s is in use, by a running call or by an object such as an iterator";
    _ = abi.PyErr_Format(abi.exception("RuntimeError"), format, name);
    return false;
}

/// Functions that Python reaches by other means than their names, with their parameters after `self`.
const special = .{
    .{ "repr", 0 },     .{ "str", 0 },      .{ "hash", 0 },    .{ "len", 0 },     .{ "next", 0 },
    .{ "iterator", 0 }, .{ "contains", 1 }, .{ "getItem", 1 }, .{ "setItem", 2 }, .{ "eql", 1 },
};

/// True for `init`, `deinit`, and methods with the name and the parameters of a special one.
pub fn isSpecial(comptime T: type, comptime declaration: declarations.Declaration) bool {
    comptime {
        const name = declaration.name;
        if (std.mem.eql(u8, name, "init")) return receiverOf(T, declaration) == .constructor;
        if (std.mem.eql(u8, name, "deinit")) return true;
        const receiver = receiverOf(T, declaration);
        if (receiver != .instance) return false;
        for (special) |entry| {
            if (!std.mem.eql(u8, entry[0], name)) continue;
            const signature = function.signatureOf(@TypeOf(@field(T, name)), declaration, receiver);
            return signature.positional == entry[1] and signature.parameters.len == entry[1];
        }
        return false;
    }
}

/// True for `getItem` and `setItem` whose key is an index of 0 to `len`.
pub fn isIndexed(comptime T: type, comptime name: []const u8) bool {
    comptime {
        const is_item = std.mem.eql(u8, name, "getItem") or std.mem.eql(u8, name, "setItem");
        if (!is_item or find(T, name) == null or find(T, "len") == null) return false;
        const parameters = reflection.function(@TypeOf(@field(T, name))).parameters;
        return parameters.len >= 2 and @typeInfo(parameters[1].?) == .int;
    }
}

/// False with an exception set if an index is not, or by now no longer, one of a value.
pub fn isInside(comptime T: type, object: *Object, index: anytype) bool {
    const value = valueOf(T, object);
    const First = reflection.function(@TypeOf(T.len)).parameters[0].?;
    const count = T.len(if (First == T) value.* else value);
    const length = if (@typeInfo(@TypeOf(count)) == .error_union) count catch 0 else count;
    if (index >= 0 and index < length) return true;
    _ = abi.PyErr_Format(abi.exception("IndexError"), "%s index out of range", (comptime record.nameOf(T)).ptr);
    return false;
}

/// Returns why a declaration of a class is left out, or `null`.
pub fn obstacle(comptime T: type, comptime declaration: declarations.Declaration) ?[:0]const u8 {
    comptime {
        const F = @TypeOf(@field(T, declaration.name));
        if (std.mem.eql(u8, declaration.name, "deinit")) {
            return if (hasDeinit(T)) null else "a deinit takes self and at most an allocator, and returns nothing";
        }
        return function.obstacle(F, declaration, receiverOf(T, declaration));
    }
}

pub fn hasDeinit(comptime T: type) bool {
    comptime {
        if (!@hasDecl(T, "deinit") or @typeInfo(@TypeOf(T.deinit)) != .@"fn") return false;
        const F = @TypeOf(T.deinit);
        if (!function.isMethod(F, T)) return false;
        const info = reflection.function(F);
        const takes_allocator = info.parameters.len == 2 and info.parameters[1] == std.mem.Allocator;
        return info.result == void and (info.parameters.len == 1 or takes_allocator);
    }
}

pub fn receiverOf(comptime T: type, comptime declaration: declarations.Declaration) function.Receiver {
    comptime {
        const F = @TypeOf(@field(T, declaration.name));
        const makes_one = function.Payload(reflection.function(F).result orelse void) == T;
        if (std.mem.eql(u8, declaration.name, "init") and makes_one) return .{ .constructor = T };
        return if (function.isMethod(F, T)) .{ .instance = T } else .{ .class = T };
    }
}

/// Returns the functions of a class that Python can call.
pub fn methodsOf(comptime T: type) []const declarations.Declaration {
    comptime {
        const container = declarations.of(T).?;
        @setEvalBranchQuota(reflection.quota);
        var list: []const declarations.Declaration = &.{};
        for (container.list) |declaration| {
            if (@typeInfo(@TypeOf(@field(T, declaration.name))) != .@"fn") continue;
            if (obstacle(T, declaration) == null) list = list ++ .{declaration};
        }
        return list;
    }
}

/// Returns the parameters of the constructor, or `null` if Python cannot make an instance.
pub fn constructorOf(comptime T: type) ?exception.Signature {
    comptime {
        if (@hasDecl(T, "init")) {
            const declaration = find(T, "init") orelse return null;
            return function.Wrapper(T.init, declaration, .{ .constructor = T }).signature;
        }
        var list: []const exception.Signature.Parameter = &.{};
        for (reflection.fields(T)) |field| {
            if (isSettable(field.type)) {
                list = list ++ .{function.parameterOfField(field, list.len, function.defaultOf(field))};
            } else if (field.default == null) return null;
        }
        return .{ .name = record.nameOf(T), .parameters = list, .positional = list.len };
    }
}

/// Returns a special function of a class that Python can call, by name.
fn find(comptime T: type, comptime name: []const u8) ?declarations.Declaration {
    comptime {
        for (methodsOf(T)) |declaration| {
            if (std.mem.eql(u8, declaration.name, name) and isSpecial(T, declaration)) return declaration;
        }
        return null;
    }
}

/// True for fields that own what they are, or can be made to.
fn isSettable(comptime T: type) bool {
    return comptime convert.isParameter(T) and (T == []const u8 or !convert.hasPointers(T));
}

/// True if the fields are attributes that can be written: nobody else looks after them.
pub fn isWritable(comptime T: type, comptime field: reflection.Field) bool {
    return comptime !@hasDecl(T, "init") and isSettable(field.type);
}

pub fn isReadable(comptime field: reflection.Field) bool {
    return comptime convert.isResult(field.type) and (convert.InstanceOf(field.type) == void or !convert.hasPointers(field.type));
}

fn Class(comptime T: type) type {
    const name = record.nameOf(T);
    const container = declarations.of(T).?;
    const methods = methodsOf(T);
    const fields = reflection.fields(T);

    return struct {
        fn create(module: *Object) ?*Object {
            if (comptime find(T, "eql") != null) if (!builtins.findNotImplemented()) return null;
            const class = abi.PyType_FromModuleAndSpec(module, &spec, null) orelse return null;
            const module_name = abi.PyModule_GetNameObject(module) orelse return null;
            defer abi.Py_DecRef(module_name);
            if (abi.PyObject_SetAttrString(class, "__module__", module_name) < 0) return null;
            return class;
        }

        const spec: abi.TypeSpec = .{
            .name = declarations.module_name ++ "." ++ name,
            .basic_size = valueOffset(T) + @sizeOf(T),
            .flags = abi.type_flags_default | abi.type_flag_base,
            .slots = slots.ptr,
        };

        const slots: []const abi.Slot = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.Slot = &.{
                .{ .id = TypeSlot.tp_dealloc, .value = &dealloc },
                .{ .id = TypeSlot.tp_init, .value = &init },
                .{ .id = TypeSlot.tp_doc, .value = doc.ptr },
                .{ .id = TypeSlot.tp_methods, .value = &method_table },
                .{ .id = TypeSlot.tp_getset, .value = &attribute_table },
            };
            if (find(T, "repr") != null) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.tp_repr, .value = &Unary("repr").call }};
            } else if (constructorOf(T) != null and !@hasDecl(T, "init")) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.tp_repr, .value = &fieldsRepr }};
            }
            if (find(T, "str") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.tp_str, .value = &Unary("str").call }};
            if (find(T, "eql") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.tp_richcompare, .value = &compare }};
            if (find(T, "hash") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.tp_hash, .value = &hash }};
            if (find(T, "len") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.mp_length, .value = &length }};
            if (find(T, "contains") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.sq_contains, .value = &contains }};
            if (find(T, "getItem") != null) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.mp_subscript, .value = &getItem }};
                // Makes it iterable without an iterator of its own.
                if (isIndexed(T, "getItem")) list = list ++ .{abi.Slot{ .id = TypeSlot.sq_item, .value = &sequenceItem }};
            }
            if (find(T, "setItem") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.mp_ass_subscript, .value = &setItem }};
            if (find(T, "iterator") != null) list = list ++ .{abi.Slot{ .id = TypeSlot.tp_iter, .value = &Unary("iterator").call }};
            if (find(T, "next") != null) {
                list = list ++ .{abi.Slot{ .id = TypeSlot.tp_iternext, .value = &next }};
                if (find(T, "iterator") == null) list = list ++ .{abi.Slot{ .id = TypeSlot.tp_iter, .value = &abi.PyObject_SelfIter }};
            }
            break :blk list ++ .{abi.Slot{}};
        };

        const doc: [:0]const u8 = if (constructorOf(T)) |signature|
            function.signatureText(signature, "") ++ "\n--\n\n" ++ container.doc
        else
            container.doc;

        const method_table = blk: {
            @setEvalBranchQuota(reflection.quota);
            var list: []const abi.MethodDefinition = &.{};
            for (methods) |declaration| {
                if (isSpecial(T, declaration)) continue;
                list = list ++ .{function.methodDefinition(@field(T, declaration.name), declaration, receiverOf(T, declaration))};
            }
            if (hasDeinit(T)) list = list ++ .{
                abi.MethodDefinition{ .name = "__enter__", .function = &enter, .flags = abi.METH_FASTCALL_KEYWORDS },
                abi.MethodDefinition{ .name = "__exit__", .function = &exit, .flags = abi.METH_FASTCALL_KEYWORDS },
            };
            break :blk (list ++ .{abi.MethodDefinition{}})[0 .. list.len + 1].*;
        };

        const attribute_table = blk: {
            var list: []const abi.GetSetDefinition = &.{};
            for (fields) |field| {
                if (!isReadable(field)) continue;
                list = list ++ .{abi.GetSetDefinition{
                    .name = field.name,
                    .get = &Attribute(field).get,
                    .set = if (isWritable(T, field)) &Attribute(field).set else null,
                }};
            }
            break :blk (list ++ .{abi.GetSetDefinition{}})[0 .. list.len + 1].*;
        };

        fn Method(comptime method: []const u8) type {
            const declaration = find(T, method).?;
            return function.Wrapper(@field(T, method), declaration, receiverOf(T, declaration));
        }

        fn Unary(comptime method: []const u8) type {
            return struct {
                fn call(self: *Object) callconv(.c) ?*Object {
                    return Method(method).call(self, undefined, 0, null);
                }
            };
        }

        fn Attribute(comptime field: reflection.Field) type {
            return struct {
                fn get(self: *Object, _: ?*anyopaque) callconv(.c) ?*Object {
                    var borrow: Borrow = .{};
                    if (!borrow.begin(T, self, false)) return null;
                    defer borrow.end();
                    var scope: scope_module.Scope = .{};
                    const context: Context = .{ .module = moduleOf(T, self) orelse return null, .scope = &scope };
                    return convert.toPython(field.type, @field(valueOf(T, self), field.name), &context);
                }

                const signature: exception.Signature = .{ .name = name, .parameters = &.{function.parameterOfField(field, 0, null)}, .positional = 1 };

                fn set(self: *Object, value: ?*Object, _: ?*anyopaque) callconv(.c) c_int {
                    if (!isUsable(T, self, true)) return -1;
                    const object = value orelse {
                        abi.PyErr_SetString(abi.exception("AttributeError"), "'" ++ field.name ++ "' cannot be deleted");
                        return -1;
                    };
                    return if (assign(field, self, object, valueOf(T, self), &signature, 0)) 0 else -1;
                }
            };
        }

        /// Converts an object into a field. Text is copied, and stays until the instance goes away: other
        /// fields may point to it by then.
        fn assign(
            comptime field: reflection.Field,
            self: *Object,
            object: *Object,
            value: *T,
            signature: *const exception.Signature,
            index: usize,
        ) bool {
            var scope: scope_module.Scope = .{};
            defer scope.close();
            const context: Context = .{
                .module = moduleOf(T, self) orelse return false,
                .scope = &scope,
                .function = name,
                .argument = field.name,
            };
            const converted = convert.fromPython(field.type, object, &context) catch |refusal| {
                _ = exception.raiseArgument(signature, index, refusal, object);
                return false;
            };
            // The conversion may have run Python code.
            if (bodyOf(self).status == .live and !isUsable(T, self, true)) return false;
            if (field.type == []const u8) {
                const copy = heapOf(self).allocator().dupe(u8, converted) catch {
                    abi.PyErr_SetString(abi.exception("MemoryError"), "OutOfMemory");
                    return false;
                };
                @field(value, field.name) = copy;
            } else {
                @field(value, field.name) = converted;
            }
            return true;
        }

        fn init(self: *Object, arguments: *Object, keywords: ?*Object) callconv(.c) c_int {
            const signature = comptime constructorOf(T) orelse exception.Signature{ .name = name, .parameters = &.{}, .positional = 0 };
            if (comptime constructorOf(T) == null) {
                abi.PyErr_SetString(abi.exception("TypeError"), "cannot create '" ++ name ++ "' instances from Python");
                return -1;
            }
            const body = bodyOf(self);
            if (body.is_busy or body.readers + body.keepers > 0) {
                _ = inUse(name);
                return -1;
            }
            var objects: [signature.parameters.len]?*Object = @splat(null);
            if (!exception.bindTuple(&signature, arguments, keywords, &objects)) return -1;
            close(self);
            body.status = .new;
            body.heap.is_shared = comptime isShared(T);
            body.is_busy = true;
            defer body.is_busy = false;
            if (comptime find(T, "init") != null) return if (Method("init").invoke(self, &objects) == null) -1 else 0;
            var value: T = undefined;
            comptime var position = 0;
            inline for (fields) |field| {
                if (comptime !isSettable(field.type)) {
                    @field(value, field.name) = comptime field.defaultValue().?;
                    continue;
                }
                if (objects[position]) |object| {
                    if (!assign(field, self, object, &value, &signature, position)) return -1;
                } else if (comptime field.defaultValue()) |default| {
                    @field(value, field.name) = default;
                }
                position += 1;
            }
            start(T, self, value);
            return 0;
        }

        /// Ends the value, once.
        fn close(self: *Object) void {
            const body = bodyOf(self);
            if (body.status == .live) {
                body.status = .closed;
                if (comptime hasDeinit(T)) callDeinit(self);
            }
            body.heap.deinit();
            release(body);
        }

        fn callDeinit(self: *Object) void {
            const value = valueOf(T, self);
            const parameters = comptime reflection.function(@TypeOf(T.deinit)).parameters;
            const first = if (parameters[0].? == T) value.* else value;
            if (parameters.len == 1) return T.deinit(first);
            T.deinit(first, heapOf(self).allocator());
        }

        fn dealloc(self: *Object) callconv(.c) void {
            const class = self.type;
            close(self);
            const free: *const fn (*anyopaque) callconv(.c) void = @ptrCast(@alignCast(abi.PyType_GetSlot(class, TypeSlot.tp_free).?));
            free(self);
            abi.Py_DecRef(@ptrCast(@alignCast(class)));
        }

        fn enter(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            if (!isUsable(T, self, false)) return null;
            abi.Py_IncRef(self);
            return self;
        }

        fn exit(self: *Object, _: [*]const *Object, _: isize, _: ?*Object) callconv(.c) ?*Object {
            if (!isUsable(T, self, true)) return null;
            if (bodyOf(self).keepers > 0) {
                _ = inUse(name);
                return null;
            }
            close(self);
            return builtins.newNone();
        }

        fn fieldsRepr(self: *Object) callconv(.c) ?*Object {
            var text = abi.PyUnicode_FromFormat("%s(", name.ptr) orelse return null;
            comptime var separator: [:0]const u8 = "";
            inline for (fields) |field| if (comptime isReadable(field)) {
                const value = Attribute(field).get(self, null);
                defer abi.Py_DecRef(value);
                const before = text;
                defer abi.Py_DecRef(before);
                const format = "%U%s%s=%R";
                text = abi.PyUnicode_FromFormat(format, before, separator.ptr, field.name.ptr, value orelse return null) orelse return null;
                separator = ", ";
            };
            defer abi.Py_DecRef(text);
            return abi.PyUnicode_FromFormat("%U)", text);
        }

        fn compare(self: *Object, other: *Object, operation: c_int) callconv(.c) ?*Object {
            const equal = 2;
            const not_equal = 3;
            const class = classOf(T, moduleOf(T, self) orelse return null) orelse return null;
            const is_same = abi.PyType_IsSubtype(other.type, @ptrCast(@alignCast(class))) != 0;
            if ((operation != equal and operation != not_equal) or !is_same) {
                abi.Py_IncRef(builtins.not_implemented);
                return builtins.not_implemented;
            }
            const result = Method("eql").call(self, &.{other}, 1, null) orelse return null;
            defer abi.Py_DecRef(result);
            return abi.PyBool_FromLong(@intFromBool((result == builtins.true_object) == (operation == equal)));
        }

        fn hash(self: *Object) callconv(.c) isize {
            const result = Unary("hash").call(self) orelse return -1;
            defer abi.Py_DecRef(result);
            return abi.PyObject_Hash(result);
        }

        fn length(self: *Object) callconv(.c) isize {
            const result = Unary("len").call(self) orelse return -1;
            defer abi.Py_DecRef(result);
            const count = abi.PyLong_AsSsize_t(result);
            if (count < 0 and abi.PyErr_Occurred() == null) {
                _ = abi.PyErr_Format(abi.exception("ValueError"), "the len() of a %s is negative", name.ptr);
                return -1;
            }
            return count;
        }

        fn contains(self: *Object, key: *Object) callconv(.c) c_int {
            const result = Method("contains").call(self, &.{key}, 1, null) orelse return -1;
            defer abi.Py_DecRef(result);
            return abi.PyObject_IsTrue(result);
        }

        /// Returns a new reference to the key that the method gets.
        fn keyOf(comptime method: []const u8, self: *Object, key: *Object) ?*Object {
            if (comptime !isIndexed(T, method)) {
                abi.Py_IncRef(key);
                return key;
            }
            const index = abi.PyNumber_AsSsize_t(key, abi.exception("IndexError"));
            if (index == -1 and abi.PyErr_Occurred() != null) return null;
            const count = length(self);
            if (count < 0) return null;
            const from_start = if (index < 0) index + count else index;
            if (from_start >= 0 and from_start < count) return abi.PyLong_FromLongLong(from_start);
            return abi.PyErr_Format(abi.exception("IndexError"), "%s index out of range", name.ptr);
        }

        fn getItem(self: *Object, key: *Object) callconv(.c) ?*Object {
            const own = keyOf("getItem", self, key) orelse return null;
            defer abi.Py_DecRef(own);
            return Method("getItem").call(self, &.{own}, 1, null);
        }

        fn sequenceItem(self: *Object, index: isize) callconv(.c) ?*Object {
            const key = abi.PyLong_FromLongLong(index) orelse return null;
            defer abi.Py_DecRef(key);
            return getItem(self, key);
        }

        fn setItem(self: *Object, key: *Object, value: ?*Object) callconv(.c) c_int {
            const object = value orelse {
                abi.PyErr_SetString(abi.exception("TypeError"), "'" ++ name ++ "' does not support item deletion");
                return -1;
            };
            const own = keyOf("setItem", self, key) orelse return -1;
            defer abi.Py_DecRef(own);
            const result = Method("setItem").call(self, &.{ own, object }, 2, null) orelse return -1;
            abi.Py_DecRef(result);
            return 0;
        }

        fn next(self: *Object) callconv(.c) ?*Object {
            const result = Unary("next").call(self) orelse return null;
            if (result != builtins.none) return result;
            abi.Py_DecRef(result);
            return null; // Without an exception: the end.
        }
    };
}
