/*
 * doctor_read.c - decodes, maps and enriches a request, keeping what is said of every part.
 *
 * Wrong label: when the body does not decode as what it was said to be, the three other readings (traces or logs, protobuf or JSON) are
 *           tried; the first that gives something is taken, and the advice says what a server would have answered.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/doctor.h"

#define CONTEXT_BYTES 8u /* shown before and after the place of an error */

static void note_take(void *context, const struct mapping_note *note)
{
    struct doctor *d = context;
    struct doctor_item *item = d->current;
    if (item == NULL)
        return;
    item->notes = mem_grow(item->notes, &item->notes_capacity, (size_t)item->note_count + 1,
                           sizeof *item->notes);
    item->notes[item->note_count++] = (struct doctor_note){
        .source = doctor_keep(d, note->source),
        .value = doctor_keep(d, note->value),
        .column = note->column == NULL ? NULL : arena_strdup(&d->arena, note->column),
        .why = note->why == NULL ? "" : arena_strdup(&d->arena, note->why),
    };
}

void doctor_init(struct doctor *d, const struct doctor_source *source,
                 struct enricher *own_enricher)
{
    const struct mapper_explain explain = {.note = note_take, .context = d};
    *d = (struct doctor){.source = source, .enricher = own_enricher, .body = SLICE_EMPTY};
    schema_init(&d->schema);
    mapped_init(&d->mapped, &d->schema);
    d->mapper = mapper_create(&explain);
}

static void items_reset(struct doctor *d)
{
    for (uint32_t i = 0; i < d->item_count; i++)
        mem_free(d->items[i].notes);
    d->item_count = 0;
    d->current = NULL;
    mapped_reset(&d->mapped);
}

void doctor_deinit(struct doctor *d)
{
    items_reset(d);
    mem_free(d->items);
    mem_free(d->advice);
    mapper_destroy(d->mapper);
    mapped_deinit(&d->mapped);
    enricher_destroy(d->enricher);
    schema_deinit(&d->schema);
    buffer_deinit(&d->wire);
    buffer_deinit(&d->decoded);
    arena_deinit(&d->arena);
}

struct slice doctor_keep(struct doctor *d, struct slice text)
{
    return arena_copy(&d->arena, text);
}

void doctor_advise(struct doctor *d, enum advice_level level, const char *code, const char *format,
                   ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->advice =
        mem_grow(d->advice, &d->advice_capacity, (size_t)d->advice_count + 1, sizeof *d->advice);
    d->advice[d->advice_count++] = (struct advice){
        .level = level, .code = code, .text = arena_strdup(&d->arena, text), .first = SLICE_EMPTY};
}

/* ---- one span, one record ---- */

static struct doctor_item *item_add(struct doctor *d, struct slice name)
{
    d->items = mem_grow(d->items, &d->items_capacity, (size_t)d->item_count + 1, sizeof *d->items);
    d->current = &d->items[d->item_count++];
    *d->current = (struct doctor_item){.name = doctor_keep(d, name),
                                       .row = UINT32_MAX,
                                       .rejected = SLICE_EMPTY,
                                       .score_first = d->mapped.scores.rows};
    return d->current;
}

/* What the mapper made of the current item. */
static void item_end(struct doctor *d, uint32_t rows_before, enum status s,
                     const struct error *error)
{
    struct doctor_item *item = d->current;
    item->score_count = d->mapped.scores.rows - item->score_first;
    if (s == STATUS_OK && d->mapped.spans.rows > rows_before)
        item->row = rows_before;
    if (s == STATUS_END)
        item->rejected = slice_text("a record without a trace is not kept");
    if (s < 0)
        item->rejected = doctor_keep(d, slice_text(error->text));
    d->current = NULL;
}

static enum status span_take(void *context, const struct otlp_span *span, struct error *reterr)
{
    struct doctor *d = context;
    struct error error = {0};
    (void)reterr;
    if (d->item_count >= DOCTOR_ROWS_MAX)
        return STATUS_OK;
    struct doctor_item *item = item_add(d, span->name);
    uint32_t rows_before = d->mapped.spans.rows;
    item->trace_id = span->trace_id;
    item->span_id = span->span_id;
    item->parent_id = span->parent_id;
    item->status_code = span->status_code;
    item->ends_before_start = span->end_ns < span->start_ns;
    item_end(d, rows_before, mapper_span(d->mapper, span, &d->mapped, &error), &error);
    return STATUS_OK;
}

static enum status log_take(void *context, const struct otlp_log *log, struct error *reterr)
{
    struct doctor *d = context;
    struct error error = {0};
    (void)reterr;
    if (d->item_count >= DOCTOR_ROWS_MAX)
        return STATUS_OK;
    struct slice name = log->event_name;
    struct doctor_item *item = item_add(d, name.size > 0 ? name : slice_text("(log record)"));
    uint32_t rows_before = d->mapped.spans.rows;
    item->is_log = true;
    item->trace_id = log->trace_id;
    item->span_id = log->span_id;
    item_end(d, rows_before, mapper_log(d->mapper, log, &d->mapped, &error), &error);
    return STATUS_OK;
}

