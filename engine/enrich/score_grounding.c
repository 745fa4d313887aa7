/*
 * score_grounding.c - how much of the answer the retrieved or given text supports, by its words.
 *
 * Context:   the retrieved column's content, tool results and retrieved documents in the input, prompts that announce
 *            documents (context_mark.def) or whose newest user message is long (GIVEN_WORDS_MIN); with any of these, what
 *            users said before and the system prompt count too. The assistant's own words never do.
 * Formula:   (U + B) / 2, both weighted shares of the answer in [0, 1]:
 *              U  content words whose stem stands in the context (unigram containment);
 *              B  neighbouring words that are neighbours in the context too, function words included.
 *            A word weighs 1, a name 1.5, a number 2: rarer, and where answers go wrong; function words count in B
 *            only, 0.5. A word of the newest question weighs 0.3 of that: repeating the question says
 *            nothing. A neighbourhood weighs as both its words. A leading yes or no is left out.
 * Silence:   no context, or nothing but function words in the answer (yes; no): words can't tell then.
 * Sources:   ROUGE-N precision (Lin 2004) and coverage / density of extractive fragments (Grusky et al., "Newsroom", 2018)
 *            measure such containment; weighting names and numbers follows the finding that most unsupported content is in
 *            entities and quantities (Maynez et al., "On Faithfulness and Factuality", 2020).
 * Measured:  tests/unit/engine/enrich/test_grounding.c on HaluEval QA. The constants were set on even lines; between 0.25
 *            and 1 (function words) or 1 and 2 (names, numbers) they change nothing there.
 */
#include "engine/enrich/score_grounding.h"

#include "engine/base/json.h"
#include "engine/enrich/scorers_internal.h"

#define WEIGHT_FUNCTION   0.5
#define WEIGHT_NAME       1.5
#define WEIGHT_NUMBER     2.0
#define DISCOUNT_QUESTION 0.3
/* A user message of that many words brings its own text along. */
#define GIVEN_WORDS_MIN 100u
#define LISTED_MAX      5u
/* The newest so many messages are the context, and the first so many words of the answer are measured: together they bound
 * what one span may cost. */
#define CONTEXT_MAX      256u
#define ANSWER_WORDS_MAX 4096u
/* Announcements further behind are not looked for. */
#define ANNOUNCED_BYTES_MAX (256u << 10)

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Does the line start with the mark, and does it end there or is punctuation behind it? */
static bool line_has_mark(struct slice line, const char *mark)
{
    size_t size = strlen(mark);
    if (line.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(line.data[i]) != (uint8_t)mark[i])
            return false;
    }
    return line.size == size || line.data[size] == ':' || line.data[size] == '>' ||
           line.data[size] == '\r' || line.data[size] == '*';
}

static bool line_announces(struct slice line)
{
    static const char *const marks[] = {
#define MARK(word) word,
#include "engine/enrich/context_mark.def"
#undef MARK
    };
    while (line.size != 0 && memchr("#*<[ \t", line.data[0], 6) != NULL) {
        line.data++;
        line.size--;
    }
    /* All marks begin with a letter of "cdsprkae". */
    if (line.size == 0 || memchr("cdsprkae", lower(line.data[0]), 8) == NULL)
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (line_has_mark(line, marks[i]))
            return true;
    }
    return false;
}

bool announces_context(struct slice text)
{
    if (text.size > ANNOUNCED_BYTES_MAX)
        text.size = ANNOUNCED_BYTES_MAX;
    while (text.size != 0) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        size_t size = newline != NULL ? (size_t)(newline - text.data) : text.size;
        if (line_announces(slice_of(text.data, size)))
            return true;
        text.data += size + (newline != NULL);
        text.size -= size + (newline != NULL);
    }
    return false;
}

