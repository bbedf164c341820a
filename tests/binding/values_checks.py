"""What a module of `values.zig` must do, checked inside one interpreter.

``python values_checks.py NAME…`` imports the module through the hook and runs the
checks of these names. It has to run on every supported Python.
"""

import array
import inspect
import pydoc
import sys
import threading
import time
from collections import namedtuple

import zigimport  # noqa: F401, I001 - installs the hook

import values
import support
from support import Index, growth_kib, raises

#: A wait of this many turns takes seconds: it ends also where nobody sets the flag.
TURNS = 2_000_000_000


def check_arguments_by_position_and_by_name(v):
    assert v.subtract(5, 3) == v.subtract(5, subtrahend=3) == v.subtract(subtrahend=3, minuend=5) == 2
    assert v.subtract(**{"".join(["minu", "end"]): 1, "".join(["subtra", "hend"]): 2}) == -1
    assert v.nine(1, 2, 3, 4, 5, 6, 7, 8, 9) == tuple(range(1, 10))
    assert v.nine(1, 2, 3, i=9, h=8, g=7, f=6, e=5, d=4) == tuple(range(1, 10))
    assert v.repeated("ab", count=2) == v.repeated(count=2, text="ab") == "abab"
    assert v.joined(right="b", left="a") == v.joined("a", "b") == "ab"


def check_wrong_arguments_are_named(v):
    raises(TypeError, "subtrahend", v.subtract, 5)
    raises(TypeError, "minuend", v.subtract, subtrahend=5)
    raises(TypeError, "addend", v.subtract, 5, 3, addend=1)
    raises(TypeError, "addend", v.subtract, 5, addend=1)
    raises(TypeError, "minuend", v.subtract, 5, minuend=3)
    raises(TypeError, "minuend", v.subtract, 5, 3, minuend=3)
    raises(TypeError, "subtract()", v.subtract)
    raises(TypeError, "subtract() takes 2 positional arguments (3 given)", v.subtract, 1, 2, 3)
    raises(TypeError, "nothing()", v.nothing, 1)
    raises(TypeError, "x", v.nothing, x=1)
    raises(TypeError, "argument 'subtrahend': expected int, got str", v.subtract, 1, subtrahend="2")
    raises(TypeError, "allocator", v.repeated, "a", 2, allocator=None)
    raises(TypeError, None, v.repeated, "a", 2, None)


def check_signatures_and_help(v):
    signatures = {
        v.subtract: "(minuend, subtrahend)",
        v.nothing: "()",
        v.joined: "(left, right)",
        v.repeated: "(text, count)",
        v.every_option: "(base, *, count=-3, ratio=0.5, loud=False, limit=None, level='middle', text='a b')",
        v.scaled: "(value, *, factor, offset=0.0)",
        v.only_options: "(*, first=1, second=2)",
        v.size_with: "(factor, *, size=10, bold=False)",
        v.styled: "(more, style)",
        v.alone: "(text, count)",
        v.part.double: "(number)",
        v.units.inches: "(count)",
    }
    for function, signature in signatures.items():
        assert str(inspect.signature(function)) == signature, (function, inspect.signature(function))
    assert v.subtract.__doc__ == "The difference of two numbers.\n\nNothing more."
    assert v.subtract.__name__ == "subtract" and v.subtract.__module__ == "values"
    text = pydoc.plain(pydoc.render_doc(v.subtract))
    assert "subtract(minuend, subtrahend)" in text and "The difference of two numbers." in text, text
    assert inspect.signature(v.scaled).parameters["factor"].default is inspect.Parameter.empty


def check_options_are_keywords_with_the_defaults_of_the_fields(v):
    assert v.every_option(7) == v.every_option(base=7) == "7 -3 0.5 false null middle a b"
    changed = v.every_option(7, text="é", level="high", limit=9, loud=True, ratio=1, count=5)
    assert changed == "7 5 1 true 9 high é"
    assert v.every_option(7, limit=None, count=Index(2)) == "7 2 0.5 false null middle a b"
    assert v.only_options() == 12 and v.only_options(second=5) == 15
    assert v.size_with(2) == 20 and v.size_with(2, bold=True, size=7) == 14
    assert v.scaled(2, factor=3) == 6.0 and v.scaled(2.0, offset=1.0, factor=3) == 7.0


def check_a_named_struct_of_another_name_is_a_record(v):
    assert v.styled(1, (5, True)) == v.styled(1, {"size": 5}) == v.styled(1, style=v.Style(5)) == 6
    assert v.styled(1, {}) == v.styled(1, v.Style()) == 11
    raises(TypeError, "style", v.styled, 1)
    raises(TypeError, "size", v.styled, 1, size=5)


