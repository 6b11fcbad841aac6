// SPDX-License-Identifier: MIT
// The page that lies beside a weight file.
#include "contexture/report/model_card.hpp"
#include "support/catch.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

TEST_CASE("a model card says what the weight file says, in YAML and in words") {
  report::ModelCard card{.file = "classifier.safetensors",
                         .network = {.width = 16},
                         .images = {32, 24, {{0.5F, 0.25F, 0.125F}, {0.25F, 0.25F, 0.25F}}},
                         .origin = {.pretext = "SimCLR",
                                    .pretext_data = {"many", "0a"},
                                    .data = {"a \"quoted\"\nset | of `photos`", "0b"},
                                    .accuracy = 0.87654,
                                    .accuracy_of = "2000 test images"},
                         .precision = Precision::bfloat16,
                         .class_names = {"cat", "two\nlines"},
                         .usage = "predict it\n"};
  const std::string text = report::model_card(card);
  CHECK_THAT(text, StartsWith("---\nlibrary_name: contexture\npipeline_tag: image-classification\ntags:\n- resnet\n"
                              "- self-supervised\n- \"SimCLR\"\nmodel-index:\n- name: \"classifier.safetensors\"\n"));
  CHECK_THAT(text, ContainsSubstring("      name: \"a \\\"quoted\\\"\\nset | of `photos`\"\n"));
  CHECK_THAT(text, ContainsSubstring("    - type: accuracy\n      value: 0.8765\n"));
  CHECK_THAT(text,
             ContainsSubstring("\n---\n\n# classifier.safetensors\n\nAn image classifier made with Contexture, for "
                               "images of 32 x 24 pixels and 3 channels.\n"));
  CHECK_THAT(text, ContainsSubstring("| Pre-trained without labels by | `SimCLR` on `many` (fingerprint 0a) |\n"));
  CHECK_THAT(text,
             ContainsSubstring("| Trained with labels on | `a \"quoted\" set   of  photos ` (fingerprint 0b) |\n"));
  CHECK_THAT(text, ContainsSubstring("| Accuracy | 87.65 % (2000 test images) |\n"));
  CHECK_THAT(text, ContainsSubstring("mean 0.5000, 0.2500, 0.1250; standard deviation 0.2500, 0.2500, 0.2500"));
  CHECK_THAT(text, ContainsSubstring("\nClasses: `cat`, `two lines`.\n\n```\npredict it\n```\n"));

  card.class_names.clear();
  card.origin = {};
  card.images.normalization = {};
  const std::string encoder = report::model_card(card);
  CHECK_THAT(encoder, StartsWith("---\nlibrary_name: contexture\npipeline_tag: image-feature-extraction\ntags:\n"
                                 "- resnet\n---\n"));
  for (const char* unknown : {"Accuracy", "labels", "normalised", "Classes", "model-index", "fingerprint"})
    CHECK(encoder.find(unknown) == std::string::npos);
}
