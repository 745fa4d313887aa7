/*
 * trace_tree.c - depth first, without recursion: a trace may be one long chain.
 */
#include "tools/trace_tree.h"

#include "engine/base/intern.h"

#define NONE UINT32_MAX

struct tree {
    uint32_t count;
    uint32_t *parent;
    uint32_t *first_child;
    uint32_t *last_child;
    uint32_t *next_sibling;
    bool *done;
};

/* Which row has which id; an id that comes twice belongs to the first. */
static void parents_find(const struct rows *rows, struct tree *t)
{
    struct intern ids;
    uint32_t *row_of = mem_alloc(((size_t)t->count + 1) * sizeof *row_of);
    uint32_t span_column = rows_column(rows, "span_id");
    uint32_t parent_column = rows_column(rows, "parent_id");
    intern_init(&ids);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t before = ids.count;
        uint32_t code = intern_add(&ids, rows_cell(rows, i, span_column));
        if (code == before)
            row_of[code] = i;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t code = intern_find(&ids, rows_cell(rows, i, parent_column));
        bool has = rows_has(rows, i, parent_column) && code != 0 && row_of[code] != i;
        t->parent[i] = has ? row_of[code] : NONE;
    }
    intern_deinit(&ids);
    mem_free(row_of);
}

static void children_link(struct tree *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        t->first_child[i] = t->last_child[i] = t->next_sibling[i] = NONE;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t parent = t->parent[i];
        if (parent == NONE)
            continue;
        if (t->first_child[parent] == NONE)
            t->first_child[parent] = i;
        else
            t->next_sibling[t->last_child[parent]] = i;
        t->last_child[parent] = i;
    }
}

/* Children that were drawn already close a circle, which must not be walked again. */
static uint32_t skip_done(const struct tree *t, uint32_t row)
{
    while (row != NONE && t->done[row])
        row = t->next_sibling[row];
    return row;
}

static struct tree_node node_below(const struct tree_node *parent, uint32_t row, bool is_last)
{
    struct tree_node node = {.row = row, .is_last = is_last};
    node.depth = parent->depth < TREE_DEPTH_MAX - 1 ? parent->depth + 1 : TREE_DEPTH_MAX - 1;
    node.open = parent->open;
    if (node.depth < 64)
        node.open = is_last ? node.open & ~(1ull << node.depth) : node.open | 1ull << node.depth;
    return node;
}

/* Everything below a root, in order. stack holds nodes whose next sibling is still to come. */
static uint32_t walk(struct tree *t, uint32_t root, struct tree_node *ret, struct tree_node *stack)
{
    uint32_t count = 0;
    size_t height = 0;
    struct tree_node node = {.row = root, .is_last = true};
    for (;;) {
        t->done[node.row] = true;
        ret[count++] = node;
        uint32_t child = skip_done(t, t->first_child[node.row]);
        if (child != NONE) {
            stack[height++] = node;
            node = node_below(&node, child, skip_done(t, t->next_sibling[child]) == NONE);
            continue;
        }
        uint32_t next = NONE;
        while (height > 0 && (next = skip_done(t, t->next_sibling[node.row])) == NONE)
            node = stack[--height];
        if (height == 0)
            return count;
        node = node_below(&stack[height - 1], next, skip_done(t, t->next_sibling[next]) == NONE);
    }
}

void trace_tree_build(const struct rows *rows, struct tree_node *ret)
{
    struct arena arena = {0};
    struct tree t = {.count = (uint32_t)rows->row_count};
    size_t slots = (size_t)t.count + 1;
    t.parent = ARENA_ARRAY(&arena, uint32_t, slots);
    t.first_child = ARENA_ARRAY(&arena, uint32_t, slots);
    t.last_child = ARENA_ARRAY(&arena, uint32_t, slots);
    t.next_sibling = ARENA_ARRAY(&arena, uint32_t, slots);
    t.done = arena_zero(&arena, slots, sizeof *t.done);
    struct tree_node *stack = ARENA_ARRAY(&arena, struct tree_node, slots);
    parents_find(rows, &t);
    children_link(&t);
    uint32_t count = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < t.count; i++) {
            if (!t.done[i] && (pass == 1 || t.parent[i] == NONE))
                count += walk(&t, i, ret + count, stack);
        }
    }
    arena_deinit(&arena);
}
