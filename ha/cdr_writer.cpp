#include "ha/cdr_writer.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

#include <pthread.h>

#include "core/log.hpp"

namespace sipfront::ha {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t records_a_turn = 512;
// Between the sink's ticks, and after an error.
constexpr auto pause = 100ms;

}  // namespace

std::string_view name(CdrTarget t) noexcept { return t == CdrTarget::file ? "file" : "table"; }

std::string_view name(CdrCount c) noexcept {
    static constexpr std::string_view names[] = {"written", "dropped", "errors", "refused"};
    static_assert(std::size(names) == static_cast<std::size_t>(CdrCount::count_));
    return names[static_cast<std::size_t>(c)];
}

struct CdrWriter::Shared {
    Shared(std::unique_ptr<CdrSink> s, std::size_t room, CdrStats& numbers) : sink{std::move(s)}, most{room}, stats{&numbers} {}

    std::unique_ptr<CdrSink> sink;
    std::size_t most;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Cdr> queue;
    CdrStats* stats;  // null once nobody reads
    bool stop = false;
    bool give_up = false;
    bool ended = false;
    std::size_t left = 0;  // when it ended

    void work() {
        std::vector<Cdr> batch;
        bool complained = false, failing = false;
        std::unique_lock lock{mutex};
        for (;;) {
            if (failing || (queue.empty() && batch.empty()))
                changed.wait_for(lock, pause, [&] { return give_up || (!failing && (stop || !queue.empty())); });
            while (batch.size() < records_a_turn && !queue.empty()) {
                batch.push_back(std::move(queue.front()));
                queue.pop_front();
            }
            if (give_up || (stop && batch.empty())) break;
            lock.unlock();
            std::size_t written = 0;
            const auto refused_before = sink->refused();
            const auto status = batch.empty() ? sink->tick() : sink->write(batch, written);
            const auto refused = sink->refused() - refused_before;
            batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(written));
            failing = !status;
            if (failing && !complained) core::log().error("{}; call records that are not written are tried again", status.error().what);
            if (!failing && complained) core::log().info("call records are written again");
            complained = failing;
            lock.lock();
            if (stats != nullptr) {
                stats->counts[CdrCount::written].add(written - refused);
                stats->counts[CdrCount::refused].add(refused);
                stats->counts[CdrCount::errors].add(failing ? 1 : 0);
                stats->waiting.set(queue.size() + batch.size());
            }
        }
        left = batch.size() + queue.size();
        ended = true;
        changed.notify_all();
    }
};

CdrWriter::CdrWriter(std::unique_ptr<CdrSink> sink, std::size_t queue, CdrStats& stats)
    : shared_{std::make_shared<Shared>(std::move(sink), queue, stats)}, thread_{[shared = shared_] { shared->work(); }} {
    pthread_setname_np(thread_.native_handle(), "sf-cdr");
}

CdrWriter::~CdrWriter() { stop(500ms); }

void CdrWriter::post(Cdr record) {
    const std::lock_guard lock{shared_->mutex};
    if (shared_->queue.size() >= shared_->most) return shared_->stats->counts[CdrCount::dropped].add();
    shared_->queue.push_back(std::move(record));
    if (shared_->queue.size() == 1) shared_->changed.notify_one();
}

bool CdrWriter::stop(std::chrono::milliseconds patience) {
    if (!thread_.joinable()) return true;
    const auto until = std::chrono::steady_clock::now() + patience;
    std::unique_lock lock{shared_->mutex};
    shared_->stop = true;
    shared_->changed.notify_all();
    if (!shared_->changed.wait_until(lock, until, [&] { return shared_->ended; })) {
        // It may still be between two writes, and then it ends by itself.
        shared_->give_up = true;
        shared_->changed.wait_for(lock, 2 * pause, [&] { return shared_->ended; });
    }
    shared_->stats = nullptr;
    const bool ended = shared_->ended;
    const auto left = shared_->left;
    lock.unlock();
    if (ended)
        thread_.join();
    else
        thread_.detach();
    if (!ended || left > 0) core::log().error("call records: {} were not written before the end", ended ? std::to_string(left) : "some");
    return ended && left == 0;
}

}  // namespace sipfront::ha
