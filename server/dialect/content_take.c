/*
 * content_take.c - reads one source into its field, or compares it with what won.
 *
 * Place:   content.c -> [here] -> content_payload.c, content_indexed.c, content_tool.c,
 *          content_document.c
 */
#include "server/dialect/content_internal.h"

static enum payload_form form_of(const struct source *s)
{
    return s->form == SOURCE_ENCODED ? FORM_ENCODED
           : s->form == SOURCE_TEXT  ? FORM_TEXT
                                     : FORM_PLAIN;
}

static struct value value_of(const struct content *c, uint32_t attribute)
{
    return c->attributes.items[attribute].value;
}

static struct reading reading_for(struct content *c, enum content_field field)
{
    static const char *const roles[CONTENT_FIELD_COUNT] = {
        [CONTENT_INPUT] = "user", [CONTENT_OUTPUT] = "assistant", [CONTENT_SYSTEM] = "system"};
    struct message_list *to = field == CONTENT_OUTPUT   ? &c->output
                              : field == CONTENT_SYSTEM ? &c->system
                                                        : &c->input;
    return (struct reading){.c = c,
                            .to = to,
                            .role = roles[field],
                            .is_output = field == CONTENT_OUTPUT,
                            .is_winner = true,
                            .unwraps_any = !slice_is(c->kind, "llm")};
}

/* ---- sources of messages ---- */

/* The attributes of an indexed source, in the arena. */
static struct indexed *indexed_collect(struct content *c, uint16_t number, uint32_t *ret_count)
{
    const struct source *s = source_at(number);
    uint32_t count = 0;
    for (uint32_t at = c->first[number]; at != 0; at = c->next[at - 1])
        count++;
    struct indexed *entries = arena_zero(&c->arena, count, sizeof *entries);
    *ret_count = 0;
    for (uint32_t at = c->first[number]; at != 0; at = c->next[at - 1]) {
        struct slice key = c->attributes.items[at - 1].key;
        struct indexed *e = &entries[*ret_count];
        e->attribute = at - 1;
        struct slice behind = slice_of(key.data + s->key_bytes, key.size - s->key_bytes);
        *ret_count += index_split(behind, &e->index, &e->tail);
    }
    return entries;
}

static void indexed_used(struct content *c, const struct indexed *entries, uint32_t count,
                         enum content_field field)
{
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].used)
            attribute_used(c, entries[i].attribute, field, SLICE_EMPTY);
    }
}

/* Reads an indexed source. True: it says something; then the attributes it understood are used. */
static bool indexed_take(struct content *c, uint16_t number, struct reading *r,
                         enum content_field field, bool marks)
{
    uint32_t count = 0;
    bool taken = false;
    struct indexed *entries = indexed_collect(c, number, &count);
    switch (source_at(number)->form) {
    case SOURCE_MESSAGES_N:
        taken = indexed_messages(r, entries, count);
        break;
    case SOURCE_TEXTS_N:
        taken = indexed_texts(r, entries, count);
        break;
    case SOURCE_TOOLS_N:
        taken = indexed_tools(c, entries, count);
        break;
    case SOURCE_DOCUMENTS_N:
        taken = indexed_documents(c, entries, count);
        break;
    case SOURCE_PLAIN:
    case SOURCE_ENCODED:
    case SOURCE_TEXT:
    case SOURCE_TEXTS:
    case SOURCE_ANSWER:
    case SOURCE_EVENT_LIST:
    case SOURCE_EVENTS:
        break;
    }
    if (taken && marks)
        indexed_used(c, entries, count, field);
    return taken;
}

static bool source_is_indexed(const struct source *s)
{
    return s->form == SOURCE_MESSAGES_N || s->form == SOURCE_TEXTS_N || s->form == SOURCE_TOOLS_N ||
           s->form == SOURCE_DOCUMENTS_N;
}

static struct value sibling(struct content *c, const char *key, uint32_t *ret_attribute)
{
    uint32_t code = intern_find(&c->keys, slice_text(key));
    uint32_t at = code != 0 ? c->first[c->numbers[code]] : 0;
    if (at == 0)
        return VALUE_NOTHING;
    *ret_attribute = at - 1;
    return value_of(c, at - 1);
}

