/* The largest prime below 65536. */
#define ADLER_MODULUS 65521u
