/*
 * fuzz_mask.c - any text through masks: what was JSON stays JSON, and what changed was counted.
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/enrich/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(struct slice text)
{
    struct json j = json_over(text);
    enum json_token token;
    while ((token = json_next(&j)) > JSON_END)
        ;
    return token == JSON_END;
}

static struct masker *masker_once(void)
{
    static struct masker *m;
    struct mask_rule rules[2] = {{.name = slice_text("pii"),
                                  .project = SLICE_EMPTY,
                                  .detector = slice_text("pii"),
                                  .pattern = SLICE_EMPTY,
                                  .replacement = SLICE_EMPTY},
                                 {.name = slice_text("word"),
                                  .project = SLICE_EMPTY,
                                  .detector = SLICE_EMPTY,
                                  .pattern = slice_text("(?i)pass(?:word)?.?|\\{\""),
                                  .replacement = slice_text("#")}};
    if (m == NULL)
        ASSERT(masker_create(rules, 2, &m, NULL) == STATUS_OK);
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    uint64_t counts[2] = {0};
    struct slice text = slice_of(data, size);
    struct slice once = mask_text(masker_once(), slice_text("p"), text, &arena, counts);
    ASSERT(!is_json(text) || is_json(once));
    ASSERT(once.data == text.data || counts[0] + counts[1] > 0);
    arena_deinit(&arena);
    return 0;
}
