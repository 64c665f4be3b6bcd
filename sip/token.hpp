// Signed tokens that let the network carry our state: the branch of our Via and the cookie of our Record-Route. Both name a
// slab entry of the node that made them, so that this node needs no lookup, and hold what any other node needs to go on.
// The MAC is core::KeyedHash's, under a key of the shared key ring; a token that does not verify is nobody's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "core/endpoint.hpp"
#include "core/hash.hpp"
#include "core/keys.hpp"
#include "core/types.hpp"
#include "sip/grammar.hpp"

namespace sipfront::sip {

struct Transaction;
struct Dialog;
using TransactionHandle = core::Handle<Transaction>;
using DialogHandle = core::Handle<Dialog>;

// Text of a token in a fixed buffer, so that making one allocates nothing.
template <std::size_t N>
struct TokenText {
    std::array<char, N> chars;
    std::size_t length = 0;

    [[nodiscard]] std::string_view view() const noexcept { return {chars.data(), length}; }
};

inline constexpr std::string_view magic_cookie = "z9hG4bK";  // RFC 3261 §8.1.1.7
inline bool has_magic_cookie(std::string_view branch) noexcept {
    return branch.size() >= magic_cookie.size() && grammar::spells<"z9hG4bK">(branch.data());
}

// A Call-ID as tokens are bound to it: by a digest under the key that signs. The steering hash is such a digest and is not
// made twice.
class CallIdentity {
public:
    template <class Text>
    requires std::is_convertible_v<const Text&, std::string_view> CallIdentity(const Text& call_id)
    noexcept : text_{call_id} {}  // NOLINT(google-explicit-constructor): any text is one
    // `digest`: of `call_id` under `key`.
    CallIdentity(std::string_view call_id, std::uint64_t digest, const core::HashKey& key) noexcept
        : text_{call_id}, digest_{digest}, key_{&key} {}

    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] std::uint64_t digest(const core::Key& key) const noexcept {
        return key_ != nullptr && *key_ == key.digest ? digest_ : core::digest(key.digest, text_);
    }

private:
    std::string_view text_;
    std::uint64_t digest_ = 0;
    const core::HashKey* key_ = nullptr;
};

// The branch parameter of a request that we send: z9hG4bK + 32 characters of base64url.
struct Branch {
    enum class Kind : std::uint8_t { proxied, stateless, local };

    core::NodeId node{};
    Kind kind = Kind::proxied;
    std::uint8_t attempt = 0;       // 0..15: which try of the transaction
    core::WorkerId worker{};        // of that node: who made it
    TransactionHandle transaction;  // empty for Kind::stateless
    std::uint32_t loop = 0;         // hash of what must differ for a spiral (RFC 3261 §16.6 step 8)
    std::uint64_t mac = 0;
};
// What the MAC covers besides the token itself: a response that quotes them otherwise is forged.
struct BranchBinding {
    CallIdentity call;
    std::uint32_t cseq = 0;
    // Digest of the Via below ours, under Key::digest of the key that signs (TransactionTable::server_key); 0 for our own requests.
    std::uint64_t client = 0;
};
using BranchText = TokenText<40>;
inline constexpr std::size_t branch_length = magic_cookie.size() + 32;

// Fills `b.mac`.
BranchText make_branch(Branch& b, const BranchBinding& binding, const core::KeyRing& keys) noexcept;
// Reads the fields; the MAC is not verified yet. False, and `b` is as it was: not of our making. The magic cookie is taken in any case.
bool read_branch(std::string_view branch, Branch& b) noexcept;
inline std::optional<Branch> read_branch(std::string_view branch) noexcept {
    Branch b;
    return read_branch(branch, b) ? std::optional{b} : std::nullopt;
}
// Verifies the MAC of a branch that read_branch() gave.
bool verify_branch(std::string_view branch, const BranchBinding& binding, const core::KeyRing& keys) noexcept;

// The `sf` parameter of our Record-Route URI: everything that in-dialog requests need to be routed by any node.
struct RouteCookie {
    core::NodeId node{};
    bool caller_in_cluster = false;  // which side made the call
    bool symmetric = false;          // the client is reached at its flow's address, whatever its Contact says (NAT, streams)
    core::Transport host_transport = core::Transport::udp;
    core::Transport client_transport = core::Transport::udp;
    DialogHandle dialog;    // on the node that made it
    core::Endpoint host;    // the destination's address
    core::Endpoint client;  // where the client's packets come from
    core::ConnectionId connection = core::no_connection;
};
using CookieText = TokenText<96>;
// Of datagrams over IPv4 on both sides.
inline constexpr std::size_t shortest_cookie = 42;

CookieText make_cookie(const RouteCookie& c, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys) noexcept;
// False, and `found` is empty: malformed, unknown key, or the MAC does not fit this Call-ID and caller's tag. Written where it
// stays: a cookie is copied in larger pieces than it is made of, which costs more than to make it.
bool open_cookie(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys,
                 std::optional<RouteCookie>& found) noexcept;

// The user part of the URI of our Path (RFC 3327, RFC 5626 §5.1): the flow on which a registered client is reached. Any node
// of the pair opens it. `sf.` + 22 characters for UDP over IPv4.
struct FlowToken {
    core::Endpoint client;
    core::Transport transport = core::Transport::udp;
    core::ConnectionId connection = core::no_connection;
};
inline constexpr std::string_view flow_mark = "sf.";
using FlowTokenText = TokenText<64>;

FlowTokenText make_flow_token(const FlowToken& f, const core::KeyRing& keys) noexcept;
// nullopt: malformed, unknown key, or tampered with. Whether `user` is meant as a token at all, its mark tells.
std::optional<FlowToken> open_flow_token(std::string_view user, const core::KeyRing& keys) noexcept;

// A To tag for replies of our own: the same for each retransmission of one request (RFC 3261 §16.7, §8.2.6.2).
TokenText<16> make_local_tag(std::string_view call_id, std::string_view from_tag, std::string_view branch,
                             const core::KeyRing& keys) noexcept;

}  // namespace sipfront::sip
