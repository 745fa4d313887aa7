/*
 * parse_expression.c - expressions by precedence climbing, with PostgreSQL's precedences.
 *
 *     OR < AND < NOT < IS < = <> < <= > >= < BETWEEN IN LIKE < || -> ->> ~ < + - < * / % < ^ < unary - < ::
 *
 * Invariant: AND and OR chains are one flat node; all other nesting counts against
 *            EXPRESSION_DEPTH_MAX, in the parser's own recursion and in the tree it builds.
 */
#include "query/parse.h"

enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_IS,
    LEVEL_COMPARE,
    LEVEL_RANGE,
    LEVEL_OTHER,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_POWER,
    LEVEL_UNARY,
};

struct binary {
    const char *text;
    enum level level;
    const char *name;
};

static const struct binary binaries[] = {
    {"=", LEVEL_COMPARE, "="},   {"<>", LEVEL_COMPARE, "<>"}, {"!=", LEVEL_COMPARE, "<>"},
    {"<", LEVEL_COMPARE, "<"},   {"<=", LEVEL_COMPARE, "<="}, {">", LEVEL_COMPARE, ">"},
    {">=", LEVEL_COMPARE, ">="}, {"||", LEVEL_OTHER, "||"},   {"->", LEVEL_OTHER, "->"},
    {"->>", LEVEL_OTHER, "->>"}, {"~", LEVEL_OTHER, "~"},     {"~*", LEVEL_OTHER, "~*"},
    {"!~", LEVEL_OTHER, "!~"},   {"!~*", LEVEL_OTHER, "!~*"}, {"+", LEVEL_SUM, "+"},
    {"-", LEVEL_SUM, "-"},       {"*", LEVEL_PRODUCT, "*"},   {"/", LEVEL_PRODUCT, "/"},
    {"//", LEVEL_PRODUCT, "//"}, {"%", LEVEL_PRODUCT, "%"},   {"^", LEVEL_POWER, "^"},
};

static enum status parse_level(struct parser *p, enum level level, struct ast **ret);

static enum status too_deep(struct parser *p, uint32_t position)
{
    return error_set_at(p->reterr, STATUS_LIMIT, position, "the expression nests deeper than %u",
                        EXPRESSION_DEPTH_MAX);
}

/* Computes the depth from the arguments. */
static enum status finish(struct parser *p, struct ast *node, struct ast **ret)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (node->args[i]->depth > depth)
            depth = node->args[i]->depth;
    const struct ast_call *call = node->call;
    if (call != NULL && call->filter != NULL && call->filter->depth > depth)
        depth = call->filter->depth;
    if (call != NULL && call->within != NULL && call->within->expression->depth > depth)
        depth = call->within->expression->depth;
    if (depth + 1 > EXPRESSION_DEPTH_MAX)
        return too_deep(p, node->position);
    node->depth = (uint16_t)(depth + 1);
    *ret = node;
    return STATUS_OK;
}

static struct ast *node_new(struct parser *p, enum ast_kind kind, uint32_t position)
{
    struct ast *node = ARENA_NEW(p->arena, struct ast);
    node->kind = kind;
    node->position = position;
    node->depth = 1;
    node->text = SLICE_EMPTY;
    node->first = SLICE_EMPTY;
    return node;
}

static void node_add(struct parser *p, struct ast *node, struct ast *arg)
{
    uint32_t count = node->arg_count;
    if ((count & (count - 1)) == 0) {
        struct ast **grown =
            ARENA_ARRAY(p->arena, struct ast *, count == 0 ? 1 : 2 * (size_t)count);
        bytes_copy(grown, node->args, count * sizeof *grown);
        node->args = grown;
    }
    node->args[node->arg_count++] = arg;
}

static struct ast *call_new(struct parser *p, uint32_t position, const char *name)
{
    struct ast *node = node_new(p, AST_CALL, position);
    node->text = slice_text(name);
    return node;
}

