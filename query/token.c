/*
 * token.c - splits a statement into tokens, one at a time.
 *
 * Place:     text -> [here] -> parse
 * Format:    PostgreSQL's lexical rules: nested comments, '' and "" doubling, E'' escapes, $tag$ strings.
 * Failure:   an unfinished string, name or comment and characters that mean nothing are STATUS_INVALID
 *            at their first byte.
 */
#include "query/token.h"

#include "query/query.h"

static bool is_name_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_part(uint8_t c)
{
    return is_name_start(c) || is_digit(c) || c == '$';
}

static uint8_t char_at(const struct lexer *l, size_t at)
{
    return at < l->text.size ? l->text.data[at] : 0;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Past a comment that begins at l->at; false when it does not end. */
static bool skip_block_comment(struct lexer *l)
{
    uint32_t depth = 0;
    while (l->at < l->text.size) {
        uint8_t c = char_at(l, l->at);
        uint8_t next = char_at(l, l->at + 1);
        if (c == '/' && next == '*') {
            depth++;
            l->at += 2;
        } else if (c == '*' && next == '/') {
            l->at += 2;
            if (--depth == 0)
                return true;
        } else {
            l->at++;
        }
    }
    return false;
}

static enum status skip_blank(struct lexer *l, struct error *reterr)
{
    while (l->at < l->text.size) {
        uint8_t c = char_at(l, l->at);
        uint8_t next = char_at(l, l->at + 1);
        if (is_space(c)) {
            l->at++;
        } else if (c == '-' && next == '-') {
            while (l->at < l->text.size && char_at(l, l->at) != '\n')
                l->at++;
        } else if (c == '/' && next == '*') {
            size_t start = l->at;
            if (!skip_block_comment(l))
                return error_set_at(reterr, STATUS_INVALID, (int64_t)start, "comment does not end");
        } else {
            break;
        }
    }
    return STATUS_OK;
}

/* 'it''s' or "a""b": the bytes between the quotes, doubled quotes made single. */
static enum status read_quoted(struct lexer *l, uint8_t quote, const char *what, struct slice *ret,
                               struct error *reterr)
{
    size_t start = ++l->at;
    bool doubled = false;
    for (;; l->at++) {
        if (l->at >= l->text.size)
            return error_set_at(reterr, STATUS_INVALID, (int64_t)start - 1, "%s does not end",
                                what);
        if (char_at(l, l->at) != quote)
            continue;
        if (char_at(l, l->at + 1) != quote)
            break;
        doubled = true;
        l->at++;
    }
    struct slice raw = slice_of(l->text.data + start, l->at - start);
    l->at++;
    if (!doubled) {
        *ret = raw;
        return STATUS_OK;
    }
    uint8_t *to = arena_alloc(l->arena, raw.size);
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        to[size++] = raw.data[i];
        if (raw.data[i] == quote)
            i++;
    }
    *ret = slice_of(to, size);
    return STATUS_OK;
}

static uint8_t escape_value(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return c;
    }
}

/* Past the closing quote of an E'' string whose opening quote is at l->at; false when it does not end. */
static bool skip_escaped(struct lexer *l)
{
    for (l->at++; l->at < l->text.size; l->at++) {
        uint8_t c = char_at(l, l->at);
        if (c == '\\')
            l->at++;
        else if (c == '\'' && char_at(l, ++l->at) != '\'')
            return true;
    }
    return false;
}

/* E'a\nb' : l->at stands on the quote. */
static enum status read_escaped(struct lexer *l, struct slice *ret, struct error *reterr)
{
    size_t start = l->at;
    if (!skip_escaped(l))
        return error_set_at(reterr, STATUS_INVALID, (int64_t)start, "string does not end");
    struct slice raw = slice_of(l->text.data + start + 1, l->at - start - 2);
    uint8_t *to = arena_alloc(l->arena, raw.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.data[i];
        if (c == '\\')
            to[size++] = escape_value(raw.data[++i]);
        else
            to[size++] = c;
        if (c == '\'')
            i++;
    }
    *ret = slice_of(to, size);
    return STATUS_OK;
}

