//! What a hostile caller, or an unusual declaration, must not break.
const std = @import("std");
const zigimport = @import("zigimport");

const Allocator = std.mem.Allocator;
const Callable = zigimport.Callable;

pub const part = @import("sub/part.zig");

var is_waiting: std.atomic.Value(bool) = .init(false);
var may_go_on: std.atomic.Value(bool) = .init(false);

/// Waits for `go_on`, for some seconds.
fn wait() void {
    may_go_on.store(false, .seq_cst);
    is_waiting.store(true, .seq_cst);
    defer is_waiting.store(false, .seq_cst);
    for (0..1_000_000_000) |_| {
        if (may_go_on.load(.seq_cst)) return;
        std.atomic.spinLoopHint();
    }
}
pub fn waits() bool {
    return is_waiting.load(.seq_cst);
}
pub fn go_on() void {
    may_go_on.store(true, .seq_cst);
}

/// Memory that is gone when it is closed.
pub const Vec = struct {
    items: std.ArrayList(f64) = .empty,

    pub fn init(allocator: Allocator, values: []const f64) !Vec {
        var vec: Vec = .{};
        try vec.items.appendSlice(allocator, values);
        return vec;
    }
    pub fn deinit(self: *Vec, allocator: Allocator) void {
        self.items.deinit(allocator);
        self.* = undefined;
    }
    pub fn append(self: *Vec, allocator: Allocator, value: f64) !void {
        try self.items.append(allocator, value);
    }
    pub fn extend(self: *Vec, allocator: Allocator, other: *const Vec) !void {
        try self.items.appendSlice(allocator, other.items.items);
    }
    pub fn at(self: *Vec, index: usize) f64 {
        return self.items.items[index];
    }
    pub fn at_option(self: Vec, options: struct { index: usize = 0 }) f64 {
        return self.items.items[options.index];
    }
    pub fn len(self: *const Vec) usize {
        return self.items.items.len;
    }
    pub fn getItem(self: *const Vec, index: usize) f64 {
        return self.items.items[index];
    }
    pub fn setItem(self: *Vec, index: usize, value: f64) void {
        self.items.items[index] = value;
    }
    pub fn contains(self: *const Vec, value: f64) bool {
        return std.mem.indexOfScalar(f64, self.items.items, value) != null;
    }
    pub fn with_callable(self: *Vec, options: struct { f: ?Callable = null }) f64 {
        const items = self.items.items;
        if (options.f) |f| f.call(void, .{}) catch {};
        return items[0];
    }
    pub fn read_with(self: Vec, f: ?Callable) f64 {
        if (f) |some| some.call(void, .{}) catch {};
        return self.items.items[0];
    }
    /// zigimport: nogil
    pub fn hold(self: *Vec) f64 {
        const items = self.items.items;
        wait();
        return items[0];
    }
};
pub fn first_of(vec: *Vec, index: usize) f64 {
    return vec.items.items[index];
}
pub fn copy_of(vec: Vec, index: usize) f64 {
    return vec.items.items[index];
}
pub fn between(index: usize, vec: ?*const Vec, more: usize) f64 {
    return vec.?.items.items[index + more];
}
pub fn first_after(vec: *Vec, f: Callable) f64 {
    const items = vec.items.items;
    f.call(void, .{}) catch {};
    return items[0];
}
pub fn sum_after(vec: *const Vec, f: Callable) !f64 {
    const items = vec.items.items;
    return try f.call(f64, .{}) + items[0];
}
/// zigimport: nogil
pub fn hold(vec: *Vec) f64 {
    const items = vec.items.items;
    wait();
    return items[0];
}
/// zigimport: nogil
pub fn watch(vec: *const Vec) f64 {
    const items = vec.items.items;
    wait();
    return items[0];
}
/// zigimport: nogil
pub fn hold_copy(vec: Vec) f64 {
    wait();
    return vec.items.items[0];
}