/* The sets an answer may rest on, and the question. All belong to the cache or to the scorers. */
struct context {
    const struct word_set *words[CONTEXT_MAX];
    const struct word_set *pairs[CONTEXT_MAX];
    uint32_t count;
    const struct word_set *question; /* NULL: none */
    bool cut;                        /* a set is full: words it lacks prove nothing */
};

static void context_add(struct context *c, const struct word_set *words,
                        const struct word_set *pairs)
{
    if (words->count == 0 || c->count == CONTEXT_MAX)
        return;
    c->cut |= words->count >= WORD_SET_MAX || pairs->count >= WORD_SET_MAX;
    c->words[c->count] = words;
    c->pairs[c->count] = pairs;
    c->count++;
}

/* Whether the retrieved column's text gives any words; they are left in the scorers' sets. */
static bool retrieved_read(struct scorer_run *run)
{
    struct scorers *s = run->scorers;
    word_set_reset(&s->retrieved_words, run->view->retrieved.size / 16);
    word_set_reset(&s->retrieved_pairs, run->view->retrieved.size / 8);
    struct json j = json_over(run->view->retrieved);
    bool is_text = false;
    for (enum json_token t; (t = json_next(&j)) > 0;) {
        if (t == JSON_KEY)
            is_text = slice_is(j.raw, "content") || slice_is(j.raw, "text") ||
                      slice_is(j.raw, "document") || slice_is(j.raw, "page_content");
        if (t != JSON_STRING || !is_text)
            continue;
        text_words_add(json_string(&j, run->arena), &s->retrieved_words, &s->retrieved_pairs);
    }
    return s->retrieved_words.count != 0;
}

/* Does the newest user message bring its own text along? */
static bool newest_gives_context(struct scorer_run *run)
{
    uint32_t newest = newest_user_message(run);
    if (newest == run->view->input_count)
        return false;
    const struct message_facts *facts = facts_of(run, &run->view->input[newest]);
    return facts != NULL && (facts->asks_with_context || facts->word_count >= GIVEN_WORDS_MIN);
}

/* Is there anything the answer should rest on? */
static bool has_context(struct scorer_run *run)
{
    const struct input_note *notes = input_notes(run);
    for (uint32_t i = 0; i < run->view->input_count; i++) {
        if (notes[i].gives_context)
            return true;
    }
    return newest_gives_context(run);
}

static void context_collect(struct scorer_run *run, struct context *c)
{
    const struct input_note *notes = input_notes(run);
    uint32_t newest = newest_user_message(run);
    bool newest_gives = newest_gives_context(run);
    c->count = 0;
    c->question = NULL;
    c->cut = false;
    if (run->scorers->retrieved_words.count != 0)
        context_add(c, &run->scorers->retrieved_words, &run->scorers->retrieved_pairs);
    /* Newest first: what was fetched last is what most answers are about. */
    for (uint32_t i = run->view->input_count; i-- > 0 && c->count < CONTEXT_MAX;) {
        if (!notes[i].known || notes[i].role == ROLE_ASSISTANT)
            continue;
        const struct message_facts *facts = facts_of(run, &run->view->input[i]);
        if (facts == NULL)
            continue;
        if (i == newest && !newest_gives)
            c->question = &facts->set;
        else
            context_add(c, &facts->set, &facts->pairs);
    }
}

/* False: there is none, or more than can be remembered: a message of more than WORD_SET_MAX different words, messages that
 * don't fit into the cache together. */
static bool context_of(struct scorer_run *run, struct context *ret)
{
    bool retrieved = retrieved_read(run);
    if (!has_context(run) && !retrieved)
        return false;
    uint64_t puts = scorer_cache_puts(run->scorers->cache);
    context_collect(run, ret);
    return !ret->cut && scorer_cache_puts(run->scorers->cache) == puts;
}

static bool any_has(const struct word_set *const *sets, uint32_t count, uint32_t hash)
{
    for (uint32_t i = 0; i < count; i++) {
        if (word_set_has(sets[i], hash))
            return true;
    }
    return false;
}

