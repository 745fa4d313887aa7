/*
 * schema_check_object.c - the keywords of objects.
 */
#include "engine/enrich/schema_checker.h"

static bool member_fits(const struct check *k, const struct schema_node *node,
                        const struct json_value *member)
{
    struct place place = {.above = k->place, .key = member->key};
    return schema_node_fits(k->c, node, member, &place);
}

bool schema_check_required(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *name = k->o->value->first; name != NULL; name = name->next) {
        if (!check_spend(k->c, 1 + k->v->count / 4))
            return false;
        if (json_value_member(k->v, name->text) == NULL)
            return check_fail(k, KEYWORD_required, "the required property '%.*s' is missing",
                              SLICE_ARG(name->text));
    }
    return true;
}

static const struct schema_part *part_find(const struct schema_operand *o, struct slice key)
{
    const struct schema_part *found = NULL;
    for (uint32_t i = 0; o != NULL && i < o->part_count; i++) {
        if (slice_equal(o->parts[i].key, key))
            found = &o->parts[i];
    }
    return found;
}

bool schema_check_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        if (!check_spend(k->c, 1 + k->o->part_count / 4))
            return false;
        const struct schema_part *part = part_find(k->o, m->key);
        if (part != NULL && !member_fits(k, part->node, m))
            return false;
    }
    return true;
}

bool schema_check_pattern_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        for (uint32_t i = 0; i < k->o->part_count; i++) {
            bool covered = check_matches(k->c, k->o->parts[i].regex, m->key);
            if (k->c->gave_up || (covered && !member_fits(k, k->o->parts[i].node, m)))
                return false;
        }
    }
    return true;
}

static bool is_covered(const struct check *k, struct slice key)
{
    const struct schema_operand *properties = schema_operand(k->node, KEYWORD_properties);
    const struct schema_operand *patterns = schema_operand(k->node, KEYWORD_pattern_properties);
    if (part_find(properties, key) != NULL)
        return true;
    for (uint32_t i = 0; patterns != NULL && i < patterns->part_count; i++) {
        if (check_matches(k->c, patterns->parts[i].regex, key))
            return true;
    }
    return false;
}

bool schema_check_additional_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    bool never = k->o->value->type == VALUE_BOOLEAN && !k->o->value->truth;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        bool covered = check_spend(k->c, 1) && is_covered(k, m->key);
        if (k->c->gave_up)
            return false;
        if (!covered && never)
            return check_fail(k, KEYWORD_additional_properties,
                              "the property '%.*s' is not in the schema", SLICE_ARG(m->key));
        if (!covered && !member_fits(k, k->o->node, m))
            return false;
    }
    return true;
}

bool schema_check_property_names(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        struct json_value name = {.type = VALUE_STRING, .text = m->key};
        k->c->silent++;
        bool fits = schema_node_fits(k->c, k->o->node, &name, k->place);
        k->c->silent--;
        if (!fits)
            return check_fail(k, KEYWORD_property_names, "the name '%.*s' is not allowed",
                              SLICE_ARG(m->key));
    }
    return true;
}

bool schema_check_min_properties(const struct check *k)
{
    return k->v->type != VALUE_OBJECT ||
           check_count(k, KEYWORD_min_properties, k->v->count, true, "properties");
}

bool schema_check_max_properties(const struct check *k)
{
    return k->v->type != VALUE_OBJECT ||
           check_count(k, KEYWORD_max_properties, k->v->count, false, "properties");
}

bool schema_check_dependencies(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        const struct schema_part *part = &k->o->parts[i];
        if (!check_spend(k->c, 1 + k->v->count / 4))
            return false;
        if (json_value_member(k->v, part->key) == NULL)
            continue;
        if (part->node != NULL && !schema_node_fits(k->c, part->node, k->v, k->place))
            return false;
        for (const struct json_value *name = part->names != NULL ? part->names->first : NULL;
             name != NULL; name = name->next) {
            if (!check_spend(k->c, 1 + k->v->count / 4))
                return false;
            if (json_value_member(k->v, name->text) == NULL)
                return check_fail(k, KEYWORD_dependencies,
                                  "the property '%.*s' needs the property '%.*s'",
                                  SLICE_ARG(part->key), SLICE_ARG(name->text));
        }
    }
    return true;
}

bool schema_check_dependent_required(const struct check *k)
{
    return schema_check_dependencies(k);
}

bool schema_check_dependent_schemas(const struct check *k)
{
    return schema_check_dependencies(k);
}
