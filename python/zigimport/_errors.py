"""The exceptions of zigimport: one family, below ``ImportError``."""


class Diagnostic:
    """One message of the compiler.

    Attributes: ``severity`` (``error`` or ``note``), ``path`` (absolute, empty
    where the compiler names none), ``line`` and ``column`` (from 1, 0 where
    unknown; the column in bytes), ``message``.
    """

    __slots__ = ("column", "line", "message", "path", "severity")

    def __init__(self, severity, path, line, column, message):
        self.severity = severity
        self.path = path
        self.line = line
        self.column = column
        self.message = message

    def __repr__(self):
        return f"<Diagnostic {self.path}:{self.line}:{self.column}: {self.severity}: {self.message}>"


class ZigImportError(ImportError):
    """A Zig module cannot be imported.

    Attributes: ``hint`` (what to do, or ``None``), ``exit_code`` (of a command
    that ends with it), and ``name`` and ``path`` of the module as in
    ``ImportError``.
    """

    def __init__(self, message, *, hint=None, exit_code=1, **keywords):
        super().__init__(message if hint is None else f"{message}\nhint: {hint}", **keywords)
        self.hint = hint
        self.exit_code = exit_code


class ZigNotFoundError(ZigImportError):
    """The module has to be built, and there is no compiler that may do it."""


class ZigCompileError(ZigImportError):
    """The compiler rejected the module.

    ``diagnostics`` has its messages as a list of ``Diagnostic``.
    """

    def __init__(self, message, *, diagnostics=(), **keywords):
        super().__init__(message, **keywords)
        self.diagnostics = list(diagnostics)


class ScanError(ZigImportError):
    """A source cannot be read or scanned."""


class LockTimeoutError(ZigImportError):
    """Another process builds the same module and does not finish."""


class CacheError(ZigImportError):
    """The cache cannot be used."""


_CLASSES = {
    "import": ZigImportError,
    "not-found": ZigNotFoundError,
    "compile": ZigCompileError,
    "scan": ScanError,
    "lock-timeout": LockTimeoutError,
    "cache": CacheError,
}
# As everybody else calls them: in tracebacks, and where one is pickled.
for _class in _CLASSES.values():
    _class.__module__ = "zigimport"


def make(kind, message, hint, exit_code, diagnostics):
    """Makes the exception for an error of the host."""
    keywords = {"hint": hint, "exit_code": exit_code}
    if kind == "compile":
        keywords["diagnostics"] = [Diagnostic(*parts) for parts in diagnostics]
    return _CLASSES[kind](message, **keywords)
