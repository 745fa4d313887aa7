/*
 * test_score_structure.c - json_valid, schema_valid, tool_args_valid on labelled spans in the forms that SDKs send.
 */
#include "tests/unit/engine/enrich/scorer_fixture.h"

static struct slice class_of(struct fixture *f, enum scorer_id id)
{
    const struct score *score = fixture_score(f, id);
    return score == NULL ? slice_text("(no score)") : score->error_class;
}

static const char *finding_of(struct fixture *f, enum scorer_id id)
{
    const struct score *score = fixture_score(f, id);
    if (score == NULL)
        return "(no score)";
    return (const char *)arena_copy(&f->arena, score->finding).data;
}

static double answer_score(enum scorer_id id, const char *attributes, const char *answer,
                           char *ret_finding)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"hello\"}");
    fixture_output(f, said(f, "assistant", slice_text(answer)));
    f->view.attributes = slice_text(attributes);
    double value = fixture_run(f, id);
    (void)snprintf(ret_finding, 600, "%s", finding_of(f, id));
    fixture_end(f);
    return value;
}

#define NONE (-1.0) /* no score */

struct answer_case {
    const char *attributes;
    const char *answer;
    double value;
    const char *words;
};

static void answers_check(enum scorer_id id, const struct answer_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char words[600];
        double value = answer_score(id, cases[i].attributes, cases[i].answer, words);
        cr_expect(cases[i].value < 0 ? isnan(value) : value == cases[i].value,
                  "%s: '%s' with %s: %g (%s)", scorer_name(id), cases[i].answer,
                  cases[i].attributes, value, words);
        cr_expect(cases[i].words == NULL || strstr(words, cases[i].words) != NULL, "'%s': %s",
                  cases[i].answer, words);
    }
}

Test(score_structure, json_valid)
{
    static const struct answer_case cases[] = {
        /* Not asked for: only what starts like JSON is held to be it. */
        {"{}", "Hello there.", NONE, NULL},
        {"{}", "{\"a\":1}", 1, NULL},
        {"{}", " {\"a\":1}\n", 1, NULL},
        {"{}", "{\"a\":1", 0, "byte 6"},
        {"{}", "{}", 1, NULL},
        {"{}", "[{\"a\":1},]", 0, "it starts like JSON"},
        {"{}", "{name} is a placeholder", NONE, NULL},
        {"{}", "[1] Smith et al. [2] Jones", NONE, NULL},
        {"{}", "[link](https://x.example)", NONE, NULL},
        {"{}", "```json\n{\"a\":1}\n```", 1, NULL},
        {"{}", "```json\n{\"a\":1,}\n```", 0, "byte 7"},
        {"{}", "```c\nint x;\n```", NONE, NULL},
        {"{}", "", NONE, NULL},
        /* Asked for, in every form. */
        {"{\"gen_ai.output.type\":\"json\"}", "Hello.", 0, "not JSON: byte 0"},
        {"{\"gen_ai.output.type\":\"json\"}", "3", 1, NULL},
        {"{\"gen_ai.output.type\":\"text\"}", "Hello.", NONE, NULL},
        {"{\"response_format\":{\"type\":\"json_object\"}}", "Hello.", 0, NULL},
        {"{\"gen_ai.request.response_format\":\"{\\\"type\\\":\\\"json_object\\\"}\"}", "Hello.", 0,
         NULL},
        {"{\"gen_ai.openai.request.response_format\":\"json_object\"}", "Hello.", 0, NULL},
        {"{\"llm.invocation_parameters\":\"{\\\"temperature\\\":0,\\\"response_format\\\":{\\\"type\\\":\\\"json_object\\\"}}\"}",
         "Hello.", 0, NULL},
        {"{\"llm.invocation_parameters\":\"{\\\"text\\\":{\\\"format\\\":{\\\"type\\\":\\\"json_object\\\"}}}\"}",
         "Hello.", 0, NULL},
        {"{\"langfuse.observation.model.parameters\":\"{\\\"response_mime_type\\\":\\\"application/json\\\"}\"}",
         "Hello.", 0, NULL},
        {"{\"ai.response.object\":\"{}\"}", "Hello.", 0, NULL},
        {"{\"llm.invocation_parameters\":\"{\\\"response_format\\\":{\\\"type\\\":\\\"text\\\"}, \\\"note\\\":\\\"json\\\"}\"}",
         "Hello.", NONE, NULL},
        {"{\"other\":{\"type\":\"json_object\"}}", "Hello.", NONE, NULL},
        {"broken json", "Hello.", NONE, NULL},
        {"", "Hello.", NONE, NULL},
    };
    answers_check(SCORER_json_valid, cases, sizeof cases / sizeof cases[0]);
}

