/*
 * test_scorers.c - the scorers' common ground: facts, the bounded cache, versions, and the scorers that compare one fact
 * with a bound.
 */
#include "engine/base/rng.h"
#include "engine/enrich/call_hash.h"
#include "engine/enrich/scorers_internal.h"
#include "tests/unit/engine/enrich/scorer_fixture.h"

static uint64_t hash_of(const char *name, const char *arguments)
{
    struct arena arena = {0};
    uint64_t hash = call_hash(slice_text(name), slice_text(arguments), &arena);
    arena_deinit(&arena);
    return hash;
}

Test(scorers, calls_are_the_same_when_they_mean_the_same)
{
    uint64_t call = hash_of("f", "{\"a\":1,\"b\":[1,2,{\"c\":\"x\"}]}");
    cr_expect_eq(call, hash_of("f", " { \"b\" : [1.0, 2e0, {\"c\":\"\\u0078\"}], \"a\": 1 } "));
    cr_expect_neq(call, hash_of("g", "{\"a\":1,\"b\":[1,2,{\"c\":\"x\"}]}"));
    cr_expect_neq(call, hash_of("f", "{\"a\":1,\"b\":[2,1,{\"c\":\"x\"}]}"));
    cr_expect_neq(call, hash_of("f", "{\"a\":\"1\",\"b\":[1,2,{\"c\":\"x\"}]}"));
    cr_expect_neq(call, hash_of("f", "{\"b\":1,\"a\":[1,2,{\"c\":\"x\"}]}"));
    cr_expect_eq(hash_of("f", ""), hash_of("f", "{}"));
    cr_expect_neq(hash_of("f", "[]"), hash_of("f", "{}"));
    cr_expect_neq(hash_of("f", "null"), hash_of("f", "false"));
    cr_expect_eq(hash_of("f", "not json "), hash_of("f", "not json"));
    cr_expect_neq(hash_of("f", "not json"), hash_of("f", "not jso"));
    cr_expect_neq(hash_of("f", "[[1],2]"), hash_of("f", "[[1,2]]"));
}

Test(scorers, words_are_stemmed_and_marked)
{
    struct word_sample {
        const char *text;
        const char *same_as;
        uint32_t flags;
    } samples[] = {
        {"flights", "flight", 0},
        {"Studies", "study", 0},
        {"booked", "book", 0},
        {"booking", "book", 0},
        {"planned", "plan", 0},
        {"released", "releases", 0},
        {"THE", "the", WORD_STOP},
        {"1,844", "1844", WORD_NUMBER},
        {"20th", "20", WORD_NUMBER},
        {"\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9", 0},
        {"\xd0\x94\xd0\xbe\xd0\xbc", "\xd0\xb4\xd0\xbe\xd0\xbc", 0},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct words a = words_over(slice_text(samples[i].text));
        struct words b = words_over(slice_text(samples[i].same_as));
        struct word left;
        struct word right;
        cr_assert(words_next(&a, &left) && words_next(&b, &right));
        cr_expect_eq(left.hash, right.hash, "%s", samples[i].text);
        cr_expect_eq(left.flags & (WORD_STOP | WORD_NUMBER), samples[i].flags, "%s",
                     samples[i].text);
        cr_expect_not(words_next(&a, &left), "%s", samples[i].text);
    }
}

static uint32_t words_counted(const char *text, uint32_t with_flags)
{
    struct words w = words_over(slice_text(text));
    struct word word;
    uint32_t count = 0;
    while (words_next(&w, &word))
        count += (word.flags & with_flags) == with_flags;
    return count;
}

Test(scorers, words_end_where_they_end)
{
    cr_expect_eq(words_counted("", 0), 0);
    cr_expect_eq(words_counted(" .,;\xe2\x80\x94 ", 0), 0);
    cr_expect_eq(words_counted("Arthur's book_reservation, 2024-05-20", 0), 6);
    cr_expect_eq(words_counted("\xe6\x9d\xb1\xe4\xba\xac", 0), 2);
    cr_expect_eq(words_counted("We met Ada Lovelace. She spoke.", WORD_NAME), 2);
    cr_expect_eq(words_counted("We met. She spoke! They left", WORD_SENTENCE), 3);
    cr_expect_eq(words_counted("\xff\xfe\xc3", 0), 1);
}

