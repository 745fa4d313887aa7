/*
 * io_sim.c - the simulated backend: the file table over io_sim_disk.c, with faults on order.
 *
 * Place:     io.c -> [here] -> io_sim_fault.c, io_sim_disk.c
 * Invariant: every operation that can change the disk passes sim_point once, in program order, so a
 *            fault can be put at each of them; nothing else depends on chance than the seed's dice.
 * Failure:   after a crash fault every call fails with STATUS_IO until io_sim_crash.
 * Threads:   one.
 */
#include "engine/base/io_sim.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/io_sim_state.h"
#include "engine/base/memory.h"

#define SIM_BYTES_TOTAL ((uint64_t)1 << 40)

struct sim_file {
    struct io_file base;
    struct sim_io *sim;
    struct sim_inode *inode;
    uint64_t life;
    int flags;
    char path[IO_PATH_BYTES_MAX];
};

static struct sim_file *file_of(struct io_file *file)
{
    return (struct sim_file *)(void *)file;
}

/* --- files ------------------------------------------------------------------------------------ */

static enum status file_check(const struct sim_file *file, struct error *reterr)
{
    if (file->life != file->sim->lives)
        return error_set(reterr, STATUS_IO, "%s: opened in an earlier life of the process",
                         file->path);
    return sim_power_check(file->sim, file->path, reterr);
}

/* A change of names: torn means that it happened or that it did not. */
static bool names_change_happens(struct sim_io *sim, enum sim_verdict verdict)
{
    return verdict == SIM_GO || verdict == SIM_SHORT || verdict == SIM_GO_AND_DIE ||
           (verdict == SIM_TEAR_AND_DIE && rng_below(&sim->rng, 2) == 0);
}

static enum status create(struct sim_io *sim, const char *path, bool is_dir, struct sim_inode **ret,
                          struct error *reterr)
{
    if (!sim_disk_is_dir(&sim->disk, sim_parent(path)))
        return error_set(reterr, STATUS_NOT_FOUND, "%s: there is no such directory", path);
    enum sim_verdict verdict = sim_point(sim, SIM_NAMES);
    if (names_change_happens(sim, verdict))
        *ret = sim_disk_create(&sim->disk, path, is_dir);
    return sim_verdict_status(verdict, path, "create", reterr);
}

static enum status truncate_inode(struct sim_io *sim, struct sim_inode *inode, uint64_t size,
                                  const char *path, struct error *reterr)
{
    enum sim_verdict verdict = sim_point(sim, SIM_WRITE);
    if (names_change_happens(sim, verdict))
        sim_inode_truncate(inode, size);
    return sim_verdict_status(verdict, path, "truncate", reterr);
}

static enum status sim_op_open(struct io *io, const char *path, int flags, struct io_file **ret,
                               struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (inode == NULL && (flags & IO_CREATE) == 0)
        return error_set(reterr, STATUS_NOT_FOUND, "%s: open: no such file", path);
    if (inode != NULL && (flags & IO_CREATE) != 0 && (flags & IO_EXCLUSIVE) != 0)
        return error_set(reterr, STATUS_EXISTS, "%s: open: it exists already", path);
    if (inode != NULL && inode->is_dir)
        return error_set(reterr, STATUS_IO, "%s: open: it is a directory", path);
    if (inode == NULL && (s = create(sim, path, false, &inode, reterr)) < 0)
        return s;
    if ((flags & IO_TRUNCATE) != 0 && inode->current.size != 0 &&
        (s = truncate_inode(sim, inode, 0, path, reterr)) < 0)
        return s;
    struct sim_file *file = MEM_NEW(struct sim_file);
    file->base.ops = io->ops;
    file->sim = sim;
    file->inode = inode;
    file->life = sim->lives;
    file->flags = flags;
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    inode->open_count++;
    *ret = &file->base;
    return STATUS_OK;
}

static void sim_op_close(struct io_file *base)
{
    struct sim_file *file = file_of(base);
    if (file->life == file->sim->lives)
        file->inode->open_count--;
    mem_free(file);
}

/* Stricter than some file systems, so that a test finds what another disk would refuse. */
static enum status direct_check(const struct sim_file *file, uint64_t offset, const void *memory,
                                size_t size, struct error *reterr)
{
    if ((file->flags & IO_DIRECT) == 0 ||
        (offset % IO_ALIGN == 0 && size % IO_ALIGN == 0 && (uintptr_t)memory % IO_ALIGN == 0))
        return STATUS_OK;
    return error_set(reterr, STATUS_IO, "%s: direct access must be aligned to %u bytes", file->path,
                     IO_ALIGN);
}

