/*
 * scorer.h - deterministic scorers: pure functions from one span to numbers in [0, 1].
 *
 * Place:     engine/enrich/enrich.c -> [here] -> score.NAME columns, findings, candidate error classes
 * Meaning:   every score is in [0, 1] and 1 is good, so "low" means the same for all; a scorer that has nothing to say about a span
 *            gives no score (NULL, not 1). scorer.def lists name, version, what it applies to and its formula; a changed formula is a
 *            new version.
 * Text once: verdicts of a message are remembered by its address (bounded), so that a history repeated k times is looked at once.
 * Threads:   a struct scorers belongs to whoever holds the enricher's lock.
 */
#ifndef DRIFTLINE_ENRICH_SCORER_H
#define DRIFTLINE_ENRICH_SCORER_H

#include "engine/base/id.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

/* SCORER(name, version, class, threshold, doc): class: error class suggested when the score is below the threshold, or "". */
enum scorer_id {
#define SCORER(name, version, class, threshold, doc) SCORER_##name,
#include "engine/enrich/scorer.def"
#undef SCORER
    SCORER_COUNT
};
const char *scorer_name(enum scorer_id id);    /* "json_valid" */
const char *scorer_version(enum scorer_id id); /* "1" */
const char *scorer_doc(enum scorer_id id);

struct text_message {
    struct id128 address;
    struct slice body; /* JSON object; empty: the body is not at hand */
};

/* One span as scorers see it. Slices are empty and numbers -1 (doubles NAN) when NULL. Messages in order. */
struct span_view {
    struct slice project; /* whose user rules apply */
    struct id128 trace_id;
    uint64_t span_id, parent_id;
    int64_t time_ns;
    struct slice session, kind, name, model, model_served, provider, service, prompt_name, prompt_version, environment;
    struct slice status, finish_reason, error_type, error_message;
    int64_t http_status, latency_ns, ttft_ns, tokens_in, tokens_out, cost_nusd;
    double temperature;
    struct slice tool_name, tool_call_id, tool_args, tool_result;
    bool has_tool_result;       /* NULL and "" are different */
    int64_t tool_result_empty;  /* 0, 1, -1 unknown */
    struct slice retrieved;     /* JSON array */
    bool has_retrieved;
    int64_t retrieved_count;
    double retrieved_top_score;
    const struct text_message *input;
    uint32_t input_count;
    const struct text_message *output;
    uint32_t output_count;
    const struct text_message *tools; /* definitions */
    uint32_t tool_count;
    struct slice attributes;
};

struct score {
    const char *name;           /* without "score." */
    double value;               /* [0, 1] */
    struct slice finding;       /* why it is below 1, in words; empty: nothing to say */
    struct slice error_class;   /* suggested, or empty */
};

struct score_list {
    struct score items[SCORER_COUNT + 64]; /* 64: user rules, RULES_MAX */
    uint32_t count;
};

struct scorer_options {
    /* Bits: 1 = off. */
    uint64_t disabled;
    double thresholds[SCORER_COUNT]; /* NAN: the default of scorer.def */
    int64_t latency_budget_ns;       /* of an llm span; 0: none */
    int64_t cost_budget_nusd;        /* of one span; 0: none */
    int64_t loop_repeats;            /* 0: 3; the same tool with the same arguments this often is a loop */
    double retrieval_score_min;      /* NAN: 0.2 */
};
void scorer_options_init(struct scorer_options *o);

struct rules; /* user rules, rule.h */
struct scorers;
/* rules may be NULL; borrowed. */
struct scorers *scorers_create(const struct scorer_options *options, const struct rules *rules);
void scorers_destroy(struct scorers *s);
/* Fills *ret: the scorers in the order of scorer.def, then the user rules of the view's project (nobody else needs to call rules_run).
 * Text in it lives in the arena or is constant. */
void scorers_run(struct scorers *s, const struct span_view *v, struct arena *arena, struct score_list *ret);
/* A short stable text of all versions, options and rules in force ("s1-5f0c2a9b"): what scorer_version says. */
const char *scorers_version(const struct scorers *s);
/* Memory of its caches; bounded by SCORER_CACHE_BYTES_MAX. */
#define SCORER_CACHE_BYTES_MAX (64u << 20)
size_t scorers_memory(const struct scorers *s);

#endif
