/*
 * otlp_json_read.c - members and scalars. Where clients differ, all their ways are taken.
 *
 * Speed:    members come in the same order in every object of a kind, so the name after the last one found is tried first:
 *           one comparison a member instead of a search.
 */

#include "server/codec/otlp_json_read.h"
#include "engine/base/decimal.h"
#include "server/codec/base64.h"

struct name {
    const char *text;
    size_t size;
};

#define MESSAGE(message)           static const struct name message##_names[] = {
#define NAME(message, field, name) {name, sizeof name - 1},
#define END(message)                                                                               \
    }                                                                                              \
    ;
#include "server/codec/otlp_json_names.def"
#undef MESSAGE
#undef NAME
#undef END

static const struct {
    const struct name *names;
    uint32_t count;
} tables[] = {
#define MESSAGE(message) {message##_names, sizeof message##_names / sizeof(struct name)},
#define NAME(message, field, name)
#define END(message)
#include "server/codec/otlp_json_names.def"
#undef MESSAGE
#undef NAME
#undef END
};

#define JSON_NAME_BYTES_MAX 32

/* "trace_id" -> "traceId". Names longer than any of ours come back empty. */
static struct slice camel_case(struct slice key, uint8_t to[JSON_NAME_BYTES_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < key.size; i++) {
        uint8_t c = key.data[i];
        if (size == JSON_NAME_BYTES_MAX)
            return SLICE_EMPTY;
        if (c == '_' && i + 1 < key.size && key.data[i + 1] >= 'a' && key.data[i + 1] <= 'z')
            to[size++] = (uint8_t)(key.data[++i] - 'a' + 'A');
        else
            to[size++] = c;
    }
    return slice_of(to, size);
}

static int name_find(struct json_reader *j, enum json_message message, struct slice key)
{
    const struct name *names = tables[message].names;
    uint32_t count = tables[message].count;
    uint32_t at = j->reader->name_hints[message];
    for (uint32_t tried = 0; tried < count; tried++) {
        if (names[at].size == key.size && memcmp(names[at].text, key.data, key.size) == 0) {
            j->reader->name_hints[message] = at + 1 == count ? 0 : at + 1;
            return (int)at;
        }
        at = at + 1 == count ? 0 : at + 1;
    }
    return (int)count;
}

int json_field(struct json_reader *j, enum json_message message)
{
    struct slice key = j->json.raw;
    uint8_t camel[JSON_NAME_BYTES_MAX];
    int field = name_find(j, message, key);
    if (field == (int)tables[message].count && memchr(key.data, '_', key.size) != NULL)
        field = name_find(j, message, camel_case(key, camel));
    return field;
}

bool json_pass(struct json_reader *j, enum json_token t)
{
    if (t < 0)
        return false;
    if (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN)
        (void)json_skip(&j->json, t);
    return j->json.reason == NULL;
}

bool json_wrong(struct json_reader *j, enum json_token t, const char *what)
{
    record_fault(j->reader, "byte %zu: %s is not of the right type", j->json.start, what);
    return json_pass(j, t);
}

bool json_members(struct json_reader *j, enum json_message message, enum json_token t,
                  const char *what, json_member *member, void *context)
{
    if (t != JSON_OBJECT_BEGIN)
        return json_wrong(j, t, what);
    while ((t = json_next(&j->json)) == JSON_KEY) {
        int field = json_field(j, message);
        t = json_next(&j->json);
        if (t == JSON_NULL)
            continue; /* protobuf's JSON: as if it were not there */
        bool known = field < (int)tables[message].count;
        if (!(known ? member(j, field, t, context) : json_pass(j, t)))
            return false;
    }
    return t == JSON_OBJECT_END;
}

bool json_items(struct json_reader *j, enum json_token t, const char *what, json_item *item,
                void *context)
{
    if (t != JSON_ARRAY_BEGIN)
        return json_wrong(j, t, what);
    while ((t = json_next(&j->json)) > 0 && t != JSON_ARRAY_END) {
        if (!item(j, t, context))
            return false;
    }
    return t == JSON_ARRAY_END;
}

