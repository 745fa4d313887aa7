/*
 * key_header.c - Bearer, Basic, and the headers of other products.
 */
#include "server/auth/key_header.h"

#include <openssl/evp.h>
#include <strings.h>

/* Last wins over first. */
static const char *const names[] = {
    "helicone-auth", /* Helicone */
    "x-auth-token",  /* LangWatch */
    "api_key",       /* Phoenix */
    "api-key",       /* Azure style */
    "x-api-key",     /* LangSmith, Anthropic style */
    "authorization",
};

static bool text_begins(struct slice text, const char *start)
{
    size_t size = strlen(start);
    return text.size >= size && strncasecmp((const char *)text.data, start, size) == 0;
}

int key_header_rank(struct slice name)
{
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
        if (name.size == strlen(names[i]) && text_begins(name, names[i]))
            return i + 1;
    }
    return 0;
}

static struct slice text_behind(struct slice text, size_t size)
{
    while (size < text.size && text.data[size] == ' ')
        size++;
    return slice_of(text.data + size, text.size - size);
}

static bool is_key(struct slice text)
{
    return text_begins(text, "dl_");
}

/* SDKs with two keys send the secret as the password. */
static struct slice basic_read(struct slice encoded, char buffer[KEY_HEADER_BYTES_MAX])
{
    if (encoded.size == 0 || encoded.size % 4 != 0 || encoded.size / 4 * 3 > KEY_HEADER_BYTES_MAX)
        return SLICE_EMPTY;
    int made = EVP_DecodeBlock((unsigned char *)buffer, encoded.data, (int)encoded.size);
    if (made < 0)
        return SLICE_EMPTY;
    size_t size = (size_t)made; /* padding counts as zero bytes */
    for (size_t i = encoded.size; i > 0 && encoded.data[i - 1] == '=' && size > 0; i--)
        size--;
    const char *colon = memchr(buffer, ':', size);
    if (colon == NULL)
        return SLICE_EMPTY;
    struct slice user = slice_of(buffer, (size_t)(colon - buffer));
    struct slice password = slice_of(colon + 1, size - user.size - 1);
    return is_key(user) && !is_key(password) ? user : password;
}

struct slice key_header_read(struct slice value, char buffer[KEY_HEADER_BYTES_MAX])
{
    if (text_begins(value, "Basic "))
        return basic_read(text_behind(value, 6), buffer);
    if (text_begins(value, "Bearer "))
        return text_behind(value, 7);
    return text_behind(value, 0);
}
