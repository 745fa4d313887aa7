/*
 * test_text_pack.c - damaged packs: every truncation, every flip, and well-signed nonsense.
 */
#include "engine/text/pack_format.h"
#include "engine/text/pack_read.h"
#include "engine/text/text_store.h"
#include "tests/unit/engine/text/text_fixture.h"

#define PATH "p1/text/0000000001.pack"

/* A sealed pack, its messages, and the files it was written to. */
struct packed {
    struct fixture f;
    struct arena arena;
    struct message m[16];
    uint32_t count;
    struct buffer bytes;
};

static struct packed packed_begin(uint32_t count, size_t size)
{
    struct packed p = {.f = fixture_begin(), .count = count};
    for (uint32_t i = 0; i < count; i++) {
        p.m[i] = message_make(i, size == 0 ? 10 + i : size, &p.arena);
        cr_assert(add(p.f.t, &p.m[i], i / 2, i + 1));
    }
    seal_ok(p.f.t, 1, UINT64_MAX);
    buffer_add_slice(&p.bytes, io_sim_peek(p.f.io, PATH));
    return p;
}

static void packed_end(struct packed *p)
{
    buffer_deinit(&p->bytes);
    arena_deinit(&p->arena);
    fixture_end(&p->f);
}

static void file_set(struct io *io, struct slice bytes)
{
    struct error e = {0};
    struct io_file *file;
    cr_assert(io_open(io, PATH, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file, &e) == STATUS_OK, "%s",
              e.text);
    cr_assert(io_write(file, 0, bytes.data, bytes.size, &e) == STATUS_OK, "%s", e.text);
    io_close(file);
}

/* Opens the bytes as a pack and reads every message: each is right or an error. Returns how many
 * were right. */
static uint32_t read_changed(struct packed *p, struct slice bytes)
{
    struct text_pack_meta meta;
    struct error e = {0};
    uint32_t right = 0;
    file_set(p->f.io, bytes);
    struct text_store *t = text_store_create(p->f.io, "p1/text");
    if (text_pack_open(t, 1, &meta, &e) < 0) {
        cr_assert(e.status == STATUS_CORRUPT);
        cr_assert(strstr(e.text, PATH) != NULL, "%s", e.text);
        cr_assert(e.position >= 0);
    }
    for (uint32_t i = 0; i < p->count; i++) {
        enum status s = get(t, &p->m[i], &e);
        cr_assert(s == STATUS_OK || s == STATUS_CORRUPT || s == STATUS_NOT_FOUND, "%d", (int)s);
        right += s == STATUS_OK;
    }
    text_store_destroy(t);
    return right;
}

static uint32_t findings;

static void finding_count(void *context, uint64_t offset, const char *text)
{
    const struct packed *p = context;
    cr_assert(offset <= p->bytes.size);
    cr_assert(text[0] != 0);
    findings++;
}

static enum status verify(struct packed *p, struct slice bytes)
{
    findings = 0;
    file_set(p->f.io, bytes);
    struct error e = {0};
    enum status s = text_pack_verify(p->f.io, PATH, finding_count, p, &e);
    cr_assert(s == (findings == 0 ? STATUS_OK : STATUS_CORRUPT));
    return s;
}

Test(text_pack, every_truncation_is_found)
{
    struct packed p = packed_begin(8, 0);
    cr_assert(eq(u32, read_changed(&p, buffer_slice(&p.bytes)), p.count));
    cr_assert(verify(&p, buffer_slice(&p.bytes)) == STATUS_OK);
    for (size_t size = 0; size < p.bytes.size; size++) {
        struct slice cut = slice_of(p.bytes.data, size);
        cr_assert(eq(u32, read_changed(&p, cut), 0), "%zu", size);
        cr_assert(verify(&p, cut) == STATUS_CORRUPT, "%zu", size);
    }
    packed_end(&p);
}