static enum status call_2(struct parser *p, uint32_t position, const char *name, struct ast *a,
                          struct ast *b, struct ast **ret)
{
    struct ast *node = call_new(p, position, name);
    node_add(p, node, a);
    if (b != NULL)
        node_add(p, node, b);
    return finish(p, node, ret);
}

static struct slice lower_case(struct parser *p, struct slice text)
{
    uint8_t *to = arena_alloc(p->arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++)
        to[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20 : text.data[i];
    return slice_of(to, text.size);
}

/* The words of a type after :: or in CAST: "double precision", "timestamp with time zone", ... */
static enum status parse_type(struct parser *p, struct slice *ret)
{
    enum status s;
    bool taken = false;
    if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_QUOTED)
        return parser_error(p, "a type");
    struct slice name = lower_case(p, p->token.value);
    if ((s = parser_advance(p)) < 0)
        return s;
    if (slice_is(name, "double") && (s = parser_expect_word(p, "precision")) < 0)
        return s;
    if (slice_is(name, "character") && (s = parser_accept_word(p, "varying", NULL)) < 0)
        return s;
    if ((s = parser_accept_operator(p, "(", &taken)) < 0)
        return s;
    if (taken) {
        /* varchar(20), numeric(10, 2): accepted and without effect. */
        while (p->token.kind == TOKEN_INTEGER || parser_at_operator(p, ","))
            if ((s = parser_advance(p)) < 0)
                return s;
        if ((s = parser_expect_operator(p, ")")) < 0)
            return s;
    }
    if (parser_at_word(p, "with") || parser_at_word(p, "without")) {
        if (slice_is(name, "timestamp")) {
            if ((s = parser_advance(p)) < 0 || (s = parser_expect_word(p, "time")) < 0 ||
                (s = parser_expect_word(p, "zone")) < 0)
                return s;
        }
    }
    *ret = name;
    return STATUS_OK;
}

static enum status cast_new(struct parser *p, uint32_t position, struct ast *arg, struct ast **ret)
{
    enum status s;
    struct ast *node = node_new(p, AST_CAST, position);
    if ((s = parse_type(p, &node->text)) < 0)
        return s;
    node_add(p, node, arg);
    return finish(p, node, ret);
}

