/*
 * alert_rules_check.c - a rule against the query engine: do the columns it speaks of exist?
 */
#include "engine/base/limits.h"
#include "server/alert/alert_condition_tree.h"
#include "server/alert/alert_rules_reader.h"
#include "server/alert/alert_template.h"
#include "server/alert/alert_words.h"

static enum status column_must_exist(struct rules_reader *r, struct fy_node *node, const char *key,
                                     struct slice name, const struct query_shape *shape,
                                     uint32_t *ret_index)
{
    struct buffer names = {0};
    if (result_column_find(shape->columns, shape->column_count, name, ret_index))
        return STATUS_OK;
    for (uint32_t i = 0; i < shape->column_count; i++)
        buffer_printf(&names, "%s%s", i == 0 ? "" : ", ", shape->columns[i].name);
    enum status s =
        yaml_error(r->yaml, node, r->reterr, "%s: the query has no column '%.*s'; it has %.*s", key,
                   SLICE_ARG(name), SLICE_ARG(buffer_slice(&names)));
    buffer_deinit(&names);
    return s;
}

static bool is_number(enum sql_type type)
{
    return type == SQL_INT || type == SQL_FLOAT || type == SQL_BOOL || type == SQL_NULL;
}

static enum status check_columns(struct rules_reader *r, uint32_t index,
                                 const struct query_shape *shape)
{
    const struct alert_rule *rule = &r->rules->rules[index];
    const struct rule_nodes *nodes = &r->nodes[index];
    uint32_t at;
    enum status s;
    for (uint32_t i = 0; i < rule->group_count; i++) {
        struct fy_node *node = list_item(nodes->group_by, i);
        if ((s = column_must_exist(r, node, "group_by", rule->group_by[i], shape, &at)) < 0)
            return s;
    }
    if (rule->value != NULL &&
        (s = column_must_exist(r, nodes->value, "value", slice_text(rule->value), shape, &at)) < 0)
        return s;
    if (nodes->samples != NULL) {
        if ((s = column_must_exist(r, nodes->samples, "samples", slice_text(rule->samples), shape,
                                   &at)) < 0)
            return s;
        if (!is_number(shape->columns[at].type))
            return yaml_error(r->yaml, nodes->samples, r->reterr,
                              "samples: the column '%s' is not a number", rule->samples);
    }
    return STATUS_OK;
}

/* The exemplars' statement with a NULL, then checked, in place of each value. */
static enum status check_exemplars(struct rules_reader *r, uint32_t index, struct query_db *db,
                                   const struct query_options *options,
                                   const struct query_shape *shape)
{
    const struct alert_rule *rule = &r->rules->rules[index];
    struct fy_node *node = r->nodes[index].exemplars;
    struct error error = {.position = -1};
    struct query_shape *found = NULL;
    struct buffer text = {0};
    if (rule->exemplars.size == 0)
        return STATUS_OK;
    if (template_check(rule->exemplars, TEMPLATE_SQL, shape->columns, shape->column_count, NULL, 0,
                       &error) < 0)
        return error_within(r, node, "exemplars", &error);
    struct query_value *row = mem_zero(shape->column_count, sizeof *row);
    for (uint32_t i = 0; i < shape->column_count; i++) {
        row[i].type = shape->columns[i].type;
        if (row[i].type == SQL_TEXT || row[i].type == SQL_HEX || row[i].type == SQL_MESSAGES)
            row[i].text = SLICE_EMPTY;
        if (row[i].type == SQL_HEX) /* any id is a good one */
            row[i].type = SQL_NULL;
    }
    template_fill(rule->exemplars, TEMPLATE_SQL, shape->columns, shape->column_count, row, NULL, 0,
                  &text);
    enum status s = query_describe(db, buffer_slice(&text), options, &found, &error);
    if (s < 0) {
        error.position = -1; /* of the filled text, which nobody sees */
        s = error_within(r, node, "exemplars", &error);
    }
    query_shape_destroy(found);
    buffer_deinit(&text);
    mem_free(row);
    return s;
}

static enum status check_texts(struct rules_reader *r, uint32_t index,
                               const struct query_shape *shape)
{
    const struct alert_rule *rule = &r->rules->rules[index];
    const struct rule_nodes *nodes = &r->nodes[index];
    struct error error = {.position = -1};
    struct template_word words[ALERT_WORDS];
    alert_words(rule, "", words);
    if (alert_condition_check(rule->condition, shape->columns, shape->column_count, &error) < 0)
        return error_within(r, nodes->condition, "condition", &error);
    if (rule->resolve != NULL &&
        alert_condition_check(rule->resolve, shape->columns, shape->column_count, &error) < 0)
        return error_within(r, nodes->resolve, "resolve", &error);
    if (template_check(rule->summary, TEMPLATE_PLAIN, shape->columns, shape->column_count, words,
                       ALERT_WORDS, &error) < 0)
        return error_within(r, nodes->summary, "summary", &error);
    return STATUS_OK;
}

enum status check_rule(struct rules_reader *r, uint32_t index, struct query_db *db)
{
    const struct alert_rule *rule = &r->rules->rules[index];
    struct query_options options = {.project = 1};
    struct query_shape *shape = NULL;
    struct error error = {.position = -1};
    if (query_describe(db, rule->query, &options, &shape, &error) < 0)
        return error_within(r, r->nodes[index].query, "query", &error);
    enum status s = STATUS_OK;
    if (shape->parameter_count > 0)
        s = yaml_error(r->yaml, r->nodes[index].query, r->reterr,
                       "query: a rule's query has no parameters ($1)");
    if (s >= 0)
        s = check_columns(r, index, shape);
    if (s >= 0)
        s = check_texts(r, index, shape);
    if (s >= 0)
        s = check_exemplars(r, index, db, &options, shape);
    query_shape_destroy(shape);
    return s;
}
