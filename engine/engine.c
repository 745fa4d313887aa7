/*
 * engine.c - opens and closes the store, keeps its projects, and moves commits along.
 *
 * Place:     the public functions that belong to no verb of their own
 * Order:     open: lock, recover (manifest, files, log), maintenance. close: maintenance, log, files, lock (the
 *            lock is released with the io, which is the caller's).
 */
#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/rng.h"
#include "engine/engine_internal.h"
#include "engine/scan/prune.h"

#define HEAD_ROWS_DEFAULT     1000000u
#define HEAD_BYTES_DEFAULT    ((uint64_t)512 << 20)
#define HEAD_AGE_DEFAULT_NS   (60 * NS_PER_S)
#define COMPACT_EVERY_NS      (10 * NS_PER_S)
#define RETAIN_EVERY_NS       (600 * NS_PER_S)
#define COMPACT_RATE          ((uint64_t)64 << 20)
#define RESERVE_BYTES_DEFAULT ((uint64_t)16 << 20)

void engine_log(struct engine *e, const char *level, const char *format, ...)
{
    if (e->options.log == NULL)
        return;
    char text[ERROR_TEXT_BYTES + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->options.log(e->options.log_context, level, text);
}

/* ---- options ---- */

static void options_resolve(struct engine_options *o)
{
    if (o->head_rows_max == 0)
        o->head_rows_max = HEAD_ROWS_DEFAULT;
    if (o->head_rows_max > SEGMENT_ROWS_MAX - BATCH_ROWS_MAX)
        o->head_rows_max = SEGMENT_ROWS_MAX - BATCH_ROWS_MAX;
    if (o->head_bytes_max == 0)
        o->head_bytes_max = HEAD_BYTES_DEFAULT;
    if (o->head_age_ns_max == 0)
        o->head_age_ns_max = HEAD_AGE_DEFAULT_NS;
    if (o->compact_every_ns == 0)
        o->compact_every_ns = COMPACT_EVERY_NS;
    if (o->retain_every_ns == 0)
        o->retain_every_ns = RETAIN_EVERY_NS;
    if (o->compact_bytes_per_second == 0)
        o->compact_bytes_per_second = COMPACT_RATE;
    if (o->reserve_bytes == 0)
        o->reserve_bytes = RESERVE_BYTES_DEFAULT;
    if (o->reserve_bytes == UINT64_MAX)
        o->reserve_bytes = 0;
    if (o->maintenance_threads == 0)
        o->maintenance_threads = 1;
    if (o->maintenance_threads == UINT32_MAX || o->read_only)
        o->maintenance_threads = 0;
    if (o->maintenance_threads > 2)
        o->maintenance_threads = 2;
}

/* ---- projects ---- */

static bool project_name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > PROJECT_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!valid)
            return false;
    }
    return true;
}

static enum status directories_make(struct engine *e, uint32_t number, struct error *reterr)
{
    static const char *const parts[] = {"", "/seg", "/text", "/patch"};
    char path[MANIFEST_PATH_BYTES];
    enum status s = STATUS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && s >= 0; i++) {
        (void)snprintf(path, sizeof path, "p%u%s", number, parts[i]);
        s = io_make_dir(e->io, path, reterr);
    }
    if (s < 0)
        return s;
    (void)snprintf(path, sizeof path, "p%u", number);
    if ((s = io_sync_dir(e->io, path, reterr)) < 0)
        return s;
    return io_sync_dir(e->io, "", reterr);
}

enum status project_create(struct engine *e, const char *name, bool make_dirs, struct project **ret,
                           struct error *reterr)
{
    uint32_t number = atomic_load(&e->project_count) + 1;
    if (number > PROJECTS_MAX)
        return error_set(reterr, STATUS_LIMIT, "a store has at most %u projects", PROJECTS_MAX);
    enum status s = make_dirs ? directories_make(e, number, reterr) : STATUS_OK;
    if (s < 0)
        return s;
    char path[MANIFEST_PATH_BYTES];
    struct project *p = MEM_NEW(struct project);
    p->number = number;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    (void)snprintf(path, sizeof path, "p%u/text", number);
    schema_init(&p->schema);
    p->text = text_store_create(e->io, path);
    p->orphans = patch_table_create(&p->schema);
    *ret = p;
    return STATUS_OK;
}

