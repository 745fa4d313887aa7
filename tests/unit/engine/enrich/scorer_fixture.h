/*
 * scorer_fixture.h - spans made of JSON messages, real data where it is at hand, and how well scores rank.
 */
#ifndef DRIFTLINE_TESTS_SCORER_FIXTURE_H
#define DRIFTLINE_TESTS_SCORER_FIXTURE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/scorer.h"

#define FIXTURE_MESSAGES_MAX 256u

/* Zero is valid and empty; the view is settled by fixture_begin. */
struct fixture {
    struct scorers *scorers;
    struct arena arena;
    struct span_view view;
    struct text_message input[FIXTURE_MESSAGES_MAX];
    struct text_message output[FIXTURE_MESSAGES_MAX];
    struct score_list scores;
};

static inline struct span_view view_empty(void)
{
    struct span_view v;
    memset(&v, 0, sizeof v);
    v.project = v.session = v.kind = v.name = v.model = v.model_served = v.provider = SLICE_EMPTY;
    v.service = v.prompt_name = v.prompt_version = v.environment = v.status = SLICE_EMPTY;
    v.finish_reason = v.error_type = v.error_message = v.tool_name = v.tool_call_id = SLICE_EMPTY;
    v.tool_args = v.tool_result = v.retrieved = v.attributes = SLICE_EMPTY;
    v.http_status = v.latency_ns = v.ttft_ns = v.tokens_in = v.tokens_out = v.cost_nusd = -1;
    v.tool_result_empty = v.retrieved_count = -1;
    v.temperature = v.retrieved_top_score = (double)NAN;
    return v;
}

/* An empty llm span. */
static inline void fixture_span(struct fixture *f)
{
    f->view = view_empty();
    f->view.kind = slice_text("llm");
    f->view.status = slice_text("ok");
    f->view.input = f->input;
    f->view.output = f->output;
}

static inline struct fixture *fixture_begin(const struct scorer_options *options)
{
    struct fixture *f = MEM_NEW(struct fixture);
    struct scorer_options defaults;
    scorer_options_init(&defaults);
    f->scorers = scorers_create(options != NULL ? options : &defaults, NULL);
    fixture_span(f);
    return f;
}

static inline void fixture_end(struct fixture *f)
{
    scorers_destroy(f->scorers);
    arena_deinit(&f->arena);
    mem_free(f);
}

static inline struct text_message message_of(struct slice body)
{
    return (struct text_message){.address = hash128(body), .body = body};
}

static inline void fixture_input(struct fixture *f, const char *body)
{
    ASSERT(f->view.input_count < FIXTURE_MESSAGES_MAX);
    f->input[f->view.input_count++] = message_of(slice_text(body));
}

static inline void fixture_output(struct fixture *f, const char *body)
{
    ASSERT(f->view.output_count < FIXTURE_MESSAGES_MAX);
    f->output[f->view.output_count++] = message_of(slice_text(body));
}

/* {"role":role,"content":text} in the arena. */
static inline const char *said(struct fixture *f, const char *role, struct slice text)
{
    struct buffer b = {0};
    buffer_printf(&b, "{\"role\":\"%s\",\"content\":", role);
    buffer_add_json(&b, text);
    buffer_add_byte(&b, '}');
    struct slice body = arena_copy(&f->arena, buffer_slice(&b));
    buffer_deinit(&b);
    return (const char *)body.data;
}

/* NULL: the scorer had nothing to say. */
static inline const struct score *fixture_score(struct fixture *f, enum scorer_id id)
{
    for (uint32_t i = 0; i < f->scores.count; i++) {
        if (strcmp(f->scores.items[i].name, scorer_name(id)) == 0)
            return &f->scores.items[i];
    }
    return NULL;
}

/* Runs all scorers; the value of one, or NAN. */
static inline double fixture_run(struct fixture *f, enum scorer_id id)
{
    scorers_run(f->scorers, &f->view, &f->arena, &f->scores);
    const struct score *score = fixture_score(f, id);
    return score != NULL ? score->value : (double)NAN;
}

/* Reads a file of the shared folder ($DRIFTLINE_SHARED, or ../shared beside the sources). False: it is not there. */
static inline bool shared_file(const char *name, struct buffer *to)
{
    char path[4096];
    const char *shared = getenv("DRIFTLINE_SHARED");
    const char *source = getenv("SOURCE_DIR");
    if (shared != NULL)
        (void)snprintf(path, sizeof path, "%s/%s", shared, name);
    else
        (void)snprintf(path, sizeof path, "%s/../shared/%s", source != NULL ? source : ".", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t size;
    while ((size = fread(buffer_reserve(to, 65536), 1, 65536, file)) > 0)
        to->size += size;
    fclose(file);
    return true;
}

/* How often a value of good is above one of bad, ties counting half: the area under the ROC curve. */
static inline double auc(const double *good, size_t good_count, const double *bad, size_t bad_count)
{
    double above = 0;
    for (size_t i = 0; i < good_count; i++) {
        for (size_t k = 0; k < bad_count; k++)
            above += good[i] > bad[k] ? 1 : good[i] == bad[k] ? 0.5 : 0;
    }
    return above / ((double)good_count * (double)bad_count);
}

#endif
