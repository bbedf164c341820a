//! Checks the numbers of bank accounts.
const std = @import("std");

const longest = 34;

/// The number without its blanks, in capitals; an error says what is wrong with it.
pub fn parse(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    const number = try allocator.alloc(u8, text.len);
    var length: usize = 0;
    for (text) |letter| {
        if (letter == ' ') continue;
        if (!std.ascii.isAlphanumeric(letter)) return error.UnexpectedCharacter;
        number[length] = std.ascii.toUpper(letter);
        length += 1;
    }
    if (length < 5 or length > longest) return error.WrongLength;
    if (!std.ascii.isAlphabetic(number[0]) or !std.ascii.isAlphabetic(number[1])) return error.NoCountry;
    if (remainder(number[0..length]) != 1) return error.WrongCheckDigits;
    return number[0..length];
}

/// Whether a number is right; never fails.
pub fn is_valid(allocator: std.mem.Allocator, text: []const u8) bool {
    _ = parse(allocator, text) catch return false;
    return true;
}

/// The number in groups of four.
pub fn formatted(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    const number = parse(allocator, text) catch |err| return switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        else => error.ValueError,
    };
    var groups: std.ArrayList(u8) = .empty;
    for (number, 0..) |letter, index| {
        if (index > 0 and index % 4 == 0) try groups.append(allocator, ' ');
        try groups.append(allocator, letter);
    }
    return groups.items;
}

/// The first four characters count as the last; letters count from 10.
fn remainder(number: []const u8) u32 {
    var rest: u32 = 0;
    for ([_][]const u8{ number[4..], number[0..4] }) |part| {
        for (part) |letter| {
            const value = std.fmt.charToDigit(letter, 36) catch unreachable;
            rest = (if (value < 10) rest * 10 + value else rest * 100 + value) % 97;
        }
    }
    return rest;
}
