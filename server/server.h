/*
 * server.h - `driftline serve`: configuration, start, drain.
 */
#ifndef DRIFTLINE_SERVER_H
#define DRIFTLINE_SERVER_H

#include "engine/engine.h"

/* Filled by flag > environment (DRIFTLINE_SECTION_KEY) > file > default; config.def lists every key. */
struct server_config {
#define CONFIG_TEXT(path, member, default_value, doc) char *member;
#define CONFIG_BOOL(path, member, default_value, doc) bool member;
#define CONFIG_DURATION(path, member, default_value, doc) int64_t member;
#define CONFIG_BYTES(path, member, default_value, doc) uint64_t member;
#define CONFIG_COUNT(path, member, default_value, doc) uint64_t member;
#include "server/config.def"
#undef CONFIG_TEXT
#undef CONFIG_BOOL
#undef CONFIG_DURATION
#undef CONFIG_BYTES
#undef CONFIG_COUNT
};

void server_config_init(struct server_config *c);
void server_config_deinit(struct server_config *c);
/* Unknown keys and bad values: STATUS_INVALID naming file:line:column and the nearest known key. */
MUST_CHECK enum status server_config_load(struct server_config *c, const char *path, struct error *reterr);
MUST_CHECK enum status server_config_environment(struct server_config *c, struct error *reterr);
/* key: dotted path as in the file, e.g. "listen.http". */
MUST_CHECK enum status server_config_set(struct server_config *c, const char *key, const char *value, struct error *reterr);
/* The same from "KEY=VALUE", as --set takes it. */
MUST_CHECK enum status server_config_set_pair(struct server_config *c, const char *pair, struct error *reterr);
/* Cross-checks: no_auth only on loopback, data directory given, ... */
MUST_CHECK enum status server_config_check(const struct server_config *c, struct error *reterr);
/* YAML with the docs as comments. */
void server_config_dump(const struct server_config *c, struct buffer *to);

/* Runs until SIGTERM or SIGINT, then drains; a second SIGINT ends it at once. Prints one line on stdout once ready:
 *     ready http=127.0.0.1:4318 native=127.0.0.1:4319 pg=127.0.0.1:4320
 * and, at the first start, the admin key on stderr. SIGHUP reloads the alert rules. */
MUST_CHECK enum status server_run(const struct server_config *c, struct error *reterr);

#endif
