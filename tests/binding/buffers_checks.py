"""What a module of `buffers.zig` must do, checked inside one interpreter.

``python buffers_checks.py NAME…`` imports the module through the hook and runs the
checks of these names. It has to run on every supported Python.
"""

import array
import ctypes
import gc
import sys

import zigimport  # noqa: F401, I001 - installs the hook

import buffers
import support
from support import growth_kib, raises

try:
    import numpy
except ImportError:  # No wheel for this platform.
    numpy = None

#: Zig's name, the code in `array`, the type in `ctypes`, NumPy's name.
TYPES = [
    ("i8", "b", ctypes.c_int8, "int8"),
    ("u16", "H", ctypes.c_uint16, "uint16"),
    ("i16", "h", ctypes.c_int16, "int16"),
    ("u32", "I", ctypes.c_uint32, "uint32"),
    ("i32", "i", ctypes.c_int32, "int32"),
    ("u64", "Q", ctypes.c_uint64, "uint64"),
    ("i64", "q", ctypes.c_int64, "int64"),
    ("usize", "L", ctypes.c_size_t, "uintp"),
    ("isize", "l", ctypes.c_ssize_t, "intp"),
    ("f32", "f", ctypes.c_float, "float32"),
    ("f64", "d", ctypes.c_double, "float64"),
]


def check_every_number_from_an_array(b):
    for name, code, _, _ in TYPES:
        values = array.array(code, [1, 2, 3])
        for given in (values, memoryview(values), memoryview(values).cast("B").cast(code)):
            assert list(getattr(b, f"doubled_{name}")(given)) == [2, 4, 6], (name, given)
        assert getattr(b, f"double_{name}")(values) is None
        getattr(b, f"double_{name}")(values=memoryview(values)[1:])
        assert values.tolist() == [2, 8, 12], name


def check_every_number_from_ctypes(b):
    for name, _, kind, _ in TYPES:
        values = (kind * 3)(1, 2, 3)
        assert list(getattr(b, f"doubled_{name}")(values)) == [2, 4, 6], (name, memoryview(values).format)
        getattr(b, f"double_{name}")(values)
        assert list(values) == [2, 4, 6], name
    flags = (ctypes.c_bool * 2)(True, False)
    assert list(b.doubled_bool(flags)) == [False, True]


def check_every_number_from_numpy(b):
    for name, dtype in [(name, dtype) for name, _, _, dtype in TYPES] + [("f16", "float16"), ("bool", "bool")]:
        values = numpy.array([0, 1, 1], dtype)
        wanted = ~values if name == "bool" else values * 2
        answer = numpy.asarray(getattr(b, f"doubled_{name}")(values))
        assert answer.dtype == values.dtype and answer.tolist() == wanted.tolist(), (name, answer)
        assert getattr(b, f"double_{name}")(values) is None and values.tolist() == wanted.tolist(), name
        little = numpy.array([1, 0], numpy.dtype(dtype).newbyteorder("<"))
        assert len(getattr(b, f"doubled_{name}")(little)) == 2


def check_every_number_from_a_list(b):
    for name in [name for name, *_ in TYPES] + ["f16"]:
        function = getattr(b, f"doubled_{name}")
        assert list(function([1, 2, 3])) == list(function((1, 2, 3))) == [2, 4, 6], name
        assert list(function([])) == list(function(())) == []
        raises(TypeError, "values", function, [1, "2"])
        raises(TypeError, "values", function, [1, None])
        for value in (1, None, "12", {1: 2}, {1, 2}, iter([1])):
            raises(TypeError, type(value).__name__, function, value)
        raises(TypeError, "values", getattr(b, f"double_{name}"), [1, 2])
    assert list(b.doubled_bool([True, False])) == [False, True]
    raises(TypeError, "values", b.doubled_bool, [True, 1])


def check_elements_out_of_range(b):
    for name, bits in (("i8", 7), ("u16", 16), ("i32", 31), ("u64", 64), ("i64", 63)):
        function = getattr(b, f"doubled_{name}")
        low = 0 if name.startswith("u") else -(2**bits)
        for value in (2**bits, low - 1, 2**200):
            raises(OverflowError, "values", function, [0, value])
    raises(OverflowError, "values", b.doubled_f32, [1e39])
    raises(OverflowError, "values", b.doubled_f64, [10**400])
    raises(TypeError, "values", b.doubled_i32, [1.0])


def check_memory_of_the_caller_is_used(b):
    values = array.array("d", [1, 2, 3])
    assert b.address(values) == values.buffer_info()[0]
    assert b.address(memoryview(values)[1:]) == values.buffer_info()[0] + 8
    owned = bytearray(16)
    b.double_f64(memoryview(owned).cast("d"))
    b.number(memoryview(owned).cast("d", (1, 2)))
    assert memoryview(owned).cast("d").tolist() == [0.0, 1.0]


