import zlib

import zigimport  # noqa: F401

import checksum

text = b"a C source compiled along with a Zig module"
print(f"{checksum.adler(text):08x}")
print(checksum.adler(text) == zlib.adler32(text))
first = checksum.adler(text[:10])
print(checksum.adler(text[10:], start=first) == zlib.adler32(text))
