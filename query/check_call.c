/*
 * check_call.c - which overload of a function is meant, what has to be converted for it, and what can be computed now.
 *
 * Rules: a text literal, a text parameter and NULL take whatever type their place wants. Otherwise bigint becomes double
 *        and ids and messages become text by themselves; everything else needs a cast.
 * Exact: a comparison of a stored integer (tokens_in, latency_ms in ns) with a number becomes a comparison of integers:
 *        `latency_ms > 5` is `ns > 5000000`.
 */
#include <math.h>

#include "engine/span/cell.h"

#include "query/check.h"

char letter_of_expr(const struct expr *e)
{
    return letter_of(e->type, e->phys);
}

const char *type_name_of(const struct expr *e)
{
    return sql_type_name(e->unknown ? SQL_NULL : e->type);
}

enum status weigh(struct check *c, struct expr *e)
{
    expr_weigh(e);
    if (e->weight > EXPRESSION_WEIGHT_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, e->position,
                            "the expression is too large: it would take more than %u steps a row",
                            EXPRESSION_WEIGHT_MAX);
    return STATUS_OK;
}

/* ---- conversions ---- */

static bool is_open(const struct expr *e)
{
    return e->kind == EXPR_CONST && (e->unknown || e->type == SQL_NULL);
}

int coerce_cost(const struct expr *e, char letter)
{
    char from = letter_of_expr(e);
    bool implicit = false;
    if (letter == 'a')
        return 0;
    if (letter == 's')
        return from == 't' || is_open(e) ? 0 : 1;
    if (is_open(e))
        return e->is_null || letter == 't' ? 0 : 1;
    if (from == letter)
        return 0;
    if (e->kind == EXPR_CONST && e->is_null)
        return 1;
    if (function_cast(from, letter, &implicit) == NULL || !implicit)
        return -1;
    return letter == 't' ? 2 : 1;
}

static enum status bad_literal(struct check *c, const struct expr *e, char letter)
{
    struct slice text = e->value.text;
    if (text.size > 80)
        text.size = 80;
    const char *expected = letter == 'X'   ? "32 hex digits"
                           : letter == 'x' ? "16 hex digits"
                                           : sql_type_name(type_of_letter(letter));
    return error_set_at(c->reterr, STATUS_INVALID, e->position, "expected %s, not \"%.*s\"",
                        expected, SLICE_ARG(text));
}

/* A literal or parameter takes the type of its place. */
static enum status settle(struct check *c, const struct expr *e, char letter, struct expr **ret)
{
    enum sql_type type = type_of_letter(letter);
    struct statement *st = c->statement;
    if (e->parameter != 0 && st->guesses[e->parameter - 1] == SQL_NULL)
        st->guesses[e->parameter - 1] = type;
    struct expr *to = expr_null(c->arena, type, e->position);
    to->phys = phys_of_letter(letter);
    to->parameter = e->parameter;
    *ret = to;
    if (e->is_null)
        return STATUS_OK;
    to->is_null = false;
    if (letter == 't') {
        to->value.text = e->value.text;
        return STATUS_OK;
    }
    if (letter == 'x' || letter == 'X') {
        bool good = letter == 'x' ? id64_from_hex(e->value.text, &to->value.id64)
                                  : id128_from_hex(e->value.text, &to->value.id128);
        return good ? STATUS_OK : bad_literal(c, e, letter);
    }
    bool implicit;
    struct expr *text = expr_new(c->arena, EXPR_CONST, SQL_TEXT, PHYS_TEXT, e->position);
    text->value.text = e->value.text;
    struct expr *call = expr_new(c->arena, EXPR_CALL, type, to->phys, e->position);
    call->function = function_cast('t', letter, &implicit);
    call->args = ARENA_NEW(c->arena, struct expr *);
    call->args[0] = text;
    call->arg_count = 1;
    enum status s = fold(c, &call);
    if (s < 0 || call->kind != EXPR_CONST)
        return s < 0 ? s : bad_literal(c, e, letter);
    *ret = call;
    return STATUS_OK;
}

