import zigimport  # noqa: F401 (installs the import hook)

import example
import example.text


def test_total():
    assert example.total(["one two", "", "three"]) == 3


def test_words():
    assert example.text.words(" one\ttwo\n") == 2
