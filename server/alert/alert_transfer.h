/*
 * alert_transfer.h - one request to a receiver: a curl handle and what became of it.
 */
#ifndef DRIFTLINE_ALERT_TRANSFER_H
#define DRIFTLINE_ALERT_TRANSFER_H

#include <curl/curl.h>

#include "server/alert/alert_limits.h"
#include "server/alert/alert_store.h"

#define TRANSFER_WHY_BYTES 512

struct transfer {
    CURL *easy; /* NULL: the slot is free */
    struct curl_slist *headers;
    struct buffer body;
    int64_t id;       /* of the notification */
    uint32_t attempt; /* from 1 */
    uint32_t retries;
    char notifier[ALERT_NAME_TEXT_BYTES];
    bool allow_private;
    char refused[128];   /* the address it must not go to, and why; else "" */
    char answer[128];    /* the start of an answer that is not 2xx */
    size_t answer_bytes; /* read so far */
    char curl_error[CURL_ERROR_SIZE];
};

/* Takes the notification and the notifier's settings; copies all it needs. */
MUST_CHECK enum status transfer_begin(struct transfer *t, const struct notification *n,
                                      const struct alert_notifier *to, int64_t now_ns,
                                      struct error *reterr);
/* Frees everything; the slot is free again. Not while the handle is in a multi. */
void transfer_end(struct transfer *t);
/* What a finished transfer's result means; why is for people. */
struct transfer_result {
    enum transfer_verdict {
        TRANSFER_SENT,
        TRANSFER_RETRY,
        TRANSFER_GIVE_UP
    } verdict;
    int http_status; /* 0: no answer */
    int64_t retry_after_ns;
    char why[TRANSFER_WHY_BYTES];
};
void transfer_judge(const struct transfer *t, CURLcode code, struct transfer_result *ret);

#endif