static enum status sim_op_read(struct io_file *base, uint64_t offset, void *to, size_t size,
                               size_t *ret_read, struct error *reterr)
{
    struct sim_file *file = file_of(base);
    enum status s = file_check(file, reterr);
    if (s == STATUS_OK)
        s = direct_check(file, offset, to, size, reterr);
    if (s < 0)
        return s;
    const struct buffer *image = &file->inode->current;
    size_t left = offset < image->size ? image->size - (size_t)offset : 0;
    size_t count = left < size ? left : size;
    if (count != 0)
        memcpy(to, image->data + offset, count);
    *ret_read = count;
    return STATUS_OK;
}

/* Part of a write, cut at a sector. */
static size_t part_of(struct sim_io *sim, size_t size)
{
    return (size_t)rng_below(&sim->rng, size / SIM_SECTOR + 1) * SIM_SECTOR;
}

static enum status write_once(struct sim_file *file, uint64_t offset, const uint8_t *from,
                              size_t size, size_t *ret_written, struct error *reterr)
{
    struct sim_io *sim = file->sim;
    enum sim_verdict verdict = sim_point(sim, SIM_WRITE);
    size_t reached = size;
    if (verdict == SIM_REFUSE_DEAD)
        reached = 0;
    else if (verdict == SIM_SHORT && size > SIM_SECTOR)
        reached = part_of(sim, size - SIM_SECTOR);
    else if (verdict != SIM_GO && verdict != SIM_GO_AND_DIE && verdict != SIM_SHORT)
        reached = part_of(sim, size);
    sim_inode_write(file->inode, offset, from, reached);
    *ret_written =
        verdict == SIM_SHORT && sim->defect == IO_SIM_DEFECT_IGNORE_SHORT ? size : reached;
    return sim_verdict_status(verdict, file->path, "write", reterr);
}

static enum status sim_op_write(struct io_file *base, uint64_t offset, const void *from,
                                size_t size, struct error *reterr)
{
    struct sim_file *file = file_of(base);
    enum status s = file_check(file, reterr);
    if (s == STATUS_OK)
        s = direct_check(file, offset, from, size, reterr);
    for (size_t done = 0; s == STATUS_OK && done < size;) {
        size_t written = 0;
        s = write_once(file, offset + done, (const uint8_t *)from + done, size - done, &written,
                       reterr);
        done += written;
    }
    return s;
}

static enum status sim_op_sync(struct io_file *base, struct error *reterr)
{
    struct sim_file *file = file_of(base);
    struct sim_io *sim = file->sim;
    enum status s = file_check(file, reterr);
    if (s < 0)
        return s;
    enum sim_verdict verdict = sim_point(sim, SIM_SYNC);
    if (sim->defect == IO_SIM_DEFECT_SKIP_SYNC)
        return sim_verdict_status(verdict, file->path, "sync", reterr);
    if (verdict == SIM_GO || verdict == SIM_SHORT || verdict == SIM_GO_AND_DIE)
        sim_inode_sync(file->inode);
    else if (verdict == SIM_TEAR_AND_DIE)
        sim_inode_sync_torn(file->inode, &sim->rng);
    else if (verdict == SIM_REFUSE_IO)
        sim_inode_sync_failed(file->inode, &sim->rng);
    return sim_verdict_status(verdict, file->path, "sync", reterr);
}

static enum status sim_op_size(struct io_file *base, uint64_t *ret, struct error *reterr)
{
    struct sim_file *file = file_of(base);
    enum status s = file_check(file, reterr);
    if (s == STATUS_OK)
        *ret = file->inode->current.size;
    return s;
}

static enum status sim_op_truncate(struct io_file *base, uint64_t size, struct error *reterr)
{
    struct sim_file *file = file_of(base);
    enum status s = file_check(file, reterr);
    return s < 0 ? s : truncate_inode(file->sim, file->inode, size, file->path, reterr);
}

/* --- names ------------------------------------------------------------------------------------ */

