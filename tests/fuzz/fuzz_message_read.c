/*
 * fuzz_message_read.c - any bytes as message bodies: read, and scored as a conversation.
 *
 * The input is cut at every 0xff: the last piece is the output, the others the input.
 */
#include <math.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/message_read.h"
#include "engine/enrich/scorer.h"

#define MESSAGES_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(struct slice body)
{
    struct json j = json_over(body);
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
    }
    return t == JSON_END;
}

/* Text and calls never take more bytes than the body has, but for what joins pieces. */
static void reading_check(struct slice body)
{
    static struct message_reading m;
    struct arena arena = {0};
    bool read = message_read(body, &arena, &m);
    ASSERT(read == is_json(body));
    ASSERT(m.call_count <= MESSAGE_CALLS_MAX);
    ASSERT(m.text.size <= body.size);
    for (uint32_t i = 0; i < m.call_count; i++)
        ASSERT(m.calls[i].name.size != 0 && m.calls[i].name.size <= body.size);
    ASSERT(read || (m.text.data == body.data && m.role == ROLE_OTHER));
    struct tool_definition d;
    if (tool_definition_read(body, &arena, &d))
        ASSERT(d.name.size != 0 && d.schema.size <= body.size);
    arena_deinit(&arena);
}

static void conversation_check(const struct text_message *messages, uint32_t count)
{
    static struct score_list scores;
    /* Kept: making one takes longer than scoring. */
    static struct scorers *s;
    if (s == NULL) {
        struct scorer_options options;
        scorer_options_init(&options);
        s = scorers_create(&options, NULL);
    }
    struct arena arena = {0};
    struct span_view v;
    memset(&v, 0, sizeof v);
    v.project = v.session = v.name = v.model = v.model_served = v.provider = SLICE_EMPTY;
    v.service = v.prompt_name = v.prompt_version = v.environment = v.finish_reason = SLICE_EMPTY;
    v.error_type = v.error_message = v.tool_name = v.tool_call_id = v.tool_args = SLICE_EMPTY;
    v.tool_result = v.attributes = SLICE_EMPTY;
    v.http_status = v.latency_ns = v.ttft_ns = v.tokens_in = v.tokens_out = v.cost_nusd = -1;
    v.tool_result_empty = v.retrieved_count = -1;
    v.temperature = v.retrieved_top_score = (double)NAN;
    v.kind = slice_text("llm");
    v.status = slice_text("ok");
    v.input = messages;
    v.input_count = count - 1;
    v.output = &messages[count - 1];
    v.output_count = 1;
    v.retrieved = messages[0].body;
    v.has_retrieved = true;
    double first[SCORER_COUNT];
    for (int round = 0; round < 2; round++) {
        scorers_run(s, &v, &arena, &scores);
        ASSERT(scores.count <= SCORER_COUNT);
        for (uint32_t i = 0; i < scores.count; i++) {
            ASSERT(scores.items[i].value >= 0 && scores.items[i].value <= 1);
            /* The second time the facts come from the cache. */
            ASSERT(round == 0 || scores.items[i].value == first[i]);
            first[i] = scores.items[i].value;
        }
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text_message messages[MESSAGES_MAX];
    uint32_t count = 0;
    size_t start = 0;
    for (size_t i = 0; i <= size && count < MESSAGES_MAX; i++) {
        if (i < size && data[i] != 0xff)
            continue;
        struct slice body = slice_of(data + start, i - start);
        reading_check(body);
        messages[count++] = (struct text_message){hash128(body), body};
        start = i + 1;
    }
    conversation_check(messages, count);
    return 0;
}
