/*
 * parse.c - statements and clauses by recursive descent.
 *
 * Place:     token -> [here] -> check
 * Failure:   STATUS_INVALID at the token that does not fit, saying what would.
 * Invariant: every list and depth is bounded by the text's size, SUBQUERY_DEPTH_MAX and
 *            EXPRESSION_DEPTH_MAX.
 */
#include "query/parse.h"

#include <stdio.h>

static const char *const reserved_words[] = {
    "all",   "and",      "any",   "as",    "asc",     "between",   "case",    "cast",   "cross",
    "desc",  "distinct", "else",  "end",   "except",  "false",     "filter",  "from",   "full",
    "group", "having",   "ilike", "in",    "inner",   "intersect", "into",    "is",     "isnull",
    "join",  "left",     "like",  "limit", "natural", "not",       "notnull", "null",   "offset",
    "on",    "or",       "order", "outer", "over",    "right",     "rolling", "select", "then",
    "true",  "union",    "using", "when",  "where",   "window",    "with"};

/* left(x, 2), right(x, 2) and filter are fine as names where a call follows. */
static bool is_reserved(const struct token *t)
{
    if (t->kind != TOKEN_NAME)
        return false;
    for (size_t i = 0; i < sizeof reserved_words / sizeof *reserved_words; i++)
        if (word_equal(t->value, reserved_words[i]))
            return true;
    return false;
}

bool parser_at_reserved(const struct parser *p)
{
    return is_reserved(&p->token);
}

enum status parser_advance(struct parser *p)
{
    p->token = p->next;
    if (p->next.kind == TOKEN_END)
        return STATUS_OK;
    return token_next(&p->lexer, &p->next, p->reterr);
}

bool parser_at_word(const struct parser *p, const char *word)
{
    return token_is_word(&p->token, word);
}

bool parser_at_operator(const struct parser *p, const char *text)
{
    return token_is_operator(&p->token, text);
}

static enum status accept(struct parser *p, bool there, bool *ret_taken)
{
    if (ret_taken != NULL)
        *ret_taken = there;
    return there ? parser_advance(p) : STATUS_OK;
}

enum status parser_accept_word(struct parser *p, const char *word, bool *ret_taken)
{
    return accept(p, parser_at_word(p, word), ret_taken);
}

enum status parser_accept_operator(struct parser *p, const char *text, bool *ret_taken)
{
    return accept(p, parser_at_operator(p, text), ret_taken);
}

enum status parser_error(struct parser *p, const char *expected)
{
    const struct token *t = &p->token;
    if (t->kind == TOKEN_END)
        return error_set_at(p->reterr, STATUS_INVALID, t->position,
                            "syntax error at the end: expected %s", expected);
    struct slice raw = slice_of(p->lexer.text.data + t->position, t->end - t->position);
    if (raw.size > 60)
        raw.size = 60;
    return error_set_at(p->reterr, STATUS_INVALID, t->position,
                        "syntax error at or near \"%.*s\": expected %s", SLICE_ARG(raw), expected);
}

enum status parser_expect_word(struct parser *p, const char *word)
{
    if (parser_at_word(p, word))
        return parser_advance(p);
    char upper[32];
    size_t i = 0;
    for (; word[i] != 0 && i + 1 < sizeof upper; i++)
        upper[i] = (char)(word[i] & ~0x20);
    upper[i] = 0;
    return parser_error(p, upper);
}

enum status parser_expect_operator(struct parser *p, const char *text)
{
    if (parser_at_operator(p, text))
        return parser_advance(p);
    char quoted[8];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", text);
    return parser_error(p, quoted);
}

/* A name: quoted, or a word that is not reserved. */
static enum status parse_name(struct parser *p, const char *expected, struct slice *ret)
{
    if (p->token.kind != TOKEN_QUOTED && (p->token.kind != TOKEN_NAME || parser_at_reserved(p)))
        return parser_error(p, expected);
    *ret = p->token.value;
    return parser_advance(p);
}

