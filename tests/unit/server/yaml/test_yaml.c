/*
 * test_yaml.c - documents and the places errors name.
 */
#include <criterion/criterion.h>

#include "server/yaml/yaml.h"

static struct yaml *parsed(const char *text)
{
    struct yaml *y = NULL;
    struct error error = {0};
    cr_assert(yaml_parse("rules.yaml", slice_text(text), &y, &error) == STATUS_OK, "%s", error.text);
    return y;
}

Test(yaml, mappings_sequences_and_scalars_are_walked_in_order)
{
    struct yaml *y = parsed("a: 1\nb:\n  - x\n  - \"y z\"\nc: ~\n");
    struct fy_node *root = yaml_root(y);
    cr_assert_eq(yaml_kind(root), YAML_MAPPING);
    cr_assert_eq(yaml_count(root), 3u);
    cr_assert(slice_is(yaml_key(root, 1), "b"));
    struct fy_node *b = yaml_find(root, "b");
    cr_assert_eq(yaml_count(b), 2u);
    cr_assert(slice_is(yaml_text(yaml_item(b, 1)), "y z"));
    cr_assert_eq(yaml_text(yaml_find(root, "c")).size, 0u);
    cr_assert(yaml_find(root, "d") == NULL);
    yaml_destroy(y);
}

Test(yaml, an_error_names_file_line_and_column)
{
    struct yaml *y = parsed("a: 1\nb:\n  colour: red\n");
    struct error error = {0};
    struct fy_node *value = yaml_find(yaml_find(yaml_root(y), "b"), "colour");
    cr_assert_eq(yaml_error(y, value, &error, "what is '%s'?", "red"), STATUS_INVALID);
    cr_assert_str_eq(error.text, "rules.yaml:3:11: what is 'red'?");
    yaml_destroy(y);
}

Test(yaml, broken_text_is_refused_with_its_place)
{
    struct yaml *y = NULL;
    struct error error = {0};
    cr_assert_eq(yaml_parse("c.yaml", slice_text("a: [1, 2\nb: }\n"), &y, &error), STATUS_INVALID);
    cr_assert(strncmp(error.text, "c.yaml:", 7) == 0, "%s", error.text);
}

Test(yaml, an_empty_document_has_no_root)
{
    struct yaml *y = NULL;
    if (yaml_parse("e.yaml", SLICE_EMPTY, &y, NULL) == STATUS_OK)
        cr_assert_eq(yaml_count(yaml_root(y)), 0u);
    yaml_destroy(y);
}

Test(yaml, a_missing_file_is_not_found)
{
    struct yaml *y = NULL;
    struct error error = {0};
    cr_assert_eq(yaml_load("/nonexistent/x.yaml", &y, &error), STATUS_NOT_FOUND);
    cr_assert(strstr(error.text, "/nonexistent/x.yaml") != NULL);
}