Test(text_pack, every_flipped_bit_is_found_and_no_body_is_ever_wrong)
{
    struct packed p = packed_begin(8, 0);
    for (size_t bit = 0; bit < p.bytes.size * 8; bit++) {
        p.bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)read_changed(&p, buffer_slice(&p.bytes));
        cr_assert(verify(&p, buffer_slice(&p.bytes)) == STATUS_CORRUPT, "bit %zu of byte %zu",
                  bit % 8, bit / 8);
        p.bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    packed_end(&p);
}

/* Three blocks: the reference, one against it, and one whose damage must not touch the others. */
Test(text_pack, a_damaged_block_hides_only_its_own_messages)
{
    struct packed p = packed_begin(16, 60000);
    struct error e = {0};
    struct pack *pack;
    file_set(p.f.io, buffer_slice(&p.bytes));
    cr_assert(pack_open(p.f.io, PATH, 1, &pack, &e) == STATUS_OK, "%s", e.text);
    cr_assert(eq(u32, pack->block_count, 3));
    cr_assert(eq(u32, pack->blocks[0].reference, PACK_NO_REFERENCE));
    cr_assert(eq(u32, pack->blocks[1].reference, 0));
    cr_assert(eq(u32, pack->blocks[2].reference, 0));
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *at = p.bytes.data + pack->blocks[i].offset + pack->blocks[i].stored / 2;
        uint32_t lost = i == 0 ? p.count : pack->blocks[i].messages;
        *at ^= 0x10;
        cr_assert(eq(u32, read_changed(&p, buffer_slice(&p.bytes)), p.count - lost), "block %u", i);
        cr_assert(verify(&p, buffer_slice(&p.bytes)) == STATUS_CORRUPT);
        cr_assert(eq(u32, findings, i == 0 ? 3 : 1));
        *at ^= 0x10;
    }
    pack_unref(pack);
    packed_end(&p);
}

Test(text_pack, a_pack_under_another_number_is_refused)
{
    struct packed p = packed_begin(2, 0);
    struct error e = {0};
    struct text_pack_meta meta;
    struct text_store *t = text_store_create(p.f.io, "p1/text");
    cr_assert(io_rename(p.f.io, PATH, "p1/text/0000000002.pack", &e) == STATUS_OK);
    cr_assert(text_pack_open(t, 2, &meta, &e) == STATUS_CORRUPT);
    cr_assert(strstr(e.text, "number 1") != NULL, "%s", e.text);
    text_store_destroy(t);
    packed_end(&p);
}

/* Nonsense with right checksums: a value of one field, and what must be refused when it is
 * opened. */
enum part {
    PART_HEADER,
    PART_FOOTER,
    PART_TABLE
};
struct nonsense {
    const char *what;
    enum part part;
    uint32_t offset; /* in the part */
    uint32_t width;
    uint64_t value;
};
static const struct nonsense nonsenses[] = {
    {"version", PART_HEADER, 8, 4, 2},
    {"reserved", PART_HEADER, 12, 4, 1},
    {"index offset", PART_FOOTER, 0, 8, 33},
    {"table offset", PART_FOOTER, 8, 8, UINT64_MAX},
    {"table bytes", PART_FOOTER, 16, 8, UINT64_MAX - 100},
    {"no messages", PART_FOOTER, 24, 8, 0},
    {"too many messages", PART_FOOTER, 24, 8, UINT64_MAX / 16},
    {"one message more", PART_FOOTER, 24, 8, 17},
    {"no blocks", PART_FOOTER, 56, 4, 0},
    {"too many blocks", PART_FOOTER, 56, 4, UINT32_MAX},
    {"no runs", PART_FOOTER, 60, 4, 0},
    {"more runs than messages", PART_FOOTER, 60, 4, 17},
    {"stored past the end", PART_TABLE, 8, 4, UINT32_MAX},
    {"nothing stored", PART_TABLE, 8, 4, 0},
    {"raw above the limit", PART_TABLE, 12, 4, PACK_REFERENCE_BYTES + 1},
    {"raw zero", PART_TABLE, 12, 4, 0},
    {"no messages in a block", PART_TABLE, 16, 4, 0},
    {"more messages than bytes", PART_TABLE, 16, 4, UINT32_MAX},
    {"refers to itself", PART_TABLE, 20, 4, 0},
    {"refers forward", PART_TABLE, 20, 4, 1},
    {"a block that refers to itself", PART_TABLE, 44, 4, 1},
    {"a reference that has one itself", PART_TABLE, 68, 4, 1},
    {"an empty run", PART_TABLE, 76, 4, 0},
    {"a run too long", PART_TABLE, 76, 4, 17},
};

