/*
 * write_back.c - see write_back.h.
 */
#include "server/judge/write_back.h"

#include <math.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/span/cell.h"

enum member_kind {
    MEMBER_ID128,
    MEMBER_ID64,
    MEMBER_SCORE_NAME,
    MEMBER_NAME,  /* a short text that must not be empty */
    MEMBER_VALUE, /* a number, a boolean, or a label */
    MEMBER_STR,
    MEMBER_TEXT,
    MEMBER_SOURCE,
    MEMBER_TIME,
};

struct member {
    const char *name;
    uint16_t column;
    enum member_kind kind;
    bool required;
};

static const struct member score_members[] = {
    {"trace_id", SCORES_trace_id, MEMBER_ID128, true},
    {"span_id", SCORES_span_id, MEMBER_ID64, false},
    {"name", SCORES_name, MEMBER_SCORE_NAME, true},
    {"value", SCORES_value, MEMBER_VALUE, false},
    {"label", SCORES_label, MEMBER_NAME, false},
    {"explanation", SCORES_explanation, MEMBER_TEXT, false},
    {"source", SCORES_source, MEMBER_SOURCE, false},
    {"scorer", SCORES_scorer, MEMBER_STR, false},
    {"scorer_version", SCORES_scorer_version, MEMBER_STR, false},
    {"judge_model", SCORES_judge_model, MEMBER_STR, false},
    {"time", SCORES_time, MEMBER_TIME, false},
};
static const struct member tag_members[] = {
    {"trace_id", TAGS_trace_id, MEMBER_ID128, true},
    {"span_id", TAGS_span_id, MEMBER_ID64, true},
    {"class", TAGS_class, MEMBER_NAME, true},
    {"source", TAGS_source, MEMBER_SOURCE, false},
    {"by", TAGS_by, MEMBER_STR, false},
    {"note", TAGS_note, MEMBER_TEXT, false},
    {"time", TAGS_time, MEMBER_TIME, false},
};
#define MEMBERS_MAX 11
#define COLUMNS_MAX 32

static const char *const sources[] = {"rule", "judge", "human", "client"};

struct reader {
    struct json json;
    size_t base; /* of the document in the body */
    struct builder *to;
    const struct member *members;
    uint32_t member_count;
    uint32_t item;
    uint32_t set; /* columns of this item, by id */
    struct arena arena;
    struct error *reterr;
};

/* ---- what is wrong ---- */

static enum status wrong(const struct reader *r, const char *member, const char *what)
{
    return error_set_at(r->reterr, STATUS_INVALID, (int64_t)(r->base + r->json.start),
                        "item %u: %s: %s", r->item, member, what);
}

static enum status json_wrong(const struct reader *r)
{
    return error_set_at(r->reterr, STATUS_INVALID, (int64_t)(r->base + r->json.start),
                        "item %u: byte %zu: %s", r->item, r->base + r->json.start,
                        r->json.reason != NULL ? r->json.reason : "not what was expected here");
}

static enum status unknown_member(const struct reader *r, struct slice name)
{
    const char *known[MEMBERS_MAX];
    char what[256];
    for (uint32_t i = 0; i < r->member_count; i++)
        known[i] = r->members[i].name;
    const char *nearest = nearest_name(name, known, r->member_count);
    struct slice shown = slice_of(name.data, name.size < 100 ? name.size : 100);
    (void)snprintf(what, sizeof what, "unknown member%s%s%s",
                   nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?" : "");
    char *quoted = arena_printf((struct arena *)&r->arena, "'%.*s'", SLICE_ARG(shown));
    return wrong(r, quoted, what);
}

/* ---- one member ---- */

static bool is_set(const struct reader *r, uint16_t column)
{
    return (r->set & 1u << column) != 0;
}

static bool score_name_fits(struct reader *r, struct slice name)
{
    struct buffer full = {0};
    buffer_add_text(&full, SCORE_PREFIX);
    buffer_add_slice(&full, name);
    bool fits = score_name_is_valid(buffer_slice(&full));
    buffer_deinit(&full);
    (void)r;
    return fits;
}

static bool source_is_known(struct slice source)
{
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        if (slice_is(source, sources[i]))
            return true;
    }
    return false;
}

