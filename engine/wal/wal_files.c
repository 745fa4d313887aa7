/*
 * wal_files.c - which log files there are: the one written to, the next, the full ones, the spares.
 *
 * Place: wal.c -> [here] -> wal_maker.c
 * Cycle: made or recycled -> next -> current -> full -> (released) -> spare -> recycled
 *                                       \-> failed before its first commit -> removed
 */
#include "engine/wal/wal_files.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/memory.h"

static void list_add(struct wal_full_list *list, struct wal_full_file file)
{
    list->items = mem_grow(list->items, &list->capacity, list->count + 1, sizeof *list->items);
    list->items[list->count++] = file;
}

static struct wal_full_file list_take_first(struct wal_full_list *list)
{
    ASSERT(list->count > 0);
    struct wal_full_file first = list->items[0];
    list->count--;
    memmove(list->items, list->items + 1, list->count * sizeof *list->items);
    return first;
}

static void removal_add(struct wal_files *f, uint64_t number)
{
    f->removals =
        mem_grow(f->removals, &f->removal_capacity, f->removal_count + 1, sizeof *f->removals);
    f->removals[f->removal_count++] = number;
}

/* --- what a released file becomes ------------------------------------------------------------- */

static bool is_recyclable(const struct wal_files *f, const struct wal_full_file *file)
{
    return !file->is_bad && file->bytes >= f->file_bytes && file->bytes / 2 <= f->file_bytes;
}

static void file_released(struct wal_files *f, struct wal_full_file file)
{
    bool keep = is_recyclable(f, &file);
    size_t spares_max = keep ? WAL_SPARES_MAX - 1 : 0;
    while (f->spares.count > spares_max)
        removal_add(f, list_take_first(&f->spares).number);
    if (keep)
        list_add(&f->spares, file);
    else
        removal_add(f, file.number);
}

void wal_files_release(struct wal_files *f, uint64_t seq)
{
    while (f->full.count != 0 && f->full.items[0].last_seq < seq)
        file_released(f, list_take_first(&f->full));
}

/* These are the youngest and their records void, so no hole comes of it. Without this each restart would cost
 * a file until the next release; it happens at once, since the next restart may follow soon. */
void wal_files_superseded(struct wal_files *f, uint64_t previous_seq)
{
    while (f->full.count != 0) {
        struct wal_full_file *last = &f->full.items[f->full.count - 1];
        if (last->previous_seq < previous_seq)
            return;
        if (is_recyclable(f, last) && f->spares.count == 0)
            list_add(&f->spares, *last);
        else if (!wal_file_remove(f->maker.io, last->number))
            removal_add(f, last->number);
        f->full.count--;
    }
}

/* --- making ----------------------------------------------------------------------------------- */

static bool is_next_wanted(const struct wal_files *f)
{
    if (f->next.file != NULL)
        return false;
    /* A log that has outgrown its small first file will need the next one too. */
    return f->current.file == NULL || f->current.bytes >= f->file_bytes ||
           f->offset >= f->current.bytes / 2;
}

static void removals_give(struct wal_files *f, struct wal_job *job)
{
    size_t count = f->removal_count < WAL_REMOVE_MAX ? f->removal_count : WAL_REMOVE_MAX;
    if (count == 0 || clock_monotonic_ns() < f->remove_after_ns)
        return;
    memcpy(job->remove, f->removals, count * sizeof *job->remove);
    job->remove_count = (uint32_t)count;
}

static void making_give(struct wal_files *f, struct wal_job *job)
{
    job->not_before_ns = f->make_after_ns;
    job->number = f->next_number++;
    job->bytes = f->file_bytes;
    if (f->is_hurried && job->bytes > WAL_FIRST_FILE_BYTES)
        job->bytes = WAL_FIRST_FILE_BYTES;
    /* Nothing is recycled before what is older has gone. */
    if (f->spares.count != 0 && f->removal_count == job->remove_count) {
        struct wal_full_file oldest = list_take_first(&f->spares);
        job->recycle_number = oldest.number;
        job->recycle_bytes = oldest.bytes;
    }
}

static void maker_feed(struct wal_files *f)
{
    if (!wal_maker_is_idle(&f->maker))
        return;
    struct wal_job job = {0};
    removals_give(f, &job);
    if (is_next_wanted(f))
        making_give(f, &job);
    if (job.number != 0 || job.remove_count != 0)
        wal_maker_start(&f->maker, &job);
}

static void removal_insert(struct wal_files *f, size_t at, uint64_t number)
{
    removal_add(f, number);
    memmove(f->removals + at + 1, f->removals + at,
            (f->removal_count - 1 - at) * sizeof *f->removals);
    f->removals[at] = number;
}

/* Meanwhile `removals` has grown at its end only. */
static void job_settle(struct wal_files *f, const struct wal_job *job,
                       const struct wal_job_result *result)
{
    f->removal_count -= result->removed_count;
    if (f->removal_count != 0)
        memmove(f->removals, f->removals + result->removed_count,
                f->removal_count * sizeof *f->removals);
    uint32_t left_over = job->remove_count - result->removed_count;
    if (left_over != 0)
        f->remove_after_ns = clock_monotonic_ns() + NS_PER_S;
    if (job->recycle_number != 0 && !result->is_recycled)
        removal_insert(f, left_over, job->recycle_number);
    if (result->made.file != NULL)
        f->next = result->made;
}