/* What an answer is made of when each has an attribute of its own: one message. */
enum answer_piece {
    ANSWER_REASONING,
    ANSWER_TEXT,
    ANSWER_OBJECT,
    ANSWER_CALLS,
    ANSWER_PIECES
};
static const char *const answers[][ANSWER_PIECES] = {
    {"ai.response.reasoning", "ai.response.text", "ai.response.object", "ai.response.toolCalls"},
    {"", "ai.result.text", "ai.result.object", "ai.result.toolCalls"},
    {"", "gen_ai.response.text", "gen_ai.response.object", "gen_ai.response.tool_calls"},
    {"", "lk.response.text", "", "lk.response.function_calls"},
};

/* The pieces the source is one of. */
static const char *const *answer_of(const struct source *s)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        for (int piece = 0; piece < ANSWER_PIECES; piece++) {
            if (strcmp(answers[i][piece], s->key.key) == 0)
                return answers[i];
        }
    }
    return answers[0];
}

/* ["text"] is the text. */
static struct value answer_text(struct value v)
{
    struct items it = items_of(value_as_json(v, false));
    struct value only;
    struct value second;
    bool is_list = items_next(&it, &only) && !items_next(&it, &second) && !it.failed;
    return is_list && value_is_text(only) ? only : v;
}

static void answer_calls(struct content *c, struct reading *r, struct value calls)
{
    struct items it = items_of(value_as_json(calls, false));
    struct value call;
    struct members m;
    while (items_next(&it, &call)) {
        if (members_of(call, &c->arena, &m))
            call_take(r, call, &m);
    }
}

static bool answer_take(struct content *c, const struct source *s, struct reading *r, bool marks)
{
    const char *const *keys = answer_of(s);
    struct value v[ANSWER_PIECES];
    bool any = false;
    for (int i = 0; i < ANSWER_PIECES; i++) {
        uint32_t attribute = 0;
        v[i] = sibling(c, keys[i], &attribute);
        bool is_said = !value_is_empty(value_as_json(v[i], false));
        any |= is_said;
        if (v[i].type != VALUE_NONE && marks)
            attribute_used(c, attribute, CONTENT_OUTPUT, SLICE_EMPTY);
        if (!is_said)
            v[i] = VALUE_NOTHING;
    }
    if (!any)
        return false;
    draft_begin(r->to, slice_text("assistant"), SLICE_EMPTY);
    draft_reasoning(r->to, v[ANSWER_REASONING]);
    bool has_text = v[ANSWER_TEXT].type != VALUE_NONE;
    draft_text(r->to, has_text ? answer_text(v[ANSWER_TEXT]) : v[ANSWER_OBJECT], VALUE_NOTHING);
    answer_calls(c, r, v[ANSWER_CALLS]);
    draft_end(r->to);
    return true;
}

/* A list of texts, each perhaps the JSON of one. */
static bool texts_take(struct reading *r, struct value list)
{
    struct items it = items_of(value_as_json(list, false));
    struct value text;
    struct slice rest;
    uint32_t before = r->to->count;
    while (items_next(&it, &text))
        (void)payload_take(r, text, FORM_ENCODED, &rest);
    return r->to->count > before;
}

static bool messages_take(struct content *c, uint16_t number, struct reading *r,
                          enum content_field field, bool marks)
{
    const struct source *s = source_at(number);
    struct slice rest = SLICE_EMPTY;
    if (source_is_indexed(s))
        return indexed_take(c, number, r, field, marks);
    if (s->form == SOURCE_ANSWER)
        return answer_take(c, s, r, marks);
    uint32_t attribute = c->first[number] - 1;
    struct value v = value_of(c, attribute);
    r->unwraps_any |= s->form == SOURCE_ENCODED;
    bool taken = s->form == SOURCE_TEXTS ? texts_take(r, v) : payload_take(r, v, form_of(s), &rest);
    if (taken && marks)
        attribute_used(c, attribute, field, rest);
    return taken;
}

/* Everything of `a` from `skip` messages on is `b`. */
static bool lists_agree(const struct message_list *a, uint32_t skip, const struct message_list *b)
{
    if (a->count != b->count + skip)
        return false;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!slice_equal(message_list_body(a, i + skip), message_list_body(b, i)))
            return false;
    }
    return true;
}

