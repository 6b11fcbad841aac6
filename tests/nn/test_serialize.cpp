// safetensors: round trip, strictness, and damaged files, each refused with a line that says why.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "contexture/nn/layers.hpp"
#include "contexture/nn/serialize.hpp"
#include "support/catch.hpp"

using namespace contexture;
namespace fs = std::filesystem;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("contexture-serialize-" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_raw(const fs::path& path, const std::string& header, const std::string& data) {
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = header.size();
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << header << data;
}

std::string refusal(const fs::path& path) {
  try {
    (void)read_safetensors(path);
  } catch (const InputError& e) {
    return e.what();
  }
  return "accepted";
}

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("weights and metadata survive a round trip, buffers included") {
  const TemporaryFolder folder;
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
  const TemporaryFolder folder;
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
  const LoadReport report = load(b, file, {.strict = false});
  CHECK(report.missing.size() == 2);
  CHECK(report.unexpected.size() == 4);
  CHECK(report.mismatched.size() == 2);
  CHECK(b.parameters()[0].variable.value() == a.parameters()[0].variable.value());
}

TEST_CASE("damaged files are refused with the reason") {
  const TemporaryFolder folder;
  const fs::path f = folder.path / "bad.safetensors";
  const std::string eight(8, '\0');
  CHECK_THAT(refusal(folder.path / "absent"), ContainsSubstring("no such file"));
  CHECK_THAT(refusal(folder.path), ContainsSubstring("a folder, expected a file"));
  std::ofstream(f) << "abc";
  CHECK_THAT(refusal(f), ContainsSubstring("too short"));
  std::ofstream(f, std::ios::binary) << std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) << "{}";
  CHECK_THAT(refusal(f), ContainsSubstring("header length 9223372036854775807"));
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
  CHECK_THAT(refusal(f), ContainsSubstring("overlap at tensor 'b'"));  // before memory is taken for it
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
  const TemporaryFolder folder;
  Linear<float> layer(2, 3, Rng(1));
  save(layer, folder.path / "good.safetensors");
  const std::string good = bytes_of(folder.path / "good.safetensors");
  for (std::size_t n = 0; n < good.size(); ++n) {
    std::ofstream(folder.path / "cut.safetensors", std::ios::binary) << good.substr(0, n);
    CAPTURE(n);
    CHECK(refusal(folder.path / "cut.safetensors") != "accepted");
  }
}

TEST_CASE("a failed write leaves nothing half-written") {
  const TemporaryFolder folder;
  Linear<float> layer(2, 3, Rng(1));
  std::ofstream(folder.path / "file") << "x";
  CHECK_THROWS_AS(save(layer, folder.path / "file" / "w.safetensors"), InputError);
  CHECK_THROWS_AS(save(layer, folder.path / "absent" / "w.safetensors"), InputError);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) ++entries;
  CHECK(entries == 1);
}

TEST_CASE("threads that save under one name leave one of the files whole") {
  const TemporaryFolder folder;
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
