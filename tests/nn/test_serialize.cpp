// SPDX-License-Identifier: MIT
// safetensors: round trip, strictness, and damaged files, each refused with a line that says why.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "contexture/nn/layers.hpp"
#include "contexture/nn/serialize.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

using namespace contexture;
using files::bytes_of, files::Folder;
namespace fs = std::filesystem;

namespace {

void write_raw(const fs::path& path, const std::string& header, const std::string& data) {
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << header << data;
}

std::string refusal(const fs::path& path) {
  return errors::refusal_of([&] { return read_safetensors(path); });
}

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("weights and metadata survive a round trip, buffers included") {
  const Folder folder;
  ResidualBlock<float> a(4, 8, {.stride = 2}, Rng(1));
  (void)a(Variable<float>(full<float>({2, 4, 4, 4}, 1.0F)));  // moves the running statistics
  save(a, folder.path / "w.safetensors", {{"classes", "cat\ndog"}});
  ResidualBlock<float> b(4, 8, {.stride = 2}, Rng(2));
  const LoadReport report = load(b, folder.path / "w.safetensors");
  CHECK(report.complete());
  CHECK(report.metadata.at("classes") == "cat\ndog");
  for (std::size_t i = 0; i < a.parameters().size(); ++i)
    CHECK(a.parameters()[i].variable.value() == b.parameters()[i].variable.value());
  for (std::size_t i = 0; i < a.buffers().size(); ++i) CHECK((*a.buffers()[i].tensor == *b.buffers()[i].tensor));
  save(b, folder.path / "again.safetensors", {{"classes", "cat\ndog"}});
  CHECK(bytes_of(folder.path / "w.safetensors") == bytes_of(folder.path / "again.safetensors"));
}

TEST_CASE("strict loading lists every difference and changes nothing; otherwise it reports") {
  const Folder folder;
  const fs::path file = folder.path / "w.safetensors";
  Sequential<float> a;
  a.add(Linear<float>(3, 4, Rng(1))).add(Linear<float>(4, 2, Rng(2))).add(BatchNorm<float>(2));
  save(a, file);
  Sequential<float> b;
  b.add(Linear<float>(3, 4, Rng(3)))
      .add(Linear<float>(4, 5, Rng(4)))
      .add(Relu<float>())
      .add(Linear<float>(5, 1, Rng(5)));
  const Tensor<float> before = b.parameters()[0].variable.value();
  CHECK_THROWS_WITH(load(b, file),
                    ContainsSubstring("2 missing: 3.weight, 3.bias") &&
                        ContainsSubstring("4 unexpected: 2.beta, 2.gamma, 2.running_mean, 2.running_variance") &&
                        ContainsSubstring("2 of another shape: 1.weight: file (4,2), module (4,5)"));
  CHECK(b.parameters()[0].variable.value() == before);
  Sequential<float> deep;  // ten names of each kind and no more
  for (std::uint64_t i = 0; i < 7; ++i) deep.add(Linear<float>(1, 1, Rng(i)));
  CHECK_THROWS_WITH(load(deep, file), ContainsSubstring("10 missing: 2.weight, 2.bias, 3.weight, 3.bias, 4.weight, "
                                                        "4.bias, 5.weight, 5.bias, 6.weight, 6.bias;"));
  deep.add(Linear<float>(1, 1, Rng(7)));
  CHECK_THROWS_WITH(load(deep, file), ContainsSubstring("12 missing: ") && ContainsSubstring("6.bias and 2 more;"));
  const LoadReport report = load(b, file, {.strict = false});
  CHECK(report.missing.size() == 2);
  CHECK(report.unexpected.size() == 4);
  CHECK(report.mismatched.size() == 2);
  CHECK(b.parameters()[0].variable.value() == a.parameters()[0].variable.value());
}

TEST_CASE("weights in another format are refused by its name") {
  const Folder folder;
  const fs::path f = folder.path / "model.pth";
  const std::string rest(700, '\1');
  for (const auto& [begin, name] :
       {std::pair<std::string, const char*>{std::string("PK\3\4\0\0\0\0", 8), "a zip file, as PyTorch"},
        {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46", "a pickle, as PyTorch"},
        {"\x89HDF\r\n\x1a\n", "an HDF5 file"},
        {"\x93NUMPY\1", "a NumPy file"},
        {std::string("GGUF\3\0\0\0", 8), "a GGUF file"}}) {
    std::ofstream(f, std::ios::binary) << begin << rest;
    CHECK_THAT(refusal(f),
               ContainsSubstring(f.string() + ": " + name) && ContainsSubstring(", expected safetensors weights"));
  }
  // A header whose length begins like a pickle: 640 is 0x280.
  write_raw(f, R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})" + std::string(640 - 54, ' '), "abcd");
  CHECK(refusal(f) == "accepted");
}

TEST_CASE("damaged files are refused with the reason") {
  const Folder folder;
  const fs::path f = folder.path / "bad.safetensors";
  const std::string eight(8, '\0');
  CHECK_THAT(refusal(folder.path / "absent"), ContainsSubstring("no such file"));
  CHECK_THAT(refusal(folder.path), ContainsSubstring("a folder, expected a file"));
  std::ofstream(f) << "abc";
  CHECK_THAT(refusal(f), ContainsSubstring("too short"));
  std::ofstream(f, std::ios::binary) << std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) << "{}";
  CHECK_THAT(refusal(f), ContainsSubstring("header length 9223372036854775807"));
  write_raw(f, "{}", "");
  CHECK(refusal(f) == "accepted");  // a file of no tensors
  write_raw(f, "1", "");
  CHECK_THAT(refusal(f), ContainsSubstring("header length 1 "));
  write_raw(f, "{nonsense", "");
  CHECK_THAT(refusal(f), ContainsSubstring("not a JSON object"));
  write_raw(f, "[1,2]", "");
  CHECK_THAT(refusal(f), ContainsSubstring("not a JSON object"));
  write_raw(f, R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("dtype F99"));
  write_raw(f, R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("data_offsets [0, 80]"));
  write_raw(f, R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight + eight);
  CHECK_THAT(refusal(f), ContainsSubstring("its shape (3) needs 12"));
  write_raw(f, R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("larger than the file"));
  write_raw(f, R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("not whole numbers"));
  write_raw(
      f,
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      eight + "1234");
  CHECK_THAT(refusal(f), ContainsSubstring("overlap at byte 4 of the data, at tensor 'b'"));
  write_raw(
      f,
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
      eight);
  CHECK_THAT(refusal(f), ContainsSubstring("overlap at byte 2"));
  write_raw(
      f,
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
      eight + "1234");
  CHECK_THAT(refusal(f), ContainsSubstring("gap"));
  write_raw(f, R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("4 bytes after the last tensor"));
  write_raw(f, R"({"a":{"shape":[1]}})", eight);
  CHECK_THAT(refusal(f), ContainsSubstring("lacks dtype, shape or data_offsets"));
}

