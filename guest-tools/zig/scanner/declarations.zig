//! Finds the `pub` declarations of a file and of the named containers in it,
//! from tokens alone: a state machine with one stack and no recursion, so that
//! a file that no parser accepts still yields what can be read from it.
const std = @import("std");
const source_types = @import("source.zig");
const text = @import("text.zig");
const Allocator = std.mem.Allocator;
const Token = std.zig.Token;
const assert = std.debug.assert;

/// A container with a longer path is not looked into. Each declaration in it
/// repeats the path, which without a limit would make the answer quadratic.
const container_path_bytes_max = 255;

/// A name that stands for a longer path is not followed, for the same reason, nor one over more
/// steps.
const path_bytes_max = 255;
const path_steps_max = 16;

/// A container whose body is being read.
const Container = struct {
    path: []const u8,
    /// Number of brackets open in its body.
    level: u32,
};

/// What the next token means, at the innermost container's level if not said
/// otherwise.
const State = enum {
    /// No declaration is being read.
    idle,
    /// After `pub`.
    modifiers,
    function_name,
    parameters_open,
    /// One level deeper, up to the first token of a parameter's name or type.
    parameter_start,
    /// One level deeper, after a token that is a name if a colon follows.
    parameter_name,
    /// One level deeper.
    parameter_type,
    /// Between `)` and the return type: `align`, `callconv` and the like.
    function_suffix,
    return_type,
    value_name,
    value_colon,
    value_type,
    /// Between the type and `=`.
    value_suffix,
    value_initializer,
    /// After a name or `@import` that an initialiser begins with.
    value_path,
    /// After `extern` or `packed`.
    container_keyword,
    /// After `struct`, `enum`, `union` or `opaque`.
    container_open,
};

