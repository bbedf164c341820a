"""``zigimport new``: copies of the templates under another name."""

import os
import sys
from importlib.machinery import PathFinder

from zigimport import _names
from zigimport._errors import ZigImportError

KINDS = ("module", "package", "project")
#: What the templates call themselves.
TEMPLATE_NAME = "example"


def make(name, kind, directory):
    """Makes a module, package or project; returns the paths of its files.

    Raises:
        ValueError: the name cannot be that of a new module.
        ZigImportError: something is in the way; nothing was written.
    """
    _names.check(name)
    if kind == "project" and not name.isascii():
        raise ValueError(f"a project cannot be named {name!r}: expected ASCII, for the name of its init function")
    _check_free(name, directory)
    files = dict(_files(os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", kind), name, directory))
    # A file or a folder of the name, whatever the kind, would win or lose against the new one.
    candidates = [*files, os.path.join(directory, name), os.path.join(directory, f"{name}.zig")]
    taken = [path for path in dict.fromkeys(map(os.path.normpath, candidates)) if os.path.lexists(path)]
    if taken:
        raise ZigImportError(
            f"nothing was made, because there already {'is' if len(taken) == 1 else 'are'} "
            + " and ".join(f"`{path}`" for path in taken),
            hint="choose another name, or another folder with --directory",
        )
    for path, text in files.items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return list(files)


def _check_free(name, directory):
    """Refuses the name of a module that Python would find instead."""
    here = {os.path.abspath(directory), os.getcwd()}
    spec = PathFinder.find_spec(name, [one for one in sys.path if os.path.abspath(one or ".") not in here])
    if spec is not None and spec.loader is not None:
        raise ValueError(f"a module cannot be named {name!r}: Python would import {spec.origin!r} instead")


def _files(template, name, directory):
    """Yields path and text of each file, under the new name."""
    for folder, _, file_names in os.walk(template):
        below = os.path.relpath(folder, template)
        for file_name in sorted(file_names):
            if file_name.endswith((".zig", ".py")):
                with open(os.path.join(folder, file_name), encoding="utf-8") as file:
                    text = file.read().replace(TEMPLATE_NAME, name)
                path = os.path.join(below, file_name).replace(TEMPLATE_NAME, name)
                yield os.path.normpath(os.path.join(directory, path)), text
