/*
 * doctor_print.c - the findings as text: the request, every span (what each part of it became, the row, its scores), then advice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor.h"
#include "tools/terminal.h"

#define SOURCE_WIDTH 40u
#define VALUE_WIDTH  32u
#define COLUMN_WIDTH 20u
#define NAME_WIDTH   28u
#define CELL_WIDTH   160u

struct printer {
    struct doctor *d;
    struct buffer *to;
    bool coloured;
    struct buffer cell;
};

static void colour(struct printer *p, enum colour c)
{
    terminal_add_colour(p->to, p->coloured, c);
}

static void add_ids(struct printer *p, const struct doctor_item *item)
{
    char hex[ID128_HEX_BYTES];
    id128_to_hex(item->trace_id, hex);
    buffer_printf(p->to, "  trace %.32s", hex);
    id64_to_hex(item->span_id, hex);
    buffer_printf(p->to, "  span %.16s", hex);
    if (item->parent_id != 0) {
        id64_to_hex(item->parent_id, hex);
        buffer_printf(p->to, "  parent %.16s", hex);
    }
    buffer_add_byte(p->to, '\n');
}

/* Padded, and clipped so that the next column stays where it is. */
static void add_field(struct buffer *to, struct slice text, uint32_t width)
{
    struct buffer clipped = {0};
    (void)terminal_add_clipped(&clipped, text, width);
    terminal_add_padded(to, buffer_slice(&clipped), width);
    buffer_add_text(to, "  ");
    buffer_deinit(&clipped);
}