Test(scorers, any_bytes_are_words_of_bounded_size)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 300; round++) {
        size_t size = (size_t)rng_below(&rng, 300);
        uint8_t *bytes = mem_alloc(size + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng_u64(&rng);
        struct words w = words_over(slice_of(bytes, size));
        struct word word;
        const uint8_t *end = bytes;
        while (words_next(&w, &word)) {
            cr_assert(word.text.size != 0 && word.text.data >= end);
            end = word.text.data + word.text.size;
            cr_assert(end <= bytes + size);
            cr_assert(word.hash != 0 && word.hash % 4 == 0);
        }
        mem_free(bytes);
    }
}

Test(scorers, a_set_holds_what_was_added_and_no_more)
{
    struct word_set set = {0};
    for (uint32_t i = 1; i <= 5000; i++)
        cr_assert(word_set_add(&set, i * 2654435761u));
    for (uint32_t i = 1; i <= 5000; i++) {
        cr_assert_not(word_set_add(&set, i * 2654435761u));
        cr_assert(word_set_has(&set, i * 2654435761u));
        cr_assert_not(word_set_has(&set, (i + 5000) * 2654435761u));
    }
    struct word_set copy = word_set_copy(&set);
    cr_expect_eq(copy.count, 5000);
    cr_expect_eq(word_set_shared(&copy, &set), 5000);
    word_set_reset(&set, 10);
    cr_expect_eq(word_set_shared(&copy, &set), 0);
    word_set_deinit(&set);
    word_set_deinit(&copy);
}

Test(scorers, chosen_words_cannot_make_a_set_slow)
{
    struct word_set set = {0};
    uint32_t added = 0;
    for (uint32_t i = 1; i <= 5000; i++)
        added += word_set_add(&set, i << 19);
    cr_expect_leq(added, 2 * WORD_PROBES_MAX);
    word_set_deinit(&set);
}

static struct message_facts facts_with(uint32_t number, uint32_t words)
{
    struct message_facts facts = {.role = ROLE_USER, .word_count = number};
    for (uint32_t i = 0; i < words; i++)
        (void)word_set_add(&facts.set, number * 1000 + i + 1);
    return facts;
}

static struct id128 address_of(uint32_t number)
{
    return hash128(slice_of(&number, sizeof number));
}

Test(scorers, the_cache_keeps_within_its_memory_and_what_is_asked_for)
{
    size_t bytes_max = 256 << 10;
    struct scorer_cache *c = scorer_cache_create(bytes_max);
    for (uint32_t i = 1; i <= 3000; i++) {
        uint32_t hint = 0;
        struct message_facts facts = facts_with(i, i % 50);
        cr_assert_null(scorer_cache_find(c, address_of(i), &hint));
        const struct message_facts *put = scorer_cache_put(c, address_of(i), &facts, &hint);
        cr_assert_eq(put->word_count, i);
        cr_assert_leq(scorer_cache_bytes(c), bytes_max);
        uint32_t hot = 0;
        cr_assert_not_null(scorer_cache_find(c, address_of(1), &hot), "lost at %u", i);
    }
    uint32_t kept = 0;
    for (uint32_t i = 1; i <= 3000; i++) {
        uint32_t hint = i;
        const struct message_facts *facts = scorer_cache_find(c, address_of(i), &hint);
        if (facts == NULL)
            continue;
        kept++;
        cr_assert_eq(facts->word_count, i);
        cr_assert_eq(facts->set.count, i % 50);
    }
    cr_expect_eq(kept, scorer_cache_count(c));
    cr_expect_gt(kept, 100);
    scorer_cache_destroy(c);
}

