/*
 * race_text.c - a text store under one writer, one maintenance thread and two readers, for
 * ThreadSanitizer.
 *
 * Readers must find every message that was added before they looked, with the right bytes, while
 * it moves from memory to packs and from pack to pack.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/hash.h"
#include "engine/base/io.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "engine/text/text.h"

#define MESSAGES 6000u
#define READERS  2u

static struct text_store *store;
static atomic_uint added;
static atomic_bool finished;

static void require(bool fact, const char *what)
{
    if (fact)
        return;
    (void)fprintf(stderr, "race_text: %s\n", what);
    exit(1);
}

static struct message message_make(uint32_t i, char body[160])
{
    int size = snprintf(
        body, 160, "{\"role\":\"user\",\"content\":\"message %u of conversation %u\"}", i, i % 37);
    struct slice bytes = slice_of(body, (size_t)size);
    return (struct message){hash128(bytes), bytes};
}

static void write_messages(void *context)
{
    struct error e = {0};
    char body[160];
    bool is_new;
    (void)context;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct message m = message_make(i, body);
        require(text_add_grouped(store, &m, i % 37 + 1, i + 1, i, &is_new, &e) == STATUS_OK,
                e.text);
        require(is_new, "a new message was taken for an old one");
        atomic_store(&added, i + 1);
        m = message_make(i / 2, body);
        require(text_add_grouped(store, &m, 1, i + 1, i, &is_new, &e) == STATUS_OK, e.text);
        require(!is_new, "a stored message was taken for a new one");
    }
    atomic_store(&finished, true);
}

/* Seals what there is; every fourth time merges all packs. */
static void maintain(void *context)
{
    uint64_t packs[8];
    uint32_t count = 0;
    uint64_t number = 1;
    (void)context;
    for (bool last = false; !last;) {
        struct text_pack_meta meta;
        struct error e = {0};
        last = atomic_load(&finished);
        enum status s = text_seal(store, number, UINT64_MAX, &meta, &e);
        require(s >= 0, e.text);
        if (s == STATUS_OK) {
            text_seal_commit(store, number);
            packs[count++] = number++;
        }
        if (count == 4) {
            require(text_merge(store, packs, count, number, NULL, NULL, &meta, &e) == STATUS_OK,
                    e.text);
            require(text_pack_open(store, number, &meta, &e) == STATUS_OK, e.text);
            for (uint32_t i = 0; i < count; i++)
                text_pack_remove(store, packs[i]);
            packs[0] = number++;
            count = 1;
        }
    }
}

static void read_messages(void *context)
{
    struct rng rng;
    struct buffer b = {0};
    struct error e = {0};
    char body[160];
    rng_init(&rng, *(const uint64_t *)context);
    while (!atomic_load(&finished)) {
        uint32_t limit = atomic_load(&added);
        if (limit == 0)
            continue;
        struct message m = message_make((uint32_t)rng_below(&rng, limit), body);
        buffer_reset(&b);
        require(text_has(store, m.address), "text_has lost a message");
        require(text_get(store, m.address, &b, &e) == STATUS_OK, e.text);
        require(slice_equal(buffer_slice(&b), m.body), "other bytes");
        require(text_totals(store).messages > 0, "no totals");
        (void)text_memory_seq_min(store);
    }
    buffer_deinit(&b);
}

int main(void)
{
    char root[] = "/tmp/driftline-race-text-XXXXXX";
    char command[64];
    struct error e = {0};
    struct io *io = NULL;
    struct thread writer;
    struct thread maintainer;
    struct thread readers[READERS];
    uint64_t seeds[READERS];
    require(mkdtemp(root) != NULL, "no temporary directory");
    require(io_posix_backend_create(root, &io, &e) == STATUS_OK, e.text);
    require(io_make_dir(io, "text", &e) == STATUS_OK, e.text);
    store = text_store_create(io, "text");
    thread_start(&writer, "writer", write_messages, NULL);
    thread_start(&maintainer, "maintainer", maintain, NULL);
    for (uint64_t i = 0; i < READERS; i++) {
        seeds[i] = i + 1;
        thread_start(&readers[i], "reader", read_messages, &seeds[i]);
    }
    thread_join(&writer);
    thread_join(&maintainer);
    for (uint32_t i = 0; i < READERS; i++)
        thread_join(&readers[i]);
    require(text_totals(store).messages == MESSAGES, "messages are missing");
    text_store_destroy(store);
    io_destroy(io);
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command) == 0 ? 0 : 1;
}
