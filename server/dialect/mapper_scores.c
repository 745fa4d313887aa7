/*
 * mapper_scores.c - judgements that arrive with spans become rows of the scores table.
 *
 * Place:   evaluation attributes, evaluation events, braintrust.scores, evaluator spans -> [here] -> mapped.scores
 * Whose:   a score belongs to the span that carries it; on an evaluator span that has a parent it belongs to the parent,
 *          which is what was evaluated.
 * Bounds:  SCORES_PER_SPAN_MAX a span, BATCH_ROWS_MAX a batch; what is beyond stays in `attributes`.
 */
#include <math.h>

#include "engine/base/check.h"
#include "server/dialect/mapper_internal.h"

struct slice score_name_clean(struct slice name, struct arena *arena)
{
    name = text_cut(name, NAME_BYTES_MAX);
    bool is_clean = name.size != 0;
    uint8_t *copy = arena_alloc(arena, name.size + 1);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '.' || c == '-';
        copy[i] = fits ? c : (uint8_t)'_';
        is_clean = is_clean && fits;
    }
    if (name.size == 0)
        return slice_text("score");
    return is_clean ? name : slice_of(copy, name.size);
}

/* ---- collecting ---- */

static struct score_part *part_new(struct mapper *m, const struct origin *origin)
{
    if (m->score_count == SCORES_PER_SPAN_MAX)
        return NULL;
    struct score_part *part = &m->scores[m->score_count++];
    *part = (struct score_part){.identity = SLICE_EMPTY,
                                .name = SLICE_EMPTY,
                                .label = SLICE_EMPTY,
                                .explanation = SLICE_EMPTY,
                                .time_ns = origin->time_ns,
                                .is_event = origin->is_event};
    for (size_t i = 0; i < sizeof part->origins / sizeof *part->origins; i++)
        part->origins[i] = NOT_AN_ATTRIBUTE;
    return part;
}

/* The place of an attribute without its last name ("evaluations.3.evaluation"), and without "score" before that. */
static struct slice identity_of(const struct origin *origin)
{
    static const struct slice inner = {(const uint8_t *)".score", 6};
    struct slice key = origin->key;
    while (key.size != 0 && key.data[key.size - 1] != '.')
        key.size--;
    key.size -= key.size != 0;
    if (key.size > inner.size &&
        memcmp(key.data + key.size - inner.size, inner.data, inner.size) == 0)
        key.size -= inner.size;
    return key;
}

/* The score whose part this is: parts of one event, or of attributes that differ in their last name. */
static struct score_part *part_of(struct mapper *m, const struct origin *origin)
{
    struct slice identity = origin->is_event ? SLICE_EMPTY : identity_of(origin);
    for (uint32_t i = 0; i < m->score_count; i++) {
        struct score_part *part = &m->scores[i];
        bool same_event = part->is_event && part->origins[0] == origin->index;
        if (part->identity.size != 0 && !origin->is_event && slice_equal(part->identity, identity))
            return part;
        if (origin->is_event && same_event)
            return part;
    }
    struct score_part *part = part_new(m, origin);
    if (part == NULL)
        return NULL;
    part->identity = identity;
    if (origin->is_event)
        part->origins[0] = origin->index;
    return part;
}

/* A number, a boolean as 0 or 1, or words, which are a label. */
static bool value_take(struct mapper *m, const struct value *v, struct score_part *part)
{
    if (v->type == VALUE_BOOL) {
        part->value = v->boolean;
        part->has_value = true;
        return true;
    }
    if (mapper_value_number(v, &part->value)) {
        part->has_value = true;
        return true;
    }
    return v->type == VALUE_STRING && mapper_value_text(m, v, &part->label);
}

/* ---- scores in JSON ---- */

static bool key_is_one_of(struct slice key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(key, names[i]))
            return true;
    }
    return false;
}
#define KEY_IS(key, names) key_is_one_of(key, names, sizeof(names) / sizeof *(names))

static const char *const name_keys[] = {"name",        "key",    "metric",
                                        "metric_name", "scorer", "criterion"};
static const char *const value_keys[] = {"score",  "value", "score_value",
                                         "passed", "pass",  "result"};
static const char *const label_keys[] = {"label", "verdict", "category", "choice"};
static const char *const words_keys[] = {"explanation", "reason",    "reasoning",    "comment",
                                         "details",     "rationale", "justification"};

/* An object's members, the opening brace just read. False: broken JSON. */
static bool object_take(struct mapper *m, struct json *j, struct score_part *part)
{
    for (enum json_token token; (token = json_next(j)) != JSON_OBJECT_END;) {
        if (token != JSON_KEY)
            return false;
        struct slice key = json_string(j, &m->arena);
        struct value v = mapper_value_of_token(j, json_next(j), &m->arena);
        if (j->reason != NULL)
            return false;
        if (KEY_IS(key, name_keys) && v.type == VALUE_STRING)
            part->name = v.bytes;
        else if (KEY_IS(key, value_keys) && !part->has_value)
            (void)value_take(m, &v, part);
        else if (KEY_IS(key, label_keys) && v.type == VALUE_STRING)
            part->label = v.bytes;
        else if (KEY_IS(key, words_keys) && v.type == VALUE_STRING)
            part->explanation = v.bytes;
    }
    return true;
}