def check_wrong_options_are_named(v):
    raises(TypeError, "factor", v.scaled, 2.0)
    raises(TypeError, "factor", v.scaled, 2.0, offset=1.0)
    raises(TypeError, "scaled()", v.scaled, 2.0, 3.0)
    raises(TypeError, "size", v.scaled, 2.0, factor=1.0, size=1)
    raises(TypeError, "settings", v.only_options, settings=(1, 2))
    raises(TypeError, "ratio", v.every_option, 1, ratio="x")
    raises(OverflowError, "limit", v.every_option, 1, limit=-1)
    raises(TypeError, "loud", v.every_option, 1, loud=1)
    raises(ValueError, "middle", v.every_option, 1, level="loud")


def check_text_from_anything_with_bytes(v):
    data = "größe 🦎".encode()
    for value in ("größe 🦎", data, bytearray(data), memoryview(data), array.array("B", data), memoryview(data)[:]):
        assert v.echo(value) == "größe 🦎", value
    for value in ("", b"", bytearray(), memoryview(b"")):
        assert v.echo(value) == ""
    assert v.terminated("abc") == v.terminated(b"abc") == v.terminated(bytearray(b"abc")) == 3
    assert v.terminated(memoryview(b"abcdef")[:3]) == 3
    raises(ValueError, "embedded null character", v.terminated, "a\0b")
    for value in (1, None, 1.5, [], ["a"], [97], object()):
        raises(TypeError, "argument 'text': expected str", v.echo, value)
        raises(TypeError, type(value).__name__, v.echo, value)
    raises(TypeError, None, v.echo, memoryview(b"abcdef")[::2])
    raises(UnicodeEncodeError, None, v.echo, "\ud800")


def check_a_result_that_is_no_text_is_refused(v):
    error = raises(UnicodeDecodeError, None, v.no_text)
    assert error.object == b"\xff\xfe" and error.start == 0
    raises(UnicodeDecodeError, None, v.echo, b"ab\xff")


def check_bytes_stay_bytes(v):
    for value in (b"\xff\x00a", bytearray(b"\xff\x00a"), memoryview(b"\xff\x00a")):
        assert v.reversed(value) == b"a\x00\xff" and type(v.reversed(value)) is bytes
    assert v.reversed(b"") == b""
    for value in ("text", 3, None, [1, 2]):
        raises(TypeError, type(value).__name__, v.reversed, value)


def check_bytes_are_changed_in_place(v):
    text = bytearray(b"loud")
    assert v.shout(text) is None and text == b"LOUD"
    text = bytearray(b"one two")
    assert v.shouted(memoryview(text)[4:]) == "TWO" and text == b"one TWO"
    letters = array.array("B", b"abc")
    v.shout(letters)
    assert letters.tobytes() == b"ABC"
    for value in (b"fixed", memoryview(b"fixed"), memoryview(bytearray(b"fixed")).toreadonly()):
        raises(BufferError, "text", v.shout, value)
        assert bytes(value) == b"fixed"
    for value in ("text", 1, None, [97]):
        raises(TypeError, type(value).__name__, v.shout, value)


def check_arrays_of_fixed_length(v):
    assert v.flip(b"abcd") == v.flip(bytearray(b"abcd")) == v.flip(memoryview(b"abcd")) == b"dcba"
    assert type(v.flip(b"\0\xff\0\xfe")) is bytes
    for value in (b"abc", b"abcde", b"", "abcd", 4, None):
        raises(TypeError, "word", v.flip, value)
    word = bytearray(b"abcd")
    assert v.flip(word) == b"dcba"
    word.append(1)  # It is no longer exported.
    raises(TypeError, "word", v.flip, word)
    word.append(2)
    assert v.twice((1, 2.5, 3)) == v.twice([1, 2.5, 3]) == (2.0, 5.0, 6.0)
    for value in ((1, 2), [1, 2, 3, 4], (), 3.0, None, "abc", (1, "b", 3)):
        raises(TypeError, "numbers", v.twice, value)
    assert v.transposed([(1, 2), [3, 4]]) == ((1, 3), (2, 4))
    raises(OverflowError, "matrix", v.transposed, ((1, 2), (3, 2**31)))
    raises(TypeError, "matrix", v.transposed, ((1, 2), (3,)))
    assert v.words(("é", b"a")) == ("a", "é")


