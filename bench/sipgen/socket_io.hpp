// The generator on kernel sockets: one for each address it plays, in the network namespaces it is told. One thread's.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "bench/sipgen/io.hpp"
#include "bench/traffic/config.hpp"
#include "core/result.hpp"

namespace sipfront::sipgen {

class SocketIo {
public:
    struct Where {
        std::string client_netns, host_netns;  // names as `ip netns` has them; empty: the current one
    };
    static core::Result<std::unique_ptr<SocketIo>> open(const traffic::Config& config, const Where& where);
    SocketIo(const SocketIo&) = delete;
    SocketIo& operator=(const SocketIo&) = delete;
    ~SocketIo();

    std::size_t receive(std::span<traffic::In> in);
    void release() {}
    [[nodiscard]] traffic::Outgoing& outgoing() { return outgoing_; }
    void wait(core::Duration d);
    [[nodiscard]] PacketCounts counts() const { return counts_; }

private:
    static constexpr std::size_t burst = 64, room = 8192, most_peers = 1024;

    SocketIo();
    core::Status add(const core::Endpoint& local);
    traffic::Peer peer(const sockaddr_in6& address);
    static void flush(void* self, traffic::Outgoing& out);
    void send(traffic::Party from, std::span<mmsghdr> messages);
    void lend();

    int epoll_ = -1;
    std::vector<int> sockets_;         // by party
    std::vector<sockaddr_in6> peers_;  // an IPv4 address lies in it, too
    PacketCounts counts_;
    std::size_t ready_count_ = 0, ready_next_ = 0;
    std::array<traffic::Party, burst> ready_{};
    std::vector<char> memory_;  // rooms to receive into, then rooms to send from
    std::array<mmsghdr, burst> rx_{};
    std::array<iovec, burst> rx_iov_{};
    std::array<sockaddr_in6, burst> rx_from_{};
    std::vector<std::vector<mmsghdr>> tx_;  // by party
    std::array<iovec, traffic::Outgoing::burst> tx_iov_{};
    traffic::Outgoing outgoing_;
};
static_assert(TrafficIo<SocketIo>);

}  // namespace sipfront::sipgen
