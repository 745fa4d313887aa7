/*
 * alert_limits.h - the bounds of alert rules, incidents and notifications.
 */
#ifndef DRIFTLINE_ALERT_LIMITS_H
#define DRIFTLINE_ALERT_LIMITS_H

#include "engine/base/clock.h"

#define ALERT_RULES_MAX          1000u
#define ALERT_NOTIFIERS_MAX      100u
#define ALERT_NAME_BYTES_MAX     128u
#define ALERT_NAME_TEXT_BYTES    (ALERT_NAME_BYTES_MAX + 1)
#define ALERT_GROUP_COLUMNS_MAX  16u
#define ALERT_LABELS_MAX         32u
#define ALERT_HEADERS_MAX        32u
#define ALERT_TEMPLATE_BYTES_MAX 4096u
#define ALERT_SUMMARY_BYTES_MAX  2048u /* rendered */
#define ALERT_LABEL_BYTES_MAX    1024u /* a group's value; longer ones are cut and end in their hash */
#define ALERT_CONDITION_NODES    256u
#define ALERT_CONDITION_DEPTH    32u
#define ALERT_SECRET_BYTES_MAX   4096u
#define ALERT_URL_BYTES_MAX      2048u
#define ALERT_RETRIES_MAX        100u

#define ALERT_EVERY_NS_MIN    (100 * NS_PER_MS)
#define ALERT_DURATION_NS_MAX (366 * NS_PER_DAY)
#define ALERT_WAKE_EVERY_NS                                                                        \
    NS_PER_S /* rules with an `every` up to this look at once when data arrives */

#define ALERT_RESULT_ROWS_MAX     10000u /* groups one evaluation may see */
#define ALERT_RESULT_BYTES_MAX    (32u << 20)
#define ALERT_QUERY_MEMORY_MAX    (512ull << 20)
#define ALERT_OPEN_MAX            1000u /* pending and firing groups of one rule */
#define ALERT_EXEMPLARS_MAX       20u
#define ALERT_EXEMPLAR_BYTES_MAX  256u
#define ALERT_EXEMPLAR_TIMEOUT_NS (2 * NS_PER_S)

#define ALERT_OUTBOX_WAITING_MAX 10000u
#define ALERT_OUTBOX_KEPT_MAX    20000u  /* finished notifications that stay to be looked at */
#define ALERT_INCIDENTS_KEPT_MAX 100000u /* resolved ones */
#define ALERT_TRANSFERS_MAX      32u     /* requests under way */
#define ALERT_TRANSFERS_PER_HOOK 8u      /* of one notifier */
#define ALERT_RESPONSE_BYTES_MAX (64u << 10)

#endif
