/*
 * mapper_explain.c - says of every attribute, event and field what became of it (`driftline doctor otlp`).
 */
#include "server/dialect/mapper_internal.h"

#define VALUE_BYTES_SHOWN 120u

static void note(struct mapper *m, struct slice source, struct slice value, const char *column,
                 const char *why)
{
    struct mapping_note n = {.source = source, .value = value, .column = column, .why = why};
    m->explain.note(m->explain.context, &n);
}

static struct slice value_shown(struct mapper *m, const struct value *v)
{
    struct buffer text = {0};
    if (v->type == VALUE_STRING)
        buffer_add_slice(&text, text_cut(v->bytes, VALUE_BYTES_SHOWN));
    else
        json_add_value(&text, v);
    struct slice shown = arena_copy(&m->arena, text_cut(buffer_slice(&text), VALUE_BYTES_SHOWN));
    buffer_deinit(&text);
    return shown;
}

/* The words for a value that stands at `first` and whose trace is `index` (NOT_AN_ATTRIBUTE: resource or field). */
static void note_place(struct mapper *m, struct slice source, struct slice shown, uint16_t first,
                       int32_t index, enum target equal)
{
    const char *why = "no mapping";
    if (equal != TARGET_COUNT) {
        uint16_t rank = m->slots[equal].rank;
        const char *where = rank < RANK_DERIVED ? dialect_sources[rank].where : "other sources";
        bool is_first = slice_is(source, where);
        note(m, source, shown, target_column[equal],
             is_first ? arena_printf(&m->arena, "first source of %s", target_column[equal])
                      : arena_printf(&m->arena, "says the same as %s", where));
        return;
    }
    for (uint16_t at = first; at != 0; at = m->dialect.next[at - 1]) {
        const struct source *s = &dialect_sources[at - 1];
        const struct slot *slot = &m->slots[s->target];
        const char *column = target_column[s->target];
        if (s->target == TARGET_score)
            why = "part of a score that is not whole";
        else if (slot->rank == at - 1 && (index == NOT_AN_ATTRIBUTE || slot->origin == index)) {
            note(m, source, shown, column != NULL ? column : "attributes",
                 column != NULL ? "its meaning; the value itself stays in attributes"
                                : "helps to settle other columns; stays in attributes");
            return;
        } else if (slot->rank < RANK_DERIVED)
            why = arena_printf(&m->arena, "%s came from %s",
                               column != NULL ? column : "what it means",
                               dialect_sources[slot->rank].where);
        else if (slot->rank == RANK_NONE)
            why =
                arena_printf(&m->arena, "the value can't be %s", column != NULL ? column : "used");
    }
    note(m, source, shown, "attributes", why);
}

/* The score an attribute or event became part of; NULL: none. */
static const char *score_column(struct mapper *m, int32_t index)
{
    for (uint32_t i = 0; i < m->score_count; i++) {
        const struct score_part *part = &m->scores[i];
        struct slice name = part->name.size != 0 ? part->name : m->span->name;
        for (size_t k = 0; k < 4; k++) {
            if (part->origins[k] == index && m->traces[index].used != 0)
                return arena_printf(&m->arena, "score.%.*s",
                                    SLICE_ARG(score_name_clean(name, &m->arena)));
        }
    }
    return NULL;
}

/* A JSON value: which columns its members became. */
static void members_explain(struct mapper *m, struct slice key, struct slice shown, uint32_t index)
{
    char *columns = NULL;
    const char *first = NULL;
    for (uint32_t i = 0; i < TARGET_COUNT; i++) {
        const struct slot *slot = &m->slots[i];
        const char *column = target_column[i];
        if (slot->rank == RANK_NONE || slot->origin != (int32_t)index || column == NULL)
            continue;
        columns = columns == NULL ? arena_strdup(&m->arena, column)
                                  : arena_printf(&m->arena, "%s, %s", columns, column);
        first = first == NULL ? column : first;
    }
    if (columns == NULL)
        note(m, key, shown, "attributes", "no member of it became a column");
    else if (attribute_is_told(m, index))
        note(m, key, shown, first, arena_printf(&m->arena, "its members became %s", columns));
    else
        note(m, key, shown, "attributes",
             arena_printf(&m->arena, "members became %s; the value itself stays", columns));
}

