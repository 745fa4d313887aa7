/*
 * scram.c - SCRAM-SHA-256, the server's side of one exchange.
 *
 * Source:    RFC 5802 (messages, proofs) and RFC 7677 (SHA-256). No channel binding is offered,
 *            so the client may say "n" or "y". User names come from the PostgreSQL startup packet;
 *            the one inside the exchange is ignored, as PostgreSQL does.
 * Invariant: an unknown user sees the same messages in the same time as a wrong password: a mock
 *            verifier with a salt that is steady for that name, and a proof that is computed, then refused.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "server/auth/auth_internal.h"

#define NONCE_BYTES        18 /* 24 characters of base64 */
#define NONCE_CHARS        24
#define CLIENT_NONCE_MAX   256
#define CLIENT_MESSAGE_MAX 1024

enum scram_state { SCRAM_WANTS_FIRST, SCRAM_WANTS_FINAL, SCRAM_OVER };

struct scram {
    enum scram_state state;
    bool known;
    struct principal principal;
    struct scram_verifier verifier;
    struct buffer auth_message; /* client-first-bare "," server-first "," client-final-without-proof */
    char nonce[CLIENT_NONCE_MAX + NONCE_CHARS + 1];
    char gs2_base64[16]; /* base64 of the GS2 header, as the client must repeat it */
};

static void hmac_sha256(const uint8_t *key, size_t key_size, struct slice data,
                        uint8_t to[SCRAM_HASH_BYTES])
{
    unsigned size = SCRAM_HASH_BYTES;
    ASSERT(HMAC(EVP_sha256(), key, (int)key_size, data.data, data.size, to, &size) != NULL);
}

void scram_verifier_make(struct slice password, const uint8_t salt[SCRAM_SALT_BYTES],
                         uint32_t iterations, struct scram_verifier *ret)
{
    uint8_t salted[SCRAM_HASH_BYTES];
    uint8_t client_key[SCRAM_HASH_BYTES];
    ASSERT(PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.size, salt,
                             SCRAM_SALT_BYTES, (int)iterations, EVP_sha256(), SCRAM_HASH_BYTES,
                             salted) == 1);
    hmac_sha256(salted, sizeof salted, slice_text("Client Key"), client_key);
    (void)SHA256(client_key, sizeof client_key, ret->stored_key);
    hmac_sha256(salted, sizeof salted, slice_text("Server Key"), ret->server_key);
    memcpy(ret->salt, salt, SCRAM_SALT_BYTES);
    ret->iterations = iterations;
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
}

static void mock_verifier(const struct auth *a, struct slice user, struct scram_verifier *ret)
{
    uint8_t salt[SCRAM_HASH_BYTES];
    hmac_sha256(a->mock_seed, sizeof a->mock_seed, user, salt);
    memcpy(ret->salt, salt, SCRAM_SALT_BYTES);
    ret->iterations = SCRAM_ITERATIONS;
    random_bytes(ret->stored_key, sizeof ret->stored_key);
    random_bytes(ret->server_key, sizeof ret->server_key);
}

struct scram *scram_begin(struct auth *a, struct slice user)
{
    struct scram *s = MEM_NEW(struct scram);
    mutex_lock(&a->lock);
    struct auth_key *key = auth_key_find_locked(a, user);
    if (key != NULL) {
        s->known = true;
        s->verifier = key->verifier;
        auth_key_principal(key, &s->principal);
        key->info.last_used_ns = clock_wall_ns();
    }
    mutex_unlock(&a->lock);
    if (!s->known)
        mock_verifier(a, user, &s->verifier);
    return s;
}

void scram_end(struct scram *s)
{
    if (s == NULL)
        return;
    buffer_deinit(&s->auth_message);
    OPENSSL_cleanse(s, sizeof *s);
    mem_free(s);
}

static enum status malformed(struct error *reterr, const char *what)
{
    return error_set(reterr, STATUS_INVALID, "malformed SCRAM message: %s", what);
}

/* The value of the attribute at the front ("r=..."), and moves past its comma. */
static bool attribute_take(struct slice *rest, char name, struct slice *ret_value)
{
    if (rest->size < 2 || rest->data[0] != (uint8_t)name || rest->data[1] != '=')
        return false;
    size_t end = 2;
    while (end < rest->size && rest->data[end] != ',')
        end++;
    *ret_value = slice_of(rest->data + 2, end - 2);
    size_t skip = end < rest->size ? end + 1 : end;
    *rest = slice_of(rest->data + skip, rest->size - skip);
    return true;
}

static bool nonce_is_printable(struct slice nonce)
{
    for (size_t i = 0; i < nonce.size; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e)
            return false;
    }
    return nonce.size != 0 && nonce.size <= CLIENT_NONCE_MAX;
}

