#include "bench/sipgen/socket_io.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace sipfront::sipgen {
namespace {

constexpr int socket_buffer = 16 << 20;

core::Error failure(std::string_view what) { return {fmt::format("{}: {}", what, std::strerror(errno))}; }

socklen_t length_of(const sockaddr_in6& a) { return a.sin6_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

sockaddr_in6 to_sockaddr(const core::Endpoint& e) {
    sockaddr_in6 out{};
    if (e.address.is_v6()) {
        out.sin6_family = AF_INET6;
        out.sin6_port = htons(e.port);
        std::memcpy(&out.sin6_addr, e.address.bytes().data(), 16);
    } else {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(e.port);
        v4.sin_addr.s_addr = htonl(e.address.v4_host_order());
        std::memcpy(&out, &v4, sizeof v4);
    }
    return out;
}

// This thread in another network namespace for a while.
class Stay {
public:
    explicit Stay(const std::string& name) {
        if (name.empty()) return;
        home_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        const int there = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
        if (home_ < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0) error_ = errno;
        if (there >= 0) ::close(there);
    }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay() {
        if (home_ < 0) return;
        (void)setns(home_, CLONE_NEWNET);
        ::close(home_);
    }
    [[nodiscard]] int error() const { return error_; }

private:
    int home_ = -1, error_ = 0;
};

}  // namespace

SocketIo::SocketIo() : memory_((burst + traffic::Outgoing::burst) * room), outgoing_{&SocketIo::flush, this} {}

SocketIo::~SocketIo() {
    for (const int s : sockets_) ::close(s);
    if (epoll_ >= 0) ::close(epoll_);
}

core::Result<std::unique_ptr<SocketIo>> SocketIo::open(const traffic::Config& config, const Where& where) {
    std::unique_ptr<SocketIo> io{new SocketIo};
    io->epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (io->epoll_ < 0) return failure("epoll");
    io->peers_.reserve(most_peers);
    io->peers_.push_back(to_sockaddr(config.target));
    for (const auto& [name, addresses] : {std::pair{where.client_netns, config.clients}, std::pair{where.host_netns, config.hosts}}) {
        const Stay stay{name};
        if (stay.error() != 0) return core::Error{fmt::format("network namespace \"{}\": {}", name, std::strerror(stay.error()))};
        for (const auto& a : addresses) {
            if (auto s = io->add(a); !s) return s.error();
        }
    }
    io->tx_.resize(io->sockets_.size());
    for (std::size_t i = 0; i < burst; ++i) {
        io->rx_iov_[i] = {io->memory_.data() + i * room, room};
        io->rx_[i].msg_hdr = {
            .msg_name = &io->rx_from_[i], .msg_namelen = sizeof(sockaddr_in6), .msg_iov = &io->rx_iov_[i], .msg_iovlen = 1};
    }
    io->lend();
    return io;
}

core::Status SocketIo::add(const core::Endpoint& local) {
    const int s = ::socket(local.address.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) return failure("socket");
    sockets_.push_back(s);
    // Without the privilege the system's limit applies.
    for (const auto& [forced, plain] : {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
        if (setsockopt(s, SOL_SOCKET, forced, &socket_buffer, sizeof socket_buffer) != 0) {
            (void)setsockopt(s, SOL_SOCKET, plain, &socket_buffer, sizeof socket_buffer);
        }
    }
    const auto address = to_sockaddr(local);
    if (bind(s, reinterpret_cast<const sockaddr*>(&address), length_of(address)) != 0) return failure("bind to " + local.to_string());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(sockets_.size() - 1);
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, s, &event) != 0) return failure("epoll");
    return core::Done{};
}

traffic::Peer SocketIo::peer(const sockaddr_in6& address) {
    const auto length = length_of(address);
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        if (std::memcmp(&peers_[i], &address, length) == 0) return static_cast<traffic::Peer>(i);
    }
    if (peers_.size() < most_peers) peers_.push_back(address);
    return static_cast<traffic::Peer>(peers_.size() - 1);
}

// One socket a call, each in turn while they have something.
std::size_t SocketIo::receive(std::span<traffic::In> in) {
    if (ready_next_ == ready_count_) {
        std::array<epoll_event, burst> events;
        const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
        ready_next_ = 0;
        ready_count_ = static_cast<std::size_t>(std::max(n, 0));
        for (std::size_t i = 0; i < ready_count_; ++i) ready_[i] = static_cast<traffic::Party>(events[i].data.u32);
    }
    if (ready_next_ == ready_count_) return 0;
    const auto party = ready_[ready_next_++];
    const auto most = static_cast<unsigned>(std::min(in.size(), burst));
    for (unsigned i = 0; i < most; ++i) rx_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    const int n = recvmmsg(sockets_[party], rx_.data(), most, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        in[at] = {memory_.data() + at * room, rx_[at].msg_len, party, peer(rx_from_[at])};
    }
    const auto count = static_cast<std::size_t>(std::max(n, 0));
    counts_.received += count;
    return count;
}

void SocketIo::wait(core::Duration d) {
    const timespec t{0, static_cast<long>(std::min<core::Duration>(d, std::chrono::milliseconds{1}).count())};
    std::array<epoll_event, 1> event;
    (void)epoll_pwait2(epoll_, event.data(), 1, &t, nullptr);
}

void SocketIo::lend() {
    std::array<traffic::Out, traffic::Outgoing::burst> rooms;
    for (std::size_t i = 0; i < rooms.size(); ++i) rooms[i] = {memory_.data() + (burst + i) * room, room};
    outgoing_.lend(rooms);
}

void SocketIo::flush(void* self, traffic::Outgoing& out) {
    auto& io = *static_cast<SocketIo*>(self);
    std::size_t used = 0;
    for (const auto& o : out.filled()) {
        auto& to = io.peers_[o.to];
        io.tx_iov_[used] = {o.data, o.length};
        mmsghdr message{};
        message.msg_hdr = {.msg_name = &to, .msg_namelen = length_of(to), .msg_iov = &io.tx_iov_[used], .msg_iovlen = 1};
        io.tx_[o.from].push_back(message);
        ++used;
    }
    for (std::size_t p = 0; p < io.tx_.size() && used > 0; ++p) {
        if (io.tx_[p].empty()) continue;
        io.send(static_cast<traffic::Party>(p), io.tx_[p]);
        io.tx_[p].clear();
    }
    io.lend();
}

void SocketIo::send(traffic::Party from, std::span<mmsghdr> messages) {
    constexpr int attempts = 1000;
    for (int attempt = 0; !messages.empty() && attempt < attempts; ++attempt) {
        const int n = sendmmsg(sockets_[from], messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT);
        if (n > 0) {
            counts_.sent += static_cast<std::uint64_t>(n);
            messages = messages.subspan(static_cast<std::size_t>(n));
        } else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
            // An ICMP error of an earlier datagram, or a route that is missing: this one is lost.
            ++counts_.send_dropped;
            messages = messages.subspan(1);
        }
    }
    counts_.send_dropped += messages.size();
}

}  // namespace sipfront::sipgen
