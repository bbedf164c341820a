//! What a Zig type is to Python: which types can cross, and what messages and signatures say of
//! them. Everything here is computed when a module is compiled. `docs/types.md` has the table.
//! `std.fmt` is avoided: analysing it costs more compile time than a small module as a whole.

const std = @import("std");
const buffer = @import("buffer.zig");
const reflection = @import("reflection.zig");

const Child = std.meta.Child;

pub const Kind = enum {
    none,
    void,
    bool,
    int,
    float,
    /// `[]const u8`, `[:0]const u8`.
    text,
    /// `[]u8`: bytes to write as a parameter, text as a result.
    text_mutable,
    /// `*const [5:0]u8`, the type of a string literal.
    literal,
    /// `zigimport.Bytes`.
    bytes,
    /// A slice of numbers.
    numbers,
    /// `zigimport.View`, `zigimport.ViewMut`.
    view,
    /// A slice of anything else.
    list,
    /// `[N]u8`.
    byte_array,
    array,
    tuple,
    /// A struct without methods.
    record,
    /// A struct with methods.
    class,
    /// `*T` or `*const T` of a class.
    class_pointer,
    enumeration,
    variant,
    optional,
    /// `zigimport.Callable`.
    callable,
};

/// Wider integers would need another route through the stable ABI.
const integer_bits_max = 128;

pub fn of(comptime T: type) Kind {
    // A constant of a type is computed once.
    return struct {
        const kind = find(T);
    }.kind;
}

fn find(comptime T: type) Kind {
    return switch (@typeInfo(T)) {
        .void => .void,
        .bool => .bool,
        .int => |int| if (int.bits >= 1 and int.bits <= integer_bits_max) .int else .none,
        .float => |float| if (float.bits <= 64) .float else .none,
        // `None` could not tell the levels of nested optionals apart.
        .optional => |optional| if (@typeInfo(optional.child) == .optional) .none else .optional,
        // One with a sentinel is another type.
        .array => |array| if (T != [array.len]array.child) .none else if (array.child == u8) .byte_array else .array,
        .pointer => |pointer| if (pointer.size == .one) ofPointer(T) else ofSlice(T),
        .@"enum" => if (reflection.names(T).len > 0 and @bitSizeOf(T) <= integer_bits_max) .enumeration else .none,
        .@"union" => |info| if (info.tag_type != null) .variant else .none,
        .@"struct" => ofStruct(T),
        else => .none,
    };
}

fn ofPointer(comptime P: type) Kind {
    const T = Child(P);
    return switch (@typeInfo(T)) {
        .array => |array| if (array.child == u8) .literal else .none,
        .@"struct" => if ((P == *T or P == *const T) and ofStruct(T) == .class) .class_pointer else .none,
        else => .none,
    };
}

fn ofSlice(comptime S: type) Kind {
    const T = Child(S);
    if (S == []const u8 or S == [:0]const u8) return .text;
    if (S == []u8 or S == [:0]u8) return .text_mutable;
    // Neither with a sentinel nor with an alignment of its own.
    if (S != []T and S != []const T) return .none;
    return if (buffer.formatOf(T) != null) .numbers else .list;
}

fn ofStruct(comptime T: type) Kind {
    @setEvalBranchQuota(reflection.quota);
    if (@hasDecl(T, "zigimport_kind")) {
        return if (T.zigimport_kind == .view and !buffer.isView(T)) .none else T.zigimport_kind;
    }
    if (T == std.mem.Allocator) return .none;
    const fields = reflection.fields(T);
    for (fields) |field| if (field.is_comptime or isComptimeOnly(field.type)) return .none;
    if (@typeInfo(T).@"struct".is_tuple) return .tuple;
    // A generic type, such as a list of the standard library, has a meaning of its own.
    if (fields.len == 0 or std.mem.endsWith(u8, @typeName(T), ")")) return .none;
    if (!reflection.isClass(T)) return .record;
    // Python's objects have no larger alignment.
    return if (@alignOf(T) <= 16 and @sizeOf(T) <= value_bytes_max) .class else .none;
}

fn isComptimeOnly(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .type, .comptime_int, .comptime_float, .@"fn", .null, .undefined, .enum_literal => true,
        else => false,
    };
}

/// Returns the types that values of a type are made of, as far as they are converted one by one.
pub fn parts(comptime T: type) []const type {
    return switch (of(T)) {
        .optional, .list, .array => &.{Child(T)},
        .tuple, .record, .variant => reflection.types(T),
        else => &.{},
    };
}

/// True if something holds for one of several types.
fn any(comptime types: []const type, comptime holds: fn (comptime type) bool) bool {
    for (types) |T| if (holds(T)) return true;
    return false;
}

/// Returns T itself for `?T`.
pub fn Unwrapped(comptime T: type) type {
    return if (of(T) == .optional) Child(T) else T;
}

