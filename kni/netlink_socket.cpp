#include "kni/netlink_socket.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sipfront::kni {
namespace {

// The kernel fills up to 32 KiB of a dump at once when the reader has the room.
constexpr std::size_t read_size = 32'768;

core::Error failed(const char* what) { return {std::string{"netlink: "} + what + ": " + std::strerror(errno)}; }

// Calls `visit` for each message of a datagram until it returns false.
template <class Visit>
bool walk(const char* data, std::size_t size, Visit&& visit) {
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(data); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left))
        if (!visit(*message)) return false;
    return true;
}

int error_of(const nlmsghdr& message) {
    if (mnl_nlmsg_get_payload_len(&message) < sizeof(int)) return EBADMSG;
    int code = 0;
    std::memcpy(&code, mnl_nlmsg_get_payload(&message), sizeof code);
    return code < 0 ? -code : code;
}

}  // namespace

void NetlinkSocket::Close::operator()(mnl_socket* s) const noexcept { mnl_socket_close(s); }

NetlinkSocket::NetlinkSocket(mnl_socket* s) : socket_{s}, buffer_(read_size) {}

core::Result<NetlinkSocket> NetlinkSocket::bound(mnl_socket* s) {
    NetlinkSocket socket{s};
    if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) return failed("bind");
    return socket;
}

core::Result<NetlinkSocket> NetlinkSocket::open() {
    auto* s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (s == nullptr) return failed("cannot open a socket");
    auto socket = bound(s);
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    if (socket && setsockopt(socket->fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) return failed("SO_RCVTIMEO");
    return socket;
}

core::Result<NetlinkSocket> NetlinkSocket::subscribe(std::span<const int> groups, std::size_t buffer) {
    auto* s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s == nullptr) return failed("cannot open a socket");
    auto socket = bound(s);
    if (!socket) return socket;
    const int size = static_cast<int>(buffer);
    // Beyond rmem_max only with CAP_NET_ADMIN, which whoever manages an interface has anyway.
    if (size != 0 && setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) return failed("SO_RCVBUFFORCE");
    for (auto group : groups)
        if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) return failed("cannot subscribe");
    return socket;
}

int NetlinkSocket::fd() const noexcept { return mnl_socket_get_fd(socket_.get()); }

int NetlinkSocket::send(NetlinkRequest& request) {
    request.header().nlmsg_seq = ++sequence_;
    while (mnl_socket_sendto(socket_.get(), &request.header(), request.header().nlmsg_len) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

int NetlinkSocket::request(NetlinkRequest request) {
    request.header().nlmsg_flags |= NLM_F_ACK;
    if (const auto error = send(request); error != 0) return error;
    return answers([](const nlmsghdr&) {});
}

int NetlinkSocket::dump(NetlinkRequest request, const OnMessage& on_message) {
    if (const auto error = send(request); error != 0) return error;
    return answers(on_message);
}

int NetlinkSocket::answers(const OnMessage& on_message) {
    bool interrupted = false;
    int result = 0;
    for (;;) {
        const auto size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
        const auto more = walk(buffer_.data(), static_cast<std::size_t>(size), [&](const nlmsghdr& message) {
            // Left over from a request that timed out.
            if (message.nlmsg_seq != sequence_) return true;
            if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
            if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == NLMSG_DONE) {
                result = message.nlmsg_type == NLMSG_ERROR ? error_of(message) : 0;
                return false;
            }
            on_message(message);
            return true;
        });
        if (!more) return result == 0 && interrupted ? EINTR : result;
    }
}

int NetlinkSocket::receive(const OnMessage& on_message) {
    for (;;) {
        const auto size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
        walk(buffer_.data(), static_cast<std::size_t>(size), [&](const nlmsghdr& message) {
            on_message(message);
            return true;
        });
    }
}

}  // namespace sipfront::kni
