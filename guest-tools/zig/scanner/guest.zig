//! World `scanner`: lowers a scan to the canonical ABI.
const std = @import("std");
const canonical = @import("canonical");
const scanning = @import("scan.zig");

/// Safety checks are off in a guest's build and the sandbox contains the rest,
/// so no panic needs a message.
pub const panic = std.debug.no_panic;

const List = canonical.List;
const Option = canonical.Option;
const String = canonical.String;

const Span = extern struct {
    start: u32,
    end: u32,
    line: u32,
    column: u32,

    fn lower(span: scanning.Span) Span {
        return .{ .start = span.start, .end = span.end, .line = span.line, .column = span.column };
    }
};

const Dependency = extern struct {
    kind: scanning.DependencyKind,
    operand: List(u8),
    literal: bool,
    span: Span,

    fn lower(dependency: scanning.Dependency) Dependency {
        return .{
            .kind = dependency.kind,
            .operand = .of(dependency.operand),
            .literal = dependency.literal,
            .span = .lower(dependency.span),
        };
    }
};

const Parameter = extern struct {
    name: String,
    type_text: String,

    fn lower(parameter: scanning.Parameter) Parameter {
        return .{ .name = .of(parameter.name), .type_text = .of(parameter.type_text) };
    }
};

const Declaration = extern struct {
    name: String,
    container: String,
    kind: scanning.DeclarationKind,
    parameters: List(Parameter),
    type_text: String,
    doc: String,
    line: u32,

    fn lower(declaration: scanning.Declaration) Declaration {
        return .{
            .name = .of(declaration.name),
            .container = .of(declaration.container),
            .kind = declaration.kind,
            .parameters = lowerAll(Parameter, declaration.parameters),
            .type_text = .of(declaration.type_text),
            .doc = .of(declaration.doc),
            .line = declaration.line,
        };
    }
};

const Setting = extern struct {
    name: String,
    value: String,
    line: u32,

    fn lower(setting: scanning.Setting) Setting {
        return .{ .name = .of(setting.name), .value = .of(setting.value), .line = setting.line };
    }
};

const Scan = extern struct {
    dependencies: List(Dependency),
    declarations: List(Declaration),
    binding: scanning.Binding,
    features: scanning.BuildFeatures,
    settings: List(Setting),
    doc: String,
    invalid: Option(Span),

    fn lower(scan: scanning.Scan) Scan {
        return .{
            .dependencies = lowerAll(Dependency, scan.dependencies),
            .declarations = lowerAll(Declaration, scan.declarations),
            .binding = scan.binding,
            .features = scan.features,
            .settings = lowerAll(Setting, scan.settings),
            .doc = .of(scan.doc),
            .invalid = if (scan.invalid) |span| .some(.lower(span)) else .none,
        };
    }
};

const ScanError = extern struct {
    tag: enum(u8) { source_too_large },
    limit: u32,
};

const Answer = canonical.Result(Scan, ScanError);

/// Lowers each element. Memory that runs out is the host's limit: a trap.
fn lowerAll(comptime T: type, values: anytype) List(T) {
    const lowered = canonical.allocator.alloc(T, values.len) catch @trap();
    for (lowered, values) |*element, value| element.* = .lower(value);
    return .of(lowered);
}

fn scanSource(pointer: ?[*]const u8, length: usize, language: u32) callconv(.c) *const Answer {
    const source = canonical.liftTerminated(pointer, length);
    const answer = canonical.create(Answer);
    answer.* = if (scanning.scan(canonical.allocator, source, std.enums.values(scanning.Language)[language])) |scan|
        .ok(.lower(scan))
    else |err| switch (err) {
        error.SourceTooLarge => .err(.{ .tag = .source_too_large, .limit = scanning.source_bytes_max }),
        error.OutOfMemory => @trap(),
    };
    return answer;
}

fn postScanSource(_: *const Answer) callconv(.c) void {
    canonical.freeAll();
}

comptime {
    canonical.exportRealloc();
    @export(&scanSource, .{ .name = "scan-source" });
    @export(&postScanSource, .{ .name = "cabi_post_scan-source" });

    canonical.assertLayout(Dependency, 32, "span", 16);
    canonical.assertLayout(Parameter, 16, "type_text", 8);
    canonical.assertLayout(Declaration, 48, "line", 44);
    canonical.assertLayout(Setting, 20, "line", 16);
    canonical.assertLayout(Scan, 56, "invalid", 36);
    canonical.assertLayout(ScanError, 8, "limit", 4);
    canonical.assertLayout(Answer, 60, "payload", 4);
}
