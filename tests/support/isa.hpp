// SPDX-License-Identifier: MIT
#pragma once

#include "contexture/core/cpu.hpp"
#include "support/catch.hpp"

namespace isa {

// Runs check() once with each instruction set that this processor has.
template <class F>
void on_every_one(F&& check) {
  const contexture::Isa before = contexture::active_isa();
  for (const contexture::Isa isa : {contexture::Isa::baseline, contexture::Isa::avx2, contexture::Isa::avx512}) {
    if (isa > contexture::supported_isa()) continue;
    contexture::set_isa(isa);
    INFO(contexture::to_string(isa));
    check();
  }
  contexture::set_isa(before);
}

}  // namespace isa
