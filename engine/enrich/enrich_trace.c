/*
 * enrich_trace.c - what only shows when one looks at a trace: calls that fail again and again, and spans that never came.
 *
 * Retry loop:       a failed llm or tool call is remembered by what it asked (tool and arguments; model and input). The
 *                   scorer option loop_repeats says from which repeat on the class is `loop`.
 * Missing parents:  SDKs export a span when it ends, so a parent comes after its children and the root comes last. When a
 *                   finished root arrives, a parent that spans of its trace name and that is still not there was lost: the
 *                   process died, or an instrumentation never ended it (several do that with the span of a rejected call).
 * Missing children: likewise a finished agent whose trace has no span naming it as parent did its work unseen.
 *                   Tool calls that an answer asked for and no tool span carried out are not counted as missing: handoffs and
 *                   final-answer tools are asked for and never carried out.
 * Soundness:        memory of spans is a Bloom filter, so it can only err towards "it came". Spans that come after the
 *                   verdict (another process, a late exporter) don't take it back; that is why these are scores with a
 *                   finding and not an error class.
 * Bounds:           FAMILY_TRACES traces, FAMILY_WAITING_MAX missing parents each; a trace with more gets no verdict.
 */
#include "engine/enrich/enrich_internal.h"

#include "engine/base/hash.h"
#include "engine/enrich/call_hash.h"

#define FAMILY_TRACES        8192u
#define FAMILY_WAYS          4u
#define FAMILY_WAITING_MAX   14u
#define FILTER_WORDS         8u /* 512 bits */
#define LOOP_REPEATS_DEFAULT 3

struct filter {
    uint64_t words[FILTER_WORDS];
};

/* Two bits a value. True: it was there before, or so it seems. */
static bool filter_add(struct filter *f, uint64_t value)
{
    uint64_t hash = hash_mix(value);
    uint64_t *first = &f->words[hash & (FILTER_WORDS - 1)];
    uint64_t *second = &f->words[(hash >> 8) & (FILTER_WORDS - 1)];
    uint64_t first_bit = 1ull << ((hash >> 16) & 63);
    uint64_t second_bit = 1ull << ((hash >> 24) & 63);
    bool had = (*first & first_bit) != 0 && (*second & second_bit) != 0;
    *first |= first_bit;
    *second |= second_bit;
    return had;
}

static bool filter_has(const struct filter *f, uint64_t value)
{
    struct filter copy = *f;
    return filter_add(&copy, value);
}

struct family {
    struct id128 trace_id;
    uint32_t spans;
    uint16_t waiting_count;
    bool waiting_overflow;
    struct filter seen;                   /* spans that came */
    struct filter parents;                /* spans that are somebody's parent */
    uint64_t waiting[FAMILY_WAITING_MAX]; /* parents that did not come yet */
};

/* The ways of a set, apart from what they stand for, so that a look at all four is one cache line. */
struct family_set {
    uint64_t hashes[FAMILY_WAYS];
    uint64_t touched[FAMILY_WAYS]; /* 0: free */
};

struct families {
    struct family_set *sets;
    struct family *families;
    uint64_t now;
};

struct families *families_create(void)
{
    struct families *f = MEM_NEW(struct families);
    f->sets = mem_zero(FAMILY_TRACES / FAMILY_WAYS, sizeof *f->sets);
    f->families = mem_zero(FAMILY_TRACES, sizeof *f->families);
    return f;
}

void families_destroy(struct families *f)
{
    if (f == NULL)
        return;
    mem_free(f->sets);
    mem_free(f->families);
    mem_free(f);
}

/* The family of a trace, which is touched; NULL: not remembered. */
static struct family *family_of(struct families *f, struct id128 trace_id, bool create)
{
    uint64_t hash = id128_hash(trace_id);
    size_t place = hash % (FAMILY_TRACES / FAMILY_WAYS);
    struct family_set *set = &f->sets[place];
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < FAMILY_WAYS; i++) {
        struct family *family = &f->families[place * FAMILY_WAYS + i];
        if (set->hashes[i] == hash && set->touched[i] != 0 &&
            id128_equal(family->trace_id, trace_id)) {
            set->touched[i] = ++f->now;
            return family;
        }
        if (set->touched[i] < set->touched[oldest])
            oldest = i;
    }
    if (!create)
        return NULL;
    set->hashes[oldest] = hash;
    set->touched[oldest] = ++f->now;
    struct family *family = &f->families[place * FAMILY_WAYS + oldest];
    *family = (struct family){.trace_id = trace_id};
    return family;
}

static void arrived(struct family *f, uint64_t span_id)
{
    f->spans += !filter_add(&f->seen, span_id);
    for (uint32_t i = 0; i < f->waiting_count; i++) {
        if (f->waiting[i] == span_id) {
            f->waiting[i] = f->waiting[--f->waiting_count];
            return;
        }
    }
}

