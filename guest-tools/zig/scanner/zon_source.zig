//! Finds the packages that a `build.zig.zon` names.
const std = @import("std");
const source_types = @import("source.zig");
const text = @import("text.zig");
const Allocator = std.mem.Allocator;
const Dependency = source_types.Dependency;
const Token = std.zig.Token;
const Tokenizer = std.zig.Tokenizer;

/// Where the fields of one dependency are: in its braces, in those of
/// `.dependencies`, in those of the file.
const dependency_level = 3;

/// Returns each `.path` and `.hash` of a dependency, in the order of the file.
pub fn scan(arena: Allocator, source: [:0]const u8, locator: *text.Locator) Allocator.Error![]const Dependency {
    var tokens: Tokenizer = .init(source);
    var dependencies: std.ArrayList(Dependency) = .empty;
    var level: u32 = 0;
    var in_dependencies = false;
    var field: []const u8 = "";
    var first_of_package: usize = 0;
    var lazy = false;
    // The two tokens before the one at hand.
    var previous: Token.Tag = .eof;
    var before: Token.Tag = .eof;
    while (true) {
        const token = tokens.next();
        switch (token.tag) {
            .eof => return dependencies.items,
            .l_brace => {
                if (level == 1) in_dependencies = std.mem.eql(u8, field, "dependencies");
                level += 1;
                if (level == dependency_level) {
                    first_of_package = dependencies.items.len;
                    lazy = false;
                }
            },
            .r_brace => {
                if (level == dependency_level and lazy) {
                    for (dependencies.items[first_of_package..]) |*found| {
                        if (found.kind == .package_hash) found.kind = .lazy_package_hash;
                    }
                }
                level -|= 1;
            },
            .identifier => {
                const value = source[token.loc.start..token.loc.end];
                if (previous == .period) {
                    field = try text.identifierName(arena, value);
                } else if (level == dependency_level and std.mem.eql(u8, field, "lazy")) {
                    lazy = std.mem.eql(u8, value, "true");
                }
            },
            .string_literal => if (in_dependencies and level == dependency_level and previous == .equal and before == .identifier) {
                const is_path = std.mem.eql(u8, field, "path");
                if (is_path or std.mem.eql(u8, field, "hash")) {
                    const value = try text.unescape(arena, source[token.loc.start..token.loc.end]);
                    const position = locator.locate(token.loc.start);
                    try dependencies.append(arena, .{
                        .kind = if (is_path) .package_path else .package_hash,
                        .operand = value orelse source[token.loc.start..token.loc.end],
                        .literal = value != null,
                        .span = .{
                            .start = @intCast(token.loc.start),
                            .end = @intCast(token.loc.end),
                            .line = position.line,
                            .column = position.column,
                        },
                    });
                }
            },
            else => {},
        }
        before = previous;
        previous = token.tag;
    }
}
