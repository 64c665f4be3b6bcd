// The stateful proxy core (RFC 3261 §16) of one worker: messages and instants come in, finished datagrams go to the Outbox,
// routing decisions are asked of the Router. Single-threaded; no clock, no socket, no allocation after construction.
//
// One request takes this way (docs/LIFE-OF-AN-INVITE.md):
//   proxy_request.cpp   matching, validation, which way it goes
//   proxy_route.cpp     where an in-dialog request or a host's own request goes; relay refusal, route repair
//   proxy_name.cpp      requests that lead to host names, and wait for their addresses
//   proxy_forward.cpp   the copy that leaves: Via, Record-Route, trust headers
//   proxy_attempt.cpp   timers of an attempt, and the next one
//   proxy_response.cpp  responses, failover
//   proxy_dialog.cpp    dialogs, and what an observer is told of them
//   proxy_recover.cpp   dialogs that another life or node has made
//   proxy_late.cpp      answers to calls that we had given up
//   proxy_error.cpp     datagrams of ours that did not arrive
//   proxy_streams.cpp   large requests over streams; messages of ours that no stream took
//   proxy_cancel.cpp    CANCEL, and ACK to failures
//   proxy_reply.cpp     replies of our own
//   proxy_reject.cpp    new work turned away under overload
//   proxy_timer.cpp     timers, probes
//   proxy_own.cpp       BYE and OPTIONS of our own in other people's dialogs
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/byte_slab.hpp"
#include "core/flow.hpp"
#include "core/keys.hpp"
#include "core/outbox.hpp"
#include "core/steering.hpp"
#include "core/tick.hpp"
#include "sip/challenge_memory.hpp"
#include "sip/config.hpp"
#include "sip/dialog.hpp"
#include "sip/dialog_event.hpp"
#include "sip/edit.hpp"
#include "sip/message.hpp"
#include "sip/message_copy.hpp"
#include "sip/name_service.hpp"
#include "sip/named_dialog.hpp"
#include "sip/proxy_counters.hpp"
#include "sip/route.hpp"
#include "sip/routing.hpp"
#include "sip/sockets.hpp"
#include "sip/text_builder.hpp"
#include "sip/transaction.hpp"
#include "sip/trust.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

struct Glance;

// A request of our own: a probe, say. `text` is a whole request without Via, From, Call-ID and CSeq, which we put behind its
// start line. Its Call-ID must hash to the worker that sends it.
struct LocalRequest {
    std::string_view text;
    std::string_view from_uri;
    std::string_view call_id;
    std::uint64_t call_id_hash = 0;  // the steering hash
    std::uint32_t cseq = 1;
    Method method = Method::options;
    Target target;
    core::ListenerId listener{};
    core::Duration timeout{};  // at most Timer F
    std::uint64_t tag = 0;     // handed back
};

// Hears how requests of our own ended: by a final response of that `status`, or without (0), and then why.
class LocalClient {
public:
    virtual ~LocalClient() = default;
    virtual void local_done(std::uint64_t tag, int status, Outcome outcome, core::Tick now) = 0;
};

// What our records say of a datagram that is said to be ours.
enum class Sent : std::uint8_t {
    unknown,  // nothing
    ours,     // we have sent it there
    failed,   // likewise, and the attempt that it was part of has been ended
};

// What a message leads to, found before it is handled: so that the memory behind it is on its way while others are handled,
// and nothing is worked out twice. A plain value of one burst.
struct Lead {
    std::uint64_t server_key = 0;  // request: of its transaction, for an ACK of its INVITE's
    std::uint64_t dialog_key = 0;  // initial INVITE: of the dialog that it would make
    Branch branch;                 // response: when `own_branch`
    bool own_branch = false;
    OwnCookie route;  // request with our own Route on top
    // INVITE that names another dialog: the host that holds it, as holder_of() of that dialog's owner says.
    core::DestinationId holder = core::no_destination;
};