/// Made and changed without the interpreter's lock.
pub const Pool = struct {
    items: std.ArrayList(u64) = .empty,

    /// zigimport: nogil
    pub fn init(allocator: Allocator, count: usize) !Pool {
        var pool: Pool = .{};
        for (0..count) |index| try pool.items.append(allocator, index);
        return pool;
    }
    pub fn deinit(self: *Pool, allocator: Allocator) void {
        self.items.deinit(allocator);
    }
    /// zigimport: nogil
    pub fn push(self: *Pool, allocator: Allocator, value: u64) !void {
        try self.items.append(allocator, value);
    }
    pub fn push_locked(self: *Pool, allocator: Allocator, value: u64) !void {
        try self.items.append(allocator, value);
    }
    pub fn sum(self: *const Pool) u64 {
        var answer: u64 = 0;
        for (self.items.items) |item| answer += item;
        return answer;
    }
    /// zigimport: nogil
    pub fn described(self: *const Pool, allocator: Allocator) ![]const u8 {
        return std.fmt.allocPrint(allocator, "{d} items", .{self.items.items.len});
    }
};
/// zigimport: nogil
pub fn new_pool(allocator: Allocator, count: usize) !Pool {
    return .init(allocator, count);
}
/// Its methods take the lock, unlike this.
/// zigimport: nogil
pub fn new_vec(allocator: Allocator, values: []const f64) !Vec {
    return .init(allocator, values);
}

/// Has an allocator of its own, and no method without the lock.
pub const Ledger = struct {
    allocator: Allocator,
    items: []u64,

    pub fn init(allocator: Allocator) !Ledger {
        return .{ .allocator = allocator, .items = try allocator.alloc(u64, 1) };
    }
    pub fn grow(self: *Ledger, count: usize) !void {
        self.items = try self.allocator.realloc(self.items, count);
        @memset(self.items, count);
    }
};
/// zigimport: nogil
pub fn fill(ledger: *Ledger, count: usize) !u64 {
    try ledger.grow(count);
    return ledger.items[count - 1];
}

pub fn optional_callable(f: ?Callable) f64 {
    return if (f) |some| some.call(f64, .{}) catch -1 else 0;
}
pub fn callable_list(list: []const Callable) f64 {
    var sum: f64 = 0;
    for (list) |f| sum += f.call(f64, .{}) catch -1;
    return sum;
}
pub fn callable_option(options: struct { f: ?Callable = null }) f64 {
    return if (options.f) |f| f.call(f64, .{}) catch -1 else 0;
}
/// zigimport: nogil
pub fn nogil_optional(f: ?Callable) bool {
    return f == null;
}
/// zigimport: nogil
pub fn nogil_option(options: struct { f: ?Callable = null }) bool {
    return options.f == null;
}
/// zigimport: nogil
pub fn nogil_list(list: []const Callable) usize {
    return list.len;
}
/// zigimport: nogil
pub fn nogil_tuple(pair: struct { Callable, u8 }) u8 {
    return pair[1];
}

pub fn another_error(f: Callable) !f64 {
    return f.call(f64, .{}) catch error.Bad;
}
pub fn another_value_error(f: Callable) !f64 {
    return f.call(f64, .{}) catch error.ValueError;
}
pub fn an_error_afterwards(f: Callable) !f64 {
    _ = f.call(f64, .{}) catch 0;
    return error.Bad;
}
pub fn second_answer(f: Callable) i64 {
    f.call(void, .{}) catch {};
    return f.call(i64, .{}) catch -99;
}
pub fn second_number(f: Callable) f64 {
    f.call(void, .{}) catch {};
    return f.call(f64, .{}) catch -99;
}
pub fn comptime_arguments(f: Callable) !f64 {
    return f.call(f64, .{ 2, 2.5, null, true });
}
pub fn two_numbers(f: Callable) !f64 {
    return f.call(f64, .{ 2, 2.5 });
}
/// Uses and frees what it has shown.
pub fn show_and_free(allocator: Allocator, f: Callable) !f64 {
    const values = try allocator.alloc(f64, 1000);
    defer allocator.free(values);
    @memset(values, 1.5);
    try f.call(void, .{values});
    try f.call(void, .{@as(struct { []f64, u8 }, .{ values, 1 })});
    try f.call(void, .{zigimport.View(f64, 2).init(values, .{ 10, 100 })});
    return values[500];
}
pub fn show_argument(values: []const f64, f: Callable) !f64 {
    try f.call(void, .{values});
    return values[0];
}
pub fn copy_of_instance(f: Callable) !u8 {
    return (try f.call(Plain, .{})).n;
}

