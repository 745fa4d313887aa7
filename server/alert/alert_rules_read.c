/*
 * alert_rules_read.c - reads YAML by tables of keys; every error names file:line:column.
 */
#include "server/alert/alert_rules_reader.h"

#include <stdio.h>

#include "engine/base/bytes_text.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/span/cell.h"

#define KEYS_MAX 32u

static enum status unknown_key(struct rules_reader *r, struct fy_node *node, struct slice key,
                               const char *what, const struct rules_key *keys, uint32_t key_count)
{
    const char *names[KEYS_MAX] = {NULL};
    ASSERT(key_count <= KEYS_MAX);
    for (uint32_t i = 0; i < key_count; i++)
        names[i] = keys[i].name;
    const char *nearest = nearest_name(key, names, key_count);
    if (nearest != NULL)
        return yaml_error(r->yaml, node, r->reterr, "%s has no key '%.*s'; did you mean '%s'?",
                          what, SLICE_ARG(key), nearest);
    char list[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < key_count && used < sizeof list - 64; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    return yaml_error(r->yaml, node, r->reterr, "%s has no key '%.*s'; it has %s", what,
                      (int)(key.size < 80 ? key.size : 80), (const char *)key.data, list);
}

enum status read_mapping(struct rules_reader *r, struct fy_node *node, const char *what,
                         const struct rules_key *keys, uint32_t key_count, uint32_t index)
{
    if (node == NULL || yaml_kind(node) != YAML_MAPPING)
        return yaml_error(r->yaml, node, r->reterr, "%s is a mapping of keys and values", what);
    bool seen[KEYS_MAX] = {false};
    size_t pairs = yaml_count(node);
    for (size_t i = 0; i < pairs; i++) {
        struct slice key = yaml_key(node, i);
        uint32_t k = 0;
        while (k < key_count && !slice_is(key, keys[k].name))
            k++;
        struct fy_node *key_node = yaml_key_node(node, i);
        if (k == key_count)
            return unknown_key(r, key_node, key, what, keys, key_count);
        if (seen[k])
            return yaml_error(r->yaml, key_node, r->reterr, "'%s' stands here twice", keys[k].name);
        seen[k] = true;
        struct fy_node *value = yaml_value(node, i);
        enum status s;
        if (value == NULL)
            return yaml_error(r->yaml, key_node, r->reterr, "'%s' has no value", keys[k].name);
        if ((s = keys[k].read(r, value, index)) < 0)
            return s;
    }
    for (uint32_t k = 0; k < key_count; k++) {
        if (keys[k].required && !seen[k])
            return yaml_error(r->yaml, node, r->reterr, "%s needs the key '%s'", what,
                              keys[k].name);
    }
    return STATUS_OK;
}

enum status read_text(struct rules_reader *r, struct fy_node *node, const char *what, size_t limit,
                      struct slice *ret)
{
    if (yaml_kind(node) != YAML_SCALAR)
        return yaml_error(r->yaml, node, r->reterr, "%s is a text", what);
    struct slice text = yaml_text(node);
    if (text.size == 0)
        return yaml_error(r->yaml, node, r->reterr, "%s is empty", what);
    if (text.size > limit)
        return yaml_error(r->yaml, node, r->reterr, "%s is longer than %zu bytes", what, limit);
    if (memchr(text.data, 0, text.size) != NULL)
        return yaml_error(r->yaml, node, r->reterr, "%s holds a zero byte", what);
    *ret = arena_copy(&r->rules->arena, text);
    return STATUS_OK;
}

enum status read_string(struct rules_reader *r, struct fy_node *node, const char *what,
                        size_t limit, const char **ret)
{
    struct slice text;
    enum status s = read_text(r, node, what, limit, &text);
    if (s >= 0)
        *ret = (const char *)text.data; /* arena_copy ends it with a NUL */
    return s;
}

static bool is_name_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
           memchr("_.:-", b, 4) != NULL;
}

enum status read_name(struct rules_reader *r, struct fy_node *node, const char *what,
                      const char **ret)
{
    struct slice text;
    enum status s = read_text(r, node, what, ALERT_NAME_BYTES_MAX, &text);
    if (s < 0)
        return s;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_name_byte(text.data[i]))
            return yaml_error(r->yaml, node, r->reterr,
                              "%s is made of A-Z a-z 0-9 _ . : -; '%.*s' is not", what,
                              SLICE_ARG(text));
    }
    *ret = (const char *)text.data;
    return STATUS_OK;
}