enum status make_cast(struct check *c, struct expr *e, char letter, uint32_t position,
                      struct expr **ret)
{
    enum status s;
    char from = letter_of_expr(e);
    bool implicit = false;
    if (is_open(e) || (e->kind == EXPR_CONST && e->is_null && e->parameter == 0))
        return settle(c, e, letter, ret);
    if (from == letter) {
        *ret = e;
        return STATUS_OK;
    }
    if (from == 'k' && letter != 'f') {
        if ((s = make_cast(c, e, 'f', position, &e)) < 0)
            return s;
        from = 'f';
    }
    const struct function *function = function_cast(from, letter, &implicit);
    if (function == NULL)
        return error_set_at(c->reterr, STATUS_INVALID, position, "cannot cast type %s to %s",
                            type_name_of(e), sql_type_name(type_of_letter(letter)));
    struct expr *call =
        expr_new(c->arena, EXPR_CALL, type_of_letter(letter), phys_of_letter(letter), position);
    call->function = function;
    call->args = ARENA_NEW(c->arena, struct expr *);
    call->args[0] = e;
    call->arg_count = 1;
    *ret = call;
    if ((s = weigh(c, call)) < 0)
        return s;
    return fold(c, ret);
}

enum status coerce(struct check *c, struct expr *e, char letter, struct expr **ret)
{
    if (letter == 'a') {
        *ret = e;
        return STATUS_OK;
    }
    if (letter == 's')
        return make_cast(c, e, 't', e->position, ret);
    if (coerce_cost(e, letter) < 0)
        return error_set_at(c->reterr, STATUS_INVALID, e->position, "expected %s, not %s",
                            sql_type_name(type_of_letter(letter)), type_name_of(e));
    return make_cast(c, e, letter, e->position, ret);
}

static bool is_number(char letter)
{
    return letter == 'i' || letter == 'f' || letter == 'k';
}

static bool is_text_like(char letter)
{
    return letter == 't' || letter == 'm' || letter == 'x' || letter == 'X';
}

enum status common_letter(struct check *c, struct expr *const *list, uint32_t count,
                          const char *what, char *ret)
{
    char letter = 0;
    for (uint32_t i = 0; i < count; i++) {
        char other = letter_of_expr(list[i]);
        if (is_open(list[i]) || other == 0 ||
            (list[i]->kind == EXPR_CONST && list[i]->is_null && other == 't'))
            continue;
        if (letter == 0 || letter == other)
            letter = other;
        else if (is_number(letter) && is_number(other))
            letter = 'f';
        else if (is_text_like(letter) && is_text_like(other))
            letter = 't';
        else
            return error_set_at(c->reterr, STATUS_INVALID, list[i]->position,
                                "%s types %s and %s cannot be matched", what,
                                sql_type_name(type_of_letter(letter)), type_name_of(list[i]));
    }
    *ret = letter == 0 ? 't' : letter == 'k' ? 'f' : letter == 'm' ? 't' : letter;
    return STATUS_OK;
}

/* ---- folding ---- */

static bool has_parameter(const struct expr *e)
{
    if (e->parameter != 0)
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (has_parameter(e->args[i]))
            return true;
    return false;
}

static void keep_value(struct check *c, const struct vec *v, struct expr *to)
{
    to->is_null = !vec_has(v, 0);
    if (to->is_null) {
        to->value.text = SLICE_EMPTY;
        return;
    }
    if (to->phys == PHYS_TEXT)
        to->value.text = arena_copy(c->arena, vec_text(v, 0));
    else if (to->phys == PHYS_BOOL)
        to->value.i64 = v->truth[0];
    else
        memcpy(&to->value, v->data, phys_width(to->phys));
}

