// What a call's messages do to the tables of transactions and dialogs, from a thousand of them to millions; and what telling the
// journal of a dialog costs the worker.
#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "core/byte_slab.hpp"
#include "ha/journal_lane.hpp"
#include "sip/dialog.hpp"
#include "sip/transaction.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::sip;
using namespace std::chrono_literals;

constexpr core::SecretKey table_key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
const core::HashKey transaction_key{table_key};
constexpr std::uint64_t text_room = std::uint64_t{8} << 30;

// splitmix64 (Steele, Lea, Flood 2014): stands for keyed hashes.
std::uint64_t hash(std::uint64_t n) noexcept {
    n = (n + 1) * 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return (n ^ (n >> 31)) | 1;
}

// Answered requests of the last 32 s, so many that `lingering` of them stand.
class Transactions {
public:
    explicit Transactions(std::uint32_t lingering)
        : gap_{core::Duration{32s} / lingering}, bytes_{text_room}, table_{lingering + 4096, bytes_, transaction_key, now_} {
        for (std::uint32_t i = 0; i < lingering; ++i) step();
    }

    // One request comes, is forwarded and answered; the oldest one ends.
    void step() {
        auto* t = table_.create(hash(next_));
        t->kind = Transaction::Kind::request;
        t->method = Method::bye;
        t->reply.remote = client_;
        (void)table_.keep(t->request, image_);
        const auto found = table_.find_server(hash(next_++));
        if (found.active == nullptr) missed_ = true;
        if (!table_.linger(*found.active, table_.residues().hold("SIP/2.0 200 OK\r\n"), now_ + 32s)) missed_ = true;
        now_ += gap_;
        table_.expire(now_, 8);
    }
    // A repetition of one that was answered a while ago.
    [[nodiscard]] bool repeat() {
        probe_ = probe_ * 6364136223846793005 + 1442695040888963407;
        const auto ago = probe_ % (table_.lingering() - 1) + 1;
        return table_.find_server(hash(next_ - ago)).linger != nullptr;
    }
    [[nodiscard]] std::size_t lingering() const { return table_.lingering(); }
    [[nodiscard]] bool missed() const { return missed_; }

private:
    core::Tick now_{1h};
    core::Duration gap_;
    core::ByteSlab bytes_;
    TransactionTable table_;
    core::Endpoint client_ = *core::Endpoint::parse("10.77.0.7:5060");
    std::string image_ = std::string(600, 'x');
    std::uint64_t next_ = 0, probe_ = 1;
    bool missed_ = false;
};

template <class T>
T& kept(std::uint32_t n) {
    static std::unique_ptr<T> one;
    static std::uint32_t size = 0;
    if (size != n) {
        one.reset();
        one = std::make_unique<T>(n);
        size = n;
    }
    return *one;
}

// Create, keep the image, match, go on in the compact form, expire.
void transaction(benchmark::State& state) {
    auto& all = kept<Transactions>(static_cast<std::uint32_t>(state.range(0)));
    for ([[maybe_unused]] auto _ : state) all.step();
    if (all.missed()) state.SkipWithError("a transaction was not found");
    state.counters["lingering"] = static_cast<double>(all.lingering());
}
BENCHMARK(transaction)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);

void transaction_match_repetition(benchmark::State& state) {
    auto& all = kept<Transactions>(static_cast<std::uint32_t>(state.range(0)));
    bool found = true;
    for ([[maybe_unused]] auto _ : state) found = all.repeat() && found;
    if (!found) state.SkipWithError("a lingering transaction was not found");
}
BENCHMARK(transaction_match_repetition)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);

const std::string call_id(48, 'c'), caller_tag(32, 't'),
    callee_tag(32, 'u'), contact = "sip:caller@10.77.0.7:5060;ob=" + std::string(61, 'x');

// So many established dialogs, each with a Call-ID of 48 octets, tags of 32 and Contacts of 90.
class Dialogs {
public:
    explicit Dialogs(std::uint32_t n) : bytes_{text_room}, table_{n + 64, bytes_, table_key} {
        for (std::uint32_t i = 0; i < n; ++i) create();
    }

    // As an INVITE and its 200 do it.
    void create() {
        DialogTexts texts{};
        texts[static_cast<std::size_t>(DialogText::call_id)] = call_id;
        texts[static_cast<std::size_t>(DialogText::caller_tag)] = caller_tag;
        texts[static_cast<std::size_t>(DialogText::caller_contact)] = contact;
        auto* d = table_.get(table_.create(hash(newest_++), texts));
        texts[static_cast<std::size_t>(DialogText::callee_tag)] = callee_tag;
        texts[static_cast<std::size_t>(DialogText::callee_contact)] = contact;
        if (!table_.set_texts(*d, texts)) full_ = true;
        d->state = DialogState::confirmed;
        table_.expire_at(*d, core::Tick{1h} + core::Duration{static_cast<std::int64_t>(newest_)});
    }
    void end_oldest() {
        if (auto* d = table_.due(core::Tick::max())) table_.erase(*d);
    }
    [[nodiscard]] bool find() {
        probe_ = probe_ * 6364136223846793005 + 1442695040888963407;
        const auto ago = probe_ % table_.size() + 1;
        return table_.find(hash(newest_ - ago), caller_tag) != nullptr;
    }
    [[nodiscard]] double octets() const { return static_cast<double>(bytes_.used()) / table_.size() + sizeof(Dialog); }
    [[nodiscard]] bool full() const { return full_; }

private:
    core::ByteSlab bytes_;
    DialogTable table_;
    std::uint64_t newest_ = 0, probe_ = 1;
    bool full_ = false;
};

// One comes and is confirmed, the oldest ends.
void dialog(benchmark::State& state) {
    auto& all = kept<Dialogs>(static_cast<std::uint32_t>(state.range(0)));
    for ([[maybe_unused]] auto _ : state) {
        all.end_oldest();
        all.create();
    }
    if (all.full()) state.SkipWithError("no room");
    state.counters["octets"] = all.octets();
}
BENCHMARK(dialog)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(5'000'000);

// By Call-ID and caller's tag, as a request does that lost its route set.
void dialog_find(benchmark::State& state) {
    auto& all = kept<Dialogs>(static_cast<std::uint32_t>(state.range(0)));
    bool found = true;
    for ([[maybe_unused]] auto _ : state) found = all.find() && found;
    if (!found) state.SkipWithError("a dialog was not found");
}
BENCHMARK(dialog_find)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(5'000'000);

// An event with so many octets of texts. The ring is emptied outside the time, by the same core: lines that another one has read
// come back a little later.
void journal_post(benchmark::State& state) {
    constexpr int posts = 1'024;
    ha::JournalLane lane{std::size_t{1} << 18};
    const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
    DialogEvent e;
    e.change = DialogChange::changed;
    EventTexts texts{};
    if (!text.empty()) e.texts = (1U << event_texts) - 1;
    for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = std::string_view{text}.substr(0, text.size() / texts.size());
    bool full = false;
    while (state.KeepRunningBatch(posts)) {
        for (int i = 0; i < posts; ++i) {
            ++e.id;
            full = !lane.note(e, texts) || full;
        }
        state.PauseTiming();
        benchmark::DoNotOptimize(lane.drain(posts, [](const DialogEvent&, const EventTexts&) {}));
        state.ResumeTiming();
    }
    if (full) state.SkipWithError("no room");
}
// Ringing or an ACK; an answer; an INVITE.
BENCHMARK(journal_post)->Arg(0)->Arg(350)->Arg(800);

}  // namespace

BENCHMARK_MAIN();