// A dialog as a store had it, for the worker that its Call-ID hashes to. Borrowed during the call.
struct RecoveredDialog {
    std::uint64_t id = 0;  // that the store knows it by
    std::uint64_t call_id_hash = 0;
    DialogTexts texts{};
    core::FarEnd host, client;
    core::Tick started{}, expires{};
    bool start_unknown = false;        // the row was written by one that knew the cookie alone
    std::uint16_t answered_after = 0;  // as in Dialog
    std::uint32_t caller_cseq = 0, callee_cseq = 0;
    core::DestinationId destination = core::no_destination;
    DialogState state = DialogState::confirmed;
    bool counted = false;
    bool caller_in_cluster = false;
    bool symmetric = false;
};

class Proxy {
public:
    // Everything outlives the proxy.
    struct Parts {
        core::WorkerId self{};  // what our branches name
        const ProxyConfig& config;
        Router& router;
        NameService& names;
        const core::KeyRing& keys;
        core::Outbox& out;
        ProxyCounters& counters;
        LocalClient& local;
        DialogObserver* observer;          // nullptr: nobody asks
        core::SecretKey table_key;         // random per process: of rejections' tags
        core::SecretKey dialog_key;        // of both nodes and each life of them, and secret: dialogs have their ids by it
        const core::HashKey& call_id_key;  // of the steering hash and of transactions: Key::digest of the key that signs
        core::Tick start;
    };
    explicit Proxy(const Parts& parts);
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    // For a message that parsed without error; `call_id_hash`: the steering hash. Overwrites `lead` and starts the memory
    // accesses that handle() will need.
    void lead(const Message& m, std::uint64_t call_id_hash, Lead& lead) const noexcept;
    // The second stage: what lies behind the memory that lead() asked for.
    void prefetch(const Lead& lead) const noexcept;
    // One parsed message; `error` is what parse() returned, `call_id_hash` the steering hash. Borrows `m` during the call.
    void handle(const Message& m, ParseError error, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now);
    // Of the server transaction that the request of a glance would have; the memory behind it is on its way.
    [[nodiscard]] std::uint64_t key_of(const Glance& g) const noexcept;
    // Whether a request that seems to be new is a repetition of what was admitted, or the answer to a challenge: handle() it.
    // `call_id_hash` may be 0 when no challenges are remembered.
    [[nodiscard]] bool continues(std::uint64_t server_key, std::uint64_t call_id_hash, core::Tick now) noexcept;
    [[nodiscard]] bool remembers_challenges() const noexcept { return challenges_.size() != 0; }
    // Turns new work away: 503 with `extra`, a Retry-After line.
    void reject(const Glance& g, const core::Flow& in, std::uint64_t server_key, std::string_view extra);
    void reject(const Message& m, const core::Flow& in, std::string_view extra);
    // True: `text` is the ACK to a rejection made from a Glance, and done with.
    bool absorb_rejection_ack(std::string_view text) noexcept;
    static constexpr std::size_t rejection_mark_length = 8;

    // The host that `named` means, when it is one of ours: its end of that dialog. `call_id_hash`: of the dialog's Call-ID.
    [[nodiscard]] core::DestinationId holder_of(const NamedDialog& named, std::uint64_t call_id_hash) noexcept;

    // An ICMP error quotes a message that we are to have sent by `sent`. `quote`: parsed as far as the error shows it, without a line cut
    // short; the error of parse() does not matter. `unreachable`: the error means that no message arrives there; then an attempt
    // that waits for its first sign of life ends.
    Sent on_error(const Message& quote, const core::Flow& sent, bool unreachable, core::Tick now);
    // A message of ours that came back because no stream took it (core::StreamIo), and the flow it was to take.
    void on_returned(const Message& sent, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now);
    // Names may be known that requests wait for.
    void on_names(core::Tick now);
    // Fires timers and ends overdue dialogs; at most `max` of each.
    void advance(core::Tick now, std::size_t max);
    // False when there is no room (count and try later).
    bool send(const LocalRequest& request, core::Tick now);

