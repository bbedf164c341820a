"""Components for tests of the plugin engine, written as WebAssembly text."""

import struct

import pytest

#: What the canonical ABI asks for: a memory, and an allocator that never frees.
CORE = """
(module
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const 262144))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $start) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1)))))
    (local.get $start))
  {declarations}
  (func (export "track") (param $path i32) (param $path_size i32) (param $source i32) (param $source_size i32) (result i32)
    {body}))
"""

#: A component around such a module, for what `componentize` would not make.
COMPONENT = """
(component
  (import "zigimport:plugin/tracking@0.1.0" (instance $tracking
    (type $input' (variant (case "file" string) (case "glob" string)))
    (export "input" (type $input (eq $input')))
    (type $found' (record (field "input" $input) (field "line" u32) (field "column" u32)))
    (export "found" (type $found (eq $found')))
    (type $problem' (record (field "message" string) (field "line" u32) (field "column" u32)))
    (export "problem" (type $problem (eq $problem')))))
  (alias export $tracking "found" (type $found))
  (alias export $tracking "problem" (type $problem))
  {imports}
  (core module $module {module})
  (core instance $instance (instantiate $module))
  (type $answer (result (list $found) (error $problem)))
  (func (export "track") (param "path" string) (param "source" (list u8)) (result $answer)
    (canon lift (core func $instance "track")
      (memory $instance "memory") (realloc (func $instance "cabi_realloc")))))
"""

FILE, GLOB = 0, 1
#: Where an answer lies in memory.
ANSWER = 1024


def wasm(text):
    """Returns the bytes of a WebAssembly text."""
    wasmtime = pytest.importorskip("wasmtime", reason="wasmtime, which reads WebAssembly text, is not on this machine")
    return bytes(wasmtime.wat2wasm(text))


def core_text(body, declarations="", pages=8):
    """The text of a core module whose `track` has this body."""
    return CORE.format(body=body, declarations=declarations, pages=pages)


def core(body, declarations="", pages=8):
    """A core module whose `track` has this body."""
    return wasm(core_text(body, declarations, pages))


def component_with(imports, body="unreachable"):
    """A component of the world that also imports what the text says."""
    return wasm(COMPONENT.format(imports=imports, module=core_text(body)[len("\n(module") : -2]))


def data(at, content):
    """A declaration that fills memory."""
    return '(data (i32.const {}) "{}")'.format(at, "".join(f"\\{byte:02x}" for byte in content))


def answering(*entries):
    """A core module that names inputs, each a kind, an operand in bytes, a line and a column."""
    records, texts = b"", b""
    start = ANSWER + 12 + 20 * len(entries)
    for kind, operand, line, column in entries:
        records += struct.pack("<B3xIIII", kind, start + len(texts), len(operand), line, column)
        texts += operand
    head = struct.pack("<B3xII", 0, ANSWER + 12, len(entries))
    return core(f"(i32.const {ANSWER})", data(ANSWER, head + records + texts))


def listing(pointer, length):
    """A core module that answers with a list of this place and length."""
    return core(f"(i32.const {ANSWER})", data(ANSWER, struct.pack("<B3xII", 0, pointer, length)))


def complaining(message, line, column):
    """A core module that reports a problem."""
    head = struct.pack("<B3xIIII", 1, ANSWER + 20, len(message), line, column)
    return core(f"(i32.const {ANSWER})", data(ANSWER, head + message))
