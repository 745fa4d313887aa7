/*
 * test_taxonomy.c - the classes that ship, and what a policy may change about them.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/enrich/taxonomy.h"

static struct error error;

static int order_of(const struct taxonomy *t, const char *name)
{
    const struct error_class *c = taxonomy_find(t, slice_text(name));
    cr_assert(c != NULL, "%s", name);
    return c->order;
}

Test(taxonomy, ships_the_twelve_classes_with_bucket_and_definition)
{
    static const struct {
        char name[24];
        enum bucket bucket;
    } expected[] = {
        {"none", BUCKET_NONE},        {"hallucination", BUCKET_QUALITY},
        {"refusal", BUCKET_QUALITY},  {"tool_call_malformed", BUCKET_STRUCTURE},
        {"loop", BUCKET_QUALITY},     {"truncation", BUCKET_STRUCTURE},
        {"timeout", BUCKET_OPS},      {"rate_limit", BUCKET_OPS},
        {"jailbreak", BUCKET_SAFETY}, {"pii_leak", BUCKET_SAFETY},
        {"tool_error", BUCKET_OPS},   {"other", BUCKET_OPS},
    };
    struct taxonomy t;
    taxonomy_init(&t);
    cr_assert_eq(t.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < t.count; i++) {
        const struct error_class *c = taxonomy_find(&t, slice_text(expected[i].name));
        cr_assert(c != NULL, "%s", expected[i].name);
        cr_assert_eq(c->bucket, expected[i].bucket, "%s", expected[i].name);
        cr_assert(strlen(c->definition) > 8, "%s", expected[i].name);
    }
    cr_assert(taxonomy_find(&t, slice_text("nonesuch")) == NULL);
}

Test(taxonomy, order_says_what_causes_what)
{
    struct taxonomy t;
    taxonomy_init(&t);
    cr_assert_lt(order_of(&t, "truncation"), order_of(&t, "tool_call_malformed"));
    cr_assert_lt(order_of(&t, "tool_call_malformed"), order_of(&t, "tool_error"));
    cr_assert_lt(order_of(&t, "rate_limit"), order_of(&t, "timeout"));
    cr_assert_lt(order_of(&t, "timeout"), order_of(&t, "tool_error"));
    cr_assert_lt(order_of(&t, "loop"), order_of(&t, "tool_error"));
    for (uint32_t i = 0; i < t.count; i++) {
        if (strcmp(t.classes[i].name, "other") != 0)
            cr_assert_lt(t.classes[i].order, order_of(&t, "other"), "%s", t.classes[i].name);
        for (uint32_t k = 0; k < i; k++)
            cr_assert_neq(t.classes[i].order, t.classes[k].order);
    }
}

Test(taxonomy, a_class_is_added_or_changed)
{
    struct taxonomy t;
    taxonomy_init(&t);
    uint32_t before = t.count;
    cr_assert_eq(
        taxonomy_set(&t, slice_text("off_topic"), BUCKET_QUALITY, 95, "not our business", &error),
        STATUS_OK);
    cr_assert_eq(t.count, before + 1);
    cr_assert_eq(taxonomy_set(&t, slice_text("off_topic"), BUCKET_SAFETY, 35, "", &error),
                 STATUS_OK);
    cr_assert_eq(t.count, before + 1);
    cr_assert_eq(taxonomy_find(&t, slice_text("off_topic"))->bucket, BUCKET_SAFETY);
    cr_assert_eq(order_of(&t, "off_topic"), 35);
}

Test(taxonomy, what_is_wrong_is_said_and_changes_nothing)
{
    struct taxonomy t;
    taxonomy_init(&t);
    struct taxonomy before = t;
    cr_assert_eq(taxonomy_set(&t, slice_text("Off"), BUCKET_OPS, 95, "", &error), STATUS_INVALID);
    cr_assert_eq(taxonomy_set(&t, slice_text(""), BUCKET_OPS, 95, "", &error), STATUS_INVALID);
    cr_assert_eq(taxonomy_set(&t, slice_text("9lives"), BUCKET_OPS, 95, "", &error),
                 STATUS_INVALID);
    cr_assert_eq(taxonomy_set(&t, slice_text("none"), BUCKET_OPS, 95, "", &error), STATUS_INVALID);
    cr_assert_eq(taxonomy_set(&t, slice_text("new"), BUCKET_NONE, 95, "", &error), STATUS_INVALID);
    cr_assert_eq(
        taxonomy_set(&t, slice_text("new"), BUCKET_OPS, order_of(&t, "refusal"), "", &error),
        STATUS_INVALID);
    cr_assert(strstr(error.text, "refusal") != NULL, "%s", error.text);
    cr_assert_eq(memcmp(&t, &before, sizeof t), 0);
}

Test(taxonomy, names_end_at_their_limit)
{
    char name[CLASS_NAME_BYTES_MAX + 2];
    struct taxonomy t;
    taxonomy_init(&t);
    memset(name, 'a', sizeof name);
    cr_assert_eq(taxonomy_set(&t, slice_of(name, CLASS_NAME_BYTES_MAX), BUCKET_OPS, 95, "", &error),
                 STATUS_OK);
    cr_assert_eq(
        taxonomy_set(&t, slice_of(name, CLASS_NAME_BYTES_MAX + 1), BUCKET_OPS, 96, "", &error),
        STATUS_INVALID);
    cr_assert(taxonomy_find(&t, slice_of(name, CLASS_NAME_BYTES_MAX)) != NULL);
}

Test(taxonomy, stays_small)
{
    struct taxonomy t;
    taxonomy_init(&t);
    char name[16];
    for (uint32_t i = t.count; i < TAXONOMY_CLASSES_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        cr_assert_eq(taxonomy_set(&t, slice_text(name), BUCKET_OPS, 1000 + (int)i, "", &error),
                     STATUS_OK);
    }
    cr_assert_eq(taxonomy_set(&t, slice_text("one_more"), BUCKET_OPS, 5000, "", &error),
                 STATUS_LIMIT);
    cr_assert(strstr(error.text, "64") != NULL, "%s", error.text);
    cr_assert_eq(taxonomy_set(&t, slice_text("refusal"), BUCKET_SAFETY, 5, "", &error), STATUS_OK,
                 "a change needs no room");
}

Test(taxonomy, buckets_have_names)
{
    enum bucket b;
    cr_assert_str_eq(bucket_name(BUCKET_STRUCTURE), "structure");
    cr_assert(bucket_from_name(slice_text("safety"), &b) && b == BUCKET_SAFETY);
    cr_assert(!bucket_from_name(slice_text("Safety"), &b));
}