/* [AS] alias, if there is one. After AS any word will do. */
static enum status parse_alias(struct parser *p, struct slice *ret)
{
    enum status s;
    bool as = false;
    *ret = SLICE_EMPTY;
    if ((s = parser_accept_word(p, "as", &as)) < 0)
        return s;
    bool name = p->token.kind == TOKEN_QUOTED || p->token.kind == TOKEN_NAME;
    if (as && name) {
        *ret = p->token.value;
        return parser_advance(p);
    }
    if (as)
        return parser_error(p, "a name after AS");
    if (!name || parser_at_reserved(p))
        return STATUS_OK;
    return parse_name(p, "a name", ret);
}

static void *list_grow(struct parser *p, void *items, uint32_t count, size_t item_size)
{
    if ((count & (count - 1)) != 0)
        return items;
    void *grown = arena_zero(p->arena, count == 0 ? 1 : 2 * (size_t)count, item_size);
    bytes_copy(grown, items, count * item_size);
    return grown;
}

static enum status parse_items(struct parser *p, struct ast_select *to)
{
    enum status s;
    bool more = true;
    while (more) {
        to->items = list_grow(p, to->items, to->item_count, sizeof *to->items);
        struct ast_item *item = &to->items[to->item_count++];
        if ((s = parse_expression(p, &item->expression)) < 0 ||
            (s = parse_alias(p, &item->alias)) < 0 ||
            (s = parser_accept_operator(p, ",", &more)) < 0)
            return s;
    }
    return STATUS_OK;
}

static enum status parse_table_name(struct parser *p, struct ast_from *to)
{
    enum status s;
    bool dot = false;
    to->kind = FROM_TABLE;
    to->position = p->token.position;
    to->schema = SLICE_EMPTY;
    if ((s = parse_name(p, "a table or a subquery in parentheses", &to->name)) < 0 ||
        (s = parser_accept_operator(p, ".", &dot)) < 0)
        return s;
    if (!dot)
        return STATUS_OK;
    to->schema = to->name;
    return parse_name(p, "a table name", &to->name);
}

static enum status parse_from(struct parser *p, struct ast_from *to)
{
    enum status s;
    bool parenthesis = false;
    to->position = p->token.position;
    if ((s = parser_accept_operator(p, "(", &parenthesis)) < 0)
        return s;
    if (parenthesis) {
        to->kind = FROM_SUBQUERY;
        if ((s = parse_select(p, &to->subquery)) < 0 || (s = parser_expect_operator(p, ")")) < 0)
            return s;
    } else if ((s = parse_table_name(p, to)) < 0) {
        return s;
    }
    if ((s = parse_alias(p, &to->alias)) < 0)
        return s;
    static const char *const joins[] = {"join", "inner", "left",    "right",
                                        "full", "cross", "natural", "outer"};
    bool join = parser_at_operator(p, ",");
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++)
        join = join || parser_at_word(p, joins[i]);
    if (join)
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "FROM takes one table or one subquery; joins are not supported");
    return STATUS_OK;
}

static enum status parse_group(struct parser *p, struct ast_select *to)
{
    enum status s;
    bool more = true;
    while (more) {
        to->group = list_grow(p, to->group, to->group_count, sizeof *to->group);
        if ((s = parse_expression(p, &to->group[to->group_count++])) < 0 ||
            (s = parser_accept_operator(p, ",", &more)) < 0)
            return s;
    }
    to->rolling_position = p->token.position;
    if ((s = parser_accept_word(p, "rolling", &to->has_rolling)) < 0 || !to->has_rolling)
        return s;
    if ((s = parser_accept_word(p, "interval", NULL)) < 0)
        return s;
    if (p->token.kind != TOKEN_STRING)
        return parser_error(p, "a window in quotes, like '1h'");
    to->rolling_position = p->token.position;
    to->rolling = p->token.value;
    return parser_advance(p);
}