/// Returns what an array of any depth has.
pub fn Element(comptime T: type) type {
    return if (@typeInfo(T) == .array) Element(Child(T)) else T;
}

/// Returns the class that an argument is an instance of, or `void`.
pub fn InstanceOf(comptime T: type) type {
    return switch (of(Unwrapped(T))) {
        .class => Unwrapped(T),
        .class_pointer => Child(Unwrapped(T)),
        else => void,
    };
}

/// Returns the type as which a constant goes to Python, or `void` if it does not.
pub fn Constant(comptime value: anytype) type {
    const T = @TypeOf(value);
    return switch (@typeInfo(T)) {
        .comptime_float => f64,
        .comptime_int => WordFor(value, value) orelse void,
        // An instance that points to something might free what is not its own.
        else => if (isReadable(T)) T else void,
    };
}

/// Returns the type through which integers of a range go: the first that has all of its values.
pub fn WordFor(comptime low: comptime_int, comptime high: comptime_int) ?type {
    return for (.{ i64, u64, i128, u128 }) |W| {
        if (low >= std.math.minInt(W) and high <= std.math.maxInt(W)) break W;
    } else null;
}

const Direction = enum { parameter, result };

/// True if a value of the type can be a parameter.
pub fn isParameter(comptime T: type) bool {
    return comptime T != void and isSupported(T, .parameter, 0);
}

/// True if a value of the type can be a result, or a constant if it is not `void`.
pub fn isResult(comptime T: type) bool {
    return comptime isSupported(T, .result, 0);
}

/// Deeper types are refused, so that a struct with a slice of itself ends the search.
const depth_max = 6;

/// A value lies on the stack, more than once, and a thread may have a small one.
const value_bytes_max = 1 << 16;

fn isSupported(comptime T: type, comptime direction: Direction, comptime depth: comptime_int) bool {
    const kind = of(T);
    const is_supported = depth <= depth_max and switch (kind) {
        .none => false,
        .text_mutable => direction == .result or T == []u8,
        .literal => direction == .result,
        // What is written to a copy would be lost.
        .list => direction == .result or reflection.isConst(T),
        .callable => direction == .parameter,
        .class_pointer => direction == .parameter and depth == 0,
        // A copy in another value would have no owner to keep what it points to.
        .class => depth == 0 or !hasPointers(T),
        else => true,
    };
    if (!is_supported or @sizeOf(T) > value_bytes_max) return false;
    for (parts(T)) |Part| {
        if (Part == void and kind != .variant) return false;
        const is_outermost = kind == .optional and depth == 0;
        if (!isSupported(Part, direction, if (is_outermost) 0 else depth + 1)) return false;
    }
    return true;
}

/// True if a value may point to memory that is not part of it, or has to be ended: a copy of it
/// needs somebody to look after what it shares.
pub fn hasPointers(comptime T: type) bool {
    return comptime switch (@typeInfo(T)) {
        .pointer, .@"fn", .@"opaque" => true,
        .optional => |optional| hasPointers(optional.child),
        .array => |array| array.len > 0 and hasPointers(array.child),
        .error_union => |error_union| hasPointers(error_union.payload),
        .@"struct", .@"union" => @hasDecl(T, "deinit") or any(reflection.types(T), hasPointers),
        else => false,
    };
}

/// True if a value has something to call in it.
pub fn hasCallable(comptime T: type) bool {
    return of(T) == .callable or any(parts(T), hasCallable);
}

/// True for fields that own what they are, or can be made to: Python may set them.
pub fn isSettable(comptime T: type) bool {
    return comptime isParameter(T) and (T == []const u8 or !hasPointers(T));
}

/// True for fields that Python may read.
pub fn isReadable(comptime T: type) bool {
    return comptime isResult(T) and !isShared(T);
}

/// True for an instance of which a copy needs an owner: both share what is not part of them.
pub fn isShared(comptime T: type) bool {
    return comptime InstanceOf(T) != void and hasPointers(T);
}

/// What marks the names of types that the compiler made.
const nameless = "__struct_";

/// True if a type is declared somewhere and not where it is used.
pub fn hasName(comptime T: type) bool {
    return comptime std.mem.indexOf(u8, @typeName(T), nameless) == null;
}

/// Returns the name of a type in Python: the last part of its own, and for a type without one the
/// name of the function that it belongs to.
pub fn nameOf(comptime T: type) [:0]const u8 {
    comptime {
        @setEvalBranchQuota(reflection.quota);
        const full = @typeName(T);
        const name = if (std.mem.lastIndexOfScalar(u8, full, '.')) |dot| full[dot + 1 ..] else full;
        const end = std.mem.indexOf(u8, name, nameless) orelse return name;
        return name[0..end] ++ "_result";
    }
}

