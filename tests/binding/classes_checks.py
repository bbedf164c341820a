"""What a module of `classes.zig` must do, checked inside one interpreter.

``python classes_checks.py NAME…`` imports the module through the hook and runs the
checks of these names. It has to run on every supported Python.
"""

import copy
import gc
import inspect
import operator
import pickle
import sys
import weakref

import zigimport  # noqa: F401, I001 - installs the hook

import classes
import support
from support import Index, growth_kib, raises

#: What a method of an object says that was never constructed, or was closed.
UNUSABLE = (ValueError, TypeError, RuntimeError)


def check_fields_are_the_parameters_of_the_constructor(c):
    for counter in (c.Counter(2, 5), c.Counter(2, step=5), c.Counter(step=5, count=2), c.Counter(Index(2), Index(5))):
        assert (counter.count, counter.step) == (2, 5)
    assert (c.Counter().count, c.Counter().step, c.Counter(7).step) == (0, 1, 1)
    assert c.Pair(1, right=2).sum() == 3
    raises(TypeError, "right", c.Pair, 1)
    raises(TypeError, "left", c.Pair, right=1)
    raises(TypeError, "left", c.Pair, 1, 2, left=1)
    raises(TypeError, "middle", c.Pair, 1, 2, middle=1)
    raises(TypeError, "Pair()", c.Pair, 1, 2, 3)
    raises(TypeError, "right", c.Pair, 1, "2")
    raises(OverflowError, "step", c.Counter, step=-1)
    assert c.Counter.__name__ == "Counter" and c.Counter.__module__ == "classes" and type(c.Counter) is type
    assert "Counts on." in c.Counter.__doc__


def check_methods(c):
    counter = c.Counter(step=5)
    assert (counter.next_value(), counter.next_value(), counter.read(), counter.peek()) == (5, 10, 10, 10)
    assert counter.add(2) is None and counter.add(amount=2, times=3) is None and counter.read() == 18
    assert counter.described("n=") == counter.described(prefix="n=") == "n=18"
    assert c.Counter.read(counter) == 18 and counter.ahead_of(c.Counter(17)) and not counter.ahead_of(other=counter)
    assert raises(c.ZigError, "Unlucky", counter.add, 13).name == "Unlucky"
    raises(ValueError, None, counter.add, 14)
    raises(TypeError, "amount", counter.add)
    raises(TypeError, "amount", counter.add, "1")
    raises(TypeError, "add()", counter.add, 1, 2)
    raises(TypeError, "other", counter.ahead_of, c.Pair(1, 2))
    raises(TypeError, None, c.Counter.read)
    raises(TypeError, None, c.Counter.read, c.Pair(1, 2))
    assert counter.read() == 18 and c.Counter.next_value.__doc__ == "Counts on and returns the new count."
    assert str(inspect.signature(counter.add)) == "(amount, *, times=1)"
    assert str(inspect.signature(counter.next_value)) == "()"
    assert str(inspect.signature(c.Counter.zero)) == "()"
    if sys.version_info >= (3, 10):
        assert str(inspect.signature(c.Counter)) == "(count=0, step=1)"


def check_functions_without_self_are_called_on_the_class(c):
    zero, parsed = c.Counter.zero(), c.Counter.parse(text=b"12")
    assert type(zero) is c.Counter and zero.step == 1 and parsed.count == c.Counter.parse("12").count == 12
    raises(ValueError, None, c.Counter.parse, "x")
    counters = c.Counter.several(3)
    assert type(counters) is list and [counter.count for counter in counters] == [0, 1, 2]
    assert c.Counter.zero.__doc__ == "A counter that starts at nothing."


def check_fields_of_a_class_without_init_can_be_written(c):
    counter = c.Counter()
    counter.count = 7
    counter.step = Index(3)
    assert counter.next_value() == 10 and counter.count == 10
    raises(TypeError, None, setattr, counter, "count", "1")
    raises(TypeError, None, setattr, counter, "count", None)
    raises(OverflowError, None, setattr, counter, "count", -1)
    raises((TypeError, AttributeError), None, delattr, counter, "count")
    raises(AttributeError, None, setattr, counter, "other", 1)
    assert counter.count == 10


