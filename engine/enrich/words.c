/*
 * words.c - one pass over text: a class a byte, a stem of at most 48 bytes, a hash of it.
 *
 * Cost:      about 5 ns a word; bench_scorers says what a machine reaches.
 * Bytes:     UTF-8; capitals of Latin-1, Greek and Cyrillic are folded too. Invalid bytes are letters, so nothing fails.
 * Threads:   the table of stop words is built once, behind pthread_once; the rest shares nothing.
 */
#include "engine/enrich/words.h"

#include "engine/base/thread.h"

/* Longer runs (base64) are cut into words of this size. */
#define WORD_BYTES_MAX 48u
/* A word ends behind this; a character may still stand out. */
#define STEM_BYTES_MAX (WORD_BYTES_MAX - 4)

/* CAPITAL holds the bit that makes it lower case. */
enum byte_class {
    OTHER = 0,
    DIGIT = 1,
    LETTER = 2,
    HIGH = 4,
    CAPITAL = 0x20 | LETTER,
    WORD_BYTE = DIGIT | LETTER
};

static uint32_t class_of(uint8_t c)
{
    static const uint8_t classes[256] = {
        ['0' ... '9'] = DIGIT,
        ['a' ... 'z'] = LETTER,
        ['A' ... 'Z'] = CAPITAL,
        [0x80 ... 0xff] = HIGH,
    };
    return classes[c];
}

/* The stem under construction. */
struct stem {
    uint8_t bytes[WORD_BYTES_MAX + 8]; /* so that eight can be read anywhere */
    uint32_t size;
};

/* Up to eight bytes of the stem from `at` on as one number, the first lowest. */
static uint64_t stem_eight(const struct stem *s, uint32_t at)
{
    uint64_t eight;
    memcpy(&eight, s->bytes + at, sizeof eight);
    uint32_t left = s->size - at;
    return left < 8 ? eight & (UINT64_MAX >> (64 - 8 * left)) : eight;
}

static uint32_t stem_hash(const struct stem *s)
{
    uint64_t h = s->size;
    for (uint32_t at = 0; at < s->size; at += 8)
        h = hash_mix(h ^ stem_eight(s, at));
    uint32_t folded = (uint32_t)(h ^ h >> 32) & ~3u;
    return folded != 0 ? folded : 4;
}

#define STOP_SLOTS 512u
static uint64_t stop_words[STOP_SLOTS];

static void stop_words_fill(void)
{
    static const char *const list[] = {
#define STOP(word) word,
#include "engine/enrich/stop_word.def"
#undef STOP
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct stem word = {.size = (uint32_t)strlen(list[i])};
        memcpy(word.bytes, list[i], word.size);
        uint64_t key = stem_eight(&word, 0);
        uint32_t slot = (uint32_t)hash_mix(key) % STOP_SLOTS;
        while (stop_words[slot] != 0 && stop_words[slot] != key)
            slot = (slot + 1) % STOP_SLOTS;
        stop_words[slot] = key;
    }
}

static bool is_stop_word(const struct stem *s)
{
    if (s->size > 8)
        return false;
    uint64_t key = stem_eight(s, 0);
    for (uint32_t slot = (uint32_t)hash_mix(key) % STOP_SLOTS; stop_words[slot] != 0;
         slot = (slot + 1) % STOP_SLOTS) {
        if (stop_words[slot] == key)
            return true;
    }
    return false;
}

static bool ends_with(const struct stem *s, const char *end)
{
    size_t size = strlen(end);
    return s->size >= size && memcmp(s->bytes + s->size - size, end, size) == 0;
}

static bool has_vowel(const struct stem *s, uint32_t size)
{
    const uint32_t vowels = 1u << ('a' - 'a') | 1u << ('e' - 'a') | 1u << ('i' - 'a') |
                            1u << ('o' - 'a') | 1u << ('u' - 'a') | 1u << ('y' - 'a');
    for (uint32_t i = 0; i < size; i++) {
        uint32_t letter = (uint32_t)s->bytes[i] - 'a';
        if (letter < 26 && (vowels >> letter & 1) != 0)
            return true;
    }
    return false;
}

/* Harman's S-stemmer: the first rule that fits, -ies, -es or -s. */
static void stem_plural(struct stem *s)
{
    if (s->size < 4 || s->bytes[s->size - 1] != 's')
        return;
    if (ends_with(s, "ies")) {
        if (!ends_with(s, "eies") && !ends_with(s, "aies")) {
            s->bytes[s->size - 3] = 'y';
            s->size -= 2;
        }
        return;
    }
    if (ends_with(s, "es") && !ends_with(s, "aes") && !ends_with(s, "ees") &&
        !ends_with(s, "oes")) {
        s->size -= 1;
        return;
    }
    if (!ends_with(s, "us") && !ends_with(s, "ss"))
        s->size -= 1;
}

