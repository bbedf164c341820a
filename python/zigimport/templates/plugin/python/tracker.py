"""Finds what a comment names: `// track: assets/*.txt`."""

from componentize_py_types import Err
from wit_world import WitWorld as World
from wit_world.imports.tracking import Found, Input_File, Input_Glob, Problem

DIRECTIVE = b"// track:"


class WitWorld(World):
    """The plugin: the name of the class is part of the interface."""

    def track(self, path, source):
        """Returns every input that the source asks for; ``path`` is relative to the project root."""
        found = []
        for number, line in enumerate(source.split(b"\n"), 1):
            indent = len(line) - len(line.lstrip(b" \t"))
            text = line.strip(b" \t\r")
            if not text.startswith(DIRECTIVE):
                continue
            operand = text[len(DIRECTIVE) :].strip(b" \t")
            column = indent + 1
            if not operand:
                raise Err(Problem("expected a path or a pattern after `// track:`", number, column))
            column += text.index(operand, len(DIRECTIVE))
            try:
                name = operand.decode()
            except UnicodeDecodeError:
                raise Err(Problem("expected UTF-8", number, column)) from None
            kind = Input_Glob if set("*?[") & set(name) else Input_File
            found.append(Found(kind(name), number, column))
        return found
