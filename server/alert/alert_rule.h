/*
 * alert_rule.h - rules and notifiers as read from a file; everything lives in the arena of the set.
 */
#ifndef DRIFTLINE_ALERT_RULE_H
#define DRIFTLINE_ALERT_RULE_H

#include "server/alert/alert.h"
#include "server/alert/alert_condition.h"

enum severity {
    SEVERITY_PAGE,
    SEVERITY_WARN,
    SEVERITY_INFO
};
/* What happens to a group that was pending or firing and gives no row any more. */
enum no_data {
    NO_DATA_KEEP,    /* stays as it is for NO_DATA_KEEP_TIMES times `every`, then it resolves */
    NO_DATA_RESOLVE, /* resolves at once */
    NO_DATA_FIRE,    /* counts as a true condition */
};
#define NO_DATA_KEEP_TIMES 10

struct alert_pair {
    const char *name;
    const char *value;
};

struct alert_notifier {
    const char *name;
    const char *url;
    struct slice secret; /* empty: no signature */
    int64_t timeout_ns;
    uint32_t retries;
    bool allow_private;
    const char *ca_file; /* NULL: the system's */
    uint32_t header_count;
    struct alert_pair *headers;
};

struct alert_rule {
    const char *name;
    const char *project;
    struct slice query;
    struct slice condition_text;
    struct alert_condition *condition;
    struct alert_condition *resolve; /* NULL: when the condition is false */
    uint32_t group_count;
    struct slice *group_by; /* NULL: all text columns of the result */
    const char *value; /* NULL: `value` when there is one, else the first column of the condition */
    const char *samples; /* the column min_samples looks at; may be missing when that is 0 */
    uint64_t min_samples;
    int64_t for_ns;
    int64_t every_ns;
    int64_t timeout_ns;
    enum severity severity;
    enum no_data no_data;
    struct slice summary;
    struct slice exemplars; /* empty: none */
    uint32_t label_count;
    struct alert_pair *labels;
    uint32_t notify_count;
    uint32_t *notify; /* indexes of notifiers */
};

struct alert_rules {
    struct arena arena;
    const char *external_url; /* "" when not given */
    uint32_t notifier_count;
    struct alert_notifier *notifiers;
    uint32_t rule_count;
    struct alert_rule *rules;
};

const char *severity_name(enum severity severity);
const struct alert_notifier *alert_rules_notifier(const struct alert_rules *rules,
                                                  struct slice name);

#endif
