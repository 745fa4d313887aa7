/*
 * schema_compile.c - from the JSON of a schema to nodes that can be checked.
 *
 * Place:     tool definitions, response formats -> [here] -> schema_check.c
 * How:       a node is made for every subschema that something refers to and waits in a list until its keywords are read;
 *            nothing recurses but the JSON reader, and a schema that refers to itself is a cycle of nodes.
 * Failure:   a keyword whose value is not of its shape makes the schema invalid; keywords that nobody knows are noted.
 */
#include <ctype.h>

#include "engine/base/check.h"
#include "engine/enrich/schema_internal.h"

#define SCHEMA_REGEX_STEPS 10000u

enum shape {
    SHAPE_ANY,
    SHAPE_TEXT,
    SHAPE_NUMBER,
    SHAPE_COUNT,
    SHAPE_POSITIVE,
    SHAPE_BOOLEAN,
    SHAPE_TEXTS,
    SHAPE_LIST,
    SHAPE_TYPE,
    SHAPE_SCHEMA,
    SHAPE_SCHEMAS,
    SHAPE_SCHEMA_MAP,
    SHAPE_PATTERN,
    SHAPE_PATTERN_MAP,
    SHAPE_ITEMS,
    SHAPE_BOUND,
    SHAPE_DEPENDENCIES,
};

static const struct {
    const char *name;
    enum shape shape;
} keywords[KEYWORD_COUNT] = {
#define KEYWORD(id, name, shape, checked, doc) {name, SHAPE_##shape},
#define NOTE(name)
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE
};

static const char *const notes[] = {
#define KEYWORD(id, name, shape, checked, doc)
#define NOTE(name) name,
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE
};

const char *schema_keyword_name(enum schema_keyword keyword)
{
    return keywords[keyword].name;
}

struct compiler {
    struct json_schema *schema;
    struct json_value *document;
    struct schema_node *pending;
    struct slice id; /* $id of the document */
    struct error *reterr;
};

static enum status invalid(struct compiler *c, const struct json_value *v, const char *keyword,
                           const char *expected)
{
    return error_set_at(c->reterr, STATUS_INVALID, v->offset,
                        "schema: byte %u: %s: expected %s, got %s", v->offset, keyword, expected,
                        value_type_name(v->type));
}

/* What is out of the subset is noted once by name. */
static void unsupported_note(struct json_schema *s, struct slice name)
{
    uint32_t kept = s->unsupported_count < SCHEMA_UNSUPPORTED_MAX ? s->unsupported_count
                                                                  : SCHEMA_UNSUPPORTED_MAX;
    for (uint32_t i = 0; i < kept; i++) {
        if (slice_equal(s->unsupported[i], name))
            return;
    }
    if (kept < SCHEMA_UNSUPPORTED_MAX)
        s->unsupported[kept] =
            arena_copy(&s->arena, slice_of(name.data, name.size < 64 ? name.size : 64));
    s->unsupported_count++;
}

/* The node of a subschema; it is compiled later, when it is new. */
static enum status node_of(struct compiler *c, struct json_value *source, const char *keyword,
                           struct schema_node **ret)
{
    if (source->type != VALUE_OBJECT && source->type != VALUE_BOOLEAN)
        return invalid(c, source, keyword, "a schema");
    if (source->node == NULL) {
        if (c->schema->node_count++ == SCHEMA_NODES_MAX)
            return error_set(c->reterr, STATUS_LIMIT, "schema: more than %u subschemas",
                             SCHEMA_NODES_MAX);
        source->node = ARENA_NEW(&c->schema->arena, struct schema_node);
        source->node->source = source;
        source->node->next = c->pending;
        c->pending = source->node;
    }
    *ret = source->node;
    return STATUS_OK;
}

static enum status regex_of(struct compiler *c, struct slice pattern, const struct json_value *at,
                            struct regex **ret)
{
    struct json_schema *s = c->schema;
    const struct regex_options options = {.ecma = true, .match_limit = SCHEMA_REGEX_STEPS};
    struct error e = {0};
    if (s->regex_count == SCHEMA_PATTERNS_MAX)
        return error_set(c->reterr, STATUS_LIMIT, "schema: more than %u patterns",
                         SCHEMA_PATTERNS_MAX);
    if (regex_create(pattern, &options, &s->regexes[s->regex_count], &e) < 0)
        return error_set_at(c->reterr, STATUS_INVALID, at->offset, "schema: byte %u: %s",
                            at->offset, e.text);
    *ret = s->regexes[s->regex_count++];
    return STATUS_OK;
}

