/*
 * alert_evaluate.c - rows to groups with verdicts.
 */
#include "server/alert/alert_evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "engine/base/hash.h"
#include "engine/base/intern.h"
#include "server/alert/alert_condition_tree.h"
#include "server/alert/alert_limits.h"
#include "server/alert/alert_words.h"

/* Where in the result the rule's columns are. */
struct binding {
    uint32_t condition[ALERT_CONDITION_NODES];
    uint32_t resolve[ALERT_CONDITION_NODES];
    uint32_t group[ALERT_GROUP_COLUMNS_MAX]; /* sorted by name */
    uint32_t group_count;
    uint32_t value; /* UINT32_MAX: none */
    uint32_t samples;
    uint32_t time;
};

static enum status column_missing(struct slice name, struct error *reterr)
{
    return error_set(reterr, STATUS_INVALID, "the query's result has no column '%.*s'",
                     SLICE_ARG(name));
}

static bool is_text(enum sql_type type)
{
    return type == SQL_TEXT || type == SQL_HEX;
}

static enum status bind_groups(const struct alert_rule *rule, const struct query_result *r,
                               struct binding *b, struct error *reterr)
{
    b->group_count = 0;
    if (rule->group_by != NULL) {
        for (uint32_t i = 0; i < rule->group_count; i++) {
            if (!result_column_find(r->columns, r->column_count, rule->group_by[i], &b->group[i]))
                return column_missing(rule->group_by[i], reterr);
        }
        b->group_count = rule->group_count;
    } else {
        for (uint32_t i = 0; i < r->column_count; i++) {
            if (!is_text(r->columns[i].type))
                continue;
            if (b->group_count == ALERT_GROUP_COLUMNS_MAX)
                return error_set(reterr, STATUS_LIMIT,
                                 "more than %u text columns: name some in group_by",
                                 ALERT_GROUP_COLUMNS_MAX);
            b->group[b->group_count++] = i;
        }
    }
    for (uint32_t i = 1; i < b->group_count; i++) { /* insertion sort: a handful */
        uint32_t moving = b->group[i];
        uint32_t at = i;
        for (; at > 0 && strcmp(r->columns[b->group[at - 1]].name, r->columns[moving].name) > 0;
             at--)
            b->group[at] = b->group[at - 1];
        b->group[at] = moving;
    }
    return STATUS_OK;
}

static uint32_t find_or_none(const struct query_result *r, struct slice name)
{
    uint32_t at;
    return result_column_find(r->columns, r->column_count, name, &at) ? at : UINT32_MAX;
}

static enum status bind(const struct alert_rule *rule, const struct query_result *r,
                        struct binding *b, struct error *reterr)
{
    uint32_t missing;
    if (!alert_condition_bind(rule->condition, r->columns, r->column_count, b->condition, &missing))
        return column_missing(alert_condition_column(rule->condition, missing), reterr);
    if (rule->resolve != NULL &&
        !alert_condition_bind(rule->resolve, r->columns, r->column_count, b->resolve, &missing))
        return column_missing(alert_condition_column(rule->resolve, missing), reterr);
    b->value = find_or_none(r, slice_text(rule->value != NULL ? rule->value : "value"));
    if (b->value == UINT32_MAX && rule->value == NULL &&
        alert_condition_column_count(rule->condition) > 0)
        b->value = b->condition[0];
    b->samples = find_or_none(r, slice_text(rule->samples));
    if (b->samples == UINT32_MAX && rule->min_samples > 0)
        return column_missing(slice_text(rule->samples), reterr);
    b->time = UINT32_MAX;
    for (uint32_t i = 0; i < r->column_count && b->time == UINT32_MAX; i++) {
        if (r->columns[i].type == SQL_TIMESTAMP)
            b->time = i;
    }
    return bind_groups(rule, r, b, reterr);
}

/* ---- rows ---- */

