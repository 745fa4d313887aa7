/*
 * score_goal.c - is the agent still after what the user came for, and does it remember what it was told?
 *
 * Words:     both compare the key words of messages: the first FACTS_KEYS_MAX content words, each once, a name weighing 2
 *            and a number (an id, a date, an amount) 4, because everybody in a domain shares its ordinary words.
 *
 * on_goal, of a generation with key words in it (answer and tool calls):
 *   Formula:   the cosine of two weighted bags: sum over shared words of weight^2 * turn / sqrt(sum over the step of weight^2
 *              * sum over the objective of (weight * turn)^2).
 *   Objective: what users said. The first message with at least GOAL_WORDS_MIN content words ("Hi there" is none) and the
 *              newest one have turn 1: the goal is set at the start and may be changed at any time. The others, of the last
 *              GOAL_TURNS_MAX, have turn 0.5: they mostly answer questions.
 *   Reading:   a single step may well share no word with the objective ("What is your user id?"); what tells is the mean
 *              over a session, or 1 - on_goal * no_loop squared and summed, which counts steps that lead nowhere.
 *   Source:    goal drift as the distance of actions from the instruction: Arike et al., "Evaluating Goal Drift in Language
 *              Model Agents", 2025, where a model judges; this is the lexical stand-in that needs none. Cosine of weighted
 *              words: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988.
 *
 * context_kept, of a generation that answers at least the second user message:
 *   Formula:   of the names and numbers among the key words of the GOAL_TURNS_MAX user messages before the newest, the share
 *              that still occurs in this turn: in the newest user message or anything after it, the answer included.
 *   Source:    knowledge retention over turns, as conversational evaluation suites ask a model for; here by words.
 *
 * Measured:  tests/unit/engine/enrich/test_goal.c on tau-bench; the weights were chosen on its even runs.
 */
#include <math.h>

#include "engine/enrich/scorers_internal.h"

#define GOAL_WORDS_MIN 3u
#define GOAL_TURNS_MAX 8u
/* So many messages after the newest user message are searched for what was told. */
#define TURN_MESSAGES_MAX 256u
#define TURN_FULL         1.0
#define TURN_OTHER        0.5

static double key_weight(uint32_t key)
{
    static const double weights[] = {[KEY_WORD] = 1, [KEY_NAME] = 2, [KEY_NUMBER] = 4, [3] = 1};
    return weights[key & KEY_MASK];
}

static double keys_norm(const struct message_facts *facts)
{
    double norm = 0;
    for (uint32_t i = 0; i < facts->key_count; i++)
        norm += key_weight(facts->keys[i]) * key_weight(facts->keys[i]);
    return norm;
}

/* The key words of the output; copied, because facts don't stay. */
struct step {
    uint32_t keys[FACTS_KEYS_MAX];
    double turns[FACTS_KEYS_MAX]; /* of the best user message that has the word, 0: none */
    uint32_t count;
    double norm;
};

static struct step step_of(struct scorer_run *run)
{
    struct step step = {.count = 0};
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->output[i]);
        for (uint32_t k = 0; facts != NULL && k < facts->key_count; k++) {
            if (step.count == FACTS_KEYS_MAX)
                return step;
            step.norm += key_weight(facts->keys[k]) * key_weight(facts->keys[k]);
            step.turns[step.count] = 0;
            step.keys[step.count++] = facts->keys[k];
        }
    }
    return step;
}

/* Compares the step with one user message (NULL: it is gone); returns the message's share of the objective's norm. */
static double step_compare(struct step *step, const struct message_facts *user, double turn)
{
    for (uint32_t i = 0; user != NULL && i < step->count; i++) {
        if (step->turns[i] < turn && word_set_has(&user->set, step->keys[i] & ~(uint32_t)KEY_MASK))
            step->turns[i] = turn;
    }
    return user != NULL ? turn * turn * keys_norm(user) : 0;
}

static const struct message_facts *user_facts(struct scorer_run *run, uint32_t index)
{
    return input_notes(run)[index].role == ROLE_USER ? facts_of(run, &run->view->input[index])
                                                     : NULL;
}

/* The index of the message that sets the goal, or input_count. */
static uint32_t goal_message(struct scorer_run *run)
{
    uint32_t count = run->view->input_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct message_facts *facts = user_facts(run, i);
        if (facts != NULL && facts->set.count >= GOAL_WORDS_MIN)
            return i;
    }
    return count;
}

static double step_similarity(const struct step *step, double goal_norm)
{
    double shared = 0;
    for (uint32_t i = 0; i < step->count; i++)
        shared += key_weight(step->keys[i]) * key_weight(step->keys[i]) * step->turns[i];
    return shared / sqrt(step->norm * goal_norm);
}

bool score_on_goal(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view) || run->view->output_count == 0)
        return false;
    uint32_t goal = goal_message(run);
    if (goal == run->view->input_count)
        return false;
    struct step step = step_of(run);
    if (step.count == 0)
        return false;
    uint32_t newest = newest_user_message(run);
    uint32_t turns = 0;
    double norm = step_compare(&step, user_facts(run, goal), TURN_FULL);
    for (uint32_t i = newest; i > goal && turns < GOAL_TURNS_MAX; i--) {
        const struct message_facts *facts = user_facts(run, i);
        if (facts == NULL)
            continue;
        norm += step_compare(&step, facts, i == newest ? TURN_FULL : TURN_OTHER);
        turns++;
    }
    ret->value = step_similarity(&step, norm);
    if (ret->value <= 0)
        ret->finding = slice_text("the step shares no word with what the user asked for");
    return true;
}

/* What the user told before. */
struct told {
    uint32_t words[GOAL_TURNS_MAX * FACTS_KEYS_MAX];
    bool kept[GOAL_TURNS_MAX * FACTS_KEYS_MAX];
    uint32_t count;
};

static void told_add(struct told *t, const struct message_facts *facts)
{
    for (uint32_t i = 0; i < facts->key_count; i++) {
        uint32_t word = facts->keys[i] & ~(uint32_t)KEY_MASK;
        bool known = (facts->keys[i] & KEY_MASK) == KEY_WORD;
        for (uint32_t k = 0; k < t->count && !known; k++)
            known = t->words[k] == word;
        if (known)
            continue;
        t->kept[t->count] = false;
        t->words[t->count++] = word;
    }
}

static void told_look(struct told *t, const struct message_facts *facts)
{
    for (uint32_t i = 0; facts != NULL && i < t->count; i++)
        t->kept[i] |= word_set_has(&facts->set, t->words[i]);
}

bool score_context_kept(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (!is_generation(v) || v->output_count == 0)
        return false;
    uint32_t newest = newest_user_message(run);
    if (newest == v->input_count)
        return false;
    struct told told;
    told.count = 0;
    uint32_t turns = 0;
    for (uint32_t i = newest; i-- > 0 && turns < GOAL_TURNS_MAX;) {
        const struct message_facts *facts = user_facts(run, i);
        if (facts == NULL)
            continue;
        told_add(&told, facts);
        turns++;
    }
    if (told.count == 0)
        return false;
    for (uint32_t i = newest; i < v->input_count && i - newest < TURN_MESSAGES_MAX; i++)
        told_look(&told, facts_of(run, &v->input[i]));
    for (uint32_t i = 0; i < v->output_count; i++)
        told_look(&told, facts_of(run, &v->output[i]));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < told.count; i++)
        kept += told.kept[i];
    ret->value = (double)kept / told.count;
    return true;
}
