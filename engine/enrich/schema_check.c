/*
 * schema_check.c - does a JSON value fit a compiled schema, and if not, where and why.
 *
 * Place:     schema_compile.c -> [here] -> score_structure.c
 * How:       one function a keyword, check_ID, called for the keywords present in the order of schema.def. The first failure is
 *            described; inside anyOf, oneOf, not, if and contains failures are silent.
 * Bounds:    every value looked at, every comparison and every match takes steps from SCHEMA_STEPS_MAX; SCHEMA_DEPTH_MAX bounds
 *            references that lead in circles. At either bound there is no verdict.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/enrich/schema_internal.h"

#define REGEX_STEPS 200u /* what a match costs, besides a step for 16 bytes */

/* The way from the top of the instance, on the stack. */
struct place {
    const struct place *above;
    struct slice key;
    uint32_t index;
    bool is_index;
};

struct checker {
    const struct json_schema *schema;
    struct arena *scratch;
    struct json_schema_failure *failure;
    uint64_t steps;
    uint32_t depth;
    uint32_t silent;
    bool gave_up;
    bool failed; /* failure is written */
};

struct check {
    struct checker *c;
    const struct schema_node *node;
    const struct schema_operand *o;
    const struct json_value *v;
    const struct place *place;
};

static bool node_fits(struct checker *c, const struct schema_node *node, const struct json_value *v,
                      const struct place *place);

static bool spend(struct checker *c, uint64_t steps)
{
    if (c->steps <= steps)
        c->gave_up = true;
    else
        c->steps -= steps;
    return !c->gave_up;
}

/* ---- failures in words ---- */

static void path_add(char *path, size_t size, const struct place *place)
{
    if (place == NULL)
        return;
    path_add(path, size, place->above);
    size_t at = strlen(path);
    bool plain = place->key.size > 0;
    for (size_t i = 0; i < place->key.size; i++) {
        uint8_t b = place->key.data[i];
        plain &= (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') || b == '_' ||
                 b == '-';
    }
    if (place->is_index)
        (void)snprintf(path + at, size - at, "[%u]", place->index);
    else
        (void)snprintf(path + at, size - at, plain ? ".%.*s" : "[\"%.*s\"]", SLICE_ARG(place->key));
}

static bool fail(const struct check *k, enum schema_keyword keyword, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct check *k, enum schema_keyword keyword, const char *format, ...)
{
    struct checker *c = k->c;
    if (c->silent > 0 || c->failed || c->gave_up)
        return false;
    c->failed = true;
    c->failure->path[0] = '$';
    c->failure->path[1] = 0;
    path_add(c->failure->path, sizeof c->failure->path, k->place);
    c->failure->keyword = schema_keyword_name(keyword);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(c->failure->words, sizeof c->failure->words, format, arguments);
    va_end(arguments);
    return false;
}

/* At most 40 bytes of a value, as JSON would have it. */
static const char *shown(const struct check *k, const struct json_value *v)
{
    size_t size = v->text.size < 40 ? v->text.size : 40;
    while (size > 0 && size < v->text.size && (v->text.data[size] & 0xc0) == 0x80)
        size--;
    const char *more = size < v->text.size ? "..." : "";
    if (v->type == VALUE_STRING)
        return arena_printf(k->c->scratch, "\"%.*s%s\"", (int)size, (const char *)v->text.data,
                            more);
    if (v->type == VALUE_INTEGER || v->type == VALUE_NUMBER)
        return arena_printf(k->c->scratch, "%.*s%s", (int)size, (const char *)v->text.data, more);
    if (v->type == VALUE_BOOLEAN)
        return v->truth ? "true" : "false";
    return v->type == VALUE_NULL ? "null" : value_type_name(v->type);
}

/* ---- any type ---- */

static bool check_ref(const struct check *k)
{
    return k->o->node == NULL || node_fits(k->c, k->o->node, k->v, k->place);
}

static bool is_nullable(const struct check *k)
{
    const struct schema_operand *nullable = schema_operand(k->node, KEYWORD_nullable);
    return nullable != NULL && nullable->value->truth && k->v->type == VALUE_NULL;
}

static bool check_type(const struct check *k)
{
    if ((k->o->types >> k->v->type & 1) != 0 || is_nullable(k))
        return true;
    struct buffer expected = {0};
    for (uint32_t type = 0; type < VALUE_TYPE_COUNT; type++) {
        bool covered = type == VALUE_INTEGER && (k->o->types >> VALUE_NUMBER & 1) != 0;
        if ((k->o->types >> type & 1) != 0 && !covered)
            buffer_printf(&expected, "%s%s", expected.size > 0 ? " or " : "",
                          value_type_name(type));
    }
    bool fits = fail(k, KEYWORD_type, "expected %.*s, got %s", SLICE_ARG(buffer_slice(&expected)),
                     value_type_name(k->v->type));
    buffer_deinit(&expected);
    return fits;
}

static bool check_enum(const struct check *k)
{
    if (is_nullable(k))
        return true;
    for (const struct json_value *item = k->o->value->first; item != NULL; item = item->next) {
        if (json_value_equal(item, k->v, &k->c->steps))
            return true;
    }
    if (k->c->silent > 0 || !spend(k->c, 1))
        return false;
    struct buffer expected = {0};
    for (const struct json_value *item = k->o->value->first; item != NULL; item = item->next) {
        if (expected.size > 150) {
            buffer_add_text(&expected, ", ...");
            break;
        }
        buffer_printf(&expected, "%s%s", expected.size > 0 ? ", " : "", shown(k, item));
    }
    bool fits = fail(k, KEYWORD_enum, "expected one of %.*s, got %s",
                     SLICE_ARG(buffer_slice(&expected)), shown(k, k->v));
    buffer_deinit(&expected);
    return fits;
}

static bool check_const(const struct check *k)
{
    return json_value_equal(k->o->value, k->v, &k->c->steps) ||
           fail(k, KEYWORD_const, "expected %s, got %s", shown(k, k->o->value), shown(k, k->v));
}

/* ---- objects ---- */

static bool member_fits(const struct check *k, const struct schema_node *node,
                        const struct json_value *member)
{
    struct place place = {.above = k->place, .key = member->key};
    return node_fits(k->c, node, member, &place);
}

static bool check_required(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *name = k->o->value->first; name != NULL; name = name->next) {
        if (!spend(k->c, 1 + k->v->count / 4))
            return false;
        if (json_value_member(k->v, name->text) == NULL)
            return fail(k, KEYWORD_required, "the required property '%.*s' is missing",
                        SLICE_ARG(name->text));
    }
    return true;
}

