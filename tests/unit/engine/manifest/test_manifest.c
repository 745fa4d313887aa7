/*
 * test_manifest.c - the manifest on real files: commits, reopening, rewriting, damage.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/manifest/manifest_log.h"
#include "tests/unit/engine/manifest/manifest_script.h"

struct store {
    char root[64];
    struct io *io;
};

static void store_begin(struct store *s)
{
    struct error e = {0};
    snprintf(s->root, sizeof s->root, "/tmp/driftline-manifest-XXXXXX");
    cr_assert(mkdtemp(s->root) != NULL);
    cr_assert(io_posix_backend_create(s->root, &s->io, &e) == STATUS_OK, "%s", e.text);
}

static void store_end(struct store *s)
{
    char command[128];
    io_destroy(s->io);
    snprintf(command, sizeof command, "rm -r '%s'", s->root);
    cr_assert(system(command) == 0);
}

static struct manifest *open_ok(struct store *s)
{
    struct error e = {0};
    struct manifest *m = NULL;
    cr_assert(manifest_open(s->io, false, &m, &e) == STATUS_OK, "%s", e.text);
    return m;
}

static void step_ok(struct manifest *m, uint32_t step)
{
    struct manifest_edit edits[4];
    struct error e = {0};
    uint32_t count = script_edits(step, edits);
    cr_assert(manifest_commit(m, edits, count, &e) == STATUS_OK, "step %u: %s", step, e.text);
}

/* The path of the only manifest file. */
static void log_name(const struct store *s, char to[400])
{
    char directory[80];
    int files = 0;
    snprintf(directory, sizeof directory, "%s/manifest", s->root);
    DIR *d = opendir(directory);
    cr_assert(d != NULL);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(to, 400, "%s/%s", directory, entry->d_name);
        files++;
    }
    closedir(d);
    cr_assert(eq(int, files, 1));
}

static struct buffer file_read(const char *path)
{
    struct buffer b = {0};
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    for (int c; (c = fgetc(f)) != EOF;)
        buffer_add_byte(&b, (uint8_t)c);
    fclose(f);
    return b;
}

static void file_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL, "%s", path);
    cr_assert(eq(sz, fwrite(data, 1, size, f), size));
    fclose(f);
}

Test(manifest, every_commit_is_there_after_reopening)
{
    struct store s;
    struct buffer before = {0};
    struct buffer after = {0};
    store_begin(&s);
    for (uint32_t step = 0; step < SCRIPT_STEPS; step++) {
        struct manifest *m = open_ok(&s);
        step_ok(m, step);
        script_state(m, &before);
        manifest_close(m);
        m = open_ok(&s);
        script_state(m, &after);
        cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)), "step %u", step);
        manifest_close(m);
    }
    buffer_deinit(&before);
    buffer_deinit(&after);
    store_end(&s);
}

Test(manifest, a_new_store_is_empty_and_reading_only_does_not_make_one)
{
    struct store s;
    struct error e = {0};
    struct manifest *m = NULL;
    uint32_t count = 9;
    store_begin(&s);
    cr_assert(manifest_open(s.io, true, &m, &e) == STATUS_NOT_FOUND);
    m = open_ok(&s);
    manifest_segments(m, &count);
    cr_assert(eq(u32, count, 0));
    manifest_close(m);
    cr_assert(manifest_open(s.io, true, &m, &e) == STATUS_OK, "%s", e.text);
    cr_assert(manifest_commit(m, NULL, 0, &e) == STATUS_READ_ONLY);
    manifest_close(m);
    store_end(&s);
}

Test(manifest, numbers_are_never_given_twice)
{
    struct store s;
    store_begin(&s);
    struct manifest *m = open_ok(&s);
    uint64_t last = 0;
    for (uint32_t step = 0; step < SCRIPT_STEPS; step++) {
        uint64_t number = manifest_next_number(m);
        cr_assert(number > last, "%lu after %lu", number, last);
        last = number;
        step_ok(m, step);
        manifest_close(m);
        m = open_ok(&s);
        uint32_t count;
        const struct manifest_segment *segments = manifest_segments(m, &count);
        number = manifest_next_number(m);
        cr_assert(number > last);
        last = number;
        for (uint32_t i = 0; i < count; i++)
            cr_assert(number > segments[i].number);
        step_ok(m, 10);
    }
    cr_assert(last >= 5000);
    manifest_close(m);
    store_end(&s);
}

