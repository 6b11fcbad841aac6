// SPDX-License-Identifier: MIT
// A wire between two network namespaces, as slow and as long as it is told to be; where the kernel has no netem,
// nothing else delays. Makes a TUN device `wire` in each, says "ready", and carries packets until it is killed.
//   wire NAMESPACE NAMESPACE MBIT_PER_SECOND MILLISECONDS     the delay is that of one way
// A packet waits for those before it, then takes its bytes / rate, then the delay. A megabyte may wait, as in the port
// of a switch; what comes beyond it is dropped. Linux only, for root.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t kWaiting = 1'000'000;  // bytes
constexpr std::size_t kHeader = 10;           // struct virtio_net_hdr, before each packet

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

std::int64_t now() {  // ns
  timespec t{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Packets come as TCP hands them to a network card that cuts them up itself: up to 64 KiB at once.
int make_device(const std::string& name_space) {
  const int place = ::open(("/run/netns/" + name_space).c_str(), O_RDONLY | O_CLOEXEC);
  if (place < 0 || ::setns(place, CLONE_NEWNET) != 0) fail(name_space);
  (void)::close(place);
  const int device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) fail("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  std::strcpy(request.ifr_name, "wire");
  if (::ioctl(device, TUNSETIFF, &request) != 0) fail("TUNSETIFF");
  if (::ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0) fail("TUNSETOFFLOAD");
  return device;
}

struct Packet {
  std::int64_t due;
  std::vector<char> bytes;
};

// One way.
class Way {
 public:
  Way(int from, int to, double bytes_per_ns, std::int64_t delay)
      : from_(from), to_(to), bytes_per_ns_(bytes_per_ns), delay_(delay), buffer_(1 << 17) {}

  void take_in() {
    for (;;) {
      const ssize_t size = ::read(from_, buffer_.data(), buffer_.size());
      if (size <= static_cast<ssize_t>(kHeader)) return;
      const std::int64_t time = now();
      free_at_ = std::max(free_at_, time);
      if (static_cast<double>(free_at_ - time) * bytes_per_ns_ > static_cast<double>(kWaiting)) continue;
      free_at_ += static_cast<std::int64_t>(static_cast<double>(size - static_cast<ssize_t>(kHeader)) / bytes_per_ns_);
      packets_.push_back({free_at_ + delay_, {buffer_.begin(), buffer_.begin() + size}});
    }
  }
  void hand_out() {
    for (; !packets_.empty() && packets_.front().due <= now(); packets_.pop_front())
      if (::write(to_, packets_.front().bytes.data(), packets_.front().bytes.size()) < 0 && errno != EAGAIN &&
          errno != EIO)  // EIO: the device is down
        fail("write");
  }
  [[nodiscard]] std::int64_t next() const { return packets_.empty() ? INT64_MAX : packets_.front().due; }

 private:
  int from_, to_;
  double bytes_per_ns_;
  std::int64_t delay_, free_at_ = 0;
  std::vector<char> buffer_;
  std::deque<Packet> packets_;
};

void carry(int a, int b, double bytes_per_ns, std::int64_t delay) {
  Way there(a, b, bytes_per_ns, delay), back(b, a, bytes_per_ns, delay);
  for (;;) {
    there.take_in();
    back.take_in();
    there.hand_out();
    back.hand_out();
    const std::int64_t wait = std::clamp<std::int64_t>(std::min(there.next(), back.next()) - now(), 0, 1'000'000'000);
    const timespec limit{wait / 1'000'000'000, wait % 1'000'000'000};
    std::array<pollfd, 2> devices{{{a, POLLIN, 0}, {b, POLLIN, 0}}};
    if (::ppoll(devices.data(), devices.size(), &limit, nullptr) < 0 && errno != EINTR) fail("ppoll");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const double mbit = argc == 5 ? std::atof(argv[3]) : 0, milliseconds = argc == 5 ? std::atof(argv[4]) : -1;
  if (mbit <= 0 || milliseconds < 0)
    return std::fputs("wire: expected NAMESPACE NAMESPACE MBIT_PER_SECOND MILLISECONDS\n", stderr), 2;
  (void)::prctl(PR_SET_TIMERSLACK, 1);
  const int a = make_device(argv[1]), b = make_device(argv[2]);
  std::puts("ready");
  std::fflush(stdout);
  carry(a, b, mbit * 1e6 / 8 / 1e9, static_cast<std::int64_t>(milliseconds * 1e6));
} catch (const std::exception& error) {
  std::fprintf(stderr, "wire: %s\n", error.what());
  return 1;
}
