/*
 * throw_bytes.c - connects, sends what stdin has, prints what comes back.
 *
 * For scripts that throw garbage, half frames and oversized lengths at a port, where no nc can be counted on.
 *
 * usage: throw_bytes HOST:PORT [--hold MS]
 * Ends when the server closes, or MS (default 1000) after stdin ended without a byte from it. The write side stays
 * open until then, so a server that answers only complete input is seen to wait. Exit code: 0 the server closed, 1 it waited,
 * 2 can't connect or wrong usage.
 */
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES     65536
#define HOLD_MS_DEFAULT 1000

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* Sends all of stdin; a server that closed in the middle is what some of the scripts want. */
static void send_input(int fd)
{
    static char chunk[CHUNK_BYTES];
    for (;;) {
        ssize_t size = read(STDIN_FILENO, chunk, sizeof chunk);
        if (size <= 0)
            return;
        for (ssize_t at = 0; at < size;) {
            ssize_t sent = send(fd, chunk + at, (size_t)(size - at), MSG_NOSIGNAL);
            if (sent <= 0)
                return;
            at += sent;
        }
    }
}

/* True: the server closed. */
static bool print_answer(int fd, int hold_ms)
{
    static char chunk[CHUNK_BYTES];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (poll(&waiting, 1, hold_ms) > 0) {
        ssize_t size = recv(fd, chunk, sizeof chunk, 0);
        if (size <= 0)
            return true;
        (void)fwrite(chunk, 1, (size_t)size, stdout);
    }
    return false;
}

int main(int argc, char **argv)
{
    char host[256];
    char port[16];
    int hold_ms = HOLD_MS_DEFAULT;
    if (argc < 2 || sscanf(argv[1], "%255[^:]:%15s", host, port) != 2)
        return 2;
    if (argc == 4 && strcmp(argv[2], "--hold") == 0)
        hold_ms = atoi(argv[3]);
    else if (argc != 2)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = connect_to(host, port);
    if (fd < 0) {
        perror("throw_bytes");
        return 2;
    }
    send_input(fd);
    bool closed = print_answer(fd, hold_ms);
    (void)close(fd);
    return closed ? 0 : 1;
}
