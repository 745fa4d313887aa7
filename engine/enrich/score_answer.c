/*
 * score_answer.c - is there an answer: complete, not_refused, not_empty.
 *
 * complete      0 when the generation stopped at a token limit: finish_reason "length" (providers say max_tokens, MAX_TOKENS,
 *               model_length; the dialects normalise them), else 1. Says nothing without a finish reason.
 * not_refused   0 when the provider stopped the answer (content_filter, refusal), or a text answer without tool calls begins with a phrase of
 *               PHRASE_REFUSAL; else 1. The phrases follow how refusals are told from answers in the literature, see phrase.def.
 * not_empty     0 when a generation that ended well has neither text nor a tool call nor another part (image, audio, file); else 1.
 *               Reasoning alone is no answer. Says nothing when the text was not recorded.
 */
#include "engine/enrich/scorer_internal.h"

static bool is_among(struct slice text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(text, names[i]))
            return true;
    }
    return false;
}
#define IS_AMONG(text, names) is_among(text, names, sizeof(names) / sizeof(names)[0])

static const char *const cut_off[] = {"length", "max_tokens", "MAX_TOKENS", "model_length",
                                      "max_output_tokens"};
static const char *const stopped[] = {"content_filter", "content-filter", "refusal", "SAFETY",
                                      "guardrail_intervened"};

bool score_complete(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (!slice_is(v->kind, "llm") || v->finish_reason.size == 0)
        return false;
    ret->value = 1;
    if (IS_AMONG(v->finish_reason, cut_off)) {
        ret->value = 0;
        ret->finding = v->tokens_out >= 0 ? finding(run, "the answer was cut off after %lld tokens",
                                                    (long long)v->tokens_out)
                                          : slice_text("the answer was cut off at a token limit");
    }
    return true;
}

/* The words that gave the answer away; empty: none. */
static struct slice refusal_words(struct scorer_run *run)
{
    struct slice words = SLICE_EMPTY;
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->output[i]);
        if (facts == NULL || facts->call_count > 0)
            return SLICE_EMPTY; /* it acts: no refusal */
        uint32_t number = facts->refusal;
        if (number != 0 && words.size == 0 &&
            phrase_locate(output_reading(run, i)->text, PHRASE_REFUSAL, &words) == 0)
            words = slice_text(phrase_text(number));
    }
    return words;
}

bool score_not_refused(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    bool filtered = slice_is(v->kind, "llm") && IS_AMONG(v->finish_reason, stopped);
    if (!filtered && (!is_generation(v) || v->output_count == 0))
        return false;
    struct slice words = filtered ? SLICE_EMPTY : refusal_words(run);
    ret->value = filtered || words.size > 0 ? 0 : 1;
    if (filtered)
        ret->finding = finding(run, "stopped by the provider: %.*s", SLICE_ARG(v->finish_reason));
    else if (words.size > 0)
        ret->finding = finding(run, "reads like a refusal: \"%.*s\"", SLICE_ARG(words));
    return true;
}

/* Parts that are neither text nor calls: images, audio, files. */
static bool has_other_parts(struct slice body)
{
    static const char *const marks[] = {"\"blob\"", "\"image", "\"audio",      "\"file",
                                        "\"uri\"",  "\"video", "\"server_tool"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (memmem(body.data, body.size, marks[i], strlen(marks[i])) != NULL)
            return true;
    }
    return false;
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] > ' ')
            return false;
    }
    return true;
}

bool score_not_empty(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (!is_generation(v) || slice_is(v->status, "error") ||
        (v->output_count == 0 && v->tokens_out > 0))
        return false;
    ret->value = 0;
    for (uint32_t i = 0; i < v->output_count && ret->value < 1; i++) {
        struct slice body = v->output[i].body;
        const struct message_facts *facts = facts_of(run, &v->output[i]);
        if (facts == NULL)
            return false;
        bool has_words = facts->word_count > 0 || facts->call_count > 0;
        if (!has_words && body.size == 0)
            return false;
        /* Text may have no words: "42", "!", an emoji. */
        if (has_words || has_other_parts(body) || !is_blank(output_reading(run, i)->text))
            ret->value = 1;
    }
    if (ret->value < 1)
        ret->finding = slice_text("the answer has neither text nor tool calls");
    return true;
}
