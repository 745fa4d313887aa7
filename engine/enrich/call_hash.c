/*
 * call_hash.c - a hash of a tool call that only its meaning decides.
 *
 * Formula:   a number is its nearest double, a string its unescaped bytes; an array mixes its items in order, an object
 *            adds up its members' hashes, which no order changes (as a Merkle tree over unordered children).
 * Bounds:    one level of state a level of JSON, at most JSON_DEPTH_MAX.
 */
#include "engine/enrich/call_hash.h"

#include "engine/base/hash.h"
#include "engine/base/json.h"

/* Seeds that keep kinds apart: "1" and 1, [] and {}. */
enum {
    SEED_NULL = 1,
    SEED_FALSE,
    SEED_TRUE,
    SEED_NUMBER,
    SEED_STRING,
    SEED_ARRAY,
    SEED_OBJECT,
    SEED_TEXT
};

static uint64_t seeded(uint64_t seed, uint64_t value)
{
    return hash_mix(hash_mix(seed * 0x9e3779b97f4a7c15u) ^ value);
}

static uint64_t number_hash(const struct json *j)
{
    double number = json_double(j);
    uint64_t bits;
    number = number == 0 ? 0 : number; /* -0 is 0 */
    memcpy(&bits, &number, sizeof bits);
    return seeded(SEED_NUMBER, bits);
}

struct level {
    uint64_t hash;
    uint64_t key; /* of the member whose value comes next */
    bool is_object;
};

/* Takes a finished value into the container it stands in. */
static void level_take(struct level *level, uint64_t value)
{
    if (level->is_object)
        level->hash += hash_mix(level->key ^ hash_mix(value));
    else
        level->hash = hash_mix(level->hash ^ value) + 1;
}

static bool json_hash(struct slice text, struct arena *scratch, uint64_t *ret)
{
    struct level levels[JSON_DEPTH_MAX + 1];
    uint32_t depth = 0;
    levels[0] = (struct level){0};
    struct json j = json_over(text);
    for (enum json_token t; (t = json_next(&j)) != JSON_END;) {
        uint64_t value = 0;
        switch (t) {
        case JSON_OBJECT_BEGIN:
        case JSON_ARRAY_BEGIN:
            levels[++depth] = (struct level){.is_object = t == JSON_OBJECT_BEGIN};
            continue;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
            value = seeded(t == JSON_OBJECT_END ? SEED_OBJECT : SEED_ARRAY, levels[depth].hash);
            depth--;
            break;
        case JSON_KEY:
            levels[depth].key = hash64(json_string(&j, scratch));
            continue;
        case JSON_STRING:
            value = seeded(SEED_STRING, hash64(json_string(&j, scratch)));
            break;
        case JSON_NUMBER:
            value = number_hash(&j);
            break;
        case JSON_TRUE:
            value = seeded(SEED_TRUE, 0);
            break;
        case JSON_FALSE:
            value = seeded(SEED_FALSE, 0);
            break;
        case JSON_NULL:
            value = seeded(SEED_NULL, 0);
            break;
        case JSON_ERROR:
        case JSON_END:
            return false;
        }
        level_take(&levels[depth], value);
    }
    *ret = levels[0].hash;
    return true;
}

static struct slice trimmed(struct slice text)
{
    while (text.size != 0 && text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size != 0 && text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

uint64_t call_hash(struct slice name, struct slice arguments, struct arena *scratch)
{
    struct slice text = trimmed(arguments);
    uint64_t hash;
    if (text.size == 0)
        text = slice_text("{}");
    if (!json_hash(text, scratch, &hash))
        hash = seeded(SEED_TEXT, hash64(text));
    hash = hash_mix(hash ^ hash64(name));
    return hash != 0 ? hash : 1;
}
