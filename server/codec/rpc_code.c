/*
 * rpc_code.c - our statuses as google.rpc.Code.
 */
#include "server/codec/rpc_code.h"

enum rpc_code rpc_code_of(enum status status)
{
    switch (status) {
    case STATUS_INVALID:
    case STATUS_NOT_FOUND:
    case STATUS_EXISTS:
        return RPC_INVALID_ARGUMENT;
    case STATUS_DENIED:
        return RPC_PERMISSION_DENIED;
    case STATUS_LIMIT:
        return RPC_RESOURCE_EXHAUSTED;
    case STATUS_UNAVAILABLE:
        return RPC_UNIMPLEMENTED;
    case STATUS_BUSY:
    case STATUS_READ_ONLY:
    case STATUS_FULL:
    case STATUS_CANCELLED:
    case STATUS_TIMEOUT:
    case STATUS_IO:
    case STATUS_UNREACHABLE:
        return RPC_UNAVAILABLE;
    case STATUS_OK:
    case STATUS_END:
    case STATUS_CORRUPT:
        break;
    }
    return RPC_INTERNAL;
}
