/*
 * http_key.c - where clients put the key.
 *
 * SDKs of other products carry their key in a header of their own; pointed here, that header carries ours.
 */
#include <string.h>

#include "server/http/http_request.h"

/* Headers that hold the bare key, or "Bearer KEY". */
static const char *const key_headers[] = {
    "x-api-key",     /* LangSmith, Anthropic style */
    "api-key",       /* Azure style */
    "api_key",       /* Phoenix */
    "x-auth-token",  /* LangWatch */
    "Helicone-Auth", /* Helicone */
};

static bool is_key(struct slice text)
{
    return text.size > 3 && memcmp(text.data, "dl_", 3) == 0;
}

static struct slice without_scheme(const char *value)
{
    if (strncasecmp(value, "Bearer ", 7) == 0)
        value += 7;
    while (*value == ' ')
        value++;
    return slice_text(value);
}

/* base64(user:password): SDKs with two keys send the secret as the password; either half may be ours. */
static struct slice basic_key(const char *encoded, char buffer[KEY_TEXT_MAX])
{
    size_t size = base64_decode(slice_text(encoded), (uint8_t *)buffer, KEY_TEXT_MAX);
    const char *colon = size == 0 ? NULL : memchr(buffer, ':', size);
    if (colon == NULL)
        return SLICE_EMPTY;
    struct slice user = slice_of(buffer, (size_t)(colon - buffer));
    struct slice password = slice_of(colon + 1, size - (size_t)(colon + 1 - buffer));
    return is_key(user) && !is_key(password) ? user : password;
}

struct slice request_key(struct evhttp_request *event, char buffer[KEY_TEXT_MAX])
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(event);
    const char *authorization = evhttp_find_header(headers, "Authorization");
    if (authorization != NULL && strncasecmp(authorization, "Basic ", 6) == 0)
        return basic_key(authorization + 6, buffer);
    if (authorization != NULL)
        return without_scheme(authorization);
    for (size_t i = 0; i < sizeof key_headers / sizeof key_headers[0]; i++) {
        const char *value = evhttp_find_header(headers, key_headers[i]);
        if (value != NULL)
            return without_scheme(value);
    }
    return SLICE_EMPTY;
}