/// Lists the fields of a record: `(x, y)`.
pub fn shapeOf(comptime T: type) [:0]const u8 {
    return "(" ++ joined(reflection.names(T), ", ") ++ ")";
}

/// Names what Python must pass, for messages.
pub fn expected(comptime T: type) [:0]const u8 {
    return comptime switch (of(T)) {
        .bool, .int, .float, .callable => @tagName(of(T)),
        .text => "str or bytes-like object",
        .text_mutable => "writable bytes-like object",
        .bytes => "bytes-like object",
        .byte_array => "bytes-like object of " ++ decimal(@typeInfo(T).array.len) ++ " bytes",
        .numbers => (if (reflection.isConst(T)) "buffer, list or tuple" else "writable buffer") ++
            " of " ++ @typeName(Child(T)),
        .view => "buffer of " ++ @typeName(T.Element),
        .list => "list or tuple of " ++ expected(Child(T)),
        .array => "list or tuple of " ++ decimal(@typeInfo(T).array.len) ++ " " ++ expected(Child(T)),
        .tuple => "tuple (" ++ described(parts(T), expected) ++ ")",
        .record => "tuple or dict " ++ shapeOf(T),
        .class, .class_pointer => nameOf(InstanceOf(T)),
        .enumeration => "one of " ++ joined(reflection.names(T), ", "),
        .variant => "tuple (name, value) with a name of " ++ shapeOf(T),
        .optional => expected(Child(T)) ++ " or None",
        else => unreachable, // `isParameter` admits no other type.
    };
}

/// Names the Zig type and its limits, for messages.
pub fn range(comptime T: type) [:0]const u8 {
    return comptime switch (of(T)) {
        .int => @typeName(T) ++ " (" ++ decimal(std.math.minInt(T)) ++ " to " ++
            decimal(std.math.maxInt(T)) ++ ")",
        .optional => range(Child(T)),
        else => @typeName(T),
    };
}

fn described(comptime types: []const type, comptime describe: fn (comptime type) [:0]const u8) [:0]const u8 {
    var list: [:0]const u8 = "";
    for (types) |T| list = append(list, ", ", describe(T));
    return list;
}

/// Writes a default as Python shows it.
pub fn shown(comptime T: type, comptime value: T) [:0]const u8 {
    return switch (of(T)) {
        .bool => if (value) "True" else "False",
        .int => decimal(value),
        .float => blk: {
            const digits = std.fmt.comptimePrint("{d}", .{value});
            if (std.mem.indexOfAny(u8, digits, "nif") != null) break :blk "...";
            break :blk digits ++ if (std.mem.indexOfScalar(u8, digits, '.') == null) ".0" else "";
        },
        .enumeration => quoted(std.enums.tagName(T, value) orelse return "...") orelse "...",
        .optional => if (value) |some| shown(Child(T), some) else "None",
        .text => quoted(value) orelse "...",
        else => "...",
    };
}

/// Adds an item to a list, with a separator between them.
pub fn append(comptime list: [:0]const u8, comptime separator: []const u8, comptime item: []const u8) [:0]const u8 {
    return list ++ (if (list.len == 0) "" else separator) ++ item;
}

/// Returns a list of texts with a separator between them.
pub fn joined(comptime items: []const []const u8, comptime separator: []const u8) [:0]const u8 {
    var list: [:0]const u8 = "";
    for (items) |item| list = append(list, separator, item);
    return list;
}

/// Returns the decimal digits of a number.
pub fn decimal(comptime number: comptime_int) [:0]const u8 {
    if (number < 0) return "-" ++ decimal(-number);
    if (number < 10) return &[_:0]u8{'0' + number};
    return decimal(@divTrunc(number, 10)) ++ decimal(@rem(number, 10));
}

/// Writes text as a Python literal, or returns `null` where that takes more than quotes.
pub fn quoted(comptime value: []const u8) ?[:0]const u8 {
    var has_single = false;
    for (value) |byte| switch (byte) {
        '\'' => has_single = true,
        '"', '\\' => return null,
        else => if (byte < ' ' or byte > '~') return null,
    };
    const mark = if (has_single) "\"" else "'";
    return mark ++ value ++ mark;
}

/// True for names that Python source can use for a parameter. Only ASCII: a table of what Unicode
/// allows would cost every build.
pub fn isParameterName(comptime name: []const u8) bool {
    // A lone underscore may occur twice in one Zig parameter list.
    if (name.len == 0 or std.mem.eql(u8, name, "_")) return false;
    for (name, 0..) |byte, index| switch (byte) {
        'a'...'z', 'A'...'Z', '_' => {},
        '0'...'9' => if (index == 0) return false,
        else => return false,
    };
    for (keywords) |keyword| if (std.mem.eql(u8, keyword, name)) return false;
    return true;
}

const keywords = [_][]const u8{
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
};

