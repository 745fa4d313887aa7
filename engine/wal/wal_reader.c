/*
 * wal_reader.c - reads the frames of one log file, whatever its bytes are.
 *
 * Place:     a log file -> [here] -> wal_replay.c
 * Format:    FORMAT.md 4
 * Invariant: a frame is handed out only if both checksums matched and it names this file's number,
 *            this offset and, once the first frame is known, the file's salt.
 * Failure:   no whole frame is STATUS_END, for the caller to judge; a read that fails is STATUS_IO.
 *            Nothing is sized by a length that its checksum and its limit have not passed.
 */
#include "engine/wal/wal_reader.h"

#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/memory.h"

#define WINDOW_BYTES ((size_t)1 << 20)
#define NAME_DIGITS  10
#define NAME_SUFFIX  ".wal"

void wal_path(uint64_t number, char to[WAL_PATH_BYTES])
{
    (void)snprintf(to, WAL_PATH_BYTES, "wal/%010llu" NAME_SUFFIX, (unsigned long long)number);
}

bool wal_name_parse(const char *name, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    if (strcmp(name + NAME_DIGITS, NAME_SUFFIX) != 0 || number == 0)
        return false;
    *ret_number = number;
    return true;
}

static enum status reader_begin(struct wal_reader *r, struct error *reterr)
{
    enum status s = io_size(r->file, &r->size, reterr);
    if (s < 0)
        return s;
    struct wal_frame first;
    struct slice behind;
    if ((s = wal_reader_frame(r, 0, &first, &behind, reterr)) < 0)
        return s;
    r->is_begun = s == STATUS_OK;
    if (r->is_begun)
        r->first = first;
    return STATUS_OK;
}

enum status wal_reader_open(struct io *io, uint64_t number, bool trust, struct wal_reader *r,
                            struct error *reterr)
{
    *r = (struct wal_reader){.number = number, .trust = trust};
    wal_path(number, r->path);
    enum status s = io_open(io, r->path, IO_READ | IO_DIRECT, &r->file, reterr);
    if (s == STATUS_OK)
        s = reader_begin(r, reterr);
    if (s < 0)
        wal_reader_close(r);
    return s;
}

void wal_reader_close(struct wal_reader *r)
{
    io_close(r->file);
    io_buffer_free(r->window);
    r->file = NULL;
    r->window = NULL;
    r->window_capacity = 0;
    r->window_bytes = 0;
}

/* Bytes at `offset`, as many as wanted unless the file ends. Reads ahead by a window, but not for the
 * first look at a file, which is often the only one. */
static enum status window_get(struct wal_reader *r, uint64_t offset, size_t wanted,
                              struct slice *ret, struct error *reterr)
{
    ASSERT(offset % IO_ALIGN == 0);
    ASSERT(wanted % IO_ALIGN == 0);
    bool inside = offset >= r->window_offset && offset - r->window_offset <= r->window_bytes &&
                  wanted <= r->window_bytes - (size_t)(offset - r->window_offset);
    if (!inside) {
        size_t readable = (size_t)(r->size - offset + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
        size_t ahead = readable < WINDOW_BYTES ? readable : WINDOW_BYTES;
        if (r->window_bytes == 0 || ahead < wanted)
            ahead = wanted;
        if (ahead > r->window_capacity) {
            io_buffer_free(r->window);
            r->window = io_buffer_alloc(ahead);
            r->window_capacity = ahead;
        }
        r->window_offset = offset;
        r->window_bytes = 0;
        enum status s = io_read(r->file, offset, r->window, ahead, &r->window_bytes, reterr);
        if (s < 0)
            return s;
    }
    size_t skipped = (size_t)(offset - r->window_offset);
    size_t have = r->window_bytes - skipped;
    *ret = slice_of(r->window + skipped, have < wanted ? have : wanted);
    return STATUS_OK;
}

static enum status no_frame(struct wal_reader *r, const char *reason)
{
    r->reason = reason;
    return STATUS_END;
}

static const char *frame_misplaced(const struct wal_reader *r, uint64_t offset,
                                   const struct wal_frame *frame)
{
    if (frame->number != r->number)
        return "the frame is of another file";
    if (frame->offset != offset)
        return "the frame is of another place";
    if (r->is_begun && frame->salt != r->first.salt)
        return "the frame is of an earlier life of the file";
    return NULL;
}

enum status wal_reader_frame(struct wal_reader *r, uint64_t offset, struct wal_frame *ret_frame,
                             struct slice *ret_behind, struct error *reterr)
{
    if (offset >= r->size || r->size - offset < IO_ALIGN)
        return no_frame(r, "the file ends");
    struct slice bytes;
    enum status s = window_get(r, offset, IO_ALIGN, &bytes, reterr);
    if (s < 0)
        return s;
    struct wal_frame frame;
    const char *reason = wal_frame_decode(bytes, r->trust, &frame);
    if (reason == NULL)
        reason = frame_misplaced(r, offset, &frame);
    if (reason != NULL)
        return no_frame(r, reason);
    size_t size = wal_frame_bytes(frame.body_bytes);
    if (size > r->size - offset)
        return no_frame(r, "the frame runs past the end of the file");
    if ((s = window_get(r, offset, size, &bytes, reterr)) < 0)
        return s;
    if (bytes.size < size)
        return no_frame(r, "the frame runs past the end of the file");
    struct slice behind =
        slice_of(bytes.data + WAL_FRAME_HEADER_BYTES, size - WAL_FRAME_HEADER_BYTES);
    if (!r->trust && !wal_frame_body_matches(&frame, behind))
        return no_frame(r, "the body's checksum does not match");
    *ret_frame = frame;
    *ret_behind = behind;
    return STATUS_OK;
}

enum status wal_reader_find(struct wal_reader *r, uint64_t offset, uint64_t seq_min,
                            struct wal_frame *ret_frame, struct error *reterr)
{
    for (; offset < r->size; offset += IO_ALIGN) {
        struct wal_frame frame;
        struct slice behind;
        enum status s = wal_reader_frame(r, offset, &frame, &behind, reterr);
        if (s < 0)
            return s;
        if (s == STATUS_OK && wal_frame_last_seq(&frame) >= seq_min) {
            *ret_frame = frame;
            return STATUS_OK;
        }
    }
    return STATUS_END;
}
