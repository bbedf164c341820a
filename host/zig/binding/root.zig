//! The root module of every plain extension. It is constant: what differs between two extensions is
//! in the modules `user` (the user's file) and `declarations` (what is known about its text).

const std = @import("std");
pub const zigimport_declarations = @import("declarations");
pub const zigimport_user = @import("user");
const zigimport = @import("zigimport");

/// The user's file is no root, so what it says to the standard library is passed on from here.
pub const std_options: std.Options = if (@hasDecl(zigimport_user, "std_options")) zigimport_user.std_options else .{};

/// Failed safety checks end the process with a Python traceback. The default handler would bring
/// a stack unwinder and debug-information readers into every build.
pub const panic = zigimport.Panic(zigimport_declarations.module_name);

comptime {
    zigimport.exportModule(zigimport_user, zigimport_declarations.init_symbol);
}