pub const Declarations = struct {
    arena: Allocator,
    source: [:0]const u8,
    locator: *text.Locator,

    found: std.ArrayList(source_types.Declaration) = .empty,
    /// Which of them are constants that a path of names is given for.
    paths: std.ArrayList(usize) = .empty,
    /// The functions at the top of the file, and such constants, by their names; also without `pub`.
    top: std.StringHashMapUnmanaged(source_types.Declaration) = .empty,
    /// The parameters of the function that is being read.
    parameters: std.ArrayList(source_types.Parameter) = .empty,
    containers: std.ArrayList(Container) = .empty,
    /// The innermost container.
    container: Container = .{ .path = "", .level = 0 },

    state: State = .idle,
    /// The `///` lines that the next declaration would have.
    doc: ?Token.Loc = null,
    current: Current = undefined,

    /// The declaration that is being read.
    const Current = struct {
        doc: []const u8,
        is_public: bool,
        is_path: bool = false,
        kind: source_types.DeclarationKind = .function,
        name: []const u8 = "",
        line: u32 = 0,
        type_text: ?[]const u8 = null,
        /// Where the type that is being read starts.
        type_start: ?usize = null,
        /// The first token of the initialiser.
        first: Token.Loc = .{ .start = 0, .end = 0 },
        parameter: ParameterHead = .{},
        /// Whether a `{` in the return type would open a type and not the body.
        brace_opens_type: bool = false,
        /// Whether the parentheses being passed belong to a pointer's `align`.
        pointer_modifier: bool = false,
    };

    const ParameterHead = struct {
        prefix: []const u8 = "",
        name: ?Token.Loc = null,
    };

    /// Whether a declaration is being read. If not, a token with more brackets
    /// around it than the innermost container need not be taken.
    pub inline fn isReading(declarations: *const Declarations) bool {
        return declarations.state != .idle;
    }

    /// Takes a token and the one before it. `level` is the number of brackets
    /// open around the token; a bracket counts as outside of itself.
    pub inline fn take(declarations: *Declarations, token: Token, previous: Token, level: u32) Allocator.Error!void {
        if (declarations.state == .idle) {
            if (level > declarations.container.level) return;
            if (level == declarations.container.level and !declarations.isFirst(token, previous)) {
                declarations.doc = null;
                return;
            }
        }
        return declarations.takeHead(token, previous, level);
    }

    /// Whether a token begins a declaration. Those without `pub` matter at the top of the file only.
    inline fn isFirst(declarations: *const Declarations, token: Token, previous: Token) bool {
        return switch (token.tag) {
            .keyword_pub => true,
            .keyword_const, .keyword_fn, .keyword_inline, .keyword_noinline, .keyword_export, .keyword_extern => switch (previous.tag) {
                .eof, .semicolon, .r_brace, .comma => declarations.containers.items.len == 0,
                else => false,
            },
            else => false,
        };
    }

    noinline fn takeHead(declarations: *Declarations, token: Token, previous: Token, level: u32) Allocator.Error!void {
        if (level > declarations.container.level + 1) return;
        if (level == declarations.container.level + 1) return switch (declarations.state) {
            .parameter_start, .parameter_name, .parameter_type => declarations.takeParameterToken(token, previous),
            else => {},
        };
        if (level < declarations.container.level) {
            try declarations.cutPath();
            return declarations.close(level);
        }
        // `pub` starts a declaration whatever came before, so that an
        // unfinished one does not hide the next.
        if (token.tag == .keyword_pub) return declarations.begin(true);
        if (declarations.state == .idle) {
            try declarations.begin(false);
            return declarations.takeModifier(token);
        }
        declarations.doc = null;
        switch (declarations.state) {
            .idle => unreachable,
            .modifiers => declarations.takeModifier(token),
            .parameter_start, .parameter_name, .parameter_type => {
                // Only a closing bracket leads back here from the parameters.
                try declarations.finishParameter(previous);
                declarations.state = if (token.tag == .r_paren) .function_suffix else .idle;
            },
            .function_name, .parameters_open, .function_suffix, .return_type => try declarations.takeFunctionToken(token, previous),
            .value_name, .value_colon, .value_type, .value_suffix => try declarations.takeValueToken(token, previous),
            .value_initializer => try declarations.takeInitializer(token),
            .value_path => try declarations.takePath(token, previous),
            .container_keyword => declarations.state = switch (token.tag) {
                .keyword_struct, .keyword_enum, .keyword_union => .container_open,
                else => .idle,
            },
            .container_open => switch (token.tag) {
                .l_paren, .r_paren => {},
                .l_brace => try declarations.enter(level + 1),
                else => declarations.state = .idle,
            },
        }
    }

    /// Takes a `///` token.
    pub fn takeDoc(declarations: *Declarations, token: Token, level: u32) void {
        if (level != declarations.container.level) return;
        if (declarations.doc) |*doc| {
            doc.end = token.loc.end;
        } else {
            declarations.doc = token.loc;
        }
    }

    fn begin(declarations: *Declarations, is_public: bool) Allocator.Error!void {
        try declarations.cutPath();
        const doc = if (declarations.doc) |loc| declarations.source[loc.start..loc.end] else "";
        declarations.doc = null;
        declarations.current = .{
            .doc = try text.docComment(declarations.arena, doc),
            .is_public = is_public,
        };
        declarations.parameters.clearRetainingCapacity();
        declarations.state = .modifiers;
    }

    /// Leaves the containers that a closing bracket at `level` ends.
    fn close(declarations: *Declarations, level: u32) void {
        declarations.state = .idle;
        declarations.doc = null;
        while (declarations.container.level > level) {
            declarations.container = declarations.containers.pop().?;
        }
    }

    fn enter(declarations: *Declarations, level: u32) Allocator.Error!void {
        declarations.state = .idle;
        const outer = declarations.container.path;
        const name = declarations.current.name;
        if (outer.len + 1 + name.len > container_path_bytes_max) return;
        const path = if (outer.len == 0) name else try std.mem.concat(declarations.arena, u8, &.{ outer, ".", name });
        try declarations.containers.append(declarations.arena, declarations.container);
        declarations.container = .{ .path = path, .level = level };
    }

    fn takeModifier(declarations: *Declarations, token: Token) void {
        declarations.state = switch (token.tag) {
            .keyword_inline, .keyword_noinline, .keyword_export, .keyword_extern, .keyword_threadlocal => .modifiers,
            // The library in `extern "c"`.
            .string_literal => .modifiers,
            .keyword_fn => .function_name,
            .keyword_const => .value_name,
            .keyword_var => .value_name,
            else => .idle,
        };
        declarations.current.kind = switch (token.tag) {
            .keyword_const => .constant,
            .keyword_var => .variable,
            else => .function,
        };
    }

    fn takeName(declarations: *Declarations, token: Token, next: State) Allocator.Error!void {
        if (token.tag != .identifier) {
            declarations.state = .idle;
            return;
        }
        declarations.current.name = try text.identifierName(declarations.arena, declarations.slice(token.loc));
        declarations.current.line = declarations.locator.locate(token.loc.start).line;
        declarations.state = next;
    }

    fn takeFunctionToken(declarations: *Declarations, token: Token, previous: Token) Allocator.Error!void {
        const current = &declarations.current;
        switch (declarations.state) {
            .function_name => return declarations.takeName(token, .parameters_open),
            .parameters_open => {
                declarations.state = if (token.tag == .l_paren) .parameter_start else .idle;
                return;
            },
            .function_suffix => switch (token.tag) {
                .keyword_align, .keyword_callconv, .keyword_linksection, .keyword_addrspace, .r_paren => return,
                .l_paren => if (isSuffixKeyword(previous.tag)) return,
                else => {},
            },
            else => assert(declarations.state == .return_type),
        }
        const ends = token.tag == .semicolon or (token.tag == .l_brace and !current.brace_opens_type);
        if (ends) {
            const type_text = declarations.typeText(previous);
            return declarations.finish(type_text);
        }
        if (current.type_start == null) current.type_start = token.loc.start;
        declarations.state = .return_type;
        switch (token.tag) {
            .keyword_error, .keyword_struct, .keyword_enum, .keyword_union, .keyword_opaque, .keyword_switch => current.brace_opens_type = true,
            // A label: the block behind it yields the type.
            .colon => current.brace_opens_type = true,
            .l_paren, .r_paren => {},
            else => current.brace_opens_type = false,
        }
    }

    fn takeParameterToken(declarations: *Declarations, token: Token, previous: Token) Allocator.Error!void {
        const current = &declarations.current;
        switch (token.tag) {
            .comma => return declarations.finishParameter(previous),
            // Neither can be in a parameter list: an unfinished declaration.
            .semicolon, .keyword_pub => {
                declarations.state = .idle;
                return;
            },
            else => {},
        }
        switch (declarations.state) {
            .parameter_start => switch (token.tag) {
                .keyword_comptime => current.parameter.prefix = "comptime ",
                .keyword_noalias => current.parameter.prefix = "noalias ",
                else => {
                    current.type_start = token.loc.start;
                    const may_be_name = token.tag == .identifier;
                    if (may_be_name) current.parameter.name = token.loc;
                    declarations.state = if (may_be_name) .parameter_name else .parameter_type;
                },
            },
            .parameter_name => {
                if (token.tag == .colon) {
                    current.type_start = null;
                } else {
                    current.parameter.name = null;
                }
                declarations.state = .parameter_type;
            },
            else => if (current.type_start == null) {
                current.type_start = token.loc.start;
            },
        }
    }

    /// Ends a parameter, if there is one, before the comma or parenthesis
    /// behind `previous`.
    fn finishParameter(declarations: *Declarations, previous: Token) Allocator.Error!void {
        const current = &declarations.current;
        const head = current.parameter;
        const state = declarations.state;
        const type_text = declarations.typeText(previous);
        current.parameter = .{};
        current.type_start = null;
        declarations.state = .parameter_start;
        if (state == .parameter_start) return;

        const name = if (state == .parameter_name) null else head.name;
        const name_text = if (name) |loc| try text.identifierName(declarations.arena, declarations.slice(loc)) else "";
        const is_unnamed = std.mem.eql(u8, name_text, "_");
        try declarations.parameters.append(declarations.arena, .{
            .name = if (is_unnamed) "" else name_text,
            .type_text = try text.utf8(declarations.arena, try declarations.prefixed(head.prefix, type_text)),
        });
    }

    fn prefixed(declarations: *Declarations, prefix: []const u8, type_text: []const u8) Allocator.Error![]const u8 {
        if (prefix.len == 0) return type_text;
        return std.mem.concat(declarations.arena, u8, &.{ prefix, type_text });
    }

    fn takeValueToken(declarations: *Declarations, token: Token, previous: Token) Allocator.Error!void {
        const current = &declarations.current;
        if (declarations.state == .value_name) return declarations.takeName(token, .value_colon);

        const in_type = declarations.state == .value_type;
        const suffix = isSuffixKeyword(token.tag);
        const ends_type = token.tag == .equal or token.tag == .semicolon or
            (suffix and !declarations.modifiesPointer(previous));
        if (in_type and ends_type) current.type_text = declarations.typeText(previous);
        switch (token.tag) {
            .equal => declarations.state = .value_initializer,
            .semicolon => return declarations.finish(current.type_text orelse ""),
            .colon => if (declarations.state == .value_colon) {
                declarations.state = .value_type;
                return;
            },
            else => {},
        }
        if (!in_type) return;
        if (ends_type and suffix) declarations.state = .value_suffix;
        if (current.type_start == null) current.type_start = token.loc.start;
        switch (token.tag) {
            .l_paren, .r_paren => {},
            else => current.pointer_modifier = suffix,
        }
    }

    /// Whether an `align` behind `previous` belongs to a pointer type and not
    /// to the declared value.
    fn modifiesPointer(declarations: *const Declarations, previous: Token) bool {
        return switch (previous.tag) {
            .r_bracket, .keyword_const, .keyword_volatile, .keyword_allowzero => true,
            .r_paren => declarations.current.pointer_modifier,
            // `*`, or `**` which is one token in some versions.
            else => declarations.source[previous.loc.end - 1] == '*',
        };
    }

    fn takeInitializer(declarations: *Declarations, token: Token) Allocator.Error!void {
        const current = &declarations.current;
        const first = if (token.tag == .semicolon) "" else declarations.slice(token.loc);
        current.first = token.loc;
        if (current.type_text == null and (token.tag == .identifier or std.mem.eql(u8, first, "@import"))) {
            declarations.state = .value_path;
            return;
        }
        try declarations.finish(current.type_text orelse first);
        if (current.is_public) declarations.state = switch (token.tag) {
            .keyword_struct, .keyword_enum, .keyword_union, .keyword_opaque => .container_open,
            .keyword_extern, .keyword_packed => .container_keyword,
            else => .idle,
        };
    }

    /// Takes a token behind the first one of an initialiser that may be a path of names, such as
    /// `@import("a.zig").b.c`. Of any other, its first token is told.
    fn takePath(declarations: *Declarations, token: Token, previous: Token) Allocator.Error!void {
        const goes_on = switch (token.tag) {
            .period => previous.tag == .identifier or previous.tag == .r_paren,
            .identifier => previous.tag == .period,
            .l_paren, .r_paren => previous.tag == .builtin or previous.tag == .string_literal,
            else => false,
        };
        if (goes_on) return;
        if (token.tag != .semicolon or previous.tag == .period) return declarations.cutPath();
        const start = declarations.current.first.start;
        declarations.current.is_path = true;
        try declarations.finish(declarations.source[start..previous.loc.end]);
    }

    /// Ends a declaration whose initialiser is no path, if one is being read.
    fn cutPath(declarations: *Declarations) Allocator.Error!void {
        if (declarations.state == .value_path) try declarations.finish(declarations.slice(declarations.current.first));
    }

    /// Ends the file: a constant that is another name of something at its top is told with the path
    /// that leads on from there, and of a function with its parameters and, without an own, its text.
    pub fn end(declarations: *Declarations) Allocator.Error!void {
        try declarations.cutPath();
        for (declarations.paths.items) |index| {
            const declaration = &declarations.found.items[index];
            for (0..path_steps_max) |_| {
                const path = declaration.type_text;
                const dot = std.mem.indexOfScalar(u8, path, '.') orelse path.len;
                const meant = declarations.top.get(std.mem.trim(u8, path[0..dot], " \t\r\n")) orelse break;
                const rest = path[dot..];
                if (meant.kind == .function and rest.len == 0) {
                    declaration.parameters = meant.parameters;
                    if (declaration.doc.len == 0) declaration.doc = meant.doc;
                }
                if (meant.kind == .function or meant.type_text.len + rest.len > path_bytes_max) break;
                declaration.type_text = try std.mem.concat(declarations.arena, u8, &.{ meant.type_text, rest });
            }
        }
    }

    /// Returns the type that ends with `previous`.
    fn typeText(declarations: *const Declarations, previous: Token) []const u8 {
        const start = declarations.current.type_start orelse return "";
        assert(start <= previous.loc.end);
        return declarations.source[start..previous.loc.end];
    }

    fn finish(declarations: *Declarations, type_text: []const u8) Allocator.Error!void {
        const current = declarations.current;
        declarations.state = .idle;
        const declaration: source_types.Declaration = .{
            .name = current.name,
            .container = declarations.container.path,
            .kind = current.kind,
            .parameters = try declarations.arena.dupe(source_types.Parameter, declarations.parameters.items),
            .type_text = try text.utf8(declarations.arena, type_text),
            .doc = current.doc,
            .line = current.line,
        };
        if (current.is_public) {
            if (current.is_path) try declarations.paths.append(declarations.arena, declarations.found.items.len);
            try declarations.found.append(declarations.arena, declaration);
        }
        const is_alias = current.is_path and current.kind == .constant;
        if (declarations.containers.items.len == 0 and (is_alias or current.kind == .function)) {
            try declarations.top.put(declarations.arena, current.name, declaration);
        }
    }

    fn slice(declarations: *const Declarations, loc: Token.Loc) []const u8 {
        return declarations.source[loc.start..loc.end];
    }
};

fn isSuffixKeyword(tag: Token.Tag) bool {
    return switch (tag) {
        .keyword_align, .keyword_callconv, .keyword_linksection, .keyword_addrspace => true,
        else => false,
    };
}
