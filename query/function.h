/*
 * function.h - every function and operator of the dialect, one line each in functions.def.
 *
 * Argument and result letters: i bigint, f double, b boolean, t text, z timestamp, d interval,
 * x 8-byte hex id, X 16-byte hex id, s anything (made text), a anything (as it is). A '*' at the end repeats
 * the letter before it. Of values only: k double stored as a scaled integer, m messages.
 */
#ifndef DRIFTLINE_QUERY_FUNCTION_H
#define DRIFTLINE_QUERY_FUNCTION_H

#include "query/eval.h"

/* What planners recognise. */
enum function_tag {
    TAG_NONE,
    TAG_EQ,
    TAG_NE,
    TAG_LT,
    TAG_LE,
    TAG_GT,
    TAG_GE,
    TAG_IN,
    TAG_NOT,
    TAG_IS_NULL,
    TAG_LIKE,
    TAG_BUCKET,
    TAG_FLOOR,
    TAG_CONCAT,
    TAG_EXPENSIVE, /* regular expressions, JSON */
    TAG_RENDER,    /* messages to text */
};

enum function_flags {
    FN_NULLS = 1, /* the kernel looks at NULLs itself; otherwise NULL in, NULL out */
};

struct function;
/* Compiles constant arguments into e->data, which lives in the arena; what owns other memory is handed to `own`. */
struct prepare {
    struct arena *arena;
    void (*own)(void *context, void (*destroy)(void *), void *object);
    void *own_context;
};
typedef enum status (*prepare_function)(const struct prepare *p, struct expr *e,
                                        struct error *reterr);

struct function {
    enum function_tag tag;
    const char *name;
    const char *args;
    char result;
    kernel run;
    unsigned flags;
    prepare_function prepare;
};

/* The lines of functions.def in order, and of the casts. */
const struct function *function_table(uint32_t *ret_count);
/* Kernel for `from` letter to `to` letter, or NULL. implicit: without being asked. */
const struct function *function_cast(char from, char to, bool *ret_implicit);
enum sql_type type_of_letter(char letter);
enum phys phys_of_letter(char letter);
/* SQL_HEX needs the phys: x or X. SQL_NULL gives 0. */
char letter_of(enum sql_type type, enum phys phys);

#define KERNEL(name)                                                                               \
    enum status name(struct eval *ev, const struct expr *e, const struct vec *args, uint32_t rows, \
                     struct vec *out)
#define FUNCTION(tag, name, args, result, run, flags, prepare) KERNEL(run);
#define CAST(from, to, run, implicit)                          KERNEL(run);
#include "query/functions.def"
#undef FUNCTION
#undef CAST

enum status prepare_like(const struct prepare *p, struct expr *e, struct error *reterr);
enum status prepare_regex(const struct prepare *p, struct expr *e, struct error *reterr);
enum status prepare_in(const struct prepare *p, struct expr *e, struct error *reterr);
enum status prepare_field(const struct prepare *p, struct expr *e, struct error *reterr);
enum status prepare_bucket(const struct prepare *p, struct expr *e, struct error *reterr);

/* Start of the bucket of width_ns that holds time_ns; origin 2000-01-03 (a Monday), as TimescaleDB. Saturates. */
#define BUCKET_ORIGIN_NS 946857600000000000ll
int64_t bucket_start(int64_t time_ns, int64_t width_ns);
/* "5m", "1 hour 30 minutes", "1.5 days", "60.000s", "01:30:00"; months and years are refused. */
bool interval_from_text(struct slice text, int64_t *ret_ns);
/* The value of a JSON object's key, or of an array's index as text; false when absent, null or not JSON.
 * as_text: strings lose their quotes. */
bool json_member(struct slice json, struct slice key, bool as_text, struct arena *arena,
                 struct slice *ret);

#endif
