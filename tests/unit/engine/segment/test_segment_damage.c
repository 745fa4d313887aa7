/*
 * test_segment_damage.c - changed and missing bytes are an error or change nothing: never another row, never a crash.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "segment_text.h"

static struct buffer golden_get(const char *name)
{
    char path[512];
    const char *source = getenv("SOURCE_DIR");
    (void)snprintf(path, sizeof path, "%s/tests/golden/segment/%s",
                   source == NULL ? "/nowhere" : source, name);
    return file_get(path);
}

static const char *const mutations[] = {"^01", "^80", "=00", "=FF"};

static uint8_t mutated(uint8_t byte, uint32_t mutation)
{
    switch (mutation) {
    case 0:
        return byte ^ 0x01;
    case 1:
        return byte ^ 0x80;
    case 2:
        return 0x00;
    default:
        return 0xff;
    }
}

/* Reads everything there is to ask, ignoring answers. */
static void lookups_try(struct segment *s)
{
    struct row_range ranges[4];
    struct error e;
    uint32_t count;
    struct id128 id = {{1, 2, 3}};
    uint64_t bits[2] = {0};
    (void)segment_may_have_trace(s, id);
    (void)segment_may_have_session(s, slice_text("ses_1"));
    if (segment_find_trace(s, id, ranges, 4, &count, &e) < 0 ||
        segment_find_session(s, slice_text("ses_1"), ranges, 4, &count, &e) < 0)
        return;
    for (uint32_t i = 0; i < segment_column_count(s); i++) {
        struct zone zone;
        if (segment_zone(s, (int)i, 0, &zone, &e) < 0 ||
            segment_postings(s, (int)i, 1, bits, &e) < 0)
            return;
    }
}

/* True when the bytes read as `want`; false when they are refused. Other rows fail the test. */
static bool reads_as(struct slice bytes, struct slice want, bool skip_checksum, const char *what)
{
    struct schema schema;
    struct segment *s = NULL;
    struct error e = {0};
    struct buffer got = {0};
    schema_init(&schema);
    struct io *io = io_sim_create(1);
    MUST(io_replace_file(io, "g.seg", bytes, NULL));
    bool good = false;
    enum status status = segment_open(io, "g.seg", &schema, skip_checksum, &s, &e);
    if (status >= 0) {
        lookups_try(s);
        good = csv_read(s, &got, &e);
        if (good && !skip_checksum)
            cr_assert(slice_equal(buffer_slice(&got), want), "%s: other rows", what);
    }
    if (!good)
        cr_assert(e.text[0] != 0, "%s: no message", what);
    segment_close(s);
    buffer_deinit(&got);
    io_destroy(io);
    schema_deinit(&schema);
    return good;
}

static void flips_try(const char *name, uint32_t step, bool skip_checksum)
{
    char file[64];
    (void)snprintf(file, sizeof file, "%s.seg", name);
    struct buffer bytes = golden_get(file);
    (void)snprintf(file, sizeof file, "%s.csv", name);
    struct buffer want = golden_get(file);
    cr_assert(reads_as(buffer_slice(&bytes), buffer_slice(&want), false, "whole"));
    for (size_t at = 0; at < bytes.size; at += step) {
        for (uint32_t m = 0; m < 4; m++) {
            uint8_t kept = bytes.data[at];
            char what[96];
            (void)snprintf(what, sizeof what, "%s byte %zu %s", name, at, mutations[m]);
            bytes.data[at] = mutated(kept, m);
            if (bytes.data[at] != kept) {
                (void)reads_as(buffer_slice(&bytes), buffer_slice(&want), skip_checksum, what);
            }
            bytes.data[at] = kept;
        }
    }
    buffer_deinit(&bytes);
    buffer_deinit(&want);
}

Test(segment_damage, every_changed_byte_of_a_small_file)
{
    flips_try("spans_one", 1, false);
}

Test(segment_damage, changed_bytes_of_tags)
{
    flips_try("tags", 3, false);
}

