/*
 * otlp_json_value.c - AnyValue in JSON: {"stringValue": "x"}, and what clients write instead.
 *
 * Taken:    a bare JSON value in place of an AnyValue ("x", 5, [1], {"a": 1}); a bare array in place of
 *           {"values": []}; numbers as strings and strings as numbers. An object is an AnyValue when its first member has the
 *           name of one ({} is the empty value). Bare arrays and objects are kept as they are written.
 * Bounds:   as in otlp_proto_value.c. What is too deep is leapt over, so the text behind it is still read.
 */
#include <strings.h>

#include "engine/base/decimal.h"
#include "server/codec/base64.h"
#include "server/codec/otlp_json_read.h"

/* ---- scalars ---- */

static bool is_scalar(enum json_token t)
{
    return t == JSON_STRING || t == JSON_NUMBER || t == JSON_TRUE || t == JSON_FALSE;
}

static bool word_is(struct slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static double double_from_text(struct slice text, bool *ret_fine)
{
    double number = 0;
    *ret_fine = true;
    if (decimal_to_double(text, &number))
        return number;
    if (word_is(text, "NaN"))
        return __builtin_nan("");
    if (word_is(text, "Infinity"))
        return __builtin_inf();
    if (word_is(text, "-Infinity"))
        return -__builtin_inf();
    *ret_fine = false;
    return 0;
}

/* The nearest thing a number's text is: an integer, else a double, else what it was. */
static struct value number_value(struct slice text, bool wants_integer)
{
    int64_t integer = 0;
    bool fine = false;
    bool looks_integer = memchr(text.data, '.', text.size) == NULL &&
                         memchr(text.data, 'e', text.size) == NULL &&
                         memchr(text.data, 'E', text.size) == NULL;
    if ((wants_integer || looks_integer) && decimal_to_int(text, 1, 1, &integer) == DECIMAL_EXACT)
        return (struct value){.type = VALUE_INT, .integer = integer};
    double number = double_from_text(text, &fine);
    if (fine)
        return (struct value){.type = VALUE_DOUBLE, .number = number};
    /* A JSON number that isn't finite as a double: keep its digits. */
    return (struct value){.type = VALUE_STRING, .bytes = text};
}

static struct value bare_scalar(struct json_reader *j, enum json_token t)
{
    if (t == JSON_STRING)
        return (struct value){.type = VALUE_STRING, .bytes = json_string(&j->json, j->arena)};
    if (t == JSON_NUMBER)
        return number_value(j->json.raw, false);
    return (struct value){.type = VALUE_BOOL, .boolean = t == JSON_TRUE};
}

/* field says which member of the oneof the scalar t was given as. */
static struct value typed_scalar(struct json_reader *j, int field, enum json_token t)
{
    struct value bare = bare_scalar(j, t);
    struct slice text = t == JSON_STRING ? bare.bytes : j->json.raw;
    bool fine = false;
    double number;
    switch ((enum any_field)field) {
    case any_string:
        return (struct value){.type = VALUE_STRING, .bytes = text};
    case any_boolean:
        if (t == JSON_STRING && (word_is(text, "true") || word_is(text, "false")))
            return (struct value){.type = VALUE_BOOL, .boolean = word_is(text, "true")};
        return bare;
    case any_integer:
        return t == JSON_STRING || t == JSON_NUMBER ? number_value(text, true) : bare;
    case any_number:
        number = double_from_text(text, &fine);
        return fine ? (struct value){.type = VALUE_DOUBLE, .number = number} : bare;
    case any_bytes:
        if (t == JSON_STRING && base64_parse(text, j->arena, &text))
            return (struct value){.type = VALUE_BYTES, .bytes = text};
        return bare;
    case any_array:
    case any_pairs:
    case any_strindex:
    case any_other:
        break;
    }
    return bare;
}

/* ---- nested values ---- */

struct nesting {
    uint32_t depth; /* containers around the value */
    enum value_fault fault;
    size_t start; /* of the container in r->nested, for a member met twice */
    bool is_pairs;
    bool has_elements;
};

static bool nested_value(struct json_reader *j, enum json_token t, struct nesting *n);

static bool nested_note(struct nesting *n, enum value_fault fault)
{
    if (n->fault == VALUE_FINE)
        n->fault = fault;
    return true;
}

static bool nested_too_deep(struct json_reader *j, enum json_token t, struct nesting *n)
{
    (void)nested_note(n, VALUE_TOO_DEEP);
    return json_leap(&j->json, t);
}

/* A bare array or object, as it is written. */
static bool bare_container(struct json_reader *j, enum json_token t, struct nesting *n,
                           struct slice *ret)
{
    size_t start = j->json.start;
    uint32_t outside = j->json.depth - 1;
    while (j->json.depth > outside) {
        if ((t = json_next(&j->json)) < 0)
            return false;
        if (j->json.depth > outside && j->json.depth - outside + n->depth > OTLP_DEPTH_MAX &&
            (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN) && !nested_too_deep(j, t, n))
            return false;
    }
    *ret = slice_of(j->json.text.data + start, j->json.at - start);
    return true;
}

static bool bare_nested(struct json_reader *j, enum json_token t, struct nesting *n)
{
    struct slice text = SLICE_EMPTY;
    if (!bare_container(j, t, n, &text))
        return false;
    return nested_note(n, n->fault == VALUE_FINE ? nested_raw(j->reader, text) : VALUE_FINE);
}

static void comma(struct json_reader *j, struct nesting *n)
{
    if (n->has_elements && n->fault == VALUE_FINE)
        buffer_add_byte(&j->reader->nested, ',');
    n->has_elements = true;
}

static bool element(struct json_reader *j, enum json_token t, void *context)
{
    struct nesting *n = context;
    comma(j, n);
    struct nesting inner = {.depth = n->depth + 1, .fault = n->fault};
    bool fine = nested_value(j, t, &inner);
    n->fault = inner.fault;
    return fine;
}

/* A key and value of a list. The value is written when it comes; a key that comes behind it is put in front at the end. */
struct pair {
    struct nesting *outer;
    struct slice key;
    struct slice key_written;
    size_t start; /* of the pair in r->nested */
    size_t value_start;
    bool has_value;
};

static bool pair_value(struct json_reader *j, enum json_token t, struct pair *p)
{
    struct nesting inner = {.depth = p->outer->depth + 1, .fault = p->outer->fault};
    struct buffer *nested = &j->reader->nested;
    nested->size = p->start;
    if (inner.fault == VALUE_FINE)
        (void)nested_note(&inner, nested_text(j->reader, p->key));
    buffer_add_byte(nested, ':');
    p->key_written = p->key;
    p->value_start = nested->size;
    p->has_value = true;
    bool fine = nested_value(j, t, &inner);
    p->outer->fault = inner.fault;
    return fine;
}

static bool pair_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct pair *p = context;
    if (field == attribute_key)
        return json_take_text(j, t, "a key", &p->key);
    return pair_value(j, t, p);
}

