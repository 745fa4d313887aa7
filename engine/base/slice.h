/*
 * slice.h - borrowed bytes, and the small helpers that go with them.
 *
 * A slice never owns. The empty slice points at "", not NULL.
 */
#ifndef DRIFTLINE_BASE_SLICE_H
#define DRIFTLINE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

#define SLICE_EMPTY ((struct slice){.data = (const uint8_t *)"", .size = 0})
/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)((s).size > 0x7fffffff ? 0x7fffffff : (s).size), (const char *)(s).data

static inline struct slice slice_of(const void *data, size_t size)
{
    return size == 0 ? SLICE_EMPTY : (struct slice){.data = data, .size = size};
}

static inline struct slice slice_text(const char *text)
{
    return (struct slice){.data = (const uint8_t *)text, .size = strlen(text)};
}

/* memcpy that takes NULL for no bytes. */
static inline void bytes_copy(void *to, const void *from, size_t size)
{
    if (size != 0)
        memcpy(to, from, size);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_text(text));
}

/* Byte order; a prefix comes first. <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

#endif
