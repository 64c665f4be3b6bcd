#include "app/destination_rows.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "balancer/destination_uri.hpp"
#include "balancer/resources.hpp"

namespace sipfront::app {

namespace {

using Json = nlohmann::json;

class Conversion {
public:
    Conversion(const ha::DestinationTables& tables, const std::vector<sip::Listener>& listeners) : tables_{tables}, listeners_{listeners} {}

    DestinationRows run() {
        for (const auto& r : tables_.skipped) out_.skipped.push_back(r.to_string());
        for (const auto& r : tables_.warnings) out_.warnings.push_back(r.to_string());
        for (const auto& e : tables_.load_balancer) take(e);
        for (const auto& e : tables_.dispatcher) take(e);
        return std::move(out_);
    }

private:
    void take(const ha::LoadBalancerEntry& e) {
        if (!host_is_sound("load_balancer", e.id, "dst_uri", e.dst_uri)) return;
        auto resources = balancer::parse_resources(e.resources);
        if (!resources) return skip("load_balancer", e.id, "resources", resources.error().what);
        balancer::LoadBalancerRow row{.id = e.id,
                                      .group_id = e.group_id,
                                      .dst_uri = e.dst_uri,
                                      .resources = std::move(*resources),
                                      .attrs = e.attrs,
                                      .description = e.description};
        if (e.probe_mode) row.probe_mode = static_cast<int>(std::min(*e.probe_mode, 3U));
        out_.load_balancer.push_back(std::move(row));
    }

    void take(const ha::DispatcherEntry& e) {
        if (!host_is_sound("dispatcher", e.id, "destination", e.destination)) return;
        balancer::DispatcherRow row{.id = e.id,
                                    .setid = e.setid,
                                    .destination = e.destination,
                                    .state = static_cast<int>(std::min(e.state, 3U)),
                                    .priority = e.priority,
                                    .attrs = e.attrs,
                                    .description = e.description};
        if (e.weight.starts_with("fs://"))
            return skip("dispatcher", e.id, "weight", "weights read from FreeSWITCH (fs://) are not supported; write a number");
        const auto* last = e.weight.data() + e.weight.size();
        const auto [end, error] = std::from_chars(e.weight.data(), last, row.weight);
        if (error != std::errc{} || end != last || row.weight > 1'000'000)
            return skip("dispatcher", e.id, "weight", '"' + e.weight + "\" is not a weight; write a number from 0 to 1000000");
        if (e.probe_mode) row.probe_mode = static_cast<int>(std::min(*e.probe_mode, 3U));
        if (!e.socket.empty())
            out_.warnings.push_back(where("dispatcher", e.id, "socket") +
                                    "is not used: requests leave from the address of the host's network");
        out_.dispatcher.push_back(std::move(row));
    }

    bool host_is_sound(const char* table, std::uint32_t id, const char* column, const std::string& text) {
        const auto uri = balancer::parse_destination_uri(text);
        if (!uri) return skip(table, id, column, uri.error().what), false;
        if (uri->transport != core::Transport::udp)
            return skip(table, id, column, '"' + text + "\" asks for a transport other than UDP; leave the transport out"), false;
        if (std::ranges::any_of(listeners_, [&](const sip::Listener& l) { return l.local == uri->remote; }))
            return skip(table, id, column, '"' + text + "\" is a listener of ours: requests would loop; give the host's own address"),
                   false;
        return true;
    }

    static std::string where(const char* table, std::uint32_t id, const char* column) {
        return std::string{table} + " row " + std::to_string(id) + ", " + column + ": ";
    }
    void skip(const char* table, std::uint32_t id, const char* column, const std::string& why) {
        out_.skipped.push_back(where(table, id, column) + why);
    }

    const ha::DestinationTables& tables_;
    const std::vector<sip::Listener>& listeners_;
    DestinationRows out_;
};

Json probe_mode(const std::optional<std::uint32_t>& mode) { return mode ? Json(*mode) : Json(nullptr); }
std::optional<std::uint32_t> probe_mode(const Json& row) {
    const auto& mode = row.at("probe_mode");
    return mode.is_null() ? std::nullopt : std::optional{mode.get<std::uint32_t>()};
}

}  // namespace

DestinationRows to_rows(const ha::DestinationTables& tables, const std::vector<sip::Listener>& listeners) {
    return Conversion{tables, listeners}.run();
}

std::string to_cache(const ha::DestinationTables& tables) {
    auto lb = Json::array(), ds = Json::array();
    for (const auto& e : tables.load_balancer)
        lb.push_back({{"id", e.id},
                      {"group_id", e.group_id},
                      {"dst_uri", e.dst_uri},
                      {"resources", e.resources},
                      {"probe_mode", probe_mode(e.probe_mode)},
                      {"attrs", e.attrs},
                      {"description", e.description}});
    for (const auto& e : tables.dispatcher)
        ds.push_back({{"id", e.id},
                      {"setid", e.setid},
                      {"destination", e.destination},
                      {"socket", e.socket},
                      {"state", e.state},
                      {"weight", e.weight},
                      {"priority", e.priority},
                      {"probe_mode", probe_mode(e.probe_mode)},
                      {"attrs", e.attrs},
                      {"description", e.description}});
    return Json{{"load_balancer", std::move(lb)}, {"dispatcher", std::move(ds)}}.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

core::Result<ha::DestinationTables> from_cache(const std::string& text) {
    try {
        const auto all = Json::parse(text);
        ha::DestinationTables tables;
        for (const auto& r : all.at("load_balancer"))
            tables.load_balancer.push_back(
                {r.at("id"), r.at("group_id"), r.at("dst_uri"), r.at("resources"), probe_mode(r), r.at("attrs"), r.at("description")});
        for (const auto& r : all.at("dispatcher"))
            tables.dispatcher.push_back({r.at("id"), r.at("setid"), r.at("destination"), r.at("socket"), r.at("state"), r.at("weight"),
                                         r.at("priority"), probe_mode(r), r.at("attrs"), r.at("description")});
        return tables;
    } catch (const Json::exception& e) {
        return core::Error{e.what()};
    }
}

}  // namespace sipfront::app
