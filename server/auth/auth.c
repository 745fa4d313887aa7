/*
 * auth.c - keys: made, kept hashed, checked in constant time.
 *
 * Place:     http, pgwire, native -> [here] -> server/control
 * Invariant: a key's text exists only in the answer to auth_key_create. SHA-256 of the secret is
 *            enough to store it safely: 256 random bits can't be guessed, whatever the speed.
 * Threads:   the table in memory is under a->lock; SQLite has its own.
 */
#include "server/auth/auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "server/auth/auth_internal.h"

#define KEY_PREFIX       "dl_"
#define KEY_ID_CHARS     12
#define KEY_SECRET_BYTES 32
#define KEY_SECRET_CHARS 52
#define KEY_TEXT_CHARS   (sizeof KEY_PREFIX - 1 + KEY_ID_CHARS + 1 + KEY_SECRET_CHARS)

static_assert(KEY_TEXT_CHARS < AUTH_KEY_BYTES, "a key fits its buffer");

static const char auth_ddl[] = "CREATE TABLE IF NOT EXISTS keys ("
                               " id TEXT PRIMARY KEY, project TEXT NOT NULL, scopes INTEGER NOT NULL,"
                               " note TEXT NOT NULL, created_ns INTEGER NOT NULL,"
                               " last_used_ns INTEGER NOT NULL DEFAULT 0,"
                               " revoked_ns INTEGER NOT NULL DEFAULT 0, secret_hash BLOB NOT NULL,"
                               " salt BLOB NOT NULL, iterations INTEGER NOT NULL,"
                               " stored_key BLOB NOT NULL, server_key BLOB NOT NULL) STRICT";

static const struct {
    const char *name;
    enum scope scope;
} scope_names[] = {
    {"ingest", SCOPE_INGEST}, {"read", SCOPE_READ}, {"review", SCOPE_REVIEW}, {"admin", SCOPE_ADMIN}};
#define SCOPE_COUNT (sizeof scope_names / sizeof scope_names[0])

/* RFC 4648 base32 in lower case, without padding: count characters of 5 bits each. */
static void base32_encode(const uint8_t *bytes, size_t size, char *to, size_t count)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (size_t i = 0; i < count; i++) {
        size_t bit = i * 5;
        size_t byte = bit / 8;
        unsigned pair = (unsigned)bytes[byte] << 8 | (byte + 1 < size ? bytes[byte + 1] : 0u);
        to[i] = digits[pair >> (11 - bit % 8) & 31];
    }
    to[count] = 0;
}

static bool blob_copy(struct slice blob, uint8_t *to, size_t size)
{
    if (blob.size != size)
        return false;
    memcpy(to, blob.data, size);
    return true;
}

static void text_field(char *to, size_t size, struct slice text)
{
    size_t count = text.size < size - 1 ? text.size : size - 1;
    bytes_copy(to, text.data, count);
    to[count] = 0;
}

static struct auth_key *auth_key_add_locked(struct auth *a) REQUIRES(a->lock)
{
    a->keys = mem_grow(a->keys, &a->keys_capacity, a->key_count + 1, sizeof *a->keys);
    struct auth_key *key = &a->keys[a->key_count++];
    *key = (struct auth_key){0};
    return key;
}