enum status fold(struct check *c, struct expr **e)
{
    struct expr *from = *e;
    struct error error;
    for (uint32_t i = 0; i < from->arg_count; i++)
        if (from->args[i]->kind != EXPR_CONST)
            return STATUS_OK;
    if (from->kind == EXPR_CALL && from->function->tag == TAG_RENDER)
        return STATUS_OK;
    if (c->statement->describing && has_parameter(from))
        return STATUS_OK;
    struct scratch scratch = {0};
    struct arena texts = {0};
    struct eval ev = {.scratch = &scratch, .texts = &texts, .rows = 1, .reterr = &error};
    struct vec v;
    enum status s = eval_expr(&ev, from, &v);
    if (s == STATUS_OK) {
        struct expr *to = expr_new(c->arena, EXPR_CONST, from->type, from->phys, from->position);
        to->scale = from->scale;
        keep_value(c, &v, to);
        *e = to;
    }
    scratch_deinit(&scratch);
    arena_deinit(&texts);
    /* What fails now fails again when, and only if, a row gets there. */
    return s == STATUS_LIMIT ? error_set_at(c->reterr, s, error.position, "%s", error.text)
                             : STATUS_OK;
}

/* ---- exact comparisons with stored integers ---- */

/* The least integer i with i / scale >= value (or > value): doubles compare the same on both sides of it. */
static int64_t least_above(double value, int64_t scale, bool strictly)
{
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    while (low < high) {
        int64_t middle = (int64_t)(((__int128)low + high) >> 1);
        double at = scale == 1 ? (double)middle : (double)middle / (double)scale;
        bool above = strictly ? at > value : at >= value;
        if (above)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static enum function_tag swapped(enum function_tag tag)
{
    switch (tag) {
    case TAG_LT:
        return TAG_GT;
    case TAG_LE:
        return TAG_GE;
    case TAG_GT:
        return TAG_LT;
    case TAG_GE:
        return TAG_LE;
    default:
        return tag;
    }
}

static enum status compare_integers(struct check *c, uint32_t position, const char *name,
                                    struct expr *stored, int64_t bound, struct expr **ret)
{
    struct expr *args[2] = {stored, expr_int(c->arena, SQL_INT, bound, position)};
    return make_call(c, position, name, args, 2, ret);
}

/* column op number, as integers. */
static enum status compare_stored(struct check *c, uint32_t position, enum function_tag tag,
                                  const struct expr *column, double value, struct expr **ret)
{
    enum status s;
    struct expr *raw = ARENA_NEW(c->arena, struct expr);
    *raw = *column;
    raw->type = SQL_INT;
    raw->scale = 1;
    int64_t at_least = least_above(value, column->scale, false);
    int64_t above = least_above(value, column->scale, true);
    struct expr *low;
    struct expr *high;
    switch (tag) {
    case TAG_GE:
        return compare_integers(c, position, ">=", raw, at_least, ret);
    case TAG_GT:
        return compare_integers(c, position, ">=", raw, above, ret);
    case TAG_LT:
        return compare_integers(c, position, "<", raw, at_least, ret);
    case TAG_LE:
        return compare_integers(c, position, "<", raw, above, ret);
    default:
        break;
    }
    bool equal = tag == TAG_EQ;
    if (above == at_least + 1)
        return compare_integers(c, position, equal ? "=" : "<>", raw, at_least, ret);
    if ((s = compare_integers(c, position, equal ? ">=" : "<", raw, at_least, &low)) < 0 ||
        (s = compare_integers(c, position, equal ? "<" : ">=", raw, above, &high)) < 0)
        return s;
    struct expr *both =
        expr_new(c->arena, equal ? EXPR_AND : EXPR_OR, SQL_BOOL, PHYS_BOOL, position);
    both->args = ARENA_ARRAY(c->arena, struct expr *, 2);
    both->args[0] = low;
    both->args[1] = high;
    both->arg_count = 2;
    *ret = both;
    return weigh(c, both);
}

static bool number_of(const struct expr *e, double *ret)
{
    if (e->kind != EXPR_CONST || e->is_null || e->parameter != 0)
        return false;
    char letter = letter_of_expr(e);
    if (letter == 'i')
        *ret = (double)e->value.i64;
    else if (letter == 'f')
        *ret = e->value.f64;
    else
        return false;
    return isfinite(*ret) && fabs(*ret) < 9e18;
}

/* Is it column-of-integers op number? Then *ret is the exact form. */
static enum status try_exact(struct check *c, uint32_t position, enum function_tag tag,
                             struct expr *const *args, struct expr **ret, bool *ret_done)
{
    double value;
    *ret_done = false;
    for (int side = 0; side < 2; side++) {
        const struct expr *column = args[side];
        char letter = letter_of_expr(column);
        if (column->kind != EXPR_COLUMN || !(letter == 'k' || letter == 'i') ||
            !number_of(args[1 - side], &value))
            continue;
        if (letter == 'i' && letter_of_expr(args[1 - side]) == 'i')
            return STATUS_OK; /* integers already */
        *ret_done = true;
        return compare_stored(c, position, side == 0 ? tag : swapped(tag), column, value, ret);
    }
    return STATUS_OK;
}

/* ---- overloads ---- */

static char param_letter(const char *letters, uint32_t index)
{
    size_t size = strlen(letters);
    if (size >= 2 && letters[size - 1] == '*' && index >= size - 1)
        return letters[size - 2];
    return index < size && letters[index] != '*' ? letters[index] : 0;
}

static bool count_fits(const char *letters, uint32_t count)
{
    size_t size = strlen(letters);
    if (size >= 2 && letters[size - 1] == '*')
        return count >= size - 1;
    return count == size;
}

static int overload_cost(const struct function *f, struct expr *const *args, uint32_t count)
{
    int total = 0;
    if (!count_fits(f->args, count))
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        int cost = coerce_cost(args[i], param_letter(f->args, i));
        if (cost < 0)
            return -1;
        total += cost;
    }
    return total;
}

static bool is_word_name(const char *name)
{
    return (name[0] >= 'a' && name[0] <= 'z') && strchr(name, ' ') == NULL;
}

static enum status no_overload(struct check *c, uint32_t position, const char *name,
                               struct expr *const *args, uint32_t count, bool exists)
{
    struct buffer types = {0};
    for (uint32_t i = 0; i < count && i < 8; i++)
        buffer_printf(&types, "%s%s", i > 0 ? ", " : "", type_name_of(args[i]));
    if (count > 8)
        buffer_add_text(&types, ", ...");
    buffer_add_byte(&types, 0);
    enum status s;
    if (!is_word_name(name) && count == 2)
        s = error_set_at(c->reterr, STATUS_INVALID, position, "operator does not exist: %s %s %s",
                         type_name_of(args[0]), name, type_name_of(args[1]));
    else if (!is_word_name(name))
        s = error_set_at(c->reterr, STATUS_INVALID, position, "operator does not exist: %s %s",
                         name, (const char *)types.data);
    else if (exists)
        s = error_set_at(c->reterr, STATUS_INVALID, position,
                         "function %s(%s) does not exist (there is a %s with other arguments)",
                         name, (const char *)types.data, name);
    else
        s = error_set_at(c->reterr, STATUS_INVALID, position, "function %s(%s) does not exist",
                         name, (const char *)types.data);
    buffer_deinit(&types);
    return s;
}

static void own_object(void *context, void (*destroy)(void *), void *object)
{
    struct statement *st = context;
    struct owned *owned = ARENA_NEW(&st->arena, struct owned);
    *owned = (struct owned){.destroy = destroy, .object = object, .next = st->owned};
    st->owned = owned;
}

static bool is_compare(enum function_tag tag)
{
    return tag >= TAG_EQ && tag <= TAG_GE;
}

enum status make_call(struct check *c, uint32_t position, const char *name, struct expr **args,
                      uint32_t arg_count, struct expr **ret)
{
    enum status s;
    uint32_t count;
    const struct function *table = function_table(&count);
    const struct function *best = NULL;
    int best_cost = INT32_MAX;
    bool exists = false;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        exists = true;
        int cost = overload_cost(&table[i], args, arg_count);
        if (cost >= 0 && cost < best_cost) {
            best = &table[i];
            best_cost = cost;
        }
    }
    if (best == NULL)
        return no_overload(c, position, name, args, arg_count, exists);
    bool done = false;
    if (is_compare(best->tag) && strcmp(best->args, "ff") == 0 &&
        ((s = try_exact(c, position, best->tag, args, ret, &done)) < 0 || done))
        return s;
    struct expr *e = expr_new(c->arena, EXPR_CALL, type_of_letter(best->result),
                              phys_of_letter(best->result), position);
    e->function = best;
    e->args = ARENA_ARRAY(c->arena, struct expr *, arg_count);
    e->arg_count = arg_count;
    for (uint32_t i = 0; i < arg_count; i++)
        if ((s = coerce(c, args[i], param_letter(best->args, i), &e->args[i])) < 0)
            return s;
    struct prepare prepare = {.arena = c->arena, .own = own_object, .own_context = c->statement};
    if (best->prepare != NULL && (s = best->prepare(&prepare, e, c->reterr)) < 0)
        return s;
    if ((s = weigh(c, e)) < 0)
        return s;
    *ret = e;
    return fold(c, ret);
}

