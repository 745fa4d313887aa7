/*
 * config.c - reads, checks and prints the configuration; config.def is the list of keys.
 *
 * Place:     flags, environment, YAML file -> [here] -> server_run
 * Precedence: flag > environment > file > default; the caller applies them from the weakest up.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/bytes_text.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/span/cell.h"
#include "server/net/net.h"
#include "server/server.h"
#include "server/yaml/yaml.h"

enum config_kind { KIND_TEXT, KIND_BOOL, KIND_DURATION, KIND_BYTES, KIND_COUNT };

struct config_key {
    const char *path;
    enum config_kind kind;
    size_t offset;
    const char *default_value;
    const char *doc;
};

#define CONFIG_KEY(kind, path, member, default_value, doc)                                         \
    {path, kind, offsetof(struct server_config, member), default_value, doc},
static const struct config_key config_keys[] = {
#define CONFIG_TEXT(...)     CONFIG_KEY(KIND_TEXT, __VA_ARGS__)
#define CONFIG_BOOL(...)     CONFIG_KEY(KIND_BOOL, __VA_ARGS__)
#define CONFIG_DURATION(...) CONFIG_KEY(KIND_DURATION, __VA_ARGS__)
#define CONFIG_BYTES(...)    CONFIG_KEY(KIND_BYTES, __VA_ARGS__)
#define CONFIG_COUNT(...)    CONFIG_KEY(KIND_COUNT, __VA_ARGS__)
#include "server/config.def"

#define THREADS_MAX 256
#undef CONFIG_TEXT
#undef CONFIG_BOOL
#undef CONFIG_DURATION
#undef CONFIG_BYTES
#undef CONFIG_COUNT
};
#define CONFIG_KEYS ((uint32_t)(sizeof config_keys / sizeof config_keys[0]))

/* What is wrong with a value, or NULL when it was set. */
static const char *key_set(struct server_config *c, const struct config_key *key, struct slice value)
{
    uint8_t *member = (uint8_t *)c + key->offset;
    int64_t duration;
    uint64_t count;
    switch (key->kind) {
    case KIND_TEXT: {
        char **text = (void *)member;
        mem_free(*text);
        *text = mem_alloc(value.size + 1);
        bytes_copy(*text, value.data, value.size);
        (*text)[value.size] = 0;
        return NULL;
    }
    case KIND_BOOL: {
        bool yes = slice_is(value, "true") || slice_is(value, "yes") || slice_is(value, "1");
        if (!yes && !slice_is(value, "false") && !slice_is(value, "no") && !slice_is(value, "0"))
            return "true or false";
        memcpy(member, &yes, sizeof yes);
        return NULL;
    }
    case KIND_DURATION:
        if (!duration_from_text(value, &duration) || duration < 0)
            return "a duration like 500ms, 30s, 10m, 24h or 30d";
        memcpy(member, &duration, sizeof duration);
        return NULL;
    case KIND_BYTES:
        if (!bytes_from_text(value, &count))
            return "a size like 64MiB or 2GiB";
        memcpy(member, &count, sizeof count);
        return NULL;
    case KIND_COUNT:
        if (!count_from_text(value, &count))
            return "a number";
        memcpy(member, &count, sizeof count);
        return NULL;
    }
    return "a known kind of value";
}

void server_config_init(struct server_config *c)
{
    *c = (struct server_config){0};
    for (uint32_t i = 0; i < CONFIG_KEYS; i++)
        ASSERT(key_set(c, &config_keys[i], slice_text(config_keys[i].default_value)) == NULL);
}

void server_config_deinit(struct server_config *c)
{
    for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
        if (config_keys[i].kind == KIND_TEXT)
            mem_free(*(char **)(void *)((uint8_t *)c + config_keys[i].offset));
    }
    *c = (struct server_config){0};
}

static const struct config_key *key_find(struct slice path)
{
    for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
        if (slice_is(path, config_keys[i].path))
            return &config_keys[i];
    }
    return NULL;
}

static const char *key_nearest(struct slice path)
{
    const char *paths[CONFIG_KEYS];
    for (uint32_t i = 0; i < CONFIG_KEYS; i++)
        paths[i] = config_keys[i].path;
    return nearest_name(path, paths, CONFIG_KEYS);
}

