#include "ha/journal_service.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "ha/cdr_file.hpp"

namespace sipfront::ha {

JournalService::JournalService(Parts parts) : node_{parts.node}, orders_(parts.workers) {
    std::vector<JournalLane*> lanes;
    for (std::size_t i = 0; i < parts.workers; ++i)
        lanes.push_back(lanes_.emplace_back(std::make_unique<JournalLane>(parts.config.ring / sizeof(RingBlock))).get());
    OnEnded ended;
    if (!parts.cdr.file.empty())
        keep_records(CdrTarget::file, std::make_unique<CdrFile>(parts.cdr, [clock = parts.clock] { return clock().unix_us; }),
                     parts.cdr.queue);
    if (parts.cdr.table) keep_records(CdrTarget::table, std::move(parts.cdr_table), parts.cdr.queue);
    if (parts.cdr.wanted()) ended = [this](const auto&... args) { on_ended(args...); };
    writers_ = std::make_unique<WriterThreads>(parts.config.writers, parts.store, [this] { wakeup_.wake(); });
    journal_ = std::make_unique<Journal>(Journal::Parts{parts.config, parts.node, std::move(lanes), *writers_, stats_, std::move(ended)});
    thread_ = std::make_unique<JournalThread>(*journal_, wakeup_, std::move(parts.clock));
}

JournalService::~JournalService() {
    if (thread_) stop(std::chrono::seconds{1});
}

std::vector<sip::DialogObserver*> JournalService::observers() const {
    std::vector<sip::DialogObserver*> all;
    for (const auto& lane : lanes_) all.push_back(lane.get());
    return all;
}

void JournalService::keep_records(CdrTarget target, std::unique_ptr<CdrSink> sink, std::size_t queue) {
    auto& records = records_[static_cast<std::size_t>(target)];
    records.writer = std::make_unique<CdrWriter>(std::move(sink), queue, records.stats);
}

void JournalService::on_ended(const sip::DialogEvent& e, const sip::EventTexts& texts, const DialogNames& names, const Instant& now) {
    // A row that was read and turned out to be of no call ends without a reason.
    if (e.end == sip::DialogEnd::none) return;
    const auto record = make_cdr(e, texts, names, now, node_);
    for (auto& records : records_)
        if (records.writer) records.writer->post(record);
}

bool JournalService::wants_all(std::size_t worker, std::uint64_t told_all) {
    auto& order = orders_[worker];
    auto& lane = *lanes_[worker];
    // A second order begins the walk anew, and only one end of it is counted: so it waits for the first.
    if (order.underway && told_all == order.told_all) return false;
    // What the worker has posted is seen by whoever has seen its counter.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (order.underway) lane.told_all(order.given);
    order.underway = false;
    order.told_all = told_all;
    order.wanted = lane.asked();
    return order.wanted != order.given;
}

void JournalService::ordered(std::size_t worker) {
    auto& order = orders_[worker];
    order.given = order.wanted;
    order.underway = true;
}

bool JournalService::stop(std::chrono::milliseconds patience) {
    using namespace std::chrono_literals;
    const auto until = std::chrono::steady_clock::now() + patience;
    const bool written = thread_->stop(patience);
    thread_.reset();
    const auto left = [&] {
        return std::max(100ms, std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()));
    };
    bool ended = writers_->stop(left());
    for (auto& records : records_)
        if (records.writer) ended = records.writer->stop(left()) && ended;
    return written && ended;
}

}  // namespace sipfront::ha
