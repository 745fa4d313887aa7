/*
 * test_enrich_mask.c - masking a batch: texts, messages under new addresses, and references that are sent alone later.
 */
#include "enrich_fixture.h"

#define BODY   "{\"role\":\"user\",\"content\":\"I am bob@example.com\"}"
#define MASKED "{\"role\":\"user\",\"content\":\"I am [email]\"}"
#define PLAIN  "{\"role\":\"user\",\"content\":\"hello\"}"

static struct desk *desk_masking(void)
{
    struct enrich_settings s = desk_settings();
    struct error error = {0};
    struct mask_rule rules[] = {{.name = slice_text("email"),
                                 .project = SLICE_EMPTY,
                                 .detector = slice_text("pii.email"),
                                 .pattern = SLICE_EMPTY,
                                 .replacement = SLICE_EMPTY},
                                {.name = slice_text("ticket"),
                                 .project = slice_text("support"),
                                 .detector = SLICE_EMPTY,
                                 .pattern = slice_text("TKT-\\d+"),
                                 .replacement = SLICE_EMPTY}};
    cr_assert_eq(masker_create(rules, 2, &s.masker, &error), STATUS_OK, "%s", error.text);
    return desk_begin(&s);
}

static struct id128 address(const char *body)
{
    return hash128(slice_text(body));
}

static bool refers_to(struct desk *d, uint32_t row, uint16_t column, const char *body)
{
    struct id128 id = address(body);
    struct slice refs = desk_bytes(d, row, column);
    return refs.size == sizeof id && memcmp(refs.data, &id, sizeof id) == 0;
}

static bool has_message(struct desk *d, const char *body)
{
    for (uint32_t i = 0; i < d->work.message_count; i++) {
        if (slice_is(d->work.messages[i].body, body))
            return id128_equal(d->work.messages[i].address, address(body));
    }
    return false;
}

/* A row that refers to a body which does not come with the batch. */
static void refer_only(struct desk *d, uint16_t column, const char *body)
{
    struct id128 id = address(body);
    desk_row(d, "llm");
    builder_str(&d->in, column, slice_of(&id, sizeof id));
}

Test(enrich_mask, texts_are_masked_and_counted)
{
    struct desk *d = desk_masking();
    static const uint16_t columns[] = {SPANS_tool_args, SPANS_tool_result, SPANS_error_message,
                                       SPANS_attributes, SPANS_retrieved};
    desk_row(d, "tool");
    for (size_t i = 0; i < 5; i++)
        desk_text(d, columns[i], "{\"a\":\"bob@example.com\"}");
    desk_row(d, "tool");
    desk_text(d, SPANS_tool_args, "{}");
    desk_enrich(d);
    for (size_t i = 0; i < 5; i++)
        cr_expect(desk_is(d, 0, columns[i], "{\"a\":\"[email]\"}"), "column %u", columns[i]);
    cr_expect(desk_is(d, 1, SPANS_tool_args, "{}"));
    cr_expect(!desk_has(d, 1, SPANS_tool_result));
    cr_expect_eq(d->counts.masked, 5);
    desk_end(d);
}

Test(enrich_mask, messages_get_new_addresses_and_references_follow)
{
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_input, BODY);
    desk_message(d, SPANS_output, PLAIN);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED));
    cr_expect(refers_to(d, 0, SPANS_output, PLAIN));
    cr_expect(has_message(d, MASKED) && has_message(d, PLAIN) && !has_message(d, BODY));
    cr_expect_eq(d->work.message_count, 2);
    desk_end(d);
}

Test(enrich_mask, a_reference_sent_later_without_its_body_follows_too)
{
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_input, BODY);
    desk_enrich(d);
    desk_next(d);
    refer_only(d, SPANS_input, BODY);
    refer_only(d, SPANS_tools, BODY);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED));
    cr_expect(refers_to(d, 1, SPANS_tools, MASKED));
    cr_expect_eq(d->work.message_count, 0);
    desk_end(d);
}

Test(enrich_mask, a_reference_nobody_remembers_stays_for_the_engine_to_miss)
{
    struct desk *d = desk_masking();
    refer_only(d, SPANS_input, BODY);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, BODY));
    /* The client sends the body and the batch again. */
    (void)message_set_add(&d->messages, slice_text(BODY));
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED) && has_message(d, MASKED));
    desk_end(d);
}

Test(enrich_mask, text_stored_before_there_were_masks_is_masked_for_new_spans)
{
    struct desk *d = desk_masking();
    (void)message_set_add(&d->stored, slice_text(BODY));
    (void)message_set_add(&d->stored, slice_text(PLAIN));
    refer_only(d, SPANS_input, BODY);
    refer_only(d, SPANS_input, BODY);
    refer_only(d, SPANS_input, PLAIN);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED) && refers_to(d, 1, SPANS_input, MASKED));
    cr_expect(refers_to(d, 2, SPANS_input, PLAIN));
    cr_expect(has_message(d, MASKED));
    cr_expect_eq(d->work.message_count, 1);
    cr_expect_eq(d->counts.masked, 1);
    desk_end(d);
}