TEST_CASE("every truncation of a good file is refused") {
  const Folder folder;
  Linear<float> layer(2, 3, Rng(1));
  save(layer, folder.path / "good.safetensors");
  const std::string good = bytes_of(folder.path / "good.safetensors");
  for (std::size_t n = 0; n < good.size(); ++n) {
    std::ofstream(folder.path / "cut.safetensors", std::ios::binary) << good.substr(0, n);
    CAPTURE(n);
    CHECK(refusal(folder.path / "cut.safetensors") != "accepted");
  }
}

TEST_CASE("any flipped bit of a file is refused, and the file's name is said") {
  const Folder folder;
  const fs::path path = folder.path / "flipped.safetensors";
  ResidualBlock<float> block(4, 8, {.stride = 2}, Rng(1));
  save(block, path, {{"classes", "cat\ndog"}});
  const std::string good = bytes_of(path);
  REQUIRE(refusal(path) == "accepted");
  const std::size_t header = good.find("running_variance") + 200;
  std::vector<std::size_t> bits;
  Rng rng(7);
  for (std::size_t byte = 0; byte < header; ++byte) bits.push_back(8 * byte + rng.below(8));
  for (int i = 0; i < 500; ++i) bits.push_back(rng.below(static_cast<std::uint32_t>(good.size() * 8)));
  for (const std::size_t bit : bits) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream(path, std::ios::binary) << bad;
    CAPTURE(bit);
    CHECK_THAT(refusal(path), ContainsSubstring("flipped.safetensors: "));
  }
  // Two tensors changed in ways that a sum would not see.
  std::string swapped = good;
  std::swap(swapped[good.size() - 3], swapped[good.size() - 7]);
  std::ofstream(path, std::ios::binary) << swapped;
  CHECK_THAT(refusal(path), swapped == good ? ContainsSubstring("accepted") : ContainsSubstring("damaged"));
}

