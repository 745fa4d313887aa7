/*
 * inflate.c - gzip, deflate and zstd through zlib and libzstd.
 *
 * Bounds:    output goes to the caller's buffer, which grows by doubling up to bytes_max and no further; when it is full, a
 *            decoder that still has something to say is over the limit. zstd windows are at most 8 MiB.
 * Failure:   what was appended before a failure is taken back.
 */
#include "server/codec/inflate.h"

#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#define FIRST_BYTES     ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG 23

bool content_encoding_from_name(const char *name, enum content_encoding *ret)
{
    static const struct {
        const char *name;
        enum content_encoding encoding;
    } encodings[] = {{"", ENCODING_IDENTITY},       {"identity", ENCODING_IDENTITY},
                     {"gzip", ENCODING_GZIP},       {"x-gzip", ENCODING_GZIP},
                     {"deflate", ENCODING_DEFLATE}, {"zstd", ENCODING_ZSTD}};
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        if (strcasecmp(name != NULL ? name : "", encodings[i].name) == 0) {
            *ret = encodings[i].encoding;
            return true;
        }
    }
    return false;
}

/* Where output goes. */
struct output {
    struct buffer *to;
    size_t size_max; /* of the buffer */
};

/* Free bytes behind the buffer's size, made if there are none. Zero: the limit is reached. */
static size_t output_room(struct output *o)
{
    struct buffer *b = o->to;
    if (b->size == b->capacity && b->capacity < o->size_max) {
        size_t wanted = b->capacity < FIRST_BYTES ? FIRST_BYTES : b->capacity * 2;
        if (wanted > o->size_max)
            wanted = o->size_max;
        b->data = mem_resize(b->data, wanted);
        b->capacity = wanted;
    }
    size_t end = b->capacity < o->size_max ? b->capacity : o->size_max;
    return end - b->size;
}

static enum status too_large(size_t bytes_max, struct error *reterr)
{
    return error_set(reterr, STATUS_LIMIT, "the body has more than %zu bytes when decoded",
                     bytes_max);
}

static enum status not_encoded(const char *encoding, const char *why, struct error *reterr)
{
    return error_set(reterr, STATUS_INVALID, "the body is not %s: %s", encoding, why);
}

/* ---- zlib ---- */

#define WINDOW_GZIP (15 + 16)
#define WINDOW_ZLIB 15
#define WINDOW_RAW  (-15)

/* One call of inflate() into the buffer, or into a byte of ours when that is full. */
static int zlib_step(z_stream *z, struct output *o, bool *ret_is_over)
{
    uint8_t probe;
    size_t room = output_room(o);
    z->next_out = room != 0 ? o->to->data + o->to->size : &probe;
    z->avail_out = room != 0 ? (uInt)(room < UINT32_MAX ? room : UINT32_MAX) : 1;
    uInt before = z->avail_out;
    int result = inflate(z, Z_NO_FLUSH);
    size_t made = before - z->avail_out;
    *ret_is_over = room == 0 && made != 0;
    if (room != 0)
        o->to->size += made;
    return result;
}

static enum status zlib_run(z_stream *z, const char *name, bool has_members, struct output *o,
                            size_t bytes_max, struct error *reterr)
{
    for (;;) {
        bool is_over = false;
        int result = zlib_step(z, o, &is_over);
        if (is_over)
            return too_large(bytes_max, reterr);
        if (result == Z_STREAM_END) {
            if (z->avail_in == 0)
                return STATUS_OK;
            if (!has_members || inflateReset(z) != Z_OK)
                return not_encoded(name, "bytes follow its end", reterr);
        } else if (result == Z_BUF_ERROR ||
                   (result == Z_OK && z->avail_in == 0 && z->avail_out != 0)) {
            return not_encoded(name, "it is cut short", reterr);
        } else if (result != Z_OK) {
            return not_encoded(name, z->msg != NULL ? z->msg : "damaged", reterr);
        }
    }
}

