/*
 * token.h - the words of a statement: names, strings, numbers, operators.
 *
 * Place: text -> [here] -> parse
 */
#ifndef DRIFTLINE_QUERY_TOKEN_H
#define DRIFTLINE_QUERY_TOKEN_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,      /* model, SELECT: as written */
    TOKEN_QUOTED,    /* "score.x": a name, never a keyword */
    TOKEN_STRING,    /* 'text', E'text', $$text$$ */
    TOKEN_INTEGER,   /* 42 */
    TOKEN_DECIMAL,   /* 4.2, .5, 1e3 */
    TOKEN_PARAMETER, /* $1: value holds the digits */
    TOKEN_OPERATOR,  /* + - * / ... ( ) , ; . */
};

struct token {
    enum token_kind kind;
    uint32_t position;  /* byte offset of its first character */
    uint32_t end;       /* and of the first one after it */
    struct slice value; /* quotes and escapes removed */
};

struct lexer {
    struct slice text;
    size_t at;
    struct arena *arena; /* for strings with escapes */
};

/* The next token; comments and white space are skipped. STATUS_INVALID has a position. */
MUST_CHECK enum status token_next(struct lexer *l, struct token *ret, struct error *reterr);
/* Is it this keyword (lower case)? Quoted names never are. */
bool token_is_word(const struct token *t, const char *word);
bool token_is_operator(const struct token *t, const char *text);
/* Equal but for the case of ASCII letters; word is lower case. */
bool word_equal(struct slice text, const char *word);

#endif
