/*
 * alert_condition_parse.c - reads a condition by recursive descent; the grammar is in the header.
 *
 * Failure:   STATUS_INVALID at the byte that does not fit; STATUS_LIMIT past ALERT_CONDITION_*.
 */
#include <stdio.h>
#include <strings.h>

#include "engine/base/decimal.h"
#include "server/alert/alert_condition_tree.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_QUOTED,
    TOKEN_NUMBER,
    TOKEN_TEXT,
    TOKEN_SIGN
};

struct reader {
    struct slice text;
    size_t at;
    enum token_kind kind;
    struct slice token; /* QUOTED, TEXT: without quotes, doubled ones resolved */
    uint32_t start;
    uint32_t depth;
    struct arena *arena;
    struct condition_node nodes[ALERT_CONDITION_NODES];
    uint32_t node_count;
    struct slice columns[ALERT_CONDITION_NODES];
    uint32_t column_count;
    struct error *reterr;
};

/* ---- tokens ---- */

static bool is_letter(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_' || b >= 0x80;
}

static bool is_digit(uint8_t b)
{
    return b >= '0' && b <= '9';
}

static uint8_t peek(const struct reader *r, size_t ahead)
{
    return ahead < r->text.size - r->at ? r->text.data[r->at + ahead] : 0;
}

static enum status fail(struct reader *r, const char *expected)
{
    if (r->kind == TOKEN_END)
        return error_set_at(r->reterr, STATUS_INVALID, r->start, "expected %s, but it ends here",
                            expected);
    return error_set_at(r->reterr, STATUS_INVALID, r->start, "expected %s, not '%.*s'", expected,
                        (int)(r->token.size < 40 ? r->token.size : 40),
                        (const char *)r->token.data);
}

static enum status quoted_next(struct reader *r, uint8_t quote)
{
    struct buffer value = {0};
    r->at++;
    for (;;) {
        if (r->at == r->text.size) {
            buffer_deinit(&value);
            return error_set_at(r->reterr, STATUS_INVALID, r->start, "the quote is never closed");
        }
        uint8_t b = r->text.data[r->at++];
        if (b == quote && peek(r, 0) != quote)
            break;
        if (b == quote)
            r->at++;
        buffer_add_byte(&value, b);
    }
    r->kind = quote == '"' ? TOKEN_QUOTED : TOKEN_TEXT;
    r->token = arena_copy(r->arena, buffer_slice(&value));
    buffer_deinit(&value);
    return STATUS_OK;
}

static void number_skip(struct reader *r)
{
    while (is_digit(peek(r, 0)) || peek(r, 0) == '.')
        r->at++;
    if ((peek(r, 0) | 0x20) == 'e') {
        size_t sign = peek(r, 1) == '+' || peek(r, 1) == '-' ? 1 : 0;
        if (is_digit(peek(r, 1 + sign))) {
            r->at += 1 + sign;
            while (is_digit(peek(r, 0)))
                r->at++;
        }
    }
}

static enum status advance(struct reader *r)
{
    while (peek(r, 0) == ' ' || (peek(r, 0) >= '\t' && peek(r, 0) <= '\r'))
        r->at++;
    r->start = (uint32_t)r->at;
    uint8_t b = peek(r, 0);
    if (r->at == r->text.size) {
        r->kind = TOKEN_END;
        r->token = SLICE_EMPTY;
        return STATUS_OK;
    }
    if (b == '\'' || b == '"')
        return quoted_next(r, b);
    if (is_digit(b) || (b == '.' && is_digit(peek(r, 1)))) {
        r->kind = TOKEN_NUMBER;
        number_skip(r);
    } else if (is_letter(b)) {
        r->kind = TOKEN_NAME;
        while (is_letter(peek(r, 0)) || is_digit(peek(r, 0)) || peek(r, 0) == '.')
            r->at++;
    } else {
        r->kind = TOKEN_SIGN;
        uint8_t c = peek(r, 1);
        bool two =
            (c == '=' && (b == '<' || b == '>' || b == '!' || b == '=')) || (b == '<' && c == '>');
        r->at += two ? 2 : 1;
    }
    r->token = slice_of(r->text.data + r->start, r->at - r->start);
    return STATUS_OK;
}

static bool at_word(const struct reader *r, const char *word)
{
    return r->kind == TOKEN_NAME && r->token.size == strlen(word) &&
           strncasecmp((const char *)r->token.data, word, r->token.size) == 0;
}

static bool at_sign(const struct reader *r, const char *sign)
{
    return r->kind == TOKEN_SIGN && slice_is(r->token, sign);
}

/* ---- nodes ---- */

static enum status node_add(struct reader *r, struct condition_node node, uint32_t *ret_index)
{
    if (r->node_count == ALERT_CONDITION_NODES)
        return error_set_at(r->reterr, STATUS_LIMIT, r->start, "a condition has at most %u parts",
                            ALERT_CONDITION_NODES);
    r->nodes[r->node_count] = node;
    *ret_index = r->node_count++;
    return STATUS_OK;
}

