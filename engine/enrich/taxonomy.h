/*
 * taxonomy.h - the error classes: what they mean, which bucket they are in, which one wins.
 *
 * Data:     class.def holds the classes that ship; a policy file adds more, or changes order and buckets.
 * Root cause: of several classes that fit a span the one with the lowest `order` wins: a truncation that broke a tool call is a
 *           truncation.
 * Bounds:   TAXONOMY_CLASSES_MAX classes, so that error_class stays a low-cardinality column.
 */
#ifndef DRIFTLINE_ENRICH_TAXONOMY_H
#define DRIFTLINE_ENRICH_TAXONOMY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

#define TAXONOMY_CLASSES_MAX 64u
#define CLASS_NAME_BYTES_MAX 48u

enum bucket { BUCKET_NONE, BUCKET_OPS, BUCKET_QUALITY, BUCKET_STRUCTURE, BUCKET_SAFETY };
const char *bucket_name(enum bucket bucket);
bool bucket_from_name(struct slice name, enum bucket *ret);

struct error_class {
    char name[CLASS_NAME_BYTES_MAX + 1]; /* [a-z][a-z0-9_]* */
    enum bucket bucket;
    int order; /* lower wins; unique */
    const char *definition;
};

/* Zero is not valid: taxonomy_init gives the classes of class.def. */
struct taxonomy {
    struct error_class classes[TAXONOMY_CLASSES_MAX];
    uint32_t count;
};
void taxonomy_init(struct taxonomy *t);
/* Adds or (same name) changes a class; definition is borrowed. STATUS_LIMIT names the bound, STATUS_INVALID a bad name or an order taken
 * by another class. */
MUST_CHECK enum status taxonomy_set(struct taxonomy *t, struct slice name, enum bucket bucket, int order, const char *definition,
                                    struct error *reterr);
/* NULL when unknown. "none" is a class (BUCKET_NONE). */
const struct error_class *taxonomy_find(const struct taxonomy *t, struct slice name);

#endif