static void attribute_explain(struct mapper *m, uint32_t index)
{
    const struct attribute *a = &m->span->attributes.items[index];
    const struct trace *trace = &m->traces[index];
    struct slice shown = value_shown(m, &a->value);
    enum content_field field = content_field_of(m, index);
    const char *score = score_column(m, (int32_t)index);
    if (trace->hidden) {
        note(m, a->key, shown, NULL, "the same name comes again: the last one counts");
    } else if (field != CONTENT_NONE) {
        note(m, a->key, shown, content_field_column(field),
             attribute_has_rest(m, index) ? "what was said; the rest stays in attributes"
                                          : "what was said");
    } else if (score != NULL) {
        note(m, a->key, shown, score, "a score");
    } else if (trace->has_members) {
        members_explain(m, a->key, shown, index);
    } else {
        struct origin origin = {.key = a->key, .index = (int32_t)index};
        enum target equal = equal_target(m, trace->first, &origin, &a->value);
        note_place(m, a->key, shown, trace->first, (int32_t)index, equal);
    }
}

static void event_explain(struct mapper *m, uint32_t index)
{
    const struct otlp_event *e = &m->span->events[index];
    uint32_t at = m->span->attributes.count + index;
    enum content_field field = content_field_of(m, at);
    const char *score = score_column(m, (int32_t)at);
    char *name =
        arena_printf(&m->arena, "event %.*s", SLICE_ARG(text_cut(e->name, VALUE_BYTES_SHOWN)));
    struct slice source = slice_text(name);
    if (field != CONTENT_NONE)
        note(m, source, SLICE_EMPTY, content_field_column(field), "what was said");
    else if (score != NULL)
        note(m, source, SLICE_EMPTY, score, "a score");
    else if (attribute_is_told(m, at))
        note(m, source, SLICE_EMPTY, "columns", "all of it stands in columns");
    else
        note(m, source, SLICE_EMPTY, "attributes", "kept in attributes under events");
    for (uint32_t i = 0; score == NULL && i < e->attributes.count; i++) {
        const struct attribute *a = &e->attributes.items[i];
        const struct place *place = event_place(m, e->name, &a->key);
        struct origin origin = {
            .key = e->name, .index = (int32_t)at, .time_ns = e->time_ns, .is_event = true};
        if (place == NULL || place->first == 0)
            continue;
        char *text = arena_printf(&m->arena, "%s->%.*s", name,
                                  SLICE_ARG(text_cut(a->key, VALUE_BYTES_SHOWN)));
        note_place(m, slice_text(text), value_shown(m, &a->value), place->first, (int32_t)at,
                   equal_target(m, place->first, &origin, &a->value));
    }
}

static void resource_explain(struct mapper *m)
{
    const struct otlp_resource *resource = m->span->resource;
    for (uint32_t i = 0; resource != NULL && i < resource->attributes.count; i++) {
        const struct attribute *a = &resource->attributes.items[i];
        const struct place *place = resource_place(m, a->key);
        struct origin origin = {.index = NOT_AN_ATTRIBUTE};
        char *name = arena_printf(&m->arena, "resource %.*s",
                                  SLICE_ARG(text_cut(a->key, VALUE_BYTES_SHOWN)));
        uint16_t first = place != NULL ? place->first : 0;
        note_place(m, slice_text(name), value_shown(m, &a->value), first, NOT_AN_ATTRIBUTE,
                   equal_target(m, first, &origin, &a->value));
    }
}

static void fields_explain(struct mapper *m)
{
    static const char *const codes[] = {"unset", "ok", "error"};
    const struct otlp_span *span = m->span;
    if (m->log != NULL)
        return;
    int32_t code = span->status_code;
    bool failed = slot_has(m, TARGET_failed);
    note(m, slice_text("status"), slice_text(code >= 0 && code <= 2 ? codes[code] : "?"), "status",
         failed && code != 2 ? "error: other signs of failure" : "status code");
    struct origin origin = {.index = NOT_AN_ATTRIBUTE};
    struct value message = {.type = VALUE_STRING, .bytes = span->status_message};
    if (span->status_message.size != 0)
        note_place(m, slice_text("status message"), value_shown(m, &message), m->status_message,
                   NOT_AN_ATTRIBUTE, equal_target(m, m->status_message, &origin, &message));
    uint16_t rank = m->slots[TARGET_kind].rank;
    note(m, slice_text("kind"), m->kind, "kind",
         rank < RANK_DERIVED ? arena_printf(&m->arena, "from %s", dialect_sources[rank].where)
                             : "nothing says what the span is");
    if (span->scope != NULL && span->scope->name.size != 0)
        note(m, slice_text("scope"), text_cut(span->scope->name, VALUE_BYTES_SHOWN), "attributes",
             "kept in attributes under scope");
    if (span->link_count != 0)
        note(m, slice_text("links"), SLICE_EMPTY, "attributes", "kept in attributes under links");
}

void explain_span(struct mapper *m)
{
    fields_explain(m);
    resource_explain(m);
    for (uint32_t i = 0; i < m->span->attributes.count; i++)
        attribute_explain(m, i);
    for (uint32_t i = 0; i < m->span->event_count; i++)
        event_explain(m, i);
}
