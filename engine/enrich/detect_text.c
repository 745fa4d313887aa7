/*
 * detect_text.c - e-mail addresses, and passwords inside URLs.
 *
 * Place:  detect.c -> [here]
 * email:  local part of letters, digits and . _ % + - & ' (the RFC 5321 characters that people's addresses use), at most 64; labels of
 *         letters, digits and hyphens; a top-level domain of letters that is no file extension (icon@2x.png). What stands
 *         before the '@' of a URL (git@github.com in ssh://git@github.com/x) is an account, not an address.
 * url:    RFC 3986 3.2.1: scheme "://" user ":" password "@". A placeholder ($PASSWORD, <password>, ***) is no secret.
 */
#include "engine/enrich/detect_internal.h"

#define EMAIL_LOCAL_BYTES_MAX  64u  /* RFC 5321 4.5.3.1.1 */
#define EMAIL_DOMAIN_BYTES_MAX 253u /* RFC 1035 2.3.4, without the length bytes */
#define LABEL_BYTES_MAX        63u
#define USERINFO_BYTES_MAX     512u

/* File extensions that are no top-level domains: "icon@2x.png", "worker@v2.js". */
static const char *const file_extensions[] = {
    "png", "jpg", "jpeg", "gif",  "svg",  "webp", "ico",  "bmp", "pdf",  "js",  "jsx",  "mjs",
    "ts",  "tsx", "css",  "scss", "html", "htm",  "json", "xml", "yaml", "yml", "toml", "lock",
    "txt", "csv", "log",  "exe",  "dll",  "jar",  "tgz",  "gz",  "tar",  "mp3", "wav",  "java",
};

static uint8_t to_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is_file_extension(struct slice tld)
{
    for (size_t i = 0; i < sizeof file_extensions / sizeof file_extensions[0]; i++) {
        const char *extension = file_extensions[i];
        size_t at = 0;
        while (at < tld.size && extension[at] != 0 &&
               to_lower(tld.data[at]) == (uint8_t)extension[at])
            at++;
        if (at == tld.size && extension[at] == 0)
            return true;
    }
    return false;
}

/* A top-level domain: letters only, or "xn--...". */
static bool is_tld(const struct detect_scan *s, size_t start, size_t end)
{
    if (end - start < 2)
        return false;
    if (text_at(s, start, "xn--", 4))
        return true;
    return run_end(s, start, BYTE_LETTER, end - start) == end &&
           !is_file_extension(slice_of(s->text.data + start, end - start));
}

/* The end of the longest run of labels from start that is a domain with a dot; 0: none. */
static size_t domain_end(const struct detect_scan *s, size_t start)
{
    size_t best = 0;
    size_t at = start;
    for (uint32_t labels = 1; at - start < EMAIL_DOMAIN_BYTES_MAX; labels++) {
        size_t end = run_end(s, at, BYTE_ALNUM | BYTE_DASH, LABEL_BYTES_MAX + 1);
        size_t trimmed = end;
        while (trimmed > at && s->text.data[trimmed - 1] == '-')
            trimmed--;
        if (trimmed == at || end - at > LABEL_BYTES_MAX || s->text.data[at] == '-')
            break;
        if (labels > 1 && is_tld(s, at, trimmed))
            best = trimmed;
        if (trimmed != end || byte_at(s, end) != '.')
            break;
        at = end + 1;
    }
    /* What goes on is no domain: "a@b.co.2", "a@b.co_x". */
    bool goes_on = byte_is(s, best, BYTE_UNDER) ||
                   (byte_at(s, best) == '.' && byte_is(s, best + 1, BYTE_DIGIT));
    return best != 0 && goes_on ? 0 : best;
}

/* Does "//user:" or "//" lead up to start? Then the '@' belongs to a URL. */
static bool is_in_url(const struct detect_scan *s, size_t start)
{
    size_t least = start - s->fence > USERINFO_BYTES_MAX ? start - USERINFO_BYTES_MAX : s->fence;
    for (size_t at = start; at > least; at--) {
        uint8_t c = s->text.data[at - 1];
        if (c == '/')
            return at >= 2 && s->text.data[at - 2] == '/';
        if (c <= ' ' || c == '"' || c == '<' || c == '>' || c == ',' || c == ';')
            return false;
    }
    return false;
}

bool find_email(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    size_t start = at;
    while (at - start < EMAIL_LOCAL_BYTES_MAX && byte_before(s, start, BYTE_ALNUM | BYTE_LOCAL))
        start--;
    while (start < at && !byte_is(s, start, BYTE_WORD))
        start++;
    if (start == at || byte_at(s, at - 1) == '.')
        return false;
    for (size_t i = start; i + 1 < at; i++) {
        if (s->text.data[i] == '.' && s->text.data[i + 1] == '.')
            start = i + 2;
    }
    size_t end = domain_end(s, at + 1);
    if (end == 0 || is_in_url(s, start))
        return false;
    /* git@host.org:path is how git writes a repository. */
    if (at - start == 3 && text_at(s, start, "git", 3) && byte_at(s, end) == ':')
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

/* ***, xxxx, ..., $VARIABLE, ${VARIABLE}, {variable}, <password>, [secret], %s */
static bool is_placeholder(struct slice password)
{
    if (strchr("$<{[%", password.data[0]) != NULL)
        return true;
    for (size_t i = 0; i < password.size; i++) {
        if (strchr("*xX.\xe2\x80\xa2", password.data[i]) == NULL)
            return false;
    }
    return true;
}

bool find_url_password(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (byte_at(s, at + 1) != '/' || byte_at(s, at + 2) != '/' || !byte_before(s, at, BYTE_ALNUM))
        return false;
    size_t start = at + 3;
    size_t end =
        s->text.size - start > USERINFO_BYTES_MAX ? start + USERINFO_BYTES_MAX : s->text.size;
    size_t colon = 0;
    size_t host = 0;
    for (size_t i = start; i < end; i++) {
        uint8_t c = s->text.data[i];
        if (c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' || c == '\\' || c == '`')
            break;
        if (c == ':' && colon == 0)
            colon = i;
        if (c == '@')
            host = i; /* the last one: a password may hold an '@' */
    }
    if (colon == 0 || host <= colon + 1 || !byte_is(s, host + 1, BYTE_ALNUM) ||
        is_placeholder(slice_of(s->text.data + colon + 1, host - colon - 1)))
        return false;
    *ret_start = start;
    *ret_end = host;
    return true;
}