enum status read_duration(struct rules_reader *r, struct fy_node *node, int64_t min_ns,
                          int64_t *ret_ns)
{
    struct slice text = yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
    int64_t ns;
    if (slice_is(text, "0"))
        ns = 0;
    else if (!duration_from_text(text, &ns))
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not a duration like 500ms, 30s, 5m or 1h",
                          (int)(text.size < 80 ? text.size : 80), (const char *)text.data);
    char least[TIME_TEXT_BYTES];
    duration_to_text(min_ns, least);
    if (ns < min_ns)
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is too short: at least %s",
                          SLICE_ARG(text), least);
    if (ns > ALERT_DURATION_NS_MAX)
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is too long: at most 366d",
                          SLICE_ARG(text));
    *ret_ns = ns;
    return STATUS_OK;
}

enum status read_count(struct rules_reader *r, struct fy_node *node, uint64_t max, uint64_t *ret)
{
    struct slice text = yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
    uint64_t count;
    if (!count_from_text(text, &count) || count > max)
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is not a number from 0 to %llu",
                          (int)(text.size < 80 ? text.size : 80), (const char *)text.data,
                          (unsigned long long)max);
    *ret = count;
    return STATUS_OK;
}

enum status read_bool(struct rules_reader *r, struct fy_node *node, bool *ret)
{
    static const char *const words[] = {"false", "true"};
    uint32_t found;
    enum status s = read_choice(r, node, words, 2, &found);
    if (s >= 0)
        *ret = found == 1;
    return s;
}

enum status read_choice(struct rules_reader *r, struct fy_node *node, const char *const *words,
                        uint32_t word_count, uint32_t *ret)
{
    struct slice text = yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
    char list[128] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < word_count; i++) {
        if (slice_is(text, words[i])) {
            *ret = i;
            return STATUS_OK;
        }
        const char *between = i == 0 ? "" : i + 1 == word_count ? " or " : ", ";
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", between, words[i]);
        ASSERT(used < sizeof list);
    }
    return yaml_error(r->yaml, node, r->reterr, "'%.*s' is not %s",
                      (int)(text.size < 80 ? text.size : 80), (const char *)text.data, list);
}

enum status read_pairs(struct rules_reader *r, struct fy_node *node, const char *what, uint32_t max,
                       struct alert_pair **ret, uint32_t *ret_count)
{
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(r->yaml, node, r->reterr, "%s are a mapping of names and texts", what);
    size_t count = yaml_count(node);
    if (count > max)
        return yaml_error(r->yaml, node, r->reterr, "at most %u %s", max, what);
    struct alert_pair *pairs = arena_zero(&r->rules->arena, count, sizeof *pairs);
    for (size_t i = 0; i < count; i++) {
        struct fy_node *key = yaml_key_node(node, i);
        enum status s;
        if ((s = read_name(r, key, "a name", &pairs[i].name)) < 0 ||
            (s = read_string(r, yaml_value(node, i), pairs[i].name, ALERT_LABEL_BYTES_MAX,
                             &pairs[i].value)) < 0)
            return s;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(pairs[k].name, pairs[i].name) == 0)
                return yaml_error(r->yaml, key, r->reterr, "'%s' stands here twice", pairs[i].name);
        }
    }
    *ret = pairs;
    *ret_count = (uint32_t)count;
    return STATUS_OK;
}

uint32_t list_count(struct fy_node *node)
{
    size_t count = yaml_kind(node) == YAML_SEQUENCE ? yaml_count(node) : 1;
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

struct fy_node *list_item(struct fy_node *node, uint32_t index)
{
    return yaml_kind(node) == YAML_SEQUENCE ? yaml_item(node, index) : node;
}

enum status error_within(struct rules_reader *r, struct fy_node *node, const char *key,
                         const struct error *error)
{
    int line;
    int column;
    char text[ERROR_TEXT_BYTES];
    size_t position = error->position > 0 ? (size_t)error->position : 0;
    memcpy(text, error->text, sizeof text);
    bool exact = yaml_place_within(node, position, &line, &column);
    if (exact || error->position < 0)
        return error_set(r->reterr, error->status, "%s:%d:%d: %s: %s", r->name, line, column, key,
                         text);
    return error_set(r->reterr, error->status, "%s:%d:%d: %s: %s (at character %zu of it)", r->name,
                     line, column, key, text, position + 1);
}
