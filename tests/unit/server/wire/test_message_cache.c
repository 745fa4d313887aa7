/*
 * test_message_cache.c - what is found, what is evicted and what never is.
 */
#include "server/wire/message_cache.h"

#include "engine/base/hash.h"
#include "engine/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct slice body_of(uint32_t number, char text[32])
{
    (void)snprintf(text, 32, "body-%u", (unsigned)number);
    return slice_text(text);
}

static struct id128 address_of(uint32_t number)
{
    char text[32];
    return hash128(body_of(number, text));
}

static void add(struct message_cache *cache, uint32_t number, uint64_t batch_seq)
{
    char text[32];
    message_cache_add(cache, address_of(number), body_of(number, text), batch_seq);
}

static bool has(const struct message_cache *cache, uint32_t number)
{
    char text[32];
    const struct cached_message *m = message_cache_find(cache, address_of(number));
    if (m != NULL)
        cr_assert(slice_equal(m->body, body_of(number, text)));
    return m != NULL;
}

Test(message_cache, evicts_the_least_recently_used_that_is_settled)
{
    struct message_cache cache;
    message_cache_init(&cache, 1);
    for (uint32_t i = 0; i < 6; i++)
        add(&cache, i, 1 + i);
    message_cache_touch(&cache, message_cache_find(&cache, address_of(0)), 7);
    message_cache_trim(&cache, 4);
    /* 1, 2, 3 belong to settled batches; 0 was used again by batch 7. */
    cr_assert(has(&cache, 0) && !has(&cache, 1) && !has(&cache, 2) && !has(&cache, 3));
    cr_assert(has(&cache, 4) && has(&cache, 5));
    message_cache_trim(&cache, 7);
    cr_assert_eq(cache.count, 0);
    cr_assert_eq(cache.bytes, 0);
    message_cache_deinit(&cache);
}

Test(message_cache, keeps_everything_within_its_bound)
{
    struct message_cache cache;
    message_cache_init(&cache, 1u << 20);
    for (uint32_t i = 0; i < 100; i++)
        add(&cache, i, 1);
    message_cache_trim(&cache, 1);
    cr_assert_eq(cache.count, 100);
    message_cache_deinit(&cache);
}

/* Against a plain array: adds, removals and look-ups in random order. */
Test(message_cache, finds_exactly_what_was_added_and_not_removed)
{
    enum {
        NUMBERS = 700
    };
    struct message_cache cache;
    bool present[NUMBERS] = {false};
    struct rng rng;
    rng_init(&rng, 3);
    message_cache_init(&cache, UINT64_MAX);
    for (int step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)rng_below(&rng, NUMBERS);
        cr_assert_eq(has(&cache, number), present[number]);
        if (present[number])
            message_cache_remove(&cache, message_cache_find(&cache, address_of(number)));
        else
            add(&cache, number, (uint64_t)step);
        present[number] = !present[number];
    }
    for (uint32_t number = 0; number < NUMBERS; number++)
        cr_assert_eq(has(&cache, number), present[number]);
    message_cache_deinit(&cache);
}
