/*
 * score_goal.c - on_goal, context_kept.
 */
#include "engine/enrich/scorer_internal.h"

bool score_on_goal(struct scorer_run *run, struct score *ret)
{
    (void)run;
    (void)ret;
    return false;
}

bool score_context_kept(struct scorer_run *run, struct score *ret)
{
    (void)run;
    (void)ret;
    return false;
}
