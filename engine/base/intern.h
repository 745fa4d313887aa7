/*
 * intern.h - strings to small codes: the hash map behind every dictionary.
 *
 * Code 0 is always NULL (the empty slice stands in values[0]); real strings, the empty one
 * included, get 1, 2, ... in order of arrival. values may move when it grows.
 */
#ifndef DRIFTLINE_BASE_INTERN_H
#define DRIFTLINE_BASE_INTERN_H

#include "engine/base/memory.h"

/* Zero is valid and empty once intern_init ran. */
struct intern {
    struct arena arena;      /* the strings' bytes */
    struct slice *values;    /* values[code] */
    uint32_t count;          /* codes in use, NULL included: 1 when empty */
    size_t values_capacity;
    uint64_t *hashes;        /* hash64 of values[code] */
    size_t hashes_capacity;
    uint32_t *table;         /* open addressing: code, 0 = free */
    uint32_t table_mask;
};

void intern_init(struct intern *in);
void intern_deinit(struct intern *in);
/* Forgets all strings, keeps memory. */
void intern_reset(struct intern *in);
/* The code of a string, added when new (bytes are copied). */
uint32_t intern_add(struct intern *in, struct slice text);
uint32_t intern_add_hashed(struct intern *in, struct slice text, uint64_t hash);
/* 0 when it is not there. */
uint32_t intern_find(const struct intern *in, struct slice text);

#endif
