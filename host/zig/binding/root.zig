//! The root module of every plain extension. It is constant: what differs between two extensions is
//! in the modules `user` (the user's file) and `declarations` (what is known about its text).

const declarations = @import("declarations");
const zigimport = @import("zigimport");

/// Failed safety checks end the process with a Python traceback. The default handler would bring
/// a stack unwinder and debug-information readers into every build.
pub const panic = zigimport.Panic(declarations.module_name);

comptime {
    zigimport.exportModule(@import("user"), declarations);
}