static const struct schema_part *part_find(const struct schema_operand *o, struct slice key)
{
    const struct schema_part *found = NULL;
    for (uint32_t i = 0; o != NULL && i < o->part_count; i++) {
        if (slice_equal(o->parts[i].key, key))
            found = &o->parts[i];
    }
    return found;
}

static bool check_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        if (!spend(k->c, 1 + k->o->part_count / 4))
            return false;
        const struct schema_part *part = part_find(k->o, m->key);
        if (part != NULL && !member_fits(k, part->node, m))
            return false;
    }
    return true;
}

static bool matches(struct checker *c, const struct regex *regex, struct slice text)
{
    if (!spend(c, REGEX_STEPS + text.size / 16))
        return false;
    enum regex_result result = regex_match(regex, text);
    if (result == REGEX_GAVE_UP)
        c->gave_up = true;
    return result == REGEX_YES;
}

static bool check_pattern_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        for (uint32_t i = 0; i < k->o->part_count; i++) {
            bool covered = matches(k->c, k->o->parts[i].regex, m->key);
            if (k->c->gave_up || (covered && !member_fits(k, k->o->parts[i].node, m)))
                return false;
        }
    }
    return true;
}

static bool is_covered(const struct check *k, struct slice key)
{
    const struct schema_operand *properties = schema_operand(k->node, KEYWORD_properties);
    const struct schema_operand *patterns = schema_operand(k->node, KEYWORD_pattern_properties);
    if (part_find(properties, key) != NULL)
        return true;
    for (uint32_t i = 0; patterns != NULL && i < patterns->part_count; i++) {
        if (matches(k->c, patterns->parts[i].regex, key))
            return true;
    }
    return false;
}

static bool check_additional_properties(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    bool never = k->o->value->type == VALUE_BOOLEAN && !k->o->value->truth;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        if (!spend(k->c, 1) || (!is_covered(k, m->key) && k->c->gave_up))
            return false;
        if (is_covered(k, m->key))
            continue;
        if (never)
            return fail(k, KEYWORD_additional_properties,
                        "the property '%.*s' is not in the schema", SLICE_ARG(m->key));
        if (!member_fits(k, k->o->node, m))
            return false;
    }
    return true;
}

static bool check_property_names(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (const struct json_value *m = k->v->first; m != NULL; m = m->next) {
        struct json_value name = {.type = VALUE_STRING, .text = m->key};
        k->c->silent++;
        bool fits = node_fits(k->c, k->o->node, &name, k->place);
        k->c->silent--;
        if (!fits)
            return fail(k, KEYWORD_property_names, "the name '%.*s' is not allowed",
                        SLICE_ARG(m->key));
    }
    return true;
}

