"""Settings of the import hook as an object."""

OPTIMIZE_MODES = ("Debug", "ReleaseSafe", "ReleaseFast", "ReleaseSmall")


class Settings:
    """How a module is built.

    Args:
        optimize: one of ``OPTIMIZE_MODES``, or ``None`` to take it from
            ``ZIGIMPORT_OPTIMIZE``, the module's file, ``pyproject.toml`` or the
            default ``Debug``, in this order.
    """

    __slots__ = ("optimize",)

    def __init__(self, *, optimize=None):
        if optimize is not None and optimize not in OPTIMIZE_MODES:
            raise ValueError(f"optimize={optimize!r}: expected one of {', '.join(OPTIMIZE_MODES)}")
        self.optimize = optimize

    def __repr__(self):
        return f"Settings(optimize={self.optimize!r})"

    def __eq__(self, other):
        return isinstance(other, Settings) and self.optimize == other.optimize

    def __hash__(self):
        return hash(self.optimize)
