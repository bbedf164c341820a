import pytest
import zigimport  # noqa: F401 (installs the import hook)

import example


def test_add():
    assert example.add(1, 2) == 3
    with pytest.raises(OverflowError):
        example.add(2**63 - 1, 1)
