/*
 * fuzz_detect.c - any bytes through the detectors and the phrases.
 *
 * Detections lie in the text, in order and apart; detect_any says the same, for all detectors and for each alone; the words of a
 * phrase lie in the text.
 */
#include "engine/base/check.h"
#include "engine/enrich/detect.h"
#include "engine/enrich/phrase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    struct slice text;
    size_t end;
    uint64_t seen;
    uint32_t count;
};

static bool walk_found(void *context, const struct detection *d)
{
    struct walk *w = context;
    ASSERT((unsigned)d->detector < DETECTOR_COUNT);
    ASSERT(d->size > 0);
    ASSERT(d->start >= w->end);
    ASSERT(d->start <= w->text.size && d->size <= w->text.size - d->start);
    w->end = d->start + d->size;
    w->seen |= UINT64_C(1) << d->detector;
    w->count++;
    return true;
}

static void phrase_check(struct slice text, enum phrase_set set)
{
    struct slice words = SLICE_EMPTY;
    uint32_t number = phrase_locate(text, set, &words);
    ASSERT(phrase_find(text, set) == number);
    if (number == 0)
        return;
    ASSERT(phrase_text(number)[0] != 0);
    ASSERT(words.size > 0 && words.data >= text.data);
    ASSERT(words.data + words.size <= text.data + text.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t all = UINT64_MAX >> (64 - DETECTOR_COUNT);
    struct slice text = slice_of(data, size);
    struct walk w = {.text = text};
    detect(text, all, walk_found, &w);
    ASSERT(detect_any(text, all) == w.seen);
    for (unsigned d = 0; d < DETECTOR_COUNT; d++) {
        uint64_t bit = UINT64_C(1) << d;
        struct walk one = {.text = text};
        detect(text, bit, walk_found, &one);
        ASSERT((one.seen & ~bit) == 0);
        ASSERT(detect_any(text, bit) == one.seen);
    }
    phrase_check(text, PHRASE_REFUSAL);
    phrase_check(text, PHRASE_INJECTION);
    return 0;
}
