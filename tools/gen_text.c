/*
 * gen_text.c - what users, assistants and tools say: phrases with slots, enough to look at and to compress like
 * the real thing (a history repeats itself, answers of one prompt resemble each other).
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "tools/gen.h"
#include "engine/base/stringify.h"

static const char *const openings[] = {
    "Hi, I have a question about %s.",         "Could you help me with %s?",
    "I've been waiting for an answer on %s.",  "Quick one: what can you tell me about %s?",
    "This is the second time I ask about %s.", "My colleague said you know about %s. Is that so?",
};

static const char *const details[] = {
    "The reference is %s.",
    "It started on day %s of this month.",
    "I tried it %s times already.",
    "The amount was %s euro.",
    "Customer number %s, if that helps.",
    "It says code %s.",
};

static const char *const sentences[] = {
    "I looked into it and found the entry with number %s.",
    "According to the records the last change was made %s hours ago.",
    "You can see the details in your account under item %s.",
    "The next step would be to confirm with code %s.",
    "Please note that this may take up to %s days.",
    "As far as the documents say, there is no further charge beyond %s euro.",
    "I have added a note for the team under case %s.",
    "If that does not help, reply here and I will look at entry %s again.",
    "The policy allows this once in %s days.",
    "It was handled by the night shift, ticket %s.",
};

static const char *const refusals[] = {
    "I'm sorry, but I can't help with that.",
    "I am not able to share that information.",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *pick(struct gen *g, const char *const *texts, size_t count)
{
    return texts[rng_below(&g->rng, count)];
}

/* Writes a phrase with its one %s filled in. */
static void add_phrase(struct buffer *to, const char *phrase, const char *filling)
{
    const char *slot = strstr(phrase, "%s");
    ASSERT(slot != NULL);
    buffer_add(to, phrase, (size_t)(slot - phrase));
    buffer_add_text(to, filling);
    buffer_add_text(to, slot + 2);
}

static void add_detail(struct gen *g, struct buffer *to, const char *const *texts, size_t count)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)rng_below(&g->rng, 100000));
    buffer_add_byte(to, ' ');
    add_phrase(to, pick(g, texts, count), number);
}

static void history_add(struct gen_session *s, struct slice body)
{
    ASSERT(s->history_count < GEN_HISTORY_MAX);
    uint8_t *copy = mem_alloc(body.size + 1);
    bytes_copy(copy, body.data, body.size);
    s->history[s->history_count++] =
        (struct message){.address = hash128(body), .body = slice_of(copy, body.size)};
}

void gen_history_clear(struct gen_session *s)
{
    for (uint32_t i = 0; i < s->history_count; i++)
        mem_free((void *)(uintptr_t)s->history[i].body.data);
    s->history_count = 0;
}

/* {"role":ROLE,"content":g->text} */
static void say(struct gen *g, struct gen_session *s, const char *role)
{
    struct buffer body = {0};
    buffer_printf(&body, "{\"role\":\"%s\",\"content\":", role);
    stringify_text(buffer_slice(&g->text), &body);
    buffer_add_byte(&body, '}');
    history_add(s, buffer_slice(&body));
    buffer_deinit(&body);
}

void gen_text_system(struct gen *g, struct gen_session *s, const char *service)
{
    buffer_reset(&g->text);
    buffer_printf(
        &g->text,
        "You are the assistant of %s. Answer from the documents you are given and from the "
        "tools; say so when you do not know. Never share data of other customers. Be brief.",
        service);
    say(g, s, "system");
}

void gen_text_user(struct gen *g, struct gen_session *s, const char *topic)
{
    buffer_reset(&g->text);
    add_phrase(&g->text, pick(g, openings, COUNT(openings)), topic);
    for (uint64_t i = rng_below(&g->rng, 3); i > 0; i--)
        add_detail(g, &g->text, details, COUNT(details));
    say(g, s, "user");
}

void gen_text_answer(struct gen *g, struct gen_session *s, const char *topic, bool refused)
{
    buffer_reset(&g->text);
    if (refused) {
        buffer_add_text(&g->text, pick(g, refusals, COUNT(refusals)));
    } else {
        add_phrase(&g->text, "About %s:", topic);
        for (uint64_t i = 2 + rng_below(&g->rng, 5); i > 0; i--)
            add_detail(g, &g->text, sentences, COUNT(sentences));
    }
    say(g, s, "assistant");
}

void gen_text_call(struct gen *g, struct gen_session *s, const char *tool, const char *call_id,
                   const char *args)
{
    struct buffer body = {0};
    (void)g;
    buffer_printf(&body,
                  "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"%s\","
                  "\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":",
                  call_id, tool);
    stringify_text(slice_text(args), &body);
    buffer_add_text(&body, "}}]}");
    history_add(s, buffer_slice(&body));
    buffer_deinit(&body);
}

void gen_text_result(struct gen *g, struct gen_session *s, const char *tool, const char *call_id,
                     const char *result)
{
    struct buffer body = {0};
    (void)g;
    buffer_printf(&body, "{\"role\":\"tool\",\"tool_call_id\":\"%s\",\"name\":\"%s\",\"content\":",
                  call_id, tool);
    stringify_text(slice_text(result), &body);
    buffer_add_byte(&body, '}');
    history_add(s, buffer_slice(&body));
    buffer_deinit(&body);
}

char *gen_tool_args(struct gen *g)
{
    return arena_printf(&g->arena, "{\"id\":\"%llu\",\"limit\":%llu}",
                        (unsigned long long)rng_below(&g->rng, 1000000),
                        (unsigned long long)(1 + rng_below(&g->rng, 10)));
}

char *gen_tool_result(struct gen *g, bool empty, bool failed)
{
    if (failed)
        return arena_strdup(&g->arena, "{\"error\":\"upstream answered 500\"}");
    if (empty)
        return arena_strdup(&g->arena, "[]");
    return arena_printf(&g->arena, "[{\"id\":%llu,\"state\":\"open\",\"amount\":%llu.%02llu}]",
                        (unsigned long long)rng_below(&g->rng, 1000000),
                        (unsigned long long)rng_below(&g->rng, 500),
                        (unsigned long long)rng_below(&g->rng, 100));
}
