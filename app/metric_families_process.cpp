// Workers, ports, destinations, control.
#include "app/metric_families.hpp"
#include "sip/glance.hpp"

namespace sipfront::app {

namespace {

std::vector<Label> worker_label(std::size_t i) { return {{"worker", std::to_string(i)}}; }

void poll_families(Families& out, const Telemetry& t) {
    const auto by_worker = [&](const char* name, const char* help, core::Counter dpdk::Occupancy::*field) {
        auto f = counter(name, help);
        for (std::size_t i = 0; i < t.workers.size(); ++i)
            if (const auto* o = t.workers[i].occupancy) f.add(worker_label(i), static_cast<double>((o->*field).get()));
        f.finish(out);
    };
    by_worker("sipfront_poll_busy_cycles_total",
              "CPU cycles of polls that found work. Over sipfront_poll_cycles_total plus "
              "sipfront_poll_sleep_cycles_total it is how busy a worker is.",
              &dpdk::Occupancy::busy_cycles);
    by_worker("sipfront_poll_cycles_total", "CPU cycles of all polls.", &dpdk::Occupancy::poll_cycles);
    by_worker("sipfront_poll_sleep_cycles_total", "CPU cycles asleep because nothing arrived.", &dpdk::Occupancy::sleep_cycles);
    by_worker("sipfront_polls_total", "Turns of the poll loop.", &dpdk::Occupancy::polls);
    by_worker("sipfront_empty_polls_total", "Turns of the poll loop that found nothing.", &dpdk::Occupancy::empty_polls);
}

void port_families(Families& out, const Telemetry& t) {
    const auto by_worker = [&](const char* name, const char* help, core::Counter dpdk::PortCounters::*field) {
        auto f = counter(name, help);
        for (std::size_t i = 0; i < t.workers.size(); ++i)
            if (const auto* p = t.workers[i].port) f.add(worker_label(i), static_cast<double>((p->*field).get()));
        f.finish(out);
    };
    using dpdk::PortCounters;
    by_worker("sipfront_port_received_datagrams_total", "SIP datagrams from the wire.", &PortCounters::rx_packets);
    by_worker("sipfront_port_received_bytes_total", "Their octets.", &PortCounters::rx_bytes);
    by_worker("sipfront_port_sent_frames_total", "Frames onto the wire.", &PortCounters::tx_packets);
    by_worker("sipfront_port_sent_bytes_total", "Their octets.", &PortCounters::tx_bytes);
    by_worker("sipfront_kernel_sent_frames_total", "Frames handed to the Linux kernel.", &PortCounters::to_kernel);
    by_worker("sipfront_kernel_received_frames_total", "Frames that the Linux kernel sent.", &PortCounters::from_kernel);
    by_worker("sipfront_port_received_fragments_total", "IP fragments for a listener's address.", &PortCounters::rx_fragments);
    by_worker("sipfront_port_fragments_to_kernel_total", "Those that were not of SIP datagrams and went on to the kernel.",
              &PortCounters::fragments_to_kernel);
    by_worker("sipfront_port_reassembled_total", "SIP datagrams put together of fragments.", &PortCounters::reassembled);
    by_worker("sipfront_port_reassembly_timeouts_total", "Datagrams whose fragments did not all come in time.",
              &PortCounters::reassembly_timeouts);
    by_worker("sipfront_port_reassembly_overlaps_total", "Datagrams dropped because their fragments overlapped.",
              &PortCounters::reassembly_overlaps);
    by_worker("sipfront_port_reassembly_evictions_total", "Datagrams given up unfinished because newer ones needed the room.",
              &PortCounters::reassembly_evictions);
    by_worker("sipfront_port_sent_fragmented_total", "Datagrams that left in IP fragments.", &PortCounters::tx_fragmented);
    by_worker("sipfront_port_waited_total", "Frames that waited for the next hop's MAC address and left.", &PortCounters::waited);
    by_worker("sipfront_port_learned_hops_total", "Datagrams sent to a learned MAC address while the kernel had none.",
              &PortCounters::learned_hops);
    by_worker("sipfront_port_arp_answers_total", "Answers of the link monitor's targets.", &PortCounters::arp_answers);
    by_worker("sipfront_port_path_mtus_total", "Limits of paths below our own MTU that were taken over from ICMP errors.",
              &PortCounters::path_mtus);
    by_worker("sipfront_port_tx_full_total", "Transmit bursts that the port took only in part.", &PortCounters::tx_full);
    auto drops = counter("sipfront_port_drops_total", "Frames and datagrams that went no further, by reason.");
    auto errors = counter("sipfront_port_icmp_errors_total", "ICMP errors about datagrams from our sockets, by what became of them.");
    if (!t.workers.empty() && t.workers.front().port != nullptr) {
        add_enum<dpdk::Drop>(drops, t, "reason", [](const WorkerTelemetry& w, dpdk::Drop d) { return w.port->drops[d].get(); });
        add_enum<dpdk::IcmpReport>(errors, t, "result",
                                   [](const WorkerTelemetry& w, dpdk::IcmpReport r) { return w.port->icmp_errors[r].get(); });
    }
    drops.finish(out);
    errors.finish(out);
}

void overload_families(Families& out, const Telemetry& t) {
    auto share = gauge("sipfront_overload_admission_share", "Share of the new work that a worker admits; 1 but under overload.");
    auto standing = gauge("sipfront_overload_standing_share", "Part of the last 10 ms in which a receive queue did not run empty.");
    auto time = counter("sipfront_overload_standing_seconds_total", "Time in which a receive queue did not run empty.");
    auto episodes = counter("sipfront_overload_episodes_total", "Times that a worker began to refuse new work.");
    auto requests = counter("sipfront_overload_requests_total", "New work that was judged under overload, by method and verdict.");
    const auto part = [](const core::Counter& c) { return static_cast<double>(c.get()) / static_cast<double>(balancer::admit_all); };
    for (std::size_t i = 0; i < t.workers.size(); ++i) {
        const auto& o = t.workers[i].stats->overload;
        share.add(worker_label(i), part(o.share));
        standing.add(worker_label(i), part(o.standing));
        time.add(worker_label(i), static_cast<double>(o.standing_time.get()) / 1e9);
        episodes.add(worker_label(i), static_cast<double>(o.episodes.get()));
    }
    for (std::size_t i = 0; i < core::CounterArray<sip::Method>::size; ++i) {
        const auto m = static_cast<sip::Method>(i);
        if (!sip::begins_work(m)) continue;
        const auto add = [&](const char* verdict, core::CounterArray<sip::Method> OverloadStats::*field) {
            requests.add({{"method", std::string{sip::name(m)}}, {"verdict", verdict}},
                         static_cast<double>(total(t, [&](const WorkerStats& s) { return (s.overload.*field)[m].get(); })));
        };
        add("admitted", &OverloadStats::admitted);
        add("rejected", &OverloadStats::rejected);
    }
    for (auto* f : {&share, &standing, &time, &episodes, &requests}) f->finish(out);
}

void mailbox_families(Families& out, const Telemetry& t) {
    if (t.switchboard == nullptr) return;
    auto depth = gauge("sipfront_mailbox_depth", "Messages on their way to the worker that owns their call, by that worker.");
    auto full = counter("sipfront_mailbox_full_total", "Messages dropped because the owner's mailbox was full.");
    const auto workers = t.switchboard->workers();
    for (std::uint32_t to = 0; to < workers; ++to) {
        std::uint64_t waiting = 0, refused = 0;
        for (std::uint32_t from = 0; from < workers; ++from) {
            const auto& lane =
                t.switchboard->lane(core::WorkerId{static_cast<std::uint8_t>(from)}, core::WorkerId{static_cast<std::uint8_t>(to)});
            waiting += lane.depth();
            refused += lane.full();
        }
        depth.add(worker_label(to), static_cast<double>(waiting));
        full.add(worker_label(to), static_cast<double>(refused));
    }
    depth.finish(out);
    full.finish(out);
}

}  // namespace

void worker_families(Families& out, const Telemetry& t) {
    auto messages = counter("sipfront_worker_messages_total", "What a worker did with messages, probes and evidence.");
    for (std::size_t i = 0; i < t.workers.size(); ++i)
        for (std::size_t c = 0; c < core::CounterArray<WorkerCount>::size; ++c) {
            const auto count = static_cast<WorkerCount>(c);
            messages.add({{"worker", std::to_string(i)}, {"what", std::string{name(count)}}},
                         static_cast<double>(t.workers[i].stats->counts[count].get()));
        }
    messages.finish(out);
    std::vector<const core::Histogram*> bursts;
    for (const auto& w : t.workers) bursts.push_back(&w.stats->burst_time);
    histogram("sipfront_poll_seconds", "Duration of poll turns that handled messages: what a message waits for at most.")
        .add_histogram({}, bursts)
        .finish(out);
    overload_families(out, t);
    mailbox_families(out, t);
    poll_families(out, t);
    port_families(out, t);
}

void destination_families(Families& out, const Telemetry& t, const balancer::Snapshot* snapshot) {
    auto load = gauge("sipfront_destination_load", "Calls on a host, by resource.");
    auto capacity = gauge("sipfront_destination_capacity", "Calls that a host may have, by resource.");
    auto state = gauge("sipfront_destination_state", "1 for the state that a host is in.");
    auto full = gauge("sipfront_destination_full", "1 while a host answers probes with \"no new calls\".");
    auto picks = counter("sipfront_destination_picks_total", "Calls and requests given to a host.");
    auto failures =
        counter("sipfront_destination_failures_total", "Evidence that a host fails: no answer, transport error, refused probe.");
    for (const auto& d : destinations(snapshot)) {
        const std::vector<Label> labels{{"table", std::string{balancer::name(d.kind)}}, {"group", std::to_string(d.group)}, {"uri", d.uri}};
        const auto with = [&](const char* key, std::string_view value) {
            auto l = labels;
            l.push_back({key, std::string{value}});
            return l;
        };
        for (const auto& r : d.resources) {
            load.add(with("resource", r.name), r.load);
            capacity.add(with("resource", r.name), r.capacity);
        }
        using balancer::State;
        for (const auto s : {State::active, State::probing, State::inactive, State::disabled})
            state.add(with("state", balancer::name(s)), s == d.state ? 1 : 0);
        full.add(labels, d.full ? 1 : 0);
        picks.add(labels, static_cast<double>(d.picks));
        if (t.control != nullptr) failures.add(labels, static_cast<double>(t.control->failures[core::raw(d.id)].get()));
    }
    for (auto* f : {&load, &capacity, &state, &full, &picks, &failures}) f->finish(out);
}

void process_families(Families& out, const Telemetry& t) {
    gauge("sipfront_build_info", "1; the label is the version.").add({{"version", t.version}}, 1).finish(out);
    gauge("sipfront_start_time_seconds", "When the process started, in seconds since 1970.")
        .add({}, static_cast<double>(t.started))
        .finish(out);
    if (t.control == nullptr) return;
    const auto count = [&](ControlCount c) { return static_cast<double>(t.control->counts[c].get()); };
    counter("sipfront_config_reloads_total", "Reloads of the configuration, by result.")
        .add({{"result", "ok"}}, count(ControlCount::reload_ok))
        .add({{"result", "failed"}}, count(ControlCount::reload_failed))
        .finish(out);
    counter("sipfront_destination_readings_total", "Readings of the destinations from the database, by result.")
        .add({{"result", "ok"}}, count(ControlCount::destinations_read))
        .add({{"result", "failed"}}, count(ControlCount::destinations_failed))
        .finish(out);
    gauge("sipfront_destination_rows_skipped", "Rows of the database that cannot serve, of those in force.")
        .add({}, static_cast<double>(t.control->destination_rows_skipped.get()))
        .finish(out);
    counter("sipfront_snapshots_total", "Routing snapshots given to the workers.").add({}, count(ControlCount::snapshots)).finish(out);
    counter("sipfront_health_changes_total", "Changes of a host's state.").add({}, count(ControlCount::health_changes)).finish(out);
    counter("sipfront_admin_requests_total", "Management requests.").add({}, count(ControlCount::admin_requests)).finish(out);
    counter("sipfront_log_lines_lost_total", "Log lines lost because the queue was full.")
        .add({}, static_cast<double>(t.control->log_lost.get()))
        .finish(out);
    gauge("sipfront_draining", "1 while no new calls are taken because the process is about to end.")
        .add({}, static_cast<double>(t.control->draining.get()))
        .finish(out);
    if (t.resolver != nullptr) {
        auto resolver =
            counter("sipfront_resolver_total", "Host names: questions of workers, queries to name servers, and what came of them.");
        for (std::size_t i = 0; i < core::CounterArray<kni::ResolverCount>::size; ++i) {
            const auto c = static_cast<kni::ResolverCount>(i);
            resolver.add({{"what", std::string{kni::name(c)}}}, static_cast<double>(t.resolver->counts[c].get()));
        }
        resolver.finish(out);
        gauge("sipfront_resolver_names", "Host names that are known or being asked for.")
            .add({}, static_cast<double>(t.resolver->names.get()))
            .finish(out);
    }
    if (t.ports.size() < 2) return;
    counter("sipfront_bond_switches_total", "Moves of the traffic to another member of the bond.")
        .add({}, count(ControlCount::bond_switches))
        .finish(out);
    auto active = gauge("sipfront_bond_member_active", "1 for the member of the bond that carries the traffic.");
    for (std::size_t i = 0; i < t.ports.size(); ++i) active.add({{"device", t.ports[i]}}, t.control->bond_active.get() == i ? 1 : 0);
    active.finish(out);
}

}  // namespace sipfront::app
