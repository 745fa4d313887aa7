/*
 * test_otlp_captures.c - recorded requests of real clients decode to what is written beside them.
 *
 * The recordings lie outside the project (DRIFTLINE_SHARED, else ../shared); without them nothing is checked here. Both sides are
 * flattened to lines "record/path = value" and compared as sets: NNN.decoded.json leaves out or spells differently what is
 * empty, so empty and zero fields that are no attributes are left out on both sides.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>

#include "engine/base/json.h"
#include "otlp_fixture.h"
#include "server/codec/inflate.h"

/* ---- lines ---- */

struct lines {
    struct arena arena;
    char **items;
    size_t capacity;
    size_t count;
    bool are_logs; /* struct otlp_log has no flags */
};

static void lines_deinit(struct lines *l)
{
    arena_deinit(&l->arena);
    mem_free(l->items);
}

static void line_add(struct lines *l, const char *path, struct slice value)
{
    bool is_field = strstr(path, "/attributes/") == NULL && strstr(path, "/resource/") == NULL;
    if (is_field && (slice_is(value, "0") || slice_is(value, "\"\"") || strstr(path, "/dropped_") ||
                     strstr(path, "/schema_url") || (l->are_logs && strstr(path, "/flags"))))
        return;
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof(char *));
    l->items[l->count++] = arena_printf(&l->arena, "%s = %.*s", path, SLICE_ARG(value));
}

static void line_add_text(struct lines *l, const char *path, struct slice text)
{
    struct buffer json = {0};
    buffer_add_json(&json, text);
    line_add(l, path, buffer_slice(&json));
    buffer_deinit(&json);
}

static void line_add_number(struct lines *l, const char *path, double number)
{
    struct buffer text = {0};
    stringify_number(number, &text);
    line_add(l, path, buffer_slice(&text));
    buffer_deinit(&text);
}

static void line_add_int(struct lines *l, const char *path, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    line_add(l, path, slice_text(text));
}

static int line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *path_join(struct lines *l, const char *path, struct slice name)
{
    return arena_printf(&l->arena, "%s/%.*s", path, SLICE_ARG(name));
}

/* Every scalar below the value that begins with t. */
static void flatten_value(struct lines *l, struct json *j, enum json_token t, const char *path)
{
    int64_t integer = 0;
    size_t index = 0;
    char number[24];
    switch (t) {
    case JSON_OBJECT_BEGIN:
        while ((t = json_next(j)) == JSON_KEY) {
            const char *inner = path_join(l, path, json_string(j, &l->arena));
            flatten_value(l, j, json_next(j), inner);
        }
        break;
    case JSON_ARRAY_BEGIN:
        while ((t = json_next(j)) > 0 && t != JSON_ARRAY_END) {
            (void)snprintf(number, sizeof number, "%zu", index++);
            flatten_value(l, j, t, path_join(l, path, slice_text(number)));
        }
        break;
    case JSON_STRING:
        line_add_text(l, path, json_string(j, &l->arena));
        break;
    case JSON_NUMBER:
        if (json_int(j, &integer))
            line_add_int(l, path, integer);
        else
            line_add_number(l, path, json_double(j));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        line_add(l, path, j->raw);
        break;
    default:
        cr_assert_eq(t, JSON_NULL, "damaged JSON");
    }
}

static void flatten(struct lines *l, struct slice json, const char *path)
{
    struct json j = json_over(json);
    if (json.size != 0)
        flatten_value(l, &j, json_next(&j), path);
}

/* ---- what is expected: [{resource, scopes: [{scope, spans|records: []}]}] ---- */

/* The members of the object that begins here, by name. */
static void members(struct json *j, const char *const names[2], struct slice values[2])
{
    while (json_next(j) == JSON_KEY) {
        struct slice name = j->raw;
        struct slice value = json_skip(j, json_next(j));
        for (int i = 0; i < 2; i++) {
            if (slice_is(name, names[i]))
                values[i] = value;
        }
    }
}

static void expected_lines(struct lines *l, struct slice decoded)
{
    struct json groups = json_over(decoded);
    size_t record = 0;
    cr_assert_eq(json_next(&groups), JSON_ARRAY_BEGIN);
    while (json_next(&groups) == JSON_OBJECT_BEGIN) {
        struct slice group[2] = {SLICE_EMPTY, SLICE_EMPTY};
        members(&groups, (const char *const[2]){"resource", "scopes"}, group);
        struct json scopes = json_over(group[1]);
        cr_assert_eq(json_next(&scopes), JSON_ARRAY_BEGIN);
        while (json_next(&scopes) == JSON_OBJECT_BEGIN) {
            struct slice scope[2] = {SLICE_EMPTY, SLICE_EMPTY};
            struct json start = scopes;
            members(&scopes, (const char *const[2]){"scope", "spans"}, scope);
            if (scope[1].size == 0)
                members(&start, (const char *const[2]){"scope", "records"}, scope);
            struct json records = json_over(scope[1]);
            enum json_token t = json_next(&records);
            cr_assert_eq(t, JSON_ARRAY_BEGIN);
            while ((t = json_next(&records)) == JSON_OBJECT_BEGIN) {
                const char *path = arena_printf(&l->arena, "%zu", record++);
                flatten(l, group[0], path_join(l, path, slice_text("resource")));
                flatten(l, scope[0], path_join(l, path, slice_text("scope")));
                flatten_value(l, &records, t, path);
            }
        }
    }
}