static enum status auth_load(struct auth *a, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(a->control,
                                    "SELECT id, project, scopes, note, created_ns, last_used_ns,"
                                    " revoked_ns, secret_hash, salt, iterations, stored_key,"
                                    " server_key FROM keys ORDER BY created_ns, id",
                                    &st, reterr);
    if (s < 0)
        return s;
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        struct auth_key *key = auth_key_add_locked(a);
        text_field(key->info.key_id, sizeof key->info.key_id, control_text(st, 0));
        text_field(key->info.project, sizeof key->info.project, control_text(st, 1));
        key->info.scopes = (unsigned)control_i64(st, 2) & SCOPE_ALL;
        text_field(key->info.note, sizeof key->info.note, control_text(st, 3));
        key->info.created_ns = control_i64(st, 4);
        key->info.last_used_ns = control_i64(st, 5);
        key->info.revoked_ns = control_i64(st, 6);
        key->verifier.iterations = (uint32_t)control_i64(st, 9);
        if (!blob_copy(control_text(st, 7), key->secret_hash, SCRAM_HASH_BYTES) ||
            !blob_copy(control_text(st, 8), key->verifier.salt, SCRAM_SALT_BYTES) ||
            !blob_copy(control_text(st, 10), key->verifier.stored_key, SCRAM_HASH_BYTES) ||
            !blob_copy(control_text(st, 11), key->verifier.server_key, SCRAM_HASH_BYTES)) {
            s = error_set(reterr, STATUS_CORRUPT, "control.db: key %s is damaged", key->info.key_id);
            break;
        }
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

enum status auth_open(struct control *c, bool disabled, struct auth **ret, struct error *reterr)
{
    struct auth *a = MEM_NEW(struct auth);
    a->control = c;
    a->disabled = disabled;
    mutex_init(&a->lock);
    random_bytes(a->mock_seed, sizeof a->mock_seed);
    enum status s;
    if ((s = control_schema(c, auth_ddl, reterr)) < 0)
        goto out;
    if ((s = auth_load(a, reterr)) < 0)
        goto out;
    *ret = a;
    a = NULL;
out:
    auth_close(a);
    return s;
}

/* last_used is kept in memory, so that checking a key never waits for the disk. */
static void auth_flush_used(struct auth *a)
{
    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->key_count; i++) {
        struct control_statement *st = NULL;
        if (a->keys[i].info.last_used_ns == 0 ||
            control_prepare(a->control,
                            "UPDATE keys SET last_used_ns = ?1 WHERE id = ?2 AND last_used_ns < ?1",
                            &st, NULL) < 0)
            continue;
        control_bind_i64(st, 1, a->keys[i].info.last_used_ns);
        control_bind_text(st, 2, slice_text(a->keys[i].info.key_id));
        IGNORE_STATUS(control_run(st, NULL, NULL));
    }
    mutex_unlock(&a->lock);
}

void auth_close(struct auth *a)
{
    if (a == NULL)
        return;
    auth_flush_used(a);
    mutex_deinit(&a->lock);
    OPENSSL_cleanse(a->mock_seed, sizeof a->mock_seed);
    mem_free(a->keys);
    mem_free(a);
}

bool auth_is_disabled(const struct auth *a)
{
    return a->disabled;
}

bool auth_is_empty(struct auth *a)
{
    bool empty = true;
    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->key_count; i++) {
        if (a->keys[i].info.revoked_ns == 0 && (a->keys[i].info.scopes & SCOPE_ADMIN) != 0)
            empty = false;
    }
    mutex_unlock(&a->lock);
    return empty;
}

