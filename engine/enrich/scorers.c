/*
 * scorers.c - runs the scorers of scorer.def over a span and keeps what they share.
 *
 * Place:     span_view -> [here: score_NAME one after the other, then user rules] -> score_list
 * Memory:    a scratch arena, emptied for every span; findings are copied into the caller's. Message facts live in
 *            scorer_cache, calls of traces in trace_memory; with the sets under construction they are bounded by
 *            SCORER_CACHE_BYTES_MAX together.
 * Invariant: every value that leaves is in [0, 1].
 * Threads:   one user at a time (the enricher's lock).
 */
#include "engine/enrich/scorers_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/enrich/call_hash.h"
#include "engine/enrich/rule.h"
#include "engine/enrich/score_grounding.h"

#define LOOP_REPEATS_DEFAULT        3
#define RETRIEVAL_SCORE_MIN_DEFAULT 0.2
/* Words of a message beyond are not looked at; the sets are full long before. */
#define FACTS_WORDS_MAX (1u << 20)
/* The four sets of struct scorers when they are full. */
#define SETS_BYTES_MAX (4 * 2 * WORD_SET_MAX * sizeof(uint32_t))

static const struct {
    const char *name;
    const char *version;
    const char *error_class;
    double threshold;
    const char *doc;
    bool (*run)(struct scorer_run *run, struct score *ret);
} scorer_table[SCORER_COUNT] = {
#define SCORER(name, version, class, threshold, doc)                                               \
    {#name, version, class, threshold, doc, score_##name},
#include "engine/enrich/scorer.def"
#undef SCORER
};
static_assert(SCORER_COUNT <= 64, "scorer_options.disabled has a bit a scorer");

const char *scorer_name(enum scorer_id id)
{
    return scorer_table[id].name;
}

const char *scorer_version(enum scorer_id id)
{
    return scorer_table[id].version;
}

const char *scorer_doc(enum scorer_id id)
{
    return scorer_table[id].doc;
}

void scorer_options_init(struct scorer_options *o)
{
    *o = (struct scorer_options){.retrieval_score_min = (double)NAN};
    for (int i = 0; i < SCORER_COUNT; i++)
        o->thresholds[i] = (double)NAN;
}

/* Fills in the defaults. 1/repeats falls below the middle between 1/k and 1/(k-1) when the k-th repetition comes. */
static void options_settle(struct scorer_options *o)
{
    if (o->loop_repeats <= 1)
        o->loop_repeats = LOOP_REPEATS_DEFAULT;
    if (isnan(o->retrieval_score_min))
        o->retrieval_score_min = RETRIEVAL_SCORE_MIN_DEFAULT;
    double k = (double)o->loop_repeats;
    for (int i = 0; i < SCORER_COUNT; i++) {
        if (!isnan(o->thresholds[i]))
            continue;
        o->thresholds[i] =
            i == SCORER_no_loop ? (1 / k + 1 / (k - 1)) / 2 : scorer_table[i].threshold;
    }
}

/* Everything that can change a score. */
static uint64_t settings_hash(const struct scorer_options *o, const struct rules *rules)
{
    struct buffer b = {0};
    for (int i = 0; i < SCORER_COUNT; i++) {
        if ((o->disabled >> i & 1) != 0)
            continue;
        buffer_printf(&b, "%s %s %s %.17g\n", scorer_table[i].name, scorer_table[i].version,
                      scorer_table[i].error_class, o->thresholds[i]);
    }
    buffer_printf(&b, "%lld %lld %lld %.17g %llx", (long long)o->latency_budget_ns,
                  (long long)o->cost_budget_nusd, (long long)o->loop_repeats,
                  o->retrieval_score_min,
                  rules != NULL ? (unsigned long long)rules_hash(rules) : 0ull);
    uint64_t hash = hash64(buffer_slice(&b));
    buffer_deinit(&b);
    return hash;
}

struct scorers *scorers_create(const struct scorer_options *options, const struct rules *rules)
{
    struct scorers *s = MEM_NEW(struct scorers);
    s->options = *options;
    options_settle(&s->options);
    s->rules = rules;
    uint64_t hash = settings_hash(&s->options, rules);
    (void)snprintf(s->version, sizeof s->version, "s1-%08x", (unsigned)(hash ^ hash >> 32));
    s->traces = trace_memory_create();
    s->cache = scorer_cache_create(SCORER_CACHE_BYTES_MAX - TRACE_MEMORY_BYTES - SETS_BYTES_MAX);
    return s;
}

void scorers_destroy(struct scorers *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < SLOT_COUNT; i++) {
        if (s->slots[i].data != NULL && s->slots[i].destroy != NULL)
            s->slots[i].destroy(s->slots[i].data);
    }
    scorer_cache_destroy(s->cache);
    trace_memory_destroy(s->traces);
    arena_deinit(&s->scratch);
    word_set_deinit(&s->words_building);
    word_set_deinit(&s->pairs_building);
    word_set_deinit(&s->retrieved_words);
    word_set_deinit(&s->retrieved_pairs);
    mem_free(s);
}

