/*
 * otlp_proto_value.c - AnyValue: scalars as they are, arrays and key-value lists as JSON text.
 *
 * Merging:  a message field met twice merges, so a value may be spread over several pieces of its KeyValue, and an array over several
 *           pieces of its AnyValue (of different members of the oneof the last one counts). Nothing is joined: a value is
 *           the list of its pieces, walked once for what it is and once for its elements. Each level is so read twice
 *           and stepped over twice by the level above, whatever the bytes say.
 * Bounds:   recursion by OTLP_DEPTH_MAX, text by OTLP_NESTED_BYTES_MAX.
 */
#include "server/codec/otlp_proto_value.h"

#define BYTES(number)   PROTO_TAG(number, PROTO_BYTES)
#define VARINT(number)  PROTO_TAG(number, PROTO_VARINT)
#define FIXED64(number) PROTO_TAG(number, PROTO_FIXED64)

struct pieces pieces_of(struct slice message, uint32_t tag)
{
    return (struct pieces){.message = cursor_over(message), .tag = tag};
}

static bool pieces_next(struct pieces *p, struct slice *ret)
{
    struct proto_field f = {0};
    if (p->tag == 0) {
        *ret = cursor_take(&p->message, cursor_left(&p->message));
        p->tag = UINT32_MAX; /* no field has it: the end */
        return true;
    }
    while (proto_next(&p->message, &f)) {
        if (f.tag == p->tag) {
            *ret = f.bytes;
            return true;
        }
    }
    return false;
}

/* What an AnyValue holds. */
struct any {
    struct value value; /* a scalar */
    uint32_t list_tag;  /* BYTES(5) array, BYTES(6) key-value list, 0: a scalar */
    uint64_t first; /* of its fields, the one where the list begins (those before were overruled) */
};

static void any_scalar(struct any *any, struct value value)
{
    any->value = value;
    any->list_tag = 0;
}

static void any_field(struct any *any, const struct proto_field *f, uint64_t index)
{
    double number;
    switch (f->tag) {
    case BYTES(1):
        any_scalar(any, (struct value){.type = VALUE_STRING, .bytes = f->bytes});
        break;
    case VARINT(2):
        any_scalar(any, (struct value){.type = VALUE_BOOL, .boolean = f->integer != 0});
        break;
    case VARINT(3):
        any_scalar(any, (struct value){.type = VALUE_INT, .integer = (int64_t)f->integer});
        break;
    case FIXED64(4):
        memcpy(&number, &f->integer, sizeof number);
        any_scalar(any, (struct value){.type = VALUE_DOUBLE, .number = number});
        break;
    case BYTES(5):
    case BYTES(6):
        if (any->list_tag != f->tag) {
            any->list_tag = f->tag;
            any->first = index;
        }
        break;
    case BYTES(7):
        any_scalar(any, (struct value){.type = VALUE_BYTES, .bytes = f->bytes});
        break;
    default:
        break;
    }
}

static bool any_read(struct pieces pieces, struct any *ret)
{
    struct slice piece;
    struct proto_field f = {0};
    uint64_t index = 0;
    *ret = (struct any){.list_tag = 0};
    while (pieces_next(&pieces, &piece)) {
        struct cursor c = cursor_over(piece);
        for (; proto_next(&c, &f); index++)
            any_field(ret, &f, index);
        if (c.failed)
            return false;
    }
    return !pieces.message.failed;
}

static enum value_fault any_write(struct otlp_reader *r, struct pieces pieces, uint32_t depth);

/* One KeyValue of a list: "key":value. */
static enum value_fault member_write(struct otlp_reader *r, struct slice bytes, uint32_t depth)
{
    struct slice key = SLICE_EMPTY;
    struct pieces keys = pieces_of(bytes, BYTES(1));
    while (pieces_next(&keys, &key)) {
    }
    if (keys.message.failed)
        return VALUE_MALFORMED;
    enum value_fault fault = nested_text(r, key);
    if (fault != VALUE_FINE)
        return fault;
    buffer_add_byte(&r->nested, ':');
    return any_write(r, pieces_of(bytes, BYTES(2)), depth);
}

/* The elements of one ArrayValue or KeyValueList; *is_first says whether a comma is due. */
static enum value_fault elements_write(struct otlp_reader *r, struct slice list, bool is_array,
                                       uint32_t depth, bool *is_first)
{
    struct slice element;
    struct pieces elements = pieces_of(list, BYTES(1));
    while (pieces_next(&elements, &element)) {
        if (!*is_first)
            buffer_add_byte(&r->nested, ',');
        *is_first = false;
        enum value_fault fault =
            is_array ? any_write(r, pieces_of(element, 0), depth) : member_write(r, element, depth);
        if (fault != VALUE_FINE)
            return fault;
    }
    return elements.message.failed ? VALUE_MALFORMED : VALUE_FINE;
}

static enum value_fault list_write(struct otlp_reader *r, struct pieces pieces,
                                   const struct any *any, uint32_t depth)
{
    bool is_array = any->list_tag == BYTES(5);
    bool is_first = true;
    struct slice piece;
    struct proto_field f = {0};
    uint64_t index = 0;
    buffer_add_byte(&r->nested, is_array ? '[' : '{');
    while (pieces_next(&pieces, &piece)) {
        struct cursor c = cursor_over(piece);
        for (; proto_next(&c, &f); index++) {
            if (index < any->first || f.tag != any->list_tag)
                continue;
            enum value_fault fault = elements_write(r, f.bytes, is_array, depth, &is_first);
            if (fault != VALUE_FINE)
                return fault;
        }
    }
    return nested_raw(r, slice_text(is_array ? "]" : "}"));
}

/* depth: containers around it. */
static enum value_fault any_write(struct otlp_reader *r, struct pieces pieces, uint32_t depth)
{
    struct any any;
    if (!any_read(pieces, &any))
        return VALUE_MALFORMED;
    if (any.list_tag == 0)
        return nested_scalar(r, &any.value);
    if (depth == OTLP_DEPTH_MAX)
        return VALUE_TOO_DEEP;
    return list_write(r, pieces, &any, depth + 1);
}

enum value_fault proto_value_read(struct otlp_reader *r, struct arena *arena, struct pieces pieces,
                                  struct value *ret)
{
    struct any any;
    if (!any_read(pieces, &any))
        return VALUE_MALFORMED;
    if (any.list_tag == 0) {
        *ret = any.value;
        return VALUE_FINE;
    }
    buffer_reset(&r->nested);
    enum value_fault fault = list_write(r, pieces, &any, 1);
    if (fault == VALUE_FINE)
        *ret = nested_take(r, arena);
    return fault;
}

enum value_fault proto_attribute_read(struct otlp_reader *r, struct arena *arena,
                                      struct slice bytes, struct attribute *ret)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    struct slice value = SLICE_EMPTY;
    uint32_t values = 0;
    while (proto_next(&c, &f)) {
        if (f.tag == BYTES(1)) {
            ret->key = f.bytes;
        } else if (f.tag == BYTES(2)) {
            value = f.bytes;
            values++;
        }
    }
    if (c.failed)
        return VALUE_MALFORMED;
    struct pieces pieces = values > 1 ? pieces_of(bytes, BYTES(2)) : pieces_of(value, 0);
    return proto_value_read(r, arena, pieces, &ret->value);
}
