/*
 * test_agreement.c - kappa and its kin: examples worked by hand, a naive oracle on random opinions, and the two tables.
 */
#include "judge_fixture.h"

#include "engine/base/rng.h"
#include "server/judge/agreement.h"

#define LINES_MAX 16

struct found {
    struct agreement_line lines[LINES_MAX];
    struct agreement_cell cells[64];
    uint32_t line_count, cell_count;
};

static void take_line(void *context, const struct agreement_line *l)
{
    struct found *f = context;
    cr_assert_lt(f->line_count, LINES_MAX);
    f->lines[f->line_count++] = *l;
}

static void take_cell(void *context, const struct agreement_cell *c)
{
    struct found *f = context;
    cr_assert_lt(f->cell_count, 64);
    f->cells[f->cell_count++] = *c;
}

static void keep_line(void *context, const struct agreement_line *l)
{
    *(struct agreement_line *)context = *l;
}

static struct found look(struct agreement *a)
{
    struct found f = {0};
    agreement_lines(a, take_line, &f);
    agreement_cells(a, take_cell, &f);
    return f;
}

static struct opinion opinion_of(uint64_t *span, double value, const char *label, int64_t time_ns)
{
    return (struct opinion){.name = slice_text("q"),
                            .span = slice_of(span, sizeof *span),
                            .value = value,
                            .label = slice_text(label),
                            .time_ns = time_ns};
}

static const struct judge_version version_1 = {
    .name = {.data = (const uint8_t *)"q", .size = 1},
    .scorer = {.data = (const uint8_t *)"j", .size = 1},
    .scorer_version = {.data = (const uint8_t *)"1", .size = 1},
    .judge_model = {.data = (const uint8_t *)"", .size = 0}};

static void both(struct agreement *a, uint64_t span, const char *human, const char *judge)
{
    struct opinion o = opinion_of(&span, NOTHING, human, 1);
    agreement_human(a, &o);
    o = opinion_of(&span, NOTHING, judge, 1);
    agreement_judge(a, &version_1, &o);
}

/*
 * Two raters of 50 grant proposals: both yes 20, both no 15, A yes B no 5, A no B yes 10. Agreement 0.7; A says yes to half, B
 * to 0.6, so by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa = (0.7 - 0.5) / 0.5 = 0.4.
 */
Test(agreement, kappa_of_a_two_by_two_table_worked_by_hand)
{
    static const struct {
        const char *human, *judge;
        int times;
    } table[] = {{"yes", "yes", 20}, {"yes", "no", 5}, {"no", "yes", 10}, {"no", "no", 15}};
    struct agreement *a = agreement_create();
    uint64_t span = 0;
    for (size_t i = 0; i < 4; i++) {
        for (int k = 0; k < table[i].times; k++)
            both(a, ++span, table[i].human, table[i].judge);
    }
    struct found f = look(a);
    cr_assert_eq(f.line_count, 1);
    const struct agreement_line *l = &f.lines[0];
    cr_expect_eq(l->pairs, 50);
    cr_expect_eq(l->agreed, 35);
    cr_expect_float_eq(l->accuracy, 0.7, 1e-15);
    cr_expect_float_eq(l->kappa, 0.4, 1e-15);
    cr_expect(l->is_binary);
    cr_expect_eq(l->tp, 20);
    cr_expect_eq(l->fn, 5);
    cr_expect_eq(l->fp, 10);
    cr_expect_eq(l->tn, 15);
    cr_assert_eq(f.cell_count, 4);
    cr_expect(slice_is(f.cells[0].judge_label, "no") && slice_is(f.cells[0].human_label, "no"));
    cr_expect_eq(f.cells[0].count, 15);
    cr_expect(slice_is(f.cells[1].judge_label, "no") && slice_is(f.cells[1].human_label, "yes"));
    cr_expect_eq(f.cells[1].count, 5);
    agreement_destroy(a);
}

/* Three labels, 10 spans, 7 agreed. Judge: a 5, b 3, c 2; human: a 4, b 4, c 2: by chance (20 + 12 + 4) / 100 = 0.36;
 * kappa = (0.7 - 0.36) / 0.64 = 0.53125. */
