/*
 * phrase.c - looks for all phrases of a set at once, word by word.
 *
 * Place:     score_safety.c, rescoring -> [here] <- phrase.def
 * How:       a pattern is a row of slots (sets of words, some optional). Every word of phrase.def leads to the slots it fits
 *            (postings). Reading a text, each word moves the patterns it occurs in: bit s of a pattern's state says that slots up to s are
 *            matched and s was the last word read (Shift-And, Baeza-Yates and Gonnet 1992, on words instead of letters). Words that no
 *            phrase knows cost one look-up.
 * Words:     runs of ASCII letters and digits, in lower case; apostrophes (', U+2019, \u2019) and zero-width characters inside a word
 *            are left out; JSON's short escapes (\n, \t, \") separate words.
 * Threads:   the table is built once and then only read.
 */
#include "engine/enrich/phrase.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

#define SLOTS_MAX         32u /* of a pattern: bits of a state */
#define WORD_BYTES_MAX    16u /* longer words are in no phrase */
#define REFUSAL_WORDS_MAX 60u /* a refusal begins within so many words */
#define WORD_TABLE_SLOTS  2048u

static const struct {
    enum phrase_set set;
    const char *pattern;
} phrases[] = {
#define PHRASE(set, pattern, source) {set, pattern},
#include "engine/enrich/phrase.def"
#undef PHRASE
};
#define PHRASE_COUNT (sizeof phrases / sizeof phrases[0])

const char *phrase_text(uint32_t number)
{
    return number == 0 || number > PHRASE_COUNT ? "" : phrases[number - 1].pattern;
}

struct posting {
    uint32_t next; /* index + 1 of the word's next posting; 0: none */
    uint16_t phrase;
    uint8_t slot;
};

struct phrase_table {
    struct {
        uint64_t hash; /* of the word; 0: free */
        uint32_t first;
    } words[WORD_TABLE_SLOTS];
    struct posting *postings;
    size_t posting_capacity;
    uint32_t posting_count;
    uint32_t word_count;
    uint32_t optional[PHRASE_COUNT]; /* bit: the slot may be left out */
    uint32_t last[PHRASE_COUNT];     /* bits of the slots after which the pattern is complete */
};

static struct phrase_table table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

/* FNV-1a; a word is hashed as it is read. */
#define WORD_HASH_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t word_hash_add(uint64_t hash, uint8_t c)
{
    return (hash ^ c) * UINT64_C(0x100000001b3);
}

static uint32_t word_slot(uint64_t hash)
{
    uint32_t at = (uint32_t)(hash_mix(hash) % WORD_TABLE_SLOTS);
    while (table.words[at].hash != 0 && table.words[at].hash != hash)
        at = (at + 1) % WORD_TABLE_SLOTS;
    return at;
}

static void posting_add(uint64_t hash, size_t phrase, uint32_t slot)
{
    uint32_t at = word_slot(hash);
    if (table.words[at].hash == 0) {
        table.words[at].hash = hash;
        table.word_count++;
        ASSERT(table.word_count < WORD_TABLE_SLOTS / 2);
    }
    table.postings = mem_grow(table.postings, &table.posting_capacity,
                              (size_t)table.posting_count + 1, sizeof *table.postings);
    table.postings[table.posting_count++] = (struct posting){
        .next = table.words[at].first, .phrase = (uint16_t)phrase, .slot = (uint8_t)slot};
    table.words[at].first = table.posting_count;
}

static void pattern_add(size_t phrase)
{
    uint64_t hash = WORD_HASH_START;
    uint32_t slot = 0;
    for (const char *at = phrases[phrase].pattern;; at++) {
        if (*at == '(') {
            table.optional[phrase] |= UINT32_C(1) << slot;
        } else if (*at == '|' || *at == ' ' || *at == 0) {
            posting_add(hash, phrase, slot);
            hash = WORD_HASH_START;
            if (*at == 0)
                break;
            slot += *at == ' ';
            ASSERT(slot < SLOTS_MAX);
        } else if (*at != ')') {
            hash = word_hash_add(hash, (uint8_t)*at);
        }
    }
    for (uint32_t s = slot;; s--) {
        table.last[phrase] |= UINT32_C(1) << s;
        if (s == 0 || (table.optional[phrase] >> s & 1) == 0)
            break;
    }
}

static void table_build(void)
{
    static_assert(PHRASE_COUNT <= UINT16_MAX, "postings hold 16 bits");
    for (size_t i = 0; i < PHRASE_COUNT; i++)
        pattern_add(i);
}