const char *scorers_version(const struct scorers *s)
{
    return s->version;
}

size_t scorers_memory(const struct scorers *s)
{
    return scorer_cache_bytes(s->cache) + TRACE_MEMORY_BYTES + word_set_bytes(&s->words_building) +
           word_set_bytes(&s->pairs_building) + word_set_bytes(&s->retrieved_words) +
           word_set_bytes(&s->retrieved_pairs);
}

struct scorer_slot *scorer_slot(struct scorer_run *run, enum scorer_slot_id id)
{
    return &run->scorers->slots[id];
}

struct slice finding(struct scorer_run *run, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return SLICE_EMPTY;
    size_t kept = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    return arena_copy(run->arena, slice_of(text, kept));
}

bool is_generation(const struct span_view *v)
{
    /* Without any recorded text nothing can be said: content capture is off. */
    return slice_is(v->kind, "llm") &&
           (v->output_count != 0 || (v->input_count != 0 && !slice_is(v->status, "error")));
}

const struct message_reading *output_reading(struct scorer_run *run, uint32_t index)
{
    struct span_memo *memo = run->memo;
    ASSERT(index < run->view->output_count);
    if (memo->readings[index] == NULL) {
        struct message_reading *reading = ARENA_ARRAY(run->arena, struct message_reading, 1);
        (void)message_read(run->view->output[index].body, run->arena, reading);
        memo->readings[index] = reading;
    }
    return memo->readings[index];
}

struct slice output_text(struct scorer_run *run)
{
    struct span_memo *memo = run->memo;
    if (memo->has_text)
        return memo->text;
    struct buffer joined = {0};
    uint32_t text_count = 0;
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        struct slice text = output_reading(run, i)->text;
        if (text.size == 0)
            continue;
        if (text_count == 1)
            buffer_add_slice(&joined, memo->text);
        if (text_count >= 1) {
            buffer_add_byte(&joined, '\n');
            buffer_add_slice(&joined, text);
        }
        memo->text = text;
        text_count++;
    }
    if (text_count > 1)
        memo->text = arena_copy(run->arena, buffer_slice(&joined));
    buffer_deinit(&joined);
    memo->has_text = true;
    return memo->text;
}

static uint32_t key_kind(uint32_t flags)
{
    return (flags & WORD_NUMBER) != 0 ? KEY_NUMBER : (flags & WORD_NAME) != 0 ? KEY_NAME : KEY_WORD;
}

/* Adds one word to the facts and the sets under construction; before: the word in front of it, or 0. */
static void word_take(struct scorers *s, struct message_facts *facts, uint32_t hash, uint32_t flags,
                      uint32_t before)
{
    facts->word_count++;
    if (before != 0 && facts->role != ROLE_ASSISTANT)
        (void)word_set_add(&s->pairs_building, word_pair(before, hash));
    if ((flags & WORD_STOP) != 0 || !word_set_add(&s->words_building, hash))
        return;
    if (facts->key_count < FACTS_KEYS_MAX)
        facts->keys[facts->key_count++] = hash | key_kind(flags);
}

