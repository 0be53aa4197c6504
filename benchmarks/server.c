/* A loopback HTTP server that costs as little as one can: one thread, epoll, answers that are ready-made bytes.
 *
 *   server LATENCY_MS:PLAIN[:STREAM] ...
 *
 * Opens one listener on 127.0.0.1 per argument and prints its port, a line each. PLAIN and STREAM are files that hold
 * whole HTTP responses; STREAM is sent to requests whose body has "stream":true or "stream": true, at once; PLAIN is
 * sent LATENCY_MS after the request was read. A line on stdin is answered by a line "REQUESTS CONNECTIONS ..." of all
 * listeners in order; the end of stdin ends the server, so it cannot outlive who started it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LISTENERS = 8, DESCRIPTORS = 4096, REQUEST = 1 << 16, WAITING = 1 << 13, EVENTS = 256 };
enum Kind { NONE, STDIN, LISTENER, TIMER, CONNECTION };

struct bytes { char *at; size_t size; };
struct due { int64_t when; int fd; unsigned life; };

struct listener {
    struct bytes plain, stream;
    int64_t latency;
    int timer;
    struct due queue[WAITING]; /* one latency for all, so first in is first out */
    unsigned head, tail;
    long requests, connections;
};

struct descriptor {
    enum Kind kind;
    struct listener *owner;
    unsigned life;    /* tells a late answer that its connection is gone and the number was given away again */
    size_t have;      /* bytes of request */
    char *in;
    const char *out;  /* what is left to send */
    size_t left;
};

static struct listener listeners[LISTENERS];
static struct descriptor table[DESCRIPTORS];
static int count, poller;

static void die(const char *what) { perror(what); exit(1); }

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void watch(int fd, enum Kind kind, struct listener *owner, int change, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, change, fd, &event)) die("epoll_ctl");
    table[fd].kind = kind;
    table[fd].owner = owner;
}

static void hang_up(int fd) {
    close(fd);
    table[fd].kind = NONE;
    table[fd].life++;
    table[fd].have = table[fd].left = 0;
}

static void push(int fd) {
    struct descriptor *c = &table[fd];
    while (c->left) {
        ssize_t sent = send(fd, c->out, c->left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) { watch(fd, CONNECTION, c->owner, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT); return; }
        if (sent < 0) { hang_up(fd); return; }
        c->out += sent;
        c->left -= (size_t)sent;
    }
}

static void answer(int fd, struct bytes what) {
    table[fd].out = what.at;
    table[fd].left = what.size;
    push(fd);
}

static void set_timer(struct listener *l) {
    struct itimerspec at = {{0, 0}, {0, 0}};
    if (l->head != l->tail) {
        int64_t when = l->queue[l->head % WAITING].when;
        at.it_value.tv_sec = when / 1000000000;
        at.it_value.tv_nsec = when % 1000000000;
    }
    timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void take_request(int fd) {
    struct descriptor *c = &table[fd];
    struct listener *l = c->owner;
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!end) return;
    c->in[c->have] = 0;
    *end = 0;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    *end = '\r';
    size_t head = (size_t)(end - c->in) + 4, body = length ? strtoul(length + 17, NULL, 10) : 0;
    if (c->have < head + body) return;
    int streamed = memmem(c->in + head, body, "\"stream\":true", 13) || memmem(c->in + head, body, "\"stream\": true", 14);
    c->have -= head + body;
    memmove(c->in, c->in + head + body, c->have);
    l->requests++;
    if (streamed && l->stream.size) { answer(fd, l->stream); return; }
    if (!l->latency) { answer(fd, l->plain); return; }
    if (l->tail - l->head == WAITING) { fputs("too many requests wait\n", stderr); exit(1); }
    l->queue[l->tail++ % WAITING] = (struct due){now() + l->latency, fd, c->life};
    if (l->tail - l->head == 1) set_timer(l);
}

static void receive(int fd) {
    struct descriptor *c = &table[fd];
    ssize_t got = recv(fd, c->in + c->have, REQUEST - 1 - c->have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { hang_up(fd); return; }
    c->have += (size_t)got;
    take_request(fd);
}

static void accept_all(struct listener *l, int fd) {
    int one = 1, peer;
    while ((peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (peer >= DESCRIPTORS) { close(peer); continue; }
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!table[peer].in && !(table[peer].in = malloc(REQUEST))) die("malloc");
        l->connections++;
        watch(peer, CONNECTION, l, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void release_due(struct listener *l) {
    uint64_t fired;
    if (read(l->timer, &fired, sizeof fired) < 0 && errno != EAGAIN) die("timer");
    for (int64_t t = now(); l->head != l->tail && l->queue[l->head % WAITING].when <= t;) {
        struct due d = l->queue[l->head++ % WAITING];
        if (table[d.fd].kind == CONNECTION && table[d.fd].life == d.life) answer(d.fd, l->plain);
    }
    set_timer(l);
}

static void report(void) {
    char line[256];
    ssize_t got = read(0, line, sizeof line);
    if (got <= 0) exit(0);
    for (int i = 0; i < count; i++) printf("%ld %ld%c", listeners[i].requests, listeners[i].connections, i + 1 < count ? ' ' : '\n');
    fflush(stdout);
}

static struct bytes load(const char *path) {
    struct bytes b = {NULL, 0};
    if (!path) return b;
    FILE *f = fopen(path, "rb");
    if (!f) die(path);
    fseek(f, 0, SEEK_END);
    b.size = (size_t)ftell(f);
    rewind(f);
    if (!(b.at = malloc(b.size)) || fread(b.at, 1, b.size, f) != b.size) die(path);
    fclose(f);
    return b;
}

static void open_listener(char *argument) {
    struct listener *l = &listeners[count++];
    l->latency = INT64_C(1000000) * atol(strtok(argument, ":"));
    l->plain = load(strtok(NULL, ":"));
    l->stream = load(strtok(NULL, ":"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (void *)&at, size) || listen(fd, 2048) || getsockname(fd, (void *)&at, &size)) die("listen");
    watch(fd, LISTENER, l, EPOLL_CTL_ADD, EPOLLIN);
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(l->timer, TIMER, l, EPOLL_CTL_ADD, EPOLLIN);
    printf("%d\n", ntohs(at.sin_port));
}

int main(int arguments, char **argument) {
    struct epoll_event events[EVENTS];
    poller = epoll_create1(0);
    for (int i = 1; i < arguments && i <= LISTENERS; i++) open_listener(argument[i]);
    watch(0, STDIN, NULL, EPOLL_CTL_ADD, EPOLLIN);
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            struct descriptor *d = &table[fd];
            if (d->kind == STDIN) report();
            if (d->kind == LISTENER) accept_all(d->owner, fd);
            if (d->kind == TIMER) release_due(d->owner);
            if (d->kind != CONNECTION) continue;
            if (events[i].events & EPOLLOUT) {
                push(fd);
                if (d->kind == CONNECTION && !d->left) watch(fd, CONNECTION, d->owner, EPOLL_CTL_MOD, EPOLLIN);
            }
            if (d->kind == CONNECTION && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(fd);
        }
    }
}
