/*
 * rule_evaluate.c - is a condition true of a span.
 *
 * Null:    a comparison with a field that is NULL is false, != too; is_null asks for it. Two-valued otherwise: not(false) is true.
 * Numbers: a number field is compared as a number. An attribute is when the operand is one and it reads as one.
 * Limits:  a regular expression that meets its limit makes the rule unknown, unless the rest decides.
 */
#include "engine/base/decimal.h"
#include "engine/enrich/rule_internal.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* ASCII case only: what people type in rules. */
static bool contains_any_case(struct slice text, struct slice part)
{
    for (size_t at = 0; at + part.size <= text.size; at++) {
        size_t i = 0;
        while (i < part.size && lower(text.data[at + i]) == lower(part.data[i]))
            i++;
        if (i == part.size)
            return true;
    }
    return false;
}

static double length_of(struct slice text)
{
    uint64_t characters = 0;
    for (size_t i = 0; i < text.size; i++)
        characters += (text.data[i] & 0xc0) != 0x80;
    return (double)characters;
}

static bool order_holds(enum rule_op op, int order)
{
    switch (op) {
    case RULE_EQ:
        return order == 0;
    case RULE_NE:
        return order != 0;
    case RULE_LT:
        return order < 0;
    case RULE_LE:
        return order <= 0;
    case RULE_GT:
        return order > 0;
    case RULE_GE:
        return order >= 0;
    case RULE_ALL:
    case RULE_ANY:
    case RULE_NOT:
    case RULE_IN:
    case RULE_CONTAINS:
    case RULE_ICONTAINS:
    case RULE_MATCHES:
    case RULE_LENGTH_LT:
    case RULE_LENGTH_GT:
    case RULE_IS_NULL:
        break;
    }
    return false;
}

static bool compare(const struct rule_step *step, const struct rule_value *v)
{
    double number = v->number;
    bool numbers = step->is_number && (v->is_number || decimal_to_double(v->text, &number));
    if (!numbers)
        return order_holds(step->op, slice_compare(v->text, step->text));
    return order_holds(step->op, (number > step->number) - (number < step->number));
}

static bool is_in(const struct rule_step *step, const struct rule_value *v)
{
    for (uint32_t i = 0; i < step->value_count; i++) {
        if (step->numbers != NULL ? v->number == step->numbers[i]
                                  : slice_equal(v->text, step->values[i]))
            return true;
    }
    return false;
}

static enum rule_truth truth(bool value)
{
    return value ? RULE_TRUE : RULE_FALSE;
}

/* ALL stops at the first false, ANY at the first true. */
static enum rule_truth children_evaluate(struct rule_run *run, const struct rule_step *step,
                                         enum rule_truth stop)
{
    enum rule_truth result = stop == RULE_FALSE ? RULE_TRUE : RULE_FALSE;
    for (uint32_t i = 0; i < step->child_count; i++) {
        enum rule_truth child = rule_evaluate(run, &step->children[i]);
        if (child == stop)
            return stop;
        if (child == RULE_UNKNOWN)
            result = RULE_UNKNOWN;
    }
    return result;
}

enum rule_truth rule_evaluate(struct rule_run *run, const struct rule_step *step)
{
    struct rule_value v;
    enum rule_truth child;
    switch (step->op) {
    case RULE_ALL:
        return children_evaluate(run, step, RULE_FALSE);
    case RULE_ANY:
        return children_evaluate(run, step, RULE_TRUE);
    case RULE_NOT:
        child = rule_evaluate(run, &step->children[0]);
        return child == RULE_UNKNOWN ? child : truth(child == RULE_FALSE);
    case RULE_IS_NULL:
        rule_field_read(run, step, &v);
        return truth(v.is_null);
    case RULE_EQ:
    case RULE_NE:
    case RULE_LT:
    case RULE_LE:
    case RULE_GT:
    case RULE_GE:
        rule_field_read(run, step, &v);
        return truth(!v.is_null && compare(step, &v));
    case RULE_IN:
        rule_field_read(run, step, &v);
        return truth(!v.is_null && is_in(step, &v));
    case RULE_CONTAINS:
        rule_field_read(run, step, &v);
        return truth(!v.is_null &&
                     memmem(v.text.data, v.text.size, step->text.data, step->text.size) != NULL);
    case RULE_ICONTAINS:
        rule_field_read(run, step, &v);
        return truth(!v.is_null && contains_any_case(v.text, step->text));
    case RULE_LENGTH_LT:
        rule_field_read(run, step, &v);
        return truth(!v.is_null && length_of(v.text) < step->number);
    case RULE_LENGTH_GT:
        rule_field_read(run, step, &v);
        return truth(!v.is_null && length_of(v.text) > step->number);
    case RULE_MATCHES: {
        rule_field_read(run, step, &v);
        if (v.is_null)
            return RULE_FALSE;
        enum regex_result result = regex_match(step->regex, v.text);
        return result == REGEX_GAVE_UP ? RULE_UNKNOWN : truth(result == REGEX_YES);
    }
    }
    return RULE_FALSE;
}
