/* The whole public API. Link with pkg-config's `whatsit`. docs/ARCHITECTURE.md is the guided tour.
 */
#ifndef WHATSIT_WHATSIT_H
#define WHATSIT_WHATSIT_H

#include <whatsit/describe.h>
#include <whatsit/digest.h>
#include <whatsit/embed.h>
#include <whatsit/engine.h>
#include <whatsit/explain.h>
#include <whatsit/head.h>
#include <whatsit/image.h>
#include <whatsit/index.h>
#include <whatsit/labels.h>
#include <whatsit/metrics.h>
#include <whatsit/model.h>
#include <whatsit/places.h>
#include <whatsit/session.h>
#include <whatsit/sink.h>
#include <whatsit/status.h>
#include <whatsit/tensors.h>
#include <whatsit/tokenizer.h>
#include <whatsit/train.h>
#include <whatsit/vectors.h>

#endif