/* Length of "$tag$" at l->at, or 0 when there is none. */
static size_t dollar_tag(const struct lexer *l)
{
    size_t at = l->at + 1;
    if (is_name_start(char_at(l, at)))
        while (is_name_part(char_at(l, at)) && char_at(l, at) != '$')
            at++;
    return char_at(l, at) == '$' ? at + 1 - l->at : 0;
}

static enum status read_dollar_string(struct lexer *l, size_t tag, struct slice *ret,
                                      struct error *reterr)
{
    const uint8_t *mark = l->text.data + l->at;
    size_t start = l->at + tag;
    const uint8_t *end = memmem(mark + tag, l->text.size - start, mark, tag);
    if (end == NULL)
        return error_set_at(reterr, STATUS_INVALID, (int64_t)l->at, "string does not end");
    *ret = slice_of(mark + tag, (size_t)(end - (mark + tag)));
    l->at = (size_t)(end - l->text.data) + tag;
    return STATUS_OK;
}

static enum status read_number(struct lexer *l, struct token *ret, struct error *reterr)
{
    size_t start = l->at;
    ret->kind = TOKEN_INTEGER;
    while (is_digit(char_at(l, l->at)))
        l->at++;
    if (char_at(l, l->at) == '.') {
        ret->kind = TOKEN_DECIMAL;
        l->at++;
        while (is_digit(char_at(l, l->at)))
            l->at++;
    }
    if ((char_at(l, l->at) | 0x20) == 'e') {
        size_t at = l->at + 1;
        if (char_at(l, at) == '+' || char_at(l, at) == '-')
            at++;
        if (is_digit(char_at(l, at))) {
            ret->kind = TOKEN_DECIMAL;
            while (is_digit(char_at(l, at)))
                at++;
            l->at = at;
        }
    }
    if (is_name_start(char_at(l, l->at)))
        return error_set_at(reterr, STATUS_INVALID, (int64_t)start,
                            "a name can't begin with a digit, and a number can't end in a letter");
    ret->value = slice_of(l->text.data + start, l->at - start);
    return STATUS_OK;
}

static enum status read_operator(struct lexer *l, struct token *ret, struct error *reterr)
{
    /* Longest first. */
    static const char *const operators[] = {
        "->>", "!~*", "->", "::", "<=", ">=", "<>", "!=", "||", "!~", "~*", "//", "=>", "+", "-",
        "*",   "/",   "%",  "^",  "<",  ">",  "=",  "~",  "(",  ")",  ",",  ".",  ";",  "[", "]"};
    struct slice left = slice_of(l->text.data + l->at, l->text.size - l->at);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t size = strlen(operators[i]);
        if (size <= left.size && memcmp(left.data, operators[i], size) == 0) {
            ret->kind = TOKEN_OPERATOR;
            ret->value = slice_of(left.data, size);
            l->at += size;
            return STATUS_OK;
        }
    }
    if (left.data[0] >= 0x20 && left.data[0] < 0x7f)
        return error_set_at(reterr, STATUS_INVALID, (int64_t)l->at, "unexpected character '%c'",
                            left.data[0]);
    return error_set_at(reterr, STATUS_INVALID, (int64_t)l->at, "unexpected byte 0x%02x",
                        left.data[0]);
}

static enum status read_name(struct lexer *l, struct token *ret)
{
    size_t start = l->at;
    while (is_name_part(char_at(l, l->at)))
        l->at++;
    ret->kind = TOKEN_NAME;
    ret->value = slice_of(l->text.data + start, l->at - start);
    return STATUS_OK;
}

static enum status read_token(struct lexer *l, struct token *ret, struct error *reterr)
{
    uint8_t c = char_at(l, l->at);
    uint8_t next = char_at(l, l->at + 1);
    if (c == '\'') {
        ret->kind = TOKEN_STRING;
        return read_quoted(l, '\'', "string", &ret->value, reterr);
    }
    if (c == '"') {
        ret->kind = TOKEN_QUOTED;
        enum status s = read_quoted(l, '"', "quoted name", &ret->value, reterr);
        if (s == STATUS_OK && ret->value.size == 0)
            return error_set_at(reterr, STATUS_INVALID, ret->position, "a quoted name is empty");
        return s;
    }
    if ((c | 0x20) == 'e' && next == '\'') {
        ret->kind = TOKEN_STRING;
        l->at++;
        return read_escaped(l, &ret->value, reterr);
    }
    if (c == '$' && is_digit(next)) {
        size_t start = ++l->at;
        while (is_digit(char_at(l, l->at)))
            l->at++;
        ret->kind = TOKEN_PARAMETER;
        ret->value = slice_of(l->text.data + start, l->at - start);
        return STATUS_OK;
    }
    size_t tag = c == '$' ? dollar_tag(l) : 0;
    if (tag != 0) {
        ret->kind = TOKEN_STRING;
        return read_dollar_string(l, tag, &ret->value, reterr);
    }
    if (is_name_start(c))
        return read_name(l, ret);
    if (is_digit(c) || (c == '.' && is_digit(next)))
        return read_number(l, ret, reterr);
    return read_operator(l, ret, reterr);
}

