/*
 * test_classify.c - facts and the class they speak for, by the order of the taxonomy.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/enrich/classify.h"
#include "engine/enrich/taxonomy.h"

/* The class that wins; "none" without a suggestion. */
static const char *class_of(const struct class_facts *facts)
{
    struct taxonomy t;
    struct class_candidates found;
    const struct error_class *best = NULL;
    taxonomy_init(&t);
    classify(facts, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        const struct error_class *c = taxonomy_find(&t, slice_text(found.names[i]));
        cr_assert(c != NULL, "class_rule.def names %s, which class.def lacks", found.names[i]);
        if (best == NULL || c->order < best->order)
            best = c;
    }
    static char name[CLASS_NAME_BYTES_MAX + 1];
    strcpy(name, best != NULL ? best->name : "none");
    return name;
}

struct example {
    const char *kind, *status, *finish_reason, *error_type, *error_message;
    int http_status;
    const char *expected;
};

static void check(const struct example *e)
{
    struct class_facts facts = {.kind = slice_text(e->kind),
                                .status = slice_text(e->status),
                                .finish_reason = slice_text(e->finish_reason),
                                .error_type = slice_text(e->error_type),
                                .error_message = slice_text(e->error_message),
                                .http_status = e->http_status};
    const char *found = class_of(&facts);
    cr_expect_str_eq(found, e->expected, "%s|%s|%s|%s|%s|%d: %s, expected %s", e->kind, e->status,
                     e->finish_reason, e->error_type, e->error_message, e->http_status, found,
                     e->expected);
}

#define CHECK_ALL(examples)                                                                        \
    for (size_t i = 0; i < sizeof(examples) / sizeof *(examples); i++)                             \
    check(&(examples)[i])

Test(classify, rate_limits_in_many_spellings)
{
    static const struct example examples[] = {
        {"llm", "error", "", "", "", 429, "rate_limit"},
        {"llm", "error", "", "", "", 529, "rate_limit"},
        {"llm", "error", "", "RateLimitError", "", -1, "rate_limit"},
        {"llm", "error", "", "openai.RateLimitError", "", -1, "rate_limit"},
        {"llm", "error", "", "rate_limit_exceeded", "", -1, "rate_limit"},
        {"llm", "error", "", "rate_limit_error", "", -1, "rate_limit"},
        {"llm", "error", "", "ResourceExhausted", "", -1, "rate_limit"},
        {"llm", "error", "", "RESOURCE_EXHAUSTED", "", -1, "rate_limit"},
        {"llm", "error", "", "ThrottlingException", "", -1, "rate_limit"},
        {"llm", "error", "", "TooManyRequests", "", -1, "rate_limit"},
        {"llm", "error", "", "insufficient_quota", "", -1, "rate_limit"},
        {"llm", "error", "", "overloaded_error", "", -1, "rate_limit"},
        {"llm", "error", "", "429", "", -1, "rate_limit"},
        {"llm", "error", "", "Error", "429 Rate limit reached for gpt-4o-mini", -1, "rate_limit"},
        {"llm", "error", "", "Error", "Request failed with status code 429", -1, "rate_limit"},
        {"llm", "error", "", "", "Error code: 429 - {'error': {'message': 'slow'}}", -1,
         "rate_limit"},
        {"llm", "error", "", "", "[429 Too Many Requests] Resource has been exhausted", -1,
         "rate_limit"},
        {"llm", "error", "", "", "You exceeded your current quota, please check your plan", -1,
         "rate_limit"},
        {"llm", "error", "", "", "The model is overloaded. Please try again later.", -1,
         "rate_limit"},
        {"llm", "error", "", "", "Limit 30000 tokens per minute", -1, "rate_limit"},
        {"tool", "error", "", "", "HTTP 429", -1, "rate_limit"},
        {"embedding", "ok", "", "RateLimitError", "", -1, "rate_limit"},
    };
    CHECK_ALL(examples);
}

Test(classify, timeouts_in_many_spellings)
{
    static const struct example examples[] = {
        {"llm", "error", "", "", "", 408, "timeout"},
        {"llm", "error", "", "", "", 504, "timeout"},
        {"llm", "error", "", "", "", 524, "timeout"},
        {"llm", "error", "", "APITimeoutError", "", -1, "timeout"},
        {"llm", "error", "", "APIConnectionTimeoutError", "", -1, "timeout"},
        {"llm", "error", "", "ReadTimeout", "", -1, "timeout"},
        {"llm", "error", "", "httpx.ConnectTimeout", "", -1, "timeout"},
        {"llm", "error", "", "ETIMEDOUT", "", -1, "timeout"},
        {"llm", "error", "", "ESOCKETTIMEDOUT", "", -1, "timeout"},
        {"llm", "error", "", "DeadlineExceeded", "", -1, "timeout"},
        {"llm", "error", "", "DEADLINE_EXCEEDED", "", -1, "timeout"},
        {"llm", "error", "", "UND_ERR_HEADERS_TIMEOUT", "", -1, "timeout"},
        {"llm", "error", "", "Error", "Request timed out.", -1, "timeout"},
        {"llm", "error", "", "", "context deadline exceeded", -1, "timeout"},
        {"llm", "error", "", "", "timeout of 10000ms exceeded", -1, "timeout"},
        {"llm", "error", "", "AbortError", "The operation was aborted due to timeout", -1,
         "timeout"},
        {"llm", "error", "", "", "504 Gateway Time-out", -1, "timeout"},
        {"llm", "error", "", "", "connect ETIMEDOUT 10.0.0.1:443", -1, "timeout"},
        {"tool", "error", "", "", "Tool call timed out after 30s", -1, "timeout"},
        {"tool", "error", "", "TimeoutError", "", -1, "timeout"},
    };
    CHECK_ALL(examples);
}