/* Shared by minX and maxX. */
static bool count_fits(const struct check *k, enum schema_keyword keyword, uint64_t count,
                       bool at_least, const char *what)
{
    double bound = k->o->value->number;
    if (at_least ? (double)count >= bound : (double)count <= bound)
        return true;
    return fail(k, keyword, "expected at %s %.0f %s, got %llu", at_least ? "least" : "most", bound,
                what, (unsigned long long)count);
}

static bool check_min_properties(const struct check *k)
{
    return k->v->type != VALUE_OBJECT ||
           count_fits(k, KEYWORD_min_properties, k->v->count, true, "properties");
}

static bool check_max_properties(const struct check *k)
{
    return k->v->type != VALUE_OBJECT ||
           count_fits(k, KEYWORD_max_properties, k->v->count, false, "properties");
}

static bool check_dependencies(const struct check *k)
{
    if (k->v->type != VALUE_OBJECT)
        return true;
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        const struct schema_part *part = &k->o->parts[i];
        if (!spend(k->c, 1 + k->v->count / 4))
            return false;
        if (json_value_member(k->v, part->key) == NULL)
            continue;
        if (part->node != NULL && !node_fits(k->c, part->node, k->v, k->place))
            return false;
        for (const struct json_value *name = part->names != NULL ? part->names->first : NULL;
             name != NULL; name = name->next) {
            if (!spend(k->c, 1 + k->v->count / 4))
                return false;
            if (json_value_member(k->v, name->text) == NULL)
                return fail(k, KEYWORD_dependencies,
                            "the property '%.*s' needs the property '%.*s'", SLICE_ARG(part->key),
                            SLICE_ARG(name->text));
        }
    }
    return true;
}

static bool check_dependent_required(const struct check *k)
{
    return check_dependencies(k);
}

static bool check_dependent_schemas(const struct check *k)
{
    return check_dependencies(k);
}

/* ---- arrays ---- */

static bool item_fits(const struct check *k, const struct schema_node *node,
                      const struct json_value *item, uint32_t index)
{
    struct place place = {.above = k->place, .index = index, .is_index = true};
    return node_fits(k->c, node, item, &place);
}

/* The first items against the parts by position. */
static bool check_prefix_items(const struct check *k)
{
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t index = 0;
    for (const struct json_value *item = k->v->first; item != NULL && index < k->o->part_count;
         item = item->next) {
        if (!item_fits(k, k->o->parts[index].node, item, index))
            return false;
        index++;
    }
    return true;
}

/* Items from `from` on against one schema. */
static bool rest_fits(const struct check *k, uint32_t from)
{
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t index = 0;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next, index++) {
        if (index >= from && !item_fits(k, k->o->node, item, index))
            return false;
    }
    return true;
}

static bool check_items(const struct check *k)
{
    if (k->o->node == NULL)
        return check_prefix_items(k);
    const struct schema_operand *prefix = schema_operand(k->node, KEYWORD_prefix_items);
    return rest_fits(k, prefix != NULL ? prefix->part_count : 0);
}

static bool check_additional_items(const struct check *k)
{
    const struct schema_operand *items = schema_operand(k->node, KEYWORD_items);
    return items == NULL || items->node != NULL || rest_fits(k, items->part_count);
}

static bool check_contains(const struct check *k)
{
    const struct schema_operand *min = schema_operand(k->node, KEYWORD_min_contains);
    const struct schema_operand *max = schema_operand(k->node, KEYWORD_max_contains);
    if (k->v->type != VALUE_ARRAY)
        return true;
    uint32_t count = 0;
    uint32_t index = 0;
    k->c->silent++;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next)
        count += item_fits(k, k->o->node, item, index++);
    k->c->silent--;
    if ((double)count < (min != NULL ? min->value->number : 1))
        return fail(k, KEYWORD_contains, "too few of the %u items fit `contains`", k->v->count);
    if (max != NULL && (double)count > max->value->number)
        return fail(k, KEYWORD_contains, "too many of the %u items fit `contains`", k->v->count);
    return true;
}

static bool check_min_items(const struct check *k)
{
    return k->v->type != VALUE_ARRAY ||
           count_fits(k, KEYWORD_min_items, k->v->count, true, "items");
}

static bool check_max_items(const struct check *k)
{
    return k->v->type != VALUE_ARRAY ||
           count_fits(k, KEYWORD_max_items, k->v->count, false, "items");
}

struct hashed_item {
    uint64_t hash;
    const struct json_value *item;
};