/* -ed and -ing, when a vowel stays in front, and the doubled consonant they leave (planned, plan). */
static void stem_verb(struct stem *s)
{
    uint8_t end = s->bytes[s->size - 1];
    if (end != 'd' && end != 'g')
        return;
    uint32_t cut = ends_with(s, "ed") ? 2 : ends_with(s, "ing") ? 3 : 0;
    if (cut == 0 || s->size < cut + 3 || !has_vowel(s, s->size - cut))
        return;
    s->size -= cut;
    uint8_t last = s->bytes[s->size - 1];
    if (s->size > 3 && last == s->bytes[s->size - 2] && last != 's' && last != 'l')
        s->size--;
}

static void stem_word(struct stem *s)
{
    stem_plural(s);
    stem_verb(s);
    if (s->size > 3 && s->bytes[s->size - 1] == 'e')
        s->size--;
}

/* 20th and 1,844 are 20 and 1844; the commas were left out on the way. */
static void stem_number(struct stem *s)
{
    if (s->size > 2 && class_of(s->bytes[s->size - 3]) == DIGIT &&
        (ends_with(s, "st") || ends_with(s, "nd") || ends_with(s, "rd") || ends_with(s, "th")))
        s->size -= 2;
}

/* What a character from outside ASCII is: a separator, a word of its own (CJK), or part of a word. */
enum high_kind {
    HIGH_SEPARATOR,
    HIGH_WORD,
    HIGH_PART
};

static enum high_kind high_kind_of(const uint8_t *at, const uint8_t *end, uint32_t *ret_size)
{
    uint8_t lead = at[0];
    size_t left = (size_t)(end - at);
    uint32_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    if (size > left)
        size = 1;
    for (uint32_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            size = 1;
            break;
        }
    }
    *ret_size = size;
    if (size == 2)
        return lead == 0xc2 ? HIGH_SEPARATOR : HIGH_PART;
    if (size != 3)
        return HIGH_PART;
    if (lead == 0xe2 || (lead == 0xe3 && at[1] == 0x80) || (lead == 0xef && at[1] >= 0xbc))
        return HIGH_SEPARATOR; /* punctuation, symbols, CJK punctuation, full-width forms */
    return lead >= 0xe3 && lead <= 0xe9 ? HIGH_WORD : HIGH_PART;
}

/* Lower case of a two-byte character: Latin-1, Greek, Cyrillic. */
static void fold_high(uint8_t *two)
{
    if (two[0] == 0xc3 && two[1] >= 0x80 && two[1] <= 0x9e) {
        two[1] |= 0x20;
    } else if (two[0] == 0xce && two[1] >= 0x91 && two[1] <= 0x9f) {
        two[1] = (uint8_t)(two[1] + 0x20);
    } else if (two[0] == 0xce && two[1] >= 0xa0 && two[1] <= 0xa9) {
        two[0] = 0xcf;
        two[1] = (uint8_t)(two[1] - 0x20);
    } else if (two[0] == 0xd0 && two[1] >= 0x90 && two[1] <= 0x9f) {
        two[1] = (uint8_t)(two[1] + 0x20);
    } else if (two[0] == 0xd0 && two[1] >= 0xa0 && two[1] <= 0xaf) {
        two[0] = 0xd1;
        two[1] = (uint8_t)(two[1] - 0x20);
    }
}

struct words words_over(struct slice text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, stop_words_fill);
    return (struct words){.at = text.data, .end = text.data + text.size, .sentence_start = true};
}

/* Skips to the first byte of the next word. */
static bool words_seek(struct words *w)
{
    for (; w->at < w->end; w->at++) {
        uint8_t c = *w->at;
        uint32_t class = class_of(c);
        if (class == HIGH) {
            uint32_t size;
            if (high_kind_of(w->at, w->end, &size) != HIGH_SEPARATOR)
                return true;
            w->at += size - 1;
        } else if (class != OTHER) {
            return true;
        } else if (c == '\n' || c == '!' || c == '?' ||
                   (c == '.' && (w->at + 1 == w->end || w->at[1] <= ' ' || w->at[1] == '"'))) {
            w->sentence_start = true;
        }
    }
    return false;
}