Test(enrich_mask, what_the_engine_misses_is_told_in_the_clients_addresses)
{
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_input, BODY);
    desk_enrich(d);
    desk_next(d);
    refer_only(d, SPANS_input, BODY);
    refer_only(d, SPANS_output, PLAIN);
    desk_enrich(d);
    struct batch sent = builder_batch(&d->in);
    struct id128 missing[3] = {address(MASKED), address(PLAIN), address("elsewhere")};
    enrich_missing_as_sent(&sent, &d->work.spans, missing, 3);
    cr_expect(id128_equal(missing[0], address(BODY)));
    cr_expect(id128_equal(missing[1], address(PLAIN)));
    cr_expect(id128_equal(missing[2], address("elsewhere")));
    desk_end(d);
}

Test(enrich_mask, projects_are_kept_apart)
{
    static const char ticket[] = "{\"role\":\"user\",\"content\":\"TKT-1\"}";
    static const char hidden[] = "{\"role\":\"user\",\"content\":\"[ticket]\"}";
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_input, ticket);
    d->project = "support";
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, hidden));
    d->project = "default";
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, ticket));
    desk_next(d);
    refer_only(d, SPANS_input, ticket);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, ticket));
    d->project = "support";
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, hidden), "each project has its own memory");
    desk_end(d);
}

Test(enrich_mask, scorers_see_what_is_stored)
{
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_output,
                 "{\"role\":\"assistant\",\"content\":\"write to bob@example.com\"}");
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "none", "nothing leaks from the store");
    desk_end(d);
}

struct rule_count {
    uint64_t email, ticket;
};

static void count_rule(void *context, struct slice rule, uint64_t count)
{
    struct rule_count *c = context;
    *(slice_is(rule, "email") ? &c->email : &c->ticket) = count;
}

Test(enrich_mask, replacements_are_counted_by_rule)
{
    struct desk *d = desk_masking();
    struct rule_count c = {0};
    d->project = "support";
    desk_row(d, "llm");
    desk_message(d, SPANS_input, BODY);
    desk_text(d, SPANS_error_message, "TKT-1 and TKT-2");
    desk_enrich(d);
    enricher_masked(d->enricher, count_rule, &c);
    cr_expect(c.email == 1 && c.ticket == 2);
    cr_expect_eq(enricher_totals(d->enricher).masked, 3);
    desk_end(d);
}

Test(enrich_mask, messages_come_even_without_spans)
{
    struct desk *d = desk_masking();
    (void)message_set_add(&d->messages, slice_text(BODY));
    desk_enrich(d);
    cr_expect(has_message(d, MASKED));
    desk_next(d);
    refer_only(d, SPANS_input, BODY);
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED));
    desk_end(d);
}

/* A client sends the bodies a batch lacks one by one, then the batch: none of them may put another out. */
Test(enrich_mask, bodies_sent_before_a_large_batch_are_all_remembered)
{
    enum {
        BODIES = 70000
    };
    struct desk *d = desk_masking();
    struct id128 *sent = malloc(BODIES * sizeof *sent);
    struct id128 *stored = malloc(BODIES * sizeof *stored);
    char body[96];
    cr_assert(sent != NULL && stored != NULL);
    for (int i = 0; i < BODIES; i++) {
        (void)snprintf(body, sizeof body, "{\"role\":\"user\",\"content\":\"%d bob@example.com\"}",
                       i);
        sent[i] = message_set_add(&d->messages, slice_text(body));
        (void)snprintf(body, sizeof body, "{\"role\":\"user\",\"content\":\"%d [email]\"}", i);
        stored[i] = hash128(slice_text(body));
        if (i % 1000 == 999) {
            desk_enrich(d);
            desk_next(d);
            arena_reset(&d->arena);
        }
    }
    desk_row(d, "llm");
    builder_str(&d->in, SPANS_input, slice_of(sent, BODIES / 2 * sizeof *sent));
    desk_row(d, "llm");
    builder_str(&d->in, SPANS_input, slice_of(sent + BODIES / 2, BODIES / 2 * sizeof *sent));
    desk_enrich(d);
    for (uint32_t row = 0; row < 2; row++) {
        struct slice refs = desk_bytes(d, row, SPANS_input);
        cr_expect(
            slice_equal(refs, slice_of(stored + row * BODIES / 2, BODIES / 2 * sizeof *stored)));
    }
    free(sent);
    free(stored);
    desk_end(d);
}

Test(enrich_mask, two_messages_that_are_the_same_once_masked)
{
    struct desk *d = desk_masking();
    desk_row(d, "llm");
    desk_message(d, SPANS_input, BODY);
    desk_message(d, SPANS_output, "{\"role\":\"user\",\"content\":\"I am ann@example.org\"}");
    desk_enrich(d);
    cr_expect(refers_to(d, 0, SPANS_input, MASKED) && refers_to(d, 0, SPANS_output, MASKED));
    desk_end(d);
}
