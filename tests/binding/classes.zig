//! Structs as classes.
const std = @import("std");
const Allocator = std.mem.Allocator;

pub const shapes = @import("sub/shapes.zig");
pub const Square = shapes.Square;

/// Counts on.
pub const Counter = struct {
    count: u64 = 0,
    step: u64 = 1,

    /// Counts on and returns the new count.
    pub fn next_value(self: *Counter) u64 {
        self.count += self.step;
        return self.count;
    }
    pub fn add(self: *Counter, amount: u64, settings: struct { times: u64 = 1 }) !void {
        if (amount == 13) return error.Unlucky;
        if (amount == 14) return error.ValueError;
        self.count += amount * settings.times;
    }
    pub fn read(self: Counter) u64 {
        return self.count;
    }
    pub fn peek(self: *const Counter) u64 {
        return self.count;
    }
    pub fn doubled(self: Counter) Counter {
        return .{ .count = self.count * 2, .step = self.step };
    }
    pub fn ahead_of(self: *const Counter, other: *const Counter) bool {
        return self.count > other.count;
    }
    pub fn described(self: *const Counter, allocator: Allocator, prefix: []const u8) ![]const u8 {
        return std.fmt.allocPrint(allocator, "{s}{d}", .{ prefix, self.count });
    }
    /// A counter that starts at nothing.
    pub fn zero() Counter {
        return .{};
    }
    pub fn parse(text: []const u8) !Counter {
        return .{ .count = std.fmt.parseInt(u64, text, 10) catch return error.ValueError };
    }
    pub fn several(allocator: Allocator, count: usize) ![]Counter {
        const counters = try allocator.alloc(Counter, count);
        for (counters, 0..) |*counter, index| counter.* = .{ .count = index };
        return counters;
    }
};
pub const Alias = Counter;

pub fn count_of(counter: Counter, factor: u64) u64 {
    return counter.count * factor;
}
pub fn count_in(counter: *const Counter) u64 {
    return counter.count;
}
pub fn reset(counter: *Counter) void {
    counter.count = 0;
}
pub fn count_or_none(counter: ?Counter) ?u64 {
    return if (counter) |some| some.count else null;
}
pub fn total(counters: []const Counter) u64 {
    var sum: u64 = 0;
    for (counters) |counter| sum += counter.count;
    return sum;
}
pub fn best(counters: []const Counter) ?Counter {
    if (counters.len == 0) return null;
    var found = counters[0];
    for (counters) |counter| {
        if (counter.count > found.count) found = counter;
    }
    return found;
}

pub const Pair = struct {
    left: i64,
    right: i64,

    pub fn sum(self: Pair) i64 {
        return self.left + self.right;
    }
};

pub const Tag = struct {
    name: []const u8,
    weight: ?f64 = null,

    pub fn length(self: Tag) usize {
        return self.name.len;
    }
};

pub const Account = struct {
    owner: []const u8,
    balance: i64,
    limit: i64,

    pub fn init(allocator: Allocator, owner: []const u8, balance: i64, settings: struct { limit: i64 = 0 }) !Account {
        if (owner.len == 0) return error.NoOwner;
        if (balance < settings.limit) return error.ValueError;
        return .{ .owner = try allocator.dupe(u8, owner), .balance = balance, .limit = settings.limit };
    }
    pub fn deposit(self: *Account, amount: i64) i64 {
        self.balance += amount;
        return self.balance;
    }
    pub fn rename(self: *Account, allocator: Allocator, owner: []const u8) !void {
        self.owner = try allocator.dupe(u8, owner);
    }
};

var opened: u64 = 0;
var closed: u64 = 0;

pub fn counts() struct { u64, u64 } {
    return .{ opened, closed };
}

pub const Handle = struct {
    number: i32,

    pub fn init(number: i32) !Handle {
        if (number < 0) return error.Negative;
        opened += 1;
        return .{ .number = number };
    }
    pub fn deinit(self: *Handle) void {
        self.number = -1;
        closed += 1;
    }
    pub fn read(self: Handle) i32 {
        return self.number;
    }
    pub fn write(self: *Handle, number: i32) void {
        self.number = number;
    }
};
pub fn number_of(handle: *const Handle) i32 {
    return handle.number;
}