def check_fields_of_a_class_with_init_cannot_be_written(c):
    account = c.Account("Ada", 10)
    assert (account.owner, account.balance, account.limit) == ("Ada", 10, 0) and account.deposit(5) == account.balance
    for name, value in (("owner", "Bob"), ("balance", 1), ("limit", 1)):
        raises(AttributeError, None, setattr, account, name, value)
        raises((AttributeError, TypeError), None, delattr, account, name)
    assert (account.owner, account.balance, account.limit) == ("Ada", 15, 0)


def check_init_is_the_constructor(c):
    account = c.Account(balance=-5, owner="größe" * 100, limit=-10)
    assert account.owner == "größe" * 100 and account.limit == -10
    raises(TypeError, "balance", c.Account, "Ada")
    raises(TypeError, "owner", c.Account, balance=1)
    raises(TypeError, None, c.Account, "Ada", 1, 2)
    raises(TypeError, "allocator", c.Account, "Ada", 1, allocator=None)
    assert raises(c.ZigError, "NoOwner", c.Account, "", 1).name == "NoOwner"
    raises(ValueError, None, c.Account, "Ada", -1)
    account.rename("Bob")
    assert account.owner == "Bob" and not hasattr(account, "init")


def check_text_fields_are_kept(c):
    tags = [c.Tag("".join(["name ", str(number)]), weight=number) for number in range(1000)]
    gc.collect()
    [bytes(20) for _ in range(1000)]
    assert all(tag.name == f"name {number}" and tag.weight == number for number, tag in enumerate(tags))
    assert tags[10].length() == 7 and c.Tag("a").weight is None
    name = bytearray(b"changes")
    tag = c.Tag(name)
    name[:] = b"another text"
    assert tag.name == "changes"


def check_deinit_runs_once(c):
    def gone(work):
        opened, closed = c.counts()
        work()
        gc.collect()
        now_opened, now_closed = c.counts()
        return now_opened - opened, now_closed - closed

    def with_statement():
        with c.Handle(3) as handle:
            assert handle.read() == 3 and type(handle) is c.Handle and gone(lambda: None) == (0, 0)
        assert gone(lambda: None) == (0, 0)

    def again():
        handle = c.Handle(1)
        try:
            handle.__init__(2)
        except UNUSABLE:
            pass
        del handle

    def cycle():
        class Node(c.Handle):
            pass

        node = Node(1)
        node.itself = node

    def interrupted():
        try:
            with c.Handle(3):
                raise LookupError
        except LookupError:
            pass

    assert gone(lambda: c.Handle(1)) == gone(with_statement) == gone(interrupted) == gone(cycle) == (1, 1)
    assert gone(lambda: [c.Handle(number) for number in range(100)]) == (100, 100)
    assert gone(lambda: raises(c.ZigError, "Negative", c.Handle, -1)) == (0, 0)
    assert gone(lambda: raises(TypeError, None, c.Handle, "1")) == (0, 0)
    opened, closed = gone(again)
    assert opened == closed >= 1
    handle = c.Handle(1)
    assert gone(handle.read) == (0, 0) and gone(lambda: c.number_of(handle)) == (0, 0)


def check_a_closed_object_cannot_be_used(c):
    with c.Handle(3) as handle:
        handle.write(4)
        assert handle.number == 4
    raises(ValueError, None, handle.read)
    raises(ValueError, None, handle.write, 1)
    raises(ValueError, None, c.number_of, handle)
    raises(ValueError, None, handle.__enter__)
    raises(ValueError, None, getattr, handle, "number")
    try:
        repr(handle)
    except ValueError:
        pass


def check_an_object_that_was_not_constructed_does_no_harm(c):
    for class_, method in (
        (c.Counter, "next_value"),
        (c.Account, "deposit"),
        (c.Handle, "read"),
        (c.Numbers, "__len__"),
        (c.Numbers, "__iter__"),
        (c.Countdown, "__next__"),
        (c.Vector, "__hash__"),
        (c.Tag, "length"),
        (type(iter(c.Numbers(1))), "__next__"),
    ):

        def work(class_=class_, method=method):
            getattr(class_.__new__(class_), method)(*((1,) if method == "deposit" else ()))

        assert str(raises(UNUSABLE, None, work))
    for function in (c.count_in, repr):
        try:
            function(c.Counter.__new__(c.Counter))
        except UNUSABLE:
            pass