static enum status texts_check(struct compiler *c, const struct json_value *v, const char *keyword)
{
    if (v->type != VALUE_ARRAY)
        return invalid(c, v, keyword, "an array of strings");
    for (const struct json_value *item = v->first; item != NULL; item = item->next) {
        if (item->type != VALUE_STRING)
            return invalid(c, item, keyword, "a string");
    }
    return STATUS_OK;
}

/* ---- type ---- */

static bool type_from_name(struct slice name, uint32_t *bits)
{
    for (uint32_t type = 0; type < VALUE_TYPE_COUNT; type++) {
        const char *known = value_type_name(type);
        size_t i = 0;
        while (i < name.size && known[i] != 0 && tolower(name.data[i]) == known[i])
            i++;
        if (i == name.size && known[i] == 0) {
            *bits |= UINT32_C(1) << type;
            if (type == VALUE_NUMBER)
                *bits |= UINT32_C(1) << VALUE_INTEGER;
            return true;
        }
    }
    return false;
}

static enum status type_compile(struct compiler *c, const struct json_value *v,
                                struct schema_operand *o)
{
    static const char expected[] = "null, boolean, integer, number, string, array or object";
    if (v->type == VALUE_STRING)
        return type_from_name(v->text, &o->types) ? STATUS_OK : invalid(c, v, "type", expected);
    if (v->type != VALUE_ARRAY)
        return invalid(c, v, "type", expected);
    for (const struct json_value *item = v->first; item != NULL; item = item->next) {
        if (item->type != VALUE_STRING || !type_from_name(item->text, &o->types))
            return invalid(c, item, "type", expected);
    }
    return STATUS_OK;
}

/* ---- references ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A pointer's token without %XX (RFC 3986), then without ~0 and ~1 (RFC 6901). */
static struct slice token_decode(struct slice token, struct arena *arena)
{
    uint8_t *text = arena_alloc(arena, token.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < token.size; i++) {
        uint8_t byte = token.data[i];
        if (byte == '%' && token.size - i > 2 && hex_digit(token.data[i + 1]) >= 0 &&
            hex_digit(token.data[i + 2]) >= 0) {
            byte = (uint8_t)(hex_digit(token.data[i + 1]) * 16 + hex_digit(token.data[i + 2]));
            i += 2;
        }
        if (size > 0 && text[size - 1] == '~' && (byte == '0' || byte == '1'))
            text[size - 1] = byte == '0' ? '~' : '/';
        else
            text[size++] = byte;
    }
    return slice_of(text, size);
}

static struct json_value *item_at(struct json_value *array, struct slice token)
{
    uint32_t index = 0;
    if (token.size == 0 || token.size > 9)
        return NULL;
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] < '0' || token.data[i] > '9')
            return NULL;
        index = index * 10 + (uint32_t)(token.data[i] - '0');
    }
    struct json_value *item = array->first;
    while (item != NULL && index-- > 0)
        item = item->next;
    return item;
}

/* pointer: "" or "/a/b". */
static struct json_value *pointer_find(struct compiler *c, struct slice pointer)
{
    struct json_value *at = c->document;
    for (size_t i = 0; i < pointer.size && at != NULL;) {
        if (pointer.data[i] != '/')
            return NULL;
        size_t end = ++i;
        while (end < pointer.size && pointer.data[end] != '/')
            end++;
        struct slice token = token_decode(slice_of(pointer.data + i, end - i), &c->schema->arena);
        at = at->type == VALUE_ARRAY ? item_at(at, token) : json_value_member(at, token);
        i = end;
    }
    return at;
}

/* Leaves o->node NULL when the reference leads out of the document. */
static enum status ref_compile(struct compiler *c, const struct json_value *v,
                               struct schema_operand *o)
{
    struct slice ref = v->text;
    if (c->id.size > 0 && ref.size >= c->id.size && memcmp(ref.data, c->id.data, c->id.size) == 0)
        ref = slice_of(ref.data + c->id.size, ref.size - c->id.size);
    bool local = ref.size == 0 || (ref.data[0] == '#' && (ref.size == 1 || ref.data[1] == '/'));
    if (!local) {
        unsupported_note(c->schema, slice_text(arena_printf(&c->schema->arena, "$ref %.*s",
                                                            SLICE_ARG(v->text))));
        return STATUS_OK;
    }
    struct slice pointer = ref.size <= 1 ? SLICE_EMPTY : slice_of(ref.data + 1, ref.size - 1);
    struct json_value *target = pointer_find(c, pointer);
    if (target == NULL)
        return error_set_at(c->reterr, STATUS_INVALID, v->offset,
                            "schema: byte %u: $ref: nothing stands at '%.*s'", v->offset,
                            SLICE_ARG(v->text));
    return node_of(c, target, "$ref", &o->node);
}

