// How one question about a host name is answered by the DNS: RFC 3263 §4 for the transport that we send requests to names by, which is
// UDP, and §5 for responses, which keep the transport of their request.
// Pure: queries come out, replies go in, in any order. See also RFC 2782 (SRV) and RFC 3403 (NAPTR).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/names.hpp"
#include "kni/dns_message.hpp"

namespace sipfront::kni {

struct DnsQuery {
    std::string name;
    RecordType type = RecordType::a;

    friend bool operator==(const DnsQuery&, const DnsQuery&) = default;
};

// Families of the sockets that we send from; addresses of others would be of no use.
struct Families {
    bool ipv4 = true, ipv6 = false;
};

class Resolution {
public:
    Resolution(const core::NameQuestion& question, Families families);

    // The queries to begin with. Each query is to be answered once.
    std::vector<DnsQuery> begin();
    // Further queries. Nothing once it is done.
    std::vector<DnsQuery> on_reply(const DnsQuery& query, const DnsReply& reply);

    [[nodiscard]] bool done() const noexcept { return done_; }
    // Once done; `expires` is not set.
    [[nodiscard]] const core::NameAnswer& answer() const noexcept { return answer_; }
    // Seconds for which it holds: of the reply that holds shortest. 0 when it failed.
    [[nodiscard]] std::uint32_t ttl() const noexcept { return ttl_; }

private:
    struct Server {
        std::string host;
        std::uint16_t port = 0, priority = 0, weight = 0;
        std::vector<core::IpAddress> v4, v6;
    };

    std::vector<DnsQuery> ask_service();
    std::vector<DnsQuery> ask_addresses();
    std::vector<DnsQuery> on_naptr(const DnsReply& reply);
    std::vector<DnsQuery> on_srv(const DnsReply& reply);
    void on_address(const DnsQuery& query, const DnsReply& reply);
    std::vector<DnsQuery> finish(core::NameStatus status);
    void finish_addresses();

    std::string host_;
    std::uint16_t port_;
    bool transport_named_;
    core::Transport transport_;
    Families families_;
    std::vector<std::string> services_;  // SRV names not asked for yet, the next one last
    std::vector<Server> servers_;
    std::size_t outstanding_ = 0;
    bool any_failed_ = false;
    bool done_ = false;
    core::NameAnswer answer_;
    std::uint32_t ttl_ = 0xffff'ffff, absence_ttl_ = 0xffff'ffff;
};

}  // namespace sipfront::kni
