/*
 * alert_words.h - the words a summary may use beside the columns of its row.
 */
#ifndef DRIFTLINE_ALERT_WORDS_H
#define DRIFTLINE_ALERT_WORDS_H

#include "server/alert/alert_rule.h"
#include "server/alert/alert_template.h"

#define ALERT_WORDS 4u

/* value: the rule's value as text, "" when the row has none. */
static inline void alert_words(const struct alert_rule *rule, const char *value,
                               struct template_word words[ALERT_WORDS])
{
    words[0] = (struct template_word){"rule", rule->name};
    words[1] = (struct template_word){"project", rule->project};
    words[2] = (struct template_word){"severity", severity_name(rule->severity)};
    words[3] = (struct template_word){"value", value};
}

#endif