    // A dialog of another life, or of another node. False: no room. From the start until end_recovery() it is remembered which
    // calls have ended meanwhile, so that a row read before and brought after an end makes no ghost.
    bool recover(const RecoveredDialog& row, core::Tick now);
    void begin_recovery() noexcept { recovering_ = true; }
    void end_recovery() noexcept;
    // Ends that wait for their row, as they are. After the last poll.
    void tell_held_ends() noexcept;
    // Tells the observer of every dialog again, in steps of advance(); ProxyCounters::told_all counts when it is done.
    void tell_all() noexcept;

    // No new dialogs and registrations any more; what runs goes on.
    void drain() noexcept { draining_ = true; }
    [[nodiscard]] bool idle() const noexcept { return transactions_.servers() == 0 && dialogs_.size() == 0; }
    [[nodiscard]] DialogTable& dialogs() noexcept { return dialogs_; }
    [[nodiscard]] const TransactionTable& transactions() const noexcept { return transactions_; }
    // Different texts that answered transactions keep.
    [[nodiscard]] std::uint32_t residues() noexcept { return transactions_.residues().size(); }
    // A dialog as its observer is told of it, without texts.
    [[nodiscard]] DialogEvent describe(const Dialog& d, DialogChange change, core::Tick at) const noexcept;
    // BYE to both sides of an answered call, and its end. `id`: DialogTable::id_of(). False: no such call.
    bool end_by_management(std::uint64_t id, core::Tick now);
    struct Ending {
        DialogEnd how;
        ProxyEvent event;
        int status;  // 0: no response did it
    };
    // Ends a dialog on our side alone and gives its load back.
    void end_dialog(Dialog& d, const Ending& ending, core::Tick now) noexcept;
    void publish_gauges() noexcept;

private:
    // What is called in one place of every call is told to be inlined there: nothing else says that no other unit calls it.

    // A request on its way through.
    struct Request {
        // Not an aggregate: as one it would be cleared as a whole first.
        Request(const Message& message, const core::Flow& from, core::Tick at, std::uint64_t hash, const CallIdentity& id,
                const Lead& found) noexcept
            : m{message}, in{from}, now{at}, call_id_hash{hash}, call{id}, lead{found}, client{from.remote} {}

        const Message& m;
        const core::Flow& in;
        core::Tick now;
        std::uint64_t call_id_hash;
        CallIdentity call;
        const Lead& lead;
        Shown client;  // where it comes from
        Uri uri{};
        std::string_view target{};  // the Request-URI to go on with, when it is not the one received; `uri` is its index
        RouteInfo routes{};
        std::uint32_t loop = 0;
        Transaction* waiting = nullptr;  // what it has waited in for a name
    };
    // Where it goes, or why it does not.
    struct NextHop {
        core::Flow out{};
        const Socket* socket = nullptr;  // that it leaves from
        core::DestinationId destination = core::no_destination;
        Transaction::Route route = Transaction::Route::fixed;
        std::string_view uri{};     // the new Request-URI; empty: unchanged
        std::string_view routes{};  // Route values to put in (repair); empty: none
        DialogHandle dialog{};
        bool record_route = false;
        bool path = false;
        bool caller_in_cluster = false;  // its sender is on the host's side
        bool symmetric = false;          // the client is reached at its flow alone
        bool secure = false;             // leads to a sips URI
        bool by_flow = false;            // along a flow token
        bool to_holder = false;          // to the host that holds the dialog the INVITE names
        bool follow_next_route = false;  // the next hop is the first foreign Route
        std::uint64_t name = 0;          // what `out` is an address of; 0: of no name
        std::uint64_t waits_for = 0;     // not 0: the name that must be known first
        int code = 0;                    // not 0: reply this instead
        std::string_view reason{};
        LocalReply why = LocalReply::no_dialog;
    };