/* client-first: gs2-header "n,," or "y,," (an authzid is refused), then "n=user,r=nonce". */
static enum status scram_first(struct scram *s, struct slice message, char *reply,
                               size_t reply_bytes, struct error *reterr)
{
    if (message.size < 3 || (message.data[0] != 'n' && message.data[0] != 'y') ||
        message.data[1] != ',' || message.data[2] != ',')
        return malformed(reterr, "channel binding and authorization names are not offered");
    (void)EVP_EncodeBlock((uint8_t *)s->gs2_base64, message.data, 3);
    struct slice bare = slice_of(message.data + 3, message.size - 3);
    struct slice rest = bare;
    struct slice user;
    struct slice nonce;
    if (!attribute_take(&rest, 'n', &user) || !attribute_take(&rest, 'r', &nonce) ||
        !nonce_is_printable(nonce))
        return malformed(reterr, "user and nonce expected");
    uint8_t random[NONCE_BYTES];
    random_bytes(random, sizeof random);
    memcpy(s->nonce, nonce.data, nonce.size);
    (void)EVP_EncodeBlock((uint8_t *)s->nonce + nonce.size, random, NONCE_BYTES);
    char salt[32];
    (void)EVP_EncodeBlock((uint8_t *)salt, s->verifier.salt, SCRAM_SALT_BYTES);
    int size = snprintf(reply, reply_bytes, "r=%s,s=%s,i=%u", s->nonce, salt, s->verifier.iterations);
    ASSERT(size > 0 && (size_t)size < reply_bytes);
    buffer_add_slice(&s->auth_message, bare);
    buffer_add_byte(&s->auth_message, ',');
    buffer_add_text(&s->auth_message, reply);
    s->state = SCRAM_WANTS_FINAL;
    return STATUS_OK;
}

/* Base64 of exactly SCRAM_HASH_BYTES. */
static bool proof_decode(struct slice text, uint8_t to[SCRAM_HASH_BYTES])
{
    uint8_t decoded[36];
    if (text.size != 44 || text.data[43] != '=' || text.data[42] == '=' ||
        EVP_DecodeBlock(decoded, text.data, 44) != 33)
        return false;
    memcpy(to, decoded, SCRAM_HASH_BYTES);
    return true;
}

/* RFC 5802, 3: ClientKey = proof XOR HMAC(StoredKey, AuthMessage); H(ClientKey) must be StoredKey. */
static bool proof_matches(const struct scram *s, const uint8_t proof[SCRAM_HASH_BYTES])
{
    uint8_t signature[SCRAM_HASH_BYTES];
    uint8_t hash[SCRAM_HASH_BYTES];
    hmac_sha256(s->verifier.stored_key, SCRAM_HASH_BYTES, buffer_slice(&s->auth_message), signature);
    for (size_t i = 0; i < SCRAM_HASH_BYTES; i++)
        signature[i] ^= proof[i];
    (void)SHA256(signature, sizeof signature, hash);
    return CRYPTO_memcmp(hash, s->verifier.stored_key, sizeof hash) == 0;
}

/* client-final: "c=<gs2 header>,r=<nonce>,p=<proof>". */
static enum status scram_final(struct scram *s, struct slice message, char *reply,
                               size_t reply_bytes, struct principal *ret_principal,
                               struct error *reterr)
{
    s->state = SCRAM_OVER;
    struct slice rest = message;
    struct slice binding;
    struct slice nonce;
    struct slice proof_text;
    if (!attribute_take(&rest, 'c', &binding) || !attribute_take(&rest, 'r', &nonce))
        return malformed(reterr, "binding and nonce expected");
    size_t without_proof = message.size - rest.size;
    uint8_t proof[SCRAM_HASH_BYTES];
    if (without_proof == 0 || !attribute_take(&rest, 'p', &proof_text) || rest.size != 0 ||
        !proof_decode(proof_text, proof))
        return malformed(reterr, "proof expected");
    if (!slice_is(binding, s->gs2_base64))
        return malformed(reterr, "the channel binding changed");
    if (!slice_is(nonce, s->nonce))
        return malformed(reterr, "the nonce changed");
    buffer_add_byte(&s->auth_message, ',');
    buffer_add(&s->auth_message, message.data, without_proof - 1);
    bool matches = proof_matches(s, proof);
    if (!matches || !s->known)
        return error_set(reterr, STATUS_DENIED, "the key is not valid");
    uint8_t signature[SCRAM_HASH_BYTES];
    char signature_text[48];
    hmac_sha256(s->verifier.server_key, SCRAM_HASH_BYTES, buffer_slice(&s->auth_message), signature);
    (void)EVP_EncodeBlock((uint8_t *)signature_text, signature, sizeof signature);
    int size = snprintf(reply, reply_bytes, "v=%s", signature_text);
    ASSERT(size > 0 && (size_t)size < reply_bytes);
    *ret_principal = s->principal;
    return STATUS_END;
}

enum status scram_step(struct scram *s, struct slice message, char *ret_reply, size_t reply_bytes,
                       struct principal *ret_principal, struct error *reterr)
{
    if (message.size > CLIENT_MESSAGE_MAX)
        return malformed(reterr, "too long");
    switch (s->state) {
    case SCRAM_WANTS_FIRST:
        return scram_first(s, message, ret_reply, reply_bytes, reterr);
    case SCRAM_WANTS_FINAL:
        return scram_final(s, message, ret_reply, reply_bytes, ret_principal, reterr);
    case SCRAM_OVER:
        break;
    }
    return malformed(reterr, "the exchange is over");
}