Test(scorers, one_message_larger_than_the_rest_pushes_all_out)
{
    struct scorer_cache *c = scorer_cache_create(128 << 10);
    for (uint32_t i = 1; i <= 100; i++) {
        uint32_t hint = 0;
        struct message_facts facts = facts_with(i, 20);
        (void)scorer_cache_put(c, address_of(i), &facts, &hint);
    }
    uint32_t hint = 0;
    struct message_facts large = facts_with(101, 6000);
    (void)scorer_cache_put(c, address_of(101), &large, &hint);
    cr_expect_leq(scorer_cache_bytes(c), 128 << 10);
    cr_expect_not_null(scorer_cache_find(c, address_of(101), &hint));
    scorer_cache_destroy(c);
}

Test(scorers, the_version_changes_with_whatever_changes_scores)
{
    struct scorer_options o;
    scorer_options_init(&o);
    struct scorers *plain = scorers_create(&o, NULL);
    struct scorers *again = scorers_create(&o, NULL);
    cr_expect_str_eq(scorers_version(plain), scorers_version(again));
    cr_expect_eq(strlen(scorers_version(plain)), 11);
    o.disabled = 1u << SCORER_on_goal;
    struct scorers *less = scorers_create(&o, NULL);
    o.disabled = 0;
    o.loop_repeats = 4;
    struct scorers *later = scorers_create(&o, NULL);
    o.loop_repeats = 3; /* the default */
    struct scorers *same = scorers_create(&o, NULL);
    o.thresholds[SCORER_grounding] = 0.5;
    struct scorers *strict = scorers_create(&o, NULL);
    cr_expect_str_neq(scorers_version(plain), scorers_version(less));
    cr_expect_str_neq(scorers_version(plain), scorers_version(later));
    cr_expect_str_neq(scorers_version(plain), scorers_version(strict));
    cr_expect_str_eq(scorers_version(plain), scorers_version(same));
    struct scorers *all[] = {plain, again, less, later, same, strict};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        scorers_destroy(all[i]);
}

Test(scorers, names_versions_and_docs_are_there)
{
    for (int i = 0; i < SCORER_COUNT; i++) {
        enum scorer_id id = (enum scorer_id)i;
        cr_expect_gt(strlen(scorer_name(id)), 0);
        cr_expect_gt(strlen(scorer_version(id)), 0);
        cr_expect_gt(strlen(scorer_doc(id)), 20, "%s", scorer_name(id));
    }
}

Test(scorers, a_scorer_that_is_off_gives_no_score)
{
    struct scorer_options o;
    scorer_options_init(&o);
    o.latency_budget_ns = 1000;
    o.disabled = 1ull << SCORER_in_latency_budget;
    struct fixture *f = fixture_begin(&o);
    f->view.latency_ns = 2000;
    cr_expect(isnan(fixture_run(f, SCORER_in_latency_budget)));
    fixture_end(f);
}

Test(scorers, a_body_that_was_seen_once_need_not_be_at_hand_again)
{
    struct fixture *f = fixture_begin(NULL);
    const char *user = "{\"role\":\"user\",\"content\":\"change my flight to Boston\"}";
    const char *answer = "{\"role\":\"assistant\",\"content\":\"Which flight to Boston?\"}";
    fixture_input(f, user);
    fixture_output(f, answer);
    double with_body = fixture_run(f, SCORER_on_goal);
    cr_assert_gt(with_body, 0);
    f->input[0].body = SLICE_EMPTY;
    cr_expect_float_eq(fixture_run(f, SCORER_on_goal), with_body, 0);
    f->input[0].address.bytes[0] ^= 1;
    cr_expect(isnan(fixture_run(f, SCORER_on_goal)));
    fixture_end(f);
}

