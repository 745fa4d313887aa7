/*
 * test_grounding.c - is an answer supported by what it was given: worked examples, and how well HaluEval's right answers
 * are told from its hallucinated ones, beside a plain overlap of tokens.
 */
#include <ctype.h>

#include "tests/unit/engine/enrich/scorer_fixture.h"

static const char shop[] =
    "[{\"id\":\"d1\",\"score\":0.8,\"content\":\"Order 4711 was shipped on 12 May from the "
    "Hamburg warehouse. Parcels to Norway take nine days.\"}]";

static double grounding_of(struct fixture *f, const char *retrieved, const char *question,
                           const char *answer)
{
    fixture_span(f);
    f->view.retrieved = slice_text(retrieved);
    f->view.has_retrieved = true;
    fixture_input(f, said(f, "user", slice_text(question)));
    fixture_output(f, said(f, "assistant", slice_text(answer)));
    return fixture_run(f, SCORER_grounding);
}

Test(grounding, a_quoted_fact_is_supported_and_an_invented_one_is_not)
{
    struct fixture *f = fixture_begin(NULL);
    const char *asked = "When was my order shipped?";
    double right = grounding_of(f, shop, asked, "Order 4711 was shipped on 12 May.");
    double wrong = grounding_of(f, shop, asked, "It left Oslo on 3 June with DHL.");
    cr_assert_float_eq(right, 1, 1e-9);
    cr_assert_lt(wrong, 0.2);
    const struct score *score = fixture_score(f, SCORER_grounding);
    char finding[512];
    (void)snprintf(finding, sizeof finding, "%.*s", SLICE_ARG(score->finding));
    cr_assert(strstr(finding, "Oslo") != NULL && strstr(finding, "June") != NULL, "%s", finding);
    fixture_end(f);
}

Test(grounding, one_wrong_number_costs_more_than_one_wrong_word)
{
    struct fixture *f = fixture_begin(NULL);
    const char *asked = "How long does it take?";
    double word = grounding_of(f, shop, asked, "parcels to Norway usually take nine days");
    double number = grounding_of(f, shop, asked, "parcels to Norway take 14 days");
    double right = grounding_of(f, shop, asked, "parcels to Norway take nine days");
    cr_assert_gt(right, word);
    cr_assert_gt(word, number);
    fixture_end(f);
}

Test(grounding, inflected_words_and_written_numbers_are_recognised)
{
    struct fixture *f = fixture_begin(NULL);
    double value = grounding_of(f, "[{\"content\":\"The plant produced 1,844 engines in March.\"}]",
                                "How many?", "1844 engine");
    cr_assert_float_eq(value, 1, 1e-9);
    fixture_end(f);
}

Test(grounding, without_context_or_content_words_there_is_no_score)
{
    struct fixture *f = fixture_begin(NULL);
    cr_assert(isnan(grounding_of(f, "", "When?", "On 12 May.")));
    cr_assert(isnan(grounding_of(f, "[]", "When?", "On 12 May.")));
    cr_assert(isnan(grounding_of(f, "[{\"id\":\"d1\",\"score\":1}]", "When?", "On 12 May.")));
    cr_assert(isnan(grounding_of(f, shop, "Was it shipped?", "Yes.")));
    cr_assert(isnan(grounding_of(f, shop, "Was it shipped?", "no, it was not")));
    cr_assert(isnan(grounding_of(f, shop, "Was it shipped?", "")));
    cr_assert_not(isnan(grounding_of(f, shop, "Was it shipped?", "Yes, from Hamburg.")));
    fixture_end(f);
}

Test(grounding, tool_results_and_announced_documents_are_context)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"Where is it?\"}");
    fixture_input(f, "{\"role\":\"tool\",\"content\":\"{\\\"place\\\":\\\"Hamburg "
                     "warehouse\\\",\\\"shelf\\\":27}\"}");
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"Hamburg warehouse, shelf 27\"}");
    cr_assert_float_eq(fixture_run(f, SCORER_grounding), 1, 1e-9);

    fixture_span(f);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"## Context:\\nIt stands in the Hamburg "
                     "warehouse.\\n\\nQuestion: where is it?\"}");
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"the Hamburg warehouse\"}");
    cr_assert_float_eq(fixture_run(f, SCORER_grounding), 1, 1e-9);

    fixture_span(f);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"The context of this: it is the Hamburg "
                     "warehouse.\"}");
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"the Hamburg warehouse\"}");
    cr_assert(isnan(fixture_run(f, SCORER_grounding)));
    fixture_end(f);
}

