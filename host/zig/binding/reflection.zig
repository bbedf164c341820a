//! What is known of the user's types and of their text when a module is compiled.
//!
//! What this binding asks of `@typeInfo` has one shape for every supported compiler: Zig 0.17
//! stores lists of names, types and attributes where 0.15 and 0.16 store lists of structures.

const std = @import("std");
const root = @import("root");

/// Backward branches of one evaluation: for hundreds of declarations with hundreds of parameters. A
/// limit per place would be passed by the sum of them.
pub const quota = 100_000_000;

/// A function type.
pub const Function = struct {
    /// `null` for `anytype` and for a type that depends on another parameter.
    parameters: []const ?type,
    /// `null` where it depends on a parameter.
    result: ?type,
    is_generic: bool,
    is_variadic: bool,
    /// False for conventions that ordinary code cannot call, such as an interrupt handler's.
    is_callable: bool,
};

pub fn function(comptime F: type) Function {
    @setEvalBranchQuota(quota);
    const info = @typeInfo(F).@"fn";
    const has_attributes = @hasField(@TypeOf(info), "attrs");
    const convention = if (has_attributes) info.attrs.@"callconv" else info.calling_convention;
    var parameters: []const ?type = if (has_attributes) info.param_types else &.{};
    if (!has_attributes) for (info.params) |parameter| {
        parameters = parameters ++ .{parameter.type};
    };
    return .{
        .parameters = parameters,
        .result = info.return_type,
        .is_generic = info.is_generic,
        .is_variadic = if (has_attributes) info.attrs.varargs else info.is_var_args,
        .is_callable = convention == .auto or convention == .@"inline" or std.meta.eql(convention, .c),
    };
}

/// Returns T itself for `E!T`.
pub fn Payload(comptime T: type) type {
    return if (@typeInfo(T) == .error_union) @typeInfo(T).error_union.payload else T;
}

/// A field of a structure, tuple or union.
pub const Field = struct {
    name: [:0]const u8,
    type: type,
    /// `undefined` is none: Python would be given what happens to lie there.
    default: ?*const anyopaque = null,
    /// Whether its default is `undefined`.
    is_undefined: bool = false,
    /// Its value is part of the type, so that no instance can hold another one.
    is_comptime: bool = false,

    pub fn defaultValue(comptime field: Field) ?field.type {
        const default: *const field.type = @ptrCast(@alignCast(field.default orelse return null));
        return default.*;
    }
};

/// Returns the fields of a structure, tuple or union.
pub fn fields(comptime S: type) []const Field {
    // A constant of a type is computed once.
    return struct {
        const list = fieldsOf(S);
    }.list;
}

fn fieldsOf(comptime S: type) []const Field {
    @setEvalBranchQuota(quota);
    var list: [names(S).len]Field = undefined;
    for (&list, names(S), 0..) |*field, name, index| {
        field.* = .{ .name = name, .type = @FieldType(S, name) };
        if (@typeInfo(S) == .@"union") continue;
        const info = @typeInfo(S).@"struct";
        const has_attributes = @hasField(@TypeOf(info), "field_attrs");
        const known = if (has_attributes) info.field_attrs[index] else info.fields[index];
        field.default = known.default_value_ptr;
        field.is_comptime = if (has_attributes) known.@"comptime" else known.is_comptime;
        const value: *const field.type = @ptrCast(@alignCast(field.default orelse continue));
        field.is_undefined = Key(field.type, value.*) == Key(field.type, undefined);
        if (field.is_undefined) field.default = null;
    }
    const final = list;
    return &final;
}

/// Makes one type of each value. No operation on `undefined` tells that a value is it.
fn Key(comptime T: type, comptime value: T) type {
    return struct {
        const key = value;
    };
}

/// Returns the types of the fields of a structure, tuple or union.
pub fn types(comptime S: type) []const type {
    var list: []const type = &.{};
    for (fields(S)) |field| list = list ++ .{field.type};
    return list;
}

/// Returns the names of the fields of a structure or union, or of an enumeration's values.
pub fn names(comptime T: type) []const [:0]const u8 {
    @setEvalBranchQuota(quota);
    return comptime std.meta.fieldNames(T);
}

/// True for pointers and slices to constant data.
pub fn isConst(comptime P: type) bool {
    const info = @typeInfo(P).pointer;
    return if (@hasField(@TypeOf(info), "attrs")) info.attrs.@"const" else info.is_const;
}

