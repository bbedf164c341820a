"""Buffers in and arrays out: one module with every element type, on every Zig and every Python."""

import pytest

from conftest import checks_of, needs

CHECKS = checks_of("buffers_checks.py")
MODES = ("ReleaseSafe", "ReleaseFast", "ReleaseSmall")


def test_on_every_zig_and_python(binding_project, environments, zig, python):
    needs(environments, python, "numpy")
    ran = binding_project(zig).execute("buffers_checks.py", *CHECKS, python=environments["pythons"][python])
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("mode", MODES)
def test_in_every_optimize_mode(binding_project, environments, zig, mode):
    needs(environments, environments["main"], "numpy")
    ran = binding_project(zig).execute("buffers_checks.py", *CHECKS, env={"ZIGIMPORT_OPTIMIZE": mode})
    assert ran.returncode == 0, ran
