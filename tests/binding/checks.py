"""What a module of `geometry.zig` must do, checked inside one interpreter.

``python checks.py NAME`` imports the module through the hook and runs the check
of that name. It has to run on every supported Python.
"""

import gc
import importlib.util
import inspect
import sys
import weakref

import zigimport  # noqa: F401, I001 - installs the hook

import geometry
import support
from support import Index, raises, resident_kib

INTEGERS = {
    "u1_": (0, 1),
    "i1_": (-1, 0),
    "u7_": (0, 127),
    "i8_": (-128, 127),
    "u32_": (0, 2**32 - 1),
    "i33_": (-(2**32), 2**32 - 1),
    "u63_": (0, 2**63 - 1),
    "u64_": (0, 2**64 - 1),
    "i64_": (-(2**63), 2**63 - 1),
    "usize_": (0, 2**64 - 1),
    "isize_": (-(2**63), 2**63 - 1),
    "u65_": (0, 2**65 - 1),
    "i100_": (-(2**99), 2**99 - 1),
    "i128_": (-(2**127), 2**127 - 1),
    "u128_": (0, 2**128 - 1),
}


def check_integers_of_every_width(g):
    for name, (low, high) in INTEGERS.items():
        function = getattr(g, name)
        inside = {low, high, 0, low // 3, high // 3, high // 7, high - 1 if high else 0, low // 2**40}
        for value in inside:
            assert function(value) == value and type(function(value)) is int, (name, value, function(value))
            assert function(Index(value)) == value
        for value in (low - 1, high + 1, 2**200, -(2**200), high + 2**64, low - 2**64):
            raises(OverflowError, name + "() argument 'a': out of range for", function, value)
        for value in (1.0, "1", None, b"1", [], 1j):
            raises(TypeError, "argument 'a': expected int, got " + type(value).__name__, function, value)
        raises(LookupError, "mine", function, Index(LookupError("mine")))
    raises(OverflowError, "u7_() argument 'a': out of range for u7 (0 to 127)", g.u7_, 128)
    assert g.add(True, 2) == 3 and g.plus(2, 3) == 5 and g.exported(21) == 42


def check_floats(g):
    assert g.area(2, 3.5) == 7.0 and g.area(1e308, 10) == float("inf")
    raises(TypeError, "area() argument 'w': expected float, got str", g.area, "1", 2)
    raises(TypeError, "area() argument 'h': expected float, got NoneType", g.area, 1, None)
    raises(OverflowError, "out of range for f64", g.area, 10**400, 1)
    assert g.f32_(1.5) == 1.5 and g.f16_(0.25) == 0.25 and g.f32_(float("inf")) == float("inf")
    assert g.f32_(0.1) != 0.1 and abs(g.f32_(0.1) - 0.1) < 1e-8 and g.f32_(-1.0) == -1.0
    raises(OverflowError, "out of range for f32", g.f32_, 1e39)
    raises(OverflowError, "out of range for f16", g.f16_, 70000.0)


def check_bool_and_text(g):
    assert g.invert(True) is False and g.invert(False) is True
    for value in (0, 1, None, "x"):
        raises(TypeError, "expected bool, got " + type(value).__name__, g.invert, value)
    for value in ("", "a", "größe 🦎", "a\0b", "x" * 100_000):
        assert g.echo(value) == value and g.echo(value.encode()) == value
    assert g.echoz("héllo") == "héllo" == g.echoz("héllo".encode()) and g.echoz("") == ""
    raises(ValueError, "echoz() argument 's': embedded null character", g.echoz, "a\0b")
    raises(TypeError, "expected str or bytes-like object, got int", g.echo, 1)
    raises(UnicodeEncodeError, None, g.echo, "\ud800")
    raises(UnicodeDecodeError, None, g.bad)
    assert g.literal() == "héll"


def check_optionals_tuples_and_allocators(g):
    assert g.maybe(None) is None and g.maybe(4) == 8 and g.nothing() is None
    raises(TypeError, "expected int or None, got str", g.maybe, "x")
    assert g.maybeText(None) is None and g.maybeText("é") == "é"
    assert g.swap((1, "a")) == ("a", 1)
    for value in ([1, "a"], (1,), (1, "a", 2), None):
        raises(TypeError, "expected tuple (int, str or bytes-like object), got", g.swap, value)
    raises(TypeError, "item '0': expected int, got str", g.swap, ("a", 1))
    raises(OverflowError, "item '0': out of range for i32 (", g.swap, (2**31, "a"))
    assert g.upper("grid") == "GRID" and g.aligned(1000) == 2000


def check_errors_become_exceptions(g):
    assert g.fail(0) == 7 and g.check(True) is None
    error = raises(g.ZigError, "Negative", g.fail, 1)
    assert error.name == "Negative" and str(error) == "Negative" and error.args == ("Negative",)
    assert isinstance(error, RuntimeError) and repr(g.ZigError) == "<class 'geometry.ZigError'>"
    assert raises(g.ZigError, None, g.check, False).name == "Nope"
    for kind, class_ in ((2, MemoryError), (3, ValueError), (4, KeyError), (5, ZeroDivisionError)):
        raises(class_, None, g.fail, kind)


def check_arguments_are_counted(g):
    raises(TypeError, "area() takes 2 positional arguments (3 given)", g.area, 1, 2, 3)
    raises(TypeError, "area() missing required argument 'h'", g.area, 1)
    raises(TypeError, "nothing() takes 0 positional arguments (1 given)", g.nothing, 1)
    raises(TypeError, "u1_() missing required argument", g.u1_)
    assert g.area(h=2, w=1) == g.area(1, 2)


def check_documentation_and_signatures(g):
    assert g.__doc__ == "Plane geometry." and g.area.__doc__ == "Doc of area." and g.area.__module__ == "geometry"
    assert str(inspect.signature(g.area)) == "(w, h)" and str(inspect.signature(g.nothing)) == "()"
    assert str(inspect.signature(g.upper)) == "(s)" and str(inspect.signature(g.plus)) == "(a, b)"
    assert str(inspect.signature(g.keyword)) == "(lambda_, arg1, for_)" and g.keyword(1, 2, for_=3) == 4


def check_constants(g):
    assert (g.pi, g.answer, g.big, g.huge, g.small) == (3.5, 42, 2**63, -(2**100), 7)
    assert g.flag is True and g.name == "geo" and g.title == "Géo"
    for name in ("enormous", "old", "std", "generic", "state"):
        assert not hasattr(g, name), name
    assert g.none_now is None and g.stripped() is True


def check_what_is_skipped_is_listed_with_its_reason(g):
    skipped = dict(g.__zigimport_skipped__)
    assert skipped == {
        "enormous": "constant: type `comptime_int`",
        "generic": "parameter 1: type `anytype`",
        "typed": "parameter 1: type `type`",
        "max": "parameter 1: type `type`",
    }


def check_references_and_memory_stay_level(g):
    text, number, pair, index = "größe" * 50, 2**70, (7_000_000, "ab" * 40), Index(5_000_000)
    objects = (text, number, pair, pair[1], index, None, True, g, g.ZigError)
    refused = (
        (g.fail, 1),
        (g.fail, 3),
        (g.u7_, number),
        (g.u7_, text),
        (g.i128_, 2**200),
        (g.swap, (1, 2)),
        (g.area, 1),
        (g.bad,),
        (g.echoz, "a\0"),
    )

    def round_of_calls():
        g.echo(text), g.i100_(number), g.swap(pair), g.maybe(None), g.invert(True), g.u64_(index)
        g.upper(text), g.aligned(300), g.area(1, 2), g.u65_(index)
        for function, *arguments in refused:
            try:
                function(*arguments)
            except Exception:
                pass
            else:
                raise AssertionError((function, arguments))

    for _ in range(300):
        round_of_calls()
    gc.collect()
    before, resident = [sys.getrefcount(one) for one in objects], resident_kib()
    for _ in range(3000):
        round_of_calls()
    gc.collect()
    after = [sys.getrefcount(one) for one in objects]
    # None and True are shared with everything else and move a little; a leak per call would be 3000.
    assert all(abs(left - right) < 500 for left, right in zip(before, after)), (before, after)
    assert before[:5] == after[:5], (before, after)
    assert resident_kib() - resident < 1024, (resident, resident_kib())


def load_again(path):
    """Makes a further module object of a library."""
    spec = importlib.util.spec_from_file_location("geometry", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_module_objects_are_collected_and_have_classes_of_their_own(g):
    classes = []
    for _ in range(50):
        module = load_again(g.__file__)
        assert module.ZigError is not g.ZigError
        classes.append(weakref.ref(module.ZigError))
        raises(module.ZigError, None, module.fail, 1)
    del module
    gc.collect()
    assert sum(one() is not None for one in classes) <= 1, "modules are not collected"


IN_A_SUBINTERPRETER = """
import importlib.util
spec = importlib.util.spec_from_file_location("geometry", {path!r})
g = importlib.util.module_from_spec(spec)
spec.loader.exec_module(g)
assert g.add(1, 2) == 3
try:
    g.fail(1)
except g.ZigError as error:
    assert error.name == "Negative"
else:
    raise AssertionError("no error")
"""


def check_it_works_in_further_interpreters(g):
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        return  # Python 3.13 has no such module; 3.14 has a public one.
    for _ in range(3):
        interpreter = interpreters.create(isolated=False)
        interpreters.run_string(interpreter, IN_A_SUBINTERPRETER.format(path=g.__file__))
        interpreters.destroy(interpreter)


def check_calls_from_many_threads(g):
    import threading

    answers = []

    def work():
        for number in range(2000):
            assert g.upper("abc") == "ABC" and g.add(number, 1) == number + 1
            raises(g.ZigError, "Negative", g.fail, 1)
        answers.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 4


if __name__ == "__main__":
    support.run(geometry, globals(), sys.argv[1:])