static uint32_t column_add(struct reader *r, struct slice name)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        if (slice_equal(r->columns[i], name))
            return i;
    }
    r->columns[r->column_count] = arena_copy(r->arena, name);
    return r->column_count++;
}

static enum status number_read(struct reader *r, bool negative, struct condition_node *n)
{
    struct slice text = r->token;
    if (negative)
        text = slice_text(arena_printf(r->arena, "-%.*s", SLICE_ARG(text)));
    int64_t whole;
    bool is_whole = memchr(text.data, '.', text.size) == NULL &&
                    memchr(text.data, 'e', text.size) == NULL &&
                    memchr(text.data, 'E', text.size) == NULL;
    if (is_whole && decimal_to_int(text, 1, 1, &whole) == DECIMAL_EXACT) {
        n->value = (struct query_value){.type = SQL_INT, .i64 = whole};
        return STATUS_OK;
    }
    n->value.type = SQL_FLOAT;
    if (!decimal_to_double(text, &n->value.f64))
        return fail(r, "a number");
    return STATUS_OK;
}

static enum status operand_read(struct reader *r, uint32_t *ret_index)
{
    struct condition_node n = {.kind = CONDITION_LITERAL, .position = r->start};
    bool negative = at_sign(r, "-");
    bool is_signed = negative || at_sign(r, "+");
    enum status s;
    if (is_signed && (s = advance(r)) < 0)
        return s;
    if (is_signed || r->kind == TOKEN_NUMBER) {
        if (r->kind != TOKEN_NUMBER)
            return fail(r, "a number after the sign");
        if ((s = number_read(r, negative, &n)) < 0)
            return s;
    } else if (r->kind == TOKEN_TEXT) {
        n.value = (struct query_value){.type = SQL_TEXT, .text = r->token};
        n.is_duration = duration_from_text(r->token, &n.duration_ns);
        n.is_time = time_from_text(r->token, &n.time_ns);
    } else if (at_word(r, "true") || at_word(r, "false")) {
        n.value = (struct query_value){.type = SQL_BOOL, .i64 = at_word(r, "true")};
    } else if (r->kind == TOKEN_QUOTED ||
               (r->kind == TOKEN_NAME && !at_word(r, "and") && !at_word(r, "or") &&
                !at_word(r, "not") && !at_word(r, "between") && !at_word(r, "is") &&
                !at_word(r, "null"))) {
        n.kind = CONDITION_COLUMN;
        if (r->node_count == ALERT_CONDITION_NODES)
            return node_add(r, n, ret_index);
        n.column = column_add(r, r->token);
    } else {
        return fail(r, "a column, a number or a 'text'");
    }
    if ((s = node_add(r, n, ret_index)) < 0)
        return s;
    return advance(r);
}

static bool compare_sign(const struct reader *r, enum condition_compare *ret)
{
    static const struct {
        const char *sign;
        enum condition_compare compare;
    } signs[] = {{"<", COMPARE_LT}, {"<=", COMPARE_LE}, {">", COMPARE_GT},  {">=", COMPARE_GE},
                 {"=", COMPARE_EQ}, {"==", COMPARE_EQ}, {"!=", COMPARE_NE}, {"<>", COMPARE_NE}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (at_sign(r, signs[i].sign)) {
            *ret = signs[i].compare;
            return true;
        }
    }
    return false;
}

static enum status compare_add(struct reader *r, enum condition_compare compare, uint32_t left,
                               uint32_t right, uint32_t position, uint32_t *ret_index)
{
    struct condition_node n = {.kind = CONDITION_COMPARE,
                               .compare = compare,
                               .left = left,
                               .right = right,
                               .position = position};
    return node_add(r, n, ret_index);
}

/* At "between": a >= low and a <= high. */
static enum status between_read(struct reader *r, uint32_t operand, uint32_t *ret_index)
{
    uint32_t position = r->start;
    uint32_t low;
    uint32_t high;
    uint32_t above;
    uint32_t below;
    enum status s;
    if ((s = advance(r)) < 0 || (s = operand_read(r, &low)) < 0)
        return s;
    if (!at_word(r, "and"))
        return fail(r, "\"and\" of between");
    if ((s = advance(r)) < 0 || (s = operand_read(r, &high)) < 0)
        return s;
    if ((s = compare_add(r, COMPARE_GE, operand, low, position, &above)) < 0 ||
        (s = compare_add(r, COMPARE_LE, operand, high, position, &below)) < 0)
        return s;
    struct condition_node both = {.kind = CONDITION_AND, .left = above, .right = below};
    return node_add(r, both, ret_index);
}

static enum status negate(struct reader *r, bool negated, uint32_t *index)
{
    if (!negated)
        return STATUS_OK;
    struct condition_node n = {.kind = CONDITION_NOT, .left = *index};
    return node_add(r, n, index);
}