/* ---- the body ---- */

static enum status body_read(struct doctor *d, enum otlp_signal signal, enum otlp_encoding encoding,
                             struct error *reterr)
{
    const struct otlp_sink sink = {.span = span_take, .log = log_take, .context = d};
    struct otlp_reader *reader = otlp_reader_create();
    items_reset(d);
    d->result = (struct otlp_result){0};
    enum status s = otlp_read(reader, signal, encoding, d->body, &sink, &d->result, reterr);
    otlp_reader_destroy(reader);
    return s;
}

/* Bytes around a place, the one at it in brackets. */
static void context_add(struct buffer *to, struct slice bytes, int64_t position)
{
    if (position < 0 || bytes.size == 0)
        return;
    size_t at = (uint64_t)position < bytes.size ? (size_t)position : bytes.size - 1;
    size_t first = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;
    size_t last = at + CONTEXT_BYTES < bytes.size ? at + CONTEXT_BYTES : bytes.size - 1;
    buffer_printf(to, " (byte %lld of %zu:", (long long)position, bytes.size);
    for (size_t i = first; i <= last; i++)
        buffer_printf(to, i == at ? " [%02x]" : " %02x", bytes.data[i]);
    buffer_add_byte(to, ')');
}

static const char *signal_name(enum otlp_signal signal)
{
    return signal == OTLP_LOGS ? "logs" : "traces";
}

static const char *encoding_name(enum otlp_encoding encoding)
{
    return encoding == OTLP_JSON ? "JSON" : "protobuf";
}

static void wrong_label(struct doctor *d, enum otlp_signal signal, enum otlp_encoding encoding,
                        const struct error *error)
{
    struct buffer where = {0};
    context_add(&where, d->body, error->position);
    buffer_add_byte(&where, 0);
    if (signal != d->signal)
        doctor_advise(
            d, ADVICE_ERROR, "signal",
            "this is a %s export, not %s: a server answers 400 (%s%s); post it to /v1/%s%s",
            signal_name(signal), signal_name(d->signal), error->text, (const char *)where.data,
            signal_name(signal),
            d->source->has_signal || signal == OTLP_TRACES ? "" : ", or say --logs here");
    if (encoding != d->encoding)
        doctor_advise(d, ADVICE_ERROR, "content_type",
                      "the body is %s, but Content-Type says %s: a server answers 400 (%s%s)",
                      encoding_name(encoding), encoding_name(d->encoding), error->text,
                      (const char *)where.data);
    buffer_deinit(&where);
    d->signal = signal;
    d->encoding = encoding;
}

/* Tries the other readings; the first that holds something is taken. */
static bool read_otherwise(struct doctor *d, const struct error *error)
{
    for (uint32_t i = 1; i < 4; i++) {
        enum otlp_signal signal = (i & 1) == 0             ? d->signal
                                  : d->signal == OTLP_LOGS ? OTLP_TRACES
                                                           : OTLP_LOGS;
        enum otlp_encoding encoding = (i & 2) == 0               ? d->encoding
                                      : d->encoding == OTLP_JSON ? OTLP_PROTOBUF
                                                                 : OTLP_JSON;
        if (body_read(d, signal, encoding, NULL) < 0 || d->result.accepted == 0)
            continue;
        wrong_label(d, signal, encoding, error);
        return true;
    }
    return false;
}

static enum status not_read(struct doctor *d, const struct error *error, struct error *reterr)
{
    struct buffer text = {0};
    const char *looks = doctor_looks_like(d->body);
    context_add(&text, d->body, error->position);
    buffer_printf(&text, ". It looks like %s", looks);
    buffer_add_byte(&text, 0);
    enum status s = error_set_at(
        reterr, error->status, error->position, "%s: no %s export in %s: %.600s%s", d->source->name,
        signal_name(d->signal), encoding_name(d->encoding), error->text, (const char *)text.data);
    buffer_deinit(&text);
    return s;
}

static enum status enrich_all(struct doctor *d, struct error *reterr)
{
    d->scores = builder_batch(&d->mapped.scores);
    d->tags = builder_batch(&d->mapped.tags);
    d->work = (struct enrich_work){.project = slice_text("default"),
                                   .schema = &d->schema,
                                   .spans = builder_batch(&d->mapped.spans),
                                   .messages = d->mapped.messages.messages,
                                   .message_count = d->mapped.messages.count,
                                   .lenient = true,
                                   .arena = &d->arena};
    return enrich(d->enricher, &d->work, &d->counts, reterr);
}

enum status doctor_read(struct doctor *d, struct error *reterr)
{
    struct error error = {0};
    enum status s = body_read(d, d->signal, d->encoding, &error);
    if (s < 0 && s != STATUS_INVALID) {
        if (reterr != NULL)
            *reterr = error;
        return s;
    }
    if (s < 0 && !read_otherwise(d, &error))
        return not_read(d, &error, reterr);
    return enrich_all(d, reterr);
}
