/*
 * schema_check_any.c - the keywords of all types: references, types, values, combinations of schemas.
 */
#include "engine/enrich/schema_checker.h"

bool schema_check_ref(const struct check *k)
{
    return k->o->node == NULL || schema_node_fits(k->c, k->o->node, k->v, k->place);
}

static bool is_nullable(const struct check *k)
{
    const struct schema_operand *nullable = schema_operand(k->node, KEYWORD_nullable);
    return nullable != NULL && nullable->value->truth && k->v->type == VALUE_NULL;
}

bool schema_check_type(const struct check *k)
{
    if ((k->o->types >> k->v->type & 1) != 0 || is_nullable(k))
        return true;
    struct buffer expected = {0};
    for (uint32_t type = 0; type < VALUE_TYPE_COUNT; type++) {
        bool covered = type == VALUE_INTEGER && (k->o->types >> VALUE_NUMBER & 1) != 0;
        if ((k->o->types >> type & 1) != 0 && !covered)
            buffer_printf(&expected, "%s%s", expected.size > 0 ? " or " : "",
                          value_type_name(type));
    }
    bool fits = check_fail(k, KEYWORD_type, "expected %.*s, got %s",
                           SLICE_ARG(buffer_slice(&expected)), value_type_name(k->v->type));
    buffer_deinit(&expected);
    return fits;
}

bool schema_check_enum(const struct check *k)
{
    if (is_nullable(k))
        return true;
    for (const struct json_value *item = k->o->value->first; item != NULL; item = item->next) {
        if (json_value_equal(item, k->v, &k->c->steps))
            return true;
    }
    if (k->c->silent > 0 || !check_spend(k->c, 1))
        return false;
    struct buffer expected = {0};
    for (const struct json_value *item = k->o->value->first; item != NULL; item = item->next) {
        if (expected.size > 150) {
            buffer_add_text(&expected, ", ...");
            break;
        }
        buffer_printf(&expected, "%s%s", expected.size > 0 ? ", " : "", check_shown(k, item));
    }
    bool fits = check_fail(k, KEYWORD_enum, "expected one of %.*s, got %s",
                           SLICE_ARG(buffer_slice(&expected)), check_shown(k, k->v));
    buffer_deinit(&expected);
    return fits;
}

bool schema_check_const(const struct check *k)
{
    return json_value_equal(k->o->value, k->v, &k->c->steps) ||
           check_fail(k, KEYWORD_const, "expected %s, got %s", check_shown(k, k->o->value),
                      check_shown(k, k->v));
}

static bool fits_silently(const struct check *k, const struct schema_node *node)
{
    k->c->silent++;
    bool fits = schema_node_fits(k->c, node, k->v, k->place);
    k->c->silent--;
    return fits;
}

bool schema_check_all_of(const struct check *k)
{
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        if (!schema_node_fits(k->c, k->o->parts[i].node, k->v, k->place))
            return false;
    }
    return true;
}

bool schema_check_any_of(const struct check *k)
{
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        if (fits_silently(k, k->o->parts[i].node))
            return true;
    }
    /* With one real alternative (the other is often null) its own reason says more. */
    if (k->o->part_count == 1)
        return schema_node_fits(k->c, k->o->parts[0].node, k->v, k->place);
    return check_fail(k, KEYWORD_any_of, "%s fits none of the %u alternatives",
                      check_shown(k, k->v), k->o->part_count);
}

bool schema_check_one_of(const struct check *k)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->o->part_count; i++)
        count += fits_silently(k, k->o->parts[i].node);
    return count == 1 ||
           check_fail(k, KEYWORD_one_of, "%s fits %u of the %u alternatives, expected 1",
                      check_shown(k, k->v), count, k->o->part_count);
}

bool schema_check_not(const struct check *k)
{
    return !fits_silently(k, k->o->node) ||
           check_fail(k, KEYWORD_not, "%s fits what it must not", check_shown(k, k->v));
}

bool schema_check_if(const struct check *k)
{
    const struct schema_operand *chosen =
        schema_operand(k->node, fits_silently(k, k->o->node) ? KEYWORD_then : KEYWORD_else);
    return chosen == NULL || schema_node_fits(k->c, chosen->node, k->v, k->place);
}
