/*
 * alert_template.c - fills {{column}} holes.
 *
 * Invariant: what TEMPLATE_SQL inserts is one literal: quotes in a text are doubled, zero bytes left out.
 */
#include "server/alert/alert_template.h"

#include <math.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/alert/alert_condition_tree.h"

#define DIGITS_MAX 9

/* The next hole at or after *at. */
struct hole {
    size_t start, end; /* "{{" to behind "}}" */
    struct slice name;
    int digits; /* -1: as it is */
};

static struct slice trimmed(struct slice text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

static bool find_pair(struct slice text, size_t from, uint8_t byte, size_t *ret_at)
{
    for (size_t i = from; i + 1 < text.size; i++) {
        if (text.data[i] == byte && text.data[i + 1] == byte) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

/* 1: a hole; 0: none left; -1: *ret->start says where it is wrong, *ret_reason why. */
static int hole_next(struct slice text, size_t from, struct hole *ret, const char **ret_reason)
{
    size_t close;
    if (!find_pair(text, from, '{', &ret->start))
        return 0;
    if (!find_pair(text, ret->start + 2, '}', &close)) {
        *ret_reason = "\"{{\" without \"}}\"";
        return -1;
    }
    ret->end = close + 2;
    ret->digits = -1;
    struct slice inside = slice_of(text.data + ret->start + 2, close - ret->start - 2);
    const uint8_t *colon = memchr(inside.data, ':', inside.size);
    if (colon != NULL) {
        struct slice digits = slice_of(colon + 1, inside.size - (size_t)(colon + 1 - inside.data));
        digits = trimmed(digits);
        if (digits.size != 1 || digits.data[0] < '0' || digits.data[0] > '0' + DIGITS_MAX) {
            *ret_reason = "after \":\" stands the number of digits, 0 to 9";
            return -1;
        }
        ret->digits = digits.data[0] - '0';
        inside.size = (size_t)(colon - inside.data);
    }
    ret->name = trimmed(inside);
    if (ret->name.size == 0) {
        *ret_reason = "\"{{}}\" names no column";
        return -1;
    }
    return 1;
}

static const struct template_word *word_find(const struct template_word *words, uint32_t word_count,
                                             struct slice name)
{
    for (uint32_t i = 0; i < word_count; i++) {
        if (slice_is(name, words[i].name))
            return &words[i];
    }
    return NULL;
}

enum status template_check(struct slice text, enum template_kind kind,
                           const struct query_column *columns, uint32_t column_count,
                           const struct template_word *words, uint32_t word_count,
                           struct error *reterr)
{
    struct hole hole;
    const char *reason = "";
    size_t at = 0;
    int more;
    uint32_t ignored;
    while ((more = hole_next(text, at, &hole, &reason)) > 0) {
        if (kind == TEMPLATE_SQL && hole.start > 0 && text.data[hole.start - 1] == '\'')
            return error_set_at(reterr, STATUS_INVALID, (int64_t)hole.start,
                                "'{{%.*s}}' needs no quotes: the value comes with its own",
                                SLICE_ARG(hole.name));
        if (columns != NULL && !result_column_find(columns, column_count, hole.name, &ignored) &&
            word_find(words, word_count, hole.name) == NULL)
            return error_set_at(reterr, STATUS_INVALID, (int64_t)hole.start,
                                "the query has no column '%.*s'", SLICE_ARG(hole.name));
        at = hole.end;
    }
    if (more < 0)
        return error_set_at(reterr, STATUS_INVALID, (int64_t)hole.start, "%s", reason);
    return STATUS_OK;
}

/* ---- values ---- */

static void plain_value(const struct query_value *v, int digits, struct buffer *to)
{
    if (digits >= 0 && v->type == SQL_FLOAT && isfinite(v->f64))
        buffer_printf(to, "%.*f", digits, v->f64);
    else if (!query_value_text(v, to))
        buffer_add_text(to, "null");
}

static void quoted_text(struct slice text, struct buffer *to)
{
    buffer_add_byte(to, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == 0)
            continue;
        if (text.data[i] == '\'')
            buffer_add_byte(to, '\'');
        buffer_add_byte(to, text.data[i]);
    }
    buffer_add_byte(to, '\'');
}

void sql_literal(const struct query_value *v, struct buffer *to)
{
    char text[TIME_TEXT_BYTES];
    switch (v->type) {
    case SQL_NULL:
        buffer_add_text(to, "null");
        return;
    case SQL_INT:
        buffer_printf(to, "(%lld)", (long long)v->i64);
        return;
    case SQL_FLOAT:
        if (isfinite(v->f64))
            buffer_printf(to, "(%.17g)", v->f64);
        else
            buffer_add_text(to, "null");
        return;
    case SQL_BOOL:
        buffer_add_text(to, v->i64 != 0 ? "true" : "false");
        return;
    case SQL_TIMESTAMP:
        time_to_text(v->i64, text);
        buffer_printf(to, "timestamp '%s'", text);
        return;
    case SQL_INTERVAL:
        duration_to_text(v->i64, text);
        buffer_printf(to, "interval '%s'", text);
        return;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
        quoted_text(v->text, to);
        return;
    }
}

void template_fill(struct slice text, enum template_kind kind, const struct query_column *columns,
                   uint32_t column_count, const struct query_value *row,
                   const struct template_word *words, uint32_t word_count, struct buffer *to)
{
    static const struct query_value none = {.type = SQL_NULL};
    struct hole hole;
    const char *reason;
    size_t at = 0;
    while (hole_next(text, at, &hole, &reason) > 0) {
        buffer_add(to, text.data + at, hole.start - at);
        at = hole.end;
        uint32_t index;
        const struct template_word *word = word_find(words, word_count, hole.name);
        const struct query_value *value = &none;
        if (row != NULL && result_column_find(columns, column_count, hole.name, &index))
            value = &row[index];
        else if (word != NULL && kind == TEMPLATE_PLAIN) {
            buffer_add_text(to, word->value != NULL ? word->value : "");
            continue;
        }
        if (kind == TEMPLATE_SQL)
            sql_literal(value, to);
        else
            plain_value(value, hole.digits, to);
    }
    buffer_add(to, text.data + at, text.size - at);
}
