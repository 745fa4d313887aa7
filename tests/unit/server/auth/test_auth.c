/*
 * test_auth.c - keys and SCRAM against a client written from RFC 5802 in this file, which itself is
 * checked against the example of RFC 7677.
 */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "server/auth/auth_internal.h"

struct fixture {
    char path[64];
    struct control *control;
    struct auth *auth;
};

static struct fixture fixture_open(bool disabled)
{
    struct fixture f = {0};
    struct error error = {0};
    (void)snprintf(f.path, sizeof f.path, "/tmp/driftline-auth-%d.db", (int)getpid());
    (void)unlink(f.path);
    cr_assert(control_open(f.path, &f.control, &error) == STATUS_OK, "%s", error.text);
    cr_assert(auth_open(f.control, disabled, &f.auth, &error) == STATUS_OK, "%s", error.text);
    return f;
}

static void fixture_close(struct fixture *f)
{
    auth_close(f->auth);
    control_close(f->control);
    (void)unlink(f->path);
    char extra[80];
    (void)snprintf(extra, sizeof extra, "%s-wal", f->path);
    (void)unlink(extra);
    (void)snprintf(extra, sizeof extra, "%s-shm", f->path);
    (void)unlink(extra);
}

static void hmac(const uint8_t *key, size_t size, const char *text, uint8_t to[32])
{
    unsigned out = 32;
    cr_assert(HMAC(EVP_sha256(), key, (int)size, (const uint8_t *)text, strlen(text), to, &out) != NULL);
}

/* The client's last message for a server-first message, and the signature it expects. */
static void client_final(const char *password, const char *first_bare, const char *server_first,
                         char final[512], char expected[64])
{
    char nonce[400];
    char salt_text[64];
    int iterations = 0;
    cr_assert(sscanf(server_first, "r=%399[^,],s=%63[^,],i=%d", nonce, salt_text, &iterations) == 3);
    uint8_t salt[48];
    int salt_size = EVP_DecodeBlock(salt, (const uint8_t *)salt_text, (int)strlen(salt_text));
    for (size_t i = strlen(salt_text); salt_text[i - 1] == '='; i--)
        salt_size--;
    uint8_t salted[32];
    uint8_t client_key[32];
    uint8_t stored_key[32];
    uint8_t server_key[32];
    uint8_t signature[32];
    (void)PKCS5_PBKDF2_HMAC(password, -1, salt, salt_size, iterations, EVP_sha256(), 32, salted);
    hmac(salted, 32, "Client Key", client_key);
    hmac(salted, 32, "Server Key", server_key);
    (void)SHA256(client_key, 32, stored_key);
    char message[1024];
    (void)snprintf(message, sizeof message, "%s,%s,c=biws,r=%s", first_bare, server_first, nonce);
    hmac(stored_key, 32, message, signature);
    for (size_t i = 0; i < 32; i++)
        signature[i] ^= client_key[i];
    char proof[64];
    (void)EVP_EncodeBlock((uint8_t *)proof, signature, 32);
    (void)snprintf(final, 512, "c=biws,r=%s,p=%s", nonce, proof);
    hmac(server_key, 32, message, signature);
    memcpy(expected, "v=", 2);
    (void)EVP_EncodeBlock((uint8_t *)expected + 2, signature, 32);
}

