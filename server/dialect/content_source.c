/*
 * content_source.c - the table of sources and how keys find into it.
 */
#include "engine/base/check.h"
#include "server/dialect/content_internal.h"

#define MATCH_EXACT  false
#define MATCH_PREFIX true

static const struct source sources[] = {
#define SOURCE(field_, form_, match, key_)                                                         \
    {.field = SOURCE_##field_,                                                                     \
     .form = SOURCE_##form_,                                                                       \
     .key = {.key = key_, .is_prefix = MATCH_##match},                                             \
     .key_bytes = sizeof(key_) - 1},
#include "server/dialect/content.def"
#undef SOURCE
};
static_assert(sizeof sources / sizeof sources[0] == SOURCE_COUNT, "one line, one source");

uint16_t content_source_count(void)
{
    return SOURCE_COUNT;
}

const struct source *source_at(uint16_t number)
{
    ASSERT(number >= 1);
    ASSERT(number <= SOURCE_COUNT);
    return &sources[number - 1];
}

const struct content_source *content_source_at(uint16_t number)
{
    return &source_at(number)->key;
}

bool source_claims(const struct source *s, struct slice key)
{
    size_t last = s->key_bytes - 1; /* keys differ at their ends rather than at their starts */
    if (s->key_bytes == 0 || key.size < s->key_bytes ||
        key.data[last] != (uint8_t)s->key.key[last] || memcmp(key.data, s->key.key, last) != 0)
        return false;
    if (!s->key.is_prefix)
        return key.size == s->key_bytes;
    uint8_t next = key.size > s->key_bytes ? key.data[s->key_bytes] : 0;
    return next >= '0' && next <= '9';
}

uint16_t content_claim(struct slice key)
{
    for (uint16_t i = 0; i < SOURCE_COUNT; i++) {
        if (source_claims(&sources[i], key))
            return (uint16_t)(i + 1);
    }
    return 0;
}

const char *content_field_column(enum content_field field)
{
    switch (field) {
    case CONTENT_INPUT:
    case CONTENT_SYSTEM:
        return "input";
    case CONTENT_OUTPUT:
        return "output";
    case CONTENT_TOOLS:
        return "tools";
    case CONTENT_TOOL_ARGS:
        return "tool_args";
    case CONTENT_TOOL_RESULT:
        return "tool_result";
    case CONTENT_RETRIEVED:
        return "retrieved";
    case CONTENT_NONE:
    case CONTENT_FIELD_COUNT:
        break;
    }
    return NULL;
}
