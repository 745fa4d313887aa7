/*
 * schema.c - column.def as arrays, by position and by id, and the dynamic score columns.
 *
 * Invariant: the code of a score's name in schema.names is its id - COLUMN_DYNAMIC + 1.
 */
#include "engine/span/schema.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

/* Position of every column in its table's array. */
#define COLUMN(table, ...) COLUMN_##table(__VA_ARGS__)
#define COLUMN_SCORES(...)
#define COLUMN_TAGS(...)
#define COLUMN_SPANS(id, name, ...) SPANS_AT_##name,
enum {
#include "engine/span/column.def"
    SPANS_COUNT
};
#undef COLUMN_SPANS
#undef COLUMN_SCORES
#define COLUMN_SPANS(...)
#define COLUMN_SCORES(id, name, ...) SCORES_AT_##name,
enum {
#include "engine/span/column.def"
    SCORES_COUNT
};
#undef COLUMN_SCORES
#undef COLUMN_TAGS
#define COLUMN_SCORES(...)
#define COLUMN_TAGS(id, name, ...) TAGS_AT_##name,
enum {
#include "engine/span/column.def"
    TAGS_COUNT
};
#undef COLUMN_SPANS
#undef COLUMN_TAGS
#undef COLUMN_SCORES
#undef COLUMN

#define TABLE_COLUMNS_MAX 64
#define FIXED_ID_MAX      127

static_assert(SPANS_COUNT <= TABLE_COLUMNS_MAX && SCORES_COUNT <= TABLE_COLUMNS_MAX &&
                  TAGS_COUNT <= TABLE_COLUMNS_MAX,
              "TABLE_COLUMNS_MAX holds every table");

static const struct column columns[TABLE_COUNT][TABLE_COLUMNS_MAX] = {
#define COLUMN(table, id_, name_, storage_, sql_, divisor_, doc_)                                  \
    [TABLE_##table][table##_AT_##name_] = {.id = (id_),                                            \
                                           .storage = STORAGE_##storage_,                          \
                                           .sql = SQL_##sql_,                                      \
                                           .divisor = (divisor_),                                  \
                                           .name = #name_,                                         \
                                           .doc = (doc_)},
#include "engine/span/column.def"
#undef COLUMN
};

/* Position + 1 by id; 0: no such column. An id above FIXED_ID_MAX would not compile. */
static const uint8_t positions[TABLE_COUNT][FIXED_ID_MAX + 1] = {
#define COLUMN(table, id, name, storage, sql, divisor, doc)                                        \
    [TABLE_##table][id] = table##_AT_##name + 1,
#include "engine/span/column.def"
#undef COLUMN
};

static const struct {
    const char *name;
    uint32_t column_count;
} tables[TABLE_COUNT] = {
    [TABLE_SPANS] = {"spans", SPANS_COUNT},
    [TABLE_SCORES] = {"scores", SCORES_COUNT},
    [TABLE_TAGS] = {"tags", TAGS_COUNT},
};

const uint16_t refs_columns[REFS_COLUMNS] = {SPANS_input, SPANS_output, SPANS_tools};

const char *table_name(enum table table)
{
    ASSERT((unsigned)table < TABLE_COUNT);
    return tables[table].name;
}

bool table_from_name(struct slice name, enum table *ret_table)
{
    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        if (slice_is(name, tables[i].name)) {
            *ret_table = (enum table)i;
            return true;
        }
    }
    return false;
}

const struct column *table_columns(enum table table, uint32_t *ret_count)
{
    ASSERT((unsigned)table < TABLE_COUNT);
    *ret_count = tables[table].column_count;
    return columns[table];
}

const struct column *table_column(enum table table, uint16_t id)
{
    ASSERT((unsigned)table < TABLE_COUNT);
    if (id > FIXED_ID_MAX || positions[table][id] == 0)
        return NULL;
    return &columns[table][positions[table][id] - 1];
}

