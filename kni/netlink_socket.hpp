// A NETLINK_ROUTE socket: requests with acknowledgement, dumps, subscriptions. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/result.hpp"
#include "kni/netlink_message.hpp"

struct mnl_socket;

namespace sipfront::kni {

using OnMessage = std::function<void(const nlmsghdr&)>;

class NetlinkSocket {
public:
    // Blocking, with a time limit of two seconds: for requests and dumps.
    static core::Result<NetlinkSocket> open();
    // Not blocking, subscribed to the groups (RTNLGRP_*); `buffer` octets of backlog, 0 for the kernel's default.
    static core::Result<NetlinkSocket> subscribe(std::span<const int> groups, std::size_t buffer);

    [[nodiscard]] int fd() const noexcept;

    // Sends and waits for the acknowledgement: 0 or the kernel's errno (a positive number).
    int request(NetlinkRequest request);
    // All the answers to a dump request. EINTR: the kernel's tables changed meanwhile and the dump may be inconsistent.
    int dump(NetlinkRequest request, const OnMessage& on_message);

    // Reads what waits: 0 when nothing is left, ENOBUFS when the kernel dropped events, else errno.
    int receive(const OnMessage& on_message);

private:
    struct Close {
        void operator()(mnl_socket* s) const noexcept;
    };
    explicit NetlinkSocket(mnl_socket* s);

    static core::Result<NetlinkSocket> bound(mnl_socket* s);
    int send(NetlinkRequest& request);
    // Answers to the last request until its end: 0 or errno.
    int answers(const OnMessage& on_message);

    std::unique_ptr<mnl_socket, Close> socket_;
    std::vector<char> buffer_;
    std::uint32_t sequence_ = 0;
};

}  // namespace sipfront::kni