    // --- proxy_request.cpp
    void on_malformed(const Message& m, ParseError error, const core::Flow& in);
    void handle_request(const Message& m, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now);
    void on_request(Request& r);
    void on_retransmission(Request& r, Transaction& t);
    void on_repetition(Request& r, const Linger& l);
    void on_ack(Request& r);
    void forward_ack(Request& r);
    bool validate(Request& r);
    bool preprocess_target(Request& r) { return (!r.routes.strict_upstream && r.uri.params.empty()) || preprocess_odd_target(r); }
    bool preprocess_odd_target(Request& r);
    void on_initial(Request& r);
    void on_in_dialog(Request& r);
    void answer_options(Request& r);
    void start(Request& r, NextHop& hop);

    // --- proxy_route.cpp
    // Each fills a fresh `hop`, where it stays: it is too large to be handed from one to the next.
    void route_in_dialog(const Request& r, NextHop& hop);
    void route_by_cookie(const Request& r, const RouteCookie& c, NextHop& hop);
    void route_towards_host(const Request& r, const RouteCookie& c, NextHop& hop);
    void route_towards_client(const Request& r, const RouteCookie& c, NextHop& hop);
    void repair_route(const Request& r, Dialog& d, NextHop& hop);
    void route_from_cluster(const Request& r, NextHop& hop);
    void route_by_flow(const Request& r, NextHop& hop);
    bool route_to_holder(const Request& r, NextHop& hop);
    [[nodiscard]] bool wants_path(const Request& r) const noexcept;
    void route_balanced(const Request& r, Transaction::Route how, NextHop& hop);
    void settle_security(const Request& r, NextHop& hop) {
        const bool by_route = hop.follow_next_route && is_sips(r.routes.next_uri);
        hop.secure = false;
        if (by_route || (hop.uri.empty() ? r.uri.scheme == Scheme::sips : is_sips(hop.uri))) [[unlikely]]
            require_security(hop);
    }
    void require_security(NextHop& hop);
    static void refuse(NextHop& hop, int code, std::string_view reason, LocalReply why) noexcept;
    // Fills hop.out for a target address; refuses when no listener fits or the target is ourselves. `foreign`: it is known that it is not.
    void aim(NextHop& hop, const Target& target, const core::Flow& in, const Socket* from, bool foreign = false) noexcept;
    static std::optional<Target> numeric_target(const Uri& uri) noexcept;

    // --- proxy_name.cpp
    static constexpr std::size_t max_waiting = 4096;  // requests that wait for names
    std::optional<Target> locate(const std::optional<Uri>& uri, const Request& r, NextHop& hop);
    bool locate_contact(const std::optional<Uri>& uri, const Request& r, NextHop& hop, std::optional<Target>& target);
    std::optional<Target> next_address(const Transaction& t, core::Tick now);
    void foresee(std::string_view contact, core::Tick now);
    void wait_for_name(Request& r, std::uint64_t name);
    void resume(Transaction& t, core::Tick now);
    void turn_down(Request& r, Transaction* t, int code, std::string_view reason, LocalReply why, std::string_view extra = {});
    void end_waiting(Transaction& t, int code, std::string_view reason, LocalReply why, core::Tick now);
    void end_waiting(Transaction& t, const Message& m, const core::Flow& in, int code, std::string_view reason, LocalReply why,
                     std::string_view extra, core::Tick now);

