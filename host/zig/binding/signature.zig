//! The parameters of a function as Python knows them, and how the arguments of a call are sorted into
//! them. The messages are those that Python has for its own functions.

const abi = @import("abi.zig");
const Refusal = @import("scope.zig").Refusal;

const Object = abi.Object;

pub const Signature = struct {
    name: [*:0]const u8,
    parameters: []const Parameter,
    /// How many of them may be given by position; the rest is keyword-only.
    positional: usize,

    pub const Parameter = struct {
        name: [*:0]const u8,
        is_required: bool = true,
        /// What Python must pass: "int or None".
        expected: [*:0]const u8,
        /// The Zig type with its limits: "u8 (0 to 255)".
        range: [*:0]const u8,
    };

    /// Sorts the arguments of a call into one slot for each parameter. False with an exception set if
    /// they do not fit. The values of the keywords `names` lie behind the positional ones.
    pub fn bind(signature: *const Signature, positional: []const *Object, names: ?*Object, slots: []?*Object) bool {
        if (!signature.takes(positional.len)) return false;
        for (slots[0..positional.len], positional) |*slot, object| slot.* = object;
        if (names) |tuple| for (0..@intCast(abi.PyTuple_Size(tuple)), positional.len..) |index, guess| {
            const name = abi.PyTuple_GetItem(tuple, @intCast(index)) orelse return false;
            // Mostly they are the parameters that are left, in order.
            if (!signature.bindKeyword(name, positional.ptr[guess], slots, guess)) return false;
        };
        return signature.isComplete(slots);
    }

    /// The same for the arguments of a constructor, a tuple and perhaps a dict.
    pub fn bindTuple(signature: *const Signature, positional: *Object, keywords: ?*Object, slots: []?*Object) bool {
        const count: usize = @intCast(abi.PyTuple_Size(positional));
        if (!signature.takes(count)) return false;
        for (slots[0..count], 0..) |*slot, index| slot.* = abi.PyTuple_GetItem(positional, @intCast(index));
        var position: isize = 0;
        var name: ?*Object = null;
        var value: ?*Object = null;
        if (keywords) |dict| while (abi.PyDict_Next(dict, &position, &name, &value) != 0) {
            if (!signature.bindKeyword(name.?, value.?, slots, count)) return false;
        };
        return signature.isComplete(slots);
    }

    fn takes(signature: *const Signature, given: usize) bool {
        const count = signature.positional;
        if (given <= count) return true;
        const arguments: [*:0]const u8 = if (count == 1) "argument" else "arguments";
        const verb: [*:0]const u8 = if (given == 1) "was" else "were";
        const format = "%s() takes %zd positional %s but %zd %s given";
        return abi.raise(bool, "TypeError", format, .{ signature.name, count, arguments, given, verb });
    }

    /// Looks for the name from the parameter `guess` on, which is at most their number.
    fn bindKeyword(signature: *const Signature, name: *Object, value: *Object, slots: []?*Object, guess: usize) bool {
        for (guess..guess + slots.len) |next| {
            const index = if (next < slots.len) next else next - slots.len;
            const parameter = signature.parameters[index].name;
            if (abi.PyUnicode_CompareWithASCIIString(name, parameter) != 0) continue;
            if (slots[index] != null) {
                const format = "%s() got multiple values for argument '%s'";
                return abi.raise(bool, "TypeError", format, .{ signature.name, parameter });
            }
            slots[index] = value;
            return true;
        }
        const format = "%s() got an unexpected keyword argument '%S'";
        return abi.raise(bool, "TypeError", format, .{ signature.name, name });
    }

    fn isComplete(signature: *const Signature, slots: []const ?*Object) bool {
        for (signature.parameters, slots, 1..) |parameter, slot, number| {
            if (slot != null or !parameter.is_required) continue;
            if (number <= signature.positional) {
                const format = "%s() missing required argument '%s' (pos %zd)";
                return abi.raise(bool, "TypeError", format, .{ signature.name, parameter.name, number });
            }
            const format = "%s() missing required keyword-only argument '%s'";
            return abi.raise(bool, "TypeError", format, .{ signature.name, parameter.name });
        }
        return true;
    }

    /// Raises the error of an argument that was refused, and returns `null`.
    pub fn refuse(signature: *const Signature, index: usize, refusal: Refusal, object: *Object) ?*Object {
        @branchHint(.cold);
        const parameter = signature.parameters[index];
        const place = "%s() argument '%s': ";
        const names = .{ signature.name, parameter.name };
        const wanted = names ++ .{parameter.expected};
        switch (refusal) {
            error.Raised => return null,
            error.OutOfRange => {
                const values = names ++ .{parameter.range};
                return abi.raise(?*Object, "OverflowError", place ++ "out of range for %s", values);
            },
            error.EmbeddedZero => return abi.raise(?*Object, "ValueError", place ++ "embedded null character", names),
            error.WrongValue => {
                return abi.raise(?*Object, "ValueError", place ++ "expected %s, got %R", wanted ++ .{object});
            },
            error.WrongType => {
                const name = abi.PyObject_GetAttrString(object.type, "__name__") orelse return null;
                defer abi.Py_DecRef(name);
                return abi.raise(?*Object, "TypeError", place ++ "expected %s, got %S", wanted ++ .{name});
            },
        }
    }
};
