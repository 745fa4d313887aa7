/*
 * doctor_body.c - what the bytes of a captured request are, whatever anybody said about them.
 *
 * Order:    HTTP head -> gRPC frame (flag, length) -> gzip, zstd, deflate -> protobuf or JSON. What the headers say is
 *           believed first; where the bytes say otherwise, the bytes win and the difference becomes advice.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/codec/inflate.h"
#include "tools/doctor.h"

#define GRPC_HEAD_BYTES 5u
#define DECODED_BYTES_MAX                                                                          \
    ((size_t)1 << 30) /* more than any server takes: this is for looking at it */

/* ---- headers ---- */

static void copy_trimmed(char *to, size_t size, struct slice text)
{
    while (text.size > 0 && isspace(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && isspace(text.data[text.size - 1]))
        text.size--;
    size_t count = text.size < size - 1 ? text.size : size - 1;
    bytes_copy(to, text.data, count);
    to[count] = 0;
}

static bool ends_with(struct slice text, const char *end)
{
    size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* "POST /v1/logs HTTP/1.1" */
static void request_line(struct doctor_source *s, struct slice line)
{
    const uint8_t *start = memchr(line.data, ' ', line.size);
    if (start == NULL)
        return;
    const uint8_t *end = line.data + line.size;
    start++;
    const uint8_t *stop = start;
    while (stop < end && *stop != ' ' && *stop != '?')
        stop++;
    struct slice path = slice_of(start, (size_t)(stop - start));
    bool is_logs = ends_with(path, "/v1/logs") || ends_with(path, "LogsService/Export");
    bool is_traces = ends_with(path, "/v1/traces") || ends_with(path, "TraceService/Export");
    if (s->has_signal || (!is_logs && !is_traces))
        return;
    s->has_signal = true;
    s->is_logs = is_logs;
}

static bool is_request_line(struct slice line)
{
    static const char *const methods[] = {"POST ", "PUT ", "GET "};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (line.size > strlen(methods[i]) &&
            memcmp(line.data, methods[i], strlen(methods[i])) == 0)
            return true;
    }
    return false;
}

static bool is_named(struct slice name, const char *wanted)
{
    return name.size == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.size) == 0;
}

/* What a header may be called (RFC 9110 5.6.2, as far as anybody goes); pseudo-headers of HTTP/2 begin with ':'. */
static bool is_token(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!isalnum(name.data[i]) && (name.data[i] == 0 || strchr("-_.", name.data[i]) == NULL) &&
            (name.data[i] != ':' || i > 0))
            return false;
    }
    return name.size > 0;
}

static void header_take(struct doctor_source *s, struct slice name, struct slice value)
{
    char path[512] = "x ";
    if (is_named(name, "content-type") && s->content_type[0] == 0)
        copy_trimmed(s->content_type, sizeof s->content_type, value);
    else if ((is_named(name, "content-encoding") || is_named(name, "grpc-encoding")) &&
             s->content_encoding[0] == 0)
        copy_trimmed(s->content_encoding, sizeof s->content_encoding, value);
    else if (is_named(name, ":path")) {
        copy_trimmed(path + 2, sizeof path - 2, value);
        request_line(s, slice_text(path));
    }
}

enum status doctor_headers_read(struct doctor_source *source, const char *name, struct slice text,
                                struct error *reterr)
{
    uint32_t number = 0;
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        struct slice line =
            slice_of(text.data, end == NULL ? text.size : (size_t)(end - text.data));
        size_t taken = line.size + (end != NULL);
        text = slice_of(text.data + taken, text.size - taken);
        number++;
        while (line.size > 0 && isspace(line.data[line.size - 1]))
            line.size--;
        if (line.size == 0)
            continue;
        if (number == 1 && is_request_line(line)) {
            request_line(source, line);
            continue;
        }
        const uint8_t *colon = memchr(line.data + 1, ':', line.size - 1);
        if (colon == NULL || !is_token(slice_of(line.data, (size_t)(colon - line.data))))
            return error_set(reterr, STATUS_INVALID,
                             "%s:%u: '%.*s' is no header: expected NAME: VALUE", name, number,
                             (int)(line.size < 40 ? line.size : 40), line.data);
        size_t at = (size_t)(colon - line.data);
        header_take(source, slice_of(line.data, at), slice_of(colon + 1, line.size - at - 1));
    }
    return STATUS_OK;
}

/* ---- looks ---- */

static bool begins(struct slice bytes, const char *with, size_t size)
{
    return bytes.size >= size && memcmp(bytes.data, with, size) == 0;
}