    // --- proxy_forward.cpp
    // What the Record-Route of a request says, besides where it goes.
    struct Recorded {
        const core::Flow& in;  // where it came from
        const Socket* socket;  // that it came to
        bool sender_in_cluster;
        bool symmetric;
        bool secure;
        DialogHandle dialog;
    };
    enum class Forwarded : std::uint8_t { sent, too_large, no_room };
    Forwarded forward(Request& r, const NextHop& hop, Transaction* t);
    // The copy of a request that leaves, in the room that the outbox has reserved.
    struct Copied {
        std::span<char> bytes;
        const Socket* stream;      // what it leaves by instead of its hop's socket, for its size; nullptr: that
        std::uint16_t top_length;  // octets that we put behind the start line
    };
    [[nodiscard]] bool is_usual(const Request& r, const NextHop& hop, const Recorded* recorded) const noexcept;
    bool copy_usual(const Request& r, const NextHop& hop, std::string_view branch, const Recorded* recorded, Copied& copied) noexcept;
    Forwarded copy_edited(const Request& r, const NextHop& hop, std::string_view branch, const Recorded* recorded, Copied& copied);
    // `recorded`: nullptr for a Via alone.
    static std::size_t top_room(const Socket& outgoing, const Recorded* recorded) noexcept;
    static char* write_via(char* to, const Socket& outgoing, std::string_view branch) noexcept;
    char* write_record_route(char* to, const NextHop& hop, const Recorded& recorded, const CallIdentity& call,
                             std::string_view sender_tag) const noexcept;
    std::string_view make_top(const NextHop& hop, std::string_view branch, const Recorded* recorded, const CallIdentity& call,
                              std::string_view sender_tag);
    // Via and our Path, for a REGISTER that came by `client`.
    std::string_view make_register_top(const Socket* outgoing, std::string_view branch, const core::Flow& client, bool secure);
    std::string_view request_uri_of(std::string_view text);
    void edit_received(EditList& edits, const Message& m, const core::Flow& in, const Shown& client);
    void edit_max_forwards(EditList& edits, const Message& m);
    [[nodiscard]] std::string_view hops_left(const Message& m) const noexcept;
    [[nodiscard]] bool may_strip_trust(const Message& m, core::Zone from, core::Zone to) const noexcept {
        return (from != core::Zone::cluster || to != core::Zone::cluster) && trust_.may_be_in(m);
    }
    [[nodiscard]] bool shows_client(core::Zone from, core::Zone to) const noexcept {
        return to == core::Zone::cluster && from != core::Zone::cluster && config_.set_auth_headers;
    }
    // Nobody outside sets what the cluster trusts, and what the cluster trusts never leaves it. `client`: who is shown to the cluster.
    void edit_trust(EditList& edits, const Message& m, core::Zone from, core::Zone to, const Shown* client) {
        if (from == core::Zone::cluster && to == core::Zone::cluster) return;
        if (trust_.may_be_in(m)) strip_trust(edits, m);
        if (to == core::Zone::cluster && client != nullptr && config_.set_auth_headers) show_client(edits, m, *client);
    }
    void strip_trust(EditList& edits, const Message& m);
    void show_client(EditList& edits, const Message& m, const Shown& client);
    char* write_client(char* to, const Shown& client) const noexcept;
    std::uint32_t loop_hash(const Request& r) const noexcept;
    // Sends finished bytes: an image, an ACK.
    bool transmit(std::string_view bytes, const core::Flow& to);

    // --- proxy_attempt.cpp
    bool try_next(Transaction& t, core::Tick now, Answer& answer);
    void start_client(Transaction& t, core::Tick now);

    // --- proxy_response.cpp
    void on_response(const Message& m, const core::Flow& in, std::uint64_t call_id_hash, const Lead& lead, core::Tick now);
    [[nodiscard]] std::uint64_t client_of(const Transaction& t, const Message& m) const noexcept;
    bool on_abandoned(Transaction& t, const Branch& b, const Message& m, const core::Flow& in, core::Tick now);
    void client_event(Transaction& t, fsm::Event e, const Message& m, core::Tick now);
    bool go_compact(Transaction& t, const Message& m, core::Tick now);
    void on_lingering_response(const Message& m, std::uint64_t call_id_hash);
    void on_result(Transaction& t, const Message& m, core::Tick now);
    void on_final(Transaction& t, const Message& m, core::Tick now);
    void forward_response(Transaction& t, const Message& m, core::Tick now);
    std::span<char> write_forwarded(const Transaction& t, const Message& m, int& status);
    std::span<char> edit_forwarded(const Transaction& t, const Message& m, int& status);
    bool server_event(Transaction& t, fsm::Event e, core::Tick now);
    void attempt_failed(Transaction& t, bool timeout, core::Tick now);