const struct column *table_column_by_name(enum table table, struct slice name)
{
    ASSERT((unsigned)table < TABLE_COUNT);
    for (uint32_t i = 0; i < tables[table].column_count; i++) {
        if (slice_is(name, columns[table][i].name))
            return &columns[table][i];
    }
    return NULL;
}

void schema_init(struct schema *s)
{
    *s = (struct schema){0};
    mutex_init(&s->lock);
    intern_init(&s->names);
}

void schema_deinit(struct schema *s)
{
    if (s == NULL)
        return;
    intern_deinit(&s->names);
    arena_deinit(&s->arena);
    mem_free(s->scores);
    mutex_deinit(&s->lock);
    *s = (struct schema){0};
}

const struct column *schema_column(struct schema *s, enum table table, uint16_t id)
{
    if (id < COLUMN_DYNAMIC || table != TABLE_SPANS || s == NULL)
        return table_column(table, id);
    const struct column *found = NULL;
    mutex_lock(&s->lock);
    if (id - COLUMN_DYNAMIC < s->score_count)
        found = s->scores[id - COLUMN_DYNAMIC];
    mutex_unlock(&s->lock);
    return found;
}

const struct column *schema_find(struct schema *s, enum table table, struct slice name)
{
    const struct column *found = table_column_by_name(table, name);
    if (found != NULL || table != TABLE_SPANS || s == NULL)
        return found;
    mutex_lock(&s->lock);
    uint32_t code = intern_find(&s->names, name);
    if (code != 0)
        found = s->scores[code - 1];
    mutex_unlock(&s->lock);
    return found;
}

static bool is_score_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool score_name_is_valid(struct slice name)
{
    size_t prefix = strlen(SCORE_PREFIX);
    if (name.size <= prefix || name.size > prefix + NAME_BYTES_MAX ||
        memcmp(name.data, SCORE_PREFIX, prefix) != 0)
        return false;
    for (size_t i = prefix; i < name.size; i++) {
        if (!is_score_byte(name.data[i]))
            return false;
    }
    return true;
}

static const struct column *score_add_locked(struct schema *s, struct slice name) REQUIRES(s->lock)
{
    uint32_t index = intern_add(&s->names, name) - 1;
    if (index < s->score_count)
        return s->scores[index];
    struct column *column = ARENA_NEW(&s->arena, struct column);
    column->id = (uint16_t)(COLUMN_DYNAMIC + index);
    column->storage = STORAGE_F64;
    column->sql = SQL_FLOAT;
    column->divisor = 1;
    column->name = (const char *)arena_copy(&s->arena, name).data;
    column->doc = "latest score of this name";
    s->scores = mem_grow(s->scores, &s->scores_capacity, (size_t)index + 1, sizeof *s->scores);
    s->scores[index] = column;
    s->score_count = index + 1;
    return column;
}

enum status schema_add_score(struct schema *s, struct slice name, const struct column **ret,
                             struct error *reterr)
{
    if (!score_name_is_valid(name))
        return error_set(reterr, STATUS_INVALID,
                         "\"%.*s\" is not a score column: expected score.NAME with 1 to %u of "
                         "A-Z a-z 0-9 _ . -",
                         (int)(name.size < NAME_BYTES_MAX ? name.size : NAME_BYTES_MAX),
                         (const char *)name.data, NAME_BYTES_MAX);
    const struct column *column = NULL;
    mutex_lock(&s->lock);
    if (s->score_count < SCORE_COLUMNS_MAX || intern_find(&s->names, name) != 0)
        column = score_add_locked(s, name);
    mutex_unlock(&s->lock);
    if (column == NULL)
        return error_set(reterr, STATUS_LIMIT, "%.*s: a project has at most %u score names",
                         SLICE_ARG(name), SCORE_COLUMNS_MAX);
    *ret = column;
    return STATUS_OK;
}

uint32_t schema_score_count(struct schema *s)
{
    mutex_lock(&s->lock);
    uint32_t count = s->score_count;
    mutex_unlock(&s->lock);
    return count;
}
