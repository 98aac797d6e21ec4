/* The colours that an HEVC bitstream tells of itself, which cameras leave out of the boxes. */
#ifndef WI_IMAGE_SPS_H
#define WI_IMAGE_SPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the body of an hvcC box. false: nothing is said, or it cannot be read.
 * Source: ITU-T H.265 7.3.2.2 and E.2.1, ISO/IEC 14496-15 8.3.3.1 */
bool wi_sps_colors(const uint8_t *hvcc, size_t n_bytes, unsigned *primaries, unsigned *transfer);

#endif
