/*
 * alert_rules_notifier.c - the notifiers of a rules file.
 *
 * Secrets: given in the file, or better read from another file or an environment variable; never printed. Rules that
 *          came as text from somebody who wants to try them are not allowed to make us look at files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/base/clock.h"
#include "server/alert/alert_rules_reader.h"

#define TIMEOUT_DEFAULT_NS (5 * NS_PER_S)
#define TIMEOUT_MAX_NS     (60 * NS_PER_S)
#define RETRIES_DEFAULT    12

static struct alert_notifier *notifier_at(struct rules_reader *r, uint32_t index)
{
    return &r->rules->notifiers[index];
}

static enum status notifier_name(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    enum status s = read_name(r, node, "the notifier's name", &notifier_at(r, index)->name);
    for (uint32_t i = 0; s >= 0 && i < index; i++) {
        if (strcmp(r->rules->notifiers[i].name, notifier_at(r, index)->name) == 0)
            return yaml_error(r->yaml, node, r->reterr, "there is a notifier '%s' already",
                              notifier_at(r, index)->name);
    }
    return s;
}

static enum status notifier_type(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    static const char *const types[] = {"webhook"};
    uint32_t ignored;
    return read_choice(r, node, types, 1, &ignored);
}

static enum status notifier_url(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_notifier *n = notifier_at(r, index);
    enum status s = read_string(r, node, "url", ALERT_URL_BYTES_MAX, &n->url);
    if (s < 0)
        return s;
    size_t scheme = strncasecmp(n->url, "http://", 7) == 0    ? 7
                    : strncasecmp(n->url, "https://", 8) == 0 ? 8
                                                              : 0;
    if (scheme == 0 || n->url[scheme] == 0 || n->url[scheme] == '/')
        return yaml_error(r->yaml, node, r->reterr,
                          "url starts with http:// or https:// and a host");
    for (const char *p = n->url; *p != 0; p++) {
        if ((uint8_t)*p <= ' ' || *p == 0x7f)
            return yaml_error(r->yaml, node, r->reterr,
                              "url holds white space or a control character");
    }
    return STATUS_OK;
}

static enum status secret_once(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    if (notifier_at(r, index)->secret.size != 0)
        return yaml_error(r->yaml, node, r->reterr,
                          "one of secret, secret_file and secret_env is enough");
    return STATUS_OK;
}

static enum status notifier_secret(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    enum status s = secret_once(r, node, index);
    if (s < 0)
        return s;
    return read_text(r, node, "secret", ALERT_SECRET_BYTES_MAX, &notifier_at(r, index)->secret);
}

static enum status notifier_secret_env(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    const char *name;
    enum status s;
    if ((s = secret_once(r, node, index)) < 0 ||
        (s = read_name(r, node, "secret_env", &name)) < 0 || !r->read_secrets)
        return s;
    const char *value = getenv(name);
    if (value == NULL || value[0] == 0 || strlen(value) > ALERT_SECRET_BYTES_MAX)
        return yaml_error(r->yaml, node, r->reterr, "the environment variable %s %s", name,
                          value == NULL || value[0] == 0 ? "is not set" : "is too long");
    notifier_at(r, index)->secret = arena_copy(&r->rules->arena, slice_text(value));
    return STATUS_OK;
}

/* One final line end is not part of the secret: editors and `echo` add it. */
static enum status notifier_secret_file(struct rules_reader *r, struct fy_node *node,
                                        uint32_t index)
{
    const char *path;
    enum status s;
    if ((s = secret_once(r, node, index)) < 0 ||
        (s = read_string(r, node, "secret_file", 4096, &path)) < 0 || !r->read_secrets)
        return s;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return yaml_error(r->yaml, node, r->reterr, "%s: %s", path, strerror(errno));
    uint8_t bytes[ALERT_SECRET_BYTES_MAX + 3];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (size > 0 && bytes[size - 1] == '\n')
        size--;
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    if (failed || size == 0 || size > ALERT_SECRET_BYTES_MAX)
        s = yaml_error(r->yaml, node, r->reterr, "%s %s", path,
                       failed      ? "can't be read"
                       : size == 0 ? "is empty"
                                   : "is too long for a secret");
    else
        notifier_at(r, index)->secret = arena_copy(&r->rules->arena, slice_of(bytes, size));
    explicit_bzero(bytes, sizeof bytes);
    return s;
}

static enum status notifier_timeout(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_notifier *n = notifier_at(r, index);
    enum status s = read_duration(r, node, 100 * NS_PER_MS, &n->timeout_ns);
    if (s >= 0 && n->timeout_ns > TIMEOUT_MAX_NS)
        return yaml_error(r->yaml, node, r->reterr, "timeout is at most 60s");
    return s;
}

static enum status notifier_retries(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    uint64_t count;
    enum status s = read_count(r, node, ALERT_RETRIES_MAX, &count);
    if (s >= 0)
        notifier_at(r, index)->retries = (uint32_t)count;
    return s;
}

static enum status notifier_allow_private(struct rules_reader *r, struct fy_node *node,
                                          uint32_t index)
{
    return read_bool(r, node, &notifier_at(r, index)->allow_private);
}

static enum status notifier_ca_file(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    return read_string(r, node, "ca_file", 4096, &notifier_at(r, index)->ca_file);
}

static enum status notifier_headers(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    static const char *const ours[] = {"Content-Type",          "Content-Length",      "Host",
                                       "Transfer-Encoding",     "Idempotency-Key",     "Connection",
                                       "X-Driftline-Signature", "X-Driftline-Attempt", "Expect"};
    struct alert_notifier *n = notifier_at(r, index);
    enum status s =
        read_pairs(r, node, "headers", ALERT_HEADERS_MAX, &n->headers, &n->header_count);
    if (s < 0)
        return s;
    for (uint32_t i = 0; i < n->header_count; i++) {
        struct fy_node *key = yaml_key_node(node, i);
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++) {
            if (strcasecmp(n->headers[i].name, ours[k]) == 0)
                return yaml_error(r->yaml, key, r->reterr,
                                  "the header %s is set by the notifier itself", ours[k]);
        }
        if (strpbrk(n->headers[i].name, ":.") != NULL)
            return yaml_error(r->yaml, key, r->reterr, "'%s' is not a header name",
                              n->headers[i].name);
        for (const char *p = n->headers[i].value; *p != 0; p++) {
            if ((uint8_t)*p < ' ' || *p == 0x7f)
                return yaml_error(r->yaml, yaml_value(node, i), r->reterr,
                                  "a header value is one line of text");
        }
    }
    return STATUS_OK;
}

static const struct rules_key notifier_keys[] = {
#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_file(...)
#define KEY_defaults(...)
#define KEY_rule(...)
#define KEY_notifier(name, read, required) {#name, read, required},
#include "server/alert/alert_rule_keys.def"
#undef KEY
#undef KEY_file
#undef KEY_defaults
#undef KEY_rule
#undef KEY_notifier
};

enum status read_notifier(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    *notifier_at(r, index) = (struct alert_notifier){
        .secret = SLICE_EMPTY, .timeout_ns = TIMEOUT_DEFAULT_NS, .retries = RETRIES_DEFAULT};
    return read_mapping(r, node, "a notifier", notifier_keys,
                        sizeof notifier_keys / sizeof *notifier_keys, index);
}
