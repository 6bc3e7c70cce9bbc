/* A receiving client on libwebsockets. The contract of all clients stands in run.py.
 *
 * libwebsockets hands a message over in pieces and does not show the code in the answer to our
 * own close; it waits for that answer, so `closed 1000` means that it came before the deadline.
 */

#include <libwebsockets.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_ANSWER_US (5 * LWS_US_PER_SEC)

static const char *to_publish;
static long messages_left;
static int done; /* 1 after our close was sent, 2 when the connection has ended */
static int status = 1;
static lws_usec_t close_sent_us;
static SHA256_CTX digest;
static size_t length;

static void say_message(const char *kind)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];

    SHA256_Final(sum, &digest);
    printf("%s ", kind);
    for (size_t i = 0; i < sizeof sum; i++)
        printf("%02x", sum[i]);
    printf(" %zu\n", length);
}

/* Returns -1 where the connection shall be closed now. */
static int receive(struct lws *wsi, const void *bytes, size_t count)
{
    if (lws_is_first_fragment(wsi)) {
        SHA256_Init(&digest);
        length = 0;
    }
    SHA256_Update(&digest, bytes, count);
    length += count;
    if (!lws_is_final_fragment(wsi))
        return 0;
    say_message(lws_frame_is_binary(wsi) ? "binary" : "text");
    messages_left -= 1;
    if (messages_left > 0)
        return 0;
    if (to_publish) {
        messages_left = 1;
        lws_callback_on_writable(wsi);
        return 0;
    }
    lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
    close_sent_us = lws_now_usecs();
    done = 1;
    return -1;
}

static int publish(struct lws *wsi)
{
    unsigned char space[LWS_PRE + 1024];
    size_t count = to_publish ? strlen(to_publish) : 0;

    if (!to_publish)
        return 0;
    if (count > sizeof space - LWS_PRE)
        return -1;
    memcpy(space + LWS_PRE, to_publish, count);
    to_publish = NULL;
    return lws_write(wsi, space + LWS_PRE, count, LWS_WRITE_TEXT) < (int)count ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t count)
{
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        puts("open");
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(wsi, in, count);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return publish(wsi);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "connection error: %s\n", in ? (const char *)in : "unknown");
        done = 2;
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (done == 1 && lws_now_usecs() - close_sent_us < CLOSE_ANSWER_US) {
            puts("closed 1000");
            status = 0;
        } else {
            puts("closed 1006");
        }
        done = 2;
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {"", on_event, 0, 65536, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static int connect_to(struct lws_context *context, char *url)
{
    struct lws_client_connect_info info = {0};
    const char *scheme, *path;
    char full_path[1024];

    if (lws_parse_uri(url, &scheme, &info.address, &info.port, &path))
        return -1;
    snprintf(full_path, sizeof full_path, "/%s", path);
    info.context = context;
    info.path = full_path;
    info.host = info.address;
    info.local_protocol_name = "";
    return lws_client_connect_via_info(&info) ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct lws_context_creation_info info = {0};
    struct lws_context *context;

    if (argc < 3)
        return 2;
    messages_left = atol(argv[2]);
    to_publish = argc > 4 && !strcmp(argv[3], "--publish") ? argv[4] : NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("client libwebsockets %d.%d.%d\n", LWS_LIBRARY_VERSION_MAJOR,
           LWS_LIBRARY_VERSION_MINOR, LWS_LIBRARY_VERSION_PATCH);
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    context = lws_create_context(&info);
    if (!context || connect_to(context, argv[1]))
        return 1;
    while (done < 2 && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return status;
}