/* May slot follow on the slots of state (bits), or begin the pattern? */
static bool slot_follows(uint32_t state, uint32_t optional, uint32_t slot)
{
    for (uint32_t s = slot; s > 0; s--) {
        if ((state >> (s - 1) & 1) != 0)
            return true;
        if ((optional >> (s - 1) & 1) == 0)
            return false;
    }
    return true;
}

/* A pattern's state, valid for the word it was written at and the next. */
struct progress {
    uint32_t word; /* of the last word of the pattern, from 1 */
    uint32_t state;
    uint32_t before; /* the state at word - 1 */
    size_t start;    /* where in the text the first word stands, about: patterns may overlap */
};

/* Moves all patterns by one word; the number of the phrase that became complete, or 0. */
static uint32_t word_take(struct progress *progress, enum phrase_set set, uint64_t hash,
                          uint32_t word, size_t start)
{
    uint32_t found = 0;
    uint32_t next = table.words[word_slot(hash)].first;
    while (next != 0) {
        const struct posting *p = &table.postings[next - 1];
        struct progress *now = &progress[p->phrase];
        next = p->next;
        if (phrases[p->phrase].set != set)
            continue;
        if (now->word != word) {
            now->before = now->word == word - 1 ? now->state : 0;
            now->start = now->before == 0 ? start : now->start;
            now->state = 0;
            now->word = word;
        }
        if (!slot_follows(now->before, table.optional[p->phrase], p->slot))
            continue;
        now->state |= UINT32_C(1) << p->slot;
        if ((table.last[p->phrase] >> p->slot & 1) != 0)
            found = p->phrase + 1u;
    }
    return found;
}

/* Bytes at `at` that are left out inside a word: apostrophes, zero-width characters. 0: none. */
static size_t skipped_size(const uint8_t *at, size_t left)
{
    if (at[0] == '\'')
        return 1;
    if (at[0] == 0xe2 && left >= 3 && at[1] == 0x80)
        return at[2] == 0x99 || (at[2] >= 0x8b && at[2] <= 0x8d) ? 3 : 0; /* U+2019, U+200B-D */
    if (at[0] == 0xef && left >= 3 && at[1] == 0xbb && at[2] == 0xbf)     /* U+FEFF */
        return 3;
    if (at[0] == '\\' && left >= 6 && memcmp(at, "\\u2019", 6) == 0)
        return 6;
    return 0;
}

static const uint8_t word_bytes[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',
    ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',
    ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',
    ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',
    ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f',
    ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't',
    ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

/* The next word and its hash; *at moves behind it. False: the text is over. */
static bool word_next(struct slice text, size_t *at, struct slice *ret_word, uint64_t *ret_hash)
{
    size_t i = *at;
    while (i < text.size && word_bytes[text.data[i]] == 0) {
        bool escape = text.data[i] == '\\' && i + 1 < text.size &&
                      memchr("nrtbf", text.data[i + 1], 5) != NULL;
        i += escape ? 2 : 1;
    }
    if (i >= text.size)
        return false;
    uint64_t hash = WORD_HASH_START;
    size_t start = i;
    size_t size = 0;
    while (i < text.size) {
        uint8_t c = word_bytes[text.data[i]];
        if (c != 0) {
            hash = word_hash_add(hash, c);
            size++;
            i++;
            continue;
        }
        size_t skipped = skipped_size(text.data + i, text.size - i);
        if (skipped == 0)
            break;
        i += skipped;
    }
    *at = i;
    *ret_word = slice_of(text.data + start, i - start);
    *ret_hash = size <= WORD_BYTES_MAX ? hash : 0;
    return true;
}

uint32_t phrase_locate(struct slice text, enum phrase_set set, struct slice *ret_words)
{
    (void)pthread_once(&table_once, table_build);
    struct progress progress[PHRASE_COUNT];
    memset(progress, 0, sizeof progress);
    uint64_t hash = 0;
    struct slice at = SLICE_EMPTY;
    size_t end = 0;
    uint32_t words_max = set == PHRASE_REFUSAL ? REFUSAL_WORDS_MAX : UINT32_MAX - 2;
    for (uint32_t word = 2; word_next(text, &end, &at, &hash) && word - 2 < words_max; word++) {
        size_t start = (size_t)(at.data - text.data);
        uint32_t found = hash == 0 ? 0 : word_take(progress, set, hash, word, start);
        if (found != 0) {
            start = progress[found - 1].start;
            *ret_words = slice_of(text.data + start, end - start);
            return found;
        }
    }
    return 0;
}

uint32_t phrase_find(struct slice text, enum phrase_set set)
{
    struct slice words;
    return phrase_locate(text, set, &words);
}