Test(grounding, what_the_assistant_said_itself_supports_nothing)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"Where is it?\"}");
    fixture_input(f, "{\"role\":\"tool\",\"content\":\"nobody knows\"}");
    fixture_input(f, "{\"role\":\"assistant\",\"content\":\"It is in Atlantis.\"}");
    fixture_input(f, "{\"role\":\"user\",\"content\":\"Sure?\"}");
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"It is in Atlantis.\"}");
    cr_assert_float_eq(fixture_run(f, SCORER_grounding), 0, 1e-9);
    fixture_end(f);
}

Test(grounding, a_threshold_makes_low_support_a_hallucination)
{
    struct scorer_options o;
    scorer_options_init(&o);
    o.thresholds[SCORER_grounding] = 0.5;
    struct fixture *strict = fixture_begin(&o);
    struct fixture *lenient = fixture_begin(NULL);
    const char *wrong = "It left Oslo on 3 June with DHL.";
    (void)grounding_of(strict, shop, "When?", wrong);
    (void)grounding_of(lenient, shop, "When?", wrong);
    cr_expect(slice_is(fixture_score(strict, SCORER_grounding)->error_class, "hallucination"));
    cr_expect_eq(fixture_score(lenient, SCORER_grounding)->error_class.size, 0);
    (void)grounding_of(strict, shop, "When?", "Order 4711 was shipped on 12 May.");
    cr_expect_eq(fixture_score(strict, SCORER_grounding)->error_class.size, 0);
    fixture_end(strict);
    fixture_end(lenient);
}

Test(grounding, other_kinds_of_spans_get_none)
{
    struct fixture *f = fixture_begin(NULL);
    cr_assert_not(isnan(grounding_of(f, shop, "When?", "On 12 May.")));
    f->view.kind = slice_text("tool");
    cr_assert(isnan(fixture_run(f, SCORER_grounding)));
    fixture_end(f);
}

/* The baseline: the share of the answer's tokens (runs of letters and digits, lower case) that are tokens of the text. */
static bool text_has_token(struct slice text, struct slice token)
{
    for (size_t at = 0; at < text.size;) {
        while (at < text.size && !isalnum(text.data[at]))
            at++;
        size_t start = at;
        while (at < text.size && isalnum(text.data[at]))
            at++;
        if (at - start == token.size &&
            strncasecmp((const char *)text.data + start, (const char *)token.data, token.size) == 0)
            return true;
    }
    return false;
}

static double token_overlap(struct slice text, struct slice answer)
{
    uint32_t tokens = 0;
    uint32_t found = 0;
    for (size_t at = 0; at < answer.size;) {
        while (at < answer.size && !isalnum(answer.data[at]))
            at++;
        size_t start = at;
        while (at < answer.size && isalnum(answer.data[at]))
            at++;
        if (at == start)
            continue;
        tokens++;
        found += text_has_token(text, slice_of(answer.data + start, at - start));
    }
    return tokens != 0 ? (double)found / tokens : 0;
}

struct answer_pair {
    double right, wrong;                 /* grounding; NAN: no score */
    double right_overlap, wrong_overlap; /* the baseline */
    double right_length, wrong_length;
};

struct ranking {
    double pooled, paired;
    size_t pair_count;
};

/* good and bad are offsets of doubles in struct answer_pair. */
static struct ranking rank(const struct answer_pair *pairs, size_t count, size_t good, size_t bad,
                           bool (*wanted)(const struct answer_pair *))
{
    struct ranking r = {0};
    double *goods = mem_zero(count, sizeof *goods);
    double *bads = mem_zero(count, sizeof *bads);
    for (size_t i = 0; i < count; i++) {
        if (!wanted(&pairs[i]))
            continue;
        double g;
        double b;
        memcpy(&g, (const char *)&pairs[i] + good, sizeof g);
        memcpy(&b, (const char *)&pairs[i] + bad, sizeof b);
        g = isnan(g) ? 0.5 : g;
        b = isnan(b) ? 0.5 : b;
        goods[r.pair_count] = g;
        bads[r.pair_count] = b;
        r.paired += g > b ? 1 : g == b ? 0.5 : 0;
        r.pair_count++;
    }
    r.pooled = auc(goods, r.pair_count, bads, r.pair_count);
    r.paired /= (double)r.pair_count;
    mem_free(goods);
    mem_free(bads);
    return r;
}

static bool is_scored(const struct answer_pair *p)
{
    return !isnan(p->right) && !isnan(p->wrong);
}

static bool is_of_similar_length(const struct answer_pair *p)
{
    return is_scored(p) && p->right_length <= 2 * p->wrong_length &&
           p->wrong_length <= 2 * p->right_length;
}

static bool is_any(const struct answer_pair *p)
{
    return p != NULL;
}

