"""Which names a module may have that is made for the user."""

import keyword
import sys


#: A file of this name is the build file of a project, or a package's own.
RESERVED = ("build", "__init__")


def check(name):
    """Checks that a new module can have this name.

    Raises:
        ValueError: it is no identifier, a keyword, or the name of a module of
            the standard library, which Python would import instead.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"a module cannot be named {name!r}: expected a Python identifier that is no keyword")
    if name in RESERVED:
        raise ValueError(f"a module cannot be named {name!r}: `{name}.zig` has a meaning of its own")
    if is_standard(name):
        raise ValueError(f"a module cannot be named {name!r}: the standard library has one, which Python would import")


def is_standard(name):
    """Returns whether the standard library has a top-level module of this name."""
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return name in names
    # Python 3.9 has no list of them: look where they lie.
    import os
    import sysconfig
    from importlib.machinery import PathFinder

    if name in sys.builtin_module_names:
        return True
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    spec = PathFinder.find_spec(name, [*folders, *(os.path.join(folder, "lib-dynload") for folder in folders)])
    return spec is not None and spec.loader is not None