    // --- proxy_dialog.cpp
    // hop.dialog; nullptr: no room.
    Dialog* open_dialog(const Request& r, NextHop& hop);
    [[nodiscard]] bool is_symmetric(const Request& r, const NextHop& hop, std::string_view contact) const noexcept;
    void note_in_dialog(Request& r, Dialog& d);
    void confirm_dialog(Transaction& t, const Message& m, core::Tick now);
    void settle_dialog(Transaction& t, int status, core::Tick now);
    static DialogEnd end_of(const Transaction& bye, const Dialog& d) noexcept;
    void close_dialog(Dialog& d, const Ending& ending, core::Tick now) noexcept;
    void release_attempt(Transaction& t);
    std::uint16_t texts_of(const Dialog& d, EventTexts& texts) const noexcept;
    // Whether it was taken; what was not is told again later.
    bool tell(Dialog& d, DialogChange change, core::Tick now) noexcept;
    bool note(Dialog& d, const DialogEvent& e, const EventTexts& texts) noexcept;
    void tell_end(const Dialog& d, const Ending& ending, core::Tick now) noexcept;
    void tell_born(const Request& r, const NextHop& hop, Dialog& d, const Transaction& t) noexcept;
    void tell_moved(Dialog& d, const Transaction& t, core::Tick now) noexcept;
    static std::string_view branch_sent(const Transaction& t) noexcept;

    // --- proxy_own.cpp
    // The client transaction of a request of our own, and the branch for its Via. nullptr: the table is full (counted).
    Transaction* open_own(Transaction::Kind kind, Method method, std::uint32_t cseq, const core::Flow& target, const CallIdentity& call,
                          std::uint64_t call_id_hash, core::Tick now, BranchText& branch);
    // Keeps and sends its request, written into what out_ had reserved; empty when there was no room. False: `t` is gone (counted).
    bool send_own(Transaction& t, std::string_view request, core::Tick now, core::Duration timeout = {});
    core::Flow way_to(const Dialog& d, bool callee) noexcept;
    bool send_within(Dialog& d, bool to_callee, Method method, std::uint32_t cseq, Transaction::Kind kind, core::Tick now);
    void hang_up_both(Dialog& d, core::Tick now);
    void ping(Dialog& d, core::Tick now);
    void on_pinged(Transaction& t, int status, core::Tick now);

    // --- proxy_recover.cpp
    static constexpr std::size_t max_gone = 1U << 18;  // calls that ended while a store was read
    static bool is_unlisted(const Dialog& d) noexcept;
    void stand_until(Dialog& d, core::Tick expires) noexcept;
    [[nodiscard]] DialogHandle dialog_of(const Request& r, const RouteCookie& c) noexcept;
    void put_on_trial(const Request& r, const RouteCookie& c, NextHop& hop);
    void settle_trial(const Transaction& t, Dialog& d, int status, core::Tick now) noexcept;
    void hold_end(Dialog& d, DialogEnd how, core::Tick now) noexcept;
    void tell_held_end(const Dialog& d) noexcept;
    void learn(Dialog& known, const RecoveredDialog& row, core::Tick now);
    void remember_gone(const Dialog& d) noexcept;
    void take_load(Dialog& d) noexcept;
    void prove_answered(Dialog& d, const Message& m, core::Tick now) noexcept;
    void walk(core::Tick now);
    void expire(Dialog& d, core::Tick now);