/* Takes a character from outside ASCII into the stem. False: the word ends in front of it. */
static bool high_take(const uint8_t **at, const uint8_t *end, struct stem *s, bool *ends_word)
{
    uint32_t size;
    enum high_kind kind = high_kind_of(*at, end, &size);
    if (kind != HIGH_PART && s->size != 0)
        return false;
    memcpy(s->bytes + s->size, *at, size);
    if (size == 2)
        fold_high(s->bytes + s->size);
    s->size += size;
    *at += size;
    *ends_word = kind == HIGH_WORD;
    return true;
}

/* The ASCII letters and digits at `at`, eight at a time: setting bit 5 makes letters lower case and leaves digits alone. */
static const uint8_t *ascii_take(const uint8_t *at, const uint8_t *end, struct stem *s,
                                 uint32_t *ret_classes)
{
    const uint8_t *stop = end - at > (ptrdiff_t)STEM_BYTES_MAX ? at + STEM_BYTES_MAX : end;
    const uint8_t *start = at;
    uint32_t classes = 0;
    for (uint32_t class; at < stop && ((class = class_of(*at)) & WORD_BYTE) != 0; at++)
        classes |= class;
    s->size = (uint32_t)(at - start);
    for (uint32_t i = 0; i < s->size; i += 8) {
        uint64_t eight = 0;
        if (end - start >= (ptrdiff_t)(i + 8)) {
            memcpy(&eight, start + i, sizeof eight);
        } else {
            for (uint32_t k = i; k < s->size; k++)
                eight |= (uint64_t)start[k] << (8 * (k - i));
        }
        eight |= UINT64_MAX / 255 * 0x20;
        memcpy(s->bytes + i, &eight, sizeof eight);
    }
    *ret_classes = classes;
    return at;
}

/* Takes the run of letters and digits at `at` into the stem; returns where it ends. */
static const uint8_t *run_take(const uint8_t *at, const uint8_t *end, struct stem *s,
                               uint32_t *ret_classes)
{
    uint32_t classes;
    bool ends_word = false;
    at = ascii_take(at, end, s, &classes);
    while (!ends_word && at < end && s->size < STEM_BYTES_MAX) {
        uint32_t class = class_of(*at);
        if ((class & WORD_BYTE) != 0) {
            classes |= class;
            s->bytes[s->size++] = (uint8_t)(*at++ | (class & 0x20));
        } else if (class == HIGH) {
            classes |= class;
            if (!high_take(&at, end, s, &ends_word))
                break;
        } else if (classes == DIGIT && (*at == ',' || *at == '.') && end - at > 1 &&
                   class_of(at[1]) == DIGIT) {
            /* 1,844 and 3.5 are one number each. */
            if (*at == '.')
                s->bytes[s->size++] = '.';
            at++;
        } else {
            break;
        }
    }
    *ret_classes = classes;
    return at;
}

bool words_next(struct words *w, struct word *ret)
{
    if (!words_seek(w))
        return false;
    struct stem stem;
    stem.size = 0;
    const uint8_t *start = w->at;
    uint32_t classes;
    w->at = run_take(start, w->end, &stem, &classes);
    uint32_t flags = (classes & DIGIT) != 0 ? WORD_NUMBER : 0;
    ret->text = slice_of(start, (size_t)(w->at - start));
    bool capital = class_of(*start) == CAPITAL;
    if (w->sentence_start)
        flags |= WORD_SENTENCE;
    else if (capital)
        flags |= WORD_NAME;
    w->sentence_start = false;
    if ((flags & WORD_NUMBER) != 0)
        stem_number(&stem);
    else if (is_stop_word(&stem))
        flags |= WORD_STOP;
    else
        stem_word(&stem);
    /* The possessive: Arthur's is Arthur. */
    if (w->end - w->at >= 2 && w->at[0] == '\'' && (w->at[1] | 0x20) == 's' &&
        (w->end - w->at == 2 || class_of(w->at[2]) == OTHER))
        w->at += 2;
    ret->hash = stem_hash(&stem);
    ret->flags = flags;
    return true;
}

void text_words_add(struct slice text, struct word_set *words, struct word_set *pairs)
{
    struct words w = words_over(text);
    struct word word;
    uint32_t before = 0;
    while (words_next(&w, &word)) {
        if (before != 0)
            (void)word_set_add(pairs, word_pair(before, word.hash));
        if ((word.flags & WORD_STOP) == 0)
            (void)word_set_add(words, word.hash);
        before = word.hash;
    }
}