/* ---- subschemas ---- */

/* One part a member or item. */
static enum status parts_compile(struct compiler *c, struct json_value *v, const char *keyword,
                                 enum shape shape, struct schema_operand *o)
{
    enum status s = STATUS_OK;
    o->parts = arena_zero(&c->schema->arena, v->count, sizeof *o->parts);
    for (struct json_value *item = v->first; item != NULL && s == STATUS_OK; item = item->next) {
        struct schema_part *part = &o->parts[o->part_count++];
        part->key = item->key;
        if (shape == SHAPE_DEPENDENCIES && item->type == VALUE_ARRAY) {
            part->names = item;
            s = texts_check(c, item, keyword);
            continue;
        }
        if (shape == SHAPE_PATTERN_MAP)
            s = regex_of(c, item->key, item, &part->regex);
        if (s == STATUS_OK)
            s = node_of(c, item, keyword, &part->node);
    }
    return s;
}

static enum status number_check(struct compiler *c, const struct json_value *v, const char *keyword,
                                enum shape shape)
{
    bool number = v->type == VALUE_INTEGER || v->type == VALUE_NUMBER;
    if (!number)
        return invalid(c, v, keyword, "a number");
    if (shape == SHAPE_COUNT && (v->type != VALUE_INTEGER || v->number < 0))
        return invalid(c, v, keyword, "an integer of at least 0");
    if (shape == SHAPE_POSITIVE && !(v->number > 0))
        return invalid(c, v, keyword, "a number above 0");
    return STATUS_OK;
}

static enum status operand_compile(struct compiler *c, enum schema_keyword keyword,
                                   struct json_value *v, struct schema_operand *o)
{
    const char *name = keywords[keyword].name;
    enum shape shape = keywords[keyword].shape;
    o->value = v;
    switch (shape) {
    case SHAPE_ANY:
        return STATUS_OK;
    case SHAPE_TEXT:
        return v->type == VALUE_STRING ? ref_compile(c, v, o) : invalid(c, v, name, "a string");
    case SHAPE_BOUND:
        if (v->type == VALUE_BOOLEAN)
            return STATUS_OK;
        return number_check(c, v, name, shape);
    case SHAPE_NUMBER:
    case SHAPE_COUNT:
    case SHAPE_POSITIVE:
        return number_check(c, v, name, shape);
    case SHAPE_BOOLEAN:
        return v->type == VALUE_BOOLEAN ? STATUS_OK : invalid(c, v, name, "true or false");
    case SHAPE_TEXTS:
        return texts_check(c, v, name);
    case SHAPE_LIST:
        return v->type == VALUE_ARRAY ? STATUS_OK : invalid(c, v, name, "an array");
    case SHAPE_TYPE:
        return type_compile(c, v, o);
    case SHAPE_ITEMS:
        if (v->type == VALUE_ARRAY)
            return parts_compile(c, v, name, shape, o);
        return node_of(c, v, name, &o->node);
    case SHAPE_SCHEMA:
        return node_of(c, v, name, &o->node);
    case SHAPE_SCHEMAS:
        if (v->type != VALUE_ARRAY || v->count == 0)
            return invalid(c, v, name, "an array of schemas");
        return parts_compile(c, v, name, shape, o);
    case SHAPE_SCHEMA_MAP:
    case SHAPE_PATTERN_MAP:
    case SHAPE_DEPENDENCIES:
        if (v->type != VALUE_OBJECT)
            return invalid(c, v, name, "an object");
        return parts_compile(c, v, name, shape, o);
    case SHAPE_PATTERN:
        return v->type == VALUE_STRING ? regex_of(c, v->text, v, &o->regex)
                                       : invalid(c, v, name, "a string");
    }
    return STATUS_OK;
}

/* ---- nodes ---- */

static bool keyword_find(struct slice name, enum schema_keyword *ret)
{
    for (unsigned k = 0; k < KEYWORD_COUNT; k++) {
        if (slice_is(name, keywords[k].name)) {
            *ret = k;
            return true;
        }
    }
    return false;
}