Test(scram, the_test_client_agrees_with_rfc_7677)
{
    char final[512];
    char expected[64];
    client_final("pencil", "n=user,r=rOprNGfwEbeRWgbNEkqO",
                 "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                 "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                 final, expected);
    cr_assert_str_eq(final, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    cr_assert_str_eq(expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static enum status exchange(struct auth *auth, const char *user, const char *password, const char *flip,
                            struct principal *principal)
{
    struct error error = {0};
    struct scram *scram = scram_begin(auth, slice_text(user));
    char reply[512];
    enum status s = scram_step(scram, slice_text("n,,n=*,r=abcDEF123"), reply, sizeof reply, principal, &error);
    cr_assert_eq(s, STATUS_OK);
    char final[512];
    char expected[64];
    client_final(password, "n=*,r=abcDEF123", reply, final, expected);
    if (flip != NULL)
        final[strlen(final) - 5] = final[strlen(final) - 5] == 'A' ? 'B' : 'A';
    s = scram_step(scram, slice_text(final), reply, sizeof reply, principal, &error);
    if (s == STATUS_END)
        cr_assert_str_eq(reply, expected);
    scram_end(scram);
    return s;
}

Test(scram, a_key_authenticates_and_nothing_else_does)
{
    struct fixture f = fixture_open(false);
    char key[AUTH_KEY_BYTES];
    struct error error = {0};
    struct principal p = {0};
    cr_assert(auth_key_create(f.auth, slice_text("default"), SCOPE_READ, slice_text("n"), key, &error) == STATUS_OK);
    char id[AUTH_KEY_ID_BYTES] = {0};
    memcpy(id, key + 3, 12);
    cr_assert_eq(exchange(f.auth, id, key, NULL, &p), STATUS_END);
    cr_assert_str_eq(p.project, "default");
    cr_assert_eq(p.scopes, (unsigned)SCOPE_READ);
    cr_assert_eq(exchange(f.auth, id, "wrong", NULL, &p), STATUS_DENIED);
    cr_assert_eq(exchange(f.auth, id, key, "flip", &p), STATUS_DENIED);
    cr_assert_eq(exchange(f.auth, "nobody", key, NULL, &p), STATUS_DENIED);
    cr_assert(auth_key_revoke(f.auth, slice_text(id), &error) == STATUS_OK);
    cr_assert_eq(exchange(f.auth, id, key, NULL, &p), STATUS_DENIED);
    fixture_close(&f);
}

Test(scram, every_truncation_of_the_messages_is_refused)
{
    struct fixture f = fixture_open(false);
    struct principal p;
    char reply[512];
    const char first[] = "n,,n=*,r=x";
    for (size_t size = 0; size < sizeof first - 2; size++) {
        struct scram *scram = scram_begin(f.auth, slice_text("nobody"));
        cr_assert(scram_step(scram, slice_of(first, size), reply, sizeof reply, &p, NULL) < 0);
        scram_end(scram);
    }
    fixture_close(&f);
}

Test(auth, keys_survive_reopening_and_secrets_are_not_stored)
{
    struct fixture f = fixture_open(false);
    struct error error = {0};
    char key[AUTH_KEY_BYTES];
    struct principal p;
    cr_assert(auth_is_empty(f.auth));
    cr_assert(auth_key_create(f.auth, slice_text("*"), SCOPE_ALL, slice_text("first"), key, &error) == STATUS_OK);
    cr_assert(!auth_is_empty(f.auth));
    auth_close(f.auth);
    cr_assert(auth_open(f.control, false, &f.auth, &error) == STATUS_OK);
    cr_assert(auth_check(f.auth, slice_text(key), &p, &error) == STATUS_OK);
    struct control_statement *st = NULL;
    cr_assert(control_prepare(f.control, "SELECT count(*) FROM keys WHERE instr(hex(secret_hash) || id || note, ?1)", &st, &error) == STATUS_OK);
    control_bind_text(st, 1, slice_text(key + 16));
    cr_assert(control_step(st, &error) == STATUS_OK);
    cr_assert_eq(control_i64(st, 0), 0);
    control_finish(st);
    fixture_close(&f);
}

Test(auth, wrong_keys_are_denied)
{
    struct fixture f = fixture_open(false);
    struct error error = {0};
    char key[AUTH_KEY_BYTES];
    struct principal p;
    cr_assert(auth_key_create(f.auth, slice_text("default"), SCOPE_INGEST, slice_text(""), key, &error) == STATUS_OK);
    size_t size = strlen(key);
    for (size_t i = 0; i < size; i++) {
        char old = key[i];
        key[i] = old == 'a' ? 'b' : 'a';
        cr_assert_eq(auth_check(f.auth, slice_text(key), &p, NULL), STATUS_DENIED, "character %zu", i);
        key[i] = old;
        cr_assert_eq(auth_check(f.auth, slice_of(key, i), &p, NULL), STATUS_DENIED);
    }
    cr_assert_eq(auth_check(f.auth, slice_text(key), &p, NULL), STATUS_OK);
    fixture_close(&f);
}

Test(auth, scope_and_project_are_both_needed)
{
    struct principal p = {.key_id = "k", .project = "shop", .scopes = SCOPE_READ | SCOPE_INGEST};
    struct error error = {0};
    cr_assert_eq(auth_allow(&p, SCOPE_READ, slice_text("shop"), &error), STATUS_OK);
    cr_assert_eq(auth_allow(&p, SCOPE_ADMIN, slice_text("shop"), &error), STATUS_DENIED);
    cr_assert(strstr(error.text, "admin") != NULL);
    cr_assert_eq(auth_allow(&p, SCOPE_READ, slice_text("other"), &error), STATUS_DENIED);
    cr_assert(strstr(error.text, "'shop'") != NULL);
}

Test(auth, scopes_have_one_text_form)
{
    unsigned scopes = 0;
    char text[64];
    cr_assert_eq(scopes_from_text(slice_text("read,ingest"), &scopes, NULL), STATUS_OK);
    scopes_to_text(scopes, text);
    cr_assert_str_eq(text, "ingest,read");
    struct error error = {0};
    cr_assert_eq(scopes_from_text(slice_text("read,wirte"), &scopes, &error), STATUS_INVALID);
    cr_assert_eq(error.position, 5);
    cr_assert_eq(scopes_from_text(slice_text(""), &scopes, &error), STATUS_INVALID);
}

Test(auth, disabled_lets_everybody_in)
{
    struct fixture f = fixture_open(true);
    struct principal p;
    cr_assert_eq(auth_check(f.auth, SLICE_EMPTY, &p, NULL), STATUS_OK);
    cr_assert_eq(auth_allow(&p, SCOPE_ADMIN, slice_text("any"), NULL), STATUS_OK);
    fixture_close(&f);
}

Test(auth, project_names_are_checked)
{
    struct fixture f = fixture_open(false);
    char key[AUTH_KEY_BYTES];
    const char *bad[] = {"", "Upper", "a/b", "..", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(auth_key_create(f.auth, slice_text(bad[i]), SCOPE_READ, SLICE_EMPTY, key, NULL), STATUS_INVALID);
    fixture_close(&f);
}
