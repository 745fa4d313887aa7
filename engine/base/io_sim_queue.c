/*
 * io_sim_queue.c - asynchronous writes on the simulated disk, completed in random order by the poll.
 *
 * Place: io_queue_* -> [here] -> io_sim.c
 */
#include "engine/base/io_sim_state.h"
#include "engine/base/memory.h"

struct sim_request {
    struct io_file *file;
    uint64_t offset;
    const void *from;
    size_t size;
    uint64_t tag;
    bool is_written;
    enum status status;
};

struct sim_queue {
    struct io_queue base;
    struct sim_io *sim;
    struct sim_request *requests;
    size_t count;
    size_t capacity;
};

static struct sim_queue *queue_of(struct io_queue *q)
{
    return (struct sim_queue *)(void *)q;
}

enum status sim_queue_create(struct io *io, struct io_queue **ret, struct error *reterr)
{
    enum status s = sim_power_check(sim_of(io), "", reterr);
    if (s < 0)
        return s;
    struct sim_queue *q = MEM_NEW(struct sim_queue);
    q->base.ops = io->ops;
    q->sim = sim_of(io);
    *ret = &q->base;
    return STATUS_OK;
}

void sim_queue_destroy(struct io_queue *base)
{
    mem_free(queue_of(base)->requests);
    mem_free(base);
}

static void request_write(struct sim_request *r)
{
    if (!r->is_written)
        r->status = io_write(r->file, r->offset, r->from, r->size, NULL);
    r->is_written = true;
}

/* The write itself happens now or when the queue is polled: both are possible in the ring. */
enum status sim_queue_write_sync(struct io_queue *base, struct io_file *file, uint64_t offset,
                                 const void *from, size_t size, uint64_t tag, struct error *reterr)
{
    (void)reterr;
    struct sim_queue *q = queue_of(base);
    q->requests = mem_grow(q->requests, &q->capacity, q->count + 1, sizeof *q->requests);
    struct sim_request *r = &q->requests[q->count++];
    *r = (struct sim_request){
        .file = file, .offset = offset, .from = from, .size = size, .tag = tag};
    if (rng_below(&q->sim->rng, 2) == 0)
        request_write(r);
    return STATUS_OK;
}

int sim_queue_poll(struct io_queue *base, struct io_completion *ret, int max, int64_t timeout_ns)
{
    (void)timeout_ns;
    struct sim_queue *q = queue_of(base);
    int count = 0;
    while (count < max && q->count != 0) {
        size_t at = (size_t)rng_below(&q->sim->rng, q->count);
        struct sim_request r = q->requests[at];
        q->requests[at] = q->requests[--q->count];
        request_write(&r);
        if (r.status == STATUS_OK)
            r.status = io_sync(r.file, NULL);
        ret[count++] = (struct io_completion){.tag = r.tag, .status = r.status};
    }
    return count;
}

int sim_queue_event_fd(struct io_queue *base)
{
    (void)base;
    return -1;
}

void sim_queue_wake(struct io_queue *base)
{
    (void)base;
}
