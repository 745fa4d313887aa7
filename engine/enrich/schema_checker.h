/*
 * schema_checker.h - one validation under way: what schema_check.c and the files of keywords share.
 *
 * A keyword's function returns whether the value fits; when it does not, it has said why (check_fail) or the checker gave up.
 */
#ifndef DRIFTLINE_ENRICH_SCHEMA_CHECKER_H
#define DRIFTLINE_ENRICH_SCHEMA_CHECKER_H

#include "engine/enrich/schema_internal.h"

/* The way from the top of the instance, on the stack. */
struct place {
    const struct place *above;
    struct slice key;
    uint32_t index;
    bool is_index;
};

struct checker {
    const struct json_schema *schema;
    struct arena *scratch;
    struct json_schema_failure *failure;
    uint64_t steps;
    uint32_t depth;
    uint32_t silent;
    bool gave_up;
    bool failed; /* failure is written */
};

struct check {
    struct checker *c;
    const struct schema_node *node;
    const struct schema_operand *o;
    const struct json_value *v;
    const struct place *place;
};

/* When the checker gave up the answer is false and means nothing. */
bool schema_node_fits(struct checker *c, const struct schema_node *node, const struct json_value *v,
                      const struct place *place);
/* Takes steps; false: there are none left. */
bool check_spend(struct checker *c, uint64_t steps);
/* False, and why: kept when it is the first failure that is not silent. */
bool check_fail(const struct check *k, enum schema_keyword keyword, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* At most 40 bytes of a value, as JSON would have it. */
const char *check_shown(const struct check *k, const struct json_value *v);
bool check_matches(struct checker *c, const struct regex *regex, struct slice text);
/* For minX and maxX. */
bool check_count(const struct check *k, enum schema_keyword keyword, uint64_t count, bool at_least,
                 const char *what);

#define CHECK_PROTOTYPE_0(id)
#define CHECK_PROTOTYPE_1(id)                  bool schema_check_##id(const struct check *k);
#define KEYWORD(id, name, shape, checked, doc) CHECK_PROTOTYPE_##checked(id)
#define NOTE(name)
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE

#endif