static bool is_zlib(struct slice b)
{
    return b.size > 2 && (b.data[0] & 0x0f) == 8 && b.data[0] >> 4 <= 7 &&
           (b.data[0] * 256u + b.data[1]) % 31 == 0;
}

static uint32_t frame_bytes(struct slice b)
{
    return (uint32_t)b.data[1] << 24 | (uint32_t)b.data[2] << 16 | (uint32_t)b.data[3] << 8 |
           b.data[4];
}

/* No protobuf message and no JSON begins with a byte 0 or 1. */
static bool is_grpc_frame(struct slice b)
{
    return b.size >= GRPC_HEAD_BYTES && b.data[0] <= 1 &&
           frame_bytes(b) == b.size - GRPC_HEAD_BYTES;
}

static bool is_all(struct slice bytes, const char *extra)
{
    size_t size = bytes.size < 4096 ? bytes.size : 4096;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum(bytes.data[i]) && (bytes.data[i] == 0 || strchr(extra, bytes.data[i]) == NULL))
            return false;
    }
    return size > 0;
}

static bool is_hex(struct slice bytes)
{
    size_t size = bytes.size < 4096 ? bytes.size : 4096;
    for (size_t i = 0; i < size; i++) {
        if (!isxdigit(bytes.data[i]) && !isspace(bytes.data[i]))
            return false;
    }
    return size > 0;
}

static bool is_chunked(struct slice b)
{
    size_t at = 0;
    while (at < b.size && at < 8 && isxdigit(b.data[at]))
        at++;
    return at > 0 && at + 1 < b.size && b.data[at] == '\r' && b.data[at + 1] == '\n';
}

/* Field 1, length-delimited, as every OTLP export begins; but the length goes beyond the end. */
static bool is_cut_export(struct slice b)
{
    uint64_t size = 0;
    size_t at = 1;
    if (b.size < 2 || b.data[0] != 0x0a)
        return false;
    for (uint32_t shift = 0; at < b.size && at < 6; shift += 7) {
        size |= (uint64_t)(b.data[at] & 0x7f) << shift;
        if (b.data[at++] < 0x80)
            return size > b.size - at && size < (1u << 30);
    }
    return false;
}

static bool is_text(struct slice bytes)
{
    size_t size = bytes.size < 4096 ? bytes.size : 4096;
    for (size_t i = 0; i < size; i++) {
        if (bytes.data[i] < ' ' && !isspace(bytes.data[i]))
            return false;
    }
    return true;
}

const char *doctor_looks_like(struct slice b)
{
    size_t at = 0;
    while (at < b.size && isspace(b.data[at]))
        at++;
    if (at == b.size)
        return "empty";
    if (begins(b, "\x1f\x8b", 2))
        return "gzip";
    if (begins(b, "\x28\xb5\x2f\xfd", 4))
        return "zstd";
    if (begins(b, "PRI * HTTP/2.0", 14))
        return "an HTTP/2 connection, not one request's body";
    if (begins(b, "HTTP/", 5))
        return "an HTTP answer, not a request";
    if (begins(b, "PK\x03\x04", 4))
        return "a zip archive";
    if (is_grpc_frame(b))
        return "a gRPC frame";
    if (b.data[at] == '{' || b.data[at] == '[')
        return "JSON";
    if (b.data[at] == '<')
        return "HTML or XML";
    if (is_chunked(b))
        return "a body that still has its chunk sizes (Transfer-Encoding: chunked)";
    if (is_hex(b))
        return "hexadecimal text: decode it first (xxd -r -p)";
    if (is_all(b, "+/=\r\n-_"))
        return "base64 text: decode it first (base64 -d)";
    if (is_zlib(b))
        return "deflate";
    if (is_cut_export(b))
        return "a protobuf export that is cut short: its first part is longer than what is there";
    return is_text(b) ? "text" : "binary data";
}

/* ---- unpacking ---- */

/* A whole request: its head tells what the flags did not. */
static enum status head_take(struct doctor_source *s, struct slice *bytes, struct error *reterr)
{
    if (!is_request_line(*bytes))
        return STATUS_OK;
    const uint8_t *end = memmem(bytes->data, bytes->size, "\r\n\r\n", 4);
    if (end == NULL)
        return STATUS_OK;
    size_t size = (size_t)(end - bytes->data);
    enum status status = doctor_headers_read(s, s->name, slice_of(bytes->data, size), reterr);
    *bytes = slice_of(end + 4, bytes->size - size - 4);
    return status;
}

static bool encoding_guess(struct slice bytes, enum content_encoding *ret)
{
    if (begins(bytes, "\x1f\x8b", 2))
        *ret = ENCODING_GZIP;
    else if (begins(bytes, "\x28\xb5\x2f\xfd", 4))
        *ret = ENCODING_ZSTD;
    else
        return false;
    return true;
}