#define CITY                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"],\"additionalProperties\":false}"
#define CITY_QUOTED                                                                                \
    "{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"city\\\":{\\\"type\\\":\\\"string\\\"}},\\\"required\\\":[\\\"city\\\"]}"

Test(score_structure, schema_valid_in_every_form)
{
    static const char *const forms[] = {
        "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"c\",\"strict\":true,\"schema\":" CITY
        "}}}",
        "{\"gen_ai.request.response_format\":{\"type\":\"json_schema\",\"name\":\"c\",\"schema\":" CITY
        "}}",
        "{\"llm.invocation_parameters\":\"{\\\"model\\\":\\\"m\\\",\\\"response_format\\\":{\\\"type\\\":\\\"json_schema\\\",\\\"json_schema\\\":{\\\"schema\\\":" CITY_QUOTED
        "}}}\"}",
        "{\"llm.invocation_parameters\":\"{\\\"text\\\":{\\\"format\\\":{\\\"type\\\":\\\"json_schema\\\",\\\"schema\\\":" CITY_QUOTED
        "}}}\"}",
        "{\"llm.invocation_parameters\":\"{\\\"generationConfig\\\":{\\\"responseMimeType\\\":\\\"application/json\\\",\\\"responseSchema\\\":" CITY_QUOTED
        "}}\"}",
        "{\"langfuse.observation.model.parameters\":{\"response_schema\":" CITY "}}",
        "{\"gen_ai.output.type\":\"json\",\"ai.schema\":\"" CITY_QUOTED "\"}",
        "{\"gen_ai.request.structured_output_schema\":\"" CITY_QUOTED "\"}",
        "{\"response_schema\":" CITY "}",
        "{\"langsmith.metadata.ls_structured_output_format\":{\"kwargs\":{\"method\":\"json_schema\"},\"schema\":{\"type\":\"function\",\"function\":{\"name\":\"c\",\"parameters\":" CITY
        "}}}}",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct answer_case cases[] = {
            {forms[i], "{\"city\":\"Oslo\"}", 1, NULL},
            {forms[i], "{\"city\":7}", 0, "$.city: expected string, got integer"},
            {forms[i], "{}", 0, "$: the required property 'city' is missing"},
            {forms[i], "```json\n{\"city\":\"Oslo\"}\n```", 1, NULL},
            {forms[i], "Oslo", 0, "byte 0"},
            {forms[i], "", NONE, NULL},
        };
        answers_check(SCORER_schema_valid, cases, sizeof cases / sizeof cases[0]);
    }
}

Test(score_structure, schema_valid_says_nothing_without_a_usable_schema)
{
    static const struct answer_case cases[] = {
        {"{\"response_format\":{\"type\":\"json_object\"}}", "{\"city\":7}", NONE, NULL},
        {"{\"response_schema\":{\"type\":\"strin\",\"properties\":3}}", "{}", NONE, NULL},
        {"{\"ai.schema\":\"{broken\"}", "{}", NONE, NULL},
        {"{\"response_schema\":{\"$ref\":\"#\"}}", "{}", NONE, NULL},
        {"{\"response_schema\":{\"properties\":{\"a\":{\"unevaluatedItems\":false}}}}", "{\"a\":1}",
         1, "not checked: unevaluatedItems"},
    };
    answers_check(SCORER_schema_valid, cases, sizeof cases / sizeof cases[0]);
}