enum status token_next(struct lexer *l, struct token *ret, struct error *reterr)
{
    enum status s = skip_blank(l, reterr);
    if (s < 0)
        return s;
    struct token t = {.kind = TOKEN_END, .position = (uint32_t)l->at, .value = SLICE_EMPTY};
    if (l->at < l->text.size && (s = read_token(l, &t, reterr)) < 0)
        return s;
    t.end = (uint32_t)l->at;
    *ret = t;
    return STATUS_OK;
}

bool word_equal(struct slice text, const char *word)
{
    size_t i = 0;
    for (; i < text.size && word[i] != 0; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c | 0x20);
        if (c != (uint8_t)word[i])
            return false;
    }
    return i == text.size && word[i] == 0;
}

bool token_is_word(const struct token *t, const char *word)
{
    return t->kind == TOKEN_NAME && word_equal(t->value, word);
}

bool token_is_operator(const struct token *t, const char *text)
{
    return t->kind == TOKEN_OPERATOR && slice_is(t->value, text);
}

/* Bytes that are no token are stepped over: the parser will say what is wrong with them. */
struct slice query_split(struct slice text, struct slice *rest)
{
    struct arena arena = {0};
    struct lexer l = {.text = text, .arena = &arena};
    size_t start = text.size;
    size_t end = text.size;
    *rest = SLICE_EMPTY;
    while (l.at < text.size) {
        struct token t;
        size_t before = l.at;
        if (token_next(&l, &t, NULL) < 0) {
            start = start == text.size ? before : start;
            l.at++;
            continue;
        }
        if (t.kind == TOKEN_END)
            break;
        bool semicolon = token_is_operator(&t, ";");
        if (semicolon && start != text.size) {
            end = t.position;
            *rest = slice_of(text.data + t.end, text.size - t.end);
            break;
        }
        if (!semicolon && start == text.size)
            start = t.position;
    }
    arena_deinit(&arena);
    return start >= end ? SLICE_EMPTY : slice_of(text.data + start, end - start);
}

void query_error_caret(struct slice text, const struct error *error, struct buffer *to)
{
    if (error->position < 0 || (uint64_t)error->position > text.size)
        return;
    size_t at = (size_t)error->position;
    size_t start = at;
    uint32_t line = 1;
    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    for (size_t i = 0; i < start; i++)
        line += text.data[i] == '\n';
    size_t end = at;
    while (end < text.size && text.data[end] != '\n' && text.data[end] != '\r')
        end++;
    /* A long line is shown around the position. */
    const size_t before_max = 60;
    const size_t after_max = 60;
    bool cut_front = at - start > before_max;
    bool cut_back = end - at > after_max;
    if (cut_front) {
        start = at - before_max;
        while (start < at && (text.data[start] & 0xc0) == 0x80)
            start++;
    }
    if (cut_back) {
        end = at + after_max;
        while (end > at && (text.data[end] & 0xc0) == 0x80)
            end--;
    }
    size_t begin = to->size;
    buffer_printf(to, "LINE %u: %s", line, cut_front ? "..." : "");
    size_t indent = to->size - begin;
    for (size_t i = start; i < end; i++)
        buffer_add_byte(to, text.data[i] < 0x20 ? ' ' : text.data[i]);
    buffer_add_text(to, cut_back ? "...\n" : "\n");
    for (size_t i = 0; i < indent; i++)
        buffer_add_byte(to, ' ');
    for (size_t i = start; i < at; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            buffer_add_byte(to, ' ');
    buffer_add_text(to, "^\n");
}