static void text_take(struct scorers *s, struct message_facts *facts, struct slice text)
{
    struct words words = words_over(text);
    struct word word;
    for (uint32_t before = 0; facts->word_count < FACTS_WORDS_MAX && words_next(&words, &word);
         before = word.hash)
        word_take(s, facts, word.hash, word.flags, before);
}

static void output_words_take(struct scorers *s, struct message_facts *facts,
                              const struct output_words *words)
{
    for (uint32_t i = 0; i < words->count; i++)
        word_take(s, facts, words->items[i].hash, words->items[i].flags,
                  i == 0 ? 0 : words->items[i - 1].hash);
}

/* words: of the reading's text, or NULL. Phrases are only looked for where a scorer asks for them: refusals in answers, injections in what comes from outside. */
static void facts_compute(struct scorers *s, const struct message_reading *reading,
                          const struct output_words *words, struct message_facts *ret)
{
    *ret = (struct message_facts){.role = reading->role};
    ret->detected = detect_any(reading->text, UINT64_MAX);
    if (reading->role == ROLE_ASSISTANT || reading->role == ROLE_OTHER)
        ret->refusal = phrase_find(reading->text, PHRASE_REFUSAL);
    if (reading->role != ROLE_ASSISTANT && reading->role != ROLE_SYSTEM)
        ret->injection = phrase_find(reading->text, PHRASE_INJECTION);
    word_set_reset(&s->words_building, reading->text.size / 16);
    word_set_reset(&s->pairs_building, reading->text.size / 8);
    if (words != NULL)
        output_words_take(s, ret, words);
    else
        text_take(s, ret, reading->text);
    ret->call_count = reading->call_count;
    for (uint32_t i = 0; i < reading->call_count; i++) {
        const struct tool_call *call = &reading->calls[i];
        if (i < FACTS_CALLS_MAX)
            ret->calls[i] = call_hash(call->name, call->arguments, &s->scratch);
        text_take(s, ret, call->name);
        text_take(s, ret, call->arguments);
    }
    ret->set = word_set_copy(&s->words_building);
    ret->pairs = word_set_copy(&s->pairs_building);
    if (reading->role == ROLE_USER || reading->role == ROLE_SYSTEM || reading->role == ROLE_OTHER)
        ret->asks_with_context = announces_context(reading->text);
}

/* Where the memo keeps the place of a message in the cache; NULL for messages that aren't the view's. */
static uint32_t *hint_of(struct scorer_run *run, const struct text_message *m)
{
    const struct span_view *v = run->view;
    if (v->input_count != 0 && m >= v->input && m < v->input + v->input_count)
        return &run->memo->input_hints[m - v->input];
    if (v->output_count != 0 && m >= v->output && m < v->output + v->output_count)
        return &run->memo->output_hints[m - v->output];
    return NULL;
}

const struct message_facts *facts_of(struct scorer_run *run, const struct text_message *m)
{
    struct scorers *s = run->scorers;
    const struct span_view *v = run->view;
    uint32_t none = 0;
    uint32_t *hint = hint_of(run, m);
    if (hint == NULL)
        hint = &none;
    const struct message_facts *known = scorer_cache_find(s->cache, m->address, hint);
    if (known != NULL || m->body.size == 0)
        return known;
    struct message_reading own;
    const struct message_reading *reading = &own;
    const struct output_words *words = NULL;
    if (v->output_count != 0 && m >= v->output && m < v->output + v->output_count) {
        reading = output_reading(run, (uint32_t)(m - v->output));
        if (v->output_count == 1)
            words = output_words(run);
    } else {
        (void)message_read(m->body, run->arena, &own);
    }
    struct message_facts facts;
    facts_compute(s, reading, words, &facts);
    return scorer_cache_put(s->cache, m->address, &facts, hint);
}

