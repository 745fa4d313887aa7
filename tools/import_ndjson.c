/*
 * import_ndjson.c - one JSON object a line, keys named like columns.
 *
 * Messages (input, output) are arrays of message objects, or a string: the content of one message. TEXT columns take
 * objects and arrays as they are written. Unknown keys are errors unless flags say otherwise.
 */
#include <stdio.h>

#include "engine/base/json.h"
#include "tools/import.h"

struct ndjson_field {
    struct fill_column *fill;
    uint64_t line; /* where it was set last: twice in a line is a mistake */
};

struct ndjson_import {
    struct import *im;
    struct input *in;
    struct intern keys; /* code k is fields[k - 1]; only keys with a column */
    struct ndjson_field *fields;
    size_t fields_capacity;
    uint64_t line;
    struct arena arena;      /* strings of the line */
    struct buffer extra;     /* members for attributes, each with a comma before it */
    struct slice attributes; /* the object as written; empty: none */
    struct buffer merged;
    struct buffer refs;
};

/* What stopped a line. */
struct ndjson_fault {
    size_t offset; /* in the line */
    struct slice field;
    struct error error;
};

/* ---- keys ---- */

static enum status field_add(struct ndjson_import *n, struct slice key,
                             const struct cell_target *target, struct ndjson_field **ret,
                             struct error *reterr)
{
    uint32_t index;
    enum status s = fill_column_add(&n->im->fill, target, &index, reterr);
    if (s < 0)
        return s;
    uint32_t code = intern_add(&n->keys, key);
    n->fields = mem_grow(n->fields, &n->fields_capacity, code, sizeof *n->fields);
    n->fields[code - 1] = (struct ndjson_field){.fill = n->im->fill.columns[index]};
    *ret = &n->fields[code - 1];
    return STATUS_OK;
}

/* Another key of the same column ("latency_us" beside "latency_ms") shares nothing but its place. */
static bool column_is_taken(const struct ndjson_import *n, const struct column *column)
{
    for (uint32_t i = 0; i + 1 < n->keys.count; i++) {
        if (n->fields[i].fill->target.column == column)
            return true;
    }
    return false;
}

/* *ret NULL: the key has no column and is to be left out or kept aside. */
static enum status field_find(struct ndjson_import *n, struct slice key, struct ndjson_field **ret,
                              struct error *reterr)
{
    struct cell_target target;
    uint32_t code = intern_find(&n->keys, key);
    *ret = NULL;
    if (code != 0) {
        *ret = &n->fields[code - 1];
        return STATUS_OK;
    }
    enum status s = cell_target_find(&n->im->schema, n->im->table, key, &target, reterr);
    if (s == STATUS_NOT_FOUND && (n->im->skip_unknown || n->im->extra_attributes))
        return STATUS_OK;
    if (s < 0)
        return s;
    if (column_is_taken(n, target.column))
        return error_set(reterr, STATUS_INVALID,
                         "%s came under another name before; one name a file, please",
                         target.column->name);
    return field_add(n, key, &target, ret, reterr);
}

/* ---- values ---- */

static enum status text_set(struct ndjson_import *n, struct fill_column *c, struct slice text,
                            struct error *reterr)
{
    bool is_text = c->kind == FILL_STRING || c->kind == FILL_TEXT;
    if (text.size == 0 && is_text) {
        fill_empty(&n->im->fill, c);
        return STATUS_OK;
    }
    return fill_text(&n->im->fill, c, text, reterr);
}

static enum status refs_set(struct ndjson_import *n, struct fill_column *c, struct slice value,
                            struct error *reterr)
{
    bool is_output = c->target.column->id == SPANS_output;
    buffer_reset(&n->refs);
    enum status s = message_set_json(&n->im->messages, value, is_output ? "assistant" : "user",
                                     &n->refs, reterr);
    if (s >= 0)
        fill_refs(&n->im->fill, c, buffer_slice(&n->refs));
    return s;
}

/* t: the first token of the value. */
static enum status value_set(struct ndjson_import *n, struct fill_column *c, struct json *j,
                             enum json_token t, struct error *reterr)
{
    bool is_nested = t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN;
    struct slice string = t == JSON_STRING ? json_string(j, &n->arena) : SLICE_EMPTY;
    struct slice value = json_skip(j, t);
    if (value.size == 0)
        return json_error(j, "JSON", reterr);
    if (t == JSON_NULL || c->kind == FILL_SKIP)
        return STATUS_OK;
    if (c->kind == FILL_REFS)
        return refs_set(n, c, value, reterr);
    if (c->target.column->id == SPANS_attributes && n->im->table == TABLE_SPANS) {
        struct slice text = t == JSON_STRING ? string : value;
        if (text.size == 0 || text.data[0] != '{')
            return error_set(reterr, STATUS_INVALID, "expected an object");
        n->attributes = text;
    }
    if (is_nested && c->kind != FILL_TEXT)
        return error_set(reterr, STATUS_INVALID, "expected one value, not an object or array");
    return text_set(n, c, t == JSON_STRING ? string : value, reterr);
}

/* A key without a column: into n->extra, or nowhere. */
static enum status value_keep(struct ndjson_import *n, struct slice raw_key, struct json *j,
                              enum json_token t, struct error *reterr)
{
    struct slice value = json_skip(j, t);
    if (value.size == 0)
        return json_error(j, "JSON", reterr);
    if (!n->im->extra_attributes)
        return STATUS_OK;
    buffer_add_text(&n->extra, ",\"");
    buffer_add_slice(&n->extra, raw_key);
    buffer_add_text(&n->extra, "\":");
    buffer_add_slice(&n->extra, value);
    return STATUS_OK;
}

