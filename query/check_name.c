/*
 * check_name.c - names to columns and aliases.
 *
 * Rules: an unquoted name matches as written or in lower case. score.groundedness is one column; a qualifier is only
 *        taken off when it is the table or its alias. Score names are data: one that no span has yet reads NULL, unless
 *        it looks like a misspelling of one that there is.
 */
#include "engine/span/cell.h"

#include "query/check.h"

static bool name_matches(const char *column, struct slice name, bool quoted)
{
    struct slice text = slice_text(column);
    if (slice_equal(text, name))
        return true;
    if (quoted || text.size != name.size)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i];
        if (text.data[i] != c)
            return false;
    }
    return true;
}

static bool names_equal(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        uint8_t x = a.data[i] >= 'A' && a.data[i] <= 'Z' ? a.data[i] | 0x20 : a.data[i];
        uint8_t y = b.data[i] >= 'A' && b.data[i] <= 'Z' ? b.data[i] | 0x20 : b.data[i];
        if (x != y)
            return false;
    }
    return true;
}

static int find_column(const struct check *c, struct slice name, bool quoted)
{
    const struct source *source = &c->plan->source;
    for (uint32_t i = 0; i < source->column_count; i++)
        if (slice_is(name, source->columns[i].name))
            return (int)i;
    for (uint32_t i = 0; i < source->column_count; i++)
        if (name_matches(source->columns[i].name, name, quoted))
            return (int)i;
    return -1;
}

/* The name without a qualifier that means the source. */
static struct slice unqualified(const struct check *c, const struct ast *a)
{
    if (a->first.size == 0)
        return a->text;
    if (!(c->alias.size > 0 && names_equal(a->first, c->alias)) &&
        !names_equal(a->first, c->table_name))
        return a->text;
    return slice_of(a->text.data + a->first.size + 1, a->text.size - a->first.size - 1);
}

static int column_of(const struct check *c, const struct ast *a)
{
    int index = find_column(c, a->text, a->quoted);
    return index >= 0 ? index : find_column(c, unqualified(c, a), a->quoted);
}

bool check_has_column(const struct check *c, const struct ast *a)
{
    return column_of(c, a) >= 0;
}

struct expr *check_column(struct check *c, uint32_t index, uint32_t position)
{
    const struct source_column *column = &c->plan->source.columns[index];
    struct expr *e = expr_new(c->arena, EXPR_COLUMN, column->type, column->phys, position);
    e->scale = column->scale;
    e->column = index;
    return e;
}

uint32_t check_time_column(const struct check *c)
{
    const struct source *source = &c->plan->source;
    for (uint32_t i = 0; i < source->column_count; i++)
        if (strcmp(source->columns[i].name, "time") == 0 &&
            source->columns[i].type == SQL_TIMESTAMP)
            return i;
    return UINT32_MAX;
}

int check_find_alias(const struct check *c, const struct ast *a)
{
    const struct ast_select *select = c->select;
    if (a->kind != AST_NAME || a->first.size != 0)
        return -1;
    for (uint32_t i = 0; i < select->item_count; i++)
        if (select->items[i].alias.size > 0 && names_equal(select->items[i].alias, a->text))
            return (int)i;
    return -1;
}

static const char *suggestion(struct check *c, struct slice name)
{
    const struct source *source = &c->plan->source;
    const char **names = ARENA_ARRAY(c->arena, const char *, source->column_count + 1);
    for (uint32_t i = 0; i < source->column_count; i++)
        names[i] = source->columns[i].name;
    return nearest_name(name, names, source->column_count);
}

static enum status no_such_column(struct check *c, const struct ast *a, struct slice name)
{
    if (c->plan->source.kind == SOURCE_NOTHING)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "column \"%.*s\" does not exist: there is no FROM", SLICE_ARG(name));
    if (check_find_alias(c, a) >= 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "column \"%.*s\" does not exist (an alias can't be used here; repeat "
                            "its expression or use a subquery)",
                            SLICE_ARG(name));
    const char *nearest = suggestion(c, name);
    if (nearest != NULL)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "column \"%.*s\" does not exist; did you mean \"%s\"?", SLICE_ARG(name),
                            nearest);
    return error_set_at(c->reterr, STATUS_INVALID, a->position, "column \"%.*s\" does not exist",
                        SLICE_ARG(name));
}

static bool is_score_name(struct slice name)
{
    if (name.size <= 6 || memcmp(name.data, "score.", 6) != 0 || name.size > NAME_BYTES_MAX)
        return false;
    for (size_t i = 6; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

enum status check_name(struct check *c, const struct ast *a, struct expr **ret)
{
    struct slice name = unqualified(c, a);
    int index = column_of(c, a);
    if (name.size > NAME_BYTES_MAX)
        name.size = NAME_BYTES_MAX;
    if (index >= 0) {
        *ret = check_column(c, (uint32_t)index, a->position);
        return STATUS_OK;
    }
    int alias = c->aliases_visible ? check_find_alias(c, a) : -1;
    if (alias >= 0) {
        /* The alias's own expression sees columns only, so this ends. */
        c->aliases_visible = false;
        enum status s = check_expr(c, c->select->items[alias].expression, ret);
        c->aliases_visible = true;
        return s;
    }
    bool spans = c->plan->source.kind == SOURCE_SCAN && c->plan->source.table == TABLE_SPANS;
    if (spans && is_score_name(name) && suggestion(c, name) == NULL) {
        *ret = expr_null(c->arena, SQL_FLOAT, a->position);
        return STATUS_OK;
    }
    return no_such_column(c, a, name);
}
