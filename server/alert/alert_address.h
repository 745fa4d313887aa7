/*
 * alert_address.h - which addresses a webhook may not go to unless its notifier says allow_private: true.
 *
 * A rules file may come from someone who should not reach what this machine reaches (server-side request forgery),
 * and a name may resolve to anything; so the address is judged after resolving, at the moment of connecting.
 */
#ifndef DRIFTLINE_ALERT_ADDRESS_H
#define DRIFTLINE_ALERT_ADDRESS_H

#include <sys/socket.h>

#include "engine/base/slice.h"

/* Why the address is not a public one ("loopback", "private", "link-local", ...), or NULL: it is. Addresses that
 * carry an IPv4 one inside (mapped, NAT64, 6to4) are judged by that. */
const char *address_not_public(const struct sockaddr *address);
/* The address as text, without the port. */
#define ADDRESS_TEXT_BYTES 64
void address_to_text(const struct sockaddr *address, char to[ADDRESS_TEXT_BYTES]);

#endif