/* Joins the members of "attributes" and of unknown keys. */
static enum status attributes_merge(struct ndjson_import *n, struct error *reterr)
{
    struct ndjson_field *field;
    if (n->extra.size == 0)
        return STATUS_OK;
    enum status s = field_find(n, slice_text("attributes"), &field, reterr);
    if (s < 0)
        return s;
    if (field == NULL)
        return error_set(reterr, STATUS_INVALID, "table %s has no attributes",
                         table_name(n->im->table));
    /* The object without what may stand behind it; the reader has seen that it is one unless it came as a string. */
    struct json j = json_over(n->attributes);
    struct slice object = n->attributes.size == 0 ? SLICE_EMPTY : json_skip(&j, json_next(&j));
    if (n->attributes.size != 0 && object.size == 0)
        return json_error(&j, "attributes", reterr);
    j = json_over(object);
    bool is_empty = object.size == 0 ||
                    (json_next(&j) == JSON_OBJECT_BEGIN && json_next(&j) == JSON_OBJECT_END);
    buffer_reset(&n->merged);
    if (is_empty)
        buffer_add_byte(&n->merged, '{');
    else
        buffer_add(&n->merged, object.data, object.size - 1);
    buffer_add(&n->merged, n->extra.data + is_empty, n->extra.size - is_empty);
    buffer_add_byte(&n->merged, '}');
    return fill_text(&n->im->fill, field->fill, buffer_slice(&n->merged), reterr);
}

/* ---- lines ---- */

static enum status member_take(struct ndjson_import *n, struct json *j, struct ndjson_fault *fault)
{
    struct ndjson_field *field;
    struct slice raw_key = j->raw;
    struct slice key = json_string(j, &n->arena);
    fault->field = key;
    fault->offset = j->start;
    enum status s = field_find(n, key, &field, &fault->error);
    if (s < 0)
        return s;
    enum json_token t = json_next(j);
    if (t < 0)
        return json_error(j, "JSON", &fault->error);
    fault->offset = j->start;
    if (field == NULL)
        return value_keep(n, raw_key, j, t, &fault->error);
    if (field->line == n->line)
        return error_set(&fault->error, STATUS_INVALID, "stands twice");
    field->line = n->line;
    return value_set(n, field->fill, j, t, &fault->error);
}

/* Fills the current row from a line. */
static enum status line_parse(struct ndjson_import *n, struct slice line,
                              struct ndjson_fault *fault)
{
    struct json j = json_over(line);
    enum json_token t;
    fault->field = SLICE_EMPTY;
    fault->offset = 0;
    arena_reset(&n->arena);
    buffer_reset(&n->extra);
    n->attributes = SLICE_EMPTY;
    fill_row_nulls(&n->im->fill);
    t = json_next(&j);
    if (t >= 0 && t != JSON_OBJECT_BEGIN)
        return error_set(&fault->error, STATUS_INVALID, "expected an object");
    while (t >= 0 && (t = json_next(&j)) == JSON_KEY) {
        enum status s = member_take(n, &j, fault);
        if (s < 0)
            return s;
    }
    fault->field = SLICE_EMPTY;
    if (t < 0 || json_next(&j) != JSON_END) {
        fault->offset = j.start;
        return json_error(&j, "JSON", &fault->error);
    }
    fault->offset = 0;
    const char *missing;
    enum status s = attributes_merge(n, &fault->error);
    if (s >= 0 && (missing = fill_row_lacks(&n->im->fill)) != NULL)
        s = error_set(&fault->error, STATUS_INVALID, "%s is missing or zero", missing);
    return s;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    }
    return true;
}

static enum status line_take(struct ndjson_import *n, struct slice line, struct error *reterr)
{
    struct ndjson_fault fault;
    n->line++;
    if (n->line == 1 && line.size >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
        line = slice_of(line.data + 3, line.size - 3);
    if (is_blank(line))
        return STATUS_OK;
    if (line_parse(n, line, &fault) >= 0)
        return import_row(n->im, n->in->name, n->line, reterr);
    return import_reject(n->im, n->in->name, n->line, fault.offset + 1, fault.field,
                         fault.error.text, reterr);
}

static enum status window_take(struct ndjson_import *n, struct error *reterr)
{
    struct input *in = n->in;
    while (in->at < in->end) {
        const uint8_t *start = in->data + in->at;
        const uint8_t *newline = memchr(start, '\n', in->end - in->at);
        if (newline == NULL && !in->finished)
            return STATUS_OK;
        size_t size = newline != NULL ? (size_t)(newline - start) : in->end - in->at;
        enum status s = line_take(n, slice_of(start, size), reterr);
        if (s < 0)
            return s;
        in->at += size + (newline != NULL);
    }
    return STATUS_OK;
}

enum status import_ndjson(struct import *im, struct input *in, struct error *reterr)
{
    struct ndjson_import n = {.im = im, .in = in};
    enum status s;
    intern_init(&n.keys);
    for (;;) {
        if ((s = window_take(&n, reterr)) < 0 || (s = input_more(in, reterr)) < 0)
            goto out;
        if (s == STATUS_END && in->at == in->end)
            break;
    }
    s = import_flush(im, reterr);
out:
    intern_deinit(&n.keys);
    mem_free(n.fields);
    arena_deinit(&n.arena);
    buffer_deinit(&n.extra);
    buffer_deinit(&n.merged);
    buffer_deinit(&n.refs);
    return s;
}