def check_repr_and_str(c):
    assert repr(c.Counter(step=5)) == str(c.Counter(step=5)) == "Counter(count=0, step=5)"
    assert repr(c.Tag("it's")) == """Tag(name="it's", weight=None)"""
    assert repr(c.Vector(1, -2)) == "<1 -2>" and str(c.Vector(0, 0)) == "nowhere" and f"{c.Vector(1, 0)}" == "somewhere"
    assert repr(c.Box(1)) == str(c.Box(1)) == "box"
    raises(ValueError, None, repr, c.Box(0))
    assert repr(c.Account("Ada", 1)) and repr(c.Numbers(3))


def check_equality_and_hash(c):
    one, same, other = c.Vector(1, 2), c.Vector(1, 2), c.Vector(2, 1)
    assert one == same and not one != same and one != other and not one == other
    assert hash(one) == hash(same) and {one: "found"}[same] == "found" and len({one, same, other}) == 2
    assert one != (1, 2) and one != None and not one == "x" and one != c.Box(1)  # noqa: E711
    assert isinstance(hash(c.Vector(-1, 0)), int)
    assert c.Box(1) == c.Box(1) and c.Box(1) != c.Box(2)
    raises(TypeError, None, hash, c.Box(1))
    raises(TypeError, None, lambda: one < other)
    counter = c.Counter()
    assert counter == counter and counter != c.Counter() and hash(counter) == hash(counter)
    assert one in [other, same] and [other, one].index(same) == 1


def check_items(c):
    numbers = c.Numbers(5)
    assert len(numbers) == 5 and bool(numbers) and not c.Numbers(0)
    assert (numbers[0], numbers[4], numbers[-1], numbers[-5], numbers[Index(2)]) == (0, 4, 4, 0, 2)
    for index in (5, -6, 2**63, 2**80, -(2**63), -(2**80)):
        raises(IndexError, None, numbers.__getitem__, index)
        raises(IndexError, None, numbers.__setitem__, index, 1)
    for index in ("1", None, 1.0):
        raises(TypeError, None, numbers.__getitem__, index)
    numbers[1] = 10
    numbers[-1] = Index(40)
    assert list(numbers) == [0, 10, 2, 3, 40]
    raises(c.ZigError, "Unlucky", numbers.__setitem__, 0, 13)
    raises(TypeError, None, numbers.__setitem__, 0, "1")
    raises(AttributeError, None, operator.delitem, numbers, 0)
    assert 10 in numbers and 11 not in numbers


def check_items_by_name(c):
    names = c.Names()
    names["größe"] = 5
    names["".join(["a", "b"])] = -1
    assert names["größe"] == 5 and names["ab"] == -1 and "ab" in names and "abc" not in names
    raises(KeyError, None, lambda: names["abc"])
    raises(TypeError, None, lambda: names[1])
    for number in range(2000):
        names[f"name {number}"] = number
    gc.collect()
    assert all(names[f"name {number}"] == number for number in range(2000))


def check_iterators(c):
    countdown = c.Countdown(3)
    assert iter(countdown) is countdown and next(countdown) == 3 and list(countdown) == [2, 1]
    assert list(countdown) == [] and next(countdown, "end") == "end"
    raises(StopIteration, None, next, countdown)
    assert [number for number in c.Countdown(2)] == [2, 1] and sum(c.Countdown(4)) == 10
    countdown = c.Countdown(14)
    assert next(countdown) == 14
    raises(c.ZigError, "Unlucky", next, countdown)
    numbers = c.Numbers(4)
    assert list(numbers) == [0, 1, 2, 3] == list(numbers) and [*zip(numbers, numbers)][2] == (2, 2)
    assert list(c.Numbers(3)) == [0, 1, 2] and sorted(numbers, reverse=True) == [3, 2, 1, 0]
    first, second = iter(numbers), iter(numbers)
    assert (next(first), next(first), next(second)) == (0, 1, 0) and iter(first) is first
    iterator = iter(c.Numbers(1000))
    gc.collect()
    c.Numbers(1000)
    assert list(iterator) == list(range(1000))
    raises(TypeError, None, iter, c.Counter())


