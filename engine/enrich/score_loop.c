/*
 * score_loop.c - is the agent doing the same thing again and again?
 *
 * Formula:   1 / repeats. Repeats: how often the trace made this very call (same tool, same arguments: call_hash.h), this
 *            time included; of several calls in one answer the most repeated counts. The k-th time (loop_repeats) is a loop.
 * Where:     llm spans: in the history they send. Tool spans, and llm spans without a history: in the trace memory, which
 *            keeps the two apart, because a call is asked for once and executed once.
 * Silence:   spans without a tool call.
 * Source:    repetition of (action, arguments) as the sign of a stuck agent: AgentBench (Liu et al. 2023, section 4.3,
 *            "task limit exceeded" by repeated rounds), ReAct (Yao et al. 2022, section 3.3, "repetitively generates the
 *            previous thoughts and actions").
 */
#include "engine/base/hash.h"
#include "engine/enrich/call_hash.h"
#include "engine/enrich/scorers_internal.h"

struct repeats {
    uint32_t most;
    struct slice name; /* of the call repeated the most */
};

static void repeats_take(struct repeats *r, uint32_t count, struct slice name)
{
    if (count > r->most) {
        r->most = count;
        r->name = name;
    }
}

/* How often the call stands in the span's input. */
static uint32_t history_count(struct scorer_run *run, uint64_t call)
{
    const struct input_note *notes = input_notes(run);
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->view->input_count; i++) {
        const struct message_facts *facts =
            notes[i].calls ? facts_of(run, &run->view->input[i]) : NULL;
        for (uint32_t k = 0; facts != NULL && k < facts->call_count && k < FACTS_CALLS_MAX; k++)
            count += facts->calls[k] == call;
    }
    return count;
}

/* The calls the output asks for. */
struct asked {
    uint64_t calls[FACTS_CALLS_MAX];
    struct slice names[FACTS_CALLS_MAX];
    uint32_t count;
};

static void asked_read(struct scorer_run *run, struct asked *ret)
{
    ret->count = 0;
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->output[i]);
        if (facts == NULL || facts->call_count == 0)
            continue;
        const struct message_reading *reading = output_reading(run, i);
        for (uint32_t k = 0; k < facts->call_count && k < reading->call_count &&
                             k < FACTS_CALLS_MAX && ret->count < FACTS_CALLS_MAX;
             k++) {
            ret->calls[ret->count] = facts->calls[k];
            ret->names[ret->count++] = reading->calls[k].name;
        }
    }
}

static struct repeats generation_repeats(struct scorer_run *run)
{
    const struct span_view *v = run->view;
    struct repeats r = {0};
    struct asked asked;
    asked_read(run, &asked);
    for (uint32_t i = 0; i < asked.count; i++) {
        uint32_t count = 1;
        for (uint32_t k = 0; k < i; k++)
            count += asked.calls[k] == asked.calls[i];
        if (v->input_count != 0)
            count += history_count(run, asked.calls[i]);
        else if (!id128_is_zero(v->trace_id))
            count = trace_memory_note_at(run->scorers->traces, v->trace_id, v->span_id + i,
                                         v->time_ns, hash_mix(asked.calls[i]));
        repeats_take(&r, count, asked.names[i]);
    }
    return r;
}

static struct repeats execution_repeats(struct scorer_run *run)
{
    const struct span_view *v = run->view;
    struct repeats r = {0};
    if (v->tool_name.size == 0 || id128_is_zero(v->trace_id))
        return r;
    uint64_t hash = call_hash(v->tool_name, v->tool_args, run->arena);
    uint32_t count =
        trace_memory_note_at(run->scorers->traces, v->trace_id, v->span_id, v->time_ns, hash);
    repeats_take(&r, count, v->tool_name);
    return r;
}

bool score_no_loop(struct scorer_run *run, struct score *ret)
{
    struct repeats r =
        slice_is(run->view->kind, "tool") ? execution_repeats(run) : generation_repeats(run);
    if (r.most == 0)
        return false;
    ret->value = 1.0 / r.most;
    if (r.most > 1)
        ret->finding = finding(run, "%.*s was called %u times with the same arguments",
                               SLICE_ARG(r.name), r.most);
    return true;
}
