// Asks name servers through c-ares, without waiting: UDP, TCP where a reply is truncated, the next server when one is silent.
// Control thread only.
#pragma once

#include <memory>

#include "core/result.hpp"
#include "kni/config.hpp"
#include "kni/resolver.hpp"

struct ares_channeldata;

namespace sipfront::kni {

class DnsClient final : public DnsTransport {
public:
    // With no servers in the configuration, those of /etc/resolv.conf. Neither search domains nor /etc/hosts are used: names in SIP
    // URIs are whole names (RFC 3263 §4.2).
    static core::Result<std::unique_ptr<DnsClient>> open(const ResolverConfig& config);
    DnsClient(const DnsClient&) = delete;
    DnsClient& operator=(const DnsClient&) = delete;
    ~DnsClient() override;

    // Readable when process() has something to do.
    [[nodiscard]] int fd() const noexcept { return epoll_; }
    // Reads replies.
    void process();
    // Timeouts and further tries; every few milliseconds.
    void tick();
    void query(const DnsQuery& query, OnReply on_reply) override;

private:
    explicit DnsClient(int epoll) noexcept : epoll_{epoll} {}
    void follow(int socket, bool readable, bool writable) noexcept;

    int epoll_;
    ares_channeldata* channel_ = nullptr;
};

}  // namespace sipfront::kni