static void number_put(uint8_t *at, uint64_t value, uint32_t width)
{
    memcpy(at, &value, width);
}

static void sign_again(struct buffer *b)
{
    uint8_t *footer = b->data + b->size - PACK_FOOTER_BYTES;
    uint64_t table_offset;
    memcpy(&table_offset, footer + 8, sizeof table_offset);
    if (table_offset < b->size - PACK_FOOTER_BYTES)
        number_put(
            footer + 72,
            hash64(slice_of(b->data + table_offset, b->size - PACK_FOOTER_BYTES - table_offset)),
            8);
    number_put(footer + 80, hash64(slice_of(footer, 80)), 8);
    number_put(b->data + 24, hash64(slice_of(b->data, 24)), 8);
}

Test(text_pack, well_signed_nonsense_is_refused_at_open)
{
    struct packed p = packed_begin(16, 60000);
    uint64_t table_offset;
    memcpy(&table_offset, p.bytes.data + p.bytes.size - PACK_FOOTER_BYTES + 8, 8);
    for (size_t i = 0; i < sizeof nonsenses / sizeof nonsenses[0]; i++) {
        const struct nonsense *n = &nonsenses[i];
        struct buffer changed = {0};
        struct error e = {0};
        struct pack *pack;
        buffer_add_slice(&changed, buffer_slice(&p.bytes));
        uint64_t start = 0;
        if (n->part == PART_FOOTER)
            start = changed.size - PACK_FOOTER_BYTES;
        if (n->part == PART_TABLE)
            start = table_offset;
        number_put(changed.data + start + n->offset, n->value, n->width);
        sign_again(&changed);
        file_set(p.f.io, buffer_slice(&changed));
        cr_assert(pack_open(p.f.io, PATH, 1, &pack, &e) == STATUS_CORRUPT, "%s", n->what);
        cr_assert(e.text[0] != 0);
        buffer_deinit(&changed);
    }
    sign_again(&p.bytes);
    cr_assert(eq(u32, read_changed(&p, buffer_slice(&p.bytes)), p.count));
    packed_end(&p);
}

/* Sealing when writes, syncs and renames fail: nothing is lost, and what text_seal promised is
 * there after a power cut. */
static void seal_with_fault(enum io_sim_fault fault)
{
    bool struck = true;
    for (uint64_t at = 0; struck; at++) {
        struct arena arena = {0};
        struct fixture f = fixture_begin();
        struct text_pack_meta meta;
        struct error e = {0};
        struct message m[10];
        for (uint64_t i = 0; i < 10; i++) {
            m[i] = message_make(i, 5000, &arena);
            cr_assert(add(f.t, &m[i], 0, i + 1));
        }
        uint64_t start = io_sim_operations(f.io);
        io_sim_set_fault(f.io, fault, start + at);
        enum status s = text_seal(f.t, 1, UINT64_MAX, &meta, &e);
        struck = io_sim_operations(f.io) > start + at;
        for (uint64_t i = 0; i < 10; i++)
            get_ok(f.t, &m[i]);
        cr_assert(eq(u64, text_memory_seq_min(f.t), 1));
        if (s == STATUS_OK)
            text_seal_commit(f.t, 1);
        text_store_destroy(f.t);
        io_sim_crash(f.io, at);
        f.t = text_store_create(f.io, "p1/text");
        if (s == STATUS_OK) {
            cr_assert(text_pack_open(f.t, 1, &meta, &e) == STATUS_OK, "at %lu: %s", at, e.text);
            for (uint64_t i = 0; i < 10; i++)
                get_ok(f.t, &m[i]);
        }
        cr_assert(struck || s == STATUS_OK);
        fixture_end(&f);
        arena_deinit(&arena);
    }
}

