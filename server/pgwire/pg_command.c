/*
 * pg_command.c - what drivers and psql send besides questions: transactions, settings, small talk.
 */
#include <ctype.h>
#include <stdio.h>

#include "server/pgwire/pg_session.h"

#define NORMAL_BYTES_MAX 512

static const struct {
    const char *word;
    const char *tag;
} commands[] = {
#define COMMAND(word, tag) {word, tag},
#define SETTING(name, value)
#define CANNED(statement, columns, cells)
#include "server/pgwire/pg_command.def"
#undef COMMAND
#undef SETTING
#undef CANNED
};

static const struct {
    const char *name;
    const char *value;
} settings[] = {
#define COMMAND(word, tag)
#define SETTING(name, value) {name, value},
#define CANNED(statement, columns, cells)
#include "server/pgwire/pg_command.def"
#undef COMMAND
#undef SETTING
#undef CANNED
};

static const struct {
    const char *statement;
    const char *columns;
    const char *cells;
} canned[] = {
#define COMMAND(word, tag)
#define SETTING(name, value)
#define CANNED(statement, columns, cells) {statement, columns, cells},
#include "server/pgwire/pg_command.def"
#undef COMMAND
#undef SETTING
#undef CANNED
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* BEGIN and friends: word -> tag and the transaction state after it. */
static const struct {
    const char *word;
    const char *tag;
    char state;
} transactions[] = {
    {"begin", "BEGIN", 'T'}, {"start", "START TRANSACTION", 'T'}, {"commit", "COMMIT", 'I'},
    {"end", "COMMIT", 'I'},  {"rollback", "ROLLBACK", 'I'},       {"abort", "ROLLBACK", 'I'},
};

void pg_canned_destroy(struct query_result *r)
{
    if (r == NULL)
        return;
    arena_deinit(&r->arena);
    mem_free(r);
}

/* Lower case, comments kept, runs of white space one blank, no final ';'. Quoted text too: it is only matched against
 * our own table. */
static void normalise(struct slice text, char to[NORMAL_BYTES_MAX])
{
    size_t used = 0;
    bool blank = false;
    for (size_t i = 0; i < text.size && used + 2 < NORMAL_BYTES_MAX; i++) {
        unsigned char c = text.data[i];
        if (isspace(c)) {
            blank = used != 0;
            continue;
        }
        if (blank)
            to[used++] = ' ';
        blank = false;
        to[used++] = (char)tolower(c);
    }
    while (used > 0 && (to[used - 1] == ';' || to[used - 1] == ' '))
        used--;
    to[used] = 0;
}

static struct slice part(const char **at)
{
    const char *start = *at;
    const char *end = strchr(start, '|');
    size_t size = end != NULL ? (size_t)(end - start) : strlen(start);
    *at = end != NULL ? end + 1 : start + size;
    return slice_of(start, size);
}

/* One row of text cells ("a|b"); empty cells with more than zero columns mean no row. */
static struct query_result *result_make(struct pg_session *s, const char *columns,
                                        const char *cells)
{
    struct query_result *r = MEM_NEW(struct query_result);
    r->column_count = 1;
    for (const char *p = columns; *p != 0; p++)
        r->column_count += *p == '|';
    r->columns = ARENA_ARRAY(&r->arena, struct query_column, r->column_count);
    r->cells = ARENA_ARRAY(&r->arena, struct query_value, r->column_count);
    r->row_count = cells[0] != 0;
    for (uint32_t i = 0; i < r->column_count; i++) {
        struct slice value = part(&cells);
        if (slice_is(value, "$user"))
            value = slice_text(s->user);
        else if (slice_is(value, "$database"))
            value = slice_text(s->database);
        r->columns[i].name = (const char *)arena_copy(&r->arena, part(&columns)).data;
        r->columns[i].type = SQL_TEXT;
        r->cells[i] = (struct query_value){.type = SQL_TEXT, .text = arena_copy(&r->arena, value)};
    }
    return r;
}

static struct query_result *setting_show(struct pg_session *s, const char *name)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        if (strcmp(name, settings[i].name) != 0)
            continue;
        struct query_result *r = result_make(s, "setting", "x");
        r->columns[0].name = strcmp(name, "transaction isolation level") == 0
                                 ? "transaction_isolation"
                                 : settings[i].name;
        r->cells[0].text = slice_text(settings[i].value);
        return r;
    }
    return NULL;
}