def check_slices_of_anything_are_lists(v):
    assert v.lengths(["a", "", b"abc"]) == [1, None, 3] == v.lengths(("a", "", bytearray(b"abc")))
    assert v.lengths([]) == [] == v.lengths(()) and type(v.lengths([])) is list
    assert v.sorted(["b", "größe", "a"]) == ["a", "b", "größe"]
    assert v.sorted([str(number) for number in range(1000)]) == sorted(map(str, range(1000)))
    assert v.sum_of_some([1, None, 2.5]) == 3.5 and v.sum_of_some([]) == 0.0
    assert v.sums([[1, 2], (), array.array("d", [3.5])]) == [3.0, 0.0, 3.5]
    assert v.levels(4) == ["low", "middle", "high", "low"] and v.levels(0) == []
    for value in ("abc", {"a": 1}, {"a"}, iter(["a"]), 1, None):
        raises(TypeError, type(value).__name__, v.sorted, value)
    raises(TypeError, "texts", v.sorted, ["a", 1])
    raises(TypeError, "texts", v.sorted, ["a", None])
    raises(UnicodeDecodeError, None, v.sorted, ["a", b"\xff"])
    raises(TypeError, "numbers", v.sum_of_some, [1, "2"])


class Meddler:
    """Empties the list that it is in while the list is converted."""

    def __init__(self, owner):
        self.owner = owner

    def __float__(self):
        self.owner.clear()
        return 1.0


def check_a_list_that_changes_meanwhile_does_no_harm(v):
    for function in (v.sum_of_some, v.twice, v.sums):
        for _ in range(50):
            owner = []
            meddler = Meddler(owner)
            row = [meddler, 1.5, [2.5] * 3] if function is v.sums else [meddler, 2.5, 3.5]
            owner.extend([row] if function is v.sums else row)
            try:
                function(owner)
            except Exception:
                pass


def check_records_are_named_tuples(v):
    point = v.Point(1.0, y=3.0)
    assert point == (1.0, 3.0) and (point.x, point.y) == (1.0, 3.0) and isinstance(point, tuple)
    assert repr(point) == "Point(x=1.0, y=3.0)" and v.Point(1.0) == (1.0, 2.0)
    assert v.Point._fields == ("x", "y") and v.Point._field_defaults == {"y": 2.0}
    assert point._replace(x=5.0) == v.Point(5.0, 3.0) and point._asdict() == {"x": 1.0, "y": 3.0}
    assert v.Point.__name__ == "Point" and v.Point.__module__ == "values" and "A place in the plane." in v.Point.__doc__
    raises(TypeError, None, v.Point)
    raises(TypeError, None, v.Point, 1.0, 2.0, 3.0)
    raises(AttributeError, None, setattr, point, "x", 2.0)
    assert v.Segment._fields == ("start", "end", "name") and not v.Segment._field_defaults
    x, y = v.moved(point, 1)
    assert (x, y) == (2.0, 3.0)


def check_records_from_tuples_dicts_and_named_tuples(v):
    other = namedtuple("Other", "x y")
    for value in ((1.0, 3.0), (1, 3), {"x": 1, "y": 3.0}, {"y": 3, "x": 1}, v.Point(1.0, 3.0), other(1, 3)):
        moved = v.moved(value, dx=1)
        assert moved == (2.0, 3.0) and type(moved) is v.Point, value
    assert v.moved({"x": 5}, 0) == (5.0, 2.0)
    for value in ({"y": 1}, {}, {"x": 1, "z": 2}, {"x": 1, 5: 2}, {"x": "1"}):
        raises(TypeError, "point", v.moved, value, 1)
    for value in ((1.0,), (1, 2, 3), [1, 2], "xy", None, 1.0):
        raises(TypeError, "point", v.moved, value, 1)
    raises(TypeError, "x", v.moved, {"y": 1}, 1)
    raises(TypeError, "z", v.moved, {"x": 1, "z": 2}, 1)


def check_records_within_records_and_lists(v):
    segment = ((1, 2), {"x": 3}, "way")
    turned = v.turned(segment)
    assert turned == ((3.0, 2.0), (1.0, 2.0), "way") and type(turned) is v.Segment
    assert type(turned.start) is v.Point and turned.end.x == 1.0
    assert repr(turned) == "Segment(start=Point(x=3.0, y=2.0), end=Point(x=1.0, y=2.0), name='way')"
    assert v.turned({"name": None, "start": v.Point(1, 2), "end": (3, 4)}) == ((3, 4), (1, 2), None)
    raises(TypeError, "segment", v.turned, ((1, 2), (3,), None))
    raises(TypeError, "name", v.turned, {"start": (1, 2), "end": (3, 4)})
    assert v.centre([(1, 2), {"x": 3, "y": 4}, v.Point(5, 6)]) == (3.0, 4.0) and v.centre(()) is None
    raises(TypeError, "points", v.centre, [(1, 2), 3])
    points = v.grid(3)
    assert type(points) is list and points == [(0, -1), (1, -1), (2, -1)] and type(points[0]) is v.Point