struct support {
    double words;       /* weight of the content words */
    double words_found; /* of those in the context */
    double pairs;
    double pairs_found;
    struct slice missing[LISTED_MAX]; /* names and numbers, else words, that are nowhere */
    uint32_t missing_count;
    bool missing_is_plain; /* only ordinary words so far */
};

static double word_weight(const struct output_word *word, const struct context *c)
{
    if ((word->flags & WORD_STOP) != 0)
        return WEIGHT_FUNCTION;
    double weight = (word->flags & WORD_NUMBER) != 0 ? WEIGHT_NUMBER
                    : (word->flags & WORD_NAME) != 0 ? WEIGHT_NAME
                                                     : 1;
    bool repeats = c->question != NULL && word_set_has(c->question, word->hash);
    return repeats ? weight * DISCOUNT_QUESTION : weight;
}

/* Names and numbers are listed before ordinary words. */
static void missing_note(struct support *s, const struct output_word *word, struct slice text)
{
    bool plain = (word->flags & (WORD_NUMBER | WORD_NAME)) == 0;
    if (plain && s->missing_count != 0 && !s->missing_is_plain)
        return;
    if (!plain && s->missing_is_plain) {
        s->missing_count = 0;
        s->missing_is_plain = false;
    }
    if (s->missing_count == 0)
        s->missing_is_plain = plain;
    if (s->missing_count < LISTED_MAX)
        s->missing[s->missing_count++] = text;
}

static bool is_polarity(struct slice text)
{
    return (text.size == 2 && (text.data[0] | 0x20) == 'n' && (text.data[1] | 0x20) == 'o') ||
           (text.size == 3 && (text.data[0] | 0x20) == 'y' && (text.data[1] | 0x20) == 'e' &&
            (text.data[2] | 0x20) == 's');
}

static void support_measure(struct slice text, const struct output_words *words,
                            const struct context *c, struct support *s)
{
    uint32_t before = 0;
    double before_weight = 0;
    for (uint32_t i = 0; i < words->count && i < ANSWER_WORDS_MAX; i++) {
        const struct output_word *word = &words->items[i];
        struct slice written = slice_of(text.data + word->start, word->size);
        if (i == 0 && is_polarity(written))
            continue;
        double weight = word_weight(word, c);
        if ((word->flags & WORD_STOP) == 0) {
            bool found = any_has(c->words, c->count, word->hash);
            s->words += weight;
            s->words_found += found ? weight : 0;
            if (!found)
                missing_note(s, word, written);
        }
        if (before != 0) {
            double both = before_weight + weight;
            s->pairs += both;
            if (any_has(c->pairs, c->count, word_pair(before, word->hash)))
                s->pairs_found += both;
        }
        before = word->hash;
        before_weight = weight;
    }
}

static struct slice support_finding(struct scorer_run *run, const struct support *s, double value)
{
    struct buffer list = {0};
    for (uint32_t i = 0; i < s->missing_count; i++)
        buffer_printf(&list, "%s%.*s", i == 0 ? "" : ", ", SLICE_ARG(s->missing[i]));
    struct slice text = slice_of(list.data, list.size);
    struct slice words =
        finding(run, "%.0f %% of the answer is supported by the given text%s%.*s", value * 100,
                text.size != 0 ? "; nowhere in it: " : "", SLICE_ARG(text));
    buffer_deinit(&list);
    return words;
}

bool score_grounding(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view))
        return false;
    struct slice text = output_text(run);
    struct context context;
    if (text.size == 0 || !context_of(run, &context))
        return false;
    struct support s = {0};
    support_measure(text, output_words(run), &context, &s);
    if (s.words <= 0)
        return false;
    double words_share = s.words_found / s.words;
    double pairs_share = s.pairs > 0 ? s.pairs_found / s.pairs : words_share;
    ret->value = (words_share + pairs_share) / 2;
    if (ret->value < 0.5)
        ret->finding = support_finding(run, &s, ret->value);
    return true;
}