def check_arrays_of_numpy_are_not_copied(b):
    values = numpy.arange(10.0)
    assert b.address(values) == values.ctypes.data and b.address(values[4:]) == values.ctypes.data + 32
    b.double_f64(values[2:4])
    assert values.tolist() == [0, 1, 4, 6, 4, 5, 6, 7, 8, 9]


def check_wrong_elements_are_refused(b):
    for name, code, _, _ in TYPES:
        for other, other_code, _, _ in TYPES:
            if name[0] == other[0] and array.array(code).itemsize == array.array(other_code).itemsize:
                continue
            values = array.array(other_code, [1, 2])
            raises(TypeError, name, getattr(b, f"doubled_{name}"), values)
            raises(TypeError, name, getattr(b, f"double_{name}"), values)
            assert values.tolist() == [1, 2]
    for value in (b"12345678", bytearray(8), memoryview(bytearray(8)).cast("c")):
        raises(TypeError, "f64", b.sum, value)
    raises(TypeError, "bool", b.count_true, bytearray(2))
    # A scalar has no shape.
    raises(TypeError, "1-dimensional buffer of bool, got 0 dimensions", b.count_true, ctypes.c_bool(True))


def check_wrong_shapes_are_refused(b):
    flat = memoryview(array.array("d", range(6)))
    table = flat.cast("B").cast("d", (2, 3))
    for value in (table, flat[::2], flat[::-1]):
        raises(TypeError, "values", b.sum, value)
        raises(TypeError, "values", b.double_f64, value)
    for value in (flat, flat.cast("B").cast("d", (1, 2, 3))):
        raises(TypeError, "values", b.at, value, 0, 0)
    raises(TypeError, "target", b.number, flat)
    raises(TypeError, None, b.at, [[1.0]], 0, 0)


def check_wrong_arrays_of_numpy_are_refused(b):
    values = numpy.arange(6.0)
    for wrong in (
        values.astype(">f8"),
        values.astype("f4"),
        values.astype("i8"),
        values.astype("c16"),
        values.astype("O"),
        values.astype("S8"),
        values.view([("a", "f8")]),
        values.view("u8"),
        values.reshape(2, 3),
        values[::2],
        values[::-1],
        numpy.float64(3.0),
        numpy.array(3.0),
    ):
        raises(TypeError, "values", b.sum, wrong)
    raises(TypeError, "values", b.at, values.reshape(2, 3).astype(">f8"), 0, 0)
    assert b.sum(values.astype("<f8")) == 15.0 and b.sum(list(values)) == 15.0


def check_read_only_buffers_cannot_be_written(b):
    fixed = memoryview(bytes(16)).cast("d")
    assert b.sum(fixed) == 0.0 and b.at(fixed.cast("B").cast("d", (1, 2)), 0, 1) == 0.0
    raises(BufferError, "values", b.double_f64, fixed)
    raises(BufferError, "target", b.number, fixed.cast("B").cast("d", (1, 2)))
    if numpy:
        values = numpy.arange(3.0)
        values.setflags(write=False)
        raises(BufferError, "values", b.double_f64, values)
        assert b.sum(values) == 3.0 and values.tolist() == [0, 1, 2]


def check_empty_buffers(b):
    for value in (array.array("d"), memoryview(array.array("d")), [], (), (ctypes.c_double * 0)()):
        assert b.sum(value) == 0.0 and list(b.doubled_f64(value)) == []
    assert b.double_f64(array.array("d")) is None
    answer = b.range(0)
    assert len(answer) == 0 and list(answer) == [] and memoryview(answer).nbytes == 0
    raises(IndexError, None, lambda: answer[0])
    if numpy:
        assert numpy.asarray(answer).shape == (0,)
        for shape in ((0, 3), (3, 0), (0, 0)):
            assert b.shape(numpy.zeros(shape)) == shape and list(b.flat(numpy.zeros(shape))) == []
            assert b.number(numpy.zeros(shape)) is None
            assert numpy.asarray(b.matrix(*shape)).shape == shape


def check_memory_that_is_not_aligned_does_no_harm(b):
    owned = bytearray(17)
    crooked = memoryview(owned)[1:].cast("d")
    try:
        assert b.sum(crooked) == 0.0
    except TypeError as error:
        assert "values" in str(error)
    try:
        assert b.at(crooked.cast("B").cast("d", (1, 2)), 0, 1) == 0.0
    except TypeError as error:
        assert "values" in str(error)