/* ---- scalars ---- */

bool json_take_text(struct json_reader *j, enum json_token t, const char *what, struct slice *ret)
{
    if (t == JSON_STRING)
        *ret = json_string(&j->json, j->arena);
    else if (t == JSON_NUMBER || t == JSON_TRUE || t == JSON_FALSE)
        *ret = j->json.raw;
    else
        return json_wrong(j, t, what);
    return true;
}

/* Digits alone, as clients write them; anything else takes the long way. */
static bool int_from_text(struct slice text, int64_t *ret)
{
    if (text.size == 0 || text.size > 40)
        return false;
    if (text.size <= 18) {
        int64_t v = 0;
        size_t i = 0;
        for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
            v = v * 10 + (text.data[i] - '0');
        if (i == text.size) {
            *ret = v;
            return true;
        }
    }
    return decimal_to_int(text, 1, 1, ret) == DECIMAL_EXACT;
}

bool json_take_int(struct json_reader *j, enum json_token t, const char *what, int64_t *ret)
{
    if ((t != JSON_NUMBER && t != JSON_STRING) || !int_from_text(j->json.raw, ret))
        return json_wrong(j, t, what);
    return true;
}

/* Like an integer; too late a time becomes the latest we have, and a fraction of a nanosecond goes. */
bool json_take_time(struct json_reader *j, enum json_token t, const char *what, int64_t *ret)
{
    double ns;
    if (t != JSON_NUMBER && t != JSON_STRING)
        return json_wrong(j, t, what);
    if (int_from_text(j->json.raw, ret))
        return true;
    if (j->json.raw.size > 64 || !decimal_to_double(j->json.raw, &ns))
        return json_wrong(j, t, what);
    if (ns >= 0x1p63)
        *ret = INT64_MAX;
    else
        *ret = ns <= -0x1p63 ? INT64_MIN : (int64_t)ns;
    return true;
}

bool json_take_count(struct json_reader *j, enum json_token t, uint32_t *to)
{
    int64_t count = 0;
    if ((t == JSON_NUMBER || t == JSON_STRING) && int_from_text(j->json.raw, &count)) {
        *to += (uint32_t)count;
        return true;
    }
    return json_pass(j, t);
}

static bool enum_from_name(struct slice name, const char *prefix, const char *names, int32_t first,
                           int32_t *ret)
{
    struct slice start = slice_text(prefix);
    if (name.size >= start.size && memcmp(name.data, start.data, start.size) == 0)
        name = slice_of(name.data + start.size, name.size - start.size);
    for (int32_t value = first; *names != 0; value++) {
        size_t size = strcspn(names, " ");
        if (slice_equal(name, slice_of(names, size))) {
            *ret = value;
            return true;
        }
        names += size + (names[size] == ' ');
    }
    return false;
}

bool json_take_enum(struct json_reader *j, enum json_token t, const char *what, const char *prefix,
                    const char *names, int32_t first, int32_t *ret)
{
    int64_t value = 0;
    if (t == JSON_STRING && enum_from_name(j->json.raw, prefix, names, first, ret))
        return true;
    if (!json_take_int(j, t, what, &value))
        return false;
    *ret = (int32_t)value;
    return true;
}

bool json_take_id(struct json_reader *j, enum json_token t, const char *what, uint8_t *to,
                  size_t size, bool *ret_fine)
{
    struct slice text = j->json.raw;
    struct slice bytes;
    memset(to, 0, size);
    *ret_fine = false;
    if (t != JSON_STRING)
        return json_wrong(j, t, what);
    if (text.size == 2 * size) {
        *ret_fine = hex_decode(text, to, size);
    } else if (text.size == (size + 2) / 3 * 4 && base64_parse(text, j->arena, &bytes) &&
               bytes.size == size) {
        memcpy(to, bytes.data, size);
        *ret_fine = true;
    }
    if (!*ret_fine)
        memset(to, 0, size);
    return true;
}
