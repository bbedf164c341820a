"""A numeric kernel: works on the memory of NumPy arrays, or of `array.array` without NumPy."""

from array import array

import zigimport  # noqa: F401
import smoothing

try:
    import numpy
except ImportError:
    numpy = None

numbers = [1.0, 2.0, 6.0, 4.0, 20.0, 3.0]
measured = array("d", numbers) if numpy is None else numpy.array(numbers)

print("moving average", list(map(float, smoothing.moving_average(measured))))
print("window of two ", list(map(float, smoothing.moving_average(measured, window=2))))

smoothing.clip(measured, 2.0, 10.0)
print("clipped       ", measured.tolist())

if numpy is None:
    table = memoryview(measured).cast("B").cast("d", (2, 3))
    turned = memoryview(array("d", [2, 4, 2, 10, 6, 3])).cast("B").cast("d", (3, 2))
else:
    table = measured.reshape(2, 3)
    turned = table.T
print("means of rows ", list(smoothing.row_means(table)))
print("of columns    ", list(smoothing.row_means(turned)))

try:
    smoothing.moving_average(measured, window=0)
except ValueError as error:
    print("window of zero", type(error).__name__)