const struct input_note *input_notes(struct scorer_run *run)
{
    struct span_memo *memo = run->memo;
    const struct span_view *v = run->view;
    if (memo->notes != NULL)
        return memo->notes;
    struct input_note *notes = ARENA_ARRAY(run->arena, struct input_note, v->input_count + 1);
    memo->newest_user = v->input_count;
    for (uint32_t i = 0; i < v->input_count; i++) {
        const struct message_facts *facts = facts_of(run, &v->input[i]);
        notes[i] = (struct input_note){.role = ROLE_OTHER};
        if (facts == NULL)
            continue;
        notes[i] = (struct input_note){
            .role = (uint8_t)facts->role,
            .known = true,
            .calls = facts->call_count != 0,
            .gives_context = facts->role == ROLE_TOOL || facts->asks_with_context,
        };
        if (facts->role == ROLE_USER)
            memo->newest_user = i;
    }
    memo->notes = notes;
    return notes;
}

uint32_t newest_user_message(struct scorer_run *run)
{
    (void)input_notes(run);
    return run->memo->newest_user;
}

const struct output_words *output_words(struct scorer_run *run)
{
    struct span_memo *memo = run->memo;
    if (memo->has_words)
        return &memo->words;
    struct slice text = output_text(run);
    if (text.size > UINT32_MAX)
        text.size = UINT32_MAX;
    struct words words = words_over(text);
    struct word word;
    size_t capacity = 0;
    struct output_words *to = &memo->words;
    while (to->count < OUTPUT_WORDS_MAX && words_next(&words, &word)) {
        if (to->count == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 4;
            struct output_word *items = ARENA_ARRAY(run->arena, struct output_word, capacity);
            bytes_copy(items, to->items, to->count * sizeof *items);
            to->items = items;
        }
        to->items[to->count++] = (struct output_word){
            .hash = word.hash,
            .flags = word.flags,
            .start = (uint32_t)(word.text.data - text.data),
            .size = (uint32_t)word.text.size,
        };
    }
    memo->has_words = true;
    return to;
}

static double within_unit(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static void scorer_apply(struct scorer_run *run, int id, struct score_list *ret)
{
    struct score score = {.finding = SLICE_EMPTY, .error_class = SLICE_EMPTY};
    if (!scorer_table[id].run(run, &score) || isnan(score.value))
        return;
    score.name = scorer_table[id].name;
    score.value = within_unit(score.value);
    if (score.value >= run->options->thresholds[id])
        score.error_class = SLICE_EMPTY;
    else if (score.error_class.size == 0)
        score.error_class = slice_text(scorer_table[id].error_class);
    ret->items[ret->count++] = score;
}

void scorers_run(struct scorers *s, const struct span_view *v, struct arena *arena,
                 struct score_list *ret)
{
    arena_reset(&s->scratch);
    struct span_memo memo = {
        .text = SLICE_EMPTY,
        .input_hints = arena_zero(&s->scratch, v->input_count, sizeof(uint32_t)),
        .output_hints = arena_zero(&s->scratch, v->output_count, sizeof(uint32_t)),
        .readings = arena_zero(&s->scratch, v->output_count, sizeof(struct message_reading *)),
    };
    struct scorer_run run = {
        .scorers = s,
        .options = &s->options,
        .view = v,
        .arena = &s->scratch,
        .memo = &memo,
    };
    ret->count = 0;
    for (int i = 0; i < SCORER_COUNT; i++) {
        if ((s->options.disabled >> i & 1) == 0)
            scorer_apply(&run, i, ret);
    }
    if (s->rules != NULL)
        rules_run(s->rules, v->project, v, &s->scratch, ret);
    for (uint32_t i = 0; i < ret->count; i++) {
        struct score *score = &ret->items[i];
        if (score->finding.size != 0)
            score->finding = arena_copy(arena, score->finding);
    }
}
