// SPDX-License-Identifier: MIT
// The fuzz targets of files with weights, and what they begin with.
#include <string>

#include "contexture/core/tensor.hpp"
#include "contexture/nn/safetensors.hpp"
#include "contexture/study/checkpoint.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/weight_targets.hpp"

namespace fuzz {
namespace {

void write_weight_seeds(const SeedWriter& write) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},)"
      R"("b":{"dtype":"F16","shape":[16],"data_offsets":[32,64]}})";
  write("safetensors_header", "two", header);
  write("safetensors_header", "doubles", std::string(R"({"x":{"dtype":"F64","shape":[8],"data_offsets":[0,64]}})"));
  write("safetensors_header", "brain",
        std::string(R"({"x":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
                    R"("y":{"dtype":"F32","shape":[0,3],"data_offsets":[2,2]},)"
                    R"("z":{"dtype":"BF16","shape":[31],"data_offsets":[2,64]}})"));
  write("safetensors", "two", safetensors_file(header, std::string(64, '\x3f')));
  const contexture::Tensor<float> numbers = contexture::full<float>({3}, 0.5F);
  const std::filesystem::path path = scratch() / "seed.safetensors";
  contexture::write_safetensors(path, {{"a", &numbers}}, {{"kind", "encoder"}});
  write("safetensors", "checked", content_of(path));
  for (const char* const begin :
       {"PK\3\4 and more of a zip", "\x89HDF\r\n\x1a\n", "\x93NUMPY of another kind", "GGUF of another kind"})
    write("safetensors",
          begin[1] == 'K'   ? "zip"
          : begin[1] == 'H' ? "hdf5"
          : begin[1] == 'N' ? "numpy"
                            : "gguf",
          std::string(begin));
  const std::string classes =
      R"({"classes":["cat","dog"],"height":8,"width":8,"mean":[0.5],"stddev":[0.25],"mirror":true})";
  for (const char* const network : {"resnet", "resnet18", "convnext"})
    write("classifier", network,
          R"({"network":")" + std::string(network) +
              R"(","in_channels":1,"width":2,"stages":1,"blocks_per_stage":1,"affine":true,"norm":"batch"})" + "\n" +
              classes + "\nfloat32\n");
  write("classifier", "origin",
        R"({"in_channels":1,"width":2,"stages":1,"blocks_per_stage":1,"affine":true})"
        "\n"
        R"({"classes":["a \"quoted\" cat","dog"],"mirror":true})"
        "\nbfloat16\n"
        R"({"height":8,"width":8,"channels":1,"mean":[0.5],"stddev":[0.25]})"
        "\n" +
            std::string(R"({"pretext":{"task":"SimCLR","dataset":{"name":"photos","fingerprint":"0af"}},)"
                        R"("dataset":{"name":"photos"},"accuracy":0.5,"accuracy_of":"8 test images"})") +
            "\n");
  contexture::RunState state;
  state.config = {{"epochs", "10"}, {"width", "16"}};
  state.history = {{{12, 0.3, 0.5, "validation", 2.1, 0.125, 0.25}, contexture::pretraining_phase(1)}};
  state.fit.rows = {{40, 2.5, 9.75, "train", 0.5, 0.6, 0.7}};
  state.phase = contexture::PhaseId{1, contexture::Arm::pretrained, 1};
  state.arms[{1.0, contexture::Arm::scratch, 1}] = {};
  contexture::write_checkpoint(path, state);
  write("checkpoint", "under-way", contexture::read_safetensors(path).metadata.at("state"));
  contexture::write_checkpoint(path, {});
  write("checkpoint", "empty", contexture::read_safetensors(path).metadata.at("state"));
}

}  // namespace

std::vector<Target> targets() { return weight_targets(); }

void write_seeds(const SeedWriter& write) {
  write_weight_seeds(write);
  const std::vector<std::string> words{
      "\"dtype\":", "\"shape\":", "\"data_offsets\":",   "\"__metadata__\":", "\"F32\"", "\"F64\"", "\"F16\"",
      "\"BF16\"",   "[0,64]",     "18446744073709551615"};
  write.dictionary("safetensors", words);
  write.dictionary("safetensors_header", words);
  write.dictionary("classifier", {"\"network\":", "\"resnet\"", "\"convnext\"",
                                  "\"in_channels\":", "\"width\":", "\"stages\":", "\"classes\":[", "\"mean\":[",
                                  "\"stddev\":[", "\"mirror\":", "\"pretext\":", "bfloat16"});
  write.dictionary("checkpoint",
                   {"\"format\":", "\"config\":", "\"history\":", "\"phase\":", "\"arms\":", "null", "1e308"});
}

}  // namespace fuzz
