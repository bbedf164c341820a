"""What a hostile caller, or an unusual declaration, must not break: on every Python, and on every Zig."""

import pytest

from conftest import DEFAULT_ZIG, ZIGS, checks_of

CHECKS = checks_of("hostile_checks.py")
PROGRAM = ("-X", "faulthandler", "hostile_checks.py")


def test_on_every_python(binding_project, environments, python):
    ran = binding_project(DEFAULT_ZIG).execute(*PROGRAM, *CHECKS, python=environments["pythons"][python])
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("line", [line for line in ZIGS if line != DEFAULT_ZIG])
def test_on_the_other_zigs(binding_project, line):
    ran = binding_project(line).execute(*PROGRAM, *CHECKS)
    assert ran.returncode == 0, ran


def test_with_the_debug_allocator(binding_project):
    ran = binding_project(DEFAULT_ZIG).execute(*PROGRAM, *CHECKS, env={"PYTHONMALLOC": "debug"})
    assert ran.returncode == 0, ran
