/*
 * dialect_table.c - see dialect_table.h.
 */
#include "server/dialect/dialect_table.h"

#include "engine/base/check.h"
#include "server/dialect/content.h"

const enum holds target_holds[TARGET_COUNT] = {
#define TARGET(name, holds, column) HOLDS_##holds,
#define SOURCE(target, where, how)
#define CONSTANT(target, where, text)
#include "server/dialect/genai.def"
#undef TARGET
#undef SOURCE
#undef CONSTANT
};

const char *const target_column[TARGET_COUNT] = {
#define TARGET(name, holds, column) column,
#define SOURCE(target, where, how)
#define CONSTANT(target, where, text)
#include "server/dialect/genai.def"
#undef TARGET
#undef SOURCE
#undef CONSTANT
};

const struct source dialect_sources[] = {
#define TARGET(name, holds, column)
#define SOURCE(target, where, how)    {where, NULL, TARGET_##target, HOW_##how},
#define CONSTANT(target, where, text) {where, text, TARGET_##target, HOW_CONSTANT},
#include "server/dialect/genai.def"
#undef TARGET
#undef SOURCE
#undef CONSTANT
};
#define SOURCES ((uint32_t)(sizeof dialect_sources / sizeof *dialect_sources))

const struct word dialect_words[] = {
#define WORD(vocabulary, spelling, word) {WORDS_##vocabulary, spelling, word},
#include "server/dialect/vocabulary.def"
#undef WORD
};
#define WORDS ((uint32_t)(sizeof dialect_words / sizeof *dialect_words))

uint32_t dialect_source_count(void)
{
    return SOURCES;
}

uint32_t dialect_word_count(void)
{
    return WORDS;
}

/* The place of a name, made when it is new. Places move when there are more. */
static struct place *place_add(struct dialect *d, struct slice name)
{
    uint32_t code = intern_add(&d->names, name);
    uint32_t known = (uint32_t)d->places_capacity;
    if (code >= known) {
        d->places = mem_grow(d->places, &d->places_capacity, code + 1, sizeof *d->places);
        memset(d->places + known, 0, (d->places_capacity - known) * sizeof *d->places);
    }
    return &d->places[code];
}

/* "a->b->c": "a" and "a->b" have members. */
static void parents_add(struct dialect *d, struct slice where)
{
    for (size_t i = 1; i + 1 < where.size; i++) {
        if (where.data[i] == '-' && where.data[i + 1] == '>')
            place_add(d, slice_of(where.data, i))->has_members = true;
    }
}

static void source_add(struct dialect *d, uint32_t number)
{
    struct slice where = slice_text(dialect_sources[number].where);
    parents_add(d, where);
    uint16_t *link = &place_add(d, where)->first;
    while (*link != 0)
        link = &d->next[*link - 1];
    *link = (uint16_t)(number + 1);
}

/* The vocabulary's number and the spelling as one name. */
static struct slice word_name(enum vocabulary vocabulary, struct slice spelling,
                              uint8_t to[PLACE_BYTES_MAX])
{
    if (spelling.size >= 2 && spelling.data[0] == '"' && spelling.data[spelling.size - 1] == '"')
        spelling = slice_of(spelling.data + 1, spelling.size - 2);
    if (spelling.size >= PLACE_BYTES_MAX)
        return SLICE_EMPTY;
    to[0] = (uint8_t)('0' + vocabulary);
    for (size_t i = 0; i < spelling.size; i++) {
        uint8_t c = spelling.data[i];
        bool upper = c >= 'A' && c <= 'Z';
        to[i + 1] = upper ? (uint8_t)(c | 0x20) : c == '-' || c == ' ' ? (uint8_t)'_' : c;
    }
    return slice_of(to, spelling.size + 1);
}

static void words_add(struct dialect *d)
{
    intern_init(&d->words);
    d->word_of = mem_zero(WORDS + 1, sizeof *d->word_of);
    for (uint32_t i = 0; i < WORDS; i++) {
        uint8_t name[PLACE_BYTES_MAX];
        struct slice spelling = slice_text(dialect_words[i].spelling);
        uint32_t code =
            intern_add(&d->words, word_name(dialect_words[i].vocabulary, spelling, name));
        if (d->word_of[code] == NULL)
            d->word_of[code] = dialect_words[i].word;
    }
}

void dialect_init(struct dialect *d)
{
    static_assert(SOURCES < UINT16_MAX, "ranks are 16 bits");
    *d = (struct dialect){0};
    intern_init(&d->names);
    d->next = mem_zero(SOURCES, sizeof *d->next);
    for (uint32_t i = 0; i < SOURCES; i++)
        source_add(d, i);
    d->fixed = d->names.count;
    words_add(d);
}

