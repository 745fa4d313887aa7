/*
 * rpc_code.h - google.rpc.Code: how OTLP names failures, over HTTP (google.rpc.Status) and gRPC (grpc-status).
 *
 * Retry: clients come again after UNAVAILABLE; everything else they drop.
 */
#ifndef DRIFTLINE_CODEC_RPC_CODE_H
#define DRIFTLINE_CODEC_RPC_CODE_H

#include "engine/base/status.h"

enum rpc_code {
    RPC_INVALID_ARGUMENT = 3,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_UNAUTHENTICATED = 16,
};

/* DENIED is PERMISSION_DENIED: whether the key was known at all is the caller's to say. */
enum rpc_code rpc_code_of(enum status status);

#endif