enum status wal_files_drive(struct wal_files *f, struct error *reterr)
{
    maker_feed(f);
    struct wal_job_result result;
    if (!wal_maker_take(&f->maker, &result))
        return STATUS_OK;
    job_settle(f, &f->maker.job, &result);
    if (result.status == STATUS_OK) {
        maker_feed(f);
        return STATUS_OK;
    }
    f->is_hurried = true;
    if (f->current.file != NULL) {
        f->make_after_ns = clock_monotonic_ns() + NS_PER_S;
        return STATUS_OK;
    }
    /* The first attempts follow at once; wal.c decides when to pause. */
    f->make_after_ns = 0;
    if (reterr != NULL)
        *reterr = result.error;
    return result.status;
}

/* --- the file written to ---------------------------------------------------------------------- */

static void current_retire(struct wal_files *f, uint64_t durable, bool is_bad)
{
    io_close(f->current.file);
    if (f->offset == 0)
        removal_add(f, f->current.number);
    else
        list_add(&f->full, (struct wal_full_file){.number = f->current.number,
                                                  .bytes = f->current.bytes,
                                                  .last_seq = durable,
                                                  .is_bad = is_bad});
    f->current = (struct wal_file){0};
    f->offset = 0;
}

static uint64_t salt_draw(struct wal_files *f)
{
    uint64_t salt;
    if (f->salt_is_seeded)
        return rng_u64(&f->salt_rng);
    random_bytes(&salt, sizeof salt);
    return salt;
}

struct wal_file *wal_files_for(struct wal_files *f, size_t frame_bytes, uint64_t durable)
{
    bool fits = f->current.file != NULL && f->offset <= f->current.bytes &&
                frame_bytes <= f->current.bytes - f->offset;
    if (fits)
        return &f->current;
    if (f->next.file != NULL) {
        if (f->current.file != NULL)
            current_retire(f, durable, false);
        f->current = f->next;
        f->next = (struct wal_file){0};
        f->offset = 0;
        f->salt = salt_draw(f);
        return &f->current;
    }
    /* The next one is late: this one grows meanwhile. */
    return f->current.file != NULL ? &f->current : NULL;
}

void wal_files_written(struct wal_files *f, size_t frame_bytes)
{
    f->offset += frame_bytes;
    if (f->current.bytes < f->offset)
        f->current.bytes = f->offset;
    f->is_hurried = false;
}

void wal_files_failed(struct wal_files *f, uint64_t durable)
{
    current_retire(f, durable, true);
    f->is_hurried = true;
}

void wal_files_pause(struct wal_files *f, int64_t until_ns)
{
    f->make_after_ns = until_ns;
    if (f->next.file == NULL)
        return;
    io_close(f->next.file);
    removal_add(f, f->next.number);
    f->next = (struct wal_file){0};
}

uint64_t wal_files_count(const struct wal_files *f)
{
    return f->full.count + f->spares.count + (f->current.file != NULL) + (f->next.file != NULL);
}

/* --- taking over after a restart -------------------------------------------------------------- */

/* A file that was ready when the last run ended, with a number above all begun ones. */
static bool next_adopt(struct wal_files *f, struct io *io, const struct wal_log_file *file)
{
    uint64_t least = f->file_bytes < WAL_FIRST_FILE_BYTES ? f->file_bytes : WAL_FIRST_FILE_BYTES;
    return f->next.file == NULL && file->size >= least &&
           wal_file_open(io, file->number, &f->next, NULL) == STATUS_OK;
}

static void log_adopt(struct wal_files *f, struct io *io, const struct wal_log *log)
{
    size_t begun_end = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (log->files[i].is_begun)
            begun_end = i + 1;
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct wal_log_file *file = &log->files[i];
        struct wal_full_file full = {.number = file->number,
                                     .bytes = file->size,
                                     .last_seq = file->last_seq,
                                     .previous_seq = file->previous_seq};
        if (file->is_begun && i >= log->first_needed)
            list_add(&f->full, full);
        else if (file->is_begun)
            file_released(f, full);
        else if (i < begun_end || !next_adopt(f, io, file))
            removal_add(f, file->number);
    }
}

static void first_file_make(struct wal_files *f, struct io *io)
{
    f->is_hurried = true;
    struct wal_job job = {0};
    struct wal_job_result result;
    removals_give(f, &job);
    making_give(f, &job);
    wal_job_run(io, &job, &result);
    /* A disk that is full now may not be later: the first commit asks again. */
    job_settle(f, &job, &result);
    f->is_hurried = false;
}

void wal_files_init(struct wal_files *f, struct io *io, struct io_queue *queue,
                    const struct wal_options *options, const struct wal_log *log)
{
    *f = (struct wal_files){.file_bytes = options->file_bytes,
                            .salt_is_seeded = options->salt_seed != 0};
    rng_init(&f->salt_rng, options->salt_seed);
    f->next_number = log->count == 0 ? 1 : log->files[log->count - 1].number + 1;
    log_adopt(f, io, log);
    if (f->next.file == NULL)
        first_file_make(f, io);
    wal_maker_init(&f->maker, io, queue, io_queue_event_fd(queue) >= 0);
}

void wal_files_deinit(struct wal_files *f)
{
    wal_maker_deinit(&f->maker);
    io_close(f->current.file);
    io_close(f->next.file);
    mem_free(f->full.items);
    mem_free(f->spares.items);
    mem_free(f->removals);
}
