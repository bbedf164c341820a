"""``importlib.reload``: new code in the module object that everyone holds.

A build is a library of its own, so nothing that is loaded is ever overwritten.
A fresh module is made from the new library, and what it has is put into the old
module object: one dict update, so other threads see the old name or the new one.
Functions and instances from before keep their library, which stays loaded.
"""

import sys

import _imp
from _frozen_importlib import module_from_spec
from zigimport import _native
from zigimport._hook import BuildRecord, names_of

#: Attributes that the import system gives to a module, not its build.
_OF_IMPORT = frozenset(
    ("__name__", "__loader__", "__package__", "__spec__", "__path__", "__file__", "__cached__", "__zigimport__")
)


def execute(loader, module):
    """Reloads a module, whose ``__spec__`` is new already.

    Raises:
        ZigImportError: or whatever the build or the init function raises. The
            module is as it was then.
    """
    spec = module.__spec__
    record = module.__dict__.get("__zigimport__")
    before = record if isinstance(record, BuildRecord) else None
    if before is not None:
        # Until the new code is there, and if it never is, the old one is loaded.
        _describe(module, before._spec)
    try:
        loader.resolved = loader.resolved or loader.finder.resolve(loader.found)
    except ImportError as error:
        raise error.with_traceback(None)
    library, record = loader.resolved
    if before is not None and before._spec.origin == library:
        loader.record, loader.path, spec.origin = record, library, library
        names = before._names
    else:
        names = _merge(module, _fresh(spec, module), before._names if before is not None else {})
    record._names = names
    record._spec = spec
    _describe(module, spec)
    module.__zigimport__ = record
    if record._is_new:
        from zigimport import _build

        _build.tell_skipped(module)


def _describe(module, spec):
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__file__ = spec.origin
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations


def _fresh(spec, module):
    """Returns a new module object with the code of a library."""
    spec.loader.create = lambda spec: _native.create_beside(spec, module)
    try:
        fresh = module_from_spec(spec)
    finally:
        del spec.loader.create
    if fresh is module or not isinstance(fresh, type(sys)):
        from zigimport._errors import ZigImportError

        made = "the module object that is loaded" if fresh is module else f"an object of type {type(fresh).__name__}"
        raise ZigImportError(
            f"failed to reload `{spec.name}` ({spec.loader.found.source_path}): its init function gives {made}, not a new module",
            hint="start a new process, or let the init function make a new module each time",
            name=spec.name,
            path=spec.loader.found.source_path,
        )
    _imp.exec_dynamic(fresh)
    return fresh


def _merge(module, fresh, old):
    """Puts what ``fresh`` has into ``module``, and takes out what an earlier build
    alone had. Namespaces are modules and keep their objects, too.

    ``old`` and the answer are what ``names_of`` says of the build before and now.
    """
    new = names_of(fresh, module.__name__)
    merged = {}
    # The innermost first: what is put into an outer one is complete.
    for name, (source, names) in reversed(list(new.items())):
        target = module if source is fresh else old.get(name, (source,))[0]
        for inner, value in names.items():
            if f"{name}.{inner}" in new:
                names[inner] = merged[f"{name}.{inner}"][0]
        if target is not source:
            current = target.__dict__
            current.update({inner: value for inner, value in names.items() if inner not in _OF_IMPORT})
            for inner, value in old.get(name, (None, {}))[1].items():
                if inner not in names and inner not in _OF_IMPORT and current.get(inner) is value:
                    del current[inner]
        elif name not in old:
            sys.modules[name] = target
        merged[name] = (target, names)
    for name, (namespace, _) in old.items():
        if name not in new and sys.modules.get(name) is namespace:
            del sys.modules[name]
    return merged