static const struct manifest_segment segment_of_no_project = {.number = 9, .project = 3};
static const struct manifest_segment segment_twice = {.number = 14, .project = 1};
static const struct manifest_segment segment_zero = {.number = 0, .project = 1};
static const struct manifest_client client_unknown = {.id = {9}};
static const struct manifest_edit bad_edits[] = {
    {.kind = EDIT_PROJECT_ADD, .project = 3, .name = "Upper"},
    {.kind = EDIT_PROJECT_ADD, .project = 3, .name = ""},
    {.kind = EDIT_PROJECT_ADD, .project = 3, .name = "default"},
    {.kind = EDIT_PROJECT_ADD, .project = 4, .name = "gap"},
    {.kind = EDIT_PROJECT_ADD,
     .project = 3,
     .name = "a123456789a123456789a123456789a123456789a123456789a123456789a1234"},
    {.kind = EDIT_SEGMENT_ADD, .segment = &segment_of_no_project},
    {.kind = EDIT_SEGMENT_ADD, .segment = &segment_twice},
    {.kind = EDIT_SEGMENT_ADD, .segment = &segment_zero},
    {.kind = EDIT_SEGMENT_REMOVE, .project = 1, .number = 999},
    {.kind = EDIT_SEGMENT_REMOVE, .project = 2, .number = 14},
    {.kind = EDIT_PACK_REMOVE, .project = 1, .number = 14},
    {.kind = EDIT_PATCH_REMOVE, .project = 1, .number = 14},
    {.kind = EDIT_CLIENT_REMOVE, .client = &client_unknown},
};

Test(manifest, an_edit_that_does_not_fit_changes_nothing)
{
    struct store s;
    struct buffer before = {0};
    struct buffer after = {0};
    store_begin(&s);
    struct manifest *m = open_ok(&s);
    for (uint32_t step = 0; step < 6; step++)
        step_ok(m, step);
    script_state(m, &before);
    for (size_t i = 0; i < sizeof bad_edits / sizeof bad_edits[0]; i++) {
        struct error e = {0};
        struct manifest_edit edits[2] = {{.kind = EDIT_WAL_KEEP, .value = 1}, bad_edits[i]};
        enum status status = manifest_commit(m, edits, 2, &e);
        cr_assert(status == STATUS_INVALID, "edit %zu: %d %s", i, status, e.text);
        cr_assert(e.text[0] != 0);
    }
    script_state(m, &after);
    cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    manifest_close(m);
    m = open_ok(&s);
    script_state(m, &after);
    cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    manifest_close(m);
    buffer_deinit(&before);
    buffer_deinit(&after);
    store_end(&s);
}

Test(manifest, a_grown_log_is_rewritten_and_says_the_same)
{
    struct store s;
    struct buffer before = {0};
    struct buffer after = {0};
    char name[400];
    char first[400];
    struct stat st;
    uint64_t size_max = 0;
    store_begin(&s);
    struct manifest *m = open_ok(&s);
    step_ok(m, 0);
    log_name(&s, first);
    for (uint64_t i = 0; i < 9000; i++) {
        struct error e = {0};
        struct manifest_segment in = {.number = 1000 + i, .project = 1, .rows = UINT64_MAX};
        struct manifest_edit edits[] = {
            {.kind = EDIT_SEGMENT_ADD, .segment = &in},
            {.kind = EDIT_SEGMENT_REMOVE, .project = 1, .number = 1000 + i - 1},
        };
        cr_assert(manifest_commit(m, edits, i == 0 ? 1 : 2, &e) == STATUS_OK, "%s", e.text);
        if (i % 1000 == 999) {
            log_name(&s, name);
            cr_assert(stat(name, &st) == 0);
            if (size_max < (uint64_t)st.st_size)
                size_max = (uint64_t)st.st_size;
        }
    }
    cr_assert(strcmp(name, first) != 0);
    cr_assert(size_max < 512u << 10, "%lu", size_max);
    script_state(m, &before);
    manifest_close(m);
    m = open_ok(&s);
    script_state(m, &after);
    cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    manifest_close(m);
    buffer_deinit(&before);
    buffer_deinit(&after);
    store_end(&s);
}

/* A log of the whole script, the state after each of its records, and where each record ends. */
struct log {
    char name[400];
    char current[80];
    struct buffer bytes;
    struct buffer states[SCRIPT_STEPS + 1];
    uint64_t ends[SCRIPT_STEPS + 1];
};

static void log_make(struct store *s, struct log *l)
{
    struct stat st;
    *l = (struct log){0};
    struct manifest *m = open_ok(s);
    log_name(s, l->name);
    for (uint32_t step = 0; step <= SCRIPT_STEPS; step++) {
        if (step > 0)
            step_ok(m, step - 1);
        script_state(m, &l->states[step]);
        cr_assert(stat(l->name, &st) == 0);
        l->ends[step] = (uint64_t)st.st_size;
    }
    manifest_close(m);
    l->bytes = file_read(l->name);
    snprintf(l->current, sizeof l->current, "%s/CURRENT", s->root);
    cr_assert(eq(u64, l->ends[SCRIPT_STEPS], l->bytes.size));
}