static bool part_is_score(const struct score_part *part)
{
    return part->has_value || part->label.size != 0;
}

/* One member of an object of scores, its name just read. False: broken JSON. */
static bool member_take(struct mapper *m, struct json *j, const struct origin *origin,
                        struct score_part *part)
{
    struct slice name = json_string(j, &m->arena);
    part->name = name;
    enum json_token token = json_next(j);
    if (token == JSON_OBJECT_BEGIN) {
        bool is_whole = object_take(m, j, part);
        part->name = name;
        return is_whole;
    }
    struct value v = mapper_value_of_token(j, token, &m->arena);
    if (value_take(m, &v, part))
        part->origins[1] = origin->index;
    return j->reason == NULL;
}

/* {"relevance": 0.9, "tone": {"score": 1, "reason": "..."}} */
static void scores_object(struct mapper *m, const struct origin *origin, const struct value *v)
{
    struct json j = json_over(mapper_value_json(v));
    uint32_t members = 0;
    enum json_token token = json_next(&j);
    if (token != JSON_OBJECT_BEGIN)
        return;
    /* Until all of it was read and taken the text has more in it than can become scores. */
    struct trace *trace = origin->index != NOT_AN_ATTRIBUTE ? &m->traces[origin->index] : NULL;
    if (trace != NULL)
        trace->leaves = UINT16_MAX;
    while ((token = json_next(&j)) == JSON_KEY) {
        struct score_part *part = part_new(m, origin);
        if (part == NULL || !member_take(m, &j, origin, part))
            return;
        members++;
        m->score_count -= !part_is_score(part);
    }
    if (trace != NULL && token == JSON_OBJECT_END && members > 0 && members < UINT16_MAX)
        trace->leaves = (uint16_t)members;
}

/* {"name": "relevance", "score": 0.9, ...}. */
static void score_object(struct mapper *m, const struct origin *origin, const struct value *v)
{
    struct json j = json_over(mapper_value_json(v));
    struct score_part *part = json_next(&j) == JSON_OBJECT_BEGIN ? part_new(m, origin) : NULL;
    if (part != NULL && (!object_take(m, &j, part) || !part_is_score(part)))
        m->score_count--;
}

void scores_take(struct mapper *m, enum how how, const struct origin *origin, const struct value *v)
{
    if (how == HOW_SCORES) {
        scores_object(m, origin, v);
        return;
    }
    if (how == HOW_SCORE_OBJECT) {
        score_object(m, origin, v);
        return;
    }
    struct score_part *part = part_of(m, origin);
    struct slice text = SLICE_EMPTY;
    bool is_taken = false;
    if (part == NULL)
        return;
    if (how == HOW_SCORE_NAME && (is_taken = mapper_value_text(m, v, &text)))
        part->name = text;
    else if (how == HOW_SCORE_VALUE)
        is_taken = value_take(m, v, part);
    else if (how == HOW_SCORE_LABEL && (is_taken = mapper_value_text(m, v, &text)))
        part->label = text;
    else if (how == HOW_SCORE_EXPLANATION && (is_taken = mapper_value_text(m, v, &text)))
        part->explanation = text;
    if (is_taken)
        part->origins[how - HOW_SCORE_NAME] = origin->index;
}

/* ---- evaluator spans ---- */

/* What an evaluator answered: a number, a boolean, an object or an array of objects. */
static void evaluator_output(struct mapper *m)
{
    const struct slot *slot = &m->slots[TARGET_evaluation_output];
    struct origin origin = {.index = NOT_AN_ATTRIBUTE};
    if (slot->rank == RANK_NONE)
        return;
    struct json j = json_over(slot->found.text);
    enum json_token token = json_next(&j);
    bool is_list = token == JSON_ARRAY_BEGIN;
    if (is_list)
        token = json_next(&j);
    for (; token != JSON_END && token != JSON_ERROR && token != JSON_ARRAY_END;
         token = json_next(&j)) {
        struct score_part *part = part_new(m, &origin);
        if (part == NULL)
            return;
        bool is_whole = true;
        if (token == JSON_OBJECT_BEGIN) {
            is_whole = object_take(m, &j, part);
        } else {
            struct value v = mapper_value_of_token(&j, token, &m->arena);
            if (v.type != VALUE_STRING)
                (void)value_take(m, &v, part);
        }
        m->score_count -= !is_whole || !part_is_score(part);
        if (!is_whole)
            return;
    }
}

/* ---- rows ---- */

