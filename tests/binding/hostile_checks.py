"""What a module of `hostile.zig` must survive, checked inside one interpreter.

``python hostile_checks.py NAME…`` imports the module through the hook and runs the
checks of these names. It has to run on every supported Python, and with its debug
allocator, which fills freed memory with other bytes.
"""

import array
import gc
import importlib
import inspect
import operator
import pickle
import sys
import threading
import time
import weakref

import zigimport  # noqa: F401, I001 - installs the hook

import hostile
import support
from support import raises


class Acts:
    """A number, of any type, that does something when it is asked for."""

    def __init__(self, action, value):
        self.action = action
        self.value = value

    def __index__(self):
        self.action()
        return self.value

    def __float__(self):
        self.action()
        return float(self.value)


def churn():
    """Makes objects that take the place of freed memory."""
    return [bytes([90]) * size for size in range(1, 600)]


def refused(attempt, message="in use"):
    """Returns a callable that expects a `RuntimeError` of ``attempt``, and the list of those."""
    errors = []
    return lambda *_: errors.append(raises(RuntimeError, message, attempt)), errors


def forms_of_calls(h):
    """What calls something with a `Vec` and a number, in every way."""
    return (
        lambda vec, number: vec.at(number),
        lambda vec, number: vec.at(index=number),
        lambda vec, number: vec.at_option(index=number),
        lambda vec, number: vec.append(number),
        lambda vec, number: vec.__setitem__(5, number),
        lambda vec, number: number in vec,
        lambda vec, number: vec[number],
        lambda vec, number: h.first_of(vec, number),
        lambda vec, number: h.first_of(index=number, vec=vec),
        lambda vec, number: h.copy_of(vec, number),
        lambda vec, number: h.between(number, vec, 0),
        lambda vec, number: h.between(0, vec, number),
    )


def check_an_argument_that_closes_the_object(h):
    for call in forms_of_calls(h):
        vec = h.Vec([1.0] * 100)
        raises((ValueError, RuntimeError), None, call, vec, Acts(vec.__exit__, 7))
        try:
            assert len(vec) == 100  # An index is asked for when the object is in use already.
        except ValueError as error:
            assert "closed" in str(error)
        churn()
    vec = h.Vec([1.0] * 100)
    raises((ValueError, RuntimeError), None, vec.__setitem__, Acts(vec.__exit__, 7), 1.0)


def check_an_argument_that_makes_the_object_anew(h):
    for call in forms_of_calls(h):
        vec = h.Vec([1.0] * 100)
        try:
            answer = call(vec, Acts(lambda vec=vec: vec.__init__([7.0] * 200), 7))
        except (ValueError, RuntimeError):
            assert len(vec) in (100, 200)
        else:
            assert answer in (None, 7.0, True) and len(vec) in (200, 201)
        assert {vec[0], vec[50]} <= {1.0, 7.0}
        churn()


def check_an_argument_that_shrinks_the_object(h):
    vec = h.Vec([1.0] * 1000)
    kinds = (IndexError, ValueError, RuntimeError)
    raises(kinds, None, vec.__setitem__, 999, Acts(lambda: vec.__init__([2.0]), 7))
    vec.__init__([1.0] * 1000)
    raises(kinds, None, vec.__getitem__, Acts(lambda: vec.__init__([2.0]), 999))
    vec.__init__([1.0] * 1000)
    raises(kinds, None, vec.__setitem__, Acts(lambda: vec.__init__([2.0]), 999), 7.0)


def check_the_value_of_a_field_makes_the_object_anew(h):
    person = h.Person("first" * 10, "last" * 10)
    try:
        person.age = Acts(lambda: person.__init__("new first" * 10, "new last" * 10, 1), 7)
    except RuntimeError:
        pass
    churn()
    assert (person.first, person.last) in (("new first" * 10, "new last" * 10), ("first" * 10, "last" * 10))