static void log_free(struct log *l)
{
    buffer_deinit(&l->bytes);
    for (uint32_t i = 0; i <= SCRIPT_STEPS; i++)
        buffer_deinit(&l->states[i]);
}

/* How many commits the state is the result of, or -1. */
static int log_prefix(const struct log *l, const struct buffer *state)
{
    for (int i = (int)SCRIPT_STEPS; i >= 0; i--) {
        if (slice_equal(buffer_slice(&l->states[i]), buffer_slice(state)))
            return i;
    }
    return -1;
}

Test(manifest, every_truncation_is_a_prefix_of_the_commits)
{
    struct store s;
    struct log l;
    struct buffer state = {0};
    store_begin(&s);
    log_make(&s, &l);
    for (size_t size = 0; size < l.bytes.size; size++) {
        struct error e = {0};
        struct manifest *m = NULL;
        file_write(l.name, l.bytes.data, size);
        enum status status = manifest_open(s.io, false, &m, &e);
        if (size < l.ends[0]) {
            cr_assert(status == STATUS_CORRUPT, "%zu", size);
            continue;
        }
        cr_assert(status == STATUS_OK, "%zu: %s", size, e.text);
        script_state(m, &state);
        int prefix = log_prefix(&l, &state);
        cr_assert(prefix >= 0, "%zu", size);
        /* Equal states follow an empty commit: compare by the record's end. */
        cr_assert(l.ends[prefix] <= size ||
                  slice_equal(buffer_slice(&l.states[prefix - 1]), buffer_slice(&state)));
        cr_assert(prefix == (int)SCRIPT_STEPS || l.ends[prefix + 1] > size);
        manifest_close(m);
    }
    buffer_deinit(&state);
    log_free(&l);
    store_end(&s);
}

Test(manifest, a_commit_after_a_torn_tail_goes_to_a_fresh_file)
{
    struct store s;
    struct log l;
    struct buffer state = {0};
    char name[400];
    store_begin(&s);
    log_make(&s, &l);
    file_write(l.name, l.bytes.data, l.bytes.size - 3);
    struct manifest *m = open_ok(&s);
    step_ok(m, SCRIPT_STEPS - 1);
    manifest_close(m);
    log_name(&s, name);
    cr_assert(strcmp(name, l.name) != 0);
    m = open_ok(&s);
    script_state(m, &state);
    cr_assert(eq(int, log_prefix(&l, &state), (int)SCRIPT_STEPS));
    manifest_close(m);
    buffer_deinit(&state);
    log_free(&l);
    store_end(&s);
}

/* Replays a changed log from memory: what manifest_open does, without 100,000 files. */
static enum status replay_state(struct slice bytes, struct buffer *to)
{
    struct manifest_state state;
    struct manifest_replay replay;
    struct error e = {0};
    manifest_state_init(&state);
    enum status status = manifest_replay(bytes, 1, "manifest/0000000001", &state, &replay, &e);
    buffer_reset(to);
    if (status == STATUS_OK)
        manifest_snapshot_encode(0, &state, to);
    else
        cr_assert(strstr(e.text, "manifest/0000000001 at offset") != NULL, "%s", e.text);
    manifest_state_deinit(&state);
    return status;
}

