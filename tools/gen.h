/*
 * gen.h - synthetic LLM traffic, the same for the same seed.
 *
 * Place:  gen_model (traces) + gen_text (what was said) -> struct gen_span -> gen_write (csv, ndjson, batches)
 */
#ifndef DRIFTLINE_TOOLS_GEN_H
#define DRIFTLINE_TOOLS_GEN_H

#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "engine/span/batch.h"
#include "engine/span/message_set.h"

#define GEN_TRACE_SPANS_MAX 32u
#define GEN_SESSIONS        512u /* under way at a time */
#define GEN_HISTORY_MAX     48u  /* messages of a session, before a new one begins */
#define GEN_NO_INT          INT64_MIN

/* One span; NULL texts, GEN_NO_INT and NaN stand for no value. Texts live until the next trace. */
struct gen_span {
    int64_t time_ns, latency_ns, ttft_ns;
    struct id128 trace_id;
    uint64_t span_id, parent_id; /* parent 0: root */
    const char *session, *user_id, *service, *environment, *release;
    const char *kind, *name, *provider, *model, *model_served;
    const char *prompt_name, *prompt_version;
    double temperature;
    const char *status, *finish_reason, *error_type, *error_message, *error_class;
    int64_t http_status;
    int64_t tokens_in, tokens_out, tokens_cached, cost_nusd;
    const char *pricing_version;
    const char *tool_name, *tool_call_id, *tool_args, *tool_result;
    int64_t tool_result_empty;
    const char *retrieved;
    int64_t retrieved_count;
    double retrieved_top_score;
    double groundedness, relevance, toxicity;
    /* With text: messages of the session, input [0, input_count), output the one after them. */
    const struct message *history;
    uint32_t input_count, output_count;
};

/* What is made worse, and from when on. */
struct gen_regress {
    char prompt[64];  /* empty: nothing is */
    char version[32]; /* empty: any */
    char score[32];
    double by;             /* taken off the score (added to toxicity) */
    double latency_factor; /* 0: as it is */
    double after;          /* share of the traffic that comes before; negative: after_ns counts */
    int64_t after_ns;      /* of running */
};

struct gen_options {
    uint64_t spans; /* 0: without end */
    uint64_t seed;
    int64_t from_ns, until_ns; /* time covered */
    bool live;                 /* spans happen now, whatever from and until say */
    bool text;
    struct gen_regress regress;
};

struct gen_session {
    char name[40], user[24];
    uint32_t service; /* index; sessions stay with one */
    uint32_t turns_left;
    struct message history[GEN_HISTORY_MAX]; /* bodies owned by the session */
    uint32_t history_count;
};

struct gen {
    struct gen_options options;
    struct rng rng;
    uint64_t made; /* spans so far */
    uint64_t traces;
    int64_t started_ns;
    double *density; /* cumulated share of traffic by slice of time */
    uint32_t slices;
    struct gen_session *sessions;
    uint64_t sessions_made;
    struct arena arena; /* texts of the trace */
    struct buffer text;
    struct gen_span spans[GEN_TRACE_SPANS_MAX];
    uint32_t span_count;
};

/* STATUS_INVALID when the regression names a prompt, version or score that there isn't. */
MUST_CHECK enum status gen_init(struct gen *g, const struct gen_options *options,
                                struct error *reterr);
void gen_deinit(struct gen *g);
/* Fills g->spans with the next trace. False when all spans were made. */
bool gen_trace(struct gen *g);
/* "prompt=support-answer,version=v7,score=groundedness,by=0.08,after=0.8" */
MUST_CHECK enum status gen_regress_parse(const char *text, struct gen_regress *ret,
                                         struct error *reterr);

/* ---- gen_text.c ---- */

/* Add one message to a session's history. */
void gen_text_system(struct gen *g, struct gen_session *s, const char *service);
void gen_text_user(struct gen *g, struct gen_session *s, const char *topic);
void gen_text_answer(struct gen *g, struct gen_session *s, const char *topic, bool refused);
void gen_text_call(struct gen *g, struct gen_session *s, const char *tool, const char *call_id,
                   const char *args);
void gen_text_result(struct gen *g, struct gen_session *s, const char *tool, const char *call_id,
                     const char *result);
void gen_history_clear(struct gen_session *s);
/* JSON texts of a tool call, in the trace's arena. */
char *gen_tool_args(struct gen *g);
char *gen_tool_result(struct gen *g, bool empty, bool failed);

/* ---- gen_write.c ---- */

void gen_csv_header(bool text, struct buffer *to);
void gen_csv_row(const struct gen_span *s, bool text, struct buffer *to);
void gen_ndjson_row(const struct gen_span *s, bool text, struct buffer *to);
/* Score columns of the schema the rows go with. */
struct gen_columns {
    uint16_t groundedness, relevance, toxicity;
};
MUST_CHECK enum status gen_columns_find(struct schema *schema, struct gen_columns *ret,
                                        struct error *reterr);
/* A row of the builder; messages go into the set. */
void gen_build_row(const struct gen_span *s, bool text, const struct gen_columns *columns,
                   struct builder *b, struct message_set *messages);

#endif
