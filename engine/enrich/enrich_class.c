/*
 * enrich_class.c - one error class a row, of all that its facts, scores and rules suggest.
 *
 * A class the client gave stays (class_source 'client'). Else the suggestion with the lowest order of the taxonomy wins
 * (class_source 'rule'). Without any the class stays NULL, which the engine stores as 'none'.
 */
#include "engine/enrich/enrich_internal.h"

#include <stdio.h>

#include "engine/span/cell.h"

/* "... did you mean 'refusal'?" */
static enum status class_unknown(const struct taxonomy *t, struct slice name, const char *where,
                                 struct error *reterr)
{
    const char *names[TAXONOMY_CLASSES_MAX];
    char hint[CLASS_NAME_BYTES_MAX + 24] = "";
    for (uint32_t i = 0; i < t->count; i++)
        names[i] = t->classes[i].name;
    const char *nearest = nearest_name(name, names, t->count);
    if (nearest != NULL)
        (void)snprintf(hint, sizeof hint, "; did you mean '%s'?", nearest);
    int shown = (int)(name.size < 80 ? name.size : 80);
    return error_set(
        reterr, STATUS_INVALID,
        "%serror class '%.*s' is not in the taxonomy%s%s error_class keeps few values: "
        "add the class under `classes:` of the policy file, or use 'other'",
        where, shown, (const char *)name.data, hint, hint[0] != 0 ? "" : ";");
}

enum status enrich_class_check(const struct enricher *e, struct slice name, struct error *reterr)
{
    if (taxonomy_find(&e->settings.taxonomy, name) != NULL)
        return STATUS_OK;
    return class_unknown(&e->settings.taxonomy, name, "", reterr);
}

/* Codes 1 .. count - 1 of the client's dictionary that are in the taxonomy; each is looked up once, when a row uses it. */
enum {
    CODE_NEW,
    CODE_KNOWN,
    CODE_UNKNOWN
};

static enum status given_check(struct class_column *c, struct error *reterr)
{
    const struct vector *v = c->given;
    uint8_t *states = arena_zero(c->work->arena, v->dict->count, 1);
    c->given_states = states;
    for (uint32_t row = 0; row < v->rows; row++) {
        uint32_t code = v->codes[row];
        if (code == 0)
            continue;
        if (states[code] == CODE_NEW)
            states[code] = taxonomy_find(c->taxonomy, v->dict->values[code]) != NULL ? CODE_KNOWN
                                                                                     : CODE_UNKNOWN;
        if (states[code] == CODE_UNKNOWN && !c->work->lenient) {
            char where[32];
            (void)snprintf(where, sizeof where, "row %u: ", row);
            return class_unknown(c->taxonomy, v->dict->values[code], where, reterr);
        }
    }
    return STATUS_OK;
}

enum status class_column_init(struct class_column *c, const struct taxonomy *taxonomy,
                              struct enrich_work *work, struct error *reterr)
{
    *c = (struct class_column){
        .taxonomy = taxonomy, .work = work, .given = batch_vector(&work->spans, SPANS_error_class)};
    return c->given != NULL ? given_check(c, reterr) : STATUS_OK;
}

struct slice class_column_unknown(const struct class_column *c, uint32_t row)
{
    if (c->given == NULL || c->given_states[c->given->codes[row]] != CODE_UNKNOWN)
        return SLICE_EMPTY;
    return vector_bytes(c->given, row);
}

static void begin(struct class_column *c)
{
    if (c->begun)
        return;
    c->begun = true;
    c->classes =
        str_edit_begin(&c->work->spans, SPANS_error_class, TAXONOMY_CLASSES_MAX, c->work->arena);
    c->sources = str_edit_begin(&c->work->spans, SPANS_class_source, 2, c->work->arena);
    c->rule_code = str_edit_value(&c->sources, slice_text("rule"));
    c->client_code = str_edit_value(&c->sources, slice_text("client"));
}

/* A dictionary from outside may be long: a class is looked up in it once. */
static uint32_t class_code(struct class_column *c, const struct error_class *found)
{
    uint32_t *code = &c->codes[found - c->taxonomy->classes];
    if (*code == 0)
        *code = str_edit_value(&c->classes, slice_text(found->name));
    return *code;
}

static const struct error_class *better(const struct error_class *best,
                                        const struct error_class *one)
{
    if (one == NULL || one->bucket == BUCKET_NONE)
        return best;
    return best == NULL || one->order < best->order ? one : best;
}

static const struct error_class *suggested(const struct class_column *c,
                                           const struct span_view *view,
                                           const struct score_list *scores)
{
    const struct error_class *best = NULL;
    struct class_candidates facts;
    classify(&(struct class_facts){.kind = view->kind,
                                   .status = view->status,
                                   .finish_reason = view->finish_reason,
                                   .error_type = view->error_type,
                                   .error_message = view->error_message,
                                   .http_status = view->http_status},
             &facts);
    for (uint32_t i = 0; i < facts.count; i++)
        best = better(best, taxonomy_find(c->taxonomy, slice_text(facts.names[i])));
    for (uint32_t i = 0; i < scores->count; i++) {
        if (scores->items[i].error_class.size > 0)
            best = better(best, taxonomy_find(c->taxonomy, scores->items[i].error_class));
    }
    return best;
}

static void given_row(struct class_column *c, uint32_t row, struct enrich_counts *counts)
{
    begin(c);
    if (c->given_states[c->given->codes[row]] == CODE_UNKNOWN) {
        c->classes.codes[row] = class_code(c, taxonomy_find(c->taxonomy, slice_text("other")));
        counts->unknown_classes++;
    }
    if (c->sources.codes[row] == 0)
        c->sources.codes[row] = c->client_code;
    counts->classified += !slice_is(vector_bytes(c->given, row), "none");
}

void class_column_row(struct class_column *c, uint32_t row, const struct span_view *view,
                      const struct score_list *scores, struct enrich_counts *counts)
{
    if (c->given != NULL && c->given->codes[row] != 0) {
        given_row(c, row, counts);
        return;
    }
    const struct error_class *found = suggested(c, view, scores);
    if (found == NULL)
        return;
    begin(c);
    c->classes.codes[row] = class_code(c, found);
    c->sources.codes[row] = c->rule_code;
    counts->classified++;
}

void class_column_end(struct class_column *c)
{
    if (!c->begun)
        return;
    str_edit_end(&c->classes, &c->work->spans, SPANS_error_class);
    str_edit_end(&c->sources, &c->work->spans, SPANS_class_source);
}
