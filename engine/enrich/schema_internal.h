/*
 * schema_internal.h - JSON trees, and schemas as they are compiled.
 */
#ifndef DRIFTLINE_ENRICH_SCHEMA_INTERNAL_H
#define DRIFTLINE_ENRICH_SCHEMA_INTERNAL_H

#include "engine/base/check.h"
#include "engine/enrich/rule_regex.h"
#include "engine/enrich/schema.h"

enum value_type {
    VALUE_NULL,
    VALUE_BOOLEAN,
    VALUE_INTEGER,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT
};
#define VALUE_TYPE_COUNT 7

struct schema_node;

/* One JSON value; members and items are chained. */
struct json_value {
    enum value_type type; /* VALUE_INTEGER: a number without a fraction, 1.0 too */
    bool truth;
    bool is_exact;   /* the number is the int64 in integer */
    uint32_t count;  /* of members or items */
    uint32_t offset; /* in the text */
    int64_t integer;
    double number;
    struct slice text; /* strings without escapes; numbers as written */
    struct slice key;  /* as a member */
    struct json_value *first;
    struct json_value *next;
    struct schema_node *node; /* of a subschema, when it is compiled */
};

/* STATUS_INVALID: no JSON, with the byte. STATUS_LIMIT: more than values_max values. */
MUST_CHECK enum status json_value_read(struct slice text, uint32_t values_max, struct arena *arena,
                                       struct json_value **ret, struct error *reterr);
/* The last member of that name (as JSON.parse would have it), or NULL. */
struct json_value *json_value_member(const struct json_value *object, struct slice key);
const char *value_type_name(enum value_type type);
/* As JSON Schema counts equality: 1 and 1.0 are equal, the order of members does not matter. Each value looked at is taken from *steps. */
bool json_value_equal(const struct json_value *a, const struct json_value *b, uint64_t *steps);
/* Equal values have equal hashes. */
uint64_t json_value_hash(const struct json_value *v, uint64_t *steps);
/* <0, 0, >0; both are numbers. */
int json_value_compare(const struct json_value *a, const struct json_value *b);

enum schema_keyword {
#define KEYWORD(id, name, shape, checked, doc) KEYWORD_##id,
#define NOTE(name)
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE
    KEYWORD_COUNT
};
static_assert(KEYWORD_COUNT <= 64, "present has a bit a keyword");

/* One of several subschemas of a keyword. */
struct schema_part {
    struct slice key;               /* properties, dependencies */
    struct schema_node *node;       /* NULL: names */
    struct regex *regex;            /* patternProperties */
    const struct json_value *names; /* dependencies that are an array of strings */
};

/* The value of a keyword in a schema. */
struct schema_operand {
    const struct json_value *value;
    struct schema_node *node; /* $ref, additionalProperties, not, ... */
    struct schema_part *parts;
    uint32_t part_count;
    uint32_t types; /* `type`: bits of value_type */
    struct regex *regex;
};

struct schema_node {
    struct json_value *source;       /* an object, or true or false */
    uint64_t present;                /* bits of keywords */
    struct schema_operand *operands; /* by the rank of the keyword's bit among those present */
    struct schema_node *next;        /* still to be compiled */
};

struct json_schema {
    struct arena arena;
    struct schema_node *root;
    int draft;
    struct regex *regexes[SCHEMA_PATTERNS_MAX];
    uint32_t regex_count;
    uint32_t node_count;
    struct slice unsupported[SCHEMA_UNSUPPORTED_MAX];
    uint32_t unsupported_count; /* different names, kept or not */
};

const char *schema_keyword_name(enum schema_keyword keyword);

static inline const struct schema_operand *schema_operand(const struct schema_node *node,
                                                          enum schema_keyword keyword)
{
    uint64_t bit = UINT64_C(1) << keyword;
    if ((node->present & bit) == 0)
        return NULL;
    return &node->operands[__builtin_popcountll(node->present & (bit - 1))];
}

#endif