static bool value_number(const struct query_value *v, double *ret)
{
    switch (v->type) {
    case SQL_FLOAT:
        *ret = v->f64;
        return isfinite(v->f64);
    case SQL_INT:
    case SQL_BOOL:
        *ret = (double)v->i64;
        return true;
    case SQL_TIMESTAMP:
    case SQL_INTERVAL: /* in seconds */
        *ret = (double)v->i64 / (double)NS_PER_S;
        return true;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        return false;
    }
    return false;
}

/* A value too long to be a label is cut (between characters) and ends in the hash of all of it. */
static struct slice label_clip(struct slice text, struct arena *arena)
{
    if (text.size <= ALERT_LABEL_BYTES_MAX)
        return text;
    size_t keep = ALERT_LABEL_BYTES_MAX - 20;
    while (keep > 0 && (text.data[keep] & 0xc0) == 0x80)
        keep--;
    return slice_text(arena_printf(arena, "%.*s...%016" PRIx64, (int)keep, (const char *)text.data,
                                   hash64(text)));
}

static struct slice group_of(const struct query_result *r, const struct binding *b,
                             const struct query_value *row, struct arena *arena)
{
    struct label labels[ALERT_GROUP_COLUMNS_MAX];
    struct buffer text = {0};
    for (uint32_t i = 0; i < b->group_count; i++) {
        struct buffer value = {0};
        labels[i].name = slice_text(r->columns[b->group[i]].name);
        labels[i].has_value = query_value_text(&row[b->group[i]], &value);
        labels[i].value = label_clip(arena_copy(arena, buffer_slice(&value)), arena);
        buffer_deinit(&value);
    }
    labels_write(labels, b->group_count, &text);
    struct slice group = arena_copy(arena, buffer_slice(&text));
    buffer_deinit(&text);
    return group;
}

static enum verdict verdict_of(const struct alert_rule *rule, const struct binding *b,
                               const struct query_value *row, const struct observation *o)
{
    if (rule->min_samples > 0 &&
        (!o->has_samples || o->samples < 0 || (uint64_t)o->samples < rule->min_samples))
        return VERDICT_FEW;
    switch (alert_condition_evaluate(rule->condition, b->condition, row)) {
    case TRUTH_TRUE:
        return VERDICT_BREACH;
    case TRUTH_UNKNOWN:
        return VERDICT_NO_DATA;
    case TRUTH_FALSE:
        break;
    }
    if (rule->resolve == NULL)
        return VERDICT_CLEAR;
    return alert_condition_evaluate(rule->resolve, b->resolve, row) == TRUTH_TRUE ? VERDICT_CLEAR
                                                                                  : VERDICT_HOLD;
}

static void observe(const struct alert_rule *rule, const struct binding *b,
                    const struct query_value *row, struct observation *o)
{
    double samples;
    o->has_value = b->value != UINT32_MAX && value_number(&row[b->value], &o->value);
    o->has_samples = b->samples != UINT32_MAX && value_number(&row[b->samples], &samples);
    if (o->has_samples)
        o->samples = samples >= 9e18 ? INT64_MAX : samples <= -9e18 ? INT64_MIN : (int64_t)samples;
    o->verdict = verdict_of(rule, b, row, o);
}

static bool is_later(const struct query_value *a, const struct query_value *b)
{
    return a->type != SQL_NULL && (b->type == SQL_NULL || a->i64 >= b->i64);
}