def check_a_result_without_a_name_of_its_own(v):
    found = v.statistics([1.0, 2.0, 3.0])
    assert (found.count, found.mean, list(found.squares), found.label) == (3, 2.0, [1.0, 4.0, 9.0], "3 numbers")
    assert isinstance(found, tuple) and type(found)._fields == ("count", "mean", "squares", "label")
    assert type(v.statistics([])) is type(found) and v.statistics([]).mean is None
    assert "count=3, mean=2.0" in repr(found)


def check_enums_are_names(v):
    assert v.Level == ("low", "middle", "high")
    assert v.raised("low") == "middle" and v.raised(level="middle") == "high" and v.raised("high") is None
    for value in ("loud", "", "LOW", "low ", "low\0"):
        message = str(raises(ValueError, "level", v.raised, value))
        assert all(name in message for name in v.Level), message
    for value in (0, None, b"low", 1.0, ("low",)):
        raises(TypeError, "level", v.raised, value)


def check_tagged_unions_are_pairs(v):
    shapes = [("circle", 2.0), ("rectangle", (3.0, 4.0)), ("label", "é"), ("nothing", None)]
    for shape in shapes:
        assert v.same_shape(shape) == shape and type(v.same_shape(shape)) is tuple
    assert v.areas(shapes) == [12.0, 12.0, None, None]
    rectangle = v.same_shape(("rectangle", {"height": 1, "width": 2}))
    assert rectangle == ("rectangle", (2.0, 1.0)) and rectangle[1].height == 1.0
    message = str(raises(ValueError, "shape", v.same_shape, ("square", 1.0)))
    assert all(name in message for name in ("circle", "rectangle", "label", "nothing")), message
    for value in ("circle", ("circle",), ("circle", "x"), ("circle", 1, 2), ("nothing", 1), (1, 2), None):
        raises(TypeError, "shape", v.same_shape, value)


