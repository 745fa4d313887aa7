/*
 * wal_reader.h - reads the frames of one log file.
 */
#ifndef DRIFTLINE_WAL_READER_H
#define DRIFTLINE_WAL_READER_H

#include "engine/wal/wal_format.h"

#define WAL_PATH_BYTES 32

struct wal_reader {
    struct io_file *file;
    char path[WAL_PATH_BYTES];
    uint64_t number;
    uint64_t size;
    bool trust;             /* planted defect: believes what it reads */
    bool is_begun;          /* the first frame is whole */
    struct wal_frame first; /* when is_begun */
    const char *reason;     /* why the last wal_reader_frame was STATUS_END */
    uint8_t *window;
    size_t window_capacity;
    uint64_t window_offset;
    size_t window_bytes;
};

/* "wal/0000000007.wal" */
void wal_path(uint64_t number, char to[WAL_PATH_BYTES]);
/* True for the exact form of wal_path's last part. */
bool wal_name_parse(const char *name, uint64_t *ret_number);

/* Opens the file and looks at its first frame. */
MUST_CHECK enum status wal_reader_open(struct io *io, uint64_t number, bool trust,
                                       struct wal_reader *r, struct error *reterr);
/* Accepts a zeroed reader. */
void wal_reader_close(struct wal_reader *r);
/* The frame at `offset`, whole and made for this place: *ret_behind is body and padding, valid until the next call.
 * STATUS_END: there is none (r->reason). */
MUST_CHECK enum status wal_reader_frame(struct wal_reader *r, uint64_t offset,
                                        struct wal_frame *ret_frame, struct slice *ret_behind,
                                        struct error *reterr);
/* The first whole frame at `offset` or later whose last sequence is seq_min or more. STATUS_END: none. */
MUST_CHECK enum status wal_reader_find(struct wal_reader *r, uint64_t offset, uint64_t seq_min,
                                       struct wal_frame *ret_frame, struct error *reterr);

#endif
