/*
 * message_set.c - bodies by address.
 */
#include "engine/span/message_set.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/stringify.h"

#define TABLE_SLOTS_FIRST 64u

void message_set_init(struct message_set *set)
{
    *set = (struct message_set){.table_slots = TABLE_SLOTS_FIRST};
    set->table = mem_zero(set->table_slots, sizeof *set->table);
}

void message_set_deinit(struct message_set *set)
{
    arena_deinit(&set->arena);
    mem_free(set->messages);
    mem_free(set->table);
    buffer_deinit(&set->text);
    *set = (struct message_set){0};
}

void message_set_reset(struct message_set *set)
{
    set->generation++;
    if (set->count == 0)
        return;
    arena_reset(&set->arena);
    memset(set->table, 0, set->table_slots * sizeof *set->table);
    set->count = 0;
    set->bytes = 0;
}

/* The slot of an address, or the free one where it would go. */
static uint32_t slot_find(const struct message_set *set, struct id128 address)
{
    uint32_t mask = set->table_slots - 1;
    uint32_t slot = (uint32_t)id128_hash(address) & mask;
    while (set->table[slot] != 0 &&
           !id128_equal(set->messages[set->table[slot] - 1].address, address))
        slot = (slot + 1) & mask;
    return slot;
}

static void table_grow(struct message_set *set)
{
    mem_free(set->table);
    set->table_slots *= 2;
    set->table = mem_zero(set->table_slots, sizeof *set->table);
    for (uint32_t i = 0; i < set->count; i++)
        set->table[slot_find(set, set->messages[i].address)] = i + 1;
}

void message_set_add_message(struct message_set *set, const struct message *message)
{
    uint32_t slot = slot_find(set, message->address);
    if (set->table[slot] != 0)
        return;
    if (set->count >= set->table_slots / 2) {
        table_grow(set);
        slot = slot_find(set, message->address);
    }
    set->messages =
        mem_grow(set->messages, &set->capacity, (size_t)set->count + 1, sizeof *set->messages);
    set->messages[set->count++] = (struct message){.address = message->address,
                                                   .body = arena_copy(&set->arena, message->body)};
    set->table[slot] = set->count;
    set->bytes += message->body.size;
}

struct id128 message_set_add(struct message_set *set, struct slice body)
{
    struct message message = {.address = hash128(body), .body = body};
    message_set_add_message(set, &message);
    return message.address;
}

static enum status add_body(struct message_set *set, struct slice body, struct buffer *refs,
                            struct error *reterr)
{
    if (body.size > MESSAGE_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a message of %zu bytes; at most %u are allowed",
                         body.size, MESSAGE_BYTES_MAX);
    if (refs->size / sizeof(struct id128) >= MESSAGE_REFS_MAX)
        return error_set(reterr, STATUS_LIMIT, "more than %u messages", MESSAGE_REFS_MAX);
    struct id128 address = message_set_add(set, body);
    buffer_add(refs, address.bytes, sizeof address.bytes);
    return STATUS_OK;
}

/* {"role":ROLE,"content":TEXT} */
static enum status add_content(struct message_set *set, const char *role, struct slice content,
                               struct buffer *refs, struct error *reterr)
{
    buffer_reset(&set->text);
    buffer_add_text(&set->text, "{\"role\":");
    stringify_text(slice_text(role), &set->text);
    buffer_add_text(&set->text, ",\"content\":");
    stringify_text(content, &set->text);
    buffer_add_byte(&set->text, '}');
    return add_body(set, buffer_slice(&set->text), refs, reterr);
}

static enum status add_value(struct message_set *set, struct slice value, struct buffer *refs,
                             struct error *reterr)
{
    buffer_reset(&set->text);
    enum status s = stringify(value, &set->text, reterr);
    return s < 0 ? s : add_body(set, buffer_slice(&set->text), refs, reterr);
}

static enum status add_array(struct message_set *set, struct json *j, struct buffer *refs,
                             struct error *reterr)
{
    enum json_token t;
    while ((t = json_next(j)) != JSON_ARRAY_END) {
        if (t < 0)
            return json_error(j, "messages", reterr);
        if (t != JSON_OBJECT_BEGIN && t != JSON_NULL)
            return error_set(reterr, STATUS_INVALID, "expected an array of message objects");
        struct slice value = json_skip(j, t);
        if (value.size == 0)
            return json_error(j, "messages", reterr);
        enum status s = add_value(set, value, refs, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

enum status message_set_text(struct message_set *set, struct slice text, const char *role,
                             struct buffer *refs, struct error *reterr)
{
    size_t before = refs->size;
    struct json j = json_over(text);
    bool is_array = text.size > 0 && text.data[0] == '[' && json_next(&j) == JSON_ARRAY_BEGIN;
    if (is_array && add_array(set, &j, refs, NULL) >= 0 && json_next(&j) == JSON_END)
        return STATUS_OK;
    refs->size = before;
    return add_content(set, role, text, refs, reterr);
}

enum status message_set_json(struct message_set *set, struct slice json, const char *role,
                             struct buffer *refs, struct error *reterr)
{
    struct arena scratch = {0};
    struct json j = json_over(json);
    enum json_token t = json_next(&j);
    enum status s;
    if (t == JSON_ARRAY_BEGIN)
        s = add_array(set, &j, refs, reterr);
    else if (t == JSON_OBJECT_BEGIN)
        s = add_value(set, json, refs, reterr);
    else if (t == JSON_STRING)
        s = message_set_text(set, json_string(&j, &scratch), role, refs, reterr);
    else if (t < 0)
        s = json_error(&j, "messages", reterr);
    else
        s = error_set(reterr, STATUS_INVALID,
                      "expected an array of message objects, one such object or a string");
    arena_deinit(&scratch);
    return s;
}
