/*
 * taxonomy.c - the classes of class.def, and what a policy file adds to them.
 */
#include "engine/enrich/taxonomy.h"

#include <assert.h>

static const char *const bucket_names[] = {
    [BUCKET_NONE] = "none",           [BUCKET_OPS] = "ops",       [BUCKET_QUALITY] = "quality",
    [BUCKET_STRUCTURE] = "structure", [BUCKET_SAFETY] = "safety",
};
#define BUCKET_COUNT (sizeof bucket_names / sizeof *bucket_names)

const char *bucket_name(enum bucket bucket)
{
    return (size_t)bucket < BUCKET_COUNT ? bucket_names[bucket] : "?";
}

bool bucket_from_name(struct slice name, enum bucket *ret)
{
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        if (slice_is(name, bucket_names[i])) {
            *ret = (enum bucket)i;
            return true;
        }
    }
    return false;
}

static const struct error_class shipped[] = {
#define CLASS(order_, name_, bucket_, definition_)                                                 \
    {.name = #name_, .bucket = BUCKET_##bucket_, .order = (order_), .definition = (definition_)},
#include "engine/enrich/class.def"
#undef CLASS
};
#define SHIPPED_COUNT (sizeof shipped / sizeof *shipped)
static_assert(SHIPPED_COUNT <= TAXONOMY_CLASSES_MAX, "the classes that ship fit");

void taxonomy_init(struct taxonomy *t)
{
    *t = (struct taxonomy){.count = SHIPPED_COUNT};
    memcpy(t->classes, shipped, sizeof shipped);
}

static bool name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > CLASS_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t b = name.data[i];
        bool letter = b >= 'a' && b <= 'z';
        bool later = (b >= '0' && b <= '9') || b == '_';
        if (!letter && !(i > 0 && later))
            return false;
    }
    return true;
}

const struct error_class *taxonomy_find(const struct taxonomy *t, struct slice name)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (slice_is(name, t->classes[i].name))
            return &t->classes[i];
    }
    return NULL;
}

/* What is wrong with a class as somebody wants it; STATUS_OK: nothing. */
static enum status class_check(const struct taxonomy *t, struct slice name, enum bucket bucket,
                               int order, struct error *reterr)
{
    int shown = (int)(name.size < CLASS_NAME_BYTES_MAX ? name.size : CLASS_NAME_BYTES_MAX);
    if (!name_is_valid(name))
        return error_set(reterr, STATUS_INVALID,
                         "'%.*s' is not a class name: a-z, then a-z 0-9 _, at most %u bytes", shown,
                         (const char *)name.data, CLASS_NAME_BYTES_MAX);
    if (slice_is(name, "none"))
        return error_set(reterr, STATUS_INVALID,
                         "'none' means that nothing failed and can't be changed");
    if (bucket == BUCKET_NONE)
        return error_set(reterr, STATUS_INVALID,
                         "class '%.*s' needs a bucket: ops, quality, structure or safety", shown,
                         (const char *)name.data);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->classes[i].order == order && !slice_is(name, t->classes[i].name))
            return error_set(reterr, STATUS_INVALID,
                             "order %d of class '%.*s' is taken by '%s'; each class has its own",
                             order, shown, (const char *)name.data, t->classes[i].name);
    }
    return STATUS_OK;
}

enum status taxonomy_set(struct taxonomy *t, struct slice name, enum bucket bucket, int order,
                         const char *definition, struct error *reterr)
{
    enum status s;
    if ((s = class_check(t, name, bucket, order, reterr)) < 0)
        return s;
    uint32_t at = 0;
    while (at < t->count && !slice_is(name, t->classes[at].name))
        at++;
    if (at == TAXONOMY_CLASSES_MAX)
        return error_set(reterr, STATUS_LIMIT,
                         "there are %u error classes already, so '%.*s' has no room; error_class "
                         "stays useful only while it has few values",
                         TAXONOMY_CLASSES_MAX, SLICE_ARG(name));
    struct error_class *c = &t->classes[at];
    *c = (struct error_class){.bucket = bucket, .order = order, .definition = definition};
    bytes_copy(c->name, name.data, name.size);
    t->count += at == t->count;
    return STATUS_OK;
}
