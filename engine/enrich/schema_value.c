/*
 * schema_value.c - JSON as a tree, and when two trees are equal.
 *
 * Bounds: values are counted against the caller's limit; depth is JSON_DEPTH_MAX, so recursion is, too.
 */
#include <math.h>

#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/schema_internal.h"

static const char *const type_names[VALUE_TYPE_COUNT] = {
    [VALUE_NULL] = "null",     [VALUE_BOOLEAN] = "boolean", [VALUE_INTEGER] = "integer",
    [VALUE_NUMBER] = "number", [VALUE_STRING] = "string",   [VALUE_ARRAY] = "array",
    [VALUE_OBJECT] = "object",
};

const char *value_type_name(enum value_type type)
{
    return type_names[type];
}

static void number_read(const struct json *j, struct json_value *v)
{
    v->text = j->raw;
    v->number = json_double(j);
    v->is_exact = json_int(j, &v->integer);
    v->type = v->is_exact || (isfinite(v->number) && floor(v->number) == v->number) ? VALUE_INTEGER
                                                                                    : VALUE_NUMBER;
}

/* Sets what a token says of its value. False: the token begins no value. */
static bool value_fill(const struct json *j, enum json_token t, struct arena *arena,
                       struct json_value *v)
{
    switch (t) {
    case JSON_OBJECT_BEGIN:
        v->type = VALUE_OBJECT;
        return true;
    case JSON_ARRAY_BEGIN:
        v->type = VALUE_ARRAY;
        return true;
    case JSON_STRING:
        v->type = VALUE_STRING;
        v->text = json_string(j, arena);
        return true;
    case JSON_NUMBER:
        number_read(j, v);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        v->type = VALUE_BOOLEAN;
        v->truth = t == JSON_TRUE;
        return true;
    case JSON_NULL:
        v->type = VALUE_NULL;
        return true;
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY:
        break;
    }
    return false;
}

enum status json_value_read(struct slice text, uint32_t values_max, struct arena *arena,
                            struct json_value **ret, struct error *reterr)
{
    struct json j = json_over(text);
    struct json_value *parents[JSON_DEPTH_MAX + 1];
    struct json_value **tails[JSON_DEPTH_MAX + 1];
    struct json_value *root = NULL;
    uint32_t depth = 0;
    uint32_t values = 0;
    struct slice key = SLICE_EMPTY;
    tails[0] = &root;
    for (enum json_token t; (t = json_next(&j)) != JSON_END;) {
        if (t == JSON_ERROR)
            return json_error(&j, "JSON", reterr);
        if (t == JSON_KEY) {
            key = json_string(&j, arena);
            continue;
        }
        if (t == JSON_OBJECT_END || t == JSON_ARRAY_END) {
            depth--;
            continue;
        }
        if (values++ == values_max)
            return error_set_at(reterr, STATUS_LIMIT, (int64_t)j.start, "more than %u JSON values",
                                values_max);
        struct json_value *v = ARENA_NEW(arena, struct json_value);
        (void)value_fill(&j, t, arena, v);
        v->offset = (uint32_t)j.start;
        v->key = key;
        key = SLICE_EMPTY;
        *tails[depth] = v;
        tails[depth] = &v->next;
        if (depth > 0)
            parents[depth]->count++;
        if (v->type == VALUE_OBJECT || v->type == VALUE_ARRAY) {
            depth++;
            parents[depth] = v;
            tails[depth] = &v->first;
        }
    }
    *ret = root;
    return STATUS_OK;
}

struct json_value *json_value_member(const struct json_value *object, struct slice key)
{
    struct json_value *found = NULL;
    if (object->type != VALUE_OBJECT)
        return NULL;
    for (struct json_value *m = object->first; m != NULL; m = m->next) {
        if (slice_equal(m->key, key))
            found = m;
    }
    return found;
}

static bool is_number(const struct json_value *v)
{
    return v->type == VALUE_INTEGER || v->type == VALUE_NUMBER;
}

int json_value_compare(const struct json_value *a, const struct json_value *b)
{
    if (a->is_exact && b->is_exact)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return (a->number > b->number) - (a->number < b->number);
}

static bool step(uint64_t *steps, uint64_t cost)
{
    *steps = *steps > cost ? *steps - cost : 0;
    return *steps != 0;
}

static bool objects_equal(const struct json_value *a, const struct json_value *b, uint64_t *steps)
{
    for (const struct json_value *m = a->first; m != NULL; m = m->next) {
        const struct json_value *other = json_value_member(b, m->key);
        if (!step(steps, 1 + b->count / 4) || other == NULL || !json_value_equal(m, other, steps))
            return false;
    }
    return true;
}

bool json_value_equal(const struct json_value *a, const struct json_value *b, uint64_t *steps)
{
    if (!step(steps, 1))
        return false;
    if (is_number(a) && is_number(b))
        return json_value_compare(a, b) == 0;
    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOLEAN:
        return a->truth == b->truth;
    case VALUE_STRING:
        return slice_equal(a->text, b->text);
    case VALUE_OBJECT:
        return objects_equal(a, b, steps);
    case VALUE_ARRAY: {
        const struct json_value *x = a->first;
        const struct json_value *y = b->first;
        for (; x != NULL && y != NULL; x = x->next, y = y->next) {
            if (!json_value_equal(x, y, steps))
                return false;
        }
        return true;
    }
    case VALUE_INTEGER:
    case VALUE_NUMBER:
        break;
    }
    return false;
}

uint64_t json_value_hash(const struct json_value *v, uint64_t *steps)
{
    if (!step(steps, 1))
        return 0;
    uint64_t hash = hash_mix((uint64_t)v->type + 1);
    if (is_number(v)) {
        double number = v->number == 0 ? 0 : v->number; /* -0 is 0 */
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        return hash_mix(bits + 0x9e3779b97f4a7c15u);
    }
    if (v->type == VALUE_BOOLEAN)
        hash = hash_mix(hash + v->truth);
    if (v->type == VALUE_STRING)
        hash = hash_mix(hash + hash64(v->text));
    uint64_t members = 0;
    for (const struct json_value *m = v->first; m != NULL; m = m->next) {
        uint64_t one = json_value_hash(m, steps);
        if (v->type == VALUE_OBJECT)
            members += hash_mix(one ^ hash64(m->key)); /* in any order */
        else
            members = hash_mix(members + one);
    }
    return hash_mix(hash + members);
}