/* The question is the input, the knowledge what was retrieved. */
static double halueval_score(struct fixture *f, struct slice knowledge, struct slice question,
                             struct slice answer)
{
    struct buffer retrieved = {0};
    buffer_add_text(&retrieved, "[{\"id\":\"k\",\"content\":");
    buffer_add_json(&retrieved, knowledge);
    buffer_add_text(&retrieved, "}]");
    fixture_span(f);
    f->view.has_retrieved = true;
    f->view.retrieved = buffer_slice(&retrieved);
    fixture_input(f, said(f, "user", question));
    fixture_output(f, said(f, "assistant", answer));
    double value = fixture_run(f, SCORER_grounding);
    buffer_deinit(&retrieved);
    return value;
}

static double word_count(struct slice text)
{
    double count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] > ' ' && (i == 0 || text.data[i - 1] <= ' ');
    return count;
}

static size_t halueval_read(struct fixture *f, struct slice file, struct answer_pair *pairs,
                            size_t pairs_max)
{
    size_t count = 0;
    while (file.size != 0 && count < pairs_max) {
        const uint8_t *newline = memchr(file.data, '\n', file.size);
        size_t size = newline != NULL ? (size_t)(newline - file.data) : file.size;
        struct slice values[4]; /* knowledge, question, right_answer, hallucinated_answer */
        static const char *const names[4] = {"knowledge", "question", "right_answer",
                                             "hallucinated_answer"};
        uint32_t found = 0;
        struct json j = json_over(slice_of(file.data, size));
        enum json_token t = json_next(&j);
        while ((t = json_next(&j)) == JSON_KEY) {
            struct slice key = j.raw;
            t = json_next(&j);
            for (int i = 0; i < 4; i++) {
                if (slice_is(key, names[i])) {
                    values[i] = json_string(&j, &f->arena);
                    found |= 1u << i;
                }
            }
        }
        if (found == 15) {
            pairs[count++] = (struct answer_pair){
                .right = halueval_score(f, values[0], values[1], values[2]),
                .wrong = halueval_score(f, values[0], values[1], values[3]),
                .right_overlap = token_overlap(values[0], values[2]),
                .wrong_overlap = token_overlap(values[0], values[3]),
                .right_length = word_count(values[2]),
                .wrong_length = word_count(values[3]),
            };
        }
        size += newline != NULL;
        file = slice_of(file.data + size, file.size - size);
    }
    return count;
}

struct labelled {
    const char *text, *question, *right, *wrong;
};

/* Written for this test; right and wrong answers are about equally long, and the wrong ones use the question's words. */
static const struct labelled labelled_answers[] = {
    {"The lighthouse at Roter Sand was finished in 1885. It stands in the Weser estuary.",
     "When was the lighthouse finished?", "The lighthouse was finished in 1885.",
     "The lighthouse was finished in 1911."},
    {"Refunds are paid within ten days to the card that was charged.", "How are refunds paid?",
     "Refunds are paid to the card that was charged.",
     "Refunds are paid as vouchers for the online shop."},
    {"The board consists of Ines Okafor (chair), Tomas Lindqvist and Wei Zhang.",
     "Who chairs the board?", "Ines Okafor", "Peter Hansen"},
    {"Room 12 holds 40 people; room 14 holds 85 and has a projector.",
     "Which room has a projector?", "room 14 has a projector", "room 15 has a projector"},
    {"The service restarts every night at 02:30 UTC unless a backup is running.",
     "When does the service restart?", "every night at 02:30 UTC", "every morning at 06:15 CET"},
    {"Lithium is the lightest metal. Osmium is the densest element.",
     "What is the densest element?", "Osmium is the densest element.",
     "Iridium is the densest element."},
    {"Customers of the Basic plan may call support on weekdays; Gold customers may call at any time.",
     "Who may call at any time?", "Gold customers may call at any time.",
     "Platinum members may call at any time."},
    {"The treaty was signed in Utrecht by delegates of nine states.",
     "Where was the treaty signed?", "The treaty was signed in Utrecht.",
     "The treaty was signed in Geneva."},
    {"Version 3.2 drops support for TLS 1.1.", "What does version 3.2 drop?",
     "Version 3.2 drops support for TLS 1.1.", "Version 3.2 drops support for IPv6 sockets."},
    {"Ferries leave Stavanger at 8 and 16 o'clock and need four hours.", "When do ferries leave?",
     "Ferries leave at 8 and 16 o'clock.", "Ferries leave at 9 and 18 o'clock."},
};

