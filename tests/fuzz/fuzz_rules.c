/*
 * fuzz_rules.c - rules files, conditions and templates from hostile bytes: no crash, and every error says something.
 *
 * The first byte picks the reader; the rest is its text.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "server/alert/alert_condition.h"
#include "server/alert/alert_labels.h"
#include "server/alert/alert_limits.h"
#include "server/alert/alert_rule.h"
#include "server/alert/alert_signature.h"
#include "server/alert/alert_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct query_column columns[] = {{"value", SQL_FLOAT},
                                              {"samples", SQL_INT},
                                              {"model", SQL_TEXT},
                                              {"age", SQL_INTERVAL},
                                              {"seen", SQL_TIMESTAMP}};
static const struct query_value row[] = {{.type = SQL_FLOAT, .f64 = 0.5},
                                         {.type = SQL_INT, .i64 = 7},
                                         {.type = SQL_TEXT, .text = {(const uint8_t *)"it's", 4}},
                                         {.type = SQL_INTERVAL, .i64 = 5},
                                         {.type = SQL_NULL}};
#define COLUMNS 5u

static void try_rules(struct slice text)
{
    struct alert_rules *rules = NULL;
    struct error error = {0};
    enum status s = alert_rules_parse("fuzz", text, NULL, &rules, &error);
    ASSERT(s >= 0 || error.text[0] != 0);
    if (s < 0)
        return;
    for (uint32_t i = 0; i < rules->rule_count; i++) {
        ASSERT(rules->rules[i].every_ns >= ALERT_EVERY_NS_MIN);
        ASSERT(rules->rules[i].condition != NULL);
        for (uint32_t k = 0; k < rules->rules[i].notify_count; k++)
            ASSERT(rules->rules[i].notify[k] < rules->notifier_count);
    }
    alert_rules_destroy(rules);
}

static void try_condition(struct slice text)
{
    struct arena arena = {0};
    struct alert_condition *c = NULL;
    struct error error = {.position = -1};
    uint32_t bound[ALERT_CONDITION_NODES];
    uint32_t missing;
    enum status s = alert_condition_parse(text, &arena, &c, &error);
    ASSERT(s >= 0 || (error.position >= 0 && (size_t)error.position <= text.size));
    if (s >= 0 && alert_condition_bind(c, columns, COLUMNS, bound, &missing)) {
        enum truth truth = alert_condition_evaluate(c, bound, row);
        ASSERT(truth == alert_condition_evaluate(c, bound, row));
    }
    if (s >= 0)
        IGNORE_STATUS(alert_condition_check(c, columns, COLUMNS, &error));
    arena_deinit(&arena);
}

/* However it is filled, what a template inserts into SQL leaves as many quotes open as there were. */
static void try_template(struct slice text)
{
    const struct template_word words[] = {{"rule", "r"}};
    struct buffer out = {0};
    struct error error = {.position = -1};
    for (int kind = TEMPLATE_PLAIN; kind <= TEMPLATE_SQL; kind++) {
        enum status s =
            template_check(text, (enum template_kind)kind, columns, COLUMNS, words, 1, &error);
        ASSERT(s >= 0 || (error.position >= 0 && (size_t)error.position <= text.size));
        if (s < 0)
            continue;
        buffer_reset(&out);
        template_fill(text, (enum template_kind)kind, columns, COLUMNS, row, words, 1, &out);
        size_t before = 0;
        size_t after = 0;
        for (size_t i = 0; i < text.size; i++)
            before += text.data[i] == '\'';
        for (size_t i = 0; i < out.size; i++)
            after += out.data[i] == '\'';
        ASSERT(kind == TEMPLATE_PLAIN || before % 2 == after % 2);
    }
    buffer_deinit(&out);
}

static void try_labels(struct slice text)
{
    struct arena arena = {0};
    struct label *labels = NULL;
    uint32_t count;
    struct buffer once = {0};
    if (labels_read(text, &arena, &labels, &count, NULL) >= 0) {
        struct label *again = NULL;
        uint32_t again_count;
        labels_write(labels, count, &once);
        ASSERT(labels_read(buffer_slice(&once), &arena, &again, &again_count, NULL) >= 0);
        ASSERT(again_count == count);
    }
    buffer_deinit(&once);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice text = slice_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        try_rules(text);
        break;
    case 1:
        try_condition(text);
        break;
    case 2:
        try_template(text);
        break;
    case 3:
        try_labels(text);
        break;
    default:
        ASSERT(!alert_signature_matches(text, slice_text("k"), slice_text("a body nobody signed"),
                                        0, INT64_MAX));
        break;
    }
    return 0;
}
