/*
 * test_schema_suite.c - the JSON Schema Test Suite (Debian's json-schema-test-suite, drafts 4, 6 and 7).
 *
 * Every case of every file is run. A case whose schema leaves our subset (json_schema_unsupported names what) has no verdict and is
 * counted as such; every other verdict must be the suite's. The files that may have such cases are listed here, so that a keyword
 * that silently stops being supported fails the test. Skipped when the package is not installed.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/json.h"
#include "engine/enrich/schema.h"

#ifndef SUITE
#define SUITE "/usr/share/json-schema-test-suite/tests"
#endif
#define SKIPPED 77 /* as ctest knows it */

struct tally {
    uint32_t passed, wrong, unsupported;
};

static bool is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

/* Files with cases outside of the subset: references into other documents. */
static const char *const partly[] = {"definitions.json", "ref.json", "refRemote.json", NULL};
/* Formats that stay annotations. */
static const char *const formats_left_out[] = {
    "hostname.json",      "idn-email.json",     "idn-hostname.json", "iri.json",
    "iri-reference.json", "json-pointer.json",  "regex.json",        "relative-json-pointer.json",
    "uri.json",           "uri-reference.json", "uri-template.json", NULL};
/* Optional behaviour the subset does not promise: beyond doubles, ECMA's regular expressions to the letter, encoded content. */
static const char *const optional_left_out[] = {"content.json", "ecmascript-regex.json",
                                                "format.json", "zeroTerminatedFloats.json", NULL};

static void case_run(const char *file, struct slice description, const struct json_schema *schema,
                     struct slice data, bool valid, struct tally *tally)
{
    struct arena scratch = {0};
    struct json_schema_failure failure = {0};
    const struct slice *names;
    enum json_schema_verdict verdict = json_schema_validate(schema, data, &scratch, &failure);
    if (json_schema_unsupported(schema, &names) > 0) {
        tally->unsupported++;
    } else if (verdict == (valid ? SCHEMA_FITS : SCHEMA_FAILS)) {
        tally->passed++;
        cr_assert(valid ||
                      (failure.path[0] == '$' && failure.words[0] != 0 && failure.keyword[0] != 0),
                  "%s: %.*s: a failure without words", file, SLICE_ARG(description));
    } else {
        tally->wrong++;
        fprintf(stderr, "%s: %.*s: %.*s: expected %s, got %d (%s: %s)\n", file,
                SLICE_ARG(description), SLICE_ARG(data), valid ? "valid" : "invalid", verdict,
                failure.path, failure.words);
    }
    arena_deinit(&scratch);
}

static void tests_run(const char *file, struct json *j, const struct json_schema *schema,
                      struct tally *tally)
{
    cr_assert_eq(json_next(j), JSON_ARRAY_BEGIN);
    while (json_next(j) == JSON_OBJECT_BEGIN) {
        struct slice description = SLICE_EMPTY;
        struct slice data = SLICE_EMPTY;
        bool valid = false;
        while (json_next(j) == JSON_KEY) {
            struct slice key = j->raw;
            enum json_token t = json_next(j);
            if (slice_is(key, "description"))
                description = j->raw;
            if (slice_is(key, "valid"))
                valid = t == JSON_TRUE;
            struct slice value = json_skip(j, t);
            if (slice_is(key, "data"))
                data = value;
        }
        case_run(file, description, schema, data, valid, tally);
    }
}

/* Members come in any order in principle; in the suite the schema stands before the tests. */
static void file_run(const char *path, const char *file, int draft, struct tally *tally)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    size_t size = fread(text, 1, sizeof text, f);
    cr_assert(size > 0 && size < sizeof text);
    fclose(f);
    struct json j = json_over(slice_of(text, size));
    cr_assert_eq(json_next(&j), JSON_ARRAY_BEGIN);
    while (json_next(&j) == JSON_OBJECT_BEGIN) {
        struct json_schema *schema = NULL;
        struct error e = {0};
        while (json_next(&j) == JSON_KEY) {
            if (slice_is(j.raw, "schema")) {
                struct slice source = json_skip(&j, json_next(&j));
                enum status s = json_schema_create(
                    source, &(struct json_schema_options){.draft = draft}, &schema, &e);
                cr_assert_eq(s, STATUS_OK, "%s: %.*s: %s", path, SLICE_ARG(source), e.text);
            } else if (slice_is(j.raw, "tests")) {
                cr_assert_not_null(schema);
                tests_run(file, &j, schema, tally);
            } else {
                (void)json_skip(&j, json_next(&j));
            }
        }
        json_schema_destroy(schema);
    }
    cr_assert_eq(json_next(&j), JSON_END, "%s", path);
}

static uint32_t directory_run(const char *directory, int draft, const char *const *left_out,
                              const char *const *may_be_partial)
{
    struct dirent **entries;
    uint32_t passed = 0;
    int count = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        struct tally tally = {0};
        char path[512];
        size_t size = strlen(name);
        if (size > 5 && strcmp(name + size - 5, ".json") == 0 && is_among(name, left_out)) {
            printf("  draft %d  %-28s left out\n", draft, name);
        } else if (size > 5 && strcmp(name + size - 5, ".json") == 0) {
            snprintf(path, sizeof path, "%s/%s", directory, name);
            file_run(path, name, draft, &tally);
            printf("  draft %d  %-28s %3u/%-3u%s", draft, name, tally.passed,
                   tally.passed + tally.wrong, tally.unsupported > 0 ? "" : "\n");
            if (tally.unsupported > 0)
                printf("  %u unsupported\n", tally.unsupported);
            cr_assert_eq(tally.wrong, 0, "draft %d, %s: %u wrong verdicts", draft, name,
                         tally.wrong);
            cr_assert(tally.unsupported == 0 || is_among(name, may_be_partial), "draft %d, %s",
                      draft, name);
        }
        passed += tally.passed;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return passed;
}

static void draft_run(const char *name, int draft)
{
    char directory[256];
    static const char *const none[] = {NULL};
    uint32_t passed = 0;
    snprintf(directory, sizeof directory, "%s/%s", SUITE, name);
    passed += directory_run(directory, draft, none, partly);
    snprintf(directory, sizeof directory, "%s/%s/optional", SUITE, name);
    passed += directory_run(directory, draft, optional_left_out, none);
    snprintf(directory, sizeof directory, "%s/%s/optional/format", SUITE, name);
    passed += directory_run(directory, draft, formats_left_out, none);
    printf("draft %d: %u cases passed\n", draft, passed);
    cr_assert(passed > 200, "only %u cases", passed);
}

Test(schema_suite, draft_4)
{
    draft_run("draft4", 4);
}

Test(schema_suite, draft_6)
{
    draft_run("draft6", 6);
}

Test(schema_suite, draft_7)
{
    draft_run("draft7", 7);
}

/* In place of Criterion's own: without the suite there is nothing to test. */
int main(int argc, char **argv)
{
    if (access(SUITE, R_OK) != 0) {
        fprintf(stderr, "%s is not there (package json-schema-test-suite)\n", SUITE);
        return SKIPPED;
    }
    struct criterion_test_set *tests = criterion_initialize();
    int failed = 0;
    if (criterion_handle_args(argc, argv, true))
        failed = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return failed;
}
