/*
 * test_wal_reader.c - replay over damaged bytes: every truncation, every flip, every sector, and commits that
 * no writer makes. A changed record must never come out.
 */
#include "tests/unit/engine/wal/wal_testing.h"

#include "engine/wal/wal_replay.h"

#define FILES 2u

/* A log of two files with three commits each, of one to four blocks. */
#define COMMITS  6u
#define LAST_SEQ 11u
struct fixture {
    struct io *io;
    uint64_t commit_last[COMMITS + 1]; /* last sequence of commit 1.. */
    struct buffer bytes[FILES];
    char path[FILES][WAL_PATH_BYTES];
};

struct commit_plan {
    uint64_t first_seq;
    uint32_t count;
};

/* Frames are made by hand here, so that the test knows every byte and adds nothing by accident. */
static void frame_add(struct fixture *f, size_t file, uint64_t salt, uint64_t first_seq,
                      uint32_t count)
{
    struct buffer body = {0};
    for (uint64_t seq = first_seq; seq < first_seq + count; seq++) {
        uint8_t header[WAL_RECORD_HEADER_BYTES];
        size_t size = payload_bytes_of(seq);
        wal_record_encode(header, (uint8_t)(seq % 5), (uint32_t)(seq % 3), (uint32_t)size);
        buffer_add(&body, header, sizeof header);
        payload_fill(seq, buffer_reserve(&body, size), size);
        body.size += size;
    }
    struct wal_frame frame = {.number = file + 1,
                              .salt = salt,
                              .offset = f->bytes[file].size,
                              .previous_seq = first_seq - 1,
                              .first_seq = first_seq,
                              .record_count = count,
                              .body_bytes = (uint32_t)body.size};
    size_t size = wal_frame_bytes(frame.body_bytes);
    uint8_t *to = buffer_reserve(&f->bytes[file], size);
    memcpy(to + WAL_FRAME_HEADER_BYTES, body.data, body.size);
    wal_frame_seal(&frame, to);
    f->bytes[file].size += size;
    buffer_deinit(&body);
}

static void file_store(struct fixture *f, size_t file)
{
    struct io_file *out = NULL;
    struct error e = {0};
    cr_assert(io_open(f->io, f->path[file], IO_WRITE | IO_CREATE | IO_TRUNCATE, &out, &e) == 0,
              "%s", e.text);
    cr_assert(io_write(out, 0, f->bytes[file].data, f->bytes[file].size, &e) == 0);
    cr_assert(io_sync(out, &e) == 0);
    io_close(out);
}

static struct fixture fixture_make(void)
{
    struct fixture f = {.io = io_sim_create(3)};
    struct error e = {0};
    cr_assert(io_make_dir(f.io, "wal", &e) == 0);
    frame_add(&f, 0, 111, 1, 1);
    frame_add(&f, 0, 111, 2, 5);
    frame_add(&f, 0, 111, 7, 1);
    frame_add(&f, 1, 222, 8, 1);
    frame_add(&f, 1, 222, 9, 2);
    frame_add(&f, 1, 222, 11, 1);
    uint64_t last[COMMITS + 1] = {0, 1, 6, 7, 8, 10, LAST_SEQ};
    memcpy(f.commit_last, last, sizeof last);
    for (size_t i = 0; i < FILES; i++) {
        wal_path(i + 1, f.path[i]);
        file_store(&f, i);
    }
    return f;
}

static void fixture_drop(struct fixture *f)
{
    for (size_t i = 0; i < FILES; i++)
        buffer_deinit(&f->bytes[i]);
    io_destroy(f->io);
}

static enum status replay(struct fixture *f, uint64_t from_seq, struct seen *seen,
                          struct error *reterr)
{
    *seen = (struct seen){0};
    struct wal_replay r = {.io = f->io, .from_seq = from_seq, .each = seen_record, .context = seen};
    struct wal_log log = {0};
    enum status s = wal_replay_run(&r, &log, reterr);
    wal_log_deinit(&log);
    cr_assert(seen->is_wrong == false, "a changed record was handed out");
    return s;
}

