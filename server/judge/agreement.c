/*
 * agreement.c - see agreement.h.
 *
 * Every key (a subject, a version, a verdict, a cell) is interned as bytes; its code indexes an array. So all is linear in the
 * rows given.
 */
#include "server/judge/agreement.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/base/check.h"
#include "engine/base/intern.h"

#define PASS_AT 0.5

/* The latest word on something. */
struct said {
    double value;
    uint32_t label; /* code; 0: none */
    int64_t time_ns;
};

struct verdict {
    uint32_t version;
    uint32_t subject;
    struct said said;
};

struct agreement {
    struct intern labels;
    struct intern subjects; /* name and span -> code */
    struct said *humans;    /* by code of subject */
    size_t humans_capacity;
    struct intern version_keys;
    struct judge_version *versions; /* by code */
    size_t versions_capacity;
    struct intern verdict_keys; /* version and subject */
    struct verdict *verdicts;   /* by code */
    size_t verdicts_capacity;
    struct arena arena; /* texts of versions */
    struct buffer key;
};

struct agreement *agreement_create(void)
{
    struct agreement *a = MEM_NEW(struct agreement);
    intern_init(&a->labels);
    intern_init(&a->subjects);
    intern_init(&a->version_keys);
    intern_init(&a->verdict_keys);
    return a;
}

void agreement_destroy(struct agreement *a)
{
    if (a == NULL)
        return;
    intern_deinit(&a->labels);
    intern_deinit(&a->subjects);
    intern_deinit(&a->version_keys);
    intern_deinit(&a->verdict_keys);
    mem_free(a->humans);
    mem_free(a->versions);
    mem_free(a->verdicts);
    arena_deinit(&a->arena);
    buffer_deinit(&a->key);
    mem_free(a);
}

/* ---- taking opinions ---- */

static uint32_t label_code(struct agreement *a, struct slice label)
{
    return label.size == 0 ? 0 : intern_add(&a->labels, label);
}

static struct slice subject_key(struct agreement *a, const struct opinion *o)
{
    buffer_reset(&a->key);
    put_bytes(&a->key, o->name);
    put_bytes(&a->key, o->span);
    return buffer_slice(&a->key);
}

/* is_new: nothing was said before. */
static void said_set(struct agreement *a, struct said *to, const struct opinion *o, bool is_new)
{
    if (!is_new && o->time_ns < to->time_ns)
        return;
    *to = (struct said){.value = o->value, .label = label_code(a, o->label), .time_ns = o->time_ns};
}

void agreement_human(struct agreement *a, const struct opinion *o)
{
    uint32_t known = a->subjects.count;
    uint32_t subject = intern_add(&a->subjects, subject_key(a, o));
    a->humans = mem_grow(a->humans, &a->humans_capacity, (size_t)subject + 1, sizeof *a->humans);
    said_set(a, &a->humans[subject], o, subject >= known);
}

static uint32_t version_code(struct agreement *a, const struct judge_version *v)
{
    buffer_reset(&a->key);
    put_bytes(&a->key, v->name);
    put_bytes(&a->key, v->scorer);
    put_bytes(&a->key, v->scorer_version);
    put_bytes(&a->key, v->judge_model);
    uint32_t known = a->version_keys.count;
    uint32_t code = intern_add(&a->version_keys, buffer_slice(&a->key));
    if (code < known)
        return code;
    a->versions =
        mem_grow(a->versions, &a->versions_capacity, (size_t)code + 1, sizeof *a->versions);
    a->versions[code] =
        (struct judge_version){.name = arena_copy(&a->arena, v->name),
                               .scorer = arena_copy(&a->arena, v->scorer),
                               .scorer_version = arena_copy(&a->arena, v->scorer_version),
                               .judge_model = arena_copy(&a->arena, v->judge_model)};
    return code;
}