Test(grounding, labelled_answers_are_ranked_without_any_shared_data)
{
    struct fixture *f = fixture_begin(NULL);
    enum {
        COUNT = sizeof labelled_answers / sizeof labelled_answers[0]
    };
    struct answer_pair pairs[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        const struct labelled *l = &labelled_answers[i];
        struct slice text = slice_text(l->text);
        struct slice question = slice_text(l->question);
        pairs[i] = (struct answer_pair){
            .right = halueval_score(f, text, question, slice_text(l->right)),
            .wrong = halueval_score(f, text, question, slice_text(l->wrong)),
            .right_overlap = token_overlap(text, slice_text(l->right)),
            .wrong_overlap = token_overlap(text, slice_text(l->wrong)),
        };
        cr_expect_gt(pairs[i].right, pairs[i].wrong, "%s", l->question);
    }
    struct ranking ours = rank(pairs, COUNT, offsetof(struct answer_pair, right),
                               offsetof(struct answer_pair, wrong), is_any);
    struct ranking overlap = rank(pairs, COUNT, offsetof(struct answer_pair, right_overlap),
                                  offsetof(struct answer_pair, wrong_overlap), is_any);
    printf("labelled here: grounding AUC %.3f, token overlap %.3f\n", ours.pooled, overlap.pooled);
    cr_expect_gt(ours.pooled, 0.95);
    cr_expect_geq(ours.pooled, overlap.pooled);
    fixture_end(f);
}

Test(grounding, long_histories_and_answers_are_scored_within_bounds)
{
    struct fixture *f = fixture_begin(NULL);
    struct buffer answer = {0};
    for (uint32_t i = 0; i < 60000; i++)
        buffer_printf(&answer, "w%x ", i * 2654435761u);
    uint32_t count = 20000;
    struct text_message *history = mem_zero(count, sizeof *history);
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        int size = snprintf(text, sizeof text, "result number %u of many", i);
        history[i] = message_of(slice_text(said(f, "tool", slice_of(text, (size_t)size))));
    }
    f->view.input = history;
    f->view.input_count = count;
    fixture_output(f, said(f, "assistant", buffer_slice(&answer)));
    cr_expect_eq(fixture_run(f, SCORER_grounding), 0);
    cr_expect_leq(scorers_memory(f->scorers), SCORER_CACHE_BYTES_MAX);
    mem_free(history);
    buffer_deinit(&answer);
    fixture_end(f);
}

static struct ranking rank_print(const char *what, const struct answer_pair *pairs, size_t count,
                                 bool (*wanted)(const struct answer_pair *))
{
    struct ranking ours = rank(pairs, count, offsetof(struct answer_pair, right),
                               offsetof(struct answer_pair, wrong), wanted);
    struct ranking overlap = rank(pairs, count, offsetof(struct answer_pair, right_overlap),
                                  offsetof(struct answer_pair, wrong_overlap), wanted);
    struct ranking length = rank(pairs, count, offsetof(struct answer_pair, wrong_length),
                                 offsetof(struct answer_pair, right_length), wanted);
    printf("%-28s %4zu pairs  grounding AUC %.3f (paired %.3f)  token overlap %.3f (%.3f)  shorter "
           "is right %.3f (%.3f)\n",
           what, ours.pair_count, ours.pooled, ours.paired, overlap.pooled, overlap.paired,
           length.pooled, length.paired);
    cr_expect_gt(ours.pooled, overlap.pooled, "%s", what);
    cr_expect_gt(ours.paired, overlap.paired, "%s", what);
    return ours;
}

Test(grounding, right_answers_are_told_from_hallucinated_ones)
{
    struct buffer file = {0};
    if (!shared_file("data/halueval_qa_one_turn.jsonl", &file))
        cr_skip_test("the shared data is not here");
    struct fixture *f = fixture_begin(NULL);
    size_t pairs_max = 4096;
    struct answer_pair *pairs = mem_zero(pairs_max, sizeof *pairs);
    size_t count = halueval_read(f, buffer_slice(&file), pairs, pairs_max);
    cr_assert_gt(count, 100);

    /* The constants were chosen on the even lines. */
    size_t half = 0;
    struct answer_pair *odd = mem_zero(count, sizeof *odd);
    for (size_t i = 1; i < count; i += 2)
        odd[half++] = pairs[i];
    struct ranking scored = rank_print("scored", pairs, count, is_scored);
    struct ranking held_out = rank_print("scored, odd lines only", odd, half, is_scored);
    struct ranking same = rank_print("of similar length", pairs, count, is_of_similar_length);
    struct ranking any = rank_print("all, no score counts as 0.5", pairs, count, is_any);
    cr_expect_gt(scored.pooled, 0.975);
    cr_expect_gt(held_out.pooled, 0.97);
    cr_expect_gt(same.pooled, 0.93);
    cr_expect_gt(any.pooled, 0.95);
    cr_expect_gt(scored.pair_count * 100, count * 90);
    mem_free(odd);
    mem_free(pairs);
    fixture_end(f);
    buffer_deinit(&file);
}
