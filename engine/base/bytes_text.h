/*
 * bytes_text.h - counts and sizes as people write them: "100", "64MiB", "2GiB".
 */
#ifndef DRIFTLINE_BASE_BYTES_TEXT_H
#define DRIFTLINE_BASE_BYTES_TEXT_H

#include "engine/base/slice.h"

/* Decimal digits only, at most 19. */
bool count_from_text(struct slice text, uint64_t *ret);
/* A count with B, KiB, MiB, GiB or TiB behind it; none means bytes. False when it is none of these or does not fit. */
bool bytes_from_text(struct slice text, uint64_t *ret_bytes);
/* The shortest exact form: 67108864 -> "64MiB". */
#define BYTES_TEXT_BYTES 32
void bytes_to_text(uint64_t bytes, char to[BYTES_TEXT_BYTES]);

#endif