static int hashed_item_order(const void *a, const void *b)
{
    uint64_t x = ((const struct hashed_item *)a)->hash;
    uint64_t y = ((const struct hashed_item *)b)->hash;
    return (x > y) - (x < y);
}

static bool check_unique_items(const struct check *k)
{
    if (k->v->type != VALUE_ARRAY || !k->o->value->truth || k->v->count < 2)
        return true;
    struct hashed_item *items = ARENA_ARRAY(k->c->scratch, struct hashed_item, k->v->count);
    uint32_t count = 0;
    for (const struct json_value *item = k->v->first; item != NULL; item = item->next)
        items[count++] = (struct hashed_item){json_value_hash(item, &k->c->steps), item};
    if (!spend(k->c, count))
        return false;
    qsort(items, count, sizeof *items, hashed_item_order);
    for (uint32_t i = 1; i < count; i++) {
        if (items[i].hash == items[i - 1].hash &&
            json_value_equal(items[i].item, items[i - 1].item, &k->c->steps))
            return fail(k, KEYWORD_unique_items, "the items are not all different");
    }
    return true;
}

/* ---- strings and numbers ---- */

static uint64_t characters(struct slice text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

static bool check_min_length(const struct check *k)
{
    return k->v->type != VALUE_STRING ||
           count_fits(k, KEYWORD_min_length, characters(k->v->text), true, "characters");
}

static bool check_max_length(const struct check *k)
{
    return k->v->type != VALUE_STRING ||
           count_fits(k, KEYWORD_max_length, characters(k->v->text), false, "characters");
}

static bool check_pattern(const struct check *k)
{
    return k->v->type != VALUE_STRING || matches(k->c, k->o->regex, k->v->text) ||
           fail(k, KEYWORD_pattern, "%s does not match %s", shown(k, k->v), shown(k, k->o->value));
}

static bool is_number(const struct json_value *v)
{
    return v->type == VALUE_INTEGER || v->type == VALUE_NUMBER;
}

/* Draft 4: a sibling says that the bound itself is out. */
static bool is_excluded(const struct check *k, enum schema_keyword keyword)
{
    const struct schema_operand *o = schema_operand(k->node, keyword);
    return o != NULL && o->value->type == VALUE_BOOLEAN && o->value->truth;
}

static bool check_minimum(const struct check *k)
{
    if (!is_number(k->v))
        return true;
    int order = json_value_compare(k->v, k->o->value);
    bool excluded = is_excluded(k, KEYWORD_exclusive_minimum);
    return order > 0 || (order == 0 && !excluded) ||
           fail(k, KEYWORD_minimum, "expected %s %s, got %s", excluded ? "more than" : "at least",
                shown(k, k->o->value), shown(k, k->v));
}

static bool check_maximum(const struct check *k)
{
    if (!is_number(k->v))
        return true;
    int order = json_value_compare(k->v, k->o->value);
    bool excluded = is_excluded(k, KEYWORD_exclusive_maximum);
    return order < 0 || (order == 0 && !excluded) ||
           fail(k, KEYWORD_maximum, "expected %s %s, got %s", excluded ? "less than" : "at most",
                shown(k, k->o->value), shown(k, k->v));
}

static bool check_exclusive_minimum(const struct check *k)
{
    return !is_number(k->v) || !is_number(k->o->value) ||
           json_value_compare(k->v, k->o->value) > 0 ||
           fail(k, KEYWORD_exclusive_minimum, "expected more than %s, got %s",
                shown(k, k->o->value), shown(k, k->v));
}

static bool check_exclusive_maximum(const struct check *k)
{
    return !is_number(k->v) || !is_number(k->o->value) ||
           json_value_compare(k->v, k->o->value) < 0 ||
           fail(k, KEYWORD_exclusive_maximum, "expected less than %s, got %s",
                shown(k, k->o->value), shown(k, k->v));
}

/* 19.99 is a multiple of 0.01 although neither is a binary fraction: the quotient may be off by its rounding. */
static bool is_multiple(const struct json_value *v, const struct json_value *of)
{
    if (v->is_exact && of->is_exact)
        return of->integer != 0 && v->integer % of->integer == 0;
    double quotient = v->number / of->number;
    if (!isfinite(quotient))
        return v->type == VALUE_INTEGER && of->type == VALUE_INTEGER &&
               fmod(v->number, of->number) == 0;
    double off = fabs(quotient - round(quotient));
    return off <= 1e-9 && off <= fabs(quotient) * 1e-14 + 1e-15;
}

static bool check_multiple_of(const struct check *k)
{
    return !is_number(k->v) || is_multiple(k->v, k->o->value) ||
           fail(k, KEYWORD_multiple_of, "%s is no multiple of %s", shown(k, k->v),
                shown(k, k->o->value));
}

/* ---- combinations ---- */

static bool fits_silently(const struct check *k, const struct schema_node *node)
{
    k->c->silent++;
    bool fits = node_fits(k->c, node, k->v, k->place);
    k->c->silent--;
    return fits;
}

static bool check_all_of(const struct check *k)
{
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        if (!node_fits(k->c, k->o->parts[i].node, k->v, k->place))
            return false;
    }
    return true;
}