/* ---- calls by name ---- */

static enum status unknown_function(struct check *c, const struct ast *a)
{
    uint32_t count;
    const struct function *table = function_table(&count);
    const char **names = ARENA_ARRAY(c->arena, const char *, count + 64);
    uint32_t name_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_word_name(table[i].name))
            names[name_count++] = table[i].name;
    static const char *const others[] = {
#define AGGREGATE(name) #name,
#include "query/aggregate_names.def"
#undef AGGREGATE
        "coalesce", "now", "version"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        names[name_count++] = others[i];
    struct slice name = a->text;
    if (name.size > NAME_BYTES_MAX)
        name.size = NAME_BYTES_MAX;
    const char *nearest = nearest_name(name, names, name_count);
    if (nearest != NULL)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "function \"%.*s\" does not exist; did you mean \"%s\"?",
                            SLICE_ARG(name), nearest);
    return error_set_at(c->reterr, STATUS_INVALID, a->position, "function \"%.*s\" does not exist",
                        SLICE_ARG(name));
}

static bool is_function_name(struct slice name)
{
    uint32_t count;
    const struct function *table = function_table(&count);
    for (uint32_t i = 0; i < count; i++)
        if (slice_is(name, table[i].name))
            return true;
    return false;
}

static enum status check_no_suffix(struct check *c, const struct ast *a)
{
    const struct ast_call *call = a->call;
    const char *what = NULL;
    if (call == NULL)
        return STATUS_OK;
    if (call->distinct)
        what = "DISTINCT";
    else if (call->filter != NULL)
        what = "FILTER";
    else if (call->within != NULL)
        what = "WITHIN GROUP";
    else if (call->star)
        what = "*";
    if (what == NULL)
        return STATUS_OK;
    return error_set_at(c->reterr, STATUS_INVALID, a->position,
                        "%s is specified, but %.*s is not an aggregate function", what,
                        SLICE_ARG(a->text));
}

enum status check_call(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    if (is_aggregate_name(a->text))
        return check_aggregate(c, a, ret);
    if (slice_is(a->text, "now") && a->arg_count == 0) {
        *ret = expr_int(c->arena, SQL_TIMESTAMP, c->statement->run->now_ns, a->position);
        return STATUS_OK;
    }
    if (slice_is(a->text, "version") && a->arg_count == 0) {
        *ret = expr_new(c->arena, EXPR_CONST, SQL_TEXT, PHYS_TEXT, a->position);
        (*ret)->value.text = slice_text("PostgreSQL 15.0 (Driftline " DRIFTLINE_VERSION ")");
        return STATUS_OK;
    }
    if (!is_function_name(a->text))
        return unknown_function(c, a);
    if ((s = check_no_suffix(c, a)) < 0)
        return s;
    struct expr **args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    for (uint32_t i = 0; i < a->arg_count; i++)
        if ((s = check_expr(c, a->args[i], &args[i])) < 0)
            return s;
    const char *name = arena_printf(c->arena, "%.*s", SLICE_ARG(a->text));
    return make_call(c, a->position, name, args, a->arg_count, ret);
}