static enum status label_set(struct reader *r, const char *member, struct slice label)
{
    if (label.size == 0)
        return wrong(r, member, "a label is not empty");
    if (label.size > STR_BYTES_MAX)
        return wrong(r, member, "longer than 65536 bytes");
    if (is_set(r, SCORES_label))
        return wrong(r, member, "the item has a label already");
    builder_str(r->to, SCORES_label, label);
    r->set |= 1u << SCORES_label;
    return STATUS_OK;
}

static enum status value_set(struct reader *r, enum json_token t)
{
    double value = t == JSON_TRUE;
    if (t == JSON_STRING)
        return label_set(r, "value", json_string(&r->json, &r->arena));
    if (t == JSON_NUMBER)
        value = json_double(&r->json);
    else if (t != JSON_TRUE && t != JSON_FALSE)
        return wrong(r, "value", "a number, true, false or a label expected");
    if (isinf(value))
        return wrong(r, "value", "not a finite number");
    builder_f64(r->to, SCORES_value, value);
    r->set |= 1u << SCORES_value;
    return STATUS_OK;
}

static enum status time_set(struct reader *r, const struct member *m, enum json_token t)
{
    int64_t time_ns = 0;
    bool good = t == JSON_NUMBER   ? json_int(&r->json, &time_ns)
                : t == JSON_STRING ? time_from_text(json_string(&r->json, &r->arena), &time_ns)
                                   : false;
    if (!good)
        return wrong(r, m->name,
                     "a time like \"2026-11-01T14:05:00Z\", or ns since 1970, expected");
    builder_i64(r->to, m->column, time_ns);
    r->set |= 1u << m->column;
    return STATUS_OK;
}

static enum status text_set(struct reader *r, const struct member *m, struct slice text)
{
    struct id128 trace;
    uint64_t span;
    switch (m->kind) {
    case MEMBER_ID128:
        if (!id128_from_hex(text, &trace) || id128_is_zero(trace))
            return wrong(r, m->name, "32 hex digits expected, not all zero");
        builder_id128(r->to, m->column, trace);
        break;
    case MEMBER_ID64:
        if (!id64_from_hex(text, &span) || span == 0)
            return wrong(r, m->name, "16 hex digits expected, not all zero");
        builder_id64(r->to, m->column, span);
        break;
    case MEMBER_SCORE_NAME:
        if (!score_name_fits(r, text))
            return wrong(r, m->name, "a score name has 1 to 256 of A-Z a-z 0-9 _ . -");
        builder_str(r->to, m->column, text);
        break;
    case MEMBER_NAME:
        if (text.size == 0 || text.size > NAME_BYTES_MAX)
            return wrong(r, m->name, "1 to 256 bytes expected");
        builder_str(r->to, m->column, text);
        break;
    case MEMBER_SOURCE:
        if (!source_is_known(text))
            return wrong(r, m->name, "rule, judge, human or client expected");
        builder_str(r->to, m->column, text);
        break;
    case MEMBER_STR:
    case MEMBER_TEXT:
        if (text.size > (m->kind == MEMBER_STR ? STR_BYTES_MAX : TEXT_BYTES_MAX))
            return wrong(r, m->name, "too long");
        builder_str(r->to, m->column, text);
        break;
    case MEMBER_VALUE:
    case MEMBER_TIME:
        ASSERT(false);
    }
    r->set |= 1u << m->column;
    return STATUS_OK;
}

static enum status member_set(struct reader *r, const struct member *m, enum json_token t)
{
    if (t == JSON_NULL)
        return STATUS_OK;
    if (is_set(r, m->column))
        return wrong(r, m->name, "given twice");
    if (m->kind == MEMBER_VALUE)
        return value_set(r, t);
    if (m->kind == MEMBER_TIME)
        return time_set(r, m, t);
    if (t != JSON_STRING)
        return wrong(r, m->name, "a string expected");
    return text_set(r, m, json_string(&r->json, &r->arena));
}

