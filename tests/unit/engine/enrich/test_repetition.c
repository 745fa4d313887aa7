/*
 * test_repetition.c - answers that repeat themselves, labelled.
 */
#include "tests/unit/engine/enrich/scorer_fixture.h"

static double repetition_of(struct fixture *f, const char *text)
{
    fixture_span(f);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"go on\"}");
    fixture_output(f, said(f, "assistant", slice_text(text)));
    return fixture_run(f, SCORER_not_repetitive);
}

/* count words that don't repeat, "w1 w2 ...", then a phrase again and again. */
static const char *words_then(struct fixture *f, uint32_t count, const char *phrase, uint32_t times)
{
    struct buffer b = {0};
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(&b, "w%u ", i);
    for (uint32_t i = 0; i < times; i++)
        buffer_add_text(&b, phrase);
    struct slice text = arena_copy(&f->arena, buffer_slice(&b));
    buffer_deinit(&b);
    return (const char *)text.data;
}

static bool is_loop(struct fixture *f)
{
    const struct score *score = fixture_score(f, SCORER_not_repetitive);
    return score != NULL && slice_is(score->error_class, "loop");
}

Test(repetition, ordinary_text_is_not_repetitive)
{
    struct fixture *f = fixture_begin(NULL);
    cr_expect_eq(repetition_of(f, words_then(f, 25, "", 0)), 1);
    cr_expect_eq(repetition_of(f, words_then(f, 5000, "", 0)), 1);
    double list = repetition_of(
        f, "1. **Flight HAT069**\n - Departure: 06:00 AM EST\n - Arrival: 12:00 PM EST\n - Price: "
           "$121\n\n2. **Flight HAT083**\n - Departure: 01:00 AM EST\n - Arrival: 07:00 AM EST\n - "
           "Price: $100\n\n3. **Flight HAT110**\n - Departure: 09:30 AM EST\n - Arrival: 03:30 PM "
           "EST\n - Price: $87\n");
    cr_expect_gt(list, 0.6);
    cr_expect_not(is_loop(f));
    fixture_end(f);
}

Test(repetition, loops_are_found_whatever_their_period)
{
    static const struct {
        uint32_t words; /* in front */
        const char *phrase;
        uint32_t times;
    } loops[] = {
        {0, "no ", 100},
        {3, "I will check that for you. ", 60},
        {1000, "the ", 400},
        {3000, "and then we go to the next step of the plan ", 40},
        {0, "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9 0 ", 30},
        {0, "\xe8\xbf\x99\xe6\x98\xaf\xe4\xb8\x80\xe4\xb8\xaa\xe5\xbe\xaa\xe7\x8e\xaf", 60},
        {0, "!", 300},
        {0, "ha", 2000},
    };
    struct fixture *f = fixture_begin(NULL);
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        double value =
            repetition_of(f, words_then(f, loops[i].words, loops[i].phrase, loops[i].times));
        cr_expect_lt(value, 0.2, "%s: %g", loops[i].phrase, value);
        cr_expect(is_loop(f), "%s", loops[i].phrase);
        cr_expect_gt(fixture_score(f, SCORER_not_repetitive)->finding.size, 0);
    }
    fixture_end(f);
}

Test(repetition, a_sentence_said_twice_is_no_loop)
{
    struct fixture *f = fixture_begin(NULL);
    double value = repetition_of(
        f, words_then(f, 40, "please keep your booking number at hand when you call us ", 2));
    cr_expect_gt(value, 0.6);
    cr_expect_not(is_loop(f));
    fixture_end(f);
}

Test(repetition, the_share_of_distinct_sequences_is_the_score)
{
    struct fixture *f = fixture_begin(NULL);
    /* 40 words, 37 sequences of four: the first 17 are new, the three over the seam too, then 17 known ones. */
    const char *twice =
        words_then(f, 0, "a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7 b8 b9 c1 c2 ", 2);
    cr_expect_float_eq(repetition_of(f, twice), 20.0 / 37, 1e-9);
    fixture_end(f);
}

Test(repetition, short_or_missing_answers_say_nothing)
{
    struct fixture *f = fixture_begin(NULL);
    cr_expect(isnan(repetition_of(f, "")));
    cr_expect(isnan(repetition_of(f, words_then(f, 19, "", 0))));
    cr_expect_not(isnan(repetition_of(f, words_then(f, 20, "", 0))));
    fixture_span(f);
    f->view.kind = slice_text("tool");
    cr_expect(isnan(fixture_run(f, SCORER_not_repetitive)));
    fixture_end(f);
}
