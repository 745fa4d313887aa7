/*
 * alert_labels.h - sets of labels: sorted by name, as JSON, with a fingerprint.
 */
#ifndef DRIFTLINE_ALERT_LABELS_H
#define DRIFTLINE_ALERT_LABELS_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

/* value: not has_value is a NULL of the result. */
struct label {
    struct slice name;
    struct slice value;
    bool has_value;
};

/* Sorts by name. */
void labels_sort(struct label *labels, uint32_t count);
/* {"a":"x","b":null}; sorted labels give equal text for equal sets. */
void labels_write(const struct label *labels, uint32_t count, struct buffer *to);
/* What labels_write wrote. STATUS_INVALID when it is something else. */
MUST_CHECK enum status labels_read(struct slice json, struct arena *arena, struct label **ret,
                                   uint32_t *ret_count, struct error *reterr);
/* FNV-1a, 64 bits, over name 0xff value 0xff of each label as they come: what Prometheus computes. NULL is "". */
uint64_t labels_fingerprint(const struct label *labels, uint32_t count);

#endif
