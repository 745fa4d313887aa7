/*
 * auth.h - keys, scopes and the SCRAM exchange.
 *
 * A key reads dl_ID_SECRET: ID is 12 lower-case base32 characters, SECRET 256 random bits in base32. Stored: SHA-256 of
 * the secret and a SCRAM-SHA-256 verifier (RFC 5802, RFC 7677; 15,000 iterations) of the whole key. A key belongs to one project,
 * or to all ('*': the first admin key).
 *
 * Threads:  any. Checks read an in-memory copy; a revoked key stops working at once.
 */
#ifndef DRIFTLINE_AUTH_H
#define DRIFTLINE_AUTH_H

#include "server/control/control.h"

/* Stored: append only, never renumber. */
enum scope { SCOPE_INGEST = 1, SCOPE_READ = 2, SCOPE_REVIEW = 4, SCOPE_ADMIN = 8 };
#define SCOPE_ALL 15u

#define AUTH_KEY_ID_BYTES 16
#define AUTH_KEY_BYTES    96

struct principal {
    char key_id[AUTH_KEY_ID_BYTES]; /* "" with --no-auth */
    char project[65];               /* "*": any */
    unsigned scopes;
};

struct auth;
/* disabled: every check answers a principal with all scopes on any project. */
MUST_CHECK enum status auth_open(struct control *c, bool disabled, struct auth **ret, struct error *reterr);
void auth_close(struct auth *a);
bool auth_is_disabled(const struct auth *a);
/* True when there is no usable admin key yet: the caller makes one and prints it once. */
bool auth_is_empty(struct auth *a);

/* The key's text is written to ret_key once and never stored. */
MUST_CHECK enum status auth_key_create(struct auth *a, struct slice project, unsigned scopes, struct slice note,
                                       char ret_key[AUTH_KEY_BYTES], struct error *reterr);
MUST_CHECK enum status auth_key_revoke(struct auth *a, struct slice key_id, struct error *reterr);
struct auth_key_info {
    char key_id[AUTH_KEY_ID_BYTES];
    char project[65];
    unsigned scopes;
    char note[128];
    int64_t created_ns, last_used_ns, revoked_ns; /* 0: never */
};
MUST_CHECK enum status auth_keys(struct auth *a, void (*each)(void *context, const struct auth_key_info *k), void *context,
                                 struct error *reterr);

/* Constant-time. STATUS_DENIED says only that the key is not valid. */
MUST_CHECK enum status auth_check(struct auth *a, struct slice key, struct principal *ret, struct error *reterr);
/* STATUS_DENIED naming the missing scope or the project the key belongs to. */
MUST_CHECK enum status auth_allow(const struct principal *p, enum scope scope, struct slice project, struct error *reterr);
/* "ingest,read" <-> bits; STATUS_INVALID lists the known scopes. */
MUST_CHECK enum status scopes_from_text(struct slice text, unsigned *ret, struct error *reterr);
void scopes_to_text(unsigned scopes, char to[64]);

/* SCRAM-SHA-256, server side (no channel binding). An unknown user gets a mock exchange that fails only at the end. */
struct scram;
struct scram *scram_begin(struct auth *a, struct slice user);
/* client-first -> server-first, client-final -> server-final. STATUS_OK: send reply and wait for more; STATUS_END: send reply, authenticated
 * as *ret_principal; negative: refuse. */
MUST_CHECK enum status scram_step(struct scram *s, struct slice message, char *ret_reply, size_t reply_bytes,
                                  struct principal *ret_principal, struct error *reterr);
void scram_end(struct scram *s);

#endif
