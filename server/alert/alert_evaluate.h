/*
 * alert_evaluate.h - one look of a rule: its query's rows as groups with verdicts.
 *
 * Groups: rows with equal group_by columns are one group. When the result has a timestamp column (a series), the
 *         row with the latest time counts; otherwise two rows of one group are an error that says so.
 */
#ifndef DRIFTLINE_ALERT_EVALUATE_H
#define DRIFTLINE_ALERT_EVALUATE_H

#include <stdatomic.h>

#include "server/alert/alert_labels.h"
#include "server/alert/alert_state.h"

struct observation {
    struct slice group; /* JSON, columns sorted by name */
    enum verdict verdict;
    bool has_value;
    double value;
    bool has_samples;
    int64_t samples;
    uint64_t row;
};

struct evaluation {
    struct arena arena;
    struct query_result *result;
    struct observation *observations;
    size_t capacity;
    uint32_t count;
    bool is_grouped; /* false: one group, {}, which exists even without a row */
};

struct evaluate_options {
    uint32_t project;
    int64_t now_ns;
    const atomic_bool *cancel;
};

MUST_CHECK enum status evaluation_run(struct query_db *db, const struct alert_rule *rule,
                                      const struct evaluate_options *options,
                                      struct evaluation *ret, struct error *reterr);
void evaluation_deinit(struct evaluation *e);
/* The rule's summary for that observation; NULL: no row. At most ALERT_SUMMARY_BYTES_MAX. */
void evaluation_summary(const struct evaluation *e, const struct alert_rule *rule,
                        const struct observation *o, struct buffer *to);
/* Runs the rule's exemplar query: a JSON list of trace ids; "[]" when there is none. */
MUST_CHECK enum status evaluation_exemplars(struct query_db *db, const struct evaluation *e,
                                            const struct alert_rule *rule,
                                            const struct observation *o,
                                            const struct evaluate_options *options,
                                            struct buffer *to, struct error *reterr);
/* The labels a notification carries: alertname, severity, project, the rule's and the group's. JSON, and their
 * fingerprint as 16 hex digits with a NUL. */
MUST_CHECK enum status rule_label_set(const struct alert_rule *rule, struct slice group,
                                      struct buffer *to, char fingerprint[17],
                                      struct error *reterr);

#endif
