/*
 * mapper_told.c - which attributes and events say nothing that does not stand in a cell.
 *
 * Rule:   an attribute leaves `attributes` only when a cell says exactly the same: it filled the cell without loss, or it
 *         repeats what another source said. Of a JSON value every member must; of an event every attribute.
 */
#include "server/dialect/mapper_internal.h"

enum target equal_target(struct mapper *m, uint16_t first, const struct origin *origin,
                         const struct value *v)
{
    for (uint16_t at = first; at != 0; at = m->dialect.next[at - 1]) {
        const struct source *source = &dialect_sources[at - 1];
        const struct slot *slot = &m->slots[source->target];
        struct found found;
        if (target_column[source->target] == NULL || slot->rank == RANK_NONE ||
            source->target == TARGET_failed || source->target == TARGET_score)
            continue;
        if (mapper_value_convert(m, source->how, source, origin, v, &found) && found.exact &&
            found_equal(target_holds[source->target], &found, &slot->found))
            return (enum target)source->target;
    }
    return TARGET_COUNT;
}

/* Attributes of an event that say what a cell says already but did not fill it. */
static void event_count_equals(struct mapper *m, uint32_t index)
{
    const struct otlp_event *e = &m->span->events[index];
    uint32_t at = m->span->attributes.count + index;
    for (uint32_t i = 0; i < e->attributes.count; i++) {
        const struct attribute *a = &e->attributes.items[i];
        const struct place *place = event_place(m, e->name, &a->key);
        struct origin origin = {.key = e->name, .index = (int32_t)at, .time_ns = e->time_ns};
        if (place == NULL || place->first == 0)
            continue;
        enum target target = equal_target(m, place->first, &origin, &a->value);
        if (target != TARGET_COUNT && m->slots[target].origin != (int32_t)at)
            m->traces[at].used++;
    }
}

void attributes_count(struct mapper *m)
{
    const struct otlp_span *span = m->span;
    for (uint32_t i = 0; i < TARGET_COUNT; i++) {
        const struct slot *slot = &m->slots[i];
        if (slot->rank != RANK_NONE && slot->origin >= 0 && slot->found.exact &&
            target_column[i] != NULL)
            m->traces[slot->origin].used++;
    }
    for (uint32_t i = 0; i < span->attributes.count; i++) {
        struct trace *trace = &m->traces[i];
        const struct attribute *a = &span->attributes.items[i];
        struct origin origin = {.key = a->key, .index = (int32_t)i};
        if (trace->first != 0 && trace->used == 0 && !trace->has_members &&
            equal_target(m, trace->first, &origin, &a->value) != TARGET_COUNT)
            trace->used = 1;
    }
    for (uint32_t i = 0; i < span->event_count; i++)
        event_count_equals(m, i);
}

/* What content made of an attribute (or, behind them, an event). Of a log record the body stands where an attribute does. */
enum content_field content_field_of(const struct mapper *m, uint32_t index)
{
    const struct content_result *content = &m->content_result;
    uint32_t count = m->log != NULL ? m->log->attributes.count : m->span->attributes.count;
    if (index < count)
        return content->attribute_fields != NULL ? content->attribute_fields[index] : CONTENT_NONE;
    bool has_one = content->event_fields != NULL && (m->log == NULL || index == count);
    return has_one ? content->event_fields[index - count] : CONTENT_NONE;
}

bool attribute_is_told(const struct mapper *m, uint32_t index)
{
    return content_field_of(m, index) != CONTENT_NONE ||
           m->traces[index].used >= m->traces[index].leaves;
}
