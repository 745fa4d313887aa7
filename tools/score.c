/*
 * score.c - `driftline score`: gives a span a number or a label.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/decimal.h"
#include "engine/base/limits.h"
#include "tools/amend.h"

enum {
    OPTION_SOURCE = OPTION_LONG(0),
    OPTION_EXPLANATION,
    OPTION_SCORER,
    OPTION_SCORER_VERSION,
    OPTION_JUDGE_MODEL,
    OPTION_LABEL,
};

static const struct option_spec score_options[] = {
    {OPTION_LABEL, "label", "TEXT", "a label beside the value"},
    {OPTION_SOURCE, "source", "rule|judge|human|client", "who says so (default human)"},
    {OPTION_EXPLANATION, "explanation", "TEXT", "why"},
    {OPTION_SCORER, "scorer", "NAME", "the person or program"},
    {OPTION_SCORER_VERSION, "scorer-version", "TEXT", "its version"},
    {OPTION_JUDGE_MODEL, "judge-model", "NAME", "the model that judged"},
    CONNECT_OPTIONS,
};

/* Texts go as they came into their column. */
static const struct {
    int key;
    uint16_t column;
} text_options[] = {{OPTION_LABEL, SCORES_label},
                    {OPTION_SOURCE, SCORES_source},
                    {OPTION_EXPLANATION, SCORES_explanation},
                    {OPTION_SCORER, SCORES_scorer},
                    {OPTION_SCORER_VERSION, SCORES_scorer_version},
                    {OPTION_JUDGE_MODEL, SCORES_judge_model}};
#define TEXT_OPTIONS (sizeof text_options / sizeof text_options[0])

struct score_call {
    struct sql_session session;
    const char *trace; /* NULL: not given */
    const char *span;
    const char *name;
    const char *value;
    const char *texts[TEXT_OPTIONS];
};

/* A number is the value; true and false are 1 and 0; anything else is a label. */
static void set_value(struct builder *b, const char *text)
{
    double value;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        builder_f64(b, SCORES_value, text[0] == 't' ? 1 : 0);
    else if (decimal_to_double(slice_text(text), &value))
        builder_f64(b, SCORES_value, value);
    else
        builder_str(b, SCORES_label, slice_text(text));
}

static int score_write(struct score_call *c)
{
    struct error error = {0};
    struct found_span found;
    struct builder b;
    if (amend_find(&c->session, c->trace, c->span, &found, &error) < 0)
        return command_fail(&error);
    builder_init(&b, TABLE_SCORES, NULL);
    builder_row(&b);
    builder_id128(&b, SCORES_trace_id, found.trace_id);
    builder_id64(&b, SCORES_span_id, found.span_id);
    builder_str(&b, SCORES_name, slice_text(c->name));
    set_value(&b, c->value);
    for (size_t i = 0; i < TEXT_OPTIONS; i++) {
        if (c->texts[i] != NULL)
            builder_str(&b, text_options[i].column, slice_text(c->texts[i]));
    }
    struct batch row = builder_batch(&b);
    enum status s = amend_send(&c->session.connect, &row, &error);
    builder_deinit(&b);
    if (s < 0)
        return command_fail(&error);
    (void)printf("scored span %016llx: %s = %s\n", (unsigned long long)found.span_id, c->name,
                 c->value);
    return EXIT_CODE_OK;
}

static int score_run(const struct command *self, int argc, char **argv)
{
    struct score_call c = {.texts = {[1] = "human"}};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&c.session.connect, &error) < 0)
        return command_usage_error("score", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&c.session.connect, key, o.value, &s, &error) && s < 0)
            return command_usage_error("score", "%s", error.text);
        for (size_t i = 0; i < TEXT_OPTIONS; i++) {
            if (text_options[i].key == key)
                c.texts[i] = o.value;
        }
    }
    char **operands = argv + o.at;
    int count = argc - o.at;
    if (count != 3 && count != 4)
        return command_usage_error("score", "[TRACE] SPAN NAME VALUE expected");
    if (!amend_source_is_known(c.texts[1]))
        return command_usage_error("score", "--source is rule, judge, human or client, not '%s'",
                                   c.texts[1]);
    c.trace = count == 4 ? operands[0] : NULL;
    c.span = operands[count - 3];
    c.name = operands[count - 2];
    c.value = operands[count - 1];
    struct buffer column = {0};
    buffer_add_text(&column, SCORE_PREFIX);
    buffer_add_text(&column, c.name);
    bool valid = score_name_is_valid(buffer_slice(&column));
    buffer_deinit(&column);
    if (!valid)
        return command_usage_error("score", "'%s' is no score name: 1 to %u of A-Z a-z 0-9 _ . -",
                                   c.name, NAME_BYTES_MAX);
    return score_write(&c);
}

const struct command command_score = {
    .usage = "score [TRACE] SPAN NAME VALUE|LABEL [FLAGS]",
    .examples =
        "  driftline score 00f067aa0ba902b7 helpfulness 0.8 --scorer ada\n"
        "  driftline score 4bf92f 00f067 groundedness 0.42 --source judge --judge-model gpt-4o\n"
        "  driftline score 00f067aa0ba902b7 tone rude --explanation \"talks down to the user\"\n",
    .about =
        "A number is the value, true and false are 1 and 0, other text is a label. Every score stays in the\n"
        "table scores; the latest value of a name is the span's column score.NAME.",
    OPTIONS(score_options),
    .run = score_run,
};
