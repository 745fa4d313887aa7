/*
 * kernel_cast.c - from and to text, and messages to JSON.
 *
 * Failure: text that is no number (time, truth value) fails the query, naming the text.
 */
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/decimal.h"

#include "query/float_text.h"
#include "query/function.h"
#include "query/token.h"

static struct slice copy_text(struct eval *ev, const char *text, size_t size)
{
    return arena_copy(ev->texts, slice_of(text, size));
}

#define TO_TEXT_KERNEL(name, buffer_bytes, fill)                                                   \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)e;                                                                                   \
        struct slice *to = SCRATCH_ARRAY(ev->scratch, struct slice, rows);                         \
        for (uint32_t i = 0; i < rows; i++) {                                                      \
            char text[buffer_bytes];                                                               \
            size_t size = 0;                                                                       \
            fill;                                                                                  \
            to[i] = copy_text(ev, text, size);                                                     \
        }                                                                                          \
        out->text = to;                                                                            \
        return STATUS_OK;                                                                          \
    }
TO_TEXT_KERNEL(kernel_int_to_text, 24,
               size = (size_t)snprintf(text, sizeof text, "%lld", (long long)args[0].i64[i]))
TO_TEXT_KERNEL(kernel_float_to_text, FLOAT_TEXT_BYTES,
               size = (size_t)float_to_text(args[0].f64[i], text))
TO_TEXT_KERNEL(kernel_bool_to_text, 8,
               size = (size_t)snprintf(text, sizeof text, args[0].truth[i] ? "true" : "false"))
TO_TEXT_KERNEL(kernel_time_to_text, TIME_TEXT_BYTES, time_to_text(args[0].i64[i], text);
               size = strlen(text))
TO_TEXT_KERNEL(kernel_interval_to_text, TIME_TEXT_BYTES, duration_to_text(args[0].i64[i], text);
               size = strlen(text))
TO_TEXT_KERNEL(kernel_id64_to_text, ID64_HEX_BYTES, id64_to_hex(args[0].id64[i], text);
               size = ID64_HEX_BYTES)
TO_TEXT_KERNEL(kernel_id128_to_text, ID128_HEX_BYTES, id128_to_hex(args[0].id128[i], text);
               size = ID128_HEX_BYTES)

static enum status bad_text(struct eval *ev, const struct expr *e, struct slice text)
{
    if (text.size > 80)
        text.size = 80;
    return eval_fail(ev, e, "invalid input for type %s: \"%.*s\"", sql_type_name(e->type),
                     SLICE_ARG(text));
}

static struct slice without_blanks(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t' || text.data[0] == '\n'))
        text = slice_of(text.data + 1, text.size - 1);
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t' ||
                             text.data[text.size - 1] == '\n'))
        text.size--;
    return text;
}

KERNEL(kernel_text_to_int)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = 0;
        if (!eval_row_counts(ev, out->valid, i))
            continue;
        struct slice text = without_blanks(args[0].text[i]);
        if (memchr(text.data, '.', text.size) != NULL ||
            decimal_to_int(text, 1, 1, &to[i]) != DECIMAL_EXACT)
            return bad_text(ev, e, args[0].text[i]);
    }
    out->i64 = to;
    return STATUS_OK;
}

static bool text_to_double(struct slice text, double *ret)
{
    if (word_equal(text, "nan")) {
        *ret = __builtin_nan("");
        return true;
    }
    bool negative = text.size > 0 && text.data[0] == '-';
    struct slice body = negative ? slice_of(text.data + 1, text.size - 1) : text;
    if (word_equal(body, "infinity") || word_equal(body, "inf")) {
        *ret = negative ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    return decimal_to_double(text, ret);
}

KERNEL(kernel_text_to_float)
{
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = 0;
        if (eval_row_counts(ev, out->valid, i) &&
            !text_to_double(without_blanks(args[0].text[i]), &to[i]))
            return bad_text(ev, e, args[0].text[i]);
    }
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_text_to_bool)
{
    static const char *const words[] = {"true",  "t", "yes", "on",  "1",
                                        "false", "f", "no",  "off", "0"};
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        size_t w = 0;
        to[i] = 0;
        if (!eval_row_counts(ev, out->valid, i))
            continue;
        struct slice text = without_blanks(args[0].text[i]);
        while (w < 10 && !word_equal(text, words[w]))
            w++;
        if (w == 10)
            return bad_text(ev, e, args[0].text[i]);
        to[i] = w < 5;
    }
    out->truth = to;
    return STATUS_OK;
}

KERNEL(kernel_text_to_time)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = 0;
        if (eval_row_counts(ev, out->valid, i) &&
            !time_from_text(without_blanks(args[0].text[i]), &to[i]))
            return bad_text(ev, e, args[0].text[i]);
    }
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_text_to_interval)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = 0;
        if (eval_row_counts(ev, out->valid, i) &&
            !interval_from_text(without_blanks(args[0].text[i]), &to[i]))
            return bad_text(ev, e, args[0].text[i]);
    }
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_render)
{
    (void)e;
    struct slice *to = SCRATCH_ARRAY(ev->scratch, struct slice, rows);
    for (uint32_t i = 0; i < rows; i++) {
        enum status s;
        to[i] = SLICE_EMPTY;
        if (!eval_row_counts(ev, out->valid, i))
            continue;
        if ((s = engine_messages_text(ev->run->engine, ev->run->project, args[0].text[i], ev->texts,
                                      &to[i], ev->reterr)) < 0 ||
            (i % 64 == 63 && (s = eval_check(ev)) < 0))
            return s;
    }
    out->text = to;
    return STATUS_OK;
}
