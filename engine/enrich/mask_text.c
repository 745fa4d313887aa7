/*
 * mask_text.c - replaces what the rules find in one text.
 *
 * Place:     enrich_mask.c -> [here] -> detect.c, PCRE2
 * Sketch:    a text without backslashes, and a project without patterns, costs one pass of the detectors. Otherwise JSON is
 *            walked string by string; a text in which nothing changes is never copied.
 * Failure:   a pattern that runs into its limit masks the whole string it ran on. After LIMITED_MAX such strings of one text the
 *            pattern is not tried any more and masks all that follow: what could not be checked is not stored.
 *            A text that would grow by more than MASK_GROWTH_BYTES_MAX is replaced as a whole, keeping its shape (object, array
 *            or text).
 */
#include "engine/enrich/mask_internal.h"

#include "engine/base/json.h"
#include "engine/base/stringify.h"
#include "engine/enrich/detect.h"

#define NESTED_MAX            4u /* JSON inside a JSON string inside ... */
#define LIMITED_MAX           3u
#define NUMBER_DIGITS_MIN     9u /* shorter ones are nobody's */
#define MASK_GROWTH_BYTES_MAX (1u << 20)

struct mask_run {
    const struct masker *masker;
    struct slice project;
    struct arena scratch;         /* unescaped strings and what is masked halfway */
    pcre2_match_data *match_data; /* made when a pattern is tried first */
    uint64_t detectors;           /* of all rules that apply */
    bool has_patterns;
    size_t growth_left;
    const struct mask_entry *overflow; /* the rule that used it up; nothing else matters then */
    uint32_t limited[MASK_RULES_MAX];
    uint64_t counts[MASK_RULES_MAX];
};

/* ---- one rule on one text ---- */

struct detections {
    struct mask_run *run;
    const struct mask_entry *entry;
    struct slice text;
    struct buffer out;
    size_t copied;
    uint64_t count;
};

/* False: the text grew too much. */
static bool detections_put(struct detections *d, size_t start, size_t end)
{
    struct slice replacement = d->entry->replacement;
    size_t growth = replacement.size > end - start ? replacement.size - (end - start) : 0;
    if (growth > d->run->growth_left) {
        d->run->overflow = d->entry;
        return false;
    }
    d->run->growth_left -= growth;
    buffer_add(&d->out, d->text.data + d->copied, start - d->copied);
    buffer_add_slice(&d->out, replacement);
    d->copied = end;
    d->count++;
    return true;
}

static bool detections_add(void *context, const struct detection *found)
{
    struct detections *d = context;
    return found->start < d->copied || detections_put(d, found->start, found->start + found->size);
}

/* The text with what was put into d; the text itself when that is nothing. */
static struct slice detections_end(struct detections *d, struct arena *arena)
{
    struct slice result = d->text;
    if (d->count > 0) {
        buffer_add(&d->out, d->text.data + d->copied, d->text.size - d->copied);
        result = arena_copy(arena, buffer_slice(&d->out));
    }
    buffer_deinit(&d->out);
    return result;
}

static int pattern_match(struct mask_run *run, const struct mask_entry *e, struct slice text,
                         size_t at)
{
    if (run->match_data == NULL)
        run->match_data = pcre2_match_data_create(1, run->masker->general);
    int result =
        pcre2_match(e->code, text.data, text.size, at, 0, run->match_data, run->masker->match);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has the heap */
        result = pcre2_match(e->code, text.data, text.size, at, PCRE2_NO_JIT, run->match_data,
                             run->masker->match);
    return result;
}

static struct slice pattern_mask(struct mask_run *run, uint32_t rule, struct slice text)
{
    const struct mask_entry *e = &run->masker->entries[rule];
    struct detections d = {.run = run, .entry = e, .text = text};
    bool whole = run->limited[rule] >= LIMITED_MAX;
    for (size_t at = 0; at <= text.size && !whole;) {
        int result = pattern_match(run, e, text, at);
        if (result == PCRE2_ERROR_NOMATCH)
            break;
        if (result < 0) {
            run->limited[rule]++;
            whole = true;
            break;
        }
        const PCRE2_SIZE *place = pcre2_get_ovector_pointer(run->match_data);
        /* An empty match masks nothing; \K can even put a match's start behind its end. */
        if (place[1] <= place[0] || place[0] < d.copied) {
            at = (place[1] > at ? place[1] : at) + 1;
            while (at < text.size && (text.data[at] & 0xc0) == 0x80)
                at++;
            continue;
        }
        if (!detections_put(&d, place[0], place[1]))
            break;
        at = place[1];
    }
    if (whole) {
        buffer_reset(&d.out);
        d.copied = 0;
        d.count = 0;
        (void)detections_put(&d, 0, text.size);
    }
    run->counts[rule] += d.count;
    return detections_end(&d, &run->scratch);
}

static struct slice detector_mask(struct mask_run *run, uint32_t rule, struct slice text)
{
    const struct mask_entry *e = &run->masker->entries[rule];
    struct detections d = {.run = run, .entry = e, .text = text};
    detect(text, e->detectors, detections_add, &d);
    run->counts[rule] += d.count;
    return detections_end(&d, &run->scratch);
}

/* ---- all rules on one text ---- */

