"""A struct of results: it arrives as a named tuple."""

from array import array

import zigimport  # noqa: F401
import summary

found = summary.describe([4, 8, 6, 2, 10])
print(found)
print(found.mean, found.quartiles[2], found[0])
count, mean, *_ = summary.describe(array("d", [1.5, 2.5]))
print(count, mean)

slope, intercept = summary.line(x=[0, 1, 2], y=[1, 3, 5])
print(f"y = {slope} x + {intercept}", summary.line([0, 1], [2, 2]).slope)
try:
    summary.line([1, 1], [2, 3])
except ZeroDivisionError:
    print("no line goes through these points")
