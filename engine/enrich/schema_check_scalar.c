/*
 * schema_check_scalar.c - the keywords of strings and numbers.
 */
#include <math.h>

#include "engine/enrich/schema_checker.h"

static uint64_t characters(struct slice text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

bool schema_check_min_length(const struct check *k)
{
    return k->v->type != VALUE_STRING ||
           check_count(k, KEYWORD_min_length, characters(k->v->text), true, "characters");
}

bool schema_check_max_length(const struct check *k)
{
    return k->v->type != VALUE_STRING ||
           check_count(k, KEYWORD_max_length, characters(k->v->text), false, "characters");
}

bool schema_check_pattern(const struct check *k)
{
    return k->v->type != VALUE_STRING || check_matches(k->c, k->o->regex, k->v->text) ||
           check_fail(k, KEYWORD_pattern, "%s does not match %s", check_shown(k, k->v),
                      check_shown(k, k->o->value));
}

static bool is_number(const struct json_value *v)
{
    return v->type == VALUE_INTEGER || v->type == VALUE_NUMBER;
}

/* Draft 4: a sibling says that the bound itself is out. */
static bool is_excluded(const struct check *k, enum schema_keyword keyword)
{
    const struct schema_operand *o = schema_operand(k->node, keyword);
    return o != NULL && o->value->type == VALUE_BOOLEAN && o->value->truth;
}

bool schema_check_minimum(const struct check *k)
{
    if (!is_number(k->v))
        return true;
    int order = json_value_compare(k->v, k->o->value);
    bool excluded = is_excluded(k, KEYWORD_exclusive_minimum);
    return order > 0 || (order == 0 && !excluded) ||
           check_fail(k, KEYWORD_minimum, "expected %s %s, got %s",
                      excluded ? "more than" : "at least", check_shown(k, k->o->value),
                      check_shown(k, k->v));
}

bool schema_check_maximum(const struct check *k)
{
    if (!is_number(k->v))
        return true;
    int order = json_value_compare(k->v, k->o->value);
    bool excluded = is_excluded(k, KEYWORD_exclusive_maximum);
    return order < 0 || (order == 0 && !excluded) ||
           check_fail(k, KEYWORD_maximum, "expected %s %s, got %s",
                      excluded ? "less than" : "at most", check_shown(k, k->o->value),
                      check_shown(k, k->v));
}

bool schema_check_exclusive_minimum(const struct check *k)
{
    return !is_number(k->v) || !is_number(k->o->value) ||
           json_value_compare(k->v, k->o->value) > 0 ||
           check_fail(k, KEYWORD_exclusive_minimum, "expected more than %s, got %s",
                      check_shown(k, k->o->value), check_shown(k, k->v));
}

bool schema_check_exclusive_maximum(const struct check *k)
{
    return !is_number(k->v) || !is_number(k->o->value) ||
           json_value_compare(k->v, k->o->value) < 0 ||
           check_fail(k, KEYWORD_exclusive_maximum, "expected less than %s, got %s",
                      check_shown(k, k->o->value), check_shown(k, k->v));
}

/* 19.99 is a multiple of 0.01 although neither is a binary fraction: the quotient may be off by its rounding. */
static bool is_multiple(const struct json_value *v, const struct json_value *of)
{
    if (v->is_exact && of->is_exact)
        return of->integer != 0 && v->integer % of->integer == 0;
    double quotient = v->number / of->number;
    if (!isfinite(quotient))
        return fmod(v->number, of->number) == 0;
    double off = fabs(quotient - round(quotient));
    return off <= 1e-9 && off <= fabs(quotient) * 1e-14 + 1e-15;
}

bool schema_check_multiple_of(const struct check *k)
{
    return !is_number(k->v) || is_multiple(k->v, k->o->value) ||
           check_fail(k, KEYWORD_multiple_of, "%s is no multiple of %s", check_shown(k, k->v),
                      check_shown(k, k->o->value));
}
