/*
 * parse.h - tokens to a tree: one statement.
 *
 * Place: token -> [here] -> check
 * Files: parse.c (statement and clauses), parse_expression.c
 */
#ifndef DRIFTLINE_QUERY_PARSE_H
#define DRIFTLINE_QUERY_PARSE_H

#include "query/ast.h"
#include "query/token.h"

#define PARAMETERS_MAX     65535u
#define SUBQUERY_DEPTH_MAX 32u

struct parser {
    struct lexer lexer;
    struct arena *arena;
    struct token token; /* the one not yet taken */
    struct token next;  /* and the one after it */
    uint32_t depth;     /* of expressions being parsed */
    uint32_t subquery_depth;
    uint32_t parameter_count;
    struct ast_with *with; /* names in scope */
    struct error *reterr;
};

/* The whole text must be one statement; a final ';' is allowed. */
MUST_CHECK enum status parse_statement(struct slice text, struct arena *arena,
                                       struct ast_statement *ret, struct error *reterr);

/* ---- shared by the parser's files ---- */

enum status parser_advance(struct parser *p);
bool parser_at_word(const struct parser *p, const char *word);
bool parser_at_operator(const struct parser *p, const char *text);
/* Take it when it is there; *ret_taken may be NULL. */
enum status parser_accept_word(struct parser *p, const char *word, bool *ret_taken);
enum status parser_accept_operator(struct parser *p, const char *text, bool *ret_taken);
enum status parser_expect_word(struct parser *p, const char *word);
enum status parser_expect_operator(struct parser *p, const char *text);
/* "syntax error at or near "x"" with what was expected. */
enum status parser_error(struct parser *p, const char *expected);
/* Is the current token a word that can't be a name (SELECT, FROM, ...)? */
bool parser_at_reserved(const struct parser *p);

enum status parse_expression(struct parser *p, struct ast **ret);
enum status parse_order_item(struct parser *p, struct ast_order *ret);
enum status parse_select(struct parser *p, struct ast_select **ret);

#endif