def while_it_runs(h, call, attempts):
    """Runs a call in another thread, and checks meanwhile that it blocks ``attempts``."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    try:
        deadline = time.monotonic() + 120
        while not h.waits() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert h.waits()
        for attempt in attempts:
            raises(RuntimeError, "in use", attempt)
        assert h.waits()
    finally:
        h.go_on()
        thread.join(120)
    assert answers == [3.0], answers


def check_a_call_in_another_thread_keeps_its_objects_open(h):
    vec = h.Vec([3.0] * 1000)
    changes = (vec.__exit__, lambda: vec.__init__([4.0]), lambda: vec.append(1.0), lambda: vec.extend(h.Vec([1.0])))
    uses = (lambda: len(vec), lambda: vec[0], lambda: h.copy_of(vec, 0), lambda: h.Vec([1.0]).extend(vec))
    while_it_runs(h, lambda: h.hold(vec), changes + uses)
    while_it_runs(h, vec.hold, changes + uses)
    while_it_runs(h, lambda: h.watch(vec), changes)
    while_it_runs(h, lambda: h.hold_copy(vec), changes)
    while_it_runs(h, lambda: h.watch(vec), [lambda: (len(vec), vec[0]) == (1000, 3.0) and vec.__exit__()])
    vec.append(1.0)
    assert len(vec) == 1001 and vec.__exit__() is None


def check_a_callable_cannot_close_the_objects_of_the_call(h):
    vec = h.Vec([3.0] * 1000)
    for attempt in (vec.__exit__, lambda: vec.__init__([4.0]), lambda: vec.append(4.0)):
        callback, errors = refused(attempt)
        assert h.first_after(vec, callback) == vec.with_callable(f=callback) == vec.read_with(callback) == 3.0
        assert len(errors) == 3
    callback, errors = refused(lambda: len(vec))
    assert h.first_after(vec, callback) == vec.with_callable(f=callback) == 3.0 and len(errors) == 2
    callback, errors = refused(vec.__exit__)
    assert h.sum_after(vec, lambda: callback() or len(vec)) == 1003.0 and len(errors) == 1
    # What the callable returns is converted during the call.
    assert h.sum_after(vec, lambda: Acts(callback, 1)) == 4.0 and len(errors) == 2
    assert h.first_after(vec, vec.__exit__) == vec.with_callable(f=vec.__exit__) == 3.0
    raises(RuntimeError, "in use", h.sum_after, vec, vec.__exit__)
    assert vec.with_callable() == vec.read_with(None) == 3.0 and vec.__exit__() is None


def check_an_object_cannot_be_changed_and_read_by_one_call(h):
    vec = h.Vec([1.0, 2.0])
    raises(RuntimeError, "in use", vec.extend, vec)
    vec.extend(h.Vec([3.0]))
    assert list(vec) == [1.0, 2.0, 3.0]


def check_allocators_without_the_lock(h):
    pool = h.Pool(100)
    for number in range(2000):
        pool.push(number)
        pool.push_locked(number)
    assert pool.sum() == 99 * 50 + 1999 * 2000 and pool.described() == "4100 items"
    pool.__init__(10)
    pool.push(5)
    assert pool.sum() == 50
    pool = h.new_pool(10)
    pool.push(5)
    pool.push_locked(5)
    assert pool.sum() == 55
    vec = h.new_vec([1.0] * 10)
    for number in range(1000):
        vec.append(number)
    assert len(vec) == 1010
    vec.__init__([2.0] * 10)
    vec.append(1.0)
    assert len(vec) == 11
    with h.Pool(1000) as pool:
        pool.push(1)
    raises(ValueError, "closed", pool.push, 1)


def check_an_allocator_that_an_object_keeps_without_the_lock(h):
    ledgers = [h.Ledger() for _ in range(4)]
    threads = [threading.Thread(target=lambda one=one: [h.fill(one, n) for n in range(1, 500)]) for one in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.grow(3)
        assert h.fill(ledger, 700) == 700


def check_what_a_callable_is_shown_stays_the_function_s(h):
    shown = []
    assert h.show_and_free(shown.append) == 1.5
    list_of = h.show_and_free(lambda values: shown.clear() or churn()), churn()
    assert list_of[0] == 1.5
    assert h.show_and_free(shown.append) == 1.5
    values, (pair, count), view = shown
    assert list(values) == list(pair) == [1.5] * 1000 and count == 1 and memoryview(view).tolist() == [[1.5] * 100] * 10
    assert h.show_argument([2.5, 1.0], lambda values: churn()) == 2.5


def check_an_instance_that_a_callable_returns_is_copied(h):
    assert h.copy_of_instance(h.Plain) == 1
    raises(TypeError, "Plain", h.copy_of_instance, h.Keyed)


def check_callables_inside_other_types(h):
    for function in (h.optional_callable, lambda f: h.callable_option(f=f), lambda f: h.callable_list([f])):
        assert function(lambda: 2) == 2.0
        assert function(lambda: 1 / 0) == -1.0 and function(lambda: "no number") == -1.0
        raises(TypeError, "callable", function, 5)
    assert h.optional_callable(None) == h.callable_option() == h.callable_option(f=None) == h.callable_list([]) == 0.0
    assert h.callable_list([lambda: 1, lambda: 1 / 0, lambda: 3]) == 3.0


def check_a_callable_needs_the_lock(h):
    for name in ("nogil_optional", "nogil_option", "nogil_list", "nogil_tuple"):
        assert not hasattr(h, name) and "Callable" in h.__zigimport_skipped__[name], name


def check_another_error_than_that_of_the_callable(h):
    for function in (h.another_error, h.an_error_afterwards):
        assert raises(h.ZigError, "Bad", function, lambda: 1 / 0).name == "Bad"
    raises(ValueError, None, h.another_value_error, lambda: {}[1])
    assert raises(h.ZigError, "Bad", h.an_error_afterwards, lambda: 1).name == "Bad"


def check_an_answer_after_an_exception(h):
    def once_failing(answer):
        calls = []

        def callback():
            calls.append(1)
            if len(calls) == 1:
                raise KeyError(1)
            return answer

        return callback

    for answer in (-1, 0, 2**63 - 1, -(2**63)):
        assert h.second_answer(once_failing(answer)) == answer
    assert h.second_number(once_failing(-1.0)) == h.second_number(once_failing(-1)) == -1.0
    assert h.second_answer(lambda: 1 / 0) == h.second_answer(lambda: 2**63) == -99


def check_functions_with_the_names_of_special_methods(h):
    plain = h.Plain()
    assert h.Plain.len() == plain.len() == 3 and h.Plain.contains("a") and not h.Plain.contains("ab")
    assert h.Plain.next() == 5 and h.Plain.str() == "text" and h.Plain.repr() == "representation"
    assert h.Plain.eql("a", b"a") and h.Plain.hash(key="abc") == 3
    assert h.Plain.getItem(4) == 4 and h.Plain.iterator() == 7
    for function in (len, iter, next, lambda one: 1 in one, lambda one: one[1]):
        raises(TypeError, None, function, plain)
    assert repr(plain) == str(plain) == "Plain(n=1)" and {plain: 1}[plain] == 1 and isinstance(hash(plain), int)
    assert plain == plain and plain != h.Plain() and bool(plain)
    keyed = h.Keyed(2)
    assert keyed.hash("abc") == 5 and {keyed: 1}[keyed] == 1
    odd = h.Unusual()
    assert odd == odd and odd != h.Unusual() and odd != 1 and hash(odd) and bool(odd)
    assert odd.eql(1) is True and odd.contains(1) == 0 and odd.len() == 1.0
    raises(TypeError, None, lambda: 1 in odd)
    raises(TypeError, None, len, odd)
    assert h.Distance() != h.Distance() and h.Distance().eql(h.Distance()) == 0


def check_what_a_method_allocates_for_self_stays(h):
    tree = h.Tree()
    for number in range(100):
        node = tree.add(number + 1000)
        assert node.value() == number + 1000
        raises(RuntimeError, "in use", tree.push, 1)
        del node
        churn()
    assert [tree.get(number) for number in range(100)] == list(range(1000, 1100))
    node = tree.add(5)
    del tree
    gc.collect()
    churn()
    assert node.value() == 5


def check_text_that_fields_share(h):
    person = h.Person("first name, long enough", "last name")
    person.share()
    for letter in "xyz":
        person.first = letter * 23
        churn()
        assert person.last == "first name, long enough" and person.first == letter * 23
    person.last = person.first
    person.share()
    person.last = "short"
    assert person.first == "z" * 23


def check_a_result_keeps_the_arguments(h):
    tree = h.Tree()
    tree.push(123)
    for make in (h.node_of, lambda tree: h.some_node(tree, 0), h.Cursor):
        node = make(tree)
        for change in (lambda: tree.push(1), tree.__init__, lambda: tree.add(1), lambda: h.node_of(tree)):
            raises(RuntimeError, "in use", change)
        assert tree.get(0) == 123
        del node
        tree.push(1)
    assert h.some_node(tree, 4) is None
    raises(IndexError, None, h.some_node, tree, 5)
    tree.push(1)
    node, cursor = h.some_node(tree, 0), h.Cursor(tree)
    raises(RuntimeError, "in use", tree.push, 1)
    del node
    raises(RuntimeError, "in use", tree.push, 1)
    del tree
    gc.collect()
    churn()
    assert cursor.first() == 123
    other = h.Tree()
    other.push(5)
    cursor.__init__(other)
    assert cursor.first() == 5
    raises(RuntimeError, "in use", other.push, 1)
    del cursor
    other.push(1)


def check_a_result_keeps_every_argument(h):
    left, right = h.Token("left, which is long"), h.Token("right")
    picked = h.pick(left, right)
    for token in (left, right):
        raises(RuntimeError, "in use", setattr, token, "text", "other")
        raises(RuntimeError, "in use", token.__init__, "other")
    del left, right, token
    gc.collect()
    churn()
    assert picked.text == "left, which is long"
    left, right = h.Token("left, which is long"), h.Token("right")
    picked = h.pick_some(left, right)
    raises(RuntimeError, "in use", left.__init__, "other")
    assert h.pick_some(None, right).text == "right" and picked.text == "left, which is long"
    picked = h.pick(picked, picked)
    churn()
    assert picked.text == "left, which is long"
    del picked
    left.text = "other"
    left.__init__("another")
    assert h.pick(left, left).text == "another"


def check_an_object_cannot_be_made_of_itself(h):
    chain = h.Chain(None)
    raises(RuntimeError, None, chain.__init__, chain)
    chain.__init__(None)
    other = h.Chain(chain)
    raises(RuntimeError, "in use", chain.__init__, other)
    assert other.last() == 0 and other.n == 1


def check_deinit_runs_once_for_each_object(h):
    def ends(work):
        before = h.ends()
        answer = work()
        gc.collect()
        return h.ends() - before, answer

    assert ends(lambda: getattr(h.Part(5), "with")(6).n) == (2, 11)
    assert ends(lambda: h.new_part(7).n) == ends(lambda: h.some_part(7).n) == (1, 7)
    assert ends(lambda: h.some_part(0)) == (0, None) and ends(lambda: raises(ValueError, None, h.some_part, 1))[0] == 0
    assert ends(lambda: h.number_of(h.Part(3))) == (1, 3)
    part = h.Part(3)
    assert ends(lambda: [h.number_of(part) for _ in range(10)])[0] == 0 and part.n == 3

    def whole():
        one = h.Whole()
        assert not any(hasattr(one, name) for name in ("part", "maybe", "several", "parts"))
        assert one.number() == 5 and "Whole" in repr(one)

    ends(whole)
    assert ends(whole)[0] == 0
    raises(TypeError, None, h.Whole, part=part)
    skipped = h.__zigimport_skipped__
    for name in ("shared_part", "maybe_part", "several_parts", "pair_of_parts", "list_of_parts", "wrapped"):
        assert not hasattr(h, name) and name in skipped, name
    assert "Whole.parts" in skipped


def check_a_constructor_cannot_be_entered_twice(h):
    built = h.Built.__new__(h.Built)
    again, errors = refused(lambda: built.__init__(5, int))
    use, uses = refused(lambda: built.at(0), None)
    built.__init__(1000, lambda: (again(), use()))
    churn()
    assert len(errors) == len(uses) == 1 and built.at(0) == built.at(999) == 65
    built.__init__(2000, lambda: (again(), use()))
    assert len(errors) == len(uses) == 2 and built.at(1999) == 65
    closing, errors = refused(built.__exit__, None)
    built.__init__(3000, closing)
    assert len(errors) == 1 and built.at(2999) == 65
    raises(ZeroDivisionError, None, built.__init__, 10, lambda: 1 / 0)
    raises((RuntimeError, ValueError), None, built.at, 0)
    built.__init__(4000, lambda: None)
    assert built.at(3999) == 65


def check_a_field_cannot_enter_the_constructor(h):
    person = h.Person.__new__(h.Person)
    again, errors = refused(lambda: person.__init__("inner", "inner", 1))
    person.__init__("outer first name", "outer last name", Acts(again, 5))
    churn()
    assert (person.first, person.last, person.age, len(errors)) == ("outer first name", "outer last name", 5, 1)
    use, errors = refused(lambda: (person.first, repr(person)), None)
    write, more = refused(lambda: setattr(person, "first", "inner"), None)
    person.__init__("first", "last", Acts(lambda: (use(), write()), 6))
    churn()
    assert (person.first, person.last, person.age, len(errors), len(more)) == ("first", "last", 6, 1, 1)
    raises(RuntimeError, None, person.__init__, "a", "b", Acts(lambda: person.__init__("c", "d", 1), 7))
    person.__init__("a" * 30, "b" * 30, 8)
    assert (person.first, person.last, person.age) == ("a" * 30, "b" * 30, 8)


def check_a_record_may_have_a_callable(h):
    assert h.number_in((None, 4)) == 4.0 and h.number_in({}) == 3.0
    assert h.number_in((lambda n: n * 2, 4)) == h.number_in({"f": lambda n: n * 2, "n": 4}) == 8.0
    raises(ZeroDivisionError, None, h.number_in, {"f": lambda n: 1 / 0})


def check_a_dict_that_changes_meanwhile(h):
    def clear(sides):
        sides.clear()

    def lose(sides):
        del sides["y"]

    def lose_itself(sides):
        del sides["x"]

    def grow(sides):
        sides.update({str(number): number for number in range(100)})

    def replace(sides):
        sides.update(x=None, y=None, z=None)

    for change in (clear, lose, lose_itself, grow, replace):
        sides = {}
        sides.update(x=Acts(lambda change=change, sides=sides: change(sides), 1), y=10, z=100)
        try:
            answer = h.circumference(sides)
        except TypeError:
            pass
        else:
            assert answer in (111, 103, 6)
    for function in (h.name_in, lambda named: h.names_in([named, named])[0]):
        named = {"name": "".join(["a name ", "that is long"])}
        named["n"] = Acts(lambda named=named: (named.clear(), churn()), 1)
        try:
            assert function(named) == "a name that is long"
        except TypeError:
            pass
    many = [{"name": "first"}, {"name": "".join(["sec", "ond"]), "n": 2}]
    many[0]["n"] = Acts(lambda: (many[1].clear(), many.clear(), churn()), 1)
    try:
        assert h.names_in(many) == ["first", "second"]
    except TypeError:
        pass


def check_a_long_chain_is_freed(h):
    for succ in (h.Chain.succ, h.Chain):
        link = h.Chain(None)
        for _ in range(200_000):
            link = succ(link)
        assert link.n == 200_000 and link.last() == 199_999
        del link
    gc.collect()


def check_arguments_of_a_callable_that_have_no_type(h):
    calls = []
    assert h.comptime_arguments(lambda *values: calls.append(values) or 1) == 1.0
    assert h.two_numbers(lambda *values: calls.append(values) or 1) == 1.0
    assert calls == [(2, 2.5, None, True), (2, 2.5)], calls
    assert [type(value) for value in calls[0]] == [int, float, type(None), bool]


def check_names_that_are_no_identifiers(h):
    odd = h.Odd(5, 2.5)
    assert repr(odd) == "Odd(a%s%n=5, größe=2.5, n=1)" and odd.größe == 2.5 and getattr(odd, "a%s%n") == 5
    odd.größe = 3
    setattr(odd, "a%s%n", 6)
    assert repr(odd) == "Odd(a%s%n=6, größe=3.0, n=1)"
    raises(TypeError, None, setattr, odd, "a%s%n", "5")
    raises(AttributeError, None, delattr, odd, "a%s%n")
    raises(TypeError, None, h.Odd, "5")
    raises(IndexError, "Odd", odd.__getitem__, 1)
    very = getattr(h, "Very%s%n")(1)
    assert repr(very) == "Very%s%n(n=1)" and very[0] == 1
    raises(IndexError, "Very%s%n", very.__getitem__, 1)
    raises(TypeError, None, very.__getitem__, "1")
    raises(TypeError, None, getattr(h, "Very%s%n"), "1")


def check_a_class_of_a_large_alignment(h):
    if hasattr(h, "Aligned"):
        many = [h.Aligned() for _ in range(20)]
        assert [one.sum() for one in many] == [h.aligned_sum(one) for one in many] == [8.0] * 20
    else:
        assert "aligned_sum" in h.__zigimport_skipped__ and not hasattr(h, "aligned_sum")


def check_the_reason_why_a_class_is_left_out(h):
    if not hasattr(h, "Aligned"):
        assert "align" in h.__zigimport_skipped__["Aligned"]


def check_bytes_that_are_no_bool(h):
    def bools(*values):
        return memoryview(bytes(values)).cast("?")

    assert h.count_true(bools(1, 0, 1, 1)) == h.count_true_in(bools(1, 0, 1, 1)) == 3
    assert h.count_true(bools()) == h.count_true_in(bools()) == 0
    for place in range(4):
        values = [1, 0, 1, 1]
        for value in (2, 4, 128, 255):
            values[place] = value
            raises(TypeError, "bool", h.count_true, bools(*values))
    assert h.count_true([True, False]) == 1


def check_bytes_that_are_no_bool_in_a_view(h):
    def bools(*values):
        return memoryview(bytes(values)).cast("?")

    for values in ((2, 0), (0, 255), (1, 3)):
        raises(TypeError, "bool", h.count_true_in, bools(*values))
        raises(TypeError, "bool", h.count_true_in, bools(*values)[::-1])
        raises(TypeError, "bool", h.count_true_in_two, memoryview(bytes(values * 2)).cast("?", (2, 2)))
    assert h.count_true_in_two(memoryview(bytes([1, 0, 1, 1])).cast("?", (2, 2))) == 3
    # Only the elements count, not what lies between or beside them.
    assert h.count_true_in(bools(1, 2, 0, 3, 1, 4)[::2]) == 2
    assert h.count_true_in(bools(*[1] * 5000)[::-1]) == 5000
    assert h.count_true_in(bools(2, 1, 0, 1, 2)[1:4]) == h.count_true_in(bools(2, 1, 0, 1, 2)[3:0:-1]) == 2


def check_a_negative_length(h):
    negative = h.Negative()
    for use in (len, bool, list):
        raises(ValueError, None, use, negative)
    for index in (0, -1):
        raises(IndexError, None, operator.getitem, negative, index)
    assert len(h.Negative(2)) == 2 and list(h.Negative(2)) == [0, 1]


def check_comparisons_without_builtins(h):
    names = {"__builtins__": {}, "one": h.Negative(1), "two": h.Negative(2), "same": h.Negative(1)}
    exec("answers = (one == same, one == two, one != two, one == 1, one != None)", names)
    assert names["answers"] == (True, False, True, False, True)


def check_an_enumeration_with_large_values(h):
    assert h.large(1) == "one"
    for number in (2, 2**63 - 1, 2**63, 2**63 + 5, 2**64 - 1):
        raises(ValueError, str(number), h.large, number)
    raises(ValueError, str(2**100), h.huge)
    assert h.nameless_default() == 5 and str(inspect.signature(h.nameless_default)) == "(*, huge=Ellipsis)"


def check_iterators_that_give_objects(h):
    assert [token.text for token in h.Lexer("abc")] == ["a", "b", "c"]
    for token in h.Lexer("x"):
        assert token.size() == 1
    tokens = list(h.Lexer("a text that is long"))
    gc.collect()
    churn()
    assert "".join(token.text for token in tokens) == "a text that is long"
    token = next(h.Words("some words"))
    gc.collect()
    churn()
    assert token.text == "some words"
    lexer = h.Lexer("ab")
    first, second = lexer
    assert (first.text, second.text) == ("a", "b") and list(lexer) == []


def check_an_iterator_cannot_end_what_it_gave(h):
    lexer, words = h.Lexer("first text" * 10), h.Words("some words" * 10)
    token, text = next(lexer), next(words)
    for end in (lambda: lexer.__init__("second text" * 10), lambda: words.__init__("other words" * 10), words.__exit__):
        try:
            end()
        except RuntimeError:
            pass
        churn()
    lexer.text = "third text" * 10
    churn()
    assert token.text == "f" and text.text == "some words" * 10
    assert next(lexer).size() == 1


def check_an_option_with_the_name_of_a_parameter(h):
    assert not hasattr(h, "same_name") and "x" in h.__zigimport_skipped__["same_name"]


def check_many_arrays(h):
    many = h.arrays(40_000)
    assert len(many) == 40_000 and [list(array) for array in many[:3]] == [[0.0] * 2, [1.0] * 2, [2.0] * 2]
    assert array.array("d", bytes(many[39_999]))[1] == 39_999.0


def check_records_of_submodules_are_pickled(h):
    records = (h.spot(), h.space.spot(), h.part.birthday(), h.space.deeper.stain())
    for record in records:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            loaded = pickle.loads(pickle.dumps(record, protocol))
            assert loaded == record and type(loaded) is type(record)
    classes = [h.Spot, h.space.Spot, h.part.Stamp, h.space.deeper.Stain]
    assert [type(record) for record in records] == classes and h.Spot is not h.space.Spot
    assert all(pickle.loads(pickle.dumps(one)) is one for one in classes)


def check_what_python_cannot_have_keeps_nothing_else_out(h):
    skipped = h.__zigimport_skipped__
    for name in (
        "of_aligned_slice",
        "of_aligned_records",
        "of_aligned_pointer",
        "of_view_of_records",
        "of_view_of_odd_integers",
        "view_of_no_dimensions",
        "result_of_no_dimensions",
        "of_optional_void",
    ):
        assert not hasattr(h, name) and skipped[name], name
    assert not any(hasattr(h, name) for name in ("MetaType", "MetaNumber", "MetaFunction"))
    assert h.good() == 5 and h.Unset(3).size() == 3 and h.Unset(n=4).n == 4


def check_an_object_keeps_what_its_value_points_to(h):
    def new(number):
        words = [f"word {number} {index}" for index in range(3)]
        return h.Keeper(f"name {number}", array.array("d", [number] * 1000), words)

    keepers = [new(number) for number in range(50)]
    parsed = [h.Keeper.parse(f"{number:04} and so on".strip()) for number in range(50)]
    renamed = [keeper.renamed("new " + str(number)) for number, keeper in enumerate(keepers)]
    fields = [h.Keeper(bytes(f"b {number}", "ascii"), [1.0, number], ("a", "b")) for number in range(50)]
    churn()
    for number in range(50):
        keeper = keepers[number]
        assert (keeper.name, keeper.sum(), keeper.first()) == (f"name {number}", number * 1000, f"word {number} 0")
        assert (renamed[number].name, renamed[number].sum()) == (f"new {number}", number * 1000)
        assert parsed[number].name == f"{number:04} and so on"[:7]
        assert (fields[number].name, fields[number].sum(), fields[number].first()) == (f"b {number}", 1 + number, "a")
    data = array.array("d", [1.0])
    keeper = h.Keeper("x", data, [])
    raises(BufferError, None, data.append, 2.0)
    raises(TypeError, "numbers", keeper.__init__, "y", "no numbers", [])
    raises(RuntimeError, "__init__", keeper.sum)
    data.append(2.0)
    keeper.__init__("z", data, ["w"])
    assert (keeper.name, keeper.sum(), keeper.first()) == ("z", 3.0, "w")
    del keeper
    data.append(3.0)
    text = "some text " * 3
    before = sys.getrefcount(text)
    kept = [h.Keeper.parse(text) for _ in range(10)]
    assert sys.getrefcount(text) == before + 10
    raises(h.ZigError, "Empty", h.Keeper.parse, "")
    del kept, keepers, renamed
    gc.collect()
    assert sys.getrefcount(text) == before


def check_the_wrong_one_of_many_is_named(h):
    raises(TypeError, "argument 'words', item '1': expected str or bytes-like object, got int", h.Keeper, "", [], ["a", 1])
    raises(TypeError, "argument 'numbers', item '2': expected float, got str", h.Keeper, "", [1, 2, "x"], [])


def check_an_index_changes_nothing(h):
    lazy = h.Lazy()
    assert (lazy[1], len(lazy), lazy[1]) == (15, 5, 10)


def check_an_undefined_slice_is_never_shown(h):
    samples = h.Samples(gain=2.0)
    assert repr(samples) == "Samples(gain=2.0)" and not hasattr(samples, "values")


def check_a_length_that_may_fail(h):
    failing = h.Failing(3)
    assert list(failing) == [21, 24, 27] and (failing[-1], len(failing)) == (27, 3)
    for index in (3, -4, 100000):
        raises(IndexError, None, operator.getitem, failing, index)
    raises(h.ZigError, "Unlucky", len, h.Failing(13))
    raises(IndexError, None, operator.getitem, h.Failing(13), 0)


def check_methods_of_special_names_with_other_types(h):
    odd = h.Misnamed()
    assert (odd.next(), odd.next(), odd.iterator(), odd.str(), odd.repr()) == (3, 9, 9, 9, None)
    raises(TypeError, "iterable", iter, odd)
    assert "Misnamed" in str(odd) and repr(odd) == "Misnamed(state=9)"


def check_an_index_that_the_parameter_cannot_have(h):
    wide = h.Wide()
    assert (wide[0], wide[255], wide[-300]) == (0, 255, 0)
    for use in (list, lambda one: one[256], lambda one: one[-1]):
        raises(OverflowError, "u8", use, wide)
    raises(IndexError, None, operator.getitem, wide, 300)


def check_functions_of_classes_are_pickled(h):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert len(pickle.loads(pickle.dumps(h.Failing.three, protocol))()) == 3
    assert h.Failing.three.__qualname__ == "Failing.three"


def check_parameters_of_one_name_are_told(h):
    assert not hasattr(h, "pick_first") and "`arg1`" in h.__zigimport_skipped__["pick_first"]


def check_a_module_with_instances_goes_away(h):
    mine = {name: one for name, one in sys.modules.items() if name.split(".")[0] == h.__name__}
    classes = []
    for _ in range(3):
        del sys.modules[h.__name__]
        again = importlib.import_module(h.__name__)
        assert again is not h and again.failing.n == 2
        again.Failing.kept = again.Failing(4)
        classes.append(weakref.ref(again.Failing))
        del again
    sys.modules.update(mine)
    gc.collect()
    assert [one() for one in classes] == [None] * 3


if __name__ == "__main__":
    support.run(hostile, globals(), sys.argv[1:])