static bool canned_matches(const char *pattern, const char *text)
{
    size_t size = strlen(pattern);
    if (size > 0 && pattern[size - 1] == '*')
        return strncmp(pattern, text, size - 1) == 0;
    return strcmp(pattern, text) == 0;
}

static bool first_word_is(const char *text, const char *word)
{
    size_t size = strlen(word);
    return strncmp(text, word, size) == 0 && (text[size] == 0 || text[size] == ' ');
}

/* SET client_encoding to something else would make us lie about every byte. */
static bool encoding_is_refused(const char *text)
{
    return first_word_is(text, "set") && strstr(text, "client_encoding") != NULL &&
           strstr(text, "utf") == NULL && strstr(text, "unicode") == NULL &&
           strstr(text, "default") == NULL;
}

static enum pg_answer transaction_answer(struct pg_session *s, const char *text, bool effects,
                                         const char **ret_tag)
{
    for (size_t i = 0; i < COUNT(transactions); i++) {
        if (!first_word_is(text, transactions[i].word))
            continue;
        bool failed = s->transaction == 'E' && transactions[i].state == 'I';
        *ret_tag = failed ? "ROLLBACK" : transactions[i].tag;
        /* ROLLBACK TO SAVEPOINT stays inside. */
        if (effects && strstr(text, " to ") == NULL)
            s->transaction = transactions[i].state;
        else if (effects && s->transaction == 'E')
            s->transaction = 'T';
        return PG_ANSWER_COMMAND;
    }
    return PG_ANSWER_QUERY;
}

/* psql's \d and the like: an error that helps, instead of one about the syntax of a query nobody typed. */
static bool catalog_is_asked(const char *text)
{
    return strncmp(text, "select", 6) == 0 && strstr(text, "pg_catalog.pg_") != NULL;
}

enum pg_answer pg_command_answer(struct pg_session *s, struct slice text, bool effects,
                                 const char **ret_tag, struct query_result **ret_result,
                                 struct error *reterr)
{
    char normal[NORMAL_BYTES_MAX];
    normalise(text, normal);
    struct slice rest;
    if (query_split(text, &rest).size == 0)
        return PG_ANSWER_EMPTY;
    if (transaction_answer(s, normal, effects, ret_tag) == PG_ANSWER_COMMAND)
        return PG_ANSWER_COMMAND;
    if (s->transaction == 'E' && effects) {
        (void)error_set(
            reterr, STATUS_INVALID,
            "current transaction is aborted, commands ignored until end of transaction block");
        return PG_ANSWER_ERROR;
    }
    if (encoding_is_refused(normal)) {
        (void)error_set(reterr, STATUS_INVALID, "client_encoding must be UTF8");
        return PG_ANSWER_ERROR;
    }
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (first_word_is(normal, commands[i].word)) {
            *ret_tag = commands[i].tag;
            return PG_ANSWER_COMMAND;
        }
    }
    if (first_word_is(normal, "deallocate")) {
        if (effects && (strcmp(normal, "deallocate all") == 0))
            extended_statements_free(s);
        *ret_tag = "DEALLOCATE";
        return PG_ANSWER_COMMAND;
    }
    if (strncmp(normal, "show ", 5) == 0 && (*ret_result = setting_show(s, normal + 5)) != NULL)
        return PG_ANSWER_ROWS;
    for (size_t i = 0; i < COUNT(canned); i++) {
        if (canned_matches(canned[i].statement, normal)) {
            *ret_result = result_make(s, canned[i].columns, canned[i].cells);
            return PG_ANSWER_ROWS;
        }
    }
    if (catalog_is_asked(normal)) {
        (void)error_set(
            reterr, STATUS_UNAVAILABLE,
            "there is no PostgreSQL catalog here; information_schema.tables and information_schema.columns list "
            "what there is, as do SHOW TABLES and SHOW COLUMNS FROM spans");
        return PG_ANSWER_ERROR;
    }
    return PG_ANSWER_QUERY;
}