/* ---- what is read ---- */

struct capture {
    struct lines lines;
    size_t records;
};

static void read_value(struct lines *l, const char *path, const struct value *v)
{
    struct buffer hex = {0};
    switch (v->type) {
    case VALUE_NONE:
        break;
    case VALUE_STRING:
        line_add_text(l, path, v->bytes);
        break;
    case VALUE_BOOL:
        line_add(l, path, slice_text(v->boolean ? "true" : "false"));
        break;
    case VALUE_INT:
        line_add_int(l, path, v->integer);
        break;
    case VALUE_DOUBLE:
        line_add_number(l, path, v->number);
        break;
    case VALUE_BYTES:
        buffer_add_text(&hex, "0x");
        dump_hex(&hex, v->bytes.data, v->bytes.size);
        line_add_text(l, path, buffer_slice(&hex));
        break;
    case VALUE_JSON:
        flatten(l, v->bytes, path);
        break;
    }
    buffer_deinit(&hex);
}

static void read_attributes(struct lines *l, const char *path, const char *name,
                            const struct attributes *a)
{
    const char *owner = path_join(l, path, slice_text(name));
    for (uint32_t i = 0; i < a->count; i++)
        read_value(l, path_join(l, owner, a->items[i].key), &a->items[i].value);
}

static void read_id(struct lines *l, const char *path, const char *name, const uint8_t *bytes,
                    size_t size)
{
    char hex[33] = {0};
    hex_encode(bytes, size, hex);
    if (strspn(hex, "0") != 2 * size)
        line_add_text(l, path_join(l, path, slice_text(name)), slice_text(hex));
}

static void read_ids(struct lines *l, const char *path, struct id128 trace, uint64_t span,
                     uint64_t parent)
{
    uint64_t big = __builtin_bswap64(span);
    read_id(l, path, "trace_id", trace.bytes, 16);
    read_id(l, path, "span_id", (const uint8_t *)&big, 8);
    big = __builtin_bswap64(parent);
    read_id(l, path, "parent_span_id", (const uint8_t *)&big, 8);
}

static const char *read_common(struct capture *c, const struct otlp_resource *resource,
                               const struct otlp_scope *scope)
{
    struct lines *l = &c->lines;
    const char *path = arena_printf(&l->arena, "%zu", c->records++);
    read_attributes(l, path, "resource", &resource->attributes);
    line_add_text(l, path_join(l, path, slice_text("scope/name")), scope->name);
    line_add_text(l, path_join(l, path, slice_text("scope/version")), scope->version);
    return path;
}

static enum status read_span(void *context, const struct otlp_span *s, struct error *reterr)
{
    (void)reterr;
    struct capture *c = context;
    struct lines *l = &c->lines;
    const char *path = read_common(c, s->resource, s->scope);
    read_ids(l, path, s->trace_id, s->span_id, s->parent_id);
    line_add_text(l, path_join(l, path, slice_text("name")), s->name);
    line_add_text(l, path_join(l, path, slice_text("trace_state")), s->trace_state);
    line_add_int(l, path_join(l, path, slice_text("kind")), s->kind);
    line_add_int(l, path_join(l, path, slice_text("start")), s->start_ns);
    line_add_int(l, path_join(l, path, slice_text("end")), s->end_ns);
    line_add_int(l, path_join(l, path, slice_text("flags")), s->flags);
    line_add_int(l, path_join(l, path, slice_text("status/code")), s->status_code);
    line_add_text(l, path_join(l, path, slice_text("status/message")), s->status_message);
    read_attributes(l, path, "attributes", &s->attributes);
    for (uint32_t i = 0; i < s->event_count; i++) {
        const char *event = arena_printf(&l->arena, "%s/events/%u", path, i);
        line_add_int(l, path_join(l, event, slice_text("time")), s->events[i].time_ns);
        line_add_text(l, path_join(l, event, slice_text("name")), s->events[i].name);
        read_attributes(l, event, "attributes", &s->events[i].attributes);
    }
    for (uint32_t i = 0; i < s->link_count; i++) {
        const char *link = arena_printf(&l->arena, "%s/links/%u", path, i);
        read_ids(l, link, s->links[i].trace_id, s->links[i].span_id, 0);
        read_attributes(l, link, "attributes", &s->links[i].attributes);
    }
    return STATUS_OK;
}