def check_an_object_does_not_change_while_an_iterator_lives(c):
    numbers = c.Numbers(3)
    iterator = iter(numbers)
    for change in (lambda: numbers.append(1), numbers.clear, lambda: numbers.__setitem__(0, 1)):
        raises(RuntimeError, None, change)
    assert next(iterator) == 0 and numbers.sum() == 3 and numbers[1] == 1 and len(numbers) == 3
    del iterator
    gc.collect()
    numbers.append(9)

    def grow():
        for number in numbers:
            numbers.append(number)

    raises(RuntimeError, None, grow)
    gc.collect()
    numbers.append(10)
    assert list(numbers) == [0, 1, 2, 9, 10]
    counter = c.Counter(2)
    other = counter.doubled()
    assert counter.next_value() == 3 and other.next_value() == 5


def check_closing_an_object_while_an_iterator_lives_does_no_harm(c):
    numbers = c.Numbers(1000)
    iterator = iter(numbers)
    try:
        with numbers:
            next(iterator)
    except UNUSABLE:
        pass
    try:
        list(iterator)
    except UNUSABLE:
        pass
    del numbers
    gc.collect()


def check_the_allocator_of_an_object_is_its_own(c):
    numbers = c.Numbers(0)
    for number in range(10_000):
        numbers.append(number)
    assert len(numbers) == 10_000 and numbers.sum() == sum(range(10_000)) and list(numbers.copy())[-1] == 9999
    assert list(numbers.copy()) == list(numbers)
    numbers.clear()
    assert list(numbers) == [] and list(numbers.copy()) == []


def check_the_memory_of_objects_is_freed(c):
    def names():
        many = c.Names()
        for number in range(200):
            many["x" * 500 + str(number)] = number

    def failing():
        raises(ValueError, None, c.Account, "x" * 100_000, -1)
        raises(TypeError, None, c.Numbers, "1")

    def iterators():
        iterator = iter(c.Numbers(20_000))
        next(iterator)

    def subclasses():
        class Sub(c.Numbers):
            pass

        Sub(1000)
        gc.collect()

    kept = c.Numbers(20_000)
    for function in (
        lambda: c.Numbers(20_000),
        lambda: c.Numbers(20_000).sum(),
        lambda: c.Account("x" * 100_000, 1),
        lambda: c.Tag("x" * 100_000),
        lambda: [c.Counter(number).doubled() for number in range(1000)],
        kept.copy,
        names,
        failing,
        iterators,
    ):
        assert growth_kib(function, 30, 300) < 12288, function
    assert growth_kib(subclasses, 30, 200) < 12288


def check_cycles_through_iterators_are_collected(c):
    class Node(c.Numbers):
        pass

    def through_the_dict():
        node = Node(1000)
        node.iterator = iter(node)
        return weakref.ref(node)

    def through_two_iterators():
        node = Node(1000)
        node.iterators = [iter(node), iter(node)]
        next(node.iterators[0])
        return weakref.ref(node)

    def through_two_objects():
        one, other = Node(3), Node(4)
        one.iterator, other.iterator = iter(other), iter(one)
        return weakref.ref(one)

    for make in (through_the_dict, through_two_iterators, through_two_objects):
        node = make()
        gc.collect()
        assert node() is None, make
        assert growth_kib(lambda make=make: (make(), gc.collect()), 30, 200) < 12288, make

    seen = []

    class Final(c.Numbers):
        def __del__(self):
            seen.append((self.sum(), next(self.iterator)))

    final = Final(4)
    final.iterator = iter(final)
    del final
    gc.collect()
    assert seen == [(6, 0)]
    kept = Node(3)
    kept.iterator = iter(kept)
    gc.collect()
    assert list(kept.iterator) == [0, 1, 2] and kept.sum() == 3


def check_references_stay_level(c):
    counter, numbers = c.Counter(1), c.Numbers(3)
    objects = (counter, numbers, c.Counter, c.Numbers, c.Vector, c.Point)
    vector = c.Vector(1, 2)

    def calls():
        counter.next_value(), counter.doubled(), counter.ahead_of(counter), c.count_of(counter, 2), c.Counter(1)
        list(numbers), numbers[0], 2 in numbers, len(numbers), repr(counter), vector == c.Vector(1, 2), vector == 5
        c.best([counter]), c.total([counter] * 3), c.Point(1.0), c.origin()
        raises(TypeError, None, c.Counter, "x")
        raises(TypeError, None, c.count_of, vector, 1)

    calls()
    gc.collect()
    before = [sys.getrefcount(one) for one in objects]
    for _ in range(500):
        calls()
    gc.collect()
    after = [sys.getrefcount(one) for one in objects]
    assert all(abs(left - right) < 50 for left, right in zip(before, after)), (before, after)


