// The mailboxes of the process: messages from the worker that received them to the one that owns their call, health evidence
// and questions for host names from workers to control, commands from control to workers, dialogs from a store to their owners. Every
// one has a single producer and a single consumer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "app/dialog_listing.hpp"
#include "balancer/health_fsm.hpp"
#include "balancer/overload.hpp"
#include "core/counters.hpp"
#include "core/flow.hpp"
#include "core/mailbox.hpp"
#include "core/names.hpp"
#include "core/types.hpp"

namespace sipfront::app {

// A message on its way to its owner, with the hash that named the owner. An INVITE that names another dialog first visits the
// worker that owns that one, and brings home which host holds it. What ICMP errors quote takes the same way (app/sending_errors.hpp).
struct Steered {
    enum class Errand : std::uint8_t {
        handle,
        ask,
        answered,
        undelivered,  // `message` is what an ICMP error quotes, by the flow it was sent on
        suspect,      // no message: `holder` may be out of reach, and is to be probed
    };

    core::Inbound message;
    std::uint64_t call_id_hash = 0;
    Errand errand = Errand::handle;
    std::uint16_t path_mtu = 0;  // undelivered: core::Undelivered
    core::DestinationId holder = core::no_destination;

    // As a fresh one with that message, whose Call-ID nobody has looked for; written where it stays.
    void receive(const core::Inbound& in) noexcept {
        message = in;
        call_id_hash = 0;
        errand = Errand::handle;
        path_mtu = 0;
        holder = core::no_destination;
    }
};

struct WorkerCommand {
    enum class Kind : std::uint8_t {
        drain,  // no new dialogs and registrations
        probe,  // of `destination`, now
        begin_recovery,
        end_recovery,
        tell_dialogs,  // all of them, to the observer
        list,          // answer `listing`
    };
    Kind kind = Kind::drain;
    core::DestinationId destination = core::no_destination;
    DialogListing* listing = nullptr;
};

class Switchboard {
public:
    using Lane = core::Mailbox<Steered, 2048>;
    using EvidenceBox = core::Mailbox<balancer::HealthEvent, 1024>;
    using CommandBox = core::Mailbox<WorkerCommand, 256>;
    // Dialogs read from a store, on their way to their owners. Whoever posts keeps them until they are drained.
    using RecoveryBox = core::Mailbox<const sip::RecoveredDialog*, 256>;
    using QuestionBox = core::Mailbox<core::NameQuestion, 512>;

    explicit Switchboard(std::uint32_t workers) : workers_{workers} {
        for (std::uint32_t i = 0; i < workers * workers; ++i) lanes_.push_back(std::make_unique<Lane>());
        for (std::uint32_t i = 0; i < workers; ++i) {
            evidence_.push_back(std::make_unique<EvidenceBox>());
            commands_.push_back(std::make_unique<CommandBox>());
            recovered_.push_back(std::make_unique<RecoveryBox>());
            questions_.push_back(std::make_unique<QuestionBox>());
            shares_.push_back(std::make_unique<Share>());
            shares_.back()->admission.set(balancer::admit_all);
        }
    }

    [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }
    [[nodiscard]] Lane& lane(core::WorkerId from, core::WorkerId to) noexcept {
        return *lanes_[core::raw(from) * workers_ + core::raw(to)];
    }
    [[nodiscard]] const Lane& lane(core::WorkerId from, core::WorkerId to) const noexcept {
        return *lanes_[core::raw(from) * workers_ + core::raw(to)];
    }
    // Of the new work that a worker is part of, what it can carry (balancer::Admission). That worker: writes; its peers: read.
    [[nodiscard]] core::Counter& share(core::WorkerId of) noexcept { return shares_[core::raw(of)]->admission; }
    [[nodiscard]] EvidenceBox& evidence(core::WorkerId from) noexcept { return *evidence_[core::raw(from)]; }
    [[nodiscard]] CommandBox& commands(core::WorkerId to) noexcept { return *commands_[core::raw(to)]; }
    // Producer: the thread that reads the store.
    [[nodiscard]] RecoveryBox& recovered(core::WorkerId to) noexcept { return *recovered_[core::raw(to)]; }
    [[nodiscard]] QuestionBox& questions(core::WorkerId from) noexcept { return *questions_[core::raw(from)]; }

private:
    struct alignas(64) Share {
        core::Counter admission;
    };

    std::uint32_t workers_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::vector<std::unique_ptr<EvidenceBox>> evidence_;
    std::vector<std::unique_ptr<CommandBox>> commands_;
    std::vector<std::unique_ptr<RecoveryBox>> recovered_;
    std::vector<std::unique_ptr<QuestionBox>> questions_;
    std::vector<std::unique_ptr<Share>> shares_;
};

}  // namespace sipfront::app
