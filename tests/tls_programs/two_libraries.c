/* One process that is a TLS server by OpenSSL and a TLS client by GnuTLS at once, as Open5GS' NFs are:
   `two_libraries CERTIFICATE KEY BACKEND` prints its port, takes one connection, and passes what it brings on to
   port BACKEND and back, until either side ends. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static gnutls_session_t backend(int port, int *link) {
    static const gnutls_datum_t h2 = {(unsigned char *)"h2", 2};
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    struct sockaddr_in address = loopback(port);
    *link = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*link, (struct sockaddr *)&address, sizeof address))
        exit(2);
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_alpn_set_protocols(session, &h2, 1, 0);
    gnutls_transport_set_int(session, *link);
    if (gnutls_handshake(session) != GNUTLS_E_SUCCESS)
        exit(3);
    return session;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *in, unsigned int size,
                  void *unused) {
    (void)ssl, (void)in, (void)size, (void)unused;
    *out = (const unsigned char *)"h2";
    *length = 2;
    return SSL_TLSEXT_ERR_OK;
}

static SSL *front(const char *certificate, const char *key, int *link) {
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context, certificate);
    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM);
    SSL_CTX_set_alpn_select_cb(context, choose, NULL);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1))
        exit(4);
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    *link = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, *link);
    if (SSL_accept(ssl) != 1)
        exit(5);
    return ssl;
}

static int pass_on(SSL *ssl, gnutls_session_t session) {
    static char buffer[16384];
    int got = SSL_read(ssl, buffer, sizeof buffer);
    return got > 0 && gnutls_record_send(session, buffer, got) == got;
}

static int pass_back(SSL *ssl, gnutls_session_t session) {
    static char buffer[16384];
    int got = gnutls_record_recv(session, buffer, sizeof buffer);
    if (got == GNUTLS_E_AGAIN)
        return 1;
    return got > 0 && SSL_write(ssl, buffer, got) == got;
}

int main(int count, char **words) {
    int links[2];
    if (count != 4)
        return 1;
    SSL *ssl = front(words[1], words[2], &links[0]);
    gnutls_session_t session = backend(atoi(words[3]), &links[1]);
    for (int is_open = 1; is_open;) {
        struct pollfd ready[2] = {{links[0], POLLIN, 0}, {links[1], POLLIN, 0}};
        if (!SSL_pending(ssl) && !gnutls_record_check_pending(session))
            poll(ready, 2, -1);
        if (SSL_pending(ssl) || ready[0].revents)
            is_open = pass_on(ssl, session);
        if (is_open && (gnutls_record_check_pending(session) || ready[1].revents))
            is_open = pass_back(ssl, session);
    }
    gnutls_bye(session, GNUTLS_SHUT_WR);
    gnutls_deinit(session);
    SSL_free(ssl);
    close(links[0]);
    close(links[1]);
    return 0;
}
