/*
 * alert_rules_reader.h - what the files that read a rules file share.
 *
 * Every reading function takes a node of the document and reports what is wrong with file:line:column.
 */
#ifndef DRIFTLINE_ALERT_RULES_READER_H
#define DRIFTLINE_ALERT_RULES_READER_H

#include "server/alert/alert_limits.h"
#include "server/alert/alert_rule.h"
#include "server/yaml/yaml.h"

/* Where the parts of a rule stand, for errors found after reading. */
struct rule_nodes {
    struct fy_node *rule, *query, *condition, *resolve, *group_by, *value, *samples, *summary,
        *exemplars, *notify;
};

struct rules_reader {
    struct yaml *yaml;
    const char *name;
    bool read_secrets; /* open secret_file, look up secret_env */
    struct alert_rules *rules;
    struct rule_nodes *nodes; /* one a rule */
    int64_t default_every_ns;
    int64_t default_for_ns;
    struct fy_node *default_notify;
    struct error *reterr;
};

/* One key of a section; index is the notifier's or rule's. */
struct rules_key {
    const char *name;
    enum status (*read)(struct rules_reader *r, struct fy_node *node, uint32_t index);
    bool required;
};

/* Reads a mapping by its table of keys: unknown, repeated and missing ones are errors. what: "a rule". */
MUST_CHECK enum status read_mapping(struct rules_reader *r, struct fy_node *node, const char *what,
                                    const struct rules_key *keys, uint32_t key_count,
                                    uint32_t index);
/* A scalar that is not empty, of at most limit bytes. */
MUST_CHECK enum status read_text(struct rules_reader *r, struct fy_node *node, const char *what,
                                 size_t limit, struct slice *ret);
MUST_CHECK enum status read_string(struct rules_reader *r, struct fy_node *node, const char *what,
                                   size_t limit, const char **ret);
/* [A-Za-z0-9_.:-]{1,ALERT_NAME_BYTES_MAX} */
MUST_CHECK enum status read_name(struct rules_reader *r, struct fy_node *node, const char *what,
                                 const char **ret);
MUST_CHECK enum status read_duration(struct rules_reader *r, struct fy_node *node, int64_t min_ns,
                                     int64_t *ret_ns);
MUST_CHECK enum status read_count(struct rules_reader *r, struct fy_node *node, uint64_t max,
                                  uint64_t *ret);
MUST_CHECK enum status read_bool(struct rules_reader *r, struct fy_node *node, bool *ret);
/* Index of the scalar in words; an error that lists them otherwise. */
MUST_CHECK enum status read_choice(struct rules_reader *r, struct fy_node *node,
                                   const char *const *words, uint32_t word_count, uint32_t *ret);
MUST_CHECK enum status read_pairs(struct rules_reader *r, struct fy_node *node, const char *what,
                                  uint32_t max, struct alert_pair **ret, uint32_t *ret_count);
/* Sequence (or a scalar, as a sequence of one): count, then items. */
uint32_t list_count(struct fy_node *node);
struct fy_node *list_item(struct fy_node *node, uint32_t index);
/* An error about the byte at position of the node's text; prefix names the key. Keeps the status. */
enum status error_within(struct rules_reader *r, struct fy_node *node, const char *key,
                         const struct error *error);

/* alert_rules_notifier.c */
MUST_CHECK enum status read_notifier(struct rules_reader *r, struct fy_node *node, uint32_t index);
/* alert_rules_rule.c */
MUST_CHECK enum status read_rule(struct rules_reader *r, struct fy_node *node, uint32_t index);
/* alert_rules_check.c: a rule against the query engine. */
MUST_CHECK enum status check_rule(struct rules_reader *r, uint32_t index, struct query_db *db);

#endif