void dialect_deinit(struct dialect *d)
{
    intern_deinit(&d->names);
    intern_deinit(&d->words);
    mem_free(d->places);
    mem_free(d->next);
    mem_free(d->word_of);
    arena_deinit(&d->arena);
    *d = (struct dialect){0};
}

void dialect_make_room(struct dialect *d)
{
    if (d->names.count < PLACES_MAX)
        return;
    dialect_deinit(d);
    dialect_init(d);
}

/* "a.12.b" -> "a.N.b"; the empty slice when there is no number between dots (or at an end). */
static struct slice numbers_out(struct slice key, uint8_t to[PLACE_BYTES_MAX])
{
    size_t size = 0;
    bool any = false;
    for (size_t i = 0; i < key.size;) {
        size_t end = i;
        while (end < key.size && key.data[end] >= '0' && key.data[end] <= '9')
            end++;
        bool is_part = end > i && (i == 0 || key.data[i - 1] == '.') &&
                       (end == key.size || key.data[end] == '.');
        if (is_part) {
            to[size++] = 'N';
            any = true;
            i = end;
        } else {
            to[size++] = key.data[i++];
        }
    }
    return any ? slice_of(to, size) : SLICE_EMPTY;
}

static bool has_digit(struct slice key)
{
    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] >= '0' && key.data[i] <= '9')
            return true;
    }
    return false;
}

const struct place *dialect_find(struct dialect *d, struct slice name)
{
    if (name.size > PLACE_BYTES_MAX)
        return NULL;
    uint32_t code = intern_find(&d->names, name);
    if (code != 0 && code < d->fixed)
        return &d->places[code];
    if (!has_digit(name))
        return NULL;
    uint8_t buffer[PLACE_BYTES_MAX];
    struct slice pattern = numbers_out(name, buffer);
    code = pattern.size == 0 ? 0 : intern_find(&d->names, pattern);
    return code != 0 && code < d->fixed ? &d->places[code] : NULL;
}

static void member_write(struct dialect *d, struct slice key, struct place *place)
{
    struct buffer text = {0};
    buffer_add_json(&text, key);
    buffer_add_byte(&text, ':');
    place->member = arena_copy(&d->arena, buffer_slice(&text));
    buffer_deinit(&text);
}

/* Names that mean our own members of `attributes`. */
static bool is_reserved(struct slice key)
{
    static const char *const names[] = {"resource", "scope", "events", "links", "span", "usage"};
    static const struct slice notes = {(const uint8_t *)"driftline.", 10};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_is(key, names[i]))
            return true;
    }
    return key.size > notes.size && memcmp(key.data, notes.data, notes.size) == 0;
}

/* What is known about a name that is met for the first time. */
static struct place place_of(struct dialect *d, struct slice key)
{
    const struct place *found = dialect_find(d, key);
    struct place place = {.claim = content_claim(key), .is_reserved = is_reserved(key)};
    if (found != NULL) {
        place.first = found->first;
        place.has_members = found->has_members;
    }
    return place;
}

/* The long way: by hash. */
static uint32_t attribute_find(struct dialect *d, struct slice key, struct place *ret_place)
{
    uint32_t code = key.size > PLACE_BYTES_MAX ? 0 : intern_find(&d->names, key);
    if (code != 0 && d->places[code].member.size != 0)
        return code;
    struct place place = place_of(d, key);
    if (key.size > PLACE_BYTES_MAX || (code == 0 && d->names.count >= PLACES_MAX)) {
        *ret_place = place;
        return 0;
    }
    struct place *kept = place_add(d, key);
    *kept = place;
    member_write(d, key, kept);
    return intern_find(&d->names, key);
}

uint32_t dialect_attribute(struct dialect *d, struct slice key, uint32_t before,
                           struct place *ret_place)
{
    uint32_t guess = d->places[before].follower;
    if (guess != 0 && slice_equal(d->names.values[guess], key))
        return guess;
    uint32_t code = attribute_find(d, key, ret_place);
    d->places[before].follower = code;
    return code;
}

const char *dialect_word(struct dialect *d, enum vocabulary vocabulary, struct slice spelling)
{
    uint8_t buffer[PLACE_BYTES_MAX];
    struct slice name = word_name(vocabulary, spelling, buffer);
    uint32_t code = name.size == 0 ? 0 : intern_find(&d->words, name);
    return code == 0 ? NULL : d->word_of[code];
}