/* What the row says need not stay in `attributes`. */
static void part_told(struct mapper *m, const struct score_part *part)
{
    for (size_t i = 0; i < sizeof part->origins / sizeof *part->origins; i++) {
        bool is_nameless = i == 0 && part->name.size == 0;
        if (part->origins[i] != NOT_AN_ATTRIBUTE && !is_nameless)
            m->traces[part->origins[i]].used++;
    }
}

static int64_t score_time(const struct mapper *m, const struct score_part *part)
{
    if (part->time_ns > 0)
        return part->time_ns;
    return m->span->end_ns > m->span->start_ns ? m->span->end_ns : m->span->start_ns;
}

static void text_put(struct builder *b, uint16_t column_id, struct slice text, size_t bytes_max)
{
    if (text.size != 0)
        builder_str(b, column_id, text_cut(text, bytes_max));
}

static void row_write(struct mapper *m, const struct score_part *part, struct slice name,
                      struct builder *b)
{
    const struct otlp_span *span = m->span;
    bool is_evaluator = slice_is(m->kind, "evaluator");
    const struct otlp_scope *scope = m->log != NULL ? span->scope : NULL;
    struct slice scorer = is_evaluator ? span->name : scope != NULL ? scope->name : SLICE_EMPTY;
    uint64_t scored = is_evaluator && span->parent_id != 0 ? span->parent_id : span->span_id;
    int64_t time_ns = score_time(m, part);
    builder_row(b);
    if (time_ns > 0)
        builder_i64(b, SCORES_time, time_ns);
    builder_id128(b, SCORES_trace_id, span->trace_id);
    if (scored != 0)
        builder_id64(b, SCORES_span_id, scored);
    builder_str(b, SCORES_name, name);
    if (part->has_value)
        builder_f64(b, SCORES_value, part->value);
    text_put(b, SCORES_label, part->label, STR_BYTES_MAX);
    text_put(b, SCORES_explanation, part->explanation, TEXT_BYTES_MAX);
    builder_str(b, SCORES_source, slice_text(is_evaluator || part->is_event ? "judge" : "client"));
    text_put(b, SCORES_scorer, scorer, STR_BYTES_MAX);
    if (scope != NULL)
        text_put(b, SCORES_scorer_version, scope->version, STR_BYTES_MAX);
    if (is_evaluator && slot_has(m, TARGET_model))
        text_put(b, SCORES_judge_model, m->slots[TARGET_model].found.text, STR_BYTES_MAX);
}

/* The name a part's row would have; empty: it is no score. */
static struct slice row_name(struct mapper *m, const struct score_part *part)
{
    bool is_evaluator = slice_is(m->kind, "evaluator");
    struct slice name = part->name.size == 0 && is_evaluator ? m->span->name : part->name;
    bool is_finite = !part->has_value || isfinite(part->value);
    return part_is_score(part) && is_finite ? name : SLICE_EMPTY;
}

void scores_write(struct mapper *m, struct mapped *to)
{
    bool any = false;
    for (uint32_t i = 0; i < m->score_count; i++)
        any = any || part_is_score(&m->scores[i]);
    if (slice_is(m->kind, "evaluator") && !any)
        evaluator_output(m);
    for (uint32_t i = 0; i < m->score_count && to->scores.rows < BATCH_ROWS_MAX; i++) {
        const struct score_part *part = &m->scores[i];
        struct slice raw = row_name(m, part);
        if (raw.size == 0)
            continue;
        struct slice name = score_name_clean(raw, &m->arena);
        row_write(m, part, name, &to->scores);
        if (slice_equal(name, raw))
            part_told(m, part);
        to->bytes += name.size + part->label.size + part->explanation.size;
    }
}

/* ---- mapping again ---- */

static bool part_is_new(const struct mapper *m, const struct score_part *part)
{
    bool has_origin = false;
    for (size_t i = 0; i < sizeof part->origins / sizeof *part->origins; i++) {
        if (part->origins[i] == NOT_AN_ATTRIBUTE)
            continue;
        has_origin = true;
        if (m->traces[part->origins[i]].used < m->traces[part->origins[i]].leaves)
            return false;
    }
    return has_origin;
}

/*
 * A score that was given on arrival left nothing behind, unless it could not be kept exactly; so only what now leaves
 * nothing behind is new.
 */
uint32_t scores_write_again(struct mapper *m, struct mapped *to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->score_count; i++) {
        struct slice raw = row_name(m, &m->scores[i]);
        if (raw.size != 0 && slice_equal(raw, score_name_clean(raw, &m->arena)))
            part_told(m, &m->scores[i]);
    }
    for (uint32_t i = 0; i < m->score_count; i++) {
        struct slice raw = row_name(m, &m->scores[i]);
        if (raw.size == 0 || !part_is_new(m, &m->scores[i]))
            continue;
        row_write(m, &m->scores[i], score_name_clean(raw, &m->arena), &to->scores);
        count++;
    }
    return count;
}
