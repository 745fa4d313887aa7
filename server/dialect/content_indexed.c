/*
 * content_indexed.c - arrays that were flattened into attributes: llm.input_messages.0.message.role
 * and the like.
 *
 * Place:   content.c collects the attributes of one source -> [here] -> content_part.c,
 *          content_write.c
 * Order:   by index, whatever order the attributes came in; gaps are no matter.
 * Shapes:  OpenInference
 *          PREFIX.N.message.{role,content,contents.M.message_content.*,tool_calls.M.tool_call.*},
 *          OpenLLMetry PREFIX.N.{role,content,tool_calls.M.{id,name,arguments}}
 */
#include <stdlib.h>

#include "server/dialect/content_internal.h"

#define INDEX_DIGITS_MAX 6u

bool index_split(struct slice text, uint32_t *ret_index, struct slice *ret_tail)
{
    uint32_t index = 0;
    size_t at = 0;
    while (at < text.size && at < INDEX_DIGITS_MAX && text.data[at] >= '0' && text.data[at] <= '9')
        index = index * 10 + (uint32_t)(text.data[at++] - '0');
    if (at == 0 || (at < text.size && text.data[at] != '.'))
        return false;
    *ret_index = index;
    *ret_tail = at < text.size ? slice_of(text.data + at + 1, text.size - at - 1) : SLICE_EMPTY;
    return true;
}

static bool starts_with(struct slice text, const char *prefix, struct slice *ret_tail)
{
    size_t size = strlen(prefix);
    if (text.size < size || memcmp(text.data, prefix, size) != 0)
        return false;
    *ret_tail = slice_of(text.data + size, text.size - size);
    return true;
}

/* ---- messages: what a tail means ---- */

enum group {
    GROUP_MESSAGE,
    GROUP_CONTENTS,
    GROUP_CALLS
};

enum message_member {
    MEMBER_ROLE,
    MEMBER_CONTENT,
    MEMBER_NAME,
    MEMBER_CALL_ID,
    MEMBER_REASONING,
    MEMBER_REFUSAL,
    MEMBER_FUNCTION,
    MEMBER_ARGUMENTS,
    MEMBER_FINISH,
    MEMBER_CALLS,
    MEMBER_COUNT
};

struct tail_name {
    const char *name;
    uint32_t member;
};

static const struct tail_name message_tails[] = {
    {"role", MEMBER_ROLE},
    {"content", MEMBER_CONTENT},
    {"parts", MEMBER_CONTENT},
    {"text", MEMBER_CONTENT},
    {"prompt.text", MEMBER_CONTENT},
    {"completion.text", MEMBER_CONTENT},
    {"name", MEMBER_NAME},
    {"tool_call_id", MEMBER_CALL_ID},
    {"reasoning_content", MEMBER_REASONING},
    {"reasoning", MEMBER_REASONING},
    {"refusal", MEMBER_REFUSAL},
    {"function_call_name", MEMBER_FUNCTION},
    {"function_call.name", MEMBER_FUNCTION},
    {"function_call_arguments_json", MEMBER_ARGUMENTS},
    {"function_call.arguments", MEMBER_ARGUMENTS},
    {"finish_reason", MEMBER_FINISH},
    {"tool_calls", MEMBER_CALLS},
};

enum call_member {
    CALL_ID,
    CALL_NAME,
    CALL_ARGUMENTS,
    CALL_TYPE,
    CALL_MEMBER_COUNT
};
static const struct tail_name call_tails[] = {
    {"id", CALL_ID},
    {"name", CALL_NAME},
    {"function.name", CALL_NAME},
    {"arguments", CALL_ARGUMENTS},
    {"function.arguments", CALL_ARGUMENTS},
    {"type", CALL_TYPE},
};

static bool tail_find(const struct tail_name *names, size_t count, struct slice tail,
                      uint32_t *ret_member)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(tail, names[i].name)) {
            *ret_member = names[i].member;
            return true;
        }
    }
    return false;
}
#define TAIL_FIND(names, tail, ret) tail_find(names, sizeof(names) / sizeof(names[0]), tail, ret)

/* Finds group, sub index and member of an entry; used stays false when the tail is unknown. */
static void entry_classify(struct indexed *e)
{
    struct slice tail = e->tail;
    (void)starts_with(tail, "message.", &tail);
    e->group = GROUP_MESSAGE;
    e->sub = 0;
    if (starts_with(tail, "contents.", &tail)) {
        e->group = GROUP_CONTENTS;
        e->used = index_split(tail, &e->sub, &tail);
        (void)starts_with(tail, "message_content.", &tail);
        e->tail = tail;
        return;
    }
    if (starts_with(tail, "tool_calls.", &tail)) {
        e->group = GROUP_CALLS;
        if (!index_split(tail, &e->sub, &tail))
            return;
        (void)starts_with(tail, "tool_call.", &tail);
        e->used = TAIL_FIND(call_tails, tail, &e->member);
        return;
    }
    e->used = TAIL_FIND(message_tails, tail, &e->member);
}