/* ---- one item ---- */

static enum status item_check(struct reader *r)
{
    bool is_score = r->to->table == TABLE_SCORES;
    for (uint32_t i = 0; i < r->member_count; i++) {
        if (r->members[i].required && !is_set(r, r->members[i].column))
            return wrong(r, r->members[i].name, "missing");
    }
    if (is_score && !is_set(r, SCORES_value) && !is_set(r, SCORES_label))
        return wrong(r, "value", "missing: a score has a value or a label");
    uint16_t source = is_score ? SCORES_source : TAGS_source;
    if (!is_set(r, source))
        builder_str(r->to, source, slice_text("client"));
    return STATUS_OK;
}

/* The opening brace has been read. */
static enum status item_read(struct reader *r)
{
    enum json_token t;
    if (r->to->rows == BATCH_ROWS_MAX)
        return error_set(r->reterr, STATUS_LIMIT, "more than %u items: send them in parts",
                         BATCH_ROWS_MAX);
    builder_row(r->to);
    r->set = 0;
    while ((t = json_next(&r->json)) == JSON_KEY) {
        const struct member *found = NULL;
        struct slice key = json_string(&r->json, &r->arena);
        for (uint32_t i = 0; i < r->member_count && found == NULL; i++) {
            if (slice_is(key, r->members[i].name))
                found = &r->members[i];
        }
        if (found == NULL)
            return unknown_member(r, key);
        if ((t = json_next(&r->json)) == JSON_ERROR)
            return json_wrong(r);
        enum status s = member_set(r, found, t);
        if (s < 0)
            return s;
    }
    if (t != JSON_OBJECT_END)
        return json_wrong(r);
    enum status s = item_check(r);
    arena_reset(&r->arena);
    r->item++;
    return s;
}

/* ---- the body ---- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static enum status array_read(struct reader *r)
{
    enum json_token t;
    enum status s = STATUS_OK;
    while (s >= 0 && (t = json_next(&r->json)) != JSON_ARRAY_END) {
        if (t == JSON_ERROR || t == JSON_END)
            return json_wrong(r);
        if (t != JSON_OBJECT_BEGIN)
            return wrong(r, "the item", "an object expected");
        s = item_read(r);
    }
    if (s >= 0 && json_next(&r->json) != JSON_END)
        s = json_wrong(r);
    return s;
}

/* Objects one after another. A reader stands behind the brace that closed its object, which is where the next begins. */
static enum status objects_read(struct reader *r, struct slice body)
{
    size_t at = 0;
    for (;;) {
        while (at < body.size && is_blank(body.data[at]))
            at++;
        if (at == body.size)
            return STATUS_OK;
        r->base = at;
        r->json = json_over(slice_of(body.data + at, body.size - at));
        enum json_token t = json_next(&r->json);
        if (t == JSON_ERROR)
            return json_wrong(r);
        if (t != JSON_OBJECT_BEGIN)
            return wrong(r, "the item", "an object expected");
        enum status s = item_read(r);
        if (s < 0)
            return s;
        at += r->json.at;
    }
}

enum status write_back_read(struct slice body, struct builder *to, struct error *reterr)
{
    ASSERT(to->rows == 0);
    bool is_score = to->table == TABLE_SCORES;
    struct reader r = {.to = to,
                       .reterr = reterr,
                       .json = json_over(body),
                       .members = is_score ? score_members : tag_members,
                       .member_count = is_score ? sizeof score_members / sizeof score_members[0]
                                                : sizeof tag_members / sizeof tag_members[0]};
    size_t first = 0;
    enum status s;
    while (first < body.size && is_blank(body.data[first]))
        first++;
    if (first < body.size && body.data[first] == '[') {
        (void)json_next(&r.json);
        s = array_read(&r);
    } else {
        s = objects_read(&r, body);
    }
    if (s >= 0 && to->rows == 0)
        s = error_set(reterr, STATUS_INVALID,
                      "no %s in the body: a JSON object, an array of them or NDJSON expected",
                      is_score ? "score" : "tag");
    arena_deinit(&r.arena);
    return s;
}