static enum status sim_op_rename(struct io *io, const char *from, const char *to,
                                 struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, from, reterr);
    if (s < 0)
        return s;
    const struct sim_inode *inode = sim_disk_find(&sim->disk, from);
    if (inode == NULL || !sim_disk_is_dir(&sim->disk, sim_parent(to)))
        return error_set(reterr, STATUS_NOT_FOUND, "%s: rename: no such file", from);
    if (inode->is_dir || sim_disk_is_dir(&sim->disk, slice_text(to)))
        return error_set(reterr, STATUS_IO, "%s: rename: it is a directory", from);
    enum sim_verdict verdict = sim_point(sim, SIM_NAMES);
    if (names_change_happens(sim, verdict))
        sim_disk_rename(&sim->disk, from, to);
    return sim_verdict_status(verdict, from, "rename", reterr);
}

static enum status sim_op_unlink(struct io *io, const char *path, struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    const struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (inode == NULL)
        return error_set(reterr, STATUS_NOT_FOUND, "%s: unlink: no such file", path);
    if (inode->is_dir)
        return error_set(reterr, STATUS_IO, "%s: unlink: it is a directory", path);
    enum sim_verdict verdict = sim_point(sim, SIM_NAMES);
    if (names_change_happens(sim, verdict))
        sim_disk_rename(&sim->disk, path, NULL);
    return sim_verdict_status(verdict, path, "unlink", reterr);
}

static enum status sim_op_make_dir(struct io *io, const char *path, struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (inode != NULL && !inode->is_dir)
        return error_set(reterr, STATUS_EXISTS, "%s: make directory: a file is in the way", path);
    return inode != NULL ? STATUS_OK : create(sim, path, true, &inode, reterr);
}

static enum status sim_op_sync_dir(struct io *io, const char *path, struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    if (!sim_disk_is_dir(&sim->disk, slice_text(path)))
        return error_set(reterr, STATUS_NOT_FOUND, "%s: there is no such directory", path);
    enum sim_verdict verdict = sim_point(sim, SIM_SYNC_DIR);
    if (sim->defect != IO_SIM_DEFECT_SKIP_DIR_SYNC && names_change_happens(sim, verdict))
        sim_disk_sync_dir(&sim->disk, path);
    return sim_verdict_status(verdict, path, "sync directory", reterr);
}

/* The callback may change the directory, so the names are copied first; their order is random. */
static enum status sim_op_list(struct io *io, const char *dir, void (*each)(void *, const char *),
                               void *context, struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, dir, reterr);
    if (s < 0)
        return s;
    if (!sim_disk_is_dir(&sim->disk, slice_text(dir)))
        return error_set(reterr, STATUS_NOT_FOUND, "%s: list: no such directory", dir);
    const struct sim_names *names = &sim->disk.current;
    struct arena arena = {0};
    char **found = ARENA_ARRAY(&arena, char *, names->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *path = names->entries[i].path;
        struct slice parent = sim_parent(path);
        if (!slice_is(parent, dir))
            continue;
        size_t at = (size_t)rng_below(&sim->rng, ++count);
        found[count - 1] = found[at];
        found[at] = arena_strdup(&arena, path + parent.size + (parent.size != 0));
    }
    for (size_t i = 0; i < count; i++)
        each(context, found[i]);
    arena_deinit(&arena);
    return STATUS_OK;
}

static enum status sim_op_map(struct io *io, const char *path, struct io_map *ret,
                              struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    const struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (inode == NULL || inode->is_dir)
        return error_set(reterr, STATUS_NOT_FOUND, "%s: map: no such file", path);
    *ret = (struct io_map){.bytes = SLICE_EMPTY, .handle = NULL};
    if (inode->current.size != 0) {
        ret->handle = mem_alloc(inode->current.size);
        memcpy(ret->handle, inode->current.data, inode->current.size);
        ret->bytes = slice_of(ret->handle, inode->current.size);
    }
    return STATUS_OK;
}

static void sim_op_unmap(struct io *io, struct io_map *map)
{
    (void)io;
    mem_free(map->handle);
}

static void locks_clear(struct sim_io *sim)
{
    for (size_t i = 0; i < sim->lock_count; i++)
        mem_free(sim->locks[i]);
    sim->lock_count = 0;
}

/* One io is one machine with one process, so a lock is never refused; the file appears. */
static enum status sim_op_lock(struct io *io, const char *path, struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, path, reterr);
    if (s < 0)
        return s;
    for (size_t i = 0; i < sim->lock_count; i++) {
        if (strcmp(sim->locks[i], path) == 0)
            return STATUS_OK;
    }
    struct sim_inode *inode = sim_disk_find(&sim->disk, path);
    if (inode == NULL && (s = create(sim, path, false, &inode, reterr)) < 0)
        return s;
    sim->locks = mem_grow(sim->locks, &sim->lock_capacity, sim->lock_count + 1, sizeof *sim->locks);
    sim->locks[sim->lock_count++] = mem_strdup(path);
    return STATUS_OK;
}

