// SPDX-License-Identifier: MIT
// The function of data/load.hpp.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "contexture/core/error.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/builtin.hpp"
#include "contexture/data/cifar.hpp"
#include "contexture/data/dataset.hpp"
#include "contexture/data/idx.hpp"
#include "contexture/data/image_folder.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/data/stl10.hpp"

namespace contexture {

CONTEXTURE_FUNCTION Dataset load_dataset(const std::string& what, const DataOptions& options) {
  require(options.image_size == 0 || (options.image_size >= 4 && options.image_size <= 1024),
          "load_dataset: image size ", options.image_size, ", expected 4 to 1024, or 0 for the size as stored");
  if (const auto set = builtin_set(what))
    return builtin_dataset(options.builtin_train, options.builtin_test, {*set, options.image_size, options.seed});
  const std::filesystem::path path = what;
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  require_input(!error, "data '", what, "': cannot be looked at: ", error.message());
  require_input(there, "data '", what, "': no such folder, expected 'builtin', 'builtin-64' or a folder");
  require_input(std::filesystem::is_directory(path, error), "data '", what,
                "': a file, expected 'builtin', 'builtin-64' or the folder that holds the data set's files");
  const bool nothing = std::filesystem::is_empty(path, error);
  require_input(!error, "data '", what, "': cannot be listed: ", error.message());
  require_input(!nothing, "data '", what,
                "': an empty folder, expected a data set's files or one folder for each class");

  const auto fit = [&options](const ImageSet& set) {
    return options.image_size > 0 ? resize_and_crop(set, options.image_size, options.image_size) : set;
  };
  const auto fitted = [&](Dataset data) {
    if (options.image_size > 0 && (data.train.height != options.image_size || data.train.width != options.image_size)) {
      data.notes.push_back(message("images of ", data.train.height, " x ", data.train.width, " were resized to ",
                                   options.image_size, " x ", options.image_size));
      data.train = fit(data.train);
      data.test = fit(data.test);
    }
    return data;
  };
  // The folder itself, or where the public archives and other tools put the files inside it.
  for (const char* inner :
       {"", "cifar-10-batches-bin", "cifar-100-binary", "stl10_binary", "raw", "MNIST/raw", "FashionMNIST/raw"}) {
    const std::filesystem::path folder = *inner == '\0' ? path : path / inner;
    if (!std::filesystem::is_directory(folder, error)) continue;
    if (detail::is_idx_folder(folder)) return fitted(detail::load_idx(folder));
    if (detail::is_cifar10_folder(folder)) return fitted(detail::load_cifar10(folder));
    if (detail::is_stl10_folder(folder)) return detail::load_stl10(folder, fit);
    if (detail::is_cifar100_folder(folder)) return fitted(detail::load_cifar100(folder));
  }
  return detail::load_image_folder(path, options);
}

}  // namespace contexture
