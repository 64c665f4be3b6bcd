#include "app/metric_families.hpp"

#include <algorithm>

namespace sipfront::app {

using prometheus::ClientMetric;
using prometheus::MetricType;

Family::Family(std::string name, std::string help, MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
}

Family& Family::add(std::vector<Label> labels, double value) {
    ClientMetric m;
    m.label = std::move(labels);
    if (family_.type == MetricType::Counter)
        m.counter.value = value;
    else
        m.gauge.value = value;
    family_.metric.push_back(std::move(m));
    return *this;
}

Family& Family::add_histogram(std::vector<Label> labels, const std::vector<const core::Histogram*>& parts) {
    ClientMetric m;
    m.label = std::move(labels);
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < core::Histogram::buckets; ++i) {
        for (const auto* h : parts) cumulative += h->count(i);
        const auto bound = core::Histogram::upper_bound(i);
        if ((bound & (bound - 1)) == 0 && bound >= 1ULL << 14 && bound <= 1ULL << 36)
            m.histogram.bucket.push_back({cumulative, static_cast<double>(bound) / 1e9});
    }
    m.histogram.bucket.push_back({cumulative, std::numeric_limits<double>::infinity()});
    m.histogram.sample_count = cumulative;
    for (const auto* h : parts) m.histogram.sample_sum += static_cast<double>(h->sum()) / 1e9;
    family_.metric.push_back(std::move(m));
    return *this;
}

void Family::finish(Families& out) {
    if (!family_.metric.empty()) out.push_back(std::move(family_));
}

Family counter(std::string name, std::string help) { return {std::move(name), std::move(help), MetricType::Counter}; }
Family gauge(std::string name, std::string help) { return {std::move(name), std::move(help), MetricType::Gauge}; }
Family histogram(std::string name, std::string help) { return {std::move(name), std::move(help), MetricType::Histogram}; }

void sip_families(Families& out, const Telemetry& t) {
    using sip::ProxyCounters;
    const auto by_enum = [&]<class Enum>(const char* name, const char* help, const char* label,
                                         core::CounterArray<Enum> ProxyCounters::*field) {
        auto f = counter(name, help);
        add_enum<Enum>(f, t, label, [&](const WorkerTelemetry& w, Enum e) { return (w.stats->proxy.*field)[e].get(); });
        f.finish(out);
    };
    const auto by_class = [&](const char* name, const char* help, std::array<core::Counter, 7> ProxyCounters::*field) {
        auto f = counter(name, help);
        for (std::size_t c = 1; c <= 6; ++c)
            f.add({{"class", std::to_string(c) + "xx"}},
                  static_cast<double>(total(t, [&](const WorkerStats& s) { return (s.proxy.*field)[c].get(); })));
        f.finish(out);
    };
    const auto level = [&](const char* name, const char* help, core::Counter ProxyCounters::*field) {
        gauge(name, help).add({}, static_cast<double>(total(t, [&](const WorkerStats& s) { return (s.proxy.*field).get(); }))).finish(out);
    };
    const auto event = [&](const char* name, const char* help, sip::ProxyEvent e) {
        counter(name, help)
            .add({}, static_cast<double>(total(t, [&](const WorkerStats& s) { return s.proxy.events[e].get(); })))
            .finish(out);
    };
    const auto latency = [&](const char* name, const char* help, core::Histogram ProxyCounters::*field) {
        std::vector<const core::Histogram*> parts;
        for (const auto& w : t.workers) parts.push_back(&(w.stats->proxy.*field));
        histogram(name, help).add_histogram({}, parts).finish(out);
    };

    by_enum("sipfront_requests_received_total", "SIP requests received, by method.", "method", &ProxyCounters::requests_in);
    by_enum("sipfront_requests_sent_total", "SIP requests sent, by method.", "method", &ProxyCounters::requests_out);
    by_enum("sipfront_responses_received_by_method_total", "SIP responses received, by the method they answer.", "method",
            &ProxyCounters::responses_in_by_method);
    by_class("sipfront_responses_received_total", "SIP responses received, by status class.", &ProxyCounters::responses_in);
    by_class("sipfront_responses_sent_total", "SIP responses sent, forwarded ones and our own, by status class.",
             &ProxyCounters::responses_out);
    by_enum("sipfront_parse_errors_total", "Messages that are not well-formed, by reason.", "reason", &ProxyCounters::parse_errors);
    by_enum("sipfront_drops_total", "SIP messages that were not processed further, by reason.", "reason", &ProxyCounters::drops);
    by_enum("sipfront_local_replies_total", "Responses that sipfront made itself, by cause.", "cause", &ProxyCounters::local_replies);
    by_enum("sipfront_events_total", "Things that happened to transactions and dialogs.", "event", &ProxyCounters::events);
    event("sipfront_transactions_created_total", "Transactions begun.", sip::ProxyEvent::transaction_created);
    event("sipfront_dialogs_created_total", "Dialogs begun, early ones included.", sip::ProxyEvent::dialog_created);
    level("sipfront_transactions_active", "Transactions in memory, those that linger for retransmissions included.",
          &ProxyCounters::transactions);
    level("sipfront_dialogs_active", "Dialogs, early ones included.", &ProxyCounters::dialogs);
    level("sipfront_dialogs_early", "Dialogs that are ringing.", &ProxyCounters::early_dialogs);
    level("sipfront_image_bytes", "Octets kept for retransmission and for dialogs.", &ProxyCounters::image_bytes);
    latency("sipfront_invite_first_response_seconds", "From an INVITE to the first response forwarded, other than 100.",
            &ProxyCounters::invite_first_response);
    latency("sipfront_invite_success_seconds", "From an INVITE to its 2xx.", &ProxyCounters::invite_success);
    latency("sipfront_bye_final_seconds", "From a BYE to its final response.", &ProxyCounters::bye_final);
    latency("sipfront_register_final_seconds", "From a REGISTER to its final response.", &ProxyCounters::register_final);
}

}  // namespace sipfront::app