static enum status zlib_decode(struct slice bytes, int window, const char *name, struct output *o,
                               size_t bytes_max, struct error *reterr)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.size};
    if (bytes.size > UINT32_MAX)
        return not_encoded(name, "it is too long", reterr);
    if (inflateInit2(&z, window) != Z_OK)
        return error_set(reterr, STATUS_LIMIT, "no memory for zlib");
    enum status s = zlib_run(&z, name, window == WINDOW_GZIP, o, bytes_max, reterr);
    (void)inflateEnd(&z);
    return s;
}

/* HTTP's deflate is zlib's format, but some clients send the bare stream. What is neither is a bad zlib stream. */
static enum status deflate_decode(struct slice bytes, struct output *o, size_t bytes_max,
                                  struct error *reterr)
{
    size_t size = o->to->size;
    struct error raw_error = {0};
    enum status s = zlib_decode(bytes, WINDOW_ZLIB, "deflate", o, bytes_max, reterr);
    if (s != STATUS_INVALID)
        return s;
    o->to->size = size;
    enum status raw = zlib_decode(bytes, WINDOW_RAW, "deflate", o, bytes_max, &raw_error);
    if (raw == STATUS_LIMIT && reterr != NULL)
        *reterr = raw_error;
    return raw == STATUS_INVALID ? s : raw;
}

/* ---- zstd ---- */

static enum status zstd_run(ZSTD_DCtx *context, struct slice bytes, struct output *o,
                            size_t bytes_max, struct error *reterr)
{
    ZSTD_inBuffer in = {.src = bytes.data, .size = bytes.size};
    size_t left = 1; /* 0: a frame just ended */
    for (;;) {
        uint8_t probe;
        size_t room = output_room(o);
        ZSTD_outBuffer out = {.dst = room != 0 ? o->to->data + o->to->size : &probe,
                              .size = room != 0 ? room : 1};
        if (left == 0 && in.pos == in.size)
            return STATUS_OK;
        size_t pos_before = in.pos;
        left = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(left))
            return not_encoded("zstd", ZSTD_getErrorName(left), reterr);
        if (room == 0 && out.pos != 0)
            return too_large(bytes_max, reterr);
        if (room != 0)
            o->to->size += out.pos;
        if (left != 0 && out.pos == 0 && in.pos == pos_before)
            return not_encoded("zstd", "it is cut short", reterr);
    }
}

static enum status zstd_decode(struct slice bytes, struct output *o, size_t bytes_max,
                               struct error *reterr)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return error_set(reterr, STATUS_LIMIT, "no memory for zstd");
    enum status s = STATUS_OK;
    if (ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
        s = error_set(reterr, STATUS_LIMIT, "zstd refuses a window of 8 MiB");
    if (s == STATUS_OK)
        s = zstd_run(context, bytes, o, bytes_max, reterr);
    (void)ZSTD_freeDCtx(context);
    return s;
}

enum status content_decode(enum content_encoding encoding, struct slice bytes, size_t bytes_max,
                           struct buffer *to, struct error *reterr)
{
    size_t size = to->size;
    size_t room = SIZE_MAX / 2 - size;
    struct output o = {.to = to, .size_max = size + (bytes_max < room ? bytes_max : room)};
    enum status s = STATUS_OK;
    switch (encoding) {
    case ENCODING_IDENTITY:
        if (bytes.size > bytes_max)
            s = too_large(bytes_max, reterr);
        else
            buffer_add_slice(to, bytes);
        break;
    case ENCODING_GZIP:
        s = zlib_decode(bytes, WINDOW_GZIP, "gzip", &o, bytes_max, reterr);
        break;
    case ENCODING_DEFLATE:
        s = deflate_decode(bytes, &o, bytes_max, reterr);
        break;
    case ENCODING_ZSTD:
        s = zstd_decode(bytes, &o, bytes_max, reterr);
        break;
    }
    if (s < 0)
        to->size = size;
    return s;
}