static void project_destroy(struct project *p)
{
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        for (uint32_t i = 0; i < p->tables[t].count; i++)
            source_unref(p->tables[t].items[i]);
        mem_free(p->tables[t].items);
    }
    turn_map_deinit(&p->turns);
    usage_map_deinit(&p->usage);
    patch_table_destroy(p->orphans);
    text_store_destroy(p->text);
    mem_free(p->joined);
    mem_free(p->patch_files);
    schema_deinit(&p->schema);
    mem_free(p);
}

void project_publish(struct engine *e, struct project *p)
{
    e->projects[p->number - 1] = p;
    atomic_store_explicit(&e->project_count, p->number, memory_order_release);
}

struct project *engine_find_project(struct engine *e, uint32_t number, struct error *reterr)
{
    if (number == 0 || number > atomic_load_explicit(&e->project_count, memory_order_acquire)) {
        (void)error_set(reterr, STATUS_NOT_FOUND, "there is no project %u", number);
        return NULL;
    }
    return e->projects[number - 1];
}

static uint32_t project_by_name(struct engine *e, struct slice name)
{
    uint32_t count = atomic_load_explicit(&e->project_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(name, e->projects[i]->name))
            return i + 1;
    }
    return 0;
}

static enum status project_add(struct engine *e, struct slice name, uint32_t *ret_project,
                               struct error *reterr)
{
    struct project *p = NULL;
    char text[PROJECT_NAME_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
    enum status s;
    mutex_lock(&e->manifest_lock);
    if ((*ret_project = project_by_name(e, name)) != 0) {
        s = STATUS_OK;
        goto out;
    }
    if ((s = project_create(e, text, true, &p, reterr)) < 0)
        goto out;
    const struct manifest_edit edit = {
        .kind = EDIT_PROJECT_ADD, .project = p->number, .name = p->name};
    if ((s = manifest_commit(e->manifest, &edit, 1, reterr)) < 0) {
        project_destroy(p);
        goto out;
    }
    mutex_lock(&e->write_lock);
    p->filed_seq = e->last_seq;
    project_publish(e, p);
    mutex_unlock(&e->write_lock);
    *ret_project = p->number;
out:
    mutex_unlock(&e->manifest_lock);
    return s;
}

enum status engine_project(struct engine *e, struct slice name, bool create, uint32_t *ret_project,
                           struct error *reterr)
{
    if (!project_name_is_valid(name))
        return error_set(
            reterr, STATUS_INVALID, "project names are 1 to %u of a-z 0-9 _ -; \"%.*s\" is none",
            PROJECT_NAME_MAX, (int)(name.size < 80 ? name.size : 80), (const char *)name.data);
    uint32_t found = project_by_name(e, name);
    if (found != 0) {
        *ret_project = found;
        return STATUS_OK;
    }
    if (!create)
        return error_set(reterr, STATUS_NOT_FOUND, "there is no project \"%.*s\"", SLICE_ARG(name));
    if (e->wal == NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    return project_add(e, name, ret_project, reterr);
}

const char *engine_project_name(struct engine *e, uint32_t project)
{
    const struct project *p = engine_find_project(e, project, NULL);
    return p == NULL ? NULL : p->name;
}

struct schema *engine_schema(struct engine *e, uint32_t project)
{
    struct project *p = engine_find_project(e, project, NULL);
    return p == NULL ? NULL : &p->schema;
}

/* ---- opening and closing ---- */

void patch_file_note(struct project *p, uint64_t number, uint64_t bytes)
{
    p->patch_files = mem_grow(p->patch_files, &p->patch_file_capacity,
                              (size_t)p->patch_file_count + 1, sizeof *p->patch_files);
    p->patch_files[p->patch_file_count++] = (struct patch_file){.number = number, .bytes = bytes};
}

void source_list_add(struct source_list *l, struct source *s)
{
    l->items = mem_grow(l->items, &l->capacity, (size_t)l->count + 1, sizeof *l->items);
    l->items[l->count++] = s;
}

void source_list_remove(struct source_list *l, const struct source *s)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->items[i] != s)
            continue;
        l->items[i] = l->items[--l->count];
        return;
    }
    ASSERT(!"a source of the list");
}

