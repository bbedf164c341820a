//! Finds what a source file depends on and declares, in one pass over its
//! tokens.
//!
//! Invariants: no I/O, no globals, no recursion, no syntax tree. Memory is
//! linear in the source. Every source below the limit gives a result, however
//! broken it is.
const std = @import("std");
const assembler = @import("assembler.zig");
const c_source = @import("c_source.zig");
const source_types = @import("source.zig");
const text = @import("text.zig");
const Declarations = @import("declarations.zig").Declarations;
const Tokens = @import("tokens.zig").Tokens;
const zon_source = @import("zon_source.zig");
const Allocator = std.mem.Allocator;
const Token = std.zig.Token;
const assert = std.debug.assert;

pub const Language = source_types.Language;
pub const Span = source_types.Span;
pub const Dependency = source_types.Dependency;
pub const DependencyKind = source_types.DependencyKind;
pub const Declaration = source_types.Declaration;
pub const DeclarationKind = source_types.DeclarationKind;
pub const Parameter = source_types.Parameter;
pub const Binding = source_types.Binding;
pub const BuildFeatures = source_types.BuildFeatures;
pub const Setting = source_types.Setting;
pub const Scan = source_types.Scan;

/// Offsets fit into 32 bits with room to spare, and no source that a person
/// wrote comes near it.
pub const source_bytes_max = 128 * 1024 * 1024;

/// An operand that is an expression is repeated in the answer at most this many
/// times. Operands nested deeper have an empty text; their span is still right.
const operand_nesting_max = 8;

pub const Error = error{SourceTooLarge} || Allocator.Error;

/// Returns what `source` says about itself. The result borrows from `source`
/// and from `arena`, whose memory is not freed here, on success or failure.
pub fn scan(arena: Allocator, source: [:0]const u8, language: Language) Error!Scan {
    if (source.len > source_bytes_max) return error.SourceTooLarge;
    var locator: text.Locator = .{ .source = source };
    switch (language) {
        .zig => {},
        .zon => return onlyDependencies(try zon_source.scan(arena, source, &locator)),
        .c => return onlyDependencies(try c_source.scan(arena, source, &locator)),
    }
    var scanner: Scanner = .{
        .arena = arena,
        .source = source,
        .locator = &locator,
        .declarations = .{ .arena = arena, .source = source, .locator = &locator },
    };
    return scanner.run();
}

fn onlyDependencies(dependencies: []const Dependency) Scan {
    return .{
        .dependencies = dependencies,
        .declarations = &.{},
        .binding = .plain,
        .features = .{},
        .settings = &.{},
        .doc = "",
        .invalid = null,
    };
}

/// A call of a builtin whose operand is being read.
const Call = struct {
    /// Index of the dependency that it becomes.
    dependency: usize,
    /// Number of brackets open in its operand.
    level: u32,
    /// The first token of its operand.
    first: ?Token = null,
};

