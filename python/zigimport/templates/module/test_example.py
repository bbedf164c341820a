import pytest
import zigimport  # noqa: F401 (installs the import hook)

import example


def test_add():
    assert example.add(1, 2) == 3
    with pytest.raises(OverflowError):
        example.add(2**63 - 1, 1)


def test_greet():
    assert example.greet("Ada") == "Hello, Ada!"
    with pytest.raises(ValueError):
        example.greet("")
