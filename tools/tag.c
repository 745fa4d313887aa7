/*
 * tag.c - `driftline tag`: gives a span an error class.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/limits.h"
#include "tools/amend.h"

enum {
    OPTION_SOURCE = OPTION_LONG(0),
    OPTION_BY,
    OPTION_NOTE
};

static const struct option_spec tag_options[] = {
    {OPTION_SOURCE, "source", "rule|judge|human|client", "who says so (default human)"},
    {OPTION_BY, "by", "NAME", "the person or program"},
    {OPTION_NOTE, "note", "TEXT", "why"},
    CONNECT_OPTIONS,
};

struct tag_call {
    struct sql_session session;
    const char *trace; /* NULL: not given */
    const char *span;
    const char *class;
    const char *source;
    const char *by;
    const char *note;
};

static void set_text(struct builder *b, uint16_t id, const char *text)
{
    if (text != NULL)
        builder_str(b, id, slice_text(text));
}

static int tag_write(struct tag_call *c)
{
    struct error error = {0};
    struct found_span found;
    struct builder b;
    if (amend_find(&c->session, c->trace, c->span, &found, &error) < 0)
        return command_fail(&error);
    builder_init(&b, TABLE_TAGS, NULL);
    builder_row(&b);
    builder_id128(&b, TAGS_trace_id, found.trace_id);
    builder_id64(&b, TAGS_span_id, found.span_id);
    set_text(&b, TAGS_class, c->class);
    set_text(&b, TAGS_source, c->source);
    set_text(&b, TAGS_by, c->by);
    set_text(&b, TAGS_note, c->note);
    struct batch row = builder_batch(&b);
    enum status s = amend_send(&c->session.connect, &row, &error);
    builder_deinit(&b);
    if (s < 0)
        return command_fail(&error);
    (void)printf("tagged span %016llx as %s\n", (unsigned long long)found.span_id, c->class);
    return EXIT_CODE_OK;
}

static int tag_run(const struct command *self, int argc, char **argv)
{
    struct tag_call c = {.source = "human"};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&c.session.connect, &error) < 0)
        return command_usage_error("tag", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&c.session.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("tag", "%s", error.text);
        } else if (key == OPTION_SOURCE) {
            c.source = o.value;
        } else if (key == OPTION_BY) {
            c.by = o.value;
        } else if (key == OPTION_NOTE) {
            c.note = o.value;
        }
    }
    char **operands = argv + o.at;
    int count = argc - o.at;
    if (count != 2 && count != 3)
        return command_usage_error("tag", "[TRACE] SPAN CLASS expected");
    if (!amend_source_is_known(c.source))
        return command_usage_error("tag", "--source is rule, judge, human or client, not '%s'",
                                   c.source);
    c.trace = count == 3 ? operands[0] : NULL;
    c.span = operands[count - 2];
    c.class = operands[count - 1];
    if (c.class[0] == 0 || strlen(c.class) > NAME_BYTES_MAX)
        return command_usage_error("tag", "a class has 1 to %u characters", NAME_BYTES_MAX);
    return tag_write(&c);
}

const struct command command_tag = {
    .usage = "tag [TRACE] SPAN CLASS [FLAGS]",
    .examples =
        "  driftline tag 00f067aa0ba902b7 hallucination --by ada --note \"cites a paper that isn't\"\n"
        "  driftline tag 4bf92f 00f067 refusal       # first digits will do when they are unique\n"
        "  driftline tag 00f067aa0ba902b7 none       # takes a class away\n",
    .about =
        "Classes: none hallucination tool_call_malformed refusal truncation timeout rate_limit jailbreak\n"
        "pii_leak tool_error loop other, or your own. Every tag stays in the table tags; the latest is the\n"
        "span's error_class.",
    OPTIONS(tag_options),
    .run = tag_run,
};
