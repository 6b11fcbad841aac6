// SPDX-License-Identifier: MIT
#include "common/commands.hpp"

namespace programs {
namespace {

constexpr Command kCommands[] = {
    {"experiments", "pre-train, then classify with 100, 50 and 10 % of the labels: from scratch and pre-trained",
     experiments},
    {"experiment1_all_labels", "the experiment with all labels alone", experiment1_all_labels},
    {"experiment2_half_labels", "the one with half of the labels", experiment2_half_labels},
    {"experiment3_tenth_labels", "the one with a tenth of the labels", experiment3_tenth_labels},
    {"pretrain", "train an encoder without labels", pretrain},
    {"classify", "from an encoder and a few labels to an answer for every image", classify},
    {"predict", "what a trained classifier says about image files", predict},
    {"probe", "what an encoder's frozen features are worth", probe},
    {"diagnose", "whether context prediction is solved by a shortcut", diagnose},
    {"export", "write an encoder or classifier as an ONNX file", export_model},
    {"report", "finished runs side by side, and their curves for TensorBoard", report},
    {"pack", "a folder of images to tar shards, and back", pack},
    {"completion", "what bash or zsh needs to complete these words", completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace programs
