// From counters to Prometheus families. Only the metrics' source files include this.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "app/telemetry.hpp"

namespace sipfront::app {

using Label = prometheus::ClientMetric::Label;

// Collects the series of one name.
class Family {
public:
    Family(std::string name, std::string help, prometheus::MetricType type);
    Family& add(std::vector<Label> labels, double value);
    // In seconds, at bounds that are powers of two nanoseconds from 16 us to 69 s.
    Family& add_histogram(std::vector<Label> labels, const std::vector<const core::Histogram*>& parts);
    // Empty ones are left out: a family without a series is no family.
    void finish(std::vector<prometheus::MetricFamily>& out);

private:
    prometheus::MetricFamily family_;
};

Family counter(std::string name, std::string help);
Family gauge(std::string name, std::string help);
Family histogram(std::string name, std::string help);

// One series per enumerator, summed over the workers.
template <class Enum, class Read>
void add_enum(Family& family, const Telemetry& t, const char* label, Read&& read) {
    for (std::size_t i = 0; i < core::CounterArray<Enum>::size; ++i) {
        const auto e = static_cast<Enum>(i);
        std::uint64_t sum = 0;
        for (const auto& w : t.workers) sum += read(w, e);
        family.add({{label, std::string{name(e)}}}, static_cast<double>(sum));
    }
}

using Families = std::vector<prometheus::MetricFamily>;
void sip_families(Families& out, const Telemetry& t);
void worker_families(Families& out, const Telemetry& t);
void destination_families(Families& out, const Telemetry& t, const balancer::Snapshot* snapshot);
void process_families(Families& out, const Telemetry& t);
void journal_families(Families& out, const Telemetry& t);

}  // namespace sipfront::app