    // --- proxy_late.cpp
    void end_late_answer(Transaction& t, const Message& m, const core::Flow& in, core::Tick now);
    void hang_up(Transaction& t, const Message& m, const core::Flow& to, std::string_view routes, core::Tick now);
    std::string_view late_request(const Transaction& t, const Message& m, const core::Flow& to, std::string_view routes, Method method,
                                  std::string_view branch, std::uint32_t cseq);
    // `to`: how the callee is reached.
    std::string_view routes_to_callee(const Message& m, const core::Flow& to);

    // --- proxy_error.cpp
    [[nodiscard]] bool has_answered(const Message& quote, const core::Flow& sent) noexcept;
    void tell_unreachable(Transaction& t, Answer answer, core::Tick now);

    // --- proxy_streams.cpp
    static constexpr std::size_t max_stranded = 256;  // responses that wait for names
    struct Stranded {
        core::Bytes response;
        core::Flow way;  // the last one that failed
        std::uint64_t name;
        std::uint64_t seed;
        core::Tick since;
    };
    // §18.1.1, for a path whose MTU nobody knows.
    [[nodiscard]] bool is_large(std::size_t size) const noexcept { return size > 1300 && config_.large_requests == LargeRequests::stream; }
    // The socket for a request of `size` octets instead of that of `out`; nullptr: that of `out` will do.
    [[nodiscard]] const Socket* stream_for(std::size_t size, const core::Flow& out) const noexcept {
        return is_large(size) ? stream_beside(out) : nullptr;
    }
    [[nodiscard]] const Socket* stream_beside(const core::Flow& out) const noexcept;
    static void go_by(core::Flow& flow, const Socket& socket) noexcept;
    void take_stream(Transaction& t, const Socket& stream) noexcept;
    static void name_transport(std::span<char> request, core::Transport transport) noexcept;
    void request_returned(const Message& m, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now);
    void fall_back(std::string_view request, const core::Flow& by, Method method);
    void fail_flow(Transaction& t, core::Tick now);
    void response_returned(const Message& m, const core::Flow& by, std::uint64_t call_id_hash, core::Tick now);
    void send_back(std::string_view response, const core::Flow& way);
    bool next_way(const Message& m, std::uint64_t call_id_hash, core::Tick now, core::Flow& way, std::uint64_t& waits_for);
    void send_stranded(core::Tick now);

    // --- proxy_cancel.cpp
    void on_cancel(Request& r);
    void send_cancel(Transaction& t, std::uint8_t attempt, std::string_view via, const core::Flow& to, core::Tick now);
    void cancel_current(Transaction& t, core::Tick now);
    void send_ack(Transaction& t, const Message& response, const core::Flow& to, bool keep);
    bool build_hop_request(TextBuilder& b, const Message& image, std::string_view method, std::string_view via, std::string_view to_line,
                           std::uint32_t cseq, std::string_view extra);

    // --- proxy_reply.cpp
    // Of the remote end that a response goes to; all else is as the request came in.
    static std::uint16_t reply_port(const TopVia& via, const core::Flow& in) noexcept;
    // With received and rport filled in (RFC 3261 §18.2.1, RFC 3581 §4), of which either may come first. `text`: what `via` is an index of.
    static void write_top_via(TextBuilder& b, std::string_view text, const TopVia& via, const core::Flow& in, const Shown& client);
    // The same on the way through a message.
    [[gnu::always_inline]] static void copy_top_via(MessageCopy& copy, std::string_view text, const TopVia& via, const core::Flow& in,
                                                    const Shown& client) noexcept {
        const bool received_first = via.received.off < via.rport.off;
        if (via.received && received_first) copy.replace(via.received, client.address());
        if (via.has_rport) copy.replace(via.rport, client.rport());
        if (via.received) {
            if (!received_first) copy.replace(via.received, client.address());
        } else if (via.has_rport || !client.is({text.data() + via.host.off, via.host.len}, in.remote.address)) {
            copy.keep_to(via.value.end());
            copy.put(client.received());
        }
    }
    void reply(const Message& m, const core::Flow& in, const Shown& client, int code, std::string_view reason, LocalReply why,
               std::string_view extra = {});
    void reply(const Message& m, const core::Flow& in, int code, std::string_view reason, LocalReply why, std::string_view extra = {}) {
        reply(m, in, Shown{in.remote}, code, reason, why, extra);
    }
    // A response of our own to a transaction's request, made from its image.
    void finish(Transaction& t, int code, std::string_view reason, LocalReply why, std::string_view extra, core::Tick now);
    std::string_view retry_after(std::uint64_t seed);
    std::string_view status_line(int code, std::string_view reason) noexcept;
    void write_reply(TextBuilder& b, const Message& m, int code, std::string_view extra);
    void write_repeated(TextBuilder& b, const Message& m, std::string_view tag);
    std::string_view residue_of(const Message& m, const Transaction& t);
    void answer_again(const Request& r, std::string_view residue);

