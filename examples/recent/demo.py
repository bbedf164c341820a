"""A class: its methods make it a container, and its memory goes away with it."""

import zigimport  # noqa: F401
from recent import Recent

recent = Recent(capacity=3)
print(recent, recent.mean())
for value in (2, 4, 6, 8):
    recent.add(value)
print(recent, recent.mean())
print([recent[index] for index in range(len(recent))], recent[-1])
print(8 in recent, 2 in recent)
try:
    recent[3]
except IndexError as error:
    print("recent[3] raises", type(error).__name__)


class Alarm(Recent):
    """Adds to a class of Zig in Python."""

    def __init__(self, limit):
        super().__init__(2)
        self.limit = limit

    def add(self, value):
        super().add(value)
        if self.mean() > self.limit:
            print("alarm at", self.mean())


alarm = Alarm(limit=5)
for value in (4, 5, 9):
    alarm.add(value)
