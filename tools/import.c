/*
 * import.c - batches out, bad rows reported.
 */
#include "tools/import.h"

#include <stdio.h>

#include "engine/base/check.h"

void import_init(struct import *im, enum table table, uint32_t batch_rows, struct sink *sink)
{
    *im = (struct import){.sink = sink, .table = table, .batch_rows = batch_rows};
    schema_init(&im->schema);
    fill_init(&im->fill, table, &im->schema, batch_rows);
    message_set_init(&im->messages);
}

void import_deinit(struct import *im)
{
    fill_deinit(&im->fill);
    message_set_deinit(&im->messages);
    schema_deinit(&im->schema);
}

void import_begin(struct import *im)
{
    ASSERT(im->fill.rows == 0);
    fill_deinit(&im->fill);
    fill_init(&im->fill, im->table, &im->schema, im->batch_rows);
    message_set_reset(&im->messages);
}

enum status import_reject(struct import *im, const char *file, uint64_t line, uint64_t column,
                          struct slice field, const char *text, struct error *reterr)
{
    im->rejected++;
    if (im->rejected <= IMPORT_REPORTS_MAX) {
        progress_end(&im->sink->progress);
        (void)fprintf(stderr, "driftline: %s:%llu:", file, (unsigned long long)line);
        if (column != 0)
            (void)fprintf(stderr, "%llu:", (unsigned long long)column);
        if (field.size != 0)
            (void)fprintf(stderr, " field %.*s:", SLICE_ARG(field));
        (void)fprintf(stderr, " %s\n", text);
    }
    if (im->rejected == IMPORT_REPORTS_MAX + 1)
        (void)fprintf(stderr, "driftline: more bad rows follow and are only counted\n");
    if (im->rejects_max != 0 && im->rejected >= im->rejects_max)
        return error_set(reterr, STATUS_LIMIT,
                         "%s:%llu: stopped after %llu bad rows (--max-errors)", file,
                         (unsigned long long)line, (unsigned long long)im->rejected);
    return STATUS_OK;
}

enum status import_row(struct import *im, const char *file, uint64_t line, struct error *reterr)
{
    if (im->fill.rows == 0)
        im->origin = (struct sink_origin){.file = file, .line_first = line};
    im->origin.line_last = line;
    fill_row_end(&im->fill);
    if (im->fill.rows < im->batch_rows && im->fill.bytes + im->messages.bytes < IMPORT_BATCH_BYTES)
        return STATUS_OK;
    return import_flush(im, reterr);
}

enum status import_flush(struct import *im, struct error *reterr)
{
    if (im->fill.rows == 0)
        return STATUS_OK;
    struct batch batch = fill_batch(&im->fill);
    struct wire_input in = {.messages = im->messages.messages, .message_count = im->messages.count};
    if (im->table == TABLE_SPANS)
        in.spans = &batch;
    else if (im->table == TABLE_SCORES)
        in.scores = &batch;
    else
        in.tags = &batch;
    enum status s = sink_send(im->sink, &in, &im->origin, reterr);
    if (s < 0)
        error_prefix(reterr, "%s:%llu-%llu", im->origin.file,
                     (unsigned long long)im->origin.line_first,
                     (unsigned long long)im->origin.line_last);
    fill_reset(&im->fill);
    message_set_reset(&im->messages);
    return s;
}