static void unknown_key(struct slice path, char *to, size_t size)
{
    const char *nearest = key_nearest(path);
    (void)snprintf(to, size, "unknown key '%.*s'%s%s%s", SLICE_ARG(path),
                   nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?" : "; `driftline config dump --defaults` lists all keys");
}

enum status server_config_set(struct server_config *c, const char *key, const char *value,
                              struct error *reterr)
{
    const struct config_key *found = key_find(slice_text(key));
    if (found == NULL) {
        char text[256];
        unknown_key(slice_text(key), text, sizeof text);
        return error_set(reterr, STATUS_INVALID, "%s", text);
    }
    const char *wanted = key_set(c, found, slice_text(value));
    if (wanted != NULL)
        return error_set(reterr, STATUS_INVALID, "%s: '%s' is not %s", key, value, wanted);
    return STATUS_OK;
}

enum status server_config_set_pair(struct server_config *c, const char *pair,
                                   struct error *reterr)
{
    char key[128];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || (size_t)(equals - pair) >= sizeof key)
        return error_set(reterr, STATUS_INVALID, "--set wants KEY=VALUE, not '%s'", pair);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    return server_config_set(c, key, equals + 1, reterr);
}

enum status server_config_load(struct server_config *c, const char *path, struct error *reterr)
{
    struct yaml *y = NULL;
    enum status s = yaml_load(path, &y, reterr);
    if (s < 0)
        return s;
    struct fy_node *root = yaml_root(y);
    if (root != NULL && yaml_kind(root) != YAML_MAPPING) {
        s = yaml_error(y, root, reterr, "expected sections like 'listen:' with keys in them");
        goto out;
    }
    for (size_t i = 0; i < yaml_count(root); i++) {
        struct fy_node *section = yaml_value(root, i);
        bool nested = yaml_kind(section) == YAML_MAPPING;
        size_t count = nested ? yaml_count(section) : 1;
        for (size_t k = 0; k < count; k++) {
            char key[128];
            struct slice name = yaml_key(root, i);
            struct slice sub = nested ? yaml_key(section, k) : SLICE_EMPTY;
            (void)snprintf(key, sizeof key, "%.*s%s%.*s", SLICE_ARG(name), nested ? "." : "",
                           SLICE_ARG(sub));
            struct fy_node *key_node = nested ? yaml_key_node(section, k) : yaml_key_node(root, i);
            struct fy_node *value = nested ? yaml_value(section, k) : section;
            const struct config_key *found = key_find(slice_text(key));
            if (found == NULL) {
                char text[256];
                unknown_key(slice_text(key), text, sizeof text);
                s = yaml_error(y, key_node, reterr, "%s", text);
                goto out;
            }
            const char *wanted = yaml_kind(value) == YAML_SCALAR ? key_set(c, found, yaml_text(value))
                                                                 : "one value";
            if (wanted != NULL) {
                s = yaml_error(y, value, reterr, "%s: '%.*s' is not %s", key,
                               SLICE_ARG(yaml_text(value)), wanted);
                goto out;
            }
        }
    }
out:
    yaml_destroy(y);
    return s;
}

enum status server_config_environment(struct server_config *c, struct error *reterr)
{
    for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
        char name[128] = "DRIFTLINE_";
        size_t used = strlen(name);
        for (const char *p = config_keys[i].path; *p != 0 && used + 1 < sizeof name; p++)
            name[used++] = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
        name[used] = 0;
        const char *value = getenv(name);
        if (value == NULL)
            continue;
        const char *wanted = key_set(c, &config_keys[i], slice_text(value));
        if (wanted != NULL)
            return error_set(reterr, STATUS_INVALID, "%s: '%s' is not %s", name, value, wanted);
    }
    return STATUS_OK;
}

static enum status listen_check(const struct server_config *c, const char *key, const char *text,
                                struct error *reterr)
{
    struct net_address address;
    enum status s = net_address_parse(slice_text(text), 0, &address, reterr);
    if (s < 0) {
        error_prefix(reterr, "%s", key);
        return s;
    }
    if (net_address_is_loopback(&address))
        return STATUS_OK;
    if (c->no_auth)
        return error_set(reterr, STATUS_INVALID,
                         "%s: '%s' is not loopback: --no-auth works on loopback only; drop it and use "
                         "the key printed at the first start",
                         key, text);
    if (!c->listen_insecure)
        return error_set(reterr, STATUS_INVALID,
                         "%s: '%s' is not loopback and there is no TLS yet: put a TLS proxy in front, "
                         "or accept it with --set listen.insecure=true",
                         key, text);
    return STATUS_OK;
}