    // --- proxy_reject.cpp
    struct Rejections {
        core::SecretKey key;                           // of tags
        std::array<char, rejection_mark_length> mark;  // how this process's tags begin: an ACK is known by it
        std::string end;                               // the last lines
    };
    static Rejections make_rejections(const core::SecretKey& table_key, const ProxyConfig& config);

    // --- proxy_timer.cpp
    void on_timer(Transaction& t, core::Tick now);
    void on_client_end(Transaction& t, core::Tick now);
    void on_server_end(Transaction& t);
    static void end_in_silence(Transaction& t) noexcept;

    void drop(ProxyDrop d) noexcept { counters_.drops[d].add(); }
    void count(ProxyEvent e) noexcept { counters_.events[e].add(); }
    [[nodiscard]] CallIdentity identity(const Message& m, std::uint64_t call_id_hash) const noexcept {
        return {m.call_id(), call_id_hash, call_id_key_};
    }
    core::Tick& due(Transaction& t, Deadline d) noexcept { return t.deadline(d); }

    core::WorkerId self_;
    const ProxyConfig& config_;
    Sockets sockets_;
    Router& router_;
    NameService& names_;
    const core::KeyRing& keys_;
    core::Outbox& out_;
    ProxyCounters& counters_;
    LocalClient& local_;
    DialogObserver* observer_;
    const core::HashKey& call_id_key_;
    core::ByteSlab bytes_;
    TransactionTable transactions_;
    DialogTable dialogs_;
    ChallengeMemory challenges_;
    TrustHeaders trust_;
    Rejections rejections_;
    Scratch scratch_;
    Message image_;                           // an own image, parsed again
    Message waiting_message_;                 // a request that waited for a name, likewise
    std::vector<TransactionHandle> waiting_;  // for names; and some that wait no more
    std::size_t waiting_now_ = 0;
    std::vector<Stranded> stranded_;
    std::string allow_;
    std::string auth_ip_line_, auth_port_line_;  // the headers up to their values, and copy_slack octets
    std::size_t auth_ip_length_, auth_port_length_;
    std::size_t client_room_;  // for write_client()
    std::uint32_t early_dialogs_ = 0;
    std::uint32_t unlisted_ = 0;  // dialogs that end at an instant of their own, out of the order of expiry
    std::uint32_t untold_ = 0;    // whose changes the observer has missed
    std::uint32_t cursor_ = 0;    // where the walk over the dialogs is
    core::Tick next_walk_{};
    bool telling_all_ = false;
    bool recovering_ = false;
    core::FlatTable<std::uint8_t> gone_{max_gone};
    bool draining_ = false;
    // Durations of §17 Table 4, computed once.
    core::Duration t1_, t2_, t4_, t1x64_;
    core::Duration late_trying_{0};  // until Timer E would be T2 (RFC 4320 §4.1)
};

}  // namespace sipfront::sip
