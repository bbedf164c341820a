//! What a description of a user's file looks like. Reflection has neither parameter names nor doc
//! comments nor line numbers, so whoever reads the text of the file writes them down as plain data:
//!
//! ```
//! pub const module_name: [:0]const u8 = "geometry";
//! pub const init_symbol: []const u8 = "PyInit_geometry";
//! pub const source_path: []const u8 = "geometry.zig";
//! pub const doc: [:0]const u8 = "Plane geometry.";
//! pub const list = .{
//!     .{ .name = "area", .kind = .function, .parameters = .{ "w", "h" }, .doc = "…", .line = 3 },
//!     .{ .name = "pi", .kind = .constant, .line = 9 },
//! };
//! ```
//!
//! Only `name` is required in an entry. The file imports nothing; its entries may have a named type,
//! whose `kind` then is any enumeration with the two names.

pub const Kind = enum { function, constant };

/// One public declaration of the user's file.
pub const Declaration = struct {
    name: [:0]const u8,
    kind: Kind = .function,
    /// Every parameter in order, an allocator included. Empty where the text is not known.
    parameters: []const [:0]const u8 = &.{},
    doc: [:0]const u8 = "",
    /// 1-based; 0 where it is not known.
    line: u32 = 0,
};

/// Returns the list of a description as typed values.
pub fn listOf(comptime description: type) []const Declaration {
    comptime {
        const source = description.list;
        if (@TypeOf(source) == []const Declaration) return source;
        @setEvalBranchQuota(1_000 + 1_000 * source.len);
        var list: [source.len]Declaration = undefined;
        for (&list, 0..) |*declaration, index| declaration.* = typed(source[index]);
        const final = list;
        return &final;
    }
}

fn typed(comptime entry: anytype) Declaration {
    comptime {
        var declaration: Declaration = .{ .name = entry.name };
        if (@hasField(@TypeOf(entry), "kind")) declaration.kind = @field(Kind, @tagName(entry.kind));
        if (@hasField(@TypeOf(entry), "doc")) declaration.doc = entry.doc;
        if (@hasField(@TypeOf(entry), "line")) declaration.line = entry.line;
        if (@hasField(@TypeOf(entry), "parameters")) {
            var parameters: [entry.parameters.len][:0]const u8 = undefined;
            for (&parameters, 0..) |*parameter, index| parameter.* = entry.parameters[index];
            const final = parameters;
            declaration.parameters = &final;
        }
        return declaration;
    }
}