static enum status threads_check(const struct server_config *c, struct error *reterr)
{
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"query.concurrent", c->query_concurrent}, {"ingest.threads", c->ingest_threads}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].value < 1 || counts[i].value > THREADS_MAX)
            return error_set(reterr, STATUS_INVALID, "%s: %llu is not between 1 and %d", counts[i].key,
                             (unsigned long long)counts[i].value, THREADS_MAX);
    }
    return STATUS_OK;
}

enum status server_config_check(const struct server_config *c, struct error *reterr)
{
    static const char *const io_names[] = {"auto", "uring", "posix"};
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    static const char *const format_names[] = {"text", "logfmt", "json"};
    const struct {
        const char *key;
        const char *value;
        const char *const *names;
        size_t count;
    } choices[] = {{"storage.io", c->io, io_names, 3},
                   {"log.level", c->log_level, level_names, 4},
                   {"log.format", c->log_format, format_names, 3}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        bool known = false;
        for (size_t k = 0; k < choices[i].count; k++)
            known = known || strcmp(choices[i].value, choices[i].names[k]) == 0;
        if (!known)
            return error_set(reterr, STATUS_INVALID, "%s: '%s' is not one of %s, %s, %s%s%s",
                             choices[i].key, choices[i].value, choices[i].names[0],
                             choices[i].names[1], choices[i].names[2],
                             choices[i].count > 3 ? ", " : "", choices[i].count > 3 ? choices[i].names[3] : "");
    }
    if (c->data_dir[0] == 0)
        return error_set(reterr, STATUS_INVALID, "a data directory is needed: --data DIR");
    enum status s;
    if ((s = listen_check(c, "listen.http", c->listen_http, reterr)) < 0)
        return s;
    if ((s = listen_check(c, "listen.native", c->listen_native, reterr)) < 0)
        return s;
    if ((s = listen_check(c, "listen.pg", c->listen_pg, reterr)) < 0)
        return s;
    if (strcmp(c->listen_grpc, "off") != 0 &&
        (s = listen_check(c, "listen.grpc", c->listen_grpc, reterr)) < 0)
        return s;
    if ((c->tls_cert[0] == 0) != (c->tls_key[0] == 0))
        return error_set(reterr, STATUS_INVALID, "tls.cert and tls.key belong together: %s is missing",
                         c->tls_cert[0] == 0 ? "tls.cert" : "tls.key");
    return threads_check(c, reterr);
}

static void value_dump(const struct server_config *c, const struct config_key *key, struct buffer *to)
{
    const uint8_t *member = (const uint8_t *)c + key->offset;
    char text[TIME_TEXT_BYTES];
    int64_t duration;
    uint64_t count;
    switch (key->kind) {
    case KIND_TEXT:
        buffer_add_json(to, slice_text(*(char *const *)(const void *)member));
        return;
    case KIND_BOOL:
        buffer_add_text(to, *(const bool *)member ? "true" : "false");
        return;
    case KIND_DURATION:
        memcpy(&duration, member, sizeof duration);
        duration_to_text(duration, text);
        buffer_add_text(to, text);
        return;
    case KIND_BYTES:
        memcpy(&count, member, sizeof count);
        bytes_to_text(count, text);
        buffer_add_text(to, text);
        return;
    case KIND_COUNT:
        memcpy(&count, member, sizeof count);
        buffer_printf(to, "%llu", (unsigned long long)count);
        return;
    }
}

void server_config_dump(const struct server_config *c, struct buffer *to)
{
    char section[64] = "";
    for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
        const struct config_key *key = &config_keys[i];
        const char *dot = strchr(key->path, '.');
        const char *name = dot == NULL ? key->path : dot + 1;
        const char *indent = dot == NULL ? "" : "  ";
        size_t size = dot == NULL ? 0 : (size_t)(dot - key->path);
        if (dot != NULL && (strlen(section) != size || memcmp(section, key->path, size) != 0)) {
            (void)snprintf(section, sizeof section, "%.*s", (int)size, key->path);
            buffer_printf(to, "%s:\n", section);
        }
        buffer_printf(to, "%s# %s\n%s%s: ", indent, key->doc, indent, name);
        value_dump(c, key, to);
        buffer_add_text(to, "\n");
    }
}
