/*
 * schema_cache.h - compiled schemas of tools and response formats, by the hash of their text.
 *
 * An agent sends the same tool definitions with every call; they are compiled once. Bounded: SCHEMA_CACHE_ENTRIES entries and about
 * SCHEMA_CACHE_BYTES_MAX bytes.
 */
#ifndef DRIFTLINE_ENRICH_SCHEMA_CACHE_H
#define DRIFTLINE_ENRICH_SCHEMA_CACHE_H

#include "engine/base/id.h"
#include "engine/enrich/schema.h"

#define SCHEMA_CACHE_ENTRIES   512u
#define SCHEMA_CACHE_BYTES_MAX ((size_t)16 << 20)

struct cached_schema {
    struct id128 key;
    bool is_definition;         /* of a tool that could be read */
    struct slice name;          /* of the tool; owned */
    struct json_schema *schema; /* NULL: there is none, or it is no valid schema. Owned */
    uint64_t used;              /* 0: free */
};

struct schema_cache;
struct schema_cache *schema_cache_create(void);
void schema_cache_destroy(struct schema_cache *c);
/* NULL: not there. Valid until the next put. */
const struct cached_schema *schema_cache_find(struct schema_cache *c, struct id128 key);
/* Compiles schema (empty: none) and keeps it; what cannot be compiled is kept as NULL, so that it is tried once. */
const struct cached_schema *schema_cache_put(struct schema_cache *c, struct id128 key,
                                             bool is_definition, struct slice name,
                                             struct slice schema);

#endif