/// What is known about the text of the user's files. The compiler knows neither parameter names nor
/// doc comments, so whoever reads the text writes them down as the module `declarations`:
///
/// ```
/// pub const module_name: [:0]const u8 = "geometry";
/// pub const init_symbol: [:0]const u8 = "PyInit_geometry";
/// pub const source_path: [:0]const u8 = "geometry.zig";
/// pub fn types(comptime Container: type) []const Container {
///     return &.{
///         .{ .name = "geometry", .doc = "Plane geometry.", .list = &.{
///             .{ .name = "area", .parameters = &.{ "w", "h" }, .doc = "…", .nogil = true },
///             .{ .name = "Point" },
///         } },
///         .{ .name = "geometry.Point", .doc = "", .list = &.{ … } },
///     };
/// }
/// ```
///
/// `types` has every container with public declarations, named as `@typeName` does; the module's
/// own file comes first. What is not described is never looked at. Without a root of ours, as under
/// `zig test`, nothing is described.
const description = if (@hasDecl(root, "zigimport_declarations")) root.zigimport_declarations else struct {
    pub const module_name: [:0]const u8 = "";
    pub const source_path: [:0]const u8 = "";
    pub fn types(comptime _: type) []const Container {
        return &.{};
    }
};

pub const module_name = description.module_name;
pub const source_path = description.source_path;
const containers: []const Container = description.types(Container);

/// One public declaration.
pub const Declaration = struct {
    name: [:0]const u8,
    /// Every parameter of a function in order, `self` and allocators included.
    parameters: []const [:0]const u8 = &.{},
    doc: [:0]const u8 = "",
    /// Whether the interpreter's lock is released while it runs.
    nogil: bool = false,
};

pub const Container = struct {
    name: [:0]const u8,
    doc: [:0]const u8,
    list: []const Declaration,
};

/// Returns what is known about a struct type, or `null`.
pub fn containerOf(comptime T: type) ?Container {
    // A constant of a type is computed once.
    return struct {
        const container = findContainer(T);
    }.container;
}

fn findContainer(comptime T: type) ?Container {
    @setEvalBranchQuota(quota);
    for (containers) |container| {
        if (!std.mem.eql(u8, container.name, @typeName(T))) continue;
        var list: []const Declaration = &.{};
        for (container.list) |declaration| {
            // Two files may have types of one name: only what this one has is meant.
            if (@hasDecl(T, declaration.name)) list = list ++ .{declaration};
        }
        return .{ .name = container.name, .doc = container.doc, .list = list };
    }
    return null;
}

pub fn isFunction(comptime T: type, comptime declaration: Declaration) bool {
    return @typeInfo(@TypeOf(@field(T, declaration.name))) == .@"fn";
}

/// True for a struct with fields and methods: a class.
pub fn isClass(comptime T: type) bool {
    comptime {
        if (names(T).len == 0) return false;
        const container = containerOf(T) orelse return false;
        for (container.list) |declaration| if (isFunction(T, declaration)) return true;
        return false;
    }
}

/// True for a struct that only groups declarations: a submodule.
pub fn isNamespace(comptime T: type) bool {
    return comptime names(T).len == 0 and containerOf(T) != null;
}

test function {
    const plain = comptime function(fn (u8, []const u8) error{Bad}!f64);
    try std.testing.expectEqual(2, plain.parameters.len);
    try std.testing.expect(plain.parameters[0].? == u8);
    try std.testing.expect(plain.parameters[1].? == []const u8);
    try std.testing.expect(plain.result.? == error{Bad}!f64);
    try std.testing.expect(!plain.is_generic and !plain.is_variadic and plain.is_callable);

    const generic = comptime function(fn (anytype) void);
    try std.testing.expect(generic.is_generic and generic.parameters[0] == null);

    const c_function = comptime function(fn (c_int) callconv(.c) c_int);
    try std.testing.expect(c_function.is_callable);
    const naked = comptime function(fn () callconv(.naked) void);
    try std.testing.expect(!naked.is_callable);
}

test fields {
    const list = comptime fields(struct { a: u8 = 3, b: f32 });
    try std.testing.expectEqual(2, list.len);
    try std.testing.expect(list[0].type == u8 and list[1].type == f32);
    try std.testing.expectEqualStrings("a", list[0].name);
    try std.testing.expectEqual(3, comptime list[0].defaultValue().?);
    try std.testing.expect(list[1].default == null and !list[1].is_comptime);
    try std.testing.expect(comptime fields(@TypeOf(.{1}))[0].is_comptime);
    const Given = struct { a: u8 = undefined, b: []const u8 = undefined, c: ?u8 = null, d: [2]u8 = @splat(1) };
    inline for (comptime fields(Given), .{ true, true, false, false }) |field, is_undefined| {
        try std.testing.expect(field.is_undefined == is_undefined and (field.default == null) == is_undefined);
    }
    try std.testing.expectEqualStrings("b", comptime fields(union(enum) { a, b: u8 })[1].name);
}

test names {
    try std.testing.expectEqualStrings("green", names(enum { red, green })[1]);
    try std.testing.expectEqual(0, names(struct {}).len);
}

test isConst {
    try std.testing.expect(comptime isConst([]const u8) and !isConst(*u8));
}