static const char *encoding_name(enum content_encoding encoding)
{
    switch (encoding) {
    case ENCODING_IDENTITY:
        return "identity";
    case ENCODING_GZIP:
        return "gzip";
    case ENCODING_DEFLATE:
        return "deflate";
    case ENCODING_ZSTD:
        return "zstd";
    }
    return "";
}

static enum content_encoding encoding_choose(struct doctor *d, struct slice bytes, bool compressed)
{
    const struct doctor_source *s = d->source;
    enum content_encoding said = ENCODING_IDENTITY;
    enum content_encoding seen = ENCODING_IDENTITY;
    bool is_known = content_encoding_from_name(s->content_encoding, &said);
    bool is_seen = encoding_guess(bytes, &seen);
    if (!is_known)
        doctor_advise(d, ADVICE_ERROR, "content_encoding",
                      "Content-Encoding '%s' is none a server knows: gzip, zstd, deflate or none",
                      s->content_encoding);
    if (is_seen && seen != said && (s->content_type[0] != 0 || s->content_encoding[0] != 0))
        doctor_advise(d, ADVICE_ERROR, "content_encoding",
                      "the body is %s but Content-Encoding says %s: a server can't read it; send "
                      "Content-Encoding: %s",
                      encoding_name(seen),
                      said == ENCODING_IDENTITY ? "nothing" : encoding_name(said),
                      encoding_name(seen));
    if (is_seen)
        return seen;
    /* A proxy that unpacks leaves the header behind; deflate has no sure mark. */
    if (said == ENCODING_GZIP || said == ENCODING_ZSTD) {
        doctor_advise(d, ADVICE_WARN, "content_encoding",
                      "Content-Encoding says %s, but the bytes are not: read as they are",
                      encoding_name(said));
        return ENCODING_IDENTITY;
    }
    return compressed && said == ENCODING_IDENTITY ? ENCODING_GZIP : said;
}

static enum status content_take(struct doctor *d, struct slice bytes, bool compressed,
                                struct error *reterr)
{
    enum content_encoding encoding = encoding_choose(d, bytes, compressed);
    d->body = bytes;
    if (encoding == ENCODING_IDENTITY)
        return STATUS_OK;
    buffer_printf(&d->wire, "%s, ", encoding_name(encoding));
    enum status s = content_decode(encoding, bytes, DECODED_BYTES_MAX, &d->decoded, reterr);
    if (s < 0) {
        error_prefix(reterr, "%s", d->source->name);
        return s;
    }
    d->body = buffer_slice(&d->decoded);
    return STATUS_OK;
}

static void encoding_check(struct doctor *d)
{
    const char *type = d->source->content_type;
    bool is_grpc = strncasecmp(type, "application/grpc", 16) == 0;
    bool is_known = type[0] == 0 || is_grpc || strcasestr(type, "json") != NULL ||
                    strcasestr(type, "protobuf") != NULL;
    if (!is_known)
        doctor_advise(d, ADVICE_WARN, "content_type",
                      "Content-Type '%s' is neither application/x-protobuf nor application/json: "
                      "the body's first byte decides",
                      type);
    d->encoding = is_grpc ? OTLP_PROTOBUF : otlp_encoding_of(type[0] == 0 ? NULL : type, d->body);
}

enum status doctor_unpack(struct doctor *d, struct error *reterr)
{
    struct doctor_source *source = (struct doctor_source *)(uintptr_t)d->source;
    struct slice bytes = source->bytes;
    bool compressed = false;
    enum status s = head_take(source, &bytes, reterr);
    if (s < 0)
        return s;
    if (is_grpc_frame(bytes)) {
        compressed = bytes.data[0] == 1;
        buffer_printf(&d->wire, "gRPC frame of %u bytes, ", frame_bytes(bytes));
        bytes = slice_of(bytes.data + GRPC_HEAD_BYTES, bytes.size - GRPC_HEAD_BYTES);
    } else if (strncasecmp(source->content_type, "application/grpc", 16) == 0) {
        doctor_advise(d, ADVICE_WARN, "grpc_frame",
                      "Content-Type says gRPC, but the body is not one frame (flag, length, "
                      "message): read as the bare message");
    }
    if (source->has_signal)
        d->signal = source->is_logs ? OTLP_LOGS : OTLP_TRACES;
    if ((s = content_take(d, bytes, compressed, reterr)) < 0)
        return s;
    encoding_check(d);
    return STATUS_OK;
}