static struct slice plain_mask(struct mask_run *run, struct slice text)
{
    if (text.size == 0)
        return text;
    uint64_t found = run->detectors != 0 ? detect_any(text, run->detectors) : 0;
    if (found == 0 && !run->has_patterns)
        return text;
    for (uint32_t i = 0; i < run->masker->count && run->overflow == NULL; i++) {
        const struct mask_entry *e = &run->masker->entries[i];
        if (!mask_entry_applies(e, run->project))
            continue;
        if (e->code != NULL)
            text = pattern_mask(run, i, text);
        else if ((e->detectors & found) != 0)
            text = detector_mask(run, i, text);
    }
    return text;
}

/* The first byte that is no white space, or 0. */
static uint8_t first_byte(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(" \t\r\n", text.data[i], 4) == NULL)
            return text.data[i];
    }
    return 0;
}

static bool reads_like_json(struct slice text)
{
    uint8_t first = first_byte(text);
    return first == '{' || first == '[' || first == '"';
}

static struct slice any_mask(struct mask_run *run, struct slice text, uint32_t nested);

static bool is_long_integer(struct slice number)
{
    size_t first = number.size > 0 && number.data[0] == '-';
    if (number.size - first < NUMBER_DIGITS_MIN)
        return false;
    for (size_t i = first; i < number.size; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return false;
    }
    return true;
}

/* The text of a token as the rules see it, masked. True: it changed. */
static bool token_mask(struct mask_run *run, const struct json *j, enum json_token token,
                       uint32_t nested, struct slice *ret)
{
    struct slice before = SLICE_EMPTY;
    if (token == JSON_KEY || token == JSON_STRING)
        before = json_string(j, &run->scratch);
    else if (token == JSON_NUMBER && is_long_integer(j->raw))
        before = j->raw;
    if (before.size == 0)
        return false;
    *ret = any_mask(run, before, nested + 1);
    return ret->data != before.data || ret->size != before.size;
}

/* False: it is no JSON, and nothing was counted. */
static bool json_mask(struct mask_run *run, struct slice text, uint32_t nested, struct slice *ret)
{
    uint64_t counts[MASK_RULES_MAX];
    struct buffer out = {0};
    size_t copied = 0;
    struct json j = json_over(text);
    memcpy(counts, run->counts, sizeof counts);
    enum json_token token;
    while ((token = json_next(&j)) > JSON_END && run->overflow == NULL) {
        struct slice masked;
        if (!token_mask(run, &j, token, nested, &masked))
            continue;
        /* Of a key, too, raw ends where its closing quote stands. */
        size_t quotes = token == JSON_NUMBER ? 0 : 2;
        buffer_add(&out, text.data + copied, j.start - copied);
        stringify_text(masked, &out);
        copied = j.start + j.raw.size + quotes;
    }
    if (token == JSON_ERROR) {
        memcpy(run->counts, counts, sizeof counts);
    } else if (copied > 0) {
        buffer_add(&out, text.data + copied, text.size - copied);
        *ret = arena_copy(&run->scratch, buffer_slice(&out));
    } else {
        *ret = text;
    }
    buffer_deinit(&out);
    return token != JSON_ERROR;
}

static struct slice any_mask(struct mask_run *run, struct slice text, uint32_t nested)
{
    struct slice masked;
    if (nested <= NESTED_MAX && reads_like_json(text) && json_mask(run, text, nested, &masked))
        return masked;
    return plain_mask(run, text);
}

/* Escapes can hide something from the detectors, and patterns may be anchored; without either, a look at the text as it is
 * tells that no string of it has anything to mask. */
static bool nothing_to_mask(const struct mask_run *run, struct slice text)
{
    return !run->has_patterns && memchr(text.data, '\\', text.size) == NULL &&
           detect_any(text, run->detectors) == 0;
}

/* In place of a text that can't be masked piece by piece. */
static struct slice whole_mask(struct mask_run *run, struct slice text, struct arena *arena)
{
    const struct mask_entry *e = run->overflow;
    memset(run->counts, 0, sizeof run->counts);
    run->counts[e - run->masker->entries] = 1;
    struct slice by = e->replacement;
    switch (first_byte(text)) {
    case '{':
        return slice_text(arena_printf(arena, "{\"masked\":\"%.*s\"}", SLICE_ARG(by)));
    case '[':
        return slice_text(arena_printf(arena, "[\"%.*s\"]", SLICE_ARG(by)));
    case '"':
        return slice_text(arena_printf(arena, "\"%.*s\"", SLICE_ARG(by)));
    default:
        return by;
    }
}

struct slice mask_text(const struct masker *m, struct slice project, struct slice text,
                       struct arena *arena, uint64_t *counts)
{
    struct mask_run run = {.masker = m, .project = project};
    bool applies = false;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct mask_entry *e = &m->entries[i];
        if (!mask_entry_applies(e, project))
            continue;
        applies = true;
        run.detectors |= e->detectors;
        run.has_patterns |= e->code != NULL;
    }
    if (!applies || text.size == 0 || nothing_to_mask(&run, text))
        return text;
    run.growth_left = MASK_GROWTH_BYTES_MAX;
    struct slice masked = any_mask(&run, text, 0);
    if (run.overflow != NULL)
        masked = whole_mask(&run, text, arena);
    else if (masked.data != text.data)
        masked = arena_copy(arena, masked);
    pcre2_match_data_free(run.match_data);
    arena_deinit(&run.scratch);
    for (uint32_t i = 0; i < m->count; i++)
        counts[i] += run.counts[i];
    return masked;
}
