/*
 * schema_cache.c - four ways a set, the least recently used leaves; over the byte bound everything does.
 *
 * Threads: those of the scorers: one at a time.
 */
#include "engine/enrich/schema_cache.h"

#define WAYS                4u
#define SETS                (SCHEMA_CACHE_ENTRIES / WAYS)
#define TOOL_NAME_BYTES_MAX 256u

struct schema_cache {
    struct cached_schema entries[SETS][WAYS];
    size_t bytes;
    uint64_t clock;
};

struct schema_cache *schema_cache_create(void)
{
    return MEM_NEW(struct schema_cache);
}

static size_t entry_bytes(const struct cached_schema *e)
{
    return e->name.size + (e->schema != NULL ? json_schema_bytes(e->schema) : 0);
}

static void entry_clear(struct schema_cache *c, struct cached_schema *e)
{
    if (e->used == 0)
        return;
    c->bytes -= entry_bytes(e);
    json_schema_destroy(e->schema);
    if (e->name.size > 0)
        mem_free((void *)(uintptr_t)e->name.data);
    *e = (struct cached_schema){0};
}

static void cache_clear(struct schema_cache *c)
{
    for (uint32_t i = 0; i < SETS; i++) {
        for (uint32_t way = 0; way < WAYS; way++)
            entry_clear(c, &c->entries[i][way]);
    }
}

void schema_cache_destroy(struct schema_cache *c)
{
    if (c == NULL)
        return;
    cache_clear(c);
    mem_free(c);
}

static struct cached_schema *set_of(struct schema_cache *c, struct id128 key)
{
    uint64_t bits;
    memcpy(&bits, &key, sizeof bits);
    return c->entries[bits % SETS];
}

const struct cached_schema *schema_cache_find(struct schema_cache *c, struct id128 key)
{
    struct cached_schema *set = set_of(c, key);
    for (uint32_t way = 0; way < WAYS; way++) {
        if (set[way].used != 0 && memcmp(&set[way].key, &key, sizeof key) == 0) {
            set[way].used = ++c->clock;
            return &set[way];
        }
    }
    return NULL;
}

const struct cached_schema *schema_cache_put(struct schema_cache *c, struct id128 key,
                                             bool is_definition, struct slice name,
                                             struct slice schema)
{
    if (c->bytes > SCHEMA_CACHE_BYTES_MAX)
        cache_clear(c);
    struct cached_schema *oldest = set_of(c, key);
    for (uint32_t way = 1; way < WAYS; way++) {
        struct cached_schema *e = &set_of(c, key)[way];
        if (e->used < oldest->used)
            oldest = e;
    }
    entry_clear(c, oldest);
    *oldest = (struct cached_schema){
        .key = key, .is_definition = is_definition, .name = SLICE_EMPTY, .used = ++c->clock};
    if (name.size > TOOL_NAME_BYTES_MAX)
        name.size = TOOL_NAME_BYTES_MAX;
    if (name.size > 0) {
        uint8_t *copy = mem_alloc(name.size);
        memcpy(copy, name.data, name.size);
        oldest->name = slice_of(copy, name.size);
    }
    if (schema.size > 0)
        IGNORE_STATUS(
            json_schema_create(schema, &(struct json_schema_options){0}, &oldest->schema, NULL));
    c->bytes += entry_bytes(oldest);
    return oldest;
}