enum status parse_order_item(struct parser *p, struct ast_order *ret)
{
    enum status s;
    bool asc = false;
    bool nulls = false;
    if ((s = parse_expression(p, &ret->expression)) < 0 ||
        (s = parser_accept_word(p, "desc", &ret->descending)) < 0)
        return s;
    if (!ret->descending && (s = parser_accept_word(p, "asc", &asc)) < 0)
        return s;
    /* PostgreSQL: NULL is larger than everything. */
    ret->nulls_first = ret->descending;
    if ((s = parser_accept_word(p, "nulls", &nulls)) < 0 || !nulls)
        return s;
    if (!parser_at_word(p, "first") && !parser_at_word(p, "last"))
        return parser_error(p, "FIRST or LAST");
    ret->nulls_first = parser_at_word(p, "first");
    return parser_advance(p);
}

static enum status parse_order(struct parser *p, struct ast_select *to)
{
    enum status s;
    bool more = true;
    while (more) {
        to->order = list_grow(p, to->order, to->order_count, sizeof *to->order);
        if ((s = parse_order_item(p, &to->order[to->order_count++])) < 0 ||
            (s = parser_accept_operator(p, ",", &more)) < 0)
            return s;
    }
    return STATUS_OK;
}

/* LIMIT n | ALL, OFFSET n [ROWS], in any order, each once. */
static enum status parse_limit(struct parser *p, struct ast_select *to)
{
    enum status s;
    for (int i = 0; i < 2; i++) {
        if (to->limit == NULL && parser_at_word(p, "limit")) {
            if ((s = parser_advance(p)) < 0)
                return s;
            s = parser_at_word(p, "all") ? parser_advance(p) : parse_expression(p, &to->limit);
            if (s < 0)
                return s;
        } else if (to->offset == NULL && parser_at_word(p, "offset")) {
            if ((s = parser_advance(p)) < 0 || (s = parse_expression(p, &to->offset)) < 0 ||
                (s = parser_accept_word(p, "rows", NULL)) < 0)
                return s;
        }
    }
    return STATUS_OK;
}

static enum status parse_with_item(struct parser *p)
{
    enum status s;
    bool columns = false;
    struct ast_with *with = ARENA_NEW(p->arena, struct ast_with);
    with->position = p->token.position;
    if ((s = parse_name(p, "a name", &with->name)) < 0 ||
        (s = parser_accept_operator(p, "(", &columns)) < 0)
        return s;
    while (columns) {
        with->columns = list_grow(p, with->columns, with->column_count, sizeof *with->columns);
        if ((s = parse_name(p, "a column name", &with->columns[with->column_count++])) < 0 ||
            (s = parser_accept_operator(p, ",", &columns)) < 0)
            return s;
        if (!columns && (s = parser_expect_operator(p, ")")) < 0)
            return s;
    }
    if ((s = parser_expect_word(p, "as")) < 0 || (s = parser_expect_operator(p, "(")) < 0 ||
        (s = parse_select(p, &with->select)) < 0 || (s = parser_expect_operator(p, ")")) < 0)
        return s;
    with->outer = p->with;
    p->with = with;
    return STATUS_OK;
}

static enum status parse_with(struct parser *p)
{
    enum status s;
    bool more = true;
    if (parser_at_word(p, "recursive"))
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "WITH RECURSIVE is not supported");
    while (more)
        if ((s = parse_with_item(p)) < 0 || (s = parser_accept_operator(p, ",", &more)) < 0)
            return s;
    return STATUS_OK;
}

static enum status parse_clauses(struct parser *p, struct ast_select *to)
{
    enum status s;
    bool there = false;
    if ((s = parser_accept_word(p, "distinct", &to->distinct)) < 0)
        return s;
    if (!to->distinct && (s = parser_accept_word(p, "all", NULL)) < 0)
        return s;
    if ((s = parse_items(p, to)) < 0 || (s = parser_accept_word(p, "from", &there)) < 0)
        return s;
    if (there && (s = parse_from(p, &to->from)) < 0)
        return s;
    if ((s = parser_accept_word(p, "where", &there)) < 0)
        return s;
    if (there && (s = parse_expression(p, &to->where)) < 0)
        return s;
    if ((s = parser_accept_word(p, "group", &there)) < 0)
        return s;
    if (there && ((s = parser_expect_word(p, "by")) < 0 || (s = parse_group(p, to)) < 0))
        return s;
    if ((s = parser_accept_word(p, "having", &there)) < 0)
        return s;
    if (there && (s = parse_expression(p, &to->having)) < 0)
        return s;
    if ((s = parser_accept_word(p, "order", &there)) < 0)
        return s;
    if (there && ((s = parser_expect_word(p, "by")) < 0 || (s = parse_order(p, to)) < 0))
        return s;
    if ((s = parse_limit(p, to)) < 0)
        return s;
    static const char *const others[] = {"union", "intersect", "except", "window"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (parser_at_word(p, others[i]))
            return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                                "UNION, INTERSECT, EXCEPT and WINDOW are not supported");
    return STATUS_OK;
}

