"""``%load_ext zigimport.import_hook`` is the same as ``%load_ext zigimport``."""

from zigimport import load_ipython_extension, unload_ipython_extension

__all__ = ["load_ipython_extension", "unload_ipython_extension"]
