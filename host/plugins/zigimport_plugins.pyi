"""Compiles and runs scanner plugins of zigimport: components of the WIT world `plugin`."""

import os
from typing import Final, Literal, Optional, TypedDict, final

__version__: Final[str]
#: Version, target, processor and configuration: an image loads only where this is the same.
ENGINE: Final[str]
#: The world, as a manifest names it.
WORLD: Final[str]
#: The WIT package of the world.
WIT: Final[str]

class PluginError(Exception):
    """What is wrong with a plugin, or with what it was given.

    ``kind`` is ``component`` (the bytes are no component of the world, it imports what no
    plugin gets, or an image is another engine's), ``trap`` (it stopped by itself),
    ``limit`` (instructions, memory or size of the answer), ``answer`` (it answered what no
    plugin may), or ``problem`` (it says that the source is wrong). ``line`` and ``column`` are
    where the source is wrong, or asks for a path that no plugin may name.
    """

    kind: Literal["component", "trap", "limit", "answer", "problem"]
    line: Optional[int]
    column: Optional[int]

class Description(TypedDict):
    world: str
    imports: list[str]
    forbidden: list[str]
    exports: list[str]

@final
class Plugin:
    """A component that is ready to be asked, from any thread.

    Without ``image`` it is compiled in memory. An image is machine code: it must be what
    ``precompile`` returned. ``view`` has the folders that the component may read, each
    with the name under which it sees it.
    """

    def __new__(
        cls, component: bytes, image: Optional[bytes] = None, view: list[tuple[str, "str | os.PathLike[str]"]] = ...
    ) -> "Plugin": ...
    def track(self, path: str, source: bytes) -> list[tuple[Literal["file", "glob"], str, int, int]]:
        """Asks a new instance; returns kind, operand, line and column of each input."""

def inspect(component: bytes) -> Description:
    """Returns what a component imports and exports. Compiles nothing."""

def precompile(component: bytes) -> bytes:
    """Compiles a component to an image for this ``ENGINE``."""

def componentize(core: bytes) -> bytes:
    """Makes a component of a core module that exports what the world asks for."""
