/* HTTP/2 by libnghttp2 over a TLS library that nobody can find: OpenSSL linked into the program, its symbols stripped.
   `unseen_tls WAY serve CERTIFICATE KEY` prints its port, answers every request, and ends with its standard input;
   `unseen_tls WAY call PORT COUNT [PLAIN]` has COUNT exchanges on a connection, and prints one JSON object for each.
   WAY: `memory` has libnghttp2 take and give memory, `callback` lets it call back to send, `handed` does the first in a
   thread that uses no socket. With PLAIN, port of a server of cleartext HTTP/2, it first has as many there, unprinted,
   by the same thread. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "/npcf-am-policy-control/v1/policies/1"
#define ANSWER_BYTES 6007
#define ASKED_BYTES 1409

struct end {
    nghttp2_session *session;
    SSL *ssl; /* 0 = cleartext */
    int in, out;
    size_t left; /* of a body to send */
    int is_begun;
    int status, is_over;
    size_t answered;
};

static const char *way;
static SSL_CTX *context;

static void check(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static void put(struct end *e, const uint8_t *data, size_t length) {
    while (length) {
        ssize_t n = e->ssl ? SSL_write(e->ssl, data, length) : write(e->out, data, length);
        if (n <= 0)
            return; /* the other side has left */
        data += n;
        length -= n;
    }
}

static ssize_t get(struct end *e, uint8_t *data, size_t room) {
    return e->ssl ? SSL_read(e->ssl, data, room) : read(e->in, data, room);
}

static void send_at_once(int link) {
    int on = 1;
    setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static ssize_t by_callback(nghttp2_session *session, const uint8_t *data, size_t length, int flags, void *user) {
    (void)session, (void)flags;
    put(user, data, length);
    return length;
}

static void send_all(struct end *e) {
    const uint8_t *data;
    ssize_t n;
    if (!strcmp(way, "callback")) {
        check(!nghttp2_session_send(e->session), "nghttp2_session_send");
        return;
    }
    while ((n = nghttp2_session_mem_send(e->session, &data)) > 0)
        put(e, data, n);
}

static ssize_t body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *user) {
    struct end *e = user;
    size_t n = e->left < room ? e->left : room;
    (void)session, (void)stream, (void)source;
    memset(to, ' ', n);
    if (!e->is_begun)
        memcpy(to, "{}", 2);
    e->is_begun = 1;
    e->left -= n;
    if (!e->left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n;
}

#define NV(name, value)                                                                                                \
    { (uint8_t *)name, (uint8_t *)value, sizeof name - 1, strlen(value), NGHTTP2_NV_FLAG_NONE }

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct end *e = user;
    nghttp2_nv head[] = {NV(":status", "200"), NV("content-type", "application/json")};
    nghttp2_data_provider provider = {.read_callback = body};
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type))
        return 0;
    if (!nghttp2_session_check_server_session(session)) {
        e->is_over = 1;
        return 0;
    }
    e->left = ANSWER_BYTES, e->is_begun = 0;
    return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &provider);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t length, uint8_t flags, void *user) {
    (void)session, (void)frame, (void)length, (void)flags;
    if (name_length == 7 && !memcmp(name, ":status", 7))
        ((struct end *)user)->status = atoi((const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
                    void *user) {
    (void)session, (void)flags, (void)stream, (void)data;
    ((struct end *)user)->answered += length;
    return 0;
}

static void begin(struct end *e, int is_server) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, by_callback);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    if (is_server)
        nghttp2_session_server_new(&e->session, callbacks, e);
    else
        nghttp2_session_client_new(&e->session, callbacks, e);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(e->session, NGHTTP2_FLAG_NONE, NULL, 0);
    if (is_server)
        send_all(e);
}

static int hear(struct end *e) {
    uint8_t data[16384];
    ssize_t n = get(e, data, sizeof data);
    if (n <= 0 || nghttp2_session_mem_recv(e->session, data, n) != n)
        return 0;
    send_all(e);
    return 1;
}

static void *work(void *given) {
    struct end *e = given;
    begin(e, 1);
    while (hear(e))
        ;
    nghttp2_session_del(e->session);
    close(e->out);
    return NULL;
}

