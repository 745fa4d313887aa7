/*
 * input.c - reads in large pieces, keeps the unfinished record.
 */
#include "tools/input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/memory.h"

enum status input_open(const char *path, struct input *ret, struct error *reterr)
{
    struct input in = {.name = path};
    struct stat info;
    if (strcmp(path, "-") == 0) {
        in.name = "stdin";
        in.file = stdin;
        in.is_stdin = true;
    } else if ((in.file = fopen(path, "re")) == NULL) {
        return error_set(reterr, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(errno));
    }
    if (fstat(fileno(in.file), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        in.bytes_total = (uint64_t)info.st_size;
    *ret = in;
    return STATUS_OK;
}

void input_close(struct input *in)
{
    if (in->file != NULL && !in->is_stdin)
        (void)fclose(in->file);
    mem_free(in->data);
    *in = (struct input){0};
}

static void window_make_room(struct input *in)
{
    size_t size = in->end - in->at;
    if (in->at > 0)
        memmove(in->data, in->data + in->at, size);
    in->at = 0;
    in->end = size;
    /* A byte more than the file has, so that its end is seen with the last read. */
    bool is_small = in->bytes_total != 0 && in->bytes_total < INPUT_CHUNK;
    size_t chunk = is_small ? (size_t)in->bytes_total + 1 : INPUT_CHUNK;
    if (size + chunk + INPUT_PADDING > in->capacity) {
        in->capacity = 2 * size + chunk + INPUT_PADDING;
        in->data = mem_resize(in->data, in->capacity);
    }
}

static enum status window_read(struct input *in, struct error *reterr)
{
    window_make_room(in);
    ssize_t got;
    do {
        got = read(fileno(in->file), in->data + in->end, in->capacity - INPUT_PADDING - in->end);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(reterr, STATUS_IO, "%s: %s", in->name, strerror(errno));
    in->finished = got == 0;
    in->end += (size_t)got;
    in->bytes_read += (uint64_t)got;
    memset(in->data + in->end, 0, INPUT_PADDING);
    return got == 0 ? STATUS_END : STATUS_OK;
}

enum status input_more(struct input *in, struct error *reterr)
{
    if (in->finished)
        return STATUS_END;
    if (in->end - in->at > INPUT_RECORD_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: a record of more than %u bytes", in->name,
                         INPUT_RECORD_MAX);
    return window_read(in, reterr);
}

enum status input_all(struct input *in, struct error *reterr)
{
    enum status s = STATUS_OK;
    while (s == STATUS_OK) {
        if (in->end - in->at > INPUT_WHOLE_MAX)
            return error_set(reterr, STATUS_LIMIT, "%s: more than %u MiB", in->name,
                             INPUT_WHOLE_MAX >> 20);
        s = window_read(in, reterr);
    }
    return s < 0 ? s : STATUS_OK;
}

double input_fraction(const struct input *in)
{
    if (in->bytes_total == 0)
        return -1;
    double done = (double)(in->bytes_read - (in->end - in->at)) / (double)in->bytes_total;
    return done > 1 ? 1 : done;
}
