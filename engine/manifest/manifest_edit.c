/*
 * manifest_edit.c - one edit of the manifest to bytes and back.
 *
 * Place:     manifest_commit, manifest_replay -> [here] -> record payloads
 * Format:    FORMAT.md 8.3: u8 kind, bytes body; the body is fields in ascending order of their
 *            tag.
 * Failure:   a field this version doesn't know, one out of order or too large for its member is an
 *            error: a file of a newer version is never half understood.
 */
#include "engine/manifest/manifest_edit.h"

/* The one field that is not in manifest_fields.def: bytes, the name of a new project. */
#define TAG_NAME 4u

enum field_kind {
    FIELD_UNSIGNED,
    FIELD_SIGNED,
    FIELD_ID
};
enum record {
    RECORD_edit,
    RECORD_segment,
    RECORD_pack,
    RECORD_patch,
    RECORD_client
};

struct field {
    uint8_t record;
    uint8_t tag;
    uint8_t kind;
    uint8_t width;
    uint16_t offset;
};

static const struct field fields[] = {
#define FIELD(record, tag, member, kind)                                                           \
    {RECORD_##record, (tag), FIELD_##kind, sizeof(((struct manifest_##record *)0)->member),        \
     offsetof(struct manifest_##record, member)},
#include "engine/manifest/manifest_fields.def"
#undef FIELD
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t v)
{
    return (v >> 1) ^ (0 - (v & 1));
}

/* Little-endian hosts only (the whole store is): the low bytes of v are the member. */
static uint64_t member_get(const struct field *f, const void *record)
{
    uint64_t v = 0;
    memcpy(&v, (const uint8_t *)record + f->offset, f->width);
    return v;
}

static void field_encode(const struct field *f, const void *record, struct buffer *to)
{
    if (f->kind == FIELD_ID) {
        put_u8(to, f->tag);
        buffer_add(to, (const uint8_t *)record + f->offset, f->width);
        return;
    }
    uint64_t v = member_get(f, record);
    if (v == 0)
        return;
    put_u8(to, f->tag);
    put_varint(to, f->kind == FIELD_SIGNED ? zigzag((int64_t)v) : v);
}

static void record_encode(enum record record, const void *from, struct buffer *to)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].record == record)
            field_encode(&fields[i], from, to);
    }
}

/* Which record an edit of a kind carries. */
static enum record edit_record(enum manifest_edit_kind kind)
{
    switch (kind) {
    case EDIT_SEGMENT_ADD:
        return RECORD_segment;
    case EDIT_PACK_ADD:
        return RECORD_pack;
    case EDIT_PATCH_ADD:
        return RECORD_patch;
    case EDIT_CLIENT:
    case EDIT_CLIENT_REMOVE:
        return RECORD_client;
    case EDIT_PROJECT_ADD:
    case EDIT_SEGMENT_REMOVE:
    case EDIT_PACK_REMOVE:
    case EDIT_PATCH_REMOVE:
    case EDIT_WAL_KEEP:
    case EDIT_NEXT_NUMBER:
        break;
    }
    return RECORD_edit;
}

static const void *edit_record_data(const struct manifest_edit *e, enum record record)
{
    switch (record) {
    case RECORD_segment:
        return e->segment;
    case RECORD_pack:
        return e->pack;
    case RECORD_patch:
        return e->patch;
    case RECORD_client:
        return e->client;
    case RECORD_edit:
        break;
    }
    return e;
}

void manifest_edit_encode(const struct manifest_edit *e, struct buffer *to)
{
    struct buffer body = {0};
    enum record record = edit_record(e->kind);
    record_encode(record, edit_record_data(e, record), &body);
    if (e->kind == EDIT_PROJECT_ADD) {
        put_u8(&body, TAG_NAME);
        put_bytes(&body, slice_text(e->name));
    }
    put_u8(to, (uint8_t)e->kind);
    put_bytes(to, buffer_slice(&body));
    buffer_deinit(&body);
}

/* NULL, or what is wrong. */
static const char *field_decode(const struct field *f, struct cursor *c, void *record)
{
    uint8_t *member = (uint8_t *)record + f->offset;
    if (f->kind == FIELD_ID) {
        struct slice bytes = cursor_take(c, f->width);
        bytes_copy(member, bytes.data, bytes.size);
        return NULL;
    }
    uint64_t v = cursor_varint(c);
    if (f->kind == FIELD_SIGNED)
        v = unzigzag(v);
    else if (v > UINT64_MAX >> (64 - 8 * f->width))
        return "a field of an edit is too large";
    memcpy(member, &v, f->width);
    return NULL;
}

static const struct field *field_find(enum record record, uint8_t tag)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].record == record && fields[i].tag == tag)
            return &fields[i];
    }
    return NULL;
}

static const char *name_decode(struct cursor *c, struct manifest_edit_storage *to)
{
    struct slice name = cursor_bytes(c);
    if (name.size > PROJECT_NAME_MAX || memchr(name.data, 0, name.size) != NULL)
        return "a project name is too long or holds a NUL";
    bytes_copy(to->name, name.data, name.size);
    to->name[name.size] = 0;
    to->e.name = to->name;
    return NULL;
}

static const char *body_decode(struct cursor *c, enum record record, void *to,
                               struct manifest_edit_storage *storage)
{
    uint8_t tag_last = 0;
    while (cursor_left(c) > 0) {
        uint8_t tag = cursor_u8(c);
        if (tag <= tag_last)
            return "fields of an edit out of order";
        tag_last = tag;
        const char *reason;
        const struct field *f = field_find(record, tag);
        if (f != NULL)
            reason = field_decode(f, c, to);
        else if (storage->e.kind == EDIT_PROJECT_ADD && tag == TAG_NAME)
            reason = name_decode(c, storage);
        else
            reason = "an edit has a field this version does not know";
        if (reason != NULL)
            return reason;
    }
    return cursor_done(c) ? NULL : "an edit ends in the middle of a field";
}

static void *storage_record(struct manifest_edit_storage *s, enum record record)
{
    switch (record) {
    case RECORD_segment:
        return &s->segment;
    case RECORD_pack:
        return &s->pack;
    case RECORD_patch:
        return &s->patch;
    case RECORD_client:
        return &s->client;
    case RECORD_edit:
        break;
    }
    return &s->e;
}

const char *manifest_edit_decode(struct cursor *c, struct manifest_edit_storage *to)
{
    memset(to, 0, sizeof *to);
    uint8_t kind = cursor_u8(c);
    struct cursor body = cursor_over(cursor_bytes(c));
    if (c->failed)
        return "an edit is cut short";
    if (kind < EDIT_PROJECT_ADD || kind > EDIT_NEXT_NUMBER)
        return "an edit is of a kind this version does not know";
    to->e.kind = (enum manifest_edit_kind)kind;
    to->e.segment = &to->segment;
    to->e.pack = &to->pack;
    to->e.patch = &to->patch;
    to->e.client = &to->client;
    enum record record = edit_record(to->e.kind);
    return body_decode(&body, record, storage_record(to, record), to);
}