/* The damage lies in commit `commit` (from 1): it is reported, or it looks like a torn tail. */
static void outcome_check(struct fixture *f, unsigned commit, const char *what, size_t at)
{
    struct seen seen;
    struct error e = {0};
    enum status s = replay(f, 1, &seen, &e);
    if (commit == COMMITS) {
        cr_assert(s == STATUS_OK, "%s at %zu of the last commit: %s", what, at, e.text);
        cr_assert(seen.last == f->commit_last[COMMITS - 1]);
        return;
    }
    cr_assert(s == STATUS_CORRUPT, "%s at %zu of commit %u: %s", what, at, commit, status_name(s));
    cr_assert(strstr(e.text, "wal/000000000") != NULL);
    cr_assert(e.position >= 0);
}

/* Which commit covers a byte of a file, and where that commit starts. */
static unsigned commit_at(const struct fixture *f, size_t file, size_t at, size_t *ret_start)
{
    unsigned commit = file == 0 ? 1 : 4;
    size_t offset = 0;
    for (;;) {
        struct wal_frame frame;
        struct slice rest = slice_of(f->bytes[file].data + offset, f->bytes[file].size - offset);
        cr_assert(wal_frame_decode(rest, false, &frame) == NULL);
        if (ret_start != NULL)
            *ret_start = offset;
        offset += wal_frame_bytes(frame.body_bytes);
        if (at < offset)
            return commit;
        commit++;
    }
}

