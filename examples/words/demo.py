"""Text processing: text goes in as `str` and comes back as `str`, also within records."""

import zigimport  # noqa: F401
import words

TEXT = "The quick fox and the lazy dog: the fox jumps, the dog sleeps."

print(words.split("One, two; THREE!"))
for word, count in words.frequent(TEXT):
    print(f"{count} x {word}")
print([entry.word for entry in words.frequent(TEXT, limit=2, shortest=4)])
print(words.frequent(TEXT, limit=1)[0])
print(words.slug("Of Mice & Men (1937)"))
