/*
 * alert_labels.c - label sets.
 * Source: FNV-1a parameters, http://www.isthe.com/chongo/tech/comp/fnv/.
 */
#include "server/alert/alert_labels.h"

#include <stdlib.h>

#include "engine/base/json.h"

#define LABELS_READ_MAX 256u

static int label_order(const void *a, const void *b)
{
    return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void labels_sort(struct label *labels, uint32_t count)
{
    if (count > 1)
        qsort(labels, count, sizeof *labels, label_order);
}

void labels_write(const struct label *labels, uint32_t count, struct buffer *to)
{
    buffer_add_byte(to, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(to, ',');
        buffer_add_json(to, labels[i].name);
        buffer_add_byte(to, ':');
        if (labels[i].has_value)
            buffer_add_json(to, labels[i].value);
        else
            buffer_add_text(to, "null");
    }
    buffer_add_byte(to, '}');
}

enum status labels_read(struct slice json, struct arena *arena, struct label **ret,
                        uint32_t *ret_count, struct error *reterr)
{
    struct json j = json_over(json);
    struct label *labels = ARENA_ARRAY(arena, struct label, LABELS_READ_MAX);
    uint32_t count = 0;
    enum json_token t = json_next(&j);
    if (t != JSON_OBJECT_BEGIN)
        goto wrong;
    while ((t = json_next(&j)) == JSON_KEY && count < LABELS_READ_MAX) {
        struct label *l = &labels[count++];
        l->name = json_string(&j, arena);
        t = json_next(&j);
        if (t != JSON_STRING && t != JSON_NULL)
            goto wrong;
        l->has_value = t == JSON_STRING;
        l->value = l->has_value ? json_string(&j, arena) : SLICE_EMPTY;
    }
    if (t != JSON_OBJECT_END || json_next(&j) != JSON_END)
        goto wrong;
    *ret = labels;
    *ret_count = count;
    return STATUS_OK;
wrong:
    return error_set(reterr, STATUS_INVALID, "labels are an object of texts, not %.*s",
                     (int)(json.size < 100 ? json.size : 100), (const char *)json.data);
}

static uint64_t fnv(uint64_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

uint64_t labels_fingerprint(const struct label *labels, uint32_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < count; i++)
        hash = fnv(fnv(hash, labels[i].name), labels[i].has_value ? labels[i].value : SLICE_EMPTY);
    return hash;
}
