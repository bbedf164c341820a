//! The body of a module's stub file (`.pyi`), made of the same types as the module itself.

const abi = @import("abi.zig");
const class = @import("class.zig");
const convert = @import("convert.zig");
const declarations = @import("declarations.zig");
const exception = @import("exception.zig");
const exports_module = @import("exports.zig");
const function = @import("function.zig");
const record = @import("record.zig");
const reflection = @import("reflection.zig");
const std = @import("std");
const text = @import("text.zig");

const Declaration = declarations.Declaration;
const Exports = exports_module.Exports;

/// Begins each piece; its number and a line feed follow, and a zero byte ends it. Whoever wants the
/// stub finds the pieces in the library without loading it, and adds what they need of `typing`.
///
/// The byte 1 stands before each name that is not the module's own, so that it can be told from one
/// of the same spelling: `pub const int = struct { … }`.
const mark = "# zigimport stub ";

const Direction = enum { parameter, result };

/// Returns the pieces of a module's stub: joining them here would cost more than the rest of a build.
pub fn pieces(
    comptime user: type,
    comptime container: declarations.Container,
    comptime exports: Exports,
    comptime path: []const type,
) []const [*:0]const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const zig_error = if (exports.has("ZigError")) "" else "\nclass ZigError(\x01RuntimeError):\n    name: \x01str\n";
        const list = [_][]const u8{ docText(container.doc, ""), zig_error } ++ namespacePieces(user, exports, path, "");
        var marked: [list.len][*:0]const u8 = undefined;
        for (&marked, list, 0..) |*piece, content, index| piece.* = mark ++ text.decimal(index) ++ "\n" ++ content;
        const final = marked;
        return &final;
    }
}

fn namespacePieces(
    comptime user: type,
    comptime exports: Exports,
    comptime path: []const type,
    comptime indent: []const u8,
) []const []const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const count = exports.types.len + exports.enumerations.len + exports.constants.len + exports.functions.len;
        var list: [count][]const u8 = undefined;
        var index: usize = 0;
        for (exports.types) |declaration| {
            list[index] = typeText(@field(user, declaration.name), declaration, indent);
            index += 1;
        }
        for (exports.enumerations) |declaration| {
            var names: [:0]const u8 = "";
            for (reflection.enumNames(@field(user, declaration.name))) |name| {
                const one = if (text.quoted(name)) |quoted| "\x01Literal[" ++ quoted ++ "]" else "\x01str";
                names = names ++ (if (names.len == 0) "" else ", ") ++ one;
            }
            list[index] = indent ++ declaration.name ++ ": \x01tuple[" ++ names ++ "]\n";
            index += 1;
        }
        for (exports.constants) |declaration| {
            const value = @field(user, declaration.name);
            const T = exports_module.Constant(@TypeOf(value), user, declaration.name);
            list[index] = indent ++ declaration.name ++ ": " ++ annotation(T, .result) ++ "\n";
            index += 1;
        }
        for (exports.functions) |declaration| {
            list[index] = functionText(@field(user, declaration.name), declaration, .module, declaration.name, indent);
            index += 1;
        }
        // A name that Python cannot write has no place in a stub.
        const names = exports.types ++ exports.enumerations ++ exports.constants ++ exports.functions;
        for (&list, names) |*piece, declaration| {
            if (!text.isParameterName(declaration.name)) piece.* = "";
        }
        const own = list;
        var all: []const []const u8 = &own;
        for (exports.namespaces) |declaration| {
            const T = @field(user, declaration.name);
            const inner = exports_module.sort(T, declarations.of(T).?.list, path ++ .{T});
            const head = "\n" ++ indent ++ "class " ++ declaration.name ++ ":\n";
            all = all ++ .{head} ++ namespacePieces(T, inner, path ++ .{T}, indent ++ "    ");
        }
        return all;
    }
}