static enum status read_log(void *context, const struct otlp_log *log, struct error *reterr)
{
    (void)reterr;
    struct capture *c = context;
    struct lines *l = &c->lines;
    const char *path = read_common(c, log->resource, log->scope);
    read_ids(l, path, log->trace_id, log->span_id, 0);
    line_add_int(l, path_join(l, path, slice_text("time")), log->time_ns);
    line_add_int(l, path_join(l, path, slice_text("observed")), log->observed_ns);
    line_add_int(l, path_join(l, path, slice_text("severity_number")), log->severity);
    line_add_text(l, path_join(l, path, slice_text("severity_text")), log->severity_text);
    line_add_text(l, path_join(l, path, slice_text("event_name")), log->event_name);
    read_value(l, path_join(l, path, slice_text("body")), &log->body);
    read_attributes(l, path, "attributes", &log->attributes);
    return STATUS_OK;
}

/* ---- files ---- */

static bool file_read(const char *path, struct buffer *to)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t got;
    do {
        got = fread(buffer_reserve(to, 65536), 1, 65536, file);
        to->size += got;
    } while (got != 0);
    (void)fclose(file);
    return true;
}

/* gzip and the five bytes before a gRPC message taken off. */
static void body_unwrap(const struct buffer *raw, struct buffer *to)
{
    struct slice bytes = buffer_slice(raw);
    bool is_gzip = bytes.size > 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
    if (bytes.size > 5 && bytes.data[0] == 0 &&
        ((uint32_t)bytes.data[1] << 24 | (uint32_t)bytes.data[2] << 16 |
         (uint32_t)bytes.data[3] << 8 | bytes.data[4]) == bytes.size - 5)
        bytes = slice_of(bytes.data + 5, bytes.size - 5);
    cr_assert_eq(content_decode(is_gzip ? ENCODING_GZIP : ENCODING_IDENTITY, bytes,
                                OTLP_BODY_BYTES_MAX, to, NULL),
                 STATUS_OK);
}

static void lines_equal(struct lines *got, struct lines *expected, const char *name)
{
    qsort(got->items, got->count, sizeof(char *), line_compare);
    qsort(expected->items, expected->count, sizeof(char *), line_compare);
    size_t least = got->count < expected->count ? got->count : expected->count;
    for (size_t i = 0; i < least; i++)
        cr_assert_str_eq(got->items[i], expected->items[i], "%s: read %.300s, expected %.300s",
                         name, got->items[i], expected->items[i]);
    cr_assert_eq(got->count, expected->count, "%s: %zu lines, expected %zu", name, got->count,
                 expected->count);
}

/* path: up to and with "NNN". False: there is no such recording. */
static bool capture_check(struct otlp_reader *r, const char *path)
{
    struct buffer file = {0};
    struct buffer body = {0};
    struct buffer decoded = {0};
    struct buffer headers = {0};
    char name[1200];
    (void)snprintf(name, sizeof name, "%s.decoded.json", path);
    bool found = file_read(name, &decoded);
    (void)snprintf(name, sizeof name, "%s.headers.txt", path);
    (void)file_read(name, &headers);
    buffer_add_byte(&headers, 0);
    (void)snprintf(name, sizeof name, "%s.body.bin", path);
    found = file_read(name, &file) && found;
    if (found) {
        bool logs = strstr((const char *)headers.data, "/v1/logs ") != NULL;
        struct lines expected = {.are_logs = logs};
        struct capture got = {0};
        struct otlp_sink sink = {.span = read_span, .log = read_log, .context = &got};
        struct otlp_result result;
        struct error error = {0};
        body_unwrap(&file, &body);
        expected_lines(&expected, buffer_slice(&decoded));
        enum status s = otlp_read(r, logs ? OTLP_LOGS : OTLP_TRACES,
                                  otlp_encoding_of(NULL, buffer_slice(&body)), buffer_slice(&body),
                                  &sink, &result, &error);
        cr_assert_eq(s, STATUS_OK, "%s: %s", name, error.text);
        cr_assert_eq(result.rejected, 0, "%s: %s", name, result.message);
        cr_assert_gt(expected.count, 0);
        lines_equal(&got.lines, &expected, name);
        lines_deinit(&expected);
        lines_deinit(&got.lines);
    }
    buffer_deinit(&file);
    buffer_deinit(&body);
    buffer_deinit(&decoded);
    buffer_deinit(&headers);
    return found;
}

Test(otlp_captures, decode_to_what_is_written_beside_them)
{
    const char *source = getenv("SOURCE_DIR");
    const char *shared = getenv("DRIFTLINE_SHARED");
    char folder[512];
    if (shared != NULL)
        (void)snprintf(folder, sizeof folder, "%s/captures", shared);
    else
        (void)snprintf(folder, sizeof folder, "%s/../shared/captures",
                       source != NULL ? source : ".");
    DIR *clients = opendir(folder);
    if (clients == NULL)
        return; /* nothing recorded here */
    struct otlp_reader *r = otlp_reader_create();
    size_t checked = 0;
    for (struct dirent *client; (client = readdir(clients)) != NULL;) {
        char path[1024];
        if (client->d_name[0] == '.')
            continue;
        for (int number = 1; number < 1000; number++) {
            (void)snprintf(path, sizeof path, "%s/%s/%03d", folder, client->d_name, number);
            if (!capture_check(r, path))
                break;
            checked++;
        }
    }
    (void)closedir(clients);
    otlp_reader_destroy(r);
    cr_assert_gt(checked, 0, "%s holds no recording", folder);
}