/// Has functions with the names of special methods, but no methods.
pub const Plain = struct {
    n: u8 = 1,

    pub fn len() usize {
        return 3;
    }
    pub fn contains(key: []const u8) bool {
        return key.len == 1;
    }
    pub fn next() ?u8 {
        return 5;
    }
    pub fn str() []const u8 {
        return "text";
    }
    pub fn repr() []const u8 {
        return "representation";
    }
    pub fn eql(left: []const u8, right: []const u8) bool {
        return std.mem.eql(u8, left, right);
    }
    pub fn hash(key: []const u8) u64 {
        return key.len;
    }
    pub fn getItem(key: usize) usize {
        return key;
    }
    pub fn iterator() u8 {
        return 7;
    }
};
/// Its method needs more than a special one gets.
pub const Keyed = struct {
    n: u8 = 1,

    pub fn hash(self: Keyed, key: []const u8) u64 {
        return key.len + self.n;
    }
};

/// Its methods mean something else than the special ones.
pub const Unusual = struct {
    n: u8 = 1,

    pub fn eql(self: Unusual, other: i64) bool {
        return self.n == other;
    }
    pub fn contains(self: Unusual, key: u8) u8 {
        return self.n - key;
    }
    pub fn len(self: Unusual) f64 {
        return @floatFromInt(self.n);
    }
};
pub const Distance = struct {
    n: u8 = 1,

    pub fn eql(self: Distance, other: Distance) u8 {
        return self.n - other.n;
    }
};

pub const Tree = struct {
    list: std.ArrayList(u64) = .empty,

    pub fn init() Tree {
        return .{};
    }
    pub fn push(self: *Tree, allocator: Allocator, value: u64) !void {
        try self.list.append(allocator, value);
    }
    pub fn add(self: *Tree, allocator: Allocator, value: u64) !Node {
        try self.list.append(allocator, value);
        return .{ .tree = self, .index = self.list.items.len - 1 };
    }
    pub fn get(self: *const Tree, index: usize) u64 {
        return self.list.items[index];
    }

    pub const Node = struct {
        tree: *const Tree,
        index: usize,

        pub fn value(self: *const Node) u64 {
            return self.tree.get(self.index);
        }
    };
};
pub fn node_of(tree: *Tree) Tree.Node {
    return .{ .tree = tree, .index = 0 };
}
pub fn some_node(tree: *const Tree, index: usize) !?Tree.Node {
    if (index > tree.list.items.len) return error.IndexError;
    if (index == tree.list.items.len) return null;
    return .{ .tree = tree, .index = index };
}
pub const Cursor = struct {
    tree: *const Tree,

    pub fn init(tree: *const Tree) Cursor {
        return .{ .tree = tree };
    }
    pub fn first(self: *const Cursor) u64 {
        return self.tree.get(0);
    }
};

pub const Token = struct {
    text: []const u8,

    pub fn size(self: Token) usize {
        return self.text.len;
    }
};
pub fn pick(left: Token, right: Token) Token {
    return if (left.text.len > right.text.len) left else right;
}
pub fn pick_some(left: ?*const Token, right: Token) Token {
    return if (left) |some| some.* else right;
}