static void named_parent(struct family *f, uint64_t parent_id)
{
    (void)filter_add(&f->parents, parent_id);
    if (filter_has(&f->seen, parent_id))
        return;
    for (uint32_t i = 0; i < f->waiting_count; i++) {
        if (f->waiting[i] == parent_id)
            return;
    }
    if (f->waiting_count == FAMILY_WAITING_MAX)
        f->waiting_overflow = true;
    else
        f->waiting[f->waiting_count++] = parent_id;
}

void families_note(struct families *f, const struct batch *spans)
{
    const struct vector *traces = batch_vector(spans, SPANS_trace_id);
    const struct vector *ids = batch_vector(spans, SPANS_span_id);
    const struct vector *parents = batch_vector(spans, SPANS_parent_id);
    struct family *family = NULL;
    if (traces == NULL || ids == NULL)
        return;
    for (uint32_t row = 0; row < spans->rows; row++) {
        struct id128 trace_id = traces->id128[row];
        if (family == NULL || !id128_equal(family->trace_id, trace_id))
            family = family_of(f, trace_id, true);
        arrived(family, ids->id64[row]);
        if (parents != NULL && vector_has(parents, row))
            named_parent(family, parents->id64[row]);
    }
}

/* ---- scores ---- */

static bool is_off(const struct enricher *e, enum trace_scorer id)
{
    return (e->settings.scorers.disabled >> (SCORER_COUNT + id) & 1) != 0;
}

static const char *const names[] = {
#define TRACE_SCORER(name, version, doc) #name,
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
};

static struct score *score_add(struct score_list *to, enum trace_scorer id, double value)
{
    struct score *score = &to->items[to->count++];
    *score = (struct score){
        .name = names[id], .value = value, .finding = SLICE_EMPTY, .error_class = SLICE_EMPTY};
    return score;
}

static bool room(const struct score_list *list)
{
    return list->count < sizeof list->items / sizeof *list->items;
}

static uint64_t llm_call_hash(const struct span_view *view)
{
    uint64_t hash = hash64(view->name) ^ hash_mix(hash64(view->model));
    for (uint32_t i = 0; i < view->input_count; i++)
        hash = hash_mix(hash ^ id128_hash(view->input[i].address));
    return hash;
}

static void retry_loop(struct enricher *e, const struct span_view *view, struct arena *scratch,
                       struct score_list *to)
{
    bool is_tool = slice_is(view->kind, "tool");
    struct class_facts facts = {.status = view->status,
                                .finish_reason = view->finish_reason,
                                .error_type = view->error_type,
                                .error_message = view->error_message,
                                .http_status = view->http_status};
    /* Two calls without input are not known to be the same call. */
    if ((!is_tool && (!slice_is(view->kind, "llm") || view->input_count == 0)) ||
        !class_facts_failed(&facts))
        return;
    struct slice name = view->tool_name.size > 0 ? view->tool_name : view->name;
    uint64_t call = is_tool ? call_hash(name, view->tool_args, scratch) : llm_call_hash(view);
    uint32_t repeats = trace_memory_note(e->failures, view->trace_id, view->span_id, call);
    struct score *score = score_add(to, TRACE_no_retry_loop, 1.0 / repeats);
    if (repeats == 1)
        return;
    score->finding =
        slice_text(arena_printf(scratch, "the same call failed %u times in this trace", repeats));
    int64_t loop = e->settings.scorers.loop_repeats;
    if (repeats >= (loop > 0 ? loop : LOOP_REPEATS_DEFAULT))
        score->error_class = slice_text("loop");
}

static void missing_parents(const struct family *family, struct arena *scratch,
                            struct score_list *to)
{
    uint32_t missing = family->waiting_count;
    double came = family->spans;
    struct score *score = score_add(to, TRACE_trace_complete, came / (came + missing));
    if (missing > 0)
        score->finding = slice_text(arena_printf(
            scratch,
            "%u parent%s named by spans of this trace had not come when its root did: %016llx%s",
            missing, missing == 1 ? "" : "s", (unsigned long long)family->waiting[0],
            missing == 1 ? "" : ", ..."));
}

static void missing_children(struct score_list *to)
{
    struct score *score = score_add(to, TRACE_trace_complete, 0);
    score->finding = slice_text("no child of this finished agent had come when it did");
}

void trace_scores_locked(struct enricher *e, const struct span_view *view, struct arena *scratch,
                         struct score_list *to)
{
    if (!is_off(e, TRACE_no_retry_loop) && room(to))
        retry_loop(e, view, scratch, to);
    bool is_root = view->parent_id == 0;
    bool is_agent = slice_is(view->kind, "agent");
    if (is_off(e, TRACE_trace_complete) || !room(to) || view->latency_ns < 0 ||
        (!is_root && !is_agent))
        return;
    const struct family *family = family_of(e->families, view->trace_id, false);
    if (family == NULL)
        return;
    if (is_agent && !filter_has(&family->parents, view->span_id))
        missing_children(to);
    else if (is_root && family->spans > 1 && !family->waiting_overflow)
        missing_parents(family, scratch, to);
}