Test(agreement, kappa_of_three_labels_worked_by_hand)
{
    static const char *const judge[] = {"a", "a", "a", "a", "a", "b", "b", "b", "c", "c"};
    static const char *const human[] = {"a", "a", "a", "b", "b", "b", "b", "a", "c", "c"};
    struct agreement *a = agreement_create();
    for (uint64_t i = 0; i < 10; i++)
        both(a, i, human[i], judge[i]);
    struct found f = look(a);
    cr_assert_eq(f.line_count, 1);
    cr_expect_eq(f.lines[0].agreed, 7);
    cr_expect_float_eq(f.lines[0].kappa, 0.53125, 1e-15);
    cr_expect_not(f.lines[0].is_binary, "a is neither a pass nor a fail");
    agreement_destroy(a);
}

/* Everybody invents labels: nothing agrees but the last, and the work stays that of sorting. */
Test(agreement, as_many_labels_as_spans)
{
    struct agreement *a = agreement_create();
    uint64_t spans = 50000;
    struct agreement_line line = {0};
    for (uint64_t i = 1; i <= spans; i++) {
        char human[32], judge[32];
        (void)snprintf(human, sizeof human, "h%d", (int)i);
        (void)snprintf(judge, sizeof judge, "j%d", (int)i);
        both(a, i, i == spans ? "same" : human, i == spans ? "same" : judge);
    }
    agreement_lines(a, keep_line, &line);
    cr_expect_eq(line.pairs, spans);
    cr_expect_eq(line.agreed, 1);
    /* p_o = 1 / n, p_e = 1 / n^2 */
    double n = (double)spans;
    cr_expect_float_eq(line.kappa, (1 / n - 1 / (n * n)) / (1 - 1 / (n * n)), 1e-15);
    agreement_destroy(a);
}

Test(agreement, kappa_is_one_minus_one_zero_or_unknown)
{
    static const struct {
        const char *human[4], *judge[4];
        double kappa;
    } table[] = {
        {{"pass", "fail", "pass", "fail"}, {"pass", "fail", "pass", "fail"}, 1},
        {{"pass", "fail", "pass", "fail"}, {"fail", "pass", "fail", "pass"}, -1},
        {{"pass", "fail", "pass", "fail"}, {"pass", "pass", "pass", "pass"}, 0},
        {{"pass", "pass", "pass", "pass"}, {"pass", "pass", "pass", "pass"}, NOTHING},
    };
    for (size_t i = 0; i < 4; i++) {
        struct agreement *a = agreement_create();
        for (uint64_t k = 0; k < 4; k++)
            both(a, k, table[i].human[k], table[i].judge[k]);
        struct found f = look(a);
        cr_assert_eq(f.line_count, 1);
        if (isnan(table[i].kappa))
            cr_expect(isnan(f.lines[0].kappa));
        else
            cr_expect_float_eq(f.lines[0].kappa, table[i].kappa, 1e-15);
        agreement_destroy(a);
    }
}