pub const Lexer = struct {
    text: []const u8,
    index: usize = 0,

    pub fn next(self: *Lexer) ?Token {
        if (self.index >= self.text.len) return null;
        self.index += 1;
        return .{ .text = self.text[self.index - 1 .. self.index] };
    }
};
pub const Words = struct {
    text: []u8,
    index: usize = 0,

    pub fn init(allocator: Allocator, text: []const u8) !Words {
        return .{ .text = try allocator.dupe(u8, text) };
    }
    pub fn deinit(self: *Words, allocator: Allocator) void {
        allocator.free(self.text);
    }
    pub fn next(self: *Words) ?Token {
        if (self.index >= self.text.len) return null;
        defer self.index = self.text.len;
        return .{ .text = self.text[self.index..] };
    }
};

pub const Person = struct {
    first: []const u8 = "a",
    last: []const u8 = "b",
    age: i64 = 0,

    pub fn share(self: *Person) void {
        self.last = self.first;
    }
};

var ended: u64 = 0;

pub fn ends() u64 {
    return ended;
}

/// Must end once.
pub const Part = struct {
    n: u64 = 0,

    pub fn deinit(self: *Part) void {
        self.n = 0;
        ended += 1;
    }
    pub fn with(self: Part, n: u64) Part {
        return .{ .n = self.n + n };
    }
};
pub const Whole = struct {
    part: Part = .{ .n = 5 },
    maybe: ?Part = .{ .n = 6 },
    several: [2]Part = .{ .{}, .{} },

    pub fn number(self: Whole) u64 {
        return self.part.n;
    }
    pub fn parts(self: *const Whole) [2]Part {
        return self.several;
    }
};
pub const Wrapped = struct { part: Part };
pub const shared_part: Part = .{ .n = 9 };
pub const maybe_part: ?Part = .{ .n = 9 };
pub const several_parts: [2]Part = .{ .{}, .{} };
pub fn new_part(n: u64) Part {
    return .{ .n = n };
}
pub fn some_part(n: u64) !?Part {
    return switch (n) {
        0 => null,
        1 => error.ValueError,
        else => .{ .n = n },
    };
}
pub fn number_of(one: Part) u64 {
    return one.n;
}
pub fn pair_of_parts() struct { Part, Part } {
    return .{ .{}, .{} };
}
pub fn list_of_parts(allocator: Allocator) ![]const Part {
    return allocator.alloc(Part, 0);
}
pub fn wrapped() Wrapped {
    return .{ .part = .{} };
}

/// Runs Python code in its constructor.
pub const Built = struct {
    data: []u8,

    pub fn init(allocator: Allocator, count: usize, f: Callable) !Built {
        const data = try allocator.alloc(u8, count);
        @memset(data, 'A');
        try f.call(void, .{});
        return .{ .data = data };
    }
    pub fn deinit(self: *Built, allocator: Allocator) void {
        allocator.free(self.data);
    }
    pub fn at(self: Built, index: usize) u8 {
        return self.data[index];
    }
};

/// A link to the one before.
pub const Chain = struct {
    before: ?*const Chain,
    n: u64,

    pub fn init(before: ?*const Chain) Chain {
        return .{ .before = before, .n = if (before) |some| some.n + 1 else 0 };
    }
    pub fn succ(self: *const Chain) Chain {
        return .{ .before = self, .n = self.n + 1 };
    }
    pub fn last(self: *const Chain) u64 {
        return if (self.before) |before| before.n else 0;
    }
};

pub const Opts = struct { f: ?Callable = null, n: u32 = 3 };
pub fn number_in(opts: Opts) !f64 {
    return if (opts.f) |f| f.call(f64, .{opts.n}) else @floatFromInt(opts.n);
}

pub const Sides = struct { x: i64, y: i64 = 2, z: i64 = 3 };
pub fn circumference(sides: Sides) i64 {
    return sides.x + sides.y + sides.z;
}
pub const Named = struct { name: []const u8, n: i64 };
pub fn name_in(named: Named) []const u8 {
    return named.name;
}
pub fn names_in(allocator: Allocator, list: []const Named) ![]const []const u8 {
    const names = try allocator.alloc([]const u8, list.len);
    for (names, list) |*name, named| name.* = named.name;
    return names;
}

