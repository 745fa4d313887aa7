/*
 * policy_reader.h - what the files that read policy files and price tables share.
 *
 * Every reading function takes a node of the document and reports what is wrong with file:line:column. What a section
 * is read into is the `target` its reading functions get.
 */
#ifndef DRIFTLINE_POLICY_READER_H
#define DRIFTLINE_POLICY_READER_H

#include "server/policy/policy.h"
#include "server/yaml/yaml.h"

#define POLICY_NAME_BYTES_MAX 128u
#define POLICY_TEXT_BYTES_MAX 4096u
#define POLICY_JUDGES_MAX     64u

struct policy_reader {
    struct yaml *yaml;
    struct arena *arena;   /* what is read lives here */
    struct policy *policy; /* NULL for a price table */
    struct error *reterr;
};

/* One key of a section. */
struct policy_key {
    const char *name;
    enum status (*read)(struct policy_reader *r, struct fy_node *node, void *target);
    bool required;
};

/* Reads a mapping by its table of keys: unknown, repeated and missing ones are errors. what: "a rule". */
MUST_CHECK enum status policy_mapping(struct policy_reader *r, struct fy_node *node,
                                      const char *what, const struct policy_key *keys,
                                      uint32_t key_count, void *target);
/* A sequence of at most max items, each read into target + i * size. Nothing at all is an empty list. */
MUST_CHECK enum status policy_list(struct policy_reader *r, struct fy_node *node, const char *what,
                                   uint32_t max, size_t size,
                                   enum status (*read)(struct policy_reader *r,
                                                       struct fy_node *node, void *target),
                                   void **ret_items, uint32_t *ret_count);

/* A scalar that is not empty, of at most limit bytes, copied. */
MUST_CHECK enum status policy_text(struct policy_reader *r, struct fy_node *node, const char *what,
                                   size_t limit, struct slice *ret);
MUST_CHECK enum status policy_string(struct policy_reader *r, struct fy_node *node,
                                     const char *what, size_t limit, const char **ret);
/* A project's name. */
MUST_CHECK enum status policy_project(struct policy_reader *r, struct fy_node *node,
                                      struct slice *ret);
MUST_CHECK enum status policy_bool(struct policy_reader *r, struct fy_node *node, bool *ret);
MUST_CHECK enum status policy_count(struct policy_reader *r, struct fy_node *node, uint64_t min,
                                    uint64_t max, int64_t *ret);
MUST_CHECK enum status policy_number(struct policy_reader *r, struct fy_node *node, double min,
                                     double max, double *ret);
/* Longer than nothing, at most 366 days. */
MUST_CHECK enum status policy_duration(struct policy_reader *r, struct fy_node *node,
                                       int64_t *ret_ns);
/* USD as nano-USD, not negative. */
MUST_CHECK enum status policy_usd(struct policy_reader *r, struct fy_node *node, int64_t *ret_nusd);
/* Puts the place of the node before an error that something deeper found. */
MUST_CHECK enum status policy_error_at(struct policy_reader *r, struct fy_node *node,
                                       const struct error *error);

/* Sections. */
MUST_CHECK enum status policy_read_class(struct policy_reader *r, struct fy_node *node,
                                         void *target);
MUST_CHECK enum status policy_read_scorers(struct policy_reader *r, struct fy_node *node);
MUST_CHECK enum status policy_read_rule(struct policy_reader *r, struct fy_node *node,
                                        void *target);
MUST_CHECK enum status policy_read_masks(struct policy_reader *r, struct fy_node *node);
MUST_CHECK enum status policy_read_judge(struct policy_reader *r, struct fy_node *node,
                                         void *target);
/* A price table file. */
MUST_CHECK enum status policy_prices_load(const char *path, struct price_table **ret,
                                          struct error *reterr);

#endif