/* The key that was written is not the one the pair has: puts the right one in its place, moving the value. */
static void pair_correct(struct json_reader *j, struct pair *p)
{
    struct buffer *nested = &j->reader->nested;
    if (p->outer->fault != VALUE_FINE || slice_equal(p->key, p->key_written))
        return;
    size_t value_end = nested->size;
    (void)nested_note(p->outer, nested_text(j->reader, p->key));
    buffer_add_byte(nested, ':');
    struct slice key = slice_of(nested->data + value_end, nested->size - value_end);
    key = arena_copy(j->arena, key);
    size_t value_size = value_end - p->value_start;
    memmove(nested->data + p->start + key.size, nested->data + p->value_start, value_size);
    bytes_copy(nested->data + p->start, key.data, key.size);
    nested->size = p->start + key.size + value_size;
}

/* {"key": "a", "value": {...}} */
static bool pair(struct json_reader *j, enum json_token t, void *context)
{
    struct nesting *n = context;
    comma(j, n);
    struct pair p = {.outer = n,
                     .key = SLICE_EMPTY,
                     .key_written = SLICE_EMPTY,
                     .start = j->reader->nested.size};
    if (!json_members(j, MESSAGE_attribute, t, "a key and value", pair_member, &p) ||
        (!p.has_value && !pair_value(j, JSON_NULL, &p)))
        return false;
    pair_correct(j, &p);
    return true;
}

