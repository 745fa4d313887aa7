/*
 * message_set.h - the messages a batch refers to, each once, and the lists of references to them.
 */
#ifndef DRIFTLINE_SPAN_MESSAGE_SET_H
#define DRIFTLINE_SPAN_MESSAGE_SET_H

#include "engine/base/limits.h"
#include "engine/span/batch.h"

/* Zero is empty. */
struct message_set {
    struct arena arena; /* bodies */
    struct message *messages;
    size_t capacity;
    uint32_t count;
    uint32_t *table; /* open addressing: index + 1, 0 = free */
    uint32_t table_slots;
    size_t bytes;        /* of the bodies */
    uint64_t generation; /* counts resets */
    struct buffer text;
};

void message_set_init(struct message_set *set);
void message_set_deinit(struct message_set *set);
void message_set_reset(struct message_set *set);
/* The address of a body, which is copied when it is new. */
struct id128 message_set_add(struct message_set *set, struct slice body);
/* The same for a message whose address is known. */
void message_set_add_message(struct message_set *set, const struct message *message);
/*
 * Adds the messages of a JSON value and appends their addresses to refs: an array of messages, one message object, or a string:
 * the content of one message of that role (or an array of messages once more, as our own NDJSON has it). Bodies are
 * written as JSON.stringify would. STATUS_INVALID says what is wrong.
 */
MUST_CHECK enum status message_set_json(struct message_set *set, struct slice json,
                                        const char *role, struct buffer *refs,
                                        struct error *reterr);
/* The same for a bare text: an array of messages when it reads as one, else the content of one message. */
MUST_CHECK enum status message_set_text(struct message_set *set, struct slice text,
                                        const char *role, struct buffer *refs,
                                        struct error *reterr);

#endif