Test(text_pack, a_seal_survives_any_fault_anywhere)
{
    seal_with_fault(IO_SIM_CRASH_BEFORE);
    seal_with_fault(IO_SIM_CRASH_AFTER);
    seal_with_fault(IO_SIM_CRASH_TORN);
    seal_with_fault(IO_SIM_FAIL_ONCE);
    seal_with_fault(IO_SIM_FULL);
    seal_with_fault(IO_SIM_SHORT_WRITE);
}

static bool keep_all(void *context, struct id128 address)
{
    (void)context;
    (void)address;
    return true;
}

/* A merge that fails leaves its inputs as they were: readable, and known to writers again. */
static void merge_with_fault(enum io_sim_fault fault)
{
    bool struck = true;
    for (uint64_t at = 0; struck; at++) {
        struct arena arena = {0};
        struct fixture f = fixture_begin();
        struct text_pack_meta meta;
        struct error e = {0};
        struct message m[8];
        for (uint64_t i = 0; i < 8; i++) {
            m[i] = message_make(i, 3000, &arena);
            cr_assert(add(f.t, &m[i], i % 3, i + 1));
            if (i % 4 == 3)
                seal_ok(f.t, 1 + i / 4, UINT64_MAX);
        }
        uint64_t start = io_sim_operations(f.io);
        io_sim_set_fault(f.io, fault, start + at);
        enum status s = text_merge(f.t, (uint64_t[]){1, 2}, 2, 3, keep_all, NULL, &meta, &e);
        struck = io_sim_operations(f.io) > start + at;
        cr_assert(struck || s == STATUS_OK, "%s", e.text);
        for (uint64_t i = 0; i < 8; i++) {
            get_ok(f.t, &m[i]);
            cr_assert(text_has(f.t, m[i].address) == (s < 0));
        }
        io_sim_set_fault(f.io, IO_SIM_NONE, 0);
        if (s < 0)
            s = text_merge(f.t, (uint64_t[]){1, 2}, 2, 4, keep_all, NULL, &meta, &e);
        cr_assert(s == STATUS_OK, "%s", e.text);
        cr_assert(text_pack_open(f.t, meta.number, &meta, &e) == STATUS_OK, "%s", e.text);
        text_pack_remove(f.t, 1);
        text_pack_remove(f.t, 2);
        for (uint64_t i = 0; i < 8; i++) {
            get_ok(f.t, &m[i]);
            cr_assert(text_has(f.t, m[i].address));
        }
        fixture_end(&f);
        arena_deinit(&arena);
    }
}

Test(text_pack, a_merge_survives_failing_operations)
{
    merge_with_fault(IO_SIM_FAIL_ONCE);
    merge_with_fault(IO_SIM_FULL);
    merge_with_fault(IO_SIM_SHORT_WRITE);
}

Test(text_pack, ordinals_take_the_bits_they_need)
{
    cr_assert(eq(u32, pack_ordinal_bits(1), 0));
    cr_assert(eq(u32, pack_ordinal_bits(2), 1));
    cr_assert(eq(u32, pack_ordinal_bits(3), 2));
    cr_assert(eq(u32, pack_ordinal_bits(4), 2));
    cr_assert(eq(u32, pack_ordinal_bits(5), 3));
    cr_assert(eq(u32, pack_ordinal_bits(PACK_MESSAGES_MAX), 26));
    cr_assert(eq(u64, pack_ordinal_bytes(1), 8));
    cr_assert(eq(u64, pack_ordinal_bytes(2), 16));
    cr_assert(eq(u64, pack_ordinal_bytes(65536), 131080));
}
