/*
 * render_table.c - results for people: aligned columns, numbers to the right, cut to the width of a terminal.
 */
#include "query/render.h"

#define CELL_WIDTH_MAX 200u /* a longer cell is cut even on an unlimited page */
#define CELL_WIDTH_MIN 4u

/* The cell on one line: line ends and other control characters are shown as blanks. */
static void cell_text(const struct query_value *v, struct buffer *to)
{
    buffer_reset(to);
    (void)query_value_text(v, to);
    for (size_t i = 0; i < to->size; i++)
        if (to->data[i] < 0x20 || to->data[i] == 0x7f)
            to->data[i] = ' ';
}

static uint32_t text_width(struct slice text)
{
    uint32_t width = 0;
    for (size_t i = 0; i < text.size; i++)
        width += (text.data[i] & 0xc0) != 0x80;
    return width;
}

static bool is_number(enum sql_type type)
{
    return type == SQL_INT || type == SQL_FLOAT || type == SQL_INTERVAL;
}

static void measure(const struct query_result *r, uint32_t *widths)
{
    struct buffer cell = {0};
    for (uint32_t c = 0; c < r->column_count; c++)
        widths[c] = text_width(slice_text(r->columns[c].name));
    const struct query_value *v = r->cells;
    for (uint64_t row = 0; row < r->row_count; row++)
        for (uint32_t c = 0; c < r->column_count; c++) {
            cell_text(v++, &cell);
            uint32_t width = text_width(buffer_slice(&cell));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    for (uint32_t c = 0; c < r->column_count; c++)
        widths[c] = widths[c] > CELL_WIDTH_MAX ? CELL_WIDTH_MAX : widths[c];
    buffer_deinit(&cell);
}

/* Takes from the widest column until the line fits. */
static void fit(uint32_t *widths, uint32_t count, uint32_t width)
{
    uint64_t total = 0;
    for (uint32_t c = 0; c < count; c++)
        total += widths[c] + 3;
    while (total > width) {
        uint32_t widest = 0;
        for (uint32_t c = 1; c < count; c++)
            if (widths[c] > widths[widest])
                widest = c;
        if (widths[widest] <= CELL_WIDTH_MIN)
            return;
        widths[widest]--;
        total--;
    }
}

static void pad(struct buffer *to, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buffer_add_byte(to, ' ');
}

static void put_cell(struct buffer *to, struct slice text, uint32_t width, bool right, bool last)
{
    uint32_t wide = text_width(text);
    if (wide > width) {
        uint32_t kept = 0;
        size_t at = 0;
        while (at < text.size && (kept < width - 1 || (text.data[at] & 0xc0) == 0x80)) {
            kept += (text.data[at] & 0xc0) != 0x80;
            at++;
        }
        buffer_add(to, text.data, at);
        buffer_add_text(to, "…");
        return;
    }
    if (right)
        pad(to, width - wide);
    buffer_add_slice(to, text);
    if (!right && !last)
        pad(to, width - wide);
}

void render_table(const struct query_result *r, uint32_t width, struct buffer *to)
{
    uint32_t *widths = mem_zero(r->column_count + 1, sizeof *widths);
    struct buffer cell = {0};
    measure(r, widths);
    if (width > 0)
        fit(widths, r->column_count, width);
    for (uint32_t c = 0; c < r->column_count; c++) {
        buffer_add_text(to, c > 0 ? " | " : " ");
        put_cell(to, slice_text(r->columns[c].name), widths[c], is_number(r->columns[c].type),
                 c + 1 == r->column_count);
    }
    buffer_add_byte(to, '\n');
    for (uint32_t c = 0; c < r->column_count; c++) {
        buffer_add_text(to, c > 0 ? "+" : "");
        for (uint32_t i = 0; i < widths[c] + 2; i++)
            buffer_add_byte(to, '-');
    }
    buffer_add_byte(to, '\n');
    const struct query_value *v = r->cells;
    for (uint64_t row = 0; row < r->row_count; row++) {
        for (uint32_t c = 0; c < r->column_count; c++) {
            cell_text(v++, &cell);
            buffer_add_text(to, c > 0 ? " | " : " ");
            put_cell(to, buffer_slice(&cell), widths[c], is_number(r->columns[c].type),
                     c + 1 == r->column_count);
        }
        buffer_add_byte(to, '\n');
    }
    buffer_printf(to, "(%llu row%s)\n", (unsigned long long)r->row_count,
                  r->row_count == 1 ? "" : "s");
    if (r->partial)
        buffer_printf(to, "warning: %s\n", r->notice);
    buffer_deinit(&cell);
    mem_free(widths);
}