static enum status sim_op_space(struct io *io, uint64_t *ret_free, uint64_t *ret_total,
                                struct error *reterr)
{
    struct sim_io *sim = sim_of(io);
    enum status s = sim_power_check(sim, "", reterr);
    if (s < 0)
        return s;
    bool full = sim->fault == IO_SIM_FULL && sim->operations >= sim->fault_at;
    *ret_free = full ? 0 : SIM_BYTES_TOTAL / 2;
    *ret_total = SIM_BYTES_TOTAL;
    return STATUS_OK;
}

static void sim_op_destroy(struct io *io)
{
    struct sim_io *sim = sim_of(io);
    sim_disk_deinit(&sim->disk);
    locks_clear(sim);
    mem_free(sim->locks);
    mem_free(sim);
}

static const struct io_ops sim_ops = {
    .name = "simulated",
    .open = sim_op_open,
    .close = sim_op_close,
    .read = sim_op_read,
    .write = sim_op_write,
    .sync = sim_op_sync,
    .size = sim_op_size,
    .truncate = sim_op_truncate,
    .rename = sim_op_rename,
    .unlink = sim_op_unlink,
    .make_dir = sim_op_make_dir,
    .sync_dir = sim_op_sync_dir,
    .list = sim_op_list,
    .map = sim_op_map,
    .unmap = sim_op_unmap,
    .lock = sim_op_lock,
    .space = sim_op_space,
    .destroy = sim_op_destroy,
    .queue_create = sim_queue_create,
    .queue_destroy = sim_queue_destroy,
    .queue_write_sync = sim_queue_write_sync,
    .queue_poll = sim_queue_poll,
    .queue_event_fd = sim_queue_event_fd,
    .queue_wake = sim_queue_wake,
};

/* --- the test's side -------------------------------------------------------------------------- */

struct io *io_sim_create(uint64_t seed)
{
    struct sim_io *sim = MEM_NEW(struct sim_io);
    sim->base.ops = &sim_ops;
    sim_disk_init(&sim->disk);
    rng_init(&sim->rng, seed);
    return &sim->base;
}

uint64_t io_sim_operations(const struct io *io)
{
    return ((const struct sim_io *)(const void *)io)->operations;
}

void io_sim_set_fault(struct io *io, enum io_sim_fault fault, uint64_t at)
{
    struct sim_io *sim = sim_of(io);
    sim->fault = fault;
    sim->fault_at = at;
    sim->fault_armed = false;
}

bool io_sim_crashed(const struct io *io)
{
    return ((const struct sim_io *)(const void *)io)->crashed;
}

static void process_end(struct sim_io *sim)
{
    sim->lives++;
    sim->crashed = false;
    sim->fault = IO_SIM_NONE;
    sim->fault_armed = false;
    locks_clear(sim);
}

void io_sim_crash(struct io *io, uint64_t seed)
{
    struct sim_io *sim = sim_of(io);
    rng_init(&sim->rng, seed);
    sim_disk_crash(&sim->disk, &sim->rng);
    process_end(sim);
}

void io_sim_kill(struct io *io)
{
    struct sim_io *sim = sim_of(io);
    for (struct sim_inode *n = sim->disk.inodes; n != NULL; n = n->next)
        n->open_count = 0;
    process_end(sim);
}

struct slice io_sim_peek(struct io *io, const char *path)
{
    const struct sim_inode *inode = sim_disk_find(&sim_of(io)->disk, path);
    return inode == NULL ? SLICE_EMPTY : slice_of(inode->current.data, inode->current.size);
}

/* On the platter as well, where the file reaches that far. */
void io_sim_poke(struct io *io, const char *path, uint64_t offset, uint8_t value)
{
    struct sim_inode *inode = sim_disk_find(&sim_of(io)->disk, path);
    ASSERT(inode != NULL);
    ASSERT(offset < inode->current.size);
    inode->current.data[offset] = value;
    if (offset < inode->durable.size)
        inode->durable.data[offset] = value;
}

void io_sim_set_defect(struct io *io, enum io_sim_defect defect)
{
    sim_of(io)->defect = defect;
}