def check_subclasses(c):
    class Sub(c.Account):
        def __init__(self, name):
            super().__init__(name, 10, limit=5)
            self.extra = [name]

        def deposit(self, amount):
            return super().deposit(amount * 2)

    sub = Sub("Ada")
    assert sub.deposit(5) == 20 and sub.owner == "Ada" and sub.extra == ["Ada"] and isinstance(sub, c.Account)
    assert issubclass(Sub, c.Account) and type(sub).__name__ == "Sub"

    class Poor(c.Account):
        def __init__(self):
            super().__init__("Ada", 0, limit=1)

    raises(ValueError, None, Poor)

    class Loud(c.Counter):
        pass

    loud = Loud(3, step=2)
    assert loud.next_value() == 5 and c.count_of(loud, 2) == 10 and c.count_in(loud) == 5 and c.total([loud]) == 5

    class Forgetful(c.Numbers):
        def __init__(self):
            pass

    raises(UNUSABLE, None, Forgetful().sum)
    raises(UNUSABLE, None, lambda: len(Forgetful()))

    class Sized(c.Numbers):
        def __len__(self):
            return 7

        def __getitem__(self, index):
            return super().__getitem__(index) * 100

    sized = Sized(3)
    assert len(sized) == 7 and sized[1] == 100 and list(sized) == [0, 1, 2]


def check_instances_are_passed_by_value_and_by_pointer(c):
    counter = c.Counter(4)
    assert c.count_of(counter, 2) == 8 and c.count_of(factor=3, counter=counter) == 12 and c.count_in(counter) == 4
    assert c.count_or_none(None) is None and c.count_or_none(counter) == 4
    assert c.reset(counter) is None and counter.count == 0
    counters = [c.Counter(number) for number in (3, 9, 4)]
    assert c.total(counters) == 16 and c.total(()) == 0 and c.best([]) is None
    best = c.best(counters)
    assert best.count == 9 and best is not counters[1]
    best.next_value()
    assert counters[1].count == 9
    for value in ((1, 1), {"count": 1}, None, 5, c.Pair(1, 2), c.Counter):
        for function in (lambda v: c.count_of(v, 1), c.count_in, c.reset):
            raises(TypeError, "Counter", function, value)
    raises(TypeError, "counters", c.total, [counter, 1])


def check_classes_have_one_identity(c):
    assert c.Alias is c.Counter and c.Square is c.shapes.Square and type(c.shapes.unit()) is c.Square
    assert c.Square(2).area() == 4.0 and type(c.Counter.zero()) is type(c.Counter().doubled()) is c.Counter


def check_two_classes_may_refer_to_each_other(c):
    boiling = c.Celsius(100.0).fahrenheit()
    assert type(boiling) is c.Fahrenheit and boiling.degrees == 212.0
    back = boiling.celsius()
    assert type(back) is c.Celsius and back.degrees == 100.0 and back.same_as(boiling)
    raises(TypeError, "other", back.same_as, back)


def check_records_are_pickled_and_copied(c):
    point = c.Point(1.0)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(point, protocol))
        assert loaded == point and type(loaded) is c.Point
    assert copy.deepcopy(point) == copy.copy(point) == point and type(copy.deepcopy(c.origin())) is c.Point
    assert pickle.loads(pickle.dumps(c.Point)) is c.Point
    # An instance may hold what only its constructor can make.
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        raises(TypeError, "pickle", pickle.dumps, c.Celsius(1.0), protocol)
    raises(TypeError, "pickle", copy.copy, c.Celsius(1.0))

    class Thermometer(c.Celsius):
        def __getstate__(self):
            return self.degrees

        def __setstate__(self, degrees):
            self.__init__(degrees)

    assert copy.copy(Thermometer(3.0)).degrees == 3.0


if __name__ == "__main__":
    support.run(classes, globals(), sys.argv[1:])