/* ---- tool calls ---- */

#define LOOKUP_PARAMETERS                                                                          \
    "{\"type\":\"object\",\"properties\":{\"order_id\":{\"type\":\"integer\"},\"note\":{\"type\":\"string\"}},\"required\":[\"order_id\"]}"
static const char *const definitions[] = {
    "{\"name\":\"lookup_order\",\"parameters\":" LOOKUP_PARAMETERS "}",
    "{\"type\":\"function\",\"function\":{\"name\":\"lookup_order\",\"parameters\":" LOOKUP_PARAMETERS
    "}}",
    "{\"name\":\"lookup_order\",\"input_schema\":" LOOKUP_PARAMETERS "}",
    "{\"type\":\"function\",\"name\":\"lookup_order\",\"inputSchema\":" LOOKUP_PARAMETERS "}",
};

/* A call as OpenAI sends it: arguments are a string of JSON. */
static const char *called(struct fixture *f, const char *name, const char *arguments)
{
    struct buffer b = {0};
    buffer_printf(
        &b,
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":",
        name);
    buffer_add_json(&b, slice_text(arguments));
    buffer_add_text(&b, "}}]}");
    const char *body = (const char *)arena_copy(&f->arena, buffer_slice(&b)).data;
    buffer_deinit(&b);
    return body;
}

static struct text_message tools[4];

static void fixture_tool(struct fixture *f, const char *definition)
{
    tools[f->view.tool_count] = message_of(slice_text(definition));
    f->view.tools = tools;
    f->view.tool_count++;
}

Test(score_structure, tool_args_valid)
{
    static const struct {
        const char *name;
        const char *arguments;
        double value;
        const char *words;
    } cases[] = {
        {"lookup_order", "{\"order_id\":7}", 1, NULL},
        {"lookup_order", "{\"order_id\":\"7\"}", 0,
         "lookup_order: $.order_id: expected integer, got string"},
        {"lookup_order", "{}", 0, "lookup_order: $: the required property 'order_id' is missing"},
        {"lookup_order", "", 0, "the required property 'order_id' is missing"},
        {"lookup_order", "{\"order_id\":7", 0, "lookup_order: arguments: not JSON: byte 13"},
        {"lookup_order", "[7]", 0, "expected object, got array"},
        {"lookup_orders", "{\"order_id\":7}", 0, "lookup_orders: not among the 1 tools defined"},
    };
    for (size_t d = 0; d < sizeof definitions / sizeof definitions[0]; d++) {
        struct fixture *f = fixture_begin(NULL);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            fixture_span(f);
            fixture_tool(f, definitions[d]);
            fixture_input(f, "{\"role\":\"user\",\"content\":\"where is 7?\"}");
            fixture_output(f, called(f, cases[i].name, cases[i].arguments));
            double value = fixture_run(f, SCORER_tool_args_valid);
            const char *words = finding_of(f, SCORER_tool_args_valid);
            cr_expect_eq(value, cases[i].value, "%s(%s): %g %s", cases[i].name, cases[i].arguments,
                         value, words);
            cr_expect(cases[i].words == NULL || strstr(words, cases[i].words) != NULL, "%s", words);
            cr_expect(slice_is(class_of(f, SCORER_tool_args_valid),
                               value < 1 ? "tool_call_malformed" : ""));
        }
        fixture_end(f);
    }
}