/// Has names that are no identifiers.
pub const Odd = struct {
    @"a%s%n": i64 = 0,
    @"größe": f64 = 1.5,
    n: u8 = 1,

    pub fn len(self: Odd) usize {
        return self.n;
    }
    pub fn getItem(self: Odd, index: usize) usize {
        return self.n + index;
    }
};
pub const @"Very%s%n" = struct {
    n: u8 = 1,

    pub fn len(self: @"Very%s%n") usize {
        return self.n;
    }
    pub fn getItem(self: @"Very%s%n", index: usize) usize {
        return self.n + index;
    }
};

pub const Aligned = struct {
    x: [8]f32 align(64) = @splat(1),

    pub fn sum(self: *const Aligned) f32 {
        const vector: @Vector(8, f32) = self.x;
        return @reduce(.Add, vector);
    }
};
pub fn aligned_sum(aligned: *const Aligned) f32 {
    return aligned.sum();
}

pub fn count_true(values: []const bool) usize {
    var count: usize = 0;
    for (values) |value| count += @intFromBool(value);
    return count;
}
pub fn count_true_in(values: zigimport.View(bool, 1)) usize {
    var count: usize = 0;
    for (0..values.shape[0]) |index| count += @intFromBool(values.at(.{index}));
    return count;
}
pub fn count_true_in_two(values: zigimport.View(bool, 2)) usize {
    var count: usize = 0;
    for (0..values.shape[0]) |row| for (0..values.shape[1]) |column| {
        count += @intFromBool(values.at(.{ row, column }));
    };
    return count;
}

pub const Negative = struct {
    n: i64 = -5,

    pub fn len(self: Negative) i64 {
        return self.n;
    }
    pub fn getItem(self: Negative, index: usize) usize {
        _ = self;
        return index;
    }
    pub fn eql(self: Negative, other: Negative) bool {
        return self.n == other.n;
    }
};

pub const Large = enum(u64) { one = 1, _ };
pub fn large(number: u64) Large {
    return @enumFromInt(number);
}
pub const Huge = enum(u128) { one = 1, _ };
pub fn nameless_default(options: struct { huge: Huge = @enumFromInt(5) }) u128 {
    return @intFromEnum(options.huge);
}
pub fn huge() Huge {
    return @enumFromInt(1 << 100);
}

pub fn same_name(x: f64, options: struct { x: f64 = 0 }) f64 {
    return x + options.x;
}

pub fn arrays(allocator: Allocator, count: usize) ![]const []f64 {
    const list = try allocator.alloc([]f64, count);
    for (list, 0..) |*array, index| {
        array.* = try allocator.alloc(f64, 2);
        @memset(array.*, @floatFromInt(index));
    }
    return list;
}

pub const Spot = struct { q: u8 };
pub fn spot() Spot {
    return .{ .q = 1 };
}
pub const space = struct {
    pub const Spot = struct { q: u8, r: u8 = 2 };
    pub fn spot() @This().Spot {
        return .{ .q = 1 };
    }
    pub const deeper = struct {
        pub const Stain = struct { q: u8 };
        pub fn stain() Stain {
            return .{ .q = 3 };
        }
    };
};

// What Python cannot have must not keep the rest from it.

