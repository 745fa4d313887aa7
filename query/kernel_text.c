/*
 * kernel_text.c - text functions.
 *
 * Units:  length, substr, left, right and strpos count characters (UTF-8 code points; a stray byte is one
 *         character). lower, upper and ILIKE fold ASCII letters only.
 * Memory: results point into their arguments where they can, else into ev->texts.
 */
#include "engine/base/limits.h"

#include "query/function.h"

#define TEXT_ROWS_BEGIN                                                                            \
    (void)e;                                                                                       \
    struct slice *to = SCRATCH_ARRAY(ev->scratch, struct slice, rows);

static inline struct slice text_at(const struct vec *v, uint32_t i)
{
    return v->text[v->constant ? 0 : i];
}

static inline int64_t int_at(const struct vec *v, uint32_t i)
{
    return v->i64[v->constant ? 0 : i];
}

static inline bool starts_character(uint8_t c)
{
    return (c & 0xc0) != 0x80;
}

static int64_t characters(struct slice text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += starts_character(text.data[i]);
    return count;
}

/* Byte offset of character number `index` (from 0), or the size. */
static size_t character_offset(struct slice text, int64_t index)
{
    size_t at = 0;
    while (index > 0 && at < text.size) {
        at++;
        while (at < text.size && !starts_character(text.data[at]))
            at++;
        index--;
    }
    return at;
}

static struct slice from_offset(struct slice text, size_t from, size_t to)
{
    return slice_of(text.data + from, to - from);
}

KERNEL(kernel_length)
{
    (void)e;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = characters(args[0].text[i]);
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_octet_length)
{
    (void)e;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = (int64_t)args[0].text[i].size;
    out->i64 = to;
    return STATUS_OK;
}

static struct slice fold_case(struct eval *ev, struct slice text, uint8_t first, uint8_t flip)
{
    bool any = false;
    for (size_t i = 0; i < text.size && !any; i++)
        any = text.data[i] >= first && text.data[i] < first + 26;
    if (!any)
        return text;
    uint8_t *to = arena_alloc(ev->texts, text.size);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        to[i] = c >= first && c < first + 26 ? c ^ flip : c;
    }
    return slice_of(to, text.size);
}

KERNEL(kernel_lower)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++)
        to[i] = fold_case(ev, args[0].text[i], 'A', 0x20);
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_upper)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++)
        to[i] = fold_case(ev, args[0].text[i], 'a', 0x20);
    out->text = to;
    return STATUS_OK;
}

/* PostgreSQL: positions count from 1, a start before 1 eats into the length. */
KERNEL(kernel_substr)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        struct slice text = text_at(&args[0], i);
        int64_t first = int_at(&args[1], i);
        int64_t end = INT64_MAX;
        if (e->arg_count == 3) {
            int64_t length = int_at(&args[2], i);
            if (length < 0 && eval_row_counts(ev, out->valid, i))
                return eval_fail(ev, e, "negative substring length not allowed");
            if (length < 0 || __builtin_add_overflow(first, length, &end))
                end = length < 0 ? first : INT64_MAX;
        }
        if (first < 1)
            first = 1;
        if (end < first)
            end = first;
        size_t from = character_offset(text, first - 1);
        struct slice rest = from_offset(text, from, text.size);
        to[i] = slice_of(rest.data, character_offset(rest, end - first));
    }
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_left)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        struct slice text = text_at(&args[0], i);
        int64_t count = int_at(&args[1], i);
        if (count < 0)
            count = count < -characters(text) ? 0 : characters(text) + count;
        to[i] = from_offset(text, 0, character_offset(text, count));
    }
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_right)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        struct slice text = text_at(&args[0], i);
        int64_t count = int_at(&args[1], i);
        int64_t all = characters(text);
        int64_t skip = count < 0 ? (count < -all ? all : -count) : count > all ? 0 : all - count;
        to[i] = from_offset(text, character_offset(text, skip), text.size);
    }
    out->text = to;
    return STATUS_OK;
}