static int entry_compare(const void *a, const void *b)
{
    const struct indexed *x = a;
    const struct indexed *y = b;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->sub != y->sub)
        return x->sub < y->sub ? -1 : 1;
    return (x->attribute > y->attribute) - (x->attribute < y->attribute);
}

static void entries_sort(struct indexed *entries, uint32_t count)
{
    bool is_sorted = true;
    for (uint32_t i = 1; i < count && is_sorted; i++)
        is_sorted = entry_compare(&entries[i - 1], &entries[i]) < 0;
    if (!is_sorted)
        qsort(entries, count, sizeof *entries, entry_compare);
}

/* Entries from `from` on that share index, group and sub. */
static uint32_t run_end(const struct indexed *entries, uint32_t from, uint32_t count)
{
    uint32_t i = from + 1;
    while (i < count && entries[i].index == entries[from].index &&
           entries[i].group == entries[from].group && entries[i].sub == entries[from].sub)
        i++;
    return i;
}

/* ---- messages ---- */

static struct value entry_value(const struct content *c, const struct indexed *e)
{
    return c->attributes.items[e->attribute].value;
}

/* Any content that is no text stays, under the names it has. */
static void raw_content(struct reading *r, const struct indexed *entries, uint32_t count)
{
    struct buffer *json = &r->c->scratch;
    buffer_reset(json);
    for (uint32_t i = 0; i < count; i++) {
        buffer_add_byte(json, i == 0 ? '{' : ',');
        put_string(json, value_of_text(entries[i].tail));
        buffer_add_byte(json, ':');
        put_value(json, entry_value(r->c, &entries[i]));
    }
    buffer_add_byte(json, '}');
    draft_raw(r->to, (struct value){.type = VALUE_JSON, .bytes = buffer_slice(json)});
}

static void content_run(struct reading *r, const struct indexed *entries, uint32_t count)
{
    struct value type = VALUE_NOTHING;
    struct value text = VALUE_NOTHING;
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(entries[i].tail, "type"))
            type = entry_value(r->c, &entries[i]);
        else if (slice_is(entries[i].tail, "text") || slice_is(entries[i].tail, "content"))
            text = entry_value(r->c, &entries[i]);
    }
    struct slice name = value_text(type, &r->c->arena);
    if (text.type != VALUE_NONE && (name.size == 0 || slice_is(name, "text")))
        draft_text(r->to, text, VALUE_NOTHING);
    else if (text.type != VALUE_NONE && (slice_is(name, "reasoning") || slice_is(name, "thinking")))
        draft_reasoning(r->to, text);
    else
        raw_content(r, entries, count);
}

static void call_run(struct reading *r, const struct indexed *entries, uint32_t count)
{
    struct value members[CALL_MEMBER_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].used)
            members[entries[i].member] = entry_value(r->c, &entries[i]);
    }
    if (members[CALL_NAME].type != VALUE_NONE || members[CALL_ID].type != VALUE_NONE)
        draft_call(r->to, members[CALL_ID], members[CALL_NAME], members[CALL_ARGUMENTS]);
}

static void runs_take(struct reading *r, const struct indexed *entries, uint32_t count)
{
    for (uint32_t i = 0, end; i < count; i = end) {
        end = run_end(entries, i, count);
        if (entries[i].group == GROUP_CONTENTS)
            content_run(r, entries + i, end - i);
        else if (entries[i].group == GROUP_CALLS)
            call_run(r, entries + i, end - i);
    }
}

static struct slice role_of(struct reading *r, const struct value *members)
{
    struct slice role = role_canonical(value_text(members[MEMBER_ROLE], &r->c->arena));
    if (role.size != 0)
        return role;
    return slice_text(members[MEMBER_CALL_ID].type != VALUE_NONE ? "tool" : r->role);
}

static void calls_json_take(struct reading *r, struct value calls)
{
    struct items it = items_of(value_as_json(calls, false));
    struct value item;
    struct members m;
    while (items_next(&it, &item)) {
        if (members_of(item, &r->c->arena, &m))
            call_take(r, item, &m);
    }
}

