/*
 * test_config.c - precedence, places of errors, and the dump that reads back.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "server/server.h"

static char path[64];

static void write_file(const char *text, size_t size)
{
    (void)snprintf(path, sizeof path, "/tmp/driftline-config-%d.yaml", (int)getpid());
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    cr_assert(fwrite(text, 1, size, f) == size);
    (void)fclose(f);
}

static enum status load(const char *text, struct server_config *c, struct error *error)
{
    write_file(text, strlen(text));
    server_config_init(c);
    enum status s = server_config_load(c, path, error);
    (void)unlink(path);
    return s;
}

Test(config, defaults_hold_until_something_says_otherwise)
{
    struct server_config c;
    server_config_init(&c);
    cr_assert_str_eq(c.listen_http, "127.0.0.1:4318");
    cr_assert_eq(c.head_bytes, (uint64_t)512 << 20);
    cr_assert_eq(c.seal_age_ns, 60 * NS_PER_S);
    server_config_deinit(&c);
}

Test(config, environment_beats_file_and_flag_beats_environment)
{
    struct server_config c;
    struct error error = {0};
    cr_assert(load("storage:\n  seal_rows: 5\nlisten:\n  http: ':1'\n", &c, &error) == STATUS_OK, "%s", error.text);
    cr_assert_eq(c.seal_rows, 5u);
    (void)setenv("DRIFTLINE_STORAGE_SEAL_ROWS", "6", 1);
    cr_assert(server_config_environment(&c, &error) == STATUS_OK);
    cr_assert_eq(c.seal_rows, 6u);
    cr_assert(server_config_set(&c, "storage.seal_rows", "7", &error) == STATUS_OK);
    cr_assert_eq(c.seal_rows, 7u);
    server_config_deinit(&c);
}

struct bad {
    const char *text;
    const char *expected;
};

Test(config, errors_name_place_and_fix)
{
    static const struct bad cases[] = {
        {"listen:\n  htpp: x\n", ":2:3: unknown key 'listen.htpp'; did you mean 'listen.http'?"},
        {"storage:\n  seal_rows: many\n", ":2:14: storage.seal_rows: 'many' is not a number"},
        {"storage:\n  seal_age: 5\n", ":2:13: storage.seal_age: '5' is not a duration"},
        {"storage:\n  head_bytes: 5MB\n", "is not a size like 64MiB"},
        {"auth:\n  disabled: maybe\n", "is not true or false"},
        {"- a\n", ":1:3: expected sections"},
        {"storage:\n  head_bytes: [1]\n", "is not one value"},
        {"storage: {head_bytes: 99999999999999999GiB}\n", "is not a size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_config c;
        struct error error = {0};
        cr_assert_eq(load(cases[i].text, &c, &error), STATUS_INVALID, "%s", cases[i].text);
        cr_assert(strstr(error.text, cases[i].expected) != NULL, "%s", error.text);
        server_config_deinit(&c);
    }
}

Test(config, a_dump_reads_back_to_the_same_dump)
{
    struct server_config c;
    struct error error = {0};
    server_config_init(&c);
    cr_assert(server_config_set(&c, "retention.rows_age", "36h", &error) == STATUS_OK);
    cr_assert(server_config_set(&c, "data", "/var/lib/x \"y\"", &error) == STATUS_OK);
    struct buffer first = {0};
    struct buffer second = {0};
    server_config_dump(&c, &first);
    server_config_deinit(&c);
    write_file((const char *)first.data, first.size);
    server_config_init(&c);
    cr_assert(server_config_load(&c, path, &error) == STATUS_OK, "%s", error.text);
    (void)unlink(path);
    server_config_dump(&c, &second);
    cr_assert(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    server_config_deinit(&c);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

Test(config, open_addresses_need_a_decision)
{
    struct server_config c;
    struct error error = {0};
    server_config_init(&c);
    cr_assert_eq(server_config_check(&c, &error), STATUS_INVALID);
    cr_assert(strstr(error.text, "--data DIR") != NULL);
    cr_assert(server_config_set(&c, "data", "/tmp/x", &error) == STATUS_OK);
    cr_assert_eq(server_config_check(&c, &error), STATUS_OK);
    cr_assert(server_config_set(&c, "listen.pg", "0.0.0.0:4320", &error) == STATUS_OK);
    cr_assert_eq(server_config_check(&c, &error), STATUS_INVALID);
    cr_assert(strstr(error.text, "listen.insecure=true") != NULL);
    cr_assert(server_config_set(&c, "listen.insecure", "true", &error) == STATUS_OK);
    cr_assert_eq(server_config_check(&c, &error), STATUS_OK);
    cr_assert(server_config_set(&c, "auth.disabled", "true", &error) == STATUS_OK);
    cr_assert_eq(server_config_check(&c, &error), STATUS_INVALID);
    cr_assert(strstr(error.text, "--no-auth") != NULL);
    server_config_deinit(&c);
}
