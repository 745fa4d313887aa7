/*
 * wal_verify.c - reads every byte of the log and reports what is wrong, without opening it.
 *
 * Place: `driftline verify` -> [here] -> wal_replay.c
 */
#include "engine/wal/wal_replay.h"

struct verify {
    void (*finding)(void *context, const char *path, uint64_t offset, const char *text);
    void *context;
    uint64_t records;
};

static enum status record_count(void *context, const struct wal_record *record,
                                struct error *reterr)
{
    (void)record;
    (void)reterr;
    struct verify *v = context;
    v->records++;
    return STATUS_OK;
}

static void finding_pass(void *context, const char *path, uint64_t offset, const char *text)
{
    const struct verify *v = context;
    v->finding(v->context, path, offset, text);
}

enum status wal_verify(struct io *io,
                       void (*finding)(void *context, const char *path, uint64_t offset,
                                       const char *text),
                       void *context, uint64_t *ret_records, struct error *reterr)
{
    struct verify v = {.finding = finding, .context = context};
    struct wal_replay replay = {
        .io = io, .each = record_count, .finding = finding_pass, .context = &v};
    struct wal_log log = {0};
    enum status s = wal_replay_run(&replay, &log, reterr);
    wal_log_deinit(&log);
    if (s == STATUS_OK)
        *ret_records = v.records;
    return s;
}