Test(wal_reader, good_bytes_give_every_record)
{
    struct fixture f = fixture_make();
    struct seen seen;
    struct error e = {0};
    cr_assert(replay(&f, 1, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(seen.first == 1 && seen.last == LAST_SEQ && seen.count == LAST_SEQ);
    cr_assert(replay(&f, 9, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(seen.first == 9 && seen.last == LAST_SEQ && seen.count == 3);
    fixture_drop(&f);
}

static void flip_all(size_t file)
{
    static const struct {
        uint8_t keep;
        uint8_t toggle;
    } flips[] = {{0xff, 0x01}, {0xff, 0x80}, {0x00, 0x00}, {0x00, 0xff}};
    struct fixture f = fixture_make();
    for (size_t at = 0; at < f.bytes[file].size; at++) {
        uint8_t old = f.bytes[file].data[at];
        for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
            uint8_t changed = (uint8_t)((old & flips[i].keep) ^ flips[i].toggle);
            if (changed == old)
                continue;
            io_sim_poke(f.io, f.path[file], at, changed);
            outcome_check(&f, commit_at(&f, file, at, NULL), "a flip", at);
            io_sim_poke(f.io, f.path[file], at, old);
        }
    }
    fixture_drop(&f);
}

Test(wal_reader, every_flip_in_the_first_file_is_reported)
{
    flip_all(0);
}

Test(wal_reader, every_flip_in_the_last_file_is_reported_or_a_torn_tail)
{
    flip_all(1);
}

static void truncate_to(struct fixture *f, size_t file, size_t size)
{
    struct io_file *out = NULL;
    struct error e = {0};
    cr_assert(io_open(f->io, f->path[file], IO_WRITE, &out, &e) == 0);
    cr_assert(io_truncate(out, size, &e) == 0);
    cr_assert(io_sync(out, &e) == 0);
    io_close(out);
}

/* Lengths are a matter of whole blocks, so every length near a block's edge and some between. */
static bool length_is_interesting(size_t length)
{
    return length % IO_ALIGN < 80 || length % IO_ALIGN > IO_ALIGN - 3 || length % 61 == 0;
}

Test(wal_reader, every_truncation_is_reported_or_a_torn_tail)
{
    struct fixture f = fixture_make();
    for (size_t file = 0; file < FILES; file++) {
        for (size_t length = f.bytes[file].size; length-- > 0;) {
            if (!length_is_interesting(length))
                continue;
            truncate_to(&f, file, length);
            struct seen seen;
            struct error e = {0};
            enum status s = replay(&f, 1, &seen, &e);
            if (file == 0) {
                cr_assert(s == STATUS_CORRUPT, "length %zu of the first file", length);
            } else {
                /* The tail is gone as if it had never been written: nothing on disk tells of it. */
                cr_assert(s == STATUS_OK, "length %zu of the last file: %s", length, e.text);
                unsigned commit = commit_at(&f, file, length, NULL);
                cr_assert(seen.last == f.commit_last[commit - 1]);
            }
        }
        file_store(&f, file);
    }
    fixture_drop(&f);
}

Test(wal_reader, zeroed_and_swapped_sectors_are_reported)
{
    struct fixture f = fixture_make();
    for (size_t file = 0; file < FILES; file++) {
        struct slice whole = buffer_slice(&f.bytes[file]);
        size_t sectors = whole.size / 512;
        for (size_t i = 0; i < sectors; i++) {
            for (size_t j = 0; j <= sectors; j++) {
                /* j == sectors: zeroed; else sector i takes the bytes of sector j. */
                bool is_same = true;
                for (size_t k = 0; k < 512; k++) {
                    uint8_t now = j == sectors ? 0 : whole.data[j * 512 + k];
                    is_same &= now == whole.data[i * 512 + k];
                    io_sim_poke(f.io, f.path[file], i * 512 + k, now);
                }
                if (!is_same)
                    outcome_check(&f, commit_at(&f, file, i * 512, NULL), "a sector", i);
            }
            for (size_t k = 0; k < 512; k++)
                io_sim_poke(f.io, f.path[file], i * 512 + k, whole.data[i * 512 + k]);
        }
    }
    fixture_drop(&f);
}

Test(wal_reader, a_commit_of_another_file_or_an_earlier_life_is_not_taken)
{
    struct fixture f = fixture_make();
    struct seen seen;
    struct error e = {0};
    /* A whole commit with the next sequence, but of file 1, with the salt of another life, or of
     * another place. */
    for (unsigned kind = 0; kind < 3; kind++) {
        size_t before = f.bytes[1].size;
        frame_add(&f, 1, kind == 1 ? 999 : 222, LAST_SEQ + 1, 1);
        if (kind != 1) {
            struct wal_frame frame;
            uint8_t *at = f.bytes[1].data + before;
            cr_assert(wal_frame_decode(slice_of(at, IO_ALIGN), false, &frame) == NULL);
            if (kind == 0)
                frame.number = 1;
            else
                frame.offset -= IO_ALIGN;
            wal_frame_seal(&frame, at);
        }
        file_store(&f, 1);
        cr_assert(replay(&f, 1, &seen, &e) == STATUS_OK, "%s", e.text);
        cr_assert(seen.last == LAST_SEQ);
        f.bytes[1].size = before;
    }
    fixture_drop(&f);
}

Test(wal_reader, a_missing_file_is_a_hole)
{
    struct fixture f = fixture_make();
    struct seen seen;
    struct error e = {0};
    cr_assert(io_unlink(f.io, f.path[0], &e) == 0);
    cr_assert(replay(&f, 1, &seen, &e) == STATUS_CORRUPT);
    cr_assert(strstr(e.text, "needed from 1") != NULL, "%s", e.text);
    cr_assert(seen.count == 0);
    cr_assert(replay(&f, 8, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(seen.first == 8 && seen.last == LAST_SEQ);
    fixture_drop(&f);
}

/* What later files hold again is void in earlier ones: a commit whose sync failed. */
Test(wal_reader, a_repeated_commit_counts_once)
{
    struct fixture f = fixture_make();
    f.bytes[1].size = 0;
    frame_add(&f, 1, 222, 7, 1);
    frame_add(&f, 1, 222, 8, 3);
    file_store(&f, 1);
    struct seen seen;
    struct error e = {0};
    cr_assert(replay(&f, 1, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(seen.first == 1 && seen.last == 10 && seen.count == 10);
    /* Torn in the first file, whole in the second: nothing is missing. */
    io_sim_poke(f.io, f.path[0], f.bytes[0].size - IO_ALIGN, 0);
    cr_assert(replay(&f, 1, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(seen.count == 10);
    fixture_drop(&f);
}

Test(wal_reader, damage_in_records_that_are_not_needed_is_no_obstacle)
{
    struct fixture f = fixture_make();
    struct seen seen;
    struct error e = {0};
    io_sim_poke(f.io, f.path[0], 10, 0xaa);
    cr_assert(replay(&f, 8, &seen, &e) == STATUS_OK, "%s", e.text);
    cr_assert(replay(&f, 7, &seen, &e) == STATUS_CORRUPT);
    fixture_drop(&f);
}

Test(wal_reader, names_are_exact)
{
    static const struct {
        char name[20];
        uint64_t number; /* 0: no name of a log file */
    } names[] = {
        {"0000000001.wal", 1},
        {"9999999999.wal", 9999999999},
        {"0000000000.wal", 0},
        {"1.wal", 0},
        {"00000000001.wal", 0},
        {"000000001.wal", 0},
        {"0000000001.wal~", 0},
        {"0000000001", 0},
        {"000000000a.wal", 0},
        {"", 0},
        {".wal", 0},
        {"-000000001.wal", 0},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t number = 0;
        bool is_name = wal_name_parse(names[i].name, &number);
        cr_assert(is_name == (names[i].number != 0), "%s", names[i].name);
        cr_assert(number == names[i].number);
    }
}

/* Every field of a header beyond what a writer makes, under a checksum that matches. */
Test(wal_reader, headers_no_writer_makes_are_refused)
{
    const struct wal_frame good = {.number = 1,
                                   .salt = 1,
                                   .previous_seq = 4,
                                   .first_seq = 5,
                                   .record_count = 2,
                                   .body_bytes = 24};
    struct wal_frame bad[6] = {good, good, good, good, good, good};
    bad[0].record_count = 0;
    bad[1].record_count = 3;
    bad[2].first_seq = 4;
    bad[3].first_seq = 0;
    bad[4].first_seq = UINT64_MAX - 1;
    bad[5].record_count = UINT32_MAX;
    uint8_t *block = mem_zero(1, IO_ALIGN);
    struct wal_frame frame = good;
    wal_frame_seal(&frame, block);
    cr_assert(wal_frame_decode(slice_of(block, IO_ALIGN), false, &frame) == NULL);
    cr_assert(frame.first_seq == 5 && frame.record_count == 2 && frame.body_bytes == 24);
    for (size_t size = 0; size < WAL_FRAME_HEADER_BYTES; size++)
        cr_assert(wal_frame_decode(slice_of(block, size), false, &frame) != NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wal_frame_seal(&bad[i], block);
        cr_assert(wal_frame_decode(slice_of(block, IO_ALIGN), false, &frame) != NULL, "%zu", i);
    }
    mem_free(block);
}

Test(wal_reader, the_size_limit_of_a_frame_is_exact)
{
    struct wal_frame frame = {.number = 1, .first_seq = 1, .record_count = 1};
    uint8_t *bytes = mem_zero(1, wal_frame_bytes(WAL_BODY_BYTES_MAX + 1));
    frame.body_bytes = WAL_BODY_BYTES_MAX;
    wal_frame_seal(&frame, bytes);
    struct wal_frame back;
    cr_assert(wal_frame_decode(slice_of(bytes, IO_ALIGN), false, &back) == NULL);
    frame.body_bytes = WAL_BODY_BYTES_MAX + 1;
    wal_frame_seal(&frame, bytes);
    cr_assert(wal_frame_decode(slice_of(bytes, IO_ALIGN), false, &back) != NULL);
    mem_free(bytes);
}

/* A body whose checksum matches but whose records do not add up is damage even at the end of the log. */
Test(wal_reader, malformed_records_under_good_checksums_are_reported)
{
    for (unsigned kind = 0; kind < 5; kind++) {
        struct fixture f = fixture_make();
        size_t start = 0;
        cr_assert(commit_at(&f, 1, f.bytes[1].size / 2, &start) == 5);
        uint8_t *at = f.bytes[1].data + start;
        struct wal_frame frame;
        cr_assert(wal_frame_decode(slice_of(at, IO_ALIGN), false, &frame) == NULL);
        uint8_t *body = at + WAL_FRAME_HEADER_BYTES;
        uint32_t first_bytes;
        memcpy(&first_bytes, body, sizeof first_bytes);
        switch (kind) {
        case 0: /* the first record swallows the second */
            first_bytes = frame.body_bytes;
            memcpy(body, &first_bytes, sizeof first_bytes);
            break;
        case 1: /* a record too few */
            frame.record_count = 1;
            break;
        case 2: /* a type above 255 */
            body[9] = 1;
            break;
        case 3: /* a body that goes on behind the last record */
            frame.body_bytes += 1;
            break;
        case 4: /* the last record is shorter than its length says */
            frame.body_bytes -= 1;
            break;
        default:
            break;
        }
        wal_frame_seal(&frame, at);
        file_store(&f, 1);
        struct wal_replay r = {.io = f.io, .from_seq = 1, .each = NULL};
        struct seen seen = {0};
        r.each = seen_record;
        r.context = &seen;
        struct wal_log log = {0};
        struct error e = {0};
        cr_assert(wal_replay_run(&r, &log, &e) == STATUS_CORRUPT, "kind %u", kind);
        wal_log_deinit(&log);
        fixture_drop(&f);
    }
}

/* Padding is covered by the checksum and must be zero as well. */
Test(wal_reader, padding_that_is_not_zero_is_reported)
{
    struct fixture f = fixture_make();
    uint8_t *at = f.bytes[1].data;
    struct wal_frame frame;
    cr_assert(wal_frame_decode(slice_of(at, IO_ALIGN), false, &frame) == NULL);
    cr_assert(WAL_FRAME_HEADER_BYTES + frame.body_bytes < IO_ALIGN);
    /* Sealed as if the last padding byte belonged to the body, then the length is put back. */
    at[IO_ALIGN - 1] = 9;
    uint32_t body_bytes = frame.body_bytes;
    frame.body_bytes = IO_ALIGN - WAL_FRAME_HEADER_BYTES;
    wal_frame_seal(&frame, at);
    memcpy(at + 52, &body_bytes, sizeof body_bytes);
    uint64_t checksum = hash64(slice_of(at, WAL_FRAME_HEADER_BYTES - 8));
    memcpy(at + WAL_FRAME_HEADER_BYTES - 8, &checksum, sizeof checksum);
    file_store(&f, 1);
    struct seen seen;
    struct error e = {0};
    cr_assert(replay(&f, 1, &seen, &e) == STATUS_CORRUPT);
    cr_assert(strstr(e.text, "malformed") != NULL, "%s", e.text);
    fixture_drop(&f);
}

struct findings {
    unsigned count;
    uint64_t offset;
    char path[64];
};

static void finding_keep(void *context, const char *path, uint64_t offset, const char *text)
{
    struct findings *findings = context;
    cr_assert(text[0] != '\0');
    findings->count++;
    findings->offset = offset;
    (void)snprintf(findings->path, sizeof findings->path, "%s", path);
}

Test(wal_reader, verify_names_the_place_and_goes_on)
{
    struct fixture f = fixture_make();
    struct findings findings = {0};
    struct error e = {0};
    uint64_t records = 0;
    cr_assert(wal_verify(f.io, finding_keep, &findings, &records, &e) == STATUS_OK, "%s", e.text);
    cr_assert(records == LAST_SEQ);
    cr_assert(findings.count == 0);
    io_sim_poke(f.io, f.path[0], IO_ALIGN + 200, 0x77);
    cr_assert(wal_verify(f.io, finding_keep, &findings, &records, &e) == STATUS_OK, "%s", e.text);
    cr_assert(findings.count == 1);
    cr_assert(findings.offset == IO_ALIGN);
    cr_assert(strcmp(findings.path, "wal/0000000001.wal") == 0);
    cr_assert(records == LAST_SEQ - 5);
    fixture_drop(&f);
}
