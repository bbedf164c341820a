"""``zigimport site``: a file in site-packages that makes the hook work in every
process of an interpreter, without ``import zigimport``."""

import os
import site
import sysconfig

from zigimport._errors import ZigImportError

FILE_NAME = "zigimport.pth"
MARK = "# Written by `zigimport site install`; `zigimport site uninstall` removes it."


def text():
    """Returns the content of the file.

    The line is silent, and does nothing, where the package has gone.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    code = (
        "try:\n"
        " from _frozen_importlib_external import SourceFileLoader as Loader\n"
        " names = {'__name__': 'zigimport._site'}\n"
        f" exec(Loader('zigimport._site', {ascii(os.path.join(package, '_site.py'))}).get_code('zigimport._site'), names)\n"
        " names['start']()\n"
        "except Exception:\n"
        " pass\n"
    )
    return f"{MARK}\nimport sys; exec({ascii(code)}, {{}})\n"


def folders():
    """Returns the folders that can have the file: of the interpreter or virtual
    environment, and of the user, which is ``None`` where there is none."""
    packages = sysconfig.get_path("purelib")
    searched = site.getsitepackages()
    if packages not in searched and searched:
        packages = searched[0]
    return packages, site.getusersitepackages() if site.ENABLE_USER_SITE else None


def path(user):
    """Returns where the file lies, or would lie.

    Raises:
        ZigImportError: this interpreter looks into no folder of the user's.
    """
    packages, own = folders()
    if user and own is None:
        raise ZigImportError(
            "this interpreter does not use the user's site-packages folder",
            hint="leave out --user; in a virtual environment it is not needed",
            exit_code=3,
        )
    return os.path.join(own if user else packages, FILE_NAME)


def state(path):
    """Returns ``installed``, ``outdated``, ``foreign`` or ``not installed``."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = file.read()
    except FileNotFoundError:
        return "not installed"
    if not found.startswith(MARK):
        return "foreign"
    return "installed" if found == text() else "outdated"


def install(user):
    """Writes the file, unless it is there; returns its path and whether it was
    written."""
    path_of_file = path(user)
    before = _own_state(path_of_file)
    if before == "installed":
        return path_of_file, False
    unfinished = f"{path_of_file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path_of_file), exist_ok=True)
        with open(unfinished, "w", encoding="ascii") as file:
            file.write(text())
        os.replace(unfinished, path_of_file)
    except OSError as error:
        raise _not_writable(path_of_file, error, user) from None
    return path_of_file, True


def uninstall(user):
    """Removes the file if it is there; returns its path and whether it was."""
    path_of_file = path(user)
    if _own_state(path_of_file) == "not installed":
        return path_of_file, False
    try:
        os.remove(path_of_file)
    except OSError as error:
        raise _not_writable(path_of_file, error, user) from None
    return path_of_file, True


def _own_state(path_of_file):
    found = state(path_of_file)
    if found == "foreign":
        raise ZigImportError(
            f"`{path_of_file}` was not written by zigimport, and is left as it is",
            hint="look into it, and remove it by hand if nothing needs it",
        )
    return found


def _not_writable(path_of_file, error, user):
    hint = None if user or folders()[1] is None else "zigimport site install --user writes into your own folder"
    return ZigImportError(f"failed to change `{path_of_file}`: {error.strerror}", hint=hint, exit_code=3)