static size_t find_text(struct slice in, struct slice what, size_t from)
{
    if (what.size > in.size - from)
        return SIZE_MAX;
    const uint8_t *at = memmem(in.data + from, in.size - from, what.data, what.size);
    return at == NULL ? SIZE_MAX : (size_t)(at - in.data);
}

static struct slice replace_all(struct eval *ev, struct slice in, struct slice what,
                                struct slice with)
{
    size_t count = 0;
    if (what.size == 0)
        return in;
    for (size_t at = 0; (at = find_text(in, what, at)) != SIZE_MAX; at += what.size)
        count++;
    if (count == 0)
        return in;
    uint8_t *to = arena_alloc(ev->texts, in.size - count * what.size + count * with.size + 1);
    size_t size = 0;
    size_t from = 0;
    for (size_t at; (at = find_text(in, what, from)) != SIZE_MAX; from = at + what.size) {
        bytes_copy(to + size, in.data + from, at - from);
        size += at - from;
        bytes_copy(to + size, with.data, with.size);
        size += with.size;
    }
    bytes_copy(to + size, in.data + from, in.size - from);
    return slice_of(to, size + in.size - from);
}

/* The longest text a function may make. */
static enum status text_too_long(struct eval *ev, const struct expr *e)
{
    return error_set_at(ev->reterr, STATUS_LIMIT, e->position,
                        "%s would make a text of more than %u bytes", e->function->name,
                        TEXT_BYTES_MAX);
}

KERNEL(kernel_replace)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        struct slice in = text_at(&args[0], i);
        struct slice what = text_at(&args[1], i);
        struct slice with = text_at(&args[2], i);
        to[i] = in;
        if (!eval_row_counts(ev, out->valid, i))
            continue;
        if (with.size > what.size && what.size > 0 &&
            in.size / what.size > TEXT_BYTES_MAX / with.size)
            return text_too_long(ev, e);
        to[i] = replace_all(ev, in, what, with);
    }
    out->text = to;
    return STATUS_OK;
}

static bool is_trimmed(struct slice set, uint8_t c)
{
    return set.size > 0 && memchr(set.data, c, set.size) != NULL;
}

static void trim_rows(struct eval *ev, const struct expr *e, const struct vec *args, uint32_t rows,
                      bool front, bool back, struct vec *out)
{
    struct slice *to = SCRATCH_ARRAY(ev->scratch, struct slice, rows);
    for (uint32_t i = 0; i < rows; i++) {
        struct slice text = text_at(&args[0], i);
        struct slice set = e->arg_count == 2 ? text_at(&args[1], i) : slice_text(" ");
        while (front && text.size > 0 && is_trimmed(set, text.data[0]))
            text = from_offset(text, 1, text.size);
        while (back && text.size > 0 && is_trimmed(set, text.data[text.size - 1]))
            text.size--;
        to[i] = text;
    }
    out->text = to;
}

KERNEL(kernel_trim)
{
    trim_rows(ev, e, args, rows, true, true, out);
    return STATUS_OK;
}

KERNEL(kernel_ltrim)
{
    trim_rows(ev, e, args, rows, true, false, out);
    return STATUS_OK;
}

KERNEL(kernel_rtrim)
{
    trim_rows(ev, e, args, rows, false, true, out);
    return STATUS_OK;
}

KERNEL(kernel_strpos)
{
    (void)e;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        struct slice in = text_at(&args[0], i);
        size_t at = find_text(in, text_at(&args[1], i), 0);
        to[i] = at == SIZE_MAX ? 0 : characters(from_offset(in, 0, at)) + 1;
    }
    out->i64 = to;
    return STATUS_OK;
}

#define TRUTH_KERNEL(name, test)                                                                   \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)e;                                                                                   \
        uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);                                   \
        for (uint32_t i = 0; i < rows; i++) {                                                      \
            struct slice a = text_at(&args[0], i);                                                 \
            struct slice b = text_at(&args[1], i);                                                 \
            to[i] = test;                                                                          \
        }                                                                                          \
        out->truth = to;                                                                           \
        return STATUS_OK;                                                                          \
    }
