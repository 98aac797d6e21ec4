/* NIST's example vectors (FIPS 180-4 and the SHAVS long message), whole and in pieces. */
#include "base/sha256.h"
#include "base/sha256_fast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *message, size_t n_bytes, size_t piece, const char *expected)
{
    wi_sha256 sha;
    uint8_t digest[32];
    char hex[65];
    wi_sha256_init(&sha);
    for (size_t at = 0; at < n_bytes; at += piece)
        wi_sha256_update(&sha, message + at, n_bytes - at < piece ? n_bytes - at : piece);
    wi_sha256_finish(&sha, digest);
    wi_sha256_hex(digest, hex);
    assert_string_equal(hex, expected);
}

static void short_messages(void **state)
{
    (void)state;
    static const struct {
        const char *message, *digest;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        size_t n = strlen(vectors[i].message);
        for (size_t piece = 1; piece <= n + 1; piece++)
            check(vectors[i].message, n, piece, vectors[i].digest);
    }
}

static void a_million_letters(void **state)
{
    (void)state;
    static char message[1000000];
    memset(message, 'a', sizeof message);
    static const char expected[] =
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    check(message, sizeof message, sizeof message, expected);
    check(message, sizeof message, 4099, expected);
}

/* Padding changes shape at 55, 56, 63 and 64 bytes; the whole must equal the pieces. */
static void lengths_around_a_block(void **state)
{
    (void)state;
    char message[200], whole[65];
    memset(message, 0x5a, sizeof message);
    for (size_t n = 50; n <= 135; n++) {
        wi_sha256 sha;
        uint8_t digest[32];
        wi_sha256_init(&sha);
        wi_sha256_update(&sha, message, n);
        wi_sha256_finish(&sha, digest);
        wi_sha256_hex(digest, whole);
        check(message, n, 7, whole);
    }
}

/* The processor's instructions, where it has them, against plain C. */
static void fast_equals_plain(void **state)
{
    (void)state;
    static uint8_t bytes[64 * 33 + 1];
    uint32_t noise = 1;
    if (!wi_sha256_has_fast())
        skip();
    for (size_t i = 0; i < sizeof bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(noise >> 24);
    }
    for (size_t n = 0; n <= 33; n++) {
        uint32_t fast[8], plain[8];
        for (size_t i = 0; i < 8; i++)
            fast[i] = plain[i] = (uint32_t)(n * 2654435761u + i * 40503u);
        wi_sha256_fast(fast, bytes + n % 2, n);
        wi_sha256_plain(plain, bytes + n % 2, n);
        assert_memory_equal(fast, plain, sizeof fast);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_messages),
        cmocka_unit_test(a_million_letters),
        cmocka_unit_test(lengths_around_a_block),
        cmocka_unit_test(fast_equals_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