fn typeText(comptime T: type, comptime declaration: Declaration, comptime indent: []const u8) [:0]const u8 {
    comptime {
        const inner = indent ++ "    ";
        const name = declaration.name;
        const doc = docText(declaration.doc, inner);
        if (convert.kindOf(T) == .record) {
            var body: [:0]const u8 = "\n" ++ indent ++ "class " ++ name ++ "(\x01NamedTuple):\n" ++ doc;
            for (reflection.fields(T)) |field| {
                body = body ++ inner ++ field.name ++ ": " ++ annotation(field.type, .result) ++
                    (if (field.default != null) " = ...\n" else "\n");
            }
            return body;
        }
        var body: [:0]const u8 = "\n" ++ indent ++ "class " ++ name ++ ":\n" ++ doc;
        for (reflection.fields(T)) |field| {
            if (!class.isReadable(field)) continue;
            if (class.isWritable(T, field)) {
                body = body ++ inner ++ field.name ++ ": " ++ annotation(field.type, .result) ++ "\n";
            } else {
                body = body ++ inner ++ "@\x01property\n" ++ inner ++ "def " ++ field.name ++ "(self) -> " ++ annotation(field.type, .result) ++ ": ...\n";
            }
        }
        if (class.constructorOf(T)) |signature| {
            body = body ++ inner ++ "def __init__(" ++ typedParameters(signature, "self") ++ ") -> None: ...\n";
        }
        for (class.methodsOf(T)) |method| body = body ++ methodText(T, method, inner);
        if (class.hasDeinit(T)) body = body ++ inner ++ "def __enter__(self) -> \x01Self: ...\n" ++
            inner ++ "def __exit__(self, *arguments: \x01object) -> None: ...\n";
        return body;
    }
}

/// The Python names of special functions.
const special = .{
    .{ "repr", "__repr__" },       .{ "str", "__str__" },         .{ "hash", "__hash__" }, .{ "len", "__len__" },
    .{ "getItem", "__getitem__" }, .{ "setItem", "__setitem__" }, .{ "next", "__next__" }, .{ "contains", "__contains__" },
    .{ "eql", "__eq__" },          .{ "iterator", "__iter__" },   .{ "init", "" },         .{ "deinit", "" },
};

fn methodText(comptime T: type, comptime declaration: Declaration, comptime indent: []const u8) [:0]const u8 {
    comptime {
        const receiver = class.receiverOf(T, declaration);
        if (class.isSpecial(T, declaration)) for (special) |entry| if (std.mem.eql(u8, entry[0], declaration.name)) {
            const name: [:0]const u8 = entry[1];
            if (name.len == 0) return "";
            if (std.mem.eql(u8, name, "__eq__")) return indent ++ "def __eq__(self, other: \x01object, /) -> \x01bool: ...\n";
            if (std.mem.eql(u8, name, "__contains__")) return indent ++ "def __contains__(self, key: \x01object, /) -> \x01bool: ...\n";
            if (!std.mem.eql(u8, name, "__next__")) return functionText(@field(T, declaration.name), declaration, receiver, name, indent);
            const Result = function.Payload(reflection.function(@TypeOf(T.next)).result.?);
            const Value = if (@typeInfo(Result) == .optional) @typeInfo(Result).optional.child else Result;
            const own_iterator = if (@hasDecl(T, "iterator")) "" else indent ++ "def __iter__(self) -> \x01Self: ...\n";
            return own_iterator ++ indent ++ "def __next__(self) -> " ++ annotation(Value, .result) ++ ": ...\n";
        };
        return functionText(@field(T, declaration.name), declaration, receiver, declaration.name, indent);
    }
}

fn functionText(
    comptime f: anytype,
    comptime declaration: Declaration,
    comptime receiver: function.Receiver,
    comptime name: [:0]const u8,
    comptime indent: []const u8,
) [:0]const u8 {
    comptime {
        const signature = function.Wrapper(f, declaration, receiver).signature;
        const Result = function.Payload(reflection.function(@TypeOf(f)).result.?);
        // The named tuple of a result without a name of its own.
        const is_anonymous = convert.kindOf(Result) == .record and !record.hasName(Result);
        const named = if (is_anonymous) typeText(Result, .{ .name = record.nameOf(Result) }, indent) else "";
        const is_static = receiver == .module and indent.len > 0;
        const decorator = if (is_static) indent ++ "@\x01staticmethod\n" else if (receiver == .class) indent ++ "@\x01classmethod\n" else "";
        const self = switch (receiver) {
            .module, .constructor => "",
            .instance => "self",
            .class => "cls",
        };
        const doc = docText(declaration.doc, indent ++ "    ");
        const end = if (doc.len == 0) " ...\n" else "\n" ++ doc;
        const separator = if (receiver == .instance and name[0] == '_' and signature.parameters.len > 0) ", /" else "";
        return named ++ decorator ++ indent ++ "def " ++ name ++ "(" ++ typedParameters(signature, self) ++ separator ++ ") -> " ++
            (if (is_anonymous) record.nameOf(Result) else annotation(Result, .result)) ++ ":" ++ end;
    }
}

fn typedParameters(comptime signature: exception.Signature, comptime self: []const u8) [:0]const u8 {
    comptime {
        var list: [:0]const u8 = self ++ "";
        for (signature.parameters, 0..) |parameter, index| {
            if (list.len > 0) list = list ++ ", ";
            if (index == signature.positional) list = list ++ "*, ";
            list = list ++ std.mem.span(parameter.name) ++ ": " ++ parameter.annotation;
            if (parameter.default) |default| list = list ++ " = " ++ std.mem.span(default);
        }
        return list;
    }
}