Test(agreement, values_and_labels_meet_as_pass_and_fail)
{
    static const struct {
        double human_value;
        const char *human_label;
        double judge_value;
        const char *judge_label;
        const char *cell; /* "judge/human", or "" when there is nothing to compare */
    } table[] = {
        {1, "", 0.5, "", "pass/pass"},
        {0, "", 0.49, "", "fail/fail"},
        {NOTHING, "good", 0.9, "", "pass/pass"},
        {NOTHING, "WRONG", 1, "", "pass/fail"},
        {NOTHING, "rude", 1, "", ""},
        {0.2, "rude", 1, "", "pass/fail"},
        {NOTHING, "rude", NOTHING, "kind", "kind/rude"},
        {1, "rude", 0, "Rude", "Rude/rude"},
        {0, "", NOTHING, "true", "pass/fail"},
        {0, "", NOTHING, "perhaps", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct agreement *a = agreement_create();
        uint64_t span = 7;
        char cell[64] = "";
        struct opinion o = opinion_of(&span, table[i].human_value, table[i].human_label, 1);
        agreement_human(a, &o);
        o = opinion_of(&span, table[i].judge_value, table[i].judge_label, 1);
        agreement_judge(a, &version_1, &o);
        struct found f = look(a);
        if (f.cell_count == 1)
            (void)snprintf(cell, sizeof cell, "%.*s/%.*s", SLICE_ARG(f.cells[0].judge_label),
                           SLICE_ARG(f.cells[0].human_label));
        cr_expect_str_eq(cell, table[i].cell, "row %zu: %s", i, cell);
        cr_expect_eq(f.line_count, table[i].cell[0] != 0);
        agreement_destroy(a);
    }
}

Test(agreement, the_latest_word_counts_and_of_equal_times_the_last)
{
    struct agreement *a = agreement_create();
    uint64_t span = 1;
    struct opinion o = opinion_of(&span, NOTHING, "pass", 5);
    agreement_human(a, &o);
    o = opinion_of(&span, NOTHING, "fail", 4);
    agreement_human(a, &o);
    o = opinion_of(&span, NOTHING, "fail", 1);
    agreement_judge(a, &version_1, &o);
    o = opinion_of(&span, NOTHING, "pass", 1);
    agreement_judge(a, &version_1, &o);
    struct found f = look(a);
    cr_assert_eq(f.line_count, 1);
    cr_expect_eq(f.lines[0].pairs, 1);
    cr_expect_eq(f.lines[0].tp, 1);
    agreement_destroy(a);
}

/* ---- a naive oracle ---- */

#define SPANS  120
#define LABELS 4

/* Straight from the definition, over arrays; label -1: not judged. */
static void naive(const int *human, const int *judge, uint64_t *ret_pairs, double *ret_accuracy,
                  double *ret_kappa)
{
    double pairs = 0, agreed = 0, expected = 0;
    for (int i = 0; i < SPANS; i++) {
        if (human[i] < 0 || judge[i] < 0)
            continue;
        pairs++;
        agreed += human[i] == judge[i];
    }
    for (int label = 0; label < LABELS; label++) {
        double by_human = 0, by_judge = 0;
        for (int i = 0; i < SPANS; i++) {
            if (human[i] < 0 || judge[i] < 0)
                continue;
            by_human += human[i] == label;
            by_judge += judge[i] == label;
        }
        expected += by_human / pairs * (by_judge / pairs);
    }
    *ret_pairs = (uint64_t)pairs;
    *ret_accuracy = agreed / pairs;
    *ret_kappa = (agreed / pairs - expected) / (1 - expected);
}

Test(agreement, matches_the_definition_on_random_opinions)
{
    static const char *const labels[LABELS] = {"a", "b", "c", "d"};
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 50; round++) {
        struct agreement *a = agreement_create();
        int human[SPANS];
        int judge[3][SPANS];
        struct judge_version versions[3] = {version_1, version_1, version_1};
        static const char *const names[3] = {"1", "2", "3"};
        for (uint64_t i = 0; i < SPANS; i++) {
            human[i] = (int)rng_below(&rng, LABELS + 1) - 1;
            struct opinion o = opinion_of(&i, NOTHING, human[i] < 0 ? "" : labels[human[i]], 1);
            if (human[i] >= 0)
                agreement_human(a, &o);
        }
        for (int v = 0; v < 3; v++) {
            versions[v].scorer_version = slice_text(names[v]);
            for (uint64_t i = 0; i < SPANS; i++) {
                judge[v][i] =
                    rng_below(&rng, 3) != 0 ? human[i] : (int)rng_below(&rng, LABELS + 1) - 1;
                struct opinion o =
                    opinion_of(&i, NOTHING, judge[v][i] < 0 ? "" : labels[judge[v][i]], 1);
                if (judge[v][i] >= 0)
                    agreement_judge(a, &versions[v], &o);
            }
        }
        struct found f = look(a);
        cr_assert_eq(f.line_count, 3);
        for (int v = 0; v < 3; v++) {
            uint64_t pairs;
            double accuracy, kappa;
            naive(human, judge[v], &pairs, &accuracy, &kappa);
            cr_expect_eq(f.lines[v].pairs, pairs);
            cr_expect_float_eq(f.lines[v].accuracy, accuracy, 1e-12);
            cr_expect_float_eq(f.lines[v].kappa, kappa, 1e-12);
        }
        agreement_destroy(a);
    }
}

