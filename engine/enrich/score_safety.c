/*
 * score_safety.c - what should not have come out or gone in: pii_free, secret_free, injection_free.
 *
 * pii_free        0 when the answer holds personal data (detector.def, group pii) that no message of the input holds, else 1. Values are
 *                 compared without punctuation and case; phone numbers by their last digits, so that a country code more is no leak.
 *                 Of an input message whose body is not at hand it is only known which kinds it holds: those count as known.
 * secret_free     0 when the answer holds a secret (detector.def, group secret), else 1.
 * injection_free  0 when what came from outside last (the input behind the last answer, without system messages; a tool's result; the
 *                 retrieved documents) holds a phrase of PHRASE_INJECTION, else 1. Sources of the phrases: phrase.def.
 * Findings name kinds, never values: a finding must not leak what it warns of.
 */
#include "engine/enrich/scorer_internal.h"

#define VALUES_MAX      64u /* different values looked at in one answer */
#define VALUE_BYTES_MAX 64u
#define PHONE_DIGITS    8u /* of two phone numbers that must be the same */

/* A value as compared: letters and digits, in lower case. */
struct pii_value {
    enum detector detector;
    uint8_t size;
    bool known;
    char text[VALUE_BYTES_MAX];
};

struct pii_values {
    struct slice text;
    struct pii_value items[VALUES_MAX];
    uint32_t count;
};

static void value_read(struct slice text, const struct detection *d, struct pii_value *ret)
{
    *ret = (struct pii_value){.detector = d->detector};
    for (size_t i = d->start; i < d->start + d->size && ret->size < VALUE_BYTES_MAX; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
            (d->detector == DETECT_email && c == '@'))
            ret->text[ret->size++] = (char)c;
    }
}

static bool value_equal(const struct pii_value *a, const struct pii_value *b)
{
    if (a->detector != b->detector)
        return false;
    size_t size = a->size;
    if (a->detector == DETECT_phone && (a->size > PHONE_DIGITS || b->size > PHONE_DIGITS))
        size = a->size < b->size ? a->size : b->size;
    else if (a->size != b->size)
        return false;
    return memcmp(a->text + a->size - size, b->text + b->size - size, size) == 0;
}

static bool value_found(void *context, const struct detection *d)
{
    struct pii_values *values = context;
    value_read(values->text, d, &values->items[values->count]);
    return ++values->count < VALUES_MAX;
}

struct pii_search {
    struct pii_values *values;
    struct slice text;
};

/* Marks what the input holds, too. */
static bool value_known(void *context, const struct detection *d)
{
    struct pii_search *search = context;
    struct pii_value value;
    value_read(search->text, d, &value);
    for (uint32_t i = 0; i < search->values->count; i++)
        search->values->items[i].known |= value_equal(&value, &search->values->items[i]);
    return true;
}

static void input_search(struct scorer_run *run, uint64_t kinds, struct pii_values *values)
{
    for (uint32_t i = 0; i < run->view->input_count; i++) {
        const struct text_message *m = &run->view->input[i];
        const struct message_facts *facts = facts_of(run, m);
        uint64_t held = facts == NULL ? kinds : facts->detected & kinds;
        struct pii_search search = {.values = values, .text = m->body};
        if (m->body.size > 0) {
            /* The whole body: arguments and results of tools count as input, too. */
            detect(m->body, kinds, value_known, &search);
            continue;
        }
        for (uint32_t at = 0; at < values->count; at++)
            values->items[at].known |= (held >> values->items[at].detector & 1) != 0;
    }
}

/* "2 email, 1 phone" of the values that are not known. */
static struct slice kinds_in_words(struct scorer_run *run, const struct pii_values *values)
{
    struct buffer b = {0};
    for (unsigned d = 0; d < DETECTOR_COUNT; d++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < values->count; i++)
            count += values->items[i].detector == d && !values->items[i].known;
        if (count > 0)
            buffer_printf(&b, "%s%u %s", b.size > 0 ? ", " : "", count, detector_name(d));
    }
    struct slice words = arena_copy(run->arena, buffer_slice(&b));
    buffer_deinit(&b);
    return words;
}

/* What the messages of the output hold together. False: nothing is known about one of them. */
static bool output_detected(struct scorer_run *run, uint64_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < run->view->output_count; i++) {
        const struct message_facts *facts = facts_of(run, &run->view->output[i]);
        if (facts == NULL)
            return false;
        *ret |= facts->detected;
    }
    return run->view->output_count > 0;
}

bool score_pii_free(struct scorer_run *run, struct score *ret)
{
    uint64_t detected = 0;
    if (!is_generation(run->view) || !output_detected(run, &detected))
        return false;
    uint64_t kinds = detected & detectors_from_name(slice_text("pii"));
    ret->value = 1;
    if (kinds == 0)
        return true;
    struct pii_values *values = ARENA_NEW(run->arena, struct pii_values);
    values->text = output_text(run);
    detect(values->text, kinds, value_found, values);
    input_search(run, kinds, values);
    struct slice words = kinds_in_words(run, values);
    if (words.size > 0) {
        ret->value = 0;
        ret->finding =
            finding(run, "the answer holds %.*s that the input does not", SLICE_ARG(words));
    }
    return true;
}

bool score_secret_free(struct scorer_run *run, struct score *ret)
{
    uint64_t detected = 0;
    if (!is_generation(run->view) || !output_detected(run, &detected))
        return false;
    uint64_t secrets = detected & detectors_from_name(slice_text("secret"));
    ret->value = secrets == 0 ? 1 : 0;
    if (secrets != 0)
        ret->finding = finding(run, "the answer holds a secret: %s",
                               detector_name((enum detector)__builtin_ctzll(secrets)));
    return true;
}

static void injection_set(struct scorer_run *run, const char *where, struct slice words,
                          struct score *ret)
{
    ret->value = 0;
    ret->finding = finding(run, "%s reads like an injection: \"%.*s\"", where, SLICE_ARG(words));
}

/* The messages behind the last answer. False: there are none. */
static bool input_look(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    bool looked = false;
    for (uint32_t i = v->input_count; i > 0 && ret->value > 0; i--) {
        const struct text_message *m = &v->input[i - 1];
        const struct message_facts *facts = facts_of(run, m);
        if (facts == NULL)
            continue;
        if (facts->role == ROLE_ASSISTANT)
            break;
        if (facts->role == ROLE_SYSTEM)
            continue;
        looked = true;
        if (facts->injection == 0)
            continue;
        const char *where = facts->role == ROLE_TOOL ? "a tool result" : "the input";
        struct slice words = slice_text(phrase_text(facts->injection));
        struct message_reading *reading = ARENA_NEW(run->arena, struct message_reading);
        if (m->body.size > 0 &&
            (message_read(m->body, run->arena, reading) || reading->text.size > 0))
            (void)phrase_locate(reading->text, PHRASE_INJECTION, &words);
        injection_set(run, where, words, ret);
    }
    return looked;
}

bool score_injection_free(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    struct slice words = SLICE_EMPTY;
    ret->value = 1;
    bool looked = slice_is(v->kind, "llm") && input_look(run, ret);
    if (ret->value > 0 && v->has_tool_result) {
        looked = true;
        if (phrase_locate(v->tool_result, PHRASE_INJECTION, &words) != 0)
            injection_set(run, "the tool result", words, ret);
    }
    if (ret->value > 0 && v->has_retrieved) {
        looked = true;
        if (phrase_locate(v->retrieved, PHRASE_INJECTION, &words) != 0)
            injection_set(run, "the retrieved text", words, ret);
    }
    return looked;
}
