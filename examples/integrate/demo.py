"""A callback: Zig calls functions of Python, and their exceptions pass through."""

import math

import zigimport  # noqa: F401
import integrate

print(f"{integrate.integral(math.sin, 0.0, math.pi):.6f}")
print(f"{integrate.integral(lambda x: x**3, 0, 2, steps=1):.6f}")
print(f"{integrate.root(lambda x: x * x - 2, 0, 2):.9f}")
try:
    integrate.root(math.exp, 0, 1)
except integrate.ZigError as error:
    print("no root:", error.name)
try:
    integrate.integral(lambda x: 1 / x, 0, 1)
except ZeroDivisionError as error:
    print("integral of 1 / x:", type(error).__name__)
