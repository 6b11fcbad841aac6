// SPDX-License-Identifier: MIT
// Fields in the wire format of Protocol Buffers, against the examples of its description.
#include <cstdint>
#include <limits>
#include <string>

#include "contexture/core/protobuf.hpp"
#include "support/catch.hpp"

using namespace contexture;
using std::string_literals::operator""s;

TEST_CASE("fields are encoded as in the format's description") {
  CHECK(ProtobufMessage().integer(1, 150).bytes() == "\x08\x96\x01"s);
  CHECK(ProtobufMessage().text(2, "testing").bytes() == "\x12\x07testing"s);
  CHECK(ProtobufMessage().message(3, ProtobufMessage().integer(1, 150)).bytes() == "\x1a\x03\x08\x96\x01"s);
  CHECK(ProtobufMessage().number(1, 1.0F).bytes() == "\x0d\x00\x00\x80\x3f"s);
  CHECK(ProtobufMessage().integer(1, 0).integer(1, 1).bytes() == "\x08\x00\x08\x01"s);
}

TEST_CASE("numbers take a byte for seven bits, negative ones ten; fields beyond 15 two") {
  CHECK(ProtobufMessage().integer(1, 127).bytes() == "\x08\x7f"s);
  CHECK(ProtobufMessage().integer(1, 128).bytes() == "\x08\x80\x01"s);
  CHECK(ProtobufMessage().integer(1, 16383).bytes() == "\x08\xff\x7f"s);
  CHECK(ProtobufMessage().integer(1, 16384).bytes() == "\x08\x80\x80\x01"s);
  CHECK(ProtobufMessage().integer(1, -1).bytes() == "\x08"s + std::string(9, '\xff') + "\x01");
  CHECK(ProtobufMessage().integer(1, std::numeric_limits<std::int64_t>::max()).bytes() ==
        "\x08"s + std::string(8, '\xff') + "\x7f");
  CHECK(ProtobufMessage().integer(15, 0).bytes() == "\x78\x00"s);
  CHECK(ProtobufMessage().integer(16, 0).bytes() == "\x80\x01\x00"s);
}