/* ---- the tables ---- */

static void score_as(struct desk *d, uint64_t span, const char *source, const char *version,
                     double value)
{
    struct builder b;
    rows_begin(&d->store, &b, TABLE_SCORES);
    score_row(&b, 1, span, "helpful", value);
    builder_str(&b, SCORES_source, slice_text(source));
    if (version != NULL) {
        builder_str(&b, SCORES_scorer, slice_text("judge"));
        builder_str(&b, SCORES_scorer_version, slice_text(version));
        builder_str(&b, SCORES_judge_model, slice_text("m"));
    }
    (void)append(&d->store, NULL, &b, NULL);
    builder_deinit(&b);
}

Test(agreement, is_a_query)
{
    struct desk d;
    desk_open(&d, NULL, 0);
    expect_answer(&d, "select count(*) from judge_agreement", "0");
    for (uint64_t i = 1; i <= 8; i++) {
        add_span(&d, 1, i, NULL);
        score_as(&d, i, "human", NULL, i <= 4);
        score_as(&d, i, "judge", "v1", i <= 6 ? 0.8 : 0.1);
        if (i <= 4)
            score_as(&d, i, "judge", "v2", 0.9);
        score_as(&d, 100 + i, "judge", "v1", 1); /* nobody labelled these */
    }
    score_as(&d, 200, "human", NULL, 1); /* nobody judged this */
    (void)append_tag(&d.store, 1, 1, "refusal", "human");
    (void)append_tag(&d.store, 1, 1, "refusal", "judge");
    (void)append_tag(&d.store, 1, 2, "none", "human");
    (void)append_tag(&d.store, 1, 2, "loop", "judge");
    expect_answer(&d, "select pairs from judge_agreement where scorer_version = 'v1'", "8");
    expect_answer(&d, "select accuracy from judge_agreement where scorer_version = 'v1'", "0.75");
    expect_answer(&d, "select kappa from judge_agreement where scorer_version = 'v1'", "0.5");
    expect_answer(
        &d,
        "select tp || ' ' || fp || ' ' || tn || ' ' || fn from judge_agreement where scorer_version = 'v1'",
        "4 2 2 0");
    expect_answer(&d, "select judge_model from judge_agreement where scorer_version = 'v1'", "m");
    expect_answer(&d, "select kappa from judge_agreement where scorer_version = 'v2'", "NULL");
    expect_answer(&d, "select accuracy from judge_agreement where name = 'error_class'", "0.5");
    expect_answer(&d, "select tn from judge_agreement where name = 'error_class'", "1");
    expect_answer(
        &d,
        "select count from judge_confusion where scorer_version = 'v1' and judge_label = 'pass' and human_label = 'fail'",
        "2");
    expect_answer(
        &d,
        "select judge_label from judge_confusion where name = 'error_class' and human_label = 'none'",
        "loop");
    expect_answer(&d, "select sum(count) from judge_confusion where scorer_version = 'v1'", "8");
    seal(&d.store);
    expect_answer(&d, "select kappa from judge_agreement where scorer_version = 'v1'", "0.5");
    desk_close(&d);
}

Test(agreement, more_traces_than_one_query_asks_for)
{
    struct desk d;
    struct builder b;
    desk_open(&d, NULL, 0);
    rows_begin(&d.store, &b, TABLE_SCORES);
    for (uint64_t i = 1; i <= 1203; i++) {
        for (int source = 0; source < 2; source++) {
            score_row(&b, i, 1, "q", i % 2 == 0);
            builder_str(&b, SCORES_source, slice_text(source == 0 ? "human" : "judge"));
        }
    }
    (void)append(&d.store, NULL, &b, NULL);
    builder_deinit(&b);
    expect_answer(&d, "select pairs from judge_agreement", "1203");
    expect_answer(&d, "select kappa from judge_agreement", "1");
    desk_close(&d);
}
