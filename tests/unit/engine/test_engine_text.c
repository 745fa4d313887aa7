/*
 * test_engine_text.c - messages: sent once, found by address, sealed, merged, kept as long as spans need them.
 */
#include "engine_fixture.h"

static struct message message_of(const char *body)
{
    return (struct message){.address = hash128(slice_text(body)), .body = slice_text(body)};
}

/* A span whose input refers to the bodies; those are sent along when send is set. */
static enum status append_refs(struct store *s, uint64_t trace, int64_t time_ns,
                               const char *const *bodies, uint32_t count, bool send,
                               struct append_result *ret)
{
    struct message messages[8];
    struct id128 refs[8];
    struct builder b;
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = message_of(bodies[i]);
        refs[i] = messages[i].address;
    }
    rows_begin(s, &b, TABLE_SPANS);
    span_row(&b, trace, 1, time_ns);
    builder_str(&b, SPANS_input, slice_of(refs, count * sizeof *refs));
    const struct append a = {.messages = messages, .message_count = send ? count : 0};
    enum status status = append_try(s, a, &b, NULL, NULL, ret, NULL);
    builder_deinit(&b);
    return status;
}

static void expect_text(struct store *s, const char *const *bodies, uint32_t count,
                        const char *expected)
{
    struct arena arena = {0};
    struct slice text = SLICE_EMPTY;
    struct error error = {0};
    struct id128 refs[8];
    for (uint32_t i = 0; i < count; i++)
        refs[i] = message_of(bodies[i]).address;
    cr_expect_eq(engine_messages_text(s->engine, s->project, slice_of(refs, count * sizeof *refs),
                                      &arena, &text, &error),
                 STATUS_OK, "%s", error.text);
    cr_expect(slice_is(text, expected), "%.*s instead of %s", SLICE_ARG(text), expected);
    arena_deinit(&arena);
}

static const char *const two[] = {"{\"role\":\"system\"}", "{\"role\":\"user\"}"};
#define TWO_JSON "[{\"role\":\"system\"},{\"role\":\"user\"}]"

Test(engine_text, messages_are_there_through_seals_merges_and_restarts)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    cr_assert_eq(append_refs(&s, 1, HOUR0, two, 2, true, &result), STATUS_OK);
    for (int i = 0; i < 6; i++) {
        expect_text(&s, two, 2, TWO_JSON);
        if (i % 2 == 0)
            seal(&s);
        if (i == 3)
            (void)compact_full(&s);
        if (i % 2 == 1)
            store_reopen(&s);
        char body[32];
        (void)snprintf(body, sizeof body, "{\"n\":%d}", i);
        const char *const one[] = {body};
        cr_assert_eq(append_refs(&s, 10 + (uint64_t)i, HOUR0, one, 1, true, &result), STATUS_OK);
    }
    seal(&s);
    (void)compact_full(&s);
    expect_text(&s, two, 2, TWO_JSON);
    struct text_info info = engine_text_info(s.engine, s.project);
    cr_expect_eq(info.messages, 8);
    cr_expect_eq(info.packs, 1, "a full merge leaves one pack of a day");
    expect_text(&s, NULL, 0, "[]");
    store_destroy(&s);
}

Test(engine_text, a_commit_that_refers_to_unknown_messages_is_refused_and_names_them)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    struct id128 missing[2];
    const struct id128 asked[2] = {message_of(two[0]).address, message_of(two[1]).address};
    cr_expect_eq(append_refs(&s, 1, HOUR0, two, 2, false, &result), STATUS_NOT_FOUND);
    cr_expect_eq(result.missing, 2);
    cr_expect(id128_equal(result.missing_addresses[0], asked[0]));
    cr_expect_eq(row_count(&s, TABLE_SPANS), 0);
    cr_expect_eq(engine_messages_missing(s.engine, s.project, asked, 2, missing), 2);
    /* Bodies alone, then spans without bodies. */
    const struct message m[2] = {message_of(two[0]), message_of(two[1])};
    const struct append a = {.messages = m, .message_count = 2};
    cr_assert_eq(append_try(&s, a, NULL, NULL, NULL, &result, NULL), STATUS_OK);
    cr_expect_eq(engine_messages_missing(s.engine, s.project, asked, 2, missing), 0);
    store_reopen(&s);
    cr_expect_eq(append_refs(&s, 1, HOUR0, two, 2, false, &result), STATUS_OK);
    expect_text(&s, two, 2, TWO_JSON);
    store_destroy(&s);
}

Test(engine_text, a_message_under_a_false_address_is_refused)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    struct message m = message_of(two[0]);
    m.address.bytes[3] ^= 1;
    const struct append a = {.messages = &m, .message_count = 1};
    cr_expect_eq(append_try(&s, a, NULL, NULL, NULL, &result, NULL), STATUS_INVALID);
    store_destroy(&s);
}

Test(engine_text, projects_do_not_share_messages)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    struct id128 missing;
    uint32_t other;
    const struct id128 address = message_of(two[0]).address;
    cr_assert_eq(engine_project(s.engine, slice_text("other"), true, &other, NULL), STATUS_OK);
    cr_assert_eq(append_refs(&s, 1, HOUR0, two, 2, true, &result), STATUS_OK);
    cr_expect_eq(engine_messages_missing(s.engine, other, &address, 1, &missing), 1);
    store_destroy(&s);
}

/* ---- retention of text ---- */

static struct retain_result retain_text(struct store *s, int64_t text_age_ns, bool dry_run)
{
    struct error error = {0};
    struct retain_result result;
    const struct retention rule = {.text_age_ns = text_age_ns};
    cr_assert_eq(engine_retain(s->engine, s->project, &rule, dry_run, NULL, &result, &error),
                 STATUS_OK, "%s", error.text);
    return result;
}

Test(engine_text, old_text_leaves_and_what_younger_spans_need_stays)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    static const char *const later[] = {"{\"role\":\"system\"}", "{\"new\":1}"};
    clock_fake(HOUR0);
    cr_assert_eq(append_refs(&s, 1, HOUR0, two, 2, true, &result), STATUS_OK);
    seal(&s);
    clock_fake(HOUR0 + 10 * NS_PER_DAY);
    cr_assert_eq(append_refs(&s, 2, HOUR0 + 10 * NS_PER_DAY, later, 2, true, &result), STATUS_OK);
    seal(&s);
    struct retain_result counted = retain_text(&s, 5 * NS_PER_DAY, true);
    cr_expect_eq(counted.packs, 1);
    expect_text(&s, two, 2, TWO_JSON); /* a dry run only counts */
    struct retain_result retained = retain_text(&s, 5 * NS_PER_DAY, false);
    cr_expect_eq(retained.packs, 1);
    cr_expect_eq(retained.messages, 1);
    cr_expect_eq(retained.segments, 0);
    for (int i = 0; i < 2; i++) {
        expect_text(&s, two, 2, "[{\"role\":\"system\"},null]");
        expect_text(&s, later, 2, "[{\"role\":\"system\"},{\"new\":1}]");
        cr_expect_eq(row_count(&s, TABLE_SPANS), 2);
        store_reopen(&s);
    }
    /* What left is asked for again. */
    cr_expect_eq(append_refs(&s, 3, HOUR0 + 10 * NS_PER_DAY, two, 2, false, &result),
                 STATUS_NOT_FOUND);
    cr_expect_eq(result.missing, 1);
    cr_expect_eq(append_refs(&s, 3, HOUR0 + 10 * NS_PER_DAY, two, 2, true, &result), STATUS_OK);
    expect_text(&s, two, 2, TWO_JSON);
    clock_fake(0);
    store_destroy(&s);
}
