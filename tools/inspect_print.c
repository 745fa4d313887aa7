/*
 * inspect_print.c - segments and columns as tables.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/json.h"
#include "tools/inspect.h"
#include "tools/terminal.h"

void inspect_deinit(struct inspect *in)
{
    arena_deinit(&in->arena);
    mem_free(in->segments);
    mem_free(in->columns);
    *in = (struct inspect){0};
}

/* ---- reading ---- */

static uint64_t number_of(const struct json *j, enum json_token t)
{
    int64_t value = 0;
    return t == JSON_NUMBER && json_int(j, &value) && value > 0 ? (uint64_t)value : 0;
}

static void column_merge(struct inspect *in, struct slice table, const struct inspect_column *c)
{
    struct inspect_column *found = NULL;
    for (uint32_t i = 0; i < in->column_count && found == NULL; i++) {
        if (slice_equal(in->columns[i].name, c->name) && slice_equal(in->columns[i].table, table))
            found = &in->columns[i];
    }
    if (found == NULL) {
        in->columns = mem_grow(in->columns, &in->columns_capacity, (size_t)in->column_count + 1,
                               sizeof *in->columns);
        found = &in->columns[in->column_count++];
        *found = (struct inspect_column){
            .table = table, .name = arena_copy(&in->arena, c->name), .encoding = SLICE_EMPTY};
    }
    found->bytes += c->bytes;
    if (c->bytes >= found->encoding_bytes) {
        found->encoding_bytes = c->bytes;
        found->encoding = arena_copy(&in->arena, c->encoding);
    }
}

/* An array of {"name","encoding","bytes"}. */
static void read_columns(struct json *j, struct inspect *in, struct slice table)
{
    enum json_token t;
    while ((t = json_next(j)) == JSON_OBJECT_BEGIN) {
        struct inspect_column c = {.name = SLICE_EMPTY, .encoding = SLICE_EMPTY};
        while (json_next(j) == JSON_KEY) {
            struct slice key = json_string(j, &in->arena);
            t = json_next(j);
            if (t == JSON_STRING && slice_is(key, "name"))
                c.name = json_string(j, &in->arena);
            else if (t == JSON_STRING && slice_is(key, "encoding"))
                c.encoding = json_string(j, &in->arena);
            else if (slice_is(key, "bytes"))
                c.bytes = number_of(j, t);
        }
        column_merge(in, table, &c);
    }
}

static void read_segment(struct json *j, struct inspect *in)
{
    struct inspect_segment s = {.project = SLICE_EMPTY};
    struct {
        const char *key;
        struct slice *text;
        uint64_t *number;
    } fields[] = {{"project", &s.project, NULL},   {"table", &s.table, NULL},
                  {"path", &s.path, NULL},         {"tier", &s.tier, NULL},
                  {"time_min", &s.time_min, NULL}, {"time_max", &s.time_max, NULL},
                  {"rows", NULL, &s.rows},         {"bytes", NULL, &s.bytes},
                  {"patches", NULL, &s.patches}};
    s.table = s.path = s.tier = s.time_min = s.time_max = SLICE_EMPTY;
    while (json_next(j) == JSON_KEY) {
        struct slice key = json_string(j, &in->arena);
        enum json_token t = json_next(j);
        if (slice_is(key, "columns") && t == JSON_ARRAY_BEGIN) {
            read_columns(j, in, s.table);
            continue;
        }
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            if (!slice_is(key, fields[i].key))
                continue;
            if (fields[i].number != NULL)
                *fields[i].number = number_of(j, t);
            else if (t == JSON_STRING)
                *fields[i].text = arena_copy(&in->arena, json_string(j, &in->arena));
        }
        (void)json_skip(j, t);
    }
    in->segments = mem_grow(in->segments, &in->segments_capacity, (size_t)in->segment_count + 1,
                            sizeof *in->segments);
    in->segments[in->segment_count++] = s;
}