static enum status parse_case(struct parser *p, struct ast **ret)
{
    enum status s;
    struct ast *arg;
    struct ast *node = node_new(p, AST_CASE, p->token.position);
    if ((s = parser_advance(p)) < 0)
        return s;
    if (!parser_at_word(p, "when")) {
        node->has_operand = true;
        if ((s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
    }
    bool more = true;
    while (more) {
        if ((s = parser_expect_word(p, "when")) < 0 || (s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
        if ((s = parser_expect_word(p, "then")) < 0 || (s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
        more = parser_at_word(p, "when");
    }
    if ((s = parser_accept_word(p, "else", &node->has_else)) < 0)
        return s;
    if (node->has_else) {
        if ((s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
    }
    if ((s = parser_expect_word(p, "end")) < 0)
        return s;
    return finish(p, node, ret);
}

/* WITHIN GROUP (ORDER BY x), FILTER (WHERE c) after the closing parenthesis of a call. */
static enum status parse_call_suffix(struct parser *p, struct ast *node)
{
    enum status s;
    bool there = false;
    if ((s = parser_accept_word(p, "within", &there)) < 0)
        return s;
    if (there) {
        node->call->within = ARENA_NEW(p->arena, struct ast_order);
        if ((s = parser_expect_word(p, "group")) < 0 || (s = parser_expect_operator(p, "(")) < 0 ||
            (s = parser_expect_word(p, "order")) < 0 || (s = parser_expect_word(p, "by")) < 0 ||
            (s = parse_order_item(p, node->call->within)) < 0 ||
            (s = parser_expect_operator(p, ")")) < 0)
            return s;
    }
    if ((s = parser_accept_word(p, "filter", &there)) < 0)
        return s;
    if (there &&
        ((s = parser_expect_operator(p, "(")) < 0 || (s = parser_expect_word(p, "where")) < 0 ||
         (s = parse_expression(p, &node->call->filter)) < 0 ||
         (s = parser_expect_operator(p, ")")) < 0))
        return s;
    if (parser_at_word(p, "over"))
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "window functions (OVER) are not supported; GROUP BY ... ROLLING '1h' "
                            "gives trailing windows");
    return STATUS_OK;
}

static enum status parse_args(struct parser *p, struct ast *node)
{
    enum status s;
    struct ast *arg;
    bool more = true;
    if (parser_at_operator(p, ")"))
        return STATUS_OK;
    while (more) {
        if ((s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
        if ((s = parser_accept_operator(p, ",", &more)) < 0)
            return s;
    }
    return STATUS_OK;
}

/* substring(x from 2 for 3), extract(epoch from x), trim([both] x), position(x in y). */
static enum status parse_special_args(struct parser *p, struct ast *node, bool *ret_done)
{
    enum status s;
    struct ast *arg;
    *ret_done = true;
    if (slice_is(node->text, "extract")) {
        if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_STRING)
            return parser_error(p, "a field like epoch or hour");
        struct ast *field = node_new(p, AST_STRING, p->token.position);
        field->text = lower_case(p, p->token.value);
        node_add(p, node, field);
        if ((s = parser_advance(p)) < 0 || (s = parser_expect_word(p, "from")) < 0 ||
            (s = parse_expression(p, &arg)) < 0)
            return s;
        node_add(p, node, arg);
        return STATUS_OK;
    }
    if (slice_is(node->text, "position")) {
        struct ast *in;
        if ((s = parse_level(p, LEVEL_OTHER, &arg)) < 0 || (s = parser_expect_word(p, "in")) < 0 ||
            (s = parse_expression(p, &in)) < 0)
            return s;
        node->text = slice_text("strpos");
        node_add(p, node, in);
        node_add(p, node, arg);
        return STATUS_OK;
    }
    if (slice_is(node->text, "trim")) {
        if (parser_at_word(p, "leading") || parser_at_word(p, "trailing"))
            node->text = slice_text(parser_at_word(p, "leading") ? "ltrim" : "rtrim");
        else if (!parser_at_word(p, "both"))
            goto general;
        if ((s = parser_advance(p)) < 0)
            return s;
        struct ast *what = NULL;
        bool from = false;
        if (!parser_at_word(p, "from") && (s = parse_expression(p, &what)) < 0)
            return s;
        if ((s = parser_accept_word(p, "from", &from)) < 0)
            return s;
        if (from) {
            if ((s = parse_expression(p, &arg)) < 0)
                return s;
            node_add(p, node, arg);
        }
        if (what != NULL)
            node_add(p, node, what);
        return STATUS_OK;
    }
general:
    *ret_done = false;
    return STATUS_OK;
}

static enum status parse_substring_tail(struct parser *p, struct ast *node)
{
    static const char *const words[] = {"from", "for"};
    enum status s;
    for (int i = 0; i < 2; i++) {
        bool there = false;
        struct ast *arg;
        if ((s = parser_accept_word(p, words[i], &there)) < 0)
            return s;
        if (!there)
            continue;
        if ((s = parse_expression(p, &arg)) < 0)
            return s;
        if (i == 1 && node->arg_count == 1) {
            struct ast *one = node_new(p, AST_INTEGER, arg->position);
            one->text = slice_text("1");
            node_add(p, node, one);
        }
        node_add(p, node, arg);
    }
    return STATUS_OK;
}

/* name( ... : the current token is the name, the next one "(". */
static enum status parse_call(struct parser *p, struct ast **ret)
{
    enum status s;
    bool done = false;
    struct ast *node = node_new(p, AST_CALL, p->token.position);
    node->text = lower_case(p, p->token.value);
    node->call = ARENA_NEW(p->arena, struct ast_call);
    if ((s = parser_advance(p)) < 0 || (s = parser_expect_operator(p, "(")) < 0)
        return s;
    if (slice_is(node->text, "cast")) {
        struct ast *arg;
        if ((s = parse_expression(p, &arg)) < 0 || (s = parser_expect_word(p, "as")) < 0 ||
            (s = cast_new(p, node->position, arg, &node)) < 0)
            return s;
        *ret = node;
        return parser_expect_operator(p, ")");
    }
    if (parser_at_operator(p, "*") && token_is_operator(&p->next, ")")) {
        node->call->star = true;
        s = parser_advance(p);
    } else if ((s = parser_accept_word(p, "distinct", &node->call->distinct)) == STATUS_OK &&
               (s = parse_special_args(p, node, &done)) == STATUS_OK && !done) {
        s = parse_args(p, node);
        if (s == STATUS_OK && (slice_is(node->text, "substring") || slice_is(node->text, "substr")))
            s = parse_substring_tail(p, node);
    }
    if (s < 0 || (s = parser_expect_operator(p, ")")) < 0 || (s = parse_call_suffix(p, node)) < 0)
        return s;
    return finish(p, node, ret);
}

/* a, a.b, a.b.c, a.* */
static enum status parse_name_path(struct parser *p, struct ast **ret)
{
    enum status s;
    struct ast *node = node_new(p, AST_NAME, p->token.position);
    node->quoted = p->token.kind == TOKEN_QUOTED;
    node->text = p->token.value;
    if ((s = parser_advance(p)) < 0)
        return s;
    while (parser_at_operator(p, ".")) {
        if ((s = parser_advance(p)) < 0)
            return s;
        if (node->first.size == 0)
            node->first = node->text;
        if (parser_at_operator(p, "*")) {
            node->kind = AST_STAR;
            break;
        }
        if (p->token.kind != TOKEN_NAME && p->token.kind != TOKEN_QUOTED)
            return parser_error(p, "a column name");
        node->quoted = node->quoted || p->token.kind == TOKEN_QUOTED;
        struct slice part = p->token.value;
        uint8_t *joined = arena_alloc(p->arena, node->text.size + 1 + part.size);
        bytes_copy(joined, node->text.data, node->text.size);
        joined[node->text.size] = '.';
        bytes_copy(joined + node->text.size + 1, part.data, part.size);
        node->text = slice_of(joined, node->text.size + 1 + part.size);
        if ((s = parser_advance(p)) < 0)
            return s;
    }
    *ret = node;
    return node->kind == AST_STAR ? parser_advance(p) : STATUS_OK;
}

static enum status parse_literal(struct parser *p, enum ast_kind kind, struct ast **ret)
{
    struct ast *node = node_new(p, kind, p->token.position);
    node->text = p->token.value;
    *ret = node;
    return parser_advance(p);
}

static enum status parse_parameter(struct parser *p, struct ast **ret)
{
    struct ast *node = node_new(p, AST_PARAMETER, p->token.position);
    int64_t number = 0;
    for (size_t i = 0; i < p->token.value.size && number <= PARAMETERS_MAX; i++)
        number = number * 10 + (p->token.value.data[i] - '0');
    if (number < 1 || number > PARAMETERS_MAX)
        return error_set_at(p->reterr, STATUS_INVALID, node->position,
                            "parameters are numbered from $1 to $%u", PARAMETERS_MAX);
    if ((uint32_t)number > p->parameter_count)
        p->parameter_count = (uint32_t)number;
    node->integer = number;
    *ret = node;
    return parser_advance(p);
}

/* interval '1 hour', timestamp '2026-01-01', date '...': a type's name before a string. */
static bool at_typed_string(const struct parser *p)
{
    static const char *const types[] = {"interval", "timestamp", "timestamptz", "date"};
    if (p->next.kind != TOKEN_STRING)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (parser_at_word(p, types[i]))
            return true;
    return false;
}

static enum status parse_typed_string(struct parser *p, struct ast **ret)
{
    enum status s;
    struct ast *node = node_new(p, AST_CAST, p->token.position);
    struct ast *text;
    node->text = lower_case(p, p->token.value);
    if ((s = parser_advance(p)) < 0 || (s = parse_literal(p, AST_STRING, &text)) < 0)
        return s;
    node_add(p, node, text);
    return finish(p, node, ret);
}

static enum status parse_word(struct parser *p, struct ast **ret)
{
    struct ast *node = node_new(p, AST_NULL, p->token.position);
    bool is_true = parser_at_word(p, "true");
    if (is_true || parser_at_word(p, "false") || parser_at_word(p, "null")) {
        if (!parser_at_word(p, "null")) {
            node->kind = AST_BOOL;
            node->integer = is_true;
        }
        *ret = node;
        return parser_advance(p);
    }
    if (parser_at_word(p, "case"))
        return parse_case(p, ret);
    bool call = token_is_operator(&p->next, "(");
    if (call &&
        (parser_at_word(p, "cast") || parser_at_word(p, "left") || parser_at_word(p, "right")))
        return parse_call(p, ret);
    if (parser_at_word(p, "current_timestamp") && !call) {
        node->kind = AST_CALL;
        node->text = slice_text("now");
        *ret = node;
        return parser_advance(p);
    }
    if (at_typed_string(p))
        return parse_typed_string(p, ret);
    if (parser_at_word(p, "exists") && call)
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "subqueries are supported in FROM and WITH only");
    if (parser_at_reserved(p))
        return parser_error(p, "an expression");
    return call ? parse_call(p, ret) : parse_name_path(p, ret);
}

static enum status parse_primary(struct parser *p, struct ast **ret)
{
    enum status s;
    struct ast *node;
    switch (p->token.kind) {
    case TOKEN_INTEGER:
        return parse_literal(p, AST_INTEGER, ret);
    case TOKEN_DECIMAL:
        return parse_literal(p, AST_DECIMAL, ret);
    case TOKEN_STRING:
        return parse_literal(p, AST_STRING, ret);
    case TOKEN_PARAMETER:
        return parse_parameter(p, ret);
    case TOKEN_QUOTED:
        return token_is_operator(&p->next, "(") ? parse_call(p, ret) : parse_name_path(p, ret);
    case TOKEN_NAME:
        return parse_word(p, ret);
    case TOKEN_OPERATOR:
        break;
    case TOKEN_END:
        return parser_error(p, "an expression");
    }
    if (parser_at_operator(p, "*")) {
        node = node_new(p, AST_STAR, p->token.position);
        *ret = node;
        return parser_advance(p);
    }
    if (!parser_at_operator(p, "("))
        return parser_error(p, "an expression");
    if (token_is_word(&p->next, "select") || token_is_word(&p->next, "with"))
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "subqueries are supported in FROM and WITH only");
    if ((s = parser_advance(p)) < 0 || (s = parse_expression(p, ret)) < 0)
        return s;
    return parser_expect_operator(p, ")");
}

static enum status parse_unary(struct parser *p, struct ast **ret)
{
    enum status s;
    uint32_t position = p->token.position;
    bool minus = parser_at_operator(p, "-");
    if (minus || parser_at_operator(p, "+")) {
        if (++p->depth > EXPRESSION_DEPTH_MAX)
            return too_deep(p, position);
        if ((s = parser_advance(p)) < 0)
            return s;
        bool number = p->token.kind == TOKEN_INTEGER || p->token.kind == TOKEN_DECIMAL;
        struct ast *arg;
        struct slice digits = p->token.value;
        if ((s = parse_unary(p, &arg)) < 0)
            return s;
        p->depth--;
        if (!minus) {
            *ret = arg;
            return STATUS_OK;
        }
        /* -9223372036854775808 must not pass through its positive self. */
        if (number && (arg->kind == AST_INTEGER || arg->kind == AST_DECIMAL) &&
            arg->text.data == digits.data) {
            arg->text = slice_text(arena_printf(p->arena, "-%.*s", SLICE_ARG(digits)));
            arg->position = position;
            *ret = arg;
            return STATUS_OK;
        }
        return call_2(p, position, "-", arg, NULL, ret);
    }
    if ((s = parse_primary(p, ret)) < 0)
        return s;
    while (parser_at_operator(p, "::")) {
        position = p->token.position;
        if ((s = parser_advance(p)) < 0 || (s = cast_new(p, position, *ret, ret)) < 0)
            return s;
    }
    return STATUS_OK;
}

static enum status negate(struct parser *p, uint32_t position, bool negated, struct ast *node,
                          struct ast **ret)
{
    if (negated)
        return call_2(p, position, "not", node, NULL, ret);
    *ret = node;
    return STATUS_OK;
}

static enum status parse_in(struct parser *p, uint32_t position, struct ast *left, struct ast **ret)
{
    enum status s;
    struct ast *node = call_new(p, position, "in");
    node_add(p, node, left);
    if ((s = parser_expect_operator(p, "(")) < 0)
        return s;
    if (parser_at_word(p, "select") || parser_at_word(p, "with"))
        return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                            "subqueries are supported in FROM and WITH only");
    if (parser_at_operator(p, ")"))
        return parser_error(p, "a value");
    if ((s = parse_args(p, node)) < 0 || (s = parser_expect_operator(p, ")")) < 0)
        return s;
    return finish(p, node, ret);
}

/* [NOT] BETWEEN, IN, LIKE, ILIKE after left; *ret_taken says whether there was one. */
static enum status parse_range(struct parser *p, struct ast *left, struct ast **ret,
                               bool *ret_taken)
{
    enum status s;
    uint32_t position = p->token.position;
    bool negated = parser_at_word(p, "not") &&
                   (token_is_word(&p->next, "between") || token_is_word(&p->next, "in") ||
                    token_is_word(&p->next, "like") || token_is_word(&p->next, "ilike"));
    if (negated && (s = parser_advance(p)) < 0)
        return s;
    *ret_taken = true;
    struct ast *node;
    struct ast *right;
    if (parser_at_word(p, "between")) {
        struct ast *high;
        if ((s = parser_advance(p)) < 0 || (s = parser_accept_word(p, "asymmetric", NULL)) < 0 ||
            (s = parse_level(p, LEVEL_OTHER, &right)) < 0 ||
            (s = parser_expect_word(p, "and")) < 0 || (s = parse_level(p, LEVEL_OTHER, &high)) < 0)
            return s;
        node = call_new(p, position, "between");
        node_add(p, node, left);
        node_add(p, node, right);
        node_add(p, node, high);
        s = finish(p, node, &node);
    } else if (parser_at_word(p, "in")) {
        s = parser_advance(p);
        if (s == STATUS_OK)
            s = parse_in(p, position, left, &node);
    } else if (parser_at_word(p, "like") || parser_at_word(p, "ilike")) {
        const char *name = parser_at_word(p, "like") ? "like" : "ilike";
        if ((s = parser_advance(p)) < 0 || (s = parse_level(p, LEVEL_OTHER, &right)) < 0)
            return s;
        if (parser_at_word(p, "escape"))
            return error_set_at(p->reterr, STATUS_INVALID, p->token.position,
                                "ESCAPE is not supported; a backslash escapes %% and _");
        s = call_2(p, position, name, left, right, &node);
    } else {
        *ret_taken = false;
        *ret = left;
        return STATUS_OK;
    }
    return s < 0 ? s : negate(p, position, negated, node, ret);
}

/* IS [NOT] NULL | TRUE | FALSE | DISTINCT FROM x, ISNULL, NOTNULL */
static enum status parse_is(struct parser *p, struct ast *left, struct ast **ret)
{
    enum status s;
    uint32_t position = p->token.position;
    bool negated = parser_at_word(p, "notnull");
    struct ast *node;
    if (negated || parser_at_word(p, "isnull")) {
        if ((s = parser_advance(p)) < 0 ||
            (s = call_2(p, position, "is null", left, NULL, &node)) < 0)
            return s;
        return negate(p, position, negated, node, ret);
    }
    if ((s = parser_advance(p)) < 0 || (s = parser_accept_word(p, "not", &negated)) < 0)
        return s;
    static const char *const words[] = {"null", "true", "false", "unknown"};
    static const char *const names[] = {"is null", "is true", "is false", "is null"};
    for (int i = 0; i < 4; i++)
        if (parser_at_word(p, words[i])) {
            if ((s = parser_advance(p)) < 0 ||
                (s = call_2(p, position, names[i], left, NULL, &node)) < 0)
                return s;
            return negate(p, position, negated, node, ret);
        }
    if (!parser_at_word(p, "distinct"))
        return parser_error(p, "NULL, TRUE, FALSE or DISTINCT FROM");
    struct ast *right;
    if ((s = parser_advance(p)) < 0 || (s = parser_expect_word(p, "from")) < 0 ||
        (s = parse_level(p, LEVEL_COMPARE, &right)) < 0 ||
        (s = call_2(p, position, "is distinct from", left, right, &node)) < 0)
        return s;
    return negate(p, position, negated, node, ret);
}

static const struct binary *binary_at(const struct parser *p, enum level least)
{
    if (p->token.kind != TOKEN_OPERATOR)
        return NULL;
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (binaries[i].level >= least && parser_at_operator(p, binaries[i].text))
            return &binaries[i];
    return NULL;
}

/* Everything from IS upwards: left-associative, one operator after the other. */
static enum status parse_operators(struct parser *p, enum level least, struct ast **ret)
{
    enum status s;
    struct ast *left;
    if ((s = parse_unary(p, &left)) < 0)
        return s;
    for (;;) {
        uint32_t position = p->token.position;
        const struct binary *b = binary_at(p, least);
        if (b != NULL) {
            struct ast *right;
            if ((s = parser_advance(p)) < 0 || (s = parse_level(p, b->level + 1, &right)) < 0 ||
                (s = call_2(p, position, b->name, left, right, &left)) < 0)
                return s;
            continue;
        }
        bool taken = false;
        if (least <= LEVEL_RANGE && (s = parse_range(p, left, &left, &taken)) < 0)
            return s;
        if (taken)
            continue;
        if (least <= LEVEL_IS && (parser_at_word(p, "is") || parser_at_word(p, "isnull") ||
                                  parser_at_word(p, "notnull"))) {
            if ((s = parse_is(p, left, &left)) < 0)
                return s;
            continue;
        }
        *ret = left;
        return STATUS_OK;
    }
}

static enum status parse_chain(struct parser *p, enum level level, const char *word,
                               struct ast **ret)
{
    enum status s;
    struct ast *node;
    if ((s = parse_level(p, level + 1, &node)) < 0)
        return s;
    if (!parser_at_word(p, word)) {
        *ret = node;
        return STATUS_OK;
    }
    struct ast *chain = call_new(p, p->token.position, word);
    node_add(p, chain, node);
    while (parser_at_word(p, word)) {
        if ((s = parser_advance(p)) < 0 || (s = parse_level(p, level + 1, &node)) < 0)
            return s;
        node_add(p, chain, node);
    }
    return finish(p, chain, ret);
}

static enum status parse_not(struct parser *p, struct ast **ret)
{
    enum status s;
    uint32_t position = p->token.position;
    if (!parser_at_word(p, "not"))
        return parse_operators(p, LEVEL_IS, ret);
    struct ast *arg;
    if (++p->depth > EXPRESSION_DEPTH_MAX)
        return too_deep(p, position);
    if ((s = parser_advance(p)) < 0 || (s = parse_not(p, &arg)) < 0)
        return s;
    p->depth--;
    return call_2(p, position, "not", arg, NULL, ret);
}

static enum status parse_level(struct parser *p, enum level level, struct ast **ret)
{
    if (level == LEVEL_AND)
        return parse_chain(p, LEVEL_AND, "and", ret);
    if (level == LEVEL_NOT)
        return parse_not(p, ret);
    return parse_operators(p, level, ret);
}

/* Whole expressions, NOT and signs count as nesting; between two of them lie a dozen frames at most. */
enum status parse_expression(struct parser *p, struct ast **ret)
{
    if (++p->depth > EXPRESSION_DEPTH_MAX)
        return too_deep(p, p->token.position);
    enum status s = parse_chain(p, LEVEL_OR, "or", ret);
    p->depth--;
    return s;
}
