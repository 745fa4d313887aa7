/*
 * test_content_rest.c - through the mapper: a request that became messages leaves its settings in `attributes`.
 */
#include "mapper_fixture.h"

Test(content_rest, settings_of_a_request_stay_in_attributes)
{
    struct fixture f;
    fixture_init(&f, NULL);
    fixture_map(
        &f,
        "{\"openinference.span.kind\":\"LLM\",\"input.value\":"
        "\"{\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"Hi\\\"}],\\\"response_format\\\":"
        "{\\\"type\\\":\\\"json_object\\\"},\\\"seed\\\":7}\",\"output.value\":\"{\\\"role\\\":\\\"assistant\\\","
        "\\\"content\\\":\\\"{}\\\"}\"}");
    cr_expect_str_eq(
        fixture_cell(&f, 0, "attributes"),
        "{\"input.value\":{\"response_format\":{\"type\":\"json_object\"},\"seed\":7}}");
    cr_expect_not_null(strstr(fixture_cell(&f, 0, "input"), "\"content\":\"Hi\""));
    cr_expect_not_null(strstr(fixture_cell(&f, 0, "output"), "\"content\":\"{}\""));
    fixture_deinit(&f);
}
