/*
 * fuzz_schema.c - any bytes as a JSON Schema and as what is checked against it.
 *
 * The first line is the instance, the rest the schema. A schema that compiles gives the same verdict twice, with a path and
 * words when it does not fit; `{"not":S}` and `{"allOf":[S]}` turn or keep it, where the schema stands on its own.
 */
#include "engine/base/check.h"
#include "engine/enrich/response_format.h"
#include "engine/enrich/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_schema_options draft_2020 = {.draft = 2020};

static enum json_schema_verdict verdict_of(struct slice schema_text, struct slice instance,
                                           bool *ret_compiled)
{
    struct json_schema *schema = NULL;
    struct error e = {0};
    struct arena scratch = {0};
    struct json_schema_failure failure = {.words = ""};
    const struct slice *names;
    enum json_schema_verdict verdict = SCHEMA_GAVE_UP;
    enum status s = json_schema_create(schema_text, &draft_2020, &schema, &e);
    *ret_compiled = s == STATUS_OK;
    if (s == STATUS_OK) {
        verdict = json_schema_validate(schema, instance, &scratch, &failure);
        ASSERT(verdict == SCHEMA_FITS || failure.words[0] != 0);
        ASSERT(verdict != SCHEMA_FAILS || failure.path[0] == '$');
        ASSERT(json_schema_unsupported(schema, &names) <= SCHEMA_UNSUPPORTED_MAX);
    } else {
        ASSERT(s == STATUS_INVALID || s == STATUS_LIMIT);
        ASSERT(e.text[0] != 0);
    }
    json_schema_destroy(schema);
    arena_deinit(&scratch);
    return verdict;
}

/* Wrapping moves what "#" refers to, and one level more may be one too many. */
static void wrapped_check(struct slice schema, struct slice instance,
                          enum json_schema_verdict verdict)
{
    struct buffer b = {0};
    bool compiled = false;
    if (memchr(schema.data, '#', schema.size) != NULL ||
        memmem(schema.data, schema.size, "\\u", 2) != NULL ||
        memmem(schema.data, schema.size, "$ref", 4) != NULL)
        return;
    buffer_add_text(&b, "{\"not\":");
    buffer_add_slice(&b, schema);
    buffer_add_byte(&b, '}');
    enum json_schema_verdict turned = verdict_of(buffer_slice(&b), instance, &compiled);
    if (compiled && verdict != SCHEMA_GAVE_UP && turned != SCHEMA_GAVE_UP &&
        verdict != SCHEMA_NOT_JSON)
        ASSERT((turned == SCHEMA_FITS) == (verdict == SCHEMA_FAILS));
    buffer_reset(&b);
    buffer_add_text(&b, "{\"allOf\":[");
    buffer_add_slice(&b, schema);
    buffer_add_text(&b, "]}");
    enum json_schema_verdict kept = verdict_of(buffer_slice(&b), instance, &compiled);
    if (compiled && verdict != SCHEMA_GAVE_UP && kept != SCHEMA_GAVE_UP)
        ASSERT(kept == verdict);
    buffer_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size == 0 ? NULL : memchr(data, '\n', size);
    size_t first = line == NULL ? 0 : (size_t)(line - data);
    struct slice instance = slice_of(data, first);
    struct slice schema =
        line == NULL ? slice_of(data, size) : slice_of(line + 1, size - first - 1);
    bool compiled = false;
    enum json_schema_verdict verdict = verdict_of(schema, instance, &compiled);
    if (compiled) {
        ASSERT(verdict_of(schema, instance, &compiled) == verdict);
        wrapped_check(schema, instance, verdict);
    }
    struct arena arena = {0};
    struct response_format format;
    response_format_read(schema, &arena, &format);
    ASSERT(format.schema.size == 0 || format.json);
    arena_deinit(&arena);
    return 0;
}
