"""A package: `colours/__init__.zig` is `colours`, `colours/names.zig` is `colours.names`."""

import zigimport  # noqa: F401
import colours
from colours import names

orange = colours.parse(names.code_of("Orange"))
print(orange, orange.green)
print(colours.format(orange), colours.format((0, 10, 255)))
print(colours.mixed(orange, (0, 0, 0), 0.5), colours.mixed({"red": 1, "green": 2}, orange, 2.0))
print(names.starting_with("t"), names.starting_with(start=""))
try:
    names.code_of("mauve")
except KeyError as error:
    print("mauve:", type(error).__name__)