/* entries: of one message, message members first. */
static void message_run(struct reading *r, const struct indexed *entries, uint32_t count)
{
    struct value members[MEMBER_COUNT] = {0};
    uint32_t first = 0;
    for (; first < count && entries[first].group == GROUP_MESSAGE; first++) {
        if (entries[first].used)
            members[entries[first].member] = entry_value(r->c, &entries[first]);
    }
    struct slice role = role_of(r, members);
    if (slice_is(role, "tool") && members[MEMBER_CONTENT].type != VALUE_NONE) {
        draft_begin(r->to, role, SLICE_EMPTY);
        draft_response(r->to, members[MEMBER_CALL_ID], members[MEMBER_NAME],
                       members[MEMBER_CONTENT], false);
    } else {
        draft_begin(r->to, role, value_text(members[MEMBER_NAME], &r->c->arena));
        if (members[MEMBER_REASONING].type != VALUE_NONE)
            draft_reasoning(r->to, members[MEMBER_REASONING]);
        parts_take(r, members[MEMBER_CONTENT], true);
        if (members[MEMBER_REFUSAL].type != VALUE_NONE)
            draft_typed(r->to, "refusal", members[MEMBER_REFUSAL]);
        runs_take(r, entries + first, count - first);
        calls_json_take(r, members[MEMBER_CALLS]);
        if (members[MEMBER_FUNCTION].type != VALUE_NONE)
            draft_call(r->to, VALUE_NOTHING, members[MEMBER_FUNCTION], members[MEMBER_ARGUMENTS]);
    }
    draft_end(r->to);
    if (r->is_output)
        finish_reason_set(r->c, members[MEMBER_FINISH]);
}

bool indexed_messages(struct reading *r, struct indexed *entries, uint32_t count)
{
    uint32_t before = r->to->count;
    for (uint32_t i = 0; i < count; i++)
        entry_classify(&entries[i]);
    entries_sort(entries, count);
    for (uint32_t i = 0, end; i < count; i = end) {
        bool any = false;
        for (end = i; end < count && entries[end].index == entries[i].index; end++)
            any |= entries[end].used;
        if (any)
            message_run(r, entries + i, end - i);
    }
    return r->to->count > before;
}

/* ---- tools ---- */

static const struct tail_name tool_tails[] = {
    {"tool.json_schema", 0}, {"json_schema", 0}, {"name", 1},         {"description", 2},
    {"parameters", 3},       {"arguments", 3},   {"input_schema", 3},
};

bool indexed_tools(struct content *c, struct indexed *entries, uint32_t count)
{
    uint32_t added = 0;
    for (uint32_t i = 0; i < count; i++)
        entries[i].used = TAIL_FIND(tool_tails, entries[i].tail, &entries[i].member);
    entries_sort(entries, count);
    for (uint32_t i = 0, end; i < count; i = end) {
        struct value members[4] = {0};
        for (end = i; end < count && entries[end].index == entries[i].index; end++) {
            if (entries[end].used)
                members[entries[end].member] = entry_value(c, &entries[end]);
        }
        if (members[0].type != VALUE_NONE)
            added += tools_take(c, members[0]);
        else if (members[1].type != VALUE_NONE)
            added += tool_add(c, members[1], members[2], members[3]);
    }
    return added > 0;
}

/* ---- documents and texts ---- */

static const struct tail_name document_tails[] = {
    {"id", 0},       {"score", 1}, {"relevance_score", 1}, {"distance", 2}, {"content", 3},
    {"document", 3}, {"text", 3},  {"metadata", 4},
};

bool indexed_documents(struct content *c, struct indexed *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct slice tail = entries[i].tail;
        (void)starts_with(tail, "document.", &tail);
        entries[i].used = TAIL_FIND(document_tails, tail, &entries[i].member);
    }
    entries_sort(entries, count);
    documents_reset(&c->documents);
    for (uint32_t i = 0, end; i < count; i = end) {
        struct value members[5] = {0};
        bool any = false;
        for (end = i; end < count && entries[end].index == entries[i].index; end++) {
            any |= entries[end].used;
            if (entries[end].used)
                members[entries[end].member] = entry_value(c, &entries[end]);
        }
        struct document doc = {members[0], members[1], members[2], members[3],
                               value_as_json(members[4], false)};
        if (any)
            document_add(&c->documents, &doc, SLICE_EMPTY);
    }
    return c->documents.count > 0;
}

bool indexed_texts(struct reading *r, struct indexed *entries, uint32_t count)
{
    uint32_t before = r->to->count;
    entries_sort(entries, count);
    for (uint32_t i = 0; i < count; i++) {
        struct slice tail = entries[i].tail;
        (void)starts_with(tail, "embedding.", &tail);
        entries[i].used = slice_is(tail, "text") || tail.size == 0;
        if (!entries[i].used)
            continue;
        draft_begin(r->to, slice_text(r->role), SLICE_EMPTY);
        draft_text(r->to, entry_value(r->c, &entries[i]), VALUE_NOTHING);
        draft_end(r->to);
    }
    return r->to->count > before;
}