static bool project_is_valid(struct slice project)
{
    if (slice_is(project, "*"))
        return true;
    if (project.size == 0 || project.size > 64)
        return false;
    for (size_t i = 0; i < project.size; i++) {
        uint8_t c = project.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static enum status auth_key_store(struct auth *a, const struct auth_key *key, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(a->control,
                                    "INSERT INTO keys (id, project, scopes, note, created_ns,"
                                    " secret_hash, salt, iterations, stored_key, server_key)"
                                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                                    &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(key->info.key_id));
    control_bind_text(st, 2, slice_text(key->info.project));
    control_bind_i64(st, 3, key->info.scopes);
    control_bind_text(st, 4, slice_text(key->info.note));
    control_bind_i64(st, 5, key->info.created_ns);
    control_bind_blob(st, 6, slice_of(key->secret_hash, SCRAM_HASH_BYTES));
    control_bind_blob(st, 7, slice_of(key->verifier.salt, SCRAM_SALT_BYTES));
    control_bind_i64(st, 8, key->verifier.iterations);
    control_bind_blob(st, 9, slice_of(key->verifier.stored_key, SCRAM_HASH_BYTES));
    control_bind_blob(st, 10, slice_of(key->verifier.server_key, SCRAM_HASH_BYTES));
    return control_run(st, NULL, reterr);
}

enum status auth_key_create(struct auth *a, struct slice project, unsigned scopes,
                            struct slice note, char ret_key[AUTH_KEY_BYTES], struct error *reterr)
{
    if (!project_is_valid(project))
        return error_set(reterr, STATUS_INVALID,
                         "project '%.*s' is not a name of 1 to 64 characters a-z 0-9 _ -",
                         SLICE_ARG(project));
    if (scopes == 0 || (scopes & ~SCOPE_ALL) != 0)
        return error_set(reterr, STATUS_INVALID, "a key needs at least one scope");
    uint8_t random[8 + KEY_SECRET_BYTES + SCRAM_SALT_BYTES];
    random_bytes(random, sizeof random);
    struct auth_key key = {0};
    char secret[KEY_SECRET_CHARS + 1];
    base32_encode(random, 8, key.info.key_id, KEY_ID_CHARS);
    base32_encode(random + 8, KEY_SECRET_BYTES, secret, KEY_SECRET_CHARS);
    char text[AUTH_KEY_BYTES];
    (void)snprintf(text, sizeof text, KEY_PREFIX "%s_%s", key.info.key_id, secret);
    text_field(key.info.project, sizeof key.info.project, project);
    text_field(key.info.note, sizeof key.info.note, note);
    key.info.scopes = scopes;
    key.info.created_ns = clock_wall_ns();
    (void)SHA256((const uint8_t *)secret, KEY_SECRET_CHARS, key.secret_hash);
    scram_verifier_make(slice_text(text), random + 8 + KEY_SECRET_BYTES, SCRAM_ITERATIONS,
                        &key.verifier);
    enum status s = auth_key_store(a, &key, reterr);
    if (s >= 0) {
        mutex_lock(&a->lock);
        *auth_key_add_locked(a) = key;
        mutex_unlock(&a->lock);
        memcpy(ret_key, text, sizeof text);
    }
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(random, sizeof random);
    return s;
}

struct auth_key *auth_key_find_locked(struct auth *a, struct slice key_id)
{
    for (size_t i = 0; i < a->key_count; i++) {
        if (a->keys[i].info.revoked_ns == 0 && slice_is(key_id, a->keys[i].info.key_id))
            return &a->keys[i];
    }
    return NULL;
}

enum status auth_key_revoke(struct auth *a, struct slice key_id, struct error *reterr)
{
    enum status s = STATUS_OK;
    int64_t now_ns = clock_wall_ns();
    mutex_lock(&a->lock);
    struct auth_key *key = auth_key_find_locked(a, key_id);
    if (key == NULL) {
        s = error_set(reterr, STATUS_NOT_FOUND, "there is no key '%.*s' in use", SLICE_ARG(key_id));
        goto out;
    }
    struct control_statement *st = NULL;
    s = control_prepare(a->control, "UPDATE keys SET revoked_ns = ?1 WHERE id = ?2", &st, reterr);
    if (s < 0)
        goto out;
    control_bind_i64(st, 1, now_ns);
    control_bind_text(st, 2, key_id);
    if ((s = control_run(st, NULL, reterr)) < 0)
        goto out;
    key->info.revoked_ns = now_ns;
out:
    mutex_unlock(&a->lock);
    return s;
}

enum status auth_keys(struct auth *a, void (*each)(void *context, const struct auth_key_info *k),
                      void *context, struct error *reterr)
{
    (void)reterr;
    mutex_lock(&a->lock);
    for (size_t i = 0; i < a->key_count; i++)
        each(context, &a->keys[i].info);
    mutex_unlock(&a->lock);
    return STATUS_OK;
}

void auth_key_principal(const struct auth_key *key, struct principal *ret)
{
    *ret = (struct principal){.scopes = key->info.scopes};
    memcpy(ret->key_id, key->info.key_id, sizeof ret->key_id);
    memcpy(ret->project, key->info.project, sizeof ret->project);
}

/* Splits dl_ID_SECRET; false when it does not have that shape. */
static bool key_split(struct slice key, struct slice *ret_id, struct slice *ret_secret)
{
    size_t prefix = sizeof KEY_PREFIX - 1;
    if (key.size != KEY_TEXT_CHARS || memcmp(key.data, KEY_PREFIX, prefix) != 0 ||
        key.data[prefix + KEY_ID_CHARS] != '_')
        return false;
    *ret_id = slice_of(key.data + prefix, KEY_ID_CHARS);
    *ret_secret = slice_of(key.data + prefix + KEY_ID_CHARS + 1, KEY_SECRET_CHARS);
    return true;
}

enum status auth_check(struct auth *a, struct slice key, struct principal *ret,
                       struct error *reterr)
{
    if (a->disabled) {
        *ret = (struct principal){.project = "*", .scopes = SCOPE_ALL};
        return STATUS_OK;
    }
    if (key.size == 0)
        return error_set(reterr, STATUS_DENIED,
                         "a key is needed: set DRIFTLINE_KEY, or send 'Authorization: Bearer KEY'");
    struct slice id;
    struct slice secret;
    bool matches = false;
    if (key_split(key, &id, &secret)) {
        uint8_t hash[SCRAM_HASH_BYTES];
        (void)SHA256(secret.data, secret.size, hash);
        mutex_lock(&a->lock);
        struct auth_key *found = auth_key_find_locked(a, id);
        if (found != NULL && CRYPTO_memcmp(hash, found->secret_hash, sizeof hash) == 0) {
            matches = true;
            found->info.last_used_ns = clock_wall_ns();
            auth_key_principal(found, ret);
        }
        mutex_unlock(&a->lock);
    }
    return matches ? STATUS_OK : error_set(reterr, STATUS_DENIED, "the key is not valid");
}

enum status auth_allow(const struct principal *p, enum scope scope, struct slice project,
                       struct error *reterr)
{
    if ((p->scopes & (unsigned)scope) == 0) {
        char wanted[64];
        scopes_to_text((unsigned)scope, wanted);
        return error_set(reterr, STATUS_DENIED,
                         "key %s lacks the scope '%s'; make one with `driftline keys create "
                         "--scopes %s`",
                         p->key_id, wanted, wanted);
    }
    if (strcmp(p->project, "*") != 0 && project.size != 0 && !slice_is(project, p->project))
        return error_set(reterr, STATUS_DENIED, "key %s belongs to project '%s', not to '%.*s'",
                         p->key_id, p->project, SLICE_ARG(project));
    return STATUS_OK;
}

enum status scopes_from_text(struct slice text, unsigned *ret, struct error *reterr)
{
    unsigned scopes = 0;
    size_t at = 0;
    while (at <= text.size) {
        size_t end = at;
        while (end < text.size && text.data[end] != ',')
            end++;
        struct slice name = slice_of(text.data + at, end - at);
        unsigned bit = 0;
        for (size_t i = 0; i < SCOPE_COUNT; i++) {
            if (slice_is(name, scope_names[i].name))
                bit = scope_names[i].scope;
        }
        if (bit == 0)
            return error_set_at(reterr, STATUS_INVALID, (int64_t)at,
                                "'%.*s' is not a scope; known: ingest, read, review, admin",
                                SLICE_ARG(name));
        scopes |= bit;
        at = end + 1;
    }
    *ret = scopes;
    return STATUS_OK;
}

void scopes_to_text(unsigned scopes, char to[64])
{
    size_t used = 0;
    to[0] = 0;
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if ((scopes & (unsigned)scope_names[i].scope) != 0)
            used += (size_t)snprintf(to + used, 64 - used, "%s%s", used == 0 ? "" : ",",
                                     scope_names[i].name);
    }
}