test of {
    const expectEqual = std.testing.expectEqual;
    try expectEqual(.int, comptime of(u1));
    try expectEqual(.none, comptime of(i129));
    try expectEqual(.text, comptime of([:0]const u8));
    try expectEqual(.literal, comptime of(@TypeOf("text")));
    try expectEqual(.none, comptime of(*const [2]u16));
    try expectEqual(.numbers, comptime of([]const u16));
    try expectEqual(.list, comptime of([]const []const u8));
    try expectEqual(.record, comptime of(struct { a: u8 }));
    try expectEqual(.tuple, comptime of(struct { u8, f32 }));
    try expectEqual(.none, comptime of(??u8));
    try expectEqual(.none, comptime of(*u8));
    try expectEqual(.none, comptime of(std.mem.Allocator));
}

test isParameter {
    const Chain = struct { next: []const @This() };
    const Variant = union(enum) { a, b: u8 };
    inline for (.{ i64, c_int, f16, [:0]const u8, []u8, []f64, ?u8, struct { u8, ?bool }, [3]u8, enum { a }, Variant }) |T| {
        try std.testing.expect(comptime isParameter(T));
    }
    inline for (.{ u0, f80, [:0]u8, []const *u8, void, struct { u8, *u8 }, anyerror!u8, type, Chain, union { a: u8 } }) |T| {
        try std.testing.expect(!comptime isParameter(T));
    }
}

test isResult {
    inline for (.{ void, f32, [:0]u8, *const [3:0]u8, ?[]const u8, struct { u8, []u8 }, []const []const u8, [2]f32 }) |T| {
        try std.testing.expect(comptime isResult(T));
    }
    inline for (.{ noreturn, f128, ??u8, struct { a: *u8 }, type }) |T| {
        try std.testing.expect(!comptime isResult(T));
    }
}

test hasPointers {
    inline for (.{ *u8, ?[]const u8, struct { a: [2]*u8 }, union { a: u8, b: []u8 } }) |T| {
        try std.testing.expect(comptime hasPointers(T));
    }
    inline for (.{ u8, [0]*u8, ?struct { a: f64 }, enum { a } }) |T| {
        try std.testing.expect(!comptime hasPointers(T));
    }
}

test nameOf {
    const Point = struct { x: f64 };
    try std.testing.expectEqualStrings("Point", comptime nameOf(Point));
}

test expected {
    const expectEqualStrings = std.testing.expectEqualStrings;
    try expectEqualStrings("float or None", comptime expected(?f32));
    try expectEqualStrings("tuple (int, bool)", comptime expected(struct { u8, bool }));
    try expectEqualStrings("list or tuple of 3 float", comptime expected([3]f64));
    try expectEqualStrings("tuple or dict (x, y)", comptime expected(struct { x: u8, y: u8 }));
}

test range {
    const expectEqualStrings = std.testing.expectEqualStrings;
    try expectEqualStrings("i8 (-128 to 127)", comptime range(i8));
    try expectEqualStrings("u8 (0 to 255)", comptime range(?u8));
}

test shown {
    const expectEqualStrings = std.testing.expectEqualStrings;
    try expectEqualStrings("2.0", comptime shown(f32, 2));
    try expectEqualStrings("...", comptime shown(f64, std.math.inf(f64)));
    try expectEqualStrings("None", comptime shown(?u8, null));
    try expectEqualStrings("'b'", comptime shown(enum { a, b }, .b));
}

test WordFor {
    try std.testing.expect(comptime WordFor(0, 1).? == i64 and WordFor(0, std.math.maxInt(u65)).? == i128);
    try std.testing.expect(comptime WordFor(0, 1 << 200) == null and WordFor(-1, 1 << 127) == null);
}

test joined {
    try std.testing.expectEqualStrings("", comptime joined(&.{}, ", "));
    try std.testing.expectEqualStrings("a, b, c", comptime joined(&.{ "a", "b", "c" }, ", "));
}

test decimal {
    try std.testing.expectEqualStrings("0", comptime decimal(0));
    try std.testing.expectEqualStrings("-128", comptime decimal(std.math.minInt(i8)));
    try std.testing.expectEqualStrings("18446744073709551615", comptime decimal(std.math.maxInt(u64)));
}

test quoted {
    try std.testing.expectEqualStrings("'a b'", comptime quoted("a b").?);
    try std.testing.expectEqualStrings("\"it's\"", comptime quoted("it's").?);
    inline for (.{ "say \"so\"", "a\\b", "a\nb", "é" }) |value| {
        try std.testing.expect(comptime quoted(value) == null);
    }
}

test isParameterName {
    try std.testing.expect(comptime isParameterName("width_2"));
    inline for (.{ "", "_", "2w", "lambda", "a b", "größe" }) |name| {
        try std.testing.expect(!comptime isParameterName(name));
    }
}
