/*
 * io_sim_disk.h - the disk inside the simulator: what is there now, and what would be left.
 *
 * Invariant: 1. `current` is what reads see; `durable` plus any outcome of the pending operations is
 *               what a power cut may leave.
 *            2. Pending operations of a file and of a directory are kept in the order they were made.
 *            3. A write lost by a failed sync stays visible until the power goes, and no later
 *               sync saves it: as the kernel treats pages it could not write.
 */
#ifndef DRIFTLINE_BASE_IO_SIM_DISK_H
#define DRIFTLINE_BASE_IO_SIM_DISK_H

#include "engine/base/memory.h"
#include "engine/base/rng.h"

#define SIM_SECTOR 512u

struct sim_write {
    struct sim_write *next;
    uint64_t offset; /* or the new size */
    size_t size;
    bool is_truncate;
    bool is_lost;
    uint8_t bytes[];
};

struct sim_inode {
    struct sim_inode *next; /* all of the disk */
    bool is_dir;
    bool is_used; /* scratch of the sweep */
    uint32_t open_count;
    struct buffer current;
    struct buffer durable;
    struct sim_write *first;
    struct sim_write **end;
};

struct sim_entry {
    char *path;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_entry *entries;
    size_t count;
    size_t capacity;
};

/* from -> (nothing) for an unlink, (nothing) -> to for a create, both for a rename. */
struct sim_change {
    struct sim_change *next;
    struct sim_inode *inode;
    char *from;
    char *to;
    bool from_synced; /* its directory was synced, the other one not yet */
    bool to_synced;
};

struct sim_disk {
    struct sim_inode *inodes;
    struct sim_names current;
    struct sim_names durable;
    struct sim_change *first;
    struct sim_change **end;
};

void sim_disk_init(struct sim_disk *d);
void sim_disk_deinit(struct sim_disk *d);

struct sim_inode *sim_disk_find(const struct sim_disk *d, const char *path);
/* True for the root and for directories that are there. */
bool sim_disk_is_dir(const struct sim_disk *d, struct slice path);
/* The part before the last slash; the root is empty. */
struct slice sim_parent(const char *path);
/* A new file or directory, whose name is pending. */
struct sim_inode *sim_disk_create(struct sim_disk *d, const char *path, bool is_dir);
/* to may be NULL: unlink. */
void sim_disk_rename(struct sim_disk *d, const char *from, const char *to);
void sim_disk_sync_dir(struct sim_disk *d, const char *path);

void sim_inode_write(struct sim_inode *n, uint64_t offset, const void *from, size_t size);
void sim_inode_truncate(struct sim_inode *n, uint64_t size);
void sim_inode_sync(struct sim_inode *n);
/* Each pending write becomes durable or lost. */
void sim_inode_sync_failed(struct sim_inode *n, struct rng *rng);
/* A sync that got part of the way: some outcome of the dice is durable now. */
void sim_inode_sync_torn(struct sim_inode *n, struct rng *rng);

/* Throws the dice for everything pending; what is left is durable and current. */
void sim_disk_crash(struct sim_disk *d, struct rng *rng);

#endif
