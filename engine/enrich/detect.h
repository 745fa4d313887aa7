/*
 * detect.h - finds personal data and secrets in text: what masking, the pii and the secret scorers share.
 *
 * Data:     detector.def names every detector with its source. Checksums are checked where they exist: Luhn (ISO/IEC 7812) for card
 *           numbers, ISO 13616 mod 97 for IBANs, formats and ranges for the rest.
 * Cost:     one pass with a byte classifier; candidates only where a digit run, '@' or a known prefix is.
 */
#ifndef DRIFTLINE_ENRICH_DETECT_H
#define DRIFTLINE_ENRICH_DETECT_H

#include "engine/base/memory.h"

enum detector {
#define DETECTOR(name, group, doc) DETECT_##name,
#include "engine/enrich/detector.def"
#undef DETECTOR
    DETECTOR_COUNT
};
/* "email"; group: "pii" or "secret". */
const char *detector_name(enum detector d);
const char *detector_group(enum detector d);
/* "pii", "secret" or "pii.email": bits of the detectors meant. 0: unknown. */
uint64_t detectors_from_name(struct slice name);

struct detection {
    enum detector detector;
    size_t start;
    size_t size;
};
/* Calls found() for every detection of the wanted detectors (bits), left to right, without overlap; found() returning false stops. */
void detect(struct slice text, uint64_t wanted, bool (*found)(void *context, const struct detection *d), void *context);
/* Bits of the detectors that found something. */
uint64_t detect_any(struct slice text, uint64_t wanted);

#endif