Test(scorers, empty_results_are_apart_from_failures)
{
    struct fixture *f = fixture_begin(NULL);
    f->view.kind = slice_text("tool");
    f->view.tool_name = slice_text("find");
    cr_expect(isnan(fixture_run(f, SCORER_tool_found)));
    static const char *const empty[] = {"", "[]", " [ ] ", "{}", "null", "\"\"", "\n"};
    static const char *const full[] = {"0", "[[]]", "false", "\"x\"", "nothing", "[0]"};
    f->view.has_tool_result = true;
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        f->view.tool_result = slice_text(empty[i]);
        cr_expect_eq(fixture_run(f, SCORER_tool_found), 0, "%s", empty[i]);
        cr_expect_eq(fixture_score(f, SCORER_tool_found)->error_class.size, 0);
    }
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++) {
        f->view.tool_result = slice_text(full[i]);
        cr_expect_eq(fixture_run(f, SCORER_tool_found), 1, "%s", full[i]);
    }
    f->view.tool_result_empty = 1;
    cr_expect_eq(fixture_run(f, SCORER_tool_found), 0);
    f->view.status = slice_text("error");
    cr_expect(isnan(fixture_run(f, SCORER_tool_found)));
    fixture_end(f);
}

Test(scorers, retrievals_are_found_and_good)
{
    struct fixture *f = fixture_begin(NULL);
    f->view.kind = slice_text("retrieval");
    cr_expect(isnan(fixture_run(f, SCORER_retrieval_found)));
    cr_expect(isnan(fixture_run(f, SCORER_retrieval_quality)));
    f->view.has_retrieved = true;
    f->view.retrieved = slice_text("[]");
    cr_expect_eq(fixture_run(f, SCORER_retrieval_found), 0);
    f->view.retrieved_count = 3;
    f->view.retrieved_top_score = 0.1;
    cr_expect_eq(fixture_run(f, SCORER_retrieval_found), 1);
    cr_expect_float_eq(fixture_run(f, SCORER_retrieval_quality), 0.5, 1e-12);
    cr_expect_gt(fixture_score(f, SCORER_retrieval_quality)->finding.size, 0);
    f->view.retrieved_top_score = 17;
    cr_expect_eq(fixture_run(f, SCORER_retrieval_quality), 1);
    f->view.retrieved_top_score = -2;
    cr_expect_eq(fixture_run(f, SCORER_retrieval_quality), 0);
    f->view.status = slice_text("error");
    cr_expect(isnan(fixture_run(f, SCORER_retrieval_found)));
    cr_expect(isnan(fixture_run(f, SCORER_retrieval_quality)));
    fixture_end(f);
}

Test(scorers, budgets_are_ratios)
{
    struct scorer_options o;
    scorer_options_init(&o);
    struct fixture *f = fixture_begin(&o);
    f->view.latency_ns = 5;
    f->view.cost_nusd = 5;
    cr_expect(isnan(fixture_run(f, SCORER_in_latency_budget)));
    cr_expect(isnan(fixture_run(f, SCORER_in_cost_budget)));
    fixture_end(f);

    o.latency_budget_ns = 2000000000;
    o.cost_budget_nusd = 1000000;
    f = fixture_begin(&o);
    cr_expect(isnan(fixture_run(f, SCORER_in_latency_budget)));
    cr_expect(isnan(fixture_run(f, SCORER_in_cost_budget)));
    f->view.latency_ns = 2000000000;
    f->view.cost_nusd = 0;
    cr_expect_eq(fixture_run(f, SCORER_in_latency_budget), 1);
    cr_expect_eq(fixture_run(f, SCORER_in_cost_budget), 1);
    f->view.latency_ns = 8000000000;
    f->view.cost_nusd = 4000000;
    cr_expect_float_eq(fixture_run(f, SCORER_in_latency_budget), 0.25, 1e-12);
    cr_expect_float_eq(fixture_run(f, SCORER_in_cost_budget), 0.25, 1e-12);
    f->view.kind = slice_text("agent");
    cr_expect(isnan(fixture_run(f, SCORER_in_latency_budget)));
    fixture_end(f);
}