/* Annotations, and extensions by their "x-". $id is one at the top only: further in it would move references. */
static bool is_note(const struct compiler *c, const struct schema_node *node, struct slice name)
{
    if (name.size > 2 && memcmp(name.data, "x-", 2) == 0)
        return true;
    if (slice_is(name, "$id") || slice_is(name, "id"))
        return node->source == c->document;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (slice_is(name, notes[i]))
            return true;
    }
    return false;
}

static enum status node_compile(struct compiler *c, struct schema_node *node)
{
    struct json_value *values[KEYWORD_COUNT] = {NULL};
    if (node->source->type == VALUE_BOOLEAN)
        return STATUS_OK;
    for (struct json_value *m = node->source->first; m != NULL; m = m->next) {
        enum schema_keyword keyword = KEYWORD_COUNT;
        if (keyword_find(m->key, &keyword)) {
            values[keyword] = m;
            node->present |= UINT64_C(1) << keyword;
        } else if (!is_note(c, node, m->key)) {
            unsupported_note(c->schema, m->key);
        }
    }
    if (values[KEYWORD_ref] != NULL && c->schema->draft <= 7)
        node->present = UINT64_C(1) << KEYWORD_ref;
    uint32_t count = (uint32_t)__builtin_popcountll(node->present);
    node->operands = arena_zero(&c->schema->arena, count, sizeof *node->operands);
    struct schema_operand *o = node->operands;
    for (uint64_t left = node->present; left != 0; left &= left - 1, o++) {
        enum schema_keyword keyword = (enum schema_keyword)__builtin_ctzll(left);
        enum status s = operand_compile(c, keyword, values[keyword], o);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

static int draft_of(const struct json_value *document)
{
    static const struct {
        const char *part;
        int draft;
    } drafts[] = {
        {"draft-03", 3}, {"draft-04", 4}, {"draft-05", 4}, {"draft-06", 6}, {"draft-07", 7}};
    const struct json_value *schema = json_value_member(document, slice_text("$schema"));
    for (size_t i = 0;
         schema != NULL && schema->type == VALUE_STRING && i < sizeof drafts / sizeof drafts[0];
         i++) {
        if (memmem(schema->text.data, schema->text.size, drafts[i].part, strlen(drafts[i].part)) !=
            NULL)
            return drafts[i].draft;
    }
    return 2020;
}

/* Of "http://host/schema#" the part before the '#'. */
static struct slice id_of(const struct json_value *document)
{
    const struct json_value *id = json_value_member(document, slice_text("$id"));
    if (id == NULL || id->type != VALUE_STRING || id->text.size == 0)
        return SLICE_EMPTY;
    const uint8_t *hash = memchr(id->text.data, '#', id->text.size);
    return hash == NULL ? id->text : slice_of(id->text.data, (size_t)(hash - id->text.data));
}

enum status json_schema_create(struct slice text, const struct json_schema_options *options,
                               struct json_schema **ret, struct error *reterr)
{
    if (text.size > SCHEMA_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "schema: more than %u bytes", SCHEMA_BYTES_MAX);
    struct json_schema *schema = MEM_NEW(struct json_schema);
    struct compiler c = {.schema = schema, .reterr = reterr};
    /* Every value takes two bytes or more, so the text bounds their number. */
    enum status s = json_value_read(arena_copy(&schema->arena, text), SCHEMA_BYTES_MAX,
                                    &schema->arena, &c.document, reterr);
    if (s == STATUS_OK) {
        schema->draft = options->draft != 0 ? options->draft : draft_of(c.document);
        c.id = id_of(c.document);
        if (schema->draft == 3)
            unsupported_note(schema, slice_text("$schema draft-03"));
        s = node_of(&c, c.document, "schema", &schema->root);
    }
    while (s == STATUS_OK && c.pending != NULL) {
        struct schema_node *node = c.pending;
        c.pending = node->next;
        s = node_compile(&c, node);
    }
    if (s == STATUS_OK)
        *ret = schema;
    else
        json_schema_destroy(schema);
    return s;
}

void json_schema_destroy(struct json_schema *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->regex_count; i++)
        regex_destroy(s->regexes[i]);
    arena_deinit(&s->arena);
    mem_free(s);
}

uint32_t json_schema_unsupported(const struct json_schema *s, const struct slice **ret_names)
{
    *ret_names = s->unsupported;
    return s->unsupported_count < SCHEMA_UNSUPPORTED_MAX ? s->unsupported_count
                                                         : SCHEMA_UNSUPPORTED_MAX;
}

size_t json_schema_bytes(const struct json_schema *s)
{
    return sizeof *s + s->arena.bytes + (size_t)s->regex_count * 4096;
}