/* A read-only medium has no room for a lock file, and no writer either. */
static enum status store_lock(struct engine *e, struct error *reterr)
{
    enum status s = io_lock(e->io, "LOCK", reterr);
    return e->options.read_only && s != STATUS_BUSY ? STATUS_OK : s;
}

enum status engine_open(struct io *io, const struct engine_options *options, struct engine **ret,
                        struct error *reterr)
{
    struct engine *e = MEM_NEW(struct engine);
    e->io = io;
    if (options != NULL)
        e->options = *options;
    options_resolve(&e->options);
    mutex_init(&e->compact_lock);
    mutex_init(&e->seal_lock);
    mutex_init(&e->manifest_lock);
    mutex_init(&e->write_lock);
    mutex_init(&e->state_lock);
    mutex_init(&e->wake_lock);
    condition_init(&e->published);
    condition_init(&e->wake);
    random_bytes(&e->hash_seed, sizeof e->hash_seed);
    enum status s;
    if ((s = store_lock(e, reterr)) < 0)
        goto out;
    if ((s = engine_recover(e, reterr)) < 0)
        goto out;
    maintenance_start(e);
    *ret = e;
    e = NULL;
out:
    engine_close(e);
    return s;
}

static void pending_free(struct engine *e)
{
    for (size_t i = 0; i < e->pending_count; i++) {
        struct pending *p = &e->pending[(e->pending_first + i) & (e->pending_capacity - 1)];
        arena_deinit(&p->arena);
        mem_free(p->amendments);
    }
    mem_free(e->pending);
}

void engine_close(struct engine *e)
{
    if (e == NULL)
        return;
    maintenance_stop(e);
    if (e->wal != NULL && e->release_seq != 0)
        wal_release(e->wal, e->release_seq);
    wal_close(e->wal);
    pending_free(e);
    seal_discard(e);
    uint32_t count = atomic_load(&e->project_count);
    for (uint32_t i = 0; i < count; i++)
        project_destroy(e->projects[i]);
    manifest_close(e->manifest);
    client_table_deinit(&e->clients);
    arena_deinit(&e->scratch);
    buffer_deinit(&e->encoded);
    for (size_t i = 0; i < e->garbage_count; i++)
        mem_free(e->garbage[i]);
    mem_free(e->garbage);
    condition_deinit(&e->wake);
    condition_deinit(&e->published);
    mutex_deinit(&e->wake_lock);
    mutex_deinit(&e->state_lock);
    mutex_deinit(&e->write_lock);
    mutex_deinit(&e->manifest_lock);
    mutex_deinit(&e->seal_lock);
    mutex_deinit(&e->compact_lock);
    mem_free(e);
}

/* ---- moving commits along ---- */

static void writer_note(struct engine *e)
{
    e->writer = pthread_self();
    e->writer_known = true;
}

uint64_t engine_pump_locked(struct engine *e)
{
    if (e->wal == NULL)
        return e->published_seq;
    uint64_t durable = wal_pump(e->wal);
    engine_publish(e, durable);
    if (e->release_seq != 0) {
        wal_release(e->wal, e->release_seq);
        e->release_seq = 0;
    }
    return e->published_seq;
}

uint64_t engine_pump(struct engine *e)
{
    mutex_lock(&e->write_lock);
    writer_note(e);
    uint64_t ticket = engine_pump_locked(e);
    mutex_unlock(&e->write_lock);
    return ticket;
}

int engine_event_fd(struct engine *e)
{
    return e->wal == NULL ? -1 : wal_event_fd(e->wal);
}

