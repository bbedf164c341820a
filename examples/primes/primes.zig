//! An iterator over prime numbers.
const std = @import("std");

/// The prime numbers from `start` on, below `end` if that is given.
pub const Primes = struct {
    candidate: u64,
    end: ?u64,

    pub fn init(options: struct { start: u64 = 2, end: ?u64 = null }) Primes {
        return .{ .candidate = options.start, .end = options.end };
    }

    pub fn next(self: *Primes) ?u64 {
        while (true) : (self.candidate += 1) {
            if (self.end) |end| {
                if (self.candidate >= end) return null;
            }
            if (is_prime(self.candidate)) {
                defer self.candidate += 1;
                return self.candidate;
            }
        }
    }
};

/// Whether a number is prime, by division.
pub fn is_prime(number: u64) bool {
    if (number < 4) return number >= 2;
    if (number % 2 == 0) return false;
    var divisor: u64 = 3;
    while (divisor <= number / divisor) : (divisor += 2) {
        if (number % divisor == 0) return false;
    }
    return true;
}

/// The prime factors of a number, the smallest first.
pub fn factors(allocator: std.mem.Allocator, number: u64) ![]const u64 {
    if (number == 0) return error.ValueError;
    var found: std.ArrayList(u64) = .empty;
    var rest = number;
    var divisor: u64 = 2;
    while (divisor <= rest / divisor) {
        if (rest % divisor == 0) {
            try found.append(allocator, divisor);
            rest /= divisor;
        } else {
            divisor += 1;
        }
    }
    if (rest > 1) try found.append(allocator, rest);
    return found.items;
}