Test(score_structure, tool_args_valid_is_the_share_of_calls_that_fit)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_tool(f, definitions[0]);
    fixture_tool(f, "{\"name\":\"ping\"}");
    fixture_input(f, "{\"role\":\"user\",\"content\":\"x\"}");
    fixture_output(f, called(f, "lookup_order", "{\"order_id\":1}"));
    fixture_output(f, called(f, "lookup_order", "{\"order_id\":null}"));
    fixture_output(f, called(f, "ping", ""));
    fixture_output(f, called(f, "ping", "{\"anything\":[1]}"));
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 0.75);
    cr_expect(strstr(finding_of(f, SCORER_tool_args_valid), "got null") != NULL);
    fixture_end(f);
}

/* Parts as the GenAI conventions have them; arguments are an object, not a string of one. */
Test(score_structure, tool_args_valid_of_parts_and_without_definitions)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"x\"}]}");
    fixture_output(
        f,
        "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"1\",\"name\":\"f\",\"arguments\":{\"a\":1}}]}");
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 1);
    fixture_span(f);
    fixture_output(f, called(f, "f", "{\"a\":1"));
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 0);
    /* A tool of the provider's own has no readable definition: its name is no mistake. */
    fixture_span(f);
    fixture_tool(f, definitions[0]);
    fixture_tool(f, "{\"type\":\"web_search\"}");
    fixture_output(f, called(f, "web_search", "{\"query\":\"x\"}"));
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 1);
    /* No calls, no score. */
    fixture_span(f);
    fixture_tool(f, definitions[0]);
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"hi\"}");
    cr_expect(isnan(fixture_run(f, SCORER_tool_args_valid)));
    fixture_end(f);
}

Test(score_structure, tool_args_valid_of_tool_spans)
{
    static const struct {
        const char *arguments;
        double value;
    } cases[] = {
        {"{\"order_id\":7}", 1}, {"{\"order_id\":7", 0}, {"plain words", NONE}, {"", NONE}};
    struct fixture *f = fixture_begin(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_span(f);
        f->view.kind = slice_text("tool");
        f->view.tool_name = slice_text("lookup_order");
        f->view.tool_args = slice_text(cases[i].arguments);
        double value = fixture_run(f, SCORER_tool_args_valid);
        cr_expect(cases[i].value < 0 ? isnan(value) : value == cases[i].value, "%s: %g",
                  cases[i].arguments, value);
    }
    fixture_span(f);
    f->view.kind = slice_text("tool");
    f->view.tool_name = slice_text("lookup_order");
    f->view.tool_args = slice_text("{\"order_id\":\"7\"}");
    fixture_tool(f, definitions[0]);
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 0);
    fixture_end(f);
}

/* The cache knows a definition by its address, also when its body does not come again. */
Test(score_structure, definitions_are_compiled_once_and_remembered)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_tool(f, definitions[0]);
    fixture_output(f, called(f, "lookup_order", "{\"order_id\":\"7\"}"));
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 0);
    tools[0].body = SLICE_EMPTY;
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 0);
    /* Unknown address and no body: only JSON is checked. */
    tools[0].address = hash128(slice_text("unknown"));
    cr_expect_eq(fixture_run(f, SCORER_tool_args_valid), 1);
    fixture_end(f);
}

/* More definitions than the cache holds: still every verdict is right. */
Test(score_structure, the_cache_of_definitions_is_bounded_and_right)
{
    struct fixture *f = fixture_begin(NULL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 700; i++) {
            char text[200];
            fixture_span(f);
            (void)snprintf(
                text, sizeof text,
                "{\"name\":\"t\",\"parameters\":{\"properties\":{\"a\":{\"const\":%u}}}}", i);
            fixture_tool(f, (const char *)arena_copy(&f->arena, slice_text(text)).data);
            (void)snprintf(text, sizeof text, "{\"a\":%u}", i % 3 == 0 ? i + 1 : i);
            fixture_output(f, called(f, "t", text));
            cr_assert_eq(fixture_run(f, SCORER_tool_args_valid), i % 3 == 0 ? 0 : 1, "%u", i);
        }
    }
    fixture_end(f);
}