static bool check_any_of(const struct check *k)
{
    for (uint32_t i = 0; i < k->o->part_count; i++) {
        if (fits_silently(k, k->o->parts[i].node))
            return true;
    }
    /* With one real alternative (the other is often null) its own reason says more. */
    if (k->o->part_count == 1)
        return node_fits(k->c, k->o->parts[0].node, k->v, k->place);
    return fail(k, KEYWORD_any_of, "%s fits none of the %u alternatives", shown(k, k->v),
                k->o->part_count);
}

static bool check_one_of(const struct check *k)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->o->part_count; i++)
        count += fits_silently(k, k->o->parts[i].node);
    return count == 1 || fail(k, KEYWORD_one_of, "%s fits %u of the %u alternatives, expected 1",
                              shown(k, k->v), count, k->o->part_count);
}

static bool check_not(const struct check *k)
{
    return !fits_silently(k, k->o->node) ||
           fail(k, KEYWORD_not, "%s fits what it must not", shown(k, k->v));
}

static bool check_if(const struct check *k)
{
    const struct schema_operand *chosen =
        schema_operand(k->node, fits_silently(k, k->o->node) ? KEYWORD_then : KEYWORD_else);
    return chosen == NULL || node_fits(k->c, chosen->node, k->v, k->place);
}

/* ---- nodes ---- */

#define CHECK_0(id) NULL
#define CHECK_1(id) check_##id
static bool (*const checks[KEYWORD_COUNT])(const struct check *k) = {
#define KEYWORD(id, name, shape, checked, doc) [KEYWORD_##id] = CHECK_##checked(id),
#define NOTE(name)
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE
};

/* When the checker gave up the answer is false and means nothing. */
static bool node_fits(struct checker *c, const struct schema_node *node, const struct json_value *v,
                      const struct place *place)
{
    if (!spend(c, 1))
        return false;
    struct check k = {.c = c, .node = node, .o = node->operands, .v = v, .place = place};
    if (node->source->type == VALUE_BOOLEAN)
        return node->source->truth ||
               fail(&k, KEYWORD_not, "nothing is allowed here, got %s", shown(&k, v));
    if (c->depth == SCHEMA_DEPTH_MAX) {
        c->gave_up = true;
        return false;
    }
    c->depth++;
    bool fits = true;
    for (uint64_t left = node->present; left != 0 && fits && !c->gave_up; left &= left - 1, k.o++) {
        unsigned keyword = (unsigned)__builtin_ctzll(left);
        if (checks[keyword] != NULL)
            fits = checks[keyword](&k);
    }
    c->depth--;
    return fits && !c->gave_up;
}

enum json_schema_verdict json_schema_validate(const struct json_schema *s, struct slice instance,
                                              struct arena *scratch,
                                              struct json_schema_failure *ret)
{
    struct json_value *v = NULL;
    struct error e = {0};
    struct json_schema_failure failure = {.path = "$", .keyword = "", .words = ""};
    enum status read = json_value_read(instance, SCHEMA_INSTANCE_NODES_MAX, scratch, &v, &e);
    if (read < 0) {
        (void)snprintf(failure.words, sizeof failure.words, "%.*s", (int)sizeof failure.words - 1,
                       e.text);
        *ret = failure;
        return read == STATUS_LIMIT ? SCHEMA_GAVE_UP : SCHEMA_NOT_JSON;
    }
    struct checker c = {
        .schema = s, .scratch = scratch, .failure = &failure, .steps = SCHEMA_STEPS_MAX};
    bool fits = node_fits(&c, s->root, v, NULL);
    c.gave_up |= c.steps == 0; /* comparisons stop there without a word */
    if (c.gave_up) {
        failure = (struct json_schema_failure){.path = "$", .keyword = ""};
        (void)snprintf(failure.words, sizeof failure.words, "more than %u steps or %u levels",
                       SCHEMA_STEPS_MAX, SCHEMA_DEPTH_MAX);
    }
    if (c.gave_up || !fits)
        *ret = failure;
    return c.gave_up ? SCHEMA_GAVE_UP : fits ? SCHEMA_FITS : SCHEMA_FAILS;
}