static enum status rows_observe(const struct alert_rule *rule, const struct binding *b,
                                struct evaluation *e, struct intern *groups, struct error *reterr)
{
    const struct query_result *r = e->result;
    for (uint64_t row = 0; row < r->row_count; row++) {
        const struct query_value *cells = &r->cells[row * r->column_count];
        struct slice group = group_of(r, b, cells, &e->arena);
        uint32_t code = intern_find(groups, group);
        if (code == 0) {
            code = intern_add(groups, group);
            e->observations =
                mem_grow(e->observations, &e->capacity, code, sizeof *e->observations);
            e->count = code;
        } else if (b->time == UINT32_MAX) {
            return error_set(
                reterr, STATUS_INVALID,
                "the query gives two rows for the group %.*s: add columns to group_by, or aggregate",
                (int)(group.size < 400 ? group.size : 400), (const char *)group.data);
        } else {
            uint64_t before = e->observations[code - 1].row;
            if (!is_later(&cells[b->time], &r->cells[before * r->column_count + b->time]))
                continue;
        }
        struct observation *o = &e->observations[code - 1];
        *o = (struct observation){.group = group, .row = row};
        observe(rule, b, cells, o);
    }
    return STATUS_OK;
}

enum status evaluation_run(struct query_db *db, const struct alert_rule *rule,
                           const struct evaluate_options *options, struct evaluation *ret,
                           struct error *reterr)
{
    struct query_options query = {.project = options->project,
                                  .timeout_ns = rule->timeout_ns,
                                  .memory_bytes_max = ALERT_QUERY_MEMORY_MAX,
                                  .rows_max = ALERT_RESULT_ROWS_MAX,
                                  .result_bytes_max = ALERT_RESULT_BYTES_MAX,
                                  .threads = 1, /* rules stay behind the people who ask */
                                  .now_ns = options->now_ns,
                                  .cancel = options->cancel};
    struct evaluation e = {0};
    struct intern groups;
    struct binding binding;
    enum status s = query_run(db, rule->query, &query, &e.result, reterr);
    if (s < 0)
        return s;
    intern_init(&groups);
    if (e.result->partial)
        s = error_set(reterr, STATUS_CORRUPT, "no verdict over damaged data: %s", e.result->notice);
    if (s >= 0)
        s = bind(rule, e.result, &binding, reterr);
    if (s >= 0)
        s = rows_observe(rule, &binding, &e, &groups, reterr);
    intern_deinit(&groups);
    if (s < 0) {
        evaluation_deinit(&e);
        return s;
    }
    e.is_grouped = binding.group_count > 0;
    if (!e.is_grouped && e.count == 0) { /* the one group of the rule is there without a row, too */
        e.observations = mem_grow(NULL, &e.capacity, 1, sizeof *e.observations);
        e.observations[e.count++] = (struct observation){
            .group = slice_text("{}"), .verdict = VERDICT_NO_DATA, .row = UINT64_MAX};
    }
    *ret = e;
    return STATUS_OK;
}

void evaluation_deinit(struct evaluation *e)
{
    if (e->result != NULL)
        query_result_destroy(e->result);
    mem_free(e->observations);
    arena_deinit(&e->arena);
    *e = (struct evaluation){0};
}

/* ---- texts ---- */

static const struct query_value *row_of(const struct evaluation *e, const struct observation *o)
{
    if (o == NULL || o->row == UINT64_MAX)
        return NULL;
    return &e->result->cells[o->row * e->result->column_count];
}

void evaluation_summary(const struct evaluation *e, const struct alert_rule *rule,
                        const struct observation *o, struct buffer *to)
{
    struct template_word words[ALERT_WORDS];
    struct buffer value = {0};
    if (o != NULL && o->has_value)
        (void)query_value_text(&(struct query_value){.type = SQL_FLOAT, .f64 = o->value}, &value);
    else
        buffer_add_text(&value, "no data");
    buffer_add_byte(&value, 0);
    alert_words(rule, (const char *)value.data, words);
    size_t before = to->size;
    template_fill(rule->summary, TEMPLATE_PLAIN, e->result->columns, e->result->column_count,
                  row_of(e, o), words, ALERT_WORDS, to);
    if (to->size - before > ALERT_SUMMARY_BYTES_MAX) {
        size_t keep = before + ALERT_SUMMARY_BYTES_MAX - 3;
        while (keep > before && (to->data[keep] & 0xc0) == 0x80)
            keep--;
        to->size = keep;
        buffer_add_text(to, "...");
    }
    buffer_deinit(&value);
}

