/*
 * test_engine_damage.c - damaged, missing and stray files: named, contained, never deleted, never believed.
 */
#include "engine_fixture.h"

struct logged {
    char text[4096];
};

static void log_keep(void *context, const char *level, const char *text)
{
    struct logged *l = context;
    size_t used = strlen(l->text);
    (void)snprintf(l->text + used, sizeof l->text - used, "%s: %s\n", level, text);
}

static void path_keep(void *context, const struct segment_info *s)
{
    (void)snprintf(context, 64, "%s", s->path);
}

static void name_count(void *context, const char *name)
{
    (void)name;
    (*(uint32_t *)context)++;
}

static uint32_t files_in(struct store *s, const char *directory)
{
    uint32_t count = 0;
    cr_assert_eq(io_list(s->io, directory, name_count, &count, NULL), STATUS_OK);
    return count;
}

/* Two segments of one span each; the path of the second one. */
static struct store two_segments(struct logged *l, char path[64])
{
    struct engine_options options = store_options();
    options.log = log_keep;
    options.log_context = l;
    struct store s = store_sim(&options);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    (void)append_span(&s, 2, 1, HOUR0 + NS_PER_HOUR);
    seal(&s);
    cr_assert_eq(engine_segments(s.engine, false, path_keep, path, NULL), STATUS_OK);
    return s;
}

static void flip(struct store *s, const char *path, size_t at)
{
    uint8_t byte = io_sim_peek(s->io, path).data[at];
    io_sim_poke(s->io, path, at, byte ^ 0x40);
}

static void finding_keep(void *context, const struct finding *f)
{
    struct logged *l = context;
    size_t used = strlen(l->text);
    (void)snprintf(l->text + used, sizeof l->text - used, "%s@%" PRIu64 ": %s\n", f->path,
                   f->offset, f->text);
}

Test(engine_damage, a_damaged_segment_is_set_aside_and_hides_no_other)
{
    struct logged log = {0};
    struct logged findings = {0};
    char path[64];
    struct store s = two_segments(&log, path);
    struct error error = {0};
    engine_close(s.engine);
    s.engine = NULL;
    flip(&s, path, io_sim_peek(s.io, path).size - 10); /* its footer */
    store_reopen(&s);
    cr_expect_not_null(strstr(log.text, path), "%s", log.text);
    struct scan_stats stats;
    cr_expect_eq(rows_of(&s, (struct scan_options){.table = TABLE_SPANS}, &stats), 1);
    cr_expect_eq(stats.damaged, 1);
    /* A time range without it is whole. */
    const struct scan_options first_hour = {
        .table = TABLE_SPANS, .from_ns = HOUR0, .until_ns = HOUR0 + NS_PER_HOUR};
    cr_expect_eq(rows_of(&s, first_hour, &stats), 1);
    cr_expect_eq(stats.damaged, 0);
    cr_expect_eq(engine_health(s.engine).damaged_files, 1);
    cr_expect_eq(engine_verify(s.engine, finding_keep, &findings, NULL, &error), STATUS_CORRUPT);
    cr_expect_not_null(strstr(findings.text, path), "%s", findings.text);
    /* The store goes on, and nothing deletes the damaged file. */
    (void)append_span(&s, 3, 1, HOUR0);
    seal(&s);
    (void)compact_full(&s);
    store_reopen(&s);
    cr_expect_eq(rows_of(&s, (struct scan_options){.table = TABLE_SPANS}, &stats), 2);
    cr_expect_gt(io_sim_peek(s.io, path).size, 0);
    store_destroy(&s);
}

Test(engine_damage, the_damage_is_told_with_file_and_offset)
{
    struct logged log = {0};
    char path[64];
    struct store s = two_segments(&log, path);
    struct error error = {0};
    struct scan *scan;
    struct scan_batch batch;
    const struct column *column = table_column(TABLE_SPANS, SPANS_time);
    engine_close(s.engine);
    s.engine = NULL;
    flip(&s, path, 20); /* a block: the first part behind the header */
    store_reopen(&s);
    uint32_t columns_damaged = 0;
    uint32_t count;
    const struct column *all = table_columns(TABLE_SPANS, &count);
    for (uint32_t i = 0; i < count; i++) {
        column = &all[i];
        const struct scan_options o = {
            .project = s.project, .table = TABLE_SPANS, .columns = &column, .column_count = 1};
        cr_assert_eq(scan_open(s.engine, &o, &scan, &error), STATUS_OK);
        struct scan_reader *reader = scan_reader_create(scan);
        uint64_t rows = 0;
        while (scan_next(reader, &batch, &error) == STATUS_OK)
            rows += batch.rows;
        const struct error *damage = scan_damage(scan);
        cr_expect_eq(rows, damage == NULL ? 2 : 1, "the other block is read");
        if (damage != NULL) {
            columns_damaged++;
            cr_expect_not_null(strstr(damage->text, path), "%s", damage->text);
            cr_expect_not_null(strstr(damage->text, "offset"), "%s", damage->text);
        }
        scan_reader_destroy(reader);
        scan_close(scan);
    }
    cr_expect_eq(columns_damaged, 1);
    store_destroy(&s);
}

