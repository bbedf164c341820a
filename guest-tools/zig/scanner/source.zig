//! What a source file says about itself, as values. Everything borrows from
//! the source or from the arena of the scan.

/// A range of bytes, with the position of its first byte from 1.
pub const Span = struct { start: u32, end: u32, line: u32, column: u32 };

pub const Language = enum(u8) { zig, zon, c };

pub const DependencyKind = enum(u8) {
    zig_import,
    embed_file,
    c_include,
    c_define,
    c_undef,
    quoted_include,
    angled_include,
    next_include,
    c_embed,
    assembler_embed,
    assembler_include,
    configure_read,
    package_path,
    package_hash,
    lazy_package_hash,
};

pub const Dependency = struct {
    kind: DependencyKind,
    /// The operand with its escapes resolved where `literal`, else its text.
    operand: []const u8,
    literal: bool,
    /// From the `@` or `#` to the end of the operand.
    span: Span,
};

pub const DeclarationKind = enum(u8) { function, constant, variable };

pub const Parameter = struct { name: []const u8, type_text: []const u8 };

pub const Declaration = struct {
    name: []const u8,
    container: []const u8,
    kind: DeclarationKind,
    parameters: []const Parameter,
    type_text: []const u8,
    doc: []const u8,
    line: u32,
};

pub const Binding = enum(u8) { plain, python_h, init_function, pyoz, pyz3, pydust };

pub const BuildFeatures = packed struct(u8) {
    standard_target_options: bool = false,
    standard_optimize_option: bool = false,
    _: u6 = 0,
};

pub const Setting = struct { name: []const u8, value: []const u8, line: u32 };

pub const Scan = struct {
    dependencies: []const Dependency,
    declarations: []const Declaration,
    binding: Binding,
    features: BuildFeatures,
    settings: []const Setting,
    doc: []const u8,
    invalid: ?Span,
};
