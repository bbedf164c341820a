#include <stddef.h>
#include <stdint.h>

#include "adler32.h"

uint32_t adler32(uint32_t start, const uint8_t *data, size_t length)
{
    uint32_t low = start & 0xffff;
    uint32_t high = start >> 16;
    for (size_t index = 0; index < length; index++) {
        low = (low + data[index]) % ADLER_MODULUS;
        high = (high + low) % ADLER_MODULUS;
    }
    return high << 16 | low;
}
