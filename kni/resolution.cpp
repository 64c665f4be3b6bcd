#include "kni/resolution.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "core/endpoint.hpp"
#include "core/types.hpp"

namespace sipfront::kni {
namespace {

constexpr std::size_t most_services = 4, most_servers = 8;

// RFC 3263 §4.1, §5.
std::string service_of(core::Transport transport, const std::string& host) {
    constexpr std::array prefixes{"_sip._udp.", "_sip._tcp.", "_sips._tcp."};
    return prefixes[core::raw(transport)] + host;
}

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y); });
}

// RFC 3263 §4.1: "SIP+D2U", "SIPS+D2T" and their like.
bool is_sip_service(std::string_view services) {
    const auto plus = services.find('+');
    return plus != std::string_view::npos && (same(services.substr(0, plus), "sip") || same(services.substr(0, plus), "sips"));
}

}  // namespace

Resolution::Resolution(const core::NameQuestion& q, Families families)
    : host_{q.host()}, port_{q.port()}, transport_named_{q.transport_named()}, transport_{q.transport()}, families_{families} {}

std::vector<DnsQuery> Resolution::begin() {
    // §4.2: with a port there is nothing to discover but the address.
    if (port_ != 0) return ask_addresses();
    if (transport_named_) {
        services_.push_back(service_of(transport_, host_));
        return ask_service();
    }
    return {{host_, RecordType::naptr}};
}

std::vector<DnsQuery> Resolution::on_reply(const DnsQuery& query, const DnsReply& reply) {
    if (done_) return {};
    // That a host has no address of one family says nothing about those of the other.
    const bool lacks_address = reply.status == DnsReply::Status::absent && query.type != RecordType::naptr && query.type != RecordType::srv;
    if (reply.status == DnsReply::Status::failed)
        any_failed_ = true;
    else
        (lacks_address ? absence_ttl_ : ttl_) = std::min(lacks_address ? absence_ttl_ : ttl_, reply.ttl);
    if (query.type == RecordType::naptr) return on_naptr(reply);
    if (query.type == RecordType::srv) return on_srv(reply);
    on_address(query, reply);
    if (--outstanding_ == 0) finish_addresses();
    return {};
}

std::vector<DnsQuery> Resolution::on_naptr(const DnsReply& reply) {
    auto records = reply.records;
    std::stable_sort(records.begin(), records.end(),
                     [](const DnsRecord& a, const DnsRecord& b) { return std::tie(a.first, a.second) < std::tie(b.first, b.second); });
    bool any_service = false;
    for (const auto& r : records) {
        if (!is_sip_service(r.services)) continue;
        any_service = true;
        if (same(r.services, "sip+d2u") && same(r.flags, "s") && !r.has_expression && !r.name.empty() && services_.size() < most_services)
            services_.push_back(r.name);
    }
    std::reverse(services_.begin(), services_.end());
    // The domain says which transports it has, and ours is none of them.
    if (services_.empty() && any_service) return finish(core::NameStatus::absent);
    // Some name servers choke on a kind of record that they do not know: an SRV record then is as good.
    if (services_.empty()) services_.push_back(service_of(transport_, host_));
    return ask_service();
}

std::vector<DnsQuery> Resolution::ask_service() {
    while (!services_.empty()) {
        auto name = std::move(services_.back());
        services_.pop_back();
        if (name.size() <= core::NameQuestion::max_host) return {{std::move(name), RecordType::srv}};
    }
    return ask_addresses();
}

std::vector<DnsQuery> Resolution::on_srv(const DnsReply& reply) {
    // What does not answer now must not make us go to a place that the record would not name.
    if (reply.status == DnsReply::Status::failed) return finish(core::NameStatus::failed);
    if (reply.status == DnsReply::Status::absent) return ask_service();
    auto records = reply.records;
    // RFC 2782: a target "." says that the service is decidedly not there.
    std::erase_if(records, [](const DnsRecord& r) { return r.name.empty() || r.port == 0; });
    if (records.empty()) return finish(core::NameStatus::absent);
    std::stable_sort(records.begin(), records.end(), [](const DnsRecord& a, const DnsRecord& b) { return a.first < b.first; });
    if (records.size() > most_servers) records.resize(most_servers);
    for (auto& r : records) servers_.push_back({std::move(r.name), r.port, r.first, r.second, {}, {}});
    return ask_addresses();
}

std::vector<DnsQuery> Resolution::ask_addresses() {
    if (servers_.empty()) servers_.push_back({host_, port_ != 0 ? port_ : core::default_port(transport_), 0, 0, {}, {}});
    std::vector<DnsQuery> queries;
    const auto add = [&](const std::string& host, RecordType type) {
        const DnsQuery query{host, type};
        if (std::ranges::find(queries, query) == queries.end()) queries.push_back(query);
    };
    for (const auto& s : servers_) {
        if (families_.ipv4) add(s.host, RecordType::a);
        if (families_.ipv6) add(s.host, RecordType::aaaa);
    }
    outstanding_ = queries.size();
    if (queries.empty()) return finish(core::NameStatus::absent);
    return queries;
}

void Resolution::on_address(const DnsQuery& query, const DnsReply& reply) {
    for (auto& s : servers_) {
        if (s.host != query.name) continue;
        for (const auto& r : reply.records) (query.type == RecordType::a ? s.v4 : s.v6).push_back(r.address);
    }
}

void Resolution::finish_addresses() {
    std::uint16_t group = 0;
    for (const auto& s : servers_) {
        for (const auto* addresses : {&s.v4, &s.v6})
            for (const auto& address : *addresses) {
                // Neither a group of hosts nor nobody: what a record holds is not to be trusted that far.
                const bool nobody = address.is_v4() && address.v4_host_order() == 0;
                if (answer_.count == core::NameAnswer::max_targets || address.is_multicast() || nobody) continue;
                answer_.targets[answer_.count++] = {{address, s.port}, s.priority, s.weight, group};
            }
        ++group;
    }
    finish(answer_.count > 0 ? core::NameStatus::found : any_failed_ ? core::NameStatus::failed : core::NameStatus::absent);
}

std::vector<DnsQuery> Resolution::finish(core::NameStatus status) {
    done_ = true;
    answer_.status = status;
    if (status == core::NameStatus::failed) ttl_ = 0;
    if (status == core::NameStatus::absent) ttl_ = std::min(ttl_, absence_ttl_);
    return {};
}

}  // namespace sipfront::kni
