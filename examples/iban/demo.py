"""Error handling: an error of Zig is an exception of the module, or one of Python's own."""

import zigimport  # noqa: F401
import iban

print(iban.parse("gb82 west 1234 5698 7654 32"))
print(iban.formatted("DE89370400440532013000"))

for wrong in ("GB82", "GB82 WEST 1234 5698 7654 33", "12 34 56", "DE89-3704"):
    try:
        iban.parse(wrong)
    except iban.ZigError as error:
        print(f"{wrong!r} raises {type(error).__name__} {error.name}")

try:
    iban.formatted("nothing")
except ValueError as error:
    print("formatted('nothing') raises", type(error).__name__)
try:
    iban.parse(5)
except TypeError as error:
    print("parse(5) raises", type(error).__name__)
print(iban.is_valid("DE89 3704 0044 0532 0130 00"), iban.is_valid("?"))
