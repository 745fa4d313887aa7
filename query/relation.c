/*
 * relation.c - appending, joining and picking rows held in memory.
 */
#include "query/relation.h"

#include "engine/base/check.h"

void relation_init(struct relation *r, const enum phys *phys, uint32_t column_count)
{
    *r = (struct relation){.column_count = column_count};
    r->columns = mem_zero(column_count + 1, sizeof *r->columns);
    for (uint32_t i = 0; i < column_count; i++)
        r->columns[i].phys = phys[i] == PHYS_CODES ? PHYS_TEXT : phys[i];
}

void relation_free_column(struct relation_column *c)
{
    block_free(c->valid, c->valid_capacity);
    block_free(c->data, c->data_capacity * phys_width(c->phys));
    *c = (struct relation_column){0};
}

void relation_deinit(struct relation *r)
{
    if (r == NULL || r->columns == NULL)
        return;
    for (uint32_t i = 0; i < r->column_count; i++) {
        relation_free_column(&r->columns[i]);
    }
    mem_free(r->columns);
    text_store_deinit(&r->texts);
    *r = (struct relation){0};
}

void relation_reserve(struct relation *r, uint64_t more)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        struct relation_column *c = &r->columns[i];
        c->valid = block_grow(c->valid, &c->valid_capacity, r->rows + more, 1);
        c->data = block_grow(c->data, &c->data_capacity, r->rows + more, phys_width(c->phys));
    }
}

static void append_texts(struct relation *r, struct relation_column *c, const struct vec *v,
                         uint32_t rows, bool keep)
{
    struct slice *to = (struct slice *)(void *)c->data + r->rows;
    uint8_t *valid = c->valid + r->rows;
    for (uint32_t i = 0; i < rows; i++) {
        valid[i] = vec_has(v, i);
        to[i] = valid[i] ? vec_text(v, i) : SLICE_EMPTY;
        if (!keep && to[i].size > 0)
            to[i] = text_store_add(&r->texts, to[i]);
    }
}

static void append_column(struct relation *r, struct relation_column *c, const struct vec *from,
                          uint32_t rows, bool keep_dicts, struct scratch *scratch)
{
    if (c->phys == PHYS_TEXT) {
        append_texts(r, c, from, rows, keep_dicts && from->phys == PHYS_CODES);
        return;
    }
    struct vec v = *from;
    vec_expand(&v, rows, scratch);
    size_t width = phys_width(c->phys);
    memcpy(c->data + r->rows * width, v.data, rows * width);
    if (v.valid == NULL)
        memset(c->valid + r->rows, 1, rows);
    else
        memcpy(c->valid + r->rows, v.valid, rows);
}

void relation_append(struct relation *r, const struct vec *columns, uint32_t rows, bool keep_dicts,
                     struct scratch *scratch)
{
    relation_reserve(r, rows);
    for (uint32_t i = 0; i < r->column_count; i++)
        append_column(r, &r->columns[i], &columns[i], rows, keep_dicts, scratch);
    r->rows += rows;
}

void relation_concat(struct relation *to, struct relation *from)
{
    ASSERT(to->column_count == from->column_count);
    if (to->rows == 0) {
        struct relation empty = *to;
        *to = *from;
        *from = empty;
        return;
    }
    relation_reserve(to, from->rows);
    for (uint32_t i = 0; i < to->column_count; i++) {
        struct relation_column *a = &to->columns[i];
        const struct relation_column *b = &from->columns[i];
        size_t width = phys_width(a->phys);
        bytes_copy(a->data + to->rows * width, b->data, from->rows * width);
        bytes_copy(a->valid + to->rows, b->valid, from->rows);
    }
    to->rows += from->rows;
    from->rows = 0;
    text_store_take(&to->texts, &from->texts);
}

struct vec relation_vec(const struct relation *r, uint32_t column)
{
    const struct relation_column *c = &r->columns[column];
    return (struct vec){.phys = c->phys, .valid = c->valid, .data = c->data};
}

uint64_t relation_bytes(const struct relation *r)
{
    uint64_t bytes = r->texts.bytes;
    for (uint32_t i = 0; i < r->column_count; i++)
        bytes += r->columns[i].valid_capacity +
                 r->columns[i].data_capacity * phys_width(r->columns[i].phys);
    return bytes;
}

enum status relation_charge(struct relation *r, struct run *run, struct error *reterr)
{
    uint64_t bytes = relation_bytes(r);
    enum status s = STATUS_OK;
    if (bytes > r->charged)
        s = run_charge(run, bytes - r->charged, reterr);
    else
        run_discharge(run, r->charged - bytes);
    if (s == STATUS_OK)
        r->charged = bytes;
    return s;
}