static void container_begin(struct json_reader *j, struct nesting *n)
{
    j->reader->nested.size = n->start;
    n->has_elements = false;
    buffer_add_byte(&j->reader->nested, n->is_pairs ? '{' : '[');
}

static bool container_items(struct json_reader *j, enum json_token t, struct nesting *n)
{
    container_begin(j, n);
    return json_items(j, t, "an array", n->is_pairs ? pair : element, n);
}

static bool list_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    (void)field; /* there is but one */
    return container_items(j, t, context);
}

/* The value of "arrayValue" or "kvlistValue". */
static bool container(struct json_reader *j, int field, enum json_token t, struct nesting *n)
{
    if (n->depth == OTLP_DEPTH_MAX && (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN))
        return nested_too_deep(j, t, n);
    n->is_pairs = field == any_pairs;
    container_begin(j, n);
    bool fine = t == JSON_ARRAY_BEGIN
                    ? container_items(j, t, n)
                    : json_members(j, MESSAGE_list, t, "a list of values", list_member, n);
    if (fine && n->fault == VALUE_FINE)
        (void)nested_note(n, nested_raw(j->reader, slice_text(n->is_pairs ? "}" : "]")));
    return fine;
}

/* ---- AnyValue ---- */

struct any {
    struct value value; /* a scalar, unless is_nested */
    bool is_nested;     /* its text stands in r->nested from nesting.start on */
    struct nesting nesting;
};

static bool any_member(struct json_reader *j, int field, enum json_token t, struct any *any)
{
    bool is_container = field == any_array || field == any_pairs;
    j->reader->nested.size = any->nesting.start;
    any->is_nested = is_container && !is_scalar(t);
    if (any->is_nested)
        return container(j, field, t, &any->nesting);
    if (!is_scalar(t))
        return json_wrong(j, t, "a value");
    any->value = typed_scalar(j, field, t);
    return true;
}

/* An object: its first member tells whether it is an AnyValue. */
static bool any_object(struct json_reader *j, struct any *any)
{
    struct json start = j->json;
    enum json_token t = json_next(&j->json);
    if (t == JSON_KEY && json_field(j, MESSAGE_any) == any_other) {
        j->json = start;
        any->is_nested = true;
        return bare_nested(j, JSON_OBJECT_BEGIN, &any->nesting);
    }
    for (; t == JSON_KEY; t = json_next(&j->json)) {
        int field = json_field(j, MESSAGE_any);
        t = json_next(&j->json);
        if (t == JSON_NULL)
            continue;
        if (!(field >= any_strindex ? json_pass(j, t) : any_member(j, field, t, any)))
            return false;
    }
    return t == JSON_OBJECT_END;
}

static bool any_take(struct json_reader *j, enum json_token t, struct any *any)
{
    any->nesting.start = j->reader->nested.size;
    if (t == JSON_OBJECT_BEGIN)
        return any_object(j, any);
    if (t == JSON_ARRAY_BEGIN) {
        any->is_nested = true;
        if (any->nesting.depth == OTLP_DEPTH_MAX)
            return nested_too_deep(j, t, &any->nesting);
        return bare_nested(j, t, &any->nesting);
    }
    if (is_scalar(t))
        any->value = bare_scalar(j, t);
    return t >= 0;
}

static bool nested_value(struct json_reader *j, enum json_token t, struct nesting *n)
{
    struct any any = {.nesting = {.depth = n->depth, .fault = n->fault}};
    if (!any_take(j, t, &any))
        return false;
    if (!any.is_nested && any.nesting.fault == VALUE_FINE)
        (void)nested_note(&any.nesting, nested_scalar(j->reader, &any.value));
    n->fault = any.nesting.fault;
    return true;
}

bool json_take_value(struct json_reader *j, enum json_token t, struct value *ret,
                     enum value_fault *ret_fault)
{
    struct any any = {0};
    buffer_reset(&j->reader->nested);
    if (!any_take(j, t, &any))
        return false;
    *ret_fault = any.nesting.fault;
    *ret = any.value;
    if (any.is_nested && any.nesting.fault == VALUE_FINE)
        *ret = nested_take(j->reader, j->arena);
    buffer_reset(&j->reader->nested);
    return true;
}
