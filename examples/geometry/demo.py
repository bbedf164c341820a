"""Imports `geometry.zig` and the files beneath it, and shows what it did."""

import zigimport
import geometry

print("module   ", geometry.__zigimport__.source)
print("library  ", geometry.__file__)
print("compiler  Zig", geometry.__zigimport__.zig_version, "in", geometry.__zigimport__.optimize, "mode")
print()
print("pi                    ", geometry.pi)
print("circle_area(2)        ", geometry.circle_area(2))
print("polygon_area(6, 1.5)  ", geometry.polygon_area(6, 1.5))
print("metres_in('mile')     ", geometry.metres_in("mile"))
print("describe('wheel', 0.3)", geometry.describe("wheel", 0.3))
try:
    geometry.circle_area(-1)
except geometry.ZigError as error:
    print("circle_area(-1)        raises", type(error).__name__, "with the name", error.name)
