/*
 * score_bounds.c - scorers that compare one fact of a span with a bound: what was found, latency, cost.
 *
 * Formulas:  retrieval_found    spans that retrieved, without an error: 1 when there was a document, else 0.
 *            retrieval_quality  min(1, best score / retrieval_score_min); scores below 0 are 0.
 *            tool_found         tool spans without an error: 0 when the result is empty ("", [], {}, null), else 1.
 *            in_latency_budget  llm spans: min(1, budget / latency).
 *            in_cost_budget     spans with a cost: min(1, budget / cost).
 * Meaning:   an empty result is an answer and a failure is none: a span that failed gets no score here, so the share of
 *            empty retrievals isn't mixed with the error rate.
 */
#include <math.h>

#include "engine/enrich/scorer_internal.h"

static bool has_failed(const struct span_view *v)
{
    return slice_is(v->status, "error");
}

/* "", [], {}, null and "\"\"", with any white space in and around them. */
static bool is_empty_result(struct slice result)
{
    char kept[5];
    size_t size = 0;
    for (size_t i = 0; i < result.size; i++) {
        if (result.data[i] <= ' ')
            continue;
        if (size == sizeof kept - 1)
            return false;
        kept[size++] = (char)result.data[i];
    }
    kept[size] = 0;
    return size == 0 || strcmp(kept, "[]") == 0 || strcmp(kept, "{}") == 0 ||
           strcmp(kept, "\"\"") == 0 || strcmp(kept, "null") == 0;
}

bool score_retrieval_found(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (has_failed(v) || (v->retrieved_count < 0 && !v->has_retrieved))
        return false;
    bool found = v->retrieved_count >= 0 ? v->retrieved_count > 0 : !is_empty_result(v->retrieved);
    ret->value = found ? 1 : 0;
    if (!found)
        ret->finding = slice_text("the retrieval found no document");
    return true;
}

bool score_retrieval_quality(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    double least = run->options->retrieval_score_min;
    double best = v->retrieved_top_score;
    if (has_failed(v) || isnan(best) || !(least > 0))
        return false;
    ret->value = best <= 0 ? 0 : fmin(1, best / least);
    if (best < least)
        ret->finding = finding(run, "the best retrieval score is %.4g, below %.4g", best, least);
    return true;
}

bool score_tool_found(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    if (!slice_is(v->kind, "tool") || has_failed(v) ||
        (v->tool_result_empty < 0 && !v->has_tool_result))
        return false;
    bool empty =
        v->tool_result_empty >= 0 ? v->tool_result_empty != 0 : is_empty_result(v->tool_result);
    ret->value = empty ? 0 : 1;
    if (empty)
        ret->finding = finding(run, "the tool %.*s answered with nothing",
                               SLICE_ARG(v->tool_name.size != 0 ? v->tool_name : v->name));
    return true;
}

bool score_in_latency_budget(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    int64_t budget_ns = run->options->latency_budget_ns;
    if (budget_ns <= 0 || v->latency_ns < 0 || !slice_is(v->kind, "llm"))
        return false;
    ret->value = v->latency_ns <= budget_ns ? 1 : (double)budget_ns / (double)v->latency_ns;
    if (v->latency_ns > budget_ns)
        ret->finding = finding(run, "%.3f s are over the budget of %.3f s",
                               (double)v->latency_ns / 1e9, (double)budget_ns / 1e9);
    return true;
}

bool score_in_cost_budget(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    int64_t budget_nusd = run->options->cost_budget_nusd;
    if (budget_nusd <= 0 || v->cost_nusd < 0)
        return false;
    ret->value = v->cost_nusd <= budget_nusd ? 1 : (double)budget_nusd / (double)v->cost_nusd;
    if (v->cost_nusd > budget_nusd)
        ret->finding = finding(run, "%.6f USD are over the budget of %.6f USD",
                               (double)v->cost_nusd / 1e9, (double)budget_nusd / 1e9);
    return true;
}