fn docText(comptime doc: []const u8, comptime indent: []const u8) []const u8 {
    comptime {
        if (doc.len == 0) return "";
        var body: []const u8 = indent ++ "\"\"\"";
        var start: usize = 0;
        for (doc, 0..) |byte, index| {
            const replacement = switch (byte) {
                '\\' => "\\\\",
                '"' => "\\\"",
                '\n' => "\n" ++ indent,
                else => continue,
            };
            body = body ++ doc[start..index] ++ replacement;
            start = index + 1;
        }
        return body ++ doc[start..] ++ "\"\"\"\n";
    }
}

fn arrayText(comptime T: type) [:0]const u8 {
    comptime {
        const info = @typeInfo(T).array;
        const element = annotation(info.child, .result);
        if (info.len > listed_max) return "\x01tuple[" ++ element ++ ", ...]";
        var list: [:0]const u8 = "\x01tuple[()]";
        for (0..info.len) |index| list = if (index == 0) "\x01tuple[" ++ element else list ++ ", " ++ element;
        return if (info.len == 0) list else list ++ "]";
    }
}

/// Longer arrays are tuples of any length to type checkers.
const listed_max = 16;

/// Writes a type as Python does.
pub fn annotation(comptime T: type, comptime direction: Direction) [:0]const u8 {
    comptime return switch (convert.kindOf(T)) {
        .void => "None",
        .bool => "\x01bool",
        .int => "\x01int",
        .float => "\x01float",
        .text => if (direction == .result) "\x01str" else "\x01str | \x01ReadableBuffer",
        .text_mutable => if (direction == .result) "\x01str" else "\x01WriteableBuffer",
        .literal => "\x01str",
        .bytes, .byte_array => if (direction == .result) "\x01bytes" else "\x01ReadableBuffer",
        .numbers => blk: {
            if (direction == .result) break :blk "\x01Array";
            if (!reflection.isConst(T)) break :blk "\x01WriteableBuffer";
            break :blk "\x01ReadableBuffer | \x01Sequence[" ++ annotation(@typeInfo(T).pointer.child, direction) ++ "]";
        },
        .view => if (direction == .result) "\x01Array" else if (T.is_mutable) "\x01WriteableBuffer" else "\x01ReadableBuffer",
        .list => (if (direction == .result) "\x01list[" else "\x01Sequence[") ++ annotation(@typeInfo(T).pointer.child, direction) ++ "]",
        .array => if (direction == .result) arrayText(T) else "\x01Sequence[" ++ annotation(@typeInfo(T).array.child, direction) ++ "]",
        .tuple => tupleText(T, direction),
        .record => if (direction == .parameter)
            tupleText(T, direction) ++ " | \x01dict[\x01str, \x01Any]"
        else
            declarations.publicName(T) orelse tupleText(T, direction),
        .class => declarations.publicName(T) orelse "\x01Any",
        .class_pointer => declarations.publicName(@typeInfo(T).pointer.child) orelse "\x01Any",
        .enumeration => if (record.namesOf(T)) |names| "\x01Literal[" ++ names ++ "]" else "\x01str",
        .variant => blk: {
            var list: [:0]const u8 = "";
            for (reflection.fields(T)) |field| {
                if (list.len > 0) list = list ++ " | ";
                const name = if (text.quoted(field.name)) |quoted| "\x01Literal[" ++ quoted ++ "]" else "\x01str";
                list = list ++ "\x01tuple[" ++ name ++ ", " ++ annotation(field.type, direction) ++ "]";
            }
            break :blk list;
        },
        .optional => annotation(@typeInfo(T).optional.child, direction) ++ " | None",
        .callable => "\x01Callable[..., \x01Any]",
        .none => "\x01Any",
    };
}

fn tupleText(comptime T: type, comptime direction: Direction) [:0]const u8 {
    comptime {
        var list: [:0]const u8 = "\x01tuple[";
        for (reflection.fields(T), 0..) |field, index| {
            list = list ++ (if (index == 0) "" else ", ") ++ annotation(field.type, direction);
        }
        return list ++ "]";
    }
}

test annotation {
    try std.testing.expectEqualStrings("\x01int | None", comptime annotation(?u8, .parameter));
    try std.testing.expectEqualStrings("\x01tuple[\x01float, \x01str]", comptime annotation(struct { f64, []const u8 }, .result));
    try std.testing.expectEqualStrings("\x01Literal['a', 'b']", comptime annotation(enum { a, b }, .result));
}
