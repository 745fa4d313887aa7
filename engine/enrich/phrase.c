/*
 * phrase.c - looks for all phrases of a set at once, word by word.
 *
 * Place:     score_safety.c, rescoring -> [here] <- phrase.def
 * How:       a pattern is a row of slots (sets of words, some optional). Every word of phrase.def leads to the slots it fits
 *            (postings). Reading a text, each word moves the patterns it occurs in: bit s of a pattern's state says that slots up to s are
 *            matched and s was the last word read (Shift-And, Baeza-Yates and Gonnet 1992, on words instead of letters). Words that no
 *            phrase knows cost one look-up, and so do those that could only go on where nothing began.
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
#define SETS              2u

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

/* A word of at most WORD_BYTES_MAX bytes is its own key: no two words share one. */
struct word_key {
    uint64_t high;
    uint64_t low;
};

static inline void word_key_add(struct word_key *key, uint8_t c)
{
    key->high = key->high << 8 | key->low >> 56;
    key->low = key->low << 8 | c;
}

struct posting {
    uint32_t next;  /* index + 1 of the word's next posting in this list; 0: none */
    uint32_t after; /* bits of the slots it may stand behind */
    uint16_t phrase;
    uint8_t slot;
};

/* The postings of one word in one set: where it may begin a pattern, and where it may go on. */
struct word_entry {
    struct word_key key; /* zero: free */
    uint32_t begins[SETS];
    uint32_t goes_on[SETS];
};

struct phrase_table {
    struct word_entry words[WORD_TABLE_SLOTS];
    struct posting *postings;
    size_t posting_capacity;
    uint32_t posting_count;
    uint32_t word_count;
    uint32_t last[PHRASE_COUNT]; /* bits of the slots after which the pattern is complete */
};

static struct phrase_table table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static struct word_entry *word_entry(struct word_key key)
{
    uint32_t at =
        (uint32_t)(hash_mix(key.low + key.high * UINT64_C(0x9e3779b97f4a7c15)) % WORD_TABLE_SLOTS);
    for (;; at = (at + 1) % WORD_TABLE_SLOTS) {
        struct word_entry *e = &table.words[at];
        if ((e->key.low == key.low && e->key.high == key.high) ||
            (e->key.low == 0 && e->key.high == 0))
            return e;
    }
}

static void posting_add(uint32_t *list, const struct posting *posting)
{
    table.postings = mem_grow(table.postings, &table.posting_capacity,
                              (size_t)table.posting_count + 1, sizeof *table.postings);
    table.postings[table.posting_count] = *posting;
    table.postings[table.posting_count++].next = *list;
    *list = table.posting_count;
}

/* A word of a slot; optional: bits of the optional slots before it. */
static void word_add(struct word_key key, size_t phrase, uint32_t slot, uint32_t optional)
{
    struct word_entry *e = word_entry(key);
    struct posting posting = {.phrase = (uint16_t)phrase, .slot = (uint8_t)slot};
    enum phrase_set set = phrases[phrase].set;
    bool begins = true;
    if (e->key.low == 0 && e->key.high == 0) {
        e->key = key;
        table.word_count++;
        ASSERT(table.word_count < WORD_TABLE_SLOTS / 2);
    }
    for (uint32_t s = slot; s > 0 && begins; s--) {
        posting.after |= UINT32_C(1) << (s - 1);
        begins = (optional >> (s - 1) & 1) != 0;
    }
    if (begins)
        posting_add(&e->begins[set], &posting);
    if (posting.after != 0)
        posting_add(&e->goes_on[set], &posting);
}

static void pattern_add(size_t phrase)
{
    struct word_key key = {0};
    uint32_t optional = 0;
    uint32_t slot = 0;
    for (const char *at = phrases[phrase].pattern;; at++) {
        if (*at == '(') {
            optional |= UINT32_C(1) << slot;
        } else if (*at == '|' || *at == ' ' || *at == 0) {
            word_add(key, phrase, slot, optional);
            key = (struct word_key){0};
            if (*at == 0)
                break;
            slot += *at == ' ';
            ASSERT(slot < SLOTS_MAX);
        } else if (*at != ')') {
            word_key_add(&key, (uint8_t)*at);
        }
    }
    for (uint32_t s = slot;; s--) {
        table.last[phrase] |= UINT32_C(1) << s;
        if (s == 0 || (optional >> s & 1) == 0)
            break;
    }
}

