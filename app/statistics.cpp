#include "app/statistics.hpp"

#include <string_view>

namespace sipfront::app {

namespace {

using sip::LocalReply;
using sip::ProxyDrop;
using sip::ProxyEvent;

// The sum of some of a counter array's entries.
template <class Enum, class Keep>
std::uint64_t sum(const core::CounterArray<Enum>& counters, Keep&& keep) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < core::CounterArray<Enum>::size; ++i)
        if (const auto e = static_cast<Enum>(i); keep(e)) n += counters[e].get();
    return n;
}
template <class Enum>
std::uint64_t sum(const core::CounterArray<Enum>& counters) {
    return sum(counters, [](Enum) { return true; });
}
std::uint64_t sum(const std::array<core::Counter, 7>& by_class) {
    std::uint64_t n = 0;
    for (const auto& c : by_class) n += c.get();
    return n;
}

bool concerns_reply(ProxyDrop d) {
    switch (d) {
        case ProxyDrop::foreign_response:
        case ProxyDrop::forged_response:
        case ProxyDrop::stray_response:
        case ProxyDrop::late_response:
            return true;
        default:
            return false;
    }
}

// What all groups are made of.
struct Sums {
    std::uint64_t requests_in = 0, requests_out = 0, replies_in = 0, replies_out = 0, local = 0, bad = 0;
    std::uint64_t drop_requests = 0, drop_replies = 0, transactions = 0, dialogs = 0, early = 0;
};

Sums sums(const Telemetry& t) {
    Sums s;
    for (const auto& w : t.workers) {
        const auto& p = w.stats->proxy;
        s.requests_in += sum(p.requests_in);
        s.requests_out += sum(p.requests_out);
        s.replies_in += sum(p.responses_in);
        s.replies_out += sum(p.responses_out);
        s.local += sum(p.local_replies);
        s.bad += sum(p.parse_errors, [](sip::ParseError e) { return e != sip::ParseError::none; });
        s.drop_replies += sum(p.drops, concerns_reply);
        s.drop_requests += sum(p.drops, [](ProxyDrop d) { return !concerns_reply(d); });
        s.transactions += p.transactions.get();
        s.dialogs += p.dialogs.get();
        s.early += p.early_dialogs.get();
    }
    return s;
}

void balancer_groups(std::vector<Statistic>& all, const balancer::Snapshot* snapshot) {
    struct {
        std::uint64_t total = 0, active = 0, picks = 0, load = 0, capacity = 0;
    } lb, ds;
    for (const auto& d : destinations(snapshot)) {
        auto& of = d.kind == balancer::Kind::load_balancer ? lb : ds;
        ++of.total;
        of.active += d.state == balancer::State::active && !d.full ? 1U : 0U;
        of.picks += d.picks;
        for (const auto& r : d.resources) {
            of.load += r.load;
            of.capacity += r.capacity;
        }
    }
    all.push_back({"load_balancer", "destinations", lb.total, true});
    all.push_back({"load_balancer", "active_destinations", lb.active, true});
    all.push_back({"load_balancer", "picks", lb.picks, false});
    all.push_back({"load_balancer", "load", lb.load, true});
    all.push_back({"load_balancer", "capacity", lb.capacity, true});
    all.push_back({"dispatcher", "destinations", ds.total, true});
    all.push_back({"dispatcher", "active_destinations", ds.active, true});
    all.push_back({"dispatcher", "picks", ds.picks, false});
}

}  // namespace

std::vector<Statistic> statistics(const Telemetry& t, const balancer::Snapshot* snapshot, std::uint64_t uptime) {
    const auto s = sums(t);
    const auto event = [&](ProxyEvent e) { return total(t, [e](const WorkerStats& w) { return w.proxy.events[e].get(); }); };
    const auto local = [&](LocalReply r) { return total(t, [r](const WorkerStats& w) { return w.proxy.local_replies[r].get(); }); };
    std::vector<Statistic> all{
        {"core", "rcv_requests", s.requests_in, false},
        {"core", "rcv_replies", s.replies_in, false},
        {"core", "fwd_requests", s.requests_out, false},
        {"core", "fwd_replies", s.replies_out > s.local ? s.replies_out - s.local : 0, false},
        {"core", "drop_requests", s.drop_requests, false},
        {"core", "drop_replies", s.drop_replies, false},
        {"core", "err_requests", local(LocalReply::bad_request), false},
        {"core", "bad_msg_hdr", s.bad, false},
        {"core", "timestamp", uptime, true},
        {"tm", "received_replies", s.replies_in, false},
        {"tm", "relayed_replies", s.replies_out > s.local ? s.replies_out - s.local : 0, false},
        {"tm", "local_replies", s.local, false},
        {"tm", "UAS_transactions", event(ProxyEvent::transaction_created), false},
        {"tm", "inuse_transactions", s.transactions, true},
        {"tm", "retransmission_req", event(ProxyEvent::request_retransmitted), false},
        {"tm", "retransmission_rpl", event(ProxyEvent::response_retransmitted), false},
        {"tm", "timeout_finalresponse", event(ProxyEvent::transaction_timeout) + event(ProxyEvent::fr_timer), false},
        {"tm", "timeout_finalresponse_inv", event(ProxyEvent::fr_inv_timer) + event(ProxyEvent::timer_c), false},
        {"dialog", "active_dialogs", s.dialogs > s.early ? s.dialogs - s.early : 0, true},
        {"dialog", "early_dialogs", s.early, true},
        {"dialog", "processed_dialogs", event(ProxyEvent::dialog_created), false},
        {"dialog", "expired_dialogs", event(ProxyEvent::dialog_expired), false},
        {"dialog", "failed_dialogs", event(ProxyEvent::dialog_failed), false},
    };
    std::uint64_t waiting = 0;
    if (t.switchboard != nullptr)
        for (std::uint32_t from = 0; from < t.switchboard->workers(); ++from)
            for (std::uint32_t to = 0; to < t.switchboard->workers(); ++to)
                waiting +=
                    t.switchboard->lane(core::WorkerId{static_cast<std::uint8_t>(from)}, core::WorkerId{static_cast<std::uint8_t>(to)})
                        .depth();
    all.push_back({"net", "waiting_udp", waiting, true});
    balancer_groups(all, snapshot);
    return all;
}

}  // namespace sipfront::app