pub fn of_aligned_slice(values: []align(64) const f64) f64 {
    return values[0];
}
pub fn of_aligned_records(list: []align(64) const Spot) u8 {
    return list[0].q;
}
pub fn of_aligned_pointer(one: *align(64) Plain) u8 {
    return one.n;
}
pub fn of_view_of_records(view: zigimport.View(Spot, 2)) usize {
    return view.shape[0];
}
pub fn of_view_of_odd_integers(view: zigimport.View(u21, 1)) usize {
    return view.shape[0];
}
pub fn view_of_no_dimensions(view: zigimport.View(f64, 0)) zigimport.View(f64, 0) {
    return view;
}
pub fn result_of_no_dimensions(x: f64) zigimport.View(f64, 0) {
    return .init(&.{x}, .{});
}
pub fn of_optional_void(x: ?void) bool {
    return x == null;
}
/// Has a field that is not there at first.
pub const Unset = struct {
    x: u32 = undefined,
    n: usize = 0,

    pub fn init(n: usize) Unset {
        return .{ .n = n };
    }
    pub fn size(self: *const Unset) usize {
        return self.n;
    }
};
pub const MetaType = struct {
    T: type,

    pub fn one(self: MetaType) u8 {
        _ = self;
        return 1;
    }
};
pub const MetaNumber = struct {
    n: comptime_int = 3,

    pub fn one(self: MetaNumber) u8 {
        _ = self;
        return 1;
    }
};
pub const MetaFunction = struct {
    f: fn () void = undefined,

    pub fn one() u8 {
        return 1;
    }
};
pub fn good() u8 {
    return 5;
}
/// Keeps what it gets.
pub const Keeper = struct {
    name: []const u8,
    numbers: []const f64,
    words: []const []const u8 = &.{},

    pub fn init(name: []const u8, numbers: []const f64, words: []const []const u8) Keeper {
        return .{ .name = name, .numbers = numbers, .words = words };
    }
    pub fn first(self: *const Keeper) []const u8 {
        return if (self.words.len == 0) "" else self.words[0];
    }
    pub fn sum(self: *const Keeper) f64 {
        var total: f64 = 0;
        for (self.numbers) |number| total += number;
        return total;
    }
    pub fn renamed(self: *const Keeper, name: []const u8) ?Keeper {
        return .{ .name = name, .numbers = self.numbers, .words = self.words };
    }
    pub fn parse(text: []const u8) !Keeper {
        if (text.len == 0) return error.Empty;
        return .{ .name = text[0 .. text.len / 2], .numbers = &.{} };
    }
};
/// Its `len` may change it, so an index does not ask.
pub const Lazy = struct {
    pending: usize = 5,

    pub fn len(self: *Lazy) usize {
        self.pending = 0;
        return 5;
    }
    pub fn getItem(self: *const Lazy, index: usize) usize {
        return index * 10 + self.pending;
    }
};
/// A slice of nothing is for nobody to see.
pub const Samples = struct {
    values: []const f64 = undefined,
    gain: f64 = 1,

    pub fn sum(self: Samples) f64 {
        return self.gain + self.values[0];
    }
};
pub const Failing = struct {
    n: usize,

    pub fn len(self: Failing) !usize {
        return if (self.n == 13) error.Unlucky else self.n;
    }
    pub fn getItem(self: Failing, index: usize) usize {
        const numbers = [_]usize{ 7, 8, 9 };
        return numbers[index] * self.n;
    }
    pub fn three() Failing {
        return .{ .n = 3 };
    }
};
pub const failing: Failing = .{ .n = 2 };
/// Nothing in it is what Python means by these names.
pub const Misnamed = struct {
    state: u64 = 1,

    pub fn next(self: *Misnamed) u64 {
        self.state *= 3;
        return self.state;
    }
    pub fn iterator(self: Misnamed) u64 {
        return self.state;
    }
    pub fn str(self: Misnamed) u64 {
        return self.state;
    }
    pub fn repr(self: Misnamed) ?u8 {
        return if (self.state == 0) 1 else null;
    }
};
pub const Wide = struct {
    n: u32 = 300,

    pub fn len(self: Wide) u32 {
        return self.n;
    }
    pub fn getItem(_: Wide, index: u8) u8 {
        return index;
    }
};
pub fn pick_first(arg1: u8, _: u8) u8 {
    return arg1;
}