enum status engine_wait(struct engine *e, uint64_t ticket, int64_t timeout_ns, struct error *reterr)
{
    if (e->wal == NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    enum status s = STATUS_OK;
    mutex_lock(&e->write_lock);
    writer_note(e);
    if (e->published_seq < ticket)
        s = wal_wait(e->wal, ticket, timeout_ns, reterr);
    (void)engine_pump_locked(e);
    mutex_unlock(&e->write_lock);
    return s;
}

enum status engine_wait_visible(struct engine *e, uint64_t ticket, int64_t timeout_ns,
                                struct error *reterr)
{
    int64_t until_ns = clock_monotonic_ns() + timeout_ns;
    /* The thread that pumps may sleep: nothing told it that there is something to write. */
    if (e->wal != NULL)
        wal_wake(e->wal);
    mutex_lock(&e->state_lock);
    while (e->published_seq < ticket) {
        int64_t left_ns = until_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            break;
        (void)condition_wait_ns(&e->published, &e->state_lock, left_ns);
    }
    bool done = e->published_seq >= ticket;
    mutex_unlock(&e->state_lock);
    return done ? STATUS_OK
                : error_set(reterr, STATUS_BUSY, "commit %llu is not durable yet",
                            (unsigned long long)ticket);
}

/* ---- reading ---- */

enum status scan_open(struct engine *e, const struct scan_options *options, struct scan **ret,
                      struct error *reterr)
{
    struct project *p = engine_find_project(e, options->project, reterr);
    if (p == NULL)
        return STATUS_NOT_FOUND;
    if ((unsigned)options->table >= TABLE_COUNT)
        return error_set(reterr, STATUS_INVALID, "there is no table %d", (int)options->table);
    struct source_list *l = &p->tables[options->table];
    uint64_t skipped = 0;
    uint64_t skipped_blocks = 0;
    mutex_lock(&e->state_lock);
    struct scan_input *inputs = mem_zero(l->count, sizeof *inputs);
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct source *s = l->items[i];
        bool head = s->head != NULL;
        if (!head && (prune_time(options, s->meta.time_min_ns, s->meta.time_max_ns) ||
                      (options->after_seq != 0 && s->meta.seq_max <= options->after_seq))) {
            skipped++;
            skipped_blocks += (s->meta.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
            continue;
        }
        inputs[count++] = (struct scan_input){.source = source_ref(s),
                                              .patches = patch_set_ref(s->patches),
                                              .watermark = head ? head_published(s->head) : 0};
    }
    mutex_unlock(&e->state_lock);
    enum status s = scan_create(options, inputs, count, skipped, skipped_blocks, ret, reterr);
    mem_free(inputs);
    return s;
}

enum status engine_messages_text(struct engine *e, uint32_t project, struct slice refs,
                                 struct arena *arena, struct slice *ret, struct error *reterr)
{
    struct project *p = engine_find_project(e, project, reterr);
    if (p == NULL)
        return STATUS_NOT_FOUND;
    if (refs.size % sizeof(struct id128) != 0)
        return error_set(reterr, STATUS_INVALID, "%zu bytes are no list of message addresses",
                         refs.size);
    struct buffer text = {0};
    enum status s = STATUS_OK;
    buffer_add_byte(&text, '[');
    for (size_t at = 0; at < refs.size && s >= 0; at += sizeof(struct id128)) {
        struct id128 address;
        memcpy(address.bytes, refs.data + at, sizeof address);
        if (at > 0)
            buffer_add_byte(&text, ',');
        s = text_get(p->text, address, &text, reterr);
        if (s == STATUS_NOT_FOUND) {
            buffer_add_text(&text, "null");
            s = STATUS_OK;
        }
    }
    buffer_add_byte(&text, ']');
    if (s >= 0)
        *ret = arena_copy(arena, buffer_slice(&text));
    buffer_deinit(&text);
    return s < 0 ? s : STATUS_OK;
}

uint64_t engine_last_seq(struct engine *e)
{
    mutex_lock(&e->state_lock);
    uint64_t seq = e->published_seq;
    mutex_unlock(&e->state_lock);
    return seq;
}
