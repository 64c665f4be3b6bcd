#include "bench/sipgen/summary.hpp"

#include <utility>

namespace sipfront::sipgen {
namespace {

template <class Enum>
std::map<std::string, std::uint64_t> by_name(const core::CounterArray<Enum>& counters) {
    std::map<std::string, std::uint64_t> all;
    for (std::size_t i = 0; i < core::CounterArray<Enum>::size; ++i) {
        const auto e = static_cast<Enum>(i);
        all.emplace(traffic::name(e), counters[e].get());
    }
    return all;
}

Latency latency(std::string name, const traffic::Histogram& h) {
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    Latency l;
    l.name = std::move(name);
    l.count = h.count();
    l.mean = h.mean() / 1000;
    l.p50 = us(h.percentile(0.5));
    l.p90 = us(h.percentile(0.9));
    l.p99 = us(h.percentile(0.99));
    l.p999 = us(h.percentile(0.999));
    l.max = us(h.max());
    for (std::size_t i = 0; i < traffic::Histogram::buckets; ++i) {
        if (h.in_bucket(i) > 0) l.buckets.emplace_back(us(traffic::Histogram::upper_bound(i)), h.in_bucket(i));
    }
    return l;
}

}  // namespace

Summary summarize(const traffic::Stats& stats) {
    Summary s;
    s.placed = stats.placed();
    s.completed = stats.completed();
    s.failed = stats.failed();
    s.wrong = stats.wrong();
    s.outcomes = by_name(stats.outcomes);
    s.faults = by_name(stats.faults);
    s.faults.erase("none");
    s.events = by_name(stats.events);
    for (std::size_t code = 0; code < stats.statuses.size(); ++code) {
        if (const auto n = stats.statuses[code].get(); n > 0) s.statuses.emplace(std::to_string(code), n);
    }
    for (const auto& [name, h] :
         {std::pair{"added", &stats.added}, std::pair{"first_response", &stats.first_response}, std::pair{"answer", &stats.answer},
          std::pair{"bye", &stats.bye}, std::pair{"register", &stats.registration}, std::pair{"refusal", &stats.refusal}}) {
        s.latencies.push_back(latency(name, *h));
    }
    return s;
}

}  // namespace sipfront::sipgen
