/*
 * policy_read.c - reads YAML by tables of keys; every error names file:line:column.
 */
#include "server/policy/policy_reader.h"

#include <stdio.h>

#include "engine/base/bytes_text.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/limits.h"
#include "engine/span/cell.h"

#define KEYS_MAX        16u
#define DURATION_NS_MAX (366 * NS_PER_DAY)
#define SHOWN_BYTES_MAX 80u

static struct slice shown(struct slice text)
{
    return slice_of(text.data, text.size < SHOWN_BYTES_MAX ? text.size : SHOWN_BYTES_MAX);
}

static struct slice scalar(struct fy_node *node)
{
    return yaml_kind(node) == YAML_SCALAR ? yaml_text(node) : SLICE_EMPTY;
}

static enum status unknown_key(struct policy_reader *r, struct fy_node *node, struct slice key,
                               const char *what, const struct policy_key *keys, uint32_t key_count)
{
    const char *names[KEYS_MAX] = {NULL};
    ASSERT(key_count <= KEYS_MAX);
    for (uint32_t i = 0; i < key_count; i++)
        names[i] = keys[i].name;
    const char *nearest = nearest_name(key, names, key_count);
    if (nearest != NULL)
        return yaml_error(r->yaml, node, r->reterr, "%s has no key '%.*s'; did you mean '%s'?",
                          what, SLICE_ARG(shown(key)), nearest);
    char list[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < key_count && used < sizeof list - 64; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    return yaml_error(r->yaml, node, r->reterr, "%s has no key '%.*s'; it has %s", what,
                      SLICE_ARG(shown(key)), list);
}

enum status policy_mapping(struct policy_reader *r, struct fy_node *node, const char *what,
                           const struct policy_key *keys, uint32_t key_count, void *target)
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
        if ((s = keys[k].read(r, value, target)) < 0)
            return s;
    }
    for (uint32_t k = 0; k < key_count; k++) {
        if (keys[k].required && !seen[k])
            return yaml_error(r->yaml, node, r->reterr, "%s needs the key '%s'", what,
                              keys[k].name);
    }
    return STATUS_OK;
}

enum status policy_list(struct policy_reader *r, struct fy_node *node, const char *what,
                        uint32_t max, size_t size,
                        enum status (*read)(struct policy_reader *r, struct fy_node *node,
                                            void *target),
                        void **ret_items, uint32_t *ret_count)
{
    bool is_empty = yaml_kind(node) == YAML_SCALAR && yaml_text(node).size == 0;
    if (yaml_kind(node) != YAML_SEQUENCE && !is_empty)
        return yaml_error(r->yaml, node, r->reterr, "%s are a list", what);
    size_t count = is_empty ? 0 : yaml_count(node);
    if (count > max)
        return yaml_error(r->yaml, node, r->reterr, "at most %u %s", max, what);
    char *items = arena_zero(r->arena, count + 1, size);
    for (size_t i = 0; i < count; i++) {
        enum status s = read(r, yaml_item(node, i), items + i * size);
        if (s < 0)
            return s;
    }
    *ret_items = items;
    *ret_count = (uint32_t)count;
    return STATUS_OK;
}

enum status policy_text(struct policy_reader *r, struct fy_node *node, const char *what,
                        size_t limit, struct slice *ret)
{
    if (node == NULL || yaml_kind(node) != YAML_SCALAR)
        return yaml_error(r->yaml, node, r->reterr, "%s is a text", what);
    struct slice text = yaml_text(node);
    if (text.size == 0)
        return yaml_error(r->yaml, node, r->reterr, "%s is empty", what);
    if (text.size > limit)
        return yaml_error(r->yaml, node, r->reterr, "%s is longer than %zu bytes", what, limit);
    if (memchr(text.data, 0, text.size) != NULL)
        return yaml_error(r->yaml, node, r->reterr, "%s holds a zero byte", what);
    *ret = arena_copy(r->arena, text);
    return STATUS_OK;
}

enum status policy_string(struct policy_reader *r, struct fy_node *node, const char *what,
                          size_t limit, const char **ret)
{
    struct slice text;
    enum status s = policy_text(r, node, what, limit, &text);
    if (s >= 0)
        *ret = (const char *)text.data; /* arena_copy ends it with a NUL */
    return s;
}

enum status policy_project(struct policy_reader *r, struct fy_node *node, struct slice *ret)
{
    enum status s = policy_text(r, node, "project", PROJECT_NAME_MAX, ret);
    if (s < 0)
        return s;
    const char *name = (const char *)ret->data;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != ret->size)
        return yaml_error(r->yaml, node, r->reterr,
                          "a project's name is made of a-z 0-9 _ -; '%s' is not", name);
    return STATUS_OK;
}

enum status policy_bool(struct policy_reader *r, struct fy_node *node, bool *ret)
{
    struct slice text = scalar(node);
    if (!slice_is(text, "true") && !slice_is(text, "false"))
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is not true or false",
                          SLICE_ARG(shown(text)));
    *ret = slice_is(text, "true");
    return STATUS_OK;
}

enum status policy_count(struct policy_reader *r, struct fy_node *node, uint64_t min, uint64_t max,
                         int64_t *ret)
{
    struct slice text = scalar(node);
    uint64_t count;
    ASSERT(max <= INT64_MAX);
    if (!count_from_text(text, &count) || count < min || count > max)
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is not a number from %llu to %llu",
                          SLICE_ARG(shown(text)), (unsigned long long)min, (unsigned long long)max);
    *ret = (int64_t)count;
    return STATUS_OK;
}

enum status policy_number(struct policy_reader *r, struct fy_node *node, double min, double max,
                          double *ret)
{
    struct slice text = scalar(node);
    double number;
    if (!decimal_to_double(text, &number) || !(number >= min && number <= max))
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' is not a number from %g to %g",
                          SLICE_ARG(shown(text)), min, max);
    *ret = number;
    return STATUS_OK;
}

enum status policy_duration(struct policy_reader *r, struct fy_node *node, int64_t *ret_ns)
{
    struct slice text = scalar(node);
    int64_t ns;
    if (!duration_from_text(text, &ns))
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not a duration like 500ms, 30s, 5m or 1h",
                          SLICE_ARG(shown(text)));
    if (ns <= 0 || ns > DURATION_NS_MAX)
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not a duration above 0 and of at most 366d",
                          SLICE_ARG(shown(text)));
    *ret_ns = ns;
    return STATUS_OK;
}

enum status policy_usd(struct policy_reader *r, struct fy_node *node, int64_t *ret_nusd)
{
    struct slice text = scalar(node);
    int64_t nusd;
    enum decimal_result result = decimal_to_int(text, NS_PER_S, 1, &nusd); /* nano-USD, too */
    if (result != DECIMAL_EXACT || nusd < 0)
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not an amount of USD (at most nine decimals)",
                          SLICE_ARG(shown(text)));
    *ret_nusd = nusd;
    return STATUS_OK;
}

enum status policy_error_at(struct policy_reader *r, struct fy_node *node,
                            const struct error *error)
{
    char text[ERROR_TEXT_BYTES];
    memcpy(text, error->text, sizeof text);
    return yaml_error(r->yaml, node, r->reterr, "%s", text);
}
