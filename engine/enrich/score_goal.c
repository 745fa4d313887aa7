/*
 * score_goal.c - is the agent still after what the user came for, and does it remember what it was told?
 *
 * on_goal, of a generation with words in it (answer and tool calls):
 *   Formula:   |S and G| / sqrt(|S| |G|), the Ochiai coefficient (Ochiai 1957), which is the cosine of two sets: S are the
 *              content words of the step, G those of the objective.
 *   Objective: the first user message with at least GOAL_WORDS_MIN content words ("Hi there" is none). A later user message
 *              opens a new one when it is that long, and shares next to nothing with the objective nor with what the
 *              assistant just asked; then the better of the two similarities counts.
 *   Reading:   a single step may well share no word with the objective ("What is your user id?"); what tells is its mean
 *              over a session, and how many steps of it are far off.
 *   Source:    goal drift as distance between actions and the instruction: Arike et al., "Evaluating Goal Drift in Language
 *              Model Agents", 2025, which asks a model; this is the lexical stand-in that needs none.
 *
 * context_kept, of a generation that answers at least the second user message:
 *   Formula:   of the salient words (numbers and names, FACTS_SALIENT_MAX a message) of the last CONTEXT_TURNS_MAX user
 *              messages before the newest, the share that still occurs in this turn: in the newest user message or anything
 *              after it, the answer included. Source: knowledge retention over turns (DeepEval's conversational metrics),
 *              here by words.
 * Measured:  tests/unit/engine/enrich/test_goal.c on tau-bench.
 */
#include <math.h>

#include "engine/enrich/scorers_internal.h"

#define GOAL_WORDS_MIN 3u
#define NEW_GOAL_WORDS 6u
#define NEW_GOAL_SHARE                                                                             \
    0.1 /* of its words may stand in the old objective or in the question it might answer */
#define CONTEXT_TURNS_MAX 8u

static uint32_t sketch_size(const uint64_t *words)
{
    uint32_t count = 0;
    for (int i = 0; i < 16; i++)
        count += (uint32_t)__builtin_popcountll(words[i]);
    return count;
}

static uint32_t sketch_shared(const uint64_t *a, const uint64_t *b)
{
    uint32_t count = 0;
    for (int i = 0; i < 16; i++)
        count += (uint32_t)__builtin_popcountll(a[i] & b[i]);
    return count;
}

/* A message's words as they are compared here; a copy, because facts don't stay. */
struct sketch {
    uint64_t words[16];
};

static double similarity(const struct sketch *a, const struct sketch *b)
{
    double sizes = (double)sketch_size(a->words) * sketch_size(b->words);
    return sizes > 0 ? sketch_shared(a->words, b->words) / sqrt(sizes) : 0;
}

static struct sketch sketch_of(const struct message_facts *facts)
{
    struct sketch sketch;
    memcpy(sketch.words, facts->words, sizeof sketch.words);
    return sketch;
}

struct objective {
    struct sketch first;
    struct sketch newest; /* the same as first until the subject changes */
    bool known;
};

static void objective_take(struct objective *o, const struct message_facts *user,
                           const struct sketch *asked)
{
    if (!o->known) {
        if (user->set.count < GOAL_WORDS_MIN)
            return;
        o->first = sketch_of(user);
        o->newest = o->first;
        o->known = true;
        return;
    }
    if (user->set.count < NEW_GOAL_WORDS)
        return;
    double allowed = NEW_GOAL_SHARE * sketch_size(user->words);
    if (sketch_shared(user->words, o->first.words) <= allowed &&
        sketch_shared(user->words, o->newest.words) <= allowed &&
        sketch_shared(user->words, asked->words) <= allowed)
        o->newest = sketch_of(user);
}

static struct objective objective_of(struct scorer_run *run)
{
    struct objective o = {0};
    struct sketch asked = {0};
    for (uint32_t i = 0; i < run->view->input_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->input[i]);
        if (facts == NULL)
            continue;
        if (facts->role == ROLE_USER)
            objective_take(&o, facts, &asked);
        else if (facts->role == ROLE_ASSISTANT)
            asked = sketch_of(facts);
    }
    return o;
}

/* All words of the output. */
static struct sketch step_of(struct scorer_run *run)
{
    struct sketch step = {0};
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->output[i]);
        for (int k = 0; facts != NULL && k < 16; k++)
            step.words[k] |= facts->words[k];
    }
    return step;
}

bool score_on_goal(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view) || run->view->output_count == 0)
        return false;
    struct objective o = objective_of(run);
    struct sketch step = step_of(run);
    if (!o.known || sketch_size(step.words) == 0)
        return false;
    ret->value = fmax(similarity(&step, &o.first), similarity(&step, &o.newest));
    if (ret->value <= 0)
        ret->finding = slice_text("the step shares no word with the objective");
    return true;
}

struct salient {
    uint32_t words[CONTEXT_TURNS_MAX * FACTS_SALIENT_MAX];
    bool kept[CONTEXT_TURNS_MAX * FACTS_SALIENT_MAX];
    uint32_t count;
};

static void salient_add(struct salient *s, const struct message_facts *facts)
{
    for (uint32_t i = 0; i < facts->salient_count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < s->count && !known; k++)
            known = s->words[k] == facts->salient[i];
        if (!known)
            s->words[s->count++] = facts->salient[i];
    }
}

static void salient_look(struct salient *s, const struct message_facts *facts)
{
    for (uint32_t i = 0; facts != NULL && i < s->count; i++)
        s->kept[i] |= word_set_has(&facts->set, s->words[i]);
}

bool score_context_kept(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (!is_generation(v) || v->output_count == 0)
        return false;
    uint32_t newest = newest_user_message(run);
    if (newest == v->input_count)
        return false;
    struct salient s = {.count = 0};
    uint32_t turns = 0;
    for (uint32_t i = newest; i-- > 0 && turns < CONTEXT_TURNS_MAX;) {
        const struct message_facts *facts = facts_of(run, &v->input[i]);
        if (facts == NULL || facts->role != ROLE_USER)
            continue;
        salient_add(&s, facts);
        turns++;
    }
    if (s.count == 0)
        return false;
    for (uint32_t i = newest; i < v->input_count; i++)
        salient_look(&s, facts_of(run, &v->input[i]));
    for (uint32_t i = 0; i < v->output_count; i++)
        salient_look(&s, facts_of(run, &v->output[i]));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s.count; i++)
        kept += s.kept[i];
    ret->value = (double)kept / s.count;
    return true;
}