Test(engine_damage, a_missing_segment_is_damage)
{
    struct logged log = {0};
    char path[64];
    struct store s = two_segments(&log, path);
    engine_close(s.engine);
    s.engine = NULL;
    cr_assert_eq(io_unlink(s.io, path, NULL), STATUS_OK);
    store_reopen(&s);
    struct scan_stats stats;
    cr_expect_eq(rows_of(&s, (struct scan_options){.table = TABLE_SPANS}, &stats), 1);
    cr_expect_eq(stats.damaged, 1);
    store_destroy(&s);
}

Test(engine_damage, unfinished_files_leave_but_not_while_anything_is_damaged)
{
    struct logged log = {0};
    char path[64];
    struct store s = two_segments(&log, path);
    struct io_file *file;
    uint32_t before = files_in(&s, "p1/seg");
    for (int damaged = 1; damaged >= 0; damaged--) {
        engine_close(s.engine);
        s.engine = NULL;
        cr_assert_eq(io_open(s.io, "p1/seg/0000009999.seg.tmp", IO_WRITE | IO_CREATE, &file, NULL),
                     STATUS_OK);
        io_close(file);
        flip(&s, path, io_sim_peek(s.io, path).size - 10);
        store_reopen(&s);
        cr_expect_eq(files_in(&s, "p1/seg"), before + (uint32_t)damaged);
    }
    store_destroy(&s);
}

Test(engine_damage, a_damaged_patch_file_costs_its_amendments_only_and_stays)
{
    struct logged log = {0};
    struct engine_options options = store_options();
    options.log = log_keep;
    options.log_context = &log;
    struct store s = store_sim(&options);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    (void)append_score(&s, 1, 1, "q", 1);
    seal(&s);
    expect_cell(&s, 1, 1, "score.q", "1");
    engine_close(s.engine);
    s.engine = NULL;
    char path[64] = "";
    for (int n = 1; n < 50 && io_sim_peek(s.io, path).size == 0; n++)
        (void)snprintf(path, sizeof path, "p1/patch/%010d.patch", n);
    cr_assert_gt(io_sim_peek(s.io, path).size, 0);
    flip(&s, path, io_sim_peek(s.io, path).size / 2);
    store_reopen(&s);
    cr_expect_not_null(strstr(log.text, "patch"), "%s", log.text);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 1);
    cr_expect_eq(row_count(&s, TABLE_SCORES), 1, "the history has it still");
    for (int i = 0; i < 12; i++) {
        (void)append_score(&s, 1, 1, "r", i);
        seal(&s);
    }
    cr_expect_gt(io_sim_peek(s.io, path).size, 0);
    store_reopen(&s);
    expect_cell(&s, 1, 1, "score.r", "11");
    store_destroy(&s);
}

Test(engine_damage, damage_in_the_middle_of_the_log_stops_the_store_and_changes_nothing)
{
    struct store s = store_sim(NULL);
    for (uint64_t i = 1; i <= 6; i++)
        (void)append_span(&s, i, 1, HOUR0);
    engine_close(s.engine);
    s.engine = NULL;
    const char *path = "wal/0000000001.wal";
    size_t size = io_sim_peek(s.io, path).size;
    cr_assert_gt(size, 0);
    flip(&s, path, 4096 + 70);
    struct error error = {0};
    cr_expect_eq(engine_open(s.io, &s.options, &s.engine, &error), STATUS_CORRUPT, "%s",
                 error.text);
    cr_expect_not_null(strstr(error.text, "wal/"), "%s", error.text);
    flip(&s, path, 4096 + 70);
    store_reopen(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 6, "nothing was lost by looking");
    store_destroy(&s);
}

Test(engine_damage, verify_is_content_with_a_healthy_store_and_names_strays)
{
    struct logged findings = {0};
    struct logged log = {0};
    char path[64];
    struct store s = two_segments(&log, path);
    struct error error = {0};
    struct io_file *file;
    cr_expect_eq(engine_verify(s.engine, finding_keep, &findings, NULL, &error), STATUS_OK, "%s",
                 error.text);
    cr_expect_eq(findings.text[0], 0, "%s", findings.text);
    cr_assert_eq(io_open(s.io, "p1/seg/notes.txt", IO_WRITE | IO_CREATE, &file, NULL), STATUS_OK);
    io_close(file);
    cr_expect_eq(engine_verify(s.engine, finding_keep, &findings, NULL, &error), STATUS_OK);
    cr_expect_not_null(strstr(findings.text, "notes.txt"), "%s", findings.text);
    store_reopen(&s);
    cr_expect_neq(files_in(&s, "p1/seg"), 2, "what is not ours is not deleted");
    store_destroy(&s);
}
