/*
 * auth_internal.h - what auth.c and scram.c share: the keys in memory.
 */
#ifndef DRIFTLINE_AUTH_INTERNAL_H
#define DRIFTLINE_AUTH_INTERNAL_H

#include "engine/base/thread.h"
#include "server/auth/auth.h"

#define SCRAM_HASH_BYTES 32
#define SCRAM_SALT_BYTES 16
#define SCRAM_ITERATIONS 15000

/* RFC 5802, section 3: what a server keeps instead of a password. */
struct scram_verifier {
    uint8_t salt[SCRAM_SALT_BYTES];
    uint32_t iterations;
    uint8_t stored_key[SCRAM_HASH_BYTES];
    uint8_t server_key[SCRAM_HASH_BYTES];
};

struct auth_key {
    struct auth_key_info info;
    uint8_t secret_hash[SCRAM_HASH_BYTES];
    struct scram_verifier verifier;
};

struct auth {
    struct control *control;
    bool disabled;
    uint8_t mock_seed[SCRAM_HASH_BYTES]; /* makes the fake salts of unknown users steady */
    struct mutex lock;
    struct auth_key *keys; /* REQUIRES(lock) */
    size_t keys_capacity;
    size_t key_count;
};

void scram_verifier_make(struct slice password, const uint8_t salt[SCRAM_SALT_BYTES],
                         uint32_t iterations, struct scram_verifier *ret);
/* The usable key of that id, or NULL. */
struct auth_key *auth_key_find_locked(struct auth *a, struct slice key_id) REQUIRES(a->lock);
void auth_key_principal(const struct auth_key *key, struct principal *ret);

#endif
