"""Submodules: each `pub const` that imports a file is a module, and so is a namespace."""

import zigimport  # noqa: F401
import units
from units import length

print(units.quantities(), units.length.__doc__)
print(length.convert(2, "mile"), round(length.convert(number=1, unit="mile", to="inch"), 3))
print(length.inch, length.Unit)
print(units.temperature.from_fahrenheit(212.0), units.temperature.from_kelvin(0))
print(round(units.angle.from_degrees(180), 6), round(units.angle.full_turn, 6))
try:
    length.convert(1, "yard")
except ValueError as error:
    print("yard:", type(error).__name__)
try:
    units.temperature.from_kelvin(-1)
except ValueError as error:
    print("-1 kelvin:", type(error).__name__)