def check_views_of_memoryviews(b):
    owned = array.array("d", range(6))
    table = memoryview(owned).cast("B").cast("d", (2, 3))
    assert b.at(table, 1, 2) == 5.0 and b.shape(table) == (2, 3) and b.strides(values=table) == (24, 8)
    assert list(b.flat(table)) == [0, 1, 2, 3, 4, 5]
    b.number(table)
    assert owned.tolist() == [0, 1, 2, 10, 11, 12]
    values = memoryview(array.array("i", range(6)))
    assert list(b.line(values)) == [0, 1, 2, 3, 4, 5] and list(b.line(values[1:5])) == [1, 2, 3, 4]
    assert list(b.line(values[::2])) == [0, 2, 4] and list(b.line(values[::-1])) == [5, 4, 3, 2, 1, 0]
    assert list(b.line(values[4:1:-2])) == [4, 2] and list(b.line(values[6:])) == []
    text = bytearray(b"abcd")
    b.add_to_all(memoryview(text)[::-2], 1)
    b.add_to_all(text, amount=1)
    assert text == b"bddf" and b.bytes_sum(memoryview(text).cast("B", (2, 2))) == sum(text)
    raises(BufferError, "values", b.add_to_all, b"abcd", 1)


def check_views_of_numpy(b):
    base = numpy.arange(12.0).reshape(3, 4)
    columns = numpy.asfortranarray(base)
    for view in (base, base.T, base[::-1], base[:, ::-1], base[::2, 1::2], base.T[::-1, ::2], columns):
        assert b.shape(view) == view.shape and b.strides(view) == view.strides
        assert list(b.flat(view)) == view.ravel().tolist()
    broadcast = numpy.broadcast_to(numpy.arange(3.0), (2, 3))
    assert list(b.flat(broadcast)) == [0, 1, 2, 0, 1, 2]
    raises(BufferError, "target", b.number, broadcast)
    b.number(base.T[::-1])
    assert base.tolist() == [[30, 20, 10, 0], [31, 21, 11, 1], [32, 22, 12, 2]]
    values = numpy.arange(24).reshape(2, 3, 4).astype("i8")
    for view in (values, values.transpose(2, 0, 1), values[:, ::-1, ::3]):
        total = 0
        for value in view.ravel().tolist():
            total = total * 2 + value
        assert b.cube(view) == total


def check_a_view_may_be_returned(b):
    answer = b.matrix(2, 3)
    view = memoryview(answer)
    assert (view.ndim, view.shape, view.strides, view.format) == (2, (2, 3), (24, 8), "d")
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]] and len(answer) == 2
    assert b.shape(answer) == (2, 3) and list(b.flat(answer)) == [0, 1, 2, 3, 4, 5]
    pixels = memoryview(b.pixels(2, 2))
    assert pixels.shape == (2, 2, 3) and pixels.tobytes() == bytes(range(12))
    del answer
    gc.collect()
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]]
    if numpy:
        array_ = numpy.asarray(b.matrix(2, 3))
        assert array_.T.tolist() == [[0, 3], [1, 4], [2, 5]] and b.at(array_.T, 2, 1) == 5.0


def check_a_part_of_an_argument_is_copied(b):
    values = array.array("d", [1, 2, 3])
    answer = b.rest(values)
    values[1] = 9
    values.append(4)
    assert list(answer) == [2, 3]
    answer = b.rest_in_place(values)
    values[2] = 7
    values.extend(range(10_000))
    assert list(answer) == [9, 3, 4] and values[0] == -1
    assert list(b.rest([1, 2, 3])) == [2, 3]
    assert list(b.rest(b.range(3))) == [1, 2]


def check_memory_from_elsewhere_is_copied(b):
    first, second = b.constants(), b.constants()
    assert list(first) == list(second) == [1, 2, 3]
    if numpy:
        assert not numpy.shares_memory(numpy.asarray(first), numpy.asarray(second))


def check_arrays_are_sequences(b):
    values = b.range(5)
    assert len(values) == 5 and values[0] == 0.0 and values[4] == 4.0 and values[-1] == 4.0 and values[-5] == 0.0
    for index in (5, -6, 2**80, -(2**80)):
        raises(IndexError, None, lambda index=index: values[index])
    raises(TypeError, None, lambda: values["1"])
    assert list(values) == [number for number in values] == [0, 1, 2, 3, 4]
    assert sum(values) == 10.0 and max(values) == 4.0 and 3.0 in values and bool(values)
    assert type(values[0]) is float and type(b.doubled_u16([1])[0]) is int and b.doubled_bool([True])[0] is False
    assert b.sum(values) == 10.0 and list(b.middle(5)) == [1, 2, 3] and list(b.reals()) == [0.5, -2.0]
    assert b.maybe(0) is None and list(b.maybe(2)) == [0, 1]
    assert [list(row) for row in b.rows(3)] == [[], [0], [0, 1]]
    assert repr(values)