enum status inspect_read(struct slice json, struct inspect *in, struct error *reterr)
{
    struct json j = json_over(json);
    enum json_token t = json_next(&j);
    if (t != JSON_OBJECT_BEGIN)
        return json_error(&j, "the server's answer", reterr);
    while ((t = json_next(&j)) == JSON_KEY) {
        bool is_list = slice_is(json_string(&j, &in->arena), "segments");
        t = json_next(&j);
        if (!is_list || t != JSON_ARRAY_BEGIN) {
            (void)json_skip(&j, t);
            continue;
        }
        while ((t = json_next(&j)) == JSON_OBJECT_BEGIN)
            read_segment(&j, in);
    }
    return t == JSON_OBJECT_END ? STATUS_OK : json_error(&j, "the server's answer", reterr);
}

/* ---- printing ---- */

static void add_right(struct buffer *to, const char *text, uint32_t width)
{
    buffer_printf(to, "%*s ", (int)width, text);
}

static void add_number(struct buffer *to, uint64_t value, uint32_t width)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    add_right(to, text, width);
}

static void add_ratio(struct buffer *to, uint64_t bytes, uint64_t rows)
{
    char text[32] = "-";
    if (rows != 0)
        (void)snprintf(text, sizeof text, "%.2f", (double)bytes / (double)rows);
    add_right(to, text, 8);
}

static void add_segment_line(struct buffer *to, const struct inspect_segment *s)
{
    terminal_add_padded(to, s->project, 16);
    buffer_add_byte(to, ' ');
    terminal_add_padded(to, s->table, 7);
    terminal_add_padded(to, s->tier, 6);
    add_number(to, s->rows, 11);
    add_number(to, s->bytes, 13);
    add_ratio(to, s->bytes, s->rows);
    add_number(to, s->patches, 7);
    terminal_add_padded(
        to, slice_of(s->time_min.data, s->time_min.size < 19 ? s->time_min.size : 19), 20);
    terminal_add_padded(
        to, slice_of(s->time_max.data, s->time_max.size < 19 ? s->time_max.size : 19), 20);
    (void)terminal_add_clipped(to, s->path, 0);
    buffer_add_byte(to, '\n');
}

void inspect_segments_print(const struct inspect *in, struct buffer *to)
{
    uint64_t rows = 0, bytes = 0, patches = 0;
    buffer_add_text(to, "project          table  tier         rows         bytes    B/row patches "
                        "from                until               file\n");
    for (uint32_t i = 0; i < in->segment_count; i++) {
        const struct inspect_segment *s = &in->segments[i];
        add_segment_line(to, s);
        rows += s->rows;
        bytes += s->bytes;
        patches += s->patches;
    }
    buffer_printf(to, "%u segments, %llu rows, %llu bytes", in->segment_count,
                  (unsigned long long)rows, (unsigned long long)bytes);
    if (rows != 0)
        buffer_printf(to, " (%.2f a row)", (double)bytes / (double)rows);
    buffer_printf(to, ", %llu amendments not folded in\n", (unsigned long long)patches);
}

static uint64_t table_rows(const struct inspect *in, struct slice table)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < in->segment_count; i++)
        rows += slice_equal(in->segments[i].table, table) ? in->segments[i].rows : 0;
    return rows;
}

static int by_size(const void *a, const void *b)
{
    const struct inspect_column *x = a;
    const struct inspect_column *y = b;
    int order = slice_compare(x->table, y->table);
    if (order != 0)
        return -order; /* spans first */
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

void inspect_columns_print(struct inspect *in, struct buffer *to)
{
    if (in->column_count > 1)
        qsort(in->columns, in->column_count, sizeof *in->columns, by_size);
    buffer_add_text(to,
                    "table  column                           encoding            bytes    B/row\n");
    for (uint32_t i = 0; i < in->column_count; i++) {
        const struct inspect_column *c = &in->columns[i];
        terminal_add_padded(to, c->table, 7);
        terminal_add_padded(to, c->name, 33);
        terminal_add_padded(to, c->encoding, 12);
        add_number(to, c->bytes, 12);
        add_ratio(to, c->bytes, table_rows(in, c->table));
        to->size--;
        buffer_add_byte(to, '\n');
    }
}