void agreement_judge(struct agreement *a, const struct judge_version *version,
                     const struct opinion *o)
{
    uint32_t subject = intern_find(&a->subjects, subject_key(a, o));
    if (subject == 0)
        return;
    uint32_t code = version_code(a, version);
    buffer_reset(&a->key);
    put_u32(&a->key, code);
    put_u32(&a->key, subject);
    uint32_t known = a->verdict_keys.count;
    uint32_t verdict = intern_add(&a->verdict_keys, buffer_slice(&a->key));
    a->verdicts =
        mem_grow(a->verdicts, &a->verdicts_capacity, (size_t)verdict + 1, sizeof *a->verdicts);
    if (verdict >= known)
        a->verdicts[verdict] = (struct verdict){.version = code, .subject = subject};
    said_set(a, &a->verdicts[verdict].said, o, verdict >= known);
}

/* ---- comparing ---- */

enum side {
    SIDE_UNKNOWN,
    SIDE_PASS,
    SIDE_FAIL
};

static bool is_one_of(struct slice label, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (label.size == strlen(words[i]) &&
            strncasecmp((const char *)label.data, words[i], label.size) == 0)
            return true;
    }
    return false;
}

static enum side label_side(struct slice name, struct slice label)
{
    static const char *const passes[] = {"pass", "true", "yes", "good", "correct", "ok", "none"};
    static const char *const fails[] = {"fail", "false", "no", "bad", "incorrect", "wrong"};
    if (is_one_of(label, passes, sizeof passes / sizeof passes[0]))
        return SIDE_PASS;
    if (slice_is(name, "error_class") || is_one_of(label, fails, sizeof fails / sizeof fails[0]))
        return SIDE_FAIL;
    return SIDE_UNKNOWN;
}

static enum side said_side(const struct agreement *a, struct slice name, const struct said *said)
{
    enum side side =
        said->label != 0 ? label_side(name, a->labels.values[said->label]) : SIDE_UNKNOWN;
    if (side != SIDE_UNKNOWN || isnan(said->value))
        return side;
    return said->value >= PASS_AT ? SIDE_PASS : SIDE_FAIL;
}

struct cell {
    uint32_t version;
    struct slice judge_label, human_label;
    uint64_t count;
};

static const char *side_text(enum side side)
{
    return side == SIDE_PASS ? "pass" : "fail";
}

/* False: there is nothing to compare. */
static bool verdict_compare(const struct agreement *a, const struct verdict *v, struct cell *ret)
{
    const struct said *human = &a->humans[v->subject];
    struct slice name = a->versions[v->version].name;
    *ret = (struct cell){.version = v->version, .count = 1};
    if (human->label != 0 && v->said.label != 0) {
        ret->judge_label = a->labels.values[v->said.label];
        ret->human_label = a->labels.values[human->label];
        return true;
    }
    enum side judge_side = said_side(a, name, &v->said);
    enum side human_side = said_side(a, name, human);
    if (judge_side == SIDE_UNKNOWN || human_side == SIDE_UNKNOWN)
        return false;
    ret->judge_label = slice_text(side_text(judge_side));
    ret->human_label = slice_text(side_text(human_side));
    return true;
}

/* ---- counting ---- */

static int version_order(const struct judge_version *a, const struct judge_version *b)
{
    int order = slice_compare(a->name, b->name);
    if (order == 0)
        order = slice_compare(a->scorer, b->scorer);
    if (order == 0)
        order = slice_compare(a->scorer_version, b->scorer_version);
    return order != 0 ? order : slice_compare(a->judge_model, b->judge_model);
}

static int cell_order(const void *left, const void *right, void *context)
{
    const struct cell *a = left;
    const struct cell *b = right;
    const struct agreement *all = context;
    int order = a->version == b->version
                    ? 0
                    : version_order(&all->versions[a->version], &all->versions[b->version]);
    if (order == 0)
        order = slice_compare(a->judge_label, b->judge_label);
    return order != 0 ? order : slice_compare(a->human_label, b->human_label);
}

struct cells {
    struct cell *items;
    size_t count;
};