def check_an_array_cannot_be_made_from_python(b):
    class_ = type(b.range(1))
    for make in (class_, lambda: class_([1.0]), lambda: class_.__new__(class_), lambda: object.__new__(class_)):
        raises(TypeError, "Array", make)


def check_arrays_have_the_buffer_protocol(b):
    for name, code, _, _ in TYPES:
        answer = getattr(b, f"doubled_{name}")(array.array(code, [1, 2]))
        view = memoryview(answer)
        assert (view.ndim, view.shape, view.strides) == (1, (2,), (view.itemsize,)), name
        assert view.itemsize == array.array(code).itemsize and view.tolist() == [2, 4] and view.c_contiguous
        assert view.cast("B").nbytes == 2 * view.itemsize and b"".join([answer]) == view.tobytes()
    assert memoryview(b.range(2)).format == "d" and memoryview(b.doubled_bool([True])).format == "?"
    assert array.array("d", b.range(3)).tolist() == [0, 1, 2]


def check_arrays_share_their_memory_with_numpy(b):
    answer = b.range(1000)
    first, second = numpy.asarray(answer), numpy.asarray(answer)
    assert first.__array_interface__["data"][0] == second.__array_interface__["data"][0] == b.address(answer)
    assert numpy.shares_memory(first, second) and first.dtype == "f8" and first.tolist() == list(range(1000))
    assert numpy.asarray(b.reals()).dtype == "f2" and numpy.asarray(b.reals()).tolist() == [0.5, -2.0]
    del answer, second
    gc.collect()
    assert first.sum() == 499500


def check_results_outlive_the_call(b):
    kept = [b.range(1000) for _ in range(50)]
    views = [memoryview(b.middle(1000)) for _ in range(50)]
    both = [b.both(100) for _ in range(50)]
    rows = b.rows(50)
    gc.collect()
    for _ in range(50):
        b.range(1000), b.rows(20)
    assert all(list(one) == list(range(1000)) for one in kept)
    assert all(one.tolist() == list(range(1, 999)) for one in views)
    assert all(list(one.left) == list(range(100)) and list(one.right) == list(range(1, 100)) for one in both)
    lefts = [one.left for one in both]
    del both
    assert all(list(row) == list(range(length)) for length, row in enumerate(rows))
    gc.collect()
    assert all(list(one) == list(range(100)) for one in lefts)


def check_memory_does_not_grow(b):
    values = array.array("d", range(1000))
    text = bytearray(8000)

    def late():
        raises(b.ZigError, "Late", b.failing, 20_000)
        raises(TypeError, "count", b.two, values, text, "3")

    for function in (
        lambda: b.range(20_000),
        lambda: b.middle(20_000),
        lambda: b.both(10_000),
        lambda: b.rows(100),
        lambda: b.rest(values),
        lambda: b.sum([1.5] * 10_000),
        lambda: memoryview(b.range(20_000)),
        lambda: memoryview(b.matrix(100, 100)),
        lambda: b.shape(memoryview(text).cast("d", (10, 100))),
        late,
    ):
        assert growth_kib(function, 30, 500) < 16384, function


def check_a_buffer_cannot_be_resized_during_a_call_only(b):
    values, text = array.array("d", [1, 2]), bytearray(b"text")
    raises(BufferError, None, b.hold, values, lambda: values.append(3))
    raises(BufferError, None, b.hold_text, text, lambda: text.append(1))
    raises(BufferError, None, b.hold_view, text, text.clear)
    values.append(3)
    text.append(1)
    assert b.hold_text(text, lambda: None) == 5 and b.hold(values, lambda: None) is None
    values.append(4)
    text.clear()


def check_a_buffer_is_let_go_when_a_later_argument_is_refused(b):
    values, text = array.array("d", [1, 2]), bytearray(b"text")
    assert b.two(values, text, 3) == 9
    for wrong in ("3", None, 256, -1):
        raises((TypeError, OverflowError), "count", b.two, values, text, wrong)
        values.append(0)
        text.append(0)
    raises(TypeError, "text", b.two, values, 5, 3)
    raises(TypeError, None, b.two, values, text)
    raises(TypeError, None, b.two, values, text, 3, extra=1)
    raises(TypeError, "values", b.sum, text)
    raises(BufferError, None, b.add_to_all, memoryview(text).toreadonly(), 1)
    values.append(0)
    text.append(0)
    before = sys.getrefcount(values), sys.getrefcount(text)
    for _ in range(50):
        b.two(values, text, 3)
        raises(TypeError, "count", b.two, values, text, None)
    assert (sys.getrefcount(values), sys.getrefcount(text)) == before


if __name__ == "__main__":
    support.run(buffers, globals(), sys.argv[1:])
