/* One quantised vector against many: the scan of an int8 index. */

static void dots_s8(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                    int32_t zero, int32_t *out)
{
    const size_t step = LANES * 4, whole = d - d % step;
    const vi ones = vi_set(0x01010101);
    for (size_t i = 0; i < n; i++) {
        const int8_t *row = rows + i * ld;
        vi products = vi_zero(), sums = vi_zero();
        for (size_t j = 0; j < whole; j += step) {
            vi w = vi_load(row + j);
            products = vi_dot4(products, vi_load(q + j), w);
            sums = vi_dot4(sums, ones, w);
        }
        int32_t total = vi_sum(products) - zero * vi_sum(sums);
        for (size_t j = whole; j < d; j++)
            total += (q[j] - zero) * row[j];
        out[i] = total;
    }
}
