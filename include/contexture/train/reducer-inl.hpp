// SPDX-License-Identifier: MIT
// Which Reducer a group needs.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "contexture/train/bucket_reducer.hpp"
#include "contexture/train/reducer.hpp"

namespace contexture {

CONTEXTURE_FUNCTION std::unique_ptr<Reducer> make_reducer(ProcessGroup& group,
                                                          std::vector<NamedParameter<float>> parameters,
                                                          Precision travel) {
  if (group.size() == 1) return std::make_unique<Reducer>();
  return std::make_unique<BucketReducer>(group, std::move(parameters), travel);
}

}  // namespace contexture