Test(segment_damage, changed_bytes_of_lifelike_spans)
{
    flips_try("spans_lifelike", 29, false);
}

/* Without checksums the decoders stand alone: anything may be read, nothing may be hurt. */
Test(segment_damage, decoders_survive_without_checksums)
{
    flips_try("spans_one", 1, true);
    flips_try("spans_lifelike", 23, true);
    flips_try("spans_styled", 23, true);
    flips_try("tags_rising", 23, true);
}

Test(segment_damage, every_truncation_is_refused)
{
    static const char *const names[] = {"spans_one", "tags"};
    for (uint32_t i = 0; i < 2; i++) {
        char file[64];
        (void)snprintf(file, sizeof file, "%s.seg", names[i]);
        struct buffer bytes = golden_get(file);
        for (size_t size = 0; size < bytes.size; size += i == 0 ? 1 : 5)
            cr_assert(reads_as(slice_of(bytes.data, size), SLICE_EMPTY, false, "truncated") ==
                          false,
                      "%s cut to %zu", names[i], size);
        buffer_deinit(&bytes);
    }
}

static void count_finding(void *context, uint64_t offset, const char *text)
{
    (void)offset;
    (void)text;
    ++*(uint32_t *)context;
}

/* The verifier misses nothing at all. */
Test(segment_damage, verify_finds_every_changed_byte)
{
    struct buffer bytes = golden_get("spans_one.seg");
    for (size_t at = 0; at < bytes.size; at++) {
        bytes.data[at] ^= 0x10;
        struct io *io = io_sim_create(1);
        struct error e = {0};
        uint32_t findings = 0;
        MUST(io_replace_file(io, "g.seg", buffer_slice(&bytes), NULL));
        cr_assert(segment_verify(io, "g.seg", count_finding, &findings, &e) == STATUS_CORRUPT,
                  "byte %zu: %s", at, e.text);
        cr_assert(findings > 0);
        io_destroy(io);
        bytes.data[at] ^= 0x10;
    }
    buffer_deinit(&bytes);
}

/* Exit status of segcat on bytes; its rows in *ret. */
static int segcat_run(const char *path, struct slice bytes, struct buffer *ret)
{
    char command[1200];
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL);
    (void)fwrite(bytes.data, 1, bytes.size, f);
    (void)fclose(f);
    (void)snprintf(command, sizeof command, "'%s' '%s' 2>/dev/null", getenv("SEGCAT"), path);
    f = popen(command, "r");
    cr_assert(f != NULL);
    for (size_t n = 1; n > 0; ret->size += n)
        n = fread(buffer_reserve(ret, 4096), 1, 4096, f);
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(segment_damage, segcat_refuses_changed_and_missing_bytes)
{
    char path[] = "/tmp/segment-damage-XXXXXX";
    struct buffer bytes = golden_get("spans_one.seg");
    struct buffer want = golden_get("spans_one.csv");
    cr_assert(getenv("SEGCAT") != NULL, "SEGCAT names no program");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    (void)close(fd);
    for (size_t at = 0; at < bytes.size; at += 13) {
        uint8_t kept = bytes.data[at];
        struct buffer got = {0};
        bytes.data[at] = mutated(kept, (uint32_t)(at / 13 % 4));
        int code = segcat_run(path, buffer_slice(&bytes), &got);
        cr_assert(code == 3 || (code == 0 && slice_equal(buffer_slice(&got), buffer_slice(&want))),
                  "byte %zu: exit %d", at, code);
        bytes.data[at] = kept;
        buffer_deinit(&got);
    }
    for (size_t size = 0; size < bytes.size; size += 41) {
        struct buffer got = {0};
        int code = segcat_run(path, slice_of(bytes.data, size), &got);
        cr_assert(code == 3, "cut to %zu: exit %d", size, code);
        buffer_deinit(&got);
    }
    (void)unlink(path);
    buffer_deinit(&bytes);
    buffer_deinit(&want);
}