TRUTH_KERNEL(kernel_starts_with, b.size <= a.size && memcmp(a.data, b.data, b.size) == 0)
TRUTH_KERNEL(kernel_ends_with,
             b.size <= a.size && memcmp(a.data + (a.size - b.size), b.data, b.size) == 0)
TRUTH_KERNEL(kernel_contains, find_text(a, b, 0) != SIZE_MAX)

/* Field number `index` from 1, or from the end when it is negative. */
static struct slice split_field(struct slice text, struct slice by, int64_t index)
{
    int64_t fields = 1;
    if (by.size == 0)
        return index == 1 || index == -1 ? text : SLICE_EMPTY;
    for (size_t at = 0; (at = find_text(text, by, at)) != SIZE_MAX; at += by.size)
        fields++;
    if (index < 0)
        index = index < -fields ? fields + 1 : fields + 1 + index;
    if (index > fields)
        return SLICE_EMPTY;
    size_t from = 0;
    for (int64_t i = 1; i < index; i++)
        from = find_text(text, by, from) + by.size;
    size_t end = find_text(text, by, from);
    return from_offset(text, from, end == SIZE_MAX ? text.size : end);
}

KERNEL(kernel_split_part)
{
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        int64_t index = int_at(&args[2], i);
        to[i] = SLICE_EMPTY;
        if (index != 0)
            to[i] = split_field(text_at(&args[0], i), text_at(&args[1], i), index);
        else if (eval_row_counts(ev, out->valid, i))
            return eval_fail(ev, e, "field position must not be zero");
    }
    out->text = to;
    return STATUS_OK;
}

/* ---- concatenation: arguments are texts already, NULLs are skipped ---- */

static enum status join_row(struct eval *ev, const struct expr *e, const struct vec *args,
                            uint32_t first, uint32_t row, struct slice by, struct slice *ret)
{
    size_t size = 0;
    bool any = false;
    for (uint32_t a = first; a < e->arg_count; a++) {
        if (!vec_has(&args[a], row))
            continue;
        size += text_at(&args[a], row).size + (any ? by.size : 0);
        any = true;
        if (size > TEXT_BYTES_MAX)
            return text_too_long(ev, e);
    }
    uint8_t *to = arena_alloc(ev->texts, size + 1);
    size_t at = 0;
    any = false;
    for (uint32_t a = first; a < e->arg_count; a++) {
        if (!vec_has(&args[a], row))
            continue;
        if (any) {
            bytes_copy(to + at, by.data, by.size);
            at += by.size;
        }
        struct slice text = text_at(&args[a], row);
        bytes_copy(to + at, text.data, text.size);
        at += text.size;
        any = true;
    }
    *ret = slice_of(to, size);
    return STATUS_OK;
}

KERNEL(kernel_concat_strict)
{
    enum status s;
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = SLICE_EMPTY;
        if (eval_row_counts(ev, out->valid, i) &&
            (s = join_row(ev, e, args, 0, i, SLICE_EMPTY, &to[i])) < 0)
            return s;
    }
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_concat)
{
    enum status s;
    TEXT_ROWS_BEGIN
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = SLICE_EMPTY;
        if (eval_row_counts(ev, NULL, i) &&
            (s = join_row(ev, e, args, 0, i, SLICE_EMPTY, &to[i])) < 0)
            return s;
    }
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_concat_ws)
{
    enum status s;
    TEXT_ROWS_BEGIN
    uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = SLICE_EMPTY;
        valid[i] = vec_has(&args[0], i);
        if (valid[i] && eval_row_counts(ev, NULL, i) &&
            (s = join_row(ev, e, args, 1, i, text_at(&args[0], i), &to[i])) < 0)
            return s;
    }
    out->text = to;
    out->valid = valid;
    return STATUS_OK;
}
