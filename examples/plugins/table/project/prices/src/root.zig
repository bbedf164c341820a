//! Prices as Python sees them: a constant for each line of the tables.
const std = @import("std");
const table = @import("table");

const Object = opaque {};
extern fn PyModuleDef_Init(definition: *Definition) callconv(.c) ?*Object;
extern fn PyModule_AddIntConstant(module: *Object, name: [*:0]const u8, value: c_long) callconv(.c) c_int;

/// `PyModuleDef_Slot`
const Slot = extern struct {
    kind: c_int = 0,
    function: ?*const fn (*Object) callconv(.c) c_int = null,
};
const Py_mod_exec = 2;

/// `PyModuleDef`
const Definition = extern struct {
    references: isize = 1,
    base: [4]?*anyopaque = @splat(null),
    name: [*:0]const u8,
    doc: ?[*:0]const u8 = null,
    size: isize = 0,
    methods: ?*const anyopaque = null,
    slots: [*]const Slot,
    traverse: ?*const anyopaque = null,
    clear: ?*const anyopaque = null,
    free: ?*const anyopaque = null,
};

const slots = [_]Slot{ .{ .kind = Py_mod_exec, .function = fill }, .{} };

var definition: Definition = .{ .name = "prices", .doc = "Prices in cents.", .slots = &slots };

fn fill(module: *Object) callconv(.c) c_int {
    inline for (comptime std.meta.declarations(table)) |one| {
        // Zig 0.17 has the names themselves.
        const name = if (@TypeOf(one) == [:0]const u8) one else one.name;
        if (PyModule_AddIntConstant(module, name, @field(table, name)) != 0) return -1;
    }
    return 0;
}

export fn PyInit_prices() callconv(.c) ?*Object {
    return PyModuleDef_Init(&definition);
}