/* Pass on between TLS and the pipes of a thread that has the session. */
static void hand(SSL *ssl) {
    static const size_t room = 16384;
    int there[2], back[2];
    uint8_t *data = malloc(room);
    struct end e = {0};
    pthread_t thread;
    check(!pipe(there) && !pipe(back), "pipe");
    e.in = there[0], e.out = back[1];
    pthread_create(&thread, NULL, work, &e);
    for (;;) {
        struct pollfd waited[] = {{SSL_get_fd(ssl), POLLIN, 0}, {back[0], POLLIN, 0}};
        ssize_t n;
        if (!SSL_pending(ssl))
            poll(waited, 2, -1);
        if (waited[1].revents) {
            n = read(back[0], data, room);
            if (n <= 0 || SSL_write(ssl, data, n) <= 0)
                break;
        }
        if (waited[0].revents || SSL_pending(ssl)) {
            n = SSL_read(ssl, data, room);
            if (n <= 0 || write(there[1], data, n) != n)
                break;
        }
    }
    close(there[1]);
    pthread_join(thread, NULL);
    close(there[0]), close(back[0]);
    free(data);
}

static void *answer(void *given) {
    int link = (int)(intptr_t)given;
    struct end e = {.ssl = SSL_new(context)};
    send_at_once(link);
    SSL_set_fd(e.ssl, link);
    if (SSL_accept(e.ssl) == 1) {
        if (!strcmp(way, "handed"))
            hand(e.ssl);
        else
            work(&e);
    }
    SSL_free(e.ssl);
    close(link);
    return NULL;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *in,
                  unsigned int size, void *unused) {
    (void)ssl, (void)in, (void)size, (void)unused;
    *out = (const unsigned char *)"h2";
    *length = 2;
    return SSL_TLSEXT_ERR_OK;
}

static void *serve(void *given) {
    int link;
    while ((link = accept((int)(intptr_t)given, NULL, NULL)) >= 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, answer, (void *)(intptr_t)link);
        pthread_detach(thread);
    }
    return NULL;
}

static int connected(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int link = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(!connect(link, (struct sockaddr *)&address, sizeof address), "connect");
    send_at_once(link);
    return link;
}

static int port_of(int link) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname(link, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

static void call(int port, int count, int is_tls) {
    int link = connected(port);
    struct end e = {.in = link, .out = link};
    if (is_tls) {
        e.ssl = SSL_new(context);
        SSL_set_fd(e.ssl, link);
        check(SSL_connect(e.ssl) == 1, "SSL_connect");
    }
    begin(&e, 0);
    for (int number = 0; number < count; number++) {
        const char *method = number % 2 ? "POST" : "GET";
        nghttp2_nv head[] = {NV(":method", method), NV(":scheme", "https"), NV(":authority", "pcf"), NV(":path", PATH),
                             NV("user-agent", "AMF")};
        nghttp2_data_provider provider = {.read_callback = body};
        e.left = ASKED_BYTES, e.is_begun = 0, e.answered = 0, e.is_over = 0;
        nghttp2_submit_request(e.session, NULL, head, 5, number % 2 ? &provider : NULL, NULL);
        send_all(&e);
        while (!e.is_over)
            check(hear(&e), "hear");
        if (is_tls)
            printf("{\"client_port\":%d,\"method\":\"%s\",\"path\":\"" PATH
                   "\",\"status\":%d,\"request_bytes\":%d,\"response_bytes\":%zu}\n",
                   port_of(link), method, e.status, number % 2 ? ASKED_BYTES : 0, e.answered);
    }
    nghttp2_session_del(e.session);
    if (e.ssl)
        SSL_shutdown(e.ssl), SSL_free(e.ssl);
    close(link);
}

int main(int words, char **word) {
    signal(SIGPIPE, SIG_IGN);
    way = word[1];
    if (!strcmp(word[2], "call")) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
        if (words > 5)
            call(atoi(word[5]), atoi(word[4]), 0);
        call(atoi(word[3]), atoi(word[4]), 1);
        return 0;
    }
    struct sockaddr_in address = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char until;
    pthread_t thread;
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context, word[3]);
    SSL_CTX_use_PrivateKey_file(context, word[4], SSL_FILETYPE_PEM);
    SSL_CTX_set_alpn_select_cb(context, choose, NULL);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(!bind(listener, (struct sockaddr *)&address, sizeof address) && !listen(listener, 16), "bind");
    printf("%d\n", port_of(listener));
    fflush(stdout);
    pthread_create(&thread, NULL, serve, (void *)(intptr_t)listener);
    while (read(0, &until, 1) > 0)
        ;
    return 0;
}
