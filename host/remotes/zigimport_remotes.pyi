"""Speaks to the servers by which zigimport's machines share artifacts, and to those that compile."""

from typing import Any, Final, Literal, Optional, final

__version__: Final[str]
#: Every scheme of a URL that is understood.
SCHEMES: Final[list[str]]

class RemoteError(Exception):
    """Why a server gave no answer. The message has no password in it, and no URL."""

@final
class Remote:
    """A server that keeps indexes and objects, for any thread, and after a fork too.

    Nothing is connected until the first call. ``user`` and ``password`` serve where the URL
    has none. A call that fails ends within seconds; nothing is checked of what is returned
    but its size.
    """

    def __new__(cls, url: str, user: Optional[str] = None, password: Optional[str] = None) -> "Remote": ...
    def get(self, kind: Literal["index", "object"], digest: str, size: int) -> Optional[bytes]:
        """Returns a blob. ``digest`` is a source key for an index, and for an object the SHA-256 of
        its bytes; ``size`` is the most that an index may be, and that of an object."""

    def has(self, kind: Literal["index", "object"], digest: str, size: int) -> bool:
        """Returns whether a blob is there."""

    def put(
        self,
        kind: Literal["index", "object"],
        digest: str,
        content: bytes,
        objects: list[tuple[str, int]] = ...,
    ) -> None:
        """Puts a blob there. An index comes with digest and size of each object that it leads to."""

@final
class Execution:
    """A command on its way through a server of the Remote Execution API.

    Nothing happens but in `advance` and `cancel`.
    """

    def __init__(
        self,
        url: str,
        instance: str,
        credentials: Optional[str],
        properties: list[tuple[str, str]],
        command: list[str],
        environment: list[tuple[str, str]],
        directory: str,
        files: list[tuple[str, bytes]],
        outputs: list[str],
        is_fresh: bool,
        seconds_max: float,
    ) -> None:
        """Takes the whole task: the files are the command's folder, the outputs relative to ``directory`` in it."""
    @property
    def stage(self) -> str:
        """What the server is at."""
    def advance(self, seconds: float) -> Optional[dict[str, Any]]:
        """Works for so long at most. Returns ``exit_code``, ``text`` (standard error), ``files``, ``cached`` and
        ``action`` (its digest), or ``None`` while it goes on."""
    def cancel(self) -> None:
        """Asks the server to stop, which it need not do."""