static void table_build(void)
{
    static_assert(PHRASE_COUNT <= UINT16_MAX, "postings hold 16 bits");
    for (size_t i = 0; i < PHRASE_COUNT; i++)
        pattern_add(i);
}

/* A pattern's state, valid for the word it was written at and the next. */
struct progress {
    uint32_t word; /* of the last word of the pattern, from 1 */
    uint32_t state;
    uint32_t before; /* the state at word - 1 */
    size_t start;    /* where in the text the first word stands, about: patterns may overlap */
};

struct matcher {
    uint32_t word;   /* the number of the word being read */
    size_t start;    /* where it stands */
    uint32_t active; /* the last word that moved a pattern */
    uint32_t found;  /* the phrase that became complete, or 0 */
    struct progress progress[PHRASE_COUNT];
};

/* Moves the patterns of a list of postings by one word. */
static void postings_take(struct matcher *m, uint32_t list, bool begins)
{
    for (const struct posting *p; list != 0; list = p->next) {
        p = &table.postings[list - 1];
        struct progress *now = &m->progress[p->phrase];
        if (now->word != m->word) {
            uint32_t before = now->word == m->word - 1 ? now->state : 0;
            if (!begins && before == 0)
                continue;
            *now = (struct progress){m->word, 0, before, before == 0 ? m->start : now->start};
        }
        if (!begins && (now->before & p->after) == 0)
            continue;
        now->state |= UINT32_C(1) << p->slot;
        m->active = m->word;
        if ((table.last[p->phrase] >> p->slot & 1) != 0)
            m->found = p->phrase + 1u;
    }
}

/* Words that go on are only looked at where the word before moved a pattern, which is rare. */
static void word_take(struct matcher *m, enum phrase_set set, struct word_key key)
{
    const struct word_entry *e = word_entry(key);
    if (m->active == m->word - 1)
        postings_take(m, e->goes_on[set], false);
    postings_take(m, e->begins[set], true);
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

/* The next word; *at moves behind it. False: the text is over. *ret_key is zero for a word too long to be in a phrase. */
static bool word_next(struct slice text, size_t *at, struct slice *ret_word,
                      struct word_key *ret_key)
{
    size_t i = *at;
    while (i < text.size && word_bytes[text.data[i]] == 0) {
        bool escape = text.data[i] == '\\' && i + 1 < text.size &&
                      memchr("nrtbf", text.data[i + 1], 5) != NULL;
        i += escape ? 2 : 1;
    }
    if (i >= text.size)
        return false;
    struct word_key key = {0};
    size_t start = i;
    size_t size = 0;
    while (i < text.size) {
        uint8_t c = word_bytes[text.data[i]];
        if (c != 0) {
            word_key_add(&key, c);
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
    *ret_key = size <= WORD_BYTES_MAX ? key : (struct word_key){0};
    return true;
}

uint32_t phrase_locate(struct slice text, enum phrase_set set, struct slice *ret_words)
{
    (void)pthread_once(&table_once, table_build);
    struct matcher m = {.word = 2}; /* 0 is "never", and its neighbour must not be the first word */
    struct word_key key;
    struct slice word = SLICE_EMPTY;
    size_t end = 0;
    uint32_t words_max = set == PHRASE_REFUSAL ? REFUSAL_WORDS_MAX : UINT32_MAX - 2;
    for (; word_next(text, &end, &word, &key) && m.word - 2 < words_max; m.word++) {
        m.start = (size_t)(word.data - text.data);
        if (key.low == 0)
            continue;
        word_take(&m, set, key);
        if (m.found != 0) {
            size_t start = m.progress[m.found - 1].start;
            *ret_words = slice_of(text.data + start, end - start);
            return m.found;
        }
    }
    return 0;
}

uint32_t phrase_find(struct slice text, enum phrase_set set)
{
    struct slice words;
    return phrase_locate(text, set, &words);
}