static bool begins(struct slice text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

static bool is_shared(const struct doctor_note *n)
{
    return begins(n->source, "resource ") || begins(n->source, "scope");
}

/* The next note at or after `at` about the resource or scope; note_count: none. */
static uint32_t shared_next(const struct doctor_item *item, uint32_t at)
{
    while (at < item->note_count && !is_shared(&item->notes[at]))
        at++;
    return at;
}

static bool note_equal(const struct doctor_note *a, const struct doctor_note *b)
{
    const char *x = a->column == NULL ? "" : a->column;
    const char *y = b->column == NULL ? "" : b->column;
    return slice_equal(a->source, b->source) && slice_equal(a->value, b->value) &&
           strcmp(x, y) == 0;
}

/* Spans of one request mostly share resource and scope: then they are told once. */
static bool shared_as_before(const struct doctor_item *before, const struct doctor_item *item)
{
    uint32_t a = shared_next(before, 0);
    uint32_t b = shared_next(item, 0);
    bool any = b < item->note_count;
    while (a < before->note_count && b < item->note_count) {
        if (!note_equal(&before->notes[a], &item->notes[b]))
            return false;
        a = shared_next(before, a + 1);
        b = shared_next(item, b + 1);
    }
    return any && a == before->note_count && b == item->note_count;
}

static void print_notes(struct printer *p, uint32_t index)
{
    const struct doctor_item *item = &p->d->items[index];
    bool skip = index > 0 && shared_as_before(item - 1, item);
    if (skip)
        buffer_add_text(p->to, "    (resource and scope as before)\n");
    for (uint32_t i = 0; i < item->note_count; i++) {
        const struct doctor_note *n = &item->notes[i];
        if (skip && is_shared(n))
            continue;
        bool is_kept = n->column != NULL && slice_is(slice_text(n->column), "attributes");
        buffer_add_text(p->to, "    ");
        add_field(p->to, n->source, SOURCE_WIDTH);
        add_field(p->to, n->value, VALUE_WIDTH);
        colour(p, n->column == NULL ? COLOUR_RED : is_kept ? COLOUR_DIM : COLOUR_GREEN);
        add_field(p->to, slice_text(n->column == NULL ? "(ignored)" : n->column), COLUMN_WIDTH);
        colour(p, COLOUR_NONE);
        (void)terminal_add_clipped(p->to, slice_text(n->why), 0);
        buffer_add_byte(p->to, '\n');
    }
}

static bool is_score(const struct column *column)
{
    return column->id >= COLUMN_DYNAMIC;
}

static int by_column(const void *a, const void *b)
{
    const struct batch_column *x = a;
    const struct batch_column *y = b;
    return (x->column->id > y->column->id) - (x->column->id < y->column->id);
}

/* The cells of the row, or its scores, below a title when there are any. */
static void print_cells(struct printer *p, uint32_t row, bool scores, const char *title)
{
    const struct batch *spans = &p->d->work.spans;
    for (uint32_t i = 0; i < spans->column_count; i++) {
        const struct column *column = spans->columns[i].column;
        const struct vector *v = &spans->columns[i].vector;
        if (!vector_has(v, row) || is_score(column) != scores)
            continue;
        buffer_add_text(p->to, title);
        title = "";
        buffer_reset(&p->cell);
        doctor_cell_add(p->d, column, v, row, false, &p->cell);
        buffer_add_text(p->to, "    ");
        add_field(p->to, slice_text(column->name), NAME_WIDTH);
        (void)terminal_add_clipped(p->to, buffer_slice(&p->cell), CELL_WIDTH);
        buffer_add_byte(p->to, '\n');
    }
}

static void print_score_rows(struct printer *p, const struct doctor_item *item)
{
    const struct batch *b = &p->d->scores;
    const struct vector *names = batch_vector(b, SCORES_name);
    const struct vector *values = batch_vector(b, SCORES_value);
    const struct vector *labels = batch_vector(b, SCORES_label);
    for (uint32_t i = item->score_first; i < item->score_first + item->score_count; i++) {
        buffer_add_text(p->to, "    ");
        add_field(p->to, names == NULL ? SLICE_EMPTY : vector_bytes(names, i), NAME_WIDTH);
        if (values != NULL && vector_has(values, i))
            buffer_printf(p->to, "%.15g ", values->f64[i]);
        if (labels != NULL && vector_has(labels, i))
            (void)terminal_add_clipped(p->to, vector_bytes(labels, i), VALUE_WIDTH);
        buffer_add_byte(p->to, '\n');
    }
}

static void print_item(struct printer *p, uint32_t index)
{
    const struct doctor_item *item = &p->d->items[index];
    buffer_add_byte(p->to, '\n');
    colour(p, COLOUR_BOLD);
    buffer_printf(p->to, "%s %u  ", item->is_log ? "record" : "span", index + 1);
    (void)terminal_add_clipped(p->to, item->name, 80);
    colour(p, COLOUR_NONE);
    buffer_add_byte(p->to, '\n');
    add_ids(p, item);
    if (item->rejected.size > 0) {
        colour(p, COLOUR_RED);
        buffer_add_text(p->to, "  not kept: ");
        (void)terminal_add_clipped(p->to, item->rejected, 0);
        colour(p, COLOUR_NONE);
        buffer_add_byte(p->to, '\n');
    }
    buffer_add_text(p->to, "  what became of it\n");
    print_notes(p, index);
    if (item->row != UINT32_MAX) {
        print_cells(p, item->row, false, "  the row\n");
        print_cells(p, item->row, true, "  scores given on arrival\n");
    }
    if (item->score_count > 0) {
        buffer_add_text(p->to, "  scores it brings\n");
        print_score_rows(p, item);
    }
}

static void print_head(struct printer *p)
{
    const struct doctor *d = p->d;
    const char *what = d->signal == OTLP_LOGS ? "log record" : "span";
    (void)terminal_add_clipped(p->to, slice_text(d->source->name), 0);
    buffer_printf(p->to, ": %.*s%s, %zu bytes", SLICE_ARG(buffer_slice(&d->wire)),
                  d->encoding == OTLP_JSON ? "JSON" : "protobuf", d->source->bytes.size);
    if (d->body.size != d->source->bytes.size)
        buffer_printf(p->to, " (%zu decoded)", d->body.size);
    buffer_printf(p->to, ", %" PRIu64 " %s%s", d->result.accepted, what,
                  d->result.accepted == 1 ? "" : "s");
    if (d->result.rejected > 0)
        buffer_printf(p->to, ", %" PRIu64 " rejected", d->result.rejected);
    buffer_add_byte(p->to, '\n');
}

/* Errors first, then as they came. */
static int by_level(const void *a, const void *b)
{
    const struct advice *const *x = a;
    const struct advice *const *y = b;
    if ((*x)->level != (*y)->level)
        return (*x)->level < (*y)->level ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

static void print_advice(struct printer *p)
{
    static const char *const words[] = {"error", "warning", "hint"};
    static const enum colour colours[] = {COLOUR_RED, COLOUR_YELLOW, COLOUR_CYAN};
    const struct doctor *d = p->d;
    const struct advice **sorted = mem_alloc(((size_t)d->advice_count + 1) * sizeof(void *));
    for (uint32_t i = 0; i < d->advice_count; i++)
        sorted[i] = &d->advice[i];
    if (d->advice_count > 1)
        qsort(sorted, d->advice_count, sizeof(void *), by_level);
    buffer_add_text(p->to, d->advice_count == 0 ? "\nnothing to improve\n" : "\nadvice\n");
    for (uint32_t i = 0; i < d->advice_count; i++) {
        const struct advice *a = sorted[i];
        buffer_add_text(p->to, "  ");
        colour(p, colours[a->level]);
        terminal_add_padded(p->to, slice_text(words[a->level]), 8);
        colour(p, COLOUR_NONE);
        (void)terminal_add_clipped(p->to, slice_text(a->text), 0);
        if (a->spans > 0) {
            buffer_printf(p->to, " [%" PRIu64 "%s", a->spans, a->spans == 1 ? ": " : ", first: ");
            (void)terminal_add_clipped(p->to, a->first, 40);
            buffer_add_byte(p->to, ']');
        }
        buffer_add_byte(p->to, '\n');
    }
    mem_free(sorted);
}

void doctor_print(struct doctor *d, struct buffer *to, bool coloured)
{
    struct printer p = {.d = d, .to = to, .coloured = coloured};
    if (d->work.spans.column_count > 1)
        qsort(d->work.spans.columns, d->work.spans.column_count, sizeof *d->work.spans.columns,
              by_column);
    print_head(&p);
    for (uint32_t i = 0; i < d->item_count; i++)
        print_item(&p, i);
    print_advice(&p);
    buffer_deinit(&p.cell);
}
