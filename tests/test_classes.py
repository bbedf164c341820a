"""Structs with methods as classes, on every Zig and every Python."""

import pytest

from conftest import checks_of

CHECKS = checks_of("classes_checks.py")
MODES = ("ReleaseSafe", "ReleaseFast", "ReleaseSmall")


def test_on_every_zig_and_python(binding_project, environments, zig, python):
    ran = binding_project(zig).execute("classes_checks.py", *CHECKS, python=environments["pythons"][python])
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("mode", MODES)
def test_in_every_optimize_mode(binding_project, zig, mode):
    ran = binding_project(zig).execute("classes_checks.py", *CHECKS, env={"ZIGIMPORT_OPTIMIZE": mode})
    assert ran.returncode == 0, ran
