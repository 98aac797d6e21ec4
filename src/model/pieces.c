#include "model/pieces.h"

#include "fmt/gguf.h"

#include <stdio.h>

static wi_piece piece(const wi_part *part, const char *suffix, uint32_t type, const void *data,
                      size_t element_bytes, uint64_t d0, uint64_t d1, uint64_t d2)
{
    wi_piece p = {.type = type,
                  .rank = d2 > 1   ? 3
                          : d1 > 1 ? 2
                                   : 1,
                  .dims = {d0, d1, d2, 1},
                  .data = data};
    p.n_bytes = (size_t)(d0 * d1 * d2) * element_bytes;
    snprintf(p.name, sizeof p.name, "%s%s", part->name, suffix);
    return p;
}

static const uint32_t ggml_types[] = {[WI_MAT_F32] = WI_GGML_F32,
                                      [WI_MAT_F16] = WI_GGML_F16,
                                      [WI_MAT_BF16] = WI_GGML_BF16,
                                      [WI_MAT_S8] = WI_GGML_I8};
static const size_t type_bytes[] = {
    [WI_MAT_F32] = 4, [WI_MAT_F16] = 2, [WI_MAT_BF16] = 2, [WI_MAT_S8] = 1};

static size_t mat_pieces(const wi_part *part, wi_piece *pieces)
{
    const wi_mat *mat = part->mat;
    const uint64_t panels = wi_mat_panels(mat), rows = panels * WI_PANEL, k4 = (mat->k + 3) / 4;
    size_t n = 0;
    if (mat->type == WI_MAT_S8) {
        pieces[n++] = piece(part, ".w", WI_GGML_I8, mat->panels, 1, 4 * WI_PANEL, k4, panels);
        pieces[n++] = piece(part, ".scale", WI_GGML_F32, mat->scale, 4, rows, 1, 1);
        pieces[n++] = piece(part, ".sum", WI_GGML_I32, mat->sum, 4, rows, 1, 1);
        if (mat->n_apart) {
            pieces[n++] = piece(part, ".apart", WI_GGML_I32, mat->apart, 4, mat->n_apart, 1, 1);
            pieces[n++] = piece(part, ".apart.w", WI_GGML_F32, mat->apart_panels, 4, WI_PANEL,
                                mat->n_apart, panels);
        }
    } else {
        pieces[n++] = piece(part, ".w", ggml_types[mat->type], mat->panels, type_bytes[mat->type],
                            WI_PANEL, mat->k, panels);
    }
    if (mat->bias)
        pieces[n++] = piece(part, ".b", WI_GGML_F32, mat->bias, 4, rows, 1, 1);
    return n;
}

size_t wi_part_pieces(const wi_part *part, wi_piece pieces[WI_MAX_PIECES])
{
    if (part->kind == WI_PART_VECTOR) {
        pieces[0] = piece(part, "", WI_GGML_F32, *part->vector, 4, wi_part_elements(part), 1, 1);
        return 1;
    }
    if (part->kind == WI_PART_TABLE) {
        const wi_table *table = part->table;
        pieces[0] = piece(part, "", ggml_types[table->type], table->rows, type_bytes[table->type],
                          part->k, part->n, 1);
        if (table->type != WI_MAT_S8)
            return 1;
        pieces[1] = piece(part, ".scale", WI_GGML_F32, table->scale, 4, part->n, 1, 1);
        return 2;
    }
    return mat_pieces(part, pieces);
}
