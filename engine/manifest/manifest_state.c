/*
 * manifest_state.c - applies edits to the set of live files.
 *
 * Place:   manifest_commit (new edits), manifest_replay (edits from disk) -> [here]
 * Failure: an edit that doesn't fit (a second file of one number, a removal of nothing) is
 *          STATUS_INVALID; the replay turns that into STATUS_CORRUPT with its offset.
 */
#include "engine/manifest/manifest_state.h"

#include <inttypes.h>

#include "engine/base/limits.h"

void manifest_state_init(struct manifest_state *s)
{
    *s = (struct manifest_state){.next_number = 1};
}

static const char **state_names(const struct manifest_state *s)
{
    return s->names.items;
}

void manifest_state_deinit(struct manifest_state *s)
{
    for (uint32_t i = 0; i < s->names.count; i++)
        mem_free((char *)(uintptr_t)state_names(s)[i]);
    mem_free(s->names.items);
    mem_free(s->segments.items);
    mem_free(s->packs.items);
    mem_free(s->patches.items);
    mem_free(s->clients.items);
    *s = (struct manifest_state){0};
}

static void list_add(struct manifest_list *list, const void *item, size_t size)
{
    list->items = mem_grow(list->items, &list->capacity, (size_t)list->count + 1, size);
    bytes_copy((uint8_t *)list->items + list->count * size, item, size);
    list->count++;
}

static void list_remove(struct manifest_list *list, uint32_t index, size_t size)
{
    uint8_t *at = (uint8_t *)list->items + index * size;
    memmove(at, at + size, (list->count - index - 1) * size);
    list->count--;
}

static void list_copy(const struct manifest_list *from, struct manifest_list *to, size_t size)
{
    *to = (struct manifest_list){0};
    if (from->count == 0)
        return;
    to->items = mem_grow(NULL, &to->capacity, from->count, size);
    bytes_copy(to->items, from->items, from->count * size);
    to->count = from->count;
}

void manifest_state_copy(const struct manifest_state *from, struct manifest_state *to)
{
    manifest_state_init(to);
    for (uint32_t i = 0; i < from->names.count; i++) {
        char *name = mem_strdup(state_names(from)[i]);
        list_add(&to->names, &name, sizeof name);
    }
    list_copy(&from->segments, &to->segments, sizeof(struct manifest_segment));
    list_copy(&from->packs, &to->packs, sizeof(struct manifest_pack));
    list_copy(&from->patches, &to->patches, sizeof(struct manifest_patch));
    list_copy(&from->clients, &to->clients, sizeof(struct manifest_client));
    to->wal_keep = from->wal_keep;
    to->next_number = from->next_number;
}

/* The three kinds of files begin with {number, project}; this finds one from its newest end. */
#define FIND_FILE(type)                                                                            \
    static bool type##_find(const struct manifest_list *list, uint64_t number,                     \
                            uint32_t *ret_index)                                                   \
    {                                                                                              \
        const struct manifest_##type *items = list->items;                                         \
        for (uint32_t i = list->count; i-- > 0;) {                                                 \
            if (items[i].number == number) {                                                       \
                *ret_index = i;                                                                    \
                return true;                                                                       \
            }                                                                                      \
        }                                                                                          \
        return false;                                                                              \
    }
FIND_FILE(segment)
FIND_FILE(pack)
FIND_FILE(patch)
#undef FIND_FILE