TEST_CASE(
    "files of earlier versions, without a checksum, are read; one that another program wrote anew is told apart") {
  const Folder folder;
  const fs::path path = folder.path / "old.safetensors";
  const std::string tensor = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  write_raw(path, R"({"__metadata__":{"format":"contexture"},)" + tensor, std::string(8, '\0'));
  CHECK(refusal(path) == "accepted");
  write_raw(path, R"({"__metadata__":{"format":"contexture 2"},)" + tensor, std::string(8, '\0'));
  CHECK_THAT(refusal(path), ContainsSubstring("lacks contexture_checksum"));
  write_raw(path, R"({"__metadata__":{"contexture_checksum": "0123456789abcdef"},)" + tensor, std::string(8, '\0'));
  CHECK_THAT(refusal(path), ContainsSubstring("written anew by another program"));
}

TEST_CASE("weights that are not numbers are refused, and the module is left as it was") {
  const Folder folder;
  Linear<float> good(2, 3, Rng(1));
  const Tensor<float> before = good.parameters()[0].variable.value();
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Linear<float> bad(2, 3, Rng(2));
    bad.parameters()[0].variable.mutable_value().data()[4] = value;
    save(bad, folder.path / "nan.safetensors");
    CHECK_THROWS_WITH(load(good, folder.path / "nan.safetensors"),
                      ContainsSubstring("nan.safetensors: tensor 'weight' has ") &&
                          ContainsSubstring(" at index 4, expected finite numbers"));
    CHECK(good.parameters()[0].variable.value() == before);
  }
}

TEST_CASE("numbers of 16 bits are read as float, every one exactly") {
  const Folder folder;
  const fs::path path = folder.path / "half.safetensors";
  std::string all;  // 0x0000 to 0xffff
  for (unsigned i = 0; i < 65536; ++i) all += {static_cast<char>(i & 0xff), static_cast<char>(i >> 8)};
  for (const bool brain : {false, true}) {
    CAPTURE(brain);
    const int fraction = brain ? 7 : 10, bias = brain ? 127 : 15;
    write_raw(
        path,
        message(R"({"a":{"dtype":")", brain ? "BF16" : "F16", R"(","shape":[256,256],"data_offsets":[0,131072]}})"),
        all);
    const Tensor<float> a = read_safetensors(path).tensors.at("a");
    REQUIRE(a.shape() == Shape{256, 256});
    std::size_t wrong = 0;
    for (int i = 0; i < 65536; ++i) {
      const float got = a.data()[i];
      const int exponent = (i & 0x7fff) >> fraction, mantissa = i & ((1 << fraction) - 1);
      if (exponent == 2 * bias + 1)
        wrong += mantissa == 0 ? !std::isinf(got) : !std::isnan(got);
      else
        wrong += static_cast<double>(std::abs(got)) !=
                 std::ldexp(mantissa + (exponent > 0 ? 1 << fraction : 0), std::max(exponent, 1) - bias - fraction);
      wrong += std::signbit(got) != (i >= 0x8000);
    }
    CHECK(wrong == 0);
  }
  // By hand: 1, -2, 65504, 2^-24 and the nearest to a third; 1, -2, 3.389e38, 2^-133 and 0.33398.
  write_raw(path,
            R"({"f":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},"b":{"dtype":"BF16","shape":[5],)"
            R"("data_offsets":[10,20]}})",
            std::string("\x00\x3c\x00\xc0\xff\x7b\x01\x00\x55\x35\x80\x3f\x00\xc0\x7f\x7f\x01\x00\xab\x3e", 20));
  const TensorFile two = read_safetensors(path);
  const auto values = [&](const char* name) {
    const Tensor<float>& t = two.tensors.at(name);
    return std::vector<float>(t.data(), t.data() + t.size());
  };
  CHECK(values("f") == std::vector<float>{1, -2, 65504, 0x1p-24F, 0.333251953125F});
  CHECK(values("b") == std::vector<float>{1, -2, 0x1.fep127F, 0x1p-133F, 0.333984375F});
}