Test(classify, truncation_beats_the_malformed_call_it_caused)
{
    static const struct example examples[] = {
        {"llm", "ok", "length", "", "", -1, "truncation"},
        {"llm", "ok", "max_tokens", "", "", -1, "truncation"},
        {"llm", "", "MAX_TOKENS", "", "", -1, "truncation"},
        {"llm", "", "max_output_tokens", "", "", -1, "truncation"},
        {"llm", "error", "length", "AI_InvalidToolArgumentsError", "Invalid arguments for tool x",
         -1, "truncation"},
        {"llm", "error", "", "LengthFinishReasonError", "", -1, "truncation"},
        {"llm", "error", "length", "", "", 200, "truncation"},
    };
    CHECK_ALL(examples);
}

Test(classify, the_rest)
{
    static const struct example examples[] = {
        {"llm", "error", "", "AI_InvalidToolInputError", "", -1, "tool_call_malformed"},
        {"llm", "error", "", "AI_NoSuchToolError", "", -1, "tool_call_malformed"},
        {"llm", "ok", "MALFORMED_FUNCTION_CALL", "", "", -1, "tool_call_malformed"},
        {"chain", "error", "", "langchain.OutputParserException", "", -1, "tool_call_malformed"},
        {"llm", "ok", "content_filter", "", "", -1, "refusal"},
        {"llm", "ok", "SAFETY", "", "", -1, "refusal"},
        {"llm", "ok", "refusal", "", "", -1, "refusal"},
        {"llm", "error", "", "",
         "filtered due to the prompt triggering Azure OpenAI's content management policy", 400,
         "refusal"},
        {"llm", "error", "", "", "{\"jailbreak\": {\"filtered\": true, \"detected\": true}}", 400,
         "jailbreak"},
        {"agent", "error", "", "GraphRecursionError", "", -1, "loop"},
        {"agent", "error", "", "", "Max turns (10) exceeded", -1, "loop"},
        {"tool", "error", "", "KeyError", "'order'", -1, "tool_error"},
        {"tool", "", "", "", "", 500, "tool_error"},
        {"tool", "error", "", "", "", -1, "tool_error"},
        {"llm", "error", "", "AuthenticationError", "bad key", 401, "other"},
        {"llm", "error", "", "", "", -1, "other"},
        {"llm", "", "error", "", "", -1, "other"},
        {"", "error", "", "", "", -1, "other"},
    };
    CHECK_ALL(examples);
}

Test(classify, no_failure_is_no_class)
{
    static const struct example examples[] = {
        {"llm", "ok", "stop", "", "", 200, "none"},
        {"llm", "", "tool_calls", "", "", -1, "none"},
        {"llm", "", "end_turn", "", "", -1, "none"},
        {"llm", "ok", "stop", "", "took 504 ms, 429 tokens", 200, "none"},
        {"tool", "", "", "", "", -1, "none"},
    };
    CHECK_ALL(examples);
}

Test(classify, numbers_in_messages_are_codes_only_where_they_say_so)
{
    static const struct example examples[] = {
        {"llm", "error", "", "", "order 429 not found", -1, "other"},
        {"llm", "error", "", "", "failed after 504 ms", -1, "other"},
        {"llm", "error", "", "", "id 14290", -1, "other"},
        {"llm", "error", "", "", "score 0.429", -1, "other"},
        {"llm", "error", "", "", "429.5 is too much", -1, "other"},
        {"llm", "error", "", "", "(429) slow down", -1, "rate_limit"},
        {"llm", "error", "", "", "HTTP/1.1 504", -1, "timeout"},
        {"llm", "error", "", "", "the timeout parameter must be a number", 400, "other"},
    };
    CHECK_ALL(examples);
}

Test(classify, long_messages_are_read_at_both_ends)
{
    size_t size = 1u << 20;
    char *text = malloc(size);
    cr_assert(text != NULL);
    struct class_facts facts = {.kind = slice_text("llm"),
                                .status = slice_text("error"),
                                .finish_reason = SLICE_EMPTY,
                                .error_type = SLICE_EMPTY,
                                .http_status = -1};
    memset(text, 'x', size);
    facts.error_message = slice_of(text, size);
    cr_expect_str_eq(class_of(&facts), "other");
    memcpy(text + size - 9, "timed out", 9);
    cr_expect_str_eq(class_of(&facts), "timeout");
    memcpy(text, "rate limit", 10);
    cr_expect_str_eq(class_of(&facts), "rate_limit");
    /* Split over the gap between the ends it is nothing. */
    memset(text, 'x', size);
    memcpy(text + 2048 - 4, "time", 4);
    memcpy(text + size - 2048, "dout", 4);
    cr_expect_str_eq(class_of(&facts), "other");
    free(text);
}

Test(classify, every_length_of_a_message_is_safe)
{
    static const char text[] = "HTTP 429: 504. timed out (code 529)";
    for (size_t size = 0; size < sizeof text; size++) {
        char *copy = malloc(size + 1);
        cr_assert(copy != NULL);
        memcpy(copy, text, size);
        struct class_facts facts = {.kind = slice_text("llm"),
                                    .status = slice_text("error"),
                                    .finish_reason = slice_of(copy, size),
                                    .error_type = slice_of(copy, size),
                                    .error_message = slice_of(copy, size),
                                    .http_status = -1};
        struct class_candidates found;
        classify(&facts, &found);
        cr_expect(found.count >= 1 && found.count <= CLASSIFY_CLASSES_MAX);
        free(copy);
    }
}
