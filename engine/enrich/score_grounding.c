/*
 * score_grounding.c
 */
#include "engine/enrich/scorer_internal.h"

bool score_grounding(struct scorer_run *run, struct score *ret)
{
    (void)run;
    (void)ret;
    return false;
}
