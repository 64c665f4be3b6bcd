#include "kernel_fixture.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace sipfront::kni::testing {
namespace {

constexpr std::array<std::uint8_t, 2> arp_type{0x08, 0x06};
constexpr std::array<std::uint8_t, 2> ipv6_type{0x86, 0xdd};

bool has_type(const Frame& f, const std::array<std::uint8_t, 2>& type) { return f.size() >= 14 && f[12] == type[0] && f[13] == type[1]; }

core::IpAddress address_at(const Frame& f, std::size_t offset, bool v6) {
    if (v6) return core::IpAddress::v6(std::span<const std::uint8_t, 16>{f.data() + offset, 16});
    return core::IpAddress::v4((std::uint32_t{f[offset]} << 24) | (std::uint32_t{f[offset + 1]} << 16) |
                               (std::uint32_t{f[offset + 2]} << 8) | f[offset + 3]);
}

void put(Frame& f, std::span<const std::uint8_t> bytes) { f.insert(f.end(), bytes.begin(), bytes.end()); }

Frame arp_reply(const Frame& request, const dpdk::MacAddress& mac) {
    Frame reply;
    put(reply, {request.data() + 6, 6});
    put(reply, mac.octets);
    put(reply, {request.data() + 12, 8});  // type, hardware, protocol, lengths
    put(reply, std::array<std::uint8_t, 2>{0, 2});
    put(reply, mac.octets);
    put(reply, {request.data() + 38, 4});
    put(reply, {request.data() + 22, 10});
    return reply;
}

std::uint16_t icmp6_checksum(const Frame& f) {
    std::uint32_t sum = static_cast<std::uint32_t>(f.size() - 54) + 58;
    for (std::size_t i = 22; i + 1 < f.size(); i += 2) sum += (std::uint32_t{f[i]} << 8) | f[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

// RFC 4861 4.4: solicited, override, with the target's link-layer address.
Frame neighbour_advertisement(const Frame& solicitation, const dpdk::MacAddress& mac) {
    Frame reply;
    put(reply, {solicitation.data() + 6, 6});
    put(reply, mac.octets);
    put(reply, ipv6_type);
    put(reply, std::array<std::uint8_t, 8>{0x60, 0, 0, 0, 0, 32, 58, 255});
    put(reply, {solicitation.data() + 62, 16});
    put(reply, {solicitation.data() + 22, 16});
    put(reply, std::array<std::uint8_t, 8>{136, 0, 0, 0, 0x60, 0, 0, 0});
    put(reply, {solicitation.data() + 62, 16});
    put(reply, std::array<std::uint8_t, 2>{2, 1});
    put(reply, mac.octets);
    const auto sum = icmp6_checksum(reply);
    reply[56] = static_cast<std::uint8_t>(sum >> 8);
    reply[57] = static_cast<std::uint8_t>(sum);
    return reply;
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

TestTap::TestTap(const std::string& interface) : fd_{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)} {
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    EXPECT_GE(fd_.get(), 0) << "/dev/net/tun: " << std::strerror(errno);
    EXPECT_EQ(::ioctl(fd_.get(), TUNSETIFF, &request), 0) << "TUNSETIFF: " << std::strerror(errno);
}

std::vector<Frame> TestTap::receive() {
    std::vector<Frame> frames;
    std::array<std::uint8_t, 2048> buffer{};
    for (;;) {
        const auto size = ::read(fd_.get(), buffer.data(), buffer.size());
        if (size <= 0) return frames;
        frames.emplace_back(buffer.begin(), buffer.begin() + size);
    }
}

void TestTap::send(const Frame& frame) {
    EXPECT_EQ(::write(fd_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size())) << std::strerror(errno);
}

std::size_t TestTap::answer(const std::vector<core::IpAddress>& owned, const dpdk::MacAddress& mac) {
    const auto ours = [&](const core::IpAddress& a) { return std::ranges::find(owned, a) != owned.end(); };
    std::size_t answered = 0;
    for (const auto& frame : receive()) {
        if (has_type(frame, arp_type) && frame.size() >= 42 && frame[21] == 1 && ours(address_at(frame, 38, false))) {
            send(arp_reply(frame, mac));
            ++answered;
        } else if (has_type(frame, ipv6_type) && frame.size() >= 78 && frame[20] == 58 && frame[54] == 135 &&
                   ours(address_at(frame, 62, true))) {
            send(neighbour_advertisement(frame, mac));
            ++answered;
        }
    }
    return answered;
}

void NamespaceTest::SetUp() {
    ASSERT_EQ(::geteuid(), 0U) << "this test makes a network namespace: run it as root";
    home_ = Descriptor{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    ASSERT_GE(home_.get(), 0) << std::strerror(errno);
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "unshare(CLONE_NEWNET): " << std::strerror(errno);
}

void NamespaceTest::TearDown() {
    if (home_.get() < 0) return;
    ASSERT_EQ(::setns(home_.get(), CLONE_NEWNET), 0) << std::strerror(errno);
}

bool NamespaceTest::until(const std::function<bool()>& step) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!step()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 1);
    }
    return true;
}

core::Tick NamespaceTest::now() { return core::Tick{std::chrono::steady_clock::now().time_since_epoch()}; }

void NamespaceTest::write_setting(const std::string& path, std::string_view value) {
    std::ofstream file{path};
    file << value << std::flush;
    ASSERT_TRUE(file.good()) << path;
}

std::string NamespaceTest::read_setting(const std::string& path) {
    std::ifstream file{path};
    std::string value;
    std::getline(file, value);
    return value;
}

}  // namespace sipfront::kni::testing
