"""Finds the tables that a table includes: `include ../shared/rates.table`."""

from componentize_py_types import Err
from wit_world import WitWorld as World
from wit_world.imports.tracking import Found, Input_File, Problem


class WitWorld(World):
    """A line of a table is `name = number`, `include PATH`, or empty behind a `#`."""

    def track(self, path, source):
        """Returns the tables that this one includes, which are asked about in their turn."""
        found = []
        for number, line in enumerate(source.split(b"\n"), 1):
            words = line.partition(b"#")[0].split(None, 1)
            if not words or words[0] != b"include":
                continue
            if len(words) == 1:
                raise Err(Problem("expected a path after `include`", number, 1))
            operand = words[1].rstrip()
            column = line.index(operand, line.index(b"include") + len(b"include")) + 1
            try:
                found.append(Found(Input_File(operand.decode()), number, column))
            except UnicodeDecodeError:
                raise Err(Problem("expected UTF-8", number, column)) from None
        return found
