/*
 * csv.c - splits one field at a time.
 */
#include "tools/csv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

const uint8_t *csv_scan(const uint8_t *at, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i comma = _mm_set1_epi8(',');
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i newline = _mm_set1_epi8('\n');
    for (; at < end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i found =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, comma), _mm_cmpeq_epi8(bytes, newline)),
                         _mm_cmpeq_epi8(bytes, quote));
        int mask = _mm_movemask_epi8(found);
        if (mask != 0) {
            at += __builtin_ctz((unsigned)mask);
            return at < end ? at : end;
        }
    }
    return end;
#else
    while (at < end && *at != ',' && *at != '\n' && *at != '"')
        at++;
    return at;
#endif
}

static bool is_field_end(const uint8_t *at, const uint8_t *end)
{
    return at == end || *at == ',' || csv_line_end(at, end) != 0;
}

static enum csv_result take_quoted(const uint8_t *at, const uint8_t *end, bool last_window,
                                   struct buffer *scratch, struct slice *ret_text,
                                   const uint8_t **ret_after, const char **ret_reason)
{
    const uint8_t *start = ++at;
    bool doubled = false;
    buffer_reset(scratch);
    for (;;) {
        const uint8_t *quote = at < end ? memchr(at, '"', (size_t)(end - at)) : NULL;
        if (quote == NULL || quote + 1 >= end) {
            if (!last_window)
                return CSV_MORE;
            if (quote == NULL) {
                *ret_reason = "the file ends inside a quoted field";
                return CSV_BAD;
            }
        }
        if (quote + 1 < end && quote[1] == '"') {
            buffer_add(scratch, at, (size_t)(quote + 1 - at));
            doubled = true;
            at = quote + 2;
            continue;
        }
        /* A CR at the window's end may be half of a line end. */
        if (!last_window && quote + 2 >= end && quote[1] == '\r')
            return CSV_MORE;
        if (!is_field_end(quote + 1, end)) {
            *ret_reason = "text behind a closing quote";
            return CSV_BAD;
        }
        if (doubled)
            buffer_add(scratch, at, (size_t)(quote - at));
        *ret_text = doubled ? buffer_slice(scratch) : slice_of(start, (size_t)(quote - start));
        *ret_after = quote + 1;
        return CSV_FIELD;
    }
}

enum csv_result csv_take(const uint8_t *at, const uint8_t *end, bool last_window,
                         struct buffer *scratch, struct slice *ret_text, bool *ret_quoted,
                         const uint8_t **ret_after, const char **ret_reason)
{
    *ret_quoted = at < end && *at == '"';
    if (*ret_quoted)
        return take_quoted(at, end, last_window, scratch, ret_text, ret_after, ret_reason);
    const uint8_t *after = csv_scan(at, end);
    if (after == end && !last_window)
        return CSV_MORE;
    if (after < end && *after == '"') {
        *ret_reason = "a quote inside an unquoted field";
        return CSV_BAD;
    }
    /* CR LF ends a line; a CR before anything else belongs to the field. */
    if (after < end && *after == '\n' && after > at && after[-1] == '\r')
        after--;
    *ret_text = slice_of(at, (size_t)(after - at));
    *ret_after = after;
    return CSV_FIELD;
}

const uint8_t *csv_skip_record(const uint8_t *at, const uint8_t *end, bool last_window)
{
    bool field_begins = true;
    while (at < end) {
        if (field_begins && *at == '"') {
            at++;
            while (at < end) {
                const uint8_t *quote = memchr(at, '"', (size_t)(end - at));
                at = quote != NULL ? quote : end;
                if (at + 1 >= end || at[1] != '"')
                    break;
                at += 2; /* a doubled quote */
            }
            at += at < end;
        }
        while (at < end && *at != ',' && *at != '\n')
            at++;
        if (at < end && *at == '\n')
            return at + 1;
        field_begins = true;
        at += at < end;
    }
    return last_window ? end : NULL;
}