enum status evaluation_exemplars(struct query_db *db, const struct evaluation *e,
                                 const struct alert_rule *rule, const struct observation *o,
                                 const struct evaluate_options *options, struct buffer *to,
                                 struct error *reterr)
{
    struct query_options query = {.project = options->project,
                                  .timeout_ns = ALERT_EXEMPLAR_TIMEOUT_NS,
                                  .memory_bytes_max = ALERT_QUERY_MEMORY_MAX,
                                  .result_bytes_max = ALERT_RESULT_BYTES_MAX,
                                  .threads = 1,
                                  .now_ns = options->now_ns,
                                  .cancel = options->cancel};
    const struct query_value *row = row_of(e, o);
    struct query_result *found = NULL;
    struct buffer text = {0};
    uint32_t count = 0;
    enum status s = STATUS_OK;
    if (rule->exemplars.size > 0 && row != NULL) {
        template_fill(rule->exemplars, TEMPLATE_SQL, e->result->columns, e->result->column_count,
                      row, NULL, 0, &text);
        s = query_run(db, buffer_slice(&text), &query, &found, reterr);
    }
    buffer_deinit(&text);
    if (s < 0)
        return s;
    buffer_add_byte(to, '[');
    for (uint64_t i = 0; found != NULL && i < found->row_count && count < ALERT_EXEMPLARS_MAX;
         i++) {
        struct buffer cell = {0};
        bool fits = query_value_text(&found->cells[i * found->column_count], &cell) &&
                    cell.size <= ALERT_EXEMPLAR_BYTES_MAX;
        if (fits && count++ > 0)
            buffer_add_byte(to, ',');
        if (fits)
            buffer_add_json(to, buffer_slice(&cell));
        buffer_deinit(&cell);
    }
    buffer_add_byte(to, ']');
    if (found != NULL)
        query_result_destroy(found);
    return STATUS_OK;
}

/* ---- labels ---- */

static void label_put(struct label *set, uint32_t *count, struct slice name, struct slice value)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (slice_equal(set[i].name, name)) {
            set[i].value = value;
            return;
        }
    }
    set[(*count)++] = (struct label){.name = name, .value = value, .has_value = true};
}

enum status rule_label_set(const struct alert_rule *rule, struct slice group, struct buffer *to,
                           char fingerprint[17], struct error *reterr)
{
    struct label set[3 + ALERT_LABELS_MAX + ALERT_GROUP_COLUMNS_MAX];
    struct arena arena = {0};
    struct label *grouped;
    uint32_t group_count;
    uint32_t count = 0;
    enum status s = labels_read(group, &arena, &grouped, &group_count, reterr);
    if (s < 0 || group_count > ALERT_GROUP_COLUMNS_MAX) {
        arena_deinit(&arena);
        return s < 0 ? s : error_set(reterr, STATUS_LIMIT, "a group has too many labels");
    }
    for (uint32_t i = 0; i < rule->label_count; i++)
        label_put(set, &count, slice_text(rule->labels[i].name), slice_text(rule->labels[i].value));
    for (uint32_t i = 0; i < group_count; i++)
        label_put(set, &count, grouped[i].name,
                  grouped[i].has_value ? grouped[i].value : SLICE_EMPTY);
    label_put(set, &count, slice_text("project"), slice_text(rule->project));
    label_put(set, &count, slice_text("severity"), slice_text(severity_name(rule->severity)));
    label_put(set, &count, slice_text("alertname"), slice_text(rule->name));
    labels_sort(set, count);
    labels_write(set, count, to);
    (void)snprintf(fingerprint, 17, "%016" PRIx64, labels_fingerprint(set, count));
    arena_deinit(&arena);
    return STATUS_OK;
}