static enum status test_read(struct reader *r, uint32_t *ret_index)
{
    uint32_t left;
    uint32_t right;
    uint32_t found;
    bool negated = false;
    enum condition_compare compare;
    enum status s;
    if ((s = operand_read(r, &left)) < 0)
        return s;
    uint32_t position = r->start;
    if (compare_sign(r, &compare)) {
        if ((s = advance(r)) < 0 || (s = operand_read(r, &right)) < 0)
            return s;
        return compare_add(r, compare, left, right, position, ret_index);
    }
    if (at_word(r, "is")) {
        if ((s = advance(r)) < 0)
            return s;
        negated = at_word(r, "not");
        if (negated && (s = advance(r)) < 0)
            return s;
        if (!at_word(r, "null"))
            return fail(r, "\"null\"");
        struct condition_node n = {.kind = CONDITION_IS_NULL, .left = left, .position = position};
        if ((s = advance(r)) < 0 || (s = node_add(r, n, &found)) < 0)
            return s;
    } else {
        negated = at_word(r, "not");
        if (negated && (s = advance(r)) < 0)
            return s;
        if (!at_word(r, "between"))
            return fail(r, negated ? "\"between\""
                                   : "a comparison (< <= > >= = !=), \"between\" or \"is null\"");
        if ((s = between_read(r, left, &found)) < 0)
            return s;
    }
    if ((s = negate(r, negated, &found)) < 0)
        return s;
    *ret_index = found;
    return STATUS_OK;
}

/* ---- logic ---- */

static enum status or_read(struct reader *r, uint32_t *ret_index);

static enum status not_read(struct reader *r, uint32_t *ret_index)
{
    enum status s;
    if (!at_word(r, "not") && !at_sign(r, "("))
        return test_read(r, ret_index);
    if (++r->depth > ALERT_CONDITION_DEPTH)
        return error_set_at(r->reterr, STATUS_LIMIT, r->start, "nested deeper than %u",
                            ALERT_CONDITION_DEPTH);
    bool negated = at_word(r, "not");
    if ((s = advance(r)) < 0)
        return s;
    uint32_t found;
    if (negated) {
        if ((s = not_read(r, &found)) < 0 || (s = negate(r, true, &found)) < 0)
            return s;
    } else {
        if ((s = or_read(r, &found)) < 0)
            return s;
        if (!at_sign(r, ")"))
            return fail(r, "\"and\", \"or\" or \")\"");
        if ((s = advance(r)) < 0)
            return s;
    }
    r->depth--;
    *ret_index = found;
    return STATUS_OK;
}

typedef enum status (*level_reader)(struct reader *r, uint32_t *ret_index);

static enum status chain_read(struct reader *r, const char *word, enum condition_kind kind,
                              level_reader below, uint32_t *ret_index)
{
    uint32_t left;
    enum status s = below(r, &left);
    if (s < 0)
        return s;
    uint32_t links = 0;
    while (at_word(r, word)) {
        uint32_t right;
        if (++links > ALERT_CONDITION_DEPTH)
            return error_set_at(r->reterr, STATUS_LIMIT, r->start,
                                "more than %u times \"%s\" in a row", ALERT_CONDITION_DEPTH, word);
        if ((s = advance(r)) < 0 || (s = below(r, &right)) < 0)
            return s;
        struct condition_node n = {.kind = kind, .left = left, .right = right};
        if ((s = node_add(r, n, &left)) < 0)
            return s;
    }
    *ret_index = left;
    return STATUS_OK;
}

static enum status and_read(struct reader *r, uint32_t *ret_index)
{
    return chain_read(r, "and", CONDITION_AND, not_read, ret_index);
}

static enum status or_read(struct reader *r, uint32_t *ret_index)
{
    return chain_read(r, "or", CONDITION_OR, and_read, ret_index);
}

enum status alert_condition_parse(struct slice text, struct arena *arena,
                                  struct alert_condition **ret, struct error *reterr)
{
    if (text.size > ALERT_TEMPLATE_BYTES_MAX)
        return error_set_at(reterr, STATUS_LIMIT, 0, "longer than %u bytes",
                            ALERT_TEMPLATE_BYTES_MAX);
    struct reader *r = MEM_NEW(struct reader);
    r->text = text;
    r->arena = arena;
    r->reterr = reterr;
    uint32_t root;
    enum status s;
    if ((s = advance(r)) < 0 || (s = or_read(r, &root)) < 0)
        goto out;
    if (r->kind != TOKEN_END) {
        s = fail(r, "\"and\", \"or\" or the end");
        goto out;
    }
    struct alert_condition *c = ARENA_NEW(arena, struct alert_condition);
    *c = (struct alert_condition){
        .root = root, .node_count = r->node_count, .column_count = r->column_count};
    c->nodes = ARENA_ARRAY(arena, struct condition_node, r->node_count);
    memcpy(c->nodes, r->nodes, r->node_count * sizeof *c->nodes);
    c->columns = ARENA_ARRAY(arena, struct slice, r->column_count);
    bytes_copy(c->columns, r->columns, r->column_count * sizeof *c->columns);
    *ret = c;
out:
    mem_free(r);
    return s;
}