pub const Vector = struct {
    x: i64,
    y: i64,

    pub fn repr(self: Vector, allocator: Allocator) ![]const u8 {
        return std.fmt.allocPrint(allocator, "<{d} {d}>", .{ self.x, self.y });
    }
    pub fn str(self: Vector) []const u8 {
        return if (self.x == 0 and self.y == 0) "nowhere" else "somewhere";
    }
    pub fn eql(self: Vector, other: Vector) bool {
        return self.x == other.x and self.y == other.y;
    }
    pub fn hash(self: Vector) u64 {
        if (self.x == -1) return std.math.maxInt(u64);
        return @bitCast(self.x *% 31 +% self.y);
    }
};

/// Has no `hash`.
pub const Box = struct {
    size: u8,

    pub fn eql(self: *const Box, other: *const Box) bool {
        return self.size == other.size;
    }
    pub fn repr(self: Box) ![]const u8 {
        return if (self.size == 0) error.ValueError else "box";
    }
};

/// A list that grows.
pub const Numbers = struct {
    items: std.ArrayList(i64) = .empty,

    pub fn init(allocator: Allocator, count: usize) !Numbers {
        var numbers: Numbers = .{};
        for (0..count) |index| try numbers.append(allocator, @intCast(index));
        return numbers;
    }
    pub fn deinit(self: *Numbers, allocator: Allocator) void {
        closed += 1;
        self.items.deinit(allocator);
    }
    pub fn append(self: *Numbers, allocator: Allocator, number: i64) !void {
        try self.items.append(allocator, number);
    }
    pub fn clear(self: *Numbers) void {
        self.items.clearRetainingCapacity();
    }
    pub fn sum(self: *const Numbers) i64 {
        var answer: i64 = 0;
        for (self.items.items) |number| answer += number;
        return answer;
    }
    pub fn copy(self: *const Numbers, allocator: Allocator) ![]const i64 {
        return allocator.dupe(i64, self.items.items);
    }
    pub fn len(self: *const Numbers) usize {
        return self.items.items.len;
    }
    pub fn getItem(self: *const Numbers, index: usize) i64 {
        return self.items.items[index];
    }
    pub fn setItem(self: *Numbers, index: usize, number: i64) !void {
        if (number == 13) return error.Unlucky;
        self.items.items[index] = number;
    }
    pub fn contains(self: *const Numbers, number: i64) bool {
        return std.mem.indexOfScalar(i64, self.items.items, number) != null;
    }
    pub fn iterator(self: *const Numbers) Iterator {
        return .{ .numbers = self };
    }

    pub const Iterator = struct {
        numbers: *const Numbers,
        index: usize = 0,

        pub fn next(self: *Iterator) ?i64 {
            if (self.index == self.numbers.len()) return null;
            self.index += 1;
            return self.numbers.getItem(self.index - 1);
        }
    };
};

/// Never frees anything itself.
pub const Names = struct {
    names: std.StringHashMapUnmanaged(i64) = .empty,

    pub fn init() Names {
        return .{};
    }
    pub fn getItem(self: *const Names, name: []const u8) !i64 {
        return self.names.get(name) orelse error.KeyError;
    }
    pub fn setItem(self: *Names, allocator: Allocator, name: []const u8, value: i64) !void {
        try self.names.put(allocator, try allocator.dupe(u8, name), value);
    }
    pub fn contains(self: *const Names, name: []const u8) bool {
        return self.names.contains(name);
    }
};

pub const Countdown = struct {
    left: i32,

    pub fn next(self: *Countdown) !?i32 {
        if (self.left == 0) return null;
        if (self.left == 13) return error.Unlucky;
        self.left -= 1;
        return self.left + 1;
    }
};

pub const Celsius = struct {
    degrees: f64,

    pub fn fahrenheit(self: Celsius) Fahrenheit {
        return .{ .degrees = self.degrees * 9 / 5 + 32 };
    }
    pub fn same_as(self: Celsius, other: Fahrenheit) bool {
        return self.fahrenheit().degrees == other.degrees;
    }
};
pub const Fahrenheit = struct {
    degrees: f64,

    pub fn celsius(self: Fahrenheit) Celsius {
        return .{ .degrees = (self.degrees - 32) * 5 / 9 };
    }
};

pub const Point = struct {
    x: f64,
    y: f64 = 2.0,
};
pub fn origin() Point {
    return .{ .x = 0, .y = 0 };
}