static bool name_is_valid(const char *name)
{
    size_t size = strlen(name);
    return size >= 1 && size <= PROJECT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

static enum status project_add(struct manifest_state *s, const struct manifest_edit *e,
                               struct error *reterr)
{
    if (e->name == NULL || !name_is_valid(e->name))
        return error_set(reterr, STATUS_INVALID, "a project name must be [a-z0-9_-]{1,%u}",
                         PROJECT_NAME_MAX);
    if (s->names.count >= PROJECTS_MAX)
        return error_set(reterr, STATUS_LIMIT, "there are %u projects, the most there may be",
                         PROJECTS_MAX);
    if (e->project != s->names.count + 1)
        return error_set(reterr, STATUS_INVALID, "project %" PRIu32 " does not follow %" PRIu32,
                         e->project, s->names.count);
    for (uint32_t i = 0; i < s->names.count; i++) {
        if (strcmp(state_names(s)[i], e->name) == 0)
            return error_set(reterr, STATUS_INVALID, "project '%s' exists", e->name);
    }
    char *name = mem_strdup(e->name);
    list_add(&s->names, &name, sizeof name);
    return STATUS_OK;
}

static enum status file_check(const struct manifest_state *s, const char *what, uint32_t project,
                              uint64_t number, bool taken, struct error *reterr)
{
    if (project == 0 || project > s->names.count)
        return error_set(reterr, STATUS_INVALID, "%s %" PRIu64 " of unknown project %" PRIu32, what,
                         number, project);
    if (number == 0 || number == UINT64_MAX)
        return error_set(reterr, STATUS_INVALID, "%s with the file number %" PRIu64, what, number);
    if (taken)
        return error_set(reterr, STATUS_INVALID, "%s %" PRIu64 " is added twice", what, number);
    return STATUS_OK;
}

static void number_note(struct manifest_state *s, uint64_t number)
{
    if (s->next_number <= number)
        s->next_number = number + 1;
}

#define ADD_AND_REMOVE(type, list)                                                                 \
    static enum status type##_add(struct manifest_state *s, const struct manifest_##type *f,       \
                                  struct error *reterr)                                            \
    {                                                                                              \
        uint32_t index;                                                                            \
        bool taken = type##_find(&s->list, f->number, &index);                                     \
        enum status status = file_check(s, #type, f->project, f->number, taken, reterr);           \
        if (status < 0)                                                                            \
            return status;                                                                         \
        list_add(&s->list, f, sizeof *f);                                                          \
        number_note(s, f->number);                                                                 \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    static enum status type##_remove(struct manifest_state *s, const struct manifest_edit *e,      \
                                     struct error *reterr)                                         \
    {                                                                                              \
        uint32_t index;                                                                            \
        const struct manifest_##type *items = s->list.items;                                       \
        if (!type##_find(&s->list, e->number, &index) || items[index].project != e->project)       \
            return error_set(reterr, STATUS_INVALID,                                               \
                             #type " %" PRIu64 " of project %" PRIu32 " is removed but not there", \
                             e->number, e->project);                                               \
        list_remove(&s->list, index, sizeof *items);                                               \
        return STATUS_OK;                                                                          \
    }
ADD_AND_REMOVE(segment, segments)
ADD_AND_REMOVE(pack, packs)
ADD_AND_REMOVE(patch, patches)
#undef ADD_AND_REMOVE

/* Clients are many and updated by every seal, so they are sorted by id. Where id is, or belongs. */
static bool client_find(const struct manifest_state *s, const uint8_t id[16], uint32_t *ret_index)
{
    const struct manifest_client *items = s->clients.items;
    uint32_t low = 0;
    uint32_t high = s->clients.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(items[middle].id, id, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_index = low;
    return low < s->clients.count && memcmp(items[low].id, id, 16) == 0;
}

static void client_put(struct manifest_state *s, const struct manifest_client *c)
{
    uint32_t index;
    bool found = client_find(s, c->id, &index);
    if (!found)
        list_add(&s->clients, c, sizeof *c);
    struct manifest_client *at = (struct manifest_client *)s->clients.items + index;
    if (!found)
        memmove(at + 1, at, (s->clients.count - 1 - index) * sizeof *at);
    *at = *c;
}

static enum status client_remove(struct manifest_state *s, const struct manifest_client *c,
                                 struct error *reterr)
{
    uint32_t index;
    if (!client_find(s, c->id, &index))
        return error_set(reterr, STATUS_INVALID, "a client is removed but not there");
    list_remove(&s->clients, index, sizeof *c);
    return STATUS_OK;
}

enum status manifest_state_apply(struct manifest_state *s, const struct manifest_edit *e,
                                 struct error *reterr)
{
    switch (e->kind) {
    case EDIT_PROJECT_ADD:
        return project_add(s, e, reterr);
    case EDIT_SEGMENT_ADD:
        return segment_add(s, e->segment, reterr);
    case EDIT_SEGMENT_REMOVE:
        return segment_remove(s, e, reterr);
    case EDIT_PACK_ADD:
        return pack_add(s, e->pack, reterr);
    case EDIT_PACK_REMOVE:
        return pack_remove(s, e, reterr);
    case EDIT_PATCH_ADD:
        return patch_add(s, e->patch, reterr);
    case EDIT_PATCH_REMOVE:
        return patch_remove(s, e, reterr);
    case EDIT_WAL_KEEP:
        s->wal_keep = e->value;
        return STATUS_OK;
    case EDIT_CLIENT:
        client_put(s, e->client);
        return STATUS_OK;
    case EDIT_CLIENT_REMOVE:
        return client_remove(s, e->client, reterr);
    case EDIT_NEXT_NUMBER:
        if (s->next_number < e->value)
            s->next_number = e->value;
        return STATUS_OK;
    }
    return error_set(reterr, STATUS_INVALID, "unknown edit %d", (int)e->kind);
}