Test(manifest, every_flipped_bit_is_found_or_cuts_off_the_last_commit)
{
    struct store s;
    struct log l;
    struct buffer whole = {0};
    struct buffer all_but_last = {0};
    struct buffer state = {0};
    uint32_t found = 0;
    store_begin(&s);
    log_make(&s, &l);
    uint64_t last = l.ends[SCRIPT_STEPS - 1];
    cr_assert(replay_state(buffer_slice(&l.bytes), &whole) == STATUS_OK);
    cr_assert(replay_state(slice_of(l.bytes.data, last), &all_but_last) == STATUS_OK);
    for (size_t bit = 0; bit < l.bytes.size * 8; bit++) {
        l.bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        enum status status = replay_state(buffer_slice(&l.bytes), &state);
        if (status == STATUS_CORRUPT)
            found++;
        else
            cr_assert(bit / 8 >= last &&
                          slice_equal(buffer_slice(&state), buffer_slice(&all_but_last)),
                      "bit %zu of byte %zu", bit % 8, bit / 8);
        l.bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    cr_assert(eq(u64, found, last * 8));
    buffer_deinit(&whole);
    buffer_deinit(&all_but_last);
    buffer_deinit(&state);
    log_free(&l);
    store_end(&s);
}

Test(manifest, damage_in_the_middle_deletes_nothing_and_is_named)
{
    struct store s;
    struct log l;
    struct error e = {0};
    struct manifest *m = NULL;
    char stray[128];
    store_begin(&s);
    log_make(&s, &l);
    snprintf(stray, sizeof stray, "%s/manifest/0000000099", s.root);
    file_write(stray, "x", 1);
    l.bytes.data[l.ends[3] + 30] ^= 4;
    file_write(l.name, l.bytes.data, l.bytes.size);
    cr_assert(manifest_open(s.io, false, &m, &e) == STATUS_CORRUPT);
    cr_assert(eq(i64, e.position, (int64_t)l.ends[3]));
    cr_assert(strstr(e.text, "manifest/0000000001") != NULL, "%s", e.text);
    cr_assert(access(stray, F_OK) == 0);
    struct buffer after = file_read(l.name);
    cr_assert(slice_equal(buffer_slice(&after), buffer_slice(&l.bytes)));
    buffer_deinit(&after);
    log_free(&l);
    store_end(&s);
}

Test(manifest, every_flipped_bit_and_truncation_of_current_is_found)
{
    struct store s;
    struct log l;
    store_begin(&s);
    log_make(&s, &l);
    struct buffer current = file_read(l.current);
    uint64_t number;
    for (size_t bit = 0; bit < current.size * 8; bit++) {
        current.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        cr_assert(manifest_current_decode(buffer_slice(&current), &number, NULL) == STATUS_CORRUPT);
        current.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t size = 0; size < current.size; size++)
        cr_assert(manifest_current_decode(slice_of(current.data, size), &number, NULL) ==
                  STATUS_CORRUPT);
    cr_assert(manifest_current_decode(buffer_slice(&current), &number, NULL) == STATUS_OK);
    cr_assert(eq(u64, number, 1));
    buffer_deinit(&current);
    log_free(&l);
    store_end(&s);
}

Test(manifest, a_lost_current_is_damage_and_not_a_new_store)
{
    struct store s;
    struct log l;
    struct error e = {0};
    struct manifest *m = NULL;
    store_begin(&s);
    log_make(&s, &l);
    cr_assert(unlink(l.current) == 0);
    cr_assert(manifest_open(s.io, false, &m, &e) == STATUS_CORRUPT);
    cr_assert(strstr(e.text, "CURRENT") != NULL, "%s", e.text);
    log_free(&l);
    store_end(&s);
}

Test(manifest, a_store_half_created_is_created_again)
{
    struct store s;
    store_begin(&s);
    manifest_close(open_ok(&s));
    char path[80];
    snprintf(path, sizeof path, "%s/CURRENT", s.root);
    cr_assert(unlink(path) == 0);
    struct manifest *m = open_ok(&s);
    step_ok(m, 0);
    manifest_close(m);
    store_end(&s);
}

struct findings {
    uint32_t count;
    uint64_t offset;
    char path[80];
};

static void finding_note(void *context, const char *path, uint64_t offset, const char *text)
{
    struct findings *f = context;
    f->count++;
    f->offset = offset;
    snprintf(f->path, sizeof f->path, "%s", path);
    cr_assert(text[0] != 0);
}

Test(manifest, verify_names_file_and_offset)
{
    struct store s;
    struct log l;
    struct error e = {0};
    struct findings f = {0};
    store_begin(&s);
    log_make(&s, &l);
    cr_assert(manifest_verify(s.io, finding_note, &f, &e) == STATUS_OK);
    cr_assert(eq(u32, f.count, 0));
    l.bytes.data[l.ends[5]] ^= 1;
    file_write(l.name, l.bytes.data, l.bytes.size);
    cr_assert(manifest_verify(s.io, finding_note, &f, &e) == STATUS_CORRUPT);
    cr_assert(eq(u32, f.count, 1));
    cr_assert(eq(u64, f.offset, l.ends[5]));
    cr_assert(strcmp(f.path, "manifest/0000000001") == 0, "%s", f.path);
    l.bytes.data[l.ends[5]] ^= 1;
    file_write(l.name, l.bytes.data, l.bytes.size - 1);
    cr_assert(manifest_verify(s.io, finding_note, &f, &e) == STATUS_CORRUPT);
    cr_assert(eq(u64, f.offset, l.ends[SCRIPT_STEPS - 1]));
    file_write(l.current, "x", 1);
    cr_assert(manifest_verify(s.io, finding_note, &f, &e) == STATUS_CORRUPT);
    cr_assert(strcmp(f.path, "CURRENT") == 0, "%s", f.path);
    log_free(&l);
    store_end(&s);
}

Test(manifest, paths_are_made_from_numbers)
{
    char path[MANIFEST_PATH_BYTES];
    manifest_segment_path(3, 12, path);
    cr_assert(strcmp(path, "p3/seg/0000000012.seg") == 0);
    manifest_pack_path(4096, UINT64_MAX, path);
    cr_assert(strcmp(path, "p4096/text/18446744073709551615.pack") == 0);
    manifest_patch_path(1, 1, path);
    cr_assert(strcmp(path, "p1/patch/0000000001.patch") == 0);
}