TEST_CASE("weights of 16 bits go into a module of float; their NaN, infinities and sizes are refused as float's are") {
  const Folder folder;
  const fs::path path = folder.path / "half.safetensors";
  const auto write = [&](const std::string& dtype, const std::string& weight, int bytes = 4) {
    write_raw(path,
              message(R"({"bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"weight":{"dtype":")", dtype,
                      R"(","shape":[2,1],"data_offsets":[4,)", 4 + bytes, "]}}"),
              std::string(4, '\0') + weight);
  };
  Linear<float> layer(2, 1, Rng(1));
  write("BF16", std::string("\x80\x3f\x00\xc0", 4));
  CHECK(load(layer, path).complete());
  CHECK(layer.parameters()[0].variable.value().data()[1] == -2);
  write("F16", std::string("\x00\x3c\x00\x42", 4));
  CHECK(load(layer, path).complete());
  CHECK(layer.parameters()[0].variable.value().data()[1] == 3);
  for (const auto& [dtype, bad] : {std::pair<const char*, const char*>{"BF16", "\x80\x7f"},
                                   {"BF16", "\xc1\xff"},
                                   {"F16", "\x01\xfc"},
                                   {"F16", "\x01\x7c"}}) {
    write(dtype, std::string("\0\0", 2) + bad);
    CHECK_THROWS_WITH(load(layer, path), ContainsSubstring("tensor 'weight' has ") &&
                                             ContainsSubstring(" at index 1, expected finite numbers"));
  }
  CHECK(layer.parameters()[0].variable.value().data()[1] == 3);
  write("F16", std::string(8, '\0'), 8);
  CHECK_THAT(refusal(path), ContainsSubstring("has 8 bytes, its shape (2,1) needs 4"));
  write("F8_E4M3", std::string(2, '\0'), 2);
  CHECK_THAT(refusal(path), ContainsSubstring("dtype F8_E4M3, expected F32, F64, F16 or BF16"));
  // Written is float.
  save(layer, path);
  CHECK_THAT(bytes_of(path), ContainsSubstring(R"("dtype":"F32")") && !ContainsSubstring("F16"));
}

TEST_CASE("a former file is kept under the name that is asked for") {
  const Folder folder;
  const fs::path path = folder.path / "a.safetensors", former = folder.path / "former.safetensors";
  for (const float value : {1.0F, 2.0F, 3.0F}) {
    const Tensor<float> tensor = full<float>({2}, value);
    write_safetensors(path, {{"a", &tensor}}, {}, former);
    CHECK(read_safetensors(path).tensors.at("a").data()[0] == value);
    CHECK(fs::exists(former) == (value > 1));
    if (value > 1) CHECK(read_safetensors(former).tensors.at("a").data()[0] == value - 1);
  }
  // As a kill between the two renamings leaves it: both names are of one file.
  fs::remove(former);
  fs::create_hard_link(path, former);
  const Tensor<float> tensor = full<float>({2}, 4.0F);
  write_safetensors(path, {{"a", &tensor}}, {}, former);
  CHECK(read_safetensors(former).tensors.at("a").data()[0] == 3);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 2);
}

TEST_CASE("a failed write leaves nothing half-written") {
  const Folder folder;
  Linear<float> layer(2, 3, Rng(1));
  std::ofstream(folder.path / "file") << "x";
  CHECK_THROWS_AS(save(layer, folder.path / "file" / "w.safetensors"), InputError);
  CHECK_THROWS_AS(save(layer, folder.path / "absent" / "w.safetensors"), InputError);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) ++entries;
  CHECK(entries == 1);
}

TEST_CASE("threads that save under one name leave one of the files whole") {
  const Folder folder;
  const fs::path path = folder.path / "shared.safetensors";
  std::vector<std::thread> writers;
  for (const std::size_t n : {std::size_t{10}, std::size_t{200'000}})
    writers.emplace_back([&path, tensor = full<float>({n}, static_cast<float>(n))] {
      for (int i = 0; i < 20; ++i) write_safetensors(path, {{"a", &tensor}});
    });
  for (std::thread& writer : writers) writer.join();
  const TensorFile file = read_safetensors(path);
  const Tensor<float>& a = file.tensors.at("a");
  CHECK(a.data()[a.size() - 1] == static_cast<float>(a.size()));
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}