def check_the_edges_of_integers(v):
    for function, low, high in (
        (v.u1_, 0, 1),
        (v.i1_, -1, 0),
        (v.u128_, 0, 2**128 - 1),
        (v.i128_, -(2**127), 2**127 - 1),
    ):
        for value in (low, high, low // 2, high // 3):
            assert function(value) == value and function(Index(value)) == value and type(function(value)) is int
        for value in (low - 1, high + 1, 2**300, -(2**300)):
            raises(OverflowError, "number", function, value)
        for value in (0.0, "0", None, b"0"):
            raises(TypeError, "argument 'number': expected int, got " + type(value).__name__, function, value)
        raises(LookupError, "mine", function, Index(LookupError("mine")))

    class Odd(int):
        def __rshift__(self, other):
            return 0

    assert v.u128_(Odd(2**100)) == 2**100 and v.i128_(Index(Odd(-(2**100)))) == -(2**100)
    assert v.pair((-(2**127), "a")) == ("a", -(2**127)) and v.pair((0, None)) == (None, 0)


def check_submodules(v):
    assert type(v.part) is type(sys) and v.part.__name__ == "values.part" and v.part.__doc__ == "A part of the whole."
    assert v.part.double(21) == 42 and v.part.double(number=1) == 2 and v.part.double.__doc__ == "Twice a number."
    assert v.part.double.__module__ == "values.part" and v.part.greet(name="Ada") == "Hello, Ada!"
    assert (v.part.answer, v.part.title, v.part.Colour) == (42, "part", ("red", "green"))
    assert raises(v.ZigError, "InPart", v.part.fail).name == "InPart"
    assert v.part.deeper.depth() == 2 and v.part.deeper.__name__ == "values.part.deeper"
    assert v.part.deeper.__doc__ == "Deeper still." and v.part.deeper.depth.__doc__ == "How deep it is."
    assert v.part.Stamp(1, month=2) == (1, 2) and v.part.birthday() == (24, 12)
    assert v.Stamp is v.part.Stamp is type(v.part.birthday())
    for name in ("std", "hidden", "zigimport", "Allocator"):
        assert not hasattr(v, name), name
    from values import part

    assert part is v.part


def check_structs_without_fields_are_submodules(v):
    assert type(v.units) is type(sys) and v.units.__name__ == "values.units"
    assert v.units.__doc__ == "Lengths in metres." and v.units.inches.__doc__ == "From inches."
    assert (v.units.inch, v.units.label, v.units.inches(2)) == (0.0254, "metres", 0.0508)
    assert v.units.wide.miles(count=2) == 2 * v.units.wide.mile == 3218.688


def check_an_allocator_in_any_place(v):
    assert v.joined("a", "é") == "aé" and v.repeated("xy", 3) == "xyxyxy"
    text = "x" * 1_000_000
    assert growth_kib(lambda: v.joined(text, text), 10, 200) < 8192
    assert growth_kib(lambda: v.lengths(["a"] * 10_000), 10, 200) < 8192


def check_results_of_callables(v):
    assert v.apply(lambda x: x * 2, 1.5) == 3.0 and v.apply(f=abs, x=-1) == 1.0
    assert v.ask(lambda: -(2**63)) == -(2**63) and v.ask(lambda: Index(3)) == 3
    assert v.ask_bool(lambda: True) is True and v.ask_bool(bool) is False
    assert v.ask_maybe(lambda: None) is None and v.ask_maybe(lambda: 5) == 5
    told = []
    assert v.tell(lambda *values: told.append(values), "é", 3) is None and told == [("é", 3, True)]
    assert v.each(lambda index: index * 2, 4) == 12
    assert v.apply(lambda x: v.apply(abs, x), -2.5) == 2.5


def check_exceptions_of_callables_pass_unchanged(v):
    class Mine(BaseException):
        pass

    for error in (LookupError("mine"), Mine(), KeyboardInterrupt(), v.ZigError("x"), StopIteration(3)):

        def fails(*_, error=error):
            raise error

        assert raises(type(error), None, v.ask, fails) is error
        assert error.__traceback__.tb_next is not None
        assert raises(type(error), None, v.each, fails, 3) is error
        assert v.attempt(fails) == -1
    assert v.attempt(lambda: 7) == 7
    raises(ZeroDivisionError, None, v.apply, lambda x: x / 0, 1.0)
    raises(TypeError, None, v.ask, lambda: "text")
    raises(TypeError, None, v.ask, lambda: None)
    raises(OverflowError, None, v.ask, lambda: 2**63)
    raises(TypeError, None, v.apply, lambda: 1.0, 2.0)
    for value in (None, 1, "abs", [abs]):
        raises(TypeError, type(value).__name__, v.apply, value, 1.0)


def check_callables_are_let_go(v):
    class Function:
        def __call__(self, *_):
            return 1

    function = Function()
    before = sys.getrefcount(function)
    for _ in range(100):
        v.each(function, 3), v.attempt(function), v.tell(function, "a", 1)
    assert sys.getrefcount(function) == before
    # A number is let go at once.
    number, counts = 2**30, set()
    v.each(lambda _: counts.add(sys.getrefcount(number)) or number, 50)
    assert len(counts) == 1, counts
    assert growth_kib(lambda: v.each(lambda index: index + 2**40, 1000), 10, 100) < 8192


def check_another_thread_runs_while_the_lock_is_released(v):
    flags, answers = bytearray(2), []
    thread = threading.Thread(target=lambda: answers.append(v.wait(flags, TURNS)))
    thread.start()
    deadline = time.monotonic() + 120
    while not flags[1] and time.monotonic() < deadline:
        time.sleep(0.001)
    flags[0] = 1
    thread.join(300)
    assert answers == [True], answers
    flags.append(0)


def check_functions_without_the_lock_convert_and_fail_like_others(v):
    assert v.alone("ab", count=2) == "abab"
    raises(ValueError, None, v.alone, "ab", 0)
    raises(TypeError, "count", v.alone, "ab", "2")
    answers = []
    work = lambda: answers.extend(v.alone("abc", 1000) == "abc" * 1000 for _ in range(300))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 1200


def check_what_is_skipped_is_listed_with_its_reason(v):
    skipped = dict(v.__zigimport_skipped__)
    assert all(not hasattr(v, name) for name in skipped)
    for name, reason in {
        "generic": "`anytype`",
        "typed": "`type`",
        "pointer": "`*u8`",
        "many": "`[*]const u8`",
        "opaque_result": "result",
        "too_wide": "`u129`",
        "alone_with_callable": "Callable",
    }.items():
        assert reason in skipped.pop(name), (name, v.__zigimport_skipped__)
    assert not skipped


def check_errors_are_exceptions(v):
    raises(IndexError, None, v.fail, "IndexError")
    raises(MemoryError, None, v.fail, "OutOfMemory")
    error = raises(v.ZigError, "Other", v.fail, name="x")
    assert error.name == "Other" and isinstance(error, RuntimeError)


if __name__ == "__main__":
    support.run(values, globals(), sys.argv[1:])
