"""An iterator: a struct with a function `next` works in every loop of Python."""

from itertools import islice

import zigimport  # noqa: F401
import primes

print(list(primes.Primes(end=30)))
print(list(islice(primes.Primes(start=1_000_000), 3)))
print(sum(primes.Primes(end=1000)))

endless = primes.Primes()
print(next(endless), next(endless), next(endless))
print([prime for prime in primes.Primes(start=100, end=130) if prime % 4 == 1])
print(list(primes.factors(2**32 + 1)), primes.is_prime(2**31 - 1))
