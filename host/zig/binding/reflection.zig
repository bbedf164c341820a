//! What this binding asks of `@typeInfo`, in one shape for every supported compiler: Zig 0.17 stores
//! lists of names, types and attributes where 0.15 and 0.16 store lists of structures.

const std = @import("std");

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
    const info = @typeInfo(F).@"fn";
    const has_attributes = @hasField(@TypeOf(info), "attrs");
    const convention = if (has_attributes) info.attrs.@"callconv" else info.calling_convention;
    return .{
        .parameters = parameterTypes(F),
        .result = info.return_type,
        .is_generic = info.is_generic,
        .is_variadic = if (has_attributes) info.attrs.varargs else info.is_var_args,
        .is_callable = switch (convention) {
            .auto, .@"inline" => true,
            else => std.meta.eql(convention, .c),
        },
    };
}

fn parameterTypes(comptime F: type) []const ?type {
    const info = @typeInfo(F).@"fn";
    if (@hasField(@TypeOf(info), "param_types")) return info.param_types;
    comptime {
        var types: [info.params.len]?type = undefined;
        for (&types, info.params) |*destination, parameter| destination.* = parameter.type;
        const final = types;
        return &final;
    }
}

/// Returns the types of a structure's or tuple's fields.
pub fn fieldTypes(comptime S: type) []const type {
    const info = @typeInfo(S).@"struct";
    if (@hasField(@TypeOf(info), "field_types")) return info.field_types;
    comptime {
        var types: [info.fields.len]type = undefined;
        for (&types, info.fields) |*destination, field| destination.* = field.type;
        const final = types;
        return &final;
    }
}

/// True if a field's value is part of the type, so that no instance can hold another one.
pub fn hasComptimeField(comptime S: type) bool {
    const info = @typeInfo(S).@"struct";
    if (@hasField(@TypeOf(info), "field_attrs")) {
        for (info.field_attrs) |attributes| if (attributes.@"comptime") return true;
    } else {
        for (info.fields) |field| if (field.is_comptime) return true;
    }
    return false;
}

/// Returns the names of a structure's public declarations.
pub fn declarationNames(comptime S: type) []const [:0]const u8 {
    const info = @typeInfo(S).@"struct";
    if (@hasField(@TypeOf(info), "decl_names")) return info.decl_names;
    comptime {
        var names: [info.decls.len][:0]const u8 = undefined;
        for (&names, info.decls) |*destination, declaration| destination.* = declaration.name;
        const final = names;
        return &final;
    }
}

/// True for types such as `*const [5:0]u8`, the type of a string literal.
pub fn isTextLiteral(comptime T: type) bool {
    const pointer = switch (@typeInfo(T)) {
        .pointer => |pointer| pointer,
        else => return false,
    };
    return pointer.size == .one and switch (@typeInfo(pointer.child)) {
        .array => |array| array.child == u8,
        else => false,
    };
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

test fieldTypes {
    const types = comptime fieldTypes(struct { u8, f32 });
    try std.testing.expectEqual(2, types.len);
    try std.testing.expect(types[0] == u8 and types[1] == f32);
}

test hasComptimeField {
    try std.testing.expect(!comptime hasComptimeField(struct { u8 }));
    try std.testing.expect(comptime hasComptimeField(@TypeOf(.{1})));
}

test declarationNames {
    const names = comptime declarationNames(struct {
        pub const first = 1;
    });
    try std.testing.expectEqual(1, names.len);
    try std.testing.expectEqualStrings("first", names[0]);
}

test isTextLiteral {
    try std.testing.expect(comptime isTextLiteral(@TypeOf("text")));
    try std.testing.expect(!comptime isTextLiteral(*const [2]u16));
    try std.testing.expect(!comptime isTextLiteral([]const u8));
}