/* A source that lost: when it says the same as the winner it is used up as well. The system
 * message may stand apart in one of the two. */
void source_compare(struct content *c, uint16_t number, enum content_field field)
{
    const struct source *s = source_at(number);
    if (field != CONTENT_INPUT && field != CONTENT_OUTPUT)
        return;
    if (c->result.winners[field] < 0 || s->form == SOURCE_ANSWER || s->form == SOURCE_TEXTS ||
        source_is_indexed(s))
        return;
    struct reading r = reading_for(c, field);
    struct slice rest = SLICE_EMPTY;
    uint32_t attribute = c->first[number] - 1;
    message_list_reset(&c->spare, &c->arena);
    r.to = &c->spare;
    r.is_winner = false;
    r.is_output = false;
    r.unwraps_any |= s->form == SOURCE_ENCODED;
    if (!payload_take(&r, value_of(c, attribute), form_of(s), &rest))
        return;
    const struct message_list *won = field == CONTENT_OUTPUT ? &c->output : &c->input;
    bool agrees = lists_agree(won, 0, &c->spare);
    if (!agrees && field == CONTENT_INPUT && won->count > c->spare.count)
        agrees = message_is_system(message_list_body(won, 0)) && lists_agree(won, 1, &c->spare);
    if (!agrees && field == CONTENT_INPUT && c->system.count == 1 && c->spare.count > won->count)
        agrees = slice_equal(message_list_body(&c->system, 0), message_list_body(&c->spare, 0)) &&
                 lists_agree(&c->spare, 1, won);
    if (agrees)
        attribute_used(c, attribute, field, rest);
}

/* ---- the other fields ---- */

static bool arguments_take(struct content *c, const struct source *s, struct value v,
                           struct slice *ret_rest)
{
    struct reading r = reading_for(c, CONTENT_INPUT);
    if (payload_open(&r, v, form_of(s), ret_rest).type == VALUE_NONE)
        return false;
    if (strcmp(s->key.key, "tool.parameters") == 0 && looks_like_schema(c, v))
        return false;
    c->tool_args = arguments_text(c, v, form_of(s), ret_rest);
    return true;
}

/* A retrieval's output is documents when it reads as some. */
bool documents_instead(struct content *c, const struct source *s, uint32_t attribute)
{
    struct slice rest = SLICE_EMPTY;
    if (s->field != SOURCE_OUT || !slice_is(c->kind, "retrieval") ||
        ((c->filled | c->without) & FIELD_BIT(CONTENT_RETRIEVED)) != 0)
        return false;
    if (!documents_take(c, value_of(c, attribute), form_of(s), &rest))
        return false;
    attribute_used(c, attribute, CONTENT_RETRIEVED, rest);
    field_filled(c, CONTENT_RETRIEVED, attribute);
    return true;
}

static bool single_take(struct content *c, uint16_t number, enum content_field field)
{
    const struct source *s = source_at(number);
    uint32_t attribute = c->first[number] - 1;
    struct value v = value_of(c, attribute);
    struct slice rest = SLICE_EMPTY;
    bool taken = false;
    struct reading r = reading_for(c, field);
    if (source_is_indexed(s))
        return indexed_take(c, number, &r, field, true);
    if (field == CONTENT_TOOLS) {
        taken = tools_take(c, v) > 0;
    } else if (field == CONTENT_TOOL_ARGS) {
        taken = arguments_take(c, s, v, &rest);
    } else if (field == CONTENT_TOOL_RESULT) {
        c->tool_result = result_text(c, v, form_of(s), &c->tool_result_is_empty, &rest);
        taken = true;
    } else if (field == CONTENT_RETRIEVED) {
        taken = documents_take(c, v, form_of(s), &rest);
    }
    if (taken)
        attribute_used(c, attribute, field, rest);
    return taken;
}

bool source_take(struct content *c, uint16_t number, enum content_field field)
{
    bool is_messages = field == CONTENT_INPUT || field == CONTENT_OUTPUT || field == CONTENT_SYSTEM;
    if (!is_messages)
        return single_take(c, number, field);
    struct reading r = reading_for(c, field);
    return messages_take(c, number, &r, field, true);
}