const Scanner = struct {
    arena: Allocator,
    source: [:0]const u8,
    locator: *text.Locator,
    declarations: Declarations,

    dependencies: std.ArrayList(Dependency) = .empty,
    calls: std.ArrayList(Call) = .empty,
    /// Number of brackets open in the outermost `@export` being read.
    export_level: ?u32 = null,
    features: BuildFeatures = .{},
    settings: std.ArrayList(Setting) = .empty,
    doc: std.ArrayList(u8) = .empty,
    doc_lines: u32 = 0,
    invalid: ?Span = null,

    library: ?Binding = null,
    includes_python: bool = false,
    has_init_function: bool = false,

    /// Most tokens are in a function's body and in no operand. They end at the
    /// comparison with `quiet_level`, which decides the throughput.
    fn run(scanner: *Scanner) Allocator.Error!Scan {
        var tokens: Tokens = .init(scanner.source);
        var previous: Token = .{ .tag = .eof, .loc = .{ .start = 0, .end = 0 } };
        var level: u32 = 0;
        var quiet_level = scanner.quietLevel();
        var in_exported = false;
        while (true) {
            const token = tokens.next();
            var next_level = level;
            switch (token.tag) {
                .eof => break,
                .doc_comment => {
                    scanner.declarations.takeDoc(token, level);
                    continue;
                },
                .container_doc_comment => {
                    // At the top of the file, nothing is before it.
                    if (previous.tag == .eof) try scanner.takeFileDoc(token);
                    continue;
                },
                .l_paren, .l_bracket, .l_brace => next_level += 1,
                .r_paren, .r_bracket, .r_brace => {
                    level -|= 1;
                    next_level = level;
                    scanner.leaveExport(level);
                },
                .keyword_fn => in_exported = previous.tag == .keyword_export,
                .identifier => if (in_exported) {
                    in_exported = false;
                    if (previous.tag == .keyword_fn) scanner.takeExportedFunction(token);
                },
                .string_literal => {
                    if (scanner.export_level != null) scanner.takeExportString(token);
                    try assembler.inString(scanner.arena, scanner.source, token.loc.start, token.loc.end, scanner.locator, &scanner.dependencies);
                },
                .multiline_string_literal_line => {
                    try assembler.inText(scanner.arena, scanner.source, token.loc.start, token.loc.end, scanner.locator, &scanner.dependencies);
                },
                .invalid => if (scanner.invalid == null) {
                    scanner.invalid = scanner.span(token.loc);
                },
                else => {},
            }
            if (level <= quiet_level) {
                if (scanner.calls.items.len > 0) try scanner.continueCalls(token, previous, level);
                try scanner.declarations.take(token, previous, level);
                quiet_level = scanner.quietLevel();
            }
            level = next_level;
            if (token.tag == .l_paren) switch (previous.tag) {
                .identifier => try scanner.takeCallee(previous),
                .builtin => {
                    try scanner.openCall(previous, token, level);
                    quiet_level = scanner.quietLevel();
                },
                else => {},
            };
            previous = token;
        }
        while (scanner.calls.items.len > 0) try scanner.closeCall(.eof, previous);
        try scanner.declarations.end();
        return scanner.result();
    }

    /// Returns the number of open brackets above which a token cannot matter to
    /// the operand or the declaration being read.
    inline fn quietLevel(scanner: *const Scanner) u32 {
        const reading = scanner.calls.items.len > 0 or scanner.declarations.isReading();
        return if (reading) std.math.maxInt(u32) else scanner.declarations.container.level;
    }

    inline fn leaveExport(scanner: *Scanner, level: u32) void {
        const export_level = scanner.export_level orelse return;
        if (level < export_level) scanner.export_level = null;
    }

    fn result(scanner: *Scanner) Allocator.Error!Scan {
        const binding: Binding = scanner.library orelse
            if (scanner.includes_python) .python_h else if (scanner.has_init_function) .init_function else .plain;
        return .{
            .dependencies = scanner.dependencies.items,
            .declarations = scanner.declarations.found.items,
            .binding = binding,
            .features = scanner.features,
            .settings = scanner.settings.items,
            .doc = try text.utf8(scanner.arena, scanner.doc.items),
            .invalid = scanner.invalid,
        };
    }

    /// Takes the opening parenthesis behind a builtin. The nesting `level` is
    /// that of the operand.
    fn openCall(scanner: *Scanner, builtin: Token, open: Token, level: u32) Allocator.Error!void {
        const name = scanner.slice(builtin.loc);
        const kind = dependencyKind(name) orelse {
            if (scanner.export_level == null and std.mem.eql(u8, name, "@export")) scanner.export_level = level;
            return;
        };
        try scanner.calls.append(scanner.arena, .{ .dependency = scanner.dependencies.items.len, .level = level });
        try scanner.dependencies.append(scanner.arena, .{
            .kind = kind,
            .operand = "",
            .literal = false,
            .span = scanner.span(.{ .start = builtin.loc.start, .end = open.loc.end }),
        });
    }

    /// Takes a token that is in the operand of a call, or ends it.
    fn continueCalls(scanner: *Scanner, token: Token, previous: Token, level: u32) Allocator.Error!void {
        const call = &scanner.calls.items[scanner.calls.items.len - 1];
        // A semicolon ends the operand only of a call that is not finished.
        const ends = level < call.level or
            (level == call.level and (token.tag == .comma or token.tag == .semicolon));
        if (ends) return scanner.closeCall(token.tag, previous);
        if (call.first == null) call.first = token;
    }

    /// Ends the operand of the innermost call before a token with the tag
    /// `terminator`. The operand of the next outer call always goes on: it is
    /// one bracket further out, so the same token cannot end it.
    fn closeCall(scanner: *Scanner, terminator: Token.Tag, previous: Token) Allocator.Error!void {
        const nesting = scanner.calls.items.len;
        const call = scanner.calls.pop().?;
        const first = call.first orelse return;
        assert(first.loc.start <= previous.loc.start);
        const dependency = &scanner.dependencies.items[call.dependency];
        dependency.span.end = @intCast(previous.loc.end);
        const single = first.tag == .string_literal and first.loc.start == previous.loc.start;
        if (single and (terminator == .r_paren or terminator == .comma)) {
            if (try text.unescape(scanner.arena, scanner.slice(first.loc))) |value| {
                dependency.operand = value;
                dependency.literal = true;
                return scanner.takeLiteral(dependency.*);
            }
        }
        if (nesting > operand_nesting_max) return;
        dependency.operand = scanner.source[first.loc.start..previous.loc.end];
    }

    /// Notes what a dependency says about the binding.
    fn takeLiteral(scanner: *Scanner, dependency: Dependency) void {
        const name = dependency.operand;
        const imported = dependency.kind == .zig_import;
        if (!imported and dependency.kind != .c_include) return;
        if (std.mem.eql(u8, name, "Python.h")) scanner.includes_python = true;
        if (!imported or scanner.library != null) return;
        inline for (.{ .{ "PyOZ", .pyoz }, .{ "pyz3", .pyz3 }, .{ "pydust", .pydust } }) |library| {
            if (std.mem.eql(u8, name, library[0])) scanner.library = library[1];
        }
    }

    /// Takes an identifier that is called.
    fn takeCallee(scanner: *Scanner, token: Token) Allocator.Error!void {
        switch (token.loc.end - token.loc.start) {
            "cwd".len => if (std.mem.eql(u8, scanner.slice(token.loc), "cwd") or scanner.isRunOfBuild(token)) {
                try scanner.takeRead(token);
            },
            "runAllowFail".len => if (std.mem.eql(u8, scanner.slice(token.loc), "runAllowFail")) try scanner.takeRead(token),
            "readFileAlloc".len => if (std.mem.eql(u8, scanner.slice(token.loc), "readFileAlloc")) try scanner.takeRead(token),
            "standardTargetOptions".len => if (std.mem.eql(u8, scanner.slice(token.loc), "standardTargetOptions")) {
                scanner.features.standard_target_options = true;
            },
            "standardOptimizeOption".len => if (std.mem.eql(u8, scanner.slice(token.loc), "standardOptimizeOption")) {
                scanner.features.standard_optimize_option = true;
            },
            else => {},
        }
    }

    /// Steps of a build are run by a method of that name, too.
    fn isRunOfBuild(scanner: *const Scanner, token: Token) bool {
        return std.mem.endsWith(u8, scanner.source[0..token.loc.end], "b.run");
    }

    /// Takes a call by which a build file reads what nobody else can know of.
    fn takeRead(scanner: *Scanner, token: Token) Allocator.Error!void {
        try scanner.dependencies.append(scanner.arena, .{
            .kind = .configure_read,
            .operand = scanner.slice(token.loc),
            .literal = true,
            .span = scanner.span(token.loc),
        });
    }

    /// Takes the name behind `export fn`.
    fn takeExportedFunction(scanner: *Scanner, token: Token) void {
        const name = scanner.slice(token.loc);
        const plain = if (std.mem.startsWith(u8, name, "@\"")) name[2..] else name;
        if (isInitFunction(plain)) scanner.has_init_function = true;
    }

    /// Takes a string literal in the arguments of `@export`.
    fn takeExportString(scanner: *Scanner, token: Token) void {
        if (isInitFunction(scanner.slice(token.loc)[1..])) scanner.has_init_function = true;
    }

    /// Takes a `//!` line at the top of the file.
    fn takeFileDoc(scanner: *Scanner, token: Token) Allocator.Error!void {
        const line = text.docLine(scanner.slice(token.loc));
        const content = std.mem.trim(u8, line, " \t");
        const marker = "zigimport:";
        if (std.mem.startsWith(u8, content, marker)) return scanner.takeSetting(token, content[marker.len..]);
        if (scanner.doc_lines > 0) try scanner.doc.append(scanner.arena, '\n');
        scanner.doc_lines += 1;
        try scanner.doc.appendSlice(scanner.arena, line);
    }

    fn takeSetting(scanner: *Scanner, token: Token, assignment: []const u8) Allocator.Error!void {
        const equal = std.mem.indexOfScalar(u8, assignment, '=') orelse assignment.len;
        const name = std.mem.trim(u8, assignment[0..equal], " \t");
        const value = std.mem.trim(u8, assignment[@min(equal + 1, assignment.len)..], " \t");
        try scanner.settings.append(scanner.arena, .{
            .name = try text.utf8(scanner.arena, name),
            .value = try text.utf8(scanner.arena, value),
            .line = scanner.locator.locate(token.loc.start).line,
        });
    }

    fn span(scanner: *Scanner, loc: Token.Loc) Span {
        const position = scanner.locator.locate(loc.start);
        return .{
            .start = @intCast(loc.start),
            .end = @intCast(loc.end),
            .line = position.line,
            .column = position.column,
        };
    }

    fn slice(scanner: *const Scanner, loc: Token.Loc) []const u8 {
        return scanner.source[loc.start..loc.end];
    }
};

fn dependencyKind(name: []const u8) ?DependencyKind {
    assert(name[0] == '@');
    return switch (name.len) {
        "@import".len => if (std.mem.eql(u8, name, "@import")) .zig_import else if (std.mem.eql(u8, name, "@cUndef")) .c_undef else null,
        "@cDefine".len => if (std.mem.eql(u8, name, "@cDefine")) .c_define else null,
        "@cInclude".len => if (std.mem.eql(u8, name, "@cInclude")) .c_include else null,
        "@embedFile".len => if (std.mem.eql(u8, name, "@embedFile")) .embed_file else null,
        else => null,
    };
}

comptime {
    // Names of the same length share a case above.
    assert("@import".len == "@cUndef".len);
    assert("@cInclude".len != "@embedFile".len);
    assert("cwd".len == "run".len);
}

fn isInitFunction(name: []const u8) bool {
    return std.mem.startsWith(u8, name, "PyInit_") or std.mem.startsWith(u8, name, "PyInitU_");
}
