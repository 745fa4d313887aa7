/*
 * schema_check_array.c - the keywords of arrays.
 */
#include <stdlib.h>

#include "engine/enrich/schema_checker.h"

static bool item_fits(const struct check *k, const struct schema_node *node,
                      const struct json_value *item, uint32_t index)
{
    struct place place = {.above = k->place, .index = index, .is_index = true};
    return schema_node_fits(k->c, node, item, &place);
}

/* The first items against the parts by position. */
bool schema_check_prefix_items(const struct check *k)
{
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t index = 0;
    for (const struct json_value *item = k->v->first; item != NULL && index < k->o->part_count;
         item = item->next) {
        if (!item_fits(k, k->o->parts[index].node, item, index))
            return false;
        index++;
    }
    return true;
}

/* Items from `from` on against one schema. */
static bool rest_fits(const struct check *k, uint32_t from)
{
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t index = 0;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next, index++) {
        if (index >= from && !item_fits(k, k->o->node, item, index))
            return false;
    }
    return true;
}

bool schema_check_items(const struct check *k)
{
    if (k->o->node == NULL)
        return schema_check_prefix_items(k);
    const struct schema_operand *prefix = schema_operand(k->node, KEYWORD_prefix_items);
    return rest_fits(k, prefix != NULL ? prefix->part_count : 0);
}

bool schema_check_additional_items(const struct check *k)
{
    const struct schema_operand *items = schema_operand(k->node, KEYWORD_items);
    return items == NULL || items->node != NULL || rest_fits(k, items->part_count);
}

bool schema_check_contains(const struct check *k)
{
    const struct schema_operand *min = schema_operand(k->node, KEYWORD_min_contains);
    const struct schema_operand *max = schema_operand(k->node, KEYWORD_max_contains);
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t count = 0;
    uint32_t index = 0;
    k->c->silent++;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next)
        count += item_fits(k, k->o->node, item, index++);
    k->c->silent--;
    if ((double)count < (min != NULL ? min->value->number : 1))
        return check_fail(k, KEYWORD_contains, "too few of the %u items fit `contains`",
                          k->v->count);
    if (max != NULL && (double)count > max->value->number)
        return check_fail(k, KEYWORD_contains, "too many of the %u items fit `contains`",
                          k->v->count);
    return true;
}

bool schema_check_min_items(const struct check *k)
{
    return k->v->type != VALUE_ARRAY ||
           check_count(k, KEYWORD_min_items, k->v->count, true, "items");
}

bool schema_check_max_items(const struct check *k)
{
    return k->v->type != VALUE_ARRAY ||
           check_count(k, KEYWORD_max_items, k->v->count, false, "items");
}

struct hashed_item {
    uint64_t hash;
    const struct json_value *item;
};

static int hashed_item_order(const void *a, const void *b)
{
    uint64_t x = ((const struct hashed_item *)a)->hash;
    uint64_t y = ((const struct hashed_item *)b)->hash;
    return (x > y) - (x < y);
}

bool schema_check_unique_items(const struct check *k)
{
    if (k->v->type != VALUE_ARRAY || !k->o->value->truth || k->v->count < 2)
        return true;
    struct hashed_item *items = ARENA_ARRAY(k->c->scratch, struct hashed_item, k->v->count);
    uint32_t count = 0;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next)
        items[count++] = (struct hashed_item){json_value_hash(item, &k->c->steps), item};
    if (!check_spend(k->c, count))
        return false;
    qsort(items, count, sizeof *items, hashed_item_order);
    for (uint32_t i = 1; i < count; i++) {
        if (items[i].hash == items[i - 1].hash &&
            json_value_equal(items[i].item, items[i - 1].item, &k->c->steps))
            return check_fail(k, KEYWORD_unique_items, "the items are not all different");
    }
    return true;
}