enum status parse_select(struct parser *p, struct ast_select **ret)
{
    enum status s;
    bool there = false;
    if (++p->subquery_depth > SUBQUERY_DEPTH_MAX)
        return error_set_at(p->reterr, STATUS_LIMIT, p->token.position,
                            "subqueries nest deeper than %u", SUBQUERY_DEPTH_MAX);
    struct ast_with *outer = p->with;
    struct ast_select *select = ARENA_NEW(p->arena, struct ast_select);
    select->position = p->token.position;
    if ((s = parser_accept_word(p, "with", &there)) < 0 || (there && (s = parse_with(p)) < 0) ||
        (s = parser_expect_word(p, "select")) < 0 || (s = parse_clauses(p, select)) < 0)
        return s;
    select->with = p->with;
    p->with = outer;
    p->subquery_depth--;
    *ret = select;
    return STATUS_OK;
}

/* SHOW TABLES, SHOW COLUMNS FROM t. */
static enum status parse_show(struct parser *p, struct ast_statement *to)
{
    enum status s;
    if (parser_at_word(p, "tables")) {
        to->kind = STATEMENT_SHOW_TABLES;
        return parser_advance(p);
    }
    if (!parser_at_word(p, "columns"))
        return parser_error(p, "TABLES or COLUMNS FROM table");
    to->kind = STATEMENT_SHOW_COLUMNS;
    if ((s = parser_advance(p)) < 0 || (s = parser_expect_word(p, "from")) < 0)
        return s;
    return parse_table_name(p, &to->table);
}

static enum status parse_explain(struct parser *p, struct ast_statement *to)
{
    enum status s;
    to->kind = STATEMENT_EXPLAIN;
    if ((s = parser_advance(p)) < 0 || (s = parser_accept_word(p, "analyze", NULL)) < 0)
        return s;
    return parse_select(p, &to->select);
}

enum status parse_statement(struct slice text, struct arena *arena, struct ast_statement *ret,
                            struct error *reterr)
{
    enum status s;
    bool show = false;
    if (text.size > QUERY_TEXT_MAX)
        return error_set(reterr, STATUS_LIMIT, "the statement has %zu bytes, the limit is %u",
                         text.size, QUERY_TEXT_MAX);
    struct parser p = {.lexer = {.text = text, .arena = arena}, .arena = arena, .reterr = reterr};
    struct ast_statement to = {.kind = STATEMENT_SELECT};
    if ((s = token_next(&p.lexer, &p.next, reterr)) < 0 || (s = parser_advance(&p)) < 0)
        return s;
    if (p.token.kind == TOKEN_END)
        return error_set_at(reterr, STATUS_INVALID, 0, "the statement is empty");
    if (parser_at_word(&p, "explain")) {
        s = parse_explain(&p, &to);
    } else if ((s = parser_accept_word(&p, "show", &show)) == STATUS_OK && show) {
        s = parse_show(&p, &to);
    } else if (s == STATUS_OK) {
        if (!parser_at_word(&p, "select") && !parser_at_word(&p, "with"))
            return parser_error(&p, "SELECT, WITH, EXPLAIN or SHOW");
        s = parse_select(&p, &to.select);
    }
    if (s < 0 || (s = parser_accept_operator(&p, ";", NULL)) < 0)
        return s;
    if (p.token.kind != TOKEN_END)
        return parser_error(&p, "the end of the statement");
    to.parameter_count = p.parameter_count;
    *ret = to;
    return STATUS_OK;
}