/* Sorted, each once. */
static struct cells cells_count(struct agreement *a)
{
    struct cells c = {.items = mem_alloc(sizeof *c.items * a->verdict_keys.count)};
    size_t found = 0;
    for (uint32_t i = 1; i < a->verdict_keys.count; i++)
        found += verdict_compare(a, &a->verdicts[i], &c.items[found]);
    if (found > 0)
        qsort_r(c.items, found, sizeof *c.items, cell_order, a);
    for (size_t i = 0; i < found; i++) {
        if (c.count > 0 && cell_order(&c.items[c.count - 1], &c.items[i], a) == 0)
            c.items[c.count - 1].count++;
        else
            c.items[c.count++] = c.items[i];
    }
    return c;
}

void agreement_cells(struct agreement *a,
                     void (*each)(void *context, const struct agreement_cell *c), void *context)
{
    struct cells cells = cells_count(a);
    for (size_t i = 0; i < cells.count; i++) {
        const struct cell *c = &cells.items[i];
        const struct agreement_cell out = {.version = &a->versions[c->version],
                                           .judge_label = c->judge_label,
                                           .human_label = c->human_label,
                                           .count = c->count};
        each(context, &out);
    }
    mem_free(cells.items);
}

static int human_order(const void *left, const void *right)
{
    const struct cell *a = left;
    const struct cell *b = right;
    return slice_compare(a->human_label, b->human_label);
}

/* Sum over labels of (times the judge said it) * (times the person said it): a merge of the cells by either label. */
static double chance_products(const struct cell *by_judge, size_t count)
{
    double sum = 0;
    struct cell *by_human = mem_alloc(count * sizeof *by_human);
    memcpy(by_human, by_judge, count * sizeof *by_human);
    qsort(by_human, count, sizeof *by_human, human_order);
    for (size_t i = 0, k = 0; i < count;) {
        struct slice label = by_judge[i].judge_label;
        uint64_t judge_count = 0;
        uint64_t human_count = 0;
        for (; i < count && slice_equal(by_judge[i].judge_label, label); i++)
            judge_count += by_judge[i].count;
        while (k < count && slice_compare(by_human[k].human_label, label) < 0)
            k++;
        for (; k < count && slice_equal(by_human[k].human_label, label); k++)
            human_count += by_human[k].count;
        sum += (double)judge_count * (double)human_count;
    }
    mem_free(by_human);
    return sum;
}

static void side_count(struct agreement_line *l, const struct cell *c)
{
    enum side judge_side = label_side(l->version->name, c->judge_label);
    enum side human_side = label_side(l->version->name, c->human_label);
    if (judge_side == SIDE_UNKNOWN || human_side == SIDE_UNKNOWN)
        l->is_binary = false;
    else if (judge_side == SIDE_PASS)
        *(human_side == SIDE_PASS ? &l->tp : &l->fp) += c->count;
    else
        *(human_side == SIDE_PASS ? &l->fn : &l->tn) += c->count;
}

/* The cells of one version. */
static struct agreement_line line_make(const struct agreement *a, const struct cell *cells,
                                       size_t count)
{
    struct agreement_line l = {.version = &a->versions[cells[0].version], .is_binary = true};
    for (size_t i = 0; i < count; i++) {
        l.pairs += cells[i].count;
        if (slice_equal(cells[i].judge_label, cells[i].human_label))
            l.agreed += cells[i].count;
        side_count(&l, &cells[i]);
    }
    double pairs = (double)l.pairs;
    double products = chance_products(cells, count);
    l.accuracy = (double)l.agreed / pairs;
    /* In counts: exact where p_e = 1, so that nothing near zero is divided by. */
    l.kappa = products == pairs * pairs
                  ? (double)NAN
                  : (pairs * (double)l.agreed - products) / (pairs * pairs - products);
    return l;
}

void agreement_lines(struct agreement *a,
                     void (*each)(void *context, const struct agreement_line *l), void *context)
{
    struct cells cells = cells_count(a);
    for (size_t i = 0; i < cells.count;) {
        size_t end = i;
        while (end < cells.count && cells.items[end].version == cells.items[i].version)
            end++;
        const struct agreement_line line = line_make(a, cells.items + i, end - i);
        each(context, &line);
        i = end;
    }
    mem_free(cells.items);
}
